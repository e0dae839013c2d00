/* SPDX-License-Identifier: MIT */
/*
 * tests/guests/full.c - a machine whose memory another process has taken, or is taking.
 *
 *	full [ROUNDS [GROUP]]   one node becomes full, then all of them are, and huge pages are gone, too; then
 *	                        the other process gives back and takes again, while memory is asked for so often
 *
 * With the directory of a control group of version 2, in which this program is and which has a limit on memory,
 * it is the group that becomes full, on a machine that is not.
 *
 * Whatever is asked for is had, with every page in place, or refused with -ENOMEM and a message that says what
 * there was. What a full machine does to a program that just asks is no error: the kernel kills
 * processes until there is enough. As long as the other process keeps still none may be killed; when it
 * does not, none but the other one.
 *
 * Calls the public headers, the C library, and through guest.h the kernel.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <hugenuma.h>

#include "tests/guests/guest.h"
#include "tests/guests/rival.h"

#define MB ((size_t)1 << 20)

static struct hnuma_topology *topology;
static unsigned nr_nodes;	   /* allowed, with memory */
static int nodes[GUEST_MAX_NODES]; /* their numbers, ascending */
static unsigned long nr_pages;	   /* huge ones of each node */
static const char *group;	   /* what becomes full, when it is no node */

enum kind { REGION, ARENA, POOL, SCRATCH, MANAGER, NR_KINDS };
static const char *const kind_names[] = {"region", "arena", "pool", "scratch", "manager"};

/* What is asked for. */
struct wish {
	enum kind kind;
	int node; /* -1: all of them, which only the last three know */
	size_t size;
	enum hnuma_backing least;
	enum hnuma_policy policy;
};

static struct hnuma_nodeset set_of(int node)
{
	struct hnuma_nodeset set = {{0}};

	for (unsigned i = 0; i < nr_nodes; i++)
		if (node < 0 || nodes[i] == node)
			hnuma_nodeset_add(&set, nodes[i]);
	return set;
}

/* Every page is there, may be written, and is where it was to be. */
static void check_region(struct hnuma_region *region, const struct wish *wish)
{
	char *base = hnuma_region_base(region);
	struct hnuma_placement placement;

	memset(base, 1, hnuma_region_size(region));
	if (wish->policy != HNUMA_POLICY_BIND)
		return;
	guest_check(!hnuma_region_verify(region, &placement) && placement.pages_total &&
			    placement.pages_here == placement.pages_total,
		    "%llu of %llu pages are in place", (unsigned long long)placement.pages_here,
		    (unsigned long long)placement.pages_total);
	for (size_t at = 0; at < hnuma_region_size(region); at += GUEST_HUGEPAGE)
		guest_check(guest_node_of_page(base + at) == wish->node,
			    "the page at %zu is on node %d, not %d", at,
			    guest_node_of_page(base + at), wish->node);
}

static int make_region(const struct wish *wish)
{
	struct hnuma_region_attr attr = HNUMA_REGION_ATTR_INIT;
	struct hnuma_region *region;
	int error;

	attr.size = wish->size;
	attr.node = wish->node;
	attr.least_backing = wish->least;
	attr.policy = wish->policy;
	error = hnuma_region_create(&region, topology, &attr);
	if (error)
		return error;
	check_region(region, wish);
	guest_check(!hnuma_region_destroy(region), "%s", hnuma_errormsg());
	return 0;
}

static int make_arena(const struct wish *wish)
{
	struct hnuma_arena_attr attr = HNUMA_ARENA_ATTR_INIT;
	struct hnuma_arena *arena;
	void *bytes;
	int error;

	attr.capacity = wish->size;
	attr.node = wish->node;
	attr.least_backing = wish->least;
	error = hnuma_arena_create(&arena, topology, &attr);
	if (error)
		return error;
	bytes = hnuma_arena_alloc(arena, 1, wish->size);
	guest_check(bytes && guest_node_of_page(bytes) == wish->node, "the arena is elsewhere");
	guest_check(!hnuma_arena_destroy(arena), "%s", hnuma_errormsg());
	return 0;
}

static int make_pool(const struct wish *wish)
{
	struct hnuma_pool_attr attr = HNUMA_POOL_ATTR_INIT;
	struct hnuma_pool *pool;
	int error;

	attr.bytes_per_node = wish->size;
	attr.nodes = set_of(wish->node);
	attr.least_backing = wish->least;
	error = hnuma_pool_create(&pool, topology, &attr);
	if (error)
		return error;
	for (unsigned i = 0; i < nr_nodes; i++) {
		void *block;

		if (!hnuma_nodeset_has(&attr.nodes, nodes[i]))
			continue;
		block = hnuma_pool_acquire_on(pool, nodes[i], HNUMA_CLASS_256K);
		guest_check(block && guest_node_of_page(block) == nodes[i],
			    "a block of node %d is elsewhere", nodes[i]);
		guest_check(!hnuma_pool_release(pool, block), "%s", hnuma_errormsg());
	}
	guest_check(!hnuma_pool_check(pool), "%s", hnuma_errormsg());
	guest_check(!hnuma_pool_destroy(pool), "%s", hnuma_errormsg());
	return 0;
}

