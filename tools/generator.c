/* SPDX-License-Identifier: MIT */
/*
 * tools/generator.c - makes requests up, for who has no trace at hand. Calls libc only.
 *
 * The lengths of real prompts and answers are lognormal to the eye: most are short, a few very
 * long. The figures are those of a published trace of a code completion service (mean and
 * deviation of the logarithms), cut where its longest requests are.
 */
#include "config.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "tools/trace.h"

struct length {
	double mean;	  /* of the logarithm */
	double deviation; /* of the logarithm */
	double least, most;
};

static const struct length context_length = {7.0, 1.36, 3, 7500};
static const struct length generated_length = {2.79, 0.85, 4, 2000};

/* splitmix64: 64 even bits from a counter. */
static uint64_t next_bits(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* Between 0 and 1, neither included. */
static double next_fraction(uint64_t *state)
{
	return ((double)(next_bits(state) >> 11) + 0.5) / 9007199254740992.0;
}

static uint32_t next_length(uint64_t *state, const struct length *length)
{
	/* Box and Muller: two even numbers make a normal one. */
	double radius = sqrt(-2.0 * log(next_fraction(state)));
	double normal = radius * cos(6.283185307179586 * next_fraction(state));
	double tokens = exp(length->mean + length->deviation * normal);

	return (uint32_t)fmin(fmax(tokens, length->least), length->most);
}

int trace_generate(struct trace *trace, size_t nr_requests, uint64_t seed)
{
	uint64_t state = seed;
	int error = 0;

	memset(trace, 0, sizeof(*trace));
	while (!error && trace->nr_requests < nr_requests) {
		uint32_t context = next_length(&state, &context_length);

		error = trace_append(trace, context, next_length(&state, &generated_length));
	}
	if (error)
		trace_free(trace);
	return error;
}
