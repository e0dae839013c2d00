/* SPDX-License-Identifier: MIT */
/*
 * tests/guests/guest.h - what the guests' programs share: saying what was checked, and finding out
 * from the kernel, without the library, what nodes there are and where memory lies.
 *
 * Calls the C library and the kernel only, so that a mistake of the library cannot hide here: all but
 * guest_topology(), which is inline, as some of these programs are not linked with the library.
 */
#ifndef HUGENUMA_TESTS_GUEST_H
#define HUGENUMA_TESTS_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>

#include <hugenuma.h>

#define GUEST_MAX_NODES 64
#define GUEST_MAX_CPUS	256
#define GUEST_HUGEPAGE	((size_t)2 << 20)

/* The machine's topology. Where it cannot be made: print why, and exit with code 2. */
static inline struct hnuma_topology *guest_topology(void)
{
	struct hnuma_topology *topology;

	if (hnuma_topology_create(&topology)) {
		printf("no topology: %s\n", hnuma_errormsg());
		exit(2);
	}
	return topology;
}

/* Begin a part: its name is printed, and put before each failure that follows. */
void guest_part(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Print a fact that is worth reading in the log. */
void guest_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Unless the condition holds, count a failure and print the words. Returns the condition. Threads may
 * call it at the same time. */
bool guest_check(bool condition, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Print the sum and return main()'s exit code: 0, or 1 when a check failed. */
int guest_end(void);

/* What can not go wrong in a working guest: print the words with errno's, and exit with code 2. */
void guest_die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

struct guest_node {
	int node;
	bool has_memory;
	bool has_cpus; /* online ones, allowed or not */
	bool is_allowed;
	unsigned long free_pages;      /* 2 MB ones in the hugetlb pool */
	int distance[GUEST_MAX_NODES]; /* to nodes[i], in the order of this table */
};

struct guest_machine {
	unsigned nr_nodes; /* online ones, ascending */
	struct guest_node nodes[GUEST_MAX_NODES];
	unsigned nr_cpus; /* those that this thread may run on, ascending */
	int cpus[GUEST_MAX_CPUS];
	int node_of[GUEST_MAX_CPUS]; /* the node that a CPU is in: index into nodes */
};

/* Read /sys and /proc/self/status. */
void guest_read_machine(struct guest_machine *machine);
/* The numbers of the nodes that are allowed and have memory, ascending. Returns how many there are. */
unsigned guest_nodes_with_memory(const struct guest_machine *machine, int nodes[GUEST_MAX_NODES]);

/* Index of a node's number in the table, or -1. */
int guest_index(const struct guest_machine *machine, int node);

/* May `node` be named as the nearest of `allowed` nodes to a CPU? Of equally near ones each may. */
bool guest_is_nearest(const struct guest_machine *machine, int cpu_index, int node,
		      bool (*serves)(const struct guest_node *node));

/* What the kernel says in /proc/self/maps, numa_maps and smaps of the mapping around an address. */
struct guest_mapping {
	uintptr_t start, end;
	char name[128];			  /* "" for anonymous memory */
	char policy[128];		  /* "bind=static:1", "default", ... */
	size_t page_size;		  /* bytes */
	size_t huge_bytes;		  /* of transparent huge pages */
	size_t bytes_on[GUEST_MAX_NODES]; /* by node number */
	size_t bytes_present;
};

/* Returns false when there is no mapping, or the kernel does not tell. */
bool guest_read_mapping(const void *address, struct guest_mapping *mapping);

/*
 * The node of the page at an address by move_pages(), a negative errno when it is not known. Where that
 * call is refused, numa_maps is asked, which knows it when all of the mapping is on one node.
 */
int guest_node_of_page(const void *address);
/* By move_pages() alone. */
int guest_move_pages(const void *address);

/* Free 2 MB pages of the whole machine (node -1) or of one node; -1 when /sys does not tell. */
long guest_free_pages(int node);
/* Set the size of a node's hugetlb pool. Returns what it came to. */
long guest_set_pages(int node, unsigned long pages);
/* The same for some nodes, which must come to have so many. */
void guest_give_pages(const int *nodes, unsigned nr_nodes, unsigned long pages);

/* What must be the same afterwards. */
struct guest_state {
	long free_pages[GUEST_MAX_NODES]; /* by node number */
	long reserved, surplus;
	unsigned open_files;
	unsigned mappings;
	int policy;
	unsigned long mask[16];
};

void guest_read_state(struct guest_state *state);
void guest_check_state(const struct guest_state *before);
/* The same but for the huge pages, where others take and give them. */
void guest_check_own_state(const struct guest_state *before);

/*
 * Wait until a node has so many free huge pages and none is promised, for two seconds at most: a process's death
 * gives its pages back in a moment, and what was promised to it a moment later.
 */
void guest_await_pages(int node, long pages);

/*
 * Kill a child that leads a process group, and all in the group, and wait for all of them: none has memory
 * any more. A child that leads none is killed alone.
 */
void guest_end_group(pid_t leader);

/* Tie the calling thread to a CPU: 0 or a negative errno. */
int guest_pin(int cpu);

/* Write a text to a file: 0 or a negative errno. */
int guest_write(const char *path, const char *text);
/* Read the first line of a file, without its end: false when it cannot be read. */
bool guest_read_line(const char *path, char *line, size_t size);
/* Is a number in a list such as "0-2,5"? */
bool guest_is_in_list(const char *list, long number);

/* Run f(arg) in a child: its exit code, or minus the signal that ended it. After `seconds` it is
 * killed. */
int guest_in_child(int (*f)(void *arg), void *arg, unsigned seconds);

/* The kernel's calls that have no wrapper in the C library. 0 or a negative errno. */
int guest_set_policy(int mode, const unsigned long *mask);
int guest_bind(void *address, size_t size, int mode, const unsigned long *mask);

/*
 * From now on the kernel answers these calls with `action` (a SECCOMP_RET_ value), in this thread and
 * in all that it starts. 0 or a negative errno.
 */
int guest_deny(const long *calls, unsigned count, uint32_t action);
/* The same for mbind() and set_mempolicy(), which then kill the process. */
int guest_forbid_binding(void);

#endif
