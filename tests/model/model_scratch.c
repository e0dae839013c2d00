/* SPDX-License-Identifier: MIT */
/*
 * tests/model/model_scratch.c - the model's scratch: so many spaces, of which each actor holds or pins
 * one or none. See model.h.
 */
#include "config.h"

#include <errno.h>
#include <sched.h>

#include "tests/model/model.h"

unsigned scratch_nr_taken(const struct model *m)
{
	unsigned nr = 0;

	for (unsigned i = 0; i < MODEL_ACTORS; i++)
		nr += m->scratch.of[i].held || m->scratch.of[i].is_pinned;
	return nr;
}

void scratch_actor_ended(struct model *m, unsigned actor)
{
	m->scratch.of[actor].held = m->scratch.of[actor].last = NULL;
	m->scratch.of[actor].is_pinned = false;
	m->scratch.of[actor].pieces.nr = 0;
}

static void acquire(struct model *m)
{
	struct model_scratch *s = &m->scratch;
	unsigned me = m->actor;
	bool may = !s->of[me].held && (s->of[me].is_pinned || scratch_nr_taken(m) < s->nr_spaces);
	struct hnuma_space *space;

	errno = 0;
	space = hnuma_scratch_acquire(s->scratch);
	model_say(m, "scratch: acquire -> %s", space ? "got" : "none");
	EXPECT(m, may == (space != NULL), "a space, %u of %u taken: %s", scratch_nr_taken(m),
	       s->nr_spaces, space ? "given" : "refused");
	EXPECT(m, space || errno == (s->of[me].held ? EBUSY : ENOMEM), "refused with errno %d",
	       errno);
	if (!space || !m->result->is_right)
		return;
	for (unsigned i = 0; i < MODEL_ACTORS; i++)
		EXPECT(m, s->of[i].held != space, "the space is actor %u's", i);
	EXPECT(m, hnuma_space_used(space) == 0, "a space that is not empty");
	EXPECT(m, hnuma_space_capacity(space) == s->space_size, "its size is not %zu",
	       s->space_size);
	s->of[me].held = s->of[me].last = space;
	s->of[me].used = 0;
	s->of[me].pieces.nr = 0;
}

/* Does anybody have it, held or pinned? A space's last user who has it pinned has it still. */
static int refusal(const struct model *m, const struct hnuma_space *space, bool *is_sure)
{
	const struct model_scratch *s = &m->scratch;

	*is_sure = true;
	for (unsigned i = 0; i < MODEL_ACTORS; i++) {
		if (s->of[i].held == space)
			return i == m->actor ? 0 : -EPERM;
		/* Which space it pinned is seen only when it acquires. */
		if (s->of[i].is_pinned && i != m->actor)
			*is_sure = false;
	}
	return -EALREADY;
}

/* Its own; another's; one that nobody holds any more. */
static void release(struct model *m, bool is_own)
{
	struct model_scratch *s = &m->scratch;
	unsigned whose = is_own ? m->actor : m->step[2] % MODEL_ACTORS;
	struct hnuma_space *space = s->of[whose].last;
	bool is_sure;
	int expected, error;

	if (!space)
		return;
	expected = refusal(m, space, &is_sure);
	if (expected == 0)
		pieces_clear(m, &s->of[m->actor].pieces);
	error = hnuma_scratch_release(space);
	model_say(m, "scratch: release actor %u's last space -> %d", whose, error);
	EXPECT(m, error == expected || (!is_sure && error == -EPERM), "released: %d, not %d", error,
	       expected);
	if (error == 0)
		s->of[m->actor].held = NULL;
}

static void alloc(struct model *m)
{
	struct model_scratch *s = &m->scratch;
	struct hnuma_space *space = s->of[m->actor].held;
	size_t size = model_size(m), used = s->of[m->actor].used;
	unsigned char *memory;

	if (!space)
		return;
	errno = 0;
	memory = hnuma_space_alloc(space, 1, size);
	model_say(m, "space: allocate %zu bytes -> %s", size, memory ? "got" : "none");
	EXPECT(m, (size <= s->space_size - used) == (memory != NULL), "%zu bytes at %zu of %zu: %s",
	       size, used, s->space_size, memory ? "given" : "refused");
	EXPECT(m, memory || errno == ENOMEM, "refused with errno %d", errno);
	EXPECT(m, !hnuma_space_alloc(space, SIZE_MAX / 2, 3), "a product wrapped");
	if (!memory || !m->result->is_right)
		return;
	s->of[m->actor].used += round_up(size, 64);
	pieces_add(m, &s->of[m->actor].pieces, memory, size, 64, true, 0);
	EXPECT(m, hnuma_space_used(space) == s->of[m->actor].used, "its used bytes are not %zu",
	       s->of[m->actor].used);
}

