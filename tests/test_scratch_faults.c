/* SPDX-License-Identifier: MIT */
/*
 * tests/test_scratch_faults.c - the scratch given bad input and bad luck; numbers are those of the
 * fault sheet. Calls that fail are in test_faults.c.
 */
#include "config.h"

#include <limits.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include <hugenuma.h>

#include "numa/sys.h"
#include "tests/check.h"

static struct hnuma_topology *topology;

static struct hnuma_scratch_attr small_attr(void)
{
	struct hnuma_scratch_attr attr = HNUMA_SCRATCH_ATTR_INIT;

	attr.space_size = 4096;
	attr.least_backing = HNUMA_BACKING_BASE;
	return attr;
}

static struct hnuma_scratch *open_scratch(void)
{
	struct hnuma_scratch_attr attr = small_attr();
	struct hnuma_scratch *scratch;

	CU_ASSERT_EQUAL_FATAL(hnuma_scratch_create(&scratch, topology, &attr), 0);
	return scratch;
}

static void refused(const struct hnuma_topology *which, const struct hnuma_scratch_attr *attr,
		    int error)
{
	struct hnuma_scratch *scratch = (struct hnuma_scratch *)1;
	struct check_state before;

	check_snapshot(&before);
	CU_ASSERT_EQUAL(hnuma_scratch_create(&scratch, which, attr), error);
	CU_ASSERT_PTR_NULL(scratch);
	CU_ASSERT(hnuma_errormsg()[0] != '\0');
	check_unchanged(&before);
}

/* Row 1. */
static void test_bad_attributes(void)
{
	struct hnuma_scratch_attr attr = small_attr();

	CU_ASSERT_EQUAL(hnuma_scratch_create(NULL, topology, &attr), -EINVAL);
	check_message("out");
	refused(NULL, &attr, -EINVAL);
	check_message("topology");
	refused(topology, NULL, -EINVAL);
	check_message("attr");
	attr.struct_size++;
	refused(topology, &attr, -EINVAL);
	attr = small_attr();
	attr.flags = HNUMA_INHERIT;
	refused(topology, &attr, -EINVAL);
	attr = small_attr();
	attr.policy = HNUMA_POLICY_INTERLEAVE;
	refused(topology, &attr, -EINVAL);
	check_message("INTERLEAVE");
	attr.policy = (enum hnuma_policy)9;
	refused(topology, &attr, -EINVAL);
	attr = small_attr();
	attr.least_backing = (enum hnuma_backing)4;
	refused(topology, &attr, -EINVAL);
}

/* Row 2. */
static void test_bad_sizes(void)
{
	struct hnuma_scratch_attr attr = small_attr();

	attr.space_size = 0;
	refused(topology, &attr, -EINVAL);
	check_message("0 bytes");
	attr.space_size = SIZE_MAX;
	refused(topology, &attr, -EOVERFLOW);
	attr.space_size = SIZE_MAX - HNUMA_HUGEPAGE + 1;
	refused(topology, &attr, -EOVERFLOW);
	attr.space_size = SIZE_MAX / 4;
	attr.max_spaces = 100;
	refused(topology, &attr, -EOVERFLOW);
	attr = small_attr();
	attr.max_spaces = UINT_MAX;
	refused(topology, &attr, -EOVERFLOW);
	attr.max_spaces = (1u << 20) + 1;
	refused(topology, &attr, -EOVERFLOW);
	check_message("1048576");
}

/* Row 3. */
static void test_bad_nodes(void)
{
	struct hnuma_scratch_attr attr = small_attr();

	hnuma_nodeset_add(&attr.nodes, 1023);
	refused(topology, &attr, -ENODEV);
}

