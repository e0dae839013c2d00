/* SPDX-License-Identifier: MIT */
/*
 * tests/test_ground.c - numa/ground: one region on each served node, all or none.
 */
#include "config.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hugenuma.h>

#include "numa/ground.h"
#include "tests/check.h"
#include "tests/fail_sys.h"

#define PAGE HNUMA_HUGEPAGE

static struct hnuma_topology *topology;
static struct hnuma_service service;
static size_t sizes[HNUMA_MAX_NODES];

static struct hnuma_ground_request make_request(void)
{
	struct hnuma_ground_request request = {
		.name = "ground",
		.sizes = sizes,
		.least_backing = HNUMA_BACKING_HUGETLB,
		.policy = HNUMA_POLICY_BIND,
	};

	for (unsigned i = 0; i < service.nr_nodes; i++)
		sizes[i] = PAGE + 1;
	return request;
}

static bool is_empty(const struct hnuma_ground *ground)
{
	static const struct hnuma_ground none;

	return memcmp(ground, &none, sizeof(none)) == 0;
}

/*
 * A service of two nodes on a machine that may have one: its first node twice. The ground asks
 * nothing of a service but its list.
 */
static void make_double(struct hnuma_service *twice, int second)
{
	static int nodes[2];
	static unsigned short of_cpu[1], nearest[4] = {0, 1, 1, 0};

	nodes[0] = service.nodes[0];
	nodes[1] = second;
	*twice = (struct hnuma_service){
		.nr_nodes = 2,
		.nodes = nodes,
		.nr_cpus = 1,
		.index_of_cpu = of_cpu,
		.nearest = nearest,
	};
	sizes[0] = sizes[1] = PAGE;
}

static void test_create(void)
{
	struct hnuma_ground_request request = make_request();
	struct hnuma_ground ground;
	struct check_state before;

	if (!check_hugepages(2))
		return;
	check_snapshot(&before);
	CU_ASSERT_EQUAL_FATAL(hnuma_ground_create(&ground, topology, &service, &request), 0);
	CU_ASSERT_PTR_EQUAL(ground.topology, topology);
	CU_ASSERT_EQUAL(ground.service.nr_nodes, service.nr_nodes);
	CU_ASSERT(ground.service.nodes != service.nodes);
	for (unsigned i = 0; i < service.nr_nodes; i++) {
		struct hnuma_placement placement;
		struct hnuma_region_info info;

		CU_ASSERT_EQUAL(hnuma_region_size(ground.regions[i]), 2 * PAGE);
		CU_ASSERT_EQUAL(hnuma_region_info(ground.regions[i], &info), 0);
		CU_ASSERT_EQUAL(info.node, service.nodes[i]);
		CU_ASSERT_EQUAL(hnuma_region_verify(ground.regions[i], &placement), 0);
		CU_ASSERT_EQUAL(placement.pages_here, 2);
	}
	CU_ASSERT_PTR_NOT_NULL(strstr(check_read_file("/proc/self/maps"), "hugenuma:ground:node"));
	CU_ASSERT_EQUAL(hnuma_ground_destroy(&ground), 0);
	CU_ASSERT(is_empty(&ground));
	CU_ASSERT_EQUAL(hnuma_ground_destroy(&ground), 0);
	check_unchanged(&before);
}

/* The second node's failure gives back the first one's region. */
static void test_all_or_none(void)
{
	struct hnuma_ground_request request = make_request();
	struct hnuma_service twice;
	struct hnuma_ground ground;
	struct check_state before;

	if (!check_hugepages_exactly(service.nodes[0], 1))
		return;
	make_double(&twice, service.nodes[0]);
	check_snapshot(&before);
	CU_ASSERT_EQUAL(hnuma_ground_create(&ground, topology, &twice, &request), -ENOMEM);
	check_message("ground of 2097152 bytes on node ");
	CU_ASSERT(is_empty(&ground));
	make_double(&twice, 1023);
	CU_ASSERT_EQUAL(hnuma_ground_create(&ground, topology, &twice, &request), -ENODEV);
	CU_ASSERT(is_empty(&ground));
	make_double(&twice, service.nodes[0]);
	request.policy = (enum hnuma_policy)9;
	CU_ASSERT_EQUAL(hnuma_ground_create(&ground, topology, &twice, &request), -EINVAL);
	check_unchanged(&before);
}

/* From the last to the first. A region that cannot be unmapped keeps the ground; a second call goes on. */
static void test_destroy_fails(void)
{
	struct hnuma_ground_request request = make_request();
	struct hnuma_service twice;
	struct hnuma_ground ground;
	struct check_state before;

	if (!check_hugepages(2))
		return;
	check_snapshot(&before);
	make_double(&twice, service.nodes[0]);
	for (long at = 1; at <= 2; at++) {
		CU_ASSERT_EQUAL_FATAL(hnuma_ground_create(&ground, topology, &twice, &request), 0);
		fail_sys_install();
		fail_sys_begin(FAIL_UNMAP, at, false, -ENOMEM);
		CU_ASSERT_EQUAL(hnuma_ground_destroy(&ground), -ENOMEM);
		CU_ASSERT(fail_sys_end());
		CU_ASSERT_PTR_NOT_NULL_FATAL(ground.regions);
		CU_ASSERT_PTR_NOT_NULL_FATAL(ground.regions[2 - at]);
		CU_ASSERT_PTR_NULL(ground.regions[at - 1]);
		memset(hnuma_region_base(ground.regions[2 - at]), 1, PAGE);
		CU_ASSERT_EQUAL(hnuma_ground_destroy(&ground), 0);
		CU_ASSERT_EQUAL(fail_sys_clean(), 0);
		fail_sys_remove();
	}
	check_unchanged(&before);
}

