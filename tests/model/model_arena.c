/* SPDX-License-Identifier: MIT */
/*
 * tests/model/model_arena.c - the model's arena: what was allocated lies apart, keeps its bytes, and is
 * given up by a reset, or by a rewind when it is younger than the mark. See model.h.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "tests/model/model.h"

void arena_begin(struct model *m)
{
	struct model_arena *a = &m->arena;

	a->high = 0;
	a->pieces.nr = 0;
	a->count_base = a->count_direct = a->count_lanes = 0;
	memset(a->marks, 0, sizeof(a->marks));
	for (unsigned i = 0; i < MODEL_ACTORS; i++)
		EXPECT(m, hnuma_lane_open(&a->lanes[i], a->arena) == 0, "a lane cannot be opened");
	EXPECT(m, hnuma_arena_capacity(a->arena) == a->capacity, "the capacity is not %zu",
	       a->capacity);
}

void arena_was_reset(struct model *m)
{
	struct model_arena *a = &m->arena;

	a->pieces.nr = 0;
	a->count_base = a->count_direct = a->count_lanes = 0;
	for (unsigned i = 0; i < MODEL_MARKS; i++)
		a->marks[i].is_good = false;
}

/* From the arena itself: each goes to where the cursor stands. */
static void alloc(struct model *m, unsigned which)
{
	struct model_arena *a = &m->arena;
	size_t size = model_size(m), used = hnuma_arena_used(a->arena), alignment = 64, begin;
	unsigned char *memory;

	errno = 0;
	if (which == 2) {
		alignment = (size_t)1 << (m->step[1] >> 4);
		memory = hnuma_arena_alloc_aligned(a->arena, size, 1, alignment);
	} else if (which == 1) {
		memory = hnuma_arena_alloc_uninit(a->arena, 1, size);
	} else {
		memory = hnuma_arena_alloc(a->arena, size, 1);
	}
	if (alignment < 64)
		alignment = 64;
	begin = round_up(used, alignment);
	model_say(m, "arena: allocate %zu bytes%s, aligned to %zu -> %s", size,
		  which == 1 ? ", not cleared" : "", alignment, memory ? "got" : "none");
	if (size > 0) {
		bool fits = begin <= a->capacity && size <= a->capacity - begin;

		EXPECT(m, fits == (memory != NULL), "%zu bytes at %zu of %zu: %s", size, begin,
		       a->capacity, memory ? "given" : "refused");
		EXPECT(m, memory || errno == ENOMEM, "refused with errno %d", errno);
	}
	if (!memory || !m->result->is_right)
		return;
	if (size > 0)
		EXPECT(m, memory == (unsigned char *)hnuma_arena_base(a->arena) + begin,
		       "not at the cursor");
	EXPECT(m, hnuma_arena_used(a->arena) == (size ? begin + round_up(size, 64) : used),
	       "the cursor went from %zu to %zu", used, hnuma_arena_used(a->arena));
	a->count_direct++;
	pieces_add(m, &a->pieces, memory, size, size ? alignment : 1, which != 1, 0);
}

/* Through a lane: it lies wherever the lane had room, and below the cursor. */
static void lane_alloc(struct model *m, bool is_cleared)
{
	struct model_arena *a = &m->arena;
	struct hnuma_lane *lane = &a->lanes[m->actor];
	size_t size = model_size(m), remaining = hnuma_arena_remaining(a->arena);
	unsigned char *base = hnuma_arena_base(a->arena), *memory;

	errno = 0;
	memory = is_cleared ? hnuma_lane_alloc(lane, 1, size)
			    : hnuma_lane_alloc_uninit(lane, size, 1);
	model_say(m, "lane: allocate %zu bytes%s -> %s", size, is_cleared ? "" : ", not cleared",
		  memory ? "got" : "none");
	if (!memory) {
		EXPECT(m, errno == ENOMEM, "refused with errno %d", errno);
		EXPECT(m, size > remaining, "%zu bytes were refused with %zu left", size,
		       remaining);
		return;
	}
	EXPECT(m, memory >= base && memory + size <= base + hnuma_arena_used(a->arena),
	       "%zu bytes outside what is used", size);
	a->count_lanes++;
	pieces_add(m, &a->pieces, memory, size, size ? 64 : 1, is_cleared, 0);
}

static void set_mark(struct model *m)
{
	struct model_arena *a = &m->arena;
	unsigned i = m->step[2] % MODEL_MARKS;

	model_say(m, "arena: mark %u at %zu", i, hnuma_arena_used(a->arena));
	a->marks[i].mark = hnuma_arena_mark(a->arena);
	a->marks[i].is_set = a->marks[i].is_good = true;
	a->marks[i].used = hnuma_arena_used(a->arena);
	a->marks[i].count = hnuma_arena_allocation_count(a->arena);
	a->marks[i].born = m->nr_steps;
	a->marks[i].rewinds = a->nr_rewinds;
}

