/* SPDX-License-Identifier: MIT */
/*
 * tests/misuse/double-release.c - a block is released twice, at once.
 *
 * Plain: EALREADY
 */
#include "tests/misuse/misuse.h"

int main(void)
{
	struct hnuma_pool *pool = misuse_pool();
	char *block = misuse_block(pool);

	misuse_need(hnuma_pool_release(pool, block));
	return misuse_tell(hnuma_pool_release(pool, block));
}
