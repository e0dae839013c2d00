/* SPDX-License-Identifier: MIT */
/*
 * tests/guests/exchange.c - see exchange.h. Calls the public headers, the C library, and through
 * guest.h the kernel.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "tests/guests/exchange.h"

enum { ROUNDS = 60, BUFFERS = 64, INBOX = 4096 };

/* At both ends of a block that is out: who wrote it, and for which class. */
struct stamp {
	uint32_t thread, round, class_index, node;
};

struct worker {
	pthread_t thread;
	unsigned index;
	struct shared *shared;
	uint64_t acquired, refused, released;
	/* Blocks passed to this worker. */
	pthread_mutex_t lock; /* protects the two below */
	unsigned nr_blocks;
	void *blocks[INBOX];
};

struct shared {
	const struct guest_machine *machine;
	struct hnuma_pool *pool;
	unsigned nr_nodes;
	int nodes[GUEST_MAX_NODES]; /* that the pool serves */
	unsigned nr_workers;
	struct worker *workers;
	pthread_barrier_t all_passed;
};

static bool pool_serves(const struct guest_node *node)
{
	return node->has_memory && node->is_allowed;
}

static void write_stamps(void *block, const struct stamp *stamp)
{
	size_t size = hnuma_class_size(stamp->class_index);

	memcpy(block, stamp, sizeof *stamp);
	memcpy((char *)block + size - sizeof *stamp, stamp, sizeof *stamp);
}

/* Was the block left alone since its stamps were written? Then give it back. */
static void receive(struct worker *worker, void *block)
{
	struct hnuma_pool *pool = worker->shared->pool;
	struct stamp first, last;

	memcpy(&first, block, sizeof first);
	guest_check(first.class_index < HNUMA_NR_CLASSES, "a stamp was overwritten");
	memcpy(&last, (char *)block + hnuma_class_size(first.class_index) - sizeof last,
	       sizeof last);
	guest_check(!memcmp(&first, &last, sizeof first), "the two stamps differ");
	guest_check(hnuma_pool_class_of(pool, block) == (int)first.class_index,
		    "class %d instead of %u", hnuma_pool_class_of(pool, block), first.class_index);
	guest_check(hnuma_pool_node_of(pool, block) == (int)first.node, "node %d instead of %u",
		    hnuma_pool_node_of(pool, block), first.node);
	guest_check(!hnuma_pool_release(pool, block), "release: %s", hnuma_errormsg());
	worker->released++;
}

static void receive_all(struct worker *worker)
{
	for (;;) {
		void *block;

		pthread_mutex_lock(&worker->lock);
		block = worker->nr_blocks ? worker->blocks[--worker->nr_blocks] : NULL;
		pthread_mutex_unlock(&worker->lock);
		if (!block)
			return;
		receive(worker, block);
	}
}

/* Give a block to another worker; keep it if that one's inbox is full. */
static void pass(struct worker *worker, struct worker *to, void *block)
{
	bool is_passed = false;

	pthread_mutex_lock(&to->lock);
	if (to->nr_blocks < INBOX) {
		to->blocks[to->nr_blocks++] = block;
		is_passed = true;
	}
	pthread_mutex_unlock(&to->lock);
	if (!is_passed)
		receive(worker, block);
}

/* Acquire one block, from the nearest node or a named one, and check that it is from there. */
static void acquire_and_pass(struct worker *worker, unsigned round, unsigned class_index)
{
	struct shared *shared = worker->shared;
	int named = shared->nodes[(round / 2 + worker->index) % shared->nr_nodes];
	struct worker *to = &shared->workers[(worker->index + 1 + round) % shared->nr_workers];
	struct stamp stamp = {worker->index, round, class_index, 0};
	void *block;
	int node;

	block = round % 2 ? hnuma_pool_acquire_on(shared->pool, named, class_index)
			  : hnuma_pool_acquire(shared->pool, class_index);
	if (!block) {
		guest_check(errno == ENOMEM, "refused with %d", errno);
		worker->refused++;
		return;
	}
	worker->acquired++;
	node = hnuma_pool_node_of(shared->pool, block);
	if (round % 2)
		guest_check(node == named, "asked of node %d, had from node %d", named, node);
	else
		guest_check(
			guest_is_nearest(shared->machine, (int)worker->index, node, pool_serves),
			"CPU %d had a block of node %d", shared->machine->cpus[worker->index],
			node);
	stamp.node = (uint32_t)node;
	write_stamps(block, &stamp);
	/* The kernel's word is slow to get: not for every block. */
	if (round % 8 == 0)
		guest_check(guest_node_of_page(block) == node, "a block of node %d is on %d", node,
			    guest_node_of_page(block));
	pass(worker, to, block);
}

