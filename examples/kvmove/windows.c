/* SPDX-License-Identifier: MIT */
/*
 * windows.c - registered memory, ours and a peer's (windows.h). Calls UCX and libc.
 */
#include "windows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

/* What stands before a key in what is packed. */
struct packed_window {
	uint64_t base, size;
	uint64_t key_length;
};

static int complain(const char *what, ucs_status_t status)
{
	fprintf(stderr, "kvmove: %s: %s\n", what, ucs_status_string(status));
	return -1;
}

/* How many windows begin at or before the address. */
static unsigned count_up_to(const struct windows *windows, uint64_t address)
{
	unsigned low = 0, high = windows->nr;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (windows->at[middle].base <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct window *windows_find(const struct windows *windows, uint64_t address, size_t bytes)
{
	unsigned up_to = count_up_to(windows, address);
	const struct window *window;

	if (!up_to)
		return NULL;
	window = &windows->at[up_to - 1];
	if (bytes > window->size || address - window->base > window->size - bytes)
		return NULL;
	return window;
}

/* Room for one more. */
static bool grow(struct windows *windows)
{
	unsigned room = windows->room * 2 + 1;
	struct window *at;

	if (windows->nr < windows->room)
		return true;
	at = realloc(windows->at, room * sizeof(*at));
	if (!at)
		return false;
	windows->at = at;
	windows->room = room;
	return true;
}

int windows_add(struct windows *windows, void *base, size_t size)
{
	ucp_mem_map_params_t params = {
		.field_mask = UCP_MEM_MAP_PARAM_FIELD_ADDRESS | UCP_MEM_MAP_PARAM_FIELD_LENGTH,
		.address = base,
		.length = size,
	};
	double begin = clock_seconds();
	ucs_status_t status = UCS_ERR_NO_MEMORY;
	ucp_mem_h registration;
	unsigned place;

	if (grow(windows))
		status = ucp_mem_map(windows->context, &params, &registration);
	if (status != UCS_OK)
		return complain("registering memory", status);
	place = count_up_to(windows, (uintptr_t)base);
	memmove(windows->at + place + 1, windows->at + place,
		(windows->nr - place) * sizeof(*windows->at));
	windows->at[place] = (struct window){
		.base = (uintptr_t)base, .size = size, .registration = registration};
	windows->nr++;
	windows->seconds += clock_seconds() - begin;
	return 0;
}

void windows_remove(struct windows *windows, void *base)
{
	unsigned place = count_up_to(windows, (uintptr_t)base) - 1;

	if (place >= windows->nr || windows->at[place].base != (uintptr_t)base)
		return;
	ucp_mem_unmap(windows->context, windows->at[place].registration);
	windows->nr--;
	memmove(windows->at + place, windows->at + place + 1,
		(windows->nr - place) * sizeof(*windows->at));
	if (windows->nr)
		return;
	free(windows->at);
	windows->at = NULL;
	windows->room = 0;
}

static ucs_status_t pack_one(const struct windows *windows, const struct window *window, FILE *out)
{
	struct packed_window head = {window->base, window->size, 0};
	size_t key_length;
	void *key;
	ucs_status_t status =
		ucp_rkey_pack(windows->context, window->registration, &key, &key_length);

	if (status != UCS_OK)
		return status;
	head.key_length = key_length;
	fwrite(&head, sizeof(head), 1, out);
	fwrite(key, key_length, 1, out);
	ucp_rkey_buffer_release(key);
	return UCS_OK;
}

int windows_pack(const struct windows *windows, void **packed, size_t *length)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, length);
	ucs_status_t status = out ? UCS_OK : UCS_ERR_NO_MEMORY;

	for (unsigned i = 0; i < windows->nr && status == UCS_OK; i++)
		status = pack_one(windows, &windows->at[i], out);
	if (out && ferror(out))
		status = UCS_ERR_NO_MEMORY;
	if (out && fclose(out))
		status = UCS_ERR_NO_MEMORY;
	if (status != UCS_OK) {
		free(text);
		return complain("packing keys", status);
	}
	*packed = text;
	return 0;
}

/* One window at *at, which is moved behind it. */
static ucs_status_t unpack_one(struct window *window, ucp_ep_h endpoint, const char **at,
			       const char *end)
{
	struct packed_window head;
	const char *key = *at + sizeof(head);

	if ((size_t)(end - *at) < sizeof(head))
		return UCS_ERR_MESSAGE_TRUNCATED;
	memcpy(&head, *at, sizeof(head));
	if ((size_t)(end - key) < head.key_length)
		return UCS_ERR_MESSAGE_TRUNCATED;
	*at = key + head.key_length;
	window->base = head.base;
	window->size = head.size;
	return ucp_ep_rkey_unpack(endpoint, key, &window->key);
}

int windows_unpack(struct windows *windows, ucp_ep_h endpoint, unsigned nr, const void *packed,
		   size_t length)
{
	const char *at = packed, *end = at + length;
	ucs_status_t status = UCS_OK;

	memset(windows, 0, sizeof(*windows));
	while (windows->nr < nr && status == UCS_OK) {
		status = grow(windows) ? unpack_one(&windows->at[windows->nr], endpoint, &at, end)
				       : UCS_ERR_NO_MEMORY;
		windows->nr += status == UCS_OK;
	}
	if (status == UCS_OK)
		return 0;
	windows_forget(windows);
	return complain("the peer's windows", status);
}

void windows_forget(struct windows *windows)
{
	for (unsigned i = 0; i < windows->nr; i++)
		ucp_rkey_destroy(windows->at[i].key);
	free(windows->at);
	memset(windows, 0, sizeof(*windows));
}
