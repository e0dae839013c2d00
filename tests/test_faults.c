/* SPDX-License-Identifier: MIT */
/*
 * tests/test_faults.c - each operation of the library (faults.c) under each failing call.
 *
 * Every entry of the kernel's table and the allocation of memory fails at its first, second, ... call
 * until the operation no longer comes to it: that call alone, and all from there on; with each error
 * that the call's manual page knows. The operation must succeed or say why not, and everything must
 * then be as it was before; meanwhile a manager's memory keeps its bytes.
 *
 * Links with the wrappers that tests/fail_malloc.h and tests/fail_hwloc.h name.
 */
#include "config.h"

#include <errno.h>
#include <numaif.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hugenuma.h>

#include "numa/rseq.h"
#include "tests/check.h"
#include "tests/fail_hwloc.h"
#include "tests/fail_malloc.h"
#include "tests/fail_sys.h"
#include "tests/faults.h"
#include "tests/foreign.h"

/* Enough for all that an operation makes, beside the manager that lives all the while. */
#define NR_FREE_PAGES 16

#define ERRORS_MAX 16

/*
 * What each call may answer: its manual page's errors, but for those of flags that the library never
 * passes; and where a seccomp profile is known to refuse it, EPERM and ENOSYS.
 */
static const struct {
	const char *name;
	int errors[ERRORS_MAX];
} calls[FAIL_NR_ENTRIES] = {
	[FAIL_MAP] = {"mmap",
		      {EACCES, EAGAIN, EBADF, EINVAL, ENFILE, ENODEV, ENOMEM, EOVERFLOW, EPERM}},
	[FAIL_UNMAP] = {"munmap", {EINVAL, ENOMEM}},
	[FAIL_ADVISE] = {"madvise",
			 {EACCES, EAGAIN, EBADF, EBUSY, EFAULT, EHWPOISON, EINTR, EINVAL, EIO,
			  ENOMEM, EPERM, ENOSYS}},
	[FAIL_MEMFD] = {"memfd_create",
			{EFAULT, EINVAL, EMFILE, ENFILE, ENOMEM, EPERM, ENODEV, ENOSYS}},
	[FAIL_TRUNCATE] = {"ftruncate", {EBADF, EFBIG, EINTR, EINVAL, EIO, EPERM, ENOMEM}},
	[FAIL_ADD_SEALS] = {"F_ADD_SEALS", {EBUSY, EINVAL, EPERM, ENOSYS}},
	[FAIL_NAME] = {"prctl", {EBADF, EFAULT, EINVAL, ENOMEM}},
	[FAIL_GET_POLICY] = {"get_mempolicy", {EFAULT, EINVAL, EPERM, ENOSYS}},
	[FAIL_SET_POLICY] = {"set_mempolicy", {EFAULT, EINVAL, ENOMEM, EPERM, ENOSYS}},
	[FAIL_BIND] = {"mbind", {EFAULT, EINVAL, EIO, ENOMEM, EPERM, ENOSYS}},
	[FAIL_QUERY_PAGES] = {"move_pages",
			      {E2BIG, EACCES, EFAULT, EINVAL, ENODEV, ENOENT, ENOMEM, EPERM, ESRCH,
			       ENOSYS}},
	[FAIL_CURRENT_CPU] = {"getcpu", {EFAULT, ENOSYS}},
	[FAIL_MEMBARRIER] = {"membarrier", {EINVAL, ENOSYS, EPERM}},
	[FAIL_OPEN] = {"open",
		       {EACCES, EAGAIN, EINTR, ELOOP, EMFILE, ENAMETOOLONG, ENFILE, ENODEV, ENOENT,
			ENOMEM, ENOTDIR, ENXIO, EOVERFLOW, EPERM}},
	[FAIL_READ] = {"read", {EAGAIN, EBADF, EFAULT, EINTR, EINVAL, EIO, EISDIR}},
	[FAIL_CLOSE] = {"close", {EBADF, EINTR, EIO}},
	[FAIL_READ_PROCESS] = {"process_vm_readv", {EFAULT, EINVAL, ENOMEM, EPERM, ESRCH, ENOSYS}},
	[FAIL_MALLOC] = {"malloc", {ENOMEM}},
	[FAIL_HWLOC] = {"hwloc", {ENOMEM, EINVAL, EPERM}},
};

static struct hnuma_topology *topology;
static int home;

/* How often each call has failed, over all operations. */
static unsigned long nr_failures[FAIL_NR_ENTRIES];

struct fault {
	const struct operation *operation;
	enum fail_entry entry;
	long at;
	bool goes_on;
	int error; /* negative */
};

