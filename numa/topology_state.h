/* SPDX-License-Identifier: MIT */
/*
 * numa/topology_state.h - what a topology is made of: for topology*.c, cpu.c and service.c only.
 *
 *	topology_load.c    environment, /sys -> hwloc's handle; topology_xml.c checks files for it
 *	topology_build.c   hwloc's handle, /sys -> the tables below
 *	topology.c         the tables -> answers
 *
 * Nothing changes once hnuma_topology_create() has returned.
 */
#ifndef HNUMA_NUMA_TOPOLOGY_STATE_H
#define HNUMA_NUMA_TOPOLOGY_STATE_H

#include <hwloc.h>

#include <hugenuma.h>

/* More than Linux can have (8,192). A description with more is refused: it is broken. */
#define HNUMA_MAX_CPUS 65536

/* Distances where nothing better is known. */
#define HNUMA_DISTANCE_LOCAL  10
#define HNUMA_DISTANCE_REMOTE 20

/* Instead of an index into nodes. */
#define HNUMA_NO_INDEX (-1)

struct hnuma_node {
	int number; /* the operating system's */
	bool has_memory;
	bool is_allowed; /* by the cpuset, when the topology was made */
	uint64_t memory_bytes;
	uint64_t hugepages;  /* 2 MB pages, as the description says: for foreign topologies */
	unsigned nr_cpus;    /* CPUs of the node, online */
	unsigned nr_allowed; /* of these, those that the process may run on */
};

/*
 * Invariants: 1 <= nr_nodes <= HNUMA_MAX_NODES; nodes ascend by number;
 * nodes[index_of_node[n]].number == n; 1 <= nr_cpus <= HNUMA_MAX_CPUS; all indices that are not
 * HNUMA_NO_INDEX are < nr_nodes; allowed_cpus is not empty.
 */
struct hnuma_topology {
	hwloc_topology_t hwloc;
	bool is_this_system;
	bool is_known;
	/* Where /sys of the described machine is found: "" for this one, NULL: nowhere. */
	char *root;

	unsigned nr_nodes;
	struct hnuma_node *nodes;
	short index_of_node[HNUMA_MAX_NODES];
	int *distances; /* nr_nodes * nr_nodes, row: from, column: to */

	unsigned nr_cpus;
	/*
	 * For each CPU number the node whose CPU it is. A CPU that no node claims (it is offline) gets
	 * the node of the next lower one that has one, since numbers mostly run node by node; a number
	 * that no CPU can have: HNUMA_NO_INDEX.
	 */
	short *home_of_cpu;
	short *nearest_of_cpu; /* the same, but the nearest node with memory that was allowed */
	short fallback;	       /* the first node with memory that was allowed */
	hwloc_bitmap_t allowed_cpus;
};

/*
 * topology_load.c: find out what hwloc's environment asks for, and load that.
 *
 * Fills in hwloc, root, is_this_system and is_known. Returns 0, -EINVAL or -ENOMEM; sets the message.
 * On failure what was filled in is the caller's to free all the same.
 */
int hnuma_topology_load(struct hnuma_topology *topology);

/* topology_build.c: fill in the rest. The same returns and rule. */
int hnuma_topology_build(struct hnuma_topology *topology);

/*
 * topology_xml.c: can hwloc be trusted with a text in XML?
 *
 * Returns 0; -1, the text is not whole; or the number of the first line with a tag that is
 * damaged. Text that is no XML at all may pass: hwloc refuses it.
 */
int hnuma_topology_check_xml(const char *text, size_t length);

/*
 * topology_list.c: read a list of CPUs ("0-3,8") from a file.
 *
 * @cpus  the CPUs are added to it.
 *
 * Returns 0, -EINVAL (the file is no such list, or names a CPU beyond HNUMA_MAX_CPUS), -ENOMEM, or
 * what reading failed with. Sets no message.
 */
int hnuma_topology_read_cpus(const char *path, hwloc_bitmap_t cpus);

/* The same for text instead of a file. */
int hnuma_topology_parse_cpus(const char *text, hwloc_bitmap_t cpus);

/*
 * topology_list.c: the value of a line of /proc/self/status, such as "Mems_allowed_list".
 *
 * Returns 0, -ENOENT (no such line), -EFBIG, or what reading failed with.
 */
int hnuma_topology_read_status(const char *key, char *value, size_t size);

/*
 * topology_list.c: the nodes that this process may have memory of now, by its cpuset.
 *
 * False, and no node, where the kernel does not tell: one without cpusets has no such line, and allows all.
 */
bool hnuma_topology_read_allowed(struct hnuma_nodeset *nodes);

#endif
