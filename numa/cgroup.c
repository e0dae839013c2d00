/* SPDX-License-Identifier: MIT */
/*
 * numa/cgroup.c - finding the tightest limit of a kind over this process.
 *
 * Reads through numa/procfs. What it reads can be anything: a container's runtime may have put its
 * own files there. So nothing is trusted, and what cannot be understood is no limit.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "numa/cgroup.h"
#include "numa/procfs.h"

/* Version 1 says "no limit" by a number of bytes just below 2^63; nobody has 2^62. */
#define LIMITLESS ((uint64_t)1 << 62)

/* The controller of each kind, by which version 1 names its hierarchies. */
static const char *controller_of(enum hnuma_cgroup_kind kind)
{
	return kind == HNUMA_CGROUP_PAGES || kind == HNUMA_CGROUP_RESERVATIONS ? "hugetlb"
									       : "memory";
}

/* What a kind is counted only with, of version 2. */
static const char *option_of(enum hnuma_cgroup_kind kind)
{
	return kind == HNUMA_CGROUP_PAGES_AS_MEMORY ? "memory_hugetlb_accounting" : NULL;
}

/* The files of a group, by version and kind. */
struct files {
	const char *limit; /* NULL: this version has no such limit */
	const char *usage;
	const char *high; /* NULL, or a second limit: beyond it the kernel makes the group wait */
	const char *stat; /* NULL: of what is used nothing can be reclaimed */
	/* In it: what could be, what counts with that and could not, and what could be besides. */
	const char *cache, *shmem, *slab;
};

#define VERSION_2_MEMORY                                                                         \
	{                                                                                        \
		"memory.max", "memory.current", "memory.high", "memory.stat", "file ", "shmem ", \
			"slab_reclaimable "                                                      \
	}

static const struct files files_of[3][6] = {
	[1] =
		{
			[HNUMA_CGROUP_PAGES] = {.limit = "hugetlb.2MB.limit_in_bytes",
						.usage = "hugetlb.2MB.usage_in_bytes"},
			[HNUMA_CGROUP_RESERVATIONS] = {.limit = "hugetlb.2MB.rsvd.limit_in_bytes",
						       .usage = "hugetlb.2MB.rsvd.usage_in_bytes"},
			[HNUMA_CGROUP_MEMORY] = {"memory.limit_in_bytes", "memory.usage_in_bytes",
						 NULL, "memory.stat", "total_cache ",
						 "total_shmem ", NULL},
			[HNUMA_CGROUP_MEMORY_AND_SWAP] = {"memory.memsw.limit_in_bytes",
							  "memory.memsw.usage_in_bytes", NULL,
							  "memory.stat", "total_cache ",
							  "total_shmem ", NULL},
		},
	[2] =
		{
			[HNUMA_CGROUP_PAGES] = {.limit = "hugetlb.2MB.max",
						.usage = "hugetlb.2MB.current"},
			[HNUMA_CGROUP_RESERVATIONS] = {.limit = "hugetlb.2MB.rsvd.max",
						       .usage = "hugetlb.2MB.rsvd.current"},
			[HNUMA_CGROUP_PAGES_AS_MEMORY] = VERSION_2_MEMORY,
			[HNUMA_CGROUP_MEMORY] = VERSION_2_MEMORY,
			[HNUMA_CGROUP_SWAP] = {.limit = "memory.swap.max",
					       .usage = "memory.swap.current"},
		},
};

/* Is the word an element of a list that is parted by commas and ends at `end`? */
static bool list_has(const char *list, const char *end, const char *word)
{
	const size_t length = strlen(word);

	while (list < end) {
		const char *comma = memchr(list, ',', (size_t)(end - list));
		const char *stop = comma ? comma : end;

		if ((size_t)(stop - list) == length && memcmp(list, word, length) == 0)
			return true;
		list = stop + 1;
	}
	return false;
}

