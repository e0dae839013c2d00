/* SPDX-License-Identifier: MIT */
/*
 * hugenuma/pool.h - memory for one request: blocks of five sizes on every node.
 *
 * A pool has one region of the same size on each node that it serves. The 2 MB pages of a region
 * are dealt to the classes as they are needed and taken back when all their blocks are home. A
 * block comes from the node that was asked and goes back to it, whichever thread on whichever CPU
 * releases it.
 *
 * A block is made from a page when an acquire finds none free (a miss), is kept free when it is
 * released (a return) so that a later acquire finds it (a hit), and is unmade when more than
 * buffers_per_class of its class are free on its node (a drop).
 *
 * Hardened. What the pool cannot see otherwise - a write beyond a block's end, or into a block after
 * its release - it looks for when it was made with HNUMA_HARDENED. Behind each block lies a guard
 * as long as the block (so the pool takes twice the memory), and the guard and all that is free
 * are filled with a pattern. It is compared when a block is acquired, when it is released (the
 * guard), when it is unmade (by a drop, clear, or where another class needs its page), by
 * hnuma_pool_check() and by destroy. A block that was overwritten is never handed out again: it
 * counts as lost. A block that is released waits in a quarantine until up to 240 others of its class
 * and node have been released after it, as long as other blocks can be had. Acquired blocks are
 * zero, whatever hygiene says. Every call takes the lock of a node and goes over the whole block
 * and its guard. A pool that is not hardened pays nothing for this.
 *
 * Threads: every call may run in any thread at any time, except destroy, and none in a signal handler.
 * A block may be released by another thread than the one that acquired it.
 */
#ifndef HUGENUMA_POOL_H
#define HUGENUMA_POOL_H

#ifndef HUGENUMA_H_INSIDE
#error "include <hugenuma.h>, not its parts"
#endif

