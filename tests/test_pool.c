/* SPDX-License-Identifier: MIT */
/*
 * tests/test_pool.c - the pool as its users see it, in one thread. Threads: test_pool_threads.c;
 * faults: test_pool_faults.c.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hugenuma.h>

#include "lib/pool_books.h"
#include "numa/cpu.h"
#include "tests/check.h"

static struct hnuma_topology *topology;
static struct hnuma_pool *pool;
static int node; /* the one that the test's thread is tied to */

/* A pool, with the thread tied to a CPU so that every count is exact. */
static void open_pool(size_t buffers_per_class, size_t bytes_per_node, enum hnuma_hygiene hygiene)
{
	struct hnuma_pool_attr attr = HNUMA_POOL_ATTR_INIT;

	attr.buffers_per_class = buffers_per_class;
	attr.bytes_per_node = bytes_per_node;
	attr.hygiene = hygiene;
	attr.least_backing = HNUMA_BACKING_BASE;
	/* One node: the counts must not depend on where the scheduler puts us meanwhile. */
	hnuma_nodeset_add(&attr.nodes, hnuma_current_node(topology));
	CU_ASSERT_EQUAL_FATAL(hnuma_pool_create(&pool, topology, &attr), 0);
}

static void close_pool(void)
{
	CU_ASSERT_EQUAL(hnuma_pool_check(pool), 0);
	CU_ASSERT_EQUAL(hnuma_pool_destroy(pool), 0);
	pool = NULL;
}

static struct hnuma_pool_stats stats_now(void)
{
	struct hnuma_pool_stats stats;

	CU_ASSERT_EQUAL_FATAL(hnuma_pool_stats(pool, &stats), 0);
	return stats;
}

static bool all_bytes(const void *memory, unsigned char value, size_t size)
{
	const unsigned char *bytes = memory;

	return bytes[0] == value && memcmp(bytes, bytes + 1, size - 1) == 0;
}

static void test_classes(void)
{
	static const size_t sizes[] = {1024, 4096, 16384, 65536, 262144};

	for (int c = 0; c < HNUMA_NR_CLASSES; c++) {
		CU_ASSERT_EQUAL(hnuma_class_size((enum hnuma_class)c), sizes[c]);
		CU_ASSERT_EQUAL(hnuma_class_for_size(sizes[c]), c);
		CU_ASSERT_EQUAL(hnuma_class_for_size(sizes[c] - 1), c);
	}
	CU_ASSERT_EQUAL(hnuma_class_size((enum hnuma_class)5), 0);
	CU_ASSERT_EQUAL(hnuma_class_size((enum hnuma_class) - 1), 0);
	CU_ASSERT_EQUAL(hnuma_class_for_size(0), HNUMA_CLASS_1K);
	CU_ASSERT_EQUAL(hnuma_class_for_size(1025), HNUMA_CLASS_4K);
	CU_ASSERT_EQUAL(hnuma_class_for_size(262145), -E2BIG);
	CU_ASSERT_EQUAL(hnuma_class_for_size(SIZE_MAX), -E2BIG);
	check_message("262144");
}

static void test_a_miss_a_return_a_hit(void)
{
	struct hnuma_pool_stats stats;
	void *first, *second;

	open_pool(32, 0, HNUMA_HYGIENE_NEVER);
	first = hnuma_pool_acquire(pool, HNUMA_CLASS_4K);
	CU_ASSERT_PTR_NOT_NULL_FATAL(first);
	stats = stats_now();
	CU_ASSERT_EQUAL(stats.hits, 0);
	CU_ASSERT_EQUAL(stats.misses, 1);
	CU_ASSERT_EQUAL(stats.allocations, 1);
	CU_ASSERT_EQUAL(stats.in_use[HNUMA_CLASS_4K], 1);
	CU_ASSERT_EQUAL(stats.free_buffers[HNUMA_CLASS_4K], 0);
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, first), 0);
	second = hnuma_pool_acquire(pool, HNUMA_CLASS_4K);
	CU_ASSERT_PTR_EQUAL(second, first);
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, second), 0);
	stats = stats_now();
	CU_ASSERT_EQUAL(stats.hits, 1);
	CU_ASSERT_EQUAL(stats.misses, 1);
	CU_ASSERT_EQUAL(stats.returns, 2);
	CU_ASSERT_EQUAL(stats.drops, 0);
	CU_ASSERT_EQUAL(stats.in_use[HNUMA_CLASS_4K], 0);
	CU_ASSERT_EQUAL(stats.free_buffers[HNUMA_CLASS_4K], 1);
	CU_ASSERT_DOUBLE_EQUAL(stats.hit_rate, 0.5, 1e-9);
	close_pool();
}

