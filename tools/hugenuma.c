/* SPDX-License-Identifier: MIT */
/*
 * tools/hugenuma.c - the command `hugenuma`: finds the subcommand and runs it. Calls <hugenuma.h>
 * and libc.
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <hugenuma.h>

#include "tools/command.h"

struct subcommand {
	const char *name;
	int (*main)(int argc, char **argv);
	const char *summary;
};

static const struct subcommand subcommands[] = {
	{"replay", replay_main, "run an inference server's memory traffic, and prove where it lay"},
	{"topology", topology_main, "show nodes, memory, CPUs, distances, huge pages, limits"},
	{"plan", plan_main, "what a configuration needs, and what makes it fit"},
	{"verify", verify_main, "where every page of a process's regions lies"},
	{"map", map_main, "the machine with a process's regions on their nodes"},
	{"top", top_main, "watch what a running process has, live"},
};

#define NR_SUBCOMMANDS (sizeof(subcommands) / sizeof(subcommands[0]))

static void print_help(FILE *stream)
{
	size_t i;

	fprintf(stream, "Usage: hugenuma COMMAND [OPTION]...\n"
			"Memory in huge pages that provably lies on the right NUMA node.\n\n"
			"Commands:\n");
	for (i = 0; i < NR_SUBCOMMANDS; i++)
		fprintf(stream, "  %-10s %s\n", subcommands[i].name, subcommands[i].summary);
	fprintf(stream, "\n"
			"  hugenuma COMMAND --help tells more about one of them.\n\n"
			"Options:\n"
			"  --help     print this and exit\n"
			"  --version  print the version and exit\n\n"
			"Manual: man hugenuma (the command), man 7 hugenuma (the library)\n");
}

/* As cli_finish(), of no subcommand. */
static int finish(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return COMMAND_OK;
	fprintf(stderr, "hugenuma: cannot write: %s\n", strerror(errno));
	return COMMAND_BAD_INPUT;
}

static int print_version(void)
{
	printf("hugenuma %s\n", PACKAGE_VERSION);
	if (strcmp(PACKAGE_VERSION, hnuma_version()) != 0)
		printf("with the library of version %s\n", hnuma_version());
	return finish();
}

int main(int argc, char **argv)
{
	size_t i;

	/* A reader that has gone is told of in a sentence and by the exit code, not by a signal. */
	signal(SIGPIPE, SIG_IGN);
	if (argc < 2) {
		print_help(stderr);
		return COMMAND_BAD_INPUT;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		print_help(stdout);
		return finish();
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
		return print_version();
	for (i = 0; i < NR_SUBCOMMANDS; i++)
		if (strcmp(argv[1], subcommands[i].name) == 0)
			return subcommands[i].main(argc - 1, argv + 1);
	fprintf(stderr, "hugenuma: \"%s\" is no command: hugenuma --help lists them\n", argv[1]);
	return COMMAND_BAD_INPUT;
}
