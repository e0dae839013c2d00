/* SPDX-License-Identifier: MIT */
/*
 * tests/test_exhaustion.c - a region where something really runs out: pages that another process takes,
 * mappings, memory of a control group, memory that may be locked. An error or success, never a signal.
 *
 * Limits on huge pages and on addresses are in test_region_limits.c.
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <hugenuma.h>

#include "tests/check.h"

#define PAGE HNUMA_HUGEPAGE
#define MB   ((size_t)1024 * 1024)

/* A limit on mappings that is worth reaching: each of them takes memory of the kernel's. */
#define MAPPINGS_MAX ((size_t)2 * 1024 * 1024)

static struct hnuma_topology *topology;

/* The node that is asked for. */
static int home;

static int create(struct hnuma_region **region, size_t size, enum hnuma_backing least)
{
	struct hnuma_region_attr attr = HNUMA_REGION_ATTR_INIT;
	int error;

	attr.size = size;
	attr.node = home;
	attr.least_backing = least;
	error = hnuma_region_create(region, topology, &attr);
	CU_ASSERT_EQUAL(error != 0, *region == NULL);
	return error;
}

/*
 * Row 8: takes the pages and gives them back as fast as it can, until it is killed. Those of the same
 * node, on whatever CPU it is (which a filter may refuse, and one node makes needless).
 */
static void __attribute__((noreturn)) compete(void)
{
	unsigned long nodes[16] = {0};

	nodes[home / 64] = 1ul << home % 64;
	syscall(SYS_set_mempolicy, 2 /* MPOL_BIND */, nodes, 1024);
	for (;;) {
		int fd = memfd_create("other", MFD_HUGETLB | 21u << 26);
		char *pages = MAP_FAILED;

		if (fd >= 0 && ftruncate(fd, 2 * PAGE) == 0)
			pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (pages != MAP_FAILED) {
			madvise(pages, 2 * PAGE, MADV_POPULATE_WRITE);
			munmap(pages, 2 * PAGE);
		}
		if (fd >= 0)
			close(fd);
	}
}

/* Three pages for two who want two each. Goes on until both answers were had, within reason. */
static void test_competition(void)
{
	unsigned nr_rounds = check_rounds(10000), nr_made = 0, nr_refused = 0;
	struct check_state before;
	pid_t other;

	if (!check_hugepages_exactly(home, 3))
		return;
	check_snapshot(&before);
	other = check_fork();
	if (other == 0)
		compete();
	CU_ASSERT_FATAL(other > 0);
	for (unsigned i = 0; i < nr_rounds || ((!nr_made || !nr_refused) && i < 50000); i++) {
		struct hnuma_region *region;
		int error = create(&region, 2 * PAGE, HNUMA_BACKING_HUGETLB);

		CU_ASSERT_FATAL(error == 0 || error == -ENOMEM);
		nr_made += !error;
		nr_refused += error != 0;
		if (error)
			continue;
		memset(hnuma_region_base(region), (int)i, 2 * PAGE);
		CU_ASSERT_EQUAL_FATAL(hnuma_region_destroy(region), 0);
	}
	kill(other, SIGKILL);
	waitpid(other, NULL, 0);
	printf("%u made, %u refused ", nr_made, nr_refused);
	CU_ASSERT(nr_made > 0);
	CU_ASSERT(nr_refused > 0);
	check_unchanged(&before);
}

/* Take every mapping that this process may have. Returns the range, of which every second page is one. */
static char *take_all_mappings(size_t *length)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *range;

	*length = MAPPINGS_MAX * page;
	range = mmap(NULL, *length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	CU_ASSERT_FATAL(range != MAP_FAILED);
	for (size_t i = 0; i < MAPPINGS_MAX; i += 2)
		if (mprotect(range + i * page, page, PROT_READ))
			return range;
	CU_FAIL("there is no end of mappings");
	return range;
}

/* vm.max_map_count: nothing can be made, what there is may stay or go, and afterwards all is well. */
static void no_mappings(void *arg)
{
	enum hnuma_backing least = *(enum hnuma_backing *)arg;
	struct hnuma_region *region, *other;
	struct check_state before;
	size_t length;
	char *range;
	int error;

	CU_ASSERT_EQUAL_FATAL(create(&region, 2 * PAGE, least), 0);
	memset(hnuma_region_base(region), 0x77, 2 * PAGE);
	check_snapshot(&before);
	range = take_all_mappings(&length);
	CU_ASSERT_EQUAL(create(&other, PAGE, least), -ENOMEM);
	check_message("vm.max_map_count");
	CU_ASSERT_EQUAL(munmap(range, length), 0);
	check_unchanged(&before);
	CU_ASSERT_EQUAL(((unsigned char *)hnuma_region_base(region))[PAGE], 0x77);

	/* Where the kernel has no mapping left to part another with, it may refuse to take one away. */
	range = take_all_mappings(&length);
	error = hnuma_region_destroy(region);
	CU_ASSERT(error == 0 || error == -ENOMEM);
	CU_ASSERT_EQUAL(munmap(range, length), 0);
	CU_ASSERT(!error || hnuma_region_destroy(region) == 0);
	CU_ASSERT_EQUAL_FATAL(create(&other, PAGE, least), 0);
	CU_ASSERT_EQUAL(hnuma_region_destroy(other), 0);
}

