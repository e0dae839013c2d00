/* SPDX-License-Identifier: MIT */
/*
 * lib/pool.c - acquiring and releasing single blocks. Calls numa/cpu and the pool's other files.
 *
 * The hot paths, hnuma_pool_acquire() and hnuma_pool_release(), have nothing to save on the stack:
 * where they cannot end they hand over, by their last call, to the function that does everything.
 */
#include "config.h"

#include "lib/pool_books.h"
#include "lib/pool_cache.h"
#include "lib/pool_guard.h"
#include "lib/pool_spot.h"
#include "numa/error.h"
#include "numa/probe.h"
#include "numa/process.h"

#define COLD __attribute__((noinline, cold))

size_t hnuma_class_size(enum hnuma_class class_index)
{
	return (unsigned)class_index < HNUMA_NR_CLASSES ? hnuma_block_size(class_index) : 0;
}

int hnuma_class_for_size(size_t bytes)
{
	for (int c = 0; c < HNUMA_NR_CLASSES; c++) {
		if (bytes <= hnuma_block_size((unsigned)c))
			return c;
	}
	return hnuma_error_set(-E2BIG, "no class holds %zu bytes: the largest is 262144", bytes);
}

/*
 * From a home: from the cache of this CPU if it has one there, else from the depot, and a cache that
 * ran empty is filled on the way. NULL: exhausted.
 */
static void *take_from(struct hnuma_home *home, struct hnuma_cache *cache, unsigned cpu,
		       unsigned class_index)
{
	uint32_t block = HNUMA_NO_BLOCK;

	if (cache)
		block = hnuma_cache_take(home->uses_rseq, cache, cpu, HNUMA_CACHE_TAKE_HIT);
	if (likely(block != HNUMA_NO_BLOCK)) {
		hnuma_block_set(home, block, HNUMA_BLOCK_OUT);
		return hnuma_block_address(home, block);
	}
	pthread_mutex_lock(&home->lock);
	if (hnuma_home_gather(home, class_index, 1)) {
		hnuma_home_take(home, class_index, &block, 1);
		if (cache)
			hnuma_home_fill(home, cache, cpu, class_index);
	} else {
		home->depots[class_index].failures++;
		HNUMA_PROBE(pool_exhaustion, home->node, class_index, 1);
	}
	pthread_mutex_unlock(&home->lock);
	return block == HNUMA_NO_BLOCK ? NULL : hnuma_block_address(home, block);
}

void *hnuma_pool_acquire_from(struct hnuma_home *home, struct hnuma_cache *cache, unsigned cpu,
			      unsigned class_index)
{
	void *address;

	do
		address = take_from(home, cache, cpu, class_index);
	while (address && unlikely(home->is_hardened) &&
	       !hnuma_guard_hand_out(home, class_index, address));
	return address;
}

/* Every way to acquire one block but the fast one. `node` as in hnuma_pool_acquire_on(). */
static __attribute__((noinline)) void *acquire(struct hnuma_pool *pool, int node, bool may_go_on,
					       enum hnuma_class class_index)
{
	struct hnuma_line *line;
	struct hnuma_home *home;
	const unsigned short *order;
	void *address;
	unsigned cpu;

	if (!pool || (unsigned)class_index >= HNUMA_NR_CLASSES)
		return hnuma_line_refuse(EINVAL);
	if (hnuma_process_is_child_of(pool->epoch))
		return hnuma_line_refuse(EOWNERDEAD);
	line = hnuma_line_here(pool, &cpu);
	home = node == HNUMA_NODE_LOCAL ? hnuma_home_here(pool, line)
					: hnuma_pool_home_of_node(pool, node);
	if (!home)
		return hnuma_line_refuse(ENODEV);
	address = hnuma_pool_acquire_from(home, hnuma_cache_here(line, home, class_index), cpu,
					  class_index);
	order = &pool->ground->service.nearest[(size_t)(home - pool->homes) * pool->nr_homes];
	for (unsigned i = 1; may_go_on && !address && i < pool->nr_homes; i++)
		address = hnuma_pool_acquire_from(&pool->homes[order[i]], NULL, cpu, class_index);
	return address ? hnuma_block_hand_out(pool, address, class_index)
		       : hnuma_line_refuse(ENOMEM);
}