static void print_fault(const struct fault *fault, int result)
{
	printf("\n    %s, call %ld%s of %s answers \"%s\": %d %s ", fault->operation->name,
	       fault->at, fault->goes_on ? " and on" : "", calls[fault->entry].name,
	       strerror(-fault->error), result, result ? hnuma_errormsg() : "");
}

#define EXPECT(condition)                           \
	do {                                        \
		bool is_met = (condition);          \
		if (!is_met)                        \
			print_fault(fault, result); \
		CU_ASSERT(is_met);                  \
	} while (0)

/* ---- What must not be touched: a manager that is in use all the while ----------------------- */

static struct hnuma_manager *bystander;
static struct hnuma_space *space;

static struct {
	unsigned char *bytes;
	size_t size;
} kept[3];

static void check_kept(void)
{
	for (int i = 0; i < 3; i++)
		CU_ASSERT(kept[i].bytes[0] == 0xa0 + i &&
			  memcmp(kept[i].bytes, kept[i].bytes + 1, kept[i].size - 1) == 0);
}

static void open_bystander(void)
{
	struct hnuma_config config = faults_config();

	CU_ASSERT_EQUAL_FATAL(hnuma_manager_create(&bystander, topology, &config), 0);
	kept[0].size = kept[1].size = kept[2].size = 4096;
	kept[0].bytes = hnuma_arena_alloc(hnuma_manager_arena(bystander, home), 4096, 1);
	kept[1].bytes = hnuma_pool_acquire(hnuma_manager_pool(bystander), HNUMA_CLASS_4K);
	CU_ASSERT_EQUAL(hnuma_scratch_pin(hnuma_manager_scratch(bystander), sched_getcpu()), 0);
	space = hnuma_scratch_acquire(hnuma_manager_scratch(bystander));
	kept[2].bytes = space ? hnuma_space_alloc(space, 4096, 1) : NULL;
	for (int i = 0; i < 3; i++) {
		CU_ASSERT_PTR_NOT_NULL_FATAL(kept[i].bytes);
		memset(kept[i].bytes, 0xa0 + i, kept[i].size);
	}
}

static void close_bystander(void)
{
	check_kept();
	CU_ASSERT_EQUAL(hnuma_scratch_release(space), 0);
	CU_ASSERT_EQUAL(hnuma_scratch_unpin(hnuma_manager_scratch(bystander)), 0);
	CU_ASSERT_EQUAL(hnuma_pool_release(hnuma_manager_pool(bystander), kept[1].bytes), 0);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(bystander), 0);
}

/* ---- What must come of it ------------------------------------------------------------------- */

/* Putting the policy back: each rung that is tried sets it and puts it back. */
static bool is_put_back(const struct fault *fault)
{
	return fault->entry == FAIL_SET_POLICY && fault->at % 2 == 0;
}

/* Row 11: may a region come of it, and must it? What is not said here may go either way. */
static void judge_region(const struct fault *fault, int result)
{
	bool is_lower = fault->operation->least_backing != HNUMA_BACKING_HUGETLB;
	bool is_shared = fault->operation->flags & HNUMA_SHARED;

	switch (fault->entry) {
	case FAIL_GET_POLICY:
	case FAIL_SET_POLICY:
	case FAIL_BIND:
		if (is_put_back(fault))
			EXPECT(result == (fault->goes_on ? fault->error : 0));
		else
			EXPECT(result ==
			       (fault->operation->flags & HNUMA_RELAXED ? 0 : fault->error));
		return;
	case FAIL_MEMFD:
	case FAIL_TRUNCATE:
	case FAIL_ADD_SEALS:
		/* What is shared has a file on lower rungs, too. */
		if (!is_lower || (is_shared && fault->goes_on && fault->at == 1))
			EXPECT(result == fault->error);
		if (is_lower && (!is_shared || (fault->at == 1 && !fault->goes_on)))
			EXPECT(result == 0);
		return;
	case FAIL_MAP:
		/* A lower rung can mend it; with every call failing nothing can. */
		if (!is_lower || (fault->goes_on && fault->at == 1))
			EXPECT(result == fault->error);
		return;
	case FAIL_ADVISE:
		/* Populating is interrupted, and goes on. */
		if (!is_lower && fault->error != -EINTR)
			EXPECT(result != 0);
		/* Of what is shared the first call is that which populates, and its errors are put in words. */
		if (fault->goes_on && fault->at == 1)
			EXPECT(is_shared ? result < 0 : result == fault->error);
		return;
	case FAIL_QUERY_PAGES:
		EXPECT(result == (fault->error == -ENOMEM ? -ENOMEM : 0));
		return;
	case FAIL_UNMAP:
		/* Undoing something once more is no failure of the request. */
		EXPECT(fault->goes_on || result == 0);
		return;
	case FAIL_OPEN:
	case FAIL_READ:
		/* Counts and limits may be unknown; that pages are huge must be shown. */
		EXPECT(result == 0 || fault->operation->least_backing == HNUMA_BACKING_THP);
		return;
	case FAIL_NAME:
	case FAIL_CLOSE:
	case FAIL_CURRENT_CPU:
		EXPECT(result == 0);
		return;
	case FAIL_MALLOC:
		EXPECT(result == -ENOMEM);
		return;
	default:
		return;
	}
}

