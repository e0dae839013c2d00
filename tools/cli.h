/* SPDX-License-Identifier: MIT */
/*
 * tools/cli.h - what the subcommands do alike: complaints, colour, tables, JSON, lists, and a topology
 * that is named on the command line. Calls <hugenuma.h>, jansson and libc.
 */
#ifndef HUGENUMA_TOOLS_CLI_H
#define HUGENUMA_TOOLS_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include <hugenuma.h>

#include "tools/command.h"
#include "tools/model.h"

/* Print "hugenuma COMMAND: ..." as one line on the standard error. Returns code. */
int cli_complain(const char *command, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* What getopt_long() answered is ':' or '?': say which option that was. Returns COMMAND_BAD_INPUT. */
int cli_bad_option(const char *command, int option, char **argv);

/*
 * All was printed: did it arrive? Returns code, or COMMAND_BAD_INPUT with a complaint: a closed pipe or a
 * full disk is no answer of "no".
 */
int cli_finish(const char *command, int code);

/*
 * Print a JSON object, in one line if it is one of many, and let go of it. Returns as cli_finish(), or
 * COMMAND_FAILED with a complaint where there was no memory for it.
 */
int cli_print_json(const char *command, json_t *root, bool in_one_line, int code);

/* An object that begins as all reports do: the library's version, the command. */
json_t *cli_report(const char *command);

json_t *cli_count(uint64_t count);

/* The numbers of a set's nodes, as an array. */
json_t *cli_nodes(const struct hnuma_nodeset *nodes);

/*
 * Read a topology: this machine's where description is NULL; else that of a file in hwloc's XML, of a
 * directory with another machine's /sys, or of hwloc's words ("pack:2 numa:1 core:8 pu:2").
 *
 * Returns 0, or COMMAND_BAD_INPUT with the reason printed; the caller destroys the topology.
 */
int cli_open_topology(const char *command, const char *description,
		      struct hnuma_topology **topology);

/*
 * Read the value of an option, whose name is given without its dashes. Each of these returns 0, or
 * COMMAND_BAD_INPUT with the reason printed.
 *
 * A whole number; a size, "512M"; a model's name; a list of nodes, "0,2-5"; a process's number; a
 * backing's name, as hnuma_backing_name() has it.
 */
int cli_read_count(const char *command, const char *option, const char *text, uint64_t least,
		   uint64_t most, uint64_t *count);
int cli_read_size(const char *command, const char *option, const char *text, uint64_t *size_bytes);
int cli_read_model(const char *command, const char *text, const struct model **model);
int cli_read_nodes(const char *command, const char *text, struct hnuma_nodeset *nodes);
int cli_read_pid(const char *command, const char *text, int *pid);
int cli_read_backing(const char *command, const char *text, enum hnuma_backing *backing);

/* The CPUs of a node that this process may run on, as a list: "0-3,8"; "-" for none. */
void cli_list_cpus(const struct hnuma_topology *topology, int node, char *text, size_t size);

/* ---- Colour: on a terminal only, and not where NO_COLOR is set ---- */

enum cli_colour { CLI_PLAIN, CLI_GOOD, CLI_BAD, CLI_BOLD };

/* Print a text in a colour to the standard output. */
void cli_print(enum cli_colour colour, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Columns of the terminal (or as COLUMNS has it); UINT_MAX when it is none. */
unsigned cli_columns(void);

/* ---- Tables ---- */

/*
 * A table with its heads; a head that begins with '<' has its cells on the left. On a terminal too
 * narrow for it each cell becomes a line.
 */
struct cli_table {
	const char *const *heads;
	unsigned nr_columns;
	struct cli_cell *cells; /* row by row */
	size_t nr, room;
};

void cli_table_begin(struct cli_table *table, const char *const *heads, unsigned nr_columns);
void cli_table_add(struct cli_table *table, enum cli_colour colour, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Print it, and free what it holds. */
void cli_table_print(struct cli_table *table);

#endif
