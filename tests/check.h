/* SPDX-License-Identifier: MIT */
/*
 * tests/check.h - what every test program shares.
 *
 * One program per module: it fills a table of CUnit tests and calls check_main(). Programs wait for
 * each other, since they take and count the same huge pages, so `make -j check` is safe; what they
 * reserved is given back when they end, also by a signal.
 */
#ifndef HUGENUMA_TESTS_CHECK_H
#define HUGENUMA_TESTS_CHECK_H

#include <CUnit/CUnit.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct hnuma_topology;

/* Run the tests of one module. `tests` ends with CU_TEST_INFO_NULL. Returns main()'s exit code: 0, 1
 * for a failure; 77 (skipped) when every test was skipped. With CHECK_NO_SKIP=1 in the environment a
 * skipped test is a failure. */
int check_main(const char *module, CU_TestInfo *tests);

/*
 * This machine's topology, or what hwloc's environment describes, as hnuma_topology_create() makes it: for
 * what main() sets up before check_main(), which destroys it at its end. Called once. Where it cannot be
 * made, the program ends as failed, with the reason on standard error.
 */
struct hnuma_topology *check_topology(void);

/* The lowest CPU that the calling thread may run on. */
int check_allowed_cpu(void);

/* Keep the calling thread on the CPU that it is on, until the program ends. Returns the CPU's number. */
int check_stay(void);

/*
 * Wait until no other test program takes huge pages or changes the machine's counts of them, and keep
 * it so until this one ends. check_main() begins with it; a program that maps memory before that calls
 * it itself. Every descriptor that these helpers need is open afterwards. Cheap when done already.
 */
void check_lock(void);

/*
 * Have at least `pages` free 2 MB hugetlb pages on every node that has memory until the program
 * ends. Returns false, and marks the running test as skipped with the reason printed, when that
 * cannot be had (not root, no room).
 */
bool check_hugepages(size_t pages);

/* The same on one node, and exactly that many free. */
bool check_hugepages_exactly(int node, size_t pages);

/* Mark the running test as skipped; say why. Then return from the test. */
void check_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* What must be the same before and after a fault: see check_snapshot(). */
struct check_state {
	uint64_t free_pages, reserved_pages, surplus_pages; /* whole machine */
	uint64_t node_free[64];				    /* nodes 0..63 */
	unsigned open_files;
	unsigned mappings; /* lines of /proc/self/maps */
	int policy;	   /* of the thread, with its mask */
	unsigned long policy_mask[16];
	unsigned long affinity[64];
};

/* Note the state now. Call it once after the first allocation of any kind, so that libc is warm. */
void check_snapshot(struct check_state *state);

/* Compare with now: fails the running test, naming what differs. */
void check_unchanged(const struct check_state *before);

/*
 * Built for AddressSanitizer or ThreadSanitizer, or under Valgrind? Such a program has mappings of its
 * tool's, and a malloc() that does not survive a fork() of several threads.
 */
bool check_is_instrumented(void);

/*
 * How often to repeat: `rounds`; or, where time is dear (a sanitizer, an emulated machine), at least once
 * and a tenth of it where CHECK_SHORT is 1, a twentieth where it is 2, and so on.
 */
unsigned check_rounds(unsigned rounds);

/* The text of a whole small file, in a static buffer; "" when it cannot be read. */
const char *check_read_file(const char *path);

/* Write into a file that is there already, as those of a control group are. True: all was written. */
bool check_write_file(const char *directory, const char *file, const char *text);

/*
 * A node whose memory the cpuset lets this program use, the lowest one; 0 where the system does not
 * say. Asked of the system, not of the library.
 */
int check_home_node(void);

/*
 * Does the system tell of its nodes? Where it does not (/sys is missing), nothing is bound, and a page
 * may lie on any node. Asked of the system, not of the library.
 */
bool check_knows_nodes(void);

/* Does hnuma_errormsg() contain the words? Fails the running test, showing it, when not. */
void check_message(const char *words);

/* fork() from main()'s thread, for a child that ends with this program, however that ends. */
pid_t check_fork(void);

/* In a child process: run f, and return its exit code, or -signal. For what must not kill us. */
int check_in_child(void (*f)(void *arg), void *arg);

#endif
