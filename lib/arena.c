/* SPDX-License-Identifier: MIT */
/*
 * lib/arena.c - memory for one step: allocation moves a cursor, reset gives all of it back.
 *
 * Calls numa/ (regions, forks, messages) and the C library. The layout and the fast path are in
 * arena_state.h, lanes in lane.c.
 *
 *	region   | ... | arena: whole lines                                      | ... |
 *	               ^ offset, a multiple of 2 MB       ^ cursor                ^ offset + capacity
 */
#include "config.h"

#include <stdlib.h>

#include <hugenuma.h>

#include "lib/arena.h"
#include "lib/arena_state.h"
#include "lib/listing.h"
#include "numa/error.h"
#include "numa/ground.h"
#include "numa/probe.h"

/*
 * A lane's stretch: a 64th of the arena, so that many lanes can work in it and what they leave
 * unused at a step's end is little; at most 64 KB, from where on the atomic operation per stretch
 * costs nothing any more.
 */
#define STRETCH_SHARE	  64
#define STRETCH_LINES_MAX (64 * 1024 / HNUMA_CACHE_LINE)

static uint64_t load_word(const struct hnuma_arena *arena)
{
	return atomic_load_explicit(&arena->word, memory_order_relaxed);
}

int hnuma_arena_round_capacity(size_t asked, size_t *capacity)
{
	uint64_t lines = hnuma_line_count(asked);

	if (asked == 0)
		return hnuma_error_set(-EINVAL, "an arena of 0 bytes was asked for; ask for at "
						"least 1");
	if (lines > HNUMA_ARENA_LINE_MASK)
		return hnuma_error_set(
			-EOVERFLOW,
			"an arena of %zu bytes was asked for; the most that one can "
			"have is %llu",
			asked, (unsigned long long)HNUMA_ARENA_LINE_MASK * HNUMA_CACHE_LINE);
	*capacity = (size_t)lines * HNUMA_CACHE_LINE;
	return 0;
}

int hnuma_arena_build(struct hnuma_arena **out, const struct hnuma_region *region, int node,
		      size_t offset, size_t capacity)
{
	struct hnuma_arena *arena;
	uint64_t stretch = capacity / HNUMA_CACHE_LINE / STRETCH_SHARE;

	*out = NULL;
	arena = aligned_alloc(HNUMA_CACHE_LINE, sizeof(*arena));
	if (!arena)
		return hnuma_error_set(-ENOMEM, "no memory for an arena's %zu bytes of books",
				       sizeof(*arena));
	memset(arena, 0, sizeof(*arena));
	arena->base = (unsigned char *)hnuma_region_base(region) + offset;
	arena->capacity_lines = capacity / HNUMA_CACHE_LINE;
	arena->stretch_lines = stretch < 1		     ? 1
			       : stretch > STRETCH_LINES_MAX ? STRETCH_LINES_MAX
							     : stretch;
	/* Arenas begin far apart, so that a mark of another one, or one never set, is seen as such. */
	atomic_init(&arena->generation, (uint64_t)(uintptr_t)arena << 24);
	arena->reset_generation = atomic_load(&arena->generation);
	arena->process_epoch = hnuma_process_epoch;
	arena->is_poisoning = hnuma_poison_is_on();
	/* The epoch only grows, so the one before never comes again. */
	arena->fast_epoch = arena->process_epoch - arena->is_poisoning;
	arena->region = region;
	arena->offset = offset;
	arena->node = node;
	if (arena->is_poisoning)
		hnuma_poison(arena->base, capacity);
	*out = arena;
	return 0;
}

void hnuma_arena_free(struct hnuma_arena *arena)
{
	if (!arena)
		return;
	/* In a child of fork() the range may by now be another mapping of its own. */
	if (arena->is_poisoning && !hnuma_process_is_child_of(arena->process_epoch))
		hnuma_unpoison_defined(arena->base, hnuma_arena_capacity(arena));
	hnuma_directory_remove(arena->listing);
	free(arena);
}

