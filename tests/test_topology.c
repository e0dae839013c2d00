/* SPDX-License-Identifier: MIT */
/*
 * tests/test_topology.c - this machine's topology, as /sys has it; systems that do not tell theirs;
 * cpusets that change; lists of nodes. Other machines' are in test_topology_files.
 */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <hugenuma.h>

#include "numa/cpu.h"
#include "numa/hugepages.h"
#include "numa/topology.h"
#include "tests/check.h"
#include "tests/fake_files.h"
#include "tests/foreign.h"

#define NODES "/sys/devices/system/node/"
#define CPUS  "/sys/devices/system/cpu/"

/* The number behind a key in a text, or -1. */
static long long number_behind(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? atoll(at + strlen(key)) : -1;
}

/* Is the number in one of the kernel's lists? With a parser of its own. */
static bool list_has(const char *list, int number)
{
	while (*list >= '0' && *list <= '9') {
		char *end;
		long first = strtol(list, &end, 10), last = first;

		if (*end == '-')
			last = strtol(end + 1, &end, 10);
		if (number >= first && number <= last)
			return true;
		list = end + (*end == ',');
	}
	return false;
}

static char *copy_file(const char *path)
{
	return strdup(check_read_file(path));
}

/* Compare one node with its directory in /sys. */
static void check_node(const struct hnuma_topology *topology, const struct hnuma_node_info *info)
{
	struct hnuma_hugepages_node pages;
	char path[128];
	char *cpus;
	unsigned nr_cpus = 0;

	snprintf(path, sizeof(path), NODES "node%d/meminfo", info->node);
	CU_ASSERT_EQUAL((long long)info->memory_bytes,
			number_behind(check_read_file(path), "MemTotal:") * 1024);
	CU_ASSERT_EQUAL(hnuma_hugepages_read_node(info->node, &pages), 0);
	CU_ASSERT_EQUAL(info->hugepages_total, pages.total);
	snprintf(path, sizeof(path), NODES "node%d/cpulist", info->node);
	cpus = copy_file(path);
	for (int cpu = 0; cpu < (int)hnuma_topology_nr_cpus(topology); cpu++) {
		if (!list_has(cpus, cpu))
			continue;
		nr_cpus++;
		if (info->is_allowed && info->memory_bytes)
			CU_ASSERT_EQUAL(hnuma_topology_node_of_cpu(topology, cpu), info->node);
	}
	CU_ASSERT(info->nr_cpus <= nr_cpus);
	CU_ASSERT_EQUAL(info->kind == HNUMA_NODE_KIND_NORMAL, nr_cpus && info->memory_bytes);
	free(cpus);
}

static void test_this_machine(void)
{
	struct hnuma_topology *topology;
	struct hnuma_node_info info;
	char *online = copy_file(NODES "online"), *possible = copy_file(CPUS "possible");
	unsigned nr_cpus, nr_nodes = 0, i = 0;

	/* The page counts stand still only while nobody else changes them. */
	if (!check_hugepages(1))
		goto free_lists;
	CU_ASSERT_EQUAL_FATAL(quiet_create(&topology), 0);
	CU_ASSERT_TRUE(hnuma_topology_is_this_system(topology));
	CU_ASSERT_TRUE(hnuma_topology_is_known(topology));
	nr_cpus = hnuma_topology_nr_cpus(topology);
	CU_ASSERT_TRUE(list_has(possible, (int)nr_cpus - 1));
	CU_ASSERT_FALSE(list_has(possible, (int)nr_cpus));
	for (int node = 0; node < HNUMA_MAX_NODES; node++) {
		CU_ASSERT_EQUAL(hnuma_topology_has_node(topology, node), list_has(online, node));
		if (!list_has(online, node))
			continue;
		nr_nodes++;
		CU_ASSERT_EQUAL_FATAL(hnuma_topology_node_info(topology, i++, &info), 0);
		CU_ASSERT_EQUAL(info.node, node);
		check_node(topology, &info);
		CU_ASSERT_EQUAL(info.is_allowed, hnuma_topology_node_is_allowed(topology, node));
		CU_ASSERT_EQUAL(hnuma_topology_distance(topology, node, node), 10);
	}
	CU_ASSERT_EQUAL(hnuma_topology_nr_nodes(topology), nr_nodes);
	CU_ASSERT_TRUE(hnuma_topology_node_is_allowed(topology, hnuma_current_node(topology)));
	CU_ASSERT_EQUAL(hnuma_topology_check_node(topology, hnuma_current_node(topology)), 0);
	hnuma_topology_destroy(topology);
free_lists:
	free(online);
	free(possible);
}

