/* SPDX-License-Identifier: MIT */
/*
 * lib/observe.c - the objects of another process, read from outside.
 *
 *	other process                           here
 *	directory: header, entries    ------>   entries[], copied while its sequence stood still
 *	an object's books             ------>   a copy on the stack or the heap, counted, forgotten
 *
 * Nothing that was read is believed: addresses lead only to further reading, which can fail; counts
 * are held against limits before anything is allocated or repeated by them; text is cleaned. An
 * object that was struck off while its books were read may have been freed meanwhile, so what was
 * read counts only if the object is still listed afterwards.
 *
 * Copies are nobody else's, so that their atomic fields are read relaxed. Calls numa/remote.
 */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <threads.h>

#include <hugenuma.h>

#include "lib/arena_state.h"
#include "lib/listing.h"
#include "lib/pool_count.h"
#include "lib/space.h"
#include "numa/error.h"
#include "numa/remote.h"

/* How often a list that is being written is read again, and how long to wait before. */
#define LIST_TRIES  100
#define LIST_NAP_NS 100000

/* How often books that do not add up, because they are being written, are read again. */
#define BOOKS_TRIES 16

/* More than any machine has: a home's CPUs, a scratch's spaces. */
#define CPUS_MAX   65536
#define SPACES_MAX (1u << 20)
#define CHUNK	   256 /* spaces or caches that are read at a time */

struct hnuma_observer {
	int pid;
	uint64_t directory;  /* its address there */
	unsigned nr_entries; /* of the list, ascending by id */
	unsigned nr_unlisted;
	struct hnuma_directory_entry *entries;
	char version[sizeof(((struct hnuma_directory_header *)NULL)->version)];
};

static int read_bytes(const struct hnuma_observer *observer, uint64_t address, void *buffer,
		      size_t size)
{
	return hnuma_remote_read(observer->pid, address, buffer, size, 0, 1);
}

static int refuse_damaged(const struct hnuma_observer *observer, const char *what)
{
	return hnuma_error_set(-EUCLEAN,
			       "process %d: %s: its memory is damaged, or it does not tell the "
			       "truth",
			       observer->pid, what);
}

/* What can be printed as it is: letters, digits and . _ - of a text that need not end. */
static void copy_text(char *to, const char *from, size_t size)
{
	size_t i;

	for (i = 0; i + 1 < size && from[i]; i++) {
		bool is_plain = (from[i] >= 'a' && from[i] <= 'z') ||
				(from[i] >= 'A' && from[i] <= 'Z') ||
				(from[i] >= '0' && from[i] <= '9') || from[i] == '.' ||
				from[i] == '_' || from[i] == '-';

		to[i] = from[i];
		if (!is_plain)
			to[i] = '?';
	}
	to[i] = '\0';
}

static int refuse_gone(const struct hnuma_observer *observer)
{
	return hnuma_error_set(-ENOENT, "process %d has no objects of hugenuma any more",
			       observer->pid);
}

/*
 * What lies where the directory was found does not begin as one: it has just been made, or has gone
 * meanwhile and something else is there, or it is garbage.
 */
static int refuse_magic(const struct hnuma_observer *observer, uint64_t magic)
{
	uint64_t address, size;
	int error = hnuma_remote_find(observer->pid, HNUMA_DIRECTORY_NAME, &address, &size);

	if (error && error != -ENOENT)
		return error;
	if (magic == 0 || error || address != observer->directory)
		return refuse_gone(observer);
	return refuse_damaged(observer, "its directory of objects does not begin as one");
}

static int read_header(struct hnuma_observer *observer, struct hnuma_directory_header *header)
{
	int error = read_bytes(observer, observer->directory, header, sizeof(*header));
	uint64_t magic;

	if (error == -EFAULT)
		return refuse_gone(observer);
	if (error)
		return error;
	magic = atomic_load_explicit(&header->magic, memory_order_relaxed);
	if (magic != HNUMA_DIRECTORY_MAGIC)
		return refuse_magic(observer, magic);
	copy_text(observer->version, header->version, sizeof(observer->version));
	if (header->layout != HNUMA_DIRECTORY_LAYOUT ||
	    header->entry_bytes != sizeof(struct hnuma_directory_entry))
		return hnuma_error_set(
			-ENOTSUP,
			"process %d has hugenuma %s, whose directory of objects has layout "
			"%" PRIu32 "; this one (%s) reads layout %d: observe it with the command "
			"of its own version",
			observer->pid, observer->version, header->layout, hnuma_version(),
			HNUMA_DIRECTORY_LAYOUT);
	if (header->nr_slots < 1 || header->nr_slots > HNUMA_DIRECTORY_SLOTS)
		return refuse_damaged(observer,
				      "its directory of objects is longer than it can be");
	return 0;
}

