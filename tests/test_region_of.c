/* SPDX-License-Identifier: MIT */
/*
 * tests/test_region_of.c - which region an address is in: asked in signal handlers, and while
 * regions come and go.
 */
#include "config.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <hugenuma.h>

#include "numa/atlas.h"
#include "numa/process.h"
#include "numa/sys.h"
#include "tests/check.h"
#include "tests/step.h"

static struct hnuma_topology *topology;

static int home_node; /* asked once: not in threads */

/* How many more allocations there is memory for; below 0: for all. */
static atomic_int callocs_left = -1;

void *__real_calloc(size_t nr, size_t size);
void *__wrap_calloc(size_t nr, size_t size);

void *__wrap_calloc(size_t nr, size_t size)
{
	int left = atomic_load(&callocs_left);

	if (left == 0)
		return NULL;
	/* Only one thread is at work while it is not below 0. */
	if (left > 0)
		atomic_store(&callocs_left, left - 1);
	return __real_calloc(nr, size);
}

/* Also in threads, where no assertion may be fatal: NULL when it cannot be had. */
static struct hnuma_region *make_region(unsigned flags)
{
	struct hnuma_region_attr attr = HNUMA_REGION_ATTR_INIT;
	struct hnuma_region *region;

	attr.size = 2 * HNUMA_HUGEPAGE;
	attr.node = home_node;
	attr.least_backing = HNUMA_BACKING_BASE;
	attr.flags = flags;
	return hnuma_region_create(&region, topology, &attr) ? NULL : region;
}

static struct hnuma_region *open_region(unsigned flags)
{
	struct hnuma_region *region = make_region(flags);

	CU_ASSERT_PTR_NOT_NULL_FATAL(region);
	return region;
}

static bool is_in(const void *address, const struct hnuma_region *region)
{
	struct hnuma_region_place place;

	return hnuma_region_of(address, &place) == 0 && place.region == region;
}

static bool is_nowhere(const void *address)
{
	struct hnuma_region_place place, nothing;

	memset(&nothing, 0, sizeof(nothing));
	return hnuma_region_of(address, &place) == -ENOENT &&
	       memcmp(&place, &nothing, sizeof(place)) == 0;
}

static void test_found(void)
{
	struct hnuma_region *region = open_region(0), *other = open_region(0);
	char *base = hnuma_region_base(region);
	struct hnuma_region_place place;
	struct hnuma_region_info info;
	int on_stack = 0;

	errno = 77;
	CU_ASSERT_EQUAL(hnuma_region_of(base + 12345, &place), 0);
	CU_ASSERT_EQUAL(errno, 77);
	CU_ASSERT_EQUAL(hnuma_region_info(region, &info), 0);
	CU_ASSERT(place.region == region && place.base == base && place.size == 2 * HNUMA_HUGEPAGE);
	CU_ASSERT(place.node == info.node && place.backing == info.backing &&
		  place.page_size == info.page_size);
	CU_ASSERT(is_in(base, region) && is_in(base + 2 * HNUMA_HUGEPAGE - 1, region));
	CU_ASSERT(is_in(hnuma_region_base(other), other));
	CU_ASSERT(is_nowhere(base - 1) && is_nowhere(base + 2 * HNUMA_HUGEPAGE));
	CU_ASSERT(is_nowhere(NULL) && is_nowhere(&on_stack) && is_nowhere(region));
	CU_ASSERT_EQUAL(hnuma_region_of(base, NULL), -EINVAL);
	CU_ASSERT_EQUAL(errno, 77);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
	CU_ASSERT(is_nowhere(base));
	CU_ASSERT(is_in(hnuma_region_base(other), other));
	CU_ASSERT_EQUAL(hnuma_region_destroy(other), 0);
}

