/* SPDX-License-Identifier: MIT */
/*
 * tests/test_limit.c - what stands in the way of a region, as files of our making tell it. Limits that
 * are real are in test_region_limits.c.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <hugenuma.h>

#include "numa/region.h"
#include "tests/check.h"
#include "tests/fake_files.h"
#include "tests/foreign.h"

#define PAGE HNUMA_HUGEPAGE
#define SIZE (4 * PAGE)

static struct hnuma_topology *topology;

/* The node that is asked for. */
static int home;

#define THP "/sys/kernel/mm/transparent_hugepage/"

/* Why a region came to have too few transparent huge pages: what the system says, and what to do. */
static void test_transparent_reasons(void)
{
	static const struct {
		const char *status, *enabled, *shmem_enabled; /* NULL: cannot be read */
		unsigned flags;
		const char *words;
	} cases[] = {
		{"THP_enabled:\t1\n", "always [madvise] never\n", "[never]\n", 0,
		 "vm/compact_memory"},
		{"THP_enabled:\t0\n", "[always] madvise never\n", "[never]\n", 0,
		 "PR_SET_THP_DISABLE"},
		{NULL, "always madvise [never]\n", "[always]\n", 0,
		 "switched off: echo madvise > " THP "enabled"},
		{"Name:\tx\n", NULL, "[always]\n", 0, "has none, or /sys is missing"},
		{"Name:\tx\n", "[always] never\n", "always [never]\n", HNUMA_SHARED,
		 "for shared memory: echo advise > " THP "shmem_enabled"},
		{"Name:\tx\n", "always [never]\n", "always [advise] never\n", HNUMA_SHARED,
		 "vm/compact_memory"},
		{"Name:\tx\n", "[always]\n", NULL, HNUMA_SHARED, "has none"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct fake_file files[] = {
			{"/proc/self/status", cases[i].status, -EACCES},
			{THP "enabled", cases[i].enabled, -ENOENT},
			{THP "shmem_enabled", cases[i].shmem_enabled, -ENOENT},
			{NULL, NULL, 0},
		};
		const struct hnuma_region_attr attr = {.flags = cases[i].flags};
		const struct hnuma_request request = {.attr = &attr, .size_bytes = SIZE};

		fake_files_begin(files, true);
		CU_ASSERT_EQUAL(hnuma_limit_explain_thp(&request, PAGE, i ? 0 : -EAGAIN), -ENOMEM);
		fake_files_end();
		check_message("2097152 of 8388608 bytes are in pages of 2 MB (MADV_COLLAPSE: ");
		check_message(i ? "done" : "Resource temporarily unavailable");
		check_message(cases[i].words);
	}
}

/* A cpuset that leaves no node with memory: since the topology was made, or already then. */
static void test_no_node_allowed(void)
{
	static const struct fake_file files[] = {
		{"/proc/self/status", "Mems_allowed_list:\t1023\n", 0},
		{NULL, NULL, 0},
	};
	struct hnuma_region_attr attr = HNUMA_REGION_ATTR_INIT;
	struct hnuma_region *region;

	attr.size = SIZE;
	attr.node = home;
	if (!check_knows_nodes()) {
		check_skip("the system does not tell of its nodes");
		return;
	}
	fake_files_begin(files, false);
	CU_ASSERT_EQUAL(hnuma_region_create(&region, topology, &attr), -ENODEV);
	check_message("nodes that can be used: none");
	attr.policy = HNUMA_POLICY_INTERLEAVE;
	CU_ASSERT_EQUAL(hnuma_region_create(&region, topology, &attr), -ENODEV);
	check_message("no node with memory is allowed to this process");
	fake_files_end();
}

/* A machine whose nodes have no memory, by a description that is said to be of this one. */
static void test_no_memory_anywhere(void)
{
	static const char key[] = "local_memory=\"";
	char path[] = "/tmp/hugenuma-empty-XXXXXX", *text;
	struct hnuma_region_attr attr = HNUMA_REGION_ATTR_INIT;
	struct hnuma_topology *said;
	struct hnuma_region *region;
	int error, fd = mkstemp(path);

	CU_ASSERT_FATAL(fd >= 0);
	text = strdup(check_read_file(foreign_file("sparse.xml")));
	for (char *at = strstr(text, key); at; at = strstr(at, key)) {
		at += strlen(key);
		memset(at, '0', strspn(at, "0123456789"));
	}
	CU_ASSERT_EQUAL(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	setenv("HWLOC_THISSYSTEM", "1", 1);
	error = foreign_create(&said, "HWLOC_XMLFILE", path);
	unsetenv("HWLOC_THISSYSTEM");
	free(text);
	close(fd);
	unlink(path);
	CU_ASSERT_EQUAL_FATAL(error, 0);
	attr.size = SIZE;
	CU_ASSERT_EQUAL(hnuma_current_node(said), -ENODEV);
	CU_ASSERT_EQUAL(hnuma_region_create(&region, said, &attr), -ENODEV);
	CU_ASSERT_PTR_NULL(region);
	check_message("HNUMA_NODE_LOCAL: ");
	hnuma_topology_destroy(said);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"why there are no transparent pages", test_transparent_reasons},
		{"no node is allowed", test_no_node_allowed},
		{"no node has memory", test_no_memory_anywhere},
		CU_TEST_INFO_NULL,
	};

	topology = check_topology();
	home = check_home_node();
	return check_main("limit", tests);
}
