/* SPDX-License-Identifier: MIT */
/*
 * tests/guests/confined.c - what the library does where the kernel refuses binding.
 *
 *	confine confined -EPERM			no CAP_SYS_NICE: strict requests fail, relaxed ones run
 *	confine --enosys confined -ENOSYS	the same where the calls seem not to exist
 *	confine --nice confined 0		binding is allowed, asking where pages lie is not
 *	confined --nosys			without /sys (fault sheet, row 35): never bind, and say so
 *
 * Pitfalls 7 and 13. Calls the public headers, the C library, and through guest.h the kernel.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <hugenuma.h>

#include "tests/guests/guest.h"

static struct hnuma_topology *topology;
static int expected; /* of a strict request */

static bool mentions(const char *text, const char *words)
{
	return strstr(text, words) != NULL;
}

/* A refusal must name the cause and both ways out. */
static void check_refusal(const char *what, int error, const void *object)
{
	const char *message = hnuma_errormsg();

	guest_check(error == expected && !object, "%s: %d instead of %d", what, error, expected);
	guest_check(mentions(message, "CAP_SYS_NICE") || mentions(message, "seccomp"),
		    "%s: the cause is not named: %s", what, message);
	guest_check(mentions(message, "HNUMA_RELAXED"), "%s: the way out is not named: %s", what,
		    message);
}

static void refuse_all(void)
{
	struct hnuma_region_attr region_attr = HNUMA_REGION_ATTR_INIT;
	struct hnuma_arena_attr arena_attr = HNUMA_ARENA_ATTR_INIT;
	struct hnuma_pool_attr pool_attr = HNUMA_POOL_ATTR_INIT;
	struct hnuma_scratch_attr scratch_attr = HNUMA_SCRATCH_ATTR_INIT;
	struct hnuma_region *region;
	struct hnuma_arena *arena;
	struct hnuma_pool *pool;
	struct hnuma_scratch *scratch;
	struct hnuma_manager *manager;
	struct guest_state before;
	int error;

	guest_part("strict requests");
	guest_read_state(&before);
	region_attr.size = 2 * GUEST_HUGEPAGE;
	region_attr.least_backing = HNUMA_BACKING_BASE;
	for (int policy = HNUMA_POLICY_BIND; policy <= HNUMA_POLICY_INTERLEAVE; policy++) {
		region_attr.policy = policy;
		error = hnuma_region_create(&region, topology, &region_attr);
		check_refusal("region", error, region);
	}
	guest_note("%s", hnuma_errormsg());
	error = hnuma_arena_create(&arena, topology, &arena_attr);
	check_refusal("arena", error, arena);
	error = hnuma_pool_create(&pool, topology, &pool_attr);
	check_refusal("pool", error, pool);
	error = hnuma_scratch_create(&scratch, topology, &scratch_attr);
	check_refusal("scratch", error, scratch);
	error = hnuma_manager_create(&manager, topology, NULL);
	check_refusal("manager", error, manager);
	guest_check_state(&before);
}

/* A region that could not be bound: it works, and says what it is. */
static void check_unbound(const struct hnuma_region *region, const char *reason)
{
	struct hnuma_region_info info;
	struct hnuma_placement placement;
	struct guest_mapping mapping;

	memset(hnuma_region_base(region), 0x5a, hnuma_region_size(region));
	guest_check(!hnuma_region_info(region, &info) && info.node == HNUMA_NODE_NONE,
		    "it claims node %d", info.node);
	guest_check(mentions(info.reason, reason), "the reason is not '%s': %s", reason,
		    info.reason);
	guest_note("backing %d: %s", info.backing, info.reason);
	if (guest_check(guest_read_mapping(hnuma_region_base(region), &mapping), "not mapped"))
		guest_check(!strcmp(mapping.policy, "default"), "its policy is %s", mapping.policy);
	if (!guest_check(!hnuma_region_verify(region, &placement), "%s", hnuma_errormsg()))
		return;
	guest_check(placement.pages_total &&
			    placement.pages_total == placement.pages_here +
							     placement.pages_elsewhere +
							     placement.pages_unknown,
		    "the sum of the pages is wrong");
	guest_check(placement.pages_unknown == 0, "%llu pages are unknown, which numa_maps tells",
		    (unsigned long long)placement.pages_unknown);
	guest_note("%llu pages: %llu here, %llu elsewhere, %llu unknown",
		   (unsigned long long)placement.pages_total,
		   (unsigned long long)placement.pages_here,
		   (unsigned long long)placement.pages_elsewhere,
		   (unsigned long long)placement.pages_unknown);
}

