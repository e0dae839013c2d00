/* SPDX-License-Identifier: MIT */
/*
 * tests/test_top_command.c - `hugenuma top` as a user runs it: once, as JSON, a list, bad input; and
 * in a terminal of its own that is resized, and given back as it was however it ends.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>

#include <jansson.h>

#include "tests/observed.h"
#include "tests/run_command.h"

#define ENTER "\033[?1049h\033[?25l"
#define LEAVE "\033[?25h\033[?1049l"

/* A process that has a manager of known numbers, and waits for its end. */
static pid_t start_target(void)
{
	int ready[2];
	char byte;
	pid_t pid;

	CU_ASSERT_FATAL(pipe(ready) == 0);
	pid = check_fork();
	CU_ASSERT_FATAL(pid >= 0);
	if (pid == 0) {
		struct hnuma_manager *manager = make_manager();
		void *blocks[9];

		prctl(PR_SET_NAME, "tar\033[2Jget");
		for (int i = 0; manager && i < 9; i++)
			blocks[i] =
				hnuma_pool_acquire(hnuma_manager_pool(manager), HNUMA_CLASS_16K);
		for (int i = 0; manager && i < 6; i++)
			hnuma_pool_release(hnuma_manager_pool(manager), blocks[i]);
		if (!manager || !hnuma_arena_alloc(hnuma_manager_arena(manager, home), 102400, 1) ||
		    write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	CU_ASSERT_EQUAL_FATAL(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static void stop_target(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static const json_t *find_class(const json_t *root, int block_bytes)
{
	const json_t *pool = json_array_get(json_object_get(root, "pools"), 0), *one;
	size_t i;

	json_array_foreach(json_object_get(pool, "classes"), i,
			   one) if (json_integer_value(json_object_get(one, "block_bytes")) ==
				    block_bytes) return one;
	return NULL;
}

static json_int_t integer(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return json_is_integer(value) ? json_integer_value(value) : -1;
}

static void test_once(void)
{
	const json_t *class, *arena, *scratch;
	pid_t pid = start_target();
	char line[64];
	json_t *root;

	command_run("top %d", pid);
	command_expect(command_outcome.code == 0 && !*command_outcome.err, "exit 0");
	snprintf(line, sizeof(line), "%d tar?[2Jget, hugenuma %s\n", pid, hnuma_version());
	command_expect(strncmp(command_outcome.out, line, strlen(line)) == 0, line);
	command_expect(strstr(command_outcome.out, "\n16K            3       6       6    0.0%") !=
			       NULL,
		       "the pool's numbers");
	command_expect(strstr(command_outcome.out, "100 KB") != NULL, "the arena's");
	command_expect(strchr(command_outcome.out, '\033') == NULL, "no escape sequence");
	command_run("top --once --json %d", pid);
	command_expect(command_outcome.code == 0, "exit 0");
	root = command_report();
	CU_ASSERT_EQUAL(integer(root, "pid"), pid);
	CU_ASSERT_EQUAL(integer(root, "unlisted"), 0);
	CU_ASSERT_STRING_EQUAL(command_text(root, "hugenuma"), hnuma_version());
	class = find_class(root, 16384);
	CU_ASSERT_EQUAL(integer(class, "in_use"), 3);
	CU_ASSERT_EQUAL(integer(class, "free"), 6);
	CU_ASSERT_EQUAL(integer(class, "misses"), 9);
	CU_ASSERT_EQUAL(integer(class, "returns"), 6);
	CU_ASSERT_EQUAL(integer(class, "node"), home);
	arena = json_array_get(json_object_get(root, "arenas"), 0);
	CU_ASSERT_EQUAL(integer(arena, "used"), 102400);
	CU_ASSERT_EQUAL(integer(arena, "capacity"), 1 << 20);
	CU_ASSERT_EQUAL(integer(arena, "owner"),
			integer(json_array_get(json_object_get(root, "managers"), 0), "id"));
	scratch = json_array_get(json_object_get(root, "scratches"), 0);
	CU_ASSERT_EQUAL(integer(scratch, "max_spaces"), 3);
	CU_ASSERT_EQUAL(json_array_size(json_object_get(root, "regions")), 1);
	CU_ASSERT(json_array_size(json_object_get(root, "nodes")) >= 1);
	json_decref(root);
	stop_target(pid);
}

/* There may be other processes of ours on the machine: with two there is a list in any case. */
static void test_list(void)
{
	pid_t first = start_target(), second = start_target();
	unsigned nr_found = 0;
	const json_t *one;
	char text[32];
	json_t *root;
	size_t i;

	command_run("top");
	command_expect(command_outcome.code == 0, "exit 0");
	snprintf(text, sizeof(text), "\n%d ", first);
	command_expect(strstr(command_outcome.out, text) != NULL, "the first process");
	snprintf(text, sizeof(text), "\n%d ", second);
	command_expect(strstr(command_outcome.out, text) != NULL, "the second process");
	command_run("top --json");
	root = command_report();
	json_array_foreach(json_object_get(root, "processes"), i, one)
	{
		if (integer(one, "pid") != first && integer(one, "pid") != second)
			continue;
		nr_found++;
		CU_ASSERT_EQUAL(integer(one, "objects"), 5);
		CU_ASSERT(integer(one, "bytes") > 1 << 20);
	}
	CU_ASSERT_EQUAL(nr_found, 2);
	json_decref(root);
	stop_target(first);
	stop_target(second);
}

static void test_bad_input(void)
{
	static const char *const cases[][2] = {
		{"--no-such-thing", "there is no option --no-such-thing"},
		{"-x", "there is no option -x"},
		{"0", "\"0\" is no process"},
		{"12x", "\"12x\" is no process"},
		{"''", "\"\" is no process"},
		{"99999999999", "\"99999999999\" is no process"},
		{"2147483647", "there is no process 2147483647"},
		{"1 2", "\"2\" is too much"},
		{"--json=x", "--json takes no value"},
		{"--delay", "--delay wants a value"},
		{"--delay 0", "--delay is \"0\""},
		{"--delay 1e2", "--delay is \"1e2\""},
		{"--delay -1", "--delay is \"-1\""},
		{"--delay nan", "--delay is \"nan\""},
		{"--delay 1.2.3", "--delay is \"1.2.3\""},
		{"--delay 3601", "from 0.1 to 3600"},
	};
	pid_t pid;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		command_run("top %s", cases[i][0]);
		command_complains(2, cases[i][1]);
	}
	command_run("top %d", getpid());
	command_complains(2, "has no objects of hugenuma");
	pid = start_target();
	stop_target(pid);
	command_run("top %d", pid);
	command_complains(2, "there is no process");
	command_run("top --help");
	command_expect(command_outcome.code == 0 && strstr(command_outcome.out, "--delay SECONDS"),
		       "help");
}

/* A full disk, and a pipe that nobody reads: one line each. */
static void test_output_fails(void)
{
	int full = open("/dev/full", O_WRONLY), err = command_output(), pipes[2];
	pid_t pid = start_target();
	char line[64];

	CU_ASSERT_FATAL(full >= 0 && pipe(pipes) == 0);
	snprintf(line, sizeof(line), "top %d", pid);
	command_finish(command_start(line, full, err), full, err);
	command_complains(2, "cannot write the report: No space left on device");
	close(pipes[0]);
	err = command_output();
	snprintf(line, sizeof(line), "top --json --delay 0.1 %d", pid);
	command_finish(command_start(line, pipes[1], err), pipes[1], err);
	command_complains(2, "cannot write the report: Broken pipe");
	stop_target(pid);
}

/* A terminal with the command in it, and all that it has written. */
static struct {
	int master, slave;
	pid_t pid;
	struct termios before;
	char text[1 << 20];
	size_t size;
} terminal;

static void resize(unsigned short rows, unsigned short columns)
{
	const struct winsize size = {.ws_row = rows, .ws_col = columns};

	CU_ASSERT_EQUAL(ioctl(terminal.master, TIOCSWINSZ, &size), 0);
}

/* A handler, which the command does not inherit. */
static void ignore(int number)
{
	(void)number;
}

static void open_terminal(pid_t target, unsigned short rows, unsigned short columns)
{
	char line[64];
	int status;

	memset(&terminal, 0, sizeof(terminal));
	terminal.master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	CU_ASSERT_FATAL(terminal.master >= 0 && grantpt(terminal.master) == 0 &&
			unlockpt(terminal.master) == 0);
	terminal.slave = open(ptsname(terminal.master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	CU_ASSERT_FATAL(terminal.slave >= 0);
	resize(rows, columns);
	tcgetattr(terminal.slave, &terminal.before);
	fflush(NULL);
	terminal.pid = fork();
	CU_ASSERT_FATAL(terminal.pid >= 0);
	if (terminal.pid == 0) {
		pid_t child;

		/* The leader of a session, whose child has a terminal to be controlled by. */
		signal(SIGINT, ignore);
		setsid();
		ioctl(terminal.slave, TIOCSCTTY, 0);
		setenv("TERM", "xterm", 1);
		snprintf(line, sizeof(line), "top --delay 0.2 %d", target);
		child = command_start_on(line, terminal.slave);
		while (waitpid(child, &status, 0) < 0 && errno == EINTR)
			;
		_exit(WIFSIGNALED(status) ? 200 : WEXITSTATUS(status));
	}
}

/*
 * Read until the words have come, at most two minutes, however much else is drawn meanwhile. What came before
 * `from` does not count.
 */
static bool wait_for(const char *words, size_t from)
{
	struct pollfd poll_master = {.fd = terminal.master, .events = POLLIN};
	time_t end = time(NULL) + 120;

	for (;;) {
		ssize_t nr;

		if (memmem(terminal.text + from, terminal.size - from, words, strlen(words)))
			return true;
		if (time(NULL) > end || poll(&poll_master, 1, 120000) <= 0)
			return false;
		nr = read(terminal.master, terminal.text + terminal.size,
			  sizeof(terminal.text) - terminal.size);
		if (nr <= 0)
			return false;
		terminal.size += (size_t)nr;
	}
}

static void type(const char *keys)
{
	CU_ASSERT_EQUAL(write(terminal.master, keys, strlen(keys)), (ssize_t)strlen(keys));
}

/* The command ends with this code, and leaves the terminal as it was. */
static void expect_end(int code)
{
	struct termios after;
	const bool leaves = wait_for(LEAVE, 0);
	int status = -1;

	CU_ASSERT(leaves);
	if (!leaves)
		kill(-terminal.pid, SIGKILL);
	CU_ASSERT_EQUAL(waitpid(terminal.pid, &status, 0), terminal.pid);
	CU_ASSERT(WIFEXITED(status));
	CU_ASSERT_EQUAL(WEXITSTATUS(status), code);
	CU_ASSERT_EQUAL(tcgetattr(terminal.slave, &after), 0);
	CU_ASSERT_EQUAL(after.c_lflag, terminal.before.c_lflag);
	CU_ASSERT_EQUAL(memcmp(after.c_cc, terminal.before.c_cc, sizeof(after.c_cc)), 0);
	close(terminal.slave);
	close(terminal.master);
}

/* Has no frame that began behind `from` more rows or columns than there are? And how many are there? */
static bool frames_fit(size_t from, unsigned rows, unsigned columns, int *nr)
{
	const char *end = terminal.text + terminal.size, *at = terminal.text + from;
	unsigned row = 0, column = 0;
	int nr_frames = 0;
	bool fit = true;

	while (at < end) {
		if (*at == '\033') {
			/* ESC [ digits ? and a letter. */
			const char *letter = at + 1;

			while (letter < end &&
			       !((*letter | 0x20) >= 'a' && (*letter | 0x20) <= 'z'))
				letter++;
			if (letter < end && *letter == 'H') {
				row = column = 0;
				nr_frames++;
			}
			at = letter + 1;
			continue;
		}
		if (*at == '\n')
			row++;
		column = *at == '\r' || *at == '\n' ? 0 : column + 1;
		fit = fit && (nr_frames == 0 || (row < rows && column <= columns));
		at++;
	}
	*nr = nr_frames;
	return fit;
}

/* After a change of size: a frame that fits comes in the end, and no other after it. */
static void expect_frames(unsigned rows, unsigned columns)
{
	int nr_frames = 0, nr_fitting = 0;

	for (int i = 0; i < 50 && nr_fitting < 2; i++) {
		size_t from = terminal.size;

		CU_ASSERT_FATAL(wait_for("\033[J", from));
		/* The signal may come while a frame of the old size is drawn. */
		if (frames_fit(from, rows, columns, &nr_frames))
			nr_fitting += nr_frames > 0;
		else
			CU_ASSERT_EQUAL(nr_fitting, 0);
	}
	CU_ASSERT_EQUAL(nr_fitting, 2);
}

static void test_quit(void)
{
	pid_t target = start_target();
	int nr_frames;

	open_terminal(target, 24, 80);
	CU_ASSERT(wait_for(ENTER, 0));
	CU_ASSERT(wait_for("acquires/s", 0));
	/* A second look has rates. */
	CU_ASSERT(wait_for("           0\033[K", 0));
	CU_ASSERT(frames_fit(0, 24, 80, &nr_frames));
	CU_ASSERT(nr_frames >= 2);
	type("q");
	expect_end(0);
	stop_target(target);
}

static void test_resize(void)
{
	pid_t target = start_target();
	size_t from;

	open_terminal(target, 40, 132);
	CU_ASSERT(wait_for("acquires/s", 0));
	resize(10, 20);
	expect_frames(10, 20);
	CU_ASSERT(wait_for("pool @", terminal.size));
	/* What does not fit is moved to, however many nodes there are. */
	from = terminal.size;
	for (int i = 0; i < 200; i++)
		type(i % 2 ? "j" : "\033[B");
	CU_ASSERT(wait_for("scratch", from));
	from = terminal.size;
	for (int i = 0; i < 200; i++)
		type(i % 2 ? "k" : "\033[A");
	CU_ASSERT(wait_for("node ", from));
	resize(1, 1);
	expect_frames(1, 1);
	type("q");
	expect_end(0);
	stop_target(target);
}

static void test_signals(void)
{
	pid_t target = start_target();
	size_t from;

	open_terminal(target, 24, 80);
	CU_ASSERT(wait_for("scratch", 0));
	type("\003");
	expect_end(130);
	open_terminal(target, 24, 80);
	CU_ASSERT(wait_for("scratch", 0));
	/* Nobody could let it go on here, so the kernel does not stop it: it leaves and comes back. */
	type("\032");
	CU_ASSERT(wait_for(LEAVE, 0));
	from = terminal.size;
	CU_ASSERT(wait_for("scratch", from));
	type("q");
	expect_end(0);
	stop_target(target);
}

/* What it watches ends. */
static void test_target_ends(void)
{
	pid_t target = start_target();

	open_terminal(target, 24, 80);
	CU_ASSERT(wait_for("scratch", 0));
	stop_target(target);
	CU_ASSERT(wait_for("has ended", 0));
	expect_end(0);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"once", test_once},
		{"a list", test_list},
		{"bad input", test_bad_input},
		{"output fails", test_output_fails},
		{"q", test_quit},
		{"resize", test_resize},
		{"Ctrl-C and Ctrl-Z", test_signals},
		{"the process ends", test_target_ends},
		CU_TEST_INFO_NULL,
	};

	check_lock();
	topology = check_topology();
	home = hnuma_current_node(topology);
	return check_main("top_command", tests);
}