/* A region that came of it is what it says, and says what it is not. */
static void judge_success(const struct fault *fault)
{
	bool is_policy_call = fault->entry == FAIL_GET_POLICY || fault->entry == FAIL_BIND ||
			      (fault->entry == FAIL_SET_POLICY && !is_put_back(fault));
	struct hnuma_region *region = faults_region();
	struct hnuma_placement placement;
	struct hnuma_region_info info;
	int result = 0;

	memset(hnuma_region_base(region), 0x5a, hnuma_region_size(region));
	EXPECT(hnuma_region_info(region, &info) == 0);
	EXPECT(hnuma_region_verify(region, &placement) == 0);
	/* What is not bound may come to lie on any node. */
	EXPECT(placement.pages_here + (is_policy_call ? placement.pages_elsewhere : 0) ==
	       placement.pages_total);
	EXPECT(info.backing >= fault->operation->least_backing);
	EXPECT(info.backing == HNUMA_BACKING_HUGETLB || strstr(info.reason, "hugetlb pages: "));
	if (fault->operation->policy == HNUMA_POLICY_BIND)
		EXPECT((info.node == HNUMA_NODE_NONE) == is_policy_call);
	EXPECT(!is_policy_call || strstr(info.reason, "not bound to node "));
}

/* Put some other message in the place of the last one. */
static char spoilt[256];

static void spoil_message(void)
{
	CU_ASSERT_EQUAL(hnuma_pool_clear(NULL), -EINVAL);
	snprintf(spoilt, sizeof(spoilt), "%s", hnuma_errormsg());
}

static bool is_spoilt(const char *message)
{
	return message[0] == '\0' || strcmp(message, spoilt) == 0;
}

/* LeakSanitizer's, where it is. */
extern void __lsan_disable(void) __attribute__((weak));
extern void __lsan_enable(void) __attribute__((weak));

/* Beside a mapping that can never be taken away, what describes it is lost, too. */
static int run_losing(const struct operation *operation)
{
	int result;

	if (__lsan_disable)
		__lsan_disable();
	result = operation->run();
	if (__lsan_enable)
		__lsan_enable();
	return result;
}

/* Returns whether the call that was to fail was made at all. */
static bool try_fault(const struct fault *fault, const struct check_state *before)
{
	const struct operation *operation = fault->operation;
	unsigned nr_records = CU_get_number_of_failure_records();
	bool has_happened;
	int result, nr_leftovers;

	if (operation->prepare)
		CU_ASSERT_EQUAL_FATAL(operation->prepare(), 0);
	spoil_message();
	fail_sys_begin(fault->entry, fault->at, fault->goes_on, fault->error);
	if (fault->entry == FAIL_UNMAP && fault->goes_on)
		result = run_losing(operation);
	else
		result = operation->run();
	has_happened = fail_sys_end();
	EXPECT(result == 0 || (has_happened && result < 0));
	EXPECT(result == 0 || fault->entry != FAIL_MALLOC || result == -ENOMEM);
	EXPECT(result == 0 || operation->is_silent || !is_spoilt(hnuma_errormsg()));
	if (has_happened && faults_makes_region()) {
		judge_region(fault, result);
		if (result == 0)
			judge_success(fault);
	}
	if (operation->clean)
		operation->clean();
	/* What nobody can undo: a policy, an affinity and a mapping that nobody may change any more. */
	if (fault->entry == FAIL_SET_POLICY && fault->goes_on)
		set_mempolicy(before->policy, before->policy_mask, 1024);
	if (fault->entry == FAIL_HWLOC && result < 0)
		sched_setaffinity(0, sizeof(before->affinity), (const void *)before->affinity);
	nr_leftovers = fail_sys_clean();
	EXPECT(nr_leftovers == 0 || (fault->entry == FAIL_UNMAP && fault->goes_on));
	check_kept();
	check_unchanged(before);
	nr_failures[fault->entry] += has_happened;
	/* What one has left behind the next ones would be blamed for. */
	if (CU_get_number_of_failure_records() != nr_records)
		print_fault(fault, result);
	CU_ASSERT_EQUAL_FATAL(CU_get_number_of_failure_records(), nr_records);
	return has_happened;
}

/* ---- All of them ---------------------------------------------------------------------------- */

static unsigned count_errors(enum fail_entry entry)
{
	unsigned nr = 0;

	while (nr < ERRORS_MAX && calls[entry].errors[nr])
		nr++;
	return nr;
}

