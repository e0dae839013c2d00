/* SPDX-License-Identifier: MIT */
/*
 * lib/manager.c - one region per node with an arena, a part of the pool and scratch spaces in it.
 *
 * Made from a plan (plan.c), which says where in the regions each part lies. Calls the three parts
 * and numa/ground.
 *
 *	             arena(), pool(), ...   stats, verify   reset_step       destroy
 *	arena() ...   yes                    yes             yes              no
 *	stats ...                            yes             yes              no
 *	reset_step                                           see arena.h      no
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include <hugenuma.h>

#include "lib/arena.h"
#include "lib/listing.h"
#include "lib/manager.h"
#include "lib/plan.h"
#include "lib/pool.h"
#include "lib/scratch.h"
#include "numa/error.h"
#include "numa/ground.h"
#include "numa/process.h"

struct hnuma_manager {
	/* Constant once made; a destroy that must be tried again leaves arenas, pool and scratch NULL. */
	unsigned epoch; /* of the process, see numa/process.h */
	struct hnuma_ground ground;
	struct hnuma_arena **arenas; /* by the index of the served node */
	struct hnuma_pool *pool;
	struct hnuma_scratch *scratch;
	struct hnuma_plan *plan;
	uint64_t listing; /* see lib/listing.h */
};

int hnuma_config_for_model(struct hnuma_config *config, size_t hidden_dim, size_t vocab_size,
			   size_t batch_size)
{
	const size_t margin = 4 * sizeof(float);
	struct hnuma_config result = HNUMA_CONFIG_INIT;
	int error;

	if (!config)
		return hnuma_error_set(-EINVAL, "config is NULL");
	if (hidden_dim == 0 || vocab_size == 0 || batch_size == 0)
		return hnuma_error_set(-EINVAL,
				       "a model with hidden_dim %zu, vocab_size %zu and batch_size "
				       "%zu: none may be 0",
				       hidden_dim, vocab_size, batch_size);
	if (__builtin_add_overflow(hidden_dim, vocab_size, &result.arena_capacity) ||
	    __builtin_mul_overflow(result.arena_capacity, batch_size, &result.arena_capacity) ||
	    __builtin_mul_overflow(result.arena_capacity, margin, &result.arena_capacity))
		return hnuma_error_set(-EOVERFLOW,
				       "an arena for hidden_dim %zu, vocab_size %zu and batch_size "
				       "%zu is larger than the address space",
				       hidden_dim, vocab_size, batch_size);
	error = hnuma_scratch_size_for_model(hidden_dim, &result.scratch_size);
	if (error)
		return error;
	*config = result;
	return 0;
}

/* Take the regions: the only thing that can fail for want of pages. */
static int take_ground(struct hnuma_manager *manager, const struct hnuma_topology *topology)
{
	const struct hnuma_plan *plan = manager->plan;
	const unsigned nr_nodes = plan->service.nr_nodes;
	struct hnuma_ground_request request = {
		.name = "manager",
		.least_backing = plan->config.least_backing,
		.policy = plan->config.policy,
		.flags = plan->config.flags & HNUMA_OBJECT_FLAGS,
		.hooks = plan->config.hooks,
	};
	size_t *sizes = calloc(nr_nodes, sizeof(*sizes));
	int error;

	if (!sizes)
		return hnuma_error_set(-ENOMEM, "no memory for a manager's list of nodes");
	for (unsigned i = 0; i < nr_nodes; i++)
		sizes[i] = plan->layouts[i].size;
	request.sizes = sizes;
	error = hnuma_ground_create(&manager->ground, topology, &plan->service, &request);
	free(sizes);
	return error;
}

static int build_pool(struct hnuma_manager *manager)
{
	const struct hnuma_plan *plan = manager->plan;
	const unsigned nr_nodes = plan->service.nr_nodes;
	struct hnuma_pool_place *places = calloc(nr_nodes, sizeof(*places));
	int error;

	if (!places)
		return hnuma_error_set(-ENOMEM, "no memory for a manager's list of nodes");
	for (unsigned i = 0; i < nr_nodes; i++)
		places[i].pages = plan->layouts[i].pages;
	error = hnuma_pool_build(&manager->pool, &manager->ground, &plan->pool, places);
	free(places);
	return error;
}

static int build_scratch(struct hnuma_manager *manager)
{
	const struct hnuma_plan *plan = manager->plan;
	const unsigned nr_nodes = plan->service.nr_nodes;
	size_t *offsets = calloc(nr_nodes, sizeof(*offsets));
	int error;

	if (!offsets)
		return hnuma_error_set(-ENOMEM, "no memory for a manager's list of nodes");
	for (unsigned i = 0; i < nr_nodes; i++)
		offsets[i] = plan->layouts[i].scratch;
	error = hnuma_scratch_build(&manager->scratch, &manager->ground, &plan->scratch, offsets);
	free(offsets);
	return error;
}

