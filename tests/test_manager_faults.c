/* SPDX-License-Identifier: MIT */
/*
 * tests/test_manager_faults.c - the manager given bad input and bad luck.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hugenuma.h>

#include "numa/sys.h"
#include "tests/check.h"
#include "tests/fail_sys.h"

static struct hnuma_topology *topology;
static int here; /* a node that serves; the thread may move on */

static struct hnuma_config small_config(void)
{
	struct hnuma_config config = HNUMA_CONFIG_INIT;

	config.arena_capacity = 1 << 20;
	config.buffers_per_class = 4;
	config.pool_bytes_per_node = HNUMA_HUGEPAGE;
	config.scratch_size = 8192;
	config.least_backing = HNUMA_BACKING_BASE;
	return config;
}

static struct hnuma_manager *open_manager(const struct hnuma_config *config)
{
	struct hnuma_manager *manager;
	int error = hnuma_manager_create(&manager, topology, config);

	if (error)
		printf("\n    %s ", hnuma_errormsg());
	CU_ASSERT_EQUAL_FATAL(error, 0);
	return manager;
}

static void refused_by(const struct hnuma_topology *which, const struct hnuma_config *config,
		       int error)
{
	struct hnuma_manager *manager = (struct hnuma_manager *)1;
	struct check_state before;
	int got;

	check_snapshot(&before);
	got = hnuma_manager_create(&manager, which, config);
	if (got != error)
		printf("\n    %d, not %d: %s ", got, error, hnuma_errormsg());
	CU_ASSERT_EQUAL(got, error);
	CU_ASSERT_PTR_NULL(manager);
	CU_ASSERT(hnuma_errormsg()[0] != '\0');
	check_unchanged(&before);
}

/* The plan refuses what the manager refuses, and for the same reason. */
static void refused(const struct hnuma_config *config, int error)
{
	struct hnuma_plan *plan = (struct hnuma_plan *)1;
	char message[1024];

	refused_by(topology, config, error);
	snprintf(message, sizeof(message), "%s", hnuma_errormsg());
	CU_ASSERT_EQUAL(hnuma_plan_create(&plan, topology, config), error);
	CU_ASSERT_PTR_NULL(plan);
	check_message(message);
}

/* Row 1. */
static void test_bad_config(void)
{
	struct hnuma_config config = small_config();
	struct hnuma_manager *manager;

	CU_ASSERT_EQUAL(hnuma_manager_create(NULL, topology, &config), -EINVAL);
	refused_by(NULL, &config, -EINVAL);
	config.struct_size = 0;
	refused(&config, -EINVAL);
	check_message("struct hnuma_config");
	config.struct_size = sizeof(config) + 8;
	refused(&config, -EINVAL);
	config = small_config();
	config.flags = HNUMA_INHERIT;
	refused(&config, -EINVAL);
	config.flags = 1u << 31;
	refused(&config, -EINVAL);
	config = small_config();
	config.policy = HNUMA_POLICY_INTERLEAVE;
	refused(&config, -EINVAL);
	check_message("HNUMA_POLICY_BIND");
	config.policy = (enum hnuma_policy)3;
	refused(&config, -EINVAL);
	config = small_config();
	config.hygiene = (enum hnuma_hygiene)3;
	refused(&config, -EINVAL);
	check_message("hygiene");
	config = small_config();
	config.least_backing = (enum hnuma_backing)0;
	refused(&config, -EINVAL);
	config.least_backing = (enum hnuma_backing)4;
	refused(&config, -EINVAL);

	config = small_config();
	config.flags = HNUMA_RELAXED;
	config.policy = HNUMA_POLICY_PREFERRED;
	manager = open_manager(&config);
	CU_ASSERT_EQUAL(hnuma_manager_config(manager)->flags, HNUMA_RELAXED);
	CU_ASSERT_EQUAL(hnuma_manager_config(manager)->policy, HNUMA_POLICY_PREFERRED);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
}

