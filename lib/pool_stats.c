/* SPDX-License-Identifier: MIT */
/*
 * lib/pool_stats.c - counting: statistics, the check of the books, prewarm and clear. Calls the
 * pool's other files.
 */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/pool_books.h"
#include "lib/pool_cache.h"
#include "lib/pool_count.h"
#include "lib/pool_guard.h"
#include "numa/error.h"
#include "numa/process.h"

/* One class of one home, under its lock. */
static void class_stats(struct hnuma_home *home, unsigned class_index,
			struct hnuma_pool_class_stats *stats)
{
	hnuma_pool_count_begin(stats, &home->depots[class_index]);
	for (unsigned cpu = 0; cpu < home->nr_cpus; cpu++) {
		const struct hnuma_cache *cache = &home->cpus[cpu].caches[class_index];
		uint64_t word = atomic_load_explicit(&cache->word, memory_order_relaxed);

		hnuma_pool_count_cache(stats, word, cache->filled, cache->drained);
	}
	hnuma_pool_count_end(stats);
}

int hnuma_pool_class_stats(const struct hnuma_pool *pool, int node, enum hnuma_class class_index,
			   struct hnuma_pool_class_stats *stats)
{
	struct hnuma_home *home;

	if (!pool || !stats)
		return hnuma_error_set(-EINVAL, "pool or stats is NULL");
	if ((unsigned)class_index >= HNUMA_NR_CLASSES)
		return hnuma_error_set(-EINVAL, "class %d does not exist", (int)class_index);
	if (hnuma_process_is_child_of(pool->epoch))
		return hnuma_process_refuse("pool");
	home = hnuma_pool_home_of_node(pool, node);
	if (!home)
		return hnuma_error_set(-ENODEV, "node %d is not served by this pool", node);
	pthread_mutex_lock(&home->lock);
	class_stats(home, class_index, stats);
	pthread_mutex_unlock(&home->lock);
	return 0;
}

int hnuma_pool_stats(const struct hnuma_pool *pool, struct hnuma_pool_stats *stats)
{
	if (!pool || !stats)
		return hnuma_error_set(-EINVAL, "pool or stats is NULL");
	if (hnuma_process_is_child_of(pool->epoch))
		return hnuma_process_refuse("pool");
	memset(stats, 0, sizeof(*stats));
	for (unsigned i = 0; i < pool->nr_homes; i++) {
		struct hnuma_home *home = &pool->homes[i];

		pthread_mutex_lock(&home->lock);
		for (unsigned c = 0; c < HNUMA_NR_CLASSES; c++) {
			struct hnuma_pool_class_stats one;

			class_stats(home, c, &one);
			hnuma_pool_count_add(stats, c, &one);
		}
		stats->lost_pages += home->nr_lost_pages;
		pthread_mutex_unlock(&home->lock);
	}
	stats->hit_rate = hnuma_pool_hit_rate(stats->hits, stats->misses);
	return 0;
}

size_t hnuma_pool_nr_out(const struct hnuma_pool *pool)
{
	size_t nr_out = 0;

	for (unsigned i = 0; i < pool->nr_homes; i++) {
		struct hnuma_home *home = &pool->homes[i];

		pthread_mutex_lock(&home->lock);
		for (unsigned c = 0; c < HNUMA_NR_CLASSES; c++)
			nr_out += home->depots[c].made - home->depots[c].lost -
				  hnuma_home_nr_free(home, c);
		pthread_mutex_unlock(&home->lock);
	}
	return nr_out;
}

static void lock_all(const struct hnuma_pool *pool)
{
	for (unsigned i = 0; i < pool->nr_homes; i++)
		pthread_mutex_lock(&pool->homes[i].lock);
}

static void unlock_all(const struct hnuma_pool *pool)
{
	for (unsigned i = pool->nr_homes; i-- > 0;)
		pthread_mutex_unlock(&pool->homes[i].lock);
}

