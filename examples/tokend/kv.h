/* SPDX-License-Identifier: MIT */
/*
 * kv.h - keys and values of past tokens, in pages that requests share.
 *
 *	request A   [page 1][page 2][page 3]          a page has the keys and values of a few
 *	                 \      \                     successive tokens: one block of the pool for
 *	request B   [page 1][page 2][page 4]          each layer, taken all at once or not at all
 *
 *	a block     | key 0 | key 1 | ... | value 0 | value 1 | ... |
 *
 * Pages form a tree: below a page are those that came next after it, so that a prompt finds what
 * another request has computed already by walking down from the root. A page counts the requests
 * that have it; it is given back with the last. Whoever would write into a page that another has,
 * too, writes into a copy.
 *
 * One per worker, used by its thread; under the worker's lock, so that others may look.
 */
#ifndef TOKEND_KV_H
#define TOKEND_KV_H

#include <stddef.h>

#include "memory.h"
#include "model.h"

/* How tokens are put into blocks. */
struct kv_shape {
	unsigned nr_layers;
	unsigned kv_dim;
	unsigned tokens_per_page;
	size_t block_bytes;
};

struct kv_page {
	void **blocks;	  /* one for each layer */
	unsigned *tokens; /* that it was computed from */
	unsigned filled;  /* tokens that are in it for good, from the first on */
	unsigned sharers; /* requests that have it */
	struct kv_page *parent, *children, *next, *previous; /* siblings; free pages by next */
};

/* A request's pages, in order. */
struct kv_sequence {
	struct kv_page **pages;
	unsigned nr_pages;
};

struct kv {
	struct kv_shape shape;
	struct worker_memory *memory;
	struct kv_page root; /* has no tokens */
	struct kv_page *pages, *free;
	unsigned nr_pages, in_use;
	unsigned long long nr_copied, nr_taken, nr_given; /* so far */
};

/* Choose a size of blocks for a model. Returns 0, or -1: a token of a layer fits in none. */
int kv_shape_choose(struct kv_shape *shape, const struct model_shape *model, bool is_paged);

/* Bytes of books for so many pages. */
size_t kv_bytes(const struct kv_shape *shape, unsigned nr_pages);

/* Lay the books out in zeroed memory. No block is taken. */
void kv_open(struct kv *kv, const struct kv_shape *shape, struct worker_memory *memory,
	     unsigned nr_pages, void *books);

/*
 * Share what has been computed already of these tokens: the pages are the sequence's, too, after.
 * The last token is never among them: its logits have to be computed. Returns how many tokens.
 */
unsigned kv_share(struct kv *kv, struct kv_sequence *sequence, const unsigned *tokens,
		  unsigned nr_tokens);

/*
 * Make a position ready to be written by this sequence alone: in a new page, its own, or a copy of
 * a shared one. Returns 0, or -1: no page can be had.
 */
int kv_prepare(struct kv *kv, struct kv_sequence *sequence, unsigned position);

/* The position has been written for this token, for good: others may share it now. */
void kv_commit(struct kv *kv, struct kv_sequence *sequence, unsigned position, unsigned token);

/* Give up what lies behind so many tokens; all of it with 0. */
void kv_cut(struct kv *kv, struct kv_sequence *sequence, unsigned nr_tokens);

unsigned kv_pages_for(const struct kv_shape *shape, unsigned nr_tokens);

/* The keys of a page in a layer; its values follow. */
static inline float *kv_keys(const struct kv_page *page, unsigned layer)
{
	return page->blocks[layer];
}

static inline float *kv_values(const struct kv_shape *shape, const struct kv_page *page,
			       unsigned layer)
{
	return kv_keys(page, layer) + (size_t)shape->tokens_per_page * shape->kv_dim;
}

#endif
