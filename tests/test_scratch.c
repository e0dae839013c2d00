/* SPDX-License-Identifier: MIT */
/*
 * tests/test_scratch.c - scratch spaces: what they promise to one thread at a time.
 *
 * Threads against each other and signals are in test_scratch_threads.c, bad input and bad luck in
 * test_scratch_faults.c, several nodes in test_scratch_nodes.c, use after reset in test_poison.c.
 */
#include "config.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>

#include <hugenuma.h>

#include "tests/check.h"

static struct hnuma_topology *topology;

static struct hnuma_scratch *open_scratch(size_t space_size, unsigned max_spaces)
{
	struct hnuma_scratch_attr attr = HNUMA_SCRATCH_ATTR_INIT;
	struct hnuma_scratch *scratch;

	attr.space_size = space_size;
	attr.max_spaces = max_spaces;
	attr.least_backing = HNUMA_BACKING_BASE;
	/* A machine with several nodes deals few spaces to each; these tests care for the total. */
	attr.policy = HNUMA_POLICY_PREFERRED;
	CU_ASSERT_EQUAL_FATAL(hnuma_scratch_create(&scratch, topology, &attr), 0);
	return scratch;
}

static bool is_filled(const unsigned char *memory, size_t size, int value)
{
	return size == 0 || (memory[0] == value && memcmp(memory, memory + 1, size - 1) == 0);
}

/* The lowest and the highest CPU that the process may run on; the same where there is one only. */
static void two_cpus(int *lowest, int *highest)
{
	cpu_set_t allowed;

	*lowest = -1;
	CU_ASSERT_EQUAL_FATAL(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &allowed))
			continue;
		*lowest = *lowest < 0 ? cpu : *lowest;
		*highest = cpu;
	}
}

static bool runs_on_only(int cpu)
{
	cpu_set_t now;

	return sched_getaffinity(0, sizeof(now), &now) == 0 && CPU_COUNT(&now) == 1 &&
	       CPU_ISSET(cpu, &now);
}

/* A new scratch: a space for each CPU, all of it in memory, nobody in it. */
static void test_new(void)
{
	struct hnuma_scratch *scratch = open_scratch(5000, 0);
	struct hnuma_scratch_stats stats;
	struct hnuma_space *space;
	cpu_set_t allowed;

	sched_getaffinity(0, sizeof(allowed), &allowed);
	CU_ASSERT_EQUAL(hnuma_scratch_stats(scratch, &stats), 0);
	CU_ASSERT_EQUAL(stats.space_size, 5056);
	CU_ASSERT_EQUAL(stats.max_spaces, (unsigned)CPU_COUNT(&allowed));
	CU_ASSERT_EQUAL(stats.total_allocated, 5056 * stats.max_spaces);
	CU_ASSERT_EQUAL(stats.active_spaces, 0);
	CU_ASSERT_EQUAL(stats.total_used, 0);
	CU_ASSERT_EQUAL(stats.max_space_usage, 0);
	space = hnuma_scratch_acquire(scratch);
	CU_ASSERT_PTR_NOT_NULL_FATAL(space);
	CU_ASSERT_EQUAL(hnuma_space_capacity(space), 5056);
	CU_ASSERT_EQUAL(hnuma_space_remaining(space), 5056);
	CU_ASSERT_EQUAL(hnuma_space_used(space), 0);
	CU_ASSERT_EQUAL((uintptr_t)hnuma_space_base(space) % 4096, 0);
	CU_ASSERT(CPU_ISSET(hnuma_space_cpu(space), &allowed));
	CU_ASSERT_EQUAL(hnuma_space_node(space),
			hnuma_topology_node_of_cpu(topology, hnuma_space_cpu(space)));
	memset(hnuma_space_base(space), 1, hnuma_space_capacity(space));
	CU_ASSERT_EQUAL(hnuma_scratch_release(space), 0);
	CU_ASSERT_EQUAL(hnuma_scratch_release(NULL), 0);
	CU_ASSERT_EQUAL(hnuma_scratch_destroy(scratch), 0);
	CU_ASSERT_EQUAL(hnuma_scratch_destroy(NULL), 0);
}