#ifdef __cplusplus
extern "C" {
#endif

struct hnuma_pool;

enum hnuma_class {
	HNUMA_CLASS_1K = 0,
	HNUMA_CLASS_4K = 1,
	HNUMA_CLASS_16K = 2,
	HNUMA_CLASS_64K = 3,
	HNUMA_CLASS_256K = 4,
};
#define HNUMA_NR_CLASSES 5

/* When blocks are cleared of their last user's bytes. A block that was never used is zero. */
enum hnuma_hygiene {
	HNUMA_HYGIENE_NEVER = 0,      /* a block keeps the bytes of its last user */
	HNUMA_HYGIENE_ON_ACQUIRE = 1, /* an acquired block is zero */
	HNUMA_HYGIENE_ON_RELEASE = 2, /* a released block is cleared at once */
};

struct hnuma_pool_attr {
	size_t struct_size; /* set by the initialiser */
	/*
	 * Per node: so many blocks of every class fit at the same time, and at most so many of a
	 * class are kept free. (CPUs that work at the same time may each keep up to 32
	 * more at hand, or what their share comes to.) Not 0; default 32.
	 */
	size_t buffers_per_class;
	/*
	 * Bytes for blocks on each node, rounded up to 2 MB. 0: what buffers_per_class of every
	 * class need. More lets classes grow beyond buffers_per_class while others take less.
	 */
	size_t bytes_per_node;
	enum hnuma_hygiene hygiene;
	struct hnuma_nodeset nodes;	  /* empty: every allowed node with both CPUs and memory */
	enum hnuma_backing least_backing; /* fail rather than take less than this */
	enum hnuma_policy policy;	  /* PREFERRED: acquire may take from another node */
	unsigned flags; /* HNUMA_RELAXED, HNUMA_NO_DUMP, HNUMA_SHARED, HNUMA_HARDENED */
	const struct hnuma_hooks *hooks; /* of its regions; NULL: none */
};

#define HNUMA_POOL_ATTR_INIT                                                       \
	{                                                                          \
		sizeof(struct hnuma_pool_attr), 32, 0, HNUMA_HYGIENE_NEVER, {{0}}, \
			HNUMA_BACKING_THP, HNUMA_POLICY_BIND, 0, NULL              \
	}

/* Of the whole pool, since it was made. */
struct hnuma_pool_stats {
	uint64_t hits;				 /* acquires that found a free block */
	uint64_t misses;			 /* acquires for which a block was made */
	uint64_t allocations;			 /* blocks made for acquires */
	uint64_t returns;			 /* releases that kept the block free */
	uint64_t drops;				 /* releases that unmade the block, or lost it */
	uint64_t free_buffers[HNUMA_NR_CLASSES]; /* free now */
	double hit_rate;			 /* hits / (hits + misses), 0 to 1 */
	uint64_t in_use[HNUMA_NR_CLASSES];	 /* out now */
	uint64_t lost_buffers; /* out of service for ever, and neither free nor in use */
	uint64_t overwritten;  /* blocks that a hardened pool found overwritten */
	uint64_t lost_pages;   /* of 2 MB, out of service: see hnuma_pool_retire() */
	uint64_t reserved[1];
};

/* Of one class on one node. Always total == free_buffers + in_use: what is lost is not counted. */
struct hnuma_pool_class_stats {
	uint64_t hits;
	uint64_t misses;
	uint64_t allocations;
	uint64_t returns;
	uint64_t drops;
	uint64_t failures; /* acquires for which the node had no block, also where another had */
	uint64_t free_buffers;
	uint64_t in_use;
	uint64_t total; /* blocks that are made and in service now */
	/*
	 * The most blocks that were ever out at one time, or at most as many more as CPUs had at
	 * hand. Never less than the truth.
	 */
	uint64_t high_water_mark;
	double hit_rate;
	/* Of free_buffers, those at hand in the CPUs' caches; where hardened, in quarantine. */
	uint64_t cached_buffers;
	uint64_t lost_buffers; /* out of service for ever */
	uint64_t overwritten;  /* found so, in a hardened pool; they are lost, too */
	uint64_t reserved[1];
};

/* Bytes of a class's blocks: 1024, 4096, 16384, 65536, 262144; 0 for a value that is no class. */
HNUMA_API size_t hnuma_class_size(enum hnuma_class class_index);

/* The smallest class whose blocks hold so many bytes. Returns the class, or -E2BIG above 256 KB. */
HNUMA_API int hnuma_class_for_size(size_t bytes);

/*
 * Make a pool.
 *
 * @out       receives the pool; the caller destroys it.
 * @topology  must be this system's and outlive the pool.
 *
 * Returns 0 or what hnuma_region_create() returns, for the same reasons; -EINVAL also for
 * HNUMA_POLICY_INTERLEAVE (blocks have a home), -EOVERFLOW for sizes that cannot be added up.
 */
HNUMA_API HNUMA_MUST_CHECK int hnuma_pool_create(struct hnuma_pool **out,
						 const struct hnuma_topology *topology,
						 const struct hnuma_pool_attr *attr);

/*
 * Give the pool's memory back. No other thread may be in a call on the pool.
 *
 * Returns 0, -EBUSY (blocks are out: the message says how many; nothing was freed), -EINVAL (the
 * pool belongs to a manager), -ENOMEM (see hnuma_region_destroy(): destroy may be tried again, and
 * nothing else), -EOWNERDEAD. A hardened pool once also returns -EUCLEAN: free blocks were found
 * overwritten, of which nobody was told yet. Nothing was freed; destroy it again.
 */
HNUMA_API int hnuma_pool_destroy(struct hnuma_pool *pool);

/*
 * Acquire a block of a class, aligned to its own size.
 *
 * hnuma_pool_acquire() takes it from the served node nearest to the calling thread's CPU, and
 * under HNUMA_POLICY_PREFERRED from the next nearest when that one is exhausted.
 * hnuma_pool_acquire_on() takes it from the named node, HNUMA_NODE_LOCAL for the nearest, always
 * strictly. hnuma_pool_acquire_size() takes the smallest class that holds the bytes.
 *
 * Returns the block, which the caller releases to this pool; or NULL: errno ENOMEM (exhausted),
 * EINVAL (no such class), E2BIG (more than 256 KB), ENODEV (node not served), EOWNERDEAD. A hardened
 * pool that finds a block overwritten takes another; then the message is set although a block is returned.
 */
HNUMA_API void *hnuma_pool_acquire(struct hnuma_pool *pool, enum hnuma_class class_index);
HNUMA_API void *hnuma_pool_acquire_on(struct hnuma_pool *pool, int node,
				      enum hnuma_class class_index);
HNUMA_API void *hnuma_pool_acquire_size(struct hnuma_pool *pool, size_t bytes);

/*
 * Release a block to its home node.
 *
 * Returns 0, or refuses and changes nothing: -EFAULT (the pointer is not into this pool), -EINVAL
 * (into it, but not the start of a block), -EALREADY (a block that is not out), -EOWNERDEAD.
 *
 * A hardened pool also returns -EUCLEAN: bytes behind the block's end were overwritten. The block
 * was taken back, and is lost.
 */
HNUMA_API int hnuma_pool_release(struct hnuma_pool *pool, void *buffer);

/*
 * Acquire n blocks of a class from the served node nearest to the calling thread's CPU (of the named
 * node), all or none.
 *
 * @buffers  receives n pointers; untouched on failure, unless a hardened pool finds too many blocks
 *           overwritten to give n.
 *
 * Returns 0, -ENOMEM (fewer than n can be had; nothing was taken), -EINVAL (no such class, NULL),
 * -ENODEV, -EOWNERDEAD. n == 0 is 0. The message is set.
 */
HNUMA_API int hnuma_pool_acquire_bulk(struct hnuma_pool *pool, enum hnuma_class class_index,
				      void **buffers, size_t n);
HNUMA_API int hnuma_pool_acquire_bulk_on(struct hnuma_pool *pool, int node,
					 enum hnuma_class class_index, void **buffers, size_t n);

/*
 * Release n blocks, of any class and node. One that is refused does not keep the others back.
 *
 * Returns 0, or the first refusal's error as hnuma_pool_release(); the message says how many were
 * refused.
 */
HNUMA_API int hnuma_pool_release_bulk(struct hnuma_pool *pool, void *const *buffers, size_t n);

/* The class, the node, of a block that is out. Returns it, or the errors of hnuma_pool_release(). */
HNUMA_API int hnuma_pool_class_of(const struct hnuma_pool *pool, const void *buffer);
HNUMA_API int hnuma_pool_node_of(const struct hnuma_pool *pool, const void *buffer);

/*
 * Walk over the blocks that are out: by nodes, and on each by addresses.
 *
 * @previous  the block that the last call returned, which may have been released since; NULL: begin.
 *
 * Those on pages that are out of service (hnuma_pool_retire()) are not met: see the next call. Blocks that
 * are acquired or released meanwhile, by whichever thread, may be met or not.
 *
 * Returns a block, whose class and node hnuma_pool_class_of() and hnuma_pool_node_of() tell; or NULL:
 * errno ENOENT (there is none behind it), EFAULT (previous is no address of this pool's), EINVAL (pool
 * is NULL), EOWNERDEAD.
 */
HNUMA_API void *hnuma_pool_walk(const struct hnuma_pool *pool, const void *previous);

/*
 * The same over the blocks that are out on pages out of service: retired, or found to be damaged when the
 * pool was adopted. What was in them is lost, and to touch one is SIGBUS; they are to be released.
 */
HNUMA_API void *hnuma_pool_walk_retired(const struct hnuma_pool *pool, const void *previous);

/*
 * Make `count` more free blocks of a class (of every class) on every served node, so that acquires
 * are hits. Counted neither as allocations nor as returns.
 *
 * Returns 0, or changes nothing and returns -ENOSPC (a node would keep more than buffers_per_class
 * free), -ENOMEM (a node has no room), -EINVAL (no such class), -EOWNERDEAD.
 */
HNUMA_API int hnuma_pool_prewarm(struct hnuma_pool *pool, enum hnuma_class class_index,
				 size_t count);
HNUMA_API int hnuma_pool_prewarm_all(struct hnuma_pool *pool, size_t count);

/* Unmake all free blocks: their pages can serve any class again. Blocks that are out stay out. */
HNUMA_API int hnuma_pool_clear(struct hnuma_pool *pool);

/*
 * Take the 2 MB page that an address is in out of service: a page with a memory error, of which a
 * server's own handler of SIGBUS was told (see hnuma_region_of()). No block of it is handed out any
 * more; blocks of it that are out can be released, and are lost then. They count as lost_buffers,
 * as do those that were free, and those that it could have had. The call does not touch the page,
 * and nothing in the pool will. It cannot be undone.
 *
 * Not for signal handlers: it takes the node's lock. Other threads may use the pool meanwhile.
 *
 * Returns 0, -EFAULT (the address is in no page that the pool has for blocks), -EALREADY (the page is
 * out of service), -EAGAIN (a thread has a block of the page in its hands, and had it for a second: all
 * else of the page is out of service, and that block, too, when the call, repeated, returns -EALREADY),
 * -EINVAL (NULL), -EOWNERDEAD.
 */
HNUMA_API int hnuma_pool_retire(struct hnuma_pool *pool, const void *address);

/* Statistics; while other threads use the pool the numbers are a moment's. 0, -EINVAL, -EOWNERDEAD. */
HNUMA_API int hnuma_pool_stats(const struct hnuma_pool *pool, struct hnuma_pool_stats *stats);

/* The same for one class on one node, or HNUMA_NODE_LOCAL. 0, -EINVAL, -ENODEV, -EOWNERDEAD. */
HNUMA_API int hnuma_pool_class_stats(const struct hnuma_pool *pool, int node,
				     enum hnuma_class class_index,
				     struct hnuma_pool_class_stats *stats);

/*
 * Count every block of every page, and compare: are free, in use and made blocks the same by the
 * books as by their states, is no block twice in a list? No other thread may be in a call on the
 * pool: a block that it has in its hands would be missed.
 *
 * A hardened pool also compares the patterns of all that nobody owns. Once a block was found
 * overwritten, by whichever call, the check keeps saying so: it tells of the first.
 *
 * Returns 0, -EUCLEAN (the books are wrong, or a block was overwritten: the message says where),
 * -ENOMEM, -EOWNERDEAD.
 */
HNUMA_API int hnuma_pool_check(struct hnuma_pool *pool);

/* The region that serves a node, or HNUMA_NODE_LOCAL; NULL, errno ENODEV: it is not served. */
HNUMA_API const struct hnuma_region *hnuma_pool_region(const struct hnuma_pool *pool, int node);

/* hnuma_region_verify() for the pages of this pool on such a node. -ENODEV when it is not served. */
HNUMA_API int hnuma_pool_verify(const struct hnuma_pool *pool, int node,
				struct hnuma_placement *placement);

#ifdef __cplusplus
}
#endif

#endif
