/* SPDX-License-Identifier: MIT */
/*
 * fabric.c - the worker, links and messages (fabric.h). Calls UCX and libc.
 */
#include "fabric.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "socket.h"

#define MESSAGES 0 /* the one kind of active message in use; struct message says the rest */

/* So often nothing is found to do before the thread sleeps: waking up costs more than a look. */
#define LOOKS 200

/* So long is waited for a local peer that is dead, perhaps. */
#define STUCK_SECONDS 2.0

/* So long may a greeting take, both ways: who calls keeps all others waiting. */
#define GREETING_SECONDS 5.0

/* No peer has more than this to say at the start. */
#define MOST_GREETING ((uint64_t)1 << 30)

/* A message on its way; UCX reads it until it is gone. */
struct outgoing {
	struct link *link;
	struct message message;
	char data[];
};

static int complain(const char *what, ucs_status_t status)
{
	fprintf(stderr, "kvmove: %s: %s\n", what, ucs_status_string(status));
	return -1;
}

static void on_arrival(void *request, ucs_status_t status, size_t length, void *arg)
{
	struct arrival *arrival = arg;

	--*arrival->nr_arriving;
	arrival->arrived(arrival->arg, status == UCS_OK && length == arrival->bytes);
	free(arrival);
	if (request)
		ucp_request_free(request);
}

/* Have a block fetched into the place that it has here. */
static void fetch_block(struct fabric *fabric, const struct message *message, void *data,
			size_t length)
{
	ucp_request_param_t param = {
		.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA |
				UCP_OP_ATTR_FIELD_MEMH | UCP_OP_ATTR_FLAG_NO_IMM_CMPL,
		.cb.recv_am = on_arrival,
	};
	struct arrival place, *arrival;
	ucs_status_ptr_t fetch;

	if (!fabric->place || !fabric->place(fabric->arg, message->link, message, &place))
		return;
	arrival = malloc(sizeof(*arrival));
	if (!arrival || length != place.bytes) {
		free(arrival);
		place.arrived(place.arg, false);
		return;
	}
	*arrival = place;
	param.user_data = arrival;
	param.memh = arrival->registration;
	++*arrival->nr_arriving;
	fetch = ucp_am_recv_data_nbx(fabric->worker, data, arrival->block, length, &param);
	if (UCS_PTR_IS_ERR(fetch))
		on_arrival(NULL, UCS_PTR_STATUS(fetch), 0, arrival);
}

static ucs_status_t on_message(void *arg, const void *header, size_t header_length, void *data,
			       size_t length, const ucp_am_recv_param_t *param)
{
	struct fabric *fabric = arg;
	struct message message;

	if (header_length != sizeof(message))
		return UCS_OK;
	memcpy(&message, header, sizeof(message));
	if (param->recv_attr & UCP_AM_RECV_ATTR_FLAG_RNDV)
		fetch_block(fabric, &message, data, length);
	else
		fabric->receive(fabric->arg, message.link, &message, data, length);
	return UCS_OK;
}

int fabric_open(struct fabric *fabric)
{
	ucp_params_t params = {
		.field_mask = UCP_PARAM_FIELD_FEATURES,
		.features = UCP_FEATURE_RMA | UCP_FEATURE_AM | UCP_FEATURE_WAKEUP,
	};
	ucp_worker_params_t worker = {
		.field_mask = UCP_WORKER_PARAM_FIELD_THREAD_MODE,
		.thread_mode = UCS_THREAD_MODE_SINGLE,
	};
	ucp_am_handler_param_t handler = {
		.field_mask = UCP_AM_HANDLER_PARAM_FIELD_ID | UCP_AM_HANDLER_PARAM_FIELD_CB |
			      UCP_AM_HANDLER_PARAM_FIELD_ARG | UCP_AM_HANDLER_PARAM_FIELD_FLAGS,
		.id = MESSAGES,
		.cb = on_message,
		.arg = fabric,
		.flags = UCP_AM_FLAG_WHOLE_MSG,
	};
	ucs_status_t status = ucp_init(&params, NULL, &fabric->context);

	fabric->listen_fd = -1;
	if (status != UCS_OK)
		return complain("UCX", status);
	status = ucp_worker_create(fabric->context, &worker, &fabric->worker);
	if (status != UCS_OK)
		goto cleanup;
	status = ucp_worker_set_am_recv_handler(fabric->worker, &handler);
	if (status == UCS_OK)
		status = ucp_worker_get_efd(fabric->worker, &fabric->event_fd);
	if (status == UCS_OK)
		return 0;
	ucp_worker_destroy(fabric->worker);
cleanup:
	ucp_cleanup(fabric->context);
	return complain("UCX", status);
}

int fabric_listen(struct fabric *fabric, const char *address, uint16_t *port)
{
	fabric->listen_fd = socket_listen(address, port);
	return fabric->listen_fd < 0 ? -1 : 0;
}

