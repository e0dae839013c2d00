/* SPDX-License-Identifier: MIT */
/*
 * bench/blocks.c - the subjects' blocks that several cases share. Calls the subjects and libc.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "bench/cases.h"

const char *const class_names[NR_CLASSES] = {"1K", "4K", "16K", "64K", "256K"};

struct opened {
	const struct bench_subject *subject;
	size_t block_bytes;
	unsigned nr_blocks;
	void *instances[NR_INSTANCES];
	struct opened *next;
};

static struct opened *all;

static struct opened *find(const struct bench_subject *subject, size_t block_bytes,
			   unsigned nr_blocks)
{
	struct opened *opened = all;

	while (opened && (opened->subject != subject || opened->block_bytes != block_bytes ||
			  opened->nr_blocks != nr_blocks))
		opened = opened->next;
	return opened;
}

bool blocks_open(const struct bench_subject *subject, size_t block_bytes, unsigned nr_blocks,
		 void **instances)
{
	struct opened *opened = find(subject, block_bytes, nr_blocks);

	if (!opened) {
		opened = plan_alloc(sizeof(*opened));
		opened->subject = subject;
		opened->block_bytes = block_bytes;
		opened->nr_blocks = nr_blocks;
		opened->next = all;
		all = opened;
		for (unsigned i = 0; i < NR_INSTANCES; i++)
			opened->instances[i] = subject->blocks->open(block_bytes, nr_blocks);
		if (!opened->instances[0] || !opened->instances[1])
			fprintf(stderr, "bench: %s has no %u blocks of %zu bytes: left out there\n",
				subject->name, NR_INSTANCES * nr_blocks, block_bytes);
	}
	for (unsigned i = 0; i < NR_INSTANCES; i++)
		instances[i] = opened->instances[i];
	return instances[0] && instances[1];
}
