/* SPDX-License-Identifier: MIT */
/*
 * numa/owner.h - which process owns memory that several can map.
 *
 * The owner holds a lock on the file of a shared region, by an open file of its own. The kernel takes
 * the lock back when the last descriptor of that open file is closed: at the latest with the process,
 * however it ends, and also when it executes another program. The region's own descriptor would not
 * do: it is passed on, and whoever has a copy of it would hold the lock, too.
 *
 * A child of fork() gets a copy of each descriptor, and may outlive the owner: in the child they are
 * closed at once. Only one that is made past the C library, by a clone() of the caller's own, keeps
 * them, until it ends or executes a program.
 *
 * May be called from lib/. Threads: any, each with an owner of its own.
 */
#ifndef HNUMA_NUMA_OWNER_H
#define HNUMA_NUMA_OWNER_H

#include <stddef.h>
#include <stdint.h>

struct hnuma_owner {
	int fd; /* of the open file that has the lock; -1: none */
	struct hnuma_owner *next;
};

#define HNUMA_OWNER_NONE \
	{                \
		-1, NULL \
	}

/*
 * Become the owner.
 *
 * @fd  of a shared region's file; stays the caller's.
 *
 * Returns 0, -EBUSY (somebody is, in this process or another), -ENOMEM, or what the kernel answers where
 * a file cannot be opened a second time (without /proc: -ENOENT) or cannot be locked. Sets the message.
 */
int hnuma_owner_take(struct hnuma_owner *owner, int fd);

/* Be the owner no more. Nothing, where the owner is none. */
void hnuma_owner_leave(struct hnuma_owner *owner);

/*
 * file.c: read the first bytes of a shared region's file, without mapping it.
 *
 * Returns 0; -EINVAL (the file is no shared region's), -EBADF, -EIO; sets the message.
 */
int hnuma_file_peek(int fd, void *buffer, size_t size);

#endif
