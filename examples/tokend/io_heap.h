/* SPDX-License-Identifier: MIT */
/*
 * io_heap.h - memory for libevent, from the worker's node: what a worker frees it uses again, so
 * that sending a token does not go to malloc.
 */
#ifndef TOKEND_IO_HEAP_H
#define TOKEND_IO_HEAP_H

#include <stddef.h>

#define IO_HEAP_CLASSES 12 /* 32 bytes to 64 KB */

struct io_heap {
	char *next, *end; /* never used yet */
	void *free[IO_HEAP_CLASSES];
	unsigned long long nr_overflows; /* that went to malloc after all */
};

/* Have libevent use the heap of the thread that it runs in. Before any other call to libevent. */
void io_heap_install(void);

/* The calling thread's heap from now on; NULL: malloc. */
void io_heap_use(struct io_heap *heap, void *memory, size_t bytes);

#endif
