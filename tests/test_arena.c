/* SPDX-License-Identifier: MIT */
/*
 * tests/test_arena.c - the arena: what it promises to one thread.
 *
 * Several threads are in test_arena_threads.c, bad input and bad luck in test_arena_faults.c, lanes
 * in test_lane.c, use after reset in test_poison.c. Reaches into arena_state.h where a counter must
 * be near its end.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <hugenuma.h>

#include "lib/arena_state.h"
#include "tests/check.h"

static struct hnuma_topology *topology;

static struct hnuma_arena *open_arena(size_t capacity)
{
	struct hnuma_arena_attr attr = HNUMA_ARENA_ATTR_INIT;
	struct hnuma_arena *arena;

	attr.capacity = capacity;
	attr.least_backing = HNUMA_BACKING_BASE;
	CU_ASSERT_EQUAL_FATAL(hnuma_arena_create(&arena, topology, &attr), 0);
	return arena;
}

static bool is_filled(const unsigned char *memory, size_t size, int value)
{
	hnuma_unpoison_defined(memory, size); /* these tests look at what was there before */
	return size == 0 || (memory[0] == value && memcmp(memory, memory + 1, size - 1) == 0);
}

/* A new arena: rounded up to 64, empty, at a huge page's start. */
static void test_new(void)
{
	struct hnuma_arena *arena = open_arena(4001);
	struct hnuma_arena_stats stats;

	CU_ASSERT_EQUAL(hnuma_arena_capacity(arena), 4032);
	CU_ASSERT_EQUAL(hnuma_arena_used(arena), 0);
	CU_ASSERT_EQUAL(hnuma_arena_remaining(arena), 4032);
	CU_ASSERT_EQUAL(hnuma_arena_allocation_count(arena), 0);
	CU_ASSERT_EQUAL(hnuma_arena_high_water_mark(arena), 0);
	CU_ASSERT_EQUAL((uintptr_t)hnuma_arena_base(arena) % HNUMA_HUGEPAGE, 0);
	CU_ASSERT_EQUAL(hnuma_region_base(hnuma_arena_region(arena)), hnuma_arena_base(arena));
	CU_ASSERT_EQUAL(hnuma_arena_stats(arena, &stats), 0);
	CU_ASSERT_EQUAL(stats.capacity, 4032);
	CU_ASSERT_EQUAL(stats.utilization, 0);
	CU_ASSERT_EQUAL(hnuma_arena_destroy(arena), 0);
	CU_ASSERT_EQUAL(hnuma_arena_destroy(NULL), 0);
}

/* Defect 12: all of it is there, on the node asked for, before anybody touches it. */
static void test_is_present(void)
{
	static unsigned char is_there[8 * 512];
	struct hnuma_arena *arena = open_arena(8 * HNUMA_HUGEPAGE);
	const size_t nr_pages = 8 * HNUMA_HUGEPAGE / (size_t)sysconf(_SC_PAGESIZE);
	struct hnuma_placement placement;

	CU_ASSERT_EQUAL(hnuma_arena_verify(arena, &placement), 0);
	CU_ASSERT(placement.pages_total > 0);
	CU_ASSERT(placement.pages_elsewhere == 0 || !check_knows_nodes());
	CU_ASSERT_EQUAL(placement.pages_here + placement.pages_elsewhere + placement.pages_unknown,
			placement.pages_total);
	CU_ASSERT_EQUAL_FATAL(mincore(hnuma_arena_base(arena), 8 * HNUMA_HUGEPAGE, is_there), 0);
	for (size_t i = 0; i < nr_pages; i++)
		CU_ASSERT(is_there[i] & 1);
	CU_ASSERT_EQUAL(hnuma_arena_destroy(arena), 0);
}

