/* SPDX-License-Identifier: MIT */
/*
 * numa/atlas.c - which region is an address in? The protocol is in atlas.h.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "numa/atlas.h"
#include "numa/process.h"

#define CHUNK_SLOTS 64

enum {
	FREE = 0,
	HELD = 1,
	SHOWN = 2,
	STATES = 4,
};

struct chunk {
	struct hnuma_atlas_slot slots[CHUNK_SLOTS];
	_Atomic(struct chunk *) next; /* NULL, and then set once */
};

static struct chunk first_chunk;

/* The next chunk, which is made when there is none yet; NULL without memory. */
static struct chunk *chunk_after(struct chunk *chunk)
{
	struct chunk *next = atomic_load_explicit(&chunk->next, memory_order_acquire);
	struct chunk *made;

	if (next)
		return next;
	made = calloc(1, sizeof(*made));
	if (!made)
		return NULL;
	/* Release: who finds it finds zeroes. No ABA: it is set once. */
	if (atomic_compare_exchange_strong_explicit(&chunk->next, &next, made, memory_order_acq_rel,
						    memory_order_acquire))
		return made;
	free(made);
	return next;
}

struct hnuma_atlas_slot *hnuma_atlas_claim(void)
{
	for (struct chunk *chunk = &first_chunk; chunk; chunk = chunk_after(chunk)) {
		for (unsigned i = 0; i < CHUNK_SLOTS; i++) {
			struct hnuma_atlas_slot *slot = &chunk->slots[i];
			uint64_t sequence =
				atomic_load_explicit(&slot->sequence, memory_order_relaxed);

			/* Acquire pairs with the release of free(). */
			if (sequence % STATES == FREE &&
			    atomic_compare_exchange_strong_explicit(
				    &slot->sequence, &sequence, sequence + HELD - FREE,
				    memory_order_acquire, memory_order_relaxed))
				return slot;
		}
	}
	return NULL;
}

/* Only the slot's owner moves it on from here. */
static void move_on(struct hnuma_atlas_slot *slot, unsigned steps)
{
	uint64_t sequence = atomic_load_explicit(&slot->sequence, memory_order_relaxed);

	atomic_store_explicit(&slot->sequence, sequence + steps, memory_order_release);
}

void hnuma_atlas_show(struct hnuma_atlas_slot *slot, const struct hnuma_region_place *place,
		      unsigned epoch, bool is_inherited)
{
	const memory_order order = memory_order_release;

	atomic_store_explicit(&slot->region, (uintptr_t)place->region, order);
	atomic_store_explicit(&slot->base, (uintptr_t)place->base, order);
	atomic_store_explicit(&slot->size, place->size, order);
	atomic_store_explicit(&slot->page_size, place->page_size, order);
	atomic_store_explicit(&slot->node, place->node, order);
	atomic_store_explicit(&slot->backing, (int)place->backing, order);
	atomic_store_explicit(&slot->epoch, epoch, order);
	atomic_store_explicit(&slot->is_inherited, is_inherited, order);
	move_on(slot, SHOWN - HELD);
}

void hnuma_atlas_hide(struct hnuma_atlas_slot *slot)
{
	move_on(slot, STATES + HELD - SHOWN);
}

void hnuma_atlas_unhide(struct hnuma_atlas_slot *slot)
{
	move_on(slot, SHOWN - HELD);
}

void hnuma_atlas_free(struct hnuma_atlas_slot *slot)
{
	move_on(slot, STATES + FREE - HELD);
}

/* Read one slot: true where it is SHOWN, as a whole, and has one of the bytes. */
static bool look(struct hnuma_atlas_slot *slot, uintptr_t first, size_t length,
		 struct hnuma_region_place *place)
{
	const memory_order order = memory_order_acquire;
	uint64_t before = atomic_load_explicit(&slot->sequence, order);
	uintptr_t base = atomic_load_explicit(&slot->base, order);
	size_t size = atomic_load_explicit(&slot->size, order);
	unsigned epoch;
	bool is_inherited;

	if (before % STATES != SHOWN || (first - base >= size && base - first >= length))
		return false;
	place->region = (const struct hnuma_region *)atomic_load_explicit(&slot->region, order);
	place->base = (void *)base;
	place->size = size;
	place->page_size = atomic_load_explicit(&slot->page_size, order);
	place->node = atomic_load_explicit(&slot->node, order);
	place->backing = (enum hnuma_backing)atomic_load_explicit(&slot->backing, order);
	epoch = atomic_load_explicit(&slot->epoch, order);
	is_inherited = atomic_load_explicit(&slot->is_inherited, order);
	/* What a child of fork() does not have may be anybody's memory there. */
	return atomic_load_explicit(&slot->sequence, memory_order_relaxed) == before &&
	       (is_inherited || !hnuma_process_is_child_of(epoch));
}

bool hnuma_atlas_find(const void *first, size_t length, struct hnuma_region_place *place)
{
	struct hnuma_region_place found;

	memset(place, 0, sizeof(*place));
	for (struct chunk *chunk = &first_chunk; chunk;
	     chunk = atomic_load_explicit(&chunk->next, memory_order_acquire)) {
		for (unsigned i = 0; i < CHUNK_SLOTS; i++) {
			memset(&found, 0, sizeof(found));
			if (look(&chunk->slots[i], (uintptr_t)first, length, &found)) {
				*place = found;
				return true;
			}
		}
	}
	return false;
}

int hnuma_region_of(const void *address, struct hnuma_region_place *place)
{
	if (!place)
		return -EINVAL;
	return hnuma_atlas_find(address, 1, place) ? 0 : -ENOENT;
}
