/* SPDX-License-Identifier: MIT */
/*
 * tests/test_pool_threads.c - the pool under several threads, and where the CPU number is no help.
 */
#include "config.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <hugenuma.h>

#include "lib/pool_books.h"
#include "lib/pool_cache.h"
#include "numa/cpu.h"
#include "numa/sys.h"
#include "tests/check.h"

static struct hnuma_topology *topology;
static struct hnuma_pool *pool;

static void open_pool_on(struct hnuma_nodeset nodes, size_t buffers_per_class,
			 size_t bytes_per_node, enum hnuma_hygiene hygiene)
{
	struct hnuma_pool_attr attr = HNUMA_POOL_ATTR_INIT;

	attr.nodes = nodes;
	attr.buffers_per_class = buffers_per_class;
	attr.bytes_per_node = bytes_per_node;
	attr.hygiene = hygiene;
	attr.least_backing = HNUMA_BACKING_BASE;
	CU_ASSERT_EQUAL_FATAL(hnuma_pool_create(&pool, topology, &attr), 0);
}

static void open_pool(size_t buffers_per_class, size_t bytes_per_node, enum hnuma_hygiene hygiene)
{
	const struct hnuma_nodeset all = {{0}};

	open_pool_on(all, buffers_per_class, bytes_per_node, hygiene);
}

/* One node's, so that a thread that moves to another finds no other blocks there. */
static void open_pool_of_one_page(size_t buffers_per_class)
{
	struct hnuma_nodeset one = {{0}};

	hnuma_nodeset_add(&one, check_home_node());
	open_pool_on(one, buffers_per_class, HNUMA_HUGEPAGE, HNUMA_HYGIENE_NEVER);
}

/* Nothing is out any more, and the books are right. */
static void close_pool(void)
{
	struct hnuma_pool_stats stats;

	CU_ASSERT_EQUAL(hnuma_pool_check(pool), 0);
	CU_ASSERT_EQUAL(hnuma_pool_stats(pool, &stats), 0);
	for (int c = 0; c < HNUMA_NR_CLASSES; c++)
		CU_ASSERT_EQUAL(stats.in_use[c], 0);
	CU_ASSERT_EQUAL(stats.hits + stats.misses, stats.returns + stats.drops);
	CU_ASSERT_EQUAL(hnuma_pool_destroy(pool), 0);
	pool = NULL;
}

static void start(pthread_t *threads, unsigned n, void *(*run)(void *))
{
	for (uintptr_t i = 0; i < n; i++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, run, (void *)i), 0);
}

static void join(pthread_t *threads, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
}

/* Threads write their own mark into whatever they have and find it there later. */

static atomic_uint nr_overlaps;

static void *mark_and_check(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg + 1;
	uint64_t *blocks[64];
	size_t n = 0;

	for (unsigned left = check_rounds(20000); left > 0; left--) {
		if (n < 64 && rand_r(&seed) % 2) {
			enum hnuma_class c = (enum hnuma_class)(rand_r(&seed) % 3);

			blocks[n] = hnuma_pool_acquire(pool, c);
			if (blocks[n]) {
				blocks[n][0] = (uintptr_t)arg;
				blocks[n][127] = (uintptr_t)blocks[n];
				n++;
			}
		} else if (n > 0) {
			uint64_t *block = blocks[--n];

			if (block[0] != (uintptr_t)arg || block[127] != (uintptr_t)block)
				atomic_fetch_add(&nr_overlaps, 1);
			if (hnuma_pool_release(pool, block))
				atomic_fetch_add(&nr_overlaps, 1);
		}
	}
	while (n > 0)
		hnuma_pool_release(pool, blocks[--n]);
	return NULL;
}

static void test_blocks_never_overlap(void)
{
	pthread_t threads[8];

	atomic_store(&nr_overlaps, 0);
	open_pool(64, 0, HNUMA_HYGIENE_NEVER);
	start(threads, 8, mark_and_check);
	join(threads, 8);
	CU_ASSERT_EQUAL(atomic_load(&nr_overlaps), 0);
	close_pool();
}

