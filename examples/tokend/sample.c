/* SPDX-License-Identifier: MIT */
/*
 * sample.c - from logits to a token (sample.h).
 */
#include "sample.h"

#include "kernels.h"

static unsigned most_likely(const float *logits, unsigned vocabulary)
{
	unsigned best = 0;

	for (unsigned i = 1; i < vocabulary; i++)
		if (logits[i] > logits[best])
			best = i;
	return best;
}

/* From 0 to below 1 (splitmix64). */
static float chance(uint64_t seed, unsigned position)
{
	uint64_t z = seed * 0xd1342543de82ef95 + (position + 1) * 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	z ^= z >> 31;
	return (float)(z >> 40) * 0x1p-24f;
}

unsigned sample(float *logits, unsigned vocabulary, float temperature, uint64_t seed,
		unsigned position)
{
	float rest = chance(seed, position);

	if (temperature <= 0)
		return most_likely(logits, vocabulary);
	for (unsigned i = 0; i < vocabulary; i++)
		logits[i] /= temperature;
	kernel_softmax(logits, vocabulary);
	for (unsigned i = 0; i < vocabulary; i++) {
		if (rest < logits[i])
			return i;
		rest -= logits[i];
	}
	return most_likely(logits, vocabulary);
}
