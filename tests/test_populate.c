/* SPDX-License-Identifier: MIT */
/*
 * tests/test_populate.c - numa/populate: by whom pages are cleared, progress, failures half-way.
 *
 * Links with -Wl,--wrap=pthread_create.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <hugenuma.h>

#include "numa/populate.h"
#include "tests/check.h"
#include "tests/fail_sys.h"

#define PAGE	    HNUMA_HUGEPAGE
#define SMALL	    (4 * PAGE)
#define LARGE	    (4 * HNUMA_POPULATE_PARALLEL_BYTES)
#define CALLERS_MAX 64

static struct hnuma_topology *topology;
static int node;
static cpu_set_t allowed_at_start;

/* pthread_create() fails from the n-th call on; -1: never. */
static int creations_left = -1, nr_created;
static size_t least_stack; /* with less it fails, as where thread-local variables take much */
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*f)(void *),
			  void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*f)(void *),
			  void *arg);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*f)(void *),
			  void *arg)
{
	size_t stack;
	int error;

	if (least_stack && !pthread_attr_getstacksize(attr, &stack) && stack < least_stack)
		return EINVAL;
	if (creations_left == 0)
		return EAGAIN;
	if (creations_left > 0)
		creations_left--;
	error = __real_pthread_create(thread, attr, f, arg);
	nr_created += !error;
	return error;
}

/* Who populated, and how. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_t main_thread, callers[CALLERS_MAX];
static unsigned nr_callers, nr_pieces, nr_open_to_signals, nr_unpinned;
static size_t populated_bytes, largest_piece;
static int fail_piece; /* which piece fails; 0: none */
static int fail_error;
static pid_t failed_thread; /* to which a piece failed; 0: none */

/*
 * Is a CPU the node's own? Asked of the system: the library also counts those to a node that have no
 * memory nearer.
 */
static bool is_of_node(int cpu)
{
	char path[96];

	snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/cpu%d", node, cpu);
	return !hnuma_topology_is_known(topology) || access(path, F_OK) == 0;
}

/* May the calling thread run on all the CPUs of the node that the process may use, and no others? */
static bool is_pinned_to_node(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set))
		return false;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		bool is_wanted = CPU_ISSET(cpu, &allowed_at_start) && is_of_node(cpu);

		if (CPU_ISSET(cpu, &set) ? !is_wanted : is_wanted)
			return false;
	}
	return true;
}

static int note_piece(size_t length)
{
	bool is_known = false;
	sigset_t blocked;

	for (unsigned i = 0; i < nr_callers; i++)
		is_known = is_known || pthread_equal(callers[i], pthread_self());
	if (!is_known && nr_callers < CALLERS_MAX)
		callers[nr_callers++] = pthread_self();
	nr_pieces++;
	populated_bytes += length;
	if (length > largest_piece)
		largest_piece = length;
	pthread_sigmask(SIG_SETMASK, NULL, &blocked);
	if (!sigismember(&blocked, SIGALRM) || !sigismember(&blocked, SIGTERM))
		nr_open_to_signals++;
	nr_unpinned += !is_pinned_to_node();
	return (int)nr_pieces == fail_piece ? fail_error : 0;
}

/* A failure is known to all when the thread has ended: until then the others' pieces take their time. */
static void await_the_end_of(pid_t thread)
{
	while (thread && thread != gettid() && tgkill(getpid(), thread, 0) == 0)
		usleep(100);
}

static int advise_noting(void *address, size_t length, int advice)
{
	int error;
	pid_t failed;

	pthread_mutex_lock(&lock);
	error = note_piece(length);
	if (error && error != -EINTR)
		failed_thread = gettid();
	failed = failed_thread;
	pthread_mutex_unlock(&lock);
	await_the_end_of(failed);
	return error ? error : fail_sys.real.advise(address, length, advice);
}

static size_t progress_last;
static unsigned nr_progress, nr_bad_progress;