/* Sizes are rounded up to 64, one after the other, and zero where that was asked for. */
static void test_alloc(void)
{
	struct hnuma_arena *arena = open_arena(1 << 20);
	static const size_t sizes[] = {1, 63, 64, 65, 128, 129, 256, 257, 4096, 100000};
	const size_t nr = sizeof(sizes) / sizeof(sizes[0]);
	size_t used = 0;

	for (int round = 0; round < 2; round++) {
		used = 0;
		for (size_t i = 0; i < nr; i++) {
			unsigned char *memory = hnuma_arena_alloc(arena, sizes[i], 1);

			CU_ASSERT_EQUAL(memory, (unsigned char *)hnuma_arena_base(arena) + used);
			CU_ASSERT(is_filled(memory, sizes[i], 0));
			memset(memory, 0xA5, sizes[i]);
			used += (sizes[i] + 63) / 64 * 64;
			CU_ASSERT_EQUAL(hnuma_arena_used(arena), used);
		}
		CU_ASSERT_EQUAL(hnuma_arena_allocation_count(arena), nr);
		hnuma_arena_reset(arena);
	}
	/* What was there before shows where no zeroes were asked for. */
	CU_ASSERT(is_filled(hnuma_arena_alloc_uninit(arena, 1, 1), 1, 0xA5));
	CU_ASSERT_EQUAL(hnuma_arena_destroy(arena), 0);
}

/* Zeroing must not reach beyond the allocation's own lines. */
static void check_zeroing(struct hnuma_arena *arena, size_t size)
{
	const size_t lines = (size + 63) / 64 * 64;
	const size_t dirty = lines + 1024;
	struct hnuma_arena_mark mark;
	unsigned char *memory;

	hnuma_arena_reset(arena);
	memset(hnuma_arena_alloc_uninit(arena, 64 + dirty, 1), 0xEE, 64 + dirty);
	hnuma_arena_reset(arena);
	memory = hnuma_arena_alloc_uninit(arena, 64, 1);
	mark = hnuma_arena_mark(arena);
	CU_ASSERT(is_filled(hnuma_arena_alloc(arena, size, 1), size, 0));
	CU_ASSERT(is_filled(memory, 64, 0xEE));
	CU_ASSERT_EQUAL(hnuma_arena_rewind(arena, mark), 0);
	memory = hnuma_arena_alloc_uninit(arena, dirty, 1);
	CU_ASSERT(is_filled(memory + lines, dirty - lines, 0xEE));
}

/* By an inlined loop, by one with wider stores, and by memset(): see lib/line.h. */
static void test_zeroing_stays_inside(void)
{
	struct hnuma_arena *arena = open_arena(1 << 16);
	static const size_t sizes[] = {2048,  4032,  4095,  4096,  4097,  16320,
				       16383, 16384, 16385, 16448, 16500, 40000};

	for (size_t size = 0; size <= 700; size++)
		check_zeroing(arena, size);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		check_zeroing(arena, sizes[i]);
	CU_ASSERT_EQUAL(hnuma_arena_destroy(arena), 0);
}

/* Row 16: what fits exactly, and then one byte more. */
static void test_exact_fit(void)
{
	struct hnuma_arena *arena = open_arena(4096);

	for (int round = 0; round < 3; round++) {
		CU_ASSERT_PTR_NOT_NULL(hnuma_arena_alloc(arena, 4096 - 64 * round, 1));
		for (int i = 0; i < round; i++)
			CU_ASSERT_PTR_NOT_NULL(hnuma_arena_alloc_uninit(arena, 64, 1));
		CU_ASSERT_EQUAL(hnuma_arena_remaining(arena), 0);
		errno = 0;
		CU_ASSERT_PTR_NULL(hnuma_arena_alloc(arena, 1, 1));
		CU_ASSERT_EQUAL(errno, ENOMEM);
		CU_ASSERT_EQUAL(hnuma_arena_allocation_count(arena), (size_t)round + 1);
		hnuma_arena_reset(arena);
	}
	CU_ASSERT_PTR_NULL(hnuma_arena_alloc(arena, 4097, 1));
	CU_ASSERT_EQUAL(hnuma_arena_used(arena), 0);
	CU_ASSERT_EQUAL(hnuma_arena_destroy(arena), 0);
}

