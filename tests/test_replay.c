/* SPDX-License-Identifier: MIT */
/*
 * tests/test_replay.c - the engine of `hugenuma replay` on memories that behave, run short, and
 * lie.
 *
 * The engine is what tells a user that no memory had two owners. So it is given memories that
 * hand the same bytes out twice, refuse what they have, and lose blocks, and must say so each
 * time and end.
 */
#include "config.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "tests/check.h"
#include "tools/replay.h"
#include "tools/ticks.h"

#define BLOCK_BYTES ((size_t)4096)
#define NR_WORKERS  3
#define BATCH	    4

/* 16 tokens of a layer are 16 * 1 * 64 * 2 * 2 = 4 KB. */
static const struct model model = {"small", 3, 2, 1, 64, 64, 256};
static const int nodes[] = {0, 5};

/* Three workers on the first CPU that we may use: more than there are, they take turns. */
static struct replay_seat seats[NR_WORKERS];
static struct memory memory;
static struct trace trace;
static struct replay_result result;
static unsigned nr_workers;

/* The operations of plain malloc, to be bent. */
static struct memory_ops bent;
static const struct memory_ops *straight;

static void open_all(size_t nr_requests, size_t blocks_per_node, unsigned nr_nodes)
{
	unsigned i;

	nr_workers = NR_WORKERS;
	memset(&memory, 0, sizeof(memory));
	memory.nr_nodes = nr_nodes;
	memory.nodes = nodes;
	CU_ASSERT_EQUAL_FATAL(memory_malloc_open(&memory, BLOCK_BYTES, blocks_per_node, 1024), 0);
	straight = memory.ops;
	bent = *straight;
	memory.ops = &bent;
	CU_ASSERT_EQUAL_FATAL(trace_generate(&trace, nr_requests, 1), 0);
	for (i = 0; i < nr_requests; i++) {
		/* Short, so that sanitizers and Valgrind get through. */
		trace.requests[i].context = 1 + trace.requests[i].context % 100;
		trace.requests[i].generated %= 40;
	}
	for (i = 0; i < NR_WORKERS; i++)
		seats[i].node = i % nr_nodes;
}

static int run(bool fill, bool (*watch)(void *arg, const struct replay_progress *progress))
{
	const struct replay_job job = {
		.model = &model,
		.requests = trace.requests,
		.nr_requests = trace.nr_requests,
		.memory = &memory,
		.seats = seats,
		.nr_workers = nr_workers,
		.batch = BATCH,
		.fill = fill,
	};

	return replay_run(&job, watch, NULL, &result);
}

static size_t nr_out(void)
{
	struct memory_class_row rows[2 * HNUMA_NR_CLASSES];
	size_t sum = 0;
	unsigned i;

	memory_malloc_classes(&memory, rows);
	for (i = 0; i < memory.nr_nodes * HNUMA_NR_CLASSES; i++)
		sum += rows[i].stats.in_use;
	return sum;
}

static void close_all(void)
{
	replay_result_free(&result);
	trace_free(&trace);
	CU_ASSERT_EQUAL(straight->close(&memory), 0);
}

/* It ran to the end: everything was done, once, and all is back. */
static void expect_complete(void)
{
	uint64_t context = 0, generated = 0;
	size_t i;

	for (i = 0; i < trace.nr_requests; i++) {
		context += trace.requests[i].context;
		generated += trace.requests[i].generated;
	}
	CU_ASSERT_STRING_EQUAL(result.failure, "");
	CU_ASSERT_FALSE(result.was_stopped);
	CU_ASSERT_EQUAL(result.counts.requests, trace.nr_requests);
	CU_ASSERT_EQUAL(result.counts.context_tokens, context);
	CU_ASSERT_EQUAL(result.counts.generated_tokens, generated);
	CU_ASSERT_EQUAL(result.times[REPLAY_ALL].count, result.counts.steps);
	CU_ASSERT(result.counts.steps > 0);
	CU_ASSERT_EQUAL(nr_out(), 0);
}

static void expect_failure(const char *words)
{
	if (!strstr(result.failure, words))
		printf("\n    \"%s\" is not in \"%s\" ", words, result.failure);
	CU_ASSERT_PTR_NOT_NULL(strstr(result.failure, words));
	CU_ASSERT_FALSE(result.was_stopped);
}

static void test_plenty(void)
{
	open_all(200, 100000, 1);
	CU_ASSERT_EQUAL(run(false, NULL), 0);
	expect_complete();
	CU_ASSERT_EQUAL(result.counts.waits_at_start, 0);
	CU_ASSERT_EQUAL(result.counts.waits_in_flight, 0);
	CU_ASSERT_EQUAL(result.counts.put_back, 0);
	CU_ASSERT_EQUAL(result.counts.repeated_tokens, 0);
	close_all();
}

static void test_every_byte(void)
{
	open_all(50, 100000, 1);
	CU_ASSERT_EQUAL(run(true, NULL), 0);
	expect_complete();
	close_all();
}

