/* SPDX-License-Identifier: MIT */
/*
 * lib/pool_bulk.c - acquiring and releasing many blocks in one call. Calls numa/cpu and the pool's
 * other files.
 */
#include "config.h"

#include "lib/pool_books.h"
#include "lib/pool_cache.h"
#include "lib/pool_guard.h"
#include "lib/pool_spot.h"
#include "numa/error.h"
#include "numa/probe.h"
#include "numa/process.h"

/* Blocks that are moved under one hold of the lock. */
#define BULK_STRIDE 256

/*
 * Of n blocks taken from a hardened pool the one at `bad` was overwritten, and nothing is left to
 * take its place: give the others back. Those behind it were not looked at yet, and a release would
 * write the pattern over what there is to be found.
 */
static __attribute__((cold)) int give_up(struct hnuma_pool *pool, struct hnuma_home *home,
					 unsigned class_index, void **buffers, size_t n, size_t bad)
{
	for (size_t i = 0; i < n; i++) {
		if (i < bad || (i > bad && hnuma_guard_hand_out(home, class_index, buffers[i])))
			hnuma_pool_release(pool, buffers[i]);
	}
	return hnuma_error_set(-ENOMEM,
			       "node %d has fewer than %zu blocks of %zu bytes that were not "
			       "overwritten",
			       home->node, n, hnuma_block_size(class_index));
}

/*
 * From this CPU's cache, with one sequence: all n, or none. So few of them are in it that the call
 * below goes to the depot with all of it: then the cache is filled on the way, for the next one.
 */
static bool acquire_bulk_here(const struct hnuma_home *home, struct hnuma_cache *cache,
			      unsigned cpu, void **buffers, size_t n)
{
	uint32_t blocks[HNUMA_CACHE_SLOTS];

	if (n > HNUMA_CACHE_SLOTS || !hnuma_cache_take_many(home->uses_rseq, cache, cpu, blocks,
							    (unsigned)n, HNUMA_CACHE_TAKE_HIT))
		return false;
	for (size_t i = 0; i < n; i++) {
		hnuma_block_set(home, blocks[i], HNUMA_BLOCK_OUT);
		buffers[i] = hnuma_block_address(home, blocks[i]);
	}
	return true;
}

static bool acquire_bulk_at_home(struct hnuma_home *home, struct hnuma_cache *cache, unsigned cpu,
				 unsigned class_index, void **buffers, size_t n)
{
	uint32_t blocks[BULK_STRIDE];
	bool can;

	pthread_mutex_lock(&home->lock);
	can = hnuma_home_gather(home, class_index, n);
	for (size_t done = 0; can && done < n;) {
		size_t some = n - done < BULK_STRIDE ? n - done : BULK_STRIDE;

		hnuma_home_take(home, class_index, blocks, some);
		for (size_t i = 0; i < some; i++)
			buffers[done + i] = hnuma_block_address(home, blocks[i]);
		done += some;
	}
	if (!can) {
		home->depots[class_index].failures++;
		HNUMA_PROBE(pool_exhaustion, home->node, class_index, n);
	} else if (cache && n <= cache->limit && hnuma_cache_depth(cache) <= cache->limit / 2) {
		hnuma_home_fill(home, cache, cpu, class_index);
	}
	pthread_mutex_unlock(&home->lock);
	return can;
}

int hnuma_pool_acquire_bulk_on(struct hnuma_pool *pool, int node, enum hnuma_class class_index,
			       void **buffers, size_t n)
{
	struct hnuma_cache *cache;
	struct hnuma_home *home;
	struct hnuma_line *line;
	unsigned cpu;

	if (!pool || (n > 0 && !buffers))
		return hnuma_error_set(-EINVAL, "pool or buffers is NULL");
	if ((unsigned)class_index >= HNUMA_NR_CLASSES)
		return hnuma_error_set(-EINVAL, "class %d does not exist", (int)class_index);
	if (hnuma_process_is_child_of(pool->epoch))
		return hnuma_process_refuse("pool");
	line = hnuma_line_here(pool, &cpu);
	home = node == HNUMA_NODE_LOCAL ? hnuma_home_here(pool, line)
					: hnuma_pool_home_of_node(pool, node);
	if (!home)
		return hnuma_error_set(-ENODEV, "node %d is not served by this pool", node);
	if (n == 0)
		return 0;
	cache = hnuma_cache_here(line, home, class_index);
	if (!(cache && acquire_bulk_here(home, cache, cpu, buffers, n)) &&
	    !acquire_bulk_at_home(home, cache, cpu, class_index, buffers, n))
		return hnuma_error_set(-ENOMEM,
				       "%zu blocks of %zu bytes asked of node %d, which has fewer "
				       "left; nothing was taken",
				       n, hnuma_block_size(class_index), home->node);
	for (size_t i = 0; i < n && unlikely(home->is_hardened); i++) {
		if (!hnuma_guard_hand_out(home, class_index, buffers[i]))
			buffers[i] = hnuma_pool_acquire_from(home, NULL, 0, class_index);
		if (!buffers[i])
			return give_up(pool, home, class_index, buffers, n, i);
	}
	if (unlikely(pool->is_poisoning || pool->hygiene == HNUMA_HYGIENE_ON_ACQUIRE)) {
		for (size_t i = 0; i < n; i++)
			hnuma_block_hand_out(pool, buffers[i], class_index);
	}
	return 0;
}

