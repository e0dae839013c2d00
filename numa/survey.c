/* SPDX-License-Identifier: MIT */
/*
 * numa/survey.c - the regions of a process, from its mappings' names.
 *
 *	/proc/PID/smaps      which mappings are regions, what pages they have
 *	/proc/PID/numa_maps  on which nodes these lie, and the policy
 *
 * Reads files through numa/procfs; calls nothing else of the kernel.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hugenuma.h>

#include "numa/error.h"
#include "numa/maps.h"
#include "numa/procfs.h"
#include "numa/region.h"
#include "numa/remote.h"
#include "numa/topology.h"

#define PREFIX "hugenuma:"

/* One region, or a part that lies beside no other of its name. */
struct found {
	struct hnuma_survey_region region;
	uint64_t huge_bytes; /* in transparent huge pages */
	bool is_hugetlb;
	struct hnuma_nodeset wanted;
	uint64_t bytes_on[HNUMA_MAX_NODES];
};

struct hnuma_survey {
	int pid;
	unsigned nr, room;
	struct found **regions;
};

/*
 * Take a mapping's name apart: .../memfd:hugenuma:NAME:nodeN (deleted), [anon:hugenuma:NAME:nodeN].
 * Names have no colons, so that the last one begins the node. False when it is no region of ours.
 */
static bool parse_name(const char *line, struct hnuma_survey_region *region)
{
	const char *memfd = strstr(line, "/memfd:" PREFIX), *anon = strstr(line, "[anon:" PREFIX);
	const char *name, *colon, *rest;
	uint64_t node;

	if (memfd)
		name = memfd + strlen("/memfd:" PREFIX);
	else if (anon)
		name = anon + strlen("[anon:" PREFIX);
	else
		return false;
	colon = strchr(name, ':');
	if (!colon || colon == name || (size_t)(colon - name) >= sizeof(region->name))
		return false;
	memcpy(region->name, name, (size_t)(colon - name));
	region->name[colon - name] = '\0';
	region->node = HNUMA_NODE_NONE;
	region->is_interleaved = strncmp(colon, ":interleave", 11) == 0;
	if (region->is_interleaved || strncmp(colon, ":unbound", 8) == 0)
		return true;
	if (strncmp(colon, ":node", 5) != 0 || colon[5] < '0' || colon[5] > '9' ||
	    hnuma_procfs_parse_number(colon + 5, &node, &rest) || node >= HNUMA_MAX_NODES ||
	    (*rest != ' ' && *rest != ']' && *rest != '\0'))
		return false;
	region->node = (int)node;
	return true;
}

static struct found *add(struct hnuma_survey *survey, const struct hnuma_survey_region *region)
{
	struct found *found;

	if (survey->nr == survey->room) {
		unsigned room = survey->room ? 2 * survey->room : 8;
		struct found **regions = realloc(survey->regions, room * sizeof(*regions));

		if (!regions)
			return NULL;
		survey->regions = regions;
		survey->room = room;
	}
	found = calloc(1, sizeof(*found));
	if (!found)
		return NULL;
	found->region = *region;
	survey->regions[survey->nr++] = found;
	return found;
}

/*
 * A mapping begins. Returns the region that it is part of, or NULL; *error is 0 or -ENOMEM. A region
 * that somebody has split is several mappings, one behind the other; regions lie apart.
 */
static struct found *begin_mapping(struct hnuma_survey *survey, const char *line, uintptr_t begin,
				   uintptr_t end, int *error)
{
	struct hnuma_survey_region region;
	struct found *last = survey->nr ? survey->regions[survey->nr - 1] : NULL;

	memset(&region, 0, sizeof(region));
	if (end <= begin || !parse_name(line, &region))
		return NULL;
	if (last && last->region.address + last->region.size_bytes == begin &&
	    last->region.node == region.node && strcmp(last->region.name, region.name) == 0) {
		last->region.size_bytes += end - begin;
		return last;
	}
	region.address = begin;
	region.size_bytes = end - begin;
	last = add(survey, &region);
	*error = last ? 0 : -ENOMEM;
	return last;
}

static void take_line(struct found *found, const char *line)
{
	struct hnuma_placement *placement = &found->region.placement;
	size_t bytes;

	if (hnuma_maps_parse_huge(line, &bytes))
		found->huge_bytes += bytes;
	else if (hnuma_maps_parse_kb(line, "KernelPageSize:", &bytes) && bytes &&
		 (!placement->page_size || bytes < placement->page_size))
		placement->page_size = bytes;
	else if (strncmp(line, "VmFlags:", 8) == 0 && strstr(line, " ht"))
		found->is_hugetlb = true;
}

static int read_smaps(struct hnuma_survey *survey, struct hnuma_procfs_lines *lines)
{
	struct found *current = NULL;
	uintptr_t begin, end;
	const char *line;
	int error = 0, more;

	while (!error && (more = hnuma_procfs_next(lines, &line)) > 0) {
		if (hnuma_maps_parse_range(line, &begin, &end))
			current = begin_mapping(survey, line, begin, end, &error);
		else if (current)
			take_line(current, line);
	}
	return error ? error : more;
}

/* The nodes over which numa_maps says that a mapping is interleaved: "interleave=static:0,2-3". */
static void parse_policy(const char *line, struct hnuma_nodeset *nodes)
{
	const char *policy = strstr(line, " interleave");

	if (!policy)
		return;
	policy += 1 + strcspn(policy + 1, ": ");
	/* The list ends at the next blank, where it is taken for one with something behind it. */
	if (*policy == ':')
		(void)hnuma_topology_parse_list(policy + 1, nodes);
}

