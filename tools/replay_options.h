/* SPDX-License-Identifier: MIT */
/*
 * tools/replay_options.h - the command line of `hugenuma replay`.
 */
#ifndef HUGENUMA_TOOLS_REPLAY_OPTIONS_H
#define HUGENUMA_TOOLS_REPLAY_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include <hugenuma.h>

#include "tools/model.h"

struct replay_options {
	const char *trace; /* NULL: requests are made up */
	const struct model *model;
	uint64_t nr_requests; /* 0: all of the trace */
	uint64_t seed;
	bool is_malloc;
	bool fill;
	bool json;
	bool quiet;
	bool strict;
	bool relaxed;
	unsigned nr_workers; /* 0: one for each CPU */
	unsigned batch;
	uint64_t pool_bytes; /* per node; 0: to be worked out */
	enum hnuma_backing least_backing;
};

/* Read the command line. Returns -1 to go on, or an exit code: helped, or complained. */
int replay_options_read(struct replay_options *options, int argc, char **argv);

#endif
