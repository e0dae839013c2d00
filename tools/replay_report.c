/* SPDX-License-Identifier: MIT */
/*
 * tools/replay_report.c - a replay's report as text. Calls libc only.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/replay_report.h"
#include "tools/ticks.h"
#include "tools/units.h"

const char *const replay_kind_names[REPLAY_NR_KINDS] = {"pool", "arena", "scratch", "all"};

const char *replay_class_name(enum hnuma_class class_index)
{
	static const char *const names[HNUMA_NR_CLASSES] = {"1K", "4K", "16K", "64K", "256K"};

	return (unsigned)class_index < HNUMA_NR_CLASSES ? names[class_index] : "?";
}

static const char *plural(uint64_t count)
{
	return count == 1 ? "" : "s";
}

static void print_job(const struct replay_report *report)
{
	const struct replay_options *options = report->options;
	const struct model *model = options->model;
	const struct replay_size *size = report->size;
	char a[UNITS_TEXT], b[UNITS_TEXT], c[UNITS_TEXT];
	unsigned n;

	printf("\n  model     %s: %u layers, %u KV heads of %u\n", model->name, model->layers,
	       model->kv_heads, model->head_size);
	printf("            %d tokens of a layer take %s, in a block of %s\n", MODEL_BLOCK_TOKENS,
	       units_size(a, model_block_bytes(model)),
	       units_size(b, hnuma_class_size(size->block_class)));
	if (options->trace)
		printf("  requests  %s of %s\n", units_count(a, report->trace->nr_requests),
		       strcmp(options->trace, "-") == 0 ? "standard input" : options->trace);
	else
		printf("  requests  %s, made up with seed %" PRIu64 "\n",
		       units_count(a, report->trace->nr_requests), options->seed);
	printf("  workers   %u pinned, on node%s", size->nr_workers, plural(size->nr_nodes));
	for (n = 0; n < size->nr_nodes; n++)
		printf("%s %d", n ? "," : "", size->nodes[n]);
	printf("; each runs up to %u requests\n", options->batch);
	printf("  memory    %s\n", options->is_malloc ? "malloc" : "hugenuma");
	printf("  pool      %s a node: %s blocks of %s (%s)\n",
	       units_size(a, size->config.pool_bytes_per_node),
	       units_count(b, report->blocks_per_node),
	       units_size(c, hnuma_class_size(size->block_class)), size->pool_reason);
}

static void print_run(const struct replay_report *report)
{
	const struct replay_counts *counts = &report->result->counts;
	char a[UNITS_TEXT], b[UNITS_TEXT], c[UNITS_TEXT];
	double seconds = report->result->seconds;
	uint64_t tokens = counts->context_tokens + counts->generated_tokens;

	printf("\nRun\n");
	printf("  requests  %s of %s in %s\n", units_count(a, counts->requests),
	       units_count(b, report->trace->nr_requests), units_duration(c, seconds));
	printf("  tokens    %s read, %s generated; %s a second\n",
	       units_count(a, counts->context_tokens), units_count(b, counts->generated_tokens),
	       units_count(c, seconds > 0 ? (uint64_t)((double)tokens / seconds) : 0));
	printf("  steps     %s, counted for each worker\n", units_count(a, counts->steps));
	printf("  waits     %s for the first blocks, %s for the next one\n",
	       units_count(a, counts->waits_at_start), units_count(b, counts->waits_in_flight));
	if (counts->put_back > 0)
		printf("  put back  %s time%s, to make room; %s tokens were written again\n",
		       units_count(a, counts->put_back), plural(counts->put_back),
		       units_count(b, counts->repeated_tokens));
}

static void print_times(const struct replay_report *report)
{
	const struct replay_result *result = report->result;
	double workers_ns = result->seconds * 1e9 * report->size->nr_workers;
	char text[5][UNITS_TEXT];
	unsigned kind;

	printf("\nTime in the allocator, per step of a worker\n");
	printf("  %-8s %10s %10s %10s %10s %10s %8s\n", "", "mean", "p50", "p99", "p99.9", "max",
	       "of run");
	for (kind = 0; kind < REPLAY_NR_KINDS; kind++) {
		const struct histogram *times = &result->times[kind];

		printf("  %-8s %10s %10s %10s %10s %10s %7.2f%%\n", replay_kind_names[kind],
		       units_time(text[0], histogram_mean(times)),
		       units_time(text[1], (double)histogram_percentile(times, 50)),
		       units_time(text[2], (double)histogram_percentile(times, 99)),
		       units_time(text[3], (double)histogram_percentile(times, 99.9)),
		       units_time(text[4], (double)times->max),
		       workers_ns > 0 ? 100.0 * (double)times->sum / workers_ns : 0.0);
	}
	printf("  By the %s; a reading takes %.0f ns, which is taken off.\n",
	       ticks_clock.is_counter ? "time stamp counter" : "monotonic clock",
	       (double)ticks_clock.cost * ticks_clock.ns_per_tick);
}

/* Waits are the replay's: they concern the one class that blocks are of. */
static uint64_t waits_of(const struct replay_report *report, const struct memory_class_row *row)
{
	unsigned n;

	if (row->class_index != report->size->block_class)
		return 0;
	for (n = 0; n < report->size->nr_nodes; n++)
		if (report->size->nodes[n] == row->node)
			return report->result->nodes[n].waits_at_start +
			       report->result->nodes[n].waits_in_flight;
	return 0;
}

