/* SPDX-License-Identifier: MIT */
/*
 * tests/test_plan.c - what a plan says is needed, is there and is missing, and whether its advice
 * works when it is followed. Plans for other machines are in test_plan_elsewhere.c.
 */
#include "config.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <hugenuma.h>

#include "lib/plan.h"
#include "numa/sys.h"
#include "tests/check.h"

#define MB ((uint64_t)1 << 20)

static struct hnuma_topology *topology;
static int here; /* a node that serves; the thread may move on */

static struct hnuma_plan *open_plan(const struct hnuma_topology *which,
				    const struct hnuma_config *config)
{
	struct hnuma_plan *plan;
	int error = hnuma_plan_create(&plan, which, config);

	if (error)
		printf("\n    %s ", hnuma_errormsg());
	CU_ASSERT_EQUAL_FATAL(error, 0);
	return plan;
}

static struct hnuma_plan_node node_of(const struct hnuma_plan *plan, unsigned index)
{
	struct hnuma_plan_node node;

	CU_ASSERT_EQUAL_FATAL(hnuma_plan_node(plan, index, &node), 0);
	return node;
}

static uint64_t all_needed(const struct hnuma_plan *plan)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < hnuma_plan_nr_nodes(plan); i++)
		sum += node_of(plan, i).pages_needed;
	return sum;
}

/* For one node of this machine, so that counts can be set exactly. */
static struct hnuma_config local_config(void)
{
	struct hnuma_config config = HNUMA_CONFIG_INIT;

	config.least_backing = HNUMA_BACKING_HUGETLB;
	hnuma_nodeset_add(&config.nodes, here);
	return config;
}

static struct hnuma_topology *open_foreign(const char *synthetic)
{
	struct hnuma_topology *foreign;

	setenv("HWLOC_SYNTHETIC", synthetic, 1);
	CU_ASSERT_EQUAL_FATAL(hnuma_topology_create(&foreign), 0);
	unsetenv("HWLOC_SYNTHETIC");
	return foreign;
}

static uint64_t round_up(uint64_t bytes, uint64_t unit)
{
	return (bytes + unit - 1) / unit * unit;
}

static void test_default(void)
{
	struct hnuma_config standard = HNUMA_CONFIG_INIT;
	struct hnuma_plan *plan = open_plan(topology, NULL);
	struct hnuma_plan *same = open_plan(topology, &standard);
	unsigned nr_spaces = 0;

	CU_ASSERT(hnuma_plan_nr_nodes(plan) >= 1);
	CU_ASSERT_EQUAL(hnuma_plan_nr_nodes(plan), hnuma_plan_nr_nodes(same));
	for (unsigned i = 0; i < hnuma_plan_nr_nodes(plan); i++) {
		struct hnuma_plan_node node = node_of(plan, i);

		CU_ASSERT_EQUAL(node.bytes_arena, 16 * MB);
		/* 32 blocks of each class: 32 K, 128 K, 512 K, 2 MB, 8 MB, and the books. */
		CU_ASSERT(node.bytes_pool > 16 * MB);
		CU_ASSERT(node.bytes_pool < 18 * MB);
		CU_ASSERT_EQUAL(node.bytes_scratch, (uint64_t)65536 * node.nr_spaces);
		CU_ASSERT_EQUAL(node.pages_needed, node_of(same, i).pages_needed);
		nr_spaces += node.nr_spaces;
	}
	CU_ASSERT_EQUAL(nr_spaces, plan->config.max_scratch);
	CU_ASSERT(nr_spaces >= 1);
	hnuma_plan_destroy(same);
	hnuma_plan_destroy(plan);
	hnuma_plan_destroy(NULL);
}

