/* SPDX-License-Identifier: MIT */
/*
 * tests/misuse/stack-pointer.c - a variable on the stack is released to a pool.
 *
 * Plain: EFAULT
 */
#include "tests/misuse/misuse.h"

int main(void)
{
	char variable[4096];

	return misuse_tell(hnuma_pool_release(misuse_pool(), variable));
}
