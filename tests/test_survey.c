/* SPDX-License-Identifier: MIT */
/*
 * tests/test_survey.c - the regions of a process by its mappings' names: this process's own, which
 * can be compared with what the regions say of themselves, and files that say anything.
 */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <hugenuma.h>

#include "numa/maps.h"
#include "tests/check.h"
#include "tests/fake_files.h"

static struct hnuma_topology *topology;

static struct hnuma_survey *look(int pid)
{
	struct hnuma_survey *survey;
	int error = hnuma_survey_create(&survey, pid);

	if (error)
		printf("\n    %s ", hnuma_errormsg());
	CU_ASSERT_EQUAL_FATAL(error, 0);
	return survey;
}

static struct hnuma_survey_region region_at(const struct hnuma_survey *survey, unsigned index)
{
	struct hnuma_survey_region region;

	CU_ASSERT_EQUAL_FATAL(hnuma_survey_region(survey, index, &region), 0);
	return region;
}

static void test_own(void)
{
	struct hnuma_region_attr attr = HNUMA_REGION_ATTR_INIT;
	struct hnuma_survey_region found;
	struct hnuma_region *region;
	struct hnuma_survey *survey;
	uint64_t sum = 0;

	if (!check_hugepages(3))
		return;
	attr.size = 3 * HNUMA_HUGEPAGE;
	attr.name = "mine-1.0_a";
	attr.least_backing = HNUMA_BACKING_HUGETLB;
	CU_ASSERT_EQUAL_FATAL(hnuma_region_create(&region, topology, &attr), 0);
	for (int pid = 0; pid <= getpid(); pid += getpid()) {
		struct hnuma_region_info info;

		survey = look(pid);
		CU_ASSERT_EQUAL_FATAL(hnuma_survey_nr_regions(survey), 1);
		found = region_at(survey, 0);
		CU_ASSERT_EQUAL(hnuma_region_info(region, &info), 0);
		CU_ASSERT_STRING_EQUAL(found.name, "mine-1.0_a");
		CU_ASSERT_EQUAL(found.node, info.node);
		CU_ASSERT(!found.is_interleaved);
		CU_ASSERT_EQUAL(found.backing, HNUMA_BACKING_HUGETLB);
		CU_ASSERT_EQUAL(found.address, (uintptr_t)hnuma_region_base(region));
		CU_ASSERT_EQUAL(found.size_bytes, hnuma_region_size(region));
		CU_ASSERT_EQUAL(found.placement.page_size, HNUMA_HUGEPAGE);
		CU_ASSERT_EQUAL(found.placement.pages_total, 3);
		CU_ASSERT_EQUAL(found.placement.pages_here, 3);
		CU_ASSERT_EQUAL(found.placement.pages_elsewhere, 0);
		CU_ASSERT_EQUAL(found.placement.pages_unknown, 0);
		CU_ASSERT_EQUAL(hnuma_survey_pages_on(survey, 0, info.node), 3);
		hnuma_survey_destroy(survey);
	}
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
	survey = look(0);
	CU_ASSERT_EQUAL(hnuma_survey_nr_regions(survey), 0);
	hnuma_survey_destroy(survey);

	attr.policy = HNUMA_POLICY_INTERLEAVE;
	CU_ASSERT_EQUAL_FATAL(hnuma_region_create(&region, topology, &attr), 0);
	survey = look(0);
	found = region_at(survey, 0);
	CU_ASSERT(found.is_interleaved);
	CU_ASSERT_EQUAL(found.node, HNUMA_NODE_NONE);
	CU_ASSERT_EQUAL(found.placement.pages_here, 3);
	for (int node = 0; node < HNUMA_MAX_NODES; node++)
		sum += hnuma_survey_pages_on(survey, 0, node);
	CU_ASSERT_EQUAL(sum, 3);
	hnuma_survey_destroy(survey);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
}

