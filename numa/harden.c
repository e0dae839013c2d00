/* SPDX-License-Identifier: MIT */
/*
 * numa/harden.c - is hardening asked for?
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include <hugenuma.h>

#include "numa/harden.h"

unsigned hnuma_harden_asked(void)
{
	const char *value = secure_getenv("HUGENUMA_HARDENED");

	return value && strcmp(value, "1") == 0 ? HNUMA_HARDENED : 0;
}
