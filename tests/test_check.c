/* SPDX-License-Identifier: MIT */
/*
 * tests/test_check.c - the tests' own helpers: do they see a failure, and do they give pages back?
 *
 * The program runs itself with a mode as argument, so that what is to fail fails in another process.
 * Such a process gets a lock file of its own, since this one may hold the real one.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <hugenuma.h>

#include "tests/check.h"

#define POOL "/sys/kernel/mm/hugepages/hugepages-2048kB/"

/* What the process that was run printed and how it ended. */
static char output[1 << 16];
static char own_lock[64];
/* Read, not used as it is: under Valgrind /proc/self/exe leads to Valgrind. */
static char own_path[4096];

static void read_output(int fd)
{
	size_t used = 0;
	ssize_t got;

	while (used < sizeof(output) - 1 &&
	       (got = read(fd, output + used, sizeof(output) - 1 - used)) > 0)
		used += (size_t)got;
	output[used] = '\0';
}

/* Run this program in a mode. Returns the exit code, or -signal. */
static int run_self(const char *mode, const char *no_skip)
{
	int pipe_fds[2], status = 0;
	pid_t child;

	CU_ASSERT_EQUAL_FATAL(pipe(pipe_fds), 0);
	fflush(NULL);
	child = fork();
	if (child == 0) {
		dup2(pipe_fds[1], STDOUT_FILENO);
		close(pipe_fds[0]);
		close(pipe_fds[1]);
		setenv("CHECK_LOCK", own_lock, 1);
		setenv("CHECK_NO_SKIP", no_skip, 1);
		execl(own_path, "test_check", mode, (char *)NULL);
		_exit(127);
	}
	close(pipe_fds[1]);
	read_output(pipe_fds[0]);
	close(pipe_fds[0]);
	CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/* --- what the other process does --- */

static void pass(void)
{
	CU_ASSERT(true);
}

static void fail(void)
{
	CU_ASSERT(false);
}

static void skip(void)
{
	check_skip("because of %d", 42);
	check_skip("a second time");
}

static void fail_then_skip(void)
{
	CU_ASSERT(false);
	check_skip("too late");
}

/* A count of one node's pool; the others may have pages of their own. */
static unsigned long own_pages(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path),
		 "/sys/devices/system/node/node%d/hugepages/hugepages-2048kB/%s", check_home_node(),
		 name);
	if (access(path, F_OK) != 0)
		snprintf(path, sizeof(path), POOL "%s", name);
	return strtoul(check_read_file(path), NULL, 10);
}

static void reserve(void)
{
	if (!check_hugepages_exactly(check_home_node(), 5))
		return;
	CU_ASSERT_EQUAL(own_pages("free_hugepages"), 5);
}

static void reserve_and_die(void)
{
	reserve();
	raise(SIGKILL);
}

static void leave(void *arg)
{
	exit(*(int *)arg);
}

/* A child that leaves by exit() runs our exit handlers, but the pages must stay until we end. */
static void reserve_and_fork(void)
{
	int code = 3;

	if (!check_hugepages_exactly(check_home_node(), 5))
		return;
	CU_ASSERT_EQUAL(check_in_child(leave, &code), 3);
	CU_ASSERT_EQUAL(own_pages("free_hugepages"), 5);
}

static void hang(void)
{
	for (;;)
		pause();
}

/* End by a signal, when a child of ours is at work that would live on for a minute, and tell. */
static void leave_an_orphan(void *arg)
{
	int *fds = arg;
	char byte;

	if (check_fork() == 0) {
		if (write(fds[1], "r", 1) == 1 && sleep(60) == 0)
			(void)!write(fds[1], "a", 1);
		_exit(0);
	}
	CU_ASSERT_EQUAL(read(fds[0], &byte, 1), 1);
	raise(SIGKILL);
}

static CU_TestInfo passing[] = {{"pass", pass}, CU_TEST_INFO_NULL};
static CU_TestInfo failing[] = {{"pass", pass}, {"fail", fail}, CU_TEST_INFO_NULL};
static CU_TestInfo skipping[] = {{"skip", skip}, CU_TEST_INFO_NULL};
static CU_TestInfo mixed[] = {{"pass", pass}, {"skip", skip}, CU_TEST_INFO_NULL};
static CU_TestInfo late[] = {{"fail then skip", fail_then_skip}, CU_TEST_INFO_NULL};
static CU_TestInfo empty[] = {CU_TEST_INFO_NULL};
static CU_TestInfo reserving[] = {{"reserve", reserve}, CU_TEST_INFO_NULL};
static CU_TestInfo dying[] = {{"reserve and die", reserve_and_die}, CU_TEST_INFO_NULL};
static CU_TestInfo forking[] = {{"reserve and fork", reserve_and_fork}, CU_TEST_INFO_NULL};
static CU_TestInfo hanging[] = {{"hang", hang}, CU_TEST_INFO_NULL};

