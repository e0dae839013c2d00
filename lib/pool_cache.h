/* SPDX-License-Identifier: MIT */
/*
 * lib/pool_cache.h - one CPU's cache of free blocks: the operations. For lib/pool*.c only.
 *
 * There are two ways to work a cache, chosen when the pool is made and the same for all of it:
 *
 *	restartable sequences (pool_rseq.h)    no atomic instruction; only on the cache's own CPU
 *	the claim (below)		       an atomic exchange; on any CPU
 *
 *	               take, put   seize    word read
 *	take, put         (c)       (c)       yes     (c): one of the two gets the cache, the other is
 *	seize                        -        yes          told so and goes to the depot
 *	                                              -:   kept apart by the home's lock
 *
 * With the claim the CPU number only chooses a cache; the claim is what makes it one thread's for a
 * moment. A thread that migrates between the two works on the cache of the CPU that it left: slower,
 * never wrong. The claim's exchange (acquire) pairs with the store of 0 (release) in
 * hnuma_cache_unclaim(), so the slots and the word need no order of their own. Nobody waits for a
 * claim on a hot path.
 */
#ifndef HNUMA_LIB_POOL_CACHE_H
#define HNUMA_LIB_POOL_CACHE_H

#include <string.h>

#include "lib/pool_books.h"

#define HNUMA_NO_BLOCK UINT32_MAX

#include "lib/pool_rseq.h"

#define HNUMA_CACHE_DEPTH_MASK 0xffu
#define HNUMA_CACHE_HIT	       ((int64_t)1 << 8)

/* What a take adds to the word: one block less, and a hit unless the block goes to the depot. */
#define HNUMA_CACHE_TAKE_HIT  (HNUMA_CACHE_HIT - 1)
#define HNUMA_CACHE_TAKE_MOVE ((int64_t)-1)

/* Without the claim a moment's number, of which nothing follows for the slots. */
static inline unsigned hnuma_cache_depth(const struct hnuma_cache *cache)
{
	return atomic_load_explicit(&cache->word, memory_order_relaxed) & HNUMA_CACHE_DEPTH_MASK;
}

static inline bool hnuma_cache_claim(struct hnuma_cache *cache)
{
	uint32_t nobody = 0;

	/* Strong: a spurious failure would send the caller to the depot. No ABA: 0 says all. */
	return atomic_compare_exchange_strong_explicit(&cache->claim, &nobody, 1,
						       memory_order_acquire, memory_order_relaxed);
}

static inline void hnuma_cache_unclaim(struct hnuma_cache *cache)
{
	atomic_store_explicit(&cache->claim, 0, memory_order_release);
}

static inline uint32_t hnuma_cache_take_claiming(struct hnuma_cache *cache, int64_t delta)
{
	uint32_t block = HNUMA_NO_BLOCK;
	uint64_t word;

	if (!hnuma_cache_claim(cache))
		return HNUMA_NO_BLOCK;
	word = atomic_load_explicit(&cache->word, memory_order_relaxed);
	if (word & HNUMA_CACHE_DEPTH_MASK) {
		block = cache->slots[(word & HNUMA_CACHE_DEPTH_MASK) - 1];
		atomic_store_explicit(&cache->word, word + (uint64_t)delta, memory_order_relaxed);
	}
	hnuma_cache_unclaim(cache);
	return block;
}

static inline bool hnuma_cache_put_claiming(struct hnuma_cache *cache, uint32_t block)
{
	bool has_room;
	uint64_t word;

	if (!hnuma_cache_claim(cache))
		return false;
	word = atomic_load_explicit(&cache->word, memory_order_relaxed);
	has_room = (word & HNUMA_CACHE_DEPTH_MASK) < cache->limit;
	if (has_room) {
		cache->slots[word & HNUMA_CACHE_DEPTH_MASK] = block;
		atomic_store_explicit(&cache->word, word + 1, memory_order_relaxed);
	}
	hnuma_cache_unclaim(cache);
	return has_room;
}

