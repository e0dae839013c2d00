/* SPDX-License-Identifier: MIT */
/*
 * tests/test_pool_hardened.c - a hardened pool finds overflows and writes after release (fault sheet,
 * row 23), loses what was overwritten, and is a pool like any other for who does nothing wrong.
 */
#include "config.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hugenuma.h>

#include "numa/sys.h"
#include "tests/check.h"
#include "tests/hardened.h"

static void test_needs(void)
{
	struct hnuma_config config = HNUMA_CONFIG_INIT;
	struct hnuma_plan_node plain, hardened;
	struct hnuma_plan *plan;
	size_t blocks;

	CU_ASSERT_EQUAL_FATAL(hnuma_plan_create(&plan, topology, &config), 0);
	CU_ASSERT_EQUAL(hnuma_plan_node(plan, 0, &plain), 0);
	hnuma_plan_destroy(plan);
	config.flags = HNUMA_HARDENED;
	config.least_backing = HNUMA_BACKING_BASE;
	CU_ASSERT_EQUAL_FATAL(hnuma_plan_create(&plan, topology, &config), 0);
	CU_ASSERT_EQUAL(hnuma_plan_node(plan, 0, &hardened), 0);
	hnuma_plan_destroy(plan);
	/* 32 blocks of each class: 8 pages, and 8 more for the guards. */
	CU_ASSERT(hardened.bytes_pool >= plain.bytes_pool + 8 * HNUMA_HUGEPAGE);
	CU_ASSERT(hardened.pages_needed >= plain.pages_needed + 8);
	CU_ASSERT_EQUAL(hardened.bytes_arena, plain.bytes_arena);

	struct hnuma_manager *manager;

	hnuma_nodeset_add(&config.nodes, check_home_node());
	CU_ASSERT_EQUAL_FATAL(hnuma_manager_create(&manager, topology, &config), 0);
	CU_ASSERT(hnuma_manager_config(manager)->flags & HNUMA_HARDENED);
	/* What it says of itself, given to another manager, means the same again. */
	blocks = hnuma_manager_config(manager)->pool_bytes_per_node;
	CU_ASSERT_EQUAL(blocks, 8 * HNUMA_HUGEPAGE);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
}

/* All that was promised can be out, at full length, and comes back. */
static void test_whole_blocks(void)
{
	struct hnuma_pool *pool = open_pool();
	unsigned char *blocks[HNUMA_NR_CLASSES][BUFFERS];

	for (int round = 0; round < 3; round++) {
		for (int c = 0; c < HNUMA_NR_CLASSES; c++) {
			size_t size = hnuma_class_size((enum hnuma_class)c);

			for (size_t i = 0; i < BUFFERS; i++) {
				blocks[c][i] = hnuma_pool_acquire(pool, (enum hnuma_class)c);
				CU_ASSERT_PTR_NOT_NULL_FATAL(blocks[c][i]);
				CU_ASSERT_EQUAL((uintptr_t)blocks[c][i] % size, 0);
				CU_ASSERT(is_all(blocks[c][i], size, 0));
				memset(blocks[c][i], 16 * c + (int)i + 1, size);
			}
		}
		CU_ASSERT_EQUAL(hnuma_pool_check(pool), 0);
		for (int c = 0; c < HNUMA_NR_CLASSES; c++) {
			size_t size = hnuma_class_size((enum hnuma_class)c);

			for (size_t i = 0; i < BUFFERS; i++) {
				CU_ASSERT(is_all(blocks[c][i], size,
						 (unsigned char)(16 * c + (int)i + 1)));
				CU_ASSERT_EQUAL(hnuma_pool_class_of(pool, blocks[c][i]), c);
				CU_ASSERT_EQUAL(hnuma_pool_release(pool, blocks[c][i]), 0);
				/* Nothing of the last user's is left. */
				CU_ASSERT_FALSE(is_all(blocks[c][i], 64,
						       (unsigned char)(16 * c + (int)i + 1)));
			}
		}
		CU_ASSERT_EQUAL(hnuma_pool_check(pool), 0);
	}
	close_pool(pool);
}

