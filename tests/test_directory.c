/* SPDX-License-Identifier: MIT */
/*
 * tests/test_directory.c - the directory of a process's objects: when it is there, what becomes of it
 * when the kernel refuses, when it is full, and across fork(). test_observe.c reads it.
 */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <hugenuma.h>

#include "numa/directory.h"
#include "numa/remote.h"
#include "tests/check.h"
#include "tests/fail_sys.h"

static struct hnuma_topology *topology;

static bool is_mapped(void)
{
	uint64_t address, size;

	return hnuma_remote_find(getpid(), HNUMA_DIRECTORY_NAME, &address, &size) == 0;
}

static int create(struct hnuma_region **region, unsigned flags)
{
	struct hnuma_region_attr attr = HNUMA_REGION_ATTR_INIT;

	attr.size = 1;
	attr.least_backing = HNUMA_BACKING_BASE;
	attr.flags = flags;
	attr.name = "mine";
	return hnuma_region_create(region, topology, &attr);
}

static uint64_t add(void)
{
	struct hnuma_directory_entry entry = {.kind = HNUMA_OBJECT_MANAGER};

	return hnuma_directory_add(&entry);
}

/* How many objects an observer sees in a process, and the last of them; or the error. */
static int count_objects(int pid, struct hnuma_object *last)
{
	struct hnuma_object object = {.id = 0};
	struct hnuma_observer *observer;
	int nr = 0, result = hnuma_observer_open(&observer, pid);

	if (result)
		return result;
	while ((result = hnuma_observer_next(observer, &object)) > 0) {
		nr++;
		*last = object;
	}
	hnuma_observer_close(observer);
	return result ? result : nr;
}

/* Made with the first object, gone with the last: then all is as it was. */
static void test_life(void)
{
	struct hnuma_region *first, *second;
	struct hnuma_object object;
	struct check_state before;

	CU_ASSERT_EQUAL_FATAL(create(&first, 0), 0);
	CU_ASSERT_EQUAL(hnuma_region_destroy(first), 0);
	check_snapshot(&before);
	CU_ASSERT_FALSE(is_mapped());
	CU_ASSERT_EQUAL(count_objects(getpid(), &object), -ENOENT);
	check_message("has no objects of hugenuma");
	CU_ASSERT_EQUAL_FATAL(create(&first, 0), 0);
	CU_ASSERT(is_mapped());
	CU_ASSERT_PTR_NOT_NULL(
		strstr(check_read_file("/proc/self/maps"), "/memfd:hugenuma:directory (deleted)"));
	CU_ASSERT_EQUAL_FATAL(create(&second, 0), 0);
	CU_ASSERT_EQUAL(count_objects(getpid(), &object), 2);
	CU_ASSERT_EQUAL(object.kind, HNUMA_OBJECT_REGION);
	CU_ASSERT_STRING_EQUAL(object.name, "mine");
	CU_ASSERT_EQUAL(object.base, (uintptr_t)hnuma_region_base(second));
	CU_ASSERT_EQUAL(object.size, HNUMA_HUGEPAGE);
	CU_ASSERT_EQUAL(hnuma_region_destroy(first), 0);
	CU_ASSERT_EQUAL(count_objects(getpid(), &object), 1);
	CU_ASSERT_EQUAL(object.base, (uintptr_t)hnuma_region_base(second));
	CU_ASSERT_EQUAL(hnuma_region_destroy(second), 0);
	CU_ASSERT_FALSE(is_mapped());
	check_unchanged(&before);
}

/* Whichever call fails, there is no directory then and nothing is left of it. */
static void test_calls_fail(void)
{
	static const enum fail_entry entries[] = {FAIL_MEMFD, FAIL_TRUNCATE, FAIL_MAP, FAIL_ADVISE};
	struct check_state before;
	uint64_t id;

	hnuma_directory_remove(add());
	check_snapshot(&before);
	fail_sys_install();
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
		fail_sys_begin(entries[i], 1, true, -ENOMEM);
		CU_ASSERT_EQUAL(add(), 0);
		CU_ASSERT(fail_sys_end());
		check_unchanged(&before);
	}
	/* The descriptor is closed in any case. */
	fail_sys_begin(FAIL_CLOSE, 1, true, -EIO);
	id = add();
	CU_ASSERT(fail_sys_end());
	CU_ASSERT_NOT_EQUAL(id, 0);
	hnuma_directory_remove(id);
	check_unchanged(&before);
	/* One that cannot be unmapped serves again, and goes with the next. */
	id = add();
	fail_sys_begin(FAIL_UNMAP, 1, true, -ENOMEM);
	hnuma_directory_remove(id);
	CU_ASSERT(fail_sys_end());
	CU_ASSERT(is_mapped());
	fail_sys_begin(FAIL_MEMFD, 1, true, -ENOMEM);
	id = add();
	CU_ASSERT_FALSE(fail_sys_end());
	CU_ASSERT_NOT_EQUAL(id, 0);
	hnuma_directory_remove(id);
	fail_sys_remove();
	check_unchanged(&before);
}

static int refuse_directory(const char *name, unsigned flags)
{
	return strcmp(name, HNUMA_DIRECTORY_NAME) == 0 ? -EPERM : fail_sys.real.memfd(name, flags);
}

