/* SPDX-License-Identifier: MIT */
/*
 * tests/test_lane.c - lanes: a worker's own cursor in an arena.
 */
#include "config.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <hugenuma.h>

#include "lib/arena_state.h"
#include "tests/check.h"

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

static struct hnuma_lane open_lane(struct hnuma_arena *arena)
{
	struct hnuma_lane lane;

	CU_ASSERT_EQUAL_FATAL(hnuma_lane_open(&lane, arena), 0);
	return lane;
}

static bool is_filled(const unsigned char *memory, size_t size, int value)
{
	return size == 0 || (memory[0] == value && memcmp(memory, memory + 1, size - 1) == 0);
}

/* A lane takes nothing before it is used, then a stretch; the count comes when it is closed. */
static void test_stretch(void)
{
	struct hnuma_arena *arena = open_arena(16 << 20);
	struct hnuma_lane lane = open_lane(arena);
	unsigned char *first, *second;

	CU_ASSERT_EQUAL(hnuma_arena_used(arena), 0);
	first = hnuma_lane_alloc(&lane, 1, 1);
	second = hnuma_lane_alloc_uninit(&lane, 10, 10);
	CU_ASSERT_EQUAL(second, first + 64);
	CU_ASSERT_EQUAL(hnuma_arena_used(arena), 65536);
	CU_ASSERT_EQUAL(hnuma_lane_alloc(&lane, 1, 1), second + 128);
	CU_ASSERT_EQUAL(hnuma_arena_allocation_count(arena), 0);
	hnuma_lane_close(&lane);
	CU_ASSERT_EQUAL(hnuma_arena_allocation_count(arena), 3);
	hnuma_lane_close(&lane);
	CU_ASSERT_EQUAL(hnuma_arena_allocation_count(arena), 3);
	/* The statistics stay whole. */
	CU_ASSERT_EQUAL(hnuma_arena_used(arena) + hnuma_arena_remaining(arena), 16 << 20);
	CU_ASSERT_EQUAL(hnuma_arena_destroy(arena), 0);
}

/* Alone in its arena a lane wastes nothing: one stretch follows the other. */
static void test_stretches_join(void)
{
	struct hnuma_arena *arena = open_arena(1 << 20);
	struct hnuma_lane lane = open_lane(arena);
	unsigned char *base = hnuma_arena_base(arena);
	size_t used = 0;

	for (unsigned i = 0; used < 1 << 20; i++) {
		size_t size = 64 * (1 + (size_t)i % 90);

		if (size > (1 << 20) - used)
			size = (1 << 20) - used;
		CU_ASSERT_EQUAL(hnuma_lane_alloc_uninit(&lane, size, 1), base + used);
		used += size;
	}
	errno = 0;
	CU_ASSERT_PTR_NULL(hnuma_lane_alloc(&lane, 1, 1));
	CU_ASSERT_EQUAL(errno, ENOMEM);
	CU_ASSERT_PTR_NOT_NULL(hnuma_lane_alloc(&lane, 0, 1));
	CU_ASSERT_EQUAL(hnuma_arena_remaining(arena), 0);
	hnuma_lane_close(&lane);
	CU_ASSERT_EQUAL(hnuma_arena_destroy(arena), 0);
}

/* A large request takes its own lines and leaves the stretch as it is. */
static void test_large(void)
{
	struct hnuma_arena *arena = open_arena(16 << 20);
	struct hnuma_lane lane = open_lane(arena);
	unsigned char *first = hnuma_lane_alloc(&lane, 1, 1);
	unsigned char *large;

	hnuma_arena_alloc(arena, 64, 1); /* so that the stretch cannot grow */
	large = hnuma_lane_alloc(&lane, 1 << 20, 1);
	CU_ASSERT_EQUAL(large, first + 65536 + 64);
	CU_ASSERT_EQUAL(hnuma_arena_used(arena), 65536 + 64 + (1 << 20));
	CU_ASSERT_EQUAL(hnuma_lane_alloc(&lane, 1, 1), first + 64);
	hnuma_lane_close(&lane);
	CU_ASSERT_EQUAL(hnuma_arena_allocation_count(arena), 4);
	CU_ASSERT_EQUAL(hnuma_arena_destroy(arena), 0);
}

