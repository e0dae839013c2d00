/* SPDX-License-Identifier: MIT */
/*
 * tests/test_share.c - shared regions: one memory, several processes.
 */
#include "config.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <hugenuma.h>

#include "numa/directory.h"
#include "tests/check.h"
#include "tests/fail_sys.h"
#include "tests/fake_files.h"
#include "tests/pass_fds.h"
#include "tests/query.h"

#define PAGE	 HNUMA_HUGEPAGE
#define NR_PAGES 3
#define SIZE	 (NR_PAGES * PAGE)
#define SEALS	 (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static struct hnuma_topology *topology;
static int home;

static struct hnuma_region_attr make_attr(enum hnuma_backing least)
{
	struct hnuma_region_attr attr = HNUMA_REGION_ATTR_INIT;

	attr.size = SIZE;
	attr.node = home;
	attr.least_backing = least;
	attr.flags = HNUMA_SHARED;
	return attr;
}

static struct hnuma_region *create(enum hnuma_backing least)
{
	struct hnuma_region_attr attr = make_attr(least);
	struct hnuma_region *region;
	int error = hnuma_region_create(&region, topology, &attr);

	if (error)
		printf("\n    %s ", hnuma_errormsg());
	CU_ASSERT_EQUAL_FATAL(error, 0);
	return region;
}

static struct hnuma_region *open_region(int fd)
{
	struct hnuma_region_attr attr = make_attr(HNUMA_BACKING_BASE);
	struct hnuma_region *region;
	int error = hnuma_region_open(&region, topology, fd, &attr);

	if (error)
		printf("\n    %s ", hnuma_errormsg());
	CU_ASSERT_EQUAL_FATAL(error, 0);
	return region;
}

/* What a region says of itself and what the kernel says of it. */
static void check_region(const struct hnuma_region *region, enum hnuma_backing backing)
{
	struct hnuma_placement placement;
	struct hnuma_region_info info;

	CU_ASSERT_EQUAL(hnuma_region_size(region), SIZE);
	CU_ASSERT_EQUAL(hnuma_region_info(region, &info), 0);
	CU_ASSERT_EQUAL(info.backing, backing);
	CU_ASSERT_EQUAL(info.page_size == PAGE, backing != HNUMA_BACKING_BASE);
	CU_ASSERT_EQUAL(hnuma_region_verify(region, &placement), 0);
	CU_ASSERT_EQUAL(placement.page_size, info.page_size);
	CU_ASSERT_EQUAL(placement.pages_total, SIZE / info.page_size);
	CU_ASSERT_EQUAL(placement.pages_here, placement.pages_total);
	CU_ASSERT(!check_knows_nodes() || info.node == home);
}

static enum hnuma_backing backing_of(const struct hnuma_region *region)
{
	struct hnuma_region_info info;

	CU_ASSERT_EQUAL_FATAL(hnuma_region_info(region, &info), 0);
	return info.backing;
}

