/* SPDX-License-Identifier: MIT */
/*
 * tests/test_arena_threads.c - the arena with several threads. Lanes have theirs in test_lane.c.
 */
#include "config.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <hugenuma.h>

#include "tests/check.h"
#include "tests/step.h"

static struct hnuma_topology *topology;

static struct hnuma_arena *open_arena(size_t capacity)
{
	struct hnuma_arena_attr attr = HNUMA_ARENA_ATTR_INIT;
	struct hnuma_arena *arena;

	attr.capacity = capacity;
	attr.least_backing = HNUMA_BACKING_BASE;
	CU_ASSERT_EQUAL_FATAL(hnuma_arena_create(&arena, topology, &attr), 0);
	return arena;
}

static bool is_filled(const unsigned char *memory, size_t size, int value)
{
	return size == 0 || (memory[0] == value && memcmp(memory, memory + 1, size - 1) == 0);
}

#define NR_THREADS 4

struct worker {
	struct hnuma_arena *arena;
	pthread_barrier_t *start;
	unsigned number;
	unsigned nr;	 /* allocations to make */
	unsigned nr_got; /* that were made */
	bool has_found_others;
};

static void run_workers(struct hnuma_arena *arena, void *(*f)(void *), unsigned nr,
			struct worker *workers)
{
	pthread_t threads[NR_THREADS];
	pthread_barrier_t start;

	pthread_barrier_init(&start, NULL, NR_THREADS);
	for (unsigned i = 0; i < NR_THREADS; i++) {
		workers[i] = (struct worker){arena, &start, i, nr, 0, false};
		CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, f, &workers[i]), 0);
	}
	for (unsigned i = 0; i < NR_THREADS; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&start);
}

static void *allocate_lines(void *arg)
{
	struct worker *worker = arg;

	pthread_barrier_wait(worker->start);
	for (unsigned i = 0; i < worker->nr; i++)
		worker->nr_got += hnuma_arena_alloc_uninit(worker->arena, 64, 1) != NULL;
	return NULL;
}

/* Defect 1: who loses the race for the cursor tries again; NULL would say that the arena is full. */
static void test_lost_race_is_no_refusal(void)
{
	const unsigned each = 50000;
	struct hnuma_arena *arena = open_arena((size_t)NR_THREADS * each * 64);
	struct worker workers[NR_THREADS];

	for (int round = 0; round < 5; round++) {
		hnuma_arena_reset(arena);
		run_workers(arena, allocate_lines, each, workers);
		for (unsigned i = 0; i < NR_THREADS; i++)
			CU_ASSERT_EQUAL(workers[i].nr_got, each);
		CU_ASSERT_EQUAL(hnuma_arena_remaining(arena), 0);
		CU_ASSERT_EQUAL(hnuma_arena_allocation_count(arena), NR_THREADS * each);
		CU_ASSERT_PTR_NULL(hnuma_arena_alloc(arena, 1, 1));
	}
	CU_ASSERT_EQUAL(hnuma_arena_destroy(arena), 0);
}

#ifdef STEP_IS_POSSIBLE

static struct hnuma_arena *raced;
static struct hnuma_lane *racing_lane;
static volatile sig_atomic_t nr_steps, race_at;
static unsigned char *volatile taken_between;

/* What another thread might do at this moment. */
static void allocate_between(int signal_number)
{
	(void)signal_number;
	if (nr_steps++ == race_at)
		taken_between = hnuma_arena_alloc_uninit(raced, 64, 1);
}

static unsigned char *allocate_one_way(int way)
{
	switch (way) {
	case 0:
		return hnuma_arena_alloc_uninit(raced, 64, 1);
	case 1:
		return hnuma_arena_alloc(raced, 64, 1);
	case 2:
		return hnuma_arena_alloc_aligned(raced, 64, 1, 128);
	default:
		return hnuma_lane_alloc(racing_lane, 64, 1);
	}
}

/* Somebody else allocates after our k-th instruction, for each k: the race is lost for certain. */
static void test_race_is_lost_everywhere(void)
{
	struct sigaction action = {.sa_handler = allocate_between}, before;
	struct hnuma_lane lane;
	unsigned char *memory;

	if (!step_works_here())
		return;
	raced = open_arena(1 << 14);
	racing_lane = &lane;
	CU_ASSERT_EQUAL_FATAL(sigaction(SIGTRAP, &action, &before), 0);
	for (int way = 0; way < 4; way++) {
		/* Until the call is over before the race's turn comes. */
		for (race_at = 0;; race_at++) {
			hnuma_arena_reset(raced);
			CU_ASSERT_EQUAL(hnuma_lane_open(&lane, raced), 0);
			nr_steps = 0;
			taken_between = NULL;
			step_start();
			memory = allocate_one_way(way);
			step_stop();
			hnuma_lane_close(&lane);
			CU_ASSERT_PTR_NOT_NULL(memory);
			if (!taken_between)
				break;
			CU_ASSERT(memory >= taken_between + 64 || taken_between >= memory + 64);
			CU_ASSERT_EQUAL(hnuma_arena_allocation_count(raced), 2);
		}
		CU_ASSERT(race_at > 10);
	}
	sigaction(SIGTRAP, &before, NULL);
	CU_ASSERT_EQUAL(hnuma_arena_destroy(raced), 0);
}
#endif

