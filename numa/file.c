/* SPDX-License-Identifier: MIT */
/*
 * numa/file.c - the file behind a region: made, mapped and sealed; or another process's, looked at.
 *
 * Hugetlb pages are always those of a file, as only a file gives a mapping of them a name and keeps it
 * whole across fork(). The file of a shared region stays open, and is one of base pages where there
 * are no others. It is sealed so that nobody who is given it can make it shorter: what is mapped
 * behind the end of a file is SIGBUS.
 *
 * Calls the kernel through hnuma_sys only.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>

#include <hugenuma.h>

#include "numa/error.h"
#include "numa/hugepages.h"
#include "numa/owner.h"
#include "numa/region.h"
#include "numa/sys.h"

#ifndef MFD_HUGE_2MB
#define MFD_HUGE_2MB (21u << 26)
#endif

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW)

static int explain_map(const struct hnuma_request *request, bool is_hugetlb, int error)
{
	char file[96];

	if (!is_hugetlb)
		return hnuma_error_set(error, "mmap of a file of %zu bytes: %s",
				       request->size_bytes, hnuma_strerror(error));
	/* The counts were in order a moment ago. */
	if (error == -ENOMEM && hnuma_limit_check_hugetlb(request, true))
		return error;
	hnuma_hugepages_file(HNUMA_NODE_NONE, file, sizeof(file));
	return hnuma_error_set(
		error,
		"mmap of %zu pages of 2 MB: %s (too few are free and "
		"unpromised, of which `echo N > %s` sets aside "
		"N in all; or a limit stands in the way: sysctl vm.max_map_count, or one that "
		"cannot be seen from here)",
		request->size_bytes / HNUMA_HUGEPAGE, hnuma_strerror(error), file);
}

int hnuma_file_map(struct hnuma_region *region, const struct hnuma_request *request, int fd,
		   bool is_hugetlb)
{
	void *trial = NULL, *address = region->base;
	const size_t size = region->size_bytes;
	int error;

	error = hnuma_sys.map(&trial, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
	if (error)
		return explain_map(request, is_hugetlb, error);
	error = hnuma_sys.unmap(trial, size);
	/* Undo cannot go back on its way: what the kernel refuses once, it is asked twice. */
	if (error)
		error = hnuma_sys.unmap(trial, size);
	if (!error)
		error = hnuma_sys.map(&address, size, PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_FIXED, fd);
	return error ? hnuma_error_set(error, "mapping %zu bytes of a file in place: %s", size,
				       hnuma_strerror(error))
		     : 0;
}

/* Give a file its size, map it, and for a shared region seal it. */
static int fit(struct hnuma_region *region, const struct hnuma_request *request, int fd,
	       bool is_hugetlb)
{
	int error = hnuma_sys.truncate(fd, (off_t)request->size_bytes);

	if (error)
		return hnuma_error_set(
			error, "ftruncate of %zu bytes of %s: %s", request->size_bytes,
			is_hugetlb ? "huge pages" : "base pages", hnuma_strerror(error));
	error = hnuma_file_map(region, request, fd, is_hugetlb);
	if (error) {
		/* A mapping that cannot be taken away must at least not keep the pages. */
		(void)hnuma_sys.truncate(fd, 0);
		return error;
	}
	if (!(request->attr->flags & HNUMA_SHARED))
		return 0;
	error = hnuma_sys.add_seals(fd, SEALS | F_SEAL_SEAL);
	return error ? hnuma_error_set(error, "sealing the file of a shared region: %s",
				       hnuma_strerror(error))
		     : 0;
}

int hnuma_file_make(struct hnuma_region *region, const struct hnuma_request *request,
		    bool is_hugetlb, const char *name)
{
	const bool is_shared = request->attr->flags & HNUMA_SHARED;
	int fd, error;

	fd = hnuma_sys.memfd(name, MFD_CLOEXEC | (is_shared ? MFD_ALLOW_SEALING : 0) |
					   (is_hugetlb ? MFD_HUGETLB | MFD_HUGE_2MB : 0));
	if (fd < 0)
		return hnuma_error_set(fd,
				       "memfd_create with %s: %s (this kernel or its seccomp "
				       "profile does not give them)",
				       is_hugetlb ? "pages of 2 MB" : "base pages",
				       hnuma_strerror(fd));
	error = fit(region, request, fd, is_hugetlb);
	/* Where it is not to be shared the mapping keeps it: unmapping will give everything back. */
	if (error || !is_shared)
		(void)hnuma_sys.close(fd);
	else
		region->fd = fd;
	return error;
}

int hnuma_file_check(int fd, struct hnuma_sys_file *file)
{
	int error = hnuma_sys.describe(fd, file);
	int seals;

	if (error)
		return hnuma_error_set(error, "descriptor %d: %s", fd, hnuma_strerror(error));
	seals = hnuma_sys.get_seals(fd);
	if (seals < 0)
		return hnuma_error_set(-EINVAL,
				       "descriptor %d is no file of a shared region: no memfd (%s)",
				       fd, hnuma_strerror(seals));
	if ((seals & SEALS) != SEALS)
		return hnuma_error_set(-EINVAL,
				       "descriptor %d is no file of a shared region: it is not "
				       "sealed against another size, so whoever else has it could "
				       "take its pages away",
				       fd);
	if (file->is_hugetlb && file->page_size != HNUMA_HUGEPAGE)
		return hnuma_error_set(-EINVAL, "descriptor %d: pages of %zu bytes, not 2 MB", fd,
				       file->page_size);
	if (file->size == 0 || file->size % HNUMA_HUGEPAGE)
		return hnuma_error_set(
			-EINVAL,
			"descriptor %d is no file of a shared region: its %llu bytes "
			"are not whole pages of 2 MB",
			fd, (unsigned long long)file->size);
	return 0;
}

int hnuma_file_peek(int fd, void *buffer, size_t size)
{
	struct hnuma_sys_file file;
	int previous, error;
	ssize_t nr;

	error = hnuma_file_check(fd, &file);
	if (error)
		return error;
	/* To read is a point where a thread can be cancelled. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &previous);
	nr = hnuma_sys.read_start(fd, buffer, size);
	pthread_setcancelstate(previous, &previous);
	if (nr == -EIO)
		return hnuma_error_set(-EIO,
				       "descriptor %d: the file's first page has a memory error: "
				       "see the kernel's log",
				       fd);
	if (nr < 0)
		return hnuma_error_set((int)nr, "reading descriptor %d: %s", fd,
				       hnuma_strerror((int)nr));
	if ((size_t)nr < size)
		return hnuma_error_set(-EIO, "descriptor %d gave %zu bytes of its first %zu", fd,
				       (size_t)nr, size);
	return 0;
}
