/* SPDX-License-Identifier: MIT */
/*
 * tests/test_pool_rseq.c - the caches' restartable sequences under what can interrupt them: other
 * threads on the same CPU, migration, signals, and other threads that seize the caches.
 *
 * The same runs again with GLIBC_TUNABLES=glibc.pthread.rseq=0, on the claim: see
 * tests/scripts/check-without-rseq.sh.
 */
#include "config.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include <hugenuma.h>

#include "lib/pool_books.h"
#include "numa/rseq.h"
#include "numa/sys.h"
#include "tests/check.h"

enum { NR_WORKERS = 6, NR_HELD = 40, NR_BULK = 12 };

static struct hnuma_topology *topology;
static struct hnuma_pool *pool;
static atomic_bool is_over;
static atomic_uint nr_faults;
static atomic_ulong nr_operations;
static atomic_ulong nr_signals;
static atomic_ulong nr_aborts;

static void fault_if(bool bad)
{
	if (bad)
		atomic_fetch_add(&nr_faults, 1);
}

#if HNUMA_HAVE_RSEQ
/* What the sequences put into this section of the program, and the linker's names of its ends. */
extern const struct rseq_cs __start___rseq_cs[], __stop___rseq_cs[];

/* Where the thread will go on after the signal. */
static uintptr_t next_instruction(const ucontext_t *context)
{
#if defined(__x86_64__)
	return (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
#else
	return (uintptr_t)context->uc_mcontext.pc;
#endif
}

/*
 * Has the kernel aborted a sequence before it delivered this signal? Then the thread will go on at
 * the address that the sequence's descriptor names for that.
 */
static bool has_aborted(const ucontext_t *context)
{
	const uintptr_t next = next_instruction(context);

	for (const struct rseq_cs *one = __start___rseq_cs; one < __stop___rseq_cs; one++) {
		if (one->abort_ip == next)
			return true;
	}
	return false;
}
#else
static bool has_aborted(const ucontext_t *context)
{
	(void)context;
	return false;
}
#endif

/* To be interrupted is enough: the kernel aborts the sequence that a signal hits. */
static void on_signal(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)info;
	atomic_fetch_add(&nr_signals, 1);
	if (has_aborted(context))
		atomic_fetch_add(&nr_aborts, 1);
}

/* Have this thread interrupted every so often, by the time that it runs. */
static void start_timer(timer_t *timer, long interval_ns)
{
	struct sigevent event;
	const struct itimerspec spec = {{0, interval_ns}, {0, interval_ns}};

	memset(&event, 0, sizeof(event));
	event.sigev_notify = SIGEV_THREAD_ID;
	event.sigev_signo = SIGUSR1;
	event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
	fault_if(timer_create(CLOCK_MONOTONIC, &event, timer) != 0);
	fault_if(timer_settime(*timer, 0, &spec, NULL) != 0);
}

/* Some at once, or none. */
static size_t acquire_some(uint64_t **held, size_t n, uint64_t mark)
{
	if (hnuma_pool_acquire_bulk(pool, HNUMA_CLASS_1K, (void **)held, n) != 0)
		return 0;
	for (size_t i = 0; i < n; i++) {
		held[i][0] = mark;
		held[i][127] = (uintptr_t)held[i];
	}
	return n;
}

static void release_some(uint64_t **held, size_t n, uint64_t mark)
{
	for (size_t i = 0; i < n; i++)
		fault_if(held[i][0] != mark || held[i][127] != (uintptr_t)held[i]);
	fault_if(hnuma_pool_release_bulk(pool, (void **)held, n) != 0);
}

static void *work(void *arg)
{
	const uint64_t mark = (uintptr_t)arg + 1;
	unsigned seed = (unsigned)mark;
	uint64_t *held[NR_HELD];
	unsigned long done = 0;
	timer_t timer;
	size_t n = 0;

	start_timer(&timer, 40000 + 7000 * (long)mark);
	while (!atomic_load_explicit(&is_over, memory_order_relaxed)) {
		size_t some = 1 + (size_t)rand_r(&seed) % NR_BULK;
		unsigned choice = (unsigned)rand_r(&seed) % 8;

		if (choice == 0 && n + some <= NR_HELD) {
			n += acquire_some(held + n, some, mark);
		} else if (choice == 1 && n >= some) {
			n -= some;
			release_some(held + n, some, mark);
		} else if (n < NR_HELD && choice % 2) {
			held[n] = hnuma_pool_acquire(pool, rand_r(&seed) % 4 ? HNUMA_CLASS_1K
									     : HNUMA_CLASS_4K);
			if (held[n]) {
				held[n][0] = mark;
				held[n][127] = (uintptr_t)held[n];
				n++;
			}
		} else if (n > 0) {
			n--;
			fault_if(held[n][0] != mark || held[n][127] != (uintptr_t)held[n]);
			fault_if(hnuma_pool_release(pool, held[n]) != 0);
		}
		done++;
	}
	timer_delete(timer);
	while (n > 0)
		fault_if(hnuma_pool_release(pool, held[--n]) != 0);
	atomic_fetch_add(&nr_operations, done);
	return NULL;
}

/* Move the workers from CPU to CPU, and at times let them run anywhere. */
static void *migrate(void *arg)
{
	pthread_t *workers = arg;
	int *cpus, nr_cpus = hnuma_topology_allowed_cpus(topology, &cpus);
	const struct timespec pause = {0, 100000};
	unsigned seed = 7;
	cpu_set_t set;

	for (unsigned i = 0; nr_cpus > 0 && !atomic_load(&is_over); i++) {
		CPU_ZERO(&set);
		CPU_SET(cpus[rand_r(&seed) % (unsigned)nr_cpus], &set);
		if (i % 8 == 0) {
			for (int k = 0; k < nr_cpus; k++)
				CPU_SET(cpus[k], &set);
		}
		pthread_setaffinity_np(workers[i % NR_WORKERS], sizeof(set), &set);
		nanosleep(&pause, NULL);
	}
	if (nr_cpus > 0)
		free(cpus);
	return NULL;
}

