/* SPDX-License-Identifier: MIT */
/*
 * tests/test_place.c - numa/place: policies put in force and put back, and the counting of pages.
 */
#include "config.h"

#include <numaif.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <hugenuma.h>

#include "numa/place.h"
#include "numa/sys.h"
#include "tests/check.h"
#include "tests/fail_sys.h"

#ifndef MPOL_F_STATIC_NODES
#define MPOL_F_STATIC_NODES (1 << 15)
#endif

#define MASK_BITS (HNUMA_MAX_NODES + 1)

static const struct hnuma_place_count none = HNUMA_PLACE_COUNT_INIT;

static struct hnuma_nodeset only(int node)
{
	struct hnuma_nodeset set = {{0}};

	hnuma_nodeset_add(&set, node);
	return set;
}

static struct hnuma_place make_place(enum hnuma_policy policy, int node)
{
	struct hnuma_nodeset set = only(node);
	struct hnuma_place place;

	hnuma_place_init(&place, policy, &set);
	return place;
}

static struct hnuma_place policy_now(void)
{
	struct hnuma_place place;

	memset(&place, 0, sizeof(place));
	if (get_mempolicy(&place.mode, place.mask, MASK_BITS, NULL, 0))
		place.mode = -1;
	return place;
}

static bool same(const struct hnuma_place *a, const struct hnuma_place *b)
{
	return a->mode == b->mode && memcmp(a->mask, b->mask, sizeof(a->mask)) == 0;
}

static void test_init(void)
{
	struct hnuma_nodeset set = {{0}};
	struct hnuma_place place;

	hnuma_nodeset_add(&set, 0);
	hnuma_nodeset_add(&set, 63);
	hnuma_nodeset_add(&set, 64);
	hnuma_nodeset_add(&set, 1023);
	hnuma_place_init(&place, HNUMA_POLICY_INTERLEAVE, &set);
	CU_ASSERT_EQUAL(place.mode, MPOL_INTERLEAVE | MPOL_F_STATIC_NODES);
	CU_ASSERT_EQUAL(place.mask[0], 1ul | 1ul << 63);
	CU_ASSERT_EQUAL(place.mask[1], 1ul);
	CU_ASSERT_EQUAL(place.mask[15], 1ul << 63);
	for (size_t i = 2; i < 15; i++)
		CU_ASSERT_EQUAL(place.mask[i], 0);
	CU_ASSERT_EQUAL(make_place(HNUMA_POLICY_BIND, check_home_node()).mode,
			MPOL_BIND | MPOL_F_STATIC_NODES);
	CU_ASSERT_EQUAL(make_place(HNUMA_POLICY_PREFERRED, check_home_node()).mode,
			MPOL_PREFERRED | MPOL_F_STATIC_NODES);
}

/* Whatever policy the thread had is in force again. */
static void test_enter_and_leave(void)
{
	static const int modes[] = {
		MPOL_DEFAULT,
		MPOL_LOCAL,
		MPOL_BIND,
		MPOL_PREFERRED,
		MPOL_INTERLEAVE,
		MPOL_BIND | MPOL_F_STATIC_NODES,
		MPOL_INTERLEAVE | MPOL_F_STATIC_NODES,
	};
	struct hnuma_place wish = make_place(HNUMA_POLICY_BIND, check_home_node());
	struct hnuma_place at_first = policy_now();

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		bool has_nodes = modes[i] != MPOL_DEFAULT && modes[i] != MPOL_LOCAL;
		unsigned long nodes = has_nodes ? 1UL << check_home_node() : 0;
		struct hnuma_place before, inside, after, previous;

		CU_ASSERT_EQUAL_FATAL(set_mempolicy(modes[i], &nodes, 64), 0);
		before = policy_now();
		CU_ASSERT_EQUAL_FATAL(hnuma_place_enter(&wish, &previous), 0);
		inside = policy_now();
		CU_ASSERT(same(&inside, &wish));
		CU_ASSERT_EQUAL(hnuma_place_leave(&previous), 0);
		after = policy_now();
		CU_ASSERT(same(&after, &before));
	}
	CU_ASSERT_EQUAL(set_mempolicy(at_first.mode, at_first.mask, MASK_BITS), 0);
}

/* A failure leaves the thread's policy alone, whichever call it was. */
static void test_enter_fails(void)
{
	struct hnuma_place wish = make_place(HNUMA_POLICY_BIND, check_home_node());
	struct hnuma_place nowhere = make_place(HNUMA_POLICY_BIND, 1023);
	struct hnuma_place before = policy_now(), previous, after;

	fail_sys_install();
	fail_sys_begin(FAIL_GET_POLICY, 1, false, -EPERM);
	CU_ASSERT_EQUAL(hnuma_place_enter(&wish, &previous), -EPERM);
	CU_ASSERT(fail_sys_end());
	fail_sys_begin(FAIL_SET_POLICY, 1, false, -ENOSYS);
	CU_ASSERT_EQUAL(hnuma_place_enter(&wish, &previous), -ENOSYS);
	CU_ASSERT(fail_sys_end());
	CU_ASSERT_EQUAL(hnuma_place_enter(&nowhere, &previous), -EINVAL);
	after = policy_now();
	CU_ASSERT(same(&after, &before));

	/* Putting back is tried twice, and then given up. */
	CU_ASSERT_EQUAL_FATAL(hnuma_place_enter(&wish, &previous), 0);
	fail_sys_begin(FAIL_SET_POLICY, 1, true, -ENOMEM);
	CU_ASSERT_EQUAL(hnuma_place_leave(&previous), -ENOMEM);
	CU_ASSERT_EQUAL(fail_sys.calls[FAIL_SET_POLICY], 2);
	fail_sys_begin(FAIL_SET_POLICY, 1, false, -ENOMEM);
	CU_ASSERT_EQUAL(hnuma_place_leave(&previous), 0);
	CU_ASSERT(fail_sys_end());
	fail_sys_remove();
	after = policy_now();
	CU_ASSERT(same(&after, &before));
}

