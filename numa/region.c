/* SPDX-License-Identifier: MIT */
/*
 * numa/region.c - the public calls of a region: create, down the ladder, and destroy.
 *
 * Calls the other files of numa/region.h, and the C library. Every system call is in backing.c,
 * verify.c and below.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <hugenuma.h>

#include "numa/atlas.h"
#include "numa/directory.h"
#include "numa/error.h"
#include "numa/ground.h"
#include "numa/probe.h"
#include "numa/process.h"
#include "numa/region.h"

static const char *backing_name(enum hnuma_backing backing)
{
	switch (backing) {
	case HNUMA_BACKING_HUGETLB:
		return "hugetlb pages";
	case HNUMA_BACKING_THP:
		return "transparent huge pages";
	case HNUMA_BACKING_BASE:
		break;
	}
	return "base pages";
}

/* From the best backing down to the least that is accepted; each failure becomes a reason. */
static int go_down_ladder(struct hnuma_region *region, struct hnuma_request *request)
{
	int backing = HNUMA_BACKING_HUGETLB;
	char where[64];
	int error;

	for (;; backing--) {
		error = hnuma_backing_take(region, request, (enum hnuma_backing)backing);
		if (!error)
			return 0;
		if (request->is_final || backing == (int)request->attr->least_backing)
			break;
		hnuma_backing_add_reason(region, "%s: %s",
					 backing_name((enum hnuma_backing)backing),
					 hnuma_errormsg());
	}
	hnuma_error_prefix(error, "%s: ", backing_name((enum hnuma_backing)backing));
	if (region->reason[0])
		hnuma_error_prefix(error, "%s; ", region->reason);
	return hnuma_error_prefix(error, "%s of %zu bytes on %s: ", request->name,
				  request->size_bytes,
				  hnuma_request_where(request, where, sizeof(where)));
}

/* For those who look at this process from outside. */
static void enlist(struct hnuma_region *region, const struct hnuma_request *request)
{
	struct hnuma_directory_entry entry = {
		.kind = HNUMA_OBJECT_REGION,
		.base = (uintptr_t)region->base,
		.size_bytes = region->size_bytes,
		.node = region->node,
		.backing = region->backing,
		.page_bytes = region->page_size,
	};

	memcpy(entry.nodes, region->wanted.bits, sizeof(entry.nodes));
	strncpy(entry.name, request->name, sizeof(entry.name) - 1);
	region->listing = hnuma_directory_add(&entry);
}

/* For signal handlers of this process. */
static void show(const struct hnuma_region *region)
{
	const struct hnuma_region_place place = {
		.region = region,
		.base = region->base,
		.size = region->size_bytes,
		.backing = region->backing,
		.page_size = region->page_size,
		.node = region->node,
	};

	hnuma_atlas_show(region->slot, &place, region->epoch, region->is_inherited);
}

/* What a region is filled with: pages of its own, those of a file that another region has, or the caller's. */
struct source {
	int fd; /* -1: no file */
	bool is_hugetlb;
	bool takes_damaged; /* see struct hnuma_request */
	void *address;	    /* NULL: not the caller's */
};

static const struct source own_pages = {.fd = -1};

static int obtain(struct hnuma_region *region, struct hnuma_request *request,
		  const struct source *source)
{
	int error;

	if (source->address) {
		error = hnuma_wrap_take(region, request, source->address);
		return error ? hnuma_error_prefix(error, "%s of %zu bytes at %p: ", request->name,
						  request->size_bytes, source->address)
			     : 0;
	}
	if (source->fd < 0)
		return go_down_ladder(region, request);
	error = hnuma_backing_open(region, request, source->fd, source->is_hugetlb);
	return error ? hnuma_error_prefix(error, "%s of %zu bytes in a file: ", request->name,
					  request->size_bytes)
		     : 0;
}