static void rewind_to_mark(struct model *m)
{
	struct model_arena *a = &m->arena;
	unsigned i = m->step[2] % MODEL_MARKS;
	int error;

	if (!a->marks[i].is_set)
		return;
	pieces_check_all(m, &a->pieces);
	error = hnuma_arena_rewind(a->arena, a->marks[i].mark);
	model_say(m, "arena: rewind to mark %u -> %d", i, error);
	/* So many ascending ones are remembered exactly; of more, an old mark may be refused. */
	if (error == -ESTALE && a->nr_rewinds - a->marks[i].rewinds > 63)
		a->marks[i].is_good = false;
	EXPECT(m, error == (a->marks[i].is_good ? 0 : -ESTALE), "a rewind to a %s mark: %d",
	       a->marks[i].is_good ? "good" : "stale", error);
	if (error)
		return;
	a->nr_rewinds++;
	/* What is younger, or lies above, is given up. */
	for (size_t k = a->pieces.nr; k-- > 0;) {
		const struct piece *piece = &a->pieces.of[k];
		size_t end = (size_t)(piece->at - (unsigned char *)hnuma_arena_base(a->arena)) +
			     piece->size;

		if (piece->born >= a->marks[i].born || end > a->marks[i].used)
			a->pieces.of[k] = a->pieces.of[--a->pieces.nr];
	}
	EXPECT(m, hnuma_arena_used(a->arena) == a->marks[i].used, "the cursor is not at the mark");
	for (unsigned k = 0; k < MODEL_MARKS; k++)
		if (a->marks[k].used > a->marks[i].used)
			a->marks[k].is_good = false;
	a->count_base = a->marks[i].count;
	a->count_direct = a->count_lanes = 0;
}

/* What a lane has counted is the arena's when it is closed. */
static void close_lanes(struct model *m)
{
	struct model_arena *a = &m->arena;

	model_say(m, "lanes: close all, and open them again");
	for (unsigned i = 0; i < MODEL_ACTORS; i++)
		hnuma_lane_close(&a->lanes[i]);
	a->count_direct += a->count_lanes;
	a->count_lanes = 0;
	EXPECT(m, hnuma_arena_allocation_count(a->arena) == a->count_base + a->count_direct,
	       "%zu allocations are counted, not %zu", hnuma_arena_allocation_count(a->arena),
	       a->count_base + a->count_direct);
	for (unsigned i = 0; i < MODEL_ACTORS; i++)
		EXPECT(m, hnuma_lane_open(&a->lanes[i], a->arena) == 0, "a lane cannot be opened");
}

/* Products that no memory can hold. */
static void wrap(struct model *m)
{
	struct model_arena *a = &m->arena;
	size_t size = SIZE_MAX - m->step[2] * (size_t)m->step[3];

	model_say(m, "arena: allocate 1 * %zu, 2 * 2^63 bytes", size);
	EXPECT(m, !hnuma_arena_alloc(a->arena, 1, size), "a size that wraps was given");
	EXPECT(m, !hnuma_arena_alloc_uninit(a->arena, 2, SIZE_MAX / 2 + 1), "a product wrapped");
	EXPECT(m, !hnuma_lane_alloc(&a->lanes[m->actor], size, 1), "a lane gave what wraps");
	EXPECT(m, !hnuma_arena_alloc_aligned(a->arena, size, 1, 4096), "aligned, it wrapped");
}

void arena_step(struct model *m, unsigned which)
{
	switch (which) {
	case 0:
	case 1:
	case 2:
		alloc(m, which);
		break;
	case 3:
	case 4:
	case 5:
		lane_alloc(m, which != 4);
		break;
	case 6:
		model_say(m, "arena: reset");
		pieces_check_all(m, &m->arena.pieces);
		hnuma_arena_reset(m->arena.arena);
		arena_was_reset(m);
		break;
	case 7:
		set_mark(m);
		break;
	case 8:
		rewind_to_mark(m);
		break;
	case 9:
		close_lanes(m);
		break;
	default:
		wrap(m);
		break;
	}
}

void arena_compare(struct model *m)
{
	struct model_arena *a = &m->arena;
	size_t used = hnuma_arena_used(a->arena);
	struct hnuma_arena_stats stats;

	if (used > a->high)
		a->high = used;
	EXPECT(m, hnuma_arena_stats(a->arena, &stats) == 0, "no statistics of the arena");
	EXPECT(m, stats.capacity == a->capacity && stats.used + stats.remaining == a->capacity,
	       "the arena's bytes do not add up");
	EXPECT(m, stats.high_water_mark == a->high, "the most used is %llu, not %zu",
	       (unsigned long long)stats.high_water_mark, a->high);
	EXPECT(m,
	       stats.allocation_count >= a->count_base + a->count_direct &&
		       stats.allocation_count <= a->count_base + a->count_direct + a->count_lanes,
	       "%llu allocations are counted, not %zu to %zu",
	       (unsigned long long)stats.allocation_count, a->count_base + a->count_direct,
	       a->count_base + a->count_direct + a->count_lanes);
}
