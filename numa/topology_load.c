/* SPDX-License-Identifier: MIT */
/*
 * numa/topology_load.c - from the environment and /sys to hwloc's handle.
 *
 * hwloc by itself goes on silently with something else when its environment names what it cannot
 * read: a missing HWLOC_XMLFILE gives the real machine, a missing HWLOC_FSROOT an empty machine that
 * it calls the real one. Memory would then be planned, or bound, by another machine's map. So this
 * file decides, in hwloc's own order of preference, what is to be read, and refuses what cannot be.
 *
 * hwloc also writes to stderr, or aborts, where the kernel tells it nothing. So it is asked only for
 * what is there: where /sys tells no nodes it gets a machine of one node to work with. What remains
 * is a banner for XML whose objects are out of order, which no program exports.
 *
 * Uses hwloc; reads through numa/procfs.
 */
#include "config.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "numa/error.h"
#include "numa/procfs.h"
#include "numa/topology.h"
#include "numa/topology_state.h"

#define ONLINE_NODES "/sys/devices/system/node/online"

/* How large a file in XML may be: a machine of 8,192 CPUs with all its devices has a few MB. */
#define XML_BYTES_LEAST ((size_t)1 << 20)
#define XML_BYTES_MOST	((size_t)1 << 26)

/* Of so many CPUs hwloc makes one list in 0.06 s; the time grows with the third power. */
#define FLAT_CPUS 1024

/* Linux has no more, and twice as many would take hwloc minutes. */
#define LINUX_CPUS_MOST 8192

/* What describes the machine. */
enum kind {
	KIND_SYSTEM,	/* the kernel of this one */
	KIND_FSROOT,	/* files copied from another one's /sys and /proc */
	KIND_CPUID,	/* a directory of CPUID dumps */
	KIND_SYNTHETIC, /* a line of text */
	KIND_XML,	/* a file written by lstopo */
};

struct source {
	enum kind kind;
	const char *variable;
	const char *value;
};

/* Is the word one of HWLOC_COMPONENTS? */
static bool names_component(const char *components, const char *word)
{
	const size_t length = strlen(word);

	while (*components) {
		size_t span = strcspn(components, ",");

		if (span == length && strncmp(components, word, length) == 0)
			return true;
		components += span + (components[span] == ',');
	}
	return false;
}

/* What would hwloc read? The first of these that is set; HWLOC_COMPONENTS can leave them out. */
static struct source choose_source(void)
{
	static const struct {
		enum kind kind;
		const char *variable;
		const char *component;
	} choices[] = {
		{KIND_FSROOT, "HWLOC_FSROOT", "linux"},
		{KIND_CPUID, "HWLOC_CPUID_PATH", "x86"},
		{KIND_SYNTHETIC, "HWLOC_SYNTHETIC", "synthetic"},
		{KIND_XML, "HWLOC_XMLFILE", "xml"},
	};
	const char *components = getenv("HWLOC_COMPONENTS");
	struct source source = {KIND_SYSTEM, NULL, NULL};

	for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++) {
		const char *value = getenv(choices[i].variable);

		if (!value || (components && choices[i].kind != KIND_FSROOT &&
			       !names_component(components, choices[i].component)))
			continue;
		source.kind = choices[i].kind;
		source.variable = choices[i].variable;
		source.value = value;
		break;
	}
	if (source.kind == KIND_FSROOT && strcmp(source.value, "/") == 0)
		source.kind = KIND_SYSTEM;
	return source;
}

static bool is_readable(const char *root, const char *file)
{
	char path[1024], text[2];
	ssize_t length;

	if (snprintf(path, sizeof(path), "%s%s", root, file) >= (int)sizeof(path))
		return false;
	length = hnuma_procfs_read(path, text, sizeof(text));
	return length >= 0 || length == -EFBIG;
}

/* Is there a directory? It can be opened, but not read. */
static bool is_directory(const char *root, const char *name)
{
	char path[1024], text[2];

	return snprintf(path, sizeof(path), "%s%s", root, name) < (int)sizeof(path) &&
	       hnuma_procfs_read(path, text, sizeof(text)) == -EISDIR;
}

