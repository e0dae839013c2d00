/* SPDX-License-Identifier: MIT */
/*
 * tests/faults.c - every creation, growth, question and destruction of the library, as an operation
 * that test_faults.c can repeat while something fails.
 *
 * Each is small and on one node. What it makes is in the variables below, and NULL before and after.
 * The table at the end names all of them, and is what others see: hence more than 600 lines.
 */
#include "config.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <hugenuma.h>

#include "numa/cpu.h"
#include "numa/ground.h"
#include "numa/sys.h"
#include "numa/topology.h"
#include "tests/check.h"
#include "tests/faults.h"
#include "tests/foreign.h"

#define PAGE HNUMA_HUGEPAGE

/* One for each class. */
#define POOL_PAGES HNUMA_NR_CLASSES

/* What *out holds before a creation: one that fails must make it NULL. */
#define NOT_SET ((void *)1)

static const struct operation *asked; /* the one that is done now */
static struct hnuma_topology *topology;
static int home;
static FILE *nowhere;

static struct hnuma_topology *other_topology;
static struct hnuma_region *region;
static struct hnuma_arena *arena;
static struct hnuma_pool *pool;
static struct hnuma_scratch *scratch;
static struct hnuma_manager *manager;
static struct hnuma_plan *plan;
static struct hnuma_survey *survey;
static struct hnuma_observer *observer;
static struct hnuma_ground ground;
static void *blocks[8];

void faults_init(struct hnuma_topology *of_this_system, int node)
{
	topology = of_this_system;
	home = node;
	if (!nowhere)
		nowhere = fopen("/dev/null", "we");
	CU_ASSERT_PTR_NOT_NULL_FATAL(nowhere);
}

void faults_choose(const struct operation *operation)
{
	asked = operation;
}

/* A creation's answer; with an error it has made nothing. */
static int made(int error, const void *object)
{
	CU_ASSERT_NOT_EQUAL(object, NOT_SET);
	CU_ASSERT_EQUAL(error == 0, object != NULL);
	return error;
}

/* ---- Topologies ----------------------------------------------------------------------------- */

static int make_topology(void)
{
	int error;

	other_topology = NOT_SET;
	error = hnuma_topology_create(&other_topology);
	return made(error, other_topology);
}

static int (*open_file)(const char *path);

static int open_without_nodes(const char *path)
{
	return strstr(path, "/devices/system/node") ? -ENOENT : open_file(path);
}

/* Of a system that does not tell its nodes. */
static int make_unknown_topology(void)
{
	int error;

	open_file = hnuma_sys.open;
	hnuma_sys.open = open_without_nodes;
	error = make_topology();
	hnuma_sys.open = open_file;
	return error;
}

static int make_topology_of_line(void)
{
	return foreign_create(&other_topology, "HWLOC_SYNTHETIC", "numa:2 pu:2");
}

static int make_topology_of_file(void)
{
	return foreign_create(&other_topology, "HWLOC_XMLFILE", foreign_file("tiers.xml"));
}

static void clean_topology(void)
{
	hnuma_topology_destroy(other_topology);
	other_topology = NULL;
}

static int export_topology(void)
{
	const struct hnuma_annotation note = {home, "a note"};

	return hnuma_topology_export(topology, nowhere, &note, 1);
}

static int count_pages(void)
{
	struct hnuma_hugepages pages;
	struct hnuma_limit_info limit;
	int error = hnuma_topology_limit(topology, HNUMA_LIMIT_CGROUP, &limit);

	return error ? error : hnuma_topology_hugepages(topology, home, 0, &pages);
}

/* ---- Regions -------------------------------------------------------------------------------- */

static int make_region(void)
{
	struct hnuma_region_attr attr = HNUMA_REGION_ATTR_INIT;
	int error;

	attr.size = 2 * PAGE;
	attr.least_backing = asked->least_backing;
	attr.policy = asked->policy;
	attr.flags = asked->flags;
	if (asked->policy == HNUMA_POLICY_INTERLEAVE)
		hnuma_nodeset_add(&attr.nodes, home);
	else
		attr.node = home;
	region = NOT_SET;
	error = hnuma_region_create(&region, topology, &attr);
	return made(error, region);
}

