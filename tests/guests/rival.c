/* SPDX-License-Identifier: MIT */
/*
 * tests/guests/rival.c - see rival.h. Calls the C library and, also through guest.h, the kernel.
 */
#include "config.h"

#include <numaif.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/guests/guest.h"
#include "tests/guests/rival.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

enum { MAX_BLOCKS = 4096, BLOCK_KB = 2048, LEAST_KB = 64 };

/* The number behind a key in a file of one pair a line, 0 when it is not there. */
static unsigned long read_pair(const char *path, const char *key)
{
	FILE *file = fopen(path, "re");
	char word[64];
	unsigned long number, found = 0;

	while (file && fscanf(file, "%63s %lu", word, &number) == 2)
		if (!strcmp(word, key))
			found = number;
	if (file)
		fclose(file);
	return found;
}

unsigned long rival_nr_killed(void)
{
	return read_pair("/proc/vmstat", "oom_kill");
}

/* The largest number of "(0, 12, 34)". */
static unsigned long largest_of(const char *list)
{
	unsigned long largest = 0, number;

	for (; *list; list += strspn(list, "(, \n")) {
		char *end;

		number = strtoul(list, &end, 10);
		if (end == list && !strspn(list, "(, \n"))
			break;
		if (number > largest)
			largest = number;
		list = end;
	}
	return largest;
}

/* The group that is filled, if it is not the nodes. */
static const char *group;

void rival_confine(const char *directory)
{
	group = directory;
}

static unsigned long read_of_group(const char *name)
{
	char path[256], text[32];

	snprintf(path, sizeof path, "%s/%s", group, name);
	if (!guest_read_line(path, text, sizeof text))
		guest_die("%s", path);
	return strtoul(text, NULL, 10);
}

static size_t room_of_group_kb(void)
{
	unsigned long limit = read_of_group("memory.max"), usage = read_of_group("memory.current");

	return usage < limit ? (limit - usage) / 1024 : 0;
}

static size_t room_of_node_kb(int node)
{
	FILE *file = fopen("/proc/zoneinfo", "re");
	unsigned long free = 0, min = 0, pages = 0, protection;
	char line[256];
	int of_node = -1;

	while (file && fgets(line, sizeof line, file)) {
		sscanf(line, "Node %d, zone", &of_node);
		sscanf(line, " pages free %lu", &free);
		sscanf(line, " min %lu", &min);
		if (of_node != node || !strstr(line, "protection: "))
			continue;
		protection = largest_of(strchr(line, '('));
		if (free > min + protection)
			pages += free - min - protection;
		free = min = 0;
	}
	if (file)
		fclose(file);
	return pages * (size_t)sysconf(_SC_PAGESIZE) / 1024;
}

size_t rival_room_kb(int node)
{
	return group ? room_of_group_kb() : room_of_node_kb(node);
}

/* What this process has. */
static struct {
	char *address;
	size_t size;
	bool is_huge;
} blocks[MAX_BLOCKS];
static unsigned nr_blocks;

static bool take(int node, size_t size, bool is_huge)
{
	const unsigned long mask = 1UL << node;
	const int flags = is_huge ? MAP_HUGETLB : MAP_NORESERVE;
	char *address;

	if (nr_blocks == MAX_BLOCKS)
		return false;
	address = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1,
		       0);
	if (address == MAP_FAILED)
		return false;
	if ((node >= 0 && guest_bind(address, size, MPOL_BIND, &mask)) ||
	    (!is_huge && madvise(address, size, MADV_NOHUGEPAGE)) ||
	    madvise(address, size, MADV_POPULATE_WRITE)) {
		munmap(address, size);
		return false;
	}
	blocks[nr_blocks].address = address;
	blocks[nr_blocks].size = size;
	blocks[nr_blocks++].is_huge = is_huge;
	return true;
}

static void give_back(unsigned nr)
{
	while (nr-- && nr_blocks) {
		unsigned which = (unsigned)rand() % nr_blocks;

		munmap(blocks[which].address, blocks[which].size);
		blocks[which] = blocks[--nr_blocks];
	}
}

/* The nearer to the end, the smaller the steps. */
static void fill(int node, size_t left_kb)
{
	size_t room;

	while ((room = rival_room_kb(node)) >= left_kb + LEAST_KB) {
		size_t step = (room - left_kb) / 2 > BLOCK_KB ? BLOCK_KB : LEAST_KB;

		if (!take(node, step * 1024, false))
			return;
	}
}

static void run(const int *nodes, unsigned nr_nodes, int answers)
{
	for (unsigned i = 0; i < nr_nodes; i++)
		fill(nodes[i], 4096);
	if (write(answers, "", 1) != 1)
		return;
	for (;;) {
		int node = nodes[(unsigned)rand() % nr_nodes];

		give_back((unsigned)rand() % 16);
		take(node, (size_t)(1 + rand() % 6) * GUEST_HUGEPAGE, true);
		usleep((useconds_t)(rand() % 20000));
		fill(node, (size_t)(rand() % 16) * 1024);
	}
}

/* A process that ends with its parent. Returns 0 in it. */
static pid_t start(void)
{
	pid_t parent = getpid(), process;

	fflush(stdout);
	process = fork();
	if (process < 0)
		guest_die("fork");
	if (process)
		return process;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	prctl(PR_SET_NAME, "rival");
	guest_write("/proc/self/oom_score_adj", "1000");
	return 0;
}

/* Read the one word that a rival says: that it has what it wanted. */
static void await_answer(int answers[2])
{
	char answer;

	close(answers[1]);
	if (read(answers[0], &answer, 1) != 1)
		guest_die("a rival has ended before it had what it wanted");
	close(answers[0]);
}

/* One that has huge pages of a node, or else has filled it. */
static pid_t start_with(int node, unsigned long pages, size_t left_kb)
{
	int answers[2];
	pid_t rival;

	if (pipe(answers))
		guest_die("pipe");
	rival = start();
	if (!rival) {
		if (pages)
			take(node, pages * GUEST_HUGEPAGE, true);
		else
			fill(node, left_kb);
		if (write(answers[1], "", 1) == 1)
			for (;;)
				pause();
		_exit(0);
	}
	await_answer(answers);
	return rival;
}

pid_t rival_fill(int node, size_t left_kb)
{
	return start_with(node, 0, left_kb);
}

pid_t rival_take_pages(int node, unsigned long pages)
{
	return start_with(node, pages, 0);
}

pid_t rival_run(const int *nodes, unsigned nr_nodes)
{
	int answers[2];
	pid_t keeper;

	if (pipe(answers))
		guest_die("pipe");
	keeper = start();
	if (keeper) {
		await_answer(answers);
		return keeper;
	}
	setpgid(0, 0);
	/* This one has nothing that would be worth killing it for. */
	guest_write("/proc/self/oom_score_adj", "-1000");
	for (unsigned seed = 0;; seed++) {
		pid_t rival = start();

		if (!rival) {
			srand(seed);
			run(nodes, nr_nodes, answers[1]);
			_exit(1);
		}
		waitpid(rival, NULL, 0);
	}
}

void rival_end(pid_t rival)
{
	guest_end_group(rival);
}