static int prewarm_home(struct hnuma_home *home, unsigned class_index, size_t count)
{
	size_t nr_free = hnuma_home_nr_free(home, class_index);

	if (nr_free > home->buffers_per_class || count > home->buffers_per_class - nr_free)
		return hnuma_error_set(-ENOSPC,
				       "%zu more free blocks of %zu bytes asked of node %d, which "
				       "has %zu and keeps at most %zu (buffers_per_class)",
				       count, hnuma_block_size(class_index), home->node, nr_free,
				       home->buffers_per_class);
	if (!hnuma_home_make(home, class_index, count))
		return hnuma_error_set(-ENOMEM,
				       "node %d has no room for %zu more blocks of %zu bytes",
				       home->node, count, hnuma_block_size(class_index));
	return 0;
}

/* Classes first..last on every home, all or none: every home is locked, so what was made is on top. */
static int prewarm(struct hnuma_pool *pool, unsigned first, unsigned last, size_t count)
{
	const unsigned nr_classes = last - first + 1;
	const unsigned nr_steps = pool->nr_homes * nr_classes;
	unsigned step;
	int error = 0;

	if (hnuma_process_is_child_of(pool->epoch))
		return hnuma_process_refuse("pool");
	lock_all(pool);
	for (step = 0; step < nr_steps; step++) {
		error = prewarm_home(&pool->homes[step / nr_classes], first + step % nr_classes,
				     count);
		if (error)
			break;
	}
	while (error && step-- > 0)
		hnuma_home_unmake(&pool->homes[step / nr_classes], first + step % nr_classes,
				  count);
	unlock_all(pool);
	return error;
}

int hnuma_pool_prewarm(struct hnuma_pool *pool, enum hnuma_class class_index, size_t count)
{
	if (!pool)
		return hnuma_error_set(-EINVAL, "pool is NULL");
	if ((unsigned)class_index >= HNUMA_NR_CLASSES)
		return hnuma_error_set(-EINVAL, "class %d does not exist", (int)class_index);
	return prewarm(pool, (unsigned)class_index, (unsigned)class_index, count);
}

int hnuma_pool_prewarm_all(struct hnuma_pool *pool, size_t count)
{
	if (!pool)
		return hnuma_error_set(-EINVAL, "pool is NULL");
	return prewarm(pool, 0, HNUMA_NR_CLASSES - 1, count);
}

int hnuma_pool_clear(struct hnuma_pool *pool)
{
	if (!pool)
		return hnuma_error_set(-EINVAL, "pool is NULL");
	if (hnuma_process_is_child_of(pool->epoch))
		return hnuma_process_refuse("pool");
	for (unsigned i = 0; i < pool->nr_homes; i++) {
		pthread_mutex_lock(&pool->homes[i].lock);
		hnuma_home_clear(&pool->homes[i]);
		pthread_mutex_unlock(&pool->homes[i].lock);
	}
	return 0;
}

/* Find one block of a list: of this class, FREE, and in no list before. */
static int check_listed(const struct hnuma_home *home, unsigned class_index, uint32_t block,
			unsigned char *seen)
{
	const size_t page = block / HNUMA_BLOCKS_PER_PAGE_MAX;
	const char *fault = NULL;

	if (page >= home->nr_pages || home->page_classes[page] != class_index ||
	    block % hnuma_home_step(home, class_index) != 0)
		fault = "is no block of this class";
	else if (hnuma_block_state(home, block) != HNUMA_BLOCK_FREE)
		fault = "is in a list but not free";
	else if (seen[block])
		fault = "is in two lists";
	if (fault)
		return hnuma_error_set(-EUCLEAN, "node %d, class of %zu bytes: block %u %s",
				       home->node, hnuma_block_size(class_index), block, fault);
	seen[block] = 1;
	return 0;
}

/* Walk the depot and the caches of one class. Nobody is working on the caches: see pool.h. */
static int check_lists(const struct hnuma_home *home, unsigned class_index, unsigned char *seen)
{
	const struct hnuma_depot *depot = &home->depots[class_index];
	int error = 0;

	for (uint64_t i = 0; i < depot->count && !error; i++)
		error = check_listed(home, class_index, depot->stack[i], seen);
	for (unsigned cpu = 0; cpu < home->nr_cpus && !error; cpu++) {
		const struct hnuma_cache *cache = &home->cpus[cpu].caches[class_index];

		for (unsigned i = 0; i < hnuma_cache_depth(cache) && !error; i++)
			error = check_listed(home, class_index, cache->slots[i], seen);
	}
	return error;
}

