/* SPDX-License-Identifier: MIT */
/*
 * tests/fail_sys.h - let the k-th call of one entry of the kernel's table fail.
 *
 * For test programs that include it: fail_sys_install() puts the wrappers in, fail_sys_remove() takes
 * them out. Between the two, fail_sys_begin() says what is to fail. A call that fails does nothing,
 * but for close(), which frees the descriptor in any case, as Linux does. fail_malloc.h adds the
 * allocations of memory, fail_hwloc.h the calls of hwloc.
 */
#ifndef HUGENUMA_TESTS_FAIL_SYS_H
#define HUGENUMA_TESTS_FAIL_SYS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "numa/sys.h"

enum fail_entry {
	FAIL_MAP,
	FAIL_UNMAP,
	FAIL_ADVISE,
	FAIL_MEMFD,
	FAIL_TRUNCATE,
	FAIL_ADD_SEALS,
	FAIL_NAME,
	FAIL_GET_POLICY,
	FAIL_SET_POLICY,
	FAIL_BIND,
	FAIL_QUERY_PAGES,
	FAIL_CURRENT_CPU,
	FAIL_MEMBARRIER,
	FAIL_OPEN,
	FAIL_READ,
	FAIL_CLOSE,
	FAIL_READ_PROCESS,
	FAIL_GET_SEALS, /* these three when a file is opened only: test_share.c */
	FAIL_DUPLICATE,
	FAIL_DESCRIBE,
	FAIL_READ_START, /* and these when a manager is handed on: test_adopt.c */
	FAIL_REOPEN,
	FAIL_LOCK,
	FAIL_MALLOC, /* fail_malloc.h */
	FAIL_HWLOC,  /* fail_hwloc.h */
	FAIL_NR_ENTRIES,
};

#define FAIL_LEFTOVERS_MAX 16

static struct {
	struct hnuma_sys real;
	enum fail_entry entry;
	long at; /* 1: the first call; 0: none */
	bool goes_on;
	int error;
	atomic_bool has_happened;
	atomic_long calls[FAIL_NR_ENTRIES];

	/* What should have been unmapped. */
	struct {
		void *address;
		size_t length;
	} leftovers[FAIL_LEFTOVERS_MAX];
} fail_sys;

static bool fail_sys_is_due(enum fail_entry entry)
{
	long call = atomic_fetch_add(&fail_sys.calls[entry], 1) + 1;

	if (fail_sys.entry != entry || fail_sys.at == 0)
		return false;
	if (call != fail_sys.at && !(fail_sys.goes_on && call > fail_sys.at))
		return false;
	fail_sys.has_happened = true;
	return true;
}

static int fail_map(void **address, size_t length, int protection, int flags, int fd)
{
	if (fail_sys_is_due(FAIL_MAP))
		return fail_sys.error;
	return fail_sys.real.map(address, length, protection, flags, fd);
}

static int fail_unmap(void *address, size_t length)
{
	bool is_due = fail_sys_is_due(FAIL_UNMAP);

	for (int i = 0; i < FAIL_LEFTOVERS_MAX; i++) {
		void *known = fail_sys.leftovers[i].address;

		if (is_due && (!known || known == address)) {
			fail_sys.leftovers[i].address = address;
			fail_sys.leftovers[i].length = length;
			break;
		}
		if (!is_due && known == address)
			fail_sys.leftovers[i].address = NULL;
	}
	return is_due ? fail_sys.error : fail_sys.real.unmap(address, length);
}

static int fail_advise(void *address, size_t length, int advice)
{
	if (fail_sys_is_due(FAIL_ADVISE))
		return fail_sys.error;
	return fail_sys.real.advise(address, length, advice);
}

static int fail_memfd(const char *name, unsigned flags)
{
	if (fail_sys_is_due(FAIL_MEMFD))
		return fail_sys.error;
	return fail_sys.real.memfd(name, flags);
}

static int fail_truncate(int fd, off_t length)
{
	if (fail_sys_is_due(FAIL_TRUNCATE))
		return fail_sys.error;
	return fail_sys.real.truncate(fd, length);
}

static int fail_add_seals(int fd, int seals)
{
	if (fail_sys_is_due(FAIL_ADD_SEALS))
		return fail_sys.error;
	return fail_sys.real.add_seals(fd, seals);
}

static int fail_get_seals(int fd)
{
	if (fail_sys_is_due(FAIL_GET_SEALS))
		return fail_sys.error;
	return fail_sys.real.get_seals(fd);
}

static int fail_duplicate(int fd)
{
	if (fail_sys_is_due(FAIL_DUPLICATE))
		return fail_sys.error;
	return fail_sys.real.duplicate(fd);
}

static int fail_describe(int fd, struct hnuma_sys_file *file)
{
	if (fail_sys_is_due(FAIL_DESCRIBE))
		return fail_sys.error;
	return fail_sys.real.describe(fd, file);
}

static ssize_t fail_read_start(int fd, void *buffer, size_t size)
{
	if (fail_sys_is_due(FAIL_READ_START))
		return fail_sys.error;
	return fail_sys.real.read_start(fd, buffer, size);
}

static int fail_reopen(int fd)
{
	if (fail_sys_is_due(FAIL_REOPEN))
		return fail_sys.error;
	return fail_sys.real.reopen(fd);
}