/* Every part is whole, and a node needs no more than the parts rounded up, each group by itself. */
static void test_sums(void)
{
	struct hnuma_topology *foreign = open_foreign("NUMANode:3(memory=64GB) Core:5 PU:2");

	for (unsigned i = 0; i < 200; i++) {
		struct hnuma_config config = HNUMA_CONFIG_INIT;
		struct hnuma_plan *plan;
		unsigned nr_spaces = 0;

		config.arena_capacity = 1 + (size_t)i * 777777;
		config.buffers_per_class = 1 + i % 70;
		config.scratch_size = 1 + (size_t)i * 5003;
		config.max_scratch = i % 40;
		plan = open_plan(foreign, &config);
		CU_ASSERT_EQUAL_FATAL(hnuma_plan_nr_nodes(plan), 3);
		for (unsigned j = 0; j < 3; j++) {
			struct hnuma_plan_node node = node_of(plan, j);
			const struct hnuma_layout *layout = &plan->layouts[j];
			uint64_t books = node.bytes_pool % HNUMA_HUGEPAGE;
			uint64_t space = round_up(config.scratch_size, 4096);

			CU_ASSERT_EQUAL(node.node, (int)j);
			CU_ASSERT_EQUAL(node.bytes_arena, round_up(config.arena_capacity, 64));
			CU_ASSERT_EQUAL(node.bytes_scratch, node.nr_spaces * space);
			CU_ASSERT_EQUAL(node.pages_needed * HNUMA_HUGEPAGE,
					round_up(books + node.bytes_scratch, HNUMA_HUGEPAGE) +
						node.bytes_pool - books +
						round_up(node.bytes_arena, HNUMA_HUGEPAGE));
			CU_ASSERT_EQUAL(layout->size, node.pages_needed * HNUMA_HUGEPAGE);
			CU_ASSERT_EQUAL(layout->scratch, books);
			nr_spaces += node.nr_spaces;
		}
		CU_ASSERT_EQUAL(nr_spaces, config.max_scratch ? config.max_scratch : 30);
		hnuma_plan_destroy(plan);
	}
	hnuma_topology_destroy(foreign);
}

static void test_bad_arguments(void)
{
	struct hnuma_plan_node node;
	struct hnuma_plan *plan;

	CU_ASSERT_EQUAL(hnuma_plan_create(NULL, topology, NULL), -EINVAL);
	plan = (struct hnuma_plan *)1;
	CU_ASSERT_EQUAL(hnuma_plan_create(&plan, NULL, NULL), -EINVAL);
	CU_ASSERT_PTR_NULL(plan);
	check_message("topology");
	plan = open_plan(topology, NULL);
	CU_ASSERT_EQUAL(hnuma_plan_node(NULL, 0, &node), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_plan_node(plan, 0, NULL), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_plan_node(plan, hnuma_plan_nr_nodes(plan), &node), -ENODEV);
	CU_ASSERT_EQUAL(hnuma_plan_node(plan, UINT32_MAX, &node), -ENODEV);
	errno = 0;
	CU_ASSERT_PTR_NULL(hnuma_plan_advice(plan, hnuma_plan_nr_nodes(plan)));
	CU_ASSERT_EQUAL(errno, ENODEV);
	CU_ASSERT_PTR_NULL(hnuma_plan_advice(NULL, 0));
	CU_ASSERT(!hnuma_plan_fits(NULL));
	CU_ASSERT_EQUAL(hnuma_plan_nr_nodes(NULL), 0);
	hnuma_plan_destroy(plan);
}

static void test_fits(void)
{
	struct hnuma_config config = local_config();
	struct hnuma_plan *plan = open_plan(topology, &config);
	uint64_t needed = all_needed(plan);

	hnuma_plan_destroy(plan);
	if (!check_hugepages_exactly(here, needed))
		return;
	plan = open_plan(topology, &config);
	CU_ASSERT(hnuma_plan_fits(plan));
	CU_ASSERT_EQUAL(node_of(plan, 0).limit, HNUMA_LIMIT_NONE);
	CU_ASSERT_EQUAL(node_of(plan, 0).pages_missing, 0);
	CU_ASSERT_EQUAL(node_of(plan, 0).pages_free, needed);
	CU_ASSERT_STRING_EQUAL(hnuma_plan_advice(plan, 0), "");
	hnuma_plan_destroy(plan);

	if (!check_hugepages_exactly(here, needed - 1))
		return;
	plan = open_plan(topology, &config);
	CU_ASSERT(!hnuma_plan_fits(plan));
	CU_ASSERT_EQUAL(node_of(plan, 0).limit, HNUMA_LIMIT_NODE_PAGES);
	CU_ASSERT_EQUAL(node_of(plan, 0).pages_missing, 1);
	hnuma_plan_destroy(plan);
}

