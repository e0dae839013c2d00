/* SPDX-License-Identifier: MIT */
/*
 * tools/memory_hugenuma.c - a replay's memory on hugenuma's manager: blocks from the pool, a step's
 * memory through a lane of the node's arena, scores from the worker's own scratch space. Calls
 * <hugenuma.h> and libc.
 */
#include "config.h"

#include <stdlib.h>

#include <hugenuma.h>

#include "tools/memory.h"

struct manager {
	struct hnuma_manager *manager;
	struct hnuma_pool *pool;
	struct hnuma_scratch *scratch;
	enum hnuma_class block_class;
	struct hnuma_arena *arenas[]; /* by index of the node */
};

static int enter(struct memory_worker *worker)
{
	struct manager *own = worker->memory->own;
	struct hnuma_space *space;
	int error;

	error = hnuma_scratch_pin(own->scratch, worker->cpu);
	if (error)
		return error;
	error = hnuma_lane_open(&worker->lane, own->arenas[worker->node]);
	if (error)
		goto unpin;
	/*
	 * The first call of each kind, so that whatever it sets up is there before the first
	 * step.
	 */
	space = hnuma_scratch_acquire(own->scratch);
	hnuma_scratch_release(space);
	(void)hnuma_errormsg();
	return 0;

unpin:
	hnuma_scratch_unpin(own->scratch);
	return error;
}

static void leave(struct memory_worker *worker)
{
	struct manager *own = worker->memory->own;

	hnuma_lane_close(&worker->lane);
	hnuma_scratch_unpin(own->scratch);
}

static int acquire_bulk(struct memory_worker *worker, void **blocks, size_t nr_blocks)
{
	struct manager *own = worker->memory->own;

	return hnuma_pool_acquire_bulk(own->pool, own->block_class, blocks, nr_blocks);
}

static void *acquire(struct memory_worker *worker)
{
	struct manager *own = worker->memory->own;

	return hnuma_pool_acquire(own->pool, own->block_class);
}

static int release_bulk(struct memory_worker *worker, void *const *blocks, size_t nr_blocks)
{
	struct manager *own = worker->memory->own;

	return hnuma_pool_release_bulk(own->pool, blocks, nr_blocks);
}

static void *step_alloc(struct memory_worker *worker, size_t bytes)
{
	return hnuma_lane_alloc_uninit(&worker->lane, 1, bytes);
}

/* The lane starts anew by itself when the arena has been reset. */
static void step_end(struct memory_worker *worker)
{
	(void)worker;
}

static void step_reset(struct memory *memory, unsigned node)
{
	struct manager *own = memory->own;

	hnuma_arena_reset(own->arenas[node]);
}

static void *scratch_acquire(struct memory_worker *worker, size_t bytes)
{
	struct manager *own = worker->memory->own;
	void *scores;

	worker->space = hnuma_scratch_acquire(own->scratch);
	if (!worker->space)
		return NULL;
	scores = hnuma_space_alloc(worker->space, 1, bytes);
	if (!scores)
		hnuma_scratch_release(worker->space);
	return scores;
}

static int scratch_release(struct memory_worker *worker, void *scores)
{
	(void)scores;
	return hnuma_scratch_release(worker->space);
}

static int close_manager(struct memory *memory)
{
	struct manager *own = memory->own;
	int error = hnuma_manager_destroy(own->manager);

	if (error)
		return error;
	free(own);
	memory->own = NULL;
	return 0;
}

static const struct memory_ops hugenuma_ops = {
	.name = "hugenuma",
	.enter = enter,
	.leave = leave,
	.acquire_bulk = acquire_bulk,
	.acquire = acquire,
	.release_bulk = release_bulk,
	.step_alloc = step_alloc,
	.step_end = step_end,
	.step_reset = step_reset,
	.scratch_acquire = scratch_acquire,
	.scratch_release = scratch_release,
	.close = close_manager,
};

int memory_hugenuma_open(struct memory *memory, const struct hnuma_topology *topology,
			 const struct hnuma_config *config, enum hnuma_class block_class)
{
	struct manager *own;
	unsigned i;
	int error;

	own = calloc(1, sizeof(*own) + memory->nr_nodes * sizeof(own->arenas[0]));
	if (!own)
		return -ENOMEM;
	error = hnuma_manager_create(&own->manager, topology, config);
	if (error)
		goto free_own;
	own->pool = hnuma_manager_pool(own->manager);
	own->scratch = hnuma_manager_scratch(own->manager);
	own->block_class = block_class;
	for (i = 0; i < memory->nr_nodes; i++)
		own->arenas[i] = hnuma_manager_arena(own->manager, memory->nodes[i]);
	memory->ops = &hugenuma_ops;
	memory->block_bytes = hnuma_class_size(block_class);
	memory->blocks_per_node = config->pool_bytes_per_node / memory->block_bytes;
	memory->scratch_bytes = config->scratch_size;
	memory->own = own;
	return 0;

free_own:
	free(own);
	return error;
}

int memory_hugenuma_classes(const struct memory *memory, struct memory_class_row *rows)
{
	const struct manager *own = memory->own;
	unsigned i, c;
	int error;

	for (i = 0; i < memory->nr_nodes; i++) {
		for (c = 0; c < HNUMA_NR_CLASSES; c++, rows++) {
			rows->node = memory->nodes[i];
			rows->class_index = (enum hnuma_class)c;
			error = hnuma_pool_class_stats(own->pool, rows->node, rows->class_index,
						       &rows->stats);
			if (error)
				return error;
		}
	}
	return 0;
}

static int object_row(struct memory_object_row *row, int node, const char *object,
		      const struct hnuma_region *region, int error)
{
	row->node = node;
	row->object = object;
	return error ? error : hnuma_region_info(region, &row->info);
}

/* The rows of one node. One that has no scratch spaces has no row of them. */
static int node_objects(const struct manager *own, unsigned index, int node,
			struct memory_object_row *rows, unsigned *nr_rows)
{
	const struct hnuma_region *region = hnuma_manager_region(own->manager, node);
	struct memory_object_row *row = rows;
	int error;

	error = hnuma_pool_verify(own->pool, node, &row->placement);
	error = object_row(row++, node, "pool", hnuma_pool_region(own->pool, node), error);
	if (error)
		return error;
	error = hnuma_arena_verify(own->arenas[index], &row->placement);
	error = object_row(row++, node, "arena", hnuma_arena_region(own->arenas[index]), error);
	if (error)
		return error;
	error = hnuma_scratch_verify(own->scratch, node, &row->placement);
	if (error != -ENODEV) {
		error = object_row(row++, node, "scratch", hnuma_scratch_region(own->scratch, node),
				   error);
		if (error)
			return error;
	}
	error = hnuma_region_verify(region, &row->placement);
	error = object_row(row++, node, "all", region, error);
	*nr_rows = (unsigned)(row - rows);
	return error;
}

int memory_hugenuma_objects(const struct memory *memory, struct memory_object_row *rows,
			    unsigned *nr_rows)
{
	unsigned i, more;
	int error = 0;

	*nr_rows = 0;
	for (i = 0; i < memory->nr_nodes && !error; i++) {
		error = node_objects(memory->own, i, memory->nodes[i], rows + *nr_rows, &more);
		*nr_rows += error ? 0 : more;
	}
	return error;
}

int memory_hugenuma_check(const struct memory *memory)
{
	const struct manager *own = memory->own;

	return hnuma_pool_check(own->pool);
}
