/* SPDX-License-Identifier: MIT */
/*
 * tools/plan.h - `hugenuma plan`: what its parts share.
 *
 *	plan_options.c  the command line
 *	plan_size.c     from a model and its traffic to sizes
 *	plan_advice.c   the commands that make it fit
 *	plan.c          the subcommand, and its report
 */
#ifndef HUGENUMA_TOOLS_PLAN_H
#define HUGENUMA_TOOLS_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include <hugenuma.h>

#include "tools/model.h"

struct plan_options {
	const struct model *model; /* NULL: sizes only */
	uint64_t batch;		   /* sequences in one step of a node */
	uint64_t context;	   /* tokens of a request, answer included */
	uint64_t requests;	   /* that hold blocks of a node at the same time */
	const char *trace;	   /* instead of context; or NULL */
	double percentile;
	uint64_t arena_bytes, pool_bytes, scratch_bytes; /* 0: not named */
	uint64_t spaces;				 /* 0: one for each CPU */
	uint64_t ranks; /* processes that each take all this, on the same nodes */
	bool has_nodes;
	struct hnuma_nodeset nodes;
	const char *topology; /* NULL: this machine */
	bool json;
};

/* Read the command line. Returns -1 to go on, or an exit code: helped, or complained. */
int plan_options_read(struct plan_options *options, int argc, char **argv);

/* Work out the configuration. Returns 0, or an exit code with the reason printed. */
int plan_size_work_out(struct hnuma_config *config, const struct plan_options *options);

/* What makes a plan fit. Lines without newlines; all strings are freed by plan_advice_free(). */
struct plan_advice {
	char **lines; /* at run time, in a root shell */
	unsigned nr_lines;
	char *boot;	      /* parameters of the kernel, or NULL */
	uint64_t total_pages; /* of all nodes together */
	bool is_possible;     /* false: a node has too little memory, whatever is set */
};

/* Does a node have too little memory for what it needs? */
bool plan_is_too_large(const struct hnuma_topology *topology, const struct hnuma_plan_node *node);

/* Returns 0, or an exit code with the reason printed. */
int plan_advice_collect(struct plan_advice *advice, const struct hnuma_topology *topology,
			const struct hnuma_plan *plan);
void plan_advice_print(const struct plan_advice *advice, bool fits);
void plan_advice_json(const struct plan_advice *advice, json_t *root);
void plan_advice_free(struct plan_advice *advice);

#endif