static int make_scratch(const struct wish *wish)
{
	struct hnuma_scratch_attr attr = HNUMA_SCRATCH_ATTR_INIT;
	struct hnuma_scratch *scratch;
	struct hnuma_space *space;
	int error;

	attr.space_size = wish->size;
	attr.nodes = set_of(wish->node);
	attr.least_backing = wish->least;
	error = hnuma_scratch_create(&scratch, topology, &attr);
	if (error)
		return error;
	space = hnuma_scratch_acquire(scratch);
	if (guest_check(space, "no space: %s", strerror(errno))) {
		void *bytes = hnuma_space_alloc(space, 1, wish->size);

		guest_check(bytes && guest_node_of_page(bytes) == hnuma_space_node(space),
			    "the space is elsewhere");
		guest_check(!hnuma_scratch_release(space), "%s", hnuma_errormsg());
	}
	guest_check(!hnuma_scratch_destroy(scratch), "%s", hnuma_errormsg());
	return 0;
}

static int make_manager(const struct wish *wish)
{
	struct hnuma_config config = HNUMA_CONFIG_INIT;
	struct hnuma_placement placement;
	struct hnuma_manager *manager;
	int error;

	config.arena_capacity = GUEST_HUGEPAGE;
	config.pool_bytes_per_node = wish->size;
	config.nodes = set_of(wish->node);
	config.least_backing = wish->least;
	error = hnuma_manager_create(&manager, topology, &config);
	if (error)
		return error;
	guest_check(!hnuma_manager_verify(manager, &placement) && placement.pages_total &&
			    placement.pages_here == placement.pages_total,
		    "%llu of %llu pages are in place", (unsigned long long)placement.pages_here,
		    (unsigned long long)placement.pages_total);
	guest_check(!hnuma_manager_destroy(manager), "%s", hnuma_errormsg());
	return 0;
}

/* A refusal names the node, or the group, and what there was. */
static bool is_explained(void)
{
	const char *message = hnuma_errormsg();

	return (strstr(message, "node") && strstr(message, " free")) ||
	       (group && strstr(message, group) && strstr(message, "limit on memory leaves"));
}

/* Returns 0 when it was had, and looked at; else it was refused as it should be. Nothing is left either way. */
static int make(const struct wish *wish)
{
	static int (*const makers[])(const struct wish *) = {make_region, make_arena, make_pool,
							     make_scratch, make_manager};
	int error = makers[wish->kind](wish);

	guest_check(!error || error == -ENOMEM, "%s: %d: %s", kind_names[wish->kind], error,
		    hnuma_errormsg());
	if (error)
		guest_check(is_explained(), "%s: the message does not say what was free: %s",
			    kind_names[wish->kind], hnuma_errormsg());
	return error;
}

static void had(struct wish wish)
{
	guest_check(!make(&wish), "%s of %zu MB, backing %d, policy %d, node %d: %s",
		    kind_names[wish.kind], wish.size / MB, (int)wish.least, (int)wish.policy,
		    wish.node, hnuma_errormsg());
}

static void refused(struct wish wish, const char *words)
{
	if (guest_check(make(&wish) == -ENOMEM,
			"%s of %zu MB, backing %d, policy %d, node %d: was had",
			kind_names[wish.kind], wish.size / MB, (int)wish.least, (int)wish.policy,
			wish.node))
		guest_check(strstr(hnuma_errormsg(), words), "'%s' is not said: %s", words,
			    hnuma_errormsg());
}

/* Each object, from memory that is not hugetlb, in sizes that are nearly there and far from it. */
static void refuse_memory(int node, enum hnuma_policy policy, const char *words)
{
	static const size_t sizes[] = {4 * MB, 8 * MB, 24 * MB, 96 * MB};
	struct wish wish = {REGION, node, 0, HNUMA_BACKING_BASE, policy};

	for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		wish.size = sizes[i];
		wish.least = HNUMA_BACKING_BASE;
		refused(wish, words);
		wish.least = HNUMA_BACKING_THP;
		refused(wish, words);
	}
	guest_note("%s", hnuma_errormsg());
	for (int kind = ARENA; kind < NR_KINDS && policy == HNUMA_POLICY_BIND; kind++)
		refused((struct wish){(enum kind)kind, node, 4 * MB, HNUMA_BACKING_BASE, policy},
			words);
}

