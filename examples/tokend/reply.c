/* SPDX-License-Identifier: MIT */
/*
 * reply.c - tokens on their way back to a client: one JSON object, or server-sent events; and
 * clients who hang up. Calls libevent, batch.h, text.h, vocabulary.h.
 */
#include <string.h>

#include "server.h"

/* The reply's connection is gone, or shall be. */
static void forget_connection(struct reply *reply)
{
	evhttp_connection_set_closecb(reply->connection, NULL, NULL);
	event_del(&reply->hangup);
	reply->http = NULL;
}

/* Nobody waits any more: the request's blocks go back at once. */
static void give_up(struct reply *reply)
{
	struct worker *worker = reply->worker;

	forget_connection(reply);
	pthread_mutex_lock(&worker->lock);
	batch_cancel(&worker->batch, reply->request);
	worker->counts.hangups++;
	pthread_mutex_unlock(&worker->lock);
}

/* The kernel says that the client has closed its end, while it waits for tokens. */
static void hung_up(evutil_socket_t socket, short what, void *arg)
{
	struct reply *reply = arg;

	(void)socket;
	(void)what;
	give_up(reply);
	evhttp_connection_free(reply->connection);
}

/*
 * libevent has found the connection broken, and frees it. The request is still ours then, if it has
 * been taken out of the connection.
 */
static void broken(struct evhttp_connection *connection, void *arg)
{
	struct reply *reply = arg;
	struct evhttp_request *http = reply->http;

	(void)connection;
	give_up(reply);
	if (!evhttp_request_get_connection(http))
		evhttp_request_free(http);
}

/*
 * While it waits for tokens it is not the client's turn to send: libevent would drop it for its silence
 * in the middle of a long answer.
 */
static void expect_request(struct worker *worker, struct evhttp_connection *connection,
			   bool is_expected)
{
	const struct timeval idle = {.tv_sec = worker->server->options.idle_seconds};

	bufferevent_set_timeouts(evhttp_connection_get_bufferevent(connection),
				 is_expected ? &idle : NULL, &idle);
}

/* ---- The end of an answer: it counts as being sent until its last byte is out ---- */

static void broken_while_sending(struct evhttp_connection *connection, void *worker)
{
	(void)connection;
	((struct worker *)worker)->nr_sending--;
}

static void sent(struct evhttp_request *http, void *arg)
{
	struct evhttp_connection *connection = evhttp_request_get_connection(http);
	struct worker *worker = arg;

	evhttp_connection_set_closecb(connection, NULL, NULL);
	expect_request(worker, connection, true);
	worker->nr_sending--;
}

static void watch_sending(struct worker *worker, struct evhttp_request *http)
{
	worker->nr_sending++;
	evhttp_connection_set_closecb(evhttp_request_get_connection(http), broken_while_sending,
				      worker);
	evhttp_request_set_on_complete_cb(http, sent, worker);
}

/* ---- What is written ---- */

static void put_head(struct evbuffer *out, const struct reply *reply)
{
	evbuffer_add_printf(out,
			    "{\"id\":\"cmpl-%u-%llu\",\"object\":\"text_completion\","
			    "\"created\":%lld,\"model\":\"tokend\",\"choices\":[{\"index\":0,"
			    "\"logprobs\":null,\"text\":\"",
			    reply->worker->index, (unsigned long long)reply->request->id,
			    (long long)reply->created);
}

/* The text of the token at a place of the request. */
static void put_text(struct evbuffer *out, struct reply *reply, unsigned at, bool is_last)
{
	char bytes[MOST_PIECE_BYTES], text[TEXT_GROWTH * (MOST_PIECE_BYTES + 4)];
	const struct request *request = reply->request;
	unsigned length = vocabulary_decode(&reply->worker->server->vocabulary,
					    request->tokens[at - 1], request->tokens[at], bytes);

	evbuffer_add(out, text, text_escape(text, &reply->tail, bytes, length, is_last));
}

static const char *finish_text(enum finish finish)
{
	switch (finish) {
	case FINISH_STOP:
		return "\"stop\"";
	case FINISH_LENGTH:
		return "\"length\"";
	case FINISH_NOT_YET:
		break;
	}
	return "null";
}

