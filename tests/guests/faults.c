/* SPDX-License-Identifier: MIT */
/*
 * tests/guests/faults.c - the rows of the fault sheet that want several nodes.
 *
 *	faults pages         3 a node that is not there, 4 a node without memory, 7 too few pages,
 *	                     8 pages taken by another process meanwhile
 *	faults topology      33 another machine's topology, 34 a broken topology file
 *
 * After every case the state is what it was. Calls the public headers, the C library, and through
 * guest.h the kernel.
 */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <numaif.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <hugenuma.h>

#include "tests/guests/guest.h"

static struct guest_machine machine;
static struct hnuma_topology *topology;

static bool mentions(const char *words)
{
	return guest_check(strstr(hnuma_errormsg(), words), "the message lacks '%s': %s", words,
			   hnuma_errormsg());
}

/* All five constructors refuse the node with the same error. */
static void refuse_node(int node, int expected)
{
	struct hnuma_region_attr region_attr = HNUMA_REGION_ATTR_INIT;
	struct hnuma_arena_attr arena_attr = HNUMA_ARENA_ATTR_INIT;
	struct hnuma_pool_attr pool_attr = HNUMA_POOL_ATTR_INIT;
	struct hnuma_scratch_attr scratch_attr = HNUMA_SCRATCH_ATTR_INIT;
	struct hnuma_config config = HNUMA_CONFIG_INIT;
	struct hnuma_region *region;
	struct hnuma_arena *arena;
	struct hnuma_pool *pool;
	struct hnuma_scratch *scratch;
	struct hnuma_manager *manager;
	struct guest_state before;
	int error;

	guest_read_state(&before);
	region_attr.size = GUEST_HUGEPAGE;
	region_attr.node = node;
	region_attr.least_backing = HNUMA_BACKING_BASE;
	error = hnuma_region_create(&region, topology, &region_attr);
	guest_check(error == expected && !region, "region: %d", error);
	arena_attr.node = node;
	error = hnuma_arena_create(&arena, topology, &arena_attr);
	guest_check(error == expected && !arena, "arena: %d", error);
	if (!hnuma_nodeset_add(&pool_attr.nodes, node)) {
		config.nodes = scratch_attr.nodes = pool_attr.nodes;
		error = hnuma_pool_create(&pool, topology, &pool_attr);
		guest_check(error == expected && !pool, "pool: %d", error);
		error = hnuma_scratch_create(&scratch, topology, &scratch_attr);
		guest_check(error == expected && !scratch, "scratch: %d", error);
		error = hnuma_manager_create(&manager, topology, &config);
		guest_check(error == expected && !manager, "manager: %d", error);
	}
	guest_check_state(&before);
}

static void absent_nodes(void)
{
	static const int absent[] = {-2, -3, INT_MIN, 63, 1023, 1024, INT_MAX};
	char possible[1024], number[16];

	for (unsigned i = 0; i < sizeof absent / sizeof *absent; i++) {
		guest_part("row 3: node %d", absent[i]);
		refuse_node(absent[i], -ENODEV);
	}
	if (!guest_read_line("/sys/devices/system/node/possible", possible, sizeof possible))
		guest_die("the kernel does not tell the possible nodes");
	for (int node = 0; node < GUEST_MAX_NODES; node++) {
		if (!guest_is_in_list(possible, node) || guest_index(&machine, node) >= 0)
			continue;
		guest_part("row 3: node %d, which is offline", node);
		refuse_node(node, -ENODEV);
		snprintf(number, sizeof number, "%d", node);
		mentions(number);
		guest_note("%s", hnuma_errormsg());
	}
}

static void nodes_without_memory(void)
{
	char number[16];

	for (unsigned i = 0; i < machine.nr_nodes; i++) {
		if (machine.nodes[i].has_memory)
			continue;
		guest_part("row 4: node %d has no memory", machine.nodes[i].node);
		refuse_node(machine.nodes[i].node, -ENODEV);
		snprintf(number, sizeof number, "%d", machine.nodes[i].node);
		mentions(number);
		mentions("memory");
		guest_note("%s", hnuma_errormsg());
	}
}

