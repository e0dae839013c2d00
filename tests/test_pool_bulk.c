/* SPDX-License-Identifier: MIT */
/*
 * tests/test_pool_bulk.c - blocks in bulk, and the caches that they go through.
 *
 * The same runs again with GLIBC_TUNABLES=glibc.pthread.rseq=0, on the claim: see
 * tests/scripts/check-without-rseq.sh.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include <hugenuma.h>

#include "lib/pool_books.h"
#include "numa/cpu.h"
#include "tests/check.h"

#define NR_MOST 1003
#define PIECE	17 /* of which no whole number fills a cache */

static struct hnuma_topology *topology;
static struct hnuma_pool *pool;
static int node; /* the one that the test's thread is tied to */

static void open_pool(void)
{
	struct hnuma_pool_attr attr = HNUMA_POOL_ATTR_INIT;

	attr.buffers_per_class = NR_MOST;
	attr.bytes_per_node = 8 * HNUMA_HUGEPAGE;
	attr.least_backing = HNUMA_BACKING_BASE;
	hnuma_nodeset_add(&attr.nodes, node);
	CU_ASSERT_EQUAL_FATAL(hnuma_pool_create(&pool, topology, &attr), 0);
}

static void close_pool(void)
{
	CU_ASSERT_EQUAL(hnuma_pool_check(pool), 0);
	CU_ASSERT_EQUAL(hnuma_pool_destroy(pool), 0);
}

static struct hnuma_pool_class_stats stats_of(enum hnuma_class class_index)
{
	struct hnuma_pool_class_stats stats;

	CU_ASSERT_EQUAL_FATAL(hnuma_pool_class_stats(pool, node, class_index, &stats), 0);
	return stats;
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(void *));
}

/* The same blocks, in whatever order? */
static bool are_same(void **some, void **others, size_t n)
{
	qsort(some, n, sizeof(*some), compare);
	qsort(others, n, sizeof(*others), compare);
	return memcmp(some, others, n * sizeof(*some)) == 0;
}

static void test_through_the_cache(void)
{
	struct hnuma_pool_class_stats before, after;
	void *blocks[32], *again[32];

	open_pool();
	CU_ASSERT_EQUAL(hnuma_pool_acquire_bulk(pool, HNUMA_CLASS_4K, blocks, 32), 0);
	CU_ASSERT_EQUAL(stats_of(HNUMA_CLASS_4K).misses, 32);
	CU_ASSERT_EQUAL(hnuma_pool_release_bulk(pool, blocks, 32), 0);
	before = stats_of(HNUMA_CLASS_4K);
	CU_ASSERT_EQUAL(before.cached_buffers, 32);
	CU_ASSERT_EQUAL(before.returns, 32);
	CU_ASSERT_EQUAL(hnuma_pool_acquire_bulk(pool, HNUMA_CLASS_4K, again, 32), 0);
	after = stats_of(HNUMA_CLASS_4K);
	CU_ASSERT_EQUAL(after.cached_buffers, 0);
	CU_ASSERT_EQUAL(after.hits, before.hits + 32);
	CU_ASSERT_EQUAL(after.misses, 32);
	CU_ASSERT_EQUAL(after.in_use, 32);
	CU_ASSERT(are_same(blocks, again, 32));
	CU_ASSERT_EQUAL(hnuma_pool_release_bulk(pool, again, 32), 0);
	/* What came in bulk goes one by one, and the other way round. */
	for (int i = 0; i < 32; i++)
		again[i] = hnuma_pool_acquire(pool, HNUMA_CLASS_4K);
	CU_ASSERT(are_same(blocks, again, 32));
	for (int i = 0; i < 32; i++)
		CU_ASSERT_EQUAL(hnuma_pool_release(pool, again[i]), 0);
	CU_ASSERT_EQUAL(hnuma_pool_acquire_bulk(pool, HNUMA_CLASS_4K, again, 32), 0);
	CU_ASSERT(are_same(blocks, again, 32));
	CU_ASSERT_EQUAL(hnuma_pool_release_bulk(pool, again, 32), 0);
	CU_ASSERT_EQUAL(hnuma_pool_release_bulk(pool, again, 32), -EALREADY);
	CU_ASSERT_EQUAL(stats_of(HNUMA_CLASS_4K).free_buffers, 32);
	close_pool();
}

