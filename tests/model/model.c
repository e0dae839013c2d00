/* SPDX-License-Identifier: MIT */
/*
 * tests/model/model.c - runs of the model: its objects, its actors, its steps. See model.h.
 *
 * Calls the library's public functions, pthreads and the C library.
 */
#include "config.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tests/model/model.h"

static struct hnuma_topology *topology;

/* ---- What all parts use --------------------------------------------------------------------- */

void model_fail(struct model *m, const char *format, ...)
{
	struct model_result *result = m->result;
	va_list args;
	int length;

	if (!result->is_right)
		return;
	result->is_right = false;
	length = snprintf(result->message, sizeof(result->message),
			  "step %llu: ", (unsigned long long)m->nr_steps);
	va_start(args, format);
	vsnprintf(result->message + length, sizeof(result->message) - (size_t)length, format, args);
	va_end(args);
}

void model_say(struct model *m, const char *format, ...)
{
	va_list args;

	if (!m->log)
		return;
	fprintf(m->log, "%4llu  actor %u  ", (unsigned long long)m->nr_steps, m->actor);
	va_start(args, format);
	vfprintf(m->log, format, args);
	va_end(args);
	fputc('\n', m->log);
}

size_t model_size(const struct model *m)
{
	return ((size_t)m->step[2] << (m->step[3] & 15)) + (m->step[3] >> 4);
}

void pieces_check(struct model *m, const struct piece *piece)
{
	if (piece->size == 0)
		return;
	EXPECT(m,
	       piece->at[0] == piece->filling &&
		       memcmp(piece->at, piece->at + 1, piece->size - 1) == 0,
	       "%zu bytes, had since step %llu, have changed", piece->size,
	       (unsigned long long)piece->born);
}

void pieces_check_all(struct model *m, const struct pieces *pieces)
{
	for (size_t i = 0; i < pieces->nr; i++)
		pieces_check(m, &pieces->of[i]);
}

void pieces_add(struct model *m, struct pieces *pieces, void *at, size_t size, size_t alignment,
		bool is_zero, unsigned kind)
{
	struct piece *piece = &pieces->of[pieces->nr];
	unsigned char *begin = at;

	EXPECT(m, (uintptr_t)at % alignment == 0, "%zu bytes are not aligned to %zu", size,
	       alignment);
	/* No bytes are nobody's, wherever they are. */
	for (size_t i = 0; size > 0 && i < pieces->nr; i++) {
		const struct piece *other = &pieces->of[i];

		if (other->size == 0)
			continue;
		EXPECT(m, begin >= other->at + other->size || begin + size <= other->at,
		       "%zu bytes are also those had since step %llu", size,
		       (unsigned long long)other->born);
	}
	if (!m->result->is_right)
		return;
	if (is_zero && size > 0)
		EXPECT(m, begin[0] == 0 && memcmp(begin, begin + 1, size - 1) == 0,
		       "%zu bytes are not zero", size);
	piece->at = begin;
	piece->size = size;
	piece->filling = (unsigned char)(m->nr_steps % 255 + 1);
	piece->born = m->nr_steps;
	piece->kind = kind;
	if (size > 0)
		memset(begin, piece->filling, size);
	pieces->nr++;
	EXPECT(m, pieces->nr < MODEL_PIECES_MAX, "the model has no room for so many pieces");
}

void pieces_drop(struct model *m, struct pieces *pieces, size_t index)
{
	pieces_check(m, &pieces->of[index]);
	pieces->of[index] = pieces->of[--pieces->nr];
}

void pieces_clear(struct model *m, struct pieces *pieces)
{
	pieces_check_all(m, pieces);
	pieces->nr = 0;
}

/* ---- The objects ------------------------------------------------------------------------------ */

/* What the header's bytes ask for. */
static struct hnuma_config config_of(const struct model *m)
{
	struct hnuma_config config = HNUMA_CONFIG_INIT;

	config.arena_capacity = 64 + (size_t)m->header[1] * 1000;
	config.buffers_per_class = 1 + m->header[2] % 8;
	config.pool_bytes_per_node = (1 + m->header[3] % 4) * HNUMA_HUGEPAGE;
	config.scratch_size = 1 + (size_t)m->header[4] * 64;
	config.max_scratch = 1 + m->header[5] % 4;
	config.hygiene = (enum hnuma_hygiene)(m->header[0] / 2 % 3);
	config.policy = m->header[0] & 64 ? HNUMA_POLICY_PREFERRED : HNUMA_POLICY_BIND;
	config.least_backing = HNUMA_BACKING_BASE;
	/* One node, so that what lies where does not depend on the machine. */
	hnuma_nodeset_add(&config.nodes, hnuma_current_node(topology));
	return config;
}

