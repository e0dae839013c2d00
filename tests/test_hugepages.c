/* SPDX-License-Identifier: MIT */
/*
 * tests/test_hugepages.c - counts of huge pages: made-up files for every case, then the real ones.
 */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hugenuma.h>

#include "numa/hugepages.h"
#include "tests/check.h"
#include "tests/fake_files.h"

#define NODE(n)	 "/sys/devices/system/node/node" #n
#define PAGES(n) NODE(n) "/hugepages/hugepages-2048kB/"
#define MACHINE	 "/sys/kernel/mm/hugepages/hugepages-2048kB/"

static void test_made_up_node(void)
{
	static const struct fake_file files[] = {
		{PAGES(252) "nr_hugepages", "12\n", 0},
		{PAGES(252) "free_hugepages", "7\n", 0},
		/* A node of a kernel without such pages. */
		{NODE(1) "/cpulist", "\n", 0},
		/* One that is not ours to read, one that is half there, one that is no number. */
		{PAGES(2) "nr_hugepages", NULL, -EACCES},
		{PAGES(3) "nr_hugepages", "5\n", 0},
		{NODE(3) "/cpulist", "0-63\n", 0},
		{PAGES(4) "nr_hugepages", "5\n", 0},
		{PAGES(4) "free_hugepages", "-1\n", 0},
		{NULL, NULL, 0},
	};
	static const struct {
		int node, error;
	} cases[] = {
		{0, -ENODEV}, {1, -ENOENT},  {2, -EACCES},	 {3, -ENOENT},
		{4, -EINVAL}, {-1, -ENODEV}, {INT_MIN, -ENODEV}, {INT_MAX, -ENODEV},
	};
	struct hnuma_hugepages_node pages;

	fake_files_begin(files, true);
	CU_ASSERT_EQUAL(hnuma_hugepages_read_node(252, &pages), 0);
	CU_ASSERT_EQUAL(pages.total, 12);
	CU_ASSERT_EQUAL(pages.free, 7);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(&pages, 0xff, sizeof(pages));
		CU_ASSERT_EQUAL(hnuma_hugepages_read_node(cases[i].node, &pages), cases[i].error);
		CU_ASSERT(pages.total == 0 && pages.free == 0);
	}
	fake_files_end();
}

static void test_made_up_machine(void)
{
	static const struct fake_file files[] = {
		{MACHINE "nr_hugepages", "100\n", 0},
		{MACHINE "free_hugepages", "90\n", 0},
		{MACHINE "resv_hugepages", "30\n", 0},
		{MACHINE "surplus_hugepages", "4\n", 0},
		{MACHINE "nr_overcommit_hugepages", "18446744073709551615\n", 0},
		{NULL, NULL, 0},
	};
	static const struct fake_file half[] = {
		{MACHINE "nr_hugepages", "100\n", 0},
		{MACHINE "free_hugepages", "90\n", 0},
		{MACHINE "resv_hugepages", NULL, -EIO},
		{NULL, NULL, 0},
	};
	struct hnuma_hugepages_machine pages;
	const struct hnuma_hugepages_machine none = {0, 0, 0, 0, 0};

	fake_files_begin(files, true);
	CU_ASSERT_EQUAL(hnuma_hugepages_read_machine(&pages), 0);
	CU_ASSERT_EQUAL(pages.total, 100);
	CU_ASSERT_EQUAL(pages.free, 90);
	CU_ASSERT_EQUAL(pages.reserved, 30);
	CU_ASSERT_EQUAL(pages.surplus, 4);
	CU_ASSERT_EQUAL(pages.overcommit, UINT64_MAX);
	fake_files_begin(half, true);
	CU_ASSERT_EQUAL(hnuma_hugepages_read_machine(&pages), -EIO);
	CU_ASSERT_EQUAL(memcmp(&pages, &none, sizeof(none)), 0);
	/* No /sys at all. */
	fake_files_begin(half + 3, true);
	memset(&pages, 0xff, sizeof(pages));
	CU_ASSERT_EQUAL(hnuma_hugepages_read_machine(&pages), -ENOENT);
	CU_ASSERT_EQUAL(memcmp(&pages, &none, sizeof(none)), 0);
	fake_files_end();
}

