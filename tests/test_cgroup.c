/* SPDX-License-Identifier: MIT */
/*
 * tests/test_cgroup.c - hugetlb limits of control groups: the parsers on good text and on junk, then
 * whole systems made of files of our own. What the kernel makes of a limit is in test_region_limits.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "numa/cgroup.h"
#include "tests/check.h"
#include "tests/fake_files.h"

#define MB (1024 * 1024ull)

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
		CU_ASSERT_EQUAL(hnuma_cgroup_parse_mount(cases[i].line, "hugetlb", root, point),
				cases[i].version);
		CU_ASSERT_STRING_EQUAL(root, cases[i].root);
		CU_ASSERT_STRING_EQUAL(point, cases[i].point);
	}
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
		if (hnuma_cgroup_parse_mount(line, "hugetlb", root, point)) {
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

#define PLAIN_V2(group, max, now)                                     \
	{"/sys/fs/cgroup" group "/hugetlb.2MB.max", max, 0},          \
	{                                                             \
		"/sys/fs/cgroup" group "/hugetlb.2MB.current", now, 0 \
	}
#define RSVD_V2(group, max, now)                                           \
	{"/sys/fs/cgroup" group "/hugetlb.2MB.rsvd.max", max, 0},          \
	{                                                                  \
		"/sys/fs/cgroup" group "/hugetlb.2MB.rsvd.current", now, 0 \
	}

static void check_limit(enum hnuma_cgroup_kind kind, uint64_t limit_mb, uint64_t usage_mb,
			uint64_t headroom_mb, const char *path)
{
	struct hnuma_cgroup_limit limit;

	memset(&limit, 0xff, sizeof(limit));
	CU_ASSERT_EQUAL(hnuma_cgroup_tightest(kind, &limit), 0);
	CU_ASSERT_TRUE(limit.is_limited);
	CU_ASSERT_EQUAL(limit.limit_bytes, limit_mb * MB);
	CU_ASSERT_EQUAL(limit.usage_bytes, usage_mb * MB);
	CU_ASSERT_EQUAL(limit.headroom_bytes, headroom_mb * MB);
	CU_ASSERT_STRING_EQUAL(limit.path, path);
}

static void check_limitless(enum hnuma_cgroup_kind kind, int error)
{
	struct hnuma_cgroup_limit limit;

	memset(&limit, 0xff, sizeof(limit));
	CU_ASSERT_EQUAL(hnuma_cgroup_tightest(kind, &limit), error);
	CU_ASSERT_FALSE(limit.is_limited);
	CU_ASSERT_EQUAL(limit.limit_bytes, 0);
	CU_ASSERT_EQUAL(limit.usage_bytes, 0);
	CU_ASSERT_EQUAL(limit.headroom_bytes, UINT64_MAX);
	CU_ASSERT_STRING_EQUAL(limit.path, "");
}

/* Version 2: the grandparent is the tightest for pages, the process's own group for reservations. */
static void test_version_2(void)
{
	static const struct fake_file files[] = {
		{"/proc/self/cgroup", "0::/a/b/c\n", 0},
		{"/proc/self/mountinfo",
		 "22 1 0:21 / /sys rw - sysfs sysfs rw\n"
		 "30 22 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
		 0},
		PLAIN_V2("/a/b/c", "max\n", "4194304\n"),
		PLAIN_V2("/a/b", "20971520\n", "4194304\n"),
		PLAIN_V2("/a", "10485760\n", "8388608\n"),
		RSVD_V2("/a/b/c", "6291456\n", "8388608\n"),
		RSVD_V2("/a/b", "max\n", "8388608\n"),
		RSVD_V2("/a", "2097152000\n", "8388608\n"),
		{NULL, NULL, 0},
	};

	fake_files_begin(files, true);
	check_limit(HNUMA_CGROUP_PAGES, 10, 8, 2, "/sys/fs/cgroup/a/hugetlb.2MB.max");
	/* Above its limit, which was lowered: no headroom, and not less. */
	check_limit(HNUMA_CGROUP_RESERVATIONS, 6, 8, 0,
		    "/sys/fs/cgroup/a/b/c/hugetlb.2MB.rsvd.max");
	fake_files_end();
}

