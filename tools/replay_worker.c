/* SPDX-License-Identifier: MIT */
/*
 * tools/replay_worker.c - one worker's steps: the hot loop of a replay. Calls the replay's memory,
 * <hugenuma.h> for messages, and libc.
 *
 * A step: start requests whose blocks can be had (and write their prompts' keys and values), let
 * every running request generate one token, end those that have all theirs. Every call into the
 * memory is timed; nothing else here allocates or enters the kernel, so that a page fault is the
 * memory's.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "tools/replay.h"
#include "tools/stamp.h"
#include "tools/ticks.h"

static const struct replay_job *job_of(const struct replay_worker *worker)
{
	return worker->replay->job;
}

static const struct memory_ops *ops_of(const struct replay_worker *worker)
{
	return worker->memory.memory->ops;
}

static void fail_call(struct replay_worker *worker, const char *what, int error)
{
	const char *why = hnuma_errormsg();

	replay_fail(worker->replay, "worker %u on CPU %d, %s: %s", worker->index,
		    worker->memory.cpu, what, *why ? why : hnuma_strerror(error));
}

/* Give a request's blocks back, after a look at what is in them. */
static void release_blocks(struct replay_worker *worker, struct replay_slot *slot)
{
	size_t nr_blocks = (size_t)slot->nr_blocks * job_of(worker)->model->layers;
	uint64_t start;
	int error;

	replay_check_blocks(worker->replay, slot);
	start = ticks_now();
	error = ops_of(worker)->release_bulk(&worker->memory, slot->blocks, nr_blocks);
	worker->ticks[REPLAY_POOL] += ticks_between(start, ticks_now());
	if (error)
		fail_call(worker, "releasing a request's blocks", error);
	atomic_fetch_add_explicit(&worker->node->nr_releases, 1, memory_order_relaxed);
}

/*
 * Take a request out of the running ones. The last one moves into its place, list of blocks and
 * all.
 */
static void remove_slot(struct replay_worker *worker, unsigned index)
{
	struct replay_slot *slot = &worker->slots[index];
	struct replay_slot *last = &worker->slots[worker->nr_running - 1];
	void **blocks = slot->blocks;

	if (slot->is_waiting)
		atomic_fetch_sub_explicit(&worker->node->nr_waiting, 1, memory_order_relaxed);
	*slot = *last;
	last->blocks = blocks;
	worker->nr_running--;
}

/* Make room for others: the request begins again later, and keeps what it has generated. */
static void put_back(struct replay_worker *worker, unsigned index)
{
	struct replay_slot *slot = &worker->slots[index];
	uint32_t request = slot->request;

	release_blocks(worker, slot);
	worker->replay->resume[request] = slot->generated + 1;
	worker->counts.put_back++;
	remove_slot(worker, index);
	replay_queue_return(worker->node, request);
}

/* Count what a request began with. A prompt counts once, whatever happens to its request later. */
static void count_prompt(struct replay_worker *worker, const struct replay_slot *slot)
{
	uint32_t context = job_of(worker)->requests[slot->request].context;

	if (worker->replay->resume[slot->request] > 0) {
		worker->counts.repeated_tokens += slot->position;
		return;
	}
	worker->counts.context_tokens += context;
	atomic_fetch_add_explicit(&worker->tokens_done, context, memory_order_relaxed);
}

/* Start one request. Returns 0, or -ENOMEM: not now. */
static int start_request(struct replay_worker *worker, uint32_t request)
{
	const struct replay_job *job = job_of(worker);
	struct replay_slot *slot = &worker->slots[worker->nr_running];
	uint32_t resume = worker->replay->resume[request];
	uint64_t start;
	int error;

	slot->request = request;
	slot->generated = resume > 0 ? resume - 1 : 0;
	slot->position = job->requests[request].context + slot->generated;
	slot->nr_blocks = model_blocks(slot->position);
	slot->is_waiting = false;
	start = ticks_now();
	error = ops_of(worker)->acquire_bulk(&worker->memory, slot->blocks,
					     (size_t)slot->nr_blocks * job->model->layers);
	worker->ticks[REPLAY_POOL] += ticks_between(start, ticks_now());
	if (error)
		return error;
	worker->nr_running++;
	worker->moved = true;
	replay_write_prompt(job, slot);
	count_prompt(worker, slot);
	return 0;
}

/*
 * Start what can be started. Requests that run come first: while one waits for a block, none
 * starts. What the pool has refused once is not asked again before something has been released.
 */
