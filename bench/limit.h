/* SPDX-License-Identifier: MIT */
/*
 * bench/limit.h - functions of a shared library that do less than any allocator must: what they cost
 * is what no allocator in a shared library can go below on this machine. In a library of its own, so
 * that they are called as hugenuma's are.
 */
#ifndef HUGENUMA_BENCH_LIMIT_H
#define HUGENUMA_BENCH_LIMIT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/peer.h"

/* Nothing at all. */
void *limit_take(void *pool, int class_index);
int limit_give(void *pool, void *block);

/* A thread's own stack of blocks, without any check, and without a pool. */
void *limit_stack_take(void *pool, int class_index);
int limit_stack_give(void *pool, void *block);

/* The same; and a byte says of each block whether it is out, so that a double release is seen. */
void *limit_marked_take(void *pool, int class_index);
int limit_marked_give(void *pool, void *block);

/* Many in one call. */
void limit_marked_take_many(void **blocks, unsigned n);
int limit_marked_give_many(void *const *blocks, unsigned n);

/* One compare-and-swap, on a byte that no other thread ever touches. */
int limit_swap_give(void *pool, void *block);

/* An arena: nothing at all; one compare-and-swap on the cursor. */
struct limit_arena {
	_Alignas(64) _Atomic uint64_t cursor;
	unsigned char *base;
	uint64_t size;
};
void *limit_alloc(struct limit_arena *arena, size_t count, size_t elem_size);
void *limit_alloc_swapping(struct limit_arena *arena, size_t count, size_t elem_size);
void limit_reset(struct limit_arena *arena);

/* limits.c, in hugenuma's module: the limits as subjects, ended by one without a name. */
extern const struct bench_subject limits[];

#endif
