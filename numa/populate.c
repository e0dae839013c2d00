/* SPDX-License-Identifier: MIT */
/*
 * numa/populate.c - MADV_POPULATE_WRITE in pieces, by pinned threads where that pays.
 *
 *	mapping  | piece | piece | piece | ...
 *	            ^ done     ^ next: whoever is free takes it
 *
 * A piece is the unit of progress and of stopping: after a failure nobody takes another one.
 *
 * Calls the C library's threads, numa/cpu.h for pinning, and the kernel through hnuma_sys.
 */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include <hugenuma.h>

#include "numa/cpu.h"
#include "numa/populate.h"
#include "numa/sys.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define PIECE_MAX_BYTES ((size_t)64 * 1024 * 1024)
#define PIECE_MIN_BYTES ((size_t)4 * 1024 * 1024)

/* Pieces per thread: enough for all to end at about the same time. */
#define PIECES_PER_THREAD 8

/* Every thread has at least this to do. */
#define THREAD_MIN_BYTES (HNUMA_POPULATE_PARALLEL_BYTES / 2)

/* A node's memory is busy with fewer; more would only compete for it. */
#define THREADS_MAX 16

/* What the pinning needs, with room to spare; the default of 8 MB would count against RLIMIT_AS. */
#define THREAD_STACK_BYTES ((size_t)256 * 1024)

/*
 * A signal may interrupt a piece at any time, and each new try goes on where the last one came to.
 * Only a kernel that never gets anywhere needs an end to it.
 */
#define INTERRUPTS_MAX 100000

struct job {
	const struct hnuma_populate *what;
	size_t piece_bytes;
	/* Relaxed, all three: see take_piece(). */
	_Atomic size_t next;	   /* the first byte that nobody has taken */
	_Atomic size_t next_check; /* who takes bytes behind it asks before */
	_Atomic int error;	   /* the first failure, or 0 */

	pthread_mutex_t lock; /* protects what is below */
	pthread_cond_t changed;
	size_t done_bytes;
	unsigned nr_running;
};

int hnuma_populate_piece(void *address, size_t size_bytes)
{
	int error;

	for (int tries = 0; tries < INTERRUPTS_MAX; tries++) {
		error = hnuma_sys.advise(address, size_bytes, MADV_POPULATE_WRITE);
		if (error != -EINTR)
			break;
	}
	return error;
}

/* May what begins at an offset, with a piece of this size, still be taken? One thread asks, for all. */
static int check_rest(struct job *job, size_t offset, size_t size_bytes)
{
	const struct hnuma_populate *what = job->what;
	const memory_order order = memory_order_relaxed;
	size_t due = atomic_load_explicit(&job->next_check, order);
	size_t next = offset + HNUMA_POPULATE_CHECK_BYTES, stretch = 0;
	int error;

	if (!what->check || offset + size_bytes <= due ||
	    !atomic_compare_exchange_strong_explicit(&job->next_check, &due, next, order, order))
		return 0;
	error = what->check(what->check_arg, what->size_bytes - offset, &stretch);
	/* Unless another one was at the next question before. */
	if (stretch > HNUMA_POPULATE_CHECK_BYTES)
		atomic_compare_exchange_strong_explicit(
			&job->next_check, &next,
			stretch < SIZE_MAX - offset ? offset + stretch : SIZE_MAX, order, order);
	return error;
}

/*
 * Take and populate the next piece. Returns its size, or 0 when there is none left to take. Relaxed
 * is enough: each byte's owner is settled by the addition itself, and what threads did to the memory
 * is seen by the caller through pthread_join().
 */
static size_t take_piece(struct job *job)
{
	const struct hnuma_populate *what = job->what;
	size_t offset, size;
	int error, none = 0;

	if (atomic_load_explicit(&job->error, memory_order_relaxed))
		return 0;
	offset = atomic_fetch_add_explicit(&job->next, job->piece_bytes, memory_order_relaxed);
	if (offset >= what->size_bytes)
		return 0;
	size = what->size_bytes - offset;
	if (size > job->piece_bytes)
		size = job->piece_bytes;
	error = check_rest(job, offset, size);
	if (!error)
		error = hnuma_populate_piece((char *)what->base + offset, size);
	if (!error)
		return size;
	atomic_compare_exchange_strong_explicit(&job->error, &none, error, memory_order_relaxed,
						memory_order_relaxed);
	return 0;
}

