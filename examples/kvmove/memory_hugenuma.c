/* SPDX-License-Identifier: MIT */
/*
 * memory_hugenuma.c - blocks from a manager of the library. Its regions are few and stay as they are
 * from start to end: hooks register each when it is made, and every block is in a window already.
 *
 * One node is served: the one this process runs on, which should be the one its network card is on.
 */
#include "memory.h"

#include <errno.h>
#include <stdio.h>

/* Blocks that other CPUs have at hand, and pages that are dealt to another class, never starve us. */
#define SPARE_BYTES ((size_t)4 * 1024 * 1024)

static int complain(void)
{
	fprintf(stderr, "kvmove: %s\n", hnuma_errormsg());
	return -1;
}

/* A piece of a region is there; no block lies in two of them. */
static int made(void *windows, const struct hnuma_piece *piece, void **handle)
{
	(void)handle;
	return windows_add(windows, piece->base, piece->size) ? -EIO : 0;
}

static void going(void *windows, const struct hnuma_piece *piece, void *handle)
{
	(void)handle;
	windows_remove(windows, piece->base);
}

static int make(struct memory *memory, struct windows *windows)
{
	struct hnuma_config config = HNUMA_CONFIG_INIT;
	struct hnuma_hooks hooks = HNUMA_HOOKS_INIT;

	memory->node = hnuma_current_node(memory->topology);
	/* Where the system does not tell of its nodes, none is bound and the manager chooses. */
	if (memory->node >= 0)
		hnuma_nodeset_add(&config.nodes, memory->node);
	else
		memory->node = HNUMA_NODE_LOCAL;
	config.arena_capacity = HNUMA_HUGEPAGE; /* nothing is computed here */
	config.buffers_per_class = memory->nr_blocks;
	config.pool_bytes_per_node = memory->nr_blocks * memory->block_bytes + SPARE_BYTES;
	config.least_backing = memory->least_backing;
	config.flags = memory->is_relaxed ? HNUMA_RELAXED : 0;
	hooks.made = made;
	hooks.going = going;
	hooks.arg = windows;
	config.hooks = &hooks;
	return hnuma_manager_create(&memory->manager, memory->topology, &config);
}

static int open_memory(struct memory *memory, struct windows *windows)
{
	if (hnuma_topology_create(&memory->topology))
		return complain();
	if (make(memory, windows)) {
		complain();
		hnuma_topology_destroy(memory->topology);
		return -1;
	}
	return 0;
}

static int close_memory(struct memory *memory, struct windows *windows)
{
	(void)windows; /* the hooks know them */
	if (hnuma_manager_destroy(memory->manager))
		return complain();
	hnuma_topology_destroy(memory->topology);
	return 0;
}

static int take(struct memory *memory, void **blocks, size_t nr_blocks)
{
	int class_index = hnuma_class_for_size(memory->block_bytes);

	if (memory->nr_out + nr_blocks > memory->nr_blocks ||
	    hnuma_pool_acquire_bulk_on(hnuma_manager_pool(memory->manager), memory->node,
				       (enum hnuma_class)class_index, blocks, nr_blocks))
		return -1;
	memory->nr_out += nr_blocks;
	return 0;
}

static void give(struct memory *memory, void **blocks, size_t nr_blocks)
{
	/* Refused is only what is not a block, or not out: a fault of ours, and worth a line. */
	if (hnuma_pool_release_bulk(hnuma_manager_pool(memory->manager), blocks, nr_blocks))
		complain();
	memory->nr_out -= nr_blocks;
}

static long in_use(struct memory *memory)
{
	struct hnuma_pool *pool = hnuma_manager_pool(memory->manager);
	struct hnuma_pool_stats stats;
	long sum = 0;

	if (hnuma_pool_check(pool) || hnuma_pool_stats(pool, &stats))
		return complain();
	for (unsigned i = 0; i < HNUMA_NR_CLASSES; i++)
		sum += (long)stats.in_use[i];
	return sum;
}

const struct memory_ops memory_hugenuma = {
	.name = "hugenuma",
	.open = open_memory,
	.close = close_memory,
	.take = take,
	.give = give,
	.in_use = in_use,
};
