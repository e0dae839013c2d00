/* SPDX-License-Identifier: MIT */
/*
 * tests/misuse/foreign-pointer.c - what malloc() gave is released to a pool.
 *
 * Plain: EFAULT
 */
#include "tests/misuse/misuse.h"

int main(void)
{
	struct hnuma_pool *pool = misuse_pool();
	char *foreign = malloc(4096);
	int code = misuse_tell(hnuma_pool_release(pool, foreign));

	free(foreign);
	return code;
}
