/* SPDX-License-Identifier: MIT */
/*
 * lib/advice.c - the commands that would make a plan fit, ready to paste into a root shell.
 *
 * Called by plan.c alone. The commands set what should be, rather than add to what is, so that
 * pasting them twice does no harm (but for a machine that tells no nodes).
 */
#include "config.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hugenuma.h>

#include "lib/plan.h"
#include "numa/cgroup.h"
#include "numa/error.h"
#include "numa/hugepages.h"

/* A text that grows. After a failed allocation it takes nothing more. */
struct text {
	char *bytes;
	size_t length; /* without the NUL */
	bool has_failed;
};

static void __attribute__((format(printf, 2, 3))) add(struct text *text, const char *format, ...)
{
	va_list args;
	char *bytes;
	int more;

	va_start(args, format);
	more = vsnprintf(NULL, 0, format, args);
	va_end(args);
	bytes = text->has_failed || more < 0
			? NULL
			: realloc(text->bytes, text->length + (size_t)more + 1);
	if (!bytes) {
		text->has_failed = true;
		return;
	}
	va_start(args, format);
	vsnprintf(bytes + text->length, (size_t)more + 1, format, args);
	va_end(args);
	text->bytes = bytes;
	text->length += (size_t)more;
}

/* A path as one word of a shell: systemd gives control groups names with backslashes in them. */
static void add_quoted(struct text *text, const char *path)
{
	add(text, "'");
	for (; *path; path++) {
		if (*path == '\'')
			add(text, "'\\''");
		else
			add(text, "%c", *path);
	}
	add(text, "'");
}

/* How many pages the node should have; with the other nodes of the plan mended as well. */
static uint64_t wanted_pages(const struct hnuma_plan *plan, int node, uint64_t total)
{
	int index = hnuma_service_index(&plan->service, node);

	if (index < 0)
		return total;
	return total + plan->shortages[index].node_pages + plan->shortages[index].unreserved;
}

/* The same at boot, where memory is not in pieces yet. The parameter is one for all nodes. */
static void add_boot_line(struct text *text, const struct hnuma_plan *plan,
			  const struct hnuma_topology *topology)
{
	const char *separator = "";
	struct hnuma_node_info info;

	add(text, "# to have them from the start, as parameters of the kernel: "
		  "hugepagesz=2M hugepages=");
	for (unsigned i = 0; i < hnuma_topology_nr_nodes(topology); i++) {
		uint64_t pages;

		if (hnuma_topology_node_info(topology, i, &info))
			continue;
		pages = wanted_pages(plan, info.node, info.hugepages_total);
		if (pages == 0)
			continue;
		add(text, "%s%d:%" PRIu64, separator, info.node, pages);
		separator = ",";
	}
	add(text, "\n");
}

static void add_pages(struct text *text, const struct hnuma_plan *plan, unsigned index,
		      const struct hnuma_topology *topology)
{
	const struct hnuma_plan_node *node = &plan->nodes[index];
	uint64_t pages = wanted_pages(plan, node->node, node->pages_total);
	const bool is_known = hnuma_topology_is_known(topology);
	char file[96];

	if (pages == node->pages_total)
		return;
	add(text,
	    "# node %d: %" PRIu64 " huge pages of 2 MB are needed, %" PRIu64 " of %" PRIu64
	    " are free%s\n",
	    node->node, node->pages_needed, node->pages_free, node->pages_total,
	    plan->shortages[index].unreserved ? ", some of them promised to other mappings" : "");
	hnuma_hugepages_file(is_known ? node->node : HNUMA_NODE_NONE, file, sizeof(file));
	if (is_known) {
		add(text, "echo %" PRIu64 " > %s\n", pages, file);
		add_boot_line(text, plan, topology);
		return;
	}
	/* The count may not be known either: then a plain number could take pages away from others. */
	add(text, "echo $(($(cat %s) + %" PRIu64 ")) > %s\n", file, pages - node->pages_total,
	    file);
}

static void add_limit(struct text *text, const struct hnuma_limit_change *change, const char *what)
{
	add(text, "# the control group may have %" PRIu64 " bytes of %s, and has %" PRIu64 "\n",
	    change->now.limit_bytes, what, change->now.usage_bytes);
	add(text, "echo %" PRIu64 " > ", change->wanted_bytes);
	add_quoted(text, change->now.path);
	add(text, "\n");
}

int hnuma_advice_write(struct hnuma_plan *plan, const struct hnuma_topology *topology,
		       const struct hnuma_limit_change *changes)
{
	static const char *const what[HNUMA_CGROUP_NR_OF_PAGES] = {
		[HNUMA_CGROUP_PAGES] = "huge pages in memory",
		[HNUMA_CGROUP_RESERVATIONS] = "huge pages promised",
		[HNUMA_CGROUP_PAGES_AS_MEMORY] = "memory, huge pages included",
	};

	for (unsigned i = 0; i < plan->service.nr_nodes; i++) {
		const struct hnuma_shortage *shortage = &plan->shortages[i];
		struct text text = {NULL, 0, false};

		if (plan->nodes[i].limit == HNUMA_LIMIT_NONE)
			continue;
		add_pages(&text, plan, i, topology);
		for (int kind = 0; kind < HNUMA_CGROUP_NR_OF_PAGES; kind++)
			if (shortage->limits[kind])
				add_limit(&text, &changes[kind], what[kind]);
		plan->advice[i] = text.bytes;
		if (text.has_failed)
			return hnuma_error_set(-ENOMEM, "no memory for the advice of a plan");
	}
	return 0;
}