int hnuma_cgroup_parse_membership(const char *line, const char *controller, char *path)
{
	const char *controllers, *end;
	uint64_t hierarchy;
	int version;

	/* NUMBER:CONTROLLER,CONTROLLER:/PATH, and 0::/PATH for version 2 */
	path[0] = '\0';
	if (hnuma_procfs_parse_number(line, &hierarchy, &controllers) || *controllers != ':')
		return 0;
	controllers++;
	end = strchr(controllers, ':');
	if (!end || end[1] != '/')
		return 0;
	if (hierarchy == 0 && end == controllers)
		version = 2;
	else if (list_has(controllers, end, controller))
		version = 1;
	else
		return 0;
	if (strlen(end + 1) >= HNUMA_CGROUP_PATH_MAX)
		return 0;
	strcpy(path, end + 1);
	return version;
}

/* One field of a line; one blank lies between two, and a field can be empty. */
struct field {
	const char *begin;
	size_t length;
};

static struct field next_field(const char **at)
{
	struct field field;

	*at += **at == ' ';
	field.begin = *at;
	field.length = strcspn(*at, " ");
	*at += field.length;
	return field;
}

static bool field_is(struct field field, const char *word)
{
	return field.length == strlen(word) && memcmp(field.begin, word, field.length) == 0;
}

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

/* Copy a path, in which a blank is written as \040 and so on. False when it is none or too long. */
static bool copy_path(struct field field, char *path)
{
	size_t used = 0;

	if (field.length == 0 || field.begin[0] != '/')
		return false;
	for (size_t i = 0; i < field.length; i++) {
		const char *c = field.begin + i;
		char byte = *c;

		if (byte == '\\' && field.length - i > 3 && is_octal(c[1]) && is_octal(c[2]) &&
		    is_octal(c[3])) {
			byte = (char)((c[1] - '0') << 6 | (c[2] - '0') << 3 | (c[3] - '0'));
			i += 3;
		}
		if (byte == '\0' || used == HNUMA_CGROUP_PATH_MAX - 1)
			return false;
		path[used++] = byte;
	}
	path[used] = '\0';
	return true;
}

/*
 * Which version is the file system behind the "-" of a line? 0: one without the controller, or the option of
 * version 2.
 */
static int parse_type(const char *at, const char *controller, const char *option)
{
	struct field type = next_field(&at), options;
	const bool is_version_2 = field_is(type, "cgroup2");
	const char *word = is_version_2 ? option : controller;

	if (!is_version_2 && !field_is(type, "cgroup"))
		return 0;
	(void)next_field(&at); /* what was mounted: any word */
	options = next_field(&at);
	if (word && !list_has(options.begin, options.begin + options.length, word))
		return 0;
	return is_version_2 ? 2 : 1;
}

int hnuma_cgroup_parse_mount(const char *line, const char *controller, const char *option,
			     char *root, char *point)
{
	struct field root_field, point_field, field;
	int version;

	/* ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [TAG ...] - TYPE SOURCE OPTIONS */
	root[0] = '\0';
	point[0] = '\0';
	for (int i = 0; i < 3; i++)
		(void)next_field(&line);
	root_field = next_field(&line);
	point_field = next_field(&line);
	(void)next_field(&line);
	do
		field = next_field(&line);
	while (field.length && !field_is(field, "-"));
	version = parse_type(line, controller, option);
	if (version && (!copy_path(root_field, root) || !copy_path(point_field, point))) {
		root[0] = '\0';
		point[0] = '\0';
		return 0;
	}
	return version;
}

/* Does a path go up, out of what is shown? It does for a group outside of our namespace. */
static bool goes_up(const char *path)
{
	for (const char *at = path; (at = strstr(at, "/..")) != NULL; at += 3)
		if (at[3] == '/' || at[3] == '\0')
			return true;
	return false;
}

