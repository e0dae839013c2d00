/* SPDX-License-Identifier: MIT */
/*
 * bench/plan.h - what is measured: cases, each with a probe for every subject that can take part;
 * and what came out.
 *
 *	round 1:  case A: hugenuma, peer 1, peer 2    case B: ...
 *	round 2:  case A: peer 1, peer 2, hugenuma    case B: ...
 *
 * So all are measured in one run, in each other's neighbourhood, in changing order, and a ratio is
 * that of two figures of the same round.
 */
#ifndef HUGENUMA_BENCH_PLAN_H
#define HUGENUMA_BENCH_PLAN_H

#include "bench/peer.h"

/* What one run of a probe can tell at most: p99 and p99.9 of the tail. */
#define PROBE_VALUES_MAX 2

struct settings {
	unsigned rounds;
	unsigned layouts; /* places of the caller's array and stack */
	unsigned slices;  /* repetitions at each of them, of which the best counts */
	double slice_ns;
	size_t memory_bytes; /* of each region that is read at random */
	size_t populate_bytes;
	unsigned replay_rounds;
	unsigned replay_requests;
	const char *cases; /* a list of prefixes, or NULL for all */
	bool is_quick;
	bool is_quiet;
	bool is_list; /* plan no probes: only the cases are asked for */
};

extern struct settings settings;

/* The figures of one subject in one case. */
struct row {
	const struct bench_subject *subject;
	double *samples; /* one for each round, NAN where there is none */
	struct row *next;
};

struct probe;

/* Measure once: values receives one figure for each of the probe's cases. False: it cannot be. */
typedef bool probe_run(struct probe *probe, double *values);

struct probe {
	probe_run *run;
	unsigned most_rounds; /* 0: all */
	struct row *rows[PROBE_VALUES_MAX];
	struct probe *next;
};

/*
 * Cases that are measured together: one value of each probe goes to each. Names are paths, such as
 * "pool/batch 32/1 thread/4K".
 */
struct bench_case {
	const char *name;
	const char *unit;
	struct row *rows; /* in the order in which they were added */
	struct bench_case *next;
};

struct group {
	struct bench_case *cases[PROBE_VALUES_MAX];
	unsigned nr_cases;
	struct probe *probes;
	struct group *next;
};

/* What all files know: subjects that could be opened, ours first, limits next. */
extern const struct bench_subject *subjects[];
extern unsigned nr_subjects;

/* Is a case, or any below it, asked for? */
bool plan_wants(const char *name);

/*
 * Begin a group of cases. Returns NULL when none of them is asked for, or none is to be run. Names are copied. The plan
 * ends the program when there is no memory.
 */
struct group *plan_group(const char *unit, unsigned nr_cases, const char *const *names);
struct group *plan_one(const char *unit, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Add a subject's probe to a group. It must stay where it is. */
void plan_add(struct group *group, struct probe *probe, const struct bench_subject *subject);

/* Zeroed memory that is never given back; ends the program when there is none. */
void *plan_alloc(size_t bytes);

/* Measure all of it. */
void plan_run(void);

/* What came out. */
const struct bench_case *plan_first_case(void);
const struct bench_case *plan_find_case(const char *name);
const struct row *plan_find_row(const struct bench_case *found, const char *subject);

struct summary {
	unsigned nr; /* rounds with a figure; 0: none */
	double median;
	double least;
	double most;
};
struct summary plan_summary(const struct row *row);

/* The median of the ratios of two rows' figures in the same round, each times a factor. */
struct summary plan_ratio(const struct row *above, const struct row *below);

/* The same for numbers at hand; `values` is put in order. NAN is left out. */
struct summary plan_summarise(double *values, unsigned nr);

#endif
