/* SPDX-License-Identifier: MIT */
/*
 * numa/cgroup.h - how many bytes, of 2 MB hugetlb pages or of memory, this process's control groups
 * still allow.
 *
 *	/proc/self/cgroup      in which group it is     3:hugetlb:/a/b       0::/a/b
 *	/proc/self/mountinfo   where groups are shown   /sys/fs/cgroup/...   (and from which group on)
 *	      |
 *	      v      each has a limit, and counts what is below it
 *	POINT/a/b    POINT/a    POINT         the tightest: the one with the least headroom
 *
 * Version 1, version 2 and both at once; cgroup namespaces; groups of which only a part is shown. A
 * group that is not shown cannot be asked: then, too, the truth is whether populating succeeds.
 *
 * May be called from lib/. Reads through numa/procfs; sets no message.
 */
#ifndef HNUMA_NUMA_CGROUP_H
#define HNUMA_NUMA_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest path that is followed, NUL included; groups with longer ones are not looked at. */
#define HNUMA_CGROUP_PATH_MAX 1024

enum hnuma_cgroup_kind {
	HNUMA_CGROUP_PAGES = 0, /* what is in memory: hugetlb.2MB.max, .limit_in_bytes */
	HNUMA_CGROUP_RESERVATIONS =
		1, /* what is promised: hugetlb.2MB.rsvd.max, .rsvd.limit_in_bytes */
	/* Pages and all other memory together: memory.max and memory.high of a version 2 that counts pages, too. It does when
	 * it is mounted with memory_hugetlb_accounting (Linux 6.6; newer versions of systemd do so). */
	HNUMA_CGROUP_PAGES_AS_MEMORY = 2,
	/* All other memory: memory.max, .limit_in_bytes; and memory.high, beyond which the kernel lets
	 * whoever allocates wait, seconds for a few MB, which no server would call running. */
	HNUMA_CGROUP_MEMORY = 3,
	/* What of that may be swapped out: version 2 counts it for itself, version 1 with the memory. */
	HNUMA_CGROUP_SWAP = 4,		  /* memory.swap.max; of version 1 nothing */
	HNUMA_CGROUP_MEMORY_AND_SWAP = 5, /* memory.memsw.limit_in_bytes; of version 2 nothing */
};

/* How many kinds of limits huge pages count against: the first ones. */
#define HNUMA_CGROUP_NR_OF_PAGES 3

struct hnuma_cgroup_limit {
	bool is_limited; /* false: no limit was found; the rest is then 0, headroom UINT64_MAX */
	uint64_t limit_bytes; /* of the tightest group */
	uint64_t usage_bytes; /* what counts against it, of all processes of the group and below it;
			      * of memory without caches of files and names, which can be reclaimed */
	uint64_t headroom_bytes;	  /* limit - usage, at least 0 */
	char path[HNUMA_CGROUP_PATH_MAX]; /* the file with the limit, for messages */
};

/*
 * Find the tightest limit over the process's group and all its visible ancestors.
 *
 * Returns 0, also when there is no limit, no such controller or no control group at all; or the
 * kernel's answer when /proc/self/cgroup or /proc/self/mountinfo is there and cannot be read (then
 * nothing is known, and *limit says that there is no limit).
 */
int hnuma_cgroup_tightest(enum hnuma_cgroup_kind kind, struct hnuma_cgroup_limit *limit);

/*
 * The parsers, apart from the files, for their tests. Each takes any text whatever, one line without
 * its newline, and never writes beyond what it is given.
 */

/*
 * A line of /proc/self/cgroup.
 *
 * @controller  "hugetlb" or "memory".
 * @path        receives the process's group, HNUMA_CGROUP_PATH_MAX bytes.
 *
 * Returns 1 (the line is that of version 1's hierarchy with the controller), 2 (that of version 2), or 0 (of
 * neither, not such a line, or too long; the path is then "").
 */
int hnuma_cgroup_parse_membership(const char *line, const char *controller, char *path);

/*
 * A line of /proc/self/mountinfo.
 *
 * @option  NULL, or what version 2 must be mounted with.
 * @root   receives the group that is shown at
 * @point  this directory; HNUMA_CGROUP_PATH_MAX bytes each. Both "" when the result is 0.
 *
 * Returns 1 (version 1, with the controller), 2 (version 2, with the option) or 0 (anything else).
 */
int hnuma_cgroup_parse_mount(const char *line, const char *controller, const char *option,
			     char *root, char *point);

/*
 * The directory where a group is shown, when a mount shows the groups from `root` on at `point`.
 *
 * @directory  receives it, HNUMA_CGROUP_PATH_MAX bytes.
 * @top        receives the length of the part that is the mount point: ancestors end there.
 *
 * False when this mount does not show the group, or the path would be too long.
 */
bool hnuma_cgroup_locate(const char *root, const char *point, const char *path, char *directory,
			 size_t *top);

/*
 * The text of a limit's file: a number of bytes, or "max". False when it is anything else, or so
 * large that it limits nothing (version 1 writes about 2^63 for "no limit").
 */
bool hnuma_cgroup_parse_limit(const char *text, uint64_t *bytes);

#endif
