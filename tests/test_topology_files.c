/* SPDX-License-Identifier: MIT */
/*
 * tests/test_topology_files.c - other machines' topologies, as hwloc's environment describes them:
 * good ones of every kind, and broken ones, which must be refused quietly. Files in XML that are broken
 * are in test_topology_xml.
 */
#include "config.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <hugenuma.h>

#include "numa/topology.h"
#include "tests/check.h"
#include "tests/fake_files.h"
#include "tests/foreign.h"

struct expected_node {
	int node;
	enum hnuma_node_kind kind;
	bool is_allowed;
	unsigned nr_cpus;
	uint64_t hugepages;
};

static void check_nodes(const struct hnuma_topology *topology, const struct expected_node *expected,
			unsigned nr)
{
	struct hnuma_node_info info;

	CU_ASSERT_EQUAL(hnuma_topology_nr_nodes(topology), nr);
	for (unsigned i = 0; i < nr; i++) {
		CU_ASSERT_EQUAL_FATAL(hnuma_topology_node_info(topology, i, &info), 0);
		CU_ASSERT_EQUAL(info.node, expected[i].node);
		CU_ASSERT_EQUAL(info.kind, expected[i].kind);
		CU_ASSERT_EQUAL(info.is_allowed, expected[i].is_allowed);
		CU_ASSERT_EQUAL(info.nr_cpus, expected[i].nr_cpus);
		CU_ASSERT_EQUAL(info.hugepages_total, expected[i].hugepages);
		CU_ASSERT_EQUAL(info.hugepages_free, expected[i].hugepages);
		CU_ASSERT_EQUAL(info.memory_bytes > 0,
				info.kind == HNUMA_NODE_KIND_NORMAL ||
					info.kind == HNUMA_NODE_KIND_NO_CPUS);
		CU_ASSERT_TRUE(hnuma_topology_has_node(topology, info.node));
		CU_ASSERT_EQUAL(hnuma_topology_node_nr_cpus(topology, info.node), info.nr_cpus);
		CU_ASSERT_EQUAL(hnuma_topology_distance(topology, info.node, info.node), 10);
	}
	CU_ASSERT_EQUAL(hnuma_topology_node_info(topology, nr, &info), -ENODEV);
	CU_ASSERT_FALSE(hnuma_topology_is_this_system(topology));
	CU_ASSERT_TRUE(hnuma_topology_is_known(topology));
	/* This thread runs on none of its CPUs. */
	CU_ASSERT_EQUAL(hnuma_current_node(topology), -ENODEV);
	check_message("another machine's");
}

static void check_nodes_of_cpus(const struct hnuma_topology *topology, const int *nodes,
				unsigned nr)
{
	CU_ASSERT_EQUAL(hnuma_topology_nr_cpus(topology), nr);
	for (unsigned cpu = 0; cpu < nr; cpu++)
		CU_ASSERT_EQUAL(hnuma_topology_node_of_cpu(topology, (int)cpu), nodes[cpu]);
	CU_ASSERT_EQUAL(hnuma_topology_node_of_cpu(topology, (int)nr), -ENODEV);
}

