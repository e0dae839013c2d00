/* SPDX-License-Identifier: MIT */
/*
 * metrics.c - GET /metrics: the library's own statistics, and the server's, for Prometheus. Calls
 * hugenuma, libc.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server.h"

/* What a worker had at one moment. */
struct sample {
	struct worker_counts clients;
	struct batch_counts batch;
	unsigned long long copied, taken, given, overflows;
	unsigned long long queued, running, pages, pages_in_use, step_most;
};

static const struct family {
	const char *name, *help;
	size_t offset;
} families[] = {
#define FAMILY(name, help, field)                          \
	{                                                  \
		name, help, offsetof(struct sample, field) \
	}
	FAMILY("requests_total", "Completions asked for.", clients.requests),
	FAMILY("requests_finished_total", "Completions made to their end.", clients.finished),
	FAMILY("requests_rejected_total", "Answered 429: the queue was full.", clients.rejected),
	FAMILY("requests_refused_total", "Answered 400.", clients.refused),
	FAMILY("requests_hung_up_total", "Clients who left before the end.", clients.hangups),
	FAMILY("preemptions_total", "Requests put back in the queue for want of pages.",
	       batch.preemptions),
	FAMILY("steps_total", "Passes through the model.", batch.steps),
	FAMILY("prompt_tokens_total", "Tokens of prompts.", batch.prompt_tokens),
	FAMILY("shared_tokens_total", "Tokens that another request had computed.",
	       batch.shared_tokens),
	FAMILY("tokens_total", "Tokens made.", batch.made_tokens),
	FAMILY("drafted_tokens_total", "Tokens guessed ahead.", batch.drafted_tokens),
	FAMILY("accepted_tokens_total", "Guesses that were right.", batch.accepted_tokens),
	FAMILY("kv_pages_copied_total", "Shared pages that were copied on write.", copied),
	FAMILY("kv_pages_taken_total", "Pages taken from the pool.", taken),
	FAMILY("kv_pages_given_total", "Pages given back.", given),
	FAMILY("step_heap_calls_total", "Calls to malloc in steps, where they are counted.",
	       clients.heap_calls),
	FAMILY("io_heap_overflows_total", "Allocations of libevent that went to malloc.",
	       overflows),
	FAMILY("queued_requests", "Requests that wait.", queued),
	FAMILY("running_requests", "Requests that are served.", running),
	FAMILY("kv_pages", "Pages of keys and values that there may be.", pages),
	FAMILY("kv_pages_in_use", "Pages that requests have.", pages_in_use),
	FAMILY("step_most_bytes", "The most that a step has used of its arena.", step_most),
};

static void take_sample(struct worker *worker, struct sample *s)
{
	const struct batch *batch = &worker->batch;

	pthread_mutex_lock(&worker->lock);
	*s = (struct sample){
		.clients = worker->counts,
		.batch = batch->counts,
		.copied = batch->kv.nr_copied,
		.taken = batch->kv.nr_taken,
		.given = batch->kv.nr_given,
		.overflows = worker->io_heap.nr_overflows,
		.queued = batch->queue.length,
		.running = batch->running.length,
		.pages = batch->kv.nr_pages,
		.pages_in_use = batch->kv.in_use,
		.step_most = worker->memory.arena
				     ? hnuma_arena_high_water_mark(worker->memory.arena)
				     : 0,
	};
	pthread_mutex_unlock(&worker->lock);
}

static int is_counter(const char *name)
{
	size_t length = strlen(name);

	return length > 6 && strcmp(name + length - 6, "_total") == 0;
}

static void print(const struct server *server, const struct sample *samples, FILE *out)
{
	for (size_t f = 0; f < sizeof(families) / sizeof(families[0]); f++) {
		const struct family *family = &families[f];

		fprintf(out, "# HELP tokend_%s %s\n# TYPE tokend_%s %s\n", family->name,
			family->help, family->name, is_counter(family->name) ? "counter" : "gauge");
		for (unsigned i = 0; i < server->nr_workers; i++)
			fprintf(out, "tokend_%s{worker=\"%u\",node=\"%d\"} %llu\n", family->name, i,
				server->workers[i].memory.node,
				*(const unsigned long long *)(const void
								      *)((const char *)&samples[i] +
									 family->offset));
	}
}

void metrics_handle(struct evhttp_request *http, void *arg)
{
	struct server *server = ((struct worker *)arg)->server;
	struct sample *samples = calloc(server->nr_workers, sizeof(*samples));
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);

	for (unsigned i = 0; i < server->nr_workers && samples; i++)
		take_sample(&server->workers[i], &samples[i]);
	if (samples && out) {
		if (server->memory.manager)
			hnuma_manager_print_stats(server->memory.manager, out, HNUMA_PROMETHEUS);
		print(server, samples, out);
	}
	if (out && fclose(out) == 0 && samples)
		http_send(http, HTTP_OK, "text/plain; version=0.0.4", text, length);
	else
		http_error(http, HTTP_INTERNAL, "no memory");
	free(text);
	free(samples);
}
