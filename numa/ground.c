/* SPDX-License-Identifier: MIT */
/*
 * numa/ground.c - one region on each served node, all or none.
 *
 * Calls numa/region and numa/service.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <hugenuma.h>

#include "numa/error.h"
#include "numa/ground.h"

/* Give back what there is; the first failure is told, the others are still tried. */
static int destroy_regions(struct hnuma_ground *ground)
{
	int first = 0;

	for (unsigned i = ground->regions ? ground->service.nr_nodes : 0; i-- > 0;) {
		int error = hnuma_region_destroy(ground->regions[i]);

		if (!error)
			ground->regions[i] = NULL;
		else if (!first)
			first = error;
	}
	return first;
}

static int create_regions(struct hnuma_ground *ground, const struct hnuma_ground_request *request)
{
	struct hnuma_region_attr attr = HNUMA_REGION_ATTR_INIT;

	attr.least_backing = request->least_backing;
	attr.policy = request->policy;
	attr.flags = request->flags;
	attr.name = request->name;
	attr.hooks = request->hooks;
	for (unsigned i = 0; i < ground->service.nr_nodes; i++) {
		int error;

		attr.size = request->sizes[i];
		attr.node = ground->service.nodes[i];
		if (request->fds)
			error = hnuma_region_adopt(&ground->regions[i], ground->topology,
						   request->fds[i], &attr);
		else
			error = hnuma_region_create(&ground->regions[i], ground->topology, &attr);
		if (error)
			return error;
	}
	return 0;
}

int hnuma_ground_create(struct hnuma_ground *ground, const struct hnuma_topology *topology,
			const struct hnuma_service *service,
			const struct hnuma_ground_request *request)
{
	int error;

	memset(ground, 0, sizeof(*ground));
	ground->topology = topology;
	error = hnuma_service_copy(&ground->service, service);
	if (error)
		goto no_service;
	ground->regions = calloc(service->nr_nodes, sizeof(*ground->regions));
	if (ground->regions)
		error = create_regions(ground, request);
	else
		error = hnuma_error_set(-ENOMEM, "%s: no memory is left for a list of %u regions",
					request->name, service->nr_nodes);
	if (!error)
		return 0;

	/* The message of the failure stays unless undoing fails, too; there is no third try. */
	if (destroy_regions(ground))
		(void)destroy_regions(ground);
	free(ground->regions);
	hnuma_service_free(&ground->service);
no_service:
	memset(ground, 0, sizeof(*ground));
	return error;
}

int hnuma_ground_destroy(struct hnuma_ground *ground)
{
	int error = destroy_regions(ground);

	if (error)
		return error;
	free(ground->regions);
	hnuma_service_free(&ground->service);
	memset(ground, 0, sizeof(*ground));
	return 0;
}

int hnuma_ground_piece(const struct hnuma_ground *ground, size_t piece_bytes, size_t index,
		       struct hnuma_piece *piece)
{
	const size_t asked = index;

	for (unsigned i = 0; i < ground->service.nr_nodes; i++) {
		size_t nr = hnuma_hooks_nr_pieces(ground->regions[i], piece_bytes);

		if (index < nr)
			return hnuma_region_piece(ground->regions[i], piece_bytes, index, piece);
		index -= nr;
	}
	return hnuma_error_set(-ENODEV, "there is no piece with the index %zu", asked);
}
