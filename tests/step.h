/* SPDX-License-Identifier: MIT */
/*
 * tests/step.h - a signal after each instruction: what races and signal handlers do once in a
 * million runs, a test does at every place in turn.
 *
 *	step_start();	from here on the thread gets SIGTRAP after every instruction
 *	...		what is tested; the handler runs with stepping off
 *	step_stop();
 *
 * STEP_IS_POSSIBLE says whether there is such a thing here: on x86-64, without ThreadSanitizer, which
 * holds signals back. Valgrind cannot step either, which only step_works_here() can tell.
 */
#ifndef HUGENUMA_TESTS_STEP_H
#define HUGENUMA_TESTS_STEP_H

#include <stdbool.h>

#include "lib/poison.h"

#if defined(__x86_64__)
#define STEP_IS_POSSIBLE 1
#if defined(__SANITIZE_THREAD__)
#undef STEP_IS_POSSIBLE
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#undef STEP_IS_POSSIBLE
#endif
#endif
#endif

#ifdef STEP_IS_POSSIBLE

/* Set and clear the trap flag. The red zone below the stack is left alone. */
static inline __attribute__((always_inline)) void step_start(void)
{
	__asm__ volatile("lea -128(%%rsp), %%rsp\n\t"
			 "pushfq\n\t"
			 "orq $0x100, (%%rsp)\n\t"
			 "popfq\n\t"
			 "lea 128(%%rsp), %%rsp" ::
				 : "memory", "cc");
}

static inline __attribute__((always_inline)) void step_stop(void)
{
	__asm__ volatile("lea -128(%%rsp), %%rsp\n\t"
			 "pushfq\n\t"
			 "andq $~0x100, (%%rsp)\n\t"
			 "popfq\n\t"
			 "lea 128(%%rsp), %%rsp" ::
				 : "memory", "cc");
}

static inline bool step_works_here(void)
{
#ifdef HAVE_VALGRIND_MEMCHECK_H
	return !RUNNING_ON_VALGRIND;
#else
	return true;
#endif
}

#endif

#endif
