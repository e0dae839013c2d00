/* SPDX-License-Identifier: MIT */
/*
 * tests/test_stats.c - a manager's statistics, read back as the programs read them that they are for.
 */
#include "config.h"

#include <inttypes.h>
#include <jansson.h>
#include <locale.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hugenuma.h>

#include "lib/pool_books.h"
#include "numa/region.h"
#include "numa/sys.h"
#include "tests/check.h"

static struct hnuma_topology *topology;
static struct hnuma_manager *manager;
static int node; /* that the manager serves: one, so that every number is known */

static const char *const class_names[] = {"1K", "4K", "16K", "64K", "256K"};

static void open_manager(enum hnuma_backing least_backing)
{
	struct hnuma_config config = HNUMA_CONFIG_INIT;

	hnuma_nodeset_add(&config.nodes, node);
	config.arena_capacity = 1 << 20;
	config.buffers_per_class = 4;
	config.scratch_size = 8192;
	config.max_scratch = 3;
	config.least_backing = least_backing;
	CU_ASSERT_EQUAL_FATAL(hnuma_manager_create(&manager, topology, &config), 0);
}

/*
 * Numbers that are all different: 700 of the arena used, 1000 at most; 5 hits and 3 misses of 16 KB,
 * 3 of them out; 64 bytes of a space used. On one CPU, so that each block is found again.
 */
static void use_manager(void **blocks, struct hnuma_space **space)
{
	struct hnuma_arena *arena = hnuma_manager_arena(manager, node);
	struct hnuma_pool *pool = hnuma_manager_pool(manager);
	cpu_set_t before, here;

	sched_getaffinity(0, sizeof(before), &before);
	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	sched_setaffinity(0, sizeof(here), &here);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 3; i++)
			blocks[i] = hnuma_pool_acquire(pool, HNUMA_CLASS_16K);
		for (int i = 0; i < 3 && round == 0; i++)
			CU_ASSERT_EQUAL(hnuma_pool_release(pool, blocks[i]), 0);
	}
	for (int i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL(hnuma_pool_release(pool, blocks[0]), 0);
		blocks[0] = hnuma_pool_acquire(pool, HNUMA_CLASS_16K);
	}
	sched_setaffinity(0, sizeof(before), &before);
	CU_ASSERT_PTR_NOT_NULL(hnuma_arena_alloc(arena, 1024, 1));
	hnuma_arena_reset(arena);
	CU_ASSERT_PTR_NOT_NULL(hnuma_arena_alloc(arena, 512, 1));
	CU_ASSERT_PTR_NOT_NULL(hnuma_arena_alloc(arena, 192, 1));
	*space = hnuma_scratch_acquire(hnuma_manager_scratch(manager));
	CU_ASSERT_PTR_NOT_NULL_FATAL(*space);
	CU_ASSERT_PTR_NOT_NULL(hnuma_space_alloc(*space, 10, 4));
}

static void close_manager(void **blocks, struct hnuma_space *space)
{
	for (int i = 0; blocks && i < 3; i++)
		CU_ASSERT_EQUAL(hnuma_pool_release(hnuma_manager_pool(manager), blocks[i]), 0);
	CU_ASSERT_EQUAL(hnuma_scratch_release(space), 0);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
}

/* The statistics in one format. The caller frees the text. */
static char *print(enum hnuma_format format)
{
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	CU_ASSERT_PTR_NOT_NULL_FATAL(stream);
	CU_ASSERT_EQUAL(hnuma_manager_print_stats(manager, stream, format), 0);
	fclose(stream);
	CU_ASSERT(size > 100 && text[size - 1] == '\n');
	return text;
}

/* An integer at a path such as nodes/0/pool/16K/hits. -1: there is none. */
static json_int_t number(const json_t *root, const char *path)
{
	char copy[128], *rest = copy, *step;
	const json_t *at = root;

	snprintf(copy, sizeof(copy), "%s", path);
	while ((step = strsep(&rest, "/")))
		at = json_is_array(at) ? json_array_get(at, strtoul(step, NULL, 10))
				       : json_object_get(at, step);
	if (json_is_integer(at))
		return json_integer_value(at);
	printf("\n    no integer at %s ", path);
	return -1;
}

