/* SPDX-License-Identifier: MIT */
/*
 * tests/guests/policies.c - interleaved and preferred memory, page by page.
 *
 * Where each page lies is asked of the kernel with move_pages(); what the library reports is held
 * against it. Weighted interleave, which the library has no word for, is shown on bare mappings where
 * the kernel has it. Wants at least two allowed nodes with memory, and no huge page in use.
 *
 * Calls the public headers, the C library, and through guest.h the kernel.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <hugenuma.h>

#include "tests/guests/guest.h"

#ifndef MPOL_WEIGHTED_INTERLEAVE
#define MPOL_WEIGHTED_INTERLEAVE 6 /* Linux 6.9 */
#endif

enum { MAX_PAGES = 64 };

static struct guest_machine machine;
static struct hnuma_topology *topology;
static unsigned nr_nodes;	   /* allowed, with memory */
static int nodes[GUEST_MAX_NODES]; /* their numbers, ascending */

static struct hnuma_nodeset set_of(const int *list, unsigned count)
{
	struct hnuma_nodeset set = {{0}};

	for (unsigned i = 0; i < count; i++)
		hnuma_nodeset_add(&set, list[i]);
	return set;
}

/* So many free huge pages on each of the nodes. */
static void give(const unsigned long *pages)
{
	for (unsigned i = 0; i < nr_nodes; i++)
		guest_give_pages(&nodes[i], 1, pages[i]);
}

/* Print the nodes of the pages in a row: "0 1 0 1". */
static void show(const char *what, const int *found, unsigned count)
{
	char text[8 * MAX_PAGES] = "";
	size_t length = 0;

	for (unsigned i = 0; i < count; i++)
		length += (size_t)snprintf(text + length, sizeof text - length, " %d", found[i]);
	guest_note("%s:%s", what, text);
}

static unsigned look_up(const void *base, size_t size, int *found)
{
	unsigned count = (unsigned)(size / GUEST_HUGEPAGE);

	if (count > MAX_PAGES)
		guest_die("%u pages are more than this program can look up", count);
	for (unsigned i = 0; i < count; i++)
		found[i] = guest_node_of_page((const char *)base + i * GUEST_HUGEPAGE);
	return count;
}

/* Does each page follow its predecessor in the order of the list, round and round? */
static void check_round(const int *list, unsigned length, const int *found, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		unsigned at = 0;

		while (at < length && list[at] != found[i])
			at++;
		if (!guest_check(at < length, "page %u is on node %d, not of the set", i, found[i]))
			return;
		if (i + 1 < count)
			guest_check(found[i + 1] == list[(at + 1) % length],
				    "page %u is on node %d, and then comes node %d", i, found[i],
				    found[i + 1]);
	}
}

/* Is what verify says what the kernel said? `is_here` tells of each node whether it was asked for. */
static void check_placement(const struct hnuma_region *region, const int *list, unsigned length,
			    const int *found, unsigned count)
{
	struct hnuma_placement placement;
	unsigned here = 0;

	for (unsigned i = 0; i < count; i++)
		for (unsigned at = 0; at < length; at++)
			here += found[i] == list[at];
	if (!guest_check(!hnuma_region_verify(region, &placement), "%s", hnuma_errormsg()))
		return;
	if (placement.page_size == GUEST_HUGEPAGE)
		guest_check(placement.pages_here == here &&
				    placement.pages_elsewhere == count - here &&
				    placement.pages_unknown == 0,
			    "verify says %llu here and %llu elsewhere, the kernel %u and %u",
			    (unsigned long long)placement.pages_here,
			    (unsigned long long)placement.pages_elsewhere, here, count - here);
}

static void interleave(const int *list, unsigned length, enum hnuma_backing least)
{
	struct hnuma_region_attr attr = HNUMA_REGION_ATTR_INIT;
	struct hnuma_region_info info;
	struct hnuma_region *region;
	struct guest_mapping mapping;
	int found[MAX_PAGES] = {0};
	unsigned count;

	guest_part("interleave over %u nodes from %d, backing %d", length, list[0], least);
	attr.policy = HNUMA_POLICY_INTERLEAVE;
	attr.nodes = set_of(list, length);
	attr.size = (3 * length + 1) * GUEST_HUGEPAGE;
	attr.least_backing = least;
	if (!guest_check(!hnuma_region_create(&region, topology, &attr), "%s", hnuma_errormsg()))
		return;
	count = look_up(hnuma_region_base(region), hnuma_region_size(region), found);
	show("pages", found, count);
	check_round(list, length, found, count);
	check_placement(region, list, length, found, count);
	guest_check(!hnuma_region_info(region, &info) && info.node == HNUMA_NODE_NONE,
		    "the region claims node %d", info.node);
	if (guest_check(guest_read_mapping(hnuma_region_base(region), &mapping), "not mapped"))
		guest_check(!strncmp(mapping.policy, "interleave", 10), "its policy is %s",
			    mapping.policy);
	guest_check(!hnuma_region_destroy(region), "%s", hnuma_errormsg());
}

