/* SPDX-License-Identifier: MIT */
/*
 * tools/cli.c - what the subcommands do alike, but for tables. Calls <hugenuma.h>, jansson and libc.
 */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/cli.h"
#include "tools/units.h"

int cli_complain(const char *command, int code, const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "hugenuma %s: ", command);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	return code;
}

int cli_bad_option(const char *command, int option, char **argv)
{
	const char *word = argv[optind - 1];

	if (option == ':')
		return cli_complain(command, COMMAND_BAD_INPUT, "%s wants a value", word);
	/* A short option among others of its word. */
	if (optopt > ' ' && optopt < 127 && strncmp(word, "--", 2) != 0)
		return cli_complain(command, COMMAND_BAD_INPUT,
				    "there is no option -%c: hugenuma %s --help lists them", optopt,
				    command);
	if (strncmp(word, "--", 2) == 0 && strchr(word, '=') && optopt)
		return cli_complain(command, COMMAND_BAD_INPUT, "%.*s takes no value",
				    (int)strcspn(word, "="), word);
	return cli_complain(command, COMMAND_BAD_INPUT,
			    "there is no option %s: hugenuma %s --help lists them", word, command);
}

int cli_finish(const char *command, int code)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	return cli_complain(command, COMMAND_BAD_INPUT, "cannot write the report: %s",
			    strerror(errno));
}

json_t *cli_count(uint64_t count)
{
	return json_integer(count > INT64_MAX ? INT64_MAX : (json_int_t)count);
}

json_t *cli_nodes(const struct hnuma_nodeset *nodes)
{
	json_t *array = json_array();

	for (int node = 0; node < HNUMA_MAX_NODES; node++)
		if (hnuma_nodeset_has(nodes, node))
			json_array_append_new(array, json_integer(node));
	return array;
}

json_t *cli_report(const char *command)
{
	json_t *root = json_object();

	json_object_set_new(root, "hugenuma", json_string(hnuma_version()));
	json_object_set_new(root, "command", json_string(command));
	return root;
}

int cli_print_json(const char *command, json_t *root, bool in_one_line, int code)
{
	size_t form = in_one_line ? JSON_COMPACT : JSON_INDENT(2);
	int error = json_dumpf(root, stdout, form | JSON_REAL_PRECISION(9));

	json_decref(root);
	putchar('\n');
	if (error && !ferror(stdout))
		return cli_complain(command, COMMAND_FAILED, "no memory for the report");
	return cli_finish(command, code);
}

/* Words such as "pack:2 numa:1 pu:4" rather than a path? */
static bool is_synthetic(const char *text)
{
	const char *colon = strchr(text, ':');

	return colon && colon > text && colon[1] >= '0' && colon[1] <= '9' && !strchr(text, '/');
}

/* The library names hwloc's variable, of which our user knows nothing. */
static int complain_of_topology(const char *command, const char *variable)
{
	const char *message = hnuma_errormsg(), *what = message;
	size_t length = strlen(message), tail = strlen(", or unset it");

	if (strncmp(message, variable, strlen(variable)) != 0)
		return cli_complain(command, COMMAND_BAD_INPUT, "--topology: %s", message);
	what += strlen(variable);
	length -= strlen(variable);
	if (length > tail && strcmp(what + length - tail, ", or unset it") == 0)
		length -= tail;
	return cli_complain(command, COMMAND_BAD_INPUT, "--topology%.*s", (int)length, what);
}

int cli_open_topology(const char *command, const char *description,
		      struct hnuma_topology **topology)
{
	static const char *const variables[] = {"HWLOC_XMLFILE",    "HWLOC_SYNTHETIC",
						"HWLOC_FSROOT",	    "HWLOC_CPUID_PATH",
						"HWLOC_COMPONENTS", "HWLOC_THISSYSTEM"};
	const char *variable = "HWLOC_XMLFILE";
	struct stat status;
	size_t i;