static void start_requests(struct replay_worker *worker)
{
	struct replay_node *node = worker->node;
	uint32_t request;
	uint64_t releases;
	int error;

	while (worker->nr_running < job_of(worker)->batch && !replay_is_stopping(worker->replay)) {
		releases = atomic_load_explicit(&node->nr_releases, memory_order_relaxed);
		if (releases == worker->refused_at ||
		    atomic_load_explicit(&node->nr_waiting, memory_order_relaxed) > 0 ||
		    !replay_queue_take(node, &request))
			return;
		error = start_request(worker, request);
		if (!error)
			continue;
		replay_queue_return(node, request);
		if (error != -ENOMEM)
			fail_call(worker, "acquiring the blocks of a prompt", error);
		worker->counts.waits_at_start++;
		worker->refused_at = releases;
		return;
	}
}

/* One more block in each layer. False: not all of them could be had, and none was taken. */
static bool grow(struct replay_worker *worker, struct replay_slot *slot)
{
	const unsigned layers = job_of(worker)->model->layers;
	void **blocks = slot->blocks + (size_t)slot->nr_blocks * layers;
	uint64_t start = ticks_now();
	unsigned layer;
	int error = 0;

	for (layer = 0; layer < layers; layer++) {
		blocks[layer] = ops_of(worker)->acquire(&worker->memory);
		if (!blocks[layer])
			break;
	}
	if (layer < layers)
		error = ops_of(worker)->release_bulk(&worker->memory, blocks, layer);
	worker->ticks[REPLAY_POOL] += ticks_between(start, ticks_now());
	if (error)
		fail_call(worker, "releasing the blocks of some layers", error);
	if (layer < layers)
		return false;
	slot->nr_blocks++;
	return true;
}

/* Is there room for the next token? If not, get some; if there is none, the request waits. */
static bool is_ready(struct replay_worker *worker, struct replay_slot *slot)
{
	struct replay_node *node = worker->node;

	if (slot->position < slot->nr_blocks * MODEL_BLOCK_TOKENS)
		return true;
	if (grow(worker, slot)) {
		if (slot->is_waiting)
			atomic_fetch_sub_explicit(&node->nr_waiting, 1, memory_order_relaxed);
		slot->is_waiting = false;
		return true;
	}
	if (!slot->is_waiting) {
		atomic_fetch_add_explicit(&node->nr_waiting, 1, memory_order_relaxed);
		worker->counts.waits_in_flight++;
	}
	slot->is_waiting = true;
	return false;
}

static void write_step(const struct replay_job *job, void *memory, size_t bytes, uint64_t stamp)
{
	if (job->fill)
		stamp_write(memory, bytes, stamp);
	else
		stamp_write_sparsely(memory, bytes, stamp);
}

static bool step_is_intact(const struct replay_job *job, const void *memory, size_t bytes,
			   uint64_t stamp)
{
	return job->fill ? stamp_is_in(memory, bytes, stamp)
			 : stamp_is_in_sparsely(memory, bytes, stamp);
}

static void *step_alloc(struct replay_worker *worker, size_t bytes)
{
	void *memory = ops_of(worker)->step_alloc(&worker->memory, bytes);

	if (!memory)
		replay_fail(worker->replay,
			    "worker %u on CPU %d: no room for %zu bytes of activations in this "
			    "step; node %d's arena is full",
			    worker->index, worker->memory.cpu, bytes, worker->node->number);
	return memory;
}

/*
 * Activations and logits of all requests that generate a token in this step, as the arena's formula
 * has them: hidden and vocab numbers for each, and four times hidden for the worker.
 */
static bool take_step_memory(struct replay_worker *worker)
{
	const struct model *model = job_of(worker)->model;
	uint64_t start = ticks_now();
	bool is_there = true;
	unsigned i;

	for (i = 0; i < REPLAY_NR_TEMPORARIES && is_there; i++) {
		worker->temporaries[i] = step_alloc(worker, model->hidden * sizeof(float));
		is_there = worker->temporaries[i];
	}
	for (i = 0; i < worker->nr_running && is_there; i++) {
		struct replay_slot *slot = &worker->slots[i];

		if (slot->is_waiting)
			continue;
		slot->hidden = step_alloc(worker, model->hidden * sizeof(float));
		slot->logits = step_alloc(worker, model->vocab * sizeof(float));
		is_there = slot->hidden && slot->logits;
	}
	worker->ticks[REPLAY_ARENA] += ticks_between(start, ticks_now());
	return is_there;
}

