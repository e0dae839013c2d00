/* SPDX-License-Identifier: MIT */
/*
 * tests/test_adopt.c - a shared manager is left by one and adopted by the next.
 *
 * The kernel keeps owners apart by open files, not by processes: so one process can play both.
 */
#include "config.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <hugenuma.h>

#include "lib/handover.h"
#include "lib/manager_state.h"
#include "lib/pool_books.h"
#include "tests/adopt.h"
#include "tests/fail_malloc.h"
#include "tests/fail_sys.h"
#include "tests/pass_fds.h"

/* Every page can serve, but those that do not any more. */
static void check_capacity(struct hnuma_pool *pool, size_t per_page, size_t nr_lost_pages)
{
	void *all[ADOPT_POOL_PAGES * 8];
	size_t nr = 0;

	while (nr < ADOPT_POOL_PAGES * 8 && (all[nr] = hnuma_pool_acquire(pool, HNUMA_CLASS_256K)))
		nr++;
	CU_ASSERT_EQUAL(nr, (ADOPT_POOL_PAGES - nr_lost_pages) * per_page);
	CU_ASSERT_PTR_NULL(hnuma_pool_acquire(pool, HNUMA_CLASS_1K));
	CU_ASSERT_EQUAL(hnuma_pool_release_bulk(pool, all, nr), 0);
	CU_ASSERT_EQUAL(hnuma_pool_check(pool), 0);
}

/* The one who adopts has what the manager was made with, a step that begins anew, and the pool. */
static void hand_over(const struct hnuma_config *config)
{
	struct hnuma_manager *manager;
	struct hnuma_placement placement;
	unsigned char *bytes;
	struct check_state before;

	if (!check_hugepages(ADOPT_PAGES))
		return;
	check_snapshot(&before);
	adopt_leave_one(config);
	manager = adopt_again();
	CU_ASSERT_EQUAL(hnuma_manager_config(manager)->buffers_per_class,
			config->buffers_per_class);
	CU_ASSERT_EQUAL(hnuma_manager_config(manager)->flags, config->flags);
	CU_ASSERT_EQUAL(hnuma_manager_verify(manager, &placement), 0);
	CU_ASSERT_EQUAL(placement.pages_here, placement.pages_total);
	CU_ASSERT_EQUAL(placement.page_size, HNUMA_HUGEPAGE);
	adopt_check_blocks(manager);
	check_capacity(hnuma_manager_pool(manager), 8, 0);
	bytes = hnuma_arena_alloc(hnuma_manager_arena(manager, adopt_home), HNUMA_HUGEPAGE, 1);
	CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
	CU_ASSERT(bytes[0] == 0 && memcmp(bytes, bytes + 1, HNUMA_HUGEPAGE - 1) == 0);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
	close(adopt_fd);
	check_unchanged(&before);
}

static void test_hand_over(void)
{
	struct hnuma_config config = adopt_config();

	hand_over(&config);
}

static void test_hardened(void)
{
	struct hnuma_config config = adopt_config();

	config.flags |= HNUMA_HARDENED;
	hand_over(&config);
}

/* The environment of the next process does not change what the pool is. */
static void test_environment(void)
{
	struct hnuma_config config = adopt_config();
	struct hnuma_manager *manager;

	if (!check_hugepages(ADOPT_PAGES))
		return;
	adopt_leave_one(&config);
	setenv("HUGENUMA_HARDENED", "1", 1);
	manager = adopt_again();
	unsetenv("HUGENUMA_HARDENED");
	CU_ASSERT_EQUAL(hnuma_manager_config(manager)->flags, config.flags);
	adopt_finish(manager);
}

/* Where there are no huge pages. */
static void test_base_pages(void)
{
	struct hnuma_config config = adopt_config();
	struct check_state before;

	if (!check_hugepages_exactly(adopt_home, 0))
		return;
	check_snapshot(&before);
	config.least_backing = HNUMA_BACKING_BASE;
	adopt_leave_one(&config);
	adopt_finish(adopt_again());
	check_unchanged(&before);
}

