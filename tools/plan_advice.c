/* SPDX-License-Identifier: MIT */
/*
 * tools/plan_advice.c - the commands that make a plan fit: now, at boot, in a container. Calls
 * <hugenuma.h>, jansson and libc.
 *
 * The library's advice is a text of comments and commands; the first comment of pages ends in the
 * parameters for the kernel, which are the same for every node.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cli.h"
#include "tools/plan.h"

#define COMMAND "plan"

bool plan_is_too_large(const struct hnuma_topology *topology, const struct hnuma_plan_node *node)
{
	struct hnuma_node_info info;
	unsigned i;

	for (i = 0; hnuma_topology_node_info(topology, i, &info) == 0; i++)
		if (info.node == node->node)
			return info.memory_bytes > 0 &&
			       node->pages_needed > info.memory_bytes / HNUMA_HUGEPAGE;
	return false;
}

static bool has_line(const struct plan_advice *advice, const char *line, size_t length)
{
	unsigned i;

	for (i = 0; i < advice->nr_lines; i++)
		if (strlen(advice->lines[i]) == length &&
		    memcmp(advice->lines[i], line, length) == 0)
			return true;
	return false;
}

/* Nodes share their control group, so that its command comes once. */
static bool add_line(struct plan_advice *advice, const char *line, size_t length)
{
	char **lines;

	if (has_line(advice, line, length))
		return true;
	lines = realloc(advice->lines, (advice->nr_lines + 1) * sizeof(*lines));
	if (!lines)
		return false;
	advice->lines = lines;
	lines[advice->nr_lines] = strndup(line, length);
	return lines[advice->nr_lines] && ++advice->nr_lines;
}

static bool take_text(struct plan_advice *advice, const char *text)
{
	const char *end;

	for (; *text; text = *end ? end + 1 : end) {
		size_t length = strcspn(text, "\n");
		const char *boot = memmem(text, length, "hugepagesz=", strlen("hugepagesz="));

		end = text + length;
		if (*text != '#') {
			if (length && !add_line(advice, text, length))
				return false;
		} else if (boot && !advice->boot) {
			advice->boot = strndup(boot, (size_t)(end - boot));
			if (!advice->boot)
				return false;
		}
	}
	return true;
}

int plan_advice_collect(struct plan_advice *advice, const struct hnuma_topology *topology,
			const struct hnuma_plan *plan)
{
	struct hnuma_plan_node node;
	unsigned i;

	memset(advice, 0, sizeof(*advice));
	advice->is_possible = true;
	for (i = 0; hnuma_plan_node(plan, i, &node) == 0; i++) {
		advice->total_pages += node.pages_needed;
		if (plan_is_too_large(topology, &node))
			advice->is_possible = false;
	}
	for (i = 0; i < hnuma_plan_nr_nodes(plan) && advice->is_possible; i++) {
		if (take_text(advice, hnuma_plan_advice(plan, i)))
			continue;
		plan_advice_free(advice);
		return cli_complain(COMMAND, COMMAND_FAILED, "no memory for the advice");
	}
	return 0;
}

void plan_advice_print(const struct plan_advice *advice, bool fits)
{
	uint64_t bytes = advice->total_pages * HNUMA_HUGEPAGE;
	unsigned i;

	if (!advice->is_possible) {
		puts("\nNo command makes it fit: give less, or a machine with more memory.");
		return;
	}
	if (!fits && advice->nr_lines) {
		cli_print(CLI_BOLD, "\nTo make it fit now, in a root shell:\n");
		for (i = 0; i < advice->nr_lines; i++)
			puts(advice->lines[i]);
	}
	if (advice->boot) {
		cli_print(CLI_BOLD, "\nTo have it from the start, on the kernel's command line:\n");
		puts(advice->boot);
	}
	cli_print(CLI_BOLD, "\nFor a container, whose control group is GROUP:\n");
	printf("  echo %" PRIu64 " > /sys/fs/cgroup/GROUP/hugetlb.2MB.max\n", bytes);
	printf("  echo %" PRIu64 " > /sys/fs/cgroup/GROUP/hugetlb.2MB.rsvd.max\n", bytes);
	cli_print(CLI_BOLD, "\nIn Kubernetes, for the container's resources, beside its memory:\n");
	printf("  limits: {hugepages-2Mi: %" PRIu64 "Mi}\n", bytes >> 20);
}

void plan_advice_json(const struct plan_advice *advice, json_t *root)
{
	json_t *commands = json_object(), *lines = json_array(), *container = json_object();
	json_t *kubernetes = json_object(), *resources = json_object();
	uint64_t bytes = advice->total_pages * HNUMA_HUGEPAGE;
	char text[32];
	unsigned i;

	for (i = 0; i < advice->nr_lines; i++)
		json_array_append_new(lines, json_string(advice->lines[i]));
	json_object_set_new(commands, "possible", json_boolean(advice->is_possible));
	json_object_set_new(commands, "run_time", lines);
	json_object_set_new(commands, "boot",
			    advice->boot ? json_string(advice->boot) : json_null());
	json_object_set_new(root, "commands", commands);
	json_object_set_new(container, "hugetlb.2MB.max", cli_count(bytes));
	json_object_set_new(container, "hugetlb.2MB.rsvd.max", cli_count(bytes));
	snprintf(text, sizeof(text), "%" PRIu64 "Mi", bytes >> 20);
	json_object_set_new(kubernetes, "hugepages-2Mi", json_string(text));
	json_object_set_new(resources, "limits", kubernetes);
	json_object_set_new(container, "resources", resources);
	json_object_set_new(root, "container", container);
}

void plan_advice_free(struct plan_advice *advice)
{
	unsigned i;

	for (i = 0; i < advice->nr_lines; i++)
		free(advice->lines[i]);
	free(advice->lines);
	free(advice->boot);
	memset(advice, 0, sizeof(*advice));
}
