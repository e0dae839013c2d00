/* SPDX-License-Identifier: MIT */
/*
 * tools/units.h - numbers as people write and read them: 1.5G, 8,819, 2.4 us. Calls libc only.
 *
 * Sizes are in powers of 1024: 1 KB is 1,024 bytes, as in the names of the pool's classes.
 */
#ifndef HUGENUMA_TOOLS_UNITS_H
#define HUGENUMA_TOOLS_UNITS_H

#include <stdint.h>

/* Room for every text that is made here. */
#define UNITS_TEXT 32

/*
 * Read a size: a number, also with a fraction, and K, M, G or T behind it, each also as KB or KiB.
 *
 * Returns 0, -EINVAL (not a size), -ERANGE (0, or too large).
 */
int units_read_size(const char *text, uint64_t *size_bytes);

/* Read a whole number from least to most. Returns 0, -EINVAL (not a number), -ERANGE. */
int units_read_count(const char *text, uint64_t least, uint64_t most, uint64_t *count);

/* Write into text, and return it: a size such as "16 KB" or "1.4 GB"; a count with commas; a time
 * such as "85 ns" or "1.27 ms"; a duration such as "8 s" or "2 min 5 s". */
const char *units_size(char text[UNITS_TEXT], uint64_t size_bytes);
const char *units_count(char text[UNITS_TEXT], uint64_t count);
const char *units_time(char text[UNITS_TEXT], double time_ns);
const char *units_duration(char text[UNITS_TEXT], double seconds);

#endif