void fabric_close(struct fabric *fabric)
{
	if (fabric->listen_fd >= 0)
		close(fabric->listen_fd);
	/* What is under way is UCX's until this process has ended. */
	if (fabric->is_stuck)
		return;
	ucp_worker_destroy(fabric->worker);
	ucp_cleanup(fabric->context);
}

void fabric_wait(struct fabric *fabric, int timeout_ms)
{
	struct pollfd events[2] = {{.fd = fabric->event_fd, .events = POLLIN},
				   {.fd = fabric->listen_fd, .events = POLLIN}};

	for (unsigned look = 0; look < LOOKS; look++)
		if (ucp_worker_progress(fabric->worker))
			return;
	/* Who sends over shared memory wakes nobody. */
	if (fabric->is_local) {
		sched_yield();
		return;
	}
	/* Refused while something has come up since the last look. */
	if (ucp_worker_arm(fabric->worker) == UCS_OK)
		poll(events, 2, timeout_ms);
}

/* ---- Links ---- */

static void on_failure(void *arg, ucp_ep_h endpoint, ucs_status_t status)
{
	struct link *link = arg;

	(void)endpoint;
	(void)status;
	link->is_broken = true;
}

/* Who we are, in one go. */
static int send_greeting(const struct fabric *fabric, const struct link *link, double until,
			 size_t block_bytes, const struct windows *windows)
{
	struct greeting greeting = {.magic = MESSAGE_MAGIC,
				    .block_bytes = (uint32_t)block_bytes,
				    .link = link->number,
				    .nr_windows = windows ? windows->nr : 0};
	ucp_address_t *address;
	size_t address_length, windows_length = 0;
	void *packed = NULL;
	ucs_status_t status;
	int error;

	if (windows && windows_pack(windows, &packed, &windows_length))
		return -EPROTO;
	status = ucp_worker_get_address(fabric->worker, &address, &address_length);
	if (status != UCS_OK) {
		free(packed);
		complain("our own address", status);
		return -EPROTO;
	}
	greeting.address_length = address_length;
	greeting.windows_length = windows_length;
	error = socket_write(link->socket, &greeting, sizeof(greeting), until);
	if (!error)
		error = socket_write(link->socket, address, address_length, until);
	if (!error)
		error = socket_write(link->socket, packed, windows_length, until);
	ucp_worker_release_address(fabric->worker, address);
	free(packed);
	return error;
}

/* Who the peer is: *body receives its address, and behind it its windows. */
static int read_greeting(const struct link *link, double until, size_t block_bytes,
			 struct greeting *greeting, char **body)
{
	uint64_t length;
	int error = socket_read(link->socket, greeting, sizeof(*greeting), until);

	*body = NULL;
	if (error)
		return error;
	length = greeting->address_length + greeting->windows_length;
	if (greeting->magic != MESSAGE_MAGIC || greeting->address_length > MOST_GREETING ||
	    greeting->windows_length > MOST_GREETING) {
		fprintf(stderr, "kvmove: who called is no kvmove of this kind\n");
		return -EPROTO;
	}
	if (greeting->block_bytes != block_bytes) {
		fprintf(stderr, "kvmove: the peer has blocks of %u bytes, and not of %zu\n",
			greeting->block_bytes, block_bytes);
		return -EPROTO;
	}
	*body = malloc(length + 1);
	if (!*body) {
		fprintf(stderr, "kvmove: no memory for a greeting of %llu bytes\n",
			(unsigned long long)length);
		return -EPROTO;
	}
	return socket_read(link->socket, *body, length, until);
}

/* Greet over link->socket, and make the endpoint. */
static int link_up(struct fabric *fabric, struct link *link, size_t block_bytes,
		   const struct windows *windows, struct windows *theirs)
{
	ucp_ep_params_t params = {
		.field_mask = UCP_EP_PARAM_FIELD_REMOTE_ADDRESS |
			      UCP_EP_PARAM_FIELD_ERR_HANDLING_MODE | UCP_EP_PARAM_FIELD_ERR_HANDLER,
		/* With it an endpoint can be closed whose peer is gone. */
		.err_mode =
			fabric->is_local ? UCP_ERR_HANDLING_MODE_NONE : UCP_ERR_HANDLING_MODE_PEER,
		.err_handler = {on_failure, link},
	};
	const double until = clock_seconds() + GREETING_SECONDS;
	struct greeting greeting;
	char *body = NULL;
	ucs_status_t status;
	int error;

	link->number = ++fabric->nr_links;
	error = send_greeting(fabric, link, until, block_bytes, windows);
	if (!error)
		error = read_greeting(link, until, block_bytes, &greeting, &body);
	if (error)
		goto close_socket;
	link->theirs = greeting.link;
	params.address = (ucp_address_t *)body;
	status = ucp_ep_create(fabric->worker, &params, &link->endpoint);
	if (status != UCS_OK) {
		complain("a link", status);
		error = -EPROTO;
		goto close_socket;
	}
	if (theirs && windows_unpack(theirs, link->endpoint, greeting.nr_windows,
				     body + greeting.address_length, greeting.windows_length)) {
		fabric_hang_up(fabric, link);
		free(body);
		return -EPROTO;
	}
	free(body);
	return 0;

close_socket:
	close(link->socket);
	free(body);
	return error;
}