/* Nodes 0, 8 and 252, two CPUs each; no distances. */
static void test_sparse(void)
{
	static const struct expected_node nodes[] = {
		{0, HNUMA_NODE_KIND_NORMAL, true, 2, 0},
		{8, HNUMA_NODE_KIND_NORMAL, true, 2, 0},
		{252, HNUMA_NODE_KIND_NORMAL, true, 2, 0},
	};
	static const int nodes_of_cpus[] = {0, 0, 8, 8, 252, 252};
	struct hnuma_topology *topology;

	CU_ASSERT_EQUAL_FATAL(
		foreign_create(&topology, "HWLOC_XMLFILE", foreign_file("sparse.xml")), 0);
	check_nodes(topology, nodes, 3);
	check_nodes_of_cpus(topology, nodes_of_cpus, 6);
	CU_ASSERT_EQUAL(hnuma_topology_distance(topology, 0, 252), 20);
	CU_ASSERT_EQUAL(hnuma_topology_distance(topology, 252, 8), 20);
	CU_ASSERT_EQUAL(hnuma_topology_distance(topology, 0, 1), -ENODEV);
	check_message("node 1 does not exist");
	CU_ASSERT_EQUAL(hnuma_topology_distance(topology, -1, 0), -ENODEV);
	CU_ASSERT_FALSE(hnuma_topology_has_node(topology, 1));
	CU_ASSERT_FALSE(hnuma_topology_has_node(topology, 253));
	CU_ASSERT_EQUAL(hnuma_topology_check_node(topology, 252), 0);
	CU_ASSERT_EQUAL(hnuma_topology_check_node(topology, 7), -ENODEV);
	check_message("node 7 does not exist; nodes that can be used: 0,8,252");
	hnuma_topology_destroy(topology);
}

/*
 * Node 0: CPUs 0 and 1. Node 8: CPUs 2 and 3, but no memory. Node 2: fast memory beside node 8. Node
 * 252: an expander. CPU 3 and node 8 are not allowed. Distances differ by direction.
 */
static void test_tiers(void)
{
	static const struct expected_node nodes[] = {
		{0, HNUMA_NODE_KIND_NORMAL, true, 2, 16},
		{2, HNUMA_NODE_KIND_NO_CPUS, true, 0, 0},
		{8, HNUMA_NODE_KIND_NO_MEMORY, false, 1, 0},
		{252, HNUMA_NODE_KIND_NO_CPUS, true, 0, 0},
	};
	/* Node 2 is nearer to node 8 than any other with memory. */
	static const int nodes_of_cpus[] = {0, 0, 2, 2};
	struct hnuma_topology *topology;
	struct hnuma_nodeset usable;
	char list[64];

	CU_ASSERT_EQUAL_FATAL(foreign_create(&topology, "HWLOC_XMLFILE", foreign_file("tiers.xml")),
			      0);
	check_nodes(topology, nodes, 4);
	check_nodes_of_cpus(topology, nodes_of_cpus, 4);
	CU_ASSERT_EQUAL(hnuma_topology_distance(topology, 0, 8), 22);
	CU_ASSERT_EQUAL(hnuma_topology_distance(topology, 8, 0), 32);
	CU_ASSERT_EQUAL(hnuma_topology_usable_nodes(topology, false, &usable), 3);
	CU_ASSERT_STRING_EQUAL(hnuma_topology_list_nodes(&usable, list, sizeof(list)), "0,2,252");
	CU_ASSERT_EQUAL(hnuma_topology_usable_nodes(topology, true, &usable), 1);
	CU_ASSERT_STRING_EQUAL(hnuma_topology_list_nodes(&usable, list, sizeof(list)), "0");
	CU_ASSERT_EQUAL(hnuma_topology_check_node(topology, 8), -ENODEV);
	check_message("node 8 has no memory; nodes that can be used: 0,2,252");
	CU_ASSERT_FALSE(hnuma_topology_node_has_memory(topology, 8));
	CU_ASSERT_TRUE(hnuma_topology_node_has_memory(topology, 252));
	CU_ASSERT_FALSE(hnuma_topology_node_is_allowed(topology, 8));
	CU_ASSERT_TRUE(hnuma_topology_node_is_allowed(topology, 252));
	hnuma_topology_destroy(topology);
}

