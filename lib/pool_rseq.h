/* SPDX-License-Identifier: MIT */
/*
 * lib/pool_rseq.h - a CPU's cache of free blocks worked by restartable sequences. For lib/pool*.c
 * only.
 *
 * A restartable sequence is a stretch of instructions that the kernel promises to run on one CPU
 * without anything else of this process running there in between: when the thread is preempted,
 * migrated or gets a signal inside of it, it continues at the abort address instead. So the last
 * instruction, a plain store, commits the whole, and neither locks nor atomic instructions are
 * needed. glibc registers every thread with the kernel (<sys/rseq.h>).
 *
 * Why it is right:
 *
 *  - The stack of CPU n is changed only by sequences that have compared the CPU number with n, so by
 *    one thread at a time, and by a thread that has seized it (below).
 *  - Before the commit nothing is changed that anybody looks at: a put writes its slot above the
 *    depth, where the next put would write too; a take only reads. So an abort at any instruction
 *    leaves the stack as it was, and a commit is one store of depth and hits together.
 *  - Seizing a cache, under its home's lock: claim = 1, then hnuma_rseq_fence(), which aborts every
 *    sequence that is under way on any CPU and orders memory with each. A sequence that began before
 *    has then either committed, which the seizer sees, or been aborted; one that begins after reads
 *    claim == 1 and goes to the depot. The claim is given back by a store with release order, and
 *    read with acquire order, so that the next sequence sees what the seizer did to the slots.
 *  - ABA cannot happen: nothing is compared at the commit. Whoever else could have changed the word
 *    in between has aborted the sequence.
 *
 * The descriptor, 32 bytes, tells the kernel where the sequence begins, how long it is and where the
 * abort address is; four bytes before that address stands a signature, so that nobody can make the
 * kernel jump elsewhere.
 */
#ifndef HNUMA_LIB_POOL_RSEQ_H
#define HNUMA_LIB_POOL_RSEQ_H

#include "lib/pool_books.h"
#include "numa/rseq.h"

#if HNUMA_HAVE_RSEQ

/*
 * Everything below is told where a thread's struct rseq lies, as an offset from its thread pointer:
 * what __rseq_offset says. That variable is the C library's and two loads away; a pool keeps it.
 */

/* clang-format off */

#if defined(__x86_64__)

/* A field of the calling thread's struct rseq, as an operand: the thread pointer is a segment's base. */
#define HNUMA_RSEQ_FIELD(name) "%%fs:%c[" #name "](%[offset])"

#define HNUMA_RSEQ_INPUTS						\
	[offset] "r"(offset),						\
	[cpu_id] "i"(offsetof(struct rseq, cpu_id)),			\
	[descriptor] "i"(offsetof(struct rseq, rseq_cs)),		\
	[slots] "i"(offsetof(struct hnuma_cache, slots))

/* The CPU that the calling thread is on, as a hint; of no use, but in range, when unregistered. */
static inline unsigned hnuma_rseq_cpu(ptrdiff_t offset)
{
	unsigned cpu;

	__asm__ volatile("movl %%fs:%c[start](%[offset]), %[cpu]"
			 : [cpu] "=r"(cpu)
			 : [offset] "r"(offset), [start] "i"(offsetof(struct rseq, cpu_id_start)));
	return cpu;
}

/*
 * Labels: 1 begin, 2 end (behind the commit), 3 descriptor, 4 abort address, 5 the way out when the
 * cache is seized or its stack not right, 6 on. Not `asm goto`: gcc 12 loses its labels when it
 * threads jumps. What is rare lies in a section of its own, so that the way through has no jump. 4 and
 * 5 differ by an instruction that does nothing, so that a test can tell who came there by which.
 */
#define HNUMA_RSEQ_BEGIN						\
	".pushsection __rseq_cs, \"aw\"\n\t"				\
	".balign 32\n"							\
	"3:\n\t"							\
	".long 0, 0\n\t"						\
	".quad 1f, 2f - 1f, 4f\n\t"					\
	".popsection\n\t"						\
	"leaq 3b(%%rip), %[at]\n\t"					\
	"movq %[at], " HNUMA_RSEQ_FIELD(descriptor) "\n"		\
	"1:\n\t"							\
	"cmpl %[cpu], " HNUMA_RSEQ_FIELD(cpu_id) "\n\t"			\
	"jne 5f\n\t"							\
	"cmpl $0, %[claim]\n\t"						\
	"jne 5f\n\t"							\
	"movq %[word], %[next]\n\t"					\
	"movzbl %b[next], %k[at]\n\t"

