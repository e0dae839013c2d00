/* SPDX-License-Identifier: MIT */
/*
 * socket.c - TCP, before UCX (socket.h). Calls libc.
 */
#include "socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "clock.h"

#define CONNECT_SECONDS 5

static bool read_address(struct sockaddr_in *to, const char *address, uint16_t port)
{
	*to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
	if (inet_pton(AF_INET, address, &to->sin_addr) == 1)
		return true;
	fprintf(stderr, "kvmove: %s is no address such as 127.0.0.1\n", address);
	return false;
}

/* A connection that does not wait for ever: for an answer, and for a host that has vanished. */
static int set_up(int connection)
{
	const struct timeval answer = {.tv_sec = CONNECT_SECONDS};
	const int on = 1, idle = 10, interval = 5, tries = 4;

	setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &answer, sizeof(answer));
	setsockopt(connection, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(connection, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(connection, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
	setsockopt(connection, IPPROTO_TCP, TCP_KEEPCNT, &tries, sizeof(tries));
	return connection;
}

int socket_listen(const char *address, uint16_t *port)
{
	struct sockaddr_in at;
	socklen_t length = sizeof(at);
	const int on = 1;
	int listener;

	if (!read_address(&at, address, *port))
		return -1;
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listener >= 0)
		setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (listener < 0 || bind(listener, (struct sockaddr *)&at, sizeof(at)) ||
	    listen(listener, 16) || getsockname(listener, (struct sockaddr *)&at, &length)) {
		fprintf(stderr, "kvmove: %s:%u: %s\n", address, *port, strerror(errno));
		if (listener >= 0)
			close(listener);
		return -1;
	}
	*port = ntohs(at.sin_port);
	return listener;
}

int socket_connect(const char *address, uint16_t port)
{
	struct sockaddr_in to;
	int connection;

	if (!read_address(&to, address, port))
		return -EPROTO;
	connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connection < 0)
		return -EAGAIN;
	set_up(connection);
	if (connect(connection, (struct sockaddr *)&to, sizeof(to)) == 0)
		return connection;
	close(connection);
	return -EAGAIN;
}

int socket_accept(int listener)
{
	int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	return connection < 0 ? -EAGAIN : set_up(connection);
}

/* Until there are bytes, or room for some. False: the time is up. */
static bool wait_for(int socket, short events, double until)
{
	struct pollfd event = {.fd = socket, .events = events};
	double left;
	int nr;

	do {
		left = until - clock_seconds();
		nr = left > 0 ? poll(&event, 1, (int)(left * 1e3) + 1) : 0;
	} while (nr < 0 && errno == EINTR);
	return nr > 0;
}

int socket_write(int socket, const void *data, size_t length, double until)
{
	for (const char *at = data; length;) {
		ssize_t written;

		if (!wait_for(socket, POLLOUT, until))
			return -EAGAIN;
		written = send(socket, at, length, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (written < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (written <= 0)
			return -EAGAIN;
		at += written;
		length -= (size_t)written;
	}
	return 0;
}

int socket_read(int socket, void *data, size_t length, double until)
{
	for (char *at = data; length;) {
		ssize_t got;

		if (!wait_for(socket, POLLIN, until))
			return -EAGAIN;
		got = recv(socket, at, length, MSG_DONTWAIT);
		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got <= 0)
			return -EAGAIN;
		at += got;
		length -= (size_t)got;
	}
	return 0;
}

bool socket_is_closed(int socket)
{
	char byte;
	ssize_t got = recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	return got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}
