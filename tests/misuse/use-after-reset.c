/* SPDX-License-Identifier: MIT */
/*
 * tests/misuse/use-after-reset.c - what an arena gave is written to after a reset.
 *
 * Plain: none
 * AddressSanitizer: use-after-poison
 * Valgrind: Invalid write
 */
#include "tests/misuse/misuse.h"

int main(void)
{
	struct hnuma_arena *arena = misuse_arena();
	volatile char *memory = hnuma_arena_alloc(arena, 100, 1);

	hnuma_arena_reset(arena);
	memory[50] = 1;
	return misuse_tell(hnuma_arena_destroy(arena));
}
