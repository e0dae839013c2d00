/* SPDX-License-Identifier: MIT */
/*
 * tools/map.c - `hugenuma map PID`: the machine, with a process's regions on the nodes where their pages
 * lie; as text, as JSON, and as hwloc's XML, which lstopo draws. Calls <hugenuma.h>, jansson and libc.
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/cli.h"
#include "tools/survey.h"
#include "tools/units.h"
#include "tools/unseen.h"

#define COMMAND "map"

enum format { FORMAT_TEXT, FORMAT_JSON, FORMAT_XML };

static void print_help(void)
{
	puts("Usage: hugenuma map [OPTION]... PID\n"
	     "Show the machine with a process's regions on the nodes where their pages lie.\n\n"
	     "  -x, --xml          hwloc's XML, the regions as Misc objects, to be drawn:\n"
	     "                     hugenuma map --xml PID | lstopo --if xml -i - picture.svg\n"
	     "  -j, --json         report for programs\n"
	     "  -o, --output FILE  write there, not to the standard output\n"
	     "  -h, --help         print this and exit\n\n"
	     "Exit: 0 done; 2 bad option, no such process, not ours, or it cannot be written.\n"
	     "Whether all is as promised is for hugenuma verify to say.");
}

/* "pool: 64 of 64 pages of 2 MB" */
static void describe(const struct hnuma_survey *survey, unsigned index, int node, char *text,
		     size_t size)
{
	struct hnuma_survey_region region;
	char page[UNITS_TEXT], pages[UNITS_TEXT], bytes[UNITS_TEXT], asked[16];
	uint64_t here = hnuma_survey_pages_on(survey, index, node);

	if (hnuma_survey_region(survey, index, &region))
		memset(&region, 0, sizeof(region));
	snprintf(text, size, "%s: %s in %s page%s of %s%s%s%s", region.name,
		 units_size(bytes, here * region.placement.page_size), units_count(pages, here),
		 here == 1 ? "" : "s", units_size(page, region.placement.page_size),
		 region.node == node ? "" : " (",
		 region.node == node ? "" : survey_asked(&region, asked),
		 region.node == node ? "" : ")");
}

static uint64_t count_unknown(const struct hnuma_survey *survey)
{
	struct hnuma_survey_region region;
	uint64_t unknown = 0;
	unsigned i;

	for (i = 0; hnuma_survey_region(survey, i, &region) == 0; i++)
		unknown += region.placement.pages_unknown;
	return unknown;
}

static int print_text(const struct hnuma_topology *topology, const struct hnuma_survey *survey,
		      const struct unseen *unseen, int pid)
{
	unsigned i, j, nr = hnuma_survey_nr_regions(survey);
	uint64_t unknown = count_unknown(survey);
	struct hnuma_node_info node;
	char text[160], bytes[UNITS_TEXT], cpus[100];

	printf("Process %d: %u region%s\n", pid, nr, nr == 1 ? "" : "s");
	for (i = 0; hnuma_topology_node_info(topology, i, &node) == 0; i++) {
		bool is_empty = true;

		cli_list_cpus(topology, node.node, cpus, sizeof(cpus));
		cli_print(CLI_BOLD, "node %d", node.node);
		printf("  %s, CPUs %s\n",
		       node.memory_bytes ? units_size(bytes, node.memory_bytes) : "no memory",
		       strcmp(cpus, "-") ? cpus : "none");
		for (j = 0; j < nr; j++) {
			if (!hnuma_survey_pages_on(survey, j, node.node))
				continue;
			describe(survey, j, node.node, text, sizeof(text));
			printf("  +- %s\n", text);
			is_empty = false;
		}
		if (is_empty)
			puts("  +- nothing");
	}
	if (unknown)
		printf("Of %s pages the kernel does not tell where they lie.\n",
		       units_count(bytes, unknown));
	unseen_print(unseen);
	return COMMAND_OK;
}

static int print_json(const struct hnuma_topology *topology, const struct hnuma_survey *survey,
		      const struct unseen *unseen, int pid)
{
	json_t *root = cli_report(COMMAND), *nodes = json_array(), *regions = json_array();
	unsigned i, j, nr = hnuma_survey_nr_regions(survey);
	struct hnuma_node_info node;

	json_object_set_new(root, "pid", json_integer(pid));
	for (i = 0; hnuma_topology_node_info(topology, i, &node) == 0; i++) {
		json_t *object = json_object(), *here = json_array();

		json_object_set_new(object, "node", json_integer(node.node));
		json_object_set_new(object, "memory_bytes", cli_count(node.memory_bytes));
		for (j = 0; j < nr; j++) {
			struct hnuma_survey_region region;
			uint64_t pages = hnuma_survey_pages_on(survey, j, node.node);
			json_t *part;

			if (!pages || hnuma_survey_region(survey, j, &region))
				continue;
			part = json_object();
			json_object_set_new(part, "region", json_integer(j));
			json_object_set_new(part, "name", json_string(region.name));
			json_object_set_new(part, "pages", cli_count(pages));
			json_object_set_new(part, "bytes",
					    cli_count(pages * region.placement.page_size));
			json_array_append_new(here, part);
		}
		json_object_set_new(object, "regions", here);
		json_array_append_new(nodes, object);
	}
	json_object_set_new(root, "nodes", nodes);
	for (i = 0; i < nr; i++)
		json_array_append_new(regions, survey_json(survey, i));
	json_object_set_new(root, "regions", regions);
	json_object_set_new(root, "regions_without_name", unseen_json(unseen));
	return cli_print_json(COMMAND, root, false, COMMAND_OK);
}