static int fail_lock(int fd)
{
	if (fail_sys_is_due(FAIL_LOCK))
		return fail_sys.error;
	return fail_sys.real.lock(fd);
}

static int fail_name(void *address, size_t length, const char *name)
{
	if (fail_sys_is_due(FAIL_NAME))
		return fail_sys.error;
	return fail_sys.real.name(address, length, name);
}

static int fail_get_policy(int *mode, unsigned long *mask, unsigned long max_node, void *address,
			   unsigned flags)
{
	if (fail_sys_is_due(FAIL_GET_POLICY))
		return fail_sys.error;
	return fail_sys.real.get_policy(mode, mask, max_node, address, flags);
}

static int fail_set_policy(int mode, const unsigned long *mask, unsigned long max_node)
{
	if (fail_sys_is_due(FAIL_SET_POLICY))
		return fail_sys.error;
	return fail_sys.real.set_policy(mode, mask, max_node);
}

static int fail_bind(void *address, size_t length, int mode, const unsigned long *mask,
		     unsigned long max_node, unsigned flags)
{
	if (fail_sys_is_due(FAIL_BIND))
		return fail_sys.error;
	return fail_sys.real.bind(address, length, mode, mask, max_node, flags);
}

static int fail_query_pages(unsigned long count, void **pages, int *status)
{
	if (fail_sys_is_due(FAIL_QUERY_PAGES))
		return fail_sys.error;
	return fail_sys.real.query_pages(count, pages, status);
}

static int fail_current_cpu(void)
{
	if (fail_sys_is_due(FAIL_CURRENT_CPU))
		return fail_sys.error;
	return fail_sys.real.current_cpu();
}

static int fail_membarrier(int command)
{
	if (fail_sys_is_due(FAIL_MEMBARRIER))
		return fail_sys.error;
	return fail_sys.real.membarrier(command);
}

static int fail_open(const char *path)
{
	if (fail_sys_is_due(FAIL_OPEN))
		return fail_sys.error;
	return fail_sys.real.open(path);
}

static ssize_t fail_read(int fd, void *buffer, size_t size)
{
	if (fail_sys_is_due(FAIL_READ))
		return fail_sys.error;
	return fail_sys.real.read(fd, buffer, size);
}

static int fail_close(int fd)
{
	int result = fail_sys.real.close(fd);

	return fail_sys_is_due(FAIL_CLOSE) ? fail_sys.error : result;
}

static ssize_t fail_read_process(int pid, void *buffer, size_t size, const struct iovec *ranges,
				 unsigned nr_ranges)
{
	if (fail_sys_is_due(FAIL_READ_PROCESS))
		return fail_sys.error;
	return fail_sys.real.read_process(pid, buffer, size, ranges, nr_ranges);
}

static void fail_sys_install(void)
{
	/* A case that ended half-way has not removed them. */
	if (hnuma_sys.map != fail_map)
		fail_sys.real = hnuma_sys;
	fail_sys.at = 0;
	hnuma_sys.map = fail_map;
	hnuma_sys.unmap = fail_unmap;
	hnuma_sys.advise = fail_advise;
	hnuma_sys.memfd = fail_memfd;
	hnuma_sys.truncate = fail_truncate;
	hnuma_sys.add_seals = fail_add_seals;
	hnuma_sys.get_seals = fail_get_seals;
	hnuma_sys.duplicate = fail_duplicate;
	hnuma_sys.describe = fail_describe;
	hnuma_sys.read_start = fail_read_start;
	hnuma_sys.reopen = fail_reopen;
	hnuma_sys.lock = fail_lock;
	hnuma_sys.name = fail_name;
	hnuma_sys.get_policy = fail_get_policy;
	hnuma_sys.set_policy = fail_set_policy;
	hnuma_sys.bind = fail_bind;
	hnuma_sys.query_pages = fail_query_pages;
	hnuma_sys.current_cpu = fail_current_cpu;
	hnuma_sys.membarrier = fail_membarrier;
	hnuma_sys.open = fail_open;
	hnuma_sys.read = fail_read;
	hnuma_sys.close = fail_close;
	hnuma_sys.read_process = fail_read_process;
}

static void fail_sys_remove(void)
{
	hnuma_sys = fail_sys.real;
}

/* From now on the at-th call of an entry fails; and with `goes_on` all after it. */
static inline void fail_sys_begin(enum fail_entry entry, long at, bool goes_on, int error)
{
	fail_sys.entry = entry;
	fail_sys.at = at;
	fail_sys.goes_on = goes_on;
	fail_sys.error = error;
	fail_sys.has_happened = false;
	for (int i = 0; i < FAIL_NR_ENTRIES; i++)
		atomic_store(&fail_sys.calls[i], 0);
}

/* Nothing fails any more. Returns whether something has failed. */
static inline bool fail_sys_end(void)
{
	fail_sys.at = 0;
	return fail_sys.has_happened;
}

/* Unmap what could not be unmapped, if anything. Returns how many mappings that were. */
static inline int fail_sys_clean(void)
{
	int nr_mappings = 0;

	for (int i = 0; i < FAIL_LEFTOVERS_MAX; i++) {
		if (!fail_sys.leftovers[i].address)
			continue;
		fail_sys.real.unmap(fail_sys.leftovers[i].address, fail_sys.leftovers[i].length);
		fail_sys.leftovers[i].address = NULL;
		nr_mappings++;
	}
	return nr_mappings;
}

#endif
