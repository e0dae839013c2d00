/* SPDX-License-Identifier: MIT */
/*
 * tests/test_adopt_refused.c - what is no manager that could be adopted: each refused with its error,
 * and nothing changed.
 */
#include "config.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <hugenuma.h>

#include "lib/handover.h"
#include "lib/pool_books.h"
#include "tests/adopt.h"
#include "tests/foreign.h"

static void test_arguments(void)
{
	struct hnuma_config config = adopt_config();
	struct hnuma_manager *manager, *none;
	int fds[2];

	if (!check_hugepages(ADOPT_PAGES))
		return;
	manager = adopt_make(&config);
	CU_ASSERT_EQUAL(hnuma_manager_fds(NULL, fds, 1), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_manager_fds(manager, NULL, 1), -EINVAL);
	fds[1] = -7;
	CU_ASSERT_EQUAL(hnuma_manager_fds(manager, fds, 2), 1);
	CU_ASSERT_EQUAL(fds[1], -7);
	CU_ASSERT_EQUAL(hnuma_manager_leave(NULL), 0);
	CU_ASSERT_EQUAL(hnuma_manager_adopt(NULL, adopt_topology, &adopt_fd, 1, NULL), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_manager_adopt(&none, NULL, &adopt_fd, 1, NULL), -EINVAL);
	adopt_refuse(NULL, 1, -EINVAL, "fds is NULL");
	adopt_refuse(&adopt_fd, 0, -EINVAL, "0 descriptors");
	adopt_refuse(&adopt_fd, HNUMA_MAX_NODES + 1, -EINVAL, "1025 descriptors");
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
	close(adopt_fd);

	config.flags = 0;
	CU_ASSERT_EQUAL_FATAL(hnuma_manager_create(&manager, adopt_topology, &config), 0);
	CU_ASSERT_EQUAL(hnuma_manager_fds(manager, fds, 1), -EBADF);
	check_message("HNUMA_SHARED");
	CU_ASSERT_EQUAL(hnuma_manager_leave(manager), -EBADF);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
}

/* The whole file of what was left, mapped past the library. */
static unsigned char *map_file(size_t *size)
{
	struct hnuma_handover header;
	void *base;

	CU_ASSERT_EQUAL_FATAL(pread(adopt_fd, &header, sizeof(header), 0), (ssize_t)sizeof(header));
	*size = header.layout.size;
	base = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_SHARED, adopt_fd, 0);
	CU_ASSERT_FATAL(base != MAP_FAILED);
	return base;
}

/* It was refused, and is still what can be adopted. */
static void end_damaged(unsigned char *base, size_t size)
{
	struct hnuma_manager *manager;

	munmap(base, size);
	manager = adopt_again();
	adopt_check_blocks(manager);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
	close(adopt_fd);
}

/* Whatever byte of the header is another one. */
static void test_damaged_header(void)
{
	struct hnuma_config config = adopt_config();
	unsigned char *base;
	size_t size;

	if (!check_hugepages(ADOPT_PAGES))
		return;
	adopt_leave_one(&config);
	base = map_file(&size);
	for (size_t i = 0; i < sizeof(struct hnuma_handover); i++) {
		const unsigned char was = base[i];

		base[i] ^= (unsigned char)(1u << i % 8);
		if (i < offsetof(struct hnuma_handover, sum))
			adopt_refuse(&adopt_fd, 1, -EINVAL, "no file of a manager");
		else if (i >= offsetof(struct hnuma_handover, library) &&
			 i < offsetof(struct hnuma_handover, manager))
			adopt_refuse(&adopt_fd, 1, -EPROTO, "another version");
		else
			adopt_refuse(&adopt_fd, 1, -EUCLEAN, "own sum");
		base[i] = was;
	}
	end_damaged(base, size);
}

/* A header that bears its sum, and lies: each field that something would come of. */
static void lie(struct hnuma_handover *header, void *field, size_t size, uint64_t value, int error,
		const char *words)
{
	unsigned char was[sizeof(value)];

	memcpy(was, field, size);
	memcpy(field, &value, size);
	header->sum = hnuma_handover_sum(header);
	adopt_refuse(&adopt_fd, 1, error, words);
	memcpy(field, was, size);
	header->sum = hnuma_handover_sum(header);
}

#define LIE(name, value, error, words) \
	lie(header, &header->name, sizeof(header->name), value, error, words)

