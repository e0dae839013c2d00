/* SPDX-License-Identifier: MIT */
/*
 * tests/check_internal.h - what check.c, check_pages.c and check_state.c share.
 */
#ifndef HUGENUMA_TESTS_CHECK_INTERNAL_H
#define HUGENUMA_TESTS_CHECK_INTERNAL_H

/* Record a failure of the running test, with a text made up at run time. */
void hnuma_check_fail(const char *file, unsigned line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Seconds after which a test program gives up. */
unsigned hnuma_check_timeout(void);

#endif
