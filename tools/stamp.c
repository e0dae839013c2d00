/* SPDX-License-Identifier: MIT */
/*
 * tools/stamp.c - patterns that say whose memory this is. Calls libc only.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>

#include "tools/stamp.h"

#define SPARSE_STEP 4096

void stamp_write_sparsely(void *memory, size_t bytes, uint64_t stamp)
{
	unsigned char *at = memory;
	size_t offset;

	if (bytes == 0)
		return;
	for (offset = 0; offset < bytes; offset += SPARSE_STEP)
		stamp_write(at + offset, STAMP_LINE, stamp);
	stamp_write(at + bytes - STAMP_LINE, STAMP_LINE, stamp);
}

bool stamp_is_in_sparsely(const void *memory, size_t bytes, uint64_t stamp)
{
	const unsigned char *at = memory;
	size_t offset;

	if (bytes == 0)
		return true;
	for (offset = 0; offset < bytes; offset += SPARSE_STEP)
		if (!stamp_is_in(at + offset, STAMP_LINE, stamp))
			return false;
	return stamp_is_in(at + bytes - STAMP_LINE, STAMP_LINE, stamp);
}

static const char *use_name(unsigned use)
{
	switch (use) {
	case STAMP_KV:
		return "the keys and values";
	case STAMP_ACTIVATIONS:
		return "the activations";
	case STAMP_LOGITS:
		return "the logits";
	case STAMP_SCORES:
		return "the scores";
	default:
		return NULL;
	}
}

void stamp_describe(uint64_t word, char *text, size_t text_size)
{
	const char *name = use_name(word & 0x1f);

	if (!name)
		snprintf(text, text_size, "0x%016" PRIx64, word);
	else
		snprintf(text, text_size, "%s of request %" PRIu64 ", layer %u, token %u", name,
			 (word >> 37) + 1, (unsigned)(word >> 29 & 0xff),
			 (unsigned)(word >> 5 & 0xffffff));
}
