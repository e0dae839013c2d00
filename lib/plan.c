/* SPDX-License-Identifier: MIT */
/*
 * lib/plan.c - what a configuration needs on each node, and what is there.
 *
 * The manager is made from a plan, so this is the one place that decides where a node's memory goes
 * (drawn in plan.h). Asks the pool and the scratch for their needs, numa/ for what the machine has.
 * The words of the advice are in advice.c.
 */
#include "config.h"

#include <stdlib.h>

#include <hugenuma.h>

#include "lib/arena.h"
#include "lib/handover.h"
#include "lib/plan.h"
#include "lib/pool.h"
#include "lib/scratch.h"
#include "numa/cgroup.h"
#include "numa/error.h"
#include "numa/ground.h"
#include "numa/harden.h"
#include "numa/hugepages.h"

static int check_config(const struct hnuma_config *config)
{
	int error = hnuma_attr_check("struct hnuma_config", config->struct_size, sizeof(*config),
				     config->least_backing, config->policy, config->flags,
				     HNUMA_POOL_FLAGS);

	if (error)
		return error;
	if (config->policy == HNUMA_POLICY_INTERLEAVE)
		return hnuma_error_set(-EINVAL,
				       "a manager cannot be interleaved: each node has its "
				       "own memory; use HNUMA_POLICY_BIND or _PREFERRED");
	return 0;
}

/* The attributes of the parts, as the configuration means them. */
static int derive_attributes(struct hnuma_plan *plan)
{
	const struct hnuma_config *config = &plan->config;
	const struct hnuma_pool_attr pool = HNUMA_POOL_ATTR_INIT;
	const struct hnuma_scratch_attr scratch = HNUMA_SCRATCH_ATTR_INIT;

	plan->pool = pool;
	plan->pool.buffers_per_class = config->buffers_per_class;
	plan->pool.bytes_per_node = config->pool_bytes_per_node;
	plan->pool.hygiene = config->hygiene;
	plan->pool.nodes = config->nodes;
	plan->pool.least_backing = config->least_backing;
	plan->pool.policy = config->policy;
	plan->pool.flags = config->flags;

	plan->scratch = scratch;
	plan->scratch.space_size = config->scratch_size;
	plan->scratch.max_spaces = config->max_scratch;
	plan->scratch.nodes = config->nodes;
	plan->scratch.least_backing = config->least_backing;
	plan->scratch.policy = config->policy;
	plan->scratch.flags = config->flags & HNUMA_OBJECT_FLAGS;
	return hnuma_arena_round_capacity(config->arena_capacity, &plan->arena_capacity);
}

static int deal_spaces(struct hnuma_plan *plan, const struct hnuma_topology *topology)
{
	unsigned *indices;
	int *cpus;
	int nr = hnuma_scratch_deal(topology, &plan->service, plan->config.max_scratch, &cpus,
				    &indices);

	if (nr < 0)
		return nr;
	for (int i = 0; i < nr; i++)
		plan->nodes[indices[i]].nr_spaces++;
	plan->config.max_scratch = (unsigned)nr;
	plan->scratch.max_spaces = (unsigned)nr;
	free(cpus);
	free(indices);
	return 0;
}

/* *sum = a + b, rounded up to whole 2 MB pages. False when that is too large for a size_t. */
static bool add_to_page(size_t a, size_t b, size_t *sum)
{
	if (__builtin_add_overflow(a, b, sum) ||
	    __builtin_add_overflow(*sum, HNUMA_HUGEPAGE - 1, sum))
		return false;
	*sum &= ~(HNUMA_HUGEPAGE - 1);
	return true;
}

