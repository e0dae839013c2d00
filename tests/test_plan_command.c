/* SPDX-License-Identifier: MIT */
/*
 * tests/test_plan_command.c - `hugenuma plan` as a user runs it: sizes, models, traces, other machines,
 * bad input; and a plan that does not fit, made to fit by the very commands that were printed.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include <hugenuma.h>

#include "tests/check.h"
#include "tests/foreign.h"
#include "tests/hugetlb_group.h"
#include "tests/run_command.h"
#include "tools/model.h"

static void test_help(void)
{
	const char *at;
	unsigned lines = 0;

	command_run("plan --help");
	command_expect(command_outcome.code == 0 && strstr(command_outcome.out, "--percentile P") &&
			       !*command_outcome.err,
		       "help");
	for (at = command_outcome.out; *at; at = strchr(at, '\n') + 1, lines++)
		command_expect(strcspn(at, "\n") <= 80, "80 columns");
	command_expect(lines <= 24, "24 lines");
}

static void test_bad_options(void)
{
	static const char *const cases[][2] = {
		{"--no-such-thing", "there is no option --no-such-thing"},
		{"-x", "there is no option -x"},
		{"-jx", "there is no option -x"},
		{"--json=1", "--json takes no value"},
		{"llama-3-8b", "\"llama-3-8b\" is no option"},
		{"--model", "--model wants a value"},
		{"-m", "-m wants a value"},
		{"-m gpt-9", "\"gpt-9\" is no model"},
		{"--batch 0", "--batch is \"0\""},
		{"--context 1e3", "--context is \"1e3\""},
		{"--requests -1", "--requests is \"-1\""},
		{"--requests 1000001", "from 1 to 1,000,000"},
		{"--arena 16Q", "--arena is \"16Q\""},
		{"--pool 0", "--pool is \"0\""},
		{"--scratch -4K", "--scratch is \"-4K\""},
		{"--spaces many", "--spaces is \"many\""},
		{"--ranks 0", "--ranks is \"0\""},
		{"--pool 99999999T", "no size that memory can have"},
		{"--pool 8000T", "is too large"},
		{"-m llama-2-7b -r 1000000 -c 10000000", "too large"},
		{"--nodes 1-0", "--nodes is \"1-0\""},
		{"--nodes 0,", "--nodes is \"0,\""},
		{"--nodes x", "--nodes is \"x\""},
		{"--nodes 1023", "node 1023 does not exist"},
		{"--percentile 99", "give --trace"},
		{"--trace /no/such --percentile 0", "--percentile is \"0\""},
		{"--trace /no/such --percentile 101", "--percentile is \"101\""},
		{"--trace /no/such --percentile nan", "--percentile is \"nan\""},
		{"--trace /no/such --context 5", "give one of them"},
		{"--trace /no/such", "cannot open /no/such: No such file"},
		{"--trace /bin/sh", "/bin/sh:1:1: byte 0x7f is not text"},
		{"--topology /no/such.xml", "\"/no/such.xml\", which cannot be read"},
		{"--topology ''", "--topology is \"\""},
		{"--topology foo:3", "--topology is \"foo:3\", which hwloc cannot read"},
		{"--topology /bin/sh", "--topology is \"/bin/sh\""},
		{"--topology /tmp", "--topology is \"/tmp\""},
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		command_run("plan %s", cases[i][0]);
		command_complains(2, cases[i][1]);
	}
}

static json_int_t node_number(const json_t *root, size_t index, const char *key)
{
	const json_t *value =
		json_object_get(json_array_get(json_object_get(root, "nodes"), index), key);

	command_expect(json_is_integer(value), key);
	return json_integer_value(value);
}

static json_t *report_with(int code)
{
	json_t *root = command_report();

	command_expect(command_outcome.code == code, "the exit code");
	command_expect(!*command_outcome.err, "no word on standard error");
	command_expect(json_is_true(json_object_get(root, "fits")) == (code == 0), "fits");
	return root;
}

/* 16 tokens of a layer lie in 64 KB: 2 requests of 1,024 tokens are 2 * 64 blocks in 32 layers. */
static void test_model(void)
{
	const char *file = foreign_file("sparse.xml");
	json_t *root;

	command_run("plan -m llama-3-8b -b 2 -c 1024 -T %s --json", file);
	root = report_with(1);
	command_expect(command_number(root, "config", "pool_bytes") ==
			       (json_int_t)2 * 64 * 32 * 65536,
		       "the pool");
	command_expect(command_number(root, "config", "arena_bytes") ==
			       (json_int_t)16 * (4096 + 128256) * 2,
		       "the arena");
	command_expect(json_array_size(json_object_get(root, "nodes")) == 3, "three nodes");
	command_expect(node_number(root, 2, "node") == 252, "a gap in the numbers");
	command_expect(node_number(root, 0, "pages_missing") ==
			       node_number(root, 0, "pages_needed"),
		       "no page is there");
	json_decref(root);

	command_run("plan --model=llama-3-8b -b2 -c1020 -r4 -n 0,252 --topology %s --json", file);
	root = report_with(1);
	command_expect(command_number(root, "config", "pool_bytes") ==
			       (json_int_t)4 * 64 * 32 * 65536,
		       "twice the requests");
	command_expect(json_array_size(json_object_get(root, "nodes")) == 2, "two nodes");
	json_decref(root);

	command_run("plan --arena 64M --pool 0.25GiB --scratch 128KB --spaces 6 -T %s -j", file);
	root = report_with(1);
	command_expect(node_number(root, 0, "arena_bytes") == 64 << 20, "the arena as given");
	command_expect(node_number(root, 0, "pool_bytes") >= 256 << 20, "the pool as given");
	command_expect(node_number(root, 0, "spaces") == 2, "spaces are shared out");
	command_expect(json_is_null(json_object_get(json_object_get(root, "config"), "model")),
		       "no model");
	json_decref(root);
}

