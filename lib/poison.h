/* SPDX-License-Identifier: MIT */
/*
 * lib/poison.h - tell AddressSanitizer and Valgrind which bytes nobody owns, so that they report a
 * use after reset or release as they do for free().
 *
 * Header only. Calls the sanitizer's run time where the process has one: the references are weak,
 * so that it is enough that the program was built with -fsanitize=address; the library need not be.
 *
 * An object asks hnuma_poison_is_on() once, when it is made, and keeps the answer: without either
 * tool all that is left on a hot path is one branch that never changes its mind.
 */
#ifndef HNUMA_LIB_POISON_H
#define HNUMA_LIB_POISON_H

#include <stdbool.h>
#include <stddef.h>

#ifdef HAVE_VALGRIND_MEMCHECK_H
#include <valgrind/memcheck.h>
#endif

void __asan_poison_memory_region(const volatile void *address, size_t size) __attribute__((weak));
void __asan_unpoison_memory_region(const volatile void *address, size_t size) __attribute__((weak));

/* Does this process run under one of them? */
static inline bool hnuma_poison_is_on(void)
{
	if (__asan_poison_memory_region && __asan_unpoison_memory_region)
		return true;
#ifdef HAVE_VALGRIND_MEMCHECK_H
	return RUNNING_ON_VALGRIND != 0;
#else
	return false;
#endif
}

/* From now on, report every access. Call it only where hnuma_poison_is_on(). */
static inline void hnuma_poison(const void *address, size_t size)
{
	if (__asan_poison_memory_region)
		__asan_poison_memory_region(address, size);
#ifdef HAVE_VALGRIND_MEMCHECK_H
	(void)VALGRIND_MAKE_MEM_NOACCESS(address, size);
#endif
}

/*
 * Allow access again; Valgrind takes the content for uninitialised. ASan counts in units of eight
 * bytes: `address` is a multiple of 8, `size` may be any.
 */
static inline void hnuma_unpoison(const void *address, size_t size)
{
	if (__asan_unpoison_memory_region)
		__asan_unpoison_memory_region(address, size);
#ifdef HAVE_VALGRIND_MEMCHECK_H
	(void)VALGRIND_MAKE_MEM_UNDEFINED(address, size);
#endif
}

/* The same, for bytes whose content is known, such as the zeroes of a new region. */
static inline void hnuma_unpoison_defined(const void *address, size_t size)
{
	if (__asan_unpoison_memory_region)
		__asan_unpoison_memory_region(address, size);
#ifdef HAVE_VALGRIND_MEMCHECK_H
	(void)VALGRIND_MAKE_MEM_DEFINED(address, size);
#endif
}

#endif
