/* SPDX-License-Identifier: MIT */
/*
 * numa/inspect.c - a closer look at this system: huge pages of every size, and the limits.
 *
 * Reads through numa/procfs and numa/cgroup.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include <hugenuma.h>

#include "numa/cgroup.h"
#include "numa/error.h"
#include "numa/procfs.h"
#include "numa/topology.h"

/* Sizes that a huge page may have on any machine that Linux runs on: 64 KB to 16 GB. */
#define LEAST_SHIFT 16
#define MOST_SHIFT  34

/* Count the pages of one size. False when this directory has none of it. */
static bool read_size(const char *directory, unsigned shift, struct hnuma_hugepages *pages)
{
	const struct {
		const char *file;
		uint64_t *value;
	} counts[] = {
		{"nr_hugepages", &pages->total},
		{"free_hugepages", &pages->free},
		{"surplus_hugepages", &pages->surplus},
		{"resv_hugepages", &pages->promised}, /* not in a node's directory */
	};
	char path[160];

	memset(pages, 0, sizeof(*pages));
	pages->page_size = (size_t)1 << shift;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		snprintf(path, sizeof(path), "%s/hugepages-%llukB/%s", directory,
			 1ull << (shift - 10), counts[i].file);
		if (hnuma_procfs_read_number(path, counts[i].value) && i == 0)
			return false;
	}
	return true;
}

/* The index-th size of a directory. */
static int read_pages(const char *directory, unsigned index, struct hnuma_hugepages *pages)
{
	for (unsigned shift = LEAST_SHIFT; shift <= MOST_SHIFT; shift++)
		if (read_size(directory, shift, pages) && index-- == 0)
			return 0;
	memset(pages, 0, sizeof(*pages));
	return hnuma_error_set(-ENODEV, "%s has no further size of huge page", directory);
}

int hnuma_topology_hugepages(const struct hnuma_topology *topology, int node, unsigned index,
			     struct hnuma_hugepages *pages)
{
	char directory[96];

	if (!topology || !pages)
		return hnuma_error_set(-EINVAL, "%s is NULL", topology ? "pages" : "topology");
	memset(pages, 0, sizeof(*pages));
	if (node != HNUMA_NODE_NONE && !hnuma_topology_has_node(topology, node))
		return hnuma_error_set(-ENODEV, "node %d does not exist", node);
	if (!hnuma_topology_is_this_system(topology))
		return hnuma_topology_described_pages(topology, node, index, pages);
	/* The one assumed node has what the machine has. */
	if (node == HNUMA_NODE_NONE || !hnuma_topology_is_known(topology))
		snprintf(directory, sizeof(directory), "/sys/kernel/mm/hugepages");
	else
		snprintf(directory, sizeof(directory), "/sys/devices/system/node/node%d/hugepages",
			 node);
	return read_pages(directory, index, pages);
}

int hnuma_topology_limit(const struct hnuma_topology *topology, enum hnuma_limit which,
			 struct hnuma_limit_info *info)
{
	static const enum hnuma_cgroup_kind kinds[] = {
		[HNUMA_LIMIT_CGROUP] = HNUMA_CGROUP_PAGES,
		[HNUMA_LIMIT_CGROUP_RESERVED] = HNUMA_CGROUP_RESERVATIONS,
		[HNUMA_LIMIT_CGROUP_MEMORY] = HNUMA_CGROUP_PAGES_AS_MEMORY,
	};
	struct hnuma_cgroup_limit limit;
	int error;

	if (!topology || !info)
		return hnuma_error_set(-EINVAL, "%s is NULL", topology ? "info" : "topology");
	memset(info, 0, sizeof(*info));
	if (which < HNUMA_LIMIT_CGROUP || which > HNUMA_LIMIT_CGROUP_MEMORY)
		return hnuma_error_set(-EINVAL, "limit %d is none of a control group", (int)which);
	if (!hnuma_topology_is_this_system(topology))
		return 0;
	error = hnuma_cgroup_tightest(kinds[which], &limit);
	if (error)
		return hnuma_error_set(error,
				       "the control groups of this process cannot be read: %s",
				       hnuma_strerror(error));
	if (!limit.is_limited)
		return 0;
	info->is_limited = true;
	info->limit_bytes = limit.limit_bytes;
	info->usage_bytes = limit.usage_bytes;
	snprintf(info->path, sizeof(info->path), "%s", limit.path);
	return 0;
}
