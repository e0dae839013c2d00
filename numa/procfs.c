/* SPDX-License-Identifier: MIT */
/*
 * numa/procfs.c - reading the kernel's text files.
 *
 * Calls the kernel through hnuma_sys only.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "numa/procfs.h"
#include "numa/sys.h"

/* A signal may come at any time; only a kernel that never gets anywhere needs an end to it. */
#define INTERRUPTS_MAX 100000

static int open_file(const char *path, int *cancel_state)
{
	int fd = -EINTR;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, cancel_state);
	for (int tries = 0; fd == -EINTR && tries < INTERRUPTS_MAX; tries++)
		fd = hnuma_sys.open(path);
	if (fd < 0)
		pthread_setcancelstate(*cancel_state, cancel_state);
	return fd;
}

static ssize_t read_file(int fd, void *buffer, size_t size)
{
	ssize_t result = -EINTR;

	for (int tries = 0; result == -EINTR && tries < INTERRUPTS_MAX; tries++)
		result = hnuma_sys.read(fd, buffer, size);
	return result;
}

/*
 * Not again after EINTR: Linux has closed the descriptor by then, and its number may be another
 * file's already.
 */
static void close_file(int fd, int cancel_state)
{
	(void)hnuma_sys.close(fd);
	pthread_setcancelstate(cancel_state, &cancel_state);
}

ssize_t hnuma_procfs_read(const char *path, char *text, size_t size)
{
	size_t used = 0;
	ssize_t got = 0;
	int fd, cancel_state;

	text[0] = '\0';
	fd = open_file(path, &cancel_state);
	if (fd < 0)
		return fd;
	/* One byte more than fits as text tells a file that just fits from one that does not. */
	while (used < size) {
		got = read_file(fd, text + used, size - used);
		if (got <= 0)
			break;
		used += (size_t)got;
	}
	close_file(fd, cancel_state);
	if (got < 0) {
		text[0] = '\0';
		return got;
	}
	if (used == size) {
		text[size - 1] = '\0';
		return -EFBIG;
	}
	text[used] = '\0';
	return (ssize_t)used;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

int hnuma_procfs_parse_number(const char *text, uint64_t *number, const char **end)
{
	const char *at = text;
	uint64_t value = 0;
	int error = 0;

	while (is_blank(*at))
		at++;
	if (*at < '0' || *at > '9')
		error = -EINVAL;
	for (; !error && *at >= '0' && *at <= '9'; at++)
		if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value))
			error = -ERANGE;
	*number = error ? 0 : value;
	if (end)
		*end = error ? text : at;
	return error;
}

int hnuma_procfs_read_number(const char *path, uint64_t *number)
{
	char text[64];
	const char *end;
	ssize_t length = hnuma_procfs_read(path, text, sizeof(text));
	int error;

	*number = 0;
	if (length < 0)
		return length == -EFBIG ? -EINVAL : (int)length;
	error = hnuma_procfs_parse_number(text, number, &end);
	if (error)
		return error;
	while (is_blank(*end))
		end++;
	if (end != text + length) {
		*number = 0;
		return -EINVAL;
	}
	return 0;
}

int hnuma_procfs_open(struct hnuma_procfs_lines *lines, const char *path)
{
	lines->is_at_end = false;
	lines->is_skipping = false;
	lines->begin = 0;
	lines->end = 0;
	lines->fd = open_file(path, &lines->cancel_state);
	return lines->fd < 0 ? lines->fd : 0;
}

/* Read on behind what is there, which is moved to the front. Returns what read() answered. */
static ssize_t fill(struct hnuma_procfs_lines *lines)
{
	size_t kept = lines->end - lines->begin;
	ssize_t got;

	memmove(lines->text, lines->text + lines->begin, kept);
	lines->begin = 0;
	lines->end = kept;
	got = read_file(lines->fd, lines->text + kept, sizeof(lines->text) - kept);
	if (got <= 0)
		lines->is_at_end = true;
	else
		lines->end += (size_t)got;
	return got;
}

/* Give what lies between begin and `stop` as a line; go on at `next`. */
static int give(struct hnuma_procfs_lines *lines, size_t stop, size_t next, const char **line)
{
	lines->text[stop] = '\0';
	*line = lines->text + lines->begin;
	lines->begin = next;
	return 1;
}

/* Give what there is of a line that fills the buffer; its last character makes room for the NUL. */
static int give_cut(struct hnuma_procfs_lines *lines, const char **line)
{
	lines->is_skipping = true;
	return give(lines, lines->end - 1, lines->end, line);
}

int hnuma_procfs_next(struct hnuma_procfs_lines *lines, const char **line)
{
	for (;;) {
		char *begin = lines->text + lines->begin;
		size_t length = lines->end - lines->begin;
		char *newline = memchr(begin, '\n', length);
		ssize_t got;

		if (newline && lines->is_skipping) {
			lines->is_skipping = false;
			lines->begin = (size_t)(newline - lines->text) + 1;
			continue;
		}
		if (newline) {
			size_t stop = (size_t)(newline - lines->text);

			return give(lines, stop, stop + 1, line);
		}
		if (lines->is_skipping)
			lines->begin = lines->end;
		else if (length == sizeof(lines->text))
			return give_cut(lines, line);
		if (lines->is_at_end) {
			if (lines->begin == lines->end)
				return 0;
			/* Without a newline at its end; it fits, or it would have been cut. */
			return give(lines, lines->end, lines->end, line);
		}
		got = fill(lines);
		if (got < 0) {
			lines->begin = lines->end;
			return (int)got;
		}
	}
}

void hnuma_procfs_close(struct hnuma_procfs_lines *lines)
{
	close_file(lines->fd, lines->cancel_state);
	lines->fd = -1;
}
