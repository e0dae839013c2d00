/* SPDX-License-Identifier: MIT */
/*
 * lib/observe_books.c - what the objects of another process count: their books, read from outside.
 * Calls observe.c and numa/remote.
 */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <hugenuma.h>

#include "lib/arena_state.h"
#include "lib/listing.h"
#include "lib/observe.h"
#include "lib/pool_count.h"
#include "lib/space.h"
#include "numa/error.h"
#include "numa/remote.h"

/* How often books that do not add up, because they are being written, are read again. */
#define BOOKS_TRIES 16

/* More than any machine has: the CPUs of a pool, on all of its nodes, and a scratch's spaces. */
#define CPUS_MAX   65536
#define SPACES_MAX (1u << 20)
#define CHUNK	   256 /* spaces or caches that are read at a time */

/* How many caches a call may read still: whoever lies shall not keep his observer busy for hours. */
struct patience {
	unsigned once;
	unsigned again;
};

/* The entry of an object whose books can be read here, or an error with its message. */
static int find_entry(const struct hnuma_observer *observer, const struct hnuma_object *object,
		      const void *stats, enum hnuma_object_kind kind,
		      const struct hnuma_directory_entry **entry)
{
	if (!observer || !object || !stats)
		return hnuma_error_set(-EINVAL, "observer, object or stats is NULL");
	*entry = NULL;
	for (unsigned i = 0; i < observer->nr_entries && !*entry; i++) {
		if (hnuma_observe_id(&observer->entries[i]) == object->id)
			*entry = &observer->entries[i];
	}
	if (!*entry)
		return hnuma_error_set(-ESTALE, "process %d has no object of that id any more",
				       observer->pid);
	if ((*entry)->kind != (uint32_t)kind)
		return hnuma_error_set(-EINVAL, "the object is of another kind (%" PRIu32 ")",
				       (*entry)->kind);
	if ((*entry)->layout != hnuma_listing_layout(kind))
		return hnuma_error_set(
			-ENOTSUP,
			"process %d has hugenuma %s, which lays such objects out "
			"differently from this one (%s): observe it with the command "
			"of its own version",
			observer->pid, observer->version, hnuma_version());
	return 0;
}

/*
 * Was the object listed all the time? Only then does `error`, the result of reading its books, stand:
 * books of an object that went meanwhile may be anything.
 */
static int conclude(const struct hnuma_observer *observer, const struct hnuma_object *object,
		    int error)
{
	uint64_t slot = object->id % HNUMA_DIRECTORY_SLOTS, id;
	int gone;

	if (error && error != -EFAULT && error != -EUCLEAN)
		return error;
	gone = hnuma_observe_read(observer,
				  observer->directory + slot * sizeof(struct hnuma_directory_entry),
				  &id, sizeof(id));
	if (gone && gone != -EFAULT)
		return gone;
	if (gone || id != object->id)
		return hnuma_error_set(-ESTALE, "process %d has destroyed the object",
				       observer->pid);
	return error == -EFAULT
		       ? hnuma_observe_refuse(observer, "an object that is not where it should be")
		       : error;
}

int hnuma_observer_arena_stats(const struct hnuma_observer *observer,
			       const struct hnuma_object *object, struct hnuma_arena_stats *stats)
{
	const struct hnuma_directory_entry *entry;
	struct hnuma_arena arena;
	uint64_t word, high_lines;
	int error = find_entry(observer, object, stats, HNUMA_OBJECT_ARENA, &entry);

	if (error)
		return error;
	error = conclude(observer, object,
			 hnuma_observe_read(observer, entry->address, &arena,
					    offsetof(struct hnuma_arena, rewinds)));
	if (error)
		return error;
	word = atomic_load_explicit(&arena.word, memory_order_relaxed);
	high_lines = atomic_load_explicit(&arena.high_water_lines, memory_order_relaxed);
	if (high_lines < hnuma_arena_word_line(word))
		high_lines = hnuma_arena_word_line(word);
	if (arena.capacity_lines == 0 || arena.capacity_lines > HNUMA_ARENA_LINE_MASK ||
	    high_lines > arena.capacity_lines)
		return hnuma_observe_refuse(observer, "an arena whose cursor is outside of it");
	hnuma_arena_count(stats, word, arena.capacity_lines, high_lines);
	return 0;
}

