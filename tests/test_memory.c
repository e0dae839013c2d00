/* SPDX-License-Identifier: MIT */
/*
 * tests/test_memory.c - numa/memory: what memory can be had, worked out from files of our own making and
 * from the machine's; and the regions that are refused by it, at once or when others have taken it.
 *
 * A machine that is full for real is in tests/guests/full.c.
 */
#include "config.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <hugenuma.h>

#include "numa/memory.h"
#include "numa/populate.h"
#include "tests/check.h"
#include "tests/fail_sys.h"
#include "tests/fake_files.h"

#define MB ((size_t)1024 * 1024)

static struct hnuma_topology *topology;

/* The node that is asked for. */
static int home;

static uint64_t page_kb; /* the zones' numbers are in pages */

/* Node 0 has a small zone that is reserved for who needs it, and one without pages; node 1 one zone. */
static const char zoneinfo[] = "Node 0, zone      DMA\n"
			       "  per-node stats\n"
			       "      nr_inactive_anon 7\n"
			       "  pages free     3840\n"
			       "        boost    0\n"
			       "        min      20\n"
			       "        low      24\n"
			       "        high     28\n"
			       "        spanned  4095\n"
			       "        present  3998\n"
			       "        managed  3840\n"
			       "        cma      0\n"
			       "        protection: (0, 1000, 1800, 2000, 2000)\n"
			       "      nr_free_pages 3840\n"
			       "  pagesets\n"
			       "    cpu: 0\n"
			       "              count:    5\n"
			       "              high:     140000\n"
			       "              batch:    1\n"
			       "  vm stats threshold: 4\n"
			       "  node_unreclaimable:  0\n"
			       "  start_pfn:           1\n"
			       "Node 0, zone   Normal\n"
			       "  pages free     25000\n"
			       "        min      400\n"
			       "        low      500\n"
			       "        high     600\n"
			       "        managed  90000\n"
			       "        protection: (0, 0, 0, 0, 0)\n"
			       "Node 0, zone  Movable\n"
			       "  pages free     0\n"
			       "        min      32\n"
			       "        low      32\n"
			       "        high     32\n"
			       "        managed  0\n"
			       "        protection: (0, 0, 0, 0, 0)\n"
			       "Node 1, zone   Normal\n"
			       "  pages free     10\n"
			       "        min      40\n"
			       "        low      50\n"
			       "        high     60\n"
			       "        managed  50\n"
			       "        protection: (0, 0)\n";

static const char node0[] = "Node 0 MemTotal:  400000 kB\n"
			    "Node 0 MemFree:   100000 kB\n"
			    "Node 0 Active(anon):  77777 kB\n"
			    "Node 0 Active(file):   3000 kB\n"
			    "Node 0 Inactive(file): 1000 kB\n"
			    "Node 0 FilePages:     90000 kB\n"
			    "Node 0 Shmem:         80000 kB\n"
			    "Node 0 KReclaimable:  32818 kB\n"
			    "Node 0 SReclaimable:     40 kB\n";
static const char node1[] = "Node 1 MemFree: 40 kB\n";
static const char machine[] = "MemTotal: 800000 kB\n"
			      "MemFree: 100040 kB\n"
			      "MemAvailable: 91234 kB\n"
			      "SwapFree: 300 kB\n";

#define NODE "/sys/devices/system/node/node"

static struct hnuma_nodeset set_of(int first, int second)
{
	struct hnuma_nodeset set = {{0}};

	hnuma_nodeset_add(&set, first);
	hnuma_nodeset_add(&set, second);
	return set;
}

static void test_reckoning(void)
{
	const struct fake_file files[] = {{"/proc/zoneinfo", zoneinfo, 0},
					  {"/proc/meminfo", machine, 0},
					  {NODE "0/meminfo", node0, 0},
					  {NODE "1/meminfo", node1, 0},
					  {0}};
	const struct hnuma_nodeset first = set_of(0, 0), second = set_of(1, 1), both = set_of(0, 1);
	const uint64_t kept = (2000 + 28 + 600) * page_kb;
	struct hnuma_memory memory;

	fake_files_begin(files, true);
	CU_ASSERT_EQUAL(hnuma_memory_read(&first, &memory), 0);
	CU_ASSERT_EQUAL(memory.kept_kb, kept);
	/* The cache keeps half, or less where the zones' low marks are less. */
	CU_ASSERT_EQUAL(memory.available_kb, 100000 + 2000 + 25 - kept);
	CU_ASSERT_EQUAL(memory.swap_kb, 300);
	/* A zone keeps no more than it has; and this one has nothing to give. */
	CU_ASSERT_EQUAL(hnuma_memory_read(&second, &memory), 0);
	CU_ASSERT_EQUAL(memory.kept_kb, 50 * page_kb);
	CU_ASSERT_EQUAL(memory.available_kb, 0);
	CU_ASSERT_EQUAL(hnuma_memory_read(&both, &memory), 0);
	CU_ASSERT_EQUAL(memory.kept_kb, kept + 50 * page_kb);
	CU_ASSERT_EQUAL(memory.available_kb, 100040 + 2000 + 25 - kept - 50 * page_kb);
	CU_ASSERT_EQUAL(hnuma_memory_read(NULL, &memory), 0);
	CU_ASSERT_EQUAL(memory.kept_kb, 0);
	CU_ASSERT_EQUAL(memory.available_kb, 91234);
	CU_ASSERT_EQUAL(memory.swap_kb, 300);
	fake_files_end();
}

