/* SPDX-License-Identifier: MIT */
/*
 * tests/test_region_fork.c - a region across fork(): not the child's, unless it is to be inherited.
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include <hugenuma.h>

#include "numa/ground.h"
#include "numa/region.h"
#include "tests/check.h"

#define PAGE HNUMA_HUGEPAGE

static struct hnuma_topology *topology;

/* The node that is asked for. */
static int home;

static struct hnuma_region_attr make_attr(size_t nr_pages, enum hnuma_backing least)
{
	struct hnuma_region_attr attr = HNUMA_REGION_ATTR_INIT;

	attr.size = nr_pages * PAGE;
	attr.node = home;
	attr.least_backing = least;
	return attr;
}

static struct hnuma_region *create(const struct hnuma_region_attr *attr)
{
	struct hnuma_region *region;

	CU_ASSERT_EQUAL_FATAL(hnuma_region_create(&region, topology, attr), 0);
	return region;
}

static void expect_all_here(const struct hnuma_region *region)
{
	struct hnuma_placement placement;

	CU_ASSERT_EQUAL(hnuma_region_verify(region, &placement), 0);
	CU_ASSERT_EQUAL(placement.pages_here, 2);
	CU_ASSERT_EQUAL(placement.pages_total, 2);
	CU_ASSERT_EQUAL(placement.page_size, PAGE);
}

/* Row 31, and the memory itself: the child has none of it. */
static void child_without(void *arg)
{
	struct hnuma_region *region = arg;
	struct hnuma_placement placement;
	struct hnuma_region_info info;

	CU_ASSERT_EQUAL(hnuma_region_destroy(region), -EOWNERDEAD);
	check_message("fork()");
	CU_ASSERT_EQUAL(hnuma_region_verify(region, &placement), -EOWNERDEAD);
	CU_ASSERT_EQUAL(hnuma_region_verify_range(region, 0, 1, &placement), -EOWNERDEAD);
	CU_ASSERT_EQUAL(hnuma_region_fd(region), -EOWNERDEAD);
	errno = 0;
	CU_ASSERT_PTR_NULL(hnuma_region_base(region));
	CU_ASSERT_EQUAL(errno, EOWNERDEAD);
	CU_ASSERT_EQUAL(hnuma_region_size(region), 2 * PAGE);
	CU_ASSERT_EQUAL(hnuma_region_info(region, &info), 0);
	CU_ASSERT_PTR_NULL(strstr(check_read_file("/proc/self/maps"), "hugenuma:"));
}

static void child_touches(void *arg)
{
	struct hnuma_region *region = arg;
	unsigned char present;

	/* Whatever the child has mapped since may lie there; sanitizers map a lot. */
	if (mincore(region->base, 1, &present) == 0)
		raise(SIGSEGV);
	*(volatile unsigned char *)region->base = 1;
}

/* A region of the child's own works there. */
static void child_makes(void *arg)
{
	hnuma_region_destroy(create(arg));
}

/* Inherited private memory is the child's own copy as soon as one of them writes. */
static void child_copies(void *arg)
{
	unsigned char *base = hnuma_region_base(arg);

	CU_ASSERT_PTR_NOT_NULL_FATAL(base);
	CU_ASSERT_EQUAL(base[PAGE], 7);
	memset(base, 9, 2 * PAGE);
	CU_ASSERT_EQUAL(hnuma_region_destroy(arg), 0);
}

static void test_fork_private(void)
{
	struct hnuma_region_attr attr = make_attr(2, HNUMA_BACKING_THP);
	struct hnuma_region *region;

	if (!check_hugepages_exactly(home, 0))
		return;
	region = create(&attr);
	CU_ASSERT_EQUAL(check_in_child(child_without, region), 0);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
	attr.flags = HNUMA_INHERIT;
	region = create(&attr);
	memset(hnuma_region_base(region), 7, 2 * PAGE);
	CU_ASSERT_EQUAL(check_in_child(child_copies, region), 0);
	CU_ASSERT_EQUAL(((unsigned char *)hnuma_region_base(region))[0], 7);
	expect_all_here(region);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
}

static void child_with(void *arg)
{
	struct hnuma_region *region = arg;
	unsigned char *base = hnuma_region_base(region);
	struct hnuma_placement placement;

	CU_ASSERT_PTR_NOT_NULL_FATAL(base);
	CU_ASSERT_EQUAL(base[PAGE], 7);
	base[0] = base[PAGE] = 9;
	CU_ASSERT_EQUAL(hnuma_region_verify(region, &placement), 0);
	CU_ASSERT_EQUAL(placement.pages_here, 2);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
	CU_ASSERT_PTR_NULL(strstr(check_read_file("/proc/self/maps"), "hugenuma:"));
}

static void test_fork(void)
{
	struct hnuma_region_attr attr = make_attr(2, HNUMA_BACKING_HUGETLB);
	struct hnuma_region *region;
	struct check_state before;

	if (!check_hugepages(4))
		return;
	check_snapshot(&before);
	region = create(&attr);
	memset(hnuma_region_base(region), 7, 2 * PAGE);
	CU_ASSERT_EQUAL(check_in_child(child_without, region), 0);
	/* SIGSEGV, or what a sanitizer makes of it. */
	CU_ASSERT_NOT_EQUAL(check_in_child(child_touches, region), 0);
	CU_ASSERT_EQUAL(check_in_child(child_makes, &attr), 0);
	CU_ASSERT_EQUAL(((unsigned char *)hnuma_region_base(region))[2 * PAGE - 1], 7);
	expect_all_here(region);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);

	/* Inherited hugetlb pages are shared: what the child writes, the parent reads. */
	attr.flags = HNUMA_INHERIT;
	region = create(&attr);
	memset(hnuma_region_base(region), 7, 2 * PAGE);
	CU_ASSERT_EQUAL(check_in_child(child_with, region), 0);
	CU_ASSERT_EQUAL(((unsigned char *)hnuma_region_base(region))[0], 9);
	expect_all_here(region);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
	check_unchanged(&before);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"hugetlb pages", test_fork},
		{"transparent huge pages", test_fork_private},
		CU_TEST_INFO_NULL,
	};

	topology = check_topology();
	home = hnuma_current_node(topology);
	return check_main("region_fork", tests);
}
