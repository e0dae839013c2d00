/* SPDX-License-Identifier: MIT */
/*
 * tests/test_region_dump.c - HNUMA_NO_DUMP: what the kernel says of the mappings (VmFlags of
 * /proc/self/smaps), for regions of each kind and for what is made of regions.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <hugenuma.h>

#include "numa/sys.h"
#include "tests/check.h"

static struct hnuma_topology *topology;
static struct hnuma_sys saved;

/* Has the mapping that holds an address the flag "dd"? -1: there is no such mapping. */
static int is_left_out(const void *address)
{
	FILE *smaps = fopen("/proc/self/smaps", "r");
	bool is_inside = false;
	int result = -1;
	char line[512];

	CU_ASSERT_PTR_NOT_NULL_FATAL(smaps);
	while (result < 0 && fgets(line, sizeof(line), smaps)) {
		uintptr_t begin, end;

		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &begin, &end) == 2)
			is_inside = (uintptr_t)address >= begin && (uintptr_t)address < end;
		else if (is_inside && strncmp(line, "VmFlags:", 8) == 0)
			result = strstr(line, " dd") != NULL;
	}
	fclose(smaps);
	return result;
}

static void expect_region(enum hnuma_backing least, unsigned flags, int is_out)
{
	struct hnuma_region_attr attr = HNUMA_REGION_ATTR_INIT;
	struct hnuma_region *region;
	unsigned char *base;

	attr.size = 2 * HNUMA_HUGEPAGE;
	attr.least_backing = least;
	attr.flags = flags;
	CU_ASSERT_EQUAL_FATAL(hnuma_region_create(&region, topology, &attr), 0);
	base = hnuma_region_base(region);
	CU_ASSERT_EQUAL(is_left_out(base), is_out);
	CU_ASSERT_EQUAL(is_left_out(base + hnuma_region_size(region) - 1), is_out);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
}

static int no_memfd(const char *name, unsigned flags)
{
	(void)name;
	(void)flags;
	return -ENOSYS;
}

static void test_private(void)
{
	hnuma_sys.memfd = no_memfd;
	expect_region(HNUMA_BACKING_BASE, 0, 0);
	expect_region(HNUMA_BACKING_BASE, HNUMA_NO_DUMP, 1);
	expect_region(HNUMA_BACKING_BASE, HNUMA_NO_DUMP | HNUMA_INHERIT, 1);
	hnuma_sys = saved;
}

static void test_hugetlb(void)
{
	if (!check_hugepages(2))
		return;
	expect_region(HNUMA_BACKING_HUGETLB, 0, 0);
	expect_region(HNUMA_BACKING_HUGETLB, HNUMA_NO_DUMP, 1);
}

static void test_objects(void)
{
	struct hnuma_arena_attr arena_attr = HNUMA_ARENA_ATTR_INIT;
	struct hnuma_pool_attr pool_attr = HNUMA_POOL_ATTR_INIT;
	struct hnuma_scratch_attr scratch_attr = HNUMA_SCRATCH_ATTR_INIT;
	struct hnuma_config config = HNUMA_CONFIG_INIT;
	struct hnuma_scratch *scratch;
	struct hnuma_manager *manager;
	struct hnuma_space *space;
	struct hnuma_arena *arena;
	struct hnuma_pool *pool;
	void *block;

	arena_attr.least_backing = pool_attr.least_backing = HNUMA_BACKING_BASE;
	scratch_attr.least_backing = config.least_backing = HNUMA_BACKING_BASE;
	arena_attr.flags = pool_attr.flags = HNUMA_NO_DUMP;
	scratch_attr.flags = config.flags = HNUMA_NO_DUMP;
	CU_ASSERT_EQUAL_FATAL(hnuma_arena_create(&arena, topology, &arena_attr), 0);
	CU_ASSERT_EQUAL_FATAL(hnuma_pool_create(&pool, topology, &pool_attr), 0);
	CU_ASSERT_EQUAL_FATAL(hnuma_scratch_create(&scratch, topology, &scratch_attr), 0);
	CU_ASSERT_EQUAL_FATAL(hnuma_manager_create(&manager, topology, &config), 0);
	block = hnuma_pool_acquire(pool, HNUMA_CLASS_4K);
	space = hnuma_scratch_acquire(scratch);
	CU_ASSERT_EQUAL(is_left_out(hnuma_arena_base(arena)), 1);
	CU_ASSERT_EQUAL(is_left_out(block), 1);
	CU_ASSERT_EQUAL(is_left_out(hnuma_space_base(space)), 1);
	CU_ASSERT_EQUAL(
		is_left_out(hnuma_arena_base(hnuma_manager_arena(manager, HNUMA_NODE_LOCAL))), 1);
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, block), 0);
	CU_ASSERT_EQUAL(hnuma_scratch_release(space), 0);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
	CU_ASSERT_EQUAL(hnuma_scratch_destroy(scratch), 0);
	CU_ASSERT_EQUAL(hnuma_pool_destroy(pool), 0);
	CU_ASSERT_EQUAL(hnuma_arena_destroy(arena), 0);
}

static int refuse_dump_rule(void *address, size_t length, int advice)
{
	return advice == MADV_DONTDUMP ? -EINVAL : saved.advise(address, length, advice);
}

/* What was to be kept out of dumps is not made without that. */
static void test_refused(void)
{
	struct hnuma_region_attr attr = HNUMA_REGION_ATTR_INIT;
	struct check_state before;
	struct hnuma_region *region;

	attr.size = HNUMA_HUGEPAGE;
	attr.least_backing = HNUMA_BACKING_BASE;
	attr.flags = HNUMA_NO_DUMP;
	check_snapshot(&before);
	hnuma_sys.advise = refuse_dump_rule;
	CU_ASSERT_EQUAL(hnuma_region_create(&region, topology, &attr), -EINVAL);
	hnuma_sys = saved;
	CU_ASSERT_PTR_NULL(region);
	check_message("MADV_DONTDUMP");
	check_unchanged(&before);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"private memory", test_private},
		{"hugetlb pages", test_hugetlb},
		{"arena, pool, scratch, manager", test_objects},
		{"the kernel refuses", test_refused},
		CU_TEST_INFO_NULL,
	};

	topology = check_topology();
	saved = hnuma_sys;
	return check_main("region dump", tests);
}
