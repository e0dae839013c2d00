/* SPDX-License-Identifier: MIT */
/*
 * tests/test_arena_faults.c - the arena given bad input and bad luck; numbers are those of the fault
 * sheet. Calls that fail are in test_faults.c.
 */
#include "config.h"

#include <string.h>

#include <hugenuma.h>

#include "lib/arena.h"
#include "lib/arena_state.h"
#include "numa/sys.h"
#include "tests/check.h"

static struct hnuma_topology *topology;

static struct hnuma_arena_attr small_attr(void)
{
	struct hnuma_arena_attr attr = HNUMA_ARENA_ATTR_INIT;

	attr.capacity = 1 << 16;
	attr.least_backing = HNUMA_BACKING_BASE;
	return attr;
}

static struct hnuma_arena *open_arena(void)
{
	struct hnuma_arena_attr attr = small_attr();
	struct hnuma_arena *arena;

	CU_ASSERT_EQUAL_FATAL(hnuma_arena_create(&arena, topology, &attr), 0);
	return arena;
}

static void refused(const struct hnuma_topology *which, const struct hnuma_arena_attr *attr,
		    int error)
{
	struct hnuma_arena *arena = (struct hnuma_arena *)1;
	struct check_state before;

	check_snapshot(&before);
	CU_ASSERT_EQUAL(hnuma_arena_create(&arena, which, attr), error);
	CU_ASSERT_PTR_NULL(arena);
	CU_ASSERT(hnuma_errormsg()[0] != '\0');
	check_unchanged(&before);
}

/* Row 1. */
static void test_bad_attributes(void)
{
	struct hnuma_arena_attr attr = small_attr();

	CU_ASSERT_EQUAL(hnuma_arena_create(NULL, topology, &attr), -EINVAL);
	check_message("out");
	refused(NULL, &attr, -EINVAL);
	check_message("topology");
	refused(topology, NULL, -EINVAL);
	check_message("attr");
	attr.struct_size--;
	refused(topology, &attr, -EINVAL);
	attr = small_attr();
	attr.flags = 1u << 31;
	refused(topology, &attr, -EINVAL);
	attr.flags = HNUMA_INHERIT;
	refused(topology, &attr, -EINVAL);
	attr = small_attr();
	attr.policy = (enum hnuma_policy)7;
	refused(topology, &attr, -EINVAL);
	attr = small_attr();
	attr.least_backing = (enum hnuma_backing)0;
	refused(topology, &attr, -EINVAL);
}

/* Row 2, where the arena is made. */
static void test_bad_capacities(void)
{
	const size_t most = (((size_t)1 << 40) - 1) * 64;
	struct hnuma_arena_attr attr = small_attr();
	size_t capacity;

	attr.capacity = 0;
	refused(topology, &attr, -EINVAL);
	check_message("0 bytes");
	attr.capacity = SIZE_MAX;
	refused(topology, &attr, -EOVERFLOW);
	attr.capacity = SIZE_MAX - HNUMA_HUGEPAGE + 1;
	refused(topology, &attr, -EOVERFLOW);
	attr.capacity = most + 1;
	refused(topology, &attr, -EOVERFLOW);
	CU_ASSERT_EQUAL(hnuma_arena_round_capacity(most - 63, &capacity), 0);
	CU_ASSERT_EQUAL(capacity, most);
	CU_ASSERT_EQUAL(hnuma_arena_round_capacity(1, &capacity), 0);
	CU_ASSERT_EQUAL(capacity, 64);
}

/* Row 3. */
static void test_bad_nodes(void)
{
	struct hnuma_arena_attr attr = small_attr();

	attr.node = 1023;
	refused(topology, &attr, -ENODEV);
	attr.node = -7;
	refused(topology, &attr, -ENODEV);
}

