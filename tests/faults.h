/* SPDX-License-Identifier: MIT */
/*
 * tests/faults.h - what the library can be asked to do, so that test_faults.c can do each of it while
 * something fails.
 */
#ifndef HUGENUMA_TESTS_FAULTS_H
#define HUGENUMA_TESTS_FAULTS_H

#include <stdbool.h>

#include <hugenuma.h>

/* The three functions are called with nothing failing, with something failing, with nothing failing. */
struct operation {
	const char *name;
	int (*prepare)(void); /* or NULL: make what it begins with */
	int (*run)(void);     /* returns 0 or a negative errno */
	void (*clean)(void);  /* or NULL: take down what is there */

	bool is_silent; /* a hot path, which leaves no message */
	enum hnuma_backing least_backing;
	enum hnuma_policy policy;
	unsigned flags;
	enum hnuma_format format;
	bool has_no_pages; /* no huge page of the node's pool is free; else there are enough */
};

extern const struct operation faults_operations[];
extern const unsigned faults_nr_operations;

/* Before the first: the topology and the node that they use. */
void faults_init(struct hnuma_topology *topology, int node);

/* Before the functions of one of them. */
void faults_choose(const struct operation *operation);

/* Is the chosen one a making of a region? Which one it has made; or NULL. */
bool faults_makes_region(void);
struct hnuma_region *faults_region(void);

/* A small manager with one of everything. */
struct hnuma_config faults_config(void);

#endif