int fabric_connect(struct fabric *fabric, struct link *link, const char *address, uint16_t port,
		   size_t block_bytes, struct windows *theirs)
{
	memset(link, 0, sizeof(*link));
	link->socket = socket_connect(address, port);
	return link->socket < 0 ? link->socket : link_up(fabric, link, block_bytes, NULL, theirs);
}

int fabric_answer(struct fabric *fabric, struct link *link, size_t block_bytes,
		  const struct windows *windows)
{
	memset(link, 0, sizeof(*link));
	link->socket = socket_accept(fabric->listen_fd);
	return link->socket < 0 ? link->socket : link_up(fabric, link, block_bytes, windows, NULL);
}

bool fabric_is_lost(const struct link *link)
{
	return link->is_broken || socket_is_closed(link->socket);
}

static void on_sent(void *request, ucs_status_t status, void *arg)
{
	struct outgoing *outgoing = arg;

	(void)status; /* a failure is the link's, which is told of it */
	outgoing->link->nr_sends--;
	free(outgoing);
	if (request)
		ucp_request_free(request);
}

void fabric_send(struct link *link, const struct message *message, const void *data, size_t length)
{
	struct outgoing *outgoing = malloc(sizeof(*outgoing) + length);
	ucp_request_param_t param = {
		.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA |
				UCP_OP_ATTR_FIELD_FLAGS,
		.flags = UCP_AM_SEND_FLAG_EAGER, /* it comes whole, into no memory of ours */
		.cb.send = on_sent,
		.user_data = outgoing,
	};
	ucs_status_ptr_t sent;

	/* A broken link is one that is being closed, too: UCX wants nothing more on its endpoint. */
	if (!outgoing || link->is_broken) {
		link->is_broken = true;
		free(outgoing);
		return;
	}
	outgoing->link = link;
	outgoing->message = *message;
	outgoing->message.link = link->theirs;
	if (length)
		memcpy(outgoing->data, data, length);
	link->nr_sends++;
	sent = ucp_am_send_nbx(link->endpoint, MESSAGES, &outgoing->message, sizeof(*message),
			       outgoing->data, length, &param);
	if (UCS_PTR_IS_ERR(sent))
		link->is_broken = true;
	/* Done at once, or never begun: then nobody else tells. */
	if (!UCS_PTR_IS_PTR(sent))
		on_sent(NULL, UCS_OK, outgoing);
}

ucs_status_ptr_t fabric_send_block(struct link *link, struct message *message, const void *block,
				   size_t bytes, ucp_mem_h registration,
				   ucp_send_nbx_callback_t done, void *arg)
{
	ucp_request_param_t param = {
		.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA |
				UCP_OP_ATTR_FIELD_FLAGS | UCP_OP_ATTR_FIELD_MEMH,
		.flags = UCP_AM_SEND_FLAG_RNDV,
		.cb.send = done,
		.user_data = arg,
		.memh = registration,
	};

	message->link = link->theirs;
	return ucp_am_send_nbx(link->endpoint, MESSAGES, message, sizeof(*message), block, bytes,
			       &param);
}

/* Until the request has ended, or never will. */
static void wait_for(struct fabric *fabric, const struct link *link, void *request)
{
	double until = clock_seconds() + STUCK_SECONDS;

	while ((request && ucp_request_check_status(request) == UCS_INPROGRESS) || link->nr_sends) {
		fabric_wait(fabric, 1);
		if (fabric->is_local && clock_seconds() > until) {
			fabric->is_stuck = true;
			return;
		}
	}
}

void fabric_hang_up(struct fabric *fabric, struct link *link)
{
	ucp_request_param_t param = {.op_attr_mask = UCP_OP_ATTR_FIELD_FLAGS};
	ucs_status_ptr_t closing;

	while (link->nr_sends && !fabric_is_lost(link))
		fabric_wait(fabric, 1);
	if (fabric_is_lost(link) && !fabric->is_local)
		param.flags = UCP_EP_CLOSE_FLAG_FORCE;
	link->is_broken = true; /* what the peer still says is not answered */
	closing = ucp_ep_close_nbx(link->endpoint, &param);
	if (!UCS_PTR_IS_PTR(closing))
		closing = NULL;
	wait_for(fabric, link, closing);
	if (closing && !fabric->is_stuck)
		ucp_request_free(closing);
	/* Last: for the peer it means that we do not write to its memory any more. */
	close(link->socket);
}
