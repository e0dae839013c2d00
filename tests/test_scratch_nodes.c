/* SPDX-License-Identifier: MIT */
/*
 * tests/test_scratch_nodes.c - dealing scratch spaces to several nodes, and borrowing between them.
 *
 * This machine may have one node only. So the service and the ground are made up here: three nodes
 * whose regions all come from this machine, and CPUs that are theirs as the test says.
 */
#include "config.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include <hugenuma.h>

#include "lib/scratch.h"
#include "lib/space.h"
#include "tests/check.h"

#define NR_NODES 3
#define NR_CPUS	 1024

static struct hnuma_topology *topology;

/* The served nodes are 0, 5 and 9; from each one the others in this order. */
static int nodes[NR_NODES] = {0, 5, 9};
static unsigned short nearest[NR_NODES * NR_NODES] = {0, 1, 2, 1, 2, 0, 2, 1, 0};
static unsigned short index_of_cpu[NR_CPUS];
static struct hnuma_region *regions[NR_NODES];

static struct hnuma_ground ground = {
	.service = {NR_NODES, nodes, NR_CPUS, index_of_cpu, nearest},
	.regions = regions,
};

static int nr_allowed(void)
{
	cpu_set_t allowed;

	return sched_getaffinity(0, sizeof(allowed), &allowed) ? 0 : CPU_COUNT(&allowed);
}

/* Room for a space on each CPU and some more. False when there is no memory. */
static bool make_regions(void)
{
	struct hnuma_region_attr attr = HNUMA_REGION_ATTR_INIT;

	ground.topology = topology;
	attr.size = ((size_t)nr_allowed() + 16) * 8192;
	attr.least_backing = HNUMA_BACKING_BASE;
	for (int i = 0; i < NR_NODES; i++) {
		if (hnuma_region_create(&regions[i], topology, &attr))
			return false;
	}
	return true;
}

static void give_all_cpus_to(unsigned index)
{
	for (int cpu = 0; cpu < NR_CPUS; cpu++)
		index_of_cpu[cpu] = (unsigned short)index;
}

static struct hnuma_scratch *build(unsigned max_spaces, enum hnuma_policy policy,
				   const size_t *offsets)
{
	static const size_t at_their_starts[NR_NODES];
	struct hnuma_scratch_attr attr = HNUMA_SCRATCH_ATTR_INIT;
	struct hnuma_scratch *scratch;

	attr.space_size = 6000;
	attr.max_spaces = max_spaces;
	attr.policy = policy;
	CU_ASSERT_EQUAL_FATAL(
		hnuma_scratch_build(&scratch, &ground, &attr, offsets ? offsets : at_their_starts),
		0);
	return scratch;
}

/* How many spaces each node was dealt, after checking what must always be. */
static void deal(unsigned max_spaces, unsigned *shares, int *nr_without_cpu)
{
	unsigned *indices;
	int *cpus;
	int nr = hnuma_scratch_deal(topology, &ground.service, max_spaces, &cpus, &indices);

	CU_ASSERT_EQUAL_FATAL(nr, max_spaces ? (int)max_spaces : nr_allowed());
	memset(shares, 0, NR_NODES * sizeof(*shares));
	*nr_without_cpu = 0;
	for (int i = 0; i < nr; i++) {
		CU_ASSERT_FATAL(indices[i] < NR_NODES);
		CU_ASSERT(i == 0 || indices[i] >= indices[i - 1]);
		shares[indices[i]]++;
		*nr_without_cpu += cpus[i] < 0;
		if (cpus[i] < 0)
			continue;
		CU_ASSERT_EQUAL(index_of_cpu[cpus[i]], indices[i]);
		for (int j = 0; j < i; j++)
			CU_ASSERT_NOT_EQUAL(cpus[i], cpus[j]);
	}
	free(cpus);
	free(indices);
}

static void test_deal(void)
{
	unsigned shares[NR_NODES], nr = (unsigned)nr_allowed();
	int nr_without_cpu;

	/* One for each CPU, all on their node. */
	give_all_cpus_to(1);
	deal(0, shares, &nr_without_cpu);
	CU_ASSERT_EQUAL(shares[0], 0);
	CU_ASSERT_EQUAL(shares[1], nr);
	CU_ASSERT_EQUAL(shares[2], 0);
	CU_ASSERT_EQUAL(nr_without_cpu, 0);
	/* Further ones by turns. */
	deal(nr + 7, shares, &nr_without_cpu);
	CU_ASSERT_EQUAL(shares[0], 3);
	CU_ASSERT_EQUAL(shares[1], nr + 2);
	CU_ASSERT_EQUAL(shares[2], 2);
	CU_ASSERT_EQUAL(nr_without_cpu, 7);
	/* Too few: every node with CPUs has its turn. */
	for (int cpu = 0; cpu < NR_CPUS; cpu++)
		index_of_cpu[cpu] = (unsigned short)(cpu % 2 ? 2 : 0);
	if (nr >= 2) {
		deal(2, shares, &nr_without_cpu);
		CU_ASSERT_EQUAL(shares[0] + shares[2], 2);
		CU_ASSERT_EQUAL(shares[1], 0);
		CU_ASSERT_EQUAL(nr_without_cpu, 0);
	}
	deal(1, shares, &nr_without_cpu);
	CU_ASSERT_EQUAL(nr_without_cpu, 0);
	give_all_cpus_to(0);
}

