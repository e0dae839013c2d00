/* SPDX-License-Identifier: MIT */
/*
 * tests/test_topology_xml.c - files that HWLOC_XMLFILE names and that are no topology: missing, cut,
 * damaged, of a version to come, without nodes, without end. Each is refused, quietly, and hwloc is
 * kept from what would be its death. Good files are in test_topology_files.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <hugenuma.h>

#include "tests/check.h"
#include "tests/foreign.h"

static void test_broken_files(void)
{
	static const struct {
		const char *name, *words;
	} cases[] = {
		{"newer.xml", "of no newer version"}, {"no-node.xml", "cannot read as a topology"},
		{"no-cpu.xml", "cannot read as"},     {"large-number.xml", "number 5000"},
		{"none.xml", "No such file"},	      {".", "Is a directory"},
	};
	struct hnuma_topology *topology;
	struct check_state before;

	/* hwloc's plugins, where they are installed, bring libraries with them that stay. */
	CU_ASSERT_EQUAL_FATAL(
		foreign_create(&topology, "HWLOC_XMLFILE", foreign_file("sparse.xml")), 0);
	hnuma_topology_destroy(topology);
	check_snapshot(&before);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CU_ASSERT_EQUAL(
			foreign_create(&topology, "HWLOC_XMLFILE", foreign_file(cases[i].name)),
			-EINVAL);
		check_message(cases[i].words);
		if (i != 3) {
			check_message("HWLOC_XMLFILE is \"");
			check_message(cases[i].name);
		}
	}
	CU_ASSERT_EQUAL(foreign_create(&topology, "HWLOC_XMLFILE", ""), -EINVAL);
	check_message("No such file");
	CU_ASSERT_EQUAL(foreign_create(&topology, "HWLOC_XMLFILE", "/proc/self/exe"), -EINVAL);
	CU_ASSERT_EQUAL(foreign_create(&topology, "HWLOC_XMLFILE", "/dev/null"), -EINVAL);
	check_unchanged(&before);
}

/* Write a machine of one node whose set of CPUs is what the text says. */
static void put_cpus(const char *path, const char *cpus)
{
	FILE *file = fopen(path, "w");

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fprintf(file,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<!DOCTYPE topology SYSTEM \"hwloc2.dtd\">\n"
		"<topology version=\"2.0\">\n"
		"  <object type=\"Machine\" os_index=\"0\" cpuset=\"0x1\" complete_cpuset=\"%s\" "
		"allowed_cpuset=\"%s\" nodeset=\"0x1\" complete_nodeset=\"0x1\" "
		"allowed_nodeset=\"0x1\" gp_index=\"1\">\n"
		"    <object type=\"NUMANode\" os_index=\"0\" cpuset=\"0x1\" "
		"complete_cpuset=\"%s\" "
		"nodeset=\"0x1\" complete_nodeset=\"0x1\" gp_index=\"2\" local_memory=\"4096\"/>\n"
		"    <object type=\"PU\" os_index=\"0\" cpuset=\"0x1\" complete_cpuset=\"0x1\" "
		"nodeset=\"0x1\" complete_nodeset=\"0x1\" gp_index=\"3\"/>\n"
		"  </object>\n"
		"</topology>\n",
		cpus, cpus, cpus);
	fclose(file);
}

/* Sets of CPUs that are more than a machine can have: endless ones, and very high numbers. */
static void test_too_many_cpus(void)
{
	char path[] = "/tmp/hugenuma-cpus-XXXXXX", cpus[4096];
	struct hnuma_topology *topology;
	int fd = mkstemp(path);

	CU_ASSERT_FATAL(fd >= 0);
	close(fd);
	put_cpus(path, "0x3");
	CU_ASSERT_EQUAL_FATAL(foreign_create(&topology, "HWLOC_XMLFILE", path), 0);
	CU_ASSERT_EQUAL(hnuma_topology_nr_cpus(topology), 2);
	hnuma_topology_destroy(topology);
	put_cpus(path, "0xf...f");
	CU_ASSERT_EQUAL(foreign_create(&topology, "HWLOC_XMLFILE", path), -EINVAL);
	check_message("above 65535");
	/* One word of 32 CPUs for each comma. */
	strcpy(cpus, "0x1");
	memset(cpus + 3, ',', 2048);
	strcpy(cpus + 3 + 2048, "0x1");
	put_cpus(path, cpus);
	CU_ASSERT_EQUAL(foreign_create(&topology, "HWLOC_XMLFILE", path), -EINVAL);
	check_message("above 65535");
	strcpy(cpus, "0x80000000");
	memset(cpus + 10, ',', 2047);
	strcpy(cpus + 10 + 2047, "0x1");
	put_cpus(path, cpus);
	CU_ASSERT_EQUAL_FATAL(foreign_create(&topology, "HWLOC_XMLFILE", path), 0);
	CU_ASSERT_EQUAL(hnuma_topology_nr_cpus(topology), 65536);
	CU_ASSERT_EQUAL(hnuma_topology_node_of_cpu(topology, 65535), 0);
	CU_ASSERT_EQUAL(hnuma_topology_node_of_cpu(topology, 65534), -ENODEV);
	hnuma_topology_destroy(topology);
	unlink(path);
}