/* What is always refused is refused here, too; and the guard is no buffer. */
static void test_wrong_pointers(void)
{
	struct hnuma_pool *pool = open_pool();

	for (int c = 0; c < HNUMA_NR_CLASSES; c++) {
		char *block = hnuma_pool_acquire(pool, (enum hnuma_class)c);

		CU_ASSERT_EQUAL(hnuma_pool_release(pool, block + 64), -EINVAL);
		CU_ASSERT_EQUAL(
			hnuma_pool_release(pool, block + hnuma_class_size((enum hnuma_class)c)),
			-EINVAL);
		CU_ASSERT_EQUAL(hnuma_pool_release(pool, block), 0);
		CU_ASSERT_EQUAL(hnuma_pool_release(pool, block), -EALREADY);
	}
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, &pool), -EFAULT);
	close_pool(pool);
}

static void test_overflow(void)
{
	for (int c = 0; c < HNUMA_NR_CLASSES; c++) {
		size_t size = hnuma_class_size((enum hnuma_class)c);
		const struct {
			size_t at, n;
		} writes[] = {{0, 1}, {0, 8}, {3, 1}, {size - 1, 1}};

		for (size_t i = 0; i < sizeof(writes) / sizeof(*writes); i++) {
			struct hnuma_pool *pool = open_pool();
			unsigned char *block = hnuma_pool_acquire(pool, (enum hnuma_class)c);
			char words[64];

			overwrite(block + size + writes[i].at, writes[i].n);
			snprintf(words, sizeof(words), "byte %zu behind its end", writes[i].at);
			/* While it is out only the check can see it. */
			CU_ASSERT_EQUAL(hnuma_pool_check(pool), -EUCLEAN);
			expect_words(block, words);
			CU_ASSERT_EQUAL(hnuma_pool_release(pool, block), -EUCLEAN);
			expect_words(block, words);
			expect_found(pool, (enum hnuma_class)c, 1);
			CU_ASSERT_EQUAL(hnuma_pool_release(pool, block), -EALREADY);
			exhaust_without(pool, (enum hnuma_class)c, block);
			expect_found(pool, (enum hnuma_class)c, 1);
			close_damaged(pool);
			expect_words(block, words);
		}
	}
}

/* The commonest: a string whose end is one too long. Found whatever the key is. */
static void test_end_of_string(void)
{
	struct hnuma_pool *pool = open_pool();
	char *block = hnuma_pool_acquire(pool, HNUMA_CLASS_256K);

	CU_ASSERT_PTR_NULL(memchr(block + 262144, 0, 262144));
	block[262144] = '\0';
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, block), -EUCLEAN);
	close_damaged(pool);
}

/* Before its start: the guard of the block before. */
static void test_underflow(void)
{
	struct hnuma_pool *pool = open_pool();
	unsigned char *first = hnuma_pool_acquire(pool, HNUMA_CLASS_4K);
	unsigned char *second = hnuma_pool_acquire(pool, HNUMA_CLASS_4K);

	CU_ASSERT_PTR_EQUAL(second, first + 2 * 4096);
	overwrite(second - 8, 8);
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, second), 0);
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, first), -EUCLEAN);
	expect_words(first, "byte 4088 behind its end");
	expect_words(second, "before its start");
	close_damaged(pool);
}

static void write_after_release(enum hnuma_class c, size_t at, bool check)
{
	struct hnuma_pool *pool = open_pool();
	unsigned char *block = hnuma_pool_acquire(pool, c);
	char words[64];

	CU_ASSERT_EQUAL(hnuma_pool_release(pool, block), 0);
	overwrite(block + at, 1);
	snprintf(words, sizeof(words), "its byte %zu was overwritten after", at);
	if (check) {
		CU_ASSERT_EQUAL(hnuma_pool_check(pool), -EUCLEAN);
		expect_words(block, words);
		expect_found(pool, c, 1);
	}
	exhaust_without(pool, c, block);
	expect_found(pool, c, 1);
	/* By whomever it was found, the check tells. */
	close_damaged(pool);
	expect_words(block, words);
}

static void test_write_after_release(void)
{
	for (int c = 0; c < HNUMA_NR_CLASSES; c++) {
		size_t size = hnuma_class_size((enum hnuma_class)c);

		write_after_release((enum hnuma_class)c, 0, false);
		write_after_release((enum hnuma_class)c, size / 2 + 5, true);
		write_after_release((enum hnuma_class)c, size - 1, false);
	}
}