/* Ranks share no page: each has whole ones of its own. */
static int count_needed(const struct hnuma_plan *plan, unsigned index)
{
	struct hnuma_plan_node *node = &plan->nodes[index];
	uint64_t bytes;

	if (__builtin_mul_overflow(plan->layouts[index].size, plan->nr_ranks, &bytes))
		return hnuma_error_set(-EOVERFLOW,
				       "node %d: %u ranks of %zu bytes each are together larger "
				       "than a number can say",
				       node->node, plan->nr_ranks, plan->layouts[index].size);
	node->pages_needed = bytes / HNUMA_HUGEPAGE;
	return 0;
}

static int lay_out(struct hnuma_plan *plan, unsigned index)
{
	struct hnuma_layout *layout = &plan->layouts[index];
	struct hnuma_plan_node *node = &plan->nodes[index];
	struct hnuma_pool_need need;
	size_t spaces;
	int error;

	error = hnuma_pool_need(&plan->pool, &plan->service, index, &need);
	if (!error)
		error = hnuma_scratch_need(plan->scratch.space_size, node->nr_spaces, &spaces);
	if (error)
		return error;
	layout->books = plan->config.flags & HNUMA_SHARED ? HNUMA_HANDOVER_BYTES : 0;
	layout->scratch = layout->books + need.books;
	if (!add_to_page(layout->scratch, spaces, &layout->pages) ||
	    !add_to_page(layout->pages, need.pages, &layout->arena) ||
	    !add_to_page(layout->arena, plan->arena_capacity, &layout->size))
		return hnuma_error_set(-EOVERFLOW,
				       "node %d: an arena of %zu bytes, a pool of %zu and scratch "
				       "spaces of %zu are together larger than the address space",
				       plan->service.nodes[index], plan->arena_capacity, need.pages,
				       spaces);
	node->node = plan->service.nodes[index];
	node->bytes_arena = plan->arena_capacity;
	node->bytes_pool = layout->books + need.books + need.pages;
	node->bytes_scratch = spaces;
	if (plan->config.pool_bytes_per_node == 0)
		plan->config.pool_bytes_per_node = need.blocks;
	return count_needed(plan, index);
}

/* The pages that the node has: from the kernel now, or from the topology's file. */
static void count_pages(struct hnuma_plan_node *node, const struct hnuma_topology *topology)
{
	struct hnuma_node_info info;

	for (unsigned i = 0; i < hnuma_topology_nr_nodes(topology); i++) {
		if (hnuma_topology_node_info(topology, i, &info) || info.node != node->node)
			continue;
		node->pages_total = info.hugepages_total;
		node->pages_free = info.hugepages_free;
	}
}

/* What is missing when `wanted` is to come out of *available; takes it out. */
static uint64_t take(uint64_t *available, uint64_t wanted)
{
	uint64_t taken = wanted < *available ? wanted : *available;

	*available -= taken;
	return wanted - taken;
}

/*
 * Reservations are the machine's, not a node's: a mapping is refused when the free pages of all nodes
 * do not exceed those that are promised, wherever they lie. Pages that nodes miss will be there.
 */
static void look_at_reservations(struct hnuma_plan *plan)
{
	struct hnuma_hugepages_machine machine;
	uint64_t available;

	if (hnuma_hugepages_read_machine(&machine))
		return;
	available = machine.free;
	for (unsigned i = 0; i < plan->service.nr_nodes; i++)
		available += plan->shortages[i].node_pages;
	available -= machine.reserved < available ? machine.reserved : available;
	for (unsigned i = 0; i < plan->service.nr_nodes; i++)
		plan->shortages[i].unreserved = take(&available, plan->nodes[i].pages_needed);
}

/* What else may come to be in use of a limit that is not for huge pages only. */
#define OTHER_MEMORY_BYTES ((uint64_t)16 * 1024 * 1024)

static void look_at_limit(struct hnuma_plan *plan, enum hnuma_cgroup_kind kind,
			  struct hnuma_limit_change *change)
{
	/* What both versions of control groups accept as a number. */
	const uint64_t most = (uint64_t)INT64_MAX & ~((uint64_t)HNUMA_HUGEPAGE - 1);
	uint64_t available;

