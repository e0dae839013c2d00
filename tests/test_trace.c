/* SPDX-License-Identifier: MIT */
/*
 * tests/test_trace.c - the small parts of the command: traces and what is wrong with them, requests
 * made up, numbers with units, percentiles, models, patterns.
 */
#include "config.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/check.h"
#include "tools/histogram.h"
#include "tools/model.h"
#include "tools/stamp.h"
#include "tools/trace.h"
#include "tools/units.h"

#define HEADER TRACE_HEADER "\n"
#define TIME   "2023-11-16 18:17:03.9799600"

/* Write a file of these bytes, read it as a trace, remove it. */
static int read_bytes(struct trace *trace, const char *bytes, size_t nr_bytes, size_t most,
		      char message[512], char path[64])
{
	int fd, error;

	snprintf(path, 64, "/tmp/hugenuma-trace-XXXXXX");
	fd = mkstemp(path);
	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL_FATAL(write(fd, bytes, nr_bytes), (ssize_t)nr_bytes);
	close(fd);
	message[0] = '\0';
	error = trace_read(trace, path, most, message, 512);
	unlink(path);
	return error;
}

static void expect_good(const char *text, size_t nr_requests, uint64_t context, uint64_t generated)
{
	char message[512], path[64];
	struct trace trace;

	CU_ASSERT_EQUAL(read_bytes(&trace, text, strlen(text), SIZE_MAX, message, path), 0);
	CU_ASSERT_STRING_EQUAL(message, "");
	CU_ASSERT_EQUAL(trace.nr_requests, nr_requests);
	CU_ASSERT_EQUAL(trace.context_tokens, context);
	CU_ASSERT_EQUAL(trace.generated_tokens, generated);
	trace_free(&trace);
}

static void test_good_traces(void)
{
	expect_good(HEADER TIME ",4808,10\n" TIME ",110,27\n", 2, 4918, 37);
	/* The last line feed may be missing; lines may end as on Windows; times may have a zone. */
	expect_good(HEADER TIME ",4808,10\n" TIME ",110,27", 2, 4918, 37);
	expect_good(TRACE_HEADER "\r\n" TIME ",4808,10\r\n" TIME ",110,27", 2, 4918, 37);
	expect_good(HEADER "2024-05-10 00:00:00.009930+00:00,1,0\n", 1, 1, 0);
	expect_good(HEADER "2024-05-10T00:00:00Z,10000000,10000000\n", 1, 10000000, 10000000);
}

static void test_first_requests_only(void)
{
	static const char text[] = HEADER TIME ",5,6\n" TIME ",7,8\nthis is not read";
	char message[512], path[64];
	struct trace trace;

	CU_ASSERT_EQUAL_FATAL(read_bytes(&trace, text, strlen(text), 2, message, path), 0);
	CU_ASSERT_EQUAL(trace.nr_requests, 2);
	CU_ASSERT_EQUAL(trace.requests[1].context, 7);
	CU_ASSERT_EQUAL(trace.requests[1].generated, 8);
	CU_ASSERT_EQUAL(trace.longest, 1);
	trace_free(&trace);
}

struct bad_trace {
	const char *bytes;
	size_t nr_bytes; /* 0: as long as the string is */
	const char *place;
	const char *words;
};

