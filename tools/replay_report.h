/* SPDX-License-Identifier: MIT */
/*
 * tools/replay_report.h - what a replay found, judged, for people and for programs.
 */
#ifndef HUGENUMA_TOOLS_REPLAY_REPORT_H
#define HUGENUMA_TOOLS_REPLAY_REPORT_H

#include <stdbool.h>

#include <jansson.h>

#include "tools/replay.h"
#include "tools/replay_options.h"
#include "tools/replay_size.h"
#include "tools/trace.h"

#define REPLAY_REPORT_LINES 16
#define REPLAY_REPORT_TEXT  640

struct replay_report {
	const struct replay_options *options;
	const struct trace *trace;
	const struct replay_size *size;
	const struct replay_result *result;
	size_t blocks_per_node;

	struct memory_class_row *classes;
	unsigned nr_classes;
	struct memory_object_row *objects;
	unsigned nr_objects;

	/* What was not as promised, and what is worth knowing although it is no failure. */
	char problems[REPLAY_REPORT_LINES][REPLAY_REPORT_TEXT];
	unsigned nr_problems;
	char notes[REPLAY_REPORT_LINES][REPLAY_REPORT_TEXT];
	unsigned nr_notes;
};

/*
 * Ask the memory what it says about itself, while it is open, and judge everything. Returns 0,
 * -ENOMEM; the caller frees the report in either case.
 */
int replay_report_collect(struct replay_report *report, const struct memory *memory);

/* Note one more problem. Those above REPLAY_REPORT_LINES are dropped. */
void replay_report_problem(struct replay_report *report, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Write it to standard output. */
void replay_report_print(const struct replay_report *report);

/* The same as a JSON object. NULL without memory. */
json_t *replay_report_json(const struct replay_report *report);

void replay_report_free(struct replay_report *report);

/* Names that both forms use. */
const char *replay_class_name(enum hnuma_class class_index);
extern const char *const replay_kind_names[REPLAY_NR_KINDS];

#endif
