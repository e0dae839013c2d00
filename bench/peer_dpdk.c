/* SPDX-License-Identifier: MIT */
/*
 * bench/peer_dpdk.c - DPDK's mempool with its per-core cache. Calls DPDK and libc.
 *
 * Its functions are inlined into the loops, as in every program that uses it. It keeps no books of
 * what is out, so it refuses nothing.
 */
#include "config.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_mempool.h>

#include "bench/peer.h"

#define CACHE_OBJECTS 256u
#define FREE_PAGES    "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"
#define LEAST_PAGES   250
#define NO_PAGES_MB   "640"

static bool has_huge_pages(void)
{
	FILE *file = fopen(FREE_PAGES, "r");
	long free_pages = 0;

	if (!file)
		return false;
	if (fscanf(file, "%ld", &free_pages) != 1)
		free_pages = 0;
	fclose(file);
	return free_pages >= LEAST_PAGES;
}

/*
 * The environment of DPDK ties the calling thread to a CPU: give back what it had. The arrays end with
 * NULL because the environment takes them for what main() got.
 */
static int start(bool with_huge_pages)
{
	char cpu[16], prefix[48];
	char *with[] = {"bench", "--no-pci", "--no-telemetry", "--log-level=1",
			"-l",	 cpu,	     "--in-memory",    NULL};
	char *without[] = {"bench", "--no-pci",	 "--no-telemetry", "--log-level=1",
			   "-l",    cpu,	 "--no-shconf",	   "--no-huge",
			   "-m",    NO_PAGES_MB, prefix,	   NULL};
	cpu_set_t before;
	int error, first = 0;

	pthread_getaffinity_np(pthread_self(), sizeof(before), &before);
	while (first < CPU_SETSIZE - 1 && !CPU_ISSET(first, &before))
		first++;
	snprintf(cpu, sizeof(cpu), "%d", first);
	snprintf(prefix, sizeof(prefix), "--file-prefix=hugenuma-bench-%ld", (long)getpid());
	error = with_huge_pages ? rte_eal_init(sizeof(with) / sizeof(with[0]) - 1, with)
				: rte_eal_init(sizeof(without) / sizeof(without[0]) - 1, without);
	pthread_setaffinity_np(pthread_self(), sizeof(before), &before);
	return error;
}

/* Without it a thread has no cache, and nobody tells. */
static int enter(void)
{
	return rte_thread_register();
}

static void *open_blocks(size_t block_bytes, unsigned nr_blocks)
{
	static unsigned nr_pools;
	/* What the caches of a few threads may keep comes on top. */
	unsigned nr = nr_blocks + 4 * CACHE_OBJECTS;
	char name[32];

	if (block_bytes >= 65536)
		nr = nr_blocks > 2 * CACHE_OBJECTS ? nr_blocks : 2 * CACHE_OBJECTS;
	snprintf(name, sizeof(name), "bench%u", nr_pools++);
	return rte_mempool_create(name, nr, (unsigned)block_bytes, CACHE_OBJECTS, 0, NULL, NULL,
				  NULL, NULL, SOCKET_ID_ANY, RTE_MEMPOOL_F_NO_IOVA_CONTIG);
}

static inline void *take(struct rte_mempool *pool)
{
	void *block;

	return rte_mempool_get(pool, &block) == 0 ? block : NULL;
}

#define BLOCKS_BEGIN(instance)	    struct rte_mempool *pool = (instance)
#define BLOCKS_TAKE()		    take(pool)
#define BLOCKS_GIVE(block)	    rte_mempool_put(pool, block)
#define BLOCKS_TAKE_MANY(blocks, n) rte_mempool_get_bulk(pool, blocks, n)
#define BLOCKS_GIVE_MANY(blocks, n) rte_mempool_put_bulk(pool, blocks, n)

#include "bench/loops.h"

static const struct bench_blocks blocks = {
	.open = open_blocks,
	.pairs = loop_pairs,
	.bulk = loop_bulk,
	.produce = loop_produce,
	.consume = loop_consume,
	.produce_many = loop_produce_many,
	.consume_many = loop_consume_many,
	.tail = loop_tail,
};

const struct bench_subject *bench_peer_open(const char **reason)
{
	static struct bench_subject subjects[2];
	bool with_huge_pages = has_huge_pages();

	if (start(with_huge_pages) < 0) {
		*reason = rte_strerror(rte_errno);
		return NULL;
	}
	subjects[0] = (struct bench_subject){
		.name = "DPDK mempool",
		.kind = BENCH_PEER,
		.note = with_huge_pages ? "cache 256, on huge pages; inlined, refuses nothing"
					: "cache 256, on base pages; inlined, refuses nothing",
		.enter = enter,
		.blocks = &blocks,
	};
	return subjects;
}
