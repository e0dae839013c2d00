/* SPDX-License-Identifier: MIT */
/*
 * tests/guests/offline.c - memory is taken offline under a region.
 *
 * Pitfall 18: the kernel then moves the pages to another node and asks no policy. The region must stay
 * whole, and verify must tell. Wants a node with memory that can be taken offline, and huge pages to
 * spare on another.
 *
 * Calls the public headers, the C library, and through guest.h the kernel.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <hugenuma.h>

#include "tests/guests/guest.h"

static struct guest_machine machine;
static struct hnuma_topology *topology;
static unsigned long block_size; /* bytes of what the kernel takes offline at once */

/* The memory block that the page at an address lies in, by /proc/self/pagemap; -1 when unknown. */
static long block_of(const void *address)
{
	uint64_t entry = 0;
	off_t at = (off_t)((uintptr_t)address / 4096 * sizeof entry);
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	bool is_read = fd >= 0 && pread(fd, &entry, sizeof entry, at) == sizeof entry;

	if (fd >= 0)
		close(fd);
	if (!is_read || !(entry >> 63))
		return -1;
	return (long)((entry & ((1ULL << 55) - 1)) * 4096 / block_size);
}

static int set_block(long block, const char *state)
{
	char path[80];

	snprintf(path, sizeof path, "/sys/devices/system/memory/memory%ld/state", block);
	return guest_write(path, state);
}

/* Offlining can fail for a moment while somebody holds a page: try a few times. */
static int take_offline(long block)
{
	struct timespec pause = {0, 100000000};
	int error = 0;

	for (unsigned tries = 0; tries < 20; tries++) {
		error = set_block(block, "offline");
		if (!error)
			return 0;
		nanosleep(&pause, NULL);
	}
	return error;
}

static void write_pattern(unsigned char *base, size_t size)
{
	for (size_t i = 0; i < size; i += 8)
		*(uint64_t *)(base + i) = i * 0x9e3779b97f4a7c15ULL;
}

static bool has_pattern(const unsigned char *base, size_t size)
{
	for (size_t i = 0; i < size; i += 8)
		if (*(const uint64_t *)(base + i) != i * 0x9e3779b97f4a7c15ULL)
			return false;
	return true;
}

/* Verify against the kernel's word, page by page. Returns how many are elsewhere. */
static unsigned long compare(const struct hnuma_region *region, int node)
{
	const char *base = hnuma_region_base(region);
	struct hnuma_placement placement;
	unsigned long here = 0, elsewhere = 0;

	if (!guest_check(!hnuma_region_verify(region, &placement), "%s", hnuma_errormsg()))
		return 0;
	for (uint64_t i = 0; i < placement.pages_total; i++)
		*(guest_node_of_page(base + i * placement.page_size) == node ? &here
									     : &elsewhere) += 1;
	guest_check(placement.pages_here == here && placement.pages_elsewhere == elsewhere &&
			    placement.pages_unknown == 0,
		    "verify says %llu here, %llu elsewhere, %llu unknown; the kernel %lu and %lu",
		    (unsigned long long)placement.pages_here,
		    (unsigned long long)placement.pages_elsewhere,
		    (unsigned long long)placement.pages_unknown, here, elsewhere);
	guest_note("%lu pages of %zu bytes on node %d, %lu elsewhere", here, placement.page_size,
		   node, elsewhere);
	return elsewhere;
}

/* Take every block offline that the region's pages lie in. Returns how many went. */
static unsigned take_blocks(const struct hnuma_region *region, long *blocks, unsigned max)
{
	const char *base = hnuma_region_base(region);
	unsigned taken = 0;

	for (size_t at = 0; at < hnuma_region_size(region); at += GUEST_HUGEPAGE) {
		long block = block_of(base + at);
		bool is_known = block < 0;
		int error;

		for (unsigned i = 0; i < taken; i++)
			is_known |= blocks[i] == block;
		if (is_known || taken == max)
			continue;
		error = take_offline(block);
		guest_note("memory block %ld: %s", block, error ? strerror(-error) : "offline");
		if (!error)
			blocks[taken++] = block;
	}
	return taken;
}

/* Take the memory under a region offline, as far as the kernel lets it. Has a page come to another node? */
static bool lose_memory(int node, enum hnuma_backing least, size_t size)
{
	struct hnuma_region_attr attr = HNUMA_REGION_ATTR_INIT;
	struct hnuma_region_info info = {0};
	struct hnuma_region *region;
	unsigned char *base;
	long blocks[32];
	unsigned taken;
	bool has_moved;

	guest_part("node %d: backing %d, %zu MB", node, least, size >> 20);
	attr.size = size;
	attr.node = node;
	attr.least_backing = least;
	if (!guest_check(!hnuma_region_create(&region, topology, &attr), "%s", hnuma_errormsg()))
		return false;
	hnuma_region_info(region, &info);
	guest_check(info.backing == least, "backing %d", info.backing);
	base = hnuma_region_base(region);
	write_pattern(base, size);
	guest_check(compare(region, node) == 0, "pages are elsewhere from the start");
	taken = take_blocks(region, blocks, 32);
	guest_check(taken > 0, "no block under the region could be taken offline");
	guest_check(has_pattern(base, size), "the region's bytes have changed");
	has_moved = compare(region, node) > 0;
	for (unsigned i = 0; i < taken; i++)
		guest_check(!set_block(blocks[i], "online_movable"), "block %ld stays offline",
			    blocks[i]);
	guest_check(has_pattern(base, size), "the region's bytes have changed");
	guest_check(!hnuma_region_destroy(region), "%s", hnuma_errormsg());
	return has_moved;
}

int main(int argc, char **argv)
{
	int node = argc > 1 ? atoi(argv[1]) : 1;
	int other = -1;
	bool has_moved;
	char line[64];

	guest_read_machine(&machine);
	if (!guest_read_line("/sys/devices/system/memory/block_size_bytes", line, sizeof line))
		guest_die("the kernel cannot take memory offline");
	block_size = strtoul(line, NULL, 16);
	for (unsigned i = 0; i < machine.nr_nodes; i++)
		if (machine.nodes[i].node != node && machine.nodes[i].has_memory)
			other = machine.nodes[i].node;
	if (other < 0)
		guest_die("no other node has memory");
	topology = guest_topology();
	if (guest_set_pages(node, 16) != 16 || guest_set_pages(other, 32) != 32)
		guest_die("huge pages on nodes %d and %d", node, other);
	has_moved = lose_memory(node, HNUMA_BACKING_HUGETLB, 16 * GUEST_HUGEPAGE);
	guest_check(has_moved, "no huge page was moved: this shows nothing");
	guest_set_pages(node, 0);
	guest_set_pages(other, 0);
	/* A small region may fit into a block that the kernel keeps: larger ones do not. */
	has_moved = false;
	for (size_t size = 16 * GUEST_HUGEPAGE; size <= 128 * GUEST_HUGEPAGE && !has_moved;
	     size *= 2)
		has_moved = lose_memory(node, HNUMA_BACKING_THP, size);
	guest_check(has_moved, "no page was moved: this shows nothing");
	hnuma_topology_destroy(topology);
	return guest_end();
}
