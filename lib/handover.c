/* SPDX-License-Identifier: MIT */
/*
 * lib/handover.c - the headers by which a shared manager is known to the next process: written, read
 * and judged. Calls plan.c, numa/owner and numa/random.
 */
#include "config.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "lib/handover.h"
#include "lib/manager_state.h"
#include "lib/pool_books.h"
#include "lib/pool_cache.h"
#include "numa/error.h"
#include "numa/random.h"

/* FNV-1a, of 64 bits. */
static uint64_t mix(const void *bytes, size_t size)
{
	uint64_t sum = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < size; i++)
		sum = (sum ^ ((const unsigned char *)bytes)[i]) * UINT64_C(0x100000001b3);
	return sum;
}

/*
 * Everything that two processes have to read alike: the header and the pool's books, but not what is
 * made anew. The first number stands for what they mean: change it with that.
 */
uint64_t hnuma_handover_library(void)
{
	static const uint64_t layout[] = {
		1,
		HNUMA_HANDOVER_BYTES,
		sizeof(struct hnuma_handover),
		offsetof(struct hnuma_handover, manager),
		offsetof(struct hnuma_handover, key),
		offsetof(struct hnuma_handover, config),
		offsetof(struct hnuma_handover, nr_regions),
		offsetof(struct hnuma_handover, index),
		offsetof(struct hnuma_handover, node),
		offsetof(struct hnuma_handover, layout),
		offsetof(struct hnuma_handover, origin),
		sizeof(struct hnuma_config),
		offsetof(struct hnuma_config, flags),
		sizeof(struct hnuma_layout),
		sizeof(struct hnuma_cpu),
		sizeof(struct hnuma_state),
		sizeof(struct hnuma_page),
		offsetof(struct hnuma_page, is_lost),
		HNUMA_NR_CLASSES,
		HNUMA_BLOCK_SHIFT,
		HNUMA_PAGE_SHIFT,
		HNUMA_NO_CLASS,
		HNUMA_BLOCK_UNMADE,
		HNUMA_BLOCK_FREE,
		HNUMA_BLOCK_OUT,
		HNUMA_BLOCK_LOST,
		HNUMA_BLOCK_LEAVING,
	};

	return mix(layout, sizeof(layout));
}

uint64_t hnuma_handover_sum(const struct hnuma_handover *header)
{
	const size_t begin = offsetof(struct hnuma_handover, library);

	return mix((const unsigned char *)header + begin, sizeof(*header) - begin);
}

int hnuma_handover_offer(struct hnuma_manager *manager)
{
	const unsigned nr_regions = manager->ground.service.nr_nodes;
	struct hnuma_handover header;
	int error;

	/* All of it: the sum goes over what lies between the fields, too. */
	memset(&header, 0, sizeof(header));
	error = hnuma_random_draw(&header.manager, "number");
	if (!error)
		error = hnuma_owner_take(&manager->owner,
					 hnuma_region_fd(manager->ground.regions[0]));
	if (error)
		return error;
	header.library = hnuma_handover_library();
	header.key = hnuma_pool_key(manager->pool);
	header.config = manager->plan->config;
	header.config.hooks = NULL;
	header.nr_regions = nr_regions;
	for (unsigned i = 0; i < nr_regions; i++) {
		unsigned char *base = hnuma_region_base(manager->ground.regions[i]);
		struct hnuma_handover *place = (struct hnuma_handover *)base;

		header.index = i;
		header.node = manager->ground.service.nodes[i];
		header.layout = manager->plan->layouts[i];
		header.origin = (uintptr_t)(base + header.layout.pages);
		header.sum = hnuma_handover_sum(&header);
		memcpy(place, &header, sizeof(header));
		/* Release: who reads the magic, by a call of the kernel, finds all the rest there. */
		atomic_store_explicit(&place->magic, HNUMA_HANDOVER_MAGIC, memory_order_release);
	}
	return 0;
}

