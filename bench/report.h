/* SPDX-License-Identifier: MIT */
/*
 * bench/report.h - what came out, for people and for programs.
 */
#ifndef HUGENUMA_BENCH_REPORT_H
#define HUGENUMA_BENCH_REPORT_H

#include <stdio.h>

#include "bench/plan.h"

/* The machine, as far as it matters for figures. */
struct machine {
	char processor[128];
	char kernel[160];
	unsigned nr_cpus; /* that the process may run on */
	unsigned nr_nodes;
	uint64_t hugepages_free; /* when the run began */
	double load_before;	 /* how many others wanted the CPUs, on the average of a minute */
	double load_after;
};

/* Fill in all but load_after. */
void machine_read(struct machine *machine);
double machine_load(void);

/* Tables; with_range: with least and most. */
void report_text(FILE *stream, const struct machine *machine, bool with_range);

/* Returns 0, or -1 and says why on the standard error. */
int report_json(const char *file, const struct machine *machine);

#endif