static void test_need(void)
{
	size_t bytes;

	CU_ASSERT_EQUAL(hnuma_scratch_need(4096, 3, &bytes), 0);
	CU_ASSERT_EQUAL(bytes, 3 * 4096);
	CU_ASSERT_EQUAL(hnuma_scratch_need(4097, 3, &bytes), 0);
	CU_ASSERT_EQUAL(bytes, 3 * 8192);
	CU_ASSERT_EQUAL(hnuma_scratch_need(1, 0, &bytes), 0);
	CU_ASSERT_EQUAL(bytes, 0);
	CU_ASSERT_EQUAL(hnuma_scratch_need(0, 1, &bytes), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_scratch_need(SIZE_MAX, 1, &bytes), -EOVERFLOW);
	CU_ASSERT_EQUAL(hnuma_scratch_need(SIZE_MAX / 2, 4, &bytes), -EOVERFLOW);
}

/* Where the spaces lie: at the offsets named, each on a 4 KB boundary of its node's region. */
static void test_places(void)
{
	const size_t offsets[NR_NODES] = {4096, 0, 12288};
	unsigned nr = (unsigned)nr_allowed();
	struct hnuma_placement placement;
	struct hnuma_scratch *scratch;
	unsigned char *base;

	give_all_cpus_to(1);
	scratch = build(nr + 3, HNUMA_POLICY_BIND, offsets);
	for (unsigned i = 0; i < nr + 3; i++) {
		unsigned index = i < 1 ? 0 : i < nr + 2 ? 1 : 2;

		base = hnuma_region_base(regions[index]);
		CU_ASSERT_EQUAL(scratch->spaces[i].base,
				base + offsets[index] + (index == 1 ? (i - 1) * 8192 : 0));
		CU_ASSERT_EQUAL(hnuma_space_node(&scratch->spaces[i]), nodes[index]);
	}
	for (int i = 0; i < NR_NODES; i++) {
		CU_ASSERT_EQUAL(hnuma_scratch_region(scratch, nodes[i]), regions[i]);
		CU_ASSERT_EQUAL(hnuma_scratch_verify(scratch, nodes[i], &placement), 0);
		CU_ASSERT(placement.pages_total > 0);
	}
	CU_ASSERT_EQUAL(hnuma_scratch_region(scratch, HNUMA_NODE_LOCAL), regions[1]);
	CU_ASSERT_EQUAL(hnuma_scratch_destroy(scratch), -EINVAL);
	check_message("manager");
	hnuma_scratch_free(scratch);

	/* A node that was dealt none has none. */
	scratch = build(0, HNUMA_POLICY_BIND, NULL);
	errno = 0;
	CU_ASSERT_PTR_NULL(hnuma_scratch_region(scratch, nodes[0]));
	CU_ASSERT_EQUAL(errno, ENODEV);
	CU_ASSERT_EQUAL(hnuma_scratch_verify(scratch, nodes[0], &placement), -ENODEV);
	CU_ASSERT_EQUAL(hnuma_scratch_region(scratch, HNUMA_NODE_NONE), NULL);
	/* Its CPUs use the spaces of another. */
	give_all_cpus_to(0);
	CU_ASSERT_EQUAL(hnuma_scratch_region(scratch, HNUMA_NODE_LOCAL), regions[1]);
	give_all_cpus_to(2);
	CU_ASSERT_EQUAL(hnuma_scratch_region(scratch, HNUMA_NODE_LOCAL), regions[1]);
	CU_ASSERT_EQUAL(hnuma_scratch_verify(scratch, HNUMA_NODE_LOCAL, &placement), 0);
	CU_ASSERT(placement.pages_total > 0);
	hnuma_scratch_free(scratch);
	hnuma_scratch_free(NULL);
}

struct claims {
	struct hnuma_scratch *scratch;
	pthread_barrier_t *barrier;
	struct hnuma_space *space;
	int error;
};

static void *acquire_and_wait(void *arg)
{
	struct claims *claims = arg;

	errno = 0;
	claims->space = hnuma_scratch_acquire(claims->scratch);
	claims->error = errno;
	pthread_barrier_wait(claims->barrier);
	pthread_barrier_wait(claims->barrier);
	hnuma_scratch_release(claims->space);
	return NULL;
}

