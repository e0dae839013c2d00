/* SPDX-License-Identifier: MIT */
/*
 * numa/service.c - which nodes serve, and which of them is nearest to each CPU.
 *
 * Uses hwloc's sets of CPUs; asks numa/topology for the rest.
 */
#include "config.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "numa/cpu.h"
#include "numa/error.h"
#include "numa/ground.h"
#include "numa/topology.h"
#include "numa/topology_state.h"

static int no_memory(void)
{
	return hnuma_error_set(-ENOMEM, "no memory for the list of served nodes");
}

/* Are all asked nodes usable? The message is of the first that is not. */
static int check_asked(const struct hnuma_topology *topology, const struct hnuma_nodeset *asked)
{
	struct hnuma_nodeset usable;

	hnuma_topology_usable_nodes(topology, false, &usable);
	for (int node = 0; node < HNUMA_MAX_NODES; node++) {
		int error;

		if (!hnuma_nodeset_has(asked, node) || hnuma_nodeset_has(&usable, node))
			continue;
		/* Allowed again in between: then it may serve after all. */
		error = hnuma_topology_check_node(topology, node);
		if (error)
			return error;
	}
	return 0;
}

/* Which nodes are to serve? */
static int choose_nodes(const struct hnuma_topology *topology, const struct hnuma_nodeset *asked,
			struct hnuma_nodeset *chosen)
{
	const struct hnuma_nodeset none = {{0}};

	if (asked && memcmp(asked, &none, sizeof(none)) != 0) {
		*chosen = *asked;
		return check_asked(topology, asked);
	}
	if (hnuma_topology_usable_nodes(topology, true, chosen) ||
	    hnuma_topology_usable_nodes(topology, false, chosen))
		return 0;
	return hnuma_error_set(-ENODEV, "no node that has memory is allowed to this process");
}

static int list_nodes(struct hnuma_service *service, const struct hnuma_nodeset *chosen)
{
	unsigned nr = 0;

	for (int node = 0; node < HNUMA_MAX_NODES; node++)
		nr += hnuma_nodeset_has(chosen, node);
	service->nodes = malloc(nr * sizeof(*service->nodes));
	if (!service->nodes)
		return -ENOMEM;
	for (int node = 0; node < HNUMA_MAX_NODES; node++)
		if (hnuma_nodeset_has(chosen, node))
			service->nodes[service->nr_nodes++] = node;
	return 0;
}

/* The distance from a node, by its index in the topology, to a served one; 0 to itself. */
static int distance_to(const struct hnuma_service *service, const struct hnuma_topology *topology,
		       unsigned from, unsigned to)
{
	unsigned index = (unsigned)topology->index_of_node[service->nodes[to]];

	return index == from ? 0 : topology->distances[from * topology->nr_nodes + index];
}

/* Sort one row of `nearest`: by distance, and by number where that is the same. */
static void sort_row(const struct hnuma_service *service, const struct hnuma_topology *topology,
		     unsigned row)
{
	unsigned short *order = &service->nearest[(size_t)row * service->nr_nodes];
	unsigned from = (unsigned)topology->index_of_node[service->nodes[row]];

	/* Insertion keeps equals in order, and rows are short. */
	for (unsigned i = 0; i < service->nr_nodes; i++) {
		int distance = distance_to(service, topology, from, i);
		unsigned at = i;

		while (at > 0 && distance_to(service, topology, from, order[at - 1]) > distance) {
			order[at] = order[at - 1];
			at--;
		}
		order[at] = (unsigned short)i;
	}
}

/* The index of the served node nearest to a node of the topology. */
static unsigned short find_nearest(const struct hnuma_service *service,
				   const struct hnuma_topology *topology, unsigned from)
{
	unsigned short best = 0;
	int least = INT_MAX;

	for (unsigned i = 0; i < service->nr_nodes; i++) {
		int distance = distance_to(service, topology, from, i);

		if (distance < least) {
			least = distance;
			best = (unsigned short)i;
		}
	}
	return best;
}