/* The scores of a token against all before it, as many as fit at once. */
static void score(struct replay_worker *worker, const struct replay_slot *slot, unsigned layer)
{
	const size_t most = worker->memory.memory->scratch_bytes;
	uint64_t stamp = stamp_make(STAMP_SCORES, slot->request, layer, slot->position);
	size_t bytes = (size_t)(slot->position + 1) * sizeof(float);
	uint64_t start, end;
	void *scores;
	bool is_intact;
	int error;

	bytes = (bytes + STAMP_LINE - 1) / STAMP_LINE * STAMP_LINE;
	if (bytes > most)
		bytes = most / STAMP_LINE * STAMP_LINE;
	start = ticks_now();
	scores = ops_of(worker)->scratch_acquire(&worker->memory, bytes);
	end = ticks_now();
	worker->ticks[REPLAY_SCRATCH] += ticks_between(start, end);
	if (!scores) {
		replay_fail(worker->replay,
			    "worker %u on CPU %d: no scratch memory for %zu bytes of scores: %s",
			    worker->index, worker->memory.cpu, bytes, hnuma_strerror(errno));
		return;
	}
	write_step(job_of(worker), scores, bytes, stamp);
	is_intact = step_is_intact(job_of(worker), scores, bytes, stamp);
	start = ticks_now();
	error = ops_of(worker)->scratch_release(&worker->memory, scores);
	worker->ticks[REPLAY_SCRATCH] += ticks_between(start, ticks_now());
	if (error)
		fail_call(worker, "releasing scratch memory", error);
	if (!is_intact)
		replay_fail(worker->replay,
			    "worker %u on CPU %d: its scratch memory at %p was changed by "
			    "somebody else while it was in use",
			    worker->index, worker->memory.cpu, scores);
}

static uint64_t hidden_stamp(const struct replay_slot *slot)
{
	return stamp_make(STAMP_ACTIVATIONS, slot->request, 0, slot->position);
}

static uint64_t logits_stamp(const struct replay_slot *slot)
{
	return stamp_make(STAMP_LOGITS, slot->request, 0, slot->position);
}

/* A worker's temporaries are told apart by its index in place of a layer. */
static uint64_t temporary_stamp(const struct replay_worker *worker, unsigned i)
{
	return stamp_make(STAMP_ACTIVATIONS, worker->index, 1 + i, 0);
}

/* Generate a token of every request that is ready: its keys, values and scores in every layer. */
static void generate(struct replay_worker *worker)
{
	const struct replay_job *job = job_of(worker);
	const size_t hidden_bytes = job->model->hidden * sizeof(float);
	unsigned layer, i;

	for (i = 0; i < REPLAY_NR_TEMPORARIES; i++)
		write_step(job, worker->temporaries[i], hidden_bytes, temporary_stamp(worker, i));
	for (layer = 0; layer < job->model->layers; layer++) {
		for (i = 0; i < worker->nr_running; i++) {
			const struct replay_slot *slot = &worker->slots[i];

			if (slot->is_waiting)
				continue;
			write_step(job, slot->hidden, hidden_bytes, hidden_stamp(slot));
			replay_write_token(job, slot, layer);
			score(worker, slot, layer);
		}
	}
	for (i = 0; i < worker->nr_running; i++) {
		const struct replay_slot *slot = &worker->slots[i];

		if (!slot->is_waiting)
			write_step(job, slot->logits, job->model->vocab * sizeof(float),
				   logits_stamp(slot));
	}
}

/* Has nobody else written into this step's activations and logits? */
static void check_step_memory(struct replay_worker *worker)
{
	const struct replay_job *job = job_of(worker);
	const size_t hidden_bytes = job->model->hidden * sizeof(float);
	const size_t vocab_bytes = job->model->vocab * sizeof(float);
	bool is_intact = true;
	unsigned i;

	for (i = 0; i < REPLAY_NR_TEMPORARIES; i++)
		is_intact &= step_is_intact(job, worker->temporaries[i], hidden_bytes,
					    temporary_stamp(worker, i));
	for (i = 0; i < worker->nr_running; i++) {
		const struct replay_slot *slot = &worker->slots[i];

		if (slot->is_waiting)
			continue;
		is_intact &= step_is_intact(job, slot->hidden, hidden_bytes, hidden_stamp(slot));
		is_intact &= step_is_intact(job, slot->logits, vocab_bytes, logits_stamp(slot));
	}
	if (!is_intact)
		replay_fail(worker->replay,
			    "worker %u on CPU %d: its activations or logits in the arena of node "
			    "%d were changed by somebody else during the step",
			    worker->index, worker->memory.cpu, worker->node->number);
}

/* End the requests that have all the tokens they wanted. */
static void end_requests(struct replay_worker *worker)
{
	const struct request *requests = job_of(worker)->requests;
	unsigned i = 0;

	while (i < worker->nr_running) {
		struct replay_slot *slot = &worker->slots[i];

		if (slot->generated < requests[slot->request].generated) {
			i++;
			continue;
		}
		release_blocks(worker, slot);
		remove_slot(worker, i);
		worker->counts.requests++;
		atomic_fetch_add_explicit(&worker->requests_done, 1, memory_order_relaxed);
	}
}

