/* SPDX-License-Identifier: MIT */
/*
 * options.h - the command line.
 */
#ifndef KVMOVE_OPTIONS_H
#define KVMOVE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hugenuma.h>

struct options {
	bool is_prefill;
	const char *address;
	uint16_t port;
	const struct memory_ops *memory;
	enum hnuma_backing least_backing;
	bool is_relaxed;
	bool is_local;	   /* both ends on one host: shared memory, which knows no failures */
	bool is_unchecked; /* neither fill nor check: the transfer alone, for measuring */
	size_t block_bytes, nr_blocks;
	uint32_t nr_requests; /* decode: end after so many, 0: at a signal */

	/* of prefill */
	bool is_by_message; /* not by puts: each block in a message that decode fetches */
	const char *trace;
	uint64_t seed;
	unsigned tokens_per_block;
	unsigned nr_moves; /* requests that are under way at the same time */
	unsigned patience; /* seconds without a link until it gives up */

	/* of decode */
	unsigned hold_ms; /* how long a request keeps its blocks after they have come */
};

/* Returns -1 to go on, or an exit code: helped, or complained. */
int options_read(struct options *options, int argc, char **argv);

#endif
