/* SPDX-License-Identifier: MIT */
/*
 * tests/test_documented.c - what the documented system's own tests ask of it, asked of this library.
 *
 * One test for each of the twelve, in their order. Where the document's behaviour is a defect that
 * this library must not have, the test says what is asked instead.
 */
#include "config.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>

#include <hugenuma.h>

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

static struct hnuma_pool *open_pool(void)
{
	struct hnuma_pool_attr attr = HNUMA_POOL_ATTR_INIT;
	struct hnuma_pool *pool;

	attr.least_backing = HNUMA_BACKING_BASE;
	CU_ASSERT_EQUAL_FATAL(hnuma_pool_create(&pool, topology, &attr), 0);
	return pool;
}

static struct hnuma_scratch *open_scratch(size_t space_size, unsigned max_spaces)
{
	struct hnuma_scratch_attr attr = HNUMA_SCRATCH_ATTR_INIT;
	struct hnuma_scratch *scratch;

	attr.space_size = space_size;
	attr.max_spaces = max_spaces;
	attr.least_backing = HNUMA_BACKING_BASE;
	/* Spaces are dealt to nodes by turns: the threads of one node may need those of another. */
	attr.policy = HNUMA_POLICY_PREFERRED;
	CU_ASSERT_EQUAL_FATAL(hnuma_scratch_create(&scratch, topology, &attr), 0);
	return scratch;
}

/* 1: two allocations are counted; a reset forgets them. */
static void test_arena_basic(void)
{
	struct hnuma_arena *arena = open_arena(4096);
	float *first = hnuma_arena_alloc(arena, 100, sizeof(float));
	float *second = hnuma_arena_alloc(arena, 200, sizeof(float));
	struct hnuma_arena_stats stats;

	CU_ASSERT_PTR_NOT_NULL_FATAL(first);
	CU_ASSERT_PTR_NOT_NULL_FATAL(second);
	for (int i = 0; i < 100; i++)
		first[i] = 1;
	for (int i = 0; i < 200; i++)
		CU_ASSERT_EQUAL(second[i], 0);
	CU_ASSERT_EQUAL(hnuma_arena_stats(arena, &stats), 0);
	CU_ASSERT_EQUAL(stats.allocation_count, 2);
	CU_ASSERT_EQUAL(stats.used, 448 + 832); /* 400 and 800, each rounded up to 64 */
	CU_ASSERT_EQUAL(stats.capacity, 4096);
	hnuma_arena_reset(arena);
	CU_ASSERT_EQUAL(hnuma_arena_used(arena), 0);
	CU_ASSERT_EQUAL(hnuma_arena_allocation_count(arena), 0);
	CU_ASSERT_EQUAL(hnuma_arena_destroy(arena), 0);
}

/* 2: after an odd byte the next allocation is aligned all the same. */
static void test_arena_alignment(void)
{
	struct hnuma_arena *arena = open_arena(4096);

	CU_ASSERT_PTR_NOT_NULL(hnuma_arena_alloc(arena, 1, 1));
	for (int i = 0; i < 3; i++) {
		void *memory = hnuma_arena_alloc(arena, 10, sizeof(float));

		CU_ASSERT_PTR_NOT_NULL_FATAL(memory);
		CU_ASSERT_EQUAL((uintptr_t)memory % HNUMA_ALIGNMENT, 0);
	}
	CU_ASSERT_EQUAL(hnuma_arena_destroy(arena), 0);
}

/* 3: more than the capacity is refused, and takes nothing. */
static void test_arena_out_of_memory(void)
{
	struct hnuma_arena *arena = open_arena(1024);

	errno = 0;
	CU_ASSERT_PTR_NULL(hnuma_arena_alloc(arena, 1000, sizeof(float)));
	CU_ASSERT_EQUAL(errno, ENOMEM);
	CU_ASSERT_EQUAL(hnuma_arena_used(arena), 0);
	CU_ASSERT_PTR_NOT_NULL(hnuma_arena_alloc(arena, 1024, 1));
	CU_ASSERT_EQUAL(hnuma_arena_destroy(arena), 0);
}

