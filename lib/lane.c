/* SPDX-License-Identifier: MIT */
/*
 * lib/lane.c - one worker's own cursor in an arena.
 *
 * Calls numa/ (forks, messages) and the C library; shares the layout of arena_state.h with arena.c.
 *
 *	arena   | ... | stretch: | allocated | free |  ...  | cursor
 *	                                     ^ next ^ end
 *
 * Invariants of an open lane: next <= end, both multiples of 64; where the generation is what
 * lane_generation() says, [next, end) was taken from the arena and is nobody else's. A lane is one thread's, so its
 * fields are plain; all that it reads of the arena on the fast path changes at resets only.
 */
#include "config.h"

#include <hugenuma.h>

#include "lib/arena_state.h"
#include "numa/error.h"

/*
 * Requests above a quarter of a stretch take their own bytes from the arena, so that what remains of
 * a stretch when the next one is taken is never more than that quarter.
 */
#define LARGE_SHARE 4

/*
 * The arena's generation and the process's in one number, so that one comparison tells both: each of
 * them only grows, so where the sum is as it was, so are both.
 */
static uint64_t current_generation(const struct hnuma_arena *arena)
{
	return atomic_load_explicit(&arena->generation, memory_order_relaxed) + hnuma_process_epoch;
}

/* What a lane of the present notes. Where bytes are to be poisoned, one that the fast path refuses. */
static uint64_t lane_generation(const struct hnuma_arena *arena)
{
	return current_generation(arena) - arena->is_poisoning;
}

/* An empty stretch: at the base, so that also no bytes have an address in the arena. */
static void begin(struct hnuma_lane *lane, struct hnuma_arena *arena)
{
	lane->arena = arena;
	lane->next = arena->base;
	lane->end = arena->base;
	lane->generation = lane_generation(arena);
	lane->count = 0;
}

int hnuma_lane_open(struct hnuma_lane *lane, struct hnuma_arena *arena)
{
	if (!lane || !arena)
		return hnuma_error_set(-EINVAL, "hnuma_lane_open: %s is NULL",
				       lane ? "arena" : "lane");
	if (hnuma_process_is_child_of(arena->process_epoch))
		return hnuma_process_refuse("arena");
	begin(lane, arena);
	return 0;
}

static void *allocate_here(struct hnuma_lane *lane, size_t bytes)
{
	unsigned char *memory = lane->next;

	lane->next = memory + hnuma_line_round(bytes);
	lane->count++;
	return memory;
}

/*
 * The lane has no such room: take lines from the arena, and hand over the count in the same swap.
 * Where the arena's cursor stands at the lane's end, the stretch grows and nothing is left behind;
 * near the arena's end the lane takes what there is. So NULL means that no room was left.
 */
static void *extend(struct hnuma_lane *lane, size_t bytes)
{
	struct hnuma_arena *arena = lane->arena;
	uint64_t needed = hnuma_line_count(bytes);
	uint64_t free_lines = (uint64_t)(lane->end - lane->next) / HNUMA_CACHE_LINE;
	uint64_t stretch = arena->stretch_lines;
	uint64_t word = atomic_load_explicit(&arena->word, memory_order_relaxed);
	uint64_t room, take;
	unsigned char *start;
	bool grows;

	if (needed > stretch / LARGE_SHARE)
		stretch = 0;
	do {
		start = arena->base + hnuma_arena_word_line(word) * HNUMA_CACHE_LINE;
		grows = start == lane->end;
		room = arena->capacity_lines - hnuma_arena_word_line(word);
		take = grows ? needed - free_lines : needed;
		if (unlikely(take > room))
			return hnuma_line_refuse(ENOMEM);
		if (take < stretch)
			take = stretch < room ? stretch : room;
	} while (!hnuma_arena_swap_word(arena, &word,
					hnuma_arena_word_add(word, take, lane->count)));
	lane->count = 0;
	if (!grows && stretch == 0) {
		/* A large one of its own: the stretch stays as it is. */
		lane->count++;
		return start;
	}
	if (!grows)
		lane->next = start;
	lane->end = start + take * HNUMA_CACHE_LINE;
	return allocate_here(lane, bytes);
}

static void *allocate_slowly(struct hnuma_lane *lane, size_t bytes)
{
	struct hnuma_arena *arena = lane->arena;

	if (hnuma_process_is_child_of(arena->process_epoch))
		return hnuma_line_refuse(EOWNERDEAD);
	/* A reset or rewind came: the stretch and the count are of the past. */
	if (lane->generation != lane_generation(arena))
		begin(lane, arena);
	if (bytes <= (size_t)(lane->end - lane->next))
		return allocate_here(lane, bytes);
	return extend(lane, bytes);
}

static __attribute__((noinline)) void *alloc_uninit_slowly(struct hnuma_lane *lane, size_t bytes)
{
	return hnuma_arena_open_bytes(lane->arena, allocate_slowly(lane, bytes), bytes);
}

static __attribute__((noinline)) void *alloc_slowly(struct hnuma_lane *lane, size_t bytes)
{
	return hnuma_arena_clear_bytes(lane->arena, allocate_slowly(lane, bytes), bytes);
}

/*
 * May allocate_here() do it? Nothing is rounded: the room is whole lines, so what fits still fits
 * when it is rounded up.
 */
static inline bool is_simple(const struct hnuma_lane *lane, size_t bytes)
{
	return likely(lane->generation == current_generation(lane->arena)) &&
	       likely(bytes <= (size_t)(lane->end - lane->next));
}

void *hnuma_lane_alloc_uninit(struct hnuma_lane *lane, size_t count, size_t elem_size)
{
	size_t bytes;

	if (!hnuma_line_multiply(count, elem_size, &bytes))
		return hnuma_line_refuse(ENOMEM);
	if (likely(is_simple(lane, bytes)))
		return allocate_here(lane, bytes);
	return alloc_uninit_slowly(lane, bytes);
}

void *hnuma_lane_alloc(struct hnuma_lane *lane, size_t count, size_t elem_size)
{
	size_t bytes;

	if (!hnuma_line_multiply(count, elem_size, &bytes))
		return hnuma_line_refuse(ENOMEM);
	if (likely(is_simple(lane, bytes)))
		return hnuma_line_clear(allocate_here(lane, bytes), bytes);
	return alloc_slowly(lane, bytes);
}

void hnuma_lane_close(struct hnuma_lane *lane)
{
	struct hnuma_arena *arena;
	uint64_t word;

	if (!lane || !lane->arena)
		return;
	arena = lane->arena;
	lane->arena = NULL;
	if (lane->count == 0 || lane->generation != lane_generation(arena) ||
	    hnuma_process_is_child_of(arena->process_epoch))
		return;
	word = atomic_load_explicit(&arena->word, memory_order_relaxed);
	while (!hnuma_arena_swap_word(arena, &word, hnuma_arena_word_add(word, 0, lane->count)))
		;
	lane->count = 0;
}
