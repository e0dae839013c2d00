/* SPDX-License-Identifier: MIT */
/*
 * kernels.h - the arithmetic of a transformer, plain loops that the compiler turns into vectors.
 *
 * Every sum is taken in one fixed order, whatever else is computed in the same call: a token comes
 * out the same, bit for bit, whoever shares its batch and wherever its keys and values lie.
 */
#ifndef TOKEND_KERNELS_H
#define TOKEND_KERNELS_H

#include <stddef.h>

/* The sum of a[i] * b[i]. */
float kernel_dot(const float *a, const float *b, size_t n);

/* scores[t] = query . keys[t] * scale, for `count` keys that lie `stride` floats apart. */
void kernel_scores(float *scores, const float *query, const float *keys, size_t count,
		   size_t stride, size_t n, float scale);

/* out += the values, each times its weight. */
void kernel_add_weighted(float *out, const float *weights, const float *values, size_t count,
			 size_t stride, size_t n);

/* For each of the rows: out[row][i] = matrix[i] . in[row]; in has `columns`, out has `n` a row. */
void kernel_matmul(float *out, const float *matrix, const float *in, size_t n, size_t columns,
		   size_t rows);

/* to = from / rms(from) * gain */
void kernel_norm(float *to, const float *from, const float *gain, size_t n);

/* In place, numbers to probabilities. */
void kernel_softmax(float *x, size_t n);

/* gate = gate * sigmoid(gate) * up */
void kernel_swiglu(float *gate, const float *up, size_t n);

/* Turn each pair of a head by its angle; `rotation` has a cosine and a sine for each pair. */
void kernel_rotate(float *heads, const float *rotation, size_t nr_heads, size_t head_dim);

#endif