int hnuma_arena_create(struct hnuma_arena **out, const struct hnuma_topology *topology,
		       const struct hnuma_arena_attr *attr)
{
	struct hnuma_region_attr region_attr = HNUMA_REGION_ATTR_INIT;
	struct hnuma_region_info info;
	struct hnuma_region *region;
	size_t capacity;
	int error;

	if (!out)
		return hnuma_error_set(-EINVAL, "hnuma_arena_create: out is NULL");
	*out = NULL;
	if (!topology || !attr)
		return hnuma_error_set(-EINVAL, "hnuma_arena_create: %s is NULL",
				       topology ? "attr" : "topology");
	error = hnuma_attr_check("struct hnuma_arena_attr", attr->struct_size, sizeof(*attr),
				 attr->least_backing, attr->policy, attr->flags,
				 HNUMA_OBJECT_FLAGS);
	if (error)
		return error;
	error = hnuma_arena_round_capacity(attr->capacity, &capacity);
	if (error)
		return error;

	region_attr.size = capacity;
	region_attr.node = attr->node;
	region_attr.least_backing = attr->least_backing;
	region_attr.policy = attr->policy;
	region_attr.flags = attr->flags;
	region_attr.nodes = attr->nodes;
	region_attr.name = "arena";
	region_attr.hooks = attr->hooks;
	error = hnuma_region_create(&region, topology, &region_attr);
	if (error)
		return hnuma_error_prefix(error, "arena: ");
	error = hnuma_region_info(region, &info);
	if (error)
		goto undo_region;
	error = hnuma_arena_build(out, region, info.node, 0, capacity);
	if (error)
		goto undo_region;
	(*out)->own_region = region;
	hnuma_listing_add_arena(*out, 0);
	return 0;

undo_region:
	hnuma_region_destroy(region);
	return error;
}

int hnuma_arena_create_in(struct hnuma_arena **out, const struct hnuma_region *region,
			  size_t offset, size_t capacity)
{
	struct hnuma_region_info info;
	size_t room;
	int error;

	if (!out)
		return hnuma_error_set(-EINVAL, "hnuma_arena_create_in: out is NULL");
	*out = NULL;
	if (!region)
		return hnuma_error_set(-EINVAL, "hnuma_arena_create_in: region is NULL");
	if (!hnuma_region_base(region))
		return hnuma_process_refuse("region");
	if (offset % HNUMA_HUGEPAGE || offset >= hnuma_region_size(region))
		return hnuma_error_set(
			-EINVAL,
			"an arena cannot begin at byte %zu of a region of %zu: it has "
			"to be a multiple of 2 MB, and in the region",
			offset, hnuma_region_size(region));
	room = hnuma_region_size(region) - offset;
	if (capacity > room)
		return hnuma_error_set(
			-EINVAL,
			"an arena of %zu bytes cannot begin at byte %zu of a region, "
			"which has %zu behind it",
			capacity, offset, room);
	error = hnuma_arena_round_capacity(capacity ? capacity : room, &capacity);
	if (!error)
		error = hnuma_region_info(region, &info);
	if (!error)
		error = hnuma_arena_build(out, region, info.node, offset, capacity);
	if (error)
		return error;
	(*out)->is_in_callers = true;
	hnuma_listing_add_arena(*out, 0);
	return 0;
}

int hnuma_arena_destroy(struct hnuma_arena *arena)
{
	size_t used;
	int error;

	if (!arena)
		return 0;
	if (hnuma_process_is_child_of(arena->process_epoch))
		return hnuma_process_refuse("arena");
	if (arena->is_in_callers) {
		hnuma_arena_free(arena);
		return 0;
	}
	if (!arena->own_region)
		return hnuma_error_set(-EINVAL,
				       "this arena of node %d belongs to a manager; "
				       "destroy the manager",
				       arena->node);
	/* Before the range can become somebody else's mapping. */
	if (arena->is_poisoning)
		hnuma_unpoison_defined(arena->base, hnuma_arena_capacity(arena));
	error = hnuma_region_destroy(arena->own_region);
	if (error) {
		used = hnuma_arena_used(arena);
		/* In a hook the arena is going already, and its addresses must be left clean. */
		if (arena->is_poisoning && error != -EBUSY)
			hnuma_poison(arena->base + used, hnuma_arena_capacity(arena) - used);
		return hnuma_error_prefix(error, "arena: ");
	}
	hnuma_directory_remove(arena->listing);
	free(arena);
	return 0;
}

