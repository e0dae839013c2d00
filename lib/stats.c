/* SPDX-License-Identifier: MIT */
/*
 * lib/stats.c - a manager's statistics as text, as JSON and in Prometheus' exposition format.
 *
 * Calls the public functions of the parts. Everything is gathered before the first byte is written,
 * so that no lock of ours is held while a stream blocks. No number is written through the C
 * library's decimal point, which follows the program's locale: those who read JSON expect a dot.
 */
#include "config.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <hugenuma.h>

#include "lib/manager.h"
#include "numa/error.h"

struct node_report {
	struct hnuma_plan_node plan;
	struct hnuma_region_info region;
	struct hnuma_placement placement;
	struct hnuma_arena_stats arena;
	struct hnuma_pool_class_stats classes[HNUMA_NR_CLASSES];
};

struct report {
	struct hnuma_manager_stats sum;
	unsigned nr_nodes;
	struct node_report nodes[];
};

/* Where the report goes. After the first error nothing more is written. */
struct sink {
	FILE *stream;
	int error; /* 0 or errno */
};

/* One number of a struct of statistics: its name in JSON and in Prometheus. */
struct field {
	const char *key;
	const char *family;
	const char *help;
	bool is_counter; /* since the manager was made; else it goes up and down */
	size_t offset;	 /* of a uint64_t */
};

#define ARENA(field)   offsetof(struct hnuma_arena_stats, field)
#define CLASS(field)   offsetof(struct hnuma_pool_class_stats, field)
#define SCRATCH(field) offsetof(struct hnuma_scratch_stats, field)

static const struct field arena_fields[] = {
	{"capacity", "arena_capacity_bytes", "Size of the arena.", false, ARENA(capacity)},
	{"used", "arena_used_bytes", "Bytes below the arena's cursor.", false, ARENA(used)},
	{"remaining", "arena_remaining_bytes", "Bytes above the arena's cursor.", false,
	 ARENA(remaining)},
	{"high_water_mark", "arena_high_water_bytes", "The most bytes that were ever used.", false,
	 ARENA(high_water_mark)},
	{"allocation_count", "arena_allocations", "Allocations since the last reset.", false,
	 ARENA(allocation_count)},
};

static const struct field class_fields[] = {
	{"hits", "pool_hits_total", "Acquires that found a free block.", true, CLASS(hits)},
	{"misses", "pool_misses_total", "Acquires for which a block was made.", true,
	 CLASS(misses)},
	{"allocations", "pool_allocations_total", "Blocks made for acquires.", true,
	 CLASS(allocations)},
	{"returns", "pool_returns_total", "Releases that kept the block free.", true,
	 CLASS(returns)},
	{"drops", "pool_drops_total", "Releases that unmade the block, or lost it.", true,
	 CLASS(drops)},
	{"failures", "pool_failures_total", "Acquires for which the node had no block.", true,
	 CLASS(failures)},
	{"free_buffers", "pool_free_blocks", "Blocks that are free now.", false,
	 CLASS(free_buffers)},
	{"cached_buffers", "pool_cached_blocks", "Of the free blocks, those in CPUs' caches.",
	 false, CLASS(cached_buffers)},
	{"in_use", "pool_in_use_blocks", "Blocks that are out now.", false, CLASS(in_use)},
	{"total", "pool_made_blocks", "Blocks that are made now, free or out.", false,
	 CLASS(total)},
	{"high_water_mark", "pool_high_water_blocks", "The most blocks that were ever out.", false,
	 CLASS(high_water_mark)},
	{"lost_buffers", "pool_lost_blocks", "Blocks that are out of service.", false,
	 CLASS(lost_buffers)},
	{"overwritten", "pool_overwritten_total", "Blocks that were found overwritten.", true,
	 CLASS(overwritten)},
};

static const struct field scratch_fields[] = {
	{"space_size", "scratch_space_size_bytes", "Size of a scratch space.", false,
	 SCRATCH(space_size)},
	{"active_spaces", "scratch_active_spaces", "Scratch spaces that are held or pinned.", false,
	 SCRATCH(active_spaces)},
	{"max_spaces", "scratch_max_spaces", "Scratch spaces that there are.", false,
	 SCRATCH(max_spaces)},
	{"total_allocated", "scratch_allocated_bytes", "Size of all scratch spaces.", false,
	 SCRATCH(total_allocated)},
	{"total_used", "scratch_used_bytes",
	 "Bytes in use in all spaces; of a released one, those of its last use.", false,
	 SCRATCH(total_used)},
	{"max_space_usage", "scratch_fullest_space_bytes",
	 "Bytes in use in the fullest space, likewise.", false, SCRATCH(max_space_usage)},
};

