/* SPDX-License-Identifier: MIT */
/*
 * tests/test_model.c - random operations on all objects, held against the model of tests/model/.
 *
 * Each run is a process of its own, so that a crash is a failure like any other: it is shrunk, and the
 * seed and the shortest sequence that still fails are printed.
 *
 *	CHECK_SEED=N    begin with another seed (0: that of the clock)
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "tests/check.h"
#include "tests/model/model.h"

#define RUNS	   200
#define RUN_SIZE   (MODEL_HEADER + 600 * MODEL_STEP)
#define BATCH	   10
#define SHRINK_MAX 400 /* tries */

/* Shared with the child that does it. */
struct shared {
	struct model_result result;
	uint64_t seed; /* of the run that is under way */
};

struct job {
	const uint8_t *bytes;
	size_t size;
	bool sabotage, is_told;
	unsigned tries;
	struct shared *shared;
};

static void run_in_child(void *arg)
{
	struct job *job = arg;

	/* The child's own: a core of each try would fill the disk, and its words the log. */
	if (!job->is_told && !freopen("/dev/null", "w", stderr))
		return;
	model_run(job->bytes, job->size, job->sabotage, job->is_told ? stdout : NULL,
		  &job->shared->result);
	fflush(NULL);
	_Exit(job->shared->result.is_right ? 0 : 1);
}

static bool fails(const uint8_t *bytes, size_t size, void *arg)
{
	struct job *job = arg;

	if (job->tries++ >= SHRINK_MAX)
		return false;
	job->bytes = bytes;
	job->size = size;
	return check_in_child(run_in_child, job) != 0;
}

/* Shrink a run that failed, and print what is left of it. Returns how many steps that is. */
static size_t shrink(uint8_t *bytes, size_t size, struct job *job)
{
	size = model_shrink(bytes, size, fails, job);
	job->bytes = bytes;
	job->size = size;
	job->is_told = true;
	fflush(stdout);
	check_in_child(run_in_child, job);
	printf("    bytes:");
	for (size_t i = 0; i < size; i++)
		printf(" %02x", bytes[i]);
	printf("\n");
	return (size - MODEL_HEADER) / MODEL_STEP;
}

static struct shared *share(void)
{
	void *shared = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CU_ASSERT_FATAL(shared != MAP_FAILED);
	return shared;
}

static uint64_t first_seed(void)
{
	const char *text = getenv("CHECK_SEED");
	uint64_t seed = text ? strtoull(text, NULL, 10) : 1;

	return seed ? seed : (uint64_t)time(NULL);
}

/* Some runs, one after the other; ends at the first that is not right. */
static void run_batch(void *arg)
{
	struct shared *shared = arg;
	uint64_t end = shared->seed + check_rounds(BATCH);
	uint8_t bytes[RUN_SIZE];

	for (; shared->seed < end; shared->seed++) {
		model_make_up(shared->seed, bytes, sizeof(bytes));
		model_run(bytes, sizeof(bytes), false, NULL, &shared->result);
		if (!shared->result.is_right)
			_Exit(1);
	}
}

static void test_random_operations(void)
{
	struct shared *shared = share();
	uint64_t end;

	shared->seed = first_seed();
	end = shared->seed + check_rounds(RUNS);
	while (shared->seed < end) {
		uint8_t bytes[RUN_SIZE];
		struct job job = {.shared = shared};

		int code = check_in_child(run_batch, shared);

		if (code == 0)
			continue;
		CU_FAIL("the library and the model differ");
		printf("\n    seed %llu (%d): %s\n", (unsigned long long)shared->seed, code,
		       shared->result.message);
		model_make_up(shared->seed, bytes, sizeof(bytes));
		shrink(bytes, sizeof(bytes), &job);
		printf("    %s\n", shared->result.message);
		break;
	}
	munmap(shared, sizeof(*shared));
}

/* A library that writes where it must not is found out, and what is shown of it is short. */
static void test_finds_and_shrinks(void)
{
	struct shared *shared = share();
	struct job job = {.shared = shared, .sabotage = true};
	uint8_t bytes[RUN_SIZE];
	size_t nr_steps;

	model_make_up(7, bytes, sizeof(bytes));
	CU_ASSERT_FATAL(fails(bytes, sizeof(bytes), &job));
	CU_ASSERT_PTR_NOT_NULL(strstr(shared->result.message, "have changed"));
	nr_steps = shrink(bytes, sizeof(bytes), &job);
	CU_ASSERT(nr_steps >= 2 && nr_steps <= 4);
	CU_ASSERT_PTR_NOT_NULL(strstr(shared->result.message, "have changed"));
	munmap(shared, sizeof(*shared));
}

/* The same bytes are the same run. */
static void test_is_repeatable(void)
{
	struct model_result first, second;
	uint8_t bytes[RUN_SIZE], again[RUN_SIZE];

	model_make_up(3, bytes, sizeof(bytes));
	model_make_up(3, again, sizeof(again));
	CU_ASSERT_EQUAL(memcmp(bytes, again, sizeof(bytes)), 0);
	model_run(bytes, sizeof(bytes), false, NULL, &first);
	model_run(bytes, sizeof(bytes), false, NULL, &second);
	CU_ASSERT(first.is_right && second.is_right);
	CU_ASSERT_EQUAL(first.nr_steps, second.nr_steps);
	CU_ASSERT_EQUAL(first.nr_steps, 600);
	/* Too short to be anything is a run without steps. */
	model_run(bytes, 3, false, NULL, &first);
	CU_ASSERT(first.is_right && first.nr_steps == 0);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"random operations", test_random_operations},
		{"a fault is found and shrunk", test_finds_and_shrinks},
		{"the same bytes, the same run", test_is_repeatable},
		CU_TEST_INFO_NULL,
	};

	return check_main("model", tests);
}