static void test_mappings(void)
{
	enum hnuma_backing least = HNUMA_BACKING_HUGETLB;

	if (check_is_instrumented() || !check_hugepages_exactly(home, 4))
		return;
	if (strtoul(check_read_file("/proc/sys/vm/max_map_count"), NULL, 10) >= MAPPINGS_MAX) {
		check_skip("vm.max_map_count is too high to be reached");
		return;
	}
	CU_ASSERT_EQUAL(check_in_child(no_mappings, &least), 0);
	least = HNUMA_BACKING_BASE;
	if (!check_hugepages_exactly(home, 0))
		return;
	CU_ASSERT_EQUAL(check_in_child(no_mappings, &least), 0);
}

/* Nothing is ever locked, so that a limit of nothing is no limit. */
static void no_locking(void *arg)
{
	const struct rlimit nothing = {0, 0};
	struct hnuma_region *region;

	(void)arg;
	CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_MEMLOCK, &nothing), 0);
	/* Root may lock whatever it wants. */
	CU_ASSERT(geteuid() != 0 || setuid(65534) == 0);
	for (int least = HNUMA_BACKING_BASE; least <= (int)HNUMA_BACKING_HUGETLB; least++) {
		CU_ASSERT_EQUAL_FATAL(create(&region, PAGE, (enum hnuma_backing)least), 0);
		CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
	}
}

static void test_locking(void)
{
	if (!check_hugepages(1))
		return;
	CU_ASSERT_EQUAL(check_in_child(no_locking, NULL), 0);
}

/* ---- A control group that is full ----------------------------------------------------------- */

static char group[256];
static const char *root; /* the group's parent */
static bool has_enabled; /* the controller was switched on there by us */

/* The controller for groups below, where version 2 has it switched off. */
static void enable_controller(void)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/cgroup.subtree_control", root);
	has_enabled = !strstr(check_read_file(path), "memory") &&
		      check_write_file(root, "cgroup.subtree_control", "+memory");
}

static void remove_group(void)
{
	/* A process that has just ended can be in its group a moment longer. */
	for (int i = 0; i < 200 && rmdir(group) != 0 && errno == EBUSY; i++)
		usleep(10000);
	if (has_enabled)
		check_write_file(root, "cgroup.subtree_control", "-memory");
}

/* A group with a limit on memory, of either version, where the system has one at the usual place. */
static bool make_group(const char *limit)
{
	static const struct {
		const char *root, *file;
	} versions[] = {
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"},
		{"/sys/fs/cgroup", "memory.max"},
	};

	for (int i = 0; i < 2; i++) {
		root = versions[i].root;
		enable_controller();
		snprintf(group, sizeof(group), "%s/hugenuma-test-%d", root, (int)getpid());
		if (mkdir(group, 0755) == 0 && check_write_file(group, versions[i].file, limit))
			return true;
		remove_group();
	}
	return false;
}

/* More than the group may have is refused, where the kernel would kill; and less is had. */
static void full_group(void *arg)
{
	struct hnuma_region *region;
	struct check_state before;
	char text[32];

	(void)arg;
	snprintf(text, sizeof(text), "%d", (int)getpid());
	CU_ASSERT_FATAL(check_write_file(group, "cgroup.procs", text));
	CU_ASSERT_EQUAL_FATAL(create(&region, 16 * MB, HNUMA_BACKING_BASE), 0);
	memset(hnuma_region_base(region), 1, 16 * MB);
	check_snapshot(&before);
	for (unsigned i = check_rounds(100); i > 0; i--) {
		struct hnuma_region *other;

		CU_ASSERT_EQUAL_FATAL(create(&other, 256 * MB, HNUMA_BACKING_BASE), -ENOMEM);
	}
	check_message("control group's limit on memory");
	check_message(group);
	check_unchanged(&before);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
}

static void test_full_group(void)
{
	struct check_state before;

	if (!check_hugepages_exactly(home, 0))
		return;
	check_snapshot(&before);
	if (!make_group("268435456")) {
		check_skip("no control group with a limit on memory can be made here");
		return;
	}
	CU_ASSERT_EQUAL(check_in_child(full_group, NULL), 0);
	remove_group();
	check_unchanged(&before);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"another process takes the pages (row 8)", test_competition},
		{"no further mapping", test_mappings},
		{"no memory may be locked", test_locking},
		{"a control group that is full", test_full_group},
		CU_TEST_INFO_NULL,
	};

	topology = check_topology();
	home = hnuma_current_node(topology);
	return check_main("exhaustion", tests);
}
