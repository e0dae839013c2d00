/* SPDX-License-Identifier: MIT */
/*
 * tests/test_adopt_damaged.c - a shared manager is adopted although pages of it have a memory error.
 *
 * Memory is not damaged here: the kernel's answer to populating is made up, as it is seen in the guest
 * damaged-page, and what must not be touched is taken access to.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <hugenuma.h>

#include "lib/handover.h"
#include "numa/sys.h"
#include "tests/adopt.h"
#include "tests/fail_malloc.h"
#include "tests/fail_sys.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define NR_DAMAGED_MAX 16

/* Offsets of pages in the file, ascending, and the entries of the kernel's table that were there. */
static struct {
	size_t offsets[NR_DAMAGED_MAX];
	unsigned nr;
	unsigned char *base; /* where the file is mapped */
	struct hnuma_sys real;
} damage;

/* The first region of a manager is its only one here. */
static int damaged_map(void **address, size_t length, int protection, int flags, int fd)
{
	int error = damage.real.map(address, length, protection, flags, fd);

	if (!error && fd >= 0 && (flags & MAP_FIXED))
		damage.base = *address;
	return error;
}

/* As the kernel: what comes before is populated. To make huge pages of the rest would be to copy it. */
static int damaged_advise(void *address, size_t length, int advice)
{
	unsigned char *begin = address;

	if (advice == MADV_COLLAPSE)
		CU_FAIL("the kernel is led to touch a damaged page");
	for (unsigned i = 0; advice == MADV_POPULATE_WRITE && i < damage.nr; i++) {
		unsigned char *page = damage.base + damage.offsets[i];
		int error = 0;

		if (begin >= page + HNUMA_HUGEPAGE || page >= begin + length)
			continue;
		if (page > begin)
			error = damage.real.advise(begin, (size_t)(page - begin), advice);
		if (mprotect(page, HNUMA_HUGEPAGE, PROT_NONE))
			CU_FAIL("mprotect");
		return error ? error : -EHWPOISON;
	}
	return damage.real.advise(address, length, advice);
}

static void damage_page(size_t offset)
{
	if (damage.nr == 0) {
		damage.real = hnuma_sys;
		hnuma_sys.map = damaged_map;
		hnuma_sys.advise = damaged_advise;
	}
	CU_ASSERT_FATAL(damage.nr < NR_DAMAGED_MAX);
	damage.offsets[damage.nr++] = offset & ~(HNUMA_HUGEPAGE - 1);
}

static void damage_end(void)
{
	if (damage.nr > 0)
		hnuma_sys = damage.real;
	damage.nr = 0;
}

static bool is_damaged(size_t offset)
{
	for (unsigned i = 0; i < damage.nr; i++)
		if (offset - damage.offsets[i] < HNUMA_HUGEPAGE)
			return true;
	return false;
}

static struct hnuma_layout read_layout(void)
{
	struct hnuma_handover header;

	CU_ASSERT_EQUAL_FATAL(pread(adopt_fd, &header, sizeof(header), 0), (ssize_t)sizeof(header));
	return header.layout;
}

/* One walk meets the blocks on sound pages, with their bytes, and the other one those on damaged ones. */
static void check_walks(struct hnuma_manager *manager)
{
	struct hnuma_pool *pool = hnuma_manager_pool(manager);
	unsigned nr_sound = 0;

	for (int i = 0; i < ADOPT_NR_BLOCKS; i++) {
		unsigned char *block = adopt_block_at(manager, i);
		bool is_sound = !is_damaged(adopt_blocks[i].offset);

		CU_ASSERT_EQUAL(adopt_is_met(hnuma_pool_walk, pool, block), is_sound);
		CU_ASSERT_EQUAL(adopt_is_met(hnuma_pool_walk_retired, pool, block), !is_sound);
		CU_ASSERT(!is_sound || adopt_has_bytes(manager, i));
		CU_ASSERT_EQUAL(hnuma_pool_class_of(pool, block), adopt_blocks[i].class_index);
		CU_ASSERT_EQUAL(hnuma_pool_node_of(pool, block), adopt_home);
		nr_sound += is_sound;
	}
	CU_ASSERT_EQUAL(adopt_count(hnuma_pool_walk, pool), nr_sound);
	CU_ASSERT_EQUAL(adopt_count(hnuma_pool_walk_retired, pool), ADOPT_NR_BLOCKS - nr_sound);
	CU_ASSERT_EQUAL(hnuma_pool_check(pool), 0);
}