/* Does the kernel's file name at least one node, and nothing that is no node? */
static bool has_online_nodes(const char *root)
{
	const struct hnuma_nodeset none = {{0}};
	struct hnuma_nodeset nodes = none;
	char path[1024], text[4096];

	if (snprintf(path, sizeof(path), "%s%s", root, ONLINE_NODES) >= (int)sizeof(path) ||
	    hnuma_procfs_read(path, text, sizeof(text)) < 0)
		return false;
	return hnuma_topology_parse_list(text, &nodes) && memcmp(&nodes, &none, sizeof(none)) != 0;
}

/*
 * Can hwloc find the nodes below a directory that is there? From the list of them; where there is no
 * such file, as before Linux 2.6.20, it looks for their directories, and aborts when it finds none.
 */
static bool has_nodes(const char *root)
{
	char name[64];

	if (is_readable(root, ONLINE_NODES))
		return has_online_nodes(root);
	for (int node = 0; node < HNUMA_MAX_NODES; node++) {
		snprintf(name, sizeof(name), "/sys/devices/system/node/node%d", node);
		if (is_directory(root, name))
			return true;
	}
	return false;
}

/* Does the kernel tell how its CPUs hang together? hwloc complains on stderr where it does not. */
static bool has_cpu_topology(const char *root)
{
	static const char *const names[] = {"package_cpus", "core_cpus", "core_siblings",
					    "thread_siblings"};
	char path[1024], text[64], file[128];
	uint64_t first = 0;

	/* CPU 0 can be offline. */
	if (snprintf(path, sizeof(path), "%s/sys/devices/system/cpu/online", root) >=
	    (int)sizeof(path))
		return false;
	if (hnuma_procfs_read(path, text, sizeof(text)) != 0)
		(void)hnuma_procfs_parse_number(text, &first, NULL);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(file, sizeof(file), "/sys/devices/system/cpu/cpu%u/topology/%s",
			 (unsigned)first, names[i]);
		if (is_readable(root, file))
			return true;
	}
	return false;
}

/* Only what hwloc can read without complaint, and without its assertions, is given to it. */
static int check_fsroot(const struct source *source)
{
	if (!is_directory(source->value, "/"))
		return hnuma_error_set(-EINVAL,
				       "%s is \"%s\", which is not a directory that can be read: "
				       "name one that hwloc-gather-topology made, or unset it",
				       source->variable, source->value);
	if (!has_cpu_topology(source->value))
		return hnuma_error_set(
			-EINVAL,
			"%s is \"%s\", which has no sys/devices/system/cpu with a "
			"topology: name a directory that hwloc-gather-topology made, "
			"or unset it",
			source->variable, source->value);
	if (is_directory(source->value, "/sys/devices/system/node") && !has_nodes(source->value))
		return hnuma_error_set(
			-EINVAL,
			"%s is \"%s\", whose sys/devices/system/node has no node, or "
			"none from 0 to %d: name another directory, or unset it",
			source->variable, source->value, HNUMA_MAX_NODES - 1);
	return 0;
}

/* Has a directory one CPU's dump at least, and the file that says of what kind they are? */
static bool has_cpuid_dumps(const char *directory)
{
	static const char kind[] = "Architecture: x86\n";
	char path[1024], text[64], name[32];

	if (snprintf(path, sizeof(path), "%s/hwloc-cpuid-info", directory) >= (int)sizeof(path) ||
	    hnuma_procfs_read(path, text, sizeof(text)) < 0 ||
	    strncmp(text, kind, strlen(kind)) != 0)
		return false;
	for (int cpu = 0; cpu < LINUX_CPUS_MOST; cpu++) {
		snprintf(name, sizeof(name), "/pu%d", cpu);
		if (is_readable(directory, name))
			return true;
	}
	return false;
}

