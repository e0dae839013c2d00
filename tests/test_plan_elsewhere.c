/* SPDX-License-Identifier: MIT */
/*
 * tests/test_plan_elsewhere.c - plans for machines that are described in a file or in the environment,
 * and for one that does not describe itself.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <hugenuma.h>

#include "numa/sys.h"
#include "tests/check.h"

static struct hnuma_plan *open_plan(const struct hnuma_topology *which,
				    const struct hnuma_config *config)
{
	struct hnuma_plan *plan;
	int error = hnuma_plan_create(&plan, which, config);

	if (error)
		printf("\n    %s ", hnuma_errormsg());
	CU_ASSERT_EQUAL_FATAL(error, 0);
	return plan;
}

static struct hnuma_plan_node node_of(const struct hnuma_plan *plan, unsigned index)
{
	struct hnuma_plan_node node;

	CU_ASSERT_EQUAL_FATAL(hnuma_plan_node(plan, index, &node), 0);
	return node;
}

static struct hnuma_topology *open_foreign(const char *synthetic)
{
	struct hnuma_topology *foreign;

	setenv("HWLOC_SYNTHETIC", synthetic, 1);
	CU_ASSERT_EQUAL_FATAL(hnuma_topology_create(&foreign), 0);
	unsetenv("HWLOC_SYNTHETIC");
	return foreign;
}

static int (*real_open)(const char *path);

static int open_without_nodes(const char *path)
{
	if (strncmp(path, "/sys/devices/system/node", 24) == 0)
		return -ENOENT;
	return real_open(path);
}

/* Row 35: where the kernel tells no nodes the advice is for the machine, and works as well. */
static void test_unknown_topology(void)
{
	struct hnuma_config config = HNUMA_CONFIG_INIT;
	struct hnuma_topology *unknown;
	struct hnuma_manager *manager;
	struct hnuma_plan *plan;
	FILE *shell;

	config.least_backing = HNUMA_BACKING_HUGETLB;
	if (access("/sys/devices/system/node/node1", F_OK) == 0) {
		printf("(this machine has more than the one node that is assumed) ");
		return;
	}
	if (!check_hugepages_exactly(0, 2))
		return;
	real_open = hnuma_sys.open;
	hnuma_sys.open = open_without_nodes;
	CU_ASSERT_EQUAL_FATAL(hnuma_topology_create(&unknown), 0);
	CU_ASSERT(!hnuma_topology_is_known(unknown));
	plan = open_plan(unknown, &config);
	CU_ASSERT_EQUAL(node_of(plan, 0).limit, HNUMA_LIMIT_NODE_PAGES);
	CU_ASSERT_PTR_NULL(strstr(hnuma_plan_advice(plan, 0), "/sys/devices/system/node"));
	shell = popen("sh -e", "w");
	CU_ASSERT_PTR_NOT_NULL_FATAL(shell);
	CU_ASSERT(fputs(hnuma_plan_advice(plan, 0), shell) >= 0);
	CU_ASSERT_EQUAL(pclose(shell), 0);
	hnuma_plan_destroy(plan);
	plan = open_plan(unknown, &config);
	CU_ASSERT(hnuma_plan_fits(plan));
	CU_ASSERT_EQUAL(node_of(plan, 0).pages_free, node_of(plan, 0).pages_needed);
	hnuma_plan_destroy(plan);
	CU_ASSERT_EQUAL(hnuma_manager_create(&manager, unknown, &config), 0);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
	hnuma_sys.open = real_open;
	hnuma_topology_destroy(unknown);
}

/* A package with two CPUs and a node, in the words of lstopo. */
static void describe_package(FILE *xml, unsigned index, unsigned node, unsigned pages)
{
	const unsigned cpus = 3u << (2 * index), nodes = 1u << node;

	fprintf(xml,
		"<object type='Package' os_index='%u' cpuset='0x%x' complete_cpuset='0x%x' "
		"nodeset='0x%x' complete_nodeset='0x%x' gp_index='%u'>\n"
		"<object type='NUMANode' os_index='%u' cpuset='0x%x' complete_cpuset='0x%x' "
		"nodeset='0x%x' complete_nodeset='0x%x' gp_index='%u' local_memory='8589934592'>\n"
		"<page_type size='4096' count='1000000'/>\n"
		"<page_type size='2097152' count='%u'/>\n</object>\n",
		index, cpus, cpus, nodes, nodes, 10 + index, node, cpus, cpus, nodes, nodes,
		20 + index, pages);
	for (unsigned cpu = 2 * index; cpu < 2 * index + 2; cpu++)
		fprintf(xml,
			"<object type='PU' os_index='%u' cpuset='0x%x' complete_cpuset='0x%x' "
			"nodeset='0x%x' complete_nodeset='0x%x' gp_index='%u'/>\n",
			cpu, 1u << cpu, 1u << cpu, nodes, nodes, 30 + cpu);
	fprintf(xml, "</object>\n");
}

/* A machine with nodes 0 and 8, of which 0 has 500 huge pages and 8 has 3. */
static struct hnuma_topology *open_described(void)
{
	char path[] = "/tmp/hugenuma-plan-XXXXXX";
	struct hnuma_topology *described;
	char *text = NULL;
	size_t size;
	FILE *xml = open_memstream(&text, &size);
	int fd = mkstemp(path);

