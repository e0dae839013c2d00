/* SPDX-License-Identifier: MIT */
/*
 * tests/test_look_command.c - `hugenuma topology`, `verify` and `map` as a user runs them. The process
 * that is looked at is this one.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include <hugenuma.h>

#include "numa/sys.h"
#include "tests/check.h"
#include "tests/foreign.h"
#include "tests/run_command.h"
#include "tools/unseen.h"

static struct hnuma_topology *topology;

/* Those of plan and replay are in their own tests. */
static void test_help(void)
{
	static const char *const names[] = {"topology", "verify", "map", "top"};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *at;
		unsigned lines = 0;

		command_run("%s -h", names[i]);
		command_expect(command_outcome.code == 0 && !*command_outcome.err, "help");
		for (at = command_outcome.out; *at; at = strchr(at, '\n') + 1, lines++)
			command_expect(strcspn(at, "\n") <= 80, "80 columns");
		command_expect(lines > 5 && lines <= 24, "24 lines");
		command_run("--help");
		command_expect(strstr(command_outcome.out, names[i]) != NULL, names[i]);
	}
}

static void test_bad_options(void)
{
	static const char *const cases[][2] = {
		{"topology -x", "there is no option -x"},
		{"topology 5", "\"5\" is no option"},
		{"topology -T /no/such", "\"/no/such\", which cannot be read"},
		{"topology --topology", "--topology wants a value"},
		{"verify", "the number of a process is missing"},
		{"verify 1 2", "\"2\" is too much"},
		{"verify x", "\"x\" is no process"},
		{"verify 0", "\"0\" is no process"},
		{"verify -- -1", "\"-1\" is no process"},
		{"verify 99999999999999999999", "is no process"},
		{"verify 2147483647", "there is no process 2147483647"},
		{"verify --watch=0 1", "--watch is \"0\""},
		{"verify --count no 1", "--count is \"no\""},
		{"verify --backing gold 1", "--backing is \"gold\""},
		{"map", "the number of a process is missing"},
		{"map 1 2", "\"2\" is too much"},
		{"map 1x", "\"1x\" is no process"},
		{"map --svg 1", "there is no option --svg"},
		{"map 2147483647", "there is no process 2147483647"},
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		command_run("%s", cases[i][0]);
		command_complains(2, cases[i][1]);
	}
	command_run("map -o /no/such/file %d", getpid());
	command_complains(2, "cannot write /no/such/file");
}

/* What a command says of process 1 to somebody who may not look at it. */
static void expect_not_ours(const char *command)
{
	int out = command_output(), err = command_output(), status;
	char line[32];
	pid_t child;

	snprintf(line, sizeof(line), "%s 1", command);
	fflush(NULL);
	child = fork();
	if (child == 0) {
		if (geteuid() == 0 && (setgid(65534) || setuid(65534)))
			_exit(99);
		waitpid(command_start(line, out, err), &status, 0);
		_exit(WEXITSTATUS(status));
	}
	command_finish(child, out, err);
	/* Where the build tree is closed to others there is no command to run. */
	if (command_outcome.code == 127 || command_outcome.code == 126)
		return;
	command_complains(2, "process 1 is not ours to look at");
}

/* Another user's process. */
static void test_not_ours(void)
{
	expect_not_ours("verify");
	expect_not_ours("map");
	expect_not_ours("top");
}

static const json_t *node_at(const json_t *root, size_t index)
{
	return json_array_get(json_object_get(root, "nodes"), index);
}

static json_int_t number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static void test_topology(void)
{
	struct hnuma_node_info info;
	json_t *root;
	unsigned i;

	command_run("topology --json");
	command_expect(command_outcome.code == 0, "exit 0");
	root = command_report();
	command_expect(json_array_size(json_object_get(root, "nodes")) ==
			       hnuma_topology_nr_nodes(topology),
		       "every node");
	for (i = 0; hnuma_topology_node_info(topology, i, &info) == 0; i++) {
		const json_t *node = node_at(root, i);

		command_expect(number(node, "node") == info.node, "its number");
		command_expect((uint64_t)number(node, "memory_bytes") == info.memory_bytes,
			       "its memory");
		command_expect(json_array_size(json_object_get(node, "cpus")) == info.nr_cpus,
			       "its CPUs");
		command_expect(json_array_size(json_object_get(node, "distances")) ==
				       hnuma_topology_nr_nodes(topology),
			       "its distances");
	}
	json_decref(root);
	command_run("topology");
	command_expect(command_outcome.code == 0 && strstr(command_outcome.out, "This machine") &&
			       strstr(command_outcome.out, "Huge pages") &&
			       !strchr(command_outcome.out, '\033'),
		       "text without colour");
}

