/* SPDX-License-Identifier: MIT */
/*
 * numa/random.h - numbers that nobody can guess and that are as good as never given twice.
 *
 * May be called from lib/. Threads: any; the call is no point where one can be cancelled.
 */
#ifndef HNUMA_NUMA_RANDOM_H
#define HNUMA_NUMA_RANDOM_H

#include <stdint.h>

/*
 * Draw a number.
 *
 * @purpose  what is missing without it, for the message: "key for a hardened pool".
 *
 * Returns 0, or the kernel's answer with the message set.
 */
int hnuma_random_draw(uint64_t *number, const char *purpose);

#endif
