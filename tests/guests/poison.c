/* SPDX-License-Identifier: MIT */
/*
 * tests/guests/poison.c - a page of a region is damaged.
 *
 * Pitfall 19: the kernel takes the whole 2 MB page away, and touching it is SIGBUS with
 * BUS_MCEERR_AR. The library installs no handler; verify must not call the page fine, the rest of the
 * region must stay usable, and what is made afterwards must not get the page. A pool works on without
 * the page, when the server's own handler has asked whose it is and the worker has retired it. Wants a kernel with
 * CONFIG_MEMORY_FAILURE (Debian's generic one). Calls the public headers, the C library, and through
 * guest.h the kernel.
 */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <hugenuma.h>

#include "tests/guests/guest.h"

enum { PAGES = 6, DAMAGED = 2 };

static sigjmp_buf back;
static volatile siginfo_t seen;
static struct hnuma_region_place place; /* what the library said in the handler */
static volatile int answer;

/* The server's own handler, not the library's. */
static void on_bus_error(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	seen = *info;
	answer = hnuma_region_of(info->si_addr, &place);
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
	guest_check(answer == 0 && place.region == region && place.base == base &&
			    place.node == node && place.page_size == GUEST_HUGEPAGE,
		    "the handler was told %d, node %d, %zu bytes", answer, place.node,
		    place.page_size);
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

enum { POOL_PAGES = 4, OUT = 40, PER_PAGE = GUEST_HUGEPAGE / 65536 };

static unsigned char *page_of(unsigned char *address)
{
	return (unsigned char *)((uintptr_t)address & ~(uintptr_t)(GUEST_HUGEPAGE - 1));
}

/* Write all of every block that is left: none may be of the page. */
static void use_all(struct hnuma_pool *pool, int node, const unsigned char *page, unsigned expected)
{
	static unsigned char *blocks[POOL_PAGES * PER_PAGE];
	unsigned n = 0, bad = 0;

	while (n < POOL_PAGES * PER_PAGE &&
	       (blocks[n] = hnuma_pool_acquire_on(pool, node, HNUMA_CLASS_64K))) {
		bad += page_of(blocks[n]) == page;
		memset(blocks[n++], 9, 65536);
	}
	guest_check(n == expected && bad == 0, "%u blocks, not %u; %u of the page", n, expected,
		    bad);
	while (n-- > 0)
		guest_check(!hnuma_pool_release(pool, blocks[n]), "%s", hnuma_errormsg());
}

static void retire(struct hnuma_topology *topology, int node)
{
	struct hnuma_pool_attr attr = HNUMA_POOL_ATTR_INIT;
	unsigned char *blocks[OUT], *page;
	struct hnuma_pool_stats stats;
	struct hnuma_pool *pool;

	guest_part("node %d: a page of a pool is damaged, and the pool works on", node);
	guest_set_pages(node, POOL_PAGES + 4);
	attr.bytes_per_node = POOL_PAGES * GUEST_HUGEPAGE;
	attr.least_backing = HNUMA_BACKING_HUGETLB;
	hnuma_nodeset_add(&attr.nodes, node);
	if (!guest_check(!hnuma_pool_create(&pool, topology, &attr), "%s", hnuma_errormsg()))
		return;
	for (int i = 0; i < OUT; i++) {
		blocks[i] = hnuma_pool_acquire_on(pool, node, HNUMA_CLASS_64K);
		if (!guest_check(blocks[i] != NULL, "block %d of %d", i, OUT))
			return;
		memset(blocks[i], 8, 65536);
	}
	page = page_of(blocks[0]);
	/* Some of the page is free, some is out. */
	for (int i = 10; i < 20; i++)
		guest_check(!hnuma_pool_release(pool, blocks[i]), "%s", hnuma_errormsg());
	answer = -1;
	if (madvise(page, GUEST_HUGEPAGE, MADV_HWPOISON))
		guest_die("MADV_HWPOISON");
	guest_check(is_fatal(blocks[5]), "the page is not damaged");
	guest_check(answer == 0 && place.region == hnuma_pool_region(pool, node) &&
			    place.node == node,
		    "the handler was told %d, node %d", answer, place.node);
	guest_check(!hnuma_pool_retire(pool, (void *)seen.si_addr), "%s", hnuma_errormsg());
	guest_check(hnuma_pool_retire(pool, page) == -EALREADY, "retired twice");
	use_all(pool, node, page, POOL_PAGES * PER_PAGE - PER_PAGE - (OUT - PER_PAGE));
	for (int i = 0; i < OUT; i++)
		if (i < 10 || i >= 20)
			guest_check(!hnuma_pool_release(pool, blocks[i]), "block %d: %s", i,
				    hnuma_errormsg());
	use_all(pool, node, page, (POOL_PAGES - 1) * PER_PAGE);
	guest_check(!hnuma_pool_check(pool), "%s", hnuma_errormsg());
	if (guest_check(!hnuma_pool_stats(pool, &stats), "%s", hnuma_errormsg()))
		guest_check(stats.lost_pages == 1 && stats.lost_buffers == PER_PAGE,
			    "%llu pages and %llu blocks are lost",
			    (unsigned long long)stats.lost_pages,
			    (unsigned long long)stats.lost_buffers);
	guest_check(!hnuma_pool_destroy(pool), "%s", hnuma_errormsg());
}

int main(void)
{
	struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};
	static struct guest_machine machine;
	struct hnuma_topology *topology;

	sigaction(SIGBUS, &action, NULL);
	guest_read_machine(&machine);
	topology = guest_topology();
	for (unsigned i = 0; i < machine.nr_nodes; i++)
		if (machine.nodes[i].has_memory) {
			damage(topology, machine.nodes[i].node);
			retire(topology, machine.nodes[i].node);
		}
	hnuma_topology_destroy(topology);
	return guest_end();
}
