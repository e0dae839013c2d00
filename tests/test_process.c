/* SPDX-License-Identifier: MIT */
/*
 * tests/test_process.c - a child of fork() is told from its parent.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
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

/* Those of the C library that are not, the linker's --wrap replaces. */
static int specific_error;
int __real_pthread_setspecific(pthread_key_t key, const void *value);
int __wrap_pthread_setspecific(pthread_key_t key, const void *value);

int __wrap_pthread_setspecific(pthread_key_t key, const void *value)
{
	return specific_error ? specific_error : __real_pthread_setspecific(key, value);
}

static int key_error;
int __real_pthread_key_create(pthread_key_t *key, void (*destructor)(void *));
int __wrap_pthread_key_create(pthread_key_t *key, void (*destructor)(void *));

int __wrap_pthread_key_create(pthread_key_t *key, void (*destructor)(void *))
{
	return key_error ? key_error : __real_pthread_key_create(key, destructor);
}

/*
 * What the first scratch of a process needs is refused with it. A manager that cannot own its shared
 * memory is no more than a manager. To be seen from outside is an extra.
 */
static void test_no_memory_for_objects(void)
{
	struct hnuma_scratch_attr attr = HNUMA_SCRATCH_ATTR_INIT;
	struct hnuma_config config = HNUMA_CONFIG_INIT;
	struct hnuma_topology *topology;
	struct hnuma_manager *manager;
	struct hnuma_scratch *scratch;

	CU_ASSERT_EQUAL_FATAL(hnuma_topology_create(&topology), 0);
	attr.least_backing = config.least_backing = HNUMA_BACKING_BASE;
	key_error = EAGAIN;
	CU_ASSERT_EQUAL(hnuma_scratch_create(&scratch, topology, &attr), -ENOMEM);
	CU_ASSERT_PTR_NULL(scratch);
	check_message("cannot tell us of threads' ends");
	key_error = 0;
	atfork_error = ENOMEM;
	CU_ASSERT_EQUAL(hnuma_scratch_create(&scratch, topology, &attr), -ENOMEM);
	check_message("cannot tell us of threads' ends");
	config.flags = HNUMA_SHARED;
	atfork_error = 0;
	CU_ASSERT_EQUAL_FATAL(hnuma_scratch_create(&scratch, topology, &attr), 0);
	atfork_error = ENOMEM;
	CU_ASSERT_EQUAL_FATAL(hnuma_manager_create(&manager, topology, &config), 0);
	CU_ASSERT_EQUAL(hnuma_manager_fds(manager, NULL, 0), -ENOLCK);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
	atfork_error = 0;
	CU_ASSERT_EQUAL_FATAL(hnuma_manager_create(&manager, topology, &config), 0);
	CU_ASSERT(hnuma_manager_fds(manager, NULL, 0) > 0);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);

	specific_error = ENOMEM;
	errno = 0;
	CU_ASSERT_PTR_NULL(hnuma_scratch_acquire(scratch));
	CU_ASSERT_EQUAL(errno, ENOMEM);
	CU_ASSERT_EQUAL(hnuma_scratch_pin(scratch, sched_getcpu()), -ENOMEM);
	check_message("no memory to be told of the thread's end");
	specific_error = 0;
	CU_ASSERT_EQUAL(hnuma_scratch_active(scratch), 0);
	CU_ASSERT_EQUAL(hnuma_scratch_release(hnuma_scratch_acquire(scratch)), 0);
	CU_ASSERT_EQUAL(hnuma_scratch_destroy(scratch), 0);
	hnuma_topology_destroy(topology);
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
		{"no memory to watch for objects", test_no_memory_for_objects},
		{"children and grandchildren", test_fork},
		{"many threads", test_threads},
		CU_TEST_INFO_NULL,
	};

	return check_main("process", tests);
}
