/* SPDX-License-Identifier: MIT */
/*
 * tests/test_pool_cache.c - one CPU's cache alone: what each operation does to it, by restartable
 * sequences and by the claim. What interrupts them is in test_pool_rseq.c.
 *
 * The sequences are told that the thread's struct rseq is one of our own, which says what CPU the thread
 * is on; the kernel knows nothing of it and aborts nothing. So this runs on any kernel and in emulators.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include <hugenuma.h>

#include "lib/pool_cache.h"
#include "tests/check.h"

enum { CPU = 5, LIMIT = 100 };

static struct hnuma_cache cache;
static bool is_claiming; /* else by sequences */

#if HNUMA_HAVE_RSEQ
static struct rseq area;

static ptrdiff_t offset_of_area(void)
{
	return (ptrdiff_t)((uintptr_t)&area - (uintptr_t)__builtin_thread_pointer());
}
#endif

static uint32_t take(int64_t delta)
{
#if HNUMA_HAVE_RSEQ
	if (!is_claiming)
		return hnuma_rseq_take(offset_of_area(), &cache, CPU, delta);
#endif
	return hnuma_cache_take_claiming(&cache, delta);
}

static bool put(uint32_t block)
{
#if HNUMA_HAVE_RSEQ
	if (!is_claiming)
		return hnuma_rseq_put(offset_of_area(), &cache, CPU, block);
#endif
	return hnuma_cache_put_claiming(&cache, block);
}

static bool take_many(uint32_t *blocks, unsigned n, int64_t delta)
{
#if HNUMA_HAVE_RSEQ
	if (!is_claiming)
		return hnuma_rseq_take_many(offset_of_area(), &cache, CPU, blocks, n, delta);
#endif
	return hnuma_cache_take_many_claiming(&cache, blocks, n, delta);
}

static bool put_many(const uint32_t *blocks, unsigned n)
{
#if HNUMA_HAVE_RSEQ
	if (!is_claiming)
		return hnuma_rseq_put_many(offset_of_area(), &cache, CPU, blocks, n);
#endif
	return hnuma_cache_put_many_claiming(&cache, blocks, n);
}

static void empty_cache(void)
{
	memset(&cache, 0, sizeof(cache));
	cache.limit = LIMIT;
#if HNUMA_HAVE_RSEQ
	memset(&area, 0, sizeof(area));
	area.cpu_id = CPU;
	area.cpu_id_start = CPU;
#endif
}

static uint64_t hits(void)
{
	return atomic_load(&cache.word) / (uint64_t)HNUMA_CACHE_HIT;
}

static void one_by_one(void)
{
	empty_cache();
	CU_ASSERT_EQUAL(take(HNUMA_CACHE_TAKE_HIT), HNUMA_NO_BLOCK);
	for (uint32_t i = 0; i < LIMIT; i++)
		CU_ASSERT(put(1000 + i));
	CU_ASSERT_FALSE(put(1));
	CU_ASSERT_EQUAL(hnuma_cache_depth(&cache), LIMIT);
	for (uint32_t i = LIMIT; i-- > 0;)
		CU_ASSERT_EQUAL(take(i % 2 ? HNUMA_CACHE_TAKE_HIT : HNUMA_CACHE_TAKE_MOVE),
				1000 + i);
	CU_ASSERT_EQUAL(take(HNUMA_CACHE_TAKE_HIT), HNUMA_NO_BLOCK);
	CU_ASSERT_EQUAL(hits(), LIMIT / 2);
	CU_ASSERT_EQUAL(hnuma_cache_depth(&cache), 0);
}

static void many(void)
{
	uint32_t blocks[HNUMA_CACHE_SLOTS], taken[HNUMA_CACHE_SLOTS];

	for (unsigned i = 0; i < HNUMA_CACHE_SLOTS; i++)
		blocks[i] = 7 * i + 3;
	for (unsigned n = 1; n <= LIMIT + 1; n++) {
		empty_cache();
		CU_ASSERT_FALSE(take_many(taken, n, HNUMA_CACHE_TAKE_HIT));
		CU_ASSERT_EQUAL(put_many(blocks, n), n <= LIMIT);
		CU_ASSERT_EQUAL(hnuma_cache_depth(&cache), n <= LIMIT ? n : 0);
		/* Full to the last slot, and one more than there are. */
		CU_ASSERT(n >= LIMIT || put_many(blocks, LIMIT - n));
		if (n >= LIMIT)
			continue;
		CU_ASSERT_FALSE(put_many(blocks, 1));
		CU_ASSERT_FALSE(take_many(taken, LIMIT + 1, HNUMA_CACHE_TAKE_HIT));
		CU_ASSERT_EQUAL(hnuma_cache_depth(&cache), LIMIT);
		CU_ASSERT(take_many(taken, LIMIT - n, HNUMA_CACHE_TAKE_MOVE));
		CU_ASSERT_EQUAL(memcmp(taken, blocks, (LIMIT - n) * sizeof(*taken)), 0);
		CU_ASSERT_EQUAL(hits(), 0);
		CU_ASSERT(take_many(taken, n, HNUMA_CACHE_TAKE_HIT));
		CU_ASSERT_EQUAL(memcmp(taken, blocks, n * sizeof(*taken)), 0);
		CU_ASSERT_EQUAL(hits(), n);
		CU_ASSERT_EQUAL(hnuma_cache_depth(&cache), 0);
	}
}

/* Nothing is done, and all is as it was. */
static void check_refused(void)
{
	const uint64_t word = atomic_load(&cache.word);
	uint32_t block = 1;

	CU_ASSERT_EQUAL(take(HNUMA_CACHE_TAKE_HIT), HNUMA_NO_BLOCK);
	CU_ASSERT_FALSE(put(2));
	CU_ASSERT_FALSE(take_many(&block, 1, HNUMA_CACHE_TAKE_HIT));
	CU_ASSERT_FALSE(put_many(&block, 1));
	CU_ASSERT_EQUAL(atomic_load(&cache.word), word);
	CU_ASSERT_EQUAL(cache.slots[0], 9);
	CU_ASSERT_EQUAL(cache.slots[1], 0);
}

static void seized(void)
{
	empty_cache();
	CU_ASSERT(put(9));
	CU_ASSERT(hnuma_cache_claim(&cache));
	CU_ASSERT_FALSE(hnuma_cache_claim(&cache));
	check_refused();
	hnuma_cache_unclaim(&cache);
	CU_ASSERT_EQUAL(take(HNUMA_CACHE_TAKE_HIT), 9);
}

static void test_claim(void)
{
	is_claiming = true;
	one_by_one();
	many();
	seized();
}

static void test_sequences(void)
{
#if HNUMA_HAVE_RSEQ
	is_claiming = false;
	one_by_one();
	many();
	seized();
	/* On another CPU by now. */
	empty_cache();
	CU_ASSERT(put(9));
	area.cpu_id = CPU + 1;
	check_refused();
	area.cpu_id = (uint32_t)RSEQ_CPU_ID_UNINITIALIZED;
	check_refused();
	area.cpu_id = CPU;
	CU_ASSERT_EQUAL(take(HNUMA_CACHE_TAKE_HIT), 9);
#endif
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"by the claim", test_claim},
		{"by sequences", test_sequences},
		CU_TEST_INFO_NULL,
	};

	return check_main("pool cache", tests);
}