static void test_arguments(void)
{
	static const int no_numbers[] = {-1, -2, INT_MIN, INT_MAX, 65536, 1 << 20};
	struct hnuma_topology *topology;
	struct hnuma_node_info info;

	CU_ASSERT_EQUAL(hnuma_topology_create(NULL), -EINVAL);
	check_message("out is NULL");
	hnuma_topology_destroy(NULL);
	CU_ASSERT_EQUAL_FATAL(hnuma_topology_create(&topology), 0);
	CU_ASSERT_EQUAL(hnuma_topology_node_info(NULL, 0, &info), -EINVAL);
	check_message("topology is NULL");
	CU_ASSERT_EQUAL(hnuma_topology_node_info(topology, 0, NULL), -EINVAL);
	check_message("info is NULL");
	CU_ASSERT_EQUAL(hnuma_topology_node_info(topology, UINT_MAX, &info), -ENODEV);
	check_message("no node of index 4294967295");
	for (size_t i = 0; i < sizeof(no_numbers) / sizeof(no_numbers[0]); i++) {
		int number = no_numbers[i];
		char words[64];

		CU_ASSERT_EQUAL(hnuma_topology_node_of_cpu(topology, number), -ENODEV);
		snprintf(words, sizeof(words), "CPU %d does not exist", number);
		check_message(words);
		CU_ASSERT_EQUAL(hnuma_topology_distance(topology, number, number), -ENODEV);
		snprintf(words, sizeof(words), "node %d does not exist", number);
		check_message(words);
		CU_ASSERT_FALSE(hnuma_topology_has_node(topology, number));
		CU_ASSERT_FALSE(hnuma_topology_node_has_memory(topology, number));
		CU_ASSERT_FALSE(hnuma_topology_node_is_allowed(topology, number));
		CU_ASSERT_EQUAL(hnuma_topology_node_nr_cpus(topology, number), 0);
		CU_ASSERT_EQUAL(hnuma_topology_check_node(topology, number), -ENODEV);
	}
	CU_ASSERT_EQUAL(hnuma_topology_nr_nodes(NULL), 0);
	CU_ASSERT_EQUAL(hnuma_topology_nr_cpus(NULL), 0);
	CU_ASSERT_EQUAL(hnuma_topology_node_of_cpu(NULL, 0), -ENODEV);
	CU_ASSERT_EQUAL(hnuma_topology_distance(NULL, 0, 0), -ENODEV);
	CU_ASSERT_EQUAL(hnuma_current_node(NULL), -ENODEV);
	CU_ASSERT_FALSE(hnuma_topology_is_this_system(NULL));
	CU_ASSERT_FALSE(hnuma_topology_is_known(NULL));
	CU_ASSERT_EQUAL(hnuma_topology_check_node(NULL, 0), -ENODEV);
	hnuma_topology_destroy(topology);
}

