/* SPDX-License-Identifier: MIT */
/*
 * tools/stamp.h - patterns that say whose memory this is, written into it and looked for later. A
 * pattern that has changed means that somebody else was given the same bytes. Calls libc only.
 *
 * A pattern is a 64-bit word, repeated with a twist:
 *
 *	| 63 .. 37 request | 36 .. 29 layer | 28 .. 5 position of the token | 4 .. 0 use |
 */
#ifndef HUGENUMA_TOOLS_STAMP_H
#define HUGENUMA_TOOLS_STAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What memory is used for. Not 0, so that no pattern is all zero. */
enum stamp_use {
	STAMP_KV = 0x15,
	STAMP_ACTIVATIONS = 0x0a,
	STAMP_LOGITS = 0x13,
	STAMP_SCORES = 0x0c,
};

#define STAMP_LINE 64 /* bytes of a cache line */

static inline uint64_t stamp_make(enum stamp_use use, uint32_t request, unsigned layer,
				  uint32_t position)
{
	return (uint64_t)request << 37 | (uint64_t)layer << 29 | (uint64_t)position << 5 |
	       (uint64_t)use;
}

/* The pattern of the i-th token behind one. */
static inline uint64_t stamp_of_token(uint64_t stamp, uint32_t i)
{
	return stamp + ((uint64_t)i << 5);
}

/* The i-th word of memory with this pattern. */
static inline uint64_t stamp_word(uint64_t stamp, size_t i)
{
	return stamp ^ i * UINT64_C(0x9e3779b97f4a7c15);
}

/* Write the pattern into whole words. */
static inline void stamp_write(void *memory, size_t bytes, uint64_t stamp)
{
	uint64_t *words = memory;

	for (size_t i = 0; i < bytes / sizeof(*words); i++)
		words[i] = stamp_word(stamp, i);
}

/* Is the pattern still there? */
static inline bool stamp_is_in(const void *memory, size_t bytes, uint64_t stamp)
{
	const uint64_t *words = memory;
	uint64_t difference = 0;

	for (size_t i = 0; i < bytes / sizeof(*words); i++)
		difference |= words[i] ^ stamp_word(stamp, i);
	return difference == 0;
}

/*
 * The same for large memory of which not every byte is wanted: the first line, the last one, and
 * one in every 4 KB between them. The size is a multiple of STAMP_LINE.
 */
void stamp_write_sparsely(void *memory, size_t bytes, uint64_t stamp);
bool stamp_is_in_sparsely(const void *memory, size_t bytes, uint64_t stamp);

/* Say in words whose pattern a word is, such as "the keys of request 7, layer 2, token 31". */
void stamp_describe(uint64_t word, char *text, size_t text_size);

#endif
