/* SPDX-License-Identifier: MIT */
/*
 * tools/plan.c - `hugenuma plan`: does a configuration fit a machine, and what makes it fit? Calls
 * <hugenuma.h>, jansson and libc.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cli.h"
#include "tools/plan.h"
#include "tools/units.h"

#define COMMAND "plan"

/* What stands in the way: for people, and for programs. */
static const struct {
	const char *words;
	const char *key;
} limits[] = {
	[HNUMA_LIMIT_NONE] = {"-", NULL},
	[HNUMA_LIMIT_NODE_PAGES] = {"too few free pages", "node_pages"},
	[HNUMA_LIMIT_RESERVED] = {"pages promised to others", "reserved"},
	[HNUMA_LIMIT_CGROUP] = {"control group", "cgroup"},
	[HNUMA_LIMIT_CGROUP_RESERVED] = {"control group (reservations)", "cgroup_reservations"},
	[HNUMA_LIMIT_CGROUP_MEMORY] = {"control group (memory)", "cgroup_memory"},
};

#define TOO_LARGE_WORDS "the node's memory"
#define TOO_LARGE_KEY	"node_memory"

/* Whose sizes are planned where no model is named? */
static const char *sizes_of(const struct plan_options *options)
{
	bool has_any = options->arena_bytes || options->pool_bytes || options->scratch_bytes ||
		       options->spaces;

	if (options->ranks > 1)
		return has_any ? "sizes as given" : "the library's default sizes";
	return has_any ? "Sizes as given" : "The library's default sizes";
}

static void print_what(const struct plan_options *options, const struct hnuma_topology *topology)
{
	const char *machine =
		hnuma_topology_is_this_system(topology) ? "this machine" : "another machine";
	char requests[UNITS_TEXT], context[UNITS_TEXT], batch[UNITS_TEXT], ranks[UNITS_TEXT];

	if (options->ranks > 1)
		cli_print(CLI_BOLD, "%s ranks, each: ", units_count(ranks, options->ranks));
	if (!options->model)
		cli_print(CLI_BOLD, "%s, on %s\n", sizes_of(options), machine);
	else if (options->trace)
		cli_print(CLI_BOLD,
			  "%s, batch %s, percentile %g of %s requests in a row of %s, on %s\n",
			  options->model->name, units_count(batch, options->batch),
			  options->percentile, units_count(requests, options->requests),
			  options->trace, machine);
	else
		cli_print(CLI_BOLD, "%s, batch %s, %s requests of %s tokens on each node, on %s\n",
			  options->model->name, units_count(batch, options->batch),
			  units_count(requests, options->requests),
			  units_count(context, options->context), machine);
}

static void add_count(struct cli_table *table, enum cli_colour colour, uint64_t count)
{
	char text[UNITS_TEXT];

	cli_table_add(table, colour, "%s", units_count(text, count));
}

static void add_size(struct cli_table *table, uint64_t size_bytes)
{
	char text[UNITS_TEXT];

	cli_table_add(table, CLI_PLAIN, "%s", units_size(text, size_bytes));
}

static void print_nodes(const struct hnuma_topology *topology, const struct hnuma_plan *plan)
{
	static const char *const heads[] = {"node",  "arena", "pool",	 "scratch",    "2 MB pages",
					    "total", "free",  "missing", "<refused by"};
	struct hnuma_plan_node node;
	struct cli_table table;
	unsigned i;

	cli_table_begin(&table, heads, 9);
	for (i = 0; hnuma_plan_node(plan, i, &node) == 0; i++) {
		bool too_large = plan_is_too_large(topology, &node);
		enum cli_colour colour = node.limit || too_large ? CLI_BAD : CLI_GOOD;

		cli_table_add(&table, CLI_PLAIN, "%d", node.node);
		add_size(&table, node.bytes_arena);
		add_size(&table, node.bytes_pool);
		add_size(&table, node.bytes_scratch);
		add_count(&table, CLI_PLAIN, node.pages_needed);
		add_count(&table, CLI_PLAIN, node.pages_total);
		add_count(&table, CLI_PLAIN, node.pages_free);
		add_count(&table, colour, node.pages_missing);
		cli_table_add(&table, colour, "%s",
			      too_large ? TOO_LARGE_WORDS : limits[node.limit].words);
	}
	cli_table_print(&table);
}

/* Nodes that the cpuset keeps out although they would serve. */
static void print_refused(const struct hnuma_topology *topology)
{
	struct hnuma_node_info node;
	unsigned i;

	for (i = 0; hnuma_topology_node_info(topology, i, &node) == 0; i++)
		if (!node.is_allowed && node.memory_bytes)
			printf("Node %d is left out: the cpuset (cpuset.mems) does not allow it.\n",
			       node.node);
}