static void *work(void *arg)
{
	struct worker *worker = arg;
	struct shared *shared = worker->shared;

	guest_check(!guest_pin(shared->machine->cpus[worker->index]), "CPU %d cannot be had",
		    shared->machine->cpus[worker->index]);
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned class_index = 0; class_index < HNUMA_NR_CLASSES; class_index++)
			for (unsigned i = 0; i < 4; i++)
				acquire_and_pass(worker, round, class_index);
		if (round % 3 == 2)
			receive_all(worker);
	}
	pthread_barrier_wait(&shared->all_passed);
	receive_all(worker);
	return NULL;
}

unsigned long exchange_exhaust(struct hnuma_pool *pool, int node, enum hnuma_class class_index)
{
	const struct hnuma_region *region = hnuma_pool_region(pool, node);
	const unsigned char *base = hnuma_region_base(region);
	unsigned long nr_blocks = 0;
	void *block, *last = NULL;

	/* The blocks' first words chain them. */
	while ((block = hnuma_pool_acquire_on(pool, node, class_index))) {
		guest_check((unsigned char *)block >= base &&
				    (unsigned char *)block < base + hnuma_region_size(region),
			    "a block of node %d lies outside its region", node);
		if (nr_blocks % 16 == 0)
			guest_check(guest_node_of_page(block) == node,
				    "a block of node %d is on %d", node, guest_node_of_page(block));
		*(void **)block = last;
		last = block;
		nr_blocks++;
	}
	guest_check(errno == ENOMEM, "exhausted with %d", errno);
	while (last) {
		block = last;
		last = *(void **)block;
		guest_check(!hnuma_pool_release(pool, block), "%s", hnuma_errormsg());
	}
	return nr_blocks;
}

/* Do the books of every node say that all are home, and does the sum fit what the workers did? */
static void check_books(struct shared *shared)
{
	struct hnuma_pool_stats stats;
	uint64_t acquired = 0, released = 0, refused = 0;

	for (unsigned i = 0; i < shared->nr_workers; i++) {
		acquired += shared->workers[i].acquired;
		released += shared->workers[i].released;
		refused += shared->workers[i].refused;
	}
	guest_note("%u threads: %llu acquired, %llu released, %llu refused", shared->nr_workers,
		   (unsigned long long)acquired, (unsigned long long)released,
		   (unsigned long long)refused);
	guest_check(acquired == released, "not all were released");
	guest_check(acquired > refused, "more were refused than had: this shows little");
	for (unsigned i = 0; i < shared->nr_nodes; i++)
		for (int class_index = 0; class_index < HNUMA_NR_CLASSES; class_index++) {
			struct hnuma_pool_class_stats of;

			if (!guest_check(!hnuma_pool_class_stats(shared->pool, shared->nodes[i],
								 class_index, &of),
					 "%s", hnuma_errormsg()))
				continue;
			guest_check(of.in_use == 0 && of.free_buffers == of.total,
				    "node %d class %d: %llu in use, %llu free, %llu made",
				    shared->nodes[i], class_index, (unsigned long long)of.in_use,
				    (unsigned long long)of.free_buffers,
				    (unsigned long long)of.total);
			guest_check(of.hits + of.misses == of.returns + of.drops,
				    "node %d class %d: more acquired than came back",
				    shared->nodes[i], class_index);
		}
	if (guest_check(!hnuma_pool_stats(shared->pool, &stats), "%s", hnuma_errormsg()))
		guest_check(stats.hits + stats.misses == acquired &&
				    stats.returns + stats.drops == released,
			    "the pool counts %llu and %llu",
			    (unsigned long long)(stats.hits + stats.misses),
			    (unsigned long long)(stats.returns + stats.drops));
	guest_check(!hnuma_pool_check(shared->pool), "%s", hnuma_errormsg());
}

