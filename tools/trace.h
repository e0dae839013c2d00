/* SPDX-License-Identifier: MIT */
/*
 * tools/trace.h - the requests to be replayed: read from a file, or made up. Calls libc only.
 *
 * A trace is CSV text: the header line TIMESTAMP,ContextTokens,GeneratedTokens, then one request
 * a line. Lines end in a line feed, or in a carriage return and a line feed; the last one may
 * lack it.
 */
#ifndef HUGENUMA_TOOLS_TRACE_H
#define HUGENUMA_TOOLS_TRACE_H

#include <stddef.h>
#include <stdint.h>

#define TRACE_HEADER "TIMESTAMP,ContextTokens,GeneratedTokens"

/* No request of any model is longer than this; a number above it is an error in the file. */
#define TRACE_MAX_TOKENS   10000000
#define TRACE_MAX_REQUESTS 100000000

struct request {
	uint32_t context;   /* tokens of the prompt: 1 to TRACE_MAX_TOKENS */
	uint32_t generated; /* tokens of the answer: 0 to TRACE_MAX_TOKENS */
};

struct trace {
	struct request *requests;
	size_t nr_requests;
	uint64_t context_tokens; /* of all requests together */
	uint64_t generated_tokens;
	size_t longest; /* index of the request with the most tokens */
};

/*
 * Read a trace.
 *
 * @path          "-" is the standard input.
 * @most          read so many requests at most, and nothing behind them.
 * @message       receives, on failure, one sentence: FILE:LINE:COLUMN: what is wrong and what was
 *                expected. The column counts bytes from 1.
 *
 * Returns 0, -EINVAL (what the file says), or the errno of opening or reading it.
 */
int trace_read(struct trace *trace, const char *path, size_t most, char *message,
	       size_t message_size);

/*
 * Make requests up. Lengths are lognormal, like those of code completion services: contexts around
 * 1,100 tokens with many long ones, short answers. The same seed gives the same requests.
 *
 * Returns 0, -ENOMEM.
 */
int trace_generate(struct trace *trace, size_t nr_requests, uint64_t seed);

/* Append a request. Returns 0, -ENOMEM. */
int trace_append(struct trace *trace, uint32_t context, uint32_t generated);

/* Free what a trace holds. */
void trace_free(struct trace *trace);

#endif