/* What objects are made of is found, too. */
static void test_objects(void)
{
	struct hnuma_config config = HNUMA_CONFIG_INIT;
	const struct hnuma_region *region;
	struct hnuma_manager *manager;
	void *block;

	config.least_backing = HNUMA_BACKING_BASE;
	hnuma_nodeset_add(&config.nodes, check_home_node());
	CU_ASSERT_EQUAL_FATAL(hnuma_manager_create(&manager, topology, &config), 0);
	region = hnuma_manager_region(manager, HNUMA_NODE_LOCAL);
	block = hnuma_pool_acquire(hnuma_manager_pool(manager), HNUMA_CLASS_16K);
	CU_ASSERT(is_in(block, region));
	CU_ASSERT(is_in(hnuma_arena_alloc(hnuma_manager_arena(manager, HNUMA_NODE_LOCAL), 1, 1),
			region));
	CU_ASSERT_EQUAL(hnuma_pool_release(hnuma_manager_pool(manager), block), 0);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
	CU_ASSERT(is_nowhere(block));
}

static struct hnuma_sys real;

static int unmap_fails(void *address, size_t length)
{
	(void)address;
	(void)length;
	return -ENOMEM;
}

/* A destroy that fails leaves the region where it was, and findable. */
static void test_destroy_fails(void)
{
	struct hnuma_region *region = open_region(0);
	void *base = hnuma_region_base(region);

	real = hnuma_sys;
	hnuma_sys.unmap = unmap_fails;
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), -ENOMEM);
	hnuma_sys = real;
	CU_ASSERT(is_in(base, region));
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
	CU_ASSERT(is_nowhere(base));
}

static void *inherited, *left_out;

static void in_child(void *arg)
{
	(void)arg;
	_exit(!(is_nowhere(left_out) && !is_nowhere(inherited)));
}

/* A child has those that it inherited. */
static void test_fork(void)
{
	struct hnuma_region *one = open_region(HNUMA_INHERIT), *two = open_region(0);

	inherited = hnuma_region_base(one);
	left_out = hnuma_region_base(two);
	CU_ASSERT_EQUAL(check_in_child(in_child, NULL), 0);
	CU_ASSERT(is_in(inherited, one) && is_in(left_out, two));
	CU_ASSERT_EQUAL(hnuma_region_destroy(one), 0);
	CU_ASSERT_EQUAL(hnuma_region_destroy(two), 0);
}

/* Regions that are none: where they lie, all of the rest follows from. */
#define PRETENDED 300

static struct hnuma_region_place pretend(uintptr_t number)
{
	const struct hnuma_region_place place = {
		.region = (const struct hnuma_region *)(number * 3),
		.base = (void *)(number << 21),
		.size = HNUMA_HUGEPAGE,
		.backing = (enum hnuma_backing)(1 + number % 3),
		.page_size = number * 5,
		.node = (int)number,
	};

	return place;
}

static struct hnuma_atlas_slot *show(uintptr_t number)
{
	struct hnuma_region_place place = pretend(number);
	struct hnuma_atlas_slot *slot = hnuma_atlas_claim();

	if (slot)
		hnuma_atlas_show(slot, &place, hnuma_process_epoch, false);
	return slot;
}

static void drop(struct hnuma_atlas_slot *slot)
{
	hnuma_atlas_hide(slot);
	hnuma_atlas_free(slot);
}

static bool is_same(const struct hnuma_region_place *a, const struct hnuma_region_place *b)
{
	return a->region == b->region && a->base == b->base && a->size == b->size &&
	       a->backing == b->backing && a->page_size == b->page_size && a->node == b->node;
}

/* 1 where it is found as it was shown, 0 where it is not found, -1 for anything else. */
static int look_for(uintptr_t number)
{
	struct hnuma_region_place place, wanted = pretend(number);
	int error = hnuma_region_of((char *)wanted.base + number % HNUMA_HUGEPAGE, &place);

	if (error)
		return error == -ENOENT ? 0 : -1;
	return is_same(&place, &wanted) ? 1 : -1;
}