/* Row 2. */
static void test_sizes(void)
{
	static const size_t too_large[] = {
		SIZE_MAX,
		SIZE_MAX - 62,
		SIZE_MAX - HNUMA_HUGEPAGE + 1,
		SIZE_MAX - 2 * HNUMA_HUGEPAGE,
	};
	struct hnuma_config config = small_config();

	config.arena_capacity = 0;
	refused(&config, -EINVAL);
	check_message("arena of 0 bytes");
	config = small_config();
	config.scratch_size = 0;
	refused(&config, -EINVAL);
	config = small_config();
	config.buffers_per_class = 0;
	refused(&config, -EINVAL);
	for (size_t i = 0; i < sizeof(too_large) / sizeof(too_large[0]); i++) {
		config = small_config();
		config.arena_capacity = too_large[i];
		refused(&config, -EOVERFLOW);
		config = small_config();
		config.scratch_size = too_large[i];
		refused(&config, -EOVERFLOW);
		config = small_config();
		config.pool_bytes_per_node = too_large[i];
		refused(&config, -EOVERFLOW);
		config = small_config();
		config.pool_bytes_per_node = 0;
		config.buffers_per_class = too_large[i];
		refused(&config, -EOVERFLOW);
	}
	/* Each is a size, all of them together are not. */
	config = small_config();
	config.arena_capacity = (size_t)1 << 45;
	config.scratch_size = SIZE_MAX / 2;
	config.max_scratch = 2;
	hnuma_nodeset_add(&config.nodes, here);
	refused(&config, -EOVERFLOW);
	/* Sizes that add up and that no machine has. */
	config = small_config();
	config.arena_capacity = (size_t)1 << 45;
	refused_by(topology, &config, -ENOMEM);
}

/* Rows 3 and 4. */
static void test_nodes_that_cannot_serve(void)
{
	struct hnuma_config config = small_config();
	struct hnuma_node_info info;

	hnuma_nodeset_add(&config.nodes, 1023);
	refused(&config, -ENODEV);
	check_message("1023");
	hnuma_nodeset_add(&config.nodes, here);
	refused(&config, -ENODEV);
	check_message("1023");
	for (unsigned i = 0; i < hnuma_topology_nr_nodes(topology); i++) {
		char name[32];

		CU_ASSERT_EQUAL(hnuma_topology_node_info(topology, i, &info), 0);
		if (info.kind != HNUMA_NODE_KIND_NO_MEMORY && info.kind != HNUMA_NODE_KIND_EMPTY)
			continue;
		config = small_config();
		hnuma_nodeset_add(&config.nodes, info.node);
		refused(&config, -ENODEV);
		snprintf(name, sizeof(name), "node %d", info.node);
		check_message(name);
	}
}

static struct hnuma_topology *open_foreign(const char *synthetic)
{
	struct hnuma_topology *foreign;

	setenv("HWLOC_SYNTHETIC", synthetic, 1);
	CU_ASSERT_EQUAL_FATAL(hnuma_topology_create(&foreign), 0);
	unsetenv("HWLOC_SYNTHETIC");
	return foreign;
}

/* Row 4 where this machine has no such node: the plan answers as the manager does. */
static void test_node_without_memory_elsewhere(void)
{
	struct hnuma_topology *foreign =
		open_foreign("Package:2 [NUMANode(memory=0)] [NUMANode(memory=4GB)] PU:2");
	struct hnuma_config config = small_config();
	struct hnuma_plan *plan;

	hnuma_nodeset_add(&config.nodes, 0);
	CU_ASSERT_EQUAL(hnuma_plan_create(&plan, foreign, &config), -ENODEV);
	CU_ASSERT_PTR_NULL(plan);
	check_message("node 0");
	hnuma_topology_destroy(foreign);
}

/* Row 5. */
static void test_no_hugepages_but_required(void)
{
	struct hnuma_config config = small_config();

	if (!check_hugepages_exactly(here, 0))
		return;
	config.least_backing = HNUMA_BACKING_HUGETLB;
	hnuma_nodeset_add(&config.nodes, here);
	refused_by(topology, &config, -ENOMEM);
	check_message("nr_hugepages");
	/* Some, but one too few. */
	if (!check_hugepages_exactly(here, 2))
		return;
	refused_by(topology, &config, -ENOMEM);
	check_message("nr_hugepages");
}

