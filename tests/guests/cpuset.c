/* SPDX-License-Identifier: MIT */
/*
 * tests/guests/cpuset.c - a cpuset that allows some of the nodes, and then changes its mind.
 *
 *	cpuset FILE MEMS     FILE is the cpuset's mems file; MEMS is written to it later on
 *
 * Pitfalls 8 and 9: first what the kernel does, then what the library makes of it. Run inside the
 * cpuset, with write access to it. Calls the public headers, the C library, and through guest.h the
 * kernel.
 */
#include "config.h"

#include <errno.h>
#include <numaif.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <hugenuma.h>

#include "tests/guests/guest.h"

static struct guest_machine machine;
static struct hnuma_topology *topology;
static int inside = -1, inside_too = -1, outside = -1; /* nodes with memory */

static void *map(void)
{
	void *memory =
		mmap(NULL, 16 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		guest_die("mmap");
	return memory;
}

/* Pitfall 8: what is not allowed is left out without a word; an empty rest is EINVAL. */
static void masks_are_cut(void)
{
	unsigned long both = 1UL << inside | 1UL << outside, one = 1UL << outside;
	struct guest_mapping mapping;
	char *memory = map();
	char wanted[32];

	guest_part("pitfall 8: binding to nodes %d and %d", inside, outside);
	guest_check(!guest_bind(memory, 16 * 4096, MPOL_BIND, &both), "mbind refused");
	memset(memory, 1, 16 * 4096);
	snprintf(wanted, sizeof wanted, "bind:%d", inside);
	if (guest_check(guest_read_mapping(memory, &mapping), "not mapped"))
		guest_check(!strcmp(mapping.policy, wanted), "the policy became %s",
			    mapping.policy);
	guest_check(guest_bind(memory, 16 * 4096, MPOL_BIND, &one) == -EINVAL,
		    "binding to node %d alone is not EINVAL", outside);
	munmap(memory, 16 * 4096);
}

static void outside_is_refused(void)
{
	struct hnuma_region_attr attr = HNUMA_REGION_ATTR_INIT;
	struct hnuma_pool_attr pool_attr = HNUMA_POOL_ATTR_INIT;
	struct hnuma_config config = HNUMA_CONFIG_INIT;
	struct hnuma_region *region;
	struct hnuma_pool *pool;
	struct hnuma_manager *manager;
	struct guest_state before;
	int error;

	guest_part("node %d is outside of the cpuset", outside);
	guest_read_state(&before);
	attr.size = GUEST_HUGEPAGE;
	attr.node = outside;
	attr.least_backing = HNUMA_BACKING_BASE;
	error = hnuma_region_create(&region, topology, &attr);
	guest_check(error == -ENODEV && !region, "region: %d", error);
	guest_note("%s", hnuma_errormsg());
	guest_check(strstr(hnuma_errormsg(), "cpuset"), "the cause is not named");
	hnuma_nodeset_add(&pool_attr.nodes, inside);
	hnuma_nodeset_add(&pool_attr.nodes, outside);
	error = hnuma_pool_create(&pool, topology, &pool_attr);
	guest_check(error == -ENODEV && !pool, "pool: %d", error);
	config.nodes = pool_attr.nodes;
	error = hnuma_manager_create(&manager, topology, &config);
	guest_check(error == -ENODEV && !manager, "manager: %d", error);
	/* Interleaving over a forbidden node would be cut without a word. */
	attr.policy = HNUMA_POLICY_INTERLEAVE;
	attr.nodes = pool_attr.nodes;
	error = hnuma_region_create(&region, topology, &attr);
	guest_check(error == -ENODEV && !region, "interleaved region: %d", error);
	guest_check_state(&before);
}

/* What is made without naming nodes stays inside. */
static void defaults_stay_inside(void)
{
	struct hnuma_region_attr attr = HNUMA_REGION_ATTR_INIT;
	struct hnuma_region *region;
	struct hnuma_manager *manager;
	int error;

	guest_part("defaults");
	guest_check(!hnuma_manager_create(&manager, topology, NULL), "%s", hnuma_errormsg());
	if (manager) {
		for (unsigned i = 0; i < machine.nr_nodes; i++) {
			const struct guest_node *node = &machine.nodes[i];
			bool is_served = hnuma_manager_region(manager, node->node) != NULL;

			guest_check(!is_served || node->is_allowed, "node %d is served",
				    node->node);
		}
		guest_check(!hnuma_manager_destroy(manager), "%s", hnuma_errormsg());
	}
	attr.policy = HNUMA_POLICY_INTERLEAVE;
	attr.size = 6 * GUEST_HUGEPAGE;
	error = hnuma_region_create(&region, topology, &attr);
	if (!guest_check(!error, "%s", hnuma_errormsg()))
		return;
	for (unsigned i = 0; i < 6; i++) {
		int node =
			guest_node_of_page((char *)hnuma_region_base(region) + i * GUEST_HUGEPAGE);
		int index = guest_index(&machine, node);

		guest_check(index >= 0 && machine.nodes[index].is_allowed, "page %u is on node %d",
			    i, node);
	}
	guest_check(!hnuma_region_destroy(region), "%s", hnuma_errormsg());
}

static void compare(const struct hnuma_region *region, int node)
{
	struct hnuma_placement placement;
	unsigned long here = 0;

	if (!guest_check(!hnuma_region_verify(region, &placement), "%s", hnuma_errormsg()))
		return;
	for (uint64_t i = 0; i < placement.pages_total; i++)
		here += guest_node_of_page((char *)hnuma_region_base(region) +
					   i * placement.page_size) == node;
	guest_note("backing of %zu byte pages: %lu of %llu on node %d", placement.page_size, here,
		   (unsigned long long)placement.pages_total, node);
	guest_check(placement.pages_here == here &&
			    placement.pages_elsewhere == placement.pages_total - here,
		    "verify says %llu here and %llu elsewhere",
		    (unsigned long long)placement.pages_here,
		    (unsigned long long)placement.pages_elsewhere);
}

/* Pitfall 9: the cpuset loses a node on which regions are. */
static void lose_node(const char *file, const char *mems)
{
	struct hnuma_region_attr attr = HNUMA_REGION_ATTR_INIT;
	struct hnuma_region *regions[2];
	unsigned long mask = 1UL << inside;
	struct guest_mapping mapping;
	char *memory = map();
	char wanted[32];

	guest_part("pitfall 9: the cpuset's mems become %s", mems);
	guest_bind(memory, 16 * 4096, MPOL_BIND, &mask);
	memset(memory, 1, 16 * 4096);
	attr.size = 4 * GUEST_HUGEPAGE;
	attr.node = inside;
	for (unsigned i = 0; i < 2; i++) {
		attr.least_backing = i ? HNUMA_BACKING_THP : HNUMA_BACKING_HUGETLB;
		guest_set_pages(inside, i ? 4 : 8);
		if (hnuma_region_create(&regions[i], topology, &attr))
			guest_die("%s", hnuma_errormsg());
		memset(hnuma_region_base(regions[i]), 0x11, hnuma_region_size(regions[i]));
		compare(regions[i], inside);
	}
	guest_check(!guest_write(file, mems), "%s cannot be written", file);
	if (guest_check(guest_read_mapping(memory, &mapping), "not mapped")) {
		guest_note("a mapping bound without MPOL_F_STATIC_NODES now reads %s",
			   mapping.policy);
		snprintf(wanted, sizeof wanted, "bind:%d", inside);
		guest_check(strcmp(mapping.policy, wanted), "it was left alone");
	}
	for (unsigned i = 0; i < 2; i++) {
		if (guest_check(guest_read_mapping(hnuma_region_base(regions[i]), &mapping),
				"not mapped"))
			guest_note("a region now reads %s", mapping.policy);
		guest_check(!strncmp(mapping.policy, "bind=static", 11), "its policy is %s",
			    mapping.policy);
		compare(regions[i], inside);
		for (size_t at = 0; at < hnuma_region_size(regions[i]); at += 4096)
			if (!guest_check(((char *)hnuma_region_base(regions[i]))[at] == 0x11,
					 "the byte at %zu has changed", at))
				break;
		guest_check(!hnuma_region_destroy(regions[i]), "%s", hnuma_errormsg());
	}
	munmap(memory, 16 * 4096);
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: cpuset FILE MEMS\n");
		return 2;
	}
	guest_read_machine(&machine);
	for (unsigned i = 0; i < machine.nr_nodes; i++) {
		const struct guest_node *node = &machine.nodes[i];

		if (!node->has_memory)
			continue;
		if (!node->is_allowed)
			outside = node->node;
		else if (inside < 0)
			inside = node->node;
		else
			inside_too = node->node;
	}
	if (inside_too < 0 || outside < 0)
		guest_die("this wants two nodes inside and one outside of the cpuset");
	topology = guest_topology();
	masks_are_cut();
	outside_is_refused();
	defaults_stay_inside();
	lose_node(argv[1], argv[2]);
	hnuma_topology_destroy(topology);
	return guest_end();
}