/* Count the tokens that this step made. */
static void advance(struct replay_worker *worker, unsigned nr_tokens)
{
	unsigned i;

	for (i = 0; i < worker->nr_running; i++) {
		struct replay_slot *slot = &worker->slots[i];

		slot->position += !slot->is_waiting;
		slot->generated += !slot->is_waiting;
	}
	worker->moved = true;
	worker->counts.generated_tokens += nr_tokens;
	atomic_fetch_add_explicit(&worker->tokens_done, nr_tokens, memory_order_relaxed);
}

/* Note how long the memory took in this step. */
static void record(struct replay_worker *worker)
{
	uint64_t all = 0;
	unsigned kind;

	for (kind = 0; kind < REPLAY_ALL; kind++) {
		all += worker->ticks[kind];
		histogram_add(&worker->times[kind], ticks_to_ns(worker->ticks[kind]));
		worker->ticks[kind] = 0;
	}
	histogram_add(&worker->times[REPLAY_ALL], ticks_to_ns(all));
	worker->counts.steps++;
}

static void step(struct replay_worker *worker)
{
	unsigned nr_ready = 0, i;

	if (worker->evict >= 0)
		put_back(worker, (unsigned)worker->evict);
	worker->evict = -1;
	start_requests(worker);
	/* Some want no token at all: their prompt was all there was to do. */
	end_requests(worker);
	for (i = 0; i < worker->nr_running; i++)
		nr_ready += is_ready(worker, &worker->slots[i]);
	if (nr_ready > 0 && take_step_memory(worker)) {
		generate(worker);
		check_step_memory(worker);
		advance(worker, nr_ready);
		end_requests(worker);
	}
	if (nr_ready > 0) {
		uint64_t start = ticks_now();

		ops_of(worker)->step_end(&worker->memory);
		worker->ticks[REPLAY_ARENA] += ticks_between(start, ticks_now());
		record(worker);
	}
}

/*
 * The lists of blocks, in memory that is present and this worker's own.
 */
static int open_slots(struct replay_worker *worker)
{
	const struct replay_job *job = job_of(worker);
	size_t list = (size_t)worker->replay->most_blocks * job->model->layers;
	unsigned i;
	char *at;

	worker->tables_bytes = job->batch * (sizeof(struct replay_slot) + list * sizeof(void *));
	worker->tables = mmap(NULL, worker->tables_bytes, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (worker->tables == MAP_FAILED) {
		worker->tables = NULL;
		return -ENOMEM;
	}
	memset(worker->tables, 0, worker->tables_bytes);
	worker->slots = worker->tables;
	at = (char *)(worker->slots + job->batch);
	for (i = 0; i < job->batch; i++)
		worker->slots[i].blocks = (void **)at + i * list;
	return 0;
}

/* Tell the one who waits that this worker is ready; wait for the word to go. */
static bool wait_at_gate(struct replay *replay)
{
	bool is_open;

	pthread_mutex_lock(&replay->lock);
	replay->nr_ready++;
	pthread_cond_broadcast(&replay->changed);
	while (replay->gate == REPLAY_GATE_CLOSED)
		pthread_cond_wait(&replay->changed, &replay->lock);
	is_open = replay->gate == REPLAY_GATE_OPEN;
	pthread_mutex_unlock(&replay->lock);
	return is_open;
}

static void run_steps(struct replay_worker *worker)
{
	struct rusage before, after;

	getrusage(RUSAGE_THREAD, &before);
	while (replay_between_steps(worker))
		step(worker);
	getrusage(RUSAGE_THREAD, &after);
	worker->minor_faults = (uint64_t)(after.ru_minflt - before.ru_minflt);
	worker->major_faults = (uint64_t)(after.ru_majflt - before.ru_majflt);
	/* What a stop left running. */
	while (worker->nr_running > 0) {
		release_blocks(worker, &worker->slots[0]);
		remove_slot(worker, 0);
	}
}

void *replay_worker_main(void *argument)
{
	struct replay_worker *worker = argument;
	struct replay *replay = worker->replay;
	bool has_entered = false;
	char name[16];
	int error;

	snprintf(name, sizeof(name), "replay-%u", worker->index);
	pthread_setname_np(pthread_self(), name);
	worker->evict = -1;
	worker->refused_at = UINT64_MAX;
	error = ops_of(worker)->enter(&worker->memory);
	has_entered = !error;
	if (error)
		fail_call(worker, "taking its seat", error);
	else if (open_slots(worker))
		replay_fail(replay, "worker %u: no memory for its lists of blocks", worker->index);
	/*
	 * After a failure the gate still opens, and all workers end together at their first step.
	 */
	if (wait_at_gate(replay))
		run_steps(worker);
	if (has_entered)
		ops_of(worker)->leave(&worker->memory);
	if (worker->tables)
		munmap(worker->tables, worker->tables_bytes);
	pthread_mutex_lock(&replay->lock);
	replay->nr_ended++;
	pthread_cond_broadcast(&replay->changed);
	pthread_mutex_unlock(&replay->lock);
	return NULL;
}
