/* SPDX-License-Identifier: MIT */
/*
 * tests/test_observe_garbage.c - an observer of a process that writes nonsense where its directory and
 * its objects' books should be. The process observes itself, so that their memory is at hand.
 */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <hugenuma.h>

#include "lib/arena_state.h"
#include "lib/pool_books.h"
#include "lib/space.h"
#include "numa/sys.h"
#include "tests/check.h"
#include "tests/observed.h"

/* Every answer that there can be to nonsense. */
static void expect_answer(int error)
{
	CU_ASSERT(error == 0 || error == -EUCLEAN || error == -ENOTSUP || error == -ESTALE ||
		  error == -EAGAIN || error == -ENOENT || error == -EINVAL || error == -ENODEV);
}

static void look_at_all(struct hnuma_observer *observer)
{
	struct hnuma_object object = {.id = 0};
	struct hnuma_pool_class_stats class_stats;
	struct hnuma_scratch_stats scratch;
	struct hnuma_arena_stats arena;
	struct hnuma_pool_stats pool;
	int result;

	while ((result = hnuma_observer_next(observer, &object)) > 0) {
		CU_ASSERT(strlen(object.name) < sizeof(object.name));
		expect_answer(hnuma_observer_arena_stats(observer, &object, &arena));
		expect_answer(hnuma_observer_pool_stats(observer, &object, &pool));
		expect_answer(hnuma_observer_pool_class_stats(observer, &object, home,
							      HNUMA_CLASS_4K, &class_stats));
		expect_answer(hnuma_observer_scratch_stats(observer, &object, &scratch));
	}
	expect_answer(result);
}

