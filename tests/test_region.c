/* SPDX-License-Identifier: MIT */
/*
 * tests/test_region.c - the contract of <hugenuma/region.h>: requests, the ladder, what is reported,
 * the name in maps. The other tests/test_region_*.c have fork, faults and limits.
 */
#include "config.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <hugenuma.h>

#include "numa/ground.h"
#include "numa/region.h"
#include "numa/sys.h"
#include "tests/check.h"
#include "tests/fail_sys.h"
#include "tests/foreign.h"

/* Linux 6.1 */
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define PAGE HNUMA_HUGEPAGE

static struct hnuma_topology *topology;
/* The node that is asked for. */
static int home;

static struct hnuma_region_attr make_attr(size_t nr_pages, enum hnuma_backing least)
{
	struct hnuma_region_attr attr = HNUMA_REGION_ATTR_INIT;

	attr.size = nr_pages * PAGE;
	attr.node = home;
	attr.least_backing = least;
	return attr;
}

static struct hnuma_region *create(const struct hnuma_region_attr *attr)
{
	struct hnuma_region *region;
	int error = hnuma_region_create(&region, topology, attr);

	if (error)
		printf("\n    %d: %s ", error, hnuma_errormsg());
	CU_ASSERT_EQUAL_FATAL(error, 0);
	return region;
}

/* The error of a request that must fail; nothing may have been made. */
static int refused(const struct hnuma_region_attr *attr)
{
	struct hnuma_region *region = (void *)&region;
	int error = hnuma_region_create(&region, topology, attr);

	CU_ASSERT_PTR_NULL(region);
	CU_ASSERT(error < 0);
	CU_ASSERT_NOT_EQUAL(hnuma_errormsg()[0], '\0');
	hnuma_region_destroy(region);
	return error;
}

static void expect_placement(const struct hnuma_region *region, uint64_t here, uint64_t elsewhere,
			     uint64_t unknown, size_t page_size)
{
	struct hnuma_placement placement;

	CU_ASSERT_EQUAL(hnuma_region_verify(region, &placement), 0);
	CU_ASSERT_EQUAL(placement.pages_here, here);
	CU_ASSERT_EQUAL(placement.pages_elsewhere, elsewhere);
	CU_ASSERT_EQUAL(placement.pages_unknown, unknown);
	CU_ASSERT_EQUAL(placement.pages_total, here + elsewhere + unknown);
	CU_ASSERT_EQUAL(placement.page_size, page_size);
}

static void expect_info(const struct hnuma_region *region, enum hnuma_backing backing, int node,
			const char *reason)
{
	struct hnuma_region_info info;

	CU_ASSERT_EQUAL(hnuma_region_info(region, &info), 0);
	CU_ASSERT_EQUAL(info.backing, backing);
	CU_ASSERT_EQUAL(info.node, node);
	CU_ASSERT_EQUAL(info.page_size,
			backing == HNUMA_BACKING_BASE ? (size_t)sysconf(_SC_PAGESIZE) : PAGE);
	if (*reason ? !strstr(info.reason, reason) : info.reason[0] != '\0') {
		printf("\n    reason: %s ", info.reason);
		CU_FAIL("another reason was expected");
	}
}

static void test_hugetlb(void)
{
	struct hnuma_region_attr attr = make_attr(4, HNUMA_BACKING_HUGETLB);
	struct check_state before;
	struct hnuma_region *region;
	unsigned char *base;

	if (!check_hugepages(4))
		return;
	check_snapshot(&before);
	attr.size -= PAGE - 1; /* rounded up */
	region = create(&attr);
	base = hnuma_region_base(region);
	CU_ASSERT_EQUAL((uintptr_t)base % PAGE, 0);
	CU_ASSERT_EQUAL(hnuma_region_size(region), 4 * PAGE);
	for (size_t i = 0; i < 4 * PAGE; i += 512)
		CU_ASSERT_FATAL(base[i] == 0);
	memset(base, 0xa5, 4 * PAGE);
	expect_info(region, HNUMA_BACKING_HUGETLB, home, "");
	expect_placement(region, 4, 0, 0, PAGE);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
	check_unchanged(&before);
}

