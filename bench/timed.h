/* SPDX-License-Identifier: MIT */
/*
 * bench/timed.h - how long a loop takes, for one thread or several, over several layouts.
 *
 * Where the caller's array and stack lie within a page decides about some nanoseconds: loads wait for
 * earlier stores to addresses with the same low 12 bits. So a loop is run at several places; at each
 * the best of some slices counts, and the median of the places is the figure.
 */
#ifndef HUGENUMA_BENCH_TIMED_H
#define HUGENUMA_BENCH_TIMED_H

#include "bench/peer.h"

#define LAYOUTS_MAX 8
#define SLICES_MAX  16

/* What a thread of a loop is given. */
struct place {
	unsigned index;	 /* of the thread */
	unsigned layout; /* also chooses the instance, where there are several */
	void **array;
};

struct timed {
	/* Do so many operations. `iterations` is a multiple of unit. */
	void (*work)(const struct timed *timed, const struct place *place, uint64_t iterations);
	unsigned nr_threads;
	unsigned unit; /* 0: 1 */
	/* The threads do one job, so the last one to end counts; else their rates add up. */
	bool is_one_job;
	uint64_t iterations; /* of a slice; 0: to be found out */
	double longer;	     /* by so much is a slice longer than usual; 0: it is not */
};

/* Nanoseconds for one operation. */
double timed_run(struct timed *timed);

/* Nanoseconds of CLOCK_MONOTONIC. */
double timed_now(void);

#endif
