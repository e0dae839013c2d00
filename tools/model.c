/* SPDX-License-Identifier: MIT */
/*
 * tools/model.c - the shapes of real language models, from their published configurations
 * (num_hidden_layers, num_attention_heads, num_key_value_heads, head size, hidden_size,
 * vocab_size). Calls libc only.
 *
 * A model belongs here when a block of 16 tokens fits the pool's largest class, 256 KB.
 */
#include "config.h"

#include <strings.h>

#include "tools/model.h"

static const struct model models[] = {
	/* name		    layers heads kv size hidden  vocab */
	{"tinyllama-1.1b", 22, 32, 4, 64, 2048, 32000}, /* 16 KB a block */
	{"llama-3-8b", 32, 32, 8, 128, 4096, 128256},	/* 64 KB */
	{"llama-2-7b", 32, 32, 32, 128, 4096, 32000},	/* 256 KB */
	{"llama-3-70b", 80, 64, 8, 128, 8192, 128256},	/* 64 KB */
	{"llama-3.2-1b", 16, 32, 8, 64, 2048, 128256},	/* 32 KB */
	{"mistral-7b", 32, 32, 8, 128, 4096, 32000},	/* 64 KB */
	{"qwen2.5-0.5b", 24, 14, 2, 64, 896, 151936},	/* 8 KB */
	{"qwen2.5-7b", 28, 28, 4, 128, 3584, 152064},	/* 32 KB */
};

const struct model *model_at(unsigned index)
{
	return index < sizeof(models) / sizeof(models[0]) ? &models[index] : NULL;
}

const struct model *model_find(const char *name)
{
	const struct model *model;
	unsigned i;

	for (i = 0; (model = model_at(i)); i++)
		if (strcasecmp(model->name, name) == 0)
			return model;
	return NULL;
}

size_t model_token_bytes(const struct model *model)
{
	return (size_t)model->kv_heads * model->head_size * 2 * sizeof(uint16_t);
}

size_t model_block_bytes(const struct model *model)
{
	return model_token_bytes(model) * MODEL_BLOCK_TOKENS;
}

uint32_t model_blocks(uint64_t tokens)
{
	return (uint32_t)((tokens + MODEL_BLOCK_TOKENS - 1) / MODEL_BLOCK_TOKENS);
}
