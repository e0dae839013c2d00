/* SPDX-License-Identifier: MIT */
/*
 * tests/test_manager.c - the manager as its users see it. Bad input and bad luck are in
 * test_manager_faults.c.
 */
#include "config.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <hugenuma.h>

#include "lib/manager.h"
#include "tests/check.h"

static struct hnuma_topology *topology;

/* Small, so that many can be made: 1 MB of arena, 4 blocks of each class. */
static struct hnuma_config small_config(void)
{
	struct hnuma_config config = HNUMA_CONFIG_INIT;

	config.arena_capacity = 1 << 20;
	config.buffers_per_class = 4;
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

/* Pages that a configuration needs, over all nodes. */
static uint64_t pages_needed(const struct hnuma_config *config)
{
	struct hnuma_plan_node node;
	struct hnuma_plan *plan;
	uint64_t sum = 0;

	CU_ASSERT_EQUAL_FATAL(hnuma_plan_create(&plan, topology, config), 0);
	for (unsigned i = 0; i < hnuma_plan_nr_nodes(plan); i++) {
		CU_ASSERT_EQUAL(hnuma_plan_node(plan, i, &node), 0);
		sum += node.pages_needed;
	}
	hnuma_plan_destroy(plan);
	return sum;
}

static uint64_t free_pages_of(int number)
{
	struct hnuma_node_info info;

	for (unsigned i = 0; i < hnuma_topology_nr_nodes(topology); i++)
		if (hnuma_topology_node_info(topology, i, &info) == 0 && info.node == number)
			return info.hugepages_free;
	return UINT64_MAX;
}

static void test_default(void)
{
	struct hnuma_manager *manager;
	struct hnuma_manager_stats stats;

	if (!check_hugepages(pages_needed(NULL)))
		return;
	manager = open_manager(NULL);
	CU_ASSERT_EQUAL(hnuma_manager_stats(manager, &stats), 0);
	CU_ASSERT_EQUAL(stats.arena.capacity % ((size_t)16 << 20), 0);
	CU_ASSERT(stats.arena.capacity > 0);
	CU_ASSERT_EQUAL(stats.arena.used, 0);
	CU_ASSERT_EQUAL(stats.arena.remaining, stats.arena.capacity);
	CU_ASSERT_EQUAL(stats.scratch.space_size, 65536);
	CU_ASSERT_EQUAL(stats.pool.hits + stats.pool.misses, 0);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(NULL), 0);
}

static void test_for_model(void)
{
	struct hnuma_config config;

	memset(&config, 0xff, sizeof(config));
	CU_ASSERT_EQUAL(hnuma_config_for_model(&config, 4096, 128256, 8), 0);
	CU_ASSERT_EQUAL(config.arena_capacity, (size_t)16 * (4096 + 128256) * 8);
	CU_ASSERT_EQUAL(config.scratch_size, 16 * 4096);
	CU_ASSERT_EQUAL(config.struct_size, sizeof(config));
	CU_ASSERT_EQUAL(config.buffers_per_class, 32);
	CU_ASSERT_EQUAL(config.max_scratch, 0);
	CU_ASSERT_EQUAL(config.pool_bytes_per_node, 0);
	CU_ASSERT_EQUAL(config.least_backing, HNUMA_BACKING_THP);
	CU_ASSERT_EQUAL(config.flags, 0);
	CU_ASSERT(!hnuma_nodeset_has(&config.nodes, 0));
	/* The other formula has the other margin: both are as documented. */
	CU_ASSERT_EQUAL(hnuma_config_for_model(NULL, 1, 1, 1), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_config_for_model(&config, 0, 1, 1), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_config_for_model(&config, 1, 0, 1), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_config_for_model(&config, 1, 1, 0), -EINVAL);
	check_message("batch_size 0");
	CU_ASSERT_EQUAL(hnuma_config_for_model(&config, SIZE_MAX, 1, 1), -EOVERFLOW);
	CU_ASSERT_EQUAL(hnuma_config_for_model(&config, 1, SIZE_MAX - 1, 1), -EOVERFLOW);
	CU_ASSERT_EQUAL(hnuma_config_for_model(&config, 1, 1, SIZE_MAX / 2 + 1), -EOVERFLOW);
	CU_ASSERT_EQUAL(hnuma_config_for_model(&config, 1, 1, SIZE_MAX / 16), -EOVERFLOW);
	CU_ASSERT_EQUAL(hnuma_config_for_model(&config, SIZE_MAX / 8, 1, 1), -EOVERFLOW);
	check_message("hidden_dim");
	/* A refusal leaves the configuration as it was. */
	CU_ASSERT_EQUAL(config.scratch_size, 16 * 4096);
}

