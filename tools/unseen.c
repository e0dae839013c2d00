/* SPDX-License-Identifier: MIT */
/*
 * tools/unseen.c - regions that a process has, and that a survey cannot find. Calls <hugenuma.h>,
 * jansson and libc.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cli.h"
#include "tools/units.h"
#include "tools/unseen.h"

static bool is_found(const struct hnuma_survey *survey, uint64_t address)
{
	struct hnuma_survey_region region;

	for (unsigned i = 0; hnuma_survey_region(survey, i, &region) == 0; i++)
		if (address - region.address < region.size_bytes)
			return true;
	return false;
}

static int add(struct unseen *unseen, const struct hnuma_object *object)
{
	void *regions = realloc(unseen->regions, (unseen->nr + 1) * sizeof(*unseen->regions));

	if (!regions)
		return -ENOMEM;
	unseen->regions = regions;
	unseen->regions[unseen->nr++] = *object;
	return 0;
}

static int find(struct unseen *unseen, int pid, const struct hnuma_survey *survey)
{
	struct hnuma_object object = {.id = 0};
	struct hnuma_observer *observer;
	int result = hnuma_observer_open(&observer, pid);

	if (result)
		return result;
	while ((result = hnuma_observer_next(observer, &object)) > 0) {
		if (object.kind != HNUMA_OBJECT_REGION || is_found(survey, object.base))
			continue;
		result = add(unseen, &object);
		if (result)
			break;
	}
	hnuma_observer_close(observer);
	return result;
}

void unseen_find(struct unseen *unseen, int pid, const struct hnuma_survey *survey)
{
	int error;

	memset(unseen, 0, sizeof(*unseen));
	error = find(unseen, pid, survey);
	/* No list, no regions. */
	if (!error || error == -ENOENT)
		return;
	snprintf(unseen->why, sizeof(unseen->why), "%s",
		 error == -ENOMEM ? "no memory is left" : hnuma_errormsg());
}

void unseen_free(struct unseen *unseen)
{
	free(unseen->regions);
	unseen->regions = NULL;
}

/* "node 1", "nodes 0,2" */
static void describe_nodes(const struct hnuma_nodeset *nodes, char *text, size_t size)
{
	const char *before = " ";
	unsigned nr = 0;
	size_t used;

	for (int node = 0; node < HNUMA_MAX_NODES; node++)
		nr += hnuma_nodeset_has(nodes, node);
	used = (size_t)snprintf(text, size, nr == 1 ? "node" : "nodes");
	for (int node = 0; node < HNUMA_MAX_NODES && used < size; node++)
		if (hnuma_nodeset_has(nodes, node)) {
			used += (size_t)snprintf(text + used, size - used, "%s%d", before, node);
			before = ",";
		}
}

void unseen_print(const struct unseen *unseen)
{
	static const char *const heads[] = {"<region", "<expected on", "size", "<pages were",
					    "<address"};
	char size[UNITS_TEXT], page[UNITS_TEXT], nodes[64];
	struct cli_table table;

	if (unseen->why[0])
		printf("Whether it has regions without a name is not known: %s.\n", unseen->why);
	if (unseen->nr == 0)
		return;
	puts("Not looked at, as their mappings bear no name of hugenuma:");
	cli_table_begin(&table, heads, 5);
	for (unsigned i = 0; i < unseen->nr; i++) {
		const struct hnuma_object *region = &unseen->regions[i];

		describe_nodes(&region->nodes, nodes, sizeof(nodes));
		cli_table_add(&table, CLI_PLAIN, "%s", region->name);
		cli_table_add(&table, CLI_PLAIN, "%s", nodes);
		cli_table_add(&table, CLI_PLAIN, "%s", units_size(size, region->size));
		cli_table_add(&table, CLI_PLAIN, "%s %s", units_size(page, region->page_size),
			      hnuma_backing_name(region->backing));
		cli_table_add(&table, CLI_PLAIN, "0x%" PRIx64, region->base);
	}
	cli_table_print(&table);
}

json_t *unseen_json(const struct unseen *unseen)
{
	json_t *array;

	if (unseen->why[0])
		return json_null();
	array = json_array();
	for (unsigned i = 0; i < unseen->nr; i++) {
		const struct hnuma_object *region = &unseen->regions[i];
		json_t *object = json_object();
		char address[24];

		snprintf(address, sizeof(address), "0x%" PRIx64, region->base);
		json_object_set_new(object, "name", json_string(region->name));
		json_object_set_new(object, "nodes", cli_nodes(&region->nodes));
		json_object_set_new(object, "address", json_string(address));
		json_object_set_new(object, "bytes", cli_count(region->size));
		json_object_set_new(object, "backing",
				    json_string(hnuma_backing_name(region->backing)));
		json_object_set_new(object, "page_bytes", cli_count(region->page_size));
		json_array_append_new(array, object);
	}
	return array;
}