static int check_cpuid(const struct source *source)
{
	if (has_cpuid_dumps(source->value))
		return 0;
	return hnuma_error_set(-EINVAL,
			       "%s is \"%s\", which has no dumps of CPUID: name a directory that "
			       "hwloc-gather-cpuid made, or unset it",
			       source->variable, source->value);
}

/* hwloc's word for why not, in ours. */
static int refuse(const struct source *source, int error)
{
	if (error == ENOMEM)
		return hnuma_error_set(-ENOMEM, "no memory to read the topology");
	switch (source->kind) {
	case KIND_XML:
		return hnuma_error_set(
			-EINVAL,
			"%s is \"%s\", which hwloc cannot read as a topology (%s): name "
			"a file that lstopo wrote, of no newer version, or unset it",
			source->variable, source->value, hnuma_strerror(error));
	case KIND_SYSTEM:
		return hnuma_error_set(-EINVAL, "hwloc cannot read this machine's topology (%s)",
				       hnuma_strerror(error));
	default:
		return hnuma_error_set(-EINVAL,
				       "%s is \"%s\", which hwloc cannot read as a topology (%s): "
				       "correct it, or unset it",
				       source->variable, source->value, hnuma_strerror(error));
	}
}

/* How many CPU numbers there may be on a system that does not tell its topology. */
static unsigned count_cpus(void)
{
	long configured = sysconf(_SC_NPROCESSORS_CONF);
	int last = configured > 0 ? (int)configured - 1 : 0;
	hwloc_bitmap_t cpus = hwloc_bitmap_alloc();
	char text[1024];

	if (!cpus)
		return (unsigned)last + 1;
	(void)hnuma_topology_read_cpus("/sys/devices/system/cpu/possible", cpus);
	if (hnuma_topology_read_status("Cpus_allowed_list", text, sizeof(text)) == 0)
		(void)hnuma_topology_parse_cpus(text, cpus);
	if (hwloc_bitmap_last(cpus) > last)
		last = hwloc_bitmap_last(cpus);
	hwloc_bitmap_free(cpus);
	return last < LINUX_CPUS_MOST ? (unsigned)last + 1 : LINUX_CPUS_MOST;
}

/*
 * Give hwloc a machine of one node with as many CPUs as there are, for binding threads only; with
 * some more, so that they can be grouped, where they are very many.
 */
static int assume_one_node(struct hnuma_topology *topology)
{
	const unsigned nr_cpus = count_cpus();
	char description[128];
	long pages = sysconf(_SC_PHYS_PAGES), page_size = sysconf(_SC_PAGESIZE);
	unsigned long long bytes = 0;

	if (pages > 0 && page_size > 0)
		bytes = (unsigned long long)pages * (unsigned long long)page_size;
	if (nr_cpus <= FLAT_CPUS)
		snprintf(description, sizeof(description), "NUMANode:1(memory=%llu) PU:%u",
			 bytes ? bytes : 1, nr_cpus);
	else
		snprintf(description, sizeof(description),
			 "NUMANode:1(memory=%llu) Package:%u Core:8 PU:8", bytes ? bytes : 1,
			 (nr_cpus + 63) / 64);
	if (hwloc_topology_set_synthetic(topology->hwloc, description))
		return errno == ENOMEM ? -ENOMEM : -EINVAL;
	return 0;
}

/*
 * Spare hwloc what nodes do not need: it is faster, and cannot stumble over what firmware says of
 * caches and packages. Only on very large machines are packages of use, to hwloc itself.
 * Descriptions that name objects are left whole, since a node hangs on the one that it is in.
 */