static void set_overcommit(const char *pages)
{
	guest_write("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_overcommit_hugepages", pages);
}

/*
 * Four pages of a node that has three; the other nodes have plenty. With overcommit the kernel could
 * find more, so that the library must not give up before it has tried.
 */
static void three_of_four(int node, const char *overcommit)
{
	struct hnuma_region_attr attr = HNUMA_REGION_ATTR_INIT;
	struct hnuma_region *region;
	struct guest_state before;
	char path[64];
	int error;

	guest_part("row 7: three of four pages on node %d, overcommit %s", node, overcommit);
	for (unsigned i = 0; i < machine.nr_nodes; i++)
		if (machine.nodes[i].has_memory)
			guest_set_pages(machine.nodes[i].node,
					machine.nodes[i].node == node ? 3 : 8);
	set_overcommit(overcommit);
	guest_read_state(&before);
	attr.size = 4 * GUEST_HUGEPAGE;
	attr.node = node;
	attr.least_backing = HNUMA_BACKING_HUGETLB;
	error = hnuma_region_create(&region, topology, &attr);
	if (!error) {
		/* Only surplus pages of that very node may have helped. */
		guest_check(strcmp(overcommit, "0"), "there is no fourth page");
		for (unsigned i = 0; i < 4; i++)
			guest_check(guest_node_of_page((char *)hnuma_region_base(region) +
						       i * GUEST_HUGEPAGE) == node,
				    "page %u is elsewhere", i);
		guest_check(!hnuma_region_destroy(region), "%s", hnuma_errormsg());
	} else {
		guest_check(error == -ENOMEM && !region, "%d instead of -ENOMEM", error);
		guest_note("%s", hnuma_errormsg());
		snprintf(path, sizeof path, "node%d/hugepages", node);
		mentions(path);
		mentions("nr_hugepages");
	}
	guest_check_state(&before);
	set_overcommit("0");
}

/* A process that takes huge pages of a node when told to, and keeps them until it is ended. */
struct thief {
	pid_t process;
	int orders, answers; /* pipes */
};

/* The kernel's calls only: this is the other process. */
static void steal(int node, size_t pages)
{
	unsigned long mask = 1UL << node;
	void *memory = mmap(NULL, pages * GUEST_HUGEPAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);

	if (memory == MAP_FAILED || guest_bind(memory, pages * GUEST_HUGEPAGE, MPOL_BIND, &mask))
		return;
	for (size_t i = 0; i < pages; i++)
		if (madvise((char *)memory + i * GUEST_HUGEPAGE, GUEST_HUGEPAGE,
			    MADV_POPULATE_WRITE))
			return;
}

static struct thief start_thief(int node, size_t pages)
{
	struct thief thief;
	int orders[2], answers[2];

	if (pipe(orders) || pipe(answers))
		guest_die("pipe");
	fflush(stdout);
	thief.process = fork();
	if (thief.process < 0)
		guest_die("fork");
	if (!thief.process) {
		char order;

		alarm(600);
		if (read(orders[0], &order, 1) == 1)
			steal(node, pages);
		if (write(answers[1], "", 1) == 1)
			pause();
		_exit(0);
	}
	close(orders[0]);
	close(answers[1]);
	thief.orders = orders[1];
	thief.answers = answers[0];
	return thief;
}

static void end_thief(struct thief *thief)
{
	kill(thief->process, SIGKILL);
	waitpid(thief->process, NULL, 0);
	if (thief->orders >= 0)
		close(thief->orders);
	close(thief->answers);
}

/* The region's progress: the thief takes its pages when a part of ours is there. */
static void let_steal(void *arg, size_t done, size_t total)
{
	struct thief *thief = arg;
	char answer;

	if (thief->orders < 0 || !done || done == total)
		return;
	if (write(thief->orders, "", 1) != 1 || read(thief->answers, &answer, 1) != 1)
		guest_die("the thief does not answer");
	close(thief->orders);
	thief->orders = -1;
	guest_note("pages taken after %zu of %zu MB", done >> 20, total >> 20);
}

/*
 * 48 pages of 60, of which another process takes 24 after the first piece is in place. Several threads
 * may have all 48 before it comes: then that shows nothing, and the answer is false.
 */
