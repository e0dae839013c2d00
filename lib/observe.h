/* SPDX-License-Identifier: MIT */
/*
 * lib/observe.h - what observe.c, which reads the list of another process's objects, shares with
 * observe_books.c, which reads what they count.
 *
 *	other process                           here
 *	directory: header, entries    ------>   entries[], copied while its sequence stood still
 *	an object's books             ------>   a copy on the stack or the heap, counted, forgotten
 *
 * Nothing that was read is believed: addresses lead only to further reading, which can fail; counts
 * are held against limits before anything is allocated or repeated by them; text is cleaned. An
 * object that was struck off while its books were read may have been freed meanwhile, so what was
 * read counts only if the object is still listed afterwards.
 *
 * Copies are nobody else's, so that their atomic fields are read relaxed.
 */
#ifndef HNUMA_LIB_OBSERVE_H
#define HNUMA_LIB_OBSERVE_H

#include <stdatomic.h>

#include <hugenuma.h>

#include "numa/directory.h"

struct hnuma_observer {
	int pid;
	uint64_t directory;  /* its address there */
	unsigned nr_entries; /* of the list, ascending by id */
	unsigned nr_unlisted;
	struct hnuma_directory_entry *entries;
	char version[sizeof(((struct hnuma_directory_header *)NULL)->version)];
};

/* Copy what is at an address there. Returns 0 or as hnuma_remote_read(), with the message set. */
int hnuma_observe_read(const struct hnuma_observer *observer, uint64_t address, void *buffer,
		       size_t size);

/* Sets the message: what was read cannot be. Returns -EUCLEAN. */
int hnuma_observe_refuse(const struct hnuma_observer *observer, const char *what);

static inline uint64_t hnuma_observe_id(const struct hnuma_directory_entry *entry)
{
	return atomic_load_explicit(&entry->id, memory_order_relaxed);
}

#endif
