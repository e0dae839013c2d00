/* SPDX-License-Identifier: MIT */
/*
 * bench/ours.c - hugenuma as a subject: through the shared library and the public headers, with every
 * check that it always has. A module like every peer: where a program calls a library from decides
 * about a nanosecond for each call (README.md). Calls <hugenuma.h> and libc.
 */
#include "config.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include <hugenuma.h>

#include "bench/limit.h"
#include "bench/ours.h"
#include "bench/peer.h"

static struct hnuma_topology *topology;

struct instance {
	struct hnuma_pool *pool;
	enum hnuma_class class_index;
};

#define BLOCKS_BEGIN(instance_)                                                 \
	struct hnuma_pool *pool = ((const struct instance *)(instance_))->pool; \
	const enum hnuma_class class_index = ((const struct instance *)(instance_))->class_index
#define BLOCKS_TAKE()		    hnuma_pool_acquire(pool, class_index)
#define BLOCKS_GIVE(block)	    ((void)class_index, hnuma_pool_release(pool, block))
#define BLOCKS_TAKE_MANY(blocks, n) hnuma_pool_acquire_bulk(pool, class_index, blocks, n)
#define BLOCKS_GIVE_MANY(blocks, n) ((void)class_index, hnuma_pool_release_bulk(pool, blocks, n))

#include "bench/loops.h"

static void *open_blocks(size_t block_bytes, unsigned nr_blocks)
{
	struct hnuma_pool_attr attr = HNUMA_POOL_ATTR_INIT;
	struct instance *instance = malloc(sizeof(*instance));
	void **held = malloc(nr_blocks * sizeof(*held));

	attr.buffers_per_class = nr_blocks;
	/* Only this class is used. */
	attr.bytes_per_node = nr_blocks * block_bytes;
	attr.least_backing = HNUMA_BACKING_BASE;
	attr.flags = HNUMA_RELAXED;
	if (!instance || !held || hnuma_pool_create(&instance->pool, topology, &attr))
		goto free_all;
	instance->class_index = (enum hnuma_class)hnuma_class_for_size(block_bytes);
	if (loop_has_blocks(instance, held, nr_blocks)) {
		free(held);
		return instance;
	}
	hnuma_pool_destroy(instance->pool);
free_all:
	free(held);
	free(instance);
	return NULL;
}

static const struct bench_blocks blocks = {
	.open = open_blocks,
	.pairs = loop_pairs,
	.bulk = loop_bulk,
	.produce = loop_produce,
	.consume = loop_consume,
	.produce_many = loop_produce_many,
	.consume_many = loop_consume_many,
	.tail = loop_tail,
};

static void *open_arena(size_t capacity_bytes)
{
	struct hnuma_arena_attr attr = HNUMA_ARENA_ATTR_INIT;
	struct hnuma_arena *arena;

	attr.capacity = capacity_bytes;
	attr.least_backing = HNUMA_BACKING_BASE;
	attr.flags = HNUMA_RELAXED;
	return hnuma_arena_create(&arena, topology, &attr) ? NULL : arena;
}

#define STEPS			  shared
#define STEPS_BEGIN(instance)	  struct hnuma_arena *arena = (instance)
#define STEPS_ALLOC(bytes)	  hnuma_arena_alloc_uninit(arena, 1, bytes)
#define STEPS_ALLOC_ZEROED(bytes) hnuma_arena_alloc(arena, 1, bytes)
#define STEPS_RESET()		  hnuma_arena_reset(arena)
#define STEPS_MAY_SHARE
#include "bench/steps.h"

static const struct bench_steps steps = {
	open_arena, shared_run, shared_run_zeroed, shared_fill, shared_reset,
};

/* What the manual advises to threads that share an arena: each has a lane of its own. */
static void fill_by_lane(void *instance, size_t bytes, unsigned nr_allocations)
{
	struct hnuma_lane lane;

	if (hnuma_lane_open(&lane, instance))
		abort();
	for (unsigned i = 0; i < nr_allocations; i++) {
		void *memory = hnuma_lane_alloc_uninit(&lane, 1, bytes);

		__asm__ volatile("" : : "r"(memory));
	}
	hnuma_lane_close(&lane);
}

static const struct bench_steps lanes_steps = {
	.open = open_arena,
	.fill = fill_by_lane,
	.reset = shared_reset,
};