static int build_arenas(struct hnuma_manager *manager)
{
	const struct hnuma_plan *plan = manager->plan;
	int error = 0;

	manager->arenas = calloc(plan->service.nr_nodes, sizeof(struct hnuma_arena *));
	if (!manager->arenas)
		return hnuma_error_set(-ENOMEM, "no memory for a manager's list of arenas");
	for (unsigned i = 0; i < plan->service.nr_nodes && !error; i++)
		error = hnuma_arena_build(&manager->arenas[i], manager->ground.regions[i],
					  plan->service.nodes[i], plan->layouts[i].arena,
					  plan->arena_capacity);
	return error;
}

/* Free the parts; their memory stays. They may be half made, or gone already. */
static void free_parts(struct hnuma_manager *manager)
{
	hnuma_directory_remove(manager->listing);
	for (unsigned i = 0; manager->arenas && i < manager->plan->service.nr_nodes; i++)
		hnuma_arena_free(manager->arenas[i]);
	free(manager->arenas);
	manager->arenas = NULL;
	hnuma_scratch_free(manager->scratch);
	manager->scratch = NULL;
	hnuma_pool_free(manager->pool);
	manager->pool = NULL;
}

/* For those who look at this process from outside. */
static void enlist(struct hnuma_manager *manager)
{
	manager->listing = hnuma_listing_add_manager(&manager->ground.service);
	for (unsigned i = 0; i < manager->plan->service.nr_nodes; i++)
		hnuma_listing_add_arena(manager->arenas[i], manager->listing);
	hnuma_listing_add_pool(manager->pool, manager->listing);
	hnuma_listing_add_scratch(manager->scratch, manager->listing);
}

int hnuma_manager_create(struct hnuma_manager **out, const struct hnuma_topology *topology,
			 const struct hnuma_config *config)
{
	struct hnuma_manager *manager;
	int error;

	if (!out)
		return hnuma_error_set(-EINVAL, "out is NULL");
	*out = NULL;
	error = hnuma_process_watch_forks();
	if (error)
		return error;
	manager = calloc(1, sizeof(*manager));
	if (!manager)
		return hnuma_error_set(-ENOMEM, "no memory for a manager");
	manager->epoch = hnuma_process_epoch;
	error = hnuma_plan_create(&manager->plan, topology, config);
	if (error)
		goto free_manager;
	error = take_ground(manager, topology);
	if (error)
		goto free_plan;
	error = build_pool(manager);
	if (!error)
		error = build_scratch(manager);
	if (!error)
		error = build_arenas(manager);
	if (error)
		goto give_back;
	enlist(manager);
	*out = manager;
	return 0;

give_back:
	free_parts(manager);
	hnuma_ground_destroy(&manager->ground);
free_plan:
	hnuma_plan_destroy(manager->plan);
free_manager:
	free(manager);
	return error;
}

/* Is anything of the manager's in somebody's hands? A first destroy that failed has answered that. */
static int check_idle(const struct hnuma_manager *manager)
{
	size_t nr_blocks = manager->pool ? hnuma_pool_nr_out(manager->pool) : 0;
	unsigned nr_spaces = manager->scratch ? hnuma_scratch_active(manager->scratch) : 0;

	if (nr_blocks == 0 && nr_spaces == 0)
		return 0;
	return hnuma_error_set(
		-EBUSY,
		"the manager cannot be destroyed: %zu blocks of its pool are out and "
		"%u of its scratch spaces are held or pinned; release them first",
		nr_blocks, nr_spaces);
}

int hnuma_manager_destroy(struct hnuma_manager *manager)
{
	int error;

	if (!manager)
		return 0;
	if (hnuma_process_is_child_of(manager->epoch))
		return hnuma_process_refuse("manager");
	error = check_idle(manager);
	if (error)
		return error;
	/* The parts read their regions while they are freed, so they go first. */
	free_parts(manager);
	error = hnuma_ground_destroy(&manager->ground);
	if (error)
		return error;
	hnuma_plan_destroy(manager->plan);
	free(manager);
	return 0;
}

/* The index of a node that the caller named, or -ENODEV. */
static int index_of(const struct hnuma_manager *manager, int node)
{
	if (node == HNUMA_NODE_LOCAL)
		return (int)hnuma_service_here(&manager->ground.service);
	return hnuma_service_index(&manager->ground.service, node);
}