static void report(const struct hnuma_populate *what, size_t done_bytes)
{
	if (what->progress)
		what->progress(what->progress_arg, done_bytes, what->size_bytes);
}

static int populate_alone(struct job *job)
{
	size_t size, done = 0;

	job->piece_bytes = PIECE_MAX_BYTES;
	while ((size = take_piece(job)) != 0) {
		done += size;
		report(job->what, done);
	}
	return atomic_load_explicit(&job->error, memory_order_relaxed);
}

static void *work(void *arg)
{
	struct job *job = arg;
	size_t size;

	/* On another node's CPU it would be slower and no less right. */
	if (job->what->node >= 0)
		(void)hnuma_cpu_bind_near(job->what->topology, job->what->node);
	do {
		size = take_piece(job);
		pthread_mutex_lock(&job->lock);
		job->done_bytes += size;
		job->nr_running -= size == 0;
		pthread_cond_signal(&job->changed);
		pthread_mutex_unlock(&job->lock);
	} while (size);
	return NULL;
}

/* Start up to nr_threads threads with so much stack, or 0: the default. Returns how many there are. */
static unsigned start_sized(struct job *job, pthread_t *threads, unsigned nr_threads,
			    size_t stack_bytes)
{
	pthread_attr_t attr;
	unsigned started = 0;

	if (pthread_attr_init(&attr))
		return 0;
	if (!stack_bytes || !pthread_attr_setstacksize(&attr, stack_bytes)) {
		while (started < nr_threads && !pthread_create(&threads[started], &attr, work, job))
			started++;
	}
	pthread_attr_destroy(&attr);
	return started;
}

/* Start up to nr_threads threads that take no signals. Returns how many there are. */
static unsigned start(struct job *job, pthread_t *threads, unsigned nr_threads)
{
	sigset_t all, previous;
	unsigned started;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &previous);
	pthread_mutex_lock(&job->lock);
	started = start_sized(job, threads, nr_threads, THREAD_STACK_BYTES);
	/* A program's thread-local variables lie on the stack, too, and may need more than that. */
	if (started == 0)
		started = start_sized(job, threads, nr_threads, 0);
	job->nr_running = started;
	pthread_mutex_unlock(&job->lock);
	pthread_sigmask(SIG_SETMASK, &previous, NULL);
	return started;
}

/* Tell the caller how it goes until every thread is through. */
static void watch(struct job *job)
{
	size_t reported = 0;

	pthread_mutex_lock(&job->lock);
	for (;;) {
		size_t done = job->done_bytes;

		if (done != reported) {
			pthread_mutex_unlock(&job->lock);
			report(job->what, done);
			pthread_mutex_lock(&job->lock);
			reported = done;
			continue;
		}
		if (job->nr_running == 0)
			break;
		pthread_cond_wait(&job->changed, &job->lock);
	}
	pthread_mutex_unlock(&job->lock);
}

static int populate_together(struct job *job, unsigned nr_threads)
{
	pthread_t threads[THREADS_MAX];
	size_t piece = job->what->size_bytes / (nr_threads * PIECES_PER_THREAD);
	unsigned started;

	if (piece > PIECE_MAX_BYTES)
		piece = PIECE_MAX_BYTES;
	if (piece < PIECE_MIN_BYTES)
		piece = PIECE_MIN_BYTES;
	job->piece_bytes = piece & ~(HNUMA_HUGEPAGE - 1);
	started = start(job, threads, nr_threads);
	if (started == 0)
		return populate_alone(job);
	watch(job);
	for (unsigned i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	return atomic_load_explicit(&job->error, memory_order_relaxed);
}

int hnuma_populate(const struct hnuma_populate *what)
{
	struct job job = {.what = what, .next_check = HNUMA_POPULATE_CHECK_BYTES};
	size_t nr_threads = what->size_bytes / THREAD_MIN_BYTES;
	int error;

	if (what->size_bytes < HNUMA_POPULATE_PARALLEL_BYTES)
		return populate_alone(&job);
	if (nr_threads > THREADS_MAX)
		nr_threads = THREADS_MAX;
	/* One thread on the node is better than the caller, who may be far from it. */
	if (nr_threads > what->nr_cpus)
		nr_threads = what->nr_cpus ? what->nr_cpus : 1;
	pthread_mutex_init(&job.lock, NULL);
	pthread_cond_init(&job.changed, NULL);
	error = populate_together(&job, (unsigned)nr_threads);
	pthread_cond_destroy(&job.changed);
	pthread_mutex_destroy(&job.lock);
	return error;
}
