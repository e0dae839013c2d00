/* SPDX-License-Identifier: MIT */
/*
 * tests/adopt.h - what the tests of managers that are handed over share: a small manager, what it has
 * out, and descriptors through a socket.
 */
#ifndef HUGENUMA_TESTS_ADOPT_H
#define HUGENUMA_TESTS_ADOPT_H

#include <string.h>
#include <sys/socket.h>

#include <hugenuma.h>

#include "tests/check.h"

#define ADOPT_POOL_PAGES 6
/* Of one manager: books and spaces, the pool's pages with their guards, and the arena. */
#define ADOPT_PAGES (2 * ADOPT_POOL_PAGES + 4)

#define ADOPT_NR_BLOCKS 20

struct adopt_block {
	size_t offset; /* in its region */
	int class_index;
};

/* main()'s to set. */
extern struct hnuma_topology *adopt_topology;
extern int adopt_home;

/* A copy of the descriptor of the last manager that was made, and what is out of its pool. */
extern int adopt_fd;
extern struct adopt_block adopt_blocks[ADOPT_NR_BLOCKS];

/* Of a small shared manager on the home node. */
struct hnuma_config adopt_config(void);

struct hnuma_manager *adopt_make(const struct hnuma_config *config);

/* Use the pool: blocks of each class are out, others have come back, to caches and depots. */
void adopt_use(struct hnuma_manager *manager);

/* Make one, use it, and leave it. */
void adopt_leave_one(const struct hnuma_config *config);

/* Adopt what adopt_fd leads to. */
struct hnuma_manager *adopt_again(void);

/* Where a block is now. */
unsigned char *adopt_block_at(const struct hnuma_manager *manager, int i);

/* Are the blocks all there, and nothing else? Gives them back. */
void adopt_check_blocks(struct hnuma_manager *manager);

/* An adoption of these descriptors is refused, and leaves everything as it was. */
void adopt_refuse(const int *fds, unsigned nr, int error, const char *words);

static inline void adopt_send(int socket, int fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
				.cmsg_level = SOL_SOCKET,
				.cmsg_type = SCM_RIGHTS}};
	struct iovec data = {"", 1};
	struct msghdr message = {.msg_iov = &data,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control)};

	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	CU_ASSERT_EQUAL(sendmsg(socket, &message, 0), 1);
}

/* A descriptor, or -1. */
static inline int adopt_receive(int socket)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec data = {&byte, 1};
	struct msghdr message = {.msg_iov = &data,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control)};
	int fd = -1;

	if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) == 1 && message.msg_controllen)
		memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
	return fd;
}

#endif