/* Row 6. */
static void test_no_hugepages_and_less_accepted(void)
{
	struct hnuma_config config = small_config();
	int node = here;
	struct hnuma_manager *manager;
	struct hnuma_region_info info;
	struct check_state before;
	void *block;

	if (!check_hugepages_exactly(node, 0))
		return;
	hnuma_nodeset_add(&config.nodes, node);
	check_snapshot(&before);
	manager = open_manager(&config);
	CU_ASSERT_EQUAL(hnuma_region_info(hnuma_manager_region(manager, node), &info), 0);
	CU_ASSERT(info.backing == HNUMA_BACKING_THP || info.backing == HNUMA_BACKING_BASE);
	CU_ASSERT(info.reason[0] != '\0');
	block = hnuma_pool_acquire(hnuma_manager_pool(manager), HNUMA_CLASS_256K);
	CU_ASSERT_PTR_NOT_NULL_FATAL(block);
	memset(block, 1, 262144);
	CU_ASSERT_EQUAL(hnuma_pool_release(hnuma_manager_pool(manager), block), 0);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
	check_unchanged(&before);
}

static int failing_unmap(void *address, size_t length)
{
	(void)address;
	(void)length;
	return -ENOMEM;
}

/* Row 13. */
static void test_destroy_that_fails_can_be_tried_again(void)
{
	int (*unmap)(void *, size_t) = hnuma_sys.unmap;
	struct hnuma_config config = small_config();
	struct hnuma_manager_stats stats;
	struct hnuma_manager *manager;
	struct check_state before;

	check_snapshot(&before);
	manager = open_manager(&config);
	hnuma_sys.unmap = failing_unmap;
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), -ENOMEM);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), -ENOMEM);
	hnuma_sys.unmap = unmap;
	/* What is left of it can be asked, and says so. */
	CU_ASSERT_PTR_NULL(hnuma_manager_arena(manager, HNUMA_NODE_LOCAL));
	CU_ASSERT_PTR_NULL(hnuma_manager_pool(manager));
	CU_ASSERT_PTR_NULL(hnuma_manager_scratch(manager));
	CU_ASSERT_PTR_NULL(hnuma_manager_region(manager, HNUMA_NODE_LOCAL));
	CU_ASSERT_EQUAL(hnuma_manager_stats(manager, &stats), -EINVAL);
	hnuma_manager_reset_step(manager);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
	check_unchanged(&before);
}

/* Row 24. */
static void test_destroy_with_something_out(void)
{
	const struct hnuma_config config = HNUMA_CONFIG_INIT;
	struct hnuma_manager *manager = open_manager(&config);
	struct hnuma_pool *pool = hnuma_manager_pool(manager);
	unsigned char *first = hnuma_pool_acquire(pool, HNUMA_CLASS_1K);
	unsigned char *second = hnuma_pool_acquire(pool, HNUMA_CLASS_256K);
	struct hnuma_space *space = hnuma_scratch_acquire(hnuma_manager_scratch(manager));

	CU_ASSERT_PTR_NOT_NULL_FATAL(first);
	CU_ASSERT_PTR_NOT_NULL_FATAL(second);
	CU_ASSERT_PTR_NOT_NULL_FATAL(space);
	memset(second, 0x66, 262144);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), -EBUSY);
	check_message("2 blocks");
	check_message("1 of its scratch spaces");
	CU_ASSERT_EQUAL(hnuma_scratch_release(space), 0);
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, first), 0);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), -EBUSY);
	check_message("1 blocks");
	CU_ASSERT(second[0] == 0x66 && memcmp(second, second + 1, 262143) == 0);
	CU_ASSERT_PTR_NOT_NULL(
		hnuma_arena_alloc(hnuma_manager_arena(manager, HNUMA_NODE_LOCAL), 1, 1));
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, second), 0);
	space = hnuma_scratch_acquire(hnuma_manager_scratch(manager));
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), -EBUSY);
	CU_ASSERT_EQUAL(hnuma_scratch_release(space), 0);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
}

