/* SPDX-License-Identifier: MIT */
/*
 * tools/top_json.c - a look at a process as JSON. Calls jansson and libc.
 */
#include "config.h"

#include <jansson.h>

#include "tools/cli.h"
#include "tools/top.h"

static json_t *ratio(uint64_t part, uint64_t whole)
{
	return json_real(whole ? (double)part / (double)whole : 0.0);
}

static json_t *node_number(int node)
{
	return node < 0 ? json_null() : json_integer(node);
}

static json_t *json_nodes(const struct top_view *view)
{
	json_t *array = json_array();

	for (unsigned i = 0; i < view->nr_nodes; i++) {
		const struct hnuma_node_info *node = &view->nodes[i];

		json_array_append_new(array,
				      json_pack("{s:i, s:o, s:o, s:o}", "node", node->node,
						"memory_bytes", cli_count(node->memory_bytes),
						"hugepages_total", cli_count(node->hugepages_total),
						"hugepages_free", cli_count(node->hugepages_free)));
	}
	return array;
}

static json_t *json_region(const struct hnuma_object *object)
{
	return json_pack("{s:o, s:s, s:o, s:o, s:o, s:s, s:o}", "id", cli_count(object->id), "name",
			 object->name, "node", node_number(object->node), "nodes",
			 cli_nodes(&object->nodes), "bytes", cli_count(object->size), "backing",
			 hnuma_backing_name(object->backing), "page_bytes",
			 cli_count(object->page_size));
}

static json_t *json_arena(const struct top_object *object)
{
	const struct hnuma_arena_stats *stats = &object->arena;

	return json_pack(
		"{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id", cli_count(object->object.id),
		"owner", cli_count(object->object.owner), "node", node_number(object->object.node),
		"capacity", cli_count(stats->capacity), "used", cli_count(stats->used), "remaining",
		cli_count(stats->remaining), "high_water_mark", cli_count(stats->high_water_mark),
		"allocation_count", cli_count(stats->allocation_count));
}

static json_t *json_class(const struct top_class *class)
{
	const struct hnuma_pool_class_stats *stats = &class->stats;
	json_t *object = json_pack(
		"{s:i, s:o, s:o, s:o, s:o, s:o, s:o}", "node", class->node, "block_bytes",
		cli_count(hnuma_class_size(class->class_index)), "in_use", cli_count(stats->in_use),
		"free", cli_count(stats->free_buffers), "cached", cli_count(stats->cached_buffers),
		"total", cli_count(stats->total), "high_water_mark",
		cli_count(stats->high_water_mark));

	json_object_set_new(object, "hits", cli_count(stats->hits));
	json_object_set_new(object, "misses", cli_count(stats->misses));
	json_object_set_new(object, "hit_rate", ratio(stats->hits, stats->hits + stats->misses));
	json_object_set_new(object, "returns", cli_count(stats->returns));
	json_object_set_new(object, "drops", cli_count(stats->drops));
	json_object_set_new(object, "failures", cli_count(stats->failures));
	json_object_set_new(object, "lost", cli_count(stats->lost_buffers));
	json_object_set_new(object, "overwritten", cli_count(stats->overwritten));
	return object;
}

static json_t *json_pool(const struct top_object *object)
{
	json_t *classes = json_array();

	for (unsigned i = 0; i < object->nr_classes; i++)
		json_array_append_new(classes, json_class(&object->classes[i]));
	return json_pack("{s:o, s:o, s:o}", "id", cli_count(object->object.id), "owner",
			 cli_count(object->object.owner), "classes", classes);
}

static json_t *json_scratch(const struct top_object *object)
{
	const struct hnuma_scratch_stats *stats = &object->scratch;

	return json_pack(
		"{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id", cli_count(object->object.id),
		"owner", cli_count(object->object.owner), "space_size",
		cli_count(stats->space_size), "active_spaces", cli_count(stats->active_spaces),
		"max_spaces", cli_count(stats->max_spaces), "total_allocated",
		cli_count(stats->total_allocated), "total_used", cli_count(stats->total_used),
		"max_space_usage", cli_count(stats->max_space_usage));
}

static json_t *json_manager(const struct hnuma_object *object)
{
	return json_pack("{s:o, s:o}", "id", cli_count(object->id), "nodes",
			 cli_nodes(&object->nodes));
}

/* One object of a kind; NULL when it was gone before it could be read. */
static json_t *json_one(const struct top_object *object)
{
	if (!object->has_stats)
		return NULL;
	switch (object->object.kind) {
	case HNUMA_OBJECT_REGION:
		return json_region(&object->object);
	case HNUMA_OBJECT_ARENA:
		return json_arena(object);
	case HNUMA_OBJECT_POOL:
		return json_pool(object);
	case HNUMA_OBJECT_SCRATCH:
		return json_scratch(object);
	case HNUMA_OBJECT_MANAGER:
		return json_manager(&object->object);
	}
	return NULL;
}

static json_t *json_kind(const struct top_view *view, enum hnuma_object_kind kind)
{
	json_t *array = json_array();

	for (unsigned i = 0; i < view->nr_objects; i++) {
		json_t *one =
			view->objects[i].object.kind == kind ? json_one(&view->objects[i]) : NULL;

		if (one)
			json_array_append_new(array, one);
	}
	return array;
}

json_t *top_json(const struct top_view *view)
{
	json_t *root = json_pack("{s:s, s:s, s:i, s:s, s:o}", "command", "top", "hugenuma",
				 view->version, "pid", view->pid, "process", view->command,
				 "unlisted", cli_count(view->nr_unlisted));

	json_object_set_new(root, "nodes", json_nodes(view));
	json_object_set_new(root, "regions", json_kind(view, HNUMA_OBJECT_REGION));
	json_object_set_new(root, "pools", json_kind(view, HNUMA_OBJECT_POOL));
	json_object_set_new(root, "arenas", json_kind(view, HNUMA_OBJECT_ARENA));
	json_object_set_new(root, "scratches", json_kind(view, HNUMA_OBJECT_SCRATCH));
	json_object_set_new(root, "managers", json_kind(view, HNUMA_OBJECT_MANAGER));
	return root;
}

json_t *top_json_processes(const struct top_process *processes, int nr)
{
	json_t *array = json_array();

	for (int i = 0; i < nr; i++)
		json_array_append_new(array,
				      json_pack("{s:i, s:s, s:s, s:i, s:o}", "pid",
						processes[i].pid, "process", processes[i].command,
						"hugenuma", processes[i].version, "objects",
						(int)processes[i].nr_objects, "bytes",
						cli_count(processes[i].bytes)));
	return json_pack("{s:s, s:o}", "command", "top", "processes", array);
}
