/* SPDX-License-Identifier: MIT */
/*
 * lib/line.h - cache lines, the unit in which arenas and scratch spaces hand out memory: rounding,
 * multiplying with a check, clearing.
 *
 * Calls nothing but memset().
 */
#ifndef HNUMA_LIB_LINE_H
#define HNUMA_LIB_LINE_H

#include <stdbool.h>
#include <string.h>

#include <hugenuma.h>

#ifndef likely
#define likely(condition)   __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)
#endif

/* Up to here an inlined loop beats a call: 2 lines, measured on x86-64. */
#define HNUMA_LINE_INLINE_BYTES (2 * HNUMA_CACHE_LINE)

/* count * elem_size; false when that does not fit. */
static inline bool hnuma_line_multiply(size_t count, size_t elem_size, size_t *bytes)
{
	return likely(!__builtin_mul_overflow(count, elem_size, bytes));
}

/* NULL with a reason: out of line, so that the fast paths need no stack. */
static __attribute__((noinline, cold, unused)) void *hnuma_line_refuse(int error)
{
	errno = error;
	return NULL;
}

/* How many lines hold so many bytes; of any number, also SIZE_MAX. */
static inline uint64_t hnuma_line_count(size_t bytes)
{
	return bytes / HNUMA_CACHE_LINE + (bytes % HNUMA_CACHE_LINE != 0);
}

/* Round up to whole lines. The caller knows that this does not wrap. */
static inline size_t hnuma_line_round(size_t bytes)
{
	return (bytes + HNUMA_CACHE_LINE - 1) & ~(size_t)(HNUMA_CACHE_LINE - 1);
}

/* The same as hnuma_line_clear(), out of line, for more than the few lines above. */
void *hnuma_line_clear_many(void *address, size_t bytes);

/*
 * Clear the lines that hold `bytes` from a line's start: the rest of the last line belongs to the
 * same allocation and may be cleared with it. Returns the address.
 */
static inline void *hnuma_line_clear(void *address, size_t bytes)
{
	unsigned char *line = (unsigned char *)address;
	unsigned char *end = line + bytes;

	if (bytes > HNUMA_LINE_INLINE_BYTES)
		return hnuma_line_clear_many(address, bytes);
	for (; line < end; line += HNUMA_CACHE_LINE)
		memset(__builtin_assume_aligned(line, HNUMA_CACHE_LINE), 0, HNUMA_CACHE_LINE);
	return address;
}

#endif
