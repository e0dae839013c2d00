/* SPDX-License-Identifier: MIT */
/*
 * numa/backing.c - one rung of the ladder: reserve addresses, map, bind, populate, look; or undo.
 *
 *	reserve      of a file: | no access                              |
 *	             else:      | read and write                         |
 *	map          of a file: | guard | memfd, shared          | guard |
 *	             else:      | guard | private, anonymous     | guard |
 *
 * Only a mapping that cannot fail is ever put over another one: kernels before 6.12 take the old
 * mapping away first, and when the new one then fails, another thread's mmap() can land in the hole,
 * where our undo would unmap it. So a memfd is first mapped where the kernel likes, which is what
 * takes the huge pages' reservation or fails; and private memory is mapped whole, with the guards,
 * which take no memory, put over its ends.
 *
 * Calls the kernel through hnuma_sys only.
 */
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <hugenuma.h>

#include "numa/error.h"
#include "numa/populate.h"
#include "numa/region.h"
#include "numa/sys.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

/* "hugenuma:" NAME ":interleave" */
#define MAPPING_NAME_BYTES (9 + HNUMA_NAME_MAX + 16)

static size_t base_page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

void hnuma_backing_add_reason(struct hnuma_region *region, const char *format, ...)
{
	size_t used = strlen(region->reason);
	va_list args;

	if (used && used < sizeof(region->reason) - 3) {
		strcpy(region->reason + used, "; ");
		used += 2;
	}
	va_start(args, format);
	vsnprintf(region->reason + used, sizeof(region->reason) - used, format, args);
	va_end(args);
}

/* Are its pages those of a file? */
static bool has_file(const struct hnuma_request *request, enum hnuma_backing backing)
{
	return backing == HNUMA_BACKING_HUGETLB || (request->attr->flags & HNUMA_SHARED);
}

static void close_file(struct hnuma_region *region)
{
	if (region->fd >= 0)
		(void)hnuma_sys.close(region->fd);
	region->fd = -1;
}

int hnuma_backing_release(struct hnuma_region *region)
{
	int error;

	if (!region->reservation)
		return 0;
	error = hnuma_sys.unmap(region->reservation, region->reservation_bytes);
	if (error)
		return error;
	region->reservation = NULL;
	close_file(region);
	return 0;
}

void hnuma_backing_undo(struct hnuma_region *region)
{
	/* Undo cannot go back on its way: what the kernel refuses once, it is asked twice. */
	if (hnuma_backing_release(region))
		(void)hnuma_backing_release(region);
	region->reservation = NULL;
	close_file(region);
}

/* Files are put into a reservation that is none of memory, only of addresses. */
static int reserve(struct hnuma_region *region, bool for_file)
{
	const int protection = for_file ? PROT_NONE : PROT_READ | PROT_WRITE;
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | (for_file ? MAP_NORESERVE : 0);
	size_t length = region->size_bytes + HNUMA_HUGEPAGE + base_page_size();
	void *address = NULL;
	uintptr_t first;
	int error;

	error = hnuma_sys.map(&address, length, protection, flags, -1);
	if (error)
		return hnuma_error_set(error,
				       "mapping %zu bytes: %s (look at ulimit -v and -d, and at "
				       "sysctl vm.max_map_count and vm.overcommit_memory)",
				       length, hnuma_strerror(error));
	first = (uintptr_t)address + base_page_size();
	region->reservation = address;
	region->reservation_bytes = length;
	region->base = (void *)((first + HNUMA_HUGEPAGE - 1) & ~(uintptr_t)(HNUMA_HUGEPAGE - 1));
	return 0;
}

static int put_guard(void *begin, void *end)
{
	void *address = begin;
	int error;

	error = hnuma_sys.map(&address, (size_t)((char *)end - (char *)begin), PROT_NONE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1);
	if (error)
		return hnuma_error_set(error,
				       "mapping a guard: %s (look at sysctl vm.max_map_count)",
				       hnuma_strerror(error));
	return 0;
}

static int map_private(struct hnuma_region *region)
{
	unsigned char *end = (unsigned char *)region->reservation + region->reservation_bytes;
	int error;

	error = put_guard(region->reservation, region->base);
	return error ? error : put_guard(region->base + region->size_bytes, end);
}

static void name_mapping(const struct hnuma_request *request, char *name)
{
	if (!request->is_bound)
		snprintf(name, MAPPING_NAME_BYTES, "hugenuma:%s:unbound", request->name);
	else if (request->node < 0)
		snprintf(name, MAPPING_NAME_BYTES, "hugenuma:%s:interleave", request->name);
	else
		snprintf(name, MAPPING_NAME_BYTES, "hugenuma:%s:node%d", request->name,
			 request->node);
}