/* Also defect 5: what is acquired at an alignment goes back at the same one. */
static void test_every_class_is_aligned_to_its_size(void)
{
	void *blocks[HNUMA_NR_CLASSES][3];

	open_pool(32, 0, HNUMA_HYGIENE_NEVER);
	for (unsigned c = 0; c < HNUMA_NR_CLASSES; c++) {
		for (unsigned i = 0; i < 3; i++) {
			blocks[c][i] = hnuma_pool_acquire(pool, (enum hnuma_class)c);
			CU_ASSERT_PTR_NOT_NULL_FATAL(blocks[c][i]);
			CU_ASSERT_EQUAL((uintptr_t)blocks[c][i] % hnuma_block_size(c), 0);
			CU_ASSERT_EQUAL(hnuma_pool_class_of(pool, blocks[c][i]), (int)c);
			CU_ASSERT_EQUAL(hnuma_pool_node_of(pool, blocks[c][i]), node);
			memset(blocks[c][i], (int)(16 * c + i + 1), hnuma_block_size(c));
		}
	}
	for (unsigned c = 0; c < HNUMA_NR_CLASSES; c++) {
		for (unsigned i = 0; i < 3; i++) {
			CU_ASSERT(all_bytes(blocks[c][i], (unsigned char)(16 * c + i + 1),
					    hnuma_block_size(c)));
			CU_ASSERT_EQUAL(hnuma_pool_release(pool, blocks[c][i]), 0);
		}
	}
	close_pool();
}

static void test_a_buffer_is_the_callers_memory(void)
{
	float *floats;

	open_pool(32, 0, HNUMA_HYGIENE_NEVER);
	floats = hnuma_pool_acquire(pool, HNUMA_CLASS_1K);
	CU_ASSERT_PTR_NOT_NULL_FATAL(floats);
	for (int i = 0; i < 256; i++)
		floats[i] = (float)i;
	for (int i = 0; i < 256; i++)
		CU_ASSERT_DOUBLE_EQUAL(floats[i], i, 0);
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, floats), 0);
	close_pool();
}

static void test_acquire_by_size(void)
{
	void *block;

	open_pool(32, 0, HNUMA_HYGIENE_NEVER);
	block = hnuma_pool_acquire_size(pool, 5000);
	CU_ASSERT_EQUAL(hnuma_pool_class_of(pool, block), HNUMA_CLASS_16K);
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, block), 0);
	block = hnuma_pool_acquire_size(pool, 0);
	CU_ASSERT_EQUAL(hnuma_pool_class_of(pool, block), HNUMA_CLASS_1K);
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, block), 0);
	block = hnuma_pool_acquire_size(pool, 262144);
	CU_ASSERT_EQUAL(hnuma_pool_class_of(pool, block), HNUMA_CLASS_256K);
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, block), 0);
	errno = 0;
	CU_ASSERT_PTR_NULL(hnuma_pool_acquire_size(pool, 262145));
	CU_ASSERT_EQUAL(errno, E2BIG);
	close_pool();
}

