/* SPDX-License-Identifier: MIT */
/*
 * pattern.c - made-up blocks and their checksums (pattern.h). Calls nothing.
 */
#include "pattern.h"

#define STEP	   0x9e3779b97f4a7c15
#define MULTIPLIER 0x100000001b3
#define LANES	   4

void pattern_fill(void *block, size_t bytes, uint64_t seed, uint32_t request, uint32_t index)
{
	uint64_t *words = block;
	uint64_t from = pattern_mix(seed + STEP * (((uint64_t)request << 32) | index));

	for (size_t i = 0; i < bytes / sizeof(*words); i++)
		words[i] = pattern_mix(from + STEP * i);
}

/* Lanes, because each multiplication waits for the one before it: four chains take the time of one. */
uint64_t pattern_checksum(const void *block, size_t bytes)
{
	const uint64_t *words = block;
	uint64_t sums[LANES] = {1, 2, 3, 4}, sum = bytes;

	for (size_t i = 0; i < bytes / sizeof(*words); i += LANES)
		for (unsigned lane = 0; lane < LANES; lane++)
			sums[lane] = (sums[lane] ^ words[i + lane]) * MULTIPLIER;
	for (unsigned lane = 0; lane < LANES; lane++)
		sum = pattern_mix(sum ^ sums[lane]);
	return sum;
}