/* Row 5: none there, nothing less accepted. */
static void test_hugetlb_missing(void)
{
	struct hnuma_region_attr attr = make_attr(4, HNUMA_BACKING_HUGETLB);
	struct check_state before;
	char path[100], command[160];

	if (!check_hugepages_exactly(home, 0))
		return;
	check_snapshot(&before);
	CU_ASSERT_EQUAL(refused(&attr), -ENOMEM);
	snprintf(path, sizeof(path),
		 "/sys/devices/system/node/node%d/hugepages/hugepages-2048kB/nr_hugepages", home);
	/* Others may have pages of the node. */
	snprintf(command, sizeof(command), "echo %d > %s", atoi(check_read_file(path)) + 4, path);
	check_message(command);
	check_unchanged(&before);
}

/* The command in the message is the one that mends it. */
static void test_command_mends(void)
{
	struct hnuma_region_attr attr = make_attr(3, HNUMA_BACKING_HUGETLB);
	const char *command;
	char line[256];

	if (!check_hugepages_exactly(home, 1))
		return;
	CU_ASSERT_EQUAL(refused(&attr), -ENOMEM);
	command = strstr(hnuma_errormsg(), "echo ");
	CU_ASSERT_PTR_NOT_NULL_FATAL(command);
	snprintf(line, sizeof(line), "%s", command);
	CU_ASSERT_EQUAL(system(line), 0);
	hnuma_region_destroy(create(&attr));
}

/* Row 6: none there, less accepted. */
static void test_thp(void)
{
	struct hnuma_region_attr attr = make_attr(4, HNUMA_BACKING_THP);
	struct check_state before;
	struct hnuma_region *region;

	if (!check_hugepages_exactly(home, 0))
		return;
	hnuma_region_destroy(create(&attr));
	check_snapshot(&before);
	region = create(&attr);
	expect_info(region, HNUMA_BACKING_THP, home, "hugetlb pages: 4 pages of 2 MB are");
	expect_placement(region, 4, 0, 0, PAGE);
	CU_ASSERT_EQUAL((uintptr_t)hnuma_region_base(region) % PAGE, 0);
	memset(hnuma_region_base(region), 0xa5, 4 * PAGE);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
	check_unchanged(&before);
}

/* MADV_HUGEPAGE without effect, so that the pages have to be collapsed; the first try fails. */
static int nr_collapses;

static int advise_collapse(void *address, size_t length, int advice)
{
	if (advice == MADV_HUGEPAGE)
		return fail_sys.real.advise(address, length, MADV_NOHUGEPAGE);
	if (advice != MADV_COLLAPSE)
		return fail_sys.real.advise(address, length, advice);
	fail_sys.real.advise(address, length, MADV_HUGEPAGE);
	return nr_collapses++ == 0 ? -EAGAIN : fail_sys.real.advise(address, length, advice);
}

static void test_collapse(void)
{
	struct hnuma_region_attr attr = make_attr(3, HNUMA_BACKING_THP);
	struct hnuma_region *region;

	if (!check_hugepages_exactly(home, 0))
		return;
	nr_collapses = 0;
	fail_sys_install();
	hnuma_sys.advise = advise_collapse;
	region = create(&attr);
	fail_sys_remove();
	CU_ASSERT_EQUAL(nr_collapses, 2);
	expect_info(region, HNUMA_BACKING_THP, home, "hugetlb pages: ");
	expect_placement(region, 3, 0, 0, PAGE);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
}