static void in_child(void *arg)
{
	struct hnuma_ground *ground = arg;

	CU_ASSERT_EQUAL(hnuma_ground_destroy(ground), -EOWNERDEAD);
	CU_ASSERT_PTR_NOT_NULL(ground->regions);
}

static void test_fork(void)
{
	struct hnuma_ground_request request = make_request();
	struct hnuma_ground ground;

	if (!check_hugepages(2))
		return;
	CU_ASSERT_EQUAL_FATAL(hnuma_ground_create(&ground, topology, &service, &request), 0);
	CU_ASSERT_EQUAL(check_in_child(in_child, &ground), 0);
	memset(hnuma_region_base(ground.regions[0]), 1, 2 * PAGE);
	CU_ASSERT_EQUAL(hnuma_ground_destroy(&ground), 0);
}

static void foreign(void *arg)
{
	struct hnuma_ground_request request = make_request();
	struct hnuma_topology *other;
	struct hnuma_ground ground;

	(void)arg;
	setenv("HWLOC_SYNTHETIC", "node:1 core:2 pu:1", 1);
	CU_ASSERT_EQUAL_FATAL(hnuma_topology_create(&other), 0);
	CU_ASSERT_EQUAL(hnuma_ground_create(&ground, other, &service, &request), -EXDEV);
	CU_ASSERT(is_empty(&ground));
	hnuma_topology_destroy(other);
}

static void test_foreign(void)
{
	CU_ASSERT_EQUAL(check_in_child(foreign, NULL), 0);
}

/* Several threads at once, each with grounds of its own. */
struct maker {
	pthread_t thread;
	const struct hnuma_ground_request *request;
	int nr_failures;
};

static void *make_many(void *arg)
{
	struct maker *maker = arg;

	for (int i = 0; i < 100; i++) {
		struct hnuma_ground ground;

		if (hnuma_ground_create(&ground, topology, &service, maker->request)) {
			maker->nr_failures++;
			printf("\n    %d: %s ", i, hnuma_errormsg());
			continue;
		}
		*(volatile char *)hnuma_region_base(ground.regions[0]) = 1;
		if (hnuma_ground_destroy(&ground)) {
			maker->nr_failures++;
			printf("\n    %d: %s ", i, hnuma_errormsg());
		}
	}
	return NULL;
}

static void test_threads(void)
{
	struct hnuma_ground_request request = make_request();
	struct check_state before, after;
	struct maker makers[4];

	if (!check_hugepages(8))
		return;
	check_snapshot(&before);
	for (int i = 0; i < 4; i++) {
		makers[i].request = &request;
		makers[i].nr_failures = 0;
		CU_ASSERT_EQUAL_FATAL(
			pthread_create(&makers[i].thread, NULL, make_many, &makers[i]), 0);
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(makers[i].thread, NULL);
		CU_ASSERT_EQUAL(makers[i].nr_failures, 0);
	}
	/* The threads' own stacks may stay with the C library. */
	check_snapshot(&after);
	after.mappings = before.mappings;
	CU_ASSERT_EQUAL(memcmp(&before, &after, sizeof(before)), 0);
}

/* Hooks whose own calls fail, so that there are words of theirs; `made` refuses its second region. */
static int refuse_second(void *arg, const struct hnuma_piece *piece, void **handle)
{
	(void)piece;
	(void)handle;
	CU_ASSERT_EQUAL(hnuma_region_offset(NULL, NULL, NULL), -EINVAL);
	return ++*(int *)arg == 2 ? -ENOSPC : 0;
}

static void go(void *arg, const struct hnuma_piece *piece, void *handle)
{
	(void)arg;
	(void)piece;
	(void)handle;
	CU_ASSERT_EQUAL(hnuma_region_offset(NULL, NULL, NULL), -EINVAL);
}

/* The message is why all was undone, and not what the hooks of the first region met while they undid. */
static void test_words(void)
{
	struct hnuma_ground_request request = make_request();
	struct hnuma_hooks hooks = HNUMA_HOOKS_INIT;
	struct hnuma_service twice;
	struct hnuma_ground ground;
	int nr_made = 0;

	if (!check_hugepages(4))
		return;
	make_double(&twice, service.nodes[0]);
	sizes[1] = PAGE;
	hooks.made = refuse_second;
	hooks.going = go;
	hooks.arg = &nr_made;
	request.hooks = &hooks;
	CU_ASSERT_EQUAL(hnuma_ground_create(&ground, topology, &twice, &request), -ENOSPC);
	CU_ASSERT_EQUAL(nr_made, 2);
	check_message("refused piece 0 of 1: No space left on device");
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"a region on each node", test_create},
		{"all or none", test_all_or_none},
		{"destroy fails", test_destroy_fails},
		{"fork", test_fork},
		{"another machine's topology", test_foreign},
		{"several threads at once", test_threads},
		{"the words of a hook", test_words},
		CU_TEST_INFO_NULL,
	};
	struct hnuma_nodeset asked = {{0}};
	int code;

	if (hnuma_topology_create(&topology) || hnuma_service_init(&service, topology, &asked)) {
		fprintf(stderr, "%s\n", hnuma_errormsg());
		return EXIT_FAILURE;
	}
	code = check_main("ground", tests);
	hnuma_service_free(&service);
	hnuma_topology_destroy(topology);
	return code;
}