/* All parts of a manager are used on every CPU. */
static void use(struct hnuma_manager *manager)
{
	struct hnuma_pool *pool = hnuma_manager_pool(manager);
	struct hnuma_scratch *scratch = hnuma_manager_scratch(manager);
	struct hnuma_arena *arena = hnuma_manager_arena(manager, HNUMA_NODE_LOCAL);
	cpu_set_t allowed;

	sched_getaffinity(0, sizeof allowed, &allowed);
	guest_check(arena && hnuma_arena_alloc(arena, 1, 4096), "the arena gives nothing");
	for (int cpu = 0; cpu < GUEST_MAX_CPUS; cpu++) {
		struct hnuma_space *space;
		void *block;

		if (!CPU_ISSET(cpu, &allowed))
			continue;
		guest_check(!guest_pin(cpu), "CPU %d cannot be had", cpu);
		block = hnuma_pool_acquire(pool, HNUMA_CLASS_64K);
		if (guest_check(block, "CPU %d: no block", cpu)) {
			memset(block, 1, 65536);
			guest_check(!hnuma_pool_release(pool, block), "%s", hnuma_errormsg());
		}
		space = hnuma_scratch_acquire(scratch);
		if (guest_check(space, "CPU %d: no space", cpu)) {
			memset(hnuma_space_base(space), 1, hnuma_space_capacity(space));
			guest_check(!hnuma_scratch_release(space), "%s", hnuma_errormsg());
		}
	}
	sched_setaffinity(0, sizeof allowed, &allowed);
	guest_check(!hnuma_pool_check(pool), "%s", hnuma_errormsg());
}

static void run_unbound(unsigned flags, const char *reason)
{
	struct hnuma_region_attr attr = HNUMA_REGION_ATTR_INIT;
	struct hnuma_config config = HNUMA_CONFIG_INIT;
	struct hnuma_manager *manager;
	struct hnuma_region *region;
	struct guest_state before;

	guest_part("requests that go on unbound, flags %u", flags);
	guest_read_state(&before);
	attr.size = 2 * GUEST_HUGEPAGE;
	attr.flags = flags;
	attr.least_backing = HNUMA_BACKING_BASE;
	for (int policy = HNUMA_POLICY_BIND; policy <= HNUMA_POLICY_INTERLEAVE; policy++) {
		attr.policy = policy;
		if (!guest_check(!hnuma_region_create(&region, topology, &attr), "%s",
				 hnuma_errormsg()))
			continue;
		check_unbound(region, reason);
		guest_check(!hnuma_region_destroy(region), "%s", hnuma_errormsg());
	}
	config.flags = flags;
	config.least_backing = HNUMA_BACKING_BASE;
	config.arena_capacity = GUEST_HUGEPAGE;
	if (guest_check(!hnuma_manager_create(&manager, topology, &config), "%s",
			hnuma_errormsg())) {
		use(manager);
		guest_check(!hnuma_manager_destroy(manager), "%s", hnuma_errormsg());
	}
	guest_check_state(&before);
}

/* Binding is allowed and move_pages() is not: numa_maps must stand in, and nothing be unknown. */
static void verify_by_numa_maps(void)
{
	struct hnuma_region_attr attr = HNUMA_REGION_ATTR_INIT;
	struct guest_machine machine;
	char here;

	guest_part("move_pages() refused");
	guest_check(guest_move_pages(&here) == -EPERM, "it is not: this shows nothing");
	guest_read_machine(&machine);
	for (unsigned i = 0; i < machine.nr_nodes; i++) {
		struct hnuma_region *region;
		struct hnuma_placement placement;

		if (!machine.nodes[i].has_memory || !machine.nodes[i].is_allowed)
			continue;
		attr.size = 3 * GUEST_HUGEPAGE;
		attr.node = machine.nodes[i].node;
		if (!guest_check(!hnuma_region_create(&region, topology, &attr), "%s",
				 hnuma_errormsg()))
			continue;
		guest_check(!hnuma_region_verify(region, &placement) && placement.pages_total &&
				    placement.pages_here == placement.pages_total,
			    "node %d: %llu of %llu pages here, %llu unknown", attr.node,
			    (unsigned long long)placement.pages_here,
			    (unsigned long long)placement.pages_total,
			    (unsigned long long)placement.pages_unknown);
		guest_check(!hnuma_region_destroy(region), "%s", hnuma_errormsg());
	}
}

int main(int argc, char **argv)
{
	bool is_without_sys = argc == 2 && !strcmp(argv[1], "--nosys");

	if (argc != 2) {
		fprintf(stderr, "usage: confined -EPERM | -ENOSYS | 0 | --nosys\n");
		return 2;
	}
	expected = !strcmp(argv[1], "-EPERM") ? -EPERM : !strcmp(argv[1], "-ENOSYS") ? -ENOSYS : 0;
	/* Whoever calls mbind() now, dies. */
	if (is_without_sys && guest_forbid_binding())
		guest_die("seccomp");
	topology = guest_topology();
	guest_part("topology");
	guest_check(hnuma_topology_is_known(topology) == !is_without_sys, "known: %d",
		    hnuma_topology_is_known(topology));
	if (is_without_sys) {
		guest_check(access("/sys/devices", F_OK), "/sys is there: this shows nothing");
		guest_check(hnuma_topology_nr_nodes(topology) == 1, "%u nodes",
			    hnuma_topology_nr_nodes(topology));
		guest_check(hnuma_topology_is_this_system(topology), "another machine's");
		run_unbound(0, "topology unknown");
		run_unbound(HNUMA_RELAXED, "topology unknown");
	} else if (expected) {
		refuse_all();
		run_unbound(HNUMA_RELAXED, "not bound");
	} else {
		verify_by_numa_maps();
	}
	hnuma_topology_destroy(topology);
	return guest_end();
}