/* Row 2 and defect 2: no product and no sum wraps past the check of the capacity. */
static void test_sizes_that_wrap(void)
{
	static const size_t wrapping[][2] = {
		{SIZE_MAX, 2},
		{2, SIZE_MAX},
		{SIZE_MAX / 2 + 1, 2},
		{SIZE_MAX, SIZE_MAX},
		{SIZE_MAX / 8 + 1, 8},
		{SIZE_MAX, 1},
		{SIZE_MAX - 62, 1},
		{SIZE_MAX - 63, 1},
		{SIZE_MAX - 64, 1},
		{SIZE_MAX - 4095, 1},
		{SIZE_MAX - 4159, 1},
		{(size_t)1 << 46, 1},
		{((size_t)1 << 46) - 64, 1},
	};
	struct hnuma_arena *arena = open_arena();
	struct hnuma_lane lane;

	CU_ASSERT_EQUAL(hnuma_lane_open(&lane, arena), 0);
	/* In the middle, so that the cursor plus the size can wrap too. */
	CU_ASSERT_PTR_NOT_NULL(hnuma_arena_alloc(arena, 4096, 1));
	for (size_t i = 0; i < sizeof(wrapping) / sizeof(wrapping[0]); i++) {
		size_t count = wrapping[i][0], elem_size = wrapping[i][1];

		errno = 0;
		CU_ASSERT_PTR_NULL(hnuma_arena_alloc(arena, count, elem_size));
		CU_ASSERT_EQUAL(errno, ENOMEM);
		errno = 0;
		CU_ASSERT_PTR_NULL(hnuma_arena_alloc_uninit(arena, count, elem_size));
		CU_ASSERT_EQUAL(errno, ENOMEM);
		errno = 0;
		CU_ASSERT_PTR_NULL(hnuma_arena_alloc_aligned(arena, count, elem_size, 4096));
		CU_ASSERT_EQUAL(errno, ENOMEM);
		errno = 0;
		CU_ASSERT_PTR_NULL(hnuma_lane_alloc(&lane, count, elem_size));
		CU_ASSERT_EQUAL(errno, ENOMEM);
		errno = 0;
		CU_ASSERT_PTR_NULL(hnuma_lane_alloc_uninit(&lane, count, elem_size));
		CU_ASSERT_EQUAL(errno, ENOMEM);
	}
	CU_ASSERT_EQUAL(hnuma_arena_used(arena), 4096);
	CU_ASSERT_EQUAL(hnuma_arena_allocation_count(arena), 1);
	hnuma_lane_close(&lane);
	CU_ASSERT_EQUAL(hnuma_arena_destroy(arena), 0);
}

/* Row 15. */
static void test_bad_alignments(void)
{
	static const size_t alignments[] = {
		0,
		3,
		24,
		65,
		4097,
		2 * HNUMA_HUGEPAGE,
		HNUMA_HUGEPAGE + 1,
		SIZE_MAX,
		SIZE_MAX / 2 + 1,
	};
	struct hnuma_arena *arena = open_arena();

	for (size_t i = 0; i < sizeof(alignments) / sizeof(alignments[0]); i++) {
		errno = 0;
		CU_ASSERT_PTR_NULL(hnuma_arena_alloc_aligned(arena, 1, 1, alignments[i]));
		CU_ASSERT_EQUAL(errno, EINVAL);
	}
	CU_ASSERT_EQUAL(hnuma_arena_allocation_count(arena), 0);
	CU_ASSERT_EQUAL(hnuma_arena_destroy(arena), 0);
}

/* Defect 13: the arena's own formula, as documented, and never wrapped. */
static void test_capacity_for_model(void)
{
	size_t capacity = 1;

	CU_ASSERT_EQUAL(hnuma_arena_capacity_for_model(2048, 32000, 1, &capacity), 0);
	CU_ASSERT_EQUAL(capacity, 2 * 4 * (2048 + 32000 + 4 * 2048));
	CU_ASSERT_EQUAL(hnuma_arena_capacity_for_model(4096, 128256, 8, &capacity), 0);
	CU_ASSERT_EQUAL(capacity, 2 * 4 * (4096 * 8 + 128256 * 8 + 4 * 4096));
	CU_ASSERT_EQUAL(hnuma_arena_capacity_for_model(1, 1, 1, NULL), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_arena_capacity_for_model(0, 1, 1, &capacity), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_arena_capacity_for_model(1, 0, 1, &capacity), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_arena_capacity_for_model(1, 1, 0, &capacity), -EINVAL);
	/* Each step of the sum in turn is too large. */
	CU_ASSERT_EQUAL(hnuma_arena_capacity_for_model(SIZE_MAX, 1, 2, &capacity), -EOVERFLOW);
	CU_ASSERT_EQUAL(hnuma_arena_capacity_for_model(1, SIZE_MAX, 2, &capacity), -EOVERFLOW);
	CU_ASSERT_EQUAL(hnuma_arena_capacity_for_model(SIZE_MAX / 2, 1, 1, &capacity), -EOVERFLOW);
	CU_ASSERT_EQUAL(hnuma_arena_capacity_for_model(SIZE_MAX / 4, SIZE_MAX, 1, &capacity),
			-EOVERFLOW);
	CU_ASSERT_EQUAL(hnuma_arena_capacity_for_model(SIZE_MAX / 4, SIZE_MAX / 2, 1, &capacity),
			-EOVERFLOW);
	CU_ASSERT_EQUAL(hnuma_arena_capacity_for_model(SIZE_MAX / 32, 1, 1, &capacity), -EOVERFLOW);
	check_message("hidden_dim");
	CU_ASSERT_EQUAL(capacity, 2 * 4 * (4096 * 8 + 128256 * 8 + 4 * 4096));
}