static void test_other_machines(void)
{
	static const char *const refused[] = {"no-cpu.xml", "no-node.xml", "large-number.xml",
					      "newer.xml"};
	static const char *const answered[] = {"far-memory.xml", "sparse.xml",
					       "cpus-without-node.xml"};
	json_t *root;
	size_t i;

	for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		command_run("topology -T %s", foreign_file(refused[i]));
		command_complains(2, "--topology");
	}
	for (i = 0; i < sizeof(answered) / sizeof(answered[0]); i++) {
		command_run("topology -T %s", foreign_file(answered[i]));
		command_expect(command_outcome.code == 0 && !*command_outcome.err, answered[i]);
	}
	command_run("topology -j -T %s", foreign_file("memory-speed.xml"));
	root = command_report();
	command_expect(strcmp(command_text(node_at(root, 0), "kind"), "DRAM") == 0, "DRAM");
	command_expect(strcmp(command_text(node_at(root, 1), "kind"), "high-bandwidth") == 0,
		       "high bandwidth");
	command_expect(number(node_at(root, 1), "bandwidth_mib_s") == 400000, "bandwidth");
	command_expect(number(node_at(root, 1), "latency_ns") == 95, "latency");
	json_decref(root);
	command_run("topology -j -T %s", foreign_file("tiers.xml"));
	root = command_report();
	command_expect(strcmp(command_text(node_at(root, 2), "kind"), "without memory") == 0,
		       "without memory");
	command_expect(strcmp(command_text(node_at(root, 3), "kind"), "without CPUs") == 0,
		       "without CPUs");
	command_expect(json_is_false(json_object_get(node_at(root, 2), "allowed")), "not allowed");
	command_expect(number(json_array_get(json_object_get(node_at(root, 1), "distances"), 3),
			      "distance") == 41,
		       "distance");
	command_expect(number(json_array_get(json_object_get(node_at(root, 0), "hugepages"), 0),
			      "total") == 16,
		       "huge pages");
	json_decref(root);
}

/* A region of so many pages here, for the command to find. */
static struct hnuma_region *open_region(const char *name, size_t pages)
{
	struct hnuma_region_attr attr = HNUMA_REGION_ATTR_INIT;
	struct hnuma_region *region;

	attr.size = pages * HNUMA_HUGEPAGE;
	attr.name = name;
	attr.least_backing = HNUMA_BACKING_HUGETLB;
	CU_ASSERT_EQUAL_FATAL(hnuma_region_create(&region, topology, &attr), 0);
	return region;
}

static void test_verify(void)
{
	struct hnuma_region *one, *two;
	const json_t *regions;
	json_t *root;

	command_run("verify %d", getpid());
	command_expect(command_outcome.code == 1 && strstr(command_outcome.out, "has no region"),
		       "no region");
	if (!check_hugepages(5))
		return;
	one = open_region("first", 2);
	two = open_region("second", 3);
	command_run("verify --backing hugetlb %d", getpid());
	command_expect(command_outcome.code == 0 && !*command_outcome.err &&
			       strstr(command_outcome.out, "All 5 pages are where they were"),
		       "all there");
	command_run("verify -j %d", getpid());
	root = command_report();
	command_has_verdict(root, "as promised", 0);
	regions = json_object_get(root, "regions");
	command_expect(json_array_size(regions) == 2, "two regions");
	command_expect(number(root, "pages") == 5, "five pages");
	command_expect(number(json_array_get(regions, 0), "pages_there") +
				       number(json_array_get(regions, 1), "pages_there") ==
			       5,
		       "there");
	command_expect(number(json_array_get(regions, 0), "page_bytes") == 2097152, "2 MB");
	json_decref(root);
	/* Twice, a line each. */
	command_run("verify -w1 -n 2 --json %d", getpid());
	command_expect(command_outcome.code == 0, "watched");
	command_expect(strchr(command_outcome.out, '\n') &&
			       strchr(strchr(command_outcome.out, '\n') + 1, '{') &&
			       strstr(strchr(command_outcome.out, '\n') + 1, "\"as promised\""),
		       "two lines");
	setenv("COLUMNS", "20", 1);
	command_run("verify %d", getpid());
	unsetenv("COLUMNS");
	command_expect(command_outcome.code == 0 &&
			       strstr(command_outcome.out, "region: first\nasked: node ") != NULL,
		       "20 columns");
	CU_ASSERT_EQUAL(hnuma_region_destroy(one), 0);
	CU_ASSERT_EQUAL(hnuma_region_destroy(two), 0);
}

static ssize_t refuse_to_read(int pid, void *buffer, size_t size, const struct iovec *ranges,
			      unsigned nr_ranges)
{
	(void)pid, (void)buffer, (void)size, (void)ranges, (void)nr_ranges;
	return -EPERM;
}

