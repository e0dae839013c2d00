/* SPDX-License-Identifier: MIT */
/*
 * tools/memory_malloc.c - the same memory from plain malloc, to compare with. Calls libc only.
 *
 * malloc knows no limit of its own, so the blocks that are out on a node are counted against the
 * size that a pool would have: both memories then run the same requests at the same time.
 */
#include "config.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "tools/memory.h"

struct node_count {
	_Alignas(64) _Atomic size_t in_use;
	_Atomic size_t high_water_mark;
	_Atomic uint64_t acquires;
	_Atomic uint64_t releases;
	_Atomic uint64_t refusals;
};

static int enter(struct memory_worker *worker)
{
	size_t bytes = CPU_ALLOC_SIZE(worker->cpu + 1);
	cpu_set_t *set = CPU_ALLOC(worker->cpu + 1);
	int error = 0;

	if (!set)
		return -ENOMEM;
	CPU_ZERO_S(bytes, set);
	CPU_SET_S((size_t)worker->cpu, bytes, set);
	if (sched_setaffinity(0, bytes, set))
		error = -errno;
	CPU_FREE(set);
	return error;
}

static void leave(struct memory_worker *worker)
{
	free(worker->step);
	worker->step = NULL;
}

/* Count n more blocks as out. False: there would be too many. */
static bool count_out(struct memory_worker *worker, size_t n)
{
	struct node_count *count = (struct node_count *)worker->memory->own + worker->node;
	size_t before = atomic_fetch_add_explicit(&count->in_use, n, memory_order_relaxed);
	size_t high = atomic_load_explicit(&count->high_water_mark, memory_order_relaxed);

	if (before + n > worker->memory->blocks_per_node) {
		atomic_fetch_sub_explicit(&count->in_use, n, memory_order_relaxed);
		atomic_fetch_add_explicit(&count->refusals, 1, memory_order_relaxed);
		return false;
	}
	atomic_fetch_add_explicit(&count->acquires, n, memory_order_relaxed);
	while (before + n > high &&
	       !atomic_compare_exchange_weak_explicit(&count->high_water_mark, &high, before + n,
						      memory_order_relaxed, memory_order_relaxed))
		;
	return true;
}

static void count_home(struct memory_worker *worker, size_t n)
{
	struct node_count *count = (struct node_count *)worker->memory->own + worker->node;

	atomic_fetch_sub_explicit(&count->in_use, n, memory_order_relaxed);
	atomic_fetch_add_explicit(&count->releases, n, memory_order_relaxed);
}

static int acquire_bulk(struct memory_worker *worker, void **blocks, size_t nr_blocks)
{
	size_t i;

	if (!count_out(worker, nr_blocks))
		return -ENOMEM;
	for (i = 0; i < nr_blocks; i++) {
		blocks[i] = malloc(worker->memory->block_bytes);
		if (!blocks[i])
			goto no_memory;
	}
	return 0;

no_memory:
	while (i > 0)
		free(blocks[--i]);
	count_home(worker, nr_blocks);
	return -ENOMEM;
}

static void *acquire(struct memory_worker *worker)
{
	void *block;

	return acquire_bulk(worker, &block, 1) ? NULL : block;
}

static int release_bulk(struct memory_worker *worker, void *const *blocks, size_t nr_blocks)
{
	size_t i;

	for (i = 0; i < nr_blocks; i++)
		free(blocks[i]);
	count_home(worker, nr_blocks);
	return 0;
}

static void *step_alloc(struct memory_worker *worker, size_t bytes)
{
	if (worker->nr_step == worker->step_room) {
		size_t room = worker->step_room ? 2 * worker->step_room : 256;
		void **more = realloc(worker->step, room * sizeof(*more));

		if (!more)
			return NULL;
		worker->step = more;
		worker->step_room = room;
	}
	worker->step[worker->nr_step] = malloc(bytes);
	return worker->step[worker->nr_step] ? worker->step[worker->nr_step++] : NULL;
}

static void step_end(struct memory_worker *worker)
{
	while (worker->nr_step > 0)
		free(worker->step[--worker->nr_step]);
}

static void step_reset(struct memory *memory, unsigned node)
{
	(void)memory;
	(void)node;
}

static void *scratch_acquire(struct memory_worker *worker, size_t bytes)
{
	(void)worker;
	return calloc(1, bytes);
}

static int scratch_release(struct memory_worker *worker, void *scores)
{
	(void)worker;
	free(scores);
	return 0;
}

static int close_counts(struct memory *memory)
{
	free(memory->own);
	memory->own = NULL;
	return 0;
}

static const struct memory_ops malloc_ops = {
	.name = "malloc",
	.enter = enter,
	.leave = leave,
	.acquire_bulk = acquire_bulk,
	.acquire = acquire,
	.release_bulk = release_bulk,
	.step_alloc = step_alloc,
	.step_end = step_end,
	.step_reset = step_reset,
	.scratch_acquire = scratch_acquire,
	.scratch_release = scratch_release,
	.close = close_counts,
};

int memory_malloc_open(struct memory *memory, size_t block_bytes, size_t blocks_per_node,
		       size_t scratch_bytes)
{
	struct node_count *counts;
	unsigned i;

	counts = aligned_alloc(_Alignof(struct node_count), memory->nr_nodes * sizeof(*counts));
	if (!counts)
		return -ENOMEM;
	for (i = 0; i < memory->nr_nodes; i++) {
		atomic_init(&counts[i].in_use, 0);
		atomic_init(&counts[i].high_water_mark, 0);
		atomic_init(&counts[i].acquires, 0);
		atomic_init(&counts[i].releases, 0);
		atomic_init(&counts[i].refusals, 0);
	}
	memory->ops = &malloc_ops;
	memory->block_bytes = block_bytes;
	memory->blocks_per_node = blocks_per_node;
	memory->scratch_bytes = scratch_bytes;
	memory->own = counts;
	return 0;
}

void memory_malloc_classes(const struct memory *memory, struct memory_class_row *rows)
{
	const struct node_count *counts = memory->own;
	unsigned i, c;

	for (i = 0; i < memory->nr_nodes; i++) {
		for (c = 0; c < HNUMA_NR_CLASSES; c++, rows++) {
			*rows = (struct memory_class_row){
				memory->nodes[i], (enum hnuma_class)c, {0}};
			if (hnuma_class_size(rows->class_index) != memory->block_bytes)
				continue;
			rows->stats.allocations = counts[i].acquires;
			rows->stats.returns = counts[i].releases;
			rows->stats.failures = counts[i].refusals;
			rows->stats.in_use = counts[i].in_use;
			rows->stats.high_water_mark = counts[i].high_water_mark;
		}
	}
}