static void test_nulls(void)
{
	struct hnuma_arena *arena = open_arena();
	struct hnuma_placement placement;
	struct hnuma_arena_stats stats;
	struct hnuma_lane lane;

	CU_ASSERT_EQUAL(hnuma_arena_stats(NULL, &stats), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_arena_stats(arena, NULL), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_arena_verify(NULL, &placement), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_arena_verify(arena, NULL), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_lane_open(NULL, arena), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_lane_open(&lane, NULL), -EINVAL);
	hnuma_lane_close(NULL);
	CU_ASSERT_EQUAL(hnuma_arena_destroy(arena), 0);
}

/* An arena in somebody else's region is not to be destroyed, and stays whole. */
static void test_part_of_a_region(void)
{
	struct hnuma_region_attr attr = HNUMA_REGION_ATTR_INIT;
	struct hnuma_region *region;
	struct hnuma_arena *arena;
	unsigned char *memory;

	attr.size = 2 * HNUMA_HUGEPAGE;
	attr.least_backing = HNUMA_BACKING_BASE;
	CU_ASSERT_EQUAL_FATAL(hnuma_region_create(&region, topology, &attr), 0);
	CU_ASSERT_EQUAL_FATAL(hnuma_arena_build(&arena, region, 0, HNUMA_HUGEPAGE, 4096), 0);
	memory = hnuma_arena_alloc(arena, 4096, 1);
	CU_ASSERT_EQUAL(memory, (unsigned char *)hnuma_region_base(region) + HNUMA_HUGEPAGE);
	memory[4095] = 1;
	CU_ASSERT_PTR_NULL(hnuma_arena_alloc(arena, 1, 1));
	CU_ASSERT_EQUAL(hnuma_arena_destroy(arena), -EINVAL);
	check_message("manager");
	CU_ASSERT_EQUAL(memory[4095], 1);
	hnuma_arena_free(arena);
	hnuma_arena_free(NULL);
	CU_ASSERT_EQUAL(memory[4095], 1);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
}

static int unmap_fails(void *address, size_t length)
{
	(void)address;
	(void)length;
	return -ENOMEM;
}

/* Row 13: where the memory cannot be given back the arena is as it was. */
static void test_destroy_that_fails(void)
{
	int (*unmap)(void *, size_t) = hnuma_sys.unmap;
	struct hnuma_arena *arena;
	struct check_state before;
	unsigned char *memory;

	check_snapshot(&before);
	arena = open_arena();
	memory = hnuma_arena_alloc(arena, 100, 1);
	memory[99] = 1;
	for (int i = 0; i < 3; i++) {
		hnuma_sys.unmap = unmap_fails;
		CU_ASSERT_EQUAL(hnuma_arena_destroy(arena), -ENOMEM);
		hnuma_sys.unmap = unmap;
		CU_ASSERT(hnuma_errormsg()[0] != '\0');
		CU_ASSERT_EQUAL(hnuma_arena_used(arena), 128 * (size_t)(i + 1));
		CU_ASSERT_EQUAL(memory[99], 1);
		CU_ASSERT_EQUAL(hnuma_arena_alloc(arena, 128, 1), memory + 128 * (i + 1));
	}
	CU_ASSERT_EQUAL(hnuma_arena_destroy(arena), 0);
	check_unchanged(&before);
}

