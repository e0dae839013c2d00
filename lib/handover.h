/* SPDX-License-Identifier: MIT */
/*
 * lib/handover.h - what the next process must know of a shared manager to take it over: the first
 * 4 KB of each of its regions.
 *
 * It is written once, when the manager is whole, and never again, so there is no moment at which
 * it could be read half changed. It says how the manager was made and where its parts lie; what the
 * pool has out is told by the pool's books (pool_adopt.c). Nothing in it is believed: a header has to
 * bear its own checksum, the headers have to agree with each other, and all of them with a plan that
 * is made anew from the configuration that they tell.
 */
#ifndef HNUMA_LIB_HANDOVER_H
#define HNUMA_LIB_HANDOVER_H

#include <stdatomic.h>

#include <hugenuma.h>

#include "lib/plan.h"

#define HNUMA_HANDOVER_BYTES ((size_t)4096)
#define HNUMA_HANDOVER_MAGIC \
	UINT64_C(0x7265766f646e6168) /* "handover" on a little-endian machine */

struct hnuma_handover {
	_Atomic uint64_t magic; /* written last */
	uint64_t sum;		/* of all that follows */
	/* Stands for the layout of what follows and of the pool's books: see hnuma_handover_library(). */
	uint64_t library;

	/* The same in all regions of a manager. */
	uint64_t manager;	    /* drawn at random: no other one has it */
	uint64_t key;		    /* hnuma_pool_key() */
	struct hnuma_config config; /* with defaults filled in, and no hooks */
	unsigned nr_regions;

	/* Of this region. */
	unsigned index; /* in the order of the served nodes */
	int node;
	struct hnuma_layout layout;
	uint64_t origin; /* the address of the pool's pages in the process that made them */
};

_Static_assert(sizeof(struct hnuma_handover) <= HNUMA_HANDOVER_BYTES, "it has a page");

/*
 * Of a manager that is whole: become its owner and write its headers. Where that cannot be, the manager
 * has no owner, and cannot be handed over.
 *
 * Returns 0, or a negative errno with the message set.
 */
int hnuma_handover_offer(struct hnuma_manager *manager);

/*
 * Read the headers of a manager's files.
 *
 * @fds      of its files, in any order; receives them in that of the served nodes.
 * @headers  receives nr headers in the same order.
 *
 * Returns 0; -EINVAL (a file that is none of such a region; the same twice; of two managers), -ENOENT (one
 * is missing), -EPROTO (of another library), -EUCLEAN (damaged), -EBADF, -EIO; sets the message.
 */
int hnuma_handover_read(int *fds, unsigned nr, struct hnuma_handover *headers);

/*
 * Make the plan anew that the manager was made from, and compare.
 *
 * Returns 0, or with the message set -EXDEV (this process sees other nodes or CPUs) or what
 * hnuma_plan_create() returns.
 */
int hnuma_handover_plan(struct hnuma_plan **out, const struct hnuma_topology *topology,
			const struct hnuma_handover *headers, const struct hnuma_hooks *hooks);

/* A number that stands for the layouts; two libraries in which it is the same understand each other. */
uint64_t hnuma_handover_library(void);

/* The sum that a header should bear. */
uint64_t hnuma_handover_sum(const struct hnuma_handover *header);

#endif
