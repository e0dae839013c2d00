/* SPDX-License-Identifier: MIT */
/*
 * tests/guests/placement.c - does every page of every object lie on the node that was asked for?
 *
 * For every allowed node with memory: a region, an arena, a part of a pool, scratch spaces and a part
 * of a manager are made, filled, and looked up in /proc/self/numa_maps and with move_pages(), without
 * the library; what the library reports is then held against that. What backing is to be expected
 * follows from the node's free huge pages, so the program fits every guest. The threads that pass
 * blocks between nodes are in exchange.c.
 *
 * Calls the public headers, the C library, and through guest.h the kernel.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hugenuma.h>

#include "tests/guests/exchange.h"
#include "tests/guests/guest.h"

static struct guest_machine machine;
static struct hnuma_topology *topology;

/* How many blocks of each class a node's pool holds here: enough for a page of each. */
enum { BUFFERS = 8 };

static bool can_serve(const struct guest_node *node)
{
	return node->has_memory && node->is_allowed;
}

static bool serves_by_default(const struct guest_node *node)
{
	return can_serve(node) && node->has_cpus;
}

static struct hnuma_nodeset all_that_can(void)
{
	struct hnuma_nodeset set = {{0}};

	for (unsigned i = 0; i < machine.nr_nodes; i++)
		if (can_serve(&machine.nodes[i]))
			hnuma_nodeset_add(&set, machine.nodes[i].node);
	return set;
}

/* What the mapping's policy must read when it is bound to one node for good. */
static bool is_bound_to(const char *policy, int node)
{
	char wanted[64];

	snprintf(wanted, sizeof wanted, "bind=static:%d", node);
	return !strcmp(policy, wanted);
}

/*
 * Is all of [address, address + size) in one mapping that is bound to the node, present, and there?
 * hnuma's own word, `info` and `placement`, must agree.
 */
static void check_memory(const void *address, size_t size, int node,
			 const struct hnuma_region *region, enum hnuma_backing least)
{
	struct guest_mapping mapping;
	struct hnuma_region_info info;
	struct hnuma_placement placement;

	if (!guest_check(guest_read_mapping(address, &mapping), "%p is not mapped", address))
		return;
	guest_check((uintptr_t)address + size <= mapping.end, "the mapping ends before it");
	guest_check(is_bound_to(mapping.policy, node), "its policy is %s, not that of node %d",
		    mapping.policy, node);
	guest_check(mapping.bytes_present == mapping.end - mapping.start,
		    "%zu of %zu bytes are present", mapping.bytes_present,
		    (size_t)(mapping.end - mapping.start));
	guest_check(mapping.bytes_on[node] == mapping.bytes_present,
		    "%zu of %zu bytes are on node %d", mapping.bytes_on[node],
		    mapping.bytes_present, node);
	for (size_t at = 0; at < size; at += GUEST_HUGEPAGE) {
		int found = guest_node_of_page((const char *)address + at);

		guest_check(found == node, "the page at offset %zu is on node %d, not %d", at,
			    found, node);
	}

	if (!guest_check(!hnuma_region_info(region, &info), "%s", hnuma_errormsg()) ||
	    !guest_check(!hnuma_region_verify(region, &placement), "%s", hnuma_errormsg()))
		return;
	guest_check(info.node == node, "the library says node %d", info.node);
	guest_check(info.backing >= least, "backing %d is less than %d", info.backing, least);
	if (info.backing == HNUMA_BACKING_HUGETLB)
		guest_check(mapping.page_size == GUEST_HUGEPAGE &&
				    strstr(mapping.name, "hugenuma:"),
			    "hugetlb by its word, but pages of %zu in '%s'", mapping.page_size,
			    mapping.name);
	else if (info.backing == HNUMA_BACKING_THP)
		guest_check(mapping.huge_bytes == mapping.end - mapping.start,
			    "THP by its word, but %zu of %zu bytes are", mapping.huge_bytes,
			    (size_t)(mapping.end - mapping.start));
	else
		guest_check(mapping.huge_bytes == 0,
			    "base pages by its word, but %zu bytes are THP", mapping.huge_bytes);
	guest_check((info.backing == HNUMA_BACKING_HUGETLB) == (info.reason[0] == '\0'),
		    "backing %d, reason '%s'", info.backing, info.reason);
	guest_check(placement.pages_total > 0 && placement.pages_here == placement.pages_total,
		    "verify: %llu of %llu pages here", (unsigned long long)placement.pages_here,
		    (unsigned long long)placement.pages_total);
	guest_check(placement.page_size == info.page_size &&
			    placement.pages_total * placement.page_size ==
				    hnuma_region_size(region),
		    "verify: %llu pages of %zu for %zu bytes",
		    (unsigned long long)placement.pages_total, placement.page_size,
		    hnuma_region_size(region));
}