/* Row 31. */
struct inherited {
	struct hnuma_arena *arena;
	struct hnuma_lane *lane;
	struct hnuma_arena_mark mark;
};

static void use_in_child(void *arg)
{
	struct inherited *parent = arg;
	struct hnuma_arena *arena = parent->arena;
	struct hnuma_placement placement;
	struct hnuma_arena_stats stats;
	struct hnuma_lane lane;

	errno = 0;
	CU_ASSERT_PTR_NULL(hnuma_arena_alloc(arena, 1, 1));
	CU_ASSERT_EQUAL(errno, EOWNERDEAD);
	errno = 0;
	CU_ASSERT_PTR_NULL(hnuma_arena_alloc_uninit(arena, 1, 1));
	CU_ASSERT_EQUAL(errno, EOWNERDEAD);
	errno = 0;
	CU_ASSERT_PTR_NULL(hnuma_arena_alloc_aligned(arena, 1, 1, 4096));
	CU_ASSERT_EQUAL(errno, EOWNERDEAD);
	errno = 0;
	CU_ASSERT_PTR_NULL(hnuma_lane_alloc(parent->lane, 1, 1));
	CU_ASSERT_EQUAL(errno, EOWNERDEAD);
	errno = 0;
	CU_ASSERT_PTR_NULL(hnuma_lane_alloc_uninit(parent->lane, 1, 1));
	CU_ASSERT_EQUAL(errno, EOWNERDEAD);
	errno = 0;
	CU_ASSERT_PTR_NULL(hnuma_arena_base(arena));
	CU_ASSERT_EQUAL(errno, EOWNERDEAD);
	CU_ASSERT_EQUAL(hnuma_arena_rewind(arena, parent->mark), -EOWNERDEAD);
	CU_ASSERT_EQUAL(hnuma_arena_stats(arena, &stats), -EOWNERDEAD);
	CU_ASSERT_EQUAL(hnuma_arena_verify(arena, &placement), -EOWNERDEAD);
	CU_ASSERT_EQUAL(hnuma_lane_open(&lane, arena), -EOWNERDEAD);
	CU_ASSERT_EQUAL(hnuma_arena_destroy(arena), -EOWNERDEAD);
	hnuma_lane_close(parent->lane);
	hnuma_arena_reset(arena);
	/* One of its own it may have. */
	arena = open_arena();
	CU_ASSERT_PTR_NOT_NULL(hnuma_arena_alloc(arena, 1, 1));
	CU_ASSERT_EQUAL(hnuma_arena_destroy(arena), 0);
}

static void test_fork(void)
{
	struct hnuma_arena *arena = open_arena();
	struct hnuma_lane lane;
	struct inherited inherited = {arena, &lane, hnuma_arena_mark(arena)};
	unsigned char *memory = hnuma_arena_alloc(arena, 256, 1);

	memset(memory, 0x3C, 256);
	CU_ASSERT_EQUAL(hnuma_lane_open(&lane, arena), 0);
	CU_ASSERT_PTR_NOT_NULL(hnuma_lane_alloc(&lane, 64, 1));
	CU_ASSERT_EQUAL(check_in_child(use_in_child, &inherited), 0);
	CU_ASSERT(memory[0] == 0x3C && memcmp(memory, memory + 1, 255) == 0);
	CU_ASSERT_PTR_NOT_NULL(hnuma_lane_alloc(&lane, 64, 1));
	CU_ASSERT_EQUAL(hnuma_arena_rewind(arena, inherited.mark), 0);
	hnuma_lane_close(&lane);
	CU_ASSERT_EQUAL(hnuma_arena_destroy(arena), 0);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"bad attributes (row 1)", test_bad_attributes},
		{"bad capacities (row 2)", test_bad_capacities},
		{"bad nodes (row 3)", test_bad_nodes},
		{"sizes that wrap (row 2, defect 2)", test_sizes_that_wrap},
		{"bad alignments (row 15)", test_bad_alignments},
		{"capacity for a model (defect 13)", test_capacity_for_model},
		{"NULL", test_nulls},
		{"part of a region", test_part_of_a_region},
		{"destroy that fails (row 13)", test_destroy_that_fails},
		{"fork (row 31)", test_fork},
		CU_TEST_INFO_NULL,
	};

	topology = check_topology();
	return check_main("arena_faults", tests);
}