/* No bytes are a valid, counted allocation that takes nothing, also in a full arena. */
static void test_no_bytes(void)
{
	struct hnuma_arena *arena = open_arena(4096);

	CU_ASSERT_PTR_NOT_NULL(hnuma_arena_alloc(arena, 0, 8));
	CU_ASSERT_PTR_NOT_NULL(hnuma_arena_alloc_uninit(arena, 8, 0));
	CU_ASSERT_PTR_NOT_NULL(hnuma_arena_alloc(arena, SIZE_MAX, 0));
	CU_ASSERT_EQUAL(hnuma_arena_used(arena), 0);
	CU_ASSERT_EQUAL(hnuma_arena_allocation_count(arena), 3);
	CU_ASSERT_PTR_NOT_NULL(hnuma_arena_alloc(arena, 4096, 1));
	CU_ASSERT_PTR_NOT_NULL(hnuma_arena_alloc(arena, 0, 1));
	CU_ASSERT_PTR_NOT_NULL(hnuma_arena_alloc_aligned(arena, 0, 1, HNUMA_HUGEPAGE));
	CU_ASSERT_EQUAL(hnuma_arena_used(arena), 4096);
	CU_ASSERT_EQUAL(hnuma_arena_allocation_count(arena), 6);
	CU_ASSERT_EQUAL(hnuma_arena_destroy(arena), 0);
}

/* Defect 4: it is the address that is aligned, not the offset alone. */
static void test_aligned(void)
{
	struct hnuma_arena *arena = open_arena(8 * HNUMA_HUGEPAGE);
	unsigned char *memory, *previous;

	for (size_t alignment = 1; alignment <= HNUMA_HUGEPAGE; alignment *= 2) {
		hnuma_arena_reset(arena);
		previous = hnuma_arena_alloc(arena, 1, 1);
		memory = hnuma_arena_alloc_aligned(arena, 3, 100, alignment);
		CU_ASSERT_PTR_NOT_NULL_FATAL(memory);
		CU_ASSERT_EQUAL((uintptr_t)memory % alignment, 0);
		CU_ASSERT_EQUAL((uintptr_t)memory % HNUMA_ALIGNMENT, 0);
		CU_ASSERT(is_filled(memory, 300, 0));
		memset(memory, 0x77, 300);
		/* The first multiple after what was there, and no further. */
		CU_ASSERT(memory > previous && (size_t)(memory - previous) <= alignment + 63);
		CU_ASSERT_EQUAL(hnuma_arena_used(arena), (size_t)(memory - previous) + 320);
		CU_ASSERT_EQUAL(hnuma_arena_allocation_count(arena), 2);
	}
	/* The last such place, and then none. */
	hnuma_arena_reset(arena);
	for (int i = 0; i < 8; i++)
		CU_ASSERT_PTR_NOT_NULL(hnuma_arena_alloc_aligned(arena, 1, 1, HNUMA_HUGEPAGE));
	errno = 0;
	CU_ASSERT_PTR_NULL(hnuma_arena_alloc_aligned(arena, 1, 1, HNUMA_HUGEPAGE));
	CU_ASSERT_EQUAL(errno, ENOMEM);
	CU_ASSERT_PTR_NOT_NULL(hnuma_arena_alloc_aligned(arena, 1, HNUMA_HUGEPAGE - 64, 64));
	CU_ASSERT_EQUAL(hnuma_arena_remaining(arena), 0);
	CU_ASSERT_EQUAL(hnuma_arena_destroy(arena), 0);
}

static void test_statistics(void)
{
	struct hnuma_arena *arena = open_arena(1024);
	struct hnuma_arena_stats stats;
	struct hnuma_arena_mark mark;

	hnuma_arena_alloc(arena, 512, 1);
	CU_ASSERT_EQUAL(hnuma_arena_stats(arena, &stats), 0);
	CU_ASSERT_EQUAL(stats.used, 512);
	CU_ASSERT_EQUAL(stats.remaining, 512);
	CU_ASSERT_EQUAL(stats.utilization, 0.5);
	CU_ASSERT_EQUAL(stats.high_water_mark, 512);
	CU_ASSERT_EQUAL(stats.allocation_count, 1);
	mark = hnuma_arena_mark(arena);
	hnuma_arena_alloc(arena, 256, 1);
	CU_ASSERT_EQUAL(hnuma_arena_rewind(arena, mark), 0);
	CU_ASSERT_EQUAL(hnuma_arena_high_water_mark(arena), 768);
	hnuma_arena_reset(arena);
	hnuma_arena_alloc(arena, 64, 1);
	hnuma_arena_reset(arena);
	CU_ASSERT_EQUAL(hnuma_arena_stats(arena, &stats), 0);
	CU_ASSERT_EQUAL(stats.used, 0);
	CU_ASSERT_EQUAL(stats.allocation_count, 0);
	CU_ASSERT_EQUAL(stats.high_water_mark, 768);
	CU_ASSERT_EQUAL(hnuma_arena_destroy(arena), 0);
}

