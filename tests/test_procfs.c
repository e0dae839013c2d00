/* SPDX-License-Identifier: MIT */
/*
 * tests/test_procfs.c - files, numbers and lines, of any length and read in any portions.
 */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "numa/procfs.h"
#include "numa/sys.h"
#include "tests/check.h"
#include "tests/fake_files.h"

/* How read() is bent: at most so many bytes, so many interruptions, an error after so many calls. */
static struct {
	ssize_t (*real)(int fd, void *buffer, size_t size);
	int (*real_open)(const char *path);
	size_t portion;
	int interruptions;
	int open_interruptions;
	int fails_after; /* calls; -1: never */
} bent;

static ssize_t bent_read(int fd, void *buffer, size_t size)
{
	if (bent.interruptions > 0) {
		bent.interruptions--;
		return -EINTR;
	}
	if (bent.fails_after == 0)
		return -EIO;
	if (bent.fails_after > 0)
		bent.fails_after--;
	return bent.real(fd, buffer, size < bent.portion ? size : bent.portion);
}

static int bent_open(const char *path)
{
	if (bent.open_interruptions > 0) {
		bent.open_interruptions--;
		return -EINTR;
	}
	return bent.real_open(path);
}

static void bend(size_t portion, int interruptions, int fails_after)
{
	bent.real = hnuma_sys.read;
	bent.real_open = hnuma_sys.open;
	bent.portion = portion;
	bent.interruptions = interruptions;
	bent.open_interruptions = interruptions;
	bent.fails_after = fails_after;
	hnuma_sys.read = bent_read;
	hnuma_sys.open = bent_open;
}

static void unbend(void)
{
	hnuma_sys.read = bent.real;
	hnuma_sys.open = bent.real_open;
}

static const struct fake_file files[] = {
	{"/f/empty", "", 0},
	{"/f/hello", "hello\n", 0},
	{"/f/secret", NULL, -EACCES},
	{NULL, NULL, 0},
};

static void test_whole_files(void)
{
	char text[16];

	fake_files_begin(files, true);
	memset(text, 'x', sizeof(text));
	CU_ASSERT_EQUAL(hnuma_procfs_read("/f/hello", text, sizeof(text)), 6);
	CU_ASSERT_STRING_EQUAL(text, "hello\n");
	CU_ASSERT_EQUAL(hnuma_procfs_read("/f/hello", text, 7), 6);
	CU_ASSERT_STRING_EQUAL(text, "hello\n");
	text[6] = 'x';
	CU_ASSERT_EQUAL(hnuma_procfs_read("/f/hello", text, 6), -EFBIG);
	CU_ASSERT_STRING_EQUAL(text, "hello");
	CU_ASSERT_EQUAL(text[6], 'x');
	CU_ASSERT_EQUAL(hnuma_procfs_read("/f/hello", text, 1), -EFBIG);
	CU_ASSERT_STRING_EQUAL(text, "");
	CU_ASSERT_EQUAL(hnuma_procfs_read("/f/empty", text, sizeof(text)), 0);
	CU_ASSERT_STRING_EQUAL(text, "");
	CU_ASSERT_EQUAL(hnuma_procfs_read("/f/empty", text, 1), 0);
	text[0] = 'x';
	CU_ASSERT_EQUAL(hnuma_procfs_read("/f/missing", text, sizeof(text)), -ENOENT);
	CU_ASSERT_STRING_EQUAL(text, "");
	CU_ASSERT_EQUAL(hnuma_procfs_read("/f/secret", text, sizeof(text)), -EACCES);
	fake_files_end();
	CU_ASSERT_EQUAL(hnuma_procfs_read("/", text, sizeof(text)), -EISDIR);
}

static void test_portions_and_interruptions(void)
{
	struct check_state before;
	char text[16];

	check_snapshot(&before);
	fake_files_begin(files, true);
	bend(1, 3, -1);
	CU_ASSERT_EQUAL(hnuma_procfs_read("/f/hello", text, sizeof(text)), 6);
	CU_ASSERT_STRING_EQUAL(text, "hello\n");
	unbend();
	bend(2, 0, 2);
	CU_ASSERT_EQUAL(hnuma_procfs_read("/f/hello", text, sizeof(text)), -EIO);
	CU_ASSERT_STRING_EQUAL(text, "");
	unbend();
	/* A kernel that does nothing but interrupt is given up in the end. */
	bend(2, INT_MAX, -1);
	CU_ASSERT_EQUAL(hnuma_procfs_read("/f/hello", text, sizeof(text)), -EINTR);
	unbend();
	fake_files_end();
	check_unchanged(&before);
}