/* From one to the next, and none of them takes a page more. */
static void test_generations(void)
{
	struct hnuma_config config = adopt_config();
	struct check_state before;

	if (!check_hugepages(ADOPT_PAGES))
		return;
	adopt_leave_one(&config);
	check_snapshot(&before);
	for (int i = 0; i < 10; i++) {
		CU_ASSERT_EQUAL(hnuma_manager_leave(adopt_again()), 0);
		check_unchanged(&before);
	}
	adopt_finish(adopt_again());
}

/* What was destroyed is an empty one for who has its descriptors still. */
static void test_destroyed(void)
{
	struct hnuma_config config = adopt_config();
	struct hnuma_manager *manager;

	if (!check_hugepages(ADOPT_PAGES))
		return;
	CU_ASSERT_EQUAL(hnuma_manager_destroy(adopt_make(&config)), 0);
	manager = adopt_again();
	CU_ASSERT_PTR_NULL(hnuma_pool_walk(hnuma_manager_pool(manager), NULL));
	check_capacity(hnuma_manager_pool(manager), 8, 0);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
	close(adopt_fd);
}

/* One at a time: in this process, in another, and not in its children. */
static void test_owner(void)
{
	struct hnuma_config config = adopt_config();
	struct hnuma_manager *manager;

	if (!check_hugepages(ADOPT_PAGES))
		return;
	manager = adopt_make(&config);
	adopt_use(manager);
	adopt_refuse(&adopt_fd, 1, -EBUSY, "owns this memory");
	CU_ASSERT_EQUAL(hnuma_pool_check(hnuma_manager_pool(manager)), 0);
	CU_ASSERT_EQUAL(hnuma_manager_leave(manager), 0);
	manager = adopt_again();
	adopt_refuse(&adopt_fd, 1, -EBUSY, "owns this memory");
	adopt_finish(manager);
}

static void in_child(void *arg)
{
	struct hnuma_manager *manager = arg;

	CU_ASSERT_EQUAL(hnuma_manager_fds(manager, NULL, 0), -EOWNERDEAD);
	CU_ASSERT_EQUAL(hnuma_manager_leave(manager), -EOWNERDEAD);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), -EOWNERDEAD);
	adopt_refuse(&adopt_fd, 1, -EBUSY, "owns this memory");
}

/*
 * The owner makes a manager, and has a child that lives on without it. It is the child that sends what
 * is to be known: when that is there, fork() has ended in both.
 */
static void be_owner(int socket, int outliving)
{
	struct hnuma_config config = adopt_config();
	char byte;

	adopt_use(adopt_make(&config));
	if (fork() > 0)
		pause();
	CU_ASSERT(pass_fds(socket, &adopt_fd, 1));
	CU_ASSERT_EQUAL(write(socket, adopt_blocks, sizeof(adopt_blocks)),
			(ssize_t)sizeof(adopt_blocks));
	while (read(outliving, &byte, 1) > 0)
		;
	_exit(0);
}

static void test_fork(void)
{
	struct hnuma_config config = adopt_config();
	struct hnuma_manager *manager;
	int sockets[2], outliving[2], status;
	pid_t owner;
	char byte;

	if (!check_hugepages(ADOPT_PAGES))
		return;
	manager = adopt_make(&config);
	CU_ASSERT_EQUAL(check_in_child(in_child, manager), 0);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
	close(adopt_fd);

	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
	CU_ASSERT_EQUAL_FATAL(pipe(outliving), 0);
	owner = check_fork();
	if (owner == 0) {
		close(outliving[1]);
		be_owner(sockets[1], outliving[0]);
	}
	CU_ASSERT_EQUAL_FATAL(take_fds(sockets[0], &adopt_fd, 1), 1);
	CU_ASSERT_EQUAL(read(sockets[0], adopt_blocks, sizeof(adopt_blocks)),
			(ssize_t)sizeof(adopt_blocks));
	adopt_refuse(&adopt_fd, 1, -EBUSY, "owns this memory");
	kill(owner, SIGKILL);
	CU_ASSERT_EQUAL(waitpid(owner, &status, 0), owner);
	adopt_finish(adopt_again());
	/* Its child has a mapping of the memory until it ends, and the other end of the socket. */
	close(sockets[1]);
	close(outliving[0]);
	close(outliving[1]);
	CU_ASSERT_EQUAL(read(sockets[0], &byte, 1), 0);
	close(sockets[0]);
}

