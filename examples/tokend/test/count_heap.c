/* SPDX-License-Identifier: MIT */
/*
 * count_heap.c - to be preloaded: counts each thread's calls to malloc and its like, and tells the
 * server, which shows them in /metrics (step_heap_calls).
 */
#include <stddef.h>

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static _Thread_local unsigned long long calls __attribute__((tls_model("initial-exec")));

unsigned long long count_heap_calls(void)
{
	return calls;
}

void *malloc(size_t n)
{
	calls++;
	return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	calls++;
	return __libc_calloc(n, size);
}

void *realloc(void *old, size_t n)
{
	calls++;
	return __libc_realloc(old, n);
}

void *aligned_alloc(size_t alignment, size_t n)
{
	calls++;
	return __libc_memalign(alignment, n);
}

void *memalign(size_t alignment, size_t n)
{
	calls++;
	return __libc_memalign(alignment, n);
}

int posix_memalign(void **to, size_t alignment, size_t n)
{
	calls++;
	*to = __libc_memalign(alignment, n);
	return *to ? 0 : 12;
}