static void test_numbers(void)
{
	static const struct {
		const char *text;
		int error;
		uint64_t number;
	} cases[] = {
		{"0", 0, 0},
		{"42\n", 0, 42},
		{"  42 \n", 0, 42},
		{"18446744073709551615\n", 0, UINT64_MAX},
		{"18446744073709551616\n", -ERANGE, 0},
		{"99999999999999999999999999999999999999999", -ERANGE, 0},
		{"", -EINVAL, 0},
		{"\n", -EINVAL, 0},
		{"-1\n", -EINVAL, 0},
		{"+1\n", -EINVAL, 0},
		{"max\n", -EINVAL, 0},
		{"12 34\n", -EINVAL, 0},
		{"12x\n", -EINVAL, 0},
		{"0x10\n", -EINVAL, 0},
		{"1                                                                ", -EINVAL, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct fake_file one[] = {{"/f/n", cases[i].text, 0}, {NULL, NULL, 0}};
		uint64_t number = 7;

		fake_files_begin(one, true);
		CU_ASSERT_EQUAL(hnuma_procfs_read_number("/f/n", &number), cases[i].error);
		CU_ASSERT_EQUAL(number, cases[i].number);
		fake_files_end();
	}
}

static void test_numbers_in_text(void)
{
	static const char text[] = " 12=x", junk[] = "  -1";
	const char *end;
	uint64_t number;

	CU_ASSERT_EQUAL(hnuma_procfs_parse_number(text, &number, &end), 0);
	CU_ASSERT_EQUAL(number, 12);
	CU_ASSERT_PTR_EQUAL(end, text + 3);
	CU_ASSERT_EQUAL(hnuma_procfs_parse_number(text, &number, NULL), 0);
	CU_ASSERT_EQUAL(hnuma_procfs_parse_number(junk, &number, &end), -EINVAL);
	CU_ASSERT_EQUAL(number, 0);
	CU_ASSERT_PTR_EQUAL(end, junk);
}

/* What next() ought to give for a text: its lines one after the other, each cut where it must be. */
static size_t cut_lines(const char *text, char **expected, size_t most)
{
	size_t nr = 0;

	while (*text && nr < most) {
		size_t length = strcspn(text, "\n"), kept = length;

		if (kept > HNUMA_PROCFS_LINE_MAX - 1)
			kept = HNUMA_PROCFS_LINE_MAX - 1;
		expected[nr++] = strndup(text, kept);
		text += length + (text[length] == '\n');
	}
	return nr;
}

static void compare_lines(const char *text, size_t portion)
{
	const struct fake_file one[] = {{"/f/lines", text, 0}, {NULL, NULL, 0}};
	struct hnuma_procfs_lines lines;
	char *expected[64];
	size_t nr = cut_lines(text, expected, 64), i = 0;
	const char *line;
	int result;

	fake_files_begin(one, true);
	bend(portion, 2, -1);
	CU_ASSERT_EQUAL_FATAL(hnuma_procfs_open(&lines, "/f/lines"), 0);
	while ((result = hnuma_procfs_next(&lines, &line)) > 0 && i < nr) {
		CU_ASSERT_STRING_EQUAL(line, expected[i]);
		free(expected[i++]);
	}
	CU_ASSERT_EQUAL(result, 0);
	CU_ASSERT_EQUAL(hnuma_procfs_next(&lines, &line), 0);
	CU_ASSERT_EQUAL(i, nr);
	while (i < nr)
		free(expected[i++]);
	hnuma_procfs_close(&lines);
	unbend();
	fake_files_end();
}

static void test_lines(void)
{
	static const char *const texts[] = {"",	    "\n",	"a",	  "a\n",
					    "a\nb", "a\n\nb\n", "\n\n\n", "one\ntwo\nthree\n"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		for (size_t portion = 1; portion < 6; portion++)
			compare_lines(texts[i], portion);
}

/* Lines just below, at and beyond what fits, between short ones, with and without an end. */
static void test_long_lines(void)
{
	static const size_t lengths[] = {4000, 4094, 4095, 4096, 4097,
					 8190, 8191, 8192, 8193, 20000};
	static const size_t portions[] = {1000, 4095, 4096, 1 << 20};
	static char text[60000];

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		for (size_t j = 0; j < 2 * sizeof(portions) / sizeof(portions[0]); j++) {
			size_t used = (size_t)sprintf(text, "short\n");

			for (size_t c = 0; c < lengths[i]; c++)
				text[used++] = (char)('a' + c % 26);
			used += (size_t)sprintf(text + used, "\nnext\n\n");
			for (size_t c = 0; c < lengths[i]; c++)
				text[used++] = (char)('A' + c % 26);
			strcpy(text + used, j % 2 ? "\n" : "");
			compare_lines(text, portions[j / 2]);
		}
	}
}

static void test_lines_fail(void)
{
	const struct fake_file one[] = {{"/f/lines", "one\ntwo\nthree", 0}, {NULL, NULL, 0}};
	struct hnuma_procfs_lines lines;
	struct check_state before;
	const char *line;

	check_snapshot(&before);
	fake_files_begin(one, true);
	CU_ASSERT_EQUAL(hnuma_procfs_open(&lines, "/f/missing"), -ENOENT);
	bend(6, 0, 1);
	CU_ASSERT_EQUAL_FATAL(hnuma_procfs_open(&lines, "/f/lines"), 0);
	CU_ASSERT_EQUAL(hnuma_procfs_next(&lines, &line), 1);
	CU_ASSERT_STRING_EQUAL(line, "one");
	/* Half a line is not a line. */
	CU_ASSERT_EQUAL(hnuma_procfs_next(&lines, &line), -EIO);
	CU_ASSERT_EQUAL(hnuma_procfs_next(&lines, &line), 0);
	hnuma_procfs_close(&lines);
	unbend();
	fake_files_end();
	check_unchanged(&before);
}

/* Somebody cancels the thread as soon as the file is open. */
static int cancelling_open(const char *path)
{
	int fd = bent.real_open(path);

	pthread_cancel(pthread_self());
	return fd;
}

static void *read_number(void *arg)
{
	uint64_t *number = arg;

	(void)hnuma_procfs_read_number("/f/number", number);
	pthread_testcancel();
	*number = 0;
	return NULL;
}

static __attribute__((noinline)) void add_lengths(uint64_t *sum)
{
	struct hnuma_procfs_lines lines;
	const char *line;

	if (hnuma_procfs_open(&lines, "/f/number"))
		return;
	while (hnuma_procfs_next(&lines, &line) > 0)
		*sum += strlen(line);
	hnuma_procfs_close(&lines);
}

/* AddressSanitizer takes what a cancelled function had on its stack for still guarded: nothing here. */
static void *read_lines(void *arg)
{
	uint64_t *number = arg;

	add_lengths(number);
	pthread_testcancel();
	*number = 0;
	return NULL;
}

/* It goes on until the file is closed, and is cancelled then. */
static void test_cancelled(void)
{
	static const struct fake_file one[] = {{"/f/number", "42\n", 0}, {NULL, NULL, 0}};
	/* The first brings in what a thread needs to be cancelled at all. */
	void *(*const readers[])(void *arg) = {read_number, read_number, read_lines};
	static const uint64_t expected[] = {42, 42, 2};
	struct check_state before;

	fake_files_begin(one, true);
	bend(64, 0, -1);
	hnuma_sys.open = cancelling_open;
	for (size_t i = 0; i < 3; i++) {
		uint64_t number = 0;
		pthread_t thread;
		void *result;

		if (i == 1)
			check_snapshot(&before);
		CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, readers[i], &number), 0);
		CU_ASSERT_EQUAL(pthread_join(thread, &result), 0);
		CU_ASSERT_PTR_EQUAL(result, PTHREAD_CANCELED);
		CU_ASSERT_EQUAL(number, expected[i]);
	}
	check_unchanged(&before);
	unbend();
	fake_files_end();
}

