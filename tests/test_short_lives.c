/* SPDX-License-Identifier: MIT */
/*
 * tests/test_short_lives.c - threads that are born and die each round, cancelled at random and forked
 * at random, while they use one manager: every block and every space comes home.
 *
 * Blocks go from thread to thread through a queue, so that most die elsewhere than they were born.
 * Chance decides what a thread does; its seed is its number and the round's.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <hugenuma.h>

#include "tests/check.h"

#define NR_THREADS 32
#define NR_STEPS   200
#define HELD_MAX   8

/* Two huge pages of 4 KB blocks on each node. */
#define BLOCK_BYTES ((size_t)4096)
#define NODE_BYTES  (2 * HNUMA_HUGEPAGE)
#define NODE_BLOCKS (NODE_BYTES / BLOCK_BYTES)

static struct hnuma_topology *topology;
static struct hnuma_manager *manager;
static int home; /* the only node that is served */

static bool has_forks;
static atomic_uint *nr_wrong; /* shared with children */
static atomic_uint nr_forks;

/* What is on its way from one thread to another. */
static _Atomic(void *) queue[64];

struct life {
	pthread_t thread;
	unsigned seed;
	/* What it had when it died: no block is ever in two places. */
	void *held[HELD_MAX];
	unsigned nr_held;
};

static void expect(bool condition)
{
	if (!condition)
		atomic_fetch_add(nr_wrong, 1);
}

static struct hnuma_manager *open_manager(void)
{
	struct hnuma_config config = HNUMA_CONFIG_INIT;
	struct hnuma_manager *opened;

	config.arena_capacity = HNUMA_HUGEPAGE;
	config.pool_bytes_per_node = NODE_BYTES;
	config.buffers_per_class = 4;
	config.scratch_size = BLOCK_BYTES;
	config.max_scratch = NR_THREADS;
	config.least_backing = HNUMA_BACKING_BASE;
	hnuma_nodeset_add(&config.nodes, home);
	return hnuma_manager_create(&opened, topology, &config) ? NULL : opened;
}

/* Row 31, in a child of a process with many threads, of which each may have been anywhere. */
static void live_as_child(void *block)
{
	struct hnuma_pool *pool = hnuma_manager_pool(manager);
	struct hnuma_manager *own;

	errno = 0;
	expect(!hnuma_pool_acquire(pool, HNUMA_CLASS_4K) && errno == EOWNERDEAD);
	if (block)
		expect(hnuma_pool_release(pool, block) == -EOWNERDEAD);
	errno = 0;
	expect(!hnuma_scratch_acquire(hnuma_manager_scratch(manager)) && errno == EOWNERDEAD);
	expect(hnuma_manager_destroy(manager) == -EOWNERDEAD);
	/* A sanitizer's malloc() may have been in another thread's hands, and stays so in the child. */
	own = check_is_instrumented() ? NULL : open_manager();
	expect(own || check_is_instrumented());
	if (own) {
		block = hnuma_pool_acquire(hnuma_manager_pool(own), HNUMA_CLASS_4K);
		expect(block && hnuma_pool_release(hnuma_manager_pool(own), block) == 0);
		expect(hnuma_manager_destroy(own) == 0);
	}
	_exit(0);
}

