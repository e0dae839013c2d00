/* SPDX-License-Identifier: MIT */
/*
 * server.h - what the parts of the server share: the server, its workers, a client's reply.
 *
 *	socket (SO_REUSEPORT)          one for each worker; the kernel deals out connections
 *	   |
 *	evhttp, event base             http.c         routes
 *	   |                           completion.c   a request read and judged
 *	batch: queue, running          batch.c
 *	   |                           reply.c        tokens written back
 *	forward pass                   forward.c
 *	   |
 *	pages of keys and values       kv.c
 *	   |
 *	blocks of the node's pool      memory_hugenuma.c
 */
#ifndef TOKEND_SERVER_H
#define TOKEND_SERVER_H

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <pthread.h>
#include <stdatomic.h>

#include "batch.h"
#include "io_heap.h"
#include "memory.h"
#include "model.h"
#include "options.h"
#include "text.h"
#include "vocabulary.h"

/* Of a worker's memory, for libevent: a connection takes some 10 KB. */
#define IO_HEAP_BYTES ((size_t)8 * 1024 * 1024)

enum phase { PHASE_SERVE, PHASE_DRAIN, PHASE_ABORT };

struct server {
	struct options options;
	struct memory memory;
	struct vocabulary vocabulary;
	struct kv_shape kv_shape;
	struct batch_limits limits;
	struct worker *workers;
	unsigned nr_workers;
	unsigned port; /* that was obtained */
	_Atomic int phase;
	pthread_barrier_t ready; /* all workers have started, or cannot */
	pthread_barrier_t done;	 /* none of them will look at another any more */
	time_t started;
};

/* What a worker has counted of its clients; under its lock. */
struct worker_counts {
	unsigned long long requests, rejected, refused, hangups, finished;
	unsigned long long heap_calls; /* during steps; see worker.c */
};

/* A client who waits for tokens; one for each slot of the batch. */
struct reply {
	struct worker *worker;
	struct request *request;
	struct evhttp_request *http; /* NULL: nobody waits */
	struct evhttp_connection *connection;
	struct event hangup;
	bool is_stream;
	time_t created;
	struct text_tail tail; /* bytes of a character that is not complete yet */
};

struct worker {
	struct server *server;
	unsigned index;
	pthread_t thread;
	int socket;
	int wake;	   /* eventfd: the phase has changed */
	char message[512]; /* why it could not start */
	bool is_started;

	struct worker_memory memory;
	struct model model; /* its node's copy */
	void *books;	    /* of the run, on its node */
	struct io_heap io_heap;

	struct event_base *base;
	struct evhttp *http;
	struct evhttp_bound_socket *bound;
	struct event *woken;
	struct evbuffer *out;  /* what is being written */
	struct reply *replies; /* in the order of the batch's slots */
	unsigned nr_sending;   /* answers on their way */

	/* Held by the worker in a step and when requests come and go; by others to look. */
	pthread_mutex_t lock;
	struct batch batch;
	struct worker_counts counts;
};

/* worker.c */
size_t worker_bytes(const struct server *server, const struct model_shape *model);
void *worker_run(void *worker);

/* http.c */
int http_open(struct worker *worker);
void http_close(struct worker *worker);
/* Accept again, after there was no descriptor for it. */
void http_accept(struct worker *worker);
void http_stop_accepting(struct worker *worker);
/* Answer with {"error": ...}. */
void http_error(struct evhttp_request *http, int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void http_send(struct evhttp_request *http, int status, const char *type, const char *body,
	       size_t length);

/* completion.c */
void completion_handle(struct evhttp_request *http, void *worker);

/* reply.c */
void reply_begin(struct reply *reply, struct evhttp_request *http);
void reply_token(struct request *request, unsigned token, enum finish finish);
/* Drop everyone who waits. */
void reply_abort_all(struct worker *worker);

/* metrics.c, placement.c */
void metrics_handle(struct evhttp_request *http, void *worker);
void placement_handle(struct evhttp_request *http, void *worker);

#endif
