/* SPDX-License-Identifier: MIT */
/*
 * tests/model/shrink.c - runs made up from a seed, and the shortest one that still fails. See model.h.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "tests/model/model.h"

/* splitmix64. */
static uint64_t next(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

void model_make_up(uint64_t seed, uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)next(&seed);
}

/* Without the steps from `from` on, `nr` of them. Keeps the change when the run still fails. */
static bool try_without(uint8_t *bytes, size_t *size, size_t from, size_t nr, uint8_t *trial,
			bool (*fails)(const uint8_t *, size_t, void *), void *arg)
{
	size_t begin = MODEL_HEADER + from * MODEL_STEP, end = begin + nr * MODEL_STEP;

	if (end > *size)
		end = *size;
	memcpy(trial, bytes, begin);
	memcpy(trial + begin, bytes + end, *size - end);
	if (!fails(trial, *size - (end - begin), arg))
		return false;
	*size -= end - begin;
	memcpy(bytes, trial, *size);
	return true;
}

static void remove_steps(uint8_t *bytes, size_t *size, uint8_t *trial,
			 bool (*fails)(const uint8_t *, size_t, void *), void *arg)
{
	size_t chunk = (*size - MODEL_HEADER) / MODEL_STEP;

	/* From the end, as what follows the failure is not needed at all. */
	for (; chunk > 0; chunk /= 2) {
		size_t at = (*size - MODEL_HEADER + MODEL_STEP - 1) / MODEL_STEP;

		while (at > 0) {
			at = at > chunk ? at - chunk : 0;
			if (MODEL_HEADER + at * MODEL_STEP < *size)
				try_without(bytes, size, at, chunk, trial, fails, arg);
		}
	}
}

/* Each byte as small as it may be, but for those that say which operation it is. */
static void lower_numbers(uint8_t *bytes, size_t size,
			  bool (*fails)(const uint8_t *, size_t, void *), void *arg)
{
	for (size_t i = 0; i < size; i++) {
		uint8_t was = bytes[i];

		if (i >= MODEL_HEADER && (i - MODEL_HEADER) % MODEL_STEP == 0)
			continue;
		for (unsigned value = 0; value < was; value = value ? value * 4 : 1) {
			bytes[i] = (uint8_t)value;
			if (fails(bytes, size, arg))
				break;
			bytes[i] = was;
		}
	}
}

size_t model_shrink(uint8_t *bytes, size_t size,
		    bool (*fails)(const uint8_t *bytes, size_t size, void *arg), void *arg)
{
	uint8_t *trial = malloc(size);
	size_t before;

	if (!trial || size < MODEL_HEADER + MODEL_STEP) {
		free(trial);
		return size;
	}
	do {
		before = size;
		remove_steps(bytes, &size, trial, fails, arg);
	} while (size < before);
	lower_numbers(bytes, size, fails, arg);
	free(trial);
	return size;
}
