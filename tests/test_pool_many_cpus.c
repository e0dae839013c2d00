/* SPDX-License-Identifier: MIT */
/*
 * tests/test_pool_many_cpus.c - a pool on a machine with many CPUs and much memory: what a call looks at
 * does not grow with it. Blocks are released on another node than their own: the nodes and their CPUs are
 * made up, and this thread is on the other one.
 */
#include "config.h"

#include <hugenuma.h>

#include "lib/pool.h"
#include "lib/pool_books.h"
#include "numa/ground.h"
#include "tests/check.h"

enum { NR_NODES = 2, NR_CPUS = 4096, KEPT = 50, NR_BLOCKS = 60 };

static struct hnuma_topology *topology;

/* The CPUs of the first half are node 1's, ours among them. */
static int nodes[NR_NODES] = {0, 1};
static unsigned short nearest[NR_NODES * NR_NODES] = {0, 1, 1, 0};
static unsigned short index_of_cpu[NR_CPUS];
static struct hnuma_region *regions[NR_NODES];
static struct hnuma_ground ground = {
	.service = {NR_NODES, nodes, NR_CPUS, index_of_cpu, nearest},
	.regions = regions,
};

static struct hnuma_pool *pool;
static void *blocks[NR_BLOCKS];

static void open_pool(void)
{
	struct hnuma_pool_attr attr = HNUMA_POOL_ATTR_INIT;
	struct hnuma_region_attr region = HNUMA_REGION_ATTR_INIT;
	struct hnuma_pool_place places[NR_NODES] = {{0, 0}, {0, 0}};
	struct hnuma_pool_need need;

	ground.topology = topology;
	for (unsigned cpu = 0; cpu < NR_CPUS; cpu++)
		index_of_cpu[cpu] = cpu < NR_CPUS / 2;
	attr.buffers_per_class = KEPT;
	attr.bytes_per_node = HNUMA_HUGEPAGE;
	region.least_backing = HNUMA_BACKING_BASE;
	for (unsigned i = 0; i < NR_NODES; i++) {
		CU_ASSERT_EQUAL_FATAL(hnuma_pool_need(&attr, &ground.service, i, &need), 0);
		places[i].pages = (need.books + HNUMA_HUGEPAGE - 1) & ~(HNUMA_HUGEPAGE - 1);
		region.size = places[i].pages + need.pages;
		CU_ASSERT_EQUAL_FATAL(hnuma_region_create(&regions[i], topology, &region), 0);
	}
	CU_ASSERT_EQUAL_FATAL(hnuma_pool_build(&pool, &ground, &attr, places, NULL), 0);
	for (unsigned i = 0; i < NR_BLOCKS; i++) {
		blocks[i] = hnuma_pool_acquire_on(pool, nodes[0], HNUMA_CLASS_1K);
		CU_ASSERT_PTR_NOT_NULL_FATAL(blocks[i]);
	}
}

static void close_pool(void)
{
	CU_ASSERT_EQUAL(hnuma_pool_check(pool), 0);
	CU_ASSERT_EQUAL(hnuma_pool_nr_out(pool), 0);
	hnuma_pool_free(pool);
	for (unsigned i = 0; i < NR_NODES; i++)
		CU_ASSERT_EQUAL(hnuma_region_destroy(regions[i]), 0);
}

/* Release blocks first..last - 1. Returns how many of them were dropped. */
static uint64_t release(unsigned first, unsigned last)
{
	const struct hnuma_depot *depot = &pool->homes[0].depots[HNUMA_CLASS_1K];
	const uint64_t before = depot->drops;

	for (unsigned i = first; i < last; i++)
		CU_ASSERT_EQUAL(hnuma_pool_release(pool, blocks[i]), 0);
	return depot->drops - before;
}

/* From another node, too, exactly as many are kept as may be. */
static void test_cap(void)
{
	open_pool();
	CU_ASSERT_EQUAL(release(0, NR_BLOCKS), NR_BLOCKS - KEPT);
	CU_ASSERT_EQUAL(pool->homes[0].depots[HNUMA_CLASS_1K].count, KEPT);
	close_pool();
}

/* Hundreds of caches are not counted for each block, but when what there was room for has come. */
static void test_counted_seldom(void)
{
	struct hnuma_cache *cache;

	open_pool();
	cache = &pool->homes[0].cpus[7].caches[HNUMA_CLASS_1K];
	CU_ASSERT_EQUAL(release(0, 10), 0);
	/* As if a CPU there had come to have so many at hand. */
	cache->word = KEPT - 1;
	CU_ASSERT_EQUAL(release(10, KEPT), 0);
	CU_ASSERT_EQUAL(release(KEPT, KEPT + 1), 1);
	cache->word = 0;
	CU_ASSERT_EQUAL(release(KEPT + 1, NR_BLOCKS), NR_BLOCKS - KEPT - 1);
	close_pool();
}

/* What was made free in another way has taken of the room. */
static void test_prewarm(void)
{
	open_pool();
	CU_ASSERT_EQUAL(release(0, 10), 0);
	CU_ASSERT_EQUAL(hnuma_pool_prewarm(pool, HNUMA_CLASS_1K, 30), 0);
	CU_ASSERT_EQUAL(release(10, 20), 0);
	CU_ASSERT_EQUAL(release(20, NR_BLOCKS), NR_BLOCKS - 20);
	/* Acquires make room again. */
	for (unsigned i = 0; i < NR_BLOCKS; i++)
		blocks[i] = hnuma_pool_acquire_on(pool, nodes[0], HNUMA_CLASS_1K);
	CU_ASSERT_EQUAL(release(0, NR_BLOCKS), NR_BLOCKS - KEPT);
	close_pool();
}

/* Where nothing is free, no page is looked at to find that out. */
static void test_exhausted(void)
{
	struct hnuma_page *page;
	void *all[HNUMA_BLOCKS_PER_PAGE_MAX];

	open_pool();
	page = &pool->homes[0].pages[0];
	CU_ASSERT_EQUAL(release(0, NR_BLOCKS), NR_BLOCKS - KEPT);
	CU_ASSERT_EQUAL(hnuma_pool_acquire_bulk_on(pool, nodes[0], HNUMA_CLASS_1K, all,
						   HNUMA_BLOCKS_PER_PAGE_MAX),
			0);
	page->free = 7;
	CU_ASSERT_PTR_NULL(hnuma_pool_acquire_on(pool, nodes[0], HNUMA_CLASS_4K));
	CU_ASSERT_EQUAL(page->free, 7);
	CU_ASSERT_EQUAL(hnuma_pool_release_bulk(pool, all, HNUMA_BLOCKS_PER_PAGE_MAX), 0);
	/* All of it is home. */
	CU_ASSERT_PTR_NOT_NULL(blocks[0] = hnuma_pool_acquire_on(pool, nodes[0], HNUMA_CLASS_4K));
	CU_ASSERT_EQUAL(release(0, 1), 0);
	close_pool();
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"the cap", test_cap},	   {"caches are counted seldom", test_counted_seldom},
		{"prewarm", test_prewarm}, {"exhausted", test_exhausted},
		CU_TEST_INFO_NULL,
	};

	check_lock();
	topology = check_topology();
	return check_main("pool, many CPUs", tests);
}