bool hnuma_cgroup_locate(const char *root, const char *point, const char *path, char *directory,
			 size_t *top)
{
	size_t root_length = strlen(root), point_length = strlen(point), length;
	int written;

	directory[0] = '\0';
	*top = 0;
	if (root[0] != '/' || point[0] != '/' || path[0] != '/')
		return false;
	if (root_length == 1)
		root_length = 0;
	if (point_length == 1)
		point_length = 0;
	/* The group must be the mount's root or below it: /a is not above /ab. */
	if (strncmp(path, root, root_length) != 0 ||
	    (path[root_length] != '/' && path[root_length] != '\0'))
		return false;
	path += root_length;
	if (goes_up(path))
		return false;
	length = strlen(path);
	if (length && path[length - 1] == '/')
		length--;
	written = snprintf(directory, HNUMA_CGROUP_PATH_MAX, "%.*s%.*s", (int)point_length, point,
			   (int)length, path);
	if (written >= HNUMA_CGROUP_PATH_MAX) {
		directory[0] = '\0';
		return false;
	}
	*top = point_length;
	return true;
}

bool hnuma_cgroup_parse_limit(const char *text, uint64_t *bytes)
{
	const char *end;
	uint64_t number;

	*bytes = 0;
	if (hnuma_procfs_parse_number(text, &number, &end) || number >= LIMITLESS)
		return false;
	if (end[strspn(end, " \n")] != '\0')
		return false;
	*bytes = number;
	return true;
}

/* Does a line say this, and a number? */
static bool stat_is(const char *line, const char *key, uint64_t *number)
{
	const size_t length = strlen(key);

	return strncmp(line, key, length) == 0 &&
	       !hnuma_procfs_parse_number(line + length, number, NULL);
}

/*
 * How much of a group's memory the kernel gives up before it kills: the cache of files, and of their
 * names. Version 1 does not tell of the latter.
 */
static uint64_t read_reclaimable(const char *directory, const struct files *files)
{
	struct hnuma_procfs_lines lines;
	char path[HNUMA_CGROUP_PATH_MAX];
	uint64_t number, cache = 0, shmem = 0, slab = 0;
	const char *line;

	if (!files->stat ||
	    snprintf(path, sizeof(path), "%s/%s", directory, files->stat) >= (int)sizeof(path) ||
	    hnuma_procfs_open(&lines, path))
		return 0;
	while (hnuma_procfs_next(&lines, &line) > 0) {
		if (stat_is(line, files->cache, &number))
			cache = number;
		else if (stat_is(line, files->shmem, &number))
			shmem = number;
		else if (files->slab && stat_is(line, files->slab, &number))
			slab = number;
	}
	hnuma_procfs_close(&lines);
	cache = cache > shmem ? cache - shmem : 0;
	return cache + slab < cache ? UINT64_MAX : cache + slab;
}

/*
 * Read a limit and its path, unless a lower one is there already. A file that cannot be read is no limit: the
 * root has none, for one.
 */
static void read_limit(const char *directory, const char *file, uint64_t *bytes, char *path)
{
	char candidate[HNUMA_CGROUP_PATH_MAX], text[32];
	uint64_t number;

	if (snprintf(candidate, sizeof(candidate), "%s/%s", directory, file) >=
		    (int)sizeof(candidate) ||
	    hnuma_procfs_read(candidate, text, sizeof(text)) <= 0 ||
	    !hnuma_cgroup_parse_limit(text, &number) || number >= *bytes)
		return;
	*bytes = number;
	strcpy(path, candidate);
}

static void look_at_group(const char *directory, const struct files *files,
			  struct hnuma_cgroup_limit *limit)
{
	char path[HNUMA_CGROUP_PATH_MAX], usage_path[HNUMA_CGROUP_PATH_MAX];
	uint64_t bytes = UINT64_MAX, usage, reclaimable, headroom;

