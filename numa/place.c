/* SPDX-License-Identifier: MIT */
/*
 * numa/place.c - memory policies of the thread and of ranges, and on which node each page lies.
 *
 * May use <numaif.h>, for its constants; calls the kernel through hnuma_sys only.
 */
#include "config.h"

#include <numaif.h>
#include <string.h>

#include <hugenuma.h>

#include "numa/place.h"
#include "numa/sys.h"

/* Since Linux 2.6.26; <linux/mempolicy.h>, which has it, cannot be included beside <numaif.h>. */
#ifndef MPOL_F_STATIC_NODES
#define MPOL_F_STATIC_NODES (1 << 15)
#endif

/* The kernel looks at one bit less than it is told. */
#define MASK_BITS (HNUMA_MAX_NODES + 1)

#define BITS_PER_WORD (8 * sizeof(unsigned long))

/* Pages asked about in one call. */
#define BATCH 512

void hnuma_place_init(struct hnuma_place *place, enum hnuma_policy policy,
		      const struct hnuma_nodeset *nodes)
{
	memset(place, 0, sizeof(*place));
	switch (policy) {
	case HNUMA_POLICY_PREFERRED:
		place->mode = MPOL_PREFERRED;
		break;
	case HNUMA_POLICY_INTERLEAVE:
		place->mode = MPOL_INTERLEAVE;
		break;
	case HNUMA_POLICY_BIND:
		place->mode = MPOL_BIND;
		break;
	}
	/* Without it a change of the cpuset would move the policy to other nodes. */
	place->mode |= MPOL_F_STATIC_NODES;
	for (int node = 0; node < HNUMA_MAX_NODES; node++)
		if (hnuma_nodeset_has(nodes, node))
			place->mask[(size_t)node / BITS_PER_WORD] |=
				1ul << ((size_t)node % BITS_PER_WORD);
}

int hnuma_place_enter(const struct hnuma_place *wish, struct hnuma_place *previous)
{
	int error;

	memset(previous, 0, sizeof(*previous));
	error = hnuma_sys.get_policy(&previous->mode, previous->mask, MASK_BITS, NULL, 0);
	if (error)
		return error;
	return hnuma_sys.set_policy(wish->mode, wish->mask, MASK_BITS);
}

static int put_back(const struct hnuma_place *previous)
{
	/* The kernel wants no nodes at all with the default policy, and takes an empty mask for it. */
	return hnuma_sys.set_policy(previous->mode, previous->mask, MASK_BITS);
}

int hnuma_place_leave(const struct hnuma_place *previous)
{
	int error = put_back(previous);

	return error ? put_back(previous) : 0;
}

int hnuma_place_bind(void *address, size_t size_bytes, const struct hnuma_place *wish)
{
	return hnuma_sys.bind(address, size_bytes, wish->mode, wish->mask, MASK_BITS, 0);
}

void hnuma_place_count_pages(struct hnuma_place_count *count, const struct hnuma_nodeset *wanted,
			     int node, uint64_t pages)
{
	if (pages == 0)
		return;
	if (node < 0) {
		count->unknown += pages;
		return;
	}
	if (hnuma_nodeset_has(wanted, node))
		count->here += pages;
	else
		count->elsewhere += pages;
	if (count->node == HNUMA_NODE_LOCAL)
		count->node = node;
	else if (count->node != node)
		count->node = HNUMA_NODE_NONE;
}

int hnuma_place_query(const void *base, size_t size_bytes, size_t page_size,
		      const struct hnuma_nodeset *wanted, struct hnuma_place_count *count)
{
	struct hnuma_place_count sum = *count;
	size_t nr_pages = size_bytes / page_size;
	void *pages[BATCH];
	int status[BATCH];

	for (size_t first = 0; first < nr_pages; first += BATCH) {
		size_t n = nr_pages - first < BATCH ? nr_pages - first : BATCH;
		int error;

		for (size_t i = 0; i < n; i++) {
			pages[i] = (char *)base + (first + i) * page_size;
			status[i] = -1;
		}
		error = hnuma_sys.query_pages(n, pages, status);
		if (error < 0)
			return error;
		for (size_t i = 0; i < n; i++)
			hnuma_place_count_pages(&sum, wanted, status[i], 1);
	}
	*count = sum;
	return 0;
}