/* What is missing is not invented. */
static void test_untold(void)
{
	const struct fake_file no_zones[] = {{NODE "0/meminfo", node0, 0}, {0}};
	const struct fake_file no_lines[] = {{"/proc/zoneinfo", "\n\nprotection: (9\nhigh\n", 0},
					     {"/proc/meminfo", "MemAvailable: -7 kB\nSwapFree", 0},
					     {NODE "0/meminfo", "Node\nNode 0\nNode 0 MemFree:", 0},
					     {0}};
	const struct fake_file nothing[] = {{0}};
	const struct hnuma_nodeset first = set_of(0, 0);
	struct hnuma_memory memory;

	fake_files_begin(no_zones, true);
	CU_ASSERT_EQUAL(hnuma_memory_read(&first, &memory), 0);
	CU_ASSERT_EQUAL(memory.kept_kb, 0);
	CU_ASSERT_EQUAL(memory.available_kb, 100000 + 4000 + 25);
	CU_ASSERT_EQUAL(memory.swap_kb, 0);
	CU_ASSERT_EQUAL(hnuma_memory_read(NULL, &memory), -ENOENT);
	fake_files_begin(no_lines, true);
	CU_ASSERT_EQUAL(hnuma_memory_read(&first, &memory), -ENODATA);
	CU_ASSERT_EQUAL(hnuma_memory_read(NULL, &memory), -ENODATA);
	fake_files_begin(nothing, true);
	CU_ASSERT_EQUAL(hnuma_memory_read(&first, &memory), -ENOENT);
	CU_ASSERT_EQUAL(memory.available_kb, 0);
	fake_files_end();
}

