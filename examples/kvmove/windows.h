/* SPDX-License-Identifier: MIT */
/*
 * windows.h - memory that the network knows: our own ranges, each registered once, and those of a
 * peer, into which we may put.
 *
 *	decode                                             prefill
 *	[ window: base, size, registration ]               [ window: base, size, key ]
 *	        |                                                 ^
 *	        '-- windows_pack() --- greeting --- windows_unpack()
 *
 * To put into an address of the peer's one needs the key of the window that it lies in.
 */
#ifndef KVMOVE_WINDOWS_H
#define KVMOVE_WINDOWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ucp/api/ucp.h>

struct window {
	uint64_t base, size; /* an address of the process that it belongs to, and bytes */
	union {
		ucp_mem_h registration; /* ours */
		ucp_rkey_h key;		/* a peer's */
	};
};

struct windows {
	ucp_context_h context; /* of our own; a peer's have none */
	struct window *at;     /* by rising base */
	unsigned nr, room;
	double seconds; /* spent on registering */
};

/* Register a range of ours. Returns 0, or -1 with a line printed. */
int windows_add(struct windows *windows, void *base, size_t size);

/* Undo the registration of the range that begins there, before its memory goes away. */
void windows_remove(struct windows *windows, void *base);

/* The window that all these bytes lie in, or NULL. */
const struct window *windows_find(const struct windows *windows, uint64_t address, size_t bytes);

/*
 * What a peer needs to put into our windows, in one piece, which the caller frees. Returns 0, or -1
 * with a line printed.
 */
int windows_pack(const struct windows *windows, void **packed, size_t *length);

/*
 * Read what a peer packed. Nothing in it is believed that its length does not bear out. Returns 0,
 * or -1 with a line printed: nothing is kept.
 */
int windows_unpack(struct windows *windows, ucp_ep_h endpoint, unsigned nr, const void *packed,
		   size_t length);

/* Forget a peer's windows, when nothing that was put into them is under way. */
void windows_forget(struct windows *windows);

#endif