/* A process with five regions, of which only this text tells. */
static const char smaps[] =
	"10000000-10600000 rw-s 00000000 00:11 27  /memfd:hugenuma:pool:node1 (deleted)\n"
	"KernelPageSize:     2048 kB\nAnonHugePages:         0 kB\nVmFlags: rd wr sh mr mw me ms "
	"de ht\n"
	/* The same region, split in two by somebody. */
	"10600000-10800000 rw-s 00600000 00:11 27  /memfd:hugenuma:pool:node1 (deleted)\n"
	"KernelPageSize:     2048 kB\nVmFlags: rd wr sh ht\n"
	"20000000-20400000 rw-p 00000000 00:00 0   [anon:hugenuma:arena:node0]\n"
	"KernelPageSize:        4 kB\nAnonHugePages:      4096 kB\nVmFlags: rd wr\n"
	"30000000-30200000 rw-p 00000000 00:00 0   [anon:hugenuma:small:node0]\n"
	"KernelPageSize:        4 kB\nAnonHugePages:         0 kB\nVmFlags: rd wr\n"
	"40000000-40800000 rw-s 00000000 00:11 28  /memfd:hugenuma:wide:interleave (deleted)\n"
	"KernelPageSize:     2048 kB\nVmFlags: rd wr sh ht\n"
	"50000000-50200000 rw-s 00000000 00:11 29  /memfd:hugenuma:free:unbound (deleted)\n"
	"KernelPageSize:     2048 kB\nVmFlags: rd wr sh ht\n"
	/* What is no region of ours. */
	"60000000-60200000 rw-s 00000000 00:11 29  /memfd:hugenuma:x:nodeA (deleted)\n"
	"60200000-60400000 rw-s 00000000 00:11 29  /memfd:hugenuma:x:node99999 (deleted)\n"
	"60400000-60600000 rw-s 00000000 00:11 29  /memfd:hugenuma::node1 (deleted)\n"
	"60600000-60800000 rw-s 00000000 00:11 29  /memfd:hugenuma:x\n"
	"60800000-60a00000 rw-s 00000000 00:11 29  /home/hugenuma:x:node1\n"
	"60a00000-60c00000 rw-p 00000000 00:00 0   [anon:hugenuma:x:node1extra]\n"
	"KernelPageSize:     2048 kB\nVmFlags: rd wr sh ht\n";

static const char numa_maps[] =
	"00400000 default file=/bin/x mapped=3 N0=3 kernelpagesize_kB=4\n"
	"10000000 bind=static:1 file=/memfd:hugenuma:pool:node1\\040(deleted) huge dirty=3 N0=1 "
	"N1=2 "
	"kernelpagesize_kB=2048\n"
	"10600000 bind=static:1 file=/memfd:hugenuma:pool:node1\\040(deleted) huge dirty=1 N1=1 "
	"kernelpagesize_kB=2048\n"
	"20000000 bind=static:0 anon=1024 dirty=1024 N0=1024 kernelpagesize_kB=4\n"
	"30000000 bind=static:0 anon=512 dirty=512 N0=500 kernelpagesize_kB=4\n"
	"40000000 interleave=static:0,2 file=/memfd:hugenuma:wide huge dirty=4 N0=2 N2=1 N3=1 "
	"kernelpagesize_kB=2048\n"
	"50000000 default file=/memfd:hugenuma:free huge dirty=1 N7=1 kernelpagesize_kB=2048\n";

static void expect_placement(const struct hnuma_survey *survey, unsigned index, uint64_t here,
			     uint64_t elsewhere, uint64_t unknown)
{
	struct hnuma_placement placement = region_at(survey, index).placement;

	CU_ASSERT_EQUAL(placement.pages_here, here);
	CU_ASSERT_EQUAL(placement.pages_elsewhere, elsewhere);
	CU_ASSERT_EQUAL(placement.pages_unknown, unknown);
	CU_ASSERT_EQUAL(placement.pages_total, here + elsewhere + unknown);
}

static void test_told(void)
{
	static const struct fake_file files[] = {{"/proc/4711/smaps", smaps, 0},
						 {"/proc/4711/numa_maps", numa_maps, 0},
						 {NULL, NULL, 0}};
	struct hnuma_survey *survey;

	fake_files_begin(files, true);
	survey = look(4711);
	fake_files_end();
	CU_ASSERT_EQUAL_FATAL(hnuma_survey_nr_regions(survey), 5);
	CU_ASSERT_EQUAL(region_at(survey, 0).node, 1);
	CU_ASSERT_EQUAL(region_at(survey, 0).size_bytes, 0x800000);
	expect_placement(survey, 0, 3, 1, 0);
	CU_ASSERT_EQUAL(hnuma_survey_pages_on(survey, 0, 0), 1);
	CU_ASSERT_EQUAL(hnuma_survey_pages_on(survey, 0, 1), 3);
	CU_ASSERT_EQUAL(region_at(survey, 1).backing, HNUMA_BACKING_THP);
	expect_placement(survey, 1, 2, 0, 0);
	CU_ASSERT_EQUAL(region_at(survey, 2).backing, HNUMA_BACKING_BASE);
	CU_ASSERT_EQUAL(region_at(survey, 2).placement.page_size, 4096);
	expect_placement(survey, 2, 500, 0, 12);
	CU_ASSERT(region_at(survey, 3).is_interleaved);
	expect_placement(survey, 3, 3, 1, 0);
	CU_ASSERT_EQUAL(region_at(survey, 4).node, HNUMA_NODE_NONE);
	expect_placement(survey, 4, 1, 0, 0);
	CU_ASSERT_EQUAL(hnuma_survey_pages_on(survey, 4, 7), 1);
	CU_ASSERT_EQUAL(hnuma_survey_pages_on(survey, 4, -1), 0);
	CU_ASSERT_EQUAL(hnuma_survey_pages_on(survey, 4, HNUMA_MAX_NODES), 0);
	CU_ASSERT_EQUAL(hnuma_survey_pages_on(survey, 5, 0), 0);
	hnuma_survey_destroy(survey);
}