static const struct field page_fields[] = {
	{"total", NULL, NULL, false, offsetof(struct hnuma_placement, pages_total)},
	{"here", NULL, NULL, false, offsetof(struct hnuma_placement, pages_here)},
	{"elsewhere", NULL, NULL, false, offsetof(struct hnuma_placement, pages_elsewhere)},
	{"unknown", NULL, NULL, false, offsetof(struct hnuma_placement, pages_unknown)},
};

#define NR(array)     (sizeof(array) / sizeof((array)[0]))
#define FIELDS(array) array, NR(array)

static const char *const class_names[HNUMA_NR_CLASSES] = {"1K", "4K", "16K", "64K", "256K"};

static uint64_t field_value(const void *stats, const struct field *field)
{
	uint64_t value;

	memcpy(&value, (const char *)stats + field->offset, sizeof(value));
	return value;
}

static void __attribute__((format(printf, 2, 3))) put(struct sink *sink, const char *format, ...)
{
	va_list args;

	if (sink->error)
		return;
	va_start(args, format);
	errno = 0;
	if (vfprintf(sink->stream, format, args) < 0)
		sink->error = errno ? errno : EIO;
	va_end(args);
}

/* A part of a whole as 0.123456, cut off; 0 for a part of nothing. */
static void put_ratio(struct sink *sink, uint64_t part, uint64_t whole)
{
	const uint64_t parts = 1000000;

	for (; whole > UINT64_MAX / parts; whole /= 2)
		part /= 2;
	if (part >= whole)
		put(sink, "%d.0", whole != 0);
	else
		put(sink, "0.%06" PRIu64, part * parts / whole);
}

/* ---- Text ---- */

/* A size as people write it: 832 B, 64 KB, 1.5 MB. */
static const char *size_text(char text[32], uint64_t bytes)
{
	static const char *const units[] = {"B", "KB", "MB", "GB", "TB"};
	unsigned unit = 0;
	uint64_t one = 1;

	while (unit + 1 < NR(units) && bytes / one >= 1024) {
		one *= 1024;
		unit++;
	}
	if (bytes % one * 10 / one)
		snprintf(text, 32, "%" PRIu64 ".%u %s", bytes / one,
			 (unsigned)(bytes % one * 10 / one), units[unit]);
	else
		snprintf(text, 32, "%" PRIu64 " %s", bytes / one, units[unit]);
	return text;
}

/* A part of a whole in percent, with one decimal; "-" for a part of nothing. */
static const char *percent_text(char text[32], uint64_t part, uint64_t whole)
{
	const uint64_t parts = 1000;

	for (; whole > UINT64_MAX / parts; whole /= 2)
		part /= 2;
	if (whole == 0)
		return strcpy(text, "-");
	snprintf(text, 32, "%" PRIu64 ".%u%%", part * parts / whole / 10,
		 (unsigned)(part * parts / whole % 10));
	return text;
}

static void text_classes(struct sink *sink, const struct node_report *node)
{
	char rate[32];

	put(sink, "%6s%8s%8s%8s%12s%10s%10s%12s%10s%10s\n", "pool", "free", "in use", "high",
	    "hits", "misses", "hit rate", "returns", "drops", "refused");
	for (unsigned c = 0; c < HNUMA_NR_CLASSES; c++) {
		const struct hnuma_pool_class_stats *stats = &node->classes[c];

		put(sink,
		    "%6s%8" PRIu64 "%8" PRIu64 "%8" PRIu64 "%12" PRIu64 "%10" PRIu64
		    "%10s%12" PRIu64 "%10" PRIu64 "%10" PRIu64 "\n",
		    class_names[c], stats->free_buffers, stats->in_use, stats->high_water_mark,
		    stats->hits, stats->misses,
		    percent_text(rate, stats->hits, stats->hits + stats->misses), stats->returns,
		    stats->drops, stats->failures);
	}
}

/* Only where there is something to tell. */
static void text_losses(struct sink *sink, const struct node_report *node)
{
	for (unsigned c = 0; c < HNUMA_NR_CLASSES; c++) {
		const struct hnuma_pool_class_stats *stats = &node->classes[c];

		if (stats->lost_buffers)
			put(sink,
			    "  lost     %" PRIu64 " blocks of %s are out of service, %" PRIu64
			    " of them because they were overwritten\n",
			    stats->lost_buffers, class_names[c], stats->overwritten);
	}
}

