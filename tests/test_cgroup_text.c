/* SPDX-License-Identifier: MIT */
/*
 * tests/test_cgroup_text.c - the parsers of numa/cgroup.h, on good text and on junk.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "numa/cgroup.h"
#include "tests/check.h"

static void test_membership(void)
{
	static const struct {
		const char *line;
		int version;
		const char *path;
	} cases[] = {
		{"0::/", 2, "/"},
		{"0::/user.slice/a b:c", 2, "/user.slice/a b:c"},
		{"11:hugetlb:/docker/abc", 1, "/docker/abc"},
		{"4:memory,hugetlb,cpu:/x", 1, "/x"},
		{"4:hugetlb,cpu:/x (deleted)", 1, "/x (deleted)"},
		{"0::/../sibling", 2, "/../sibling"},
		{"4:memory:/x", 0, ""},
		{"4:hugetlbx:/x", 0, ""},
		{"4:xhugetlb,huge:/x", 0, ""},
		{"4:name=hugetlb:/x", 0, ""},
		/* A named hierarchy without controllers is not version 2. */
		{"1::/x", 0, ""},
		{"0:hugetlb:/x", 1, "/x"},
		{"", 0, ""},
		{":", 0, ""},
		{"::", 0, ""},
		{"0:", 0, ""},
		{"0::", 0, ""},
		{"0::x", 0, ""},
		{"0:/x", 0, ""},
		{"x::/x", 0, ""},
		{"-1::/x", 0, ""},
		{"99999999999999999999::/x", 0, ""},
	};
	char path[HNUMA_CGROUP_PATH_MAX];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(path, 'x', sizeof(path));
		CU_ASSERT_EQUAL(hnuma_cgroup_parse_membership(cases[i].line, "hugetlb", path),
				cases[i].version);
		CU_ASSERT_STRING_EQUAL(path, cases[i].path);
	}
}

static void test_mount(void)
{
	static const struct {
		const char *line;
		int version;
		const char *root, *point;
	} cases[] = {
		{"30 23 0:26 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw", 2, "/",
		 "/sys/fs/cgroup"},
		{"30 23 0:26 / /sys/fs/cgroup rw shared:9 master:1 - cgroup2 cgroup2 rw", 2, "/",
		 "/sys/fs/cgroup"},
		{"34 25 0:29 /docker/a /c/hugetlb ro - cgroup cgroup rw,hugetlb", 1, "/docker/a",
		 "/c/hugetlb"},
		{"34 25 0:29 /../.. /c\\040d\\134e rw - cgroup none rw,cpu,hugetlb", 1, "/../..",
		 "/c d\\e"},
		/* An empty word for what was mounted. */
		{"34 25 0:29 / /c rw - cgroup  rw,hugetlb", 1, "/", "/c"},
		{"34 25 0:29 / /c\\9\\04 rw - cgroup2 x rw", 2, "/", "/c\\9\\04"},
		{"34 25 0:29 / /c rw - cgroup cgroup rw,memory", 0, "", ""},
		{"34 25 0:29 / /c rw,hugetlb - cgroup cgroup rw", 0, "", ""},
		{"34 25 0:29 / /c rw - cgroup hugetlb rw", 0, "", ""},
		{"34 25 0:29 / /c rw - tmpfs hugetlb rw,hugetlb", 0, "", ""},
		{"34 25 0:29 / /dev/hugepages rw - hugetlbfs hugetlbfs rw,hugetlb", 0, "", ""},
		{"34 25 0:29 - /c rw - cgroup2 x rw", 0, "", ""},
		{"34 25 0:29 / c rw - cgroup2 x rw", 0, "", ""},
		{"34 25 0:29 / /c\\000 rw - cgroup2 x rw", 0, "", ""},
		{"34 25 0:29 / /c rw cgroup2 x rw", 0, "", ""},
		{"34 25 0:29 / /c rw -", 0, "", ""},
		{"34 25 0:29 / /c rw - ", 0, "", ""},
		{"34 25 0:29", 0, "", ""},
		{"- - - - - - - cgroup2 x", 0, "", ""},
		{"", 0, "", ""},
		{"    ", 0, "", ""},
	};
	char root[HNUMA_CGROUP_PATH_MAX], point[HNUMA_CGROUP_PATH_MAX];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(root, 'x', sizeof(root));
		memset(point, 'x', sizeof(point));
		CU_ASSERT_EQUAL(
			hnuma_cgroup_parse_mount(cases[i].line, "hugetlb", NULL, root, point),
			cases[i].version);
		CU_ASSERT_STRING_EQUAL(root, cases[i].root);
		CU_ASSERT_STRING_EQUAL(point, cases[i].point);
	}
}