/* The same every time. */
static uint64_t next_random(void)
{
	static uint64_t state = 88172645463325252u;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static void spoil(unsigned char *bytes, size_t size)
{
	static const uint64_t numbers[] = {0, 1, 7, 255, 65536, UINT32_MAX, INT64_MAX, UINT64_MAX};
	size_t at = next_random() % (size / 8) * 8;
	uint64_t number = next_random() % 2 ? numbers[next_random() % 8] : next_random();

	memcpy(bytes + at, &number, next_random() % 2 ? 8 : 4);
}

/*
 * Copies of the objects' books, in whose place they are observed, so that this process can still
 * destroy the objects.
 */
struct books {
	struct hnuma_directory_entry directory[6];
	_Alignas(64) struct hnuma_arena arena;
	_Alignas(64) struct hnuma_pool pool;
	struct hnuma_home home;
	_Alignas(64) struct hnuma_scratch scratch;
};

/* Copy them to `good`, and lead observers to `bad`. */
static void divert(struct hnuma_directory_entry *entries, struct books *good, struct books *bad)
{
	memset(good, 0, sizeof(*good));
	for (unsigned i = 1; i < 6; i++) {
		void *object = (void *)(uintptr_t)entries[i].address;

		if (entries[i].kind == HNUMA_OBJECT_ARENA) {
			memcpy(&good->arena, object, sizeof(good->arena));
			entries[i].address = (uintptr_t)&bad->arena;
		} else if (entries[i].kind == HNUMA_OBJECT_POOL) {
			memcpy(&good->pool, object, sizeof(good->pool));
			memcpy(&good->home, good->pool.homes, sizeof(good->home));
			good->pool.homes = &bad->home;
			entries[i].address = (uintptr_t)&bad->pool;
		} else if (entries[i].kind == HNUMA_OBJECT_SCRATCH) {
			memcpy(&good->scratch, object, sizeof(good->scratch));
			entries[i].address = (uintptr_t)&bad->scratch;
		}
	}
	memcpy(good->directory, entries, sizeof(good->directory));
}

static void test_garbage(void)
{
	struct hnuma_manager *manager = make_manager();
	struct hnuma_directory_entry *entries = (void *)own_directory();
	struct hnuma_observer *observer;
	static struct books good, bad;

	CU_ASSERT_EQUAL_FATAL(hnuma_observer_open(&observer, getpid()), 0);
	divert(entries, &good, &bad);
	for (unsigned i = 0; i < check_rounds(20000); i++) {
		memcpy(&bad, &good, sizeof(bad));
		spoil((void *)&bad, sizeof(bad));
		if (next_random() % 2)
			spoil((void *)&bad, sizeof(bad));
		/* A directory that looks as if it were always being written only costs time. */
		if (i % 1000)
			memcpy((char *)bad.directory + 16, (char *)good.directory + 16, 4);
		memcpy((void *)entries, bad.directory, sizeof(bad.directory));
		look_at_all(observer);
	}
	memcpy((void *)entries, good.directory, sizeof(good.directory));
	hnuma_observer_close(observer);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
}

/* Nonsense in the directory, one thing after the other. */
static void test_directory(void)
{
	struct hnuma_manager *manager = make_manager();
	struct hnuma_directory_header *header = own_directory();
	struct hnuma_directory_entry *entries = (void *)header;
	struct hnuma_observer *observer;
	struct objects objects;

	CU_ASSERT_EQUAL_FATAL(hnuma_observer_open(&observer, getpid()), 0);
	header->magic++;
	CU_ASSERT_EQUAL(list(observer, &objects), -EUCLEAN);
	check_message("does not begin as one");
	header->magic = 0;
	CU_ASSERT_EQUAL(list(observer, &objects), -ENOENT);
	header->magic = HNUMA_DIRECTORY_MAGIC;
	header->nr_slots = 5000;
	CU_ASSERT_EQUAL(list(observer, &objects), -EUCLEAN);
	check_message("longer than it can be");
	header->nr_slots = 6;
	entries[2].kind = 77;
	CU_ASSERT_EQUAL(list(observer, &objects), -EUCLEAN);
	check_message("a kind that does not exist");
	entries[2].kind = HNUMA_OBJECT_MANAGER;
	strcpy(entries[1].name, "a\033[2Jb");
	CU_ASSERT_EQUAL(list(observer, &objects), 0);
	CU_ASSERT_STRING_EQUAL(objects.region.name, "a??2Jb");
	memset(entries[1].name, 'x', sizeof(entries[1].name));
	CU_ASSERT_EQUAL(list(observer, &objects), 0);
	CU_ASSERT_EQUAL(strlen(objects.region.name), sizeof(objects.region.name) - 1);
	hnuma_observer_close(observer);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
}

/* Numbers that cannot be, one by one. */
static void test_impossible(void)
{
	struct hnuma_manager *manager = make_manager();
	struct hnuma_arena *arena = hnuma_manager_arena(manager, home);
	struct hnuma_pool *pool = hnuma_manager_pool(manager);
	struct hnuma_scratch *scratch = hnuma_manager_scratch(manager);
	struct hnuma_observer *observer;
	struct objects objects;
	struct numbers seen;
	void *homes = pool->homes;
	unsigned number;

	CU_ASSERT_EQUAL_FATAL(hnuma_observer_open(&observer, getpid()), 0);
	CU_ASSERT_EQUAL(list(observer, &objects), 0);
	arena->high_water_lines = (1 << 14) + 1;
	CU_ASSERT_EQUAL(hnuma_observer_arena_stats(observer, &objects.arena, &seen.arena),
			-EUCLEAN);
	check_message("cursor is outside");
	arena->high_water_lines = 0;
	pool->homes = NULL;
	CU_ASSERT_EQUAL(hnuma_observer_pool_stats(observer, &objects.pool, &seen.pool), -EUCLEAN);
	check_message("not where it should be");
	pool->homes = homes;
	number = pool->nr_homes;
	pool->nr_homes = 5000;
	CU_ASSERT_EQUAL(hnuma_observer_pool_stats(observer, &objects.pool, &seen.pool), -EUCLEAN);
	pool->nr_homes = number;
	number = pool->homes->nr_cpus;
	pool->homes->nr_cpus = 65537;
	CU_ASSERT_EQUAL(hnuma_observer_pool_stats(observer, &objects.pool, &seen.pool), -EUCLEAN);
	pool->homes->nr_cpus = number;
	number = scratch->nr_spaces;
	scratch->nr_spaces = (1 << 20) + 1;
	CU_ASSERT_EQUAL(hnuma_observer_scratch_stats(observer, &objects.scratch, &seen.scratch),
			-EUCLEAN);
	scratch->nr_spaces = number;
	CU_ASSERT_EQUAL(observe(observer, &objects, &seen), 0);
	hnuma_observer_close(observer);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
}

static ssize_t (*real_read)(int pid, void *buffer, size_t size, const struct iovec *ranges,
			    unsigned nr_ranges);
static unsigned nr_read; /* caches */

/* Caches are read many at a time: all of them are empty. The rest as it is. */
static ssize_t read_empty_caches(int pid, void *buffer, size_t size, const struct iovec *ranges,
				 unsigned nr_ranges)
{
	if (nr_ranges == 1)
		return real_read(pid, buffer, size, ranges, nr_ranges);
	nr_read += nr_ranges;
	memset(buffer, 0, size);
	return (ssize_t)size;
}

/* Books that never add up, of as many CPUs as can be or more, do not keep an observer for ever. */
static void test_endless(void)
{
	struct hnuma_manager *manager = make_manager();
	struct hnuma_pool *pool = hnuma_manager_pool(manager);
	struct hnuma_pool_class_stats class_stats;
	struct hnuma_home *real = pool->homes;
	struct hnuma_home liars[2] = {*real, *real};
	struct hnuma_observer *observer;
	struct hnuma_pool_stats stats;
	struct objects objects;

	CU_ASSERT_EQUAL_FATAL(hnuma_observer_open(&observer, getpid()), 0);
	CU_ASSERT_EQUAL(list(observer, &objects), 0);
	real_read = hnuma_sys.read_process;
	hnuma_sys.read_process = read_empty_caches;
	pool->homes = liars;
	for (unsigned c = 0; c < HNUMA_NR_CLASSES; c++)
		liars[0].depots[c].misses = liars[1].depots[c].misses = 1;
	liars[0].nr_cpus = 65536;
	CU_ASSERT_EQUAL(hnuma_observer_pool_class_stats(observer, &objects.pool, home,
							HNUMA_CLASS_1K, &class_stats),
			0);
	CU_ASSERT_EQUAL(nr_read, 2 * 65536);
	nr_read = 0;
	CU_ASSERT_EQUAL(hnuma_observer_pool_stats(observer, &objects.pool, &stats), 0);
	CU_ASSERT_EQUAL(nr_read, (HNUMA_NR_CLASSES + 1) * 65536);
	pool->nr_homes = 2;
	CU_ASSERT_EQUAL(hnuma_observer_pool_stats(observer, &objects.pool, &stats), -EUCLEAN);
	check_message("more CPUs than there can be");
	pool->nr_homes = 1;
	pool->homes = real;
	hnuma_sys.read_process = real_read;
	hnuma_observer_close(observer);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
}

/* A bool that is neither true nor false, which the compiler counts on never to be. */
static void test_neither(void)
{
	struct hnuma_manager *manager = make_manager();
	struct hnuma_scratch *scratch = hnuma_manager_scratch(manager);
	struct hnuma_space *space = &scratch->spaces[0];
	struct hnuma_observer *observer;
	struct objects objects;
	struct numbers seen;

	CU_ASSERT_EQUAL_FATAL(hnuma_observer_open(&observer, getpid()), 0);
	CU_ASSERT_EQUAL(list(observer, &objects), 0);
	/* Held, so that what it uses counts although all was reset since. */
	hnuma_scratch_reset_all(scratch);
	space->used = 128;
	memset((void *)&space->is_held, 8, 1);
	CU_ASSERT_EQUAL(hnuma_observer_scratch_stats(observer, &objects.scratch, &seen.scratch), 0);
	CU_ASSERT_EQUAL(seen.scratch.total_used, 128);
	space->is_held = false;
	space->used = 0;
	hnuma_observer_close(observer);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"anything anywhere", test_garbage},	  {"in the directory", test_directory},
		{"impossible numbers", test_impossible},  {"books that never add up", test_endless},
		{"neither true nor false", test_neither}, CU_TEST_INFO_NULL,
	};

	check_lock();
	topology = check_topology();
	home = hnuma_current_node(topology);
	return check_main("observe_garbage", tests);
}
