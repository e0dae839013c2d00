/* SPDX-License-Identifier: MIT */
/*
 * bench/case_populate.c - memory from the kernel, present: a region against the kernel's own call, by
 * one thread and by two. Calls <hugenuma.h>, peers and the kernel.
 */
#include "config.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <hugenuma.h>

#include "bench/cases.h"
#include "bench/ours.h"
#include "bench/timed.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define BARE_THREADS_MAX 2

struct populate_probe {
	struct probe probe;
	enum hnuma_backing backing;
	unsigned nr_threads;		 /* bare: how many; 0: with memset() */
	const struct bench_pages *pages; /* a peer's */
	bool has_told;
};

/* Room at an address that is a multiple of 2 MB, and the whole of it to be unmapped. */
struct mapping {
	char *whole;
	size_t whole_bytes;
	char *base;
};

static bool map(struct mapping *mapping, size_t bytes, enum hnuma_backing backing)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS;

	mapping->whole_bytes = bytes + HNUMA_HUGEPAGE;
	if (backing == HNUMA_BACKING_HUGETLB) {
		flags |= MAP_HUGETLB | (21 << MAP_HUGE_SHIFT);
		mapping->whole_bytes = bytes;
	}
	mapping->whole = mmap(NULL, mapping->whole_bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (mapping->whole == MAP_FAILED)
		return false;
	mapping->base = (char *)(((uintptr_t)mapping->whole + HNUMA_HUGEPAGE - 1) &
				 ~(uintptr_t)(HNUMA_HUGEPAGE - 1));
	if (backing != HNUMA_BACKING_HUGETLB)
		madvise(mapping->base, bytes,
			backing == HNUMA_BACKING_THP ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	return true;
}

struct part {
	char *base;
	size_t bytes;
	int error;
};

static void *populate(void *arg)
{
	struct part *part = arg;

	part->error = madvise(part->base, part->bytes, MADV_POPULATE_WRITE);
	return NULL;
}

/* By the calling thread and, for two, by another one. */
static int populate_bare(const struct mapping *mapping, size_t bytes, unsigned nr_threads)
{
	struct part parts[BARE_THREADS_MAX];
	pthread_t other;

	if (nr_threads == 0) {
		memset(mapping->base, 1, bytes);
		return 0;
	}
	for (unsigned i = 0; i < nr_threads; i++)
		parts[i] = (struct part){mapping->base + i * (bytes / nr_threads),
					 bytes / nr_threads, 0};
	if (nr_threads == 2 && pthread_create(&other, NULL, populate, &parts[1]))
		return -1;
	populate(&parts[0]);
	if (nr_threads == 2) {
		pthread_join(other, NULL);
		parts[0].error |= parts[1].error;
	}
	return parts[0].error;
}

/* Milliseconds for a gigabyte. */
static double per_gigabyte(double ns)
{
	return ns / 1e6 * (1024.0 * 1024 * 1024 / (double)settings.populate_bytes);
}

static bool run_bare(struct probe *pointer, double *values)
{
	const struct populate_probe *probe = (const struct populate_probe *)pointer;
	size_t bytes = settings.populate_bytes;
	double start = timed_now();
	struct mapping mapping;
	int error;

	if (!map(&mapping, bytes, probe->backing))
		return false;
	error = populate_bare(&mapping, bytes, probe->nr_threads);
	values[0] = per_gigabyte(timed_now() - start);
	munmap(mapping.whole, mapping.whole_bytes);
	return !error;
}

/*
 * The library takes the best backing that there is: where hugetlb pages are free, and it was to be
 * transparent huge pages, there is no figure.
 */
static bool run_ours(struct probe *pointer, double *values)
{
	struct populate_probe *probe = (struct populate_probe *)pointer;
	struct hnuma_region_attr attr = HNUMA_REGION_ATTR_INIT;
	struct hnuma_region_info info;
	struct hnuma_region *region;
	double start = timed_now();
	bool is_good;

	attr.size = settings.populate_bytes;
	attr.least_backing = probe->backing;
	attr.flags = HNUMA_RELAXED;
	if (hnuma_region_create(&region, ours_topology, &attr)) {
		if (!probe->has_told)
			fprintf(stderr, "bench: %s\n", hnuma_errormsg());
		probe->has_told = true;
		return false;
	}
	values[0] = per_gigabyte(timed_now() - start);
	is_good = hnuma_region_info(region, &info) == 0 && info.backing == probe->backing;
	hnuma_region_destroy(region);
	return is_good;
}

static bool run_peer(struct probe *pointer, double *values)
{
	const struct populate_probe *probe = (const struct populate_probe *)pointer;
	double start = timed_now();
	void *memory = probe->pages->take(settings.populate_bytes);

	values[0] = per_gigabyte(timed_now() - start);
	if (memory)
		probe->pages->give(memory, settings.populate_bytes);
	return memory != NULL;
}

static const struct bench_subject bare_one = {
	.name = BARE_ONE, .kind = BENCH_LIMIT, .note = "MADV_POPULATE_WRITE by one thread"};
static const struct bench_subject bare_two = {
	.name = BARE_TWO, .kind = BENCH_LIMIT, .note = "MADV_POPULATE_WRITE by two threads"};
static const struct bench_subject touched = {
	.name = "mmap, memset", .kind = BENCH_PEER, .note = "first touch"};

static void add(struct group *group, const struct bench_subject *subject,
		const struct populate_probe *like)
{
	struct populate_probe *probe = plan_alloc(sizeof(*probe));

	*probe = *like;
	plan_add(group, &probe->probe, subject);
}

static void add_backing(const char *name, enum hnuma_backing backing, bool has_ours)
{
	struct group *group = plan_one("ms per GB", "populate/%s", name);
	struct populate_probe like = {.probe = {.run = run_ours}, .backing = backing};

	if (!group)
		return;
	if (has_ours)
		add(group, subjects[0], &like);
	like.probe.run = run_bare;
	like.nr_threads = 1;
	add(group, &bare_one, &like);
	like.nr_threads = 2;
	add(group, &bare_two, &like);
	like.nr_threads = 0;
	add(group, &touched, &like);
	like.probe.run = run_peer;
	for (unsigned i = 0; backing == HNUMA_BACKING_HUGETLB && i < nr_subjects; i++) {
		like.pages = subjects[i]->pages;
		if (like.pages)
			add(group, subjects[i], &like);
	}
}

void cases_populate(void)
{
	add_backing("hugetlb", HNUMA_BACKING_HUGETLB, true);
	add_backing("thp", HNUMA_BACKING_THP, true);
	add_backing("base", HNUMA_BACKING_BASE, true);
}