static void test_placement(void)
{
	struct hnuma_scratch_attr attr = HNUMA_SCRATCH_ATTR_INIT;
	int node = hnuma_topology_node_of_cpu(topology, sched_getcpu());
	struct hnuma_placement placement;
	struct hnuma_scratch *scratch;

	/* Bound: what is only preferred may lie elsewhere. */
	attr.least_backing = HNUMA_BACKING_BASE;
	CU_ASSERT_EQUAL_FATAL(hnuma_scratch_create(&scratch, topology, &attr), 0);
	CU_ASSERT_PTR_NOT_NULL(hnuma_scratch_region(scratch, node));
	CU_ASSERT_EQUAL(hnuma_scratch_verify(scratch, node, &placement), 0);
	CU_ASSERT(placement.pages_total > 0);
	CU_ASSERT(placement.pages_elsewhere == 0 || !check_knows_nodes());
	errno = 0;
	CU_ASSERT_PTR_NULL(hnuma_scratch_region(scratch, 1023));
	CU_ASSERT_EQUAL(errno, ENODEV);
	CU_ASSERT_EQUAL(hnuma_scratch_verify(scratch, 1023, &placement), -ENODEV);
	CU_ASSERT_EQUAL(hnuma_scratch_destroy(scratch), 0);
}

/* Allocating in a space: rounded up to 64, zero, one after the other, up to the last byte. */
static void test_alloc(void)
{
	struct hnuma_scratch *scratch = open_scratch(4096, 1);
	struct hnuma_space *space = hnuma_scratch_acquire(scratch);
	static const size_t sizes[] = {1, 64, 65, 128, 200, 300, 1000};
	size_t used = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(space);
	memset(hnuma_space_base(space), 0xEE, 4096);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		unsigned char *memory = hnuma_space_alloc(space, sizes[i], 1);

		CU_ASSERT_EQUAL(memory, (unsigned char *)hnuma_space_base(space) + used);
		CU_ASSERT(is_filled(memory, sizes[i], 0));
		used += (sizes[i] + 63) / 64 * 64;
		CU_ASSERT_EQUAL(hnuma_space_used(space), used);
		CU_ASSERT_EQUAL(hnuma_space_remaining(space), 4096 - used);
		/* Zeroing stays inside. */
		CU_ASSERT(is_filled((unsigned char *)hnuma_space_base(space) + used, 4096 - used,
				    0xEE));
	}
	errno = 0;
	CU_ASSERT_PTR_NULL(hnuma_space_alloc(space, 4096 - used + 1, 1));
	CU_ASSERT_EQUAL(errno, ENOMEM);
	CU_ASSERT_PTR_NOT_NULL(hnuma_space_alloc(space, 4096 - used, 1));
	CU_ASSERT_PTR_NULL(hnuma_space_alloc(space, 1, 1));
	CU_ASSERT_PTR_NOT_NULL(hnuma_space_alloc(space, 0, 1));
	CU_ASSERT_EQUAL(hnuma_space_used(space), 4096);
	hnuma_space_reset(space);
	CU_ASSERT_EQUAL(hnuma_space_used(space), 0);
	CU_ASSERT_EQUAL(hnuma_space_alloc(space, 1, 1), hnuma_space_base(space));
	CU_ASSERT_EQUAL(hnuma_scratch_release(space), 0);
	CU_ASSERT_EQUAL(hnuma_scratch_destroy(scratch), 0);
}

/* Defect 11: no second claim by the thread that has one. */
static void test_nested(void)
{
	struct hnuma_scratch *scratch = open_scratch(4096, 4), *other = open_scratch(4096, 4);
	struct hnuma_space *space = hnuma_scratch_acquire(scratch);
	struct hnuma_space *elsewhere;

	CU_ASSERT_PTR_NOT_NULL_FATAL(space);
	for (int i = 0; i < 3; i++) {
		errno = 0;
		CU_ASSERT_PTR_NULL(hnuma_scratch_acquire(scratch));
		CU_ASSERT_EQUAL(errno, EBUSY);
	}
	CU_ASSERT_EQUAL(hnuma_scratch_active(scratch), 1);
	/* Another scratch is another matter. */
	elsewhere = hnuma_scratch_acquire(other);
	CU_ASSERT_PTR_NOT_NULL_FATAL(elsewhere);
	errno = 0;
	CU_ASSERT_PTR_NULL(hnuma_scratch_acquire(scratch));
	CU_ASSERT_EQUAL(errno, EBUSY);
	CU_ASSERT_EQUAL(hnuma_scratch_release(space), 0);
	CU_ASSERT_EQUAL(hnuma_scratch_release(space), -EALREADY);
	check_message("was not held");
	space = hnuma_scratch_acquire(scratch);
	CU_ASSERT_PTR_NOT_NULL(space);
	CU_ASSERT_EQUAL(hnuma_scratch_release(space), 0);
	CU_ASSERT_EQUAL(hnuma_scratch_release(elsewhere), 0);
	CU_ASSERT_EQUAL(hnuma_scratch_destroy(other), 0);
	CU_ASSERT_EQUAL(hnuma_scratch_destroy(scratch), 0);
}

