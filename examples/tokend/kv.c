/* SPDX-License-Identifier: MIT */
/*
 * kv.c - pages of keys and values: shared, counted, copied on write (kv.h). Calls memory.h.
 */
#include "kv.h"

#include <string.h>

/* A page this full is worth being a page. */
#define TOKENS_WANTED 16
/* Fewer tokens in common are computed again, rather than shared and copied at once. */
#define LEAST_SHARED 8

int kv_shape_choose(struct kv_shape *shape, const struct model_shape *model, bool is_paged)
{
	size_t token = 2 * (size_t)model->kv_dim * sizeof(float);
	enum hnuma_class c = HNUMA_CLASS_1K;

	while (c < HNUMA_CLASS_256K && hnuma_class_size(c) < TOKENS_WANTED * token)
		c++;
	*shape = (struct kv_shape){
		.nr_layers = model->nr_layers,
		.kv_dim = model->kv_dim,
		.tokens_per_page = (unsigned)(hnuma_class_size(c) / token),
		.block_bytes = hnuma_class_size(c),
	};
	if (!is_paged) {
		shape->tokens_per_page = model->context;
		shape->block_bytes = model->context * token;
	}
	return shape->tokens_per_page ? 0 : -1;
}

unsigned kv_pages_for(const struct kv_shape *shape, unsigned nr_tokens)
{
	return (nr_tokens + shape->tokens_per_page - 1) / shape->tokens_per_page;
}

size_t kv_bytes(const struct kv_shape *shape, unsigned nr_pages)
{
	return nr_pages * (sizeof(struct kv_page) + shape->nr_layers * sizeof(void *) +
			   shape->tokens_per_page * sizeof(unsigned));
}

void kv_open(struct kv *kv, const struct kv_shape *shape, struct worker_memory *memory,
	     unsigned nr_pages, void *books)
{
	void **blocks;
	unsigned *tokens;

	*kv = (struct kv){.shape = *shape, .memory = memory, .nr_pages = nr_pages, .pages = books};
	blocks = (void **)(kv->pages + nr_pages);
	tokens = (unsigned *)(blocks + (size_t)nr_pages * shape->nr_layers);
	for (unsigned i = nr_pages; i-- > 0;) {
		struct kv_page *page = &kv->pages[i];

		page->blocks = blocks + (size_t)i * shape->nr_layers;
		page->tokens = tokens + (size_t)i * shape->tokens_per_page;
		page->next = kv->free;
		kv->free = page;
	}
}

/* ---- Pages ---- */

static void link_below(struct kv_page *parent, struct kv_page *page)
{
	page->parent = parent;
	page->previous = NULL;
	page->next = parent->children;
	if (page->next)
		page->next->previous = page;
	parent->children = page;
}

static void unlink_page(struct kv_page *page)
{
	if (page->next)
		page->next->previous = page->previous;
	if (page->previous)
		page->previous->next = page->next;
	else
		page->parent->children = page->next;
}

/* A page with blocks of its own, for one request, below a parent; NULL when there is none. */
static struct kv_page *take_page(struct kv *kv, struct kv_page *parent)
{
	const struct memory_ops *ops = kv->memory->memory->ops;
	struct kv_page *page = kv->free;

	if (!page || ops->take_blocks(kv->memory, page->blocks, kv->shape.nr_layers))
		return NULL;
	kv->free = page->next;
	kv->in_use++;
	kv->nr_taken++;
	page->filled = 0;
	page->sharers = 1;
	page->children = NULL;
	link_below(parent, page);
	return page;
}

/* One request less has the page. Nobody has what is below it: they would have the page, too. */
static void leave_page(struct kv *kv, struct kv_page *page)
{
	const struct memory_ops *ops = kv->memory->memory->ops;

	if (--page->sharers > 0)
		return;
	unlink_page(page);
	ops->give_blocks(kv->memory, page->blocks, kv->shape.nr_layers);
	page->next = kv->free;
	kv->free = page;
	kv->in_use--;
	kv->nr_given++;
}

/* The same tokens, up to and without `nr_tokens`, in a page of the request's own. */
static struct kv_page *copy_page(struct kv *kv, struct kv_page *from, unsigned nr_tokens)
{
	size_t bytes = (size_t)nr_tokens * kv->shape.kv_dim * sizeof(float);
	struct kv_page *to = take_page(kv, from->parent);

	if (!to)
		return NULL;
	for (unsigned layer = 0; layer < kv->shape.nr_layers; layer++) {
		memcpy(kv_keys(to, layer), kv_keys(from, layer), bytes);
		memcpy(kv_values(&kv->shape, to, layer), kv_values(&kv->shape, from, layer), bytes);
	}
	memcpy(to->tokens, from->tokens, nr_tokens * sizeof(*to->tokens));
	to->filled = nr_tokens;
	kv->nr_copied++;
	return to;
}

/* ---- Sequences ---- */

static unsigned in_common(const struct kv_page *page, const unsigned *tokens, unsigned nr_tokens)
{
	unsigned n = 0;

	while (n < page->filled && n < nr_tokens && page->tokens[n] == tokens[n])
		n++;
	return n;
}

unsigned kv_share(struct kv *kv, struct kv_sequence *sequence, const unsigned *tokens,
		  unsigned nr_tokens)
{
	struct kv_page *at = &kv->root;
	unsigned shared = 0;

	if (!kv->memory->memory->ops->is_paged)
		return 0;
	while (shared + 1 < nr_tokens) {
		struct kv_page *best = NULL;
		unsigned most = LEAST_SHARED - 1;

		for (struct kv_page *page = at->children; page; page = page->next) {
			unsigned n = in_common(page, tokens + shared, nr_tokens - 1 - shared);

			if (n > most) {
				most = n;
				best = page;
			}
		}
		if (!best)
			break;
		best->sharers++;
		sequence->pages[sequence->nr_pages++] = best;
		shared += most;
		if (most < kv->shape.tokens_per_page)
			break;
		at = best;
	}
	return shared;
}

int kv_prepare(struct kv *kv, struct kv_sequence *sequence, unsigned position)
{
	unsigned index = position / kv->shape.tokens_per_page;
	unsigned slot = position % kv->shape.tokens_per_page;
	struct kv_page *page;

	if (index == sequence->nr_pages) {
		page = take_page(kv, index ? sequence->pages[index - 1] : &kv->root);
		if (!page)
			return -1;
		sequence->pages[sequence->nr_pages++] = page;
		return 0;
	}
	page = sequence->pages[index];
	if (page->sharers > 1) {
		struct kv_page *copy = copy_page(kv, page, slot);

		if (!copy)
			return -1;
		leave_page(kv, page);
		sequence->pages[index] = copy;
	} else if (page->filled > slot) {
		/* What another request had put there, before it left. */
		page->filled = slot;
	}
	return 0;
}

void kv_commit(struct kv *kv, struct kv_sequence *sequence, unsigned position, unsigned token)
{
	struct kv_page *page = sequence->pages[position / kv->shape.tokens_per_page];
	unsigned slot = position % kv->shape.tokens_per_page;

	page->tokens[slot] = token;
	page->filled = slot + 1;
}

void kv_cut(struct kv *kv, struct kv_sequence *sequence, unsigned nr_tokens)
{
	unsigned keep = kv_pages_for(&kv->shape, nr_tokens);

	while (sequence->nr_pages > keep)
		leave_page(kv, sequence->pages[--sequence->nr_pages]);
}
