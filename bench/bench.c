/* SPDX-License-Identifier: MIT */
/*
 * bench/bench.c - opens the subjects, plans the cases, runs them, reports. Calls <hugenuma.h>, the
 * other files of this folder and libc.
 */
#include "config.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <hugenuma.h>

#include "bench/cases.h"
#include "bench/crew.h"
#include "bench/options.h"
#include "bench/ours.h"
#include "bench/report.h"

#define MOST_SUBJECTS 32
#define PATH_BYTES    4096

/* For the growth with threads. */
#define MOST_THREADS 8u

const struct bench_subject *subjects[MOST_SUBJECTS];
unsigned nr_subjects;

const struct hnuma_topology *ours_topology;

/*
 * In the order of the tables, ours first. Where one replaces malloc(), what it is linked to must go before what
 * the program has. Not the others: of variables that the C library and the program share (optarg)
 * they would see the C library's, of which the program has the valid copy.
 */
static const struct module {
	const char *name;
	bool replaces_malloc;
} modules[] = {
	{"hugenuma", false}, {"dpdk", false},	 {"tcmalloc", true},   {"jemalloc", true},
	{"mimalloc", true},  {"memkind", false}, {"glibc", false},     {"apr", false},
	{"talloc", false},   {"obstack", false}, {"hugetlbfs", false},
};

/*
 * Some allocators want much thread-local memory at a fixed place, of which a program that is running
 * has little left: have the loader keep more. It reads this before main(), so begin anew.
 */
static void reserve_thread_memory(char **argv)
{
	static const char name[] = "glibc.rtld.optional_static_tls=262144";
	const char *tunables = getenv("GLIBC_TUNABLES");
	char text[1024];

	if (tunables && strstr(tunables, "optional_static_tls"))
		return;
	snprintf(text, sizeof(text), "%s%s%s", tunables ? tunables : "", tunables ? ":" : "", name);
	if (setenv("GLIBC_TUNABLES", text, 1) == 0)
		execv("/proc/self/exe", argv);
	/* Where that cannot be done the peers that need it are left out. */
}

static void add_subjects(const struct bench_subject *more)
{
	for (; more && more->name && nr_subjects < MOST_SUBJECTS; more++)
		subjects[nr_subjects++] = more;
}

static void open_module(const char *folder, const struct module *which)
{
	const struct bench_subject *(*open_peer)(const char **reason), *opened;
	const char *name = which->name;
	const char *reason = NULL;
	char path[PATH_BYTES];
	void *module;

	if (snprintf(path, sizeof(path), "%s/peer_%s.so", folder, name) >= (int)sizeof(path) ||
	    access(path, R_OK))
		return;
	module = dlopen(path, RTLD_NOW | RTLD_LOCAL | (which->replaces_malloc ? RTLD_DEEPBIND : 0));
	if (!module) {
		fprintf(stderr, "bench: %s is left out: %s\n", name, dlerror());
		return;
	}
	*(void **)&open_peer = dlsym(module, BENCH_PEER_SYMBOL);
	if (!open_peer)
		return;
	opened = open_peer(&reason);
	if (opened)
		add_subjects(opened);
	else
		fprintf(stderr, "bench: %s is left out: %s\n", name, reason ? reason : "no reason");
}

/* The folder that this program's file lies in. */
static void find_own_folder(char *folder, size_t room)
{
	ssize_t length = readlink("/proc/self/exe", folder, room - 1);
	char *slash;

	folder[length > 0 ? length : 0] = '\0';
	slash = strrchr(folder, '/');
	if (slash)
		*slash = '\0';
}

/* Every thread makes itself known to every subject; who fails is not asked again. */
static bool is_entered[MOST_SUBJECTS];

static void enter(void *arg, unsigned index)
{
	(void)arg;
	for (unsigned i = 0; i < nr_subjects; i++) {
		/* By turns: not every library can take two at the same time. */
		for (unsigned turn = 0; turn < MOST_THREADS; turn++) {
			crew_barrier(MOST_THREADS);
			if (turn == index && subjects[i]->enter && subjects[i]->enter())
				is_entered[i] = false;
		}
	}
}

static void enter_all(void)
{
	unsigned nr = 0;

	for (unsigned i = 0; i < nr_subjects; i++)
		is_entered[i] = true;
	crew_run(MOST_THREADS, enter, NULL);
	for (unsigned i = 0; i < nr_subjects; i++) {
		if (is_entered[i])
			subjects[nr++] = subjects[i];
		else
			fprintf(stderr, "bench: %s is left out: it does not take our threads\n",
				subjects[i]->name);
	}
	nr_subjects = nr;
}

static void plan_all(const char *tool)
{
	cases_pool();
	cases_tail();
	cases_arena();
	cases_populate();
	cases_access();
	cases_replay(tool);
}

static int run_and_report(const struct options *options)
{
	struct machine machine;
	int error = 0;

	machine_read(&machine);
	plan_run();
	machine.load_after = machine_load();
	if (!options->json || strcmp(options->json, "-") != 0)
		report_text(stdout, &machine, options->with_range);
	if (options->json)
		error = report_json(options->json, &machine);
	return error || fflush(stdout) ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct hnuma_topology *topology;
	char folder[PATH_BYTES], tool[PATH_BYTES + 32];
	struct options options;
	int result;

	result = options_read(&options, argc, argv);
	if (result)
		return result == 1 ? 0 : result;
	reserve_thread_memory(argv);
	if (!isatty(STDERR_FILENO))
		settings.is_quiet = true;
	if (hnuma_topology_create(&topology)) {
		fprintf(stderr, "bench: %s\n", hnuma_errormsg());
		return 1;
	}
	ours_topology = topology;
	find_own_folder(folder, sizeof(folder));
	snprintf(tool, sizeof(tool), "%s/../../hugenuma", folder);
	for (unsigned i = 0; i < (options.with_peers ? sizeof(modules) / sizeof(modules[0]) : 1);
	     i++)
		open_module(options.modules ? options.modules : folder, &modules[i]);
	if (nr_subjects == 0 || subjects[0]->kind != BENCH_OURS) {
		fprintf(stderr, "bench: without hugenuma's module there is nothing to measure\n");
		return 1;
	}
	if (crew_start(MOST_THREADS))
		return 1;
	enter_all();
	plan_all(options.tool ? options.tool : tool);
	if (settings.is_list) {
		for (const struct bench_case *i = plan_first_case(); i; i = i->next)
			printf("%s\n", i->name);
	} else {
		result = run_and_report(&options);
	}
	crew_stop();
	return result;
}