/* Shared memory has huge pages of another name. */
static void test_shared(void)
{
	static const struct fake_file files[] = {
		{"/proc/7/smaps",
		 "20000000-20400000 rw-s 00000000 00:01 5  /memfd:hugenuma:arena:node0 (deleted)\n"
		 "KernelPageSize:        4 kB\nAnonHugePages:         0 kB\n"
		 "ShmemPmdMapped:     4096 kB\nFilePmdMapped:         0 kB\nVmFlags: rd wr sh\n",
		 0},
		{"/proc/7/numa_maps",
		 "20000000 bind=static:0 file=/memfd:hugenuma:arena:node0 dirty=1024 N0=1024 "
		 "kernelpagesize_kB=4\n",
		 0},
		{NULL, NULL, 0}};
	struct hnuma_survey *survey;

	fake_files_begin(files, true);
	survey = look(7);
	fake_files_end();
	CU_ASSERT_EQUAL(region_at(survey, 0).backing, HNUMA_BACKING_THP);
	CU_ASSERT_EQUAL(region_at(survey, 0).placement.page_size, HNUMA_HUGEPAGE);
	expect_placement(survey, 0, 2, 0, 0);
	hnuma_survey_destroy(survey);
}

/* An interleaved region over many nodes; and one whose policy nobody tells, which proves nothing. */
static void test_interleaved(void)
{
	static const char smaps_text[] =
		"50000000-50400000 rw-s 00000000 00:11 29  /memfd:hugenuma:a:interleave (deleted)\n"
		"KernelPageSize:     2048 kB\nVmFlags: ht\n"
		"60000000-60200000 rw-s 00000000 00:11 30  /memfd:hugenuma:b:interleave (deleted)\n"
		"KernelPageSize:     2048 kB\nVmFlags: ht\n";
	char numa_text[1024] = "50000000 interleave=static:0";
	const struct fake_file files[] = {{"/proc/7/smaps", smaps_text, 0},
					  {"/proc/7/numa_maps", numa_text, 0},
					  {NULL, NULL, 0}};
	struct hnuma_survey *survey;
	size_t used = strlen(numa_text);

	for (int node = 2; node < 200; node += 2)
		used += (size_t)snprintf(numa_text + used, sizeof(numa_text) - used, ",%d", node);
	snprintf(numa_text + used, sizeof(numa_text) - used,
		 " file=/memfd:hugenuma:a huge N1=1 N198=1 kernelpagesize_kB=2048\n"
		 "60000000 default file=/memfd:hugenuma:b huge N1=1 kernelpagesize_kB=2048\n");
	fake_files_begin(files, true);
	survey = look(7);
	fake_files_end();
	expect_placement(survey, 0, 1, 1, 0);
	expect_placement(survey, 1, 0, 0, 1);
	CU_ASSERT_EQUAL(hnuma_survey_pages_on(survey, 1, 1), 1);
	hnuma_survey_destroy(survey);
}

/* A page that moved was told of twice; a kernel without NUMA tells nothing. */
static void test_unknown(void)
{
	static const struct fake_file twice[] = {
		{"/proc/7/smaps",
		 "50000000-50200000 rw-s 00000000 00:11 29  /memfd:hugenuma:free:node0 (deleted)\n"
		 "KernelPageSize:     2048 kB\nVmFlags: ht\n",
		 0},
		{"/proc/7/numa_maps", "50000000 bind:0 huge N0=1 N1=1 kernelpagesize_kB=2048\n", 0},
		{NULL, NULL, 0}};
	static const struct fake_file untold[] = {
		{"/proc/7/smaps",
		 "50000000-50200000 rw-s 00000000 00:11 29  /memfd:hugenuma:free:node0 (deleted)\n"
		 "KernelPageSize:     2048 kB\nVmFlags: ht\n",
		 0},
		{NULL, NULL, 0}};
	struct hnuma_survey *survey;

	fake_files_begin(twice, true);
	survey = look(7);
	expect_placement(survey, 0, 0, 0, 1);
	CU_ASSERT_EQUAL(hnuma_survey_pages_on(survey, 0, 0), 0);
	hnuma_survey_destroy(survey);
	fake_files_begin(untold, true);
	survey = look(7);
	expect_placement(survey, 0, 0, 0, 1);
	hnuma_survey_destroy(survey);
	fake_files_end();
}

