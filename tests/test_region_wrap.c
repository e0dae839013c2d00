/* SPDX-License-Identifier: MIT */
/*
 * tests/test_region_wrap.c - numa/wrap: regions of memory that the caller brings: what they are said to
 * be, and that nothing is done to the memory.
 */
#include "config.h"

#include <fcntl.h>
#include <linux/perf_event.h>
#include <numaif.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <hugenuma.h>

#include "numa/sys.h"
#include "tests/check.h"
#include "tests/fake_files.h"
#include "tests/query.h"
#include "tests/wrapped.h"

static struct hnuma_sys saved;

static struct hnuma_region_info info_of(const struct hnuma_region *region)
{
	struct hnuma_region_info info;

	CU_ASSERT_EQUAL_FATAL(hnuma_region_info(region, &info), 0);
	return info;
}

/* Memory of which every page has been touched, of a kind: what is said of it. */
static void check_region(struct hnuma_region *region, enum hnuma_backing backing, size_t page_size)
{
	struct hnuma_region_info info = info_of(region);

	CU_ASSERT_EQUAL(info.backing, backing);
	CU_ASSERT_EQUAL(info.page_size, page_size);
	CU_ASSERT(!check_knows_nodes() || hnuma_topology_nr_nodes(topology) > 1 ||
		  info.node == home);
	/* Where the system does not tell of its nodes, this is said of every region. */
	CU_ASSERT(!check_knows_nodes() ||
		  (info.reason[0] == '\0') == (backing != HNUMA_BACKING_BASE));
	check_places(region, page_size, 0);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
}

/* Take a word out of a line, where it is. */
static void strike(char *line, const char *word)
{
	char *begin = strstr(line, word), *end;

	if (!begin)
		return;
	end = begin + strlen(word) + strcspn(begin + strlen(word), " \n");
	memmove(begin, end, strlen(end) + 1);
}

/*
 * What the system says of the mapping that begins at an address, its policy included; but not which pages
 * were used lately, as the kernel changes its mind about that by itself.
 */
static void describe(const void *address, char *text, size_t size)
{
	char line[512], begin[32];
	bool is_inside = false;
	size_t used = 0;
	FILE *file = fopen("/proc/self/smaps", "re");

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	text[0] = '\0';
	snprintf(begin, sizeof(begin), "%08lx-", (unsigned long)address);
	while (fgets(line, sizeof(line), file)) {
		if (strchr(line, '-') && strchr(line, ':') > strchr(line, '-'))
			is_inside = strncmp(line, begin, strlen(begin)) == 0;
		if (is_inside && strncmp(line, "Referenced:", strlen("Referenced:")) != 0 &&
		    used < size)
			used += (size_t)snprintf(text + used, size - used, "%s", line);
	}
	fclose(file);
	file = fopen("/proc/self/numa_maps", "re");
	snprintf(begin, sizeof(begin), "%08lx ", (unsigned long)address);
	while (file && fgets(line, sizeof(line), file)) {
		strike(line, " active=");
		if (strncmp(line, begin, strlen(begin)) == 0 && used < size)
			used += (size_t)snprintf(text + used, size - used, "%s", line);
	}
	if (file)
		fclose(file);
	CU_ASSERT(used > 0 && used < size);
}

/* It is a region like others, and afterwards the memory is what it was. */
static void test_all(void)
{
	static char before[8192], after[8192];
	struct hnuma_region_attr attr = make_attr();
	unsigned char *memory = map_private();
	unsigned long node = 1ul << home;
	struct hnuma_region_place place;
	struct hnuma_region *region;
	struct check_state state;
	struct hnuma_piece piece;
	size_t offset;

	/* Where it is refused, the policy is the default one. */
	(void)mbind(memory, SIZE, MPOL_PREFERRED, &node, 8 * sizeof(node), 0);
	memset(memory, 0x5a, SIZE);
	describe(memory, before, sizeof(before));
	check_snapshot(&state);
	region = wrap(memory, &attr);
	CU_ASSERT_EQUAL(hnuma_region_of(memory + SIZE - 1, &place), 0);
	CU_ASSERT(place.region == region && place.base == memory && place.size == SIZE);
	CU_ASSERT_EQUAL(hnuma_region_of(memory + SIZE, &place), -ENOENT);
	CU_ASSERT_EQUAL(hnuma_region_offset(region, memory + PAGE, &offset), 0);
	CU_ASSERT_EQUAL(offset, PAGE);
	CU_ASSERT_EQUAL(hnuma_region_piece(region, PAGE, NR_PAGES - 1, &piece), 0);
	CU_ASSERT(piece.base == memory + SIZE - PAGE && piece.fd == -1);
	CU_ASSERT_EQUAL(hnuma_region_piece(region, PAGE, NR_PAGES, &piece), -ENODEV);
	CU_ASSERT_EQUAL(hnuma_region_fd(region), -EBADF);
	check_region(region, HNUMA_BACKING_BASE, base_page);
	CU_ASSERT_EQUAL(hnuma_region_of(memory, &place), -ENOENT);
	check_unchanged(&state);
	describe(memory, after, sizeof(after));
	if (strcmp(before, after) != 0)
		printf("\nbefore:\n%safter:\n%s", before, after);
	CU_ASSERT_STRING_EQUAL(before, after);
	CU_ASSERT(memory[0] == 0x5a && memcmp(memory, memory + 1, SIZE - 1) == 0);
	unmap(memory);
}

