/* SPDX-License-Identifier: MIT */
/*
 * numa/memory.c - reckoning what memory can be had.
 *
 * Of the machine the kernel tells it: MemAvailable in /proc/meminfo. Of a node it is worked out here, from its
 * meminfo and from /proc/zoneinfo, in nearly the same way:
 *
 *	available = free - kept + (cache - min(cache / 2, low)) + (slab - min(slab, 32 MB)) / 2
 *
 * where `cache` is that of files, `slab` what the kernel would give up of its own, `low` the sum of the
 * zones' low watermarks, and `kept` the sum of what each zone has below its high watermark or reserves
 * for requests that no other zone can serve. What is said of `slab` is believed by half, and of the
 * first MBs not at all: names of files that are open or in a tmpfs are counted with it, and stay.
 *
 * Reads through numa/procfs.
 */
#include "config.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "numa/memory.h"
#include "numa/procfs.h"

#define DOUBTED_SLAB_KB ((uint64_t)32 * 1024)

/* "KEY NUMBER", blanks before the key at most. */
static bool line_is(const char *line, const char *key, uint64_t *number)
{
	const size_t length = strlen(key);

	line += strspn(line, " ");
	return strncmp(line, key, length) == 0 &&
	       !hnuma_procfs_parse_number(line + length, number, NULL);
}

/* Sums over the zones of the nodes, in pages. */
struct reserves {
	uint64_t kept, low;
};

/* One zone, in pages. */
struct zone {
	bool is_wanted;
	uint64_t low, high, managed;
	uint64_t protection; /* from requests that the zones above it could serve */
};

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void add_zone(const struct zone *zone, struct reserves *reserves)
{
	if (!zone->is_wanted)
		return;
	reserves->kept += smaller(zone->protection + zone->high, zone->managed);
	reserves->low += zone->low;
}

/* The largest number of a list "(0, 1925, 3846)". */
static uint64_t parse_protection(const char *text)
{
	uint64_t number, largest = 0;

	while (!hnuma_procfs_parse_number(text, &number, &text)) {
		if (number > largest)
			largest = number;
		text += strspn(text, ", ");
	}
	return largest;
}

static void read_zone_line(const char *line, struct zone *zone)
{
	static const char list[] = "protection: (";

	if (line_is(line, "low ", &zone->low) || line_is(line, "high ", &zone->high) ||
	    line_is(line, "managed ", &zone->managed))
		return;
	line += strspn(line, " ");
	if (strncmp(line, list, sizeof(list) - 1) == 0)
		zone->protection = parse_protection(line + sizeof(list) - 1);
}

/* Where the file cannot be read nothing is known to be kept back. */
static void read_reserves(const struct hnuma_nodeset *nodes, struct reserves *reserves)
{
	struct hnuma_procfs_lines lines;
	struct zone zone = {.is_wanted = false};
	const char *line;
	uint64_t node;

	memset(reserves, 0, sizeof(*reserves));
	if (hnuma_procfs_open(&lines, "/proc/zoneinfo"))
		return;
	while (hnuma_procfs_next(&lines, &line) > 0) {
		if (line_is(line, "Node ", &node)) {
			add_zone(&zone, reserves);
			memset(&zone, 0, sizeof(zone));
			zone.is_wanted =
				node < HNUMA_MAX_NODES && hnuma_nodeset_has(nodes, (int)node);
		} else {
			read_zone_line(line, &zone);
		}
	}
	add_zone(&zone, reserves);
	hnuma_procfs_close(&lines);
}

/* Sums over the nodes, in KB. */
struct contents {
	uint64_t free, cache, slab;
};

static int add_node(int node, struct contents *sum)
{
	struct hnuma_procfs_lines lines;
	char path[64];
	const char *line;
	uint64_t number;
	bool is_told = false;
	int error;

	snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/meminfo", node);
	error = hnuma_procfs_open(&lines, path);
	if (error)
		return error;
	while (hnuma_procfs_next(&lines, &line) > 0) {
		/* "Node 0 MemFree:  123 kB" */
		line += strncmp(line, "Node ", 5) == 0 ? 5 + strspn(line + 5, "0123456789") : 0;
		if (line_is(line, "MemFree:", &number)) {
			sum->free += number;
			is_told = true;
		} else if (line_is(line, "Active(file):", &number) ||
			   line_is(line, "Inactive(file):", &number)) {
			sum->cache += number;
		} else if (line_is(line, "KReclaimable:", &number)) {
			sum->slab += number;
		}
	}
	hnuma_procfs_close(&lines);
	return is_told ? 0 : -ENODATA;
}

static int read_nodes(const struct hnuma_nodeset *nodes, struct hnuma_memory *memory)
{
	const uint64_t page_kb = (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
	struct contents sum = {0};
	struct reserves reserves;
	uint64_t low, there;

	for (int node = 0; node < HNUMA_MAX_NODES; node++) {
		int error = hnuma_nodeset_has(nodes, node) ? add_node(node, &sum) : 0;

		if (error)
			return error;
	}
	read_reserves(nodes, &reserves);
	memory->kept_kb = reserves.kept * page_kb;
	low = reserves.low * page_kb;
	there = sum.free + sum.cache - smaller(sum.cache / 2, low) +
		(sum.slab - smaller(sum.slab, DOUBTED_SLAB_KB)) / 2;
	memory->available_kb = there > memory->kept_kb ? there - memory->kept_kb : 0;
	return 0;
}

int hnuma_memory_read(const struct hnuma_nodeset *nodes, struct hnuma_memory *memory)
{
	struct hnuma_procfs_lines lines;
	bool is_told = false;
	const char *line;
	int error;

	memset(memory, 0, sizeof(*memory));
	error = hnuma_procfs_open(&lines, "/proc/meminfo");
	if (error)
		return nodes ? read_nodes(nodes, memory) : error;
	while (hnuma_procfs_next(&lines, &line) > 0) {
		is_told = line_is(line, "MemAvailable:", &memory->available_kb) || is_told;
		(void)line_is(line, "SwapFree:", &memory->swap_kb);
	}
	hnuma_procfs_close(&lines);
	if (nodes)
		return read_nodes(nodes, memory);
	return is_told ? 0 : -ENODATA;
}
