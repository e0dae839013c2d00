/* SPDX-License-Identifier: MIT */
/*
 * batch.c - who is served in a step, and with what (batch.h). Calls kv.h, forward.h, sample.h,
 * speculate.h.
 */
#include "batch.h"

#include "sample.h"
#include "speculate.h"

/* ---- Memory ---- */

static size_t request_bytes(const struct model_shape *model, const struct kv_shape *kv)
{
	return sizeof(struct request) + model->context * sizeof(unsigned) +
	       kv_pages_for(kv, model->context) * sizeof(struct kv_page *);
}

static unsigned nr_slots(const struct batch_limits *limits)
{
	return limits->running + limits->queued;
}

size_t batch_bytes(const struct model_shape *model, const struct kv_shape *kv,
		   const struct batch_limits *limits)
{
	return kv_bytes(kv, limits->pages) + 64 + nr_slots(limits) * request_bytes(model, kv);
}

size_t batch_step_bytes(const struct model_shape *model)
{
	/* The pass, the speculative one on top of it, and their rows. */
	return 2 * forward_bytes(model) + 2 * MOST_ROWS * sizeof(struct row) + 4096;
}

void batch_open(struct batch *batch, const struct model *model, const struct kv_shape *kv,
		const struct batch_limits *limits, struct worker_memory *memory, void *books)
{
	struct kv_page **pages;
	unsigned *tokens;

	*batch = (struct batch){.model = model, .memory = memory, .limits = *limits};
	kv_open(&batch->kv, kv, memory, limits->pages, books);
	batch->nr_slots = nr_slots(limits);
	batch->slots = (void *)((char *)books + whole_lines(kv_bytes(kv, limits->pages)));
	pages = (void *)(batch->slots + batch->nr_slots);
	tokens = (void *)(pages + (size_t)batch->nr_slots * kv_pages_for(kv, model->shape.context));
	for (unsigned i = 0; i < batch->nr_slots; i++) {
		batch->slots[i].kv.pages =
			pages + (size_t)i * kv_pages_for(kv, model->shape.context);
		batch->slots[i].tokens = tokens + (size_t)i * model->shape.context;
	}
}

/* ---- Lists, oldest first ---- */

static void insert(struct request_list *list, struct request *request, enum request_state state)
{
	struct request **at = &list->first;

	while (*at && (*at)->id < request->id)
		at = &(*at)->next;
	request->next = *at;
	*at = request;
	list->length++;
	request->state = state;
}

static void take_out(struct request_list *list, struct request *request)
{
	struct request **at = &list->first;

	while (*at != request)
		at = &(*at)->next;
	*at = request->next;
	list->length--;
}

static void release(struct batch *batch, struct request *request)
{
	kv_cut(&batch->kv, &request->kv, 0);
	request->nr_computed = 0;
	request->nr_planned = 0;
}

struct request *batch_new(struct batch *batch)
{
	/* What was preempted waits, too, and was promised its place. */
	if (batch->queue.length >= batch->limits.queued)
		return NULL;
	for (unsigned i = 0; i < batch->nr_slots; i++) {
		struct request *request = &batch->slots[i];

		if (request->state != REQUEST_FREE)
			continue;
		request->nr_prompt = request->nr_tokens = request->nr_computed = 0;
		request->nr_planned = 0;
		request->owner = NULL;
		return request;
	}
	return NULL;
}

void batch_submit(struct batch *batch, struct request *request)
{
	request->id = batch->next_id++;
	request->nr_tokens = request->nr_prompt;
	batch->counts.prompt_tokens += request->nr_prompt;
	insert(&batch->queue, request, REQUEST_QUEUED);
}

void batch_cancel(struct batch *batch, struct request *request)
{
	take_out(request->state == REQUEST_QUEUED ? &batch->queue : &batch->running, request);
	release(batch, request);
	request->state = REQUEST_FREE;
}

/* ---- Who is served ---- */

/*
 * Let the oldest of the queue in while there are pages for what they have to say so far, and one
 * more: without, they would be put out at once.
 */
static void admit(struct batch *batch)
{
	while (batch->queue.first && batch->running.length < batch->limits.running) {
		struct request *request = batch->queue.first;
		unsigned shared =
			kv_share(&batch->kv, &request->kv, request->tokens, request->nr_tokens);
		unsigned pages = kv_pages_for(&batch->kv.shape, request->nr_tokens + 1) -
				 shared / batch->kv.shape.tokens_per_page;

		if (batch->running.length > 0 && pages > batch->kv.nr_pages - batch->kv.in_use) {
			kv_cut(&batch->kv, &request->kv, 0);
			break;
		}
		request->nr_computed = shared;
		batch->counts.shared_tokens += shared;
		take_out(&batch->queue, request);
		insert(&batch->running, request, REQUEST_RUNNING);
	}
}