/* The caches of one class, all CPUs of a home. */
static int count_caches(const struct hnuma_observer *observer, const struct hnuma_home *home,
			unsigned class_index, struct hnuma_pool_class_stats *stats)
{
	struct {
		_Alignas(HNUMA_CACHE_LINE) unsigned char bytes[offsetof(struct hnuma_cache, slots)];
	} copies[CHUNK];
	const uint64_t first = (uintptr_t)home->cpus + offsetof(struct hnuma_cpu, caches) +
			       class_index * sizeof(struct hnuma_cache);

	for (unsigned cpu = 0; cpu < home->nr_cpus; cpu += CHUNK) {
		unsigned nr = home->nr_cpus - cpu < CHUNK ? home->nr_cpus - cpu : CHUNK;
		int error =
			hnuma_remote_read(observer->pid, first + cpu * sizeof(struct hnuma_cpu),
					  copies, sizeof(copies[0]), sizeof(struct hnuma_cpu), nr);

		if (error)
			return error;
		for (unsigned i = 0; i < nr; i++) {
			const struct hnuma_cache *cache = (const void *)copies[i].bytes;

			hnuma_pool_count_cache(
				stats, atomic_load_explicit(&cache->word, memory_order_relaxed),
				cache->filled, cache->drained);
		}
	}
	return 0;
}

/*
 * One class of one home, whose address is known. Blocks move between depot and caches while they are
 * read, so what does not add up is read again; and if it never does, as on a pool that is never at
 * rest, the last reading stands for the moment.
 */
static int count_class(const struct hnuma_observer *observer, uint64_t address,
		       unsigned class_index, struct patience *patience,
		       struct hnuma_pool_class_stats *stats)
{
	unsigned *nr_left = &patience->once;
	struct hnuma_home home;
	uint64_t acquired;
	int error;

	for (int i = 0; i < BOOKS_TRIES; i++, nr_left = &patience->again) {
		error = hnuma_observe_read(observer, address, &home, sizeof(home));
		if (error)
			return error;
		if (home.nr_cpus > *nr_left && i > 0)
			break;
		if (home.nr_cpus > *nr_left)
			return hnuma_observe_refuse(observer,
						    "a pool of more CPUs than there can be");
		*nr_left -= home.nr_cpus;
		hnuma_pool_count_begin(stats, &home.depots[class_index]);
		error = count_caches(observer, &home, class_index, stats);
		if (error)
			return error;
		hnuma_pool_count_end(stats);
		acquired = stats->hits + stats->misses;
		if (stats->in_use == acquired - stats->returns - stats->drops)
			return 0;
	}
	/* No more was given back than was taken. */
	if (stats->returns > acquired || stats->drops > acquired - stats->returns)
		stats->returns = acquired > stats->drops ? acquired - stats->drops : 0;
	return 0;
}

/* The address of a pool's homes, and of each the int at an offset. The caller frees *numbers. */
static int find_homes(const struct hnuma_observer *observer,
		      const struct hnuma_directory_entry *entry, size_t offset, uint64_t *homes,
		      int **numbers, unsigned *nr_homes)
{
	struct hnuma_pool pool;
	int error = hnuma_observe_read(observer, entry->address, &pool, sizeof(pool));

	*numbers = NULL;
	if (error)
		return error;
	if (pool.nr_homes < 1 || pool.nr_homes > HNUMA_MAX_NODES)
		return hnuma_observe_refuse(observer, "a pool of more nodes than there can be");
	*homes = (uintptr_t)pool.homes;
	*nr_homes = pool.nr_homes;
	*numbers = malloc(pool.nr_homes * sizeof(**numbers));
	if (!*numbers)
		return hnuma_error_set(-ENOMEM, "no memory for a list of %u nodes", pool.nr_homes);
	return hnuma_remote_read(observer->pid, *homes + offset, *numbers, sizeof(**numbers),
				 sizeof(struct hnuma_home), pool.nr_homes);
}

int hnuma_observer_pool_class_stats(const struct hnuma_observer *observer,
				    const struct hnuma_object *object, int node,
				    enum hnuma_class class_index,
				    struct hnuma_pool_class_stats *stats)
{
	const struct hnuma_directory_entry *entry;
	struct patience patience = {CPUS_MAX, CPUS_MAX};
	unsigned nr_homes = 0, i = 0;
	uint64_t homes = 0;
	int *nodes, error = find_entry(observer, object, stats, HNUMA_OBJECT_POOL, &entry);

	if (error)
		return error;
	if ((unsigned)class_index >= HNUMA_NR_CLASSES)
		return hnuma_error_set(-EINVAL, "class %d does not exist", (int)class_index);
	error = find_homes(observer, entry, offsetof(struct hnuma_home, node), &homes, &nodes,
			   &nr_homes);
	if (!error) {
		while (i < nr_homes && nodes[i] != node)
			i++;
		if (i < nr_homes)
			error = count_class(observer, homes + i * sizeof(struct hnuma_home),
					    (unsigned)class_index, &patience, stats);
	}
	free(nodes);
	error = conclude(observer, object, error);
	if (!error && i == nr_homes)
		error = hnuma_error_set(-ENODEV, "node %d is not served by this pool", node);
	return error;
}