/* Defect 9: prewarming is not returning, and asks for nothing that it would have to drop. */
static void test_prewarm(void)
{
	struct hnuma_pool_stats stats;
	void *blocks[6];

	open_pool(8, 0, HNUMA_HYGIENE_NEVER);
	CU_ASSERT_EQUAL(hnuma_pool_prewarm(pool, HNUMA_CLASS_4K, 5), 0);
	stats = stats_now();
	CU_ASSERT_EQUAL(stats.free_buffers[HNUMA_CLASS_4K], 5);
	CU_ASSERT_EQUAL(stats.returns, 0);
	CU_ASSERT_EQUAL(stats.allocations, 0);
	for (int i = 0; i < 6; i++)
		blocks[i] = hnuma_pool_acquire(pool, HNUMA_CLASS_4K);
	stats = stats_now();
	CU_ASSERT_EQUAL(stats.hits, 5);
	CU_ASSERT_EQUAL(stats.misses, 1);
	for (int i = 0; i < 6; i++)
		CU_ASSERT_EQUAL(hnuma_pool_release(pool, blocks[i]), 0);
	CU_ASSERT_EQUAL(hnuma_pool_prewarm(pool, HNUMA_CLASS_4K, 3), -ENOSPC);
	check_message("keeps at most 8");
	CU_ASSERT_EQUAL(stats_now().free_buffers[HNUMA_CLASS_4K], 6);
	CU_ASSERT_EQUAL(hnuma_pool_prewarm(pool, HNUMA_CLASS_4K, SIZE_MAX), -ENOSPC);
	CU_ASSERT_EQUAL(hnuma_pool_prewarm(pool, HNUMA_CLASS_4K, 0), 0);
	CU_ASSERT_EQUAL(hnuma_pool_prewarm(pool, (enum hnuma_class)9, 1), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_pool_clear(pool), 0);
	CU_ASSERT_EQUAL(hnuma_pool_prewarm_all(pool, 8), 0);
	stats = stats_now();
	for (int c = 0; c < HNUMA_NR_CLASSES; c++)
		CU_ASSERT_EQUAL(stats.free_buffers[c], 8);
	close_pool();
}

static void test_prewarm_changes_nothing_when_it_fails(void)
{
	/* Two pages: blocks of 1K and 4K take them, nothing is left for 16K. */
	open_pool(100, 2 * HNUMA_HUGEPAGE, HNUMA_HYGIENE_NEVER);
	CU_ASSERT_EQUAL(hnuma_pool_prewarm_all(pool, 10), -ENOMEM);
	check_message("no room");
	for (int c = 0; c < HNUMA_NR_CLASSES; c++)
		CU_ASSERT_EQUAL(stats_now().free_buffers[c], 0);
	/* And the pages can serve any class again. */
	CU_ASSERT_EQUAL(hnuma_pool_prewarm(pool, HNUMA_CLASS_256K, 16), 0);
	close_pool();
}

/* Defect 7. */
static void test_hygiene(void)
{
	for (int hygiene = 0; hygiene <= HNUMA_HYGIENE_ON_RELEASE; hygiene++) {
		for (unsigned c = 0; c < HNUMA_NR_CLASSES; c++) {
			size_t size = hnuma_block_size(c);
			unsigned char *block, *again;
			void *bulk[1];

			open_pool(4, 0, (enum hnuma_hygiene)hygiene);
			block = hnuma_pool_acquire(pool, (enum hnuma_class)c);
			CU_ASSERT_FATAL(block && all_bytes(block, 0, size));
			memset(block, 0xa5, size);
			CU_ASSERT_EQUAL(hnuma_pool_release(pool, block), 0);
			again = hnuma_pool_acquire(pool, (enum hnuma_class)c);
			CU_ASSERT_PTR_EQUAL_FATAL(again, block);
			CU_ASSERT(all_bytes(again, hygiene ? 0 : 0xa5, size));
			memset(again, 0xa5, size);
			bulk[0] = again;
			CU_ASSERT_EQUAL(hnuma_pool_release_bulk(pool, bulk, 1), 0);
			CU_ASSERT_EQUAL(hnuma_pool_acquire_bulk(pool, (enum hnuma_class)c, bulk, 1),
					0);
			CU_ASSERT_PTR_EQUAL_FATAL(bulk[0], block);
			CU_ASSERT(all_bytes(bulk[0], hygiene ? 0 : 0xa5, size));
			CU_ASSERT_EQUAL(hnuma_pool_release(pool, bulk[0]), 0);
			close_pool();
		}
	}
}