static void interleave_arena(void)
{
	struct hnuma_arena_attr attr = HNUMA_ARENA_ATTR_INIT;
	struct hnuma_arena *arena;
	int found[MAX_PAGES] = {0};
	unsigned count;

	guest_part("an arena interleaved over all nodes");
	attr.policy = HNUMA_POLICY_INTERLEAVE;
	attr.capacity = 2 * nr_nodes * GUEST_HUGEPAGE;
	if (!guest_check(!hnuma_arena_create(&arena, topology, &attr), "%s", hnuma_errormsg()))
		return;
	count = look_up(hnuma_arena_base(arena), hnuma_arena_capacity(arena), found);
	show("pages", found, count);
	check_round(nodes, nr_nodes, found, count);
	guest_check(!hnuma_arena_destroy(arena), "%s", hnuma_errormsg());
}

/* A node of the set has no pages: whatever the kernel makes of that, the library must report it. */
static void interleave_with_a_gap(void)
{
	unsigned long pages[GUEST_MAX_NODES] = {0};
	struct hnuma_region_attr attr = HNUMA_REGION_ATTR_INIT;
	struct hnuma_region *region;
	int found[MAX_PAGES] = {0}, error;
	unsigned count;

	guest_part("interleave over nodes %d and %d, the second without huge pages", nodes[0],
		   nodes[1]);
	for (unsigned i = 0; i < nr_nodes; i++)
		pages[i] = i == 1 ? 0 : 16;
	give(pages);
	attr.policy = HNUMA_POLICY_INTERLEAVE;
	attr.nodes = set_of(nodes, 2);
	attr.size = 4 * GUEST_HUGEPAGE;
	attr.least_backing = HNUMA_BACKING_HUGETLB;
	error = hnuma_region_create(&region, topology, &attr);
	if (error) {
		guest_note("refused with %d: %s", error, hnuma_errormsg());
		guest_check(error == -ENOMEM || error == -EIO, "refused with %d", error);
	} else {
		count = look_up(hnuma_region_base(region), hnuma_region_size(region), found);
		show("pages", found, count);
		check_placement(region, nodes, 2, found, count);
		guest_check(!hnuma_region_destroy(region), "%s", hnuma_errormsg());
	}
	guest_check(guest_free_pages(nodes[0]) == 16, "pages are missing afterwards");
}

/* A preferred region of four pages on a node that has `available` of them. */
static void prefer(unsigned available)
{
	unsigned long pages[GUEST_MAX_NODES];
	struct hnuma_region_attr attr = HNUMA_REGION_ATTR_INIT;
	struct hnuma_region *region;
	int found[MAX_PAGES] = {0};
	unsigned count, here = 0;

	for (unsigned i = 0; i < nr_nodes; i++)
		pages[i] = 16;
	pages[1] = available;
	give(pages);
	guest_part("four pages, node %d preferred, which has %u", nodes[1], available);
	attr.policy = HNUMA_POLICY_PREFERRED;
	attr.node = nodes[1];
	attr.size = 4 * GUEST_HUGEPAGE;
	attr.least_backing = HNUMA_BACKING_HUGETLB;
	if (!guest_check(!hnuma_region_create(&region, topology, &attr), "%s", hnuma_errormsg()))
		return;
	count = look_up(hnuma_region_base(region), hnuma_region_size(region), found);
	show("pages", found, count);
	for (unsigned i = 0; i < count; i++)
		here += found[i] == nodes[1];
	guest_check(here == (available < 4 ? available : 4), "%u are there", here);
	check_placement(region, &nodes[1], 1, found, count);
	guest_check(!hnuma_region_destroy(region), "%s", hnuma_errormsg());
}

/* A thread on a CPU that has `home` for its nearest node, or false when there is none. */
static bool pin_near(int home)
{
	for (unsigned i = 0; i < machine.nr_cpus; i++)
		if (hnuma_topology_node_of_cpu(topology, machine.cpus[i]) == home)
			return !guest_pin(machine.cpus[i]);
	return false;
}