/* Every beginning of a file is either a topology or refused. A child, should hwloc not survive it. */
static void try_beginnings(void *arg)
{
	const char *text = check_read_file(foreign_file(arg));
	const size_t length = strlen(text), step = 10 / check_rounds(10);
	size_t nr_tried = 0, nr_refused = 0;
	char path[] = "/tmp/hugenuma-cut-XXXXXX";
	int fd = mkstemp(path);

	CU_ASSERT_FATAL(fd >= 0 && length > 1000);
	for (size_t cut = (length - 1) % step; cut < length; cut += step) {
		struct hnuma_topology *topology;
		int error;

		if (pwrite(fd, text, cut, 0) != (ssize_t)cut || ftruncate(fd, (off_t)cut))
			break;
		error = foreign_create(&topology, "HWLOC_XMLFILE", path);
		if (error != 0 && error != -EINVAL) {
			CU_FAIL("another error");
			break;
		}
		nr_tried++;
		nr_refused += error != 0;
		hnuma_topology_destroy(topology);
	}
	/* Only the newline at the end can be spared. */
	CU_ASSERT_EQUAL(nr_tried, (length - 1) / step + 1);
	CU_ASSERT_EQUAL(nr_refused, nr_tried - 1);
	check_message("it was cut short");
	close(fd);
	unlink(path);
}

static void test_truncated(void)
{
	CU_ASSERT_EQUAL(check_in_child(try_beginnings, "sparse.xml"), 0);
	CU_ASSERT_EQUAL(check_in_child(try_beginnings, "tiers.xml"), 0);
}

/* A file with one piece of its text changed, and the line where that is noticed; 0: hwloc does. */
static const struct damage {
	const char *from, *to;
	int line;
} damages[] = {
	{"<topology version=\"2.0\">", "<topology version=\"2.0\"1", 3},
	{"<topology version=\"2.0\">", "<topology version=\"2.0\", x>", 3},
	{"<topology version=\"2.0\">", "<topology version=\"\">", 3},
	{"<topology version=\"2.0\">", "<topology versiom=\"2.0\">", 3},
	{"<topology version", "<tpology version", 0},
	{" cpuset=\"0x0000003f\"", "", 4},
	{" complete_cpuset=", " complete_cpusets=", 4},
	{" nodeset=", " nodeset0=", 4},
	{" complete_nodeset=", " completenodeset=", 4},
	{"type=\"Machine\"", "type=\"Machine", 4},
	{"os_index=\"0\"", "os_index=0", 4},
	{"os_index=\"0\"", "os-index=\"0\"", 4},
	{"0x0000003f", "", 4},
	{"0x0000003f", "0x", 4},
	{"0x0000003f", "3f", 4},
	{"0x0000003f", "0x0000003f,", 4},
	{"0x0000003f", "0x0000003f0", 4},
	{"0x0000003f", "0x0000003g", 4},
	{"0x0000003f", "0xf...f0", 4},
	{"0x0000003f", "0xf...f,", 4},
	{"0x0000003f", ",,", 4},
	{"<object type=\"PU\" os_index=\"5\"", "<object type=\"PU\" os_index=\"5\"<", 25},
	{"type=\"Machine\"", "type=\"Nothing\"", 0},
	{"</object>", "</opject>", 0},
};