int hnuma_pool_acquire_bulk(struct hnuma_pool *pool, enum hnuma_class class_index, void **buffers,
			    size_t n)
{
	return hnuma_pool_acquire_bulk_on(pool, HNUMA_NODE_LOCAL, class_index, buffers, n);
}

/* Blocks of one home and class that were taken back and are in no list yet. */
struct run {
	struct hnuma_home *home;
	unsigned class_index;
	unsigned nr;
	uint32_t blocks[BULK_STRIDE];
};

/*
 * Into this CPU's cache, with one sequence, or to the depot with all of them; a cache that had no room
 * is then drained, for the next run.
 */
static void give_run(const struct hnuma_pool *pool, struct run *run)
{
	struct hnuma_home *home = run->home;
	const unsigned nr = run->nr;
	struct hnuma_cache *cache;
	bool is_kept = false;
	unsigned cpu;

	if (nr == 0)
		return;
	run->nr = 0;
	cache = hnuma_cache_here(hnuma_line_here(pool, &cpu), home, run->class_index);
	if (cache && nr > cache->limit)
		cache = NULL;
	if (cache && hnuma_cache_put_many(home->uses_rseq, cache, cpu, run->blocks, nr))
		return;
	pthread_mutex_lock(&home->lock);
	for (unsigned i = 0; i < nr; i++)
		is_kept = hnuma_home_give(home, run->class_index, run->blocks[i]);
	if (is_kept && cache && hnuma_cache_depth(cache) + nr > cache->limit)
		hnuma_home_drain(home, cache, cpu, run->class_index);
	pthread_mutex_unlock(&home->lock);
}

/* Add a block, and give what there was before where this one belongs elsewhere. */
static inline void run_add(const struct hnuma_pool *pool, struct run *run,
			   const struct hnuma_spot *spot)
{
	if (unlikely(spot->home != run->home || spot->class_index != run->class_index ||
		     run->nr == BULK_STRIDE)) {
		give_run(pool, run);
		run->home = spot->home;
		run->class_index = spot->class_index;
	}
	run->blocks[run->nr++] = spot->block;
}

int hnuma_pool_release_bulk(struct hnuma_pool *pool, void *const *buffers, size_t n)
{
	const void *first_bad = NULL;
	struct hnuma_home *near;
	struct run run;
	struct hnuma_spot spot, first_spot = {NULL, 0, 0, 0};
	size_t refused = 0;
	unsigned cpu;
	int first = 0;

	if (!pool || (n > 0 && !buffers))
		return hnuma_error_set(-EINVAL, "pool or buffers is NULL");
	if (hnuma_process_is_child_of(pool->epoch))
		return hnuma_process_refuse("pool");
	near = hnuma_home_here(pool, hnuma_line_here(pool, &cpu));
	run.home = near;
	run.class_index = 0;
	run.nr = 0;
	for (size_t i = 0; i < n; i++) {
		int error = hnuma_spot_find(pool, near, buffers[i], &spot);

		if (!error)
			error = hnuma_spot_take_back(pool, &spot, buffers[i]);
		if (likely(!error))
			run_add(pool, &run, &spot);
		else if (error < 0 && refused++ == 0) {
			first = error;
			first_bad = buffers[i];
			first_spot = spot;
		}
	}
	give_run(pool, &run);
	if (!first)
		return 0;
	hnuma_pool_refuse(first, first_bad, &first_spot);
	return hnuma_error_prefix(first, "%zu of %zu blocks were refused, first: ", refused, n);
}