static void follow_advice(const struct hnuma_plan *plan)
{
	for (unsigned i = 0; i < hnuma_plan_nr_nodes(plan); i++) {
		FILE *shell = popen("sh -e", "w");

		CU_ASSERT_PTR_NOT_NULL_FATAL(shell);
		CU_ASSERT(fputs(hnuma_plan_advice(plan, i), shell) >= 0);
		CU_ASSERT_EQUAL(pclose(shell), 0);
	}
}

/* Plan, follow the advice, plan again: it fits, and the manager gets its pages. */
static void advice_leads_to_a_manager(const struct hnuma_config *config, enum hnuma_limit limit)
{
	struct hnuma_plan *plan = open_plan(topology, config);
	struct hnuma_manager *manager = NULL;

	CU_ASSERT(!hnuma_plan_fits(plan));
	CU_ASSERT_EQUAL(node_of(plan, 0).limit, limit);
	CU_ASSERT(node_of(plan, 0).pages_missing > 0);
	CU_ASSERT_EQUAL(hnuma_manager_create(&manager, topology, config), -ENOMEM);
	follow_advice(plan);
	hnuma_plan_destroy(plan);
	plan = open_plan(topology, config);
	if (!hnuma_plan_fits(plan))
		printf("\n%s", hnuma_plan_advice(plan, 0));
	CU_ASSERT(hnuma_plan_fits(plan));
	CU_ASSERT_EQUAL(hnuma_manager_create(&manager, topology, config), 0);
	if (!manager)
		printf("\n    %s ", hnuma_errormsg());
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
	hnuma_plan_destroy(plan);
}

static void test_advice_for_a_node(void)
{
	struct hnuma_config config = local_config();

	/* From none at all, and from too few. */
	if (!check_hugepages_exactly(here, 0))
		return;
	advice_leads_to_a_manager(&config, HNUMA_LIMIT_NODE_PAGES);
	if (!check_hugepages_exactly(here, 5))
		return;
	advice_leads_to_a_manager(&config, HNUMA_LIMIT_NODE_PAGES);
}

/* Pages that are in use count as the node's but not as free. */
static void test_advice_when_pages_are_in_use(void)
{
	struct hnuma_config config = local_config();
	struct hnuma_manager *first;

	if (!check_hugepages_exactly(here, 60))
		return;
	CU_ASSERT_EQUAL_FATAL(hnuma_manager_create(&first, topology, &config), 0);
	if (check_hugepages_exactly(here, 3))
		advice_leads_to_a_manager(&config, HNUMA_LIMIT_NODE_PAGES);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(first), 0);
}

/* A mapping that nobody has touched has promised pages, which still count as free. */
static void test_advice_when_pages_are_promised(void)
{
	struct hnuma_config config = local_config();
	struct hnuma_plan *plan = open_plan(topology, &config);
	const uint64_t needed = all_needed(plan);
	void *promised;

	hnuma_plan_destroy(plan);
	if (hnuma_topology_nr_nodes(topology) > 1) {
		printf("(other nodes have pages as well) ");
		return;
	}
	if (!check_hugepages_exactly(here, needed + 1))
		return;
	promised = mmap(NULL, 3 * HNUMA_HUGEPAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | 21 << MAP_HUGE_SHIFT, -1, 0);
	CU_ASSERT_FATAL(promised != MAP_FAILED);
	plan = open_plan(topology, &config);
	CU_ASSERT_EQUAL(node_of(plan, 0).pages_free, needed + 1);
	CU_ASSERT_EQUAL(node_of(plan, 0).pages_missing, 2);
	CU_ASSERT_PTR_NOT_NULL(strstr(hnuma_plan_advice(plan, 0), "promised"));
	hnuma_plan_destroy(plan);
	advice_leads_to_a_manager(&config, HNUMA_LIMIT_RESERVED);
	CU_ASSERT_EQUAL(munmap(promised, 3 * HNUMA_HUGEPAGE), 0);
}

/*
 * Control groups as files of our own: what is opened below these paths is opened below a directory of
 * the test's instead.
 */
static char fake_root[64];
static int (*real_open)(const char *path);

static int open_fake(const char *path)
{
	char fake[1024];

	if (strncmp(path, "/sys/fs/cgroup", 14) != 0 && strcmp(path, "/proc/self/cgroup") != 0 &&
	    strcmp(path, "/proc/self/mountinfo") != 0)
		return real_open(path);
	snprintf(fake, sizeof(fake), "%s%s", fake_root, path);
	return real_open(fake);
}

