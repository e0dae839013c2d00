/* SPDX-License-Identifier: MIT */
/*
 * tests/guests/poison.c - a page of a region is damaged.
 *
 * Pitfall 19: the kernel takes the whole 2 MB page away, and touching it is SIGBUS with
 * BUS_MCEERR_AR. The library installs no handler; verify must not call the page fine, the rest of the
 * region must stay usable, and what is made afterwards must not get the page. Wants a kernel with
 * CONFIG_MEMORY_FAILURE (Debian's generic one). Calls the public headers, the C library, and through
 * guest.h the kernel.
 */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <hugenuma.h>

#include "tests/guests/guest.h"

enum { PAGES = 6, DAMAGED = 2 };

static sigjmp_buf back;
static volatile siginfo_t seen;

/* The server's own handler, not the library's. */
static void on_bus_error(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	seen = *info;
	siglongjmp(back, 1);
}

static bool is_fatal(volatile unsigned char *address)
{
	if (sigsetjmp(back, 1))
		return true;
	*address = 1;
	return false;
}

static void damage(struct hnuma_topology *topology, int node)
{
	struct hnuma_region_attr attr = HNUMA_REGION_ATTR_INIT;
	struct hnuma_region *region;
	struct hnuma_placement placement;
	unsigned char *base;

	guest_part("node %d: page %d of %d is damaged", node, DAMAGED, PAGES);
	guest_set_pages(node, PAGES);
	attr.size = PAGES * GUEST_HUGEPAGE;
	attr.node = node;
	attr.least_backing = HNUMA_BACKING_HUGETLB;
	if (!guest_check(!hnuma_region_create(&region, topology, &attr), "%s", hnuma_errormsg()))
		return;
	base = hnuma_region_base(region);
	memset(base, 7, hnuma_region_size(region));
	if (madvise(base + DAMAGED * GUEST_HUGEPAGE, GUEST_HUGEPAGE, MADV_HWPOISON))
		guest_die("MADV_HWPOISON");
	for (unsigned page = 0; page < PAGES; page++)
		guest_check(is_fatal(base + page * GUEST_HUGEPAGE + 100) == (page == DAMAGED),
			    "page %u", page);
	guest_check(seen.si_code == BUS_MCEERR_AR && seen.si_addr_lsb == 21,
		    "code %d, %d bits of the address", seen.si_code, seen.si_addr_lsb);
	guest_check((unsigned char *)seen.si_addr >= base + DAMAGED * GUEST_HUGEPAGE &&
			    (unsigned char *)seen.si_addr < base + (DAMAGED + 1) * GUEST_HUGEPAGE,
		    "the address is not in the page");
	guest_note("move_pages says %d of it", guest_node_of_page(base + DAMAGED * GUEST_HUGEPAGE));
	if (guest_check(!hnuma_region_verify(region, &placement), "%s", hnuma_errormsg()))
		guest_check(placement.pages_here == PAGES - 1 && placement.pages_unknown == 1,
			    "verify: %llu here, %llu elsewhere, %llu unknown",
			    (unsigned long long)placement.pages_here,
			    (unsigned long long)placement.pages_elsewhere,
			    (unsigned long long)placement.pages_unknown);
	guest_check(!hnuma_region_destroy(region), "%s", hnuma_errormsg());

	guest_part("node %d: afterwards", node);
	guest_note("%ld of %d pages are free", guest_free_pages(node), PAGES);
	guest_check(guest_free_pages(node) == PAGES - 1, "%ld pages are free",
		    guest_free_pages(node));
	attr.size = (PAGES - 1) * GUEST_HUGEPAGE;
	if (guest_check(!hnuma_region_create(&region, topology, &attr), "%s", hnuma_errormsg())) {
		memset(hnuma_region_base(region), 7, hnuma_region_size(region));
		guest_check(!hnuma_region_destroy(region), "%s", hnuma_errormsg());
	}
	attr.size = PAGES * GUEST_HUGEPAGE;
	guest_check(hnuma_region_create(&region, topology, &attr) == -ENOMEM,
		    "the damaged page was handed out again");
}

int main(void)
{
	struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};
	static struct guest_machine machine;
	struct hnuma_topology *topology;

	sigaction(SIGBUS, &action, NULL);
	guest_read_machine(&machine);
	if (hnuma_topology_create(&topology)) {
		printf("%s\n", hnuma_errormsg());
		return 2;
	}
	for (unsigned i = 0; i < machine.nr_nodes; i++)
		if (machine.nodes[i].has_memory)
			damage(topology, machine.nodes[i].node);
	hnuma_topology_destroy(topology);
	return guest_end();
}