static void test_file_name(void)
{
	static const struct fake_file machine[] = {
		{MACHINE "nr_hugepages", "1\n", 0},
		{MACHINE "free_hugepages", "1\n", 0},
		{MACHINE "resv_hugepages", "0\n", 0},
		{MACHINE "surplus_hugepages", "0\n", 0},
		{MACHINE "nr_overcommit_hugepages", "0\n", 0},
		{NULL, NULL, 0},
	};
	char path[96], small[8];

	hnuma_hugepages_file(0, path, sizeof(path));
	CU_ASSERT_STRING_EQUAL(path, PAGES(0) "nr_hugepages");
	hnuma_hugepages_file(0, small, sizeof(small));
	CU_ASSERT_STRING_EQUAL(small, "/sys/de");
	/* That of 2 MB by name: /proc/sys/vm has the count of the default size, which may be 1 GB. */
	fake_files_begin(machine, true);
	hnuma_hugepages_file(HNUMA_NODE_NONE, path, sizeof(path));
	CU_ASSERT_STRING_EQUAL(path, MACHINE "nr_hugepages");
	fake_files_begin(machine + 5, true);
	hnuma_hugepages_file(HNUMA_NODE_NONE, path, sizeof(path));
	CU_ASSERT_STRING_EQUAL(path, "/proc/sys/vm/nr_hugepages");
	fake_files_end();
}

/* A count of /proc/meminfo, such as "HugePages_Free:". */
static uint64_t meminfo(const char *key)
{
	const char *line = strstr(check_read_file("/proc/meminfo"), key);

	return line ? strtoull(line + strlen(key), NULL, 10) : UINT64_MAX;
}

/* The pages of all nodes together are those of the machine, and all is what the kernel says now. */
static void test_this_machine(void)
{
	struct hnuma_hugepages_machine machine;
	struct hnuma_hugepages_node sum = {0, 0}, pages;

	if (!check_hugepages(3))
		return;
	CU_ASSERT_EQUAL_FATAL(hnuma_hugepages_read_machine(&machine), 0);
	/* It tells of the default size only. */
	if (meminfo("Hugepagesize:") == 2048) {
		CU_ASSERT_EQUAL(machine.total, meminfo("HugePages_Total:"));
		CU_ASSERT_EQUAL(machine.free, meminfo("HugePages_Free:"));
		CU_ASSERT_EQUAL(machine.reserved, meminfo("HugePages_Rsvd:"));
		CU_ASSERT_EQUAL(machine.surplus, meminfo("HugePages_Surp:"));
	}
	CU_ASSERT(machine.free >= 3);
	for (int node = 0; node < HNUMA_MAX_NODES; node++) {
		if (hnuma_hugepages_read_node(node, &pages))
			continue;
		sum.total += pages.total;
		sum.free += pages.free;
	}
	CU_ASSERT_EQUAL(sum.total, machine.total);
	CU_ASSERT_EQUAL(sum.free, machine.free);
}

/* Counts are never kept: a change is seen at the next call. */
static void test_changes_are_seen(void)
{
	struct hnuma_topology *topology;
	struct hnuma_hugepages_node before, after;
	struct hnuma_node_info info;
	unsigned index = 0;

	CU_ASSERT_EQUAL_FATAL(hnuma_topology_create(&topology), 0);
	/* Of a node that the cpuset allows: others' pools can be lowered, but not raised again. */
	while (hnuma_topology_node_info(topology, index, &info) == 0 &&
	       info.node != check_home_node())
		index++;
	CU_ASSERT_EQUAL_FATAL(info.node, check_home_node());
	if (check_hugepages_exactly(info.node, 2)) {
		CU_ASSERT_EQUAL(hnuma_hugepages_read_node(info.node, &before), 0);
		CU_ASSERT_EQUAL(before.free, 2);
		CU_ASSERT_EQUAL(hnuma_topology_node_info(topology, index, &info), 0);
		CU_ASSERT_EQUAL(info.hugepages_free, 2);
		if (check_hugepages_exactly(info.node, 5)) {
			CU_ASSERT_EQUAL(hnuma_hugepages_read_node(info.node, &after), 0);
			CU_ASSERT_EQUAL(after.free, 5);
			CU_ASSERT_EQUAL(after.total, before.total + 3);
			CU_ASSERT_EQUAL(hnuma_topology_node_info(topology, index, &info), 0);
			CU_ASSERT_EQUAL(info.hugepages_free, 5);
			CU_ASSERT_EQUAL(info.hugepages_total, after.total);
		}
	}
	hnuma_topology_destroy(topology);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"a made-up node", test_made_up_node},
		{"a made-up machine", test_made_up_machine},
		{"the file's name", test_file_name},
		{"this machine", test_this_machine},
		{"changes are seen", test_changes_are_seen},
		CU_TEST_INFO_NULL,
	};

	return check_main("hugepages", tests);
}
