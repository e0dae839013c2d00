/* SPDX-License-Identifier: MIT */
/*
 * numa/cpu.c - on which CPU a thread is, and tying it to one.
 *
 * Uses hwloc for binding, by its calls for Linux alone. The general ones refuse CPUs that were plugged
 * in since the topology was made, and, on another machine's topology, do nothing and report success.
 * These pass the set to sched_setaffinity() as it is, which changes nothing unless some CPU of the
 * set is online and in the cpuset. Calls the kernel through hnuma_sys else.
 */
#include "config.h"

#include <hwloc/linux.h>
#include <limits.h>
#include <stdlib.h>

#include "numa/cpu.h"
#include "numa/error.h"
#include "numa/rseq.h"
#include "numa/sys.h"
#include "numa/topology.h"
#include "numa/topology_state.h"

/* The affinity that a thread had. */
struct hnuma_cpu_binding {
	hwloc_bitmap_t cpus;
};

int hnuma_cpu_current(void)
{
	int cpu;

#if HNUMA_HAVE_RSEQ
	/*
	 * The kernel keeps the number in the thread's own memory. Calls through pointers, as that
	 * through the table and that into the C library, can cost 10 ns each. It is negative where the
	 * C library has not registered the memory. Relaxed: the kernel writes it while the thread does
	 * not run.
	 */
	if (__builtin_expect(hnuma_sys.current_cpu == hnuma_sys_current_cpu, 1)) {
		cpu = (int)__atomic_load_n(&hnuma_rseq_area()->cpu_id, __ATOMIC_RELAXED);
		if (__builtin_expect(cpu >= 0, 1))
			return cpu;
	}
#endif
	cpu = hnuma_sys.current_cpu();
	return cpu < 0 ? -1 : cpu;
}

static int refuse_foreign(void)
{
	return hnuma_error_set(-EXDEV, "the topology is another machine's: threads can be tied to "
				       "this machine's CPUs only");
}

static int no_memory(void)
{
	return hnuma_error_set(-ENOMEM, "no memory for a set of CPUs");
}

/* Bind the calling thread. Returns 0 or -errno; sets no message. */
static int set_affinity(const struct hnuma_topology *topology, hwloc_const_bitmap_t cpus)
{
	errno = 0;
	if (hwloc_linux_set_tid_cpubind(topology->hwloc, 0, cpus) == 0)
		return 0;
	return errno ? -errno : -EINVAL;
}

/*
 * Note the calling thread's affinity. NULL: errno says why.
 *
 * Neither the kernel nor hwloc tells of CPUs that are offline or were plugged in later. So a thread
 * that may run on all that there are is taken for one that may run on any, and is not kept from a CPU
 * that comes in between.
 */
static struct hnuma_cpu_binding *note_affinity(const struct hnuma_topology *topology)
{
	struct hnuma_cpu_binding *binding = malloc(sizeof(*binding));

	if (!binding)
		return NULL;
	binding->cpus = hwloc_bitmap_alloc();
	if (!binding->cpus)
		goto free_binding;
	if (hwloc_linux_get_tid_cpubind(topology->hwloc, 0, binding->cpus))
		goto free_cpus;
	if (hwloc_bitmap_isincluded(topology->allowed_cpus, binding->cpus) &&
	    hwloc_bitmap_set_range(binding->cpus, 0, (int)topology->nr_cpus - 1))
		goto free_cpus;
	return binding;

free_cpus:
	hwloc_bitmap_free(binding->cpus);
free_binding:
	free(binding);
	return NULL;
}

/* Say why a CPU was refused, and which others there are. */
static int refuse_cpu(const struct hnuma_topology *topology, int cpu, int error)
{
	char list[256];

	if (error != -EINVAL)
		return hnuma_error_set(error, "the thread cannot be tied to CPU %d: %s", cpu,
				       hnuma_strerror(error));
	hwloc_bitmap_list_snprintf(list, sizeof(list), topology->allowed_cpus);
	return hnuma_error_set(
		-EINVAL,
		"the thread cannot be tied to CPU %d, which is offline or not in this "
		"process's cpuset; CPUs that could be used when the topology was "
		"read: %s",
		cpu, list);
}

