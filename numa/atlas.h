/* SPDX-License-Identifier: MIT */
/*
 * numa/atlas.h - which region is an address in? Answered in a signal handler, too.
 *
 * A table of slots, in chunks that are added and never freed, so that who goes over them need not
 * wait for anybody. A slot is one region's from claim to free:
 *
 *	       claim        show         hide          free
 *	FREE ---------> HELD ------> SHOWN ------> HELD ------> FREE     sequence % 4: 0 1 2 1 0
 *
 *	                find      claim     show, hide, free
 *	find             yes       yes       yes
 *	claim                      (c)       yes               (c): the exchange gives a slot to one
 *	show, hide, free                     of another slot; of the same the owner calls them in turn
 *
 * The sequence only grows, by the step to the next state, so a value stands for one state of one
 * region's and never comes again: no ABA. While it says SHOWN the other words stand still.
 *
 * Why find() is right. It loads the sequence, the words, and the sequence again. Words of SHOWN are
 * seen, since show() stores the sequence with release order after them, and find() loads it with
 * acquire order. Were a word already the next region's, then its store, which has release order and
 * comes after the sequence left SHOWN in the same thread or in one that claimed the slot since (the
 * exchange has acquire order and reads what free() stored with release order), has been read by a
 * load with acquire order: so the second load of the sequence finds another value. (A fence would
 * do for all words at once, but ThreadSanitizer does not know fences.)
 *
 * Why it is wait-free: a slot whose sequence has changed between is passed over, not read again. A
 * region that is there during the whole call does not change its slot, so it is found. One that
 * came or went meanwhile may be found or not: either was true at some moment of the call. And a
 * handler that interrupts show() or hide() finds HELD and passes on.
 *
 * Calls nothing but malloc(), and that in claim only.
 */
#ifndef HNUMA_NUMA_ATLAS_H
#define HNUMA_NUMA_ATLAS_H

#include <stdatomic.h>
#include <stdbool.h>

#include <hugenuma.h>

struct hnuma_atlas_slot {
	_Atomic uint64_t sequence;
	/* Of the region: written by the slot's owner in HELD. */
	_Atomic uintptr_t region;
	_Atomic uintptr_t base;
	_Atomic size_t size;
	_Atomic size_t page_size;
	_Atomic int node;
	_Atomic int backing;
	_Atomic unsigned epoch; /* of the process that has it */
	_Atomic bool is_inherited;
};

/* Make a slot the caller's: HELD. NULL when there is no memory for more; sets no message. */
struct hnuma_atlas_slot *hnuma_atlas_claim(void);

/* From now on an address of the region is found. `epoch`: of the region. */
void hnuma_atlas_show(struct hnuma_atlas_slot *slot, const struct hnuma_region_place *place,
		      unsigned epoch, bool is_inherited);

/* Not any more, for the time being. */
void hnuma_atlas_hide(struct hnuma_atlas_slot *slot);

/* Show again what was hidden. */
void hnuma_atlas_unhide(struct hnuma_atlas_slot *slot);

/* Is there a region in these bytes that is shown to this process? One of them, in *place. */
bool hnuma_atlas_find(const void *first, size_t length, struct hnuma_region_place *place);

/* Of a slot that is HELD. */
void hnuma_atlas_free(struct hnuma_atlas_slot *slot);

#endif
