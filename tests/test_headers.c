/* SPDX-License-Identifier: MIT */
/*
 * tests/test_headers.c - do the initialisers give the documented defaults, and does the header need
 * anything before it? tests/test_headers_cxx.cc is the same for C++, and scripts/check-headers.sh
 * compiles both under the standards that we promise.
 *
 * <hugenuma.h> comes first on purpose, before config.h could define anything that it misses.
 */
#include <hugenuma.h>
/* A second time does no harm. */
#include <hugenuma.h>

#include "config.h"

#include "tests/check.h"

static const size_t mega = (size_t)1024 * 1024;

static bool is_empty(const struct hnuma_nodeset *set)
{
	for (int node = 0; node < HNUMA_MAX_NODES; node++)
		if (hnuma_nodeset_has(set, node))
			return false;
	return true;
}

static void test_region_attr(void)
{
	struct hnuma_region_attr attr = HNUMA_REGION_ATTR_INIT;

	CU_ASSERT_EQUAL(attr.struct_size, sizeof(attr));
	CU_ASSERT_EQUAL(attr.size, 0);
	CU_ASSERT_EQUAL(attr.node, HNUMA_NODE_LOCAL);
	CU_ASSERT_EQUAL(attr.least_backing, HNUMA_BACKING_THP);
	CU_ASSERT_EQUAL(attr.policy, HNUMA_POLICY_BIND);
	CU_ASSERT_EQUAL(attr.flags, 0);
	CU_ASSERT(is_empty(&attr.nodes));
	CU_ASSERT_PTR_NULL(attr.name);
	CU_ASSERT(attr.progress == NULL);
	CU_ASSERT_PTR_NULL(attr.progress_arg);
}

static void test_arena_attr(void)
{
	struct hnuma_arena_attr attr = HNUMA_ARENA_ATTR_INIT;

	CU_ASSERT_EQUAL(attr.struct_size, sizeof(attr));
	CU_ASSERT_EQUAL(attr.capacity, 16 * mega);
	CU_ASSERT_EQUAL(attr.node, HNUMA_NODE_LOCAL);
	CU_ASSERT_EQUAL(attr.least_backing, HNUMA_BACKING_THP);
	CU_ASSERT_EQUAL(attr.policy, HNUMA_POLICY_BIND);
	CU_ASSERT_EQUAL(attr.flags, 0);
	CU_ASSERT(is_empty(&attr.nodes));
}

static void test_pool_attr(void)
{
	struct hnuma_pool_attr attr = HNUMA_POOL_ATTR_INIT;

	CU_ASSERT_EQUAL(attr.struct_size, sizeof(attr));
	CU_ASSERT_EQUAL(attr.buffers_per_class, 32);
	CU_ASSERT_EQUAL(attr.bytes_per_node, 0);
	CU_ASSERT_EQUAL(attr.hygiene, HNUMA_HYGIENE_NEVER);
	CU_ASSERT(is_empty(&attr.nodes));
	CU_ASSERT_EQUAL(attr.least_backing, HNUMA_BACKING_THP);
	CU_ASSERT_EQUAL(attr.policy, HNUMA_POLICY_BIND);
	CU_ASSERT_EQUAL(attr.flags, 0);
}

static void test_scratch_attr(void)
{
	struct hnuma_scratch_attr attr = HNUMA_SCRATCH_ATTR_INIT;

	CU_ASSERT_EQUAL(attr.struct_size, sizeof(attr));
	CU_ASSERT_EQUAL(attr.space_size, 64 * 1024);
	CU_ASSERT_EQUAL(attr.max_spaces, 0);
	CU_ASSERT(is_empty(&attr.nodes));
	CU_ASSERT_EQUAL(attr.least_backing, HNUMA_BACKING_THP);
	CU_ASSERT_EQUAL(attr.policy, HNUMA_POLICY_BIND);
	CU_ASSERT_EQUAL(attr.flags, 0);
}

static void test_config(void)
{
	struct hnuma_config config = HNUMA_CONFIG_INIT;

	CU_ASSERT_EQUAL(config.struct_size, sizeof(config));
	CU_ASSERT_EQUAL(config.arena_capacity, 16 * mega);
	CU_ASSERT_EQUAL(config.buffers_per_class, 32);
	CU_ASSERT_EQUAL(config.scratch_size, 64 * 1024);
	CU_ASSERT_EQUAL(config.max_scratch, 0);
	CU_ASSERT_EQUAL(config.pool_bytes_per_node, 0);
	CU_ASSERT_EQUAL(config.hygiene, HNUMA_HYGIENE_NEVER);
	CU_ASSERT(is_empty(&config.nodes));
	CU_ASSERT_EQUAL(config.least_backing, HNUMA_BACKING_THP);
	CU_ASSERT_EQUAL(config.policy, HNUMA_POLICY_BIND);
	CU_ASSERT_EQUAL(config.flags, 0);
}

static void test_nodesets(void)
{
	struct hnuma_nodeset set = {{0}};

	CU_ASSERT_EQUAL(hnuma_nodeset_add(&set, 0), 0);
	CU_ASSERT_EQUAL(hnuma_nodeset_add(&set, 63), 0);
	CU_ASSERT_EQUAL(hnuma_nodeset_add(&set, 64), 0);
	CU_ASSERT_EQUAL(hnuma_nodeset_add(&set, HNUMA_MAX_NODES - 1), 0);
	CU_ASSERT_EQUAL(hnuma_nodeset_add(&set, HNUMA_MAX_NODES), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_nodeset_add(&set, -1), -EINVAL);
	for (int node = -2; node <= HNUMA_MAX_NODES; node++)
		CU_ASSERT_EQUAL(hnuma_nodeset_has(&set, node), node == 0 || node == 63 ||
								       node == 64 ||
								       node == HNUMA_MAX_NODES - 1);
}

static void test_constants(void)
{
	CU_ASSERT_EQUAL(HNUMA_CACHE_LINE, 64);
	CU_ASSERT_EQUAL(HNUMA_ALIGNMENT, 64);
	CU_ASSERT_EQUAL(HNUMA_SIMD_ALIGNMENT, 16);
	CU_ASSERT_EQUAL(HNUMA_HUGEPAGE, 2 * mega);
	CU_ASSERT(HNUMA_BACKING_HUGETLB > HNUMA_BACKING_THP);
	CU_ASSERT(HNUMA_BACKING_THP > HNUMA_BACKING_BASE);
	CU_ASSERT(HNUMA_NODE_LOCAL < 0 && HNUMA_NODE_NONE < 0);
	CU_ASSERT_NOT_EQUAL(HNUMA_NODE_LOCAL, HNUMA_NODE_NONE);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"region attributes", test_region_attr}, {"arena attributes", test_arena_attr},
		{"pool attributes", test_pool_attr},	 {"scratch attributes", test_scratch_attr},
		{"configuration", test_config},		 {"node sets", test_nodesets},
		{"constants", test_constants},		 CU_TEST_INFO_NULL,
	};

	return check_main("headers", tests);
}
