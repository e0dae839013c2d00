/* SPDX-License-Identifier: MIT */
/*
 * numa/error.c - the calling thread's last error in words, and errno values in words.
 *
 * Calls nothing but the C library; allocates nothing.
 */
#include "config.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <hugenuma.h>

#include "numa/error.h"

#define MESSAGE_BYTES 1000

/* Stands at the end of a sentence that had to be cut. */
#define CUT_MARK "..."

static _Thread_local char message[MESSAGE_BYTES];

/* Cut a text to `length` bytes, mark included, and not inside a character of UTF-8. */
static void cut(char *text, size_t length)
{
	length -= strlen(CUT_MARK);
	while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80)
		length--;
	memcpy(text + length, CUT_MARK, sizeof(CUT_MARK));
}

/* A file's name can hold anything, but a sentence has no newline and steers no terminal. */
static void replace_controls(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

/* Write into `text`, MESSAGE_BYTES long, from `used` on. Returns the new length. */
static size_t append(char *text, size_t used, const char *format, va_list args)
{
	int length = vsnprintf(text + used, MESSAGE_BYTES - used, format, args);

	if (length < 0) {
		/* A format that the C library refuses: better the words without the figures. */
		length = snprintf(text + used, MESSAGE_BYTES - used, "%s", format);
	}
	if ((size_t)length >= MESSAGE_BYTES - used) {
		cut(text, MESSAGE_BYTES - 1);
		return strlen(text);
	}
	return used + (size_t)length;
}

static size_t append_text(char *text, size_t used, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static size_t append_text(char *text, size_t used, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	used = append(text, used, format, args);
	va_end(args);
	return used;
}

/*
 * Both write beside the message first: the arguments may point into it. errno stays as it is, so
 * that a caller may report it twice.
 */
int hnuma_error_set(int error, const char *format, ...)
{
	char text[MESSAGE_BYTES];
	int saved = errno;
	va_list args;

	va_start(args, format);
	append(text, 0, format, args);
	va_end(args);
	replace_controls(text);
	strcpy(message, text);
	errno = saved;
	return error;
}

int hnuma_error_prefix(int error, const char *format, ...)
{
	char text[MESSAGE_BYTES];
	int saved = errno;
	va_list args;
	size_t used;

	va_start(args, format);
	used = append(text, 0, format, args);
	va_end(args);
	append_text(text, used, "%s", message);
	replace_controls(text);
	strcpy(message, text);
	errno = saved;
	return error;
}

const char *hnuma_errormsg(void)
{
	return message;
}

const char *hnuma_strerror(int error)
{
	const char *text = NULL;

	if (error == INT_MIN)
		return "unknown error";
	error = error < 0 ? -error : error;
#if defined(__GLIBC__)
	text = strerrordesc_np(error);
#else
	text = strerror(error);
#endif
	return text ? text : "unknown error";
}