static void test_synthetic(void)
{
	static const struct expected_node nodes[] = {
		{0, HNUMA_NODE_KIND_NORMAL, true, 4, 0},
		{1, HNUMA_NODE_KIND_NORMAL, true, 4, 0},
	};
	static const int nodes_of_cpus[] = {0, 0, 0, 0, 1, 1, 1, 1};
	struct hnuma_topology *topology;

	CU_ASSERT_EQUAL_FATAL(foreign_create(&topology, "HWLOC_SYNTHETIC", "node:2 core:2 pu:2"),
			      0);
	check_nodes(topology, nodes, 2);
	check_nodes_of_cpus(topology, nodes_of_cpus, 8);
	CU_ASSERT_EQUAL(hnuma_topology_distance(topology, 0, 1), 20);
	hnuma_topology_destroy(topology);
	/* As many nodes as there can be, and one more. */
	CU_ASSERT_EQUAL_FATAL(foreign_create(&topology, "HWLOC_SYNTHETIC", "node:1024 pu:1"), 0);
	CU_ASSERT_EQUAL(hnuma_topology_nr_nodes(topology), HNUMA_MAX_NODES);
	CU_ASSERT_EQUAL(hnuma_topology_node_of_cpu(topology, 1023), 1023);
	hnuma_topology_destroy(topology);
	CU_ASSERT_EQUAL(foreign_create(&topology, "HWLOC_SYNTHETIC", "node:1025 pu:1"), -EINVAL);
	check_message("1025 nodes");
	CU_ASSERT_EQUAL(foreign_create(&topology, "HWLOC_SYNTHETIC", "what?"), -EINVAL);
	check_message("HWLOC_SYNTHETIC is \"what?\"");
	/* hwloc gives none of these nodes memory. */
	CU_ASSERT_EQUAL_FATAL(
		foreign_create(&topology, "HWLOC_SYNTHETIC", "pack:2 [numa] [numa] pu:1"), 0);
	CU_ASSERT_EQUAL(hnuma_topology_node_of_cpu(topology, 0), -ENODEV);
	check_message("no node that has memory is allowed");
	hnuma_topology_destroy(topology);
}

/* What hwloc would take days over, or all memory, is refused; what looks like it is not. */
static void test_too_large(void)
{
	static const char *const lines[] = {
		"pu:8193",
		"pu:0x2001",
		" 2 4097",
		"pack:2 [numa(memory=1)] core:64(indexes=1:2) pu:65",
		"node:99999999999999999999 pu:99999999999999999999",
		"node:1(indexes=8192) pu:1",
		"node:4(memory=1 indexes=3,1,0,8888888888888888888882) pu:1",
	};
	struct hnuma_topology *topology;

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		CU_ASSERT_EQUAL(foreign_create(&topology, "HWLOC_SYNTHETIC", lines[i]), -EINVAL);
		check_message(lines[i]);
		check_message("describes more than 8192 CPUs, or numbers beyond theirs");
	}
	CU_ASSERT_EQUAL_FATAL(foreign_create(&topology, "HWLOC_SYNTHETIC", "node:2 L2: 8 2"), 0);
	CU_ASSERT_EQUAL(hnuma_topology_node_of_cpu(topology, 31), 1);
	hnuma_topology_destroy(topology);
	CU_ASSERT_EQUAL_FATAL(
		foreign_create(&topology, "HWLOC_SYNTHETIC",
			       "node:2(indexes=1000,7 memory=8192) pu:1(indexes=9,8191)"),
		0);
	CU_ASSERT_EQUAL(hnuma_topology_node_of_cpu(topology, 8191), 7);
	hnuma_topology_destroy(topology);
}

/* A bracket that does not end is refused by hwloc, and not read beyond the line's end by us. */
static void test_unclosed(void)
{
	static const char *const lines[] = {
		"node:2(memory=1",
		"node:2(",
		"pack:2 [numa pu:1",
		"node:2(indexes=1 pu:9999",
		"node:2(memory=1]",
		"pack:2 [numa)",
		"[",
	};
	struct hnuma_topology *topology;

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		CU_ASSERT_EQUAL(foreign_create(&topology, "HWLOC_SYNTHETIC", lines[i]), -EINVAL);
		check_message(lines[i]);
	}
}