/* Seize all caches again and again. */
static void *seize(void *unused)
{
	const struct timespec pause = {0, 50000};
	struct hnuma_pool_stats stats;

	(void)unused;
	while (!atomic_load(&is_over)) {
		fault_if(hnuma_pool_clear(pool) != 0);
		fault_if(hnuma_pool_stats(pool, &stats) != 0);
		nanosleep(&pause, NULL);
	}
	return NULL;
}

/* Where signals are few, as on an emulated machine, it takes longer until one hits a sequence. */
#define PATIENCE 30

/* `needs_abort`: so that at least one sequence is aborted, if the pool uses them. */
static void run(size_t buffers_per_class, size_t bytes_per_node, double seconds, bool needs_abort)
{
	struct hnuma_pool_attr attr = HNUMA_POOL_ATTR_INIT;
	const struct timespec time = {(time_t)seconds, (long)((seconds - (long)seconds) * 1e9)};
	struct sigaction action, old;
	pthread_t workers[NR_WORKERS], others[2];
	struct hnuma_pool_stats stats;

	atomic_store(&is_over, false);
	atomic_store(&nr_faults, 0);
	atomic_store(&nr_operations, 0);
	atomic_store(&nr_signals, 0);
	atomic_store(&nr_aborts, 0);
	attr.buffers_per_class = buffers_per_class;
	attr.bytes_per_node = bytes_per_node;
	attr.least_backing = HNUMA_BACKING_BASE;
	CU_ASSERT_EQUAL_FATAL(hnuma_pool_create(&pool, topology, &attr), 0);
	memset(&action, 0, sizeof(action));
	action.sa_sigaction = on_signal;
	action.sa_flags = SA_RESTART | SA_SIGINFO;
	sigaction(SIGUSR1, &action, &old);
	for (uintptr_t i = 0; i < NR_WORKERS; i++)
		pthread_create(&workers[i], NULL, work, (void *)i);
	pthread_create(&others[0], NULL, migrate, workers);
	pthread_create(&others[1], NULL, seize, NULL);
	for (int i = 0; i < PATIENCE; i++) {
		nanosleep(&time, NULL);
		if (!needs_abort || !pool->uses_rseq || atomic_load(&nr_aborts) > 0)
			break;
	}
	atomic_store(&is_over, true);
	pthread_join(others[0], NULL);
	pthread_join(others[1], NULL);
	for (unsigned i = 0; i < NR_WORKERS; i++)
		pthread_join(workers[i], NULL);
	sigaction(SIGUSR1, &old, NULL);
	printf("\n    %lu operations, %lu signals, %lu of them aborted a sequence ",
	       atomic_load(&nr_operations), atomic_load(&nr_signals), atomic_load(&nr_aborts));
	CU_ASSERT_EQUAL(atomic_load(&nr_faults), 0);
	CU_ASSERT(atomic_load(&nr_operations) > 0);
	CU_ASSERT(atomic_load(&nr_signals) > 0);
	CU_ASSERT(!needs_abort || !pool->uses_rseq || atomic_load(&nr_aborts) > 0);
	CU_ASSERT_EQUAL(hnuma_pool_check(pool), 0);
	CU_ASSERT_EQUAL(hnuma_pool_stats(pool, &stats), 0);
	for (int c = 0; c < HNUMA_NR_CLASSES; c++)
		CU_ASSERT_EQUAL(stats.in_use[c], 0);
	CU_ASSERT_EQUAL(hnuma_pool_destroy(pool), 0);
}

static void test_plenty(void)
{
	run(NR_WORKERS * NR_HELD, 0, 2, true);
}

/* So few blocks that caches are recalled for lack of others all the time. */
static void test_scarce(void)
{
	run(16, 2 * HNUMA_HUGEPAGE, 2, false);
}

static int refuse_membarrier(int command)
{
	(void)command;
	return -EPERM;
}

/* Without the membarrier the sequences would not be safe: the pool must not use them. */
static void test_no_membarrier(void)
{
	int (*saved)(int) = hnuma_sys.membarrier;

	hnuma_sys.membarrier = refuse_membarrier;
	CU_ASSERT_FALSE(hnuma_rseq_is_usable());
	run(64, 0, 0.5, false);
	hnuma_sys.membarrier = saved;
}

/* What is tested here is what was asked for: the tunable turns the sequences off. */
static void test_the_tunable_decides(void)
{
	const char *tunables = getenv("GLIBC_TUNABLES");
	struct hnuma_pool_attr attr = HNUMA_POOL_ATTR_INIT;

	attr.least_backing = HNUMA_BACKING_BASE;
	CU_ASSERT_EQUAL_FATAL(hnuma_pool_create(&pool, topology, &attr), 0);
	if (tunables && strstr(tunables, "glibc.pthread.rseq=0"))
		CU_ASSERT_FALSE(pool->uses_rseq);
	printf("\n    restartable sequences: %s ", pool->uses_rseq ? "yes" : "no");
	CU_ASSERT_EQUAL(hnuma_pool_destroy(pool), 0);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"plenty of blocks", test_plenty},
		{"scarce blocks", test_scarce},
		{"no membarrier", test_no_membarrier},
		{"the tunable decides", test_the_tunable_decides},
		CU_TEST_INFO_NULL,
	};

	topology = check_topology();
	return check_main("pool rseq", tests);
}
