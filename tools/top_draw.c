/* SPDX-License-Identifier: MIT */
/*
 * tools/top_draw.c - a look at a process as lines of text that are never longer than they may be.
 * Calls libc only.
 *
 * A table has its most wanted columns on the left: what does not fit is left out from the right,
 * whole, so that no number is ever shown without its last digits.
 */
#include "config.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "tools/top.h"
#include "tools/units.h"

#define CELLS_MAX  12
#define CELL_BYTES 48

struct page {
	FILE *stream;
	unsigned columns; /* 0: any number */
	bool bold;
};

/* A line of a table, cell by cell. */
struct row {
	unsigned nr;
	char cells[CELLS_MAX][CELL_BYTES];
};

static __attribute__((format(printf, 2, 3))) void cell(struct row *row, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(row->cells[row->nr++], CELL_BYTES, format, arguments);
	va_end(arguments);
}

/* A line of plain text, cut to the page. */
static __attribute__((format(printf, 2, 3))) void line(const struct page *page, const char *format,
						       ...)
{
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (page->columns && strlen(text) > page->columns)
		text[page->columns] = '\0';
	fprintf(page->stream, "%s\n", text);
}

/* The first cell to the left, the others to the right, each in its width and one blank before it. */
static void put_row(const struct page *page, const struct row *row, const int *widths, bool is_head)
{
	unsigned at = 0;

	if (is_head && page->bold)
		fputs("\033[1m", page->stream);
	for (unsigned i = 0; i < row->nr; i++) {
		unsigned length = (unsigned)strlen(row->cells[i]);
		unsigned width = (unsigned)widths[i] > length ? (unsigned)widths[i] : length;

		if (page->columns && i == 0 && width > page->columns)
			width = page->columns;
		if (i > 0 && page->columns && at + 1 + width > page->columns)
			break;
		if (i == 0)
			fprintf(page->stream, "%-*.*s", (int)width, (int)width, row->cells[0]);
		else
			fprintf(page->stream, " %*s", (int)width, row->cells[i]);
		at += width + (i > 0);
	}
	if (is_head && page->bold)
		fputs("\033[m", page->stream);
	fputc('\n', page->stream);
}

static void head(const struct page *page, const char *const *names, unsigned nr, const int *widths)
{
	struct row row = {.nr = 0};

	for (unsigned i = 0; i < nr; i++)
		cell(&row, "%s", names[i]);
	put_row(page, &row, widths, true);
}

static const char *node_text(char text[16], int node)
{
	if (node < 0)
		return "any";
	snprintf(text, 16, "%d", node);
	return text;
}

/* A part of a whole in percent; "-" for a part of nothing. */
static const char *percent(char text[16], uint64_t part, uint64_t whole)
{
	if (whole == 0)
		return "-";
	snprintf(text, 16, "%.1f%%", 100.0 * (double)part / (double)whole);
	return text;
}

static void draw_nodes(const struct page *page, const struct top_view *view)
{
	static const char *const names[] = {"node", "free", "2 MB pages", "memory"};
	static const int widths[] = {8, 9, 10, 10};
	char size[UNITS_TEXT];

	head(page, names, 4, widths);
	for (unsigned i = 0; i < view->nr_nodes; i++) {
		const struct hnuma_node_info *node = &view->nodes[i];
		struct row row = {.nr = 0};

		cell(&row, "%d", node->node);
		cell(&row, "%" PRIu64, node->hugepages_free);
		cell(&row, "%" PRIu64, node->hugepages_total);
		cell(&row, "%s", units_size(size, node->memory_bytes));
		put_row(page, &row, widths, false);
	}
}

static void draw_regions(const struct page *page, const struct top_view *view)
{
	static const char *const names[] = {"region", "node", "size", "pages"};
	static const int widths[] = {8, 4, 10, 8};
	char size[UNITS_TEXT], node[16];

	head(page, names, 4, widths);
	for (unsigned i = 0; i < view->nr_objects; i++) {
		const struct hnuma_object *object = &view->objects[i].object;
		struct row row = {.nr = 0};

		if (object->kind != HNUMA_OBJECT_REGION)
			continue;
		cell(&row, "%s", object->name);
		cell(&row, "%s", node_text(node, object->node));
		cell(&row, "%s", units_size(size, object->size));
		cell(&row, "%s", hnuma_backing_name(object->backing));
		put_row(page, &row, widths, false);
	}
}

/* The same class of the same pool a look ago, or NULL. */
static const struct top_class *class_before(const struct top_view *before, uint64_t id,
					    const struct top_class *now)
{
	for (unsigned i = 0; before && i < before->nr_objects; i++) {
		const struct top_object *object = &before->objects[i];

		if (object->object.id != id)
			continue;
		for (unsigned c = 0; c < object->nr_classes; c++)
			if (object->classes[c].node == now->node &&
			    object->classes[c].class_index == now->class_index)
				return &object->classes[c];
	}
	return NULL;
}