bool faults_makes_region(void)
{
	return asked->run == make_region;
}

struct hnuma_region *faults_region(void)
{
	return region;
}

static int destroy_region(void)
{
	int error = hnuma_region_destroy(region);

	if (!error)
		region = NULL;
	return error;
}

static void clean_region(void)
{
	CU_ASSERT_EQUAL(destroy_region(), 0);
}

/* Memory that stays, whatever comes of the region over it. */
static int wrap_region(void)
{
	/* Valgrind loads programs at addresses that heed no large alignment. */
	static unsigned char room[2 * PAGE];
	unsigned char *memory = room + (PAGE - (uintptr_t)room % PAGE) % PAGE;
	struct hnuma_region_attr attr = HNUMA_REGION_ATTR_INIT;
	int error;

	attr.size = PAGE;
	attr.node = home;
	attr.least_backing = asked->least_backing;
	attr.policy = asked->policy;
	region = NOT_SET;
	error = hnuma_region_wrap(&region, topology, memory, &attr);
	return made(error, region);
}

static int verify_region(void)
{
	struct hnuma_placement placement;

	return hnuma_region_verify(region, &placement);
}

/* ---- Arenas --------------------------------------------------------------------------------- */

static int make_arena(void)
{
	struct hnuma_arena_attr attr = HNUMA_ARENA_ATTR_INIT;
	int error;

	attr.capacity = PAGE;
	attr.node = home;
	attr.least_backing = asked->least_backing;
	arena = NOT_SET;
	error = hnuma_arena_create(&arena, topology, &attr);
	return made(error, arena);
}

static int destroy_arena(void)
{
	int error = hnuma_arena_destroy(arena);

	if (!error)
		arena = NULL;
	return error;
}

static void clean_arena(void)
{
	CU_ASSERT_EQUAL(destroy_arena(), 0);
}

/* ---- Pools ---------------------------------------------------------------------------------- */

static int make_pool(void)
{
	struct hnuma_pool_attr attr = HNUMA_POOL_ATTR_INIT;
	int error;

	attr.buffers_per_class = 8;
	attr.bytes_per_node = POOL_PAGES * PAGE;
	attr.least_backing = asked->least_backing;
	hnuma_nodeset_add(&attr.nodes, home);
	pool = NOT_SET;
	error = hnuma_pool_create(&pool, topology, &attr);
	return made(error, pool);
}

static int destroy_pool(void)
{
	int error = hnuma_pool_destroy(pool);

	if (!error)
		pool = NULL;
	return error;
}

/* What was acquired comes home, and the books are right. */
static void clean_pool(void)
{
	if (!pool)
		return;
	for (unsigned i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
		if (blocks[i])
			CU_ASSERT_EQUAL(hnuma_pool_release(pool, blocks[i]), 0);
		blocks[i] = NULL;
	}
	CU_ASSERT_EQUAL(hnuma_pool_check(pool), 0);
	CU_ASSERT_EQUAL(destroy_pool(), 0);
}

/* The first block of each class: a page is dealt, a cache filled. */
static int acquire_blocks(void)
{
	for (int c = 0; c < HNUMA_NR_CLASSES; c++) {
		blocks[c] = hnuma_pool_acquire(pool, (enum hnuma_class)c);
		if (!blocks[c])
			return -errno;
	}
	return 0;
}

static int acquire_bulk(void)
{
	return hnuma_pool_acquire_bulk(pool, HNUMA_CLASS_256K, blocks, 8);
}

static int release_blocks(void)
{
	int error = 0;

	for (unsigned i = 0; !error && i < 8; i++) {
		error = blocks[i] ? hnuma_pool_release(pool, blocks[i]) : 0;
		if (!error)
			blocks[i] = NULL;
	}
	return error;
}

static int make_pool_and_acquire(void)
{
	int error = make_pool();

	return error ? error : acquire_blocks();
}

static int make_pool_and_use(void)
{
	int error = make_pool_and_acquire();

	return error ? error : release_blocks();
}

static int prewarm_pool(void)
{
	return hnuma_pool_prewarm_all(pool, 6);
}

static int clear_pool(void)
{
	return hnuma_pool_clear(pool);
}

