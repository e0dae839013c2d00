/* SPDX-License-Identifier: MIT */
/*
 * bench/limits.c - the limits as subjects: what cannot be gone below with a call into a shared
 * library, and what is left when there is not even a call. Calls bench/limit.h and libc.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "bench/limit.h"
#include "bench/ours.h"
#include "bench/peer.h"

/* As a program would have it: one instruction away. */
#define OWN static _Thread_local __attribute__((tls_model("initial-exec")))

/* ---- Blocks -------------------------------------------------------------------------------------- */

/* No instance has anything: the stacks are the threads' own. */
static void *open_nothing(size_t block_bytes, unsigned nr_blocks)
{
	static char nothing;

	(void)block_bytes;
	(void)nr_blocks;
	return &nothing;
}

static void pairs_calls(void *instance, void **blocks, unsigned batch, uint64_t nr_pairs)
{
	for (uint64_t done = 0; done < nr_pairs; done += batch) {
		for (unsigned i = 0; i < batch; i++)
			blocks[i] = limit_take(instance, 1);
		for (unsigned i = 0; i < batch; i++)
			limit_give(instance, blocks[i]);
	}
}

static void pairs_stack(void *instance, void **blocks, unsigned batch, uint64_t nr_pairs)
{
	for (uint64_t done = 0; done < nr_pairs; done += batch) {
		for (unsigned i = 0; i < batch; i++)
			blocks[i] = limit_stack_take(instance, 1);
		for (unsigned i = 0; i < batch; i++)
			limit_stack_give(instance, blocks[i]);
	}
}

static void pairs_marked(void *instance, void **blocks, unsigned batch, uint64_t nr_pairs)
{
	for (uint64_t done = 0; done < nr_pairs; done += batch) {
		for (unsigned i = 0; i < batch; i++)
			blocks[i] = limit_marked_take(instance, 1);
		for (unsigned i = 0; i < batch; i++)
			limit_marked_give(instance, blocks[i]);
	}
}

static void bulk_marked(void *instance, void **blocks, unsigned batch, uint64_t nr_pairs)
{
	(void)instance;
	for (uint64_t done = 0; done < nr_pairs; done += batch) {
		limit_marked_take_many(blocks, batch);
		limit_marked_give_many(blocks, batch);
	}
}

/* A stack without a library: a thread-local array in the program. */
#define INLINED_SLOTS 4096u

OWN void *slots[INLINED_SLOTS];
OWN unsigned depth;

static void pairs_inlined(void *instance, void **blocks, unsigned batch, uint64_t nr_pairs)
{
	for (unsigned i = 0; i < INLINED_SLOTS; i++)
		slots[i] = (char *)instance + i;
	depth = INLINED_SLOTS;
	for (uint64_t done = 0; done < nr_pairs; done += batch) {
		for (unsigned i = 0; i < batch; i++) {
			blocks[i] = depth ? slots[--depth] : NULL;
			__asm__ volatile("" : : : "memory");
		}
		for (unsigned i = 0; i < batch; i++) {
			if (depth < INLINED_SLOTS)
				slots[depth++] = blocks[i];
			__asm__ volatile("" : : : "memory");
		}
	}
}

/* The same pointers all the time: what the ring alone costs. */
static void produce_nothing(void *instance, struct bench_ring *ring, uint64_t nr_blocks)
{
	for (uint64_t i = 0; i < nr_blocks; i++)
		bench_ring_put(ring, instance);
}

static void consume_nothing(void *instance, struct bench_ring *ring, uint64_t nr_blocks)
{
	(void)instance;
	for (uint64_t i = 0; i < nr_blocks; i++)
		(void)bench_ring_get(ring);
}

/* One side as above; the other does for each block what it takes to see a double release. */
static void consume_swapping(void *instance, struct bench_ring *ring, uint64_t nr_blocks)
{
	for (uint64_t i = 0; i < nr_blocks; i++)
		(void)limit_swap_give(instance, bench_ring_get(ring));
}