/* Fill in nearest and index_of_cpu. */
static int find_ways(struct hnuma_service *service, const struct hnuma_topology *topology)
{
	unsigned short *nearest_of_node = malloc(topology->nr_nodes * sizeof(*nearest_of_node));

	service->nr_cpus = topology->nr_cpus;
	service->index_of_cpu = calloc(service->nr_cpus, sizeof(*service->index_of_cpu));
	service->nearest =
		calloc((size_t)service->nr_nodes * service->nr_nodes, sizeof(*service->nearest));
	if (!nearest_of_node || !service->index_of_cpu || !service->nearest) {
		free(nearest_of_node);
		return -ENOMEM;
	}
	for (unsigned row = 0; row < service->nr_nodes; row++)
		sort_row(service, topology, row);
	for (unsigned i = 0; i < topology->nr_nodes; i++)
		nearest_of_node[i] = find_nearest(service, topology, i);
	for (unsigned cpu = 0; cpu < service->nr_cpus; cpu++)
		if (topology->home_of_cpu[cpu] != HNUMA_NO_INDEX)
			service->index_of_cpu[cpu] = nearest_of_node[topology->home_of_cpu[cpu]];
	free(nearest_of_node);
	return 0;
}

int hnuma_service_init(struct hnuma_service *service, const struct hnuma_topology *topology,
		       const struct hnuma_nodeset *asked)
{
	struct hnuma_nodeset chosen;
	int error;

	memset(service, 0, sizeof(*service));
	if (!topology)
		return hnuma_error_set(-EINVAL, "topology is NULL");
	error = choose_nodes(topology, asked, &chosen);
	if (error)
		return error;
	if (list_nodes(service, &chosen) || find_ways(service, topology)) {
		hnuma_service_free(service);
		return no_memory();
	}
	return 0;
}

static void *duplicate(const void *from, size_t size)
{
	void *to = malloc(size);

	return to ? memcpy(to, from, size) : NULL;
}

int hnuma_service_copy(struct hnuma_service *copy, const struct hnuma_service *service)
{
	const size_t nr = service->nr_nodes;

	*copy = *service;
	copy->nodes = duplicate(service->nodes, nr * sizeof(*service->nodes));
	copy->index_of_cpu =
		duplicate(service->index_of_cpu, service->nr_cpus * sizeof(*service->index_of_cpu));
	copy->nearest = duplicate(service->nearest, nr * nr * sizeof(*service->nearest));
	if (copy->nodes && copy->index_of_cpu && copy->nearest)
		return 0;
	hnuma_service_free(copy);
	return no_memory();
}

void hnuma_service_free(struct hnuma_service *service)
{
	free(service->nodes);
	free(service->index_of_cpu);
	free(service->nearest);
	memset(service, 0, sizeof(*service));
}

int hnuma_service_index(const struct hnuma_service *service, int node)
{
	if (node == HNUMA_NODE_LOCAL)
		return (int)hnuma_service_index_of_cpu(service, hnuma_cpu_current());
	for (unsigned i = 0; i < service->nr_nodes; i++)
		if (service->nodes[i] == node)
			return (int)i;
	return -ENODEV;
}

unsigned hnuma_service_nr_cpus_of(const struct hnuma_service *service, unsigned index)
{
	unsigned nr = 0;

	for (unsigned cpu = 0; cpu < service->nr_cpus; cpu++)
		nr += service->index_of_cpu[cpu] == index;
	return nr;
}

int hnuma_topology_allowed_cpus(const struct hnuma_topology *topology, int **cpus)
{
	unsigned cpu, nr = 0;

	*cpus = malloc((size_t)hwloc_bitmap_weight(topology->allowed_cpus) * sizeof(**cpus));
	if (!*cpus)
		return hnuma_error_set(-ENOMEM, "no memory for a list of CPUs");
	hwloc_bitmap_foreach_begin(cpu, topology->allowed_cpus)
	{
		(*cpus)[nr++] = (int)cpu;
	}
	hwloc_bitmap_foreach_end();
	return (int)nr;
}
