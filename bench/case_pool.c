/* SPDX-License-Identifier: MIT */
/*
 * bench/case_pool.c - blocks: pairs of acquire and release, one thread acquiring for another, many
 * blocks in one call, and how the cost grows with threads and with blocks held. Calls the subjects.
 */
#include "config.h"

#include <stdlib.h>

#include "bench/cases.h"
#include "bench/crew.h"
#include "bench/timed.h"

/* Of each class and instance: more than any batch and the caches of two CPUs. */
#define NR_BLOCKS 400u
/* For the cases that hold many. */
#define NR_BLOCKS_MANY 4096u
#define BYTES_4K       4096u

struct blocks_probe {
	struct probe probe; /* first: found by its address */
	struct timed timed; /* likewise, below */
	const struct bench_blocks *blocks;
	void *instances[NR_INSTANCES];
	struct bench_ring *ring;
	unsigned batch;
};

static struct blocks_probe *of_timed(const struct timed *timed)
{
	return (struct blocks_probe *)((char *)timed - offsetof(struct blocks_probe, timed));
}

static void work_pairs(const struct timed *timed, const struct place *place, uint64_t iterations)
{
	struct blocks_probe *probe = of_timed(timed);

	probe->blocks->pairs(probe->instances[place->layout % NR_INSTANCES], place->array,
			     probe->batch, iterations);
}

static void work_bulk(const struct timed *timed, const struct place *place, uint64_t iterations)
{
	struct blocks_probe *probe = of_timed(timed);
	void *instance = probe->instances[place->layout % NR_INSTANCES];

	/* Who has no such call is called as often as it takes. */
	if (probe->blocks->bulk)
		probe->blocks->bulk(instance, place->array, probe->batch, iterations);
	else
		probe->blocks->pairs(instance, place->array, probe->batch, iterations);
}

static void work_transfer(const struct timed *timed, const struct place *place, uint64_t iterations)
{
	struct blocks_probe *probe = of_timed(timed);
	void *instance = probe->instances[place->layout % NR_INSTANCES];

	if (place->index == 0)
		probe->blocks->produce(instance, probe->ring, iterations);
	else
		probe->blocks->consume(instance, probe->ring, iterations);
}

static void work_transfer_many(const struct timed *timed, const struct place *place,
			       uint64_t iterations)
{
	struct blocks_probe *probe = of_timed(timed);
	void *instance = probe->instances[place->layout % NR_INSTANCES];

	if (place->index == 0)
		probe->blocks->produce_many(instance, probe->ring, iterations);
	else
		probe->blocks->consume_many(instance, probe->ring, iterations);
}

static bool run(struct probe *pointer, double *values)
{
	values[0] = timed_run(&((struct blocks_probe *)pointer)->timed);
	return true;
}

/* What one case of blocks is. */
struct what {
	size_t block_bytes;
	unsigned nr_blocks;
	unsigned batch;
	unsigned nr_threads;
	void (*work)(const struct timed *timed, const struct place *place, uint64_t iterations);
};

static void add(struct group *group, const struct bench_subject *subject, const struct what *what)
{
	struct blocks_probe *probe = plan_alloc(sizeof(*probe));
	bool is_transfer = what->work == work_transfer || what->work == work_transfer_many;

	if (!blocks_open(subject, what->block_bytes, what->nr_blocks, probe->instances)) {
		free(probe);
		return;
	}
	probe->probe.run = run;
	probe->blocks = subject->blocks;
	probe->batch = what->batch;
	probe->timed = (struct timed){
		.work = what->work,
		.nr_threads = what->nr_threads,
		.unit = what->batch,
		.is_one_job = is_transfer,
		/* Those that share a CPU must have several turns. */
		.longer = what->nr_threads > crew_nr_cpus() ? 20 : 1,
	};
	if (is_transfer) {
		probe->ring = aligned_alloc(64, sizeof(*probe->ring));
		if (!probe->ring)
			abort();
		*probe->ring = (struct bench_ring){.head = 0};
	}
	plan_add(group, &probe->probe, subject);
}

static bool can(const struct bench_subject *subject, const struct what *what)
{
	if (!subject->blocks)
		return false;
	if (what->work == work_transfer)
		return subject->blocks->produce != NULL;
	if (what->work == work_transfer_many)
		return subject->blocks->produce_many != NULL;
	/* What a limit does for single calls is none for many at a time. */
	return what->work != work_bulk || subject->kind != BENCH_LIMIT || subject->blocks->bulk;
}

static void add_all(struct group *group, const struct what *what)
{
	if (!group)
		return;
	for (unsigned i = 0; i < nr_subjects; i++) {
		if (can(subjects[i], what))
			add(group, subjects[i], what);
	}
}

static void add_pairs(unsigned class_index, unsigned batch, unsigned nr_threads)
{
	const struct what what = {
		.block_bytes = (size_t)1024 << (2 * class_index),
		.nr_blocks = NR_BLOCKS,
		.batch = batch,
		.nr_threads = nr_threads,
		.work = work_pairs,
	};

	add_all(plan_one("ns per pair", "pool/batch %u/%u thread%s/%s", batch, nr_threads,
			 nr_threads == 1 ? "" : "s", class_names[class_index]),
		&what);
}

static void add_transfer(void)
{
	const struct what what = {BYTES_4K, NR_BLOCKS_MANY, 1, 2, work_transfer};

	const struct what many = {BYTES_4K, NR_BLOCKS_MANY, BENCH_MANY, 2, work_transfer_many};

	add_all(plan_one("ns per block", "transfer/4K"), &what);
	add_all(plan_one("ns per block", "transfer/4K in bulk"), &many);
}

static void add_bulk(unsigned n)
{
	const struct what what = {BYTES_4K, NR_BLOCKS_MANY, n, 1, work_bulk};

	add_all(plan_one("ns per block", "bulk/4K/%u", n), &what);
}

static void add_growth(void)
{
	static const unsigned threads[] = {1, 2, 4, 8};
	static const unsigned held[] = {1, 8, 32, 128, 512, 2048};

	for (unsigned i = 0; i < sizeof(threads) / sizeof(threads[0]); i++) {
		const struct what what = {BYTES_4K, NR_BLOCKS_MANY, 32, threads[i], work_pairs};

		add_all(plan_one("ns per pair", "growth/threads/%u", threads[i]), &what);
	}
	for (unsigned i = 0; i < sizeof(held) / sizeof(held[0]); i++) {
		const struct what what = {BYTES_4K, NR_BLOCKS_MANY, held[i], 1, work_pairs};

		add_all(plan_one("ns per pair", "growth/held/%u", held[i]), &what);
	}
}

void cases_pool(void)
{
	static const unsigned batches[] = {1, 32};
	unsigned most = crew_nr_cpus() < 2 ? 1 : 2;

	for (unsigned c = 0; c < NR_CLASSES; c++) {
		for (unsigned b = 0; b < sizeof(batches) / sizeof(batches[0]); b++) {
			for (unsigned threads = 1; threads <= most; threads++)
				add_pairs(c, batches[b], threads);
		}
	}
	if (most > 1)
		add_transfer();
	add_bulk(32);
	add_bulk(256);
	add_growth();
}
