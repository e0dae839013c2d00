/* SPDX-License-Identifier: MIT */
/*
 * tests/guests/forget.c - a library to preload that forgets a part of binding.
 *
 * It is for testing the tests: with it, the programs that check placement must fail. FORGET in the
 * environment says what is forgotten:
 *
 *	mbind      mbind() succeeds and does nothing
 *	node       mbind() binds to node 0, whatever was asked
 *	both       neither mbind() nor set_mempolicy() does anything
 *	restore    the thread's policy is not put back
 *
 * Calls the C library and the kernel only.
 */
#include "config.h"

#include <numaif.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int forgets(const char *what)
{
	const char *asked = getenv("FORGET");

	return asked && !strcmp(asked, what);
}

long mbind(void *start, unsigned long length, int mode, const unsigned long *mask,
	   unsigned long max_node, unsigned flags)
{
	static const unsigned long node_0 = 1;

	if (forgets("mbind") || forgets("both"))
		return 0;
	if (forgets("node")) {
		mask = &node_0;
		max_node = 8 * sizeof node_0;
	}
	return syscall(SYS_mbind, start, length, mode, mask, max_node, flags);
}

/* libnuma tries policies when it is loaded: what counts is the call after one that binds. */
static __thread int has_bound;

long set_mempolicy(int mode, const unsigned long *mask, unsigned long max_node)
{
	int is_restoring = has_bound;

	has_bound = (mode & 0xff) == MPOL_BIND;
	if (forgets("both") || (forgets("restore") && is_restoring && !has_bound))
		return 0;
	return syscall(SYS_set_mempolicy, mode, mask, max_node);
}
