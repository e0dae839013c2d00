/* SPDX-License-Identifier: MIT */
/*
 * tests/test_scratch_threads.c - scratch spaces with threads that compete, end and are cancelled.
 *
 * Signals are in test_scratch_signals.c. A space that two threads had at once would show the one's
 * pattern to the other.
 */
#include "config.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include <hugenuma.h>

#include "tests/check.h"

#define SPACE_SIZE ((size_t)4096)

static struct hnuma_topology *topology;

static struct hnuma_scratch *open_scratch(unsigned max_spaces)
{
	struct hnuma_scratch_attr attr = HNUMA_SCRATCH_ATTR_INIT;
	struct hnuma_scratch *scratch;

	attr.space_size = SPACE_SIZE;
	attr.max_spaces = max_spaces;
	attr.least_backing = HNUMA_BACKING_BASE;
	/* A machine with several nodes deals few spaces to each; these tests care for the total. */
	attr.policy = HNUMA_POLICY_PREFERRED;
	CU_ASSERT_EQUAL_FATAL(hnuma_scratch_create(&scratch, topology, &attr), 0);
	return scratch;
}

static bool is_filled(const unsigned char *memory, size_t size, int value)
{
	return memory[0] == value && memcmp(memory, memory + 1, size - 1) == 0;
}

#define NR_HOLDERS 4

struct holder {
	struct hnuma_scratch *scratch;
	pthread_barrier_t *all_hold;
	struct hnuma_space *space;
};

static void *hold(void *arg)
{
	struct holder *holder = arg;

	holder->space = hnuma_scratch_acquire(holder->scratch);
	if (holder->space)
		hnuma_space_alloc(holder->space, 100, sizeof(float));
	pthread_barrier_wait(holder->all_hold);
	pthread_barrier_wait(holder->all_hold);
	return NULL;
}

/* Each thread has a space of its own, a further one gets none, and when they end all come back. */
static void test_one_each(void)
{
	struct hnuma_scratch *scratch = open_scratch(NR_HOLDERS);
	struct hnuma_scratch_stats stats;
	struct holder holders[NR_HOLDERS];
	pthread_t threads[NR_HOLDERS];
	pthread_barrier_t all_hold;

	pthread_barrier_init(&all_hold, NULL, NR_HOLDERS + 1);
	for (int i = 0; i < NR_HOLDERS; i++) {
		holders[i] = (struct holder){scratch, &all_hold, NULL};
		CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, hold, &holders[i]), 0);
	}
	pthread_barrier_wait(&all_hold);
	for (int i = 0; i < NR_HOLDERS; i++) {
		CU_ASSERT_PTR_NOT_NULL(holders[i].space);
		for (int j = 0; j < i; j++)
			CU_ASSERT_NOT_EQUAL(holders[i].space, holders[j].space);
	}
	CU_ASSERT_EQUAL(hnuma_scratch_stats(scratch, &stats), 0);
	CU_ASSERT_EQUAL(stats.active_spaces, NR_HOLDERS);
	CU_ASSERT_EQUAL(stats.total_used, NR_HOLDERS * 448);
	errno = 0;
	CU_ASSERT_PTR_NULL(hnuma_scratch_acquire(scratch));
	CU_ASSERT_EQUAL(errno, ENOMEM);
	CU_ASSERT_EQUAL(hnuma_scratch_release(holders[0].space), -EPERM);
	check_message("another thread");
	CU_ASSERT_EQUAL(hnuma_scratch_destroy(scratch), -EBUSY);
	check_message("4 of its spaces");
	pthread_barrier_wait(&all_hold);
	for (int i = 0; i < NR_HOLDERS; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&all_hold);
	CU_ASSERT_EQUAL(hnuma_scratch_active(scratch), 0);
	CU_ASSERT_EQUAL(hnuma_scratch_destroy(scratch), 0);
}

static void *acquire_and_end(void *arg)
{
	struct hnuma_space *space = hnuma_scratch_acquire(arg);

	return space && hnuma_space_alloc(space, SPACE_SIZE, 1) ? space : NULL;
}

