/* SPDX-License-Identifier: MIT */
/*
 * numa/place.h - where memory is to lie, and where it lies.
 *
 *	hnuma_place_enter()     the thread's policy is saved, the wish is in force
 *	    mmap                  (the kernel counts free huge pages against the thread's policy)
 *	    hnuma_place_bind()  the range keeps the wish for its life, whoever touches it
 *	hnuma_place_leave()     the thread's policy is what it was
 *
 * May be called from numa/region*.c. Uses <numaif.h>; calls the kernel through hnuma_sys only.
 */
#ifndef HNUMA_NUMA_PLACE_H
#define HNUMA_NUMA_PLACE_H

#include <hugenuma.h>

#define HNUMA_PLACE_WORDS (HNUMA_MAX_NODES / (8 * sizeof(unsigned long)))

/* A memory policy as the kernel takes it. */
struct hnuma_place {
	int mode;
	unsigned long mask[HNUMA_PLACE_WORDS];
};

/* What the kernel said of the pages of a range. */
struct hnuma_place_count {
	uint64_t here;	    /* on one of the wanted nodes */
	uint64_t elsewhere; /* on another */
	uint64_t unknown;   /* no node was told */
	int node; /* the one node of all that were told; HNUMA_NODE_NONE: there are several */
};

#define HNUMA_PLACE_COUNT_INIT            \
	{                                 \
		0, 0, 0, HNUMA_NODE_LOCAL \
	}

/* The policy for a region: `nodes` holds the one node of BIND and PREFERRED, or those to go round. */
void hnuma_place_init(struct hnuma_place *place, enum hnuma_policy policy,
		      const struct hnuma_nodeset *nodes);

/*
 * Put a policy in force for the calling thread.
 *
 * @previous  receives the policy that was in force, for hnuma_place_leave().
 *
 * Returns 0 or the kernel's answer; on failure the thread's policy is unchanged. Sets no message.
 */
int hnuma_place_enter(const struct hnuma_place *wish, struct hnuma_place *previous);

/*
 * Put the calling thread's policy back. Tries twice: a thread that is left with another's policy
 * would place all its later memory wrongly. Returns 0 or the kernel's answer. Sets no message.
 */
int hnuma_place_leave(const struct hnuma_place *previous);

/*
 * Bind a whole mapping. The nodes stay as they are when an administrator changes the cpuset. Returns
 * 0 or the kernel's answer. Sets no message.
 */
int hnuma_place_bind(void *address, size_t size_bytes, const struct hnuma_place *wish);

/*
 * Ask on which node each page of a range lies, and add it up.
 *
 * @count  begun by HNUMA_PLACE_COUNT_INIT; may hold the sum of other ranges.
 *
 * Returns 0, or the kernel's answer when it refuses to tell (-EPERM, -ENOSYS) or fails (-ENOMEM):
 * the count is then unchanged. Sets no message. Needs about 6 KB of stack, whatever the size.
 */
int hnuma_place_query(const void *base, size_t size_bytes, size_t page_size,
		      const struct hnuma_nodeset *wanted, struct hnuma_place_count *count);

/* Add `pages` pages that lie on one node to a count. */
void hnuma_place_count_pages(struct hnuma_place_count *count, const struct hnuma_nodeset *wanted,
			     int node, uint64_t pages);

#endif
