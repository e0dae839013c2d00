/* SPDX-License-Identifier: MIT */
/*
 * numa/topology.h - what the other files of numa/ ask a topology besides its public calls.
 *
 * hwloc stays behind these: only topology*.c, cpu.c and service.c see its handle.
 *
 * Answers about CPUs, memory and distances are those of the time when the topology was made. Whether
 * a node is allowed is asked anew each time on this system, since an administrator can change a
 * cpuset at any moment: the nodes that the cpuset allowed then and those that it allows now, both.
 *
 * May be called from numa/. Any thread, at any time.
 */
#ifndef HNUMA_NUMA_TOPOLOGY_H
#define HNUMA_NUMA_TOPOLOGY_H

#include <stdbool.h>

#include <hugenuma.h>

/* Is there a node of this number? Any int may be asked. */
bool hnuma_topology_has_node(const struct hnuma_topology *topology, int node);

/* Has it memory? False when there is no such node. */
bool hnuma_topology_node_has_memory(const struct hnuma_topology *topology, int node);

/*
 * May this process have memory there now? False when there is no such node; true for the one assumed
 * node of an unknown topology. Reads /proc/self/status on this system.
 */
bool hnuma_topology_node_is_allowed(const struct hnuma_topology *topology, int node);

/*
 * Can memory be asked of this node: is it there, has it memory, is it allowed?
 *
 * Returns 0, or -ENODEV with a message that names the node, what it lacks, and which nodes would do.
 */
int hnuma_topology_check_node(const struct hnuma_topology *topology, int node);

/*
 * The nodes for which hnuma_topology_check_node() is 0, with one look at the cpuset.
 *
 * @with_cpus  only those that have CPUs which this process may run on, too.
 *
 * Returns how many there are.
 */
unsigned hnuma_topology_usable_nodes(const struct hnuma_topology *topology, bool with_cpus,
				     struct hnuma_nodeset *nodes);

/* How many CPUs of the node this process may run on; 0 when it has none or there is no such node. */
unsigned hnuma_topology_node_nr_cpus(const struct hnuma_topology *topology, int node);

/*
 * hnuma_topology_hugepages() of another machine, as its description has them. Returns 0, or -ENODEV
 * with the message set.
 */
int hnuma_topology_described_pages(const struct hnuma_topology *topology, int node, unsigned index,
				   struct hnuma_hugepages *pages);

/*
 * Write a set as a list for messages: "0,2-5". "none" for an empty one; what does not fit ends in
 * "...". `size` at least 16. Returns text.
 */
const char *hnuma_topology_list_nodes(const struct hnuma_nodeset *nodes, char *text, size_t size);

/*
 * Read the kernel's form of a list, "0-3,8,252", up to the end of the line. What is no list, and
 * numbers beyond HNUMA_MAX_NODES - 1, add nothing. Returns false when the text was not entirely a
 * list.
 */
bool hnuma_topology_parse_list(const char *text, struct hnuma_nodeset *nodes);

#endif