	CU_ASSERT_PTR_NOT_NULL_FATAL(xml);
	fprintf(xml, "<?xml version='1.0' encoding='UTF-8'?>\n"
		     "<!DOCTYPE topology SYSTEM 'hwloc2.dtd'>\n<topology version='2.0'>\n"
		     "<object type='Machine' os_index='0' cpuset='0xf' complete_cpuset='0xf' "
		     "allowed_cpuset='0xf' nodeset='0x101' complete_nodeset='0x101' "
		     "allowed_nodeset='0x101' gp_index='1'>\n");
	describe_package(xml, 0, 0, 500);
	describe_package(xml, 1, 8, 3);
	fprintf(xml, "</object>\n</topology>\n");
	fclose(xml);
	/* hwloc's own parser wants the other quotes. */
	for (char *quote = strchr(text, '\''); quote; quote = strchr(quote, '\''))
		*quote = '"';
	CU_ASSERT_EQUAL(write(fd, text, size), (ssize_t)size);
	close(fd);
	free(text);
	setenv("HWLOC_XMLFILE", path, 1);
	CU_ASSERT_EQUAL_FATAL(hnuma_topology_create(&described), 0);
	unsetenv("HWLOC_XMLFILE");
	unlink(path);
	return described;
}

/* Row 33: the counts that a description has are planned with, and this machine's are not. */
static void test_described_topology(void)
{
	struct hnuma_topology *described = open_described();
	struct hnuma_plan *plan = open_plan(described, NULL);
	struct hnuma_plan_node node;
	char expected[256];

	CU_ASSERT_EQUAL_FATAL(hnuma_plan_nr_nodes(plan), 2);
	node = node_of(plan, 0);
	CU_ASSERT_EQUAL(node.node, 0);
	CU_ASSERT_EQUAL(node.pages_total, 500);
	CU_ASSERT_EQUAL(node.pages_free, 500);
	CU_ASSERT_EQUAL(node.limit, HNUMA_LIMIT_NONE);
	CU_ASSERT_STRING_EQUAL(hnuma_plan_advice(plan, 0), "");
	node = node_of(plan, 1);
	CU_ASSERT_EQUAL(node.node, 8);
	CU_ASSERT_EQUAL(node.pages_total, 3);
	CU_ASSERT_EQUAL(node.limit, HNUMA_LIMIT_NODE_PAGES);
	CU_ASSERT_EQUAL(node.pages_missing, node.pages_needed - 3);
	CU_ASSERT(!hnuma_plan_fits(plan));
	snprintf(expected, sizeof(expected), "hugepages=0:500,8:%" PRIu64 "\n", node.pages_needed);
	CU_ASSERT_PTR_NOT_NULL(strstr(hnuma_plan_advice(plan, 1), expected));
	CU_ASSERT_PTR_NOT_NULL(strstr(hnuma_plan_advice(plan, 1), "/node8/"));
	hnuma_plan_destroy(plan);
	hnuma_topology_destroy(described);
}

/* Row 33: another machine can be planned for, with the numbers that it has there. */
static void test_foreign_topology(void)
{
	struct hnuma_topology *foreign = open_foreign("NUMANode:2(memory=64GB) Core:8 PU:2");
	struct hnuma_config config = HNUMA_CONFIG_INIT;
	struct hnuma_plan *plan = open_plan(foreign, &config);
	char expected[512];
	uint64_t needed[2];

	CU_ASSERT_EQUAL_FATAL(hnuma_plan_nr_nodes(plan), 2);
	for (unsigned i = 0; i < 2; i++) {
		struct hnuma_plan_node node = node_of(plan, i);

		needed[i] = node.pages_needed;
		CU_ASSERT_EQUAL(node.node, (int)i);
		CU_ASSERT_EQUAL(node.nr_spaces, 16);
		CU_ASSERT_EQUAL(node.pages_total, 0);
		CU_ASSERT_EQUAL(node.pages_missing, node.pages_needed);
		CU_ASSERT_EQUAL(node.limit, HNUMA_LIMIT_NODE_PAGES);
	}
	CU_ASSERT(!hnuma_plan_fits(plan));
	for (unsigned i = 0; i < 2; i++) {
		const char *advice = hnuma_plan_advice(plan, i);

		snprintf(expected, sizeof(expected),
			 "\necho %" PRIu64 " > /sys/devices/system/node/node%u/hugepages/"
			 "hugepages-2048kB/nr_hugepages\n",
			 needed[i], i);
		CU_ASSERT_PTR_NOT_NULL(strstr(advice, expected));
		snprintf(expected, sizeof(expected),
			 "hugepagesz=2M hugepages=0:%" PRIu64 ",1:%" PRIu64 "\n", needed[0],
			 needed[1]);
		CU_ASSERT_PTR_NOT_NULL(strstr(advice, expected));
		CU_ASSERT_EQUAL(advice[strlen(advice) - 1], '\n');
	}
	hnuma_plan_destroy(plan);

	/* One node of the two. */
	hnuma_nodeset_add(&config.nodes, 1);
	plan = open_plan(foreign, &config);
	CU_ASSERT_EQUAL_FATAL(hnuma_plan_nr_nodes(plan), 1);
	CU_ASSERT_EQUAL(node_of(plan, 0).node, 1);
	CU_ASSERT_EQUAL(node_of(plan, 0).nr_spaces, 32);
	hnuma_plan_destroy(plan);
	hnuma_topology_destroy(foreign);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"unknown topology", test_unknown_topology},
		{"described topology", test_described_topology},
		{"foreign topology", test_foreign_topology},
		CU_TEST_INFO_NULL,
	};

	return check_main("plan_elsewhere", tests);
}
