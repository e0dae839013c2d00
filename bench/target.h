/* SPDX-License-Identifier: MIT */
/*
 * bench/target.h - what is to be reached, as ratios in one run, and whether it is.
 *
 * Some targets are held against a design that is documented, but is no library one could link: its
 * figures were measured on one machine together with a subject that is measured here, too, and are
 * scaled by that subject.
 */
#ifndef HUGENUMA_BENCH_TARGET_H
#define HUGENUMA_BENCH_TARGET_H

#include "bench/plan.h"

struct verdict {
	char what[64];	  /* "pool pair, 4K, batch 32" */
	char against[64]; /* "DPDK mempool" */
	double at_most;
	struct summary ratio; /* nr == 0: not measured */
	bool is_reached;
	/* What the same ratio is for a subject that nothing can go below; NULL: not known. */
	const char *limit;
	struct summary limit_ratio;
};

/* How many targets there are, and the i-th one. */
unsigned target_count(void);
struct verdict target_judge(unsigned index);

#endif
