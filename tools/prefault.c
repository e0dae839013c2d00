/* SPDX-License-Identifier: MIT */
/*
 * tools/prefault.c - has every page of the process present, and as far as possible left alone.
 * Calls libc only.
 */
#include "config.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tools/prefault.h"

/* Larger mappings are not code, stacks or small data: they are a sanitizer's, or were seen to. */
#define MOST_BYTES ((uintptr_t)64 << 20)

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif

/* From <linux/mempolicy.h>, which need not be installed. */
#define POLICY_LOCAL 4

/* One line of /proc/self/maps, such as "7f00-7f80 rw-p 00000000 00:00 0  [stack]". */
static void populate(const char *line)
{
	uintptr_t start, end;
	char permissions[5];

	if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s", &start, &end, permissions) != 3 ||
	    permissions[0] != 'r' || permissions[3] != 'p' || strstr(line, "[v") ||
	    end - start > MOST_BYTES)
		return;
	(void)madvise((void *)start, end - start,
		      permissions[1] == 'w' ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
}

void prefault_process(void)
{
	/* Of its own, so that reading the list does not change it. */
	static char text[1 << 18];
	size_t used = 0;
	ssize_t got;
	char *line, *end;
	int file = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);

	if (file < 0)
		return;
	while (used < sizeof(text) - 1 &&
	       (got = read(file, text + used, sizeof(text) - 1 - used)) > 0)
		used += (size_t)got;
	close(file);
	text[used] = '\0';
	for (line = text; (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		populate(line);
	}
}

void prefault_forbid_balancing(void)
{
	(void)syscall(SYS_set_mempolicy, POLICY_LOCAL, NULL, 0);
}

uint64_t prefault_moved_pages(void)
{
	static const char key[] = "pgmigrate_success ";
	uint64_t pages = 0;
	char line[128];
	FILE *file = fopen("/proc/vmstat", "re");

	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file))
		if (strncmp(line, key, sizeof(key) - 1) == 0)
			(void)sscanf(line + sizeof(key) - 1, "%" SCNu64, &pages);
	fclose(file);
	return pages;
}
