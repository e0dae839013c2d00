/* SPDX-License-Identifier: MIT */
/*
 * tools/verify.c - `hugenuma verify PID`: does every page of a process's regions lie where it was asked
 * for, and is it as large? Calls <hugenuma.h>, jansson and libc.
 */
#include "config.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tools/cli.h"
#include "tools/survey.h"
#include "tools/units.h"
#include "tools/unseen.h"

#define COMMAND	       "verify"
#define MOST_SECONDS   86400
#define DEFAULT_PERIOD 2

struct options {
	int pid;
	enum hnuma_backing least_backing;
	uint64_t period; /* seconds; 0: once */
	uint64_t count;	 /* of rounds; 0: until the process ends */
	bool json;
};

/* What was found in one round, over all regions. */
struct findings {
	unsigned regions;
	uint64_t pages, elsewhere, unknown;
	unsigned smaller; /* regions with less than the least backing */
};

static void print_help(void)
{
	puts("Usage: hugenuma verify [OPTION]... PID\n"
	     "Show where every page of a process's regions lies. The process notices nothing.\n\n"
	     "  -w, --watch[=SECONDS]  again and again, every 2 seconds if no other time is\n"
	     "                         given, until the process ends\n"
	     "  -n, --count N          so many times at most\n"
	     "  -b, --backing LEAST    pages have to be hugetlb, thp (default: any of 2 MB)\n"
	     "                         or base (any size)\n"
	     "  -j, --json             report for programs; with --watch an object a line\n"
	     "  -h, --help             print this and exit\n\n"
	     "Exit: 0 every page is there and large enough; 1 one is elsewhere, smaller or not\n"
	     "known, or there is no region; 2 bad option, no such process, or not ours.");
}

static bool is_smaller(const struct options *options, const struct hnuma_survey_region *region)
{
	return region->backing < options->least_backing;
}

static struct findings sum_up(const struct options *options, const struct hnuma_survey *survey)
{
	struct findings findings = {.regions = hnuma_survey_nr_regions(survey)};
	struct hnuma_survey_region region;
	unsigned i;

	for (i = 0; i < findings.regions; i++) {
		if (hnuma_survey_region(survey, i, &region))
			continue;
		findings.pages += region.placement.pages_total;
		findings.elsewhere += region.placement.pages_elsewhere;
		findings.unknown += region.placement.pages_unknown;
		findings.smaller += is_smaller(options, &region);
	}
	return findings;
}

static bool is_good(const struct findings *findings)
{
	return findings->regions && !findings->elsewhere && !findings->unknown &&
	       !findings->smaller;
}

static int print_json(const struct options *options, const struct hnuma_survey *survey,
		      const struct unseen *unseen, const struct findings *findings, int code)
{
	json_t *root = cli_report(COMMAND), *regions = json_array();
	unsigned i;

	json_object_set_new(root, "pid", json_integer(options->pid));
	json_object_set_new(root, "verdict",
			    json_string(is_good(findings) ? "as promised" : "failed"));
	json_object_set_new(root, "pages", cli_count(findings->pages));
	json_object_set_new(root, "pages_elsewhere", cli_count(findings->elsewhere));
	json_object_set_new(root, "pages_unknown", cli_count(findings->unknown));
	json_object_set_new(root, "regions_smaller", cli_count(findings->smaller));
	for (i = 0; i < findings->regions; i++)
		json_array_append_new(regions, survey_json(survey, i));
	json_object_set_new(root, "regions", regions);
	json_object_set_new(root, "regions_without_name", unseen_json(unseen));
	return cli_print_json(COMMAND, root, options->period != 0, code);
}

static void add_pages(struct cli_table *table, uint64_t pages, bool is_bad)
{
	char text[UNITS_TEXT];

	cli_table_add(table, is_bad && pages ? CLI_BAD : CLI_PLAIN, "%s", units_count(text, pages));
}

/* On which nodes the pages are: "0:12 1:4". */
static void add_nodes(struct cli_table *table, const struct hnuma_survey *survey, unsigned index)
{
	char text[100] = "-";
	size_t used = 0;
	int node;

	for (node = 0; node < HNUMA_MAX_NODES && used < sizeof(text); node++) {
		uint64_t pages = hnuma_survey_pages_on(survey, index, node);

		if (pages)
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%d:%" PRIu64,
						 used ? " " : "", node, pages);
	}
	cli_table_add(table, CLI_PLAIN, "%s", text);
}

static void print_regions(const struct options *options, const struct hnuma_survey *survey)
{
	static const char *const heads[] = {"<region",	  "<asked",  "size",
					    "<pages are", "pages",   "there",
					    "elsewhere",  "unknown", "<node:pages"};
	struct hnuma_survey_region region;
	char text[UNITS_TEXT], asked[16];
	struct cli_table table;
	unsigned i;

	cli_table_begin(&table, heads, 9);
	for (i = 0; hnuma_survey_region(survey, i, &region) == 0; i++) {
		cli_table_add(&table, CLI_PLAIN, "%s", region.name);
		cli_table_add(&table, CLI_PLAIN, "%s", survey_asked(&region, asked));
		cli_table_add(&table, CLI_PLAIN, "%s", units_size(text, region.size_bytes));
		cli_table_add(&table, is_smaller(options, &region) ? CLI_BAD : CLI_PLAIN, "%s %s",
			      region.placement.page_size
				      ? units_size(text, region.placement.page_size)
				      : "?",
			      hnuma_backing_name(region.backing));
		add_pages(&table, region.placement.pages_total, false);
		add_pages(&table, region.placement.pages_here, false);
		add_pages(&table, region.placement.pages_elsewhere, true);
		add_pages(&table, region.placement.pages_unknown, true);
		add_nodes(&table, survey, i);
	}
	cli_table_print(&table);
}