static const struct bad_trace bad_traces[] = {
	{"", 0, ":1:1:", "the file is empty"},
	{"\n", 0, ":1:1:", "the first line must be"},
	{HEADER, 0, ":2:1:", "no request"},
	{TIME ",4808,10\n", 0, ":1:1:", "the first line must be TIMESTAMP"},
	{"TIMESTAMP,ContextTokens\n", 0, ":1:24:", "the first line must be"},
	{"TIMESTAMP,ContextTokens,Tokens\n", 0,
	 ":1:25:", "it is \"TIMESTAMP,ContextTokens,Tokens\""},
	{"\x7f"
	 "ELF\x02\x01\x01\0\0\0",
	 10, ":1:1:", "byte 0x7f is not text"},
	{HEADER TIME ",48\0"
		     "8,10\n",
	 39 + 1 + 27 + 9, ":2:31:", "byte 0x00 is not text"},
	{HEADER TIME ",48\xc3\xa9,10\n", 0, ":2:31:", "byte 0xc3 is not text"},
	{HEADER TIME ",4808\r,10\n", 0, ":2:33:", "byte 0x0d is not text"},
	/* columns */
	{HEADER TIME ",4808\n", 0, ":2:33:", "the line ends in column 2 of three"},
	{HEADER TIME ",4808,10\n" TIME ",48", 0, ":3:31:", "is the file cut off?"},
	{HEADER TIME ",4808,10\n" TIME, 0, ":3:28:", "in column 1 of three"},
	{HEADER TIME ",4808,10\n" TIME ",48,", 0, ":3:32:", "GeneratedTokens is empty"},
	{HEADER TIME ",4808,10,5\n", 0, ":2:36:", "a fourth column"},
	{HEADER TIME ",4808,10\n\n" TIME ",1,1\n", 0, ":3:1:", "an empty line"},
	{HEADER ",4808,10\n", 0, ":2:1:", "TIMESTAMP is empty"},
	{HEADER "yesterday,4808,10\n", 0, ":2:1:", "TIMESTAMP is \"yesterday\""},
	/* numbers */
	{HEADER TIME ",-4808,10\n", 0, ":2:29:", "ContextTokens is \"-4808\""},
	{HEADER TIME ",4808,-1\n", 0, ":2:34:", "GeneratedTokens is \"-1\""},
	{HEADER TIME ",0,10\n", 0, ":2:29:", "a whole number from 1 to 10,000,000"},
	{HEADER TIME ",1000000000,10\n", 0, ":2:29:", "from 1 to 10,000,000"},
	{HEADER TIME ",4808,1e9\n", 0, ":2:34:", "GeneratedTokens is \"1e9\""},
	{HEADER TIME ",10000001,10\n", 0, ":2:29:", "from 1 to 10,000,000"},
	{HEADER TIME ",99999999999999999999999999,1\n", 0, ":2:29:", "from 1 to"},
	{HEADER TIME ",12.5,1\n", 0, ":2:29:", "ContextTokens is \"12.5\""},
	{HEADER TIME ", 12,1\n", 0, ":2:29:", "ContextTokens is \" 12\""},
	{HEADER TIME ",,1\n", 0, ":2:29:", "ContextTokens is empty"},
};

static void test_bad_traces(void)
{
	char message[512], path[64], place[96];
	struct trace trace;
	size_t i;

	for (i = 0; i < sizeof(bad_traces) / sizeof(bad_traces[0]); i++) {
		const struct bad_trace *bad = &bad_traces[i];
		size_t nr_bytes = bad->nr_bytes ? bad->nr_bytes : strlen(bad->bytes);
		int error = read_bytes(&trace, bad->bytes, nr_bytes, SIZE_MAX, message, path);

		snprintf(place, sizeof(place), "%s%s ", path, bad->place);
		if (error != -EINVAL || strncmp(message, place, strlen(place)) != 0 ||
		    !strstr(message, bad->words) || strchr(message, '\n'))
			printf("\n    case %zu: %d, \"%s\"; expected \"%s...%s\" ", i, error,
			       message, place, bad->words);
		CU_ASSERT_EQUAL(error, -EINVAL);
		CU_ASSERT_EQUAL(strncmp(message, place, strlen(place)), 0);
		CU_ASSERT_PTR_NOT_NULL(strstr(message, bad->words));
		CU_ASSERT_PTR_NULL(strchr(message, '\n'));
		CU_ASSERT_PTR_NULL(trace.requests);
	}
}

static void test_long_line(void)
{
	char text[8192], message[512], path[64];
	struct trace trace;

	memset(text, '1', sizeof(text));
	memcpy(text, HEADER, strlen(HEADER));
	CU_ASSERT_EQUAL(read_bytes(&trace, text, sizeof(text), SIZE_MAX, message, path), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(message, ":2:256: the line is longer than 255 bytes"));
}

