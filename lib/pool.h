/* SPDX-License-Identifier: MIT */
/*
 * lib/pool.h - what the manager and the plan need of the pool besides its public calls.
 *
 * On every served node the pool has books (page and block states, depots, the caches of the CPUs
 * nearest to the node) and pages for blocks. Both lie in that node's region, at places that the
 * builder names.
 */
#ifndef HNUMA_LIB_POOL_H
#define HNUMA_LIB_POOL_H

#include <hugenuma.h>

#include "numa/ground.h"

/* Bytes that a pool needs on one node. */
struct hnuma_pool_need {
	size_t books;  /* a multiple of 4 KB */
	size_t pages;  /* a multiple of 2 MB */
	size_t blocks; /* of the pages, what blocks can take: half of them where hardened */
};

/*
 * Work out what a pool needs on the index-th served node.
 *
 * Returns 0, -EINVAL (buffers_per_class 0, unknown hygiene or policy), -EOVERFLOW; sets the message.
 */
int hnuma_pool_need(const struct hnuma_pool_attr *attr, const struct hnuma_service *service,
		    unsigned index, struct hnuma_pool_need *need);

/* Where a pool lies on one node: offsets into that node's region. */
struct hnuma_pool_place {
	size_t books; /* a multiple of 4 KB */
	size_t pages; /* a multiple of 2 MB */
};

/* What is to be known of a pool that another process has left, besides what lies in its regions. */
struct hnuma_pool_past {
	uint64_t key; /* hnuma_pool_key(), there */
	const uint64_t
		*origins; /* for each served node: the address of its pages for blocks, there */
};

/*
 * Make a pool on somebody else's ground, which must outlive it and whose bytes there are zero.
 *
 * @places  one for each served node.
 * @past    NULL; or of the pool that lies there already and is taken over, with the blocks of it that
 *          are out.
 *
 * Returns 0, -EUCLEAN (what lies there is no sound pool) or another negative errno, with the message
 * set; until it returns 0, what lies there stays what can be taken over.
 */
int hnuma_pool_build(struct hnuma_pool **out, const struct hnuma_ground *ground,
		     const struct hnuma_pool_attr *attr, const struct hnuma_pool_place *places,
		     const struct hnuma_pool_past *past);

/* What the patterns of a hardened pool are made of; 0 for another. */
uint64_t hnuma_pool_key(const struct hnuma_pool *pool);

/* How many blocks are out, on all nodes. */
size_t hnuma_pool_nr_out(const struct hnuma_pool *pool);

/*
 * pool_guard.c: the last look at a pool that has nothing out, before it is destroyed. Returns 0, or, in a
 * hardened pool, -EUCLEAN with the message: a free block was overwritten. What was found once is not found
 * again.
 */
int hnuma_guard_leave(struct hnuma_pool *pool);

/* Free a pool made by hnuma_pool_build(); its memory stays. Accepts NULL. */
void hnuma_pool_free(struct hnuma_pool *pool);

#endif