static int simplify(hwloc_topology_t hwloc, const char *root)
{
	hwloc_bitmap_t online = hwloc_bitmap_alloc();
	char path[1024];
	bool is_flat;

	if (!online)
		return -ENOMEM;
	if (snprintf(path, sizeof(path), "%s/sys/devices/system/cpu/online", root) <
	    (int)sizeof(path))
		(void)hnuma_topology_read_cpus(path, online);
	is_flat = hwloc_bitmap_weight(online) <= FLAT_CPUS;
	hwloc_bitmap_free(online);
	if (is_flat) {
		hwloc_topology_set_all_types_filter(hwloc, HWLOC_TYPE_FILTER_KEEP_NONE);
		hwloc_topology_set_type_filter(hwloc, HWLOC_OBJ_GROUP,
					       HWLOC_TYPE_FILTER_KEEP_STRUCTURE);
	} else {
		hwloc_topology_set_cache_types_filter(hwloc, HWLOC_TYPE_FILTER_KEEP_NONE);
	}
	/* It would move the calling thread to every CPU in turn. */
	hwloc_topology_set_components(hwloc, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST, "x86");
	return 0;
}

/*
 * Does "(memory=1GB indexes=0,2,1)" name a number beyond those of Linux's CPUs? hwloc would keep a bit for
 * each number below it, in several sets.
 */
static bool names_too_large(const char *at, size_t length)
{
	const char *end = at + length, *list = strstr(at, "indexes=");

	if (!list || list >= end)
		return false;
	for (at = list; at < end && *at != ' '; at++) {
		if (isdigit((unsigned char)*at) && strtoull(at, NULL, 10) >= LINUX_CPUS_MOST)
			return true;
	}
	return false;
}

/*
 * Does a line such as "pack:2 [numa] core:8 pu:2", or "2 8 2", describe more CPUs than Linux has? They are
 * the product of the counts, decimal or not; what is in brackets has none of its own.
 */
static bool describes_too_many(const char *line)
{
	unsigned long long nr_cpus = 1, count;
	char *end;

	for (const char *at = line; *at; at++) {
		if (*at == '(' || *at == '[') {
			size_t length = strcspn(at, *at == '(' ? ")" : "]");

			if (names_too_large(at, length))
				return true;
			at += length;
			if (!*at)
				break;
		} else if (*at == ':' || (isdigit((unsigned char)*at) &&
					  (at == line || !isalnum((unsigned char)at[-1])))) {
			count = strtoull(at + (*at == ':'), &end, 0);
			if (count > LINUX_CPUS_MOST / nr_cpus)
				return true;
			nr_cpus *= count ? count : 1;
			at = end - 1;
		}
	}
	return false;
}

/* Give hwloc a line of text. Returns 0 or a negative errno with the message set. */
static int set_synthetic(struct hnuma_topology *topology, const struct source *source)
{
	if (describes_too_many(source->value))
		return hnuma_error_set(
			-EINVAL,
			"%s is \"%s\", which describes more than %d CPUs, or numbers "
			"beyond theirs: Linux has no more",
			source->variable, source->value, LINUX_CPUS_MOST);
	errno = 0;
	if (hwloc_topology_set_synthetic(topology->hwloc, source->value))
		return refuse(source, errno ? errno : EINVAL);
	return 0;
}

static unsigned long flags_for(const struct hnuma_topology *topology)
{
	unsigned long flags = HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED;

#if HWLOC_API_VERSION >= 0x00020800
	flags |= HWLOC_TOPOLOGY_FLAG_NO_CPUKINDS;
#endif
	/* The one assumed node is this system's, so that threads can be bound. */
	if (!topology->is_known)
		flags |= HWLOC_TOPOLOGY_FLAG_IS_THISSYSTEM;
	return flags;
}

/*
 * Read a file of any size. Returns its text, which the caller frees, and its length; or NULL with the
 * negative errno in *length.
 */
static char *read_text(const char *path, ssize_t *length)
{
	char *text = NULL;

	*length = -EFBIG;
	for (size_t size = XML_BYTES_LEAST; *length == -EFBIG && size <= XML_BYTES_MOST;
	     size *= 8) {
		free(text);
		text = malloc(size);
		*length = text ? hnuma_procfs_read(path, text, size) : -ENOMEM;
	}
	if (*length < 0) {
		free(text);
		text = NULL;
	}
	return text;
}

