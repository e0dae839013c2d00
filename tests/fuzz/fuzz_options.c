/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/fuzz_options.c - any words as options and values of the command (tools/ *_options.c,
 * units.c, cli.c).
 *
 *	the first line chooses who reads		the others: a word each
 *
 * What was accepted must be in range, and what a plan is asked for must be worked out or refused.
 */
#include "config.h"

#include <getopt.h>

#include "tests/fuzz/fuzz.h"
#include "tools/cli.h"
#include "tools/plan.h"
#include "tools/replay_options.h"
#include "tools/top.h"
#include "tools/units.h"

#define WORDS_MAX 16

static void read_units(const char *text)
{
	char said[UNITS_TEXT];
	uint64_t size, count;

	if (units_read_size(text, &size) == 0) {
		FUZZ_EXPECT(size > 0);
		FUZZ_EXPECT(strlen(units_size(said, size)) < sizeof(said));
		FUZZ_EXPECT(strlen(units_count(said, size)) < sizeof(said));
		FUZZ_EXPECT(strlen(units_time(said, (double)size)) < sizeof(said));
		FUZZ_EXPECT(strlen(units_duration(said, (double)size)) < sizeof(said));
	}
	if (units_read_count(text, 3, 99999, &count) == 0) {
		FUZZ_EXPECT(count >= 3 && count <= 99999);
		snprintf(said, sizeof(said), "%llu", (unsigned long long)count);
		FUZZ_EXPECT(strtoull(text, NULL, 10) == count);
	}
}

static void read_lists(const char *text)
{
	struct hnuma_nodeset nodes = {{0}};
	int pid = 0;

	(void)cli_read_nodes("fuzz", text, &nodes);
	if (cli_read_pid("fuzz", text, &pid) == 0)
		FUZZ_EXPECT(pid > 0);
}

/* To go on, helped, or complained. */
static bool expect_answer(int code)
{
	FUZZ_EXPECT(code == -1 || code == COMMAND_OK || code == COMMAND_BAD_INPUT);
	return code == -1;
}

static void read_plan(int argc, char **argv)
{
	struct plan_options options;
	struct hnuma_config config;
	int code;

	/* A trace would be any file of this machine. */
	if (!expect_answer(plan_options_read(&options, argc, argv)) || options.trace)
		return;
	code = plan_size_work_out(&config, &options);
	FUZZ_EXPECT(code == COMMAND_OK || code == COMMAND_FAILED || code == COMMAND_BAD_INPUT);
}

static void read_replay(int argc, char **argv)
{
	struct replay_options options;

	if (expect_answer(replay_options_read(&options, argc, argv)))
		FUZZ_EXPECT(options.model && options.batch > 0);
}

static void read_top(int argc, char **argv)
{
	struct top_options options;

	if (expect_answer(top_options_read(&options, argc, argv)))
		FUZZ_EXPECT(options.delay_seconds > 0 && options.pid >= 0);
}

/* What the command prints is nobody's; a sanitizer's report goes to the descriptor. */
static void be_quiet(void)
{
	static FILE *nowhere;

	if (nowhere)
		return;
	nowhere = fopen("/dev/null", "w");
	FUZZ_EXPECT(nowhere);
	stdout = nowhere;
	stderr = nowhere;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *argv[WORDS_MAX + 1], *rest = text, *word;
	int argc = 0;

	FUZZ_EXPECT(text);
	be_quiet();
	memcpy(text, data, size);
	text[size] = '\0';
	while (argc < WORDS_MAX && (word = strsep(&rest, "\n")))
		argv[argc++] = word;
	argv[argc] = NULL;
	/* Read anew from the beginning. */
	optind = 0;
	if (strcmp(argv[0], "plan") == 0)
		read_plan(argc, argv);
	else if (strcmp(argv[0], "replay") == 0)
		read_replay(argc, argv);
	else if (strcmp(argv[0], "top") == 0)
		read_top(argc, argv);
	for (int i = 1; i < argc; i++) {
		/* getopt_long() changes the order of the words, and NULLs none. */
		read_units(argv[i]);
		read_lists(argv[i]);
	}
	free(text);
	return 0;
}
