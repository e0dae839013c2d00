/* SPDX-License-Identifier: MIT */
/*
 * tools/model.h - the shapes of real language models, as far as memory is concerned. Calls libc
 * only.
 */
#ifndef HUGENUMA_TOOLS_MODEL_H
#define HUGENUMA_TOOLS_MODEL_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Tokens whose keys and values of one layer lie in one block. */
#define MODEL_BLOCK_TOKENS 16

struct model {
	const char *name;
	unsigned layers;
	unsigned heads;	   /* of queries */
	unsigned kv_heads; /* of keys and of values: fewer when queries share them */
	unsigned head_size;
	unsigned hidden; /* width of the activations */
	unsigned vocab;	 /* logits per token */
};

/* The model of that name, or NULL. */
const struct model *model_find(const char *name);

/* The i-th model, or NULL behind the last. */
const struct model *model_at(unsigned index);

/* Bytes of one token's keys and values in one layer, at two bytes a number (fp16). */
size_t model_token_bytes(const struct model *model);

/* Bytes of a block: the keys and values of MODEL_BLOCK_TOKENS tokens in one layer. */
size_t model_block_bytes(const struct model *model);

/* Blocks that so many tokens need in one layer. */
uint32_t model_blocks(uint64_t tokens);

#endif
