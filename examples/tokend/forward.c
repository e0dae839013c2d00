/* SPDX-License-Identifier: MIT */
/*
 * forward.c - the transformer: RMSNorm, rotary positions, grouped-query attention over paged keys
 * and values, SwiGLU. Knows of no request, socket or clock.
 *
 *	state [row][dim]
 *	for each layer:
 *	    norm -> query, key, value -> rotate -> attention over the row's pages -> output, added
 *	    norm -> gate, up -> SwiGLU -> down, added
 *	norm -> classifier -> logits
 *
 * Activations are the step's; attention scores are the call's.
 */
#include "forward.h"

#include <math.h>
#include <string.h>

#include "kernels.h"

/* Everything that is computed for a row, for all rows. */
struct activations {
	float *state, *normed, *query, *mixed; /* [row][dim] */
	float *key, *value;		       /* [row][kv_dim] */
	float *gate, *up;		       /* [row][hidden_dim] */
};

struct pass {
	const struct model *model;
	const struct kv_shape *kv;
	struct worker_memory *memory;
	struct row *rows;
	unsigned nr_rows;
	struct activations a;
};

size_t forward_bytes(const struct model_shape *s)
{
	/* Each allocation may be rounded up to a cache line. */
	return (4 * (size_t)s->dim + 2 * s->kv_dim + 2 * s->hidden_dim + s->dim + s->vocabulary) *
		       sizeof(float) * MOST_ROWS +
	       16 * 64;
}

static float *take(struct pass *pass, size_t floats_a_row)
{
	return pass->memory->memory->ops->step_alloc(pass->memory, pass->nr_rows * floats_a_row,
						     sizeof(float));
}

static int take_activations(struct pass *pass)
{
	const struct model_shape *s = &pass->model->shape;
	struct activations *a = &pass->a;

	a->state = take(pass, s->dim);
	a->normed = take(pass, s->dim);
	a->query = take(pass, s->dim);
	a->mixed = take(pass, s->dim);
	a->key = take(pass, s->kv_dim);
	a->value = take(pass, s->kv_dim);
	a->gate = take(pass, s->hidden_dim);
	a->up = take(pass, s->hidden_dim);
	return a->state && a->normed && a->query && a->mixed && a->key && a->value && a->gate &&
			       a->up
		       ? 0
		       : -1;
}

static void norm_rows(struct pass *pass, const float *gain)
{
	size_t dim = pass->model->shape.dim;

	for (unsigned r = 0; r < pass->nr_rows; r++)
		kernel_norm(pass->a.normed + r * dim, pass->a.state + r * dim, gain, dim);
}

static void add_rows(float *to, const float *from, size_t floats)
{
	for (size_t i = 0; i < floats; i++)
		to[i] += from[i];
}

/* Turn queries and keys by their positions; put keys and values where they stay. */
static void store_keys(struct pass *pass, unsigned layer)
{
	const struct model_shape *s = &pass->model->shape;

	for (unsigned r = 0; r < pass->nr_rows; r++) {
		const struct row *row = &pass->rows[r];
		unsigned page_index = row->position / pass->kv->tokens_per_page;
		size_t slot = (size_t)(row->position % pass->kv->tokens_per_page) * s->kv_dim;
		const struct kv_page *page = row->sequence->pages[page_index];
		const float *turn =
			pass->model->weights.rotation + (size_t)row->position * s->head_dim;

		kernel_rotate(pass->a.query + (size_t)r * s->dim, turn, s->nr_heads, s->head_dim);
		kernel_rotate(pass->a.key + (size_t)r * s->kv_dim, turn, s->nr_kv_heads,
			      s->head_dim);
		memcpy(kv_keys(page, layer) + slot, pass->a.key + (size_t)r * s->kv_dim,
		       s->kv_dim * sizeof(float));
		memcpy(kv_values(pass->kv, page, layer) + slot,
		       pass->a.value + (size_t)r * s->kv_dim, s->kv_dim * sizeof(float));
	}
}

/* One head of one row: look at all positions up to its own, a page at a time. */
static void attend(struct pass *pass, unsigned layer, const struct row *row, const float *query,
		   unsigned kv_head, float *out, float *scores)
{
	const struct model_shape *s = &pass->model->shape;
	unsigned per_page = pass->kv->tokens_per_page, end = row->position + 1;
	size_t at = (size_t)kv_head * s->head_dim;
	float scale = 1 / sqrtf((float)s->head_dim);

	for (unsigned t = 0, p = 0; t < end; t += per_page, p++) {
		unsigned n = end - t < per_page ? end - t : per_page;

		kernel_scores(scores + t, query, kv_keys(row->sequence->pages[p], layer) + at, n,
			      s->kv_dim, s->head_dim, scale);
	}
	kernel_softmax(scores, end);
	memset(out, 0, s->head_dim * sizeof(float));
	for (unsigned t = 0, p = 0; t < end; t += per_page, p++) {
		unsigned n = end - t < per_page ? end - t : per_page;

		kernel_add_weighted(out, scores + t,
				    kv_values(pass->kv, row->sequence->pages[p], layer) + at, n,
				    s->kv_dim, s->head_dim);
	}
}

