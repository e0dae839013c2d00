/* SPDX-License-Identifier: MIT */
/*
 * vocabulary.h - text to tokens and back: bytes, or the pieces of llama2.c's tokenizer.bin.
 *
 * Read by all threads once it is open.
 */
#ifndef TOKEND_VOCABULARY_H
#define TOKEND_VOCABULARY_H

#include <stddef.h>

/* No piece is longer. */
#define MOST_PIECE_BYTES 256

struct piece {
	char *text;
	unsigned length;
	float score;
};

struct vocabulary {
	unsigned size;
	struct piece *pieces; /* NULL: bytes */
	unsigned *by_text;    /* all tokens, sorted */
};

/* Open a file of as many tokens as the model has; path NULL: bytes. 0, or -1 and one line. */
int vocabulary_open(struct vocabulary *vocabulary, const char *path, unsigned size, char *message,
		    size_t message_bytes);
void vocabulary_close(struct vocabulary *vocabulary);

/*
 * The tokens of a text, the one that begins every text first. Returns how many, or -1: they are
 * more than `room`, or memory is out.
 */
long vocabulary_encode(const struct vocabulary *vocabulary, const char *text, size_t length,
		       unsigned *tokens, unsigned room);

/* The bytes of a token, behind another one. Returns how many there are, MOST_PIECE_BYTES at most. */
unsigned vocabulary_decode(const struct vocabulary *vocabulary, unsigned previous, unsigned token,
			   char bytes[MOST_PIECE_BYTES]);

#endif
