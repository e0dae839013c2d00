/* SPDX-License-Identifier: MIT */
/*
 * tests/test_scratch_signals.c - acquire and release by a signal handler, at any instruction of
 * acquire and release (fault sheet, row 29).
 *
 * Where the processor can be told to trap after each instruction (x86-64), every place is tried;
 * elsewhere, and under tools that cannot step, only those where another thread's signals happen to
 * come.
 */
#include "config.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include <hugenuma.h>

#include "tests/check.h"
#include "tests/step.h"

static struct hnuma_topology *topology;
static struct hnuma_scratch *scratch;

static struct hnuma_scratch *open_scratch(unsigned max_spaces)
{
	struct hnuma_scratch_attr attr = HNUMA_SCRATCH_ATTR_INIT;
	struct hnuma_scratch *result;

	attr.space_size = 4096;
	attr.max_spaces = max_spaces;
	attr.least_backing = HNUMA_BACKING_BASE;
	attr.policy = HNUMA_POLICY_PREFERRED;
	CU_ASSERT_EQUAL_FATAL(hnuma_scratch_create(&result, topology, &attr), 0);
	return result;
}

static void set_handler(int signal_number, void (*handler)(int))
{
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	action.sa_handler = handler;
	action.sa_flags = SA_RESTART;
	CU_ASSERT_EQUAL_FATAL(sigaction(signal_number, &action, NULL), 0);
}

/* What the handler is to do, and what it found. The thread and its handler share these alone. */
static volatile sig_atomic_t we_hold;	   /* the thread has a space for certain */
static volatile sig_atomic_t nr_calls;	   /* of the handler */
static volatile sig_atomic_t nr_got;	   /* times that it got a space */
static volatile sig_atomic_t nr_wrong;	   /* things that must not be */
static volatile sig_atomic_t keep_at = -1; /* the call in which it keeps what it got */
static struct hnuma_space *volatile kept;

static void acquire_in_handler(int signal_number)
{
	int saved = errno;
	struct hnuma_space *space;
	unsigned char *memory;

	(void)signal_number;
	errno = 0;
	space = hnuma_scratch_acquire(scratch);
	nr_wrong += !space && errno != EBUSY;
	nr_wrong += space && (we_hold || kept);
	if (space) {
		nr_got++;
		memory = hnuma_space_alloc(space, 4096, 1);
		nr_wrong += !memory;
		if (memory)
			memset(memory, 0xDD, 4096);
		if (nr_calls == keep_at)
			kept = space;
		else
			nr_wrong += hnuma_scratch_release(space) != 0;
	}
	nr_calls++;
	errno = saved;
}

/* One round of the interrupted thread. */
static void use_once(void)
{
	struct hnuma_space *space = hnuma_scratch_acquire(scratch);
	unsigned char *memory;

	if (!space) {
		/* Only where the handler came first and kept it. */
		nr_wrong += !kept;
		return;
	}
	we_hold = 1;
	memory = hnuma_space_alloc(space, 4096, 1);
	nr_wrong += !memory;
	if (memory) {
		memset(memory, 0x11, 4096);
		for (int i = 0; i < 4096; i++)
			nr_wrong += memory[i] != 0x11;
	}
	we_hold = 0;
	nr_wrong += hnuma_scratch_release(space) != 0;
}

struct sender {
	pthread_t to;
	atomic_bool is_over;
};

static void *send_signals(void *arg)
{
	const struct timespec while_it_works = {.tv_nsec = 10000};
	struct sender *sender = arg;

	while (!atomic_load(&sender->is_over)) {
		pthread_kill(sender->to, SIGUSR1);
		nanosleep(&while_it_works, NULL);
	}
	return NULL;
}

static void storm(bool pinned)
{
	struct sender sender = {.to = pthread_self()};
	pthread_t thread;

	scratch = open_scratch(3);
	if (pinned)
		CU_ASSERT_EQUAL(hnuma_scratch_pin(scratch, check_allowed_cpu()), 0);
	/* A thread's first acquire may allocate, so it must not be in a handler. */
	CU_ASSERT_EQUAL(hnuma_scratch_release(hnuma_scratch_acquire(scratch)), 0);
	nr_calls = nr_got = nr_wrong = 0;
	set_handler(SIGUSR1, acquire_in_handler);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, send_signals, &sender), 0);
	for (int i = 0; i < 10000000 && nr_calls < (int)check_rounds(3000); i++)
		use_once();
	atomic_store(&sender.is_over, true);
	pthread_join(thread, NULL);
	set_handler(SIGUSR1, SIG_IGN);
	CU_ASSERT(nr_calls > 0);
	CU_ASSERT_EQUAL(nr_wrong, 0);
	if (pinned)
		CU_ASSERT_EQUAL(hnuma_scratch_unpin(scratch), 0);
	CU_ASSERT_EQUAL(hnuma_scratch_active(scratch), 0);
	CU_ASSERT_EQUAL(hnuma_scratch_destroy(scratch), 0);
}