static void fake_file(const char *path, const char *text)
{
	char full[512];
	FILE *file;

	snprintf(full, sizeof(full), "%s%s", fake_root, path);
	for (char *slash = strchr(full + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		CU_ASSERT_FATAL(mkdir(full, 0700) == 0 || errno == EEXIST);
		*slash = '/';
	}
	file = fopen(full, "w");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fputs(text, file);
	fclose(file);
}

static void fake_bytes(const char *name, uint64_t bytes)
{
	char path[256], text[32];

	snprintf(path, sizeof(path), "/sys/fs/cgroup/it's a\\x2dgroup/%s", name);
	snprintf(text, sizeof(text), "%" PRIu64 "\n", bytes);
	fake_file(path, text);
}

static void begin_fakes(void)
{
	strcpy(fake_root, "/tmp/hugenuma-plan-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(fake_root));
	fake_file("/proc/self/cgroup", "0::/it's a\\x2dgroup\n");
	fake_file("/proc/self/mountinfo", "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 "
					  "rw,memory_hugetlb_accounting\n");
	fake_bytes("hugetlb.2MB.current", 4 * MB);
	fake_bytes("hugetlb.2MB.rsvd.current", 4 * MB);
	fake_bytes("memory.current", 4 * MB);
	real_open = hnuma_sys.open;
	hnuma_sys.open = open_fake;
}

static void end_fakes(void)
{
	char command[128];

	hnuma_sys.open = real_open;
	snprintf(command, sizeof(command), "rm -r %s", fake_root);
	CU_ASSERT_EQUAL(system(command), 0);
}

/* Follow advice that names the fake files: run it in a shell that sees them in their place. */
static void follow_fake_advice(const struct hnuma_plan *plan)
{
	char text[4096], *at;
	FILE *shell = popen("sh -e", "w");

	CU_ASSERT_PTR_NOT_NULL_FATAL(shell);
	snprintf(text, sizeof(text), "%s", hnuma_plan_advice(plan, 0));
	at = strstr(text, "'/sys/fs/cgroup");
	CU_ASSERT_PTR_NOT_NULL_FATAL(at);
	fprintf(shell, "%.*s'%s%s", (int)(at - text), text, fake_root, at + 1);
	CU_ASSERT_EQUAL(pclose(shell), 0);
}

static void one_cgroup_limit(const char *name, enum hnuma_limit limit)
{
	struct hnuma_config config = local_config();
	struct hnuma_plan *plan = open_plan(topology, &config);
	const uint64_t needed = all_needed(plan);

	hnuma_plan_destroy(plan);
	if (!check_hugepages_exactly(here, needed))
		return;
	begin_fakes();
	plan = open_plan(topology, &config);
	CU_ASSERT(hnuma_plan_fits(plan));
	hnuma_plan_destroy(plan);
	/* Exactly enough, then a byte less. */
	fake_bytes(name, (needed + 2) * 2 * MB);
	plan = open_plan(topology, &config);
	CU_ASSERT(hnuma_plan_fits(plan));
	hnuma_plan_destroy(plan);
	fake_bytes(name, (needed + 2) * 2 * MB - 1);
	plan = open_plan(topology, &config);
	CU_ASSERT(!hnuma_plan_fits(plan));
	CU_ASSERT_EQUAL(node_of(plan, 0).limit, limit);
	CU_ASSERT_EQUAL(node_of(plan, 0).pages_missing, 1);
	CU_ASSERT_PTR_NULL(strstr(hnuma_plan_advice(plan, 0), "nr_hugepages"));
	CU_ASSERT_PTR_NOT_NULL(strstr(hnuma_plan_advice(plan, 0), name));
	follow_fake_advice(plan);
	hnuma_plan_destroy(plan);
	plan = open_plan(topology, &config);
	CU_ASSERT(hnuma_plan_fits(plan));
	hnuma_plan_destroy(plan);
	end_fakes();
}

static void test_cgroup_limit(void)
{
	one_cgroup_limit("hugetlb.2MB.max", HNUMA_LIMIT_CGROUP);
}

static void test_cgroup_limit_on_reservations(void)
{
	one_cgroup_limit("hugetlb.2MB.rsvd.max", HNUMA_LIMIT_CGROUP_RESERVED);
}

static void test_cgroup_limit_on_memory(void)
{
	one_cgroup_limit("memory.max", HNUMA_LIMIT_CGROUP_MEMORY);
}

/* Where several things are in the way the first is named, and the advice mends all of them. */
static void test_several_limits(void)
{
	struct hnuma_config config = local_config();
	struct hnuma_plan *plan;
	const char *advice;

	if (!check_hugepages_exactly(here, 1))
		return;
	begin_fakes();
	fake_bytes("hugetlb.2MB.max", 4 * MB);
	fake_bytes("hugetlb.2MB.rsvd.max", 5 * MB);
	plan = open_plan(topology, &config);
	CU_ASSERT_EQUAL(node_of(plan, 0).limit, HNUMA_LIMIT_NODE_PAGES);
	CU_ASSERT_EQUAL(node_of(plan, 0).pages_missing, all_needed(plan) - 1);
	advice = hnuma_plan_advice(plan, 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(advice, "nr_hugepages"));
	CU_ASSERT_PTR_NOT_NULL(strstr(advice, "hugetlb.2MB.max"));
	CU_ASSERT_PTR_NOT_NULL(strstr(advice, "hugetlb.2MB.rsvd.max"));
	hnuma_plan_destroy(plan);
	end_fakes();
}

/* A size that no machine has is planned for as any other; one that no number has is refused. */
static void test_enormous(void)
{
	struct hnuma_config config = HNUMA_CONFIG_INIT;
	struct hnuma_plan *plan;

	config.arena_capacity = (size_t)1 << 45;
	plan = open_plan(topology, &config);
	CU_ASSERT(!hnuma_plan_fits(plan));
	CU_ASSERT(node_of(plan, 0).pages_needed > (1 << 24));
	CU_ASSERT(node_of(plan, 0).pages_missing > 0);
	hnuma_plan_destroy(plan);
	config.arena_capacity = SIZE_MAX - 100;
	CU_ASSERT_EQUAL(hnuma_plan_create(&plan, topology, &config), -EOVERFLOW);
	CU_ASSERT_PTR_NULL(plan);
}

/* Each part is a size, but not the sum, whichever it is that goes beyond. */
static void test_sums_that_wrap(void)
{
	static const size_t left[] = {8 << 10, 8 << 20, 1 << 30};
	struct hnuma_config config = local_config();
	struct hnuma_plan *plan;

	config.max_scratch = 1;
	config.pool_bytes_per_node = 16 << 20;
	config.arena_capacity = (size_t)2 << 30;
	for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
		config.scratch_size = SIZE_MAX - left[i] + 1;
		CU_ASSERT_EQUAL(hnuma_plan_create(&plan, topology, &config), -EOVERFLOW);
		CU_ASSERT_PTR_NULL(plan);
		check_message("together larger than the address space");
	}
	config.scratch_size = (size_t)1 << 40;
	hnuma_plan_destroy(open_plan(topology, &config));
}

/* More in use than a control group's files take as a limit: the advice is the most that they take. */
static void test_largest_limit(void)
{
	struct hnuma_config config = local_config();
	struct hnuma_plan *plan;

	if (!check_hugepages_exactly(here, 1))
		return;
	begin_fakes();
	fake_bytes("hugetlb.2MB.max", 4 * MB);
	fake_bytes("hugetlb.2MB.current", INT64_MAX);
	plan = open_plan(topology, &config);
	CU_ASSERT_PTR_NOT_NULL(strstr(hnuma_plan_advice(plan, 0), "echo 9223372036852678656 > "));
	hnuma_plan_destroy(plan);
	fake_bytes("hugetlb.2MB.current", UINT64_MAX - 1);
	plan = open_plan(topology, &config);
	CU_ASSERT_PTR_NOT_NULL(strstr(hnuma_plan_advice(plan, 0), "echo 9223372036852678656 > "));
	hnuma_plan_destroy(plan);
	end_fakes();
}

static struct hnuma_plan *open_plan_for(const struct hnuma_config *config, unsigned nr_ranks)
{
	struct hnuma_plan *plan;

	CU_ASSERT_EQUAL_FATAL(hnuma_plan_create_for_ranks(&plan, topology, config, nr_ranks), 0);
	return plan;
}

/* What a plan for two says is enough is enough for two managers, and a page less is not. */
static void test_ranks(void)
{
	struct hnuma_config config = local_config();
	struct hnuma_plan *one = open_plan_for(&config, 1), *two = open_plan_for(&config, 2);
	const uint64_t needed = all_needed(two);
	struct hnuma_manager *first, *second;

	CU_ASSERT_EQUAL(needed, 2 * all_needed(one));
	CU_ASSERT_EQUAL(node_of(two, 0).bytes_pool, node_of(one, 0).bytes_pool);
	CU_ASSERT_EQUAL(node_of(two, 0).nr_spaces, node_of(one, 0).nr_spaces);
	hnuma_plan_destroy(one);
	hnuma_plan_destroy(two);
	if (!check_hugepages_exactly(here, needed))
		return;
	two = open_plan_for(&config, 2);
	CU_ASSERT(hnuma_plan_fits(two));
	hnuma_plan_destroy(two);
	CU_ASSERT_EQUAL_FATAL(hnuma_manager_create(&first, topology, &config), 0);
	one = open_plan_for(&config, 1);
	two = open_plan_for(&config, 2);
	CU_ASSERT(hnuma_plan_fits(one));
	CU_ASSERT_EQUAL(node_of(two, 0).pages_missing, needed / 2);
	hnuma_plan_destroy(one);
	hnuma_plan_destroy(two);
	CU_ASSERT_EQUAL_FATAL(hnuma_manager_create(&second, topology, &config), 0);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(second), 0);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(first), 0);
}