/* Free blocks are kept per CPU: a thread that stays where it is finds its own again. */
static void stay_here(cpu_set_t *before)
{
	cpu_set_t here;

	CU_ASSERT_EQUAL_FATAL(sched_getaffinity(0, sizeof(*before), before), 0);
	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	CU_ASSERT_EQUAL_FATAL(sched_setaffinity(0, sizeof(here), &here), 0);
}

/* 4: a block that came back is found again. */
static void test_pool_basic(void)
{
	struct hnuma_pool *pool = open_pool();
	struct hnuma_pool_stats stats;
	cpu_set_t affinity;
	void *block;

	stay_here(&affinity);
	block = hnuma_pool_acquire(pool, HNUMA_CLASS_4K);
	CU_ASSERT_PTR_NOT_NULL_FATAL(block);
	CU_ASSERT_EQUAL(hnuma_pool_class_of(pool, block), HNUMA_CLASS_4K);
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, block), 0);
	block = hnuma_pool_acquire(pool, HNUMA_CLASS_4K);
	CU_ASSERT_PTR_NOT_NULL_FATAL(block);
	sched_setaffinity(0, sizeof(affinity), &affinity);
	CU_ASSERT_EQUAL(hnuma_pool_stats(pool, &stats), 0);
	CU_ASSERT_EQUAL(stats.hits, 1);
	CU_ASSERT_EQUAL(stats.misses, 1);
	CU_ASSERT_EQUAL(stats.allocations, 1);
	CU_ASSERT_EQUAL(stats.returns, 1);
	CU_ASSERT_EQUAL(stats.drops, 0);
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, block), 0);
	CU_ASSERT_EQUAL(hnuma_pool_destroy(pool), 0);
}

/* 5: every class gives blocks of its size. */
static void test_pool_size_classes(void)
{
	static const size_t sizes[HNUMA_NR_CLASSES] = {1024, 4096, 16384, 65536, 262144};
	struct hnuma_pool *pool = open_pool();
	unsigned char *blocks[HNUMA_NR_CLASSES];

	for (int c = 0; c < HNUMA_NR_CLASSES; c++) {
		blocks[c] = hnuma_pool_acquire(pool, (enum hnuma_class)c);
		CU_ASSERT_PTR_NOT_NULL_FATAL(blocks[c]);
		CU_ASSERT_EQUAL(hnuma_class_size((enum hnuma_class)c), sizes[c]);
		memset(blocks[c], c + 1, sizes[c]);
	}
	for (int c = 0; c < HNUMA_NR_CLASSES; c++) {
		CU_ASSERT(blocks[c][0] == c + 1 &&
			  memcmp(blocks[c], blocks[c] + 1, sizes[c] - 1) == 0);
		CU_ASSERT_EQUAL(hnuma_pool_release(pool, blocks[c]), 0);
	}
	CU_ASSERT_EQUAL(hnuma_pool_destroy(pool), 0);
}

/* 6: a block holds numbers; a new one is zero. */
static void test_pool_typed_access(void)
{
	struct hnuma_pool *pool = open_pool();
	float *numbers = hnuma_pool_acquire(pool, HNUMA_CLASS_1K);
	const size_t nr = hnuma_class_size(HNUMA_CLASS_1K) / sizeof(*numbers);

	CU_ASSERT_PTR_NOT_NULL_FATAL(numbers);
	CU_ASSERT_EQUAL(nr, 256);
	CU_ASSERT_EQUAL((uintptr_t)numbers % HNUMA_ALIGNMENT, 0);
	for (size_t i = 0; i < nr; i++)
		CU_ASSERT_EQUAL(numbers[i], 0);
	numbers[0] = 1;
	numbers[nr - 1] = 2;
	CU_ASSERT_EQUAL(numbers[0] + numbers[nr - 1], 3);
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, numbers), 0);
	CU_ASSERT_EQUAL(hnuma_pool_destroy(pool), 0);
}