static const struct bench_blocks calls = {
	.open = open_nothing,
	.pairs = pairs_calls,
	.produce = produce_nothing,
	.consume = consume_nothing,
};
static const struct bench_blocks stack = {open_nothing, .pairs = pairs_stack};
static const struct bench_blocks marked = {
	.open = open_nothing,
	.pairs = pairs_marked,
	.bulk = bulk_marked,
	.produce = produce_nothing,
	.consume = consume_swapping,
};
static const struct bench_blocks inlined = {open_nothing, .pairs = pairs_inlined};

/* ---- Steps --------------------------------------------------------------------------------------- */

static void *open_arena(size_t capacity_bytes)
{
	struct limit_arena *arena = aligned_alloc(64, sizeof(*arena));
	void *base = arena ? aligned_alloc(4096, capacity_bytes) : NULL;

	if (!base) {
		free(arena);
		return NULL;
	}
	/* Present, as the others' memory is after their first step. */
	memset(base, 0, capacity_bytes);
	*arena = (struct limit_arena){.base = base, .size = capacity_bytes};
	return arena;
}

#define STEPS		      calls
#define STEPS_BEGIN(instance) struct limit_arena *arena = (instance)
#define STEPS_ALLOC(bytes)    limit_alloc(arena, 1, bytes)
#define STEPS_RESET()	      limit_reset(arena)
#define STEPS_MAY_SHARE
#include "bench/steps.h"

#define STEPS			  called
#define STEPS_BEGIN(instance)	  struct limit_arena *arena = (instance)
#define STEPS_ALLOC(bytes)	  limit_alloc_swapping(arena, 1, bytes)
#define STEPS_ALLOC_ZEROED(bytes) memset(limit_alloc_swapping(arena, 1, bytes), 0, bytes)
#define STEPS_RESET()		  limit_reset(arena)
#define STEPS_MAY_SHARE
#include "bench/steps.h"

/* One compare-and-swap for each allocation, in the loop itself. */
static inline void *swap(struct limit_arena *arena, uint64_t bytes)
{
	uint64_t cursor = atomic_load_explicit(&arena->cursor, memory_order_relaxed);

	while (!atomic_compare_exchange_weak_explicit(&arena->cursor, &cursor, cursor + bytes,
						      memory_order_relaxed, memory_order_relaxed))
		;
	return arena->base + cursor;
}

#define STEPS			  swap
#define STEPS_BEGIN(instance)	  struct limit_arena *arena = (instance)
#define STEPS_ALLOC(bytes)	  swap(arena, bytes)
#define STEPS_ALLOC_ZEROED(bytes) memset(swap(arena, bytes), 0, bytes)
#define STEPS_RESET()		  atomic_store_explicit(&arena->cursor, 0, memory_order_relaxed)
#define STEPS_MAY_SHARE
#include "bench/steps.h"

/* One addition that cannot fail and asks nothing: the least that threads with one cursor must do. */
static inline void *add(struct limit_arena *arena, uint64_t bytes)
{
	return arena->base + atomic_fetch_add_explicit(&arena->cursor, bytes, memory_order_relaxed);
}

#define STEPS		      add
#define STEPS_BEGIN(instance) struct limit_arena *arena = (instance)
#define STEPS_ALLOC(bytes)    add(arena, bytes)
#define STEPS_RESET()	      atomic_store_explicit(&arena->cursor, 0, memory_order_relaxed)
#define STEPS_MAY_SHARE
#include "bench/steps.h"

/* A cursor in a register; zeroing is memset() and nothing else. */
static inline void *bump(unsigned char **next, size_t bytes)
{
	unsigned char *memory = *next;

	*next = memory + bytes;
	return memory;
}

#define STEPS bump
#define STEPS_BEGIN(instance)                                                       \
	unsigned char *const base = ((const struct limit_arena *)(instance))->base; \
	unsigned char *next = base
#define STEPS_ALLOC(bytes)	  bump(&next, bytes)
#define STEPS_ALLOC_ZEROED(bytes) memset(bump(&next, bytes), 0, bytes)
#define STEPS_RESET()		  (next = base)
#include "bench/steps.h"

