/* SPDX-License-Identifier: MIT */
/*
 * completion.c - POST /v1/completions: the request read, judged, and put in the queue. Calls jansson,
 * libevent, batch.h.
 */
#include <jansson.h>
#include <string.h>

#include "server.h"

/* What is wrong with a request, and the status to say so with. */
struct verdict {
	int status;
	char text[256];
};

static bool judge(struct verdict *verdict, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static bool judge(struct verdict *verdict, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	verdict->status = HTTP_BADREQUEST;
	vsnprintf(verdict->text, sizeof(verdict->text), format, arguments);
	va_end(arguments);
	return false;
}

/* A field that need not be there, and may be null. */
static json_t *optional(const json_t *body, const char *name)
{
	json_t *value = json_object_get(body, name);

	return json_is_null(value) ? NULL : value;
}

static bool read_bool(const json_t *body, const char *name, bool *to, struct verdict *verdict)
{
	json_t *value = optional(body, name);

	if (!value)
		return true;
	*to = json_is_true(value);
	return json_is_boolean(value) || judge(verdict, "%s must be true or false", name);
}

/* Fields that would change the answer, and that this server does not know. */
static bool refuse_unknown(const json_t *body, struct verdict *verdict)
{
	static const char *const names[] = {
		"stop",	 "suffix", "logprobs",	       "logit_bias",	   "echo",
		"top_p", "top_k",  "presence_penalty", "frequency_penalty"};
	json_t *n = optional(body, "n"), *best_of = optional(body, "best_of");

	if ((n && json_integer_value(n) != 1) || (best_of && json_integer_value(best_of) != 1))
		return judge(verdict, "n and best_of can only be 1");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		json_t *value = optional(body, names[i]);
		bool is_default = !value || json_is_false(value) ||
				  (json_is_number(value) && json_number_value(value) == 0) ||
				  (strcmp(names[i], "top_p") == 0 && json_number_value(value) == 1);

		if (!is_default)
			return judge(verdict, "%s is not supported", names[i]);
	}
	return true;
}

static bool read_wish(const json_t *body, struct wish *wish, unsigned context,
		      struct verdict *verdict)
{
	json_t *max_tokens = optional(body, "max_tokens"), *seed = optional(body, "seed");
	json_t *temperature = optional(body, "temperature");
	double degrees = temperature ? json_number_value(temperature) : 1;
	json_int_t most = context > 16 ? 16 : context - 1;

	if (max_tokens)
		most = json_integer_value(max_tokens);
	if (max_tokens && (!json_is_integer(max_tokens) || most < 1 || most >= context))
		return judge(verdict, "max_tokens must be a whole number from 1 to %u",
			     context - 1);
	if (temperature && (!json_is_number(temperature) || !(degrees >= 0 && degrees <= 2)))
		return judge(verdict, "temperature must be a number from 0 to 2");
	if (seed && !json_is_integer(seed))
		return judge(verdict, "seed must be a whole number");
	wish->max_tokens = (unsigned)most;
	wish->temperature = (float)degrees;
	if (seed)
		wish->seed = (uint64_t)json_integer_value(seed);
	wish->ignores_end = false;
	return read_bool(body, "ignore_eos", &wish->ignores_end, verdict);
}

/* A prompt given as tokens. Returns how many, or -1: one is none. */
static long read_tokens(const json_t *prompt, unsigned *tokens, unsigned room, unsigned vocabulary)
{
	size_t n = json_array_size(prompt);

	for (size_t i = 0; i < n; i++) {
		const json_t *token = json_array_get(prompt, i);
		json_int_t value = json_integer_value(token);

		if (!json_is_integer(token) || value < 0 || value >= vocabulary)
			return -1;
		if (i < room)
			tokens[i] = (unsigned)value;
	}
	return (long)n;
}