/* More than the first chunk holds; and no memory for another. */
static void test_many(void)
{
	static struct hnuma_atlas_slot *slots[PRETENDED];
	struct hnuma_region_attr attr = HNUMA_REGION_ATTR_INIT;
	struct hnuma_region *region;
	struct check_state before;
	size_t nr = 0;

	check_snapshot(&before);
	callocs_left = 0;
	while (nr < PRETENDED && (slots[nr] = show(nr + 1)))
		nr++;
	CU_ASSERT(nr > 0 && nr < PRETENDED);
	callocs_left = 1; /* the region's description is had, a slot is not */
	attr.size = HNUMA_HUGEPAGE;
	attr.least_backing = HNUMA_BACKING_BASE;
	CU_ASSERT_EQUAL(hnuma_region_create(&region, topology, &attr), -ENOMEM);
	callocs_left = -1;
	for (; nr < PRETENDED; nr++)
		slots[nr] = show(nr + 1);
	for (uintptr_t i = 1; i <= PRETENDED; i++)
		CU_ASSERT_EQUAL(look_for(i), 1);
	CU_ASSERT_EQUAL(look_for(PRETENDED + 1), 0);
	for (nr = 0; nr < PRETENDED; nr++)
		drop(slots[nr]);
	for (uintptr_t i = 1; i <= PRETENDED; i++)
		CU_ASSERT_EQUAL(look_for(i), 0);
	check_unchanged(&before);
}

#ifdef STEP_IS_POSSIBLE
static struct hnuma_atlas_slot *stepped;
static int nr_steps, change_at;

/* After the k-th instruction the slot becomes another region's, at the same address. */
static void change_hands(int signal, siginfo_t *info, void *context)
{
	struct hnuma_region_place next = pretend(2);
	struct hnuma_atlas_slot *slot;

	(void)signal;
	(void)info;
	if (nr_steps++ != change_at)
		return;
	next.base = pretend(1).base;
	drop(stepped);
	slot = hnuma_atlas_claim();
	CU_ASSERT_PTR_EQUAL(slot, stepped);
	hnuma_atlas_show(slot, &next, hnuma_process_epoch, false);
	/* No more steps: the rest of the table is long. */
	((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] &= ~0x100;
}

/* What is found is all of one or all of the other, wherever the change comes. */
static void test_slot_changes_hands(void)
{
	struct sigaction action = {.sa_sigaction = change_hands, .sa_flags = SA_SIGINFO}, old;
	const struct hnuma_region_place one = pretend(1);
	struct hnuma_region_place two = pretend(2), place;
	int nr_ones = 0, nr_twos = 0;
	int error;

	if (!step_works_here())
		return;
	two.base = one.base;
	CU_ASSERT_EQUAL_FATAL(sigaction(SIGTRAP, &action, &old), 0);
	/* Until the call is over before its turn comes. */
	for (change_at = 0;; change_at++) {
		nr_steps = 0;
		stepped = show(1);
		step_start();
		error = hnuma_region_of(one.base, &place);
		step_stop();
		drop(stepped);
		if (nr_steps <= change_at)
			break;
		if (error) {
			CU_ASSERT_EQUAL(error, -ENOENT);
			continue;
		}
		nr_ones += is_same(&place, &one);
		nr_twos += is_same(&place, &two);
		CU_ASSERT(is_same(&place, &one) || is_same(&place, &two));
	}
	CU_ASSERT_EQUAL(sigaction(SIGTRAP, &old, NULL), 0);
	CU_ASSERT(nr_ones > 0 && nr_twos > 0);
}
#endif

/* What threads do to the table while others look, among them those that handlers interrupt. */
#define CHURNERS 3
#define ALWAYS	 1000

static atomic_bool stop;
static atomic_ulong nr_wrong, nr_looks;

static void look_around(void)
{
	if (look_for(ALWAYS) != 1)
		atomic_fetch_add(&nr_wrong, 1);
	for (uintptr_t i = 1; i <= CHURNERS * 4; i++) {
		if (look_for(i) < 0)
			atomic_fetch_add(&nr_wrong, 1);
	}
	atomic_fetch_add(&nr_looks, 1);
}

static void on_signal(int signal)
{
	(void)signal;
	look_around();
}

static void *churn(void *arg)
{
	uintptr_t first = (uintptr_t)arg;

	for (unsigned round = 0; !atomic_load(&stop); round++) {
		uintptr_t number = first + round % 4 * CHURNERS;
		struct hnuma_atlas_slot *slot = show(number);

		/* Its own it finds, whatever others do. */
		if (!slot || look_for(number) != 1)
			atomic_fetch_add(&nr_wrong, 1);
		if (!slot)
			break;
		hnuma_atlas_hide(slot);
		if (look_for(number) != 0)
			atomic_fetch_add(&nr_wrong, 1);
		hnuma_atlas_unhide(slot);
		drop(slot);
	}
	return NULL;
}

static void *look_on(void *arg)
{
	(void)arg;
	while (!atomic_load(&stop))
		look_around();
	return NULL;
}

static void test_threads_and_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, old;
	struct hnuma_atlas_slot *always = show(ALWAYS);
	pthread_t threads[CHURNERS + 1];
	unsigned rounds = check_rounds(20000);

	CU_ASSERT_EQUAL_FATAL(sigaction(SIGUSR1, &action, &old), 0);
	atomic_store(&stop, false);
	for (uintptr_t i = 0; i < CHURNERS; i++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, churn, (void *)(i + 1)), 0);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[CHURNERS], NULL, look_on, NULL), 0);
	for (unsigned i = 0; i < rounds; i++) {
		pthread_kill(threads[i % (CHURNERS + 1)], SIGUSR1);
		look_around();
	}
	atomic_store(&stop, true);
	for (int i = 0; i <= CHURNERS; i++)
		pthread_join(threads[i], NULL);
	CU_ASSERT_EQUAL(sigaction(SIGUSR1, &old, NULL), 0);
	CU_ASSERT_EQUAL(atomic_load(&nr_wrong), 0);
	CU_ASSERT(atomic_load(&nr_looks) >= rounds);
	drop(always);
	CU_ASSERT_EQUAL(look_for(ALWAYS), 0);
}

