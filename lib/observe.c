/* SPDX-License-Identifier: MIT */
/*
 * lib/observe.c - which objects another process has: its directory, read from outside. What they
 * count is read in observe_books.c, and observe.h has a drawing of both. Calls numa/remote.
 */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <threads.h>

#include <hugenuma.h>

#include "lib/observe.h"
#include "numa/error.h"
#include "numa/remote.h"

/* How often a list that is being written is read again, and how long to wait before. */
#define LIST_TRIES  100
#define LIST_NAP_NS 100000

int hnuma_observe_read(const struct hnuma_observer *observer, uint64_t address, void *buffer,
		       size_t size)
{
	return hnuma_remote_read(observer->pid, address, buffer, size, 0, 1);
}

int hnuma_observe_refuse(const struct hnuma_observer *observer, const char *what)
{
	return hnuma_error_set(-EUCLEAN,
			       "process %d: %s: its memory is damaged, or it does not tell the "
			       "truth",
			       observer->pid, what);
}

/* What can be printed as it is: letters, digits and . _ - of a text that need not end. */
static void copy_text(char *to, const char *from, size_t size)
{
	size_t i;

	for (i = 0; i + 1 < size && from[i]; i++) {
		bool is_plain = (from[i] >= 'a' && from[i] <= 'z') ||
				(from[i] >= 'A' && from[i] <= 'Z') ||
				(from[i] >= '0' && from[i] <= '9') || from[i] == '.' ||
				from[i] == '_' || from[i] == '-';

		to[i] = from[i];
		if (!is_plain)
			to[i] = '?';
	}
	to[i] = '\0';
}

static int refuse_gone(const struct hnuma_observer *observer)
{
	return hnuma_error_set(-ENOENT, "process %d has no objects of hugenuma any more",
			       observer->pid);
}

/*
 * What lies where the directory was found does not begin as one: it has just been made, or has gone
 * meanwhile and something else is there, or it is garbage.
 */
static int refuse_magic(const struct hnuma_observer *observer, uint64_t magic)
{
	uint64_t address, size;
	int error = hnuma_remote_find(observer->pid, HNUMA_DIRECTORY_NAME, &address, &size);

	if (error && error != -ENOENT)
		return error;
	if (magic == 0 || error || address != observer->directory)
		return refuse_gone(observer);
	return hnuma_observe_refuse(observer, "its directory of objects does not begin as one");
}

static int read_header(struct hnuma_observer *observer, struct hnuma_directory_header *header)
{
	int error = hnuma_observe_read(observer, observer->directory, header, sizeof(*header));
	uint64_t magic;

	if (error == -EFAULT)
		return refuse_gone(observer);
	if (error)
		return error;
	magic = atomic_load_explicit(&header->magic, memory_order_relaxed);
	if (magic != HNUMA_DIRECTORY_MAGIC)
		return refuse_magic(observer, magic);
	copy_text(observer->version, header->version, sizeof(observer->version));
	if (header->layout != HNUMA_DIRECTORY_LAYOUT ||
	    header->entry_bytes != sizeof(struct hnuma_directory_entry))
		return hnuma_error_set(
			-ENOTSUP,
			"process %d has hugenuma %s, whose directory of objects has layout "
			"%" PRIu32 "; this one (%s) reads layout %d: observe it with the command "
			"of its own version",
			observer->pid, observer->version, header->layout, hnuma_version(),
			HNUMA_DIRECTORY_LAYOUT);
	if (header->nr_slots < 1 || header->nr_slots > HNUMA_DIRECTORY_SLOTS)
		return hnuma_observe_refuse(observer,
					    "its directory of objects is longer than it can be");
	return 0;
}

/* 0, -EAGAIN (it was being written) or another error. */
static int read_slots(struct hnuma_observer *observer, struct hnuma_directory_entry **slots,
		      unsigned *nr_slots)
{
	struct hnuma_directory_header before, after;
	int error = read_header(observer, &before);

	*slots = NULL;
	if (error)
		return error;
	*nr_slots = before.nr_slots;
	*slots = malloc(before.nr_slots * sizeof(**slots));
	if (!*slots)
		return hnuma_error_set(-ENOMEM, "no memory for a list of %u objects",
				       before.nr_slots);
	error = hnuma_observe_read(observer, observer->directory, *slots,
				   before.nr_slots * sizeof(**slots));
	if (error == -EFAULT)
		error = -EAGAIN;
	if (!error)
		error = read_header(observer, &after);
	if (!error && (atomic_load(&before.sequence) != atomic_load(&after.sequence) ||
		       atomic_load(&before.sequence) % 2 != 0))
		error = -EAGAIN;
	if (!error)
		observer->nr_unlisted = before.nr_unlisted;
	if (error) {
		free(*slots);
		*slots = NULL;
	}
	return error;
}

