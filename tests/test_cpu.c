/* SPDX-License-Identifier: MIT */
/*
 * tests/test_cpu.c - on which CPU a thread is, and tying it to one and to a node's.
 */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <hugenuma.h>

#include "numa/cpu.h"
#include "tests/check.h"
#include "tests/fake_files.h"
#include "tests/foreign.h"

static struct hnuma_topology *topology;

/* Two different CPUs that this thread may run on. False, and the test is skipped, when it has one. */
static bool two_cpus(int *cpus)
{
	cpu_set_t set;
	int nr = 0;

	CU_ASSERT_EQUAL(sched_getaffinity(0, sizeof(set), &set), 0);
	for (int cpu = 0; cpu < CPU_SETSIZE && nr < 2; cpu++)
		if (CPU_ISSET(cpu, &set))
			cpus[nr++] = cpu;
	if (nr < 2)
		check_skip("this needs two CPUs");
	return nr == 2;
}

/* Is the thread's affinity exactly these CPUs? */
static bool runs_on(int nr, const int *cpus)
{
	cpu_set_t set;
	bool is_right;

	CU_ASSERT_EQUAL(sched_getaffinity(0, sizeof(set), &set), 0);
	is_right = CPU_COUNT(&set) == nr;
	for (int i = 0; i < nr; i++)
		is_right = is_right && CPU_ISSET(cpus[i], &set);
	return is_right;
}

static int no_cpu(void)
{
	return -ENOSYS;
}

static int no_permission(void)
{
	return -EPERM;
}

static int high_cpu(void)
{
	return INT_MAX;
}

static void test_current(void)
{
	int (*saved)(void) = hnuma_sys.current_cpu;
	struct hnuma_cpu_binding *binding;
	int cpus[2];

	CU_ASSERT(hnuma_cpu_current() >= 0);
	for (int i = 0; i < 2 && two_cpus(cpus); i++) {
		CU_ASSERT_EQUAL_FATAL(hnuma_cpu_bind(topology, cpus[i], &binding), 0);
		CU_ASSERT_EQUAL(hnuma_cpu_current(), cpus[i]);
		CU_ASSERT_EQUAL(hnuma_cpu_restore(topology, binding), 0);
	}
	hnuma_sys.current_cpu = no_cpu;
	CU_ASSERT_EQUAL(hnuma_cpu_current(), -1);
	hnuma_sys.current_cpu = no_permission;
	CU_ASSERT_EQUAL(hnuma_cpu_current(), -1);
	hnuma_sys.current_cpu = high_cpu;
	CU_ASSERT_EQUAL(hnuma_cpu_current(), INT_MAX);
	hnuma_sys.current_cpu = saved;
}

static void test_bind_and_restore(void)
{
	struct hnuma_cpu_binding *outer, *inner;
	struct check_state before;
	int cpus[2];

	if (!two_cpus(cpus))
		return;
	check_snapshot(&before);
	for (int i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL_FATAL(hnuma_cpu_bind(topology, cpus[i], &outer), 0);
		CU_ASSERT_TRUE(runs_on(1, &cpus[i]));
		/* One in the other: each goes back to what it found. */
		CU_ASSERT_EQUAL_FATAL(hnuma_cpu_bind(topology, cpus[1 - i], &inner), 0);
		CU_ASSERT_TRUE(runs_on(1, &cpus[1 - i]));
		CU_ASSERT_EQUAL(hnuma_cpu_restore(topology, inner), 0);
		CU_ASSERT_TRUE(runs_on(1, &cpus[i]));
		CU_ASSERT_EQUAL(hnuma_cpu_restore(topology, outer), 0);
		check_unchanged(&before);
	}
	CU_ASSERT_EQUAL(hnuma_cpu_restore(topology, NULL), 0);
	hnuma_cpu_forget(NULL);
	CU_ASSERT_EQUAL_FATAL(hnuma_cpu_bind(topology, cpus[0], &outer), 0);
	CU_ASSERT_EQUAL_FATAL(hnuma_cpu_bind(topology, cpus[1], &inner), 0);
	/* Forgotten is not restored. */
	hnuma_cpu_forget(inner);
	CU_ASSERT_TRUE(runs_on(1, &cpus[1]));
	CU_ASSERT_EQUAL(hnuma_cpu_restore(topology, outer), 0);
	check_unchanged(&before);
}

