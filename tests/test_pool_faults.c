/* SPDX-License-Identifier: MIT */
/*
 * tests/test_pool_faults.c - the pool given bad input and bad luck. Calls that fail are in
 * test_faults.c.
 */
#include "config.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <hugenuma.h>

#include "tests/check.h"
#include "tests/fail_sys.h"

static struct hnuma_topology *topology;

static struct hnuma_pool_attr attr_for_tests(void)
{
	struct hnuma_pool_attr attr = HNUMA_POOL_ATTR_INIT;

	attr.least_backing = HNUMA_BACKING_BASE;
	return attr;
}

static struct hnuma_pool *open_pool(void)
{
	struct hnuma_pool_attr attr = attr_for_tests();
	struct hnuma_pool *pool;

	CU_ASSERT_EQUAL_FATAL(hnuma_pool_create(&pool, topology, &attr), 0);
	return pool;
}

static void close_pool(struct hnuma_pool *pool)
{
	CU_ASSERT_EQUAL(hnuma_pool_check(pool), 0);
	CU_ASSERT_EQUAL(hnuma_pool_destroy(pool), 0);
}

static void refused(const struct hnuma_pool_attr *attr, int error)
{
	struct hnuma_pool *pool = (struct hnuma_pool *)1;
	struct check_state before;

	check_snapshot(&before);
	CU_ASSERT_EQUAL(hnuma_pool_create(&pool, topology, attr), error);
	CU_ASSERT_PTR_NULL(pool);
	CU_ASSERT(hnuma_errormsg()[0] != '\0');
	check_unchanged(&before);
}

/* Rows 1 to 4. */
static void test_bad_attributes(void)
{
	struct hnuma_pool_attr attr = attr_for_tests();

	refused(NULL, -EINVAL);
	CU_ASSERT_EQUAL(hnuma_pool_create(NULL, topology, &attr), -EINVAL);
	attr.struct_size = 0;
	refused(&attr, -EINVAL);
	attr = attr_for_tests();
	attr.flags = HNUMA_INHERIT;
	refused(&attr, -EINVAL);
	attr.flags = 1u << 31;
	refused(&attr, -EINVAL);
	attr = attr_for_tests();
	attr.policy = HNUMA_POLICY_INTERLEAVE;
	refused(&attr, -EINVAL);
	check_message("home");
	attr.policy = (enum hnuma_policy)77;
	refused(&attr, -EINVAL);
	attr = attr_for_tests();
	attr.hygiene = (enum hnuma_hygiene)3;
	refused(&attr, -EINVAL);
	attr = attr_for_tests();
	attr.least_backing = (enum hnuma_backing)0;
	refused(&attr, -EINVAL);
	attr = attr_for_tests();
	attr.buffers_per_class = 0;
	refused(&attr, -EINVAL);
	attr = attr_for_tests();
	hnuma_nodeset_add(&attr.nodes, 1023);
	refused(&attr, -ENODEV);
	check_message("1023");
}

static void test_sizes_that_wrap(void)
{
	static const size_t sizes[] = {SIZE_MAX, SIZE_MAX / 2, SIZE_MAX - HNUMA_HUGEPAGE + 1,
				       SIZE_MAX / 262144, (size_t)1 << 42};
	struct hnuma_pool_attr attr;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		attr = attr_for_tests();
		attr.buffers_per_class = sizes[i];
		refused(&attr, -EOVERFLOW);
		attr = attr_for_tests();
		attr.bytes_per_node = sizes[i];
		refused(&attr, -EOVERFLOW);
	}
	/* What is too large when it is rounded up, and why. */
	attr = attr_for_tests();
	attr.bytes_per_node = ((size_t)1 << 42) - HNUMA_HUGEPAGE + 1;
	refused(&attr, -EOVERFLOW);
	CU_ASSERT_PTR_NULL(strstr(hnuma_errormsg(), "guards"));
	attr.flags = HNUMA_HARDENED;
	attr.bytes_per_node = ((size_t)1 << 41) - HNUMA_HUGEPAGE + 1;
	refused(&attr, -EOVERFLOW);
	check_message("as much again for guards");
}

/* Row 5. */
static void test_too_few_hugepages(void)
{
	struct hnuma_pool_attr attr = attr_for_tests();

	attr.least_backing = HNUMA_BACKING_HUGETLB;
	attr.bytes_per_node = (size_t)1 << 41;
	refused(&attr, -ENOMEM);
	check_message("nr_hugepages");
}

