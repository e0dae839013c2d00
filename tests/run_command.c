/* SPDX-License-Identifier: MIT */
/*
 * tests/run_command.c - runs the command `hugenuma` and looks at what it said. Calls CUnit, jansson
 * and the C library.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/check.h"
#include "tests/run_command.h"
#include "tools/prefault.h"

#define MOST_ARGUMENTS 24

struct command_outcome command_outcome;

/* Where it is named; in the build tree; here; or where PATH finds it. */
static const char *command_path(void)
{
	static char path[4096];
	const char *named = getenv("HUGENUMA_COMMAND");
	const char *top = getenv("top_builddir");

	if (named)
		return named;
	if (!top && access("./hugenuma", X_OK) != 0)
		return "hugenuma";
	snprintf(path, sizeof(path), "%s/hugenuma", top ? top : ".");
	return path;
}

static void read_back(int fd, char *text, size_t size)
{
	ssize_t got = pread(fd, text, size - 1, 0);

	text[got > 0 ? got : 0] = '\0';
	close(fd);
}

int command_output(void)
{
	char path[] = "/tmp/hugenuma-output-XXXXXX";
	int fd = mkstemp(path);

	CU_ASSERT_FATAL(fd >= 0);
	unlink(path);
	return fd;
}

/* Start the command with the words of a line; a word in single quotes may be empty. */
static pid_t start(const char *line, int in, int out, int err)
{
	static char words[1024];
	char *arguments[MOST_ARGUMENTS + 2] = {(char *)command_path()};
	char *word, *rest = words;
	unsigned nr = 1;
	pid_t child;

	snprintf(words, sizeof(words), "%s", line);
	while ((word = strsep(&rest, " ")) && nr <= MOST_ARGUMENTS)
		if (*word)
			arguments[nr++] = strcmp(word, "''") == 0 ? word + 2 : word;
	fflush(NULL);
	child = fork();
	if (child == 0) {
		dup2(in >= 0 ? in : open("/dev/null", O_RDONLY), STDIN_FILENO);
		dup2(out, STDOUT_FILENO);
		dup2(err, STDERR_FILENO);
		execvp(arguments[0], arguments);
		_exit(127);
	}
	CU_ASSERT_FATAL(child > 0);
	return child;
}

pid_t command_start(const char *line, int out, int err)
{
	return start(line, -1, out, err);
}

pid_t command_start_on(const char *line, int terminal)
{
	return start(line, terminal, terminal, terminal);
}

void command_await(int out)
{
	struct stat stat;

	for (int i = 0; i < 6000 && fstat(out, &stat) == 0 && stat.st_size == 0; i++)
		usleep(10000);
}

void command_finish(pid_t child, int out, int err)
{
	int status = 0;

	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	command_outcome.code = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
	read_back(out, command_outcome.out, sizeof(command_outcome.out));
	read_back(err, command_outcome.err, sizeof(command_outcome.err));
}

void command_run(const char *format, ...)
{
	int out = command_output(), err = command_output();
	char line[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	command_finish(command_start(line, out, err), out, err);
}

/* Show what came when something else was expected. */
void command_expect(bool is_so, const char *what)
{
	if (!is_so)
		printf("\n    not so: %s; exit %d\n%s%s", what, command_outcome.code,
		       command_outcome.out, command_outcome.err);
	CU_ASSERT(is_so);
}

/* One clear line on standard error, nothing on standard output, the exit code. */
void command_complains(int code, const char *words)
{
	const char *end = strchr(command_outcome.err, '\n');

	command_expect(command_outcome.code == code, "the exit code");
	command_expect(strstr(command_outcome.err, words) != NULL, words);
	command_expect(strncmp(command_outcome.err, "hugenuma", 8) == 0,
		       "the command names itself");
	command_expect(end && end[1] == '\0', "one line");
	command_expect(command_outcome.out[0] == '\0', "nothing on standard output");
}

/* A file of requests, all alike. The caller removes it. */
const char *command_trace(unsigned nr_requests, unsigned context, unsigned generated)
{
	static char path[64];
	FILE *file;
	int fd;

	snprintf(path, sizeof(path), "/tmp/hugenuma-trace-XXXXXX");
	fd = mkstemp(path);
	CU_ASSERT_FATAL(fd >= 0);
	file = fdopen(fd, "w");
	fprintf(file, "TIMESTAMP,ContextTokens,GeneratedTokens\n");
	while (nr_requests-- > 0)
		fprintf(file, "2023-11-16 18:17:03.9799600,%u,%u\n", context, generated);
	fclose(file);
	return path;
}

json_t *command_report(void)
{
	json_error_t error;
	json_t *root = json_loads(command_outcome.out, 0, &error);

	command_expect(root != NULL, "JSON on standard output");
	CU_ASSERT_FATAL(root != NULL);
	return root;
}

json_int_t command_number(const json_t *root, const char *object, const char *key)
{
	const json_t *value = json_object_get(json_object_get(root, object), key);

	command_expect(json_is_integer(value), key);
	return json_integer_value(value);
}

const char *command_text(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value ? value : "";
}

/* Every page of every object is where it was asked for if it could be, and of this backing. */
void command_is_placed(const json_t *root, const char *backing)
{
	const json_t *rows = json_object_get(root, "placement"), *row;
	size_t i;

	command_expect(json_array_size(rows) >= 4, "four objects on each node");
	json_array_foreach((json_t *)rows, i, row)
	{
		json_int_t asked = json_integer_value(json_object_get(row, "pages_asked"));
		json_int_t elsewhere = json_integer_value(json_object_get(row, "pages_elsewhere"));

		command_expect(asked > 0, "pages asked");
		command_expect(json_integer_value(json_object_get(row, "pages_there")) +
					       elsewhere ==
				       asked,
			       "there");
		command_expect(elsewhere == 0 || !check_knows_nodes(), "elsewhere");
		command_expect(json_integer_value(json_object_get(row, "pages_unknown")) == 0,
			       "unknown");
		if (backing)
			command_expect(strcmp(command_text(row, "backing"), backing) == 0, backing);
		if (backing && strcmp(backing, "hugetlb") == 0)
			command_expect(json_integer_value(json_object_get(row, "page_bytes")) ==
					       2 << 20,
				       "pages of 2 MB");
	}
}

void command_has_no_faults(const json_t *root)
{
	if (PREFAULT_HOLDS && command_number(root, "run", "moved_pages") == 0)
		command_expect(command_number(root, "run", "minor_faults") +
					       command_number(root, "run", "major_faults") ==
				       0,
			       "no page faults");
}

void command_has_verdict(const json_t *root, const char *verdict, int code)
{
	command_expect(command_outcome.code == code, "the exit code");
	command_expect(strcmp(command_text(root, "verdict"), verdict) == 0, verdict);
	command_expect(json_array_size(json_object_get(root, "problems")) == 0, "no problem");
}
