/* SPDX-License-Identifier: MIT */
/*
 * numa/maps.h - the lines of /proc/PID/smaps and /proc/PID/numa_maps, of this process or another.
 *
 *	smaps      7f4f48400000-7f4f48c00000 rw-s 00000000 00:11 27 /memfd:hugenuma:pool:node1 (deleted)
 *	           KernelPageSize:     2048 kB          and more such lines
 *	numa_maps  7f4f48400000 bind=static:1 file=... huge dirty=4 N1=4 kernelpagesize_kB=2048
 *
 * May be called from numa/. Calls hnuma_procfs_parse_number() and the C library; reads no file.
 */
#ifndef HNUMA_NUMA_MAPS_H
#define HNUMA_NUMA_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The first line of a mapping in smaps: its addresses. False for any other line. */
bool hnuma_maps_parse_range(const char *line, uintptr_t *begin, uintptr_t *end);

/* The number of KB behind a key of smaps ("AnonHugePages:"), in bytes. False for another key. */
bool hnuma_maps_parse_kb(const char *line, const char *key, size_t *bytes);

/*
 * How much of a mapping is in huge pages that are none of hugetlb: private, of shared memory, or of a
 * file. A line of smaps has one of them; they are to be added up. False for any other line.
 */
bool hnuma_maps_parse_huge(const char *line, size_t *bytes);

/*
 * What a line of numa_maps says of the nodes, one after the other.
 *
 * @at     the line; then what the previous call returned.
 * @line   the line, for the size of its pages.
 * @node   receives a node, 0 to HNUMA_MAX_NODES - 1,
 * @bytes  and how much of the mapping lies there.
 *
 * Returns where to go on, or NULL when no more is told.
 */
const char *hnuma_maps_next_node(const char *at, const char *line, int *node, uint64_t *bytes);

#endif