static void text_node(struct sink *sink, const struct node_report *node)
{
	const struct hnuma_placement *pages = &node->placement;
	const struct hnuma_arena_stats *arena = &node->arena;
	char a[32], b[32], c[32], d[32];

	put(sink,
	    "node %d: %s, pages of %s: %" PRIu64 " in all, %" PRIu64 " here, %" PRIu64
	    " elsewhere, %" PRIu64 " unknown\n",
	    node->plan.node, hnuma_backing_name(node->region.backing),
	    pages->page_size ? size_text(a, pages->page_size) : "unknown size", pages->pages_total,
	    pages->pages_here, pages->pages_elsewhere, pages->pages_unknown);
	if (node->region.node == HNUMA_NODE_NONE)
		put(sink, "  not bound to the node\n");
	if (node->region.reason[0])
		put(sink, "  why: %s\n", node->region.reason);
	put(sink, "  arena    %s, %s used (%s), at most %s, %" PRIu64 " allocations\n",
	    size_text(a, arena->capacity), size_text(b, arena->used),
	    percent_text(c, arena->used, arena->capacity), size_text(d, arena->high_water_mark),
	    arena->allocation_count);
	put(sink, "  scratch  %u spaces\n", node->plan.nr_spaces);
	text_classes(sink, node);
	text_losses(sink, node);
}

static void text_report(struct sink *sink, const struct report *report)
{
	const struct hnuma_scratch_stats *scratch = &report->sum.scratch;
	char a[32], b[32], c[32], d[32];

	for (unsigned i = 0; i < report->nr_nodes; i++)
		text_node(sink, &report->nodes[i]);
	put(sink,
	    "scratch: %" PRIu64 " spaces of %s (%s), %" PRIu64
	    " active, %s used, %s in the fullest\n",
	    scratch->max_spaces, size_text(a, scratch->space_size),
	    size_text(b, scratch->total_allocated), scratch->active_spaces,
	    size_text(c, scratch->total_used), size_text(d, scratch->max_space_usage));
}

/* ---- JSON ---- */

/*
 * A sentence as a JSON string. Bytes beyond ASCII become '?': a sentence that was cut in the middle
 * of a character would make the whole object invalid.
 */
static void json_string(struct sink *sink, const char *text)
{
	put(sink, "\"");
	for (; *text; text++) {
		unsigned char byte = (unsigned char)*text;

		if (byte == '"' || byte == '\\')
			put(sink, "\\%c", byte);
		else if (byte < 0x20)
			put(sink, "\\u%04x", byte);
		else
			put(sink, "%c", byte < 0x80 ? byte : '?');
	}
	put(sink, "\"");
}

/* "key": value, ... without the braces. */
static void json_fields(struct sink *sink, const void *stats, const struct field *fields, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		put(sink, "%s\"%s\": %" PRIu64, i ? ", " : "", fields[i].key,
		    field_value(stats, &fields[i]));
}

static void json_arena(struct sink *sink, const struct hnuma_arena_stats *arena)
{
	put(sink, "\"arena\": {");
	json_fields(sink, arena, FIELDS(arena_fields));
	put(sink, ", \"utilization\": ");
	put_ratio(sink, arena->used, arena->capacity);
	put(sink, "}");
}

static void json_node(struct sink *sink, const struct node_report *node)
{
	put(sink,
	    "{\"node\": %d, \"backing\": \"%s\", \"is_bound\": %s, \"reason\": ", node->plan.node,
	    hnuma_backing_name(node->region.backing),
	    node->region.node == HNUMA_NODE_NONE ? "false" : "true");
	json_string(sink, node->region.reason);
	put(sink, ",\n   \"pages\": {\"page_size\": %zu, ", node->placement.page_size);
	json_fields(sink, &node->placement, FIELDS(page_fields));
	put(sink, "},\n   ");
	json_arena(sink, &node->arena);
	put(sink, ",\n   \"scratch\": {\"spaces\": %u},\n   \"pool\": {", node->plan.nr_spaces);
	for (unsigned c = 0; c < HNUMA_NR_CLASSES; c++) {
		const struct hnuma_pool_class_stats *stats = &node->classes[c];

		put(sink, "%s\n    \"%s\": {", c ? "," : "", class_names[c]);
		json_fields(sink, stats, FIELDS(class_fields));
		put(sink, ", \"hit_rate\": ");
		put_ratio(sink, stats->hits, stats->hits + stats->misses);
		put(sink, "}");
	}
	put(sink, "}}");
}

