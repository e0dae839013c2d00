/* SPDX-License-Identifier: MIT */
/*
 * tests/foreign.h - topologies that hwloc's environment describes, and proof that making one is quiet.
 *
 * For test programs that include it. The environment is that of before when a call returns.
 */
#ifndef HUGENUMA_TESTS_FOREIGN_H
#define HUGENUMA_TESTS_FOREIGN_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <hugenuma.h>

#include "tests/check.h"

/* hnuma_topology_create(), which may not write to stderr, whatever it finds. */
static inline int quiet_create(struct hnuma_topology **topology)
{
	int caught = memfd_create("stderr", MFD_CLOEXEC), saved = dup(STDERR_FILENO);
	struct stat stat;
	int error;

	CU_ASSERT_FATAL(caught >= 0 && saved >= 0);
	fflush(stderr);
	dup2(caught, STDERR_FILENO);
	error = hnuma_topology_create(topology);
	fflush(stderr);
	dup2(saved, STDERR_FILENO);
	CU_ASSERT_EQUAL(fstat(caught, &stat), 0);
	CU_ASSERT_EQUAL(stat.st_size, 0);
	close(saved);
	close(caught);
	return error;
}

/* The same with one variable of the environment set; on failure *topology must have become NULL. */
static inline int foreign_create(struct hnuma_topology **topology, const char *variable,
				 const char *value)
{
	int error;

	*topology = (struct hnuma_topology *)1;
	setenv(variable, value, 1);
	error = quiet_create(topology);
	unsetenv(variable);
	CU_ASSERT_EQUAL(error == 0, *topology != NULL);
	return error;
}

/* One of the files in tests/topologies. Valid until the next call. */
static inline const char *foreign_file(const char *name)
{
	static char path[4096];
	const char *top = getenv("top_srcdir");

	snprintf(path, sizeof(path), "%s/tests/topologies/%s", top ? top : ".", name);
	return path;
}

/* What would make another's description pass, or ours fail, must not come from outside. */
static inline void foreign_clean_environment(void)
{
	static const char *const names[] = {"HWLOC_XMLFILE",	"HWLOC_SYNTHETIC",
					    "HWLOC_FSROOT",	"HWLOC_CPUID_PATH",
					    "HWLOC_COMPONENTS", "HWLOC_THISSYSTEM"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unsetenv(names[i]);
}

#endif
