/* SPDX-License-Identifier: MIT */
/*
 * tests/test_region_limits.c - a region in surroundings that limit it: control groups, ulimit, a
 * seccomp profile, no /sys. What runs out meanwhile is in test_exhaustion.c.
 */
#include "config.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#include <hugenuma.h>

#include "numa/region.h"
#include "tests/check.h"
#include "tests/fail_sys.h"
#include "tests/fake_files.h"
#include "tests/hugetlb_group.h"

#define PAGE	 HNUMA_HUGEPAGE
#define NR_PAGES 4
#define SIZE	 (NR_PAGES * PAGE)

static struct hnuma_topology *topology;

/* The node that is asked for. */
static int home;

static struct hnuma_region_attr make_attr(enum hnuma_backing least)
{
	struct hnuma_region_attr attr = HNUMA_REGION_ATTR_INIT;

	attr.size = SIZE;
	attr.node = home;
	attr.least_backing = least;
	return attr;
}

static struct hnuma_placement verify(const struct hnuma_region *region)
{
	struct hnuma_placement placement;

	CU_ASSERT_EQUAL(hnuma_region_verify(region, &placement), 0);
	return placement;
}

static struct hnuma_region_info info_of(const struct hnuma_region *region)
{
	struct hnuma_region_info info;

	CU_ASSERT_EQUAL(hnuma_region_info(region, &info), 0);
	return info;
}

static int refused(void)
{
	struct hnuma_region_attr attr = make_attr(HNUMA_BACKING_HUGETLB);
	struct check_state before;
	struct hnuma_region *region;
	int error;

	check_snapshot(&before);
	error = hnuma_region_create(&region, topology, &attr);
	CU_ASSERT_PTR_NULL(region);
	check_unchanged(&before);
	return error;
}

/* Row 9; and what is accepted instead. */
static void limited_pages(void *arg)
{
	const struct group *group = arg;
	struct hnuma_region_attr attr = make_attr(HNUMA_BACKING_THP);
	struct hnuma_region_info info;
	struct hnuma_region *region;
	char command[400];

	enter_group(group, false, 1);
	CU_ASSERT_EQUAL(refused(), -ENOMEM);
	snprintf(command, sizeof(command), "echo %zu > %s/hugetlb.2MB.%s", SIZE, group->directory,
		 group->is_v1 ? "limit_in_bytes" : "max");
	check_message(command);
	check_message("control group");

	CU_ASSERT_EQUAL_FATAL(hnuma_region_create(&region, topology, &attr), 0);
	CU_ASSERT_EQUAL(hnuma_region_info(region, &info), 0);
	CU_ASSERT_EQUAL(info.backing, HNUMA_BACKING_THP);
	CU_ASSERT_PTR_NOT_NULL(strstr(info.reason, command));
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);

	attr = make_attr(HNUMA_BACKING_HUGETLB);
	attr.size = PAGE;
	CU_ASSERT_EQUAL_FATAL(hnuma_region_create(&region, topology, &attr), 0);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
}

/* Row 10. */
static void limited_reservations(void *arg)
{
	const struct group *group = arg;
	char command[400];

	enter_group(group, true, 1);
	CU_ASSERT_EQUAL(refused(), -ENOMEM);
	snprintf(command, sizeof(command), "echo %zu > %s/hugetlb.2MB.rsvd.", SIZE,
		 group->directory);
	check_message(command);
	check_message("reservations");
}

/* Limits that the process cannot read, as in a container. */
static int open_without_groups(const char *path)
{
	if (strstr(path, "cgroup") || strstr(path, "mountinfo"))
		return -ENOENT;
	return fail_sys.real.open(path);
}

/*
 * Row 7 for real: three of four pages can be had, which is known when they have been populated. All
 * of them are given back.
 */
static void hidden_pages(void *arg)
{
	enter_group(arg, false, NR_PAGES - 1);
	fail_sys_install();
	hnuma_sys.open = open_without_groups;
	CU_ASSERT_EQUAL(refused(), -ENOMEM);
	check_message("cannot be seen from here");
	fail_sys_remove();
}

static void hidden_reservations(void *arg)
{
	enter_group(arg, true, NR_PAGES - 1);
	fail_sys_install();
	hnuma_sys.open = open_without_groups;
	CU_ASSERT_EQUAL(refused(), -ENOMEM);
	check_message("cannot be seen from here");
	fail_sys_remove();
}