/* Put the youngest back in the queue. What it has made so far it keeps, and computes again. */
static struct request *preempt(struct batch *batch)
{
	struct request *youngest = batch->running.first;

	while (youngest->next)
		youngest = youngest->next;
	take_out(&batch->running, youngest);
	release(batch, youngest);
	insert(&batch->queue, youngest, REQUEST_QUEUED);
	batch->counts.preemptions++;
	return youngest;
}

/*
 * Prepare so many positions of a request; the youngest make room. False when the request had to go
 * itself.
 */
static bool make_room(struct batch *batch, struct request *request, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		while (kv_prepare(&batch->kv, &request->kv, request->nr_computed + i))
			if (preempt(batch) == request)
				return false;
	return true;
}

/* Share the rows of a step: one for each who only waits for the next token, the rest by age. */
static unsigned plan(struct batch *batch)
{
	unsigned left = MOST_ROWS, planned = 0;

	for (struct request *r = batch->running.first; r; r = r->next)
		left -= r->nr_tokens - r->nr_computed == 1;
	for (struct request *r = batch->running.first; r; r = r->next) {
		unsigned wanted = r->nr_tokens - r->nr_computed;

		if (wanted > 1) {
			wanted = wanted < left ? wanted : left;
			left -= wanted;
		}
		if (!make_room(batch, r, wanted))
			break; /* it was the youngest: there is nobody behind it */
		r->nr_planned = wanted;
	}
	for (struct request *r = batch->running.first; r; r = r->next)
		planned += r->nr_planned;
	return planned;
}

/* ---- Tokens ---- */

enum finish batch_give(struct batch *batch, struct request *request, unsigned token)
{
	enum finish finish = FINISH_NOT_YET;

	request->tokens[request->nr_tokens++] = token;
	batch->counts.made_tokens++;
	if (token == TOKEN_END && !request->wish.ignores_end)
		finish = FINISH_STOP;
	else if (request->nr_tokens == request->nr_prompt + request->wish.max_tokens)
		finish = FINISH_LENGTH;
	if (finish != FINISH_NOT_YET) {
		take_out(&batch->running, request);
		release(batch, request);
		request->state = REQUEST_FREE;
	}
	batch->on_token(request, token, finish);
	return finish;
}

/* What was planned for a request has been computed: note it, and make a token if that was all. */
static void settle(struct batch *batch, struct request *request, const struct row *rows)
{
	unsigned n = request->nr_planned;

	for (unsigned i = 0; i < n; i++)
		kv_commit(&batch->kv, &request->kv, rows[i].position, rows[i].token);
	request->nr_computed += n;
	request->nr_planned = 0;
	if (n > 0 && rows[n - 1].wants_logits)
		batch_give(batch, request,
			   sample(rows[n - 1].logits, batch->model->shape.vocabulary,
				  request->wish.temperature, request->wish.seed,
				  request->nr_computed));
}

static unsigned fill_rows(const struct request *request, struct row *rows)
{
	for (unsigned i = 0; i < request->nr_planned; i++) {
		unsigned position = request->nr_computed + i;

		rows[i] = (struct row){
			.sequence = &request->kv,
			.token = request->tokens[position],
			.position = position,
			.wants_logits = position + 1 == request->nr_tokens,
		};
	}
	return request->nr_planned;
}

bool batch_step(struct batch *batch)
{
	const struct memory_ops *ops = batch->memory->memory->ops;
	struct request *next;
	struct row *rows;
	unsigned nr_rows, n = 0;

	admit(batch);
	nr_rows = plan(batch);
	if (nr_rows == 0)
		return false;
	ops->step_reset(batch->memory);
	rows = ops->step_alloc(batch->memory, nr_rows, sizeof(*rows));
	for (struct request *r = batch->running.first; r; r = r->next)
		n += fill_rows(r, rows + n);
	batch->counts.steps++;
	if (forward(batch->model, &batch->kv.shape, batch->memory, rows, nr_rows))
		return false;
	n = 0;
	for (struct request *r = batch->running.first; r; r = next) {
		unsigned planned = r->nr_planned;

		next = r->next;
		settle(batch, r, rows + n);
		n += planned;
	}
	if (batch->limits.speculation > 0)
		speculate(batch, MOST_ROWS - nr_rows);
	return true;
}