/* A short pool, so that threads take pages and cached blocks from each other all the time. */
static void test_blocks_never_overlap_when_short(void)
{
	pthread_t threads[8];

	atomic_store(&nr_overlaps, 0);
	open_pool(8, 2 * HNUMA_HUGEPAGE, HNUMA_HYGIENE_NEVER);
	start(threads, 8, mark_and_check);
	join(threads, 8);
	CU_ASSERT_EQUAL(atomic_load(&nr_overlaps), 0);
	close_pool();
}

/* Row 25: producers and consumers that are born and die each round. */

enum { QUEUE = 256 };
static _Atomic(void *) queue[QUEUE];
static atomic_uint nr_passed;

static void *produce_or_consume(void *arg)
{
	unsigned at = (unsigned)(uintptr_t)arg * 7;

	for (int i = 0; i < 500; i++, at++) {
		_Atomic(void *) *slot = &queue[at % QUEUE];

		if ((uintptr_t)arg % 2) {
			void *block = hnuma_pool_acquire(pool, HNUMA_CLASS_4K);
			void *old = block ? atomic_exchange(slot, block) : NULL;

			if (old && hnuma_pool_release(pool, old))
				atomic_fetch_add(&nr_overlaps, 1);
		} else {
			void *block = atomic_exchange(slot, NULL);

			if (block && hnuma_pool_release(pool, block))
				atomic_fetch_add(&nr_overlaps, 1);
			atomic_fetch_add(&nr_passed, block != NULL);
		}
	}
	return NULL;
}

static void test_every_block_comes_home(void)
{
	pthread_t threads[32];
	void *blocks[512];

	atomic_store(&nr_overlaps, 0);
	atomic_store(&nr_passed, 0);
	/* One page of 4K blocks: 512. */
	open_pool(512, HNUMA_HUGEPAGE, HNUMA_HYGIENE_NEVER);
	for (int round = 0; round < 20; round++) {
		start(threads, 32, produce_or_consume);
		join(threads, 32);
	}
	for (int i = 0; i < QUEUE; i++) {
		void *block = atomic_exchange(&queue[i], NULL);

		CU_ASSERT(!block || hnuma_pool_release(pool, block) == 0);
	}
	CU_ASSERT_EQUAL(atomic_load(&nr_overlaps), 0);
	CU_ASSERT(atomic_load(&nr_passed) > 0);
	CU_ASSERT_EQUAL(hnuma_pool_acquire_bulk(pool, HNUMA_CLASS_4K, blocks, 512), 0);
	CU_ASSERT_EQUAL(hnuma_pool_release_bulk(pool, blocks, 512), 0);
	close_pool();
}

/* Row 26: all that there is, and back again, with other classes' pages in between. */
static void test_a_million_rounds(void)
{
	void *blocks[8];

	open_pool_of_one_page(2);
	for (unsigned left = check_rounds(1000000); left > 0; left--) {
		enum hnuma_class other = left % 1000 ? HNUMA_CLASS_256K : HNUMA_CLASS_1K;
		unsigned n = other == HNUMA_CLASS_256K ? 8 : 1;
		int refused = 0;

		for (unsigned i = 0; i < n; i++)
			refused += !(blocks[i] = hnuma_pool_acquire(pool, other));
		if (n == 8)
			refused += hnuma_pool_acquire(pool, HNUMA_CLASS_256K) != NULL;
		for (unsigned i = 0; i < n; i++)
			refused += hnuma_pool_release(pool, blocks[i]) != 0;
		if (refused) {
			CU_FAIL("the capacity is not what it was");
			break;
		}
	}
	close_pool();
}

/* Row 21: two threads release the same block at the same moment, and one of them only does. */

