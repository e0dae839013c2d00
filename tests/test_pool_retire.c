/* SPDX-License-Identifier: MIT */
/*
 * tests/test_pool_retire.c - a damaged page is taken out of service while the rest works. That the page
 * is not touched is seen by taking its access away.
 */
#include "config.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <hugenuma.h>

#include "lib/pool_books.h"
#include "tests/check.h"

#define PAGES 4

static struct hnuma_topology *topology;

static struct hnuma_pool *open_pool(enum hnuma_hygiene hygiene, unsigned flags)
{
	struct hnuma_pool_attr attr = HNUMA_POOL_ATTR_INIT;
	struct hnuma_pool *pool;

	attr.least_backing = HNUMA_BACKING_BASE;
	attr.buffers_per_class = 64;
	attr.bytes_per_node = PAGES * HNUMA_HUGEPAGE;
	attr.hygiene = hygiene;
	attr.flags = flags;
	hnuma_nodeset_add(&attr.nodes, check_home_node());
	CU_ASSERT_EQUAL_FATAL(hnuma_pool_create(&pool, topology, &attr), 0);
	return pool;
}

static char *page_of(const void *address)
{
	return (char *)((uintptr_t)address & ~(uintptr_t)(HNUMA_HUGEPAGE - 1));
}

/* Take all that a class can have: how many, and none of it on the page. Then give it back. */
static size_t exhaust(struct hnuma_pool *pool, enum hnuma_class c, const void *page)
{
	static void *blocks[PAGES * HNUMA_BLOCKS_PER_PAGE_MAX];
	size_t n = 0;

	while ((blocks[n] = hnuma_pool_acquire(pool, c))) {
		CU_ASSERT(page_of(blocks[n]) != page);
		n++;
	}
	for (size_t i = 0; i < n; i++)
		CU_ASSERT_EQUAL(hnuma_pool_release(pool, blocks[i]), 0);
	return n;
}

static void expect_lost(struct hnuma_pool *pool, enum hnuma_class c, uint64_t blocks,
			uint64_t pages)
{
	struct hnuma_pool_class_stats stats;
	struct hnuma_pool_stats sum;

	CU_ASSERT_EQUAL(hnuma_pool_check(pool), 0);
	CU_ASSERT_EQUAL(hnuma_pool_class_stats(pool, HNUMA_NODE_LOCAL, c, &stats), 0);
	CU_ASSERT_EQUAL(stats.lost_buffers, blocks);
	CU_ASSERT_EQUAL(stats.total, stats.free_buffers + stats.in_use);
	CU_ASSERT_EQUAL(stats.overwritten, 0);
	CU_ASSERT_EQUAL(hnuma_pool_stats(pool, &sum), 0);
	CU_ASSERT_EQUAL(sum.lost_pages, pages);
	CU_ASSERT_EQUAL(sum.lost_buffers, blocks);
}

/* The whole story, in a pool of each kind. */
static void retire_a_page(enum hnuma_hygiene hygiene, unsigned flags)
{
	struct hnuma_pool *pool = open_pool(hygiene, flags);
	const unsigned nr_pages = flags ? 2 * PAGES : PAGES;
	const size_t per_page = flags ? 16 : 32;
	void *out[3];
	char *page;

	for (int i = 0; i < 3; i++)
		out[i] = hnuma_pool_acquire(pool, HNUMA_CLASS_64K);
	page = page_of(out[0]);
	CU_ASSERT(page_of(out[2]) == page);
	/* One is free, in a cache or in the depot; the other 29 or 13 are not made. */
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, out[2]), 0);
	CU_ASSERT_EQUAL(mprotect(page, HNUMA_HUGEPAGE, PROT_NONE), 0);

	CU_ASSERT_EQUAL(hnuma_pool_retire(pool, page + 12345), 0);
	expect_lost(pool, HNUMA_CLASS_64K, per_page - 2, 1);
	CU_ASSERT_EQUAL(hnuma_pool_retire(pool, page), -EALREADY);
	CU_ASSERT_EQUAL(hnuma_pool_retire(pool, page + HNUMA_HUGEPAGE - 1), -EALREADY);
	CU_ASSERT_EQUAL(exhaust(pool, HNUMA_CLASS_64K, page), (nr_pages - 1) * per_page);
	CU_ASSERT_EQUAL(hnuma_pool_clear(pool), 0);

	/* What is out stays what it is, comes back once, and not into use. */
	CU_ASSERT_EQUAL(hnuma_pool_class_of(pool, out[0]), HNUMA_CLASS_64K);
	CU_ASSERT(hnuma_pool_node_of(pool, out[0]) >= 0);
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, (char *)out[0] + 64), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, out[2]), -EALREADY);
	CU_ASSERT_EQUAL(hnuma_pool_destroy(pool), -EBUSY);
	check_message(" 2 ");
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, out[0]), 0);
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, out[0]), -EALREADY);
	expect_lost(pool, HNUMA_CLASS_64K, per_page - 1, 1);
	CU_ASSERT_EQUAL(hnuma_pool_release_bulk(pool, &out[1], 1), 0);
	expect_lost(pool, HNUMA_CLASS_64K, per_page, 1);
	CU_ASSERT_EQUAL(hnuma_pool_class_of(pool, out[1]), -EALREADY);
	CU_ASSERT_EQUAL(exhaust(pool, HNUMA_CLASS_64K, page), (nr_pages - 1) * per_page);
	CU_ASSERT_EQUAL(exhaust(pool, HNUMA_CLASS_1K, page),
			(nr_pages - 1) * (flags ? 1024 : 2048));
	expect_lost(pool, HNUMA_CLASS_64K, per_page, 1);
	CU_ASSERT_EQUAL(hnuma_pool_destroy(pool), 0);
}

