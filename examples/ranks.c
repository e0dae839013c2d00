/* SPDX-License-Identifier: MIT */
/*
 * ranks.c - one of several processes that a launcher starts on a machine: takes memory on the nodes
 * of its own CPUs, and its share of their huge pages, whoever comes first.
 *
 *	ranks [SECONDS [PAGES]]           keeps it so long (1); all ranks may have so many of each
 *	                                  node (all that are set aside)
 *	mpirun -n 4 --map-by numa --bind-to numa ./ranks
 *	srun --ntasks-per-node 4 --cpu-bind ldoms ./ranks
 *
 * How many ranks there are on this machine is what the launcher puts into the environment; which
 * CPUs are ours, what it has bound us to. That ranks are dealt evenly to nodes is taken for granted:
 * those who talk to each other anyway (MPI_Comm_split_type()) had better count.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <hugenuma.h>

struct rank {
	struct hnuma_topology *topology;
	unsigned rank, nr_ranks;    /* of this machine */
	unsigned nr_mine, nr_nodes; /* nodes of ours, and nodes that serve at all */
	unsigned sharers;	    /* ranks on each node of ours */
	uint64_t most;		    /* 2 MB pages of a node for all its ranks */
	uint64_t share;		    /* of these, ours, on each node of ours */
	struct hnuma_nodeset nodes;
};

/* What Open MPI, Slurm and MPICH tell. Without a launcher we are alone. */
static unsigned from_environment(const char *const *names, unsigned otherwise)
{
	for (; *names; names++)
		if (getenv(*names))
			return (unsigned)strtoul(getenv(*names), NULL, 10);
	return otherwise;
}

static void find_place(struct rank *rank)
{
	static const char *const ranks[] = {"OMPI_COMM_WORLD_LOCAL_RANK", "SLURM_LOCALID",
					    "MPI_LOCALRANKID", NULL};
	static const char *const sizes[] = {"OMPI_COMM_WORLD_LOCAL_SIZE", "SLURM_NTASKS_PER_NODE",
					    "MPI_LOCALNRANKS", NULL};

	rank->rank = from_environment(ranks, 0);
	rank->nr_ranks = from_environment(sizes, 1);
	if (rank->nr_ranks <= rank->rank)
		rank->nr_ranks = rank->rank + 1;
}

/* Launchers bind CPUs and leave memory alone: the nodes follow from the CPUs. */
static void find_nodes(struct rank *rank)
{
	struct hnuma_node_info info;
	cpu_set_t cpus;

	/* A machine with more CPUs than a cpu_set_t holds wants CPU_ALLOC(3). */
	if (sched_getaffinity(0, sizeof(cpus), &cpus)) {
		perror("sched_getaffinity");
		return;
	}
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &cpus))
			hnuma_nodeset_add(&rank->nodes,
					  hnuma_topology_node_of_cpu(rank->topology, cpu));
	for (unsigned i = 0; hnuma_topology_node_info(rank->topology, i, &info) == 0; i++) {
		rank->nr_mine += hnuma_nodeset_has(&rank->nodes, info.node);
		rank->nr_nodes += info.is_allowed && info.nr_cpus && info.memory_bytes;
	}
	/* Where CPUs are nearest to memory that has none of its own, or nothing is told of it. */
	if (rank->nr_nodes < rank->nr_mine)
		rank->nr_nodes = rank->nr_mine;
}

/*
 * Of all that an administrator set aside, not of what is free at this moment: ranks start at the
 * same time. A control group's limit is one for all of its ranks, and for their nodes together.
 */
