/* SPDX-License-Identifier: MIT */
/*
 * text.c - bytes as the inside of a JSON string (text.h). Calls libc.
 */
#include "text.h"

#include <stdio.h>
#include <string.h>

/* How many bytes a character has that begins with this one; 0: none does. */
static unsigned wide(unsigned char first)
{
	if (first < 0x80)
		return 1;
	if (first >= 0xc2 && first <= 0xdf)
		return 2;
	if (first >= 0xe0 && first <= 0xef)
		return 3;
	if (first >= 0xf0 && first <= 0xf4)
		return 4;
	return 0;
}

/* May this be the byte at a place, from 1 on, behind this first byte? */
static bool follows(unsigned char first, unsigned place, unsigned char byte)
{
	unsigned char least = 0x80, most = 0xbf;

	if (place == 1) {
		least = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
		most = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
	}
	return byte >= least && byte <= most;
}

static size_t put_ascii(char *out, unsigned char byte)
{
	static const char short_forms[] = "\"\"\\\\\nn\rr\tt";

	for (size_t i = 0; short_forms[i]; i += 2)
		if (byte == (unsigned char)short_forms[i]) {
			out[0] = '\\';
			out[1] = short_forms[i + 1];
			return 2;
		}
	if (byte < 0x20 || byte == 0x7f)
		return (size_t)sprintf(out, "\\u%04x", byte);
	out[0] = (char)byte;
	return 1;
}

static size_t put_bad(char *out)
{
	memcpy(out, "\\ufffd", 6);
	return 6;
}

/* One byte more. */
static size_t put(char *out, struct text_tail *tail, unsigned char byte)
{
	size_t n = 0;

	if (tail->length > 0 && !follows(tail->bytes[0], tail->length, byte)) {
		n = put_bad(out);
		tail->length = 0;
	}
	if (tail->length == 0 && wide(byte) < 2)
		return n + (wide(byte) ? put_ascii(out + n, byte) : put_bad(out + n));
	tail->bytes[tail->length++] = byte;
	if (tail->length < wide(tail->bytes[0]))
		return n;
	memcpy(out + n, tail->bytes, tail->length);
	n += tail->length;
	tail->length = 0;
	return n;
}

size_t text_escape(char *out, struct text_tail *tail, const char *bytes, size_t length,
		   bool is_last)
{
	size_t n = 0;

	for (size_t i = 0; i < length; i++)
		n += put(out + n, tail, (unsigned char)bytes[i]);
	if (is_last && tail->length > 0) {
		n += put_bad(out + n);
		tail->length = 0;
	}
	return n;
}
