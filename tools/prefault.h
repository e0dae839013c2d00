/* SPDX-License-Identifier: MIT */
/*
 * tools/prefault.h - has every page of the process present, and keeps the kernel from taking them
 * away for its own ends as far as a process can. Calls libc only.
 */
#ifndef HUGENUMA_TOOLS_PREFAULT_H
#define HUGENUMA_TOOLS_PREFAULT_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Does it hold? A program that a sanitizer has instrumented touches more memory whenever it
 * likes.
 */
#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || \
	__has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define PREFAULT_HOLDS false
#else
#define PREFAULT_HOLDS true
#endif

/*
 * Populate what is mapped now: code and constants for reading, private memory (heap, stacks,
 * data) for writing. From then on a page fault is taken only for memory that is mapped later.
 * Best effort: what the kernel refuses stays as it is. Shared mappings and those above 64 MB are
 * left alone.
 */
void prefault_process(void);

/*
 * Automatic NUMA balancing makes pages of threads that have no memory policy fault on purpose, to
 * see who uses them. Give this thread, and those that it starts from now on, the policy that they
 * have anyway: local. Best effort.
 */
void prefault_forbid_balancing(void);

/*
 * Pages that the kernel has moved in this machine since it started, to make room for huge pages for
 * instance. Whoever touches a base page while it is moved takes a page fault. 0: not known.
 */
uint64_t prefault_moved_pages(void);

#endif
