/* SPDX-License-Identifier: MIT */
/*
 * tools/replay_size.c - which CPUs and nodes a replay uses, and how much memory it takes there.
 * Calls <hugenuma.h> and libc.
 *
 * A pool that nobody named has room for what its batch needs on the average, with a margin, up to
 * MOST_POOL; and always for the largest request. Where fewer huge pages are free than that takes,
 * but enough for the largest request, it is made to fit them.
 */
#include "config.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/command.h"
#include "tools/replay_size.h"
#include "tools/units.h"

#define MOST_POOL ((uint64_t)2 << 30)
#define MARGIN	  1.25 /* of the mean: requests that run longest are longer than the mean */

static int fail(int code, const char *what, const char *why)
{
	fprintf(stderr, "hugenuma replay: %s%s%s\n", what, *why ? ": " : "", why);
	return code;
}

static int no_memory(void)
{
	return fail(COMMAND_FAILED, "no memory for the replay's own lists", "");
}

/* The CPUs that this process may run on, as a set of *bytes bytes; the caller frees it. */
static cpu_set_t *allowed_cpus(size_t *bytes)
{
	unsigned nr_cpus;

	/* The kernel refuses a set that is smaller than its own: try larger ones. */
	for (nr_cpus = 1024; nr_cpus <= 1u << 20; nr_cpus *= 2) {
		cpu_set_t *set = CPU_ALLOC(nr_cpus);

		*bytes = CPU_ALLOC_SIZE(nr_cpus);
		if (!set)
			return NULL;
		if (sched_getaffinity(0, *bytes, set) == 0)
			return set;
		CPU_FREE(set);
		if (errno != EINVAL)
			return NULL;
	}
	return NULL;
}

/* A CPU that a worker may get. */
struct candidate {
	int cpu;
	int node;	/* number */
	unsigned order; /* 0 for the node's first CPU, 1 for its second ... */
};

static int compare_candidates(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->order != y->order)
		return x->order < y->order ? -1 : 1;
	return (x->node > y->node) - (x->node < y->node);
}

/* All allowed CPUs, the nodes by turns, so that a few workers use many nodes. */
static struct candidate *find_candidates(const struct hnuma_topology *topology, unsigned *nr)
{
	unsigned nr_cpus = hnuma_topology_nr_cpus(topology), cpu, i;
	struct candidate *candidates = calloc(nr_cpus ? nr_cpus : 1, sizeof(*candidates));
	size_t bytes;
	cpu_set_t *allowed = allowed_cpus(&bytes);

	*nr = 0;
	for (cpu = 0; candidates && allowed && cpu < nr_cpus; cpu++) {
		int node = hnuma_topology_node_of_cpu(topology, (int)cpu);
		unsigned order = 0;

		if (node < 0 || !CPU_ISSET_S(cpu, bytes, allowed))
			continue;
		for (i = 0; i < *nr; i++)
			order += candidates[i].node == node;
		candidates[(*nr)++] = (struct candidate){(int)cpu, node, order};
	}
	if (candidates)
		qsort(candidates, *nr, sizeof(*candidates), compare_candidates);
	CPU_FREE(allowed);
	return candidates;
}