static bool steal_meanwhile(int node, enum hnuma_backing least)
{
	struct hnuma_region_attr attr = HNUMA_REGION_ATTR_INIT;
	struct hnuma_region_info info = {0};
	struct thief thief = start_thief(node, 24);
	struct hnuma_placement placement;
	struct hnuma_region *region;
	int error;

	attr.size = 48 * GUEST_HUGEPAGE;
	attr.node = node;
	attr.least_backing = least;
	attr.progress = let_steal;
	attr.progress_arg = &thief;
	error = hnuma_region_create(&region, topology, &attr);
	guest_check(thief.orders < 0, "the pages were never asked for: this shows nothing");
	if (!error)
		guest_check(!hnuma_region_info(region, &info), "%s", hnuma_errormsg());
	if (error) {
		guest_check(least == HNUMA_BACKING_HUGETLB && error == -ENOMEM && !region, "%d: %s",
			    error, hnuma_errormsg());
		guest_note("%s", hnuma_errormsg());
	} else if (info.backing < HNUMA_BACKING_HUGETLB) {
		guest_check(info.backing >= least && info.reason[0], "backing %d: %s", info.backing,
			    info.reason);
		guest_note("backing %d: %s", info.backing, info.reason);
		guest_check(!hnuma_region_verify(region, &placement) &&
				    placement.pages_here == placement.pages_total,
			    "not all is here");
	}
	guest_check(!hnuma_region_destroy(region), "%s", hnuma_errormsg());
	end_thief(&thief);
	return error || info.backing < HNUMA_BACKING_HUGETLB;
}

static void stolen_meanwhile(int node, enum hnuma_backing least)
{
	struct guest_state before;
	unsigned nr_tries = 1;

	guest_part("row 8: pages of node %d taken meanwhile, backing %d", node, least);
	for (unsigned i = 0; i < machine.nr_nodes; i++)
		if (machine.nodes[i].has_memory)
			guest_set_pages(machine.nodes[i].node, 60);
	if (guest_free_pages(node) != 60) {
		guest_check(false, "node %d has room for %ld huge pages only", node,
			    guest_free_pages(node));
		return;
	}
	guest_read_state(&before);
	while (!steal_meanwhile(node, least) && nr_tries < 50) {
		nr_tries++;
		guest_await_pages(node, before.free_pages[node]);
	}
	guest_check(nr_tries < 50, "the pages were always taken too late: this shows nothing");
	guest_await_pages(node, before.free_pages[node]);
	guest_check_state(&before);
}

/* Another process takes and frees without end: every outcome is success or -ENOMEM. */
static void stolen_at_random(int node)
{
	struct hnuma_region_attr attr = HNUMA_REGION_ATTR_INIT;
	unsigned nr_had = 0, nr_refused = 0;
	pid_t process;

	guest_part("row 8: 60 tries on node %d against a process that takes and frees", node);
	for (unsigned i = 0; i < machine.nr_nodes; i++)
		if (machine.nodes[i].has_memory)
			guest_set_pages(machine.nodes[i].node, 24);
	fflush(stdout);
	process = fork();
	if (process < 0)
		guest_die("fork");
	/* By both, so that it is so whoever comes first. */
	setpgid(process, process);
	if (!process)
		for (;;) {
			pid_t short_lived = fork();

			if (!short_lived) {
				steal(node, 12);
				_exit(0);
			}
			waitpid(short_lived, NULL, 0);
		}
	attr.size = 16 * GUEST_HUGEPAGE;
	attr.node = node;
	attr.least_backing = HNUMA_BACKING_HUGETLB;
	for (unsigned i = 0; i < 60; i++) {
		struct hnuma_region *region;
		int error = hnuma_region_create(&region, topology, &attr);

		if (error) {
			guest_check(error == -ENOMEM, "%d: %s", error, hnuma_errormsg());
			nr_refused++;
			continue;
		}
		memset(hnuma_region_base(region), 1, hnuma_region_size(region));
		guest_check(!hnuma_region_destroy(region), "%s", hnuma_errormsg());
		nr_had++;
	}
	guest_end_group(process);
	guest_note("%u had, %u refused", nr_had, nr_refused);
	guest_await_pages(node, 24);
	guest_check(guest_free_pages(node) == 24, "%ld of 24 pages came back",
		    guest_free_pages(node));
}

