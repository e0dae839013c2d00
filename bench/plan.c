/* SPDX-License-Identifier: MIT */
/*
 * bench/plan.c - see plan.h. Calls libc.
 */
#include "config.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/plan.h"

static struct group *first_group;
static struct bench_case *first_case;

bool plan_wants(const char *name)
{
	const char *list = settings.cases;

	while (list && *list) {
		size_t length = strcspn(list, ",");
		size_t common = strlen(name) < length ? strlen(name) : length;

		/* "pool" asks for "pool/4K", and a look at "pool" is of use for "pool/4K". */
		if (strncmp(list, name, common) == 0)
			return true;
		list += length + (list[length] == ',');
	}
	return !settings.cases;
}

void *plan_alloc(size_t bytes)
{
	void *memory = calloc(1, bytes);

	if (!memory) {
		fprintf(stderr, "bench: no memory\n");
		exit(1);
	}
	return memory;
}

/* A case that is asked for by its own name: "pool/4K" does not ask for "pool/16K". */
static struct bench_case *add_case(const char *name, const char *unit)
{
	struct bench_case *added = plan_alloc(sizeof(*added));
	struct bench_case **link = &first_case;

	added->name = strdup(name);
	added->unit = unit;
	while (*link)
		link = &(*link)->next;
	*link = added;
	return added;
}

struct group *plan_group(const char *unit, unsigned nr_cases, const char *const *names)
{
	struct group **link = &first_group;
	struct group *group;
	bool is_wanted = false;

	for (unsigned i = 0; i < nr_cases; i++)
		is_wanted = is_wanted || plan_wants(names[i]);
	if (!is_wanted)
		return NULL;
	group = plan_alloc(sizeof(*group));
	group->nr_cases = nr_cases;
	for (unsigned i = 0; i < nr_cases; i++)
		group->cases[i] = add_case(names[i], unit);
	while (*link)
		link = &(*link)->next;
	*link = group;
	return settings.is_list ? NULL : group;
}

struct group *plan_one(const char *unit, const char *format, ...)
{
	const char *names[1];
	char name[128];
	va_list args;

	va_start(args, format);
	vsnprintf(name, sizeof(name), format, args);
	va_end(args);
	names[0] = name;
	return plan_group(unit, 1, names);
}

static struct row *add_row(struct bench_case *to, const struct bench_subject *subject)
{
	struct row *row = plan_alloc(sizeof(*row));
	struct row **link = &to->rows;

	row->subject = subject;
	row->samples = plan_alloc(settings.rounds * sizeof(*row->samples));
	for (unsigned i = 0; i < settings.rounds; i++)
		row->samples[i] = NAN;
	while (*link)
		link = &(*link)->next;
	*link = row;
	return row;
}

void plan_add(struct group *group, struct probe *probe, const struct bench_subject *subject)
{
	struct probe **link = &group->probes;

	for (unsigned i = 0; i < group->nr_cases; i++)
		probe->rows[i] = add_row(group->cases[i], subject);
	while (*link)
		link = &(*link)->next;
	*link = probe;
}

static void run_probe(const struct group *group, struct probe *probe, int round)
{
	double values[PROBE_VALUES_MAX];

	if (probe->most_rounds && round >= (int)probe->most_rounds)
		return;
	if (!probe->run(probe, values) || round < 0)
		return;
	for (unsigned i = 0; i < group->nr_cases; i++)
		probe->rows[i]->samples[round] = values[i];
}

static void run_group(const struct group *group, int round)
{
	unsigned nr = 0, skip;
	struct probe *probe;

	for (probe = group->probes; probe; probe = probe->next)
		nr++;
	/* Each round begins with the next subject. */
	skip = nr && round > 0 ? (unsigned)round % nr : 0;
	probe = group->probes;
	for (unsigned i = 0; i < skip; i++)
		probe = probe->next;
	for (unsigned i = 0; i < nr; i++) {
		run_probe(group, probe, round);
		probe = probe->next ? probe->next : group->probes;
	}
}

void plan_run(void)
{
	/* One round to warm up, of which nothing is kept; not where a run is to be short. */
	for (int round = settings.is_quick ? 0 : -1; round < (int)settings.rounds; round++) {
		for (struct group *group = first_group; group; group = group->next) {
			if (!settings.is_quiet)
				fprintf(stderr, "\r\033[Kround %d of %u: %s", round + 1,
					settings.rounds, group->cases[0]->name);
			run_group(group, round);
		}
	}
	if (!settings.is_quiet)
		fprintf(stderr, "\r\033[K");
}

const struct bench_case *plan_first_case(void)
{
	return first_case;
}

const struct bench_case *plan_find_case(const char *name)
{
	const struct bench_case *found = first_case;

	while (found && strcmp(found->name, name) != 0)
		found = found->next;
	return found;
}

const struct row *plan_find_row(const struct bench_case *found, const char *subject)
{
	const struct row *row = found ? found->rows : NULL;

	while (row && strcmp(row->subject->name, subject) != 0)
		row = row->next;
	return row;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

struct summary plan_summarise(double *values, unsigned nr)
{
	struct summary summary = {0, NAN, NAN, NAN};

	for (unsigned i = 0; i < nr; i++) {
		if (!isnan(values[i]))
			values[summary.nr++] = values[i];
	}
	if (summary.nr == 0)
		return summary;
	qsort(values, summary.nr, sizeof(*values), compare);
	summary.least = values[0];
	summary.most = values[summary.nr - 1];
	summary.median = (values[(summary.nr - 1) / 2] + values[summary.nr / 2]) / 2;
	return summary;
}

struct summary plan_summary(const struct row *row)
{
	double *values = plan_alloc(settings.rounds * sizeof(*values));
	struct summary summary;

	memcpy(values, row->samples, settings.rounds * sizeof(*values));
	summary = plan_summarise(values, settings.rounds);
	free(values);
	return summary;
}

struct summary plan_ratio(const struct row *above, const struct row *below)
{
	double *values = plan_alloc(settings.rounds * sizeof(*values));
	struct summary summary;

	for (unsigned i = 0; i < settings.rounds; i++)
		values[i] = above->samples[i] / below->samples[i];
	summary = plan_summarise(values, settings.rounds);
	free(values);
	return summary;
}