/* Near the end a lane takes what there is: NULL means that there is no such room. */
static void test_last_lines(void)
{
	for (size_t left = 0; left <= 40; left++) {
		struct hnuma_arena *arena = open_arena(1 << 18);
		struct hnuma_lane lane = open_lane(arena), other = open_lane(arena);
		unsigned nr = 0;

		CU_ASSERT_PTR_NOT_NULL(hnuma_arena_alloc(arena, (1 << 18) - left * 64, 1));
		while (hnuma_lane_alloc(&lane, 64, 1))
			nr++;
		CU_ASSERT_EQUAL(nr, left);
		CU_ASSERT_EQUAL(hnuma_arena_remaining(arena), 0);
		CU_ASSERT_PTR_NULL(hnuma_lane_alloc(&other, 1, 1));
		hnuma_lane_close(&other);
		hnuma_lane_close(&lane);
		CU_ASSERT_EQUAL(hnuma_arena_destroy(arena), 0);
	}
}

/* What is left of a stretch and what follows it in the arena are one room. */
static void test_room_across_the_end(void)
{
	struct hnuma_arena *arena = open_arena(1 << 20); /* stretches of 16 KB */
	struct hnuma_lane lane = open_lane(arena);
	unsigned char *base = hnuma_arena_base(arena);

	hnuma_arena_alloc(arena, (1 << 20) - (16 << 10) - 128, 1);
	CU_ASSERT_PTR_NOT_NULL(hnuma_lane_alloc(&lane, 4096, 1));
	CU_ASSERT_EQUAL(hnuma_arena_remaining(arena), 128);
	CU_ASSERT_PTR_NULL(hnuma_lane_alloc(&lane, (12 << 10) + 129, 1));
	CU_ASSERT_EQUAL(hnuma_lane_alloc(&lane, (12 << 10) + 128, 1),
			base + (1 << 20) - (12 << 10) - 128);
	CU_ASSERT_EQUAL(hnuma_arena_remaining(arena), 0);
	hnuma_lane_close(&lane);
	CU_ASSERT_EQUAL(hnuma_arena_destroy(arena), 0);
}

static void test_zeroes(void)
{
	struct hnuma_arena *arena = open_arena(1 << 20);
	struct hnuma_lane lane = open_lane(arena);

	for (int round = 0; round < 2; round++) {
		for (size_t size = 0; size < 800; size += 7) {
			unsigned char *memory = hnuma_lane_alloc(&lane, size, 1);

			CU_ASSERT_PTR_NOT_NULL_FATAL(memory);
			CU_ASSERT_EQUAL((uintptr_t)memory % HNUMA_ALIGNMENT, 0);
			CU_ASSERT(is_filled(memory, size, 0));
			memset(memory, 0xEE, size);
		}
		hnuma_arena_reset(arena);
	}
	hnuma_lane_close(&lane);
	CU_ASSERT_EQUAL(hnuma_arena_destroy(arena), 0);
}

/* No bytes: counted, and nothing taken, also by a lane that has nothing yet. */
static void test_no_bytes(void)
{
	struct hnuma_arena *arena = open_arena(1 << 20);
	struct hnuma_lane lane = open_lane(arena);

	CU_ASSERT_PTR_NOT_NULL(hnuma_lane_alloc(&lane, 0, 1));
	CU_ASSERT_PTR_NOT_NULL(hnuma_lane_alloc_uninit(&lane, SIZE_MAX, 0));
	CU_ASSERT_EQUAL(hnuma_arena_used(arena), 0);
	hnuma_lane_close(&lane);
	CU_ASSERT_EQUAL(hnuma_arena_allocation_count(arena), 2);
	CU_ASSERT_EQUAL(hnuma_arena_destroy(arena), 0);
}

/* After a reset or a rewind a lane begins anew, and its old count is of the past. */
static void test_begins_anew(void)
{
	struct hnuma_arena *arena = open_arena(1 << 20);
	struct hnuma_lane lane = open_lane(arena);
	unsigned char *base = hnuma_arena_base(arena);
	struct hnuma_arena_mark mark;

	CU_ASSERT_EQUAL(hnuma_lane_alloc(&lane, 64, 1), base);
	CU_ASSERT_EQUAL(hnuma_lane_alloc(&lane, 64, 1), base + 64);
	hnuma_arena_reset(arena);
	CU_ASSERT_EQUAL(hnuma_arena_alloc(arena, 64, 1), base);
	CU_ASSERT_EQUAL(hnuma_lane_alloc(&lane, 64, 1), base + 64);
	hnuma_lane_close(&lane);
	CU_ASSERT_EQUAL(hnuma_arena_allocation_count(arena), 2);

	hnuma_arena_reset(arena);
	lane = open_lane(arena);
	mark = hnuma_arena_mark(arena);
	CU_ASSERT_EQUAL(hnuma_lane_alloc(&lane, 64, 1), base);
	CU_ASSERT_EQUAL(hnuma_arena_rewind(arena, mark), 0);
	CU_ASSERT_EQUAL(hnuma_arena_alloc(arena, 64, 1), base);
	CU_ASSERT_EQUAL(hnuma_lane_alloc(&lane, 64, 1), base + 64);
	hnuma_lane_close(&lane);
	CU_ASSERT_EQUAL(hnuma_arena_allocation_count(arena), 2);

	/* Closed after a reset: nothing to hand over. */
	lane = open_lane(arena);
	CU_ASSERT_PTR_NOT_NULL(hnuma_lane_alloc(&lane, 64, 1));
	hnuma_arena_reset(arena);
	hnuma_lane_close(&lane);
	CU_ASSERT_EQUAL(hnuma_arena_allocation_count(arena), 0);
	CU_ASSERT_EQUAL(hnuma_arena_destroy(arena), 0);
}

