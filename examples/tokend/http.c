/* SPDX-License-Identifier: MIT */
/*
 * http.c - routes, errors and limits: bytes from clients on one side, handlers on the other. Calls
 * libevent.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "server.h"

#define HEADER_BYTES 16384

static const char *reason(int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 400:
		return "Bad Request";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 429:
		return "Too Many Requests";
	case 503:
		return "Service Unavailable";
	default:
		return "Error";
	}
}

void http_send(struct evhttp_request *http, int status, const char *type, const char *body,
	       size_t length)
{
	struct evbuffer *out = evbuffer_new();

	evhttp_add_header(evhttp_request_get_output_headers(http), "Content-Type", type);
	if (out)
		evbuffer_add(out, body, length);
	evhttp_send_reply(http, status, reason(status), out);
	if (out)
		evbuffer_free(out);
}

/* The texts are ours, or jansson's, which quotes the body: escaped for JSON. */
void http_error(struct evhttp_request *http, int status, const char *format, ...)
{
	struct text_tail tail = {.length = 0};
	char text[384], escaped[TEXT_GROWTH * (sizeof(text) + 4) + 1];
	char body[sizeof(escaped) + 128];
	va_list arguments;
	int length;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	escaped[text_escape(escaped, &tail, text, strlen(text), true)] = '\0';
	length = snprintf(body, sizeof(body), "{\"error\":{\"message\":\"%s\",\"type\":\"%s\"}}\n",
			  escaped, status < 500 ? "invalid_request_error" : "server_error");
	if (status == 429 || status == HTTP_SERVUNAVAIL)
		evhttp_add_header(evhttp_request_get_output_headers(http), "Retry-After", "1");
	if (status == HTTP_SERVUNAVAIL)
		evhttp_add_header(evhttp_request_get_output_headers(http), "Connection", "close");
	http_send(http, status, "application/json", body, (size_t)length);
}

static void not_found(struct evhttp_request *http, void *worker)
{
	(void)worker;
	http_error(http, HTTP_NOTFOUND,
		   "there are /v1/completions, /metrics, /healthz and /placement");
}

static void healthz(struct evhttp_request *http, void *arg)
{
	struct worker *worker = arg;

	if (worker->server->phase == PHASE_SERVE)
		http_send(http, HTTP_OK, "text/plain", "ok\n", 3);
	else
		http_error(http, HTTP_SERVUNAVAIL, "the server is shutting down");
}

/* What a body may have: a text, or tokens, of a whole context. */
static size_t most_body_bytes(const struct worker *worker)
{
	return 65536 + 16 * (size_t)worker->model.shape.context;
}

/* Who sends ahead while an answer is on its way is read no further than to the end of the next request. */
static struct bufferevent *new_connection(struct event_base *base, void *worker)
{
	struct bufferevent *connection = bufferevent_socket_new(base, -1, 0);

	if (connection)
		bufferevent_setwatermark(connection, EV_READ, 0,
					 HEADER_BYTES + most_body_bytes(worker));
	return connection;
}

/*
 * No descriptor is left for who knocks. They wait, until http_accept() is called, in a moment at the
 * latest: not in a loop that finds the same each time, and a line in the log for each.
 */
static void cannot_accept(struct evconnlistener *listener, void *http)
{
	const struct timeval moment = {.tv_usec = 100000};

	(void)http;
	evconnlistener_disable(listener);
	event_base_loopexit(evconnlistener_get_base(listener), &moment);
}

void http_accept(struct worker *worker)
{
	evconnlistener_enable(evhttp_bound_socket_get_listener(worker->bound));
}

int http_open(struct worker *worker)
{
	worker->http = evhttp_new(worker->base);
	worker->out = evbuffer_new();
	if (!worker->http || !worker->out)
		return -1;
	evhttp_set_timeout(worker->http, (int)worker->server->options.idle_seconds);
	evhttp_set_max_headers_size(worker->http, HEADER_BYTES);
	evhttp_set_max_body_size(worker->http, (ev_ssize_t)most_body_bytes(worker));
	evhttp_set_bevcb(worker->http, new_connection, worker);
	evhttp_set_allowed_methods(worker->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST |
							 EVHTTP_REQ_HEAD | EVHTTP_REQ_PUT |
							 EVHTTP_REQ_DELETE);
	evhttp_set_cb(worker->http, "/v1/completions", completion_handle, worker);
	evhttp_set_cb(worker->http, "/metrics", metrics_handle, worker);
	evhttp_set_cb(worker->http, "/placement", placement_handle, worker);
	evhttp_set_cb(worker->http, "/healthz", healthz, worker);
	evhttp_set_gencb(worker->http, not_found, worker);
	worker->bound = evhttp_accept_socket_with_handle(worker->http, worker->socket);
	if (!worker->bound)
		return -1;
	evconnlistener_set_error_cb(evhttp_bound_socket_get_listener(worker->bound), cannot_accept);
	return 0;
}

void http_stop_accepting(struct worker *worker)
{
	if (worker->bound)
		evhttp_del_accept_socket(worker->http, worker->bound);
	worker->bound = NULL;
}

void http_close(struct worker *worker)
{
	if (worker->out)
		evbuffer_free(worker->out);
	if (worker->http)
		evhttp_free(worker->http);
}