static void test_busy(void)
{
	struct hnuma_config config = adopt_config();
	struct hnuma_manager *manager;
	struct hnuma_space *space;

	if (!check_hugepages(ADOPT_PAGES))
		return;
	manager = adopt_make(&config);
	space = hnuma_scratch_acquire(hnuma_manager_scratch(manager));
	CU_ASSERT_PTR_NOT_NULL_FATAL(space);
	CU_ASSERT_EQUAL(hnuma_manager_leave(manager), -EBUSY);
	check_message("1 of its scratch spaces");
	CU_ASSERT_EQUAL(hnuma_scratch_release(space), 0);
	CU_ASSERT_EQUAL(hnuma_manager_leave(manager), 0);
	close(adopt_fd);
}

/* Where there is no /proc a shared manager works, but for being handed over. */
static void test_no_owner(void)
{
	struct hnuma_config config = adopt_config();
	const enum fail_entry entries[] = {FAIL_REOPEN, FAIL_LOCK};

	if (!check_hugepages(ADOPT_PAGES))
		return;
	fail_sys_install();
	for (int i = 0; i < 2; i++) {
		struct hnuma_manager *manager;
		struct check_state before;

		check_snapshot(&before);
		fail_sys_begin(entries[i], 1, true, -ENOENT);
		CU_ASSERT_EQUAL_FATAL(hnuma_manager_create(&manager, adopt_topology, &config), 0);
		CU_ASSERT(fail_sys_end());
		CU_ASSERT_EQUAL(hnuma_manager_fds(manager, &adopt_fd, 1), -ENOLCK);
		check_message("/proc");
		CU_ASSERT_EQUAL(hnuma_manager_leave(manager), -ENOLCK);
		adopt_fd = hnuma_region_fd(hnuma_manager_region(manager, adopt_home));
		adopt_refuse(&adopt_fd, 1, -EINVAL, "no file of a manager that can be adopted");
		CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
		check_unchanged(&before);
	}
	fail_sys_remove();
}

/* ---- What a process leaves behind in the middle of something ------------------------------- */

/* Released, and not yet cleared. */
static void test_not_cleared(void)
{
	struct hnuma_config config = adopt_config();
	struct hnuma_handover header;
	struct hnuma_manager *manager;
	unsigned char *block;
	void *page;

	if (!check_hugepages(ADOPT_PAGES))
		return;
	config.hygiene = HNUMA_HYGIENE_ON_RELEASE;
	manager = adopt_make(&config);
	block = hnuma_pool_acquire(hnuma_manager_pool(manager), HNUMA_CLASS_64K);
	CU_ASSERT_PTR_NOT_NULL_FATAL(block);
	CU_ASSERT_EQUAL(hnuma_pool_release(hnuma_manager_pool(manager), block), 0);
	CU_ASSERT_EQUAL(hnuma_manager_leave(manager), 0);

	/* The first block of the first page is the one that was released. */
	CU_ASSERT_EQUAL(pread(adopt_fd, &header, sizeof(header), 0), (ssize_t)sizeof(header));
	page = mmap(NULL, HNUMA_HUGEPAGE, PROT_READ | PROT_WRITE, MAP_SHARED, adopt_fd,
		    (off_t)header.layout.pages);
	CU_ASSERT_FATAL(page != MAP_FAILED);
	memset(page, 0x99, hnuma_class_size(HNUMA_CLASS_64K));
	munmap(page, HNUMA_HUGEPAGE);

	manager = adopt_again();
	block = hnuma_pool_acquire(hnuma_manager_pool(manager), HNUMA_CLASS_64K);
	CU_ASSERT_PTR_NOT_NULL_FATAL(block);
	CU_ASSERT_EQUAL(block[0], 0);
	CU_ASSERT_EQUAL(memcmp(block, block + 1, hnuma_class_size(HNUMA_CLASS_64K) - 1), 0);
	CU_ASSERT_EQUAL(hnuma_pool_release(hnuma_manager_pool(manager), block), 0);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
	close(adopt_fd);
}