/* A control group holds all of its ranks: the limit has to allow them together. */
static void test_ranks_under_a_limit(void)
{
	struct hnuma_config config = local_config();
	struct hnuma_plan *plan = open_plan_for(&config, 3);
	const uint64_t needed = all_needed(plan);

	hnuma_plan_destroy(plan);
	if (!check_hugepages_exactly(here, needed))
		return;
	begin_fakes();
	fake_bytes("hugetlb.2MB.max", (needed - 4 + 2) * 2 * MB);
	plan = open_plan_for(&config, 3);
	CU_ASSERT_EQUAL(node_of(plan, 0).limit, HNUMA_LIMIT_CGROUP);
	CU_ASSERT_EQUAL(node_of(plan, 0).pages_missing, 4);
	follow_fake_advice(plan);
	hnuma_plan_destroy(plan);
	plan = open_plan_for(&config, 3);
	CU_ASSERT(hnuma_plan_fits(plan));
	hnuma_plan_destroy(plan);
	end_fakes();
}

static void test_bad_ranks(void)
{
	struct hnuma_config config = local_config();
	struct hnuma_plan *plan = (void *)1;

	CU_ASSERT_EQUAL(hnuma_plan_create_for_ranks(&plan, topology, &config, 0), -EINVAL);
	CU_ASSERT_PTR_NULL(plan);
	CU_ASSERT_PTR_NOT_NULL(strstr(hnuma_errormsg(), "0 ranks"));
	CU_ASSERT_EQUAL(hnuma_plan_create_for_ranks(NULL, topology, &config, 1), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_plan_create_for_ranks(&plan, NULL, &config, 1), -EINVAL);
	config.arena_capacity = (size_t)1 << 45;
	CU_ASSERT_EQUAL(hnuma_plan_create_for_ranks(&plan, topology, &config, 1 << 30), -EOVERFLOW);
	CU_ASSERT_PTR_NULL(plan);
	CU_ASSERT_PTR_NOT_NULL(strstr(hnuma_errormsg(), "ranks"));
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"default", test_default},
		{"sums", test_sums},
		{"bad arguments", test_bad_arguments},
		{"fits", test_fits},
		{"advice for a node", test_advice_for_a_node},
		{"advice when pages are in use", test_advice_when_pages_are_in_use},
		{"advice when pages are promised", test_advice_when_pages_are_promised},
		{"cgroup limit", test_cgroup_limit},
		{"cgroup limit on reservations", test_cgroup_limit_on_reservations},
		{"cgroup limit on memory", test_cgroup_limit_on_memory},
		{"several limits", test_several_limits},
		{"enormous", test_enormous},
		{"sums that wrap", test_sums_that_wrap},
		{"the largest limit", test_largest_limit},
		{"ranks", test_ranks},
		{"ranks under a limit", test_ranks_under_a_limit},
		{"bad ranks", test_bad_ranks},
		CU_TEST_INFO_NULL,
	};

	topology = check_topology();
	here = hnuma_current_node(topology);
	return check_main("plan", tests);
}
