/* SPDX-License-Identifier: MIT */
/*
 * hugenuma/region.h - memory from the kernel: whole 2 MB pages, present, bound and verified.
 *
 * A region that was handed out has every page in memory: touching it can neither fault for want of
 * pages nor raise SIGBUS. What it reports is what the kernel said of each page, not what was asked.
 *
 * The ladder: hugetlb pages first; where they cannot be had, transparent huge pages; then base
 * pages. It stops with an error below attr.least_backing.
 *
 * Memory from elsewhere, a device's or a DAX file's, can be made a region where the caller has mapped
 * it (hnuma_region_wrap()). It stays the caller's: whether touching it is safe is then for him to know.
 *
 * Threads: create and destroy may run in any thread, and block it while pages are cleared. Large
 * regions are cleared by several threads on the node, which end before the call does. All other
 * calls may run at the same time as each other. The caller's memory policy and affinity are what
 * they were.
 */
#ifndef HUGENUMA_REGION_H
#define HUGENUMA_REGION_H

#ifndef HUGENUMA_H_INSIDE
#error "include <hugenuma.h>, not its parts"
#endif

#ifdef __cplusplus
extern "C" {
#endif

struct hnuma_region;

struct hnuma_region_attr {
	size_t struct_size;		  /* set by the initialiser */
	size_t size;			  /* bytes, rounded up to whole 2 MB pages; not 0 */
	int node;			  /* for BIND and PREFERRED */
	enum hnuma_backing least_backing; /* fail rather than take less than this */
	enum hnuma_policy policy;
	unsigned flags;		    /* HNUMA_RELAXED, HNUMA_INHERIT, HNUMA_NO_DUMP, HNUMA_SHARED */
	struct hnuma_nodeset nodes; /* for INTERLEAVE; empty: every allowed node with memory */
	/*
	 * Shown in /proc/PID/maps as hugenuma:NAME:nodeN. At most 32 of the characters
	 * a-z A-Z 0-9 . _ - ; NULL: "region".
	 */
	const char *name;
	/*
	 * Called in the calling thread while pages are being cleared: done of total bytes. May be
	 * NULL. May not call into this library.
	 */
	void (*progress)(void *arg, size_t done_bytes, size_t total_bytes);
	void *progress_arg;
	const struct hnuma_hooks *hooks; /* see hooks.h; NULL: none */
};

#define HNUMA_REGION_ATTR_INIT                                                            \
	{                                                                                 \
		sizeof(struct hnuma_region_attr), 0, HNUMA_NODE_LOCAL, HNUMA_BACKING_THP, \
			HNUMA_POLICY_BIND, 0, {{0}}, NULL, NULL, NULL, NULL               \
	}

/* What was obtained. */
struct hnuma_region_info {
	enum hnuma_backing backing; /* what the pages are */
	size_t page_size; /* bytes of a page: 2 MB, or the base page's size; of wrapped memory also more */
	/*
	 * Where the region is bound; HNUMA_NODE_NONE: interleaved or unbound. Of memory that others have
	 * placed (wrapped, or another region's file): where every page of it lay; HNUMA_NODE_NONE: on
	 * several nodes, or the kernel did not tell of all.
	 */
	int node;
	const char *reason; /* why it is not more than that, in a sentence; "" when all was had */
	uint64_t reserved[4];
};

/* The region that an address is in. */
struct hnuma_region_place {
	const struct hnuma_region *region; /* valid as long as nobody destroys it */
	void *base;			   /* its first byte, and how many it has */
	size_t size;
	enum hnuma_backing backing; /* as in struct hnuma_region_info */
	size_t page_size;
	int node;
	uint64_t reserved[4];
};

/* Where pages lie. Always total == here + elsewhere + unknown. */
struct hnuma_placement {
	uint64_t pages_total;
	uint64_t pages_here;	  /* on the node that was asked for (interleave: on one of them) */
	uint64_t pages_elsewhere; /* on another */
	uint64_t pages_unknown;	  /* the kernel would not tell, or the page is not present */
	size_t page_size;	  /* bytes: the smallest page found; 0: the kernel would not tell */
	uint64_t reserved[4];
};

/*
 * Take memory from the kernel.
 *
 * @out       receives the region; the caller destroys it.
 * @topology  must be this system's and outlive the region.
 *
 * Returns 0 or
 *   -EINVAL   NULL, size 0, unknown flag, policy, backing or name, a wrong struct_size
 *   -ENODEV   the node does not exist, has no memory, or the cpuset does not allow it
 *   -EXDEV    the topology is not this system's
 *   -ENOMEM   too few pages of the least backing on the node, or a limit (cgroup, address space,
 *             number of mappings) stands in the way: the message names it and the command that mends it.
 *             Memory that is not hugetlb is refused, also half-way, when it could be had only by the
 *             kernel's killing processes for it
 *   -EOVERFLOW  size cannot be rounded up
 *   -EPERM, -ENOSYS   the kernel refuses binding, and HNUMA_RELAXED was not given
 *   -EIO      pages came to lie on another node although they were bound, or are damaged
 *   -EBUSY    called in a hook
 *   -ENOENT   /proc/self/smaps cannot be read, so nothing shows whether transparent pages are huge
 *   or whatever else a system call or a hook answered.
 */
HNUMA_API HNUMA_MUST_CHECK int hnuma_region_create(struct hnuma_region **out,
						   const struct hnuma_topology *topology,
						   const struct hnuma_region_attr *attr);

/*
 * Give the memory back, unless it is the caller's own (hnuma_region_wrap()). On failure (the kernel cannot
 * unmap for want of memory or mappings: -ENOMEM) the region is as it was, but for its hooks, which have
 * run, and a second try may work.
 *
 * Returns 0, -ENOMEM, -EBUSY (in a hook), -EOWNERDEAD (in a child of fork()).
 */
HNUMA_API int hnuma_region_destroy(struct hnuma_region *region);

/*
 * Map the memory of a shared region that another process, or this one, has made.
 *
 * @fd    its file's descriptor, as hnuma_region_fd() gave it there, for reading and writing. It stays
 *        the caller's; the region has a copy of its own.
 * @attr  as for hnuma_region_create(), but that nothing is bound: the pages lie where they lie. With
 *        HNUMA_POLICY_BIND the call fails when one is not on attr.node. A size other than 0 must be
 *        the file's. HNUMA_SHARED is implied.
 *
 * Every page is present when the call returns, and verified; hnuma_region_verify() asks for this
 * process's view, whose answer is the same for all that have the memory. The memory goes when the
 * last of them has destroyed its region and closed the descriptors.
 *
 * Returns 0, or what hnuma_region_create() returns, for the same reasons, but for -EIO also when a
 * page does not lie on the node; -EINVAL also for a file that is none of a shared region or has
 * another size than asked; -ENOMEM also when its pages are less than attr.least_backing; -EBADF (no
 * descriptor), -EACCES (not for reading and writing), -EMFILE.
 */
HNUMA_API HNUMA_MUST_CHECK int hnuma_region_open(struct hnuma_region **out,
						 const struct hnuma_topology *topology, int fd,
						 const struct hnuma_region_attr *attr);

/*
 * Make a region of memory that the caller has mapped: a device's, a DAX file's, huge pages that were
 * taken by other means. It is found, cut into pieces, registered by hooks and verified like any other.
 * Nothing is done to it: its bytes, its policy, its mapping stay as they are, and
 * hnuma_region_destroy() gives nothing back.
 *
 * @address  the first byte, aligned to 2 MB. All of it must be mapped for reading and writing, by as
 *           many mappings as there are, and stay so as long as the region is there; and there must
 *           be no other region in it. (Two threads do not wrap the same memory at the same time.)
 * @attr     as for hnuma_region_open(), of which this differs in that:
 *           size      the bytes, a multiple of 2 MB; and of the pages, where those are larger
 *           policy    HNUMA_POLICY_BIND: the call fails when a page lies elsewhere than on attr.node.
 *                     The others say which nodes count as here.
 *           flags     none but HNUMA_INHERIT, for a mapping that a child of fork() keeps: it may use
 *                     the region's calls. What the other flags are for, only who maps can do.
 *           progress  is not called
 *
 * What it is made of, and where it lies, is what the kernel says: HNUMA_BACKING_THP where all of it
 * is in pages of 2 MB or more that are not hugetlb's (which, when its mapping reaches beyond it, can
 * only be told when all of that is); pages that are not present, or of a device whose memory the kernel
 * has no books of, count as unknown.
 *
 * Returns 0 or
 *   -EINVAL   NULL, an address or a size that is not whole pages, or as hnuma_region_create()
 *   -EFAULT   not all of it is mapped for reading and writing
 *   -EEXIST   some of it is in a region
 *   -ENOMEM   its pages are less than attr.least_backing, or there is no memory for the description
 *   -EIO      a page does not lie on the node
 *   -EOVERFLOW  it would reach beyond the address space
 *   -ENODEV, -EXDEV, -EBUSY   as hnuma_region_create()
 *   -ENOENT   /proc/self/smaps cannot be read, so nothing shows what is mapped
 *   or whatever else a system call or a hook answered.
 */
HNUMA_API HNUMA_MUST_CHECK int hnuma_region_wrap(struct hnuma_region **out,
						 const struct hnuma_topology *topology,
						 void *address,
						 const struct hnuma_region_attr *attr);

/*
 * The descriptor of a shared region's file. It belongs to the region: pass it on (SCM_RIGHTS), or let
 * a program that is executed inherit it, but do not close it. It is close-on-exec. The file is as
 * large as the region and sealed at that size.
 *
 * Returns it, or -EBADF (not made with HNUMA_SHARED), -EINVAL (NULL), -EOWNERDEAD.
 */
HNUMA_API int hnuma_region_fd(const struct hnuma_region *region);

/*
 * How far an address is from the region's base: what names a place to another process, which has the
 * same memory elsewhere.
 *
 * Returns 0, -EFAULT (not in the region), -EINVAL (NULL).
 */
HNUMA_API int hnuma_region_offset(const struct hnuma_region *region, const void *address,
				  size_t *offset);

/* The first byte, aligned to 2 MB. NULL, errno EOWNERDEAD, in a child of fork(). */
HNUMA_API void *hnuma_region_base(const struct hnuma_region *region);

/* Bytes, a multiple of 2 MB. */
HNUMA_API size_t hnuma_region_size(const struct hnuma_region *region);

/*
 * What was obtained, and why not more. info->reason belongs to the region and lives as long.
 *
 * Returns 0, -EINVAL (NULL).
 */
HNUMA_API int hnuma_region_info(const struct hnuma_region *region, struct hnuma_region_info *info);

/*
 * Which region is an address in? Also the regions of arenas, pools, scratches and managers.
 *
 * May be called in a signal handler, such as that of SIGBUS, whatever it interrupted: it takes no
 * lock, waits for nobody, and leaves errno and the message alone. A region that is made or
 * destroyed at the same time may be found or not.
 *
 * @place  receives the answer; all zero when there is none.
 *
 * Returns 0, -ENOENT (in no region; in a child of fork(): in none that it has), -EINVAL (place is
 * NULL).
 */
HNUMA_API int hnuma_region_of(const void *address, struct hnuma_region_place *place);

/*
 * Ask the kernel where every page lies now. The kernel moves pages when memory is taken offline or
 * an administrator migrates a process, so the answer may change in a region's life.
 *
 * Returns 0 whatever the answer is; -EINVAL (NULL), -EOWNERDEAD, -ENOMEM.
 */
HNUMA_API int hnuma_region_verify(const struct hnuma_region *region,
				  struct hnuma_placement *placement);

#ifdef __cplusplus
}
#endif

#endif
