/* SPDX-License-Identifier: MIT */
/*
 * lib/listing.c - what this floor's objects have written down about them, and in which layout.
 *
 * Calls numa/directory.
 */
#include "config.h"

#include <stddef.h>
#include <string.h>

#include <hugenuma.h>

#include "lib/arena_state.h"
#include "lib/listing.h"
#include "lib/pool_books.h"
#include "lib/pool_cache.h"
#include "lib/space.h"

#define NR(array) (sizeof(array) / sizeof((array)[0]))

/* FNV-1a over whole numbers. */
static uint32_t mix(const size_t *numbers, size_t nr)
{
	uint32_t sum = 2166136261u;

	for (size_t i = 0; i < nr; i++)
		sum = (sum ^ (uint32_t)numbers[i]) * 16777619u;
	return sum;
}

/* Every field that observe_books.c reads. The first number stands for what they mean: change it with that. */
static const size_t arena_layout[] = {
	1,
	HNUMA_ARENA_LINE_BITS,
	HNUMA_CACHE_LINE,
	offsetof(struct hnuma_arena, word),
	offsetof(struct hnuma_arena, capacity_lines),
	offsetof(struct hnuma_arena, high_water_lines),
};

static const size_t pool_layout[] = {
	2,
	HNUMA_NR_CLASSES,
	HNUMA_CACHE_DEPTH_MASK,
	(size_t)HNUMA_CACHE_HIT,
	offsetof(struct hnuma_pool, nr_homes),
	offsetof(struct hnuma_pool, homes),
	sizeof(struct hnuma_home),
	offsetof(struct hnuma_home, node),
	offsetof(struct hnuma_home, cpus),
	offsetof(struct hnuma_home, nr_cpus),
	offsetof(struct hnuma_home, nr_lost_pages),
	offsetof(struct hnuma_home, depots),
	sizeof(struct hnuma_depot),
	offsetof(struct hnuma_depot, count),
	offsetof(struct hnuma_depot, made),
	offsetof(struct hnuma_depot, hits),
	offsetof(struct hnuma_depot, misses),
	offsetof(struct hnuma_depot, returns),
	offsetof(struct hnuma_depot, drops),
	offsetof(struct hnuma_depot, failures),
	offsetof(struct hnuma_depot, lost),
	offsetof(struct hnuma_depot, overwritten),
	offsetof(struct hnuma_depot, high_water_mark),
	sizeof(struct hnuma_cpu),
	sizeof(struct hnuma_cache),
	offsetof(struct hnuma_cache, word),
	offsetof(struct hnuma_cache, filled),
	offsetof(struct hnuma_cache, drained),
};

static const size_t scratch_layout[] = {
	1,
	(size_t)HNUMA_OWNER_CLOSED,
	offsetof(struct hnuma_scratch, nr_spaces),
	offsetof(struct hnuma_scratch, epoch),
	offsetof(struct hnuma_scratch, spaces),
	offsetof(struct hnuma_scratch, space_size),
	sizeof(struct hnuma_space),
	offsetof(struct hnuma_space, owner),
	offsetof(struct hnuma_space, used),
	offsetof(struct hnuma_space, epoch),
	offsetof(struct hnuma_space, is_held),
};

uint32_t hnuma_listing_layout(enum hnuma_object_kind kind)
{
	switch (kind) {
	case HNUMA_OBJECT_ARENA:
		return mix(arena_layout, NR(arena_layout));
	case HNUMA_OBJECT_POOL:
		return mix(pool_layout, NR(pool_layout));
	case HNUMA_OBJECT_SCRATCH:
		return mix(scratch_layout, NR(scratch_layout));
	case HNUMA_OBJECT_REGION:
	case HNUMA_OBJECT_MANAGER:
		break;
	}
	return 0;
}

static struct hnuma_directory_entry begin_entry(enum hnuma_object_kind kind, const void *address,
						uint64_t owner)
{
	struct hnuma_directory_entry entry = {
		.kind = kind,
		.layout = hnuma_listing_layout(kind),
		.address = (uintptr_t)address,
		.owner = owner,
		.node = HNUMA_NODE_NONE,
	};

	return entry;
}

static void set_nodes(struct hnuma_directory_entry *entry, const struct hnuma_service *service)
{
	struct hnuma_nodeset nodes = {{0}};

	for (unsigned i = 0; i < service->nr_nodes; i++)
		hnuma_nodeset_add(&nodes, service->nodes[i]);
	memcpy(entry->nodes, nodes.bits, sizeof(entry->nodes));
}

void hnuma_listing_add_arena(struct hnuma_arena *arena, uint64_t owner)
{
	struct hnuma_directory_entry entry = begin_entry(HNUMA_OBJECT_ARENA, arena, owner);
	struct hnuma_nodeset nodes = {{0}};

	hnuma_nodeset_add(&nodes, arena->node);
	memcpy(entry.nodes, nodes.bits, sizeof(entry.nodes));
	entry.node = arena->node;
	entry.base = (uintptr_t)arena->base;
	entry.size_bytes = arena->capacity_lines * HNUMA_CACHE_LINE;
	arena->listing = hnuma_directory_add(&entry);
}

void hnuma_listing_add_pool(struct hnuma_pool *pool, uint64_t owner)
{
	struct hnuma_directory_entry entry = begin_entry(HNUMA_OBJECT_POOL, pool, owner);

	set_nodes(&entry, &pool->ground->service);
	pool->listing = hnuma_directory_add(&entry);
}

void hnuma_listing_add_scratch(struct hnuma_scratch *scratch, uint64_t owner)
{
	struct hnuma_directory_entry entry = begin_entry(HNUMA_OBJECT_SCRATCH, scratch, owner);

	set_nodes(&entry, &scratch->ground->service);
	scratch->listing = hnuma_directory_add(&entry);
}

uint64_t hnuma_listing_add_manager(const struct hnuma_service *service)
{
	struct hnuma_directory_entry entry = begin_entry(HNUMA_OBJECT_MANAGER, NULL, 0);

	set_nodes(&entry, service);
	return hnuma_directory_add(&entry);
}