static void progress(void *arg, size_t done_bytes, size_t total_bytes)
{
	size_t size = *(size_t *)arg;

	if (done_bytes <= progress_last || done_bytes > total_bytes || total_bytes != size ||
	    !pthread_equal(pthread_self(), main_thread))
		nr_bad_progress++;
	progress_last = done_bytes;
	nr_progress++;
}

static void *map_memory(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	CU_ASSERT_FATAL(memory != MAP_FAILED);
	return memory;
}

static int (*ask)(void *arg, size_t rest_bytes, size_t *stretch_bytes); /* may be NULL */

static int populate_mapping(void *memory, size_t size, unsigned nr_cpus)
{
	const struct hnuma_populate what = {
		.base = memory,
		.size_bytes = size,
		.topology = topology,
		.node = node,
		.nr_cpus = nr_cpus,
		.progress = progress,
		.progress_arg = &size,
		.check = ask,
		.check_arg = &size,
	};
	int error;

	nr_callers = nr_pieces = nr_open_to_signals = nr_unpinned = 0;
	nr_progress = nr_bad_progress = 0;
	populated_bytes = largest_piece = progress_last = 0;
	nr_created = 0;
	failed_thread = 0;
	main_thread = pthread_self();
	fail_sys_install();
	hnuma_sys.advise = advise_noting;
	error = hnuma_populate(&what);
	fail_sys_remove();
	return error;
}

static int populate(size_t size, unsigned nr_cpus)
{
	void *memory = map_memory(size);
	int error = populate_mapping(memory, size, nr_cpus);

	CU_ASSERT_EQUAL(nr_bad_progress, 0);
	if (!error) {
		unsigned char *present = calloc(1, size / (size_t)sysconf(_SC_PAGESIZE));
		size_t nr_present = 0;

		mincore(memory, size, present);
		for (size_t i = 0; i < size / (size_t)sysconf(_SC_PAGESIZE); i++)
			nr_present += present[i] & 1;
		free(present);
		CU_ASSERT_EQUAL(nr_present, size / (size_t)sysconf(_SC_PAGESIZE));
		CU_ASSERT_EQUAL(progress_last, size);
	}
	munmap(memory, size);
	return error;
}

static unsigned nr_tasks(void)
{
	const char *threads = strstr(check_read_file("/proc/self/status"), "Threads:");

	return threads ? (unsigned)atoi(threads + 8) : 0;
}

static unsigned tasks_at_start;

/* A thread that was joined may still be counted for a moment. */
static unsigned nr_tasks_in_the_end(unsigned expected)
{
	for (int i = 0; i < 1000 && nr_tasks() != expected; i++)
		usleep(1000);
	return nr_tasks();
}

static void test_small(void)
{
	CU_ASSERT_EQUAL(populate(SMALL, 8), 0);
	CU_ASSERT_EQUAL(nr_created, 0);
	CU_ASSERT_EQUAL(nr_pieces, 1);
	CU_ASSERT_EQUAL(nr_progress, 1);
	CU_ASSERT(pthread_equal(callers[0], main_thread));
}