struct hnuma_arena *hnuma_manager_arena(const struct hnuma_manager *manager, int node)
{
	int index;

	if (!manager || !manager->arenas) {
		errno = ENODEV;
		return NULL;
	}
	if (hnuma_process_is_child_of(manager->epoch)) {
		errno = EOWNERDEAD;
		return NULL;
	}
	index = index_of(manager, node);
	if (index < 0) {
		errno = ENODEV;
		return NULL;
	}
	return manager->arenas[index];
}

struct hnuma_pool *hnuma_manager_pool(const struct hnuma_manager *manager)
{
	return manager ? manager->pool : NULL;
}

struct hnuma_scratch *hnuma_manager_scratch(const struct hnuma_manager *manager)
{
	return manager ? manager->scratch : NULL;
}

const struct hnuma_config *hnuma_manager_config(const struct hnuma_manager *manager)
{
	return manager ? &manager->plan->config : NULL;
}

const struct hnuma_region *hnuma_manager_region(const struct hnuma_manager *manager, int node)
{
	int index = manager && manager->arenas ? index_of(manager, node) : -ENODEV;

	if (index < 0) {
		errno = ENODEV;
		return NULL;
	}
	return manager->ground.regions[index];
}

void hnuma_manager_reset_step(struct hnuma_manager *manager)
{
	if (!manager || !manager->arenas || hnuma_process_is_child_of(manager->epoch))
		return;
	for (unsigned i = 0; i < manager->plan->service.nr_nodes; i++)
		hnuma_arena_reset(manager->arenas[i]);
	hnuma_scratch_reset_all(manager->scratch);
}

/* Can the manager answer? What a failed destroy left cannot. */
static int check_usable(const struct hnuma_manager *manager)
{
	if (!manager)
		return hnuma_error_set(-EINVAL, "manager is NULL");
	if (hnuma_process_is_child_of(manager->epoch))
		return hnuma_process_refuse("manager");
	if (!manager->arenas)
		return hnuma_error_set(-EINVAL, "the manager is being destroyed: destroy it again");
	return 0;
}

int hnuma_manager_plan(const struct hnuma_manager *manager, const struct hnuma_plan **plan)
{
	int error = check_usable(manager);

	if (!error)
		*plan = manager->plan;
	return error;
}

int hnuma_manager_prewarm(struct hnuma_manager *manager, size_t count_per_class)
{
	int error = check_usable(manager);

	return error ? error : hnuma_pool_prewarm_all(manager->pool, count_per_class);
}

static void add_arena(struct hnuma_arena_stats *sum, const struct hnuma_arena_stats *more)
{
	sum->capacity += more->capacity;
	sum->used += more->used;
	sum->remaining += more->remaining;
	sum->high_water_mark += more->high_water_mark;
	sum->allocation_count += more->allocation_count;
	sum->utilization = (double)sum->used / (double)sum->capacity;
}

int hnuma_manager_stats(const struct hnuma_manager *manager, struct hnuma_manager_stats *stats)
{
	int error = check_usable(manager);

	if (error)
		return error;
	if (!stats)
		return hnuma_error_set(-EINVAL, "stats is NULL");
	memset(stats, 0, sizeof(*stats));
	for (unsigned i = 0; i < manager->plan->service.nr_nodes && !error; i++) {
		struct hnuma_arena_stats one;

		error = hnuma_arena_stats(manager->arenas[i], &one);
		if (!error)
			add_arena(&stats->arena, &one);
	}
	if (!error)
		error = hnuma_pool_stats(manager->pool, &stats->pool);
	if (!error)
		error = hnuma_scratch_stats(manager->scratch, &stats->scratch);
	return error;
}

int hnuma_manager_verify(const struct hnuma_manager *manager, struct hnuma_placement *placement)
{
	int error = check_usable(manager);

	if (error)
		return error;
	if (!placement)
		return hnuma_error_set(-EINVAL, "placement is NULL");
	memset(placement, 0, sizeof(*placement));
	for (unsigned i = 0; i < manager->plan->service.nr_nodes && !error; i++) {
		struct hnuma_placement one;

		error = hnuma_region_verify(manager->ground.regions[i], &one);
		if (!error)
			hnuma_placement_add(placement, &one);
	}
	return error;
}

int hnuma_manager_piece(const struct hnuma_manager *manager, size_t piece_bytes, size_t index,
			struct hnuma_piece *piece)
{
	int error = hnuma_hooks_check_piece(manager, piece_bytes, piece);

	if (!error)
		error = check_usable(manager);
	return error ? error : hnuma_ground_piece(&manager->ground, piece_bytes, index, piece);
}
