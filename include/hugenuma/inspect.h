/* SPDX-License-Identifier: MIT */
/*
 * hugenuma/inspect.h - a closer look, for tools: huge pages of every size, limits, memory's speed; the
 * regions of any process; and a drawing of the machine with notes on its nodes.
 *
 * Nothing here is for hot paths, nor does it cost a process anything to be looked at.
 */
#ifndef HUGENUMA_INSPECT_H
#define HUGENUMA_INSPECT_H

#ifndef HUGENUMA_H_INSIDE
#error "include <hugenuma.h>, not its parts"
#endif

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- The machine -------------------------------------------------------------------------- */

/* What a node's memory is, where hwloc knows it. */
enum hnuma_memory_kind {
	HNUMA_MEMORY_UNKNOWN = 0, /* nobody tells: mostly DRAM */
	HNUMA_MEMORY_DRAM = 1,
	HNUMA_MEMORY_HIGH_BANDWIDTH = 2, /* HBM, MCDRAM */
	HNUMA_MEMORY_OTHER = 3,		 /* non-volatile, a device's, behind CXL: see subtype */
};

struct hnuma_memory_info {
	enum hnuma_memory_kind kind;
	char subtype[32];	  /* hwloc's word for it, such as "HBM"; "" when there is none */
	uint64_t bandwidth_mib_s; /* MiB a second, seen from its nearest CPUs; 0: not known */
	uint64_t latency_ns;	  /* nanoseconds, likewise; 0: not known */
	uint64_t reserved[4];
};

/* How many huge pages of one size there are. */
struct hnuma_hugepages {
	size_t page_size; /* bytes */
	uint64_t total;
	uint64_t free;
	uint64_t surplus; /* of the total, beyond what the administrator set aside */
	uint64_t
		promised; /* of the free ones, promised to mappings; whole machine only, 0 for a node */
	uint64_t reserved[4];
};

/* A control group's limit on 2 MB huge pages. */
struct hnuma_limit_info {
	bool is_limited;      /* false: there is no limit, and the rest is 0 and "" */
	uint64_t limit_bytes; /* of the tightest group */
	uint64_t usage_bytes; /* what counts against it, of all processes in the group */
	char path[1024];      /* the file with the limit */
	uint64_t reserved[4];
};

/*
 * What a node's memory is, and how fast.
 *
 * Returns 0, -EINVAL (NULL), -ENODEV (no such node).
 */
HNUMA_API int hnuma_topology_memory(const struct hnuma_topology *topology, int node,
				    struct hnuma_memory_info *info);

/*
 * Count the huge pages of a node, or of the whole machine.
 *
 * @node   HNUMA_NODE_NONE: of the whole machine, which is known of this system only.
 * @index  0, 1, ... for each size that the system has, ascending.
 * @pages  filled by the call, from the kernel now. Of another machine the total is known; the free
 *         ones are said to be as many.
 *
 * Returns 0, -EINVAL (NULL), -ENODEV (no such node, or no further size).
 */
HNUMA_API int hnuma_topology_hugepages(const struct hnuma_topology *topology, int node,
				       unsigned index, struct hnuma_hugepages *pages);

/*
 * The node that a CPU belongs to, which may have no memory (unlike that of
 * hnuma_topology_node_of_cpu()). A CPU that no node claims, because it is offline, is given to its
 * neighbour's.
 *
 * @is_allowed  receives whether this process may run there: online, and in the cpuset. May be NULL.
 *
 * Returns the node, or -ENODEV (no such CPU).
 */
HNUMA_API int hnuma_topology_home_of_cpu(const struct hnuma_topology *topology, int cpu,
					 bool *is_allowed);

/*
 * The control group's limit on this process's huge pages, now.
 *
 * @which  HNUMA_LIMIT_CGROUP, HNUMA_LIMIT_CGROUP_RESERVED, or HNUMA_LIMIT_CGROUP_MEMORY: the limit on
 *         all memory, where huge pages count against it. Where they do not, that is no limit on them.
 *
 * Of another machine no limit is known. Returns 0, -EINVAL (NULL, another limit), or what the kernel
 * answered when its files could not be read.
 */
HNUMA_API int hnuma_topology_limit(const struct hnuma_topology *topology, enum hnuma_limit which,
				   struct hnuma_limit_info *info);

/* A note on a node, for hnuma_topology_export(). */
struct hnuma_annotation {
	int node;
	const char *text; /* printable; what is not ASCII or is a control character becomes '?' */
};

/*
 * Write the topology as hwloc's XML, with notes as Misc objects on their nodes: lstopo draws it.
 *
 * @stream  the caller's; not flushed, not closed: what its buffer took is the caller's to check.
 * @notes   may be NULL when nr_notes is 0.
 *
 * Returns 0, -EINVAL (NULL; a topology that hwloc cannot write), -ENODEV (a note on a node that does
 * not exist; nothing was written), -EIO (the stream took an error), -ENOMEM.
 */
HNUMA_API int hnuma_topology_export(const struct hnuma_topology *topology, FILE *stream,
				    const struct hnuma_annotation *notes, unsigned nr_notes);

/* ---- The regions of a process ------------------------------------------------------------- */

/* What was found when a process was looked at. Never changes; any number of threads may read it. */
struct hnuma_survey;

struct hnuma_survey_region {
	char name[40];	     /* as in struct hnuma_region_attr */
	int node;	     /* that was asked for; HNUMA_NODE_NONE: interleaved or unbound */
	bool is_interleaved; /* over the nodes of its policy */
	enum hnuma_backing backing; /* what its pages are */
	uint64_t address;	    /* in that process */
	uint64_t size_bytes;
	/* Where its pages lie, as hnuma_region_verify() tells it of one's own. */
	struct hnuma_placement placement;
	uint64_t reserved[4];
};

/*
 * Look at a process: find its regions by the names of its mappings, and where their pages lie, in
 * /proc/PID/smaps and numa_maps. The process does nothing for it and notices nothing. Regions that it
 * makes or destroys meanwhile may be missed or have unknown pages. Private memory has no names where
 * the kernel was built without them (CONFIG_ANON_VMA_NAME, Linux 5.17): only regions of hugetlb pages
 * are found there.
 *
 * @out  receives the survey; the caller destroys it.
 * @pid  a process, or 0: this one.
 *
 * Returns 0, also when it has no region; -EINVAL (NULL, negative pid), -ESRCH (no such process, or it
 * ended meanwhile), -EPERM (not ours to look at), -ENOMEM, or what else the kernel answered.
 */
HNUMA_API HNUMA_MUST_CHECK int hnuma_survey_create(struct hnuma_survey **out, int pid);

/* Free a survey. Accepts NULL. */
HNUMA_API void hnuma_survey_destroy(struct hnuma_survey *survey);

/* How many regions were found. */
HNUMA_API unsigned hnuma_survey_nr_regions(const struct hnuma_survey *survey);

/* The i-th of them, by address. Returns 0, -EINVAL (NULL), -ENODEV (no such index). */
HNUMA_API int hnuma_survey_region(const struct hnuma_survey *survey, unsigned index,
				  struct hnuma_survey_region *region);

/* How many of its pages lie on a node; 0 also for no such region or node. */
HNUMA_API uint64_t hnuma_survey_pages_on(const struct hnuma_survey *survey, unsigned index,
					 int node);

#ifdef __cplusplus
}
#endif

#endif