/* What the statistics count as used: until the next acquire, or until all is reset. */
static void test_statistics(void)
{
	struct hnuma_scratch *scratch = open_scratch(4096, 3);
	struct hnuma_space *space = hnuma_scratch_acquire(scratch);
	struct hnuma_scratch_stats stats;

	CU_ASSERT_PTR_NOT_NULL_FATAL(space);
	hnuma_space_alloc(space, 1000, 1);
	CU_ASSERT_EQUAL(hnuma_scratch_stats(scratch, &stats), 0);
	CU_ASSERT_EQUAL(stats.active_spaces, 1);
	CU_ASSERT_EQUAL(stats.max_spaces, 3);
	CU_ASSERT_EQUAL(stats.total_allocated, 3 * 4096);
	CU_ASSERT_EQUAL(stats.total_used, 1024);
	CU_ASSERT_EQUAL(stats.max_space_usage, 1024);
	CU_ASSERT_EQUAL(hnuma_scratch_active(scratch), 1);
	/* Held: it is emptied when its owner comes again, not under his hands. */
	hnuma_scratch_reset_all(scratch);
	CU_ASSERT_EQUAL(hnuma_space_used(space), 1024);
	CU_ASSERT_PTR_NOT_NULL(hnuma_space_alloc(space, 64, 1));
	CU_ASSERT_EQUAL(hnuma_scratch_stats(scratch, &stats), 0);
	CU_ASSERT_EQUAL(stats.total_used, 1088);
	CU_ASSERT_EQUAL(hnuma_scratch_release(space), 0);
	CU_ASSERT_EQUAL(hnuma_scratch_stats(scratch, &stats), 0);
	CU_ASSERT_EQUAL(stats.active_spaces, 0);
	CU_ASSERT_EQUAL(stats.total_used, 0);

	space = hnuma_scratch_acquire(scratch);
	CU_ASSERT_EQUAL(hnuma_space_used(space), 0);
	hnuma_space_alloc(space, 64, 1);
	CU_ASSERT_EQUAL(hnuma_scratch_release(space), 0);
	CU_ASSERT_EQUAL(hnuma_scratch_stats(scratch, &stats), 0);
	CU_ASSERT_EQUAL(stats.total_used, 64);
	CU_ASSERT_EQUAL(stats.max_space_usage, 64);
	hnuma_scratch_reset_all(scratch);
	CU_ASSERT_EQUAL(hnuma_scratch_stats(scratch, &stats), 0);
	CU_ASSERT_EQUAL(stats.total_used, 0);
	CU_ASSERT_EQUAL(stats.max_space_usage, 0);
	CU_ASSERT_EQUAL(hnuma_scratch_destroy(scratch), 0);
}