static int map_file(struct hnuma_region *region, const struct hnuma_request *request,
		    enum hnuma_backing backing)
{
	char name[MAPPING_NAME_BYTES];

	name_mapping(request, name);
	return hnuma_file_make(region, request, backing == HNUMA_BACKING_HUGETLB, name);
}

/*
 * The kernel refuses a policy. A relaxed request goes on without, for good: 0. Any other ends here.
 */
static int refuse_policy(struct hnuma_region *region, struct hnuma_request *request,
			 const char *call, int error)
{
	char where[64];

	hnuma_request_where(request, where, sizeof(where));
	if (request->attr->flags & HNUMA_RELAXED) {
		request->is_bound = false;
		hnuma_backing_add_reason(region, "not bound to %s: %s: %s", where, call,
					 hnuma_strerror(error));
		return 0;
	}
	request->is_final = true;
	if (error == -EPERM || error == -ENOSYS)
		return hnuma_error_set(
			error,
			"the kernel refuses to bind to %s (%s: %s): give the process "
			"CAP_SYS_NICE, let its seccomp profile allow set_mempolicy, "
			"get_mempolicy and mbind, or go on unbound with HNUMA_RELAXED",
			where, call, hnuma_strerror(error));
	return hnuma_error_set(error,
			       "binding to %s failed (%s: %s): has its cpuset changed? "
			       "Mems_allowed_list in /proc/self/status has the nodes that are "
			       "allowed",
			       where, call, hnuma_strerror(error));
}

/*
 * Map the pages, bound. The thread has the policy while hugetlb pages are reserved, which is checked
 * against it, and no longer: under it the kernel would take its own memory from that node only,
 * and kill processes when the node has given all it has to huge pages.
 */
static int map_bound(struct hnuma_region *region, struct hnuma_request *request,
		     enum hnuma_backing backing)
{
	struct hnuma_place previous;
	bool has_entered = false;
	int error = 0, left = 0;

	if (request->is_bound) {
		error = hnuma_place_enter(&request->place, &previous);
		has_entered = !error;
		if (error)
			error = refuse_policy(region, request, "set_mempolicy", error);
		if (error)
			return error;
	}
	error = has_file(request, backing) ? map_file(region, request, backing)
					   : map_private(region);
	if (!error && request->is_bound) {
		error = hnuma_place_bind(region->base, region->size_bytes, &request->place);
		if (error)
			error = refuse_policy(region, request, "mbind", error);
	}
	if (has_entered)
		left = hnuma_place_leave(&previous);
	if (left) {
		request->is_final = true;
		return hnuma_error_set(left,
				       "the thread's own memory policy could not be put back (%s)",
				       hnuma_strerror(left));
	}
	return error;
}

/*
 * Memory that is not hugetlb is watched while it is populated: where others have taken the rest, the
 * kernel would not refuse it but kill processes for it.
 */
struct watch {
	const struct hnuma_request *request;
	_Atomic size_t missing_bytes; /* left to do when it could no longer be had; or 0 */
};

static int check_rest(void *arg, size_t rest_bytes, size_t *stretch_bytes)
{
	struct watch *watch = arg;
	size_t spare = 0;
	int error = hnuma_limit_check_memory(watch->request, rest_bytes, &spare);

	/* Only who is four times as fast can have taken all of it by then. */
	*stretch_bytes = spare / 4;
	/* Relaxed: the threads that populate have ended before it is read. */
	if (error)
		atomic_store_explicit(&watch->missing_bytes, rest_bytes, memory_order_relaxed);
	return error;
}

/* What the kernel's answer to populating means; the mapping is gone already. */
static int explain_populate(struct hnuma_request *request, enum hnuma_backing backing, int error)
{
	char where[64];

	hnuma_request_where(request, where, sizeof(where));
	switch (error) {
	case -EFAULT:
	case -ENOMEM:
		if (backing != HNUMA_BACKING_HUGETLB)
			return hnuma_error_set(-ENOMEM,
					       "%s ran out of memory, or a control group allows no "
					       "more, while %zu bytes were populated",
					       where, request->size_bytes);
		/* A count or a limit that now stands in the way most likely did so before. */
		if (hnuma_limit_check_hugetlb(request, true))
			return hnuma_error_prefix(-ENOMEM, "populating ended early: ");
		return hnuma_error_set(
			-ENOMEM,
			"%s ran out of huge pages while %zu of them were populated: "
			"other processes take them, or a control group that cannot be "
			"seen from here allows no more",
			where, request->size_bytes / HNUMA_HUGEPAGE);
	case -EHWPOISON:
		return hnuma_error_set(
			-EIO,
			"memory of %s is damaged (hardware poison): see the kernel's "
			"log, and take the page or the node out of use",
			where);
	case -EINVAL:
		return hnuma_error_set(error, "MADV_POPULATE_WRITE is not known to this kernel: "
					      "Linux 5.14 or later is needed");
	default:
		return hnuma_error_set(error, "populating %zu bytes on %s: %s", request->size_bytes,
				       where, hnuma_strerror(error));
	}
}

