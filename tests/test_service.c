/* SPDX-License-Identifier: MIT */
/*
 * tests/test_service.c - which nodes serve, the way from each to the others, and the nearest of each
 * CPU. Mostly on other machines' topologies: they have more nodes.
 */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hugenuma.h>

#include "numa/cpu.h"
#include "numa/ground.h"
#include "numa/sys.h"
#include "tests/check.h"
#include "tests/foreign.h"

/* See test_topology_files for what the files describe. */
static struct hnuma_topology *sparse, *tiers;

static struct hnuma_nodeset set_of(int nr, const int *nodes)
{
	struct hnuma_nodeset set = {{0}};

	for (int i = 0; i < nr; i++)
		CU_ASSERT_EQUAL(hnuma_nodeset_add(&set, nodes[i]), 0);
	return set;
}

static void check_service(const struct hnuma_topology *topology, const int *asked, int nr_asked,
			  const int *nodes, unsigned nr, const unsigned short *index_of_cpu)
{
	struct hnuma_nodeset set = set_of(nr_asked, asked);
	struct hnuma_service service;
	unsigned counted = 0;

	CU_ASSERT_EQUAL_FATAL(hnuma_service_init(&service, topology, &set), 0);
	CU_ASSERT_EQUAL_FATAL(service.nr_nodes, nr);
	CU_ASSERT_EQUAL(service.nr_cpus, hnuma_topology_nr_cpus(topology));
	for (unsigned i = 0; i < nr; i++) {
		CU_ASSERT_EQUAL(service.nodes[i], nodes[i]);
		CU_ASSERT_EQUAL(hnuma_service_index(&service, nodes[i]), (int)i);
		CU_ASSERT_EQUAL(service.nearest[i * nr], i);
		counted += hnuma_service_nr_cpus_of(&service, i);
	}
	CU_ASSERT_EQUAL(counted, service.nr_cpus);
	for (unsigned cpu = 0; cpu < service.nr_cpus; cpu++) {
		CU_ASSERT_EQUAL(service.index_of_cpu[cpu], index_of_cpu[cpu]);
		CU_ASSERT_EQUAL(hnuma_service_index_of_cpu(&service, (int)cpu), index_of_cpu[cpu]);
	}
	CU_ASSERT_EQUAL(hnuma_service_index(&service, 1), -ENODEV);
	CU_ASSERT_EQUAL(hnuma_service_index(&service, HNUMA_NODE_NONE), -ENODEV);
	/* Of CPUs that nobody counted the first node is as near as any. */
	CU_ASSERT_EQUAL(hnuma_service_index_of_cpu(&service, -1), 0);
	CU_ASSERT_EQUAL(hnuma_service_index_of_cpu(&service, (int)service.nr_cpus), 0);
	CU_ASSERT_EQUAL(hnuma_service_index_of_cpu(&service, INT_MAX), 0);
	hnuma_service_free(&service);
}

static void test_default(void)
{
	static const int all[] = {0, 8, 252}, normal[] = {0};
	static const unsigned short by_node[] = {0, 0, 1, 1, 2, 2}, to_first[] = {0, 0, 0, 0};
	struct hnuma_service service;

	check_service(sparse, NULL, 0, all, 3, by_node);
	/* Nodes without CPUs, memory or permission are left out. */
	check_service(tiers, NULL, 0, normal, 1, to_first);
	/* No set is as good as an empty one. */
	CU_ASSERT_EQUAL_FATAL(hnuma_service_init(&service, sparse, NULL), 0);
	CU_ASSERT_EQUAL(service.nr_nodes, 3);
	hnuma_service_free(&service);
}

static void test_asked(void)
{
	static const int ends[] = {252, 0}, sorted[] = {0, 252};
	static const unsigned short ends_index[] = {0, 0, 0, 0, 1, 1};
	static const int tier[] = {2, 252}, every[] = {0, 2, 252};
	/* CPUs 0 and 1 are at 21 from node 2; CPUs 2 and 3, of node 8, at 12. */
	static const unsigned short tier_index[] = {0, 0, 0, 0}, every_index[] = {0, 0, 1, 1};

	check_service(sparse, ends, 2, sorted, 2, ends_index);
	check_service(sparse, ends, 1, ends, 1, (const unsigned short[]){0, 0, 0, 0, 0, 0});
	check_service(tiers, tier, 2, tier, 2, tier_index);
	check_service(tiers, every, 3, every, 3, every_index);
}

/* The way to the others goes by distance, and by number where that is the same: here either way. */
static void test_nearest(void)
{
	static const int every[] = {0, 2, 252};
	static const unsigned short order[] = {0, 1, 2, 1, 0, 2, 2, 0, 1};
	struct hnuma_nodeset set = set_of(3, every);
	struct hnuma_service service;

	CU_ASSERT_EQUAL_FATAL(hnuma_service_init(&service, tiers, &set), 0);
	CU_ASSERT_EQUAL(memcmp(service.nearest, order, sizeof(order)), 0);
	hnuma_service_free(&service);
	CU_ASSERT_EQUAL_FATAL(hnuma_service_init(&service, sparse, NULL), 0);
	CU_ASSERT_EQUAL(memcmp(service.nearest, order, sizeof(order)), 0);
	hnuma_service_free(&service);
}

