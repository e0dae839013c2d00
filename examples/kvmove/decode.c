/* SPDX-License-Identifier: MIT */
/*
 * decode.c - the end that lends blocks of its pool, has them filled from afar, and works with them
 * (role.h).
 *
 * A grant is one request's blocks. They are not free again before nobody can write to them any more:
 * after DONE and the time of decoding, or after the link was closed over which they were granted.
 *
 *	ASK --> granted ------ DONE ------> taken --- decoded ---> free
 *	           '------ link lost ----------------------------> free
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "pattern.h"
#include "role.h"

/* Numbers of requests are below it. */
#define MOST_REQUESTS ((uint32_t)1 << 24)

/* What is known of each request. */
enum known { KNOWN_NOTHING, KNOWN_GRANTED, KNOWN_TAKEN };

struct peer {
	struct link link;
	struct peer *next;
};

struct grant {
	struct peer *peer; /* NULL: taken, and being decoded */
	uint32_t request, nr_blocks;
	double until; /* being decoded */
	struct grant *next;
	/* Of blocks that come in messages. */
	struct decode *decode;
	unsigned nr_arriving, nr_arrived, nr_expected;
	char *sums; /* of DONE, while not all have arrived */
	void *blocks[];
};

struct decode {
	struct role *role;
	struct peer *peers;
	struct grant *grants;
	uint8_t *known; /* MOST_REQUESTS of enum known */
	uint32_t nr_taken, nr_damaged, nr_refused, nr_again, nr_peers, nr_lost;
};

static void say(struct peer *peer, uint32_t kind, uint32_t request, uint32_t verdict)
{
	struct message message = {.kind = kind, .request = request, .verdict = verdict};

	fabric_send(&peer->link, &message, NULL, 0);
}

/* ---- Grants ---- */

static void free_grant(struct decode *decode, struct grant **place)
{
	struct memory *memory = &decode->role->memory;
	struct grant *grant = *place;

	memory->ops->give(memory, grant->blocks, grant->nr_blocks);
	*place = grant->next;
	free(grant->sums);
	free(grant);
}

/* Free what is decoded. */
static void free_decoded(struct decode *decode)
{
	struct grant **place = &decode->grants;
	double now = clock_seconds();

	while (*place) {
		if (!(*place)->peer && now >= (*place)->until)
			free_grant(decode, place);
		else
			place = &(*place)->next;
	}
}

static void on_ask(struct decode *decode, struct peer *peer, uint32_t request, uint32_t nr_blocks)
{
	struct message message = {.kind = MESSAGE_GRANT, .request = request, .count = nr_blocks};
	struct memory *memory = &decode->role->memory;
	struct grant *grant;

	if (decode->known[request] == KNOWN_TAKEN) {
		/* Its answer was lost with a link. */
		decode->nr_again++;
		say(peer, MESSAGE_TAKEN, request, VERDICT_GOOD);
		return;
	}
	if (nr_blocks > memory->nr_blocks) {
		say(peer, MESSAGE_TAKEN, request, VERDICT_TOO_LARGE);
		return;
	}
	/* Granted already: to a peer of which we have not heard yet that it is gone. */
	grant = decode->known[request] == KNOWN_GRANTED
			? NULL
			: calloc(1, sizeof(*grant) + nr_blocks * sizeof(*grant->blocks));
	if (!grant || memory->ops->take(memory, grant->blocks, nr_blocks)) {
		free(grant);
		decode->nr_refused++;
		say(peer, MESSAGE_REFUSE, request, 0);
		return;
	}
	grant->decode = decode;
	grant->peer = peer;
	grant->request = request;
	grant->nr_blocks = nr_blocks;
	grant->next = decode->grants;
	decode->grants = grant;
	decode->known[request] = KNOWN_GRANTED;
	fabric_send(&peer->link, &message, grant->blocks, nr_blocks * sizeof(*grant->blocks));
}

