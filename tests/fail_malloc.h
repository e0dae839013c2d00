/* SPDX-License-Identifier: MIT */
/*
 * tests/fail_malloc.h - let the library's k-th allocation fail, as FAIL_MALLOC of fail_sys.h.
 *
 * For one test program: it is linked with -Wl,--wrap= of malloc, calloc, realloc, aligned_alloc and
 * strdup, which sends the calls of the program's own objects, the library's among them, here, and
 * leaves those of the C library and of hwloc alone.
 */
#ifndef HUGENUMA_TESTS_FAIL_MALLOC_H
#define HUGENUMA_TESTS_FAIL_MALLOC_H

#include <errno.h>
#include <stdlib.h>

#include "tests/fail_sys.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t nr, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t nr, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
char *__wrap_strdup(const char *text);

static bool fail_malloc_is_due(void)
{
	if (!fail_sys_is_due(FAIL_MALLOC))
		return false;
	errno = ENOMEM;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return fail_malloc_is_due() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t nr, size_t size)
{
	return fail_malloc_is_due() ? NULL : __real_calloc(nr, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
	return fail_malloc_is_due() ? NULL : __real_realloc(memory, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
	return fail_malloc_is_due() ? NULL : __real_aligned_alloc(alignment, size);
}

char *__wrap_strdup(const char *text)
{
	return fail_malloc_is_due() ? NULL : __real_strdup(text);
}

#endif
