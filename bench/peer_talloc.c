/* SPDX-License-Identifier: MIT */
/* bench/peer_talloc.c - talloc's pools, for one thread at a time. Calls talloc. */
#include "config.h"

#include <talloc.h>

#include "bench/peer.h"

static void *open_pool(size_t capacity_bytes)
{
	return talloc_pool(NULL, capacity_bytes);
}

#define STEPS			  pool
#define STEPS_BEGIN(instance)	  void *pool = (instance)
#define STEPS_ALLOC(bytes)	  talloc_size(pool, bytes)
#define STEPS_ALLOC_ZEROED(bytes) talloc_zero_size(pool, bytes)
#define STEPS_RESET()		  talloc_free_children(pool)
#include "bench/steps.h"

static const struct bench_steps steps = {
	.open = open_pool,
	.run = pool_run,
	.run_zeroed = pool_run_zeroed,
};

const struct bench_subject *bench_peer_open(const char **reason)
{
	static const struct bench_subject subjects[] = {
		{
			.name = "talloc pool",
			.kind = BENCH_PEER,
			.note = "one thread only, aligned to 16",
			.steps = &steps,
		},
		{.name = NULL},
	};

	*reason = NULL;
	return subjects;
}
