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

/* Two neighbours that are a token together. */
struct pair {
	float score;
	unsigned left, right; /* where they stand */
	unsigned token;
};

/* A text on its way to tokens. */
struct merging {
	const struct vocabulary *v;
	unsigned *tokens;	  /* by where they stand */
	unsigned *before, *after; /* their neighbours */
	struct pair *pairs;	  /* a heap, the best on top; some do not stand any more */
	size_t nr_pairs;
};

#define NOWHERE UINT32_MAX

static bool is_better(const struct pair *a, const struct pair *b)
{
	return a->score > b->score || (a->score == b->score && a->left < b->left);
}

/* Note a token and the one after it, if they are one together. */
static void push(struct merging *m, unsigned left)
{
	unsigned right = m->after[left];
	long token = right == NOWHERE ? -1 : joined(m->v, m->tokens[left], m->tokens[right]);
	struct pair pair;
	size_t at = m->nr_pairs;

	if (token < 0)
		return;
	m->nr_pairs++;
	pair = (struct pair){m->v->pieces[token].score, left, right, (unsigned)token};
	for (; at > 0 && is_better(&pair, &m->pairs[(at - 1) / 2]); at = (at - 1) / 2)
		m->pairs[at] = m->pairs[(at - 1) / 2];
	m->pairs[at] = pair;
}

static struct pair pop(struct merging *m)
{
	struct pair best = m->pairs[0], last = m->pairs[--m->nr_pairs];
	size_t at = 0, child;

	for (; (child = 2 * at + 1) < m->nr_pairs; at = child) {
		if (child + 1 < m->nr_pairs && is_better(&m->pairs[child + 1], &m->pairs[child]))
			child++;
		if (!is_better(&m->pairs[child], &last))
			break;
		m->pairs[at] = m->pairs[child];
	}
	m->pairs[at] = last;
	return best;
}

/* Neither has been put together with another one since: they would be longer. */
static bool stands(const struct merging *m, const struct pair *pair)
{
	const struct piece *pieces = m->v->pieces;

	return m->after[pair->left] == pair->right &&
	       pieces[m->tokens[pair->left]].length + pieces[m->tokens[pair->right]].length ==
		       pieces[pair->token].length;
}

/* Put the best pair of neighbours together until there is none. Returns how many tokens are left. */
static size_t merge(struct merging *m, unsigned n)
{
	size_t count = 0;

	for (unsigned i = 0; i < n; i++) {
		m->before[i] = i > 0 ? i - 1 : NOWHERE;
		m->after[i] = i + 1 < n ? i + 1 : NOWHERE;
	}
	for (unsigned i = 0; i < n; i++)
		push(m, i);
	while (m->nr_pairs > 0) {
		struct pair pair = pop(m);
		unsigned next;

		if (!stands(m, &pair))
			continue;
		next = m->after[pair.right];
		m->tokens[pair.left] = pair.token;
		m->after[pair.left] = next;
		m->after[pair.right] = NOWHERE;
		if (next != NOWHERE)
			m->before[next] = pair.left;
		push(m, pair.left);
		if (m->before[pair.left] != NOWHERE)
			push(m, m->before[pair.left]);
	}
	for (unsigned i = n > 0 ? 0 : NOWHERE; i != NOWHERE; i = m->after[i])
		m->tokens[count++] = m->tokens[i];
	return count;
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
	/* As many as there are bytes and the space before them; a pair for each, and two a merge. */
	size_t most = length + 1, n;
	unsigned *places = malloc(3 * most * sizeof(*places));
	struct pair *pairs = malloc(3 * most * sizeof(*pairs));
	struct merging m = {.v = v, .tokens = places, .pairs = pairs};
	long count = -1;

	if (places && pairs) {
		m.before = places + most;
		m.after = places + 2 * most;
		n = merge(&m, (unsigned)split(v, text, length, m.tokens));
		if (n < room) {
			tokens[0] = TOKEN_BEGIN;
			memcpy(tokens + 1, m.tokens, n * sizeof(*tokens));
			count = (long)n + 1;
		}
	}
	free(places);
	free(pairs);
	return count;
}

long vocabulary_encode(const struct vocabulary *vocabulary, const char *text, size_t length,
		       unsigned *tokens, unsigned room)
{
	/* What cannot come to fit is not tried. */
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
