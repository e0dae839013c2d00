/* SPDX-License-Identifier: MIT */
/*
 * tools/ticks.h - the clock for intervals of a few nanoseconds: the processor's time stamp counter
 * where it runs at one steady rate, CLOCK_MONOTONIC elsewhere. Calls libc only.
 *
 * Reading any clock takes time, of which an interval between two readings contains one reading's
 * worth. It is measured, taken off, and reported.
 */
#ifndef HUGENUMA_TOOLS_TICKS_H
#define HUGENUMA_TOOLS_TICKS_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct ticks_clock {
	bool is_counter;    /* the time stamp counter, not CLOCK_MONOTONIC */
	double ns_per_tick; /* 1 for CLOCK_MONOTONIC */
	uint64_t cost;	    /* of one reading, in ticks */
};

extern struct ticks_clock ticks_clock;

/* Choose the clock and measure it: 20 ms. Once, before any thread reads it. */
void ticks_calibrate(void);

static inline uint64_t ticks_now(void)
{
	struct timespec now;

#if defined(__x86_64__)
	if (ticks_clock.is_counter) {
		/* The fence: what came before has been done, what comes after has not begun. */
		__builtin_ia32_lfence();
		return __builtin_ia32_rdtsc();
	}
#endif
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Ticks between two readings, without what the reading itself took. */
static inline uint64_t ticks_between(uint64_t start, uint64_t end)
{
	uint64_t ticks = end - start;

	return ticks > ticks_clock.cost ? ticks - ticks_clock.cost : 0;
}

static inline uint64_t ticks_to_ns(uint64_t ticks)
{
	return (uint64_t)((double)ticks * ticks_clock.ns_per_tick);
}

/* Seconds of CLOCK_MONOTONIC, for durations that a person waits. */
static inline double ticks_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

#endif
