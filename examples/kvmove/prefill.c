/* SPDX-License-Identifier: MIT */
/*
 * prefill.c - the end that has computed keys and values, and moves them (role.h).
 *
 * A move is one request on its way. Whatever happens to the link, it goes back to READY and is asked
 * for again over the next one; its blocks keep their bytes until decode has said that they came.
 *
 *	FREE --> READY --> ASKED --> PUTTING --> TOLD --> FREE
 *	           ^         |          |          |
 *	           '---------'----------'----------'   refused; or the link was lost
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "pattern.h"
#include "requests.h"
#include "role.h"

/* After a refusal, and between attempts at a link. */
#define ASK_AGAIN_SECONDS 0.002
#define CALL_AGAIN_MS	  200

enum state { FREE, READY, ASKED, PUTTING, TOLD };

struct prefill;

struct move {
	struct prefill *prefill;
	enum state state;
	uint32_t request, nr_blocks;
	unsigned nr_pending; /* puts and the flush: while there are some, UCX uses the blocks */
	double not_before;   /* READY: when it may be asked for */
	void **blocks;
	uint64_t *sums;
	struct message *messages; /* a block's, for as long as it is under way */
};

struct prefill {
	struct role *role;
	struct requests requests;
	struct move *moves;
	uint32_t next; /* the first request that has not been begun */

	struct link link;
	bool has_link;
	struct windows theirs;
	double alone_since; /* while there is no link */

	uint32_t nr_delivered, nr_failed, nr_damaged, nr_refusals, nr_links;
	uint64_t bytes;
	double begin, first,
		last; /* of all; when the first block was put, the last request taken */
};

static void say(struct prefill *prefill, uint32_t kind, uint32_t request, uint32_t count,
		const void *data, size_t length)
{
	struct message message = {.kind = kind, .request = request, .count = count};

	fabric_send(&prefill->link, &message, data, length);
}

/* ---- Moves ---- */

static void end_move(struct move *move)
{
	struct memory *memory = &move->prefill->role->memory;

	memory->ops->give(memory, move->blocks, move->nr_blocks);
	move->state = FREE;
}

/* Blocks for the next request, and what prefill is for: their bytes. */
static bool begin_move(struct move *move)
{
	struct prefill *prefill = move->prefill;
	struct memory *memory = &prefill->role->memory;
	const struct options *options = prefill->role->options;

	move->request = prefill->next;
	move->nr_blocks = prefill->requests.nr_blocks[move->request];
	if (memory->ops->take(memory, move->blocks, move->nr_blocks))
		return false;
	for (uint32_t i = 0; i < move->nr_blocks && !options->is_unchecked; i++) {
		pattern_fill(move->blocks[i], options->block_bytes, options->seed, move->request,
			     i);
		move->sums[i] = pattern_checksum(move->blocks[i], options->block_bytes);
	}
	move->state = READY;
	move->not_before = 0;
	prefill->next++;
	return true;
}

/* All blocks are there, or will be before this. */
static void tell(struct move *move)
{
	const struct options *options = move->prefill->role->options;

	move->state = TOLD;
	say(move->prefill, MESSAGE_DONE, move->request,
	    options->is_by_message ? move->nr_blocks : 0, move->sums,
	    move->nr_blocks * sizeof(*move->sums));
}

static void on_put(void *request, ucs_status_t status, void *arg)
{
	struct move *move = arg;

	(void)status; /* a failure is the link's, which is told of it */
	move->nr_pending--;
	ucp_request_free(request);
}

/* The flush ends after all puts have: on both sides, which is more than a put's own end says. */
static void on_flushed(void *request, ucs_status_t status, void *arg)
{
	struct move *move = arg;

	if (request)
		on_put(request, status, move);
	if (status != UCS_OK || move->state != PUTTING)
		return;
	tell(move);
}

static void put_block(struct move *move, const void *block, uint64_t address)
{
	struct prefill *prefill = move->prefill;
	size_t bytes = prefill->role->options->block_bytes;
	const struct window *from = windows_find(&prefill->role->windows, (uintptr_t)block, bytes);
	const struct window *to = windows_find(&prefill->theirs, address, bytes);
	ucp_request_param_t param = {
		.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA |
				UCP_OP_ATTR_FIELD_MEMH,
		.cb.send = on_put,
		.user_data = move,
	};
	ucs_status_ptr_t put;

	if (!to) {
		fprintf(stderr, "kvmove: decode grants what it has not offered\n");
		prefill->link.is_broken = true;
		return;
	}
	param.memh = from->registration;
	put = ucp_put_nbx(prefill->link.endpoint, block, bytes, address, to->key, &param);
	if (UCS_PTR_IS_ERR(put))
		prefill->link.is_broken = true;
	move->nr_pending += UCS_PTR_IS_PTR(put);
}

