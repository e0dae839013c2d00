/* SPDX-License-Identifier: MIT */
/*
 * tests/misuse/overflow-1.c - a string is one byte too long for its block.
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

	block[4096] = 0;
	return misuse_tell(hnuma_pool_release(pool, (void *)block));
}
