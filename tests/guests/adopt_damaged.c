/* SPDX-License-Identifier: MIT */
/*
 * tests/guests/adopt_damaged.c - a manager of which a page is damaged passes to the next process.
 *
 * The first process makes a manager on all nodes, fills blocks, damages a page of one node, and is
 * killed; or it has noticed before, and has retired the page. The second one adopts, and must find
 * every block of every other page, and learn which ones it has lost, without being sent SIGBUS. A page
 * that holds something else than blocks is refused. With huge pages, and with base pages.
 *
 * Wants a kernel with CONFIG_MEMORY_FAILURE (Debian's generic one). Calls the public headers, the C
 * library, and through guest.h the kernel.
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <hugenuma.h>

#include "tests/guests/guest.h"
#include "tests/pass_fds.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* Of 64 KB, on each node: three pages of them, of which the second one is damaged. */
enum { PER_PAGE = GUEST_HUGEPAGE / 65536, NR_BLOCKS = 2 * PER_PAGE + 10, POOL_PAGES = 4 };

enum what { BLOCKS, BLOCKS_RETIRED, BOOKS, ARENA };

static struct hnuma_topology *topology;
static unsigned nr_nodes;	   /* with memory */
static int nodes[GUEST_MAX_NODES]; /* their numbers, ascending */
static int damaged_node;	   /* the last of them */

/* What the first process tells of each node. */
struct account {
	size_t offsets[NR_BLOCKS]; /* in the node's region */
	size_t damaged;		   /* the page's offset; only on damaged_node */
};

static unsigned char byte_of(int i)
{
	return (unsigned char)(0x20 + i);
}

static void *page_of(void *address)
{
	return (void *)((uintptr_t)address & ~(uintptr_t)(GUEST_HUGEPAGE - 1));
}

static void fill(struct hnuma_manager *manager, int node, struct account *account, void **blocks)
{
	struct hnuma_pool *pool = hnuma_manager_pool(manager);

	for (int i = 0; i < NR_BLOCKS; i++) {
		blocks[i] = hnuma_pool_acquire_on(pool, node, HNUMA_CLASS_64K);
		if (!blocks[i] || hnuma_region_offset(hnuma_manager_region(manager, node),
						      blocks[i], &account->offsets[i]))
			guest_die("a block on node %d", node);
		memset(blocks[i], byte_of(i), 65536);
	}
}

/* The page that is to be damaged. */
static void *target(struct hnuma_manager *manager, enum what what, void *block)
{
	switch (what) {
	case BOOKS:
		return hnuma_region_base(hnuma_manager_region(manager, damaged_node));
	case ARENA:
		return hnuma_arena_base(hnuma_manager_arena(manager, damaged_node));
	default:
		return page_of(block);
	}
}

/* The first process: ends by a signal. Of base pages a single one is damaged, in the middle of the 2 MB. */
static void be_first(int socket, enum hnuma_backing least, enum what what)
{
	struct hnuma_config config = HNUMA_CONFIG_INIT;
	static struct account account;
	void *blocks[NR_BLOCKS], *page;
	struct hnuma_manager *manager;
	int fds[GUEST_MAX_NODES], nr;

	config.arena_capacity = GUEST_HUGEPAGE;
	config.pool_bytes_per_node = POOL_PAGES * GUEST_HUGEPAGE;
	config.buffers_per_class = NR_BLOCKS;
	config.least_backing = least;
	config.flags = HNUMA_SHARED;
	for (unsigned i = 0; i < nr_nodes; i++)
		hnuma_nodeset_add(&config.nodes, nodes[i]);
	if (hnuma_manager_create(&manager, topology, &config)) {
		printf("%s\n", hnuma_errormsg());
		guest_die("nothing to hand over");
	}
	nr = hnuma_manager_fds(manager, fds, GUEST_MAX_NODES);
	if (!pass_fds(socket, fds, (unsigned)nr))
		guest_die("sending descriptors");
	for (unsigned i = 0; i < nr_nodes; i++) {
		fill(manager, nodes[i], &account, blocks);
		if (nodes[i] == damaged_node) {
			page = target(manager, what, blocks[PER_PAGE + 5]);
			hnuma_region_offset(hnuma_manager_region(manager, damaged_node), page,
					    &account.damaged);
			if (madvise(least == HNUMA_BACKING_HUGETLB ? page
								   : (char *)page + 256 * 4096,
				    least == HNUMA_BACKING_HUGETLB ? GUEST_HUGEPAGE : 4096,
				    MADV_HWPOISON))
				guest_die("MADV_HWPOISON");
			if (what == BLOCKS_RETIRED &&
			    hnuma_pool_retire(hnuma_manager_pool(manager), page))
				guest_die("retiring: %s", hnuma_errormsg());
		}
		if (write(socket, &account, sizeof(account)) != (ssize_t)sizeof(account))
			guest_die("telling of node %d", nodes[i]);
	}
	pause();
}