static void test_lying_header(void)
{
	struct hnuma_config config = adopt_config();
	struct hnuma_handover *header;
	unsigned char *base;
	size_t size;

	if (!check_hugepages(ADOPT_PAGES))
		return;
	adopt_leave_one(&config);
	base = map_file(&size);
	header = (struct hnuma_handover *)base;
	LIE(nr_regions, 0, -EUCLEAN, "region 0 of 0");
	LIE(nr_regions, HNUMA_MAX_NODES + 1, -EUCLEAN, "region 0 of 1025");
	LIE(index, 1, -EUCLEAN, "region 1 of 1");
	LIE(nr_regions, 2, -ENOENT, "1 of the manager's 2 regions");
	LIE(node, 77, -EXDEV, "other nodes or CPUs");
	LIE(layout.books, 0, -EXDEV, "other nodes or CPUs");
	LIE(layout.scratch, SIZE_MAX, -EXDEV, "other nodes or CPUs");
	LIE(layout.pages, 2 * HNUMA_HUGEPAGE, -EXDEV, "other nodes or CPUs");
	LIE(layout.arena, 0, -EXDEV, "other nodes or CPUs");
	LIE(layout.size, HNUMA_HUGEPAGE, -EXDEV, "other nodes or CPUs");
	LIE(config.struct_size, 1, -EINVAL, "struct_size");
	LIE(config.arena_capacity, SIZE_MAX, -EOVERFLOW, "arena");
	LIE(config.arena_capacity, 0, -EINVAL, "arena");
	LIE(config.arena_capacity, 64 * HNUMA_HUGEPAGE, -EXDEV, "other nodes or CPUs");
	LIE(config.buffers_per_class, 0, -EINVAL, "buffers_per_class");
	LIE(config.scratch_size, 0, -EINVAL, "space");
	LIE(config.max_scratch, 1000, -EXDEV, "other nodes or CPUs");
	LIE(config.pool_bytes_per_node, SIZE_MAX, -EOVERFLOW, "too large");
	LIE(config.hygiene, 9, -EINVAL, "hygiene");
	LIE(config.nodes.bits[15], UINT64_C(1) << 63, -ENODEV, "1023");
	LIE(config.policy, HNUMA_POLICY_INTERLEAVE, -EINVAL, "interleave");
	LIE(config.flags, 1u << 31, -EINVAL, "flag");
	LIE(config.flags, 0, -EXDEV, "other nodes or CPUs");
	LIE(config.flags, HNUMA_SHARED | HNUMA_HARDENED, -EXDEV, "other nodes or CPUs");
	end_damaged(base, size);
}

/* Bytes of the books that are none that the library writes. Nothing is written anywhere. */
static void spoil(unsigned char *base, size_t size, size_t at, unsigned char value,
		  const char *words)
{
	const unsigned char was = base[at];
	unsigned char *copy = malloc(size);

	CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
	base[at] = value;
	memcpy(copy, base, size);
	adopt_refuse(&adopt_fd, 1, -EUCLEAN, words);
	CU_ASSERT_EQUAL(memcmp(copy, base, size), 0);
	base[at] = was;
	free(copy);
}

/* Where the parts of the books lie, in the file. */
static size_t offset_in(const struct hnuma_manager *manager, const volatile void *address)
{
	size_t offset;

	CU_ASSERT_EQUAL_FATAL(hnuma_region_offset(hnuma_manager_region(manager, adopt_home),
						  (const void *)address, &offset),
			      0);
	return offset;
}

static void test_damaged_books(void)
{
	struct hnuma_config config = adopt_config();
	size_t size, first, large, inside, class_at, lost_at, number;
	struct hnuma_manager *manager;
	struct hnuma_home *books;
	unsigned char *base;

	if (!check_hugepages(ADOPT_PAGES))
		return;
	manager = adopt_make(&config);
	adopt_use(manager);
	books = hnuma_pool_home_of_node(hnuma_manager_pool(manager), adopt_home);
	/* Of a block of 256 KB, and inside of it. */
	number = (size_t)(adopt_block_at(manager, 4) - books->base) >> HNUMA_BLOCK_SHIFT;
	first = offset_in(manager, books->states);
	large = offset_in(manager, &books->states[number]);
	inside = offset_in(manager, &books->states[number + 3]);
	class_at = offset_in(manager, books->page_classes);
	lost_at = offset_in(manager, &books->pages[ADOPT_POOL_PAGES - 1].is_lost);
	CU_ASSERT_EQUAL(hnuma_manager_leave(manager), 0);

	base = map_file(&size);
	spoil(base, size, first, 5, "has a block in the state 5");
	spoil(base, size, large, 200, "has a block in the state 200");
	spoil(base, size, inside, HNUMA_BLOCK_OUT, "has a block in the state 2");
	spoil(base, size, class_at, HNUMA_NR_CLASSES, "page 0 of 6 has the class 5");
	spoil(base, size, class_at, HNUMA_NO_CLASS, "page 0 of 6 has a block in the state");
	spoil(base, size, lost_at, 2, "page 5 of 6 has the mark of damage 2");
	end_damaged(base, size);
}

