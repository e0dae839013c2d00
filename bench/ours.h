/* SPDX-License-Identifier: MIT */
/*
 * bench/ours.h - names of the subjects that targets are about: hugenuma, and the limits.
 */
#ifndef HUGENUMA_BENCH_OURS_H
#define HUGENUMA_BENCH_OURS_H

struct hnuma_topology;

#define OURS	   "hugenuma"
#define OURS_KEPT  "space kept"
#define OURS_LANES "a lane for each"

/* Names of limits that targets are held against. */
#define LIMIT_CALLS   "empty calls"
#define LIMIT_STACK   "own stack, called"
#define LIMIT_MARKED  "own stack, marked"
#define LIMIT_INLINED "own stack, inlined"
#define LIMIT_BUMP    "bare pointer"
#define LIMIT_SWAP    "swap, inlined"
#define LIMIT_CALLED  "swap, called"
#define LIMIT_ADD     "add, inlined"
#define LIMIT_OWN     "own pointer, inlined"

#define BARE_ONE "bare, 1 thread"
#define BARE_TWO "bare, 2 threads"

/* The program's. */
extern const struct hnuma_topology *ours_topology;

#endif
