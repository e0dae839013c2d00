/* SPDX-License-Identifier: MIT */
/*
 * tools/replay.h - an inference server's memory traffic, replayed: what its parts share.
 *
 *	replay.c          the subcommand: reads, sizes, opens, runs, reports
 *	replay_options.c  the command line
 *	replay_size.c     which CPUs and nodes, how large a pool
 *	replay_run.c      starts the workers, watches them, adds up what they did
 *	replay_node.c     a node's queue, and what happens between two steps
 *	replay_worker.c   one worker's steps: the hot loop
 *	replay_blocks.c   writing and checking a request's blocks
 *	replay_report.c   what was found, judged and as text; replay_json.c: as JSON
 *
 * The workers of a node step together, because they share the node's arena, which begins anew with
 * each step:
 *
 *	worker 0   step | wait |               | step      |      |               | step
 *	worker 1   step        | between steps | step | wait      | between steps | step
 *	                       ^ barrier       ^ barrier
 *
 * Between steps one of them, whichever came last, resets the arena and looks whether the node is
 * done, or stuck.
 */
#ifndef HUGENUMA_TOOLS_REPLAY_H
#define HUGENUMA_TOOLS_REPLAY_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hugenuma.h>

#include "tools/histogram.h"
#include "tools/memory.h"
#include "tools/model.h"
#include "tools/trace.h"

/* Where a worker sits. */
struct replay_seat {
	int cpu;
	unsigned node; /* index into the job's nodes */
};

/* What to replay and on what. Constant while it runs. */
struct replay_job {
	const struct model *model;
	const struct request *requests;
	size_t nr_requests;
	struct memory *memory; /* open; its nodes are the job's */
	const struct replay_seat *seats;
	unsigned nr_workers;
	unsigned batch; /* requests that one worker runs at a time, at most */
	bool fill;	/* write every byte, not one cache line per token and layer */
};

/* Kinds of calls whose time is taken apart. */
enum replay_kind { REPLAY_POOL, REPLAY_ARENA, REPLAY_SCRATCH, REPLAY_ALL, REPLAY_NR_KINDS };

/* What workers count. All are sums over whatever they are counted for. */
struct replay_counts {
	uint64_t requests;	   /* done to the end */
	uint64_t context_tokens;   /* of prompts, each counted once */
	uint64_t generated_tokens; /* of answers */
	uint64_t repeated_tokens;  /* written once more, because their request had been put back */
	uint64_t steps;		   /* of single workers, idle ones not counted */
	uint64_t waits_at_start;   /* times that a request's first blocks were refused */
	uint64_t waits_in_flight;  /* times that a running request's next block was refused */
	uint64_t put_back;	   /* requests that gave up their blocks for others */
};

struct replay_result {
	struct replay_counts counts;
	struct replay_counts *nodes;		 /* of each node: memory->nr_nodes of them */
	struct histogram times[REPLAY_NR_KINDS]; /* nanoseconds of allocator time per step */
	double seconds;
	uint64_t minor_faults; /* of the workers, after start-up */
	uint64_t major_faults;
	uint64_t moved_pages; /* by the kernel, in the whole machine, meanwhile */
	bool was_stopped;
	char failure[512]; /* "" when nothing went wrong */
};

/* How far a replay has come. */
struct replay_progress {
	uint64_t requests, tokens;
	uint64_t requests_total, tokens_total;
	double seconds;
};

/*
 * Replay a job.
 *
 * @watch  called ten times a second in this thread; true stops the workers at their next step. May
 *         be NULL.
 *
 * Returns 0 when it ran, whatever result->failure says; or a negative errno with result->failure
 * set: it could not start. The caller frees the result with replay_result_free().
 */
int replay_run(const struct replay_job *job,
	       bool (*watch)(void *arg, const struct replay_progress *progress), void *arg,
	       struct replay_result *result);

void replay_result_free(struct replay_result *result);

/* ---- Between the files that run it -------------------------------------------------------- */

