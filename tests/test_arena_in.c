/* SPDX-License-Identifier: MIT */
/*
 * tests/test_arena_in.c - arenas in a region that is the caller's: wrapped, made, opened.
 */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <hugenuma.h>

#include "numa/process.h"
#include "numa/region.h"
#include "tests/check.h"
#include "tests/fail_malloc.h"

#define SIZE (4 * HNUMA_HUGEPAGE)

static struct hnuma_topology *topology;
static unsigned char *room, *memory; /* what is mapped, and what is wrapped of it */
static struct hnuma_region *region;

static struct hnuma_region_attr small_attr(void)
{
	struct hnuma_region_attr attr = HNUMA_REGION_ATTR_INIT;

	attr.size = SIZE;
	attr.least_backing = HNUMA_BACKING_BASE;
	attr.policy = HNUMA_POLICY_PREFERRED;
	attr.node = check_home_node();
	return attr;
}

/* Memory of this program's, full of bytes of its own, on whatever nodes. */
static void wrap(void)
{
	struct hnuma_region_attr attr = small_attr();

	attr.policy = HNUMA_POLICY_INTERLEAVE;
	room = mmap(NULL, SIZE + HNUMA_HUGEPAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CU_ASSERT_FATAL(room != MAP_FAILED);
	memory = room + (-(uintptr_t)room & (HNUMA_HUGEPAGE - 1));
	memset(memory, 0x77, SIZE);
	CU_ASSERT_EQUAL_FATAL(hnuma_region_wrap(&region, topology, memory, &attr), 0);
}

static void unwrap(void)
{
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
	CU_ASSERT_EQUAL(munmap(room, SIZE + HNUMA_HUGEPAGE), 0);
}

static bool is_untouched(const unsigned char *bytes, size_t size)
{
	return bytes[0] == 0x77 && memcmp(bytes, bytes + 1, size - 1) == 0;
}

/* All of wrapped memory: only what is allocated is written to, and destroy leaves everything there. */
static void test_wrapped(void)
{
	struct hnuma_placement placement;
	struct check_state before;
	struct hnuma_arena *arena;
	struct hnuma_lane lane;
	unsigned char *bytes;

	check_snapshot(&before);
	wrap();
	CU_ASSERT_EQUAL_FATAL(hnuma_arena_create_in(&arena, region, 0, 0), 0);
	CU_ASSERT_PTR_EQUAL(hnuma_arena_base(arena), memory);
	CU_ASSERT_EQUAL(hnuma_arena_capacity(arena), SIZE);
	CU_ASSERT_PTR_EQUAL(hnuma_arena_region(arena), region);
	CU_ASSERT_EQUAL(hnuma_arena_verify(arena, &placement), 0);
	CU_ASSERT_EQUAL(placement.pages_total * placement.page_size, SIZE);
	CU_ASSERT(placement.pages_elsewhere == 0 || !check_knows_nodes());
	bytes = hnuma_arena_alloc(arena, 1000, 1);
	CU_ASSERT_PTR_EQUAL_FATAL(bytes, memory);
	CU_ASSERT(bytes[0] == 0 && memcmp(bytes, bytes + 1, 999) == 0);
	CU_ASSERT_EQUAL(hnuma_lane_open(&lane, arena), 0);
	CU_ASSERT_PTR_NOT_NULL(hnuma_lane_alloc(&lane, 10, 100));
	hnuma_lane_close(&lane);
	CU_ASSERT_PTR_NULL(hnuma_arena_alloc_uninit(arena, SIZE, 1));
	hnuma_arena_reset(arena);
	CU_ASSERT_PTR_EQUAL(hnuma_arena_alloc_uninit(arena, SIZE, 1), memory);
	CU_ASSERT_PTR_NULL(hnuma_arena_alloc_uninit(arena, 1, 1));
	CU_ASSERT_EQUAL(hnuma_arena_destroy(arena), 0);
	/* Behind the zeroes and a lane's stretch of 64 KB. */
	CU_ASSERT(is_untouched(memory + 100000, SIZE - 100000));
	/* And once more, in what is there still. */
	CU_ASSERT_EQUAL_FATAL(hnuma_arena_create_in(&arena, region, 0, 100), 0);
	CU_ASSERT_EQUAL(hnuma_arena_capacity(arena), 128);
	CU_ASSERT_EQUAL(hnuma_arena_destroy(arena), 0);
	unwrap();
	check_unchanged(&before);
}

/* Two, one behind the other, and what lies between them and behind is nobody's. */
static void test_parts(void)
{
	struct hnuma_arena *one, *other;
	unsigned char *bytes;

	wrap();
	CU_ASSERT_EQUAL_FATAL(hnuma_arena_create_in(&one, region, 0, 4096), 0);
	CU_ASSERT_EQUAL_FATAL(hnuma_arena_create_in(&other, region, HNUMA_HUGEPAGE, HNUMA_HUGEPAGE),
			      0);
	CU_ASSERT_PTR_EQUAL(hnuma_arena_base(other), memory + HNUMA_HUGEPAGE);
	bytes = hnuma_arena_alloc(one, 4096, 1);
	CU_ASSERT_PTR_EQUAL(bytes, memory);
	CU_ASSERT_PTR_NULL(hnuma_arena_alloc(one, 1, 1));
	bytes = hnuma_arena_alloc(other, HNUMA_HUGEPAGE, 1);
	CU_ASSERT_PTR_EQUAL(bytes, memory + HNUMA_HUGEPAGE);
	CU_ASSERT_PTR_NULL(hnuma_arena_alloc(other, 1, 1));
	CU_ASSERT(is_untouched(memory + 4096, HNUMA_HUGEPAGE - 4096));
	CU_ASSERT(is_untouched(memory + 2 * HNUMA_HUGEPAGE, SIZE - 2 * HNUMA_HUGEPAGE));
	CU_ASSERT_EQUAL(hnuma_arena_destroy(one), 0);
	CU_ASSERT_PTR_EQUAL(hnuma_arena_base(other), memory + HNUMA_HUGEPAGE);
	CU_ASSERT_EQUAL(hnuma_arena_destroy(other), 0);
	unwrap();
}

/* In one that this library has made, and that another process could have. */
static void test_shared(void)
{
	struct hnuma_region_attr attr = small_attr();
	struct hnuma_arena *arena;
	struct check_state before;
	unsigned char *bytes;

	check_snapshot(&before);
	attr.flags = HNUMA_SHARED;
	CU_ASSERT_EQUAL_FATAL(hnuma_region_create(&region, topology, &attr), 0);
	CU_ASSERT_EQUAL_FATAL(hnuma_arena_create_in(&arena, region, HNUMA_HUGEPAGE, 0), 0);
	CU_ASSERT_EQUAL(hnuma_arena_capacity(arena), SIZE - HNUMA_HUGEPAGE);
	bytes = hnuma_arena_alloc(arena, SIZE - HNUMA_HUGEPAGE, 1);
	CU_ASSERT_PTR_EQUAL(bytes, (unsigned char *)hnuma_region_base(region) + HNUMA_HUGEPAGE);
	memset(bytes, 5, SIZE - HNUMA_HUGEPAGE);
	CU_ASSERT_EQUAL(hnuma_arena_destroy(arena), 0);
	CU_ASSERT_EQUAL(bytes[SIZE - HNUMA_HUGEPAGE - 1], 5);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
	check_unchanged(&before);
}

/* Who looks at this process sees an arena like others, for as long as it is there. */
static void test_listed(void)
{
	struct hnuma_object object = {.id = 0};
	struct hnuma_observer *observer;
	struct hnuma_arena_stats stats;
	struct hnuma_arena *arena;
	unsigned nr = 0;

	wrap();
	CU_ASSERT_EQUAL_FATAL(hnuma_arena_create_in(&arena, region, 0, 0), 0);
	CU_ASSERT_PTR_NOT_NULL(hnuma_arena_alloc(arena, 640, 1));
	CU_ASSERT_EQUAL_FATAL(hnuma_observer_open(&observer, getpid()), 0);
	while (hnuma_observer_next(observer, &object) > 0) {
		if (object.kind != HNUMA_OBJECT_ARENA)
			continue;
		nr++;
		CU_ASSERT_EQUAL(object.base, (uintptr_t)memory);
		CU_ASSERT_EQUAL(hnuma_observer_arena_stats(observer, &object, &stats), 0);
		CU_ASSERT_EQUAL(stats.used, 640);
	}
	CU_ASSERT_EQUAL(nr, 1);
	CU_ASSERT_EQUAL(hnuma_arena_destroy(arena), 0);
	while (hnuma_observer_next(observer, &object) > 0)
		CU_ASSERT_NOT_EQUAL(object.kind, HNUMA_OBJECT_ARENA);
	hnuma_observer_close(observer);
	unwrap();
}

static void refuse(const struct hnuma_region *of, size_t offset, size_t capacity, int error,
		   const char *words)
{
	struct hnuma_arena *arena = (struct hnuma_arena *)1;
	struct check_state before;

	check_snapshot(&before);
	CU_ASSERT_EQUAL(hnuma_arena_create_in(&arena, of, offset, capacity), error);
	CU_ASSERT_PTR_NULL(arena);
	check_message(words);
	check_unchanged(&before);
}

static void test_refused(void)
{
	struct hnuma_region enormous = {
		.epoch = hnuma_process_epoch,
		.base = (unsigned char *)HNUMA_HUGEPAGE,
		.size_bytes = (size_t)1 << 46,
	};

	wrap();
	CU_ASSERT_EQUAL(hnuma_arena_create_in(NULL, region, 0, 0), -EINVAL);
	refuse(NULL, 0, 0, -EINVAL, "region is NULL");
	refuse(region, 4096, 0, -EINVAL, "multiple of 2 MB");
	refuse(region, SIZE, 0, -EINVAL, "in the region");
	refuse(region, SIZE_MAX - HNUMA_HUGEPAGE + 1, 1, -EINVAL, "in the region");
	refuse(region, 0, SIZE + 1, -EINVAL, "behind it");
	refuse(region, HNUMA_HUGEPAGE, SIZE_MAX, -EINVAL, "behind it");
	refuse(&enormous, 0, 0, -EOVERFLOW, "the most");
	fail_sys_install();
	fail_sys_begin(FAIL_MALLOC, 1, true, -ENOMEM);
	refuse(region, 0, 0, -ENOMEM, "books");
	CU_ASSERT(fail_sys_end());
	fail_sys_remove();
	unwrap();
}

static void in_child(void *arg)
{
	struct hnuma_arena *arena = arg;

	CU_ASSERT_PTR_NULL(hnuma_arena_alloc(arena, 1, 1));
	CU_ASSERT_EQUAL(errno, EOWNERDEAD);
	CU_ASSERT_EQUAL(hnuma_arena_destroy(arena), -EOWNERDEAD);
	CU_ASSERT_EQUAL(hnuma_arena_create_in(&arena, region, 0, 0), -EOWNERDEAD);
}

static void test_fork(void)
{
	struct hnuma_arena *arena;

	wrap();
	CU_ASSERT_EQUAL_FATAL(hnuma_arena_create_in(&arena, region, 0, 0), 0);
	CU_ASSERT_EQUAL(check_in_child(in_child, arena), 0);
	CU_ASSERT_PTR_NOT_NULL(hnuma_arena_alloc(arena, 1, 1));
	CU_ASSERT_EQUAL(hnuma_arena_destroy(arena), 0);
	unwrap();
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"in wrapped memory", test_wrapped},
		{"two in one region", test_parts},
		{"in a shared region", test_shared},
		{"listed", test_listed},
		{"refused", test_refused},
		{"fork", test_fork},
		CU_TEST_INFO_NULL,
	};

	topology = check_topology();
	return check_main("arena in", tests);
}