/* In a child, which has transparent huge pages switched off for itself. */
static void without_thp(void *arg)
{
	struct hnuma_region_attr attr = make_attr(2, HNUMA_BACKING_THP);
	uint64_t nr_base_pages = 2 * PAGE / (uint64_t)sysconf(_SC_PAGESIZE);
	struct hnuma_region *region;

	(void)arg;
	CU_ASSERT_EQUAL_FATAL(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0), 0);
	CU_ASSERT_EQUAL(refused(&attr), -ENOMEM);
	check_message("PR_SET_THP_DISABLE");
	check_message("hugetlb pages: ");
	attr.least_backing = HNUMA_BACKING_BASE;
	region = create(&attr);
	expect_info(region, HNUMA_BACKING_BASE, home, "transparent huge pages: 0 of ");
	expect_info(region, HNUMA_BACKING_BASE, home, "hugetlb pages: ");
	expect_placement(region, nr_base_pages, 0, 0, (size_t)sysconf(_SC_PAGESIZE));
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
}

static void test_base(void)
{
	if (!check_hugepages_exactly(home, 0))
		return;
	CU_ASSERT_EQUAL(check_in_child(without_thp, NULL), 0);
}

static void test_bad_attributes(void)
{
	struct hnuma_region_attr good = make_attr(1, HNUMA_BACKING_BASE), attr;
	struct hnuma_region *region = (void *)&good;
	struct check_state before;

	check_snapshot(&before);
	CU_ASSERT_EQUAL(hnuma_region_create(NULL, topology, &good), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_region_create(&region, NULL, &good), -EINVAL);
	CU_ASSERT_PTR_NULL(region);
	CU_ASSERT_EQUAL(refused(NULL), -EINVAL);
#define BAD(statement, words)                             \
	do {                                              \
		attr = good;                              \
		statement;                                \
		CU_ASSERT_EQUAL(refused(&attr), -EINVAL); \
		check_message(words);                     \
	} while (0)
	BAD(attr.struct_size = 0, "struct_size");
	BAD(attr.struct_size++, "struct_size");
	BAD(attr.size = 0, "size is 0");
	BAD(attr.flags = 1u << 3, "flags");
	BAD(attr.flags = ~0u, "flags");
	BAD(attr.policy = (enum hnuma_policy)3, "policy");
	BAD(attr.policy = (enum hnuma_policy) - 1, "policy");
	BAD(attr.least_backing = (enum hnuma_backing)0, "least_backing");
	BAD(attr.least_backing = (enum hnuma_backing)4, "least_backing");
	BAD(attr.name = "", "name");
	BAD(attr.name = "a name", "name");
	BAD(attr.name = "slash/", "name");
	BAD(attr.name = "newline\n", "name");
	BAD(attr.name = "\xc3\xbc", "name");
	BAD(attr.name = "123456789012345678901234567890123", "1 to 32 characters");
#undef BAD
	check_unchanged(&before);
}

/* Row 2. */
static void test_sizes(void)
{
	struct hnuma_region_attr attr = make_attr(1, HNUMA_BACKING_BASE);
	static const size_t too_large[] = {SIZE_MAX, SIZE_MAX - PAGE + 1, SIZE_MAX - 3 * PAGE};
	struct check_state before;

	check_snapshot(&before);
	for (size_t i = 0; i < sizeof(too_large) / sizeof(too_large[0]); i++) {
		attr.size = too_large[i];
		CU_ASSERT_EQUAL(refused(&attr), -EOVERFLOW);
	}
	attr.size = SIZE_MAX / 2;
	CU_ASSERT_EQUAL(refused(&attr), -ENOMEM);
	attr.size = (size_t)1 << 46;
	CU_ASSERT_EQUAL(refused(&attr), -ENOMEM);
	check_message("hugetlb pages: ");
	check_message("transparent huge pages: ");
	check_unchanged(&before);
}

/* Row 3: nothing is mapped, nothing is bound. */
static void test_no_such_node(void)
{
	struct hnuma_region_attr attr = make_attr(1, HNUMA_BACKING_BASE);
	static const int nodes[] = {-3, HNUMA_NODE_NONE, 1023, 1024, INT32_MAX, INT32_MIN};
	struct check_state before;

	check_snapshot(&before);
	fail_sys_install();
	fail_sys_begin(FAIL_MAP, 0, false, 0);
	for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
		attr.node = nodes[i];
		CU_ASSERT_EQUAL(refused(&attr), -ENODEV);
	}
	attr.policy = HNUMA_POLICY_INTERLEAVE;
	hnuma_nodeset_add(&attr.nodes, home);
	hnuma_nodeset_add(&attr.nodes, 1023);
	CU_ASSERT_EQUAL(refused(&attr), -ENODEV);
	check_message("1023");
	CU_ASSERT_EQUAL(fail_sys.calls[FAIL_MAP], 0);
	CU_ASSERT_EQUAL(fail_sys.calls[FAIL_SET_POLICY], 0);
	fail_sys_remove();
	check_unchanged(&before);
}