static void test_large(void)
{
	struct check_state before;
	sigset_t mask_before, mask_after;
	unsigned tasks_before;
	cpu_set_t one;

	CU_ASSERT_EQUAL(populate(LARGE, 2), 0);
	/* What the threads inherit is not what they are to have. */
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	CU_ASSERT_EQUAL(sched_setaffinity(0, sizeof(one), &one), 0);
	check_snapshot(&before);
	tasks_before = nr_tasks_in_the_end(tasks_at_start);
	pthread_sigmask(SIG_SETMASK, NULL, &mask_before);
	CU_ASSERT_EQUAL(populate(LARGE, 2), 0);
	CU_ASSERT_EQUAL(nr_created, 2);
	CU_ASSERT_EQUAL(nr_open_to_signals, 0);
	CU_ASSERT_EQUAL(nr_unpinned, 0);
	for (unsigned i = 0; i < nr_callers; i++)
		CU_ASSERT(!pthread_equal(callers[i], main_thread));
	CU_ASSERT(nr_progress >= 2);
	CU_ASSERT(nr_pieces >= 8);
	CU_ASSERT_EQUAL(populated_bytes, LARGE);
	CU_ASSERT(largest_piece <= (size_t)64 << 20);
	pthread_sigmask(SIG_SETMASK, NULL, &mask_after);
	for (int number = 1; number < NSIG; number++)
		CU_ASSERT_EQUAL(sigismember(&mask_before, number),
				sigismember(&mask_after, number));
	CU_ASSERT_EQUAL(nr_tasks_in_the_end(tasks_before), tasks_before);
	check_unchanged(&before);
	sched_setaffinity(0, sizeof(allowed_at_start), &allowed_at_start);
}

/* A size that no piece divides; more threads than work; CPUs that are not known. */
static void test_odd_sizes(void)
{
	CU_ASSERT_EQUAL(populate(HNUMA_POPULATE_PARALLEL_BYTES + PAGE, 2), 0);
	CU_ASSERT_EQUAL(populated_bytes, HNUMA_POPULATE_PARALLEL_BYTES + PAGE);
	CU_ASSERT_EQUAL(populate(LARGE - PAGE, 100), 0);
	CU_ASSERT_EQUAL(populated_bytes, LARGE - PAGE);
	CU_ASSERT_EQUAL(nr_created, 7); /* one for each 16 MB */
	CU_ASSERT_EQUAL(populate(LARGE, 0), 0);
	CU_ASSERT_EQUAL(nr_created, 1);
}

static void test_fewer_threads(void)
{
	creations_left = 1;
	CU_ASSERT_EQUAL(populate(LARGE, 4), 0);
	CU_ASSERT_EQUAL(nr_created, 1);
	creations_left = 0;
	CU_ASSERT_EQUAL(populate(LARGE, 4), 0);
	CU_ASSERT_EQUAL(nr_created, 0);
	CU_ASSERT(pthread_equal(callers[0], main_thread));
	CU_ASSERT_EQUAL(nr_callers, 1);
	creations_left = -1;
	least_stack = (size_t)1024 * 1024;
	CU_ASSERT_EQUAL(populate(LARGE, 4), 0);
	CU_ASSERT_EQUAL(nr_created, 4);
	least_stack = 0;
}

/* After a failure nobody takes another piece, and the failure is what is told. */
static void test_failure(void)
{
	unsigned tasks_before = nr_tasks_in_the_end(tasks_at_start);

	fail_error = -EHWPOISON;
	fail_piece = 1;
	CU_ASSERT_EQUAL(populate(SMALL, 2), -EHWPOISON);
	CU_ASSERT_EQUAL(nr_progress, 0);
	for (fail_piece = 1; fail_piece < 6; fail_piece++) {
		CU_ASSERT_EQUAL(populate(LARGE, 2), -EHWPOISON);
		CU_ASSERT((int)nr_pieces <= fail_piece + 1);
		CU_ASSERT_EQUAL(nr_tasks_in_the_end(tasks_before), tasks_before);
	}
	/* A signal is no failure. */
	fail_error = -EINTR;
	fail_piece = 2;
	CU_ASSERT_EQUAL(populate(LARGE, 2), 0);
	fail_piece = 0;
}

/* Whether to go on is asked every 64 MB; the answer ends it as a failure does. */
#define LONG (2 * HNUMA_POPULATE_CHECK_BYTES + PAGE)

static atomic_uint nr_asked, nr_wrong_rests;
static unsigned refused_at; /* which question is answered with an error; 0: none */

static size_t stretch; /* what is answered besides */

