/* SPDX-License-Identifier: MIT */
/*
 * numa/ground.h - what a pool, a scratch or a manager stands on: the nodes that it serves, which of
 * them is nearest to each CPU, and one region on each.
 *
 *	service    nodes[0] = 0         nodes[1] = 2        (the served nodes, ascending)
 *	           index_of_cpu[] = 0 0 0 0 1 1 1 1         (for every CPU number)
 *	ground     regions[0]           regions[1]
 *
 * May be called from lib/. A service and a ground never change once made; any number of threads
 * may read them.
 */
#ifndef HNUMA_NUMA_GROUND_H
#define HNUMA_NUMA_GROUND_H

#include <hugenuma.h>

struct hnuma_service {
	unsigned nr_nodes; /* at least 1 */
	int *nodes;	   /* the operating system's numbers, ascending */
	unsigned nr_cpus;  /* length of index_of_cpu; higher CPU numbers can still turn up */
	unsigned short *index_of_cpu; /* for a CPU: index into nodes of the nearest served node */
	unsigned short
		*nearest; /* nr_nodes * nr_nodes: row i, the indices from near to far, i first */
};

/*
 * Work out which nodes serve.
 *
 * @asked  the nodes; empty: every allowed node that has both CPUs and memory (and, if there is
 *         none, every allowed node with memory).
 *
 * Returns 0, -ENODEV (an asked node does not exist, has no memory or is not allowed; none is left),
 * -ENOMEM. Sets the message. The caller gives the result to hnuma_service_free().
 */
int hnuma_service_init(struct hnuma_service *service, const struct hnuma_topology *topology,
		       const struct hnuma_nodeset *asked);

int hnuma_service_copy(struct hnuma_service *copy, const struct hnuma_service *service);
void hnuma_service_free(struct hnuma_service *service);

/*
 * The index of a node, or -ENODEV when it is not served. HNUMA_NODE_LOCAL: of the one nearest to the
 * calling thread's CPU, 0 when that is unknown; a hint, as hnuma_cpu_current().
 */
int hnuma_service_index(const struct hnuma_service *service, int node);

/* The index of the served node nearest to a CPU number of any value. */
static inline unsigned hnuma_service_index_of_cpu(const struct hnuma_service *service, int cpu)
{
	return (unsigned)cpu < service->nr_cpus ? service->index_of_cpu[cpu] : 0;
}

/*
 * How many CPU numbers have service->nodes[index] as their nearest, of all that the machine can have:
 * as many as there are entries of that index in index_of_cpu.
 */
unsigned hnuma_service_nr_cpus_of(const struct hnuma_service *service, unsigned index);

/*
 * The CPUs that the process may run on (online and in its cpuset), ascending.
 *
 * @cpus  receives an array that the caller frees. Returns their number (> 0) or -ENOMEM.
 */
int hnuma_topology_allowed_cpus(const struct hnuma_topology *topology, int **cpus);

struct hnuma_ground {
	const struct hnuma_topology *topology;
	struct hnuma_service service;  /* a copy of its own */
	struct hnuma_region **regions; /* service.nr_nodes of them */
};

struct hnuma_ground_request {
	const char *name;    /* of the regions: "pool" */
	const size_t *sizes; /* bytes for each served node, each more than 0 */
	enum hnuma_backing least_backing;
	enum hnuma_policy policy;
	unsigned flags;
	const struct hnuma_hooks *hooks; /* or NULL */
	const int *fds; /* of shared regions' files, to be adopted and not made; or NULL */
};

/*
 * Make one region per served node, all or none.
 *
 * Returns 0 or what hnuma_region_create() returns, or hnuma_region_adopt(). Sets the message. Refuses a
 * topology that is not this system's with -EXDEV.
 */
int hnuma_ground_create(struct hnuma_ground *ground, const struct hnuma_topology *topology,
			const struct hnuma_service *service,
			const struct hnuma_ground_request *request);

/*
 * Give the regions back, the last one first, then free the rest. On failure what was not given back is still there, and
 * a second call goes on from there. Returns 0, -ENOMEM, -EBUSY (in a hook).
 */
int hnuma_ground_destroy(struct hnuma_ground *ground);

/*
 * hnuma_region_open() of a file that was some region's, and has no other owner now. Pages of it that have
 * a memory error are noted; nothing must touch them. Returns -EIO also where pages are missing.
 */
int hnuma_region_adopt(struct hnuma_region **out, const struct hnuma_topology *topology, int fd,
		       const struct hnuma_region_attr *attr);

/*
 * Of a region that was adopted: the offset of the first whole 2 MB with a memory error that do not begin
 * before `from`; the region's size: there are none.
 */
size_t hnuma_region_next_damaged(const struct hnuma_region *region, size_t from);

/* How many pieces of at most piece_bytes a region has; piece_bytes as checked by the next. */
size_t hnuma_hooks_nr_pieces(const struct hnuma_region *region, size_t piece_bytes);

/* The checks of hnuma_region_piece() and its likes. Returns 0 or -EINVAL with the message set. */
int hnuma_hooks_check_piece(const void *object, size_t piece_bytes, const void *piece);

/* hnuma_region_piece() over all regions. The caller has checked its own arguments. */
int hnuma_ground_piece(const struct hnuma_ground *ground, size_t piece_bytes, size_t index,
		       struct hnuma_piece *piece);

/*
 * hnuma_region_verify() for a part of a region.
 *
 * @offset, @size  bytes; widened to whole pages.
 */
int hnuma_region_verify_range(const struct hnuma_region *region, size_t offset, size_t size,
			      struct hnuma_placement *placement);

/* Add one placement to another; the page size becomes the smaller known one. */
void hnuma_placement_add(struct hnuma_placement *sum, const struct hnuma_placement *more);

/* The flags that everything made of regions takes; a region itself takes HNUMA_INHERIT, too. */
#define HNUMA_OBJECT_FLAGS (HNUMA_RELAXED | HNUMA_NO_DUMP | HNUMA_SHARED)
/* And what a pool takes besides, or a manager for its pool. */
#define HNUMA_POOL_FLAGS (HNUMA_OBJECT_FLAGS | HNUMA_HARDENED)

/*
 * The checks that every attribute struct goes through: is struct_size the one known here, are the
 * backing and the policy known, is no flag set beyond those allowed?
 *
 * @what  the name for the message: "struct hnuma_pool_attr".
 *
 * Returns 0 or -EINVAL with the message set.
 */
int hnuma_attr_check(const char *what, size_t struct_size, size_t expected,
		     enum hnuma_backing least_backing, enum hnuma_policy policy, unsigned flags,
		     unsigned allowed_flags);

#endif
