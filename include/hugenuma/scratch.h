/* SPDX-License-Identifier: MIT */
/*
 * hugenuma/scratch.h - memory for one call: one space per core, on that core's node.
 *
 * A thread holds at most one space of a scratch at a time. hnuma_scratch_pin() ties a thread to a
 * core and keeps that core's space for it, so that acquire, release and reset cost no atomic
 * operation and no system call. A thread that is not pinned borrows the space of the CPU that it
 * runs on, or another one of the same node, and gives it back. A thread that ends gives back what
 * it had.
 *
 * Threads: the hnuma_scratch_ calls may run in any thread at any time, except destroy. A space
 * belongs to the thread that acquired it, until it releases it; only that thread may use it.
 */
#ifndef HUGENUMA_SCRATCH_H
#define HUGENUMA_SCRATCH_H

#ifndef HUGENUMA_H_INSIDE
#error "include <hugenuma.h>, not its parts"
#endif

#ifdef __cplusplus
extern "C" {
#endif

struct hnuma_scratch;
struct hnuma_space;

struct hnuma_scratch_attr {
	size_t struct_size; /* set by the initialiser */
	size_t space_size;  /* bytes of a space, rounded up to 64; not 0; default 64 KB */
	/*
	 * How many spaces to make. 0: one for each CPU that the process may run on. More than that
	 * gives further spaces, by turns, to the nodes.
	 */
	unsigned max_spaces;
	struct hnuma_nodeset nodes;	  /* empty: every allowed node with both CPUs and memory */
	enum hnuma_backing least_backing; /* fail rather than take less than this */
	enum hnuma_policy policy; /* PREFERRED: a thread may borrow a space of another node */
	unsigned flags;		  /* HNUMA_RELAXED, HNUMA_NO_DUMP, HNUMA_SHARED */
	const struct hnuma_hooks *hooks; /* of its regions; NULL: none */
};

#define HNUMA_SCRATCH_ATTR_INIT                                                                    \
	{                                                                                          \
		sizeof(struct hnuma_scratch_attr), (size_t)64 * 1024, 0, {{0}}, HNUMA_BACKING_THP, \
			HNUMA_POLICY_BIND, 0, NULL                                                 \
	}

struct hnuma_scratch_stats {
	uint64_t space_size;	/* bytes of a space */
	uint64_t active_spaces; /* spaces that a thread holds, or has pinned, now */
	uint64_t max_spaces;	/* spaces there are */
	uint64_t
		total_allocated; /* max_spaces * space_size: all of it is in memory from the start */
	/*
	 * Bytes in use, over all spaces, and in the fullest. Of a space that was released, what its last
	 * user had in use, until it is acquired again or all is reset.
	 */
	uint64_t total_used;
	uint64_t max_space_usage;
	uint64_t reserved[4];
};

/*
 * Make the spaces.
 *
 * @out       receives the scratch; the caller destroys it.
 * @topology  must be this system's and outlive the scratch.
 *
 * Returns 0 or what hnuma_region_create() returns, for the same reasons; -EINVAL also for
 * HNUMA_POLICY_INTERLEAVE, -EOVERFLOW for sizes that cannot be added up.
 */
HNUMA_API HNUMA_MUST_CHECK int hnuma_scratch_create(struct hnuma_scratch **out,
						    const struct hnuma_topology *topology,
						    const struct hnuma_scratch_attr *attr);

/*
 * Give the memory back. No other thread may be in a call on the scratch.
 *
 * Returns 0, -EBUSY (spaces are held or pinned: the message says how many; nothing was freed),
 * -EINVAL (the scratch belongs to a manager), -ENOMEM (see hnuma_region_destroy(): destroy may be tried again, and nothing else),
 * -EOWNERDEAD.
 */
HNUMA_API int hnuma_scratch_destroy(struct hnuma_scratch *scratch);

/*
 * The size of a space for a model's intermediate results: 4 * 4 * hidden_dim bytes.
 *
 * Returns 0, -EINVAL (NULL or 0), -EOVERFLOW.
 */
HNUMA_API int hnuma_scratch_size_for_model(size_t hidden_dim, size_t *size);

/*
 * Tie the calling thread to a CPU and keep that CPU's space for it; where another thread has that
 * space, another free one of the same node. The thread may not hold a space of this scratch.
 *
 * Returns 0 or
 *   -EINVAL   a CPU that is offline, or that the process may not run on; the affinity is unchanged
 *   -ENODEV   no such CPU
 *   -EALREADY the thread is pinned in this scratch already
 *   -EBUSY    the thread holds a space
 *   -ENOMEM   no space is free on the CPU's node
 *   -EOWNERDEAD
 */
HNUMA_API int hnuma_scratch_pin(struct hnuma_scratch *scratch, int cpu);

/*
 * Undo hnuma_scratch_pin(): the space is given back, the affinity is what it was before.
 *
 * Returns 0, -ENOENT (the thread is not pinned in this scratch), -EBUSY (it still holds the space:
 * release it first), -EOWNERDEAD; or the kernel's answer when the affinity cannot be put back: the
 * space is given back all the same.
 */
HNUMA_API int hnuma_scratch_unpin(struct hnuma_scratch *scratch);

/*
 * Get a space, empty. A pinned thread gets its own, another borrows one.
 *
 * Returns the space, to be released by the same thread; or NULL: errno EBUSY (this thread holds one
 * of this scratch already; also when called by a signal handler in between), ENOMEM (all spaces of
 * the node are taken), EOWNERDEAD.
 *
 * A signal handler may acquire, use and release a space. A thread's first acquire may allocate from
 * the heap, so it should not be in a handler.
 */
HNUMA_API struct hnuma_space *hnuma_scratch_acquire(struct hnuma_scratch *scratch);

/*
 * Give a space back. What was allocated in it is gone. Accepts NULL.
 *
 * Returns 0, -EPERM (another thread's space), -EALREADY (it was not held), -EBUSY (a signal handler
 * interrupted another call on a scratch), -EOWNERDEAD.
 */
HNUMA_API int hnuma_scratch_release(struct hnuma_space *space);

/*
 * Allocate count elements of elem_size bytes in a space, aligned to 64, all zero.
 *
 * Returns the memory, valid until the space is reset or released; or NULL: errno ENOMEM (the
 * product overflows or the space has no such room left) or EOWNERDEAD.
 */
HNUMA_API void *hnuma_space_alloc(struct hnuma_space *space, size_t count, size_t elem_size);

/* Make the space empty again. */
HNUMA_API void hnuma_space_reset(struct hnuma_space *space);

HNUMA_API size_t hnuma_space_used(const struct hnuma_space *space);
HNUMA_API size_t hnuma_space_remaining(const struct hnuma_space *space);
HNUMA_API size_t hnuma_space_capacity(const struct hnuma_space *space);
/* The first byte: the space's raw memory, hnuma_space_capacity() bytes, aligned to 4 KB. */
HNUMA_API void *hnuma_space_base(const struct hnuma_space *space);
/* The CPU that the space was made for; -1 for one made beyond the number of CPUs. */
HNUMA_API int hnuma_space_cpu(const struct hnuma_space *space);
/* The node that its memory is on. */
HNUMA_API int hnuma_space_node(const struct hnuma_space *space);

/*
 * Empty every space. One that is held is emptied when its owner next acquires it, not under its
 * owner's hands.
 */
HNUMA_API void hnuma_scratch_reset_all(struct hnuma_scratch *scratch);

/* How many spaces are held or pinned now. */
HNUMA_API unsigned hnuma_scratch_active(const struct hnuma_scratch *scratch);

/* Returns 0, -EINVAL (NULL), -EOWNERDEAD. */
HNUMA_API int hnuma_scratch_stats(const struct hnuma_scratch *scratch,
				  struct hnuma_scratch_stats *stats);

/*
 * The region that holds the spaces of a node, or of the one whose spaces the calling thread's CPU uses
 * (HNUMA_NODE_LOCAL); NULL, errno ENODEV, when the node has none.
 */
HNUMA_API const struct hnuma_region *hnuma_scratch_region(const struct hnuma_scratch *scratch,
							  int node);

/* hnuma_region_verify() for the pages of the spaces on such a node. -ENODEV when it has none. */
HNUMA_API int hnuma_scratch_verify(const struct hnuma_scratch *scratch, int node,
				   struct hnuma_placement *placement);

#ifdef __cplusplus
}
#endif

#endif
