/* SPDX-License-Identifier: MIT */
/*
 * tools/trace.c - reads traces, and names the line and column of whatever is wrong. Calls libc
 * only.
 */
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/trace.h"
#include "tools/units.h"

/* Far more than a line of this form can have. */
#define LINE_BYTES 256

struct reader {
	FILE *file;
	const char *name;
	size_t line; /* from 1 */
	char text[LINE_BYTES];
	size_t length;
	bool is_last; /* the file ends behind this line, without a line feed */
	char *message;
	size_t message_size;
};

/* One of the three fields of a line: bytes [start, end) of its text. */
struct field {
	size_t start;
	size_t end;
};

static const char *const column_names[] = {"TIMESTAMP", "ContextTokens", "GeneratedTokens"};
#define NR_COLUMNS 3

/* Note what is wrong at a place of the current line. Returns -EINVAL. */
static __attribute__((format(printf, 3, 4))) int fault(struct reader *reader, size_t at,
						       const char *format, ...)
{
	va_list arguments;
	int used;

	used = snprintf(reader->message, reader->message_size, "%s:%zu:%zu: ", reader->name,
			reader->line, at + 1);
	if (used < 0 || (size_t)used >= reader->message_size)
		return -EINVAL;
	va_start(arguments, format);
	vsnprintf(reader->message + used, reader->message_size - (size_t)used, format, arguments);
	va_end(arguments);
	return -EINVAL;
}

static int file_fault(struct reader *reader, const char *verb)
{
	int error = errno ? errno : EIO;

	snprintf(reader->message, reader->message_size, "cannot %s %s: %s", verb, reader->name,
		 strerror(error));
	return -error;
}

/*
 * Take one byte into the line. Returns 0, or -EINVAL for one that has no place in a trace.
 */
static int take_byte(struct reader *reader, int byte)
{
	if (byte < ' ' || byte > '~')
		return fault(reader, reader->length, "byte 0x%02x is not text: this is no CSV file",
			     (unsigned)byte);
	if (reader->length == LINE_BYTES - 1)
		return fault(reader, reader->length,
			     "the line is longer than %d bytes: this is no trace", LINE_BYTES - 1);
	reader->text[reader->length++] = (char)byte;
	return 0;
}

/*
 * The next byte, a carriage return and line feed taken as one line feed. A carriage return alone is
 * left as it is: it has no place in a trace.
 */
static int next_byte(FILE *file)
{
	int byte = getc_unlocked(file);
	int next;

	if (byte != '\r')
		return byte;
	next = getc_unlocked(file);
	if (next == '\n' || next == EOF)
		return '\n';
	ungetc(next, file);
	return byte;
}

/* Read the next line. Returns 1, 0 at the end of the file, or a negative errno. */
static int next_line(struct reader *reader)
{
	int byte, error;

	reader->line++;
	reader->length = 0;
	for (;;) {
		errno = 0;
		byte = next_byte(reader->file);
		if (byte == EOF && ferror(reader->file))
			return file_fault(reader, "read");
		if (byte == EOF || byte == '\n')
			break;
		error = take_byte(reader, byte);
		if (error)
			return error;
	}
	reader->text[reader->length] = '\0';
	reader->is_last = byte == EOF;
	return byte != EOF || reader->length > 0;
}

static int read_header(struct reader *reader)
{
	size_t at = 0;
	int got = next_line(reader);

	if (got < 0)
		return got;
	if (got == 0)
		return fault(reader, 0, "the file is empty: its first line must be %s",
			     TRACE_HEADER);
	if (strcmp(reader->text, TRACE_HEADER) == 0)
		return 0;
	while (reader->text[at] != '\0' && reader->text[at] == TRACE_HEADER[at])
		at++;
	return fault(reader, at, "the first line must be %s; it is \"%.60s\"", TRACE_HEADER,
		     reader->text);
}

/* Find the three fields. */
static int split(struct reader *reader, struct field fields[NR_COLUMNS])
{
	const char *hint = reader->is_last ? "; is the file cut off?" : "";
	size_t start = 0, i;

	if (reader->length == 0)
		return fault(reader, 0, "an empty line, where a request was expected");
	for (i = 0; i < NR_COLUMNS; i++) {
		size_t end = start + strcspn(reader->text + start, ",");

		fields[i].start = start;
		fields[i].end = end;
		if (reader->text[end] == '\0')
			break;
		start = end + 1;
	}
	if (i == NR_COLUMNS)
		return fault(reader, fields[NR_COLUMNS - 1].end,
			     "a fourth column: a request has three, %s", TRACE_HEADER);
	if (i < NR_COLUMNS - 1)
		return fault(reader, reader->length, "the line ends in column %zu of three, %s%s",
			     i + 1, TRACE_HEADER, hint);
	return 0;
}

