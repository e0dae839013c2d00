/* SPDX-License-Identifier: MIT */
/*
 * tests/misuse/space-after-release.c - a scratch space is written to after it was released.
 *
 * Plain: none
 * AddressSanitizer: use-after-poison
 * Valgrind: Invalid write
 */
#include "tests/misuse/misuse.h"

int main(void)
{
	struct hnuma_scratch *scratch = misuse_scratch();
	struct hnuma_space *space = hnuma_scratch_acquire(scratch);
	volatile char *memory = hnuma_space_alloc(space, 100, 1);

	misuse_need(hnuma_scratch_release(space));
	memory[50] = 1;
	return misuse_tell(hnuma_scratch_destroy(scratch));
}