static void test_what_exceeds_the_cap_is_dropped(void)
{
	struct hnuma_pool_stats stats;
	void *blocks[40];

	open_pool(4, 0, HNUMA_HYGIENE_NEVER);
	for (int i = 0; i < 6; i++)
		blocks[i] = hnuma_pool_acquire(pool, HNUMA_CLASS_1K);
	for (int i = 0; i < 6; i++)
		CU_ASSERT_EQUAL(hnuma_pool_release(pool, blocks[i]), 0);
	stats = stats_now();
	CU_ASSERT_EQUAL(stats.returns, 4);
	CU_ASSERT_EQUAL(stats.drops, 2);
	CU_ASSERT_EQUAL(stats.free_buffers[HNUMA_CLASS_1K], 4);
	/* A dropped block is made anew: a miss. */
	for (int i = 0; i < 5; i++)
		blocks[i] = hnuma_pool_acquire(pool, HNUMA_CLASS_1K);
	stats = stats_now();
	CU_ASSERT_EQUAL(stats.hits, 4);
	CU_ASSERT_EQUAL(stats.misses, 7);
	for (int i = 0; i < 5; i++)
		CU_ASSERT_EQUAL(hnuma_pool_release(pool, blocks[i]), 0);
	close_pool();

	open_pool(32, 0, HNUMA_HYGIENE_NEVER);
	for (int i = 0; i < 40; i++)
		blocks[i] = hnuma_pool_acquire(pool, HNUMA_CLASS_4K);
	CU_ASSERT_EQUAL(hnuma_pool_release_bulk(pool, blocks, 40), 0);
	stats = stats_now();
	CU_ASSERT_EQUAL(stats.returns, 32);
	CU_ASSERT_EQUAL(stats.drops, 8);
	close_pool();
}

/*
 * A refusal calls the CPUs' free blocks back; those that come back for nothing must not pile up, one
 * refusal after the other. (Found by test_model.c.)
 */
static void test_what_was_recalled_does_not_pile_up(void)
{
	struct hnuma_pool_stats stats;
	static void *many[2048];
	void *blocks[40];

	open_pool(1, HNUMA_HUGEPAGE, HNUMA_HYGIENE_NEVER);
	CU_ASSERT_EQUAL_FATAL(hnuma_pool_acquire_bulk(pool, HNUMA_CLASS_1K, blocks, 40), 0);
	for (int i = 0; i < 39; i++) {
		CU_ASSERT_EQUAL(hnuma_pool_release(pool, blocks[i]), 0);
		/* One class asks for another one's page, or for more than there is of its own. */
		if (i % 2) {
			CU_ASSERT_PTR_NULL(hnuma_pool_acquire(pool, HNUMA_CLASS_256K));
			continue;
		}
		CU_ASSERT_EQUAL(hnuma_pool_acquire_bulk(pool, HNUMA_CLASS_1K, many, 2048), -ENOMEM);
	}
	stats = stats_now();
	/* One in the depot and one at hand on each CPU where this thread has been. */
	CU_ASSERT(stats.free_buffers[HNUMA_CLASS_1K] <= 1 + hnuma_topology_nr_cpus(topology));
	CU_ASSERT_EQUAL(stats.in_use[HNUMA_CLASS_1K], 1);
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, blocks[39]), 0);
	close_pool();
}

