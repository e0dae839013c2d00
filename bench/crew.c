/* SPDX-License-Identifier: MIT */
/*
 * bench/crew.c - see crew.h. Calls pthreads and libc.
 */
#include "config.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/crew.h"

/* All of a job's parts start with the same number; a thread that has done it waits for the next. */
static struct {
	pthread_mutex_t lock; /* protects what follows, up to the threads */
	pthread_cond_t changed;
	crew_work *work; /* NULL: end */
	void *arg;
	unsigned long job;
	unsigned nr_threads; /* that take part in it */
	unsigned nr_busy;

	pthread_t threads[CREW_MAX];
	void *arrays[CREW_MAX];
	int cpus[CREW_MAX];
	unsigned nr_started;
	unsigned nr_cpus;

	/* The barrier: the last to arrive begins the next phase. */
	_Alignas(64) _Atomic unsigned arrived;
	_Alignas(64) _Atomic unsigned phase;
} crew = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	/* Where that is not allowed the threads run where they may. */
	(void)pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

static void *live(void *arg)
{
	unsigned index = (unsigned)(uintptr_t)arg;
	unsigned long job = 0;

	pin(crew.cpus[index % crew.nr_cpus]);
	pthread_mutex_lock(&crew.lock);
	for (;;) {
		crew_work *work;

		while (crew.job == job)
			pthread_cond_wait(&crew.changed, &crew.lock);
		job = crew.job;
		work = crew.work;
		if (!work)
			break;
		if (index >= crew.nr_threads)
			continue;
		pthread_mutex_unlock(&crew.lock);
		work(crew.arg, index);
		pthread_mutex_lock(&crew.lock);
		if (--crew.nr_busy == 0)
			pthread_cond_broadcast(&crew.changed);
	}
	pthread_mutex_unlock(&crew.lock);
	return NULL;
}

static void find_cpus(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set))
		CPU_ZERO(&set);
	for (int cpu = 0; cpu < CPU_SETSIZE && crew.nr_cpus < CREW_MAX; cpu++) {
		if (CPU_ISSET(cpu, &set))
			crew.cpus[crew.nr_cpus++] = cpu;
	}
	if (crew.nr_cpus == 0)
		crew.nr_cpus = 1;
}

int crew_start(unsigned nr_threads)
{
	find_cpus();
	if (nr_threads > CREW_MAX)
		nr_threads = CREW_MAX;
	for (unsigned i = 0; i < nr_threads; i++) {
		int error;

		crew.arrays[i] = aligned_alloc(4096, CREW_ARRAY_BYTES);
		if (!crew.arrays[i]) {
			fprintf(stderr, "bench: no memory for %u threads\n", nr_threads);
			return -1;
		}
		memset(crew.arrays[i], 0, CREW_ARRAY_BYTES);
		error = pthread_create(&crew.threads[i], NULL, live, (void *)(uintptr_t)i);
		if (error) {
			fprintf(stderr, "bench: cannot start %u threads: %s\n", nr_threads,
				strerror(error));
			return -1;
		}
		crew.nr_started++;
	}
	return 0;
}

static void begin(crew_work *work, void *arg, unsigned nr_threads)
{
	pthread_mutex_lock(&crew.lock);
	crew.work = work;
	crew.arg = arg;
	crew.nr_threads = nr_threads;
	crew.nr_busy = nr_threads;
	crew.job++;
	pthread_cond_broadcast(&crew.changed);
	pthread_mutex_unlock(&crew.lock);
}

void crew_run(unsigned nr_threads, crew_work *work, void *arg)
{
	begin(work, arg, nr_threads);
	pthread_mutex_lock(&crew.lock);
	while (crew.nr_busy > 0)
		pthread_cond_wait(&crew.changed, &crew.lock);
	pthread_mutex_unlock(&crew.lock);
}

void crew_stop(void)
{
	begin(NULL, NULL, 0);
	for (unsigned i = 0; i < crew.nr_started; i++)
		pthread_join(crew.threads[i], NULL);
	for (unsigned i = 0; i < CREW_MAX; i++)
		free(crew.arrays[i]);
}

unsigned crew_nr_cpus(void)
{
	return crew.nr_cpus;
}

void *crew_array(unsigned index)
{
	return crew.arrays[index];
}

void crew_barrier(unsigned nr_threads)
{
	unsigned phase = atomic_load_explicit(&crew.phase, memory_order_relaxed);
	unsigned spins = 0;

	/* Acquire and release on both: what was done before is seen by all behind. */
	if (atomic_fetch_add_explicit(&crew.arrived, 1, memory_order_acq_rel) + 1 == nr_threads) {
		atomic_store_explicit(&crew.arrived, 0, memory_order_relaxed);
		atomic_store_explicit(&crew.phase, phase + 1, memory_order_release);
		return;
	}
	while (atomic_load_explicit(&crew.phase, memory_order_acquire) == phase)
		bench_spin(&spins);
}
