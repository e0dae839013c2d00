/* SPDX-License-Identifier: MIT */
/*
 * tests/test_region_faults.c - a region that cannot be unmapped, and answers about pages that one
 * machine cannot give. Every call that fails is in test_faults.c.
 */
#include "config.h"

#include <numaif.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <hugenuma.h>

#include "numa/ground.h"
#include "numa/directory.h"
#include "numa/region.h"
#include "tests/check.h"
#include "tests/fail_sys.h"
#include "tests/fake_files.h"

#define PAGE	 HNUMA_HUGEPAGE
#define NR_PAGES 4
#define SIZE	 (NR_PAGES * PAGE)

static struct hnuma_topology *topology;

/* The node that is asked for. */
static int home;

static struct hnuma_region_attr make_attr(enum hnuma_backing least, unsigned flags)
{
	struct hnuma_region_attr attr = HNUMA_REGION_ATTR_INIT;

	attr.size = SIZE;
	attr.node = home;
	attr.least_backing = least;
	attr.flags = flags;
	return attr;
}

static struct hnuma_placement verify(const struct hnuma_region *region)
{
	struct hnuma_placement placement;

	CU_ASSERT_EQUAL(hnuma_region_verify(region, &placement), 0);
	CU_ASSERT_EQUAL(placement.pages_total,
			placement.pages_here + placement.pages_elsewhere + placement.pages_unknown);
	return placement;
}

static struct hnuma_region_info info_of(const struct hnuma_region *region)
{
	struct hnuma_region_info info;

	CU_ASSERT_EQUAL(hnuma_region_info(region, &info), 0);
	return info;
}

/* Row 13. */
static void test_destroy_fails(void)
{
	struct hnuma_region_attr attr = make_attr(HNUMA_BACKING_HUGETLB, 0);
	struct hnuma_region *region;
	struct check_state before;

	if (!check_hugepages(NR_PAGES))
		return;
	check_snapshot(&before);
	CU_ASSERT_EQUAL_FATAL(hnuma_region_create(&region, topology, &attr), 0);
	memset(hnuma_region_base(region), 0x11, SIZE);
	fail_sys_install();
	fail_sys_begin(FAIL_UNMAP, 1, true, -ENOMEM);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), -ENOMEM);
	check_message("vm.max_map_count");
	fail_sys_end();
	CU_ASSERT_EQUAL(verify(region).pages_here, NR_PAGES);
	CU_ASSERT_EQUAL(((unsigned char *)hnuma_region_base(region))[SIZE - 1], 0x11);
	CU_ASSERT_EQUAL(info_of(region).backing, HNUMA_BACKING_HUGETLB);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
	CU_ASSERT_EQUAL(fail_sys_clean(), 0);
	fail_sys_remove();
	check_unchanged(&before);
}

/* What cannot be unmapped keeps addresses, but neither pages nor the promise of any. */
static void test_unmap_never_works(void)
{
	struct hnuma_region_attr attr = make_attr(HNUMA_BACKING_HUGETLB, 0);
	struct check_state before, now;
	struct hnuma_region *region;

	if (!check_hugepages(NR_PAGES))
		return;
	check_snapshot(&before);
	fail_sys_install();
	fail_sys_begin(FAIL_UNMAP, 1, true, -ENOMEM);
	CU_ASSERT_EQUAL(hnuma_region_create(&region, topology, &attr), -ENOMEM);
	fail_sys_end();
	check_snapshot(&now);
	CU_ASSERT_EQUAL(now.free_pages, before.free_pages);
	CU_ASSERT_EQUAL(now.reserved_pages, before.reserved_pages);
	CU_ASSERT_EQUAL(now.open_files, before.open_files);
	CU_ASSERT_EQUAL(fail_sys_clean(), 2);
	fail_sys_remove();
	check_unchanged(&before);
}

/* What the kernel says of each page, as the test wants it. */
static int status_of_first, status_of_rest;

static int query_as_wanted(unsigned long count, void **pages, int *status)
{
	(void)pages;
	for (unsigned long i = 0; i < count; i++)
		status[i] = i ? status_of_rest : status_of_first;
	return 0;
}

static int create_with(int first, int rest, const struct hnuma_region_attr *attr,
		       struct hnuma_region **region)
{
	status_of_first = first;
	status_of_rest = rest;
	hnuma_sys.query_pages = query_as_wanted;
	return hnuma_region_create(region, topology, attr);
}