static int make_each(struct model *m, const struct hnuma_config *config)
{
	struct hnuma_arena_attr arena = HNUMA_ARENA_ATTR_INIT;
	struct hnuma_pool_attr pool = HNUMA_POOL_ATTR_INIT;
	struct hnuma_scratch_attr scratch = HNUMA_SCRATCH_ATTR_INIT;
	int error;

	arena.capacity = config->arena_capacity;
	arena.policy = config->policy;
	pool.buffers_per_class = config->buffers_per_class;
	pool.bytes_per_node = config->pool_bytes_per_node;
	pool.hygiene = config->hygiene;
	pool.policy = config->policy;
	scratch.space_size = config->scratch_size;
	scratch.max_spaces = config->max_scratch;
	scratch.policy = config->policy;
	pool.nodes = scratch.nodes = config->nodes;
	arena.least_backing = pool.least_backing = scratch.least_backing = config->least_backing;
	error = hnuma_arena_create(&m->arena.arena, topology, &arena);
	if (!error)
		error = hnuma_pool_create(&m->pool.pool, topology, &pool);
	if (!error)
		error = hnuma_scratch_create(&m->scratch.scratch, topology, &scratch);
	return error;
}

static void make(struct model *m)
{
	struct hnuma_config config = config_of(m);
	int error;

	if (m->header[0] & 1) {
		error = hnuma_manager_create(&m->manager, topology, &config);
		if (!error) {
			m->arena.arena = hnuma_manager_arena(m->manager, HNUMA_NODE_LOCAL);
			m->pool.pool = hnuma_manager_pool(m->manager);
			m->scratch.scratch = hnuma_manager_scratch(m->manager);
		}
	} else {
		error = make_each(m, &config);
	}
	EXPECT(m, error == 0, "making the objects: %d, %s", error, hnuma_errormsg());
	m->arena.capacity = round_up(config.arena_capacity, 64);
	m->pool.hygiene = config.hygiene;
	m->pool.nr_pages = config.pool_bytes_per_node / HNUMA_HUGEPAGE;
	m->pool.buffers = config.buffers_per_class;
	m->pool.acquires = m->pool.releases = 0;
	m->pool.released = NULL;
	m->scratch.nr_spaces = config.max_scratch;
	m->scratch.space_size = round_up(config.scratch_size, 64);
	for (unsigned i = 0; i < MODEL_ACTORS; i++)
		m->scratch.of[i].last = NULL;
	if (m->result->is_right)
		arena_begin(m);
}

static void expect_destroyed(struct model *m, const char *what, int error, bool is_busy)
{
	EXPECT(m, error == (is_busy ? -EBUSY : 0), "destroying the %s: %d, %s", what, error,
	       hnuma_errormsg());
}

/*
 * Destroy the manager, or each object. What is in use must be refused, and is then as it was. Returns
 * whether all are gone.
 */
static bool destroy(struct model *m)
{
	bool blocks = m->pool.out.nr > 0, spaces = scratch_nr_taken(m) > 0;

	if (m->manager) {
		expect_destroyed(m, "manager", hnuma_manager_destroy(m->manager), blocks || spaces);
		return !blocks && !spaces;
	}
	/* One that is in use first: the others must stay for the steps to come. */
	if (blocks)
		expect_destroyed(m, "pool", hnuma_pool_destroy(m->pool.pool), true);
	if (spaces)
		expect_destroyed(m, "scratch", hnuma_scratch_destroy(m->scratch.scratch), true);
	if (blocks || spaces)
		return false;
	expect_destroyed(m, "pool", hnuma_pool_destroy(m->pool.pool), false);
	expect_destroyed(m, "scratch", hnuma_scratch_destroy(m->scratch.scratch), false);
	expect_destroyed(m, "arena", hnuma_arena_destroy(m->arena.arena), false);
	return true;
}

static void destroy_step(struct model *m)
{
	bool are_gone = destroy(m);

	model_say(m, "destroy -> %s", are_gone ? "done; made anew" : "refused");
	if (!are_gone || !m->result->is_right)
		return;
	arena_was_reset(m);
	make(m);
}

static void manager_step(struct model *m)
{
	if (!m->manager)
		return;
	model_say(m, "manager: begin a step");
	pieces_check_all(m, &m->arena.pieces);
	hnuma_manager_reset_step(m->manager);
	arena_was_reset(m);
}

/* ---- Actors: threads of which one at a time does a step --------------------------------------- */

static struct actor {
	pthread_t thread;
	bool is_there;
	struct model *job; /* NULL: wait */
	bool must_end;
	pthread_cond_t wanted; /* a job, or the end */
} actors[MODEL_ACTORS];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t done = PTHREAD_COND_INITIALIZER; /* a job */

static void compare(struct model *m)
{
	if (m->result->is_right)
		arena_compare(m);
	if (m->result->is_right)
		pool_compare(m);
	if (m->result->is_right)
		scratch_compare(m);
}

static void do_step(struct model *m)
{
	unsigned which = m->step[0] % (ARENA_STEPS + POOL_STEPS + SCRATCH_STEPS + 2);

	if (which < ARENA_STEPS)
		arena_step(m, which);
	else if (which < ARENA_STEPS + POOL_STEPS)
		pool_step(m, which - ARENA_STEPS);
	else if (which < ARENA_STEPS + POOL_STEPS + SCRATCH_STEPS)
		scratch_step(m, which - ARENA_STEPS - POOL_STEPS);
	else if (which == ARENA_STEPS + POOL_STEPS + SCRATCH_STEPS)
		manager_step(m);
	else
		destroy_step(m);
	compare(m);
}