/* A number of KB behind a key in a file, 0 where it is not. */
static uint64_t read_kb(const char *path, const char *key)
{
	const char *at = strstr(check_read_file(path), key);

	return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

/* All nodes with memory; and how much they have, in KB. */
static struct hnuma_nodeset all_nodes(uint64_t *total_kb)
{
	struct hnuma_nodeset all = {{0}};
	char path[64];

	*total_kb = 0;
	for (int node = 0; node < HNUMA_MAX_NODES; node++) {
		uint64_t kb;

		snprintf(path, sizeof(path), NODE "%d/meminfo", node);
		kb = read_kb(path, "MemTotal:");
		*total_kb += kb;
		if (kb)
			hnuma_nodeset_add(&all, node);
	}
	return all;
}

/*
 * All nodes together have what the kernel says of the machine, but for what is not believed. Not where a
 * hypervisor lends the machine memory as it is wanted: the nodes then have less of it than the machine.
 */
static void test_this_machine(void)
{
	struct hnuma_memory of_nodes, of_machine;
	uint64_t total_kb, doubtful = 0;
	struct hnuma_nodeset all = all_nodes(&total_kb);

	if (!check_knows_nodes())
		return;
	/* Others take and give between the two readings. */
	for (int tries = 0; tries < 10000; tries++) {
		CU_ASSERT_EQUAL_FATAL(hnuma_memory_read(NULL, &of_machine), 0);
		CU_ASSERT_EQUAL_FATAL(hnuma_memory_read(&all, &of_nodes), 0);
		CU_ASSERT_FATAL(of_nodes.kept_kb > 0);
		doubtful = read_kb("/proc/meminfo", "KReclaimable:");
		if (total_kb != read_kb("/proc/meminfo", "MemTotal:") ||
		    (of_nodes.available_kb <= of_machine.available_kb + 512 &&
		     of_nodes.available_kb + doubtful + 512 >= of_machine.available_kb))
			return;
	}
	printf("the nodes have %llu KB, the machine %llu, of which %llu are in doubt ",
	       (unsigned long long)of_nodes.available_kb,
	       (unsigned long long)of_machine.available_kb, (unsigned long long)doubtful);
	CU_FAIL("the nodes and the machine differ");
}

/* ---- Regions -------------------------------------------------------------------------------- */

/* The node's meminfo, as the library reads it: so much is free. */
static char path_of_home[64], text_of_home[128];
static char zone_of_home[256];
static const struct fake_file files_of_home[] = {{path_of_home, text_of_home, 0},
						 {"/proc/zoneinfo", zone_of_home, 0},
						 {"/proc/meminfo", machine, 0},
						 {0}};

static void set_free(uint64_t kb)
{
	snprintf(text_of_home, sizeof(text_of_home), "Node %d MemFree: %llu kB\n", home,
		 (unsigned long long)kb);
}

static void begin_home(void)
{
	snprintf(path_of_home, sizeof(path_of_home), NODE "%d/meminfo", home);
	snprintf(zone_of_home, sizeof(zone_of_home),
		 "Node %d, zone Normal\n low 2000\n high 3000\n managed 90000\n", home);
	fake_files_begin(files_of_home, false);
}

static int create(struct hnuma_region **region, size_t size, enum hnuma_policy policy)
{
	struct hnuma_region_attr attr = HNUMA_REGION_ATTR_INIT;

	attr.size = size;
	attr.node = home;
	attr.policy = policy;
	attr.least_backing = HNUMA_BACKING_BASE;
	return hnuma_region_create(region, topology, &attr);
}

/* What is left below the node's marks is none for a program. */
static void test_refused(void)
{
	struct check_state before;
	struct hnuma_region *region;
	char words[160];

	if (!check_knows_nodes() || !check_hugepages_exactly(home, 0))
		return;
	check_snapshot(&before);
	fail_sys_install();
	fail_sys_begin(FAIL_ADVISE, 0, false, 0);
	begin_home();
	/* 16 MB, their tables, one MB besides, and what is kept back, but for one KB; 300 can go to swap. */
	set_free(17 * 1024 + 32 + 3000 * page_kb - 301);
	CU_ASSERT_EQUAL(create(&region, 16 * MB, HNUMA_POLICY_BIND), -ENOMEM);
	CU_ASSERT_PTR_NULL(region);
	snprintf(words, sizeof(words),
		 "17440 KB are needed, and node %d has 17439 KB that are free or could be freed, "
		 "besides %llu KB that the kernel keeps for itself",
		 home, (unsigned long long)(3000 * page_kb));
	check_message(words);
	CU_ASSERT_EQUAL(fail_sys.calls[FAIL_ADVISE], 0);
	set_free(17 * 1024 + 32 + 3000 * page_kb - 300);
	CU_ASSERT_EQUAL(create(&region, 16 * MB, HNUMA_POLICY_BIND), 0);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
	fake_files_end();
	fail_sys_remove();
	check_unchanged(&before);
}

/* The node that is preferred has nothing, nor has any other that is allowed. */
static void test_preferred(void)
{
	struct hnuma_region *region;

	if (!check_knows_nodes() || hnuma_topology_nr_nodes(topology) > 1 ||
	    !check_hugepages_exactly(home, 0))
		return;
	fail_sys_install();
	begin_home();
	set_free(3000 * page_kb);
	CU_ASSERT_EQUAL(create(&region, 2 * MB, HNUMA_POLICY_PREFERRED), -ENOMEM);
	check_message("3076 KB are needed, and nodes ");
	check_message(" 300 KB that are free or could be freed");
	fake_files_end();
	fail_sys_remove();
}

/* ---- Another process takes the memory while it is populated ---------------------------------- */

static atomic_uint nr_pieces;
static unsigned most_pieces; /* when so many have been begun, the node has nothing left */

static int open_or_lost(const char *path)
{
	static const char nothing[] = "Node 0 MemFree: 0 kB\n";

	if (nr_pieces >= most_pieces && strcmp(path, path_of_home) == 0)
		return fake_files_descriptor(nothing);
	return fake_files_open(path);
}

static int advise_counting(void *address, size_t length, int advice)
{
	nr_pieces += advice == 23 /* MADV_POPULATE_WRITE */;
	return fail_sys.real.advise(address, length, advice);
}

/* So long that on the way it is asked twice whether the rest can still be had. */
#define LONG (2 * HNUMA_POPULATE_CHECK_BYTES + 8 * MB)

static void lose_after(unsigned pieces)
{
	struct check_state before;
	struct hnuma_region *region;

	/* Threads of before, whose stacks the C library keeps, are part of the state. */
	CU_ASSERT_EQUAL_FATAL(create(&region, LONG, HNUMA_POLICY_BIND), 0);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
	check_snapshot(&before);
	nr_pieces = 0;
	most_pieces = pieces;
	set_free(1024 * 1024);
	fail_sys_install();
	begin_home();
	hnuma_sys.open = open_or_lost;
	hnuma_sys.advise = advise_counting;
	CU_ASSERT_EQUAL(create(&region, LONG, HNUMA_POLICY_BIND), -ENOMEM);
	CU_ASSERT_PTR_NULL(region);
	check_message("populating ended early: ");
	check_message(" 300 KB that are free or could be freed");
	CU_ASSERT(nr_pieces >= pieces);
	fake_files_end();
	fail_sys_remove();
	check_unchanged(&before);
}

static void test_lost(void)
{
	if (!check_knows_nodes() || !check_hugepages_exactly(home, 0))
		return;
	lose_after(1);
	lose_after(2);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"what can be had", test_reckoning},
		{"files that do not tell", test_untold},
		{"this machine", test_this_machine},
		{"more than can be had (row 8)", test_refused},
		{"nowhere any left", test_preferred},
		{"taken meanwhile (row 8)", test_lost},
		CU_TEST_INFO_NULL,
	};

	page_kb = (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
	topology = check_topology();
	home = check_home_node();
	return check_main("memory", tests);
}