/* What was not touched yet has no page anywhere. */
static void test_untouched(void)
{
	struct hnuma_region_attr attr = make_attr();
	unsigned char *memory = map_private();
	struct hnuma_region *region = wrap(memory, &attr);
	struct hnuma_region_info info = info_of(region);

	CU_ASSERT_EQUAL(info.node, HNUMA_NODE_NONE);
	CU_ASSERT_PTR_NOT_NULL(strstr(info.reason, "does not tell where"));
	check_places(region, base_page, SIZE / base_page);
	memset(memory, 1, PAGE);
	check_places(region, base_page, (SIZE - PAGE) / base_page);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
	/* A node that is asked for is not contradicted by what is not known. */
	attr.policy = HNUMA_POLICY_BIND;
	memory[0] = 0;
	if (hnuma_topology_nr_nodes(topology) == 1)
		CU_ASSERT_EQUAL(hnuma_region_destroy(wrap(memory, &attr)), 0);
	unmap(memory);
}

static void test_hugetlb(void)
{
	struct hnuma_region_attr attr = make_attr();
	unsigned char *memory;

	if (!check_hugepages(NR_PAGES))
		return;
	attr.least_backing = HNUMA_BACKING_HUGETLB;
	memory = map(MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | 21 << MAP_HUGE_SHIFT, -1);
	memset(memory, 1, SIZE);
	check_region(wrap(memory, &attr), HNUMA_BACKING_HUGETLB, PAGE);
	CU_ASSERT_EQUAL(memory[SIZE - 1], 1);
	unmap(memory);
}

/* Files: without a name, with one in memory, and a device that gives memory. */
static void wrap_file(int fd)
{
	struct hnuma_region_attr attr = make_attr();
	unsigned char *memory;

	CU_ASSERT_FATAL(fd >= 0);
	memory = map(MAP_SHARED, fd);
	memset(memory, 1, SIZE);
	check_region(wrap(memory, &attr), HNUMA_BACKING_BASE, base_page);
	CU_ASSERT_EQUAL(memory[SIZE - 1], 1);
	unmap(memory);
	close(fd);
}

static void test_files(void)
{
	char path[] = "/dev/shm/hugenuma-test-XXXXXX";
	int fd = memfd_create("elsewhere", MFD_CLOEXEC);

	CU_ASSERT_EQUAL(ftruncate(fd, SIZE), 0);
	wrap_file(fd);
	wrap_file(open("/dev/zero", O_RDWR | O_CLOEXEC));
	fd = mkostemp(path, O_CLOEXEC);
	/* A machine need not have this folder. */
	if (fd < 0)
		return;
	CU_ASSERT_EQUAL(unlink(path), 0);
	CU_ASSERT_EQUAL(ftruncate(fd, SIZE), 0);
	wrap_file(fd);
}

/* ---- What the kernel could say -------------------------------------------------------------- */

/* Wrapped while /proc/self/smaps says this of its mappings. */
static void wrap_as(const char *smaps, unsigned char *memory, enum hnuma_backing least, int error,
		    enum hnuma_backing backing, size_t page_size)
{
	const struct fake_file files[] = {{"/proc/self/smaps", smaps, -EACCES}, {0}};
	struct hnuma_region_attr attr = make_attr();
	struct hnuma_region *region;

	attr.least_backing = least;
	fake_files_begin(files, false);
	CU_ASSERT_EQUAL(hnuma_region_wrap(&region, topology, memory, &attr), error);
	if (region) {
		CU_ASSERT_EQUAL(info_of(region).backing, backing);
		CU_ASSERT_EQUAL(info_of(region).page_size, page_size);
	}
	fake_files_end();
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
}

/* A mapping of smaps, from begin to end in bytes from the memory on. */
static const char *mapping(const unsigned char *memory, long begin, long end, const char *rest)
{
	static char text[2][512];
	static unsigned next;
	char *line = text[next++ % 2];

	snprintf(line, sizeof(text[0]), "%lx-%lx rw-p 00000000 00:00 0\n%s",
		 (unsigned long)(memory + begin), (unsigned long)(memory + end), rest);
	return line;
}

