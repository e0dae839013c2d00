/* SPDX-License-Identifier: MIT */
/*
 * tests/run_command.h - runs the command `hugenuma` and looks at what it said.
 *
 * The command is what HUGENUMA_COMMAND names, else $top_builddir/hugenuma, else ./hugenuma or the
 * one that PATH finds.
 */
#ifndef HUGENUMA_TESTS_RUN_COMMAND_H
#define HUGENUMA_TESTS_RUN_COMMAND_H

#include <stdbool.h>
#include <sys/types.h>

#include <jansson.h>

/* What the last command did. */
struct command_outcome {
	int code; /* exit code, or -signal */
	char out[1 << 16];
	char err[1 << 12];
};

extern struct command_outcome command_outcome;

/* Run the command with the words of a line; the word '' is an empty one. */
void command_run(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * The same in two halves. The files come from command_output(), and are closed by the second
 * half. In between, command_await() returns when the command has written something, or after a minute.
 */
int command_output(void);
pid_t command_start(const char *line, int out, int err);
void command_await(int out);
void command_finish(pid_t child, int out, int err);

/* Start it on a terminal. */
pid_t command_start_on(const char *line, int terminal);

/*
 * A file of requests, all alike, whose path is valid until the next one is made. The caller
 * removes it.
 */
const char *command_trace(unsigned nr_requests, unsigned context, unsigned generated);

/* Fail the running test, and show what the command said, when something expected is not so. */
void command_expect(bool is_so, const char *what);

/* One clear line on standard error with these words, nothing on standard output, this exit code. */
void command_complains(int code, const char *words);

/* Standard output as JSON; the caller lets go of it. */
json_t *command_report(void);

/* Values in it. */
json_int_t command_number(const json_t *root, const char *object, const char *key);
const char *command_text(const json_t *object, const char *key);

/* The exit code, the verdict, no problem. */
void command_has_verdict(const json_t *root, const char *verdict, int code);

/* Every page of every object lies where it was asked for; of this backing, where one is named. */
void command_is_placed(const json_t *root, const char *backing);

/* No page faults after start-up, unless the kernel was moving pages. */
void command_has_no_faults(const json_t *root);

#endif