/* `failed` is the instruction that makes the result say so; 0x53053053 the signature. */
#define HNUMA_RSEQ_END(failed)						\
	"2:\n\t"							\
	".pushsection .text.unlikely.hnuma_rseq, \"ax\"\n\t"		\
	".byte 0x0f, 0xb9, 0x3d\n\t" /* ud1: an instruction to disassemblers */ \
	".long 0x53053053\n"						\
	"4:\n\t"							\
	"nop\n"								\
	"5:\n\t"							\
	failed								\
	"jmp 6f\n\t"							\
	".popsection\n"							\
	"6:\n\t"

/*
 * Take the block that was put last and add `delta` to the word. Returns HNUMA_NO_BLOCK when the stack
 * is empty or seized, or the sequence was aborted.
 */
static inline uint32_t hnuma_rseq_take(ptrdiff_t offset, struct hnuma_cache *cache, unsigned cpu,
				       int64_t delta)
{
	uint64_t next, at;

	__asm__ volatile(
		HNUMA_RSEQ_BEGIN
		"testl %k[at], %k[at]\n\t"
		"je 5f\n\t"
		"movl %c[slots]-4(%[cache], %[at], 4), %k[at]\n\t"
		"addq %[delta], %[next]\n\t"
		"movq %[next], %[word]\n"
		HNUMA_RSEQ_END("movl $-1, %k[at]\n\t")
		: [next] "=&r"(next), [at] "=&r"(at), [word] "+m"(cache->word)
		: HNUMA_RSEQ_INPUTS, [cpu] "r"(cpu), [claim] "m"(cache->claim),
		  [cache] "r"(cache), [delta] "er"(delta)
		: "memory", "cc");
	return (uint32_t)at;
}

/* Put a block. False when the stack is full or seized, or the sequence was aborted. */
static inline bool hnuma_rseq_put(ptrdiff_t offset, struct hnuma_cache *cache, unsigned cpu,
				  uint32_t block)
{
	uint64_t next, at;

	__asm__ volatile(
		HNUMA_RSEQ_BEGIN
		"cmpl %[limit], %k[at]\n\t"
		"jae 5f\n\t"
		"movl %[block], %c[slots](%[cache], %[at], 4)\n\t"
		"addq $1, %[next]\n\t"
		"movq %[next], %[word]\n"
		HNUMA_RSEQ_END("movl $-1, %k[at]\n\t")
		: [next] "=&r"(next), [at] "=&r"(at), [word] "+m"(cache->word)
		: HNUMA_RSEQ_INPUTS, [cpu] "r"(cpu), [claim] "m"(cache->claim),
		  [limit] "m"(cache->limit), [cache] "r"(cache), [block] "r"(block)
		: "memory", "cc");
	return (uint32_t)at != HNUMA_NO_BLOCK;
}

/*
 * Put n blocks in one sequence, or none: false also when they do not all fit. A copy that is aborted
 * half-way has written above the depth only.
 */
static inline bool hnuma_rseq_put_many(ptrdiff_t offset, struct hnuma_cache *cache, unsigned cpu,
				       const uint32_t *blocks, uint64_t n)
{
	uint64_t next, at, i;
	uint32_t block;

	__asm__ volatile(
		HNUMA_RSEQ_BEGIN
		"leal (%k[at], %k[n]), %k[i]\n\t"
		"cmpl %[limit], %k[i]\n\t"
		"ja 5f\n\t"
		"leaq %c[slots](%[cache], %[at], 4), %[at]\n\t"
		"xorl %k[i], %k[i]\n"
		"7:\n\t"
		"movl (%[blocks], %[i], 4), %[block]\n\t"
		"movl %[block], (%[at], %[i], 4)\n\t"
		"addq $1, %[i]\n\t"
		"cmpq %[n], %[i]\n\t"
		"jb 7b\n\t"
		"addq %[n], %[next]\n\t"
		"movq %[next], %[word]\n"
		HNUMA_RSEQ_END("movq $-1, %[at]\n\t")
		: [next] "=&r"(next), [at] "=&r"(at), [i] "=&r"(i), [block] "=&r"(block),
		  [word] "+m"(cache->word)
		: HNUMA_RSEQ_INPUTS, [cpu] "r"(cpu), [claim] "m"(cache->claim),
		  [limit] "m"(cache->limit), [cache] "r"(cache), [blocks] "r"(blocks), [n] "r"(n)
		: "memory", "cc");
	return at != UINT64_MAX;
}