/* Defect 10: the seventeenth thread, and the two hundredth, gets a space, though none released. */
static void test_short_lived_threads(void)
{
	struct hnuma_scratch *scratch = open_scratch(2);
	pthread_t thread;
	void *space;

	for (int i = 0; i < 200; i++) {
		CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, acquire_and_end, scratch), 0);
		pthread_join(thread, &space);
		CU_ASSERT_PTR_NOT_NULL(space);
		CU_ASSERT_EQUAL(hnuma_scratch_active(scratch), 0);
	}
	CU_ASSERT_EQUAL(hnuma_scratch_destroy(scratch), 0);
}

struct victim {
	struct hnuma_scratch *scratch;
	bool is_pinned;
	bool is_held;
	sem_t has_it;
};

static void *wait_for_the_end(void *arg)
{
	struct victim *victim = arg;
	bool has_it = (!victim->is_pinned ||
		       hnuma_scratch_pin(victim->scratch, check_allowed_cpu()) == 0) &&
		      (!victim->is_held || hnuma_scratch_acquire(victim->scratch));

	/* Also without, so that nobody waits for it in vain. */
	sem_post(&victim->has_it);
	if (!has_it)
		return NULL;
	for (;;)
		pause();
}

/* Row 30: cancelled while it holds a space, has one pinned, or both. */
static void test_cancelled(void)
{
	struct hnuma_scratch *scratch = open_scratch(1);
	struct victim victim = {.scratch = scratch};
	pthread_t thread;

	sem_init(&victim.has_it, 0, 0);
	for (int i = 1; i < 20; i++) {
		victim.is_pinned = i & 1;
		victim.is_held = !victim.is_pinned || i & 2;
		CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, wait_for_the_end, &victim), 0);
		sem_wait(&victim.has_it);
		CU_ASSERT_EQUAL(hnuma_scratch_active(scratch), 1);
		pthread_cancel(thread);
		pthread_join(thread, NULL);
		CU_ASSERT_EQUAL(hnuma_scratch_active(scratch), 0);
	}
	sem_destroy(&victim.has_it);
	CU_ASSERT_EQUAL(hnuma_scratch_destroy(scratch), 0);
}

static pthread_key_t late_key;

static void acquire_late(void *arg)
{
	hnuma_scratch_acquire(arg);
}

static void *end_late(void *arg)
{
	pthread_setspecific(late_key, arg);
	return acquire_and_end(arg);
}

/* Another destructor acquires after ours has run: it runs once more. */
static void test_acquired_while_ending(void)
{
	struct hnuma_scratch *scratch = open_scratch(1);
	pthread_t thread;

	CU_ASSERT_EQUAL_FATAL(pthread_key_create(&late_key, acquire_late), 0);
	for (int i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, end_late, scratch), 0);
		pthread_join(thread, NULL);
		CU_ASSERT_EQUAL(hnuma_scratch_active(scratch), 0);
	}
	pthread_key_delete(late_key);
	CU_ASSERT_EQUAL(hnuma_scratch_destroy(scratch), 0);
}

struct rival {
	struct hnuma_scratch *scratch;
	int number;
	bool is_pinned;
	unsigned rounds;
	unsigned nr_refused;
	bool has_failed;
};

static void use_once(struct rival *rival)
{
	struct hnuma_space *space = hnuma_scratch_acquire(rival->scratch);
	unsigned char *memory;

	if (!space) {
		rival->nr_refused++;
		return;
	}
	rival->has_failed |= hnuma_space_used(space) != 0;
	memory = hnuma_space_alloc(space, SPACE_SIZE, 1);
	if (!memory) {
		rival->has_failed = true;
		return;
	}
	rival->has_failed |= !is_filled(memory, SPACE_SIZE, 0);
	memset(memory, rival->number + 1, SPACE_SIZE);
	rival->has_failed |= hnuma_scratch_acquire(rival->scratch) != NULL;
	if (rival->number % 2)
		sched_yield();
	rival->has_failed |= !is_filled(memory, SPACE_SIZE, rival->number + 1);
	hnuma_space_reset(space);
	rival->has_failed |= hnuma_scratch_release(space) != 0;
}

static void *compete(void *arg)
{
	struct rival *rival = arg;

	if (rival->is_pinned && hnuma_scratch_pin(rival->scratch, check_allowed_cpu())) {
		rival->is_pinned = false;
		rival->nr_refused++;
	}
	for (unsigned i = 0; i < rival->rounds; i++)
		use_once(rival);
	if (rival->is_pinned && hnuma_scratch_unpin(rival->scratch))
		rival->has_failed = true;
	return NULL;
}

