/* SPDX-License-Identifier: MIT */
/*
 * tools/command.h - what the subcommands of `hugenuma` share.
 */
#ifndef HUGENUMA_TOOLS_COMMAND_H
#define HUGENUMA_TOOLS_COMMAND_H

/* Exit codes. A run that a signal ended gives 128 + the signal's number, as shells do. */
enum command_exit {
	COMMAND_OK = 0,
	COMMAND_FAILED = 1,    /* it ran, and something was not as promised; or it could not run */
	COMMAND_BAD_INPUT = 2, /* a wrong option, a file that is not what it should be, or an output
				  that takes no report */
	COMMAND_INTERRUPTED = 128,
};

/* Each subcommand's main function: argv[0] is its name. Returns the exit code. */
int replay_main(int argc, char **argv);
int topology_main(int argc, char **argv);
int plan_main(int argc, char **argv);
int verify_main(int argc, char **argv);
int map_main(int argc, char **argv);
int top_main(int argc, char **argv);

#endif