static void test_null_and_no_class(void)
{
	struct hnuma_pool *pool = open_pool();
	struct hnuma_pool_class_stats class_stats;
	struct hnuma_pool_stats stats;
	void *block;

	CU_ASSERT_EQUAL(hnuma_pool_class_stats(NULL, 0, HNUMA_CLASS_1K, &class_stats), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_pool_class_stats(pool, 0, HNUMA_CLASS_1K, NULL), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_pool_class_of(NULL, &stats), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_pool_node_of(NULL, &stats), -EINVAL);
	errno = 0;
	CU_ASSERT_PTR_NULL(hnuma_pool_acquire(NULL, HNUMA_CLASS_1K));
	CU_ASSERT_EQUAL(errno, EINVAL);
	errno = 0;
	CU_ASSERT_PTR_NULL(hnuma_pool_acquire(pool, (enum hnuma_class)5));
	CU_ASSERT_EQUAL(errno, EINVAL);
	CU_ASSERT_PTR_NULL(hnuma_pool_acquire(pool, (enum hnuma_class) - 1));
	CU_ASSERT_PTR_NULL(hnuma_pool_acquire_on(pool, 0, (enum hnuma_class)5));
	CU_ASSERT_PTR_NULL(hnuma_pool_acquire_size(NULL, 1));
	CU_ASSERT_EQUAL(hnuma_pool_release(NULL, &block), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_pool_release_bulk(pool, NULL, 1), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_pool_stats(pool, NULL), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_pool_stats(NULL, &stats), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_pool_class_stats(pool, 0, (enum hnuma_class)5, &class_stats),
			-EINVAL);
	CU_ASSERT_EQUAL(hnuma_pool_class_stats(pool, 1023, HNUMA_CLASS_1K, &class_stats), -ENODEV);
	CU_ASSERT_EQUAL(hnuma_pool_check(NULL), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_pool_clear(NULL), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_pool_prewarm(NULL, HNUMA_CLASS_1K, 1), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_pool_prewarm_all(NULL, 1), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_pool_destroy(NULL), 0);
	close_pool(pool);
}

static void *release_it(void *arg)
{
	void **pool_and_block = arg;

	return (void *)(intptr_t)hnuma_pool_release(pool_and_block[0], pool_and_block[1]);
}

/* Row 21; a neighbour keeps its bytes all the while. */
static void test_double_release(void)
{
	struct hnuma_pool *pool = open_pool();
	unsigned char *neighbour = hnuma_pool_acquire(pool, HNUMA_CLASS_4K);
	void *block = hnuma_pool_acquire(pool, HNUMA_CLASS_4K);
	void *pool_and_block[] = {pool, block};
	void *result, *other;
	pthread_t thread;

	memset(neighbour, 0x5a, 4096);
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, block), 0);
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, block), -EALREADY);
	check_message("released before");
	for (int i = 0; i < 200; i++) {
		other = hnuma_pool_acquire(pool, HNUMA_CLASS_64K);
		CU_ASSERT_EQUAL(hnuma_pool_release(pool, other), 0);
	}
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, block), -EALREADY);
	pthread_create(&thread, NULL, release_it, pool_and_block);
	pthread_join(thread, &result);
	CU_ASSERT_EQUAL((int)(intptr_t)result, -EALREADY);
	CU_ASSERT_EQUAL(hnuma_pool_clear(pool), 0);
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, block), -EALREADY);
	CU_ASSERT_EQUAL(hnuma_pool_class_of(pool, block), -EALREADY);
	CU_ASSERT(neighbour[0] == 0x5a && memcmp(neighbour, neighbour + 1, 4095) == 0);
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, neighbour), 0);
	/* The whole page is nobody's now: still "not out", not some other error. */
	CU_ASSERT_EQUAL(hnuma_pool_clear(pool), 0);
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, block), -EALREADY);
	close_pool(pool);
}

/* Row 22. */
static void test_pointers_that_are_no_blocks(void)
{
	struct hnuma_pool *pool = open_pool();
	struct hnuma_pool *other = open_pool();
	unsigned char *block = hnuma_pool_acquire(pool, HNUMA_CLASS_16K);
	unsigned char *foreign = hnuma_pool_acquire(other, HNUMA_CLASS_16K);
	unsigned char *heap = malloc(16384);
	struct hnuma_pool_stats before, after;
	char stack[64];

	hnuma_pool_stats(pool, &before);
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, block + 1), -EINVAL);
	check_message("not the start");
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, block + 1024), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, block + 16383), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, foreign), -EFAULT);
	check_message("not a block of this pool");
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, heap), -EFAULT);
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, stack), -EFAULT);
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, NULL), -EFAULT);
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, (void *)UINTPTR_MAX), -EFAULT);
	CU_ASSERT_EQUAL(hnuma_pool_node_of(pool, block + 1), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_pool_class_of(pool, foreign), -EFAULT);
	hnuma_pool_stats(pool, &after);
	CU_ASSERT_EQUAL(memcmp(&before, &after, sizeof(before)), 0);
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, block), 0);
	CU_ASSERT_EQUAL(hnuma_pool_release(other, foreign), 0);
	free(heap);
	close_pool(other);
	close_pool(pool);
}

static void test_bulk_release_goes_on_after_a_bad_one(void)
{
	struct hnuma_pool *pool = open_pool();
	struct hnuma_pool_stats stats;
	void *blocks[20];
	char stack[1];

	CU_ASSERT_EQUAL(hnuma_pool_acquire_bulk(pool, HNUMA_CLASS_1K, blocks, 18), 0);
	blocks[18] = blocks[3];
	blocks[19] = blocks[5];
	blocks[5] = stack;
	CU_ASSERT_EQUAL(hnuma_pool_release_bulk(pool, blocks, 20), -EFAULT);
	check_message("2 of 20");
	hnuma_pool_stats(pool, &stats);
	CU_ASSERT_EQUAL(stats.in_use[HNUMA_CLASS_1K], 0);
	CU_ASSERT_EQUAL(stats.returns, 18);
	close_pool(pool);
}