static json_int_t pool_for(const char *path, const char *more)
{
	json_t *root;
	json_int_t bytes;

	command_run("plan -m llama-3-8b -t %s -T %s %s -j", path, foreign_file("sparse.xml"), more);
	root = report_with(1);
	bytes = command_number(root, "config", "pool_bytes");
	json_decref(root);
	return bytes;
}

/* 99 requests of one block in a layer and one of ten, at the end. */
static void test_trace(void)
{
	const char *path = command_trace(99, 10, 6);
	const json_int_t block = (json_int_t)32 * 65536;
	FILE *file = fopen(path, "a");

	fprintf(file, "2023-11-16 18:17:03.9799600,100,60\n");
	fclose(file);
	command_expect(pool_for(path, "-r 1 -p 50") == 10 * block, "room for the largest");
	command_expect(pool_for(path, "-r 20 -p 50") == 20 * block, "the median of 20 in a row");
	command_expect(pool_for(path, "-r 20 -p 100") == 29 * block, "the most of 20 in a row");
	command_expect(pool_for(path, "-r 100") == 109 * block, "all of them");
	command_expect(pool_for(path, "-r 200") == 218 * block, "more than there are");
	unlink(path);
}

/* Recorded machines are answered, or refused in one line. */
static void test_machines(void)
{
	static const struct {
		const char *name;
		int code;
	} cases[] = {
		{"far-memory.xml", 1},	 {"memory-speed.xml", 1}, {"sparse.xml", 1},
		{"tiers.xml", 1},	 {"no-cpu.xml", 2},	  {"no-node.xml", 2},
		{"large-number.xml", 2}, {"newer.xml", 2},	  {"cpus-without-node.xml", 1},
	};
	json_t *root;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		command_run("plan -j -T %s", foreign_file(cases[i].name));
		if (cases[i].code == 2) {
			command_complains(2, "--topology");
			continue;
		}
		root = report_with(cases[i].code);
		command_expect(json_is_false(json_object_get(root, "this_system")), "another");
		json_decref(root);
	}
	command_run("plan -T pu:2 --pool 64M");
	command_expect(command_outcome.code == 1 && strstr(command_outcome.out, "does not fit"),
		       "hwloc's words");
	/* Node 0 has 1 GB in all. */
	command_run("plan -T %s -n 0 --pool 2G -j", foreign_file("sparse.xml"));
	root = report_with(1);
	command_expect(
		strcmp(command_text(json_array_get(json_object_get(root, "nodes"), 0), "limit"),
		       "node_memory") == 0,
		"more than the node has");
	command_expect(
		json_is_false(json_object_get(json_object_get(root, "commands"), "possible")),
		"no command helps");
	json_decref(root);
	command_run("plan -T %s -n 0 --pool 2G", foreign_file("sparse.xml"));
	command_expect(strstr(command_outcome.out, "No command makes it fit") &&
			       !strstr(command_outcome.out, "echo"),
		       "none is printed");
}

/* Give a shell the lines of the last report that begin with "echo". */
static void obey(void)
{
	FILE *shell = popen("sh -e", "w");
	const char *at = command_outcome.out;
	unsigned given = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(shell);
	for (; *at; at += strcspn(at, "\n") + 1) {
		if (strncmp(at, "echo ", 5) != 0)
			continue;
		fprintf(shell, "%.*s\n", (int)strcspn(at, "\n"), at);
		given++;
	}
	CU_ASSERT_EQUAL(pclose(shell), 0);
	command_expect(given > 0, "a command is printed");
}

/* What ranks need together, and what each of them does. */
static void test_ranks(void)
{
	const char *file = foreign_file("sparse.xml");
	json_int_t one, pool;
	json_t *root;

	command_run("plan --arena 8M --pool 24M --spaces 2 -n 0 -T %s --json", file);
	root = report_with(1);
	one = node_number(root, 0, "pages_needed");
	pool = node_number(root, 0, "pool_bytes");
	json_decref(root);
	command_run("plan --arena 8M --pool 24M --spaces 2 -n 0 -T %s --ranks 3 --json", file);
	root = report_with(1);
	command_expect(node_number(root, 0, "pages_needed") == 3 * one, "three times the pages");
	command_expect(node_number(root, 0, "pool_bytes") == pool, "the pool of each");
	command_expect(command_number(root, "config", "ranks") == 3, "how many");
	command_expect(command_number(root, "container", "hugetlb.2MB.max") == 3 * one * 2097152,
		       "what a container of all has to be allowed");
	json_decref(root);
	command_run("plan --arena 8M --ranks 3 -T %s", file);
	command_expect(strncmp(command_outcome.out, "3 ranks, each: sizes as given", 29) == 0,
		       "and says so");
	command_run("plan -T %s", file);
	command_expect(strncmp(command_outcome.out, "The library's default sizes, on ", 32) == 0,
		       "nothing was given");
}

