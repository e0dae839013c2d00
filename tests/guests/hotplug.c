/* SPDX-License-Identifier: MIT */
/*
 * tests/guests/hotplug.c - CPUs go and come while their caches and spaces are in use.
 *
 *	hotplug           take every CPU but the first offline and back, with a thread working on each
 *	hotplug --plug    have the host plug in a CPU that was not there when the objects were made
 *
 * Calls the public headers, the C library, and through guest.h the kernel.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <hugenuma.h>

#include "tests/guests/exchange.h"
#include "tests/guests/guest.h"

enum { HELD = 24, SWEEPS = 3 };

static struct guest_machine machine;
static struct hnuma_topology *topology;
static struct hnuma_pool *pool;
static struct hnuma_scratch *scratch;
static atomic_bool must_stop;

static void wait_ms(unsigned milliseconds)
{
	struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000L};

	nanosleep(&time, NULL);
}

static int set_online(int cpu, bool is_online)
{
	char path[80];

	snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/online", cpu);
	return guest_write(path, is_online ? "1" : "0");
}

/* One round of a worker: some blocks are kept over many rounds, and a space over the round. */
static void work_once(unsigned round, void **held)
{
	struct hnuma_space *space = hnuma_scratch_acquire(scratch);
	unsigned slot = round % HELD;
	enum hnuma_class class_index = round % HNUMA_NR_CLASSES;

	if (held[slot]) {
		guest_check(*(void **)held[slot] == held[slot], "a held block was overwritten");
		guest_check(!hnuma_pool_release(pool, held[slot]), "release: %s", hnuma_errormsg());
	}
	held[slot] = hnuma_pool_acquire(pool, class_index);
	if (held[slot])
		*(void **)held[slot] = held[slot];
	/* All spaces of a node may be taken while threads crowd on the CPUs that are left. */
	guest_check(space || errno == ENOMEM, "no space: %d", errno);
	if (space) {
		guest_check(hnuma_space_alloc(space, 16, 64), "the space is full");
		guest_check(!hnuma_scratch_release(space), "release: %s", hnuma_errormsg());
	}
}

static void *work(void *arg)
{
	int cpu = *(int *)arg;
	void *held[HELD] = {NULL};
	/* Every other worker has its space for itself, the others borrow. */
	bool is_pinned = cpu % 2 && !hnuma_scratch_pin(scratch, cpu);

	if (!is_pinned)
		guest_pin(cpu);
	for (unsigned round = 0; !atomic_load(&must_stop); round++)
		work_once(round, held);
	for (unsigned i = 0; i < HELD; i++)
		if (held[i])
			guest_check(!hnuma_pool_release(pool, held[i]), "release: %s",
				    hnuma_errormsg());
	if (is_pinned)
		guest_check(!hnuma_scratch_unpin(scratch), "unpin: %s", hnuma_errormsg());
	return NULL;
}

static void make_objects(void)
{
	struct hnuma_pool_attr pool_attr = HNUMA_POOL_ATTR_INIT;
	struct hnuma_scratch_attr scratch_attr = HNUMA_SCRATCH_ATTR_INIT;

	guest_read_machine(&machine);
	if (hnuma_topology_create(&topology) || hnuma_pool_create(&pool, topology, &pool_attr) ||
	    hnuma_scratch_create(&scratch, topology, &scratch_attr)) {
		printf("%s\n", hnuma_errormsg());
		exit(2);
	}
}

static void destroy_objects(void)
{
	guest_check(hnuma_scratch_active(scratch) == 0, "%u spaces are still held",
		    hnuma_scratch_active(scratch));
	guest_check(!hnuma_scratch_destroy(scratch), "%s", hnuma_errormsg());
	guest_check(!hnuma_pool_check(pool), "%s", hnuma_errormsg());
	guest_check(!hnuma_pool_destroy(pool), "%s", hnuma_errormsg());
	hnuma_topology_destroy(topology);
}

static bool is_served(int node)
{
	return hnuma_pool_region(pool, node) != NULL;
}

/* How many blocks each node has, by class; 0 for a node that is not served. */
static void count_blocks(unsigned long counts[][HNUMA_NR_CLASSES])
{
	for (unsigned i = 0; i < machine.nr_nodes; i++)
		for (int c = 0; c < HNUMA_NR_CLASSES; c++) {
			counts[i][c] = 0;
			if (!is_served(machine.nodes[i].node))
				continue;
			counts[i][c] = exchange_exhaust(pool, machine.nodes[i].node, c);
			guest_check(!hnuma_pool_clear(pool), "%s", hnuma_errormsg());
		}
}

