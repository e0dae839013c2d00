/* SPDX-License-Identifier: MIT */
/*
 * tools/replay_options.c - the command line of `hugenuma replay`. Calls <hugenuma.h> and libc.
 */
#include "config.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "tools/cli.h"
#include "tools/replay_options.h"
#include "tools/trace.h"

#define COMMAND		 "replay"
#define DEFAULT_REQUESTS 1000
#define DEFAULT_MODEL	 "tinyllama-1.1b"
#define DEFAULT_BATCH	 16
#define MOST_WORKERS	 4096
#define MOST_BATCH	 4096

enum {
	OPTION_TRACE = 256,
	OPTION_MODEL,
	OPTION_REQUESTS,
	OPTION_SEED,
	OPTION_MEMORY,
	OPTION_FILL,
	OPTION_JSON,
	OPTION_QUIET,
	OPTION_STRICT,
	OPTION_RELAXED,
	OPTION_WORKERS,
	OPTION_BATCH,
	OPTION_POOL,
	OPTION_BACKING,
	OPTION_HELP,
};

static const struct option long_options[] = {
	{"trace", required_argument, NULL, OPTION_TRACE},
	{"model", required_argument, NULL, OPTION_MODEL},
	{"requests", required_argument, NULL, OPTION_REQUESTS},
	{"seed", required_argument, NULL, OPTION_SEED},
	{"memory", required_argument, NULL, OPTION_MEMORY},
	{"fill", no_argument, NULL, OPTION_FILL},
	{"json", no_argument, NULL, OPTION_JSON},
	{"quiet", no_argument, NULL, OPTION_QUIET},
	{"strict", no_argument, NULL, OPTION_STRICT},
	{"relaxed", no_argument, NULL, OPTION_RELAXED},
	{"workers", required_argument, NULL, OPTION_WORKERS},
	{"batch", required_argument, NULL, OPTION_BATCH},
	{"pool", required_argument, NULL, OPTION_POOL},
	{"backing", required_argument, NULL, OPTION_BACKING},
	{"help", no_argument, NULL, OPTION_HELP},
	{NULL, 0, NULL, 0},
};

/* The models' names, each behind a blank, in lines behind an indent. */
static void print_models(void)
{
	const int columns = 62;
	const struct model *model;
	int column = 0;
	unsigned i;

	for (i = 0; (model = model_at(i)); i++) {
		if (column + (int)strlen(model->name) >= columns) {
			printf("\n%18s", "");
			column = 0;
		}
		column += printf(" %s", model->name);
	}
}

/* It fits a screen of 24 lines of 80 columns. */
static void print_help(void)
{
	printf("Usage: hugenuma replay [OPTION]...\n"
	       "Run an inference server's memory traffic at full speed; check that no memory\n"
	       "ever had two owners, and that every page lies on the node it was asked for.\n\n"
	       "  --trace FILE     requests as CSV: " TRACE_HEADER ";\n"
	       "                   - is standard input; without it requests are made up\n"
	       "  --requests N     so many of them (default: all, or %d made up)\n"
	       "  --seed N         of those made up (default 1)\n"
	       "  --model NAME     " DEFAULT_MODEL " by default; there are\n"
	       "                  ",
	       DEFAULT_REQUESTS);
	print_models();
	printf("\n"
	       "  --memory WHICH   hugenuma (default), or malloc to compare with\n"
	       "  --workers N      pinned threads (default: one for each CPU)\n"
	       "  --batch N        requests that a worker runs at a time (default %d)\n"
	       "  --pool SIZE      for blocks on each node, such as 512M or 4G\n"
	       "  --backing LEAST  hugetlb, thp or base (default): fail rather than take less\n"
	       "  --relaxed        go on unbound where the kernel refuses to bind memory\n"
	       "  --fill           write every byte, not a cache line per token and layer\n"
	       "  --strict         page faults and unknown pages fail without hugetlb, too\n"
	       "  --json, --quiet  report for programs; no progress on the terminal\n\n"
	       "Exit: 0 all as promised; 1 a check failed; 2 bad option or trace; 130 Ctrl-C.\n",
	       DEFAULT_BATCH);
}

static int read_small(const char *name, const char *text, unsigned most, unsigned *count)
{
	int result;
	uint64_t value = 0;

	result = cli_read_count(COMMAND, name, text, 1, most, &value);
	*count = (unsigned)value;
	return result;
}

static int read_memory(struct replay_options *options, const char *name)
{
	options->is_malloc = strcmp(name, "malloc") == 0;
	if (options->is_malloc || strcmp(name, "hugenuma") == 0)
		return 0;
	return cli_complain(COMMAND, COMMAND_BAD_INPUT,
			    "--memory is \"%s\": hugenuma or malloc was expected", name);
}

static int read_option(struct replay_options *options, int option, char **argv)
{
	switch (option) {
	case OPTION_TRACE:
		options->trace = optarg;
		return 0;
	case OPTION_MODEL:
		return cli_read_model(COMMAND, optarg, &options->model);
	case OPTION_REQUESTS:
		return cli_read_count(COMMAND, "requests", optarg, 1, TRACE_MAX_REQUESTS,
				      &options->nr_requests);
	case OPTION_SEED:
		return cli_read_count(COMMAND, "seed", optarg, 0, INT64_MAX, &options->seed);
	case OPTION_MEMORY:
		return read_memory(options, optarg);
	case OPTION_WORKERS:
		return read_small("workers", optarg, MOST_WORKERS, &options->nr_workers);
	case OPTION_BATCH:
		return read_small("batch", optarg, MOST_BATCH, &options->batch);
	case OPTION_POOL:
		return cli_read_size(COMMAND, "pool", optarg, &options->pool_bytes);
	case OPTION_BACKING:
		return cli_read_backing(COMMAND, optarg, &options->least_backing);
	case OPTION_FILL:
		options->fill = true;
		return 0;
	case OPTION_JSON:
		options->json = true;
		return 0;
	case OPTION_QUIET:
		options->quiet = true;
		return 0;
	case OPTION_STRICT:
		options->strict = true;
		return 0;
	case OPTION_RELAXED:
		options->relaxed = true;
		return 0;
	default:
		return cli_bad_option(COMMAND, option, argv);
	}
}

int replay_options_read(struct replay_options *options, int argc, char **argv)
{
	int option, error;

	*options = (struct replay_options){
		.model = model_find(DEFAULT_MODEL),
		.seed = UINT64_MAX,
		.batch = DEFAULT_BATCH,
		.least_backing = HNUMA_BACKING_BASE,
	};
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
		if (option == OPTION_HELP) {
			print_help();
			return cli_finish(COMMAND, COMMAND_OK);
		}
		error = read_option(options, option, argv);
		if (error)
			return error;
	}
	if (optind < argc)
		return cli_complain(COMMAND, COMMAND_BAD_INPUT,
				    "\"%s\" is no option; a trace is named with --trace",
				    argv[optind]);
	if (options->trace && options->seed != UINT64_MAX)
		return cli_complain(
			COMMAND, COMMAND_BAD_INPUT,
			"--seed is for requests that are made up, and --trace names a file");
	if (options->is_malloc && options->least_backing != HNUMA_BACKING_BASE)
		return cli_complain(
			COMMAND, COMMAND_BAD_INPUT,
			"--backing is for --memory hugenuma: malloc takes what it gets");
	if (options->seed == UINT64_MAX)
		options->seed = 1;
	if (!options->trace && options->nr_requests == 0)
		options->nr_requests = DEFAULT_REQUESTS;
	return -1;
}