/* Row 2 and defect 2, in a space. */
static void test_sizes_that_wrap(void)
{
	static const size_t wrapping[][2] = {
		{SIZE_MAX, 2},	      {2, SIZE_MAX},	     {SIZE_MAX / 2 + 1, 2},
		{SIZE_MAX, SIZE_MAX}, {SIZE_MAX / 8 + 1, 8}, {SIZE_MAX, 1},
		{SIZE_MAX - 62, 1},   {SIZE_MAX - 63, 1},    {SIZE_MAX - 127, 1},
	};
	struct hnuma_scratch *scratch = open_scratch();
	struct hnuma_space *space = hnuma_scratch_acquire(scratch);

	CU_ASSERT_PTR_NOT_NULL_FATAL(hnuma_space_alloc(space, 128, 1));
	for (size_t i = 0; i < sizeof(wrapping) / sizeof(wrapping[0]); i++) {
		errno = 0;
		CU_ASSERT_PTR_NULL(hnuma_space_alloc(space, wrapping[i][0], wrapping[i][1]));
		CU_ASSERT_EQUAL(errno, ENOMEM);
	}
	CU_ASSERT_EQUAL(hnuma_space_used(space), 128);
	CU_ASSERT_EQUAL(hnuma_scratch_release(space), 0);
	CU_ASSERT_EQUAL(hnuma_scratch_destroy(scratch), 0);
}

static void test_nulls(void)
{
	struct hnuma_scratch *scratch = open_scratch();
	struct hnuma_scratch_stats stats;
	struct hnuma_placement placement;

	CU_ASSERT_EQUAL(hnuma_scratch_stats(NULL, &stats), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_scratch_stats(scratch, NULL), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_scratch_verify(NULL, 0, &placement), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_scratch_verify(scratch, 0, NULL), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_scratch_destroy(scratch), 0);
}

static int unmap_fails(void *address, size_t length)
{
	(void)address;
	(void)length;
	return -ENOMEM;
}

/* Row 13: destroy may be tried again, and until then nobody gets a space. */
static void test_destroy_that_fails(void)
{
	int (*unmap)(void *, size_t) = hnuma_sys.unmap;
	struct hnuma_scratch *scratch;
	struct check_state before;
	struct hnuma_piece piece;

	check_snapshot(&before);
	scratch = open_scratch();
	for (int i = 0; i < 3; i++) {
		hnuma_sys.unmap = unmap_fails;
		CU_ASSERT_EQUAL(hnuma_scratch_destroy(scratch), -ENOMEM);
		hnuma_sys.unmap = unmap;
		CU_ASSERT(hnuma_errormsg()[0] != '\0');
		errno = 0;
		CU_ASSERT_PTR_NULL(hnuma_scratch_acquire(scratch));
		CU_ASSERT_EQUAL(errno, ENOMEM);
		CU_ASSERT_EQUAL(hnuma_scratch_pin(scratch, check_allowed_cpu()), -ENOMEM);
		CU_ASSERT_EQUAL(hnuma_scratch_active(scratch), 0);
		CU_ASSERT_EQUAL(hnuma_scratch_piece(scratch, HNUMA_HUGEPAGE, 0, &piece), -EINVAL);
		check_message("is being destroyed");
	}
	CU_ASSERT_EQUAL(hnuma_scratch_destroy(scratch), 0);
	check_unchanged(&before);
}

/* Row 31. */
struct inherited {
	struct hnuma_scratch *scratch;
	struct hnuma_space *space;
};

static void *do_nothing(void *arg)
{
	return arg;
}

