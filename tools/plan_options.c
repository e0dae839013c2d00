/* SPDX-License-Identifier: MIT */
/*
 * tools/plan_options.c - the command line of `hugenuma plan`. Calls libc only.
 */
#include "config.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cli.h"
#include "tools/plan.h"
#include "tools/trace.h"

#define COMMAND		   "plan"
#define DEFAULT_MODEL	   "tinyllama-1.1b"
#define DEFAULT_BATCH	   16
#define DEFAULT_CONTEXT	   2048
#define DEFAULT_PERCENTILE 99.0
#define MOST_BATCH	   65536
#define MOST_REQUESTS	   1000000
#define MOST_SPACES	   65536
#define MOST_RANKS	   65536

enum { OPTION_ARENA = 256, OPTION_POOL, OPTION_SCRATCH, OPTION_SPACES, OPTION_RANKS };

static const struct option long_options[] = {
	{"model", required_argument, NULL, 'm'},
	{"batch", required_argument, NULL, 'b'},
	{"context", required_argument, NULL, 'c'},
	{"requests", required_argument, NULL, 'r'},
	{"trace", required_argument, NULL, 't'},
	{"percentile", required_argument, NULL, 'p'},
	{"arena", required_argument, NULL, OPTION_ARENA},
	{"pool", required_argument, NULL, OPTION_POOL},
	{"scratch", required_argument, NULL, OPTION_SCRATCH},
	{"spaces", required_argument, NULL, OPTION_SPACES},
	{"ranks", required_argument, NULL, OPTION_RANKS},
	{"nodes", required_argument, NULL, 'n'},
	{"topology", required_argument, NULL, 'T'},
	{"json", no_argument, NULL, 'j'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

/* It fits a screen of 24 lines of 80 columns. */
static void print_help(void)
{
	puts("Usage: hugenuma plan [OPTION]...\n"
	     "What each node needs, has and lacks, and what makes it fit. Sizes are a node's.\n\n"
	     "  -m, --model NAME     of those that hugenuma replay --help lists\n"
	     "  -b, --batch N        sequences in a step (default 16)\n"
	     "  -c, --context N      tokens of a request, answer included (default 2048)\n"
	     "  -r, --requests N     that hold blocks at the same time (default: the batch)\n"
	     "  -t, --trace FILE     the tokens of real requests, instead of --context\n"
	     "  -p, --percentile P   of what so many requests in a row need (default 99)\n"
	     "      --arena SIZE, --pool SIZE, --scratch SIZE, --spaces N\n"
	     "                       the sizes themselves, such as 64M and 4GiB; spaces: of\n"
	     "                       scratch, in all (default: one for each CPU)\n"
	     "      --ranks N        processes that each take all this (default 1)\n"
	     "  -n, --nodes LIST     these only, such as 0,2-3\n"
	     "  -T, --topology WHAT  for another machine: a file in hwloc's XML, a directory\n"
	     "                       with its /sys, or words such as \"pack:2 numa:1 pu:8\"\n"
	     "  -j, --json           report for programs\n"
	     "  -h, --help           print this and exit\n\n"
	     "Exit: 0 it fits; 1 it does not; 2 bad option, trace or topology.");
}

static int read_percentile(const char *text, double *percentile)
{
	char *end = NULL;

	*percentile = *text >= '0' && *text <= '9' ? strtod(text, &end) : 0;
	if (end && *end == '\0' && strspn(text, "0123456789.") == strlen(text) && *percentile > 0 &&
	    *percentile <= 100)
		return 0;
	return cli_complain(COMMAND, COMMAND_BAD_INPUT,
			    "--percentile is \"%s\": a number above 0, 100 at most, was expected",
			    text);
}

static int read_option(struct plan_options *options, int option, char **argv)
{
	switch (option) {
	case 'm':
		return cli_read_model(COMMAND, optarg, &options->model);
	case 'b':
		return cli_read_count(COMMAND, "batch", optarg, 1, MOST_BATCH, &options->batch);
	case 'c':
		return cli_read_count(COMMAND, "context", optarg, 1, TRACE_MAX_TOKENS,
				      &options->context);
	case 'r':
		return cli_read_count(COMMAND, "requests", optarg, 1, MOST_REQUESTS,
				      &options->requests);
	case 't':
		options->trace = optarg;
		return 0;
	case 'p':
		return read_percentile(optarg, &options->percentile);
	case OPTION_ARENA:
		return cli_read_size(COMMAND, "arena", optarg, &options->arena_bytes);
	case OPTION_POOL:
		return cli_read_size(COMMAND, "pool", optarg, &options->pool_bytes);
	case OPTION_SCRATCH:
		return cli_read_size(COMMAND, "scratch", optarg, &options->scratch_bytes);
	case OPTION_SPACES:
		return cli_read_count(COMMAND, "spaces", optarg, 1, MOST_SPACES, &options->spaces);
	case OPTION_RANKS:
		return cli_read_count(COMMAND, "ranks", optarg, 1, MOST_RANKS, &options->ranks);
	case 'n':
		options->has_nodes = true;
		return cli_read_nodes(COMMAND, optarg, &options->nodes);
	case 'T':
		options->topology = optarg;
		return 0;
	case 'j':
		options->json = true;
		return 0;
	default:
		return cli_bad_option(COMMAND, option, argv);
	}
}

/* Which options go with which, and what stands for those that were left out. */
static int complete(struct plan_options *options)
{
	if (options->trace && options->context)
		return cli_complain(COMMAND, COMMAND_BAD_INPUT,
				    "--context and --trace both tell how long requests are: give "
				    "one of them");
	if (options->percentile > 0 && !options->trace)
		return cli_complain(COMMAND, COMMAND_BAD_INPUT,
				    "--percentile is for requests of a trace: give --trace");
	if (!options->model &&
	    (options->batch || options->context || options->requests || options->trace))
		options->model = model_find(DEFAULT_MODEL);
	if (!options->batch)
		options->batch = DEFAULT_BATCH;
	if (!options->context)
		options->context = DEFAULT_CONTEXT;
	if (!options->requests)
		options->requests = options->batch;
	if (!options->ranks)
		options->ranks = 1;
	if (!(options->percentile > 0))
		options->percentile = DEFAULT_PERCENTILE;
	return -1;
}

int plan_options_read(struct plan_options *options, int argc, char **argv)
{
	int option, error;

	memset(options, 0, sizeof(*options));
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":m:b:c:r:t:p:n:T:jh", long_options, NULL)) !=
	       -1) {
		if (option == 'h') {
			print_help();
			return cli_finish(COMMAND, COMMAND_OK);
		}
		error = read_option(options, option, argv);
		if (error)
			return error;
	}
	if (optind < argc)
		return cli_complain(COMMAND, COMMAND_BAD_INPUT,
				    "\"%s\" is no option; a model is named with --model",
				    argv[optind]);
	return complete(options);
}