static void test_signals_at_random(void)
{
	storm(false);
	storm(true);
}

#ifdef STEP_IS_POSSIBLE

/* Keeps nothing, in every place; then keeps it in the k-th place alone, for each k. */
static void acquire_at_each_step(int k)
{
	struct hnuma_space *space;
	int error;

	keep_at = k;
	kept = NULL;
	nr_calls = 0;
	errno = 0;
	step_start();
	space = hnuma_scratch_acquire(scratch);
	step_stop();
	error = errno;
	/* One of the two has a space, and never both. */
	CU_ASSERT_EQUAL(space != NULL, kept == NULL);
	CU_ASSERT(space || error == EBUSY);
	CU_ASSERT(nr_calls > 10);
	CU_ASSERT_EQUAL(hnuma_scratch_release(space), 0);
	CU_ASSERT_EQUAL(hnuma_scratch_release(kept), 0);
}

static void release_at_each_step(int k)
{
	struct hnuma_space *space, *again;
	int error;

	keep_at = k;
	kept = NULL;
	nr_calls = 0;
	space = hnuma_scratch_acquire(scratch);
	CU_ASSERT_PTR_NOT_NULL_FATAL(space);
	step_start();
	error = hnuma_scratch_release(space);
	step_stop();
	CU_ASSERT_EQUAL(error, 0);
	CU_ASSERT(nr_calls > 5);
	/* What the handler got after our release it still has, and we know of it. */
	errno = 0;
	again = hnuma_scratch_acquire(scratch);
	CU_ASSERT_EQUAL(again != NULL, kept == NULL);
	CU_ASSERT(again || errno == EBUSY);
	CU_ASSERT_EQUAL(hnuma_scratch_release(again), 0);
	CU_ASSERT_EQUAL(hnuma_scratch_release(kept), 0);
}

/* Returns in how many places the handler could acquire and keep. */
static int step_through(void (*f)(int k), unsigned nr_active)
{
	int nr_kept = 0, most = 1;

	f(-1);
	for (int k = 0; k < most; k++) {
		f(k);
		nr_kept += kept != NULL;
		most = nr_calls > most ? nr_calls : most;
		CU_ASSERT_EQUAL(hnuma_scratch_active(scratch), nr_active);
	}
	return nr_kept;
}

static void test_signals_everywhere(void)
{
	if (!step_works_here())
		return;
	scratch = open_scratch(3);
	CU_ASSERT_EQUAL(hnuma_scratch_release(hnuma_scratch_acquire(scratch)), 0);
	nr_got = nr_wrong = 0;
	set_handler(SIGTRAP, acquire_in_handler);
	CU_ASSERT(step_through(acquire_at_each_step, 0) > 0);
	CU_ASSERT(step_through(release_at_each_step, 0) > 0);
	CU_ASSERT_EQUAL(hnuma_scratch_pin(scratch, check_allowed_cpu()), 0);
	CU_ASSERT(step_through(acquire_at_each_step, 1) > 0);
	CU_ASSERT(step_through(release_at_each_step, 1) > 0);
	CU_ASSERT_EQUAL(hnuma_scratch_unpin(scratch), 0);
	set_handler(SIGTRAP, SIG_DFL);
	CU_ASSERT(nr_got > 0);
	CU_ASSERT_EQUAL(nr_wrong, 0);
	CU_ASSERT_EQUAL(hnuma_scratch_destroy(scratch), 0);
}

static struct hnuma_scratch *other;
static struct hnuma_space *volatile held; /* of the other scratch */
static volatile sig_atomic_t nr_refused;

/* Inside of a call on any scratch nothing else can be done; outside of one everything. */
static void release_in_handler(int signal_number)
{
	int saved = errno, error = hnuma_scratch_release(held);

	(void)signal_number;
	if (error) {
		nr_refused++;
		nr_wrong += error != -EBUSY;
		nr_wrong += hnuma_scratch_pin(other, 0) != -EBUSY;
		nr_wrong += hnuma_scratch_unpin(other) != -EBUSY;
		nr_wrong += !strstr(hnuma_errormsg(), "a signal handler interrupted a call");
	} else {
		held = hnuma_scratch_acquire(other);
		nr_wrong += !held;
	}
	nr_calls++;
	errno = saved;
}

