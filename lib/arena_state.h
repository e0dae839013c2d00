/* SPDX-License-Identifier: MIT */
/*
 * lib/arena_state.h - what an arena is made of: for arena.c, lane.c, listing.c, observe_books.c and tests.
 *
 *	word:	 63            40 39                                    0
 *		| allocations    | cursor: lines from the base           |
 *
 * One compare-and-swap on the word both allocates and counts. Nothing else is written by an
 * allocation, so the word has its cache line to itself and what allocations only read has another.
 *
 * May be included from lib/ and tests/.
 */
#ifndef HNUMA_LIB_ARENA_STATE_H
#define HNUMA_LIB_ARENA_STATE_H

#include <stdatomic.h>

#include <hugenuma.h>

#include "lib/line.h"
#include "lib/poison.h"
#include "numa/process.h"

#define HNUMA_ARENA_LINE_BITS 40
#define HNUMA_ARENA_LINE_MASK (((uint64_t)1 << HNUMA_ARENA_LINE_BITS) - 1)
#define HNUMA_ARENA_ONE	      ((uint64_t)1 << HNUMA_ARENA_LINE_BITS) /* one allocation */
#define HNUMA_ARENA_COUNT_MAX (((uint64_t)1 << (64 - HNUMA_ARENA_LINE_BITS)) - 1)

/* How many rewinds an arena remembers exactly: see record_rewind() in arena.c. */
#define HNUMA_ARENA_REWINDS 64

struct hnuma_arena_rewind {
	uint64_t generation; /* that began with this rewind */
	uint64_t line;	     /* where it put the cursor */
};

/*
 * Who may write what:
 *
 *	word		    anybody, by compare-and-swap; reset and rewind by a store
 *	generation, cold    reset and rewind, which the caller keeps apart from all but stats
 *	the rest	    nobody after hnuma_arena_build()
 *
 * Invariants: cursor <= capacity_lines; high_water_lines <= capacity_lines; both fields of
 * rewinds[0..nr_rewinds-1] ascend.
 */
struct hnuma_arena {
	_Alignas(HNUMA_CACHE_LINE) _Atomic uint64_t word;

	/* Read by every allocation. */
	_Alignas(HNUMA_CACHE_LINE) unsigned char *base;
	uint64_t capacity_lines;
	/*
	 * Changed by every reset and rewind: a lane or a mark that notes another value is of the
	 * past. Compared for equality or by difference, so it may wrap. Relaxed wherever it is read
	 * and written: what orders a reset with allocations is the caller's own.
	 */
	_Atomic uint64_t generation;
	uint64_t stretch_lines; /* what a lane takes at a time */
	unsigned process_epoch;
	unsigned fast_epoch; /* the same; one that is past where is_poisoning */
	bool is_poisoning;

	/* Cold. */
	_Alignas(HNUMA_CACHE_LINE) _Atomic uint64_t
		high_water_lines;  /* of the past: without word */
	uint64_t reset_generation; /* that began with the last reset */
	unsigned nr_rewinds;
	struct hnuma_arena_rewind rewinds[HNUMA_ARENA_REWINDS];
	struct hnuma_region *own_region; /* NULL: somebody else's */
	bool is_in_callers;		 /* made by hnuma_arena_create_in() */
	const struct hnuma_region *region;
	size_t offset; /* of the arena in the region, bytes */
	int node;
	uint64_t listing; /* see lib/listing.h */
};

/* The cursor and the count in a word. */
static inline uint64_t hnuma_arena_word_line(uint64_t word)
{
	return word & HNUMA_ARENA_LINE_MASK;
}

static inline uint64_t hnuma_arena_word_count(uint64_t word)
{
	return word >> HNUMA_ARENA_LINE_BITS;
}

/* The statistics, all from one reading of the word, so that they agree. */
static inline void hnuma_arena_count(struct hnuma_arena_stats *stats, uint64_t word,
				     uint64_t capacity_lines, uint64_t high_water_lines)
{
	memset(stats, 0, sizeof(*stats));
	stats->capacity = capacity_lines * HNUMA_CACHE_LINE;
	stats->used = hnuma_arena_word_line(word) * HNUMA_CACHE_LINE;
	stats->remaining = stats->capacity - stats->used;
	stats->high_water_mark = high_water_lines * HNUMA_CACHE_LINE;
	stats->allocation_count = hnuma_arena_word_count(word);
	stats->utilization = (double)stats->used / (double)stats->capacity;
}

/* A word with `lines` and `allocations` more; the count stops at its maximum. */
static inline uint64_t hnuma_arena_word_add(uint64_t word, uint64_t lines, uint64_t allocations)
{
	uint64_t room = HNUMA_ARENA_COUNT_MAX - hnuma_arena_word_count(word);

	if (unlikely(allocations > room))
		allocations = room;
	return word + lines + allocations * HNUMA_ARENA_ONE;
}

/* Try to replace the word; on failure *word is what stands there now. */
static inline bool hnuma_arena_swap_word(struct hnuma_arena *arena, uint64_t *word, uint64_t next)
{
	/*
	 * Relaxed: the word orders nothing. The memory that it hands out was last used before a
	 * reset or rewind, which the caller keeps apart from every allocation by means of his own.
	 * ABA is harmless: whatever happened in between, a word that is equal again says that the
	 * lines above its cursor are nobody's.
	 */
	return atomic_compare_exchange_weak_explicit(&arena->word, word, next, memory_order_relaxed,
						     memory_order_relaxed);
}

/*
 * Take `bytes` from the arena's cursor and count one allocation. Returns NULL, errno ENOMEM or
 * EOWNERDEAD, when it cannot. The memory is still poisoned.
 */
static inline void *hnuma_arena_take(struct hnuma_arena *arena, size_t bytes)
{
	uint64_t lines = hnuma_line_count(bytes);
	uint64_t word;

	if (hnuma_process_is_child_of(arena->process_epoch))
		return hnuma_line_refuse(EOWNERDEAD);
	word = atomic_load_explicit(&arena->word, memory_order_relaxed);
	do {
		if (unlikely(lines > arena->capacity_lines - hnuma_arena_word_line(word)))
			return hnuma_line_refuse(ENOMEM);
	} while (unlikely(
		!hnuma_arena_swap_word(arena, &word, hnuma_arena_word_add(word, lines, 1))));
	return arena->base + hnuma_arena_word_line(word) * HNUMA_CACHE_LINE;
}

/* Under ASan or Valgrind: allow so many bytes, and not the rest of the last line. */
static __attribute__((noinline, cold, unused)) void *hnuma_arena_unpoison(void *memory,
									  size_t bytes, bool clear)
{
	if (!memory)
		return NULL;
	hnuma_unpoison(memory, bytes);
	return clear ? memset(memory, 0, bytes) : memory;
}

/* Make an allocation usable, or pass on NULL: with its content unknown, or all zero. */
static inline void *hnuma_arena_open_bytes(const struct hnuma_arena *arena, void *memory,
					   size_t bytes)
{
	if (unlikely(arena->is_poisoning))
		return hnuma_arena_unpoison(memory, bytes, false);
	return memory;
}

static inline void *hnuma_arena_clear_bytes(const struct hnuma_arena *arena, void *memory,
					    size_t bytes)
{
	if (unlikely(arena->is_poisoning))
		return hnuma_arena_unpoison(memory, bytes, true);
	return likely(memory) ? hnuma_line_clear(memory, bytes) : NULL;
}

#endif