/* Defect 8: what is out is counted, and bounded. Row 16: exact fit, then one more. */
static void test_exhaustion(void)
{
	struct hnuma_pool_class_stats stats;
	void *blocks[17];

	open_pool(2, 2 * HNUMA_HUGEPAGE, HNUMA_HYGIENE_NEVER);
	for (int round = 0; round < 1000; round++) {
		for (int i = 0; i < 16; i++)
			blocks[i] = hnuma_pool_acquire(pool, HNUMA_CLASS_256K);
		CU_ASSERT_PTR_NOT_NULL_FATAL(blocks[15]);
		errno = 0;
		CU_ASSERT_PTR_NULL(hnuma_pool_acquire(pool, HNUMA_CLASS_256K));
		CU_ASSERT_EQUAL(errno, ENOMEM);
		CU_ASSERT_PTR_NULL(hnuma_pool_acquire(pool, HNUMA_CLASS_1K));
		if (round == 0) {
			CU_ASSERT_EQUAL(
				hnuma_pool_class_stats(pool, node, HNUMA_CLASS_256K, &stats), 0);
			CU_ASSERT_EQUAL(stats.in_use, 16);
			CU_ASSERT_EQUAL(stats.total, 16);
			CU_ASSERT_EQUAL(stats.failures, 1);
			CU_ASSERT_EQUAL(stats.high_water_mark, 16);
		}
		for (int i = 0; i < 16; i++)
			CU_ASSERT_EQUAL(hnuma_pool_release(pool, blocks[i]), 0);
	}
	close_pool();
}

/* buffers_per_class of every class fit at the same time, whatever is asked first. */
static void test_the_promised_number_fits(void)
{
	static const size_t numbers[] = {1, 5, 32, 33};

	for (size_t k = 0; k < sizeof(numbers) / sizeof(*numbers); k++) {
		void **blocks = calloc(HNUMA_NR_CLASSES * numbers[k], sizeof(void *));
		size_t n = 0;

		open_pool(numbers[k], 0, HNUMA_HYGIENE_NEVER);
		for (size_t i = 0; i < numbers[k]; i++) {
			for (int c = HNUMA_NR_CLASSES; c-- > 0;) {
				blocks[n] = hnuma_pool_acquire(pool, (enum hnuma_class)c);
				CU_ASSERT_PTR_NOT_NULL_FATAL(blocks[n]);
				n++;
			}
		}
		CU_ASSERT_EQUAL(hnuma_pool_release_bulk(pool, blocks, n), 0);
		close_pool();
		free(blocks);
	}
}

/* Pages whose blocks are all home serve another class, whether the blocks lie in a cache or not. */
static void test_pages_change_classes(void)
{
	const size_t pages = 3;
	void **blocks = calloc(pages * 2048, sizeof(void *));

	open_pool(pages * 2048, pages * HNUMA_HUGEPAGE, HNUMA_HYGIENE_NEVER);
	for (int round = 0; round < 3; round++) {
		for (unsigned c = 0; c < HNUMA_NR_CLASSES; c++) {
			size_t n = pages * hnuma_blocks_per_page(c);

			for (size_t i = 0; i < n; i++) {
				blocks[i] = hnuma_pool_acquire(pool, (enum hnuma_class)c);
				CU_ASSERT_PTR_NOT_NULL_FATAL(blocks[i]);
			}
			CU_ASSERT_PTR_NULL(hnuma_pool_acquire(pool, (enum hnuma_class)c));
			CU_ASSERT_EQUAL(hnuma_pool_check(pool), 0);
			for (size_t i = 0; i < n; i++)
				CU_ASSERT_EQUAL(hnuma_pool_release(pool, blocks[i]), 0);
		}
	}
	/* One block that is out holds its page, and only its page. */
	blocks[0] = hnuma_pool_acquire(pool, HNUMA_CLASS_1K);
	CU_ASSERT_EQUAL(hnuma_pool_acquire_bulk(pool, HNUMA_CLASS_256K, blocks + 1, 17), -ENOMEM);
	CU_ASSERT_EQUAL(hnuma_pool_acquire_bulk(pool, HNUMA_CLASS_256K, blocks + 1, 16), 0);
	CU_ASSERT_EQUAL(hnuma_pool_release_bulk(pool, blocks, 17), 0);
	close_pool();
	free(blocks);
}

