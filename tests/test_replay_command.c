/* SPDX-License-Identifier: MIT */
/*
 * tests/test_replay_command.c - the command `hugenuma` and its `replay` as a user runs them:
 * options, bad input, malloc, Ctrl-C, a full disk. What it does with huge pages is in
 * test_replay_pages.c.
 */
#include "config.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include <hugenuma.h>

#include "tests/check.h"
#include "tests/run_command.h"

static void test_help(void)
{
	const char *at;
	unsigned lines = 0;

	command_run("--version");
	command_expect(command_outcome.code == 0, "exit 0");
	command_expect(strncmp(command_outcome.out, "hugenuma " PACKAGE_VERSION "\n",
			       strlen("hugenuma " PACKAGE_VERSION "\n")) == 0,
		       "the version");
	command_run("--help");
	command_expect(command_outcome.code == 0 && strstr(command_outcome.out, "replay") &&
			       !*command_outcome.err,
		       "help");
	command_run("replay --help");
	command_expect(command_outcome.code == 0 && strstr(command_outcome.out, "--trace FILE") &&
			       !*command_outcome.err,
		       "help");
	/* It fits a screen. */
	for (at = command_outcome.out; *at; at = strchr(at, '\n') + 1, lines++)
		command_expect(strcspn(at, "\n") <= 80, "80 columns");
	command_expect(lines <= 24, "24 lines");
	command_run("%s", "");
	command_expect(command_outcome.code == 2 && strstr(command_outcome.err, "Usage:") &&
			       !*command_outcome.out,
		       "usage");
	command_run("rplay");
	command_complains(2, "\"rplay\" is no command");
	command_run("''");
	command_complains(2, "\"\" is no command");
}

static void test_bad_options(void)
{
	static const char *const cases[][2] = {
		{"--no-such-thing", "there is no option --no-such-thing"},
		{"-x", "there is no option -x"},
		{"trace.csv", "\"trace.csv\" is no option"},
		{"--trace", "--trace wants a value"},
		{"--model gpt-9", "\"gpt-9\" is no model"},
		{"--requests 0", "--requests is \"0\""},
		{"--requests -5", "--requests is \"-5\""},
		{"--requests 1e9", "--requests is \"1e9\""},
		{"--requests ''", "--requests is \"\""},
		{"--requests 1000000000", "from 1 to 100,000,000"},
		{"--seed x", "--seed is \"x\""},
		{"--seed 1 --trace f", "--seed is for requests that are made up"},
		{"--memory tcmalloc", "--memory is \"tcmalloc\""},
		{"--workers 0", "--workers is \"0\""},
		{"--workers 5000", "from 1 to 4,096"},
		{"--batch 0", "--batch is \"0\""},
		{"--pool much", "--pool is \"much\""},
		{"--pool 0", "--pool is \"0\""},
		{"--pool -1G", "--pool is \"-1G\""},
		{"--pool 99999999999T", "no size that memory can have"},
		{"--pool 2000000T", "--pool: "},
		{"--backing gold", "--backing is \"gold\""},
		{"--backing thp --memory malloc", "--backing is for --memory hugenuma"},
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		command_run("replay %s", cases[i][0]);
		command_complains(2, cases[i][1]);
	}
}

static void test_bad_trace(void)
{
	const char *path;
	char words[128];
	FILE *file;

	command_run("replay --trace /no/such/file");
	command_complains(2, "cannot open /no/such/file: No such file or directory");
	command_run("replay --trace /");
	command_complains(2, "cannot read /: Is a directory");
	command_run("replay --trace -");
	command_complains(2, "standard input:1:1: the file is empty");
	command_run("replay --trace /bin/sh");
	command_complains(2, "/bin/sh:1:1: byte 0x7f is not text");
	path = command_trace(3, 100, 1000000000);
	command_run("replay --trace %s", path);
	snprintf(words, sizeof(words), "%s:2:33: GeneratedTokens is \"1000000000\"", path);
	command_complains(2, words);
	unlink(path);
	path = command_trace(3, 100, 10);
	file = fopen(path, "a");
	fprintf(file, "2023-11-16 18:17:03.9799600,4");
	fclose(file);
	command_run("replay --trace %s", path);
	snprintf(words, sizeof(words), "%s:5:30: the line ends in column 2", path);
	command_complains(2, words);
	unlink(path);
}

/* The message says how much is needed, and that much is enough. */
static void test_small_pool(void)
{
	const char *path = command_trace(5, 1600, 10);
	const char *advice;

	command_run("replay --trace %s --pool 2M --quiet", path);
	command_complains(2, "is too small for request 1 (line 2 of the trace)");
	advice = strstr(command_outcome.err, "--pool ");
	CU_ASSERT_PTR_NOT_NULL_FATAL(advice);
	command_run("replay --trace %s --quiet --json --pool %lu", path,
		    strtoul(advice + strlen("--pool "), NULL, 10) << 20);
	command_expect(command_outcome.code == 0, "enough");
	unlink(path);
}