static void fill(void *address, size_t size, int value)
{
	memset(address, value, size);
	for (size_t i = 0; i < size; i += 4096)
		if (!guest_check(((unsigned char *)address)[i] == (unsigned char)value,
				 "byte %zu was not kept", i))
			return;
}

/* One region of so many pages, wanting at least `least`. */
static void place_region(const struct guest_node *node, size_t pages, enum hnuma_backing least)
{
	struct hnuma_region_attr attr = HNUMA_REGION_ATTR_INIT;
	bool has_pages = (size_t)guest_free_pages(node->node) >= pages;
	struct hnuma_region *region;
	struct guest_state before;
	int error;

	guest_part("node %d: region of %zu pages, backing %d at least", node->node, pages, least);
	attr.size = pages * GUEST_HUGEPAGE;
	attr.node = node->node;
	attr.least_backing = least;
	attr.name = "placement";
	guest_read_state(&before);
	error = hnuma_region_create(&region, topology, &attr);
	if (least == HNUMA_BACKING_HUGETLB && !has_pages) {
		guest_check(error == -ENOMEM && !region, "%d instead of -ENOMEM", error);
		guest_note("%s", hnuma_errormsg());
	} else if (guest_check(!error, "%s", hnuma_errormsg())) {
		struct hnuma_region_info info = {0};

		hnuma_region_info(region, &info);
		guest_check(!has_pages || info.backing == HNUMA_BACKING_HUGETLB,
			    "backing %d although there are pages: %s", info.backing, info.reason);
		fill(hnuma_region_base(region), hnuma_region_size(region), 0x5a);
		check_memory(hnuma_region_base(region), hnuma_region_size(region), node->node,
			     region, least);
		if (!has_pages)
			guest_note("backing %d: %s", info.backing, info.reason);
		guest_check(!hnuma_region_destroy(region), "%s", hnuma_errormsg());
	}
	guest_check_state(&before);
}

static void place_arena(const struct guest_node *node)
{
	struct hnuma_arena_attr attr = HNUMA_ARENA_ATTR_INIT;
	struct hnuma_arena *arena;
	struct hnuma_placement placement;
	unsigned char *memory;

	guest_part("node %d: arena", node->node);
	attr.capacity = 3 * GUEST_HUGEPAGE + 4096;
	attr.node = node->node;
	attr.least_backing = HNUMA_BACKING_BASE;
	if (!guest_check(!hnuma_arena_create(&arena, topology, &attr), "%s", hnuma_errormsg()))
		return;
	memory = hnuma_arena_alloc(arena, 1, hnuma_arena_capacity(arena));
	if (guest_check(memory, "the arena's whole capacity is refused")) {
		fill(memory, hnuma_arena_capacity(arena), 0x33);
		check_memory(memory, hnuma_arena_capacity(arena), node->node,
			     hnuma_arena_region(arena), HNUMA_BACKING_BASE);
	}
	guest_check(!hnuma_arena_verify(arena, &placement) && placement.pages_total &&
			    placement.pages_here == placement.pages_total,
		    "the arena's verify disagrees");
	guest_check(!hnuma_arena_destroy(arena), "%s", hnuma_errormsg());
}

/* All blocks of all classes that a node has: at home, and nowhere else. */
static void place_blocks(struct hnuma_pool *pool, int node)
{
	void *blocks[HNUMA_NR_CLASSES][BUFFERS];
	struct hnuma_placement placement;

	for (int class_index = 0; class_index < HNUMA_NR_CLASSES; class_index++)
		for (unsigned i = 0; i < BUFFERS; i++) {
			void *block = hnuma_pool_acquire_on(pool, node, class_index);

			blocks[class_index][i] = block;
			if (!guest_check(block, "block %u of class %d on node %d is refused", i,
					 class_index, node))
				continue;
			fill(block, hnuma_class_size(class_index), 0x10 * class_index + (int)i);
			guest_check(hnuma_pool_node_of(pool, block) == node,
				    "node_of says %d of a block of node %d",
				    hnuma_pool_node_of(pool, block), node);
			guest_check(guest_node_of_page(block) == node,
				    "a block of node %d is on %d", node, guest_node_of_page(block));
			if (i == 0)
				check_memory(block, hnuma_class_size(class_index), node,
					     hnuma_pool_region(pool, node), HNUMA_BACKING_BASE);
		}
	for (int class_index = 0; class_index < HNUMA_NR_CLASSES; class_index++)
		for (unsigned i = 0; i < BUFFERS; i++)
			if (blocks[class_index][i])
				guest_check(!hnuma_pool_release(pool, blocks[class_index][i]), "%s",
					    hnuma_errormsg());
	guest_check(!hnuma_pool_verify(pool, node, &placement) && placement.pages_total &&
			    placement.pages_here == placement.pages_total,
		    "the pool's verify of node %d disagrees", node);
	guest_check(!hnuma_pool_check(pool), "%s", hnuma_errormsg());
}