static void pages(void)
{
	guest_read_machine(&machine);
	topology = guest_topology();
	absent_nodes();
	nodes_without_memory();
	for (unsigned i = 0; i < machine.nr_nodes; i++) {
		int node = machine.nodes[i].node;

		if (!machine.nodes[i].has_memory || !machine.nodes[i].is_allowed)
			continue;
		three_of_four(node, "0");
		three_of_four(node, "4");
		stolen_meanwhile(node, HNUMA_BACKING_HUGETLB);
		stolen_meanwhile(node, HNUMA_BACKING_BASE);
		stolen_at_random(node);
	}
	for (unsigned i = 0; i < machine.nr_nodes; i++)
		if (machine.nodes[i].has_memory)
			guest_set_pages(machine.nodes[i].node, 0);
	hnuma_topology_destroy(topology);
}

/* The description of another machine, as hwloc's environment names it. */
struct foreign {
	const char *variable, *value;
};

/* In a child, where a call that binds would be fatal. */
static int plan_only(void *arg)
{
	const struct foreign *foreign = arg;
	struct hnuma_region_attr attr = HNUMA_REGION_ATTR_INIT;
	struct hnuma_region *region;
	struct hnuma_manager *manager;
	struct hnuma_plan *plan;
	struct hnuma_plan_node need;
	int error;

	setenv(foreign->variable, foreign->value, 1);
	if (guest_forbid_binding())
		return 2;
	if (hnuma_topology_create(&topology)) {
		guest_check(false, "topology: %s", hnuma_errormsg());
		return guest_end();
	}
	guest_check(!hnuma_topology_is_this_system(topology), "it passes for this system");
	guest_check(hnuma_topology_nr_nodes(topology) == 2, "%u nodes",
		    hnuma_topology_nr_nodes(topology));
	if (guest_check(!hnuma_plan_create(&plan, topology, NULL), "plan: %s", hnuma_errormsg())) {
		guest_check(hnuma_plan_nr_nodes(plan) == 2, "the plan serves %u nodes",
			    hnuma_plan_nr_nodes(plan));
		guest_check(!hnuma_plan_node(plan, 1, &need) && need.node == 1 &&
				    need.pages_needed > 0,
			    "the plan needs nothing on node 1");
		hnuma_plan_destroy(plan);
	}
	for (attr.node = 0; attr.node < 2; attr.node++) {
		attr.size = GUEST_HUGEPAGE;
		attr.least_backing = HNUMA_BACKING_BASE;
		error = hnuma_region_create(&region, topology, &attr);
		guest_check(error == -EXDEV && !region, "region: %d instead of -EXDEV", error);
	}
	error = hnuma_manager_create(&manager, topology, NULL);
	guest_check(error == -EXDEV && !manager, "manager: %d instead of -EXDEV", error);
	guest_note("%s", hnuma_errormsg());
	hnuma_topology_destroy(topology);
	return guest_end();
}

static void foreign_topologies(const char *xml, const char *root)
{
	struct foreign foreign[] = {
		{"HWLOC_SYNTHETIC", "pack:2 [numa(memory=1073741824)] core:2 pu:1"},
		{"HWLOC_XMLFILE", xml},
		{"HWLOC_FSROOT", root},
	};

	for (unsigned i = 0; i < sizeof foreign / sizeof *foreign; i++) {
		int code;

		guest_part("row 33: %s=%s", foreign[i].variable, foreign[i].value);
		code = guest_in_child(plan_only, &foreign[i], 30);
		guest_check(!code, "the child ended with %d", code);
	}
}

