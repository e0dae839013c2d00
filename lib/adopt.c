/* SPDX-License-Identifier: MIT */
/*
 * lib/adopt.c - handing a shared manager to the next process of a server: its descriptors, leaving it,
 * adopting it.
 *
 *	the first process                     the next one
 *	create: owner, headers
 *	fds ... passed on
 *	leave, or killed: owner no more
 *	                                      adopt: headers read and judged, plan made anew
 *	                                             owner, or -EBUSY
 *	                                             regions mapped, books judged, taken over, but for
 *	                                             pages that have a memory error
 *
 * Nothing is written before everything was judged, and what is then written can be written again: an
 * adoption that fails or is killed at any moment can be tried once more.
 *
 * Calls manager.c, handover.c and numa/owner.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include <hugenuma.h>

#include "lib/handover.h"
#include "lib/manager_state.h"
#include "numa/error.h"
#include "numa/process.h"

int hnuma_manager_fds(const struct hnuma_manager *manager, int *fds, unsigned max)
{
	int error;

	if (max > 0 && !fds)
		return hnuma_error_set(-EINVAL, "fds is NULL");
	error = hnuma_manager_check_usable(manager);
	if (error)
		return error;
	if (!(manager->plan->config.flags & HNUMA_SHARED))
		return hnuma_error_set(-EBADF, "the manager is not shared: its memory has no files "
					       "that could be used; make it with HNUMA_SHARED");
	if (manager->owner.fd < 0)
		return hnuma_error_set(-ENOLCK,
				       "the manager cannot be handed over: when it was made its "
				       "memory could not be locked, which needs /proc, and a "
				       "kernel with locks of open files");
	for (unsigned i = 0; i < manager->ground.service.nr_nodes && i < max; i++)
		fds[i] = hnuma_region_fd(manager->ground.regions[i]);
	return (int)manager->ground.service.nr_nodes;
}

int hnuma_manager_leave(struct hnuma_manager *manager)
{
	int error = 0;

	if (!manager)
		return 0;
	/* What a first try that failed has left goes on from there. */
	if (manager->pool)
		error = hnuma_manager_fds(manager, NULL, 0);
	else if (hnuma_process_is_child_of(manager->epoch))
		return hnuma_process_refuse("manager");
	if (error < 0)
		return error;
	error = hnuma_manager_check_idle(manager, false);
	return error ? error : hnuma_manager_end(manager);
}

/* Everything that an adoption knows before it has the memory. */
struct adoption {
	int *fds; /* a copy, which becomes sorted */
	struct hnuma_handover *headers;
	uint64_t *origins;
};

static void free_adoption(struct adoption *adoption)
{
	free(adoption->fds);
	free(adoption->headers);
	free(adoption->origins);
}

/* Read what there is. Whatever it answers, free_adoption() is called. */
static int prepare(struct adoption *adoption, const int *fds, unsigned nr)
{
	int error;

	adoption->fds = calloc(nr, sizeof(*adoption->fds));
	adoption->headers = calloc(nr, sizeof(*adoption->headers));
	adoption->origins = calloc(nr, sizeof(*adoption->origins));
	if (!adoption->fds || !adoption->headers || !adoption->origins)
		return hnuma_error_set(-ENOMEM, "no memory for a list of %u regions", nr);
	memcpy(adoption->fds, fds, nr * sizeof(*fds));
	error = hnuma_handover_read(adoption->fds, nr, adoption->headers);
	for (unsigned i = 0; i < nr && !error; i++)
		adoption->origins[i] = adoption->headers[i].origin;
	return error;
}

/* What a damaged page has of a region; NULL: only blocks, which the pool can do without. */
static const char *what_is_lost(const struct hnuma_layout *layout, size_t offset)
{
	if (offset >= layout->arena)
		return "the arena";
	if (offset >= layout->pages)
		return NULL;
	if (offset < layout->scratch)
		return "the pool's books";
	return "scratch spaces";
}

/* Has the manager all pages that it cannot do without? */
static int judge_damage(const struct hnuma_manager *manager)
{
	for (unsigned i = 0; i < manager->ground.service.nr_nodes; i++) {
		const struct hnuma_layout *layout = &manager->plan->layouts[i];
		size_t at = 0;

		while ((at = hnuma_region_next_damaged(manager->ground.regions[i], at)) <
		       layout->size) {
			const char *what = what_is_lost(layout, at);

			if (what)
				return hnuma_error_set(
					-EIO,
					"node %d: the 2 MB at offset %zu of its region have a "
					"memory error and hold %s, without which there is no "
					"manager: start the server without what it had",
					manager->ground.service.nodes[i], at, what);
			at += HNUMA_HUGEPAGE;
		}
	}
	return 0;
}

/* Fill an empty manager with what was prepared. */
static int take_over(struct hnuma_manager *manager, const struct hnuma_topology *topology,
		     const struct adoption *adoption, const struct hnuma_hooks *hooks)
{
	const struct hnuma_pool_past past = {adoption->headers[0].key, adoption->origins};
	int error;

	error = hnuma_handover_plan(&manager->plan, topology, adoption->headers, hooks);
	if (!error)
		error = hnuma_owner_take(&manager->owner, adoption->fds[0]);
	if (!error)
		error = hnuma_manager_take_ground(manager, topology, adoption->fds);
	if (!error)
		error = judge_damage(manager);
	return error ? error : hnuma_manager_furnish(manager, &past);
}

int hnuma_manager_adopt(struct hnuma_manager **out, const struct hnuma_topology *topology,
			const int *fds, unsigned nr_fds, const struct hnuma_hooks *hooks)
{
	struct adoption adoption = {NULL, NULL, NULL};
	struct hnuma_manager *manager;
	int error;

	if (!out)
		return hnuma_error_set(-EINVAL, "out is NULL");
	*out = NULL;
	if (!topology || !fds)
		return hnuma_error_set(-EINVAL, "topology or fds is NULL");
	if (nr_fds == 0 || nr_fds > HNUMA_MAX_NODES)
		return hnuma_error_set(-EINVAL, "%u descriptors: a manager has 1 to %d regions",
				       nr_fds, HNUMA_MAX_NODES);
	manager = hnuma_manager_begin();
	if (!manager)
		return -ENOMEM;
	error = prepare(&adoption, fds, nr_fds);
	if (!error)
		error = take_over(manager, topology, &adoption, hooks);
	free_adoption(&adoption);
	if (!error) {
		*out = manager;
		return 0;
	}
	hnuma_manager_undo(manager);
	return error;
}