static const struct bench_steps calls_steps = {
	open_arena, calls_run, NULL, calls_fill, calls_reset,
};
static const struct bench_steps called_steps = {
	open_arena, called_run, called_run_zeroed, called_fill, called_reset,
};
static const struct bench_steps swap_steps = {
	open_arena, swap_run, swap_run_zeroed, swap_fill, swap_reset,
};
static const struct bench_steps add_steps = {
	open_arena, add_run, NULL, add_fill, add_reset,
};
static const struct bench_steps bump_steps = {
	.open = open_arena,
	.run = bump_run,
	.run_zeroed = bump_run_zeroed,
};

/* ---- Slices -------------------------------------------------------------------------------------- */

OWN unsigned char own_space[4096];
OWN unsigned char *own_next;

static void *open_own(void)
{
	return open_nothing(0, 0);
}

static void close_own(void *instance)
{
	(void)instance;
}

/* A thread-local pointer, two slices cleared, and back. */
static void run_own(void *instance, uint64_t nr_rounds)
{
	(void)instance;
	for (uint64_t i = 0; i < nr_rounds; i++) {
		void *first, *second;

		own_next = own_space;
		first = memset(own_next, 0, 64);
		own_next += 64;
		second = memset(own_next, 0, 64);
		own_next += 64;
		__asm__ volatile("" : : "r"(first), "r"(second) : "memory");
	}
}

/* Four calls, as many as hugenuma takes, that do nothing. */
static void run_calls(void *instance, uint64_t nr_rounds)
{
	for (uint64_t i = 0; i < nr_rounds; i++) {
		void *space = limit_take(instance, 0);
		void *first = limit_alloc(space, 1, 64);
		void *second = limit_alloc(space, 1, 64);

		__asm__ volatile("" : : "r"(first), "r"(second) : "memory");
		limit_give(instance, space);
	}
}

static const struct bench_slices own = {open_own, close_own, run_own};
static const struct bench_slices four_calls = {open_own, close_own, run_calls};

const struct bench_subject limits[] = {
	{
		.name = LIMIT_CALLS,
		.kind = BENCH_LIMIT,
		.note = "as many calls into a shared library, of functions that do nothing",
		.blocks = &calls,
		.steps = &calls_steps,
		.slices = &four_calls,
	},
	{
		.name = LIMIT_STACK,
		.kind = BENCH_LIMIT,
		.note = "a thread's stack in a shared library; no pool, no checks",
		.blocks = &stack,
	},
	{
		.name = LIMIT_MARKED,
		.kind = BENCH_LIMIT,
		.note = "the same, and a byte per block that shows a double release; transfer: one "
			"compare-and-swap per block, on the consumer's own byte",
		.blocks = &marked,
	},
	{
		.name = LIMIT_INLINED,
		.kind = BENCH_LIMIT,
		.note = "a thread's stack without a call; no pool, no checks",
		.blocks = &inlined,
	},
	{
		.name = LIMIT_BUMP,
		.kind = BENCH_LIMIT,
		.note = "a cursor in a register; zeroed: memset() alone",
		.steps = &bump_steps,
	},
	{
		.name = LIMIT_SWAP,
		.kind = BENCH_LIMIT,
		.note = "one compare-and-swap, without a call; zeroed: and memset()",
		.steps = &swap_steps,
	},
	{
		.name = LIMIT_ADD,
		.kind = BENCH_LIMIT,
		.note = "one atomic addition, without a call or a look at the end",
		.steps = &add_steps,
	},
	{
		.name = LIMIT_CALLED,
		.kind = BENCH_LIMIT,
		.note = "one compare-and-swap in a function of a shared library; zeroed: and "
			"memset()",
		.steps = &called_steps,
	},
	{
		.name = LIMIT_OWN,
		.kind = BENCH_LIMIT,
		.note = "a thread-local pointer, without a call",
		.slices = &own,
	},
	{.name = NULL},
};
