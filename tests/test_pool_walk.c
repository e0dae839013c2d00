/* SPDX-License-Identifier: MIT */
/*
 * tests/test_pool_walk.c - the walk over the blocks that are out.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <hugenuma.h>

#include "tests/check.h"

#define NR_MOST 512

static struct hnuma_topology *topology;
static struct hnuma_pool *pool;
static void *blocks[NR_MOST];

static void open_pool(unsigned flags)
{
	struct hnuma_pool_attr attr = HNUMA_POOL_ATTR_INIT;

	attr.bytes_per_node = 8 * HNUMA_HUGEPAGE;
	attr.least_backing = HNUMA_BACKING_BASE;
	attr.flags = flags;
	CU_ASSERT_EQUAL_FATAL(hnuma_pool_create(&pool, topology, &attr), 0);
}

static int compare(const void *a, const void *b)
{
	uintptr_t one = (uintptr_t) * (void *const *)a, other = (uintptr_t) * (void *const *)b;

	return (one > other) - (one < other);
}

/* Does a walk meet these blocks, and each once? */
static void check_walk(size_t n)
{
	void *block = NULL, *met[NR_MOST];
	size_t nr = 0;

	errno = 0;
	while ((block = hnuma_pool_walk(pool, block)) && nr < NR_MOST) {
		CU_ASSERT_EQUAL(errno, 0);
		met[nr++] = block;
	}
	CU_ASSERT_EQUAL(errno, ENOENT);
	CU_ASSERT_EQUAL_FATAL(nr, n);
	qsort(blocks, n, sizeof(*blocks), compare);
	qsort(met, n, sizeof(*met), compare);
	CU_ASSERT_EQUAL(memcmp(met, blocks, n * sizeof(*met)), 0);
}

/* Every class, with gaps; then all given back while the walk is under way. */
static void walk(unsigned flags)
{
	size_t n = 0;
	void *block = NULL;

	open_pool(flags);
	check_walk(0);
	for (unsigned i = 0; i < 60; i++) {
		blocks[n] = hnuma_pool_acquire(pool, (enum hnuma_class)(i % HNUMA_NR_CLASSES));
		n += blocks[n] != NULL;
	}
	CU_ASSERT(n >= 30);
	check_walk(n);
	for (size_t i = 1; i < n; i++, n--) {
		CU_ASSERT_EQUAL(hnuma_pool_release(pool, blocks[i]), 0);
		memmove(&blocks[i], &blocks[i + 1], (n - i - 1) * sizeof(*blocks));
	}
	check_walk(n);
	while ((block = hnuma_pool_walk(pool, block)))
		CU_ASSERT_EQUAL(hnuma_pool_release(pool, block), 0);
	check_walk(0);
	CU_ASSERT_EQUAL(hnuma_pool_destroy(pool), 0);
}

static void test_walk(void)
{
	walk(0);
}

static void test_hardened(void)
{
	walk(HNUMA_HARDENED);
}

/* The page of a block that is released on the way comes to serve a class of larger blocks. */
static void test_page_changes(void)
{
	char *block, *large;

	open_pool(0);
	for (int i = 0; i < 3; i++)
		blocks[i] = hnuma_pool_acquire(pool, HNUMA_CLASS_1K);
	block = hnuma_pool_walk(pool, hnuma_pool_walk(pool, NULL));
	for (int i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(hnuma_pool_release(pool, blocks[i]), 0);
	CU_ASSERT_EQUAL(hnuma_pool_clear(pool), 0);
	CU_ASSERT_PTR_NULL(hnuma_pool_walk(pool, block));
	/* The page that was given back last is dealt first. */
	large = hnuma_pool_acquire(pool, HNUMA_CLASS_256K);
	blocks[0] = hnuma_pool_acquire(pool, HNUMA_CLASS_256K);
	CU_ASSERT(large && blocks[0]);
	CU_ASSERT(block > large && block < large + hnuma_class_size(HNUMA_CLASS_256K));
	CU_ASSERT_PTR_EQUAL(hnuma_pool_walk(pool, block), blocks[0]);
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, large), 0);
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, blocks[0]), 0);
	CU_ASSERT_EQUAL(hnuma_pool_destroy(pool), 0);
}

/* What is on a page that was taken out of service is met by a walk of its own. */
static void test_retired(void)
{
	void *retired[2];

	open_pool(0);
	for (int i = 0; i < 2; i++)
		retired[i] = hnuma_pool_acquire(pool, HNUMA_CLASS_4K);
	blocks[0] = hnuma_pool_acquire(pool, HNUMA_CLASS_64K);
	CU_ASSERT_PTR_NULL(hnuma_pool_walk_retired(pool, NULL));
	CU_ASSERT_EQUAL(errno, ENOENT);
	CU_ASSERT_EQUAL(hnuma_pool_retire(pool, retired[0]), 0);
	check_walk(1);
	qsort(retired, 2, sizeof(*retired), compare);
	CU_ASSERT_PTR_EQUAL(hnuma_pool_walk_retired(pool, NULL), retired[0]);
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, retired[0]), 0);
	CU_ASSERT_PTR_EQUAL(hnuma_pool_walk_retired(pool, retired[0]), retired[1]);
	CU_ASSERT_PTR_NULL(hnuma_pool_walk_retired(pool, retired[1]));
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, retired[1]), 0);
	CU_ASSERT_PTR_NULL(hnuma_pool_walk_retired(pool, NULL));
	check_walk(1);
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, blocks[0]), 0);
	check_walk(0);
	CU_ASSERT_EQUAL(hnuma_pool_destroy(pool), 0);
}

static void refuse(const struct hnuma_pool *of, const void *previous, int error)
{
	errno = 0;
	CU_ASSERT_PTR_NULL(hnuma_pool_walk(of, previous));
	CU_ASSERT_EQUAL(errno, error);
	errno = 0;
	CU_ASSERT_PTR_NULL(hnuma_pool_walk_retired(of, previous));
	CU_ASSERT_EQUAL(errno, error);
}

static void in_child(void *arg)
{
	(void)arg;
	refuse(pool, NULL, EOWNERDEAD);
}

static void test_refused(void)
{
	int mine;

	open_pool(0);
	refuse(NULL, NULL, EINVAL);
	refuse(pool, &mine, EFAULT);
	CU_ASSERT_EQUAL(check_in_child(in_child, NULL), 0);
	CU_ASSERT_EQUAL(hnuma_pool_destroy(pool), 0);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"every block once", test_walk},
		{"hardened", test_hardened},
		{"a page changes its class", test_page_changes},
		{"a page is retired", test_retired},
		{"refused", test_refused},
		CU_TEST_INFO_NULL,
	};

	topology = check_topology();
	return check_main("pool walk", tests);
}