/* Caches of files and of names can be reclaimed, but for shared memory, which counts with the first. */
static void test_memory(void)
{
	static const struct fake_file version_2[] = {
		{"/proc/self/cgroup", "0::/a/b\n", 0},
		{"/proc/self/mountinfo", "30 22 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
		 0},
		{"/sys/fs/cgroup/a/b/memory.max", "max\n", 0},
		{"/sys/fs/cgroup/a/b/memory.current", "52428800\n", 0},
		{"/sys/fs/cgroup/a/memory.max", "104857600\n", 0},
		{"/sys/fs/cgroup/a/memory.current", "83886080\n", 0},
		{"/sys/fs/cgroup/a/memory.stat",
		 "anon 41943040\nfile 31457280\nkernel 10485760\nshmem 10485760\nfile_mapped 7\n"
		 "slab_reclaimable 5242880\nslab_unreclaimable 5242880\n",
		 0},
		{NULL, NULL, 0},
	};
	static const struct fake_file version_1[] = {
		{"/proc/self/cgroup", "9:hugetlb:/x\n4:memory:/a\n0::/\n", 0},
		{"/proc/self/mountinfo",
		 "33 25 0:28 / /c/hugetlb rw - cgroup cgroup rw,hugetlb\n"
		 "34 25 0:29 / /c/memory rw - cgroup cgroup rw,memory\n",
		 0},
		{"/c/memory/a/memory.limit_in_bytes", "104857600\n", 0},
		{"/c/memory/a/memory.usage_in_bytes", "83886080\n", 0},
		{"/c/memory/a/memory.stat", "cache 1\nshmem 1\ntotal_cache 20971520\ntotal_shmem 0",
		 0},
		{"/c/hugetlb/x/hugetlb.2MB.limit_in_bytes", "4194304\n", 0},
		{NULL, NULL, 0},
	};
	static const struct fake_file no_stat[] = {
		{"/proc/self/cgroup", "0::/a\n", 0},
		{"/proc/self/mountinfo", "30 22 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
		 0},
		{"/sys/fs/cgroup/a/memory.max", "104857600\n", 0},
		{"/sys/fs/cgroup/a/memory.current", "83886080\n", 0},
		{NULL, NULL, 0},
	};

	fake_files_begin(version_2, true);
	check_limit(HNUMA_CGROUP_MEMORY, 100, 55, 45, "/sys/fs/cgroup/a/memory.max");
	fake_files_begin(version_1, true);
	check_limit(HNUMA_CGROUP_MEMORY, 100, 60, 40, "/c/memory/a/memory.limit_in_bytes");
	check_limit(HNUMA_CGROUP_PAGES, 4, 0, 4, "/c/hugetlb/x/hugetlb.2MB.limit_in_bytes");
	fake_files_begin(no_stat, true);
	check_limit(HNUMA_CGROUP_MEMORY, 100, 80, 20, "/sys/fs/cgroup/a/memory.max");
	fake_files_end();
}

/* Swap: a limit of its own in version 2, one with the memory in version 1. */
static void test_swap(void)
{
	static const struct fake_file version_2[] = {
		{"/proc/self/cgroup", "0::/a\n", 0},
		{"/proc/self/mountinfo", "30 22 0:26 / /c rw - cgroup2 cgroup2 rw\n", 0},
		{"/c/a/memory.swap.max", "10485760\n", 0},
		{"/c/a/memory.swap.current", "2097152\n", 0},
		{"/c/a/memory.memsw.limit_in_bytes", "1\n", 0},
		{NULL, NULL, 0},
	};
	static const struct fake_file version_1[] = {
		{"/proc/self/cgroup", "4:memory:/a\n", 0},
		{"/proc/self/mountinfo", "34 25 0:29 / /c rw - cgroup cgroup rw,memory\n", 0},
		{"/c/a/memory.memsw.limit_in_bytes", "104857600\n", 0},
		{"/c/a/memory.memsw.usage_in_bytes", "83886080\n", 0},
		{"/c/a/memory.stat", "total_cache 20971520\ntotal_shmem 0\n", 0},
		{"/c/a/memory.swap.max", "1\n", 0},
		{NULL, NULL, 0},
	};

	fake_files_begin(version_2, true);
	check_limit(HNUMA_CGROUP_SWAP, 10, 2, 8, "/c/a/memory.swap.max");
	check_limitless(HNUMA_CGROUP_MEMORY_AND_SWAP, 0);
	fake_files_begin(version_1, true);
	check_limit(HNUMA_CGROUP_MEMORY_AND_SWAP, 100, 60, 40, "/c/a/memory.memsw.limit_in_bytes");
	check_limitless(HNUMA_CGROUP_SWAP, 0);
	fake_files_end();
}