/* The count has 24 bits: it stops there, and leaves the cursor beside it alone. */
static void test_count_stops(void)
{
	const uint64_t most = 16777215;
	struct hnuma_arena *arena = open_arena(4096);
	struct hnuma_lane lane;

	atomic_store(&arena->word, (most - 1) * HNUMA_ARENA_ONE + 3);
	CU_ASSERT_EQUAL(hnuma_arena_allocation_count(arena), most - 1);
	for (unsigned i = 1; i <= 3; i++) {
		CU_ASSERT_PTR_NOT_NULL(hnuma_arena_alloc(arena, 64, 1));
		CU_ASSERT_EQUAL(hnuma_arena_allocation_count(arena), most);
		CU_ASSERT_EQUAL(hnuma_arena_used(arena), 192 + 64 * i);
	}
	CU_ASSERT_EQUAL(hnuma_lane_open(&lane, arena), 0);
	for (unsigned i = 0; i < 5; i++)
		CU_ASSERT_PTR_NOT_NULL(hnuma_lane_alloc(&lane, 64, 1));
	hnuma_lane_close(&lane);
	CU_ASSERT_EQUAL(hnuma_arena_allocation_count(arena), most);
	CU_ASSERT_EQUAL(hnuma_arena_used(arena), 192 + 64 * 8);
	hnuma_arena_reset(arena);
	CU_ASSERT_EQUAL(hnuma_arena_allocation_count(arena), 0);
	CU_ASSERT_EQUAL(hnuma_arena_destroy(arena), 0);
}

/* Marks inside each other, used more than once. */
static void test_rewind(void)
{
	struct hnuma_arena *arena = open_arena(1 << 16);
	struct hnuma_arena_mark outer, inner;
	unsigned char *first, *second;

	hnuma_arena_alloc(arena, 1, 1);
	outer = hnuma_arena_mark(arena);
	first = hnuma_arena_alloc(arena, 1000, 1);
	inner = hnuma_arena_mark(arena);
	for (int i = 0; i < 5; i++) {
		second = hnuma_arena_alloc(arena, 500, 1);
		CU_ASSERT_EQUAL(second, first + 1024);
		CU_ASSERT_EQUAL(hnuma_arena_rewind(arena, inner), 0);
		CU_ASSERT_EQUAL(hnuma_arena_used(arena), 64 + 1024);
		CU_ASSERT_EQUAL(hnuma_arena_allocation_count(arena), 2);
	}
	for (int i = 0; i < 5; i++) {
		CU_ASSERT_EQUAL(hnuma_arena_rewind(arena, outer), 0);
		CU_ASSERT_EQUAL(hnuma_arena_used(arena), 64);
		CU_ASSERT_EQUAL(hnuma_arena_allocation_count(arena), 1);
		CU_ASSERT_EQUAL(hnuma_arena_alloc(arena, 1, 1), first);
	}
	CU_ASSERT_EQUAL(hnuma_arena_destroy(arena), 0);
}

