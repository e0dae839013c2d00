/* SPDX-License-Identifier: MIT */
/*
 * tools/replay.c - `hugenuma replay`: reads the options and the requests, takes the memory, runs,
 * and reports. Calls <hugenuma.h> and libc.
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hugenuma.h>

#include "tools/cli.h"
#include "tools/progress.h"
#include "tools/replay.h"
#include "tools/replay_options.h"
#include "tools/replay_report.h"
#include "tools/replay_size.h"
#include "tools/ticks.h"
#include "tools/trace.h"
#include "tools/units.h"

#define COMMAND "replay"

/* The signal that asked for the end. Written by the handler, read by the thread that watches. */
static volatile sig_atomic_t stop_signal;

/* The first one asks; the second finds the default action back in its place. */
static void handle_stop(int number)
{
	stop_signal = number;
}

static void install_handlers(void)
{
	struct sigaction action = {.sa_handler = handle_stop, .sa_flags = SA_RESETHAND};

	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

static int load_requests(struct trace *trace, const struct replay_options *options)
{
	size_t most = options->nr_requests ? (size_t)options->nr_requests : TRACE_MAX_REQUESTS;
	char message[512];

	if (options->trace) {
		if (trace_read(trace, options->trace, most, message, sizeof(message)))
			return cli_complain(COMMAND, COMMAND_BAD_INPUT, "%s", message);
		return COMMAND_OK;
	}
	if (trace_generate(trace, (size_t)options->nr_requests, options->seed))
		return cli_complain(COMMAND, COMMAND_FAILED, "no memory for so many requests");
	return COMMAND_OK;
}

/* Take the memory that the requests will run on. */
static int open_memory(struct memory *memory, const struct replay_options *options,
		       const struct replay_size *size, const struct hnuma_topology *topology,
		       struct progress_line *line)
{
	size_t block_bytes = hnuma_class_size(size->block_class);
	const char *hint = "";
	int error;

	memset(memory, 0, sizeof(*memory));
	memory->nr_nodes = size->nr_nodes;
	memory->nodes = size->nodes;
	if (options->is_malloc)
		error = memory_malloc_open(memory, block_bytes,
					   size->config.pool_bytes_per_node / block_bytes,
					   size->config.scratch_size);
	else
		error = memory_hugenuma_open(memory, topology, &size->config, size->block_class);
	if (!error)
		return COMMAND_OK;
	progress_close(line);
	if ((error == -EPERM || error == -ENOSYS) && !options->relaxed)
		hint = "; hugenuma replay --relaxed goes on without binding";
	return cli_complain(COMMAND, COMMAND_FAILED, "%s%s",
			    *hnuma_errormsg() ? hnuma_errormsg() : hnuma_strerror(error), hint);
}

static bool watch(void *arg, const struct replay_progress *progress)
{
	progress_draw(arg, progress->requests, progress->requests_total, progress->tokens,
		      progress->tokens_total, progress->seconds);
	return stop_signal != 0;
}

static int print_report(const struct replay_report *report)
{
	int code = COMMAND_OK;

	if (report->nr_problems > 0)
		code = COMMAND_FAILED;
	else if (report->result->was_stopped)
		code = COMMAND_INTERRUPTED + stop_signal;
	if (report->options->json)
		return cli_print_json(COMMAND, replay_report_json(report), false, code);
	replay_report_print(report);
	return cli_finish(COMMAND, code);
}

static int report_and_close(const struct replay_options *options, const struct trace *trace,
			    const struct replay_size *size, struct memory *memory,
			    const struct replay_result *result)
{
	struct replay_report *report = calloc(1, sizeof(*report));
	int code;

	if (!report)
		return cli_complain(COMMAND, COMMAND_FAILED, "no memory for the report");
	report->options = options;
	report->trace = trace;
	report->size = size;
	report->result = result;
	if (replay_report_collect(report, memory)) {
		code = cli_complain(COMMAND, COMMAND_FAILED, "no memory for the report");
	} else {
		/* The notes of the report point into the memory no longer: it may go. */
		code = print_report(report);
		if (memory->ops->close(memory))
			code = cli_complain(COMMAND, COMMAND_FAILED, "%s", hnuma_errormsg());
	}
	replay_report_free(report);
	free(report);
	return code;
}

static int run(const struct replay_options *options, const struct trace *trace,
	       const struct replay_size *size, struct memory *memory, struct progress_line *line)
{
	const struct replay_job job = {
		.model = options->model,
		.requests = trace->requests,
		.nr_requests = trace->nr_requests,
		.memory = memory,
		.seats = size->seats,
		.nr_workers = size->nr_workers,
		.batch = options->batch,
		.fill = options->fill,
	};
	struct replay_result *result = calloc(1, sizeof(*result));
	int code, error;

	if (!result)
		return cli_complain(COMMAND, COMMAND_FAILED, "no memory for the result");
	error = replay_run(&job, watch, line, result);
	progress_close(line);
	if (error)
		code = cli_complain(COMMAND, COMMAND_FAILED, "%s", result->failure);
	else
		code = report_and_close(options, trace, size, memory, result);
	replay_result_free(result);
	free(result);
	return code;
}

static int size_and_run(const struct replay_options *options, const struct trace *trace,
			const struct hnuma_topology *topology)
{
	struct progress_line line;
	struct replay_size size;
	struct memory memory;
	char words[64], bytes[UNITS_TEXT];
	int code;

	code = replay_size_work_out(&size, options, trace, topology);
	if (code)
		goto free_size;
	install_handlers();
	progress_open(&line, options->quiet);
	snprintf(words, sizeof(words), "Taking %s on each of %u node%s ...",
		 units_size(bytes, size.config.pool_bytes_per_node + size.config.arena_capacity),
		 size.nr_nodes, size.nr_nodes == 1 ? "" : "s");
	if (!options->is_malloc)
		progress_say(&line, words);
	code = open_memory(&memory, options, &size, topology, &line);
	if (code == COMMAND_OK && stop_signal) {
		memory.ops->close(&memory);
		code = COMMAND_INTERRUPTED + stop_signal;
	} else if (code == COMMAND_OK) {
		ticks_calibrate();
		code = run(options, trace, &size, &memory, &line);
	}
	progress_close(&line);

free_size:
	replay_size_free(&size);
	return code;
}

int replay_main(int argc, char **argv)
{
	struct hnuma_topology *topology;
	struct replay_options options;
	struct trace trace;
	int code;

	code = replay_options_read(&options, argc, argv);
	if (code >= 0)
		return code;
	code = load_requests(&trace, &options);
	if (code)
		return code;
	if (hnuma_topology_create(&topology)) {
		code = cli_complain(COMMAND, COMMAND_FAILED, "%s", hnuma_errormsg());
	} else {
		code = size_and_run(&options, &trace, topology);
		hnuma_topology_destroy(topology);
	}
	trace_free(&trace);
	return code;
}
