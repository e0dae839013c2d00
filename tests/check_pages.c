/* SPDX-License-Identifier: MIT */
/*
 * tests/check_pages.c - hugetlb pages for a test program, given back however the program ends.
 *
 *	test program ---- socket ---- guardian
 *	     \________ lock file ________/
 *
 * Before the first page is reserved, the program forks a guardian that knows how many pages each
 * node had. The guardian does nothing but wait for its end of the socket to report that the program
 * is gone: because it says so at exit, or because a signal, a sanitizer or _exit() ended it. Then it
 * writes the old counts. Both hold the lock, so the next program starts from the old counts. Nothing
 * is left to atexit handlers or signal handlers, which a forked child would inherit and SIGKILL skip.
 *
 * Calls the C library only.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/check.h"
#include "tests/check_internal.h"

#define NODES_MAX	64
#define NODE_DIRECTORY	"/sys/devices/system/node"
#define PAGES_DIRECTORY "hugepages/hugepages-2048kB"

struct node {
	char directory[128]; /* of its 2 MB page counts */
	int node;
	long original; /* pages that it had when the lock was taken, surplus pages left out */
};

static struct node nodes[NODES_MAX];
static unsigned nr_nodes;
static int guardian = -1; /* our end of the socket */
static pid_t owner;	  /* who started the guardian: a forked child must not call it off */

static long read_count(const char *directory, const char *name)
{
	char path[192], text[32] = "";
	int fd;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	close(fd);
	return text[0] ? strtol(text, NULL, 10) : -1;
}

static bool write_count(const char *directory, const char *name, long count)
{
	char path[192], text[32];
	int fd, length;
	bool written;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	length = snprintf(text, sizeof(text), "%ld", count);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	written = write(fd, text, (size_t)length) == length;
	close(fd);
	return written;
}

/* Pages of the node's pool that are not surplus: what a write to nr_hugepages sets. */
static long persistent_pages(const struct node *node)
{
	long all = read_count(node->directory, "nr_hugepages");
	long surplus = read_count(node->directory, "surplus_hugepages");

	return all < 0 ? -1 : all - (surplus > 0 ? surplus : 0);
}

static bool has_memory(int node)
{
	char path[64];
	const char *total;

	snprintf(path, sizeof(path), NODE_DIRECTORY "/node%d/meminfo", node);
	total = strstr(check_read_file(path), "MemTotal:");
	return total && strtoul(total + strlen("MemTotal:"), NULL, 10) > 0;
}

static void add_node(int number, const char *directory)
{
	struct node *node = &nodes[nr_nodes];

	if (nr_nodes == NODES_MAX)
		return;
	snprintf(node->directory, sizeof(node->directory), "%s", directory);
	node->node = number;
	node->original = persistent_pages(node);
	nr_nodes += node->original >= 0;
}

static void find_nodes(void)
{
	char directory[128];

	nr_nodes = 0;
	for (int i = 0; i < 1024; i++) {
		snprintf(directory, sizeof(directory), NODE_DIRECTORY "/node%d/" PAGES_DIRECTORY,
			 i);
		if (access(directory, F_OK) == 0 && has_memory(i))
			add_node(i, directory);
	}
	if (access(NODE_DIRECTORY, F_OK) != 0)
		add_node(0, "/sys/kernel/mm/" PAGES_DIRECTORY);
}

static void restore(void)
{
	for (unsigned i = 0; i < nr_nodes; i++) {
		/* Memory that has been in use for a while may lie in pieces. */
		for (int try = 0; try < 3 && persistent_pages(&nodes[i]) != nodes[i].original;
		     try++) {
			if (try)
				write_count("/proc/sys/vm", "compact_memory", 1);
			write_count(nodes[i].directory, "nr_hugepages", nodes[i].original);
		}
	}
}

/* The guardian's life. Out of the terminal's and the harness's reach, it outlives the program. */
static void __attribute__((noreturn)) guard(int fd)
{
	sigset_t all;
	char byte;
	int null = open("/dev/null", O_RDWR);

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	setsid();
	for (int i = 0; i < 3 && null >= 0; i++)
		dup2(null, i);
	while (read(fd, &byte, 1) < 0 && errno == EINTR)
		;
	restore();
	_exit(0);
}

/* At a normal exit: the counts are back before the harness hears that we are done. */
static void dismiss_guardian(void)
{
	char byte;

	if (guardian < 0 || getpid() != owner)
		return;
	shutdown(guardian, SHUT_WR);
	while (read(guardian, &byte, 1) < 0 && errno == EINTR)
		;
}

