/* SPDX-License-Identifier: MIT */
/*
 * lib/pool_guard.c - the patterns of a hardened pool, and what comes of a broken one. Calls
 * pool_home.c.
 */
#include "config.h"

#include <inttypes.h>
#include <string.h>

#include "lib/pool_guard.h"
#include "numa/error.h"

/* Odd, so that no two words of a pool have the same product: the golden ratio's bits. */
#define SPREAD UINT64_C(0x9e3779b97f4a7c15)
/* No byte is 0. */
#define NO_ZERO UINT64_C(0x0101010101010101)

static inline uint64_t pattern_at(const struct hnuma_home *home, const uint64_t *word)
{
	return (home->key ^ (((uintptr_t)word + home->shift) * SPREAD)) | NO_ZERO;
}

static void pattern_write(const struct hnuma_home *home, void *address, size_t size)
{
	uint64_t *words = address;

	for (size_t i = 0; i < size / sizeof(*words); i++)
		words[i] = pattern_at(home, &words[i]);
}

/* The offset of the first byte that is not as it was written; `size` where all are. */
static size_t pattern_find(const struct hnuma_home *home, const void *address, size_t size)
{
	const uint64_t *words = address;
	const unsigned char *bytes = address;
	size_t i = 0, at;
	uint64_t wanted;

	while (i < size / sizeof(*words) && words[i] == pattern_at(home, &words[i]))
		i++;
	if (i == size / sizeof(*words))
		return size;
	wanted = pattern_at(home, &words[i]);
	at = i * sizeof(*words);
	/* Who writes where he should not may be at it just now: the word can be whole again. */
	for (i = 0; i < sizeof(wanted) - 1 && bytes[at + i] == ((unsigned char *)&wanted)[i];)
		i++;
	return at + i;
}

void hnuma_guard_arm(const struct hnuma_home *home, unsigned class_index, uint32_t block)
{
	pattern_write(home, hnuma_block_address(home, block), hnuma_home_stride(home, class_index));
}

int hnuma_guard_explain(const struct hnuma_home *home, unsigned class_index, uint32_t block,
			size_t bad)
{
	const size_t size = hnuma_block_size(class_index);
	const char *address = hnuma_block_address(home, block);

	if (bad < size)
		return hnuma_error_set(
			-EUCLEAN,
			"block %p of %zu bytes on node %d: its byte %zu was overwritten after the "
			"block was released; it will not be handed out again",
			(const void *)address, size, home->node, bad);
	return hnuma_error_set(
		-EUCLEAN,
		"block %p of %zu bytes on node %d: byte %zu behind its end was overwritten: its "
		"user wrote too far, or that of the block at %p before its start; it will not be "
		"handed out again",
		(const void *)address, size, home->node, bad - size,
		(const void *)(address + hnuma_home_stride(home, class_index)));
}

/* Under the home's lock. The first that was found is kept for hnuma_pool_check(). */
static void note(struct hnuma_home *home, unsigned class_index, uint32_t block, size_t bad)
{
	struct hnuma_finding *first = &home->first_finding;

	home->depots[class_index].overwritten++;
	if (first->offset == HNUMA_NOT_FOUND) {
		first->class_index = class_index;
		first->block = block;
		first->offset = bad;
	}
}

static void lose(struct hnuma_home *home, unsigned class_index, uint32_t block, size_t bad)
{
	pthread_mutex_lock(&home->lock);
	note(home, class_index, block, bad);
	hnuma_home_lose(home, class_index, block);
	pthread_mutex_unlock(&home->lock);
}

bool hnuma_guard_hand_out(struct hnuma_home *home, unsigned class_index, void *address)
{
	const uint32_t block =
		(uint32_t)(((unsigned char *)address - home->base) >> HNUMA_BLOCK_SHIFT);
	const size_t stride = hnuma_home_stride(home, class_index);
	size_t bad = pattern_find(home, address, stride);

	if (bad < stride) {
		lose(home, class_index, block, bad);
		hnuma_guard_explain(home, class_index, block, bad);
		return false;
	}
	memset(address, 0, hnuma_block_size(class_index));
	return true;
}

