/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/fuzz_files.c - any bytes as the files of /proc, /sys and /sys/fs/cgroup.
 *
 *	byte 0		     how many bytes a read() gives at most, and whether signals interrupt it
 *	the rest	     files, with a byte 0xff between one and the next:
 *	0		     read as numbers, lines and lists
 *	1 2 3 4 5	     /proc/self/cgroup, mountinfo, smaps, numa_maps, maps
 *	6 and above	     all others, in the order in which they are opened, again and again
 *
 * A file that is not among them cannot be opened.
 */
#include "config.h"

#include "numa/cgroup.h"
#include "numa/hugepages.h"
#include "numa/procfs.h"
#include "numa/remote.h"
#include "numa/topology.h"
#include "tests/fuzz/fuzz.h"

#define FILES_MAX 32
#define OPEN_MAX  8
#define FIRST_FD  1000

static struct {
	const uint8_t *text;
	size_t size;
} files[FILES_MAX];
static unsigned nr_files, next_file;

static struct {
	unsigned file; /* plus 1; 0: closed */
	size_t at;
} opened[OPEN_MAX];
static size_t chunk;
static bool interrupts, was_interrupted;

static int open_file(const char *path)
{
	static const char *const names[] = {"/cgroup", "/mountinfo", "/smaps", "/numa_maps",
					    "/maps"};
	unsigned file = 0;

	for (unsigned i = 0; i < 5 && !file; i++) {
		size_t length = strlen(path), end = strlen(names[i]);

		if (strncmp(path, "/proc/", 6) == 0 && length > end &&
		    strcmp(path + length - end, names[i]) == 0)
			file = i + 1;
	}
	if (!file && strcmp(path, "/fuzz") != 0 && nr_files > 6)
		file = 6 + next_file++ % (nr_files - 6);
	if (file >= nr_files || (!file && strcmp(path, "/fuzz") != 0))
		return -ENOENT;
	for (unsigned fd = 0; fd < OPEN_MAX; fd++) {
		if (opened[fd].file)
			continue;
		opened[fd].file = file + 1;
		opened[fd].at = 0;
		return FIRST_FD + (int)fd;
	}
	FUZZ_EXPECT(!"so many files are open at a time");
	return -EMFILE;
}

static ssize_t read_file(int fd, void *buffer, size_t size)
{
	unsigned slot = (unsigned)(fd - FIRST_FD);
	size_t left;

	FUZZ_EXPECT(slot < OPEN_MAX && opened[slot].file && size > 0);
	was_interrupted = interrupts && !was_interrupted;
	if (was_interrupted)
		return -EINTR;
	left = files[opened[slot].file - 1].size - opened[slot].at;
	if (size > left)
		size = left;
	if (size > chunk)
		size = chunk;
	if (size > 0)
		memcpy(buffer, files[opened[slot].file - 1].text + opened[slot].at, size);
	opened[slot].at += size;
	return (ssize_t)size;
}

static int close_file(int fd)
{
	unsigned slot = (unsigned)(fd - FIRST_FD);

	FUZZ_EXPECT(slot < OPEN_MAX && opened[slot].file);
	opened[slot].file = 0;
	return 0;
}

static void expect_all_closed(void)
{
	for (unsigned i = 0; i < OPEN_MAX; i++)
		FUZZ_EXPECT(!opened[i].file);
}

static void split(const uint8_t *data, size_t size)
{
	const uint8_t *end = data + size;

	nr_files = next_file = 0;
	while (nr_files < FILES_MAX && data <= end) {
		const uint8_t *mark = data < end ? memchr(data, 0xff, (size_t)(end - data)) : NULL;

		files[nr_files].text = data;
		files[nr_files++].size = (size_t)((mark ? mark : end) - data);
		data = mark ? mark + 1 : end + 1;
	}
}

static void read_text(void)
{
	struct hnuma_nodeset nodes = {{0}};
	struct hnuma_procfs_lines lines;
	char text[512], again[4096];
	const char *line, *end;
	uint64_t number;
	ssize_t length = hnuma_procfs_read("/fuzz", text, sizeof(text));

	FUZZ_EXPECT(length == -EFBIG || (size_t)length == files[0].size);
	FUZZ_EXPECT(memchr(text, '\0', sizeof(text)));
	if (hnuma_procfs_read_number("/fuzz", &number))
		FUZZ_EXPECT(number == 0);
	if (hnuma_procfs_parse_number(text, &number, &end))
		FUZZ_EXPECT(number == 0 && end == text);
	(void)hnuma_topology_parse_list(text, &nodes);
	/* What was understood is said so that it is understood again. */
	if (*hnuma_topology_list_nodes(&nodes, again, sizeof(again))) {
		struct hnuma_nodeset same = {{0}};

		(void)hnuma_topology_parse_list(again, &same);
		FUZZ_EXPECT(memcmp(&same, &nodes, sizeof(same)) == 0);
	}
	FUZZ_EXPECT(hnuma_procfs_open(&lines, "/fuzz") == 0);
	while (hnuma_procfs_next(&lines, &line) > 0)
		FUZZ_EXPECT(strlen(line) < HNUMA_PROCFS_LINE_MAX && !strchr(line, '\n'));
	FUZZ_EXPECT(hnuma_procfs_next(&lines, &line) == 0);
	hnuma_procfs_close(&lines);
}

static void read_limits(void)
{
	struct hnuma_cgroup_limit limit;

	for (int kind = HNUMA_CGROUP_PAGES; kind <= HNUMA_CGROUP_MEMORY_AND_SWAP; kind++) {
		int error = hnuma_cgroup_tightest((enum hnuma_cgroup_kind)kind, &limit);

		FUZZ_EXPECT(error == 0);
		FUZZ_EXPECT(memchr(limit.path, '\0', sizeof(limit.path)));
		if (limit.is_limited)
			FUZZ_EXPECT(limit.headroom_bytes <= limit.limit_bytes && limit.path[0]);
		else
			FUZZ_EXPECT(limit.headroom_bytes == UINT64_MAX && !limit.limit_bytes);
	}
}

static void read_pages(void)
{
	struct hnuma_hugepages_machine machine;
	struct hnuma_hugepages_node node;

	if (hnuma_hugepages_read_machine(&machine))
		FUZZ_EXPECT(!machine.total && !machine.free && !machine.reserved);
	if (hnuma_hugepages_read_node(0, &node))
		FUZZ_EXPECT(!node.total && !node.free);
}

static void read_processes(void)
{
	struct hnuma_survey_region region;
	struct hnuma_survey *survey;
	uint64_t address, size;

	(void)hnuma_remote_find(1, "hugenuma:directory", &address, &size);
	for (int pid = 0; pid < 2; pid++) {
		int error = hnuma_survey_create(&survey, pid);

		FUZZ_EXPECT((error == 0) == (survey != NULL));
		for (unsigned i = 0; !error && i < hnuma_survey_nr_regions(survey); i++) {
			FUZZ_EXPECT(hnuma_survey_region(survey, i, &region) == 0);
			for (int node = -1; node <= HNUMA_MAX_NODES; node += 5)
				(void)hnuma_survey_pages_on(survey, i, node);
		}
		hnuma_survey_destroy(survey);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	hnuma_sys.open = open_file;
	hnuma_sys.read = read_file;
	hnuma_sys.close = close_file;
	chunk = (size_t)1 << data[0] % 14;
	interrupts = data[0] & 0x80;
	split(data + 1, size - 1);
	read_text();
	expect_all_closed();
	read_limits();
	expect_all_closed();
	read_pages();
	expect_all_closed();
	read_processes();
	expect_all_closed();
	return 0;
}
