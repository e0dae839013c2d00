/* SPDX-License-Identifier: MIT */
/*
 * mix.h - bits that look like chance, from a number: what splitmix64 does to its counter.
 */
#ifndef TOKEND_MIX_H
#define TOKEND_MIX_H

#include <stdint.h>

/* The step of the counter. */
#define MIX_STEP 0x9e3779b97f4a7c15

static inline uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

#endif
