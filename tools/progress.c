/* SPDX-License-Identifier: MIT */
/*
 * tools/progress.c - one line on the terminal that says how far a job is. Calls libc only.
 */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tools/progress.h"
#include "tools/units.h"

#define BAR_CELLS    16
#define RATE_SECONDS 3.0 /* the rate is that of the last few seconds */

static unsigned terminal_columns(void)
{
	struct winsize size;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/* Replace the line. It is cut to the terminal, because a wrapped one cannot be taken away. */
static void show(const char *text)
{
	unsigned columns = terminal_columns();

	fprintf(stderr, "\r\033[K%.*s", (int)columns - 1, text);
	fflush(stderr);
}

void progress_open(struct progress_line *line, bool is_quiet)
{
	memset(line, 0, sizeof(*line));
	line->is_on = !is_quiet && isatty(STDERR_FILENO);
	line->drawn = -1.0;
}

void progress_say(const struct progress_line *line, const char *words)
{
	if (line->is_on)
		show(words);
}

static void measure(struct progress_line *line, uint64_t tokens, double seconds)
{
	double elapsed = seconds - line->since;

	if (elapsed < 0.5)
		return;
	line->rate = (double)(tokens - line->tokens_then) / elapsed;
	if (elapsed >= RATE_SECONDS) {
		/* Half of the window stays, so that the rate does not jump. */
		line->tokens_then += (tokens - line->tokens_then) / 2;
		line->since += elapsed / 2;
	}
}

void progress_draw(struct progress_line *line, uint64_t requests, uint64_t requests_total,
		   uint64_t tokens, uint64_t tokens_total, double seconds)
{
	double share = tokens_total ? (double)tokens / (double)tokens_total : 0.0;
	char bar[BAR_CELLS + 1], done[UNITS_TEXT], all[UNITS_TEXT], number[UNITS_TEXT];
	char text[256];
	unsigned cells;
	int used;

	if (!line->is_on || seconds - line->drawn < 0.2)
		return;
	line->drawn = seconds;
	measure(line, tokens, seconds);
	if (share > 1.0)
		share = 1.0;
	cells = (unsigned)(share * BAR_CELLS);
	memset(bar, '.', BAR_CELLS);
	memset(bar, '#', cells);
	bar[BAR_CELLS] = '\0';
	used = snprintf(text, sizeof(text), "%3.0f%% [%s] %s of %s requests", 100.0 * share, bar,
			units_count(done, requests), units_count(all, requests_total));
	if (line->rate > 0.0)
		used += snprintf(text + used, sizeof(text) - (size_t)used, ", %s tokens/s",
				 units_count(number, (uint64_t)line->rate));
	/* A guess from the first moments would only be laughed at. */
	if (line->rate > 0.0 && share > 0.01 && seconds > 1.0 && tokens < tokens_total)
		snprintf(
			text + used, sizeof(text) - (size_t)used, ", %s left",
			units_duration(number, ceil((double)(tokens_total - tokens) / line->rate)));
	show(text);
}

void progress_close(struct progress_line *line)
{
	if (line->is_on)
		fputs("\r\033[K", stderr);
	line->is_on = false;
}
