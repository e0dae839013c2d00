/* SPDX-License-Identifier: MIT */
/*
 * tests/misuse/destroy-with-space-held.c - a scratch is destroyed while a space is held.
 *
 * Plain: EBUSY
 */
#include "tests/misuse/misuse.h"

int main(void)
{
	struct hnuma_scratch *scratch = misuse_scratch();

	misuse_need(!hnuma_scratch_acquire(scratch));
	return misuse_tell(hnuma_scratch_destroy(scratch));
}