/* On the near node, and under PREFERRED on the next nearest ones. */
static __attribute__((noinline)) void *acquire_near(struct hnuma_pool *pool,
						    enum hnuma_class class_index)
{
	return acquire(pool, HNUMA_NODE_LOCAL, pool && pool->policy == HNUMA_POLICY_PREFERRED,
		       class_index);
}

void *hnuma_pool_acquire(struct hnuma_pool *pool, enum hnuma_class class_index)
{
#if HNUMA_HAVE_RSEQ
	if (likely(pool && (unsigned)class_index < HNUMA_NR_CLASSES &&
		   pool->fast_epoch == hnuma_process_epoch)) {
		unsigned cpu = hnuma_rseq_cpu(pool->rseq_offset);

		if (likely(cpu < pool->nr_cpus)) {
			struct hnuma_cache *cache = pool->lines[cpu].caches[class_index];
			size_t block = hnuma_rseq_take(pool->rseq_offset, cache, cpu,
						       HNUMA_CACHE_TAKE_HIT);

			if (likely(block != HNUMA_NO_BLOCK)) {
				atomic_store_explicit(&cache->states[block].is, HNUMA_BLOCK_OUT,
						      memory_order_relaxed);
				return cache->base + (block << HNUMA_BLOCK_SHIFT);
			}
		}
	}
#endif
	return acquire_near(pool, class_index);
}

void *hnuma_pool_acquire_on(struct hnuma_pool *pool, int node, enum hnuma_class class_index)
{
	return acquire(pool, node, false, class_index);
}

void *hnuma_pool_acquire_size(struct hnuma_pool *pool, size_t bytes)
{
	for (unsigned c = 0; c < HNUMA_NR_CLASSES; c++) {
		if (bytes <= hnuma_block_size(c))
			return hnuma_pool_acquire(pool, (enum hnuma_class)c);
	}
	return hnuma_line_refuse(pool ? E2BIG : EINVAL);
}

COLD int hnuma_pool_refuse(int error, const void *buffer, const struct hnuma_spot *spot)
{
	const char *why = "a block that is not out: it was released before";

	if (error == -EUCLEAN)
		return hnuma_guard_explain(spot->home, spot->class_index, spot->block, spot->bad);
	if (error == -EFAULT)
		why = "not a block of this pool";
	else if (error == -EINVAL)
		why = "not the start of a block: it points into one";
	return hnuma_error_set(error, "block %p refused: %s", buffer, why);
}

/* To the depot; a cache that is full is drained on the way. */
static COLD void give_to_home(const struct hnuma_spot *spot, struct hnuma_cache *cache,
			      unsigned cpu)
{
	struct hnuma_home *home = spot->home;

	pthread_mutex_lock(&home->lock);
	if (hnuma_home_give(home, spot->class_index, spot->block) && cache &&
	    hnuma_cache_depth(cache) >= cache->limit)
		hnuma_home_drain(home, cache, cpu, spot->class_index);
	pthread_mutex_unlock(&home->lock);
}

/* Every way to release one block but the fast one. */
static __attribute__((noinline)) int release(struct hnuma_pool *pool, void *buffer)
{
	struct hnuma_cache *cache;
	struct hnuma_line *line;
	struct hnuma_spot spot;
	unsigned cpu;
	int error;

	if (unlikely(!pool))
		return hnuma_error_set(-EINVAL, "pool is NULL");
	if (hnuma_process_is_child_of(pool->epoch))
		return hnuma_process_refuse("pool");
	line = hnuma_line_here(pool, &cpu);
	error = hnuma_spot_find(pool, hnuma_home_here(pool, line), buffer, &spot);
	if (likely(!error))
		error = hnuma_spot_take_back(pool, &spot, buffer);
	if (unlikely(error))
		return error == HNUMA_SPOT_LOST ? 0 : hnuma_pool_refuse(error, buffer, &spot);
	cache = hnuma_cache_here(line, spot.home, spot.class_index);
	if (cache && hnuma_cache_put(pool->uses_rseq, cache, cpu, spot.block))
		return 0;
	give_to_home(&spot, cache, cpu);
	return 0;
}