static int print_xml(const struct hnuma_topology *topology, const struct hnuma_survey *survey)
{
	unsigned nr_nodes = hnuma_topology_nr_nodes(topology);
	unsigned nr = hnuma_survey_nr_regions(survey), i, j, used = 0;
	struct hnuma_annotation *notes = calloc((size_t)nr_nodes * nr + 1, sizeof(*notes));
	char(*texts)[160] = calloc((size_t)nr_nodes * nr + 1, sizeof(*texts));
	struct hnuma_node_info node;
	int code = COMMAND_OK;

	if (!notes || !texts) {
		code = cli_complain(COMMAND, COMMAND_FAILED, "no memory for the notes");
		goto free_all;
	}
	for (i = 0; hnuma_topology_node_info(topology, i, &node) == 0; i++) {
		for (j = 0; j < nr; j++) {
			if (!hnuma_survey_pages_on(survey, j, node.node))
				continue;
			describe(survey, j, node.node, texts[used], sizeof(texts[used]));
			notes[used] = (struct hnuma_annotation){node.node, texts[used]};
			used++;
		}
	}
	if (hnuma_topology_export(topology, stdout, notes, used) && !ferror(stdout))
		code = cli_complain(COMMAND, COMMAND_FAILED, "%s", hnuma_errormsg());
free_all:
	free(texts);
	free(notes);
	return code;
}

static int map(int pid, enum format format, const char *output)
{
	struct hnuma_topology *topology;
	struct hnuma_survey *survey;
	struct unseen unseen = {.nr = 0};
	int code = survey_open(COMMAND, pid, &survey);

	if (code)
		return code;
	/* The drawing has nothing of them. */
	if (format != FORMAT_XML)
		unseen_find(&unseen, pid, survey);
	code = cli_open_topology(COMMAND, NULL, &topology);
	if (code)
		goto destroy_survey;
	if (!hnuma_topology_is_this_system(topology)) {
		code = cli_complain(
			COMMAND, COMMAND_BAD_INPUT,
			"hwloc's environment describes another machine, where process %d "
			"does not run: unset it",
			pid);
		goto destroy_topology;
	}
	if (output && !freopen(output, "w", stdout)) {
		code = cli_complain(COMMAND, COMMAND_BAD_INPUT, "cannot write %s: %s", output,
				    strerror(errno));
		goto destroy_topology;
	}
	if (format == FORMAT_XML)
		code = print_xml(topology, survey);
	else if (format == FORMAT_JSON)
		code = print_json(topology, survey, &unseen, pid);
	else
		code = print_text(topology, survey, &unseen, pid);
	if (!code)
		code = cli_finish(COMMAND, code);
destroy_topology:
	hnuma_topology_destroy(topology);
destroy_survey:
	unseen_free(&unseen);
	hnuma_survey_destroy(survey);
	return code;
}

int map_main(int argc, char **argv)
{
	static const struct option options[] = {
		{"xml", no_argument, NULL, 'x'},
		{"json", no_argument, NULL, 'j'},
		{"output", required_argument, NULL, 'o'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	enum format format = FORMAT_TEXT;
	const char *output = NULL;
	int option, pid, error;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":xjo:h", options, NULL)) != -1) {
		switch (option) {
		case 'x':
			format = FORMAT_XML;
			break;
		case 'j':
			format = FORMAT_JSON;
			break;
		case 'o':
			output = optarg;
			break;
		case 'h':
			print_help();
			return cli_finish(COMMAND, COMMAND_OK);
		default:
			return cli_bad_option(COMMAND, option, argv);
		}
	}
	if (optind == argc)
		return cli_complain(COMMAND, COMMAND_BAD_INPUT,
				    "the number of a process is missing");
	if (argc - optind > 1)
		return cli_complain(COMMAND, COMMAND_BAD_INPUT,
				    "one process at a time: \"%s\" is too much", argv[optind + 1]);
	error = cli_read_pid(COMMAND, argv[optind], &pid);
	return error ? error : map(pid, format, output);
}
