/* SPDX-License-Identifier: MIT */
/*
 * tests/test_region_faults.c - a region under every failing system call and allocation, and under
 * answers about pages that one machine cannot give.
 *
 * Links with the wrappers that tests/fail_malloc.h names.
 */
#include "config.h"

#include <numaif.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <hugenuma.h>

#include "numa/ground.h"
#include "numa/directory.h"
#include "numa/region.h"
#include "tests/check.h"
#include "tests/fail_malloc.h"
#include "tests/fail_sys.h"

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

/* Row 11. One case: what is asked, and with what fails. */
struct fault {
	enum hnuma_backing least;
	unsigned flags;
	enum fail_entry entry;
	long at;
	bool goes_on;
	int error;
};

static void print_fault(const struct fault *fault, int result)
{
	printf("\n    least %d flags %u entry %d call %ld%s error %d -> %d %s ", fault->least,
	       fault->flags, fault->entry, fault->at, fault->goes_on ? "+" : "", fault->error,
	       result, result ? hnuma_errormsg() : "");
}

#define EXPECT(condition)                           \
	do {                                        \
		bool is_met = (condition);          \
		if (!is_met)                        \
			print_fault(fault, result); \
		CU_ASSERT(is_met);                  \
	} while (0)

static bool is_policy_call(const struct fault *fault)
{
	return fault->entry == FAIL_GET_POLICY || fault->entry == FAIL_SET_POLICY ||
	       fault->entry == FAIL_BIND;
}

/* Putting the policy back: each rung that is tried sets it and puts it back. */
static bool is_put_back(const struct fault *fault)
{
	return fault->entry == FAIL_SET_POLICY && fault->at % 2 == 0;
}

/* May a region come of it, and must it? What is not said here may go either way. */
static void judge(const struct fault *fault, int result)
{
	bool is_lower = fault->least != HNUMA_BACKING_HUGETLB;

	switch (fault->entry) {
	case FAIL_GET_POLICY:
	case FAIL_SET_POLICY:
	case FAIL_BIND:
		if (is_put_back(fault))
			EXPECT(result == (fault->goes_on ? fault->error : 0));
		else
			EXPECT(result == (fault->flags & HNUMA_RELAXED ? 0 : fault->error));
		return;
	case FAIL_MEMFD:
	case FAIL_TRUNCATE:
		EXPECT(result == (is_lower ? 0 : fault->error));
		return;
	case FAIL_MAP:
	case FAIL_ADVISE:
		/* A lower rung can mend it; with every call failing nothing can. */
		if (fault->goes_on && fault->at == 1)
			EXPECT(result == fault->error);
		if (!is_lower)
			EXPECT(result == fault->error);
		return;
	case FAIL_QUERY_PAGES:
		EXPECT(result == (fault->error == -ENOMEM ? -ENOMEM : 0));
		return;
	case FAIL_UNMAP:
		/* Undoing something once more is no failure of the request. */
		EXPECT(fault->goes_on || result == 0);
		return;
	case FAIL_NAME:
	case FAIL_CLOSE:
	case FAIL_CURRENT_CPU:
		EXPECT(result == 0);
		return;
	default:
		return;
	}
}

static void use(struct hnuma_region *region, const struct fault *fault, bool has_happened)
{
	struct hnuma_region_info info = info_of(region);
	struct hnuma_placement placement;
	bool is_unbound = has_happened && is_policy_call(fault) && !is_put_back(fault);
	int result = 0;

	memset(hnuma_region_base(region), 0x5a, SIZE);
	placement = verify(region);
	/* What is not bound may come to lie on any node. */
	EXPECT(placement.pages_here + (is_unbound ? placement.pages_elsewhere : 0) ==
	       placement.pages_total);
	EXPECT(info.backing >= fault->least);
	EXPECT(info.backing == HNUMA_BACKING_HUGETLB || strstr(info.reason, "hugetlb pages: "));
	EXPECT((info.node == HNUMA_NODE_NONE) == is_unbound);
	if (is_unbound)
		EXPECT(strstr(info.reason, "not bound to node "));
	EXPECT(hnuma_region_destroy(region) == 0);
}

