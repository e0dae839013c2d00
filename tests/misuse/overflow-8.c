/* SPDX-License-Identifier: MIT */
/*
 * tests/misuse/overflow-8.c - a loop goes one element too far.
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
	volatile uint64_t *block = (void *)misuse_block(pool);

	for (int i = 0; i <= 4096 / 8; i++)
		block[i] = 0x4141414141414141u;
	return misuse_tell(hnuma_pool_release(pool, (void *)block));
}