static void run_in_group(void (*f)(void *arg))
{
	struct check_state before;
	struct group group;

	if (!check_hugepages(NR_PAGES))
		return;
	check_snapshot(&before);
	if (make_group(&group)) {
		CU_ASSERT_EQUAL(check_in_child(f, &group), 0);
	} else {
		check_skip("no hugetlb control group can be made here");
	}
	remove_group(&group);
	check_unchanged(&before);
}

static void test_limited_pages(void)
{
	run_in_group(limited_pages);
}

static void test_limited_reservations(void)
{
	run_in_group(limited_reservations);
}

static void test_hidden_pages(void)
{
	run_in_group(hidden_pages);
}

static void test_hidden_reservations(void)
{
	run_in_group(hidden_reservations);
}

/* Counts that are not to be had: the kernel's own answers, and still everything given back. */
static int open_nothing(const char *path)
{
	(void)path;
	return -EACCES;
}

static void test_counts_hidden(void)
{
	if (!check_hugepages_exactly(home, NR_PAGES - 1))
		return;
	fail_sys_install();
	hnuma_sys.open = open_nothing;
	CU_ASSERT_EQUAL(refused(), -ENOMEM);
	check_message("too few are free and unpromised");
	fail_sys_remove();
}

static int pages_of_node(int node)
{
	char path[100];

	snprintf(path, sizeof(path),
		 "/sys/devices/system/node/node%d/hugepages/hugepages-2048kB/nr_hugepages", node);
	return atoi(check_read_file(path));
}

/* Pages that are promised to others are none. */
static void test_promised(void)
{
	char command[64];
	void *promise;
	int fd;

	/* With several nodes the kernel counts promises against all of their pages. */
	if (hnuma_topology_nr_nodes(topology) > 1)
		return;
	if (!check_hugepages_exactly(home, NR_PAGES + 1))
		return;
	fd = memfd_create("promise", MFD_HUGETLB | 21u << 26);
	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL_FATAL(ftruncate(fd, 2 * PAGE), 0);
	promise = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CU_ASSERT_FATAL(promise != MAP_FAILED);
	CU_ASSERT_EQUAL(refused(), -ENOMEM);
	check_message(" free, of which 2 are promised");
	snprintf(command, sizeof(command), "echo %d > ", pages_of_node(home) + 1);
	check_message(command);
	munmap(promise, 2 * PAGE);
	close(fd);
}

/* Do what the message says. */
static void run_command(void)
{
	const char *command = strstr(hnuma_errormsg(), "echo ");

	CU_ASSERT_EQUAL(system(command ? command : "false"), 0);
}

/* The command counts surplus pages in use, which a larger number first makes ordinary ones. */
static void test_surplus(void)
{
	static const char pool[] = "/sys/kernel/mm/hugepages/hugepages-2048kB";
	static const char file[] = "nr_overcommit_hugepages";
	struct hnuma_region_attr attr = make_attr(HNUMA_BACKING_HUGETLB);
	struct hnuma_region *surplus = NULL, *region = NULL;
	char before[32], path[100];

	/* With several nodes the kernel makes none while another node has free pages. */
	if (hnuma_topology_nr_nodes(topology) > 1 || !check_hugepages_exactly(home, 0))
		return;
	snprintf(path, sizeof(path), "%s/%s", pool, file);
	snprintf(before, sizeof(before), "%s", check_read_file(path));
	CU_ASSERT(check_write_file(pool, file, "4"));
	CU_ASSERT_EQUAL(hnuma_region_create(&surplus, topology, &attr), 0);
	CU_ASSERT(check_write_file(pool, file, "0"));
	CU_ASSERT_EQUAL(refused(), -ENOMEM);
	run_command();
	CU_ASSERT_EQUAL(hnuma_region_create(&region, topology, &attr), 0);
	CU_ASSERT(check_write_file(pool, file, before));
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
	CU_ASSERT_EQUAL(hnuma_region_destroy(surplus), 0);
}