/* A preferring pool: an exhausted node borrows from the nearest that is not, and blocks go home. */
static void prefer_pool(void)
{
	struct hnuma_pool_attr attr = HNUMA_POOL_ATTR_INIT;
	struct hnuma_pool_class_stats of;
	struct hnuma_pool *pool;
	void *blocks[512];
	unsigned count = 0, abroad = 0;
	int home = nodes[0];

	guest_part("a preferring pool");
	guest_give_pages(nodes, nr_nodes, 16);
	if (!pin_near(home)) {
		guest_note("no CPU is near node %d: not shown here", home);
		return;
	}
	attr.policy = HNUMA_POLICY_PREFERRED;
	attr.buffers_per_class = 4;
	attr.nodes = set_of(nodes, nr_nodes);
	if (!guest_check(!hnuma_pool_create(&pool, topology, &attr), "%s", hnuma_errormsg()))
		return;
	while (count < 512 && (blocks[count] = hnuma_pool_acquire(pool, HNUMA_CLASS_256K))) {
		int node = hnuma_pool_node_of(pool, blocks[count]);

		guest_check(guest_node_of_page(blocks[count]) == node,
			    "a block of node %d is on %d", node, guest_node_of_page(blocks[count]));
		guest_check(node != home || !abroad, "node %d was not exhausted first", home);
		abroad += node != home;
		count++;
	}
	guest_note("%u blocks, %u of them from other nodes", count, abroad);
	guest_check(count >= 4 * nr_nodes && abroad && abroad < count, "%u blocks, %u abroad",
		    count, abroad);
	for (unsigned i = 0; i < count; i++)
		guest_check(!hnuma_pool_release(pool, blocks[i]), "%s", hnuma_errormsg());
	for (unsigned i = 0; i < nr_nodes; i++)
		guest_check(!hnuma_pool_class_stats(pool, nodes[i], HNUMA_CLASS_256K, &of) &&
				    of.in_use == 0 && of.free_buffers == of.total,
			    "node %d: not all are home", nodes[i]);
	guest_check(!hnuma_pool_check(pool), "%s", hnuma_errormsg());
	guest_check(!hnuma_pool_destroy(pool), "%s", hnuma_errormsg());
}

/* Linux 6.9 and newer: weights from /sys, here 1 for the first node and 3 for the second. */
static void weighted(void)
{
	static const char directory[] = "/sys/kernel/mm/mempolicy/weighted_interleave";
	unsigned long mask = 1UL << nodes[0] | 1UL << nodes[1];
	int found[MAX_PAGES] = {0};
	unsigned count, here[2] = {0, 0};
	char path[128];
	void *memory;
	int error;

	guest_part("weighted interleave on a bare mapping, 1 to 3");
	guest_give_pages(nodes, nr_nodes, 16);
	memory = mmap(NULL, 8 * GUEST_HUGEPAGE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (memory == MAP_FAILED)
		guest_die("mmap");
	error = guest_bind(memory, 8 * GUEST_HUGEPAGE, MPOL_WEIGHTED_INTERLEAVE, &mask);
	snprintf(path, sizeof path, "%s/node%d", directory, nodes[0]);
	if (error == -EINVAL && guest_write(path, "1") == -ENOENT) {
		guest_note("this kernel has none");
		munmap(memory, 8 * GUEST_HUGEPAGE);
		return;
	}
	guest_check(!error, "mbind: %d", error);
	guest_check(!guest_write(path, "1"), "%s", path);
	snprintf(path, sizeof path, "%s/node%d", directory, nodes[1]);
	guest_check(!guest_write(path, "3"), "%s", path);
	memset(memory, 1, 8 * GUEST_HUGEPAGE);
	count = look_up(memory, 8 * GUEST_HUGEPAGE, found);
	show("pages", found, count);
	for (unsigned i = 0; i < count; i++) {
		here[0] += found[i] == nodes[0];
		here[1] += found[i] == nodes[1];
	}
	guest_check(here[0] == 2 && here[1] == 6, "%u and %u pages", here[0], here[1]);
	munmap(memory, 8 * GUEST_HUGEPAGE);
}

int main(void)
{
	guest_read_machine(&machine);
	nr_nodes = guest_nodes_with_memory(&machine, nodes);
	if (nr_nodes < 2)
		guest_die("this wants two nodes with memory");
	topology = guest_topology();
	guest_give_pages(nodes, nr_nodes, 16);
	interleave(nodes, nr_nodes, HNUMA_BACKING_HUGETLB);
	for (unsigned i = 0; i + 1 < nr_nodes; i++)
		interleave(&nodes[i], 2, HNUMA_BACKING_HUGETLB);
	interleave(nodes, 1, HNUMA_BACKING_HUGETLB);
	interleave_arena();
	guest_give_pages(nodes, nr_nodes, 0);
	interleave(nodes, nr_nodes, HNUMA_BACKING_THP);
	interleave_with_a_gap();
	for (unsigned available = 0; available <= 5; available++)
		prefer(available);
	prefer_pool();
	weighted();
	guest_give_pages(nodes, nr_nodes, 0);
	hnuma_topology_destroy(topology);
	return guest_end();
}