/* A page that is out of service, with blocks that were not told yet; and one that has none left. */
static void test_half_retired(void)
{
	struct hnuma_config config = adopt_config();
	struct hnuma_manager *manager;
	struct hnuma_pool *pool;
	struct hnuma_home *books;
	struct hnuma_pool_stats stats;
	uint32_t page;

	if (!check_hugepages(ADOPT_PAGES))
		return;
	manager = adopt_make(&config);
	adopt_use(manager);
	books = hnuma_pool_home_of_node(hnuma_manager_pool(manager), adopt_home);
	page = (uint32_t)((adopt_block_at(manager, 3) - books->base) / HNUMA_HUGEPAGE);
	books->pages[page].is_lost = true;
	page = ADOPT_POOL_PAGES - 1;
	CU_ASSERT_EQUAL(books->page_classes[page], HNUMA_NO_CLASS);
	books->page_classes[page] = HNUMA_CLASS_4K;
	CU_ASSERT_EQUAL(hnuma_manager_leave(manager), 0);

	manager = adopt_again();
	pool = hnuma_manager_pool(manager);
	CU_ASSERT_EQUAL(hnuma_pool_stats(pool, &stats), 0);
	CU_ASSERT_EQUAL(stats.lost_pages, 1);
	CU_ASSERT_EQUAL(stats.in_use[HNUMA_CLASS_64K], 4);
	CU_ASSERT_EQUAL(adopt_count(hnuma_pool_walk_retired, pool), 4);
	CU_ASSERT(adopt_is_met(hnuma_pool_walk_retired, pool, adopt_block_at(manager, 3)));
	CU_ASSERT_EQUAL(stats.lost_buffers, 32 - 4);
	CU_ASSERT_EQUAL(stats.free_buffers[HNUMA_CLASS_64K], 0);
	adopt_check_blocks(manager);
	CU_ASSERT_EQUAL(hnuma_pool_stats(pool, &stats), 0);
	CU_ASSERT_EQUAL(stats.lost_buffers, 32);
	CU_ASSERT_EQUAL(hnuma_pool_retire(pool, adopt_block_at(manager, 3)), -EALREADY);
	check_capacity(pool, 8, 1);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
	close(adopt_fd);
}

/* Written too far before: found by the next one, at the blocks that are free and at those that are out. */
static void test_overwritten(void)
{
	struct hnuma_config config = adopt_config();
	struct hnuma_manager *manager;
	struct hnuma_pool *pool;
	struct hnuma_pool_stats stats;
	char *released, *out;

	if (!check_hugepages(ADOPT_PAGES))
		return;
	config.flags |= HNUMA_HARDENED;
	manager = adopt_make(&config);
	pool = hnuma_manager_pool(manager);
	released = hnuma_pool_acquire(pool, HNUMA_CLASS_4K);
	out = hnuma_pool_acquire(pool, HNUMA_CLASS_4K);
	CU_ASSERT_FATAL(released && out);
	CU_ASSERT_EQUAL(hnuma_region_offset(hnuma_manager_region(manager, adopt_home), out,
					    &adopt_blocks[0].offset),
			0);
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, released), 0);
	released[4100] ^= 1;
	out[4096] ^= 1;
	CU_ASSERT_EQUAL(hnuma_manager_leave(manager), 0);

	manager = adopt_again();
	pool = hnuma_manager_pool(manager);
	CU_ASSERT_EQUAL(hnuma_pool_stats(pool, &stats), 0);
	CU_ASSERT_EQUAL(stats.overwritten, 1);
	CU_ASSERT_EQUAL(hnuma_pool_check(pool), -EUCLEAN);
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, adopt_block_at(manager, 0)), -EUCLEAN);
	check_message("byte 0 behind its end");
	CU_ASSERT_EQUAL(hnuma_pool_stats(pool, &stats), 0);
	CU_ASSERT_EQUAL(stats.overwritten, 2);
	CU_ASSERT_EQUAL(stats.lost_buffers, 2);
	CU_ASSERT_EQUAL(hnuma_pool_check(pool), -EUCLEAN);
	check_message("byte 4 behind its end");
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
	close(adopt_fd);
}