static bool read_prompt(const json_t *body, const struct server *server, struct request *request,
			unsigned context, struct verdict *verdict)
{
	const json_t *prompt = json_object_get(body, "prompt");
	unsigned room = context - request->wish.max_tokens;
	long n;

	if (json_is_string(prompt)) {
		n = vocabulary_encode(&server->vocabulary, json_string_value(prompt),
				      json_string_length(prompt), request->tokens, room);
		n = n < 0 ? (long)room + 1 : n;
	} else if (json_is_array(prompt)) {
		n = read_tokens(prompt, request->tokens, room, server->vocabulary.size);
		if (n <= 0)
			return judge(verdict, "prompt must be a string, or tokens from 0 to %u",
				     server->vocabulary.size - 1);
	} else {
		return judge(verdict, "prompt must be a string, or a list of tokens");
	}
	if (n > (long)room)
		return judge(verdict,
			     "prompt and max_tokens are longer than the context of %u tokens: "
			     "a prompt of %u at the most is left by max_tokens %u",
			     context, room, request->wish.max_tokens);
	request->nr_prompt = (unsigned)n;
	return true;
}

static bool read_body(const json_t *body, struct worker *worker, struct reply *reply,
		      struct verdict *verdict)
{
	unsigned context = worker->model.shape.context;
	struct request *request = reply->request;

	/* Without a seed no two requests shall be alike. */
	request->wish.seed =
		(uint64_t)time(NULL) << 20 ^ (uint64_t)worker->index << 56 ^ worker->batch.next_id;
	reply->is_stream = false;
	if (!json_is_object(body))
		return judge(verdict, "the body must be an object");
	return refuse_unknown(body, verdict) &&
	       read_bool(body, "stream", &reply->is_stream, verdict) &&
	       read_wish(body, &request->wish, context, verdict) &&
	       read_prompt(body, worker->server, request, context, verdict);
}

/* Read the body into a request. Returns its reply, or NULL with a verdict. */
static struct reply *read_request(struct worker *worker, struct evhttp_request *http,
				  struct verdict *verdict)
{
	struct evbuffer *in = evhttp_request_get_input_buffer(http);
	size_t length = evbuffer_get_length(in);
	const char *text = (const char *)evbuffer_pullup(in, -1);
	struct request *request;
	struct reply *reply;
	json_error_t error;
	json_t *body;
	bool is_good;

	request = batch_new(&worker->batch);
	if (!request) {
		verdict->status = 429;
		snprintf(verdict->text, sizeof(verdict->text),
			 "%u requests are waiting already: try again later",
			 worker->batch.queue.length);
		return NULL;
	}
	reply = &worker->replies[request - worker->batch.slots];
	reply->worker = worker;
	reply->request = request;
	request->owner = reply;
	body = json_loadb(text ? text : "", text ? length : 0,
			  JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
	is_good = body ? read_body(body, worker, reply, verdict)
		       : judge(verdict, "the body is no JSON: line %d, column %d: %.120s",
			       error.line, error.column, error.text);
	json_decref(body);
	return is_good ? reply : NULL;
}

void completion_handle(struct evhttp_request *http, void *arg)
{
	struct worker *worker = arg;
	struct verdict verdict = {0};
	struct reply *reply = NULL;

	if (evhttp_request_get_command(http) != EVHTTP_REQ_POST) {
		http_error(http, HTTP_BADMETHOD, "POST is what this path takes");
		return;
	}
	pthread_mutex_lock(&worker->lock);
	worker->counts.requests++;
	if (worker->server->phase != PHASE_SERVE) {
		verdict.status = HTTP_SERVUNAVAIL;
		strcpy(verdict.text, "the server is shutting down");
	} else {
		reply = read_request(worker, http, &verdict);
	}
	worker->counts.rejected += verdict.status == 429;
	worker->counts.refused += verdict.status == HTTP_BADREQUEST;
	if (reply) {
		reply_begin(reply, http);
		batch_submit(&worker->batch, reply->request);
	}
	pthread_mutex_unlock(&worker->lock);
	if (!reply)
		http_error(http, verdict.status, "%s", verdict.text);
}
