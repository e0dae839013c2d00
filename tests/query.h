/* SPDX-License-Identifier: MIT */
/*
 * tests/query.h - a kernel that says of all pages the same.
 *
 * For test programs that include it: put query_says() in the place of hnuma_sys.query_pages.
 */
#ifndef HUGENUMA_TESTS_QUERY_H
#define HUGENUMA_TESTS_QUERY_H

static int query_answer; /* of the kernel for each page: a node, or an error */

static int query_says(unsigned long count, void **pages, int *status)
{
	(void)pages;
	for (unsigned long i = 0; i < count; i++)
		status[i] = query_answer;
	return 0;
}

#endif
