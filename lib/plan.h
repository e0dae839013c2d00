/* SPDX-License-Identifier: MIT */
/*
 * lib/plan.h - what the manager and the advice need of a plan besides its public calls: where
 * everything lies, and what is short.
 *
 * The manager's region on each served node:
 *
 *	0          books   scratch              pages                arena                size
 *	| handover | books | spaces | (to 2 MB) | 2 MB pages of the  | arena | (to 2 MB)  |
 *	| (shared) | (pool)|        |           | pool's blocks      |       |            |
 *
 * What comes first is there where the memory is shared: see handover.h.
 *
 * The books and the spaces are small and share their pages; the blocks and the arena begin on pages
 * of their own, which is what aligns them.
 */
#ifndef HNUMA_LIB_PLAN_H
#define HNUMA_LIB_PLAN_H

#include <hugenuma.h>

#include "numa/cgroup.h"
#include "numa/ground.h"

/* Offsets into one node's region, in bytes. */
struct hnuma_layout {
	size_t books;	/* a multiple of 4 KB */
	size_t scratch; /* the same */
	size_t pages;	/* a multiple of 2 MB, as are the next two */
	size_t arena;
	size_t size; /* of the whole region */
};

/*
 * What one node is short of, in pages. Nodes are looked at in the order in which the manager takes
 * their regions, each with what those before it leave. Each number is what would still be missing if
 * all above it were mended, so that the advice for all of them together is enough.
 */
struct hnuma_shortage {
	uint64_t node_pages; /* free pages of the node */
	uint64_t unreserved; /* free pages of the machine that are promised to nobody */
	/* What the control group may use; by enum hnuma_cgroup_kind. */
	uint64_t limits[HNUMA_CGROUP_NR_OF_PAGES];
};

/* How a control group's limit would have to be changed for all nodes of the plan. */
struct hnuma_limit_change {
	struct hnuma_cgroup_limit now;
	uint64_t wanted_bytes;
};

/* Written by plan.c alone. */
struct hnuma_plan {
	unsigned nr_ranks;	    /* processes that each take what is laid out here */
	struct hnuma_config config; /* as asked, with defaults filled in */
	size_t arena_capacity;	    /* of each node, rounded up to 64 */
	struct hnuma_pool_attr pool;
	struct hnuma_scratch_attr scratch;
	struct hnuma_service service;
	/* For each served node, in the order of service.nodes: */
	struct hnuma_layout *layouts;
	struct hnuma_plan_node *nodes;
	struct hnuma_shortage *shortages;
	char **advice; /* NULL where nothing is missing */
};

/*
 * hnuma_plan_create() of a configuration that a plan has filled in before, as it is, whatever the
 * environment asks for.
 */
int hnuma_plan_repeat(struct hnuma_plan **out, const struct hnuma_topology *topology,
		      const struct hnuma_config *config);

/*
 * advice.c: write plan->advice, from plan->nodes and plan->shortages.
 *
 * @changes  HNUMA_CGROUP_NR_OF_PAGES, by enum hnuma_cgroup_kind.
 *
 * Returns 0 or -ENOMEM with the message set; what was written then is the plan's to free.
 */
int hnuma_advice_write(struct hnuma_plan *plan, const struct hnuma_topology *topology,
		       const struct hnuma_limit_change *changes);

#endif
