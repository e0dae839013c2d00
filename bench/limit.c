/* SPDX-License-Identifier: MIT */
/* bench/limit.c - see limit.h. Calls nothing. */
#include "config.h"

#include "bench/limit.h"
#include "bench/peer.h"

#define STACK_SLOTS 4096u

/* As a library would have it: one instruction away. */
#define OWN static _Thread_local __attribute__((tls_model("initial-exec")))

OWN void *stack[STACK_SLOTS];
OWN unsigned depth;
OWN _Atomic unsigned char states[STACK_SLOTS];

/* Made-up addresses: nobody looks into the blocks. */
static __attribute__((noinline, cold)) void *fill(void)
{
	for (depth = 0; depth < STACK_SLOTS - 1; depth++)
		stack[depth] = (void *)((uintptr_t)(depth + 1) << 10);
	return (void *)((uintptr_t)STACK_SLOTS << 10);
}

BENCH_EXPORT void *limit_take(void *pool, int class_index)
{
	(void)class_index;
	return pool;
}

BENCH_EXPORT int limit_give(void *pool, void *block)
{
	(void)pool;
	(void)block;
	return 0;
}

static inline void *pop(void)
{
	return __builtin_expect(depth != 0, 1) ? stack[--depth] : fill();
}

static inline int push(void *block)
{
	if (__builtin_expect(depth == STACK_SLOTS, 0))
		return -1;
	stack[depth++] = block;
	return 0;
}

BENCH_EXPORT void *limit_stack_take(void *pool, int class_index)
{
	(void)pool;
	(void)class_index;
	return pop();
}

BENCH_EXPORT int limit_stack_give(void *pool, void *block)
{
	(void)pool;
	return push(block);
}

static inline _Atomic unsigned char *state_of(void *block)
{
	return &states[((uintptr_t)block >> 10) % STACK_SLOTS];
}

BENCH_EXPORT void *limit_marked_take(void *pool, int class_index)
{
	void *block = pop();

	(void)pool;
	(void)class_index;
	atomic_store_explicit(state_of(block), 2, memory_order_relaxed);
	return block;
}

BENCH_EXPORT int limit_marked_give(void *pool, void *block)
{
	unsigned char was = 2;

	(void)pool;
	if (!atomic_compare_exchange_strong_explicit(state_of(block), &was, 1, memory_order_acq_rel,
						     memory_order_relaxed))
		return -1;
	return push(block);
}

BENCH_EXPORT void limit_marked_take_many(void **blocks, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		blocks[i] = pop();
		atomic_store_explicit(state_of(blocks[i]), 2, memory_order_relaxed);
	}
}

BENCH_EXPORT int limit_marked_give_many(void *const *blocks, unsigned n)
{
	int error = 0;

	for (unsigned i = 0; i < n; i++)
		error |= limit_marked_give(NULL, blocks[i]);
	return error;
}

BENCH_EXPORT int limit_swap_give(void *pool, void *block)
{
	OWN _Atomic unsigned char state = 2;
	unsigned char was = 2;

	(void)pool;
	(void)block;
	return !atomic_compare_exchange_strong_explicit(&state, &was, 2, memory_order_acq_rel,
							memory_order_relaxed);
}

BENCH_EXPORT void *limit_alloc(struct limit_arena *arena, size_t count, size_t elem_size)
{
	(void)count;
	(void)elem_size;
	return arena;
}

BENCH_EXPORT void *limit_alloc_swapping(struct limit_arena *arena, size_t count, size_t elem_size)
{
	uint64_t bytes = count * elem_size;
	uint64_t cursor = atomic_load_explicit(&arena->cursor, memory_order_relaxed);

	do {
		if (bytes > arena->size - cursor)
			return NULL;
	} while (!atomic_compare_exchange_weak_explicit(&arena->cursor, &cursor, cursor + bytes,
							memory_order_relaxed,
							memory_order_relaxed));
	return arena->base + cursor;
}

BENCH_EXPORT void limit_reset(struct limit_arena *arena)
{
	atomic_store_explicit(&arena->cursor, 0, memory_order_release);
}
