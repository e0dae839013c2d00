/* SPDX-License-Identifier: MIT */
/*
 * tests/test_process.c - a child of fork() is told from its parent.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include <hugenuma.h>

#include "numa/process.h"
#include "tests/check.h"

/*
 * The C library's pthread_atfork() is in a static part of it, so that a program's own of that name
 * takes its place for objects that are linked into the program.
 */
static int atfork_error;
static unsigned nr_registered;

extern void *__dso_handle;
int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *dso);

int pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
	if (atfork_error)
		return atfork_error;
	nr_registered++;
	return __register_atfork(prepare, parent, child, &__dso_handle);
}

/* Must be the first test: a process registers once. */
static void test_no_memory(void)
{
	unsigned epoch = hnuma_process_epoch;
	struct hnuma_topology *topology = (void *)1;

	atfork_error = ENOMEM;
	CU_ASSERT_EQUAL(hnuma_process_watch_forks(), -ENOMEM);
	check_message("fork()");
	/* Every constructor watches first. */
	CU_ASSERT_EQUAL(hnuma_topology_create(&topology), -ENOMEM);
	CU_ASSERT_PTR_NULL(topology);
	atfork_error = 0;
	CU_ASSERT_EQUAL(nr_registered, 0);
	CU_ASSERT_EQUAL(hnuma_process_watch_forks(), 0);
	CU_ASSERT_EQUAL(nr_registered, 1);
	CU_ASSERT_EQUAL(hnuma_process_watch_forks(), 0);
	CU_ASSERT_EQUAL(nr_registered, 1);
	CU_ASSERT_EQUAL(hnuma_process_epoch, epoch);
}

static void in_grandchild(void *arg)
{
	unsigned *epochs = arg;

	CU_ASSERT(hnuma_process_is_child_of(epochs[0]));
	CU_ASSERT(hnuma_process_is_child_of(epochs[1]));
	CU_ASSERT_EQUAL(hnuma_process_refuse("pool"), -EOWNERDEAD);
	check_message("this pool was made before fork()");
}

static void in_child(void *arg)
{
	unsigned epochs[2];

	epochs[0] = *(unsigned *)arg;
	CU_ASSERT(hnuma_process_is_child_of(epochs[0]));
	/* What the child makes is its own, and not its child's. */
	CU_ASSERT_EQUAL(hnuma_process_watch_forks(), 0);
	epochs[1] = hnuma_process_epoch;
	CU_ASSERT_FALSE(hnuma_process_is_child_of(epochs[1]));
	CU_ASSERT_EQUAL(check_in_child(in_grandchild, epochs), 0);
	CU_ASSERT_FALSE(hnuma_process_is_child_of(epochs[1]));
}

static void test_fork(void)
{
	unsigned epoch;

	CU_ASSERT_EQUAL_FATAL(hnuma_process_watch_forks(), 0);
	epoch = hnuma_process_epoch;
	CU_ASSERT_EQUAL(check_in_child(in_child, &epoch), 0);
	/* The parent stays what it was, however often it forks. */
	CU_ASSERT_EQUAL(hnuma_process_epoch, epoch);
	CU_ASSERT_FALSE(hnuma_process_is_child_of(epoch));
	CU_ASSERT_EQUAL(check_in_child(in_child, &epoch), 0);
	CU_ASSERT_EQUAL(hnuma_process_epoch, epoch);
}

static void *watch(void *arg)
{
	(void)arg;
	return hnuma_process_watch_forks() ? (void *)1 : NULL;
}

/* Any number of threads may begin to watch; one of them having registered is enough. */
static void test_threads(void)
{
	pthread_t threads[8];
	void *result;

	for (int i = 0; i < 8; i++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, watch, NULL), 0);
	for (int i = 0; i < 8; i++) {
		pthread_join(threads[i], &result);
		CU_ASSERT_PTR_NULL(result);
	}
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"no memory to watch", test_no_memory},
		{"children and grandchildren", test_fork},
		{"many threads", test_threads},
		CU_TEST_INFO_NULL,
	};

	return check_main("process", tests);
}
