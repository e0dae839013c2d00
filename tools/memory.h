/* SPDX-License-Identifier: MIT */
/*
 * tools/memory.h - one small interface over the memories that a replay can run on: hugenuma's
 * manager (memory_hugenuma.c) and plain malloc (memory_malloc.c). Calls <hugenuma.h> and libc.
 *
 * Threads: enter and leave run in the worker's own thread; everything between them as well, and
 * at the same time in all workers. step_reset is for one worker of a node, while the others of
 * that node neither allocate for a step nor use what they had.
 */
#ifndef HUGENUMA_TOOLS_MEMORY_H
#define HUGENUMA_TOOLS_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hugenuma.h>

struct memory;

/* What one worker has of a memory. */
struct memory_worker {
	struct memory *memory;
	unsigned node; /* index into memory->nodes */
	int cpu;
	/* hugenuma */
	struct hnuma_lane lane;
	struct hnuma_space *space;
	/* malloc: what this step allocated */
	void **step;
	size_t nr_step;
	size_t step_room;
};

/* Each returns 0 or a negative errno, or a pointer or NULL, and keeps hnuma_errormsg()'s habits. */
struct memory_ops {
	const char *name;
	int (*enter)(struct memory_worker *worker); /* pin the thread to worker->cpu, get ready */
	void (*leave)(struct memory_worker *worker);

	/* KV-cache blocks, for the life of a request. -ENOMEM, NULL: none taken, try later. */
	int (*acquire_bulk)(struct memory_worker *worker, void **blocks, size_t nr_blocks);
	void *(*acquire)(struct memory_worker *worker);
	int (*release_bulk)(struct memory_worker *worker, void *const *blocks, size_t nr_blocks);

	/* Activations and logits, for a step. */
	void *(*step_alloc)(struct memory_worker *worker, size_t bytes);
	void (*step_end)(struct memory_worker *worker); /* this worker is done with its own */
	void (*step_reset)(struct memory *memory, unsigned node);

	/* Scores, for one call: zeroed memory, at most memory->scratch_bytes. */
	void *(*scratch_acquire)(struct memory_worker *worker, size_t bytes);
	int (*scratch_release)(struct memory_worker *worker, void *scores);

	int (*close)(struct memory *memory);
};

/* The blocks of one class on one node. */
struct memory_class_row {
	int node;
	enum hnuma_class class_index;
	struct hnuma_pool_class_stats stats;
};

/* Where one object's pages on one node lie. */
struct memory_object_row {
	int node;
	const char *object; /* "pool", "arena", "scratch", or "all" for the whole region */
	struct hnuma_placement placement;
	struct hnuma_region_info info;
};

struct memory {
	const struct memory_ops *ops;
	size_t block_bytes;	/* of the blocks that are handed out */
	size_t blocks_per_node; /* so many can be out at one time on each node */
	size_t scratch_bytes;
	unsigned nr_nodes;
	const int *nodes; /* the caller's: numbers of the nodes that are served */
	void *own;	  /* the implementation's */
};

/*
 * Open hugenuma's manager. `config` names the served nodes; block_class is the class of the blocks.
 *
 * Returns 0 or a negative errno with hnuma_errormsg() set.
 */
int memory_hugenuma_open(struct memory *memory, const struct hnuma_topology *topology,
			 const struct hnuma_config *config, enum hnuma_class block_class);

/*
 * Fill in what the manager says about itself. The arrays have room for memory->nr_nodes *
 * HNUMA_NR_CLASSES and memory->nr_nodes * 4 rows.
 *
 * Returns 0 or a negative errno with hnuma_errormsg() set.
 */
int memory_hugenuma_classes(const struct memory *memory, struct memory_class_row *rows);
int memory_hugenuma_objects(const struct memory *memory, struct memory_object_row *rows,
			    unsigned *nr_rows);

/* hnuma_pool_check() on the manager's pool. */
int memory_hugenuma_check(const struct memory *memory);

/*
 * Open plain malloc, with the same limit on blocks that are out at one time as a pool of that size
 * has.
 *
 * Returns 0, -ENOMEM.
 */
int memory_malloc_open(struct memory *memory, size_t block_bytes, size_t blocks_per_node,
		       size_t scratch_bytes);

/* The same rows: allocations, in use and high-water mark are known. */
void memory_malloc_classes(const struct memory *memory, struct memory_class_row *rows);

#endif