static int populate(struct hnuma_region *region, struct hnuma_request *request,
		    enum hnuma_backing backing)
{
	struct watch watch = {.request = request};
	const struct hnuma_populate what = {
		.base = region->base,
		.size_bytes = region->size_bytes,
		.topology = request->topology,
		.node = request->is_bound ? request->node : HNUMA_NODE_NONE,
		.nr_cpus = request->nr_cpus,
		.progress = request->attr->progress,
		.progress_arg = request->attr->progress_arg,
		.check = request->takes_memory ? check_rest : NULL,
		.check_arg = &watch,
	};
	size_t missing_bytes;
	int error = hnuma_populate(&what);
	bool is_lost;

	if (error == -EHWPOISON && request->takes_damaged)
		error = hnuma_damage_find(region);
	if (!error)
		return 0;
	/* Once more in this thread, for its message, and before the half that is there is given back. */
	missing_bytes = atomic_load_explicit(&watch.missing_bytes, memory_order_relaxed);
	is_lost = missing_bytes && hnuma_limit_check_memory(request, missing_bytes, NULL);
	hnuma_backing_undo(region);
	if (is_lost)
		return hnuma_error_prefix(-ENOMEM, "populating ended early: ");
	return explain_populate(request, backing, error);
}

static int set_fork_rule(struct hnuma_region *region)
{
	int error;

	if (region->is_inherited)
		return 0;
	error = hnuma_sys.advise(region->reservation, region->reservation_bytes, MADV_DONTFORK);
	if (error)
		return hnuma_error_set(error, "madvise MADV_DONTFORK: %s", hnuma_strerror(error));
	return 0;
}

/* The guards around the pages have no access, and so are in no dump anyway. */
static int set_dump_rule(struct hnuma_region *region, const struct hnuma_request *request)
{
	int error;

	if (!(request->attr->flags & HNUMA_NO_DUMP))
		return 0;
	error = hnuma_sys.advise(region->base, region->size_bytes, MADV_DONTDUMP);
	if (error)
		return hnuma_error_set(error, "madvise MADV_DONTDUMP: %s", hnuma_strerror(error));
	return 0;
}

/*
 * Are all pages of a populated mapping transparent huge pages, or can they be made so? Sets what was
 * obtained. Returns 0, or a negative errno when that is less than is accepted.
 */
static int judge_thp(struct hnuma_region *region, const struct hnuma_request *request)
{
	size_t huge_bytes, page_size;
	int error = 0, collapse = 0;

	page_size = hnuma_verify_page_size(region, &huge_bytes);
	/* What is collapsed is copied by the kernel, which memory errors would meet in doing so. */
	if (page_size && huge_bytes < region->size_bytes && !hnuma_damage_is_there(region)) {
		collapse = hnuma_sys.advise(region->base, region->size_bytes, MADV_COLLAPSE);
		if (collapse == -EAGAIN)
			collapse =
				hnuma_sys.advise(region->base, region->size_bytes, MADV_COLLAPSE);
		page_size = hnuma_verify_page_size(region, &huge_bytes);
	}
	region->backing = HNUMA_BACKING_THP;
	region->page_size = HNUMA_HUGEPAGE;
	if (page_size && huge_bytes == region->size_bytes)
		return 0;
	region->backing = HNUMA_BACKING_BASE;
	region->page_size = page_size ? page_size : base_page_size();
	if (page_size)
		error = hnuma_limit_explain_thp(request, huge_bytes, collapse);
	else
		error = hnuma_error_set(-ENOENT,
					"/proc/self/smaps cannot be read, so nothing shows "
					"that the pages are huge");
	if (request->attr->least_backing != HNUMA_BACKING_BASE)
		return error;
	hnuma_backing_add_reason(region, "transparent huge pages: %s", hnuma_errormsg());
	return 0;
}