static void test_config(void)
{
	struct hnuma_config config = small_config();
	struct hnuma_manager *manager = open_manager(&config);
	const struct hnuma_config *filled = hnuma_manager_config(manager);
	struct hnuma_scratch_stats scratch;
	const struct hnuma_plan *plan;
	unsigned nr_nodes = 0;

	CU_ASSERT_PTR_NOT_EQUAL_FATAL(filled, &config);
	CU_ASSERT_EQUAL(filled->struct_size, sizeof(*filled));
	CU_ASSERT_EQUAL(filled->arena_capacity, config.arena_capacity);
	CU_ASSERT_EQUAL(filled->buffers_per_class, 4);
	CU_ASSERT_EQUAL(filled->scratch_size, 8192);
	CU_ASSERT_EQUAL(filled->least_backing, HNUMA_BACKING_BASE);
	CU_ASSERT_EQUAL(filled->policy, HNUMA_POLICY_BIND);
	CU_ASSERT_EQUAL(filled->flags, 0);
	/* What 0 stood for. */
	CU_ASSERT_EQUAL(hnuma_scratch_stats(hnuma_manager_scratch(manager), &scratch), 0);
	CU_ASSERT_EQUAL(filled->max_scratch, scratch.max_spaces);
	CU_ASSERT(filled->max_scratch > 0);
	/* 4 blocks of 341 KB together, each class in pages of its own. */
	CU_ASSERT_EQUAL(filled->pool_bytes_per_node, 5 * HNUMA_HUGEPAGE);
	CU_ASSERT_EQUAL_FATAL(hnuma_manager_plan(manager, &plan), 0);
	for (int node = 0; node < HNUMA_MAX_NODES; node++) {
		bool is_served = hnuma_manager_region(manager, node) != NULL;

		CU_ASSERT_EQUAL(hnuma_nodeset_has(&filled->nodes, node), is_served);
		nr_nodes += is_served;
	}
	CU_ASSERT_EQUAL(nr_nodes, plan->service.nr_nodes);
	CU_ASSERT(nr_nodes > 0);

	/* What was filled in means the same as the default that it came from. */
	config = *filled;
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
	manager = open_manager(&config);
	CU_ASSERT_EQUAL(memcmp(hnuma_manager_config(manager), &config, sizeof(config)), 0);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
	CU_ASSERT_PTR_NULL(hnuma_manager_config(NULL));
}

/* Does the address range lie in the node's region, and if so, where? */
static size_t offset_in(const struct hnuma_region *region, const void *start, size_t size)
{
	uintptr_t base = (uintptr_t)hnuma_region_base(region);

	CU_ASSERT_FATAL((uintptr_t)start >= base);
	CU_ASSERT((uintptr_t)start + size <= base + hnuma_region_size(region));
	return (uintptr_t)start - base;
}

/* One budget per node: all three parts lie in the one region, where the plan says, and apart. */
static void test_layout(void)
{
	struct hnuma_config config = small_config();
	struct hnuma_manager *manager = open_manager(&config);
	struct hnuma_pool *pool = hnuma_manager_pool(manager);
	const struct hnuma_plan *plan;

	CU_ASSERT_EQUAL_FATAL(hnuma_manager_plan(manager, &plan), 0);
	for (unsigned i = 0; i < plan->service.nr_nodes; i++) {
		const struct hnuma_layout *layout = &plan->layouts[i];
		int node = plan->service.nodes[i];
		const struct hnuma_region *region = hnuma_manager_region(manager, node);
		struct hnuma_arena *arena = hnuma_manager_arena(manager, node);
		void *block = hnuma_pool_acquire_on(pool, node, HNUMA_CLASS_256K);

		CU_ASSERT_PTR_NOT_NULL_FATAL(region);
		CU_ASSERT_PTR_EQUAL(hnuma_arena_region(arena), region);
		CU_ASSERT_PTR_EQUAL(hnuma_pool_region(pool, node), region);
		CU_ASSERT_EQUAL(hnuma_region_size(region), layout->size);
		CU_ASSERT_EQUAL(plan->nodes[i].pages_needed, layout->size / HNUMA_HUGEPAGE);
		CU_ASSERT_EQUAL(offset_in(region, hnuma_arena_base(arena), 1 << 20), layout->arena);
		CU_ASSERT_EQUAL(hnuma_arena_capacity(arena), 1 << 20);
		CU_ASSERT(offset_in(region, block, 262144) >= layout->pages);
		CU_ASSERT(offset_in(region, block, 262144) + 262144 <= layout->arena);
		CU_ASSERT_EQUAL(layout->scratch % 4096, 0);
		CU_ASSERT_EQUAL((layout->pages | layout->arena | layout->size) % HNUMA_HUGEPAGE, 0);
		CU_ASSERT(layout->scratch + plan->nodes[i].bytes_scratch <= layout->pages);
		CU_ASSERT_EQUAL(hnuma_pool_release(pool, block), 0);
	}
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
}

