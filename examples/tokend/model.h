/* SPDX-License-Identifier: MIT */
/*
 * model.h - a decoder-only transformer: its shape, its weights, and where they come from.
 *
 * The weights are those of llama2.c's .bin files (version 0): seven numbers, then float matrices in
 * a fixed order. Without a file they are made from a seed, so that the server runs anywhere.
 */
#ifndef TOKEND_MODEL_H
#define TOKEND_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The first tokens of the vocabulary, as SentencePiece numbers them. */
#define TOKEN_UNKNOWN	 0
#define TOKEN_BEGIN	 1
#define TOKEN_END	 2
#define TOKEN_FIRST_BYTE 3 /* byte 0; 256 of them */
#define NR_BYTE_TOKENS	 (TOKEN_FIRST_BYTE + 256)

struct model_shape {
	unsigned dim;	     /* floats of a token's state */
	unsigned hidden_dim; /* of the feed-forward part */
	unsigned nr_layers;
	unsigned nr_heads;    /* of queries */
	unsigned nr_kv_heads; /* of keys and values; a divisor of nr_heads */
	unsigned vocabulary;  /* tokens */
	unsigned context;     /* positions: prompt and answer together */
	unsigned head_dim;    /* dim / nr_heads */
	unsigned kv_dim;      /* nr_kv_heads * head_dim */
	bool has_classifier;  /* of its own; else the embedding serves as one */
};

/* Pointers into one block of memory; a node's own copy. */
struct model_weights {
	const float *embedding;	       /* [vocabulary][dim] */
	const float *attention_norm;   /* [layer][dim] */
	const float *query;	       /* [layer][dim][dim] */
	const float *key, *value;      /* [layer][kv_dim][dim] */
	const float *output;	       /* [layer][dim][dim] */
	const float *feed_norm;	       /* [layer][dim] */
	const float *gate, *down, *up; /* [layer][hidden][dim], [layer][dim][hidden], as gate */
	const float *final_norm;       /* [dim] */
	const float *classifier;       /* [vocabulary][dim] */
	const float *rotation;	       /* [context][head_dim / 2] pairs of cosine and sine */
};

struct model {
	struct model_shape shape;
	struct model_weights weights;
};

/* Where weights come from: a mapped file, or a seed. */
struct model_source {
	struct model_shape shape;
	const float *file;   /* the first matrix; NULL: from the seed */
	size_t table_floats; /* of the file's own rotation table, which is not used */
	void *mapping;
	size_t mapping_bytes;
	uint64_t seed;
};

/*
 * Open a file of weights, or, where path is NULL, the seeded model. `context` cuts the context down;
 * 0 leaves it. Returns 0, or -1 with one line in `message`.
 */
int model_open(struct model_source *source, const char *path, uint64_t seed, unsigned context,
	       char *message, size_t message_bytes);
void model_close(struct model_source *source);

/* Bytes that model_copy() fills. */
size_t model_bytes(const struct model_shape *shape);

/* Copy the weights to memory of model_bytes(), and point the model there. */
void model_copy(struct model *model, const struct model_source *source, void *memory);

#endif
