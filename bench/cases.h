/* SPDX-License-Identifier: MIT */
/*
 * bench/cases.h - the cases, one file for each kind. Each function adds to the plan what is asked for
 * and can be had here.
 */
#ifndef HUGENUMA_BENCH_CASES_H
#define HUGENUMA_BENCH_CASES_H

#include <stdio.h>

#include "bench/plan.h"

#define NR_CLASSES 5u
extern const char *const class_names[NR_CLASSES];

/* case_pool.c: pool/, transfer/, bulk/, growth/ */
void cases_pool(void);

/* case_tail.c: tail/ */
void cases_tail(void);

/* case_arena.c: arena/, lane/, scratch/ */
void cases_arena(void);

/* case_populate.c: populate/ */
void cases_populate(void);

/* case_access.c: access/ */
void cases_access(void);

/* case_replay.c: replay/. `tool` is the command hugenuma. */
void cases_replay(const char *tool);

/*
 * Two instances of a subject's blocks of one size, opened at the first call and kept: layouts use them
 * by turns. False: they cannot be had, which is said once.
 */
#define NR_INSTANCES 2
bool blocks_open(const struct bench_subject *subject, size_t block_bytes, unsigned nr_blocks,
		 void **instances);

#endif
