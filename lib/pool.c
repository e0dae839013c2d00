/* SPDX-License-Identifier: MIT */
/*
 * lib/pool.c - acquiring and releasing blocks. Calls numa/cpu and the pool's other files.
 *
 * The hot paths, hnuma_pool_acquire() and hnuma_pool_release(), have nothing to save on the stack:
 * where they cannot end they hand over, by their last call, to the function that does everything.
 */
#include "config.h"

#include <string.h>

#include "lib/line.h"
#include "lib/poison.h"
#include "lib/pool_books.h"
#include "lib/pool_cache.h"
#include "lib/pool_guard.h"
#include "numa/cpu.h"
#include "numa/error.h"
#include "numa/probe.h"
#include "numa/process.h"

#define COLD __attribute__((noinline, cold))

/* Blocks that a bulk call moves under one hold of the lock. */
#define BULK_STRIDE 256

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

/* The CPU that the calling thread is on, and what belongs to it; NULL for one that nobody knew of. */
static inline struct hnuma_line *line_here(const struct hnuma_pool *pool, unsigned *cpu)
{
	*cpu = (unsigned)hnuma_cpu_current();
	return likely(*cpu < pool->nr_cpus) ? &pool->lines[*cpu] : NULL;
}

static inline struct hnuma_home *home_here(const struct hnuma_pool *pool,
					   const struct hnuma_line *line)
{
	return line ? hnuma_line_home(line) : &pool->homes[0];
}

/* This CPU's cache of a class, if it is one of that home's blocks; else NULL. */
static inline struct hnuma_cache *cache_here(const struct hnuma_line *line,
					     const struct hnuma_home *home, unsigned class_index)
{
	return line && hnuma_line_home(line) == home ? line->caches[class_index] : NULL;
}

/* What remains to be done with a block that has just become the caller's. */
static inline void *hand_out(const struct hnuma_pool *pool, void *address, unsigned class_index)
{
	if (unlikely(pool->is_poisoning))
		hnuma_unpoison_defined(address, hnuma_block_size(class_index));
	if (unlikely(pool->hygiene == HNUMA_HYGIENE_ON_ACQUIRE))
		memset(address, 0, hnuma_block_size(class_index));
	return address;
}

