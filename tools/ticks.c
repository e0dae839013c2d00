/* SPDX-License-Identifier: MIT */
/*
 * tools/ticks.c - chooses the clock for short intervals and measures it. Calls libc only.
 */
#include "config.h"

#include <stdlib.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "tools/ticks.h"

struct ticks_clock ticks_clock = {false, 1.0, 0};

/* Does the time stamp counter run at one rate, in every state of every core? */
static bool counter_is_steady(void)
{
#if defined(__x86_64__)
	unsigned a, b, c, d;

	return __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & (1u << 8));
#else
	return false;
#endif
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* The median of many readings that follow each other. */
static uint64_t measure_cost(void)
{
	uint64_t gaps[999];
	unsigned i;

	for (i = 0; i < sizeof(gaps) / sizeof(gaps[0]); i++) {
		uint64_t start = ticks_now();

		gaps[i] = ticks_now() - start;
	}
	qsort(gaps, sizeof(gaps) / sizeof(gaps[0]), sizeof(gaps[0]), compare);
	return gaps[sizeof(gaps) / sizeof(gaps[0]) / 2];
}

void ticks_calibrate(void)
{
	const struct timespec pause = {0, 20000000};
	double start, seconds;
	uint64_t ticks;

	ticks_clock = (struct ticks_clock){counter_is_steady(), 1.0, 0};
	if (ticks_clock.is_counter) {
		start = ticks_seconds();
		ticks = ticks_now();
		nanosleep(&pause, NULL);
		ticks = ticks_now() - ticks;
		seconds = ticks_seconds() - start;
		ticks_clock.ns_per_tick = seconds * 1e9 / (double)ticks;
		/*
		 * A counter that stands still, or a machine that was asleep: take the other
		 * clock.
		 */
		if (!(ticks_clock.ns_per_tick > 0.01 && ticks_clock.ns_per_tick < 100.0))
			ticks_clock = (struct ticks_clock){false, 1.0, 0};
	}
	ticks_clock.cost = measure_cost();
}