/* A block that was released waits until others have been. */
static void test_quarantine(void)
{
	struct hnuma_pool *pool = open_pool();
	void *first = hnuma_pool_acquire(pool, HNUMA_CLASS_16K), *block;

	CU_ASSERT_EQUAL(hnuma_pool_release(pool, first), 0);
	for (size_t i = 1; i < BUFFERS; i++) {
		block = hnuma_pool_acquire(pool, HNUMA_CLASS_16K);
		CU_ASSERT_PTR_NOT_EQUAL(block, first);
		CU_ASSERT_EQUAL(hnuma_pool_release(pool, block), 0);
	}
	/* Now that no other can be made within buffers_per_class, the oldest is it. */
	block = hnuma_pool_acquire(pool, HNUMA_CLASS_16K);
	CU_ASSERT_PTR_EQUAL(block, first);
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, block), 0);
	close_pool(pool);
}

static int cancel_soon(void *arg, const struct hnuma_piece *piece, void **handle)
{
	(void)arg;
	(void)piece;
	(void)handle;
	return pthread_cancel(pthread_self());
}

/* A thread that is cancelled when the memory is there and the key is not: not half-way. */
static void *cancelled(void *arg)
{
	struct hnuma_pool_attr attr = attr_for_tests();
	struct hnuma_hooks hooks = HNUMA_HOOKS_INIT;
	struct hnuma_pool *pool;

	hooks.made = cancel_soon;
	attr.hooks = &hooks;
	if (hnuma_pool_create(&pool, topology, &attr) == 0)
		*(int *)arg = hnuma_pool_destroy(pool);
	pthread_testcancel();
	return NULL;
}

static void test_cancelled(void)
{
	pthread_t thread;
	void *result;
	int error = 1;

	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, cancelled, &error), 0);
	CU_ASSERT_EQUAL(pthread_join(thread, &result), 0);
	CU_ASSERT_PTR_EQUAL(result, PTHREAD_CANCELED);
	CU_ASSERT_EQUAL(error, 0);
}

/* What a call that gives up has not handed out yet is lost all the same, where it was overwritten. */
static void test_bulk_in_vain(void)
{
	struct hnuma_pool_attr attr = attr_for_tests();
	struct hnuma_pool *pool;
	void *blocks[8], *again[8];

	attr.bytes_per_node = HNUMA_HUGEPAGE / 2;
	CU_ASSERT_EQUAL_FATAL(hnuma_pool_create(&pool, topology, &attr), 0);
	CU_ASSERT_EQUAL(hnuma_pool_acquire_bulk(pool, HNUMA_CLASS_256K, blocks, 8), 0);
	CU_ASSERT_EQUAL(hnuma_pool_release_bulk(pool, blocks, 8), 0);
	for (int i = 2; i < 5; i++)
		overwrite((unsigned char *)blocks[i] + 77, 1);
	CU_ASSERT_EQUAL(hnuma_pool_acquire_bulk(pool, HNUMA_CLASS_256K, again, 8), -ENOMEM);
	check_message("not overwritten");
	expect_found(pool, HNUMA_CLASS_256K, 3);
	CU_ASSERT_EQUAL(hnuma_pool_acquire_bulk(pool, HNUMA_CLASS_256K, again, 5), 0);
	for (int i = 0; i < 5; i++)
		CU_ASSERT(again[i] != blocks[2] && again[i] != blocks[3] && again[i] != blocks[4]);
	CU_ASSERT_EQUAL(hnuma_pool_release_bulk(pool, again, 5), 0);
	close_damaged(pool);
}