static void release_all(struct hnuma_manager *manager)
{
	struct hnuma_pool *pool = hnuma_manager_pool(manager);

	for (int i = 0; i < ADOPT_NR_BLOCKS; i++) {
		CU_ASSERT_EQUAL(hnuma_pool_release(pool, adopt_block_at(manager, i)), 0);
		CU_ASSERT_EQUAL(hnuma_pool_release(pool, adopt_block_at(manager, i)), -EALREADY);
	}
	CU_ASSERT_EQUAL(hnuma_pool_check(pool), 0);
}

/* All that can be had is written to. Then it is given back. */
static void use_all(struct hnuma_pool *pool, size_t nr_expected)
{
	void *all[2 * ADOPT_POOL_PAGES * 8];
	size_t nr = 0;

	while (nr < 2 * ADOPT_POOL_PAGES * 8 &&
	       (all[nr] = hnuma_pool_acquire(pool, HNUMA_CLASS_256K)))
		memset(all[nr++], 0x55, hnuma_class_size(HNUMA_CLASS_256K));
	CU_ASSERT_EQUAL(nr, nr_expected);
	CU_ASSERT_PTR_NULL(hnuma_pool_acquire(pool, HNUMA_CLASS_1K));
	CU_ASSERT_EQUAL(hnuma_pool_release_bulk(pool, all, nr), 0);
	CU_ASSERT_EQUAL(hnuma_pool_check(pool), 0);
}

static void expect_lost(struct hnuma_pool *pool, uint64_t pages, uint64_t buffers)
{
	struct hnuma_pool_stats stats;

	CU_ASSERT_EQUAL(hnuma_pool_stats(pool, &stats), 0);
	CU_ASSERT_EQUAL(stats.lost_pages, pages);
	CU_ASSERT_EQUAL(stats.lost_buffers, buffers);
}

/* What the region says of its pages. */
static void expect_unknown(const struct hnuma_manager *manager, unsigned nr_huge)
{
	const struct hnuma_region *region = hnuma_manager_region(manager, adopt_home);
	struct hnuma_region_info info;
	struct hnuma_placement placement;
	char words[80];

	snprintf(words, sizeof(words), "%u of %zu pages of 2 MB have a memory error", nr_huge,
		 hnuma_region_size(region) / HNUMA_HUGEPAGE);
	CU_ASSERT_EQUAL(hnuma_region_info(region, &info), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(info.reason, words));
	CU_ASSERT_EQUAL(hnuma_manager_verify(manager, &placement), 0);
	CU_ASSERT_EQUAL(placement.pages_unknown * placement.page_size, nr_huge * HNUMA_HUGEPAGE);
	CU_ASSERT_EQUAL(placement.pages_elsewhere, 0);
}

/*
 * The page of 64 KB blocks, of which four are out and others free or not made, in a pool of each kind;
 * then two more generations: one leaves with the lost blocks still out, the other releases them.
 */
static void lose_a_page(const struct hnuma_config *config)
{
	const unsigned is_hardened = !!(config->flags & HNUMA_HARDENED);
	const uint64_t per_page = is_hardened ? 16 : 32;
	const size_t capacity =
		is_hardened ? (2 * ADOPT_POOL_PAGES - 1) * 4 : (ADOPT_POOL_PAGES - 1) * 8;
	struct hnuma_manager *manager;
	struct check_state before;

	check_snapshot(&before);
	adopt_leave_one(config);
	damage_page(adopt_blocks[3].offset);
	manager = adopt_again();
	check_walks(manager);
	expect_unknown(manager, 1);
	expect_lost(hnuma_manager_pool(manager), 1, per_page - 4);
	CU_ASSERT_EQUAL(hnuma_pool_retire(hnuma_manager_pool(manager), adopt_block_at(manager, 3)),
			-EALREADY);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), -EBUSY);
	CU_ASSERT_EQUAL(hnuma_manager_leave(manager), 0);

	manager = adopt_again();
	check_walks(manager);
	release_all(manager);
	expect_lost(hnuma_manager_pool(manager), 1, per_page);
	use_all(hnuma_manager_pool(manager), capacity);
	CU_ASSERT_EQUAL(hnuma_pool_clear(hnuma_manager_pool(manager)), 0);
	CU_ASSERT_EQUAL(hnuma_manager_leave(manager), 0);

	/* It is written down: also where nobody says it any more. */
	damage_end();
	manager = adopt_again();
	CU_ASSERT_EQUAL(adopt_count(hnuma_pool_walk_retired, hnuma_manager_pool(manager)), 0);
	expect_lost(hnuma_manager_pool(manager), 1, per_page);
	use_all(hnuma_manager_pool(manager), capacity);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
	close(adopt_fd);
	check_unchanged(&before);
}

