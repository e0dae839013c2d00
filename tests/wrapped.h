/* SPDX-License-Identifier: MIT */
/*
 * tests/wrapped.h - memory to make regions of, as a caller would bring it.
 *
 * For test programs that include it. Under HNUMA_POLICY_INTERLEAVE every node that is allowed counts as
 * here, so that most cases need not care where the kernel has put what they touched.
 */
#ifndef HUGENUMA_TESTS_WRAPPED_H
#define HUGENUMA_TESTS_WRAPPED_H

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <hugenuma.h>

#include "tests/check.h"

#define PAGE	 HNUMA_HUGEPAGE
#define NR_PAGES 3
#define SIZE	 (NR_PAGES * PAGE)

/* main() sets them. */
static struct hnuma_topology *topology;
static int home;
static size_t base_page;

static inline struct hnuma_region_attr make_attr(void)
{
	struct hnuma_region_attr attr = HNUMA_REGION_ATTR_INIT;

	attr.size = SIZE;
	attr.node = home;
	attr.least_backing = HNUMA_BACKING_BASE;
	attr.policy = HNUMA_POLICY_INTERLEAVE;
	return attr;
}

/* SIZE bytes that begin at a multiple of 2 MB; 2 MB without access lie before and behind them. */
static inline unsigned char *map(int flags, int fd)
{
	const size_t length = SIZE + 3 * PAGE;
	char *room = mmap(NULL, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *first, *behind;
	void *memory;

	CU_ASSERT_FATAL(room != MAP_FAILED);
	first = room + (-(uintptr_t)room & (PAGE - 1));
	behind = first + SIZE + 2 * PAGE;
	if (first > room) {
		CU_ASSERT_EQUAL(munmap(room, (size_t)(first - room)), 0);
	}
	CU_ASSERT_EQUAL(munmap(behind, (size_t)(room + length - behind)), 0);
	memory = mmap(first + PAGE, SIZE, PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd, 0);
	CU_ASSERT_FATAL(memory == first + PAGE);
	/* Where all memory is given huge pages, too, these are of base pages (or of hugetlb's). */
	(void)madvise(memory, SIZE, MADV_NOHUGEPAGE);
	return memory;
}

static inline unsigned char *map_private(void)
{
	return map(MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

/* All that map() took; that is unmapped as a whole, so nothing may be there already. */
static inline void unmap(unsigned char *memory)
{
	CU_ASSERT_EQUAL(munmap(memory - PAGE, SIZE + 2 * PAGE), 0);
}

static inline struct hnuma_region *wrap(void *address, const struct hnuma_region_attr *attr)
{
	struct hnuma_region *region;
	int error = hnuma_region_wrap(&region, topology, address, attr);

	if (error)
		printf("\n    %s ", hnuma_errormsg());
	CU_ASSERT_EQUAL_FATAL(error, 0);
	CU_ASSERT_PTR_EQUAL(hnuma_region_base(region), address);
	CU_ASSERT_EQUAL(hnuma_region_size(region), attr->size);
	return region;
}

static inline void refuse(void *address, const struct hnuma_region_attr *attr, int error,
			  const char *words)
{
	struct hnuma_region *region = (struct hnuma_region *)1;

	CU_ASSERT_EQUAL(hnuma_region_wrap(&region, topology, address, attr), error);
	CU_ASSERT_PTR_NULL(region);
	check_message(words);
}

/* Where so many pages are unknown, and the others here. */
static inline void check_places(const struct hnuma_region *region, size_t page_size,
				uint64_t unknown)
{
	struct hnuma_placement placement;

	CU_ASSERT_EQUAL(hnuma_region_verify(region, &placement), 0);
	CU_ASSERT_EQUAL(placement.page_size, page_size);
	CU_ASSERT_EQUAL(placement.pages_total, SIZE / (page_size ? page_size : base_page));
	CU_ASSERT_EQUAL(placement.pages_unknown, unknown);
	CU_ASSERT(placement.pages_elsewhere == 0 || !check_knows_nodes());
	CU_ASSERT_EQUAL(placement.pages_here + placement.pages_elsewhere + placement.pages_unknown,
			placement.pages_total);
}

static inline int wrapped_main(const char *module, CU_TestInfo *tests)
{
	base_page = (size_t)sysconf(_SC_PAGESIZE);
	topology = check_topology();
	home = check_home_node();
	return check_main(module, tests);
}

#endif