/* A mark is refused once the arena was reset or rewound below it, also when it is full again. */
static void test_stale_marks(void)
{
	struct hnuma_arena *arena = open_arena(1 << 16);
	struct hnuma_arena *other = open_arena(1 << 16);
	struct hnuma_arena_mark low, high, middle, none = {0, 0};

	low = hnuma_arena_mark(arena);
	CU_ASSERT_EQUAL(hnuma_arena_rewind(arena, none), -ESTALE);
	hnuma_arena_reset(arena);
	hnuma_arena_alloc(arena, 4096, 1);
	CU_ASSERT_EQUAL(hnuma_arena_rewind(arena, low), -ESTALE);
	check_message("take a new mark");
	CU_ASSERT_EQUAL(hnuma_arena_used(arena), 4096);

	low = hnuma_arena_mark(arena);
	hnuma_arena_alloc(arena, 1024, 1);
	high = hnuma_arena_mark(arena);
	CU_ASSERT_EQUAL(hnuma_arena_rewind(arena, low), 0);
	/* Above the mark again, but that is other memory now. */
	hnuma_arena_alloc(arena, 512, 1);
	middle = hnuma_arena_mark(arena);
	hnuma_arena_alloc(arena, 4096, 1);
	CU_ASSERT_EQUAL(hnuma_arena_rewind(arena, high), -ESTALE);
	CU_ASSERT_EQUAL(hnuma_arena_rewind(arena, middle), 0);
	hnuma_arena_alloc(arena, 4096, 1);
	CU_ASSERT_EQUAL(hnuma_arena_rewind(arena, high), -ESTALE);
	CU_ASSERT_EQUAL(hnuma_arena_rewind(arena, middle), 0);
	CU_ASSERT_EQUAL(hnuma_arena_rewind(arena, low), 0);
	hnuma_arena_alloc(arena, 4096, 1);
	CU_ASSERT_EQUAL(hnuma_arena_rewind(arena, middle), -ESTALE);
	CU_ASSERT_EQUAL(hnuma_arena_rewind(arena, low), 0);

	/* Somebody else's mark. */
	hnuma_arena_alloc(other, 4096, 1);
	CU_ASSERT_EQUAL(hnuma_arena_rewind(other, low), -ESTALE);
	CU_ASSERT_EQUAL(hnuma_arena_destroy(other), 0);
	CU_ASSERT_EQUAL(hnuma_arena_destroy(arena), 0);
}

#define NR_MARKS 200

/*
 * Random marks and rewinds against a model that knows for each mark whether a rewind went below it.
 * Returns how many good marks were refused: never any when no more than 64 rewinds are remembered.
 */
static unsigned rewind_randomly(struct hnuma_arena *arena, unsigned rounds, unsigned backwards)
{
	static struct hnuma_arena_mark marks[NR_MARKS];
	static bool is_good[NR_MARKS];
	unsigned nr_marks = 0, nr_refused = 0;

	hnuma_arena_reset(arena);
	for (unsigned i = 0; i < rounds; i++) {
		unsigned which = (unsigned)rand();

		hnuma_arena_alloc_uninit(arena, 1 + which % 200, 1);
		if (which % 3 && nr_marks < NR_MARKS) {
			is_good[nr_marks] = true;
			marks[nr_marks++] = hnuma_arena_mark(arena);
			continue;
		}
		if (nr_marks == 0)
			continue;
		which = which % backwards < nr_marks ? nr_marks - 1 - which % backwards : 0;
		if (hnuma_arena_rewind(arena, marks[which]) == 0) {
			CU_ASSERT(is_good[which]);
			for (unsigned j = 0; j < nr_marks; j++)
				if (hnuma_arena_word_line(marks[j].word) >
				    hnuma_arena_word_line(marks[which].word))
					is_good[j] = false;
		} else {
			nr_refused += is_good[which];
		}
	}
	return nr_refused;
}

static void test_marks_at_random(void)
{
	struct hnuma_arena *arena = open_arena(1 << 20);

	srand(1);
	for (int i = 0; i < 200; i++)
		CU_ASSERT_EQUAL(rewind_randomly(arena, 60, 1 + (unsigned)i % 40), 0);
	for (int i = 0; i < 20; i++)
		rewind_randomly(arena, 1500, 1 + (unsigned)i * 5);
	CU_ASSERT_EQUAL(hnuma_arena_destroy(arena), 0);
}