/* Interleaved pages may lie on any node: the file is that of all nodes, of 2 MB by its name. */
static void test_interleaved(void)
{
	struct hnuma_region_attr attr = make_attr(HNUMA_BACKING_HUGETLB);
	struct hnuma_region *region;

	/* With several nodes the kernel counts the pages of all. */
	if (hnuma_topology_nr_nodes(topology) > 1 || !check_hugepages_exactly(home, 0))
		return;
	attr.policy = HNUMA_POLICY_INTERLEAVE;
	hnuma_nodeset_add(&attr.nodes, home);
	CU_ASSERT_EQUAL(hnuma_region_create(&region, topology, &attr), -ENOMEM);
	check_message("> /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages");
	run_command();
	CU_ASSERT_EQUAL_FATAL(hnuma_region_create(&region, topology, &attr), 0);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
}

/* No mapping may ever fail over another one: kernels before 6.12 would leave a hole. */
static int nr_fixed_failures;

static int map_watching(void **address, size_t length, int protection, int flags, int fd)
{
	int error = fail_sys.real.map(address, length, protection, flags, fd);

	nr_fixed_failures += error && flags & MAP_FIXED;
	return error;
}

static void test_no_hole(void)
{
	if (!check_hugepages_exactly(home, NR_PAGES - 1))
		return;
	nr_fixed_failures = 0;
	fail_sys_install();
	hnuma_sys.open = open_nothing;
	hnuma_sys.map = map_watching;
	CU_ASSERT_EQUAL(refused(), -ENOMEM);
	fail_sys_remove();
	CU_ASSERT_EQUAL(nr_fixed_failures, 0);
}

/* Address space runs out. */
static void limited_addresses(void *arg)
{
	struct hnuma_region_attr attr = make_attr(HNUMA_BACKING_BASE);
	struct rlimit limit = {(rlim_t)64 << 20, (rlim_t)64 << 20};
	struct hnuma_region *region;

	(void)arg;
	CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_AS, &limit), 0);
	attr.size = (size_t)64 << 20;
	CU_ASSERT_EQUAL(hnuma_region_create(&region, topology, &attr), -ENOMEM);
	CU_ASSERT_PTR_NULL(region);
	check_message("ulimit -v");
}

static void test_addresses(void)
{
	if (!check_hugepages(40))
		return;
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	/* Valgrind needs far more address space for itself, as sanitizers do. */
	if (!getenv("CHECK_UNDER_VALGRIND"))
		CU_ASSERT_EQUAL(check_in_child(limited_addresses, NULL), 0);
#else
	(void)limited_addresses;
#endif
}

/* More memory than the node has is refused; the kernel would kill somebody for it. */
static void too_much_memory(void *arg)
{
	struct hnuma_region_attr attr = make_attr(HNUMA_BACKING_BASE);
	struct hnuma_region *region;
	struct sysinfo system;

	(void)arg;
	/* More than all memory and swap, so that it stays harmless when nobody refuses it. */
	sysinfo(&system);
	attr.size = (size_t)(system.totalram + system.totalswap) * system.mem_unit;
	CU_ASSERT_EQUAL(hnuma_region_create(&region, topology, &attr), -ENOMEM);
	check_message("KB that are free or could be freed");
}

static void test_too_much_memory(void)
{
	struct check_state before;

	check_snapshot(&before);
	/* In a child, so that it would be the one to be killed. */
	CU_ASSERT_EQUAL(check_in_child(too_much_memory, NULL), 0);
	check_unchanged(&before);
}

