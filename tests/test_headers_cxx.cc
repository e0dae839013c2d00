// SPDX-License-Identifier: MIT
//
// tests/test_headers_cxx.cc - the header in a C++ program: it compiles as C++11 and what it declares
// links as C. Prints what is wrong; exits with 1 then.
#include <hugenuma.h>

#include <cstdio>

extern "C" {
#include "tests/check.h"
}

static int nr_failures;

static void expect(bool holds, const char *what)
{
	if (holds)
		return;
	std::printf("not so: %s\n", what);
	nr_failures++;
}

#define EXPECT(condition) expect(condition, #condition)

static void check_initialisers()
{
	struct hnuma_region_attr region = HNUMA_REGION_ATTR_INIT;
	struct hnuma_arena_attr arena = HNUMA_ARENA_ATTR_INIT;
	struct hnuma_pool_attr pool = HNUMA_POOL_ATTR_INIT;
	struct hnuma_scratch_attr scratch = HNUMA_SCRATCH_ATTR_INIT;
	struct hnuma_config config = HNUMA_CONFIG_INIT;
	struct hnuma_hooks hooks = HNUMA_HOOKS_INIT;

	EXPECT(region.struct_size == sizeof region && region.policy == HNUMA_POLICY_BIND);
	EXPECT(arena.struct_size == sizeof arena && arena.capacity == 8 * HNUMA_HUGEPAGE);
	EXPECT(pool.struct_size == sizeof pool && pool.buffers_per_class == 32);
	EXPECT(scratch.struct_size == sizeof scratch && scratch.space_size == 65536);
	EXPECT(hooks.struct_size == sizeof hooks && !config.hooks && !pool.hooks);
	EXPECT(config.struct_size == sizeof config && config.least_backing == HNUMA_BACKING_THP);
}

static void use(struct hnuma_manager *manager)
{
	struct hnuma_pool *pool = hnuma_manager_pool(manager);
	struct hnuma_placement placement;
	void *logits = hnuma_arena_alloc(hnuma_manager_arena(manager, HNUMA_NODE_LOCAL), 100, 4);
	void *block = hnuma_pool_acquire(pool, HNUMA_CLASS_16K);

	EXPECT(logits != nullptr);
	EXPECT(block != nullptr);
	EXPECT(hnuma_pool_release(pool, block) == 0);
	EXPECT(hnuma_pool_release(pool, block) == -EALREADY);
	EXPECT(hnuma_manager_verify(manager, &placement) == 0);
	EXPECT(placement.pages_elsewhere == 0 || !check_knows_nodes());
	hnuma_manager_reset_step(manager);
}

int main()
{
	struct hnuma_topology *topology;
	struct hnuma_manager *manager;
	struct hnuma_config config = HNUMA_CONFIG_INIT;
	struct hnuma_nodeset nodes = {};

	// A program that counts huge pages shall not see us take some.
	check_lock();
	check_initialisers();
	EXPECT(hnuma_nodeset_add(&nodes, 3) == 0 && hnuma_nodeset_has(&nodes, 3));
	config.least_backing = HNUMA_BACKING_BASE;
	config.flags = HNUMA_RELAXED;
	if (hnuma_topology_create(&topology) != 0 ||
	    hnuma_manager_create(&manager, topology, &config) != 0) {
		std::printf("%s\n", hnuma_errormsg());
		nr_failures++;
	} else {
		use(manager);
		EXPECT(hnuma_manager_destroy(manager) == 0);
		hnuma_topology_destroy(topology);
	}
	std::printf("headers_cxx: %d passed, %d failed, 0 skipped\n", nr_failures == 0,
		    nr_failures != 0);
	return nr_failures != 0;
}
