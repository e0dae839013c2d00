/* SPDX-License-Identifier: MIT */
/*
 * tools/replay_run.c - starts the workers, watches them, and adds up what they did. Calls libc and
 * the replay's memory.
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/prefault.h"
#include "tools/replay.h"
#include "tools/ticks.h"

/* Workers call nothing deep. Small stacks are all populated before the start. */
#define STACK_BYTES ((size_t)512 * 1024)

void replay_fail(struct replay *replay, const char *format, ...)
{
	va_list arguments;

	pthread_mutex_lock(&replay->lock);
	if (replay->failure[0] == '\0') {
		va_start(arguments, format);
		vsnprintf(replay->failure, sizeof(replay->failure), format, arguments);
		va_end(arguments);
	}
	pthread_mutex_unlock(&replay->lock);
	atomic_store_explicit(&replay->stop, true, memory_order_relaxed);
}

static uint32_t find_most_blocks(const struct replay_job *job)
{
	uint64_t most = 0, tokens;
	size_t i;

	for (i = 0; i < job->nr_requests; i++) {
		tokens = (uint64_t)job->requests[i].context + job->requests[i].generated;
		if (tokens > most)
			most = tokens;
	}
	return model_blocks(most);
}

static int open_replay(struct replay *replay, const struct replay_job *job)
{
	size_t bytes = job->nr_workers * sizeof(*replay->workers);
	pthread_condattr_t attributes;
	unsigned i;

	memset(replay, 0, sizeof(*replay));
	replay->job = job;
	replay->memory = job->memory;
	replay->most_blocks = find_most_blocks(job);
	pthread_mutex_init(&replay->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&replay->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	replay->workers = aligned_alloc(_Alignof(struct replay_worker), bytes);
	if (!replay->workers)
		return -ENOMEM;
	memset(replay->workers, 0, bytes);
	if (replay_nodes_open(replay))
		return -ENOMEM;
	for (i = 0; i < job->nr_workers; i++) {
		struct replay_worker *worker = &replay->workers[i];

		worker->replay = replay;
		worker->index = i;
		worker->node = &replay->nodes[job->seats[i].node];
		worker->memory.memory = job->memory;
		worker->memory.node = job->seats[i].node;
		worker->memory.cpu = job->seats[i].cpu;
	}
	return 0;
}

static void close_replay(struct replay *replay)
{
	if (replay->nodes)
		replay_nodes_close(replay);
	free(replay->workers);
	pthread_cond_destroy(&replay->changed);
	pthread_mutex_destroy(&replay->lock);
}

/* Start the threads, with every signal blocked: they are the watching thread's. */
static int start_threads(struct replay *replay, unsigned *nr_started)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	unsigned i;
	int error = 0;

	*nr_started = 0;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (i = 0; i < replay->job->nr_workers && !error; i++) {
		error = pthread_create(&replay->workers[i].thread, &attributes, replay_worker_main,
				       &replay->workers[i]);
		*nr_started += !error;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	if (error)
		replay_fail(replay, "cannot start worker %u: %s", *nr_started, strerror(error));
	return -error;
}

/* Wait until the workers that were started are ready, and let them go, or end. */
static void open_gate(struct replay *replay, unsigned nr_started, bool is_abandoned)
{
	pthread_mutex_lock(&replay->lock);
	while (replay->nr_ready < nr_started)
		pthread_cond_wait(&replay->changed, &replay->lock);
	pthread_mutex_unlock(&replay->lock);
	if (!is_abandoned)
		prefault_process();
	pthread_mutex_lock(&replay->lock);
	replay->gate = is_abandoned ? REPLAY_GATE_ABANDONED : REPLAY_GATE_OPEN;
	pthread_cond_broadcast(&replay->changed);
	pthread_mutex_unlock(&replay->lock);
}

static struct replay_progress progress_of(struct replay *replay, double start)
{
	const struct replay_job *job = replay->job;
	struct replay_progress progress = {.requests_total = job->nr_requests};
	unsigned i;

	for (i = 0; i < job->nr_workers; i++) {
		progress.requests += atomic_load_explicit(&replay->workers[i].requests_done,
							  memory_order_relaxed);
		progress.tokens +=
			atomic_load_explicit(&replay->workers[i].tokens_done, memory_order_relaxed);
	}
	progress.seconds = ticks_seconds() - start;
	return progress;
}

static uint64_t count_tokens(const struct replay_job *job)
{
	uint64_t tokens = 0;
	size_t i;

	for (i = 0; i < job->nr_requests; i++)
		tokens += (uint64_t)job->requests[i].context + job->requests[i].generated;
	return tokens;
}

/* Until all workers have ended. Returns true when the watcher stopped them. */
static bool watch_workers(struct replay *replay, double start,
			  bool (*watch)(void *arg, const struct replay_progress *progress),
			  void *arg)
{
	const uint64_t tokens_total = count_tokens(replay->job);
	bool was_stopped = false, has_ended = false;

	while (!has_ended) {
		struct replay_progress progress;
		struct timespec until;

		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += 100000000;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		pthread_mutex_lock(&replay->lock);
		if (replay->nr_ended < replay->job->nr_workers)
			pthread_cond_timedwait(&replay->changed, &replay->lock, &until);
		has_ended = replay->nr_ended == replay->job->nr_workers;
		pthread_mutex_unlock(&replay->lock);
		progress = progress_of(replay, start);
		progress.tokens_total = tokens_total;
		if (!has_ended && watch && watch(arg, &progress)) {
			was_stopped = true;
			atomic_store_explicit(&replay->stop, true, memory_order_relaxed);
		}
	}
	return was_stopped;
}

static void add_counts(struct replay_counts *sum, const struct replay_counts *counts)
{
	sum->requests += counts->requests;
	sum->context_tokens += counts->context_tokens;
	sum->generated_tokens += counts->generated_tokens;
	sum->repeated_tokens += counts->repeated_tokens;
	sum->steps += counts->steps;
	sum->waits_at_start += counts->waits_at_start;
	sum->waits_in_flight += counts->waits_in_flight;
	sum->put_back += counts->put_back;
}

static void add_up(const struct replay *replay, struct replay_result *result)
{
	unsigned i, kind;

	for (i = 0; i < replay->job->nr_workers; i++) {
		const struct replay_worker *worker = &replay->workers[i];

		add_counts(&result->counts, &worker->counts);
		add_counts(&result->nodes[worker->node->index], &worker->counts);
		for (kind = 0; kind < REPLAY_NR_KINDS; kind++)
			histogram_merge(&result->times[kind], &worker->times[kind]);
		result->minor_faults += worker->minor_faults;
		result->major_faults += worker->major_faults;
	}
}

int replay_run(const struct replay_job *job,
	       bool (*watch)(void *arg, const struct replay_progress *progress), void *arg,
	       struct replay_result *result)
{
	struct replay replay;
	unsigned nr_started, i;
	uint64_t moved;
	double start;
	int error;

	memset(result, 0, sizeof(*result));
	result->nodes = calloc(job->memory->nr_nodes, sizeof(*result->nodes));
	error = open_replay(&replay, job);
	if (error || !result->nodes) {
		error = -ENOMEM;
		replay_fail(&replay, "no memory for the replay's own lists");
		goto close;
	}
	prefault_forbid_balancing();
	error = start_threads(&replay, &nr_started);
	moved = prefault_moved_pages();
	open_gate(&replay, nr_started, error != 0);
	start = ticks_seconds();
	if (!error)
		result->was_stopped = watch_workers(&replay, start, watch, arg);
	result->seconds = ticks_seconds() - start;
	for (i = 0; i < nr_started; i++)
		pthread_join(replay.workers[i].thread, NULL);
	result->moved_pages = prefault_moved_pages() - moved;
	add_up(&replay, result);
	/* A stop that came too late was none. */
	result->was_stopped &= result->counts.requests < job->nr_requests;

close:
	memcpy(result->failure, replay.failure, sizeof(result->failure));
	close_replay(&replay);
	return error;
}

void replay_result_free(struct replay_result *result)
{
	free(result->nodes);
	result->nodes = NULL;
}