/* 7: warmed-up blocks are free, on every node, and are no returns (the document counts them so). */
static void test_pool_prewarm(void)
{
	struct hnuma_pool *pool = open_pool();
	struct hnuma_pool_class_stats stats;

	CU_ASSERT_EQUAL(hnuma_pool_prewarm(pool, HNUMA_CLASS_4K, 5), 0);
	CU_ASSERT_EQUAL(
		hnuma_pool_class_stats(pool, hnuma_current_node(topology), HNUMA_CLASS_4K, &stats),
		0);
	CU_ASSERT_EQUAL(stats.free_buffers, 5);
	CU_ASSERT_EQUAL(stats.returns, 0);
	CU_ASSERT_EQUAL(stats.allocations, 0);
	CU_ASSERT_EQUAL(hnuma_pool_destroy(pool), 0);
}

/* 8: a space counts what was taken of it until it is reset. */
static void test_scratch_basic(void)
{
	struct hnuma_scratch *scratch = open_scratch(4096, 4);
	struct hnuma_space *space = hnuma_scratch_acquire(scratch);

	CU_ASSERT_PTR_NOT_NULL_FATAL(space);
	CU_ASSERT_PTR_NOT_NULL(hnuma_space_alloc(space, 100, sizeof(float)));
	CU_ASSERT_PTR_NOT_NULL(hnuma_space_alloc(space, 50, sizeof(float)));
	CU_ASSERT_EQUAL(hnuma_space_used(space), 448 + 256);
	CU_ASSERT_EQUAL(hnuma_space_remaining(space), 4096 - 448 - 256);
	hnuma_space_reset(space);
	CU_ASSERT_EQUAL(hnuma_space_used(space), 0);
	CU_ASSERT_EQUAL(hnuma_scratch_release(space), 0);
	CU_ASSERT_EQUAL(hnuma_scratch_destroy(scratch), 0);
}

#define NR_THREADS 4

struct visit {
	struct hnuma_scratch *scratch;
	pthread_barrier_t *all_hold;
	struct hnuma_space *space;
};

static void *visit(void *arg)
{
	struct visit *my = arg;
	unsigned char *memory = NULL;

	my->space = hnuma_scratch_acquire(my->scratch);
	if (my->space)
		memory = hnuma_space_alloc(my->space, 100, sizeof(float));
	pthread_barrier_wait(my->all_hold);
	pthread_barrier_wait(my->all_hold);
	/* The thread ends with its space. */
	return memory;
}

/*
 * 9: threads at the same time have a space each. The document goes on to find the spaces in use when
 * the threads have ended; here they have come back, so that the next threads find them.
 */
static void test_scratch_per_thread(void)
{
	struct hnuma_scratch *scratch = open_scratch(4096, NR_THREADS);

	for (int round = 0; round < 5; round++) {
		struct visit visits[NR_THREADS];
		pthread_t threads[NR_THREADS];
		pthread_barrier_t all_hold;

		pthread_barrier_init(&all_hold, NULL, NR_THREADS + 1);
		for (int i = 0; i < NR_THREADS; i++) {
			visits[i] = (struct visit){scratch, &all_hold, NULL};
			CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, visit, &visits[i]),
					      0);
		}
		pthread_barrier_wait(&all_hold);
		CU_ASSERT_EQUAL(hnuma_scratch_active(scratch), NR_THREADS);
		for (int i = 0; i < NR_THREADS; i++)
			for (int j = 0; j < i; j++)
				CU_ASSERT_PTR_NOT_EQUAL(visits[i].space, visits[j].space);
		pthread_barrier_wait(&all_hold);
		for (int i = 0; i < NR_THREADS; i++) {
			void *memory;

			CU_ASSERT_EQUAL(pthread_join(threads[i], &memory), 0);
			CU_ASSERT_PTR_NOT_NULL(memory);
		}
		pthread_barrier_destroy(&all_hold);
		CU_ASSERT_EQUAL(hnuma_scratch_active(scratch), 0);
	}
	CU_ASSERT_EQUAL(hnuma_scratch_destroy(scratch), 0);
}