static const struct {
	const char *name;
	CU_TestInfo *tests;
} modes[] = {
	{"passing", passing},	  {"failing", failing}, {"skipping", skipping}, {"mixed", mixed},
	{"late", late},		  {"empty", empty},	{"hanging", hanging},	{"dying", dying},
	{"reserving", reserving}, {"forking", forking},
};

/* --- the tests --- */

static void test_exit_codes(void)
{
	CU_ASSERT_EQUAL(run_self("passing", "0"), 0);
	CU_ASSERT_EQUAL(run_self("failing", "0"), 1);
	CU_ASSERT_EQUAL(run_self("skipping", "0"), 77);
	CU_ASSERT_EQUAL(run_self("mixed", "0"), 0);
	CU_ASSERT_EQUAL(run_self("late", "0"), 1);
	CU_ASSERT_EQUAL(run_self("empty", "0"), 1);
}

static void test_no_skip_fails(void)
{
	CU_ASSERT_EQUAL(run_self("skipping", "1"), 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "because of 42"));
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "\nskipping: 0 passed, 1 failed, 0 skipped\n"));
	CU_ASSERT_EQUAL(run_self("passing", "1"), 0);
}

static void test_last_lines(void)
{
	run_self("mixed", "0");
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "Run Summary:"));
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "skipped: because of 42"));
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "\nmixed: 1 passed, 0 failed, 1 skipped\n"));
	run_self("late", "0");
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "\nlate: 0 passed, 1 failed, 0 skipped\n"));
	run_self("failing", "0");
	CU_ASSERT_PTR_NOT_NULL(strstr(output, "\nfailing: 1 passed, 1 failed, 0 skipped\n"));
}

static void test_hanging_test_is_ended(void)
{
	setenv("CHECK_TIMEOUT", "1", 1);
	CU_ASSERT_EQUAL(run_self("hanging", "0"), -SIGALRM);
	unsetenv("CHECK_TIMEOUT");
}

static void wait_for_own_lock(void)
{
	int fd = open(own_lock, O_RDONLY | O_CLOEXEC);

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(flock(fd, LOCK_EX), 0);
	close(fd);
}

static void expect_pages_back_after(const char *mode, int code)
{
	unsigned long before;

	/* The guardian of one that was killed may be at work still. */
	wait_for_own_lock();
	/* More than the other process will ask for, so that a count not put back is seen. */
	if (!check_hugepages_exactly(check_home_node(), 7))
		return;
	before = own_pages("nr_hugepages");
	CU_ASSERT_EQUAL(run_self(mode, "1"), code);
	/* Whoever gets the lock comes after the other one's guardian. */
	wait_for_own_lock();
	if (own_pages("nr_hugepages") != before)
		printf("\n    %lu pages before, %lu now, %lu of them surplus ", before,
		       own_pages("nr_hugepages"), own_pages("surplus_hugepages"));
	CU_ASSERT_EQUAL(own_pages("nr_hugepages"), before);
}

static void test_pages_back_after_exit(void)
{
	expect_pages_back_after("reserving", 0);
}

static void test_pages_back_after_kill(void)
{
	expect_pages_back_after("dying", -SIGKILL);
}

static void test_child_leaves_pages_alone(void)
{
	expect_pages_back_after("forking", 0);
}

static void make_topology(void *arg)
{
	(void)arg;
	check_topology();
}

static void test_no_topology(void)
{
	setenv("HWLOC_XMLFILE", "/nonexistent", 1);
	CU_ASSERT_EQUAL(check_in_child(make_topology, NULL), EXIT_FAILURE);
	unsetenv("HWLOC_XMLFILE");
	CU_ASSERT_EQUAL(check_in_child(make_topology, NULL), 0);
}

static void stay(void *arg)
{
	int cpu = check_stay();
	cpu_set_t here;

	(void)arg;
	CU_ASSERT_EQUAL(sched_getcpu(), cpu);
	CU_ASSERT_EQUAL_FATAL(sched_getaffinity(0, sizeof(here), &here), 0);
	CU_ASSERT_EQUAL(CPU_COUNT(&here), 1);
	CU_ASSERT(CPU_ISSET(cpu, &here));
}

static void test_stay(void)
{
	CU_ASSERT_EQUAL(check_in_child(stay, NULL), 0);
}

static void return_normally(void *arg)
{
	(void)arg;
}

static void fail_softly(void *arg)
{
	(void)arg;
	CU_ASSERT(false);
}

static void fail_fatally(void *arg)
{
	(void)arg;
	CU_ASSERT_FATAL(false);
}

static void die(void *arg)
{
	(void)arg;
	raise(SIGKILL);
}

/* Nobody has the other end any more, and nobody has written. */
static void test_orphan(void)
{
	int fds[2];
	char byte;

	CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
	CU_ASSERT_EQUAL(check_in_child(leave_an_orphan, fds), -SIGKILL);
	close(fds[1]);
	CU_ASSERT_EQUAL(read(fds[0], &byte, 1), 0);
	close(fds[0]);
}

