/* SPDX-License-Identifier: MIT */
/*
 * tests/guests/exchange.h - blocks that pass between threads of all nodes and come home again.
 */
#ifndef HUGENUMA_TESTS_EXCHANGE_H
#define HUGENUMA_TESTS_EXCHANGE_H

#include <hugenuma.h>

#include "tests/guests/guest.h"

/*
 * A thread on every CPU acquires blocks, of its own node and of others', passes them on to a thread
 * on another CPU, and releases what it is passed. Afterwards every block must be free, at home, and
 * within reach.
 *
 * @nodes  that the pool serves, all of them with memory.
 */
void exchange(const struct guest_machine *machine, const struct hnuma_topology *topology,
	      struct hnuma_nodeset nodes);

/*
 * Take all blocks of a class that a node has, check that each lies there, and give them back. The
 * pool must have none out.
 *
 * Returns their number.
 */
unsigned long exchange_exhaust(struct hnuma_pool *pool, int node, enum hnuma_class class_index);

#endif