static int create(struct hnuma_region **out, const struct hnuma_topology *topology,
		  const struct hnuma_region_attr *attr, const struct source *source)
{
	struct hnuma_request request;
	struct hnuma_region *region;
	int error;

	error = hnuma_request_init(&request, topology, attr);
	if (error)
		return error;
	region = calloc(1, sizeof(*region));
	if (!region)
		goto no_memory;
	region->slot = hnuma_atlas_claim();
	if (!region->slot) {
		free(region);
		goto no_memory;
	}
	region->epoch = hnuma_process_epoch;
	region->is_inherited = attr->flags & (HNUMA_INHERIT | HNUMA_SHARED);
	region->size_bytes = request.size_bytes;
	region->wanted = request.nodes;
	region->fd = -1;
	request.takes_damaged = source->takes_damaged;
	if (!request.is_bound)
		hnuma_backing_add_reason(region, "topology unknown (/sys/devices/system/node is "
						 "missing): not bound to any node");
	error = obtain(region, &request, source);
	if (error)
		goto free_region;
	error = hnuma_hooks_made(region, attr->hooks);
	if (error)
		goto undo;
	show(region);
	enlist(region, &request);
	HNUMA_PROBE(region_made, region->base, region->size_bytes, region->node, region->backing);
	*out = region;
	return 0;

undo:
	hnuma_backing_undo(region);
free_region:
	hnuma_atlas_free(region->slot);
	free(region->damaged);
	free(region);
	return error;
no_memory:
	return hnuma_error_set(-ENOMEM, "%s: no memory is left for the description of a region",
			       request.name);
}

int hnuma_region_create(struct hnuma_region **out, const struct hnuma_topology *topology,
			const struct hnuma_region_attr *attr)
{
	int previous, error;

	if (!out)
		return hnuma_error_set(-EINVAL, "hnuma_region_create: out is NULL");
	*out = NULL;
	/* A thread that was cancelled half-way would leave pages and its policy behind. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &previous);
	error = hnuma_hooks_refuse("hnuma_region_create");
	if (!error)
		error = create(out, topology, attr, &own_pages);
	pthread_setcancelstate(previous, &previous);
	return error;
}

/* The attributes with the file's size in them. */
static int complete(struct hnuma_region_attr *attr, const struct hnuma_sys_file *file)
{
	const size_t asked = (attr->size + HNUMA_HUGEPAGE - 1) & ~(HNUMA_HUGEPAGE - 1);

	if (attr->size && asked != file->size)
		return hnuma_error_set(-EINVAL,
				       "a file of %llu bytes, where a region of %zu was expected",
				       (unsigned long long)file->size, attr->size);
	attr->size = (size_t)file->size;
	attr->flags |= HNUMA_SHARED;
	return 0;
}

static int open_file(struct hnuma_region **out, const struct hnuma_topology *topology, int fd,
		     const struct hnuma_region_attr *attr, bool takes_damaged)
{
	struct hnuma_region_attr whole;
	struct hnuma_sys_file file;
	struct source source = {.fd = fd, .takes_damaged = takes_damaged};
	int previous, error;

	if (!out)
		return hnuma_error_set(-EINVAL, "hnuma_region_open: out is NULL");
	*out = NULL;
	if (!attr)
		return hnuma_error_set(-EINVAL, "hnuma_region_open: attr is NULL");
	/* Of another library: too little may be there to be copied. It is refused with the others. */
	if (attr->struct_size != sizeof(whole))
		return create(out, topology, attr, &own_pages);
	whole = *attr;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &previous);
	error = hnuma_hooks_refuse("hnuma_region_open");
	if (!error)
		error = hnuma_file_check(fd, &file);
	if (!error)
		error = complete(&whole, &file);
	if (!error && takes_damaged)
		error = hnuma_damage_check_file(&file, fd);
	if (!error) {
		source.is_hugetlb = file.is_hugetlb;
		error = create(out, topology, &whole, &source);
	}
	pthread_setcancelstate(previous, &previous);
	return error;
}

int hnuma_region_open(struct hnuma_region **out, const struct hnuma_topology *topology, int fd,
		      const struct hnuma_region_attr *attr)
{
	return open_file(out, topology, fd, attr, false);
}

int hnuma_region_adopt(struct hnuma_region **out, const struct hnuma_topology *topology, int fd,
		       const struct hnuma_region_attr *attr)
{
	return open_file(out, topology, fd, attr, true);
}