static json_t *print_json(void)
{
	char *text = print(HNUMA_JSON);
	json_error_t error;
	json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &error);

	if (!root)
		printf("\n    line %d, column %d: %s\n%s", error.line, error.column, error.text,
		       text);
	free(text);
	CU_ASSERT_PTR_NOT_NULL_FATAL(root);
	return root;
}

static void test_json(void)
{
	struct hnuma_pool_class_stats stats;
	struct hnuma_space *space;
	struct hnuma_placement placement;
	const json_t *one;
	void *blocks[3];
	json_t *root;

	open_manager(HNUMA_BACKING_BASE);
	use_manager(blocks, &space);
	CU_ASSERT_EQUAL(hnuma_manager_verify(manager, &placement), 0);
	CU_ASSERT_EQUAL(
		hnuma_pool_class_stats(hnuma_manager_pool(manager), node, HNUMA_CLASS_16K, &stats),
		0);
	root = print_json();
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(root, "version")),
			       hnuma_version());
	CU_ASSERT_EQUAL(json_array_size(json_object_get(root, "nodes")), 1);
	CU_ASSERT_EQUAL(number(root, "nodes/0/node"), node);
	CU_ASSERT_EQUAL(number(root, "nodes/0/arena/capacity"), 1 << 20);
	CU_ASSERT_EQUAL(number(root, "nodes/0/arena/used"), 704);
	CU_ASSERT_EQUAL(number(root, "nodes/0/arena/remaining"), (1 << 20) - 704);
	CU_ASSERT_EQUAL(number(root, "nodes/0/arena/high_water_mark"), 1024);
	CU_ASSERT_EQUAL(number(root, "nodes/0/arena/allocation_count"), 2);
	CU_ASSERT_EQUAL(number(root, "arena/used"), 704);
	CU_ASSERT_EQUAL(number(root, "nodes/0/pool/16K/hits"), 5);
	CU_ASSERT_EQUAL(number(root, "nodes/0/pool/16K/misses"), 3);
	CU_ASSERT_EQUAL(number(root, "nodes/0/pool/16K/allocations"), 3);
	CU_ASSERT_EQUAL(number(root, "nodes/0/pool/16K/returns"), 5);
	CU_ASSERT_EQUAL(number(root, "nodes/0/pool/16K/drops"), 0);
	CU_ASSERT_EQUAL(number(root, "nodes/0/pool/16K/failures"), 0);
	CU_ASSERT_EQUAL(number(root, "nodes/0/pool/16K/in_use"), 3);
	CU_ASSERT_EQUAL(number(root, "nodes/0/pool/16K/free_buffers"), 0);
	CU_ASSERT_EQUAL(number(root, "nodes/0/pool/16K/cached_buffers"), 0);
	CU_ASSERT_EQUAL(number(root, "nodes/0/pool/16K/total"), 3);
	CU_ASSERT_EQUAL(number(root, "nodes/0/pool/16K/high_water_mark"),
			(json_int_t)stats.high_water_mark);
	CU_ASSERT_EQUAL(number(root, "nodes/0/pool/256K/misses"), 0);
	CU_ASSERT_EQUAL(number(root, "pool/hits"), 5);
	CU_ASSERT_EQUAL(number(root, "pool/misses"), 3);
	CU_ASSERT_EQUAL(number(root, "scratch/space_size"), 8192);
	CU_ASSERT_EQUAL(number(root, "scratch/active_spaces"), 1);
	CU_ASSERT_EQUAL(number(root, "scratch/max_spaces"), 3);
	CU_ASSERT_EQUAL(number(root, "scratch/total_used"), 64);
	CU_ASSERT_EQUAL(number(root, "nodes/0/scratch/spaces"), 3);
	CU_ASSERT_EQUAL(number(root, "nodes/0/pages/total"), (json_int_t)placement.pages_total);
	CU_ASSERT_EQUAL(number(root, "nodes/0/pages/here"), (json_int_t)placement.pages_here);
	CU_ASSERT_EQUAL(number(root, "nodes/0/pages/elsewhere"),
			(json_int_t)placement.pages_elsewhere);
	CU_ASSERT(placement.pages_elsewhere == 0 || !check_knows_nodes());
	CU_ASSERT_EQUAL(number(root, "nodes/0/pages/unknown"), 0);
	CU_ASSERT_EQUAL(number(root, "nodes/0/pages/page_size"), (json_int_t)placement.page_size);

	one = json_array_get(json_object_get(root, "nodes"), 0);
	CU_ASSERT_EQUAL(json_is_true(json_object_get(one, "is_bound")), check_knows_nodes());
	CU_ASSERT(json_is_string(json_object_get(one, "reason")));
	one = json_object_get(json_object_get(json_object_get(one, "pool"), "16K"), "hit_rate");
	CU_ASSERT_DOUBLE_EQUAL(json_real_value(one), 0.625, 1e-6);
	json_decref(root);
	close_manager(blocks, space);
}