/* A file that says it is of this system is believed. */
static void test_claim(void)
{
	struct hnuma_topology *topology;

	setenv("HWLOC_THISSYSTEM", "1", 1);
	CU_ASSERT_EQUAL_FATAL(
		foreign_create(&topology, "HWLOC_XMLFILE", foreign_file("sparse.xml")), 0);
	CU_ASSERT_TRUE(hnuma_topology_is_this_system(topology));
	CU_ASSERT_EQUAL(hnuma_topology_nr_nodes(topology), 3);
	hnuma_topology_destroy(topology);
	unsetenv("HWLOC_THISSYSTEM");
	/* And the other way round. */
	CU_ASSERT_EQUAL_FATAL(foreign_create(&topology, "HWLOC_THISSYSTEM", "0"), 0);
	CU_ASSERT_FALSE(hnuma_topology_is_this_system(topology));
	hnuma_topology_destroy(topology);
}

/*
 * A cpuset that no mounted control group shows, of which hwloc knows nothing. All that a thread gets by
 * being where it is comes from a node that is allowed.
 */
static void test_hidden_cpuset(void)
{
	static const struct fake_file files[] = {
		{"/proc/self/status", "Mems_allowed_list:\t2\n", 0},
		{NULL, NULL, 0},
	};
	struct hnuma_topology *topology;

	setenv("HWLOC_THISSYSTEM", "1", 1);
	fake_files_begin(files, false);
	CU_ASSERT_EQUAL_FATAL(
		foreign_create(&topology, "HWLOC_SYNTHETIC",
			       "node:2(indexes=1,2 memory=8192) pu:1(indexes=8000,8001)"),
		0);
	unsetenv("HWLOC_THISSYSTEM");
	CU_ASSERT_TRUE(hnuma_topology_is_this_system(topology));
	CU_ASSERT_EQUAL(hnuma_topology_node_of_cpu(topology, 8001), 2);
	CU_ASSERT_EQUAL(hnuma_topology_node_of_cpu(topology, 8000), 2);
	CU_ASSERT_EQUAL(hnuma_current_node(topology), 2);
	hnuma_topology_destroy(topology);
	fake_files_end();
}

/* HWLOC_COMPONENTS says which variables count; those that do not may be broken. */
static void test_components(void)
{
	struct hnuma_topology *topology;

	setenv("HWLOC_COMPONENTS", "linux,stop", 1);
	CU_ASSERT_EQUAL_FATAL(foreign_create(&topology, "HWLOC_XMLFILE", "/none"), 0);
	CU_ASSERT_TRUE(hnuma_topology_is_this_system(topology));
	hnuma_topology_destroy(topology);
	setenv("HWLOC_COMPONENTS", "xml", 1);
	CU_ASSERT_EQUAL(foreign_create(&topology, "HWLOC_XMLFILE", "/none"), -EINVAL);
	CU_ASSERT_EQUAL_FATAL(
		foreign_create(&topology, "HWLOC_XMLFILE", foreign_file("sparse.xml")), 0);
	CU_ASSERT_EQUAL(hnuma_topology_nr_nodes(topology), 3);
	hnuma_topology_destroy(topology);
	unsetenv("HWLOC_COMPONENTS");
	/* Of two variables hwloc prefers the synthetic one. */
	setenv("HWLOC_XMLFILE", "/none", 1);
	CU_ASSERT_EQUAL_FATAL(foreign_create(&topology, "HWLOC_SYNTHETIC", "node:2 pu:1"), 0);
	CU_ASSERT_EQUAL(hnuma_topology_nr_nodes(topology), 2);
	hnuma_topology_destroy(topology);
	unsetenv("HWLOC_XMLFILE");
}

/* A directory with another machine's files. */
static char root[] = "/tmp/hugenuma-root-XXXXXX";