/* A request that runs. */
struct replay_slot {
	uint32_t request;   /* index */
	uint32_t position;  /* tokens whose keys and values are in the blocks */
	uint32_t generated; /* of them, tokens of the answer */
	uint32_t nr_blocks; /* in each layer */
	bool is_waiting;    /* for its next block */
	void **blocks;	    /* [block * layers + layer] */
	void *hidden;	    /* this step's, from the arena */
	void *logits;
};

/* What the worker that came last sees to. Between the barriers only that one touches the rest. */
struct replay_node {
	int number;
	unsigned index;
	unsigned nr_workers;
	pthread_barrier_t barrier;
	bool is_done;	     /* the workers end */
	unsigned idle_steps; /* one after the other, in which nothing moved */
	uint64_t put_back;

	pthread_mutex_t lock; /* protects the queue */
	uint32_t *queue;      /* requests that have not begun: [head, end) */
	size_t head, end;

	_Atomic unsigned nr_waiting;  /* running requests that wait for a block */
	_Atomic uint64_t nr_releases; /* changes when blocks have come back */
};

#define REPLAY_NR_TEMPORARIES 4 /* of hidden size each, as in the arena's own formula */

struct replay_worker {
	struct replay *replay;
	struct replay_node *node;
	struct memory_worker memory;
	pthread_t thread;
	unsigned index;

	struct replay_slot *slots; /* [0, nr_running) run */
	unsigned nr_running;
	int evict;		    /* slot to be put back, or -1: set between steps */
	bool moved;		    /* something was admitted, generated or ended in this step */
	uint64_t refused_at;	    /* node->nr_releases when the pool last refused to start one */
	uint64_t ticks[REPLAY_ALL]; /* allocator time of this step */
	void *temporaries[REPLAY_NR_TEMPORARIES];
	void *tables; /* the memory of all slots' block lists */
	size_t tables_bytes;

	struct replay_counts counts;
	uint64_t minor_faults, major_faults;
	struct histogram times[REPLAY_NR_KINDS];

	/* For the thread that watches. */
	_Alignas(64) _Atomic uint64_t requests_done;
	_Atomic uint64_t tokens_done;
};

struct replay {
	const struct replay_job *job;
	struct memory *memory;
	struct replay_node *nodes;
	struct replay_worker *workers;
	uint32_t *resume;     /* 0, or of a request that was put back: 1 + what it had generated */
	uint32_t most_blocks; /* of any request, in one layer */
	_Atomic bool stop;

	pthread_mutex_t lock; /* protects what follows */
	pthread_cond_t changed;
	enum { REPLAY_GATE_CLOSED, REPLAY_GATE_OPEN, REPLAY_GATE_ABANDONED } gate;
	unsigned nr_ready;
	unsigned nr_ended;
	char failure[512];
};

/* Note the first failure and stop all workers. */
void replay_fail(struct replay *replay, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static inline bool replay_is_stopping(const struct replay *replay)
{
	return atomic_load_explicit(&replay->stop, memory_order_relaxed);
}

/* replay_node.c */

/* Share the requests out. Returns 0, -ENOMEM. */
int replay_nodes_open(struct replay *replay);
void replay_nodes_close(struct replay *replay);

/* Take the next request, or return false. Put one back to the front. */
bool replay_queue_take(struct replay_node *node, uint32_t *request);
void replay_queue_return(struct replay_node *node, uint32_t request);

/* Wait for the node's other workers; see to what is due between two steps. False: the end. */
bool replay_between_steps(struct replay_worker *worker);

/* replay_worker.c: the thread's main function; the argument is its struct replay_worker. */
void *replay_worker_main(void *argument);

/* replay_blocks.c */

/* Write the keys and values of all tokens before slot->position, in all layers. */
void replay_write_prompt(const struct replay_job *job, const struct replay_slot *slot);
/* The same of the token at slot->position in one layer. */
void replay_write_token(const struct replay_job *job, const struct replay_slot *slot,
			unsigned layer);
/* Is all of it still there? On failure the replay fails, and says what was found where. */
bool replay_check_blocks(struct replay *replay, const struct replay_slot *slot);

#endif