	read_limit(directory, files->limit, &bytes, path);
	if (files->high)
		read_limit(directory, files->high, &bytes, path);
	if (bytes == UINT64_MAX)
		return;
	if (snprintf(usage_path, sizeof(usage_path), "%s/%s", directory, files->usage) >=
		    (int)sizeof(usage_path) ||
	    hnuma_procfs_read_number(usage_path, &usage))
		usage = 0;
	reclaimable = read_reclaimable(directory, files);
	usage -= reclaimable < usage ? reclaimable : usage;
	headroom = bytes > usage ? bytes - usage : 0;
	/* The inner one when two are as tight: its owner is nearer. */
	if (limit->is_limited && headroom >= limit->headroom_bytes)
		return;
	limit->is_limited = true;
	limit->limit_bytes = bytes;
	limit->usage_bytes = usage;
	limit->headroom_bytes = headroom;
	strcpy(limit->path, path);
}

/* Look at a group and those above it, as far as they are shown. Uses up the directory's name. */
static void look_upwards(char *directory, size_t top, const struct files *files,
			 struct hnuma_cgroup_limit *limit)
{
	for (;;) {
		char *slash;

		look_at_group(directory, files, limit);
		slash = strrchr(directory, '/');
		if (!slash || strlen(directory) <= top)
			return;
		*slash = '\0';
	}
}

/* Go on with a file that is not there as with an empty one. */
static int open_lines(struct hnuma_procfs_lines *lines, const char *path)
{
	int error = hnuma_procfs_open(lines, path);

	return error == -ENOENT || error == -ENOTDIR ? 1 : error;
}

/* In which group of each version is this process? paths[1], paths[2]; "" for none. */
static int find_membership(const char *controller, char paths[3][HNUMA_CGROUP_PATH_MAX])
{
	struct hnuma_procfs_lines lines;
	char path[HNUMA_CGROUP_PATH_MAX];
	const char *line;
	int result = open_lines(&lines, "/proc/self/cgroup");

	for (int version = 0; version < 3; version++)
		paths[version][0] = '\0';
	if (result)
		return result < 0 ? result : 0;
	while ((result = hnuma_procfs_next(&lines, &line)) > 0) {
		int version = hnuma_cgroup_parse_membership(line, controller, path);

		if (version)
			strcpy(paths[version], path);
	}
	hnuma_procfs_close(&lines);
	return result;
}

/* Go through all places where groups are shown. */
static int look_through_mounts(char paths[3][HNUMA_CGROUP_PATH_MAX], enum hnuma_cgroup_kind kind,
			       struct hnuma_cgroup_limit *limit)
{
	char root[HNUMA_CGROUP_PATH_MAX], point[HNUMA_CGROUP_PATH_MAX];
	char directory[HNUMA_CGROUP_PATH_MAX];
	struct hnuma_procfs_lines lines;
	const char *line;
	size_t top;
	int result = open_lines(&lines, "/proc/self/mountinfo");

	if (result)
		return result < 0 ? result : 0;
	while ((result = hnuma_procfs_next(&lines, &line)) > 0) {
		int version = hnuma_cgroup_parse_mount(line, controller_of(kind), option_of(kind),
						       root, point);

		if (version && files_of[version][kind].limit &&
		    hnuma_cgroup_locate(root, point, paths[version], directory, &top))
			look_upwards(directory, top, &files_of[version][kind], limit);
	}
	hnuma_procfs_close(&lines);
	return result;
}

static void set_limitless(struct hnuma_cgroup_limit *limit)
{
	memset(limit, 0, sizeof(*limit));
	limit->headroom_bytes = UINT64_MAX;
}

int hnuma_cgroup_tightest(enum hnuma_cgroup_kind kind, struct hnuma_cgroup_limit *limit)
{
	char paths[3][HNUMA_CGROUP_PATH_MAX];
	int error;

	set_limitless(limit);
	error = find_membership(controller_of(kind), paths);
	if (!error && (paths[1][0] || paths[2][0]))
		error = look_through_mounts(paths, kind, limit);
	if (error)
		set_limitless(limit);
	return error;
}