/*
 * Take the n blocks that were put last in one sequence, or none; `delta` is for each of them. What an
 * aborted copy has written to `blocks` means nothing.
 */
static inline bool hnuma_rseq_take_many(ptrdiff_t offset, struct hnuma_cache *cache, unsigned cpu,
					uint32_t *blocks, uint64_t n, int64_t delta)
{
	uint64_t next, at, i;
	uint32_t block;

	__asm__ volatile(
		HNUMA_RSEQ_BEGIN
		"subq %[n], %[at]\n\t"
		"jb 5f\n\t"
		"leaq %c[slots](%[cache], %[at], 4), %[at]\n\t"
		"xorl %k[i], %k[i]\n"
		"7:\n\t"
		"movl (%[at], %[i], 4), %[block]\n\t"
		"movl %[block], (%[blocks], %[i], 4)\n\t"
		"addq $1, %[i]\n\t"
		"cmpq %[n], %[i]\n\t"
		"jb 7b\n\t"
		"addq %[delta], %[next]\n\t"
		"movq %[next], %[word]\n"
		HNUMA_RSEQ_END("movq $-1, %[at]\n\t")
		: [next] "=&r"(next), [at] "=&r"(at), [i] "=&r"(i), [block] "=&r"(block),
		  [word] "+m"(cache->word)
		: HNUMA_RSEQ_INPUTS, [cpu] "r"(cpu), [claim] "m"(cache->claim),
		  [cache] "r"(cache), [blocks] "r"(blocks), [n] "r"(n),
		  [delta] "r"((int64_t)n * delta)
		: "memory", "cc");
	return at != UINT64_MAX;
}

#elif defined(__aarch64__)

/*
 * As above, with two differences. The claim is read with acquire order, which x86-64 loads have by
 * themselves. The way out lies behind the end: a conditional branch reaches 1 MB, which another
 * section may be away from.
 */
#define HNUMA_RSEQ_BEGIN						\
	".pushsection __rseq_cs, \"aw\"\n\t"				\
	".balign 32\n"							\
	"3:\n\t"							\
	".long 0, 0\n\t"						\
	".quad 1f, 2f - 1f, 4f\n\t"					\
	".popsection\n\t"						\
	"adrp %[at], 3b\n\t"						\
	"add %[at], %[at], :lo12:3b\n\t"				\
	"str %[at], %[descriptor]\n"					\
	"1:\n\t"							\
	"ldr %w[at], %[cpu_id]\n\t"					\
	"cmp %w[at], %w[cpu]\n\t"					\
	"b.ne 5f\n\t"							\
	"ldar %w[at], %[claim]\n\t"					\
	"cbnz %w[at], 5f\n\t"						\
	"ldr %[next], %[word]\n\t"					\
	"and %[at], %[next], #0xff\n\t"

#define HNUMA_RSEQ_END							\
	"2:\n\t"							\
	"b 6f\n\t"							\
	".inst 0xd428bc00\n" /* the signature: brk #0x45e0 */		\
	"4:\n\t"							\
	"nop\n"								\
	"5:\n\t"							\
	"mov %w[at], #-1\n"						\
	"6:\n\t"

static inline struct rseq *hnuma_rseq_at(ptrdiff_t offset)
{
	return (struct rseq *)((char *)__builtin_thread_pointer() + offset);
}

static inline unsigned hnuma_rseq_cpu(ptrdiff_t offset)
{
	return __atomic_load_n(&hnuma_rseq_at(offset)->cpu_id_start, __ATOMIC_RELAXED);
}

static inline uint32_t hnuma_rseq_take(ptrdiff_t offset, struct hnuma_cache *cache, unsigned cpu,
				       int64_t delta)
{
	struct rseq *area = hnuma_rseq_at(offset);
	uint64_t next, at;

	__asm__ volatile(
		HNUMA_RSEQ_BEGIN
		"cbz %[at], 5f\n\t"
		"sub %[at], %[at], #1\n\t"
		"ldr %w[at], [%[slots], %[at], lsl #2]\n\t"
		"add %[next], %[next], %[delta]\n\t"
		"str %[next], %[word]\n"
		HNUMA_RSEQ_END
		: [next] "=&r"(next), [at] "=&r"(at), [word] "+m"(cache->word),
		  [descriptor] "=m"(area->rseq_cs)
		: [cpu_id] "m"(area->cpu_id), [cpu] "r"(cpu), [claim] "Q"(cache->claim),
		  [slots] "r"(cache->slots), [delta] "r"(delta)
		: "memory", "cc");
	return (uint32_t)at;
}