/* All CPUs but the first go and come, one by one, under the workers. */
static void sweep_under_load(void)
{
	pthread_t threads[GUEST_MAX_CPUS];

	guest_part("%u CPUs go and come under their threads", machine.nr_cpus - 1);
	for (unsigned i = 0; i < machine.nr_cpus; i++)
		if (pthread_create(&threads[i], NULL, work, &machine.cpus[i]))
			guest_die("pthread_create");
	wait_ms(100);
	for (unsigned sweep = 0; sweep < SWEEPS; sweep++)
		for (unsigned i = 1; i < machine.nr_cpus; i++) {
			guest_check(!set_online(machine.cpus[i], false), "CPU %d stays online",
				    machine.cpus[i]);
			wait_ms(50);
			guest_check(!set_online(machine.cpus[i], true), "CPU %d stays offline",
				    machine.cpus[i]);
			wait_ms(20);
		}
	atomic_store(&must_stop, true);
	for (unsigned i = 0; i < machine.nr_cpus; i++)
		pthread_join(threads[i], NULL);
	guest_check(!hnuma_pool_check(pool), "%s", hnuma_errormsg());
}

/* Run f in a thread of its own and wait for it. */
static void in_thread(void *(*f)(void *), void *arg)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, f, arg))
		guest_die("pthread_create");
	pthread_join(thread, NULL);
}

struct place {
	int cpu;
	enum hnuma_class class_index;
};

/* Leave blocks of a class in a CPU's cache. */
static void *fill_cache(void *arg)
{
	const struct place *place = arg;
	void *blocks[8];

	guest_check(!guest_pin(place->cpu), "CPU %d cannot be had", place->cpu);
	for (unsigned i = 0; i < 8; i++)
		blocks[i] = hnuma_pool_acquire(pool, place->class_index);
	for (unsigned i = 0; i < 8; i++)
		if (blocks[i])
			guest_check(!hnuma_pool_release(pool, blocks[i]), "%s", hnuma_errormsg());
	return NULL;
}

static void set_others_online(bool is_online)
{
	for (unsigned i = 1; i < machine.nr_cpus; i++)
		guest_check(!set_online(machine.cpus[i], is_online), "CPU %d stays %s",
			    machine.cpus[i], is_online ? "offline" : "online");
}

/* What lies in the caches of CPUs that are gone is within reach of the one that is left. */
static void reach_blocks_of_offline_cpus(unsigned long fresh[][HNUMA_NR_CLASSES])
{
	guest_part("blocks in the caches of offline CPUs");
	for (int c = 0; c < HNUMA_NR_CLASSES; c++) {
		guest_check(!hnuma_pool_clear(pool), "%s", hnuma_errormsg());
		for (unsigned i = 1; i < machine.nr_cpus; i++) {
			struct place place = {machine.cpus[i], c};

			in_thread(fill_cache, &place);
		}
		set_others_online(false);
		for (unsigned i = 0; i < machine.nr_nodes; i++) {
			unsigned long now;

			if (!is_served(machine.nodes[i].node))
				continue;
			now = exchange_exhaust(pool, machine.nodes[i].node, c);
			guest_check(now == fresh[i][c],
				    "node %d class %d: %lu of %lu blocks are within reach",
				    machine.nodes[i].node, c, now, fresh[i][c]);
		}
		set_others_online(true);
	}
	guest_check(!hnuma_pool_check(pool), "%s", hnuma_errormsg());
}

/* Row 32: the CPU goes while its space, and a block from its cache, are held. */
static void *hold_and_lose_cpu(void *arg)
{
	int cpu = *(int *)arg;
	struct hnuma_space *space;
	void *block;

	if (!guest_check(!hnuma_scratch_pin(scratch, cpu), "pin: %s", hnuma_errormsg()))
		return NULL;
	space = hnuma_scratch_acquire(scratch);
	block = hnuma_pool_acquire(pool, HNUMA_CLASS_4K);
	if (!guest_check(space && block, "nothing to be had on CPU %d", cpu))
		return NULL;
	memset(hnuma_space_base(space), 0x42, hnuma_space_capacity(space));
	memset(block, 0x43, 4096);
	guest_check(!set_online(cpu, false), "CPU %d stays", cpu);
	wait_ms(20);
	guest_check(sched_getcpu() != cpu, "the thread is on a CPU that is offline");
	guest_check(((unsigned char *)hnuma_space_base(space))[4095] == 0x42, "the space's bytes");
	guest_check(!hnuma_scratch_release(space), "release: %s", hnuma_errormsg());
	guest_check(((unsigned char *)block)[4095] == 0x43, "the block's bytes");
	guest_check(!hnuma_pool_release(pool, block), "release: %s", hnuma_errormsg());
	/* It is still this thread's: the space belongs to it until it unpins. */
	space = hnuma_scratch_acquire(scratch);
	if (guest_check(space, "the pinned space is lost: errno %d", errno))
		guest_check(!hnuma_scratch_release(space), "release: %s", hnuma_errormsg());
	guest_check(!hnuma_scratch_unpin(scratch), "unpin: %s", hnuma_errormsg());
	return NULL;
}

/* An offline CPU cannot be pinned, and trying changes nothing. */
static void *pin_offline(void *arg)
{
	cpu_set_t before, after;
	int error;

	sched_getaffinity(0, sizeof before, &before);
	error = hnuma_scratch_pin(scratch, *(int *)arg);
	guest_check(error == -EINVAL, "pinning to an offline CPU: %d", error);
	guest_note("%s", hnuma_errormsg());
	sched_getaffinity(0, sizeof after, &after);
	guest_check(CPU_EQUAL(&before, &after), "the affinity has changed");
	return NULL;
}

