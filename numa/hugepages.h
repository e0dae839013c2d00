/* SPDX-License-Identifier: MIT */
/*
 * numa/hugepages.h - how many 2 MB hugetlb pages this system has, at this moment.
 *
 * Read from /sys at each call, never kept: other processes take and give pages at any time. So the
 * counts are advice; whether pages can be had is known when they have been populated.
 *
 * May be called from lib/. Reads through numa/procfs; sets no message.
 */
#ifndef HNUMA_NUMA_HUGEPAGES_H
#define HNUMA_NUMA_HUGEPAGES_H

#include <stdint.h>

/* Of one node; in pages. */
struct hnuma_hugepages_node {
	uint64_t total; /* in the node's pool, surplus ones included */
	uint64_t free;	/* of these, in nobody's mapping or file; some may be promised (reserved) */
};

/* Of the whole machine; in pages. What mappings without page yet were promised is known here only. */
struct hnuma_hugepages_machine {
	uint64_t total;
	uint64_t free;
	uint64_t reserved; /* of the free ones, those that are promised */
	uint64_t surplus;
	uint64_t overcommit; /* how many surplus pages the kernel may make when free ones run out */
};

/*
 * Count a node's pages.
 *
 * Returns 0; -ENODEV (this system has no such node, or tells nothing about nodes), -ENOENT (this
 * kernel has no 2 MB hugetlb pages), or what else reading its files failed with. On failure all counts
 * are 0.
 */
int hnuma_hugepages_read_node(int node, struct hnuma_hugepages_node *pages);

/*
 * Count the machine's pages. Returns 0, -ENOENT (this kernel has no 2 MB hugetlb pages, or /sys is
 * missing), or what else reading failed with. On failure all counts are 0.
 */
int hnuma_hugepages_read_machine(struct hnuma_hugepages_machine *pages);

/*
 * The file to which the number of pages is written: for messages and advice.
 *
 * @node  negative: the file that spreads them over all nodes. Without /sys that is one of /proc, which
 *        is of the default size; so that it is right where that is 2 MB, which it mostly is.
 * @path  receives it; cut when size is less than 96.
 */
void hnuma_hugepages_file(int node, char *path, unsigned size);

#endif
