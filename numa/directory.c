/* SPDX-License-Identifier: MIT */
/*
 * numa/directory.c - writing the directory of this process's objects.
 *
 * Calls the kernel through hnuma_sys only, and the C library's threads.
 */
#include "config.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <hugenuma.h>

#include "numa/directory.h"
#include "numa/sys.h"

/* The low bits of an id are its slot's number, so that it is found without a search. */
#define SLOT_BITS 12
#define SLOT_MASK (((uint64_t)1 << SLOT_BITS) - 1)
_Static_assert(HNUMA_DIRECTORY_SLOTS == SLOT_MASK + 1, "every slot has a number");

/* Protects all of these, and the directory against other writers. A leaf: nothing is locked inside. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool is_watching_forks;
static struct hnuma_directory_header *directory; /* NULL: there is none */
static unsigned nr_listed;
static uint64_t
	nr_ids; /* given so far; a child goes on from there, so that no id is ever its parent's */

static void before_fork(void)
{
	pthread_mutex_lock(&lock);
}

static void after_fork(void)
{
	pthread_mutex_unlock(&lock);
}

/* The mapping was left behind. */
static void begin_child(void)
{
	directory = NULL;
	nr_listed = 0;
	pthread_mutex_unlock(&lock);
}

static bool watch_forks(void)
{
	if (!is_watching_forks)
		is_watching_forks = pthread_atfork(before_fork, after_fork, begin_child) == 0;
	return is_watching_forks;
}

static struct hnuma_directory_entry *slots(void)
{
	return (struct hnuma_directory_entry *)directory;
}

/* gcc's ThreadSanitizer knows no fences, and says so. It need not: who reads is another process. */
#if defined(__SANITIZE_THREAD__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wtsan"
#endif

/*
 * Between the two an observer sees that it came at the wrong moment. Fence and release are partners of
 * read_slots() in lib/observe.c, which has header, slots and once more the header copied by the kernel,
 * one call after the other. Ids, under the lock, need no order beyond that.
 */
static void begin_change(void)
{
	uint32_t sequence = atomic_load_explicit(&directory->sequence, memory_order_relaxed);

	atomic_store_explicit(&directory->sequence, sequence + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
}

static void end_change(void)
{
	uint32_t sequence = atomic_load_explicit(&directory->sequence, memory_order_relaxed);

	atomic_store_explicit(&directory->sequence, sequence + 1, memory_order_release);
}

static void fill_header(void)
{
	begin_change();
	directory->layout = HNUMA_DIRECTORY_LAYOUT;
	directory->entry_bytes = sizeof(struct hnuma_directory_entry);
	directory->nr_slots = 1;
	snprintf(directory->version, sizeof(directory->version), "%d.%d.%d", HNUMA_VERSION_MAJOR,
		 HNUMA_VERSION_MINOR, HNUMA_VERSION_PATCH);
	end_change();
	/* Release: partner of read_header() in lib/observe.c, which goes by the magic. */
	atomic_store_explicit(&directory->magic, HNUMA_DIRECTORY_MAGIC, memory_order_release);
}

static int map_memfd(int fd, void **address)
{
	int error = hnuma_sys.truncate(fd, (off_t)HNUMA_DIRECTORY_BYTES);

	if (!error)
		error = hnuma_sys.map(address, HNUMA_DIRECTORY_BYTES, PROT_READ | PROT_WRITE,
				      MAP_SHARED, fd);
	if (error)
		return error;
	/* Shared memory that a child kept would show it the parent's objects as its own. */
	error = hnuma_sys.advise(*address, HNUMA_DIRECTORY_BYTES, MADV_DONTFORK);
	if (error)
		(void)hnuma_sys.unmap(*address, HNUMA_DIRECTORY_BYTES);
	return error;
}

/* Named memory: private memory cannot have a name on every kernel, a memfd always has. */
static void make(void)
{
	void *address = NULL;
	int fd, previous;

	/* To close is a point where a thread can be cancelled, which would keep the lock for ever. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &previous);
	fd = hnuma_sys.memfd(HNUMA_DIRECTORY_NAME, MFD_CLOEXEC);
	if (fd >= 0) {
		if (map_memfd(fd, &address) == 0)
			directory = address;
		(void)hnuma_sys.close(fd);
	}
	pthread_setcancelstate(previous, &previous);
	if (directory)
		fill_header();
}

/* A number for a slot that is free, or 0. */
static unsigned find_slot(void)
{
	for (unsigned i = 1; i < directory->nr_slots; i++) {
		if (atomic_load_explicit(&slots()[i].id, memory_order_relaxed) == 0)
			return i;
	}
	return directory->nr_slots < HNUMA_DIRECTORY_SLOTS ? directory->nr_slots : 0;
}

static uint64_t list(const struct hnuma_directory_entry *entry)
{
	unsigned slot = find_slot();
	uint64_t id = 0;

	begin_change();
	if (slot) {
		id = ++nr_ids << SLOT_BITS | slot;
		slots()[slot] = *entry;
		atomic_store_explicit(&slots()[slot].id, id, memory_order_relaxed);
		if (slot == directory->nr_slots)
			directory->nr_slots++;
		nr_listed++;
	} else {
		directory->nr_unlisted++;
	}
	end_change();
	return id;
}

uint64_t hnuma_directory_add(const struct hnuma_directory_entry *entry)
{
	uint64_t id = 0;

	pthread_mutex_lock(&lock);
	if (!directory && watch_forks())
		make();
	if (directory)
		id = list(entry);
	pthread_mutex_unlock(&lock);
	return id;
}

void hnuma_directory_remove(uint64_t id)
{
	unsigned slot = (unsigned)(id & SLOT_MASK);

	if (id == 0)
		return;
	pthread_mutex_lock(&lock);
	if (directory && slot < directory->nr_slots &&
	    atomic_load_explicit(&slots()[slot].id, memory_order_relaxed) == id) {
		begin_change();
		atomic_store_explicit(&slots()[slot].id, 0, memory_order_relaxed);
		end_change();
		nr_listed--;
	}
	/* One that cannot be unmapped now serves the next object, and goes with that. */
	if (directory && nr_listed == 0 && hnuma_sys.unmap(directory, HNUMA_DIRECTORY_BYTES) == 0)
		directory = NULL;
	pthread_mutex_unlock(&lock);
}