static void test_two_nodes(void)
{
	open_all(200, 100000, 2);
	CU_ASSERT_EQUAL(run(false, NULL), 0);
	expect_complete();
	/* Two workers sit on the first node and one on the second: it gets a third of the work. */
	CU_ASSERT(result.nodes[1].requests > 200 / 5);
	CU_ASSERT(result.nodes[1].requests < 200 / 2);
	CU_ASSERT_EQUAL(result.nodes[0].requests + result.nodes[1].requests, 200);
	close_all();
}

/* Just enough for the largest request: others must wait, and give way, and all get their turn. */
static void test_tight_pool(void)
{
	size_t largest;

	open_all(200, 0, 1);
	largest = (size_t)model_blocks(140) * model.layers;
	memory.blocks_per_node = largest;
	CU_ASSERT_EQUAL(run(false, NULL), 0);
	expect_complete();
	CU_ASSERT(result.counts.waits_at_start > 0);
	CU_ASSERT(result.counts.waits_in_flight > 0);
	CU_ASSERT(result.counts.put_back > 0);
	CU_ASSERT(result.counts.repeated_tokens > 0);
	close_all();
}

/* A single call now and then is refused although there is room. */
static _Atomic unsigned nr_calls;

static void *acquire_grudgingly(struct memory_worker *worker)
{
	return ++nr_calls % 5 == 0 ? NULL : straight->acquire(worker);
}

static int acquire_bulk_grudgingly(struct memory_worker *worker, void **blocks, size_t nr_blocks)
{
	return ++nr_calls % 5 == 0 ? -ENOMEM : straight->acquire_bulk(worker, blocks, nr_blocks);
}

static void test_refusals_now_and_then(void)
{
	open_all(200, 100000, 1);
	bent.acquire = acquire_grudgingly;
	bent.acquire_bulk = acquire_bulk_grudgingly;
	CU_ASSERT_EQUAL(run(false, NULL), 0);
	expect_complete();
	CU_ASSERT(result.counts.waits_at_start > 0);
	CU_ASSERT(result.counts.waits_in_flight > 0);
	close_all();
}

static int acquire_bulk_never(struct memory_worker *worker, void **blocks, size_t nr_blocks)
{
	(void)worker;
	(void)blocks;
	(void)nr_blocks;
	return -ENOMEM;
}

/* A pool that never gives what it has must not hang the run. */
static void test_refusals_for_ever(void)
{
	open_all(10, 100000, 1);
	bent.acquire_bulk = acquire_bulk_never;
	CU_ASSERT_EQUAL(run(false, NULL), 0);
	expect_failure("the pool refuses blocks");
	CU_ASSERT_EQUAL(result.counts.requests, 0);
	close_all();
}

static void *acquire_never(struct memory_worker *worker)
{
	(void)worker;
	return NULL;
}

static void test_no_growth(void)
{
	open_all(10, 100000, 1);
	bent.acquire = acquire_never;
	CU_ASSERT_EQUAL(run(false, NULL), 0);
	expect_failure("the pool refuses blocks");
	CU_ASSERT_EQUAL(nr_out(), 0);
	close_all();
}

/* Two requests get one block: each bulk's first is the one that is lent to all. */
static unsigned char lent[2 * 4096];
static void *hidden[4096];
static _Atomic unsigned nr_hidden;

static int acquire_bulk_lent(struct memory_worker *worker, void **blocks, size_t nr_blocks)
{
	int error = straight->acquire_bulk(worker, blocks, nr_blocks);

	if (!error) {
		hidden[nr_hidden++] = blocks[0];
		blocks[0] = lent;
	}
	return error;
}

static int release_bulk_lent(struct memory_worker *worker, void *const *blocks, size_t nr_blocks)
{
	void **list = malloc((nr_blocks + 1) * sizeof(*list));
	size_t i;
	int error;

	memcpy(list, blocks, nr_blocks * sizeof(*list));
	for (i = 0; i < nr_blocks; i++)
		if (list[i] == lent)
			list[i] = hidden[--nr_hidden];
	error = straight->release_bulk(worker, list, nr_blocks);
	free(list);
	return error;
}

static void test_overlap(bool fill)
{
	open_all(100, 100000, 1);
	/*
	 * Requests of one worker: with more, ThreadSanitizer would rightly report what is done
	 * here.
	 */
	nr_workers = 1;
	nr_hidden = 0;
	bent.acquire_bulk = acquire_bulk_lent;
	bent.release_bulk = release_bulk_lent;
	CU_ASSERT_EQUAL(run(fill, NULL), 0);
	expect_failure("two owners had the same memory: the keys and values of request");
	CU_ASSERT(result.counts.requests < trace.nr_requests);
	CU_ASSERT_EQUAL(nr_out(), 0);
	close_all();
}

static void test_overlapping_blocks(void)
{
	test_overlap(false);
}

static void test_overlapping_blocks_filled(void)
{
	test_overlap(true);
}

/* Somebody writes one word into a block that is out, behind what is written without --fill. */
static void *acquire_scribbling(struct memory_worker *worker)
{
	static uint64_t *victim;
	void *block = straight->acquire(worker);

	/*
	 * The block that the request got 16 tokens ago, full by now: its first token's last word.
	 */
	if (nr_calls == 0)
		victim = block;
	else if (nr_calls == model.layers)
		victim[256 / 8 - 1]++;
	nr_calls++;
	return block;
}

