/* SPDX-License-Identifier: MIT */
/*
 * memory_malloc.c - the server's memory from malloc, wherever the kernel puts it: the reference.
 * A request's keys and values are one block for its whole context; nothing is shared.
 */
#include "memory.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>

/* What node_alloc() gave, in a list. */
struct memory_chunk {
	struct memory_chunk *next;
	char bytes[] __attribute__((aligned(64)));
};

static int create(struct memory *memory)
{
	memory->chunks = NULL;
	return 0;
}

static int destroy(struct memory *memory)
{
	while (memory->chunks) {
		struct memory_chunk *next = memory->chunks->next;

		free(memory->chunks);
		memory->chunks = next;
	}
	return 0;
}

static void *node_alloc(struct memory *memory, int node, size_t bytes)
{
	struct memory_chunk *chunk = calloc(1, sizeof(*chunk) + bytes);

	(void)node;
	if (!chunk)
		return NULL;
	chunk->next = memory->chunks;
	memory->chunks = chunk;
	return chunk->bytes;
}

static int worker_open(struct worker_memory *worker)
{
	const struct memory_needs *needs = &worker->memory->needs;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(worker->cpu, &set);
	worker->step = malloc(needs->step_bytes);
	worker->scores = malloc(needs->scores_bytes);
	if (worker->step && worker->scores && !sched_setaffinity(0, sizeof(set), &set))
		return 0;
	free(worker->step);
	free(worker->scores);
	return -1;
}

static void worker_close(struct worker_memory *worker)
{
	free(worker->step);
	free(worker->scores);
}

static void step_reset(struct worker_memory *worker)
{
	worker->step_used = 0;
}

static void *step_alloc(struct worker_memory *worker, size_t count, size_t bytes)
{
	size_t size = whole_lines(count * bytes);

	if (size > worker->memory->needs.step_bytes - worker->step_used)
		return NULL;
	worker->step_used += size;
	return worker->step + worker->step_used - size;
}

static struct step_mark step_mark(struct worker_memory *worker)
{
	return (struct step_mark){.used = worker->step_used};
}

static void step_rewind(struct worker_memory *worker, struct step_mark mark)
{
	worker->step_used = mark.used;
}

static float *scores_begin(struct worker_memory *worker, size_t count)
{
	return count * sizeof(float) > worker->memory->needs.scores_bytes
		       ? NULL
		       : (float *)(void *)worker->scores;
}

static void scores_end(struct worker_memory *worker)
{
	(void)worker;
}

/* One allocation, whose parts lie end to end. */
static int take_blocks(struct worker_memory *worker, void **blocks, size_t nr_blocks)
{
	size_t size = worker->memory->needs.block_bytes;
	char *all = malloc(nr_blocks * size);

	if (!all)
		return -ENOMEM;
	for (size_t i = 0; i < nr_blocks; i++)
		blocks[i] = all + i * size;
	return 0;
}

static void give_blocks(struct worker_memory *worker, void **blocks, size_t nr_blocks)
{
	(void)worker;
	(void)nr_blocks;
	free(blocks[0]);
}

const struct memory_ops memory_malloc = {
	.name = "malloc",
	.is_paged = false,
	.create = create,
	.destroy = destroy,
	.node_alloc = node_alloc,
	.worker_open = worker_open,
	.worker_close = worker_close,
	.step_reset = step_reset,
	.step_alloc = step_alloc,
	.step_mark = step_mark,
	.step_rewind = step_rewind,
	.scores_begin = scores_begin,
	.scores_end = scores_end,
	.take_blocks = take_blocks,
	.give_blocks = give_blocks,
};