static void *make_and_destroy(void *arg)
{
	unsigned rounds = check_rounds(50);

	(void)arg;
	for (unsigned i = 0; i < rounds; i++) {
		struct hnuma_region *region = make_region(0);

		if (!region || !is_in((char *)hnuma_region_base(region) + 99, region))
			atomic_fetch_add(&nr_wrong, 1);
		if (hnuma_region_destroy(region))
			atomic_fetch_add(&nr_wrong, 1);
	}
	return NULL;
}

/* The same with regions, which are really made and destroyed. */
static void test_regions_come_and_go(void)
{
	struct hnuma_region *region = open_region(0);
	char *base = hnuma_region_base(region);
	pthread_t threads[2];

	for (int i = 0; i < 2; i++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, make_and_destroy, NULL), 0);
	for (unsigned i = 0; i < check_rounds(100000); i++) {
		if (!is_in(base + i, region))
			atomic_fetch_add(&nr_wrong, 1);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	CU_ASSERT_EQUAL(atomic_load(&nr_wrong), 0);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"found, with what it is", test_found},
		{"what objects are made of", test_objects},
		{"a destroy that fails", test_destroy_fails},
		{"fork", test_fork},
		{"many", test_many},
#ifdef STEP_IS_POSSIBLE
		{"a slot changes hands after each instruction", test_slot_changes_hands},
#endif
		{"threads and signals", test_threads_and_signals},
		{"regions come and go", test_regions_come_and_go},
		CU_TEST_INFO_NULL,
	};

	topology = check_topology();
	home_node = check_home_node();
	return check_main("region of", tests);
}
