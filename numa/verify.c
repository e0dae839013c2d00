/* SPDX-License-Identifier: MIT */
/*
 * numa/verify.c - what the kernel says of a region's pages: how large they are, where they lie.
 *
 *	size    /proc/self/smaps: KernelPageSize, AnonHugePages, ShmemPmdMapped
 *	place   move_pages() without targets, page by page; where that is refused
 *	        /proc/self/numa_maps, which adds up the pages of each mapping; where that tells
 *	        nothing either, "unknown"
 *
 * Calls the kernel through numa/place and numa/procfs only.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <hugenuma.h>

#include "numa/error.h"
#include "numa/ground.h"
#include "numa/maps.h"
#include "numa/process.h"
#include "numa/procfs.h"
#include "numa/region.h"

/* How much of the region smaps has told of. */
struct sizes {
	size_t covered_bytes;
	size_t huge_bytes;
	size_t smallest_page;
};

/* Read the lines of the region's mappings; there is more than one when somebody has split it. */
static void read_sizes(struct hnuma_procfs_lines *lines, const struct hnuma_region *region,
		       struct sizes *sizes)
{
	uintptr_t first = (uintptr_t)region->base, behind = first + region->size_bytes;
	uintptr_t begin, end;
	bool is_ours = false;
	const char *line;
	size_t bytes;

	while (hnuma_procfs_next(lines, &line) > 0) {
		if (hnuma_maps_parse_range(line, &begin, &end)) {
			if (begin >= behind)
				return;
			is_ours = begin >= first && end <= behind;
			if (is_ours)
				sizes->covered_bytes += end - begin;
		} else if (is_ours && (hnuma_maps_parse_kb(line, "AnonHugePages:", &bytes) ||
				       hnuma_maps_parse_kb(line, "ShmemPmdMapped:", &bytes))) {
			sizes->huge_bytes += bytes;
		} else if (is_ours && hnuma_maps_parse_kb(line, "KernelPageSize:", &bytes)) {
			if (!sizes->smallest_page || bytes < sizes->smallest_page)
				sizes->smallest_page = bytes;
		}
	}
}

size_t hnuma_verify_page_size(const struct hnuma_region *region, size_t *huge_bytes)
{
	struct sizes sizes = {0, 0, 0};
	struct hnuma_procfs_lines lines;

	if (hnuma_procfs_open(&lines, "/proc/self/smaps") == 0) {
		read_sizes(&lines, region, &sizes);
		hnuma_procfs_close(&lines);
	}
	if (huge_bytes)
		*huge_bytes = sizes.huge_bytes;
	if (sizes.covered_bytes != region->size_bytes)
		return 0;
	/* smaps gives the base page's size for transparent huge pages. */
	return sizes.huge_bytes == region->size_bytes ? HNUMA_HUGEPAGE : sizes.smallest_page;
}

/* Add what a line of numa_maps says to a count. */
static void count_numa_line(const char *line, size_t page_size, const struct hnuma_region *region,
			    struct hnuma_place_count *count)
{
	const char *at = line;
	uint64_t bytes;
	int node;

	while ((at = hnuma_maps_next_node(at, line, &node, &bytes)))
		hnuma_place_count_pages(count, &region->wanted, node, bytes / page_size);
}

/* The whole region by numa_maps. Pages that it does not tell of are unknown. */
static void count_by_numa_maps(const struct hnuma_region *region, size_t page_size,
			       struct hnuma_place_count *count)
{
	uintptr_t first = (uintptr_t)region->base, behind = first + region->size_bytes;
	uint64_t total = region->size_bytes / page_size;
	struct hnuma_procfs_lines lines;
	const char *line;

	if (hnuma_procfs_open(&lines, "/proc/self/numa_maps") == 0) {
		while (hnuma_procfs_next(&lines, &line) > 0) {
			uintptr_t begin = (uintptr_t)strtoull(line, NULL, 16);

			if (begin >= behind)
				break;
			if (begin >= first)
				count_numa_line(line, page_size, region, count);
		}
		hnuma_procfs_close(&lines);
	}
	/* A page that moves while the file is written can be told of twice. */
	if (count->here + count->elsewhere > total) {
		count->here = count->elsewhere = 0;
		count->node = HNUMA_NODE_NONE;
	}
	count->unknown = total - count->here - count->elsewhere;
}

