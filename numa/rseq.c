/* SPDX-License-Identifier: MIT */
/*
 * numa/rseq.c - asking the kernel for restartable sequences. Calls it through hnuma_sys only.
 */
#include "config.h"

#include <linux/membarrier.h>

#include "numa/rseq.h"
#include "numa/sys.h"

/* Since Linux 5.10; older headers lack them. */
#define EXPEDITED_RSEQ		(1 << 7)
#define REGISTER_EXPEDITED_RSEQ (1 << 8)

bool hnuma_rseq_is_usable(void)
{
#if HNUMA_HAVE_RSEQ
	/* A size of 0 says that glibc did not register: the tunable, the kernel, or an emulator. */
	return __rseq_size > 0 && hnuma_sys.membarrier(REGISTER_EXPEDITED_RSEQ) == 0;
#else
	return false;
#endif
}

int hnuma_rseq_fence(void)
{
	return hnuma_sys.membarrier(EXPEDITED_RSEQ);
}
