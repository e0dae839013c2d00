/* SPDX-License-Identifier: MIT */
/*
 * tests/misuse/interior-pointer.c - a pointer into a block is released.
 *
 * Plain: EINVAL
 */
#include "tests/misuse/misuse.h"

int main(void)
{
	struct hnuma_pool *pool = misuse_pool();

	return misuse_tell(hnuma_pool_release(pool, misuse_block(pool) + 64));
}