/* The backing that was had, and why it was no better, in the words of the region. */
static void test_backing(void)
{
	static const char *const names[] = {"", "base", "thp", "hugetlb"};
	struct hnuma_region_info info;
	const json_t *one;
	json_t *root;
	char *text;

	for (int has_pages = 0; has_pages < 2; has_pages++) {
		if (!check_hugepages_exactly(node, has_pages ? 20 : 0))
			return;
		open_manager(HNUMA_BACKING_BASE);
		CU_ASSERT_EQUAL(hnuma_region_info(hnuma_manager_region(manager, node), &info), 0);
		CU_ASSERT_EQUAL(info.backing == HNUMA_BACKING_HUGETLB, has_pages);
		CU_ASSERT_EQUAL(info.reason[0] == '\0', has_pages);
		root = print_json();
		one = json_array_get(json_object_get(root, "nodes"), 0);
		CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(one, "backing")),
				       names[info.backing]);
		CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(one, "reason")),
				       info.reason);
		json_decref(root);
		text = print(HNUMA_TEXT);
		CU_ASSERT_PTR_NOT_NULL(strstr(text, names[info.backing]));
		CU_ASSERT_PTR_NOT_NULL(strstr(text, info.reason));
		CU_ASSERT_EQUAL(strstr(text, "why:") == NULL, has_pages);
		free(text);
		CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
	}
}

/* A reason can quote a path, and be cut in the middle of a character: it stays a JSON string. */
static void test_reason_of_any_bytes(void)
{
	struct hnuma_region *region;
	json_t *root;

	open_manager(HNUMA_BACKING_BASE);
	region = (struct hnuma_region *)(uintptr_t)hnuma_manager_region(manager, node);
	strcpy(region->reason, "\"quoted\" \\x2d\ttab \x01 %s \xc3");
	root = print_json();
	CU_ASSERT_STRING_EQUAL(
		json_string_value(json_object_get(json_array_get(json_object_get(root, "nodes"), 0),
						  "reason")),
		"\"quoted\" \\x2d\ttab \x01 %s ?");
	json_decref(root);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
}

static int refuse_get_policy(int *mode, unsigned long *mask, unsigned long max_node, void *address,
			     unsigned flags)
{
	(void)mode;
	(void)mask;
	(void)max_node;
	(void)address;
	(void)flags;
	return -EPERM;
}

static int refuse_set_policy(int mode, const unsigned long *mask, unsigned long max_node)
{
	(void)mode;
	(void)mask;
	(void)max_node;
	return -EPERM;
}