bool hnuma_guard_let_go(struct hnuma_home *home, unsigned class_index, uint32_t block)
{
	const size_t stride = hnuma_home_stride(home, class_index);
	size_t bad = pattern_find(home, hnuma_block_address(home, block), stride);

	if (bad < stride)
		note(home, class_index, block, bad);
	return bad == stride;
}

/* The first byte of a block's guard that was overwritten, from the block's start; else the stride. */
static size_t look_behind(const struct hnuma_home *home, unsigned class_index, uint32_t block)
{
	const size_t size = hnuma_block_size(class_index);
	const char *guard = (const char *)hnuma_block_address(home, block) + size;

	return size + pattern_find(home, guard, hnuma_home_stride(home, class_index) - size);
}

int hnuma_guard_take_back(struct hnuma_home *home, unsigned class_index, uint32_t block,
			  size_t *bad)
{
	*bad = look_behind(home, class_index, block);
	if (*bad < hnuma_home_stride(home, class_index)) {
		lose(home, class_index, block, *bad);
		return -EUCLEAN;
	}
	pattern_write(home, hnuma_block_address(home, block), hnuma_block_size(class_index));
	return 0;
}

bool hnuma_guard_adopt(struct hnuma_home *home, unsigned class_index, uint32_t block)
{
	size_t bad = look_behind(home, class_index, block);

	if (bad < hnuma_home_stride(home, class_index)) {
		note(home, class_index, block, bad);
		return false;
	}
	pattern_write(home, hnuma_block_address(home, block), hnuma_block_size(class_index));
	return true;
}

/* The offset of a block's first byte that its owner, or nobody, should have written to; else the stride. */
static size_t find_bad(const struct hnuma_home *home, unsigned class_index, uint32_t block)
{
	const size_t stride = hnuma_home_stride(home, class_index);

	switch (hnuma_block_state(home, block)) {
	case HNUMA_BLOCK_OUT:
		return look_behind(home, class_index, block);
	case HNUMA_BLOCK_FREE:
		return pattern_find(home, hnuma_block_address(home, block), stride);
	default:
		return stride;
	}
}

/* The blocks of one page. `error` as it was, or of the first one found. */
static int look_at_page(struct hnuma_home *home, uint32_t page, int error)
{
	const unsigned class_index = home->page_classes[page];
	const uint32_t first = page * HNUMA_BLOCKS_PER_PAGE_MAX;

	if (class_index == HNUMA_NO_CLASS)
		return error;
	for (uint32_t block = first; block < first + HNUMA_BLOCKS_PER_PAGE_MAX;
	     block += hnuma_home_step(home, class_index)) {
		size_t bad = find_bad(home, class_index, block);

		if (bad == hnuma_home_stride(home, class_index))
			continue;
		/* One that is out is found again when it comes back, and counted then. */
		if (hnuma_block_state(home, block) == HNUMA_BLOCK_FREE) {
			note(home, class_index, block, bad);
			hnuma_home_withdraw(home, class_index, block, block);
		}
		if (!error)
			error = hnuma_guard_explain(home, class_index, block, bad);
	}
	return error;
}

/* All of them: free ones that were overwritten are LOST. */
static int look_at_all(struct hnuma_home *home)
{
	int error = 0;

	for (uint32_t page = 0; page < home->nr_pages; page++)
		error = look_at_page(home, page, error);
	return error;
}

int hnuma_guard_check(struct hnuma_home *home)
{
	const struct hnuma_finding *first = &home->first_finding;
	int error = look_at_all(home);

	if (!error && first->offset != HNUMA_NOT_FOUND)
		error = hnuma_guard_explain(home, first->class_index, first->block, first->offset);
	return error;
}

int hnuma_guard_leave(struct hnuma_pool *pool)
{
	int error = 0;

	for (unsigned i = 0; i < pool->nr_homes; i++) {
		struct hnuma_home *home = &pool->homes[i];

		if (!home->is_hardened)
			continue;
		pthread_mutex_lock(&home->lock);
		if (look_at_all(home))
			error = -EUCLEAN;
		pthread_mutex_unlock(&home->lock);
	}
	return error ? hnuma_error_prefix(error,
					  "nothing is destroyed yet, which calling again does: ")
		     : 0;
}