/* What version 2 must be mounted with is one of its own options, which version 1 has not. */
static void test_mount_option(void)
{
	static const struct {
		const char *line;
		int version;
	} cases[] = {
		{"30 23 0:26 / /c rw - cgroup2 cgroup2 rw,nsdelegate,good", 2},
		{"30 23 0:26 / /c rw - cgroup2 cgroup2 good", 2},
		{"30 23 0:26 / /c rw - cgroup2 cgroup2 rw,nsdelegate", 0},
		{"30 23 0:26 / /c rw - cgroup2 cgroup2 rw,goods,no-good", 0},
		{"30 23 0:26 / /c rw,good - cgroup2 good rw", 0},
		{"30 23 0:26 / /c rw - cgroup2", 0},
		{"30 23 0:26 / /c rw - cgroup cgroup rw,memory", 1},
		{"30 23 0:26 / /c rw - cgroup cgroup rw,good", 0},
	};
	char root[HNUMA_CGROUP_PATH_MAX], point[HNUMA_CGROUP_PATH_MAX];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CU_ASSERT_EQUAL(
			hnuma_cgroup_parse_mount(cases[i].line, "memory", "good", root, point),
			cases[i].version);
}

static void test_locate(void)
{
	static const struct {
		const char *root, *point, *path, *directory; /* NULL: not shown */
		size_t top;
	} cases[] = {
		{"/", "/sys/fs/cgroup", "/", "/sys/fs/cgroup", 14},
		{"/", "/sys/fs/cgroup", "/a/b", "/sys/fs/cgroup/a/b", 14},
		{"/", "/sys/fs/cgroup", "/a/b/", "/sys/fs/cgroup/a/b", 14},
		{"/a", "/c", "/a/b", "/c/b", 2},
		{"/a", "/c", "/a", "/c", 2},
		{"/", "/", "/a", "/a", 0},
		{"/", "/", "/", "", 0},
		/* Below the namespace's root, and the same group seen from above it. */
		{"/..", "/c", "/../b", "/c/b", 2},
		/* A name that begins with dots is a name. */
		{"/", "/c", "/..a/b..", "/c/..a/b..", 2},
		{"/a", "/c", "/ab", NULL, 0},
		{"/a/b", "/c", "/a", NULL, 0},
		{"/", "/c", "/..", NULL, 0},
		{"/", "/c", "/../b", NULL, 0},
		{"/", "/c", "/a/../../b", NULL, 0},
		{"/..", "/c", "/", NULL, 0},
		{"", "/c", "/", NULL, 0},
		{"/", "", "/", NULL, 0},
		{"/", "/c", "", NULL, 0},
	};
	char directory[HNUMA_CGROUP_PATH_MAX], long_path[HNUMA_CGROUP_PATH_MAX];
	size_t top;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(directory, 'x', sizeof(directory));
		CU_ASSERT_EQUAL(hnuma_cgroup_locate(cases[i].root, cases[i].point, cases[i].path,
						    directory, &top),
				cases[i].directory != NULL);
		CU_ASSERT_STRING_EQUAL(directory, cases[i].directory ? cases[i].directory : "");
		CU_ASSERT_EQUAL(top, cases[i].top);
	}
	memset(long_path, 'a', sizeof(long_path));
	long_path[0] = '/';
	long_path[sizeof(long_path) - 1] = '\0';
	CU_ASSERT_FALSE(hnuma_cgroup_locate("/", "/c", long_path, directory, &top));
	long_path[sizeof(long_path) - 3] = '\0';
	CU_ASSERT_TRUE(hnuma_cgroup_locate("/", "/c", long_path, directory, &top));
	CU_ASSERT_EQUAL(strlen(directory), sizeof(directory) - 1);
}

