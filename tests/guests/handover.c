/* SPDX-License-Identifier: MIT */
/*
 * tests/guests/handover.c - a manager over several nodes passes from a process that is killed to the
 * next one, with the blocks of each node.
 *
 * The first process makes a manager on all allowed nodes with memory, fills blocks on each, and sends its
 * descriptors through a socket. The second one adopts, and looks where the blocks lie: with the
 * library and without it. Wants at least two such nodes, and no huge page in use.
 *
 * Calls the public headers, the C library, and through guest.h the kernel.
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <hugenuma.h>

#include "tests/guests/guest.h"
#include "tests/pass_fds.h"

enum { NR_BLOCKS = 30 }; /* on each node */

static struct guest_machine machine;
static struct hnuma_topology *topology;
static unsigned nr_nodes;	   /* allowed, with memory */
static int nodes[GUEST_MAX_NODES]; /* their numbers, ascending */

/* What a block says of itself: no address. */
struct text {
	int node, number;
	enum hnuma_class class_index;
};

/* The first process: ends by a signal. */
static void be_first(int socket, enum hnuma_backing least)
{
	struct hnuma_config config = HNUMA_CONFIG_INIT;
	struct hnuma_manager *manager;
	int fds[GUEST_MAX_NODES], nr;

	config.arena_capacity = GUEST_HUGEPAGE;
	config.pool_bytes_per_node = 8 * GUEST_HUGEPAGE;
	config.least_backing = least;
	config.flags = HNUMA_SHARED;
	for (unsigned i = 0; i < nr_nodes; i++)
		hnuma_nodeset_add(&config.nodes, nodes[i]);
	if (hnuma_manager_create(&manager, topology, &config)) {
		printf("%s\n", hnuma_errormsg());
		guest_die("nothing to hand over");
	}
	for (int i = 0; i < NR_BLOCKS * (int)nr_nodes; i++) {
		struct text text = {nodes[i % (int)nr_nodes], i,
				    (enum hnuma_class)(i / (int)nr_nodes % HNUMA_NR_CLASSES)};
		void *block = hnuma_pool_acquire_on(hnuma_manager_pool(manager), text.node,
						    text.class_index);

		if (!block)
			guest_die("a block on node %d", text.node);
		memcpy(block, &text, sizeof(text));
	}
	nr = hnuma_manager_fds(manager, fds, GUEST_MAX_NODES);
	if (!pass_fds(socket, fds, (unsigned)nr))
		guest_die("sending descriptors");
	pause();
}

/* A block is what it says, and lies where it says. Returns its number. */
static int check_block(struct hnuma_pool *pool, const void *block)
{
	struct text text;

	memcpy(&text, block, sizeof(text));
	guest_check(hnuma_pool_node_of(pool, block) == text.node, "block %d of node %d is on %d",
		    text.number, text.node, hnuma_pool_node_of(pool, block));
	guest_check(guest_move_pages(block) == text.node, "block %d of node %d lies on %d",
		    text.number, text.node, guest_move_pages(block));
	guest_check(hnuma_pool_class_of(pool, block) == (int)text.class_index,
		    "block %d of class %d is of class %d", text.number, (int)text.class_index,
		    hnuma_pool_class_of(pool, block));
	return text.number;
}

