/* SPDX-License-Identifier: MIT */
/*
 * lib/scratch.c - memory for one call: making, dealing out and counting the spaces of a scratch.
 *
 * Calls numa/ (service, ground, forks, messages) and the C library. The layout is drawn in space.h;
 * who has which space is in claim.c.
 */
#include "config.h"

#include <stdlib.h>

#include <hugenuma.h>

#include "lib/listing.h"
#include "lib/scratch.h"
#include "lib/space.h"
#include "numa/error.h"

/* Far more than any machine has CPUs, and few enough that their books are no burden. */
#define SPACES_MAX (1u << 20)

static int refuse_memory(void)
{
	return hnuma_error_set(-ENOMEM, "no memory for a scratch's books");
}

int hnuma_scratch_size_for_model(size_t hidden_dim, size_t *size)
{
	size_t bytes;

	if (!size)
		return hnuma_error_set(-EINVAL, "hnuma_scratch_size_for_model: size is NULL");
	if (hidden_dim == 0)
		return hnuma_error_set(-EINVAL, "a model with hidden_dim 0 was given");
	if (__builtin_mul_overflow(hidden_dim, 4 * sizeof(float), &bytes))
		return hnuma_error_set(-EOVERFLOW,
				       "a model with hidden_dim %zu needs more bytes than can be "
				       "counted",
				       hidden_dim);
	*size = bytes;
	return 0;
}

/*
 * How many of `total` spaces each node gets: first one for each CPU, by turns over the nodes so that
 * each has some where there are too few; then, where there are too many, further ones by turns.
 */
static void share_out(unsigned *shares, const unsigned *nr_cpus, unsigned nr_nodes, unsigned total)
{
	bool is_more = true;

	while (total > 0) {
		unsigned dealt = 0;

		for (unsigned i = 0; i < nr_nodes && total > 0; i++) {
			if (is_more && shares[i] >= nr_cpus[i])
				continue;
			shares[i]++;
			dealt++;
			total--;
		}
		/* Every CPU has one: from here on the nodes take turns whatever they have. */
		if (dealt == 0)
			is_more = false;
	}
}

/* For each space its CPU and node: in each node its CPUs in order, then those without a CPU. */
static void assign(const struct hnuma_service *service, const int *allowed, int nr_allowed,
		   const unsigned *shares, int *cpus, unsigned *indices)
{
	unsigned next = 0;

	for (unsigned i = 0; i < service->nr_nodes; i++) {
		unsigned end = next + shares[i];

		for (int j = 0; j < nr_allowed && next < end; j++) {
			if (hnuma_service_index_of_cpu(service, allowed[j]) != i)
				continue;
			cpus[next] = allowed[j];
			indices[next++] = i;
		}
		for (; next < end; next++) {
			cpus[next] = -1;
			indices[next] = i;
		}
	}
}

int hnuma_scratch_deal(const struct hnuma_topology *topology, const struct hnuma_service *service,
		       unsigned max_spaces, int **cpus, unsigned **indices)
{
	unsigned *nr_cpus = NULL, *shares = NULL;
	int *allowed = NULL;
	int nr_allowed, nr;

	*cpus = NULL;
	*indices = NULL;
	if (max_spaces > SPACES_MAX)
		return hnuma_error_set(-EOVERFLOW,
				       "%u scratch spaces were asked for; the most that there can "
				       "be is %u",
				       max_spaces, SPACES_MAX);
	nr_allowed = hnuma_topology_allowed_cpus(topology, &allowed);
	if (nr_allowed < 0)
		return nr_allowed;
	nr = max_spaces ? (int)max_spaces : nr_allowed;
	*cpus = malloc((size_t)nr * sizeof(**cpus));
	*indices = malloc((size_t)nr * sizeof(**indices));
	nr_cpus = calloc(service->nr_nodes, sizeof(*nr_cpus));
	shares = calloc(service->nr_nodes, sizeof(*shares));
	if (!*cpus || !*indices || !nr_cpus || !shares) {
		free(*cpus);
		free(*indices);
		*cpus = NULL;
		*indices = NULL;
		nr = refuse_memory();
		goto out;
	}
	for (int i = 0; i < nr_allowed; i++)
		nr_cpus[hnuma_service_index_of_cpu(service, allowed[i])]++;
	share_out(shares, nr_cpus, service->nr_nodes, (unsigned)nr);
	assign(service, allowed, nr_allowed, shares, *cpus, *indices);

out:
	free(shares);
	free(nr_cpus);
	free(allowed);
	return nr;
}