enum { RACES = 3000 };
static void *race_block;
static pthread_barrier_t race_start, race_end;
static int race_results[2];

static void *race(void *arg)
{
	for (unsigned left = check_rounds(RACES); left > 0; left--) {
		pthread_barrier_wait(&race_start);
		race_results[(uintptr_t)arg] = hnuma_pool_release(pool, race_block);
		pthread_barrier_wait(&race_end);
	}
	return NULL;
}

static void test_a_race_to_release_has_one_winner(void)
{
	pthread_t threads[2];

	open_pool(8, 0, HNUMA_HYGIENE_NEVER);
	pthread_barrier_init(&race_start, NULL, 3);
	pthread_barrier_init(&race_end, NULL, 3);
	start(threads, 2, race);
	for (unsigned left = check_rounds(RACES); left > 0; left--) {
		race_block = hnuma_pool_acquire(pool, HNUMA_CLASS_16K);
		pthread_barrier_wait(&race_start);
		pthread_barrier_wait(&race_end);
		CU_ASSERT(race_block != NULL);
		CU_ASSERT((race_results[0] == 0 && race_results[1] == -EALREADY) ||
			  (race_results[1] == 0 && race_results[0] == -EALREADY));
	}
	join(threads, 2);
	pthread_barrier_destroy(&race_start);
	pthread_barrier_destroy(&race_end);
	close_pool();
}

/*
 * Defect 6: no lock is held while a block is cleared. The linker's --wrap puts this memset() in the
 * place of the library's; it lets another thread go through the same depot before it clears.
 */

static atomic_bool is_watching;
static atomic_uint nr_got_through;

static void *go_through_the_depot(void *unused)
{
	void *bulk[4];

	(void)unused;
	if (hnuma_pool_prewarm(pool, HNUMA_CLASS_256K, 1) == 0 &&
	    hnuma_pool_acquire_bulk(pool, HNUMA_CLASS_64K, bulk, 4) == 0 &&
	    hnuma_pool_release_bulk(pool, bulk, 4) == 0)
		atomic_fetch_add(&nr_got_through, 1);
	return NULL;
}

void *__real_memset(void *memory, int value, size_t size);
void *__wrap_memset(void *memory, int value, size_t size);

void *__wrap_memset(void *memory, int value, size_t size)
{
	bool yes = true;

	if (size == 256 * 1024 && atomic_compare_exchange_strong(&is_watching, &yes, false)) {
		struct timespec limit;
		pthread_t thread;

		pthread_create(&thread, NULL, go_through_the_depot, NULL);
		clock_gettime(CLOCK_REALTIME, &limit);
		limit.tv_sec += 60;
		/* With a lock held the other thread would wait for us, and we for it. */
		if (pthread_timedjoin_np(thread, NULL, &limit))
			abort();
	}
	return __real_memset(memory, value, size);
}

static void test_no_lock_is_held_while_clearing(void)
{
	void *block;

	for (int hygiene = HNUMA_HYGIENE_ON_ACQUIRE; hygiene <= HNUMA_HYGIENE_ON_RELEASE;
	     hygiene++) {
		atomic_store(&nr_got_through, 0);
		open_pool(8, 0, (enum hnuma_hygiene)hygiene);
		atomic_store(&is_watching, true);
		block = hnuma_pool_acquire(pool, HNUMA_CLASS_256K);
		CU_ASSERT_EQUAL(hnuma_pool_release(pool, block), 0);
		CU_ASSERT_EQUAL(atomic_load(&nr_got_through), 1);
		close_pool();
	}
}

/*
 * Each home's books change under its lock only. The linker's --wrap shows every lock and unlock; a mutex
 * that looks for errors refuses to be unlocked by one who has not locked it.
 */

static atomic_uint nr_refused_locks;