/*
 * Each call, once and from there on, with each error. The errors of files, of which there are many and
 * which are dealt with in one place (numa/procfs.c), take turns, two for each call; in a short run all
 * do, with one for each call.
 */
static void try_entry(const struct operation *operation, enum fail_entry entry,
		      const struct check_state *before)
{
	bool is_file = entry == FAIL_OPEN || entry == FAIL_READ || entry == FAIL_CLOSE;
	unsigned nr_errors = count_errors(entry), nr_tries = check_rounds(is_file ? 2 : nr_errors);
	struct fault fault = {.operation = operation, .entry = entry};
	/* Where all is emulated, every seventh call. */
	const int step = check_rounds(100) < 10 ? 7 : 1;
	bool has_happened = true;

	for (fault.at = 1; has_happened; fault.at += step) {
		has_happened = false;
		for (unsigned i = 0; i < 2 * nr_tries; i++) {
			fault.goes_on = i % 2;
			fault.error =
				-calls[entry].errors[((unsigned)fault.at + i / 2) % nr_errors];
			if (try_fault(&fault, before))
				has_happened = true;
		}
		CU_ASSERT_FATAL(fault.at < 5000);
	}
}

/* Does this system give transparent huge pages to who asks? Asked of the system, not of the library. */
static bool has_transparent_pages(void)
{
	const char *enabled = check_read_file("/sys/kernel/mm/transparent_hugepage/enabled");

	return strstr(enabled, "[always]") || strstr(enabled, "[madvise]");
}

/* Returns whether there were the pages to try it with. */
static bool try_operation(const struct operation *operation, enum fail_entry first,
			  enum fail_entry last)
{
	struct check_state before;
	int result;

	if (operation->least_backing == HNUMA_BACKING_THP && !has_transparent_pages())
		return false;
	if (!check_hugepages_exactly(home, operation->has_no_pages ? 0 : NR_FREE_PAGES))
		return false;
	faults_choose(operation);
	/* Once with nothing failing: then what is made only once has been made. */
	if (operation->prepare)
		CU_ASSERT_EQUAL_FATAL(operation->prepare(), 0);
	result = operation->run();
	if (result)
		printf("\n    %s, with nothing failing: %s ", operation->name, hnuma_errormsg());
	CU_ASSERT_EQUAL_FATAL(result, 0);
	if (operation->clean)
		operation->clean();
	check_snapshot(&before);
	for (enum fail_entry entry = first; entry <= last; entry++)
		try_entry(operation, entry, &before);
	return true;
}

static void try_all(enum fail_entry first, enum fail_entry last)
{
	bool is_tried = false;

	faults_init(topology, home);
	open_bystander();
	fail_sys_install();
	for (unsigned i = 0; i < faults_nr_operations; i++)
		is_tried |= try_operation(&faults_operations[i], first, last);
	fail_sys_remove();
	close_bystander();
	for (enum fail_entry entry = first; entry <= last; entry++) {
		printf("\n    %lu failures of %s ", nr_failures[entry], calls[entry].name);
		/* A call that never fails shows nothing. */
		CU_ASSERT(nr_failures[entry] > 0 || !is_tried);
	}
}

static void test_policies(void)
{
	try_all(FAIL_GET_POLICY, FAIL_QUERY_PAGES);
}

static void test_mappings(void)
{
	try_all(FAIL_MAP, FAIL_MAP);
	try_all(FAIL_ADVISE, FAIL_NAME);
}

static void test_unmap(void)
{
	try_all(FAIL_UNMAP, FAIL_UNMAP);
}

static void test_files(void)
{
	try_all(FAIL_OPEN, FAIL_READ_PROCESS);
}

static void test_cpus(void)
{
	/* Without restartable sequences nobody asks for a barrier. */
	try_all(FAIL_CURRENT_CPU, hnuma_rseq_is_usable() ? FAIL_MEMBARRIER : FAIL_CURRENT_CPU);
}

static void test_malloc(void)
{
	try_all(FAIL_MALLOC, FAIL_MALLOC);
}

static void test_hwloc(void)
{
	try_all(FAIL_HWLOC, FAIL_HWLOC);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"each policy call fails (row 11)", test_policies},
		{"each mapping call fails (row 11)", test_mappings},
		{"each munmap fails (row 13)", test_unmap},
		{"each reading of a file fails (row 35)", test_files},
		{"getcpu and membarrier fail (row 28)", test_cpus},
		{"each allocation fails (row 14)", test_malloc},
		{"each call of hwloc fails", test_hwloc},
		CU_TEST_INFO_NULL,
	};

	foreign_clean_environment();
	topology = check_topology();
	home = hnuma_current_node(topology);
	return check_main("faults", tests);
}