static void test_in_child(void)
{
	int code = 9;

	CU_ASSERT_EQUAL(check_in_child(return_normally, NULL), 0);
	CU_ASSERT_EQUAL(check_in_child(leave, &code), 9);
	CU_ASSERT_EQUAL(check_in_child(fail_softly, NULL), 1);
	CU_ASSERT_EQUAL(check_in_child(fail_fatally, NULL), 1);
	CU_ASSERT_EQUAL(check_in_child(die, NULL), -SIGKILL);
}

static void change_nothing(void *arg)
{
	struct check_state state;

	(void)arg;
	check_snapshot(&state);
	check_unchanged(&state);
}

static void leave_a_file_open(void *arg)
{
	struct check_state state;

	(void)arg;
	check_snapshot(&state);
	CU_ASSERT_FATAL(open("/dev/null", O_RDONLY) >= 0);
	check_unchanged(&state);
}

static void change_affinity(void *arg)
{
	struct check_state state;

	(void)arg;
	check_snapshot(&state);
	state.affinity[0] ^= 1;
	check_unchanged(&state);
}

static void change_policy(void *arg)
{
	struct check_state state;

	(void)arg;
	check_snapshot(&state);
	state.policy_mask[0] ^= 1;
	check_unchanged(&state);
}

static void lose_a_page(void *arg)
{
	struct check_state state;

	(void)arg;
	check_snapshot(&state);
	state.free_pages++;
	check_unchanged(&state);
}

static void test_snapshot_sees_changes(void)
{
	struct check_state state;

	check_snapshot(&state); /* the lock and the guardian are this process's, not the child's */
	CU_ASSERT_EQUAL(check_in_child(change_nothing, NULL), 0);
	CU_ASSERT_EQUAL(check_in_child(leave_a_file_open, NULL), 1);
	CU_ASSERT_EQUAL(check_in_child(change_affinity, NULL), 1);
	CU_ASSERT_EQUAL(check_in_child(change_policy, NULL), 1);
	CU_ASSERT_EQUAL(check_in_child(lose_a_page, NULL), 1);
}

static void test_rounds(void)
{
	unsetenv("CHECK_SHORT");
	CU_ASSERT_EQUAL(check_rounds(1000), 1000);
	setenv("CHECK_SHORT", "1", 1);
	CU_ASSERT_EQUAL(check_rounds(1000), 100);
	CU_ASSERT_EQUAL(check_rounds(9), 1);
	setenv("CHECK_SHORT", "5", 1);
	CU_ASSERT_EQUAL(check_rounds(1000), 20);
	CU_ASSERT_EQUAL(check_rounds(49), 1);
	setenv("CHECK_SHORT", "0", 1);
	CU_ASSERT_EQUAL(check_rounds(9), 9);
	unsetenv("CHECK_SHORT");
}

static void ask_for_a_missing_message(void *arg)
{
	(void)arg;
	check_message("words that no message has");
}

static void test_message(void)
{
	struct hnuma_arena *arena = NULL;

	CU_ASSERT_EQUAL(check_in_child(ask_for_a_missing_message, NULL), 1);
	CU_ASSERT_NOT_EQUAL(hnuma_arena_create(&arena, NULL, NULL), 0);
	check_message("NULL");
}

static void test_read_file(void)
{
	CU_ASSERT_STRING_EQUAL(check_read_file("/nonexistent"), "");
	CU_ASSERT(strlen(check_read_file("/proc/self/status")) > 100);
}

static CU_TestInfo tests[] = {
	{"exit codes", test_exit_codes},
	{"a skip fails where it is forbidden", test_no_skip_fails},
	{"the last lines tell how it went", test_last_lines},
	{"a test that hangs is ended", test_hanging_test_is_ended},
	{"pages are given back at exit", test_pages_back_after_exit},
	{"pages are given back after SIGKILL", test_pages_back_after_kill},
	{"a child's exit leaves the pages alone", test_child_leaves_pages_alone},
	{"without a topology", test_no_topology},
	{"a thread stays", test_stay},
	{"children", test_in_child},
	{"a child of one that is killed", test_orphan},
	{"a snapshot sees what changes", test_snapshot_sees_changes},
	{"the message", test_message},
	{"rounds", test_rounds},
	{"files", test_read_file},
	CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
	int code, fd;

	for (size_t i = 0; argc > 1 && i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strcmp(argv[1], modes[i].name) == 0)
			return check_main(modes[i].name, modes[i].tests);
	if (readlink("/proc/self/exe", own_path, sizeof(own_path) - 1) < 0)
		return EXIT_FAILURE;
	snprintf(own_lock, sizeof(own_lock), "/tmp/hugenuma-check-XXXXXX");
	fd = mkstemp(own_lock);
	if (fd >= 0)
		close(fd);
	code = check_main("test_check", tests);
	unlink(own_lock);
	return code;
}
