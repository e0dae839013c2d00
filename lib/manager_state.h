/* SPDX-License-Identifier: MIT */
/*
 * lib/manager_state.h - what a manager is made of. For manager.c, which makes one, and adopt.c, which
 * takes one over.
 */
#ifndef HNUMA_LIB_MANAGER_STATE_H
#define HNUMA_LIB_MANAGER_STATE_H

#include <hugenuma.h>

#include "lib/plan.h"
#include "lib/pool.h"
#include "numa/ground.h"
#include "numa/owner.h"

struct hnuma_manager {
	/* Constant once made; a destroy that must be tried again leaves arenas, pool and scratch NULL. */
	unsigned epoch; /* of the process, see numa/process.h */
	struct hnuma_ground ground;
	struct hnuma_arena **arenas; /* by the index of the served node */
	struct hnuma_pool *pool;
	struct hnuma_scratch *scratch;
	struct hnuma_plan *plan;
	uint64_t listing;	  /* see lib/listing.h */
	struct hnuma_owner owner; /* of a shared one; none: it cannot be handed on, see adopt.c */
};

/* An empty manager of this process, to be filled; or NULL, with the message set. */
struct hnuma_manager *hnuma_manager_begin(void);

/*
 * Take the regions that the plan says: new ones, or those of files.
 *
 * @fds  for each served node; NULL: new ones.
 *
 * Returns 0, or what hnuma_ground_create() returns.
 */
int hnuma_manager_take_ground(struct hnuma_manager *manager, const struct hnuma_topology *topology,
			      const int *fds);

/*
 * Make the parts in the regions, and list them for those who look at this process from outside.
 *
 * @past  as for hnuma_pool_build().
 *
 * Returns 0, or a negative errno with the message set; then hnuma_manager_end() takes down what there
 * is.
 */
int hnuma_manager_furnish(struct hnuma_manager *manager, const struct hnuma_pool_past *past);

/*
 * Free everything, whatever is there, the regions with it; those of files that somebody else has open
 * stay there for him.
 *
 * Returns 0, or what hnuma_ground_destroy() returns: then the regions are there still, and a second
 * call goes on from there.
 */
int hnuma_manager_end(struct hnuma_manager *manager);

/*
 * The same where nobody can be told of a failure, as the making of the manager has failed: what the kernel
 * refuses once, it is asked twice.
 */
void hnuma_manager_undo(struct hnuma_manager *manager);

/* Returns 0, or -EBUSY with the message set: scratch spaces are held or pinned, or blocks are out. */
int hnuma_manager_check_idle(const struct hnuma_manager *manager, bool with_blocks);

/* Can the manager answer? What a failed destroy left cannot. */
int hnuma_manager_check_usable(const struct hnuma_manager *manager);

#endif
