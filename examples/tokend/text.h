/* SPDX-License-Identifier: MIT */
/*
 * text.h - bytes that a model makes, as the inside of a JSON string.
 */
#ifndef TOKEND_TEXT_H
#define TOKEND_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* The beginning of a UTF-8 character whose rest has not come yet. */
struct text_tail {
	unsigned char bytes[4];
	unsigned length;
};

/* A byte becomes at most so many: \u001f, or a replacement character as \ufffd. */
#define TEXT_GROWTH 6

/*
 * Escape bytes into `out`, which has room for TEXT_GROWTH times (length + 4). What is not UTF-8
 * becomes U+FFFD; an incomplete character stays in the tail until its rest comes, or `is_last`.
 * Returns how many bytes were written.
 */
size_t text_escape(char *out, struct text_tail *tail, const char *bytes, size_t length,
		   bool is_last);

#endif