/* Row 24. */
static void test_destroy_with_blocks_out(void)
{
	struct hnuma_pool *pool = open_pool();
	void *first = hnuma_pool_acquire(pool, HNUMA_CLASS_1K);
	void *second = hnuma_pool_acquire(pool, HNUMA_CLASS_256K);

	CU_ASSERT_EQUAL(hnuma_pool_destroy(pool), -EBUSY);
	check_message("2 of its blocks");
	memset(second, 1, 262144);
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, first), 0);
	CU_ASSERT_EQUAL(hnuma_pool_destroy(pool), -EBUSY);
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, second), 0);
	close_pool(pool);
}

/* Row 13. */
static void test_destroy_that_fails(void)
{
	struct hnuma_pool *pool = open_pool();
	struct hnuma_piece piece;

	fail_sys_install();
	fail_sys_begin(FAIL_UNMAP, 1, false, -ENOMEM);
	CU_ASSERT_EQUAL(hnuma_pool_destroy(pool), -ENOMEM);
	CU_ASSERT(fail_sys_end());
	fail_sys_remove();
	check_message("vm.max_map_count");
	CU_ASSERT_EQUAL(hnuma_pool_piece(pool, HNUMA_HUGEPAGE, 0, &piece), -EINVAL);
	check_message("is being destroyed");
	CU_ASSERT_EQUAL(hnuma_pool_destroy(pool), 0);
}

/* Row 31. */
static void in_the_child(void *arg)
{
	struct hnuma_pool *pool = ((void **)arg)[0];
	void *block = ((void **)arg)[1];
	struct hnuma_piece piece;
	struct hnuma_pool_class_stats class_stats;
	struct hnuma_placement placement;
	struct hnuma_pool_stats stats;
	void *bulk[1];
	int bad = 0;

	errno = 0;
	bad += hnuma_pool_acquire(pool, HNUMA_CLASS_1K) != NULL || errno != EOWNERDEAD;
	errno = 0;
	bad += hnuma_pool_acquire_on(pool, 0, HNUMA_CLASS_1K) != NULL || errno != EOWNERDEAD;
	bad += hnuma_pool_release(pool, block) != -EOWNERDEAD;
	bad += hnuma_pool_acquire_bulk(pool, HNUMA_CLASS_1K, bulk, 1) != -EOWNERDEAD;
	bad += hnuma_pool_release_bulk(pool, &block, 1) != -EOWNERDEAD;
	bad += hnuma_pool_stats(pool, &stats) != -EOWNERDEAD;
	bad += hnuma_pool_class_stats(pool, check_home_node(), HNUMA_CLASS_1K, &class_stats) !=
	       -EOWNERDEAD;
	bad += hnuma_pool_class_of(pool, block) != -EOWNERDEAD;
	bad += hnuma_pool_node_of(pool, block) != -EOWNERDEAD;
	bad += hnuma_pool_verify(pool, check_home_node(), &placement) != -EOWNERDEAD;
	bad += hnuma_pool_piece(pool, HNUMA_HUGEPAGE, 0, &piece) != -EOWNERDEAD;
	bad += hnuma_pool_prewarm_all(pool, 1) != -EOWNERDEAD;
	bad += hnuma_pool_clear(pool) != -EOWNERDEAD;
	bad += hnuma_pool_check(pool) != -EOWNERDEAD;
	bad += hnuma_pool_destroy(pool) != -EOWNERDEAD;
	bad += hnuma_errormsg()[0] == '\0';
	_Exit(bad);
}

static void test_fork(void)
{
	struct hnuma_pool *pool = open_pool();
	unsigned char *block = hnuma_pool_acquire(pool, HNUMA_CLASS_4K);
	void *pool_and_block[] = {pool, block};

	memset(block, 0x77, 4096);
	CU_ASSERT_EQUAL(check_in_child(in_the_child, pool_and_block), 0);
	CU_ASSERT(block[0] == 0x77 && memcmp(block, block + 1, 4095) == 0);
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, block), 0);
	close_pool(pool);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"bad attributes", test_bad_attributes},
		{"sizes that wrap", test_sizes_that_wrap},
		{"too few hugepages", test_too_few_hugepages},
		{"NULL, and no such class", test_null_and_no_class},
		{"double release (row 21)", test_double_release},
		{"pointers that are no blocks (row 22)", test_pointers_that_are_no_blocks},
		{"bulk release goes on after a bad one", test_bulk_release_goes_on_after_a_bad_one},
		{"destroy with blocks out (row 24)", test_destroy_with_blocks_out},
		{"destroy that fails (row 13)", test_destroy_that_fails},
		{"fork", test_fork},
		CU_TEST_INFO_NULL,
	};

	topology = check_topology();
	return check_main("pool faults", tests);
}
