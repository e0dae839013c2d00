/* SPDX-License-Identifier: MIT */
/*
 * memory.h - a process's blocks, from the library or from malloc.
 *
 *	memory_hugenuma.c   a manager on one node; each of its regions is shown to the network once
 *	memory_malloc.c     the same blocks one by one, as who has no regions would: `--memory malloc`
 */
#ifndef KVMOVE_MEMORY_H
#define KVMOVE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#include <hugenuma.h>

#include "windows.h"

struct memory {
	const struct memory_ops *ops;
	size_t block_bytes; /* one of the pool's classes */
	size_t nr_blocks;
	enum hnuma_backing least_backing;
	bool is_relaxed;
	int node; /* HNUMA_NODE_LOCAL until it is open */

	struct hnuma_topology *topology;
	struct hnuma_manager *manager;
	size_t nr_out; /* of the pool, which has some to spare */

	void **all, **free; /* from malloc: all blocks, and those that are not out */
	size_t nr_free;
};

struct memory_ops {
	const char *name;
	/*
	 * Take the memory from the kernel, and make windows of it. Returns 0, or -1 with a line
	 * printed.
	 */
	int (*open)(struct memory *memory, struct windows *windows);
	/* Give it back, windows first. Returns 0, or -1 with a line printed: blocks are out. */
	int (*close)(struct memory *memory, struct windows *windows);
	/* Take so many blocks, all or none. Returns 0, or -1: there are not so many now. */
	int (*take)(struct memory *memory, void **blocks, size_t nr_blocks);
	void (*give)(struct memory *memory, void **blocks, size_t nr_blocks);
	/* How many are out, by the books; -1 when the books are wrong, with a line printed. */
	long (*in_use)(struct memory *memory);
};

extern const struct memory_ops memory_hugenuma, memory_malloc;

#endif
