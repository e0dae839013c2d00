/* SPDX-License-Identifier: MIT */
/*
 * numa/topology.c - what the machine has: the public calls, and those of topology.h.
 *
 * Asks the tables that topology_build.c made, and the kernel, through numa/procfs and
 * numa/hugepages, for what changes: counts of huge pages and the nodes that the cpuset allows.
 */
#include "config.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "numa/cpu.h"
#include "numa/error.h"
#include "numa/hugepages.h"
#include "numa/process.h"
#include "numa/topology.h"
#include "numa/topology_state.h"

void hnuma_topology_destroy(struct hnuma_topology *topology)
{
	if (!topology)
		return;
	hwloc_bitmap_free(topology->allowed_cpus);
	free(topology->nearest_of_cpu);
	free(topology->home_of_cpu);
	free(topology->distances);
	free(topology->nodes);
	free(topology->root);
	if (topology->hwloc)
		hwloc_topology_destroy(topology->hwloc);
	free(topology);
}

static int create(struct hnuma_topology **out)
{
	struct hnuma_topology *topology;
	int error = hnuma_process_watch_forks();

	if (error)
		return error;
	topology = calloc(1, sizeof(*topology));
	if (!topology)
		return hnuma_error_set(-ENOMEM, "no memory for a topology");
	error = hnuma_topology_load(topology);
	if (!error)
		error = hnuma_topology_build(topology);
	if (error) {
		hnuma_topology_destroy(topology);
		return error;
	}
	*out = topology;
	return 0;
}