/* An object that cannot be listed is an object all the same. */
static void test_unlisted(void)
{
	struct hnuma_config config = HNUMA_CONFIG_INIT;
	struct hnuma_manager *manager;
	struct hnuma_object object;
	struct hnuma_region *region;

	config.least_backing = HNUMA_BACKING_BASE;
	fail_sys_install();
	hnuma_sys.memfd = refuse_directory;
	CU_ASSERT_EQUAL_FATAL(hnuma_manager_create(&manager, topology, &config), 0);
	CU_ASSERT_EQUAL(count_objects(getpid(), &object), -ENOENT);
	fail_sys_remove();
	/* The next one makes it, and is alone in it. */
	CU_ASSERT_EQUAL_FATAL(create(&region, 0), 0);
	CU_ASSERT_EQUAL(count_objects(getpid(), &object), 1);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
	CU_ASSERT_EQUAL(count_objects(getpid(), &object), 1);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
	CU_ASSERT_FALSE(is_mapped());
}

/* A limit on the size of files is no reason to be killed by SIGXFSZ. */
static void child_of_small_files(void *arg)
{
	const struct rlimit small = {4096, 4096};
	struct hnuma_region *region;

	(void)arg;
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &small), 0);
	CU_ASSERT_EQUAL_FATAL(create(&region, 0), 0);
	CU_ASSERT_FALSE(is_mapped());
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
}

static void test_file_limit(void)
{
	CU_ASSERT_EQUAL(check_in_child(child_of_small_files, NULL), 0);
}

static void test_full(void)
{
	static uint64_t ids[HNUMA_DIRECTORY_SLOTS];
	struct hnuma_object object = {.id = 0};
	struct hnuma_observer *observer;
	uint64_t id;

	for (size_t i = 1; i < HNUMA_DIRECTORY_SLOTS; i++)
		ids[i] = add();
	CU_ASSERT_NOT_EQUAL(ids[HNUMA_DIRECTORY_SLOTS - 1], 0);
	CU_ASSERT_EQUAL(count_objects(getpid(), &object), (int)HNUMA_DIRECTORY_SLOTS - 1);
	CU_ASSERT_EQUAL(add(), 0);
	object.id = 0;
	CU_ASSERT_EQUAL_FATAL(hnuma_observer_open(&observer, getpid()), 0);
	CU_ASSERT_EQUAL(hnuma_observer_next(observer, &object), 1);
	CU_ASSERT_EQUAL(object.id, ids[1]);
	CU_ASSERT_EQUAL(hnuma_observer_unlisted(observer), 1);
	hnuma_observer_close(observer);
	/* A slot is used again, an id is not. */
	hnuma_directory_remove(ids[7]);
	hnuma_directory_remove(ids[7]);
	id = add();
	CU_ASSERT_EQUAL(id % HNUMA_DIRECTORY_SLOTS, ids[7] % HNUMA_DIRECTORY_SLOTS);
	CU_ASSERT(id > ids[HNUMA_DIRECTORY_SLOTS - 1]);
	hnuma_directory_remove(ids[7]);
	CU_ASSERT_EQUAL(count_objects(getpid(), &object), (int)HNUMA_DIRECTORY_SLOTS - 1);
	CU_ASSERT_EQUAL(object.id, id);
	hnuma_directory_remove(id);
	for (size_t i = 1; i < HNUMA_DIRECTORY_SLOTS; i++)
		hnuma_directory_remove(ids[i]);
	CU_ASSERT_FALSE(is_mapped());
}

/* The parent's objects are not the child's; what the child does leaves the parent's directory alone. */
static void child(void *arg)
{
	struct hnuma_region *inherited = arg, *own;
	struct hnuma_object object;

	CU_ASSERT_FALSE(is_mapped());
	CU_ASSERT_EQUAL(count_objects(getpid(), &object), -ENOENT);
	CU_ASSERT_EQUAL(count_objects(getppid(), &object), 1);
	CU_ASSERT_EQUAL_FATAL(create(&own, 0), 0);
	CU_ASSERT_EQUAL(count_objects(getpid(), &object), 1);
	CU_ASSERT_EQUAL(object.base, (uintptr_t)hnuma_region_base(own));
	CU_ASSERT_EQUAL(hnuma_region_destroy(inherited), 0);
	CU_ASSERT_EQUAL(count_objects(getpid(), &object), 1);
	CU_ASSERT_EQUAL(count_objects(getppid(), &object), 1);
	CU_ASSERT_EQUAL(hnuma_region_destroy(own), 0);
	CU_ASSERT_FALSE(is_mapped());
}

static void test_fork(void)
{
	struct hnuma_region *region;
	struct hnuma_object object;

	CU_ASSERT_EQUAL_FATAL(create(&region, HNUMA_INHERIT), 0);
	CU_ASSERT_EQUAL(check_in_child(child, region), 0);
	CU_ASSERT_EQUAL(count_objects(getpid(), &object), 1);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
	CU_ASSERT_FALSE(is_mapped());
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"there as long as there are objects", test_life},
		{"each call fails", test_calls_fail},
		{"objects that cannot be listed", test_unlisted},
		{"a limit on files", test_file_limit},
		{"full", test_full},
		{"fork", test_fork},
		CU_TEST_INFO_NULL,
	};

	check_lock();
	topology = check_topology();
	return check_main("directory", tests);
}