static void draw_class(const struct page *page, const struct top_class *now,
		       const struct top_class *before, double seconds, const int *widths)
{
	const struct hnuma_pool_class_stats *stats = &now->stats;
	uint64_t acquired = stats->hits + stats->misses;
	struct row row = {.nr = 0};
	char text[16];

	cell(&row, "%zuK", hnuma_class_size(now->class_index) / 1024);
	cell(&row, "%" PRIu64, stats->in_use);
	cell(&row, "%" PRIu64, stats->free_buffers);
	cell(&row, "%" PRIu64, stats->cached_buffers);
	cell(&row, "%s", percent(text, stats->hits, acquired));
	cell(&row, "%" PRIu64, stats->high_water_mark);
	cell(&row, "%" PRIu64, stats->failures);
	if (before && seconds > 0) {
		uint64_t then = before->stats.hits + before->stats.misses;

		cell(&row, "%.0f", acquired > then ? (double)(acquired - then) / seconds : 0.0);
	} else {
		cell(&row, "-");
	}
	put_row(page, &row, widths, false);
}

static void draw_pools(const struct page *page, const struct top_view *view,
		       const struct top_view *before)
{
	static const int widths[] = {8, 7, 7, 7, 7, 7, 8, 11};
	const char *names[] = {"",     "in use",  "free",    "cached",
			       "hits", "highest", "refused", "acquires/s"};
	double seconds = before ? view->seconds - before->seconds : 0;
	char title[32];

	for (unsigned i = 0; i < view->nr_objects; i++) {
		const struct top_object *object = &view->objects[i];

		for (unsigned c = 0; c < object->nr_classes && object->has_stats; c++) {
			const struct top_class *now = &object->classes[c];

			if (c == 0 || now->node != now[-1].node) {
				snprintf(title, sizeof(title), "pool @%d", now->node);
				names[0] = title;
				head(page, names, 8, widths);
			}
			draw_class(page, now, class_before(before, object->object.id, now), seconds,
				   widths);
		}
	}
}

static void draw_arenas(const struct page *page, const struct top_view *view)
{
	static const char *const names[] = {"arena", "used", "", "highest", "size", "allocations"};
	static const int widths[] = {8, 9, 6, 9, 9, 12};
	char used[UNITS_TEXT], high[UNITS_TEXT], size[UNITS_TEXT], node[16], part[16];
	bool is_first = true;

	for (unsigned i = 0; i < view->nr_objects; i++) {
		const struct top_object *object = &view->objects[i];
		const struct hnuma_arena_stats *stats = &object->arena;
		struct row row = {.nr = 0};

		if (object->object.kind != HNUMA_OBJECT_ARENA || !object->has_stats)
			continue;
		if (is_first)
			head(page, names, 6, widths);
		is_first = false;
		cell(&row, "@%s", node_text(node, object->object.node));
		cell(&row, "%s", units_size(used, stats->used));
		cell(&row, "%s", percent(part, stats->used, stats->capacity));
		cell(&row, "%s", units_size(high, stats->high_water_mark));
		cell(&row, "%s", units_size(size, stats->capacity));
		cell(&row, "%" PRIu64, stats->allocation_count);
		put_row(page, &row, widths, false);
	}
}

static void draw_scratches(const struct page *page, const struct top_view *view)
{
	static const char *const names[] = {"scratch", "active",  "spaces",
					    "used",    "fullest", "size"};
	static const int widths[] = {8, 6, 6, 9, 9, 9};
	char used[UNITS_TEXT], full[UNITS_TEXT], size[UNITS_TEXT];
	bool is_first = true;

	for (unsigned i = 0; i < view->nr_objects; i++) {
		const struct top_object *object = &view->objects[i];
		const struct hnuma_scratch_stats *stats = &object->scratch;
		struct row row = {.nr = 0};

		if (object->object.kind != HNUMA_OBJECT_SCRATCH || !object->has_stats)
			continue;
		if (is_first)
			head(page, names, 6, widths);
		is_first = false;
		cell(&row, "%s", object->object.owner ? "manager" : "own");
		cell(&row, "%" PRIu64, stats->active_spaces);
		cell(&row, "%" PRIu64, stats->max_spaces);
		cell(&row, "%s", units_size(used, stats->total_used));
		cell(&row, "%s", units_size(full, stats->max_space_usage));
		cell(&row, "%s", units_size(size, stats->space_size));
		put_row(page, &row, widths, false);
	}
}

void top_draw(FILE *stream, const struct top_view *view, const struct top_view *before,
	      unsigned columns, bool bold)
{
	const struct page page = {.stream = stream, .columns = columns, .bold = bold};

	line(&page, "%d %s, hugenuma %s", view->pid, view->command, view->version);
	draw_nodes(&page, view);
	draw_regions(&page, view);
	draw_pools(&page, view, before);
	draw_arenas(&page, view);
	draw_scratches(&page, view);
	if (view->nr_unlisted)
		line(&page, "%u objects are not shown: there was no room to list them",
		     view->nr_unlisted);
}

void top_draw_processes(FILE *stream, const struct top_process *processes, int nr, unsigned columns)
{
	const struct page page = {.stream = stream, .columns = columns};
	static const char *const names[] = {"PID", "memory", "objects", "version", "command"};
	static const int widths[] = {8, 10, 7, 8, 15};
	char size[UNITS_TEXT];

	head(&page, names, 5, widths);
	for (int i = 0; i < nr; i++) {
		struct row row = {.nr = 0};

		cell(&row, "%d", processes[i].pid);
		cell(&row, "%s", units_size(size, processes[i].bytes));
		cell(&row, "%u", processes[i].nr_objects);
		cell(&row, "%s", processes[i].version);
		cell(&row, "%s", processes[i].command);
		put_row(&page, &row, widths, false);
	}
}
