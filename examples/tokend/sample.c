/* SPDX-License-Identifier: MIT */
/*
 * sample.c - from logits to a token (sample.h).
 */
#include "sample.h"

#include "kernels.h"
#include "mix.h"

static unsigned most_likely(const float *logits, unsigned vocabulary)
{
	unsigned best = 0;

	for (unsigned i = 1; i < vocabulary; i++)
		if (logits[i] > logits[best])
			best = i;
	return best;
}

/* From 0 to below 1. */
static float chance(uint64_t seed, unsigned position)
{
	uint64_t bits = mix(seed * 0xd1342543de82ef95 + (position + 1) * MIX_STEP);

	return (float)(bits >> 40) * 0x1p-24f;
}

unsigned sample(float *logits, unsigned vocabulary, float temperature, uint64_t seed,
		unsigned position)
{
	float rest = chance(seed, position), most;

	if (temperature <= 0)
		return most_likely(logits, vocabulary);
	/* The largest first: what is divided by next to nothing is endless, and two of that no number. */
	most = logits[most_likely(logits, vocabulary)];
	for (unsigned i = 0; i < vocabulary; i++)
		logits[i] = (logits[i] - most) / temperature;
	kernel_softmax(logits, vocabulary);
	for (unsigned i = 0; i < vocabulary; i++) {
		if (rest < logits[i])
			return i;
		rest -= logits[i];
	}
	return most_likely(logits, vocabulary);
}