/* One node is assumed; it has what the machine has; threads can be bound. */
static void check_unknown(const struct fake_file *files, const char *what)
{
	struct hnuma_hugepages_machine machine;
	struct hnuma_cpu_binding *binding;
	struct hnuma_topology *topology;
	struct hnuma_node_info info;
	struct hnuma_nodeset usable;
	int cpu = sched_getcpu();

	printf("(%s) ", what);
	fake_files_begin(files, false);
	CU_ASSERT_EQUAL_FATAL(quiet_create(&topology), 0);
	CU_ASSERT_FALSE(hnuma_topology_is_known(topology));
	CU_ASSERT_TRUE(hnuma_topology_is_this_system(topology));
	CU_ASSERT_EQUAL(hnuma_topology_nr_nodes(topology), 1);
	CU_ASSERT_EQUAL(hnuma_topology_node_info(topology, 0, &info), 0);
	CU_ASSERT_EQUAL(info.node, 0);
	CU_ASSERT_EQUAL(info.kind, HNUMA_NODE_KIND_NORMAL);
	CU_ASSERT_TRUE(info.is_allowed);
	CU_ASSERT_EQUAL(info.nr_cpus, hnuma_topology_node_nr_cpus(topology, 0));
	CU_ASSERT(info.nr_cpus >= 1 && info.nr_cpus <= hnuma_topology_nr_cpus(topology));
	CU_ASSERT_EQUAL(info.memory_bytes,
			(uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE));
	(void)hnuma_hugepages_read_machine(&machine);
	CU_ASSERT_EQUAL(info.hugepages_total, machine.total);
	CU_ASSERT_EQUAL(hnuma_current_node(topology), 0);
	CU_ASSERT_EQUAL(hnuma_topology_node_of_cpu(topology, cpu), 0);
	CU_ASSERT_EQUAL(hnuma_topology_check_node(topology, 0), 0);
	CU_ASSERT_EQUAL(hnuma_topology_usable_nodes(topology, true, &usable), 1);
	CU_ASSERT_EQUAL(hnuma_topology_distance(topology, 0, 0), 10);
	CU_ASSERT_EQUAL(hnuma_cpu_bind(topology, cpu, &binding), 0);
	CU_ASSERT_EQUAL(sched_getcpu(), cpu);
	CU_ASSERT_EQUAL(hnuma_cpu_restore(topology, binding), 0);
	hnuma_topology_destroy(topology);
	fake_files_end();
}

static void test_unknown(void)
{
	static const struct fake_file no_nodes[] = {
		{NODES "online", NULL, -ENOENT},
		/* A cpuset cannot be known either, nor can it be in force. */
		{"/proc/self/status", "Mems_allowed_list:\t5\n", 0},
		{NULL, NULL, 0},
	};
	static const struct fake_file secret[] = {
		{NODES "online", NULL, -EACCES},
		{NULL, NULL, 0},
	};
	static const struct fake_file empty[] = {
		{NODES "online", "\n", 0},
		{NULL, NULL, 0},
	};
	/* hwloc would complain on stderr. */
	static const struct fake_file no_cpu_topology[] = {
		{CPUS "cpu0/topology/package_cpus", NULL, -ENOENT},
		{CPUS "cpu0/topology/core_cpus", NULL, -ENOENT},
		{CPUS "cpu0/topology/core_siblings", NULL, -ENOENT},
		{CPUS "cpu0/topology/thread_siblings", NULL, -ENOENT},
		{NULL, NULL, 0},
	};
	static const struct fake_file nothing[] = {
		{NODES "online", NULL, -ENOENT},
		{CPUS "online", NULL, -ENOENT},
		{CPUS "possible", NULL, -ENOENT},
		{"/proc/self/status", NULL, -ENOENT},
		{"/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", NULL, -ENOENT},
		{NULL, NULL, 0},
	};
	struct check_state before;

	/* Nobody else changes the counts of pages from here on. */
	check_snapshot(&before);
	check_unknown(no_nodes, "no nodes");
	check_unknown(secret, "not ours to read");
	check_unknown(empty, "an empty list");
	check_unknown(no_cpu_topology, "no topology of CPUs");
	check_unknown(nothing, "nothing");
	check_unchanged(&before);
}

/* So many CPUs that hwloc must be given packages; of which few are allowed. */
static void test_unknown_large(void)
{
	static const struct fake_file files[] = {
		{NODES "online", NULL, -ENOENT},
		{CPUS "possible", "0-2047\n", 0},
		{"/proc/self/status", "Cpus_allowed_list:\t0,1,1500-1501\n", 0},
		{NULL, NULL, 0},
	};
	struct hnuma_topology *topology;

	fake_files_begin(files, false);
	CU_ASSERT_EQUAL_FATAL(quiet_create(&topology), 0);
	CU_ASSERT_EQUAL(hnuma_topology_nr_cpus(topology), 2048);
	CU_ASSERT_EQUAL(hnuma_topology_node_nr_cpus(topology, 0), 4);
	CU_ASSERT_EQUAL(hnuma_topology_node_of_cpu(topology, 2047), 0);
	hnuma_topology_destroy(topology);
	fake_files_end();
}

