/* SPDX-License-Identifier: MIT */
/*
 * tools/topology.c - `hugenuma topology`: what the machine has. Calls <hugenuma.h>, jansson and libc.
 */
#include "config.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cli.h"
#include "tools/units.h"

#define COMMAND "topology"

/* Where distances of more nodes than this would be a wall of numbers, JSON has them. */
#define MOST_DISTANCES 24

static void print_help(void)
{
	puts("Usage: hugenuma topology [OPTION]...\n"
	     "Show the nodes: what they are, their memory, CPUs, distances, huge pages of each\n"
	     "size, and what the cpuset and the control group allow this process.\n\n"
	     "  -T, --topology WHAT  another machine: a file in hwloc's XML, a directory with\n"
	     "                       its /sys, or words such as \"pack:2 numa:1 pu:8\"\n"
	     "  -j, --json           report for programs\n"
	     "  -h, --help           print this and exit\n\n"
	     "Exit: 0 done; 2 bad option or topology, or it cannot be written.");
}

static const char *kind_name(const struct hnuma_node_info *node,
			     const struct hnuma_memory_info *memory)
{
	if (node->kind == HNUMA_NODE_KIND_EMPTY)
		return "empty";
	if (node->kind == HNUMA_NODE_KIND_NO_MEMORY)
		return "without memory";
	if (memory->kind == HNUMA_MEMORY_HIGH_BANDWIDTH)
		return "high-bandwidth";
	if (node->kind == HNUMA_NODE_KIND_NO_CPUS)
		return "without CPUs";
	/* What nobody describes is ordinary memory. */
	return memory->kind == HNUMA_MEMORY_OTHER ? "other" : "DRAM";
}

static void look(const struct hnuma_topology *topology, unsigned index,
		 struct hnuma_node_info *node, struct hnuma_memory_info *memory)
{
	if (hnuma_topology_node_info(topology, index, node))
		memset(node, 0, sizeof(*node));
	if (hnuma_topology_memory(topology, node->node, memory))
		memset(memory, 0, sizeof(*memory));
}

/* ---- JSON ---- */

static json_t *json_pages(const struct hnuma_topology *topology, int node)
{
	json_t *array = json_array();
	struct hnuma_hugepages pages;
	unsigned i;

	for (i = 0; hnuma_topology_hugepages(topology, node, i, &pages) == 0; i++) {
		json_t *size = json_object();

		json_object_set_new(size, "page_bytes", cli_count(pages.page_size));
		json_object_set_new(size, "total", cli_count(pages.total));
		json_object_set_new(size, "free", cli_count(pages.free));
		/* The kernel counts promises for the whole machine only. */
		json_object_set_new(size, "reserved",
				    node == HNUMA_NODE_NONE ? cli_count(pages.promised)
							    : json_null());
		json_object_set_new(size, "surplus", cli_count(pages.surplus));
		json_array_append_new(array, size);
	}
	return array;
}

static json_t *json_known(uint64_t value)
{
	return value ? cli_count(value) : json_null();
}

static json_t *json_node(const struct hnuma_topology *topology, unsigned index)
{
	json_t *object = json_object(), *cpus = json_array(), *distances = json_array();
	struct hnuma_memory_info memory;
	struct hnuma_node_info node, other;
	bool is_allowed;
	unsigned i;

	look(topology, index, &node, &memory);
	json_object_set_new(object, "node", json_integer(node.node));
	json_object_set_new(object, "kind", json_string(kind_name(&node, &memory)));
	json_object_set_new(object, "subtype",
			    *memory.subtype ? json_string(memory.subtype) : json_null());
	json_object_set_new(object, "memory_bytes", cli_count(node.memory_bytes));
	json_object_set_new(object, "allowed", json_boolean(node.is_allowed));
	for (i = 0; i < hnuma_topology_nr_cpus(topology); i++)
		if (hnuma_topology_home_of_cpu(topology, (int)i, &is_allowed) == node.node &&
		    is_allowed)
			json_array_append_new(cpus, json_integer(i));
	json_object_set_new(object, "cpus", cpus);
	for (i = 0; i < hnuma_topology_nr_nodes(topology); i++) {
		json_t *distance = json_object();

		if (hnuma_topology_node_info(topology, i, &other))
			continue;
		json_object_set_new(distance, "node", json_integer(other.node));
		json_object_set_new(
			distance, "distance",
			json_integer(hnuma_topology_distance(topology, node.node, other.node)));
		json_array_append_new(distances, distance);
	}
	json_object_set_new(object, "distances", distances);
	json_object_set_new(object, "bandwidth_mib_s", json_known(memory.bandwidth_mib_s));
	json_object_set_new(object, "latency_ns", json_known(memory.latency_ns));
	json_object_set_new(object, "hugepages", json_pages(topology, node.node));
	return object;
}