int __real_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);
int __real_pthread_mutex_unlock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex);

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
	int error = __real_pthread_mutex_lock(mutex);

	atomic_fetch_add(&nr_refused_locks, error != 0);
	return error;
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
	int error = __real_pthread_mutex_unlock(mutex);

	atomic_fetch_add(&nr_refused_locks, error != 0);
	return error;
}

/* Back and forth between caches and depot, above the cap, and in bulk. */
static void use_depot(void)
{
	void *blocks[200];

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 200; i++)
			blocks[i] = hnuma_pool_acquire(pool, HNUMA_CLASS_4K);
		for (int i = 0; i < 200; i++)
			CU_ASSERT_EQUAL(hnuma_pool_release(pool, blocks[i]), 0);
		CU_ASSERT_EQUAL(hnuma_pool_acquire_bulk(pool, HNUMA_CLASS_16K, blocks, 100), 0);
		CU_ASSERT_EQUAL(hnuma_pool_release_bulk(pool, blocks, 100), 0);
		CU_ASSERT_EQUAL(hnuma_pool_prewarm(pool, HNUMA_CLASS_64K, 8), 0);
		CU_ASSERT_EQUAL(hnuma_pool_check(pool), 0);
		CU_ASSERT_EQUAL(hnuma_pool_clear(pool), 0);
	}
}

static void test_locked_before_unlocked(void)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
	open_pool(32, 0, HNUMA_HYGIENE_NEVER);
	for (unsigned i = 0; i < pool->nr_homes; i++) {
		pthread_mutex_destroy(&pool->homes[i].lock);
		CU_ASSERT_EQUAL_FATAL(pthread_mutex_init(&pool->homes[i].lock, &attr), 0);
	}
	pthread_mutexattr_destroy(&attr);
	atomic_store(&nr_refused_locks, 0);
	use_depot();
	CU_ASSERT_EQUAL(atomic_load(&nr_refused_locks), 0);
	close_pool();
}

/* What lies in one CPU's cache is found by a thread on another. */

static void *cache_all(void *arg)
{
	void *blocks[32];
	struct hnuma_cpu_binding *binding = NULL;

	if (hnuma_cpu_bind(topology, (int)(uintptr_t)arg, &binding))
		return NULL;
	for (int i = 0; i < 32; i++)
		blocks[i] = hnuma_pool_acquire(pool, HNUMA_CLASS_64K);
	for (int i = 0; i < 32; i++)
		hnuma_pool_release(pool, blocks[i]);
	hnuma_cpu_restore(topology, binding);
	return NULL;
}

static void test_other_caches_are_recalled_when_short(void)
{
	void *blocks[32];
	pthread_t thread;
	int *cpus, nr_cpus = hnuma_topology_allowed_cpus(topology, &cpus);

	CU_ASSERT_FATAL(nr_cpus > 0);
	/* 32 blocks of 64K, which end in one CPU's cache each time. */
	open_pool_of_one_page(32);
	for (int i = 0; i < nr_cpus; i++) {
		CU_ASSERT_EQUAL_FATAL(
			pthread_create(&thread, NULL, cache_all, (void *)(uintptr_t)cpus[i]), 0);
		pthread_join(thread, NULL);
		for (int k = 0; k < 32; k++) {
			blocks[k] = hnuma_pool_acquire(pool, HNUMA_CLASS_64K);
			CU_ASSERT_PTR_NOT_NULL(blocks[k]);
		}
		CU_ASSERT_PTR_NULL(hnuma_pool_acquire(pool, HNUMA_CLASS_64K));
		CU_ASSERT_EQUAL(hnuma_pool_release_bulk(pool, blocks, 32), 0);
	}
	free(cpus);
	close_pool();
}