/* The kernel has killed nobody since, and everything is there. */
static void check_peace(const struct guest_state *before, unsigned long nr_killed)
{
	guest_check(rival_nr_killed() == nr_killed, "the kernel has killed %lu processes",
		    rival_nr_killed() - nr_killed);
	guest_check_state(before);
}

/* What the kernel would still give of a node that is called full. */
#define LEAST_LEFT_KB ((size_t)3 * 1024)

/* What was taken of a node. */
struct taken {
	pid_t memory[16], pages;
	unsigned nr;
};

/*
 * Fill a node: all but so much at once, and the rest little by little, with a question of each size in between.
 * Where the library is to stop is somewhere on the way; the kernel may have killed nobody by then.
 */
static void fill_node(struct taken *taken, int node)
{
	struct wish wish = {REGION, node, 0, HNUMA_BACKING_BASE, HNUMA_POLICY_BIND};
	unsigned nr_had = 0, nr_refused = 0;
	struct guest_state before;
	unsigned long nr_killed;

	taken->nr = 0;
	taken->pages = rival_take_pages(node, nr_pages);
	taken->memory[taken->nr++] = rival_fill(node, 32 * 1024);
	nr_killed = rival_nr_killed();
	guest_read_state(&before);
	for (size_t left_kb = 10 * LEAST_LEFT_KB; left_kb; left_kb -= LEAST_LEFT_KB) {
		taken->memory[taken->nr++] = rival_fill(node, left_kb);
		for (wish.size = 2 * MB; wish.size <= 32 * MB; wish.size *= 2) {
			wish.least = wish.size % (4 * MB) ? HNUMA_BACKING_BASE : HNUMA_BACKING_THP;
			++*(make(&wish) ? &nr_refused : &nr_had);
		}
	}
	guest_note("on the way %u were had and %u refused; %zu KB are left", nr_had, nr_refused,
		   rival_room_kb(node));
	guest_check(nr_had && nr_refused, "this shows nothing");
	check_peace(&before, nr_killed);
}

static void give_pages_back(struct taken *taken, int node)
{
	rival_end(taken->pages);
	guest_await_pages(node, (long)nr_pages);
}

static void give_back(struct taken *taken)
{
	while (taken->nr)
		rival_end(taken->memory[--taken->nr]);
}

/* One node is full, and another is not. */
static void check_full_node(int node, int other)
{
	const unsigned long nr_killed = rival_nr_killed();
	struct guest_state before;
	char words[64];

	guest_part("node %d is full", node);
	guest_read_state(&before);
	snprintf(words, sizeof words, "node %d has ", node);
	refuse_memory(node, HNUMA_POLICY_BIND, words);
	refused((struct wish){REGION, node, 2 * MB, HNUMA_BACKING_HUGETLB, HNUMA_POLICY_BIND},
		"has 0 free");
	had((struct wish){REGION, node, 8 * MB, HNUMA_BACKING_BASE, HNUMA_POLICY_PREFERRED});
	had((struct wish){REGION, other, 8 * MB, HNUMA_BACKING_BASE, HNUMA_POLICY_BIND});
	check_peace(&before, nr_killed);
}

static void check_full_machine(void)
{
	const unsigned long nr_killed = rival_nr_killed();
	struct guest_state before;
	char words[64];

	guest_part("all nodes are full");
	guest_read_state(&before);
	for (unsigned i = 0; i < nr_nodes; i++) {
		snprintf(words, sizeof words, "node %d has ", nodes[i]);
		refuse_memory(nodes[i], HNUMA_POLICY_BIND, words);
	}
	refuse_memory(nodes[0], HNUMA_POLICY_PREFERRED, "nodes ");
	refuse_memory(nodes[0], HNUMA_POLICY_INTERLEAVE, "nodes ");
	check_peace(&before, nr_killed);
}

/* Huge pages are none of the memory that is gone. */
static void check_huge_pages(int node)
{
	const unsigned long nr_killed = rival_nr_killed();
	struct guest_state before;

	guest_part("huge pages of node %d, and nothing else", node);
	guest_read_state(&before);
	for (int kind = 0; kind < NR_KINDS; kind++)
		had((struct wish){(enum kind)kind, node, 4 * MB, HNUMA_BACKING_HUGETLB,
				  HNUMA_POLICY_BIND});
	check_peace(&before, nr_killed);
}