static void put(const char *path, const char *text)
{
	char whole[PATH_MAX];
	FILE *file;

	snprintf(whole, sizeof(whole), "%s%s", root, path);
	for (char *slash = whole + sizeof(root); (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		mkdir(whole, 0700);
		*slash = '/';
	}
	file = fopen(whole, "w");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fputs(text, file);
	fclose(file);
}

static void drop(const char *path)
{
	char whole[PATH_MAX];

	snprintf(whole, sizeof(whole), "%s%s", root, path);
	CU_ASSERT_EQUAL(unlink(whole), 0);
}

static void put_node(int node, const char *cpulist, unsigned long mask, unsigned memory_mb,
		     const char *distances, unsigned hugepages)
{
	char path[128], text[128];

	snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/cpulist", node);
	put(path, cpulist);
	snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/cpumap", node);
	snprintf(text, sizeof(text), "%08lx\n", mask);
	put(path, text);
	snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/meminfo", node);
	snprintf(text, sizeof(text), "Node %d MemTotal:       %u kB\n", node, memory_mb * 1024);
	put(path, text);
	snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/distance", node);
	put(path, distances);
	snprintf(path, sizeof(path),
		 "/sys/devices/system/node/node%d/hugepages/hugepages-2048kB/nr_hugepages", node);
	snprintf(text, sizeof(text), "%u\n", hugepages);
	put(path, text);
}

/*
 * Node 0: CPUs 0 and 1. Node 1: an expander. Node 2: CPUs 2 and 3, no memory, near to node 5. Node
 * 5: CPU 4. CPU 5 is there and offline.
 */
static void put_machine(void)
{
	char path[128], text[32];

	put("/sys/devices/system/cpu/online", "0-4\n");
	put("/sys/devices/system/cpu/possible", "0-7\n");
	for (unsigned cpu = 0; cpu < 5; cpu++) {
		snprintf(text, sizeof(text), "%08x\n", 1u << cpu);
		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/topology/core_cpus",
			 cpu);
		put(path, text);
		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/topology/package_cpus",
			 cpu);
		put(path, text);
	}
	put("/sys/devices/system/cpu/cpu5/online", "0\n");
	put("/sys/devices/system/node/online", "0-2,5\n");
	put_node(0, "0-1\n", 0x03, 1024, "10 15 20 30\n", 7);
	put_node(1, "\n", 0x00, 2048, "15 10 25 35\n", 0);
	put_node(2, "2-3\n", 0x0c, 0, "20 25 10 12\n", 0);
	put_node(5, "4\n", 0x10, 1024, "30 35 12 10\n", 3);
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
	(void)stat;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void begin_root(void)
{
	strcpy(root + sizeof(root) - 7, "XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(root));
}

static void end_root(void)
{
	nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void test_fsroot(void)
{
	static const struct expected_node nodes[] = {
		{0, HNUMA_NODE_KIND_NORMAL, true, 2, 7},
		{1, HNUMA_NODE_KIND_NO_CPUS, true, 0, 0},
		{2, HNUMA_NODE_KIND_NO_MEMORY, true, 2, 0},
		{5, HNUMA_NODE_KIND_NORMAL, true, 1, 3},
	};
	/* CPU 5 is taken for a neighbour of CPU 4. */
	static const int nodes_of_cpus[] = {0, 0, 5, 5, 5, 5};
	struct hnuma_topology *topology;
	struct hnuma_node_info info;

	begin_root();
	put_machine();
	CU_ASSERT_EQUAL_FATAL(foreign_create(&topology, "HWLOC_FSROOT", root), 0);
	check_nodes(topology, nodes, 4);
	check_nodes_of_cpus(topology, nodes_of_cpus, 6);
	CU_ASSERT_EQUAL(hnuma_topology_distance(topology, 2, 5), 12);
	CU_ASSERT_EQUAL(hnuma_topology_distance(topology, 1, 5), 35);
	CU_ASSERT_EQUAL(hnuma_topology_node_info(topology, 1, &info), 0);
	CU_ASSERT_EQUAL(info.memory_bytes, 2048ull * 1024 * 1024);
	hnuma_topology_destroy(topology);
	end_root();
}

/* The same machine, seen from a cpuset without node 5 and CPU 4. */
static void test_fsroot_cpuset(void)
{
	static const struct expected_node nodes[] = {
		{0, HNUMA_NODE_KIND_NORMAL, true, 2, 7},
		{1, HNUMA_NODE_KIND_NO_CPUS, true, 0, 0},
		{2, HNUMA_NODE_KIND_NO_MEMORY, false, 2, 0},
		{5, HNUMA_NODE_KIND_NORMAL, false, 0, 3},
	};
	static const int nodes_of_cpus[] = {0, 0, 0, 0, 0, 0};
	struct hnuma_topology *topology;

	begin_root();
	put_machine();
	put("/proc/mounts", "none /c cgroup rw,cpuset 0 0\n");
	put("/proc/self/cgroup", "3:cpuset:/jail\n");
	put("/c/jail/cpuset.cpus", "0-3\n");
	put("/c/jail/cpuset.mems", "0-1\n");
	CU_ASSERT_EQUAL_FATAL(foreign_create(&topology, "HWLOC_FSROOT", root), 0);
	check_nodes(topology, nodes, 4);
	check_nodes_of_cpus(topology, nodes_of_cpus, 6);
	CU_ASSERT_EQUAL(hnuma_topology_check_node(topology, 5), -ENODEV);
	check_message("node 5 is not allowed to this process by its cpuset");
	check_message("nodes that can be used: 0,1");
	hnuma_topology_destroy(topology);
	end_root();
}

/* Dumps of a machine of one CPU. Where they are not, hwloc would say so on stderr, and go on. */
static void test_cpuid(void)
{
	struct hnuma_topology *topology;

	CU_ASSERT_EQUAL(foreign_create(&topology, "HWLOC_CPUID_PATH", "/none"), -EINVAL);
	check_message("HWLOC_CPUID_PATH is \"/none\", which has no dumps of CPUID");
	begin_root();
	CU_ASSERT_EQUAL(foreign_create(&topology, "HWLOC_CPUID_PATH", root), -EINVAL);
	put("/hwloc-cpuid-info", "Architecture: x86\n");
	CU_ASSERT_EQUAL(foreign_create(&topology, "HWLOC_CPUID_PATH", root), -EINVAL);
	put("/pu0", "1 0 0 0 0 => 1 756e6547 6c65746e 49656e69\n"
		    "1 1 0 0 0 => 806e9 100800 0 0\n"
		    "1 80000000 0 0 0 => 80000000 0 0 0\n");
#if defined(__x86_64__)
	CU_ASSERT_EQUAL_FATAL(foreign_create(&topology, "HWLOC_CPUID_PATH", root), 0);
	CU_ASSERT_FALSE(hnuma_topology_is_this_system(topology));
	/* CPUID tells of no nodes, and this machine's are not the other's. */
	CU_ASSERT_EQUAL(hnuma_topology_nr_cpus(topology), 1);
	CU_ASSERT_EQUAL(hnuma_topology_nr_nodes(topology), 1);
	hnuma_topology_destroy(topology);
#endif
	put("/hwloc-cpuid-info", "Architecture: other\n");
	CU_ASSERT_EQUAL(foreign_create(&topology, "HWLOC_CPUID_PATH", root), -EINVAL);
	end_root();
}

/* A long name of a directory that is there. */
static const char *long_root(size_t length)
{
	static char name[2048];

	for (size_t i = 0; i < length; i += 2)
		memcpy(name + i, "/.", 3);
	return name;
}

/* hwloc alone would invent a machine, complain on stderr, or abort. */
static void test_broken_fsroot(void)
{
	struct hnuma_topology *topology;
	static const char *const lists[] = {"", "\n", "junk\n", "0-99999999\n", "5-1\n", "-1\n"};

	CU_ASSERT_EQUAL(foreign_create(&topology, "HWLOC_FSROOT", "/none"), -EINVAL);
	check_message("HWLOC_FSROOT is \"/none\", which is not a directory");
	CU_ASSERT_EQUAL(foreign_create(&topology, "HWLOC_FSROOT", "/proc/self/exe"), -EINVAL);
	/* Names that do not fit with what is to be read behind them, or not by themselves. */
	CU_ASSERT_EQUAL(foreign_create(&topology, "HWLOC_FSROOT", long_root(1000)), -EINVAL);
	CU_ASSERT_EQUAL(foreign_create(&topology, "HWLOC_FSROOT", long_root(1100)), -EINVAL);
	begin_root();
	CU_ASSERT_EQUAL(foreign_create(&topology, "HWLOC_FSROOT", root), -EINVAL);
	check_message("no sys/devices/system/cpu");
	put_machine();
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		put("/sys/devices/system/node/online", lists[i]);
		CU_ASSERT_EQUAL(foreign_create(&topology, "HWLOC_FSROOT", root), -EINVAL);
		check_message("sys/devices/system/node has no node");
	}
	/* An old kernel has directories and no list of them. */
	drop("/sys/devices/system/node/online");
	CU_ASSERT_EQUAL_FATAL(foreign_create(&topology, "HWLOC_FSROOT", root), 0);
	CU_ASSERT_EQUAL(hnuma_topology_nr_nodes(topology), 4);
	hnuma_topology_destroy(topology);
	end_root();
	begin_root();
	put("/sys/devices/system/cpu/online", "0\n");
	put("/sys/devices/system/cpu/cpu0/topology/core_cpus", "1\n");
	put("/sys/devices/system/node/possible", "0\n");
	CU_ASSERT_EQUAL(foreign_create(&topology, "HWLOC_FSROOT", root), -EINVAL);
	check_message("sys/devices/system/node has no node");
	end_root();
	/* A kernel without nodes: one, for planning. */
	begin_root();
	put("/sys/devices/system/cpu/online", "0\n");
	put("/sys/devices/system/cpu/cpu0/topology/core_cpus", "1\n");
	put("/proc/meminfo", "MemTotal: 1048576 kB\n");
	CU_ASSERT_EQUAL_FATAL(foreign_create(&topology, "HWLOC_FSROOT", root), 0);
	CU_ASSERT_EQUAL(hnuma_topology_nr_nodes(topology), 1);
	CU_ASSERT_EQUAL(hnuma_topology_node_of_cpu(topology, 0), 0);
	hnuma_topology_destroy(topology);
	end_root();
	/* The root directory is this machine. */
	CU_ASSERT_EQUAL_FATAL(foreign_create(&topology, "HWLOC_FSROOT", "/"), 0);
	CU_ASSERT_TRUE(hnuma_topology_is_this_system(topology));
	hnuma_topology_destroy(topology);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"sparse numbers", test_sparse},
		{"tiers of memory", test_tiers},
		{"synthetic", test_synthetic},
		{"synthetic, and too large", test_too_large},
		{"synthetic, with an open bracket", test_unclosed},
		{"HWLOC_THISSYSTEM", test_claim},
		{"a hidden cpuset", test_hidden_cpuset},
		{"HWLOC_COMPONENTS", test_components},
		{"HWLOC_FSROOT", test_fsroot},
		{"HWLOC_FSROOT with a cpuset", test_fsroot_cpuset},
		{"broken HWLOC_FSROOT", test_broken_fsroot},
		{"HWLOC_CPUID_PATH", test_cpuid},
		CU_TEST_INFO_NULL,
	};

	foreign_clean_environment();
	return check_main("topology_files", tests);
}
