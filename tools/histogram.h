/* SPDX-License-Identifier: MIT */
/*
 * tools/histogram.h - counts of values in buckets that widen with the value: any percentile within
 * 1/64 of the truth, in a fixed 16 KB, at a few instructions per value. Calls libc only.
 *
 *	values     0 .. 63     64 .. 127    128 .. 255    256 .. 511    ...
 *	buckets    64          32           32            32            ...
 *	width      1           2            4             8             ...
 *
 * One histogram belongs to one thread; merge them when the threads are done.
 */
#ifndef HUGENUMA_TOOLS_HISTOGRAM_H
#define HUGENUMA_TOOLS_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_HALF_BITS 5 /* 32 buckets per power of two */
#define HISTOGRAM_BUCKETS   ((65 - HISTOGRAM_HALF_BITS) << HISTOGRAM_HALF_BITS)

struct histogram {
	uint64_t count; /* == the sum of buckets[] */
	uint64_t sum;
	uint64_t max;
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

/* Make it empty. */
void histogram_clear(struct histogram *histogram);

/* Count one value. */
void histogram_add(struct histogram *histogram, uint64_t value);

/* Add another one's counts. */
void histogram_merge(struct histogram *histogram, const struct histogram *other);

/*
 * The value that `percent` of all values do not exceed: the middle of its bucket, never more than
 * the largest value; 0 for an empty histogram.
 */
uint64_t histogram_percentile(const struct histogram *histogram, double percent);

/* The mean; 0 for an empty histogram. */
double histogram_mean(const struct histogram *histogram);

#endif
