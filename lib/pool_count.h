/* SPDX-License-Identifier: MIT */
/*
 * lib/pool_count.h - how the statistics of a class follow from a depot and its caches: for this
 * process's own (pool_stats.c) and for copies of another's (observe_books.c).
 *
 * begin, then each cache, then end. Header only.
 *
 * A cache's word tells its depth and its hits at one moment, and all else moves under the home's lock,
 * so what came into a cache is depth + hits + drained - filled, exactly: releases cost no counter.
 */
#ifndef HNUMA_LIB_POOL_COUNT_H
#define HNUMA_LIB_POOL_COUNT_H

#include <string.h>

#include "lib/pool_books.h"
#include "lib/pool_cache.h"

static inline void hnuma_pool_count_begin(struct hnuma_pool_class_stats *stats,
					  const struct hnuma_depot *depot)
{
	memset(stats, 0, sizeof(*stats));
	stats->hits = depot->hits;
	stats->misses = depot->misses;
	stats->allocations = depot->misses;
	stats->returns = depot->returns;
	stats->drops = depot->drops;
	stats->failures = depot->failures;
	stats->free_buffers = depot->count;
	stats->total = depot->made - depot->lost;
	stats->lost_buffers = depot->lost;
	stats->overwritten = depot->overwritten;
	stats->high_water_mark = depot->high_water_mark;
}

static inline void hnuma_pool_count_cache(struct hnuma_pool_class_stats *stats, uint64_t word,
					  uint64_t filled, uint64_t drained)
{
	uint64_t depth = word & HNUMA_CACHE_DEPTH_MASK;
	uint64_t hits = word / (uint64_t)HNUMA_CACHE_HIT;

	stats->hits += hits;
	stats->returns += depth + hits + drained - filled;
	stats->free_buffers += depth;
	stats->cached_buffers += depth;
}

/* Of the blocks acquired, the part that was free already. */
static inline double hnuma_pool_hit_rate(uint64_t hits, uint64_t misses)
{
	return hits + misses ? (double)hits / (double)(hits + misses) : 0;
}

static inline void hnuma_pool_count_end(struct hnuma_pool_class_stats *stats)
{
	/* Read while others move blocks between caches, a block may have been counted twice. */
	if (stats->free_buffers > stats->total)
		stats->free_buffers = stats->total;
	if (stats->cached_buffers > stats->free_buffers)
		stats->cached_buffers = stats->free_buffers;
	stats->in_use = stats->total - stats->free_buffers;
	stats->hit_rate = hnuma_pool_hit_rate(stats->hits, stats->misses);
}

/* Add one class of one home to what the whole pool has; its hit rate is the caller's to set. */
static inline void hnuma_pool_count_add(struct hnuma_pool_stats *sum, unsigned class_index,
					const struct hnuma_pool_class_stats *one)
{
	sum->hits += one->hits;
	sum->misses += one->misses;
	sum->allocations += one->allocations;
	sum->returns += one->returns;
	sum->drops += one->drops;
	sum->lost_buffers += one->lost_buffers;
	sum->overwritten += one->overwritten;
	sum->free_buffers[class_index] += one->free_buffers;
	sum->in_use[class_index] += one->in_use;
}

#endif