static void test_no_such_file(void)
{
	struct trace trace;
	char message[512];

	CU_ASSERT_EQUAL(trace_read(&trace, "/no/such/file", 1, message, sizeof(message)), -ENOENT);
	CU_ASSERT_STRING_EQUAL(message, "cannot open /no/such/file: No such file or directory");
	CU_ASSERT_EQUAL(trace_read(&trace, "/", 1, message, sizeof(message)), -EISDIR);
	CU_ASSERT_STRING_EQUAL(message, "cannot read /: Is a directory");
	/* A message that does not fit is cut, not written past its end. */
	memset(message, '#', sizeof(message));
	CU_ASSERT_EQUAL(trace_read(&trace, "/no/such/file", 1, message, 8), -ENOENT);
	CU_ASSERT_STRING_EQUAL(message, "cannot ");
	CU_ASSERT_EQUAL(message[8], '#');
}

static void test_generator(void)
{
	struct trace first, again, other;
	double context, generated;

	CU_ASSERT_EQUAL_FATAL(trace_generate(&first, 20000, 7), 0);
	CU_ASSERT_EQUAL_FATAL(trace_generate(&again, 20000, 7), 0);
	CU_ASSERT_EQUAL_FATAL(trace_generate(&other, 20000, 8), 0);
	CU_ASSERT_EQUAL(first.nr_requests, 20000);
	CU_ASSERT_EQUAL(memcmp(first.requests, again.requests, 20000 * sizeof(struct request)), 0);
	CU_ASSERT_NOT_EQUAL(memcmp(first.requests, other.requests, 20000 * sizeof(struct request)),
			    0);
	/* The service whose figures these are: 2,048 tokens of context and 28 generated, each. */
	context = (double)first.context_tokens / 20000;
	generated = (double)first.generated_tokens / 20000;
	CU_ASSERT(context > 1500 && context < 2600);
	CU_ASSERT(generated > 15 && generated < 40);
	for (size_t i = 0; i < first.nr_requests; i++) {
		CU_ASSERT_FATAL(first.requests[i].context >= 3);
		CU_ASSERT_FATAL(first.requests[i].context <= 7500);
		CU_ASSERT_FATAL(first.requests[i].generated >= 4);
		CU_ASSERT_FATAL(first.requests[i].generated <= 2000);
	}
	trace_free(&first);
	trace_free(&again);
	trace_free(&other);
}

static void expect_size(const char *text, int error, uint64_t expected)
{
	uint64_t size = 0;
	int got = units_read_size(text, &size);

	if (got != error || size != expected)
		printf("\n    \"%s\": %d, %llu ", text, got, (unsigned long long)size);
	CU_ASSERT_EQUAL(got, error);
	CU_ASSERT_EQUAL(size, expected);
}

static void test_sizes(void)
{
	expect_size("1", 0, 1);
	expect_size("4096", 0, 4096);
	expect_size("16K", 0, 16384);
	expect_size("16 KB", 0, 16384);
	expect_size("512m", 0, (uint64_t)512 << 20);
	expect_size("1.5GiB", 0, (uint64_t)3 << 29);
	expect_size("2t", 0, (uint64_t)2 << 40);
	expect_size("100B", 0, 100);
	expect_size("0", -ERANGE, 0);
	expect_size("0.1", -ERANGE, 0);
	expect_size("99999999T", -ERANGE, 0);
	expect_size("", -EINVAL, 0);
	expect_size("-1G", -EINVAL, 0);
	expect_size("G", -EINVAL, 0);
	expect_size("1.2.3G", -EINVAL, 0);
	expect_size(".", -EINVAL, 0);
	expect_size("1Q", -EINVAL, 0);
	expect_size("1GG", -EINVAL, 0);
	expect_size("1 G B", -EINVAL, 0);
	expect_size("0x10", -EINVAL, 0);
	expect_size("1e9", -EINVAL, 0);
	expect_size("inf", -EINVAL, 0);
}