static void use_some(void)
{
	void *blocks[100], *bulk[10];

	for (int i = 0; i < 100; i++) {
		blocks[i] = hnuma_pool_acquire(pool, HNUMA_CLASS_4K);
		CU_ASSERT_PTR_NOT_NULL_FATAL(blocks[i]);
	}
	CU_ASSERT_EQUAL(hnuma_pool_acquire_bulk(pool, HNUMA_CLASS_4K, bulk, 10), 0);
	for (int i = 0; i < 100; i++)
		CU_ASSERT_EQUAL(hnuma_pool_release(pool, blocks[i]), 0);
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, blocks[7]), -EALREADY);
	CU_ASSERT_EQUAL(hnuma_pool_release_bulk(pool, bulk, 10), 0);
}

static int cpu_beyond_all(void)
{
	return 100000;
}

static int no_cpu(void)
{
	return -ENOSYS;
}

/* Rows 27 and 28. */
static void test_an_unknown_cpu_works(void)
{
	int (*saved)(void) = hnuma_sys.current_cpu;

	open_pool(64, 0, HNUMA_HYGIENE_NEVER);
	hnuma_sys.current_cpu = cpu_beyond_all;
	use_some();
	hnuma_sys.current_cpu = no_cpu;
	use_some();
	hnuma_sys.current_cpu = saved;
	close_pool();
}

/* A thread that lost its CPU while it held a cache's claim keeps nobody from working. */
static void test_a_claimed_cache_is_gone_round(void)
{
	open_pool(64, 0, HNUMA_HYGIENE_NEVER);
	for (unsigned i = 0; i < pool->nr_cpus; i++) {
		for (int c = 0; c < HNUMA_NR_CLASSES; c++)
			CU_ASSERT(hnuma_cache_claim(pool->lines[i].caches[c]));
	}
	use_some();
	for (unsigned i = 0; i < pool->nr_cpus; i++) {
		for (int c = 0; c < HNUMA_NR_CLASSES; c++)
			hnuma_cache_unclaim(pool->lines[i].caches[c]);
	}
	close_pool();
}

static void *clear_cancelled(void *arg)
{
	(void)arg;
	pthread_cancel(pthread_self());
	CU_ASSERT_EQUAL(hnuma_pool_clear(pool), 0);
	pthread_testcancel();
	return NULL;
}

/* Who waits for such a thread, and is cancelled, takes no lock with him. */
static void test_cancelled_while_waiting_for_a_claim(void)
{
	const struct timespec time = {0, 10000000};
	struct hnuma_cache *cache;
	pthread_t thread;
	void *result;

	open_pool(64, 0, HNUMA_HYGIENE_NEVER);
	cache = pool->lines[0].caches[0];
	CU_ASSERT(hnuma_cache_claim(cache));
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, clear_cancelled, NULL), 0);
	nanosleep(&time, NULL);
	hnuma_cache_unclaim(cache);
	CU_ASSERT_EQUAL(pthread_join(thread, &result), 0);
	CU_ASSERT_PTR_EQUAL(result, PTHREAD_CANCELED);
	CU_ASSERT_EQUAL_FATAL(pthread_mutex_trylock(&cache->home->lock), 0);
	pthread_mutex_unlock(&cache->home->lock);
	close_pool();
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"blocks never overlap", test_blocks_never_overlap},
		{"blocks never overlap when short", test_blocks_never_overlap_when_short},
		{"every block comes home (row 25)", test_every_block_comes_home},
		{"a million rounds (row 26)", test_a_million_rounds},
		{"a race to release has one winner", test_a_race_to_release_has_one_winner},
		{"no lock is held while clearing", test_no_lock_is_held_while_clearing},
		{"locked before unlocked", test_locked_before_unlocked},
		{"other caches are recalled when short", test_other_caches_are_recalled_when_short},
		{"an unknown CPU works (row 27)", test_an_unknown_cpu_works},
		{"a claimed cache is gone round", test_a_claimed_cache_is_gone_round},
		{"cancelled while waiting for a claim", test_cancelled_while_waiting_for_a_claim},
		CU_TEST_INFO_NULL,
	};

	topology = check_topology();
	return check_main("pool threads", tests);
}
