/* SPDX-License-Identifier: MIT */
/*
 * numa/process.h - in which process are we?
 *
 * Regions are not inherited by a child of fork(), so a child that used its parent's objects would
 * die of SIGSEGV. Every object therefore notes the epoch in which it was made, and every call
 * compares: one load and one comparison. The epoch changes in the child of fork() only.
 */
#ifndef HNUMA_NUMA_PROCESS_H
#define HNUMA_NUMA_PROCESS_H

#include <stdbool.h>

/* Written only by the child's side of fork(), when it has one thread: reading needs no atomic. */
extern unsigned hnuma_process_epoch __attribute__((visibility("hidden")));

/*
 * Begin to watch for forks. Once per process is enough, more does no harm: hnuma_topology_create() does,
 * and without a topology nothing else is made. Returns 0 or -ENOMEM.
 */
int hnuma_process_watch_forks(void);

/* Was an object that noted `epoch` made by a parent of this process? */
static inline bool hnuma_process_is_child_of(unsigned epoch)
{
	return __builtin_expect(epoch != hnuma_process_epoch, 0);
}

/* Sets the message for such an object and returns -EOWNERDEAD. `what` is its name: "pool". */
int hnuma_process_refuse(const char *what);

#endif
