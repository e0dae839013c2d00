/* SPDX-License-Identifier: MIT */
/*
 * A pool whose memory is registered with a network when it is made: once, not block by block. The two
 * functions in the middle have the shape of ibv_reg_mr() and ibv_dereg_mr().
 */
#include <hugenuma.h>
#include <stdio.h>
#include <stdlib.h>

struct domain {
	int nr_regions;
};
struct memory_region {
	struct domain *domain;
	void *address;
	size_t length;
};

static struct memory_region *reg_mr(struct domain *domain, void *address, size_t length)
{
	struct memory_region *mr = malloc(sizeof(*mr));

	if (!mr)
		return NULL;
	*mr = (struct memory_region){domain, address, length};
	domain->nr_regions++;
	return mr;
}

static void dereg_mr(struct memory_region *mr)
{
	mr->domain->nr_regions--;
	free(mr);
}

static int add(void *domain, const struct hnuma_piece *piece, void **handle)
{
	*handle = reg_mr(domain, piece->base, piece->size);
	return *handle ? 0 : -ENOMEM;
}

static void drop(void *domain, const struct hnuma_piece *piece, void *handle)
{
	(void)domain, (void)piece;
	dereg_mr(handle);
}

int main(void)
{
	struct domain domain = {0};
	struct hnuma_pool_attr attr = HNUMA_POOL_ATTR_INIT;
	struct hnuma_hooks hooks = HNUMA_HOOKS_INIT;
	struct hnuma_topology *topology;
	struct hnuma_pool *pool;

	hooks.piece_bytes = 8 << 20; /* this network registers no more at once */
	hooks.made = add;
	hooks.going = drop;
	hooks.arg = &domain;
	attr.hooks = &hooks;
	if (hnuma_topology_create(&topology) || hnuma_pool_create(&pool, topology, &attr)) {
		fprintf(stderr, "%s\n", hnuma_errormsg());
		return 1;
	}
	void *block = hnuma_pool_acquire(pool, HNUMA_CLASS_64K);
	if (!block) {
		perror("a block of 64 KB");
		return 1;
	}
	int node = hnuma_pool_node_of(pool, block);
	struct memory_region *mr = hnuma_region_handle(hnuma_pool_region(pool, node), block);

	printf("%d pieces; the block at %p is in that of %zu bytes at %p\n", domain.nr_regions,
	       block, mr->length, mr->address);
	hnuma_pool_release(pool, block);
	hnuma_pool_destroy(pool);
	hnuma_topology_destroy(topology);
	return domain.nr_regions; /* none is left */
}
