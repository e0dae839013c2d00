/* SPDX-License-Identifier: MIT */
/*
 * numa/topology_export.c - what only hwloc knows of a topology, and its XML with notes on nodes.
 *
 * Uses hwloc.
 */
#include "config.h"

#include <hwloc/memattrs.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "numa/error.h"
#include "numa/topology.h"
#include "numa/topology_state.h"

static hwloc_obj_t find_object(hwloc_topology_t hwloc, int node)
{
	return node < 0 ? NULL : hwloc_get_numanode_obj_by_os_index(hwloc, (unsigned)node);
}

static enum hnuma_memory_kind kind_of(const char *subtype)
{
	static const struct {
		const char *word;
		enum hnuma_memory_kind kind;
	} words[] = {
		{"DRAM", HNUMA_MEMORY_DRAM},
		{"HBM", HNUMA_MEMORY_HIGH_BANDWIDTH},
		{"MCDRAM", HNUMA_MEMORY_HIGH_BANDWIDTH},
	};

	if (!*subtype)
		return HNUMA_MEMORY_UNKNOWN;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcasecmp(subtype, words[i].word) == 0)
			return words[i].kind;
	return HNUMA_MEMORY_OTHER;
}

/* An attribute of a node's memory as the CPUs see it that see it best; 0 when it is not known. */
static uint64_t best_value(hwloc_topology_t hwloc, hwloc_obj_t object, hwloc_memattr_id_t attribute)
{
	struct hwloc_location initiator;
	hwloc_uint64_t value = 0;

	if (hwloc_memattr_get_best_initiator(hwloc, attribute, object, 0, &initiator, &value))
		return 0;
	return value;
}

int hnuma_topology_memory(const struct hnuma_topology *topology, int node,
			  struct hnuma_memory_info *info)
{
	hwloc_obj_t object;

	if (!topology || !info)
		return hnuma_error_set(-EINVAL, "%s is NULL", topology ? "info" : "topology");
	memset(info, 0, sizeof(*info));
	if (!hnuma_topology_has_node(topology, node))
		return hnuma_error_set(-ENODEV, "node %d does not exist", node);
	object = find_object(topology->hwloc, node);
	if (!object)
		return 0;
	if (object->subtype)
		snprintf(info->subtype, sizeof(info->subtype), "%s", object->subtype);
	info->kind = kind_of(info->subtype);
	info->bandwidth_mib_s = best_value(topology->hwloc, object, HWLOC_MEMATTR_ID_BANDWIDTH);
	info->latency_ns = best_value(topology->hwloc, object, HWLOC_MEMATTR_ID_LATENCY);
	return 0;
}

int hnuma_topology_described_pages(const struct hnuma_topology *topology, int node, unsigned index,
				   struct hnuma_hugepages *pages)
{
	hwloc_obj_t object = find_object(topology->hwloc, node);

	for (unsigned i = 0; object && i < object->attr->numanode.page_types_len; i++) {
		const struct hwloc_memory_page_type_s *type = &object->attr->numanode.page_types[i];

		/* The first are base pages; 64 KB are these on some machines, and huge on others. */
		if (i == 0 || type->size < 65536 || index-- > 0)
			continue;
		pages->page_size = type->size;
		pages->total = pages->free = type->count;
		return 0;
	}
	return hnuma_error_set(-ENODEV, "the description of the machine tells of no further size "
					"of huge page");
}

int hnuma_topology_home_of_cpu(const struct hnuma_topology *topology, int cpu, bool *is_allowed)
{
	if (is_allowed)
		*is_allowed = false;
	if (!topology || cpu < 0 || (unsigned)cpu >= topology->nr_cpus ||
	    topology->home_of_cpu[cpu] == HNUMA_NO_INDEX)
		return hnuma_error_set(-ENODEV, "CPU %d does not exist; CPU numbers end at %d", cpu,
				       (int)hnuma_topology_nr_cpus(topology) - 1);
	if (is_allowed)
		*is_allowed = hwloc_bitmap_isset(topology->allowed_cpus, (unsigned)cpu);
	return topology->nodes[topology->home_of_cpu[cpu]].number;
}

static int no_memory(void)
{
	return hnuma_error_set(-ENOMEM, "no memory to write the topology");
}

/* A second handle for the same machine, in which Misc objects may be put. */
static int copy_handle(hwloc_topology_t original, hwloc_topology_t *copy)
{
	char *xml;
	int length, failed;

	if (hwloc_topology_export_xmlbuffer(original, &xml, &length, 0))
		return hnuma_error_set(-EINVAL, "hwloc cannot write this topology as XML");
	if (hwloc_topology_init(copy)) {
		hwloc_free_xmlbuffer(original, xml);
		return no_memory();
	}
	failed = hwloc_topology_set_all_types_filter(*copy, HWLOC_TYPE_FILTER_KEEP_ALL) ||
		 hwloc_topology_set_flags(*copy, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED) ||
		 hwloc_topology_set_xmlbuffer(*copy, xml, length) || hwloc_topology_load(*copy);
	hwloc_free_xmlbuffer(original, xml);
	if (!failed)
		return 0;
	hwloc_topology_destroy(*copy);
	return hnuma_error_set(-EINVAL, "hwloc cannot read what it wrote of this topology");
}

/* hwloc leaves out of XML what is not ASCII, and warns. */
static int put_note(hwloc_topology_t hwloc, const struct hnuma_annotation *note)
{
	hwloc_obj_t object = find_object(hwloc, note->node);
	char text[256];

	snprintf(text, sizeof(text), "%s", note->text);
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || (unsigned char)*c > '~')
			*c = '?';
	if (!object || !hwloc_topology_insert_misc_object(hwloc, object, text))
		return no_memory();
	return 0;
}

int hnuma_topology_export(const struct hnuma_topology *topology, FILE *stream,
			  const struct hnuma_annotation *notes, unsigned nr_notes)
{
	hwloc_topology_t copy;
	char *xml;
	int error, length;

	if (!topology || !stream || (nr_notes && !notes))
		return hnuma_error_set(-EINVAL, "%s is NULL",
				       !topology ? "topology"
				       : !stream ? "stream"
						 : "notes");
	for (unsigned i = 0; i < nr_notes; i++) {
		if (!notes[i].text)
			return hnuma_error_set(-EINVAL, "the text of note %u is NULL", i);
		if (!hnuma_topology_has_node(topology, notes[i].node))
			return hnuma_error_set(-ENODEV, "node %d does not exist", notes[i].node);
	}
	error = copy_handle(topology->hwloc, &copy);
	if (error)
		return error;
	for (unsigned i = 0; i < nr_notes && !error; i++)
		error = put_note(copy, &notes[i]);
	if (error)
		goto destroy_copy;
	if (hwloc_topology_export_xmlbuffer(copy, &xml, &length, 0)) {
		error = no_memory();
		goto destroy_copy;
	}
	/* The length counts the NUL. */
	fwrite(xml, 1, (size_t)length - 1, stream);
	hwloc_free_xmlbuffer(copy, xml);
	if (ferror(stream))
		error = hnuma_error_set(-EIO, "the topology could not be written");
destroy_copy:
	hwloc_topology_destroy(copy);
	return error;
}
