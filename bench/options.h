/* SPDX-License-Identifier: MIT */
/*
 * bench/options.h - the command line of the benchmark.
 */
#ifndef HUGENUMA_BENCH_OPTIONS_H
#define HUGENUMA_BENCH_OPTIONS_H

#include <stdbool.h>

struct options {
	const char *json;    /* file, "-" or NULL */
	const char *tool;    /* the command hugenuma, or NULL: where it was built */
	const char *modules; /* folder of the peers' modules, or NULL: where they were built */
	bool with_peers;
	bool with_range;
};

/* Returns 0; 1 after --help, 2 after telling what is wrong. Sets `settings` as well. */
int options_read(struct options *options, int argc, char **argv);

#endif