int hnuma_arena_capacity_for_model(size_t hidden_dim, size_t vocab_size, size_t batch_size,
				   size_t *capacity)
{
	size_t activations, logits, scratch, floats, bytes;

	if (!capacity)
		return hnuma_error_set(-EINVAL, "hnuma_arena_capacity_for_model: capacity is NULL");
	if (!hidden_dim || !vocab_size || !batch_size)
		return hnuma_error_set(-EINVAL,
				       "a model with hidden_dim %zu, vocab_size %zu, batch_size "
				       "%zu was given; none may be 0",
				       hidden_dim, vocab_size, batch_size);
	if (__builtin_mul_overflow(hidden_dim, batch_size, &activations) ||
	    __builtin_mul_overflow(vocab_size, batch_size, &logits) ||
	    __builtin_mul_overflow(hidden_dim, (size_t)4, &scratch) ||
	    __builtin_add_overflow(activations, logits, &floats) ||
	    __builtin_add_overflow(floats, scratch, &floats) ||
	    __builtin_mul_overflow(floats, 2 * sizeof(float), &bytes))
		return hnuma_error_set(-EOVERFLOW,
				       "a model with hidden_dim %zu, vocab_size %zu, batch_size "
				       "%zu needs more bytes than can be counted",
				       hidden_dim, vocab_size, batch_size);
	*capacity = bytes;
	return 0;
}

/*
 * What nearly every allocation needs of hnuma_arena_take(): one try, no loop and no reason, so that
 * the functions below need no stack. NULL says that it takes more than that.
 *
 * Between two allocations lies the path from the word that was read to the word that is written:
 * here a single addition, as all else is compared aside. A count in the upper half of what it can be
 * counts as more than that, too, so that its sign tells.
 */
static inline void *take_simply(struct hnuma_arena *arena, size_t bytes)
{
	uint64_t word = load_word(arena);
	uint64_t used = hnuma_arena_word_line(word) * HNUMA_CACHE_LINE;
	uint64_t added = hnuma_line_round(bytes) / HNUMA_CACHE_LINE + HNUMA_ARENA_ONE;

	/* The room is whole lines, so what fits still fits, and does not wrap, when it is rounded up. */
	if (unlikely(arena->fast_epoch != hnuma_process_epoch ||
		     bytes > arena->capacity_lines * HNUMA_CACHE_LINE - used || (int64_t)word < 0))
		return NULL;
	if (unlikely(!hnuma_arena_swap_word(arena, &word, word + added)))
		return NULL;
	return arena->base + used;
}

static __attribute__((noinline)) void *alloc_uninit_slowly(struct hnuma_arena *arena, size_t bytes)
{
	return hnuma_arena_open_bytes(arena, hnuma_arena_take(arena, bytes), bytes);
}

static __attribute__((noinline)) void *alloc_slowly(struct hnuma_arena *arena, size_t bytes)
{
	return hnuma_arena_clear_bytes(arena, hnuma_arena_take(arena, bytes), bytes);
}

void *hnuma_arena_alloc_uninit(struct hnuma_arena *arena, size_t count, size_t elem_size)
{
	size_t bytes;
	void *memory;

	if (!hnuma_line_multiply(count, elem_size, &bytes))
		return hnuma_line_refuse(ENOMEM);
	memory = take_simply(arena, bytes);
	return likely(memory) ? memory : alloc_uninit_slowly(arena, bytes);
}

void *hnuma_arena_alloc(struct hnuma_arena *arena, size_t count, size_t elem_size)
{
	size_t bytes;
	void *memory;

	if (!hnuma_line_multiply(count, elem_size, &bytes))
		return hnuma_line_refuse(ENOMEM);
	memory = take_simply(arena, bytes);
	return likely(memory) ? hnuma_line_clear(memory, bytes) : alloc_slowly(arena, bytes);
}

/*
 * hnuma_arena_take() from an address that is a multiple of `step` lines. The base is aligned to
 * 2 MB, so aligning the cursor aligns the address.
 */
static void *take_aligned(struct hnuma_arena *arena, size_t bytes, uint64_t step)
{
	uint64_t lines = hnuma_line_count(bytes);
	uint64_t word = load_word(arena);
	uint64_t line, start;

	do {
		line = hnuma_arena_word_line(word);
		/* No bytes take no lines, not even to get to the boundary: use the one before. */
		start = (line + (lines ? step - 1 : 0)) & ~(step - 1);
		if (start > arena->capacity_lines || lines > arena->capacity_lines - start)
			return hnuma_line_refuse(ENOMEM);
	} while (!hnuma_arena_swap_word(
		arena, &word, hnuma_arena_word_add(word, lines ? start + lines - line : 0, 1)));
	return arena->base + start * HNUMA_CACHE_LINE;
}