/* In a child: a topology from a broken file is an error with words, or good enough for a plan. */
static int survive(void *arg)
{
	struct hnuma_plan *plan;
	int error;

	setenv("HWLOC_XMLFILE", arg, 1);
	/* hwloc tells of broken files; here that is no news. */
	setenv("HWLOC_HIDE_ERRORS", "2", 1);
	error = hnuma_topology_create(&topology);
	if (error) {
		guest_check(error == -EINVAL && !topology && hnuma_errormsg()[0], "%d: %s", error,
			    hnuma_errormsg());
		guest_note("%s", hnuma_errormsg());
		return guest_end();
	}
	guest_note("%u nodes, %u CPUs", hnuma_topology_nr_nodes(topology),
		   hnuma_topology_nr_cpus(topology));
	error = hnuma_plan_create(&plan, topology, NULL);
	guest_check(!error || hnuma_errormsg()[0], "a plan fails without words: %d", error);
	if (!error)
		hnuma_plan_destroy(plan);
	hnuma_topology_destroy(topology);
	return guest_end();
}

static void survive_text(const char *what, const char *text, size_t size)
{
	static char path[] = "/tmp/broken.xml";
	FILE *file = fopen(path, "we");
	int code;

	guest_part("row 34: %s", what);
	if (!file || fwrite(text, 1, size, file) != size || fclose(file))
		guest_die("%s", path);
	code = guest_in_child(survive, path, 30);
	guest_check(!code, "the child ended with %d", code);
	unlink(path);
}

static const char without_a_node[] =
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	"<!DOCTYPE topology SYSTEM \"hwloc2.dtd\">\n"
	"<topology version=\"2.0\">\n"
	"  <object type=\"Machine\" os_index=\"0\" cpuset=\"0x1\" complete_cpuset=\"0x1\" "
	"gp_index=\"1\">\n"
	"    <object type=\"PU\" os_index=\"0\" cpuset=\"0x1\" complete_cpuset=\"0x1\" "
	"gp_index=\"2\"/>\n"
	"  </object>\n"
	"</topology>\n";

/* The text with one piece of it replaced, to be freed. */
static char *replaced(const char *text, const char *old, const char *new)
{
	const char *at = strstr(text, old);
	char *result;

	if (!at)
		guest_die("the topology file has no '%s'", old);
	if (asprintf(&result, "%.*s%s%s", (int)(at - text), text, new, at + strlen(old)) < 0)
		guest_die("asprintf");
	return result;
}

static void broken_files(const char *xml)
{
	static char text[65536];
	FILE *file = fopen(xml, "re");
	size_t size = file ? fread(text, 1, sizeof text - 1, file) : 0;
	char what[64], *changed;
	int code;

	if (!size)
		guest_die("%s", xml);
	fclose(file);
	survive_text("whole", text, size);
	for (unsigned part = 0; part < 24; part++) {
		snprintf(what, sizeof what, "cut after %zu of %zu bytes", size * part / 24, size);
		survive_text(what, text, size * part / 24);
	}
	changed = replaced(text, "<topology version=\"2.0\">", "<topology version=\"9.0\">");
	survive_text("of a newer version", changed, strlen(changed));
	free(changed);
	survive_text("without a node", without_a_node, strlen(without_a_node));
	changed = replaced(text, "nodeset=\"0x00000003\"", "nodeset=\"0x00000000\"");
	survive_text("with an empty nodeset", changed, strlen(changed));
	free(changed);
	changed = replaced(text, "local_memory=\"1073741824\"", "local_memory=\"-7\"");
	survive_text("with negative memory", changed, strlen(changed));
	free(changed);
	changed = replaced(text, "os_index=\"3\" cpuset", "os_index=\"99999999\" cpuset");
	survive_text("with a CPU far out", changed, strlen(changed));
	free(changed);
	survive_text("binary",
		     "\x7f"
		     "ELF\0\1\2\3\xff\xfe",
		     10);
	guest_part("row 34: missing");
	code = guest_in_child(survive, "/nowhere/topology.xml", 30);
	guest_check(!code, "the child ended with %d", code);
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "pages")) {
		pages();
	} else if (argc == 4 && !strcmp(argv[1], "topology")) {
		foreign_topologies(argv[2], argv[3]);
		broken_files(argv[2]);
	} else {
		fprintf(stderr, "usage: faults pages | topology FILE.xml ROOT\n");
		return 2;
	}
	return guest_end();
}
