/* SPDX-License-Identifier: MIT */
/*
 * bench/loops.h - the loops over blocks that are timed, the same for every subject. A source defines
 * the macros below, includes this once, and gets the functions loop_*.
 *
 *	BLOCKS_BEGIN(instance)	 declare what the next ones need
 *	BLOCKS_TAKE()		 a block, or NULL
 *	BLOCKS_GIVE(block)
 *	BLOCKS_TAKE_MANY(blocks, n), BLOCKS_GIVE_MANY(blocks, n)
 *				 in one call; not defined where there is none
 */
#ifndef HUGENUMA_BENCH_LOOPS_H
#define HUGENUMA_BENCH_LOOPS_H

#include "bench/peer.h"

static void loop_pairs(void *instance, void **blocks, unsigned batch, uint64_t nr_pairs)
{
	BLOCKS_BEGIN(instance);

	for (uint64_t done = 0; done < nr_pairs; done += batch) {
		for (unsigned i = 0; i < batch; i++)
			blocks[i] = BLOCKS_TAKE();
		for (unsigned i = 0; i < batch; i++)
			BLOCKS_GIVE(blocks[i]);
	}
}

#ifdef BLOCKS_TAKE_MANY
static void loop_bulk(void *instance, void **blocks, unsigned batch, uint64_t nr_pairs)
{
	BLOCKS_BEGIN(instance);

	for (uint64_t done = 0; done < nr_pairs; done += batch) {
		BLOCKS_TAKE_MANY(blocks, batch);
		BLOCKS_GIVE_MANY(blocks, batch);
	}
}
#endif

/* The consumer's side may hold all blocks for a moment: then wait. */
static void loop_produce(void *instance, struct bench_ring *ring, uint64_t nr_blocks)
{
	BLOCKS_BEGIN(instance);

	for (uint64_t i = 0; i < nr_blocks; i++) {
		unsigned spins = 0;
		void *block;

		while (!(block = BLOCKS_TAKE()))
			bench_spin(&spins);
		bench_ring_put(ring, block);
	}
}

static void loop_consume(void *instance, struct bench_ring *ring, uint64_t nr_blocks)
{
	BLOCKS_BEGIN(instance);

	for (uint64_t i = 0; i < nr_blocks; i++)
		BLOCKS_GIVE(bench_ring_get(ring));
}

/* BENCH_MANY blocks, however long it takes. */
static inline void loop_take_many(void *instance, void **blocks)
{
	unsigned spins = 0;
	BLOCKS_BEGIN(instance);

#ifdef BLOCKS_TAKE_MANY
	while (BLOCKS_TAKE_MANY(blocks, BENCH_MANY) != 0)
		bench_spin(&spins);
#else
	for (unsigned i = 0; i < BENCH_MANY; i++) {
		while (!(blocks[i] = BLOCKS_TAKE()))
			bench_spin(&spins);
	}
#endif
}

static void loop_produce_many(void *instance, struct bench_ring *ring, uint64_t nr_blocks)
{
	void *blocks[BENCH_MANY];

	for (uint64_t done = 0; done < nr_blocks; done += BENCH_MANY) {
		loop_take_many(instance, blocks);
		for (unsigned i = 0; i < BENCH_MANY; i++)
			bench_ring_put(ring, blocks[i]);
	}
}

static void loop_consume_many(void *instance, struct bench_ring *ring, uint64_t nr_blocks)
{
	void *blocks[BENCH_MANY];
	BLOCKS_BEGIN(instance);

	for (uint64_t done = 0; done < nr_blocks; done += BENCH_MANY) {
		for (unsigned i = 0; i < BENCH_MANY; i++)
			blocks[i] = bench_ring_get(ring);
#ifdef BLOCKS_TAKE_MANY
		BLOCKS_GIVE_MANY(blocks, BENCH_MANY);
#else
		for (unsigned i = 0; i < BENCH_MANY; i++)
			BLOCKS_GIVE(blocks[i]);
#endif
	}
}

static inline uint32_t loop_interval(uint64_t start, uint64_t end)
{
	return end - start < UINT32_MAX ? (uint32_t)(end - start) : UINT32_MAX;
}

static void loop_tail(void *instance, void **blocks, unsigned batch, uint64_t nr_pairs,
		      uint32_t *ticks)
{
	uint64_t state = 1;
	BLOCKS_BEGIN(instance);

	for (uint64_t done = 0; done < nr_pairs;) {
		unsigned burst = 1 + bench_random(&state) % batch;

		if (burst > nr_pairs - done)
			burst = (unsigned)(nr_pairs - done);
		for (unsigned i = 0; i < burst; i++) {
			uint64_t start = bench_ticks();

			blocks[i] = BLOCKS_TAKE();
			*ticks++ = loop_interval(start, bench_ticks());
		}
		for (unsigned i = 0; i < burst; i++) {
			uint64_t start = bench_ticks();

			BLOCKS_GIVE(blocks[i]);
			*ticks++ = loop_interval(start, bench_ticks());
		}
		done += burst;
	}
}

/* Can nr_blocks blocks be had at one time? For open: the loops do not look. */
static __attribute__((unused)) bool loop_has_blocks(void *instance, void **blocks,
						    unsigned nr_blocks)
{
	unsigned held = 0;
	BLOCKS_BEGIN(instance);

	while (held < nr_blocks && (blocks[held] = BLOCKS_TAKE()))
		held++;
	for (unsigned i = 0; i < held; i++)
		BLOCKS_GIVE(blocks[i]);
	return held == nr_blocks;
}

#endif