/* The last huge page's blocks are in another class's cache: they are called back. */
static int exhaust_pool(void)
{
	void *taken[64];
	unsigned nr = 0;
	int error = 0;

	while (nr < 64 && (taken[nr] = hnuma_pool_acquire(pool, HNUMA_CLASS_256K)))
		nr++;
	CU_ASSERT(nr >= 1 && nr < 64);
	if (nr < 8 * POOL_PAGES)
		error = -errno;
	CU_ASSERT_EQUAL(hnuma_pool_release_bulk(pool, taken, nr), 0);
	return error;
}

static int check_pool(void)
{
	struct hnuma_pool_stats stats;
	int error = hnuma_pool_stats(pool, &stats);

	return error ? error : hnuma_pool_check(pool);
}

/* ---- Scratch -------------------------------------------------------------------------------- */

static int make_scratch(void)
{
	struct hnuma_scratch_attr attr = HNUMA_SCRATCH_ATTR_INIT;
	int error;

	attr.space_size = 4096;
	attr.least_backing = asked->least_backing;
	hnuma_nodeset_add(&attr.nodes, home);
	scratch = NOT_SET;
	error = hnuma_scratch_create(&scratch, topology, &attr);
	return made(error, scratch);
}

static int destroy_scratch(void)
{
	int error = hnuma_scratch_destroy(scratch);

	if (!error)
		scratch = NULL;
	return error;
}

static void clean_scratch(void)
{
	if (!scratch)
		return;
	CU_ASSERT_EQUAL(hnuma_scratch_active(scratch), 0);
	CU_ASSERT_EQUAL(destroy_scratch(), 0);
}

static int pin_and_unpin(void)
{
	int error = hnuma_scratch_pin(scratch, sched_getcpu());

	return error ? error : hnuma_scratch_unpin(scratch);
}

static int use_space(void)
{
	struct hnuma_space *space = hnuma_scratch_acquire(scratch);

	if (!space)
		return -errno;
	CU_ASSERT_PTR_NOT_NULL(hnuma_space_alloc(space, 100, 10));
	return hnuma_scratch_release(space);
}

/* ---- Managers and plans --------------------------------------------------------------------- */

struct hnuma_config faults_config(void)
{
	struct hnuma_config config = HNUMA_CONFIG_INIT;

	config.arena_capacity = 1 << 20;
	config.buffers_per_class = 4;
	config.pool_bytes_per_node = PAGE;
	config.scratch_size = 8192;
	config.least_backing = HNUMA_BACKING_BASE;
	hnuma_nodeset_add(&config.nodes, home);
	return config;
}

static int make_manager(void)
{
	struct hnuma_config config = faults_config();
	int error;

	config.least_backing = asked->least_backing;
	config.flags = asked->flags;
	manager = NOT_SET;
	error = hnuma_manager_create(&manager, topology, &config);
	return made(error, manager);
}

static int destroy_manager(void)
{
	int error = hnuma_manager_destroy(manager);

	if (!error)
		manager = NULL;
	return error;
}

static void clean_manager(void)
{
	CU_ASSERT_EQUAL(destroy_manager(), 0);
}

static int verify_manager(void)
{
	struct hnuma_placement placement;

	return hnuma_manager_verify(manager, &placement);
}

static int print_stats(void)
{
	return hnuma_manager_print_stats(manager, nowhere, asked->format);
}

/* It does not fit, so that there is advice to allocate. */
static int make_plan(void)
{
	struct hnuma_config config = faults_config();
	int error;

	config.arena_capacity = (size_t)1 << 45;
	plan = NOT_SET;
	error = hnuma_plan_create(&plan, topology, &config);
	return made(error, plan);
}

static void clean_plan(void)
{
	hnuma_plan_destroy(plan);
	plan = NULL;
}

/* ---- Looking at a process: this one --------------------------------------------------------- */

static int make_survey(void)
{
	int error;

	survey = NOT_SET;
	error = hnuma_survey_create(&survey, getpid());
	return made(error, survey);
}

static void clean_survey(void)
{
	hnuma_survey_destroy(survey);
	survey = NULL;
	clean_manager();
}