/* One header by itself. */
static int judge(const struct hnuma_handover *header, int fd)
{
	if (header->magic != HNUMA_HANDOVER_MAGIC)
		return hnuma_error_set(-EINVAL,
				       "descriptor %d is no file of a manager that can be adopted: "
				       "of no manager, or of one that was never whole",
				       fd);
	if (header->library != hnuma_handover_library())
		return hnuma_error_set(-EPROTO,
				       "descriptor %d: its manager was made by another version of "
				       "this library, whose books have another layout",
				       fd);
	if (header->sum != hnuma_handover_sum(header))
		return hnuma_error_set(
			-EUCLEAN,
			"descriptor %d: the header of its region is damaged: it does "
			"not bear its own sum",
			fd);
	if (header->index >= header->nr_regions || header->nr_regions > HNUMA_MAX_NODES)
		return hnuma_error_set(
			-EUCLEAN,
			"descriptor %d: the header of its region is damaged: it says "
			"that this is region %u of %u",
			fd, header->index, header->nr_regions);
	return 0;
}

/* Two headers that should be of one manager. */
static int judge_pair(const struct hnuma_handover *one, int fd, const struct hnuma_handover *other,
		      int other_fd)
{
	if (one->manager != other->manager)
		return hnuma_error_set(-EINVAL,
				       "descriptors %d and %d are of two managers: give those of "
				       "one at a time",
				       other_fd, fd);
	if (one->index == other->index)
		return hnuma_error_set(-EINVAL, "descriptors %d and %d are of the same region",
				       other_fd, fd);
	if (one->key != other->key || one->nr_regions != other->nr_regions ||
	    memcmp(&one->config, &other->config, sizeof(one->config)) != 0)
		return hnuma_error_set(-EUCLEAN,
				       "descriptors %d and %d: the headers of their regions "
				       "contradict each other",
				       other_fd, fd);
	return 0;
}

/* Bring headers and descriptors into the order of their index. */
static void sort(int *fds, unsigned nr, struct hnuma_handover *headers)
{
	for (unsigned i = 1; i < nr; i++) {
		const struct hnuma_handover header = headers[i];
		const int fd = fds[i];
		unsigned at = i;

		for (; at > 0 && headers[at - 1].index > header.index; at--) {
			headers[at] = headers[at - 1];
			fds[at] = fds[at - 1];
		}
		headers[at] = header;
		fds[at] = fd;
	}
}

/* Of `nr` headers that are sorted and that agree: is one missing? */
static int judge_number(const struct hnuma_handover *headers, unsigned nr)
{
	unsigned missing = 0, index = 0;
	int node = 0;

	if (nr == headers[0].nr_regions)
		return 0;
	while (missing < nr && headers[missing].index == missing)
		missing++;
	/* The nodes that are served are regions 0, 1, .. in the order of their numbers. */
	for (; node < HNUMA_MAX_NODES; node++)
		if (hnuma_nodeset_has(&headers[0].config.nodes, node) && index++ == missing)
			break;
	return hnuma_error_set(-ENOENT,
			       "%u of the manager's %u regions were given: that of node %d is "
			       "missing",
			       nr, headers[0].nr_regions, node);
}

int hnuma_handover_read(int *fds, unsigned nr, struct hnuma_handover *headers)
{
	for (unsigned i = 0; i < nr; i++) {
		int error = hnuma_file_peek(fds[i], &headers[i], sizeof(headers[i]));

		if (!error)
			error = judge(&headers[i], fds[i]);
		for (unsigned j = 0; j < i && !error; j++)
			error = judge_pair(&headers[i], fds[i], &headers[j], fds[j]);
		if (error)
			return error;
	}
	sort(fds, nr, headers);
	return judge_number(headers, nr);
}

int hnuma_handover_plan(struct hnuma_plan **out, const struct hnuma_topology *topology,
			const struct hnuma_handover *headers, const struct hnuma_hooks *hooks)
{
	struct hnuma_config config = headers[0].config;
	struct hnuma_plan *plan;
	bool is_same;
	int error;

	*out = NULL;
	config.hooks = hooks;
	error = hnuma_plan_repeat(&plan, topology, &config);
	if (error)
		return hnuma_error_prefix(error, "a plan for what is to be adopted: ");
	is_same = plan->service.nr_nodes == headers[0].nr_regions;
	for (unsigned i = 0; is_same && i < plan->service.nr_nodes; i++)
		is_same = headers[i].node == plan->service.nodes[i] &&
			  memcmp(&headers[i].layout, &plan->layouts[i],
				 sizeof(headers[i].layout)) == 0;
	if (is_same) {
		*out = plan;
		return 0;
	}
	hnuma_plan_destroy(plan);
	return hnuma_error_set(-EXDEV, "the manager was made where other nodes or CPUs could be "
				       "used than this process sees: its memory would be laid out "
				       "in another way");
}
