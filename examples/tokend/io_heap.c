/* SPDX-License-Identifier: MIT */
/*
 * io_heap.c - memory for libevent (io_heap.h): powers of two, a list of free ones for each. A thread
 * frees what it allocated itself: every worker has an event base of its own. Calls libevent, libc.
 */
#include "io_heap.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#define SMALLEST 32
#define LARGE	 IO_HEAP_CLASSES /* from malloc */

/* In front of every allocation. */
struct header {
	size_t class_index;
	size_t bytes; /* that fit behind it */
};

static _Thread_local struct io_heap *heap;

void io_heap_use(struct io_heap *mine, void *memory, size_t bytes)
{
	heap = mine;
	if (!mine)
		return;
	*mine = (struct io_heap){.next = memory, .end = (char *)memory + bytes};
}

static void *from_malloc(size_t bytes)
{
	struct header *header = malloc(sizeof(*header) + bytes);

	if (!header)
		return NULL;
	*header = (struct header){LARGE, bytes};
	if (heap)
		heap->nr_overflows++;
	return header + 1;
}

static void *allocate(size_t bytes)
{
	size_t class_index = 0, size = SMALLEST;
	struct header *header;

	while (size < bytes + sizeof(*header) && class_index < IO_HEAP_CLASSES) {
		size *= 2;
		class_index++;
	}
	if (!heap || class_index == IO_HEAP_CLASSES)
		return from_malloc(bytes);
	header = heap->free[class_index];
	if (header) {
		memcpy(&heap->free[class_index], header, sizeof(void *));
	} else {
		if ((size_t)(heap->end - heap->next) < size)
			return from_malloc(bytes);
		header = (struct header *)(void *)heap->next;
		heap->next += size;
	}
	*header = (struct header){class_index, size - sizeof(*header)};
	return header + 1;
}

static void release(void *memory)
{
	struct header *header;
	size_t class_index;

	if (!memory)
		return;
	header = (struct header *)memory - 1;
	class_index = header->class_index;
	if (class_index == LARGE) {
		free(header);
		return;
	}
	memcpy(header, &heap->free[class_index], sizeof(void *));
	heap->free[class_index] = header;
}

static void *resize(void *memory, size_t bytes)
{
	struct header *header;
	void *larger;

	if (!memory)
		return allocate(bytes);
	header = (struct header *)memory - 1;
	if (bytes <= header->bytes)
		return memory;
	larger = allocate(bytes);
	if (larger) {
		memcpy(larger, memory, header->bytes);
		release(memory);
	}
	return larger;
}

void io_heap_install(void)
{
	event_set_mem_functions(allocate, resize, release);
}
