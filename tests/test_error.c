/* SPDX-License-Identifier: MIT */
/*
 * tests/test_error.c - the thread's message, errno in words, the version, and the checks of
 * attributes that all constructors share.
 */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hugenuma.h>

#include "numa/error.h"
#include "numa/ground.h"
#include "tests/check.h"

/* The longest message, its NUL not counted. */
#define LONGEST 999

static void *fresh_thread(void *arg)
{
	(void)arg;
	/* Empty before the first failure, whatever other threads have had. */
	CU_ASSERT_STRING_EQUAL(hnuma_errormsg(), "");
	CU_ASSERT_EQUAL(hnuma_error_set(-EIO, "the other thread's"), -EIO);
	CU_ASSERT_STRING_EQUAL(hnuma_errormsg(), "the other thread's");
	return NULL;
}

static void test_per_thread(void)
{
	pthread_t thread;

	CU_ASSERT_EQUAL(hnuma_error_set(-EINVAL, "mine: %d", 1), -EINVAL);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, fresh_thread, NULL), 0);
	pthread_join(thread, NULL);
	CU_ASSERT_STRING_EQUAL(hnuma_errormsg(), "mine: 1");
}

static void test_prefix(void)
{
	hnuma_error_set(-ENOMEM, "no pages");
	CU_ASSERT_EQUAL(hnuma_error_prefix(-EIO, "arena of node %d: ", 1), -EIO);
	CU_ASSERT_STRING_EQUAL(hnuma_errormsg(), "arena of node 1: no pages");
	/* The arguments may be the message itself. */
	hnuma_error_set(-EIO, "twice, %s", hnuma_errormsg());
	CU_ASSERT_STRING_EQUAL(hnuma_errormsg(), "twice, arena of node 1: no pages");
	hnuma_error_prefix(-EIO, "%s; ", hnuma_errormsg());
	CU_ASSERT_STRING_EQUAL(hnuma_errormsg(), "twice, arena of node 1: no pages; "
						 "twice, arena of node 1: no pages");
}

static void test_cut(void)
{
	char *long_text = malloc(5001);

	CU_ASSERT_PTR_NOT_NULL_FATAL(long_text);
	memset(long_text, 'x', 5000);
	long_text[LONGEST] = '\0';
	hnuma_error_set(-EIO, "%s", long_text);
	CU_ASSERT_STRING_EQUAL(hnuma_errormsg(), long_text);
	long_text[LONGEST] = 'x';
	long_text[5000] = '\0';
	hnuma_error_set(-EIO, "%s", long_text);
	CU_ASSERT_EQUAL(strlen(hnuma_errormsg()), LONGEST);
	CU_ASSERT_STRING_EQUAL(hnuma_errormsg() + LONGEST - 4, "x...");
	hnuma_error_prefix(-EIO, "before: ");
	CU_ASSERT_EQUAL(strlen(hnuma_errormsg()), LONGEST);
	CU_ASSERT_EQUAL(strncmp(hnuma_errormsg(), "before: xxx", 11), 0);
	CU_ASSERT_STRING_EQUAL(hnuma_errormsg() + LONGEST - 4, "x...");
	/* A prefix that leaves no room for anything. */
	hnuma_error_prefix(-EIO, "%s", long_text);
	CU_ASSERT_EQUAL(strlen(hnuma_errormsg()), LONGEST);
	CU_ASSERT_STRING_EQUAL(hnuma_errormsg() + LONGEST - 4, "x...");
	free(long_text);
}

/* A cut never leaves half a character, wherever it falls. */
static void test_cut_between_characters(void)
{
	char text[2000];

	for (size_t offset = 0; offset < 4; offset++) {
		size_t length, used = 0;
		const char *message;

		memset(text, 'x', offset);
		for (used = offset; used < 1600; used += 3)
			memcpy(text + used, "\xe2\x82\xac", 4);
		hnuma_error_set(-EIO, "%s", text);
		message = hnuma_errormsg();
		length = strlen(message);
		CU_ASSERT(length <= LONGEST && length > LONGEST - 4);
		CU_ASSERT_STRING_EQUAL(message + length - 3, "...");
		CU_ASSERT_EQUAL((length - 3 - offset) % 3, 0);
	}
}

static void test_one_sentence(void)
{
	hnuma_error_set(-EIO, "file \"a\nb\033[2J\x7f\xc3\xa9\"");
	CU_ASSERT_STRING_EQUAL(hnuma_errormsg(), "file \"a?b?[2J?\xc3\xa9\"");
}

static void test_errno_is_kept(void)
{
	errno = ESTALE;
	hnuma_error_set(-EIO, "%s", "a");
	hnuma_error_prefix(-EIO, "%s", "b");
	CU_ASSERT_EQUAL(errno, ESTALE);
	/* What cannot be written in this locale: the words stay, at least. */
	hnuma_error_set(-EIO, "name %ls", L"\x20ac");
	CU_ASSERT_STRING_EQUAL(hnuma_errormsg(), "name %ls");
	CU_ASSERT_EQUAL(errno, ESTALE);
}