/* Where /sys tells of more than a thousand CPUs hwloc groups them; the nodes are the same. */
static void test_many_cpus(void)
{
	static const struct fake_file files[] = {{CPUS "online", "0-1999\n", 0}, {NULL, NULL, 0}};
	struct hnuma_topology *plain, *grouped;
	struct hnuma_node_info one, other;

	CU_ASSERT_EQUAL_FATAL(quiet_create(&plain), 0);
	fake_files_begin(files, false);
	CU_ASSERT_EQUAL_FATAL(quiet_create(&grouped), 0);
	fake_files_end();
	CU_ASSERT_EQUAL(hnuma_topology_nr_cpus(plain), hnuma_topology_nr_cpus(grouped));
	CU_ASSERT_EQUAL_FATAL(hnuma_topology_nr_nodes(plain), hnuma_topology_nr_nodes(grouped));
	for (unsigned i = 0; i < hnuma_topology_nr_nodes(plain); i++) {
		CU_ASSERT_EQUAL(hnuma_topology_node_info(plain, i, &one), 0);
		CU_ASSERT_EQUAL(hnuma_topology_node_info(grouped, i, &other), 0);
		CU_ASSERT_EQUAL(one.node, other.node);
		CU_ASSERT_EQUAL(one.memory_bytes, other.memory_bytes);
		CU_ASSERT_EQUAL(one.nr_cpus, other.nr_cpus);
	}
	hnuma_topology_destroy(grouped);
	hnuma_topology_destroy(plain);
}

/* A cpuset that changes after the topology was made is seen, in either direction. */
static void test_cpuset_changes(void)
{
	static const struct fake_file other_node[] = {
		{"/proc/self/status", "Name:\tx\nMems_allowed:\t2\nMems_allowed_list:\t1,3-5\n", 0},
		{NULL, NULL, 0},
	};
	static const struct fake_file no_line[] = {
		{"/proc/self/status", "Name:\tMems_allowed_list:\t1\n", 0},
		{NULL, NULL, 0},
	};
	static const struct fake_file no_proc[] = {
		{"/proc/self/status", NULL, -ENOENT},
		{NULL, NULL, 0},
	};
	struct hnuma_topology *topology;
	struct hnuma_nodeset usable;
	struct hnuma_node_info info;
	unsigned index = 0;
	int node;

	if (!check_knows_nodes()) {
		check_skip("the system does not tell of its nodes");
		return;
	}
	CU_ASSERT_EQUAL_FATAL(quiet_create(&topology), 0);
	/* One that is allowed, and will not be. */
	while (hnuma_topology_node_info(topology, index, &info) == 0 &&
	       (!info.is_allowed || info.node == 1 || (info.node >= 3 && info.node <= 5)))
		index++;
	node = info.node;
	if (index == hnuma_topology_nr_nodes(topology)) {
		check_skip("there is no other allowed node than 1, 3, 4 and 5");
		goto destroy;
	}
	fake_files_begin(other_node, false);
	CU_ASSERT_FALSE(hnuma_topology_node_is_allowed(topology, node));
	CU_ASSERT_EQUAL(hnuma_topology_node_info(topology, index, &info), 0);
	CU_ASSERT_FALSE(info.is_allowed);
	CU_ASSERT_EQUAL(hnuma_topology_check_node(topology, node), -ENODEV);
	check_message("is not allowed to this process by its cpuset");
	hnuma_topology_usable_nodes(topology, false, &usable);
	CU_ASSERT_FALSE(hnuma_nodeset_has(&usable, node));
	/* A node that the cpuset allows but the machine has not, does not come into being. */
	CU_ASSERT_FALSE(hnuma_nodeset_has(&usable, 1023));
	fake_files_begin(no_line, false);
	CU_ASSERT_TRUE(hnuma_topology_node_is_allowed(topology, node));
	fake_files_begin(no_proc, false);
	CU_ASSERT_TRUE(hnuma_topology_node_is_allowed(topology, node));
	fake_files_end();
	CU_ASSERT_TRUE(hnuma_topology_node_is_allowed(topology, node));
destroy:
	hnuma_topology_destroy(topology);
}

static int no_cpu(void)
{
	return -ENOSYS;
}

static int high_cpu(void)
{
	return 100000;
}