int hnuma_observer_pool_stats(const struct hnuma_observer *observer,
			      const struct hnuma_object *object, struct hnuma_pool_stats *stats)
{
	const struct hnuma_directory_entry *entry;
	struct patience patience = {HNUMA_NR_CLASSES * CPUS_MAX, CPUS_MAX};
	uint64_t homes = 0;
	unsigned nr_homes = 0;
	int *lost_pages, error = find_entry(observer, object, stats, HNUMA_OBJECT_POOL, &entry);

	if (error)
		return error;
	memset(stats, 0, sizeof(*stats));
	error = find_homes(observer, entry, offsetof(struct hnuma_home, nr_lost_pages), &homes,
			   &lost_pages, &nr_homes);
	for (unsigned i = 0; i < nr_homes && !error; i++)
		stats->lost_pages += (unsigned)lost_pages[i];
	free(lost_pages);
	for (unsigned i = 0; i < nr_homes * HNUMA_NR_CLASSES && !error; i++) {
		struct hnuma_pool_class_stats one;

		error = count_class(observer,
				    homes + i / HNUMA_NR_CLASSES * sizeof(struct hnuma_home),
				    i % HNUMA_NR_CLASSES, &patience, &one);
		if (!error)
			hnuma_pool_count_add(stats, i % HNUMA_NR_CLASSES, &one);
	}
	stats->hit_rate = hnuma_pool_hit_rate(stats->hits, stats->misses);
	return conclude(observer, object, error);
}

static void count_space(const struct hnuma_space *space, uint64_t epoch,
			struct hnuma_scratch_stats *stats)
{
	/* A byte as long as nobody knows that it is a bool. */
	unsigned char is_held;

	memcpy(&is_held, (const unsigned char *)space + offsetof(struct hnuma_space, is_held),
	       sizeof(is_held));
	if (atomic_load_explicit(&space->owner, memory_order_relaxed) > HNUMA_OWNER_CLOSED)
		stats->active_spaces++;
	hnuma_space_count(stats, epoch, atomic_load_explicit(&space->epoch, memory_order_relaxed),
			  is_held != 0, atomic_load_explicit(&space->used, memory_order_relaxed));
}

static int count_spaces(const struct hnuma_observer *observer, const struct hnuma_scratch *scratch,
			struct hnuma_scratch_stats *stats)
{
	struct {
		_Alignas(HNUMA_CACHE_LINE) unsigned char bytes[HNUMA_CACHE_LINE];
	} copies[CHUNK];
	const uint64_t first = (uintptr_t)scratch->spaces;
	uint64_t epoch = atomic_load_explicit(&scratch->epoch, memory_order_relaxed);

	_Static_assert(offsetof(struct hnuma_space, is_held) < HNUMA_CACHE_LINE, "in one line");
	for (unsigned at = 0; at < scratch->nr_spaces; at += CHUNK) {
		unsigned nr = scratch->nr_spaces - at < CHUNK ? scratch->nr_spaces - at : CHUNK;
		int error = hnuma_remote_read(observer->pid,
					      first + at * sizeof(struct hnuma_space), copies,
					      sizeof(copies[0]), sizeof(struct hnuma_space), nr);

		if (error)
			return error;
		for (unsigned i = 0; i < nr; i++)
			count_space((const void *)copies[i].bytes, epoch, stats);
	}
	return 0;
}

int hnuma_observer_scratch_stats(const struct hnuma_observer *observer,
				 const struct hnuma_object *object,
				 struct hnuma_scratch_stats *stats)
{
	const struct hnuma_directory_entry *entry;
	struct hnuma_scratch scratch;
	int error = find_entry(observer, object, stats, HNUMA_OBJECT_SCRATCH, &entry);

	if (error)
		return error;
	memset(stats, 0, sizeof(*stats));
	error = hnuma_observe_read(observer, entry->address, &scratch, sizeof(scratch));
	if (!error && (scratch.nr_spaces > SPACES_MAX ||
		       scratch.space_size > SIZE_MAX / SPACES_MAX - HNUMA_CACHE_LINE))
		error = hnuma_observe_refuse(observer, "a scratch larger than it can be");
	if (!error) {
		stats->space_size = hnuma_line_round(scratch.space_size);
		stats->max_spaces = scratch.nr_spaces;
		stats->total_allocated = stats->max_spaces * stats->space_size;
		error = count_spaces(observer, &scratch, stats);
	}
	return conclude(observer, object, error);
}