/* Every object, and all that an observer can tell of it. */
static int observe_objects(void)
{
	struct hnuma_object object = {.id = 0};
	struct hnuma_pool_class_stats of_class;
	struct hnuma_scratch_stats of_scratch;
	struct hnuma_arena_stats of_arena;
	struct hnuma_pool_stats of_pool;
	int result = 0;

	while (result >= 0 && (result = hnuma_observer_next(observer, &object)) > 0) {
		if (object.kind == HNUMA_OBJECT_ARENA)
			result = hnuma_observer_arena_stats(observer, &object, &of_arena);
		else if (object.kind == HNUMA_OBJECT_SCRATCH)
			result = hnuma_observer_scratch_stats(observer, &object, &of_scratch);
		else if (object.kind == HNUMA_OBJECT_POOL)
			result = hnuma_observer_pool_stats(observer, &object, &of_pool);
		if (!result && object.kind == HNUMA_OBJECT_POOL)
			result = hnuma_observer_pool_class_stats(observer, &object, home,
								 HNUMA_CLASS_4K, &of_class);
	}
	return result;
}

static int observe(void)
{
	int error;

	observer = NOT_SET;
	error = hnuma_observer_open(&observer, getpid());
	made(error, observer);
	return error ? error : observe_objects();
}

static void clean_observer(void)
{
	hnuma_observer_close(observer);
	observer = NULL;
	clean_manager();
}

/* ---- What the objects are made of ----------------------------------------------------------- */

/* Two regions: the second one's failure gives back the first. */
static int make_ground(void)
{
	static const size_t sizes[2] = {PAGE, PAGE};
	unsigned short of_cpu[1] = {0}, nearest[4] = {0, 1, 1, 0};
	int nodes[2] = {home, home};
	const struct hnuma_service service = {2, nodes, 1, of_cpu, nearest};
	const struct hnuma_ground_request request = {.name = "ground",
						     .sizes = sizes,
						     .least_backing = asked->least_backing,
						     .policy = asked->policy};
	int error = hnuma_ground_create(&ground, topology, &service, &request);

	CU_ASSERT_EQUAL(error == 0, ground.regions != NULL);
	return error;
}

static int destroy_ground(void)
{
	return hnuma_ground_destroy(&ground);
}

static void clean_ground(void)
{
	CU_ASSERT_EQUAL(destroy_ground(), 0);
}

static int serve(void)
{
	struct hnuma_service service, copy;
	int *cpus, error = hnuma_service_init(&service, topology, NULL);

	if (error)
		return error;
	error = hnuma_service_copy(&copy, &service);
	if (!error) {
		hnuma_service_free(&copy);
		error = hnuma_topology_allowed_cpus(topology, &cpus);
		if (error > 0) {
			free(cpus);
			error = 0;
		}
	}
	hnuma_service_free(&service);
	return error;
}

static int bind_thread(void)
{
	struct hnuma_cpu_binding *binding;
	int error = hnuma_cpu_bind(topology, sched_getcpu(), &binding);

	return error ? error : hnuma_cpu_restore(topology, binding);
}

static int bind_thread_near(void)
{
	cpu_set_t before;
	int error;

	sched_getaffinity(0, sizeof(before), &before);
	error = hnuma_cpu_bind_near(topology, home);
	sched_setaffinity(0, sizeof(before), &before);
	return error;
}

#define HUGETLB	   .least_backing = HNUMA_BACKING_HUGETLB
#define THP	   .least_backing = HNUMA_BACKING_THP
#define BASE	   .least_backing = HNUMA_BACKING_BASE
#define RELAXED	   .flags = HNUMA_RELAXED
#define NO_PAGES   .has_no_pages = true
#define INTERLEAVE .policy = HNUMA_POLICY_INTERLEAVE
#define SILENT	   .is_silent = true

