/* SPDX-License-Identifier: MIT */
/*
 * tests/misuse/write-before-drop.c - a block is written to after it was released, and its page is then given
 * back to serve any class.
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
	misuse_need(hnuma_pool_clear(pool));
	return misuse_tell(hnuma_pool_check(pool));
}