/* More than the cache holds, and more than are in it: the depot has them, and fills the cache. */
static void test_more_than_the_cache_holds(void)
{
	struct hnuma_pool_class_stats stats;
	void *blocks[NR_MOST];
	size_t limit, last = 0;

	open_pool();
	limit = pool->homes[0].cpus[0].caches[HNUMA_CLASS_1K].limit;
	CU_ASSERT_EQUAL(hnuma_pool_acquire_bulk(pool, HNUMA_CLASS_1K, blocks, NR_MOST), 0);
	CU_ASSERT_EQUAL(hnuma_pool_release_bulk(pool, blocks, NR_MOST), 0);
	stats = stats_of(HNUMA_CLASS_1K);
	CU_ASSERT_EQUAL(stats.free_buffers, NR_MOST);
	CU_ASSERT(stats.cached_buffers <= limit);
	CU_ASSERT_EQUAL(stats.drops, 0);
	CU_ASSERT_EQUAL(hnuma_pool_acquire_bulk(pool, HNUMA_CLASS_1K, blocks, NR_MOST), 0);
	CU_ASSERT_EQUAL(stats_of(HNUMA_CLASS_1K).hits, NR_MOST);
	/* In pieces: each time that one does not fit, the cache is drained for the next. */
	for (size_t i = 0; i < NR_MOST; i += PIECE) {
		CU_ASSERT_EQUAL(hnuma_pool_release_bulk(pool, blocks + i, PIECE), 0);
		stats = stats_of(HNUMA_CLASS_1K);
		CU_ASSERT(stats.cached_buffers != last && stats.cached_buffers <= limit);
		last = stats.cached_buffers;
		CU_ASSERT_EQUAL(stats.free_buffers, i + PIECE);
	}
	for (size_t i = 0; i < NR_MOST; i += PIECE) {
		CU_ASSERT_EQUAL(hnuma_pool_acquire_bulk(pool, HNUMA_CLASS_1K, blocks + i, PIECE),
				0);
		CU_ASSERT_EQUAL(stats_of(HNUMA_CLASS_1K).in_use, i + PIECE);
	}
	CU_ASSERT_EQUAL(stats_of(HNUMA_CLASS_1K).misses, NR_MOST);
	CU_ASSERT_EQUAL(hnuma_pool_release_bulk(pool, blocks, NR_MOST), 0);
	close_pool();
}

/* Each block goes to its own class's list; what is refused goes nowhere. */
static void test_mixed(void)
{
	void *blocks[60];
	int mine = 0;

	open_pool();
	for (int i = 0; i < 60; i += 3) {
		blocks[i] = hnuma_pool_acquire(pool, HNUMA_CLASS_1K);
		blocks[i + 1] = hnuma_pool_acquire(pool, HNUMA_CLASS_16K);
		blocks[i + 2] = i % 2 ? (char *)blocks[i + 1] + 64 : (char *)&mine;
	}
	CU_ASSERT_EQUAL(hnuma_pool_release_bulk(pool, blocks, 60), -EFAULT);
	check_message("20 of 60 blocks were refused");
	CU_ASSERT_EQUAL(stats_of(HNUMA_CLASS_1K).cached_buffers, 20);
	CU_ASSERT_EQUAL(stats_of(HNUMA_CLASS_16K).cached_buffers, 20);
	CU_ASSERT_EQUAL(stats_of(HNUMA_CLASS_1K).in_use, 0);
	CU_ASSERT_EQUAL(stats_of(HNUMA_CLASS_16K).in_use, 0);
	/* The same block twice in one call. */
	CU_ASSERT_EQUAL(hnuma_pool_acquire_bulk(pool, HNUMA_CLASS_16K, blocks, 10), 0);
	blocks[10] = blocks[3];
	CU_ASSERT_EQUAL(hnuma_pool_release_bulk(pool, blocks, 11), -EALREADY);
	CU_ASSERT_EQUAL(stats_of(HNUMA_CLASS_16K).free_buffers, 20);
	close_pool();
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"through the cache", test_through_the_cache},
		{"more than the cache holds", test_more_than_the_cache_holds},
		{"mixed", test_mixed},
		CU_TEST_INFO_NULL,
	};

	topology = check_topology();
	node = hnuma_topology_node_of_cpu(topology, check_stay());
	return check_main("pool bulk", tests);
}
