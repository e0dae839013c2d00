/* SPDX-License-Identifier: MIT */
/*
 * numa/harden.c - is hardening asked for, and with which key? Calls numa/sys.
 */
#include "config.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <hugenuma.h>

#include "numa/error.h"
#include "numa/harden.h"
#include "numa/sys.h"

unsigned hnuma_harden_asked(void)
{
	const char *value = secure_getenv("HUGENUMA_HARDENED");

	return value && strcmp(value, "1") == 0 ? HNUMA_HARDENED : 0;
}

int hnuma_harden_key(uint64_t *key)
{
	int previous, error;

	/* To ask is a point where a thread can be cancelled, and the pool has its memory by now. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &previous);
	error = hnuma_sys.random(key, sizeof(*key));
	pthread_setcancelstate(previous, &previous);
	return error ? hnuma_error_set(error, "getrandom() gave no key for a hardened pool: %s",
				       hnuma_strerror(error))
		     : 0;
}
