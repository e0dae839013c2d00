/* SPDX-License-Identifier: MIT */
/*
 * tests/guests/pitfalls.c - facts about the kernel that the library is built on, shown without it.
 *
 * If a kernel changes its mind, this program fails and the library must be looked at; so each check
 * says what is true, not what would be good. Wants two nodes with memory and no huge page in use.
 * Calls the C library and the kernel only.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <numaif.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/guests/guest.h"

#ifndef MFD_HUGE_2MB
#define MFD_HUGE_2MB (21U << 26)
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static int full, empty; /* two nodes with memory: one's huge pages are there, the other has none */

struct kind {
	const char *name;
	bool is_memfd;
};

static const struct kind kinds[] = {{"a private mapping", false}, {"a memfd", true}};

/* A mapping of so many huge pages, or NULL with errno set. The memfd is closed: unmapping frees it. */
static unsigned char *map(const struct kind *kind, size_t pages)
{
	size_t size = pages * GUEST_HUGEPAGE;
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | (21 << MAP_HUGE_SHIFT);
	int fd = -1, error;
	void *address;

	if (kind->is_memfd) {
		fd = memfd_create("pitfalls", MFD_HUGETLB | MFD_HUGE_2MB | MFD_CLOEXEC);
		if (fd < 0 || ftruncate(fd, (off_t)size))
			guest_die("memfd");
		flags = MAP_SHARED;
	}
	address = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);
	error = errno;
	if (fd >= 0)
		close(fd);
	errno = error;
	return address == MAP_FAILED ? NULL : address;
}

static int populate(void *address, size_t pages)
{
	return madvise(address, pages * GUEST_HUGEPAGE, MADV_POPULATE_WRITE) ? -errno : 0;
}

static void unmap(void *address, size_t pages)
{
	if (munmap(address, pages * GUEST_HUGEPAGE))
		guest_die("munmap");
}

static unsigned long mask_of(int node)
{
	return 1UL << node;
}

static void give(unsigned long on_full, unsigned long on_empty)
{
	if (guest_set_pages(full, on_full) != (long)on_full ||
	    guest_set_pages(empty, on_empty) != (long)on_empty)
		guest_die("%lu and %lu huge pages on nodes %d and %d", on_full, on_empty, full,
			  empty);
}

static int touch(void *address)
{
	*(volatile unsigned char *)address = 1;
	return 0;
}

static void check_given_back(unsigned long expected)
{
	guest_check(guest_free_pages(full) == (long)expected, "node %d has %ld free pages, not %lu",
		    full, guest_free_pages(full), expected);
}

/* 1 and 2: a reservation is global, so mmap and mbind succeed; the truth comes at the first touch. */
static void reservation_is_global(const struct kind *kind)
{
	unsigned long mask = mask_of(empty);
	unsigned char *memory;

	guest_part("pitfalls 1, 2: %s bound to a node without pages", kind->name);
	give(8, 0);
	memory = map(kind, 4);
	if (!guest_check(memory, "mmap: %s", strerror(errno)))
		return;
	guest_check(!guest_bind(memory, 4 * GUEST_HUGEPAGE, MPOL_BIND, &mask), "mbind refused");
	guest_check(populate(memory, 4) == -EFAULT, "populate: %d, not -EFAULT",
		    populate(memory, 4));
	guest_check(guest_in_child(touch, memory, 10) == -SIGBUS, "a touch was no SIGBUS");
	unmap(memory, 4);
	check_given_back(8);
}

/* 4: mmap looks at the thread's policy, and does not look at what mbind will say. */
static void task_policy_is_seen(const struct kind *kind)
{
	unsigned long mask = mask_of(empty);
	unsigned char *memory;

	guest_part("pitfall 4: %s under the thread's policy", kind->name);
	give(8, 0);
	guest_set_policy(MPOL_BIND, &mask);
	memory = map(kind, 4);
	guest_check(!memory && errno == ENOMEM, "mmap succeeded, or failed with %d", errno);
	guest_set_policy(MPOL_DEFAULT, NULL);
	if (memory)
		unmap(memory, 4);
	check_given_back(8);
}

/* 4: ten pages, twelve free, eight of them on the node: half of it is done before it fails. */
static void half_is_done(const struct kind *kind)
{
	unsigned long mask = mask_of(full);
	unsigned char *memory;

	guest_part("pitfall 4: %s of ten pages on a node with eight of twelve", kind->name);
	give(8, 4);
	memory = map(kind, 10);
	if (!guest_check(memory, "mmap: %s", strerror(errno)))
		return;
	guest_check(!guest_bind(memory, 10 * GUEST_HUGEPAGE, MPOL_BIND, &mask), "mbind refused");
	guest_check(populate(memory, 10) == -EFAULT, "populate: %d, not -EFAULT",
		    populate(memory, 10));
	guest_check(guest_free_pages(full) == 0, "%ld pages were left", guest_free_pages(full));
	unmap(memory, 10);
	check_given_back(8);
}

