/* SPDX-License-Identifier: MIT */
/*
 * numa/hugepages.c - counting 2 MB hugetlb pages in /sys.
 *
 * Reads through numa/procfs.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <hugenuma.h>

#include "numa/hugepages.h"
#include "numa/procfs.h"

#define NODES	  "/sys/devices/system/node"
#define MACHINE	  "/sys/kernel/mm/hugepages"
#define PAGE_SIZE "hugepages-2048kB"

_Static_assert(HNUMA_HUGEPAGE == 2048 * 1024, "PAGE_SIZE is another size's directory");

struct count {
	const char *file;
	uint64_t *value;
};

/* Read the files of a directory; all or none. */
static int read_counts(const char *directory, const struct count *counts, unsigned nr)
{
	char path[128];
	int error = 0;

	for (unsigned i = 0; i < nr && !error; i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, counts[i].file);
		error = hnuma_procfs_read_number(path, counts[i].value);
	}
	for (unsigned i = 0; i < nr && error; i++)
		*counts[i].value = 0;
	return error;
}

static void node_directory(int node, char *path, size_t size)
{
	snprintf(path, size, NODES "/node%d/hugepages/" PAGE_SIZE, node);
}

/* Why a node's counts are missing: is it the node that is, or the size of page? */
static int explain_missing(int node)
{
	char path[64], text[2];
	ssize_t length;

	snprintf(path, sizeof(path), NODES "/node%d/cpulist", node);
	length = hnuma_procfs_read(path, text, sizeof(text));
	return length >= 0 || length == -EFBIG ? -ENOENT : -ENODEV;
}

int hnuma_hugepages_read_node(int node, struct hnuma_hugepages_node *pages)
{
	const struct count counts[] = {
		{"nr_hugepages", &pages->total},
		{"free_hugepages", &pages->free},
	};
	char directory[96];
	int error;

	memset(pages, 0, sizeof(*pages));
	if (node < 0)
		return -ENODEV;
	node_directory(node, directory, sizeof(directory));
	error = read_counts(directory, counts, sizeof(counts) / sizeof(counts[0]));
	return error == -ENOENT ? explain_missing(node) : error;
}

int hnuma_hugepages_read_machine(struct hnuma_hugepages_machine *pages)
{
	const struct count counts[] = {
		{"nr_hugepages", &pages->total},
		{"free_hugepages", &pages->free},
		{"resv_hugepages", &pages->reserved},
		{"surplus_hugepages", &pages->surplus},
		{"nr_overcommit_hugepages", &pages->overcommit},
	};

	return read_counts(MACHINE "/" PAGE_SIZE, counts, sizeof(counts) / sizeof(counts[0]));
}

void hnuma_hugepages_file(int node, char *path, unsigned size)
{
	char directory[96] = MACHINE "/" PAGE_SIZE;
	struct hnuma_hugepages_machine pages;

	if (node >= 0)
		node_directory(node, directory, sizeof(directory));
	else if (hnuma_hugepages_read_machine(&pages))
		snprintf(directory, sizeof(directory), "/proc/sys/vm");
	snprintf(path, size, "%s/nr_hugepages", directory);
}