/* Row 4, on a machine that is said to be this one: node 8 has no memory, node 252 we may not use. */
static void test_node_of_no_use(void)
{
	struct hnuma_region_attr attr = make_attr(1, HNUMA_BACKING_BASE);
	struct hnuma_topology *real = topology, *said;
	struct check_state before;
	int error;

	setenv("HWLOC_THISSYSTEM", "1", 1);
	error = foreign_create(&said, "HWLOC_XMLFILE", foreign_file("tiers.xml"));
	unsetenv("HWLOC_THISSYSTEM");
	CU_ASSERT_EQUAL_FATAL(error, 0);
	topology = said;
	check_snapshot(&before);
	attr.node = 8;
	CU_ASSERT_EQUAL(refused(&attr), -ENODEV);
	check_message("node 8 has no memory");
	attr.node = 252;
	CU_ASSERT_EQUAL(refused(&attr), -ENODEV);
	check_message("node 252 is not allowed");
	attr.policy = HNUMA_POLICY_INTERLEAVE;
	hnuma_nodeset_add(&attr.nodes, 8);
	CU_ASSERT_EQUAL(refused(&attr), -ENODEV);
	check_message("node 8 has no memory");
	check_unchanged(&before);
	topology = real;
	hnuma_topology_destroy(said);
}

/* A topology from elsewhere: -EXDEV before anything is done. */
static void foreign_topology(void *arg)
{
	struct hnuma_region_attr attr = make_attr(1, HNUMA_BACKING_BASE);
	struct hnuma_topology *other;
	struct hnuma_region *region;

	(void)arg;
	setenv("HWLOC_SYNTHETIC", "node:2 core:2 pu:1", 1);
	CU_ASSERT_EQUAL_FATAL(hnuma_topology_create(&other), 0);
	fail_sys_install();
	fail_sys_begin(FAIL_MAP, 0, false, 0);
	CU_ASSERT_EQUAL(hnuma_region_create(&region, other, &attr), -EXDEV);
	CU_ASSERT_PTR_NULL(region);
	CU_ASSERT_EQUAL(fail_sys.calls[FAIL_MAP], 0);
	CU_ASSERT_EQUAL(fail_sys.calls[FAIL_SET_POLICY], 0);
	CU_ASSERT_EQUAL(fail_sys.calls[FAIL_BIND], 0);
	fail_sys_remove();
	hnuma_topology_destroy(other);
}

static void test_foreign_topology(void)
{
	CU_ASSERT_EQUAL(check_in_child(foreign_topology, NULL), 0);
}

/* One mapping of the region's size, without access on both sides, bound for good. */
static void expect_mapping(const struct hnuma_region *region, const char *access)
{
	unsigned long base = (unsigned long)region->base, end = base + region->size_bytes;
	char line[128], permissions[8] = "";
	const char *maps = check_read_file("/proc/self/maps");

	snprintf(line, sizeof(line), "\n%08lx-%08lx %s ", base, end, access);
	CU_ASSERT_PTR_NOT_NULL(strstr(maps, line));
	snprintf(line, sizeof(line), "-%08lx ---p ", base);
	CU_ASSERT_PTR_NOT_NULL(strstr(maps, line));
	snprintf(line, sizeof(line), "\n%08lx-", end);
	maps = strstr(maps, line);
	CU_ASSERT_FATAL(maps && sscanf(maps, "%*s %7s", permissions) == 1);
	CU_ASSERT_STRING_EQUAL(permissions, "---p");
	/* "static": it stays so when the cpuset changes. */
	snprintf(line, sizeof(line), "%08lx bind=static:%d ", base, home);
	CU_ASSERT_PTR_NOT_NULL(strstr(check_read_file("/proc/self/numa_maps"), line));
}