/* A pinned thread stays on its CPU, has the same space every time, and goes back. */
static void test_pin(void)
{
	struct hnuma_scratch *scratch = open_scratch(4096, 0);
	struct hnuma_scratch_stats stats;
	struct hnuma_space *space, *again;
	struct check_state before;
	int lowest, highest;

	two_cpus(&lowest, &highest);
	check_snapshot(&before);
	for (int i = 0; i < 2; i++) {
		int cpu = i ? highest : lowest;

		CU_ASSERT_EQUAL_FATAL(hnuma_scratch_pin(scratch, cpu), 0);
		CU_ASSERT(runs_on_only(cpu));
		CU_ASSERT_EQUAL(hnuma_scratch_active(scratch), 1);
		space = hnuma_scratch_acquire(scratch);
		CU_ASSERT_PTR_NOT_NULL_FATAL(space);
		CU_ASSERT_EQUAL(hnuma_space_cpu(space), cpu);
		hnuma_space_alloc(space, 100, 1);
		errno = 0;
		CU_ASSERT_PTR_NULL(hnuma_scratch_acquire(scratch));
		CU_ASSERT_EQUAL(errno, EBUSY);
		CU_ASSERT_EQUAL(hnuma_scratch_unpin(scratch), -EBUSY);
		CU_ASSERT_EQUAL(hnuma_scratch_release(space), 0);
		CU_ASSERT_EQUAL(hnuma_scratch_release(space), -EALREADY);
		CU_ASSERT_EQUAL(hnuma_scratch_stats(scratch, &stats), 0);
		CU_ASSERT_EQUAL(stats.total_used, 128);
		CU_ASSERT_EQUAL(stats.active_spaces, 1);
		hnuma_scratch_reset_all(scratch);
		CU_ASSERT_EQUAL(hnuma_scratch_stats(scratch, &stats), 0);
		CU_ASSERT_EQUAL(stats.total_used, 0);
		again = hnuma_scratch_acquire(scratch);
		CU_ASSERT_EQUAL(again, space);
		CU_ASSERT_EQUAL(hnuma_space_used(again), 0);
		CU_ASSERT_EQUAL(hnuma_scratch_release(again), 0);
		CU_ASSERT_EQUAL(hnuma_scratch_unpin(scratch), 0);
		CU_ASSERT_EQUAL(hnuma_scratch_active(scratch), 0);
	}
	check_unchanged(&before);
	CU_ASSERT_EQUAL(hnuma_scratch_destroy(scratch), 0);
}

/* What pin and unpin refuse, with the affinity as it was. */
static void test_pin_refused(void)
{
	struct hnuma_scratch *scratch = open_scratch(4096, 0);
	struct hnuma_space *space;
	struct check_state before;
	int lowest, highest;

	two_cpus(&lowest, &highest);
	check_snapshot(&before);
	CU_ASSERT_EQUAL(hnuma_scratch_unpin(scratch), -ENOENT);
	CU_ASSERT_EQUAL(hnuma_scratch_pin(scratch, -1), -ENODEV);
	CU_ASSERT_EQUAL(hnuma_scratch_pin(scratch, 1 << 20), -ENODEV);
	CU_ASSERT_EQUAL(hnuma_scratch_active(scratch), 0);
	space = hnuma_scratch_acquire(scratch);
	CU_ASSERT_EQUAL(hnuma_scratch_pin(scratch, lowest), -EBUSY);
	CU_ASSERT_EQUAL(hnuma_scratch_unpin(scratch), -ENOENT);
	CU_ASSERT_EQUAL(hnuma_scratch_release(space), 0);
	CU_ASSERT_EQUAL(hnuma_scratch_pin(NULL, lowest), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_scratch_unpin(NULL), -EINVAL);
	check_unchanged(&before);
	CU_ASSERT_EQUAL(hnuma_scratch_pin(scratch, lowest), 0);
	CU_ASSERT_EQUAL(hnuma_scratch_pin(scratch, highest), -EALREADY);
	CU_ASSERT(runs_on_only(lowest));
	CU_ASSERT_EQUAL(hnuma_scratch_unpin(scratch), 0);
	check_unchanged(&before);
	CU_ASSERT_EQUAL(hnuma_scratch_destroy(scratch), 0);
}

/* Pinned in two scratches at once, and unpinned in any order. */
static void test_pin_twice(void)
{
	struct hnuma_scratch *first = open_scratch(4096, 0), *second = open_scratch(4096, 0);
	struct hnuma_space *in_first, *in_second;
	int lowest, highest;

	two_cpus(&lowest, &highest);
	for (int i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL(hnuma_scratch_pin(first, lowest), 0);
		CU_ASSERT_EQUAL(hnuma_scratch_pin(second, highest), 0);
		in_first = hnuma_scratch_acquire(first);
		in_second = hnuma_scratch_acquire(second);
		CU_ASSERT_PTR_NOT_NULL_FATAL(in_first);
		CU_ASSERT_PTR_NOT_NULL_FATAL(in_second);
		CU_ASSERT_EQUAL(hnuma_space_cpu(in_first), lowest);
		CU_ASSERT_EQUAL(hnuma_space_cpu(in_second), highest);
		CU_ASSERT_PTR_NULL(hnuma_scratch_acquire(first));
		CU_ASSERT_PTR_NULL(hnuma_scratch_acquire(second));
		CU_ASSERT_EQUAL(hnuma_scratch_release(in_first), 0);
		CU_ASSERT_EQUAL(hnuma_scratch_release(in_second), 0);
		CU_ASSERT_EQUAL(hnuma_scratch_unpin(second), 0);
		CU_ASSERT_EQUAL(hnuma_scratch_acquire(first), in_first);
		CU_ASSERT_EQUAL(hnuma_scratch_release(in_first), 0);
		CU_ASSERT_EQUAL(hnuma_scratch_unpin(first), 0);
	}
	CU_ASSERT_EQUAL(hnuma_scratch_destroy(first), 0);
	CU_ASSERT_EQUAL(hnuma_scratch_destroy(second), 0);
}

