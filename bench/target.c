/* SPDX-License-Identifier: MIT */
/*
 * bench/target.c - see target.h. Calls libc.
 */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/cases.h"
#include "bench/ours.h"
#include "bench/target.h"

#define DPDK	   "DPDK mempool"
#define TCMALLOC   "tcmalloc"
#define DOCUMENTED "the documented one"

/*
 * Figures of one machine: the documented pool, and DPDK's mempool beside it, by class; the documented
 * arena and a compare-and-swap; the documented scratch and a thread-local pointer. Nanoseconds.
 */
static const double documented_pool[NR_CLASSES] = {56, 54, 52, 53, 54};
static const double dpdk_beside[NR_CLASSES] = {5.1, 5.3, 4.9, 5.2, 5.2};
#define DOCUMENTED_ARENA   17.0
#define SWAP_BESIDE	   5.0
#define DOCUMENTED_SCRATCH 35.0
#define POINTER_BESIDE	   1.0

/* Of a case or a target. */
#define NAME_BYTES 64

struct target {
	const char *what;
	const char *against; /* NULL: the subject's name */
	const char *case_name;
	const char *subject;
	const char *other_case; /* NULL: the same */
	const char *other;
	double factor; /* of the other's figure; 0: 1 */
	double at_most;
	const char *limit;    /* a subject of the case; against the other one like ours, or ... */
	bool limit_to_itself; /* ... against itself in the other case */
};

/* Those that are not the same for each class. */
static const struct target targets[] = {
	{"producer to consumer, 4K", NULL, "transfer/4K", OURS, NULL, DPDK, 0, 0.7, LIMIT_MARKED,
	 0},
	{"arena, shared, 256 B", DOCUMENTED, "arena/256 B", OURS, NULL, LIMIT_SWAP,
	 DOCUMENTED_ARENA / SWAP_BESIDE, 0.35, LIMIT_CALLED, 0},
	{"arena, shared, 4 KB", DOCUMENTED, "arena/4 KB", OURS, NULL, LIMIT_SWAP,
	 DOCUMENTED_ARENA / SWAP_BESIDE, 0.35, LIMIT_CALLED, 0},
	{"lane, 256 B", NULL, "lane/256 B", OURS, NULL, "APR pool", 0, 0.9, LIMIT_CALLS, 0},
	{"arena, zeroed, 4 KB", "memset", "arena zeroed/4 KB", OURS, NULL, LIMIT_BUMP, 0, 1.05,
	 LIMIT_SWAP, 0},
	{"scratch, pinned: get, two slices, reset", DOCUMENTED, "scratch/two slices of 64 B", OURS,
	 NULL, LIMIT_OWN, DOCUMENTED_SCRATCH / POINTER_BESIDE, 0.15, LIMIT_CALLS, 0},
	{"populate, hugetlb", NULL, "populate/hugetlb", OURS, NULL, BARE_TWO, 0, 1.05, NULL, 0},
	{"populate, hugetlb: two threads", BARE_ONE, "populate/hugetlb", OURS, NULL, BARE_ONE, 0,
	 0.999, BARE_TWO, 0},
	{"populate, THP", NULL, "populate/thp", OURS, NULL, BARE_TWO, 0, 1.05, NULL, 0},
	{"populate, THP: two threads", BARE_ONE, "populate/thp", OURS, NULL, BARE_ONE, 0, 0.999,
	 BARE_TWO, 0},
	{"replay, allocator time", NULL, "replay/mean", OURS, NULL, "glibc malloc", 0, 0.999, NULL,
	 0},
	{"replay, allocator time", NULL, "replay/mean", OURS, NULL, TCMALLOC, 0, 0.999, NULL, 0},
	{"replay, allocator time", NULL, "replay/mean", OURS, NULL, "jemalloc", 0, 0.999, NULL, 0},
	{"replay, allocator time", NULL, "replay/mean", OURS, NULL, "mimalloc", 0, 0.999, NULL, 0},
};

/* For each class: against DPDK, the documented pool and tcmalloc; two threads against one. */
#define NR_FOR_EACH_CLASS 4u
#define NR_OF_CLASSES	  (NR_CLASSES * NR_FOR_EACH_CLASS)

unsigned target_count(void)
{
	return NR_OF_CLASSES + sizeof(targets) / sizeof(targets[0]);
}

/* The i-th target of the classes; `names` keeps what it points to. */
static struct target class_target(unsigned index, char (*names)[NAME_BYTES])
{
	unsigned class_index = index % NR_CLASSES;
	const char *class_name = class_names[class_index];
	struct target target = {
		.what = names[0],
		.case_name = names[1],
		.subject = OURS,
		.other = index / NR_CLASSES == 2 ? TCMALLOC : DPDK,
		.at_most = 0.6,
		.limit = LIMIT_CALLS,
	};

	snprintf(names[0], NAME_BYTES, "pool pair, %s, batch 32", class_name);
	snprintf(names[1], NAME_BYTES, "pool/batch 32/1 thread/%s", class_name);
	if (index / NR_CLASSES == 1) {
		target.against = DOCUMENTED;
		target.factor = documented_pool[class_index] / dpdk_beside[class_index];
		target.at_most = 0.07;
	}
	if (index / NR_CLASSES == 3) {
		snprintf(names[0], NAME_BYTES, "pool pair, %s, two threads", class_name);
		snprintf(names[1], NAME_BYTES, "pool/batch 32/2 threads/%s", class_name);
		snprintf(names[2], NAME_BYTES, "pool/batch 32/1 thread/%s", class_name);
		target.against = "one thread";
		target.other = OURS;
		target.other_case = names[2];
		target.at_most = 0.55;
		target.limit = LIMIT_STACK;
		target.limit_to_itself = true;
	}
	return target;
}

static struct summary times(struct summary summary, double factor)
{
	summary.median *= factor;
	summary.least *= factor;
	summary.most *= factor;
	return summary;
}

struct verdict target_judge(unsigned index)
{
	char names[3][NAME_BYTES];
	const struct target target =
		index < NR_OF_CLASSES ? class_target(index, names) : targets[index - NR_OF_CLASSES];
	const struct bench_case *here = plan_find_case(target.case_name);
	const struct bench_case *there =
		target.other_case ? plan_find_case(target.other_case) : here;
	const struct row *row = plan_find_row(here, target.subject);
	const struct row *other = plan_find_row(there, target.other);
	const struct row *limit = target.limit ? plan_find_row(here, target.limit) : NULL;
	double factor = 1 / (target.factor > 0 ? target.factor : 1);
	struct verdict verdict = {.at_most = target.at_most};

	snprintf(verdict.what, sizeof(verdict.what), "%.*s", NAME_BYTES - 1, target.what);
	snprintf(verdict.against, sizeof(verdict.against), "%s",
		 target.against ? target.against : target.other);
	if (!row || !other)
		return verdict;
	verdict.ratio = times(plan_ratio(row, other), factor);
	verdict.is_reached = verdict.ratio.nr > 0 && verdict.ratio.median <= target.at_most;
	if (limit && target.limit_to_itself)
		other = plan_find_row(there, target.limit);
	if (limit && other) {
		verdict.limit = target.limit;
		verdict.limit_ratio = times(plan_ratio(limit, other), factor);
	}
	return verdict;
}