static void test_bulk(void)
{
	struct hnuma_pool_attr attr = attr_for_tests();
	struct hnuma_pool_stats stats;
	struct hnuma_pool *pool;
	void *blocks[8], *again[8];

	/* A page for blocks, and one for their guards: eight. */
	attr.bytes_per_node = HNUMA_HUGEPAGE / 2;
	CU_ASSERT_EQUAL_FATAL(hnuma_pool_create(&pool, topology, &attr), 0);
	CU_ASSERT_EQUAL(hnuma_pool_acquire_bulk(pool, HNUMA_CLASS_256K, blocks, 8), 0);
	CU_ASSERT_EQUAL(hnuma_pool_acquire_bulk(pool, HNUMA_CLASS_256K, again, 1), -ENOMEM);
	overwrite((unsigned char *)blocks[1] + 262144, 1);
	CU_ASSERT_EQUAL(hnuma_pool_release_bulk(pool, blocks, 8), -EUCLEAN);
	expect_words(blocks[1], "1 of 8 blocks were refused");
	overwrite((unsigned char *)blocks[2] + 77, 1);

	/* Two of eight were overwritten: seven are tried in vain, six are got. */
	CU_ASSERT_EQUAL(hnuma_pool_acquire_bulk(pool, HNUMA_CLASS_256K, again, 7), -ENOMEM);
	check_message("not overwritten");
	CU_ASSERT_EQUAL(hnuma_pool_stats(pool, &stats), 0);
	CU_ASSERT_EQUAL(stats.in_use[HNUMA_CLASS_256K], 0);
	CU_ASSERT_EQUAL(stats.lost_buffers, 2);
	CU_ASSERT_EQUAL(hnuma_pool_acquire_bulk(pool, HNUMA_CLASS_256K, again, 6), 0);
	for (int i = 0; i < 6; i++) {
		CU_ASSERT(again[i] != blocks[1] && again[i] != blocks[2]);
		CU_ASSERT(is_all(again[i], 262144, 0));
	}
	CU_ASSERT_EQUAL(hnuma_pool_destroy(pool), -EBUSY);
	check_message("6 ");
	CU_ASSERT_EQUAL(hnuma_pool_release_bulk(pool, again, 6), 0);
	close_damaged(pool);
}

/* The books add up whatever is done: more than is kept free, pages that change their class, clear. */
static void test_books(void)
{
	struct hnuma_pool *pool = open_pool();
	unsigned rounds = check_rounds(2000);
	void *out[512];
	size_t n = 0;
	uint64_t random = 88172645463325252u;

	for (unsigned i = 0; i < rounds; i++) {
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		if (random % 2 && n < 512) {
			out[n] = hnuma_pool_acquire(pool, (enum hnuma_class)(random / 8 % 5));
			n += out[n] != NULL;
		} else if (n > 0) {
			size_t which = random / 64 % n;

			CU_ASSERT_EQUAL(hnuma_pool_release(pool, out[which]), 0);
			out[which] = out[--n];
		}
		if (i % 500 == 250)
			CU_ASSERT_EQUAL(hnuma_pool_clear(pool), 0);
		if (i % 500 == 300)
			CU_ASSERT(hnuma_pool_prewarm(pool, HNUMA_CLASS_1K, 1) != -EINVAL);
		if (i % 50 == 0)
			CU_ASSERT_EQUAL_FATAL(hnuma_pool_check(pool), 0);
	}
	while (n-- > 0)
		CU_ASSERT_EQUAL(hnuma_pool_release(pool, out[n]), 0);
	close_pool(pool);
}

static void *acquire_and_release(void *arg)
{
	struct hnuma_pool *pool = arg;
	unsigned rounds = check_rounds(2000);
	intptr_t bad = 0;

	for (unsigned i = 0; i < rounds; i++) {
		unsigned char *a = hnuma_pool_acquire(pool, HNUMA_CLASS_1K);
		unsigned char *b = hnuma_pool_acquire(pool, HNUMA_CLASS_4K);

		if (a)
			memset(a, 1, 1024);
		if (b)
			memset(b, 2, 4096);
		bad += a && (!is_all(a, 1024, 1) || hnuma_pool_release(pool, a));
		bad += b && (!is_all(b, 4096, 2) || hnuma_pool_release(pool, b));
	}
	return (void *)bad;
}

static void test_threads(void)
{
	struct hnuma_pool *pool = open_pool();
	pthread_t threads[4];
	void *bad;

	for (int i = 0; i < 4; i++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, acquire_and_release, pool),
				      0);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], &bad);
		CU_ASSERT_PTR_NULL(bad);
	}
	close_pool(pool);
}

