/* SPDX-License-Identifier: MIT */
/*
 * numa/random.c - numbers that nobody can guess. Calls numa/sys.
 */
#include "config.h"

#include <pthread.h>

#include <hugenuma.h>

#include "numa/error.h"
#include "numa/random.h"
#include "numa/sys.h"

int hnuma_random_draw(uint64_t *number, const char *purpose)
{
	int previous, error;

	/* To ask is a point where a thread can be cancelled, and what it is for has its memory by now. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &previous);
	error = hnuma_sys.random(number, sizeof(*number));
	pthread_setcancelstate(previous, &previous);
	return error ? hnuma_error_set(error, "getrandom() gave no %s: %s", purpose,
				       hnuma_strerror(error))
		     : 0;
}
