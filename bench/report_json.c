/* SPDX-License-Identifier: MIT */
/*
 * bench/report_json.c - what came out, for programs. Calls <hugenuma.h>, jansson and libc.
 */
#include "config.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include <jansson.h>

#include <hugenuma.h>

#include "bench/ours.h"
#include "bench/report.h"
#include "bench/target.h"

/* JSON knows no NAN. */
static json_t *number(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

static json_t *of_summary(struct summary summary)
{
	return json_pack("{s:i, s:o, s:o, s:o}", "rounds", (int)summary.nr, "median",
			 number(summary.median), "least", number(summary.least), "most",
			 number(summary.most));
}

static const char *kind_name(enum bench_kind kind)
{
	static const char *const names[] = {
		[BENCH_OURS] = "hugenuma",
		[BENCH_VARIANT] = "variant",
		[BENCH_PEER] = "peer",
		[BENCH_LIMIT] = "limit",
	};

	return names[kind];
}

static json_t *of_row(const struct row *row, const struct row *ours_row)
{
	json_t *object = of_summary(plan_summary(row));
	json_t *samples = json_array();

	json_object_set_new(object, "subject", json_string(row->subject->name));
	json_object_set_new(object, "kind", json_string(kind_name(row->subject->kind)));
	json_object_set_new(object, "note",
			    json_string(row->subject->note ? row->subject->note : ""));
	for (unsigned i = 0; i < settings.rounds; i++)
		json_array_append_new(samples, number(row->samples[i]));
	json_object_set_new(object, "samples", samples);
	if (ours_row)
		json_object_set_new(object, "hugenuma_divided_by_it",
				    of_summary(plan_ratio(ours_row, row)));
	return object;
}

static json_t *of_cases(void)
{
	json_t *cases = json_array();

	for (const struct bench_case *next = plan_first_case(); next; next = next->next) {
		const struct row *ours_row = plan_find_row(next, OURS);
		json_t *results = json_array();

		for (const struct row *row = next->rows; row; row = row->next)
			json_array_append_new(results, of_row(row, ours_row));
		json_array_append_new(cases, json_pack("{s:s, s:s, s:o}", "case", next->name,
						       "unit", next->unit, "results", results));
	}
	return cases;
}

static json_t *of_targets(void)
{
	json_t *targets = json_array();

	for (unsigned i = 0; i < target_count(); i++) {
		struct verdict verdict = target_judge(i);
		json_t *object;

		if (verdict.ratio.nr == 0)
			continue;
		object = json_pack("{s:s, s:s, s:f, s:o, s:b}", "target", verdict.what, "against",
				   verdict.against, "at_most", verdict.at_most, "ratio",
				   of_summary(verdict.ratio), "reached", (int)verdict.is_reached);
		if (verdict.limit) {
			json_object_set_new(object, "limit", json_string(verdict.limit));
			json_object_set_new(object, "limit_ratio", of_summary(verdict.limit_ratio));
		}
		json_array_append_new(targets, object);
	}
	return targets;
}

int report_json(const char *file, const struct machine *machine)
{
	json_t *report = json_pack(
		"{s:s, s:{s:s, s:s, s:i, s:i, s:I, s:f, s:f}, s:{s:i, s:i, s:i, s:f}, s:o, s:o}",
		"hugenuma", hnuma_version(), "machine", "processor", machine->processor, "kernel",
		machine->kernel, "cpus", (int)machine->nr_cpus, "nodes", (int)machine->nr_nodes,
		"hugepages_free", (json_int_t)machine->hugepages_free, "load_before",
		machine->load_before, "load_after", machine->load_after, "settings", "rounds",
		(int)settings.rounds, "layouts", (int)settings.layouts, "slices",
		(int)settings.slices, "slice_ns", settings.slice_ns, "cases", of_cases(), "targets",
		of_targets());
	FILE *stream = strcmp(file, "-") == 0 ? stdout : fopen(file, "w");
	int error = !report || !stream;

	if (!error) {
		error = json_dumpf(report, stream, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
		fputc('\n', stream);
		error = error || fflush(stream) || ferror(stream);
	}
	if (error)
		fprintf(stderr, "bench: %s cannot be written: %s\n", file, strerror(errno));
	if (stream && stream != stdout)
		fclose(stream);
	json_decref(report);
	return error ? -1 : 0;
}