static void test_file(void)
{
	struct hnuma_region *region;
	struct hnuma_piece piece;
	struct check_state before;
	unsigned char *base;
	size_t offset;
	int fd;

	if (!check_hugepages(NR_PAGES))
		return;
	check_snapshot(&before);
	region = create(HNUMA_BACKING_HUGETLB);
	check_region(region, HNUMA_BACKING_HUGETLB);
	fd = hnuma_region_fd(region);
	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CU_ASSERT_EQUAL(fcntl(fd, F_GET_SEALS) & SEALS, SEALS);
	CU_ASSERT(ftruncate(fd, 0) != 0 && errno == EPERM);
	CU_ASSERT(ftruncate(fd, SIZE + PAGE) != 0 && errno == EPERM);
	CU_ASSERT_EQUAL(hnuma_region_piece(region, PAGE, 1, &piece), 0);
	CU_ASSERT_EQUAL(piece.fd, fd);
	CU_ASSERT_EQUAL(piece.offset, PAGE);
	base = hnuma_region_base(region);
	CU_ASSERT_EQUAL(hnuma_region_offset(region, base + SIZE - 1, &offset), 0);
	CU_ASSERT_EQUAL(offset, SIZE - 1);
	CU_ASSERT_EQUAL(hnuma_region_offset(region, base + SIZE, &offset), -EFAULT);
	CU_ASSERT_EQUAL(hnuma_region_offset(region, base - 1, &offset), -EFAULT);
	CU_ASSERT_EQUAL(hnuma_region_offset(NULL, base, &offset), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_region_offset(region, base, NULL), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
	check_unchanged(&before);
	CU_ASSERT_EQUAL(hnuma_region_fd(NULL), -EINVAL);
}

static void test_not_shared(void)
{
	struct hnuma_region_attr attr = make_attr(HNUMA_BACKING_HUGETLB);
	struct hnuma_region *region;

	if (!check_hugepages(NR_PAGES))
		return;
	attr.flags = 0;
	CU_ASSERT_EQUAL_FATAL(hnuma_region_create(&region, topology, &attr), 0);
	CU_ASSERT_EQUAL(hnuma_region_fd(region), -EBADF);
	check_message("HNUMA_SHARED");
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
}

/* Two mappings of one memory; it stays until the second is gone. */
static void see_each_other(enum hnuma_backing least)
{
	struct hnuma_region *first = create(least), *second;
	enum hnuma_backing backing = backing_of(first);
	unsigned char *a, *b;

	second = open_region(hnuma_region_fd(first));
	check_region(first, backing);
	check_region(second, backing);
	a = hnuma_region_base(first);
	b = hnuma_region_base(second);
	CU_ASSERT(a != b && (uintptr_t)b % PAGE == 0);
	memset(a, 0x11, SIZE);
	CU_ASSERT_EQUAL(b[SIZE - 1], 0x11);
	b[PAGE] = 0x22;
	CU_ASSERT_EQUAL(a[PAGE], 0x22);
	CU_ASSERT_NOT_EQUAL(hnuma_region_fd(second), hnuma_region_fd(first));
	CU_ASSERT_EQUAL(hnuma_region_destroy(first), 0);
	CU_ASSERT_EQUAL(b[PAGE], 0x22);
	CU_ASSERT_EQUAL(b[0], 0x11);
	check_region(second, backing);
	CU_ASSERT_EQUAL(hnuma_region_destroy(second), 0);
}

static void test_open(void)
{
	struct check_state before;

	if (!check_hugepages(NR_PAGES))
		return;
	check_snapshot(&before);
	see_each_other(HNUMA_BACKING_HUGETLB);
	check_unchanged(&before);
}

/* Without hugetlb pages: what was obtained is said, transparent huge pages only where they are. */
static void test_lower(void)
{
	struct hnuma_region_attr attr = make_attr(HNUMA_BACKING_HUGETLB);
	struct hnuma_region *region, *other;
	struct hnuma_region_info info;
	struct check_state before;

	if (!check_hugepages_exactly(home, 0))
		return;
	check_snapshot(&before);
	see_each_other(HNUMA_BACKING_BASE);
	region = create(HNUMA_BACKING_BASE);
	CU_ASSERT_EQUAL(hnuma_region_info(region, &info), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(info.reason, "hugetlb pages: "));
	CU_ASSERT(info.backing == HNUMA_BACKING_THP ||
		  strstr(info.reason, "transparent huge pages: "));
	CU_ASSERT_EQUAL(hnuma_region_open(&other, topology, hnuma_region_fd(region), &attr),
			-ENOMEM);
	check_message("no hugetlb pages");
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
	check_unchanged(&before);
}

/* A kernel without transparent huge pages: base pages can be had, and opened elsewhere. */
static int advise_without_thp(void *address, size_t length, int advice)
{
	if (advice == MADV_HUGEPAGE || advice == 25 /* MADV_COLLAPSE */)
		return -EINVAL;
	return fail_sys.real.advise(address, length, advice);
}

static void test_without_thp(void)
{
	struct hnuma_region_attr attr = make_attr(HNUMA_BACKING_THP);
	struct hnuma_region *region;

	if (!check_hugepages_exactly(home, 0))
		return;
	fail_sys_install();
	hnuma_sys.advise = advise_without_thp;
	CU_ASSERT_EQUAL(hnuma_region_create(&region, topology, &attr), -ENOMEM);
	see_each_other(HNUMA_BACKING_BASE);
	fail_sys_remove();
}

/* The other process: has nothing but what the socket brings. Its exit code tells. */
static int be_other(int socket)
{
	struct hnuma_region_attr attr = make_attr(HNUMA_BACKING_HUGETLB);
	struct hnuma_placement placement;
	struct hnuma_region *region;
	unsigned char *base;
	int fd;

	if (take_fds(socket, &fd, 1) != 1)
		return 10;
	attr.size = 0;
	if (hnuma_region_open(&region, topology, fd, &attr))
		return 11;
	close(fd);
	base = hnuma_region_base(region);
	if (base[PAGE + 5] != 0x33 || hnuma_region_size(region) != SIZE)
		return 12;
	if (hnuma_region_verify(region, &placement) || placement.pages_here != NR_PAGES)
		return 13;
	base[PAGE + 6] = 0x44;
	return hnuma_region_destroy(region) ? 14 : 0;
}

static void test_socket(void)
{
	struct hnuma_region *region;
	unsigned char *base;
	int sockets[2], status, fd;
	pid_t other;

	if (!check_hugepages(NR_PAGES))
		return;
	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
	/* Before the region is there, so that nothing of it is inherited. */
	other = check_fork();
	if (other == 0)
		_exit(be_other(sockets[1]));
	CU_ASSERT_FATAL(other > 0);
	region = create(HNUMA_BACKING_HUGETLB);
	base = hnuma_region_base(region);
	base[PAGE + 5] = 0x33;
	fd = hnuma_region_fd(region);
	CU_ASSERT(pass_fds(sockets[0], &fd, 1));
	CU_ASSERT_EQUAL(waitpid(other, &status, 0), other);
	CU_ASSERT_EQUAL(status, 0);
	CU_ASSERT_EQUAL(base[PAGE + 6], 0x44);
	check_region(region, HNUMA_BACKING_HUGETLB);
	close(sockets[0]);
	close(sockets[1]);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
}

static void in_child(void *arg)
{
	struct hnuma_region *region = arg;
	unsigned char *base = hnuma_region_base(region);

	CU_ASSERT_PTR_NOT_NULL_FATAL(base);
	CU_ASSERT_EQUAL(base[1], 0x55);
	base[2] = 0x66;
	CU_ASSERT(hnuma_region_fd(region) >= 0);
	/* Until a page is touched the child has none there, and is told nothing of it. */
	for (size_t at = 0; at < SIZE; at += PAGE)
		base[at + 3] = 1;
	check_region(region, HNUMA_BACKING_HUGETLB);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
}

static void test_fork(void)
{
	struct hnuma_region *region;
	unsigned char *base;

	if (!check_hugepages(NR_PAGES))
		return;
	region = create(HNUMA_BACKING_HUGETLB);
	base = hnuma_region_base(region);
	base[1] = 0x55;
	CU_ASSERT_EQUAL(check_in_child(in_child, region), 0);
	CU_ASSERT_EQUAL(base[2], 0x66);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
}

static void refuse(int fd, const struct hnuma_region_attr *attr, int error, const char *words)
{
	struct hnuma_region *region = (struct hnuma_region *)1;
	struct check_state before;

	check_snapshot(&before);
	CU_ASSERT_EQUAL(hnuma_region_open(&region, topology, fd, attr), error);
	CU_ASSERT_PTR_NULL(region);
	check_message(words);
	check_unchanged(&before);
}

/* A memfd of base pages with a size and seals of its own. */
static int make_file(off_t size, int seals)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(ftruncate(fd, size), 0);
	CU_ASSERT_EQUAL(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

/* As of hugetlb pages of 1 GB, which few machines have. */
static int describe_larger_pages(int fd, struct hnuma_sys_file *file)
{
	int error = fail_sys.real.describe(fd, file);

	file->is_hugetlb = true;
	file->page_size = (size_t)1 << 30;
	return error;
}

static void test_refused(void)
{
	struct hnuma_region_attr attr = make_attr(HNUMA_BACKING_BASE);
	struct hnuma_region *region, *other = (struct hnuma_region *)1;
	char path[64];
	int fd;

	if (!check_hugepages(NR_PAGES))
		return;
	refuse(1023, &attr, -EBADF, "descriptor 1023");
	fail_sys_install();
	hnuma_sys.describe = describe_larger_pages;
	fd = make_file(SIZE, SEALS);
	refuse(fd, &attr, -EINVAL, "pages of 1073741824 bytes, not 2 MB");
	close(fd);
	fail_sys_remove();
	fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	refuse(fd, &attr, -EINVAL, "no memfd");
	close(fd);
	fd = make_file(SIZE, F_SEAL_SHRINK);
	refuse(fd, &attr, -EINVAL, "not sealed");
	close(fd);
	fd = make_file(SIZE + 4096, SEALS);
	refuse(fd, &attr, -EINVAL, "not whole pages");
	close(fd);
	fd = make_file(0, SEALS);
	refuse(fd, &attr, -EINVAL, "not whole pages");
	close(fd);

	region = create(HNUMA_BACKING_HUGETLB);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", hnuma_region_fd(region));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	refuse(fd, &attr, -EACCES, "Permission denied");
	close(fd);
	fd = hnuma_region_fd(region);
	attr.size = SIZE + 1;
	refuse(fd, &attr, -EINVAL, "was expected");
	attr = make_attr(HNUMA_BACKING_BASE);
	attr.node = 1023;
	refuse(fd, &attr, -ENODEV, "1023");
	attr = make_attr(HNUMA_BACKING_BASE);
	attr.flags = 1u << 31;
	refuse(fd, &attr, -EINVAL, "flags");
	attr = make_attr(HNUMA_BACKING_BASE);
	attr.struct_size = 8;
	refuse(fd, &attr, -EINVAL, "struct_size");
	CU_ASSERT_EQUAL(hnuma_region_open(NULL, topology, fd, &attr), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_region_open(&other, topology, fd, NULL), -EINVAL);
	CU_ASSERT_PTR_NULL(other);
	check_message("attr is NULL");
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
}

/* The pages lie where the maker has them, and that is what is said: not that they were bound. */
static void test_open_places(void)
{
	static const struct fake_file no_numa_maps[] = {{"/proc/self/numa_maps", NULL, -EACCES},
							{0}};
	struct hnuma_region_attr attr = make_attr(HNUMA_BACKING_HUGETLB);
	const struct hnuma_sys saved = hnuma_sys;
	struct hnuma_region *region, *other;
	struct hnuma_region_info info;

	if (!check_knows_nodes() || !check_hugepages(NR_PAGES))
		return;
	region = create(HNUMA_BACKING_HUGETLB);
	hnuma_sys.query_pages = query_says;
	query_answer = HNUMA_MAX_NODES - 1;
	refuse(hnuma_region_fd(region), &attr, -EIO, "3 of 3 pages do not lie on node");
	attr.policy = HNUMA_POLICY_PREFERRED;
	CU_ASSERT_EQUAL_FATAL(hnuma_region_open(&other, topology, hnuma_region_fd(region), &attr),
			      0);
	CU_ASSERT_EQUAL(hnuma_region_info(other, &info), 0);
	CU_ASSERT_EQUAL(info.node, HNUMA_MAX_NODES - 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(info.reason, "3 of 3 pages do not lie on node"));
	CU_ASSERT_EQUAL(hnuma_region_destroy(other), 0);
	query_answer = -EFAULT;
	attr.policy = HNUMA_POLICY_BIND;
	fake_files_begin(no_numa_maps, false);
	CU_ASSERT_EQUAL_FATAL(hnuma_region_open(&other, topology, hnuma_region_fd(region), &attr),
			      0);
	CU_ASSERT_EQUAL(hnuma_region_info(other, &info), 0);
	CU_ASSERT_EQUAL(info.node, HNUMA_NODE_NONE);
	CU_ASSERT_PTR_NOT_NULL(strstr(info.reason, "does not tell where 3 of 3 pages"));
	fake_files_end();
	hnuma_sys = saved;
	CU_ASSERT_EQUAL(hnuma_region_destroy(other), 0);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
}

/* Whatever call fails while a file is opened, nothing is left, and the file is as it was. */
static void test_open_fails(void)
{
	static const int errors[] = {-ENOMEM, -EPERM};
	struct hnuma_directory_entry entry = {.kind = HNUMA_OBJECT_MANAGER};
	struct hnuma_region_attr attr = make_attr(HNUMA_BACKING_HUGETLB);
	struct hnuma_region *region;
	uint64_t id = hnuma_directory_add(&entry);
	unsigned nr_failed = 0;

	if (!check_hugepages(NR_PAGES))
		return;
	region = create(HNUMA_BACKING_HUGETLB);
	memset(hnuma_region_base(region), 0x77, SIZE);
	fail_sys_install();
	for (int i = 0; i < FAIL_NR_ENTRIES * 4; i++) {
		bool has_happened = true;

		for (long at = 1; has_happened; at++) {
			struct hnuma_region *other = NULL;
			struct check_state before;
			int error;

			check_snapshot(&before);
			fail_sys_begin((enum fail_entry)(i / 4), at, i % 2, errors[i / 2 % 2]);
			error = hnuma_region_open(&other, topology, hnuma_region_fd(region), &attr);
			has_happened = fail_sys_end();
			CU_ASSERT(error == 0 || (has_happened && !other && hnuma_errormsg()[0]));
			nr_failed += error != 0;
			if (!error)
				CU_ASSERT_EQUAL(hnuma_region_destroy(other), 0);
			CU_ASSERT(fail_sys_clean() == 0 || (i / 4 == FAIL_UNMAP && i % 2));
			check_unchanged(&before);
		}
	}
	fail_sys_remove();
	CU_ASSERT(nr_failed > 20);
	check_region(region, HNUMA_BACKING_HUGETLB);
	CU_ASSERT_EQUAL(((unsigned char *)hnuma_region_base(region))[SIZE - 1], 0x77);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
	hnuma_directory_remove(id);
}

/* A thread that is cancelled meanwhile is so when the call has returned, and not half-way. */
static void *cancelled(void *arg)
{
	struct hnuma_region *region = create(HNUMA_BACKING_HUGETLB);

	pthread_cancel(pthread_self());
	*(int *)arg = hnuma_region_fd(region);
	if (hnuma_region_destroy(region) == 0)
		pthread_testcancel();
	return NULL;
}

static void test_cancelled(void)
{
	pthread_t thread;
	void *result;
	int fd = -1;

	if (!check_hugepages(NR_PAGES))
		return;
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, cancelled, &fd), 0);
	CU_ASSERT_EQUAL(pthread_join(thread, &result), 0);
	CU_ASSERT_PTR_EQUAL(result, PTHREAD_CANCELED);
	CU_ASSERT(fd >= 0 && fcntl(fd, F_GETFD) < 0);
}