static void test_made_to_fit(void)
{
	static const char options[] = "--arena 8M --pool 24M";
	const json_t *lines;
	json_t *root;

	if (!check_hugepages_exactly(check_home_node(), 3))
		return;
	command_run("plan %s -j", options);
	root = report_with(1);
	command_expect(node_number(root, 0, "pages_free") == 3, "what is free");
	command_expect(node_number(root, 0, "pages_missing") ==
			       node_number(root, 0, "pages_needed") - 3,
		       "what is missing");
	lines = json_object_get(json_object_get(root, "commands"), "run_time");
	command_expect(json_array_size(lines) > 0, "commands");
	command_expect(strncmp(command_text(json_object_get(root, "commands"), "boot"),
			       "hugepagesz=2M hugepages=", 24) == 0,
		       "the kernel's command line");
	command_expect(command_number(root, "container", "hugetlb.2MB.max") ==
			       json_integer_value(json_object_get(root, "pages_needed")) * 2097152,
		       "a container's limit");
	json_decref(root);

	command_run("plan %s", options);
	command_expect(command_outcome.code == 1, "it does not fit");
	command_expect(strstr(command_outcome.out, "It does not fit.") != NULL, "and says so");
	command_expect(strstr(command_outcome.out, "hugepages-2Mi: ") != NULL, "Kubernetes");
	obey();
	command_run("plan %s", options);
	command_expect(command_outcome.code == 0, "it fits");
	command_expect(strstr(command_outcome.out, "It fits.") != NULL, "and says so");
	command_expect(strstr(command_outcome.out, "\necho") == NULL, "no more commands");
	check_hugepages_exactly(check_home_node(), 3);
}

/* Pages are free, but a scheduler has given the job of all ranks fewer: that is said, and what mends it does. */
static void plan_in_group(void *arg)
{
	static const char options[] = "--arena 4M --pool 4M --scratch 64K --spaces 2 --ranks 3";
	json_int_t needed;
	json_t *root;

	enter_group(arg, false, 3);
	command_run("plan %s -j", options);
	root = report_with(1);
	needed = node_number(root, 0, "pages_needed");
	command_expect(node_number(root, 0, "pages_missing") == needed - 3, "what the limit lacks");
	command_expect(
		strcmp(command_text(json_array_get(json_object_get(root, "nodes"), 0), "limit"),
		       "cgroup") == 0,
		"the limit");
	json_decref(root);
	command_run("plan %s", options);
	command_expect(strstr(command_outcome.out, "  control group\n") != NULL, "is named");
	command_expect(strncmp(command_outcome.out, "3 ranks, each: ", 15) == 0, "for all ranks");
	obey();
	command_run("plan %s", options);
	command_expect(command_outcome.code == 0, "it fits");
}

static void test_ranks_in_group(void)
{
	struct group group;

	if (!check_hugepages(24))
		return;
	if (make_group(&group)) {
		CU_ASSERT_EQUAL(check_in_child(plan_in_group, &group), 0);
	} else {
		check_skip("no hugetlb control group can be made here");
	}
	remove_group(&group);
}

/* A node that the cpuset keeps from all ranks is left out of the plan, and named. */
static void test_ranks_in_cpuset(void)
{
	json_t *root;

	command_run("plan --arena 8M --ranks 2 -T %s", foreign_file("kept-out.xml"));
	command_expect(strstr(command_outcome.out,
			      "Node 0 is left out: the cpuset (cpuset.mems) does not allow it.") !=
			       NULL,
		       "which node is left out");
	command_run("plan --arena 8M --ranks 2 -T %s -j", foreign_file("kept-out.xml"));
	root = report_with(1);
	command_expect(json_array_size(json_object_get(root, "nodes")) == 1, "one node is left");
	command_expect(node_number(root, 0, "node") == 1, "the other one");
	json_decref(root);
	command_run("plan --arena 8M -n 0 -T %s", foreign_file("kept-out.xml"));
	command_complains(2, "cpuset");
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"help", test_help},
		{"bad options", test_bad_options},
		{"models", test_model},
		{"traces", test_trace},
		{"machines", test_machines},
		{"ranks", test_ranks},
		{"ranks in a group with a limit", test_ranks_in_group},
		{"ranks in a cpuset", test_ranks_in_cpuset},
		{"made to fit", test_made_to_fit},
		CU_TEST_INFO_NULL,
	};

	foreign_clean_environment();
	return check_main("test_plan_command", tests);
}
