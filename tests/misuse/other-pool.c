/* SPDX-License-Identifier: MIT */
/*
 * tests/misuse/other-pool.c - a block is released to another pool than its own.
 *
 * Plain: EFAULT
 */
#include "tests/misuse/misuse.h"

int main(void)
{
	struct hnuma_pool *one = misuse_pool(), *other = misuse_pool();

	return misuse_tell(hnuma_pool_release(other, misuse_block(one)));
}