/* A row that is not in the order of numbers: from the fourth node of five on a ring. */
static void test_nearest_on_a_ring(void)
{
	static const char text[] =
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<topology version=\"2.0\">\n"
		"<object type=\"Machine\" cpuset=\"0x1f\" complete_cpuset=\"0x1f\" "
		"allowed_cpuset=\"0x1f\" nodeset=\"0x1f\" complete_nodeset=\"0x1f\" "
		"allowed_nodeset=\"0x1f\" gp_index=\"1\">\n";
	static const unsigned short fourth[] = {3, 2, 4, 0, 1};
	char path[] = "/tmp/hugenuma-ring-XXXXXX";
	struct hnuma_topology *ring;
	struct hnuma_service service;
	int fd = mkstemp(path);
	FILE *file = fdopen(fd, "w");

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fputs(text, file);
	for (unsigned i = 0; i < 5; i++)
		fprintf(file,
			"<object type=\"Package\" os_index=\"%u\" cpuset=\"0x%x\" "
			"complete_cpuset=\"0x%x\" nodeset=\"0x%x\" complete_nodeset=\"0x%x\" "
			"gp_index=\"%u\">\n"
			"<object type=\"NUMANode\" os_index=\"%u\" cpuset=\"0x%x\" "
			"complete_cpuset=\"0x%x\" nodeset=\"0x%x\" complete_nodeset=\"0x%x\" "
			"gp_index=\"%u\" local_memory=\"4096\"/>\n"
			"<object type=\"PU\" os_index=\"%u\" cpuset=\"0x%x\" "
			"complete_cpuset=\"0x%x\" "
			"nodeset=\"0x%x\" complete_nodeset=\"0x%x\" gp_index=\"%u\"/>\n"
			"</object>\n",
			i, 1u << i, 1u << i, 1u << i, 1u << i, 10 + i, i, 1u << i, 1u << i, 1u << i,
			1u << i, 20 + i, i, 1u << i, 1u << i, 1u << i, 1u << i, 30 + i);
	fputs("</object>\n"
	      "<distances2 type=\"NUMANode\" nbobjs=\"5\" kind=\"5\" name=\"NUMALatency\" "
	      "indexing=\"os\">\n<indexes length=\"10\">0 1 2 3 4 </indexes>\n",
	      file);
	for (int i = 0; i < 5; i++) {
		fputs("<u64values length=\"15\">", file);
		for (int j = 0; j < 5; j++) {
			int steps = (i - j + 5) % 5;

			fprintf(file, "%d ", 10 + 5 * (steps > 2 ? 5 - steps : steps));
		}
		fputs("</u64values>\n", file);
	}
	fputs("</distances2>\n</topology>\n", file);
	fclose(file);
	CU_ASSERT_EQUAL_FATAL(foreign_create(&ring, "HWLOC_XMLFILE", path), 0);
	unlink(path);
	CU_ASSERT_EQUAL(hnuma_topology_distance(ring, 3, 4), 15);
	CU_ASSERT_EQUAL_FATAL(hnuma_service_init(&service, ring, NULL), 0);
	CU_ASSERT_EQUAL_FATAL(service.nr_nodes, 5);
	CU_ASSERT_EQUAL(memcmp(service.nearest + 15, fourth, sizeof(fourth)), 0);
	hnuma_service_free(&service);
	hnuma_topology_destroy(ring);
}

static void test_refused(void)
{
	static const int absent[] = {0, 1}, no_memory[] = {8}, last[] = {1023};
	struct hnuma_topology *no_nodes;
	struct hnuma_nodeset set = set_of(2, absent);
	struct hnuma_service service;

	CU_ASSERT_EQUAL(hnuma_service_init(&service, NULL, NULL), -EINVAL);
	check_message("topology is NULL");
	CU_ASSERT_EQUAL(hnuma_service_init(&service, sparse, &set), -ENODEV);
	check_message("node 1 does not exist; nodes that can be used: 0,8,252");
	/* What a failed init leaves can be freed. */
	hnuma_service_free(&service);
	set = set_of(1, no_memory);
	CU_ASSERT_EQUAL(hnuma_service_init(&service, tiers, &set), -ENODEV);
	check_message("node 8 has no memory");
	set = set_of(1, last);
	CU_ASSERT_EQUAL(hnuma_service_init(&service, tiers, &set), -ENODEV);
	check_message("node 1023 does not exist");
	CU_ASSERT_EQUAL_FATAL(
		foreign_create(&no_nodes, "HWLOC_SYNTHETIC", "pack:2 [numa] [numa] pu:1"), 0);
	CU_ASSERT_EQUAL(hnuma_service_init(&service, no_nodes, NULL), -ENODEV);
	check_message("no node that has memory is allowed");
	hnuma_topology_destroy(no_nodes);
}

