/* SPDX-License-Identifier: MIT */
/*
 * numa/procfs.h - text files of /proc, /sys and /sys/fs/cgroup: whole small ones, single numbers, and
 * large ones line by line.
 *
 * May be called from numa/. Opens and reads through hnuma_sys only, goes on after EINTR, allocates
 * nothing, sets no message (the caller knows what the file was wanted for). From where a file is opened
 * until it is closed the thread cannot be cancelled: its descriptor would stay open.
 */
#ifndef HNUMA_NUMA_PROCFS_H
#define HNUMA_NUMA_PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The longest line that hnuma_procfs_next() gives whole, its end included. */
#define HNUMA_PROCFS_LINE_MAX 4096

/*
 * Read a whole file.
 *
 * @text  receives its bytes and a NUL behind them; NUL bytes of the file are left as they are.
 * @size  bytes at text, at least 1.
 *
 * Returns the number of bytes without the NUL; -EFBIG (the file is longer than size - 1: the text
 * holds its beginning), or what the kernel answered to open or read (the text is then "").
 */
ssize_t hnuma_procfs_read(const char *path, char *text, size_t size);

/*
 * Read a file that holds one unsigned decimal number, blanks and a newline round it at most.
 *
 * Returns 0; -EINVAL (anything else is in the file), -ERANGE (more than 64 bits), or what the kernel
 * answered. On failure *number is 0.
 */
int hnuma_procfs_read_number(const char *path, uint64_t *number);

/*
 * Read a number at the beginning of a text, blanks before it at most: no sign, no other base.
 *
 * @end  receives the first character behind it; may be NULL, and is then not asked for.
 *
 * Returns 0, -EINVAL (no digit is there) or -ERANGE; on failure *number is 0 and *end the text.
 */
int hnuma_procfs_parse_number(const char *text, uint64_t *number, const char **end);

/*
 * A file that is read line by line. About 4 KB, to be put on the stack; its fields are procfs.c's.
 * The kernel makes such files as they are read: what changes meanwhile may be seen half.
 */
struct hnuma_procfs_lines {
	int fd;
	int cancel_state; /* the thread's, before */
	bool is_at_end;	  /* read() has answered 0, or failed */
	bool is_skipping; /* the rest of a line that was too long is still to come */
	size_t begin;	  /* of what was read and not yet given */
	size_t end;
	char text[HNUMA_PROCFS_LINE_MAX];
};

/* Begin. Returns 0 or what the kernel answered to open; close is needed, and allowed, after 0 only. */
int hnuma_procfs_open(struct hnuma_procfs_lines *lines, const char *path);

/*
 * The next line.
 *
 * @line  receives it without its newline, NUL at its end; valid until the next call. A line of
 *        HNUMA_PROCFS_LINE_MAX characters or more is cut, and the call after that gives the line
 *        behind it. A last line without a newline is a line.
 *
 * Returns 1; 0 at the end; or what the kernel answered to read (and then again 0).
 */
int hnuma_procfs_next(struct hnuma_procfs_lines *lines, const char **line);

void hnuma_procfs_close(struct hnuma_procfs_lines *lines);

#endif