static json_t *json_known(uint64_t value)
{
	return value ? cli_count(value) : json_null();
}

static json_t *json_config(const struct plan_options *options, const struct hnuma_config *config)
{
	json_t *object = json_object();
	bool has_model = options->model != NULL;

	json_object_set_new(object, "model",
			    has_model ? json_string(options->model->name) : json_null());
	json_object_set_new(object, "batch", has_model ? cli_count(options->batch) : json_null());
	json_object_set_new(object, "context",
			    has_model && !options->trace ? cli_count(options->context)
							 : json_null());
	json_object_set_new(object, "requests",
			    has_model ? cli_count(options->requests) : json_null());
	json_object_set_new(object, "trace",
			    options->trace ? json_string(options->trace) : json_null());
	json_object_set_new(object, "percentile",
			    options->trace ? json_real(options->percentile) : json_null());
	json_object_set_new(object, "arena_bytes", cli_count(config->arena_capacity));
	/* Where no size was given it follows from the number of blocks. */
	json_object_set_new(object, "pool_bytes", json_known(config->pool_bytes_per_node));
	json_object_set_new(object, "scratch_bytes", cli_count(config->scratch_size));
	json_object_set_new(object, "ranks", cli_count(options->ranks));
	return object;
}

static json_t *json_nodes(const struct hnuma_topology *topology, const struct hnuma_plan *plan)
{
	json_t *nodes = json_array();
	struct hnuma_plan_node node;
	unsigned i;

	for (i = 0; hnuma_plan_node(plan, i, &node) == 0; i++) {
		json_t *object = json_object();
		const char *key =
			plan_is_too_large(topology, &node) ? TOO_LARGE_KEY : limits[node.limit].key;

		json_object_set_new(object, "node", json_integer(node.node));
		json_object_set_new(object, "arena_bytes", cli_count(node.bytes_arena));
		json_object_set_new(object, "pool_bytes", cli_count(node.bytes_pool));
		json_object_set_new(object, "scratch_bytes", cli_count(node.bytes_scratch));
		json_object_set_new(object, "spaces", cli_count(node.nr_spaces));
		json_object_set_new(object, "pages_needed", cli_count(node.pages_needed));
		json_object_set_new(object, "pages_total", cli_count(node.pages_total));
		json_object_set_new(object, "pages_free", cli_count(node.pages_free));
		json_object_set_new(object, "pages_missing", cli_count(node.pages_missing));
		json_object_set_new(object, "limit", key ? json_string(key) : json_null());
		json_array_append_new(nodes, object);
	}
	return nodes;
}

static int report(const struct plan_options *options, const struct hnuma_config *config,
		  const struct hnuma_topology *topology, const struct hnuma_plan *plan)
{
	struct plan_advice advice;
	int code = plan_advice_collect(&advice, topology, plan);
	bool fits = hnuma_plan_fits(plan);
	json_t *root;

	if (code)
		return code;
	fits = fits && advice.is_possible;
	code = fits ? COMMAND_OK : COMMAND_FAILED;
	if (options->json) {
		root = cli_report(COMMAND);
		json_object_set_new(root, "fits", json_boolean(fits));
		json_object_set_new(root, "this_system",
				    json_boolean(hnuma_topology_is_this_system(topology)));
		json_object_set_new(root, "config", json_config(options, config));
		json_object_set_new(root, "pages_needed", cli_count(advice.total_pages));
		json_object_set_new(root, "nodes", json_nodes(topology, plan));
		plan_advice_json(&advice, root);
		code = cli_print_json(COMMAND, root, false, code);
	} else {
		print_what(options, topology);
		print_nodes(topology, plan);
		print_refused(topology);
		cli_print(fits ? CLI_GOOD : CLI_BAD, "%s\n",
			  fits ? "It fits." : "It does not fit.");
		plan_advice_print(&advice, fits);
		code = cli_finish(COMMAND, code);
	}
	plan_advice_free(&advice);
	return code;
}

int plan_main(int argc, char **argv)
{
	struct hnuma_topology *topology;
	struct plan_options options;
	struct hnuma_config config;
	struct hnuma_plan *plan;
	int code = plan_options_read(&options, argc, argv);

	if (code >= 0)
		return code;
	code = plan_size_work_out(&config, &options);
	if (code)
		return code;
	code = cli_open_topology(COMMAND, options.topology, &topology);
	if (code)
		return code;
	code = hnuma_plan_create_for_ranks(&plan, topology, &config, (unsigned)options.ranks);
	if (code) {
		code = cli_complain(COMMAND, code == -ENOMEM ? COMMAND_FAILED : COMMAND_BAD_INPUT,
				    "%s", hnuma_errormsg());
	} else {
		code = report(&options, &config, topology, plan);
		hnuma_plan_destroy(plan);
	}
	hnuma_topology_destroy(topology);
	return code;
}