static void *act(void *arg)
{
	struct actor *actor = arg;

	pthread_mutex_lock(&lock);
	while (!actor->must_end) {
		if (!actor->job) {
			pthread_cond_wait(&actor->wanted, &lock);
			continue;
		}
		do_step(actor->job);
		actor->job = NULL;
		pthread_cond_signal(&done);
	}
	pthread_mutex_unlock(&lock);
	return NULL;
}

static void let_act(struct model *m)
{
	struct actor *actor = &actors[m->actor];

	if (!actor->is_there) {
		actor->must_end = false;
		actor->job = NULL;
		pthread_cond_init(&actor->wanted, NULL);
		actor->is_there = pthread_create(&actor->thread, NULL, act, actor) == 0;
	}
	if (!actor->is_there) {
		model_fail(m, "no thread for an actor");
		return;
	}
	pthread_mutex_lock(&lock);
	actor->job = m;
	pthread_cond_signal(&actor->wanted);
	while (actor->job)
		pthread_cond_wait(&done, &lock);
	pthread_mutex_unlock(&lock);
}

/* With whatever it has: a space that it holds comes home. */
static void end_actor(struct model *m, unsigned which)
{
	struct actor *actor = &actors[which];

	if (!actor->is_there)
		return;
	pthread_mutex_lock(&lock);
	actor->must_end = true;
	pthread_cond_signal(&actor->wanted);
	pthread_mutex_unlock(&lock);
	pthread_join(actor->thread, NULL);
	pthread_cond_destroy(&actor->wanted);
	actor->is_there = false;
	scratch_actor_ended(m, which);
}

/* ---- A run ---------------------------------------------------------------------------------- */

#define NR_LISTS (2 + MODEL_ACTORS)

static struct pieces *list_of(struct model *m, unsigned i)
{
	if (i < MODEL_ACTORS)
		return &m->scratch.of[i].pieces;
	return i == MODEL_ACTORS ? &m->arena.pieces : &m->pool.out;
}

static bool allot(struct model *m)
{
	bool is_there = true;

	for (unsigned i = 0; i < NR_LISTS; i++) {
		struct pieces *list = list_of(m, i);

		list->of = calloc(MODEL_PIECES_MAX, sizeof(*list->of));
		is_there = is_there && list->of;
	}
	return is_there;
}

static void free_lists(struct model *m)
{
	for (unsigned i = 0; i < NR_LISTS; i++)
		free(list_of(m, i)->of);
}

static void do_steps(struct model *m, const uint8_t *steps, size_t nr_steps)
{
	for (size_t i = 0; i < nr_steps && m->result->is_right; i++) {
		m->step = steps + i * MODEL_STEP;
		m->nr_steps = i;
		m->actor = m->step[1] % MODEL_ACTORS;
		/* Now and then a thread ends, whatever it has, and another takes its place. */
		if (m->step[1] >= 252) {
			model_say(m, "ends");
			end_actor(m, m->actor);
			compare(m);
		} else {
			let_act(m);
		}
	}
}

/* Everything comes home and nothing is left. */
static void finish(struct model *m)
{
	for (unsigned i = 0; i < MODEL_ACTORS; i++)
		end_actor(m, i);
	if (!m->result->is_right)
		return;
	while (m->pool.out.nr > 0) {
		void *block = m->pool.out.of[0].at;

		pieces_drop(m, &m->pool.out, 0);
		EXPECT(m, hnuma_pool_release(m->pool.pool, block) == 0, "the last release: %s",
		       hnuma_errormsg());
		m->pool.releases++;
	}
	compare(m);
	EXPECT(m, hnuma_pool_check(m->pool.pool) == 0, "the pool's books: %s", hnuma_errormsg());
	pieces_check_all(m, &m->arena.pieces);
	if (m->result->is_right)
		destroy(m);
}

void model_run(const uint8_t *bytes, size_t size, bool sabotage, FILE *log,
	       struct model_result *result)
{
	static const uint8_t nothing[MODEL_HEADER];
	struct model m = {.sabotage = sabotage, .log = log, .result = result};
	size_t nr_steps = size > MODEL_HEADER ? (size - MODEL_HEADER) / MODEL_STEP : 0;

	result->is_right = true;
	result->message[0] = '\0';
	if (!topology && hnuma_topology_create(&topology))
		model_fail(&m, "no topology: %s", hnuma_errormsg());
	if (!allot(&m))
		model_fail(&m, "no memory for the model");
	sched_getaffinity(0, sizeof(m.allowed), &m.allowed);
	m.header = size < MODEL_HEADER ? nothing : bytes;
	if (result->is_right)
		make(&m);
	if (result->is_right)
		do_steps(&m, bytes + MODEL_HEADER,
			 nr_steps < MODEL_STEPS_MAX ? nr_steps : MODEL_STEPS_MAX);
	finish(&m);
	result->nr_steps = (unsigned)m.nr_steps + (nr_steps > 0);
	free_lists(&m);
}
