/* SPDX-License-Identifier: MIT */
/*
 * hugenuma/base.h - what every other part of hugenuma rests on.
 *
 * Rules that hold everywhere, and are not repeated below each function:
 *
 * Errors. What can fail for a reason returns int: 0, or a negative errno, and hnuma_errormsg() then
 * says in a sentence what was asked, what was found and what to do about it. What can only be
 * exhausted returns a pointer, or NULL with errno set to ENOMEM; it leaves the message alone.
 *
 * Constructors take the place of the result first, set it to NULL on failure, and undo whatever they
 * had done. The caller owns the result and gives it to the destructor of the same name. Destructors
 * accept NULL.
 *
 * Attributes are structs whose first field is their own size. Initialise them with the macro of
 * the same name (HNUMA_ARENA_ATTR_INIT for struct hnuma_arena_attr), then set what should differ.
 * They are only read during the call. Results are structs that the library fills; their reserved
 * fields are zero.
 *
 * A node is the operating system's NUMA node number, a CPU the operating system's CPU number.
 * Numbers may have gaps. Sizes are bytes in size_t.
 *
 * After fork() the child may not use its parent's objects: calls return -EOWNERDEAD, or NULL with
 * errno set to EOWNERDEAD. Memory of a region that was made with HNUMA_INHERIT or HNUMA_SHARED
 * stays readable and writable in the child.
 */
#ifndef HUGENUMA_BASE_H
#define HUGENUMA_BASE_H

#ifndef HUGENUMA_H_INSIDE
#error "include <hugenuma.h>, not its parts"
#endif

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define HNUMA_API	 __attribute__((visibility("default")))
#define HNUMA_MUST_CHECK __attribute__((warn_unused_result))
#else
#define HNUMA_API
#define HNUMA_MUST_CHECK
#endif

/* The version of these headers; hnuma_version() tells that of the library in use. */
#define HNUMA_VERSION_MAJOR 0
#define HNUMA_VERSION_MINOR 1
#define HNUMA_VERSION_PATCH 0

#define HNUMA_CACHE_LINE     64 /* bytes that two cores cannot write without waiting for each other */
#define HNUMA_ALIGNMENT	     64 /* least alignment of every allocation */
#define HNUMA_SIMD_ALIGNMENT 16 /* what 128-bit vector loads need; HNUMA_ALIGNMENT implies it */
#define HNUMA_HUGEPAGE	     ((size_t)2 * 1024 * 1024) /* unit in which memory is taken from the kernel */

/* Instead of a node: the node of the CPU that the calling thread runs on. */
#define HNUMA_NODE_LOCAL (-1)
/* In results only: memory that is bound to no single node. */
#define HNUMA_NODE_NONE (-2)

/* What pages a region is made of. A higher value is better; the caller states the least it accepts. */
enum hnuma_backing {
	HNUMA_BACKING_BASE = 1, /* base pages (4 KB on x86-64) */
	HNUMA_BACKING_THP = 2,	/* transparent huge pages: every 2 MB of the region is one */
	HNUMA_BACKING_HUGETLB =
		3, /* 2 MB pages from the node's hugetlb pool, never split, never swapped */
};

/* Where pages may come from. */
enum hnuma_policy {
	HNUMA_POLICY_BIND = 0,	     /* the asked node only; failure when it has too few */
	HNUMA_POLICY_PREFERRED = 1,  /* the asked node, others when it has too few; verify tells */
	HNUMA_POLICY_INTERLEAVE = 2, /* page by page round the node set (regions and arenas only) */
};

/* Flags of attributes and of struct hnuma_config. Bits not named here are refused with -EINVAL. */

/*
 * Where the kernel refuses binding (a container without CAP_SYS_NICE, a kernel without NUMA), go on
 * unbound and say so in struct hnuma_region_info, instead of failing with -EPERM or -ENOSYS.
 */
#define HNUMA_RELAXED (1u << 0)
/* Let a child of fork() see the memory. Regions only. */
#define HNUMA_INHERIT (1u << 1)
/* Leave the memory out of core dumps, whatever /proc/PID/coredump_filter says. */
#define HNUMA_NO_DUMP (1u << 2)
/*
 * Find overflows and writes after release: see "Hardened" in hugenuma/pool.h. Pools and managers, of
 * which it concerns the pool. HUGENUMA_HARDENED=1 in the environment sets it for every pool and
 * manager of a process, unless that runs with more rights than its user.
 */
#define HNUMA_HARDENED (1u << 3)

/*
 * Let other processes have the memory: each region's file stays open, see hnuma_region_fd(), and can
 * be passed on and mapped elsewhere (hnuma_region_open()). A child of fork() sees the memory, too. A
 * manager can be handed to the next process of a server (hnuma_manager_adopt()).
 */
#define HNUMA_SHARED (1u << 4)

/* A set of nodes. All zero means: the default of whatever it is given to. */
#define HNUMA_MAX_NODES 1024
struct hnuma_nodeset {
	uint64_t bits[HNUMA_MAX_NODES / 64];
};

/* Add a node to a set. A number outside 0..HNUMA_MAX_NODES-1 changes nothing and returns -EINVAL. */
static inline int hnuma_nodeset_add(struct hnuma_nodeset *set, int node)
{
	if (node < 0 || node >= HNUMA_MAX_NODES)
		return -EINVAL;
	set->bits[node / 64] |= (uint64_t)1 << (node % 64);
	return 0;
}

/* Is the node in the set? */
static inline bool hnuma_nodeset_has(const struct hnuma_nodeset *set, int node)
{
	if (node < 0 || node >= HNUMA_MAX_NODES)
		return false;
	return (set->bits[node / 64] >> (node % 64)) & 1;
}

/* The library's version, such as "0.1.0". Static; any thread. */
HNUMA_API const char *hnuma_version(void);

/*
 * The calling thread's last error as one sentence without a newline: what was asked, what was found,
 * what to do. An empty string when none has happened. Valid until this thread's next failing call.
 */
HNUMA_API const char *hnuma_errormsg(void);

/*
 * What an error means in a few general words, such as "Cannot allocate memory".
 *
 * @error  an errno, positive or negative as the library returns it.
 *
 * Static text; any thread. A number that is no errno gives "unknown error".
 */
HNUMA_API const char *hnuma_strerror(int error);

/*
 * A backing's name: "hugetlb", "thp" or "base"; "unknown" for any other value. The statistics and the
 * command use these. Static text; any thread.
 */
HNUMA_API const char *hnuma_backing_name(enum hnuma_backing backing);

#ifdef __cplusplus
}
#endif

#endif
