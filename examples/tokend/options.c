/* SPDX-License-Identifier: MIT */
/*
 * options.c - the command line (options.h). Calls libc.
 */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "forward.h"

static const char help[] =
	"usage: tokend [OPTION]...\n"
	"Serve completions over HTTP, each worker on a core with its node's memory.\n"
	"\n"
	"  --address A        listen on this address (default 127.0.0.1)\n"
	"  --port N           and this port; 0: any, which is then printed (default 8080)\n"
	"  --cpus LIST        a worker on each of these CPUs, such as 0-3,8 (default: all "
	"allowed)\n"
	"  --weights FILE     a model in the form of llama2.c (default: a small one from a seed)\n"
	"  --tokenizer FILE   its vocabulary, in the same form (default: bytes)\n"
	"  --seed N           of the small model (default 1)\n"
	"  --context N        positions of a request at the most (default: the model's)\n"
	"  --memory KIND      hugenuma or malloc (default hugenuma)\n"
	"  --pages KIND       the least to accept: hugetlb, thp or base (default thp)\n"
	"  --relaxed          go on unbound where the kernel refuses binding\n"
	"  --batch N          requests that a worker serves at a time (default 16, at most 64)\n"
	"  --queue N          requests that wait for it; more get 429 (default 64)\n"
	"  --kv-tokens N      tokens that a worker has room for (default: half of what --batch\n"
	"                     requests could want)\n"
	"  --speculate N      tokens to guess ahead; 0: none (default 4)\n"
	"  --idle SECONDS     a client that sends nothing for so long when it is its turn, or "
	"takes\n"
	"                     nothing, is dropped (default 60)\n"
	"  --drain SECONDS    time to finish in after SIGTERM (default 30)\n"
	"  --help\n";

enum {
	ADDRESS = 1,
	PORT,
	CPUS,
	WEIGHTS,
	TOKENIZER,
	SEED,
	CONTEXT,
	MEMORY,
	PAGES,
	RELAXED,
	BATCH,
	QUEUE,
	KV_TOKENS,
	SPECULATE,
	IDLE,
	DRAIN,
	HELP,
};

static const struct option long_options[] = {
	{"address", required_argument, NULL, ADDRESS},
	{"port", required_argument, NULL, PORT},
	{"cpus", required_argument, NULL, CPUS},
	{"weights", required_argument, NULL, WEIGHTS},
	{"tokenizer", required_argument, NULL, TOKENIZER},
	{"seed", required_argument, NULL, SEED},
	{"context", required_argument, NULL, CONTEXT},
	{"memory", required_argument, NULL, MEMORY},
	{"pages", required_argument, NULL, PAGES},
	{"relaxed", no_argument, NULL, RELAXED},
	{"batch", required_argument, NULL, BATCH},
	{"queue", required_argument, NULL, QUEUE},
	{"kv-tokens", required_argument, NULL, KV_TOKENS},
	{"speculate", required_argument, NULL, SPECULATE},
	{"idle", required_argument, NULL, IDLE},
	{"drain", required_argument, NULL, DRAIN},
	{"help", no_argument, NULL, HELP},
	{NULL, 0, NULL, 0},
};

static bool complain(const char *option, const char *value, const char *expected)
{
	fprintf(stderr, "tokend: --%s %s: %s was expected\n", option, value, expected);
	return false;
}

static bool read_number(const char *option, const char *text, unsigned least, unsigned most,
			unsigned *number)
{
	char expected[64], *end;
	unsigned long value;

	errno = 0;
	value = strtoul(text, &end, 10);
	snprintf(expected, sizeof(expected), "a number from %u to %u", least, most);
	if (errno || end == text || *end || text[0] == '-' || value < least || value > most)
		return complain(option, text, expected);
	*number = (unsigned)value;
	return true;
}

