/* SPDX-License-Identifier: MIT */
/*
 * bench/crew.h - the threads that are timed: made once, each tied to a CPU, known to every subject.
 *
 * Calls pthreads and libc. All but crew_barrier() is for the main thread.
 */
#ifndef HUGENUMA_BENCH_CREW_H
#define HUGENUMA_BENCH_CREW_H

#include <stddef.h>

#include "bench/peer.h"

#define CREW_MAX 16

/* Bytes of each thread's array, which starts on a page. */
#define CREW_ARRAY_BYTES ((size_t)256 * 1024)

typedef void crew_work(void *arg, unsigned index);

/*
 * Start the threads, by turns on the CPUs that the process may run on. Returns 0, or -1 and says why
 * on the standard error.
 */
int crew_start(unsigned nr_threads);
void crew_stop(void);

/* How many CPUs they have. */
unsigned crew_nr_cpus(void);

/* Run on the first nr_threads of them, and wait for all. */
void crew_run(unsigned nr_threads, crew_work *work, void *arg);

/* In a running crew_work: wait for the others. Spins, since what follows is timed. */
void crew_barrier(unsigned nr_threads);

/* In a running crew_work: the thread's own array. */
void *crew_array(unsigned index);

#endif
