/* SPDX-License-Identifier: MIT */
/*
 * numa/rseq.h - can restartable sequences be used, and how does one interrupt those of others?
 *
 * May be called from lib/. The sequences themselves are in lib/pool_rseq.h. They need an
 * architecture for which they are written, a C library that registers threads (glibc 2.35), a kernel
 * that knows them and expedited membarriers for them (5.10), and neither Valgrind nor an emulator
 * nor ThreadSanitizer, which cannot see what they do.
 */
#ifndef HNUMA_NUMA_RSEQ_H
#define HNUMA_NUMA_RSEQ_H

#include <stdbool.h>

#if defined(__SANITIZE_THREAD__)
#define HNUMA_HAVE_RSEQ 0
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HNUMA_HAVE_RSEQ 0
#endif
#endif

#if !defined(HNUMA_HAVE_RSEQ) && (defined(__x86_64__) || defined(__aarch64__)) && \
	defined(__has_include)
#if __has_include(<sys/rseq.h>)
#define HNUMA_HAVE_RSEQ 1
#endif
#endif

#ifndef HNUMA_HAVE_RSEQ
#define HNUMA_HAVE_RSEQ 0
#endif

#if HNUMA_HAVE_RSEQ
#include <sys/rseq.h>

/* What the calling thread shares with the kernel. */
static inline struct rseq *hnuma_rseq_area(void)
{
	return (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
}
#endif

/*
 * May this process use them? Asks the kernel at each call, so that a test can change the answer.
 * GLIBC_TUNABLES=glibc.pthread.rseq=0 turns them off for a process.
 */
bool hnuma_rseq_is_usable(void);

/*
 * Abort every sequence of this process that is under way on any CPU; what they committed is seen by
 * the caller. Costs some microseconds. Returns 0, or -errno: nothing may be concluded then.
 */
int hnuma_rseq_fence(void);

#endif
