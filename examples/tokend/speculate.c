/* SPDX-License-Identifier: MIT */
/*
 * speculate.c - a speculative step (speculate.h). The guess is what followed when the last two
 * tokens stood next to each other before: text repeats itself. Calls kv.h, forward.h, sample.h.
 */
#include "speculate.h"

#include "sample.h"

/* Guess up to `most` tokens. Returns how many. */
static unsigned guess(const struct request *request, unsigned most, unsigned *tokens)
{
	const unsigned *t = request->tokens;
	unsigned n = request->nr_tokens, count = 0;

	for (unsigned i = n - 2; i-- > 0;) {
		if (t[i] != t[n - 2] || t[i + 1] != t[n - 1])
			continue;
		for (i += 2; i < n && count < most; i++)
			tokens[count++] = t[i];
		return count;
	}
	return 0;
}

/* The rows of a request: its last token, and what is guessed behind it. Returns how many. */
static unsigned draft(struct batch *batch, struct request *request, struct row *rows, unsigned most)
{
	unsigned guesses[MOST_ROWS], n;
	unsigned left = request->nr_prompt + request->wish.max_tokens - request->nr_tokens;

	if (request->nr_tokens - request->nr_computed != 1 || request->nr_tokens < 3 || most < 2)
		return 0;
	if (most > batch->limits.speculation + 1)
		most = batch->limits.speculation + 1;
	n = guess(request, most - 1 < left ? most - 1 : left - 1, guesses);
	if (n == 0)
		return 0;
	for (unsigned i = 0; i <= n; i++) {
		/* Nobody is put out for a guess. */
		if (kv_prepare(&batch->kv, &request->kv, request->nr_computed + i)) {
			kv_cut(&batch->kv, &request->kv, request->nr_computed);
			return 0;
		}
		rows[i] = (struct row){
			.sequence = &request->kv,
			.token = i ? guesses[i - 1] : request->tokens[request->nr_computed],
			.position = request->nr_computed + i,
			.wants_logits = true,
		};
	}
	batch->counts.drafted_tokens += n;
	return n + 1;
}

/* Row by row, while the token that a row was made for is the one that came out before it. */
static void accept(struct batch *batch, struct request *request, const struct row *rows,
		   unsigned nr_rows)
{
	for (unsigned i = 0; i < nr_rows; i++) {
		unsigned token;

		if (i > 0 && rows[i].token != request->tokens[request->nr_computed])
			break;
		kv_commit(&batch->kv, &request->kv, rows[i].position, rows[i].token);
		request->nr_computed++;
		batch->counts.accepted_tokens += i > 0;
		token = sample(rows[i].logits, batch->model->shape.vocabulary,
			       request->wish.temperature, request->wish.seed, request->nr_computed);
		if (batch_give(batch, request, token) != FINISH_NOT_YET)
			return;
	}
	kv_cut(&batch->kv, &request->kv, request->nr_computed);
}

void speculate(struct batch *batch, unsigned nr_rows)
{
	const struct memory_ops *ops = batch->memory->memory->ops;
	struct step_mark mark = ops->step_mark(batch->memory);
	struct row *rows = ops->step_alloc(batch->memory, MOST_ROWS, sizeof(*rows));
	struct request *next;
	unsigned used = 0, n = 0;

	for (struct request *r = batch->running.first; r; r = r->next) {
		r->nr_planned = draft(batch, r, rows + used, nr_rows - used);
		used += r->nr_planned;
	}
	if (used > 0 && forward(batch->model, &batch->kv.shape, batch->memory, rows, used) == 0)
		for (struct request *r = batch->running.first; r; r = next) {
			unsigned planned = r->nr_planned;

			next = r->next;
			r->nr_planned = 0;
			if (planned > 0)
				accept(batch, r, rows + n, planned);
			n += planned;
		}
	ops->step_rewind(batch->memory, mark);
}