static void test_mapping(void)
{
	struct hnuma_region_attr attr = make_attr(2, HNUMA_BACKING_HUGETLB);
	struct hnuma_region *region;
	char name[64];

	if (!check_hugepages(2))
		return;
	attr.name = "Kv_cache-1.x";
	region = create(&attr);
	expect_mapping(region, "rw-s");
	snprintf(name, sizeof(name), "/memfd:hugenuma:Kv_cache-1.x:node%d", home);
	CU_ASSERT_PTR_NOT_NULL(strstr(check_read_file("/proc/self/maps"), name));
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
	if (!check_hugepages_exactly(home, 0))
		return;
	attr.least_backing = HNUMA_BACKING_THP;
	region = create(&attr);
	expect_mapping(region, "rw-p");
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
}

static void test_policies(void)
{
	struct hnuma_region_attr attr = make_attr(2, HNUMA_BACKING_HUGETLB);
	struct hnuma_region *region;

	if (!check_hugepages(2))
		return;
	attr.policy = HNUMA_POLICY_PREFERRED;
	region = create(&attr);
	expect_info(region, HNUMA_BACKING_HUGETLB, home, "");
	expect_placement(region, 2, 0, 0, PAGE);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);

	attr.policy = HNUMA_POLICY_INTERLEAVE;
	attr.node = 1023; /* is not looked at */
	region = create(&attr);
	expect_info(region, HNUMA_BACKING_HUGETLB, HNUMA_NODE_NONE, "");
	expect_placement(region, 2, 0, 0, PAGE);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
	hnuma_nodeset_add(&attr.nodes, home);
	region = create(&attr);
	expect_info(region, HNUMA_BACKING_HUGETLB, HNUMA_NODE_NONE, "");
	expect_placement(region, 2, 0, 0, PAGE);
	CU_ASSERT_PTR_NOT_NULL(strstr(check_read_file("/proc/self/maps"), ":region:interleave"));
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);

	attr = make_attr(2, HNUMA_BACKING_HUGETLB);
	attr.node = HNUMA_NODE_LOCAL;
	region = create(&attr);
	expect_info(region, HNUMA_BACKING_HUGETLB, hnuma_current_node(topology), "");
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
}

static void test_range(void)
{
	struct hnuma_region_attr attr = make_attr(4, HNUMA_BACKING_HUGETLB);
	struct hnuma_placement part, sum = {0};
	struct hnuma_region *region;

	if (!check_hugepages(4))
		return;
	region = create(&attr);
	CU_ASSERT_EQUAL(hnuma_region_verify_range(region, 0, 0, &part), 0);
	CU_ASSERT_EQUAL(part.pages_total, 0);
	hnuma_placement_add(&sum, &part);
	CU_ASSERT_EQUAL(hnuma_region_verify_range(region, PAGE - 1, 2, &part), 0);
	CU_ASSERT_EQUAL(part.pages_here, 2);
	hnuma_placement_add(&sum, &part);
	CU_ASSERT_EQUAL(hnuma_region_verify_range(region, 3 * PAGE, PAGE, &part), 0);
	CU_ASSERT_EQUAL(part.pages_here, 1);
	hnuma_placement_add(&sum, &part);
	CU_ASSERT_EQUAL(sum.pages_total, 3);
	CU_ASSERT_EQUAL(sum.pages_here, 3);
	CU_ASSERT_EQUAL(sum.page_size, PAGE);
	part.page_size = 4096;
	hnuma_placement_add(&sum, &part);
	CU_ASSERT_EQUAL(sum.page_size, 4096);
	part.page_size = 0;
	hnuma_placement_add(&sum, &part);
	CU_ASSERT_EQUAL(sum.page_size, 4096);
	CU_ASSERT_EQUAL(hnuma_region_verify_range(region, 3 * PAGE, PAGE + 1, &part), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_region_verify_range(region, 5 * PAGE, 0, &part), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_region_verify_range(region, 1, SIZE_MAX, &part), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
}

/* A thread that is cancelled meanwhile is so when the call has returned, and not half-way. */
static void *cancelled(void *arg)
{
	struct hnuma_region_attr attr = make_attr(1, HNUMA_BACKING_HUGETLB);
	struct hnuma_placement placement;
	struct hnuma_region *region;

	pthread_cancel(pthread_self());
	if (hnuma_region_create(&region, topology, &attr) == 0) {
		*(int *)arg = 1;
		*(int *)arg += hnuma_region_verify(region, &placement) == 0;
		*(int *)arg += hnuma_region_destroy(region) == 0;
	}
	pthread_testcancel();
	return NULL;
}

static void test_cancelled(void)
{
	pthread_t thread;
	void *result;
	int steps = 0;

	if (!check_hugepages(1))
		return;
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, cancelled, &steps), 0);
	CU_ASSERT_EQUAL(pthread_join(thread, &result), 0);
	CU_ASSERT_EQUAL(steps, 3);
	CU_ASSERT_PTR_EQUAL(result, PTHREAD_CANCELED);
}