static void keeping_still(void)
{
	struct taken first, second;

	guest_part("node %d becomes full", nodes[0]);
	fill_node(&first, nodes[0]);
	check_full_node(nodes[0], nodes[1]);
	guest_part("node %d becomes full, too", nodes[1]);
	fill_node(&second, nodes[1]);
	check_full_machine();
	give_pages_back(&first, nodes[0]);
	check_huge_pages(nodes[0]);
	give_back(&first);
	/* What those had of the kernel's own memory was on this node in part. */
	second.memory[second.nr++] = rival_fill(nodes[1], LEAST_LEFT_KB);
	check_full_node(nodes[1], nodes[0]);
	give_pages_back(&second, nodes[1]);
	give_back(&second);
}

/* The group is full, and the machine is not: whichever node is asked, and for any of them, there is none. */
static void keeping_still_in_group(void)
{
	struct guest_state before;
	unsigned long nr_killed;
	struct taken taken;
	pid_t others;

	guest_part("%s becomes full", group);
	fill_node(&taken, nodes[0]);
	others = rival_take_pages(nodes[1], nr_pages);
	guest_part("%s is full", group);
	nr_killed = rival_nr_killed();
	guest_read_state(&before);
	for (unsigned i = 0; i < nr_nodes; i++)
		for (int policy = HNUMA_POLICY_BIND; policy <= HNUMA_POLICY_INTERLEAVE; policy++)
			refuse_memory(nodes[i], (enum hnuma_policy)policy, group);
	check_peace(&before, nr_killed);
	give_pages_back(&taken, nodes[0]);
	rival_end(others);
	guest_await_pages(nodes[1], (long)nr_pages);
	check_huge_pages(nodes[0]);
	give_back(&taken);
}

static struct wish draw(void)
{
	struct wish wish = {(enum kind)(rand() % NR_KINDS), nodes[(unsigned)rand() % nr_nodes],
			    (size_t)(1 + rand() % 8) * GUEST_HUGEPAGE,
			    (enum hnuma_backing)(HNUMA_BACKING_BASE + rand() % 3),
			    HNUMA_POLICY_BIND};

	if (wish.kind == REGION && rand() % 4 == 0)
		wish.policy = rand() % 2 ? HNUMA_POLICY_PREFERRED : HNUMA_POLICY_INTERLEAVE;
	if (wish.kind >= POOL && rand() % 4 == 0)
		wish.node = -1;
	/* Longer than a piece, so that it can be lost half-way. */
	if (wish.kind == REGION && rand() % 4 == 0)
		wish.size = (size_t)(32 + rand() % 64) * MB;
	return wish;
}

/* In a process of its own, which nothing may kill. */
static int ask_at_random(void *arg)
{
	const unsigned rounds = *(unsigned *)arg;
	unsigned nr_had[HNUMA_BACKING_HUGETLB + 1] = {0},
						nr_refused[HNUMA_BACKING_HUGETLB + 1] = {0};
	struct guest_state before;

	guest_read_state(&before);
	for (unsigned i = 0; i < rounds; i++) {
		struct wish wish = draw();

		++*(make(&wish) ? &nr_refused[wish.least] : &nr_had[wish.least]);
		guest_check_own_state(&before);
	}
	for (int least = HNUMA_BACKING_BASE; least <= (int)HNUMA_BACKING_HUGETLB; least++) {
		guest_note("backing %d: %u had, %u refused", least, nr_had[least],
			   nr_refused[least]);
		guest_check(nr_had[least] && nr_refused[least], "this shows nothing of backing %d",
			    least);
	}
	return guest_end();
}

static void changing(unsigned rounds)
{
	unsigned long nr_killed = rival_nr_killed();
	struct guest_state before;
	pid_t rival;
	int code;

	guest_part("another process takes and gives back, %u rounds", rounds);
	guest_read_state(&before);
	rival = rival_run(nodes, nr_nodes);
	code = guest_in_child(ask_at_random, &rounds, 600);
	guest_check(!code, "the child ended with %d", code);
	guest_note("the other process was killed %lu times", rival_nr_killed() - nr_killed);
	rival_end(rival);
	for (unsigned i = 0; i < nr_nodes; i++)
		guest_await_pages(nodes[i], (long)nr_pages);
	guest_check_state(&before);
}

int main(int argc, char **argv)
{
	static struct guest_machine machine;

	topology = guest_topology();
	guest_read_machine(&machine);
	nr_nodes = guest_nodes_with_memory(&machine, nodes);
	nr_pages = machine.nodes[0].free_pages;
	if (nr_nodes != 2 || machine.nodes[1].free_pages != nr_pages)
		guest_die("this wants two nodes with as many huge pages");
	if (argc > 2) {
		group = argv[2];
		rival_confine(group);
		keeping_still_in_group();
	} else {
		keeping_still();
	}
	changing(argc > 1 ? (unsigned)atoi(argv[1]) : 10000);
	hnuma_topology_destroy(topology);
	return guest_end();
}
