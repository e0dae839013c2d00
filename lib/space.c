/* SPDX-License-Identifier: MIT */
/*
 * lib/space.c - using a scratch space: allocating in it and emptying it.
 *
 * Calls numa/ (served nodes, forks) and the C library. The caller is the thread that has the space,
 * which claim.c sees to; only `used` is also read by others, for the statistics.
 */
#include "config.h"

#include <hugenuma.h>

#include "lib/space.h"

static size_t load_used(const struct hnuma_space *space)
{
	return atomic_load_explicit(&space->used, memory_order_relaxed);
}

static __attribute__((noinline, cold)) void *unpoison_slice(void *memory, size_t bytes)
{
	hnuma_unpoison(memory, bytes);
	return memset(memory, 0, bytes);
}

void *hnuma_space_alloc(struct hnuma_space *space, size_t count, size_t elem_size)
{
	size_t used, bytes;
	unsigned char *memory;

	if (hnuma_process_is_child_of(space->process_epoch))
		return hnuma_line_refuse(EOWNERDEAD);
	used = load_used(space);
	/* The room is whole lines, so what fits still fits when it is rounded up. */
	if (!hnuma_line_multiply(count, elem_size, &bytes) ||
	    unlikely(bytes > space->capacity - used))
		return hnuma_line_refuse(ENOMEM);
	memory = space->base + used;
	atomic_store_explicit(&space->used, used + hnuma_line_round(bytes), memory_order_relaxed);
	if (unlikely(space->is_poisoning))
		return unpoison_slice(memory, bytes);
	return hnuma_line_clear(memory, bytes);
}

void hnuma_space_reset(struct hnuma_space *space)
{
	if (hnuma_process_is_child_of(space->process_epoch))
		return;
	atomic_store_explicit(&space->used, 0, memory_order_relaxed);
	if (unlikely(space->is_poisoning) && !space->is_raw)
		hnuma_space_poison(space);
}

size_t hnuma_space_used(const struct hnuma_space *space)
{
	return load_used(space);
}

size_t hnuma_space_remaining(const struct hnuma_space *space)
{
	return space->capacity - load_used(space);
}

size_t hnuma_space_capacity(const struct hnuma_space *space)
{
	return space->capacity;
}

void *hnuma_space_base(const struct hnuma_space *space)
{
	if (hnuma_process_is_child_of(space->process_epoch))
		return hnuma_line_refuse(EOWNERDEAD);
	if (unlikely(space->is_poisoning)) {
		/* All of it is the holder's until he releases it: no tool can know how he uses it. */
		((struct hnuma_space *)space)->is_raw = true;
		hnuma_unpoison_defined(space->base, space->capacity);
	}
	return space->base;
}

int hnuma_space_cpu(const struct hnuma_space *space)
{
	return space->cpu;
}

int hnuma_space_node(const struct hnuma_space *space)
{
	return space->scratch->ground->service.nodes[space->index];
}
