/* SPDX-License-Identifier: MIT */
/*
 * tools/histogram.c - counts of values in buckets that widen with the value. Calls libc only.
 */
#include "config.h"

#include <math.h>
#include <string.h>

#include "tools/histogram.h"

#define HALF (1u << HISTOGRAM_HALF_BITS)

/*
 * The first 2 * HALF buckets hold one value each. From there on a value keeps its
 * HISTOGRAM_HALF_BITS + 1 leading bits: `shift` is how many were cut off.
 */
static unsigned bucket_of(uint64_t value)
{
	unsigned shift;

	if (value < 2 * HALF)
		return (unsigned)value;
	shift = 63 - HISTOGRAM_HALF_BITS - (unsigned)__builtin_clzll(value);
	return (shift << HISTOGRAM_HALF_BITS) + (unsigned)(value >> shift);
}

/* The middle of a bucket: the inverse of bucket_of() but for what was cut off. */
static uint64_t value_of(unsigned bucket)
{
	unsigned shift;

	if (bucket < 2 * HALF)
		return bucket;
	shift = (bucket >> HISTOGRAM_HALF_BITS) - 1;
	return ((uint64_t)(HALF + (bucket & (HALF - 1))) << shift) + ((uint64_t)1 << shift) / 2;
}

void histogram_clear(struct histogram *histogram)
{
	memset(histogram, 0, sizeof(*histogram));
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
	histogram->count++;
	histogram->sum += value;
	if (value > histogram->max)
		histogram->max = value;
	histogram->buckets[bucket_of(value)]++;
}

void histogram_merge(struct histogram *histogram, const struct histogram *other)
{
	unsigned i;

	histogram->count += other->count;
	histogram->sum += other->sum;
	if (other->max > histogram->max)
		histogram->max = other->max;
	for (i = 0; i < HISTOGRAM_BUCKETS; i++)
		histogram->buckets[i] += other->buckets[i];
}

uint64_t histogram_percentile(const struct histogram *histogram, double percent)
{
	uint64_t rank, seen = 0, value;
	unsigned i;

	if (histogram->count == 0)
		return 0;
	rank = (uint64_t)ceil(percent / 100.0 * (double)histogram->count);
	if (rank == 0)
		rank = 1;
	for (i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += histogram->buckets[i];
		if (seen >= rank) {
			value = value_of(i);
			return value < histogram->max ? value : histogram->max;
		}
	}
	return histogram->max;
}

double histogram_mean(const struct histogram *histogram)
{
	return histogram->count ? (double)histogram->sum / (double)histogram->count : 0.0;
}