void *hnuma_arena_alloc_aligned(struct hnuma_arena *arena, size_t count, size_t elem_size,
				size_t alignment)
{
	size_t bytes;
	void *memory;

	if (alignment == 0 || (alignment & (alignment - 1)) || alignment > HNUMA_HUGEPAGE)
		return hnuma_line_refuse(EINVAL);
	if (alignment <= HNUMA_CACHE_LINE)
		return hnuma_arena_alloc(arena, count, elem_size);
	if (!hnuma_line_multiply(count, elem_size, &bytes))
		return hnuma_line_refuse(ENOMEM);
	if (hnuma_process_is_child_of(arena->process_epoch))
		return hnuma_line_refuse(EOWNERDEAD);
	memory = take_aligned(arena, bytes, alignment / HNUMA_CACHE_LINE);
	return hnuma_arena_clear_bytes(arena, memory, bytes);
}

/*
 * Put the word back to an earlier one, and begin a generation. The high-water mark takes notice
 * first: release here and acquire in hnuma_arena_high_water_mark() are partners, so that whoever
 * sees the lower cursor sees the mark that it left.
 */
static void go_back(struct hnuma_arena *arena, uint64_t word)
{
	uint64_t line = hnuma_arena_word_line(load_word(arena));
	uint64_t back = hnuma_arena_word_line(word);
	uint64_t generation = atomic_load_explicit(&arena->generation, memory_order_relaxed);

	if (line > atomic_load_explicit(&arena->high_water_lines, memory_order_relaxed))
		atomic_store_explicit(&arena->high_water_lines, line, memory_order_relaxed);
	atomic_store_explicit(&arena->word, word, memory_order_release);
	atomic_store_explicit(&arena->generation, generation + 1, memory_order_relaxed);
	if (unlikely(arena->is_poisoning))
		hnuma_poison(arena->base + back * HNUMA_CACHE_LINE,
			     (line - back) * HNUMA_CACHE_LINE);
}

void hnuma_arena_reset(struct hnuma_arena *arena)
{
	if (hnuma_process_is_child_of(arena->process_epoch))
		return;
	HNUMA_PROBE(arena_reset, arena->base, hnuma_arena_used(arena),
		    hnuma_arena_allocation_count(arena));
	go_back(arena, 0);
	arena->reset_generation = atomic_load_explicit(&arena->generation, memory_order_relaxed);
	arena->nr_rewinds = 0;
}

struct hnuma_arena_mark hnuma_arena_mark(const struct hnuma_arena *arena)
{
	struct hnuma_arena_mark mark = {
		.word = load_word(arena),
		.epoch = atomic_load_explicit(&arena->generation, memory_order_relaxed),
	};

	return mark;
}

/*
 * Is a mark still good: no reset since, and no rewind below it since?
 *
 *	rewinds     | line 10, age 7 | line 40, age 5 | line 90, age 2 |
 *	a mark at line 50 of age 6: rewound to 40 since, below it: stale
 *	a mark at line 50 of age 3: rewound to 90 since, above it: good
 *
 * A rewind to a line makes every remembered one at or above it pointless: whoever cares for that
 * one cares for the later, lower one too. So lines and generations ascend, and the lowest rewind
 * since a mark is the first that is younger than it. An age is a difference, right after a wrap.
 */
static bool is_good(const struct hnuma_arena *arena, const struct hnuma_arena_mark *mark)
{
	uint64_t now = atomic_load_explicit(&arena->generation, memory_order_relaxed);
	uint64_t line = hnuma_arena_word_line(mark->word);
	uint64_t age = now - mark->epoch;
	unsigned i = arena->nr_rewinds;

	if (age > now - arena->reset_generation || line > hnuma_arena_word_line(load_word(arena)))
		return false;
	while (i > 0 && now - arena->rewinds[i - 1].generation < age)
		i--;
	return i == arena->nr_rewinds || line <= arena->rewinds[i].line;
}