static void test_text(void)
{
	const char *path = command_trace(10, 100, 20);

	command_run("replay --trace %s --workers 1", path);
	command_expect(command_outcome.code == 0 && *command_outcome.err == '\0',
		       "exit 0, no progress in a file");
	command_expect(strstr(command_outcome.out, "10 of 10 in") != NULL, "requests");
	command_expect(strstr(command_outcome.out, "1,000 read, 200 generated") != NULL, "tokens");
	command_expect(strstr(command_outcome.out, "p99.9") != NULL, "percentiles");
	command_expect(strstr(command_outcome.out, "elsewhere") != NULL, "placement");
	command_expect(strstr(command_outcome.out, "All as promised:") != NULL, "the verdict");
	unlink(path);
}

static void test_malloc(void)
{
	const char *path = command_trace(20, 200, 20);
	json_t *root;

	command_run("replay --trace %s --batch 2 --memory malloc --json", path);
	root = command_report();
	command_has_verdict(root, "as promised", 0);
	command_expect(command_number(root, "run", "requests") == 20, "all requests");
	command_expect(json_array_size(json_object_get(root, "placement")) == 0, "no placement");
	command_expect(
		json_is_null(json_object_get(
			json_array_get(json_object_get(root, "pool"), HNUMA_CLASS_16K), "hits")),
		"hits are not known");
	json_decref(root);
}

/* More workers than CPUs: they share, and all have scratch. */
static void test_many_workers(void)
{
	const char *path = command_trace(60, 50, 20);
	json_t *root;

	command_run("replay --trace %s --workers 9 --batch 1 --json", path);
	root = command_report();
	command_has_verdict(root, "as promised", 0);
	command_expect(command_number(root, "run", "requests") == 60, "all requests");
	json_decref(root);
	unlink(path);
}

/* Has the command started its workers? They have names of their own. */
static bool has_workers(pid_t child)
{
	char path[64], name[300];
	struct dirent *entry;
	bool is_there = false;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)child);
	tasks = opendir(path);
	while (tasks && !is_there && (entry = readdir(tasks))) {
		snprintf(name, sizeof(name), "%s/%.200s/comm", path, entry->d_name);
		is_there = strncmp(check_read_file(name), "replay-", 7) == 0;
	}
	if (tasks)
		closedir(tasks);
	return is_there;
}

/* Ctrl-C after some seconds of work. Returns whether something was done by then. */
static bool interrupt_after(unsigned seconds)
{
	const struct timespec pause = {0, 20000000}, while_it_runs = {seconds, 0};
	const char *path = command_trace(100000, 16, 2000);
	int out = command_output(), err = command_output();
	bool has_begun;
	char line[128];
	json_t *root;
	pid_t child;
	unsigned i;

	snprintf(line, sizeof(line), "replay --trace %s --workers 2 --batch 1 --json", path);
	child = command_start(line, out, err);
	for (i = 0; i < 3000 && !has_workers(child); i++)
		nanosleep(&pause, NULL);
	nanosleep(&while_it_runs, NULL);
	CU_ASSERT_EQUAL(kill(child, SIGINT), 0);
	command_finish(child, out, err);
	root = command_report();
	command_has_verdict(root, "stopped", 128 + SIGINT);
	has_begun = command_number(root, "run", "generated_tokens") > 0;
	command_expect(command_number(root, "run", "requests") < 100000, "not everything");
	command_is_placed(root, NULL);
	json_decref(root);
	unlink(path);
	return has_begun;
}

/* The end comes soon, and the report of what was done. A busy machine may need more than a second for that. */
static void test_interrupt(void)
{
	unsigned seconds = 1;

	while (!interrupt_after(seconds) && seconds < 32)
		seconds *= 2;
	CU_ASSERT(seconds < 32);
}

static void test_full_disk(void)
{
	const char *path = command_trace(2, 10, 10);
	int full = open("/dev/full", O_WRONLY), err = command_output();
	char line[128];

	CU_ASSERT_FATAL(full >= 0);
	snprintf(line, sizeof(line), "replay --trace %s --memory malloc", path);
	command_finish(command_start(line, full, err), full, err);
	command_complains(2, "cannot write the report: No space left on device");
	full = open("/dev/full", O_WRONLY);
	err = command_output();
	snprintf(line, sizeof(line), "replay --trace %s --memory malloc --json", path);
	command_finish(command_start(line, full, err), full, err);
	command_complains(2, "cannot write the report");
	unlink(path);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"help and version", test_help},
		{"bad options", test_bad_options},
		{"bad traces", test_bad_trace},
		{"a pool that is too small", test_small_pool},
		{"the report as text", test_text},
		{"malloc", test_malloc},
		{"more workers than CPUs", test_many_workers},
		{"Ctrl-C", test_interrupt},
		{"a full disk", test_full_disk},
		CU_TEST_INFO_NULL,
	};

	return check_main("test_replay_command", tests);
}
