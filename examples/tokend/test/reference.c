/* SPDX-License-Identifier: MIT */
/*
 * reference.c - the same model the slow way, written from its equations: every position anew for
 * every token, in double, with nothing kept. reference FILE PROMPT COUNT prints the likeliest tokens.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST 512

static int32_t shape[7];
static float *weights;
static int dim, hidden, layers, heads, kv_heads, tokens, head, kv;

static double *product(const float *m, const double *x, int rows, int columns)
{
	double *y = calloc((size_t)rows, sizeof(*y));

	for (int i = 0; i < rows; i++)
		for (int j = 0; j < columns; j++)
			y[i] += (double)m[(size_t)i * (size_t)columns + (size_t)j] * x[j];
	return y;
}

static double *norm(const double *x, const float *gain)
{
	double *y = calloc((size_t)dim, sizeof(*y)), square = 0;

	for (int i = 0; i < dim; i++)
		square += x[i] * x[i];
	for (int i = 0; i < dim; i++)
		y[i] = gain[i] * x[i] / sqrt(square / dim + 1e-5);
	return y;
}

static void turn(double *x, int n, int position)
{
	for (int i = 0; i < n; i += 2) {
		double angle = position * pow(10000, -(double)(i % head) / head);
		double a = x[i], b = x[i + 1];

		x[i] = a * cos(angle) - b * sin(angle);
		x[i + 1] = a * sin(angle) + b * cos(angle);
	}
}

/* What all heads of a position see. */
static double *attend(double *const *q, double *const *k, double *const *v, int at)
{
	double *out = calloc((size_t)dim, sizeof(*out));

	for (int h = 0; h < heads; h++) {
		int from = h / (heads / kv_heads) * head;
		double score[MOST], sum = 0;

		for (int t = 0; t <= at; t++) {
			score[t] = 0;
			for (int i = 0; i < head; i++)
				score[t] += q[at][h * head + i] * k[t][from + i];
			sum += score[t] = exp(score[t] / sqrt(head));
		}
		for (int t = 0; t <= at; t++)
			for (int i = 0; i < head; i++)
				out[h * head + i] += score[t] / sum * v[t][from + i];
	}
	return out;
}

static void add(double *to, const double *from)
{
	for (int i = 0; i < dim; i++)
		to[i] += from[i];
}

static int next(const int *text, int n)
{
	size_t d = (size_t)dim, L = (size_t)layers, e = (size_t)kv * d, f = (size_t)hidden * d;
	const float *embedding = weights, *rms1 = embedding + (size_t)tokens * d,
		    *wq = rms1 + L * d;
	const float *wk = wq + L * d * d, *wv = wk + L * e, *wo = wv + L * e,
		    *rms2 = wo + L * d * d;
	const float *w1 = rms2 + L * d, *w2 = w1 + L * f, *w3 = w2 + L * f, *last = w3 + L * f;
	const float *own = last + d + (size_t)shape[6] * (size_t)head;
	double *x[MOST], *q[MOST], *k[MOST], *v[MOST], *logits;
	int best = 0;

	for (int t = 0; t < n; t++) {
		x[t] = calloc(d, sizeof(double));
		for (int i = 0; i < dim; i++)
			x[t][i] = embedding[(size_t)text[t] * d + (size_t)i];
	}
	for (size_t l = 0; l < L; l++) {
		for (int t = 0; t < n; t++) {
			double *y = norm(x[t], rms1 + l * d);

			q[t] = product(wq + l * d * d, y, dim, dim);
			k[t] = product(wk + l * e, y, kv, dim);
			v[t] = product(wv + l * e, y, kv, dim);
			turn(q[t], dim, t);
			turn(k[t], kv, t);
			free(y);
		}
		for (int t = 0; t < n; t++) {
			double *seen = attend(q, k, v, t),
			       *y = product(wo + l * d * d, seen, dim, dim);
			double *z, *gate, *up, *down;

			add(x[t], y);
			z = norm(x[t], rms2 + l * d);
			gate = product(w1 + l * f, z, hidden, dim);
			up = product(w3 + l * f, z, hidden, dim);
			for (int i = 0; i < hidden; i++)
				gate[i] *= up[i] / (1 + exp(-gate[i]));
			down = product(w2 + l * f, gate, dim, hidden);
			add(x[t], down);
			free(seen), free(y), free(z), free(gate), free(up), free(down);
		}
		for (int t = 0; t < n; t++)
			free(q[t]), free(k[t]), free(v[t]);
	}
	logits = product(shape[5] < 0 ? own : embedding, norm(x[n - 1], last), tokens, dim);
	for (int i = 1; i < tokens; i++)
		if (logits[i] > logits[best])
			best = i;
	return best;
}

int main(int argc, char **argv)
{
	FILE *file = argc == 4 ? fopen(argv[1], "rb") : NULL;
	int text[MOST] = {1}, n = 1, count = argc == 4 ? atoi(argv[3]) : 0;
	long bytes;

	if (!file || fread(shape, sizeof(shape), 1, file) != 1 || fseek(file, 0, SEEK_END))
		return 1;
	bytes = ftell(file) - (long)sizeof(shape);
	weights = malloc((size_t)bytes);
	if (!weights || fseek(file, sizeof(shape), SEEK_SET) ||
	    fread(weights, 1, (size_t)bytes, file) != (size_t)bytes)
		return 1;
	dim = shape[0], hidden = shape[1], layers = shape[2], heads = shape[3];
	kv_heads = shape[4], tokens = abs(shape[5]), head = dim / heads, kv = head * kv_heads;
	for (const char *c = argv[2]; *c; c++)
		text[n++] = 3 + (unsigned char)*c;
	for (int i = 0; i < count; i++, n++) {
		text[n] = next(text, n);
		printf(i ? ",%d" : "%d", text[n]);
	}
	printf("\n");
	return 0;
}