static void test_bulk_is_all_or_nothing(void)
{
	struct hnuma_pool_stats before, after;
	void *blocks[129] = {NULL};

	/* One page: 128 blocks of 16K. */
	open_pool(128, HNUMA_HUGEPAGE, HNUMA_HYGIENE_NEVER);
	CU_ASSERT_EQUAL(hnuma_pool_acquire_bulk(pool, HNUMA_CLASS_16K, blocks, 0), 0);
	before = stats_now();
	CU_ASSERT_EQUAL(hnuma_pool_acquire_bulk(pool, HNUMA_CLASS_16K, blocks, 129), -ENOMEM);
	check_message("nothing was taken");
	CU_ASSERT_PTR_NULL(blocks[0]);
	after = stats_now();
	CU_ASSERT_EQUAL(memcmp(&before, &after, sizeof(before)), 0);
	CU_ASSERT_EQUAL(hnuma_pool_acquire_bulk(pool, HNUMA_CLASS_16K, blocks, SIZE_MAX), -ENOMEM);
	CU_ASSERT_EQUAL(hnuma_pool_acquire_bulk(pool, HNUMA_CLASS_16K, blocks, 128), 0);
	CU_ASSERT_EQUAL(stats_now().in_use[HNUMA_CLASS_16K], 128);
	for (int i = 0; i < 128; i++) {
		for (int k = 0; k < i; k++)
			CU_ASSERT_PTR_NOT_EQUAL_FATAL(blocks[i], blocks[k]);
	}
	CU_ASSERT_EQUAL(hnuma_pool_acquire_bulk(pool, HNUMA_CLASS_16K, blocks, 1), -ENOMEM);
	CU_ASSERT_EQUAL(hnuma_pool_release_bulk(pool, blocks, 128), 0);
	CU_ASSERT_EQUAL(stats_now().in_use[HNUMA_CLASS_16K], 0);
	/* Some in the cache, some in the depot: all are found. */
	for (int i = 0; i < 50; i++)
		blocks[i] = hnuma_pool_acquire(pool, HNUMA_CLASS_16K);
	for (int i = 0; i < 50; i++)
		CU_ASSERT_EQUAL(hnuma_pool_release(pool, blocks[i]), 0);
	CU_ASSERT_EQUAL(hnuma_pool_acquire_bulk(pool, HNUMA_CLASS_16K, blocks, 128), 0);
	CU_ASSERT_EQUAL(hnuma_pool_release_bulk(pool, blocks, 128), 0);
	CU_ASSERT_EQUAL(hnuma_pool_acquire_bulk(pool, (enum hnuma_class)5, blocks, 1), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_pool_acquire_bulk(pool, HNUMA_CLASS_1K, NULL, 1), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_pool_acquire_bulk_on(pool, 1000, HNUMA_CLASS_1K, blocks, 1), -ENODEV);
	CU_ASSERT_EQUAL(hnuma_pool_acquire_bulk(NULL, HNUMA_CLASS_1K, blocks, 1), -EINVAL);
	close_pool();
}

static void test_nodes(void)
{
	void *block;

	open_pool(4, 0, HNUMA_HYGIENE_NEVER);
	block = hnuma_pool_acquire_on(pool, node, HNUMA_CLASS_4K);
	CU_ASSERT_EQUAL(hnuma_pool_node_of(pool, block), node);
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, block), 0);
	CU_ASSERT_PTR_EQUAL(hnuma_pool_acquire_on(pool, HNUMA_NODE_LOCAL, HNUMA_CLASS_4K), block);
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, block), 0);
	errno = 0;
	CU_ASSERT_PTR_NULL(hnuma_pool_acquire_on(pool, 1000, HNUMA_CLASS_4K));
	CU_ASSERT_EQUAL(errno, ENODEV);
	errno = 0;
	CU_ASSERT_PTR_NULL(hnuma_pool_acquire_on(pool, HNUMA_NODE_NONE, HNUMA_CLASS_4K));
	CU_ASSERT_EQUAL(errno, ENODEV);
	CU_ASSERT_PTR_NOT_NULL(hnuma_pool_region(pool, node));
	CU_ASSERT_PTR_EQUAL(hnuma_pool_region(pool, HNUMA_NODE_LOCAL),
			    hnuma_pool_region(pool, node));
	CU_ASSERT_PTR_NULL(hnuma_pool_region(pool, 1000));
	close_pool();
}