static void test_counts(void)
{
	uint64_t count = 77;

	CU_ASSERT_EQUAL(units_read_count("0", 0, 10, &count), 0);
	CU_ASSERT_EQUAL(count, 0);
	CU_ASSERT_EQUAL(units_read_count("010", 0, 10, &count), 0);
	CU_ASSERT_EQUAL(count, 10);
	CU_ASSERT_EQUAL(units_read_count("18446744073709551615", 0, UINT64_MAX, &count), 0);
	CU_ASSERT_EQUAL(count, UINT64_MAX);
	CU_ASSERT_EQUAL(units_read_count("18446744073709551616", 0, UINT64_MAX, &count), -ERANGE);
	CU_ASSERT_EQUAL(units_read_count("11", 0, 10, &count), -ERANGE);
	CU_ASSERT_EQUAL(units_read_count("9", 0, 5, &count), -ERANGE);
	CU_ASSERT_EQUAL(units_read_count("4", 5, 10, &count), -ERANGE);
	CU_ASSERT_EQUAL(units_read_count("", 0, 10, &count), -EINVAL);
	CU_ASSERT_EQUAL(units_read_count("-1", 0, 10, &count), -EINVAL);
	CU_ASSERT_EQUAL(units_read_count("+1", 0, 10, &count), -EINVAL);
	CU_ASSERT_EQUAL(units_read_count("1x", 0, 10, &count), -EINVAL);
	CU_ASSERT_EQUAL(units_read_count(" 1", 0, 10, &count), -EINVAL);
}

static void test_writing_numbers(void)
{
	char text[UNITS_TEXT];

	CU_ASSERT_STRING_EQUAL(units_size(text, 1023), "1023 bytes");
	CU_ASSERT_STRING_EQUAL(units_size(text, 16384), "16 KB");
	CU_ASSERT_STRING_EQUAL(units_size(text, (uint64_t)3 << 29), "1.5 GB");
	CU_ASSERT_STRING_EQUAL(units_size(text, UINT64_MAX), "16 EB");
	CU_ASSERT_STRING_EQUAL(units_count(text, 0), "0");
	CU_ASSERT_STRING_EQUAL(units_count(text, 999), "999");
	CU_ASSERT_STRING_EQUAL(units_count(text, 8819), "8,819");
	CU_ASSERT_STRING_EQUAL(units_count(text, UINT64_MAX), "18,446,744,073,709,551,615");
	CU_ASSERT_STRING_EQUAL(units_time(text, 0), "0 ns");
	CU_ASSERT_STRING_EQUAL(units_time(text, 85), "85 ns");
	CU_ASSERT_STRING_EQUAL(units_time(text, 1270), "1.27 us");
	CU_ASSERT_STRING_EQUAL(units_time(text, 12700), "12.7 us");
	CU_ASSERT_STRING_EQUAL(units_time(text, 999.9), "1.00 us");
	CU_ASSERT_STRING_EQUAL(units_time(text, 3e9), "3.00 s");
	CU_ASSERT_STRING_EQUAL(units_duration(text, 8.04), "8 s");
	CU_ASSERT_STRING_EQUAL(units_duration(text, 8.1), "8.1 s");
	CU_ASSERT_STRING_EQUAL(units_duration(text, 59.7), "1 min 0 s");
	CU_ASSERT_STRING_EQUAL(units_duration(text, 3725), "1 h 2 min");
}

static void test_histogram(void)
{
	static struct histogram histogram, other;
	uint64_t value;

	histogram_clear(&histogram);
	CU_ASSERT_EQUAL(histogram_percentile(&histogram, 50), 0);
	CU_ASSERT_EQUAL(histogram_mean(&histogram), 0.0);
	/* Small values are exact. */
	for (value = 0; value < 64; value++)
		histogram_add(&histogram, value);
	CU_ASSERT_EQUAL(histogram_percentile(&histogram, 0), 0);
	CU_ASSERT_EQUAL(histogram_percentile(&histogram, 50), 31);
	CU_ASSERT_EQUAL(histogram_percentile(&histogram, 100), 63);
	CU_ASSERT_EQUAL(histogram_mean(&histogram), 31.5);
	/* Large ones are within 1/64. */
	histogram_clear(&histogram);
	for (value = 1; value <= 100000; value++)
		histogram_add(&histogram, value * 1000);
	CU_ASSERT_DOUBLE_EQUAL(histogram_percentile(&histogram, 50), 50e6, 50e6 / 64);
	CU_ASSERT_DOUBLE_EQUAL(histogram_percentile(&histogram, 99), 99e6, 99e6 / 64);
	CU_ASSERT_DOUBLE_EQUAL(histogram_percentile(&histogram, 99.9), 99.9e6, 99.9e6 / 64);
	CU_ASSERT_EQUAL(histogram.max, 100000000);
	/* The largest value of all has a bucket, too. */
	histogram_clear(&other);
	histogram_add(&other, UINT64_MAX);
	CU_ASSERT(histogram_percentile(&other, 50) > UINT64_MAX - UINT64_MAX / 64);
	histogram_merge(&other, &histogram);
	CU_ASSERT_EQUAL(other.count, 100001);
	CU_ASSERT_EQUAL(other.max, UINT64_MAX);
	CU_ASSERT_DOUBLE_EQUAL(histogram_percentile(&other, 50), 50e6, 50e6 / 64);
}

