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
 * -ENOMEM (see hnuma_region_destroy(): destroy may be tried again, and nothing else), -EOWNERDEAD,
 * -EUCLEAN (of a hardened pool, see hnuma_pool_destroy(): nothing was freed, destroy it again).
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

/* The region of a node, or HNUMA_NODE_LOCAL; NULL, errno ENODEV, when the node is not served. */
HNUMA_API const struct hnuma_region *hnuma_manager_region(const struct hnuma_manager *manager,
							  int node);

/*
 * Handing over. A manager that was made with HNUMA_SHARED can outlive its process: the next process
 * of the same server adopts its pool, with all blocks that are out where they are. The process that
 * has it may leave it, or end in whatever way, SIGKILL included.
 *
 * One process at a time owns a manager. It holds a lock that the kernel gives back when it ends or
 * executes a program. A child of fork() does not keep it.
 *
 * What survives is the pool: each block that is out keeps its bytes, class and node, and its offset in its
 * region (hnuma_region_offset(), hnuma_manager_region()), but not its address. Arenas and scratch
 * spaces begin empty. Statistics begin anew, with each block that is out as one miss.
 */

/*
 * The descriptors of a manager's memory, one for each node that it serves: what the next process needs.
 * They are the regions' (hnuma_region_fd()): pass copies on, do not close them.
 *
 * @fds  receives as many of them as there are, and at most `max`. NULL with a max of 0 asks how many.
 *
 * Returns how many there are; -EBADF (not made with HNUMA_SHARED), -ENOLCK (it cannot be handed over, as its
 * memory could not be locked when it was made: /proc is missing), -EINVAL (NULL), -EOWNERDEAD.
 */
HNUMA_API int hnuma_manager_fds(const struct hnuma_manager *manager, int *fds, unsigned max);

/*
 * Leave a manager to the next process: as hnuma_manager_destroy(), but blocks may be out, and the pool
 * stays what it is for as long as somebody has its descriptors. Copies of them must have been passed
 * on before.
 *
 * Returns 0, -EBUSY (scratch spaces are held), -ENOMEM (see hnuma_region_destroy(): leave may be tried again,
 * and nothing else), and what hnuma_manager_fds() returns.
 */
HNUMA_API int hnuma_manager_leave(struct hnuma_manager *manager);

/*
 * Adopt a manager that another process has left, or had when it ended.
 *
 * @out       receives the manager; the caller destroys or leaves it.
 * @topology  must be this system's and outlive the manager.
 * @fds       as hnuma_manager_fds() gave them there, in any order; they stay the caller's.
 * @hooks     for its regions, or NULL. `made` finds the regions filled, and leaves them as they are.
 *
 * Its configuration is what it was made with. Pages lie where they lie, and are what they are, also where
 * that is less than the configuration asks: hnuma_region_info() and hnuma_manager_verify() tell. The
 * blocks that are out are the caller's to walk over (hnuma_pool_walk()) and to release.
 *
 * A page of the pool that has a memory error is out of service from then on, as by hnuma_pool_retire():
 * nothing has touched it. Blocks that were out on it are lost; hnuma_pool_walk() does not meet them, but
 * hnuma_pool_walk_retired() does.
 *
 * Returns 0, or leaves everything as it was, so that it can be adopted still, and returns
 *   -EBUSY    a process has the manager; or called in a hook
 *   -EINVAL   NULL; none or too many descriptors; one is of no manager, or two are of the same region or
 *             of two managers
 *   -ENOENT   the region of a node is missing
 *   -EPROTO   the manager was made by a library whose books have another layout
 *   -EUCLEAN  a header, or the books of the pool, are damaged: the message says where
 *   -EXDEV    other nodes or CPUs than its maker had; the topology is not this system's
 *   -EIO      a page has a memory error that holds something else than blocks; or pages are missing, which
 *             the kernel took out for one (before Linux 6.1): the message says where
 *   or what hnuma_region_open() returns.
 */
HNUMA_API HNUMA_MUST_CHECK int hnuma_manager_adopt(struct hnuma_manager **out,
						   const struct hnuma_topology *topology,
						   const int *fds, unsigned nr_fds,
						   const struct hnuma_hooks *hooks);

#ifdef __cplusplus
}
#endif

#endif
