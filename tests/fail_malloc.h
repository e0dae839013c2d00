/* SPDX-License-Identifier: MIT */
/*
 * tests/fail_malloc.h - let the library's k-th allocation fail.
 *
 * For one test program: it is linked with -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc and
 * ,--wrap=aligned_alloc, which send the calls of the program's own objects, the library's among
 * them, here, and leave those of the C library and of hwloc alone. One thread at a time.
 */
#ifndef HUGENUMA_TESTS_FAIL_MALLOC_H
#define HUGENUMA_TESTS_FAIL_MALLOC_H

#include <stdbool.h>
#include <stdlib.h>

#include "tests/check.h"

static long fail_countdown = -1; /* allocations until one fails; -1: never */
static bool fail_goes_on;	 /* and all after it */
static bool fail_happened;

static bool fail_is_due(void)
{
	if (fail_countdown < 0)
		return false;
	if (fail_countdown > 0) {
		fail_countdown--;
		return false;
	}
	if (!fail_goes_on)
		fail_countdown = -1;
	fail_happened = true;
	return true;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t nr, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t nr, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);

void *__wrap_malloc(size_t size)
{
	return fail_is_due() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t nr, size_t size)
{
	return fail_is_due() ? NULL : __real_calloc(nr, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
	return fail_is_due() ? NULL : __real_realloc(memory, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
	return fail_is_due() ? NULL : __real_aligned_alloc(alignment, size);
}

/*
 * Do f, which leaves nothing behind, with the k-th allocation failing, for each k that f comes to:
 * once that one alone, once all from there on. It must report -ENOMEM, or have managed without.
 */
static void fail_each(int (*f)(void), int least_failures)
{
	for (int goes_on = 0; goes_on < 2; goes_on++) {
		int nr_failures = 0;

		fail_happened = true;
		for (long k = 0; k < 10000 && fail_happened; k++) {
			struct check_state before;
			int error;

			check_snapshot(&before);
			fail_happened = false;
			fail_goes_on = goes_on;
			fail_countdown = k;
			error = f();
			fail_countdown = -1;
			CU_ASSERT(error == 0 || error == -ENOMEM);
			CU_ASSERT(error == 0 || fail_happened);
			nr_failures += error != 0;
			check_unchanged(&before);
		}
		CU_ASSERT_FALSE(fail_happened);
		CU_ASSERT(nr_failures >= least_failures);
	}
}

#endif
