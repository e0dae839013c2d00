/* SPDX-License-Identifier: MIT */
/*
 * tools/available.c - how much memory is there to be had, by the machine and by the process's
 * cgroup. Calls libc only.
 *
 * Only for memory that is not hugetlb: whoever takes more than this is killed without a word.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/replay_size.h"

/* The first number behind `key` in a small file, or UINT64_MAX. */
static uint64_t read_number(const char *path, const char *key)
{
	uint64_t number = UINT64_MAX;
	char line[256];
	FILE *file = fopen(path, "re");

	if (!file)
		return UINT64_MAX;
	while (fgets(line, sizeof(line), file)) {
		if (strncmp(line, key, strlen(key)) != 0)
			continue;
		if (sscanf(line + strlen(key), "%" SCNu64, &number) != 1)
			number = UINT64_MAX;
		break;
	}
	fclose(file);
	return number;
}

/* What the cgroup's limit leaves (cgroup v2; its own limit, not those above it). */
static uint64_t available_to_cgroup(void)
{
	char group[256] = "", path[320];
	uint64_t most, used;
	FILE *file = fopen("/proc/self/cgroup", "re");

	if (!file)
		return UINT64_MAX;
	while (fgets(group, sizeof(group), file) && strncmp(group, "0::/", 4) != 0)
		group[0] = '\0';
	fclose(file);
	if (group[0] == '\0')
		return UINT64_MAX;
	group[strcspn(group, "\n")] = '\0';
	snprintf(path, sizeof(path), "/sys/fs/cgroup%s/memory.max", group + 3);
	most = read_number(path, "");
	snprintf(path, sizeof(path), "/sys/fs/cgroup%s/memory.current", group + 3);
	used = read_number(path, "");
	if (most == UINT64_MAX || used == UINT64_MAX)
		return UINT64_MAX;
	return most > used ? most - used : 0;
}

uint64_t available_memory(void)
{
	uint64_t machine_kb = read_number("/proc/meminfo", "MemAvailable:");
	uint64_t cgroup = available_to_cgroup();
	uint64_t machine = machine_kb == UINT64_MAX ? UINT64_MAX : machine_kb * 1024;

	return machine < cgroup ? machine : cgroup;
}