/* Count the states of a class's pages and hold them against the books. */
static int check_states(struct hnuma_home *home, unsigned class_index)
{
	const struct hnuma_depot *depot = &home->depots[class_index];
	struct hnuma_pool_class_stats stats;
	uint64_t nr_free = 0, nr_out = 0, nr_lost = 0, nr_pages = 0;

	for (uint32_t i = 0; i < home->nr_pages; i++) {
		uint64_t made = 0;

		if (home->page_classes[i] != class_index)
			continue;
		nr_pages++;
		for (uint32_t at = 0; at < HNUMA_BLOCKS_PER_PAGE_MAX;
		     at += hnuma_home_step(home, class_index)) {
			unsigned state =
				hnuma_block_state(home, i * HNUMA_BLOCKS_PER_PAGE_MAX + at);

			nr_free += state == HNUMA_BLOCK_FREE;
			nr_out += state == HNUMA_BLOCK_OUT || state == HNUMA_BLOCK_LEAVING;
			nr_lost += state == HNUMA_BLOCK_LOST;
			made += state != HNUMA_BLOCK_UNMADE;
		}
		if (made != home->pages[i].made)
			return hnuma_error_set(-EUCLEAN,
					       "node %d: page %u has %" PRIu64
					       " blocks, its books say %u",
					       home->node, i, made, home->pages[i].made);
	}
	class_stats(home, class_index, &stats);
	if (nr_free == stats.free_buffers && nr_out == stats.in_use &&
	    nr_lost == stats.lost_buffers && nr_pages == depot->nr_pages &&
	    stats.in_use == stats.hits + stats.misses - stats.returns - stats.drops)
		return 0;
	return hnuma_error_set(
		-EUCLEAN,
		"node %d, class of %zu bytes: %" PRIu64 " free, %" PRIu64 " out and %" PRIu64
		" lost on %" PRIu64 " pages; the books say %" PRIu64 ", %" PRIu64 ", %" PRIu64
		", %u; hits %" PRIu64 " + misses %" PRIu64 " - returns %" PRIu64
		" - drops %" PRIu64,
		home->node, hnuma_block_size(class_index), nr_free, nr_out, nr_lost, nr_pages,
		stats.free_buffers, stats.in_use, stats.lost_buffers, depot->nr_pages, stats.hits,
		stats.misses, stats.returns, stats.drops);
}

static int check_home(struct hnuma_home *home)
{
	const size_t nr_blocks = (size_t)home->nr_pages * HNUMA_BLOCKS_PER_PAGE_MAX;
	unsigned char *seen = calloc(nr_blocks, 1);
	uint32_t nr_pages = home->nr_free_pages;
	int error = 0;

	if (!seen)
		return hnuma_error_set(-ENOMEM, "no memory to check %zu blocks", nr_blocks);
	for (unsigned c = 0; c < HNUMA_NR_CLASSES && !error; c++) {
		error = check_lists(home, c, seen);
		if (!error)
			error = check_states(home, c);
		nr_pages += home->depots[c].nr_pages;
	}
	for (uint32_t i = 0; i < home->nr_pages; i++)
		nr_pages += home->pages[i].is_lost && home->page_classes[i] == HNUMA_NO_CLASS;
	free(seen);
	if (!error && nr_pages != home->nr_pages)
		error = hnuma_error_set(-EUCLEAN, "node %d: %u pages in the books of %u",
					home->node, nr_pages, home->nr_pages);
	if (!error && home->is_hardened)
		error = hnuma_guard_check(home);
	return error;
}

int hnuma_pool_check(struct hnuma_pool *pool)
{
	int error = 0;

	if (!pool)
		return hnuma_error_set(-EINVAL, "pool is NULL");
	if (hnuma_process_is_child_of(pool->epoch))
		return hnuma_process_refuse("pool");
	for (unsigned i = 0; i < pool->nr_homes && !error; i++) {
		pthread_mutex_lock(&pool->homes[i].lock);
		error = check_home(&pool->homes[i]);
		pthread_mutex_unlock(&pool->homes[i].lock);
	}
	return error;
}
