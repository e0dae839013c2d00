/* SPDX-License-Identifier: MIT */
/*
 * worker.c - a thread on a core: takes what has come in, serves everyone a little, and again. Calls
 * libevent, batch.h, http.c, memory.h.
 */
#include <stdio.h>
#include <unistd.h>

#include "server.h"

/*
 * How often this thread has called malloc and its like: only there when a library that counts has
 * been preloaded (test/count_heap.c).
 */
extern unsigned long long count_heap_calls(void) __attribute__((weak));

/* What lies in the memory of the run: the batch's books, replies, libevent's heap. */
size_t worker_bytes(const struct server *server, const struct model_shape *model)
{
	size_t slots = server->limits.running + server->limits.queued;

	return batch_bytes(model, &server->kv_shape, &server->limits) +
	       slots * sizeof(struct reply) + IO_HEAP_BYTES + 3 * 64;
}

static void open_books(struct worker *worker)
{
	const struct server *server = worker->server;
	const struct model_shape *model = &worker->model.shape;
	char *at = worker->books;

	batch_open(&worker->batch, &worker->model, &server->kv_shape, &server->limits,
		   &worker->memory, at);
	worker->batch.on_token = reply_token;
	at += whole_lines(batch_bytes(model, &server->kv_shape, &server->limits));
	worker->replies = (void *)at;
	at += whole_lines(worker->batch.nr_slots * sizeof(*worker->replies));
	if (server->memory.manager)
		io_heap_use(&worker->io_heap, at, IO_HEAP_BYTES);
}

/* ---- Its life ---- */

static void wake(evutil_socket_t fd, short what, void *arg)
{
	struct worker *worker = arg;
	uint64_t times;

	(void)what;
	if (read(fd, &times, sizeof(times)) < 0)
		return;
	if (worker->server->phase == PHASE_ABORT)
		reply_abort_all(worker);
}

static struct event_base *new_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	/* A client's hanging up is to be noticed while nothing is read. */
	if (config && event_config_require_features(config, EV_FEATURE_EARLY_CLOSE) == 0)
		base = event_base_new_with_config(config);
	if (config)
		event_config_free(config);
	return base;
}

static int start(struct worker *worker)
{
	const struct memory_ops *ops = worker->server->memory.ops;

	if (ops->worker_open(&worker->memory)) {
		snprintf(worker->message, sizeof(worker->message), "CPU %d: %s", worker->memory.cpu,
			 hnuma_errormsg()[0] ? hnuma_errormsg()
					     : "it cannot be used, or memory is out");
		return -1;
	}
	worker->is_started = true;
	open_books(worker);
	worker->base = new_base();
	if (worker->base)
		worker->woken =
			event_new(worker->base, worker->wake, EV_READ | EV_PERSIST, wake, worker);
	if (worker->woken && event_add(worker->woken, NULL) == 0 && http_open(worker) == 0)
		return 0;
	snprintf(worker->message, sizeof(worker->message), "libevent: no memory, or no epoll");
	return -1;
}

static void stop(struct worker *worker)
{
	if (worker->woken)
		event_free(worker->woken);
	if (worker->base)
		event_base_free(worker->base);
	if (worker->is_started)
		worker->server->memory.ops->worker_close(&worker->memory);
	io_heap_use(NULL, NULL, 0);
}

static bool step(struct worker *worker)
{
	unsigned long long before = count_heap_calls ? count_heap_calls() : 0;
	bool did_something;

	pthread_mutex_lock(&worker->lock);
	did_something = batch_step(&worker->batch);
	if (count_heap_calls)
		worker->counts.heap_calls += count_heap_calls() - before;
	pthread_mutex_unlock(&worker->lock);
	return did_something;
}

/* A step, where there is one to be made, and whatever has come in since the last. */
static void turn(struct worker *worker)
{
	const struct timeval soon = {.tv_usec = 10000};

	if (!batch_is_idle(&worker->batch) && step(worker)) {
		event_base_loop(worker->base, EVLOOP_NONBLOCK);
		return;
	}
	/* Nothing to do, or no memory to do it with for now. */
	if (!batch_is_idle(&worker->batch))
		event_base_loopexit(worker->base, &soon);
	event_base_loop(worker->base, EVLOOP_ONCE);
}

/* Serve until the server stops and everyone has their answer. */
static void serve(struct worker *worker)
{
	const struct timeval moment = {.tv_usec = 50000};

	while (worker->server->phase == PHASE_SERVE) {
		http_accept(worker);
		turn(worker);
	}
	/* Who had connected by now is let in, and told that the server stops: not cut off. */
	event_base_loop(worker->base, EVLOOP_NONBLOCK);
	http_stop_accepting(worker);
	while (!batch_is_idle(&worker->batch) ||
	       (worker->nr_sending > 0 && worker->server->phase == PHASE_DRAIN))
		turn(worker);
	event_base_loopexit(worker->base, &moment);
	event_base_dispatch(worker->base);
}

void *worker_run(void *arg)
{
	struct worker *worker = arg;
	int failed = start(worker);

	pthread_barrier_wait(&worker->server->ready);
	if (!failed)
		serve(worker);
	http_close(worker);
	/* A worker that still serves may be asked what this one has (metrics.c, placement.c). */
	pthread_barrier_wait(&worker->server->done);
	stop(worker);
	return NULL;
}
