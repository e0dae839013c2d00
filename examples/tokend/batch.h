/* SPDX-License-Identifier: MIT */
/*
 * batch.h - a worker's requests: a queue, and those that are being served, a few tokens of each at
 * every step. Knows nothing of HTTP: tokens go to a callback.
 *
 *	submit -> [queue] -> admit -> [running] -> finished
 *	             ^                    |
 *	             '---- preempted -----'    the youngest, when pages run out
 *
 * Used by the worker's thread, under its lock.
 */
#ifndef TOKEND_BATCH_H
#define TOKEND_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "forward.h"
#include "kv.h"
#include "memory.h"
#include "model.h"

enum finish { FINISH_NOT_YET, FINISH_STOP, FINISH_LENGTH };

/* What a client asks for. */
struct wish {
	unsigned max_tokens;
	float temperature;
	uint64_t seed;
	bool ignores_end; /* go on behind the token that ends a text */
};

enum request_state { REQUEST_FREE, REQUEST_QUEUED, REQUEST_RUNNING };

struct request {
	struct request *next;
	enum request_state state;
	uint64_t id; /* ascending: the highest is the youngest */
	struct wish wish;
	unsigned *tokens; /* the prompt's, then those that were made */
	unsigned nr_prompt, nr_tokens;
	unsigned nr_computed; /* whose keys and values are there */
	unsigned nr_planned;  /* to be computed in this step */
	struct kv_sequence kv;
	void *owner; /* the caller's */
};

struct batch_counts {
	unsigned long long steps, prompt_tokens, shared_tokens, made_tokens;
	unsigned long long preemptions, drafted_tokens, accepted_tokens;
};

/* A list of requests, oldest first. */
struct request_list {
	struct request *first;
	unsigned length;
};

struct batch_limits {
	unsigned running, queued; /* requests at the most */
	unsigned speculation;	  /* tokens drafted ahead; 0: never */
	unsigned pages;		  /* of keys and values */
};

struct batch {
	const struct model *model;
	struct worker_memory *memory;
	struct kv kv;
	struct batch_limits limits;
	struct request *slots;
	unsigned nr_slots;
	struct request_list queue, running;
	uint64_t next_id;
	struct batch_counts counts;
	/* A token was made; `finish` says whether it was the last. May not call back into the batch. */
	void (*on_token)(struct request *request, unsigned token, enum finish finish);
};

/* Bytes of the run's memory, and of a step's. */
size_t batch_bytes(const struct model_shape *model, const struct kv_shape *kv,
		   const struct batch_limits *limits);
size_t batch_step_bytes(const struct model_shape *model);

void batch_open(struct batch *batch, const struct model *model, const struct kv_shape *kv,
		const struct batch_limits *limits, struct worker_memory *memory, void *books);

/* A free request to put tokens in, or NULL: the queue is full. Nothing happens before submit. */
struct request *batch_new(struct batch *batch);
void batch_submit(struct batch *batch, struct request *request);

/* The client has gone: the request and all that it had. */
void batch_cancel(struct batch *batch, struct request *request);

/* Serve everyone a little. Returns false when there was nothing to do. */
bool batch_step(struct batch *batch);

static inline bool batch_is_idle(const struct batch *batch)
{
	return !batch->queue.first && !batch->running.first;
}

#endif
