/* SPDX-License-Identifier: MIT */
/*
 * bench/report.c - tables for people: one for the cases that differ in the last part of their names
 * only, subjects below each other. Calls <hugenuma.h> and libc.
 */
#include "config.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include <hugenuma.h>

#include "bench/crew.h"
#include "bench/ours.h"
#include "bench/report.h"
#include "bench/target.h"

#define NAME_COLUMNS 22
#define MOST_COLUMNS 8

double machine_load(void)
{
	double load;

	return getloadavg(&load, 1) == 1 ? load : 0;
}

static void read_processor(char *text, size_t room)
{
	FILE *file = fopen("/proc/cpuinfo", "r");
	char line[256];

	snprintf(text, room, "unknown");
	while (file && fgets(line, sizeof(line), file)) {
		const char *colon = strchr(line, ':');

		if (strncmp(line, "model name", 10) != 0 || !colon)
			continue;
		snprintf(text, room, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
		break;
	}
	if (file)
		fclose(file);
}

void machine_read(struct machine *machine)
{
	struct hnuma_node_info info;
	struct utsname name;

	*machine = (struct machine){.nr_cpus = crew_nr_cpus(), .load_before = machine_load()};
	read_processor(machine->processor, sizeof(machine->processor));
	if (uname(&name) == 0)
		snprintf(machine->kernel, sizeof(machine->kernel), "%s %s", name.sysname,
			 name.release);
	machine->nr_nodes = hnuma_topology_nr_nodes(ours_topology);
	for (unsigned i = 0; i < machine->nr_nodes; i++) {
		if (hnuma_topology_node_info(ours_topology, i, &info) == 0)
			machine->hugepages_free += info.hugepages_free;
	}
}

/* The part of a case's name that the others of its table have as well. */
static size_t prefix_length(const char *name)
{
	const char *slash = strrchr(name, '/');

	return slash ? (size_t)(slash - name) : strlen(name);
}

static bool is_same_table(const struct bench_case *a, const struct bench_case *b)
{
	size_t length = prefix_length(a->name);

	return prefix_length(b->name) == length && strncmp(a->name, b->name, length) == 0 &&
	       strcmp(a->unit, b->unit) == 0;
}

static void print_number(FILE *stream, int width, double number)
{
	if (isnan(number))
		fprintf(stream, "%*s", width, "-");
	else
		fprintf(stream, "%*.*f", width, number < 10 ? 2 : number < 1000 ? 1 : 0, number);
}

static void print_cell(FILE *stream, const struct bench_case *of, const char *subject)
{
	const struct row *row = plan_find_row(of, subject);
	const struct row *ours_row = plan_find_row(of, OURS);
	double ratio = NAN;

	if (row && ours_row && row != ours_row)
		ratio = plan_ratio(ours_row, row).median;
	print_number(stream, 9, row ? plan_summary(row).median : NAN);
	if (isnan(ratio))
		fprintf(stream, "%7s", "");
	else
		fprintf(stream, ratio < 0.0995 ? " /%-5.3f" : " /%-5.2f", ratio);
}

static void print_range(FILE *stream, const struct bench_case *const *columns, unsigned nr,
			const char *subject)
{
	fprintf(stream, "%*s", NAME_COLUMNS, "");
	for (unsigned i = 0; i < nr; i++) {
		const struct row *row = plan_find_row(columns[i], subject);
		struct summary summary = {0, NAN, NAN, NAN};
		char text[48] = "";

		if (row)
			summary = plan_summary(row);
		if (summary.nr)
			snprintf(text, sizeof(text), "[%.*f..%.*f]", summary.least < 100 ? 2 : 0,
				 summary.least, summary.most < 100 ? 2 : 0, summary.most);
		fprintf(stream, "%16s", text);
	}
	fputc('\n', stream);
}

/* Subjects in the order of the first column that has them. */
static void print_table(FILE *stream, const struct bench_case *const *columns, unsigned nr,
			bool with_range)
{
	fprintf(stream, "\n%.*s, %s\n%*s", (int)prefix_length(columns[0]->name), columns[0]->name,
		columns[0]->unit, NAME_COLUMNS, "");
	for (unsigned i = 0; i < nr; i++)
		fprintf(stream, "%9s%7s", strrchr(columns[i]->name, '/') + 1, "");
	fputc('\n', stream);
	for (unsigned first = 0; first < nr; first++) {
		for (const struct row *row = columns[first]->rows; row; row = row->next) {
			const char *subject = row->subject->name;
			bool is_told = false;

			for (unsigned i = 0; i < first; i++)
				is_told = is_told || plan_find_row(columns[i], subject);
			if (is_told)
				continue;
			fprintf(stream, "%-*s", NAME_COLUMNS, subject);
			for (unsigned i = 0; i < nr; i++)
				print_cell(stream, columns[i], subject);
			fputc('\n', stream);
			if (with_range)
				print_range(stream, columns, nr, subject);
		}
	}
}

static void print_tables(FILE *stream, bool with_range)
{
	const struct bench_case *columns[MOST_COLUMNS];

	for (const struct bench_case *next = plan_first_case(); next; next = next->next) {
		unsigned nr = 0;
		bool is_first = true;

		/* The table was printed with the first of its cases. */
		for (const struct bench_case *i = plan_first_case(); i != next; i = i->next)
			is_first = is_first && !is_same_table(i, next);
		if (!is_first)
			continue;
		for (const struct bench_case *i = next; i && nr < MOST_COLUMNS; i = i->next) {
			if (is_same_table(i, next))
				columns[nr++] = i;
		}
		print_table(stream, columns, nr, with_range);
	}
}

/* Was a subject of that name in an earlier row? */
static bool is_known(const struct bench_case *last, const struct row *until)
{
	for (const struct bench_case *i = plan_first_case(); i; i = i->next) {
		for (const struct row *row = i->rows; row; row = row->next) {
			if (i == last && row == until)
				return false;
			if (strcmp(row->subject->name, until->subject->name) == 0)
				return true;
		}
	}
	return false;
}

static void print_notes(FILE *stream)
{
	fprintf(stream, "\nSubjects\n");
	for (const struct bench_case *i = plan_first_case(); i; i = i->next) {
		for (const struct row *row = i->rows; row; row = row->next) {
			if (row->subject->note && !is_known(i, row))
				fprintf(stream, "  %-*s%s\n", NAME_COLUMNS, row->subject->name,
					row->subject->note);
		}
	}
}

static void print_targets(FILE *stream)
{
	unsigned nr = 0, nr_reached = 0;

	for (unsigned i = 0; i < target_count(); i++) {
		struct verdict verdict = target_judge(i);

		if (verdict.ratio.nr == 0)
			continue;
		if (nr++ == 0)
			fprintf(stream,
				"\nTargets: ratios in the same round, at most\n%-41s%-19s%8s%8s\n",
				"", "of", "at most", "is");
		nr_reached += verdict.is_reached;
		fprintf(stream, "%-41s%-19s%8.*f%8.*f  %s", verdict.what, verdict.against,
			verdict.at_most < 0.1 ? 3 : 2, verdict.at_most,
			verdict.ratio.median < 0.1 ? 3 : 2, verdict.ratio.median,
			verdict.is_reached ? "reached" : "not reached");
		if (verdict.limit && !verdict.is_reached)
			fprintf(stream, "; %s: %.*f", verdict.limit,
				verdict.limit_ratio.median < 0.1 ? 3 : 2,
				verdict.limit_ratio.median);
		fputc('\n', stream);
	}
	if (nr)
		fprintf(stream, "%u of %u reached\n", nr_reached, nr);
}

void report_text(FILE *stream, const struct machine *machine, bool with_range)
{
	fprintf(stream,
		"hugenuma %s on %s: %u CPUs, %u node%s, %" PRIu64 " free huge pages, %s\n"
		"Medians of %u rounds; behind each slash hugenuma's figure divided by it in the "
		"same "
		"round.\n",
		hnuma_version(), machine->processor, machine->nr_cpus, machine->nr_nodes,
		machine->nr_nodes == 1 ? "" : "s", machine->hugepages_free, machine->kernel,
		settings.rounds);
	if (machine->load_after > machine->nr_cpus + 1)
		fprintf(stream, "Others used the machine meanwhile (load %.1f): believe ratios.\n",
			machine->load_after);
	print_tables(stream, with_range);
	print_notes(stream);
	print_targets(stream);
}