/* Give hwloc an XML file's text. Returns 0 or a negative errno with the message set. */
static int set_xml(struct hnuma_topology *topology, const struct source *source)
{
	/* "-" as hwloc has it. */
	const char *path = strcmp(source->value, "-") == 0 ? "/dev/stdin" : source->value;
	ssize_t length;
	char *text = read_text(path, &length);
	int line, error = 0;

	if (!text)
		return refuse(source, (int)-length);
	line = hnuma_topology_check_xml(text, (size_t)length);
	errno = 0;
	if (line < 0)
		error = hnuma_error_set(
			-EINVAL,
			"%s is \"%s\", which does not end as a topology in XML does: "
			"it was cut short, or is another kind of file; name a whole "
			"file that lstopo wrote, or unset it",
			source->variable, source->value);
	else if (line > 0)
		error = hnuma_error_set(-EINVAL,
					"%s is \"%s\", whose line %d is damaged: "
					"name a file that lstopo wrote, or unset it",
					source->variable, source->value, line);
	/* The length counts the NUL, as that of hwloc_topology_export_xmlbuffer() does. */
	else if (hwloc_topology_set_xmlbuffer(topology->hwloc, text, (int)length + 1))
		error = refuse(source, errno ? errno : EINVAL);
	free(text);
	return error;
}

/* Tell hwloc what to read. Returns 0 or a negative errno with the message set. */
static int prepare(struct hnuma_topology *topology, const struct source *source)
{
	int error = 0;

	switch (source->kind) {
	case KIND_XML:
		return set_xml(topology, source);
	case KIND_SYNTHETIC:
		return set_synthetic(topology, source);
	case KIND_SYSTEM:
		error = topology->is_known ? simplify(topology->hwloc, "")
					   : assume_one_node(topology);
		break;
	case KIND_FSROOT:
		error = simplify(topology->hwloc, source->value);
		break;
	case KIND_CPUID:
		/* Dumps tell of no nodes: it would take this machine's, and complain where /sys is missing. */
		hwloc_topology_set_components(topology->hwloc,
					      HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST, "linux");
		break;
	}
	return error ? refuse(source, -error) : 0;
}

/* Did hwloc read what it was to read? HWLOC_THISSYSTEM=1 says that the description is of this one. */
static int check_loaded(const struct hnuma_topology *topology, const struct source *source)
{
	const char *claim = getenv("HWLOC_THISSYSTEM");

	if (source->kind == KIND_SYSTEM || !topology->is_this_system || (claim && atoi(claim)))
		return 0;
	return hnuma_error_set(-EINVAL,
			       "%s is \"%s\", but hwloc read this machine instead: correct it, or "
			       "unset it",
			       source->variable, source->value);
}

/* Note where the described machine's /sys is. */
static int find_root(struct hnuma_topology *topology, const struct source *source)
{
	if (topology->is_this_system)
		topology->root = strdup("");
	else if (source->kind == KIND_FSROOT)
		topology->root = strdup(source->value);
	else
		return 0;
	return topology->root ? 0 : hnuma_error_set(-ENOMEM, "no memory to read the topology");
}

int hnuma_topology_load(struct hnuma_topology *topology)
{
	struct source source = choose_source();
	int error = 0;

	topology->is_known = true;
	if (source.kind == KIND_SYSTEM)
		topology->is_known = has_online_nodes("") && has_cpu_topology("");
	else if (source.kind == KIND_FSROOT)
		error = check_fsroot(&source);
	else if (source.kind == KIND_CPUID)
		error = check_cpuid(&source);
	if (error)
		return error;
	if (hwloc_topology_init(&topology->hwloc)) {
		topology->hwloc = NULL;
		return hnuma_error_set(-ENOMEM, "no memory to read the topology");
	}
	error = prepare(topology, &source);
	if (error)
		return error;
	errno = 0;
	if (hwloc_topology_set_flags(topology->hwloc, flags_for(topology)) ||
	    hwloc_topology_load(topology->hwloc))
		return refuse(&source, errno ? errno : EINVAL);
	topology->is_this_system = hwloc_topology_is_thissystem(topology->hwloc);
	error = check_loaded(topology, &source);
	return error ? error : find_root(topology, &source);
}
