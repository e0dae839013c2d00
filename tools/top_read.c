/* SPDX-License-Identifier: MIT */
/*
 * tools/top_read.c - one look at a process and at the machine. Calls <hugenuma.h> and libc.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/top.h"
#include "tools/units.h"

/* The process's name. It may have chosen any bytes: what could move a cursor becomes '?'. */
static void read_command(int pid, char command[TOP_NAME_BYTES])
{
	char path[40];
	FILE *file;

	strcpy(command, "?");
	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	file = fopen(path, "re");
	if (!file)
		return;
	if (fgets(command, TOP_NAME_BYTES, file))
		command[strcspn(command, "\n")] = '\0';
	fclose(file);
	for (char *at = command; *at; at++)
		if (*at < 0x20 || *at > 0x7e)
			*at = '?';
}

static int read_nodes(struct top_view *view, const struct hnuma_topology *topology)
{
	unsigned nr = hnuma_topology_nr_nodes(topology);

	view->nodes = calloc(nr ? nr : 1, sizeof(*view->nodes));
	if (!view->nodes)
		return -ENOMEM;
	for (unsigned i = 0; i < nr; i++)
		if (hnuma_topology_node_info(topology, i, &view->nodes[view->nr_nodes]) == 0)
			view->nr_nodes++;
	return 0;
}

static int read_classes(struct top_object *object, const struct hnuma_observer *observer)
{
	unsigned nr_nodes = 0;
	int error = 0;

	for (int node = 0; node < HNUMA_MAX_NODES; node++)
		nr_nodes += hnuma_nodeset_has(&object->object.nodes, node);
	object->classes = calloc((nr_nodes + 1) * HNUMA_NR_CLASSES, sizeof(*object->classes));
	if (!object->classes)
		return -ENOMEM;
	for (int node = 0; node < HNUMA_MAX_NODES && !error; node++) {
		if (!hnuma_nodeset_has(&object->object.nodes, node))
			continue;
		for (int c = 0; c < HNUMA_NR_CLASSES && !error; c++) {
			struct top_class *one = &object->classes[object->nr_classes++];

			one->node = node;
			one->class_index = (enum hnuma_class)c;
			error = hnuma_observer_pool_class_stats(observer, &object->object, node,
								one->class_index, &one->stats);
		}
	}
	return error;
}

/* What the object counts. One that has gone meanwhile is no error: it is simply not shown. */
static int read_stats(struct top_object *object, const struct hnuma_observer *observer)
{
	int error = 0;

	switch (object->object.kind) {
	case HNUMA_OBJECT_ARENA:
		error = hnuma_observer_arena_stats(observer, &object->object, &object->arena);
		break;
	case HNUMA_OBJECT_POOL:
		error = read_classes(object, observer);
		break;
	case HNUMA_OBJECT_SCRATCH:
		error = hnuma_observer_scratch_stats(observer, &object->object, &object->scratch);
		break;
	case HNUMA_OBJECT_REGION:
	case HNUMA_OBJECT_MANAGER:
		break;
	}
	object->has_stats = !error;
	return error == -ESTALE || error == -ENODEV ? 0 : error;
}

static int read_objects(struct top_view *view, struct hnuma_observer *observer)
{
	struct hnuma_object object = {.id = 0};
	unsigned room = 0;
	int result;

	while ((result = hnuma_observer_next(observer, &object)) > 0) {
		if (view->nr_objects == room) {
			struct top_object *more;

			room = room ? 2 * room : 16;
			more = realloc(view->objects, room * sizeof(*more));
			if (!more)
				return -ENOMEM;
			view->objects = more;
		}
		memset(&view->objects[view->nr_objects], 0, sizeof(view->objects[0]));
		view->objects[view->nr_objects].object = object;
		result = read_stats(&view->objects[view->nr_objects++], observer);
		if (result)
			return result;
	}
	return result;
}

int top_read(struct top_view *view, int pid, struct hnuma_observer *observer,
	     const struct hnuma_topology *topology)
{
	struct timespec now;
	int error;

	memset(view, 0, sizeof(*view));
	view->pid = pid;
	clock_gettime(CLOCK_MONOTONIC, &now);
	view->seconds = (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
	read_command(pid, view->command);
	error = read_objects(view, observer);
	if (!error)
		error = read_nodes(view, topology);
	snprintf(view->version, sizeof(view->version), "%s", hnuma_observer_version(observer));
	view->nr_unlisted = hnuma_observer_unlisted(observer);
	if (error)
		top_view_free(view);
	return error;
}

void top_view_free(struct top_view *view)
{
	for (unsigned i = 0; i < view->nr_objects; i++)
		free(view->objects[i].classes);
	free(view->objects);
	free(view->nodes);
	memset(view, 0, sizeof(*view));
}

/* False when there is nothing to see, for whatever reason. */
static bool describe(struct top_process *process, int pid)
{
	struct hnuma_object object = {.id = 0};
	struct hnuma_observer *observer;

	memset(process, 0, sizeof(*process));
	if (hnuma_observer_open(&observer, pid))
		return false;
	process->pid = pid;
	read_command(pid, process->command);
	snprintf(process->version, sizeof(process->version), "%s",
		 hnuma_observer_version(observer));
	while (hnuma_observer_next(observer, &object) > 0) {
		process->nr_objects++;
		if (object.kind == HNUMA_OBJECT_REGION)
			process->bytes += object.size;
	}
	hnuma_observer_close(observer);
	return process->nr_objects > 0;
}

int top_find(struct top_process **processes)
{
	DIR *folder = opendir("/proc");
	const struct dirent *entry;
	unsigned room = 0;
	uint64_t pid;
	int nr = 0;

	*processes = NULL;
	while (folder && (entry = readdir(folder))) {
		struct top_process one, *more;

		if (units_read_count(entry->d_name, 1, INT_MAX, &pid) || !describe(&one, (int)pid))
			continue;
		if ((unsigned)nr == room) {
			room = room ? 2 * room : 16;
			more = realloc(*processes, room * sizeof(*more));
			if (!more) {
				closedir(folder);
				free(*processes);
				*processes = NULL;
				return -ENOMEM;
			}
			*processes = more;
		}
		(*processes)[nr++] = one;
	}
	if (folder)
		closedir(folder);
	return nr;
}
