/* SPDX-License-Identifier: MIT */
/*
 * hugenuma/observe.h - the objects of another process, and what they count.
 *
 * A process that uses this library writes down which objects it has when it makes and destroys
 * them: in a mapping of its own that /proc/PID/maps shows as memfd:hugenuma:directory, made with the
 * first object and gone with the last. Where that mapping cannot be made, the objects work all the
 * same and cannot be observed: whoever watches shall not decide whether a server starts.
 *
 * An observer finds the mapping and copies the objects' own counters with process_vm_readv(2). The
 * observed process is neither stopped nor asked, has no thread for it, and does on its hot paths
 * what it always does. So the numbers are a moment's: exact when the process is at rest, and of
 * sums that are read while they move, each part may be from another moment.
 *
 * The two need the same layout of what is read, which is compared before anything is believed; and
 * every address and count is held against limits, so that a process that is ending, or lies, causes
 * an error and nothing worse. What it takes is the right to trace the process (see ptrace(2)).
 *
 * A child of fork() has none of its parent's objects; regions made with HNUMA_INHERIT are the
 * parent's here.
 *
 * Threads: one thread at a time per observer.
 */
#ifndef HUGENUMA_OBSERVE_H
#define HUGENUMA_OBSERVE_H

#ifndef HUGENUMA_H_INSIDE
#error "include <hugenuma.h>, not its parts"
#endif

#ifdef __cplusplus
extern "C" {
#endif

struct hnuma_observer;

enum hnuma_object_kind {
	HNUMA_OBJECT_REGION = 1,
	HNUMA_OBJECT_ARENA = 2,
	HNUMA_OBJECT_POOL = 3,
	HNUMA_OBJECT_SCRATCH = 4,
	HNUMA_OBJECT_MANAGER = 5,
};

struct hnuma_object {
	uint64_t id;		     /* never given twice in a process; ascending in time */
	uint64_t owner;		     /* the id of the manager that it is part of; 0: none */
	enum hnuma_object_kind kind; /* which says what of the following is set */
	struct hnuma_nodeset nodes;  /* all: that it serves; a region: that it was asked for */
	int node;      /* region, arena: where it is bound, or HNUMA_NODE_NONE; else that, too */
	uint64_t base; /* region, arena: its first byte, an address of the observed process */
	uint64_t size; /* region, arena: bytes */
	enum hnuma_backing backing; /* region */
	uint64_t page_size;	    /* region: bytes of a page */
	char name[40];		    /* region: NAME of hugenuma:NAME:nodeN; else "" */
	uint64_t reserved[4];
};

/*
 * Begin to observe a process: this one, too.
 *
 * @out  receives the observer; the caller closes it. It holds no descriptor.
 * @pid  as this process sees it, in its PID namespace.
 *
 * Returns 0 or
 *   -EINVAL   out is NULL, or pid is not positive
 *   -ESRCH    there is no such process
 *   -EPERM    the kernel does not let this process trace that one
 *   -ENOENT   it has no objects of this library that are listed
 *   -ENOTSUP  its library writes another layout: the message names both versions
 *   -EUCLEAN  what should be its directory is something else
 *   -ENOSYS   this kernel has no process_vm_readv()
 *   -ENOMEM
 * or another answer of the kernel's when it was asked for the process's mappings.
 */
HNUMA_API HNUMA_MUST_CHECK int hnuma_observer_open(struct hnuma_observer **out, int pid);

/* Accepts NULL. */
HNUMA_API void hnuma_observer_close(struct hnuma_observer *observer);

/* The version of the library in the observed process, such as "0.1.0". The observer's. */
HNUMA_API const char *hnuma_observer_version(const struct hnuma_observer *observer);

/*
 * How many objects the process made for which its directory had no room: they are not listed. As of
 * the last hnuma_observer_next() that read the list.
 */
HNUMA_API unsigned hnuma_observer_unlisted(const struct hnuma_observer *observer);

/*
 * The next object, in the order in which they were made.
 *
 * @object  the one before, or one whose id is 0 to begin: then the list is read from the process.
 *          Receives the next one; on 0 and on errors its id is 0.
 *
 * Returns 1, or 0 after the last, or -EINVAL (NULL); and when it begins also
 *   -ESRCH, -EPERM, -ENOTSUP, -EUCLEAN, -ENOMEM, -ENOSYS as hnuma_observer_open()
 *   -ENOENT   it has no objects any more: hnuma_observer_open() tells when it has some again
 *   -EAGAIN   the list was changing all the time: try again
 */
HNUMA_API int hnuma_observer_next(struct hnuma_observer *observer, struct hnuma_object *object);

/*
 * What an object counts now, in the struct that the process itself would have got.
 *
 * @object  from hnuma_observer_next() on this observer.
 * @node    that the pool serves; there is no HNUMA_NODE_LOCAL here.
 *
 * Return 0 or
 *   -EINVAL   NULL, an object of another kind, or no class
 *   -ESTALE   the object is gone
 *   -ENODEV   the pool does not serve the node
 *   -ENOTSUP  the library of that process lays such objects out differently
 *   -EUCLEAN  numbers that cannot be: the process has overwritten its own memory, or is lying
 *   -ESRCH, -EPERM, -ENOMEM, -ENOSYS as hnuma_observer_open()
 */
HNUMA_API int hnuma_observer_arena_stats(const struct hnuma_observer *observer,
					 const struct hnuma_object *object,
					 struct hnuma_arena_stats *stats);
HNUMA_API int hnuma_observer_pool_stats(const struct hnuma_observer *observer,
					const struct hnuma_object *object,
					struct hnuma_pool_stats *stats);
HNUMA_API int hnuma_observer_pool_class_stats(const struct hnuma_observer *observer,
					      const struct hnuma_object *object, int node,
					      enum hnuma_class class_index,
					      struct hnuma_pool_class_stats *stats);
HNUMA_API int hnuma_observer_scratch_stats(const struct hnuma_observer *observer,
					   const struct hnuma_object *object,
					   struct hnuma_scratch_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
