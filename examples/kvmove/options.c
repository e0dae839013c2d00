/* SPDX-License-Identifier: MIT */
/*
 * options.c - the command line (options.h). Calls libc.
 */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"

static const char help[] =
	"usage: kvmove decode|prefill [OPTION]...\n"
	"Move the blocks of requests from prefill's pool into decode's, over UCX. Decode first.\n"
	"\n"
	"  --address A    listen there; or decode's (default 127.0.0.1)\n"
	"  --port N       (default 7011); decode, 0: any, which is then printed\n"
	"  --memory KIND  hugenuma, or malloc: each block registered by itself (default hugenuma)\n"
	"  --pages KIND   the least to accept: hugetlb, thp or base (default thp)\n"
	"  --relaxed      go on unbound where the kernel refuses binding\n"
	"  --block BYTES  1024, 4096, 16384, 65536 or 262144, the same in both (default 16384)\n"
	"  --blocks N     that there are (default 2048)\n"
	"  --requests N   prefill: so many; decode: end after so many (default 1000; a signal)\n"
	"  --local        both ends are on this host: over shared memory, which does not outlive\n"
	"                 the other end's death\n"
	"  --unchecked    neither fill nor check: the transfer alone, for measuring\n"
	"prefill:\n"
	"  --by WAY       put, or message: decode fetches each block (default put)\n"
	"  --trace FILE   sizes of requests, as hugenuma replay reads them (default: made up)\n"
	"  --tokens N     in a block (default 16)\n"
	"  --seed N       of what is made up (default 1)\n"
	"  --moves N      requests under way at the same time (default 8)\n"
	"  --patience N   seconds without a link before it gives up (default 10)\n"
	"decode:\n"
	"  --hold MS      how long a request keeps its blocks (default 0)\n";

enum {
	ADDRESS = 1,
	PORT,
	MEMORY,
	PAGES,
	RELAXED,
	BLOCK,
	BLOCKS,
	REQUESTS,
	LOCAL,
	UNCHECKED,
	BY,
	TRACE,
	TOKENS,
	SEED,
	MOVES,
	PATIENCE,
	HOLD,
	HELP,
};

static const struct option long_options[] = {
	{"address", required_argument, NULL, ADDRESS},
	{"port", required_argument, NULL, PORT},
	{"memory", required_argument, NULL, MEMORY},
	{"pages", required_argument, NULL, PAGES},
	{"relaxed", no_argument, NULL, RELAXED},
	{"block", required_argument, NULL, BLOCK},
	{"blocks", required_argument, NULL, BLOCKS},
	{"requests", required_argument, NULL, REQUESTS},
	{"local", no_argument, NULL, LOCAL},
	{"unchecked", no_argument, NULL, UNCHECKED},
	{"by", required_argument, NULL, BY},
	{"trace", required_argument, NULL, TRACE},
	{"tokens", required_argument, NULL, TOKENS},
	{"seed", required_argument, NULL, SEED},
	{"moves", required_argument, NULL, MOVES},
	{"patience", required_argument, NULL, PATIENCE},
	{"hold", required_argument, NULL, HOLD},
	{"help", no_argument, NULL, HELP},
	{NULL, 0, NULL, 0},
};

static bool complain(const char *option, const char *value, const char *expected)
{
	fprintf(stderr, "kvmove: --%s %s: %s was expected\n", option, value, expected);
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

static bool read_memory(struct options *options, const char *text)
{
	if (strcmp(text, "hugenuma") == 0)
		options->memory = &memory_hugenuma;
	else if (strcmp(text, "malloc") == 0)
		options->memory = &memory_malloc;
	else
		return complain("memory", text, "hugenuma or malloc");
	return true;
}

static bool read_pages(struct options *options, const char *text)
{
	if (strcmp(text, "hugetlb") == 0)
		options->least_backing = HNUMA_BACKING_HUGETLB;
	else if (strcmp(text, "thp") == 0)
		options->least_backing = HNUMA_BACKING_THP;
	else if (strcmp(text, "base") == 0)
		options->least_backing = HNUMA_BACKING_BASE;
	else
		return complain("pages", text, "hugetlb, thp or base");
	return true;
}

/* A block of this size is a class's: nothing of it is wasted. */
static bool read_block(struct options *options, const char *text)
{
	unsigned bytes;
	int class_index;

	if (!read_number("block", text, 1, 1 << 18, &bytes))
		return false;
	class_index = hnuma_class_for_size(bytes);
	options->block_bytes = bytes;
	return hnuma_class_size((enum hnuma_class)class_index) == bytes ||
	       complain("block", text, "a class of the pool");
}

static bool read_option(struct options *options, int option, const char *text)
{
	unsigned number = 0;
	bool is_good;

	switch (option) {
	case ADDRESS:
		options->address = text;
		return true;
	case PORT:
		is_good = read_number("port", text, 0, 65535, &number);
		options->port = (uint16_t)number;
		return is_good;
	case MEMORY:
		return read_memory(options, text);
	case PAGES:
		return read_pages(options, text);
	case RELAXED:
		options->is_relaxed = true;
		return true;
	case BLOCK:
		return read_block(options, text);
	case BLOCKS:
		is_good = read_number("blocks", text, 1, 1 << 24, &number);
		options->nr_blocks = number;
		return is_good;
	case REQUESTS:
		return read_number("requests", text, 1, 1 << 24, &options->nr_requests);
	case LOCAL:
		options->is_local = true;
		return true;
	case UNCHECKED:
		options->is_unchecked = true;
		return true;
	case BY:
		options->is_by_message = strcmp(text, "message") == 0;
		return options->is_by_message || strcmp(text, "put") == 0 ||
		       complain("by", text, "put or message");
	case TRACE:
		options->trace = text;
		return true;
	case TOKENS:
		return read_number("tokens", text, 1, 1 << 20, &options->tokens_per_block);
	case SEED:
		is_good = read_number("seed", text, 0, UINT32_MAX, &number);
		options->seed = number;
		return is_good;
	case MOVES:
		return read_number("moves", text, 1, 1024, &options->nr_moves);
	case PATIENCE:
		return read_number("patience", text, 0, 3600, &options->patience);
	case HOLD:
		return read_number("hold", text, 0, 3600000, &options->hold_ms);
	default:
		return false; /* getopt has said why */
	}
}

int options_read(struct options *options, int argc, char **argv)
{
	int option;

	*options = (struct options){
		.address = "127.0.0.1",
		.port = 7011,
		.memory = &memory_hugenuma,
		.least_backing = HNUMA_BACKING_THP,
		.block_bytes = 16384,
		.nr_blocks = 2048,
		.seed = 1,
		.tokens_per_block = 16,
		.nr_moves = 8,
		.patience = 10,
	};
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (option == HELP) {
			fputs(help, stdout);
			return 0;
		}
		if (!read_option(options, option, optarg))
			return 2;
	}
	options->is_prefill = optind < argc && strcmp(argv[optind], "prefill") == 0;
	if (optind + 1 != argc || (!options->is_prefill && strcmp(argv[optind], "decode"))) {
		fprintf(stderr,
			"kvmove: one word was expected, decode or prefill; --help has more\n");
		return 2;
	}
	if (options->is_prefill && !options->nr_requests)
		options->nr_requests = 1000;
	return -1;
}
