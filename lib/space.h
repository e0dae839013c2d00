/* SPDX-License-Identifier: MIT */
/*
 * lib/space.h - what a scratch is made of: for scratch.c, space.c, claim.c, listing.c, observe_books.c
 * and tests.
 *
 *	region of node 0                          region of node 1
 *	| space | space | space | ...             | space | space | ...
 *	^ 4 KB  ^ 4 KB  ^ 4 KB                    ^ the spaces' memory, one stride apart
 *
 *	spaces[]:  | header | header | header | header | ...       on the heap, whole cache lines each
 *	            node 0 ..........| node 1 ........
 *	            ^ node_first[0]   ^ node_first[1]
 *
 * May be included from lib/ and tests/.
 */
#ifndef HNUMA_LIB_SPACE_H
#define HNUMA_LIB_SPACE_H

#include <stdatomic.h>

#include <hugenuma.h>

#include "lib/line.h"
#include "lib/poison.h"
#include "numa/ground.h"
#include "numa/process.h"

struct hnuma_cpu_binding;

/* Values of an owner that are no thread: nobody has it; nobody ever will. */
#define HNUMA_OWNER_NONE   ((uintptr_t)0)
#define HNUMA_OWNER_CLOSED ((uintptr_t)1)

/* Each space's memory starts on a boundary of so many bytes. */
#define HNUMA_SPACE_ALIGNMENT ((size_t)4096)

/*
 * Who may write what:
 *
 *	owner		  anybody, by compare-and-swap from 0 to himself; the owner alone, back to 0
 *	(second group)	  the owner; the atomic ones are read by the statistics at any time, and
 *			  relaxed: each is a number of its own
 *	the rest	  nobody after hnuma_scratch_build()
 *
 * Invariants: used <= capacity, both multiples of 64; not is_held implies that no pointer into the
 * space is in use; is_pinned and is_held are false where owner is 0.
 */
struct hnuma_space {
	/*
	 * The thread that has the space: the address of a thread-local variable, which is a
	 * multiple of 64, plus the turn of this claim in the low bits; 0: nobody; see claim.c. To
	 * take it is an acquire, to give it back a release: the partners that hand on all the rest.
	 */
	_Alignas(HNUMA_CACHE_LINE) _Atomic uintptr_t owner;

	_Atomic size_t used;	/* bytes */
	_Atomic uint64_t epoch; /* the scratch's, when the space was last acquired */
	_Atomic bool is_held;	/* between acquire and release */
	bool is_pinned;
	bool is_raw; /* the holder asked for the whole memory: only where is_poisoning */

	bool is_poisoning;
	unsigned process_epoch;
	unsigned char *base;
	size_t capacity;
	struct hnuma_scratch *scratch;

	/* Cold: a second line. */
	_Alignas(HNUMA_CACHE_LINE) struct hnuma_cpu_binding
		*binding; /* pinned: what to go back to */
	int cpu;
	unsigned index; /* of its served node */
};

/* Read-mostly: but for epoch, once per step, nothing changes after hnuma_scratch_build(). */
struct hnuma_scratch {
	_Alignas(HNUMA_CACHE_LINE) unsigned process_epoch;
	unsigned nr_spaces;
	_Atomic uint64_t epoch; /* how many times everything was reset */
	struct hnuma_space *spaces;
	struct hnuma_space **space_of_cpu; /* NULL where the CPU has none */
	unsigned nr_cpus;		   /* length of space_of_cpu */
	enum hnuma_policy policy;
	unsigned *node_first; /* nr_nodes + 1 of them */
	const struct hnuma_ground *ground;

	size_t *offsets; /* of the first space in each node's region */
	size_t space_size;
	struct hnuma_ground own_ground;
	bool owns_ground;
	bool is_closed;		    /* destroy has begun: see hnuma_claim_close() */
	uint64_t listing;	    /* see lib/listing.h */
	struct hnuma_scratch *next; /* list of all, under the lock in claim.c */
};

/* Count a space into the statistics of its scratch, from one reading of its fields. */
static inline void hnuma_space_count(struct hnuma_scratch_stats *stats, uint64_t scratch_epoch,
				     uint64_t epoch, bool is_held, size_t used)
{
	/* Released, and all was reset since: empty, though nobody has touched it yet. */
	if (!is_held && epoch != scratch_epoch)
		return;
	stats->total_used += used;
	if (used > stats->max_space_usage)
		stats->max_space_usage = used;
}

/* Nothing in a space may be used any more. Only where it is_poisoning. */
static __attribute__((noinline, cold, unused)) void hnuma_space_poison(struct hnuma_space *space)
{
	space->is_raw = false;
	hnuma_poison(space->base, space->capacity);
}

/* Put a scratch on the list of those that a thread's end looks through. 0 or -ENOMEM, with message. */
int hnuma_claim_enlist(struct hnuma_scratch *scratch);

/* Take it off; a thread that is ending is waited for. A scratch that is not on the list is ignored. */
void hnuma_claim_delist(struct hnuma_scratch *scratch);

/*
 * Take every space, so that nobody can acquire or pin any more. Returns 0; or how many of them are
 * held or pinned, and then nothing is changed.
 */
unsigned hnuma_claim_close(struct hnuma_scratch *scratch);

/* How many spaces somebody holds or has pinned now. */
unsigned hnuma_claim_nr_taken(const struct hnuma_scratch *scratch);

#endif