#define NR_RIVALS 6

/* Returns how often a thread was told that there is no space. */
static unsigned let_compete(unsigned nr_spaces, unsigned nr_threads, unsigned nr_pinned)
{
	struct hnuma_scratch *scratch = open_scratch(nr_spaces);
	struct rival rivals[NR_RIVALS];
	pthread_t threads[NR_RIVALS];
	struct hnuma_scratch_stats stats;
	unsigned nr_refused = 0;

	for (unsigned i = 0; i < nr_threads; i++) {
		rivals[i] = (struct rival){scratch, (int)i, i < nr_pinned, 5000, 0, false};
		CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, compete, &rivals[i]), 0);
	}
	/* All the while others count and reset. */
	for (unsigned i = 0; i < 2000; i++) {
		CU_ASSERT_EQUAL(hnuma_scratch_stats(scratch, &stats), 0);
		CU_ASSERT(stats.active_spaces <= nr_spaces);
		CU_ASSERT(stats.total_used <= stats.total_allocated);
		CU_ASSERT(stats.max_space_usage <= SPACE_SIZE);
		hnuma_scratch_reset_all(scratch);
	}
	for (unsigned i = 0; i < nr_threads; i++) {
		pthread_join(threads[i], NULL);
		CU_ASSERT_FALSE(rivals[i].has_failed);
		nr_refused += rivals[i].nr_refused;
	}
	CU_ASSERT_EQUAL(hnuma_scratch_active(scratch), 0);
	CU_ASSERT_EQUAL(hnuma_scratch_destroy(scratch), 0);
	return nr_refused;
}

/* More threads than spaces: no two have the same one at once. */
static void test_claims_do_not_alias(void)
{
	let_compete(1, NR_RIVALS, 0);
	let_compete(3, NR_RIVALS, 0);
	let_compete(4, NR_RIVALS, 2);
}

/* As many spaces as threads: none is ever told that there is no space. */
static void test_enough_for_all(void)
{
	CU_ASSERT_EQUAL(let_compete(NR_RIVALS, NR_RIVALS, 0), 0);
	CU_ASSERT_EQUAL(let_compete(3, 3, 0), 0);
	CU_ASSERT_EQUAL(let_compete(2, 2, 0), 0);
}

static atomic_bool is_over;

static void *end_all_the_time(void *arg)
{
	pthread_t thread;

	while (!atomic_load(&is_over)) {
		if (pthread_create(&thread, NULL, acquire_and_end, arg))
			return NULL;
		pthread_join(thread, NULL);
	}
	return arg;
}

/* Threads end, with spaces of one scratch, while others are made and destroyed. */
static void test_destroy_while_others_end(void)
{
	struct hnuma_scratch *scratch = open_scratch(4), *other;
	struct hnuma_space *space;
	pthread_t threads[2];
	void *result;

	atomic_store(&is_over, false);
	for (int i = 0; i < 2; i++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, end_all_the_time, scratch),
				      0);
	for (unsigned i = 0; i < check_rounds(100); i++) {
		other = open_scratch(2);
		space = hnuma_scratch_acquire(other);
		CU_ASSERT_PTR_NOT_NULL(space);
		CU_ASSERT_EQUAL(hnuma_scratch_release(space), 0);
		CU_ASSERT_EQUAL(hnuma_scratch_destroy(other), 0);
	}
	atomic_store(&is_over, true);
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], &result);
		CU_ASSERT_PTR_NOT_NULL(result);
	}
	CU_ASSERT_EQUAL(hnuma_scratch_active(scratch), 0);
	CU_ASSERT_EQUAL(hnuma_scratch_destroy(scratch), 0);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"a space each", test_one_each},
		{"short-lived threads (defect 10)", test_short_lived_threads},
		{"cancelled (row 30)", test_cancelled},
		{"acquired while ending", test_acquired_while_ending},
		{"claims do not alias (defect 11)", test_claims_do_not_alias},
		{"enough for all", test_enough_for_all},
		{"destroy while others end", test_destroy_while_others_end},
		CU_TEST_INFO_NULL,
	};

	topology = check_topology();
	return check_main("scratch_threads", tests);
}
