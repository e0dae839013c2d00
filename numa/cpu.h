/* SPDX-License-Identifier: MIT */
/*
 * numa/cpu.h - on which CPU a thread is, and tying it to one.
 *
 * May be called from lib/. Uses hwloc for binding.
 */
#ifndef HNUMA_NUMA_CPU_H
#define HNUMA_NUMA_CPU_H

struct hnuma_topology;
struct hnuma_cpu_binding;

/*
 * The CPU that the calling thread is on, or -1 when the kernel will not tell. A hint: the thread
 * may be elsewhere before the caller looks at it, so it must never stand for ownership. Costs a load
 * where the C library has registered restartable sequences, and a vDSO call else.
 */
int hnuma_cpu_current(void);

/*
 * Tie the calling thread to one CPU.
 *
 * @previous  receives the affinity that the thread had, to be given to hnuma_cpu_restore().
 *
 * Returns 0, -ENODEV (no such CPU), -EINVAL (offline or not allowed), -ENOMEM, or the kernel's
 * answer; on failure the affinity is unchanged. Sets the message.
 */
int hnuma_cpu_bind(const struct hnuma_topology *topology, int cpu,
		   struct hnuma_cpu_binding **previous);

/* Tie the calling thread to the CPUs nearest to a node. For threads that end soon. 0 or -errno. */
int hnuma_cpu_bind_near(const struct hnuma_topology *topology, int node);

/* Put the calling thread's affinity back and free `previous`, which may be NULL. 0 or -errno. */
int hnuma_cpu_restore(const struct hnuma_topology *topology, struct hnuma_cpu_binding *previous);

/* Free a binding without restoring it: its thread is gone. */
void hnuma_cpu_forget(struct hnuma_cpu_binding *previous);

#endif
