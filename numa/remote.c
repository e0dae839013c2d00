/* SPDX-License-Identifier: MIT */
/*
 * numa/remote.c - reading another process's memory.
 *
 * Calls the kernel through hnuma_sys only.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

#include <hugenuma.h>

#include "numa/error.h"
#include "numa/maps.h"
#include "numa/procfs.h"
#include "numa/remote.h"
#include "numa/sys.h"

/* Ranges of one call: UIO_MAXIOV would be 1024. */
#define RANGES_MAX 256

int hnuma_remote_explain(int error, int pid)
{
	switch (error) {
	case -ENOENT:
	case -ESRCH:
		return hnuma_error_set(-ESRCH,
				       "there is no process %d: it has ended, or /proc is not "
				       "mounted",
				       pid);
	case -EACCES:
	case -EPERM:
		return hnuma_error_set(
			-EPERM,
			"process %d is not ours to look at: be root or its user, and "
			"look at sysctl kernel.yama.ptrace_scope (in a container: "
			"CAP_SYS_PTRACE)",
			pid);
	case -ENOMEM:
		return hnuma_error_set(-ENOMEM, "no memory for a look at process %d", pid);
	case -EFAULT:
		return hnuma_error_set(
			-EFAULT, "process %d has nothing mapped where its objects should be", pid);
	case -ENOSYS:
		return hnuma_error_set(-ENOSYS, "this kernel cannot read another process's memory "
						"(CONFIG_CROSS_MEMORY_ATTACH, or seccomp)");
	default:
		return hnuma_error_set(error, "process %d cannot be read: %s", pid,
				       hnuma_strerror(error));
	}
}

/* "7f4f48400000-7f4f48500000 rw-s 00000000 00:01 1234    /memfd:NAME (deleted)" */
static bool parse_mapping(const char *line, const char *name, uintptr_t *begin, uintptr_t *end)
{
	const char *path = strstr(line, " /memfd:");
	size_t length = strlen(name);

	if (!path || strncmp(path + strlen(" /memfd:"), name, length) != 0 ||
	    strcmp(path + strlen(" /memfd:") + length, " (deleted)") != 0)
		return false;
	return hnuma_maps_parse_range(line, begin, end) && *end > *begin;
}

int hnuma_remote_find(int pid, const char *name, uint64_t *address, uint64_t *size_bytes)
{
	struct hnuma_procfs_lines lines;
	uintptr_t begin, end;
	const char *line;
	char path[40];
	int result;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	result = hnuma_procfs_open(&lines, path);
	if (result)
		return hnuma_remote_explain(result, pid);
	while ((result = hnuma_procfs_next(&lines, &line)) > 0) {
		if (parse_mapping(line, name, &begin, &end)) {
			*address = begin;
			*size_bytes = end - begin;
			break;
		}
	}
	hnuma_procfs_close(&lines);
	if (result < 0)
		return hnuma_remote_explain(result, pid);
	return result ? 0 : -ENOENT;
}

int hnuma_remote_read(int pid, uint64_t address, void *buffer, size_t item_bytes,
		      size_t stride_bytes, size_t count)
{
	struct iovec ranges[RANGES_MAX];
	unsigned char *to = buffer;

	while (count > 0) {
		unsigned nr = count < RANGES_MAX ? (unsigned)count : RANGES_MAX;
		ssize_t got;

		for (unsigned i = 0; i < nr; i++) {
			ranges[i].iov_base = (void *)(uintptr_t)(address + i * stride_bytes);
			ranges[i].iov_len = item_bytes;
		}
		got = hnuma_sys.read_process(pid, to, nr * item_bytes, ranges, nr);
		if (got < 0)
			return hnuma_remote_explain((int)got, pid);
		if ((size_t)got != nr * item_bytes)
			return hnuma_remote_explain(-EFAULT, pid);
		to += nr * item_bytes;
		address += nr * stride_bytes;
		count -= nr;
	}
	return 0;
}