static void look_at(struct hnuma_manager *manager)
{
	struct hnuma_pool *pool = hnuma_manager_pool(manager);
	bool is_there[NR_BLOCKS * GUEST_MAX_NODES] = {false};
	struct hnuma_placement placement;
	void *block = NULL;
	unsigned nr = 0;

	guest_check(!hnuma_manager_verify(manager, &placement) &&
			    placement.pages_here == placement.pages_total,
		    "%llu of %llu pages are on their nodes",
		    (unsigned long long)placement.pages_here,
		    (unsigned long long)placement.pages_total);
	guest_check(!hnuma_pool_check(pool), "%s", hnuma_errormsg());
	while ((block = hnuma_pool_walk(pool, block))) {
		int number = check_block(pool, block);

		if (guest_check(number >= 0 && number < NR_BLOCKS * (int)nr_nodes,
				"a block with the number %d", number))
			is_there[number] = true;
		guest_check(!hnuma_pool_release(pool, block), "%s", hnuma_errormsg());
		nr++;
	}
	guest_check(nr == NR_BLOCKS * nr_nodes, "%u blocks were out", nr);
	for (unsigned i = 0; i < NR_BLOCKS * nr_nodes; i++)
		guest_check(is_there[i], "block %u is not there", i);
	/* Blocks still come from the node that is asked. */
	for (unsigned i = 0; i < nr_nodes; i++) {
		block = hnuma_pool_acquire_on(pool, nodes[i], HNUMA_CLASS_256K);
		guest_check(block && guest_move_pages(block) == nodes[i],
			    "a new block of node %d is elsewhere", nodes[i]);
		hnuma_pool_release(pool, block);
	}
	guest_check(!hnuma_pool_check(pool), "%s", hnuma_errormsg());
}

static void refuse(const int *fds, unsigned nr, int error, const char *words)
{
	struct hnuma_manager *manager;

	guest_check(hnuma_manager_adopt(&manager, topology, fds, nr, NULL) == error &&
			    strstr(hnuma_errormsg(), words),
		    "not refused with \"%s\", but: %s", words, hnuma_errormsg());
}

static void hand_over(enum hnuma_backing least)
{
	int sockets[2], fds[GUEST_MAX_NODES + 1], status;
	struct hnuma_manager *manager;
	struct guest_state before;
	char words[64];
	pid_t first;

	guest_part("handed over, backing %d", (int)least);
	guest_read_state(&before);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets))
		guest_die("socketpair");
	fflush(stdout);
	first = fork();
	if (first < 0)
		guest_die("fork");
	if (first == 0)
		be_first(sockets[1], least);
	/* Else a first one that fails would be waited for for ever. */
	close(sockets[1]);
	guest_check(take_fds(sockets[0], fds, GUEST_MAX_NODES) == nr_nodes,
		    "not a descriptor for each node");
	refuse(fds, nr_nodes, -EBUSY, "owns");
	kill(first, SIGKILL);
	waitpid(first, &status, 0);

	for (unsigned i = 0; i < nr_nodes; i++) {
		int one = fds[i];

		fds[i] = fds[nr_nodes - 1];
		snprintf(words, sizeof(words), "that of node %d is missing", nodes[i]);
		refuse(fds, nr_nodes - 1, -ENOENT, words);
		fds[nr_nodes] = fds[i] = one;
		refuse(fds, nr_nodes + 1, -EINVAL, "the same region");
	}
	/* In another order than they came in. */
	for (unsigned i = 0; i < nr_nodes / 2; i++) {
		int one = fds[i];

		fds[i] = fds[nr_nodes - 1 - i];
		fds[nr_nodes - 1 - i] = one;
	}
	if (guest_check(!hnuma_manager_adopt(&manager, topology, fds, nr_nodes, NULL), "%s",
			hnuma_errormsg())) {
		look_at(manager);
		guest_check(!hnuma_manager_destroy(manager), "%s", hnuma_errormsg());
	}
	for (unsigned i = 0; i < nr_nodes; i++)
		close(fds[i]);
	close(sockets[0]);
	guest_check_state(&before);
}

int main(void)
{
	guest_read_machine(&machine);
	nr_nodes = guest_nodes_with_memory(&machine, nodes);
	if (nr_nodes < 2)
		guest_die("this wants two nodes with memory");
	topology = guest_topology();
	guest_give_pages(nodes, nr_nodes, 16);
	hand_over(HNUMA_BACKING_HUGETLB);
	guest_give_pages(nodes, nr_nodes, 0);
	hand_over(HNUMA_BACKING_BASE);
	hnuma_topology_destroy(topology);
	return guest_end();
}