static void use_in_child(void *arg)
{
	struct inherited *parent = arg;
	struct hnuma_scratch *scratch = parent->scratch;
	struct hnuma_placement placement;
	struct hnuma_scratch_stats stats;
	struct hnuma_space *space;
	pthread_t thread;

	errno = 0;
	CU_ASSERT_PTR_NULL(hnuma_scratch_acquire(scratch));
	CU_ASSERT_EQUAL(errno, EOWNERDEAD);
	errno = 0;
	CU_ASSERT_PTR_NULL(hnuma_space_alloc(parent->space, 1, 1));
	CU_ASSERT_EQUAL(errno, EOWNERDEAD);
	CU_ASSERT_PTR_NULL(hnuma_space_base(parent->space));
	hnuma_space_reset(parent->space);
	CU_ASSERT_EQUAL(hnuma_scratch_release(parent->space), -EOWNERDEAD);
	CU_ASSERT_EQUAL(hnuma_scratch_pin(scratch, check_allowed_cpu()), -EOWNERDEAD);
	CU_ASSERT_EQUAL(hnuma_scratch_unpin(scratch), -EOWNERDEAD);
	CU_ASSERT_EQUAL(hnuma_scratch_stats(scratch, &stats), -EOWNERDEAD);
	CU_ASSERT_EQUAL(hnuma_scratch_verify(scratch, 0, &placement), -EOWNERDEAD);
	CU_ASSERT_EQUAL(hnuma_scratch_destroy(scratch), -EOWNERDEAD);
	hnuma_scratch_reset_all(scratch);

	/* One of its own it may have, pinned and not. */
	scratch = open_scratch();
	for (int i = 0; i < 2; i++) {
		space = hnuma_scratch_acquire(scratch);
		CU_ASSERT_PTR_NOT_NULL_FATAL(space);
		CU_ASSERT_PTR_NOT_NULL(hnuma_space_alloc(space, 1, 1));
		CU_ASSERT_PTR_NULL(hnuma_scratch_acquire(scratch));
		CU_ASSERT_EQUAL(hnuma_scratch_release(space), 0);
		if (i == 0)
			CU_ASSERT_EQUAL(hnuma_scratch_pin(scratch, check_allowed_cpu()), 0);
	}
	CU_ASSERT_EQUAL(hnuma_scratch_unpin(scratch), 0);
	CU_ASSERT_EQUAL(hnuma_scratch_destroy(scratch), 0);
	/* Its threads end without touching what was its parent's. */
	CU_ASSERT_EQUAL(pthread_create(&thread, NULL, do_nothing, NULL), 0);
	CU_ASSERT_EQUAL(pthread_join(thread, NULL), 0);
}

static void fork_with(bool pinned)
{
	struct hnuma_scratch *scratch = open_scratch();
	struct inherited inherited = {scratch, NULL};
	unsigned char *memory;

	if (pinned)
		CU_ASSERT_EQUAL(hnuma_scratch_pin(scratch, check_allowed_cpu()), 0);
	inherited.space = hnuma_scratch_acquire(scratch);
	memory = hnuma_space_alloc(inherited.space, 4096, 1);
	CU_ASSERT_PTR_NOT_NULL_FATAL(memory);
	memset(memory, 0x3C, 4096);
	CU_ASSERT_EQUAL(check_in_child(use_in_child, &inherited), 0);
	CU_ASSERT(memory[0] == 0x3C && memcmp(memory, memory + 1, 4095) == 0);
	CU_ASSERT_EQUAL(hnuma_scratch_active(scratch), 1);
	CU_ASSERT_EQUAL(hnuma_scratch_release(inherited.space), 0);
	if (pinned)
		CU_ASSERT_EQUAL(hnuma_scratch_unpin(scratch), 0);
	CU_ASSERT_EQUAL(hnuma_scratch_destroy(scratch), 0);
}

static void test_fork(void)
{
	fork_with(false);
	fork_with(true);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"bad attributes (row 1)", test_bad_attributes},
		{"bad sizes (row 2)", test_bad_sizes},
		{"bad nodes (row 3)", test_bad_nodes},
		{"sizes that wrap (row 2, defect 2)", test_sizes_that_wrap},
		{"NULL", test_nulls},
		{"destroy that fails (row 13)", test_destroy_that_fails},
		{"fork (row 31)", test_fork},
		CU_TEST_INFO_NULL,
	};

	topology = check_topology();
	return check_main("scratch_faults", tests);
}
