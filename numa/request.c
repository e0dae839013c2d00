/* SPDX-License-Identifier: MIT */
/*
 * numa/request.c - is a request for memory sound, and which nodes does it mean?
 *
 * Asks the topology; takes nothing from the kernel.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <hugenuma.h>

#include "numa/error.h"
#include "numa/ground.h"
#include "numa/region.h"
#include "numa/topology.h"

/* The reservation is up to 2 MB and a page larger than what it holds. */
#define SIZE_LIMIT (SIZE_MAX - 4 * HNUMA_HUGEPAGE)

static bool is_name_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '_' || c == '-';
}

static int check_name(const char *name)
{
	size_t length = strnlen(name, HNUMA_NAME_MAX + 1);

	if (length == 0 || length > HNUMA_NAME_MAX)
		return hnuma_error_set(
			-EINVAL,
			"struct hnuma_region_attr: name is \"%.*s\"%s; it has to have "
			"1 to %d characters",
			HNUMA_NAME_MAX, name, length ? "..." : "", HNUMA_NAME_MAX);
	for (size_t i = 0; i < length; i++)
		if (!is_name_letter(name[i]))
			return hnuma_error_set(-EINVAL,
					       "struct hnuma_region_attr: character %zu of name is "
					       "0x%02x; only a-z A-Z 0-9 . _ - are allowed",
					       i + 1, (unsigned char)name[i]);
	return 0;
}

static int check_attr(const struct hnuma_region_attr *attr)
{
	int error;

	error = hnuma_attr_check("struct hnuma_region_attr", attr->struct_size, sizeof(*attr),
				 attr->least_backing, attr->policy, attr->flags,
				 HNUMA_OBJECT_FLAGS | HNUMA_INHERIT);
	if (error)
		return error;
	error = hnuma_hooks_check(attr->hooks);
	if (error)
		return error;
	if (attr->size == 0)
		return hnuma_error_set(-EINVAL, "struct hnuma_region_attr: size is 0");
	if (attr->name)
		error = check_name(attr->name);
	if (error)
		return error;
	if (attr->size > SIZE_LIMIT)
		return hnuma_error_set(-EOVERFLOW,
				       "struct hnuma_region_attr: size is %zu, which is beyond any "
				       "address space when rounded up to 2 MB",
				       attr->size);
	return 0;
}

static int choose_node(struct hnuma_request *request)
{
	request->node = request->attr->node;
	if (request->node == HNUMA_NODE_LOCAL) {
		request->node = hnuma_current_node(request->topology);
		if (request->node < 0)
			return hnuma_error_prefix(request->node, "HNUMA_NODE_LOCAL: ");
	}
	return hnuma_topology_check_node(request->topology, request->node);
}

static int choose_nodes(struct hnuma_request *request)
{
	static const struct hnuma_nodeset none;
	const struct hnuma_nodeset *asked = &request->attr->nodes;
	int error;

	request->node = HNUMA_NODE_NONE;
	if (memcmp(asked, &none, sizeof(none)) == 0) {
		if (hnuma_topology_usable_nodes(request->topology, false, &request->nodes))
			return 0;
		return hnuma_error_set(-ENODEV,
				       "HNUMA_POLICY_INTERLEAVE was asked for, but no node with "
				       "memory is allowed to this process");
	}
	for (int node = 0; node < HNUMA_MAX_NODES; node++) {
		if (!hnuma_nodeset_has(asked, node))
			continue;
		error = hnuma_topology_check_node(request->topology, node);
		if (error)
			return error;
	}
	request->nodes = *asked;
	return 0;
}

/* How many CPUs may clear the pages: the node's, or all when there is no one node. */
static unsigned count_cpus(const struct hnuma_request *request)
{
	unsigned nr_cpus = 0;

	if (request->node >= 0)
		return hnuma_topology_node_nr_cpus(request->topology, request->node);
	for (int node = 0; node < HNUMA_MAX_NODES; node++)
		if (hnuma_nodeset_has(&request->nodes, node))
			nr_cpus += hnuma_topology_node_nr_cpus(request->topology, node);
	return nr_cpus;
}

int hnuma_request_init(struct hnuma_request *request, const struct hnuma_topology *topology,
		       const struct hnuma_region_attr *attr)
{
	int error;

	memset(request, 0, sizeof(*request));
	if (!topology || !attr)
		return hnuma_error_set(-EINVAL, "%s is NULL", topology ? "attr" : "topology");
	error = check_attr(attr);
	if (error)
		return error;
	if (!hnuma_topology_is_this_system(topology))
		return hnuma_error_set(
			-EXDEV, "the topology was read from a file (HWLOC_XMLFILE, "
				"HWLOC_FSROOT or HWLOC_SYNTHETIC) and does not describe this "
				"machine: it serves for planning, no memory can be made from "
				"it");
	request->topology = topology;
	request->attr = attr;
	request->name = attr->name ? attr->name : "region";
	request->size_bytes = (attr->size + HNUMA_HUGEPAGE - 1) & ~(HNUMA_HUGEPAGE - 1);
	if (attr->policy == HNUMA_POLICY_INTERLEAVE)
		error = choose_nodes(request);
	else
		error = choose_node(request);
	if (error)
		return error;
	if (request->node >= 0)
		hnuma_nodeset_add(&request->nodes, request->node);
	request->nr_cpus = count_cpus(request);
	/* Where the system does not tell its nodes, binding could only be to an invented one. */
	request->is_bound = hnuma_topology_is_known(topology);
	hnuma_place_init(&request->place, attr->policy, &request->nodes);
	return 0;
}

const char *hnuma_request_where(const struct hnuma_request *request, char *text, size_t size)
{
	char list[48];

	if (request->node >= 0)
		snprintf(text, size, "node %d", request->node);
	else
		snprintf(text, size, "nodes %s",
			 hnuma_topology_list_nodes(&request->nodes, list, sizeof(list)));
	return text;
}