/*
 * Classes, marks and states at random, mostly such as there are: either they are refused, or a pool comes
 * of them whose books are right.
 */
static void test_random_books(void)
{
	struct hnuma_config config = adopt_config();
	unsigned nr_adopted = 0, nr_refused = 0;
	struct hnuma_manager *manager;

	if (!check_hugepages(ADOPT_PAGES))
		return;
	manager = adopt_make(&config);
	for (unsigned i = 0; i < check_rounds(400); i++) {
		struct hnuma_pool *pool = hnuma_manager_pool(manager);
		struct hnuma_home *books = hnuma_pool_home_of_node(pool, adopt_home);
		int error;

		for (uint32_t page = 0; page < ADOPT_POOL_PAGES; page++) {
			int class_index = rand() % (HNUMA_NR_CLASSES + 1);
			uint32_t step =
				class_index < HNUMA_NR_CLASSES ? 1u << 2 * class_index : 2048;

			books->page_classes[page] = class_index < HNUMA_NR_CLASSES
							    ? (unsigned char)class_index
							    : HNUMA_NO_CLASS;
			books->pages[page].is_lost = rand() % 8 == 0;
			for (uint32_t at = 0; at < 2048; at++)
				hnuma_block_set(books, page * 2048 + at, HNUMA_BLOCK_UNMADE);
			for (uint32_t at = 0; step < 2048 && at < 2048; at += step)
				hnuma_block_set(books, page * 2048 + at,
						(enum hnuma_block_state)(rand() % 5));
		}
		if (rand() % 4 == 0)
			hnuma_block_set(books, (uint32_t)rand() % (ADOPT_POOL_PAGES * 2048),
					(enum hnuma_block_state)(rand() % 8));
		CU_ASSERT_EQUAL(hnuma_manager_leave(manager), 0);
		error = hnuma_manager_adopt(&manager, adopt_topology, &adopt_fd, 1, NULL);
		if (error) {
			CU_ASSERT_EQUAL(error, -EUCLEAN);
			nr_refused++;
			/* Away with it. */
			close(adopt_fd);
			manager = adopt_make(&config);
			continue;
		}
		CU_ASSERT_EQUAL(hnuma_pool_check(hnuma_manager_pool(manager)), 0);
		nr_adopted++;
	}
	printf("\n    %u adopted, %u refused ", nr_adopted, nr_refused);
	CU_ASSERT(nr_adopted > nr_refused && nr_refused > 0);
	CU_ASSERT_EQUAL(hnuma_manager_leave(manager), 0);
	close(adopt_fd);
}

