/* SPDX-License-Identifier: MIT */
/*
 * lib/arena.h - what the manager needs of the arena besides its public calls.
 */
#ifndef HNUMA_LIB_ARENA_H
#define HNUMA_LIB_ARENA_H

#include <hugenuma.h>

/*
 * Make an arena in a part of somebody else's region, which must outlive it.
 *
 * @offset    into the region, a multiple of 2 MB.
 * @capacity  bytes, a multiple of 64, inside the region.
 *
 * Returns 0 or -ENOMEM with the message set.
 */
int hnuma_arena_build(struct hnuma_arena **out, const struct hnuma_region *region, int node,
		      size_t offset, size_t capacity);

/* Free an arena made by hnuma_arena_build(), before its region; its memory stays. Accepts NULL. */
void hnuma_arena_free(struct hnuma_arena *arena);

/* Round a capacity up to 64. Returns 0, -EINVAL (0), -EOVERFLOW, with the message set. */
int hnuma_arena_round_capacity(size_t asked, size_t *capacity);

#endif