static int refuse_bind(void *address, size_t length, int mode, const unsigned long *mask,
		       unsigned long max_node, unsigned flags)
{
	(void)address;
	(void)length;
	(void)mode;
	(void)mask;
	(void)max_node;
	(void)flags;
	return -EPERM;
}

/* Memory that could not be bound is said to be unbound in every format. */
static void test_unbound(void)
{
	struct hnuma_config config = HNUMA_CONFIG_INIT;
	struct hnuma_sys saved = hnuma_sys;
	json_t *root;
	char *text;

	config.arena_capacity = 4096;
	config.buffers_per_class = 1;
	config.least_backing = HNUMA_BACKING_BASE;
	config.flags = HNUMA_RELAXED;
	hnuma_sys.get_policy = refuse_get_policy;
	hnuma_sys.set_policy = refuse_set_policy;
	hnuma_sys.bind = refuse_bind;
	CU_ASSERT_EQUAL(hnuma_manager_create(&manager, topology, &config), 0);
	hnuma_sys = saved;
	CU_ASSERT_PTR_NOT_NULL_FATAL(manager);
	root = print_json();
	CU_ASSERT(json_is_false(
		json_object_get(json_array_get(json_object_get(root, "nodes"), 0), "is_bound")));
	json_decref(root);
	text = print(HNUMA_TEXT);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "not bound"));
	free(text);
	text = print(HNUMA_PROMETHEUS);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "bound=\"no\""));
	free(text);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
}

/* Blocks that are lost are told of, and sizes that are no whole number of a unit. */
static void test_losses(void)
{
	struct hnuma_config config = HNUMA_CONFIG_INIT;
	struct hnuma_pool *pool;
	unsigned char *block;
	char *text;

	hnuma_nodeset_add(&config.nodes, node);
	config.arena_capacity = 3 << 19;
	config.buffers_per_class = 4;
	config.least_backing = HNUMA_BACKING_BASE;
	config.flags = HNUMA_HARDENED;
	CU_ASSERT_EQUAL_FATAL(hnuma_manager_create(&manager, topology, &config), 0);
	text = print(HNUMA_TEXT);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "1.5 MB"));
	CU_ASSERT_PTR_NULL(strstr(text, "lost"));
	free(text);
	pool = hnuma_manager_pool(manager);
	block = hnuma_pool_acquire(pool, HNUMA_CLASS_16K);
	CU_ASSERT_PTR_NOT_NULL_FATAL(block);
	block[16384] = (unsigned char)~block[16384];
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, block), -EUCLEAN);
	text = print(HNUMA_TEXT);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "  lost     1 blocks of 16K are out of service, 1 of "
					    "them because they were overwritten\n"));
	free(text);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
}

/* Counts of years: a rate needs more than 64 bits on its way. */
static void test_large_counts(void)
{
	struct hnuma_depot *depot;
	struct hnuma_home *home;
	char *text;

	open_manager(HNUMA_BACKING_BASE);
	home = hnuma_pool_home_of_node(hnuma_manager_pool(manager), node);
	depot = &home->depots[HNUMA_CLASS_16K];
	depot->hits = (uint64_t)3 << 61;
	depot->misses = (uint64_t)1 << 61;
	text = print(HNUMA_TEXT);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "75.0%"));
	free(text);
	text = print(HNUMA_JSON);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "0.750000"));
	free(text);
	depot->hits = depot->misses = 0;
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
}

static void test_text(void)
{
	struct hnuma_space *space;
	void *blocks[3];
	char *text;

	open_manager(HNUMA_BACKING_BASE);
	use_manager(blocks, &space);
	text = print(HNUMA_TEXT);
	printf("\n%s", text);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "1 MB, 704 B used"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "at most 1 KB, 2 allocations"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "62.5%"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "3 spaces of 8 KB (24 KB), 1 active, 64 B used"));
	for (int c = 0; c < HNUMA_NR_CLASSES; c++) {
		char name[16];

		snprintf(name, sizeof(name), " %s ", class_names[c]);
		CU_ASSERT_PTR_NOT_NULL(strstr(text, name));
	}
	/* It fits a terminal. */
	for (const char *line = text; *line;) {
		size_t length = strcspn(line, "\n");

		CU_ASSERT(length <= 120 || strncmp(line, "  why:", 6) == 0);
		line += length + (line[length] == '\n');
	}
	free(text);
	close_manager(blocks, space);
}