static int compare_ints(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

/* The nodes of the workers' CPUs, ascending, each once. */
static void list_nodes(struct replay_size *size, const struct candidate *candidates, unsigned nr)
{
	unsigned i, kept = 0;

	for (i = 0; i < nr; i++)
		size->nodes[i] = candidates[i].node;
	qsort(size->nodes, nr, sizeof(size->nodes[0]), compare_ints);
	for (i = 0; i < nr; i++)
		if (kept == 0 || size->nodes[kept - 1] != size->nodes[i])
			size->nodes[kept++] = size->nodes[i];
	size->nr_nodes = kept;
}

static int choose_seats(struct replay_size *size, const struct replay_options *options,
			const struct hnuma_topology *topology)
{
	struct candidate *candidates;
	unsigned nr, used, i, n;

	candidates = find_candidates(topology, &nr);
	if (!candidates || nr == 0) {
		free(candidates);
		return candidates
			       ? fail(COMMAND_FAILED,
				      "no CPU that this process may run on has a node with memory",
				      "")
			       : no_memory();
	}
	size->nr_workers = options->nr_workers ? options->nr_workers : nr;
	used = size->nr_workers < nr ? size->nr_workers : nr;
	size->seats = calloc(size->nr_workers, sizeof(*size->seats));
	size->nodes = calloc(used, sizeof(*size->nodes));
	if (!size->seats || !size->nodes) {
		free(candidates);
		return no_memory();
	}
	list_nodes(size, candidates, used);
	for (i = 0; i < size->nr_workers; i++) {
		const struct candidate *candidate = &candidates[i % used];

		size->seats[i].cpu = candidate->cpu;
		for (n = 0; size->nodes[n] != candidate->node; n++)
			;
		size->seats[i].node = n;
	}
	/* More workers than CPUs: further spaces go to the nodes by turns, and all may sit on one. */
	if (size->nr_workers > nr)
		size->config.max_scratch = nr + (size->nr_workers - nr) * size->nr_nodes;
	free(candidates);
	return 0;
}

static unsigned most_workers_on_a_node(const struct replay_size *size)
{
	unsigned most = 0, n, i;

	for (n = 0; n < size->nr_nodes; n++) {
		unsigned here = 0;

		for (i = 0; i < size->nr_workers; i++)
			here += size->seats[i].node == n;
		if (here > most)
			most = here;
	}
	return most;
}

static uint64_t round_to_pages(double size_bytes)
{
	return ((uint64_t)size_bytes + HNUMA_HUGEPAGE - 1) & ~((uint64_t)HNUMA_HUGEPAGE - 1);
}

/* Bytes of blocks that hold so many tokens' keys and values in all layers. */
static uint64_t bytes_of_blocks(const struct replay_size *size, const struct model *model,
				uint64_t nr_blocks)
{
	return nr_blocks * model->layers * hnuma_class_size(size->block_class);
}

static void want_pool(struct replay_size *size, const struct replay_options *options,
		      const struct trace *trace)
{
	const struct request *largest = &trace->requests[trace->longest];
	double running = (double)options->batch * most_workers_on_a_node(size);
	double mean, wanted;
	uint64_t blocks = 0;
	size_t i;

	for (i = 0; i < trace->nr_requests; i++)
		blocks += model_blocks((uint64_t)trace->requests[i].context +
				       trace->requests[i].generated);
	size->largest_bytes = round_to_pages((double)bytes_of_blocks(
		size, options->model,
		model_blocks((uint64_t)largest->context + largest->generated)));
	mean = (double)bytes_of_blocks(size, options->model, blocks) / (double)trace->nr_requests;
	if (running > (double)trace->nr_requests)
		running = (double)trace->nr_requests;
	wanted = running * mean * MARGIN;
	size->pool_reason = "for the batch";
	if (wanted > (double)MOST_POOL) {
		wanted = (double)MOST_POOL;
		size->pool_reason = "the most taken unasked";
	}
	size->config.pool_bytes_per_node = round_to_pages(wanted);
	if (size->config.pool_bytes_per_node < size->largest_bytes) {
		size->config.pool_bytes_per_node = size->largest_bytes;
		size->pool_reason = "for the largest request";
	}
}

static void set_pool(struct replay_size *size, uint64_t bytes)
{
	size->config.pool_bytes_per_node = bytes;
	/* Also the cap on free blocks: none of them is to be unmade. */
	size->config.buffers_per_class = bytes / hnuma_class_size(size->block_class);
}

/* How many huge pages the node that lacks most lacks; -1 when that cannot be known. */
static int64_t missing_pages(const struct replay_size *size, const struct hnuma_topology *topology)
{
	struct hnuma_plan_node node;
	struct hnuma_plan *plan;
	int64_t missing = 0;
	unsigned i;

	if (hnuma_plan_create(&plan, topology, &size->config))
		return -1;
	for (i = 0; i < hnuma_plan_nr_nodes(plan); i++)
		if (hnuma_plan_node(plan, i, &node) == 0 && (int64_t)node.pages_missing > missing)
			missing = (int64_t)node.pages_missing;
	hnuma_plan_destroy(plan);
	return missing;
}

/* Where huge pages are there, but too few for the wanted pool: make do with them. */
static bool fit_to_pages(struct replay_size *size, const struct hnuma_topology *topology)
{
	uint64_t wanted = size->config.pool_bytes_per_node;
	int64_t missing;

	for (;;) {
		uint64_t less;

		missing = missing_pages(size, topology);
		if (missing <= 0)
			break;
		less = (uint64_t)missing * HNUMA_HUGEPAGE;
		if (size->config.pool_bytes_per_node < size->largest_bytes + less) {
			set_pool(size, wanted);
			return false;
		}
		set_pool(size, size->config.pool_bytes_per_node - less);
	}
	if (missing == 0 && size->config.pool_bytes_per_node < wanted)
		size->pool_reason = "as free huge pages allow";
	return missing == 0;
}

/* Memory that is not set aside as huge pages: take half of what there is at most. */
static int fit_to_memory(struct replay_size *size)
{
	uint64_t there = available_memory();
	uint64_t half = (there / 2 / size->nr_nodes) & ~((uint64_t)HNUMA_HUGEPAGE - 1);
	char needed[UNITS_TEXT], have[UNITS_TEXT];

	if (size->config.pool_bytes_per_node <= half)
		return 0;
	if (size->largest_bytes > there / size->nr_nodes / 4 * 3) {
		fprintf(stderr,
			"hugenuma replay: the largest request needs %s on each of %u node%s, and "
			"this process can have %s: take a smaller model, or shorter requests\n",
			units_size(needed, size->largest_bytes), size->nr_nodes,
			size->nr_nodes == 1 ? "" : "s", units_size(have, there));
		return COMMAND_FAILED;
	}
	set_pool(size, half > size->largest_bytes ? half : size->largest_bytes);
	size->pool_reason = "half of available memory";
	return 0;
}

/* The pool was named: is it large enough? */
static int take_named_pool(struct replay_size *size, const struct replay_options *options,
			   const struct trace *trace)
{
	const struct request *largest = &trace->requests[trace->longest];
	char have[UNITS_TEXT], need[UNITS_TEXT], context[UNITS_TEXT], generated[UNITS_TEXT];
	char line[64] = "";

	set_pool(size, round_to_pages((double)options->pool_bytes));
	size->pool_reason = "as asked";
	if (size->config.pool_bytes_per_node >= size->largest_bytes)
		return 0;
	if (options->trace)
		snprintf(line, sizeof(line), " (line %zu of the trace)", trace->longest + 2);
	fprintf(stderr,
		"hugenuma replay: a pool of %s a node is too small for request %zu%s: its %s + %s "
		"tokens need %s in %s; give --pool %zuM or more\n",
		units_size(have, size->config.pool_bytes_per_node), trace->longest + 1, line,
		units_count(context, largest->context), units_count(generated, largest->generated),
		units_size(need, size->largest_bytes), options->model->name,
		(size_t)(size->largest_bytes >> 20));
	return COMMAND_BAD_INPUT;
}

/* The named pool is large enough. Is it too large? */
static int check_named_pool(const struct replay_size *size, const struct replay_options *options,
			    const struct hnuma_topology *topology)
{
	uint64_t there = available_memory();
	int64_t missing = missing_pages(size, topology);
	char pool[UNITS_TEXT], have[UNITS_TEXT];

	if (missing < 0)
		return fail(COMMAND_BAD_INPUT, "--pool", hnuma_errormsg());
	/* Where huge pages are there, or nothing else will do, the manager says what is missing. */
	if ((missing == 0 && !options->is_malloc) ||
	    options->least_backing == HNUMA_BACKING_HUGETLB ||
	    size->config.pool_bytes_per_node <= there / size->nr_nodes)
		return 0;
	fprintf(stderr,
		"hugenuma replay: --pool: %s on each of %u node%s is more than the %s of memory "
		"that this process can have\n",
		units_size(pool, size->config.pool_bytes_per_node), size->nr_nodes,
		size->nr_nodes == 1 ? "" : "s", units_size(have, there));
	return COMMAND_BAD_INPUT;
}

static int choose_pool(struct replay_size *size, const struct replay_options *options,
		       const struct trace *trace, const struct hnuma_topology *topology)
{
	int code;

	want_pool(size, options, trace);
	if (options->pool_bytes) {
		code = take_named_pool(size, options, trace);
		return code ? code : check_named_pool(size, options, topology);
	}
	set_pool(size, size->config.pool_bytes_per_node);
	if (!options->is_malloc && fit_to_pages(size, topology))
		return 0;
	/* Where hugetlb is the least, the manager's own message says what is missing. */
	return options->least_backing == HNUMA_BACKING_HUGETLB ? 0 : fit_to_memory(size);
}

int replay_size_work_out(struct replay_size *size, const struct replay_options *options,
			 const struct trace *trace, const struct hnuma_topology *topology)
{
	const struct model *model = options->model;
	unsigned max_scratch, i;
	int code;

	memset(size, 0, sizeof(*size));
	size->block_class = (enum hnuma_class)hnuma_class_for_size(model_block_bytes(model));
	code = choose_seats(size, options, topology);
	if (code)
		return code;
	max_scratch = size->config.max_scratch;
	if (hnuma_config_for_model(&size->config, model->hidden, model->vocab,
				   (size_t)options->batch * most_workers_on_a_node(size)))
		return fail(COMMAND_BAD_INPUT, "the batch is too large for any arena",
			    hnuma_errormsg());
	size->config.max_scratch = max_scratch;
	size->config.least_backing = options->least_backing;
	size->config.flags = options->relaxed ? HNUMA_RELAXED : 0;
	for (i = 0; i < size->nr_nodes; i++)
		if (hnuma_nodeset_add(&size->config.nodes, size->nodes[i]))
			return fail(COMMAND_FAILED, "a node's number is too large", "");
	return choose_pool(size, options, trace, topology);
}

void replay_size_free(struct replay_size *size)
{
	free(size->seats);
	free(size->nodes);
}