static void run_workers(struct shared *shared)
{
	pthread_barrier_init(&shared->all_passed, NULL, shared->nr_workers);
	for (unsigned i = 0; i < shared->nr_workers; i++) {
		struct worker *worker = &shared->workers[i];

		worker->index = i;
		worker->shared = shared;
		pthread_mutex_init(&worker->lock, NULL);
	}
	for (unsigned i = 0; i < shared->nr_workers; i++)
		if (pthread_create(&shared->workers[i].thread, NULL, work, &shared->workers[i]))
			guest_die("pthread_create");
	for (unsigned i = 0; i < shared->nr_workers; i++)
		pthread_join(shared->workers[i].thread, NULL);
	pthread_barrier_destroy(&shared->all_passed);
}

/* How many blocks of each class a node has when no other class has any. */
static void count_blocks(struct shared *shared, unsigned long counts[][HNUMA_NR_CLASSES])
{
	for (unsigned i = 0; i < shared->nr_nodes; i++)
		for (int class_index = 0; class_index < HNUMA_NR_CLASSES; class_index++) {
			counts[i][class_index] =
				exchange_exhaust(shared->pool, shared->nodes[i], class_index);
			guest_check(!hnuma_pool_clear(shared->pool), "%s", hnuma_errormsg());
		}
}

void exchange(const struct guest_machine *machine, const struct hnuma_topology *topology,
	      struct hnuma_nodeset nodes)
{
	static unsigned long before[GUEST_MAX_NODES][HNUMA_NR_CLASSES];
	static unsigned long after[GUEST_MAX_NODES][HNUMA_NR_CLASSES];
	struct hnuma_pool_attr attr = HNUMA_POOL_ATTR_INIT;
	struct shared shared = {.machine = machine, .nr_workers = machine->nr_cpus};

	guest_part("blocks passed between threads of all nodes");
	for (unsigned i = 0; i < machine->nr_nodes; i++)
		if (hnuma_nodeset_has(&nodes, machine->nodes[i].node))
			shared.nodes[shared.nr_nodes++] = machine->nodes[i].node;
	attr.buffers_per_class = BUFFERS;
	attr.nodes = nodes;
	attr.least_backing = HNUMA_BACKING_BASE;
	shared.workers = calloc(shared.nr_workers, sizeof *shared.workers);
	if (!shared.workers)
		guest_die("calloc");

	/* The workers' counts are compared with a fresh pool's; capacity with that of another. */
	if (guest_check(!hnuma_pool_create(&shared.pool, topology, &attr), "%s",
			hnuma_errormsg())) {
		run_workers(&shared);
		check_books(&shared);
		guest_check(!hnuma_pool_clear(shared.pool), "%s", hnuma_errormsg());
		count_blocks(&shared, after);
		guest_check(!hnuma_pool_check(shared.pool), "%s", hnuma_errormsg());
		guest_check(!hnuma_pool_destroy(shared.pool), "%s", hnuma_errormsg());
	}
	if (guest_check(!hnuma_pool_create(&shared.pool, topology, &attr), "%s",
			hnuma_errormsg())) {
		count_blocks(&shared, before);
		guest_check(!hnuma_pool_destroy(shared.pool), "%s", hnuma_errormsg());
	}
	for (unsigned i = 0; i < shared.nr_nodes; i++)
		for (int class_index = 0; class_index < HNUMA_NR_CLASSES; class_index++)
			guest_check(before[i][class_index] == after[i][class_index] &&
					    after[i][class_index] >= BUFFERS,
				    "node %d class %d: a fresh pool has %lu blocks, this one %lu",
				    shared.nodes[i], class_index, before[i][class_index],
				    after[i][class_index]);
	free(shared.workers);
}