static void test_other_calls(void)
{
	struct hnuma_space *space;

	if (!step_works_here())
		return;
	scratch = open_scratch(3);
	other = open_scratch(3);
	held = hnuma_scratch_acquire(other);
	CU_ASSERT_EQUAL(hnuma_scratch_release(hnuma_scratch_acquire(scratch)), 0);
	nr_calls = nr_wrong = nr_refused = 0;
	set_handler(SIGTRAP, release_in_handler);
	step_start();
	space = hnuma_scratch_acquire(scratch);
	hnuma_scratch_release(space);
	step_stop();
	set_handler(SIGTRAP, SIG_DFL);
	CU_ASSERT_PTR_NOT_NULL(space);
	CU_ASSERT_EQUAL(nr_wrong, 0);
	CU_ASSERT(nr_refused > 0 && nr_refused < nr_calls);
	CU_ASSERT_EQUAL(hnuma_scratch_release(held), 0);
	CU_ASSERT_EQUAL(hnuma_scratch_destroy(other), 0);
	CU_ASSERT_EQUAL(hnuma_scratch_destroy(scratch), 0);
}

/* A second thread that changes places whenever it is told to, and tells when it has. */
struct mover {
	int cpus[2]; /* it takes the space of the one, then of the other */
	sem_t go, done;
	int nr_moves;
	atomic_bool is_over;
	struct hnuma_space *space;
};

static struct mover mover;

static void run_on(int cpu)
{
	cpu_set_t there;

	CPU_ZERO(&there);
	CPU_SET(cpu, &there);
	sched_setaffinity(0, sizeof(there), &there);
}

static void *move(void *arg)
{
	(void)arg;
	for (;;) {
		while (sem_wait(&mover.go))
			;
		if (atomic_load(&mover.is_over))
			return NULL;
		run_on(mover.cpus[mover.nr_moves++ % 2]);
		hnuma_scratch_release(mover.space);
		mover.space = hnuma_scratch_acquire(scratch);
		sem_post(&mover.done);
	}
}

/* Also in a handler: what it interrupts is no use of these semaphores. */
static void have_it_move(void)
{
	sem_post(&mover.go);
	while (sem_wait(&mover.done))
		;
}

static void move_at_step(int signal_number)
{
	int saved = errno;

	(void)signal_number;
	if (nr_calls++ == keep_at)
		have_it_move();
	errno = saved;
}

/* The mover is on our CPU's space; at our k-th step it leaves that for the other one. */
static void acquire_while_it_moves(int k)
{
	struct hnuma_space *space;

	while (!mover.space || hnuma_space_cpu(mover.space) != mover.cpus[0])
		have_it_move();
	nr_calls = 0;
	keep_at = k;
	step_start();
	space = hnuma_scratch_acquire(scratch);
	step_stop();
	CU_ASSERT_PTR_NOT_NULL(space);
	CU_ASSERT_NOT_EQUAL(space, mover.space);
	CU_ASSERT_EQUAL(hnuma_scratch_release(space), 0);
}

/*
 * Two threads, two spaces: neither is ever told that there is none, though one space is given back
 * behind the other thread's search and the other taken before it.
 */
static void test_never_refused_wrongly(void)
{
	int most = 1, nr_cpus = 0;
	cpu_set_t allowed;
	pthread_t thread;

	CU_ASSERT_EQUAL_FATAL(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
	for (int cpu = 0; cpu < CPU_SETSIZE && nr_cpus < 2; cpu++)
		if (CPU_ISSET(cpu, &allowed))
			mover.cpus[nr_cpus++] = cpu;
	if (!step_works_here() || nr_cpus < 2)
		return;
	scratch = open_scratch(2);
	sem_init(&mover.go, 0, 0);
	sem_init(&mover.done, 0, 0);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, move, NULL), 0);
	run_on(mover.cpus[0]);
	set_handler(SIGTRAP, move_at_step);
	for (int k = 0; k < most; k++) {
		acquire_while_it_moves(k);
		most = nr_calls > most ? nr_calls : most;
	}
	set_handler(SIGTRAP, SIG_DFL);
	atomic_store(&mover.is_over, true);
	sem_post(&mover.go);
	pthread_join(thread, NULL);
	sem_destroy(&mover.go);
	sem_destroy(&mover.done);
	sched_setaffinity(0, sizeof(allowed), &allowed);
	CU_ASSERT_EQUAL(hnuma_scratch_active(scratch), 0);
	CU_ASSERT_EQUAL(hnuma_scratch_destroy(scratch), 0);
}
#endif

int main(void)
{
	CU_TestInfo tests[] = {
		{"signals at random", test_signals_at_random},
#ifdef STEP_IS_POSSIBLE
		{"a signal after each instruction", test_signals_everywhere},
		{"other calls of a handler", test_other_calls},
		{"never refused wrongly", test_never_refused_wrongly},
#endif
		CU_TEST_INFO_NULL,
	};

	topology = check_topology();
	return check_main("scratch_signals", tests);
}
