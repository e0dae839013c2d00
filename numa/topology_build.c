/* SPDX-License-Identifier: MIT */
/*
 * numa/topology_build.c - from hwloc's handle to tables of nodes, distances and CPUs.
 *
 * Uses hwloc; reads through numa/procfs.
 */
#include "config.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "numa/error.h"
#include "numa/topology_state.h"

static int no_memory(void)
{
	return hnuma_error_set(-ENOMEM, "no memory for the tables of the topology");
}

static uint64_t count_hugepages(hwloc_obj_t object)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < object->attr->numanode.page_types_len; i++)
		if (object->attr->numanode.page_types[i].size == HNUMA_HUGEPAGE)
			count += object->attr->numanode.page_types[i].count;
	return count;
}

static int compare_nodes(const void *a, const void *b)
{
	const struct hnuma_node *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

/*
 * Which nodes does the cpuset allow? hwloc looks for it below the mounted control groups, and takes all
 * for allowed where it is not shown there, as in many containers; the kernel's own word is always right.
 */
static void find_allowed_nodes(const struct hnuma_topology *topology, struct hnuma_nodeset *allowed)
{
	hwloc_const_bitmap_t by_hwloc = hwloc_topology_get_allowed_nodeset(topology->hwloc);
	struct hnuma_nodeset now;
	bool is_told =
		topology->is_this_system && topology->is_known && hnuma_topology_read_allowed(&now);

	memset(allowed, 0, sizeof(*allowed));
	for (int node = 0; node < HNUMA_MAX_NODES; node++)
		if (!topology->is_known || (hwloc_bitmap_isset(by_hwloc, (unsigned)node) &&
					    (!is_told || hnuma_nodeset_has(&now, node))))
			hnuma_nodeset_add(allowed, node);
}

/* Fill in nodes and index_of_node. */
static int build_nodes(struct hnuma_topology *topology)
{
	int nr = hwloc_get_nbobjs_by_type(topology->hwloc, HWLOC_OBJ_NUMANODE);
	struct hnuma_nodeset allowed;
	hwloc_obj_t object = NULL;

	if (nr < 1 || nr > HNUMA_MAX_NODES)
		return hnuma_error_set(-EINVAL,
				       "the topology has %d nodes: it must have from 1 to %d", nr,
				       HNUMA_MAX_NODES);
	topology->nodes = calloc((size_t)nr, sizeof(*topology->nodes));
	if (!topology->nodes)
		return no_memory();
	find_allowed_nodes(topology, &allowed);
	while ((object = hwloc_get_next_obj_by_type(topology->hwloc, HWLOC_OBJ_NUMANODE, object))) {
		struct hnuma_node *node = &topology->nodes[topology->nr_nodes++];

		if (object->os_index >= HNUMA_MAX_NODES)
			return hnuma_error_set(-EINVAL,
					       "the topology has a node of number %u: numbers from "
					       "0 to %d are possible",
					       object->os_index, HNUMA_MAX_NODES - 1);
		node->number = (int)object->os_index;
		node->memory_bytes = object->attr->numanode.local_memory;
		node->has_memory = node->memory_bytes > 0;
		node->is_allowed = hnuma_nodeset_has(&allowed, node->number);
		node->hugepages = count_hugepages(object);
	}
	qsort(topology->nodes, topology->nr_nodes, sizeof(*topology->nodes), compare_nodes);
	for (int n = 0; n < HNUMA_MAX_NODES; n++)
		topology->index_of_node[n] = HNUMA_NO_INDEX;
	for (unsigned i = 0; i < topology->nr_nodes; i++) {
		short *index = &topology->index_of_node[topology->nodes[i].number];

		if (*index != HNUMA_NO_INDEX)
			return hnuma_error_set(-EINVAL, "the topology has two nodes of number %d",
					       topology->nodes[i].number);
		*index = (short)i;
	}
	return 0;
}

/* hwloc's index into the tables for one of its objects; HNUMA_NO_INDEX for what is no node of ours. */
static int index_of_object(const struct hnuma_topology *topology, hwloc_obj_t object)
{
	if (!object || object->type != HWLOC_OBJ_NUMANODE || object->os_index >= HNUMA_MAX_NODES)
		return HNUMA_NO_INDEX;
	return topology->index_of_node[object->os_index];
}

/* Take what a matrix of hwloc's says. It can lack nodes, and a broken one can say anything. */
static void take_distances(struct hnuma_topology *topology, const struct hwloc_distances_s *matrix)
{
	for (unsigned i = 0; i < matrix->nbobjs; i++) {
		int from = index_of_object(topology, matrix->objs[i]);

		for (unsigned j = 0; j < matrix->nbobjs && from != HNUMA_NO_INDEX; j++) {
			int to = index_of_object(topology, matrix->objs[j]);
			hwloc_uint64_t value = matrix->values[i * matrix->nbobjs + j];

			if (to != HNUMA_NO_INDEX && value > 0 && value <= INT_MAX)
				topology->distances[(unsigned)from * topology->nr_nodes +
						    (unsigned)to] = (int)value;
		}
	}
}

static int build_distances(struct hnuma_topology *topology)
{
	const unsigned nr = topology->nr_nodes;
	struct hwloc_distances_s *matrix = NULL;
	unsigned found = 1;

	topology->distances = calloc((size_t)nr * nr, sizeof(*topology->distances));
	if (!topology->distances)
		return no_memory();
	for (unsigned i = 0; i < nr; i++)
		for (unsigned j = 0; j < nr; j++)
			topology->distances[i * nr + j] =
				i == j ? HNUMA_DISTANCE_LOCAL : HNUMA_DISTANCE_REMOTE;
	/* The firmware's; by this name, or, from another system or version, any that means latency. */
	if (hwloc_distances_get_by_name(topology->hwloc, "NUMALatency", &found, &matrix, 0) ||
	    found == 0) {
		found = 1;
		if (hwloc_distances_get_by_type(topology->hwloc, HWLOC_OBJ_NUMANODE, &found,
						&matrix, HWLOC_DISTANCES_KIND_MEANS_LATENCY, 0))
			found = 0;
	}
	if (found && matrix) {
		take_distances(topology, matrix);
		hwloc_distances_release(topology->hwloc, matrix);
	}
	return 0;
}

/* Find the CPU numbers that there can be. `possible` receives them. */
static int find_cpus(struct hnuma_topology *topology, hwloc_bitmap_t possible)
{
	int last;

	if (hwloc_bitmap_copy(possible, hwloc_topology_get_complete_cpuset(topology->hwloc)))
		return no_memory();
	/* hwloc knows those that are plugged in; more can be. Old kernels do not tell. */
	if (topology->is_this_system &&
	    hnuma_topology_read_cpus("/sys/devices/system/cpu/possible", possible) == -ENOMEM)
		return no_memory();
	last = hwloc_bitmap_last(possible);
	if (last < 0 || last >= HNUMA_MAX_CPUS)
		return hnuma_error_set(-EINVAL,
				       "the topology has no CPU, or one of a number above %d",
				       HNUMA_MAX_CPUS - 1);
	topology->nr_cpus = (unsigned)last + 1;
	return 0;
}

/* Make a node the home of those of its CPUs that have none. */
static void claim_cpus(struct hnuma_topology *topology, short index, hwloc_const_bitmap_t cpus)
{
	for (int cpu = hwloc_bitmap_first(cpus); cpu >= 0 && cpu < (int)topology->nr_cpus;
	     cpu = hwloc_bitmap_next(cpus, cpu)) {
		if (topology->home_of_cpu[cpu] != HNUMA_NO_INDEX)
			continue;
		topology->home_of_cpu[cpu] = index;
		topology->nodes[index].nr_cpus++;
		if (hwloc_bitmap_isset(topology->allowed_cpus, (unsigned)cpu))
			topology->nodes[index].nr_allowed++;
	}
}

/* Let the nodes claim their CPUs as /sys tells it. */
static int claim_by_sysfs(struct hnuma_topology *topology)
{
	hwloc_bitmap_t cpus = hwloc_bitmap_alloc();
	char path[1024];
	int error = 0;

	if (!cpus)
		return no_memory();
	for (unsigned i = 0; i < topology->nr_nodes && !error; i++) {
		if (snprintf(path, sizeof(path), "%s/sys/devices/system/node/node%d/cpulist",
			     topology->root, topology->nodes[i].number) >= (int)sizeof(path))
			continue;
		hwloc_bitmap_zero(cpus);
		error = hnuma_topology_read_cpus(path, cpus);
		if (error && error != -ENOMEM)
			error = 0;
		else if (!error)
			claim_cpus(topology, (short)i, cpus);
	}
	hwloc_bitmap_free(cpus);
	return error ? no_memory() : 0;
}

/* Which of two nodes is a CPU's own, if both say so? See claim_by_hwloc(). */
static int compare_claims(const void *a, const void *b)
{
	const hwloc_obj_t x = *(const hwloc_obj_t *)a, y = *(const hwloc_obj_t *)b;
	int x_weight = hwloc_bitmap_weight(x->cpuset), y_weight = hwloc_bitmap_weight(y->cpuset);
	bool x_special = x->subtype || hwloc_obj_get_info_by_name(x, "DAXDevice");
	bool y_special = y->subtype || hwloc_obj_get_info_by_name(y, "DAXDevice");

	if (x_weight != y_weight)
		return x_weight < y_weight ? -1 : 1;
	if (x_special != y_special)
		return x_special ? 1 : -1;
	return (x->os_index > y->os_index) - (x->os_index < y->os_index);
}

/*
 * Let the nodes claim their CPUs as hwloc tells it. To a node without CPUs, such as a memory expander,
 * hwloc gives those that are near to it; so of several the one with the fewest CPUs comes first, then
 * ordinary memory, then the lower number, which firmware gives to ordinary memory.
 */
static int claim_by_hwloc(struct hnuma_topology *topology)
{
	hwloc_obj_t *objects = calloc(topology->nr_nodes, sizeof(hwloc_obj_t)), object = NULL;
	unsigned nr = 0;

	if (!objects)
		return no_memory();
	while (nr < topology->nr_nodes &&
	       (object = hwloc_get_next_obj_by_type(topology->hwloc, HWLOC_OBJ_NUMANODE, object)))
		objects[nr++] = object;
	qsort(objects, nr, sizeof(hwloc_obj_t), compare_claims);
	for (unsigned i = 0; i < nr; i++)
		claim_cpus(topology, topology->index_of_node[objects[i]->os_index],
			   objects[i]->cpuset);
	free(objects);
	return 0;
}

/* CPUs that are offline belong to no node: give them their lower neighbour's, the first ones the next. */
static void adopt_cpus(struct hnuma_topology *topology, hwloc_const_bitmap_t possible)
{
	short home = HNUMA_NO_INDEX;

	for (unsigned cpu = 0; cpu < topology->nr_cpus && home == HNUMA_NO_INDEX; cpu++)
		home = topology->home_of_cpu[cpu];
	if (home == HNUMA_NO_INDEX)
		home = 0;
	for (unsigned cpu = 0; cpu < topology->nr_cpus; cpu++) {
		if (topology->home_of_cpu[cpu] != HNUMA_NO_INDEX)
			home = topology->home_of_cpu[cpu];
		else if (hwloc_bitmap_isset(possible, cpu))
			topology->home_of_cpu[cpu] = home;
	}
}

/* Find the CPUs that the process may run on. */
static int find_allowed(struct hnuma_topology *topology)
{
	hwloc_const_bitmap_t online = hwloc_topology_get_topology_cpuset(topology->hwloc);
	hwloc_const_bitmap_t cpuset = hwloc_topology_get_allowed_cpuset(topology->hwloc);
	hwloc_bitmap_t status = NULL;
	char text[4096];
	int error = 0;

	topology->allowed_cpus = hwloc_bitmap_dup(online);
	if (!topology->allowed_cpus)
		return no_memory();
	/* What was assumed for hwloc knows of no cpuset; the thread's affinity is within it. */
	if (!topology->is_known) {
		status = hwloc_bitmap_alloc();
		if (!status)
			return no_memory();
		cpuset = online;
		if (!hnuma_topology_read_status("Cpus_allowed_list", text, sizeof(text)) &&
		    !hnuma_topology_parse_cpus(text, status))
			cpuset = status;
	}
	/* A description can be at odds with itself; some CPU there must be. */
	if (hwloc_bitmap_intersects(online, cpuset))
		error = hwloc_bitmap_and(topology->allowed_cpus, online, cpuset);
	hwloc_bitmap_free(status);
	return error ? no_memory() : 0;
}

static int build_homes(struct hnuma_topology *topology)
{
	hwloc_bitmap_t possible = hwloc_bitmap_alloc();
	int error;

	if (!possible)
		return no_memory();
	error = find_cpus(topology, possible);
	if (error)
		goto free_possible;
	topology->home_of_cpu = malloc(topology->nr_cpus * sizeof(*topology->home_of_cpu));
	topology->nearest_of_cpu = malloc(topology->nr_cpus * sizeof(*topology->nearest_of_cpu));
	if (!topology->home_of_cpu || !topology->nearest_of_cpu) {
		error = no_memory();
		goto free_possible;
	}
	for (unsigned cpu = 0; cpu < topology->nr_cpus; cpu++)
		topology->home_of_cpu[cpu] = HNUMA_NO_INDEX;
	if (topology->is_known && topology->root)
		error = claim_by_sysfs(topology);
	if (!error)
		error = claim_by_hwloc(topology);
	if (!error)
		adopt_cpus(topology, possible);
free_possible:
	hwloc_bitmap_free(possible);
	return error;
}

/* The node with memory that is allowed and nearest to a node; itself if it can be. */
static short find_nearest(const struct hnuma_topology *topology, unsigned from)
{
	short best = HNUMA_NO_INDEX;
	int best_distance = INT_MAX;

	for (unsigned to = 0; to < topology->nr_nodes; to++) {
		const struct hnuma_node *node = &topology->nodes[to];
		int distance = topology->distances[from * topology->nr_nodes + to];

		if (!node->has_memory || !node->is_allowed)
			continue;
		if (to == from)
			return (short)to;
		if (best == HNUMA_NO_INDEX || distance < best_distance) {
			best = (short)to;
			best_distance = distance;
		}
	}
	return best;
}

static int build_nearest(struct hnuma_topology *topology)
{
	short *nearest = malloc(topology->nr_nodes * sizeof(*nearest));

	if (!nearest)
		return no_memory();
	topology->fallback = HNUMA_NO_INDEX;
	for (unsigned i = 0; i < topology->nr_nodes; i++) {
		nearest[i] = find_nearest(topology, i);
		if (topology->fallback == HNUMA_NO_INDEX && nearest[i] == (short)i)
			topology->fallback = (short)i;
	}
	for (unsigned cpu = 0; cpu < topology->nr_cpus; cpu++) {
		short home = topology->home_of_cpu[cpu];

		topology->nearest_of_cpu[cpu] =
			home == HNUMA_NO_INDEX ? HNUMA_NO_INDEX : nearest[home];
	}
	free(nearest);
	return 0;
}

int hnuma_topology_build(struct hnuma_topology *topology)
{
	int error = build_nodes(topology);

	if (!error)
		error = build_distances(topology);
	if (!error)
		error = find_allowed(topology);
	if (!error)
		error = build_homes(topology);
	if (!error)
		error = build_nearest(topology);
	return error;
}
