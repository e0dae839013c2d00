/* SPDX-License-Identifier: MIT */
/*
 * kernels.c - see kernels.h. Calls libm. Compiled without contraction of a * b + c, so that the
 * order and the rounding of what is written here is what is done.
 */
#include "kernels.h"

#include <math.h>
#include <string.h>

/* Where the loader can choose by what the CPU has. */
#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__clang__)
#define FOR_EACH_CPU __attribute__((target_clones("avx2", "default")))
#else
#define FOR_EACH_CPU
#endif

/* Sums are kept in as many parts as a wide vector has floats, and put together at the end. */
typedef float lanes __attribute__((vector_size(32)));
#define LANES (sizeof(lanes) / sizeof(float))

/* The dot products of a row of a matrix with `some` vectors, each summed as if it were alone. */
static inline __attribute__((always_inline)) void
dot_some(float *out, size_t stride, const float *row, const float *in, size_t n, int some)
{
	lanes sum[4] = {{0}}, a, b;
	size_t i = 0;

	for (; i + LANES <= n; i += LANES) {
		memcpy(&a, row + i, sizeof(a));
		for (int k = 0; k < some; k++) {
			memcpy(&b, in + (size_t)k * n + i, sizeof(b));
			sum[k] += a * b;
		}
	}
	for (; i < n; i++)
		for (int k = 0; k < some; k++)
			sum[k][0] += row[i] * in[(size_t)k * n + i];
	for (int k = 0; k < some; k++)
		out[(size_t)k * stride] = ((sum[k][0] + sum[k][4]) + (sum[k][1] + sum[k][5])) +
					  ((sum[k][2] + sum[k][6]) + (sum[k][3] + sum[k][7]));
}

FOR_EACH_CPU float kernel_dot(const float *a, const float *b, size_t n)
{
	float sum;

	dot_some(&sum, 1, a, b, n, 1);
	return sum;
}

FOR_EACH_CPU void kernel_scores(float *scores, const float *query, const float *keys, size_t count,
				size_t stride, size_t n, float scale)
{
	for (size_t t = 0; t < count; t++) {
		dot_some(&scores[t], 1, query, keys + t * stride, n, 1);
		scores[t] *= scale;
	}
}

FOR_EACH_CPU void kernel_add_weighted(float *out, const float *weights, const float *values,
				      size_t count, size_t stride, size_t n)
{
	for (size_t t = 0; t < count; t++)
		for (size_t i = 0; i < n; i++)
			out[i] += weights[t] * values[t * stride + i];
}

/* Four vectors at a time: a row of the matrix is fetched once for all of them. */
FOR_EACH_CPU void kernel_matmul(float *out, const float *matrix, const float *in, size_t n,
				size_t columns, size_t rows)
{
	for (size_t i = 0; i < n; i++) {
		const float *row = matrix + i * columns;
		size_t r = 0;

		for (; r + 4 <= rows; r += 4)
			dot_some(out + r * n + i, n, row, in + r * columns, columns, 4);
		for (; r < rows; r++)
			dot_some(out + r * n + i, n, row, in + r * columns, columns, 1);
	}
}

void kernel_norm(float *to, const float *from, const float *gain, size_t n)
{
	float scale = 1 / sqrtf(kernel_dot(from, from, n) / (float)n + 1e-5f);

	for (size_t i = 0; i < n; i++)
		to[i] = gain[i] * (scale * from[i]);
}

void kernel_softmax(float *x, size_t n)
{
	float most = x[0], sum = 0;

	for (size_t i = 1; i < n; i++)
		most = x[i] > most ? x[i] : most;
	for (size_t i = 0; i < n; i++) {
		x[i] = expf(x[i] - most);
		sum += x[i];
	}
	for (size_t i = 0; i < n; i++)
		x[i] /= sum;
}

void kernel_swiglu(float *gate, const float *up, size_t n)
{
	for (size_t i = 0; i < n; i++)
		gate[i] = gate[i] / (1 + expf(-gate[i])) * up[i];
}

void kernel_rotate(float *heads, const float *rotation, size_t nr_heads, size_t head_dim)
{
	for (size_t h = 0; h < nr_heads; h++)
		for (size_t i = 0; i < head_dim; i += 2) {
			float *pair = heads + h * head_dim + i;
			float x = pair[0], y = pair[1];

			pair[0] = x * rotation[i] - y * rotation[i + 1];
			pair[1] = x * rotation[i + 1] + y * rotation[i];
		}
}