/* A pool's block, found in another mapping by node and offset. */
static void test_block(void)
{
	struct hnuma_pool_attr attr = HNUMA_POOL_ATTR_INIT;
	struct hnuma_region_attr as = make_attr(HNUMA_BACKING_BASE);
	const struct hnuma_region *region;
	struct hnuma_region *other;
	struct hnuma_pool *pool;
	char *block;
	size_t offset;

	attr.flags = HNUMA_SHARED;
	attr.bytes_per_node = PAGE;
	attr.least_backing = HNUMA_BACKING_BASE;
	CU_ASSERT_EQUAL_FATAL(hnuma_pool_create(&pool, topology, &attr), 0);
	block = hnuma_pool_acquire(pool, HNUMA_CLASS_4K);
	CU_ASSERT_PTR_NOT_NULL_FATAL(block);
	strcpy(block, "keys and values");
	region = hnuma_pool_region(pool, hnuma_pool_node_of(pool, block));
	CU_ASSERT_EQUAL(hnuma_region_offset(region, block, &offset), 0);
	as.size = 0;
	as.node = hnuma_pool_node_of(pool, block);
	CU_ASSERT_EQUAL_FATAL(hnuma_region_open(&other, topology, hnuma_region_fd(region), &as), 0);
	CU_ASSERT_STRING_EQUAL((char *)hnuma_region_base(other) + offset, "keys and values");
	CU_ASSERT_EQUAL(hnuma_region_destroy(other), 0);
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, block), 0);
	CU_ASSERT_EQUAL(hnuma_pool_destroy(pool), 0);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"the file", test_file},
		{"a region that is not shared", test_not_shared},
		{"two mappings", test_open},
		{"without hugetlb pages", test_lower},
		{"without transparent huge pages", test_without_thp},
		{"over a socket", test_socket},
		{"fork", test_fork},
		{"files that are refused (row 41)", test_refused},
		{"where the maker has the pages", test_open_places},
		{"each call fails", test_open_fails},
		{"a thread that is cancelled", test_cancelled},
		{"a block elsewhere", test_block},
		CU_TEST_INFO_NULL,
	};

	topology = check_topology();
	home = check_home_node();
	return check_main("share", tests);
}