/* Let nr threads acquire one after the other: on which nodes do they come to lie? -1: refused. */
static void acquire_in_turn(struct hnuma_scratch *scratch, int nr, int *where)
{
	struct claims claims[16];
	pthread_barrier_t barriers[16];
	pthread_t threads[16];

	for (int i = 0; i < nr; i++) {
		pthread_barrier_init(&barriers[i], NULL, 2);
		claims[i] = (struct claims){scratch, &barriers[i], NULL, 0};
		CU_ASSERT_EQUAL_FATAL(
			pthread_create(&threads[i], NULL, acquire_and_wait, &claims[i]), 0);
		pthread_barrier_wait(&barriers[i]);
		where[i] = claims[i].space ? hnuma_space_node(claims[i].space) : -1;
		CU_ASSERT(claims[i].space || claims[i].error == ENOMEM);
	}
	for (int i = 0; i < nr; i++) {
		pthread_barrier_wait(&barriers[i]);
		pthread_join(threads[i], NULL);
		pthread_barrier_destroy(&barriers[i]);
	}
}

/* Bound: the own node's spaces, then none. */
static void test_bound(void)
{
	const unsigned nr = 5;
	unsigned shares[NR_NODES];
	struct hnuma_scratch *scratch;
	int where[16], nr_without_cpu;

	for (unsigned here = 0; here < NR_NODES; here++) {
		give_all_cpus_to(here);
		deal(nr, shares, &nr_without_cpu);
		scratch = build(nr, HNUMA_POLICY_BIND, NULL);
		acquire_in_turn(scratch, (int)nr + 1, where);
		for (unsigned i = 0; i <= nr; i++)
			CU_ASSERT_EQUAL(where[i], i < shares[here] ? nodes[here] : -1);
		CU_ASSERT_EQUAL(hnuma_scratch_active(scratch), 0);
		hnuma_scratch_free(scratch);
	}
}

/* Preferred: the own node's, then the others' from near to far. */
static void test_preferred(void)
{
	const unsigned nr = 5;
	struct hnuma_scratch *scratch;
	int where[16], nr_without_cpu;
	unsigned shares[NR_NODES];

	for (unsigned here = 0; here < NR_NODES; here++) {
		unsigned next = 0;

		give_all_cpus_to(here);
		deal(nr, shares, &nr_without_cpu);
		scratch = build(nr, HNUMA_POLICY_PREFERRED, NULL);
		acquire_in_turn(scratch, (int)nr + 1, where);
		for (unsigned i = 0; i < NR_NODES; i++) {
			unsigned index = nearest[here * NR_NODES + i];

			for (unsigned j = 0; j < shares[index]; j++)
				CU_ASSERT_EQUAL(where[next++], nodes[index]);
		}
		CU_ASSERT_EQUAL(where[nr], -1);
		hnuma_scratch_free(scratch);
	}
}

/* A node without a space uses those of the nearest node that has some, and pins there too. */
static void test_node_without_spaces(void)
{
	struct hnuma_scratch *scratch;
	int where[16];

	give_all_cpus_to(2);
	scratch = build(0, HNUMA_POLICY_BIND, NULL);
	give_all_cpus_to(0);
	acquire_in_turn(scratch, 1, where);
	CU_ASSERT_EQUAL(where[0], nodes[2]);
	hnuma_scratch_free(scratch);

	give_all_cpus_to(2);
	scratch = build(1, HNUMA_POLICY_BIND, NULL);
	/* As if the CPUs' numbers were above all that were counted (row 27). */
	scratch->nr_cpus = 0;
	ground.service.nr_cpus = 0;
	acquire_in_turn(scratch, 2, where);
	CU_ASSERT_EQUAL(where[0], nodes[2]);
	CU_ASSERT_EQUAL(where[1], -1);
	CU_ASSERT_EQUAL(hnuma_scratch_pin(scratch, check_allowed_cpu()), 0);
	CU_ASSERT_EQUAL(hnuma_scratch_unpin(scratch), 0);
	ground.service.nr_cpus = NR_CPUS;
	hnuma_scratch_free(scratch);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"dealing", test_deal},
		{"need", test_need},
		{"places", test_places},
		{"bound", test_bound},
		{"preferred", test_preferred},
		{"a node without spaces", test_node_without_spaces},
		CU_TEST_INFO_NULL,
	};
	int code;

	if (hnuma_topology_create(&topology))
		return 1;
	check_lock();
	if (!make_regions())
		return 1;
	code = check_main("scratch_nodes", tests);
	for (int i = 0; i < NR_NODES; i++)
		hnuma_region_destroy(regions[i]);
	hnuma_topology_destroy(topology);
	return code;
}
