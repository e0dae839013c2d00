/* SPDX-License-Identifier: MIT */
/*
 * tools/table.c - tables on the standard output. Calls libc only.
 */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cli.h"

#define MOST_COLUMNS 64
#define GAP	     2

struct cli_cell {
	char text[120];
	enum cli_colour colour;
};

void cli_table_begin(struct cli_table *table, const char *const *heads, unsigned nr_columns)
{
	*table = (struct cli_table){.heads = heads, .nr_columns = nr_columns};
}

void cli_table_add(struct cli_table *table, enum cli_colour colour, const char *format, ...)
{
	va_list arguments;

	if (table->nr == table->room) {
		size_t room = table->room ? 2 * table->room : 64;
		struct cli_cell *cells = realloc(table->cells, room * sizeof(*cells));

		/* Without memory the table ends here. */
		if (!cells)
			return;
		table->cells = cells;
		table->room = room;
	}
	va_start(arguments, format);
	vsnprintf(table->cells[table->nr].text, sizeof(table->cells[0].text), format, arguments);
	va_end(arguments);
	table->cells[table->nr++].colour = colour;
}

static bool is_left(const char *head)
{
	return *head == '<';
}

static const char *title(const char *head)
{
	return head + is_left(head);
}

static void print_cell(const char *text, enum cli_colour colour, unsigned width, bool left,
		       bool last)
{
	int padding = (int)(width - strlen(text));

	if (!left)
		printf("%*s", padding, "");
	cli_print(colour, "%s", text);
	if (left && !last)
		printf("%*s", padding, "");
	if (!last)
		printf("%*s", GAP, "");
}

/* Each cell a line. */
static void print_narrow(const struct cli_table *table)
{
	size_t i;

	for (i = 0; i < table->nr; i++) {
		if (i && i % table->nr_columns == 0)
			putchar('\n');
		printf("%s: ", title(table->heads[i % table->nr_columns]));
		cli_print(table->cells[i].colour, "%s\n", table->cells[i].text);
	}
}

void cli_table_print(struct cli_table *table)
{
	unsigned widths[MOST_COLUMNS], total = 0, column;
	size_t i;

	for (column = 0; column < table->nr_columns; column++)
		widths[column] = (unsigned)strlen(title(table->heads[column]));
	for (i = 0; i < table->nr; i++) {
		column = (unsigned)(i % table->nr_columns);
		if (strlen(table->cells[i].text) > widths[column])
			widths[column] = (unsigned)strlen(table->cells[i].text);
	}
	for (column = 0; column < table->nr_columns; column++)
		total += widths[column] + (column ? GAP : 0);
	if (total > cli_columns()) {
		print_narrow(table);
		free(table->cells);
		return;
	}
	for (column = 0; column < table->nr_columns; column++)
		print_cell(title(table->heads[column]), CLI_BOLD, widths[column],
			   is_left(table->heads[column]), column + 1 == table->nr_columns);
	for (i = 0; i < table->nr; i++) {
		column = (unsigned)(i % table->nr_columns);
		if (column == 0)
			putchar('\n');
		print_cell(table->cells[i].text, table->cells[i].colour, widths[column],
			   is_left(table->heads[column]), column + 1 == table->nr_columns);
	}
	putchar('\n');
	free(table->cells);
}