static int compare_ids(const void *a, const void *b)
{
	uint64_t left = hnuma_observe_id(a), right = hnuma_observe_id(b);

	return left < right ? -1 : left > right;
}

static int read_list(struct hnuma_observer *observer)
{
	const struct timespec nap = {0, LIST_NAP_NS};
	struct hnuma_directory_entry *slots = NULL;
	unsigned nr_slots = 0, nr = 0;
	int error = -EAGAIN;

	for (int i = 0; i < LIST_TRIES && error == -EAGAIN; i++) {
		if (i)
			thrd_sleep(&nap, NULL);
		error = read_slots(observer, &slots, &nr_slots);
	}
	if (error == -EAGAIN)
		return hnuma_error_set(-EAGAIN,
				       "process %d was making or destroying objects each time that "
				       "its list was read, or is stopped while it does",
				       observer->pid);
	if (error)
		return error;
	for (unsigned i = 1; i < nr_slots; i++) {
		uint32_t kind = slots[i].kind;

		if (hnuma_observe_id(&slots[i]) == 0)
			continue;
		if (kind < HNUMA_OBJECT_REGION || kind > HNUMA_OBJECT_MANAGER) {
			free(slots);
			return hnuma_observe_refuse(observer,
						    "an object of a kind that does not exist");
		}
		slots[nr++] = slots[i];
	}
	qsort(slots, nr, sizeof(*slots), compare_ids);
	free(observer->entries);
	observer->entries = slots;
	observer->nr_entries = nr;
	return 0;
}

int hnuma_observer_open(struct hnuma_observer **out, int pid)
{
	struct hnuma_directory_header header;
	struct hnuma_observer *observer;
	uint64_t size;
	int error;

	if (!out)
		return hnuma_error_set(-EINVAL, "hnuma_observer_open: out is NULL");
	*out = NULL;
	if (pid <= 0)
		return hnuma_error_set(-EINVAL, "%d is no process id: it must be positive", pid);
	observer = calloc(1, sizeof(*observer));
	if (!observer)
		return hnuma_error_set(-ENOMEM, "no memory to observe process %d", pid);
	observer->pid = pid;
	error = hnuma_remote_find(pid, HNUMA_DIRECTORY_NAME, &observer->directory, &size);
	if (error == -ENOENT)
		hnuma_error_set(error,
				"process %d has no objects of hugenuma (or its library is older "
				"than 0.1.0, or could not list them)",
				pid);
	if (!error && size < sizeof(header))
		error = hnuma_observe_refuse(observer, "its directory of objects is too short");
	if (!error)
		error = read_header(observer, &header);
	if (error) {
		free(observer);
		return error;
	}
	*out = observer;
	return 0;
}

void hnuma_observer_close(struct hnuma_observer *observer)
{
	if (!observer)
		return;
	free(observer->entries);
	free(observer);
}

const char *hnuma_observer_version(const struct hnuma_observer *observer)
{
	return observer ? observer->version : "";
}

unsigned hnuma_observer_unlisted(const struct hnuma_observer *observer)
{
	return observer ? observer->nr_unlisted : 0;
}

static void fill_object(struct hnuma_object *object, const struct hnuma_directory_entry *entry)
{
	object->id = hnuma_observe_id(entry);
	object->owner = entry->owner;
	object->kind = (enum hnuma_object_kind)entry->kind;
	memcpy(object->nodes.bits, entry->nodes, sizeof(object->nodes.bits));
	object->node = entry->node;
	object->base = entry->base;
	object->size = entry->size_bytes;
	object->backing = (enum hnuma_backing)entry->backing;
	object->page_size = entry->page_bytes;
	copy_text(object->name, entry->name, sizeof(object->name));
}

int hnuma_observer_next(struct hnuma_observer *observer, struct hnuma_object *object)
{
	unsigned low = 0, high;
	uint64_t last;
	int error;

	if (!observer || !object)
		return hnuma_error_set(-EINVAL, "hnuma_observer_next: %s is NULL",
				       observer ? "object" : "observer");
	last = object->id;
	memset(object, 0, sizeof(*object));
	if (last == 0) {
		error = read_list(observer);
		if (error)
			return error;
	}
	/* The first with a higher id. */
	high = observer->nr_entries;
	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (hnuma_observe_id(&observer->entries[middle]) > last)
			high = middle;
		else
			low = middle + 1;
	}
	if (low == observer->nr_entries)
		return 0;
	fill_object(object, &observer->entries[low]);
	return 1;
}
