/* SPDX-License-Identifier: MIT */
/*
 * tools/replay_judge.c - collects what a replay's memory says about itself, and judges it. Calls
 * <hugenuma.h> and libc.
 *
 * Always a failure: memory with two owners, a call that was refused, a block that never came
 * back, books that do not add up, a page on another node than it was bound to. On hugetlb pages,
 * or with --strict: also a page of which the kernel would not say where it lies, and a page fault
 * after start-up, see judge_faults(). On lesser pages those two can happen to the best of
 * memories, and are noted.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/prefault.h"
#include "tools/replay_report.h"
#include "tools/units.h"

void replay_report_problem(struct replay_report *report, const char *format, ...)
{
	va_list arguments;

	if (report->nr_problems == REPLAY_REPORT_LINES)
		return;
	va_start(arguments, format);
	vsnprintf(report->problems[report->nr_problems++], REPLAY_REPORT_TEXT, format, arguments);
	va_end(arguments);
}

static __attribute__((format(printf, 2, 3))) void note(struct replay_report *report,
						       const char *format, ...)
{
	va_list arguments;

	if (report->nr_notes == REPLAY_REPORT_LINES)
		return;
	va_start(arguments, format);
	vsnprintf(report->notes[report->nr_notes++], REPLAY_REPORT_TEXT, format, arguments);
	va_end(arguments);
}

static void judge_classes(struct replay_report *report)
{
	char count[UNITS_TEXT];
	unsigned i;

	for (i = 0; i < report->nr_classes; i++) {
		const struct memory_class_row *row = &report->classes[i];

		if (row->stats.in_use > 0)
			replay_report_problem(report, "node %d: %s blocks of %s never came back",
					      row->node, units_count(count, row->stats.in_use),
					      replay_class_name(row->class_index));
	}
}

/* Pages of one object in a place that was not asked for, or in none that is known. */
static void judge_pages(struct replay_report *report, const struct memory_object_row *row,
			uint64_t pages, bool is_promised, const char *where)
{
	char count[UNITS_TEXT];

	if (pages == 0)
		return;
	units_count(count, pages);
	if (is_promised)
		replay_report_problem(report, "node %d: %s pages of the %s lie %s", row->node,
				      count, row->object, where);
	else
		note(report, "node %d: %s pages of the %s lie %s", row->node, count, row->object,
		     where);
}

static void judge_object(struct replay_report *report, const struct memory_object_row *row)
{
	bool is_bound = row->info.node != HNUMA_NODE_NONE;
	bool is_hugetlb = row->info.backing == HNUMA_BACKING_HUGETLB;
	bool is_strict = report->options->strict;

	judge_pages(report, row, row->placement.pages_elsewhere, is_bound || is_strict,
		    "on other nodes");
	judge_pages(report, row, row->placement.pages_unknown,
		    (is_bound && is_hugetlb) || is_strict, "where the kernel does not tell");
}

/* The parts of a node share its region, so what is true of one is true of all. */
static void judge_objects(struct replay_report *report)
{
	unsigned i;

	for (i = 0; i < report->nr_objects; i++) {
		const struct memory_object_row *row = &report->objects[i];

		if (strcmp(row->object, "all") != 0) {
			judge_object(report, row);
			continue;
		}
		if (row->info.reason && *row->info.reason)
			note(report, "node %d: %s", row->node, row->info.reason);
		if (row->info.node == HNUMA_NODE_NONE && report->options->strict)
			replay_report_problem(report, "node %d: its memory is not bound to it",
					      row->node);
	}
}

/*
 * Faults are the memory's fault on hugetlb pages, which nobody moves, unless the kernel was
 * moving base pages at that time: the workers' stacks and code lie on such, and each worker may
 * trip over each page that moves.
 */
static void judge_faults(struct replay_report *report)
{
	uint64_t faults = report->result->minor_faults + report->result->major_faults;
	uint64_t moved = report->result->moved_pages;
	const char *why = "on memory that is not hugetlb";
	bool is_excused = faults <= moved * report->size->nr_workers;
	bool is_hugetlb = false;
	char count[UNITS_TEXT], moved_count[UNITS_TEXT];
	unsigned i;

	if (faults == 0 || report->options->is_malloc)
		return;
	for (i = 0; i < report->nr_objects; i++)
		is_hugetlb |= report->objects[i].info.backing == HNUMA_BACKING_HUGETLB;
	units_count(count, faults);
	if (!PREFAULT_HOLDS)
		why = "of which the sanitizer in this program takes some";
	if (report->options->strict || (is_hugetlb && !is_excused && PREFAULT_HOLDS))
		replay_report_problem(report, "the workers took %s page faults after start-up",
				      count);
	else if (is_excused)
		note(report,
		     "the workers took %s page faults after start-up, while the kernel moved %s "
		     "pages of this machine, of which the workers' own stacks and code may be some",
		     count, units_count(moved_count, moved));
	else
		note(report, "the workers took %s page faults after start-up, %s", count, why);
}

static int ask(struct replay_report *report, const struct memory *memory)
{
	int error;

	if (report->options->is_malloc) {
		memory_malloc_classes(memory, report->classes);
		return 0;
	}
	error = memory_hugenuma_classes(memory, report->classes);
	if (!error)
		error = memory_hugenuma_objects(memory, report->objects, &report->nr_objects);
	if (error)
		replay_report_problem(report, "hugenuma could not be asked about its memory: %s",
				      hnuma_errormsg());
	else if (memory_hugenuma_check(memory))
		replay_report_problem(report, "the pool's books do not add up: %s",
				      hnuma_errormsg());
	return 0;
}

int replay_report_collect(struct replay_report *report, const struct memory *memory)
{
	report->nr_classes = memory->nr_nodes * HNUMA_NR_CLASSES;
	report->classes = calloc(report->nr_classes, sizeof(*report->classes));
	report->objects = calloc((size_t)memory->nr_nodes * 4, sizeof(*report->objects));
	report->blocks_per_node = memory->blocks_per_node;
	if (!report->classes || !report->objects)
		return -ENOMEM;
	if (report->result->failure[0] != '\0')
		replay_report_problem(report, "%s", report->result->failure);
	ask(report, memory);
	judge_classes(report);
	judge_objects(report);
	judge_faults(report);
	return 0;
}

void replay_report_free(struct replay_report *report)
{
	free(report->classes);
	free(report->objects);
}
