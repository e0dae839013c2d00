/* SPDX-License-Identifier: MIT */
/*
 * bench/case_tail.c - how long single calls take when two threads want blocks at the same time, in
 * bursts that no cache holds: what one in a hundred, and one in a thousand, exceed. Calls
 * the subjects and libc.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/cases.h"
#include "bench/crew.h"
#include "bench/timed.h"

#define NR_BLOCKS   4096u
#define BLOCK_BYTES 4096u
#define BURST_MOST  512u
#define NR_PAIRS    40000u
#define NR_QUICK    2000u

struct tail_probe {
	struct probe probe;
	const struct bench_blocks *blocks;
	void *instances[NR_INSTANCES];
	uint64_t nr_pairs;
	unsigned nr_threads;
	uint32_t *ticks; /* of all threads: 2 * nr_pairs each */
};

/* How long a tick is, and what a reading takes of it. */
static double ns_per_tick = 1;
static uint32_t reading_ticks;

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void measure_clock(void)
{
	const struct timespec pause = {0, 20000000};
	uint32_t gaps[999];
	const unsigned nr = sizeof(gaps) / sizeof(gaps[0]);
	double start_ns = timed_now();
	uint64_t start = bench_ticks();

	nanosleep(&pause, NULL);
	ns_per_tick = (timed_now() - start_ns) / (double)(bench_ticks() - start);
	for (unsigned i = 0; i < nr; i++) {
		start = bench_ticks();
		gaps[i] = (uint32_t)(bench_ticks() - start);
	}
	qsort(gaps, nr, sizeof(gaps[0]), compare);
	reading_ticks = gaps[nr / 2];
}

static void work(void *arg, unsigned index)
{
	struct tail_probe *probe = arg;
	uint32_t *ticks = probe->ticks + index * 2 * probe->nr_pairs;

	/* The first time fills caches, of blocks and of the machine. */
	probe->blocks->tail(probe->instances[0], crew_array(index), BURST_MOST, probe->nr_pairs / 4,
			    ticks);
	crew_barrier(probe->nr_threads);
	probe->blocks->tail(probe->instances[0], crew_array(index), BURST_MOST, probe->nr_pairs,
			    ticks);
}

static double percentile(const struct tail_probe *probe, double part)
{
	uint64_t nr = probe->nr_threads * 2 * probe->nr_pairs;
	uint32_t ticks = probe->ticks[(uint64_t)((double)(nr - 1) * part)];

	return ticks > reading_ticks ? (double)(ticks - reading_ticks) * ns_per_tick : 0;
}

static bool run(struct probe *pointer, double *values)
{
	struct tail_probe *probe = (struct tail_probe *)pointer;

	crew_run(probe->nr_threads, work, probe);
	qsort(probe->ticks, probe->nr_threads * 2 * probe->nr_pairs, sizeof(*probe->ticks),
	      compare);
	values[0] = percentile(probe, 0.99);
	values[1] = percentile(probe, 0.999);
	return true;
}

void cases_tail(void)
{
	static const char *const names[] = {"tail/4K/p99", "tail/4K/p99.9"};
	struct group *group = plan_group("ns per call", 2, names);

	if (!group)
		return;
	measure_clock();
	for (unsigned i = 0; i < nr_subjects; i++) {
		struct tail_probe *probe;

		if (!subjects[i]->blocks || !subjects[i]->blocks->tail)
			continue;
		probe = plan_alloc(sizeof(*probe));
		if (!blocks_open(subjects[i], BLOCK_BYTES, NR_BLOCKS, probe->instances))
			continue;
		probe->probe.run = run;
		probe->blocks = subjects[i]->blocks;
		probe->nr_pairs = settings.is_quick ? NR_QUICK : NR_PAIRS;
		probe->nr_threads = crew_nr_cpus() < 2 ? 1 : 2;
		probe->ticks =
			plan_alloc(probe->nr_threads * 2 * probe->nr_pairs * sizeof(*probe->ticks));
		plan_add(group, &probe->probe, subjects[i]);
	}
}