/*
 * Take the block that was put last, on the CPU whose cache it is.
 *
 * @cpu    that CPU's number, as the caller read it a moment ago.
 * @delta  HNUMA_CACHE_TAKE_HIT or HNUMA_CACHE_TAKE_MOVE.
 *
 * Returns HNUMA_NO_BLOCK when the cache is empty or somebody else's at the moment.
 */
static inline uint32_t hnuma_cache_take(bool uses_rseq, struct hnuma_cache *cache, unsigned cpu,
					int64_t delta)
{
#if HNUMA_HAVE_RSEQ
	if (uses_rseq)
		return hnuma_rseq_take(__rseq_offset, cache, cpu, delta);
#endif
	(void)uses_rseq;
	(void)cpu;
	return hnuma_cache_take_claiming(cache, delta);
}

/* Put a block, likewise. False when the cache is full or somebody else's at the moment. */
static inline bool hnuma_cache_put(bool uses_rseq, struct hnuma_cache *cache, unsigned cpu,
				   uint32_t block)
{
#if HNUMA_HAVE_RSEQ
	if (uses_rseq)
		return hnuma_rseq_put(__rseq_offset, cache, cpu, block);
#endif
	(void)uses_rseq;
	(void)cpu;
	return hnuma_cache_put_claiming(cache, block);
}

static inline bool hnuma_cache_put_many_claiming(struct hnuma_cache *cache, const uint32_t *blocks,
						 unsigned n)
{
	bool has_room;
	unsigned depth;

	if (!hnuma_cache_claim(cache))
		return false;
	depth = hnuma_cache_depth(cache);
	has_room = depth + n <= cache->limit;
	if (has_room) {
		memcpy(cache->slots + depth, blocks, n * sizeof(*blocks));
		atomic_fetch_add_explicit(&cache->word, n, memory_order_relaxed);
	}
	hnuma_cache_unclaim(cache);
	return has_room;
}

static inline bool hnuma_cache_take_many_claiming(struct hnuma_cache *cache, uint32_t *blocks,
						  unsigned n, int64_t delta)
{
	unsigned depth;
	bool has_them;

	if (!hnuma_cache_claim(cache))
		return false;
	depth = hnuma_cache_depth(cache);
	has_them = depth >= n;
	if (has_them) {
		memcpy(blocks, cache->slots + depth - n, n * sizeof(*blocks));
		atomic_fetch_add_explicit(&cache->word, (uint64_t)delta * n, memory_order_relaxed);
	}
	hnuma_cache_unclaim(cache);
	return has_them;
}

/*
 * Put n > 0 blocks, or take the n that were put last (`delta` is for each); all of them or none, and
 * none also where one by one some would have been: false only says that it was not done. n is at most
 * HNUMA_CACHE_SLOTS.
 */
static inline bool hnuma_cache_put_many(bool uses_rseq, struct hnuma_cache *cache, unsigned cpu,
					const uint32_t *blocks, unsigned n)
{
#if HNUMA_HAVE_RSEQ
	if (uses_rseq)
		return hnuma_rseq_put_many(__rseq_offset, cache, cpu, blocks, n);
#endif
	(void)uses_rseq;
	(void)cpu;
	return hnuma_cache_put_many_claiming(cache, blocks, n);
}

static inline bool hnuma_cache_take_many(bool uses_rseq, struct hnuma_cache *cache, unsigned cpu,
					 uint32_t *blocks, unsigned n, int64_t delta)
{
#if HNUMA_HAVE_RSEQ
	if (uses_rseq)
		return hnuma_rseq_take_many(__rseq_offset, cache, cpu, blocks, n, delta);
#endif
	(void)uses_rseq;
	(void)cpu;
	return hnuma_cache_take_many_claiming(cache, blocks, n, delta);
}

#endif