/* Every byte of all three parts can be written, and none is another's. */
static void test_parts_do_not_overlap(void)
{
	struct hnuma_config config = small_config();
	struct hnuma_manager *manager = open_manager(&config);
	struct hnuma_pool *pool = hnuma_manager_pool(manager);
	struct hnuma_arena *arena = hnuma_manager_arena(manager, HNUMA_NODE_LOCAL);
	struct hnuma_space *space = hnuma_scratch_acquire(hnuma_manager_scratch(manager));
	unsigned char *memory = hnuma_arena_alloc(arena, 1 << 20, 1);
	unsigned char *blocks[200];
	unsigned nr = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(memory);
	CU_ASSERT_PTR_NOT_NULL_FATAL(space);
	CU_ASSERT_PTR_NULL(hnuma_arena_alloc(arena, 1, 1));
	memset(memory, 0x11, 1 << 20);
	memset(hnuma_space_base(space), 0x22, hnuma_space_capacity(space));
	while (nr < 200 && (blocks[nr] = hnuma_pool_acquire(pool, HNUMA_CLASS_64K))) {
		memset(blocks[nr], 0x33, 65536);
		nr++;
	}
	CU_ASSERT(nr >= 4);
	CU_ASSERT(memory[0] == 0x11 && memcmp(memory, memory + 1, (1 << 20) - 1) == 0);
	memory = hnuma_space_base(space);
	CU_ASSERT(memory[0] == 0x22 &&
		  memcmp(memory, memory + 1, hnuma_space_capacity(space) - 1) == 0);
	CU_ASSERT_EQUAL(hnuma_pool_check(pool), 0);
	while (nr-- > 0)
		CU_ASSERT_EQUAL(hnuma_pool_release(pool, blocks[nr]), 0);
	CU_ASSERT_EQUAL(hnuma_scratch_release(space), 0);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
}

static void test_reset_step(void)
{
	struct hnuma_config config = small_config();
	struct hnuma_manager *manager = open_manager(&config);
	struct hnuma_arena *arena = hnuma_manager_arena(manager, HNUMA_NODE_LOCAL);
	struct hnuma_pool *pool = hnuma_manager_pool(manager);
	struct hnuma_manager_stats stats;
	struct hnuma_space *space;
	unsigned char *block = hnuma_pool_acquire(pool, HNUMA_CLASS_1K);

	CU_ASSERT_PTR_NOT_NULL_FATAL(block);
	memset(block, 0x44, 1024);
	CU_ASSERT_PTR_NOT_NULL(hnuma_arena_alloc(arena, 1000, 4));
	space = hnuma_scratch_acquire(hnuma_manager_scratch(manager));
	CU_ASSERT_PTR_NOT_NULL_FATAL(space);
	CU_ASSERT_PTR_NOT_NULL(hnuma_space_alloc(space, 100, 1));
	CU_ASSERT_EQUAL(hnuma_scratch_release(space), 0);
	hnuma_manager_reset_step(manager);
	CU_ASSERT_EQUAL(hnuma_manager_stats(manager, &stats), 0);
	CU_ASSERT_EQUAL(stats.arena.used, 0);
	CU_ASSERT_EQUAL(stats.arena.allocation_count, 0);
	CU_ASSERT_EQUAL(stats.arena.high_water_mark, 4032);
	CU_ASSERT_EQUAL(stats.scratch.total_used, 0);
	CU_ASSERT_EQUAL(stats.pool.in_use[HNUMA_CLASS_1K], 1);
	CU_ASSERT(block[0] == 0x44 && memcmp(block, block + 1, 1023) == 0);
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, block), 0);
	hnuma_manager_reset_step(NULL);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
}

