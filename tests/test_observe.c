/* SPDX-License-Identifier: MIT */
/*
 * tests/test_observe.c - what another process's objects count, read from outside: the same numbers as
 * it reads itself; and errors, no more, where it ends or has another layout. test_observe_garbage.c has
 * processes that write nonsense.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <hugenuma.h>

#include "tests/check.h"
#include "tests/fail_sys.h"
#include "tests/fake_files.h"
#include "tests/observed.h"

static void ask(const struct hnuma_manager *manager, struct numbers *numbers)
{
	const struct hnuma_pool *pool = hnuma_manager_pool(manager);

	/* Padding, too: they are compared byte by byte. */
	memset(numbers, 0, sizeof(*numbers));
	hnuma_arena_stats(hnuma_manager_arena(manager, home), &numbers->arena);
	hnuma_pool_stats(pool, &numbers->pool);
	for (int c = 0; c < HNUMA_NR_CLASSES; c++)
		hnuma_pool_class_stats(pool, home, (enum hnuma_class)c, &numbers->classes[c]);
	hnuma_scratch_stats(hnuma_manager_scratch(manager), &numbers->scratch);
}

/* Something of everything: hits, misses, returns, drops, refusals, blocks in caches, spaces held. */
static void work(struct hnuma_manager *manager, unsigned round)
{
	struct hnuma_pool *pool = hnuma_manager_pool(manager);
	struct hnuma_arena *arena = hnuma_manager_arena(manager, home);
	static struct hnuma_space *space;
	static void *blocks[300];
	int nr = 0;

	for (int c = 0; c < HNUMA_NR_CLASSES; c++)
		for (unsigned i = 0; i < 50 + round && nr < 300; i++) {
			blocks[nr] = hnuma_pool_acquire(pool, (enum hnuma_class)c);
			nr += blocks[nr] != NULL;
		}
	for (int i = 0; i < nr - 7; i++)
		hnuma_pool_release(pool, blocks[i]);
	hnuma_arena_alloc_uninit(arena, 1000 * (round + 3), 4);
	hnuma_arena_reset(arena);
	hnuma_arena_alloc_uninit(arena, 500 * (round + 1), 4);
	if (space)
		hnuma_scratch_release(space);
	space = hnuma_scratch_acquire(hnuma_manager_scratch(manager));
	hnuma_space_alloc(space, 100 + round, 8);
}

/* On one CPU of the node, so that it depends on nothing else what a cache holds and what is dropped. */
static void stay_at_home(void)
{
	cpu_set_t here;

	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		CPU_ZERO(&here);
		CPU_SET(cpu, &here);
		if (sched_setaffinity(0, sizeof(here), &here) == 0 &&
		    hnuma_current_node(topology) == home)
			return;
	}
}

/* A process that makes a manager and, for each byte that comes, works and tells its numbers. */
struct served {
	pid_t pid;
	int orders, answers;
};

static void serve(int orders, int answers)
{
	struct hnuma_manager *manager = make_manager();
	struct numbers numbers;
	unsigned round = 0;
	char order;

	stay_at_home();
	while (manager && read(orders, &order, 1) == 1) {
		work(manager, round++);
		ask(manager, &numbers);
		if (write(answers, &numbers, sizeof(numbers)) != sizeof(numbers))
			break;
	}
	/* Nothing of the tests' ends. */
	_exit(0);
}

static struct served start(void)
{
	struct served served;
	int orders[2], answers[2];

	CU_ASSERT_FATAL(pipe(orders) == 0 && pipe(answers) == 0);
	served.pid = check_fork();
	CU_ASSERT_FATAL(served.pid >= 0);
	if (served.pid == 0) {
		close(orders[1]);
		close(answers[0]);
		serve(orders[0], answers[1]);
	}
	close(orders[0]);
	close(answers[1]);
	served.orders = orders[1];
	served.answers = answers[0];
	return served;
}

static void order(const struct served *served, struct numbers *numbers)
{
	CU_ASSERT_EQUAL_FATAL(write(served->orders, "x", 1), 1);
	CU_ASSERT_EQUAL_FATAL(read(served->answers, numbers, sizeof(*numbers)), sizeof(*numbers));
}

static void stop(struct served *served)
{
	kill(served->pid, SIGKILL);
	CU_ASSERT_EQUAL(waitpid(served->pid, NULL, 0), served->pid);
	close(served->orders);
	close(served->answers);
}

static void expect_same(const struct numbers *seen, const struct numbers *told)
{
	CU_ASSERT_EQUAL(memcmp(&seen->arena, &told->arena, sizeof(seen->arena)), 0);
	CU_ASSERT_EQUAL(memcmp(&seen->pool, &told->pool, sizeof(seen->pool)), 0);
	CU_ASSERT_EQUAL(memcmp(&seen->classes, &told->classes, sizeof(seen->classes)), 0);
	CU_ASSERT_EQUAL(memcmp(&seen->scratch, &told->scratch, sizeof(seen->scratch)), 0);
}

