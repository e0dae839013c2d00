/* SPDX-License-Identifier: MIT */
/*
 * hugenuma - memory in huge pages that provably lies on the right NUMA node.
 *
 * This is the one header that a program includes. Its parts, one per concept:
 *
 *   base.h      constants, node sets, the rules of attributes, error messages
 *   topology.h  what the machine has
 *   hooks.h     registering regions with a network or a device
 *   region.h    memory from the kernel, present and verified
 *   arena.h     memory for one step: bump allocation, reset at once
 *   pool.h      memory for one request: blocks of five sizes that go home
 *   scratch.h   memory for one call: one space per core
 *   manager.h   one set of the three on every node
 *   plan.h      what a configuration needs, has and lacks, before it is made
 *   stats.h     the manager's statistics as text, JSON and Prometheus
 *   inspect.h   the machine in detail, and the regions of any process
 *   observe.h   the objects of another process, and what they count
 */
#ifndef HUGENUMA_H
#define HUGENUMA_H

/* g++ -Wshadow does not like a function that has the name of a struct, which C programs are used to. */
#if defined(__cplusplus) && defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#endif

#define HUGENUMA_H_INSIDE
#include <hugenuma/base.h>
#include <hugenuma/topology.h>
#include <hugenuma/hooks.h>
#include <hugenuma/region.h>
#include <hugenuma/arena.h>
#include <hugenuma/pool.h>
#include <hugenuma/scratch.h>
#include <hugenuma/manager.h>
#include <hugenuma/plan.h>
#include <hugenuma/stats.h>
#include <hugenuma/inspect.h>
#include <hugenuma/observe.h>
#undef HUGENUMA_H_INSIDE

#if defined(__cplusplus) && defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

#endif
