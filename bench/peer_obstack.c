/* SPDX-License-Identifier: MIT */
/* bench/peer_obstack.c - the C library's obstack, inlined, for one thread at a time. Calls libc. */
#include "config.h"

#include <obstack.h>
#include <stdlib.h>
#include <string.h>

#include "bench/peer.h"

#define obstack_chunk_alloc malloc
#define obstack_chunk_free  free

struct instance {
	struct obstack obstack;
	void *bottom; /* what to free so that all above is free */
};

/* One chunk that holds a step, as a user would who knows what a step needs. */
static void *open_obstack(size_t capacity_bytes)
{
	struct instance *instance = malloc(sizeof(*instance));

	if (!instance)
		return NULL;
	obstack_begin(&instance->obstack, capacity_bytes);
	instance->bottom = obstack_alloc(&instance->obstack, 1);
	return instance;
}

#define STEPS obstack
#define STEPS_BEGIN(pointer)                                                \
	struct obstack *obstack = &((struct instance *)(pointer))->obstack; \
	void *bottom = ((struct instance *)(pointer))->bottom
#define STEPS_ALLOC(bytes)	  obstack_alloc(obstack, bytes)
#define STEPS_ALLOC_ZEROED(bytes) memset(obstack_alloc(obstack, bytes), 0, bytes)
#define STEPS_RESET()                               \
	do {                                        \
		obstack_free(obstack, bottom);      \
		bottom = obstack_alloc(obstack, 1); \
	} while (0)
#include "bench/steps.h"

static const struct bench_steps steps = {
	.open = open_obstack,
	.run = obstack_run,
	.run_zeroed = obstack_run_zeroed,
};

const struct bench_subject *bench_peer_open(const char **reason)
{
	static const struct bench_subject subjects[] = {
		{
			.name = "obstack",
			.kind = BENCH_PEER,
			.note = "one thread only, inlined, aligned to 16",
			.steps = &steps,
		},
		{.name = NULL},
	};

	*reason = NULL;
	return subjects;
}