/* The numbers that were told are not all nothing. */
static void expect_busy(const struct numbers *told)
{
	const struct hnuma_pool_class_stats *small = &told->classes[0];

	CU_ASSERT(told->arena.used == 2048 && told->arena.high_water_mark == 12032);
	CU_ASSERT(small->misses >= 40 && small->in_use == 0);
	CU_ASSERT(small->drops > 0 && small->cached_buffers > 0);
	CU_ASSERT(told->classes[HNUMA_CLASS_256K].in_use == 7);
	CU_ASSERT(told->scratch.active_spaces == 1 && told->scratch.total_used == 832);
}

static void test_same_numbers(void)
{
	struct served served = start();
	struct hnuma_observer *observer;
	struct numbers told, seen;
	struct objects objects;

	order(&served, &told);
	expect_busy(&told);
	CU_ASSERT_EQUAL_FATAL(hnuma_observer_open(&observer, served.pid), 0);
	CU_ASSERT_STRING_EQUAL(hnuma_observer_version(observer), hnuma_version());
	CU_ASSERT_EQUAL(hnuma_observer_unlisted(observer), 0);
	CU_ASSERT_EQUAL(list(observer, &objects), 0);
	CU_ASSERT_EQUAL(objects.nr, 5);
	CU_ASSERT_STRING_EQUAL(objects.region.name, "manager");
	CU_ASSERT_EQUAL(objects.region.owner, 0);
	CU_ASSERT_EQUAL(objects.region.node, check_knows_nodes() ? home : HNUMA_NODE_NONE);
	CU_ASSERT(hnuma_nodeset_has(&objects.region.nodes, home));
	CU_ASSERT(objects.region.backing >= HNUMA_BACKING_BASE);
	CU_ASSERT(objects.region.page_size >= 4096);
	CU_ASSERT(hnuma_nodeset_has(&objects.manager.nodes, home));
	CU_ASSERT_EQUAL(objects.manager.owner, 0);
	CU_ASSERT_EQUAL(objects.arena.owner, objects.manager.id);
	CU_ASSERT_EQUAL(objects.pool.owner, objects.manager.id);
	CU_ASSERT_EQUAL(objects.scratch.owner, objects.manager.id);
	CU_ASSERT_EQUAL(objects.arena.node, home);
	CU_ASSERT_EQUAL(objects.arena.size, 1 << 20);
	CU_ASSERT(objects.arena.base >= objects.region.base &&
		  objects.arena.base + objects.arena.size <=
			  objects.region.base + objects.region.size);
	for (int i = 0; i < 20; i++) {
		CU_ASSERT_EQUAL(observe(observer, &objects, &seen), 0);
		expect_same(&seen, &told);
		order(&served, &told);
	}
	CU_ASSERT_EQUAL(hnuma_observer_pool_class_stats(observer, &objects.pool, home + 1000,
							HNUMA_CLASS_1K, &seen.classes[0]),
			-ENODEV);
	check_message("not served");
	hnuma_observer_close(observer);
	stop(&served);
}

/* It dies while it is looked at: each call then has an answer, and it is that. */
static void test_killed(void)
{
	struct served served = start();
	struct hnuma_observer *observer, *other;
	struct numbers told, seen;
	struct objects objects;
	int error;

	order(&served, &told);
	CU_ASSERT_EQUAL_FATAL(hnuma_observer_open(&observer, served.pid), 0);
	CU_ASSERT_EQUAL(list(observer, &objects), 0);
	kill(served.pid, SIGKILL);
	/* In the middle of its end, any of these. */
	do {
		error = observe(observer, &objects, &seen);
		CU_ASSERT(error == 0 || error == -ESTALE || error == -ESRCH);
	} while (!error);
	stop(&served);
	CU_ASSERT_EQUAL(observe(observer, &objects, &seen), -ESRCH);
	check_message("there is no process");
	CU_ASSERT_EQUAL(list(observer, &objects), -ESRCH);
	CU_ASSERT_EQUAL(hnuma_observer_open(&other, served.pid), -ESRCH);
	check_message("there is no process");
	CU_ASSERT_PTR_NULL(other);
	hnuma_observer_close(observer);
}

/* It works, makes and destroys while it is looked at: numbers that could be, or ESTALE. */
static void hurry(void)
{
	for (unsigned round = 0;; round++) {
		struct hnuma_manager *manager = make_manager();
		struct hnuma_pool *pool = hnuma_manager_pool(manager);

		for (int i = 0; i < 20000; i++)
			hnuma_pool_release(pool,
					   hnuma_pool_acquire(pool, (enum hnuma_class)(i % 5)));
		hnuma_manager_reset_step(manager);
		hnuma_manager_destroy(manager);
	}
}