/* 0, -EAGAIN (it was being written) or another error. */
static int read_slots(struct hnuma_observer *observer, struct hnuma_directory_entry **slots,
		      unsigned *nr_slots)
{
	struct hnuma_directory_header before, after;
	int error = read_header(observer, &before);

	*slots = NULL;
	if (error)
		return error;
	*nr_slots = before.nr_slots;
	*slots = malloc(before.nr_slots * sizeof(**slots));
	if (!*slots)
		return hnuma_error_set(-ENOMEM, "no memory for a list of %u objects",
				       before.nr_slots);
	error = read_bytes(observer, observer->directory, *slots,
			   before.nr_slots * sizeof(**slots));
	if (error == -EFAULT)
		error = -EAGAIN;
	if (!error)
		error = read_header(observer, &after);
	if (!error && (atomic_load(&before.sequence) != atomic_load(&after.sequence) ||
		       atomic_load(&before.sequence) % 2 != 0))
		error = -EAGAIN;
	if (!error)
		observer->nr_unlisted = before.nr_unlisted;
	if (error) {
		free(*slots);
		*slots = NULL;
	}
	return error;
}

static uint64_t id_of(const struct hnuma_directory_entry *entry)
{
	return atomic_load_explicit(&entry->id, memory_order_relaxed);
}

static int compare_ids(const void *a, const void *b)
{
	uint64_t left = id_of(a), right = id_of(b);

	return left < right ? -1 : left > right;
}

static int read_list(struct hnuma_observer *observer)
{
	const struct timespec nap = {0, LIST_NAP_NS};
	struct hnuma_directory_entry *slots = NULL;
	unsigned nr_slots = 0, nr = 0;
	int error = -EAGAIN;

	for (int i = 0; i < LIST_TRIES && error == -EAGAIN; i++) {
		if (i)
			thrd_sleep(&nap, NULL);
		error = read_slots(observer, &slots, &nr_slots);
	}
	if (error == -EAGAIN)
		return hnuma_error_set(-EAGAIN,
				       "process %d was making or destroying objects each time that "
				       "its list was read, or is stopped while it does",
				       observer->pid);
	if (error)
		return error;
	for (unsigned i = 1; i < nr_slots; i++) {
		uint32_t kind = slots[i].kind;

		if (id_of(&slots[i]) == 0)
			continue;
		if (kind < HNUMA_OBJECT_REGION || kind > HNUMA_OBJECT_MANAGER) {
			free(slots);
			return refuse_damaged(observer, "an object of a kind that does not exist");
		}
		slots[nr++] = slots[i];
	}
	qsort(slots, nr, sizeof(*slots), compare_ids);
	free(observer->entries);
	observer->entries = slots;
	observer->nr_entries = nr;
	return 0;
}

int hnuma_observer_open(struct hnuma_observer **out, int pid)
{
	struct hnuma_directory_header header;
	struct hnuma_observer *observer;
	uint64_t size;
	int error;

	if (!out)
		return hnuma_error_set(-EINVAL, "hnuma_observer_open: out is NULL");
	*out = NULL;
	if (pid <= 0)
		return hnuma_error_set(-EINVAL, "%d is no process id: it must be positive", pid);
	observer = calloc(1, sizeof(*observer));
	if (!observer)
		return hnuma_error_set(-ENOMEM, "no memory to observe process %d", pid);
	observer->pid = pid;
	error = hnuma_remote_find(pid, HNUMA_DIRECTORY_NAME, &observer->directory, &size);
	if (error == -ENOENT)
		hnuma_error_set(error,
				"process %d has no objects of hugenuma (or its library is older "
				"than 0.1.0, or could not list them)",
				pid);
	if (!error && size < sizeof(header))
		error = refuse_damaged(observer, "its directory of objects is too short");
	if (!error)
		error = read_header(observer, &header);
	if (error) {
		free(observer);
		return error;
	}
	*out = observer;
	return 0;
}

void hnuma_observer_close(struct hnuma_observer *observer)
{
	if (!observer)
		return;
	free(observer->entries);
	free(observer);
}

const char *hnuma_observer_version(const struct hnuma_observer *observer)
{
	return observer ? observer->version : "";
}

unsigned hnuma_observer_unlisted(const struct hnuma_observer *observer)
{
	return observer ? observer->nr_unlisted : 0;
}