/* Bytes from one space to the next. 0, -EINVAL, -EOVERFLOW. */
static int stride_of(size_t space_size, size_t *stride)
{
	if (space_size == 0)
		return hnuma_error_set(-EINVAL, "scratch spaces of 0 bytes were asked for; ask for "
						"at least 1");
	if (__builtin_add_overflow(space_size, HNUMA_SPACE_ALIGNMENT - 1, stride))
		return hnuma_error_set(-EOVERFLOW,
				       "scratch spaces of %zu bytes were asked for, which is more "
				       "than can be rounded up",
				       space_size);
	*stride &= ~(HNUMA_SPACE_ALIGNMENT - 1);
	return 0;
}

int hnuma_scratch_need(size_t space_size, unsigned nr_spaces, size_t *bytes)
{
	size_t stride = 0;
	int error = stride_of(space_size, &stride);

	if (error)
		return error;
	if (__builtin_mul_overflow(stride, nr_spaces, bytes))
		return hnuma_error_set(-EOVERFLOW,
				       "%u scratch spaces of %zu bytes were asked for, which is "
				       "more than can be counted",
				       nr_spaces, space_size);
	return 0;
}

/* Prepare the headers, node by node, and the tables that lead to them. */
static void fill(struct hnuma_scratch *scratch, const struct hnuma_ground *ground, const int *cpus,
		 const unsigned *indices)
{
	const bool is_poisoning = hnuma_poison_is_on();
	size_t stride = 0;

	stride_of(scratch->space_size, &stride);
	/* The shares first, then where each ends: node_first[i + 1]. */
	for (unsigned i = 0; i < scratch->nr_spaces; i++)
		scratch->node_first[indices[i] + 1]++;
	for (unsigned i = 0; i < ground->service.nr_nodes; i++)
		scratch->node_first[i + 1] += scratch->node_first[i];
	for (unsigned i = 0; i < scratch->nr_spaces; i++) {
		struct hnuma_space *space = &scratch->spaces[i];
		unsigned char *region = hnuma_region_base(ground->regions[indices[i]]);

		space->base = region + scratch->offsets[indices[i]] +
			      (i - scratch->node_first[indices[i]]) * stride;
		space->capacity = hnuma_line_round(scratch->space_size);
		space->scratch = scratch;
		space->process_epoch = scratch->process_epoch;
		space->is_poisoning = is_poisoning;
		space->cpu = cpus[i];
		space->index = indices[i];
		if (cpus[i] >= 0)
			scratch->space_of_cpu[cpus[i]] = space;
		if (is_poisoning)
			hnuma_poison(space->base, stride);
	}
}

static void free_books(struct hnuma_scratch *scratch)
{
	free(scratch->spaces);
	free(scratch->space_of_cpu);
	free(scratch->node_first);
	free(scratch->offsets);
	free(scratch);
}

/* A scratch with room for so many spaces and CPUs, all zero, or NULL. */
static struct hnuma_scratch *allocate_books(unsigned nr_spaces, unsigned nr_cpus, unsigned nr_nodes)
{
	struct hnuma_scratch *scratch = aligned_alloc(HNUMA_CACHE_LINE, sizeof(*scratch));

	if (!scratch)
		return NULL;
	memset(scratch, 0, sizeof(*scratch));
	scratch->nr_spaces = nr_spaces;
	scratch->nr_cpus = nr_cpus;
	scratch->spaces = aligned_alloc(HNUMA_CACHE_LINE, nr_spaces * sizeof(*scratch->spaces));
	scratch->space_of_cpu = calloc(nr_cpus, sizeof(*scratch->space_of_cpu));
	scratch->node_first = calloc(nr_nodes + 1, sizeof(*scratch->node_first));
	scratch->offsets = calloc(nr_nodes, sizeof(*scratch->offsets));
	if (!scratch->spaces || !scratch->space_of_cpu || !scratch->node_first ||
	    !scratch->offsets) {
		free_books(scratch);
		return NULL;
	}
	/* Touched here, so that no acquire has to fault them in. */
	memset(scratch->spaces, 0, nr_spaces * sizeof(*scratch->spaces));
	return scratch;
}

