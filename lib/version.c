/* SPDX-License-Identifier: MIT */
/*
 * lib/version.c - which version of the library this is.
 */
#include "config.h"

#include <hugenuma.h>

/* Two steps, so that the macros' values become text and not their names. */
#define TEXT_OF(number)		     #number
#define VERSION(major, minor, patch) TEXT_OF(major) "." TEXT_OF(minor) "." TEXT_OF(patch)

const char *hnuma_version(void)
{
	return VERSION(HNUMA_VERSION_MAJOR, HNUMA_VERSION_MINOR, HNUMA_VERSION_PATCH);
}