/* Somebody moves a pinned thread: the CPU is no ownership, its space is still its own. */
static void test_moved_while_pinned(void)
{
	struct hnuma_scratch *scratch = open_scratch(4096, 0), *other = open_scratch(4096, 0);
	struct hnuma_space *space;
	int lowest, highest;
	cpu_set_t there;

	two_cpus(&lowest, &highest);
	if (lowest == highest) {
		check_skip("the process may run on one CPU only");
		goto out;
	}
	CU_ASSERT_EQUAL(hnuma_scratch_pin(scratch, lowest), 0);
	/* Pinned elsewhere last, so that the first one has to be searched for. */
	CU_ASSERT_EQUAL(hnuma_scratch_pin(other, lowest), 0);
	CPU_ZERO(&there);
	CPU_SET(highest, &there);
	CU_ASSERT_EQUAL(sched_setaffinity(0, sizeof(there), &there), 0);
	for (int i = 0; i < 2; i++) {
		space = hnuma_scratch_acquire(scratch);
		CU_ASSERT_PTR_NOT_NULL_FATAL(space);
		CU_ASSERT_EQUAL(hnuma_space_cpu(space), lowest);
		CU_ASSERT_PTR_NULL(hnuma_scratch_acquire(scratch));
		CU_ASSERT_EQUAL(hnuma_scratch_active(scratch), 1);
		CU_ASSERT_EQUAL(hnuma_scratch_release(space), 0);
		if (i == 0)
			CU_ASSERT_EQUAL(hnuma_scratch_unpin(other), 0);
	}
	CU_ASSERT_EQUAL(hnuma_scratch_unpin(scratch), 0);
out:
	CU_ASSERT_EQUAL(hnuma_scratch_destroy(other), 0);
	CU_ASSERT_EQUAL(hnuma_scratch_destroy(scratch), 0);
}

struct pinned {
	struct hnuma_scratch *scratch;
	int cpu;
	int error;
	bool is_affinity_same;
	struct hnuma_space *space;
};

static void *pin_and_acquire(void *arg)
{
	struct pinned *thread = arg;
	cpu_set_t before, after;

	sched_getaffinity(0, sizeof(before), &before);
	thread->error = hnuma_scratch_pin(thread->scratch, thread->cpu);
	sched_getaffinity(0, sizeof(after), &after);
	thread->is_affinity_same = CPU_EQUAL(&before, &after);
	if (thread->error)
		return NULL;
	for (int i = 0; i < 3; i++) {
		thread->space = hnuma_scratch_acquire(thread->scratch);
		if (hnuma_scratch_release(thread->space) != 0)
			thread->error = 1;
	}
	if (hnuma_scratch_unpin(thread->scratch))
		thread->error = 2;
	return NULL;
}

/* A second thread on the same CPU gets another space of the node; a third gets none. */
static void test_pin_where_taken(void)
{
	struct hnuma_scratch *scratch = open_scratch(4096, 2);
	struct hnuma_space *space, *borrowed;
	struct pinned second = {.scratch = scratch};
	pthread_t thread;
	int highest, node;

	two_cpus(&second.cpu, &highest);
	node = hnuma_topology_node_of_cpu(topology, second.cpu);
	CU_ASSERT_EQUAL(hnuma_scratch_pin(scratch, second.cpu), 0);
	space = hnuma_scratch_acquire(scratch);
	CU_ASSERT_PTR_NOT_NULL_FATAL(space);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, pin_and_acquire, &second), 0);
	pthread_join(thread, NULL);
	/* On a machine with several nodes each of the two spaces is on its own. */
	CU_ASSERT(second.error == 0 || second.error == -ENOMEM);
	if (second.error == 0) {
		CU_ASSERT_PTR_NOT_NULL_FATAL(second.space);
		CU_ASSERT_NOT_EQUAL(second.space, space);
		CU_ASSERT_EQUAL(hnuma_space_node(second.space), node);
	}
	CU_ASSERT_EQUAL(hnuma_scratch_release(space), 0);
	CU_ASSERT_EQUAL(hnuma_scratch_unpin(scratch), 0);
	CU_ASSERT_EQUAL(hnuma_scratch_destroy(scratch), 0);

	scratch = open_scratch(4096, 1);
	borrowed = hnuma_scratch_acquire(scratch);
	CU_ASSERT_PTR_NOT_NULL_FATAL(borrowed);
	second.scratch = scratch;
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, pin_and_acquire, &second), 0);
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(second.error, -ENOMEM);
	CU_ASSERT(second.is_affinity_same);
	CU_ASSERT_EQUAL(hnuma_scratch_release(borrowed), 0);
	CU_ASSERT_EQUAL(hnuma_scratch_destroy(scratch), 0);
}

