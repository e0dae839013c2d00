/* SPDX-License-Identifier: MIT */
/*
 * tests/misuse/no-misuse.c - nothing is done wrong: nobody may say otherwise.
 *
 * Plain: none
 */
#include "tests/misuse/misuse.h"

int main(void)
{
	struct hnuma_pool *pool = misuse_pool();
	struct hnuma_arena *arena = misuse_arena();
	struct hnuma_scratch *scratch = misuse_scratch();
	struct hnuma_space *space = hnuma_scratch_acquire(scratch);
	char *block = misuse_block(pool);

	memset(block, 1, 4096);
	memset(hnuma_arena_alloc(arena, 100, 1), 1, 100);
	memset(hnuma_space_alloc(space, 100, 1), 1, 100);
	misuse_need(hnuma_pool_release(pool, block));
	misuse_need(hnuma_scratch_release(space));
	misuse_need(hnuma_pool_check(pool));
	misuse_need(hnuma_scratch_destroy(scratch));
	misuse_need(hnuma_arena_destroy(arena));
	return misuse_tell(hnuma_pool_destroy(pool));
}