static void expect_refusal(int pid, int error, const char *words)
{
	struct hnuma_survey *survey = (struct hnuma_survey *)1;

	CU_ASSERT_EQUAL(hnuma_survey_create(&survey, pid), error);
	CU_ASSERT_PTR_NULL(survey);
	check_message(words);
}

static void test_refusals(void)
{
	static const struct fake_file foreign[] = {{"/proc/9/smaps", NULL, -EACCES},
						   {NULL, NULL, 0}};
	static const struct fake_file guarded[] = {{"/proc/9/smaps", NULL, -EPERM},
						   {NULL, NULL, 0}};
	static const struct fake_file broken[] = {
		{"/proc/9/smaps", smaps, 0}, {"/proc/9/numa_maps", NULL, -EIO}, {NULL, NULL, 0}};
	struct hnuma_survey_region region;
	struct hnuma_survey *survey;
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	CU_ASSERT_EQUAL(waitpid(child, NULL, 0), child);
	expect_refusal(child, -ESRCH, "there is no process");
	expect_refusal(-1, -EINVAL, "-1 is no process");
	CU_ASSERT_EQUAL(hnuma_survey_create(NULL, 0), -EINVAL);
	check_message("out is NULL");
	fake_files_begin(foreign, true);
	expect_refusal(9, -EPERM, "process 9 is not ours to look at");
	fake_files_begin(guarded, true);
	expect_refusal(9, -EPERM, "process 9 is not ours to look at");
	fake_files_begin(broken, true);
	expect_refusal(9, -EIO, "cannot be read");
	fake_files_end();
	survey = look(0);
	CU_ASSERT_EQUAL(hnuma_survey_region(survey, 0, &region), -ENODEV);
	check_message("no region of index 0");
	CU_ASSERT_EQUAL(hnuma_survey_region(survey, 0, NULL), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_survey_region(NULL, 0, &region), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_survey_nr_regions(NULL), 0);
	CU_ASSERT_EQUAL(hnuma_survey_pages_on(NULL, 0, 0), 0);
	hnuma_survey_destroy(survey);
	hnuma_survey_destroy(NULL);
}

static void test_lines(void)
{
	const char *line =
		"7f00 default file=/a\\040N3\\0757 N0=1 N1=x N1024=9 N12=3 kernelpagesize_kB=4";
	uintptr_t begin, end;
	uint64_t bytes;
	size_t size;
	const char *at;
	int node;

	at = hnuma_maps_next_node(line, line, &node, &bytes);
	CU_ASSERT_PTR_NOT_NULL_FATAL(at);
	CU_ASSERT(node == 0 && bytes == 4096);
	at = hnuma_maps_next_node(at, line, &node, &bytes);
	CU_ASSERT_PTR_NOT_NULL_FATAL(at);
	CU_ASSERT(node == 12 && bytes == 3 * 4096);
	CU_ASSERT_PTR_NULL(hnuma_maps_next_node(at, line, &node, &bytes));
	line = "7f00 default N0=1";
	CU_ASSERT_PTR_NULL(hnuma_maps_next_node(line, line, &node, &bytes));
	CU_ASSERT(hnuma_maps_parse_range("1000-2000 rw-p", &begin, &end));
	CU_ASSERT(begin == 0x1000 && end == 0x2000);
	CU_ASSERT(!hnuma_maps_parse_range("Size: 4 kB", &begin, &end));
	CU_ASSERT(!hnuma_maps_parse_range("1000-2000", &begin, &end));
	CU_ASSERT(hnuma_maps_parse_kb("Size:   4 kB", "Size:", &size) && size == 4096);
	CU_ASSERT(!hnuma_maps_parse_kb("Size:   x kB", "Size:", &size));
	CU_ASSERT(!hnuma_maps_parse_kb("Rss:   4 kB", "Size:", &size));
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"one's own regions", test_own},
		{"what the files tell", test_told},
		{"shared memory", test_shared},
		{"interleaved memory", test_interleaved},
		{"what they do not tell", test_unknown},
		{"refusals", test_refusals},
		{"lines", test_lines},
		CU_TEST_INFO_NULL,
	};

	check_lock();
	topology = check_topology();
	return check_main("test_survey", tests);
}