/* ---- Adoptions that fail -------------------------------------------------------------------- */

static unsigned nr_made, nr_going;
static int answer;

static int on_made(void *arg, const struct hnuma_piece *piece, void **handle)
{
	(void)handle;
	CU_ASSERT_EQUAL(arg, &nr_made);
	CU_ASSERT_EQUAL(piece->node, check_knows_nodes() ? adopt_home : piece->node);
	nr_made++;
	return answer;
}

static void on_going(void *arg, const struct hnuma_piece *piece, void *handle)
{
	(void)arg, (void)piece, (void)handle;
	nr_going++;
}

static void test_hooks(void)
{
	struct hnuma_config config = adopt_config();
	struct hnuma_hooks hooks = HNUMA_HOOKS_INIT;
	struct hnuma_manager *manager;
	struct check_state before;

	if (!check_hugepages(ADOPT_PAGES))
		return;
	hooks.made = on_made;
	hooks.going = on_going;
	hooks.arg = &nr_made;
	adopt_leave_one(&config);
	nr_made = nr_going = 0;
	answer = -EPERM;
	check_snapshot(&before);
	CU_ASSERT_EQUAL(hnuma_manager_adopt(&manager, adopt_topology, &adopt_fd, 1, &hooks),
			-EPERM);
	CU_ASSERT_PTR_NULL(manager);
	check_unchanged(&before);
	answer = 0;
	CU_ASSERT_EQUAL_FATAL(hnuma_manager_adopt(&manager, adopt_topology, &adopt_fd, 1, &hooks),
			      0);
	CU_ASSERT_EQUAL(nr_made, 2);
	CU_ASSERT_EQUAL(nr_going, 0);
	CU_ASSERT_PTR_EQUAL(hnuma_manager_config(manager)->hooks, &hooks);
	CU_ASSERT_EQUAL(hnuma_manager_leave(manager), 0);
	CU_ASSERT_EQUAL(nr_going, 1);
	hooks.struct_size = 3;
	CU_ASSERT_EQUAL(hnuma_manager_adopt(&manager, adopt_topology, &adopt_fd, 1, &hooks),
			-EINVAL);
	adopt_finish(adopt_again());
}

/* Each call of the kernel fails, and each allocation, once and from there on: the next try finds everything. */
static void test_each_call_fails(void)
{
	static const int errors[] = {-ENOMEM, -EPERM};
	struct hnuma_config config = adopt_config();
	struct hnuma_manager *manager;
	unsigned nr_failed = 0;

	if (!check_hugepages(ADOPT_PAGES))
		return;
	adopt_leave_one(&config);
	CU_ASSERT_EQUAL(hnuma_manager_leave(adopt_again()), 0);
	fail_sys_install();
	for (unsigned i = 0; i < FAIL_NR_ENTRIES * check_rounds(4); i++) {
		const enum fail_entry entry = (enum fail_entry)(i / check_rounds(4));
		bool has_happened = true;

		for (long at = 1; has_happened; at++) {
			struct check_state before;
			int error;

			check_snapshot(&before);
			fail_sys_begin(entry, at, i % 2, errors[i / 2 % 2]);
			error = hnuma_manager_adopt(&manager, adopt_topology, &adopt_fd, 1, NULL);
			has_happened = fail_sys_end();
			CU_ASSERT(error == 0 || (has_happened && !manager && hnuma_errormsg()[0]));
			nr_failed += error != 0;
			if (!error)
				CU_ASSERT_EQUAL(hnuma_manager_leave(manager), 0);
			CU_ASSERT(fail_sys_clean() == 0 || (entry == FAIL_UNMAP && i % 2));
			check_unchanged(&before);
		}
	}
	fail_sys_remove();
	CU_ASSERT(nr_failed > 20);
	adopt_finish(adopt_again());
}

