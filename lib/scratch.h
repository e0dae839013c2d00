/* SPDX-License-Identifier: MIT */
/*
 * lib/scratch.h - what the manager and the plan need of the scratch besides its public calls.
 */
#ifndef HNUMA_LIB_SCRATCH_H
#define HNUMA_LIB_SCRATCH_H

#include <hugenuma.h>

#include "numa/ground.h"

/*
 * Deal the spaces to the CPUs and nodes.
 *
 * @max_spaces  0: one for each CPU that the process may run on.
 * @cpus        receives an array of the result's length that the caller frees: for each space the
 *              CPU that it is made for, -1 for one beyond the number of CPUs.
 * @indices     the same: for each space the index of its served node.
 *
 * Spaces are in ascending order of index. Returns their number (> 0), -ENOMEM or -EOVERFLOW; sets
 * the message.
 */
int hnuma_scratch_deal(const struct hnuma_topology *topology, const struct hnuma_service *service,
		       unsigned max_spaces, int **cpus, unsigned **indices);

/*
 * Bytes that nr_spaces spaces of space_size bytes need, a multiple of 4 KB (each space starts on its
 * own 4 KB boundary). Returns 0, -EINVAL (space_size 0), -EOVERFLOW; sets the message.
 */
int hnuma_scratch_need(size_t space_size, unsigned nr_spaces, size_t *bytes);

/*
 * Make a scratch on somebody else's ground, which must outlive it.
 *
 * @offsets  for each served node: into its region, a multiple of 4 KB.
 *
 * Returns 0 or a negative errno with the message set.
 */
int hnuma_scratch_build(struct hnuma_scratch **out, const struct hnuma_ground *ground,
			const struct hnuma_scratch_attr *attr, const size_t *offsets);

/*
 * Free a scratch made by hnuma_scratch_build(), before its ground; its memory stays. No space may be
 * held or pinned. Accepts NULL.
 */
void hnuma_scratch_free(struct hnuma_scratch *scratch);

#endif
