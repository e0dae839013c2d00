/* SPDX-License-Identifier: MIT */
/* bench/peer_hugetlbfs.c - libhugetlbfs, which gives hugetlb pages. Calls libhugetlbfs. */
#include "config.h"

#include <stddef.h>
/* It wants the one above. */
#include <hugetlbfs.h>

#include "bench/peer.h"

#define HUGE_PAGE ((size_t)2 * 1024 * 1024)

/* What it gives need not be present yet. */
static void *take(size_t bytes)
{
	volatile char *memory = get_huge_pages(bytes, GHP_DEFAULT);

	for (size_t i = 0; memory && i < bytes; i += HUGE_PAGE)
		memory[i] = 0;
	return (void *)memory;
}

static void give(void *memory, size_t bytes)
{
	(void)bytes;
	free_huge_pages(memory);
}

static const struct bench_pages pages = {take, give};

const struct bench_subject *bench_peer_open(const char **reason)
{
	static const struct bench_subject subjects[] = {
		{
			.name = "libhugetlbfs",
			.kind = BENCH_PEER,
			.note = "not bound to a node; touched",
			.pages = &pages,
		},
		{.name = NULL},
	};

	*reason = NULL;
	return subjects;
}