static ssize_t read_little(int fd, void *buffer, size_t size)
{
	return fail_sys.real.read_start(fd, buffer, size < 10 ? size : 10);
}

/* A file that gives less than it has. */
static void test_short_read(void)
{
	struct hnuma_config config = adopt_config();

	if (!check_hugepages(ADOPT_PAGES))
		return;
	adopt_leave_one(&config);
	fail_sys_install();
	hnuma_sys.read_start = read_little;
	adopt_refuse(&adopt_fd, 1, -EIO, "gave 10 bytes of its first");
	fail_sys_remove();
	adopt_finish(adopt_again());
}

/* Two at a time, and the one that was made first is left first. */
static void test_two(void)
{
	struct hnuma_config config = adopt_config();
	struct hnuma_manager *managers[2];
	struct check_state before;

	if (!check_hugepages(2 * ADOPT_PAGES))
		return;
	hnuma_manager_destroy(adopt_make(&config));
	close(adopt_fd);
	check_snapshot(&before);
	for (int i = 0; i < 2; i++)
		CU_ASSERT_EQUAL_FATAL(hnuma_manager_create(&managers[i], adopt_topology, &config),
				      0);
	for (int i = 0; i < 2; i++)
		CU_ASSERT_EQUAL(hnuma_manager_leave(managers[i]), 0);
	check_unchanged(&before);
}

static void leave_in_child(void *manager)
{
	CU_ASSERT_EQUAL(hnuma_manager_leave(manager), -EOWNERDEAD);
}

/* Leave fails, and is tried again, though not by a child of fork(); until then the manager has an owner. */
static void test_leave_fails(void)
{
	struct hnuma_config config = adopt_config();
	struct hnuma_manager *manager;

	if (!check_hugepages(ADOPT_PAGES))
		return;
	manager = adopt_make(&config);
	adopt_use(manager);
	fail_sys_install();
	fail_sys_begin(FAIL_UNMAP, 1, false, -ENOMEM);
	CU_ASSERT_EQUAL(hnuma_manager_leave(manager), -ENOMEM);
	CU_ASSERT(fail_sys_end());
	fail_sys_remove();
	CU_ASSERT_EQUAL(hnuma_manager_fds(manager, NULL, 0), -EINVAL);
	adopt_refuse(&adopt_fd, 1, -EBUSY, "owns this memory");
	CU_ASSERT_EQUAL(check_in_child(leave_in_child, manager), 0);
	CU_ASSERT_EQUAL(hnuma_manager_leave(manager), 0);
	adopt_finish(adopt_again());
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"left and adopted", test_hand_over},
		{"hardened", test_hardened},
		{"another environment", test_environment},
		{"base pages", test_base_pages},
		{"generations", test_generations},
		{"destroyed", test_destroyed},
		{"one owner at a time", test_owner},
		{"fork", test_fork},
		{"spaces are held", test_busy},
		{"no owner", test_no_owner},
		{"released, not yet cleared", test_not_cleared},
		{"half retired", test_half_retired},
		{"overwritten", test_overwritten},
		{"hooks", test_hooks},
		{"each call fails", test_each_call_fails},
		{"a file that gives little", test_short_read},
		{"two at a time", test_two},
		{"leave fails", test_leave_fails},
		CU_TEST_INFO_NULL,
	};

	return adopt_main("adopt", tests);
}
