/* SPDX-License-Identifier: MIT */
/*
 * tools/top.c - `hugenuma top`: another process's objects and what they count, live. Calls
 * <hugenuma.h> and libc.
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tools/cli.h"
#include "tools/command.h"
#include "tools/top.h"

#define COMMAND "top"

/* What an observer said, as an exit code: a process that cannot be watched was badly chosen. */
static int fail_observer(int error)
{
	bool is_passing = error == -EAGAIN || error == -ENOMEM || error == -EUCLEAN;

	if (error == -ENOMEM)
		return cli_complain(COMMAND, COMMAND_FAILED, "no memory for a look at the process");
	return cli_complain(COMMAND, is_passing ? COMMAND_FAILED : COMMAND_BAD_INPUT, "%s",
			    hnuma_errormsg());
}

static int print_once(const struct top_options *options, struct hnuma_observer *observer,
		      const struct hnuma_topology *topology, bool in_one_line)
{
	struct top_view view;
	int code, error = top_read(&view, options->pid, observer, topology);

	if (error)
		return fail_observer(error);
	if (options->json) {
		code = cli_print_json(COMMAND, top_json(&view), in_one_line, COMMAND_OK);
	} else {
		top_draw(stdout, &view, NULL, 0, false);
		code = cli_finish(COMMAND, COMMAND_OK);
	}
	top_view_free(&view);
	return code;
}

/* A JSON object a line, until the process ends or somebody ends us. */
static int print_lines(const struct top_options *options, struct hnuma_observer *observer,
		       const struct hnuma_topology *topology)
{
	struct timespec pause = {.tv_sec = (time_t)options->delay_seconds};
	int code;

	pause.tv_nsec = (long)((options->delay_seconds - (double)pause.tv_sec) * 1e9);
	while ((code = print_once(options, observer, topology, true)) == COMMAND_OK)
		nanosleep(&pause, NULL);
	return code;
}

/* The next look. The observer is opened again where the process has objects again. */
static int look(struct top_view *view, const struct top_options *options,
		struct hnuma_observer **observer, const struct hnuma_topology *topology)
{
	struct hnuma_observer *again;
	int error = top_read(view, options->pid, *observer, topology);

	if (error != -ENOENT || hnuma_observer_open(&again, options->pid))
		return error;
	hnuma_observer_close(*observer);
	*observer = again;
	return top_read(view, options->pid, *observer, topology);
}

/* Draw the last look there is, and what is the matter, if anything. Returns the number of lines. */
static int show(const struct top_view *view, const struct top_view *before, const char *notice,
		unsigned *first_line)
{
	unsigned rows, columns, nr_lines = 0;
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);
	int error;

	if (!stream)
		return -ENOMEM;
	top_screen_size(&rows, &columns);
	if (*notice)
		fprintf(stream, "%.*s\n", (int)columns, notice);
	if (view->pid)
		top_draw(stream, view, before->pid ? before : NULL, columns, true);
	if (fclose(stream)) {
		free(text);
		return -ENOMEM;
	}
	for (const char *at = text; *at; at++)
		nr_lines += *at == '\n';
	if (*first_line + rows > nr_lines)
		*first_line = nr_lines > rows ? nr_lines - rows : 0;
	error = top_screen_show(text, *first_line);
	free(text);
	return error;
}

/*
 * Until a key or a signal ends it, or the process has ended. Returns the error that ended it, or 0;
 * the screen is still open.
 */
static int watch(const struct top_options *options, struct hnuma_observer **observer,
		 const struct hnuma_topology *topology)
{
	struct top_view views[2] = {{.pid = 0}, {.pid = 0}};
	enum top_key key = TOP_KEY_NONE;
	unsigned first_line = 0;
	int error = 0, lines;

	while (key != TOP_KEY_QUIT && key != TOP_KEY_SIGNAL) {
		struct top_view next;
		bool is_passing;

		error = look(&next, options, observer, topology);
		is_passing = error == -EAGAIN || error == -ENOENT;
		if (error && !is_passing)
			break;
		if (!error) {
			top_view_free(&views[1]);
			views[1] = views[0];
			views[0] = next;
		}
		error = show(&views[0], &views[1], error ? hnuma_errormsg() : "", &first_line);
		if (error)
			break;
		key = top_screen_wait(options->delay_seconds, &lines);
		/* Beyond the end is seen to where the end is known. */
		first_line = lines < 0 && (unsigned)-lines > first_line
				     ? 0
				     : first_line + (unsigned)lines;
	}
	top_view_free(&views[0]);
	top_view_free(&views[1]);
	return error;
}

static int watch_screen(const struct top_options *options, struct hnuma_observer **observer,
			const struct hnuma_topology *topology)
{
	int error;

	top_screen_open();
	error = watch(options, observer, topology);
	top_screen_close();
	if (top_screen_signal())
		return COMMAND_INTERRUPTED + top_screen_signal();
	if (error == -ESRCH) {
		printf("hugenuma top: process %d has ended\n", options->pid);
		return cli_finish(COMMAND, COMMAND_OK);
	}
	if (error == -EIO || error == -EPIPE)
		return cli_complain(COMMAND, COMMAND_BAD_INPUT, "the terminal is gone");
	return error ? fail_observer(error) : COMMAND_OK;
}

static int observe(const struct top_options *options, const struct hnuma_topology *topology)
{
	const char *terminal = getenv("TERM");
	struct hnuma_observer *observer;
	int code, error = hnuma_observer_open(&observer, options->pid);

	if (error)
		return fail_observer(error);
	if (options->json && options->has_delay && !options->once)
		code = print_lines(options, observer, topology);
	else if (options->once || options->json || !isatty(STDOUT_FILENO) || !terminal ||
		 strcmp(terminal, "dumb") == 0)
		code = print_once(options, observer, topology, false);
	else
		code = watch_screen(options, &observer, topology);
	hnuma_observer_close(observer);
	return code;
}

/* Set options->pid to the only process there is; or print what there is, and set *code. */
static bool choose(struct top_options *options, int *code)
{
	struct top_process *processes;
	int nr = top_find(&processes);
	unsigned rows, columns = 0;

	if (nr == 1) {
		options->pid = processes[0].pid;
	} else if (nr < 0) {
		*code = cli_complain(COMMAND, COMMAND_FAILED, "no memory for a list of processes");
	} else if (nr == 0) {
		*code = cli_complain(COMMAND, COMMAND_FAILED,
				     "no process that may be looked at has objects of hugenuma "
				     "(root sees all)");
	} else if (options->json) {
		*code = cli_print_json(COMMAND, top_json_processes(processes, nr), false,
				       COMMAND_OK);
	} else {
		if (isatty(STDOUT_FILENO))
			top_screen_size(&rows, &columns);
		top_draw_processes(stdout, processes, nr, columns);
		*code = cli_finish(COMMAND, COMMAND_OK);
	}
	free(processes);
	return nr == 1;
}

int top_main(int argc, char **argv)
{
	struct hnuma_topology *topology;
	struct top_options options;
	int code = top_options_read(&options, argc, argv);

	if (code >= 0)
		return code;
	if (!options.pid && !choose(&options, &code))
		return code;
	if (hnuma_topology_create(&topology))
		return cli_complain(COMMAND, COMMAND_FAILED, "%s", hnuma_errormsg());
	code = observe(&options, topology);
	hnuma_topology_destroy(topology);
	return code;
}