/* Is a pool that does not ask for it hardened? Then it has guards, and a page more for each. */
static bool is_hardened_by_environment(void)
{
	struct hnuma_pool_attr attr = attr_for_tests();
	struct hnuma_placement pages;
	struct hnuma_pool *pool;

	attr.flags = 0;
	attr.bytes_per_node = 4 * HNUMA_HUGEPAGE;
	CU_ASSERT_EQUAL_FATAL(hnuma_pool_create(&pool, topology, &attr), 0);
	CU_ASSERT_EQUAL(hnuma_pool_verify(pool, HNUMA_NODE_LOCAL, &pages), 0);
	CU_ASSERT_EQUAL(hnuma_pool_destroy(pool), 0);
	return pages.pages_total * pages.page_size >= 8 * HNUMA_HUGEPAGE;
}

static void test_environment(void)
{
	struct hnuma_config config = HNUMA_CONFIG_INIT;
	struct hnuma_manager *manager;

	config.least_backing = HNUMA_BACKING_BASE;
	unsetenv("HUGENUMA_HARDENED");
	CU_ASSERT_FALSE(is_hardened_by_environment());
	setenv("HUGENUMA_HARDENED", "0", 1);
	CU_ASSERT_FALSE(is_hardened_by_environment());
	setenv("HUGENUMA_HARDENED", "1", 1);
	CU_ASSERT_TRUE(is_hardened_by_environment());
	CU_ASSERT_EQUAL_FATAL(hnuma_manager_create(&manager, topology, &config), 0);
	CU_ASSERT(hnuma_manager_config(manager)->flags & HNUMA_HARDENED);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
	unsetenv("HUGENUMA_HARDENED");
}

static int no_random(void *buffer, size_t size)
{
	(void)buffer;
	(void)size;
	return -ENOSYS;
}

static void test_no_key(void)
{
	struct hnuma_pool_attr attr = attr_for_tests();
	int (*real)(void *, size_t) = hnuma_sys.random;
	struct hnuma_pool *pool = (struct hnuma_pool *)1;
	struct check_state before;

	check_snapshot(&before);
	hnuma_sys.random = no_random;
	CU_ASSERT_EQUAL(hnuma_pool_create(&pool, topology, &attr), -ENOSYS);
	hnuma_sys.random = real;
	CU_ASSERT_PTR_NULL(pool);
	check_message("getrandom");
	check_unchanged(&before);
}

/* Only pools are; what cannot be is refused, not passed over. */
static void test_others(void)
{
	struct hnuma_region_attr region_attr = HNUMA_REGION_ATTR_INIT;
	struct hnuma_arena_attr arena_attr = HNUMA_ARENA_ATTR_INIT;
	struct hnuma_scratch_attr scratch_attr = HNUMA_SCRATCH_ATTR_INIT;
	struct hnuma_region *region;
	struct hnuma_arena *arena;
	struct hnuma_scratch *scratch;

	region_attr.size = HNUMA_HUGEPAGE;
	region_attr.flags = HNUMA_HARDENED;
	CU_ASSERT_EQUAL(hnuma_region_create(&region, topology, &region_attr), -EINVAL);
	arena_attr.flags = HNUMA_HARDENED;
	CU_ASSERT_EQUAL(hnuma_arena_create(&arena, topology, &arena_attr), -EINVAL);
	scratch_attr.flags = HNUMA_HARDENED;
	CU_ASSERT_EQUAL(hnuma_scratch_create(&scratch, topology, &scratch_attr), -EINVAL);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"what it needs", test_needs},
		{"whole blocks", test_whole_blocks},
		{"wrong pointers", test_wrong_pointers},
		{"overflow (row 23)", test_overflow},
		{"a string's end (row 23)", test_end_of_string},
		{"before the start", test_underflow},
		{"write after release (row 23)", test_write_after_release},
		{"quarantine", test_quarantine},
		{"bulk", test_bulk},
		{"bulk in vain", test_bulk_in_vain},
		{"a thread that is cancelled", test_cancelled},
		{"the books add up", test_books},
		{"threads", test_threads},
		{"environment", test_environment},
		{"no key", test_no_key},
		{"nothing else is hardened", test_others},
		CU_TEST_INFO_NULL,
	};

	topology = check_topology();
	return check_main("hardened pool", tests);
}
