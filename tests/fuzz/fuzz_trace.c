/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/fuzz_trace.c - any bytes as a trace (tools/trace.c).
 *
 *	byte 0: how many requests are read at most	the rest: the file
 *
 * What was read is written as a trace again and read back: it must be the same.
 */
#include "config.h"

#include "tests/fuzz/fuzz.h"
#include "tools/trace.h"

static void check(const struct trace *trace, size_t most)
{
	uint64_t context = 0, generated = 0;

	FUZZ_EXPECT(trace->nr_requests <= most);
	FUZZ_EXPECT(trace->nr_requests == 0 || trace->longest < trace->nr_requests);
	for (size_t i = 0; i < trace->nr_requests; i++) {
		const struct request *request = &trace->requests[i];
		const struct request *longest = &trace->requests[trace->longest];

		FUZZ_EXPECT(request->context >= 1 && request->context <= TRACE_MAX_TOKENS);
		FUZZ_EXPECT(request->generated <= TRACE_MAX_TOKENS);
		FUZZ_EXPECT(request->context + request->generated <=
			    longest->context + longest->generated);
		context += request->context;
		generated += request->generated;
	}
	FUZZ_EXPECT(context == trace->context_tokens && generated == trace->generated_tokens);
}

static void write_and_read(const struct trace *trace)
{
	struct trace again;
	char path[64], message[256], *text;
	size_t size;
	FILE *stream = open_memstream(&text, &size);
	int fd;

	FUZZ_EXPECT(stream);
	fprintf(stream, "%s\n", TRACE_HEADER);
	for (size_t i = 0; i < trace->nr_requests; i++)
		fprintf(stream, "0,%u,%u\n", trace->requests[i].context,
			trace->requests[i].generated);
	fclose(stream);
	fd = fuzz_file((uint8_t *)text, size, path, sizeof(path));
	FUZZ_EXPECT(trace_read(&again, path, TRACE_MAX_REQUESTS, message, sizeof(message)) == 0);
	FUZZ_EXPECT(again.nr_requests == trace->nr_requests && again.longest == trace->longest);
	FUZZ_EXPECT(memcmp(again.requests, trace->requests,
			   trace->nr_requests * sizeof(*again.requests)) == 0);
	trace_free(&again);
	close(fd);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t most = TRACE_MAX_REQUESTS;
	struct trace trace;
	char path[64], message[256] = "";
	int error, fd;

	if (size == 0)
		return 0;
	if (data[0] < 16)
		most = data[0] + 1;
	fd = fuzz_file(data + 1, size - 1, path, sizeof(path));
	error = trace_read(&trace, path, most, message, sizeof(message));
	if (error) {
		/* Where it is, and what. */
		FUZZ_EXPECT(error == -EINVAL && strncmp(message, path, strlen(path)) == 0);
		FUZZ_EXPECT(strlen(message) > strlen(path) + 2 &&
			    strlen(message) < sizeof(message));
	} else {
		check(&trace, most);
		if (trace.nr_requests > 0)
			write_and_read(&trace);
		trace_free(&trace);
	}
	close(fd);
	return 0;
}