/* Only the calling thread is tied. */
static void *bind_there(void *arg)
{
	struct hnuma_cpu_binding *binding = NULL;

	if (hnuma_cpu_bind(topology, *(int *)arg, &binding) || !runs_on(1, arg))
		return arg;
	hnuma_cpu_forget(binding);
	return NULL;
}

static void test_thread(void)
{
	struct check_state before;
	pthread_t thread;
	void *result;
	int cpus[2];

	if (!two_cpus(cpus))
		return;
	/* The second thread finds the stack and the heap that the first one left. */
	for (int i = 0; i < 2; i++) {
		check_snapshot(&before);
		CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, bind_there, &cpus[i]), 0);
		pthread_join(thread, &result);
		CU_ASSERT_PTR_NULL(result);
	}
	check_unchanged(&before);
}

/* Numbers that no CPU can have; one that could, and is not there; another machine's. */
static void test_refused(void)
{
	static const struct fake_file files[] = {
		{"/sys/devices/system/cpu/possible", "0-4095\n", 0},
		{NULL, NULL, 0},
	};
	struct hnuma_topology *roomy, *foreign;
	struct hnuma_cpu_binding *binding;
	struct check_state before;
	const int none[] = {-1, INT_MIN, INT_MAX, (int)hnuma_topology_nr_cpus(topology)};

	check_snapshot(&before);
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		binding = (struct hnuma_cpu_binding *)1;
		CU_ASSERT_EQUAL(hnuma_cpu_bind(topology, none[i], &binding), -ENODEV);
		CU_ASSERT_PTR_NULL(binding);
		check_message("does not exist");
	}
	fake_files_begin(files, false);
	CU_ASSERT_EQUAL_FATAL(quiet_create(&roomy), 0);
	fake_files_end();
	CU_ASSERT_EQUAL(hnuma_topology_nr_cpus(roomy), 4096);
	CU_ASSERT_EQUAL(hnuma_cpu_bind(roomy, 4095, &binding), -EINVAL);
	CU_ASSERT_PTR_NULL(binding);
	check_message("CPU 4095, which is offline or not in this process's cpuset");
	hnuma_topology_destroy(roomy);
	CU_ASSERT_EQUAL_FATAL(foreign_create(&foreign, "HWLOC_SYNTHETIC", "node:2 pu:2"), 0);
	CU_ASSERT_EQUAL(hnuma_cpu_bind(foreign, 0, &binding), -EXDEV);
	CU_ASSERT_PTR_NULL(binding);
	check_message("another machine's");
	CU_ASSERT_EQUAL(hnuma_cpu_bind_near(foreign, 0), -EXDEV);
	hnuma_topology_destroy(foreign);
	check_unchanged(&before);
}

static int near_node;
static int near_result;
static cpu_set_t near_set;

static void *bind_near(void *arg)
{
	near_result = hnuma_cpu_bind_near(arg, near_node);
	sched_getaffinity(0, sizeof(near_set), &near_set);
	return NULL;
}

/* Bind a thread near a node: is it on those CPUs, of a total, then? */
static bool is_near(struct hnuma_topology *where, int node, int nr, const int *cpus)
{
	pthread_t thread;
	bool is_right;

	near_node = node;
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, bind_near, where), 0);
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(near_result, 0);
	is_right = CPU_COUNT(&near_set) == nr;
	for (int i = 0; i < nr; i++)
		is_right = is_right && CPU_ISSET(cpus[i], &near_set);
	return is_right;
}

