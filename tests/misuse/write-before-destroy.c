/* SPDX-License-Identifier: MIT */
/*
 * tests/misuse/write-before-destroy.c - a block is written to after it was released, and nobody looks at it
 * before the pool is destroyed.
 *
 * Plain: none
 * Hardened: EUCLEAN
 * AddressSanitizer: use-after-poison
 * Valgrind: Invalid write
 */
#include "tests/misuse/misuse.h"

int main(void)
{
	struct hnuma_pool *pool = misuse_pool();
	volatile char *block = misuse_block(pool);

	misuse_need(hnuma_pool_release(pool, (void *)block));
	block[100] = 0;
	return misuse_tell(hnuma_pool_destroy(pool));
}