/* 5: preferred goes elsewhere without a word. */
static void preferred_is_silent(const struct kind *kind)
{
	unsigned long mask = mask_of(empty);
	unsigned char *memory;

	guest_part("pitfall 5: %s preferring a node without pages", kind->name);
	give(8, 0);
	memory = map(kind, 4);
	if (!guest_check(memory, "mmap: %s", strerror(errno)))
		return;
	guest_bind(memory, 4 * GUEST_HUGEPAGE, MPOL_PREFERRED, &mask);
	guest_check(!populate(memory, 4), "populate failed");
	for (unsigned page = 0; page < 4; page++) {
		int node = guest_node_of_page(memory + page * GUEST_HUGEPAGE);

		guest_check(node == full, "page %u is on node %d", page, node);
	}
	unmap(memory, 4);
	check_given_back(8);
}

/* A descriptor that stays open keeps the pages of a mapping that is gone. */
static void open_memfd_keeps_pages(void)
{
	int fd = memfd_create("pitfalls", MFD_HUGETLB | MFD_HUGE_2MB | MFD_CLOEXEC);
	unsigned char *memory;

	guest_part("a memfd that is unmapped and not closed");
	give(8, 0);
	if (fd < 0 || ftruncate(fd, (off_t)(4 * GUEST_HUGEPAGE)))
		guest_die("memfd");
	memory = mmap(NULL, 4 * GUEST_HUGEPAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED || populate(memory, 4))
		guest_die("populate");
	unmap(memory, 4);
	guest_check(guest_free_pages(full) == 4, "%ld pages are free", guest_free_pages(full));
	close(fd);
	check_given_back(8);
}

/*
 * 6: surplus pages. While any node has enough free pages the kernel makes none, and the policy then
 * finds the bound node empty. Without a free page anywhere it depends on the kernel's age. Either way,
 * what is bound and populated lies where it was bound.
 */
static void surplus(const struct kind *kind, unsigned long on_full)
{
	static const char path[] =
		"/sys/kernel/mm/hugepages/hugepages-2048kB/nr_overcommit_hugepages";
	unsigned long mask = mask_of(empty);
	unsigned char *memory;
	int error;

	guest_part("pitfall 6: %s from surplus pages, %lu being free on the other node", kind->name,
		   on_full);
	give(on_full, 0);
	guest_write(path, "16");
	guest_set_policy(MPOL_BIND, &mask);
	memory = map(kind, 4);
	error = memory ? guest_bind(memory, 4 * GUEST_HUGEPAGE, MPOL_BIND, &mask) : -errno;
	guest_note("mmap and mbind: %s", error ? strerror(-error) : "success");
	if (on_full >= 4)
		guest_check(error == -ENOMEM, "%d although the node is empty", error);
	if (memory) {
		error = populate(memory, 4);
		guest_note("populate: %s", error ? strerror(-error) : "success");
		for (unsigned page = 0; !error && page < 4; page++) {
			int node = guest_node_of_page(memory + page * GUEST_HUGEPAGE);

			guest_check(node == empty, "page %u is on node %d", page, node);
		}
		unmap(memory, 4);
	}
	guest_set_policy(MPOL_DEFAULT, NULL);
	guest_write(path, "0");
	check_given_back(on_full);
}

/* 27: a page that is not there has no node. */
static void absent_page(void)
{
	unsigned char *memory;
	int node;

	guest_part("pitfall 27: move_pages and a page that is not there");
	give(8, 0);
	memory = map(&kinds[0], 1);
	if (!guest_check(memory, "mmap: %s", strerror(errno)))
		return;
	node = guest_node_of_page(memory);
	guest_check(node < 0, "it is on node %d", node);
	guest_note("status %d", node);
	guest_check(guest_free_pages(full) == 8, "asking made the page come");
	unmap(memory, 1);
}

int main(void)
{
	static struct guest_machine machine;
	int found = 0;

	guest_read_machine(&machine);
	for (unsigned i = 0; i < machine.nr_nodes && found < 2; i++)
		if (machine.nodes[i].has_memory)
			*(found++ ? &empty : &full) = machine.nodes[i].node;
	if (found < 2)
		guest_die("this wants two nodes with memory");
	for (unsigned i = 0; i < machine.nr_nodes; i++)
		if (machine.nodes[i].has_memory)
			guest_set_pages(machine.nodes[i].node, 0);
	for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		reservation_is_global(&kinds[i]);
		task_policy_is_seen(&kinds[i]);
		half_is_done(&kinds[i]);
		preferred_is_silent(&kinds[i]);
		surplus(&kinds[i], 8);
		surplus(&kinds[i], 0);
	}
	open_memfd_keeps_pages();
	absent_page();
	give(0, 0);
	return guest_end();
}
