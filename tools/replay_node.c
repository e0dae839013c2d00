/* SPDX-License-Identifier: MIT */
/*
 * tools/replay_node.c - a node's queue of requests, and what is due between two steps. Calls libc
 * and the replay's memory.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/replay.h"
#include "tools/ticks.h"

/* Nothing has moved for so many steps although the pool should have room: give up, do not hang. */
#define MOST_IDLE_STEPS 1000

/* The node with the least work for each of its workers so far. */
static struct replay_node *least_loaded(struct replay *replay, const uint64_t *load)
{
	unsigned best = 0, i;

	for (i = 1; i < replay->memory->nr_nodes; i++)
		if (load[i] * replay->nodes[best].nr_workers <
		    load[best] * replay->nodes[i].nr_workers)
			best = i;
	return &replay->nodes[best];
}

static int share_out(struct replay *replay)
{
	const struct replay_job *job = replay->job;
	uint64_t *load = calloc(replay->memory->nr_nodes, sizeof(*load));
	size_t i;

	if (!load)
		return -ENOMEM;
	for (i = 0; i < job->nr_requests; i++) {
		const struct request *request = &job->requests[i];
		struct replay_node *node = least_loaded(replay, load);

		node->queue[node->end++] = (uint32_t)i;
		load[node->index] += (uint64_t)request->context + request->generated;
	}
	free(load);
	return 0;
}

int replay_nodes_open(struct replay *replay)
{
	const struct replay_job *job = replay->job;
	unsigned nr_nodes = replay->memory->nr_nodes, i;

	replay->nodes = calloc(nr_nodes, sizeof(*replay->nodes));
	replay->resume = malloc(job->nr_requests * sizeof(*replay->resume));
	if (!replay->nodes || !replay->resume)
		return -ENOMEM;
	/* Written, not only promised: the workers are to find every page of it there. */
	memset(replay->resume, 0, job->nr_requests * sizeof(*replay->resume));
	for (i = 0; i < job->nr_workers; i++)
		replay->nodes[job->seats[i].node].nr_workers++;
	for (i = 0; i < nr_nodes; i++) {
		struct replay_node *node = &replay->nodes[i];

		node->number = replay->memory->nodes[i];
		node->index = i;
		pthread_mutex_init(&node->lock, NULL);
		pthread_barrier_init(&node->barrier, NULL, node->nr_workers);
		node->queue = malloc(job->nr_requests * sizeof(*node->queue));
		if (!node->queue)
			return -ENOMEM;
	}
	return share_out(replay);
}

void replay_nodes_close(struct replay *replay)
{
	unsigned i;

	for (i = 0; replay->nodes && i < replay->memory->nr_nodes; i++) {
		struct replay_node *node = &replay->nodes[i];

		if (node->nr_workers > 0 && node->queue) {
			pthread_barrier_destroy(&node->barrier);
			pthread_mutex_destroy(&node->lock);
		}
		free(node->queue);
	}
	free(replay->nodes);
	free(replay->resume);
}

bool replay_queue_take(struct replay_node *node, uint32_t *request)
{
	bool is_there;

	pthread_mutex_lock(&node->lock);
	is_there = node->head < node->end;
	if (is_there)
		*request = node->queue[node->head++];
	pthread_mutex_unlock(&node->lock);
	return is_there;
}

/* There is room at the front: whatever is returned has been taken from there. */
void replay_queue_return(struct replay_node *node, uint32_t request)
{
	pthread_mutex_lock(&node->lock);
	node->queue[--node->head] = request;
	pthread_mutex_unlock(&node->lock);
}

/*
 * Nothing moved. Where several requests run, all of them wait for a block, and the youngest is put
 * back: the oldest always gets on, so that all end one day. Where one runs, or none, the pool has
 * refused what it should have.
 */
static void unstick(struct replay *replay, struct replay_node *node)
{
	struct replay_worker *victim = NULL;
	unsigned nr_running = 0, slot = 0, w, s;

	for (w = 0; w < replay->job->nr_workers; w++) {
		struct replay_worker *worker = &replay->workers[w];

		for (s = 0; worker->node == node && s < worker->nr_running; s++) {
			nr_running++;
			if (!victim || worker->slots[s].request > victim->slots[slot].request) {
				victim = worker;
				slot = s;
			}
		}
	}
	/* Whoever waits for a release tries again. */
	atomic_fetch_add_explicit(&node->nr_releases, 1, memory_order_relaxed);
	if (nr_running > 1)
		victim->evict = (int)slot;
	else if (++node->idle_steps > MOST_IDLE_STEPS)
		replay_fail(replay,
			    "node %d: the pool refuses blocks to the only request that runs, "
			    "although it is large enough for it",
			    node->number);
}

static void see_to_it(struct replay_worker *leader)
{
	struct replay *replay = leader->replay;
	struct replay_node *node = leader->node;
	bool has_running = false, has_moved = false;
	uint64_t start;
	unsigned w;

	for (w = 0; w < replay->job->nr_workers; w++) {
		struct replay_worker *worker = &replay->workers[w];

		if (worker->node != node)
			continue;
		has_running |= worker->nr_running > 0;
		has_moved |= worker->moved;
		worker->moved = false;
	}
	if (replay_is_stopping(replay) || (!has_running && node->head == node->end)) {
		node->is_done = true;
		return;
	}
	start = ticks_now();
	replay->memory->ops->step_reset(replay->memory, node->index);
	leader->ticks[REPLAY_ARENA] += ticks_between(start, ticks_now());
	if (has_moved)
		node->idle_steps = 0;
	else
		unstick(replay, node);
}

bool replay_between_steps(struct replay_worker *worker)
{
	struct replay_node *node = worker->node;

	if (pthread_barrier_wait(&node->barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
		see_to_it(worker);
	pthread_barrier_wait(&node->barrier);
	return !node->is_done;
}
