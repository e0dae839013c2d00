/* SPDX-License-Identifier: MIT */
/*
 * lib/line.c - clearing many lines. Calls nothing but memset().
 */
#include "config.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "lib/line.h"

/*
 * From 2 KB on glibc's memset() uses `rep stosb`, which takes long to begin: a loop of 32-byte stores
 * clears 4 KB in two thirds of the time, and has less to wait for behind an atomic operation. From
 * here on what the memory takes is all there is to it, and memset() knows the machine better.
 */
#define LOOP_BYTES_MAX ((size_t)16 * 1024)

#if defined(__x86_64__)
__attribute__((target("avx"))) static void clear_by_loop(unsigned char *line, size_t bytes)
{
	const unsigned char *end = line + bytes;
	const __m256i zero = _mm256_setzero_si256();

	for (; line < end; line += HNUMA_CACHE_LINE) {
		_mm256_store_si256((__m256i *)line, zero);
		_mm256_store_si256((__m256i *)(line + HNUMA_CACHE_LINE / 2), zero);
		/* Or the compiler sees that this is a memset(), and calls it. */
		__asm__ volatile("");
	}
}
#endif

void *hnuma_line_clear_many(void *address, size_t bytes)
{
#if defined(__x86_64__)
	if (likely(bytes <= LOOP_BYTES_MAX) && likely(__builtin_cpu_supports("avx"))) {
		clear_by_loop(address, bytes);
		return address;
	}
#endif
	return memset(address, 0, bytes);
}
