/* SPDX-License-Identifier: MIT */
/*
 * hugenuma/manager.h - one arena, one pool and one scratch over all nodes that a server uses.
 *
 * The manager takes one region per node and lays that node's arena, its part of the pool and its
 * scratch spaces in it, so that a node has one budget. It is made from a plan (plan.h): what a plan
 * says is needed is what is taken.
 *
 * Threads: as the parts. Create and destroy may run in any thread; no other thread may be in a call
 * on the manager or its parts while it is destroyed.
 */
#ifndef HUGENUMA_MANAGER_H
#define HUGENUMA_MANAGER_H

#ifndef HUGENUMA_H_INSIDE
#error "include <hugenuma.h>, not its parts"
#endif

#ifdef __cplusplus
extern "C" {
#endif

struct hnuma_manager;

struct hnuma_config {
	size_t struct_size;	    /* set by the initialiser */
	size_t arena_capacity;	    /* bytes of each node's arena; default 16 MB */
	size_t buffers_per_class;   /* see struct hnuma_pool_attr; default 32 */
	size_t scratch_size;	    /* bytes of a space; default 64 KB */
	unsigned max_scratch;	    /* spaces; 0: one for each CPU that the process may run on */
	size_t pool_bytes_per_node; /* see bytes_per_node of struct hnuma_pool_attr */
	enum hnuma_hygiene hygiene; /* of the pool */
	struct hnuma_nodeset nodes; /* empty: every allowed node with both CPUs and memory */
	enum hnuma_backing least_backing; /* fail rather than take less than this */
	enum hnuma_policy policy;	  /* BIND or PREFERRED */
	unsigned flags; /* HNUMA_RELAXED, HNUMA_NO_DUMP, HNUMA_SHARED, HNUMA_HARDENED */
	/* Of its regions; NULL: none. hnuma_manager_config() gives what was asked. */
	const struct hnuma_hooks *hooks;
};

#define HNUMA_CONFIG_INIT                                                                        \
	{                                                                                        \
		sizeof(struct hnuma_config), (size_t)16 * 1024 * 1024, 32, (size_t)64 * 1024, 0, \
			0, HNUMA_HYGIENE_NEVER, {{0}}, HNUMA_BACKING_THP, HNUMA_POLICY_BIND, 0,  \
			NULL                                                                     \
	}

/* The three parts, each summed over all nodes. */
struct hnuma_manager_stats {
	struct hnuma_arena_stats arena;
	struct hnuma_pool_stats pool;
	struct hnuma_scratch_stats scratch;
};

/*
 * A configuration for a model, initialised as a whole. The arena's margin is four here, that of
 * hnuma_arena_capacity_for_model() two: 4 * 4 * (hidden_dim + vocab_size) * batch_size bytes. A
 * scratch space has 4 * 4 * hidden_dim bytes; all else is the default.
 *
 * Returns 0, -EINVAL (NULL or a dimension of 0), -EOVERFLOW.
 */
HNUMA_API int hnuma_config_for_model(struct hnuma_config *config, size_t hidden_dim,
				     size_t vocab_size, size_t batch_size);

/*
 * Make a manager.
 *
 * @out       receives the manager; the caller destroys it.
 * @topology  must be this system's and outlive the manager.
 * @config    NULL: the default.
 *
 * Returns 0 or what hnuma_pool_create() returns, for the same reasons.
 */
HNUMA_API HNUMA_MUST_CHECK int hnuma_manager_create(struct hnuma_manager **out,
						    const struct hnuma_topology *topology,
						    const struct hnuma_config *config);

/*
 * Give everything back.
 *
 * Returns 0, -EBUSY (blocks or spaces are out: the message says how many; nothing was freed),
 * -ENOMEM (see hnuma_region_destroy(): destroy may be tried again, and nothing else), -EOWNERDEAD.
 */
HNUMA_API int hnuma_manager_destroy(struct hnuma_manager *manager);

/*
 * The arena of a node; HNUMA_NODE_LOCAL: of the served node nearest to the calling thread's CPU. It
 * belongs to the manager.
 *
 * Returns the arena, or NULL: errno ENODEV (not served) or EOWNERDEAD.
 */
HNUMA_API struct hnuma_arena *hnuma_manager_arena(const struct hnuma_manager *manager, int node);

/* The pool and the scratch, over all nodes. They belong to the manager. */
HNUMA_API struct hnuma_pool *hnuma_manager_pool(const struct hnuma_manager *manager);
HNUMA_API struct hnuma_scratch *hnuma_manager_scratch(const struct hnuma_manager *manager);

/*
 * The configuration that the manager was made from, with what a default stood for filled in (nodes,
 * max_scratch, pool_bytes_per_node). It belongs to the manager.
 */
HNUMA_API const struct hnuma_config *hnuma_manager_config(const struct hnuma_manager *manager);

/*
 * Begin a new step: reset every arena and empty every scratch space. The conditions are those of
 * hnuma_arena_reset(), for all arenas. Blocks of the pool stay.
 */
HNUMA_API void hnuma_manager_reset_step(struct hnuma_manager *manager);

/* hnuma_pool_prewarm_all() on the manager's pool. */
HNUMA_API int hnuma_manager_prewarm(struct hnuma_manager *manager, size_t count_per_class);

/* Returns 0, -EINVAL (NULL), -EOWNERDEAD. */
HNUMA_API int hnuma_manager_stats(const struct hnuma_manager *manager,
				  struct hnuma_manager_stats *stats);

/* hnuma_region_verify(), summed over the manager's regions. */
HNUMA_API int hnuma_manager_verify(const struct hnuma_manager *manager,
				   struct hnuma_placement *placement);

/* The region of a node; NULL, errno ENODEV, when the node is not served. */
HNUMA_API const struct hnuma_region *hnuma_manager_region(const struct hnuma_manager *manager,
							  int node);

#ifdef __cplusplus
}
#endif

#endif