static COLD void *no_block(int error)
{
	errno = error;
	return NULL;
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

/* The same; in a hardened pool, one that nobody wrote to. */
static void *acquire_from(struct hnuma_home *home, struct hnuma_cache *cache, unsigned cpu,
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
		return no_block(EINVAL);
	if (hnuma_process_is_child_of(pool->epoch))
		return no_block(EOWNERDEAD);
	line = line_here(pool, &cpu);
	home = node == HNUMA_NODE_LOCAL ? home_here(pool, line)
					: hnuma_pool_home_of_node(pool, node);
	if (!home)
		return no_block(ENODEV);
	address = acquire_from(home, cache_here(line, home, class_index), cpu, class_index);
	order = &pool->ground->service.nearest[(size_t)(home - pool->homes) * pool->nr_homes];
	for (unsigned i = 1; may_go_on && !address && i < pool->nr_homes; i++)
		address = acquire_from(&pool->homes[order[i]], NULL, cpu, class_index);
	return address ? hand_out(pool, address, class_index) : no_block(ENOMEM);
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
	return no_block(pool ? E2BIG : EINVAL);
}

/* Where a pointer points to. */
struct spot {
	struct hnuma_home *home;
	unsigned class_index;
	uint32_t block;
	size_t bad; /* with -EUCLEAN: see hnuma_guard_take_back() */
};

static COLD int refuse(int error, const void *buffer, const struct spot *spot)
{
	const char *why = "a buffer that is not out: it was released before";

	if (error == -EUCLEAN)
		return hnuma_guard_explain(spot->home, spot->class_index, spot->block, spot->bad);
	if (error == -EFAULT)
		why = "not a buffer of this pool";
	else if (error == -EINVAL)
		why = "not the start of a buffer: it points into one";
	return hnuma_error_set(error, "buffer %p refused: %s", buffer, why);
}

/*
 * Find the block that a pointer means, beginning with the near home.
 *
 * Returns 0, -EFAULT, -EINVAL, or -EALREADY for a page that holds no blocks at all. Only a pointer to
 * a block that is out can be trusted to stay what it is: for others the answer is a moment's, but
 * always one of these.
 */
static inline int spot_find(const struct hnuma_pool *pool, struct hnuma_home *near,
			    const void *buffer, struct spot *spot)
{
	struct hnuma_home *home = near;
	size_t offset = (uintptr_t)buffer - (uintptr_t)home->base;

	if (unlikely(offset >= home->size)) {
		unsigned i;

		for (i = 0; i < pool->nr_homes; i++) {
			home = &pool->homes[i];
			offset = (uintptr_t)buffer - (uintptr_t)home->base;
			if (offset < home->size)
				break;
		}
		if (i == pool->nr_homes)
			return -EFAULT;
	}
	spot->home = home;
	spot->block = (uint32_t)(offset >> HNUMA_BLOCK_SHIFT);
	spot->class_index = atomic_load_explicit(&home->page_classes[offset >> HNUMA_PAGE_SHIFT],
						 memory_order_relaxed);
	if (unlikely(spot->class_index == HNUMA_NO_CLASS))
		return offset & (hnuma_block_size(0) - 1) ? -EINVAL : -EALREADY;
	if (unlikely(offset & (hnuma_home_stride(home, spot->class_index) - 1)))
		return -EINVAL;
	return 0;
}

/* What take_back() answers for a block that was LEAVING. */
#define LOST_NOW 1

/*
 * Make a block that is out the pool's again, in nobody's list yet. The exchange decides between two
 * threads that release the same block: one finds OUT, the other FREE. Acquire and release order: what
 * the releasing thread wrote into the block comes before what the next owner does with it also where
 * the block changes threads through a depot or a cache, whose lock and claim do the same.
 */
static inline int take_back(const struct hnuma_pool *pool, struct spot *spot, void *buffer)
{
	_Atomic unsigned char *state = &spot->home->states[spot->block].is;
	unsigned char was = HNUMA_BLOCK_OUT;

	if (unlikely(!atomic_compare_exchange_strong_explicit(
		    state, &was, HNUMA_BLOCK_FREE, memory_order_acq_rel, memory_order_relaxed)))
		return was == HNUMA_BLOCK_LEAVING &&
				       hnuma_retire_let_go(spot->home, spot->class_index,
							   spot->block)
			       ? LOST_NOW
			       : -EALREADY;
	if (unlikely(spot->home->is_hardened))
		return hnuma_guard_take_back(spot->home, spot->class_index, spot->block,
					     &spot->bad);
	if (unlikely(pool->hygiene == HNUMA_HYGIENE_ON_RELEASE))
		memset(buffer, 0, hnuma_block_size(spot->class_index));
	if (unlikely(pool->is_poisoning))
		hnuma_poison(buffer, hnuma_block_size(spot->class_index));
	return 0;
}

/* To the depot; a cache that is full is drained on the way. */
static COLD void give_to_home(const struct spot *spot, struct hnuma_cache *cache, unsigned cpu)
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
	struct spot spot;
	unsigned cpu;
	int error;

	if (unlikely(!pool))
		return hnuma_error_set(-EINVAL, "pool is NULL");
	if (hnuma_process_is_child_of(pool->epoch))
		return hnuma_process_refuse("pool");
	line = line_here(pool, &cpu);
	error = spot_find(pool, home_here(pool, line), buffer, &spot);
	if (likely(!error))
		error = take_back(pool, &spot, buffer);
	if (unlikely(error))
		return error == LOST_NOW ? 0 : refuse(error, buffer, &spot);
	cache = cache_here(line, spot.home, spot.class_index);
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
	struct hnuma_line *line = line_here(pool, &cpu);
	struct spot spot;

	/* Cannot fail: nobody else has the block, and its page keeps its class. */
	if (likely(!spot_find(pool, home_here(pool, line), buffer, &spot)))
		give_to_home(&spot, cache_here(line, spot.home, spot.class_index), cpu);
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

/*
 * Of n blocks taken from a hardened pool the one at `bad` was overwritten, and nothing is left to
 * take its place: give the others back. Those behind it were not looked at yet, and a release would
 * write the pattern over what there is to be found.
 */
static COLD int give_up(struct hnuma_pool *pool, struct hnuma_home *home, unsigned class_index,
			void **buffers, size_t n, size_t bad)
{
	for (size_t i = 0; i < n; i++) {
		if (i < bad || (i > bad && hnuma_guard_hand_out(home, class_index, buffers[i])))
			release(pool, buffers[i]);
	}
	return hnuma_error_set(-ENOMEM,
			       "node %d has fewer than %zu buffers of %zu bytes that were not "
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
	line = line_here(pool, &cpu);
	home = node == HNUMA_NODE_LOCAL ? home_here(pool, line)
					: hnuma_pool_home_of_node(pool, node);
	if (!home)
		return hnuma_error_set(-ENODEV, "node %d is not served by this pool", node);
	if (n == 0)
		return 0;
	cache = cache_here(line, home, class_index);
	if (!(cache && acquire_bulk_here(home, cache, cpu, buffers, n)) &&
	    !acquire_bulk_at_home(home, cache, cpu, class_index, buffers, n))
		return hnuma_error_set(-ENOMEM,
				       "%zu buffers of %zu bytes asked of node %d, which has fewer "
				       "left; nothing was taken",
				       n, hnuma_block_size(class_index), home->node);
	for (size_t i = 0; i < n && unlikely(home->is_hardened); i++) {
		if (!hnuma_guard_hand_out(home, class_index, buffers[i]))
			buffers[i] = acquire_from(home, NULL, 0, class_index);
		if (!buffers[i])
			return give_up(pool, home, class_index, buffers, n, i);
	}
	for (size_t i = 0; i < n; i++)
		hand_out(pool, buffers[i], class_index);
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
	cache = cache_here(line_here(pool, &cpu), home, run->class_index);
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
static inline void run_add(const struct hnuma_pool *pool, struct run *run, const struct spot *spot)
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
	struct spot spot, first_spot = {NULL, 0, 0, 0};
	size_t refused = 0;
	unsigned cpu;
	int first = 0;

	if (!pool || (n > 0 && !buffers))
		return hnuma_error_set(-EINVAL, "pool or buffers is NULL");
	if (hnuma_process_is_child_of(pool->epoch))
		return hnuma_process_refuse("pool");
	near = home_here(pool, line_here(pool, &cpu));
	run.home = near;
	run.class_index = 0;
	run.nr = 0;
	for (size_t i = 0; i < n; i++) {
		int error = spot_find(pool, near, buffers[i], &spot);

		if (!error)
			error = take_back(pool, &spot, buffers[i]);
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
	refuse(first, first_bad, &first_spot);
	return hnuma_error_prefix(first, "%zu of %zu buffers were refused, first: ", refused, n);
}

/* Find a block that must be out. */
static int spot_out(const struct hnuma_pool *pool, const void *buffer, struct spot *spot)
{
	int error;

	if (!pool)
		return hnuma_error_set(-EINVAL, "pool is NULL");
	if (hnuma_process_is_child_of(pool->epoch))
		return hnuma_process_refuse("pool");
	error = spot_find(pool, &pool->homes[0], buffer, spot);
	if (!error && !hnuma_block_is_out(spot->home, spot->block))
		error = -EALREADY;
	return error ? refuse(error, buffer, spot) : 0;
}

int hnuma_pool_class_of(const struct hnuma_pool *pool, const void *buffer)
{
	struct spot spot = {NULL, 0, 0, 0};
	int error = spot_out(pool, buffer, &spot);

	return error ? error : (int)spot.class_index;
}

int hnuma_pool_node_of(const struct hnuma_pool *pool, const void *buffer)
{
	struct spot spot = {NULL, 0, 0, 0};
	int error = spot_out(pool, buffer, &spot);

	return error ? error : spot.home->node;
}