/* Version 1, beside a version 2 that has not got the controller; a container's view of it. */
static void test_version_1_and_hybrid(void)
{
	static const struct fake_file files[] = {
		{"/proc/self/cgroup",
		 "9:cpu,cpuacct:/docker/abc\n8:hugetlb:/docker/abc\n"
		 "1:name=systemd:/docker/abc\n0::/docker/abc\n",
		 0},
		{"/proc/self/mountinfo",
		 "30 22 0:26 /docker/abc /sys/fs/cgroup/unified ro - cgroup2 cgroup rw\n"
		 "31 22 0:27 /docker/abc /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu,cpuacct\n"
		 "32 22 0:28 /docker/abc /sys/fs/cgroup/huge\\040tlb ro - cgroup cgroup "
		 "rw,hugetlb\n",
		 0},
		{"/sys/fs/cgroup/huge tlb/hugetlb.2MB.limit_in_bytes", "4194304\n", 0},
		{"/sys/fs/cgroup/huge tlb/hugetlb.2MB.usage_in_bytes", "2097152\n", 0},
		{"/sys/fs/cgroup/huge tlb/hugetlb.2MB.rsvd.limit_in_bytes", "9223372036852678656\n",
		 0},
		{"/sys/fs/cgroup/huge tlb/hugetlb.2MB.rsvd.usage_in_bytes", "0\n", 0},
		/* Above what is shown; and another controller's. Nobody may look there. */
		{"/sys/fs/cgroup/hugetlb.2MB.limit_in_bytes", "0\n", 0},
		{"/sys/fs/cgroup/cpu/hugetlb.2MB.limit_in_bytes", "0\n", 0},
		{NULL, NULL, 0},
	};

	fake_files_begin(files, true);
	check_limit(HNUMA_CGROUP_PAGES, 4, 2, 2,
		    "/sys/fs/cgroup/huge tlb/hugetlb.2MB.limit_in_bytes");
	check_limitless(HNUMA_CGROUP_RESERVATIONS, 0);
	fake_files_end();
}

/* Both versions limit (a kernel cannot, a runtime's own files can): the tighter one counts. */
static void test_both(void)
{
	static const struct fake_file files[] = {
		{"/proc/self/cgroup", "8:hugetlb:/x\n0::/y\n", 0},
		{"/proc/self/mountinfo",
		 "32 22 0:28 / /v1 ro - cgroup cgroup rw,hugetlb\n"
		 "30 22 0:26 / /sys/fs/cgroup ro - cgroup2 cgroup rw",
		 0},
		{"/v1/x/hugetlb.2MB.limit_in_bytes", "104857600\n", 0},
		{"/v1/x/hugetlb.2MB.usage_in_bytes", "2097152\n", 0},
		PLAIN_V2("/y", "4194304\n", "2097152\n"),
		{NULL, NULL, 0},
	};

	fake_files_begin(files, true);
	check_limit(HNUMA_CGROUP_PAGES, 4, 2, 2, "/sys/fs/cgroup/y/hugetlb.2MB.max");
	fake_files_end();
}

/* As tight in two groups: the inner one is named. A group whose usage cannot be read has used none. */
static void test_ties_and_gaps(void)
{
	static const struct fake_file files[] = {
		{"/proc/self/cgroup", "0::/a/b\n", 0},
		{"/proc/self/mountinfo", "30 22 0:26 / /sys/fs/cgroup rw - cgroup2 c rw\n", 0},
		PLAIN_V2("/a/b", "4194304\n", "2097152\n"),
		PLAIN_V2("/a", "8388608\n", "6291456\n"),
		{"/sys/fs/cgroup/a/b/hugetlb.2MB.rsvd.max", "2097152\n", 0},
		{"/sys/fs/cgroup/a/hugetlb.2MB.rsvd.max", NULL, -EACCES},
		{NULL, NULL, 0},
	};

	fake_files_begin(files, true);
	check_limit(HNUMA_CGROUP_PAGES, 4, 2, 2, "/sys/fs/cgroup/a/b/hugetlb.2MB.max");
	check_limit(HNUMA_CGROUP_RESERVATIONS, 2, 0, 2, "/sys/fs/cgroup/a/b/hugetlb.2MB.rsvd.max");
	fake_files_end();
}