static void place_pool(void)
{
	struct hnuma_pool_attr attr = HNUMA_POOL_ATTR_INIT;
	struct hnuma_pool *pool;

	guest_part("pool over all nodes");
	attr.buffers_per_class = BUFFERS;
	attr.nodes = all_that_can();
	attr.least_backing = HNUMA_BACKING_BASE;
	if (!guest_check(!hnuma_pool_create(&pool, topology, &attr), "%s", hnuma_errormsg()))
		return;
	for (unsigned i = 0; i < machine.nr_nodes; i++) {
		const struct guest_node *node = &machine.nodes[i];

		if (can_serve(node)) {
			place_blocks(pool, node->node);
			continue;
		}
		errno = 0;
		guest_check(!hnuma_pool_acquire_on(pool, node->node, HNUMA_CLASS_4K) &&
				    errno == ENODEV,
			    "node %d, which cannot serve, answers %d", node->node, errno);
	}
	guest_check(!hnuma_pool_destroy(pool), "%s", hnuma_errormsg());
}

/* The space of every CPU, both ways to get it. */
static void place_spaces(struct hnuma_scratch *scratch, bool (*serves)(const struct guest_node *))
{
	for (unsigned i = 0; i < machine.nr_cpus; i++) {
		int cpu = machine.cpus[i];

		for (int is_pinned = 0; is_pinned < 2; is_pinned++) {
			struct hnuma_space *space;
			int node;

			if (is_pinned ? hnuma_scratch_pin(scratch, cpu) : guest_pin(cpu)) {
				guest_check(false, "CPU %d: %s", cpu, hnuma_errormsg());
				continue;
			}
			space = hnuma_scratch_acquire(scratch);
			if (!guest_check(space, "CPU %d gets no space", cpu))
				continue;
			node = hnuma_space_node(space);
			guest_check(guest_is_nearest(&machine, (int)i, node, serves),
				    "CPU %d of node %d has its space on node %d", cpu,
				    machine.nodes[machine.node_of[i]].node, node);
			fill(hnuma_space_base(space), hnuma_space_capacity(space), 0x77);
			check_memory(hnuma_space_base(space), hnuma_space_capacity(space), node,
				     hnuma_scratch_region(scratch, node), HNUMA_BACKING_BASE);
			guest_check(!hnuma_scratch_release(space), "%s", hnuma_errormsg());
			if (is_pinned)
				guest_check(!hnuma_scratch_unpin(scratch), "%s", hnuma_errormsg());
		}
	}
}

static void place_scratch(void)
{
	struct hnuma_scratch_attr attr = HNUMA_SCRATCH_ATTR_INIT;
	struct hnuma_scratch *scratch;

	guest_part("scratch");
	attr.least_backing = HNUMA_BACKING_BASE;
	if (!guest_check(!hnuma_scratch_create(&scratch, topology, &attr), "%s", hnuma_errormsg()))
		return;
	place_spaces(scratch, serves_by_default);
	guest_check(!hnuma_scratch_destroy(scratch), "%s", hnuma_errormsg());
}

/* Everything at once, on the default nodes or on all that can. */
static void place_manager(bool is_default)
{
	bool (*serves)(const struct guest_node *) = is_default ? serves_by_default : can_serve;
	struct hnuma_config config = HNUMA_CONFIG_INIT;
	struct hnuma_manager *manager;
	struct hnuma_placement placement;

	guest_part("manager on %s nodes", is_default ? "its default" : "all");
	config.arena_capacity = 2 * GUEST_HUGEPAGE;
	config.buffers_per_class = BUFFERS;
	config.least_backing = HNUMA_BACKING_BASE;
	if (!is_default)
		config.nodes = all_that_can();
	if (!guest_check(!hnuma_manager_create(&manager, topology, &config), "%s",
			 hnuma_errormsg()))
		return;
	for (unsigned i = 0; i < machine.nr_nodes; i++) {
		int node = machine.nodes[i].node;
		struct hnuma_arena *arena = hnuma_manager_arena(manager, node);
		void *memory;

		if (!guest_check(!arena == !serves(&machine.nodes[i]), "node %d is %sserved", node,
				 arena ? "" : "not ") ||
		    !arena)
			continue;
		memory = hnuma_arena_alloc(arena, 1, hnuma_arena_capacity(arena));
		if (guest_check(memory, "node %d: the arena's capacity is refused", node)) {
			fill(memory, hnuma_arena_capacity(arena), 0x44);
			check_memory(memory, hnuma_arena_capacity(arena), node,
				     hnuma_manager_region(manager, node), HNUMA_BACKING_BASE);
		}
		place_blocks(hnuma_manager_pool(manager), node);
	}
	place_spaces(hnuma_manager_scratch(manager), serves);
	guest_check(!hnuma_manager_verify(manager, &placement) && placement.pages_total &&
			    placement.pages_here == placement.pages_total,
		    "the manager's verify disagrees");
	guest_check(!hnuma_manager_destroy(manager), "%s", hnuma_errormsg());
}

