/* SPDX-License-Identifier: MIT */
/*
 * lib/pool_spot.h - on which CPU and home a call is, which block a pointer means, and how a block
 * changes hands: what calls for one block (pool.c) and for many (pool_bulk.c) do alike. Calls
 * numa/cpu and the pool's other files.
 */
#ifndef HNUMA_LIB_POOL_SPOT_H
#define HNUMA_LIB_POOL_SPOT_H

#include <errno.h>
#include <string.h>

#include "lib/line.h"
#include "lib/poison.h"
#include "lib/pool_books.h"
#include "lib/pool_guard.h"
#include "numa/cpu.h"

/* The CPU that the calling thread is on, and what belongs to it; NULL for one that nobody knew of. */
static inline struct hnuma_line *hnuma_line_here(const struct hnuma_pool *pool, unsigned *cpu)
{
	*cpu = (unsigned)hnuma_cpu_current();
	return likely(*cpu < pool->nr_cpus) ? &pool->lines[*cpu] : NULL;
}

static inline struct hnuma_home *hnuma_home_here(const struct hnuma_pool *pool,
						 const struct hnuma_line *line)
{
	return line ? hnuma_line_home(line) : &pool->homes[0];
}

/* This CPU's cache of a class, if it is one of that home's blocks; else NULL. */
static inline struct hnuma_cache *
hnuma_cache_here(const struct hnuma_line *line, const struct hnuma_home *home, unsigned class_index)
{
	return line && hnuma_line_home(line) == home ? line->caches[class_index] : NULL;
}

/* What remains to be done with a block that has just become the caller's. */
static inline void *hnuma_block_hand_out(const struct hnuma_pool *pool, void *address,
					 unsigned class_index)
{
	if (unlikely(pool->is_poisoning))
		hnuma_unpoison_defined(address, hnuma_block_size(class_index));
	if (unlikely(pool->hygiene == HNUMA_HYGIENE_ON_ACQUIRE))
		memset(address, 0, hnuma_block_size(class_index));
	return address;
}

/* Where a pointer points to. */
struct hnuma_spot {
	struct hnuma_home *home;
	unsigned class_index;
	uint32_t block;
	size_t bad; /* with -EUCLEAN: see hnuma_guard_take_back() */
};

/*
 * Find the block that a pointer means, beginning with the near home.
 *
 * Returns 0, -EFAULT, -EINVAL, or -EALREADY for a page that holds no blocks at all. Only a pointer to
 * a block that is out can be trusted to stay what it is: for others the answer is a moment's, but
 * always one of these.
 */
static inline int hnuma_spot_find(const struct hnuma_pool *pool, struct hnuma_home *near,
				  const void *buffer, struct hnuma_spot *spot)
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

/* What hnuma_spot_take_back() answers for a block that was LEAVING. */
#define HNUMA_SPOT_LOST 1

/*
 * Make a block that is out the pool's again, in nobody's list yet. The exchange decides between two
 * threads that release the same block: one finds OUT, the other FREE. Acquire and release order: what
 * the releasing thread wrote into the block comes before what the next owner does with it also where
 * the block changes threads through a depot or a cache, whose lock and claim do the same.
 */
static inline int hnuma_spot_take_back(const struct hnuma_pool *pool, struct hnuma_spot *spot,
				       void *buffer)
{
	_Atomic unsigned char *state = &spot->home->states[spot->block].is;
	unsigned char was = HNUMA_BLOCK_OUT;

	if (unlikely(!atomic_compare_exchange_strong_explicit(
		    state, &was, HNUMA_BLOCK_FREE, memory_order_acq_rel, memory_order_relaxed)))
		return was == HNUMA_BLOCK_LEAVING &&
				       hnuma_retire_let_go(spot->home, spot->class_index,
							   spot->block)
			       ? HNUMA_SPOT_LOST
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

/*
 * pool.c: a block from a home, and from this CPU's cache if that is one of that home's blocks and not
 * NULL; in a hardened pool one that nobody wrote to. NULL: exhausted. Leaves errno alone.
 */
void *hnuma_pool_acquire_from(struct hnuma_home *home, struct hnuma_cache *cache, unsigned cpu,
			      unsigned class_index);

/* pool.c: sets the message of why a buffer was refused. Returns `error`. */
int hnuma_pool_refuse(int error, const void *buffer, const struct hnuma_spot *spot);

#endif