/* Write a text with one piece replaced. */
static void put_damaged(const char *path, const char *text, const struct damage *damage)
{
	const char *at = strstr(text, damage->from);
	FILE *file = fopen(path, "w");

	CU_ASSERT_FATAL(at && file);
	fprintf(file, "%.*s%s%s", (int)(at - text), text, damage->to, at + strlen(damage->from));
	fclose(file);
}

/* In a child, should hwloc not survive it. */
static void try_damages(void *arg)
{
	char *text = strdup(check_read_file(foreign_file("sparse.xml")));
	char path[] = "/tmp/hugenuma-damaged-XXXXXX", words[64];
	struct hnuma_topology *topology;
	int fd = mkstemp(path);

	(void)arg;
	CU_ASSERT_FATAL(fd >= 0 && text);
	close(fd);
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		put_damaged(path, text, &damages[i]);
		CU_ASSERT_EQUAL(foreign_create(&topology, "HWLOC_XMLFILE", path), -EINVAL);
		if (damages[i].line)
			snprintf(words, sizeof(words), "whose line %d is damaged", damages[i].line);
		else
			snprintf(words, sizeof(words), "cannot read as a topology");
		check_message(words);
		hnuma_topology_destroy(topology);
	}
	unlink(path);
	free(text);
}

static void test_damaged(void)
{
	CU_ASSERT_EQUAL(check_in_child(try_damages, NULL), 0);
}

/* Old versions could leave out more, and still can. */
static void test_old_versions(void)
{
	static const struct {
		const char *name, *text;
	} files[] = {
		{"without sets of nodes",
		 "<topology>\n"
		 "<object type=\"Machine\" os_index=\"0\" cpuset=\"0x3\" complete_cpuset=\"0x3\" "
		 "online_cpuset=\"0x3\" allowed_cpuset=\"0x3\" local_memory=\"4096\">\n"
		 "<object type=\"PU\" os_index=\"0\" cpuset=\"0x1\" complete_cpuset=\"0x1\"/>\n"
		 "<object type=\"PU\" os_index=\"1\" cpuset=\"0x2\" complete_cpuset=\"0x2\"/>\n"
		 "</object>\n</topology>\n"},
		{"with them",
		 "<topology version=\"1.0\">\n"
		 "<object type=\"Machine\" os_index=\"0\" cpuset=\"0x3\" complete_cpuset=\"0x3\" "
		 "nodeset=\"0x1\" complete_nodeset=\"0x1\">\n"
		 "<object type=\"NUMANode\" os_index=\"0\" cpuset=\"0x3\" complete_cpuset=\"0x3\" "
		 "nodeset=\"0x1\" complete_nodeset=\"0x1\" local_memory=\"4096\">\n"
		 "<object type=\"PU\" os_index=\"0\" cpuset=\"0x1\" complete_cpuset=\"0x1\" "
		 "nodeset=\"0x1\" complete_nodeset=\"0x1\"/>\n"
		 "<object type=\"PU\" os_index=\"1\" cpuset=\"0x2\" complete_cpuset=\"0x2\" "
		 "nodeset=\"0x1\" complete_nodeset=\"0x1\"/>\n"
		 "</object>\n</object>\n</topology>\n"},
	};
	char path[] = "/tmp/hugenuma-old-XXXXXX";
	struct hnuma_topology *topology;
	int fd = mkstemp(path);

	CU_ASSERT_FATAL(fd >= 0);
	close(fd);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct damage none = {"<object", "<object", 0},
			      half = {" complete_cpuset=", " x=", 2};

		put_damaged(path, files[i].text, &none);
		CU_ASSERT_EQUAL_FATAL(foreign_create(&topology, "HWLOC_XMLFILE", path), 0);
		CU_ASSERT_EQUAL(hnuma_topology_nr_nodes(topology), 1);
		CU_ASSERT_EQUAL(hnuma_topology_nr_cpus(topology), 2);
		hnuma_topology_destroy(topology);
		put_damaged(path, files[i].text, &half);
		CU_ASSERT_EQUAL(foreign_create(&topology, "HWLOC_XMLFILE", path), -EINVAL);
		check_message("whose line 2 is damaged");
	}
	unlink(path);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"broken files (row 34)", test_broken_files}, {"too many CPUs", test_too_many_cpus},
		{"truncated files", test_truncated},	      {"damaged files", test_damaged},
		{"old versions", test_old_versions},	      CU_TEST_INFO_NULL,
	};

	foreign_clean_environment();
	return check_main("topology_xml", tests);
}
