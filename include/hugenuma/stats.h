/* SPDX-License-Identifier: MIT */
/*
 * hugenuma/stats.h - a manager's statistics for people, programs and Prometheus.
 */
#ifndef HUGENUMA_STATS_H
#define HUGENUMA_STATS_H

#ifndef HUGENUMA_H_INSIDE
#error "include <hugenuma.h>, not its parts"
#endif

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

enum hnuma_format {
	HNUMA_TEXT = 0,	      /* a table for people */
	HNUMA_JSON = 1,	      /* one JSON object */
	HNUMA_PROMETHEUS = 2, /* the text exposition format, with HELP and TYPE lines */
};

/*
 * Write a manager's statistics: per node the arena, each class of the pool, the scratch spaces and
 * where the pages lie.
 *
 * @stream  the caller's; not flushed, not closed: what its buffer took is the caller's to check.
 *
 * Returns 0, -EINVAL (NULL, unknown format), -EIO (the stream took an error), -ENOMEM, -EOWNERDEAD.
 * May run in any thread at any time but during destroy.
 */
HNUMA_API int hnuma_manager_print_stats(const struct hnuma_manager *manager, FILE *stream,
					enum hnuma_format format);

#ifdef __cplusplus
}
#endif

#endif