/* Swap that the machine has and the control group may not use. */
static void test_limited_swap(void)
{
	static const struct fake_file files[] = {
		{"/proc/meminfo", "MemFree: 67108864 kB\nSwapFree: 67108864 kB\n", 0},
		{"/proc/self/cgroup", "0::/a\n", 0},
		{"/proc/self/mountinfo", "30 22 0:26 / /c rw - cgroup2 cgroup2 rw\n", 0},
		{"/c/a/memory.max", "10485760\n", 0},
		{"/c/a/memory.current", "8388608\n", 0},
		{"/c/a/memory.swap.max", "5242880\n", 0},
		{"/c/a/memory.swap.current", "1048576\n", 0},
		{NULL, NULL, 0},
	};
	static const struct fake_file version_1[] = {
		{"/proc/meminfo", "MemFree: 67108864 kB\nSwapFree: 67108864 kB\n", 0},
		{"/proc/self/cgroup", "4:memory:/a\n", 0},
		{"/proc/self/mountinfo", "30 22 0:26 / /c rw - cgroup none rw,memory\n", 0},
		{"/c/a/memory.limit_in_bytes", "10485760\n", 0},
		{"/c/a/memory.usage_in_bytes", "8388608\n", 0},
		{"/c/a/memory.memsw.limit_in_bytes", "15728640\n", 0},
		{"/c/a/memory.memsw.usage_in_bytes", "9437184\n", 0},
		{NULL, NULL, 0},
	};
	struct hnuma_region_attr attr = make_attr(HNUMA_BACKING_BASE);
	struct hnuma_region *region;

	if (!check_hugepages_exactly(home, 0))
		return;
	/* Six MB are left to either: two of memory and four of swap. One is wanted besides the pages. */
	for (unsigned i = 0; i < 2; i++) {
		fake_files_begin(i ? version_1 : files, false);
		attr.size = 4 * PAGE;
		CU_ASSERT_EQUAL(hnuma_region_create(&region, topology, &attr), -ENOMEM);
		check_message(i ? "limit on memory and swap leaves 6291456 (9437184 of 15728640 in "
				  "use): echo 18890752 > /c/a/memory.memsw.limit_in_bytes"
				: "limit on memory leaves 2097152");
		attr.size = 2 * PAGE;
		CU_ASSERT_EQUAL_FATAL(hnuma_region_create(&region, topology, &attr), 0);
		CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
		fake_files_end();
	}
}

/* Pages that count as memory: refused before the kernel would refuse to populate, with swap counted in. */
static void test_pages_as_memory(void)
{
	static const struct fake_file files[] = {
		{"/proc/self/cgroup", "0::/a\n", 0},
		{"/proc/self/mountinfo",
		 "30 22 0:26 / /c rw - cgroup2 cgroup2 rw,memory_hugetlb_accounting\n", 0},
		{"/proc/meminfo", "MemAvailable: 67108864 kB\nSwapFree: 2048 kB\n", 0},
		{"/c/a/memory.max", "10485760\n", 0},
		{"/c/a/memory.current", "6291456\n", 0},
		{NULL, NULL, 0},
	};
	struct hnuma_region_attr attr = make_attr(HNUMA_BACKING_HUGETLB);
	struct hnuma_region *region;

	if (!check_hugepages(4))
		return;
	fake_files_begin(files, false);
	attr.size = 4 * PAGE;
	CU_ASSERT_EQUAL(hnuma_region_create(&region, topology, &attr), -ENOMEM);
	check_message(
		"8388608 bytes are needed, and the control group's limit on memory, which counts "
		"huge pages, too, leaves 4194304 (6291456 of 10485760 in use): "
		"echo 15728640 > /c/a/memory.max");
	attr.size = 3 * PAGE;
	CU_ASSERT_EQUAL_FATAL(hnuma_region_create(&region, topology, &attr), 0);
	CU_ASSERT_EQUAL(info_of(region).backing, HNUMA_BACKING_HUGETLB);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
	fake_files_end();
}

