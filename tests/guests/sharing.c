/* SPDX-License-Identifier: MIT */
/*
 * tests/guests/sharing.c - one memory in two processes, on each of several nodes.
 *
 * The first process makes a shared region on a node, the second gets its descriptor from a socket,
 * maps it, and each looks where the pages lie: with the library and without it. Wants at least two
 * allowed nodes with memory, and no huge page in use.
 *
 * Calls the public headers, the C library, and through guest.h the kernel.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <hugenuma.h>

#include "tests/guests/guest.h"
#include "tests/pass_fds.h"

enum { NR_PAGES = 4 };

static struct guest_machine machine;
static struct hnuma_topology *topology;
static unsigned nr_nodes;	   /* allowed, with memory */
static int nodes[GUEST_MAX_NODES]; /* their numbers, ascending */

static struct hnuma_region_attr make_attr(int node, enum hnuma_backing least)
{
	struct hnuma_region_attr attr = HNUMA_REGION_ATTR_INIT;

	attr.size = NR_PAGES * GUEST_HUGEPAGE;
	attr.node = node;
	attr.least_backing = least;
	attr.flags = HNUMA_SHARED;
	return attr;
}

/* Is each page on the node, by this process's page table and by what the library says here? */
static void check_places(const char *who, const struct hnuma_region *region, int node)
{
	char *base = hnuma_region_base(region);
	struct hnuma_placement placement;

	for (unsigned i = 0; i < NR_PAGES; i++)
		guest_check(guest_move_pages(base + i * GUEST_HUGEPAGE) == node,
			    "%s: page %u is on node %d", who, i,
			    guest_move_pages(base + i * GUEST_HUGEPAGE));
	guest_check(!hnuma_region_verify(region, &placement) &&
			    placement.pages_here == placement.pages_total,
		    "%s: %llu of %llu pages are here", who,
		    (unsigned long long)placement.pages_here,
		    (unsigned long long)placement.pages_total);
}

/* The second process. Returns its exit code. */
static int be_second(int socket, int node, int other_node, enum hnuma_backing least)
{
	struct hnuma_region_attr attr = make_attr(node, least);
	struct hnuma_region *region;
	int fd;

	if (take_fds(socket, &fd, 1) != 1)
		guest_die("receiving a descriptor");
	if (!guest_check(!hnuma_region_open(&region, topology, fd, &attr), "%s", hnuma_errormsg()))
		return guest_end();
	check_places("the second process", region, node);
	guest_check(!strcmp(hnuma_region_base(region), "written by the first"),
		    "the second process reads something else");
	strcpy(hnuma_region_base(region), "written by the second");
	guest_check(!hnuma_region_destroy(region), "%s", hnuma_errormsg());

	/* Who expects it on another node is told that it is not there, or is refused. */
	attr.node = other_node;
	guest_check(hnuma_region_open(&region, topology, fd, &attr) == -EIO,
		    "pages on node %d were taken for node %d's", node, other_node);
	attr.policy = HNUMA_POLICY_PREFERRED;
	if (guest_check(!hnuma_region_open(&region, topology, fd, &attr), "%s", hnuma_errormsg())) {
		struct hnuma_region_info info;
		struct hnuma_placement placement;

		guest_check(!hnuma_region_info(region, &info) && info.node == node,
			    "it claims node %d", info.node);
		guest_check(!hnuma_region_verify(region, &placement) &&
				    placement.pages_elsewhere == placement.pages_total,
			    "%llu pages are elsewhere",
			    (unsigned long long)placement.pages_elsewhere);
		guest_check(!hnuma_region_destroy(region), "%s", hnuma_errormsg());
	}
	close(fd);
	return guest_end();
}

static void share(int node, int other_node, enum hnuma_backing least)
{
	struct hnuma_region_attr attr = make_attr(node, least);
	struct hnuma_region *region;
	struct guest_state before;
	int sockets[2], status, fd;
	pid_t second;

	guest_part("shared on node %d, backing %d", node, (int)least);
	guest_read_state(&before);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets))
		guest_die("socketpair");
	fflush(stdout);
	/* Before the region is there, so that the socket brings all that it has. */
	second = fork();
	if (second < 0)
		guest_die("fork");
	if (second == 0) {
		status = be_second(sockets[1], node, other_node, least);
		fflush(stdout);
		_exit(status);
	}
	if (!guest_check(!hnuma_region_create(&region, topology, &attr), "%s", hnuma_errormsg()))
		guest_die("nothing to share");
	strcpy(hnuma_region_base(region), "written by the first");
	fd = hnuma_region_fd(region);
	if (!pass_fds(sockets[0], &fd, 1))
		guest_die("sending a descriptor");
	guest_check(waitpid(second, &status, 0) == second && status == 0,
		    "the second process ended with %d", status);
	guest_check(!strcmp(hnuma_region_base(region), "written by the second"),
		    "the first process reads something else");
	check_places("the first process", region, node);
	guest_check(!hnuma_region_destroy(region), "%s", hnuma_errormsg());
	close(sockets[0]);
	close(sockets[1]);
	guest_check_state(&before);
}

int main(void)
{
	guest_read_machine(&machine);
	nr_nodes = guest_nodes_with_memory(&machine, nodes);
	if (nr_nodes < 2)
		guest_die("this wants two nodes with memory");
	topology = guest_topology();
	guest_give_pages(nodes, nr_nodes, NR_PAGES);
	for (unsigned i = 0; i < nr_nodes; i++)
		share(nodes[i], nodes[(i + 1) % nr_nodes], HNUMA_BACKING_HUGETLB);
	guest_give_pages(nodes, nr_nodes, 0);
	for (unsigned i = 0; i < nr_nodes; i++)
		share(nodes[i], nodes[(i + 1) % nr_nodes], HNUMA_BACKING_BASE);
	hnuma_topology_destroy(topology);
	return guest_end();
}