#define KERNEL_PAGE(kb) "KernelPageSize:     " kb " kB\n"
#define HUGE_KB(kb)	"AnonHugePages:      " kb " kB\n"

static void test_smaps(void)
{
	static const char all_thp[] = KERNEL_PAGE("4") HUGE_KB("6144");
	const enum hnuma_backing thp = HNUMA_BACKING_THP, base = HNUMA_BACKING_BASE;
	unsigned char *memory = map_private(), *aligned;
	const long size = (long)SIZE, page = (long)PAGE;
	char two[1024];

	wrap_as(mapping(memory, 0, size, all_thp), memory, thp, 0, thp, PAGE);
	wrap_as(mapping(memory, 0, size, KERNEL_PAGE("4") "FilePmdMapped:  6144 kB\n"), memory, thp,
		0, thp, PAGE);
	wrap_as(mapping(memory, 0, size, KERNEL_PAGE("4") HUGE_KB("4096")), memory, thp, -ENOMEM,
		base, 0);
	check_message("4194304 of 6291456 bytes");
	/* It has a page and a half before the memory, and one behind it, and all of it is huge; or not. */
	wrap_as(mapping(memory, -page * 3 / 2, size + page, KERNEL_PAGE("4") HUGE_KB("10240")),
		memory, thp, 0, thp, PAGE);
	wrap_as(mapping(memory, -page * 3 / 2, size + page, KERNEL_PAGE("4") HUGE_KB("8192")),
		memory, thp, -ENOMEM, base, 0);
	check_message("reach beyond");
	wrap_as(mapping(memory, -page * 3 / 2, size + page, KERNEL_PAGE("4") HUGE_KB("8192")),
		memory, base, 0, base, 4096);
	/* A device whose pages are of 2 MB, and hugetlb pages of 1 GB. */
	wrap_as(mapping(memory, 0, size, KERNEL_PAGE("2048") "VmFlags: rd wr sh mr mw me ms\n"),
		memory, thp, 0, thp, PAGE);
	wrap_as(mapping(memory, 0, size, KERNEL_PAGE("2048") "VmFlags: rd wr sh mr mw me ms\n"),
		memory, HNUMA_BACKING_HUGETLB, -ENOMEM, thp, 0);
	wrap_as(mapping(memory, 0, size, KERNEL_PAGE("2048") "VmFlags: rd wr mr mw me de ht\n"),
		memory, thp, 0, HNUMA_BACKING_HUGETLB, PAGE);
	wrap_as(mapping(memory, -page, size + page,
			KERNEL_PAGE("1048576") "VmFlags: rd wr mr mw me de ht\n"),
		memory, thp, -EINVAL, base, 0);
	check_message("pages are of 1073741824 bytes");
	/* The address is a multiple of its pages' 4 MB, the size is not. */
	aligned = memory + (uintptr_t)memory % (2 * PAGE);
	wrap_as(mapping(aligned, 0, size + page, KERNEL_PAGE("4096") "VmFlags: rd wr ht\n"),
		aligned, thp, -EINVAL, base, 0);
	/* Two mappings, the second one of base pages; or with a gap between. */
	snprintf(two, sizeof(two), "%s%s",
		 mapping(memory, 0, page, KERNEL_PAGE("4") HUGE_KB("2048")),
		 mapping(memory, page, size, KERNEL_PAGE("4")));
	wrap_as(two, memory, base, 0, base, 4096);
	snprintf(two, sizeof(two), "%s%s", mapping(memory, 0, page, KERNEL_PAGE("4")),
		 mapping(memory, page + 4096, size, KERNEL_PAGE("4")));
	wrap_as(two, memory, base, -EFAULT, base, 0);
	check_message("only 6287360 bytes");
	/* Files that tell nothing. */
	wrap_as(mapping(memory, 0, size, ""), memory, base, -ENOENT, base, 0);
	wrap_as("", memory, base, -EFAULT, base, 0);
	wrap_as(NULL, memory, base, -EACCES, base, 0);
	check_message("/proc/self/smaps");
	unmap(memory);
}

/* Transparent huge pages, where the system gives them. */
static void test_thp(void)
{
	struct hnuma_region_attr attr = make_attr();
	unsigned char *memory = map_private();
	struct hnuma_region *region;

	if (madvise(memory, SIZE, MADV_HUGEPAGE))
		goto out;
	memset(memory, 1, SIZE);
	region = wrap(memory, &attr);
	if (info_of(region).backing == HNUMA_BACKING_THP)
		check_region(region, HNUMA_BACKING_THP, PAGE);
	else
		CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
out:
	unmap(memory);
}

static int query_refused(unsigned long count, void **pages, int *status)
{
	(void)count;
	(void)pages;
	(void)status;
	return -EPERM;
}