static bool is_good(const struct decode *decode, const struct grant *grant, const char *sums)
{
	const struct options *options = decode->role->options;

	for (uint32_t i = 0; i < grant->nr_blocks && !options->is_unchecked; i++) {
		uint64_t sum;

		memcpy(&sum, sums + i * sizeof(sum), sizeof(sum));
		if (pattern_checksum(grant->blocks[i], options->block_bytes) != sum)
			return false;
	}
	return true;
}

static struct grant *find_grant(const struct decode *decode, const struct peer *peer,
				uint32_t request)
{
	struct grant *grant = decode->grants;

	while (grant && (grant->request != request || grant->peer != peer))
		grant = grant->next;
	return grant;
}

static void take(struct decode *decode, struct grant *grant, const char *sums)
{
	struct peer *peer = grant->peer;

	grant->peer = NULL;
	grant->until = clock_seconds();
	if (is_good(decode, grant, sums)) {
		grant->until += decode->role->options->hold_ms / 1e3;
		decode->known[grant->request] = KNOWN_TAKEN;
		decode->nr_taken++;
		say(peer, MESSAGE_TAKEN, grant->request, VERDICT_GOOD);
	} else {
		decode->known[grant->request] = KNOWN_NOTHING;
		decode->nr_damaged++;
		say(peer, MESSAGE_TAKEN, grant->request, VERDICT_DAMAGED);
	}
}

static void on_done(struct decode *decode, struct peer *peer, const struct message *message,
		    const char *sums, size_t length)
{
	struct grant *grant = find_grant(decode, peer, message->request);

	if (!grant || grant->sums || length != grant->nr_blocks * sizeof(uint64_t))
		return;
	grant->nr_expected = message->count;
	if (grant->nr_arrived == grant->nr_expected) {
		take(decode, grant, sums);
		return;
	}
	/* Overtaken by its own DONE. */
	grant->sums = malloc(length);
	if (grant->sums)
		memcpy(grant->sums, sums, length);
	else
		peer->link.is_broken = true;
}

/* ---- Blocks in messages ---- */

static void on_arrived(void *arg, bool is_good)
{
	struct grant *grant = arg;

	if (!is_good) {
		/* Its sender will not send it again, and would wait for ever for what is taken. */
		if (grant->peer)
			grant->peer->link.is_broken = true;
		return;
	}
	grant->nr_arrived++;
	if (grant->sums && grant->peer && grant->nr_arrived == grant->nr_expected)
		take(grant->decode, grant, grant->sums);
}

static struct peer *find_peer(const struct decode *decode, uint32_t link)
{
	struct peer *peer = decode->peers;

	while (peer && peer->link.number != link)
		peer = peer->next;
	return peer;
}

static bool place(void *arg, uint32_t link, const struct message *message, struct arrival *arrival)
{
	struct decode *decode = arg;
	const size_t bytes = decode->role->options->block_bytes;
	struct peer *peer = find_peer(decode, link);
	struct grant *grant = peer ? find_grant(decode, peer, message->request) : NULL;

	if (!grant || message->kind != MESSAGE_BLOCK || message->count >= grant->nr_blocks) {
		/* As above. From a link that was lost it means nothing. */
		if (peer)
			peer->link.is_broken = true;
		return false;
	}
	arrival->block = grant->blocks[message->count];
	arrival->bytes = bytes;
	arrival->registration =
		windows_find(&decode->role->windows, (uintptr_t)arrival->block, bytes)
			->registration;
	arrival->nr_arriving = &grant->nr_arriving;
	arrival->arrived = on_arrived;
	arrival->arg = grant;
	return true;
}

/* ---- Peers ---- */

static void receive(void *arg, uint32_t link, const struct message *message, const char *data,
		    size_t length)
{
	struct decode *decode = arg;
	struct peer *peer = find_peer(decode, link);

	if (!peer || message->request >= MOST_REQUESTS)
		return;
	if (message->kind == MESSAGE_ASK)
		on_ask(decode, peer, message->request, message->count);
	else if (message->kind == MESSAGE_DONE)
		on_done(decode, peer, message, data, length);
}