	if (hnuma_cgroup_tightest(kind, &change->now) || !change->now.is_limited)
		return;
	available = change->now.headroom_bytes / HNUMA_HUGEPAGE;
	change->wanted_bytes = change->now.usage_bytes;
	if (kind == HNUMA_CGROUP_PAGES_AS_MEMORY)
		change->wanted_bytes += OTHER_MEMORY_BYTES;
	for (unsigned i = 0; i < plan->service.nr_nodes; i++) {
		plan->shortages[i].limits[kind] = take(&available, plan->nodes[i].pages_needed);
		if (__builtin_add_overflow(change->wanted_bytes,
					   plan->nodes[i].pages_needed * HNUMA_HUGEPAGE,
					   &change->wanted_bytes) ||
		    change->wanted_bytes > most)
			change->wanted_bytes = most;
	}
}

/* The first thing that stands in a node's way, for those who read one number only. */
static void sum_up(struct hnuma_plan_node *node, const struct hnuma_shortage *shortage)
{
	static const enum hnuma_limit limits[HNUMA_CGROUP_NR_OF_PAGES] = {
		[HNUMA_CGROUP_PAGES] = HNUMA_LIMIT_CGROUP,
		[HNUMA_CGROUP_RESERVATIONS] = HNUMA_LIMIT_CGROUP_RESERVED,
		[HNUMA_CGROUP_PAGES_AS_MEMORY] = HNUMA_LIMIT_CGROUP_MEMORY,
	};

	node->pages_missing = shortage->node_pages + shortage->unreserved;
	if (shortage->node_pages)
		node->limit = HNUMA_LIMIT_NODE_PAGES;
	else if (shortage->unreserved)
		node->limit = HNUMA_LIMIT_RESERVED;
	for (int kind = 0; kind < HNUMA_CGROUP_NR_OF_PAGES && !node->pages_missing; kind++) {
		node->pages_missing = shortage->limits[kind];
		node->limit = node->pages_missing ? limits[kind] : HNUMA_LIMIT_NONE;
	}
}

/* Compare what is needed with what is there. Another machine's promises and limits are not known. */
static int compare(struct hnuma_plan *plan, const struct hnuma_topology *topology)
{
	struct hnuma_limit_change changes[HNUMA_CGROUP_NR_OF_PAGES] = {{.wanted_bytes = 0}};

	for (unsigned i = 0; i < plan->service.nr_nodes; i++) {
		struct hnuma_plan_node *node = &plan->nodes[i];
		uint64_t available;

		count_pages(node, topology);
		available = node->pages_free;
		plan->shortages[i].node_pages = take(&available, node->pages_needed);
	}
	if (hnuma_topology_is_this_system(topology)) {
		look_at_reservations(plan);
		for (int kind = 0; kind < HNUMA_CGROUP_NR_OF_PAGES; kind++)
			look_at_limit(plan, (enum hnuma_cgroup_kind)kind, &changes[kind]);
	}
	for (unsigned i = 0; i < plan->service.nr_nodes; i++)
		sum_up(&plan->nodes[i], &plan->shortages[i]);
	return hnuma_advice_write(plan, topology, changes);
}

static int make_lists(struct hnuma_plan *plan)
{
	const unsigned nr_nodes = plan->service.nr_nodes;

	plan->layouts = calloc(nr_nodes, sizeof(*plan->layouts));
	plan->nodes = calloc(nr_nodes, sizeof(*plan->nodes));
	plan->shortages = calloc(nr_nodes, sizeof(*plan->shortages));
	plan->advice = calloc(nr_nodes, sizeof(*plan->advice));
	if (!plan->layouts || !plan->nodes || !plan->shortages || !plan->advice)
		return hnuma_error_set(-ENOMEM, "no memory for a plan of %u nodes", nr_nodes);
	for (unsigned i = 0; i < nr_nodes; i++)
		hnuma_nodeset_add(&plan->config.nodes, plan->service.nodes[i]);
	return 0;
}

