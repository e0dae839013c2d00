/* SPDX-License-Identifier: MIT */
/*
 * tests/test_noexec.c - the files behind regions are such as nobody can execute, where the kernel has them,
 * as a system may allow no others (sysctl vm.memfd_noexec).
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <hugenuma.h>

#include "tests/check.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

/* Since Linux 6.3; the C library has them later. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u
#endif
#ifndef MFD_EXEC
#define MFD_EXEC 0x10u
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x20
#endif

static struct hnuma_topology *topology;

static struct hnuma_region *create(unsigned flags)
{
	struct hnuma_region_attr attr = HNUMA_REGION_ATTR_INIT;
	struct hnuma_region *region;
	int error;

	attr.size = HNUMA_HUGEPAGE;
	attr.node = check_home_node();
	attr.least_backing = HNUMA_BACKING_HUGETLB;
	attr.flags = flags;
	error = hnuma_region_create(&region, topology, &attr);
	if (error)
		printf("\n    %s ", hnuma_errormsg());
	CU_ASSERT_EQUAL_FATAL(error, 0);
	return region;
}

/* Regions of each kind are made; those seals has a shared one, which can be opened. */
static void make_with(int seals)
{
	struct hnuma_region_attr attr = HNUMA_REGION_ATTR_INIT;
	struct hnuma_region *shared = create(HNUMA_SHARED), *opened;

	attr.node = check_home_node();
	CU_ASSERT_EQUAL(fcntl(hnuma_region_fd(shared), F_GET_SEALS), seals);
	CU_ASSERT_EQUAL_FATAL(hnuma_region_open(&opened, topology, hnuma_region_fd(shared), &attr),
			      0);
	CU_ASSERT_EQUAL(hnuma_region_destroy(opened), 0);
	CU_ASSERT_EQUAL(hnuma_region_destroy(shared), 0);
	CU_ASSERT_EQUAL(hnuma_region_destroy(create(0)), 0);
}

/* From here on memfd_create() fails with MFD_NOEXEC_SEAL, or without. */
static void refuse_memfd(bool with, int error)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_memfd_create, 0, 3),
		/* The flags, of which there are 32 bits. */
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, args[1]) +
				 (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4 : 0)),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, MFD_NOEXEC_SEAL, !with, with),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};

	CU_ASSERT_EQUAL_FATAL(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	CU_ASSERT_EQUAL_FATAL(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

/* Before Linux 6.3. */
static void without_noexec(void *arg)
{
	(void)arg;
	refuse_memfd(true, EINVAL);
	make_with(SEALS);
}

/* Linux 6.3 to 6.5 where vm.memfd_noexec is 2. */
static void with_nothing_else(void *arg)
{
	(void)arg;
	refuse_memfd(false, EACCES);
	make_with(SEALS | F_SEAL_EXEC);
}

static void in_namespace(void *arg)
{
	(void)arg;
	CU_ASSERT_FATAL(check_write_file("/proc/sys/vm", "memfd_noexec", "2"));
	/* That is how it is seen to be at work. */
	CU_ASSERT(memfd_create("test", MFD_CLOEXEC | MFD_EXEC) < 0 && errno == EACCES);
	make_with(SEALS | F_SEAL_EXEC);
}

/* The sysctl is one namespace's of processes; a new one begins with the next child. */
static void with_sysctl(void *arg)
{
	(void)arg;
	CU_ASSERT_EQUAL_FATAL(unshare(CLONE_NEWPID), 0);
	CU_ASSERT_EQUAL(check_in_child(in_namespace, NULL), 0);
}

static bool has_noexec(void)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_NOEXEC_SEAL);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void test_old_kernel(void)
{
	if (check_hugepages(1))
		CU_ASSERT_EQUAL(check_in_child(without_noexec, NULL), 0);
}

/* Nothing to be seen where the kernel has no such files. */
static void test_new_kernel(void)
{
	if (!check_hugepages(1))
		return;
	make_with(SEALS | (has_noexec() ? F_SEAL_EXEC : 0));
	if (!has_noexec())
		return;
	CU_ASSERT_EQUAL(check_in_child(with_nothing_else, NULL), 0);
	CU_ASSERT_EQUAL(check_in_child(with_sysctl, NULL), 0);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"a kernel that knows of no such files", test_old_kernel},
		{"one that does, and one that allows no others", test_new_kernel},
		CU_TEST_INFO_NULL,
	};

	topology = check_topology();
	return check_main("noexec", tests);
}
