/* SPDX-License-Identifier: MIT */
/*
 * sample.h - from logits to a token.
 */
#ifndef TOKEND_SAMPLE_H
#define TOKEND_SAMPLE_H

#include <stdint.h>

/*
 * Choose a token. Temperature 0 takes the most likely one. Else chance decides, by a number that
 * depends on seed and position alone: a position comes out the same whether it was computed in its
 * turn, ahead of it, or again. Destroys the logits.
 */
unsigned sample(float *logits, unsigned vocabulary, float temperature, uint64_t seed,
		unsigned position);

#endif
