/* SPDX-License-Identifier: MIT */
/*
 * kvmove.c - from start to end: network, memory, registration, the role, and everything back.
 */
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "role.h"

volatile sig_atomic_t is_stopping;

static void on_signal(int number)
{
	(void)number;
	is_stopping = 1;
}

static void catch_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

/* Memory after the network: a registration is the network's. */
static int open_role(struct role *role)
{
	const struct options *options = role->options;
	double begin = clock_seconds();

	role->memory = (struct memory){
		.ops = options->memory,
		.block_bytes = options->block_bytes,
		.nr_blocks = options->nr_blocks,
		.least_backing = options->least_backing,
		.is_relaxed = options->is_relaxed,
		.node = HNUMA_NODE_LOCAL,
	};
	role->fabric.is_local = options->is_local;
	if (fabric_open(&role->fabric))
		return -1;
	role->windows.context = role->fabric.context;
	if (role->memory.ops->open(&role->memory, &role->windows)) {
		fabric_close(&role->fabric);
		return -1;
	}
	printf("%s: %s, %zu blocks of %zu bytes; registrations %u in %.3f ms; started in %.1f ms\n",
	       options->is_prefill ? "prefill" : "decode", role->memory.ops->name,
	       options->nr_blocks, options->block_bytes, role->windows.nr,
	       role->windows.seconds * 1e3, (clock_seconds() - begin) * 1e3);
	return 0;
}

int main(int argc, char **argv)
{
	struct options options;
	struct role role = {.options = &options};
	int code = options_read(&options, argc, argv);

	if (code >= 0)
		return code;
	setvbuf(stdout, NULL, _IOLBF, 0);
	catch_signals();
	if (open_role(&role))
		return 1;
	code = options.is_prefill ? prefill_run(&role) : decode_run(&role);
	if (role.memory.ops->close(&role.memory, &role.windows))
		code = 1;
	fabric_close(&role.fabric);
	return code;
}