static void test_models(void)
{
	const struct model *model;
	unsigned i;

	model = model_find("tinyllama-1.1b");
	CU_ASSERT_PTR_NOT_NULL_FATAL(model);
	CU_ASSERT_EQUAL(model_block_bytes(model), 16 * 1024);
	CU_ASSERT_EQUAL(model->layers, 22);
	model = model_find("Llama-3-8B");
	CU_ASSERT_PTR_NOT_NULL_FATAL(model);
	CU_ASSERT_EQUAL(model_block_bytes(model), 64 * 1024);
	CU_ASSERT_PTR_NULL(model_find("llama"));
	CU_ASSERT_PTR_NULL(model_find(""));
	for (i = 0; (model = model_at(i)); i++) {
		/* What the patterns and the pool's classes can hold. */
		CU_ASSERT(model_block_bytes(model) <= 256 * 1024);
		CU_ASSERT_EQUAL(model_token_bytes(model) % STAMP_LINE, 0);
		CU_ASSERT_EQUAL(model->hidden * sizeof(float) % STAMP_LINE, 0);
		CU_ASSERT_EQUAL(model->vocab * sizeof(float) % STAMP_LINE, 0);
		CU_ASSERT(model->layers < 256);
		CU_ASSERT_PTR_EQUAL(model_find(model->name), model);
	}
	CU_ASSERT_EQUAL(model_blocks(0), 0);
	CU_ASSERT_EQUAL(model_blocks(1), 1);
	CU_ASSERT_EQUAL(model_blocks(16), 1);
	CU_ASSERT_EQUAL(model_blocks(17), 2);
}

static void test_stamps(void)
{
	static uint64_t memory[2048];
	uint64_t mine = stamp_make(STAMP_KV, 8818, 21, 7436);
	uint64_t other = stamp_make(STAMP_KV, 8818, 21, 7437);
	char text[128];
	size_t i;

	CU_ASSERT_NOT_EQUAL(mine, other);
	CU_ASSERT_EQUAL(stamp_of_token(mine, 1), other);
	stamp_write(memory, sizeof(memory), mine);
	CU_ASSERT(stamp_is_in(memory, sizeof(memory), mine));
	CU_ASSERT_FALSE(stamp_is_in(memory, sizeof(memory), other));
	/* Any single bit anywhere is seen. */
	for (i = 0; i < 2048; i += 31) {
		memory[i] ^= (uint64_t)1 << (i % 64);
		CU_ASSERT_FALSE(stamp_is_in(memory, sizeof(memory), mine));
		memory[i] ^= (uint64_t)1 << (i % 64);
	}
	stamp_write_sparsely(memory, sizeof(memory), other);
	CU_ASSERT(stamp_is_in_sparsely(memory, sizeof(memory), other));
	CU_ASSERT_FALSE(stamp_is_in_sparsely(memory, sizeof(memory), mine));
	memory[2047]++;
	CU_ASSERT_FALSE(stamp_is_in_sparsely(memory, sizeof(memory), other));
	stamp_describe(mine, text, sizeof(text));
	CU_ASSERT_STRING_EQUAL(text, "the keys and values of request 8819, layer 21, token 7436");
	stamp_describe(0, text, sizeof(text));
	CU_ASSERT_STRING_EQUAL(text, "0x0000000000000000");
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"good traces", test_good_traces},
		{"only the first requests", test_first_requests_only},
		{"bad traces: line and column (row 39)", test_bad_traces},
		{"a line without end", test_long_line},
		{"no such file, a directory", test_no_such_file},
		{"requests made up", test_generator},
		{"reading sizes", test_sizes},
		{"reading counts", test_counts},
		{"writing numbers", test_writing_numbers},
		{"percentiles", test_histogram},
		{"models", test_models},
		{"patterns", test_stamps},
		CU_TEST_INFO_NULL,
	};

	return check_main("test_trace", tests);
}
