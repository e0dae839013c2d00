/* SPDX-License-Identifier: MIT */
/*
 * numa/memory.h - how much memory that is not hugetlb can be had.
 *
 * May be called from numa/. Reads files through numa/procfs, sets no message.
 */
#ifndef HNUMA_NUMA_MEMORY_H
#define HNUMA_NUMA_MEMORY_H

#include <stdint.h>

#include <hugenuma.h>

struct hnuma_memory {
	uint64_t available_kb; /* free, or given up by caches: without those below */
	uint64_t kept_kb;      /* free, but kept back by the kernel for itself; 0: not told */
	uint64_t swap_kb;      /* free swap, to which other memory can go */
};

/*
 * What can be had from the nodes of a set, or from the whole machine (NULL).
 *
 * A program that wants more of a node than this does not get an error from the kernel: the kernel kills
 * processes, perhaps this one, until there is enough. MemFree is no measure: below its watermarks
 * the kernel gives nothing to programs.
 *
 * Returns 0, or a negative errno when the files do not tell.
 */
int hnuma_memory_read(const struct hnuma_nodeset *nodes, struct hnuma_memory *memory);

#endif
