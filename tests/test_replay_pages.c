/* SPDX-License-Identifier: MIT */
/*
 * tests/test_replay_pages.c - `hugenuma replay` on huge pages: enough of them, too few, none; and
 * all of a real trace, where one is at hand.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include <hugenuma.h>

#include "tests/check.h"
#include "tests/run_command.h"

static void test_hugetlb(void)
{
	const char *path = command_trace(40, 200, 20);
	const json_t *row;
	json_t *root;
	size_t i;

	/* Two workers of two requests of 5 MB, the arena, and room to spare. */
	if (!check_hugepages(40))
		goto remove;
	command_run("replay --trace %s --batch 2 --workers 2 --backing hugetlb --json", path);
	command_expect(*command_outcome.err == '\0', "no word on standard error");
	root = command_report();
	command_has_verdict(root, "as promised", 0);
	command_is_placed(root, "hugetlb");
	command_has_no_faults(root);
	command_expect(command_number(root, "run", "requests") == 40, "all requests");
	command_expect(command_number(root, "run", "context_tokens") ==
			       command_number(root, "job", "context_tokens"),
		       "all prompts");
	command_expect(command_number(root, "run", "generated_tokens") ==
			       command_number(root, "job", "generated_tokens"),
		       "all answers");
	json_array_foreach(json_object_get(root, "pool"), i, row)
	{
		bool is_used = strcmp(command_text(row, "class"), "16K") == 0;

		command_expect((json_integer_value(json_object_get(row, "hits")) > 0) == is_used,
			       "hits");
		command_expect((json_integer_value(json_object_get(row, "misses")) > 0) == is_used,
			       "misses");
		command_expect((json_real_value(json_object_get(row, "hit_rate")) > 0) == is_used,
			       "hit rate");
		command_expect((json_integer_value(json_object_get(row, "high_water_mark")) > 0) ==
				       is_used,
			       "high-water mark");
		command_expect(json_integer_value(json_object_get(row, "in_use")) == 0,
			       "all came back");
	}
	json_decref(root);
remove:
	unlink(path);
}

static void test_other_models(void)
{
	static const char *const names[] = {"llama-3-8b", "qwen2.5-7b", "qwen2.5-0.5b"};
	const char *path = command_trace(6, 100, 40);
	json_t *root;
	size_t i;

	if (!check_hugepages(48)) {
		unlink(path);
		return;
	}
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		command_run("replay --trace %s --model %s --workers 2 --batch 1 --fill --backing "
			    "hugetlb --json",
			    path, names[i]);
		root = command_report();
		command_has_verdict(root, "as promised", 0);
		command_is_placed(root, "hugetlb");
		command_expect(command_number(root, "run", "requests") == 6, "all requests");
		json_decref(root);
	}
	unlink(path);
}

static int first_node(void)
{
	struct hnuma_topology *topology;
	int node = -1;
	unsigned cpu;

	CU_ASSERT_EQUAL_FATAL(hnuma_topology_create(&topology), 0);
	for (cpu = 0; cpu < hnuma_topology_nr_cpus(topology) && node < 0; cpu++)
		node = hnuma_topology_node_of_cpu(topology, (int)cpu);
	hnuma_topology_destroy(topology);
	return node;
}

/* Some pages, but fewer than the batch would like: the pool is made to fit, and says so. */
static void test_few_pages(void)
{
	const char *path = command_trace(40, 1000, 20);
	json_t *root;

	if (check_hugepages_exactly(first_node(), 64)) {
		command_run("replay --trace %s --workers 1 --json --backing hugetlb", path);
		root = command_report();
		command_has_verdict(root, "as promised", 0);
		command_is_placed(root, "hugetlb");
		command_expect(strcmp(command_text(json_object_get(root, "job"), "pool_reason"),
				      "as free huge pages allow") == 0,
			       "the reason of the pool's size");
		command_expect(command_number(root, "job", "pool_bytes_per_node") < 64 << 21,
			       "the size");
		command_expect(command_number(root, "run", "waits_at_start") > 0,
			       "requests waited");
		json_decref(root);
	}
	unlink(path);
}

/* No huge pages: the report says what was had instead, and why. Hugetlb or nothing: nothing. */
static void test_no_pages(void)
{
	const char *path = command_trace(10, 100, 20);
	const json_t *row;
	json_t *root;
	size_t i;

	if (check_hugepages_exactly(first_node(), 0)) {
		command_run("replay --trace %s --workers 1 --json", path);
		root = command_report();
		command_has_verdict(root, "as promised", 0);
		command_is_placed(root, NULL);
		command_expect(json_array_size(json_object_get(root, "notes")) > 0, "a note");
		json_array_foreach(json_object_get(root, "placement"), i, row)
		{
			command_expect(strcmp(command_text(row, "backing"), "hugetlb") != 0,
				       "no hugetlb");
			command_expect(*command_text(row, "reason") != '\0', "a reason");
		}
		json_decref(root);
		command_run("replay --trace %s --workers 1 --json --backing hugetlb", path);
		command_complains(1, "nr_hugepages");
	}
	unlink(path);
}

/*
 * The whole of a real trace, where it is at hand. That it is not is said, but is no skipped test:
 * the file is not part of this project.
 */
static void test_real_trace(void)
{
	const char *path = getenv("HUGENUMA_TRACE");
	const char *top = getenv("top_srcdir");
	char beside[4096];
	json_t *root;

	snprintf(beside, sizeof(beside), "%s/../shared/data/AzureLLMInferenceTrace_code.csv",
		 top ? top : ".");
	if (!path)
		path = beside;
	if (access(path, R_OK) != 0) {
		printf("left out: HUGENUMA_TRACE names no trace ");
		return;
	}
	if (check_rounds(2) == 1) {
		printf("left out: CHECK_SHORT ");
		return;
	}
	if (!check_hugepages(1000))
		return;
	command_run("replay --trace %s --backing hugetlb --json", path);
	root = command_report();
	command_has_verdict(root, "as promised", 0);
	command_is_placed(root, "hugetlb");
	command_has_no_faults(root);
	command_expect(command_number(root, "run", "requests") ==
			       command_number(root, "job", "requests"),
		       "all requests");
	command_expect(command_number(root, "run", "generated_tokens") ==
			       command_number(root, "job", "generated_tokens"),
		       "all answers");
	json_decref(root);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"hugetlb pages", test_hugetlb},
		{"other models, every byte", test_other_models},
		{"fewer pages than wanted", test_few_pages},
		{"no pages", test_no_pages},
		{"a real trace", test_real_trace},
		CU_TEST_INFO_NULL,
	};

	return check_main("test_replay_pages", tests);
}
