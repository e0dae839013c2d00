/* SPDX-License-Identifier: MIT */
/*
 * tools/top_options.c - the command line of `hugenuma top`. Calls libc only.
 */
#include "config.h"

#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cli.h"
#include "tools/top.h"
#include "tools/units.h"

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
	      "Watch the regions, pools, arenas and scratch spaces of a running process, without\n"
	      "its noticing. Without PID: of the only one there is, or a list of all.\n\n"
	      "  -1, --once           print one look and exit (also where the standard output is\n"
	      "                       no terminal)\n"
	      "  -j, --json           print it as JSON; with --delay again and again, a line each\n"
	      "  -d, --delay SECONDS  look so often: 0.1 to 3600, default 1\n"
	      "  -h, --help           print this and exit\n\n"
	      "Keys: q ends; j and k, or the arrows, move what does not fit.\n"
	      "Exit: 0 looked; 1 could not, or nothing is there; 2 bad option or PID; 130 "
	      "Ctrl-C.\n",
	      stdout);
}

/* Digits and one point, as people write seconds: no sign, no exponent, no "inf". */
static enum top_options_result read_delay(struct top_options *options, const char *text)
{
	char *end;

	options->has_delay = true;
	options->delay_seconds = strtod(text, &end);
	if (*text == '\0' || strspn(text, "0123456789.") != strlen(text) || *end != '\0' ||
	    options->delay_seconds < LEAST_DELAY || options->delay_seconds > MOST_DELAY)
		return cli_complain(
			"top", TOP_OPTIONS_BAD,
			"--delay is \"%s\": a number of seconds from 0.1 to 3600 was expected",
			text);
	return TOP_OPTIONS_GOOD;
}

static enum top_options_result read_pid(struct top_options *options, const char *text)
{
	uint64_t pid;

	if (units_read_count(text, 1, INT_MAX, &pid))
		return cli_complain("top", TOP_OPTIONS_BAD,
				    "\"%s\" is no process id: a whole number was expected", text);
	options->pid = (int)pid;
	return TOP_OPTIONS_GOOD;
}

enum top_options_result top_options_read(struct top_options *options, int argc, char **argv)
{
	enum top_options_result result = TOP_OPTIONS_GOOD;
	int option;

	*options = (struct top_options){.delay_seconds = DEFAULT_DELAY};
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":1jd:h", long_options, NULL)) != -1) {
		if (option == '1')
			options->once = true;
		else if (option == 'j')
			options->json = true;
		else if (option == 'd')
			result = read_delay(options, optarg);
		else if (option == ':')
			result = cli_complain("top", TOP_OPTIONS_BAD,
					      "%s wants a value: hugenuma top --help",
					      argv[optind - 1]);
		else if (option == '?' && optopt > 0 && optopt < 256)
			result = cli_complain(
				"top", TOP_OPTIONS_BAD,
				"there is no option -%c: hugenuma top --help lists them", optopt);
		else if (option == '?')
			result = cli_complain(
				"top", TOP_OPTIONS_BAD,
				"there is no option %s: hugenuma top --help lists them",
				argv[optind - 1]);
		if (option == 'h') {
			print_help();
			return TOP_OPTIONS_HELP;
		}
		if (result != TOP_OPTIONS_GOOD)
			return result;
	}
	if (argc - optind > 1)
		return cli_complain("top", TOP_OPTIONS_BAD,
				    "\"%s\" is one process too many: it watches one at a time",
				    argv[optind + 1]);
	return optind < argc ? read_pid(options, argv[optind]) : TOP_OPTIONS_GOOD;
}