static void test_stray_write(void)
{
	open_all(1, 100000, 1);
	trace.requests[0] = (struct request){1, 200};
	nr_calls = 0;
	bent.acquire = acquire_scribbling;
	CU_ASSERT_EQUAL(run(true, NULL), 0);
	expect_failure("but other bytes behind its first word");
	close_all();
}

/* Every allocation of a step is the same memory. */
static unsigned char step_memory[4096] __attribute__((aligned(64)));

static void *step_alloc_same(struct memory_worker *worker, size_t bytes)
{
	(void)worker;
	return bytes <= sizeof(step_memory) ? step_memory : NULL;
}

static void test_overlapping_activations(void)
{
	open_all(20, 100000, 1);
	nr_workers = 1;
	bent.step_alloc = step_alloc_same;
	CU_ASSERT_EQUAL(run(false, NULL), 0);
	expect_failure("activations or logits in the arena of node 0 were changed");
	close_all();
}

static void *alloc_nothing(struct memory_worker *worker, size_t bytes)
{
	(void)worker;
	(void)bytes;
	errno = ENOMEM;
	return NULL;
}

static void test_full_arena(void)
{
	open_all(20, 100000, 1);
	bent.step_alloc = alloc_nothing;
	CU_ASSERT_EQUAL(run(false, NULL), 0);
	expect_failure("node 0's arena is full");
	CU_ASSERT_EQUAL(nr_out(), 0);
	close_all();
}

static void test_no_scratch(void)
{
	open_all(20, 100000, 1);
	bent.scratch_acquire = alloc_nothing;
	CU_ASSERT_EQUAL(run(false, NULL), 0);
	expect_failure("no scratch memory for");
	CU_ASSERT_EQUAL(nr_out(), 0);
	close_all();
}

static int release_bulk_refused(struct memory_worker *worker, void *const *blocks, size_t nr_blocks)
{
	straight->release_bulk(worker, blocks, nr_blocks);
	return -EALREADY;
}

static void test_refused_release(void)
{
	open_all(20, 100000, 1);
	bent.release_bulk = release_bulk_refused;
	CU_ASSERT_EQUAL(run(false, NULL), 0);
	expect_failure("releasing a request's blocks");
	close_all();
}

static void test_wrong_cpu(void)
{
	int cpu = seats[1].cpu;

	open_all(20, 100000, 1);
	seats[1].cpu = 100000;
	CU_ASSERT_EQUAL(run(false, NULL), 0);
	expect_failure("worker 1 on CPU 100000, taking its seat");
	CU_ASSERT_EQUAL(result.counts.requests, 0);
	seats[1].cpu = cpu;
	close_all();
}

static bool stop_soon(void *arg, const struct replay_progress *progress)
{
	(void)arg;
	CU_ASSERT(progress->requests <= progress->requests_total);
	CU_ASSERT(progress->tokens <= progress->tokens_total);
	return true;
}

static void test_stop(void)
{
	size_t i;

	open_all(2000, 100000, 1);
	for (i = 0; i < trace.nr_requests; i++)
		trace.requests[i].generated = 2000;
	CU_ASSERT_EQUAL(run(false, stop_soon), 0);
	CU_ASSERT_STRING_EQUAL(result.failure, "");
	CU_ASSERT(result.was_stopped);
	CU_ASSERT(result.counts.requests < 2000);
	CU_ASSERT(result.counts.generated_tokens > 0);
	CU_ASSERT_EQUAL(nr_out(), 0);
	close_all();
}

static void test_silent_requests(void)
{
	size_t i;

	open_all(100, 100000, 1);
	for (i = 0; i < trace.nr_requests; i++)
		trace.requests[i].generated = i % 10 == 0;
	CU_ASSERT_EQUAL(run(false, NULL), 0);
	expect_complete();
	close_all();
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"plenty of room", test_plenty},
		{"every byte written", test_every_byte},
		{"two nodes", test_two_nodes},
		{"room for the largest request only", test_tight_pool},
		{"refused now and then", test_refusals_now_and_then},
		{"refused for ever", test_refusals_for_ever},
		{"never one block more", test_no_growth},
		{"one block for two owners", test_overlapping_blocks},
		{"one block for two owners, filled", test_overlapping_blocks_filled},
		{"one stray word", test_stray_write},
		{"activations on each other", test_overlapping_activations},
		{"no room in the arena", test_full_arena},
		{"no scratch memory", test_no_scratch},
		{"a release that is refused", test_refused_release},
		{"a CPU that does not exist", test_wrong_cpu},
		{"stopped half-way", test_stop},
		{"requests that want no token", test_silent_requests},
		CU_TEST_INFO_NULL,
	};
	unsigned i;

	ticks_calibrate();
	for (i = 0; i < NR_WORKERS; i++)
		seats[i].cpu = sched_getcpu();
	return check_main("test_replay", tests);
}
