/* SPDX-License-Identifier: MIT */
/*
 * tools/replay_json.c - a replay's report as one JSON object. Calls jansson and libc.
 *
 * Sizes are bytes, times nanoseconds unless the key says otherwise. Keys may be added, and those
 * that are there keep their meaning. What malloc cannot tell is null.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "tools/cli.h"
#include "tools/replay_report.h"
#include "tools/ticks.h"

static json_t *lines(const char (*texts)[REPLAY_REPORT_TEXT], unsigned nr)
{
	json_t *array = json_array();
	unsigned i;

	for (i = 0; i < nr; i++)
		json_array_append_new(array, json_string(texts[i]));
	return array;
}

static json_t *job(const struct replay_report *report)
{
	const struct replay_options *options = report->options;
	const struct model *model = options->model;
	const struct replay_size *size = report->size;
	json_t *object = json_object(), *shape = json_object(), *nodes = json_array();
	unsigned n;

	json_object_set_new(shape, "name", json_string(model->name));
	json_object_set_new(shape, "layers", cli_count(model->layers));
	json_object_set_new(shape, "kv_heads", cli_count(model->kv_heads));
	json_object_set_new(shape, "head_size", cli_count(model->head_size));
	json_object_set_new(shape, "hidden", cli_count(model->hidden));
	json_object_set_new(shape, "vocab", cli_count(model->vocab));
	json_object_set_new(shape, "block_bytes", cli_count(model_block_bytes(model)));
	json_object_set_new(object, "model", shape);
	json_object_set_new(object, "trace",
			    options->trace ? json_string(options->trace) : json_null());
	json_object_set_new(object, "seed",
			    options->trace ? json_null() : cli_count(options->seed));
	json_object_set_new(object, "requests", cli_count(report->trace->nr_requests));
	json_object_set_new(object, "context_tokens", cli_count(report->trace->context_tokens));
	json_object_set_new(object, "generated_tokens", cli_count(report->trace->generated_tokens));
	json_object_set_new(object, "memory",
			    json_string(options->is_malloc ? "malloc" : "hugenuma"));
	json_object_set_new(object, "fill", json_boolean(options->fill));
	json_object_set_new(object, "workers", cli_count(size->nr_workers));
	json_object_set_new(object, "batch", cli_count(options->batch));
	for (n = 0; n < size->nr_nodes; n++)
		json_array_append_new(nodes, json_integer(size->nodes[n]));
	json_object_set_new(object, "nodes", nodes);
	json_object_set_new(object, "pool_bytes_per_node",
			    cli_count(size->config.pool_bytes_per_node));
	json_object_set_new(object, "pool_reason", json_string(size->pool_reason));
	json_object_set_new(object, "blocks_per_node", cli_count(report->blocks_per_node));
	return object;
}

static json_t *run(const struct replay_report *report)
{
	const struct replay_result *result = report->result;
	const struct replay_counts *counts = &result->counts;
	json_t *object = json_object();

	json_object_set_new(object, "requests", cli_count(counts->requests));
	json_object_set_new(object, "context_tokens", cli_count(counts->context_tokens));
	json_object_set_new(object, "generated_tokens", cli_count(counts->generated_tokens));
	json_object_set_new(object, "repeated_tokens", cli_count(counts->repeated_tokens));
	json_object_set_new(object, "steps", cli_count(counts->steps));
	json_object_set_new(object, "waits_at_start", cli_count(counts->waits_at_start));
	json_object_set_new(object, "waits_in_flight", cli_count(counts->waits_in_flight));
	json_object_set_new(object, "put_back", cli_count(counts->put_back));
	json_object_set_new(object, "seconds", json_real(result->seconds));
	json_object_set_new(object, "minor_faults", cli_count(result->minor_faults));
	json_object_set_new(object, "major_faults", cli_count(result->major_faults));
	json_object_set_new(object, "moved_pages", cli_count(result->moved_pages));
	return object;
}

static json_t *times(const struct replay_report *report)
{
	json_t *object = json_object();
	unsigned kind;

	for (kind = 0; kind < REPLAY_NR_KINDS; kind++) {
		const struct histogram *histogram = &report->result->times[kind];
		json_t *row = json_object();

		json_object_set_new(row, "mean", json_real(histogram_mean(histogram)));
		json_object_set_new(row, "p50", cli_count(histogram_percentile(histogram, 50)));
		json_object_set_new(row, "p99", cli_count(histogram_percentile(histogram, 99)));
		json_object_set_new(row, "p99.9", cli_count(histogram_percentile(histogram, 99.9)));
		json_object_set_new(row, "max", cli_count(histogram->max));
		json_object_set_new(row, "sum", cli_count(histogram->sum));
		json_object_set_new(object, replay_kind_names[kind], row);
	}
	return object;
}

static json_t *timer(void)
{
	json_t *object = json_object();

	json_object_set_new(object, "source",
			    json_string(ticks_clock.is_counter ? "tsc" : "CLOCK_MONOTONIC"));
	json_object_set_new(object, "reading_ns",
			    json_real((double)ticks_clock.cost * ticks_clock.ns_per_tick));
	return object;
}

static json_t *classes(const struct replay_report *report)
{
	bool is_malloc = report->options->is_malloc;
	json_t *array = json_array();
	unsigned i;

	for (i = 0; i < report->nr_classes; i++) {
		const struct memory_class_row *row = &report->classes[i];
		const struct hnuma_pool_class_stats *stats = &row->stats;
		const struct replay_counts *counts = &report->result->nodes[i / HNUMA_NR_CLASSES];
		bool is_ours = row->class_index == report->size->block_class;
		json_t *object = json_object();

		json_object_set_new(object, "node", json_integer(row->node));
		json_object_set_new(object, "class",
				    json_string(replay_class_name(row->class_index)));
		json_object_set_new(object, "block_bytes",
				    cli_count(hnuma_class_size(row->class_index)));
		json_object_set_new(object, "hits",
				    is_malloc ? json_null() : cli_count(stats->hits));
		json_object_set_new(object, "misses",
				    is_malloc ? json_null() : cli_count(stats->misses));
		json_object_set_new(object, "hit_rate",
				    is_malloc ? json_null() : json_real(stats->hit_rate));
		json_object_set_new(object, "allocations", cli_count(stats->allocations));
		json_object_set_new(object, "returns", cli_count(stats->returns));
		json_object_set_new(object, "drops", cli_count(stats->drops));
		json_object_set_new(object, "refusals", cli_count(stats->failures));
		json_object_set_new(
			object, "waits",
			cli_count(is_ours ? counts->waits_at_start + counts->waits_in_flight : 0));
		json_object_set_new(object, "high_water_mark", cli_count(stats->high_water_mark));
		json_object_set_new(object, "in_use", cli_count(stats->in_use));
		json_object_set_new(object, "free", cli_count(stats->free_buffers));
		json_object_set_new(object, "total", cli_count(stats->total));
		json_array_append_new(array, object);
	}
	return array;
}

static json_t *placement(const struct replay_report *report)
{
	json_t *array = json_array();
	unsigned i;

	for (i = 0; i < report->nr_objects; i++) {
		const struct memory_object_row *row = &report->objects[i];
		json_t *object = json_object();

		json_object_set_new(object, "node", json_integer(row->node));
		json_object_set_new(object, "object", json_string(row->object));
		json_object_set_new(object, "pages_asked", cli_count(row->placement.pages_total));
		json_object_set_new(object, "pages_there", cli_count(row->placement.pages_here));
		json_object_set_new(object, "pages_elsewhere",
				    cli_count(row->placement.pages_elsewhere));
		json_object_set_new(object, "pages_unknown",
				    cli_count(row->placement.pages_unknown));
		json_object_set_new(object, "page_bytes", cli_count(row->placement.page_size));
		json_object_set_new(object, "backing",
				    json_string(hnuma_backing_name(row->info.backing)));
		json_object_set_new(object, "bound_to",
				    row->info.node == HNUMA_NODE_NONE
					    ? json_null()
					    : json_integer(row->info.node));
		json_object_set_new(object, "reason",
				    json_string(row->info.reason ? row->info.reason : ""));
		json_array_append_new(array, object);
	}
	return array;
}

json_t *replay_report_json(const struct replay_report *report)
{
	const char *verdict = "as promised";
	json_t *root = cli_report("replay");

	if (report->nr_problems > 0)
		verdict = "failed";
	else if (report->result->was_stopped)
		verdict = "stopped";
	json_object_set_new(root, "verdict", json_string(verdict));
	json_object_set_new(root, "problems", lines(report->problems, report->nr_problems));
	json_object_set_new(root, "notes", lines(report->notes, report->nr_notes));
	json_object_set_new(root, "job", job(report));
	json_object_set_new(root, "run", run(report));
	json_object_set_new(root, "allocator_ns_per_step", times(report));
	json_object_set_new(root, "clock", timer());
	json_object_set_new(root, "pool", classes(report));
	json_object_set_new(root, "placement", placement(report));
	return root;
}