static void answer_calls(struct decode *decode)
{
	const struct options *options = decode->role->options;

	for (;;) {
		struct peer *peer = calloc(1, sizeof(*peer));

		if (!peer || fabric_answer(&decode->role->fabric, &peer->link, options->block_bytes,
					   &decode->role->windows)) {
			free(peer);
			return;
		}
		peer->next = decode->peers;
		decode->peers = peer;
		decode->nr_peers++;
	}
}

/* May UCX still write into what was granted to this peer? */
static bool is_arriving(const struct decode *decode, const struct peer *peer)
{
	for (const struct grant *grant = decode->grants; grant; grant = grant->next)
		if (grant->peer == peer && grant->nr_arriving)
			return true;
	return false;
}

/*
 * Close the link first: only then does nobody write into what was granted over it. While that is
 * waited for other peers are granted blocks, so the list of grants is gone through only after.
 */
static void drop_peer(struct decode *decode, struct peer **place)
{
	struct fabric *fabric = &decode->role->fabric;
	struct peer *peer = *place;
	struct grant **grant = &decode->grants;

	fabric_hang_up(fabric, &peer->link);
	while (is_arriving(decode, peer) && !fabric->is_stuck)
		fabric_wait(fabric, 1);
	while (*grant) {
		if ((*grant)->peer == peer) {
			decode->known[(*grant)->request] = KNOWN_NOTHING;
			decode->nr_lost++;
			free_grant(decode, grant);
		} else {
			grant = &(*grant)->next;
		}
	}
	*place = peer->next;
	free(peer);
}

static void drop_peers(struct decode *decode, bool all)
{
	struct peer **place = &decode->peers;

	while (*place) {
		if (all || fabric_is_lost(&(*place)->link))
			drop_peer(decode, place);
		else
			place = &(*place)->next;
	}
}

/* ---- From start to end ---- */

/* With --requests: all of them came, and who sent them has heard of it and left. */
static bool is_finished(const struct decode *decode)
{
	uint32_t wanted = decode->role->options->nr_requests;

	return wanted && decode->nr_taken >= wanted && !decode->peers && !decode->grants;
}

static int report(struct decode *decode)
{
	struct memory *memory = &decode->role->memory;
	long in_use = memory->ops->in_use(memory);

	printf("decode: taken %u, damaged %u, refused %u, asked again %u, grants lost with their "
	       "peer %u, "
	       "peers %u, in use %ld\n",
	       decode->nr_taken, decode->nr_damaged, decode->nr_refused, decode->nr_again,
	       decode->nr_lost, decode->nr_peers, in_use);
	return decode->nr_damaged || in_use || decode->role->fabric.is_stuck ? 1 : 0;
}

int decode_run(struct role *role)
{
	struct decode decode = {.role = role, .known = calloc(MOST_REQUESTS, 1)};
	uint16_t port = role->options->port;

	if (!decode.known) {
		fprintf(stderr, "kvmove: no memory for the requests\n");
		return 1;
	}
	role->fabric.receive = receive;
	role->fabric.place = place;
	role->fabric.arg = &decode;
	if (fabric_listen(&role->fabric, role->options->address, &port)) {
		free(decode.known);
		return 1;
	}
	printf("decode: listening on %s:%u\n", role->options->address, port);
	while (!is_stopping && !is_finished(&decode) && !role->fabric.is_stuck) {
		fabric_wait(&role->fabric, 1);
		answer_calls(&decode);
		drop_peers(&decode, false);
		free_decoded(&decode);
	}
	drop_peers(&decode, true);
	for (struct grant *grant = decode.grants; grant; grant = grant->next)
		grant->until = 0;
	free_decoded(&decode);
	free(decode.known);
	return report(&decode);
}