static void test_page(void)
{
	struct hnuma_config config = adopt_config();

	if (check_hugepages(ADOPT_PAGES))
		lose_a_page(&config);
}

static void test_hardened(void)
{
	struct hnuma_config config = adopt_config();

	config.flags |= HNUMA_HARDENED;
	if (check_hugepages(ADOPT_PAGES))
		lose_a_page(&config);
}

static void test_clean(void)
{
	struct hnuma_config config = adopt_config();

	config.hygiene = HNUMA_HYGIENE_ON_RELEASE;
	if (check_hugepages(ADOPT_PAGES))
		lose_a_page(&config);
}

static void test_base_pages(void)
{
	struct hnuma_config config = adopt_config();

	config.least_backing = HNUMA_BACKING_BASE;
	if (check_hugepages_exactly(adopt_home, 0))
		lose_a_page(&config);
}

/* Retired by the process that had it, and damaged: what was known then is known now. */
static void test_retired_before(void)
{
	struct hnuma_config config = adopt_config();
	struct hnuma_manager *manager;

	if (!check_hugepages(ADOPT_PAGES))
		return;
	manager = adopt_make(&config);
	adopt_use(manager);
	damage_page(adopt_blocks[4].offset);
	CU_ASSERT_EQUAL(hnuma_pool_retire(hnuma_manager_pool(manager), adopt_block_at(manager, 4)),
			0);
	check_walks(manager);
	CU_ASSERT_EQUAL(hnuma_manager_leave(manager), 0);
	manager = adopt_again();
	check_walks(manager);
	release_all(manager);
	expect_lost(hnuma_manager_pool(manager), 1, 8);
	damage_end();
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
	close(adopt_fd);
}

/* A page without blocks; and then all pages. */
static void test_more_pages(void)
{
	struct hnuma_config config = adopt_config();
	struct hnuma_manager *manager;
	struct hnuma_layout layout;

	if (!check_hugepages(ADOPT_PAGES))
		return;
	adopt_leave_one(&config);
	layout = read_layout();
	damage_page(layout.arena - HNUMA_HUGEPAGE);
	manager = adopt_again();
	check_walks(manager);
	expect_lost(hnuma_manager_pool(manager), 1, 0);
	CU_ASSERT_EQUAL(hnuma_manager_leave(manager), 0);
	damage_end();

	for (size_t at = layout.pages; at < layout.arena; at += HNUMA_HUGEPAGE)
		damage_page(at);
	manager = adopt_again();
	check_walks(manager);
	expect_unknown(manager, ADOPT_POOL_PAGES);
	CU_ASSERT_PTR_NULL(hnuma_pool_acquire(hnuma_manager_pool(manager), HNUMA_CLASS_1K));
	release_all(manager);
	/* Of each class one page was dealt. */
	expect_lost(hnuma_manager_pool(manager), ADOPT_POOL_PAGES, 2048 + 512 + 128 + 32 + 8);
	damage_end();
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
	close(adopt_fd);
}

/* Pages that hold something else, also where one of the pool's is damaged, too: nothing is written. */
static void test_indispensable(void)
{
	struct hnuma_config config = adopt_config();
	struct hnuma_manager *manager;
	struct hnuma_layout layout;
	char words[100];

	if (!check_hugepages(ADOPT_PAGES + 4))
		return;
	config.scratch_size = 2 * HNUMA_HUGEPAGE;
	adopt_leave_one(&config);
	layout = read_layout();
	damage_page(0);
	adopt_refuse(&adopt_fd, 1, -EIO, "hold the pool's books");
	damage_end();
	damage_page(layout.pages - HNUMA_HUGEPAGE);
	adopt_refuse(&adopt_fd, 1, -EIO, "hold scratch spaces");
	damage_end();
	damage_page(adopt_blocks[0].offset);
	damage_page(layout.arena);
	snprintf(words, sizeof(words), "node %d: the 2 MB at offset %zu of its region", adopt_home,
		 layout.arena);
	adopt_refuse(&adopt_fd, 1, -EIO, words);
	adopt_refuse(&adopt_fd, 1, -EIO, "hold the arena");
	damage_end();
	manager = adopt_again();
	expect_lost(hnuma_manager_pool(manager), 0, 0);
	adopt_finish(manager);
}

