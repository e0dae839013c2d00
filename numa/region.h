/* SPDX-License-Identifier: MIT */
/*
 * numa/region.h - what the files that make a region share.
 *
 *	region.c    the public calls; goes down the ladder
 *	request.c   is the request sound, and which nodes does it mean?
 *	limit.c     does a count or a limit make it certain that it will fail?
 *	backing.c   one rung: reserve, map, bind, populate, survey; or undo
 *	file.c      the file that hugetlb pages and shared ones are of
 *	damage.c    which pages of such a file have a memory error?
 *	wrap.c      or: is this memory of the caller's one that can be a region, and what is it?
 *	verify.c    what the kernel says of the pages
 *	hooks.c     registration, piece by piece
 *
 * For those files only; everybody else uses <hugenuma.h> and numa/ground.h.
 */
#ifndef HNUMA_NUMA_REGION_H
#define HNUMA_NUMA_REGION_H

#include <hugenuma.h>

#include "numa/place.h"
#include "numa/sys.h"

#define HNUMA_REASON_BYTES 1024
#define HNUMA_NAME_MAX	   32

struct hnuma_region {
	unsigned epoch;		       /* of the process that made it */
	bool is_inherited;	       /* a child of fork() may use it */
	bool is_wrapped;	       /* its memory is the caller's: reservation is NULL */
	uint64_t listing;	       /* see numa/directory.h */
	struct hnuma_atlas_slot *slot; /* see numa/atlas.h */

	/*
	 *	reservation                                  + reservation_bytes
	 *	| guard: a page to 2 MB | pages | guard: a page at least |
	 *	                        ^ base, aligned to 2 MB; size_bytes
	 */
	void *reservation; /* NULL: nothing is mapped */
	size_t reservation_bytes;
	unsigned char *base;
	size_t size_bytes;

	enum hnuma_backing backing;
	size_t page_size;
	int node;		     /* for hnuma_region_info() */
	struct hnuma_nodeset wanted; /* the nodes that count as "here" */
	char reason[HNUMA_REASON_BYTES];
	int fd;		   /* of a shared region's file; -1 */
	uint64_t *damaged; /* of an adopted region: a bit for each 2 MB, with a memory error */

	struct hnuma_hooks hooks; /* struct_size 0: none */
	void **handles;		  /* one for each piece */
	size_t nr_made; /* pieces that `made` has accepted and `going` was not called for */
};

/* One call of hnuma_region_create(), checked. */
struct hnuma_request {
	const struct hnuma_topology *topology;
	const struct hnuma_region_attr *attr;
	const char *name;
	size_t size_bytes;
	int node;		    /* HNUMA_NODE_NONE when interleaved */
	struct hnuma_nodeset nodes; /* the node, or those to go round */
	unsigned nr_cpus;	    /* that may clear the pages; 0: not known */
	struct hnuma_place place;
	bool is_bound; /* the policy is to be set; becomes false where a relaxed request is refused */
	bool takes_damaged; /* pages with a memory error are noted, and are no failure */
	bool is_final;	    /* the failure is none that a lower rung could mend */
	bool takes_memory;  /* its pages are taken from a node's memory now, and are not hugetlb */
};

/* request.c: 0, or an error of hnuma_region_create() with the message set. */
int hnuma_request_init(struct hnuma_request *request, const struct hnuma_topology *topology,
		       const struct hnuma_region_attr *attr);

/* Where the request wants its pages, for messages: "node 1", "nodes 0,2". Returns text. */
const char *hnuma_request_where(const struct hnuma_request *request, char *text, size_t size);

/*
 * limit.c. Each returns 0 when nothing stands in the way at this moment (which is no promise), or
 * -ENOMEM with a message that names the limit and the command that mends it.
 *
 * @has_failed    the kernel has refused already: surplus pages, which might have helped, did not.
 * @needed_bytes  of the request, what has not been taken yet.
 * @spare_bytes   may be NULL; set to what there is besides, where nothing stands in the way.
 */
int hnuma_limit_check_hugetlb(const struct hnuma_request *request, bool has_failed);
int hnuma_limit_check_memory(const struct hnuma_request *request, size_t needed_bytes,
			     size_t *spare_bytes);

/* Sets the message: why a mapping has only huge_bytes in transparent huge pages. Returns -ENOMEM. */
int hnuma_limit_explain_thp(const struct hnuma_request *request, size_t huge_bytes,
			    int collapse_error);

/*
 * backing.c: fill the region with pages of one kind. With HNUMA_BACKING_THP and an attr.least_backing
 * of HNUMA_BACKING_BASE the outcome may be base pages; region->backing says which.
 *
 * Returns 0; or a negative errno with the message set, nothing mapped, and request->is_final set
 * when no lower rung should be tried.
 */
int hnuma_backing_take(struct hnuma_region *region, struct hnuma_request *request,
		       enum hnuma_backing backing);

/*
 * backing.c: fill the region with the pages of a file that hnuma_file_check() has looked at; the
 * descriptor stays the caller's. As hnuma_backing_take(), but nothing is bound.
 */
