/* SPDX-License-Identifier: MIT */
/*
 * tests/test_pool_last_look.c - what was written into a free block of a hardened pool is found when the block
 * is unmade, and before the pool is destroyed (fault sheet, row 23).
 */
#include "config.h"

#include <hugenuma.h>

#include "tests/check.h"
#include "tests/hardened.h"

/* More blocks are free than are kept: the one that was released first is dropped. */
static unsigned char *drop_overwritten(struct hnuma_pool *pool)
{
	unsigned char *blocks[BUFFERS + 1];

	for (size_t i = 0; i <= BUFFERS; i++)
		blocks[i] = hnuma_pool_acquire(pool, HNUMA_CLASS_64K);
	for (size_t i = 0; i <= BUFFERS; i++) {
		expect_found(pool, HNUMA_CLASS_64K, 0);
		CU_ASSERT_EQUAL(hnuma_pool_release(pool, blocks[i]), 0);
		if (i == 0)
			overwrite(blocks[0] + 99, 1);
	}
	return blocks[0];
}

static unsigned char *release_overwritten(struct hnuma_pool *pool)
{
	unsigned char *block = hnuma_pool_acquire(pool, HNUMA_CLASS_64K);

	CU_ASSERT_EQUAL(hnuma_pool_release(pool, block), 0);
	overwrite(block + 99, 1);
	return block;
}

static unsigned char *clear_overwritten(struct hnuma_pool *pool)
{
	unsigned char *block = release_overwritten(pool);

	CU_ASSERT_EQUAL(hnuma_pool_clear(pool), 0);
	return block;
}

/* Another class wants every page that there is. */
static unsigned char *reclaim_overwritten(struct hnuma_pool *pool)
{
	unsigned char *block = release_overwritten(pool);

	exhaust_without(pool, HNUMA_CLASS_256K, block);
	return block;
}

/* A free block is looked at when it is unmade. Its page stays what it is, and the others serve. */
static void test_unmade(void)
{
	unsigned char *(*const ways[])(struct hnuma_pool *) = {drop_overwritten, clear_overwritten,
							       reclaim_overwritten};

	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		struct hnuma_pool *pool = open_pool();
		unsigned char *block = ways[i](pool);

		expect_found(pool, HNUMA_CLASS_64K, 1);
		exhaust_without(pool, HNUMA_CLASS_64K, block);
		exhaust_without(pool, HNUMA_CLASS_1K, block);
		expect_found(pool, HNUMA_CLASS_64K, 1);
		close_damaged(pool);
		expect_words(block, "its byte 99 was overwritten after");
	}
}

/* The last look: what was not found before is told, once. */
static void test_destroy(void)
{
	struct hnuma_config config = HNUMA_CONFIG_INIT;
	struct hnuma_pool *pool = open_pool();
	struct hnuma_manager *manager;
	unsigned char *blocks[2], *told;

	for (int i = 0; i < 2; i++)
		blocks[i] = hnuma_pool_acquire(pool, HNUMA_CLASS_64K);
	told = clear_overwritten(pool);
	for (int i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL(hnuma_pool_release(pool, blocks[i]), 0);
		overwrite(blocks[i] + 77, 1);
	}
	CU_ASSERT_EQUAL(hnuma_pool_destroy(pool), -EUCLEAN);
	expect_words(blocks[0], "its byte 77 was overwritten after");
	check_message("calling again");
	expect_found(pool, HNUMA_CLASS_64K, 3);
	exhaust_without(pool, HNUMA_CLASS_64K, blocks[1]);
	close_damaged(pool);
	expect_words(told, "its byte 99 was overwritten after");

	config.flags = HNUMA_HARDENED;
	config.least_backing = HNUMA_BACKING_BASE;
	hnuma_nodeset_add(&config.nodes, check_home_node());
	CU_ASSERT_EQUAL_FATAL(hnuma_manager_create(&manager, topology, &config), 0);
	told = release_overwritten(hnuma_manager_pool(manager));
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), -EUCLEAN);
	expect_words(told, "its byte 99 was overwritten after");
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"unmade after it was overwritten (row 23)", test_unmade},
		{"destroyed after it was overwritten (row 23)", test_destroy},
		CU_TEST_INFO_NULL,
	};

	topology = check_topology();
	return check_main("last look", tests);
}