/* The topology must say of each node what /sys says. */
static void compare_topology(void)
{
	guest_part("topology");
	guest_check(hnuma_topology_is_known(topology), "unknown, although /sys is there");
	guest_check(hnuma_topology_is_this_system(topology), "another machine's");
	for (unsigned i = 0; i < machine.nr_nodes; i++) {
		const struct guest_node *node = &machine.nodes[i];
		struct hnuma_node_info info;
		unsigned index = 0;

		while (!hnuma_topology_node_info(topology, index, &info) && info.node != node->node)
			index++;
		/* A node with neither CPUs nor memory may be left out. */
		if (index == hnuma_topology_nr_nodes(topology)) {
			guest_check(!node->has_memory && !node->has_cpus, "node %d is missing",
				    node->node);
			continue;
		}
		guest_check((info.kind == HNUMA_NODE_KIND_NORMAL ||
			     info.kind == HNUMA_NODE_KIND_NO_CPUS) == node->has_memory,
			    "node %d is of kind %d", node->node, info.kind);
		guest_check((info.kind == HNUMA_NODE_KIND_NORMAL ||
			     info.kind == HNUMA_NODE_KIND_NO_MEMORY) == node->has_cpus,
			    "node %d is of kind %d", node->node, info.kind);
		guest_check(!node->has_memory || info.is_allowed == node->is_allowed,
			    "node %d is %sallowed", node->node, info.is_allowed ? "" : "not ");
		guest_check(!node->is_allowed || info.hugepages_free == node->free_pages,
			    "node %d has %llu free pages, not %lu", node->node,
			    (unsigned long long)info.hugepages_free, node->free_pages);
		for (unsigned to = 0; to < machine.nr_nodes; to++)
			guest_check(hnuma_topology_distance(topology, node->node,
							    machine.nodes[to].node) ==
					    node->distance[to],
				    "from %d to %d is %d, not %d", node->node,
				    machine.nodes[to].node,
				    hnuma_topology_distance(topology, node->node,
							    machine.nodes[to].node),
				    node->distance[to]);
	}
	for (unsigned i = 0; i < machine.nr_cpus; i++) {
		int node = hnuma_topology_node_of_cpu(topology, machine.cpus[i]);

		guest_check(guest_is_nearest(&machine, (int)i, node, can_serve),
			    "CPU %d has node %d for its nearest", machine.cpus[i], node);
	}
}

static void show_machine(void)
{
	for (unsigned i = 0; i < machine.nr_nodes; i++) {
		const struct guest_node *node = &machine.nodes[i];

		guest_note("node %d:%s%s%s, %lu free huge pages", node->node,
			   node->has_memory ? " memory" : "", node->has_cpus ? " CPUs" : "",
			   node->is_allowed ? " allowed" : "", node->free_pages);
	}
}

int main(void)
{
	struct guest_state before;

	guest_read_machine(&machine);
	show_machine();
	guest_read_state(&before);
	topology = guest_topology();
	compare_topology();
	for (unsigned i = 0; i < machine.nr_nodes; i++) {
		const struct guest_node *node = &machine.nodes[i];

		if (!can_serve(node))
			continue;
		for (int least = HNUMA_BACKING_HUGETLB; least >= HNUMA_BACKING_BASE; least--) {
			place_region(node, 1, least);
			place_region(node, 9, least);
		}
		place_arena(node);
	}
	place_pool();
	place_scratch();
	place_manager(true);
	place_manager(false);
	exchange(&machine, topology, all_that_can());
	hnuma_topology_destroy(topology);
	guest_part("after all");
	guest_check_state(&before);
	return guest_end();
}
