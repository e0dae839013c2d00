/* SPDX-License-Identifier: MIT */
/*
 * requests.c - sizes of requests (requests.h). Calls libc.
 */
#include "requests.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pattern.h"

#define MOST_MADE_UP 64
#define MOST_TOKENS  10000000

/* The lines of the trace, as many as are wanted. Returns how many were read, or 0 with a line printed. */
static uint32_t read_trace(struct requests *requests, const char *path, unsigned tokens_per_block)
{
	FILE *file = fopen(path, "r");
	uint32_t nr = 0, line = 1;
	char text[256];

	if (!file || !fgets(text, sizeof(text), file)) {
		fprintf(stderr, "kvmove: %s: %s\n", path, file ? "it is empty" : strerror(errno));
		goto close;
	}
	while (nr < requests->nr && fgets(text, sizeof(text), file)) {
		unsigned long tokens;

		line++;
		if (sscanf(text, "%*[^,],%lu,", &tokens) != 1 || !tokens || tokens > MOST_TOKENS) {
			fprintf(stderr, "kvmove: %s:%u: no request\n", path, line);
			nr = 0;
			goto close;
		}
		requests->nr_blocks[nr++] =
			(uint32_t)((tokens + tokens_per_block - 1) / tokens_per_block);
	}
	if (!nr)
		fprintf(stderr, "kvmove: %s: no requests\n", path);
close:
	if (file)
		fclose(file);
	return nr;
}

int requests_make(struct requests *requests, uint32_t nr, const char *trace,
		  unsigned tokens_per_block, uint64_t seed)
{
	uint32_t there = 0;

	requests->nr = nr;
	requests->most = 0;
	requests->nr_blocks = calloc(nr, sizeof(*requests->nr_blocks));
	if (!requests->nr_blocks) {
		perror("kvmove");
		return -1;
	}
	if (trace) {
		there = read_trace(requests, trace, tokens_per_block);
		if (!there) {
			requests_free(requests);
			return -1;
		}
	}
	for (uint32_t i = 0; i < nr; i++) {
		if (!trace)
			requests->nr_blocks[i] =
				1 + (uint32_t)(pattern_mix(seed + i) % MOST_MADE_UP);
		else if (i >= there)
			requests->nr_blocks[i] = requests->nr_blocks[i - there];
		if (requests->nr_blocks[i] > requests->most)
			requests->most = requests->nr_blocks[i];
	}
	return 0;
}

void requests_free(struct requests *requests)
{
	free(requests->nr_blocks);
	memset(requests, 0, sizeof(*requests));
}
