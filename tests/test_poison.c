/* SPDX-License-Identifier: MIT */
/*
 * tests/test_poison.c - use after reset is reported (fault sheet, row 17; defect 3).
 *
 * In three ways. Without AddressSanitizer this program has the two calls of its run time itself, and
 * keeps a map of what is poisoned: the library finds them as it finds the real ones. With it, child
 * processes use what they may not, and must die with a report. And where Valgrind is installed, it
 * runs this program on the same misuses.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <hugenuma.h>

#include "lib/arena.h"
#include "lib/poison.h"
#include "tests/check.h"

#if defined(__SANITIZE_ADDRESS__)
#define HAVE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAVE_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define HAVE_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HAVE_TSAN 1
#endif
#endif

static struct hnuma_topology *topology;

static struct hnuma_arena *open_arena(void)
{
	struct hnuma_arena_attr attr = HNUMA_ARENA_ATTR_INIT;
	struct hnuma_arena *arena = NULL;

	attr.capacity = 1 << 20;
	attr.least_backing = HNUMA_BACKING_BASE;
	if (hnuma_arena_create(&arena, topology, &attr))
		abort();
	return arena;
}

static struct hnuma_scratch *open_scratch(void)
{
	struct hnuma_scratch_attr attr = HNUMA_SCRATCH_ATTR_INIT;
	struct hnuma_scratch *scratch = NULL;

	attr.space_size = 4096;
	attr.least_backing = HNUMA_BACKING_BASE;
	if (hnuma_scratch_create(&scratch, topology, &attr))
		abort();
	return scratch;
}

/* The misuses: each must be reported. The last one is none. */

static void arena_after_reset(void)
{
	struct hnuma_arena *arena = open_arena();
	volatile char *memory = hnuma_arena_alloc(arena, 100, 1);

	hnuma_arena_reset(arena);
	memory[50] = 1;
}

static void arena_after_rewind(void)
{
	struct hnuma_arena *arena = open_arena();
	struct hnuma_arena_mark mark = hnuma_arena_mark(arena);
	volatile char *memory = hnuma_arena_alloc_uninit(arena, 100, 1);

	hnuma_arena_rewind(arena, mark);
	memory[0] = 1;
}

static void arena_overflow(void)
{
	struct hnuma_arena *arena = open_arena();
	volatile char *memory = hnuma_arena_alloc(arena, 100, 1);

	memory[100] = 1;
}

static void arena_padding(void)
{
	struct hnuma_arena *arena = open_arena();
	volatile char *memory = hnuma_arena_alloc(arena, 64, 1);

	hnuma_arena_alloc_aligned(arena, 64, 1, 4096);
	memory[1024] = 1;
}

static void lane_after_reset(void)
{
	struct hnuma_arena *arena = open_arena();
	struct hnuma_lane lane;
	volatile char *memory;

	hnuma_lane_open(&lane, arena);
	hnuma_lane_alloc(&lane, 64, 1);
	memory = hnuma_lane_alloc_uninit(&lane, 100, 1);
	hnuma_arena_reset(arena);
	memory[50] = 1;
}

static void lane_overflow(void)
{
	struct hnuma_arena *arena = open_arena();
	struct hnuma_lane lane;
	volatile char *memory;

	hnuma_lane_open(&lane, arena);
	memory = hnuma_lane_alloc(&lane, 64, 1);
	memory[64] = 1;
}

static void space_after_reset(void)
{
	struct hnuma_space *space = hnuma_scratch_acquire(open_scratch());
	volatile char *memory = hnuma_space_alloc(space, 100, 1);

	hnuma_space_reset(space);
	memory[50] = 1;
}

static void space_after_release(void)
{
	struct hnuma_space *space = hnuma_scratch_acquire(open_scratch());
	volatile char *memory = hnuma_space_base(space);

	hnuma_scratch_release(space);
	memory[50] = 1;
}

