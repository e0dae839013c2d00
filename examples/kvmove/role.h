/* SPDX-License-Identifier: MIT */
/*
 * role.h - the two ends. Each runs from its start to its end, prints what it did, and leaves nothing
 * of its memory out.
 */
#ifndef KVMOVE_ROLE_H
#define KVMOVE_ROLE_H

#include <signal.h>

#include "fabric.h"
#include "memory.h"
#include "options.h"
#include "windows.h"

/* What both have. */
struct role {
	const struct options *options;
	struct fabric fabric;
	struct memory memory;
	struct windows windows;
};

/* Set by SIGINT and SIGTERM. */
extern volatile sig_atomic_t is_stopping;

/*
 * Print which role has what memory, how many registrations it took, and how long. Then run it. An
 * exit code: 0; 1 when a request failed or arrived damaged.
 */
int prefill_run(struct role *role);
int decode_run(struct role *role);

#endif
