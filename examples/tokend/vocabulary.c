/* SPDX-License-Identifier: MIT */
/*
 * vocabulary.c - text to tokens and back (vocabulary.h). Calls libc.
 */
#include "vocabulary.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

/* ---- The file: a number, then for each token its score, length and bytes ---- */

static bool read_piece(FILE *file, struct piece *piece)
{
	int32_t length;

	if (fread(&piece->score, sizeof(float), 1, file) != 1 ||
	    fread(&length, sizeof(length), 1, file) != 1 || length < 0 || length > MOST_PIECE_BYTES)
		return false;
	piece->length = (unsigned)length;
	piece->text = malloc(piece->length + 1);
	return piece->text && fread(piece->text, 1, piece->length, file) == piece->length;
}

static int compare_pieces(const struct piece *a, const struct piece *b)
{
	unsigned least = a->length < b->length ? a->length : b->length;
	int order = memcmp(a->text, b->text, least);

	return order ? order : (a->length > b->length) - (a->length < b->length);
}

static int compare_tokens(const void *a, const void *b, void *pieces)
{
	const struct piece *list = pieces;

	return compare_pieces(&list[*(const unsigned *)a], &list[*(const unsigned *)b]);
}

int vocabulary_open(struct vocabulary *vocabulary, const char *path, unsigned size, char *message,
		    size_t message_bytes)
{
	FILE *file;
	int32_t longest;
	bool is_good;

	*vocabulary = (struct vocabulary){.size = size};
	if (!path)
		return 0;
	file = fopen(path, "re");
	if (!file) {
		snprintf(message, message_bytes, "%s: %s", path, strerror(errno));
		return -1;
	}
	vocabulary->pieces = calloc(size, sizeof(*vocabulary->pieces));
	vocabulary->by_text = calloc(size, sizeof(*vocabulary->by_text));
	is_good = vocabulary->pieces && vocabulary->by_text &&
		  fread(&longest, sizeof(longest), 1, file) == 1;
	for (unsigned i = 0; i < size && is_good; i++) {
		is_good = read_piece(file, &vocabulary->pieces[i]);
		vocabulary->by_text[i] = i;
	}
	is_good = is_good && getc(file) == EOF;
	fclose(file);
	if (!is_good) {
		snprintf(message, message_bytes, "%s: no llama2.c tokenizer of %u tokens", path,
			 size);
		vocabulary_close(vocabulary);
		return -1;
	}
	qsort_r(vocabulary->by_text, size, sizeof(unsigned), compare_tokens, vocabulary->pieces);
	return 0;
}

void vocabulary_close(struct vocabulary *vocabulary)
{
	for (unsigned i = 0; i < vocabulary->size && vocabulary->pieces; i++)
		free(vocabulary->pieces[i].text);
	free(vocabulary->pieces);
	free(vocabulary->by_text);
	vocabulary->pieces = NULL;
	vocabulary->by_text = NULL;
}

/* ---- Text to tokens ---- */