/* Row 7, as far as one node can show it: bound pages that lie elsewhere are given back. */
static void test_elsewhere(void)
{
	struct hnuma_region_attr attr = make_attr(HNUMA_BACKING_HUGETLB, 0);
	int here = home;
	struct hnuma_region *region;
	struct check_state before;

	if (!check_hugepages(NR_PAGES))
		return;
	check_snapshot(&before);
	fail_sys_install();
	CU_ASSERT_EQUAL(create_with(here + 1, here, &attr, &region), -EIO);
	CU_ASSERT_PTR_NULL(region);
	check_message("1 of 4 pages came to lie on other nodes");
	attr.least_backing = HNUMA_BACKING_BASE; /* a lower rung is no way out */
	CU_ASSERT_EQUAL(create_with(here, here + 1, &attr, &region), -EIO);
	check_unchanged(&before);

	/* Preferred only: it is had, and told. */
	attr.policy = HNUMA_POLICY_PREFERRED;
	CU_ASSERT_EQUAL_FATAL(create_with(here + 1, here, &attr, &region), 0);
	CU_ASSERT_EQUAL(info_of(region).node, HNUMA_NODE_NONE);
	CU_ASSERT_PTR_NOT_NULL(strstr(info_of(region).reason, "1 lie elsewhere"));
	CU_ASSERT_EQUAL(verify(region).pages_elsewhere, 1);
	CU_ASSERT_EQUAL(verify(region).pages_here, 3);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
	CU_ASSERT_EQUAL_FATAL(create_with(here + 1, here + 1, &attr, &region), 0);
	CU_ASSERT_EQUAL(info_of(region).node, here + 1);
	CU_ASSERT_EQUAL(verify(region).pages_elsewhere, NR_PAGES);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
	fail_sys_remove();
	check_unchanged(&before);
}

/* Pages that have an error for a node: unknown, unless numa_maps knows. */
static void test_negative_status(void)
{
	struct hnuma_region_attr attr = make_attr(HNUMA_BACKING_HUGETLB, 0);
	int here = home;
	struct hnuma_region *region;

	if (!check_hugepages(NR_PAGES))
		return;
	fail_sys_install();
	CU_ASSERT_EQUAL_FATAL(create_with(-ENOENT, here, &attr, &region), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(info_of(region).reason, "where 1 of 4 pages lie"));
	CU_ASSERT_EQUAL(verify(region).pages_unknown, 1);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
	CU_ASSERT_EQUAL_FATAL(create_with(-ENOENT, -EFAULT, &attr, &region), 0);
	CU_ASSERT_STRING_EQUAL(info_of(region).reason, "");
	CU_ASSERT_EQUAL(verify(region).pages_here, NR_PAGES);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
	fail_sys_remove();
}

/* Files that are not there for us. */
static const char *hidden[2];

static int open_but_hidden(const char *path)
{
	for (int i = 0; i < 2; i++)
		if (hidden[i] && strcmp(path, hidden[i]) == 0)
			return -EACCES;
	return fail_sys.real.open(path);
}

static int query_refused(unsigned long count, void **pages, int *status)
{
	(void)count;
	(void)pages;
	(void)status;
	return -EPERM;
}

/* Row 12. */
static void test_unknown(void)
{
	struct hnuma_region_attr attr = make_attr(HNUMA_BACKING_HUGETLB, 0);
	struct hnuma_placement placement;
	struct hnuma_region *region;

	if (!check_hugepages(NR_PAGES))
		return;
	fail_sys_install();
	hnuma_sys.query_pages = query_refused;
	hnuma_sys.open = open_but_hidden;
	hidden[0] = hidden[1] = NULL;
	CU_ASSERT_EQUAL_FATAL(hnuma_region_create(&region, topology, &attr), 0);
	CU_ASSERT_EQUAL(verify(region).pages_here, NR_PAGES);
	CU_ASSERT_EQUAL(verify(region).page_size, PAGE);
	CU_ASSERT_EQUAL(hnuma_region_verify_range(region, PAGE, PAGE, &placement), 0);
	CU_ASSERT_EQUAL(placement.pages_here, 1);

	hidden[0] = "/proc/self/numa_maps";
	CU_ASSERT_EQUAL(verify(region).pages_unknown, NR_PAGES);
	CU_ASSERT_EQUAL(verify(region).page_size, PAGE);
	CU_ASSERT_EQUAL(hnuma_region_verify_range(region, PAGE, PAGE, &placement), 0);
	CU_ASSERT_EQUAL(placement.pages_unknown, 1);
	hidden[1] = "/proc/self/smaps";
	CU_ASSERT_EQUAL(verify(region).page_size, 0);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);

	CU_ASSERT_EQUAL_FATAL(hnuma_region_create(&region, topology, &attr), 0);
	CU_ASSERT_EQUAL(verify(region).pages_unknown, NR_PAGES);
	CU_ASSERT_PTR_NOT_NULL(strstr(info_of(region).reason, "does not tell where 4 of 4"));
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
	fail_sys_remove();
}

static char numa_maps[200];

static int open_numa_maps(const char *path)
{
	if (strcmp(path, "/proc/self/numa_maps") == 0)
		return fake_files_descriptor(numa_maps);
	return fail_sys.real.open(path);
}