static void test_limit_text(void)
{
	static const struct {
		const char *text;
		bool is_limit;
		uint64_t bytes;
	} cases[] = {
		{"2097152\n", true, 2097152},
		{"0\n", true, 0},
		{"4611686018427387903", true, 4611686018427387903},
		/* Version 1 without a limit, on pages of 4 and of 64 KB. */
		{"9223372036852678656\n", false, 0},
		{"9223372036854710272\n", false, 0},
		{"18446744073709551615\n", false, 0},
		{"99999999999999999999\n", false, 0},
		{"max\n", false, 0},
		{"", false, 0},
		{"\n", false, 0},
		{"-1\n", false, 0},
		{"12x\n", false, 0},
		{"12 13\n", false, 0},
	};
	uint64_t bytes;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bytes = 7;
		CU_ASSERT_EQUAL(hnuma_cgroup_parse_limit(cases[i].text, &bytes), cases[i].is_limit);
		CU_ASSERT_EQUAL(bytes, cases[i].bytes);
	}
}

/* A small generator of its own, so that a failure can be had again. */
static unsigned random_state = 1;

static unsigned next_random(unsigned below)
{
	random_state = random_state * 1103515245 + 12345;
	return (random_state >> 16) % below;
}

/* Text that is nearly right: good lines with bytes changed, removed, doubled, cut. */
static void spoil(char *text, size_t size)
{
	static const char bytes[] = " :,-/\\.0178ahugetlb\t\xff\x80\n";
	size_t length = strlen(text);

	for (unsigned n = next_random(6); n > 0 && length > 0; n--) {
		size_t at = next_random((unsigned)length);

		switch (next_random(4)) {
		case 0:
			text[at] = bytes[next_random(sizeof(bytes) - 1)];
			break;
		case 1:
			memmove(text + at, text + at + 1, length - at);
			break;
		case 2:
			if (length + 1 < size)
				memmove(text + at + 1, text + at, length - at + 1);
			break;
		default:
			text[at] = '\0';
		}
		length = strlen(text);
	}
}

/*
 * Whatever the text is, each parser ends, stays within its buffers (the sanitizers watch), and what
 * it takes for a path is one.
 */
static void test_junk(void)
{
	static const char *const lines[] = {
		"0::/user.slice/x.scope",
		"11:cpu,hugetlb:/docker/abc/../x",
		"34 25 0:29 /docker/a /c\\040d/hugetlb rw shared:9 - cgroup cgroup rw,hugetlb",
		"30 23 0:26 /.. /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw",
		"9223372036852678656",
	};
	char line[512], root[HNUMA_CGROUP_PATH_MAX], point[HNUMA_CGROUP_PATH_MAX];
	char path[HNUMA_CGROUP_PATH_MAX], directory[HNUMA_CGROUP_PATH_MAX];
	unsigned nr_understood = 0;
	uint64_t bytes;
	size_t top;

	strcpy(path, "/");
	for (unsigned round = 0; round < 200000; round++) {
		strcpy(line, lines[next_random(5)]);
		spoil(line, sizeof(line));
		if (hnuma_cgroup_parse_membership(line, "hugetlb", root)) {
			nr_understood++;
			strcpy(path, root);
			if (path[0] != '/')
				break;
		}
		if (hnuma_cgroup_parse_mount(line, "hugetlb", NULL, root, point)) {
			nr_understood++;
			if (root[0] != '/' || point[0] != '/')
				break;
			if (hnuma_cgroup_locate(root, point, path, directory, &top) &&
			    (top > strlen(directory) || strncmp(directory, point, top)))
				break;
		}
		if (!hnuma_cgroup_parse_limit(line, &bytes) && bytes != 0)
			break;
		if (round == 199999)
			CU_PASS("all rounds");
	}
	CU_ASSERT(nr_understood > 10000);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"lines of membership", test_membership},
		{"lines of mounts", test_mount},
		{"mount options", test_mount_option},
		{"where a group is shown", test_locate},
		{"limits as text", test_limit_text},
		{"junk", test_junk},
		CU_TEST_INFO_NULL,
	};

	return check_main("cgroup_text", tests);
}