int hnuma_scratch_build(struct hnuma_scratch **out, const struct hnuma_ground *ground,
			const struct hnuma_scratch_attr *attr, const size_t *offsets)
{
	struct hnuma_scratch *scratch;
	unsigned *indices, nr_cpus;
	int *cpus, nr, error;

	*out = NULL;
	nr = hnuma_scratch_deal(ground->topology, &ground->service, attr->max_spaces, &cpus,
				&indices);
	if (nr < 0)
		return nr;
	nr_cpus = ground->service.nr_cpus;
	for (int i = 0; i < nr; i++)
		nr_cpus = cpus[i] >= (int)nr_cpus ? (unsigned)cpus[i] + 1 : nr_cpus;
	scratch = allocate_books((unsigned)nr, nr_cpus, ground->service.nr_nodes);
	if (!scratch) {
		error = refuse_memory();
		goto out_deal;
	}
	scratch->process_epoch = hnuma_process_epoch;
	scratch->policy = attr->policy;
	scratch->ground = ground;
	scratch->space_size = attr->space_size;
	memcpy(scratch->offsets, offsets, ground->service.nr_nodes * sizeof(*offsets));
	fill(scratch, ground, cpus, indices);
	error = hnuma_claim_enlist(scratch);
	if (error) {
		hnuma_scratch_free(scratch);
		goto out_deal;
	}
	*out = scratch;

out_deal:
	free(cpus);
	free(indices);
	return error;
}

static void unpoison_all(const struct hnuma_scratch *scratch)
{
	size_t stride;

	if (stride_of(scratch->space_size, &stride))
		return;
	for (unsigned i = 0; i < scratch->nr_spaces; i++) {
		if (scratch->spaces[i].is_poisoning)
			hnuma_unpoison_defined(scratch->spaces[i].base, stride);
	}
}

void hnuma_scratch_free(struct hnuma_scratch *scratch)
{
	if (!scratch)
		return;
	hnuma_directory_remove(scratch->listing);
	hnuma_claim_delist(scratch);
	/* What is given back already, or was never in this process, may be somebody else's now. */
	if (!scratch->is_closed && !hnuma_process_is_child_of(scratch->process_epoch))
		unpoison_all(scratch);
	free_books(scratch);
}

static int check_attr(const struct hnuma_scratch_attr *attr)
{
	size_t stride;
	int error = hnuma_attr_check("struct hnuma_scratch_attr", attr->struct_size, sizeof(*attr),
				     attr->least_backing, attr->policy, attr->flags,
				     HNUMA_OBJECT_FLAGS);

	if (error)
		return error;
	if (attr->policy == HNUMA_POLICY_INTERLEAVE)
		return hnuma_error_set(
			-EINVAL, "HNUMA_POLICY_INTERLEAVE was asked for a scratch, whose spaces "
				 "each lie on one node: use BIND or PREFERRED");
	return stride_of(attr->space_size, &stride);
}

/* Bytes that each served node's spaces take: 0 where it has none. The caller frees the array. */
static int add_up(const struct hnuma_topology *topology, const struct hnuma_service *service,
		  const struct hnuma_scratch_attr *attr, size_t **sizes)
{
	unsigned *indices, *shares;
	int *cpus;
	int nr = hnuma_scratch_deal(topology, service, attr->max_spaces, &cpus, &indices);
	int error = 0;

	if (nr < 0)
		return nr;
	*sizes = calloc(service->nr_nodes, sizeof(**sizes));
	shares = calloc(service->nr_nodes, sizeof(*shares));
	if (!*sizes || !shares)
		error = refuse_memory();
	for (int i = 0; i < nr && !error; i++)
		shares[indices[i]]++;
	for (unsigned i = 0; i < service->nr_nodes && !error; i++)
		error = hnuma_scratch_need(attr->space_size, shares[i], &(*sizes)[i]);
	if (error)
		free(*sizes);
	free(shares);
	free(cpus);
	free(indices);
	return error;
}

/*
 * The nodes to serve and the bytes on each, without the nodes that get no space (fewer spaces than
 * nodes, or a node without CPUs): no memory is taken there, and their CPUs use the nearest other.
 * Dealing again is right: who got a space among more nodes gets one among fewer.
 */
