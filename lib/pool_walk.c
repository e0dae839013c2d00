/* SPDX-License-Identifier: MIT */
/*
 * lib/pool_walk.c - the blocks that are out, one after the other: those in service, and those of pages that are not.
 * Calls numa/process.
 */
#include "config.h"

#include "lib/line.h"
#include "lib/pool_books.h"
#include "lib/pool_cache.h"
#include "numa/process.h"

/* The first block that is in a state and whose number is at least `from`; HNUMA_NO_BLOCK: none. */
static uint32_t find(const struct hnuma_home *home, uint64_t from, enum hnuma_block_state state)
{
	const uint64_t end = (uint64_t)home->nr_pages * HNUMA_BLOCKS_PER_PAGE_MAX;

	while (from < end) {
		uint64_t page = from / HNUMA_BLOCKS_PER_PAGE_MAX;
		unsigned class_index =
			atomic_load_explicit(&home->page_classes[page], memory_order_relaxed);
		uint64_t step;

		if (class_index == HNUMA_NO_CLASS) {
			from = (page + 1) * HNUMA_BLOCKS_PER_PAGE_MAX;
			continue;
		}
		/* Behind a block that was released since, the page may serve larger ones. */
		step = hnuma_home_step(home, class_index);
		from = (from + step - 1) & ~(step - 1);
		if (from / HNUMA_BLOCKS_PER_PAGE_MAX != page)
			continue;
		if (hnuma_block_state(home, (uint32_t)from) == state)
			return (uint32_t)from;
		from += step;
	}
	return HNUMA_NO_BLOCK;
}

/* Where to go on behind an address: a home, or nr_homes for an address of none, and a number. */
static unsigned find_place(const struct hnuma_pool *pool, const void *address, uint64_t *from)
{
	for (unsigned i = 0; i < pool->nr_homes; i++) {
		size_t offset = (uintptr_t)address - (uintptr_t)pool->homes[i].base;

		if (offset < pool->homes[i].size) {
			*from = (offset >> HNUMA_BLOCK_SHIFT) + 1;
			return i;
		}
	}
	return pool->nr_homes;
}

static void *walk(const struct hnuma_pool *pool, const void *previous, enum hnuma_block_state state)
{
	uint64_t from = 0;
	unsigned i = 0;

	if (!pool)
		return hnuma_line_refuse(EINVAL);
	if (hnuma_process_is_child_of(pool->epoch))
		return hnuma_line_refuse(EOWNERDEAD);
	if (previous)
		i = find_place(pool, previous, &from);
	if (i == pool->nr_homes)
		return hnuma_line_refuse(EFAULT);
	for (; i < pool->nr_homes; i++, from = 0) {
		uint32_t block = find(&pool->homes[i], from, state);

		if (block != HNUMA_NO_BLOCK)
			return hnuma_block_address(&pool->homes[i], block);
	}
	return hnuma_line_refuse(ENOENT);
}

void *hnuma_pool_walk(const struct hnuma_pool *pool, const void *previous)
{
	return walk(pool, previous, HNUMA_BLOCK_OUT);
}

void *hnuma_pool_walk_retired(const struct hnuma_pool *pool, const void *previous)
{
	return walk(pool, previous, HNUMA_BLOCK_LEAVING);
}
