/* SPDX-License-Identifier: MIT */
/*
 * tests/misuse/destroy-with-blocks-out.c - a pool is destroyed while a block is out.
 *
 * Plain: EBUSY
 */
#include "tests/misuse/misuse.h"

int main(void)
{
	struct hnuma_pool *pool = misuse_pool();

	misuse_block(pool);
	return misuse_tell(hnuma_pool_destroy(pool));
}