static void space_overflow(void)
{
	struct hnuma_space *space = hnuma_scratch_acquire(open_scratch());
	volatile char *memory = hnuma_space_alloc(space, 100, 1);

	memory[100] = 1;
}

static void no_misuse(void)
{
	struct hnuma_arena *arena = open_arena();
	struct hnuma_scratch *scratch = open_scratch();
	struct hnuma_lane lane;

	hnuma_lane_open(&lane, arena);
	for (size_t round = 0; round < 3; round++) {
		for (size_t size = 0; size < 500; size++) {
			struct hnuma_space *space = hnuma_scratch_acquire(scratch);

			memset(hnuma_arena_alloc(arena, size, 1), 1, size);
			memset(hnuma_arena_alloc_uninit(arena, size, 1), 1, size);
			memset(hnuma_arena_alloc_aligned(arena, size, 1, 128), 1, size);
			memset(hnuma_lane_alloc(&lane, size, 1), 1, size);
			memset(hnuma_space_alloc(space, size, 1), 1, size);
			memset(hnuma_space_base(space), 1, hnuma_space_capacity(space));
			hnuma_space_reset(space);
			memset(hnuma_space_base(space), 1, hnuma_space_capacity(space));
			hnuma_scratch_release(space);
		}
		hnuma_arena_reset(arena);
	}
	if (hnuma_arena_destroy(arena) || hnuma_scratch_destroy(scratch))
		abort();
}

static const struct {
	const char *name;
	void (*f)(void);
} misuses[] = {
	{"arena after reset", arena_after_reset}, {"arena after rewind", arena_after_rewind},
	{"arena overflow", arena_overflow},	  {"arena padding", arena_padding},
	{"lane after reset", lane_after_reset},	  {"lane overflow", lane_overflow},
	{"space after reset", space_after_reset}, {"space after release", space_after_release},
	{"space overflow", space_overflow},	  {"no misuse", no_misuse},
};

#define NR_MISUSES (sizeof(misuses) / sizeof(misuses[0]))

#ifndef HAVE_TSAN

/*
 * Run a program, this one or a copy, on one misuse and perhaps under Valgrind. Returns its exit code,
 * or -signal; the first 64 KB of what it said are in `said`.
 */