/* Returns whether the call that was to fail was made at all. */
static bool run_fault(const struct fault *fault)
{
	struct hnuma_region_attr attr = make_attr(fault->least, fault->flags);
	struct hnuma_region *region = (void *)&attr;
	struct check_state before;
	int policy = -1, leftovers, result;
	unsigned long mask[16] = {0};
	bool has_happened;

	check_snapshot(&before);
	get_mempolicy(&policy, mask, 1024, NULL, 0);
	fail_sys_begin(fault->entry, fault->at, fault->goes_on, fault->error);
	result = hnuma_region_create(&region, topology, &attr);
	has_happened = fail_sys_end();
	if (has_happened)
		judge(fault, result);
	if (result == 0)
		use(region, fault, has_happened);
	else
		EXPECT(!region && hnuma_errormsg()[0]);
	/* What nobody can undo: a policy and a mapping that the kernel refuses to change for good. */
	if (is_put_back(fault) && fault->goes_on)
		set_mempolicy(policy, mask, 1024);
	leftovers = fail_sys_clean();
	EXPECT(leftovers == 0 || (fault->entry == FAIL_UNMAP && fault->goes_on));
	check_unchanged(&before);
	return has_happened;
}

/*
 * Have the directory of objects before anything fails, so that the calls that make it are not among
 * those that are to fail: no region fails for want of it, see test_directory.c.
 */
static uint64_t keep_directory(void)
{
	struct hnuma_directory_entry entry = {.kind = HNUMA_OBJECT_MANAGER};
	uint64_t id = hnuma_directory_add(&entry);

	CU_ASSERT_NOT_EQUAL_FATAL(id, 0);
	return id;
}

/* Each entry, each of its calls, each error, once and from there on. */
static unsigned long run_faults(enum hnuma_backing least, unsigned flags)
{
	static const int errors[] = {-EPERM, -ENOSYS, -EINVAL, -ENOMEM};
	struct fault fault = {.least = least, .flags = flags};
	unsigned long nr_faults = 0;
	uint64_t id = keep_directory();

	fail_sys_install();
	for (int entry = 0; entry < FAIL_NR_ENTRIES; entry++) {
		fault.entry = (enum fail_entry)entry;
		for (size_t i = 0; i < check_rounds(sizeof(errors) / sizeof(errors[0])); i++) {
			fault.error = errors[i];
			for (int goes_on = 0; goes_on < 2; goes_on++) {
				fault.goes_on = goes_on;
				for (fault.at = 1; run_fault(&fault); fault.at++)
					nr_faults++;
			}
		}
	}
	fail_sys_remove();
	hnuma_directory_remove(id);
	return nr_faults;
}

static void test_faults_strict(void)
{
	if (!check_hugepages(NR_PAGES))
		return;
	CU_ASSERT(run_faults(HNUMA_BACKING_HUGETLB, 0) > 100);
}

static void test_faults_relaxed(void)
{
	if (!check_hugepages(NR_PAGES))
		return;
	CU_ASSERT(run_faults(HNUMA_BACKING_HUGETLB, HNUMA_RELAXED) > 100);
}

static void test_faults_ladder(void)
{
	if (!check_hugepages(NR_PAGES))
		return;
	CU_ASSERT(run_faults(HNUMA_BACKING_BASE, 0) > 100);
}

/* From transparent huge pages down: no hugetlb page is there. */
static void test_faults_thp(void)
{
	if (!check_hugepages_exactly(home, 0))
		return;
	CU_ASSERT(run_faults(HNUMA_BACKING_THP, 0) > 80);
	CU_ASSERT(run_faults(HNUMA_BACKING_BASE, HNUMA_RELAXED) > 80);
}

/* Row 14. */
static int create_and_destroy(void)
{
	struct hnuma_region_attr attr = make_attr(HNUMA_BACKING_HUGETLB, 0);
	struct hnuma_region *region = (void *)&attr;
	int error = hnuma_region_create(&region, topology, &attr);

	if (error) {
		CU_ASSERT_PTR_NULL(region);
		check_message("no memory");
		return error;
	}
	verify(region);
	return hnuma_region_destroy(region);
}

static void test_malloc(void)
{
	if (!check_hugepages(NR_PAGES))
		return;
	create_and_destroy();
	fail_each(create_and_destroy, 1);
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
		{"each call fails: strict, hugetlb only", test_faults_strict},
		{"each call fails: relaxed, hugetlb only", test_faults_relaxed},
		{"each call fails: down the ladder", test_faults_ladder},
		{"each call fails: transparent huge pages", test_faults_thp},
		{"each allocation fails", test_malloc},
		{"munmap fails in destroy", test_destroy_fails},
		{"munmap never works", test_unmap_never_works},
		{"pages that lie elsewhere", test_elsewhere},
		{"pages with an error for a node", test_negative_status},
		{"nobody tells where pages lie", test_unknown},
		{"verify without memory", test_verify_no_memory},
		{"what populating can answer", test_populate_answers},
		CU_TEST_INFO_NULL,
	};
	int code;

	if (hnuma_topology_create(&topology)) {
		fprintf(stderr, "%s\n", hnuma_errormsg());
		return EXIT_FAILURE;
	}
	home = hnuma_current_node(topology);
	code = check_main("region_faults", tests);
	hnuma_topology_destroy(topology);
	return code;
}