static void test_stats(void)
{
	struct hnuma_config config = small_config();
	struct hnuma_manager *manager = open_manager(&config);
	const struct hnuma_plan *plan;
	struct hnuma_manager_stats stats;
	unsigned nr_nodes;

	CU_ASSERT_EQUAL_FATAL(hnuma_manager_plan(manager, &plan), 0);
	nr_nodes = plan->service.nr_nodes;
	for (unsigned i = 0; i < nr_nodes; i++)
		CU_ASSERT_PTR_NOT_NULL(hnuma_arena_alloc(
			hnuma_manager_arena(manager, plan->service.nodes[i]), 1 << 18, 1));
	CU_ASSERT_EQUAL(hnuma_manager_stats(manager, &stats), 0);
	CU_ASSERT_EQUAL(stats.arena.capacity, (uint64_t)nr_nodes << 20);
	CU_ASSERT_EQUAL(stats.arena.used, (uint64_t)nr_nodes << 18);
	CU_ASSERT_EQUAL(stats.arena.remaining, stats.arena.capacity - stats.arena.used);
	CU_ASSERT_EQUAL(stats.arena.allocation_count, nr_nodes);
	CU_ASSERT_DOUBLE_EQUAL(stats.arena.utilization, 0.25, 1e-9);
	CU_ASSERT_EQUAL(stats.scratch.total_allocated, stats.scratch.max_spaces * 8192);
	CU_ASSERT_EQUAL(hnuma_manager_stats(manager, NULL), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_manager_stats(NULL, &stats), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
}

static void test_prewarm(void)
{
	struct hnuma_config config = small_config();
	struct hnuma_manager *manager = open_manager(&config);
	const struct hnuma_plan *plan;
	struct hnuma_manager_stats stats;

	CU_ASSERT_EQUAL_FATAL(hnuma_manager_plan(manager, &plan), 0);
	CU_ASSERT_EQUAL(hnuma_manager_prewarm(manager, 3), 0);
	CU_ASSERT_EQUAL(hnuma_manager_stats(manager, &stats), 0);
	for (int c = 0; c < HNUMA_NR_CLASSES; c++)
		CU_ASSERT_EQUAL(stats.pool.free_buffers[c], 3 * plan->service.nr_nodes);
	CU_ASSERT_EQUAL(stats.pool.returns + stats.pool.allocations, 0);
	CU_ASSERT_EQUAL(hnuma_manager_prewarm(manager, 2), -ENOSPC);
	CU_ASSERT_EQUAL(hnuma_manager_prewarm(NULL, 1), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
}

/* What the plan says is what disappears from the nodes' free pages, and all of it comes back. */
static void test_pages_taken_are_those_planned(void)
{
	static const struct {
		size_t arena, buffers, scratch;
		unsigned max_scratch;
	} cases[] = {
		{1, 1, 1, 1},
		{(size_t)16 << 20, 32, 65536, 0},
		{((size_t)2 << 20) + 1, 5, 4097, 3},
		{((size_t)6 << 20), 33, ((size_t)2 << 20) - 64, 2},
		{((size_t)5 << 20) - 64, 100, 3 << 20, 7},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hnuma_config config = HNUMA_CONFIG_INIT;
		uint64_t before[64], needed;
		struct hnuma_manager *manager;
		struct hnuma_placement placement;
		const struct hnuma_plan *plan;

		config.arena_capacity = cases[i].arena;
		config.buffers_per_class = cases[i].buffers;
		config.scratch_size = cases[i].scratch;
		config.max_scratch = cases[i].max_scratch;
		config.least_backing = HNUMA_BACKING_HUGETLB;
		needed = pages_needed(&config);
		if (!check_hugepages(needed))
			return;
		for (int node = 0; node < 64; node++)
			before[node] = free_pages_of(node);
		manager = open_manager(&config);
		CU_ASSERT_EQUAL_FATAL(hnuma_manager_plan(manager, &plan), 0);
		for (unsigned j = 0; j < plan->service.nr_nodes; j++) {
			int node = plan->service.nodes[j];

			CU_ASSERT_EQUAL(before[node] - free_pages_of(node),
					plan->nodes[j].pages_needed);
		}
		CU_ASSERT_EQUAL(hnuma_manager_verify(manager, &placement), 0);
		CU_ASSERT_EQUAL(placement.pages_total, needed);
		CU_ASSERT_EQUAL(placement.pages_here, needed);
		CU_ASSERT_EQUAL(placement.pages_elsewhere + placement.pages_unknown, 0);
		CU_ASSERT_EQUAL(placement.page_size, HNUMA_HUGEPAGE);
		CU_ASSERT_EQUAL(hnuma_manager_verify(manager, NULL), -EINVAL);
		CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
		for (int node = 0; node < 64; node++)
			CU_ASSERT_EQUAL(free_pages_of(node), before[node]);
	}
}

static void test_nodes(void)
{
	struct hnuma_config config = small_config();
	const int here = hnuma_current_node(topology);
	struct hnuma_manager *manager;

	hnuma_nodeset_add(&config.nodes, here);
	manager = open_manager(&config);
	CU_ASSERT_PTR_NOT_NULL(hnuma_manager_arena(manager, here));
	CU_ASSERT_PTR_EQUAL(hnuma_manager_arena(manager, HNUMA_NODE_LOCAL),
			    hnuma_manager_arena(manager, here));
	CU_ASSERT_PTR_EQUAL(hnuma_manager_region(manager, HNUMA_NODE_LOCAL),
			    hnuma_manager_region(manager, here));
	for (int node = -3; node < HNUMA_MAX_NODES + 2; node++) {
		if (node == here || node == HNUMA_NODE_LOCAL)
			continue;
		errno = 0;
		CU_ASSERT_PTR_NULL(hnuma_manager_arena(manager, node));
		CU_ASSERT_EQUAL(errno, ENODEV);
		errno = 0;
		CU_ASSERT_PTR_NULL(hnuma_manager_region(manager, node));
		CU_ASSERT_EQUAL(errno, ENODEV);
	}
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
	CU_ASSERT_PTR_NULL(hnuma_manager_arena(NULL, HNUMA_NODE_LOCAL));
	CU_ASSERT_PTR_NULL(hnuma_manager_pool(NULL));
	CU_ASSERT_PTR_NULL(hnuma_manager_scratch(NULL));
	CU_ASSERT_PTR_NULL(hnuma_manager_region(NULL, 0));
}

/* The parts are the manager's: nobody else may take them away. */
static void test_parts_belong_to_the_manager(void)
{
	struct hnuma_config config = small_config();
	struct hnuma_manager *manager = open_manager(&config);

	CU_ASSERT_EQUAL(hnuma_pool_destroy(hnuma_manager_pool(manager)), -EINVAL);
	check_message("manager");
	CU_ASSERT_EQUAL(hnuma_scratch_destroy(hnuma_manager_scratch(manager)), -EINVAL);
	check_message("manager");
	CU_ASSERT_EQUAL(hnuma_arena_destroy(hnuma_manager_arena(manager, HNUMA_NODE_LOCAL)),
			-EINVAL);
	check_message("manager");
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
}

/* Row 36: two managers at a time know nothing of each other. */
static void test_two_managers(void)
{
	struct hnuma_config config = small_config();
	struct hnuma_manager *first = open_manager(&config);
	struct hnuma_manager *second = open_manager(&config);
	void *block = hnuma_pool_acquire(hnuma_manager_pool(first), HNUMA_CLASS_4K);
	struct hnuma_space *space = hnuma_scratch_acquire(hnuma_manager_scratch(first));
	struct hnuma_space *other = hnuma_scratch_acquire(hnuma_manager_scratch(second));
	struct hnuma_manager_stats stats;

	CU_ASSERT_PTR_NOT_NULL_FATAL(block);
	CU_ASSERT_PTR_NOT_NULL(space);
	CU_ASSERT_PTR_NOT_NULL(other);
	CU_ASSERT_PTR_NOT_EQUAL(space, other);
	CU_ASSERT_EQUAL(hnuma_pool_release(hnuma_manager_pool(second), block), -EFAULT);
	CU_ASSERT_EQUAL(hnuma_scratch_release(other), 0);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(second), 0);
	memset(block, 0x55, 4096);
	CU_ASSERT_EQUAL(hnuma_manager_stats(first, &stats), 0);
	CU_ASSERT_EQUAL(stats.pool.in_use[HNUMA_CLASS_4K], 1);
	CU_ASSERT_EQUAL(stats.scratch.active_spaces, 1);
	CU_ASSERT_EQUAL(hnuma_scratch_release(space), 0);
	CU_ASSERT_EQUAL(hnuma_pool_release(hnuma_manager_pool(first), block), 0);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(first), 0);
}

