/* SPDX-License-Identifier: MIT */
/*
 * bench/peer_memkind.c - memkind, on hugetlb pages where it can have them. Calls memkind and libc.
 */
#include "config.h"

#include <stdlib.h>

#include <memkind.h>

#include "bench/peer.h"

/* Of all instances: memkind has one heap for each kind and process. */
static memkind_t kind;

struct instance {
	size_t bytes;
};

#define BLOCKS_BEGIN(instance_)                                             \
	const size_t bytes = ((const struct instance *)(instance_))->bytes; \
	const memkind_t heap = kind
#define BLOCKS_TAKE()	   memkind_malloc(heap, bytes)
#define BLOCKS_GIVE(block) ((void)bytes, memkind_free(heap, block))

#include "bench/loops.h"

static void *open_blocks(size_t block_bytes, unsigned nr_blocks)
{
	struct instance *instance = malloc(sizeof(*instance));
	void **held = malloc(nr_blocks * sizeof(*held));
	bool can = false;

	if (instance && held) {
		instance->bytes = block_bytes;
		can = loop_has_blocks(instance, held, nr_blocks);
	}
	free(held);
	if (can)
		return instance;
	free(instance);
	return NULL;
}

static const struct bench_blocks blocks = {
	.open = open_blocks,
	.pairs = loop_pairs,
	.produce = loop_produce,
	.consume = loop_consume,
	.produce_many = loop_produce_many,
	.consume_many = loop_consume_many,
	.tail = loop_tail,
};

const struct bench_subject *bench_peer_open(const char **reason)
{
	static struct bench_subject subjects[2];
	void *trial;

	*reason = NULL;
	kind = MEMKIND_HUGETLB;
	trial = memkind_check_available(kind) == 0 ? memkind_malloc(kind, 1) : NULL;
	if (trial)
		memkind_free(kind, trial);
	else
		kind = MEMKIND_DEFAULT;
	subjects[0] = (struct bench_subject){
		.name = "memkind",
		.kind = BENCH_PEER,
		.note = trial ? "MEMKIND_HUGETLB" : "MEMKIND_DEFAULT: it had no hugetlb pages",
		.blocks = &blocks,
	};
	return subjects;
}
