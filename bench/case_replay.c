/* SPDX-License-Identifier: MIT */
/*
 * bench/case_replay.c - what an inference server's step spends in the allocator: `hugenuma replay` on
 * hugenuma's manager, on plain malloc, and on plain malloc with each peer preloaded. Runs the command,
 * reads its JSON with jansson.
 */
#include "config.h"

#include <dlfcn.h>
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include "bench/cases.h"
#include "bench/ours.h"

extern char **environ;

struct replay_probe {
	struct probe probe;
	const char *tool;
	const char *memory; /* --memory of the command */
	char *preload;	    /* "LD_PRELOAD=...", or NULL */
	bool has_told;
};

/* The environment with one variable more; the caller frees the array. */
static char **environment_with(char *variable)
{
	size_t nr = 0;
	char **copy;

	while (environ[nr])
		nr++;
	copy = plan_alloc((nr + 2) * sizeof(*copy));
	memcpy(copy, environ, nr * sizeof(*copy));
	copy[nr] = variable;
	return copy;
}

/* Start the command with its report into a pipe. Returns the pipe's reading end, or NULL. */
static FILE *start(const struct replay_probe *probe, pid_t *child)
{
	char requests[16];
	char *arguments[] = {(char *)probe->tool,
			     "replay",
			     "--json",
			     "--quiet",
			     "--requests",
			     requests,
			     "--memory",
			     (char *)probe->memory,
			     "--pool",
			     "256M",
			     "--batch",
			     "4",
			     NULL};
	posix_spawn_file_actions_t actions;
	char **environment;
	FILE *report = NULL;
	int ends[2], error;

	snprintf(requests, sizeof(requests), "%u", settings.replay_requests);
	if (pipe(ends))
		return NULL;
	environment = environment_with(probe->preload);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	posix_spawn_file_actions_addclose(&actions, ends[0]);
	posix_spawn_file_actions_addclose(&actions, ends[1]);
	error = posix_spawnp(child, probe->tool, &actions, NULL, arguments, environment);
	posix_spawn_file_actions_destroy(&actions);
	free(environment);
	close(ends[1]);
	if (!error)
		report = fdopen(ends[0], "r");
	if (!report)
		close(ends[0]);
	return report;
}

/* The mean and the 99.9th percentile of a step's time in the allocator. */
static bool read_report(const json_t *report, double *values)
{
	const json_t *all =
		json_object_get(json_object_get(report, "allocator_ns_per_step"), "all");
	const json_t *mean = json_object_get(all, "mean");
	const json_t *tail = json_object_get(all, "p99.9");

	values[0] = json_number_value(mean) / 1e3;
	values[1] = json_number_value(tail) / 1e3;
	return json_is_number(mean) && json_is_number(tail);
}

static bool run(struct probe *pointer, double *values)
{
	struct replay_probe *probe = (struct replay_probe *)pointer;
	json_t *report = NULL;
	json_error_t error;
	bool is_good;
	pid_t child;
	int status;
	FILE *stream = start(probe, &child);

	if (stream) {
		report = json_loadf(stream, 0, &error);
		fclose(stream);
		while (waitpid(child, &status, 0) < 0 && errno == EINTR)
			;
	}
	is_good = report && WIFEXITED(status) && WEXITSTATUS(status) == 0 &&
		  read_report(report, values);
	json_decref(report);
	if (!is_good && !probe->has_told) {
		fprintf(stderr, "bench: %s replay %s%s does not work\n", probe->tool, probe->memory,
			probe->preload ? probe->preload : "");
		probe->has_told = true;
	}
	return is_good;
}

/* The file that an address lies in, as a variable for the environment; the C library needs none. */
static char *preload_of(const void *address)
{
	static const char name[] = "LD_PRELOAD=";
	Dl_info info;
	char *text;

	if (!dladdr(address, &info) || !info.dli_fname || strstr(info.dli_fname, "/libc.so"))
		return NULL;
	text = plan_alloc(sizeof(name) + strlen(info.dli_fname));
	strcpy(text, name);
	strcat(text, info.dli_fname);
	return text;
}

void cases_replay(const char *tool)
{
	static const char *const names[] = {"replay/mean", "replay/p99.9"};
	struct group *group;

	if (access(tool, X_OK)) {
		if (plan_wants("replay"))
			fprintf(stderr, "bench: no %s: the replay is left out\n", tool);
		return;
	}
	group = plan_group("us per step", 2, names);
	for (unsigned i = 0; group && i < nr_subjects; i++) {
		const struct bench_subject *subject = subjects[i];
		struct replay_probe *probe;

		if (subject != subjects[0] && !subject->preload)
			continue;
		probe = plan_alloc(sizeof(*probe));
		probe->probe.run = run;
		probe->probe.most_rounds = settings.replay_rounds;
		probe->tool = tool;
		probe->memory = subject->preload ? "malloc" : "hugenuma";
		if (subject->preload)
			probe->preload = preload_of(subject->preload);
		plan_add(group, &probe->probe, subject);
	}
}
