/* SPDX-License-Identifier: MIT */
/*
 * pattern.h - keys and values made up from a seed, and checksums that tell any two blocks apart.
 */
#ifndef KVMOVE_PATTERN_H
#define KVMOVE_PATTERN_H

#include <stddef.h>
#include <stdint.h>

/* Bits that look like chance, from a number: what splitmix64 does to its counter. */
static inline uint64_t pattern_mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

/* Fill a block: other bytes for every request and every block of it. Bytes: a multiple of 32. */
void pattern_fill(void *block, size_t bytes, uint64_t seed, uint32_t request, uint32_t index);

uint64_t pattern_checksum(const void *block, size_t bytes);

#endif
