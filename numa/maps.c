/* SPDX-License-Identifier: MIT */
/*
 * numa/maps.c - the lines of /proc/PID/smaps and /proc/PID/numa_maps.
 *
 * Calls hnuma_procfs_parse_number() and the C library; reads no file.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include <hugenuma.h>

#include "numa/maps.h"
#include "numa/procfs.h"

bool hnuma_maps_parse_kb(const char *line, const char *key, size_t *bytes)
{
	size_t length = strlen(key);
	uint64_t number;

	if (strncmp(line, key, length) != 0 ||
	    hnuma_procfs_parse_number(line + length, &number, NULL))
		return false;
	*bytes = (size_t)number * 1024;
	return true;
}

bool hnuma_maps_parse_huge(const char *line, size_t *bytes)
{
	return hnuma_maps_parse_kb(line, "AnonHugePages:", bytes) ||
	       hnuma_maps_parse_kb(line, "ShmemPmdMapped:", bytes) ||
	       hnuma_maps_parse_kb(line, "FilePmdMapped:", bytes);
}

bool hnuma_maps_parse_range(const char *line, uintptr_t *begin, uintptr_t *end)
{
	char *rest;

	*begin = (uintptr_t)strtoull(line, &rest, 16);
	if (rest == line || *rest != '-')
		return false;
	line = rest + 1;
	*end = (uintptr_t)strtoull(line, &rest, 16);
	return rest != line && *rest == ' ';
}

const char *hnuma_maps_next_node(const char *at, const char *line, int *node, uint64_t *bytes)
{
	const char *unit = strstr(line, " kernelpagesize_kB=");
	uint64_t unit_kb, number, pages;
	const char *rest;

	if (!unit ||
	    hnuma_procfs_parse_number(unit + strlen(" kernelpagesize_kB="), &unit_kb, NULL))
		return NULL;
	/* Blanks and equals signs in file names are written in octal, so none of them looks so. */
	for (at = strstr(at, " N"); at; at = strstr(at + 1, " N")) {
		if (hnuma_procfs_parse_number(at + 2, &number, &rest) || *rest != '=' ||
		    hnuma_procfs_parse_number(rest + 1, &pages, NULL) || number >= HNUMA_MAX_NODES)
			continue;
		*node = (int)number;
		*bytes = pages * unit_kb * 1024;
		return at + 1;
	}
	return NULL;
}
