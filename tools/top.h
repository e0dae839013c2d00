/* SPDX-License-Identifier: MIT */
/*
 * tools/top.h - what the files of `hugenuma top` share.
 *
 *	top.c	       the main function: which process, once or again and again
 *	top_options.c  the command line
 *	top_read.c     one look at a process and at the machine
 *	top_draw.c     as text, in so many columns
 *	top_json.c     as JSON
 *	top_screen.c   the terminal: size, keys, and that it is left as it was
 */
#ifndef HUGENUMA_TOOLS_TOP_H
#define HUGENUMA_TOOLS_TOP_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

#include <hugenuma.h>

#define TOP_NAME_BYTES 64

struct top_options {
	int pid; /* 0: not said */
	bool once;
	bool json;
	bool has_delay; /* --delay was given */
	double delay_seconds;
};

/* Read the command line. Returns -1 to go on, or an exit code: helped, or complained. */
int top_options_read(struct top_options *options, int argc, char **argv);

/* One class of a pool on one node. */
struct top_class {
	int node;
	enum hnuma_class class_index;
	struct hnuma_pool_class_stats stats;
};

struct top_object {
	struct hnuma_object object;
	bool has_stats; /* it was there long enough to be read */
	struct hnuma_arena_stats arena;
	struct hnuma_scratch_stats scratch;
	struct top_class *classes; /* of a pool */
	unsigned nr_classes;
};

/* One look. */
struct top_view {
	int pid;
	double seconds; /* when, on a clock that only goes on */
	char command[TOP_NAME_BYTES];
	char version[32];
	unsigned nr_unlisted;
	struct hnuma_node_info *nodes;
	unsigned nr_nodes;
	struct top_object *objects;
	unsigned nr_objects;
};

/*
 * Look at a process through its observer, and at the machine's nodes.
 *
 * Returns 0, or what the observer said (hnuma_errormsg() says it in words); the view is then empty.
 */
int top_read(struct top_view *view, int pid, struct hnuma_observer *observer,
	     const struct hnuma_topology *topology);

void top_view_free(struct top_view *view);

/* A process that has objects, for the list. */
struct top_process {
	int pid;
	char command[TOP_NAME_BYTES];
	char version[32];
	unsigned nr_objects;
	uint64_t bytes; /* of its regions */
};

/* Find all that this process may look at. The caller frees *processes. Returns how many, or -ENOMEM. */
int top_find(struct top_process **processes);

/*
 * Draw a view, or a list of processes.
 *
 * @before   the view before it, for what is counted per second; NULL: there is none.
 * @columns  the longest line, from 1; 0: any.
 * @bold     headings stand out, by the escape sequences of every terminal.
 */
void top_draw(FILE *stream, const struct top_view *view, const struct top_view *before,
	      unsigned columns, bool bold);
void top_draw_processes(FILE *stream, const struct top_process *processes, int nr,
			unsigned columns);

/* The same as a JSON object. NULL without memory. */
json_t *top_json(const struct top_view *view);
json_t *top_json_processes(const struct top_process *processes, int nr);

enum top_key {
	TOP_KEY_NONE, /* the time is over, the size is another, or somebody moves */
	TOP_KEY_QUIT,
	TOP_KEY_SIGNAL, /* one that ends the program: top_screen_signal() */
};

/* Take the terminal. Standard output is one. From here until top_screen_close() all writing to it is
 * top_screen_show()'s. */
void top_screen_open(void);

/* Give it back as it was. More than once does no harm. */
void top_screen_close(void);

void top_screen_size(unsigned *rows, unsigned *columns);

/* Show the lines of a text from the first_line-th on, as many as there is room for. Returns 0, -errno. */
int top_screen_show(const char *text, unsigned first_line);

/*
 * Wait for keys, at most so long. *lines says by how many lines they move, up (negative) or down. Stops
 * and goes on by itself on Ctrl-Z.
 */
enum top_key top_screen_wait(double seconds, int *lines);

/* The signal that ended it, or 0. */
int top_screen_signal(void);

#endif
