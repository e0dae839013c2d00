/* SPDX-License-Identifier: MIT */
/*
 * message.h - what prefill and decode say to each other.
 *
 *	prefill                                       decode
 *	   a greeting, over a socket          <--->
 *	                                      <----   its windows: what may be written to
 *
 *	   ASK     request, count: blocks     ---->                    active messages from here on
 *	                                      <----   GRANT    request, and count addresses
 *	                                      or      REFUSE   request: no blocks now, ask again
 *	   (puts, and a flush: the blocks are there)
 *	   or, for each block:
 *	   BLOCK   request, count: which      ---->                    fetched from block to block
 *	   DONE    request, count of BLOCKs   ---->                    with all checksums
 *	                                      <----   TAKEN    request, verdict
 *
 * An ASK for a request that has been taken before is answered with TAKEN at once: who lost the
 * answer with the link may ask again, and nothing arrives twice.
 *
 * Numbers are as they lie in memory: both hosts have the same byte order, which `magic` shows.
 */
#ifndef KVMOVE_MESSAGE_H
#define KVMOVE_MESSAGE_H

#include <stdint.h>

#define MESSAGE_MAGIC 0x6b766d31 /* "kvm1" */

/* The first that each end sends. Its worker's address follows, then its windows as they were packed. */
struct greeting {
	uint32_t magic;
	uint32_t block_bytes; /* has to be the same on both sides */
	uint32_t link;	      /* the number that messages to this end bear */
	uint32_t nr_windows;
	uint64_t address_length, windows_length;
};

enum message_kind {
	MESSAGE_ASK,
	MESSAGE_GRANT,
	MESSAGE_REFUSE,
	MESSAGE_BLOCK,
	MESSAGE_DONE,
	MESSAGE_TAKEN
};

/* What became of a request. */
enum verdict {
	VERDICT_GOOD,	   /* its blocks arrived as they were sent */
	VERDICT_DAMAGED,   /* they did not */
	VERDICT_TOO_LARGE, /* it wants more blocks than there are at all */
};

struct message {
	uint32_t link; /* set by fabric_send() */
	uint32_t kind;
	uint32_t request;
	uint32_t count;	  /* as drawn above */
	uint32_t verdict; /* of TAKEN */
	uint32_t padding;
};

#endif
