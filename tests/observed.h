/* SPDX-License-Identifier: MIT */
/*
 * tests/observed.h - a manager of which all numbers are small, and all that an observer sees of it.
 *
 * For the test programs of observe.h that include it.
 */
#ifndef HUGENUMA_TESTS_OBSERVED_H
#define HUGENUMA_TESTS_OBSERVED_H

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <hugenuma.h>

#include "numa/directory.h"
#include "numa/remote.h"
#include "tests/check.h"

static struct hnuma_topology *topology;
static int home; /* the node that is served */

/* All that a manager can tell of itself. */
struct numbers {
	struct hnuma_arena_stats arena;
	struct hnuma_pool_stats pool;
	struct hnuma_pool_class_stats classes[HNUMA_NR_CLASSES];
	struct hnuma_scratch_stats scratch;
};

static inline struct hnuma_manager *make_manager(void)
{
	struct hnuma_config config = HNUMA_CONFIG_INIT;
	struct hnuma_manager *manager;

	hnuma_nodeset_add(&config.nodes, home);
	config.arena_capacity = 1 << 20;
	config.buffers_per_class = 40;
	config.scratch_size = 8192;
	config.max_scratch = 3;
	config.least_backing = HNUMA_BACKING_BASE;
	if (hnuma_manager_create(&manager, topology, &config)) {
		printf("\n    %s ", hnuma_errormsg());
		return NULL;
	}
	return manager;
}

/* The objects of a manager in an observed process. */
struct objects {
	struct hnuma_object region, arena, pool, scratch, manager;
	int nr;
};

static inline int list(struct hnuma_observer *observer, struct objects *objects)
{
	struct hnuma_object object = {.id = 0};
	uint64_t last = 0;
	int result;

	memset(objects, 0, sizeof(*objects));
	while ((result = hnuma_observer_next(observer, &object)) > 0) {
		CU_ASSERT(object.id > last);
		last = object.id;
		objects->nr++;
		if (object.kind == HNUMA_OBJECT_REGION)
			objects->region = object;
		else if (object.kind == HNUMA_OBJECT_ARENA)
			objects->arena = object;
		else if (object.kind == HNUMA_OBJECT_POOL)
			objects->pool = object;
		else if (object.kind == HNUMA_OBJECT_SCRATCH)
			objects->scratch = object;
		else
			objects->manager = object;
	}
	CU_ASSERT_EQUAL(object.id, 0);
	return result;
}

/* What an observer makes of it; the first error, if any. */
static inline int observe(const struct hnuma_observer *observer, const struct objects *objects,
			  struct numbers *numbers)
{
	int error;

	memset(numbers, 0, sizeof(*numbers));
	error = hnuma_observer_arena_stats(observer, &objects->arena, &numbers->arena);
	if (!error)
		error = hnuma_observer_pool_stats(observer, &objects->pool, &numbers->pool);
	for (int c = 0; c < HNUMA_NR_CLASSES && !error; c++)
		error = hnuma_observer_pool_class_stats(observer, &objects->pool, home,
							(enum hnuma_class)c, &numbers->classes[c]);
	if (!error)
		error = hnuma_observer_scratch_stats(observer, &objects->scratch,
						     &numbers->scratch);
	return error;
}

/* The directory of this process, to be spoiled. */
static inline struct hnuma_directory_header *own_directory(void)
{
	uint64_t address, size;

	CU_ASSERT_EQUAL_FATAL(hnuma_remote_find(getpid(), HNUMA_DIRECTORY_NAME, &address, &size),
			      0);
	return (void *)(uintptr_t)address;
}

#endif