/* Row 31. */
static void in_the_child(void *arg)
{
	struct hnuma_manager *manager = ((void **)arg)[0];
	void *block = ((void **)arg)[1];
	struct hnuma_placement placement;
	struct hnuma_manager_stats stats;
	struct hnuma_manager *own;
	struct hnuma_config config = small_config();

	errno = 0;
	CU_ASSERT_PTR_NULL(hnuma_manager_arena(manager, HNUMA_NODE_LOCAL));
	CU_ASSERT_EQUAL(errno, EOWNERDEAD);
	CU_ASSERT_EQUAL(hnuma_manager_stats(manager, &stats), -EOWNERDEAD);
	CU_ASSERT_EQUAL(hnuma_manager_verify(manager, &placement), -EOWNERDEAD);
	CU_ASSERT_EQUAL(hnuma_manager_prewarm(manager, 1), -EOWNERDEAD);
	CU_ASSERT_EQUAL(hnuma_manager_print_stats(manager, stdout, HNUMA_TEXT), -EOWNERDEAD);
	CU_ASSERT_EQUAL(hnuma_pool_release(hnuma_manager_pool(manager), block), -EOWNERDEAD);
	CU_ASSERT_PTR_NULL(hnuma_pool_acquire(hnuma_manager_pool(manager), HNUMA_CLASS_1K));
	CU_ASSERT_PTR_NULL(hnuma_scratch_acquire(hnuma_manager_scratch(manager)));
	hnuma_manager_reset_step(manager);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), -EOWNERDEAD);
	check_message("manager");
	/* The child may make one of its own. */
	CU_ASSERT_EQUAL_FATAL(hnuma_manager_create(&own, topology, &config), 0);
	CU_ASSERT_PTR_NOT_NULL(hnuma_manager_arena(own, HNUMA_NODE_LOCAL));
	CU_ASSERT_EQUAL(hnuma_manager_destroy(own), 0);
}

static void test_fork(void)
{
	struct hnuma_config config = small_config();
	struct hnuma_manager *manager = open_manager(&config);
	struct hnuma_arena *arena = hnuma_manager_arena(manager, HNUMA_NODE_LOCAL);
	unsigned char *block = hnuma_pool_acquire(hnuma_manager_pool(manager), HNUMA_CLASS_4K);
	unsigned char *memory = hnuma_arena_alloc(arena, 4096, 1);
	void *manager_and_block[] = {manager, block};

	CU_ASSERT_PTR_NOT_NULL_FATAL(block);
	CU_ASSERT_PTR_NOT_NULL_FATAL(memory);
	memset(block, 0x77, 4096);
	memset(memory, 0x78, 4096);
	CU_ASSERT_EQUAL(check_in_child(in_the_child, manager_and_block), 0);
	CU_ASSERT(block[0] == 0x77 && memcmp(block, block + 1, 4095) == 0);
	CU_ASSERT(memory[0] == 0x78 && memcmp(memory, memory + 1, 4095) == 0);
	CU_ASSERT_EQUAL(hnuma_arena_used(arena), 4096);
	CU_ASSERT_EQUAL(hnuma_pool_release(hnuma_manager_pool(manager), block), 0);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
}

/* Calls so far that take memory or change a policy. */
static long nr_calls(void)
{
	static const enum fail_entry entries[] = {FAIL_MAP, FAIL_MEMFD, FAIL_BIND, FAIL_SET_POLICY};
	long sum = 0;

	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
		sum += atomic_load(&fail_sys.calls[entries[i]]);
	return sum;
}

/* Row 33. A machine with the same node 0 as this one: only "it is another" can refuse it. */
static void test_foreign_topology(void)
{
	struct hnuma_topology *foreign = open_foreign("NUMANode:1(memory=8GB) Core:4 PU:2");
	struct hnuma_config config = small_config();
	struct hnuma_manager *manager;
	struct hnuma_plan *plan;

	fail_sys_install();
	fail_sys_begin(FAIL_MAP, 0, false, 0);
	CU_ASSERT_EQUAL(hnuma_plan_create(&plan, foreign, &config), 0);
	CU_ASSERT_EQUAL(hnuma_plan_nr_nodes(plan), 1);
	hnuma_plan_destroy(plan);
	refused_by(foreign, &config, -EXDEV);
	CU_ASSERT_EQUAL(nr_calls(), 0);
	/* The counter counts. */
	manager = open_manager(&config);
	CU_ASSERT(nr_calls() > 3);
	fail_sys_remove();
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
	hnuma_topology_destroy(foreign);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"bad configuration", test_bad_config},
		{"sizes", test_sizes},
		{"nodes that cannot serve", test_nodes_that_cannot_serve},
		{"node without memory elsewhere", test_node_without_memory_elsewhere},
		{"no hugepages, but required", test_no_hugepages_but_required},
		{"no hugepages, and less accepted", test_no_hugepages_and_less_accepted},
		{"destroy that fails can be tried again",
		 test_destroy_that_fails_can_be_tried_again},
		{"destroy with something out", test_destroy_with_something_out},
		{"fork", test_fork},
		{"foreign topology (row 33)", test_foreign_topology},
		CU_TEST_INFO_NULL,
	};

	topology = check_topology();
	here = hnuma_current_node(topology);
	return check_main("manager_faults", tests);
}
