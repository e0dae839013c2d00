/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/fuzz_observe.c - an observer of a process whose directory and books are spoiled.
 *
 *	patches, one after the other:	2 bytes  where, in units of 4 bytes
 *					1 byte   how many bytes: 1, 2, 4 or 8
 *					these bytes
 *
 * The process observes itself. Copies of its objects' books lie where the directory says, so that the
 * objects themselves stay whole. Whatever stands there, the observer answers, with an error or not.
 */
#include "config.h"

#include "lib/arena_state.h"
#include "lib/pool_books.h"
#include "lib/space.h"
#include "numa/directory.h"
#include "numa/remote.h"
#include "tests/fuzz/fuzz.h"

#define NR_ENTRIES 6 /* the header, and five objects of a manager */

static struct books {
	struct hnuma_directory_entry directory[NR_ENTRIES];
	_Alignas(64) struct hnuma_arena arena;
	_Alignas(64) struct hnuma_pool pool;
	struct hnuma_home home;
	_Alignas(64) struct hnuma_scratch scratch;
} good, bad;

static struct hnuma_observer *observer;
static struct hnuma_directory_entry *entries; /* this process's, that is read */
static int node;

/* Copy the books to `good`, and lead the observer to `bad`. */
static void divert(void)
{
	for (unsigned i = 1; i < NR_ENTRIES; i++) {
		void *object = (void *)(uintptr_t)entries[i].address;

		if (entries[i].kind == HNUMA_OBJECT_ARENA) {
			memcpy(&good.arena, object, sizeof(good.arena));
			entries[i].address = (uintptr_t)&bad.arena;
		} else if (entries[i].kind == HNUMA_OBJECT_POOL) {
			memcpy(&good.pool, object, sizeof(good.pool));
			memcpy(&good.home, good.pool.homes, sizeof(good.home));
			good.pool.homes = &bad.home;
			entries[i].address = (uintptr_t)&bad.pool;
		} else if (entries[i].kind == HNUMA_OBJECT_SCRATCH) {
			memcpy(&good.scratch, object, sizeof(good.scratch));
			entries[i].address = (uintptr_t)&bad.scratch;
		}
	}
	memcpy(good.directory, entries, sizeof(good.directory));
}

/* Objects of which all numbers are small; they stay until the process ends. */
static void begin(void)
{
	static struct hnuma_topology *topology;
	static struct hnuma_manager *manager;
	struct hnuma_config config = HNUMA_CONFIG_INIT;
	uint64_t address, size;

	fuzz_leave_huge_pages();
	FUZZ_EXPECT(hnuma_topology_create(&topology) == 0);
	node = hnuma_current_node(topology);
	hnuma_nodeset_add(&config.nodes, node);
	config.arena_capacity = 1 << 20;
	config.buffers_per_class = 40;
	config.scratch_size = 8192;
	config.max_scratch = 3;
	config.least_backing = HNUMA_BACKING_BASE;
	FUZZ_EXPECT(hnuma_manager_create(&manager, topology, &config) == 0);
	FUZZ_EXPECT(hnuma_observer_open(&observer, getpid()) == 0);
	FUZZ_EXPECT(hnuma_remote_find(getpid(), HNUMA_DIRECTORY_NAME, &address, &size) == 0);
	entries = (void *)(uintptr_t)address;
	divert();
}

static void spoil(const uint8_t *data, size_t size)
{
	while (size >= 4) {
		size_t at = ((size_t)data[0] | (size_t)data[1] << 8) * 4;
		size_t length = (size_t)1 << data[2] % 4;

		data += 3;
		size -= 3;
		if (length > size)
			length = size;
		at %= sizeof(bad) - 8;
		memcpy((char *)&bad + at, data, length);
		data += length;
		size -= length;
	}
	/* A directory that looks as if it were always being written only costs time. */
	memcpy((char *)bad.directory + 16, (char *)good.directory + 16, 4);
}

/* Every answer that there can be to nonsense. */
static void expect_answer(int error)
{
	FUZZ_EXPECT(error == 0 || error == -EUCLEAN || error == -ENOTSUP || error == -ESTALE ||
		    error == -EAGAIN || error == -ENOENT || error == -EINVAL || error == -ENODEV);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hnuma_object object = {.id = 0};
	struct hnuma_pool_class_stats class_stats;
	struct hnuma_scratch_stats scratch;
	struct hnuma_arena_stats arena;
	struct hnuma_pool_stats pool;
	int result;

	if (!observer)
		begin();
	memcpy(&bad, &good, sizeof(bad));
	spoil(data, size);
	memcpy(entries, bad.directory, sizeof(bad.directory));
	while ((result = hnuma_observer_next(observer, &object)) > 0) {
		FUZZ_EXPECT(strlen(object.name) < sizeof(object.name));
		expect_answer(hnuma_observer_arena_stats(observer, &object, &arena));
		expect_answer(hnuma_observer_pool_stats(observer, &object, &pool));
		for (int c = 0; c < HNUMA_NR_CLASSES; c++)
			expect_answer(hnuma_observer_pool_class_stats(
				observer, &object, node, (enum hnuma_class)c, &class_stats));
		expect_answer(hnuma_observer_scratch_stats(observer, &object, &scratch));
	}
	expect_answer(result);
	FUZZ_EXPECT(strlen(hnuma_observer_version(observer)) < 16);
	return 0;
}