static void print_verdict(const struct options *options, const struct unseen *unseen,
			  const struct findings *findings)
{
	char text[UNITS_TEXT];

	if (!findings->regions) {
		cli_print(CLI_BAD,
			  unseen->nr ? "No region of process %d can be looked at.\n"
				     : "Process %d has no region of hugenuma.\n",
			  options->pid);
		return;
	}
	if (is_good(findings)) {
		cli_print(CLI_GOOD, "All %s pages are where they were asked for.\n",
			  units_count(text, findings->pages));
		return;
	}
	if (findings->elsewhere)
		cli_print(CLI_BAD, "%s pages lie elsewhere.\n",
			  units_count(text, findings->elsewhere));
	if (findings->unknown)
		cli_print(CLI_BAD, "Of %s pages the kernel does not tell where they lie.\n",
			  units_count(text, findings->unknown));
	if (findings->smaller)
		cli_print(CLI_BAD, "%u region%s smaller pages than asked (%s).\n",
			  findings->smaller, findings->smaller == 1 ? " has" : "s have",
			  hnuma_backing_name(options->least_backing));
}

static int print_text(const struct options *options, const struct hnuma_survey *survey,
		      const struct unseen *unseen, const struct findings *findings, int code)
{
	char now[32];
	time_t seconds = time(NULL);
	struct tm parts;

	if (options->period) {
		if (isatty(STDOUT_FILENO))
			fputs("\033[H\033[J", stdout);
		strftime(now, sizeof(now), "%H:%M:%S", localtime_r(&seconds, &parts));
		printf("%s, process %d\n", now, options->pid);
	}
	if (findings->regions)
		print_regions(options, survey);
	unseen_print(unseen);
	print_verdict(options, unseen, findings);
	return cli_finish(COMMAND, code);
}

static int look(const struct options *options, bool is_first)
{
	struct hnuma_survey *survey;
	struct findings findings;
	struct unseen unseen;
	int code;

	/* That it ends is what a watch waits for. */
	if (!is_first) {
		if (hnuma_survey_create(&survey, options->pid))
			return -1;
	} else {
		code = survey_open(COMMAND, options->pid, &survey);
		if (code)
			return code;
	}
	findings = sum_up(options, survey);
	code = is_good(&findings) ? COMMAND_OK : COMMAND_FAILED;
	unseen_find(&unseen, options->pid, survey);
	code = options->json ? print_json(options, survey, &unseen, &findings, code)
			     : print_text(options, survey, &unseen, &findings, code);
	unseen_free(&unseen);
	hnuma_survey_destroy(survey);
	return code;
}

static int watch(const struct options *options)
{
	int worst = look(options, true), code;
	uint64_t round;

	for (round = 1; options->period && worst != COMMAND_BAD_INPUT && !ferror(stdout) &&
			(!options->count || round < options->count);
	     round++) {
		struct timespec period = {.tv_sec = (time_t)options->period};

		nanosleep(&period, NULL);
		code = look(options, false);
		if (code < 0)
			break;
		if (code > worst)
			worst = code;
	}
	return worst;
}

static const struct option long_options[] = {
	{"watch", optional_argument, NULL, 'w'},   {"count", required_argument, NULL, 'n'},
	{"backing", required_argument, NULL, 'b'}, {"json", no_argument, NULL, 'j'},
	{"help", no_argument, NULL, 'h'},	   {NULL, 0, NULL, 0},
};

int verify_main(int argc, char **argv)
{
	struct options options = {.least_backing = HNUMA_BACKING_THP};
	int option, error = 0;

	opterr = 0;
	while (!error &&
	       (option = getopt_long(argc, argv, ":w::n:b:jh", long_options, NULL)) != -1) {
		switch (option) {
		case 'w':
			options.period = DEFAULT_PERIOD;
			if (optarg)
				error = cli_read_count(COMMAND, "watch", optarg, 1, MOST_SECONDS,
						       &options.period);
			break;
		case 'n':
			error = cli_read_count(COMMAND, "count", optarg, 1, INT32_MAX,
					       &options.count);
			break;
		case 'b':
			error = cli_read_backing(COMMAND, optarg, &options.least_backing);
			break;
		case 'j':
			options.json = true;
			break;
		case 'h':
			print_help();
			return cli_finish(COMMAND, COMMAND_OK);
		default:
			return cli_bad_option(COMMAND, option, argv);
		}
	}
	if (error)
		return error;
	if (options.count > 1 && !options.period)
		options.period = DEFAULT_PERIOD;
	if (argc - optind != 1)
		return cli_complain(COMMAND, COMMAND_BAD_INPUT,
				    argc == optind ? "the number of a process is missing%s"
						   : "one process at a time: \"%s\" is too much",
				    argc == optind ? "" : argv[optind + 1]);
	error = cli_read_pid(COMMAND, argv[optind], &options.pid);
	return error ? error : watch(&options);
}