int hnuma_backing_open(struct hnuma_region *region, struct hnuma_request *request, int fd,
		       bool is_hugetlb);

/* Unmap the region's reservation and close its file. Returns 0 or the kernel's answer, and then it is as it was. */
int hnuma_backing_release(struct hnuma_region *region);

/* Add a sentence to region->reason; it is cut when it is too long. */
void hnuma_backing_add_reason(struct hnuma_region *region, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Take away what hnuma_backing_take() did, for good. */
void hnuma_backing_undo(struct hnuma_region *region);

/*
 * wrap.c: is the call sound? attr->struct_size is. Returns 0 or a negative errno with the message set.
 */
int hnuma_wrap_check(const void *address, const struct hnuma_region_attr *attr);

/*
 * wrap.c: make the memory at an address the region's, which has its size already. As
 * hnuma_backing_take(), but nothing is done to it.
 */
int hnuma_wrap_take(struct hnuma_region *region, const struct hnuma_request *request,
		    void *address);

/*
 * wrap.c: ask where the pages lie of a region that others have placed: the caller, or the maker of its
 * file. Sets region->node. Returns 0 or a negative errno with the message set.
 */
int hnuma_wrap_judge_places(struct hnuma_region *region, const struct hnuma_request *request);

/* verify.c */

/* What /proc/self/smaps says of a region's mappings. All but the page size is bytes of the region. */
struct hnuma_mappings {
	size_t mapped_bytes;
	size_t usable_bytes;  /* may be read and written */
	size_t hugetlb_bytes; /* in hugetlb pages, of whatever size */
	size_t huge_bytes;    /* in pages of 2 MB or more, those included; so much at least */
	size_t page_size;     /* the smallest; 0: not told of all */
	bool reaches_beyond;  /* a mapping has more than the region's bytes */
};

/* Returns 0, or what the kernel answered when the file was read; sets no message. */
int hnuma_verify_mappings(const struct hnuma_region *region, struct hnuma_mappings *mappings);

/*
 * The smallest page of the region, from /proc/self/smaps.
 *
 * @huge_bytes  receives how much of it is in pages of 2 MB; may be NULL.
 *
 * Returns bytes, or 0 when the kernel would not tell.
 */
size_t hnuma_verify_page_size(const struct hnuma_region *region, size_t *huge_bytes);

/*
 * Ask where the pages of a part of the region lie.
 *
 * @page_size  of the region as hnuma_verify_page_size() found it; 0: not known, then pages of
 *             region->page_size are counted.
 *
 * Returns 0, or -ENOMEM with the message set.
 */
int hnuma_verify_places(const struct hnuma_region *region, size_t offset, size_t size,
			size_t page_size, struct hnuma_place_count *count);

/* file.c: each returns 0, or a negative errno with the message set. */

/*
 * Make a file of the request's size and map it at the region's base; into region->fd, sealed, for a
 * shared region, else it is closed.
 */
int hnuma_file_make(struct hnuma_region *region, const struct hnuma_request *request,
		    bool is_hugetlb, const char *name);

/* Map a file at the region's base, where addresses are reserved. */
int hnuma_file_map(struct hnuma_region *region, const struct hnuma_request *request, int fd,
		   bool is_hugetlb);

/* Could this descriptor be a shared region's? Fills *file. -EINVAL when not. */
int hnuma_file_check(int fd, struct hnuma_sys_file *file);

/*
 * damage.c: has a file all its pages? One that was populated, and lacks some since, has lost them.
 * Returns 0, or -EIO with the message set.
 */
int hnuma_damage_check_file(const struct hnuma_sys_file *file, int fd);

/* damage.c: be ready to note what is found. Returns 0, or -ENOMEM with the message set. */
int hnuma_damage_begin(struct hnuma_region *region);

/*
 * damage.c: populate a mapped region page by page, and note in it which pages cannot be, as they have a
 * memory error. Returns what hnuma_populate() returns, but never -EHWPOISON; sets no message.
 */
int hnuma_damage_find(struct hnuma_region *region);

/* damage.c: was any page noted? */
bool hnuma_damage_is_there(const struct hnuma_region *region);

/* hooks.c */

/* Are the hooks of an attribute sound? They may be NULL. Returns 0 or -EINVAL with the message set. */
int hnuma_hooks_check(const struct hnuma_hooks *hooks);

/* Is a hook running in this thread? Returns 0 or -EBUSY with the message set; `call` is its name. */
int hnuma_hooks_refuse(const char *call);

/*
 * Note the hooks in a region that is whole, and call `made` for each piece. On failure `going` has
 * been called for those that were accepted, and there are no hooks.
 *
 * Returns 0, -ENOMEM, or what the hook answered; sets the message.
 */
int hnuma_hooks_made(struct hnuma_region *region, const struct hnuma_hooks *hooks);

/*
 * Call `going` for each piece that was made, the last one first, and forget the handles. For this call
 * and the one above the thread cannot be cancelled: the caller has seen to that.
 */
void hnuma_hooks_going(struct hnuma_region *region);

#endif