/* "0-3,8" */
static bool read_cpus(struct options *options, const char *text)
{
	const char *at = text;

	options->nr_cpus = 0;
	for (;;) {
		char *end;
		unsigned long first = strtoul(at, &end, 10), last = first;
		bool is_good = end > at && at[0] >= '0' && at[0] <= '9';

		if (is_good && *end == '-') {
			at = end + 1;
			last = strtoul(at, &end, 10);
			is_good = end > at && at[0] >= '0' && at[0] <= '9';
		}
		if (!is_good || last < first || last > 1 << 20 || (*end && *end != ',') ||
		    options->nr_cpus + (last - first) >= MOST_WORKERS)
			return complain("cpus", text, "a list of CPUs such as 0-3,8");
		for (unsigned long cpu = first; cpu <= last; cpu++)
			options->cpus[options->nr_cpus++] = (int)cpu;
		if (!*end)
			return true;
		at = end + 1;
	}
}

static bool read_memory(struct options *options, const char *text)
{
	options->memory = strcmp(text, "malloc") == 0 ? &memory_malloc : &memory_hugenuma;
	return strcmp(text, options->memory->name) == 0 ||
	       complain("memory", text, "hugenuma or malloc");
}

static bool read_pages(struct options *options, const char *text)
{
	static const char *const names[] = {"base", "thp", "hugetlb"};

	for (int i = 0; i < 3; i++)
		if (strcmp(text, names[i]) == 0) {
			options->least_backing = (enum hnuma_backing)(HNUMA_BACKING_BASE + i);
			return true;
		}
	return complain("pages", text, "hugetlb, thp or base");
}

static bool read_seed(struct options *options, const char *text)
{
	char *end;

	errno = 0;
	options->seed = strtoull(text, &end, 10);
	return (!errno && end > text && !*end && text[0] != '-') ||
	       complain("seed", text, "a number");
}

static bool read_option(struct options *o, int option, const char *text)
{
	switch (option) {
	case ADDRESS:
		o->address = text;
		return true;
	case PORT:
		return read_number("port", text, 0, 65535, &o->port);
	case CPUS:
		return read_cpus(o, text);
	case WEIGHTS:
		o->weights = text;
		return true;
	case TOKENIZER:
		o->tokenizer = text;
		return true;
	case SEED:
		return read_seed(o, text);
	case CONTEXT:
		return read_number("context", text, 16, 1 << 20, &o->context);
	case MEMORY:
		return read_memory(o, text);
	case PAGES:
		return read_pages(o, text);
	case RELAXED:
		o->is_relaxed = true;
		return true;
	case BATCH:
		return read_number("batch", text, 1, MOST_ROWS, &o->running);
	case QUEUE:
		return read_number("queue", text, 1, 65536, &o->queued);
	case KV_TOKENS:
		return read_number("kv-tokens", text, 1, 1 << 30, &o->kv_tokens);
	case SPECULATE:
		return read_number("speculate", text, 0, MOST_ROWS - 1, &o->speculation);
	case IDLE:
		return read_number("idle", text, 1, 86400, &o->idle_seconds);
	case DRAIN:
		return read_number("drain", text, 0, 86400, &o->drain_seconds);
	default:
		return false;
	}
}

static void all_allowed_cpus(struct options *options)
{
	cpu_set_t set;

	options->nr_cpus = 0;
	if (sched_getaffinity(0, sizeof(set), &set))
		return;
	for (int cpu = 0; cpu < CPU_SETSIZE && options->nr_cpus < MOST_WORKERS; cpu++)
		if (CPU_ISSET(cpu, &set))
			options->cpus[options->nr_cpus++] = cpu;
}

int options_read(struct options *options, int argc, char **argv)
{
	int option;

	*options = (struct options){
		.address = "127.0.0.1",
		.port = 8080,
		.seed = 1,
		.memory = &memory_hugenuma,
		.least_backing = HNUMA_BACKING_THP,
		.running = 16,
		.queued = 64,
		.speculation = 4,
		.idle_seconds = 60,
		.drain_seconds = 30,
	};
	all_allowed_cpus(options);
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (option == HELP) {
			fputs(help, stdout);
			return 0;
		}
		if (option == '?' || !read_option(options, option, optarg))
			return 2;
	}
	if (optind < argc) {
		fprintf(stderr, "tokend: '%s' is no option; --help names them\n", argv[optind]);
		return 2;
	}
	return -1;
}