static void expect_possible(const struct numbers *seen)
{
	const struct hnuma_arena_stats *arena = &seen->arena;

	CU_ASSERT_EQUAL(arena->capacity, 1 << 20);
	CU_ASSERT_EQUAL(arena->used + arena->remaining, arena->capacity);
	for (int c = 0; c < HNUMA_NR_CLASSES; c++) {
		const struct hnuma_pool_class_stats *one = &seen->classes[c];

		CU_ASSERT_EQUAL(one->total, one->free_buffers + one->in_use);
		CU_ASSERT(one->cached_buffers <= one->free_buffers);
		CU_ASSERT(one->returns <= one->hits + one->misses);
		CU_ASSERT(one->in_use <= 1);
	}
}

static void test_in_motion(void)
{
	unsigned nr_seen = 0, nr_gone = 0;
	pid_t pid = check_fork();

	CU_ASSERT_FATAL(pid >= 0);
	if (pid == 0)
		hurry();
	for (int i = 0; i < 100000 && (nr_seen < check_rounds(300) || nr_gone < check_rounds(30));
	     i++) {
		struct hnuma_observer *observer;
		struct objects objects;
		struct numbers seen;
		int error = hnuma_observer_open(&observer, pid);

		CU_ASSERT(error == 0 || error == -ENOENT);
		if (error)
			continue;
		error = list(observer, &objects);
		CU_ASSERT(error == 0 || error == -ENOENT || error == -EAGAIN);
		if (!error && objects.nr == 5) {
			do {
				error = observe(observer, &objects, &seen);
				CU_ASSERT(error == 0 || error == -ESTALE);
				if (!error)
					expect_possible(&seen);
				nr_seen += !error;
				nr_gone += error == -ESTALE;
			} while (!error);
		}
		hnuma_observer_close(observer);
	}
	CU_ASSERT(nr_seen >= check_rounds(300) && nr_gone >= check_rounds(30));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* The rest observes this process itself, whose memory is at hand. */

static void test_other_layout(void)
{
	struct hnuma_manager *manager = make_manager();
	struct hnuma_directory_header *header = own_directory();
	struct hnuma_directory_entry *entries = (void *)header;
	struct hnuma_observer *observer, *other;
	struct objects objects;
	struct numbers seen;

	CU_ASSERT_EQUAL_FATAL(hnuma_observer_open(&observer, getpid()), 0);
	header->layout++;
	strcpy(header->version, "9.8.\033[2J");
	CU_ASSERT_EQUAL(hnuma_observer_open(&other, getpid()), -ENOTSUP);
	CU_ASSERT_PTR_NULL(other);
	check_message("has hugenuma 9.8.??2J, whose directory of objects has layout 2; this one");
	CU_ASSERT_EQUAL(list(observer, &objects), -ENOTSUP);
	header->layout--;
	header->entry_bytes = 128;
	CU_ASSERT_EQUAL(list(observer, &objects), -ENOTSUP);
	header->entry_bytes = sizeof(*entries);
	strcpy(header->version, hnuma_version());
	/* The list is the same, what an object is made of is not. */
	for (unsigned i = 1; i < header->nr_slots; i++)
		entries[i].layout ^= 1;
	CU_ASSERT_EQUAL(list(observer, &objects), 0);
	CU_ASSERT_EQUAL(objects.nr, 5);
	CU_ASSERT_EQUAL(hnuma_observer_arena_stats(observer, &objects.arena, &seen.arena),
			-ENOTSUP);
	check_message("lays such objects out differently");
	CU_ASSERT_EQUAL(hnuma_observer_pool_stats(observer, &objects.pool, &seen.pool), -ENOTSUP);
	CU_ASSERT_EQUAL(hnuma_observer_scratch_stats(observer, &objects.scratch, &seen.scratch),
			-ENOTSUP);
	hnuma_observer_close(observer);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
}

static void test_errors(void)
{
	struct hnuma_manager *manager = make_manager();
	struct hnuma_directory_header *header = own_directory();
	struct hnuma_pool_class_stats class_stats;
	struct hnuma_observer *observer;
	struct objects objects;
	struct numbers seen;

	CU_ASSERT_EQUAL(hnuma_observer_open(NULL, getpid()), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_observer_open(&observer, 0), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_observer_open(&observer, -1), -EINVAL);
	check_message("-1 is no process id");
	CU_ASSERT_EQUAL(hnuma_observer_open(&observer, INT32_MAX), -ESRCH);
	hnuma_observer_close(NULL);
	CU_ASSERT_STRING_EQUAL(hnuma_observer_version(NULL), "");
	CU_ASSERT_EQUAL(hnuma_observer_unlisted(NULL), 0);
	CU_ASSERT_EQUAL_FATAL(hnuma_observer_open(&observer, getpid()), 0);
	CU_ASSERT_EQUAL(hnuma_observer_next(NULL, &objects.arena), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_observer_next(observer, NULL), -EINVAL);
	CU_ASSERT_EQUAL(list(observer, &objects), 0);
	CU_ASSERT_EQUAL(hnuma_observer_arena_stats(observer, &objects.pool, &seen.arena), -EINVAL);
	check_message("another kind");
	CU_ASSERT_EQUAL(hnuma_observer_arena_stats(observer, &objects.arena, NULL), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_observer_pool_stats(NULL, &objects.pool, &seen.pool), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_observer_scratch_stats(observer, NULL, &seen.scratch), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_observer_pool_class_stats(observer, &objects.pool, home,
							(enum hnuma_class)5, &class_stats),
			-EINVAL);
	/* Stopped while it writes. */
	header->sequence++;
	CU_ASSERT_EQUAL(list(observer, &objects), -EAGAIN);
	check_message("was making or destroying objects");
	header->sequence++;
	CU_ASSERT_EQUAL(list(observer, &objects), 0);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
	CU_ASSERT_EQUAL(observe(observer, &objects, &seen), -ESTALE);
	check_message("has destroyed the object");
	CU_ASSERT_EQUAL(list(observer, &objects), -ENOENT);
	check_message("any more");
	/* Objects again, in a new directory or at the old one's place: those are others. */
	manager = make_manager();
	CU_ASSERT_EQUAL(observe(observer, &objects, &seen), -ESTALE);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
	hnuma_observer_close(observer);
}

/* What has the name of a directory of objects and is shorter than one can be. */
static void test_short_directory(void)
{
	static const struct fake_file files[] = {
		{"/proc/4711/maps",
		 "7f0000000000-7f0000000008 rw-s 00000000 00:01 9 /memfd:hugenuma:directory "
		 "(deleted)\n",
		 0},
		{NULL, NULL, 0},
	};
	struct hnuma_observer *observer;

	fake_files_begin(files, true);
	CU_ASSERT_EQUAL(hnuma_observer_open(&observer, 4711), -EUCLEAN);
	fake_files_end();
	CU_ASSERT_PTR_NULL(observer);
	check_message("process 4711: its directory of objects is too short");
}

static int refused;

static ssize_t refuse_read(int pid, void *buffer, size_t size, const struct iovec *ranges,
			   unsigned nr_ranges)
{
	(void)pid;
	(void)buffer;
	(void)size;
	(void)ranges;
	(void)nr_ranges;
	return refused;
}

static int refuse_open(const char *path)
{
	return strstr(path, "/maps") ? refused : fail_sys.real.open(path);
}

/* What the kernel says, to each of the two things that are asked of it. */
static void test_kernel_refuses(void)
{
	static const int answers[][2] = {
		{-EPERM, -EPERM}, {-EACCES, -EPERM}, {-ENOSYS, -ENOSYS}, {-ESRCH, -ESRCH}};
	struct hnuma_manager *manager = make_manager();
	struct hnuma_observer *observer, *other;
	struct objects objects;
	struct numbers seen;

	CU_ASSERT_EQUAL_FATAL(hnuma_observer_open(&observer, getpid()), 0);
	CU_ASSERT_EQUAL(list(observer, &objects), 0);
	fail_sys_install();
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		struct objects none;

		refused = answers[i][0];
		hnuma_sys.read_process = refuse_read;
		CU_ASSERT_EQUAL(hnuma_observer_open(&other, getpid()), answers[i][1]);
		CU_ASSERT_EQUAL(list(observer, &none), answers[i][1]);
		CU_ASSERT_EQUAL(observe(observer, &objects, &seen), answers[i][1]);
		hnuma_sys.read_process = fail_sys.real.read_process;
		hnuma_sys.open = refuse_open;
		CU_ASSERT_EQUAL(hnuma_observer_open(&other, getpid()), answers[i][1]);
		CU_ASSERT_PTR_NULL(other);
		if (answers[i][1] == -EPERM)
			check_message("ptrace_scope");
		hnuma_sys.open = fail_sys.real.open;
	}
	fail_sys_remove();
	hnuma_observer_close(observer);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"the same numbers as it has itself", test_same_numbers},
		{"killed in the middle", test_killed},
		{"in motion", test_in_motion},
		{"another layout", test_other_layout},
		{"errors", test_errors},
		{"a short directory", test_short_directory},
		{"the kernel refuses", test_kernel_refuses},
		CU_TEST_INFO_NULL,
	};

	check_lock();
	signal(SIGPIPE, SIG_IGN);
	topology = check_topology();
	home = hnuma_current_node(topology);
	return check_main("observe", tests);
}