/* Row 36. With hugetlb pages: nothing of a round may stay taken. */
static void test_thousand_rounds(void)
{
	struct hnuma_config config = small_config();
	struct check_state before;

	/* The least there is, three pages: most of the time goes into clearing them. */
	config.arena_capacity = 4096;
	config.buffers_per_class = 1;
	config.pool_bytes_per_node = HNUMA_HUGEPAGE;
	config.least_backing = HNUMA_BACKING_HUGETLB;
	hnuma_nodeset_add(&config.nodes, hnuma_current_node(topology));
	if (!check_hugepages(pages_needed(&config)))
		return;
	CU_ASSERT_EQUAL(hnuma_manager_destroy(open_manager(&config)), 0);
	check_snapshot(&before);
	for (unsigned round = 0; round < check_rounds(1000); round++) {
		struct hnuma_manager *manager;
		void *block;

		if (hnuma_manager_create(&manager, topology, &config) != 0) {
			CU_FAIL("a manager could not be made");
			printf("\n    round %u: %s ", round, hnuma_errormsg());
			break;
		}
		block = hnuma_pool_acquire(hnuma_manager_pool(manager), HNUMA_CLASS_1K);
		if (!block || hnuma_pool_release(hnuma_manager_pool(manager), block) != 0 ||
		    hnuma_manager_destroy(manager) != 0) {
			CU_FAIL("a manager could not be used or destroyed");
			break;
		}
	}
	check_unchanged(&before);
}