static void test_placement_covers_books_and_pages(void)
{
	struct hnuma_placement placement;

	open_pool(32, 0, HNUMA_HYGIENE_NEVER);
	CU_ASSERT_EQUAL_FATAL(hnuma_pool_verify(pool, node, &placement), 0);
	/* 32 blocks of each class: 1 + 1 + 1 + 1 + 4 pages, and one for the books. */
	CU_ASSERT_EQUAL(placement.pages_total * placement.page_size, 9 * HNUMA_HUGEPAGE);
	CU_ASSERT(placement.pages_here == placement.pages_total || !check_knows_nodes());
	CU_ASSERT_EQUAL(hnuma_pool_verify(pool, 1000, &placement), -ENODEV);
	CU_ASSERT_EQUAL(hnuma_pool_verify(pool, node, NULL), -EINVAL);
	close_pool();
}

/* The books' check must be able to fail. */
static void test_check_finds_wrong_books(void)
{
	struct hnuma_home *home;
	unsigned char *block;
	uint32_t number;

	open_pool(4, 0, HNUMA_HYGIENE_NEVER);
	block = hnuma_pool_acquire(pool, HNUMA_CLASS_4K);
	home = hnuma_pool_home_of_node(pool, node);
	number = (uint32_t)((size_t)(block - home->base) >> HNUMA_BLOCK_SHIFT);
	hnuma_block_set(home, number, HNUMA_BLOCK_FREE);
	CU_ASSERT_EQUAL(hnuma_pool_check(pool), -EUCLEAN);
	hnuma_block_set(home, number, HNUMA_BLOCK_OUT);
	CU_ASSERT_EQUAL(hnuma_pool_check(pool), 0);
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, block), 0);
	hnuma_block_set(home, number, HNUMA_BLOCK_OUT);
	CU_ASSERT_EQUAL(hnuma_pool_check(pool), -EUCLEAN);
	check_message("in a list but not free");
	hnuma_block_set(home, number, HNUMA_BLOCK_FREE);
	home->depots[HNUMA_CLASS_4K].stack[home->depots[HNUMA_CLASS_4K].count++] = number;
	CU_ASSERT_EQUAL(hnuma_pool_check(pool), -EUCLEAN);
	check_message("in two lists");
	home->depots[HNUMA_CLASS_4K].count--;
	home->depots[HNUMA_CLASS_4K].returns++;
	CU_ASSERT_EQUAL(hnuma_pool_check(pool), -EUCLEAN);
	home->depots[HNUMA_CLASS_4K].returns--;
	home->depots[HNUMA_CLASS_1K].stack[home->depots[HNUMA_CLASS_1K].count++] = number;
	CU_ASSERT_EQUAL(hnuma_pool_check(pool), -EUCLEAN);
	check_message("is no block of this class");
	home->depots[HNUMA_CLASS_1K].count--;
	home->pages[number / HNUMA_BLOCKS_PER_PAGE_MAX].made++;
	CU_ASSERT_EQUAL(hnuma_pool_check(pool), -EUCLEAN);
	check_message("its books say");
	home->pages[number / HNUMA_BLOCKS_PER_PAGE_MAX].made--;
	home->nr_free_pages++;
	CU_ASSERT_EQUAL(hnuma_pool_check(pool), -EUCLEAN);
	check_message("pages in the books of");
	home->nr_free_pages--;
	close_pool();
}