int hnuma_cpu_bind(const struct hnuma_topology *topology, int cpu,
		   struct hnuma_cpu_binding **previous)
{
	struct hnuma_cpu_binding *binding;
	hwloc_bitmap_t cpus;
	int error;

	*previous = NULL;
	if (!topology->is_this_system)
		return refuse_foreign();
	if (cpu < 0 || (unsigned)cpu >= topology->nr_cpus)
		return hnuma_error_set(-ENODEV, "CPU %d does not exist; CPU numbers end at %u", cpu,
				       topology->nr_cpus - 1);
	cpus = hwloc_bitmap_alloc();
	if (!cpus || hwloc_bitmap_only(cpus, (unsigned)cpu)) {
		error = no_memory();
		goto free_cpus;
	}
	errno = 0;
	binding = note_affinity(topology);
	if (!binding) {
		error = errno ? -errno : -ENOMEM;
		hnuma_error_set(error, "the thread's affinity cannot be noted: %s",
				hnuma_strerror(error));
		goto free_cpus;
	}
	error = set_affinity(topology, cpus);
	if (error) {
		hnuma_cpu_forget(binding);
		error = refuse_cpu(topology, cpu, error);
		goto free_cpus;
	}
	*previous = binding;
free_cpus:
	hwloc_bitmap_free(cpus);
	return error;
}

/* How far a CPU's node is from another; nothing is nearer than itself, whatever firmware says. */
static int distance_to(const struct hnuma_topology *topology, int cpu, unsigned index)
{
	unsigned home = (unsigned)topology->home_of_cpu[cpu];

	return home == index ? 0 : topology->distances[home * topology->nr_nodes + index];
}

/* Put the allowed CPUs that are nearest to a node into a set. Returns 0 or -ENOMEM. */
static int find_near(const struct hnuma_topology *topology, unsigned index, hwloc_bitmap_t near)
{
	int least = INT_MAX, error = 0;
	unsigned cpu;

	hwloc_bitmap_foreach_begin(cpu, topology->allowed_cpus)
	{
		if (distance_to(topology, (int)cpu, index) < least)
			least = distance_to(topology, (int)cpu, index);
	}
	hwloc_bitmap_foreach_end();
	hwloc_bitmap_foreach_begin(cpu, topology->allowed_cpus)
	{
		if (!error && distance_to(topology, (int)cpu, index) == least)
			error = hwloc_bitmap_set(near, cpu);
	}
	hwloc_bitmap_foreach_end();
	return error ? -ENOMEM : 0;
}

int hnuma_cpu_bind_near(const struct hnuma_topology *topology, int node)
{
	hwloc_bitmap_t near;
	int error;

	if (!topology->is_this_system)
		return refuse_foreign();
	if (!hnuma_topology_has_node(topology, node))
		return hnuma_error_set(-ENODEV, "node %d does not exist", node);
	near = hwloc_bitmap_alloc();
	if (!near)
		return no_memory();
	error = find_near(topology, (unsigned)topology->index_of_node[node], near);
	if (error) {
		error = no_memory();
		goto free_near;
	}
	error = set_affinity(topology, near);
	if (error)
		hnuma_error_set(error,
				"the thread cannot be tied to the CPUs nearest to node %d: %s",
				node, hnuma_strerror(error));
free_near:
	hwloc_bitmap_free(near);
	return error;
}

int hnuma_cpu_restore(const struct hnuma_topology *topology, struct hnuma_cpu_binding *previous)
{
	int error;

	if (!previous)
		return 0;
	error = set_affinity(topology, previous->cpus);
	if (error)
		hnuma_error_set(error, "the thread's affinity cannot be put back: %s",
				hnuma_strerror(error));
	hnuma_cpu_forget(previous);
	return error;
}

void hnuma_cpu_forget(struct hnuma_cpu_binding *previous)
{
	if (!previous)
		return;
	hwloc_bitmap_free(previous->cpus);
	free(previous);
}
