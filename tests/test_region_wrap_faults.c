/* SPDX-License-Identifier: MIT */
/*
 * tests/test_region_wrap_faults.c - memory that cannot be a region, that is one already, or that is taken
 * away from under it; hooks that refuse it; fork.
 */
#include "config.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <hugenuma.h>

#include "tests/check.h"
#include "tests/foreign.h"
#include "tests/wrapped.h"

static void test_arguments(void)
{
	struct hnuma_region_attr attr = make_attr();
	unsigned char *memory = map_private();
	struct hnuma_topology *foreign;
	struct hnuma_region *region = (struct hnuma_region *)1;

	CU_ASSERT_EQUAL(hnuma_region_wrap(NULL, topology, memory, &attr), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_region_wrap(&region, NULL, memory, &attr), -EINVAL);
	CU_ASSERT_PTR_NULL(region);
	refuse(memory, NULL, -EINVAL, "attr is NULL");
	refuse(NULL, &attr, -EINVAL, "address is NULL");
	refuse(memory + base_page, &attr, -EINVAL, "multiples of 2 MB");
	attr.size = SIZE - base_page;
	refuse(memory, &attr, -EINVAL, "multiples of 2 MB");
	attr.size = 0;
	refuse(memory, &attr, -EINVAL, "size is 0");
	attr.size = SIZE_MAX & ~(PAGE - 1);
	refuse(memory, &attr, -EOVERFLOW, "beyond the address space");
	attr = make_attr();
	for (unsigned flag = 1; flag; flag <<= 1) {
		attr.flags = flag;
		if (flag != HNUMA_INHERIT)
			refuse(memory, &attr, -EINVAL, "cannot be used here");
	}
	attr = make_attr();
	attr.struct_size--;
	refuse(memory, &attr, -EINVAL, "struct_size");
	attr = make_attr();
	attr.policy = HNUMA_POLICY_BIND;
	attr.node = HNUMA_MAX_NODES;
	refuse(memory, &attr, -ENODEV, "node");
	attr = make_attr();
	attr.least_backing = HNUMA_BACKING_HUGETLB;
	refuse(memory, &attr, -ENOMEM, "0 of 6291456 bytes are in huge pages");
	CU_ASSERT_EQUAL_FATAL(foreign_create(&foreign, "HWLOC_XMLFILE", foreign_file("tiers.xml")),
			      0);
	attr = make_attr();
	CU_ASSERT_EQUAL(hnuma_region_wrap(&region, foreign, memory, &attr), -EXDEV);
	hnuma_topology_destroy(foreign);
	unmap(memory);
}

/* Not mapped, not all of it, not for reading and writing. */
static void test_mappings(void)
{
	struct hnuma_region_attr attr = make_attr();
	unsigned char *memory = map_private();

	refuse(memory - PAGE, &attr, -EFAULT, "not mapped for both");
	refuse(memory + PAGE, &attr, -EFAULT, "not mapped for both");
	CU_ASSERT_EQUAL(mprotect(memory + PAGE, base_page, PROT_READ), 0);
	refuse(memory, &attr, -EFAULT, "not mapped for both");
	CU_ASSERT_EQUAL(mprotect(memory + PAGE, base_page, PROT_WRITE | PROT_EXEC), 0);
	refuse(memory, &attr, -EFAULT, "not mapped for both");
	CU_ASSERT_EQUAL(munmap(memory + PAGE, base_page), 0);
	refuse(memory, &attr, -EFAULT, "only 6287360 bytes");
	unmap(memory);
	refuse(memory, &attr, -EFAULT, "only ");
}

/* A file whose name looks like the rights that its mapping has not. */
static void test_name(void)
{
	struct hnuma_region_attr attr = make_attr();
	int fd = memfd_create("x rw-s", MFD_CLOEXEC);
	unsigned char *memory;

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(ftruncate(fd, (off_t)SIZE), 0);
	memory = map(MAP_SHARED, fd);
	CU_ASSERT_EQUAL(mprotect(memory, SIZE, PROT_READ), 0);
	refuse(memory, &attr, -EFAULT, "not mapped for both");
	unmap(memory);
	close(fd);
}

