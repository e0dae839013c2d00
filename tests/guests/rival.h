/* SPDX-License-Identifier: MIT */
/*
 * tests/guests/rival.h - another process, which takes the machine's memory.
 *
 * It takes what the kernel gives to programs, to the last page but a few: how far it may go without being
 * killed it reads from /proc/zoneinfo, or from the control group that it is to fill. If somebody has to be
 * killed all the same, it is a rival: each has asked the kernel to choose it first (oom_score_adj), so that a
 * test can go on whatever happened, and see by the count of killed ones whether anything did.
 *
 * Calls the C library, and through guest.h the kernel.
 */
#ifndef HUGENUMA_TESTS_RIVAL_H
#define HUGENUMA_TESTS_RIVAL_H

#include <stddef.h>
#include <sys/types.h>

/*
 * What is filled from now on is a control group of version 2, in which this process is: its memory.max is all
 * that counts, and a node only says where the memory is to lie. The string must stay.
 */
void rival_confine(const char *directory);

/* How much more the kernel would give to a program from a node, in KB. */
size_t rival_room_kb(int node);

/* Each of these returns when it has what it wants, and keeps it until it is ended. */
pid_t rival_fill(int node, size_t left_kb);
pid_t rival_take_pages(int node, unsigned long pages);

/*
 * Fill, take huge pages, give some of both back and take them again, on these nodes, without end. Where the
 * kernel kills it, it begins anew.
 */
pid_t rival_run(const int *nodes, unsigned nr_nodes);

/* End one. What it had is free again a moment later. */
void rival_end(pid_t rival);

/* How many processes the kernel has killed for want of memory since it was started. */
unsigned long rival_nr_killed(void);

#endif