/* `config` has been checked. */
static int make(struct hnuma_plan **out, const struct hnuma_topology *topology,
		const struct hnuma_config *config, unsigned nr_ranks)
{
	struct hnuma_plan *plan = calloc(1, sizeof(*plan));
	int error;

	if (!plan)
		return hnuma_error_set(-ENOMEM, "no memory for a plan");
	plan->nr_ranks = nr_ranks;
	plan->config = *config;
	error = derive_attributes(plan);
	if (!error)
		error = hnuma_service_init(&plan->service, topology, &plan->config.nodes);
	if (error)
		goto free_plan;
	error = make_lists(plan);
	if (!error)
		error = deal_spaces(plan, topology);
	for (unsigned i = 0; i < plan->service.nr_nodes && !error; i++)
		error = lay_out(plan, i);
	if (!error)
		error = compare(plan, topology);
	if (error) {
		hnuma_plan_destroy(plan);
		return error;
	}
	*out = plan;
	return 0;

free_plan:
	free(plan);
	return error;
}

int hnuma_plan_create_for_ranks(struct hnuma_plan **out, const struct hnuma_topology *topology,
				const struct hnuma_config *config, unsigned nr_ranks)
{
	const struct hnuma_config standard = HNUMA_CONFIG_INIT;
	struct hnuma_config asked;
	int error;

	if (!out)
		return hnuma_error_set(-EINVAL, "out is NULL");
	*out = NULL;
	if (!topology)
		return hnuma_error_set(-EINVAL, "topology is NULL");
	if (!nr_ranks)
		return hnuma_error_set(-EINVAL, "a plan for 0 ranks: there is at least one");
	error = check_config(config ? config : &standard);
	if (error)
		return error;
	asked = config ? *config : standard;
	asked.flags |= hnuma_harden_asked();
	return make(out, topology, &asked, nr_ranks);
}

int hnuma_plan_create(struct hnuma_plan **out, const struct hnuma_topology *topology,
		      const struct hnuma_config *config)
{
	return hnuma_plan_create_for_ranks(out, topology, config, 1);
}

int hnuma_plan_repeat(struct hnuma_plan **out, const struct hnuma_topology *topology,
		      const struct hnuma_config *config)
{
	int error = check_config(config);

	*out = NULL;
	return error ? error : make(out, topology, config, 1);
}

void hnuma_plan_destroy(struct hnuma_plan *plan)
{
	if (!plan)
		return;
	for (unsigned i = 0; plan->advice && i < plan->service.nr_nodes; i++)
		free(plan->advice[i]);
	free(plan->advice);
	free(plan->shortages);
	free(plan->nodes);
	free(plan->layouts);
	hnuma_service_free(&plan->service);
	free(plan);
}

unsigned hnuma_plan_nr_nodes(const struct hnuma_plan *plan)
{
	return plan ? plan->service.nr_nodes : 0;
}

int hnuma_plan_node(const struct hnuma_plan *plan, unsigned index, struct hnuma_plan_node *node)
{
	if (!plan || !node)
		return hnuma_error_set(-EINVAL, "plan or node is NULL");
	if (index >= plan->service.nr_nodes)
		return hnuma_error_set(-ENODEV, "the plan serves %u nodes: there is no index %u",
				       plan->service.nr_nodes, index);
	*node = plan->nodes[index];
	return 0;
}

bool hnuma_plan_fits(const struct hnuma_plan *plan)
{
	for (unsigned i = 0; plan && i < plan->service.nr_nodes; i++)
		if (plan->nodes[i].limit != HNUMA_LIMIT_NONE)
			return false;
	return plan != NULL;
}

const char *hnuma_plan_advice(const struct hnuma_plan *plan, unsigned index)
{
	if (!plan || index >= plan->service.nr_nodes) {
		errno = ENODEV;
		return NULL;
	}
	return plan->advice[index] ? plan->advice[index] : "";
}
