/* SPDX-License-Identifier: MIT */
/*
 * numa/limit.c - does a count or a limit make it certain that a request will fail?
 *
 * Counts are of one moment, so that "no" is no promise. "Yes" spares the caller the work and, for
 * memory that is not hugetlb, the kernel's out-of-memory killer; and it is here that a failure gets
 * its name and the command that mends it. Reads files only.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <hugenuma.h>

#include "numa/cgroup.h"
#include "numa/error.h"
#include "numa/hugepages.h"
#include "numa/memory.h"
#include "numa/procfs.h"
#include "numa/region.h"
#include "numa/topology.h"

#define THP_DIRECTORY "/sys/kernel/mm/transparent_hugepage"

/* Stacks of the threads that populate, mappings, pages that are on their way: some hundred KB. */
#define BESIDES_BYTES ((size_t)1024 * 1024)

static uint64_t difference(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/*
 * Surplus pages are made when free ones run out, up to an allowance for the whole machine: as long
 * as some are left, failure is not certain.
 */
static uint64_t surplus_room(const struct hnuma_hugepages_machine *machine)
{
	return difference(machine->overcommit, machine->surplus);
}

/*
 * In both commands the number counts the surplus pages that are in use, too: a larger number makes these
 * ordinary ones before it makes any new ones.
 */
static int check_machine_pages(const struct hnuma_request *request,
			       const struct hnuma_hugepages_machine *machine)
{
	uint64_t needed = request->size_bytes / HNUMA_HUGEPAGE;
	uint64_t unpromised = difference(machine->free, machine->reserved);
	uint64_t file_value = machine->total + needed - unpromised;
	struct hnuma_hugepages_node pages;
	int node = HNUMA_NODE_NONE;
	char path[96];

	if (needed <= unpromised + surplus_room(machine))
		return 0;
	/* More pages for one node are best made there. */
	if (request->node >= 0 && !hnuma_hugepages_read_node(request->node, &pages)) {
		node = request->node;
		file_value = pages.total + needed - unpromised;
	}
	hnuma_hugepages_file(node, path, sizeof(path));
	return hnuma_error_set(-ENOMEM,
			       "%llu pages of 2 MB are needed, and this machine has %llu free, of "
			       "which %llu are promised to other mappings: echo %llu > %s",
			       (unsigned long long)needed, (unsigned long long)machine->free,
			       (unsigned long long)machine->reserved,
			       (unsigned long long)file_value, path);
}

static int check_node_pages(const struct hnuma_request *request,
			    const struct hnuma_hugepages_machine *machine)
{
	uint64_t needed = request->size_bytes / HNUMA_HUGEPAGE;
	uint64_t unpromised = difference(machine->free, machine->reserved);
	struct hnuma_hugepages_node pages;
	uint64_t missing;
	char path[96];

	if (hnuma_hugepages_read_node(request->node, &pages))
		return 0;
	if (needed <= pages.free + surplus_room(machine))
		return 0;
	/* What is promised may be taken from this node, too. */
	missing = difference(needed, pages.free);
	if (difference(needed, unpromised) > missing)
		missing = difference(needed, unpromised);
	hnuma_hugepages_file(request->node, path, sizeof(path));
	return hnuma_error_set(-ENOMEM,
			       "%llu pages of 2 MB are needed, and node %d has %llu free (of "
			       "%llu): echo %llu > %s",
			       (unsigned long long)needed, request->node,
			       (unsigned long long)pages.free, (unsigned long long)pages.total,
			       (unsigned long long)(pages.total + missing), path);
}

static void lower(uint64_t *least, uint64_t value)
{
	if (value < *least)
		*least = value;
}

/*
 * @more_kb   what need not come out of the limit.
 * @spare_kb  lowered to what the limit leaves besides, where it leaves enough.
 */
static int check_group(size_t needed_bytes, enum hnuma_cgroup_kind kind, uint64_t more_kb,
		       uint64_t *spare_kb)
{
	static const char *const names[] = {
		[HNUMA_CGROUP_PAGES] = "huge pages",
		[HNUMA_CGROUP_RESERVATIONS] = "reservations of huge pages",
		[HNUMA_CGROUP_PAGES_AS_MEMORY] = "memory, which counts huge pages, too,",
		[HNUMA_CGROUP_MEMORY] = "memory",
		[HNUMA_CGROUP_MEMORY_AND_SWAP] = "memory and swap",
	};
	/* What counts besides, where that is not among what is needed. */
	const size_t besides = kind == HNUMA_CGROUP_PAGES_AS_MEMORY ? BESIDES_BYTES : 0;
	struct hnuma_cgroup_limit limit;
	uint64_t there_kb;

	if (hnuma_cgroup_tightest(kind, &limit) || !limit.is_limited)
		return 0;
	there_kb = limit.headroom_bytes / 1024 + more_kb;
	if (needed_bytes / 1024 <= there_kb) {
		lower(spare_kb, there_kb - needed_bytes / 1024);
		return 0;
	}
	return hnuma_error_set(
		-ENOMEM,
		"%zu bytes are needed, and the control group's limit on %s leaves %llu (%llu of "
		"%llu in use): echo %llu > %s",
		needed_bytes, names[kind], (unsigned long long)limit.headroom_bytes,
		(unsigned long long)limit.usage_bytes, (unsigned long long)limit.limit_bytes,
		(unsigned long long)(limit.usage_bytes + needed_bytes + besides), limit.path);
}

/* The machine's free swap, as far as the group may use it. */
static uint64_t group_swap_kb(uint64_t swap_kb)
{
	struct hnuma_cgroup_limit swap;

	if (!hnuma_cgroup_tightest(HNUMA_CGROUP_SWAP, &swap))
		lower(&swap_kb, swap.headroom_bytes / 1024);
	return swap_kb;
}

/* Pages that count as memory: the group's other memory may make room for them, by being swapped out. */
static int check_pages_as_memory(size_t needed_bytes)
{
	struct hnuma_cgroup_limit limit;
	uint64_t spare_kb = UINT64_MAX;
	struct hnuma_memory memory;

	/* Where they do not count, which is the rule, swap need not be read. */
	if (hnuma_cgroup_tightest(HNUMA_CGROUP_PAGES_AS_MEMORY, &limit) || !limit.is_limited)
		return 0;
	if (hnuma_memory_read(NULL, &memory))
		memory.swap_kb = 0;
	return check_group(needed_bytes, HNUMA_CGROUP_PAGES_AS_MEMORY,
			   group_swap_kb(memory.swap_kb), &spare_kb);
}

int hnuma_limit_check_hugetlb(const struct hnuma_request *request, bool has_failed)
{
	struct hnuma_hugepages_machine machine;
	uint64_t spare_kb = UINT64_MAX;
	int error = 0;

	if (!hnuma_hugepages_read_machine(&machine)) {
		if (has_failed)
			machine.overcommit = 0;
		if (request->is_bound && request->attr->policy == HNUMA_POLICY_BIND)
			error = check_node_pages(request, &machine);
		/*
		 * Free and promised pages are read one after the other, while others take and give:
		 * the two together prove nothing. The kernel, which counts both at once, has
		 * the last word; afterwards they explain it.
		 */
		if (!error && has_failed)
			error = check_machine_pages(request, &machine);
	}
	if (!error)
		error = check_group(request->size_bytes, HNUMA_CGROUP_PAGES, 0, &spare_kb);
	if (!error)
		error = check_group(request->size_bytes, HNUMA_CGROUP_RESERVATIONS, 0, &spare_kb);
	if (!error)
		error = check_pages_as_memory(request->size_bytes);
	return error;
}

/* Beyond a control group's limit on memory the kernel would kill one of its processes. */
static int check_memory_cgroup(size_t needed_bytes, uint64_t swap_kb, uint64_t *spare_kb)
{
	int error =
		check_group(needed_bytes, HNUMA_CGROUP_MEMORY, group_swap_kb(swap_kb), spare_kb);

	return error ? error : check_group(needed_bytes, HNUMA_CGROUP_MEMORY_AND_SWAP, 0, spare_kb);
}

/* Which nodes can the memory come from? NULL: any that the machine has. */
static const struct hnuma_nodeset *find_sources(const struct hnuma_request *request,
						struct hnuma_nodeset *allowed)
{
	if (!request->is_bound)
		return NULL;
	if (request->attr->policy == HNUMA_POLICY_BIND)
		return &request->nodes;
	return hnuma_topology_usable_nodes(request->topology, false, allowed) ? allowed : NULL;
}

int hnuma_limit_check_memory(const struct hnuma_request *request, size_t needed_bytes,
			     size_t *spare_bytes)
{
	struct hnuma_nodeset allowed;
	const struct hnuma_nodeset *sources = find_sources(request, &allowed);
	/* Their tables, and what the kernel and the C library take while the pages come. */
	const size_t besides = needed_bytes / 512 + BESIDES_BYTES;
	uint64_t there_kb,
		spare_kb = SIZE_MAX / 1024; /* as much as there may be, when nothing tells */
	struct hnuma_memory memory;
	char where[64] = "this machine has", kept[64] = "what", list[48];
	int untold, error;

	untold = hnuma_memory_read(sources, &memory);
	needed_bytes = needed_bytes < SIZE_MAX - besides ? needed_bytes + besides : SIZE_MAX;
	error = check_memory_cgroup(needed_bytes, memory.swap_kb, &spare_kb);
	if (error)
		return error;
	there_kb = memory.available_kb + memory.swap_kb;
	if (untold || needed_bytes / 1024 <= there_kb) {
		if (!untold)
			lower(&spare_kb, there_kb - needed_bytes / 1024);
		if (spare_bytes)
			*spare_bytes = (size_t)spare_kb * 1024;
		return 0;
	}
	if (sources) {
		snprintf(where, sizeof(where),
			 sources == &allowed ? "nodes %s have" : "node %s has",
			 hnuma_topology_list_nodes(sources, list, sizeof(list)));
		snprintf(kept, sizeof(kept), "%llu KB that", (unsigned long long)memory.kept_kb);
	}
	return hnuma_error_set(-ENOMEM,
			       "%zu KB are needed, and %s %llu KB that are free or could be "
			       "freed, besides %s the kernel keeps for itself (%s): ask for less, "
			       "or give back huge pages that nobody uses",
			       needed_bytes / 1024, where, (unsigned long long)there_kb, kept,
			       sources ? "/sys/devices/system/node/node*/meminfo, /proc/zoneinfo"
				       : "MemAvailable in /proc/meminfo");
}

/* Has the file a line that begins with this? */
static bool has_line(const char *path, const char *begin)
{
	struct hnuma_procfs_lines lines;
	const char *line;
	bool found = false;

	if (hnuma_procfs_open(&lines, path))
		return false;
	while (!found && hnuma_procfs_next(&lines, &line) > 0)
		found = strncmp(line, begin, strlen(begin)) == 0;
	hnuma_procfs_close(&lines);
	return found;
}

int hnuma_limit_explain_thp(const struct hnuma_request *request, size_t huge_bytes,
			    int collapse_error)
{
	const bool is_shared = request->attr->flags & HNUMA_SHARED;
	const char *advice = "free memory may lie in pieces: echo 1 > /proc/sys/vm/compact_memory";
	char enabled[64];

	if (has_line("/proc/self/status", "THP_enabled:\t0"))
		advice = "this process has them switched off (prctl PR_SET_THP_DISABLE)";
	else if (hnuma_procfs_read(is_shared ? THP_DIRECTORY "/shmem_enabled"
					     : THP_DIRECTORY "/enabled",
				   enabled, sizeof(enabled)) < 0)
		advice = "this kernel has none, or /sys is missing";
	else if (is_shared && strstr(enabled, "[never]"))
		advice = "they are switched off for shared memory: echo advise > " THP_DIRECTORY
			 "/shmem_enabled";
	else if (strstr(enabled, "[never]"))
		advice = "they are switched off: echo madvise > " THP_DIRECTORY "/enabled";
	return hnuma_error_set(-ENOMEM,
			       "%zu of %zu bytes are in pages of 2 MB (MADV_COLLAPSE: %s); %s",
			       huge_bytes, request->size_bytes,
			       collapse_error ? hnuma_strerror(collapse_error) : "done", advice);
}