/* A timestamp is not used, but a line whose first field is something else is not of this form. */
static int check_timestamp(struct reader *reader, const struct field *field)
{
	const char *text = reader->text + field->start;
	size_t length = field->end - field->start;
	size_t good = strspn(text, "0123456789-:.+TZ ");

	if (length == 0)
		return fault(reader, field->start, "TIMESTAMP is empty");
	if (good < length)
		return fault(reader, field->start + good,
			     "TIMESTAMP is \"%.*s\": digits and - : . + T Z were expected",
			     (int)length, text);
	return 0;
}

static int read_tokens(struct reader *reader, const struct field *field, size_t column,
		       uint32_t least, uint32_t *tokens)
{
	char text[LINE_BYTES], most[UNITS_TEXT];
	size_t length = field->end - field->start;
	uint64_t value;

	memcpy(text, reader->text + field->start, length);
	text[length] = '\0';
	if (length == 0)
		return fault(reader, field->start, "%s is empty%s", column_names[column],
			     reader->is_last ? "; is the file cut off?" : "");
	if (units_read_count(text, least, TRACE_MAX_TOKENS, &value))
		return fault(reader, field->start,
			     "%s is \"%s\": a whole number from %u to %s was expected",
			     column_names[column], text, least,
			     units_count(most, TRACE_MAX_TOKENS));
	*tokens = (uint32_t)value;
	return 0;
}

static int read_request(struct reader *reader, struct trace *trace)
{
	struct field fields[NR_COLUMNS];
	uint32_t context, generated;
	int error;

	error = split(reader, fields);
	if (!error)
		error = check_timestamp(reader, &fields[0]);
	if (!error)
		error = read_tokens(reader, &fields[1], 1, 1, &context);
	if (!error)
		error = read_tokens(reader, &fields[2], 2, 0, &generated);
	if (error)
		return error;
	if (trace->nr_requests == TRACE_MAX_REQUESTS)
		return fault(reader, 0, "more than %d requests", TRACE_MAX_REQUESTS);
	error = trace_append(trace, context, generated);
	if (error)
		snprintf(reader->message, reader->message_size,
			 "no memory for the requests of %s: it has too many", reader->name);
	return error;
}

static int read_all(struct reader *reader, struct trace *trace, size_t most)
{
	int got = 1, error = read_header(reader);

	while (!error && trace->nr_requests < most) {
		got = next_line(reader);
		if (got <= 0)
			break;
		error = read_request(reader, trace);
	}
	if (error || got < 0)
		return error ? error : got;
	if (trace->nr_requests == 0)
		return fault(reader, 0, "the file ends behind its header: it has no request");
	return 0;
}

int trace_read(struct trace *trace, const char *path, size_t most, char *message,
	       size_t message_size)
{
	struct reader reader = {.message = message, .message_size = message_size};
	bool is_stdin = strcmp(path, "-") == 0;
	int error;

	memset(trace, 0, sizeof(*trace));
	reader.name = is_stdin ? "standard input" : path;
	reader.file = is_stdin ? stdin : fopen(path, "re");
	if (!reader.file)
		return file_fault(&reader, "open");
	error = read_all(&reader, trace, most);
	if (!is_stdin)
		fclose(reader.file);
	if (error)
		trace_free(trace);
	return error;
}

int trace_append(struct trace *trace, uint32_t context, uint32_t generated)
{
	const struct request *longest;
	uint64_t tokens = (uint64_t)context + generated;

	/*
	 * Room for 1,024 requests, and twice as many each time that the number is a power of two.
	 */
	if (trace->nr_requests == 0 ||
	    (trace->nr_requests >= 1024 && (trace->nr_requests & (trace->nr_requests - 1)) == 0)) {
		size_t room = trace->nr_requests ? 2 * trace->nr_requests : 1024;
		struct request *more = realloc(trace->requests, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		trace->requests = more;
	}
	trace->requests[trace->nr_requests] = (struct request){context, generated};
	longest = &trace->requests[trace->longest];
	if (trace->nr_requests == 0 || tokens > (uint64_t)longest->context + longest->generated)
		trace->longest = trace->nr_requests;
	trace->nr_requests++;
	trace->context_tokens += context;
	trace->generated_tokens += generated;
	return 0;
}

void trace_free(struct trace *trace)
{
	free(trace->requests);
	memset(trace, 0, sizeof(*trace));
}
