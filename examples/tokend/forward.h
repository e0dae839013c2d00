/* SPDX-License-Identifier: MIT */
/*
 * forward.h - one pass through the transformer, for tokens of several requests at once.
 */
#ifndef TOKEND_FORWARD_H
#define TOKEND_FORWARD_H

#include "kv.h"
#include "model.h"

/* The most tokens of a pass. */
#define MOST_ROWS 64

/* One token of a request. Tokens of the same request are in order of position. */
struct row {
	const struct kv_sequence *sequence; /* its position has been prepared */
	unsigned token;
	unsigned position;
	bool wants_logits;
	float *logits; /* of the step's memory */
};

/* Bytes of a step's memory that a pass takes, if all rows want logits. */
size_t forward_bytes(const struct model_shape *shape);

/*
 * Run the rows through all layers: their keys and values are written, and logits are made for the
 * rows that want them. Returns 0, or -1 where memory is missing, which forward_bytes() rules out.
 */
int forward(const struct model *model, const struct kv_shape *kv, struct worker_memory *memory,
	    struct row *rows, unsigned nr_rows);

#endif