/* A real file, larger than the buffer, gives the same as the C library's own reading. */
static void test_real_file(void)
{
	struct hnuma_procfs_lines lines;
	unsigned ours = 0, mine = 0;
	const char *line;
	char buffer[8192];
	FILE *file;

	CU_ASSERT_EQUAL_FATAL(hnuma_procfs_open(&lines, "/proc/self/smaps"), 0);
	while (hnuma_procfs_next(&lines, &line) > 0)
		ours += strncmp(line, "KernelPageSize:", 15) == 0;
	hnuma_procfs_close(&lines);
	file = fopen("/proc/self/smaps", "r");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	while (fgets(buffer, sizeof(buffer), file))
		mine += strncmp(buffer, "KernelPageSize:", 15) == 0;
	fclose(file);
	CU_ASSERT(ours > 10);
	/* stdio's buffer may be a mapping more. */
	CU_ASSERT(mine - ours <= 1);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"whole files", test_whole_files},
		{"portions and interruptions", test_portions_and_interruptions},
		{"numbers", test_numbers},
		{"numbers in text", test_numbers_in_text},
		{"lines", test_lines},
		{"long lines", test_long_lines},
		{"lines that fail", test_lines_fail},
		{"cancelled while reading", test_cancelled},
		{"a real file", test_real_file},
		CU_TEST_INFO_NULL,
	};

	return check_main("procfs", tests);
}