/* Where a process may be looked at, and its memory not be read. */
static void expect_no_list(void)
{
	ssize_t (*real)(int, void *, size_t, const struct iovec *, unsigned) =
		hnuma_sys.read_process;
	struct hnuma_survey *survey;
	struct unseen unseen;
	json_t *json;

	CU_ASSERT_EQUAL_FATAL(hnuma_survey_create(&survey, getpid()), 0);
	hnuma_sys.read_process = refuse_to_read;
	unseen_find(&unseen, getpid(), survey);
	hnuma_sys.read_process = real;
	json = unseen_json(&unseen);
	CU_ASSERT_EQUAL(unseen.nr, 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(unseen.why, "not ours to look at"));
	CU_ASSERT(json_is_null(json));
	json_decref(json);
	unseen_free(&unseen);
	hnuma_survey_destroy(survey);
}

/* The one region that is listed as one without a name, in a report. */
static void expect_unnamed(const char *command, const void *address, const char *node)
{
	json_t *root;
	const json_t *listed, *region;
	char text[32];

	command_run("%s %d", command, getpid());
	snprintf(text, sizeof(text), "%p", address);
	command_expect(strstr(command_outcome.out, "bear no name") &&
			       strstr(command_outcome.out, "brought") &&
			       strstr(command_outcome.out, node) &&
			       strstr(command_outcome.out, "4 MB") &&
			       strstr(command_outcome.out, text),
		       "listed");
	command_run("%s --json %d", command, getpid());
	root = command_report();
	listed = json_object_get(root, "regions_without_name");
	command_expect(json_array_size(listed) == 1, "one");
	region = json_array_get(listed, 0);
	command_expect(strcmp(command_text(region, "name"), "brought") == 0 &&
			       strcmp(command_text(region, "address"), text) == 0 &&
			       number(region, "bytes") == 4 * 1024 * 1024 &&
			       json_array_size(json_object_get(region, "nodes")) == 1,
		       "as it is");
	json_decref(root);
}

/* Memory that this process has wrapped, with a region that has a name and without. */
static void test_wrapped(void)
{
	const size_t size = 2 * HNUMA_HUGEPAGE;
	struct hnuma_region_attr attr = HNUMA_REGION_ATTR_INIT;
	struct hnuma_region *named, *wrapped;
	unsigned char *room, *memory;
	char node[32];
	json_t *root;

	if (!check_hugepages(2))
		return;
	room = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CU_ASSERT_FATAL(room != MAP_FAILED);
	memory = room + (-(uintptr_t)room & (HNUMA_HUGEPAGE - 1));
	memset(memory, 1, size);
	named = open_region("first", 2);
	attr.size = size;
	attr.name = "brought";
	attr.node = check_home_node();
	attr.policy = HNUMA_POLICY_PREFERRED;
	attr.least_backing = HNUMA_BACKING_BASE;
	CU_ASSERT_EQUAL_FATAL(hnuma_region_wrap(&wrapped, topology, memory, &attr), 0);
	snprintf(node, sizeof(node), "node %d", attr.node);
	expect_unnamed("verify", memory, node);
	expect_unnamed("map", memory, node);
	expect_no_list();
	command_run("verify %d", getpid());
	command_expect(command_outcome.code == 0 &&
			       strstr(command_outcome.out, "All 2 pages are where they were"),
		       "no part of the verdict");
	CU_ASSERT_EQUAL(hnuma_region_destroy(named), 0);
	command_run("verify %d", getpid());
	command_expect(command_outcome.code == 1 &&
			       strstr(command_outcome.out, "No region of process"),
		       "no verdict without one");
	CU_ASSERT_EQUAL(hnuma_region_destroy(wrapped), 0);
	command_run("map --json %d", getpid());
	root = command_report();
	command_expect(json_is_array(json_object_get(root, "regions_without_name")) &&
			       json_array_size(json_object_get(root, "regions_without_name")) == 0,
		       "none any more");
	json_decref(root);
	munmap(room, 2 * size);
}

/* A watch ends with its process. */
static void test_watch_ends(void)
{
	int out = command_output(), err = command_output();
	char line[64];
	pid_t child = check_fork(), watcher;

	if (child == 0) {
		for (;;)
			pause();
	}
	snprintf(line, sizeof(line), "verify --watch=1 %d", child);
	watcher = command_start(line, out, err);
	command_await(out);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	command_finish(watcher, out, err);
	command_expect(command_outcome.code == 1 && !*command_outcome.err, "the worst it saw");
}