/* Two nodes with a CPU each; then one node with both, and an expander beside it. */
static void test_near(void)
{
	static const struct fake_file apart[] = {
		{"/sys/devices/system/node/node0/cpulist", "0\n", 0},
		{"/sys/devices/system/node/node1/cpulist", "1\n", 0},
		{NULL, NULL, 0},
	};
	static const struct fake_file together[] = {
		{"/sys/devices/system/node/node0/cpulist", "0-1\n", 0},
		{"/sys/devices/system/node/node1/cpulist", "\n", 0},
		{NULL, NULL, 0},
	};
	static const int cpus[] = {0, 1};
	struct hnuma_topology *two;
	int ours[2];

	if (!two_cpus(ours))
		return;
	CU_ASSERT_EQUAL(hnuma_cpu_bind_near(topology, 1023), -ENODEV);
	check_message("node 1023 does not exist");
	CU_ASSERT_EQUAL(hnuma_cpu_bind_near(topology, -1), -ENODEV);
	if (ours[0] != 0 || ours[1] != 1) {
		check_skip("this needs CPUs 0 and 1");
		return;
	}
	setenv("HWLOC_THISSYSTEM", "1", 1);
	fake_files_begin(apart, false);
	CU_ASSERT_EQUAL_FATAL(foreign_create(&two, "HWLOC_SYNTHETIC", "node:2 pu:1"), 0);
	CU_ASSERT_TRUE(is_near(two, 0, 1, &cpus[0]));
	CU_ASSERT_TRUE(is_near(two, 1, 1, &cpus[1]));
	hnuma_topology_destroy(two);
	fake_files_begin(together, false);
	CU_ASSERT_EQUAL_FATAL(foreign_create(&two, "HWLOC_SYNTHETIC", "node:2 pu:1"), 0);
	CU_ASSERT_TRUE(is_near(two, 0, 2, cpus));
	CU_ASSERT_TRUE(is_near(two, 1, 2, cpus));
	hnuma_topology_destroy(two);
	fake_files_end();
	unsetenv("HWLOC_THISSYSTEM");
}

/*
 * A topology that was made when there were fewer CPUs must not keep a thread from those that came
 * later, nor refuse them.
 */
static void test_plugged_in_later(void)
{
	struct hnuma_cpu_binding *binding;
	struct hnuma_topology *earlier;
	struct check_state before;
	int cpus[2];

	if (!two_cpus(cpus) || cpus[0] != 0)
		return;
	if (access("/sys/devices/system/cpu/possible", F_OK)) {
		check_skip("the system does not tell how many CPUs there may be");
		return;
	}
	check_snapshot(&before);
	setenv("HWLOC_THISSYSTEM", "1", 1);
	CU_ASSERT_EQUAL_FATAL(foreign_create(&earlier, "HWLOC_SYNTHETIC", "node:1 pu:1"), 0);
	unsetenv("HWLOC_THISSYSTEM");
	CU_ASSERT_EQUAL_FATAL(hnuma_cpu_bind(earlier, 0, &binding), 0);
	CU_ASSERT_EQUAL(hnuma_cpu_restore(earlier, binding), 0);
	check_unchanged(&before);
	CU_ASSERT_EQUAL_FATAL(hnuma_cpu_bind(earlier, cpus[1], &binding), 0);
	CU_ASSERT_TRUE(runs_on(1, &cpus[1]));
	CU_ASSERT_EQUAL(hnuma_cpu_restore(earlier, binding), 0);
	check_unchanged(&before);
	hnuma_topology_destroy(earlier);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"the current CPU", test_current},
		{"bind and restore", test_bind_and_restore},
		{"one thread only", test_thread},
		{"what is refused", test_refused},
		{"near a node", test_near},
		{"CPUs that came later", test_plugged_in_later},
		CU_TEST_INFO_NULL,
	};

	foreign_clean_environment();
	topology = check_topology();
	return check_main("cpu", tests);
}
