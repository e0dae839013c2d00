/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/fuzz.h - what the fuzz targets share.
 *
 * A target is one function that takes any bytes whatever. What it finds is a crash: a sanitizer's, or
 * that of FUZZ_EXPECT(). Linked with libFuzzer it is given bytes that reach ever more of the code;
 * linked with replay.c, those of its corpus.
 */
#ifndef HUGENUMA_TESTS_FUZZ_H
#define HUGENUMA_TESTS_FUZZ_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <hugenuma.h>

#include "numa/sys.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_EXPECT(condition)                                                          \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: not so: %s (%s)\n", __FILE__, __LINE__, \
				#condition, hnuma_errormsg());                          \
			abort();                                                        \
		}                                                                       \
	} while (0)

/* A file that holds these bytes, by a name under which it can be opened. Closed by the caller. */
static inline int fuzz_file(const uint8_t *data, size_t size, char *path, size_t path_size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	FUZZ_EXPECT(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, path_size, "/proc/self/fd/%d", fd);
	return fd;
}

static inline int fuzz_memfd(const char *name, unsigned flags)
{
	return flags & MFD_HUGETLB ? -ENOSYS : memfd_create(name, flags);
}

/* Take no huge page that others count on: objects lie in transparent or base pages then. */
static inline void fuzz_leave_huge_pages(void)
{
	hnuma_sys.memfd = fuzz_memfd;
}

#endif