static void json_report(struct sink *sink, const struct report *report)
{
	const struct hnuma_pool_stats *pool = &report->sum.pool;

	put(sink, "{\"version\": \"%s\",\n \"nodes\": [", hnuma_version());
	for (unsigned i = 0; i < report->nr_nodes; i++) {
		put(sink, "%s\n  ", i ? "," : "");
		json_node(sink, &report->nodes[i]);
	}
	put(sink, "],\n ");
	json_arena(sink, &report->sum.arena);
	put(sink,
	    ",\n \"pool\": {\"hits\": %" PRIu64 ", \"misses\": %" PRIu64
	    ", \"allocations\": %" PRIu64 ", \"returns\": %" PRIu64 ", \"drops\": %" PRIu64
	    ", \"lost_buffers\": %" PRIu64 ", \"overwritten\": %" PRIu64
	    ", \"lost_pages\": %" PRIu64 ", \"hit_rate\": ",
	    pool->hits, pool->misses, pool->allocations, pool->returns, pool->drops,
	    pool->lost_buffers, pool->overwritten, pool->lost_pages);
	put_ratio(sink, pool->hits, pool->hits + pool->misses);
	put(sink, "},\n \"scratch\": {");
	json_fields(sink, &report->sum.scratch, FIELDS(scratch_fields));
	put(sink, "}}\n");
}

/* ---- Prometheus ---- */

static void prometheus_family(struct sink *sink, const char *family, const char *help,
			      bool is_counter)
{
	put(sink, "# HELP hugenuma_%s %s\n# TYPE hugenuma_%s %s\n", family, help, family,
	    is_counter ? "counter" : "gauge");
}

static void prometheus_pages(struct sink *sink, const struct report *report)
{
	prometheus_family(sink, "backing_info", "What the node's pages are.", false);
	for (unsigned i = 0; i < report->nr_nodes; i++)
		put(sink, "hugenuma_backing_info{node=\"%d\",backing=\"%s\",bound=\"%s\"} 1\n",
		    report->nodes[i].plan.node, hnuma_backing_name(report->nodes[i].region.backing),
		    report->nodes[i].region.node == HNUMA_NODE_NONE ? "no" : "yes");
	prometheus_family(sink, "page_size_bytes", "Smallest page found; 0: not known.", false);
	for (unsigned i = 0; i < report->nr_nodes; i++)
		put(sink, "hugenuma_page_size_bytes{node=\"%d\"} %zu\n", report->nodes[i].plan.node,
		    report->nodes[i].placement.page_size);
	prometheus_family(sink, "pages",
			  "Pages by where they lie: on the node that was asked for, on another, "
			  "or the kernel would not tell.",
			  false);
	for (unsigned i = 0; i < report->nr_nodes; i++)
		for (size_t f = 1; f < NR(page_fields); f++)
			put(sink, "hugenuma_pages{node=\"%d\",where=\"%s\"} %" PRIu64 "\n",
			    report->nodes[i].plan.node, page_fields[f].key,
			    field_value(&report->nodes[i].placement, &page_fields[f]));
}

static void prometheus_arenas(struct sink *sink, const struct report *report)
{
	for (size_t f = 0; f < NR(arena_fields); f++) {
		const struct field *field = &arena_fields[f];

		prometheus_family(sink, field->family, field->help, field->is_counter);
		for (unsigned i = 0; i < report->nr_nodes; i++)
			put(sink, "hugenuma_%s{node=\"%d\"} %" PRIu64 "\n", field->family,
			    report->nodes[i].plan.node,
			    field_value(&report->nodes[i].arena, field));
	}
}

/* The ratio since the start, for people; a rate over a time comes from the counters. */
static void prometheus_hit_ratio(struct sink *sink, const struct report *report)
{
	prometheus_family(sink, "pool_hit_ratio", "Hits of all acquires so far, 0 to 1.", false);
	for (unsigned i = 0; i < report->nr_nodes; i++)
		for (unsigned c = 0; c < HNUMA_NR_CLASSES; c++) {
			const struct hnuma_pool_class_stats *stats = &report->nodes[i].classes[c];

			put(sink, "hugenuma_pool_hit_ratio{node=\"%d\",class=\"%s\"} ",
			    report->nodes[i].plan.node, class_names[c]);
			put_ratio(sink, stats->hits, stats->hits + stats->misses);
			put(sink, "\n");
		}
}

