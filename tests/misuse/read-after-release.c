/* SPDX-License-Identifier: MIT */
/*
 * tests/misuse/read-after-release.c - a block is read after it was released: no pattern tells of that.
 *
 * Plain: none
 * AddressSanitizer: use-after-poison
 * Valgrind: Invalid read
 */
#include "tests/misuse/misuse.h"

int main(void)
{
	struct hnuma_pool *pool = misuse_pool();
	volatile char *block = misuse_block(pool);
	char byte;

	misuse_need(hnuma_pool_release(pool, (void *)block));
	byte = block[100];
	(void)byte;
	return misuse_tell(hnuma_pool_check(pool));
}
