/* SPDX-License-Identifier: MIT */
/*
 * memory.h - everything that the server takes memory for, by lifetime, over two providers:
 *
 *	memory_hugenuma.c   the library: this is the file to read
 *	memory_malloc.c     plain malloc, nothing placed: the reference that it is compared with
 *
 *	lifetime        what                                      hugenuma
 *	the run         weights, books of pages and requests      the node's arena
 *	a step          activations, logits                       the worker's arena, reset every step
 *	a call          attention scores                          the core's scratch space
 *	a request       keys and values                           blocks of the node's pool
 *
 * Threads: create, destroy and node_alloc run while there are no workers; the rest in the worker's
 * own thread.
 */
#ifndef TOKEND_MEMORY_H
#define TOKEND_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#include <hugenuma.h>

#define MOST_WORKERS 1024

/* What will be needed, said before anything is taken. */
struct memory_needs {
	const int *cpus; /* a worker's each */
	unsigned nr_cpus;
	size_t node_bytes;   /* of the run: once on each node */
	size_t worker_bytes; /* of the run: for each worker, on its node */
	size_t step_bytes;   /* for each worker */
	size_t scores_bytes; /* for each worker */
	size_t block_bytes;  /* of keys and values */
	size_t nr_blocks;    /* for each worker */
	enum hnuma_backing least_backing;
	bool is_relaxed; /* go on unbound where the kernel refuses binding */
};

struct memory {
	const struct memory_ops *ops;
	struct memory_needs needs;
	struct hnuma_topology *topology;
	struct hnuma_manager *manager; /* hugenuma only */
	struct memory_chunk *chunks;   /* malloc only: what node_alloc() gave */
};

/* What one worker has of it. */
struct worker_memory {
	struct memory *memory;
	int cpu, node;
	struct hnuma_arena *arena; /* hugenuma: of steps */
	struct hnuma_space *space; /* hugenuma: between scores_begin and scores_end */
	char *step, *scores;	   /* malloc */
	size_t step_used;
};

/* A place in a step to come back to. */
struct step_mark {
	struct hnuma_arena_mark arena;
	size_t used;
};

/* int: 0, or -1 with hnuma_errormsg() or errno set. Pointers: NULL when exhausted. */
struct memory_ops {
	const char *name;
	bool is_paged; /* blocks are pages of a few tokens; else one block has a whole context */
	int (*create)(struct memory *memory);
	int (*destroy)(struct memory *memory);
	void *(*node_alloc)(struct memory *memory, int node, size_t bytes); /* zeroed */

	int (*worker_open)(struct worker_memory *worker); /* memory, cpu, node are set; pins */
	void (*worker_close)(struct worker_memory *worker);

	void (*step_reset)(struct worker_memory *worker);
	void *(*step_alloc)(struct worker_memory *worker, size_t count, size_t bytes);
	struct step_mark (*step_mark)(struct worker_memory *worker);
	void (*step_rewind)(struct worker_memory *worker, struct step_mark mark);

	float *(*scores_begin)(struct worker_memory *worker, size_t count);
	void (*scores_end)(struct worker_memory *worker);

	/* All or none. */
	int (*take_blocks)(struct worker_memory *worker, void **blocks, size_t nr_blocks);
	void (*give_blocks)(struct worker_memory *worker, void **blocks, size_t nr_blocks);
};

extern const struct memory_ops memory_hugenuma, memory_malloc;

/* The first of the workers on this one's node: who does what is done once for each node. */
static inline unsigned first_on_node(const struct memory *memory, unsigned worker)
{
	int node = hnuma_topology_node_of_cpu(memory->topology, memory->needs.cpus[worker]);
	unsigned first = 0;

	while (hnuma_topology_node_of_cpu(memory->topology, memory->needs.cpus[first]) != node)
		first++;
	return first;
}

/* So that what follows begins on a cache line. */
static inline size_t whole_lines(size_t bytes)
{
	return (bytes + 63) / 64 * 64;
}

#endif