static int read_numa_maps(struct hnuma_survey *survey, struct hnuma_procfs_lines *lines)
{
	const char *line;
	unsigned i = 0;
	int more;

	while ((more = hnuma_procfs_next(lines, &line)) > 0) {
		uint64_t begin = strtoull(line, NULL, 16), bytes;
		const char *at = line;
		struct found *found;
		int node;

		while (i < survey->nr &&
		       survey->regions[i]->region.address + survey->regions[i]->region.size_bytes <=
			       begin)
			i++;
		if (i == survey->nr)
			break;
		found = survey->regions[i];
		if (begin < found->region.address)
			continue;
		if (found->region.is_interleaved)
			parse_policy(line, &found->wanted);
		while ((at = hnuma_maps_next_node(at, line, &node, &bytes)))
			found->bytes_on[node] += bytes;
	}
	return more < 0 ? more : 0;
}

/* An unbound region is at home everywhere. */
static bool is_wanted(const struct found *found, int node)
{
	if (found->region.node >= 0)
		return node == found->region.node;
	return !found->region.is_interleaved || hnuma_nodeset_has(&found->wanted, node);
}

/* Is it known where the pages should be? Of an interleaved region only its policy tells. */
static bool has_wish(const struct found *found)
{
	static const struct hnuma_nodeset none;

	return !found->region.is_interleaved || memcmp(&found->wanted, &none, sizeof(none)) != 0;
}

/* From bytes to pages. */
static void sum_up(struct found *found)
{
	struct hnuma_survey_region *region = &found->region;
	struct hnuma_placement *placement = &region->placement;
	uint64_t unit;

	region->backing = HNUMA_BACKING_BASE;
	if (found->is_hugetlb)
		region->backing = HNUMA_BACKING_HUGETLB;
	else if (found->huge_bytes >= region->size_bytes)
		region->backing = HNUMA_BACKING_THP;
	/* smaps gives the base page's size for transparent huge pages. */
	if (region->backing == HNUMA_BACKING_THP)
		placement->page_size = HNUMA_HUGEPAGE;
	unit = placement->page_size ? placement->page_size : 4096;
	placement->pages_total = region->size_bytes / unit;
	for (int node = 0; node < HNUMA_MAX_NODES; node++) {
		found->bytes_on[node] /= unit;
		if (is_wanted(found, node))
			placement->pages_here += found->bytes_on[node];
		else
			placement->pages_elsewhere += found->bytes_on[node];
	}
	/* A page that moves while the file is written can be told of twice. */
	if (placement->pages_here + placement->pages_elsewhere > placement->pages_total) {
		placement->pages_here = placement->pages_elsewhere = 0;
		memset(found->bytes_on, 0, sizeof(found->bytes_on));
	}
	if (!has_wish(found))
		placement->pages_here = placement->pages_elsewhere = 0;
	placement->pages_unknown =
		placement->pages_total - placement->pages_here - placement->pages_elsewhere;
}

static int read_all(struct hnuma_survey *survey)
{
	struct hnuma_procfs_lines lines;
	char who[16] = "self", path[48];
	int error;

	if (survey->pid)
		snprintf(who, sizeof(who), "%d", survey->pid);
	snprintf(path, sizeof(path), "/proc/%s/smaps", who);
	error = hnuma_procfs_open(&lines, path);
	if (error)
		return hnuma_remote_explain(error, survey->pid);
	error = read_smaps(survey, &lines);
	hnuma_procfs_close(&lines);
	if (error)
		return hnuma_remote_explain(error, survey->pid);
	if (survey->nr == 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/%s/numa_maps", who);
	error = hnuma_procfs_open(&lines, path);
	if (!error) {
		error = read_numa_maps(survey, &lines);
		hnuma_procfs_close(&lines);
	}
	/* A kernel without NUMA has no such file: no page's node is known then. */
	if (error && error != -ENOENT)
		return hnuma_remote_explain(error, survey->pid);
	for (unsigned i = 0; i < survey->nr; i++)
		sum_up(survey->regions[i]);
	return 0;
}

int hnuma_survey_create(struct hnuma_survey **out, int pid)
{
	struct hnuma_survey *survey;
	int error;

	if (!out)
		return hnuma_error_set(-EINVAL, "out is NULL");
	*out = NULL;
	if (pid < 0)
		return hnuma_error_set(-EINVAL, "%d is no process: a positive number was expected",
				       pid);
	survey = calloc(1, sizeof(*survey));
	if (!survey)
		return hnuma_remote_explain(-ENOMEM, pid);
	survey->pid = pid;
	error = read_all(survey);
	if (error) {
		hnuma_survey_destroy(survey);
		return error;
	}
	*out = survey;
	return 0;
}

void hnuma_survey_destroy(struct hnuma_survey *survey)
{
	if (!survey)
		return;
	for (unsigned i = 0; i < survey->nr; i++)
		free(survey->regions[i]);
	free(survey->regions);
	free(survey);
}

unsigned hnuma_survey_nr_regions(const struct hnuma_survey *survey)
{
	return survey ? survey->nr : 0;
}

int hnuma_survey_region(const struct hnuma_survey *survey, unsigned index,
			struct hnuma_survey_region *region)
{
	if (!survey || !region)
		return hnuma_error_set(-EINVAL, "%s is NULL", survey ? "region" : "survey");
	if (index >= survey->nr)
		return hnuma_error_set(-ENODEV,
				       "there is no region of index %u: the process has %u", index,
				       survey->nr);
	*region = survey->regions[index]->region;
	return 0;
}

uint64_t hnuma_survey_pages_on(const struct hnuma_survey *survey, unsigned index, int node)
{
	if (!survey || index >= survey->nr || node < 0 || node >= HNUMA_MAX_NODES)
		return 0;
	return survey->regions[index]->bytes_on[node];
}