static json_t *json_limit(const struct hnuma_topology *topology, enum hnuma_limit which)
{
	struct hnuma_limit_info limit;
	json_t *object;

	if (hnuma_topology_limit(topology, which, &limit) || !limit.is_limited)
		return json_null();
	object = json_object();
	json_object_set_new(object, "limit_bytes", cli_count(limit.limit_bytes));
	json_object_set_new(object, "usage_bytes", cli_count(limit.usage_bytes));
	json_object_set_new(object, "file", json_string(limit.path));
	return object;
}

static int print_json(const struct hnuma_topology *topology)
{
	json_t *root = cli_report(COMMAND), *nodes = json_array(), *cgroup = json_object();
	unsigned i;

	json_object_set_new(root, "this_system",
			    json_boolean(hnuma_topology_is_this_system(topology)));
	json_object_set_new(root, "known", json_boolean(hnuma_topology_is_known(topology)));
	for (i = 0; i < hnuma_topology_nr_nodes(topology); i++)
		json_array_append_new(nodes, json_node(topology, i));
	json_object_set_new(root, "nodes", nodes);
	json_object_set_new(root, "hugepages", json_pages(topology, HNUMA_NODE_NONE));
	json_object_set_new(cgroup, "pages", json_limit(topology, HNUMA_LIMIT_CGROUP));
	json_object_set_new(cgroup, "reservations",
			    json_limit(topology, HNUMA_LIMIT_CGROUP_RESERVED));
	json_object_set_new(cgroup, "memory", json_limit(topology, HNUMA_LIMIT_CGROUP_MEMORY));
	json_object_set_new(root, "cgroup", cgroup);
	return cli_print_json(COMMAND, root, false, COMMAND_OK);
}

/* ---- Text ---- */

/* Add what there is, or a dash. */
static void add_known(struct cli_table *table, uint64_t value, const char *unit)
{
	char text[UNITS_TEXT];

	if (value)
		cli_table_add(table, CLI_PLAIN, "%s %s", units_count(text, value), unit);
	else
		cli_table_add(table, CLI_PLAIN, "-");
}

static void print_nodes(const struct hnuma_topology *topology)
{
	static const char *const heads[] = {"node",	"<kind",     "memory", "<CPUs",
					    "<allowed", "bandwidth", "latency"};
	struct hnuma_memory_info memory;
	struct hnuma_node_info node;
	char text[UNITS_TEXT], cpus[100];
	struct cli_table table;
	unsigned i;

	cli_table_begin(&table, heads, 7);
	for (i = 0; i < hnuma_topology_nr_nodes(topology); i++) {
		look(topology, i, &node, &memory);
		cli_list_cpus(topology, node.node, cpus, sizeof(cpus));
		cli_table_add(&table, CLI_PLAIN, "%d", node.node);
		cli_table_add(&table, CLI_PLAIN, "%s", kind_name(&node, &memory));
		cli_table_add(&table, CLI_PLAIN, "%s", units_size(text, node.memory_bytes));
		cli_table_add(&table, CLI_PLAIN, "%s", cpus);
		cli_table_add(&table, node.is_allowed ? CLI_PLAIN : CLI_BAD, "%s",
			      node.is_allowed ? "yes" : "no");
		add_known(&table, memory.bandwidth_mib_s, "MB/s");
		add_known(&table, memory.latency_ns, "ns");
	}
	cli_table_print(&table);
}

static void print_distances(const struct hnuma_topology *topology)
{
	const unsigned nr = hnuma_topology_nr_nodes(topology);
	char words[MOST_DISTANCES][16];
	const char *heads[MOST_DISTANCES + 1] = {"from \\ to"};
	int numbers[MOST_DISTANCES];
	struct hnuma_node_info node;
	struct cli_table table;
	unsigned i, j;

	if (nr > MOST_DISTANCES) {
		printf("\nDistances of %u nodes: see --json.\n", nr);
		return;
	}
	if (nr < 2)
		return;
	for (i = 0; i < nr; i++) {
		numbers[i] = hnuma_topology_node_info(topology, i, &node) ? 0 : node.node;
		snprintf(words[i], sizeof(words[i]), "%d", numbers[i]);
		heads[i + 1] = words[i];
	}
	puts("\nDistances (10 is local)");
	cli_table_begin(&table, heads, nr + 1);
	for (i = 0; i < nr; i++) {
		cli_table_add(&table, CLI_PLAIN, "%d", numbers[i]);
		for (j = 0; j < nr; j++)
			cli_table_add(&table, CLI_PLAIN, "%d",
				      hnuma_topology_distance(topology, numbers[i], numbers[j]));
	}
	cli_table_print(&table);
}