static void test_map(void)
{
	char path[] = "/tmp/hugenuma-map-XXXXXX";
	struct hnuma_topology *again;
	struct hnuma_region_info info;
	struct hnuma_region *region;
	const json_t *here;
	size_t index = 0;
	json_t *root;
	int fd;

	if (!check_hugepages(3))
		return;
	region = open_region("mapped", 3);
	command_run("map %d", getpid());
	command_expect(command_outcome.code == 0 &&
			       strstr(command_outcome.out, "+- mapped: 6 MB in 3 pages of 2 MB\n"),
		       "text");
	command_run("map --json %d", getpid());
	root = command_report();
	CU_ASSERT_EQUAL_FATAL(hnuma_region_info(region, &info), 0);
	while (json_array_size(json_object_get(root, "nodes")) > index &&
	       number(node_at(root, index), "node") != info.node)
		index++;
	here = json_object_get(node_at(root, index), "regions");
	command_expect(json_array_size(here) == 1 &&
			       number(json_array_get(here, 0), "pages") == 3 &&
			       strcmp(command_text(json_array_get(here, 0), "name"), "mapped") == 0,
		       "JSON");
	json_decref(root);
	fd = mkstemp(path);
	CU_ASSERT_FATAL(fd >= 0);
	close(fd);
	command_run("map -x -o %s %d", path, getpid());
	command_expect(command_outcome.code == 0 && !*command_outcome.out && !*command_outcome.err,
		       "a file");
	command_expect(strstr(check_read_file(path), "mapped: 6 MB in 3 pages of 2 MB") != NULL,
		       "XML");
	CU_ASSERT_EQUAL(foreign_create(&again, "HWLOC_XMLFILE", path), 0);
	hnuma_topology_destroy(again);
	unlink(path);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
	/* No region is no fault of a map. */
	command_run("map %d", getpid());
	command_expect(command_outcome.code == 0 && strstr(command_outcome.out, "+- nothing"),
		       "nothing");
}

/* What the command writes to a terminal of so many columns. */
static const char *on_terminal(const char *line, unsigned short columns)
{
	static char text[1 << 15];
	struct winsize window = {.ws_row = 24, .ws_col = columns};
	int master = posix_openpt(O_RDWR | O_NOCTTY), slave, status;
	size_t used = 0;
	ssize_t got;
	pid_t child;

	CU_ASSERT_FATAL(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
	slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	CU_ASSERT_FATAL(slave >= 0 && ioctl(slave, TIOCSWINSZ, &window) == 0);
	child = command_start(line, slave, slave);
	close(slave);
	/* The end is an error of the terminal's. */
	while ((got = read(master, text + used, sizeof(text) - 1 - used)) > 0)
		used += (size_t)got;
	text[used] = '\0';
	waitpid(child, &status, 0);
	close(master);
	return text;
}

static void test_terminal(void)
{
	char line[32];

	setenv("TERM", "xterm", 1);
	unsetenv("NO_COLOR");
	snprintf(line, sizeof(line), "verify %d", getpid());
	CU_ASSERT_PTR_NOT_NULL(strstr(on_terminal(line, 80), "\033[1;31mProcess"));
	CU_ASSERT_PTR_NOT_NULL(strstr(on_terminal("topology", 20), "\r\nnode: "));
	CU_ASSERT_PTR_NOT_NULL(strstr(on_terminal("plan -T pu:2", 20), "\r\nmissing: "));
	setenv("NO_COLOR", "1", 1);
	CU_ASSERT_PTR_NULL(strchr(on_terminal(line, 80), '\033'));
	unsetenv("NO_COLOR");
}

/* A closed pipe and a full disk are no answer, neither yes nor no: one line, and 2. */
static void test_no_reader(void)
{
	static const char *const lines[] = {"topology",	     "topology -j",	"topology -h",
					    "plan -T pu:2",  "plan -j -T pu:2", "plan -h",
					    "verify -h",     "map -h",		"top -h",
					    "replay --help", "--help",		"--version"};
	int pipes[2], err, full;
	size_t i;

	signal(SIGPIPE, SIG_DFL);
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		CU_ASSERT_EQUAL_FATAL(pipe(pipes), 0);
		close(pipes[0]);
		err = command_output();
		command_finish(command_start(lines[i], pipes[1], err), pipes[1], err);
		command_complains(2, "cannot write");
		command_complains(2, "Broken pipe");
		full = open("/dev/full", O_WRONLY);
		err = command_output();
		command_finish(command_start(lines[i], full, err), full, err);
		command_complains(2, "No space left on device");
	}
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"help", test_help},
		{"bad options", test_bad_options},
		{"not ours", test_not_ours},
		{"topology", test_topology},
		{"other machines", test_other_machines},
		{"verify", test_verify},
		{"wrapped memory", test_wrapped},
		{"a watch ends", test_watch_ends},
		{"map", test_map},
		{"a terminal", test_terminal},
		{"no reader", test_no_reader},
		CU_TEST_INFO_NULL,
	};

	foreign_clean_environment();
	topology = check_topology();
	return check_main("test_look_command", tests);
}
