/* SPDX-License-Identifier: MIT */
/*
 * tools/survey.h - the regions of a process, for `verify` and `map`. Calls <hugenuma.h>, jansson and
 * libc.
 */
#ifndef HUGENUMA_TOOLS_SURVEY_H
#define HUGENUMA_TOOLS_SURVEY_H

#include <stdbool.h>

#include <jansson.h>

#include <hugenuma.h>

/* Look at a process. Returns 0, or COMMAND_BAD_INPUT (gone, not ours), COMMAND_FAILED; printed. */
int survey_open(const char *command, int pid, struct hnuma_survey **survey);

/* "node 1", "interleaved", "unbound": where a region was to be. Static, or in text. */
const char *survey_asked(const struct hnuma_survey_region *region, char text[16]);

/* A region for programs. */
json_t *survey_json(const struct hnuma_survey *survey, unsigned index);

#endif