/* What the kernel says of the damaged page to somebody who maps the file anew. */
static void note_kernel(int fd, const struct account *account)
{
	unsigned char *page = mmap(NULL, GUEST_HUGEPAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
				   (off_t)account->damaged);
	unsigned char byte, resident = 0;
	int populated;
	ssize_t nr;

	if (page == MAP_FAILED)
		guest_die("mapping the damaged page");
	populated = madvise(page, GUEST_HUGEPAGE, MADV_POPULATE_WRITE) ? errno : 0;
	mincore(page, 4096, &resident);
	nr = pread(fd, &byte, 1, (off_t)account->damaged);
	guest_note("populating it: %s; pread() of it: %s; mincore() %d; move_pages() %d",
		   strerror(populated), nr < 0 ? strerror(errno) : "works", resident & 1,
		   guest_move_pages(page));
	guest_check(populated == EHWPOISON, "populating the page: %s", strerror(populated));
	munmap(page, GUEST_HUGEPAGE);
}

/* A block is met by the walk that it should be met by, and what can be touched is touched. */
static void check_block(struct hnuma_manager *manager, int node, const struct account *account,
			int i, bool is_lost)
{
	const struct hnuma_region *region = hnuma_manager_region(manager, node);
	struct hnuma_pool *pool = hnuma_manager_pool(manager);
	unsigned char *wanted = (unsigned char *)hnuma_region_base(region) + account->offsets[i];
	void *sound = NULL, *retired = NULL;

	while ((sound = hnuma_pool_walk(pool, sound)) && sound != wanted)
		;
	while ((retired = hnuma_pool_walk_retired(pool, retired)) && retired != wanted)
		;
	guest_check(!sound == is_lost && !retired == !is_lost,
		    "block %d of node %d is %smet, %samong the retired", i, node,
		    sound ? "" : "not ", retired ? "" : "not ");
	if (sound)
		guest_check(wanted[0] == byte_of(i) && memcmp(wanted, wanted + 1, 65535) == 0,
			    "block %d of node %d has other bytes", i, node);
	guest_check(!hnuma_pool_release(pool, wanted), "%s", hnuma_errormsg());
}

/* Everything that can be had is written to. */
static void use_all(struct hnuma_pool *pool, int node, unsigned expected)
{
	static void *blocks[POOL_PAGES * PER_PAGE];
	unsigned n = 0;

	while (n < POOL_PAGES * PER_PAGE &&
	       (blocks[n] = hnuma_pool_acquire_on(pool, node, HNUMA_CLASS_64K)))
		memset(blocks[n++], 9, 65536);
	guest_check(n == expected, "node %d has %u blocks, not %u", node, n, expected);
	while (n-- > 0)
		guest_check(!hnuma_pool_release(pool, blocks[n]), "%s", hnuma_errormsg());
}

static void look_at(struct hnuma_manager *manager, const struct account *accounts)
{
	struct hnuma_pool *pool = hnuma_manager_pool(manager);
	struct hnuma_placement placement;
	struct hnuma_pool_stats stats;

	guest_check(!hnuma_pool_check(pool), "%s", hnuma_errormsg());
	guest_check(!hnuma_manager_verify(manager, &placement) && placement.pages_elsewhere == 0 &&
			    placement.pages_unknown > 0 &&
			    placement.pages_unknown * placement.page_size <= GUEST_HUGEPAGE,
		    "%llu pages of %zu bytes are unknown, %llu elsewhere",
		    (unsigned long long)placement.pages_unknown, placement.page_size,
		    (unsigned long long)placement.pages_elsewhere);
	for (unsigned n = 0; n < nr_nodes; n++)
		for (int i = 0; i < NR_BLOCKS; i++)
			check_block(manager, nodes[n], &accounts[n], i,
				    nodes[n] == damaged_node &&
					    accounts[n].offsets[i] - accounts[n].damaged <
						    GUEST_HUGEPAGE);
	guest_check(!hnuma_pool_stats(pool, &stats) && stats.lost_pages == 1 &&
			    stats.lost_buffers == PER_PAGE,
		    "%llu pages and %llu blocks are lost", (unsigned long long)stats.lost_pages,
		    (unsigned long long)stats.lost_buffers);
	for (unsigned n = 0; n < nr_nodes; n++)
		use_all(pool, nodes[n], (POOL_PAGES - (nodes[n] == damaged_node)) * PER_PAGE);
	guest_check(!hnuma_pool_check(pool), "%s", hnuma_errormsg());
}