/*
 * From here on the kernel kills the process for any system call of this thread but the one that ends
 * it. (Strict seccomp would forbid that one too, and an instrumented program has other threads.)
 */
static void forbid_system_calls(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		_exit(2);
}

/* In a process of its own: what a step does makes no system call. */
static void step_without_system_calls(void *arg)
{
	struct hnuma_config config = small_config();
	struct hnuma_manager *manager = open_manager(&config);
	struct hnuma_pool *pool = hnuma_manager_pool(manager);
	struct hnuma_lane lane;
	void *blocks[4];
	int nr_wrong = 0;

	(void)arg;
	forbid_system_calls();
	for (int step = 0; step < 3; step++) {
		struct hnuma_arena *arena = hnuma_manager_arena(manager, HNUMA_NODE_LOCAL);
		void *block = hnuma_pool_acquire(pool, HNUMA_CLASS_16K);
		struct hnuma_space *space = hnuma_scratch_acquire(hnuma_manager_scratch(manager));

		nr_wrong += !hnuma_arena_alloc(arena, 1000, 4) || !block || !space;
		nr_wrong += hnuma_pool_release(pool, block) != 0;
		nr_wrong += hnuma_scratch_release(space) != 0;
		nr_wrong += hnuma_pool_acquire_bulk(pool, HNUMA_CLASS_4K, blocks, 4) != 0 ||
			    hnuma_pool_release_bulk(pool, blocks, 4) != 0;
		nr_wrong += hnuma_lane_open(&lane, arena) != 0 || !hnuma_lane_alloc(&lane, 1000, 4);
		hnuma_lane_close(&lane);
		hnuma_manager_reset_step(manager);
	}
	syscall(SYS_exit_group, nr_wrong);
}

static void test_a_step_makes_no_system_call(void)
{
	/* Valgrind makes system calls of its own. */
	if (!getenv("CHECK_UNDER_VALGRIND"))
		CU_ASSERT_EQUAL(check_in_child(step_without_system_calls, NULL), 0);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"default configuration", test_default},
		{"configuration for a model", test_for_model},
		{"configuration filled in", test_config},
		{"layout", test_layout},
		{"parts do not overlap", test_parts_do_not_overlap},
		{"reset step", test_reset_step},
		{"statistics", test_stats},
		{"prewarm", test_prewarm},
		{"pages taken are those planned", test_pages_taken_are_those_planned},
		{"nodes", test_nodes},
		{"parts belong to the manager", test_parts_belong_to_the_manager},
		{"two managers", test_two_managers},
		{"a thousand rounds", test_thousand_rounds},
		{"a step makes no system call", test_a_step_makes_no_system_call},
		CU_TEST_INFO_NULL,
	};

	topology = check_topology();
	return check_main("manager", tests);
}
