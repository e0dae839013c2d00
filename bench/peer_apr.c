/* SPDX-License-Identifier: MIT */
/* bench/peer_apr.c - APR's pools, for one thread at a time. Calls APR. */
#include "config.h"

#include <apr_general.h>
#include <apr_pools.h>

#include "bench/peer.h"

static void *open_pool(size_t capacity_bytes)
{
	apr_pool_t *pool;

	(void)capacity_bytes;
	return apr_pool_create(&pool, NULL) == APR_SUCCESS ? pool : NULL;
}

#define STEPS			  pool
#define STEPS_BEGIN(instance)	  apr_pool_t *pool = (instance)
#define STEPS_ALLOC(bytes)	  apr_palloc(pool, bytes)
#define STEPS_ALLOC_ZEROED(bytes) apr_pcalloc(pool, bytes)
#define STEPS_RESET()		  apr_pool_clear(pool)
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
			.name = "APR pool",
			.kind = BENCH_PEER,
			.note = "one thread only, aligned to 8",
			.steps = &steps,
		},
		{.name = NULL},
	};

	if (apr_initialize() != APR_SUCCESS) {
		*reason = "apr_initialize() fails";
		return NULL;
	}
	return subjects;
}
