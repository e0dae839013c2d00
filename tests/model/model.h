/* SPDX-License-Identifier: MIT */
/*
 * tests/model/model.h - the library's objects held against a plain model of each.
 *
 * A run is made of bytes: a header that says what objects to make, then steps of four bytes, each one
 * operation by one of a few threads (actors), of which one at a time does anything. Any bytes are a
 * run, and the same bytes are always the same run: so a run can be made up from a seed, shrunk, kept
 * in a file, and made by a fuzzer.
 *
 * The model knows what is out and where, and what was written there; for each operation it says what
 * must come of it. It knows nothing of how the library does it: no caches, no depots, no stretches.
 *
 *	model.c          runs, actors, making and destroying
 *	model_arena.c    allocations, lanes, marks
 *	model_pool.c     blocks
 *	model_scratch.c  spaces
 *	shrink.c         the shortest run that still fails
 */
#ifndef HUGENUMA_TESTS_MODEL_H
#define HUGENUMA_TESTS_MODEL_H

#include <sched.h>
#include <stdint.h>
#include <stdio.h>

#include <hugenuma.h>

#define MODEL_HEADER	 8 /* bytes */
#define MODEL_STEP	 4
#define MODEL_STEPS_MAX	 4096
#define MODEL_ACTORS	 3
#define MODEL_MARKS	 4
#define MODEL_PIECES_MAX 2048

/* What a run came to. */
struct model_result {
	bool is_right;
	unsigned nr_steps; /* that were done */
	char message[320]; /* what was wrong, at which step */
};

/*
 * Make the objects, do the steps, destroy the objects.
 *
 * @log       receives a line for each step; NULL: nothing.
 * @sabotage  write into memory that is somebody's, as a broken library would: to see it found out.
 *
 * The topology is made once and kept until the process ends.
 */
void model_run(const uint8_t *bytes, size_t size, bool sabotage, FILE *log,
	       struct model_result *result);

/*
 * Shorten bytes for which `fails` is true as far as it stays so: fewer steps, then smaller numbers.
 * Returns the new size.
 */
size_t model_shrink(uint8_t *bytes, size_t size,
		    bool (*fails)(const uint8_t *bytes, size_t size, void *arg), void *arg);

/* A run made up from a seed: fills the bytes. */
void model_make_up(uint64_t seed, uint8_t *bytes, size_t size);

/* ---- Between the files of the model ------------------------------------------------------- */

/* Memory that somebody has, with what he wrote there: one byte all over. */
struct piece {
	unsigned char *at;
	size_t size;
	unsigned char filling;
	uint64_t born; /* the number of the step */
	unsigned kind; /* pool: the class */
};

struct pieces {
	struct piece *of;
	size_t nr;
};

struct model_arena {
	struct hnuma_arena *arena;
	struct hnuma_lane lanes[MODEL_ACTORS];
	struct pieces pieces;
	size_t capacity;
	size_t high; /* the most that was ever used */
	/* Allocations: known for certain at the last reset or rewind, and since. */
	size_t count_base, count_direct, count_lanes;
	unsigned nr_rewinds;
	struct {
		struct hnuma_arena_mark mark;
		bool is_set, is_good;
		size_t used, count;
		uint64_t born;
		unsigned rewinds; /* that there had been */
	} marks[MODEL_MARKS];
};

struct model_pool {
	struct hnuma_pool *pool;
	struct pieces out;
	enum hnuma_hygiene hygiene;
	size_t nr_pages, buffers;
	uint64_t acquires, releases;
	unsigned char *released; /* the last block that was, or NULL */
	unsigned released_class;
};

struct model_scratch {
	struct hnuma_scratch *scratch;
	unsigned nr_spaces;
	size_t space_size;
	struct {
		struct hnuma_space *held, *last;
		bool is_pinned;
		struct pieces pieces;
		size_t used;
	} of[MODEL_ACTORS];
};

struct model {
	const uint8_t *header, *step; /* of four bytes */
	unsigned actor;		      /* who does it */
	uint64_t nr_steps;
	bool sabotage;
	FILE *log;
	struct model_result *result;
	struct hnuma_manager *manager; /* or NULL: each object for itself */
	cpu_set_t allowed;
	struct model_arena arena;
	struct model_pool pool;
	struct model_scratch scratch;
};

/* Say, once, that something is not as it must be. */
void model_fail(struct model *m, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What the log says of a step. */
void model_say(struct model *m, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define EXPECT(m, condition, ...)                   \
	do {                                        \
		if (!(condition))                   \
			model_fail(m, __VA_ARGS__); \
	} while (0)

static inline size_t round_up(size_t size, size_t unit)
{
	return (size + unit - 1) / unit * unit;
}

/* A number of bytes from the last two bytes of a step: small ones, and some that are too large. */
size_t model_size(const struct model *m);

/*
 * Somebody got memory: it must be aligned, be nobody else's, be zero where that was promised. It is
 * written to and kept in mind.
 */
void pieces_add(struct model *m, struct pieces *pieces, void *at, size_t size, size_t alignment,
		bool is_zero, unsigned kind);
/* What was written is still there. */
void pieces_check(struct model *m, const struct piece *piece);
void pieces_check_all(struct model *m, const struct pieces *pieces);
/* Look at one for the last time and forget it; forget all. */
void pieces_drop(struct model *m, struct pieces *pieces, size_t index);
void pieces_clear(struct model *m, struct pieces *pieces);

/* Each does one operation, chosen by step[0], out of so many. */
#define ARENA_STEPS   11
#define POOL_STEPS    12
#define SCRATCH_STEPS 8
void arena_step(struct model *m, unsigned which);
void pool_step(struct model *m, unsigned which);
void scratch_step(struct model *m, unsigned which);

/* After every step: do the counts agree? */
void arena_compare(struct model *m);
void pool_compare(struct model *m);
void scratch_compare(struct model *m);

/* The arena was reset, by whatever call; a space's owner has gone; all objects are new. */
void arena_was_reset(struct model *m);
void scratch_actor_ended(struct model *m, unsigned actor);
void arena_begin(struct model *m);

/* How many spaces somebody has. */
unsigned scratch_nr_taken(const struct model *m);

#endif