/*
 * The guardian is a grandchild, so that a test that waits for any child does not meet it. Returns
 * whether there is one: without it nothing may be reserved.
 */
static bool start_guardian(void)
{
	int pair[2];
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return false;
	fflush(NULL);
	child = fork();
	if (child == 0) {
		if (fork() != 0)
			_exit(0);
		close(pair[0]);
		guard(pair[1]);
	}
	close(pair[1]);
	if (child < 0) {
		close(pair[0]);
		return false;
	}
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	guardian = pair[0];
	owner = getpid();
	atexit(dismiss_guardian);
	return true;
}

/*
 * The lock file belongs to whoever came first; others open it for reading only, which flock() does
 * not mind. O_CREAT on another user's file in /tmp is refused, so it is asked for only when missing.
 */
static int open_lock_file(void)
{
	const char *path = getenv("CHECK_LOCK");
	int fd;

	if (!path)
		path = "/tmp/hugenuma-check.lock";
	for (int i = 0; i < 10; i++) {
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0 && errno == ENOENT)
			fd = open(path, O_RDONLY | O_CLOEXEC | O_CREAT | O_EXCL, 0644);
		if (fd >= 0 || errno != EEXIST)
			break;
	}
	return fd;
}

void check_lock(void)
{
	static bool done;
	int fd;

	if (done)
		return;
	done = true;
	fd = open_lock_file();
	if (fd < 0) {
		printf("\n    no lock file (%m): other tests may change the page counts "
		       "meanwhile ");
	} else {
		/* Others may be before us, each with its own time limit. */
		alarm(6 * hnuma_check_timeout());
		while (flock(fd, LOCK_EX) < 0 && errno == EINTR)
			;
		alarm(hnuma_check_timeout());
	}
	find_nodes();
	for (unsigned i = 0; i < nr_nodes; i++) {
		char path[192];

		snprintf(path, sizeof(path), "%s/nr_hugepages", nodes[i].directory);
		if (access(path, W_OK) == 0) {
			start_guardian();
			break;
		}
	}
}

static long free_pages(const struct node *node)
{
	return read_count(node->directory, "free_hugepages");
}

/* Pages that are free, but promised to a mapping that has not touched them. Known machine-wide only. */
static long promised_pages(void)
{
	long reserved = read_count("/sys/kernel/mm/" PAGES_DIRECTORY, "resv_hugepages");

	return reserved > 0 ? reserved : 0;
}

/* Change a node's pool until `pages` of it are free; less is no failure of this function. */
static void set_free(const struct node *node, long pages)
{
	for (int try = 0; try < 3 && free_pages(node) != pages; try++) {
		/* Memory that has been in use for a while may lie in pieces. */
		if (try)
			write_count("/proc/sys/vm", "compact_memory", 1);
		write_count(node->directory, "nr_hugepages",
			    persistent_pages(node) - free_pages(node) + pages);
	}
}

static bool may_reserve(void)
{
	check_lock();
	if (guardian >= 0)
		return true;
	if (nr_nodes == 0)
		check_skip("this kernel has no 2 MB hugetlb pages");
	else
		check_skip("reserving huge pages is not permitted (run as root)");
	return false;
}

bool check_hugepages(size_t pages)
{
	bool enough = true;
	long wanted;

	check_lock();
	wanted = (long)pages + promised_pages();
	for (unsigned i = 0; i < nr_nodes; i++)
		enough = enough && free_pages(&nodes[i]) >= wanted;
	if (enough && nr_nodes)
		return true;
	if (!may_reserve())
		return false;
	for (unsigned i = 0; i < nr_nodes; i++) {
		if (free_pages(&nodes[i]) < wanted)
			set_free(&nodes[i], wanted);
		if (free_pages(&nodes[i]) < wanted) {
			check_skip("node %d has room for %ld huge pages, the test needs %ld",
				   nodes[i].node, free_pages(&nodes[i]), wanted);
			return false;
		}
	}
	return true;
}

bool check_hugepages_exactly(int node, size_t pages)
{
	if (!may_reserve())
		return false;
	for (unsigned i = 0; i < nr_nodes; i++) {
		if (nodes[i].node != node)
			continue;
		set_free(&nodes[i], (long)pages);
		if (free_pages(&nodes[i]) == (long)pages)
			return true;
		check_skip("node %d has %ld free huge pages (%ld promised to other programs), the "
			   "test needs exactly %zu",
			   node, free_pages(&nodes[i]), promised_pages(), pages);
		return false;
	}
	check_skip("there is no node %d with huge pages", node);
	return false;
}