static void print_classes(const struct replay_report *report)
{
	bool is_malloc = report->options->is_malloc;
	char a[UNITS_TEXT], b[UNITS_TEXT], c[UNITS_TEXT], d[UNITS_TEXT], e[UNITS_TEXT];
	char rate[16];
	unsigned i;

	printf("\n%s\n", is_malloc ? "Blocks" : "Pool");
	printf("  %4s %6s %13s %11s %9s %9s %11s %8s\n", "node", "class",
	       is_malloc ? "allocated" : "hits", is_malloc ? "" : "misses",
	       is_malloc ? "" : "hit rate", "waits", "most out", "out now");
	for (i = 0; i < report->nr_classes; i++) {
		const struct memory_class_row *row = &report->classes[i];
		const struct hnuma_pool_class_stats *stats = &row->stats;

		if (stats->hits + stats->misses + stats->allocations + stats->failures == 0)
			continue;
		snprintf(rate, sizeof(rate), "%.2f%%", 100.0 * stats->hit_rate);
		printf("  %4d %6s %13s %11s %9s %9s %11s %8s\n", row->node,
		       replay_class_name(row->class_index),
		       units_count(a, is_malloc ? stats->allocations : stats->hits),
		       is_malloc ? "" : units_count(b, stats->misses), is_malloc ? "" : rate,
		       units_count(c, waits_of(report, row)),
		       units_count(d, stats->high_water_mark), units_count(e, stats->in_use));
	}
}

static void print_objects(const struct replay_report *report)
{
	char a[UNITS_TEXT], b[UNITS_TEXT], c[UNITS_TEXT], d[UNITS_TEXT], e[UNITS_TEXT];
	unsigned i;

	if (report->nr_objects == 0)
		return;
	printf("\nPlacement, as the kernel tells it page by page\n");
	printf("  %4s %-8s %11s %11s %11s %11s  %-7s %s\n", "node", "object", "pages asked",
	       "there", "elsewhere", "unknown", "size", "backing");
	for (i = 0; i < report->nr_objects; i++) {
		const struct memory_object_row *row = &report->objects[i];
		const struct hnuma_placement *placement = &row->placement;

		printf("  %4d %-8s %11s %11s %11s %11s  %-7s %s\n", row->node, row->object,
		       units_count(a, placement->pages_total),
		       units_count(b, placement->pages_here),
		       units_count(c, placement->pages_elsewhere),
		       units_count(d, placement->pages_unknown),
		       placement->page_size ? units_size(e, placement->page_size) : "unknown",
		       hnuma_backing_name(row->info.backing));
	}
}

static void print_verdict(const struct replay_report *report)
{
	const struct replay_result *result = report->result;
	char count[UNITS_TEXT];
	unsigned i;

	printf("\nPage faults of the workers after start-up: %s\n",
	       units_count(count, result->minor_faults + result->major_faults));
	for (i = 0; i < report->nr_notes; i++)
		printf("Note: %s.\n", report->notes[i]);
	for (i = 0; i < report->nr_problems; i++)
		printf("FAILED: %s.\n", report->problems[i]);
	if (report->nr_problems > 0)
		return;
	printf("%s", result->was_stopped
			     ? "\nStopped before the end. Up to there all was as promised"
			     : "\nAll as promised");
	printf(report->options->is_malloc
		       ? ": no memory had two owners.\n"
		       : ":\nno memory had two owners, every block came back, no page is seen "
			 "elsewhere.\n");
}

void replay_report_print(const struct replay_report *report)
{
	printf("hugenuma replay\n");
	print_job(report);
	print_run(report);
	print_times(report);
	print_classes(report);
	print_objects(report);
	print_verdict(report);
}
