/* SPDX-License-Identifier: MIT */
/*
 * tools/replay_size.h - which CPUs and nodes a replay uses, and how much memory it takes there.
 */
#ifndef HUGENUMA_TOOLS_REPLAY_SIZE_H
#define HUGENUMA_TOOLS_REPLAY_SIZE_H

#include <hugenuma.h>

#include "tools/replay.h"
#include "tools/replay_options.h"
#include "tools/trace.h"

struct replay_size {
	struct replay_seat *seats;
	unsigned nr_workers;
	int *nodes; /* ascending */
	unsigned nr_nodes;
	enum hnuma_class block_class;
	uint64_t largest_bytes;	    /* what the largest request needs of a pool */
	struct hnuma_config config; /* what the manager is made from */
	const char *pool_reason;    /* why the pool has its size, in a few words */
};

/*
 * Work it out.
 *
 * Returns 0, or one of enum command_exit with the reason printed. The caller frees the size in
 * either case.
 */
int replay_size_work_out(struct replay_size *size, const struct replay_options *options,
			 const struct trace *trace, const struct hnuma_topology *topology);

void replay_size_free(struct replay_size *size);

/* Bytes of memory that this process can still take without swapping; UINT64_MAX: nobody tells. */
uint64_t available_memory(void);

#endif
