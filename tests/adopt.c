/* SPDX-License-Identifier: MIT */
/*
 * tests/adopt.c - a small manager that is left and adopted, and what was in its pool.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>

#include "tests/adopt.h"
#include "tests/foreign.h"

struct hnuma_topology *adopt_topology;
int adopt_home;
int adopt_fd;
struct adopt_block adopt_blocks[ADOPT_NR_BLOCKS];

/* Where the region of the last manager was, in this process. */
static unsigned char *last_base;
static size_t last_size;

struct hnuma_config adopt_config(void)
{
	struct hnuma_config config = HNUMA_CONFIG_INIT;

	config.arena_capacity = HNUMA_HUGEPAGE;
	config.buffers_per_class = 8;
	config.max_scratch = 2;
	config.pool_bytes_per_node = ADOPT_POOL_PAGES * HNUMA_HUGEPAGE;
	config.least_backing = HNUMA_BACKING_HUGETLB;
	config.flags = HNUMA_SHARED;
	hnuma_nodeset_add(&config.nodes, adopt_home);
	return config;
}

static unsigned char byte_of(int i)
{
	return (unsigned char)(0x40 + i);
}

bool adopt_has_bytes(const struct hnuma_manager *manager, int i)
{
	const unsigned char *block = adopt_block_at(manager, i);
	size_t size = hnuma_class_size((enum hnuma_class)adopt_blocks[i].class_index);

	return block[0] == byte_of(i) && memcmp(block, block + 1, size - 1) == 0;
}

static void note_place(const struct hnuma_manager *manager)
{
	const struct hnuma_region *region = hnuma_manager_region(manager, adopt_home);

	last_base = hnuma_region_base(region);
	last_size = hnuma_region_size(region);
}

struct hnuma_manager *adopt_make(const struct hnuma_config *config)
{
	struct hnuma_manager *manager;
	int error = hnuma_manager_create(&manager, adopt_topology, config), theirs;

	if (error)
		printf("\n    %s ", hnuma_errormsg());
	CU_ASSERT_EQUAL_FATAL(error, 0);
	CU_ASSERT_EQUAL(hnuma_manager_fds(manager, NULL, 0), 1);
	CU_ASSERT_EQUAL_FATAL(hnuma_manager_fds(manager, &theirs, 1), 1);
	CU_ASSERT_EQUAL(theirs, hnuma_region_fd(hnuma_manager_region(manager, adopt_home)));
	note_place(manager);
	adopt_fd = fcntl(theirs, F_DUPFD_CLOEXEC, 0);
	CU_ASSERT_FATAL(adopt_fd >= 0);
	return manager;
}

void adopt_use(struct hnuma_manager *manager)
{
	struct hnuma_pool *pool = hnuma_manager_pool(manager);
	void *some[ADOPT_NR_BLOCKS], *others[ADOPT_NR_BLOCKS];

	for (int i = 0; i < ADOPT_NR_BLOCKS; i++) {
		some[i] = hnuma_pool_acquire(pool, (enum hnuma_class)(i % HNUMA_NR_CLASSES));
		others[i] = hnuma_pool_acquire(pool, (enum hnuma_class)(i % HNUMA_NR_CLASSES));
		CU_ASSERT_FATAL(some[i] && others[i]);
	}
	for (int i = 0; i < ADOPT_NR_BLOCKS; i++) {
		adopt_blocks[i].class_index = hnuma_pool_class_of(pool, some[i]);
		memset(some[i], byte_of(i),
		       hnuma_class_size((enum hnuma_class)(i % HNUMA_NR_CLASSES)));
		CU_ASSERT_EQUAL(hnuma_region_offset(hnuma_manager_region(manager, adopt_home),
						    some[i], &adopt_blocks[i].offset),
				0);
		CU_ASSERT_EQUAL(hnuma_pool_release(pool, others[i]), 0);
	}
}

void adopt_leave_one(const struct hnuma_config *config)
{
	struct hnuma_manager *manager = adopt_make(config);

	adopt_use(manager);
	CU_ASSERT_EQUAL(hnuma_manager_leave(manager), 0);
}

