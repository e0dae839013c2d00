/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/fuzz_topology.c - any bytes as a topology: a file in XML, or hwloc's line of text.
 *
 *	a text that begins with '<' is a file, any other a line
 *
 * It is refused, or planned for; no memory comes of it. hwloc is not instrumented, but shares the heap.
 */
#include "config.h"

#include "tests/fuzz/fuzz.h"

static void ask(const struct hnuma_topology *topology)
{
	unsigned nr_nodes = hnuma_topology_nr_nodes(topology);
	unsigned nr_cpus = hnuma_topology_nr_cpus(topology);
	struct hnuma_memory_info memory;
	struct hnuma_node_info info;
	bool is_allowed;

	FUZZ_EXPECT(nr_nodes >= 1 && nr_nodes <= HNUMA_MAX_NODES);
	for (unsigned i = 0; i < nr_nodes; i++) {
		FUZZ_EXPECT(hnuma_topology_node_info(topology, i, &info) == 0);
		FUZZ_EXPECT(info.node >= 0 && info.node < HNUMA_MAX_NODES);
		FUZZ_EXPECT(hnuma_topology_memory(topology, info.node, &memory) == 0);
		FUZZ_EXPECT(hnuma_topology_distance(topology, info.node, info.node) > 0);
	}
	for (unsigned cpu = 0; cpu < nr_cpus + 2 && cpu < 70; cpu++) {
		int node = hnuma_topology_node_of_cpu(topology, (int)cpu);

		FUZZ_EXPECT(node >= -ENODEV && node < HNUMA_MAX_NODES);
		(void)hnuma_topology_home_of_cpu(topology, (int)cpu, &is_allowed);
	}
}

static void plan_for(const struct hnuma_topology *topology)
{
	struct hnuma_plan_node node;
	struct hnuma_plan *plan;
	int error = hnuma_plan_create(&plan, topology, NULL);

	FUZZ_EXPECT(error == 0 || error == -ENODEV || error == -EOVERFLOW);
	for (unsigned i = 0; !error && i < hnuma_plan_nr_nodes(plan); i++) {
		FUZZ_EXPECT(hnuma_plan_node(plan, i, &node) == 0 && node.pages_needed > 0);
		FUZZ_EXPECT(node.pages_missing == 0 || hnuma_plan_advice(plan, i));
	}
	hnuma_plan_destroy(plan);
}

static void refuse_memory(const struct hnuma_topology *topology)
{
	struct hnuma_region_attr attr = HNUMA_REGION_ATTR_INIT;
	struct hnuma_region *region;

	attr.size = HNUMA_HUGEPAGE;
	FUZZ_EXPECT(hnuma_region_create(&region, topology, &attr) == -EXDEV && !region);
}

static void export(const struct hnuma_topology *topology)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	FUZZ_EXPECT(stream);
	FUZZ_EXPECT(hnuma_topology_export(topology, stream, NULL, 0) == 0);
	fclose(stream);
	FUZZ_EXPECT(size > 0);
	free(text);
}

/* Both of hwloc's readers lose memory at some damaged files: leaks of reading are not counted. */
void __lsan_disable(void) __attribute__((weak));
void __lsan_enable(void) __attribute__((weak));

static int create_unwatched(struct hnuma_topology **topology)
{
	int error;

	if (__lsan_disable)
		__lsan_disable();
	error = hnuma_topology_create(topology);
	if (__lsan_enable)
		__lsan_enable();
	return error;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *variable = size > 0 && data[0] == '<' ? "HWLOC_XMLFILE" : "HWLOC_SYNTHETIC";
	struct hnuma_topology *topology;
	char path[64], line[1024];
	int error, fd = -1;

	/* hwloc's own reader of XML, unless told otherwise: it is asked for once in a process. */
	setenv("HWLOC_LIBXML", "0", 0);
	/* Of banners that hwloc prints for some files enough have been seen. */
	setenv("HWLOC_HIDE_ERRORS", "2", 1);
	if (strcmp(variable, "HWLOC_XMLFILE") == 0) {
		fd = fuzz_file(data, size, path, sizeof(path));
		setenv(variable, path, 1);
	} else {
		snprintf(line, sizeof(line), "%.*s", (int)size, (const char *)data);
		setenv(variable, line, 1);
	}
	error = create_unwatched(&topology);
	unsetenv(variable);
	if (error) {
		FUZZ_EXPECT(!topology && hnuma_errormsg()[0]);
	} else {
		FUZZ_EXPECT(!hnuma_topology_is_this_system(topology));
		ask(topology);
		plan_for(topology);
		refuse_memory(topology);
		export(topology);
		hnuma_topology_destroy(topology);
	}
	if (fd >= 0)
		close(fd);
	return 0;
}