static int attention(struct pass *pass, unsigned layer)
{
	const struct memory_ops *ops = pass->memory->memory->ops;
	const struct model_shape *s = &pass->model->shape;
	unsigned longest = 0, sharing = s->nr_heads / s->nr_kv_heads;
	float *scores;

	for (unsigned r = 0; r < pass->nr_rows; r++)
		longest =
			pass->rows[r].position + 1 > longest ? pass->rows[r].position + 1 : longest;
	scores = ops->scores_begin(pass->memory, longest);
	for (unsigned r = 0; r < pass->nr_rows && scores; r++)
		for (unsigned h = 0; h < s->nr_heads; h++) {
			size_t at = (size_t)r * s->dim + (size_t)h * s->head_dim;

			attend(pass, layer, &pass->rows[r], pass->a.query + at, h / sharing,
			       pass->a.mixed + at, scores);
		}
	ops->scores_end(pass->memory);
	return scores ? 0 : -1;
}

static int run_layer(struct pass *pass, unsigned layer)
{
	const struct model_shape *s = &pass->model->shape;
	const struct model_weights *w = &pass->model->weights;
	struct activations *a = &pass->a;
	size_t dim = s->dim, kv = s->kv_dim, hidden = s->hidden_dim, rows = pass->nr_rows;

	norm_rows(pass, w->attention_norm + layer * dim);
	kernel_matmul(a->query, w->query + layer * dim * dim, a->normed, dim, dim, rows);
	kernel_matmul(a->key, w->key + layer * kv * dim, a->normed, kv, dim, rows);
	kernel_matmul(a->value, w->value + layer * kv * dim, a->normed, kv, dim, rows);
	store_keys(pass, layer);
	if (attention(pass, layer))
		return -1;
	kernel_matmul(a->normed, w->output + layer * dim * dim, a->mixed, dim, dim, rows);
	add_rows(a->state, a->normed, rows * dim);

	norm_rows(pass, w->feed_norm + layer * dim);
	kernel_matmul(a->gate, w->gate + layer * hidden * dim, a->normed, hidden, dim, rows);
	kernel_matmul(a->up, w->up + layer * hidden * dim, a->normed, hidden, dim, rows);
	kernel_swiglu(a->gate, a->up, rows * hidden);
	kernel_matmul(a->normed, w->down + layer * dim * hidden, a->gate, dim, hidden, rows);
	add_rows(a->state, a->normed, rows * dim);
	return 0;
}

/* Only rows that want logits go through the last and widest matrix. */
static int classify(struct pass *pass)
{
	const struct model_shape *s = &pass->model->shape;
	const struct model_weights *w = &pass->model->weights;
	size_t wanted = 0, done = 0, dim = s->dim;
	float *logits;

	for (unsigned r = 0; r < pass->nr_rows; r++)
		if (pass->rows[r].wants_logits)
			kernel_norm(pass->a.normed + wanted++ * dim, pass->a.state + r * dim,
				    w->final_norm, dim);
	logits = pass->memory->memory->ops->step_alloc(pass->memory, wanted * s->vocabulary,
						       sizeof(float));
	if (!logits)
		return -1;
	kernel_matmul(logits, w->classifier, pass->a.normed, s->vocabulary, dim, wanted);
	for (unsigned r = 0; r < pass->nr_rows; r++)
		if (pass->rows[r].wants_logits)
			pass->rows[r].logits = logits + done++ * s->vocabulary;
	return 0;
}

int forward(const struct model *model, const struct kv_shape *kv, struct worker_memory *memory,
	    struct row *rows, unsigned nr_rows)
{
	struct pass pass = {model, kv, memory, rows, nr_rows, {0}};
	size_t dim = model->shape.dim;

	if (take_activations(&pass))
		return -1;
	for (unsigned r = 0; r < nr_rows; r++)
		memcpy(pass.a.state + r * dim, model->weights.embedding + rows[r].token * dim,
		       dim * sizeof(float));
	for (unsigned layer = 0; layer < model->shape.nr_layers; layer++)
		if (run_layer(&pass, layer))
			return -1;
	return classify(&pass);
}
