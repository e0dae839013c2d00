/* SPDX-License-Identifier: MIT */
/*
 * tests/hardened.h - hardened pools for tests, and what is expected of those in which something was found.
 * For test programs that include it.
 */
#ifndef HUGENUMA_TESTS_HARDENED_H
#define HUGENUMA_TESTS_HARDENED_H

#include <stdio.h>
#include <string.h>

#include <hugenuma.h>

#include "tests/check.h"

#define BUFFERS ((size_t)8)

static struct hnuma_topology *topology;

static inline struct hnuma_pool_attr attr_for_tests(void)
{
	struct hnuma_pool_attr attr = HNUMA_POOL_ATTR_INIT;

	attr.least_backing = HNUMA_BACKING_BASE;
	attr.buffers_per_class = BUFFERS;
	attr.flags = HNUMA_HARDENED;
	hnuma_nodeset_add(&attr.nodes, check_home_node());
	return attr;
}

static inline struct hnuma_pool *open_pool(void)
{
	struct hnuma_pool_attr attr = attr_for_tests();
	struct hnuma_pool *pool;

	CU_ASSERT_EQUAL_FATAL(hnuma_pool_create(&pool, topology, &attr), 0);
	return pool;
}

static inline void close_pool(struct hnuma_pool *pool)
{
	CU_ASSERT_EQUAL(hnuma_pool_check(pool), 0);
	CU_ASSERT_EQUAL(hnuma_pool_destroy(pool), 0);
}

/* Of a pool in which something was found. */
static inline void close_damaged(struct hnuma_pool *pool)
{
	CU_ASSERT_EQUAL(hnuma_pool_check(pool), -EUCLEAN);
	CU_ASSERT_EQUAL(hnuma_pool_destroy(pool), 0);
}

/* A byte that differs from the one that is there: a program's would by 255 chances in 256. */
static inline void overwrite(unsigned char *byte, size_t n)
{
	for (size_t i = 0; i < n; i++)
		byte[i] = (unsigned char)~byte[i];
}

static inline bool is_all(const unsigned char *bytes, size_t n, unsigned char value)
{
	for (size_t i = 0; i < n; i++) {
		if (bytes[i] != value)
			return false;
	}
	return true;
}

static inline void expect_found(struct hnuma_pool *pool, enum hnuma_class c, uint64_t lost)
{
	struct hnuma_pool_class_stats stats;
	struct hnuma_pool_stats sum;

	CU_ASSERT_EQUAL(hnuma_pool_class_stats(pool, HNUMA_NODE_LOCAL, c, &stats), 0);
	CU_ASSERT_EQUAL(stats.overwritten, lost);
	CU_ASSERT_EQUAL(stats.lost_buffers, lost);
	CU_ASSERT_EQUAL(stats.total, stats.free_buffers + stats.in_use);
	CU_ASSERT_EQUAL(hnuma_pool_stats(pool, &sum), 0);
	CU_ASSERT_EQUAL(sum.overwritten, lost);
	CU_ASSERT_EQUAL(sum.lost_buffers, lost);
}

/* The message names the buffer and the byte. */
static inline void expect_words(const void *buffer, const char *words)
{
	char address[32];

	snprintf(address, sizeof(address), "%p", buffer);
	check_message(address);
	check_message(words);
}

/* Take all of a class that there is: none is `lost`. Then give it all back. */
static inline void exhaust_without(struct hnuma_pool *pool, enum hnuma_class c, const void *lost)
{
	void *blocks[2048];
	size_t n = 0;

	while (n < 2048 && (blocks[n] = hnuma_pool_acquire(pool, c)))
		CU_ASSERT_PTR_NOT_EQUAL(blocks[n++], lost);
	CU_ASSERT(n >= BUFFERS - 1);
	while (n-- > 0)
		CU_ASSERT_EQUAL(hnuma_pool_release(pool, blocks[n]), 0);
}

#endif