static void put_usage(struct evbuffer *out, const struct request *request)
{
	evbuffer_add_printf(
		out,
		",\"usage\":{\"prompt_tokens\":%u,\"completion_tokens\":%u,\"total_tokens\":%u}",
		request->nr_prompt, request->nr_tokens - request->nr_prompt, request->nr_tokens);
}

/* One event: what a token adds. */
static void put_event(struct evbuffer *out, struct reply *reply, unsigned token, enum finish finish)
{
	const struct request *request = reply->request;

	evbuffer_add(out, "data: ", 6);
	put_head(out, reply);
	put_text(out, reply, request->nr_tokens - 1, finish != FINISH_NOT_YET);
	evbuffer_add_printf(out, "\",\"token_ids\":[%u],\"finish_reason\":%s}]", token,
			    finish_text(finish));
	if (finish == FINISH_NOT_YET) {
		evbuffer_add(out, "}\n\n", 3);
		return;
	}
	put_usage(out, request);
	evbuffer_add_printf(out, "}\n\ndata: [DONE]\n\n");
}

/* The whole answer. */
static void put_answer(struct evbuffer *out, struct reply *reply, enum finish finish)
{
	const struct request *request = reply->request;

	put_head(out, reply);
	for (unsigned i = request->nr_prompt; i < request->nr_tokens; i++)
		put_text(out, reply, i, i + 1 == request->nr_tokens);
	evbuffer_add_printf(out, "\",\"token_ids\":[");
	for (unsigned i = request->nr_prompt; i < request->nr_tokens; i++)
		evbuffer_add_printf(out, i > request->nr_prompt ? ",%u" : "%u", request->tokens[i]);
	evbuffer_add_printf(out, "],\"finish_reason\":%s}]", finish_text(finish));
	put_usage(out, request);
	evbuffer_add(out, "}\n", 2);
}

/* ---- What others call ---- */

void reply_begin(struct reply *reply, struct evhttp_request *http)
{
	struct evhttp_connection *connection = evhttp_request_get_connection(http);
	struct evkeyvalq *headers = evhttp_request_get_output_headers(http);
	struct bufferevent *buffers = evhttp_connection_get_bufferevent(connection);

	reply->http = http;
	reply->connection = connection;
	reply->created = time(NULL);
	reply->tail.length = 0;
	evhttp_connection_set_closecb(connection, broken, reply);
	event_assign(&reply->hangup, reply->worker->base, bufferevent_getfd(buffers), EV_CLOSED,
		     hung_up, reply);
	event_add(&reply->hangup, NULL);
	expect_request(reply->worker, connection, false);
	evhttp_add_header(headers, "Content-Type",
			  reply->is_stream ? "text/event-stream" : "application/json");
	if (!reply->is_stream)
		return;
	evhttp_add_header(headers, "Cache-Control", "no-cache");
	evhttp_send_reply_start(http, HTTP_OK, "OK");
}

/* Called in a step, with the worker's lock held: nothing here may give a request up. */
void reply_token(struct request *request, unsigned token, enum finish finish)
{
	struct reply *reply = request->owner;
	struct worker *worker = reply->worker;
	struct evhttp_request *http = reply->http;

	if (finish != FINISH_NOT_YET) {
		forget_connection(reply);
		watch_sending(worker, http);
		worker->counts.finished++;
	}
	if (reply->is_stream) {
		put_event(worker->out, reply, token, finish);
		evhttp_send_reply_chunk(http, worker->out);
		if (finish != FINISH_NOT_YET)
			evhttp_send_reply_end(http);
	} else if (finish != FINISH_NOT_YET) {
		put_answer(worker->out, reply, finish);
		evhttp_send_reply(http, HTTP_OK, "OK", worker->out);
	}
}

void reply_abort_all(struct worker *worker)
{
	for (unsigned i = 0; i < worker->batch.nr_slots; i++)
		if (worker->replies[i].http)
			hung_up(-1, 0, &worker->replies[i]);
}