#if HNUMA_HAVE_RSEQ
/*
 * The fast path took the block back, and could not put it into the cache. Everything is found out
 * once more, so that the fast path need not keep it: it then gets by with the registers that are
 * free to use, and pushes none.
 */
static __attribute__((noinline)) int release_rest(struct hnuma_pool *pool, void *buffer)
{
	unsigned cpu;
	struct hnuma_line *line = hnuma_line_here(pool, &cpu);
	struct hnuma_spot spot;

	/* Cannot fail: nobody else has the block, and its page keeps its class. */
	if (likely(!hnuma_spot_find(pool, hnuma_home_here(pool, line), buffer, &spot)))
		give_to_home(&spot, hnuma_cache_here(line, spot.home, spot.class_index), cpu);
	return 0;
}
#endif

/*
 * Every check is a comparison with something in a cache line that is needed anyway. Where one fails,
 * release() finds out which.
 */
int hnuma_pool_release(struct hnuma_pool *pool, void *buffer)
{
#if HNUMA_HAVE_RSEQ
	const struct hnuma_line *line;
	struct hnuma_cache *cache;
	size_t offset, class_index, block;
	unsigned char was = HNUMA_BLOCK_OUT;
	unsigned cpu;

	if (unlikely(!pool || pool->fast_epoch != hnuma_process_epoch))
		return release(pool, buffer);
	cpu = hnuma_rseq_cpu(pool->rseq_offset);
	if (unlikely(cpu >= pool->nr_cpus))
		return release(pool, buffer);
	line = &pool->lines[cpu];
	offset = (uintptr_t)buffer - (uintptr_t)line->base;
	if (unlikely(offset >= line->size))
		return release(pool, buffer);
	class_index = atomic_load_explicit(&line->page_classes[offset >> HNUMA_PAGE_SHIFT],
					   memory_order_relaxed);
	if (unlikely(class_index >= HNUMA_NR_CLASSES))
		return release(pool, buffer);
	cache = line->caches[class_index];
	block = offset >> HNUMA_BLOCK_SHIFT;
	if (unlikely((offset & cache->mask) ||
		     !atomic_compare_exchange_strong_explicit(
			     &cache->states[block].is, &was, HNUMA_BLOCK_FREE, memory_order_acq_rel,
			     memory_order_relaxed)))
		return release(pool, buffer);
	if (likely(hnuma_rseq_put(pool->rseq_offset, cache, cpu, (uint32_t)block)))
		return 0;
	return release_rest(pool, buffer);
#else
	return release(pool, buffer);
#endif
}

/* Find a block that must be out. */
static int spot_out(const struct hnuma_pool *pool, const void *buffer, struct hnuma_spot *spot)
{
	int error;

	if (!pool)
		return hnuma_error_set(-EINVAL, "pool is NULL");
	if (hnuma_process_is_child_of(pool->epoch))
		return hnuma_process_refuse("pool");
	error = hnuma_spot_find(pool, &pool->homes[0], buffer, spot);
	if (!error && !hnuma_block_is_out(spot->home, spot->block))
		error = -EALREADY;
	return error ? hnuma_pool_refuse(error, buffer, spot) : 0;
}

int hnuma_pool_class_of(const struct hnuma_pool *pool, const void *buffer)
{
	struct hnuma_spot spot = {NULL, 0, 0, 0};
	int error = spot_out(pool, buffer, &spot);

	return error ? error : (int)spot.class_index;
}

int hnuma_pool_node_of(const struct hnuma_pool *pool, const void *buffer)
{
	struct hnuma_spot spot = {NULL, 0, 0, 0};
	int error = spot_out(pool, buffer, &spot);

	return error ? error : spot.home->node;
}