static int run_again(const char *valgrind, const char *path, size_t misuse, char *said, size_t size)
{
	char number[24];
	size_t used = 0;
	ssize_t got;
	int ends[2], status = 0;
	pid_t child;

	snprintf(number, sizeof(number), "%zu", misuse);
	CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
	fflush(NULL);
	child = fork();
	CU_ASSERT_FATAL(child >= 0);
	if (child == 0) {
		dup2(ends[1], STDERR_FILENO);
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		if (valgrind)
			execlp(valgrind, valgrind, "--quiet", "--error-exitcode=99",
			       "--leak-check=no", path, number, (char *)NULL);
		else
			execl(path, path, number, (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	while (used < size - 1 && (got = read(ends[0], said + used, size - 1 - used)) > 0)
		used += (size_t)got;
	said[used] = '\0';
	close(ends[0]);
	waitpid(child, &status, 0);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/* Where this program is. Stays true of a program that libtool runs from another place. */
static void find_self(char *path, size_t size)
{
	ssize_t length = readlink("/proc/self/exe", path, size - 1);

	CU_ASSERT_FATAL(length > 0);
	path[length] = '\0';
}

static void check_reports(const char *valgrind, const char *path, const char *words)
{
	static char said[1 << 16];

	for (size_t i = 0; i < NR_MISUSES; i++) {
		bool is_misuse = misuses[i].f != no_misuse;
		int code = run_again(valgrind, path, i, said, sizeof(said));

		if ((code != 0) != is_misuse || (strstr(said, words) != NULL) != is_misuse)
			printf("\n    %s: exit code %d, said: %s\n", misuses[i].name, code, said);
		CU_ASSERT_EQUAL(code != 0, is_misuse);
		CU_ASSERT_EQUAL(strstr(said, words) != NULL, is_misuse);
	}
}

#endif

#if defined(HAVE_ASAN)

static void test_reported_by_asan(void)
{
	char path[4096];

	find_self(path, sizeof(path));
	check_reports(NULL, path, "use-after-poison");
}

#elif !defined(HAVE_TSAN)

static bool is_under_valgrind(void)
{
#ifdef HAVE_VALGRIND_MEMCHECK_H
	return RUNNING_ON_VALGRIND != 0;
#else
	return false;
#endif
}

/* Valgrind gives up on debugging information newer than itself, so it gets a copy without. */
static void test_reported_by_valgrind(void)
{
	char copy[] = "/tmp/hugenuma-poison-XXXXXX", path[4096], command[8400];
	int fd;

#ifndef HAVE_VALGRIND_MEMCHECK_H
	check_skip("built without valgrind/memcheck.h");
	return;
#endif
	if (is_under_valgrind())
		return; /* it does not run in itself */
	if (system("command -v valgrind >/dev/null 2>&1") != 0) {
		check_skip("valgrind is not installed");
		return;
	}
	find_self(path, sizeof(path));
	fd = mkstemp(copy);
	CU_ASSERT_FATAL(fd >= 0);
	close(fd);
	snprintf(command, sizeof(command), "strip -g -o '%s' '%s' && chmod 700 '%s'", copy, path,
		 copy);
	if (system(command) == 0)
		check_reports("valgrind", copy, "Invalid write");
	else
		check_reports("valgrind", path, "Invalid write");
	unlink(copy);
}

/* The sanitizer's run time, in small: a byte for each byte of one range that is watched. */
static unsigned char *watched;
static unsigned char is_poisoned[4 << 20];

static void note(const volatile void *address, size_t size, unsigned char poisoned)
{
	uintptr_t start = (uintptr_t)address, base = (uintptr_t)watched;

	/* What is not watched is not kept; a range is never partly so. */
	if (watched && start >= base && start + size <= base + sizeof(is_poisoned))
		memset(is_poisoned + (start - base), poisoned, size);
}

void __asan_poison_memory_region(const volatile void *address, size_t size)
{
	note(address, size, 1);
}

void __asan_unpoison_memory_region(const volatile void *address, size_t size)
{
	note(address, size, 0);
}

/* Of the range from `from` to `to`, in bytes from `watched`, is every byte as said? */
static bool is_all(size_t from, size_t to, unsigned char poisoned)
{
	for (size_t i = from; i < to; i++) {
		if (is_poisoned[i] != poisoned)
			return false;
	}
	return true;
}

static void test_arena_marks(void)
{
	const size_t capacity = 1 << 20;
	struct hnuma_region_attr attr = HNUMA_REGION_ATTR_INIT;
	struct hnuma_arena_mark mark;
	struct hnuma_region *region;
	struct hnuma_arena *arena;
	struct hnuma_lane lane;

	attr.size = sizeof(is_poisoned);
	attr.least_backing = HNUMA_BACKING_BASE;
	CU_ASSERT_EQUAL_FATAL(hnuma_region_create(&region, topology, &attr), 0);
	watched = hnuma_region_base(region);
	memset(is_poisoned, 0, sizeof(is_poisoned));
	CU_ASSERT_EQUAL_FATAL(hnuma_arena_build(&arena, region, 0, 0, capacity), 0);
	CU_ASSERT(is_all(0, capacity, 1));
	CU_ASSERT(is_all(capacity, sizeof(is_poisoned), 0));

	hnuma_arena_alloc(arena, 100, 1);
	hnuma_arena_alloc_uninit(arena, 1, 7);
	CU_ASSERT(is_all(0, 100, 0) && is_all(100, 128, 1) && is_all(128, 135, 0));
	CU_ASSERT(is_all(135, capacity, 1));
	mark = hnuma_arena_mark(arena);
	hnuma_arena_alloc_aligned(arena, 10, 10, 4096);
	CU_ASSERT(is_all(135, 4096, 1) && is_all(4096, 4196, 0) && is_all(4196, capacity, 1));
	CU_ASSERT_EQUAL(hnuma_arena_rewind(arena, mark), 0);
	CU_ASSERT(is_all(128, 135, 0) && is_all(135, capacity, 1));

	/* A lane's stretch is nobody's yet. */
	CU_ASSERT_EQUAL(hnuma_lane_open(&lane, arena), 0);
	hnuma_lane_alloc(&lane, 65, 1);
	hnuma_lane_alloc_uninit(&lane, 3, 1);
	hnuma_lane_alloc(&lane, 30000, 1);
	CU_ASSERT(is_all(192, 257, 0) && is_all(257, 320, 1) && is_all(320, 323, 0));
	CU_ASSERT(is_all(323, 384, 1) && is_all(384, 30384, 0) && is_all(30384, capacity, 1));
	hnuma_lane_close(&lane);
	hnuma_arena_reset(arena);
	CU_ASSERT(is_all(0, capacity, 1));
	hnuma_arena_alloc(arena, 64, 1);
	CU_ASSERT(is_all(0, 64, 0) && is_all(64, capacity, 1));
	hnuma_arena_free(arena);
	CU_ASSERT(is_all(0, sizeof(is_poisoned), 0));
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
	watched = NULL;
}

static void test_scratch_marks(void)
{
	struct hnuma_scratch *scratch = open_scratch();
	struct hnuma_space *space = hnuma_scratch_acquire(scratch);

	/* From now on; what was poisoned before is not known. */
	watched = hnuma_space_base(space);
	CU_ASSERT_EQUAL(hnuma_scratch_release(space), 0);
	CU_ASSERT(is_all(0, 4096, 1));
	for (int round = 0; round < 2; round++) {
		struct hnuma_space *again = hnuma_scratch_acquire(scratch);

		CU_ASSERT_EQUAL_FATAL(again, space);
		CU_ASSERT(is_all(0, 4096, 1));
		hnuma_space_alloc(space, 70, 1);
		hnuma_space_alloc(space, 1, 1);
		CU_ASSERT(is_all(0, 70, 0) && is_all(70, 128, 1) && is_poisoned[128] == 0);
		CU_ASSERT(is_all(129, 4096, 1));
		hnuma_space_reset(space);
		CU_ASSERT(is_all(0, 4096, 1));
		/* Who asks for all of it has all of it, until he gives it back. */
		hnuma_space_base(space);
		hnuma_space_reset(space);
		CU_ASSERT(is_all(0, 4096, 0));
		CU_ASSERT_EQUAL(hnuma_scratch_release(space), 0);
		CU_ASSERT(is_all(0, 4096, 1));
	}
	CU_ASSERT_EQUAL(hnuma_scratch_destroy(scratch), 0);
	CU_ASSERT(is_all(0, 4096, 0));
	watched = NULL;
}
#endif

int main(int argc, char **argv)
{
	CU_TestInfo tests[] = {
		{"no misuse", no_misuse},
#if defined(HAVE_ASAN)
		{"reported by AddressSanitizer", test_reported_by_asan},
#elif !defined(HAVE_TSAN)
		{"what of an arena is poisoned (row 17)", test_arena_marks},
		{"what of a space is poisoned", test_scratch_marks},
		{"reported by Valgrind", test_reported_by_valgrind},
#endif
		CU_TEST_INFO_NULL,
	};
	size_t misuse;

	topology = check_topology();
	if (argc > 1) {
		misuse = (size_t)atoi(argv[1]);
		if (misuse >= NR_MISUSES)
			return 2;
		misuses[misuse].f();
		hnuma_topology_destroy(topology);
		return 0;
	}
	return check_main("poison", tests);
}
