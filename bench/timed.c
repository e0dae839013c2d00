/* SPDX-License-Identifier: MIT */
/*
 * bench/timed.c - see timed.h. Calls bench/crew.h and libc.
 */
#include "config.h"

#include <alloca.h>
#include <math.h>
#include <time.h>

#include "bench/crew.h"
#include "bench/plan.h"
#include "bench/timed.h"

/* From one layout to the next: spread over a page, at another cache line each time. */
#define ARRAY_STEP (4096 + 4096 / LAYOUTS_MAX + 64)
#define STACK_STEP (4096 / LAYOUTS_MAX - 48)

#define ITERATIONS_MOST ((uint64_t)1 << 32)

struct run {
	struct timed *timed;
	uint64_t iterations;
	unsigned nr_layouts;
	unsigned nr_slices;
	double begin[CREW_MAX]; /* of the last slice */
	double end[CREW_MAX];
	double best[LAYOUTS_MAX];
};

double timed_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/*
 * One figure for what the threads took. Threads that share a CPU take turns, so only the time from the
 * first one's begin to the last one's end tells what they got done.
 */
static double combine(const struct run *run)
{
	const struct timed *timed = run->timed;
	double first = run->begin[0], last = run->end[0], rate = 0;
	double nr = (double)run->iterations;

	for (unsigned i = 0; i < timed->nr_threads; i++) {
		if (run->begin[i] < first)
			first = run->begin[i];
		if (run->end[i] > last)
			last = run->end[i];
		rate += nr / (run->end[i] - run->begin[i]);
	}
	if (timed->is_one_job)
		return (last - first) / nr;
	if (timed->nr_threads > crew_nr_cpus())
		return (last - first) / (nr * timed->nr_threads);
	return 1 / rate;
}

static __attribute__((noinline)) void run_layout(struct run *run, const struct place *place)
{
	struct timed *timed = run->timed;
	unsigned nr_threads = timed->nr_threads;
	uint64_t warm_up = run->iterations / 8 / timed->unit * timed->unit;

	crew_barrier(nr_threads);
	if (warm_up)
		timed->work(timed, place, warm_up);
	for (unsigned slice = 0; slice < run->nr_slices; slice++) {
		crew_barrier(nr_threads);
		run->begin[place->index] = timed_now();
		timed->work(timed, place, run->iterations);
		run->end[place->index] = timed_now();
		crew_barrier(nr_threads);
		if (place->index == 0) {
			double ns = combine(run);

			if (slice == 0 || ns < run->best[place->layout])
				run->best[place->layout] = ns;
		}
		crew_barrier(nr_threads);
	}
}

static __attribute__((noinline)) void run_shifted(struct run *run, const struct place *place)
{
	volatile char *shift = alloca(place->layout * STACK_STEP + 16);

	shift[0] = 0;
	run_layout(run, place);
	shift[0] = 1;
}

static void work(void *arg, unsigned index)
{
	struct run *run = arg;

	for (unsigned layout = 0; layout < run->nr_layouts; layout++) {
		struct place place = {
			.index = index,
			.layout = layout,
			.array = (void **)((char *)crew_array(index) + layout * ARRAY_STEP),
		};

		run_shifted(run, &place);
	}
}

/* So many that a slice takes as long as it should. */
static void calibrate(struct timed *timed)
{
	double slice_ns = settings.slice_ns * (timed->longer > 0 ? timed->longer : 1);
	struct run run = {.timed = timed, .nr_layouts = 1, .nr_slices = 1};

	for (run.iterations = timed->unit; run.iterations < ITERATIONS_MOST; run.iterations *= 4) {
		double wanted, ns;

		crew_run(timed->nr_threads, work, &run);
		ns = run.best[0] * (double)run.iterations;
		if (!timed->is_one_job)
			ns *= timed->nr_threads;
		if (ns < slice_ns / 4)
			continue;
		wanted = (double)run.iterations * slice_ns / ns;
		timed->iterations = (uint64_t)(wanted / timed->unit + 1) * timed->unit;
		return;
	}
	timed->iterations = run.iterations;
}

double timed_run(struct timed *timed)
{
	struct run run = {
		.timed = timed,
		.nr_layouts = settings.layouts,
		.nr_slices = settings.slices,
	};

	if (timed->unit == 0)
		timed->unit = 1;
	if (timed->iterations == 0)
		calibrate(timed);
	run.iterations = timed->iterations;
	crew_run(timed->nr_threads, work, &run);
	return plan_summarise(run.best, run.nr_layouts).median;
}