static void reset(struct model *m, bool all)
{
	struct model_scratch *s = &m->scratch;

	if (all) {
		/* What is held stays as it is until its owner acquires again. */
		model_say(m, "scratch: reset all");
		hnuma_scratch_reset_all(s->scratch);
		return;
	}
	if (!s->of[m->actor].held)
		return;
	model_say(m, "space: reset");
	pieces_clear(m, &s->of[m->actor].pieces);
	hnuma_space_reset(s->of[m->actor].held);
	s->of[m->actor].used = 0;
	EXPECT(m, hnuma_space_remaining(s->of[m->actor].held) == s->space_size, "not empty");
}

static void pin(struct model *m)
{
	struct model_scratch *s = &m->scratch;
	int cpu = m->step[2] % 8 < 6 ? m->step[2] % 2 : m->step[2] * 257, error;
	bool is_allowed = cpu < CPU_SETSIZE && CPU_ISSET(cpu, &m->allowed);

	error = hnuma_scratch_pin(s->scratch, cpu);
	model_say(m, "scratch: pin to CPU %d -> %d", cpu, error);
	if (s->of[m->actor].is_pinned)
		EXPECT(m, error == -EALREADY, "pinned twice: %d", error);
	else if (s->of[m->actor].held)
		EXPECT(m, error == -EBUSY, "pinned with a space: %d", error);
	else if (!is_allowed)
		EXPECT(m, error == -ENODEV || error == -EINVAL, "pinned to CPU %d: %d", cpu, error);
	else
		EXPECT(m, error == (scratch_nr_taken(m) < s->nr_spaces ? 0 : -ENOMEM),
		       "pinned, %u of %u taken: %d", scratch_nr_taken(m), s->nr_spaces, error);
	if (error)
		return;
	s->of[m->actor].is_pinned = true;
	s->of[m->actor].last = NULL;
	EXPECT(m, sched_getcpu() == cpu, "on CPU %d, pinned to %d", sched_getcpu(), cpu);
}

static void unpin(struct model *m)
{
	struct model_scratch *s = &m->scratch;
	int error = hnuma_scratch_unpin(s->scratch), expected = 0;
	cpu_set_t now;

	if (!s->of[m->actor].is_pinned)
		expected = -ENOENT;
	else if (s->of[m->actor].held)
		expected = -EBUSY;
	model_say(m, "scratch: unpin -> %d", error);
	EXPECT(m, error == expected, "unpinned: %d, not %d", error, expected);
	if (error)
		return;
	s->of[m->actor].is_pinned = false;
	sched_getaffinity(0, sizeof(now), &now);
	EXPECT(m, CPU_EQUAL(&now, &m->allowed), "the affinity is not what it was");
}

void scratch_step(struct model *m, unsigned which)
{
	switch (which) {
	case 0:
	case 1:
		acquire(m);
		break;
	case 2:
	case 3:
		release(m, which == 2);
		break;
	case 4:
		alloc(m);
		break;
	case 5:
		reset(m, m->step[2] & 1);
		break;
	case 6:
		pin(m);
		break;
	default:
		unpin(m);
		break;
	}
}

void scratch_compare(struct model *m)
{
	struct model_scratch *s = &m->scratch;
	struct hnuma_scratch_stats stats;

	EXPECT(m, hnuma_scratch_active(s->scratch) == scratch_nr_taken(m), "%u are taken, not %u",
	       hnuma_scratch_active(s->scratch), scratch_nr_taken(m));
	EXPECT(m, hnuma_scratch_stats(s->scratch, &stats) == 0, "no statistics of the scratch");
	EXPECT(m, stats.active_spaces == scratch_nr_taken(m) && stats.max_spaces == s->nr_spaces,
	       "its statistics say %llu of %llu are taken", (unsigned long long)stats.active_spaces,
	       (unsigned long long)stats.max_spaces);
	EXPECT(m, stats.max_space_usage <= s->space_size, "more is used than a space has");
}
