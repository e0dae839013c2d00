/* SPDX-License-Identifier: MIT */
/*
 * hugenuma/plan.h - what a configuration needs on each node, what is there, and what stands in the
 * way, before anything is taken.
 *
 * A plan is made for hugetlb pages, the best backing. It may be made from any topology, also
 * another machine's. The counts are those of the moment it was made: they can change before the
 * memory is taken. A plan never changes; any number of threads may read it.
 */
#ifndef HUGENUMA_PLAN_H
#define HUGENUMA_PLAN_H

#ifndef HUGENUMA_H_INSIDE
#error "include <hugenuma.h>, not its parts"
#endif

#ifdef __cplusplus
extern "C" {
#endif

struct hnuma_plan;

/* What stands in a node's way. */
enum hnuma_limit {
	HNUMA_LIMIT_NONE = 0,		 /* nothing: it fits */
	HNUMA_LIMIT_NODE_PAGES = 1,	 /* the node has too few free hugetlb pages */
	HNUMA_LIMIT_RESERVED = 2,	 /* pages are free, but promised to other mappings */
	HNUMA_LIMIT_CGROUP = 3,		 /* the hugetlb cgroup's limit (hugetlb.2MB.max) */
	HNUMA_LIMIT_CGROUP_RESERVED = 4, /* the one on reservations (hugetlb.2MB.rsvd.max) */
	HNUMA_LIMIT_CGROUP_MEMORY = 5, /* the one on memory (memory.max or .high), where pages count
					  * as memory: memory_hugetlb_accounting, since Linux 6.6 */
};

struct hnuma_plan_node {
	int node;
	uint64_t bytes_arena; /* what each part of one manager needs */
	uint64_t bytes_pool;  /* its books included */
	uint64_t bytes_scratch;
	uint64_t pages_needed; /* 2 MB pages, all parts together, of all ranks */
	uint64_t pages_total;  /* in the node's hugetlb pool */
	uint64_t pages_free;   /* of these, free */
	/* How many more there would have to be, or the limit would have to allow. 0: it fits. */
	uint64_t pages_missing;
	enum hnuma_limit limit; /* the first that stands in the way */
	unsigned nr_spaces;	/* scratch spaces of one manager on this node */
	uint64_t reserved[4];
};

/*
 * Make a plan.
 *
 * @out     receives the plan; the caller destroys it.
 * @config  NULL: the default.
 *
 * Returns 0, -EINVAL (as hnuma_manager_create()), -ENODEV (a node that does not exist, has no memory
 * or is not allowed; or no node is left), -EOVERFLOW, -ENOMEM.
 */
HNUMA_API HNUMA_MUST_CHECK int hnuma_plan_create(struct hnuma_plan **out,
						 const struct hnuma_topology *topology,
						 const struct hnuma_config *config);

/*
 * Make a plan for so many processes that share these nodes, each with a manager of this
 * configuration: the ranks that a launcher or a scheduler starts on one machine.
 *
 * @nr_ranks  on each node of the plan; 1: the same as hnuma_plan_create().
 *
 * Returns what hnuma_plan_create() returns, -EINVAL also for no rank.
 */
HNUMA_API HNUMA_MUST_CHECK int hnuma_plan_create_for_ranks(struct hnuma_plan **out,
							   const struct hnuma_topology *topology,
							   const struct hnuma_config *config,
							   unsigned nr_ranks);

/* Free a plan. Accepts NULL. */
HNUMA_API void hnuma_plan_destroy(struct hnuma_plan *plan);

/* How many nodes the plan serves. */
HNUMA_API unsigned hnuma_plan_nr_nodes(const struct hnuma_plan *plan);

/* What the i-th of them needs and has. Returns 0, -EINVAL (NULL), -ENODEV (no such index). */
HNUMA_API int hnuma_plan_node(const struct hnuma_plan *plan, unsigned index,
			      struct hnuma_plan_node *node);

/* Has every node all that it needs in hugetlb pages, with no limit in the way? */
HNUMA_API bool hnuma_plan_fits(const struct hnuma_plan *plan);

/*
 * The commands that would make the i-th node fit: lines ready to paste into a root shell, each
 * ending in a newline, comments behind '#'. "" when it fits; NULL, errno ENODEV, for no such index.
 * The text belongs to the plan. They mend everything that is known to stand in the way, not the first
 * limit only; of control groups that lie in each other the tightest is known, so another plan may
 * tell of another.
 */
HNUMA_API const char *hnuma_plan_advice(const struct hnuma_plan *plan, unsigned index);

#ifdef __cplusplus
}
#endif

#endif
