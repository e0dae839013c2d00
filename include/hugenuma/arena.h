/* SPDX-License-Identifier: MIT */
/*
 * hugenuma/arena.h - memory for one step: allocation moves a cursor, reset gives all of it back.
 *
 *	base                                    cursor                 capacity
 *	| allocation | allocation | lane's stretch |        free        |
 *
 * Threads:
 *
 *	                  alloc  lane_alloc  mark  reset  rewind  stats
 *	alloc              yes      yes      yes    no      no     yes     yes: at the same time
 *	lane_alloc (*)              yes      yes    no      no     yes     no:  the caller keeps them apart
 *	reset, rewind                        no     no      no     yes
 *
 *	(*) A lane belongs to one thread at a time.
 *
 * Reset and rewind make the memory above their mark someone else's. They need that no thread is
 * allocating at that moment and that nobody uses what was given up; under AddressSanitizer or
 * Valgrind such use is reported.
 */
#ifndef HUGENUMA_ARENA_H
#define HUGENUMA_ARENA_H

#ifndef HUGENUMA_H_INSIDE
#error "include <hugenuma.h>, not its parts"
#endif

#ifdef __cplusplus
extern "C" {
#endif

struct hnuma_arena;

struct hnuma_arena_attr {
	size_t struct_size;		  /* set by the initialiser */
	size_t capacity;		  /* bytes, rounded up to 64; not 0; default 16 MB */
	int node;			  /* for BIND and PREFERRED */
	enum hnuma_backing least_backing; /* fail rather than take less than this */
	enum hnuma_policy policy;
	unsigned flags;			 /* HNUMA_RELAXED, HNUMA_NO_DUMP, HNUMA_SHARED */
	struct hnuma_nodeset nodes;	 /* for INTERLEAVE; empty: every allowed node with memory */
	const struct hnuma_hooks *hooks; /* of its region; NULL: none */
};

#define HNUMA_ARENA_ATTR_INIT                                                                \
	{                                                                                    \
		sizeof(struct hnuma_arena_attr), (size_t)16 * 1024 * 1024, HNUMA_NODE_LOCAL, \
			HNUMA_BACKING_THP, HNUMA_POLICY_BIND, 0, {{0}}, NULL                 \
	}

struct hnuma_arena_stats {
	uint64_t capacity;	  /* bytes */
	uint64_t used;		  /* bytes from the base to the cursor, lanes' stretches included */
	uint64_t remaining;	  /* capacity - used */
	uint64_t high_water_mark; /* the most that used has ever been */
	uint64_t allocation_count; /* allocations since the last reset; stops at 16,777,215 */
	double utilization;	   /* used / capacity, 0 to 1 */
	uint64_t reserved[4];
};

/* A place in an arena to come back to. Its fields are the library's. */
struct hnuma_arena_mark {
	uint64_t word;
	uint64_t epoch;
};

/*
 * One worker's own cursor: it takes a stretch of the arena at a time and then allocates from it
 * without any atomic operation. Its fields are the library's.
 */
struct hnuma_lane {
	struct hnuma_arena *arena;
	unsigned char *next;
	unsigned char *end;
	uint64_t generation;
	uint64_t count;
};

/*
 * Make an arena in a region of its own.
 *
 * @out       receives the arena; the caller destroys it.
 * @topology  must be this system's and outlive the arena.
 *
 * Returns 0 or what hnuma_region_create() returns, for the same reasons.
 */
HNUMA_API HNUMA_MUST_CHECK int hnuma_arena_create(struct hnuma_arena **out,
						  const struct hnuma_topology *topology,
						  const struct hnuma_arena_attr *attr);

/*
 * Make an arena in a part of a region that is the caller's: of memory that he has wrapped
 * (hnuma_region_wrap()), or that several arenas are to share. The bytes are the arena's until it is
 * destroyed, and then as they are; no two arenas may have the same ones, which nobody checks.
 *
 * @out       receives the arena; the caller destroys it, before the region.
 * @region    made, opened or wrapped; the arena writes nothing down in it.
 * @offset    where in the region the arena begins: a multiple of 2 MB.
 * @capacity  bytes, rounded up to 64; 0: all that is behind the offset.
 *
 * A child of fork() may not use the arena, also where it inherits the region.
 *
 * Returns 0, -EINVAL (NULL, an offset or a capacity that does not fit), -EOVERFLOW (more than 64 TB),
 * -ENOMEM, -EOWNERDEAD.
 */
HNUMA_API HNUMA_MUST_CHECK int hnuma_arena_create_in(struct hnuma_arena **out,
						     const struct hnuma_region *region,
						     size_t offset, size_t capacity);

/*
 * Give the arena's memory back, unless it is in a region of the caller's, which stays as it is.
 * Everything allocated from it is gone.
 *
 * Returns 0, -EINVAL (the arena belongs to a manager), -ENOMEM (see hnuma_region_destroy(): the
 * arena is as it was), -EOWNERDEAD.
 */
HNUMA_API int hnuma_arena_destroy(struct hnuma_arena *arena);

/*
 * The capacity that one step of a model needs, with a margin of two:
 * 2 * 4 * (hidden_dim * batch_size + vocab_size * batch_size + 4 * hidden_dim) bytes.
 *
 * @capacity  receives the bytes.
 *
 * Returns 0, -EINVAL (NULL or a dimension of 0), -EOVERFLOW.
 */
HNUMA_API int hnuma_arena_capacity_for_model(size_t hidden_dim, size_t vocab_size,
					     size_t batch_size, size_t *capacity);

/*
 * Allocate count elements of elem_size bytes, aligned to 64, all zero (_uninit: with whatever was
 * there). Zero bytes are a valid, counted allocation of no memory.
 *
 * Returns the memory, valid until the next reset or a rewind below it; or NULL: errno ENOMEM (the
 * product overflows or the arena has no such room left) or EOWNERDEAD. NULL never means "try again".
 */
HNUMA_API void *hnuma_arena_alloc(struct hnuma_arena *arena, size_t count, size_t elem_size);
HNUMA_API void *hnuma_arena_alloc_uninit(struct hnuma_arena *arena, size_t count, size_t elem_size);

/*
 * The same as hnuma_arena_alloc(), aligned to a power of two from 1 to 2 MB (64 at the least is
 * always given).
 *
 * Returns the memory or NULL: errno EINVAL (alignment), ENOMEM, EOWNERDEAD.
 */
HNUMA_API void *hnuma_arena_alloc_aligned(struct hnuma_arena *arena, size_t count, size_t elem_size,
					  size_t alignment);

/* Give everything back at once. Lanes start anew at their next allocation. O(1). */
HNUMA_API void hnuma_arena_reset(struct hnuma_arena *arena);

/* The place where the cursor stands now. */
HNUMA_API struct hnuma_arena_mark hnuma_arena_mark(const struct hnuma_arena *arena);

/*
 * Put the cursor and the count of allocations back to a mark: what was allocated since is given up
 * (lanes start anew). A mark may be used again until the arena is reset or rewound below it. After
 * more than 63 rewinds, each to a place above the one before, a mark from before the last 63 may be
 * refused too; the first of all never is.
 *
 * Returns 0, -ESTALE (the arena was reset or rewound below the mark since), -EOWNERDEAD.
 */
HNUMA_API int hnuma_arena_rewind(struct hnuma_arena *arena, struct hnuma_arena_mark mark);

/* The fields of struct hnuma_arena_stats, one by one. */
HNUMA_API size_t hnuma_arena_used(const struct hnuma_arena *arena);
HNUMA_API size_t hnuma_arena_capacity(const struct hnuma_arena *arena);
HNUMA_API size_t hnuma_arena_remaining(const struct hnuma_arena *arena);
HNUMA_API size_t hnuma_arena_high_water_mark(const struct hnuma_arena *arena);
HNUMA_API size_t hnuma_arena_allocation_count(const struct hnuma_arena *arena);

/* The first byte of the arena, aligned to 2 MB. NULL, errno EOWNERDEAD, in a child of fork(). */
HNUMA_API void *hnuma_arena_base(const struct hnuma_arena *arena);

/* Returns 0, -EINVAL (NULL), -EOWNERDEAD. */
HNUMA_API int hnuma_arena_stats(const struct hnuma_arena *arena, struct hnuma_arena_stats *stats);

/* The region that the arena lies in: its own or its manager's, or that of hnuma_arena_create_in(). */
HNUMA_API const struct hnuma_region *hnuma_arena_region(const struct hnuma_arena *arena);

/* hnuma_region_verify() for the pages of this arena alone. */
HNUMA_API int hnuma_arena_verify(const struct hnuma_arena *arena,
				 struct hnuma_placement *placement);

/*
 * Open a lane. It takes no memory before its first allocation.
 *
 * @lane  the caller's; it must outlive its use and be closed.
 *
 * Returns 0, -EINVAL (NULL), -EOWNERDEAD.
 */
HNUMA_API int hnuma_lane_open(struct hnuma_lane *lane, struct hnuma_arena *arena);

/*
 * Allocate through a lane: as hnuma_arena_alloc() and hnuma_arena_alloc_uninit(). The arena's count
 * of allocations learns of them when the lane takes its next stretch or is closed, unless a reset or
 * rewind came first.
 */
HNUMA_API void *hnuma_lane_alloc(struct hnuma_lane *lane, size_t count, size_t elem_size);
HNUMA_API void *hnuma_lane_alloc_uninit(struct hnuma_lane *lane, size_t count, size_t elem_size);

/* Close a lane: its count is handed to the arena. What was allocated stays valid. Accepts NULL. */
HNUMA_API void hnuma_lane_close(struct hnuma_lane *lane);

#ifdef __cplusplus
}
#endif

#endif