/* Each rewind above the one before it: the newest marks and the oldest are good all the same. */
static void test_many_rewinds(void)
{
	struct hnuma_arena *arena = open_arena(1 << 20);
	struct hnuma_arena_mark first = hnuma_arena_mark(arena), stale, marks[300];

	hnuma_arena_alloc_uninit(arena, 640, 1);
	stale = hnuma_arena_mark(arena);
	CU_ASSERT_EQUAL(hnuma_arena_rewind(arena, first), 0);
	for (int i = 0; i < 300; i++) {
		hnuma_arena_alloc_uninit(arena, 64, 1);
		marks[i] = hnuma_arena_mark(arena);
		hnuma_arena_alloc_uninit(arena, 640, 1);
		CU_ASSERT_EQUAL(hnuma_arena_rewind(arena, marks[i]), 0);
	}
	CU_ASSERT_EQUAL(hnuma_arena_rewind(arena, stale), -ESTALE);
	CU_ASSERT_EQUAL(hnuma_arena_rewind(arena, marks[299]), 0);
	for (int i = 299; i > 300 - HNUMA_ARENA_REWINDS; i--)
		CU_ASSERT_EQUAL(hnuma_arena_rewind(arena, marks[i]), 0);
	CU_ASSERT_EQUAL(hnuma_arena_rewind(arena, marks[299]), -ESTALE);
	CU_ASSERT_EQUAL(hnuma_arena_rewind(arena, first), 0);
	CU_ASSERT_EQUAL(hnuma_arena_used(arena), 0);
	CU_ASSERT_EQUAL(hnuma_arena_destroy(arena), 0);
}

/* Row 18: marks and lanes are right while the generation passes its largest value. */
static void test_generation_wraps(void)
{
	struct hnuma_arena *arena = open_arena(1 << 20);
	struct hnuma_arena_mark old, low, high;
	struct hnuma_lane lane;

	for (uint64_t start = UINT64_MAX - 6; start != 3; start++) {
		atomic_store(&arena->generation, start);
		hnuma_arena_reset(arena);
		old = hnuma_arena_mark(arena);
		CU_ASSERT_EQUAL(hnuma_lane_open(&lane, arena), 0);
		CU_ASSERT_EQUAL(hnuma_lane_alloc(&lane, 64, 1), hnuma_arena_base(arena));
		hnuma_arena_reset(arena);
		CU_ASSERT_EQUAL(hnuma_lane_alloc(&lane, 64, 1), hnuma_arena_base(arena));
		CU_ASSERT_EQUAL(hnuma_arena_rewind(arena, old), -ESTALE);
		low = hnuma_arena_mark(arena);
		hnuma_arena_alloc(arena, 64, 1);
		high = hnuma_arena_mark(arena);
		for (int i = 0; i < 3; i++) {
			CU_ASSERT_EQUAL(hnuma_arena_rewind(arena, high), 0);
			CU_ASSERT_PTR_NOT_NULL(hnuma_lane_alloc(&lane, 64, 1));
		}
		CU_ASSERT_EQUAL(hnuma_arena_rewind(arena, low), 0);
		hnuma_arena_alloc(arena, 128, 1);
		CU_ASSERT_EQUAL(hnuma_arena_rewind(arena, high), -ESTALE);
		CU_ASSERT_EQUAL(hnuma_arena_rewind(arena, low), 0);
		hnuma_lane_close(&lane);
	}
	CU_ASSERT_EQUAL(hnuma_arena_destroy(arena), 0);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"a new arena", test_new},
		{"present before it is touched (defect 12)", test_is_present},
		{"allocating", test_alloc},
		{"zeroing stays inside", test_zeroing_stays_inside},
		{"exact fit (row 16)", test_exact_fit},
		{"no bytes", test_no_bytes},
		{"alignment of the address (defect 4)", test_aligned},
		{"statistics", test_statistics},
		{"the count stops at its end", test_count_stops},
		{"rewind", test_rewind},
		{"stale marks", test_stale_marks},
		{"marks at random", test_marks_at_random},
		{"many rewinds", test_many_rewinds},
		{"generation wraps (row 18)", test_generation_wraps},
		CU_TEST_INFO_NULL,
	};

	topology = check_topology();
	return check_main("arena", tests);
}
