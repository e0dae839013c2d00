/* SPDX-License-Identifier: MIT */
/*
 * tools/top_options.c - the command line of `hugenuma top`. Calls libc only.
 */
#include "config.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cli.h"
#include "tools/top.h"

#define COMMAND	      "top"
#define LEAST_DELAY   0.1
#define MOST_DELAY    3600.0
#define DEFAULT_DELAY 1.0

static const struct option long_options[] = {
	{"once", no_argument, NULL, '1'},
	{"json", no_argument, NULL, 'j'},
	{"delay", required_argument, NULL, 'd'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static void print_help(void)
{
	fputs("Usage: hugenuma top [OPTION]... [PID]\n"
	      "Watch the regions, pools, arenas and scratch spaces of a running process, which\n"
	      "notices nothing. Without PID: of the only one there is, or a list of all.\n\n"
	      "  -1, --once           print one look and exit (also where the standard output\n"
	      "                       is no terminal)\n"
	      "  -j, --json           as JSON; with --delay again and again, a line each\n"
	      "  -d, --delay SECONDS  look so often: 0.1 to 3600, default 1\n"
	      "  -h, --help           print this and exit\n\n"
	      "Keys: q ends; j and k, or the arrows, move what does not fit.\n"
	      "Exit: 0 looked; 1 could not, or nothing is there; 2 bad option or PID;\n"
	      "130 Ctrl-C.\n",
	      stdout);
}

/* Digits and one point, as people write seconds: no sign, no exponent, no "inf". */
static int read_delay(struct top_options *options, const char *text)
{
	char *end;

	options->has_delay = true;
	options->delay_seconds = strtod(text, &end);
	if (*text == '\0' || strspn(text, "0123456789.") != strlen(text) || *end != '\0' ||
	    options->delay_seconds < LEAST_DELAY || options->delay_seconds > MOST_DELAY)
		return cli_complain(
			COMMAND, COMMAND_BAD_INPUT,
			"--delay is \"%s\": a number of seconds from 0.1 to 3600 was expected",
			text);
	return 0;
}

static int read_option(struct top_options *options, int option, char **argv)
{
	switch (option) {
	case '1':
		options->once = true;
		return 0;
	case 'j':
		options->json = true;
		return 0;
	case 'd':
		return read_delay(options, optarg);
	default:
		return cli_bad_option(COMMAND, option, argv);
	}
}

int top_options_read(struct top_options *options, int argc, char **argv)
{
	int option, error;

	*options = (struct top_options){.delay_seconds = DEFAULT_DELAY};
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":1jd:h", long_options, NULL)) != -1) {
		if (option == 'h') {
			print_help();
			return cli_finish(COMMAND, COMMAND_OK);
		}
		error = read_option(options, option, argv);
		if (error)
			return error;
	}
	if (argc - optind > 1)
		return cli_complain(COMMAND, COMMAND_BAD_INPUT,
				    "one process at a time: \"%s\" is too much", argv[optind + 1]);
	if (optind == argc)
		return -1;
	error = cli_read_pid(COMMAND, argv[optind], &options->pid);
	return error ? error : -1;
}