/* What numa_maps tells where move_pages() is refused: of a part only what is true of all. */
static void test_numa_maps(void)
{
	static const struct {
		unsigned here, elsewhere;	 /* as the file tells it */
		unsigned all[3], of_one_page[3]; /* here, elsewhere, unknown */
	} cases[] = {
		{4, 0, {4, 0, 0}, {1, 0, 0}},
		{0, 4, {0, 4, 0}, {0, 1, 0}},
		{3, 1, {3, 1, 0}, {0, 0, 1}},
		{3, 0, {3, 0, 1}, {0, 0, 1}},
		{0, 3, {0, 3, 1}, {0, 0, 1}},
		/* A page that moved meanwhile is told of twice. */
		{4, 1, {0, 0, 4}, {0, 0, 1}},
	};
	struct hnuma_region_attr attr = make_attr(HNUMA_BACKING_HUGETLB, 0);
	struct hnuma_placement placement;
	struct hnuma_region *region;

	if (!check_hugepages(NR_PAGES))
		return;
	CU_ASSERT_EQUAL_FATAL(hnuma_region_create(&region, topology, &attr), 0);
	fail_sys_install();
	hnuma_sys.query_pages = query_refused;
	hnuma_sys.open = open_numa_maps;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(numa_maps, sizeof(numa_maps),
			 "%" PRIxPTR
			 " bind:%d file=/memfd:x N%d=%u N%d=%u kernelpagesize_kB=2048\n",
			 (uintptr_t)hnuma_region_base(region), home, home, cases[i].here, home + 1,
			 cases[i].elsewhere);
		placement = verify(region);
		CU_ASSERT_EQUAL(placement.pages_here, cases[i].all[0]);
		CU_ASSERT_EQUAL(placement.pages_elsewhere, cases[i].all[1]);
		CU_ASSERT_EQUAL(placement.pages_unknown, cases[i].all[2]);
		CU_ASSERT_EQUAL(hnuma_region_verify_range(region, PAGE, PAGE, &placement), 0);
		CU_ASSERT_EQUAL(placement.pages_here, cases[i].of_one_page[0]);
		CU_ASSERT_EQUAL(placement.pages_elsewhere, cases[i].of_one_page[1]);
		CU_ASSERT_EQUAL(placement.pages_unknown, cases[i].of_one_page[2]);
	}
	fail_sys_remove();
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
}

/* verify's own failure. */
static void test_verify_no_memory(void)
{
	struct hnuma_region_attr attr = make_attr(HNUMA_BACKING_HUGETLB, 0);
	struct hnuma_placement placement;
	struct hnuma_region *region;

	if (!check_hugepages(NR_PAGES))
		return;
	CU_ASSERT_EQUAL_FATAL(hnuma_region_create(&region, topology, &attr), 0);
	fail_sys_install();
	fail_sys_begin(FAIL_QUERY_PAGES, 1, false, -ENOMEM);
	CU_ASSERT_EQUAL(hnuma_region_verify(region, &placement), -ENOMEM);
	CU_ASSERT_EQUAL(placement.pages_total, 0);
	fail_sys_end();
	fail_sys_remove();
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
}

/* What populating answers, and what comes of it. */
static int populate_answer, nr_populates;

static int advise_populate(void *address, size_t length, int advice)
{
	if (advice == MADV_POPULATE_WRITE && populate_answer && nr_populates-- > 0)
		return populate_answer;
	return fail_sys.real.advise(address, length, advice);
}

static int create_populating(int answer, int times)
{
	struct hnuma_region_attr attr = make_attr(HNUMA_BACKING_HUGETLB, 0);
	struct hnuma_region *region;
	struct check_state before;
	int error;

	check_snapshot(&before);
	populate_answer = answer;
	nr_populates = times;
	fail_sys_install();
	hnuma_sys.advise = advise_populate;
	error = hnuma_region_create(&region, topology, &attr);
	fail_sys_remove();
	if (!error)
		hnuma_region_destroy(region);
	check_unchanged(&before);
	return error;
}

static void test_populate_answers(void)
{
	if (!check_hugepages(NR_PAGES))
		return;
	CU_ASSERT_EQUAL(create_populating(-EFAULT, 1), -ENOMEM);
	check_message("ran out of huge pages");
	CU_ASSERT_EQUAL(create_populating(-EHWPOISON, 1), -EIO);
	check_message("damaged");
	CU_ASSERT_EQUAL(create_populating(-EINVAL, 1), -EINVAL);
	check_message("Linux 5.14");
	CU_ASSERT_EQUAL(create_populating(-EINTR, 3), 0);
	CU_ASSERT_EQUAL(create_populating(-EINTR, 1 << 30), -EINTR);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"munmap fails in destroy", test_destroy_fails},
		{"munmap never works", test_unmap_never_works},
		{"pages that lie elsewhere", test_elsewhere},
		{"pages with an error for a node", test_negative_status},
		{"nobody tells where pages lie (row 12)", test_unknown},
		{"what numa_maps tells", test_numa_maps},
		{"verify without memory", test_verify_no_memory},
		{"what populating can answer", test_populate_answers},
		CU_TEST_INFO_NULL,
	};

	topology = check_topology();
	home = hnuma_current_node(topology);
	return check_main("region_faults", tests);
}