static void test_page(void)
{
	retire_a_page(HNUMA_HYGIENE_NEVER, 0);
}

static void test_page_with_hygiene(void)
{
	retire_a_page(HNUMA_HYGIENE_ON_RELEASE, 0);
	retire_a_page(HNUMA_HYGIENE_ON_ACQUIRE, 0);
}

static void test_page_hardened(void)
{
	retire_a_page(HNUMA_HYGIENE_NEVER, HNUMA_HARDENED);
}

/* Pages of no class, until none is left. */
static void test_every_page(void)
{
	struct hnuma_pool *pool = open_pool(HNUMA_HYGIENE_NEVER, 0);
	void *block = hnuma_pool_acquire(pool, HNUMA_CLASS_1K);
	char *first = page_of(block);

	CU_ASSERT_EQUAL(hnuma_pool_release(pool, block), 0);
	CU_ASSERT_EQUAL(hnuma_pool_clear(pool), 0);
	for (size_t i = 0; i < PAGES; i++) {
		CU_ASSERT_EQUAL(exhaust(pool, HNUMA_CLASS_256K, NULL), (PAGES - i) * 8);
		CU_ASSERT_EQUAL(hnuma_pool_clear(pool), 0);
		CU_ASSERT_EQUAL(hnuma_pool_retire(pool, first + i * HNUMA_HUGEPAGE), 0);
		expect_lost(pool, HNUMA_CLASS_256K, 0, i + 1);
	}
	CU_ASSERT_PTR_NULL(hnuma_pool_acquire(pool, HNUMA_CLASS_1K));
	CU_ASSERT_EQUAL(errno, ENOMEM);
	CU_ASSERT_EQUAL(hnuma_pool_prewarm(pool, HNUMA_CLASS_1K, 1), -ENOMEM);
	CU_ASSERT_EQUAL(hnuma_pool_destroy(pool), 0);
}

static struct hnuma_pool *parents;

static void in_child(void *address)
{
	_exit(hnuma_pool_retire(parents, address) != -EOWNERDEAD);
}

static void test_refused(void)
{
	struct hnuma_pool *pool = open_pool(HNUMA_HYGIENE_NEVER, 0);
	char *books = hnuma_region_base(hnuma_pool_region(pool, HNUMA_NODE_LOCAL));
	int on_stack;

	CU_ASSERT_EQUAL(hnuma_pool_retire(NULL, books), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_pool_retire(pool, &on_stack), -EFAULT);
	CU_ASSERT_EQUAL(hnuma_pool_retire(pool, NULL), -EFAULT);
	CU_ASSERT_EQUAL(hnuma_pool_retire(pool, books), -EFAULT);
	check_message("books");
	parents = pool;
	CU_ASSERT_EQUAL(check_in_child(in_child, books + HNUMA_HUGEPAGE), 0);
	expect_lost(pool, HNUMA_CLASS_1K, 0, 0);
	CU_ASSERT_EQUAL(hnuma_pool_destroy(pool), 0);
}

/* A thread that stands still between taking a block from its list and saying that it is out. */
static void test_in_hands(void)
{
	struct hnuma_pool *pool = open_pool(HNUMA_HYGIENE_NEVER, 0);
	unsigned char *block = hnuma_pool_acquire(pool, HNUMA_CLASS_16K);
	struct hnuma_home *home = &pool->homes[0];
	uint32_t number = (uint32_t)((block - home->base) >> HNUMA_BLOCK_SHIFT);

	hnuma_block_set(home, number, HNUMA_BLOCK_FREE);
	CU_ASSERT_EQUAL(hnuma_pool_retire(pool, block), -EAGAIN);
	CU_ASSERT_EQUAL(exhaust(pool, HNUMA_CLASS_16K, page_of(block)), (PAGES - 1) * 128);
	hnuma_block_set(home, number, HNUMA_BLOCK_OUT);
	CU_ASSERT_EQUAL(hnuma_pool_retire(pool, block), -EALREADY);
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, block), 0);
	expect_lost(pool, HNUMA_CLASS_16K, 128, 1);
	CU_ASSERT_EQUAL(hnuma_pool_destroy(pool), 0);
}