static struct hnuma_manager *open_manager(const struct hnuma_config *config)
{
	struct hnuma_config copy = *config;
	struct hnuma_manager *manager;

	copy.least_backing = HNUMA_BACKING_BASE;
	CU_ASSERT_EQUAL_FATAL(hnuma_manager_create(&manager, topology, &copy), 0);
	return manager;
}

/* 10: the three parts of one manager; a new step empties the arena. */
static void test_manager_basic(void)
{
	const struct hnuma_config config = HNUMA_CONFIG_INIT;
	struct hnuma_manager *manager = open_manager(&config);
	struct hnuma_arena *arena = hnuma_manager_arena(manager, HNUMA_NODE_LOCAL);
	void *block = hnuma_pool_acquire(hnuma_manager_pool(manager), HNUMA_CLASS_4K);
	struct hnuma_space *space = hnuma_scratch_acquire(hnuma_manager_scratch(manager));

	CU_ASSERT_PTR_NOT_NULL(hnuma_arena_alloc(arena, 100, sizeof(float)));
	CU_ASSERT_PTR_NOT_NULL(block);
	CU_ASSERT_PTR_NOT_NULL_FATAL(space);
	CU_ASSERT_PTR_NOT_NULL(hnuma_space_alloc(space, 50, sizeof(float)));
	CU_ASSERT(hnuma_arena_used(arena) > 0);
	hnuma_manager_reset_step(manager);
	CU_ASSERT_EQUAL(hnuma_arena_used(arena), 0);
	CU_ASSERT_EQUAL(hnuma_scratch_release(space), 0);
	CU_ASSERT_EQUAL(hnuma_pool_release(hnuma_manager_pool(manager), block), 0);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
}

/* 11: a manager for a model has an arena of the size that the model needs. */
static void test_manager_for_model(void)
{
	struct hnuma_config config;
	struct hnuma_manager *manager;

	CU_ASSERT_EQUAL_FATAL(hnuma_config_for_model(&config, 4096, 32000, 1), 0);
	manager = open_manager(&config);
	CU_ASSERT_EQUAL(hnuma_arena_capacity(hnuma_manager_arena(manager, HNUMA_NODE_LOCAL)),
			(4096 + 32000) * 4 * 4);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
}

/* 12: the smallest class that holds so many bytes. */
static void test_class_for_size(void)
{
	static const struct {
		size_t bytes;
		int class_index;
	} cases[] = {
		{512, HNUMA_CLASS_1K},	    {1024, HNUMA_CLASS_1K},   {2000, HNUMA_CLASS_4K},
		{4096, HNUMA_CLASS_4K},	    {10000, HNUMA_CLASS_16K}, {50000, HNUMA_CLASS_64K},
		{200000, HNUMA_CLASS_256K}, {300000, -E2BIG},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CU_ASSERT_EQUAL(hnuma_class_for_size(cases[i].bytes), cases[i].class_index);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"arena", test_arena_basic},
		{"arena alignment", test_arena_alignment},
		{"arena out of memory", test_arena_out_of_memory},
		{"pool", test_pool_basic},
		{"pool size classes", test_pool_size_classes},
		{"pool block as numbers", test_pool_typed_access},
		{"pool prewarm", test_pool_prewarm},
		{"scratch", test_scratch_basic},
		{"scratch per thread", test_scratch_per_thread},
		{"manager", test_manager_basic},
		{"manager for a model", test_manager_for_model},
		{"class for a size", test_class_for_size},
		CU_TEST_INFO_NULL,
	};

	topology = check_topology();
	return check_main("documented", tests);
}