int hnuma_region_wrap(struct hnuma_region **out, const struct hnuma_topology *topology,
		      void *address, const struct hnuma_region_attr *attr)
{
	const struct source source = {.fd = -1, .address = address};
	int previous, error;

	if (!out)
		return hnuma_error_set(-EINVAL, "hnuma_region_wrap: out is NULL");
	*out = NULL;
	if (!attr || !address)
		return hnuma_error_set(-EINVAL, "hnuma_region_wrap: %s is NULL",
				       attr ? "address" : "attr");
	/* In a hook there may be points where a thread can be cancelled; the region would stay half made. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &previous);
	error = hnuma_hooks_refuse("hnuma_region_wrap");
	/* A struct of another library is refused with the others. */
	if (!error && attr->struct_size == sizeof(*attr))
		error = hnuma_wrap_check(address, attr);
	if (!error)
		error = create(out, topology, attr, &source);
	pthread_setcancelstate(previous, &previous);
	return error;
}

static bool is_parents(const struct hnuma_region *region)
{
	return hnuma_process_is_child_of(region->epoch) && !region->is_inherited;
}

static int destroy(struct hnuma_region *region)
{
	int error;

	hnuma_hooks_going(region);
	/* Hidden first: once it is unmapped, somebody else's memory may come to lie there. */
	hnuma_atlas_hide(region->slot);
	error = hnuma_backing_release(region);
	if (error) {
		hnuma_atlas_unhide(region->slot);
		return hnuma_error_set(
			error,
			"the region at %p of %zu bytes could not be unmapped: %s; it is as it was: "
			"try again when this process has fewer mappings "
			"(sysctl vm.max_map_count says how many it may have)",
			(void *)region->base, region->size_bytes, hnuma_strerror(error));
	}
	hnuma_atlas_free(region->slot);
	hnuma_directory_remove(region->listing);
	HNUMA_PROBE(region_destroyed, region->base, region->size_bytes);
	free(region->damaged);
	free(region);
	return 0;
}

int hnuma_region_destroy(struct hnuma_region *region)
{
	int previous, error;

	if (!region)
		return 0;
	if (is_parents(region))
		return hnuma_process_refuse("region");
	error = hnuma_hooks_refuse("hnuma_region_destroy");
	if (error)
		return error;
	/* To close a file is a point where a thread can be cancelled: it would keep its pages. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &previous);
	error = destroy(region);
	pthread_setcancelstate(previous, &previous);
	return error;
}

void *hnuma_region_base(const struct hnuma_region *region)
{
	if (!region) {
		errno = EINVAL;
		return NULL;
	}
	if (is_parents(region)) {
		errno = EOWNERDEAD;
		return NULL;
	}
	return region->base;
}

int hnuma_region_fd(const struct hnuma_region *region)
{
	if (!region)
		return hnuma_error_set(-EINVAL, "hnuma_region_fd: region is NULL");
	if (is_parents(region))
		return hnuma_process_refuse("region");
	if (region->fd < 0)
		return hnuma_error_set(-EBADF, "the region is not shared: it has no file that "
					       "could be used; make it with HNUMA_SHARED");
	return region->fd;
}

int hnuma_region_offset(const struct hnuma_region *region, const void *address, size_t *offset)
{
	size_t distance;

	if (!region || !offset)
		return hnuma_error_set(-EINVAL, "hnuma_region_offset: %s is NULL",
				       region ? "offset" : "region");
	distance = (uintptr_t)address - (uintptr_t)region->base;
	if (distance >= region->size_bytes)
		return hnuma_error_set(-EFAULT, "%p is not in the region", address);
	*offset = distance;
	return 0;
}

size_t hnuma_region_size(const struct hnuma_region *region)
{
	return region ? region->size_bytes : 0;
}

int hnuma_region_info(const struct hnuma_region *region, struct hnuma_region_info *info)
{
	if (!region || !info)
		return hnuma_error_set(-EINVAL, "hnuma_region_info: %s is NULL",
				       region ? "info" : "region");
	memset(info, 0, sizeof(*info));
	info->backing = region->backing;
	info->page_size = region->page_size;
	info->node = region->node;
	info->reason = region->reason;
	return 0;
}
