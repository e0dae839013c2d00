/* SPDX-License-Identifier: MIT */
/*
 * memory_malloc.c - blocks from malloc, each registered by itself: what has to be done where nothing
 * is known of the memory that blocks come from. For comparison only.
 */
#include "memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int close_memory(struct memory *memory, struct windows *windows)
{
	for (size_t i = 0; memory->all && i < memory->nr_blocks; i++) {
		if (memory->all[i])
			windows_remove(windows, memory->all[i]);
		free(memory->all[i]);
	}
	free(memory->all);
	free(memory->free);
	return 0;
}

static int open_memory(struct memory *memory, struct windows *windows)
{
	memory->all = calloc(memory->nr_blocks, sizeof(*memory->all));
	memory->free = calloc(memory->nr_blocks, sizeof(*memory->free));
	if (!memory->all || !memory->free)
		goto no_memory;
	for (size_t i = 0; i < memory->nr_blocks; i++) {
		memory->all[i] = malloc(memory->block_bytes);
		if (!memory->all[i])
			goto no_memory;
		memset(memory->all[i], 0, memory->block_bytes); /* so that it is in memory */
		if (windows_add(windows, memory->all[i], memory->block_bytes))
			goto close;
		memory->free[memory->nr_free++] = memory->all[i];
	}
	return 0;

no_memory:
	fprintf(stderr, "kvmove: no memory for %zu blocks\n", memory->nr_blocks);
close:
	close_memory(memory, windows);
	return -1;
}

static int take(struct memory *memory, void **blocks, size_t nr_blocks)
{
	if (memory->nr_free < nr_blocks)
		return -1;
	memory->nr_free -= nr_blocks;
	memcpy(blocks, memory->free + memory->nr_free, nr_blocks * sizeof(*blocks));
	return 0;
}

static void give(struct memory *memory, void **blocks, size_t nr_blocks)
{
	memcpy(memory->free + memory->nr_free, blocks, nr_blocks * sizeof(*blocks));
	memory->nr_free += nr_blocks;
}

static long in_use(struct memory *memory)
{
	return (long)(memory->nr_blocks - memory->nr_free);
}

const struct memory_ops memory_malloc = {
	.name = "malloc",
	.open = open_memory,
	.close = close_memory,
	.take = take,
	.give = give,
	.in_use = in_use,
};
