/* SPDX-License-Identifier: MIT */
/*
 * tests/test_inspect.c - a closer look at the machine: memory, huge pages of every size, CPUs, limits,
 * and the topology as XML with notes.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hugenuma.h>

#include "tests/check.h"
#include "tests/fake_files.h"
#include "tests/foreign.h"

static struct hnuma_topology *system_topology;

static struct hnuma_topology *open_file(const char *name)
{
	struct hnuma_topology *topology;

	CU_ASSERT_EQUAL_FATAL(foreign_create(&topology, "HWLOC_XMLFILE", foreign_file(name)), 0);
	return topology;
}

static void test_memory(void)
{
	struct hnuma_topology *topology = open_file("memory-speed.xml");
	struct hnuma_memory_info info;

	CU_ASSERT_EQUAL(hnuma_topology_memory(topology, 0, &info), 0);
	CU_ASSERT_EQUAL(info.kind, HNUMA_MEMORY_DRAM);
	CU_ASSERT_STRING_EQUAL(info.subtype, "DRAM");
	CU_ASSERT_EQUAL(info.bandwidth_mib_s, 100000);
	CU_ASSERT_EQUAL(info.latency_ns, 90);
	CU_ASSERT_EQUAL(hnuma_topology_memory(topology, 3, &info), 0);
	CU_ASSERT_EQUAL(info.kind, HNUMA_MEMORY_HIGH_BANDWIDTH);
	CU_ASSERT_EQUAL(info.bandwidth_mib_s, 400000);
	CU_ASSERT_EQUAL(info.latency_ns, 105);
	CU_ASSERT_EQUAL(hnuma_topology_memory(topology, 4, &info), -ENODEV);
	check_message("node 4 does not exist");
	CU_ASSERT_EQUAL(hnuma_topology_memory(topology, -1, &info), -ENODEV);
	CU_ASSERT_EQUAL(hnuma_topology_memory(topology, 0, NULL), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_topology_memory(NULL, 0, &info), -EINVAL);
	hnuma_topology_destroy(topology);
	topology = open_file("sparse.xml");
	CU_ASSERT_EQUAL(hnuma_topology_memory(topology, 252, &info), 0);
	CU_ASSERT_EQUAL(info.kind, HNUMA_MEMORY_UNKNOWN);
	CU_ASSERT_EQUAL(info.bandwidth_mib_s, 0);
	hnuma_topology_destroy(topology);
}

/* Words for memory that this library does not know are passed on as they are. */
static void test_other_memory(void)
{
	char path[] = "/tmp/hugenuma-memory-XXXXXX", *text, *word;
	struct hnuma_topology *topology;
	struct hnuma_memory_info info;
	int fd = mkstemp(path);

	CU_ASSERT_FATAL(fd >= 0);
	text = strdup(check_read_file(foreign_file("memory-speed.xml")));
	word = strstr(text, "subtype=\"DRAM\"");
	CU_ASSERT_PTR_NOT_NULL_FATAL(word);
	memcpy(word, "subtype=\"CXL0\"", 14);
	CU_ASSERT_EQUAL(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	CU_ASSERT_EQUAL_FATAL(foreign_create(&topology, "HWLOC_XMLFILE", path), 0);
	CU_ASSERT_EQUAL(hnuma_topology_memory(topology, 0, &info), 0);
	CU_ASSERT_EQUAL(info.kind, HNUMA_MEMORY_OTHER);
	CU_ASSERT_STRING_EQUAL(info.subtype, "CXL0");
	CU_ASSERT_EQUAL(hnuma_topology_memory(topology, 2, &info), 0);
	CU_ASSERT_EQUAL(info.kind, HNUMA_MEMORY_DRAM);
	hnuma_topology_destroy(topology);
	free(text);
	close(fd);
	unlink(path);
}

static void test_hugepages(void)
{
	static const struct fake_file files[] = {
		{"/sys/kernel/mm/hugepages/hugepages-64kB/nr_hugepages", "5\n", 0},
		{"/sys/kernel/mm/hugepages/hugepages-64kB/free_hugepages", "4\n", 0},
		{"/sys/kernel/mm/hugepages/hugepages-64kB/resv_hugepages", "3\n", 0},
		{"/sys/kernel/mm/hugepages/hugepages-64kB/surplus_hugepages", "2\n", 0},
		{"/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages", "1\n", 0},
		{NULL, NULL, 0}};
	struct hnuma_topology *topology = open_file("tiers.xml");
	struct hnuma_node_info node;
	struct hnuma_hugepages pages;
	unsigned i;

	fake_files_begin(files, true);
	CU_ASSERT_EQUAL(hnuma_topology_hugepages(system_topology, HNUMA_NODE_NONE, 0, &pages), 0);
	CU_ASSERT(pages.page_size == 65536 && pages.total == 5 && pages.free == 4 &&
		  pages.promised == 3 && pages.surplus == 2);
	CU_ASSERT_EQUAL(hnuma_topology_hugepages(system_topology, HNUMA_NODE_NONE, 1, &pages), 0);
	CU_ASSERT(pages.page_size == (size_t)1 << 30 && pages.total == 1 && pages.free == 0);
	CU_ASSERT_EQUAL(hnuma_topology_hugepages(system_topology, HNUMA_NODE_NONE, 2, &pages),
			-ENODEV);
	check_message("no further size");
	fake_files_end();

	/* Of 2 MB it says what the node's own description says. */
	CU_ASSERT_EQUAL(hnuma_topology_node_info(system_topology, 0, &node), 0);
	for (i = 0; hnuma_topology_hugepages(system_topology, node.node, i, &pages) == 0 &&
		    pages.page_size != HNUMA_HUGEPAGE;
	     i++)
		;
	CU_ASSERT_EQUAL(pages.total, node.hugepages_total);
	CU_ASSERT_EQUAL(pages.free, node.hugepages_free);

	CU_ASSERT_EQUAL(hnuma_topology_hugepages(topology, 0, 0, &pages), 0);
	CU_ASSERT(pages.page_size == HNUMA_HUGEPAGE && pages.total == 16 && pages.free == 16);
	CU_ASSERT_EQUAL(hnuma_topology_hugepages(topology, 0, 1, &pages), -ENODEV);
	CU_ASSERT_EQUAL(hnuma_topology_hugepages(topology, HNUMA_NODE_NONE, 0, &pages), -ENODEV);
	CU_ASSERT_EQUAL(hnuma_topology_hugepages(topology, 1, 0, &pages), -ENODEV);
	check_message("node 1 does not exist");
	CU_ASSERT_EQUAL(hnuma_topology_hugepages(topology, 0, 0, NULL), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_topology_hugepages(NULL, 0, 0, &pages), -EINVAL);
	hnuma_topology_destroy(topology);
}

static void test_cpus(void)
{
	struct hnuma_topology *topology = open_file("tiers.xml");
	bool is_allowed;

	CU_ASSERT_EQUAL(hnuma_topology_home_of_cpu(topology, 0, &is_allowed), 0);
	CU_ASSERT(is_allowed);
	/* Its node has no memory, so that another's is the nearest. */
	CU_ASSERT_EQUAL(hnuma_topology_home_of_cpu(topology, 2, NULL), 8);
	CU_ASSERT_NOT_EQUAL(hnuma_topology_node_of_cpu(topology, 2), 8);
	CU_ASSERT_EQUAL(hnuma_topology_home_of_cpu(topology, 3, &is_allowed), 8);
	CU_ASSERT(!is_allowed);
	is_allowed = true;
	CU_ASSERT_EQUAL(hnuma_topology_home_of_cpu(topology, 4, &is_allowed), -ENODEV);
	CU_ASSERT(!is_allowed);
	check_message("CPU 4 does not exist");
	CU_ASSERT_EQUAL(hnuma_topology_home_of_cpu(topology, -1, NULL), -ENODEV);
	CU_ASSERT_EQUAL(hnuma_topology_home_of_cpu(NULL, 0, NULL), -ENODEV);
	hnuma_topology_destroy(topology);
}

static void test_limit(void)
{
	static const struct fake_file limited[] = {
		{"/proc/self/cgroup", "0::/box\n", 0},
		{"/proc/self/mountinfo", "1 0 0:1 / /cg rw - cgroup2 none rw\n", 0},
		{"/cg/box/hugetlb.2MB.max", "8388608\n", 0},
		{"/cg/box/hugetlb.2MB.current", "2097152\n", 0},
		{"/cg/box/memory.max", "8388608\n", 0},
		{NULL, NULL, 0}};
	static const struct fake_file accounted[] = {
		{"/proc/self/cgroup", "0::/box\n", 0},
		{"/proc/self/mountinfo",
		 "1 0 0:1 / /cg rw - cgroup2 none rw,nsdelegate,memory_hugetlb_accounting\n", 0},
		{"/cg/box/memory.max", "8388608\n", 0},
		{"/cg/box/memory.current", "4194304\n", 0},
		{NULL, NULL, 0}};
	static const struct fake_file broken[] = {{"/proc/self/cgroup", NULL, -EIO},
						  {NULL, NULL, 0}};
	struct hnuma_topology *topology = open_file("tiers.xml");
	struct hnuma_limit_info info;

	fake_files_begin(limited, true);
	CU_ASSERT_EQUAL(hnuma_topology_limit(system_topology, HNUMA_LIMIT_CGROUP, &info), 0);
	CU_ASSERT(info.is_limited && info.limit_bytes == 8388608 && info.usage_bytes == 2097152);
	CU_ASSERT_STRING_EQUAL(info.path, "/cg/box/hugetlb.2MB.max");
	CU_ASSERT_EQUAL(hnuma_topology_limit(system_topology, HNUMA_LIMIT_CGROUP_RESERVED, &info),
			0);
	CU_ASSERT(!info.is_limited && info.path[0] == '\0');
	CU_ASSERT_EQUAL(hnuma_topology_limit(system_topology, HNUMA_LIMIT_CGROUP_MEMORY, &info), 0);
	CU_ASSERT(!info.is_limited);
	CU_ASSERT_EQUAL(hnuma_topology_limit(topology, HNUMA_LIMIT_CGROUP, &info), 0);
	CU_ASSERT(!info.is_limited);
	fake_files_begin(accounted, true);
	CU_ASSERT_EQUAL(hnuma_topology_limit(system_topology, HNUMA_LIMIT_CGROUP_MEMORY, &info), 0);
	CU_ASSERT(info.is_limited && info.limit_bytes == 8388608 && info.usage_bytes == 4194304);
	CU_ASSERT_STRING_EQUAL(info.path, "/cg/box/memory.max");
	fake_files_begin(broken, true);
	CU_ASSERT_EQUAL(hnuma_topology_limit(system_topology, HNUMA_LIMIT_CGROUP, &info), -EIO);
	check_message("control groups");
	fake_files_end();
	CU_ASSERT_EQUAL(hnuma_topology_limit(system_topology, HNUMA_LIMIT_RESERVED, &info),
			-EINVAL);
	CU_ASSERT_EQUAL(hnuma_topology_limit(system_topology,
					     (enum hnuma_limit)(HNUMA_LIMIT_CGROUP_MEMORY + 1),
					     &info),
			-EINVAL);
	CU_ASSERT_EQUAL(hnuma_topology_limit(system_topology, HNUMA_LIMIT_CGROUP, NULL), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_topology_limit(NULL, HNUMA_LIMIT_CGROUP, &info), -EINVAL);
	hnuma_topology_destroy(topology);
}

static void test_export(void)
{
	static const char *const names[] = {"tiers.xml", "sparse.xml", "far-memory.xml",
					    "memory-speed.xml", "cpus-without-node.xml"};
	struct hnuma_annotation notes[] = {{0, "first <&\"> note"}, {0, "sec\nond \xc3\xa9"}};
	struct hnuma_topology *topology;
	char *text = NULL;
	size_t size = 0;
	FILE *stream;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct hnuma_topology *again;
		char path[] = "/tmp/hugenuma-export-XXXXXX";
		int fd = mkstemp(path);

		topology = open_file(names[i]);
		CU_ASSERT_FATAL(fd >= 0);
		stream = fdopen(fd, "w");
		CU_ASSERT_EQUAL(hnuma_topology_export(topology, stream, notes, 2), 0);
		fclose(stream);
		/* Whole, and still the same machine. */
		CU_ASSERT_EQUAL_FATAL(foreign_create(&again, "HWLOC_XMLFILE", path), 0);
		CU_ASSERT_EQUAL(hnuma_topology_nr_nodes(again), hnuma_topology_nr_nodes(topology));
		hnuma_topology_destroy(again);
		hnuma_topology_destroy(topology);
		unlink(path);
	}
	stream = open_memstream(&text, &size);
	CU_ASSERT_EQUAL(hnuma_topology_export(system_topology, stream, notes, 2), 0);
	fflush(stream);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "type=\"Misc\""));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "first &lt;&amp;&quot;&gt; note"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "sec?ond ??"));
	CU_ASSERT_EQUAL(strlen(text), size);
	fclose(stream);
	free(text);

	stream = open_memstream(&text, &size);
	notes[1].node = 1000;
	CU_ASSERT_EQUAL(hnuma_topology_export(system_topology, stream, notes, 2), -ENODEV);
	check_message("node 1000 does not exist");
	notes[1] = (struct hnuma_annotation){0, NULL};
	CU_ASSERT_EQUAL(hnuma_topology_export(system_topology, stream, notes, 2), -EINVAL);
	check_message("the text of note 1 is NULL");
	CU_ASSERT_EQUAL(hnuma_topology_export(system_topology, stream, NULL, 1), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_topology_export(system_topology, NULL, NULL, 0), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_topology_export(NULL, stream, NULL, 0), -EINVAL);
	fclose(stream);
	CU_ASSERT_EQUAL(size, 0);
	free(text);
	stream = fopen("/dev/full", "w");
	setvbuf(stream, NULL, _IONBF, 0);
	CU_ASSERT_EQUAL(hnuma_topology_export(system_topology, stream, NULL, 0), -EIO);
	fclose(stream);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"memory", test_memory},
		{"other memory", test_other_memory},
		{"huge pages", test_hugepages},
		{"CPUs", test_cpus},
		{"limits", test_limit},
		{"XML", test_export},
		CU_TEST_INFO_NULL,
	};

	foreign_clean_environment();
	system_topology = check_topology();
	return check_main("test_inspect", tests);
}