static int choose_nodes(struct hnuma_service *service, const struct hnuma_topology *topology,
			const struct hnuma_scratch_attr *attr, size_t **sizes)
{
	struct hnuma_nodeset nodes = {{0}};
	unsigned nr_nodes;
	int error = hnuma_service_init(service, topology, &attr->nodes);

	if (error)
		return error;
	error = add_up(topology, service, attr, sizes);
	if (error)
		goto undo_service;
	nr_nodes = 0;
	for (unsigned i = 0; i < service->nr_nodes; i++) {
		if ((*sizes)[i] == 0)
			continue;
		hnuma_nodeset_add(&nodes, service->nodes[i]);
		nr_nodes++;
	}
	if (nr_nodes == service->nr_nodes)
		return 0;
	free(*sizes);
	hnuma_service_free(service);
	error = hnuma_service_init(service, topology, &nodes);
	if (error)
		return error;
	error = add_up(topology, service, attr, sizes);
	if (error)
		goto undo_service;
	return 0;

undo_service:
	hnuma_service_free(service);
	return error;
}

static int build_on_own_ground(struct hnuma_scratch **out, struct hnuma_ground *ground,
			       const struct hnuma_scratch_attr *attr)
{
	size_t *offsets = calloc(ground->service.nr_nodes, sizeof(*offsets));
	int error;

	if (!offsets)
		return refuse_memory();
	error = hnuma_scratch_build(out, ground, attr, offsets);
	free(offsets);
	if (error)
		return error;
	(*out)->own_ground = *ground;
	(*out)->ground = &(*out)->own_ground;
	(*out)->owns_ground = true;
	return 0;
}

int hnuma_scratch_create(struct hnuma_scratch **out, const struct hnuma_topology *topology,
			 const struct hnuma_scratch_attr *attr)
{
	struct hnuma_ground_request request = {.name = "scratch"};
	struct hnuma_service service;
	struct hnuma_ground ground;
	size_t *sizes;
	int error;

	if (!out)
		return hnuma_error_set(-EINVAL, "hnuma_scratch_create: out is NULL");
	*out = NULL;
	if (!topology || !attr)
		return hnuma_error_set(-EINVAL, "hnuma_scratch_create: %s is NULL",
				       topology ? "attr" : "topology");
	error = check_attr(attr);
	if (error)
		return error;
	error = choose_nodes(&service, topology, attr, &sizes);
	if (error)
		return error;
	request.sizes = sizes;
	request.least_backing = attr->least_backing;
	request.policy = attr->policy;
	request.flags = attr->flags;
	request.hooks = attr->hooks;
	error = hnuma_ground_create(&ground, topology, &service, &request);
	if (error)
		goto out_service;
	error = build_on_own_ground(out, &ground, attr);
	if (error)
		hnuma_ground_destroy(&ground);
	else
		hnuma_listing_add_scratch(*out, 0);

out_service:
	free(sizes);
	hnuma_service_free(&service);
	return error;
}

int hnuma_scratch_destroy(struct hnuma_scratch *scratch)
{
	unsigned nr_taken;
	int error;

	if (!scratch)
		return 0;
	if (hnuma_process_is_child_of(scratch->process_epoch))
		return hnuma_process_refuse("scratch");
	if (!scratch->owns_ground)
		return hnuma_error_set(-EINVAL, "the scratch belongs to a manager: destroy that");
	if (!scratch->is_closed) {
		nr_taken = hnuma_claim_close(scratch);
		if (nr_taken)
			return hnuma_error_set(-EBUSY,
					       "the scratch cannot be destroyed: %u of its spaces "
					       "are held or pinned; release and unpin them first",
					       nr_taken);
		/* Before the range can become somebody else's mapping. */
		unpoison_all(scratch);
		scratch->is_closed = true;
		hnuma_directory_remove(scratch->listing);
	}
	/* On failure some regions may be gone: nothing is left but to destroy it again. */
	error = hnuma_ground_destroy(&scratch->own_ground);
	if (error)
		return hnuma_error_prefix(error, "scratch: ");
	hnuma_scratch_free(scratch);
	return 0;
}