static void test_elsewhere(void)
{
	struct hnuma_region_attr attr = make_attr();
	unsigned char *memory = map_private();
	struct hnuma_placement placement;
	struct hnuma_region *region;

	memset(memory, 1, SIZE);
	query_answer = HNUMA_MAX_NODES - 1;
	hnuma_sys.query_pages = query_says;
	attr.policy = HNUMA_POLICY_BIND;
	if (check_knows_nodes())
		refuse(memory, &attr, -EIO, "do not lie on node");
	attr.policy = HNUMA_POLICY_PREFERRED;
	region = wrap(memory, &attr);
	CU_ASSERT_EQUAL(info_of(region).node, query_answer);
	CU_ASSERT(!check_knows_nodes() || strstr(info_of(region).reason, "do not lie on node"));
	CU_ASSERT_EQUAL(hnuma_region_verify(region, &placement), 0);
	CU_ASSERT_EQUAL(placement.pages_elsewhere, SIZE / base_page);
	hnuma_sys = saved;
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
	unmap(memory);
}

/*
 * Memory that a driver maps and the kernel has no books of: here perf's buffer, where this may be had.
 * Older kernels have its pages in their books.
 */
static void wrap_perf_buffer(void)
{
	static char text[8192];
	struct perf_event_attr event = {.size = sizeof(event), .type = PERF_TYPE_SOFTWARE};
	const size_t size = base_page + 2 * PAGE; /* a page of the driver's before the buffer */
	struct hnuma_region_attr attr = make_attr();
	unsigned char *room = map_private();
	unsigned char *begin = room + PAGE - base_page;
	struct hnuma_placement placement;
	struct hnuma_region *region;
	int fd;

	event.config = PERF_COUNT_SW_DUMMY;
	fd = (int)syscall(SYS_perf_event_open, &event, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd >= 0 && mmap(begin, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) ==
			       (void *)begin) {
		attr.size = 2 * PAGE;
		region = wrap(room + PAGE, &attr);
		describe(begin, text, sizeof(text));
		CU_ASSERT_EQUAL(hnuma_region_verify(region, &placement), 0);
		CU_ASSERT_EQUAL(placement.pages_total, 2 * PAGE / base_page);
		CU_ASSERT(!strstr(text, " pf ") ||
			  placement.pages_unknown == placement.pages_total);
		CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
	}
	if (fd >= 0)
		close(fd);
	unmap(room);
}

/* Of a device's memory the kernel tells neither page by page nor in sum. */
static void test_device(void)
{
	static const struct fake_file files[] = {{"/proc/self/numa_maps", "", 0}, {0}};
	struct hnuma_region_attr attr = make_attr();
	unsigned char *memory = map_private();
	struct hnuma_region *region;

	memset(memory, 1, SIZE);
	query_answer = -EFAULT;
	hnuma_sys.query_pages = query_says;
	attr.policy = HNUMA_POLICY_BIND;
	fake_files_begin(files, false);
	region = wrap(memory, &attr);
	CU_ASSERT_EQUAL(info_of(region).node, HNUMA_NODE_NONE);
	CU_ASSERT_PTR_NOT_NULL(strstr(info_of(region).reason, "does not tell where"));
	check_places(region, base_page, SIZE / base_page);
	fake_files_end();
	hnuma_sys = saved;
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
	unmap(memory);
	wrap_perf_buffer();
}

/* Without move_pages() numa_maps tells of whole mappings, and nothing of one that reaches beyond. */
static void test_numa_maps(void)
{
	struct hnuma_region_attr attr = make_attr();
	unsigned char *memory = map_private();
	struct hnuma_region *region;

	hnuma_sys.query_pages = query_refused;
	attr.size = PAGE;
	/* As many pages as the region has, but behind it. */
	memset(memory + PAGE, 1, PAGE);
	region = wrap(memory, &attr);
	CU_ASSERT_EQUAL(info_of(region).node, HNUMA_NODE_NONE);
	CU_ASSERT_PTR_NOT_NULL(strstr(info_of(region).reason, "tell where 512 of 512 pages"));
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
	memset(memory, 1, SIZE);
	attr.size = SIZE;
	check_region(wrap(memory, &attr), HNUMA_BACKING_BASE, base_page);
	hnuma_sys = saved;
	unmap(memory);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"a region like others", test_all},  {"untouched", test_untouched},
		{"hugetlb pages", test_hugetlb},     {"files", test_files},
		{"what smaps says", test_smaps},     {"transparent huge pages", test_thp},
		{"on another node", test_elsewhere}, {"a device's memory", test_device},
		{"numa_maps", test_numa_maps},	     CU_TEST_INFO_NULL,
	};

	saved = hnuma_sys;
	return wrapped_main("region_wrap", tests);
}
