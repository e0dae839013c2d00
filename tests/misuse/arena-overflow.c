/* SPDX-License-Identifier: MIT */
/*
 * tests/misuse/arena-overflow.c - an allocation of an arena is written past its end.
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

	memory[100] = 1;
	return misuse_tell(hnuma_arena_destroy(arena));
}