/* A part of the region: numa_maps can tell of it only when all pages lie alike. */
static void count_part_by_numa_maps(const struct hnuma_region *region, size_t size,
				    size_t page_size, struct hnuma_place_count *count)
{
	const struct hnuma_place_count none = HNUMA_PLACE_COUNT_INIT;
	struct hnuma_place_count all = none;
	uint64_t pages = size / page_size;

	count_by_numa_maps(region, page_size, &all);
	*count = all;
	if (size == region->size_bytes)
		return;
	count->here = count->elsewhere = count->unknown = 0;
	if (!all.elsewhere && !all.unknown)
		count->here = pages;
	else if (!all.here && !all.unknown)
		count->elsewhere = pages;
	else
		count->unknown = pages;
}

int hnuma_verify_places(const struct hnuma_region *region, size_t offset, size_t size,
			size_t page_size, struct hnuma_place_count *count)
{
	const struct hnuma_place_count none = HNUMA_PLACE_COUNT_INIT;
	int error;

	if (!page_size)
		page_size = region->page_size;
	*count = none;
	error = hnuma_place_query(region->base + offset, size, page_size, &region->wanted, count);
	if (error == -ENOMEM)
		return hnuma_error_set(error, "asking where %zu bytes of a region lie: %s", size,
				       hnuma_strerror(error));
	/* Some kernels answer for huge pages, but with an error for each. */
	if (error || (size && !count->here && !count->elsewhere))
		count_part_by_numa_maps(region, size, page_size, count);
	return 0;
}

static int verify(const struct hnuma_region *region, size_t offset, size_t size,
		  struct hnuma_placement *placement)
{
	size_t page_size = hnuma_verify_page_size(region, NULL);
	size_t unit = page_size ? page_size : region->page_size;
	size_t begin = offset - offset % unit;
	size_t end = (offset + size + unit - 1) / unit * unit;
	struct hnuma_place_count count;
	int error;

	error = hnuma_verify_places(region, begin, size ? end - begin : 0, page_size, &count);
	if (error)
		return error;
	placement->pages_here = count.here;
	placement->pages_elsewhere = count.elsewhere;
	placement->pages_unknown = count.unknown;
	placement->pages_total = count.here + count.elsewhere + count.unknown;
	placement->page_size = page_size;
	return 0;
}

int hnuma_region_verify_range(const struct hnuma_region *region, size_t offset, size_t size,
			      struct hnuma_placement *placement)
{
	int previous, error;

	if (!region || !placement)
		return hnuma_error_set(-EINVAL, "hnuma_region_verify: %s is NULL",
				       region ? "placement" : "region");
	memset(placement, 0, sizeof(*placement));
	if (hnuma_process_is_child_of(region->epoch) && !region->is_inherited)
		return hnuma_process_refuse("region");
	if (offset > region->size_bytes || size > region->size_bytes - offset)
		return hnuma_error_set(-EINVAL,
				       "%zu bytes from %zu on are beyond the region's %zu bytes",
				       size, offset, region->size_bytes);
	/* Reading files is where a thread can be cancelled; a descriptor would stay open. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &previous);
	error = verify(region, offset, size, placement);
	pthread_setcancelstate(previous, &previous);
	return error;
}

int hnuma_region_verify(const struct hnuma_region *region, struct hnuma_placement *placement)
{
	return hnuma_region_verify_range(region, 0, region ? region->size_bytes : 0, placement);
}

void hnuma_placement_add(struct hnuma_placement *sum, const struct hnuma_placement *more)
{
	sum->pages_total += more->pages_total;
	sum->pages_here += more->pages_here;
	sum->pages_elsewhere += more->pages_elsewhere;
	sum->pages_unknown += more->pages_unknown;
	if (more->page_size && (!sum->page_size || more->page_size < sum->page_size))
		sum->page_size = more->page_size;
}
