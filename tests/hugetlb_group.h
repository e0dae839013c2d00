/* SPDX-License-Identifier: MIT */
/*
 * tests/hugetlb_group.h - a control group that limits huge pages, made by a test and entered by a child
 * of it. For test programs that include it.
 */
#ifndef HUGENUMA_TESTS_HUGETLB_GROUP_H
#define HUGENUMA_TESTS_HUGETLB_GROUP_H

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <hugenuma.h>

#include "tests/check.h"

struct group {
	char root[200];	     /* where the hierarchy is mounted */
	char directory[256]; /* the group */
	bool is_v1;
	bool has_enabled; /* the controller was switched on in the root by us */
};

/* Find a mounted hierarchy that has the controller. */
static inline bool find_hierarchy(struct group *group)
{
	FILE *mounts = fopen("/proc/self/mounts", "re");
	char point[160], type[32], options[512], path[256];
	bool is_found = false;

	while (mounts && !is_found &&
	       fscanf(mounts, "%*s %159s %31s %511s %*d %*d", point, type, options) == 3) {
		group->is_v1 = strcmp(type, "cgroup") == 0 && strstr(options, "hugetlb");
		snprintf(path, sizeof(path), "%s/cgroup.controllers", point);
		is_found = group->is_v1 || (strcmp(type, "cgroup2") == 0 &&
					    strstr(check_read_file(path), "hugetlb"));
	}
	if (mounts)
		fclose(mounts);
	snprintf(group->root, sizeof(group->root), "%s", point);
	return is_found;
}

/* False: none can be made here; remove_group() is allowed all the same. */
static inline bool make_group(struct group *group)
{
	char path[256];

	memset(group, 0, sizeof(*group));
	if (!find_hierarchy(group))
		return false;
	if (!group->is_v1) {
		snprintf(path, sizeof(path), "%s/cgroup.subtree_control", group->root);
		if (!strstr(check_read_file(path), "hugetlb"))
			group->has_enabled =
				check_write_file(group->root, "cgroup.subtree_control", "+hugetlb");
	}
	snprintf(group->directory, sizeof(group->directory), "%s/hugenuma-test-%d", group->root,
		 (int)getpid());
	return mkdir(group->directory, 0755) == 0;
}

static inline void remove_group(struct group *group)
{
	/* A process that has just ended can be in its group a moment longer. */
	for (int i = 0; i < 200 && rmdir(group->directory) != 0 && errno == EBUSY; i++)
		usleep(10000);
	if (group->has_enabled)
		check_write_file(group->root, "cgroup.subtree_control", "-hugetlb");
}

/* Put the calling process, a child of the test, into the group, with a limit of some pages. */
static inline void enter_group(const struct group *group, bool is_reservation, unsigned nr_pages)
{
	char name[64], text[32];

	snprintf(name, sizeof(name), "hugetlb.2MB.%s%s", is_reservation ? "rsvd." : "",
		 group->is_v1 ? "limit_in_bytes" : "max");
	snprintf(text, sizeof(text), "%zu", nr_pages * HNUMA_HUGEPAGE);
	CU_ASSERT_FATAL(check_write_file(group->directory, name, text));
	snprintf(text, sizeof(text), "%d", (int)getpid());
	CU_ASSERT_FATAL(check_write_file(group->directory, "cgroup.procs", text));
}

#endif
