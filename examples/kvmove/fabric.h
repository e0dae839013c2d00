/* SPDX-License-Identifier: MIT */
/*
 * fabric.h - UCX as kvmove uses it: one worker in one thread, links to peers, messages.
 *
 *	a link  = a socket    over which both ends tell who they are, and by whose end the other is
 *	                      noticed, at once where a process dies, after half a minute where a host does
 *	        + an endpoint over which all else goes, by the fastest transport that both hosts have,
 *	                      or what UCX_TLS says
 *
 * A lost link is closed, which ends all that was under way on it. Only then is memory free for
 * anything else that was in use by it.
 *
 * UCX's shared memory cannot do that: it knows no end of a peer. Who wants it nevertheless says so
 * (is_local), and when a peer dies while something is under way this process has to end as well.
 */
#ifndef KVMOVE_FABRIC_H
#define KVMOVE_FABRIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ucp/api/ucp.h>

#include "message.h"
#include "windows.h"

/* Where a block goes that comes in a message, and who is told that it is there, or never will be. */
struct arrival {
	void *block;
	size_t bytes;
	ucp_mem_h registration;
	unsigned *nr_arriving; /* counted up while UCX may write to the block */
	/* false: it could not be fetched, of which the peer does not hear: give the link up. */
	void (*arrived)(void *arg, bool is_good);
	void *arg;
};

struct link {
	int socket;
	ucp_ep_h endpoint;
	uint32_t number, theirs; /* that messages to us bear, and those to the peer */
	bool is_broken;		 /* failed or hung up: nothing more is sent; see fabric_is_lost() */
	unsigned nr_sends;	 /* messages that are not gone yet */
};

struct fabric {
	bool is_local; /* set by the caller, as receive and arg are */
	bool is_stuck; /* local, and something under way will never end */
	ucp_context_h context;
	ucp_worker_h worker;
	int event_fd;  /* readable when there is something to do */
	int listen_fd; /* -1: nobody can call */
	uint32_t nr_links;

	/*
	 * A message for the link of that number; its data is UCX's, and aligned to nothing. Called by
	 * fabric_wait(), and may send and put, but neither wait nor hang up.
	 */
	void (*receive)(void *arg, uint32_t link, const struct message *message, const char *data,
			size_t length);
	/*
	 * A block in a message. False: it has no place, and is left where it is, of which the peer does
	 * not hear. NULL: none is expected.
	 */
	bool (*place)(void *arg, uint32_t link, const struct message *message,
		      struct arrival *arrival);
	void *arg;
};

/* Both return 0, or -1 with a line printed. */
int fabric_open(struct fabric *fabric);
int fabric_listen(struct fabric *fabric, const char *address, uint16_t *port);
void fabric_close(struct fabric *fabric);

/* Do what there is to do; if nothing, wait for it, so many milliseconds at most. */
void fabric_wait(struct fabric *fabric, int timeout_ms);

/*
 * Link up with who listens there, or with who calls. The link stays where it is until hung up.
 *
 * @windows  ours that the peer may put into; NULL: none.
 * @theirs   receives the peer's, for windows_forget() when all puts into them have ended.
 *
 * Returns 0; -EAGAIN: nobody there (now), or who is there does not get to the end of its greeting; or
 * -EPROTO with a line printed: no peer for us, or no memory for it.
 */
int fabric_connect(struct fabric *fabric, struct link *link, const char *address, uint16_t port,
		   size_t block_bytes, struct windows *theirs);
int fabric_answer(struct fabric *fabric, struct link *link, size_t block_bytes,
		  const struct windows *windows);

/* Is the peer gone, or has an operation failed? */
bool fabric_is_lost(const struct link *link);

/* Send a message, and data behind it; both are copied. */
void fabric_send(struct link *link, const struct message *message, const void *data, size_t length);

/*
 * Send a block behind a message, not copied: the peer fetches it from where it lies. Returns UCX's
 * request, or an error, as ucp_am_send_nbx(); done is called in the first case only, and frees it.
 */
ucs_status_ptr_t fabric_send_block(struct link *link, struct message *message, const void *block,
				   size_t bytes, ucp_mem_h registration,
				   ucp_send_nbx_callback_t done, void *arg);

/*
 * Close a link. One that is not lost lets its messages go first. After it nothing of the peer's is
 * written into our memory, and nothing of ours is read; unless the fabric is stuck.
 */
void fabric_hang_up(struct fabric *fabric, struct link *link);

#endif