static void prometheus_pool(struct sink *sink, const struct report *report)
{
	for (size_t f = 0; f < NR(class_fields); f++) {
		const struct field *field = &class_fields[f];

		prometheus_family(sink, field->family, field->help, field->is_counter);
		for (unsigned i = 0; i < report->nr_nodes; i++)
			for (unsigned c = 0; c < HNUMA_NR_CLASSES; c++)
				put(sink, "hugenuma_%s{node=\"%d\",class=\"%s\"} %" PRIu64 "\n",
				    field->family, report->nodes[i].plan.node, class_names[c],
				    field_value(&report->nodes[i].classes[c], field));
	}
	prometheus_hit_ratio(sink, report);
	prometheus_family(sink, "pool_lost_pages", "Pages of 2 MB that are out of service.", false);
	put(sink, "hugenuma_pool_lost_pages %" PRIu64 "\n", report->sum.pool.lost_pages);
}

static void prometheus_scratch(struct sink *sink, const struct report *report)
{
	prometheus_family(sink, "scratch_spaces", "Scratch spaces on the node.", false);
	for (unsigned i = 0; i < report->nr_nodes; i++)
		put(sink, "hugenuma_scratch_spaces{node=\"%d\"} %u\n", report->nodes[i].plan.node,
		    report->nodes[i].plan.nr_spaces);
	for (size_t f = 0; f < NR(scratch_fields); f++) {
		const struct field *field = &scratch_fields[f];

		prometheus_family(sink, field->family, field->help, field->is_counter);
		put(sink, "hugenuma_%s %" PRIu64 "\n", field->family,
		    field_value(&report->sum.scratch, field));
	}
}

static void prometheus_report(struct sink *sink, const struct report *report)
{
	prometheus_pages(sink, report);
	prometheus_arenas(sink, report);
	prometheus_pool(sink, report);
	prometheus_scratch(sink, report);
}

/* ---- All three ---- */

static int gather_node(const struct hnuma_manager *manager, const struct hnuma_plan_node *plan,
		       struct node_report *node)
{
	const struct hnuma_region *region = hnuma_manager_region(manager, plan->node);
	int error;

	node->plan = *plan;
	error = hnuma_region_info(region, &node->region);
	if (!error)
		error = hnuma_region_verify(region, &node->placement);
	if (!error)
		error = hnuma_arena_stats(hnuma_manager_arena(manager, plan->node), &node->arena);
	for (unsigned c = 0; c < HNUMA_NR_CLASSES && !error; c++)
		error = hnuma_pool_class_stats(hnuma_manager_pool(manager), plan->node,
					       (enum hnuma_class)c, &node->classes[c]);
	return error;
}

/* Ask everything once. The caller frees *report. */
static int gather(const struct hnuma_manager *manager, struct report **report)
{
	const struct hnuma_plan *plan;
	unsigned nr_nodes;
	int error = hnuma_manager_plan(manager, &plan);

	*report = NULL;
	if (error)
		return error;
	nr_nodes = plan->service.nr_nodes;
	*report = calloc(1, sizeof(**report) + nr_nodes * sizeof((*report)->nodes[0]));
	if (!*report)
		return hnuma_error_set(-ENOMEM, "no memory to gather statistics of %u nodes",
				       nr_nodes);
	(*report)->nr_nodes = nr_nodes;
	error = hnuma_manager_stats(manager, &(*report)->sum);
	for (unsigned i = 0; i < nr_nodes && !error; i++)
		error = gather_node(manager, &plan->nodes[i], &(*report)->nodes[i]);
	return error;
}

int hnuma_manager_print_stats(const struct hnuma_manager *manager, FILE *stream,
			      enum hnuma_format format)
{
	static void (*const writers[])(struct sink * sink, const struct report *report) = {
		[HNUMA_TEXT] = text_report,
		[HNUMA_JSON] = json_report,
		[HNUMA_PROMETHEUS] = prometheus_report,
	};
	struct sink sink = {.stream = stream};
	struct report *report;
	int error, cancel;

	if (!manager || !stream)
		return hnuma_error_set(-EINVAL, "manager or stream is NULL");
	if ((unsigned)format >= NR(writers))
		return hnuma_error_set(-EINVAL, "format %d does not exist", (int)format);
	/* Writing can be cancelled: not with the stream locked and the report not freed. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	error = gather(manager, &report);
	if (!error) {
		/* Two threads' reports shall not be mixed line by line. */
		flockfile(stream);
		writers[format](&sink, report);
		funlockfile(stream);
	}
	free(report);
	pthread_setcancelstate(cancel, &cancel);
	if (sink.error)
		error = hnuma_error_set(-EIO, "the statistics could not be written: %s",
					hnuma_strerror(sink.error));
	return error;
}