/* The next process would hardly have the memory where it was before: nor has it this one. */
struct hnuma_manager *adopt_again(void)
{
	void *occupied = mmap(last_base, last_size, PROT_NONE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct hnuma_manager *manager;
	int error = hnuma_manager_adopt(&manager, adopt_topology, &adopt_fd, 1, NULL);

	if (error)
		printf("\n    %s ", hnuma_errormsg());
	CU_ASSERT_EQUAL_FATAL(error, 0);
	CU_ASSERT_EQUAL(munmap(occupied, last_size), 0);
	CU_ASSERT_PTR_NOT_EQUAL(hnuma_region_base(hnuma_manager_region(manager, adopt_home)),
				last_base);
	note_place(manager);
	return manager;
}

unsigned char *adopt_block_at(const struct hnuma_manager *manager, int i)
{
	return (unsigned char *)hnuma_region_base(hnuma_manager_region(manager, adopt_home)) +
	       adopt_blocks[i].offset;
}

unsigned adopt_count(adopt_walk *walk, const struct hnuma_pool *pool)
{
	void *block = NULL;
	unsigned nr = 0;

	while ((block = walk(pool, block)))
		nr++;
	CU_ASSERT_EQUAL(errno, ENOENT);
	return nr;
}

bool adopt_is_met(adopt_walk *walk, const struct hnuma_pool *pool, const void *wanted)
{
	void *block = NULL;

	while ((block = walk(pool, block)) && block != wanted)
		;
	return block != NULL;
}

void adopt_check_blocks(struct hnuma_manager *manager)
{
	struct hnuma_pool *pool = hnuma_manager_pool(manager);
	struct hnuma_pool_stats stats;

	CU_ASSERT_EQUAL(hnuma_pool_check(pool), 0);
	CU_ASSERT_EQUAL(hnuma_pool_stats(pool, &stats), 0);
	CU_ASSERT_EQUAL(stats.misses, ADOPT_NR_BLOCKS);
	CU_ASSERT_EQUAL(stats.hits + stats.returns + stats.drops, 0);
	CU_ASSERT_EQUAL(adopt_count(hnuma_pool_walk, pool) +
				adopt_count(hnuma_pool_walk_retired, pool),
			ADOPT_NR_BLOCKS);
	for (int i = 0; i < ADOPT_NR_BLOCKS; i++) {
		unsigned char *mine = adopt_block_at(manager, i);

		CU_ASSERT_EQUAL(hnuma_pool_class_of(pool, mine), adopt_blocks[i].class_index);
		CU_ASSERT_EQUAL(hnuma_pool_node_of(pool, mine), adopt_home);
		/* What is retired must not be touched, which AddressSanitizer would report. */
		CU_ASSERT(adopt_is_met(hnuma_pool_walk_retired, pool, mine) ||
			  adopt_has_bytes(manager, i));
		CU_ASSERT_EQUAL(hnuma_pool_release(pool, mine), 0);
		CU_ASSERT_EQUAL(hnuma_pool_release(pool, mine), -EALREADY);
	}
	CU_ASSERT_EQUAL(hnuma_pool_check(pool), 0);
}

void adopt_refuse(const int *fds, unsigned nr, int error, const char *words)
{
	struct hnuma_manager *manager = (struct hnuma_manager *)1;
	struct check_state before;

	check_snapshot(&before);
	CU_ASSERT_EQUAL(hnuma_manager_adopt(&manager, adopt_topology, fds, nr, NULL), error);
	CU_ASSERT_PTR_NULL(manager);
	check_message(words);
	check_unchanged(&before);
}

void adopt_finish(struct hnuma_manager *manager)
{
	adopt_check_blocks(manager);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
	close(adopt_fd);
}

int adopt_main(const char *module, CU_TestInfo *tests)
{
	foreign_clean_environment();
	adopt_topology = check_topology();
	adopt_home = check_home_node();
	return check_main(module, tests);
}