static inline bool hnuma_rseq_put(ptrdiff_t offset, struct hnuma_cache *cache, unsigned cpu,
				  uint32_t block)
{
	struct rseq *area = hnuma_rseq_at(offset);
	uint64_t next, at;

	__asm__ volatile(
		HNUMA_RSEQ_BEGIN
		"cmp %w[at], %w[limit]\n\t"
		"b.hs 5f\n\t"
		"str %w[block], [%[slots], %[at], lsl #2]\n\t"
		"add %[next], %[next], #1\n\t"
		"str %[next], %[word]\n"
		HNUMA_RSEQ_END
		: [next] "=&r"(next), [at] "=&r"(at), [word] "+m"(cache->word),
		  [descriptor] "=m"(area->rseq_cs)
		: [cpu_id] "m"(area->cpu_id), [cpu] "r"(cpu), [claim] "Q"(cache->claim),
		  [slots] "r"(cache->slots), [limit] "r"(cache->limit), [block] "r"(block)
		: "memory", "cc");
	return (uint32_t)at != HNUMA_NO_BLOCK;
}

static inline bool hnuma_rseq_put_many(ptrdiff_t offset, struct hnuma_cache *cache, unsigned cpu,
				       const uint32_t *blocks, uint64_t n)
{
	struct rseq *area = hnuma_rseq_at(offset);
	uint64_t next, at, i;
	uint32_t block;

	__asm__ volatile(
		HNUMA_RSEQ_BEGIN
		"add %w[i], %w[at], %w[n]\n\t"
		"cmp %w[i], %w[limit]\n\t"
		"b.hi 5f\n\t"
		"add %[at], %[slots], %[at], lsl #2\n\t"
		"mov %[i], #0\n"
		"7:\n\t"
		"ldr %w[block], [%[blocks], %[i], lsl #2]\n\t"
		"str %w[block], [%[at], %[i], lsl #2]\n\t"
		"add %[i], %[i], #1\n\t"
		"cmp %[i], %[n]\n\t"
		"b.lo 7b\n\t"
		"add %[next], %[next], %[n]\n\t"
		"str %[next], %[word]\n"
		HNUMA_RSEQ_END
		: [next] "=&r"(next), [at] "=&r"(at), [i] "=&r"(i), [block] "=&r"(block),
		  [word] "+m"(cache->word), [descriptor] "=m"(area->rseq_cs)
		: [cpu_id] "m"(area->cpu_id), [cpu] "r"(cpu), [claim] "Q"(cache->claim),
		  [slots] "r"(cache->slots), [limit] "r"(cache->limit), [blocks] "r"(blocks),
		  [n] "r"(n)
		: "memory", "cc");
	/* A slot's address is a multiple of 4. */
	return (uint32_t)at != HNUMA_NO_BLOCK;
}

static inline bool hnuma_rseq_take_many(ptrdiff_t offset, struct hnuma_cache *cache, unsigned cpu,
					uint32_t *blocks, uint64_t n, int64_t delta)
{
	struct rseq *area = hnuma_rseq_at(offset);
	uint64_t next, at, i;
	uint32_t block;

	__asm__ volatile(
		HNUMA_RSEQ_BEGIN
		"subs %[at], %[at], %[n]\n\t"
		"b.lo 5f\n\t"
		"add %[at], %[slots], %[at], lsl #2\n\t"
		"mov %[i], #0\n"
		"7:\n\t"
		"ldr %w[block], [%[at], %[i], lsl #2]\n\t"
		"str %w[block], [%[blocks], %[i], lsl #2]\n\t"
		"add %[i], %[i], #1\n\t"
		"cmp %[i], %[n]\n\t"
		"b.lo 7b\n\t"
		"add %[next], %[next], %[delta]\n\t"
		"str %[next], %[word]\n"
		HNUMA_RSEQ_END
		: [next] "=&r"(next), [at] "=&r"(at), [i] "=&r"(i), [block] "=&r"(block),
		  [word] "+m"(cache->word), [descriptor] "=m"(area->rseq_cs)
		: [cpu_id] "m"(area->cpu_id), [cpu] "r"(cpu), [claim] "Q"(cache->claim),
		  [slots] "r"(cache->slots), [blocks] "r"(blocks), [n] "r"(n),
		  [delta] "r"((int64_t)n * delta)
		: "memory", "cc");
	return (uint32_t)at != HNUMA_NO_BLOCK;
}

#endif /* __aarch64__ */

/* clang-format on */

#endif /* HNUMA_HAVE_RSEQ */

#endif
