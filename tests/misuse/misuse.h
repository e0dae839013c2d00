/* SPDX-License-Identifier: MIT */
/*
 * tests/misuse/misuse.h - what the programs of this folder share.
 *
 * Each does one thing wrong, as a program that is linked with the library would, and says in its
 * first comment what must come of it, for tests/scripts/check-misuse.sh:
 *
 *	Plain: ERROR            what the library returns: a name of errno, or none
 *	Hardened: ERROR         the same with HUGENUMA_HARDENED=1; as above where it is not said
 *	AddressSanitizer: WORDS
 *	Valgrind: WORDS         the tool's report; where it is not said, there is none
 */
#ifndef HUGENUMA_TESTS_MISUSE_H
#define HUGENUMA_TESTS_MISUSE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hugenuma.h>

#define MISUSE_UNUSED __attribute__((unused))

/* What cannot even begin is no result. */
static MISUSE_UNUSED void misuse_need(int error)
{
	if (error) {
		fprintf(stderr, "cannot begin: %s\n", hnuma_errormsg());
		exit(2);
	}
}

static MISUSE_UNUSED struct hnuma_topology *misuse_topology(void)
{
	static struct hnuma_topology *topology;

	if (!topology)
		misuse_need(hnuma_topology_create(&topology));
	return topology;
}

static MISUSE_UNUSED struct hnuma_pool *misuse_pool(void)
{
	struct hnuma_pool_attr attr = HNUMA_POOL_ATTR_INIT;
	struct hnuma_pool *pool;

	attr.buffers_per_class = 8;
	attr.least_backing = HNUMA_BACKING_BASE;
	attr.flags = HNUMA_RELAXED;
	misuse_need(hnuma_pool_create(&pool, misuse_topology(), &attr));
	return pool;
}

static MISUSE_UNUSED char *misuse_block(struct hnuma_pool *pool)
{
	char *block = hnuma_pool_acquire(pool, HNUMA_CLASS_4K);

	misuse_need(!block);
	return block;
}

static MISUSE_UNUSED struct hnuma_arena *misuse_arena(void)
{
	struct hnuma_arena_attr attr = HNUMA_ARENA_ATTR_INIT;
	struct hnuma_arena *arena;

	attr.capacity = HNUMA_HUGEPAGE;
	attr.least_backing = HNUMA_BACKING_BASE;
	attr.flags = HNUMA_RELAXED;
	misuse_need(hnuma_arena_create(&arena, misuse_topology(), &attr));
	return arena;
}

static MISUSE_UNUSED struct hnuma_scratch *misuse_scratch(void)
{
	struct hnuma_scratch_attr attr = HNUMA_SCRATCH_ATTR_INIT;
	struct hnuma_scratch *scratch;

	attr.least_backing = HNUMA_BACKING_BASE;
	attr.flags = HNUMA_RELAXED;
	misuse_need(hnuma_scratch_create(&scratch, misuse_topology(), &attr));
	return scratch;
}

/* Tell what the library answered: 0 or an errno, negative or not. Returns main()'s exit code. */
static MISUSE_UNUSED int misuse_tell(int error)
{
	static const struct {
		int error;
		const char *name;
	} known[] = {
		{0, "none"},
		{EFAULT, "EFAULT"},
		{EINVAL, "EINVAL"},
		{EALREADY, "EALREADY"},
		{EBUSY, "EBUSY"},
		{EUCLEAN, "EUCLEAN"},
		{EOWNERDEAD, "EOWNERDEAD"},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (known[i].error == abs(error))
			printf("%s: %s\n", known[i].name, error ? hnuma_errormsg() : "");
	}
	return 0;
}

#endif