static void test_no_limit(void)
{
	static const char mounts[] = "30 22 0:26 / /sys/fs/cgroup rw - cgroup2 c rw\n";
	static const struct fake_file unlimited[] = {
		{"/proc/self/cgroup", "0::/a\n", 0},
		{"/proc/self/mountinfo", mounts, 0},
		PLAIN_V2("/a", "max\n", "0\n"),
		{NULL, NULL, 0},
	};
	static const struct fake_file other_namespace[] = {
		{"/proc/self/cgroup", "0::/../a\n", 0},
		{"/proc/self/mountinfo", mounts, 0},
		PLAIN_V2("", "0\n", "0\n"),
		PLAIN_V2("/a", "0\n", "0\n"),
		{NULL, NULL, 0},
	};
	static const struct fake_file no_controller[] = {
		{"/proc/self/cgroup", "4:memory:/a\n", 0},
		{"/proc/self/mountinfo", NULL, -EACCES}, /* need not be read then */
		{NULL, NULL, 0},
	};
	static const struct fake_file junk[] = {
		{"/proc/self/cgroup", "\n\n:::\n0::/a\njunk", 0},
		{"/proc/self/mountinfo", "junk\n\n- - -\n", 0},
		{NULL, NULL, 0},
	};

	fake_files_begin(unlimited, true);
	check_limitless(HNUMA_CGROUP_PAGES, 0);
	fake_files_begin(other_namespace, true);
	check_limitless(HNUMA_CGROUP_PAGES, 0);
	fake_files_begin(no_controller, true);
	check_limitless(HNUMA_CGROUP_PAGES, 0);
	fake_files_begin(junk, true);
	check_limitless(HNUMA_CGROUP_PAGES, 0);
	/* No /proc; no mountinfo. */
	fake_files_begin(junk + 2, true);
	check_limitless(HNUMA_CGROUP_PAGES, 0);
	fake_files_end();
}

static void test_unreadable(void)
{
	static const struct fake_file no_membership[] = {
		{"/proc/self/cgroup", NULL, -EACCES},
		{NULL, NULL, 0},
	};
	static const struct fake_file no_mounts[] = {
		{"/proc/self/cgroup", "0::/a\n", 0},
		{"/proc/self/mountinfo", NULL, -EMFILE},
		{NULL, NULL, 0},
	};

	fake_files_begin(no_membership, true);
	check_limitless(HNUMA_CGROUP_PAGES, -EACCES);
	fake_files_begin(no_mounts, true);
	check_limitless(HNUMA_CGROUP_PAGES, -EMFILE);
	fake_files_end();
}

/* Groups nested so deep that no file of theirs can be named are left out; those above still count. */
static void test_deep(void)
{
	static char membership[HNUMA_CGROUP_PATH_MAX + 16];
	const struct fake_file files[] = {
		{"/proc/self/cgroup", membership, 0},
		{"/proc/self/mountinfo", "30 22 0:26 / /sys/fs/cgroup rw - cgroup2 c rw\n", 0},
		PLAIN_V2("/a", "4194304\n", "0\n"),
		{NULL, NULL, 0},
	};
	size_t used = (size_t)sprintf(membership, "0::/a/");

	/* With the mount point just short of the longest path. */
	memset(membership + used, 'b', HNUMA_CGROUP_PATH_MAX - 1 - 14 - 3);
	strcpy(membership + used + HNUMA_CGROUP_PATH_MAX - 1 - 14 - 3, "\n");
	fake_files_begin(files, true);
	check_limit(HNUMA_CGROUP_PAGES, 4, 0, 4, "/sys/fs/cgroup/a/hugetlb.2MB.max");
	/* One more, and the group itself cannot be found. */
	strcpy(membership + used + HNUMA_CGROUP_PATH_MAX - 1 - 14 - 3, "b\n");
	check_limitless(HNUMA_CGROUP_PAGES, 0);
	fake_files_end();
}

static void test_this_machine(void)
{
	struct hnuma_cgroup_limit limit;
	struct check_state before;

	check_snapshot(&before);
	for (int kind = HNUMA_CGROUP_PAGES; kind <= HNUMA_CGROUP_RESERVATIONS; kind++) {
		CU_ASSERT_EQUAL(hnuma_cgroup_tightest((enum hnuma_cgroup_kind)kind, &limit), 0);
		CU_ASSERT_EQUAL(limit.is_limited, limit.path[0] == '/');
		CU_ASSERT(limit.is_limited || limit.headroom_bytes == UINT64_MAX);
	}
	check_unchanged(&before);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"lines of membership", test_membership},
		{"lines of mounts", test_mount},
		{"where a group is shown", test_locate},
		{"limits as text", test_limit_text},
		{"junk", test_junk},
		{"version 2", test_version_2},
		{"memory", test_memory},
		{"swap", test_swap},
		{"version 1 and hybrid", test_version_1_and_hybrid},
		{"both", test_both},
		{"ties and gaps", test_ties_and_gaps},
		{"no limit", test_no_limit},
		{"unreadable files", test_unreadable},
		{"deep groups", test_deep},
		{"this machine", test_this_machine},
		CU_TEST_INFO_NULL,
	};

	return check_main("cgroup", tests);
}