static void test_null(void)
{
	struct hnuma_placement placement;
	struct hnuma_region_info info;

	CU_ASSERT_EQUAL(hnuma_region_destroy(NULL), 0);
	CU_ASSERT_PTR_NULL(hnuma_region_base(NULL));
	CU_ASSERT_EQUAL(hnuma_region_size(NULL), 0);
	CU_ASSERT_EQUAL(hnuma_region_info(NULL, &info), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_region_verify(NULL, &placement), -EINVAL);
	if (check_hugepages(1)) {
		struct hnuma_region_attr attr = make_attr(1, HNUMA_BACKING_HUGETLB);
		struct hnuma_region *region = create(&attr);

		CU_ASSERT_EQUAL(hnuma_region_info(region, NULL), -EINVAL);
		CU_ASSERT_EQUAL(hnuma_region_verify(region, NULL), -EINVAL);
		CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
	}
}

/* Row 36: a thousand rounds, with two regions at a time. */
static void test_rounds(void)
{
	struct hnuma_region_attr attr = make_attr(1, HNUMA_BACKING_HUGETLB);
	struct check_state before;

	if (!check_hugepages(2))
		return;
	check_snapshot(&before);
	for (unsigned i = 0; i < check_rounds(1000); i++) {
		struct hnuma_region *a = create(&attr), *b = create(&attr);

		CU_ASSERT_FATAL(hnuma_region_base(a) != hnuma_region_base(b));
		CU_ASSERT_EQUAL_FATAL(hnuma_region_destroy(i % 2 ? a : b), 0);
		CU_ASSERT_EQUAL_FATAL(hnuma_region_destroy(i % 2 ? b : a), 0);
	}
	check_unchanged(&before);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"hugetlb pages, bound and verified", test_hugetlb},
		{"hugetlb required, none there (row 5)", test_hugetlb_missing},
		{"the command in the message mends it", test_command_mends},
		{"transparent huge pages, and why not more (row 6)", test_thp},
		{"transparent huge pages by collapsing", test_collapse},
		{"base pages, and why not more", test_base},
		{"bad attributes are refused", test_bad_attributes},
		{"sizes that cannot be", test_sizes},
		{"nodes that are not there", test_no_such_node},
		{"nodes without memory, and not allowed (row 4)", test_node_of_no_use},
		{"another machine's topology", test_foreign_topology},
		{"name, guards and policy of the mapping", test_mapping},
		{"preferred, interleaved, local", test_policies},
		{"parts of a region", test_range},
		{"a thread that is cancelled", test_cancelled},
		{"NULL", test_null},
		{"a thousand rounds (row 36)", test_rounds},
		CU_TEST_INFO_NULL,
	};

	topology = check_topology();
	home = hnuma_current_node(topology);
	return check_main("region", tests);
}