/* Pages that the kernel has taken away for good, of the pool of huge pages. */
static void check_pages(enum hnuma_backing least, const long *before)
{
	for (unsigned i = 0; i < nr_nodes; i++) {
		long lost = least == HNUMA_BACKING_HUGETLB && nodes[i] == damaged_node;

		guest_check(guest_free_pages(nodes[i]) == before[i] - lost,
			    "node %d has %ld free pages, not %ld", nodes[i],
			    guest_free_pages(nodes[i]), before[i] - lost);
	}
}

static void hand_over(enum hnuma_backing least, enum what what, const char *words)
{
	int sockets[2], fds[GUEST_MAX_NODES], status;
	static struct account accounts[GUEST_MAX_NODES];
	struct hnuma_manager *manager;
	long before[GUEST_MAX_NODES];
	pid_t first;

	guest_part("backing %d, damaged: %d", (int)least, (int)what);
	/* Damaged ones stay in the count of a node's huge pages, but are not free. */
	for (unsigned i = 0; i < nr_nodes; i++) {
		guest_set_pages(nodes[i], 0);
		if (least == HNUMA_BACKING_HUGETLB)
			guest_give_pages(&nodes[i], 1, 12);
		before[i] = guest_free_pages(nodes[i]);
	}
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets))
		guest_die("socketpair");
	fflush(stdout);
	first = fork();
	if (first < 0)
		guest_die("fork");
	if (first == 0)
		be_first(sockets[1], least, what);
	close(sockets[1]);
	guest_check(take_fds(sockets[0], fds, GUEST_MAX_NODES) == nr_nodes,
		    "not a descriptor for each node");
	for (unsigned i = 0; i < nr_nodes; i++)
		if (recv(sockets[0], &accounts[i], sizeof(*accounts), MSG_WAITALL) !=
		    (ssize_t)sizeof(*accounts))
			guest_die("no account of node %d", nodes[i]);
	kill(first, SIGKILL);
	waitpid(first, &status, 0);
	note_kernel(fds[nr_nodes - 1], &accounts[nr_nodes - 1]);

	status = hnuma_manager_adopt(&manager, topology, fds, nr_nodes, NULL);
	if (words) {
		guest_check(status == -EIO && strstr(hnuma_errormsg(), words),
			    "not refused with \"%s\", but %d: %s", words, status, hnuma_errormsg());
		guest_note("%s", hnuma_errormsg());
	} else if (guest_check(status == 0, "%s", hnuma_errormsg())) {
		look_at(manager, accounts);
		guest_check(!hnuma_manager_destroy(manager), "%s", hnuma_errormsg());
	}
	for (unsigned i = 0; i < nr_nodes; i++)
		close(fds[i]);
	close(sockets[0]);
	check_pages(least, before);
}

int main(void)
{
	static struct guest_machine machine;

	guest_read_machine(&machine);
	nr_nodes = guest_nodes_with_memory(&machine, nodes);
	if (nr_nodes == 0)
		guest_die("no node has memory");
	damaged_node = nodes[nr_nodes - 1];
	topology = guest_topology();
	hand_over(HNUMA_BACKING_HUGETLB, BLOCKS, NULL);
	hand_over(HNUMA_BACKING_HUGETLB, BLOCKS_RETIRED, NULL);
	hand_over(HNUMA_BACKING_HUGETLB, BOOKS, "first page has a memory error");
	hand_over(HNUMA_BACKING_HUGETLB, ARENA, "hold the arena");
	hand_over(HNUMA_BACKING_BASE, BLOCKS, NULL);
	hand_over(HNUMA_BACKING_BASE, BOOKS, "hold the pool's books");
	hnuma_topology_destroy(topology);
	return guest_end();
}