static void *allocate_and_fill(void *arg)
{
	struct worker *worker = arg;
	unsigned char **memory = calloc(worker->nr, sizeof(*memory));
	size_t *sizes = calloc(worker->nr, sizeof(*sizes));
	unsigned seed = worker->number;

	pthread_barrier_wait(worker->start);
	for (unsigned i = 0; i < worker->nr; i++) {
		sizes[i] = 1 + (size_t)rand_r(&seed) % 900;
		if (i % 8 == 0)
			memory[i] = hnuma_arena_alloc_aligned(worker->arena, sizes[i], 1, 256);
		else
			memory[i] = hnuma_arena_alloc(worker->arena, sizes[i], 1);
		if (!memory[i])
			break;
		worker->has_found_others |= !is_filled(memory[i], sizes[i], 0);
		memset(memory[i], (int)worker->number + 1, sizes[i]);
		worker->nr_got++;
	}
	for (unsigned i = 0; i < worker->nr_got; i++)
		worker->has_found_others |=
			!is_filled(memory[i], sizes[i], (int)worker->number + 1);
	free(sizes);
	free(memory);
	return NULL;
}

/* No two allocations overlap, the count is exact, and statistics may be read all the while. */
static void test_threads_do_not_overlap(void)
{
	struct hnuma_arena *arena = open_arena(4 << 20);
	struct worker workers[NR_THREADS];

	for (int round = 0; round < 10; round++) {
		unsigned nr_got = 0;

		hnuma_arena_reset(arena);
		run_workers(arena, allocate_and_fill, 5000, workers);
		for (unsigned i = 0; i < NR_THREADS; i++) {
			CU_ASSERT_FALSE(workers[i].has_found_others);
			nr_got += workers[i].nr_got;
		}
		CU_ASSERT_EQUAL(hnuma_arena_allocation_count(arena), nr_got);
		CU_ASSERT(hnuma_arena_remaining(arena) < 1024);
	}
	CU_ASSERT_EQUAL(hnuma_arena_destroy(arena), 0);
}

struct watcher {
	struct hnuma_arena *arena;
	atomic_bool is_over;
	bool has_seen_it_fall;
};

static void *watch(void *arg)
{
	struct watcher *watcher = arg;
	struct hnuma_arena_stats stats;
	uint64_t last = 0;

	while (!atomic_load(&watcher->is_over)) {
		hnuma_arena_stats(watcher->arena, &stats);
		watcher->has_seen_it_fall |= stats.high_water_mark < last;
		watcher->has_seen_it_fall |= stats.high_water_mark < stats.used;
		watcher->has_seen_it_fall |= stats.used + stats.remaining != stats.capacity;
		last = stats.high_water_mark;
	}
	return NULL;
}

/* Statistics may be read while another thread allocates and resets: the mark never falls. */
static void test_statistics_meanwhile(void)
{
	struct hnuma_arena *arena = open_arena(1 << 20);
	struct watcher watcher = {.arena = arena};
	pthread_t thread;

	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, watch, &watcher), 0);
	for (unsigned i = 1; i < 20000; i++) {
		hnuma_arena_alloc_uninit(arena, 40 * (size_t)i, 1);
		hnuma_arena_reset(arena);
	}
	atomic_store(&watcher.is_over, true);
	pthread_join(thread, NULL);
	CU_ASSERT_FALSE(watcher.has_seen_it_fall);
	CU_ASSERT_EQUAL(hnuma_arena_destroy(arena), 0);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"a lost race is no refusal (defect 1)", test_lost_race_is_no_refusal},
#ifdef STEP_IS_POSSIBLE
		{"a race lost everywhere (defect 1)", test_race_is_lost_everywhere},
#endif
		{"threads do not overlap", test_threads_do_not_overlap},
		{"statistics meanwhile", test_statistics_meanwhile},
		CU_TEST_INFO_NULL,
	};

	topology = check_topology();
	return check_main("arena_threads", tests);
}