static void fill_object(struct hnuma_object *object, const struct hnuma_directory_entry *entry)
{
	object->id = id_of(entry);
	object->owner = entry->owner;
	object->kind = (enum hnuma_object_kind)entry->kind;
	memcpy(object->nodes.bits, entry->nodes, sizeof(object->nodes.bits));
	object->node = entry->node;
	object->base = entry->base;
	object->size = entry->size_bytes;
	object->backing = (enum hnuma_backing)entry->backing;
	object->page_size = entry->page_bytes;
	copy_text(object->name, entry->name, sizeof(object->name));
}

int hnuma_observer_next(struct hnuma_observer *observer, struct hnuma_object *object)
{
	unsigned low = 0, high;
	uint64_t last;
	int error;

	if (!observer || !object)
		return hnuma_error_set(-EINVAL, "hnuma_observer_next: %s is NULL",
				       observer ? "object" : "observer");
	last = object->id;
	memset(object, 0, sizeof(*object));
	if (last == 0) {
		error = read_list(observer);
		if (error)
			return error;
	}
	/* The first with a higher id. */
	high = observer->nr_entries;
	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (id_of(&observer->entries[middle]) > last)
			high = middle;
		else
			low = middle + 1;
	}
	if (low == observer->nr_entries)
		return 0;
	fill_object(object, &observer->entries[low]);
	return 1;
}

/* The entry of an object whose books can be read here, or an error with its message. */
static int find_entry(const struct hnuma_observer *observer, const struct hnuma_object *object,
		      const void *stats, enum hnuma_object_kind kind,
		      const struct hnuma_directory_entry **entry)
{
	if (!observer || !object || !stats)
		return hnuma_error_set(-EINVAL, "observer, object or stats is NULL");
	*entry = NULL;
	for (unsigned i = 0; i < observer->nr_entries && !*entry; i++) {
		if (id_of(&observer->entries[i]) == object->id)
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
	gone = read_bytes(observer,
			  observer->directory + slot * sizeof(struct hnuma_directory_entry), &id,
			  sizeof(id));
	if (gone && gone != -EFAULT)
		return gone;
	if (gone || id != object->id)
		return hnuma_error_set(-ESTALE, "process %d has destroyed the object",
				       observer->pid);
	return error == -EFAULT
		       ? refuse_damaged(observer, "an object that is not where it should be")
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
			 read_bytes(observer, entry->address, &arena,
				    offsetof(struct hnuma_arena, rewinds)));
	if (error)
		return error;
	word = atomic_load_explicit(&arena.word, memory_order_relaxed);
	high_lines = atomic_load_explicit(&arena.high_water_lines, memory_order_relaxed);
	if (high_lines < hnuma_arena_word_line(word))
		high_lines = hnuma_arena_word_line(word);
	if (arena.capacity_lines == 0 || arena.capacity_lines > HNUMA_ARENA_LINE_MASK ||
	    high_lines > arena.capacity_lines)
		return refuse_damaged(observer, "an arena whose cursor is outside of it");
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
		       unsigned class_index, struct hnuma_pool_class_stats *stats)
{
	struct hnuma_home home;
	uint64_t acquired;
	int error;

	for (int i = 0; i < BOOKS_TRIES; i++) {
		error = read_bytes(observer, address, &home, sizeof(home));
		if (error)
			return error;
		if (home.nr_cpus > CPUS_MAX)
			return refuse_damaged(observer, "a pool of more CPUs than there can be");
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
	int error = read_bytes(observer, entry->address, &pool, sizeof(pool));

	*numbers = NULL;
	if (error)
		return error;
	if (pool.nr_homes < 1 || pool.nr_homes > HNUMA_MAX_NODES)
		return refuse_damaged(observer, "a pool of more nodes than there can be");
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
					    (unsigned)class_index, stats);
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
				    i % HNUMA_NR_CLASSES, &one);
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
	error = read_bytes(observer, entry->address, &scratch, sizeof(scratch));
	if (!error && (scratch.nr_spaces > SPACES_MAX ||
		       scratch.space_size > SIZE_MAX / SPACES_MAX - HNUMA_CACHE_LINE))
		error = refuse_damaged(observer, "a scratch larger than it can be");
	if (!error) {
		stats->space_size = hnuma_line_round(scratch.space_size);
		stats->max_spaces = scratch.nr_spaces;
		stats->total_allocated = stats->max_spaces * stats->space_size;
		error = count_spaces(observer, &scratch, stats);
	}
	return conclude(observer, object, error);
}