struct lane {
	struct hnuma_arena *arena;
	struct hnuma_lane lane;
};

static void *open_lane(size_t capacity_bytes)
{
	struct lane *lane = malloc(sizeof(*lane));

	if (!lane)
		return NULL;
	lane->arena = open_arena(capacity_bytes);
	if (lane->arena && hnuma_lane_open(&lane->lane, lane->arena) == 0)
		return lane;
	hnuma_arena_destroy(lane->arena);
	free(lane);
	return NULL;
}

#define STEPS lane
#define STEPS_BEGIN(instance)                                           \
	struct hnuma_arena *arena = ((struct lane *)(instance))->arena; \
	struct hnuma_lane *lane = &((struct lane *)(instance))->lane
#define STEPS_ALLOC(bytes)	  hnuma_lane_alloc_uninit(lane, 1, bytes)
#define STEPS_ALLOC_ZEROED(bytes) hnuma_lane_alloc(lane, 1, bytes)
#define STEPS_RESET()		  hnuma_arena_reset(arena)
#include "bench/steps.h"

static const struct bench_steps lane_steps = {
	.open = open_lane,
	.run = lane_run,
	.run_zeroed = lane_run_zeroed,
};

static void *open_scratch(void)
{
	struct hnuma_scratch_attr attr = HNUMA_SCRATCH_ATTR_INIT;
	struct hnuma_scratch *scratch;

	attr.least_backing = HNUMA_BACKING_BASE;
	attr.flags = HNUMA_RELAXED;
	if (hnuma_scratch_create(&scratch, topology, &attr))
		return NULL;
	if (hnuma_scratch_pin(scratch, sched_getcpu()) == 0)
		return scratch;
	hnuma_scratch_destroy(scratch);
	return NULL;
}

static void close_scratch(void *instance)
{
	hnuma_scratch_unpin(instance);
	hnuma_scratch_destroy(instance);
}

/* Get, two slices, give back: what was in the space is gone with that, as after a reset. */
static void run_slices(void *instance, uint64_t nr_rounds)
{
	struct hnuma_scratch *scratch = instance;

	for (uint64_t i = 0; i < nr_rounds; i++) {
		struct hnuma_space *space = hnuma_scratch_acquire(scratch);
		void *first = hnuma_space_alloc(space, 1, 64);
		void *second = hnuma_space_alloc(space, 1, 64);

		__asm__ volatile("" : : "r"(first), "r"(second) : "memory");
		hnuma_scratch_release(space);
	}
}

static const struct bench_slices slices = {open_scratch, close_scratch, run_slices};

/* The same space all the time, and a reset in place of give back and get. */
static void run_kept(void *instance, uint64_t nr_rounds)
{
	struct hnuma_space *space = hnuma_scratch_acquire(instance);

	for (uint64_t i = 0; i < nr_rounds; i++) {
		void *first = hnuma_space_alloc(space, 1, 64);
		void *second = hnuma_space_alloc(space, 1, 64);

		__asm__ volatile("" : : "r"(first), "r"(second) : "memory");
		hnuma_space_reset(space);
	}
	hnuma_scratch_release(space);
}

static const struct bench_slices kept = {open_scratch, close_scratch, run_kept};

static const struct bench_subject ours[] = {
	{
		.name = OURS,
		.kind = BENCH_OURS,
		.blocks = &blocks,
		.steps = &steps,
		.lane_steps = &lane_steps,
		.slices = &slices,
	},
	{
		.name = OURS_KEPT,
		.kind = BENCH_VARIANT,
		.note = "two slices and a reset in a space that the thread keeps",
		.slices = &kept,
	},
	{
		.name = OURS_LANES,
		.kind = BENCH_VARIANT,
		.note = "each thread opens a lane of its own for its part of the step",
		.steps = &lanes_steps,
	},
};

/* Ours first, then the limits. */
const struct bench_subject *bench_peer_open(const char **reason)
{
	static struct bench_subject subjects[16];
	unsigned nr = sizeof(ours) / sizeof(ours[0]);

	if (hnuma_topology_create(&topology)) {
		*reason = hnuma_errormsg();
		return NULL;
	}
	memcpy(subjects, ours, sizeof(ours));
	for (unsigned i = 0; limits[i].name; i++)
		subjects[nr++] = limits[i];
	return subjects;
}
