/* SPDX-License-Identifier: MIT */
/*
 * numa/process.c - noticing fork().
 *
 * Calls the C library's threads only.
 */
#include "config.h"

#include <pthread.h>
#include <stdatomic.h>

#include <hugenuma.h>

#include "numa/error.h"
#include "numa/process.h"

unsigned hnuma_process_epoch;

static void child_begins(void)
{
	hnuma_process_epoch++;
}

int hnuma_process_watch_forks(void)
{
	static atomic_bool is_watching;
	int error;

	/*
	 * No lock: a child of fork() could find it held for ever. Two threads that come here at the
	 * same time both register, and the child counts twice, which is as good. Relaxed: nothing else
	 * is handed over.
	 */
	if (atomic_load_explicit(&is_watching, memory_order_relaxed))
		return 0;
	error = pthread_atfork(NULL, NULL, child_begins);
	if (error)
		return hnuma_error_set(-error, "no memory to have fork() noticed");
	atomic_store_explicit(&is_watching, true, memory_order_relaxed);
	return 0;
}

int hnuma_process_refuse(const char *what)
{
	return hnuma_error_set(
		-EOWNERDEAD,
		"this %s was made before fork() by the parent process and is not the "
		"child's to use: make one of its own in the child",
		what);
}
