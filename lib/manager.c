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
#include "lib/handover.h"
#include "lib/listing.h"
#include "lib/manager.h"
#include "lib/manager_state.h"
#include "lib/scratch.h"
#include "numa/error.h"
#include "numa/process.h"

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

struct hnuma_manager *hnuma_manager_begin(void)
{
	static const struct hnuma_owner nobody = HNUMA_OWNER_NONE;
	struct hnuma_manager *manager;

	manager = calloc(1, sizeof(*manager));
	if (!manager) {
		hnuma_error_set(-ENOMEM, "no memory for a manager");
		return NULL;
	}
	manager->epoch = hnuma_process_epoch;
	manager->owner = nobody;
	return manager;
}

int hnuma_manager_take_ground(struct hnuma_manager *manager, const struct hnuma_topology *topology,
			      const int *fds)
{
	const struct hnuma_plan *plan = manager->plan;
	const unsigned nr_nodes = plan->service.nr_nodes;
	struct hnuma_ground_request request = {
		.name = "manager",
		.least_backing = plan->config.least_backing,
		.policy = plan->config.policy,
		.flags = plan->config.flags & HNUMA_OBJECT_FLAGS,
		.hooks = plan->config.hooks,
		.fds = fds,
	};
	size_t *sizes = calloc(nr_nodes, sizeof(*sizes));
	int error;

	if (!sizes)
		return hnuma_error_set(-ENOMEM, "no memory for a manager's list of nodes");
	/* What is there is there: to refuse pages for where or what they are would be to lose them. */
	if (fds) {
		request.least_backing = HNUMA_BACKING_BASE;
		request.policy = HNUMA_POLICY_PREFERRED;
	}
	for (unsigned i = 0; i < nr_nodes; i++)
		sizes[i] = plan->layouts[i].size;
	request.sizes = sizes;
	error = hnuma_ground_create(&manager->ground, topology, &plan->service, &request);
	free(sizes);
	return error;
}

static int build_pool(struct hnuma_manager *manager, const struct hnuma_pool_past *past)
{
	const struct hnuma_plan *plan = manager->plan;
	const unsigned nr_nodes = plan->service.nr_nodes;
	struct hnuma_pool_place *places = calloc(nr_nodes, sizeof(*places));
	int error;

	if (!places)
		return hnuma_error_set(-ENOMEM, "no memory for a manager's list of nodes");
	for (unsigned i = 0; i < nr_nodes; i++) {
		places[i].books = plan->layouts[i].books;
		places[i].pages = plan->layouts[i].pages;
	}
	error = hnuma_pool_build(&manager->pool, &manager->ground, &plan->pool, places, past);
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

int hnuma_manager_furnish(struct hnuma_manager *manager, const struct hnuma_pool_past *past)
{
	int error = build_pool(manager, past);

	if (!error)
		error = build_scratch(manager);
	if (!error)
		error = build_arenas(manager);
	if (!error)
		enlist(manager);
	return error;
}

int hnuma_manager_end(struct hnuma_manager *manager)
{
	int error = 0;

	/* The parts read their regions while they are freed, so they go first. */
	if (manager->plan)
		free_parts(manager);
	if (manager->ground.regions)
		error = hnuma_ground_destroy(&manager->ground);
	if (error)
		return error;
	/* Nothing is written from here on: somebody else may own it. */
	hnuma_owner_leave(&manager->owner);
	hnuma_plan_destroy(manager->plan);
	free(manager);
	return 0;
}

void hnuma_manager_undo(struct hnuma_manager *manager)
{
	if (hnuma_manager_end(manager))
		(void)hnuma_manager_end(manager);
}

int hnuma_manager_create(struct hnuma_manager **out, const struct hnuma_topology *topology,
			 const struct hnuma_config *config)
{
	struct hnuma_manager *manager;
	int error;

	if (!out)
		return hnuma_error_set(-EINVAL, "out is NULL");
	*out = NULL;
	manager = hnuma_manager_begin();
	if (!manager)
		return -ENOMEM;
	error = hnuma_plan_create(&manager->plan, topology, config);
	if (!error)
		error = hnuma_manager_take_ground(manager, topology, NULL);
	if (!error)
		error = hnuma_manager_furnish(manager, NULL);
	if (error) {
		hnuma_manager_undo(manager);
		return error;
	}
	if (manager->plan->config.flags & HNUMA_SHARED)
		hnuma_handover_offer(manager);
	*out = manager;
	return 0;
}

int hnuma_manager_check_idle(const struct hnuma_manager *manager, bool with_blocks)
{
	/* A first destroy that failed has answered that. */
	size_t nr_blocks = with_blocks && manager->pool ? hnuma_pool_nr_out(manager->pool) : 0;
	unsigned nr_spaces = manager->scratch ? hnuma_scratch_active(manager->scratch) : 0;

	if (nr_blocks == 0 && nr_spaces == 0)
		return 0;
	return hnuma_error_set(-EBUSY,
			       "the manager cannot be %s: %zu blocks of its pool are out and "
			       "%u of its scratch spaces are held or pinned; release them first",
			       with_blocks ? "destroyed" : "left", nr_blocks, nr_spaces);
}

int hnuma_manager_destroy(struct hnuma_manager *manager)
{
	int error;

	if (!manager)
		return 0;
	if (hnuma_process_is_child_of(manager->epoch))
		return hnuma_process_refuse("manager");
	error = hnuma_manager_check_idle(manager, true);
	if (!error && manager->pool)
		error = hnuma_guard_leave(manager->pool);
	return error ? error : hnuma_manager_end(manager);
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
	index = hnuma_service_index(&manager->ground.service, node);
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
	int index = -ENODEV;

	if (manager && manager->arenas)
		index = hnuma_service_index(&manager->ground.service, node);
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

int hnuma_manager_check_usable(const struct hnuma_manager *manager)
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
	int error = hnuma_manager_check_usable(manager);

	if (!error)
		*plan = manager->plan;
	return error;
}

int hnuma_manager_prewarm(struct hnuma_manager *manager, size_t count_per_class)
{
	int error = hnuma_manager_check_usable(manager);

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
	int error = hnuma_manager_check_usable(manager);

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
	int error = hnuma_manager_check_usable(manager);

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
		error = hnuma_manager_check_usable(manager);
	return error ? error : hnuma_ground_piece(&manager->ground, piece_bytes, index, piece);
}
