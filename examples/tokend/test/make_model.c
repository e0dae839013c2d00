/* SPDX-License-Identifier: MIT */
/*
 * make_model.c - writes a small model of noise in llama2.c's form: make_model FILE [own [CONTEXT]]
 * With "own" the classifier is not the embedding.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIM = 48, HIDDEN = 80, LAYERS = 3, HEADS = 6, KV_HEADS = 2, TOKENS = 300 };

static float noise(void)
{
	static uint64_t x = 88172645463325252u;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (float)(int32_t)(x >> 32) * 0x1p-31f;
}

static void put(FILE *file, size_t n, float scale, float shift)
{
	while (n-- > 0) {
		float value = shift + scale * noise();

		fwrite(&value, sizeof(value), 1, file);
	}
}

int main(int argc, char **argv)
{
	int own = argc > 2 && strcmp(argv[2], "own") == 0;
	int context = argc > 3 ? atoi(argv[3]) : 128;
	int32_t header[7] = {DIM, HIDDEN, LAYERS, HEADS, KV_HEADS, own ? -TOKENS : TOKENS, context};
	int kv = DIM / HEADS * KV_HEADS;
	FILE *file = argc > 1 ? fopen(argv[1], "wb") : NULL;

	if (!file)
		return 1;
	fwrite(header, sizeof(header), 1, file);
	put(file, (size_t)TOKENS * DIM, 1, 0);
	put(file, (size_t)LAYERS * DIM, 0.2f, 1);
	put(file, (size_t)LAYERS * DIM * DIM, 0.3f, 0);
	put(file, (size_t)LAYERS * DIM * kv, 0.3f, 0);
	put(file, (size_t)LAYERS * DIM * kv, 0.3f, 0);
	put(file, (size_t)LAYERS * DIM * DIM, 0.3f, 0);
	put(file, (size_t)LAYERS * DIM, 0.2f, 1);
	put(file, (size_t)LAYERS * DIM * HIDDEN, 0.3f, 0);
	put(file, (size_t)LAYERS * DIM * HIDDEN, 0.3f, 0);
	put(file, (size_t)LAYERS * DIM * HIDDEN, 0.3f, 0);
	put(file, DIM, 0.2f, 1);
	put(file, (size_t)context * (DIM / HEADS), 1, 0); /* a table that nobody shall use */
	put(file, own ? (size_t)TOKENS * DIM : 0, 1, 0);
	return fclose(file) != 0;
}
