/* SPDX-License-Identifier: MIT */
/*
 * bench/case_access.c - what memory of each backing is like to use: loads that depend on each other at
 * random places, and blocks of 4 KB gathered in random order. Calls <hugenuma.h> and the kernel.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <hugenuma.h>

#include "bench/cases.h"
#include "bench/ours.h"
#include "bench/timed.h"

#define BLOCK_BYTES 4096u
#define LINE_BYTES  64u
/* Where gathered blocks go: it stays in the cache. */
#define NR_TARGETS 16u

struct area {
	const struct bench_subject *subject;
	char *base;
	struct hnuma_region *region; /* hugenuma's, or NULL */
	size_t mapped_bytes;
	char *mapped;
};

struct access_probe {
	struct probe probe;
	struct timed timed;
	const struct area *area;
	bool is_gather;
	uint64_t state; /* of the generator: goes on where it was, so that no line is in a cache */
};

static const struct bench_subject thp = {
	.name = "mmap, THP", .kind = BENCH_PEER, .note = "transparent huge pages"};
static const struct bench_subject base_pages = {
	.name = "mmap, base", .kind = BENCH_PEER, .note = "base pages"};

static char targets[NR_TARGETS][BLOCK_BYTES] __attribute__((aligned(4096)));

/*
 * Every address depends on what was loaded before, which is 0 and which nobody but the memory knows.
 * A multiplicative generator gives the places: nearly all lines come up.
 */
static uint64_t chase(const char *base, uint64_t nr_lines, uint64_t nr_loads, uint64_t state)
{
	for (uint64_t i = 0; i < nr_loads; i++) {
		const char *line = base + (state >> 20) % nr_lines * LINE_BYTES;

		state = state * UINT64_C(6364136223846793005) + 1442695040888963407u +
			*(const volatile uint64_t *)line;
	}
	return state;
}

static uint64_t gather(const char *base, uint64_t nr_blocks, uint64_t nr_copies, uint64_t state)
{
	for (uint64_t i = 0; i < nr_copies; i++) {
		memcpy(targets[i % NR_TARGETS],
		       base + (uint64_t)bench_random(&state) % nr_blocks * BLOCK_BYTES,
		       BLOCK_BYTES);
		__asm__ volatile("" : : "r"(targets) : "memory");
	}
	return state;
}

static void work(const struct timed *timed, const struct place *place, uint64_t iterations)
{
	struct access_probe *probe =
		(struct access_probe *)((char *)timed - offsetof(struct access_probe, timed));
	const char *base = probe->area->base;

	(void)place;
	if (probe->is_gather)
		probe->state =
			gather(base, settings.memory_bytes / BLOCK_BYTES, iterations, probe->state);
	else
		probe->state =
			chase(base, settings.memory_bytes / LINE_BYTES, iterations, probe->state);
}

static bool run(struct probe *pointer, double *values)
{
	values[0] = timed_run(&((struct access_probe *)pointer)->timed);
	return true;
}

/* hugenuma's region: the best that there is, which `name` says. */
static bool open_ours(struct area *area, const char **name)
{
	struct hnuma_region_attr attr = HNUMA_REGION_ATTR_INIT;
	struct hnuma_region_info info;

	attr.size = settings.memory_bytes;
	attr.least_backing = HNUMA_BACKING_BASE;
	attr.flags = HNUMA_RELAXED;
	if (hnuma_region_create(&area->region, ours_topology, &attr) ||
	    hnuma_region_info(area->region, &info)) {
		fprintf(stderr, "bench: %s\n", hnuma_errormsg());
		return false;
	}
	*name = info.backing == HNUMA_BACKING_HUGETLB ? "hugetlb pages"
		: info.backing == HNUMA_BACKING_THP   ? "transparent huge pages"
						      : "base pages";
	area->base = hnuma_region_base(area->region);
	return true;
}

static bool open_mapped(struct area *area, int advice)
{
	area->mapped_bytes = settings.memory_bytes + HNUMA_HUGEPAGE;
	area->mapped = mmap(NULL, area->mapped_bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (area->mapped == MAP_FAILED)
		return false;
	area->base = (char *)(((uintptr_t)area->mapped + HNUMA_HUGEPAGE - 1) &
			      ~(uintptr_t)(HNUMA_HUGEPAGE - 1));
	madvise(area->base, settings.memory_bytes, advice);
	memset(area->base, 0, settings.memory_bytes);
	return true;
}

static void add(struct group *group, const struct area *area, bool is_gather)
{
	struct access_probe *probe;

	if (!group || !area->base)
		return;
	probe = plan_alloc(sizeof(*probe));
	probe->probe.run = run;
	probe->area = area;
	probe->is_gather = is_gather;
	probe->timed = (struct timed){.work = work, .nr_threads = 1, .longer = 10};
	probe->state = 88172645463325252u;
	plan_add(group, &probe->probe, area->subject);
}

void cases_access(void)
{
	static struct bench_subject region;
	static struct area areas[] = {
		{.subject = &region}, {.subject = &thp}, {.subject = &base_pages}};
	struct group *chased, *gathered;

	chased = plan_one("ns each", "access/dependent load");
	gathered = plan_one("ns each", "access/gathered 4 KB");
	if (!chased && !gathered)
		return;
	region = (struct bench_subject){.name = OURS, .kind = BENCH_OURS};
	if (!open_ours(&areas[0], &region.note))
		return;
	open_mapped(&areas[1], MADV_HUGEPAGE);
	open_mapped(&areas[2], MADV_NOHUGEPAGE);
	for (unsigned i = 0; i < sizeof(areas) / sizeof(areas[0]); i++) {
		add(chased, &areas[i], false);
		add(gathered, &areas[i], true);
	}
}
