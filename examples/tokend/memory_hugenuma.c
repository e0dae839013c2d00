/* SPDX-License-Identifier: MIT */
/*
 * memory_hugenuma.c - the server's memory from the library: one manager over the nodes that have
 * workers, and an arena of its own for each worker's steps.
 *
 * A node's arena in the manager is shared by all that run there, and resetting it would take every
 * worker's step away at once. Workers that keep their own time want arenas of their own.
 */
#include "memory.h"

#include <stdio.h>

/* Blocks that other CPUs have at hand, and pages that are dealt to another class, never starve us. */
#define SPARE_BYTES ((size_t)4 * 1024 * 1024)

/* The most workers on one node: the manager gives every node the same. */
static unsigned most_on_a_node(const struct memory *memory)
{
	const struct memory_needs *needs = &memory->needs;
	unsigned most = 1;

	for (unsigned i = 0; i < needs->nr_cpus; i++) {
		int node = hnuma_topology_node_of_cpu(memory->topology, needs->cpus[i]);
		unsigned here = 0;

		for (unsigned j = 0; j < needs->nr_cpus; j++)
			here += hnuma_topology_node_of_cpu(memory->topology, needs->cpus[j]) ==
				node;
		most = here > most ? here : most;
	}
	return most;
}

static int create(struct memory *memory)
{
	const struct memory_needs *needs = &memory->needs;
	struct hnuma_config config = HNUMA_CONFIG_INIT;
	size_t workers = most_on_a_node(memory);

	config.arena_capacity = needs->node_bytes + workers * needs->worker_bytes;
	config.buffers_per_class = workers * needs->nr_blocks;
	config.pool_bytes_per_node = workers * needs->nr_blocks * needs->block_bytes + SPARE_BYTES;
	config.scratch_size = needs->scores_bytes;
	config.least_backing = needs->least_backing;
	config.flags = needs->is_relaxed ? HNUMA_RELAXED : 0;
	for (unsigned i = 0; i < needs->nr_cpus; i++)
		hnuma_nodeset_add(&config.nodes,
				  hnuma_topology_node_of_cpu(memory->topology, needs->cpus[i]));
	return hnuma_manager_create(&memory->manager, memory->topology, &config);
}

static int destroy(struct memory *memory)
{
	return hnuma_manager_destroy(memory->manager);
}

static void *node_alloc(struct memory *memory, int node, size_t bytes)
{
	return hnuma_arena_alloc(hnuma_manager_arena(memory->manager, node), bytes, 1);
}

static int worker_open(struct worker_memory *worker)
{
	const struct memory *memory = worker->memory;
	struct hnuma_arena_attr attr = HNUMA_ARENA_ATTR_INIT;
	int error;

	attr.capacity = memory->needs.step_bytes;
	attr.node = worker->node;
	attr.least_backing = memory->needs.least_backing;
	attr.flags = memory->needs.is_relaxed ? HNUMA_RELAXED : 0;
	error = hnuma_arena_create(&worker->arena, memory->topology, &attr);
	if (error)
		return error;
	error = hnuma_scratch_pin(hnuma_manager_scratch(memory->manager), worker->cpu);
	if (error) {
		hnuma_arena_destroy(worker->arena);
		worker->arena = NULL;
	}
	return error;
}

static void worker_close(struct worker_memory *worker)
{
	hnuma_scratch_unpin(hnuma_manager_scratch(worker->memory->manager));
	hnuma_arena_destroy(worker->arena);
}

static void step_reset(struct worker_memory *worker)
{
	hnuma_arena_reset(worker->arena);
}

static void *step_alloc(struct worker_memory *worker, size_t count, size_t bytes)
{
	return hnuma_arena_alloc_uninit(worker->arena, count, bytes);
}

static struct step_mark step_mark(struct worker_memory *worker)
{
	return (struct step_mark){.arena = hnuma_arena_mark(worker->arena)};
}

static void step_rewind(struct worker_memory *worker, struct step_mark mark)
{
	hnuma_arena_rewind(worker->arena, mark.arena);
}

static float *scores_begin(struct worker_memory *worker, size_t count)
{
	worker->space = hnuma_scratch_acquire(hnuma_manager_scratch(worker->memory->manager));
	return worker->space ? hnuma_space_alloc(worker->space, count, sizeof(float)) : NULL;
}

static void scores_end(struct worker_memory *worker)
{
	hnuma_scratch_release(worker->space);
	worker->space = NULL;
}

static int take_blocks(struct worker_memory *worker, void **blocks, size_t nr_blocks)
{
	const struct memory *memory = worker->memory;
	int class_index = hnuma_class_for_size(memory->needs.block_bytes);

	return hnuma_pool_acquire_bulk_on(hnuma_manager_pool(memory->manager), worker->node,
					  (enum hnuma_class)class_index, blocks, nr_blocks);
}

static void give_blocks(struct worker_memory *worker, void **blocks, size_t nr_blocks)
{
	/* Refused is only what is not a block, or not out: a fault of ours, and worth a line. */
	if (hnuma_pool_release_bulk(hnuma_manager_pool(worker->memory->manager), blocks, nr_blocks))
		fprintf(stderr, "tokend: %s\n", hnuma_errormsg());
}

const struct memory_ops memory_hugenuma = {
	.name = "hugenuma",
	.is_paged = true,
	.create = create,
	.destroy = destroy,
	.node_alloc = node_alloc,
	.worker_open = worker_open,
	.worker_close = worker_close,
	.step_reset = step_reset,
	.step_alloc = step_alloc,
	.step_mark = step_mark,
	.step_rewind = step_rewind,
	.scores_begin = scores_begin,
	.scores_end = scores_end,
	.take_blocks = take_blocks,
	.give_blocks = give_blocks,
};