static void test_bind(void)
{
	size_t size = 16 * (size_t)sysconf(_SC_PAGESIZE);
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct hnuma_place wish = make_place(HNUMA_POLICY_PREFERRED, check_home_node());
	struct hnuma_place got;

	CU_ASSERT_FATAL(memory != MAP_FAILED);
	CU_ASSERT_EQUAL(hnuma_place_bind(memory, size, &wish), 0);
	memset(&got, 0, sizeof(got));
	CU_ASSERT_EQUAL(
		get_mempolicy(&got.mode, got.mask, MASK_BITS, memory + size - 1, MPOL_F_ADDR), 0);
	CU_ASSERT(same(&got, &wish));
	wish = make_place(HNUMA_POLICY_BIND, 1023);
	CU_ASSERT_EQUAL(hnuma_place_bind(memory, size, &wish), -EINVAL);
	munmap(memory, size);
}

static void test_count_pages(void)
{
	struct hnuma_nodeset wanted = only(3);
	struct hnuma_place_count count = none;

	hnuma_place_count_pages(&count, &wanted, 3, 0);
	CU_ASSERT_EQUAL(count.node, HNUMA_NODE_LOCAL);
	hnuma_place_count_pages(&count, &wanted, 3, 5);
	CU_ASSERT_EQUAL(count.node, 3);
	hnuma_place_count_pages(&count, &wanted, -ENOENT, 2);
	CU_ASSERT_EQUAL(count.node, 3);
	hnuma_place_count_pages(&count, &wanted, 4, 1);
	CU_ASSERT_EQUAL(count.node, HNUMA_NODE_NONE);
	hnuma_place_count_pages(&count, &wanted, 3, 1);
	CU_ASSERT_EQUAL(count.node, HNUMA_NODE_NONE);
	CU_ASSERT_EQUAL(count.here, 6);
	CU_ASSERT_EQUAL(count.elsewhere, 1);
	CU_ASSERT_EQUAL(count.unknown, 2);
}

/* More pages than fit in one batch; every third of them is not there. */
static void test_query(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), nr_pages = 1300;
	char *memory = mmap(NULL, nr_pages * page, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct hnuma_nodeset node_0 = only(0), node_9 = only(9);
	struct hnuma_place_count count = none;
	uint64_t present = 0;

	CU_ASSERT_FATAL(memory != MAP_FAILED);
	madvise(memory, nr_pages * page, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < nr_pages; i++) {
		if (i % 3 == 0)
			continue;
		memory[i * page] = 1;
		present++;
	}
	CU_ASSERT_EQUAL(hnuma_place_query(memory, nr_pages * page, page, &node_0, &count), 0);
	CU_ASSERT_EQUAL(count.here + count.elsewhere, present);
	CU_ASSERT_EQUAL(count.unknown, nr_pages - present);

	/* On a machine of one node all of them are on node 0, and so elsewhere for node 9. */
	if (count.here == present) {
		CU_ASSERT_EQUAL(count.node, 0);
		count = none;
		CU_ASSERT_EQUAL(hnuma_place_query(memory, nr_pages * page, page, &node_9, &count),
				0);
		CU_ASSERT_EQUAL(count.elsewhere, present);
		CU_ASSERT_EQUAL(count.here, 0);
	}
	munmap(memory, nr_pages * page);
}

/* A refusal in the second batch leaves nothing of the first one behind. */
static void test_query_refused(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), size = 1300 * page;
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct hnuma_nodeset node_0 = only(0);
	struct hnuma_place_count count = none;

	CU_ASSERT_FATAL(memory != MAP_FAILED);
	fail_sys_install();
	fail_sys_begin(FAIL_QUERY_PAGES, 2, false, -EPERM);
	CU_ASSERT_EQUAL(hnuma_place_query(memory, size, page, &node_0, &count), -EPERM);
	CU_ASSERT(fail_sys_end());
	fail_sys_remove();
	CU_ASSERT_EQUAL(count.here + count.elsewhere + count.unknown, 0);
	CU_ASSERT_EQUAL(count.node, none.node);
	munmap(memory, size);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"a policy is written as the kernel takes it", test_init},
		{"the thread's policy is put back", test_enter_and_leave},
		{"a failure leaves the thread's policy alone", test_enter_fails},
		{"a range is bound", test_bind},
		{"pages are counted by node", test_count_pages},
		{"pages are asked for in batches", test_query},
		{"a refusal leaves no count behind", test_query_refused},
		CU_TEST_INFO_NULL,
	};

	return check_main("place", tests);
}