/* The token with exactly these bytes, or -1. */
static long find(const struct vocabulary *v, const char *text, unsigned length)
{
	const struct piece wanted = {.text = (char *)text, .length = length};
	unsigned low = 0, high = v->size;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;
		int order = compare_pieces(&wanted, &v->pieces[v->by_text[middle]]);

		if (order == 0)
			return v->by_text[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return -1;
}

/* The token that two neighbours make together, or -1. */
static long joined(const struct vocabulary *v, unsigned left, unsigned right)
{
	const struct piece *a = &v->pieces[left], *b = &v->pieces[right];
	char text[2 * MOST_PIECE_BYTES];

	memcpy(text, a->text, a->length);
	memcpy(text + a->length, b->text, b->length);
	return find(v, text, a->length + b->length);
}

/* Put the best pair of neighbours together until there is none. Returns how many tokens are left. */
static size_t merge(const struct vocabulary *v, unsigned *tokens, long *pairs, size_t n)
{
	for (size_t i = 0; i + 1 < n; i++)
		pairs[i] = joined(v, tokens[i], tokens[i + 1]);
	for (;;) {
		size_t best = n;

		for (size_t i = 0; i + 1 < n; i++)
			if (pairs[i] >= 0 &&
			    (best == n || v->pieces[pairs[i]].score > v->pieces[pairs[best]].score))
				best = i;
		if (best == n)
			return n;
		tokens[best] = (unsigned)pairs[best];
		n--;
		memmove(tokens + best + 1, tokens + best + 2, (n - best - 1) * sizeof(*tokens));
		memmove(pairs + best, pairs + best + 1, (n - best) * sizeof(*pairs));
		if (best > 0)
			pairs[best - 1] = joined(v, tokens[best - 1], tokens[best]);
		if (best + 1 < n)
			pairs[best] = joined(v, tokens[best], tokens[best + 1]);
	}
}

/* Characters as tokens, those that are none as their bytes, a space before all. */
static size_t split(const struct vocabulary *v, const char *text, size_t length, unsigned *tokens)
{
	size_t n = 0, i = 0;
	long space = find(v, " ", 1);

	if (length > 0 && space >= 0)
		tokens[n++] = (unsigned)space;
	while (i < length) {
		unsigned wide = 1;
		long token;

		while (i + wide < length && wide < 4 &&
		       ((unsigned char)text[i + wide] & 0xc0) == 0x80)
			wide++;
		token = find(v, text + i, wide);
		for (unsigned k = 0; k < wide && token < 0; k++)
			tokens[n++] = TOKEN_FIRST_BYTE + (unsigned char)text[i + k];
		if (token >= 0)
			tokens[n++] = (unsigned)token;
		i += wide;
	}
	return n;
}

static long encode_pieces(const struct vocabulary *v, const char *text, size_t length,
			  unsigned *tokens, unsigned room)
{
	unsigned *list = malloc((length + 1) * sizeof(*list));
	long *pairs = malloc((length + 1) * sizeof(*pairs));
	size_t n = 0;
	long count = -1;

	if (list && pairs) {
		n = merge(v, list, pairs, split(v, text, length, list));
		if (n < room) {
			tokens[0] = TOKEN_BEGIN;
			memcpy(tokens + 1, list, n * sizeof(*tokens));
			count = (long)n + 1;
		}
	}
	free(list);
	free(pairs);
	return count;
}

long vocabulary_encode(const struct vocabulary *vocabulary, const char *text, size_t length,
		       unsigned *tokens, unsigned room)
{
	/* Merging takes the square of the length: what cannot come to fit is not tried. */
	if (length >= (vocabulary->pieces ? (size_t)room * 16 : room))
		return -1;
	if (vocabulary->pieces)
		return encode_pieces(vocabulary, text, length, tokens, room);
	tokens[0] = TOKEN_BEGIN;
	for (size_t i = 0; i < length; i++)
		tokens[i + 1] = TOKEN_FIRST_BYTE + (unsigned char)text[i];
	return (long)length + 1;
}

/* ---- And back ---- */

unsigned vocabulary_decode(const struct vocabulary *vocabulary, unsigned previous, unsigned token,
			   char bytes[MOST_PIECE_BYTES])
{
	const struct piece *piece;
	unsigned skip;

	if (token < TOKEN_FIRST_BYTE || token >= vocabulary->size)
		return 0;
	if (token < NR_BYTE_TOKENS) {
		bytes[0] = (char)(token - TOKEN_FIRST_BYTE);
		return 1;
	}
	if (!vocabulary->pieces)
		return 0;
	piece = &vocabulary->pieces[token];
	skip = previous == TOKEN_BEGIN && piece->length > 0 && piece->text[0] == ' ';
	memcpy(bytes, piece->text + skip, piece->length - skip);
	return piece->length - skip;
}