static void add_pages(struct cli_table *table, const struct hnuma_topology *topology, int number)
{
	struct hnuma_hugepages pages;
	char text[UNITS_TEXT];
	unsigned i;

	for (i = 0; hnuma_topology_hugepages(topology, number, i, &pages) == 0; i++) {
		if (number == HNUMA_NODE_NONE)
			cli_table_add(table, CLI_PLAIN, "all");
		else
			cli_table_add(table, CLI_PLAIN, "%d", number);
		cli_table_add(table, CLI_PLAIN, "%s", units_size(text, pages.page_size));
		cli_table_add(table, CLI_PLAIN, "%s", units_count(text, pages.total));
		cli_table_add(table, CLI_PLAIN, "%s", units_count(text, pages.free));
		if (number == HNUMA_NODE_NONE)
			cli_table_add(table, CLI_PLAIN, "%s", units_count(text, pages.promised));
		else
			cli_table_add(table, CLI_PLAIN, "-");
		cli_table_add(table, CLI_PLAIN, "%s", units_count(text, pages.surplus));
	}
}

static void print_pages(const struct hnuma_topology *topology)
{
	static const char *const heads[] = {"node", "page", "total", "free", "reserved", "surplus"};
	struct hnuma_node_info node;
	struct cli_table table;
	unsigned i;

	cli_table_begin(&table, heads, 6);
	for (i = 0; i < hnuma_topology_nr_nodes(topology); i++)
		if (hnuma_topology_node_info(topology, i, &node) == 0)
			add_pages(&table, topology, node.node);
	add_pages(&table, topology, HNUMA_NODE_NONE);
	puts(table.nr ? "\nHuge pages" : "\nHuge pages: none");
	if (table.nr)
		cli_table_print(&table);
}

static void print_limit(const struct hnuma_topology *topology, enum hnuma_limit which,
			const char *what)
{
	struct hnuma_limit_info limit;
	char most[UNITS_TEXT], used[UNITS_TEXT] = "0 bytes";

	if (hnuma_topology_limit(topology, which, &limit)) {
		printf("Limit on huge pages %s: not known (%s)\n", what, hnuma_errormsg());
		return;
	}
	if (!limit.is_limited) {
		printf("Limit on huge pages %s: none\n", what);
		return;
	}
	if (limit.usage_bytes)
		units_size(used, limit.usage_bytes);
	printf("Limit on huge pages %s: %s of %s in use (%s)\n", what, used,
	       limit.limit_bytes ? units_size(most, limit.limit_bytes) : "0 bytes", limit.path);
}

static int print_text(const struct hnuma_topology *topology)
{
	unsigned nr = hnuma_topology_nr_nodes(topology);

	cli_print(CLI_BOLD, "%s, %u node%s\n",
		  hnuma_topology_is_this_system(topology) ? "This machine" : "Another machine", nr,
		  nr == 1 ? "" : "s");
	if (!hnuma_topology_is_known(topology))
		puts("It does not tell its topology: one node is assumed, and nothing is bound.");
	print_nodes(topology);
	print_distances(topology);
	print_pages(topology);
	if (hnuma_topology_is_this_system(topology)) {
		putchar('\n');
		print_limit(topology, HNUMA_LIMIT_CGROUP, "in memory");
		print_limit(topology, HNUMA_LIMIT_CGROUP_RESERVED, "promised");
		print_limit(topology, HNUMA_LIMIT_CGROUP_MEMORY, "with other memory");
	}
	return cli_finish(COMMAND, COMMAND_OK);
}

int topology_main(int argc, char **argv)
{
	static const struct option options[] = {
		{"topology", required_argument, NULL, 'T'},
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	const char *description = NULL;
	struct hnuma_topology *topology;
	bool json = false;
	int option, code;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":T:jh", options, NULL)) != -1) {
		switch (option) {
		case 'T':
			description = optarg;
			break;
		case 'j':
			json = true;
			break;
		case 'h':
			print_help();
			return cli_finish(COMMAND, COMMAND_OK);
		default:
			return cli_bad_option(COMMAND, option, argv);
		}
	}
	if (optind < argc)
		return cli_complain(COMMAND, COMMAND_BAD_INPUT,
				    "\"%s\" is no option; another machine is named with --topology",
				    argv[optind]);
	code = cli_open_topology(COMMAND, description, &topology);
	if (code)
		return code;
	code = json ? print_json(topology) : print_text(topology);
	hnuma_topology_destroy(topology);
	return code;
}