/* More spaces than CPUs: the further ones are made for none. */
static void test_more_than_cpus(void)
{
	struct hnuma_scratch_stats stats;
	struct hnuma_scratch *scratch;
	cpu_set_t allowed;
	unsigned nr;

	sched_getaffinity(0, sizeof(allowed), &allowed);
	nr = (unsigned)CPU_COUNT(&allowed) + 5;
	scratch = open_scratch(100, nr);
	CU_ASSERT_EQUAL(hnuma_scratch_stats(scratch, &stats), 0);
	CU_ASSERT_EQUAL(stats.max_spaces, nr);
	CU_ASSERT_EQUAL(stats.space_size, 128);
	CU_ASSERT_EQUAL(hnuma_scratch_destroy(scratch), 0);
}

/* Held or pinned, a scratch is not destroyed, and says how often it is. */
static void test_destroy_busy(void)
{
	struct hnuma_scratch *scratch = open_scratch(4096, 4);
	struct hnuma_space *space = hnuma_scratch_acquire(scratch);
	int lowest, highest;

	two_cpus(&lowest, &highest);
	CU_ASSERT_PTR_NOT_NULL_FATAL(hnuma_space_alloc(space, 1, 1));
	CU_ASSERT_EQUAL(hnuma_scratch_destroy(scratch), -EBUSY);
	check_message("1 of its spaces");
	CU_ASSERT_EQUAL(hnuma_scratch_active(scratch), 1);
	CU_ASSERT_PTR_NOT_NULL(hnuma_space_alloc(space, 1, 1));
	CU_ASSERT_EQUAL(hnuma_scratch_release(space), 0);
	CU_ASSERT_EQUAL(hnuma_scratch_pin(scratch, lowest), 0);
	CU_ASSERT_EQUAL(hnuma_scratch_destroy(scratch), -EBUSY);
	space = hnuma_scratch_acquire(scratch);
	CU_ASSERT_PTR_NOT_NULL(space);
	CU_ASSERT_EQUAL(hnuma_scratch_release(space), 0);
	CU_ASSERT_EQUAL(hnuma_scratch_unpin(scratch), 0);
	CU_ASSERT_EQUAL(hnuma_scratch_destroy(scratch), 0);
}

/* Defect 13: the scratch's own formula, as documented, and never wrapped. */
static void test_size_for_model(void)
{
	size_t size = 1;

	CU_ASSERT_EQUAL(hnuma_scratch_size_for_model(4096, &size), 0);
	CU_ASSERT_EQUAL(size, 4096 * 4 * 4);
	CU_ASSERT_EQUAL(hnuma_scratch_size_for_model(0, &size), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_scratch_size_for_model(1, NULL), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_scratch_size_for_model(SIZE_MAX / 16 + 1, &size), -EOVERFLOW);
	CU_ASSERT_EQUAL(size, 4096 * 4 * 4);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"a new scratch", test_new},
		{"placement", test_placement},
		{"allocating", test_alloc},
		{"nested acquire, defect 11 (row 29)", test_nested},
		{"statistics", test_statistics},
		{"pin", test_pin},
		{"pin refused", test_pin_refused},
		{"pinned in two", test_pin_twice},
		{"moved while pinned", test_moved_while_pinned},
		{"pin where taken", test_pin_where_taken},
		{"more spaces than CPUs", test_more_than_cpus},
		{"destroy while busy (row 19)", test_destroy_busy},
		{"size for a model (defect 13)", test_size_for_model},
		CU_TEST_INFO_NULL,
	};

	topology = check_topology();
	return check_main("scratch", tests);
}
