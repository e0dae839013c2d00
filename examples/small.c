/* SPDX-License-Identifier: MIT */
#include <hugenuma.h>
#include <stdio.h>

int main(void)
{
	struct hnuma_topology *topology;
	struct hnuma_manager *memory;

	if (hnuma_topology_create(&topology) || hnuma_manager_create(&memory, topology, NULL)) {
		fprintf(stderr, "%s\n", hnuma_errormsg());
		return 1;
	}
	float *logits = hnuma_arena_alloc(hnuma_manager_arena(memory, HNUMA_NODE_LOCAL), 32000, 4);
	void *block = hnuma_pool_acquire(hnuma_manager_pool(memory), HNUMA_CLASS_16K);
	printf("logits at %p, a block at %p\n", (void *)logits, block);
	hnuma_manager_print_stats(memory, stdout, HNUMA_TEXT);
	hnuma_pool_release(hnuma_manager_pool(memory), block);
	hnuma_manager_reset_step(memory); /* the logits are gone, their memory stays */
	hnuma_manager_destroy(memory);
	hnuma_topology_destroy(topology);
}