int hnuma_topology_create(struct hnuma_topology **out)
{
	int previous, error;

	if (!out)
		return hnuma_error_set(-EINVAL, "out is NULL");
	*out = NULL;
	/* A thread that was cancelled while hwloc reads files would leave them open, and all its memory. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &previous);
	error = create(out);
	pthread_setcancelstate(previous, &previous);
	return error;
}

unsigned hnuma_topology_nr_nodes(const struct hnuma_topology *topology)
{
	return topology ? topology->nr_nodes : 0;
}

unsigned hnuma_topology_nr_cpus(const struct hnuma_topology *topology)
{
	return topology ? topology->nr_cpus : 0;
}

bool hnuma_topology_is_this_system(const struct hnuma_topology *topology)
{
	return topology && topology->is_this_system;
}

bool hnuma_topology_is_known(const struct hnuma_topology *topology)
{
	return topology && topology->is_known;
}

/* The node of a number, or NULL. */
static const struct hnuma_node *find_node(const struct hnuma_topology *topology, int node)
{
	if (!topology || node < 0 || node >= HNUMA_MAX_NODES ||
	    topology->index_of_node[node] == HNUMA_NO_INDEX)
		return NULL;
	return &topology->nodes[topology->index_of_node[node]];
}

bool hnuma_topology_has_node(const struct hnuma_topology *topology, int node)
{
	return find_node(topology, node);
}

bool hnuma_topology_node_has_memory(const struct hnuma_topology *topology, int node)
{
	const struct hnuma_node *found = find_node(topology, node);

	return found && found->has_memory;
}

unsigned hnuma_topology_node_nr_cpus(const struct hnuma_topology *topology, int node)
{
	const struct hnuma_node *found = find_node(topology, node);

	return found ? found->nr_allowed : 0;
}

/* The nodes that are allowed now. */
static void find_allowed(const struct hnuma_topology *topology, struct hnuma_nodeset *allowed)
{
	struct hnuma_nodeset now;

	memset(allowed, 0, sizeof(*allowed));
	for (unsigned i = 0; i < topology->nr_nodes; i++)
		if (topology->nodes[i].is_allowed)
			hnuma_nodeset_add(allowed, topology->nodes[i].number);
	if (!topology->is_this_system || !topology->is_known || !hnuma_topology_read_allowed(&now))
		return;
	for (size_t i = 0; i < sizeof(now.bits) / sizeof(now.bits[0]); i++)
		allowed->bits[i] &= now.bits[i];
}

bool hnuma_topology_node_is_allowed(const struct hnuma_topology *topology, int node)
{
	struct hnuma_nodeset allowed;

	if (!find_node(topology, node))
		return false;
	find_allowed(topology, &allowed);
	return hnuma_nodeset_has(&allowed, node);
}

unsigned hnuma_topology_usable_nodes(const struct hnuma_topology *topology, bool with_cpus,
				     struct hnuma_nodeset *nodes)
{
	struct hnuma_nodeset allowed;
	unsigned nr = 0;

	memset(nodes, 0, sizeof(*nodes));
	if (!topology)
		return 0;
	find_allowed(topology, &allowed);
	for (unsigned i = 0; i < topology->nr_nodes; i++) {
		const struct hnuma_node *node = &topology->nodes[i];

		if (!node->has_memory || !hnuma_nodeset_has(&allowed, node->number) ||
		    (with_cpus && node->nr_allowed == 0))
			continue;
		hnuma_nodeset_add(nodes, node->number);
		nr++;
	}
	return nr;
}

int hnuma_topology_check_node(const struct hnuma_topology *topology, int node)
{
	const struct hnuma_node *found = find_node(topology, node);
	struct hnuma_nodeset usable;
	char list[256];
	const char *nodes;

	if (!topology)
		return hnuma_error_set(-ENODEV, "node %d: there is no topology", node);
	hnuma_topology_usable_nodes(topology, false, &usable);
	if (hnuma_nodeset_has(&usable, node))
		return 0;
	nodes = hnuma_topology_list_nodes(&usable, list, sizeof(list));
	if (!found)
		return hnuma_error_set(
			-ENODEV, "node %d does not exist; nodes that can be used: %s", node, nodes);
	if (!found->has_memory)
		return hnuma_error_set(-ENODEV, "node %d has no memory; nodes that can be used: %s",
				       node, nodes);
	return hnuma_error_set(
		-ENODEV,
		"node %d is not allowed to this process by its cpuset (cpuset.mems); "
		"nodes that can be used: %s",
		node, nodes);
}

static enum hnuma_node_kind kind_of(const struct hnuma_node *node)
{
	if (node->has_memory)
		return node->nr_cpus ? HNUMA_NODE_KIND_NORMAL : HNUMA_NODE_KIND_NO_CPUS;
	return node->nr_cpus ? HNUMA_NODE_KIND_NO_MEMORY : HNUMA_NODE_KIND_EMPTY;
}

/* Count huge pages: now on this system, in the description of another. */
static void count_hugepages(const struct hnuma_topology *topology, const struct hnuma_node *node,
			    struct hnuma_node_info *info)
{
	struct hnuma_hugepages_machine machine;
	struct hnuma_hugepages_node pages;

	if (!topology->is_this_system) {
		info->hugepages_total = node->hugepages;
		info->hugepages_free = node->hugepages;
	} else if (!topology->is_known) {
		/* The one assumed node has what the machine has. */
		(void)hnuma_hugepages_read_machine(&machine);
		info->hugepages_total = machine.total;
		info->hugepages_free = machine.free;
	} else {
		(void)hnuma_hugepages_read_node(node->number, &pages);
		info->hugepages_total = pages.total;
		info->hugepages_free = pages.free;
	}
}

int hnuma_topology_node_info(const struct hnuma_topology *topology, unsigned index,
			     struct hnuma_node_info *info)
{
	const struct hnuma_node *node;

	if (!topology || !info)
		return hnuma_error_set(-EINVAL, "%s is NULL", topology ? "info" : "topology");
	if (index >= topology->nr_nodes)
		return hnuma_error_set(-ENODEV,
				       "there is no node of index %u: the topology has %u nodes",
				       index, topology->nr_nodes);
	node = &topology->nodes[index];
	memset(info, 0, sizeof(*info));
	info->node = node->number;
	info->kind = kind_of(node);
	info->memory_bytes = node->memory_bytes;
	info->nr_cpus = node->nr_allowed;
	info->is_allowed = hnuma_topology_node_is_allowed(topology, node->number);
	count_hugepages(topology, node, info);
	return 0;
}

static int no_usable_node(void)
{
	return hnuma_error_set(-ENODEV, "no node that has memory is allowed to this process");
}

int hnuma_topology_node_of_cpu(const struct hnuma_topology *topology, int cpu)
{
	if (!topology || cpu < 0 || (unsigned)cpu >= topology->nr_cpus ||
	    topology->home_of_cpu[cpu] == HNUMA_NO_INDEX)
		return hnuma_error_set(-ENODEV, "CPU %d does not exist; CPU numbers end at %d", cpu,
				       (int)hnuma_topology_nr_cpus(topology) - 1);
	if (topology->nearest_of_cpu[cpu] == HNUMA_NO_INDEX)
		return no_usable_node();
	return topology->nodes[topology->nearest_of_cpu[cpu]].number;
}

int hnuma_current_node(const struct hnuma_topology *topology)
{
	int cpu;

	if (!topology)
		return hnuma_error_set(-ENODEV, "topology is NULL");
	if (!topology->is_this_system)
		return hnuma_error_set(-ENODEV, "the topology is another machine's, where this "
						"thread runs on no CPU");
	cpu = hnuma_cpu_current();
	if (cpu >= 0 && (unsigned)cpu < topology->nr_cpus &&
	    topology->nearest_of_cpu[cpu] != HNUMA_NO_INDEX)
		return topology->nodes[topology->nearest_of_cpu[cpu]].number;
	/* A CPU that was plugged in since, or that the kernel does not tell: any node is a guess. */
	if (topology->fallback == HNUMA_NO_INDEX)
		return no_usable_node();
	return topology->nodes[topology->fallback].number;
}

int hnuma_topology_distance(const struct hnuma_topology *topology, int from, int to)
{
	const struct hnuma_node *a = find_node(topology, from), *b = find_node(topology, to);

	if (!a || !b)
		return hnuma_error_set(-ENODEV, "node %d does not exist", a ? to : from);
	return topology->distances[(size_t)(a - topology->nodes) * topology->nr_nodes +
				   (size_t)(b - topology->nodes)];
}