static void find_share(struct rank *rank)
{
	struct hnuma_limit_info limit;
	struct hnuma_node_info info;

	rank->sharers = (rank->nr_ranks * rank->nr_mine + rank->nr_nodes - 1) / rank->nr_nodes;
	rank->share = rank->most / rank->sharers;
	for (unsigned i = 0; hnuma_topology_node_info(rank->topology, i, &info) == 0; i++)
		if (hnuma_nodeset_has(&rank->nodes, info.node) &&
		    info.hugepages_total / rank->sharers < rank->share)
			rank->share = info.hugepages_total / rank->sharers;
	for (int which = HNUMA_LIMIT_CGROUP; which <= HNUMA_LIMIT_CGROUP_MEMORY; which++) {
		uint64_t allowed;

		if (hnuma_topology_limit(rank->topology, which, &limit) || !limit.is_limited)
			continue;
		allowed = limit.limit_bytes / HNUMA_HUGEPAGE / rank->nr_ranks / rank->nr_mine;
		/* This one has to hold all else that the ranks use, too. */
		if (which == HNUMA_LIMIT_CGROUP_MEMORY)
			allowed -= allowed / 8;
		if (allowed < rank->share)
			rank->share = allowed;
	}
}

/* Make the pool as large as the share allows. Returns 0, or -1: not even a small one fits. */
static int fill_share(const struct rank *rank, struct hnuma_config *config)
{
	uint64_t pool = rank->share, needed = 0;

	while (pool > 0) {
		struct hnuma_plan_node node;
		struct hnuma_plan *plan;

		config->pool_bytes_per_node = pool * HNUMA_HUGEPAGE;
		if (hnuma_plan_create(&plan, rank->topology, config))
			return -1;
		needed = 0;
		for (unsigned i = 0; hnuma_plan_node(plan, i, &node) == 0; i++)
			needed = node.pages_needed > needed ? node.pages_needed : needed;
		hnuma_plan_destroy(plan);
		if (needed <= rank->share)
			return 0;
		pool = needed - rank->share < pool ? pool - (needed - rank->share) : 0;
	}
	fprintf(stderr, "rank %u: %llu pages are too few for arena, scratch and a pool\n",
		rank->rank, (unsigned long long)rank->share);
	return -1;
}

static void say_nodes(const struct rank *rank)
{
	printf("rank %u of %u, node", rank->rank, rank->nr_ranks);
	for (int node = 0; node < HNUMA_MAX_NODES; node++)
		if (hnuma_nodeset_has(&rank->nodes, node))
			printf(" %d", node);
	printf(" with %u rank(s): a share of %llu pages", rank->sharers,
	       (unsigned long long)rank->share);
}

int main(int argc, char **argv)
{
	unsigned seconds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1;
	struct hnuma_config config = HNUMA_CONFIG_INIT;
	struct rank rank = {.most = argc > 2 ? strtoull(argv[2], NULL, 10) : UINT64_MAX};
	struct hnuma_placement where;
	struct hnuma_manager *memory;

	if (hnuma_topology_create(&rank.topology)) {
		fprintf(stderr, "%s\n", hnuma_errormsg());
		return 1;
	}
	find_place(&rank);
	find_nodes(&rank);
	if (!rank.nr_mine) {
		fprintf(stderr, "rank %u: none of its CPUs has memory that is allowed\n",
			rank.rank);
		return 1;
	}
	find_share(&rank);
	config.nodes = rank.nodes;
	config.least_backing = HNUMA_BACKING_HUGETLB;
	config.arena_capacity = HNUMA_HUGEPAGE;
	if (fill_share(&rank, &config))
		return 1;
	if (hnuma_manager_create(&memory, rank.topology, &config) ||
	    hnuma_manager_verify(memory, &where)) {
		fprintf(stderr, "rank %u: %s\n", rank.rank, hnuma_errormsg());
		return 1;
	}
	say_nodes(&rank);
	printf(" each, %llu taken, %llu of them in place\n", (unsigned long long)where.pages_total,
	       (unsigned long long)where.pages_here);
	fflush(stdout);
	sleep(seconds); /* while others start: what we have they cannot have */
	hnuma_manager_destroy(memory);
	hnuma_topology_destroy(rank.topology);
	return where.pages_here == where.pages_total ? 0 : 1;
}
