/* SPDX-License-Identifier: MIT */
/*
 * bench/options.c - see options.h. Calls libc.
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/options.h"
#include "bench/plan.h"
#include "bench/timed.h"

#define MEGABYTE     ((size_t)1024 * 1024)
#define ROUNDS_MOST  1000
#define MEMORY_LEAST 4 /* megabytes */
#define MEMORY_MOST  1048576

struct settings settings = {
	.rounds = 7,
	.layouts = 4,
	.slices = 3,
	.slice_ns = 1e6,
	.memory_bytes = 1024 * MEGABYTE,
	.populate_bytes = 1024 * MEGABYTE,
	.replay_rounds = 3,
	.replay_requests = 24,
};

enum {
	OPTION_CASE = 256,
	OPTION_ROUNDS,
	OPTION_LAYOUTS,
	OPTION_MEMORY,
	OPTION_QUICK,
	OPTION_QUIET,
	OPTION_JSON,
	OPTION_RANGE,
	OPTION_LIST,
	OPTION_TOOL,
	OPTION_MODULES,
	OPTION_NO_PEERS,
	OPTION_HELP,
};

static const struct option long_options[] = {
	{"case", required_argument, NULL, OPTION_CASE},
	{"rounds", required_argument, NULL, OPTION_ROUNDS},
	{"layouts", required_argument, NULL, OPTION_LAYOUTS},
	{"memory", required_argument, NULL, OPTION_MEMORY},
	{"quick", no_argument, NULL, OPTION_QUICK},
	{"quiet", no_argument, NULL, OPTION_QUIET},
	{"json", required_argument, NULL, OPTION_JSON},
	{"range", no_argument, NULL, OPTION_RANGE},
	{"list", no_argument, NULL, OPTION_LIST},
	{"tool", required_argument, NULL, OPTION_TOOL},
	{"modules", required_argument, NULL, OPTION_MODULES},
	{"no-peers", no_argument, NULL, OPTION_NO_PEERS},
	{"help", no_argument, NULL, OPTION_HELP},
	{NULL, 0, NULL, 0},
};

static void print_help(void)
{
	printf("Usage: bench [OPTION]...\n"
	       "Measure hugenuma, what a program could use instead, and the machine's limits, in "
	       "one run.\n\n"
	       "  --case LIST      only cases whose names begin so: pool,arena/256 B; see --list\n"
	       "  --list           name the cases and exit\n"
	       "  --rounds N       each case so many times (default 7)\n"
	       "  --layouts N      places of the caller's array and stack, 1 to %d (default 4)\n"
	       "  --memory MB      of each region that is read at random (default 1024)\n"
	       "  --quick          everything once and briefly: shows that it works, measures "
	       "nothing\n"
	       "  --json FILE      also write all of it as JSON; - is standard output, without "
	       "tables\n"
	       "  --range          tables with least and most\n"
	       "  --quiet          show no progress\n"
	       "  --no-peers       hugenuma and the limits only\n"
	       "  --tool FILE      the command hugenuma, for the replay\n"
	       "  --modules DIR    where the peers' modules are\n\n"
	       "Exit: 0; 1 something cannot be had; 2 wrong option. Targets that are not reached "
	       "are\n"
	       "no failure. `make bench` lends huge pages first; see bench/README.md.\n",
	       LAYOUTS_MAX);
}

static int read_number(const char *name, const char *text, unsigned long least, unsigned long most,
		       unsigned long *number)
{
	char *end;

	errno = 0;
	*number = strtoul(text, &end, 10);
	if (!errno && *text >= '0' && *text <= '9' && !*end && *number >= least && *number <= most)
		return 0;
	fprintf(stderr, "bench: --%s is \"%s\": a whole number from %lu to %lu was expected\n",
		name, text, least, most);
	return 2;
}

static void be_quick(void)
{
	settings.is_quick = true;
	settings.layouts = 1;
	settings.slices = 1;
	settings.slice_ns = 2e4;
	settings.memory_bytes = 16 * MEGABYTE;
	settings.populate_bytes = 8 * MEGABYTE;
	settings.replay_rounds = 1;
	settings.replay_requests = 2;
}

/* One that takes a number. */
static int read_size(int option, unsigned long *number)
{
	int error;

	switch (option) {
	case OPTION_ROUNDS:
		error = read_number("rounds", optarg, 1, ROUNDS_MOST, number);
		settings.rounds = (unsigned)*number;
		return error;
	case OPTION_LAYOUTS:
		error = read_number("layouts", optarg, 1, LAYOUTS_MAX, number);
		settings.layouts = (unsigned)*number;
		return error;
	default:
		error = read_number("memory", optarg, MEMORY_LEAST, MEMORY_MOST, number);
		settings.memory_bytes = *number * MEGABYTE;
		return error;
	}
}

static int read_option(struct options *options, int option)
{
	unsigned long number;

	switch (option) {
	case OPTION_CASE:
		settings.cases = optarg;
		return 0;
	case OPTION_QUICK:
		be_quick();
		return 0;
	case OPTION_QUIET:
		settings.is_quiet = true;
		return 0;
	case OPTION_JSON:
		options->json = optarg;
		return 0;
	case OPTION_RANGE:
		options->with_range = true;
		return 0;
	case OPTION_LIST:
		settings.is_list = true;
		return 0;
	case OPTION_TOOL:
		options->tool = optarg;
		return 0;
	case OPTION_MODULES:
		options->modules = optarg;
		return 0;
	case OPTION_NO_PEERS:
		options->with_peers = false;
		return 0;
	case OPTION_HELP:
		print_help();
		return 1;
	case '?':
		fprintf(stderr, "bench: see bench --help\n");
		return 2;
	default:
		return read_size(option, &number);
	}
}

int options_read(struct options *options, int argc, char **argv)
{
	int option, result = 0;

	*options = (struct options){.with_peers = true};
	while (!result && (option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		result = read_option(options, option);
	if (!result && optind < argc) {
		fprintf(stderr, "bench: \"%s\" was not expected; see bench --help\n", argv[optind]);
		return 2;
	}
	return result;
}