/* Rows 27 and 28: the CPU is not told, or is one that nobody counted. */
static void test_current_node(void)
{
	int (*saved)(void) = hnuma_sys.current_cpu;
	struct hnuma_topology *topology;
	struct hnuma_nodeset usable;
	int first = 0;

	CU_ASSERT_EQUAL_FATAL(quiet_create(&topology), 0);
	hnuma_topology_usable_nodes(topology, false, &usable);
	while (first < HNUMA_MAX_NODES && !hnuma_nodeset_has(&usable, first))
		first++;
	hnuma_sys.current_cpu = no_cpu;
	CU_ASSERT_EQUAL(hnuma_current_node(topology), first);
	hnuma_sys.current_cpu = high_cpu;
	CU_ASSERT_EQUAL(hnuma_current_node(topology), first);
	hnuma_sys.current_cpu = saved;
	hnuma_topology_destroy(topology);
}

static void test_lists_read(void)
{
	static const struct {
		const char *text;
		bool is_list;
		const char *nodes;
	} cases[] = {
		{"0\n", true, "0"},
		{"0-3,8,252", true, "0-3,8,252"},
		{" \t0,1 \n", true, "0,1"},
		{"1023\n", true, "1023"},
		{"0-1023", true, "0-1023"},
		{"", true, "none"},
		{"\n", true, "none"},
		{"5,5,5\n", true, "5"},
		{"3\n4\n", true, "3"},
		{"1024\n", false, "none"},
		{"2,1000-99999999999\n", false, "2,1000-1023"},
		{"99999999999999999999\n", false, "none"},
		{"3-1\n", false, "none"},
		{"1-\n", false, "none"},
		{"1,,2\n", false, "1"},
		{"1, 2\n", false, "1"},
		{"1 2\n", false, "1"},
		{"1x\n", false, "1"},
		{"-1\n", false, "none"},
		{"x\n", false, "none"},
		{"0-10:2/4\n", false, "0-10"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hnuma_nodeset nodes = {{0}};
		char text[64];

		CU_ASSERT_EQUAL(hnuma_topology_parse_list(cases[i].text, &nodes), cases[i].is_list);
		CU_ASSERT_STRING_EQUAL(hnuma_topology_list_nodes(&nodes, text, sizeof(text)),
				       cases[i].nodes);
	}
}

/* Lists that do not fit are cut after a whole number, in any size from 16 on. */
static void test_lists_written(void)
{
	struct hnuma_nodeset nodes = {{0}}, again;
	char whole[8192], text[8192];

	for (int node = 0; node < HNUMA_MAX_NODES; node += 2)
		hnuma_nodeset_add(&nodes, node);
	hnuma_topology_list_nodes(&nodes, whole, sizeof(whole));
	memset(&again, 0, sizeof(again));
	CU_ASSERT_TRUE(hnuma_topology_parse_list(whole, &again));
	CU_ASSERT_EQUAL(memcmp(&nodes, &again, sizeof(nodes)), 0);
	for (size_t size = 16; size < strlen(whole) + 1; size += 7) {
		const char *list = hnuma_topology_list_nodes(&nodes, text, size);
		size_t length = strlen(list);

		CU_ASSERT_FATAL(length < size && length > 4);
		CU_ASSERT_STRING_EQUAL(list + length - 4, ",...");
		CU_ASSERT_EQUAL(strncmp(list, whole, length - 3), 0);
	}
}

/* (AddressSanitizer takes what a cancelled function had on its stack for still guarded: nothing.) */
static void *create_cancelled(void *topology)
{
	pthread_cancel(pthread_self());
	if (hnuma_topology_create(topology) == 0)
		pthread_testcancel();
	return NULL;
}

/* Nothing of a topology is lost: the thread is cancelled when the call has returned. */
static void test_cancelled(void)
{
	struct hnuma_topology *topology = NULL;
	pthread_t thread;
	void *result;

	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, create_cancelled, &topology), 0);
	CU_ASSERT_EQUAL(pthread_join(thread, &result), 0);
	CU_ASSERT_PTR_EQUAL(result, PTHREAD_CANCELED);
	CU_ASSERT_PTR_NOT_NULL(topology);
	hnuma_topology_destroy(topology);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"this machine", test_this_machine},
		{"arguments", test_arguments},
		{"unknown topologies", test_unknown},
		{"a large unknown topology", test_unknown_large},
		{"many CPUs", test_many_cpus},
		{"a cpuset changes", test_cpuset_changes},
		{"the current node", test_current_node},
		{"lists are read", test_lists_read},
		{"lists are written", test_lists_written},
		{"cancelled", test_cancelled},
		CU_TEST_INFO_NULL,
	};

	foreign_clean_environment();
	return check_main("topology", tests);
}
