/* SPDX-License-Identifier: MIT */
/*
 * tests/pass_fds.h - descriptors that go to another process over a Unix socket, as a server would pass
 * those of its memory on. For programs that include it, with CUnit or without.
 */
#ifndef HUGENUMA_TESTS_PASS_FDS_H
#define HUGENUMA_TESTS_PASS_FDS_H

#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define PASS_FDS_MAX 64

union pass_fds_control {
	struct cmsghdr header;
	char space[CMSG_SPACE(PASS_FDS_MAX * sizeof(int))];
};

/* Send nr descriptors, at most PASS_FDS_MAX, in one message. Returns whether it went. */
static inline bool pass_fds(int socket, const int *fds, unsigned nr)
{
	union pass_fds_control control = {.header = {.cmsg_len = CMSG_LEN(nr * sizeof(int)),
						     .cmsg_level = SOL_SOCKET,
						     .cmsg_type = SCM_RIGHTS}};
	struct iovec data = {"", 1};
	struct msghdr message = {.msg_iov = &data,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = CMSG_SPACE(nr * sizeof(int))};

	memcpy(CMSG_DATA(&control.header), fds, nr * sizeof(int));
	return sendmsg(socket, &message, 0) == 1;
}

/* Receive the descriptors of one message, which are close-on-exec. Returns how many came; more than max: 0. */
static inline unsigned take_fds(int socket, int *fds, unsigned max)
{
	union pass_fds_control control;
	char byte;
	struct iovec data = {&byte, 1};
	struct msghdr message = {.msg_iov = &data,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control)};
	size_t nr;

	if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1 || !message.msg_controllen)
		return 0;
	nr = (control.header.cmsg_len - CMSG_LEN(0)) / sizeof(int);
	if (nr > max)
		return 0;
	memcpy(fds, CMSG_DATA(&control.header), nr * sizeof(int));
	return (unsigned)nr;
}

#endif
