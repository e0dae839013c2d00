/* SPDX-License-Identifier: MIT */
/*
 * socket.h - the few bytes that peers exchange before UCX can: a TCP socket that waits until a moment
 * and no longer, and notices when the other end is gone.
 */
#ifndef KVMOVE_SOCKET_H
#define KVMOVE_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Returns the socket, or -1 with a line printed. *port 0: any, which it then is. */
int socket_listen(const char *address, uint16_t *port);

/* Both return the socket, or -EAGAIN: nobody is there; -EPROTO with a line printed: no such address. */
int socket_connect(const char *address, uint16_t port);
int socket_accept(int listener);

/* All of it, until clock_seconds() is so much. Both return 0, or -EAGAIN: the other end is gone, or slow. */
int socket_write(int socket, const void *data, size_t length, double until);
int socket_read(int socket, void *data, size_t length, double until);

bool socket_is_closed(int socket);

#endif