static void flush(struct move *move)
{
	ucp_request_param_t param = {
		.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA,
		.cb.send = on_flushed,
		.user_data = move,
	};
	ucs_status_ptr_t flush = ucp_ep_flush_nbx(move->prefill->link.endpoint, &param);

	if (UCS_PTR_IS_PTR(flush))
		move->nr_pending++;
	else
		on_flushed(NULL, UCS_PTR_STATUS(flush), move);
}

/* A block has been fetched; after the last one decode can look at them. */
static void on_fetched(void *request, ucs_status_t status, void *arg)
{
	struct move *move = arg;

	on_put(request, status, move);
	if (status != UCS_OK)
		move->prefill->link.is_broken = true;
	else if (!move->nr_pending && move->state == PUTTING && !move->prefill->link.is_broken)
		tell(move);
}

static void send_block(struct move *move, uint32_t index)
{
	struct prefill *prefill = move->prefill;
	size_t bytes = prefill->role->options->block_bytes;
	const struct window *from =
		windows_find(&prefill->role->windows, (uintptr_t)move->blocks[index], bytes);
	ucs_status_ptr_t sent;

	move->messages[index] =
		(struct message){.kind = MESSAGE_BLOCK, .request = move->request, .count = index};
	sent = fabric_send_block(&prefill->link, &move->messages[index], move->blocks[index], bytes,
				 from->registration, on_fetched, move);
	if (UCS_PTR_IS_ERR(sent))
		prefill->link.is_broken = true;
	move->nr_pending += UCS_PTR_IS_PTR(sent);
}

static void move_all(struct move *move, const char *addresses)
{
	struct prefill *prefill = move->prefill;
	bool is_by_message = prefill->role->options->is_by_message;

	move->state = PUTTING;
	if (prefill->first <= 0)
		prefill->first = clock_seconds();
	for (uint32_t i = 0; i < move->nr_blocks && !prefill->link.is_broken; i++) {
		uint64_t address;

		memcpy(&address, addresses + i * sizeof(address), sizeof(address));
		if (is_by_message)
			send_block(move, i);
		else
			put_block(move, move->blocks[i], address);
	}
	if (!is_by_message && !prefill->link.is_broken)
		flush(move);
}

static void finish(struct move *move, uint32_t verdict)
{
	struct prefill *prefill = move->prefill;

	if (verdict == VERDICT_GOOD) {
		if (!prefill->nr_delivered++)
			printf("prefill: first request delivered after %.1f ms\n",
			       (clock_seconds() - prefill->begin) * 1e3);
		if (move->state == TOLD)
			prefill->bytes += move->nr_blocks * prefill->role->options->block_bytes;
	} else {
		prefill->nr_failed++;
		prefill->nr_damaged += verdict == VERDICT_DAMAGED;
	}
	prefill->last = clock_seconds();
	end_move(move);
}

/* ---- Messages ---- */

static struct move *find_move(struct prefill *prefill, uint32_t request)
{
	for (unsigned i = 0; i < prefill->role->options->nr_moves; i++)
		if (prefill->moves[i].state != FREE && prefill->moves[i].request == request)
			return &prefill->moves[i];
	return NULL;
}

static void receive(void *arg, uint32_t link, const struct message *message, const char *data,
		    size_t length)
{
	struct prefill *prefill = arg;
	struct move *move = find_move(prefill, message->request);

	/* One from a link that was lost, or for a move that is not there any more, means nothing. */
	if (link != prefill->link.number || !move)
		return;
	if (message->kind == MESSAGE_GRANT && move->state == ASKED &&
	    length == move->nr_blocks * sizeof(uint64_t)) {
		move_all(move, data);
	} else if (message->kind == MESSAGE_REFUSE && move->state == ASKED) {
		prefill->nr_refusals++;
		move->state = READY;
		move->not_before = clock_seconds() + ASK_AGAIN_SECONDS;
	} else if (message->kind == MESSAGE_TAKEN &&
		   (move->state == ASKED || move->state == TOLD)) {
		finish(move, message->verdict);
	}
}

/* ---- The link ---- */

/* What was under way is ready again, once UCX has let go of its blocks, and of the keys of its puts. */
static void drop_link(struct prefill *prefill)
{
	fabric_hang_up(&prefill->role->fabric, &prefill->link);
	prefill->has_link = false;
	prefill->alone_since = clock_seconds();
	for (unsigned i = 0; i < prefill->role->options->nr_moves; i++) {
		struct move *move = &prefill->moves[i];

		if (move->state != FREE)
			move->state = READY;
		while (move->nr_pending && !prefill->role->fabric.is_stuck)
			fabric_wait(&prefill->role->fabric, 1);
	}
	if (!prefill->role->fabric.is_stuck)
		windows_forget(&prefill->theirs);
}

