/* SPDX-License-Identifier: MIT */
/*
 * tools/unseen.h - regions that a process has, and that a survey cannot find, for `verify` and `map`.
 * Calls <hugenuma.h>, jansson and libc.
 *
 * A survey goes by the names of mappings. Memory that a program has wrapped (hnuma_region_wrap()) bears
 * its owner's name, or none; and some kernels give private memory none. But a process writes down
 * what regions it has (hugenuma/observe.h): from there it is known that they are there, where, and on
 * which nodes they should be. Where their pages lie is not: a wrapped region may be a part of a
 * mapping, and the kernel's files tell of whole ones.
 */
#ifndef HUGENUMA_TOOLS_UNSEEN_H
#define HUGENUMA_TOOLS_UNSEEN_H

#include <jansson.h>

#include <hugenuma.h>

struct unseen {
	struct hnuma_object *regions;
	unsigned nr;
	char why[256]; /* the process's list could not be read, and this is the reason; or "" */
};

/* Find them. A process may be looked at and its list not be read: that takes more rights. */
void unseen_find(struct unseen *unseen, int pid, const struct hnuma_survey *survey);

void unseen_free(struct unseen *unseen);

/* Print what there is to say, if anything. */
void unseen_print(const struct unseen *unseen);

/* An array for programs; null where the list could not be read. */
json_t *unseen_json(const struct unseen *unseen);

#endif
