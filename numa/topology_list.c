/* SPDX-License-Identifier: MIT */
/*
 * numa/topology_list.c - the kernel's lists of nodes and CPUs, "0-3,8,252", to and from text.
 *
 * Uses hwloc's bitmaps for CPUs; reads through numa/procfs.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "numa/procfs.h"
#include "numa/topology.h"
#include "numa/topology_state.h"

/* A list of every second of 8,192 CPUs is 20 KB long. */
#define LIST_BYTES 65536

/* Take "first" or "first-last" from the text. False, and nothing is taken, when it has neither. */
static bool take_range(const char **text, uint64_t *first, uint64_t *last)
{
	const char *at = *text;

	if (*at < '0' || *at > '9' || hnuma_procfs_parse_number(at, first, &at))
		return false;
	*last = *first;
	if (*at == '-') {
		at++;
		if (*at < '0' || *at > '9' || hnuma_procfs_parse_number(at, last, &at))
			return false;
	}
	*text = at;
	return *first <= *last;
}

/*
 * Give each range of a list to `add`. Returns 0; -EINVAL (the text is not entirely a list, or has a
 * number of `limit` or more; what was understood has been added), or what `add` returned.
 */
static int parse(const char *text, uint64_t limit,
		 int (*add)(void *set, unsigned first, unsigned last), void *set)
{
	int error = 0;

	text += strspn(text, " \t");
	while (*text != '\0' && *text != '\n') {
		uint64_t first, last;

		if (!take_range(&text, &first, &last))
			return -EINVAL;
		if (last >= limit)
			error = -EINVAL;
		if (first < limit) {
			int failure = add(set, (unsigned)first,
					  (unsigned)(last < limit ? last : limit - 1));

			if (failure)
				return failure;
		}
		if (*text == ',')
			text++;
		else if (text[strspn(text, " \t")] != '\n' && text[strspn(text, " \t")] != '\0')
			return -EINVAL;
		else
			break;
	}
	return error;
}

static int add_nodes(void *set, unsigned first, unsigned last)
{
	for (unsigned node = first; node <= last; node++)
		(void)hnuma_nodeset_add(set, (int)node);
	return 0;
}

bool hnuma_topology_parse_list(const char *text, struct hnuma_nodeset *nodes)
{
	return parse(text, HNUMA_MAX_NODES, add_nodes, nodes) == 0;
}

static int add_cpus(void *set, unsigned first, unsigned last)
{
	return hwloc_bitmap_set_range(set, first, (int)last) ? -ENOMEM : 0;
}

int hnuma_topology_parse_cpus(const char *text, hwloc_bitmap_t cpus)
{
	return parse(text, HNUMA_MAX_CPUS, add_cpus, cpus);
}

int hnuma_topology_read_cpus(const char *path, hwloc_bitmap_t cpus)
{
	char *text = malloc(LIST_BYTES);
	ssize_t length;
	int error;

	if (!text)
		return -ENOMEM;
	length = hnuma_procfs_read(path, text, LIST_BYTES);
	error = length < 0 ? (int)length : hnuma_topology_parse_cpus(text, cpus);
	free(text);
	return error;
}

const char *hnuma_topology_list_nodes(const struct hnuma_nodeset *nodes, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (int node = 0; node < HNUMA_MAX_NODES; node++) {
		char range[32];
		int first = node, length;

		if (!hnuma_nodeset_has(nodes, node))
			continue;
		while (hnuma_nodeset_has(nodes, node + 1))
			node++;
		length = first == node ? snprintf(range, sizeof(range), "%d", first)
				       : snprintf(range, sizeof(range), "%d%c%d", first,
						  node == first + 1 ? ',' : '-', node);
		/* Always leave room for ",..." and the NUL. */
		if (used + (size_t)length + 6 > size) {
			strcpy(text + used, used ? ",..." : "...");
			return text;
		}
		used += (size_t)sprintf(text + used, "%s%s", used ? "," : "", range);
	}
	return used ? text : "none";
}

int hnuma_topology_read_status(const char *key, char *value, size_t size)
{
	const size_t key_length = strlen(key);
	struct hnuma_procfs_lines lines;
	const char *line;
	int result = hnuma_procfs_open(&lines, "/proc/self/status");

	if (result)
		return result;
	while ((result = hnuma_procfs_next(&lines, &line)) > 0) {
		if (strncmp(line, key, key_length) != 0 || line[key_length] != ':')
			continue;
		line += key_length + 1;
		line += strspn(line, " \t");
		break;
	}
	if (result > 0 && strlen(line) >= size)
		result = -EFBIG;
	if (result > 0)
		strcpy(value, line);
	hnuma_procfs_close(&lines);
	if (result == 0)
		return -ENOENT;
	return result < 0 ? result : 0;
}

bool hnuma_topology_read_allowed(struct hnuma_nodeset *nodes)
{
	char text[HNUMA_PROCFS_LINE_MAX];

	memset(nodes, 0, sizeof(*nodes));
	if (hnuma_topology_read_status("Mems_allowed_list", text, sizeof(text)) == 0 &&
	    hnuma_topology_parse_list(text, nodes))
		return true;
	memset(nodes, 0, sizeof(*nodes));
	return false;
}