/* False: nobody is there for so long that nobody will be, or somebody who is no peer for us. */
static bool keep_link(struct prefill *prefill)
{
	const struct options *options = prefill->role->options;
	int error;

	if (prefill->has_link && !fabric_is_lost(&prefill->link))
		return true;
	if (prefill->has_link)
		drop_link(prefill);
	if (prefill->role->fabric.is_stuck)
		return false;
	error = fabric_connect(&prefill->role->fabric, &prefill->link, options->address,
			       options->port, options->block_bytes, &prefill->theirs);
	if (error == -EAGAIN && clock_seconds() - prefill->alone_since < options->patience)
		return poll(NULL, 0, CALL_AGAIN_MS) <= 0;
	if (error == -EAGAIN)
		fprintf(stderr, "kvmove: nobody answers at %s:%u\n", options->address,
			options->port);
	prefill->has_link = !error;
	prefill->nr_links += prefill->has_link;
	return prefill->has_link;
}

/* ---- From start to end ---- */

static int open_prefill(struct prefill *prefill)
{
	const struct options *options = prefill->role->options;

	if (requests_make(&prefill->requests, options->nr_requests, options->trace,
			  options->tokens_per_block, options->seed))
		return -1;
	prefill->moves = calloc(options->nr_moves, sizeof(*prefill->moves));
	for (unsigned i = 0; prefill->moves && i < options->nr_moves; i++) {
		struct move *move = &prefill->moves[i];

		move->prefill = prefill;
		move->blocks = calloc(prefill->requests.most, sizeof(*move->blocks));
		move->sums = calloc(prefill->requests.most, sizeof(*move->sums));
		move->messages = calloc(prefill->requests.most, sizeof(*move->messages));
		if (!move->blocks || !move->sums || !move->messages)
			return -1;
	}
	prefill->alone_since = clock_seconds();
	return prefill->moves ? 0 : -1;
}

static void close_prefill(struct prefill *prefill)
{
	for (unsigned i = 0; prefill->moves && i < prefill->role->options->nr_moves; i++) {
		free(prefill->moves[i].blocks);
		free(prefill->moves[i].sums);
		free(prefill->moves[i].messages);
	}
	free(prefill->moves);
	requests_free(&prefill->requests);
}

/* Begin what can be begun, ask for what may be asked for. False: all is done. */
static bool step(struct prefill *prefill)
{
	bool is_idle = true;

	for (unsigned i = 0; i < prefill->role->options->nr_moves; i++) {
		struct move *move = &prefill->moves[i];

		/* Larger than our own pool: no block will ever be free for it. */
		if (prefill->next < prefill->requests.nr &&
		    prefill->requests.nr_blocks[prefill->next] >
			    prefill->role->options->nr_blocks) {
			prefill->next++;
			prefill->nr_failed++;
		}
		if (move->state == FREE && prefill->next < prefill->requests.nr)
			begin_move(move);
		if (move->state == READY && prefill->has_link &&
		    clock_seconds() >= move->not_before) {
			move->state = ASKED;
			say(prefill, MESSAGE_ASK, move->request, move->nr_blocks, NULL, 0);
		}
		is_idle = is_idle && move->state == FREE;
	}
	return !is_idle || prefill->next < prefill->requests.nr;
}

/* What will not be delivered any more. */
static void give_up(struct prefill *prefill)
{
	for (unsigned i = 0; i < prefill->role->options->nr_moves; i++) {
		if (prefill->moves[i].state == FREE)
			continue;
		end_move(&prefill->moves[i]);
		prefill->nr_failed++;
	}
	prefill->nr_failed += prefill->requests.nr - prefill->next;
}

static int report(struct prefill *prefill)
{
	struct memory *memory = &prefill->role->memory;
	double seconds = prefill->last - prefill->first;
	long in_use = memory->ops->in_use(memory);

	printf("prefill: delivered %u, failed %u (damaged %u), refusals %u, links %u, in use %ld\n",
	       prefill->nr_delivered, prefill->nr_failed, prefill->nr_damaged, prefill->nr_refusals,
	       prefill->nr_links, in_use);
	if (prefill->bytes && seconds > 0)
		printf("prefill: %.3f GB in %.3f s, %.3f GB/s\n", (double)prefill->bytes / 1e9,
		       seconds, (double)prefill->bytes / 1e9 / seconds);
	return prefill->nr_failed || in_use ? 1 : 0;
}

int prefill_run(struct role *role)
{
	struct prefill prefill = {.role = role, .begin = clock_seconds()};
	int code = 1;

	role->fabric.receive = receive;
	role->fabric.arg = &prefill;
	if (open_prefill(&prefill)) {
		fprintf(stderr, "kvmove: no memory for the requests\n");
		goto close;
	}
	while (!is_stopping && keep_link(&prefill) && step(&prefill))
		fabric_wait(&role->fabric, 1);
	if (prefill.has_link)
		drop_link(&prefill);
	give_up(&prefill);
	code = report(&prefill);
close:
	close_prefill(&prefill);
	return code;
}
