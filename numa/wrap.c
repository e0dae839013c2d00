/* SPDX-License-Identifier: MIT */
/*
 * numa/wrap.c - memory from elsewhere: can what the caller has mapped be a region, and what is it?
 *
 * Looks, and changes nothing. Calls numa/atlas and numa/verify.
 */
#include "config.h"

#include <hugenuma.h>

#include "numa/atlas.h"
#include "numa/error.h"
#include "numa/region.h"

int hnuma_wrap_check(const void *address, const struct hnuma_region_attr *attr)
{
	const unsigned flags = attr->flags & (HNUMA_RELAXED | HNUMA_NO_DUMP | HNUMA_SHARED);

	if (flags)
		return hnuma_error_set(
			-EINVAL,
			"struct hnuma_region_attr: flags 0x%x cannot be used here: memory "
			"that is wrapped is neither bound nor mapped nor advised on by this "
			"library; "
			"of HNUMA_RELAXED, HNUMA_NO_DUMP and HNUMA_SHARED its owner takes care",
			flags);
	if ((uintptr_t)address % HNUMA_HUGEPAGE || attr->size % HNUMA_HUGEPAGE)
		return hnuma_error_set(
			-EINVAL,
			"%zu bytes at %p cannot be a region: address and size have to be "
			"multiples of 2 MB (map 2 MB more, and wrap what begins at the first such "
			"multiple)",
			attr->size, address);
	if (attr->size > UINTPTR_MAX - (uintptr_t)address)
		return hnuma_error_set(-EOVERFLOW,
				       "%zu bytes at %p would reach beyond the address space",
				       attr->size, address);
	return 0;
}

/* Is the memory there, as much as can be asked, and nobody else's? */
static int check_mappings(const struct hnuma_region *region, const struct hnuma_mappings *mappings)
{
	const size_t size = region->size_bytes;

	if (mappings->mapped_bytes != size)
		return hnuma_error_set(-EFAULT, "only %zu bytes of it are mapped",
				       mappings->mapped_bytes);
	if (mappings->usable_bytes != size)
		return hnuma_error_set(
			-EFAULT, "%zu bytes of it are not mapped for both reading and writing",
			size - mappings->usable_bytes);
	if (!mappings->page_size)
		return hnuma_error_set(-ENOENT, "/proc/self/smaps does not tell its pages' size");
	if ((uintptr_t)region->base % mappings->page_size || size % mappings->page_size)
		return hnuma_error_set(-EINVAL,
				       "its pages are of %zu bytes, of which address and size "
				       "have to be multiples, too",
				       mappings->page_size);
	return 0;
}

/* What the pages are, by what smaps said. */
static int judge_backing(struct hnuma_region *region, const struct hnuma_request *request,
			 const struct hnuma_mappings *mappings)
{
	region->page_size = mappings->page_size;
	region->backing = HNUMA_BACKING_BASE;
	if (mappings->huge_bytes == region->size_bytes)
		region->backing = mappings->hugetlb_bytes == region->size_bytes
					  ? HNUMA_BACKING_HUGETLB
					  : HNUMA_BACKING_THP;
	if (region->backing != HNUMA_BACKING_BASE &&
	    region->backing >= request->attr->least_backing)
		return 0;
	if (region->backing == HNUMA_BACKING_THP)
		return hnuma_error_set(-ENOMEM, "its pages are huge, but not all hugetlb's");
	hnuma_backing_add_reason(region, "%zu of %zu bytes %s in huge pages", mappings->huge_bytes,
				 region->size_bytes,
				 mappings->reaches_beyond
					 ? "(of mappings that reach beyond them, so "
					   "that no more is certain) are"
					 : "are");
	if (region->backing >= request->attr->least_backing)
		return 0;
	return hnuma_error_set(-ENOMEM, "%s", region->reason);
}

int hnuma_wrap_judge_places(struct hnuma_region *region, const struct hnuma_request *request)
{
	struct hnuma_place_count count;
	unsigned long long total;
	char where[64];
	int error;

	error = hnuma_verify_places(region, 0, region->size_bytes, region->page_size, &count);
	if (error)
		return error;
	total = count.here + count.elsewhere + count.unknown;
	hnuma_request_where(request, where, sizeof(where));
	/* Where the system does not tell its nodes, none was asked for. */
	if (count.elsewhere && request->is_bound) {
		if (request->attr->policy == HNUMA_POLICY_BIND)
			return hnuma_error_set(-EIO, "%llu of %llu pages do not lie on %s",
					       (unsigned long long)count.elsewhere, total, where);
		hnuma_backing_add_reason(region, "%llu of %llu pages do not lie on %s",
					 (unsigned long long)count.elsewhere, total, where);
	}
	if (count.unknown)
		hnuma_backing_add_reason(region,
					 "the kernel does not tell where %llu of %llu pages lie",
					 (unsigned long long)count.unknown, total);
	region->node = count.unknown ? HNUMA_NODE_NONE : count.node;
	return 0;
}

int hnuma_wrap_take(struct hnuma_region *region, const struct hnuma_request *request, void *address)
{
	struct hnuma_region_place other;
	struct hnuma_mappings mappings;
	int error;

	region->base = address;
	region->is_wrapped = true;
	if (hnuma_atlas_find(address, region->size_bytes, &other))
		return hnuma_error_set(-EEXIST, "a region of %zu bytes is there already, at %p",
				       other.size, other.base);
	error = hnuma_verify_mappings(region, &mappings);
	if (error)
		return hnuma_error_set(error,
				       "/proc/self/smaps: %s; without it nothing shows what is "
				       "mapped there",
				       hnuma_strerror(error));
	error = check_mappings(region, &mappings);
	if (!error)
		error = judge_backing(region, request, &mappings);
	return error ? error : hnuma_wrap_judge_places(region, request);
}
