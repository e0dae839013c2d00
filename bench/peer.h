/* SPDX-License-Identifier: MIT */
/*
 * bench/peer.h - what a subject of the benchmark can do: hugenuma, a peer, or a limit.
 *
 * Peers are modules of their own, because several of them replace malloc() in whatever links them.
 * Those are opened with RTLD_LOCAL | RTLD_DEEPBIND: inside of the module its own malloc() is meant,
 * outside of it nobody sees that. The loops that are timed are compiled in the module, from the same
 * source for all (loops.h, steps.h), so that a peer is called as its users call it: through the
 * procedure linkage table, or inlined where its header does that.
 *
 * Calls libc only.
 */
#ifndef HUGENUMA_BENCH_PEER_H
#define HUGENUMA_BENCH_PEER_H

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* What a subject's figure means to the report. */
enum bench_kind {
	BENCH_OURS,
	BENCH_VARIANT, /* ours, used or set up otherwise */
	BENCH_PEER,
	BENCH_LIMIT, /* what no allocator of that kind can go below */
};

/* ---- One producer, one consumer --------------------------------------------------------------- */

#define BENCH_RING_SLOTS  256u
#define BENCH_MANY	  32u
#define BENCH_SPINS_YIELD 2000u

/* Each side writes its own line and knows of the other what it last saw there. */
struct bench_ring {
	_Alignas(64) _Atomic uint64_t head; /* written by the producer */
	uint64_t seen_tail;
	_Alignas(64) _Atomic uint64_t tail; /* written by the consumer */
	uint64_t seen_head;
	_Alignas(64) void *slots[BENCH_RING_SLOTS];
};

static inline void bench_spin(unsigned *spins)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#endif
	/* The other side may be waiting for this very CPU. */
	if (++*spins % BENCH_SPINS_YIELD == 0)
		sched_yield();
}

/* Acquire and release: what the producer wrote before its head is there for whoever saw that head. */
static inline void bench_ring_put(struct bench_ring *ring, void *block)
{
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	unsigned spins = 0;

	while (head - ring->seen_tail == BENCH_RING_SLOTS) {
		ring->seen_tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
		if (head - ring->seen_tail == BENCH_RING_SLOTS)
			bench_spin(&spins);
	}
	ring->slots[head % BENCH_RING_SLOTS] = block;
	atomic_store_explicit(&ring->head, head + 1, memory_order_release);
}

static inline void *bench_ring_get(struct bench_ring *ring)
{
	uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	unsigned spins = 0;
	void *block;

	while (tail == ring->seen_head) {
		ring->seen_head = atomic_load_explicit(&ring->head, memory_order_acquire);
		if (tail == ring->seen_head)
			bench_spin(&spins);
	}
	block = ring->slots[tail % BENCH_RING_SLOTS];
	atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
	return block;
}

/* ---- Time -------------------------------------------------------------------------------------- */

/* For single operations; the driver finds out how long a tick and a reading are. */
static inline uint64_t bench_ticks(void)
{
#if defined(__x86_64__)
	/* The fence: what came before has been done, what comes after has not begun. */
	__builtin_ia32_lfence();
	return __builtin_ia32_rdtsc();
#else
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
#endif
}

/* Burst sizes for the tail: the same sequence for every subject. */
static inline unsigned bench_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(*state >> 33);
}

/* ---- Subjects ---------------------------------------------------------------------------------- */

/*
 * Blocks of one size. An instance may be used by several threads at the same time; each has its own
 * array. All but open are loops to be timed. None of them checks for NULL: open has shown
 * that nr_blocks of them can be had; but produce waits where others have them for a moment.
 */
struct bench_blocks {
	/* What it opens stays until the end of the program. NULL: it cannot. */
	void *(*open)(size_t block_bytes, unsigned nr_blocks);

	/* Acquire `batch` blocks, then release them, and again, until nr_pairs are done. */
	void (*pairs)(void *instance, void **blocks, unsigned batch, uint64_t nr_pairs);
	/* The same in one call for `batch` blocks; NULL where there is no such call. */
	void (*bulk)(void *instance, void **blocks, unsigned batch, uint64_t nr_pairs);
	void (*produce)(void *instance, struct bench_ring *ring, uint64_t nr_blocks);
	void (*consume)(void *instance, struct bench_ring *ring, uint64_t nr_blocks);
	/* The same, BENCH_MANY at a time: in one call, where there is such a call. */
	void (*produce_many)(void *instance, struct bench_ring *ring, uint64_t nr_blocks);
	void (*consume_many)(void *instance, struct bench_ring *ring, uint64_t nr_blocks);
	/* Bursts of up to `batch`, each call timed: ticks receives 2 * nr_pairs intervals. */
	void (*tail)(void *instance, void **blocks, unsigned batch, uint64_t nr_pairs,
		     uint32_t *ticks);
};

/*
 * Allocations of one step, given up together. All calls on an instance are one thread's, but for fill,
 * which several may do at the same time.
 */
struct bench_steps {
	void *(*open)(size_t capacity_bytes); /* likewise */

	/* nr_steps times: nr_allocations of `bytes`, then reset. */
	void (*run)(void *instance, size_t bytes, unsigned nr_allocations, uint64_t nr_steps);
	/* The same with all of it zero; NULL where there is no such thing. */
	void (*run_zeroed)(void *instance, size_t bytes, unsigned nr_allocations,
			   uint64_t nr_steps);

	/* A thread's part of a step, without the reset, and the reset; NULL where one thread only may. */
	void (*fill)(void *instance, size_t bytes, unsigned nr_allocations);
	void (*reset)(void *instance);
};

/* A thread's own space for one call: get it, two slices of 64 bytes, reset it. */
struct bench_slices {
	void *(*open)(void); /* in the thread that will run */
	void (*close)(void *instance);
	void (*run)(void *instance, uint64_t nr_rounds);
};

/* Memory from the kernel, present when the call returns. */
struct bench_pages {
	void *(*take)(size_t bytes); /* hugetlb pages; NULL: cannot be had */
	void (*give)(void *memory, size_t bytes);
};

struct bench_subject {
	const char *name; /* NULL ends an array of them */
	enum bench_kind kind;
	const char *note; /* what one must know to compare, or NULL */

	/* Once in each thread, before it uses anything else. Returns 0 or -1. May be NULL. */
	int (*enter)(void);

	const struct bench_blocks *blocks;
	const struct bench_steps *steps;
	const struct bench_steps *lane_steps; /* ours alone: one worker's cursor */
	const struct bench_slices *slices;
	const struct bench_pages *pages;
	/* An address in the library that a replay with plain malloc may preload, or NULL. */
	const void *preload;
};

/*
 * A module's only symbol: make it ready, in the thread that also runs the rest of the benchmark.
 * Returns its subjects, or NULL and a reason in a sentence.
 */
#define BENCH_PEER_SYMBOL "bench_peer_open"
#define BENCH_EXPORT	  __attribute__((visibility("default")))
const struct bench_subject *bench_peer_open(const char **reason);

#endif