/* Where no node has both CPUs and memory, those with memory serve: here the third, for all CPUs. */
static void test_no_node_with_both(void)
{
	static const int third[] = {2};
	static const unsigned short to_third[] = {0, 0};
	struct hnuma_topology *topology;

	CU_ASSERT_EQUAL_FATAL(
		foreign_create(&topology, "HWLOC_XMLFILE", foreign_file("far-memory.xml")), 0);
	check_service(topology, NULL, 0, third, 1, to_third);
	CU_ASSERT_EQUAL(hnuma_topology_node_of_cpu(topology, 1), 2);
	hnuma_topology_destroy(topology);
}

static void test_copy(void)
{
	struct hnuma_service service, copy;

	CU_ASSERT_EQUAL_FATAL(hnuma_service_init(&service, sparse, NULL), 0);
	CU_ASSERT_EQUAL_FATAL(hnuma_service_copy(&copy, &service), 0);
	CU_ASSERT_EQUAL(copy.nr_nodes, 3);
	CU_ASSERT_EQUAL(copy.nr_cpus, 6);
	CU_ASSERT_PTR_NOT_EQUAL(copy.nodes, service.nodes);
	CU_ASSERT_EQUAL(memcmp(copy.nodes, service.nodes, 3 * sizeof(int)), 0);
	CU_ASSERT_EQUAL(memcmp(copy.index_of_cpu, service.index_of_cpu, 6 * sizeof(short)), 0);
	CU_ASSERT_EQUAL(memcmp(copy.nearest, service.nearest, 9 * sizeof(short)), 0);
	hnuma_service_free(&service);
	CU_ASSERT_PTR_NULL(service.nodes);
	CU_ASSERT_EQUAL(copy.nodes[2], 252);
	hnuma_service_free(&copy);
	hnuma_service_free(&copy);
}

static int no_cpu(void)
{
	return -ENOSYS;
}

static int second_node(void)
{
	return 3;
}

static void test_here(void)
{
	int (*saved)(void) = hnuma_sys.current_cpu;
	struct hnuma_service service;

	CU_ASSERT_EQUAL_FATAL(hnuma_service_init(&service, sparse, NULL), 0);
	hnuma_sys.current_cpu = second_node;
	CU_ASSERT_EQUAL(hnuma_service_index(&service, HNUMA_NODE_LOCAL), 1);
	hnuma_sys.current_cpu = no_cpu;
	CU_ASSERT_EQUAL(hnuma_service_index(&service, HNUMA_NODE_LOCAL), 0);
	hnuma_sys.current_cpu = saved;
	hnuma_service_free(&service);
}

static void test_allowed_cpus(void)
{
	struct hnuma_topology *topology;
	cpu_set_t set;
	int *cpus, nr;

	CU_ASSERT_EQUAL(hnuma_topology_allowed_cpus(sparse, &cpus), 6);
	for (int i = 0; i < 6; i++)
		CU_ASSERT_EQUAL(cpus[i], i);
	free(cpus);
	CU_ASSERT_EQUAL(hnuma_topology_allowed_cpus(tiers, &cpus), 3);
	CU_ASSERT_EQUAL(cpus[2], 2);
	free(cpus);
	/* This thread's affinity is within those of this machine. */
	CU_ASSERT_EQUAL_FATAL(hnuma_topology_create(&topology), 0);
	nr = hnuma_topology_allowed_cpus(topology, &cpus);
	CU_ASSERT_FATAL(nr > 0);
	CU_ASSERT_EQUAL(sched_getaffinity(0, sizeof(set), &set), 0);
	for (int i = 0; i < nr; i++)
		CPU_CLR(cpus[i], &set);
	CU_ASSERT_EQUAL(CPU_COUNT(&set), 0);
	free(cpus);
	hnuma_topology_destroy(topology);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"the default", test_default},
		{"asked nodes", test_asked},
		{"the way to the others", test_nearest},
		{"the way on a ring", test_nearest_on_a_ring},
		{"what is refused", test_refused},
		{"no node with both", test_no_node_with_both},
		{"copies", test_copy},
		{"here", test_here},
		{"allowed CPUs", test_allowed_cpus},
		CU_TEST_INFO_NULL,
	};
	int result;

	foreign_clean_environment();
	setenv("HWLOC_XMLFILE", foreign_file("sparse.xml"), 1);
	result = hnuma_topology_create(&sparse);
	setenv("HWLOC_XMLFILE", foreign_file("tiers.xml"), 1);
	if (result || hnuma_topology_create(&tiers)) {
		fprintf(stderr, "%s\n", hnuma_errormsg());
		return EXIT_FAILURE;
	}
	unsetenv("HWLOC_XMLFILE");
	result = check_main("service", tests);
	hnuma_topology_destroy(sparse);
	hnuma_topology_destroy(tiers);
	return result;
}