static void *pin_online(void *arg)
{
	struct hnuma_space *space;

	if (!guest_check(!hnuma_scratch_pin(scratch, *(int *)arg), "pin: %s", hnuma_errormsg()))
		return NULL;
	space = hnuma_scratch_acquire(scratch);
	if (guest_check(space, "no space: errno %d", errno)) {
		guest_check(hnuma_space_cpu(space) == *(int *)arg, "it is the space of CPU %d",
			    hnuma_space_cpu(space));
		guest_check(!hnuma_scratch_release(space), "release: %s", hnuma_errormsg());
	}
	guest_check(!hnuma_scratch_unpin(scratch), "unpin: %s", hnuma_errormsg());
	return NULL;
}

static void lose_cpus_while_held(void)
{
	for (unsigned i = 1; i < machine.nr_cpus; i++) {
		guest_part("row 32: CPU %d goes while its space and a block are held",
			   machine.cpus[i]);
		in_thread(hold_and_lose_cpu, &machine.cpus[i]);
		in_thread(pin_offline, &machine.cpus[i]);
		guest_check(!set_online(machine.cpus[i], true), "CPU %d stays away",
			    machine.cpus[i]);
		in_thread(pin_online, &machine.cpus[i]);
	}
	guest_check(!hnuma_pool_check(pool), "%s", hnuma_errormsg());
}

/* Row 27: a thread on a CPU that was only possible when everything was made. */
static void *use_new_cpu(void *arg)
{
	struct hnuma_space *space;

	if (!guest_check(!guest_pin(*(int *)arg), "CPU %d cannot be had", *(int *)arg))
		return NULL;
	wait_ms(10);
	guest_check(sched_getcpu() == *(int *)arg, "the thread is on CPU %d", sched_getcpu());
	for (int c = 0; c < HNUMA_NR_CLASSES; c++) {
		void *block = hnuma_pool_acquire(pool, c);

		if (!guest_check(block, "class %d: errno %d", c, errno))
			continue;
		guest_note("class %d: a block of node %d", c, hnuma_pool_node_of(pool, block));
		guest_check(!hnuma_pool_release(pool, block), "%s", hnuma_errormsg());
	}
	/* All spaces belong to CPUs that were there; one is borrowed. */
	space = hnuma_scratch_acquire(scratch);
	if (guest_check(space, "no space: errno %d", errno)) {
		guest_note("the space of CPU %d on node %d", hnuma_space_cpu(space),
			   hnuma_space_node(space));
		guest_check(!hnuma_scratch_release(space), "%s", hnuma_errormsg());
	}
	return NULL;
}

/* Have the host plug in the first CPU that is possible and not present. */
static int plug(void)
{
	char path[80], text[128], possible[64];
	unsigned highest;
	int cpu = 0;

	guest_read_line("/sys/devices/system/cpu/possible", possible, sizeof possible);
	if (sscanf(possible, "0-%u", &highest) != 1)
		guest_die("possible CPUs: %s", possible);
	do
		snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d", ++cpu);
	while (!access(path, F_OK));
	if ((unsigned)cpu > highest)
		guest_die("all possible CPUs (%s) are present", possible);
	guest_note("possible %s; plugging CPU %d", possible, cpu);
	snprintf(text, sizeof text,
		 "monitor device_add "
		 "max-x86_64-cpu,id=new,socket-id=%d,core-id=0,thread-"
		 "id=0\n",
		 cpu);
	guest_write("/dev/ttyS1", text);
	for (unsigned tries = 0; access(path, F_OK) && tries < 200; tries++)
		wait_ms(50);
	if (set_online(cpu, true))
		guest_die("CPU %d does not come", cpu);
	return cpu;
}

static void plug_in(void)
{
	unsigned nr_cpus = hnuma_topology_nr_cpus(topology);
	int cpu;

	guest_part("row 27: a CPU is plugged in afterwards");
	cpu = plug();
	guest_note("the topology counts %u CPUs, the C library %ld", nr_cpus,
		   sysconf(_SC_NPROCESSORS_CONF));
	in_thread(use_new_cpu, &cpu);
	guest_check(!hnuma_pool_check(pool), "%s", hnuma_errormsg());
	/* What is made from now on knows it. */
	destroy_objects();
	make_objects();
	guest_part("row 27: everything is made anew");
	in_thread(use_new_cpu, &cpu);
	in_thread(pin_online, &cpu);
}

int main(int argc, char **argv)
{
	static unsigned long fresh[GUEST_MAX_NODES][HNUMA_NR_CLASSES];

	make_objects();
	if (argc > 1 && !strcmp(argv[1], "--plug")) {
		plug_in();
	} else {
		guest_part("fresh");
		guest_pin(machine.cpus[0]);
		count_blocks(fresh);
		sweep_under_load();
		guest_check(!hnuma_pool_clear(pool), "%s", hnuma_errormsg());
		reach_blocks_of_offline_cpus(fresh);
		lose_cpus_while_held();
	}
	guest_part("after all");
	destroy_objects();
	return guest_end();
}