	if (!description)
		return hnuma_topology_create(topology)
			       ? cli_complain(command, COMMAND_BAD_INPUT, "%s", hnuma_errormsg())
			       : 0;
	if (!*description)
		return cli_complain(command, COMMAND_BAD_INPUT,
				    "--topology is \"\": a file, a directory or hwloc's words were "
				    "expected");
	if (stat(description, &status) == 0) {
		if (S_ISDIR(status.st_mode))
			variable = "HWLOC_FSROOT";
	} else if (is_synthetic(description)) {
		variable = "HWLOC_SYNTHETIC";
	} else if (strcmp(description, "-") != 0) {
		return cli_complain(command, COMMAND_BAD_INPUT,
				    "--topology is \"%s\", which cannot be read: %s", description,
				    strerror(errno));
	}
	for (i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
		unsetenv(variables[i]);
	setenv(variable, description, 1);
	return hnuma_topology_create(topology) ? complain_of_topology(command, variable) : 0;
}

int cli_read_count(const char *command, const char *option, const char *text, uint64_t least,
		   uint64_t most, uint64_t *count)
{
	char from[UNITS_TEXT], to[UNITS_TEXT];

	if (units_read_count(text, least, most, count) == 0)
		return 0;
	return cli_complain(command, COMMAND_BAD_INPUT,
			    "--%s is \"%s\": a whole number from %s to %s was expected", option,
			    text, units_count(from, least), units_count(to, most));
}

int cli_read_size(const char *command, const char *option, const char *text, uint64_t *size_bytes)
{
	int error = units_read_size(text, size_bytes);

	if (!error)
		return 0;
	return cli_complain(command, COMMAND_BAD_INPUT, "--%s is \"%s\": %s", option, text,
			    error == -EINVAL ? "a size such as 512M or 1.5G was expected"
					     : "that is no size that memory can have");
}

int cli_read_model(const char *command, const char *text, const struct model **model)
{
	const struct model *known;
	unsigned i;

	*model = model_find(text);
	if (*model)
		return 0;
	fprintf(stderr, "hugenuma %s: \"%s\" is no model that is known here; there are", command,
		text);
	for (i = 0; (known = model_at(i)); i++)
		fprintf(stderr, " %s", known->name);
	fputc('\n', stderr);
	return COMMAND_BAD_INPUT;
}

/* A number of a list at *at, which is moved behind it. */
static bool read_node(const char **at, long *node)
{
	char *end;

	if (**at < '0' || **at > '9')
		return false;
	*node = strtol(*at, &end, 10);
	*at = end;
	return *node < HNUMA_MAX_NODES;
}

int cli_read_nodes(const char *command, const char *text, struct hnuma_nodeset *nodes)
{
	const char *at = text;
	long first, last;

	memset(nodes, 0, sizeof(*nodes));
	for (;;) {
		if (!read_node(&at, &first))
			break;
		last = first;
		if (*at == '-') {
			at++;
			if (!read_node(&at, &last) || last < first)
				break;
		}
		while (first <= last)
			hnuma_nodeset_add(nodes, (int)first++);
		if (*at == '\0')
			return 0;
		if (*at++ != ',')
			break;
	}
	return cli_complain(command, COMMAND_BAD_INPUT,
			    "--nodes is \"%s\": a list such as 0,2-5 was expected", text);
}

int cli_read_pid(const char *command, const char *text, int *pid)
{
	uint64_t number;

	if (units_read_count(text, 1, INT_MAX, &number))
		return cli_complain(command, COMMAND_BAD_INPUT,
				    "\"%s\" is no process: a number from 1 was expected", text);
	*pid = (int)number;
	return 0;
}

int cli_read_backing(const char *command, const char *text, enum hnuma_backing *backing)
{
	for (*backing = HNUMA_BACKING_BASE; *backing <= HNUMA_BACKING_HUGETLB; (*backing)++)
		if (strcmp(text, hnuma_backing_name(*backing)) == 0)
			return 0;
	return cli_complain(command, COMMAND_BAD_INPUT,
			    "--backing is \"%s\": hugetlb, thp or base was expected", text);
}

void cli_list_cpus(const struct hnuma_topology *topology, int node, char *text, size_t size)
{
	const unsigned nr = hnuma_topology_nr_cpus(topology);
	size_t used = 0;
	unsigned cpu;

	snprintf(text, size, "-");
	for (cpu = 0; cpu < nr; cpu++) {
		unsigned first = cpu;
		bool is_allowed;

		while (cpu < nr &&
		       hnuma_topology_home_of_cpu(topology, (int)cpu, &is_allowed) == node &&
		       is_allowed)
			cpu++;
		if (cpu == first)
			continue;
		used += (size_t)snprintf(text + used, size - used, "%s%u", used ? "," : "", first);
		if (cpu - first > 1 && used < size)
			used += (size_t)snprintf(text + used, size - used, "-%u", cpu - 1);
		if (used >= size) {
			snprintf(text + size - 4, 4, "...");
			return;
		}
	}
}

static bool is_coloured(void)
{
	const char *no_colour = getenv("NO_COLOR"), *terminal = getenv("TERM");

	return isatty(STDOUT_FILENO) && (!no_colour || !*no_colour) && terminal &&
	       strcmp(terminal, "dumb") != 0;
}

void cli_print(enum cli_colour colour, const char *format, ...)
{
	static const char *const codes[] = {
		[CLI_PLAIN] = "",
		[CLI_GOOD] = "\033[32m",
		[CLI_BAD] = "\033[1;31m",
		[CLI_BOLD] = "\033[1m",
	};
	bool is_plain = colour == CLI_PLAIN || !is_coloured();
	va_list arguments;

	if (!is_plain)
		fputs(codes[colour], stdout);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	if (!is_plain)
		fputs("\033[0m", stdout);
}

unsigned cli_columns(void)
{
	const char *text = getenv("COLUMNS");
	struct winsize window;
	uint64_t columns;

	if (text && units_read_count(text, 1, INT_MAX, &columns) == 0)
		return (unsigned)columns;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0)
		return window.ws_col;
	return UINT_MAX;
}
