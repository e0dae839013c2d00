/* SPDX-License-Identifier: MIT */
/*
 * numa/damage.c - which pages of a region have a memory error.
 *
 * Linux leaves such a page in its file, and lets nobody touch it: whoever tries gets SIGBUS. Populating
 * is asking without touching, and is answered -EHWPOISON. Nobody else tells: to mincore() and
 * move_pages() the page is one that is not there, and /proc/kpageflags is for administrators.
 *
 * Until 6.1 the kernel took the page out of its file, and the next one who came got zeroes in its
 * place. Which pages that were can only be learnt by filling the holes, after which nobody knows it
 * any more: so a file that lacks some is refused before anything is done to it.
 *
 * Calls numa/populate.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>

#include <hugenuma.h>

#include "numa/error.h"
#include "numa/ground.h"
#include "numa/populate.h"
#include "numa/region.h"

#define BITS 64

static void mark(struct hnuma_region *region, size_t page)
{
	region->damaged[page / BITS] |= UINT64_C(1) << page % BITS;
}

static bool is_marked(const struct hnuma_region *region, size_t page)
{
	return region->damaged[page / BITS] >> page % BITS & 1;
}

int hnuma_damage_check_file(const struct hnuma_sys_file *file, int fd)
{
	if (file->present_bytes >= file->size)
		return 0;
	return hnuma_error_set(
		-EIO,
		"descriptor %d: %llu of the file's %llu bytes are missing: somebody has cut them "
		"out, or the kernel did so for a memory error (before Linux 6.1; its log says so)",
		fd, (unsigned long long)(file->size - file->present_bytes),
		(unsigned long long)file->size);
}

int hnuma_damage_begin(struct hnuma_region *region)
{
	const size_t nr_pages = region->size_bytes / HNUMA_HUGEPAGE;

	region->damaged = calloc(nr_pages / BITS + 1, sizeof(*region->damaged));
	return region->damaged
		       ? 0
		       : hnuma_error_set(-ENOMEM, "no memory for a list of %zu pages", nr_pages);
}

int hnuma_damage_find(struct hnuma_region *region)
{
	const size_t nr_pages = region->size_bytes / HNUMA_HUGEPAGE;
	size_t nr_damaged = 0;

	for (size_t page = 0; page < nr_pages; page++) {
		int error =
			hnuma_populate_piece(region->base + page * HNUMA_HUGEPAGE, HNUMA_HUGEPAGE);

		if (error == -EHWPOISON) {
			mark(region, page);
			nr_damaged++;
		} else if (error) {
			return error;
		}
	}
	hnuma_backing_add_reason(region, "%zu of %zu pages of 2 MB have a memory error", nr_damaged,
				 nr_pages);
	return 0;
}

size_t hnuma_region_next_damaged(const struct hnuma_region *region, size_t from)
{
	size_t page = from / HNUMA_HUGEPAGE + (from % HNUMA_HUGEPAGE != 0);

	while (page < region->size_bytes / HNUMA_HUGEPAGE && !is_marked(region, page))
		page++;
	return page * HNUMA_HUGEPAGE;
}

bool hnuma_damage_is_there(const struct hnuma_region *region)
{
	return region->damaged && hnuma_region_next_damaged(region, 0) < region->size_bytes;
}
