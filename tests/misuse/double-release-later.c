/* SPDX-License-Identifier: MIT */
/*
 * tests/misuse/double-release-later.c - a block is released again when others have come and gone.
 *
 * Plain: EALREADY
 */
#include "tests/misuse/misuse.h"

int main(void)
{
	struct hnuma_pool *pool = misuse_pool();
	char *block = misuse_block(pool), *other = misuse_block(pool);

	misuse_need(hnuma_pool_release(pool, block));
	misuse_need(hnuma_pool_release(pool, other));
	for (int i = 0; i < 100; i++) {
		other = hnuma_pool_acquire(pool, HNUMA_CLASS_1K);
		misuse_need(!other || hnuma_pool_release(pool, other));
	}
	return misuse_tell(hnuma_pool_release(pool, block));
}