static int may_go_on(void *arg, size_t rest_bytes, size_t *stretch_bytes)
{
	*stretch_bytes = stretch;
	nr_wrong_rests += rest_bytes == 0 || rest_bytes >= *(size_t *)arg || rest_bytes % PAGE;
	return ++nr_asked == refused_at ? -ENOMEM : 0;
}

static int populate_asking(size_t size, unsigned nr_cpus)
{
	void *memory = map_memory(size);
	int error;

	nr_asked = nr_wrong_rests = 0;
	ask = may_go_on;
	error = populate_mapping(memory, size, nr_cpus);
	ask = NULL;
	munmap(memory, size);
	CU_ASSERT_EQUAL(nr_wrong_rests, 0);
	return error;
}

static void test_asking(void)
{
	refused_at = 0;
	CU_ASSERT_EQUAL(populate_asking(HNUMA_POPULATE_CHECK_BYTES, 2), 0);
	CU_ASSERT_EQUAL(nr_asked, 0);
	/* In small pieces by two threads, in large ones by the caller. */
	for (creations_left = -1; creations_left < 1; creations_left++) {
		refused_at = 0;
		CU_ASSERT_EQUAL(populate_asking(LONG, 2), 0);
		CU_ASSERT_EQUAL(nr_asked, 2);
		for (refused_at = 1; refused_at <= 2; refused_at++) {
			CU_ASSERT_EQUAL(populate_asking(LONG, 2), -ENOMEM);
			CU_ASSERT(populated_bytes < LONG);
		}
	}
	creations_left = -1;
	refused_at = 0;
	stretch = 2 * HNUMA_POPULATE_CHECK_BYTES;
	CU_ASSERT_EQUAL(populate_asking(LONG, 2), 0);
	CU_ASSERT_EQUAL(nr_asked, 1);
	CU_ASSERT_EQUAL(populate_asking(2 * LONG, 2), 0);
	CU_ASSERT_EQUAL(nr_asked, 2);
	stretch = SIZE_MAX;
	CU_ASSERT_EQUAL(populate_asking(2 * LONG, 2), 0);
	CU_ASSERT_EQUAL(nr_asked, 1);
	stretch = 0;
}

/* A signal handler that runs all the time, in the calling thread. */
static atomic_uint nr_signals;

static void on_alarm(int number)
{
	(void)number;
	atomic_fetch_add(&nr_signals, 1);
}

static void test_signals(void)
{
	const struct itimerval often = {{0, 200}, {0, 200}}, never = {{0, 0}, {0, 0}};
	const struct sigaction ignore = {.sa_handler = SIG_IGN};
	struct sigaction action = {.sa_handler = on_alarm}, previous;

	sigaction(SIGALRM, &action, &previous);
	/* The harness's own alarm is the same timer. */
	unsigned seconds = alarm(0);

	setitimer(ITIMER_REAL, &often, NULL);
	for (int i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(populate(LARGE, 1), 0);
		creations_left = 0;
		CU_ASSERT_EQUAL(populate(LARGE, 1), 0);
		creations_left = -1;
	}
	setitimer(ITIMER_REAL, &never, NULL);
	/* The last one may be pending still, and the default is to die of it: ignoring discards it. */
	sigaction(SIGALRM, &ignore, NULL);
	sigaction(SIGALRM, &previous, NULL);
	alarm(seconds);
	CU_ASSERT(nr_signals > 0);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"a small mapping, by the caller", test_small},
		{"a large mapping, by pinned threads", test_large},
		{"odd sizes", test_odd_sizes},
		{"threads that cannot be had", test_fewer_threads},
		{"a failure half-way", test_failure},
		{"asked whether to go on", test_asking},
		{"signals all the time", test_signals},
		CU_TEST_INFO_NULL,
	};

	topology = check_topology();
	node = hnuma_current_node(topology);
	sched_getaffinity(0, sizeof(allowed_at_start), &allowed_at_start);
	tasks_at_start = nr_tasks();
	return check_main("populate", tests);
}
