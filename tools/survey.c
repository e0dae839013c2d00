/* SPDX-License-Identifier: MIT */
/*
 * tools/survey.c - the regions of a process, for `verify` and `map`. Calls <hugenuma.h>, jansson and
 * libc.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>

#include "tools/cli.h"
#include "tools/survey.h"

int survey_open(const char *command, int pid, struct hnuma_survey **survey)
{
	switch (hnuma_survey_create(survey, pid)) {
	case 0:
		return 0;
	case -EINVAL:
	case -ESRCH:
	case -EACCES:
	case -EPERM:
		return cli_complain(command, COMMAND_BAD_INPUT, "%s", hnuma_errormsg());
	default:
		return cli_complain(command, COMMAND_FAILED, "%s", hnuma_errormsg());
	}
}

const char *survey_asked(const struct hnuma_survey_region *region, char text[16])
{
	if (region->is_interleaved)
		return "interleaved";
	if (region->node == HNUMA_NODE_NONE)
		return "unbound";
	snprintf(text, 16, "node %d", region->node);
	return text;
}

json_t *survey_json(const struct hnuma_survey *survey, unsigned index)
{
	json_t *object = json_object(), *nodes = json_array();
	struct hnuma_survey_region region;
	char asked[16], address[24];
	int node;

	if (hnuma_survey_region(survey, index, &region))
		return object;
	snprintf(address, sizeof(address), "0x%" PRIx64, region.address);
	json_object_set_new(object, "name", json_string(region.name));
	json_object_set_new(object, "asked", json_string(survey_asked(&region, asked)));
	json_object_set_new(object, "node",
			    region.node == HNUMA_NODE_NONE ? json_null()
							   : json_integer(region.node));
	json_object_set_new(object, "address", json_string(address));
	json_object_set_new(object, "bytes", cli_count(region.size_bytes));
	json_object_set_new(object, "backing", json_string(hnuma_backing_name(region.backing)));
	json_object_set_new(object, "page_bytes", cli_count(region.placement.page_size));
	json_object_set_new(object, "pages", cli_count(region.placement.pages_total));
	json_object_set_new(object, "pages_there", cli_count(region.placement.pages_here));
	json_object_set_new(object, "pages_elsewhere", cli_count(region.placement.pages_elsewhere));
	json_object_set_new(object, "pages_unknown", cli_count(region.placement.pages_unknown));
	for (node = 0; node < HNUMA_MAX_NODES; node++) {
		uint64_t pages = hnuma_survey_pages_on(survey, index, node);
		json_t *on;

		if (!pages)
			continue;
		on = json_object();
		json_object_set_new(on, "node", json_integer(node));
		json_object_set_new(on, "pages", cli_count(pages));
		json_array_append_new(nodes, on);
	}
	json_object_set_new(object, "nodes", nodes);
	return object;
}
