/* SPDX-License-Identifier: MIT */
/*
 * bench/case_arena.c - allocations of a step that are given up together, and a thread's own space.
 * Calls the subjects.
 */
#include "config.h"

#include <stdlib.h>

#include "bench/cases.h"
#include "bench/crew.h"
#include "bench/timed.h"

#define NR_ALLOCATIONS	64u
#define CAPACITY_BYTES	((size_t)1024 * 1024)
#define INSTANCES_STEPS 2

/* Of each thread in a step that several share: so many that their meeting is no part of the figure. */
#define NR_ALLOCATIONS_SHARED 2048u
#define SHARING_THREADS	      2u

enum steps_kind {
	STEPS_SHARED,
	STEPS_LANE,
	STEPS_ZEROED,
	STEPS_CREW, /* shared by several threads that allocate at the same time */
};

struct steps_probe {
	struct probe probe;
	struct timed timed;
	const struct bench_steps *steps;
	void *instances[INSTANCES_STEPS];
	size_t bytes;
	size_t capacity_bytes;
	bool is_zeroed;
};

static struct steps_probe *of_timed(const struct timed *timed)
{
	return (struct steps_probe *)((char *)timed - offsetof(struct steps_probe, timed));
}

static void work_steps(const struct timed *timed, const struct place *place, uint64_t iterations)
{
	struct steps_probe *probe = of_timed(timed);
	void *instance = probe->instances[place->layout % INSTANCES_STEPS];

	if (probe->is_zeroed)
		probe->steps->run_zeroed(instance, probe->bytes, NR_ALLOCATIONS,
					 iterations / NR_ALLOCATIONS);
	else
		probe->steps->run(instance, probe->bytes, NR_ALLOCATIONS,
				  iterations / NR_ALLOCATIONS);
}

/* The threads' steps begin and end together: a reset is no thread's while another one allocates. */
static void work_shared(const struct timed *timed, const struct place *place, uint64_t iterations)
{
	struct steps_probe *probe = of_timed(timed);
	void *instance = probe->instances[place->layout % INSTANCES_STEPS];

	for (uint64_t done = 0; done < iterations; done += NR_ALLOCATIONS_SHARED) {
		probe->steps->fill(instance, probe->bytes, NR_ALLOCATIONS_SHARED);
		crew_barrier(SHARING_THREADS);
		if (place->index == 0)
			probe->steps->reset(instance);
		crew_barrier(SHARING_THREADS);
	}
}

static bool run_steps(struct probe *pointer, double *values)
{
	values[0] = timed_run(&((struct steps_probe *)pointer)->timed);
	return true;
}

/* In the thread that will run. */
static void open_steps(void *arg, unsigned index)
{
	struct steps_probe *probe = arg;

	(void)index;
	for (unsigned i = 0; i < INSTANCES_STEPS; i++)
		probe->instances[i] = probe->steps->open(probe->capacity_bytes);
}

static bool can(const struct bench_steps *steps, enum steps_kind kind)
{
	if (kind == STEPS_CREW)
		return steps && steps->fill;
	return steps && (kind == STEPS_ZEROED ? steps->run_zeroed : steps->run);
}

/* A quarter more than what is allocated, since a lane takes more than it needs. */
static void share(struct steps_probe *probe)
{
	probe->timed.work = work_shared;
	probe->timed.nr_threads = SHARING_THREADS;
	probe->timed.unit = NR_ALLOCATIONS_SHARED;
	probe->capacity_bytes = probe->bytes * NR_ALLOCATIONS_SHARED * SHARING_THREADS / 4 * 5;
}

static void add_steps(const char *name, enum steps_kind kind, size_t bytes)
{
	struct group *group = plan_one("ns per allocation", "%s", name);

	for (unsigned i = 0; group && i < nr_subjects; i++) {
		const struct bench_subject *subject = subjects[i];
		const struct bench_steps *steps = subject->steps;
		struct steps_probe *probe;

		if (kind == STEPS_LANE && subject->lane_steps)
			steps = subject->lane_steps;
		if (!can(steps, kind))
			continue;
		probe = plan_alloc(sizeof(*probe));
		probe->probe.run = run_steps;
		probe->timed = (struct timed){
			.work = work_steps,
			.nr_threads = 1,
			.unit = NR_ALLOCATIONS,
		};
		probe->steps = steps;
		probe->bytes = bytes;
		probe->capacity_bytes = CAPACITY_BYTES;
		probe->is_zeroed = kind == STEPS_ZEROED;
		if (kind == STEPS_CREW)
			share(probe);
		crew_run(1, open_steps, probe);
		if (probe->instances[0] && probe->instances[1])
			plan_add(group, &probe->probe, subject);
		else
			fprintf(stderr, "bench: %s has no memory for %s: left out there\n",
				subject->name, name);
	}
}

struct slices_probe {
	struct probe probe;
	struct timed timed;
	const struct bench_slices *slices;
	void *instance;
};

static void work_slices(const struct timed *timed, const struct place *place, uint64_t iterations)
{
	const struct slices_probe *probe =
		(const struct slices_probe *)((const char *)timed -
					      offsetof(struct slices_probe, timed));

	(void)place;
	probe->slices->run(probe->instance, iterations);
}

static void open_slices(void *arg, unsigned index)
{
	struct slices_probe *probe = arg;

	(void)index;
	probe->instance = probe->slices->open();
}

static void close_slices(void *arg, unsigned index)
{
	struct slices_probe *probe = arg;

	(void)index;
	probe->slices->close(probe->instance);
}

/* Opened anew each time: a thread that is pinned in one scratch is slower in another. */
static bool run_slices(struct probe *pointer, double *values)
{
	struct slices_probe *probe = (struct slices_probe *)pointer;

	crew_run(1, open_slices, probe);
	if (!probe->instance)
		return false;
	values[0] = timed_run(&probe->timed);
	crew_run(1, close_slices, probe);
	return true;
}

static void add_slices(void)
{
	struct group *group = plan_one("ns per round", "scratch/two slices of 64 B");

	for (unsigned i = 0; group && i < nr_subjects; i++) {
		struct slices_probe *probe;

		if (!subjects[i]->slices)
			continue;
		probe = plan_alloc(sizeof(*probe));
		probe->probe.run = run_slices;
		probe->timed = (struct timed){.work = work_slices, .nr_threads = 1};
		probe->slices = subjects[i]->slices;
		plan_add(group, &probe->probe, subjects[i]);
	}
}

void cases_arena(void)
{
	add_steps("arena/256 B", STEPS_SHARED, 256);
	add_steps("arena/4 KB", STEPS_SHARED, 4096);
	add_steps("arena zeroed/256 B", STEPS_ZEROED, 256);
	add_steps("arena zeroed/4 KB", STEPS_ZEROED, 4096);
	add_steps("lane/256 B", STEPS_LANE, 256);
	add_steps("lane/4 KB", STEPS_LANE, 4096);
	if (crew_nr_cpus() >= SHARING_THREADS) {
		add_steps("arena/2 threads/256 B", STEPS_CREW, 256);
		add_steps("arena/2 threads/4 KB", STEPS_CREW, 4096);
	}
	add_slices();
}
