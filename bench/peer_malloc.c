/* SPDX-License-Identifier: MIT */
/*
 * bench/peer_malloc.c - a peer that is a malloc(): glibc's, or that of the library that the module is
 * linked to (PEER_NAME says whose). With PEER_MIMALLOC also mimalloc's heaps, which are given up as
 * a whole. Calls libc and that library.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "bench/peer.h"

/* The only thing that an instance is. */
static void *open_blocks(size_t block_bytes, unsigned nr_blocks)
{
	(void)nr_blocks;
	return (void *)(uintptr_t)block_bytes;
}

#define BLOCKS_BEGIN(instance) const size_t bytes = (uintptr_t)(instance)
#define BLOCKS_TAKE()	       malloc(bytes)
/* A reader of the loops sees a use of `bytes` also where blocks are only given. */
#define BLOCKS_GIVE(block) ((void)bytes, free(block))

#include "bench/loops.h"

static const struct bench_blocks blocks = {
	.open = open_blocks,
	.pairs = loop_pairs,
	.produce = loop_produce,
	.consume = loop_consume,
	.produce_many = loop_produce_many,
	.consume_many = loop_consume_many,
	.tail = loop_tail,
};

/* What stands in for a scratch: two slices of zeroed memory, and away with them. */
static void *open_slices(void)
{
	static char nothing;

	return &nothing;
}

static void close_slices(void *instance)
{
	(void)instance;
}

static void run_slices(void *instance, uint64_t nr_rounds)
{
	(void)instance;
	for (uint64_t i = 0; i < nr_rounds; i++) {
		void *first = calloc(1, 64);
		void *second = calloc(1, 64);

		__asm__ volatile("" : : "r"(first), "r"(second) : "memory");
		free(second);
		free(first);
	}
}

static const struct bench_slices slices = {open_slices, close_slices, run_slices};

#ifdef PEER_MIMALLOC

#include <mimalloc.h>

/* An instance is where the thread's present heap stands. */
static void *open_heap(size_t capacity_bytes)
{
	mi_heap_t **slot = malloc(sizeof(*slot));

	(void)capacity_bytes;
	if (slot)
		*slot = mi_heap_new();
	return slot;
}

#define STEPS heap
#define STEPS_BEGIN(instance)          \
	mi_heap_t **slot = (instance); \
	mi_heap_t *heap = *slot
#define STEPS_ALLOC(bytes)	  mi_heap_malloc(heap, bytes)
#define STEPS_ALLOC_ZEROED(bytes) mi_heap_zalloc(heap, bytes)
#define STEPS_RESET()		  (mi_heap_destroy(heap), *slot = heap = mi_heap_new())
#include "bench/steps.h"

static const struct bench_steps steps = {
	.open = open_heap,
	.run = heap_run,
	.run_zeroed = heap_run_zeroed,
};

#endif

const struct bench_subject *bench_peer_open(const char **reason)
{
	static struct bench_subject subjects[2];

	*reason = NULL;
	subjects[0] = (struct bench_subject){
		.name = PEER_NAME,
		.kind = BENCH_PEER,
		.blocks = &blocks,
		.slices = &slices,
		.preload = (const void *)(uintptr_t)malloc,
	};
#ifdef PEER_MIMALLOC
	subjects[0].steps = &steps;
	subjects[0].note = "steps: a heap destroyed each step";
#endif
	return subjects;
}
