/* SPDX-License-Identifier: MIT */
/*
 * tests/misuse/space-twice.c - a thread acquires a scratch space while it has one.
 *
 * Plain: EBUSY
 */
#include "tests/misuse/misuse.h"

int main(void)
{
	struct hnuma_scratch *scratch = misuse_scratch();

	misuse_need(!hnuma_scratch_acquire(scratch));
	return misuse_tell(hnuma_scratch_acquire(scratch) ? 0 : errno);
}