void hnuma_scratch_reset_all(struct hnuma_scratch *scratch)
{
	if (hnuma_process_is_child_of(scratch->process_epoch))
		return;
	/* Relaxed: it only says which spaces count as empty, of which nobody uses the memory. */
	atomic_fetch_add_explicit(&scratch->epoch, 1, memory_order_relaxed);
}

unsigned hnuma_scratch_active(const struct hnuma_scratch *scratch)
{
	return hnuma_claim_nr_taken(scratch);
}

int hnuma_scratch_stats(const struct hnuma_scratch *scratch, struct hnuma_scratch_stats *stats)
{
	uint64_t epoch;

	if (!scratch || !stats)
		return hnuma_error_set(-EINVAL, "hnuma_scratch_stats: %s is NULL",
				       scratch ? "stats" : "scratch");
	if (hnuma_process_is_child_of(scratch->process_epoch))
		return hnuma_process_refuse("scratch");
	memset(stats, 0, sizeof(*stats));
	stats->space_size = hnuma_line_round(scratch->space_size);
	stats->active_spaces = hnuma_claim_nr_taken(scratch);
	stats->max_spaces = scratch->nr_spaces;
	stats->total_allocated = stats->max_spaces * stats->space_size;
	epoch = atomic_load_explicit(&scratch->epoch, memory_order_relaxed);
	for (unsigned i = 0; i < scratch->nr_spaces; i++) {
		const struct hnuma_space *space = &scratch->spaces[i];
		size_t used = atomic_load_explicit(&space->used, memory_order_relaxed);

		hnuma_space_count(
			stats, epoch, atomic_load_explicit(&space->epoch, memory_order_relaxed),
			atomic_load_explicit(&space->is_held, memory_order_relaxed), used);
	}
	return 0;
}

static bool has_spaces(const struct hnuma_scratch *scratch, int index)
{
	return scratch->node_first[index] < scratch->node_first[index + 1];
}

/* The index of a node that has spaces, or -ENODEV. A CPU whose node has none uses the nearest that has. */
static int index_with_spaces(const struct hnuma_scratch *scratch, int node)
{
	const struct hnuma_service *service = &scratch->ground->service;
	int index = hnuma_service_index(service, node);

	if (node == HNUMA_NODE_LOCAL) {
		const unsigned short *row = service->nearest + (size_t)index * service->nr_nodes;

		while (!has_spaces(scratch, index))
			index = *row++;
	}
	return index >= 0 && has_spaces(scratch, index) ? index : -ENODEV;
}

int hnuma_scratch_piece(const struct hnuma_scratch *scratch, size_t piece_bytes, size_t index,
			struct hnuma_piece *piece)
{
	int error = hnuma_hooks_check_piece(scratch, piece_bytes, piece);

	if (error)
		return error;
	if (hnuma_process_is_child_of(scratch->process_epoch))
		return hnuma_process_refuse("scratch");
	if (scratch->is_closed)
		return hnuma_error_set(-EINVAL, "the scratch is being destroyed: destroy it again");
	return hnuma_ground_piece(scratch->ground, piece_bytes, index, piece);
}

const struct hnuma_region *hnuma_scratch_region(const struct hnuma_scratch *scratch, int node)
{
	int index = index_with_spaces(scratch, node);

	if (index < 0) {
		errno = ENODEV;
		return NULL;
	}
	return scratch->ground->regions[index];
}

int hnuma_scratch_verify(const struct hnuma_scratch *scratch, int node,
			 struct hnuma_placement *placement)
{
	size_t bytes;
	int index, error;

	if (!scratch || !placement)
		return hnuma_error_set(-EINVAL, "hnuma_scratch_verify: %s is NULL",
				       scratch ? "placement" : "scratch");
	if (hnuma_process_is_child_of(scratch->process_epoch))
		return hnuma_process_refuse("scratch");
	index = index_with_spaces(scratch, node);
	if (index < 0)
		return hnuma_error_set(-ENODEV, "node %d has no space of this scratch", node);
	error = hnuma_scratch_need(scratch->space_size,
				   scratch->node_first[index + 1] - scratch->node_first[index],
				   &bytes);
	if (error)
		return error;
	return hnuma_region_verify_range(scratch->ground->regions[index], scratch->offsets[index],
					 bytes, placement);
}