static void test_clear(void)
{
	void *out, *blocks[10];

	open_pool(64, 0, HNUMA_HYGIENE_NEVER);
	out = hnuma_pool_acquire(pool, HNUMA_CLASS_1K);
	CU_ASSERT_EQUAL(hnuma_pool_acquire_bulk(pool, HNUMA_CLASS_1K, blocks, 10), 0);
	for (int i = 0; i < 10; i++)
		CU_ASSERT_EQUAL(hnuma_pool_release(pool, blocks[i]), 0);
	CU_ASSERT_EQUAL(stats_now().free_buffers[HNUMA_CLASS_1K], 10);
	CU_ASSERT_EQUAL(hnuma_pool_clear(pool), 0);
	CU_ASSERT_EQUAL(stats_now().free_buffers[HNUMA_CLASS_1K], 0);
	CU_ASSERT_EQUAL(stats_now().in_use[HNUMA_CLASS_1K], 1);
	CU_ASSERT_EQUAL(stats_now().drops, 0);
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, out), 0);
	close_pool();
}

/* Random operations, and the books hold at each stage. */
static void test_statistics_add_up(void)
{
	enum { MOST = 600 };
	void *blocks[MOST];
	uint64_t acquires = 0, releases = 0;
	struct hnuma_pool_stats stats;
	unsigned seed = 1;
	size_t n = 0;

	open_pool(40, 0, HNUMA_HYGIENE_NEVER);
	for (int step = 0; step < 200000; step++) {
		if (n < MOST && rand_r(&seed) % 100 < (step / 20000 % 2 ? 30 : 60)) {
			enum hnuma_class c = (enum hnuma_class)(rand_r(&seed) % HNUMA_NR_CLASSES);

			blocks[n] = hnuma_pool_acquire(pool, c);
			if (blocks[n]) {
				n++;
				acquires++;
			}
		} else if (n > 0) {
			size_t i = (size_t)rand_r(&seed) % n;

			CU_ASSERT_EQUAL_FATAL(hnuma_pool_release(pool, blocks[i]), 0);
			blocks[i] = blocks[--n];
			releases++;
		}
		if (step % 20000 == 0)
			CU_ASSERT_EQUAL_FATAL(hnuma_pool_check(pool), 0);
	}
	stats = stats_now();
	CU_ASSERT_EQUAL(stats.hits + stats.misses, acquires);
	CU_ASSERT_EQUAL(stats.returns + stats.drops, releases);
	CU_ASSERT_EQUAL(stats.in_use[0] + stats.in_use[1] + stats.in_use[2] + stats.in_use[3] +
				stats.in_use[4],
			n);
	CU_ASSERT_EQUAL(hnuma_pool_release_bulk(pool, blocks, n), 0);
	close_pool();
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"classes", test_classes},
		{"a miss, a return, a hit", test_a_miss_a_return_a_hit},
		{"every class is aligned to its size", test_every_class_is_aligned_to_its_size},
		{"a buffer is the caller's memory", test_a_buffer_is_the_callers_memory},
		{"acquire by size (row 20)", test_acquire_by_size},
		{"prewarm", test_prewarm},
		{"prewarm changes nothing when it fails",
		 test_prewarm_changes_nothing_when_it_fails},
		{"hygiene (row 37)", test_hygiene},
		{"what exceeds the cap is dropped", test_what_exceeds_the_cap_is_dropped},
		{"what was recalled does not pile up", test_what_was_recalled_does_not_pile_up},
		{"exhaustion", test_exhaustion},
		{"the promised number fits", test_the_promised_number_fits},
		{"pages change classes", test_pages_change_classes},
		{"bulk is all or nothing (row 38)", test_bulk_is_all_or_nothing},
		{"nodes", test_nodes},
		{"placement covers books and pages", test_placement_covers_books_and_pages},
		{"check finds wrong books", test_check_finds_wrong_books},
		{"clear", test_clear},
		{"statistics add up", test_statistics_add_up},
		CU_TEST_INFO_NULL,
	};

	topology = check_topology();
	node = hnuma_topology_node_of_cpu(topology, check_stay());
	return check_main("pool", tests);
}
