/* SPDX-License-Identifier: MIT */
/*
 * requests.h - how many blocks each request has: from a trace of real requests, or made up.
 *
 * A trace is CSV text: TIMESTAMP,ContextTokens,GeneratedTokens, then a request a line. What moves
 * from prefill to decode are the keys and values of the context.
 */
#ifndef KVMOVE_REQUESTS_H
#define KVMOVE_REQUESTS_H

#include <stdint.h>

struct requests {
	uint32_t *nr_blocks; /* of each */
	uint32_t nr, most;   /* requests; blocks of the largest */
};

/*
 * @trace  NULL: made up from the seed, 1 to 64 blocks each. One that is shorter than nr is gone
 *         through again.
 *
 * Returns 0, or -1 with a line printed.
 */
int requests_make(struct requests *requests, uint32_t nr, const char *trace,
		  unsigned tokens_per_block, uint64_t seed);
void requests_free(struct requests *requests);

#endif