/* Pitfall 7: a container's profile refuses the policy calls and move_pages, for real. */
static void forbid_policy_calls(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_get_mempolicy, 4, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_set_mempolicy, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mbind, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_move_pages, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
	};
	struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};

	CU_ASSERT_EQUAL_FATAL(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	CU_ASSERT_EQUAL_FATAL(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

static void in_container(void *arg)
{
	struct hnuma_region_attr attr = make_attr(HNUMA_BACKING_HUGETLB);
	struct hnuma_region *region;

	(void)arg;
	forbid_policy_calls();
	CU_ASSERT_EQUAL(hnuma_region_create(&region, topology, &attr), -EPERM);
	check_message("CAP_SYS_NICE");
	check_message("HNUMA_RELAXED");
	attr.flags = HNUMA_RELAXED;
	CU_ASSERT_EQUAL_FATAL(hnuma_region_create(&region, topology, &attr), 0);
	CU_ASSERT_EQUAL(info_of(region).node, HNUMA_NODE_NONE);
	CU_ASSERT_EQUAL(info_of(region).backing, HNUMA_BACKING_HUGETLB);
	CU_ASSERT_PTR_NOT_NULL(strstr(info_of(region).reason, "not bound to node "));
	/* Where they came to lie is the kernel's choice. */
	CU_ASSERT_EQUAL(verify(region).pages_total, NR_PAGES);
	CU_ASSERT_EQUAL(verify(region).pages_unknown, 0);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
}

static void test_container(void)
{
	if (!check_hugepages(NR_PAGES))
		return;
	CU_ASSERT_EQUAL(check_in_child(in_container, NULL), 0);
}

/* A system that does not tell its nodes is never bound to any. */
static void without_sys(void *arg)
{
	struct hnuma_region_attr attr = make_attr(HNUMA_BACKING_HUGETLB);
	struct hnuma_topology *unknown;
	struct hnuma_region *region;

	(void)arg;
	attr.node = HNUMA_NODE_LOCAL;
	CU_ASSERT_EQUAL_FATAL(unshare(CLONE_NEWNS), 0);
	CU_ASSERT_EQUAL_FATAL(mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL), 0);
	CU_ASSERT_EQUAL_FATAL(mount("none", "/sys", "tmpfs", 0, NULL), 0);
	CU_ASSERT_EQUAL_FATAL(hnuma_topology_create(&unknown), 0);
	CU_ASSERT_FALSE(hnuma_topology_is_known(unknown));
	fail_sys_install();
	fail_sys_begin(FAIL_BIND, 0, false, 0);
	CU_ASSERT_EQUAL_FATAL(hnuma_region_create(&region, unknown, &attr), 0);
	CU_ASSERT_EQUAL(fail_sys.calls[FAIL_BIND], 0);
	CU_ASSERT_EQUAL(fail_sys.calls[FAIL_SET_POLICY], 0);
	fail_sys_remove();
	CU_ASSERT_EQUAL(info_of(region).node, HNUMA_NODE_NONE);
	CU_ASSERT_PTR_NOT_NULL(strstr(info_of(region).reason, "topology unknown"));
	CU_ASSERT_EQUAL(verify(region).pages_total, NR_PAGES);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
	hnuma_topology_destroy(unknown);
}

static void test_unknown_topology(void)
{
	if (!check_hugepages(NR_PAGES))
		return;
	if (geteuid() != 0) {
		check_skip("hiding /sys needs root");
		return;
	}
	CU_ASSERT_EQUAL(check_in_child(without_sys, NULL), 0);
}

/* One node has a page too few: another one helps out, or more are made for the machine. */
static void test_pages_of_several_nodes(void)
{
	struct hnuma_region_attr attr = make_attr(HNUMA_BACKING_HUGETLB);
	struct hnuma_placement placement;
	struct hnuma_region *region;

	if (!check_hugepages_exactly(home, NR_PAGES - 1))
		return;
	attr.policy = HNUMA_POLICY_INTERLEAVE;
	hnuma_nodeset_add(&attr.nodes, home);
	if (hnuma_topology_nr_nodes(topology) > 1) {
		CU_ASSERT_EQUAL_FATAL(hnuma_region_create(&region, topology, &attr), 0);
		CU_ASSERT_EQUAL(hnuma_region_verify(region, &placement), 0);
		CU_ASSERT_EQUAL(placement.pages_here, NR_PAGES - 1);
		CU_ASSERT_EQUAL(placement.pages_elsewhere, 1);
		CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
		return;
	}
	CU_ASSERT_EQUAL(hnuma_region_create(&region, topology, &attr), -ENOMEM);
	check_message("4 pages of 2 MB are needed, and this machine has ");
	check_message("nr_hugepages");
	CU_ASSERT_PTR_NULL(strstr(hnuma_errormsg(), "/node/node"));
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"a control group's limit on pages (row 9)", test_limited_pages},
		{"a control group's limit on reservations (row 10)", test_limited_reservations},
		{"a limit on pages that cannot be read", test_hidden_pages},
		{"a limit on reservations that cannot be read", test_hidden_reservations},
		{"counts that cannot be read (row 7)", test_counts_hidden},
		{"pages that are promised to others", test_promised},
		{"surplus pages in use", test_surplus},
		{"interleaved, and too few pages", test_interleaved},
		{"no mapping fails over another", test_no_hole},
		{"pages of several nodes", test_pages_of_several_nodes},
		{"address space runs out", test_addresses},
		{"more memory than there is", test_too_much_memory},
		{"a limit on swap", test_limited_swap},
		{"pages that count as memory (row 9)", test_pages_as_memory},
		{"a container that refuses binding", test_container},
		{"a system without topology (row 35)", test_unknown_topology},
		CU_TEST_INFO_NULL,
	};

	topology = check_topology();
	home = hnuma_current_node(topology);
	return check_main("region_limits", tests);
}
