/* SPDX-License-Identifier: MIT */
/*
 * numa/hooks.c - cutting a region into pieces, and the caller's functions that register them.
 *
 * Calls numa/error and numa/process; and the hooks.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hugenuma.h>

#include "numa/error.h"
#include "numa/ground.h"
#include "numa/process.h"
#include "numa/region.h"

/* One of this thread's hooks is running. */
static _Thread_local bool is_inside;

int hnuma_hooks_check(const struct hnuma_hooks *hooks)
{
	if (!hooks)
		return 0;
	if (hooks->struct_size != sizeof(*hooks))
		return hnuma_error_set(-EINVAL,
				       "struct hnuma_hooks: struct_size is %zu, this library knows "
				       "%zu: begin with HNUMA_HOOKS_INIT, and compile with this "
				       "library's headers",
				       hooks->struct_size, sizeof(*hooks));
	if (hooks->piece_bytes && hooks->piece_bytes < HNUMA_HUGEPAGE)
		return hnuma_error_set(-EINVAL,
				       "struct hnuma_hooks: piece_bytes is %zu, but a piece has at "
				       "least one page of %zu bytes",
				       hooks->piece_bytes, HNUMA_HUGEPAGE);
	return 0;
}

int hnuma_hooks_refuse(const char *call)
{
	if (!is_inside)
		return 0;
	return hnuma_error_set(-EBUSY,
			       "%s was called in a hook, where regions cannot be made or "
			       "destroyed",
			       call);
}

/* Bytes of each piece of a region but the last, which may be smaller. */
static size_t round_piece(const struct hnuma_region *region, size_t piece_bytes)
{
	size_t rounded = piece_bytes & ~(HNUMA_HUGEPAGE - 1);

	return rounded && rounded < region->size_bytes ? rounded : region->size_bytes;
}

size_t hnuma_hooks_nr_pieces(const struct hnuma_region *region, size_t piece_bytes)
{
	const size_t unit = round_piece(region, piece_bytes);

	return region->size_bytes / unit + (region->size_bytes % unit != 0);
}

static void cut(const struct hnuma_region *region, size_t piece_bytes, size_t index,
		struct hnuma_piece *piece)
{
	const size_t unit = round_piece(region, piece_bytes);
	const size_t offset = index * unit;

	memset(piece, 0, sizeof(*piece));
	piece->base = region->base + offset;
	piece->size = region->size_bytes - offset < unit ? region->size_bytes - offset : unit;
	piece->offset = offset;
	piece->node = region->node;
	piece->backing = region->backing;
	piece->page_size = region->page_size;
	piece->fd = region->fd;
}

/* Call `made` for the next piece. */
static int make_next(struct hnuma_region *region, const struct hnuma_hooks *hooks)
{
	struct hnuma_piece piece;
	int error;

	if (!hooks->made)
		return 0;
	cut(region, hooks->piece_bytes, region->nr_made, &piece);
	is_inside = true;
	error = hooks->made(hooks->arg, &piece, &region->handles[region->nr_made]);
	is_inside = false;
	return error > 0 ? -error : error;
}

int hnuma_hooks_made(struct hnuma_region *region, const struct hnuma_hooks *hooks)
{
	size_t nr, failed_at;
	int error = 0;

	if (!hooks)
		return 0;
	nr = hnuma_hooks_nr_pieces(region, hooks->piece_bytes);
	region->handles = calloc(nr, sizeof(*region->handles));
	if (!region->handles)
		return hnuma_error_set(-ENOMEM, "no memory for the handles of %zu pieces", nr);
	region->hooks = *hooks;
	while (region->nr_made < nr && !error) {
		error = make_next(region, hooks);
		region->nr_made += !error;
	}
	if (!error)
		return 0;
	failed_at = region->nr_made;
	hnuma_hooks_going(region);
	return hnuma_error_set(error, "the hook for new regions refused piece %zu of %zu: %s",
			       failed_at, nr, hnuma_strerror(error));
}

void hnuma_hooks_going(struct hnuma_region *region)
{
	char words[HNUMA_REASON_BYTES];

	/* Why all is undone is to be told, not what a hook's own calls have to say meanwhile. */
	snprintf(words, sizeof(words), "%s", hnuma_errormsg());
	/* In a child of fork() what was registered is the parent's. */
	if (hnuma_process_is_child_of(region->epoch) || !region->hooks.going)
		region->nr_made = 0;
	while (region->nr_made > 0) {
		struct hnuma_piece piece;

		cut(region, region->hooks.piece_bytes, --region->nr_made, &piece);
		is_inside = true;
		region->hooks.going(region->hooks.arg, &piece, region->handles[region->nr_made]);
		is_inside = false;
	}
	(void)hnuma_error_set(0, "%s", words);
	free(region->handles);
	region->handles = NULL;
}

void *hnuma_region_handle(const struct hnuma_region *region, const void *address)
{
	size_t offset;

	if (!region) {
		errno = EINVAL;
		return NULL;
	}
	offset = (uintptr_t)address - (uintptr_t)region->base;
	if (hnuma_process_is_child_of(region->epoch))
		errno = EOWNERDEAD;
	else if (!region->handles)
		errno = ENOENT;
	else if (offset >= region->size_bytes)
		errno = EFAULT;
	else
		return region->handles[offset / round_piece(region, region->hooks.piece_bytes)];
	return NULL;
}

int hnuma_hooks_check_piece(const void *object, size_t piece_bytes, const void *piece)
{
	if (!object || !piece)
		return hnuma_error_set(-EINVAL, "the object whose pieces are counted, or piece, is "
						"NULL");
	if (piece_bytes && piece_bytes < HNUMA_HUGEPAGE)
		return hnuma_error_set(-EINVAL,
				       "pieces of %zu bytes were asked for, but a piece has "
				       "at least one page of %zu bytes",
				       piece_bytes, HNUMA_HUGEPAGE);
	return 0;
}

int hnuma_region_piece(const struct hnuma_region *region, size_t piece_bytes, size_t index,
		       struct hnuma_piece *piece)
{
	int error = hnuma_hooks_check_piece(region, piece_bytes, piece);

	if (error)
		return error;
	if (hnuma_process_is_child_of(region->epoch) && !region->is_inherited)
		return hnuma_process_refuse("region");
	if (index >= hnuma_hooks_nr_pieces(region, piece_bytes))
		return hnuma_error_set(-ENODEV, "there is no piece with the index %zu", index);
	cut(region, piece_bytes, index, piece);
	return 0;
}
