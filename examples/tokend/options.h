/* SPDX-License-Identifier: MIT */
/*
 * options.h - the command line.
 */
#ifndef TOKEND_OPTIONS_H
#define TOKEND_OPTIONS_H

#include <hugenuma.h>
#include <stdbool.h>
#include <stdint.h>

#include "memory.h"

struct options {
	const char *address;
	unsigned port; /* 0: any */
	int cpus[MOST_WORKERS];
	unsigned nr_cpus;
	const char *weights, *tokenizer; /* NULL: the seeded model; bytes */
	uint64_t seed;
	unsigned context; /* 0: the model's */
	const struct memory_ops *memory;
	enum hnuma_backing least_backing;
	bool is_relaxed;
	unsigned running, queued; /* requests of a worker at the most */
	unsigned kv_tokens;	  /* that a worker has keys and values for; 0: chosen */
	unsigned speculation;
	unsigned idle_seconds, drain_seconds;
};

/*
 * Read the command line. Returns -1 to go on, or the code to end with: 0 after --help, 2 after one
 * line about what is wrong.
 */
int options_read(struct options *options, int argc, char **argv);

#endif