/* Others see it. */
static void test_observed(void)
{
	struct hnuma_pool *pool = open_pool(HNUMA_HYGIENE_NEVER, 0);
	void *block = hnuma_pool_acquire(pool, HNUMA_CLASS_4K);
	struct hnuma_object object = {.id = 0};
	struct hnuma_observer *observer;
	struct hnuma_pool_stats stats;

	CU_ASSERT_EQUAL(hnuma_pool_retire(pool, block), 0);
	CU_ASSERT_EQUAL_FATAL(hnuma_observer_open(&observer, getpid()), 0);
	do {
		CU_ASSERT_EQUAL_FATAL(hnuma_observer_next(observer, &object), 1);
	} while (object.kind != HNUMA_OBJECT_POOL);
	CU_ASSERT_EQUAL(hnuma_observer_pool_stats(observer, &object, &stats), 0);
	CU_ASSERT_EQUAL(stats.lost_pages, 1);
	CU_ASSERT_EQUAL(stats.lost_buffers, 511);
	CU_ASSERT_EQUAL(stats.in_use[HNUMA_CLASS_4K], 1);
	hnuma_observer_close(observer);
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, block), 0);
	CU_ASSERT_EQUAL(hnuma_pool_destroy(pool), 0);
}

/* Threads that acquire and release all the while. */
#define WORKERS 4

struct work {
	struct hnuma_pool *pool;
	char *first;
	_Atomic bool is_retired[PAGES];
	atomic_bool stop;
	atomic_ulong nr_wrong, nr_rounds;
};

static void *work_on(void *arg)
{
	struct work *work = arg;
	void *held[8] = {NULL};

	for (unsigned i = 0; !atomic_load(&work->stop); i++) {
		bool was_retired[PAGES];
		void **slot = &held[i % 8];

		if (*slot && hnuma_pool_release(work->pool, *slot))
			atomic_fetch_add(&work->nr_wrong, 1);
		for (unsigned page = 0; page < PAGES; page++)
			was_retired[page] = atomic_load(&work->is_retired[page]);
		*slot = hnuma_pool_acquire(work->pool, (enum hnuma_class)(i / 16 % 3));
		if (*slot && was_retired[((char *)*slot - work->first) / (ptrdiff_t)HNUMA_HUGEPAGE])
			atomic_fetch_add(&work->nr_wrong, 1);
		atomic_fetch_add(&work->nr_rounds, 1);
	}
	for (int i = 0; i < 8; i++) {
		if (held[i] && hnuma_pool_release(work->pool, held[i]))
			atomic_fetch_add(&work->nr_wrong, 1);
	}
	return NULL;
}

static void retire_at_work(bool with_rseq)
{
	struct work work = {.pool = open_pool(HNUMA_HYGIENE_NEVER, 0)};
	struct hnuma_pool_stats stats;
	pthread_t threads[WORKERS];

	if (!with_rseq) {
		work.pool->uses_rseq = false;
		work.pool->homes[0].uses_rseq = false;
		work.pool->fast_epoch = work.pool->epoch - 1;
	}
	work.first = (char *)work.pool->homes[0].base;
	for (int i = 0; i < WORKERS; i++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, work_on, &work), 0);
	/* The last page is kept, so that there is something to do to the end. */
	for (unsigned page = 0; page + 1 < PAGES; page++) {
		unsigned long from = atomic_load(&work.nr_rounds);
		int error;

		while (atomic_load(&work.nr_rounds) < from + 200)
			sched_yield();
		do
			error = hnuma_pool_retire(work.pool, work.first + page * HNUMA_HUGEPAGE);
		while (error == -EAGAIN);
		CU_ASSERT(error == 0 || error == -EALREADY);
		atomic_store(&work.is_retired[page], true);
		from = atomic_load(&work.nr_rounds);
		while (atomic_load(&work.nr_rounds) < from + 200)
			sched_yield();
	}
	atomic_store(&work.stop, true);
	for (int i = 0; i < WORKERS; i++)
		pthread_join(threads[i], NULL);
	CU_ASSERT_EQUAL(atomic_load(&work.nr_wrong), 0);
	CU_ASSERT_EQUAL(hnuma_pool_check(work.pool), 0);
	CU_ASSERT_EQUAL(hnuma_pool_stats(work.pool, &stats), 0);
	CU_ASSERT_EQUAL(stats.lost_pages, PAGES - 1);
	for (int c = 0; c < HNUMA_NR_CLASSES; c++)
		CU_ASSERT_EQUAL(stats.in_use[c], 0);
	CU_ASSERT_EQUAL(hnuma_pool_destroy(work.pool), 0);
}

static void test_at_work(void)
{
	unsigned rounds = check_rounds(60);

	for (unsigned i = 0; i < rounds; i++) {
		retire_at_work(true);
		retire_at_work(false);
	}
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"a page", test_page},
		{"a page, with hygiene", test_page_with_hygiene},
		{"a page, hardened", test_page_hardened},
		{"every page", test_every_page},
		{"refused", test_refused},
		{"a block in somebody's hands", test_in_hands},
		{"observed", test_observed},
		{"while others work", test_at_work},
		CU_TEST_INFO_NULL,
	};

	topology = check_topology();
	return check_main("pool retire", tests);
}
