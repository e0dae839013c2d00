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
#include <stdlib.h>
#include <string.h>

#include <hugenuma.h>

#include "numa/error.h"
#include "numa/ground.h"
#include "numa/maps.h"
#include "numa/process.h"
#include "numa/procfs.h"
#include "numa/region.h"

/* One mapping that has bytes of the region, as its lines of smaps are read. */
struct mapping {
	bool is_of_region;
	uintptr_t begin, end;
	size_t common_bytes; /* with the region */
	size_t page_size;
	size_t thp_bytes; /* of the whole mapping, wherever in it */
	bool is_usable;
	bool is_hugetlb;
};

static void begin_mapping(struct mapping *mapping, const struct hnuma_region *region,
			  uintptr_t begin, uintptr_t end, const char *line)
{
	uintptr_t first = (uintptr_t)region->base, behind = first + region->size_bytes;
	uintptr_t from = begin > first ? begin : first, to = end < behind ? end : behind;

	memset(mapping, 0, sizeof(*mapping));
	mapping->is_of_region = from < to;
	mapping->begin = begin;
	mapping->end = end;
	mapping->common_bytes = from < to ? to - from : 0;
	/* Behind the addresses, and nowhere else: a file's name can look so, too. */
	mapping->is_usable = strncmp(line + strcspn(line, " "), " rw", 3) == 0;
}

static void read_line(struct mapping *mapping, const char *line)
{
	size_t bytes;

	if (hnuma_maps_parse_kb(line, "KernelPageSize:", &bytes))
		mapping->page_size = bytes;
	else if (hnuma_maps_parse_huge(line, &bytes))
		mapping->thp_bytes += bytes;
	else if (strncmp(line, "VmFlags:", strlen("VmFlags:")) == 0)
		mapping->is_hugetlb = strstr(line, " ht");
}

/*
 * How much of what the region has of a mapping is certain to be in huge pages. Of a mapping that
 * reaches beyond the region smaps does not tell which part is: all that is not may be the region's.
 */
static size_t count_huge(const struct mapping *mapping)
{
	const uintptr_t mask = HNUMA_HUGEPAGE - 1;
	uintptr_t begin = (mapping->begin + mask) & ~mask, end = mapping->end & ~mask;
	size_t others;

	if (mapping->page_size >= HNUMA_HUGEPAGE)
		return mapping->common_bytes;
	if (end < begin || mapping->thp_bytes >= end - begin)
		return mapping->thp_bytes < mapping->common_bytes ? mapping->thp_bytes
								  : mapping->common_bytes;
	others = end - begin - mapping->thp_bytes;
	return others < mapping->common_bytes ? mapping->common_bytes - others : 0;
}

static void end_mapping(struct hnuma_mappings *sum, const struct mapping *mapping)
{
	if (!mapping->is_of_region)
		return;
	sum->mapped_bytes += mapping->common_bytes;
	sum->usable_bytes += mapping->is_usable ? mapping->common_bytes : 0;
	sum->hugetlb_bytes += mapping->is_hugetlb ? mapping->common_bytes : 0;
	sum->huge_bytes += count_huge(mapping);
	sum->reaches_beyond |= mapping->common_bytes < mapping->end - mapping->begin;
	if (mapping->page_size && (!sum->page_size || mapping->page_size < sum->page_size))
		sum->page_size = mapping->page_size;
}

int hnuma_verify_mappings(const struct hnuma_region *region, struct hnuma_mappings *mappings)
{
	struct mapping mapping = {0};
	struct hnuma_procfs_lines lines;
	uintptr_t begin, end;
	const char *line;
	int result;

	memset(mappings, 0, sizeof(*mappings));
	result = hnuma_procfs_open(&lines, "/proc/self/smaps");
	if (result)
		return result;
	while ((result = hnuma_procfs_next(&lines, &line)) > 0) {
		if (!hnuma_maps_parse_range(line, &begin, &end)) {
			read_line(&mapping, line);
			continue;
		}
		end_mapping(mappings, &mapping);
		begin_mapping(&mapping, region, begin, end, line);
		if (begin >= (uintptr_t)region->base + region->size_bytes)
			break;
	}
	end_mapping(mappings, &mapping);
	hnuma_procfs_close(&lines);
	/* Of huge pages that are none of hugetlb smaps gives the base page's size. */
	if (mappings->huge_bytes == region->size_bytes && mappings->page_size < HNUMA_HUGEPAGE)
		mappings->page_size = HNUMA_HUGEPAGE;
	if (mappings->mapped_bytes != region->size_bytes)
		mappings->page_size = 0;
	return result < 0 ? result : 0;
}

size_t hnuma_verify_page_size(const struct hnuma_region *region, size_t *huge_bytes)
{
	struct hnuma_mappings mappings;

	(void)hnuma_verify_mappings(region, &mappings);
	if (huge_bytes)
		*huge_bytes = mappings.huge_bytes;
	return mappings.page_size;
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

/*
 * numa_maps says where a mapping begins and what of it lies on each node, but not where it ends: what
 * it says of one that reaches beyond the region tells nothing of the region.
 */
static bool is_by_itself(const struct hnuma_region *region)
{
	struct hnuma_mappings mappings;

	return !region->is_wrapped ||
	       (hnuma_verify_mappings(region, &mappings) == 0 && !mappings.reaches_beyond);
}

/* The whole region by numa_maps. Pages that it does not tell of are unknown. */
static void count_by_numa_maps(const struct hnuma_region *region, size_t page_size,
			       struct hnuma_place_count *count)
{
	uintptr_t first = (uintptr_t)region->base, behind = first + region->size_bytes;
	uint64_t total = region->size_bytes / page_size;
	struct hnuma_procfs_lines lines;
	const char *line;

	if (is_by_itself(region) && hnuma_procfs_open(&lines, "/proc/self/numa_maps") == 0) {
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
	return verify(region, offset, size, placement);
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
