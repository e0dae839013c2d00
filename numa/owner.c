/* SPDX-License-Identifier: MIT */
/*
 * numa/owner.c - the lock of the one process that owns shared memory. Calls numa/sys and the C
 * library's threads.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>

#include <hugenuma.h>

#include "numa/error.h"
#include "numa/owner.h"
#include "numa/sys.h"

/* Protects the list of all that this process owns. A leaf: nothing is locked inside. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct hnuma_owner *owners;
static bool is_watching_forks;

static void before_fork(void)
{
	pthread_mutex_lock(&lock);
}

static void after_fork(void)
{
	pthread_mutex_unlock(&lock);
}

/* What the parent owns is the parent's. */
static void begin_child(void)
{
	for (struct hnuma_owner *owner = owners; owner; owner = owner->next) {
		(void)hnuma_sys.close(owner->fd);
		owner->fd = -1;
	}
	owners = NULL;
	pthread_mutex_unlock(&lock);
}

static bool watch_forks(void)
{
	if (!is_watching_forks)
		is_watching_forks = pthread_atfork(before_fork, after_fork, begin_child) == 0;
	return is_watching_forks;
}

static int explain_lock(int error)
{
	if (error == -EAGAIN || error == -EACCES)
		return hnuma_error_set(
			-EBUSY, "a process owns this memory already: it has to end first, or "
				"to leave it");
	return hnuma_error_set(error, "a lock on the file of shared memory: %s",
			       hnuma_strerror(error));
}

/* Under the list's lock, so that no child of fork() gets a copy that it does not know of. */
static int take(struct hnuma_owner *owner, int fd)
{
	int error;

	if (!watch_forks())
		return hnuma_error_set(-ENOMEM, "no memory to have fork() noticed");
	owner->fd = hnuma_sys.reopen(fd);
	if (owner->fd < 0) {
		error = owner->fd;
		owner->fd = -1;
		return hnuma_error_set(error,
				       "the file of shared memory cannot be opened a second time, "
				       "through /proc/self/fd/%d: %s",
				       fd, hnuma_strerror(error));
	}
	error = hnuma_sys.lock(owner->fd);
	if (error) {
		(void)hnuma_sys.close(owner->fd);
		owner->fd = -1;
		return explain_lock(error);
	}
	owner->next = owners;
	owners = owner;
	return 0;
}

int hnuma_owner_take(struct hnuma_owner *owner, int fd)
{
	int previous, error;

	/* To open is a point where a thread can be cancelled. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &previous);
	pthread_mutex_lock(&lock);
	error = take(owner, fd);
	pthread_mutex_unlock(&lock);
	pthread_setcancelstate(previous, &previous);
	return error;
}

void hnuma_owner_leave(struct hnuma_owner *owner)
{
	struct hnuma_owner **link = &owners;
	int previous;

	if (owner->fd < 0)
		return;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &previous);
	pthread_mutex_lock(&lock);
	while (*link != owner)
		link = &(*link)->next;
	*link = owner->next;
	(void)hnuma_sys.close(owner->fd);
	owner->fd = -1;
	pthread_mutex_unlock(&lock);
	pthread_setcancelstate(previous, &previous);
}