/*
 * Remember that this generation began with a rewind to a line. Where there is no room left (as many
 * rewinds, each above the one before), the two oldest become one that has the line of the lower and
 * the age of the younger: a mark from between them may now be refused, but never taken wrongly.
 */
static void record_rewind(struct hnuma_arena *arena, uint64_t line)
{
	struct hnuma_arena_rewind *rewinds = arena->rewinds;
	unsigned nr = arena->nr_rewinds;

	while (nr > 0 && rewinds[nr - 1].line >= line)
		nr--;
	if (nr == HNUMA_ARENA_REWINDS) {
		rewinds[1].line = rewinds[0].line;
		memmove(rewinds, rewinds + 1, (nr - 1) * sizeof(*rewinds));
		nr--;
	}
	rewinds[nr].generation = atomic_load_explicit(&arena->generation, memory_order_relaxed);
	rewinds[nr].line = line;
	arena->nr_rewinds = nr + 1;
}

int hnuma_arena_rewind(struct hnuma_arena *arena, struct hnuma_arena_mark mark)
{
	if (hnuma_process_is_child_of(arena->process_epoch))
		return hnuma_process_refuse("arena");
	if (!is_good(arena, &mark))
		return hnuma_error_set(-ESTALE,
				       "a rewind to byte %llu of an arena of node %d was asked "
				       "for; the arena was reset or rewound below that mark since: "
				       "take a new mark",
				       (unsigned long long)hnuma_arena_word_line(mark.word) *
					       HNUMA_CACHE_LINE,
				       arena->node);
	go_back(arena, mark.word);
	record_rewind(arena, hnuma_arena_word_line(mark.word));
	return 0;
}

size_t hnuma_arena_used(const struct hnuma_arena *arena)
{
	return hnuma_arena_word_line(load_word(arena)) * HNUMA_CACHE_LINE;
}

size_t hnuma_arena_capacity(const struct hnuma_arena *arena)
{
	return arena->capacity_lines * HNUMA_CACHE_LINE;
}

size_t hnuma_arena_remaining(const struct hnuma_arena *arena)
{
	return hnuma_arena_capacity(arena) - hnuma_arena_used(arena);
}

/* The word first: see go_back(). */
static uint64_t high_water_lines(const struct hnuma_arena *arena, uint64_t *word)
{
	uint64_t past;

	*word = atomic_load_explicit(&arena->word, memory_order_acquire);
	past = atomic_load_explicit(&arena->high_water_lines, memory_order_relaxed);
	return past > hnuma_arena_word_line(*word) ? past : hnuma_arena_word_line(*word);
}

size_t hnuma_arena_high_water_mark(const struct hnuma_arena *arena)
{
	uint64_t word;

	return high_water_lines(arena, &word) * HNUMA_CACHE_LINE;
}

size_t hnuma_arena_allocation_count(const struct hnuma_arena *arena)
{
	return hnuma_arena_word_count(load_word(arena));
}

void *hnuma_arena_base(const struct hnuma_arena *arena)
{
	if (hnuma_process_is_child_of(arena->process_epoch))
		return hnuma_line_refuse(EOWNERDEAD);
	return arena->base;
}

int hnuma_arena_stats(const struct hnuma_arena *arena, struct hnuma_arena_stats *stats)
{
	uint64_t word, high_lines;

	if (!arena || !stats)
		return hnuma_error_set(-EINVAL, "hnuma_arena_stats: %s is NULL",
				       arena ? "stats" : "arena");
	if (hnuma_process_is_child_of(arena->process_epoch))
		return hnuma_process_refuse("arena");
	high_lines = high_water_lines(arena, &word);
	hnuma_arena_count(stats, word, arena->capacity_lines, high_lines);
	return 0;
}

const struct hnuma_region *hnuma_arena_region(const struct hnuma_arena *arena)
{
	return arena->region;
}

int hnuma_arena_verify(const struct hnuma_arena *arena, struct hnuma_placement *placement)
{
	if (!arena || !placement)
		return hnuma_error_set(-EINVAL, "hnuma_arena_verify: %s is NULL",
				       arena ? "placement" : "arena");
	if (hnuma_process_is_child_of(arena->process_epoch))
		return hnuma_process_refuse("arena");
	return hnuma_region_verify_range(arena->region, arena->offset, hnuma_arena_capacity(arena),
					 placement);
}
