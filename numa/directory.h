/* SPDX-License-Identifier: MIT */
/*
 * numa/directory.h - the page on which this process writes down what objects it has, for others to
 * read: lib/observe.c, from another process.
 *
 *	/proc/PID/maps: ... rw-s ... /memfd:hugenuma:directory (deleted)
 *
 *	| header | entry | entry | free | entry | ...  HNUMA_DIRECTORY_SLOTS slots, header included
 *
 * A mapping of its own, found by its name. It is made with the first object and goes with the last
 * one, so that a process without objects is as it was before. Only what is written takes memory:
 * one base page for up to 15 objects. It is written when objects are made and destroyed, by nobody
 * else; what objects count is read from where they count it, so no hot path knows of it.
 *
 * Being listed is no condition of being usable: where the directory cannot be made (no memfd, no
 * mapping, no memory) or is full, objects are made all the same and observers do not see them.
 *
 * A child of fork() does not have its parent's directory. An object that it makes begins one of its
 * own; regions that it inherited are listed in the parent only.
 *
 * May be called from numa/ and lib/. The layout is what two processes agree on: whatever changes in
 * it, or in what a field means, changes HNUMA_DIRECTORY_LAYOUT too.
 */
#ifndef HNUMA_NUMA_DIRECTORY_H
#define HNUMA_NUMA_DIRECTORY_H

#include <stdatomic.h>

#include <hugenuma.h>

#define HNUMA_DIRECTORY_NAME "hugenuma:directory"
#define HNUMA_DIRECTORY_MAGIC \
	UINT64_C(0x616d756e65677568) /* "hugenuma" on a little-endian machine */
#define HNUMA_DIRECTORY_LAYOUT 1
#define HNUMA_DIRECTORY_BYTES  ((size_t)1 << 20)
#define HNUMA_DIRECTORY_SLOTS  (HNUMA_DIRECTORY_BYTES / sizeof(struct hnuma_directory_entry))

struct hnuma_directory_header {
	_Atomic uint64_t magic; /* written last: 0 in a directory that is just being made */
	uint32_t layout;
	uint32_t entry_bytes;
	/* Odd while the directory is being written: what was read then, or with another value before
	 * than after, is read again. */
	_Atomic uint32_t sequence;
	uint32_t nr_slots;    /* in use or once used, header included */
	uint32_t nr_unlisted; /* objects for which there was no slot, ever */
	uint32_t unused;
	char version[16]; /* of the library */
	uint64_t reserved[26];
};

struct hnuma_directory_entry {
	/* 0: the slot is free. Never given twice in a process; id % HNUMA_DIRECTORY_SLOTS is the slot. */
	_Atomic uint64_t id;
	uint64_t owner;	     /* the id of the manager that it is part of, or 0 */
	uint64_t address;    /* of struct hnuma_arena, hnuma_pool, hnuma_scratch; else 0 */
	uint64_t base;	     /* regions and arenas: the first byte */
	uint64_t size_bytes; /* of their memory */
	uint32_t kind;	     /* enum hnuma_object_kind */
	uint32_t layout;     /* of what is at address: see lib/listing.h */
	int32_t node;	     /* regions and arenas */
	uint32_t backing;    /* regions: enum hnuma_backing, and the page's size */
	uint64_t page_bytes;
	char name[40];	    /* regions: as in /proc/PID/maps */
	uint64_t nodes[16]; /* struct hnuma_nodeset: that it serves, or lies on */
	uint64_t reserved[3];
};

_Static_assert(sizeof(struct hnuma_directory_header) == 256, "slot 0 is the header");
_Static_assert(sizeof(struct hnuma_directory_entry) == 256, "256 bytes a slot");

/*
 * Write an object down. All of the entry but its id is the caller's.
 *
 * Returns its id, for hnuma_directory_remove(); 0 where it could not be listed. Sets no message.
 */
uint64_t hnuma_directory_add(const struct hnuma_directory_entry *entry);

/* Strike an object off: before what is at its address is freed. 0, or another process's id: nothing. */
void hnuma_directory_remove(uint64_t id);

#endif