/* In another region, one of ours or one that was wrapped. */
static void test_overlap(void)
{
	struct hnuma_region_attr attr = make_attr();
	unsigned char *memory = map_private();
	struct hnuma_region *region, *middle, *again;

	attr.policy = HNUMA_POLICY_PREFERRED;
	CU_ASSERT_EQUAL_FATAL(hnuma_region_create(&region, topology, &attr), 0);
	refuse(hnuma_region_base(region), &attr, -EEXIST, "is there already");
	attr.size = PAGE;
	refuse((char *)hnuma_region_base(region) + SIZE - PAGE, &attr, -EEXIST, "already");
	middle = wrap(memory + PAGE, &attr);
	refuse(memory + PAGE, &attr, -EEXIST, "is there already");
	attr.size = SIZE;
	refuse(memory, &attr, -EEXIST, "is there already");
	attr.size = PAGE;
	again = wrap(memory, &attr);
	CU_ASSERT_EQUAL(hnuma_region_destroy(middle), 0);
	CU_ASSERT_EQUAL(hnuma_region_destroy(again), 0);
	attr.size = SIZE;
	CU_ASSERT_EQUAL(hnuma_region_destroy(wrap(memory, &attr)), 0);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
	unmap(memory);
}

/* Unmapped while it is a region, which is the caller's mistake: it says that it knows nothing. */
static void test_unmapped(void)
{
	struct hnuma_region_attr attr = make_attr();
	unsigned char *memory = map_private();
	struct hnuma_region *region;

	memset(memory, 1, SIZE);
	region = wrap(memory, &attr);
	CU_ASSERT_EQUAL(munmap(memory + PAGE, PAGE), 0);
	check_places(region, 0, PAGE / base_page);
	unmap(memory);
	check_places(region, 0, SIZE / base_page);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
}

static unsigned nr_made, nr_going;
static int nested;

static int made(void *arg, const struct hnuma_piece *piece, void **handle)
{
	struct hnuma_region_attr attr = make_attr();
	struct hnuma_region *region;

	*handle = piece->base;
	nested = hnuma_region_wrap(&region, topology, piece->base, &attr);
	return ++nr_made == *(unsigned *)arg ? -EREMOTEIO : 0;
}

static void going(void *arg, const struct hnuma_piece *piece, void *handle)
{
	(void)arg;
	CU_ASSERT_PTR_EQUAL(handle, piece->base);
	nr_going++;
}

static void test_hooks(void)
{
	struct hnuma_hooks hooks = HNUMA_HOOKS_INIT;
	struct hnuma_region_attr attr = make_attr();
	unsigned char *memory = map_private();
	struct hnuma_region_place place;
	struct hnuma_region *region;
	unsigned refuse_at = 0;

	hooks.made = made;
	hooks.going = going;
	hooks.arg = &refuse_at;
	hooks.piece_bytes = PAGE;
	attr.hooks = &hooks;
	region = wrap(memory, &attr);
	CU_ASSERT_EQUAL(nested, -EBUSY);
	CU_ASSERT_PTR_EQUAL(hnuma_region_handle(region, memory + PAGE + 1), memory + PAGE);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
	CU_ASSERT(nr_made == NR_PAGES && nr_going == NR_PAGES);
	nr_made = nr_going = 0;
	refuse_at = 2;
	refuse(memory, &attr, -EREMOTEIO, "piece 1 of 3");
	CU_ASSERT(nr_made == 2 && nr_going == 1);
	CU_ASSERT_EQUAL(hnuma_region_of(memory, &place), -ENOENT);
	memory[0] = 1;
	unmap(memory);
}

static void in_child(void *arg)
{
	struct hnuma_region *region = arg;
	struct hnuma_placement placement;
	struct hnuma_region_place place;
	unsigned char *base = hnuma_region_base(region);

	_exit((base ? 1 : 0) | (hnuma_region_verify(region, &placement) == 0 ? 2 : 0) |
	      (base && hnuma_region_of(base, &place) == 0 ? 4 : 0) |
	      (hnuma_region_destroy(region) == 0 ? 8 : 0) | (base && base[SIZE - 1] == 7 ? 16 : 0));
}

static void test_fork(void)
{
	struct hnuma_region_attr attr = make_attr();
	unsigned char *memory = map_private();
	struct hnuma_region *region;

	memset(memory, 7, SIZE);
	region = wrap(memory, &attr);
	CU_ASSERT_EQUAL(check_in_child(in_child, region), 0);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
	attr.flags = HNUMA_INHERIT;
	region = wrap(memory, &attr);
	CU_ASSERT_EQUAL(check_in_child(in_child, region), 31);
	CU_ASSERT_EQUAL(memory[SIZE - 1], 7);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
	unmap(memory);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"bad arguments", test_arguments},
		{"what is not mapped (row 42)", test_mappings},
		{"a name like rights", test_name},
		{"in another region", test_overlap},
		{"unmapped meanwhile", test_unmapped},
		{"hooks", test_hooks},
		{"fork", test_fork},
		CU_TEST_INFO_NULL,
	};

	return wrapped_main("region_wrap_faults", tests);
}