#define NR_THREADS 4
#define NR_STEPS   20

struct step {
	struct hnuma_arena *arena;
	pthread_barrier_t *barrier;
	unsigned number;
	uint64_t nr_got; /* in this step */
	bool has_found_others;
};

static void fill_until_full(struct step *step, struct hnuma_lane *lane, unsigned *seed)
{
	static _Thread_local unsigned char *memory[1 << 16];
	static _Thread_local size_t sizes[1 << 16];
	int value = (int)step->number + 1;
	unsigned nr = 0;

	for (; nr < 1 << 16; nr++) {
		/* Now and then a large one, and one from the arena itself. */
		sizes[nr] = 1 + (size_t)rand_r(seed) % (nr % 50 ? 400 : 30000);
		memory[nr] = nr % 10 ? hnuma_lane_alloc(lane, sizes[nr], 1)
				     : hnuma_arena_alloc(step->arena, sizes[nr], 1);
		if (!memory[nr])
			break;
		step->has_found_others |= !is_filled(memory[nr], sizes[nr], 0);
		memset(memory[nr], value, sizes[nr]);
	}
	for (unsigned i = 0; i < nr; i++)
		step->has_found_others |= !is_filled(memory[i], sizes[i], value);
	step->nr_got = nr;
}

static void *work(void *arg)
{
	struct step *step = arg;
	unsigned seed = step->number;
	struct hnuma_lane lane;

	hnuma_lane_open(&lane, step->arena);
	for (unsigned i = 0; i < NR_STEPS; i++) {
		fill_until_full(step, &lane, &seed);
		if (i % 2) {
			/* Reopen: the count is handed over. */
			hnuma_lane_close(&lane);
			hnuma_lane_open(&lane, step->arena);
		}
		pthread_barrier_wait(step->barrier); /* the main thread resets */
		pthread_barrier_wait(step->barrier);
	}
	hnuma_lane_close(&lane);
	return NULL;
}

/* Lanes and the arena itself, several threads, a reset between steps: nothing overlaps. */
static void test_threads_do_not_overlap(void)
{
	struct hnuma_arena *arena = open_arena(8 << 20);
	struct step steps[NR_THREADS];
	pthread_t threads[NR_THREADS];
	pthread_barrier_t barrier;

	pthread_barrier_init(&barrier, NULL, NR_THREADS + 1);
	for (unsigned i = 0; i < NR_THREADS; i++) {
		steps[i] = (struct step){arena, &barrier, i, 0, false};
		CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, work, &steps[i]), 0);
	}
	for (unsigned step = 0; step < NR_STEPS; step++) {
		uint64_t nr_got = 0;

		pthread_barrier_wait(&barrier);
		for (unsigned i = 0; i < NR_THREADS; i++) {
			CU_ASSERT_FALSE(steps[i].has_found_others);
			nr_got += steps[i].nr_got;
		}
		if (step % 2)
			CU_ASSERT_EQUAL(hnuma_arena_allocation_count(arena), nr_got);
		CU_ASSERT(hnuma_arena_allocation_count(arena) <= nr_got);
		CU_ASSERT(hnuma_arena_used(arena) > 7 << 20);
		hnuma_arena_reset(arena);
		pthread_barrier_wait(&barrier);
	}
	for (unsigned i = 0; i < NR_THREADS; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&barrier);
	CU_ASSERT_EQUAL(hnuma_arena_destroy(arena), 0);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"a stretch at a time", test_stretch},
		{"stretches join", test_stretches_join},
		{"large requests", test_large},
		{"the last lines", test_last_lines},
		{"room across the stretch's end", test_room_across_the_end},
		{"zeroes", test_zeroes},
		{"no bytes", test_no_bytes},
		{"begins anew", test_begins_anew},
		{"threads do not overlap", test_threads_do_not_overlap},
		CU_TEST_INFO_NULL,
	};

	topology = check_topology();
	return check_main("lane", tests);
}