const struct operation faults_operations[] = {
	{"region create, strict", NULL, make_region, clean_region, HUGETLB},
	{"region create, relaxed", NULL, make_region, clean_region, HUGETLB, RELAXED},
	{"region create, interleaved", NULL, make_region, clean_region, HUGETLB, INTERLEAVE},
	{"region create, no dump", NULL, make_region, clean_region, HUGETLB,
	 .flags = HNUMA_NO_DUMP},
	{"region create, shared", NULL, make_region, clean_region, HUGETLB, .flags = HNUMA_SHARED},
	{"region shared, base", NULL, make_region, clean_region, BASE, NO_PAGES,
	 .flags = HNUMA_SHARED},
	{"region shared, ladder", NULL, make_region, clean_region, BASE, .flags = HNUMA_SHARED},
	{"region create, ladder", NULL, make_region, clean_region, BASE},
	{"region create, transparent", NULL, make_region, clean_region, THP, NO_PAGES},
	{"region create, base", NULL, make_region, clean_region, BASE, RELAXED, NO_PAGES},
	{"region wrap", NULL, wrap_region, clean_region, BASE, .policy = HNUMA_POLICY_PREFERRED},
	{"region verify", make_region, verify_region, clean_region, HUGETLB},
	{"region destroy", make_region, destroy_region, clean_region, HUGETLB},
	{"topology create", NULL, make_topology, clean_topology, BASE},
	{"topology create, unknown", NULL, make_unknown_topology, clean_topology, BASE},
	{"topology create, line", NULL, make_topology_of_line, clean_topology, BASE},
	{"topology create, file", NULL, make_topology_of_file, clean_topology, BASE},
	{"topology export", NULL, export_topology, NULL, BASE},
	{"topology hugepages", NULL, count_pages, NULL, BASE},
	{"arena create", NULL, make_arena, clean_arena, HUGETLB},
	{"arena destroy", make_arena, destroy_arena, clean_arena, HUGETLB},
	{"pool create", NULL, make_pool, clean_pool, HUGETLB},
	{"pool acquire", make_pool, acquire_blocks, clean_pool, HUGETLB, SILENT},
	{"pool acquire, recall", make_pool_and_use, exhaust_pool, clean_pool, HUGETLB, SILENT},
	{"pool acquire, bulk", make_pool, acquire_bulk, clean_pool, HUGETLB},
	{"pool release", make_pool_and_acquire, release_blocks, clean_pool, HUGETLB},
	{"pool prewarm", make_pool, prewarm_pool, clean_pool, HUGETLB},
	{"pool clear", make_pool_and_use, clear_pool, clean_pool, HUGETLB},
	{"pool check", make_pool_and_use, check_pool, clean_pool, HUGETLB},
	{"pool destroy", make_pool_and_use, destroy_pool, clean_pool, HUGETLB},
	{"scratch create", NULL, make_scratch, clean_scratch, HUGETLB},
	{"scratch pin", make_scratch, pin_and_unpin, clean_scratch, HUGETLB},
	{"scratch acquire", make_scratch, use_space, clean_scratch, HUGETLB, SILENT},
	{"scratch destroy", make_scratch, destroy_scratch, clean_scratch, HUGETLB},
	{"manager create", NULL, make_manager, clean_manager, BASE},
	{"manager create, relaxed", NULL, make_manager, clean_manager, HUGETLB, RELAXED},
	{"manager verify", make_manager, verify_manager, clean_manager, HUGETLB},
	{"manager destroy", make_manager, destroy_manager, clean_manager, HUGETLB},
	{"statistics as text", make_manager, print_stats, clean_manager, HUGETLB},
	{"statistics as JSON", make_manager, print_stats, clean_manager, HUGETLB,
	 .format = HNUMA_JSON},
	{"statistics for Prometheus", make_manager, print_stats, clean_manager, HUGETLB,
	 .format = HNUMA_PROMETHEUS},
	{"plan create", NULL, make_plan, clean_plan, BASE},
	{"survey create", make_manager, make_survey, clean_survey, HUGETLB},
	{"observer", make_manager, observe, clean_observer, HUGETLB},
	{"ground create", NULL, make_ground, clean_ground, HUGETLB},
	{"ground destroy", make_ground, destroy_ground, clean_ground, HUGETLB},
	{"service", NULL, serve, NULL, BASE},
	{"thread bind", NULL, bind_thread, NULL, BASE},
	{"thread bind near", NULL, bind_thread_near, NULL, BASE},
};

const unsigned faults_nr_operations = sizeof(faults_operations) / sizeof(faults_operations[0]);