/* A file that begins as the region of a manager does. */
static int forge(size_t size, const struct hnuma_handover *like, unsigned index, uint64_t manager)
{
	int forged = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct hnuma_handover header = *like;

	header.index = index;
	header.nr_regions = 2;
	header.manager = manager;
	header.sum = hnuma_handover_sum(&header);
	CU_ASSERT_FATAL(forged >= 0);
	CU_ASSERT_EQUAL(ftruncate(forged, (off_t)size), 0);
	CU_ASSERT_EQUAL(pwrite(forged, &header, sizeof(header), 0), (ssize_t)sizeof(header));
	CU_ASSERT_EQUAL(fcntl(forged, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
	return forged;
}

/* Several regions: of one manager, each once, and all. */
static void test_sets(void)
{
	struct hnuma_config config = adopt_config();
	struct hnuma_handover *header;
	int fds[3];
	unsigned char *base;
	char words[80];
	size_t size;

	if (!check_hugepages(ADOPT_PAGES))
		return;
	adopt_leave_one(&config);
	base = map_file(&size);
	header = (struct hnuma_handover *)base;
	/* A node that no machine has. */
	hnuma_nodeset_add(&header->config.nodes, HNUMA_MAX_NODES - 1);
	fds[0] = forge(size, header, 1, 1);
	fds[1] = forge(size, header, 0, 1);
	fds[2] = forge(size, header, 0, 2);
	snprintf(words, sizeof(words), "1 of the manager's 2 regions were given: that of node %d",
		 adopt_home);
	adopt_refuse(fds, 1, -ENOENT, words);
	snprintf(words, sizeof(words), "that of node %d is missing", HNUMA_MAX_NODES - 1);
	adopt_refuse(fds + 1, 1, -ENOENT, words);
	adopt_refuse(fds + 1, 2, -EINVAL, "are of two managers");
	fds[2] = fds[0];
	adopt_refuse(fds, 3, -EINVAL, "are of the same region");
	fds[2] = fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
	adopt_refuse(fds, 3, -EINVAL, "are of the same region");
	/* A set that is whole goes on to be planned for. */
	adopt_refuse(fds, 2, -ENODEV, "node 1023");
	header->config.buffers_per_class++;
	close(fds[2]);
	fds[2] = forge(size, header, 1, 1);
	header->config.buffers_per_class--;
	adopt_refuse(fds + 1, 2, -EUCLEAN, "contradict each other");
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	header->config.nodes.bits[HNUMA_MAX_NODES / 64 - 1] = 0;
	header->sum = hnuma_handover_sum(header);
	end_damaged(base, size);
}

/* Files that are none, and one of another size. */
static void test_files(void)
{
	struct hnuma_config config = adopt_config();
	struct hnuma_handover header;
	char path[64];
	int other;

	if (!check_hugepages(ADOPT_PAGES))
		return;
	adopt_leave_one(&config);
	other = 1023;
	adopt_refuse(&other, 1, -EBADF, "descriptor 1023");
	other = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	adopt_refuse(&other, 1, -EINVAL, "no memfd");
	close(other);
	other = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	CU_ASSERT_EQUAL(ftruncate(other, HNUMA_HUGEPAGE), 0);
	adopt_refuse(&other, 1, -EINVAL, "not sealed");
	CU_ASSERT_EQUAL(fcntl(other, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
	adopt_refuse(&other, 1, -EINVAL, "no file of a manager");
	close(other);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", adopt_fd);
	other = open(path, O_RDONLY | O_CLOEXEC);
	adopt_refuse(&other, 1, -EACCES, "Permission denied");
	close(other);

	/* The header is right, but there is less behind it. */
	CU_ASSERT_EQUAL(pread(adopt_fd, &header, sizeof(header), 0), (ssize_t)sizeof(header));
	other = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	CU_ASSERT_EQUAL(ftruncate(other, HNUMA_HUGEPAGE), 0);
	CU_ASSERT_EQUAL(pwrite(other, &header, sizeof(header), 0), (ssize_t)sizeof(header));
	CU_ASSERT_EQUAL(fcntl(other, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
	adopt_refuse(&other, 1, -EINVAL, "was expected");
	close(other);

	struct hnuma_manager *manager = adopt_again();

	adopt_check_blocks(manager);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
	close(adopt_fd);
}

static void test_foreign(void)
{
	struct hnuma_config config = adopt_config();
	struct hnuma_topology *own = adopt_topology, *foreign;
	struct hnuma_manager *manager;

	if (!check_hugepages(ADOPT_PAGES))
		return;
	adopt_leave_one(&config);
	CU_ASSERT_EQUAL_FATAL(foreign_create(&foreign, "HWLOC_SYNTHETIC", "numa:4 core:2 pu:1"), 0);
	adopt_topology = foreign;
	adopt_refuse(&adopt_fd, 1, -EXDEV, "");
	adopt_topology = own;
	hnuma_topology_destroy(foreign);
	manager = adopt_again();
	adopt_check_blocks(manager);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
	close(adopt_fd);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"arguments", test_arguments},
		{"damaged headers (row 44)", test_damaged_header},
		{"lying headers", test_lying_header},
		{"damaged books", test_damaged_books},
		{"books at random", test_random_books},
		{"regions missing, doubled, mixed", test_sets},
		{"files that are refused", test_files},
		{"another machine's topology", test_foreign},
		CU_TEST_INFO_NULL,
	};

	return adopt_main("adopt refused", tests);
}