struct family {
	char name[64];
	char type[16];
	bool has_samples;
};

/*
 * Read the exposition format line by line: every family has HELP, then TYPE, then all its samples,
 * and comes once; counters and only counters end in _total. Returns the number of samples.
 */
static unsigned check_exposition(char *text)
{
	struct family families[64];
	unsigned nr_families = 0, nr_samples = 0;
	char *rest = text, *line, help[64] = "";

	while ((line = strsep(&rest, "\n")) && (*line || rest)) {
		struct family *last = nr_families ? &families[nr_families - 1] : NULL;
		char name[64], type[16];

		if (sscanf(line, "# HELP %63s", name) == 1) {
			strcpy(help, name);
			CU_ASSERT(strlen(line) > strlen("# HELP ") + strlen(name) + 1);
		} else if (sscanf(line, "# TYPE %63s %15s", name, type) == 2) {
			CU_ASSERT_STRING_EQUAL(name, help);
			for (unsigned i = 0; i < nr_families; i++)
				CU_ASSERT_STRING_NOT_EQUAL(families[i].name, name);
			CU_ASSERT_FATAL(nr_families < 64);
			CU_ASSERT(!last || last->has_samples);
			last = &families[nr_families++];
			strcpy(last->name, name);
			strcpy(last->type, type);
			last->has_samples = false;
			CU_ASSERT_EQUAL(strncmp(name, "hugenuma_", 9), 0);
			CU_ASSERT_EQUAL(strcmp(type, "counter") == 0,
					strlen(name) > 6 &&
						strcmp(name + strlen(name) - 6, "_total") == 0);
		} else {
			size_t length = strcspn(line, "{ ");
			char *value = strrchr(line, ' '), *end = NULL;

			CU_ASSERT_PTR_NOT_NULL_FATAL(last);
			CU_ASSERT_PTR_NOT_NULL_FATAL(value);
			CU_ASSERT(length == strlen(last->name) &&
				  strncmp(line, last->name, length) == 0);
			CU_ASSERT(strtod(value + 1, &end) >= 0);
			CU_ASSERT(end && end != value + 1 && *end == '\0');
			last->has_samples = true;
			nr_samples++;
		}
	}
	return nr_samples;
}

static void test_prometheus(void)
{
	struct hnuma_space *space;
	char line[128];
	void *blocks[3];
	char *text;

	open_manager(HNUMA_BACKING_BASE);
	use_manager(blocks, &space);
	text = print(HNUMA_PROMETHEUS);
#define HAS(...)                                            \
	do {                                                \
		snprintf(line, sizeof(line), __VA_ARGS__);  \
		if (!strstr(text, line))                    \
			printf("\n    missing: %s", line);  \
		CU_ASSERT_PTR_NOT_NULL(strstr(text, line)); \
	} while (0)
	HAS("\nhugenuma_pool_hits_total{node=\"%d\",class=\"16K\"} 5\n", node);
	HAS("\nhugenuma_pool_misses_total{node=\"%d\",class=\"16K\"} 3\n", node);
	HAS("\nhugenuma_pool_cached_blocks{node=\"%d\",class=\"16K\"} 0\n", node);
	HAS("\nhugenuma_pool_in_use_blocks{node=\"%d\",class=\"16K\"} 3\n", node);
	HAS("\nhugenuma_pool_hit_ratio{node=\"%d\",class=\"16K\"} 0.625000\n", node);
	HAS("\nhugenuma_pool_hit_ratio{node=\"%d\",class=\"1K\"} 0.0\n", node);
	HAS("\nhugenuma_arena_used_bytes{node=\"%d\"} 704\n", node);
	HAS("\nhugenuma_arena_capacity_bytes{node=\"%d\"} 1048576\n", node);
	HAS("\nhugenuma_scratch_spaces{node=\"%d\"} 3\n", node);
	HAS("\nhugenuma_scratch_used_bytes 64\n");
	if (check_knows_nodes())
		HAS("\nhugenuma_pages{node=\"%d\",where=\"elsewhere\"} 0\n", node);
	HAS("hugenuma_backing_info{node=\"%d\",backing=\"", node);
#undef HAS
	CU_ASSERT(check_exposition(text) > 60);
	free(text);
	close_manager(blocks, space);
}

