/* SPDX-License-Identifier: MIT */
/*
 * tests/fake_files.h - let the library read files of our own making in /proc and /sys.
 *
 * For test programs that include it: fake_files_begin() puts them in the place of the real ones, in
 * the library's eyes only (hwloc reads by itself), and fake_files_end() takes them away.
 */
#ifndef HUGENUMA_TESTS_FAKE_FILES_H
#define HUGENUMA_TESTS_FAKE_FILES_H

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "numa/sys.h"

struct fake_file {
	const char *path; /* NULL ends the list */
	const char *text; /* NULL: opening it fails */
	int error;	  /* with this */
};

static struct {
	const struct fake_file *files;
	bool hides_others; /* what is not in the list is not there */
	int (*real_open)(const char *path);
} fake_files;

/* A descriptor that reads as the text. */
static int fake_files_descriptor(const char *text)
{
	size_t length = strlen(text);
	int fd = memfd_create("fake", MFD_CLOEXEC);

	if (fd < 0 || write(fd, text, length) != (ssize_t)length || lseek(fd, 0, SEEK_SET))
		return -EIO;
	return fd;
}

static int fake_files_open(const char *path)
{
	for (const struct fake_file *file = fake_files.files; file->path; file++)
		if (strcmp(file->path, path) == 0)
			return file->text ? fake_files_descriptor(file->text) : file->error;
	return fake_files.hides_others ? -ENOENT : fake_files.real_open(path);
}

static inline void fake_files_begin(const struct fake_file *files, bool hides_others)
{
	if (!fake_files.real_open)
		fake_files.real_open = hnuma_sys.open;
	fake_files.files = files;
	fake_files.hides_others = hides_others;
	hnuma_sys.open = fake_files_open;
}

static inline void fake_files_end(void)
{
	hnuma_sys.open = fake_files.real_open;
}

#endif