/* The page that says what it is cannot even be read. */
static void test_header(void)
{
	struct hnuma_config config = adopt_config();

	if (!check_hugepages(ADOPT_PAGES))
		return;
	adopt_leave_one(&config);
	fail_sys_install();
	fail_sys_begin(FAIL_READ_START, 1, true, -EIO);
	adopt_refuse(&adopt_fd, 1, -EIO, "the file's first page has a memory error");
	CU_ASSERT(fail_sys_end());
	fail_sys_remove();
	adopt_finish(adopt_again());
}

static long long blocks_of_file(void)
{
	struct stat status;

	CU_ASSERT_EQUAL(fstat(adopt_fd, &status), 0);
	return (long long)status.st_blocks;
}

/* A page that is not in the file any more: it stays so, that the next one may see it, too. */
static void lack_a_page(const struct hnuma_config *config)
{
	long long whole, now;

	adopt_leave_one(config);
	whole = blocks_of_file();
	CU_ASSERT_EQUAL(fallocate(adopt_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				  (off_t)read_layout().pages, HNUMA_HUGEPAGE),
			0);
	now = blocks_of_file();
	CU_ASSERT_EQUAL(now, whole - (long long)HNUMA_HUGEPAGE / 512);
	adopt_refuse(&adopt_fd, 1, -EIO, "2097152 of the file's");
	CU_ASSERT_EQUAL(blocks_of_file(), now);
	close(adopt_fd);
}

static void test_missing(void)
{
	struct hnuma_config config = adopt_config();

	if (!check_hugepages(ADOPT_PAGES))
		return;
	lack_a_page(&config);
	config.least_backing = HNUMA_BACKING_BASE;
	if (check_hugepages_exactly(adopt_home, 0))
		lack_a_page(&config);
}

/* While a page is looked for, too, whatever fails leaves everything as it was. */
static void test_each_call_fails(void)
{
	static const enum fail_entry entries[] = {FAIL_MAP,	 FAIL_UNMAP,	   FAIL_ADVISE,
						  FAIL_DESCRIBE, FAIL_QUERY_PAGES, FAIL_MALLOC};
	struct hnuma_config config = adopt_config();
	struct hnuma_manager *manager;
	unsigned nr_failed = 0;

	if (!check_hugepages(ADOPT_PAGES))
		return;
	adopt_leave_one(&config);
	fail_sys_install();
	damage_page(adopt_blocks[3].offset);
	CU_ASSERT_EQUAL(hnuma_manager_leave(adopt_again()), 0);
	for (unsigned i = 0; i < 2 * sizeof(entries) / sizeof(entries[0]); i++) {
		bool has_happened = true;

		for (long at = 1; has_happened; at++) {
			struct check_state before;
			int error;

			check_snapshot(&before);
			fail_sys_begin(entries[i / 2], at, i % 2, -ENOMEM);
			error = hnuma_manager_adopt(&manager, adopt_topology, &adopt_fd, 1, NULL);
			has_happened = fail_sys_end();
			CU_ASSERT(error == 0 || (has_happened && !manager && hnuma_errormsg()[0]));
			nr_failed += error != 0;
			if (!error)
				CU_ASSERT_EQUAL(hnuma_manager_leave(manager), 0);
			CU_ASSERT(fail_sys_clean() == 0 || (entries[i / 2] == FAIL_UNMAP && i % 2));
			check_unchanged(&before);
		}
	}
	CU_ASSERT(nr_failed > 20);
	manager = adopt_again();
	check_walks(manager);
	release_all(manager);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
	damage_end();
	fail_sys_remove();
	close(adopt_fd);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"a page of blocks (row 45)", test_page},
		{"hardened", test_hardened},
		{"free blocks are clean", test_clean},
		{"base pages", test_base_pages},
		{"retired before", test_retired_before},
		{"a page without blocks, and all pages", test_more_pages},
		{"pages that hold something else", test_indispensable},
		{"the first page", test_header},
		{"pages are missing", test_missing},
		{"each call fails", test_each_call_fails},
		CU_TEST_INFO_NULL,
	};

	return adopt_main("adopt damaged", tests);
}