/*
 * A program's decimal comma gets into no number. The locale is compiled here: a machine for building
 * has none as a rule. Where that cannot be done there is nothing to fear either.
 */
static void test_decimal_comma(void)
{
	char directory[] = "/tmp/hugenuma-locale-XXXXXX", command[256];
	struct hnuma_space *space;
	void *blocks[3];
	bool has_comma;
	json_t *root;
	char *text;

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(directory));
	snprintf(command, sizeof(command),
		 "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 >/dev/null 2>&1", directory);
	has_comma = system(command) == 0 && setenv("LOCPATH", directory, 1) == 0 &&
		    setlocale(LC_ALL, "de_DE.UTF-8");
	if (!has_comma)
		printf("(no locale with a comma) ");
	open_manager(HNUMA_BACKING_BASE);
	use_manager(blocks, &space);
	text = print(HNUMA_PROMETHEUS);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, " 0.625000\n"));
	free(text);
	text = print(HNUMA_JSON);
	setlocale(LC_ALL, "C");
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "0.625000"));
	free(text);
	root = print_json();
	json_decref(root);
	close_manager(blocks, space);
	unsetenv("LOCPATH");
	snprintf(command, sizeof(command), "rm -r %s", directory);
	CU_ASSERT_EQUAL(system(command), 0);
}

/*
 * A disk that is full, behind no buffer and behind one that is full before the report ends. What a
 * larger buffer took is the caller's to flush, and then the caller's error.
 */
static void test_full_stream(void)
{
	static char buffer[256];

	open_manager(HNUMA_BACKING_BASE);
	for (int format = HNUMA_TEXT; format <= HNUMA_PROMETHEUS; format++) {
		for (int is_buffered = 0; is_buffered < 2; is_buffered++) {
			FILE *full = fopen("/dev/full", "w");

			CU_ASSERT_PTR_NOT_NULL_FATAL(full);
			setvbuf(full, buffer, is_buffered ? _IOFBF : _IONBF, sizeof(buffer));
			CU_ASSERT_EQUAL(
				hnuma_manager_print_stats(manager, full, (enum hnuma_format)format),
				-EIO);
			check_message("No space left");
			fclose(full);
		}
	}
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
}

static void test_bad_arguments(void)
{
	open_manager(HNUMA_BACKING_BASE);
	CU_ASSERT_EQUAL(hnuma_manager_print_stats(NULL, stdout, HNUMA_TEXT), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_manager_print_stats(manager, NULL, HNUMA_TEXT), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_manager_print_stats(manager, stdout, (enum hnuma_format)3), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_manager_print_stats(manager, stdout, (enum hnuma_format) - 1),
			-EINVAL);
	check_message("format");
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"JSON", test_json},
		{"backing", test_backing},
		{"reason of any bytes", test_reason_of_any_bytes},
		{"unbound", test_unbound},
		{"text", test_text},
		{"losses", test_losses},
		{"large counts", test_large_counts},
		{"Prometheus", test_prometheus},
		{"decimal comma", test_decimal_comma},
		{"full stream", test_full_stream},
		{"bad arguments", test_bad_arguments},
		CU_TEST_INFO_NULL,
	};

	topology = check_topology();
	node = hnuma_current_node(topology);
	return check_main("stats", tests);
}
