/* SPDX-License-Identifier: MIT */
/*
 * tools/replay_blocks.c - writes a request's keys and values into its blocks, and checks them
 * before the blocks are released. Calls libc only.
 *
 * A block holds MODEL_BLOCK_TOKENS tokens of one layer, each token's keys and values side by side:
 *
 *	| token 0: K V | token 1: K V | ... | token 15: K V | (rest of the class's block) |
 *
 * Every token is written: its first cache line, or with --fill all its bytes.
 */
#include "config.h"

#include "tools/replay.h"
#include "tools/stamp.h"

/* What a block is, as far as writing and checking it goes. */
struct layout {
	size_t token_bytes;
	unsigned layers;
	bool fill;
};

static struct layout layout_of(const struct replay_job *job)
{
	return (struct layout){model_token_bytes(job->model), job->model->layers, job->fill};
}

static unsigned char *block_at(const struct replay_slot *slot, const struct layout *layout,
			       unsigned layer, uint32_t index)
{
	return slot->blocks[(size_t)index * layout->layers + layer];
}

/*
 * Lines that lie a kilobyte apart, in blocks that lie anywhere: nothing in the processor guesses
 * which comes next. Asking for a block's lines while the block before it is at work halves the
 * time.
 */
static inline void prefetch(const unsigned char *block, const struct layout *layout)
{
	unsigned i;

	for (i = 0; i < MODEL_BLOCK_TOKENS && !layout->fill; i++)
		__builtin_prefetch(block + i * layout->token_bytes, 1);
}

/* Tokens of the index-th block that lie before `end`. */
static uint32_t tokens_in(uint32_t index, uint32_t end)
{
	uint32_t rest = end - index * MODEL_BLOCK_TOKENS;

	return rest < MODEL_BLOCK_TOKENS ? rest : MODEL_BLOCK_TOKENS;
}

static void write_block(unsigned char *block, const struct layout *layout, uint64_t stamp,
			uint32_t nr_tokens)
{
	uint32_t i;

	/* The size of a line is a constant here, so that the compiler unrolls its loop. */
	for (i = 0; i < nr_tokens; i++, block += layout->token_bytes) {
		if (layout->fill)
			stamp_write(block, layout->token_bytes, stamp_of_token(stamp, i));
		else
			stamp_write(block, STAMP_LINE, stamp_of_token(stamp, i));
	}
}

/* Returns the first token that is not as it was written, or nr_tokens. */
static uint32_t check_block(const unsigned char *block, const struct layout *layout, uint64_t stamp,
			    uint32_t nr_tokens)
{
	uint32_t i;

	for (i = 0; i < nr_tokens; i++, block += layout->token_bytes) {
		uint64_t expected = stamp_of_token(stamp, i);

		if (layout->fill ? !stamp_is_in(block, layout->token_bytes, expected)
				 : !stamp_is_in(block, STAMP_LINE, expected))
			break;
	}
	return i;
}

void replay_write_prompt(const struct replay_job *job, const struct replay_slot *slot)
{
	const struct layout layout = layout_of(job);
	uint32_t nr_blocks = model_blocks(slot->position), index;
	unsigned layer;

	for (layer = 0; layer < layout.layers; layer++) {
		for (index = 0; index < nr_blocks; index++) {
			if (index + 1 < nr_blocks)
				prefetch(block_at(slot, &layout, layer, index + 1), &layout);
			write_block(block_at(slot, &layout, layer, index), &layout,
				    stamp_make(STAMP_KV, slot->request, layer,
					       index * MODEL_BLOCK_TOKENS),
				    tokens_in(index, slot->position));
		}
	}
}

void replay_write_token(const struct replay_job *job, const struct replay_slot *slot,
			unsigned layer)
{
	const struct layout layout = layout_of(job);
	uint32_t token = slot->position;
	unsigned char *block = block_at(slot, &layout, layer, token / MODEL_BLOCK_TOKENS);

	write_block(block + token % MODEL_BLOCK_TOKENS * layout.token_bytes, &layout,
		    stamp_make(STAMP_KV, slot->request, layer, token), 1);
}

static void report_overlap(struct replay *replay, const struct replay_slot *slot, unsigned layer,
			   uint32_t token, const void *memory)
{
	char found[80], expected[80];

	stamp_describe(stamp_make(STAMP_KV, slot->request, layer, token), expected,
		       sizeof(expected));
	stamp_describe(*(const uint64_t *)memory, found, sizeof(found));
	replay_fail(replay,
		    "two owners had the same memory: %s were written at %p, which before the "
		    "block's release held %s%s",
		    expected, memory, found,
		    *(const uint64_t *)memory == stamp_make(STAMP_KV, slot->request, layer, token)
			    ? " but other bytes behind its first word"
			    : "");
}

bool replay_check_blocks(struct replay *replay, const struct replay_slot *slot)
{
	const struct layout layout = layout_of(replay->job);
	uint32_t nr_blocks = model_blocks(slot->position), index;
	unsigned layer;

	for (layer = 0; layer < layout.layers; layer++) {
		for (index = 0; index < nr_blocks; index++) {
			const unsigned char *block = block_at(slot, &layout, layer, index);
			uint32_t first = index * MODEL_BLOCK_TOKENS;
			uint32_t nr_tokens = tokens_in(index, slot->position), good;

			if (index + 1 < nr_blocks)
				prefetch(block_at(slot, &layout, layer, index + 1), &layout);
			good = check_block(block, &layout,
					   stamp_make(STAMP_KV, slot->request, layer, first),
					   nr_tokens);
			if (good == nr_tokens)
				continue;
			report_overlap(replay, slot, layer, first + good,
				       block + good * layout.token_bytes);
			return false;
		}
	}
	return true;
}
