/* SPDX-License-Identifier: MIT */
/*
 * tools/progress.h - one line on the terminal that says how far a job is. Calls libc only.
 */
#ifndef HUGENUMA_TOOLS_PROGRESS_H
#define HUGENUMA_TOOLS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress_line {
	bool is_on;
	double drawn;	      /* when it was last drawn, in seconds of the job */
	double since;	      /* the rate is that of the time from here on */
	uint64_t tokens_then; /* what was done by then */
	double rate;	      /* tokens a second; 0: not known yet */
};

/* On only where standard error is a terminal, and nobody asked for quiet. */
void progress_open(struct progress_line *line, bool is_quiet);

/* Show a few words in place of the line, before there is anything to measure. */
void progress_say(const struct progress_line *line, const char *words);

/* Draw the line, at most five times a second. */
void progress_draw(struct progress_line *line, uint64_t requests, uint64_t requests_total,
		   uint64_t tokens, uint64_t tokens_total, double seconds);

/* Take it away. */
void progress_close(struct progress_line *line);

#endif