/* Set what a region that was to be bound says about its node, by what the kernel says of its pages. */
static int judge_places(struct hnuma_region *region, struct hnuma_request *request)
{
	struct hnuma_place_count count = HNUMA_PLACE_COUNT_INIT;
	char where[64];
	int error;

	request->is_final = true;
	error = hnuma_verify_places(region, 0, region->size_bytes, region->page_size, &count);
	if (error)
		return error;
	hnuma_request_where(request, where, sizeof(where));
	region->node = HNUMA_NODE_NONE;
	if (count.unknown)
		hnuma_backing_add_reason(
			region, "the kernel does not tell where %llu of %llu pages lie",
			(unsigned long long)count.unknown,
			(unsigned long long)(count.here + count.elsewhere + count.unknown));
	if (!request->is_bound)
		return 0;
	if (count.elsewhere && request->attr->policy == HNUMA_POLICY_BIND)
		return hnuma_error_set(
			-EIO,
			"%llu of %llu pages came to lie on other nodes although they "
			"were bound to %s",
			(unsigned long long)count.elsewhere,
			(unsigned long long)(count.here + count.elsewhere + count.unknown), where);
	if (count.elsewhere)
		hnuma_backing_add_reason(region, "%s had too few pages: %llu lie elsewhere", where,
					 (unsigned long long)count.elsewhere);
	if (request->attr->policy == HNUMA_POLICY_BIND)
		region->node = request->node;
	else if (request->attr->policy == HNUMA_POLICY_PREFERRED && !count.unknown)
		region->node = count.node;
	return 0;
}

/* Everything behind the mapping. */
static int fill(struct hnuma_region *region, struct hnuma_request *request,
		enum hnuma_backing backing)
{
	char name[MAPPING_NAME_BYTES];
	int error;

	error = set_fork_rule(region);
	if (!error)
		error = set_dump_rule(region, request);
	if (error)
		return error;
	if (!has_file(request, backing)) {
		/* Many kernels are built without; nothing depends on it. */
		name_mapping(request, name);
		(void)hnuma_sys.name(region->base, region->size_bytes, name);
	}
	/* A kernel without such pages refuses. What came of it is seen when all pages are there. */
	if (backing == HNUMA_BACKING_THP)
		(void)hnuma_sys.advise(region->base, region->size_bytes, MADV_HUGEPAGE);
	error = populate(region, request, backing);
	if (error)
		return error;
	region->backing = backing;
	region->page_size = backing == HNUMA_BACKING_BASE ? base_page_size() : HNUMA_HUGEPAGE;
	if (backing == HNUMA_BACKING_THP)
		error = judge_thp(region, request);
	return error;
}

int hnuma_backing_take(struct hnuma_region *region, struct hnuma_request *request,
		       enum hnuma_backing backing)
{
	bool is_hugetlb = backing == HNUMA_BACKING_HUGETLB;
	int error;

	request->takes_memory = !is_hugetlb;
	error = is_hugetlb ? hnuma_limit_check_hugetlb(request, false)
			   : hnuma_limit_check_memory(request, request->size_bytes, NULL);
	if (error) {
		/* Base pages need as much memory as transparent huge pages. */
		request->is_final = !is_hugetlb;
		return error;
	}
	error = reserve(region, has_file(request, backing));
	if (error)
		return error;
	error = map_bound(region, request, backing);
	if (!error)
		error = fill(region, request, backing);
	if (!error)
		error = judge_places(region, request);
	if (error)
		hnuma_backing_undo(region);
	return error;
}

int hnuma_backing_open(struct hnuma_region *region, struct hnuma_request *request, int fd,
		       bool is_hugetlb)
{
	const enum hnuma_backing backing = is_hugetlb ? HNUMA_BACKING_HUGETLB : HNUMA_BACKING_THP;
	int error;

	if (backing < request->attr->least_backing)
		return hnuma_error_set(-ENOMEM, "the file has no hugetlb pages");
	error = request->takes_damaged ? hnuma_damage_begin(region) : 0;
	if (!error)
		error = reserve(region, true);
	if (error)
		return error;
	region->fd = hnuma_sys.duplicate(fd);
	if (region->fd < 0)
		error = hnuma_error_set(region->fd, "a copy of descriptor %d: %s", fd,
					hnuma_strerror(region->fd));
	else
		error = hnuma_file_map(region, request, region->fd, is_hugetlb);
	/* Its policy is its maker's. */
	if (!error)
		error = fill(region, request, backing);
	if (!error)
		error = hnuma_wrap_judge_places(region, request);
	if (error)
		hnuma_backing_undo(region);
	return error;
}