static void test_strerror(void)
{
	static const int no_errnos[] = {INT_MIN, INT_MAX, -INT_MAX, 100000, -100000, 4095};

	CU_ASSERT_STRING_EQUAL(hnuma_strerror(ENOMEM), "Cannot allocate memory");
	CU_ASSERT_STRING_EQUAL(hnuma_strerror(-ENOMEM), "Cannot allocate memory");
	CU_ASSERT_STRING_EQUAL(hnuma_strerror(-EOWNERDEAD), "Owner died");
	for (size_t i = 0; i < sizeof(no_errnos) / sizeof(no_errnos[0]); i++)
		CU_ASSERT_STRING_EQUAL(hnuma_strerror(no_errnos[i]), "unknown error");
	/* Static: the next call leaves it alone. */
	CU_ASSERT_PTR_EQUAL(hnuma_strerror(EIO), hnuma_strerror(-EIO));
	CU_ASSERT_STRING_NOT_EQUAL(hnuma_strerror(EIO), hnuma_strerror(EPERM));
	CU_ASSERT(hnuma_strerror(0)[0] != '\0');
}

static void test_backing_name(void)
{
	CU_ASSERT_STRING_EQUAL(hnuma_backing_name(HNUMA_BACKING_HUGETLB), "hugetlb");
	CU_ASSERT_STRING_EQUAL(hnuma_backing_name(HNUMA_BACKING_THP), "thp");
	CU_ASSERT_STRING_EQUAL(hnuma_backing_name(HNUMA_BACKING_BASE), "base");
	CU_ASSERT_STRING_EQUAL(hnuma_backing_name((enum hnuma_backing)0), "unknown");
	CU_ASSERT_STRING_EQUAL(hnuma_backing_name((enum hnuma_backing)4), "unknown");
	CU_ASSERT_STRING_EQUAL(hnuma_backing_name((enum hnuma_backing) - 1), "unknown");
}

static void test_version(void)
{
	char expected[64];

	snprintf(expected, sizeof(expected), "%d.%d.%d", HNUMA_VERSION_MAJOR, HNUMA_VERSION_MINOR,
		 HNUMA_VERSION_PATCH);
	CU_ASSERT_STRING_EQUAL(hnuma_version(), expected);
	/* What configure.ac calls it. */
	CU_ASSERT_STRING_EQUAL(hnuma_version(), PACKAGE_VERSION);
}

static int check_attr(size_t size, int backing, int policy, unsigned flags)
{
	return hnuma_attr_check("struct thing", size, 64, (enum hnuma_backing)backing,
				(enum hnuma_policy)policy, flags, HNUMA_RELAXED);
}

static void test_attributes(void)
{
	for (int backing = HNUMA_BACKING_BASE; backing <= HNUMA_BACKING_HUGETLB; backing++)
		for (int policy = HNUMA_POLICY_BIND; policy <= HNUMA_POLICY_INTERLEAVE; policy++)
			CU_ASSERT_EQUAL(check_attr(64, backing, policy, HNUMA_RELAXED), 0);
	CU_ASSERT_EQUAL(check_attr(0, 2, 0, 0), -EINVAL);
	check_message("struct thing: struct_size is 0, this library knows 64");
	CU_ASSERT_EQUAL(check_attr(SIZE_MAX, 2, 0, 0), -EINVAL);
	CU_ASSERT_EQUAL(check_attr(64, 0, 0, 0), -EINVAL);
	check_message("struct thing: least_backing is 0");
	CU_ASSERT_EQUAL(check_attr(64, 4, 0, 0), -EINVAL);
	CU_ASSERT_EQUAL(check_attr(64, -1, 0, 0), -EINVAL);
	CU_ASSERT_EQUAL(check_attr(64, 2, 3, 0), -EINVAL);
	check_message("struct thing: policy is 3");
	CU_ASSERT_EQUAL(check_attr(64, 2, -1, 0), -EINVAL);
	CU_ASSERT_EQUAL(check_attr(64, 2, 0, HNUMA_INHERIT | HNUMA_RELAXED), -EINVAL);
	check_message("flags 0x3, of which 0x2 cannot be used here: allowed are HNUMA_RELAXED");
	CU_ASSERT_EQUAL(check_attr(64, 2, 0, 1u << 31), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_attr_check("struct thing", 1, 1, HNUMA_BACKING_THP, HNUMA_POLICY_BIND,
					 8, HNUMA_RELAXED | HNUMA_INHERIT | HNUMA_NO_DUMP),
			-EINVAL);
	check_message("allowed are HNUMA_RELAXED, HNUMA_INHERIT, HNUMA_NO_DUMP");
	CU_ASSERT_EQUAL(
		hnuma_attr_check("struct thing", 1, 1, HNUMA_BACKING_THP, HNUMA_POLICY_BIND, 1, 0),
		-EINVAL);
	check_message("allowed are none");
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"one message per thread", test_per_thread},
		{"words before the message", test_prefix},
		{"too long a message is cut", test_cut},
		{"between characters", test_cut_between_characters},
		{"one sentence, no controls", test_one_sentence},
		{"errno stays", test_errno_is_kept},
		{"errno in words", test_strerror},
		{"backing name", test_backing_name},
		{"version", test_version},
		{"attributes", test_attributes},
		CU_TEST_INFO_NULL,
	};

	return check_main("error", tests);
}