static void fork_once(const struct life *life)
{
	int previous, status = -1;
	pid_t child;

	/* One who is cancelled while waiting would leave the child to nobody. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &previous);
	child = fork();
	if (child == 0)
		live_as_child(life->nr_held ? life->held[0] : NULL);
	/* To Valgrind what the other threads had is lost in the child, which then ends with another code. */
	expect(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
	atomic_fetch_add(&nr_forks, 1);
	pthread_setcancelstate(previous, &previous);
}

static void acquire(struct life *life)
{
	void *block;

	if (life->nr_held == HELD_MAX)
		return;
	block = hnuma_pool_acquire(hnuma_manager_pool(manager), HNUMA_CLASS_4K);
	if (block)
		life->held[life->nr_held++] = memset(block, (int)(uintptr_t)block >> 12, 64);
}

static void release(struct life *life)
{
	unsigned char *block;

	if (life->nr_held == 0)
		return;
	block = life->held[--life->nr_held];
	expect(memcmp(block, block + 1, 63) == 0 &&
	       block[0] == (unsigned char)((uintptr_t)block >> 12));
	expect(hnuma_pool_release(hnuma_manager_pool(manager), block) == 0);
}

/* Give one away and take whatever lies there. */
static void pass_on(struct life *life)
{
	_Atomic(void *) *place = &queue[rand_r(&life->seed) % (sizeof(queue) / sizeof(queue[0]))];
	void *mine = life->nr_held ? life->held[--life->nr_held] : NULL;
	void *other = atomic_exchange(place, mine);

	if (other)
		life->held[life->nr_held++] = other;
}

/* Holds a space for a while, and sometimes for the rest of its life. */
static struct hnuma_space *use_space(struct life *life)
{
	struct hnuma_space *space = hnuma_scratch_acquire(hnuma_manager_scratch(manager));
	unsigned char *bytes = space ? hnuma_space_alloc(space, 256, 1) : NULL;

	expect(bytes != NULL);
	if (!bytes)
		return NULL;
	memset(bytes, (int)life->seed, 256);
	sched_yield();
	expect(bytes[0] == (unsigned char)life->seed && memcmp(bytes, bytes + 1, 255) == 0);
	if (rand_r(&life->seed) % 64 == 0)
		return space;
	expect(hnuma_scratch_release(space) == 0);
	return NULL;
}

static void *live(void *arg)
{
	struct life *life = arg;
	struct hnuma_space *kept = NULL;

	/* Some begin tied to their CPU, and never say that they have ended. */
	if (rand_r(&life->seed) % 8 == 0)
		(void)!hnuma_scratch_pin(hnuma_manager_scratch(manager), sched_getcpu());
	for (int i = 0; i < NR_STEPS; i++) {
		unsigned chance = rand_r(&life->seed) % 1024;

		pthread_testcancel();
		if (has_forks && chance < 1)
			fork_once(life);
		else if (chance < 400)
			acquire(life);
		else if (chance < 700)
			release(life);
		else if (chance < 950)
			pass_on(life);
		else if (!kept)
			kept = use_space(life);
	}
	return NULL;
}

/* The pool has all of its blocks, each once, and no space is anybody's. */
static void check_all_home(void)
{
	struct hnuma_pool *pool = hnuma_manager_pool(manager);
	static void *blocks[NODE_BLOCKS];
	struct hnuma_pool_stats stats;

	CU_ASSERT_EQUAL(hnuma_pool_check(pool), 0);
	CU_ASSERT_EQUAL(hnuma_pool_stats(pool, &stats), 0);
	CU_ASSERT_EQUAL(stats.in_use[HNUMA_CLASS_4K], 0);
	CU_ASSERT_EQUAL(stats.hits + stats.misses, stats.returns + stats.drops);
	CU_ASSERT_EQUAL(hnuma_pool_acquire_bulk(pool, HNUMA_CLASS_4K, blocks, NODE_BLOCKS), 0);
	CU_ASSERT_PTR_NULL(hnuma_pool_acquire(pool, HNUMA_CLASS_4K));
	CU_ASSERT_EQUAL(hnuma_pool_release_bulk(pool, blocks, NODE_BLOCKS), 0);
	CU_ASSERT_EQUAL(hnuma_scratch_active(hnuma_manager_scratch(manager)), 0);
}

static void release_what_is_left(struct life *lives)
{
	struct hnuma_pool *pool = hnuma_manager_pool(manager);

	for (int i = 0; i < NR_THREADS; i++)
		while (lives[i].nr_held)
			release(&lives[i]);
	for (size_t i = 0; i < sizeof(queue) / sizeof(queue[0]); i++) {
		void *block = atomic_exchange(&queue[i], NULL);

		CU_ASSERT(!block || hnuma_pool_release(pool, block) == 0);
	}
}

static void run_round(unsigned round, unsigned nr_cancelled)
{
	struct life lives[NR_THREADS];
	unsigned seed = round;

	memset(lives, 0, sizeof(lives));
	for (unsigned i = 0; i < NR_THREADS; i++) {
		lives[i].seed = round * NR_THREADS + i;
		CU_ASSERT_EQUAL_FATAL(pthread_create(&lives[i].thread, NULL, live, &lives[i]), 0);
	}
	for (unsigned i = 0; i < nr_cancelled; i++) {
		pthread_cancel(lives[rand_r(&seed) % NR_THREADS].thread);
		sched_yield();
	}
	for (int i = 0; i < NR_THREADS; i++)
		CU_ASSERT_EQUAL(pthread_join(lives[i].thread, NULL), 0);
	release_what_is_left(lives);
}

/* All rounds on one manager, and the capacity after each of them. */
static void run(unsigned nr_rounds, unsigned nr_cancelled)
{
	struct check_state before, after;

	check_snapshot(&before);
	manager = open_manager();
	CU_ASSERT_PTR_NOT_NULL_FATAL(manager);
	atomic_store(nr_wrong, 0);
	for (unsigned round = 0; round < check_rounds(nr_rounds); round++) {
		run_round(round, nr_cancelled);
		check_all_home();
	}
	CU_ASSERT_EQUAL(atomic_load(nr_wrong), 0);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
	/* The threads' own stacks may stay with the C library. */
	check_snapshot(&after);
	before.mappings = after.mappings;
	check_unchanged(&before);
}

static void test_die(void)
{
	has_forks = false;
	run(500, 0);
}

static void test_cancelled(void)
{
	has_forks = false;
	run(500, NR_THREADS / 2);
}

static void test_forked(void)
{
	has_forks = true;
	atomic_store(&nr_forks, 0);
	run(100, NR_THREADS / 2);
	CU_ASSERT(atomic_load(&nr_forks) > 0);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"32 threads die each round (row 25)", test_die},
		{"32 threads, cancelled at random (row 30)", test_cancelled},
		{"32 threads, cancelled and forked at random (row 31)", test_forked},
		CU_TEST_INFO_NULL,
	};

	topology = check_topology();
	home = hnuma_current_node(topology);
	nr_wrong = mmap(NULL, sizeof(*nr_wrong), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	if (nr_wrong == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	return check_main("short_lives", tests);
}
