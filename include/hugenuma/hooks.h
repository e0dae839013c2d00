/* SPDX-License-Identifier: MIT */
/*
 * hugenuma/hooks.h - registering regions with a network or a device: called when a region comes and
 * before it goes, piece by piece.
 *
 *	region   | 2 MB | 2 MB | 2 MB | 2 MB | 2 MB |
 *	pieces   | 0           | 1           | 2    |	piece_bytes: 4 MB
 *
 * A piece is of whole 2 MB pages, so no block of a pool lies in two of them, whatever piece_bytes is.
 * Allocations of an arena may.
 *
 * Hooks are given in the attributes of a region, an arena, a pool or a scratch, or in a manager's
 * configuration, and then belong to all its regions. They are copied; what `arg` points to has to
 * outlive the object. For what was made without them, hnuma_region_piece() and its likes count the
 * same pieces up.
 *
 * Threads: hooks run in the thread that makes or destroys the object, while no lock of this library
 * is held, so they may take their own and may block. That thread cannot be cancelled meanwhile.
 *
 * A hook may not use the object: when `made` runs it is not there yet, when `going` runs it is not
 * there any more. Whatever makes or destroys a region is refused with -EBUSY in a hook, and an object
 * that a hook tried to destroy can only be destroyed again, later.
 *
 * A hook returns. One that leaves by longjmp(), by a C++ exception or by pthread_exit() leaves the region
 * half made or half gone, for good, and a thread that can be cancelled no more and in which whatever makes
 * or destroys regions is refused with -EBUSY.
 */
#ifndef HUGENUMA_HOOKS_H
#define HUGENUMA_HOOKS_H

#ifndef HUGENUMA_H_INSIDE
#error "include <hugenuma.h>, not its parts"
#endif

#ifdef __cplusplus
extern "C" {
#endif

struct hnuma_region;
struct hnuma_pool;
struct hnuma_scratch;
struct hnuma_manager;

/* Whole 2 MB pages of a region, all present (but see hnuma_region_wrap()). */
struct hnuma_piece {
	void *base;    /* aligned to 2 MB */
	size_t size;   /* bytes, a multiple of 2 MB */
	size_t offset; /* bytes from the region's base, and from the start of its file */
	int node;      /* as in struct hnuma_region_info, as the next two */
	enum hnuma_backing backing;
	size_t page_size;
	int fd; /* of the region's file; -1: it has none that could be used */
	uint64_t reserved[4];
};

struct hnuma_hooks {
	size_t struct_size; /* set by the initialiser */
	/* The most bytes that can be registered at once, rounded down to 2 MB. 0: all of a region. */
	size_t piece_bytes;
	/*
	 * Called for each piece of a region that is present and verified, before anybody else has it.
	 * Its bytes are zero and must stay so: books will be laid out in it. (Those of memory that the
	 * caller has brought are his; those of a file that is opened, or of a manager that is adopted,
	 * are what they are, and stay that.) *handle is NULL and may be
	 * set to whatever `going` and hnuma_region_handle() should be given. May be NULL.
	 *
	 * Returns 0; anything else undoes the region, and before it, in reverse, all that was made for
	 * the same object. The creation returns that number, which is to be a negative errno; of a
	 * positive one, its negative. hnuma_errormsg() then names the piece and the error, whatever the
	 * hook's own calls had left there: what else there is to say, the hook writes down in *arg.
	 */
	int (*made)(void *arg, const struct hnuma_piece *piece, void **handle);
	/*
	 * Called for each piece, the last one first, while its memory is still there; when it returns,
	 * nobody may be using what was registered. Once for each `made` that returned 0, also where
	 * the memory then cannot be given back at the first try; not in a child of fork(). May be NULL.
	 */
	void (*going)(void *arg, const struct hnuma_piece *piece, void *handle);
	void *arg;
};

#define HNUMA_HOOKS_INIT                                        \
	{                                                       \
		sizeof(struct hnuma_hooks), 0, NULL, NULL, NULL \
	}

/*
 * What `made` left in *handle for the piece that an address lies in: an ibv_mr for a block that is to
 * be sent. A division and a load; any thread.
 *
 * Returns it, or NULL: errno EFAULT (the address is not in the region), ENOENT (the region has no
 * hooks), EOWNERDEAD.
 */
HNUMA_API void *hnuma_region_handle(const struct hnuma_region *region, const void *address);

/*
 * The index-th piece, from 0, of a region, or of all regions of an object, nodes ascending, when they
 * are cut into pieces of at most piece_bytes (rounded down to 2 MB; 0: whole regions). The regions of
 * a manager's pool are the manager's. Any thread; the object must not be destroyed meanwhile.
 *
 * Returns 0, -ENODEV (no such index: there are no more), -EINVAL (NULL, piece_bytes below 2 MB),
 * -EOWNERDEAD.
 */
HNUMA_API int hnuma_region_piece(const struct hnuma_region *region, size_t piece_bytes,
				 size_t index, struct hnuma_piece *piece);
HNUMA_API int hnuma_pool_piece(const struct hnuma_pool *pool, size_t piece_bytes, size_t index,
			       struct hnuma_piece *piece);
HNUMA_API int hnuma_scratch_piece(const struct hnuma_scratch *scratch, size_t piece_bytes,
				  size_t index, struct hnuma_piece *piece);
HNUMA_API int hnuma_manager_piece(const struct hnuma_manager *manager, size_t piece_bytes,
				  size_t index, struct hnuma_piece *piece);

#ifdef __cplusplus
}
#endif

#endif
