/* SPDX-License-Identifier: MIT */
/*
 * numa/populate.h - have every page of a mapping present, or learn why not.
 *
 * May be called from numa/region*.c. Calls the kernel through hnuma_sys only. Large mappings are
 * cleared by threads of its own, which run on the node's CPUs, take no signals and have ended when
 * the call returns.
 */
#ifndef HNUMA_NUMA_POPULATE_H
#define HNUMA_NUMA_POPULATE_H

#include <stddef.h>

struct hnuma_topology;

/* From this size on several threads clear a mapping: below it they cost more than they bring. */
#define HNUMA_POPULATE_PARALLEL_BYTES ((size_t)32 * 1024 * 1024)

/* More often it is not asked whether the rest can be had: the answer costs some tenths of a millisecond. */
#define HNUMA_POPULATE_CHECK_BYTES ((size_t)64 * 1024 * 1024)

struct hnuma_populate {
	void *base;
	size_t size_bytes; /* a multiple of 2 MB */
	const struct hnuma_topology *topology;
	int node;	  /* whose CPUs are to do it; negative: any */
	unsigned nr_cpus; /* how many of them there are; 0: not known */
	/* May be NULL. Called in the calling thread. */
	void (*progress)(void *arg, size_t done_bytes, size_t total_bytes);
	void *progress_arg;
	/*
	 * May be NULL. Asked by the thread that is to go on, first when HNUMA_POPULATE_CHECK_BYTES have
	 * been begun: may the rest still be taken? What it answers but 0 is the end, as if the piece
	 * had failed with it. Else it sets how many bytes are to be begun until it is asked again;
	 * no less than HNUMA_POPULATE_CHECK_BYTES.
	 */
	int (*check)(void *arg, size_t rest_bytes, size_t *stretch_bytes);
	void *check_arg;
};

/*
 * Returns 0 when every page is present and writable, or the kernel's answer to the first piece that
 * failed: -EFAULT there are no pages (left), or a cgroup allows no more, -EHWPOISON, -ENOMEM,
 * -EINVAL the kernel is older than 5.14; or what `check` answered. Never raises a signal. What was
 * populated stays so: the caller unmaps it. Sets no message of its own.
 */
int hnuma_populate(const struct hnuma_populate *what);

/* The same for a part of a mapping, at once and by the calling thread. */
int hnuma_populate_piece(void *address, size_t size_bytes);

#endif
