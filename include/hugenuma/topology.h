/* SPDX-License-Identifier: MIT */
/*
 * hugenuma/topology.h - what the machine has: nodes, CPUs, distances, huge pages.
 *
 * A topology is read once and never changes; any number of threads may use it. Only the counts of
 * huge pages, and which nodes are allowed, are read from the kernel at each call. Everything that is made from a topology keeps a
 * reference to it: destroy the topology last.
 *
 * hwloc reads the machine, and its own environment is honoured: HWLOC_XMLFILE, HWLOC_SYNTHETIC and
 * HWLOC_FSROOT describe another machine. Such a topology is for planning; making memory from it is
 * refused with -EXDEV.
 */
#ifndef HUGENUMA_TOPOLOGY_H
#define HUGENUMA_TOPOLOGY_H

#ifndef HUGENUMA_H_INSIDE
#error "include <hugenuma.h>, not its parts"
#endif

#ifdef __cplusplus
extern "C" {
#endif

struct hnuma_topology;

/* What a node is made for. */
enum hnuma_node_kind {
	HNUMA_NODE_KIND_NORMAL = 0,    /* memory and CPUs */
	HNUMA_NODE_KIND_NO_CPUS = 1,   /* memory only, such as a memory expander */
	HNUMA_NODE_KIND_NO_MEMORY = 2, /* CPUs only */
	HNUMA_NODE_KIND_EMPTY = 3,     /* neither */
};

struct hnuma_node_info {
	int node; /* the operating system's number */
	enum hnuma_node_kind kind;
	uint64_t memory_bytes;	  /* all memory of the node */
	uint64_t hugepages_total; /* 2 MB pages in the node's hugetlb pool, now */
	uint64_t hugepages_free;  /* of these, not in use, now */
	unsigned nr_cpus;	  /* CPUs of the node that this process may run on */
	bool is_allowed;	  /* may this process have memory there? (cpuset) */
	uint64_t reserved[4];
};

/*
 * Read the machine's topology.
 *
 * @out  receives the topology; the caller destroys it.
 *
 * Returns 0, -EINVAL (out is NULL; a topology file named in hwloc's environment is missing, broken,
 * or describes no node), -ENOMEM.
 */
HNUMA_API HNUMA_MUST_CHECK int hnuma_topology_create(struct hnuma_topology **out);

/* Free a topology. Nothing that was made from it may be used after. Accepts NULL. */
HNUMA_API void hnuma_topology_destroy(struct hnuma_topology *topology);

/* How many nodes there are, allowed or not. */
HNUMA_API unsigned hnuma_topology_nr_nodes(const struct hnuma_topology *topology);

/*
 * Describe one node.
 *
 * @index  0 to hnuma_topology_nr_nodes() - 1, in the order of the nodes' numbers.
 * @info   filled by the call; huge page counts are read from the kernel now.
 *
 * Returns 0, -EINVAL (NULL), -ENODEV (no such index).
 */
HNUMA_API int hnuma_topology_node_info(const struct hnuma_topology *topology, unsigned index,
				       struct hnuma_node_info *info);

/* One more than the highest CPU number that this machine can have; some in between may be missing. */
HNUMA_API unsigned hnuma_topology_nr_cpus(const struct hnuma_topology *topology);

/*
 * The node whose memory is nearest to a CPU, among the nodes that have memory and are allowed. On
 * an ordinary machine that is the CPU's own node.
 *
 * Returns the node, or -ENODEV (no such CPU, or no node with memory is allowed).
 */
HNUMA_API int hnuma_topology_node_of_cpu(const struct hnuma_topology *topology, int cpu);

/*
 * The distance between two nodes as the firmware tells it: 10 is local, 20 twice as far. Where the
 * firmware tells nothing: 10 for a node to itself and 20 else.
 *
 * Returns the distance, or -ENODEV (no such node).
 */
HNUMA_API int hnuma_topology_distance(const struct hnuma_topology *topology, int from, int to);

/* Is this the machine that the program runs on? False for a topology read from a file. */
HNUMA_API bool hnuma_topology_is_this_system(const struct hnuma_topology *topology);

/*
 * Does the system tell its topology? False where /sys is missing: one node is then assumed and
 * nothing is ever bound, which every region reports as its reason.
 */
HNUMA_API bool hnuma_topology_is_known(const struct hnuma_topology *topology);

/*
 * The node nearest to the CPU that the calling thread runs on at this moment (see
 * hnuma_topology_node_of_cpu()). A hint: unless the thread is pinned it may move at any time.
 *
 * Returns the node, or -ENODEV.
 */
HNUMA_API int hnuma_current_node(const struct hnuma_topology *topology);

#ifdef __cplusplus
}
#endif

#endif
