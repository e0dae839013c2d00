/* SPDX-License-Identifier: MIT */
/*
 * tests/test_cgroup.c - limits of control groups, in whole systems made of files of our own. The parsers
 * are in test_cgroup_text; what the kernel makes of a limit is in test_region_limits.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "numa/cgroup.h"
#include "tests/check.h"
#include "tests/fake_files.h"
#define MB (1024 * 1024ull)

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

/* Where the kernel would let wait, long before it would refuse. */
static void test_memory_high(void)
{
	struct fake_file files[] = {
		{"/proc/self/cgroup", "0::/a\n", 0},
		{"/proc/self/mountinfo", "30 22 0:26 / /c rw - cgroup2 cgroup2 rw\n", 0},
		{"/c/a/memory.max", "104857600\n", 0},
		{"/c/a/memory.high", "94371840\n", 0},
		{"/c/a/memory.current", "83886080\n", 0},
		{NULL, NULL, 0},
	};

	fake_files_begin(files, true);
	check_limit(HNUMA_CGROUP_MEMORY, 90, 80, 10, "/c/a/memory.high");
	files[2].text = "max\n";
	fake_files_begin(files, true);
	check_limit(HNUMA_CGROUP_MEMORY, 90, 80, 10, "/c/a/memory.high");
	files[2].text = "88080384\n";
	fake_files_begin(files, true);
	check_limit(HNUMA_CGROUP_MEMORY, 84, 80, 4, "/c/a/memory.max");
	files[2].text = files[3].text = "max\n";
	fake_files_begin(files, true);
	check_limitless(HNUMA_CGROUP_MEMORY, 0);
	fake_files_end();
}

/* Pages count against the limit on memory where the group's file system says so, and only there. */
static void test_pages_as_memory(void)
{
	struct fake_file files[] = {
		{"/proc/self/cgroup", "4:memory:/a\n0::/a\n", 0},
		{"/proc/self/mountinfo",
		 "34 25 0:29 / /one rw - cgroup cgroup rw,memory\n"
		 "30 22 0:26 / /two rw - cgroup2 cgroup2 rw,memory_hugetlb_accounting\n",
		 0},
		{"/one/a/memory.limit_in_bytes", "1\n", 0},
		{"/two/a/memory.max", "104857600\n", 0},
		{"/two/a/memory.current", "83886080\n", 0},
		{"/two/a/memory.stat", "file 31457280\nshmem 10485760\n", 0},
		{NULL, NULL, 0},
	};

	fake_files_begin(files, true);
	check_limit(HNUMA_CGROUP_PAGES_AS_MEMORY, 100, 60, 40, "/two/a/memory.max");
	check_limitless(HNUMA_CGROUP_PAGES, 0);
	files[1].text = "34 25 0:29 / /one rw - cgroup cgroup rw,memory\n"
			"30 22 0:26 / /two rw - cgroup2 cgroup2 rw,nsdelegate\n";
	fake_files_begin(files, true);
	check_limitless(HNUMA_CGROUP_PAGES_AS_MEMORY, 0);
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
		{"version 2", test_version_2},
		{"memory", test_memory},
		{"memory.high (row 9)", test_memory_high},
		{"pages as memory (row 9)", test_pages_as_memory},
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
