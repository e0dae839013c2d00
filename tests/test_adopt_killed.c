/* SPDX-License-Identifier: MIT */
/*
 * tests/test_adopt_killed.c - a process that works on a shared manager is killed, and the next one
 * finds what it had.
 *
 * One memory goes through many generations. A child adopts it, works, and gets SIGKILL: at a random
 * moment, while two threads work; or behind each instruction of one call in turn. It writes down in
 * memory that it shares with this process what it has acquired and filled. Then this process
 * adopts: whatever was written down has to be there with its bytes, and besides there may be no more
 * blocks out than calls that were under way.
 */
#include "config.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <hugenuma.h>

#include "lib/pool_books.h"
#include "tests/adopt.h"
#include "tests/step.h"

#define NR_THREADS 2
#define NR_SLOTS   24
#define NR_ROUNDS  120

/* Whether a block is the child's: it says HELD when it has filled it, LEAVING before it gives it back. */
enum { EMPTY, HELD, LEAVING };

struct slot {
	_Atomic unsigned state;
	int class_index;
	size_t offset;
	unsigned char byte;
};

/* What the child tells. */
struct account {
	struct slot slots[NR_THREADS * NR_SLOTS];
	_Atomic unsigned long nr_calls;
	_Atomic unsigned long nr_wrong;
	_Atomic long nr_steps;
};

static struct account *account;

static unsigned next_random(unsigned *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 16;
}

static unsigned char *address_of(const struct hnuma_manager *manager, size_t offset)
{
	return (unsigned char *)hnuma_region_base(hnuma_manager_region(manager, adopt_home)) +
	       offset;
}

static bool is_filled(const unsigned char *block, size_t size, unsigned char byte)
{
	return block[0] == byte && memcmp(block, block + 1, size - 1) == 0;
}

/* ---- The child ------------------------------------------------------------------------------ */

static struct hnuma_manager *own;

static void hold(struct slot *slot, void *block, int class_index, unsigned char byte)
{
	memset(block, byte, hnuma_class_size((enum hnuma_class)class_index));
	slot->class_index = class_index;
	slot->byte = byte;
	if (hnuma_region_offset(hnuma_manager_region(own, adopt_home), block, &slot->offset))
		account->nr_wrong++;
	atomic_store(&slot->state, HELD);
}

static void *work(void *arg)
{
	struct slot *slots = arg;
	struct hnuma_pool *pool = hnuma_manager_pool(own);
	unsigned seed = (unsigned)getpid() + (unsigned)(slots - account->slots);

	for (;; account->nr_calls++) {
		struct slot *slot = &slots[next_random(&seed) % NR_SLOTS];
		/* Small ones more often: they are made and unmade within few pages. */
		unsigned at = next_random(&seed) % 16;
		int class_index = at < 10 ? (int)(at % 3) : at < 14 ? 3 : 4;

		if (atomic_load(&slot->state) == EMPTY) {
			void *block = hnuma_pool_acquire(pool, (enum hnuma_class)class_index);

			if (block)
				hold(slot, block, class_index, (unsigned char)next_random(&seed));
		} else {
			unsigned char *block = address_of(own, slot->offset);

			if (!is_filled(block, hnuma_class_size((enum hnuma_class)slot->class_index),
				       slot->byte))
				account->nr_wrong++;
			atomic_store(&slot->state, LEAVING);
			if (hnuma_pool_release(pool, block))
				account->nr_wrong++;
			atomic_store(&slot->state, EMPTY);
		}
		if (next_random(&seed) % 256 == 0)
			hnuma_pool_clear(pool);
	}
	return NULL;
}

/* Takes part in no test's assertions: it is killed. */
static void be_child(void)
{
	pthread_t threads[NR_THREADS];

	if (hnuma_manager_adopt(&own, adopt_topology, &adopt_fd, 1, NULL)) {
		account->nr_wrong++;
		_exit(1);
	}
	for (int i = 0; i < NR_THREADS; i++)
		pthread_create(&threads[i], NULL, work, &account->slots[i * NR_SLOTS]);
	pause();
	_exit(1);
}

/* ---- The one who looks at what it left ------------------------------------------------------ */

/* What a page has, by a walk over what is out. */
struct page_use {
	int class_index; /* -1: nothing is out */
	size_t nr_out;
};

static size_t offset_of(const struct hnuma_manager *manager, const void *block)
{
	size_t offset = 0;

	CU_ASSERT_EQUAL(
		hnuma_region_offset(hnuma_manager_region(manager, adopt_home), block, &offset), 0);
	return offset;
}

/* All that was written down is there, with its bytes. Returns how many blocks that are. */
static size_t check_held(struct hnuma_manager *manager)
{
	struct hnuma_pool *pool = hnuma_manager_pool(manager);
	struct slot *slots = account->slots;
	size_t nr = 0;

	for (int i = 0; i < NR_THREADS * NR_SLOTS; i++) {
		unsigned char *block = address_of(manager, slots[i].offset);

		if (slots[i].state != HELD)
			continue;
		nr++;
		CU_ASSERT_EQUAL(hnuma_pool_class_of(pool, block), slots[i].class_index);
		CU_ASSERT_EQUAL(hnuma_pool_node_of(pool, block), adopt_home);
		CU_ASSERT(adopt_is_met(hnuma_pool_walk_retired, pool, block) ||
			  is_filled(block, hnuma_class_size((enum hnuma_class)slots[i].class_index),
				    slots[i].byte));
		for (int j = 0; j < i; j++)
			CU_ASSERT(slots[j].state != HELD || slots[j].offset != slots[i].offset);
	}
	return nr;
}

static bool is_held(size_t offset)
{
	struct slot *slots = account->slots;

	for (int i = 0; i < NR_THREADS * NR_SLOTS; i++)
		if (slots[i].state == HELD && slots[i].offset == offset)
			return true;
	return false;
}

static size_t release_met(struct hnuma_manager *manager, adopt_walk *walk)
{
	struct hnuma_pool *pool = hnuma_manager_pool(manager);
	void *block = NULL;
	size_t nr = 0;

	while ((block = walk(pool, block))) {
		if (is_held(offset_of(manager, block)))
			continue;
		CU_ASSERT_EQUAL(hnuma_pool_release(pool, block), 0);
		nr++;
	}
	return nr;
}

/* Give back what nobody knows of. Returns how many blocks that were. */
static size_t release_others(struct hnuma_manager *manager)
{
	size_t nr = release_met(manager, hnuma_pool_walk) +
		    release_met(manager, hnuma_pool_walk_retired);

	for (int i = 0; i < NR_THREADS * NR_SLOTS; i++)
		if (account->slots[i].state == LEAVING)
			account->slots[i].state = EMPTY;
	return nr;
}

/* All that nobody has can be had, and is clean where it has to be. */
static void check_rest(struct hnuma_manager *manager)
{
	const struct hnuma_config *config = hnuma_manager_config(manager);
	const size_t per_page = config->flags & HNUMA_HARDENED ? 1024 : 2048;
	const size_t nr_pages = ADOPT_POOL_PAGES * 2048 / per_page;
	struct hnuma_pool *pool = hnuma_manager_pool(manager);
	const struct hnuma_home *books = hnuma_pool_home_of_node(pool, adopt_home);
	static void *all[ADOPT_POOL_PAGES * 2048];
	struct page_use pages[2 * ADOPT_POOL_PAGES];
	size_t expected = 0, nr = 0;
	void *block = NULL;

	for (size_t i = 0; i < nr_pages; i++)
		pages[i] = (struct page_use){-1, 0};
	while ((block = hnuma_pool_walk(pool, block))) {
		size_t page = (size_t)((unsigned char *)block - books->base) / HNUMA_HUGEPAGE;

		CU_ASSERT_FATAL(page < nr_pages);
		pages[page].class_index = hnuma_pool_class_of(pool, block);
		pages[page].nr_out++;
	}
	for (size_t i = 0; i < nr_pages; i++)
		if (pages[i].class_index <= HNUMA_CLASS_1K && !books->pages[i].is_lost)
			expected += per_page - pages[i].nr_out;
	while (nr < ADOPT_POOL_PAGES * 2048 && (all[nr] = hnuma_pool_acquire(pool, HNUMA_CLASS_1K)))
		nr++;
	CU_ASSERT_EQUAL(nr, expected);
	for (size_t i = 0; i < nr && config->hygiene == HNUMA_HYGIENE_ON_RELEASE; i++)
		if (!is_filled(all[i], 1024, 0))
			CU_FAIL("a block that was released is not clean");
	CU_ASSERT_EQUAL(hnuma_pool_release_bulk(pool, all, nr), 0);
	CU_ASSERT_EQUAL(hnuma_pool_check(pool), 0);
}

static void release_all(struct hnuma_manager *manager)
{
	for (int i = 0; i < NR_THREADS * NR_SLOTS; i++)
		account->slots[i].state = EMPTY;
	release_others(manager);
	CU_ASSERT_EQUAL(hnuma_pool_clear(hnuma_manager_pool(manager)), 0);
}

/*
 * Adopt, look at everything, leave.
 *
 * @nr_unknown  blocks that may be out and written down nowhere.
 * @is_last     the next child has nothing of this one's.
 */
static void look(size_t nr_unknown, bool is_last)
{
	static unsigned nr_looks;
	struct hnuma_manager *manager = adopt_again();
	struct hnuma_pool_stats stats;
	size_t nr_held, nr_out = 0;

	CU_ASSERT_EQUAL(account->nr_wrong, 0);
	CU_ASSERT_EQUAL(hnuma_pool_check(hnuma_manager_pool(manager)), 0);
	nr_held = check_held(manager);
	CU_ASSERT_EQUAL(hnuma_pool_stats(hnuma_manager_pool(manager), &stats), 0);
	for (int c = 0; c < HNUMA_NR_CLASSES; c++)
		nr_out += stats.in_use[c];
	CU_ASSERT(nr_out >= nr_held && nr_out <= nr_held + nr_unknown);
	CU_ASSERT_EQUAL(release_others(manager), nr_out - nr_held);
	/* Hardened, it goes over all memory several times, and hnuma_pool_check() has done so before. */
	if (!(hnuma_manager_config(manager)->flags & HNUMA_HARDENED) || nr_looks++ % 32 == 0)
		check_rest(manager);
	CU_ASSERT_EQUAL(check_held(manager), nr_held);
	if (is_last)
		release_all(manager);
	CU_ASSERT_EQUAL(hnuma_manager_leave(manager), 0);
}

static void begin(const struct hnuma_config *config)
{
	memset(account, 0, sizeof(*account));
	CU_ASSERT_EQUAL(hnuma_manager_leave(adopt_make(config)), 0);
}

static void end(void)
{
	struct hnuma_manager *manager = adopt_again();

	release_all(manager);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
	close(adopt_fd);
}

/* Until the child has done so many calls more; or, not seldom, for a moment only: it is adopting then. */
static void wait_a_while(unsigned *seed, pid_t child)
{
	const struct timespec moment = {0, (long)(next_random(seed) % 1000) * 1000};
	const unsigned long calls = account->nr_calls + next_random(seed) % 4000;
	siginfo_t info = {.si_pid = 0};

	if (next_random(seed) % 4 == 0) {
		nanosleep(&moment, NULL);
		return;
	}
	/* One that cannot adopt ends. */
	while (account->nr_calls < calls && info.si_pid == 0) {
		nanosleep(&moment, NULL);
		waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT);
	}
}

static void kill_at_random(unsigned flags, enum hnuma_hygiene hygiene)
{
	struct hnuma_config config = adopt_config();
	struct check_state before;
	unsigned seed = 1;
	int status;

	if (!check_hugepages(ADOPT_PAGES))
		return;
	config.flags |= flags;
	config.hygiene = hygiene;
	begin(&config);
	check_snapshot(&before);
	for (unsigned i = check_rounds(NR_ROUNDS); i > 0; i--) {
		pid_t child = check_fork();

		if (child == 0)
			be_child();
		CU_ASSERT_FATAL(child > 0);
		wait_a_while(&seed, child);
		kill(child, SIGKILL);
		CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
		CU_ASSERT(WIFSIGNALED(status));
		look(NR_THREADS, false);
	}
	check_unchanged(&before);
	printf("\n    %lu calls ", (unsigned long)account->nr_calls);
	CU_ASSERT(account->nr_calls > 0);
	end();
}

static void test_at_random(void)
{
	kill_at_random(0, HNUMA_HYGIENE_NEVER);
}

static void test_with_hygiene(void)
{
	kill_at_random(0, HNUMA_HYGIENE_ON_RELEASE);
}

static void test_hardened(void)
{
	kill_at_random(HNUMA_HARDENED, HNUMA_HYGIENE_NEVER);
}

/* ---- Behind each instruction ---------------------------------------------------------------- */

#ifdef STEP_IS_POSSIBLE

/* So many deaths of each call: where it has more instructions, they are spread over them. */
#define NR_DEATHS 60

/* The first calls of the list: those that clear blocks, or write and read patterns. */
#define NR_THAT_TOUCH 3

/* The child acquires a block, and writes it down in a slot. */
static void take(int slot, int class_index)
{
	void *block = hnuma_pool_acquire(hnuma_manager_pool(own), (enum hnuma_class)class_index);

	if (block)
		hold(&account->slots[slot], block, class_index, (unsigned char)(slot + 1));
	else
		account->nr_wrong++;
}

static void *block_in(int slot)
{
	return address_of(own, account->slots[slot].offset);
}

static void give_back(int slot)
{
	atomic_store(&account->slots[slot].state, LEAVING);
	if (hnuma_pool_release(hnuma_manager_pool(own), block_in(slot)))
		account->nr_wrong++;
	atomic_store(&account->slots[slot].state, EMPTY);
}

static int small; /* the class that most of them use */

static void prepare_nothing(void)
{
}

static void prepare_one(void)
{
	take(0, small);
}

static void prepare_free(void)
{
	take(0, small);
	take(1, small);
	give_back(0);
}

/* Every page has a class, and what is free is all on one or two of them. */
static void prepare_full(void)
{
	for (int i = 0; i < ADOPT_POOL_PAGES * 8; i++)
		take(i, HNUMA_CLASS_256K);
	for (int i = (ADOPT_POOL_PAGES - 1) * 8; i < ADOPT_POOL_PAGES * 8; i++)
		give_back(i);
}

static void acquire_one(void)
{
	hnuma_pool_acquire(hnuma_manager_pool(own), (enum hnuma_class)small);
}

static void acquire_other(void)
{
	void *blocks[3];

	hnuma_pool_acquire_bulk(hnuma_manager_pool(own), (enum hnuma_class)small, blocks, 3);
}

static void release_one(void)
{
	atomic_store(&account->slots[0].state, LEAVING);
	hnuma_pool_release(hnuma_manager_pool(own), block_in(0));
}

static void clear(void)
{
	hnuma_pool_clear(hnuma_manager_pool(own));
}

static void retire(void)
{
	hnuma_pool_retire(hnuma_manager_pool(own), block_in(1));
}

static const struct {
	const char *name;
	void (*prepare)(void);
	void (*call)(void);
	size_t nr_unknown; /* blocks that may be out and written down nowhere */
	bool is_for_good;  /* what it does cannot be undone */
} calls[] = {
	{"acquire, made", prepare_nothing, acquire_one, 1, false},
	{"acquire, free", prepare_free, acquire_one, 1, false},
	{"release", prepare_one, release_one, 1, false},
	{"acquire, reclaimed", prepare_full, acquire_other, 3, false},
	{"clear", prepare_free, clear, 0, false},
	{"retire", prepare_free, retire, 0, true},
};

static volatile long nr_steps, last_step;

static void die_at_step(int signal_number)
{
	(void)signal_number;
	if (++nr_steps == last_step)
		raise(SIGKILL);
}

/* The child dies behind an instruction of a call, or gets to its end and tells how many there were. */
static void be_stepped(size_t i, long at)
{
	struct sigaction action = {.sa_handler = die_at_step};

	if (hnuma_manager_adopt(&own, adopt_topology, &adopt_fd, 1, NULL)) {
		account->nr_wrong++;
		_exit(1);
	}
	calls[i].prepare();
	last_step = at;
	sigaction(SIGTRAP, &action, NULL);
	step_start();
	calls[i].call();
	step_stop();
	account->nr_steps = nr_steps;
	_exit(0);
}

/* Returns whether it was killed before the end. */
static bool run_stepped(size_t i, long at)
{
	pid_t child = check_fork();
	int status;

	if (child == 0)
		be_stepped(i, at);
	CU_ASSERT_FATAL(child > 0);
	CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
	CU_ASSERT(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : status == 0);
	return WIFSIGNALED(status);
}

static void step_through(unsigned flags, enum hnuma_hygiene hygiene, int class_index,
			 size_t nr_calls)
{
	struct hnuma_config config = adopt_config();

	if (!step_works_here() || !check_hugepages(ADOPT_PAGES))
		return;
	config.flags |= flags;
	config.hygiene = hygiene;
	small = class_index;
	for (size_t i = 0; i < nr_calls; i++) {
		long at = 1, stride, nr_deaths = 0;

		begin(&config);
		CU_ASSERT(!run_stepped(i, -1));
		stride = account->nr_steps / check_rounds(NR_DEATHS) + 1;
		look(calls[i].nr_unknown, true);
		for (;; at += stride, nr_deaths++) {
			if (calls[i].is_for_good) {
				end();
				begin(&config);
			}
			if (!run_stepped(i, at))
				break;
			look(calls[i].nr_unknown, true);
		}
		printf("\n    %s: %ld deaths in %ld instructions ", calls[i].name, nr_deaths, at);
		CU_ASSERT(nr_deaths > 0);
		end();
	}
}

static void test_each_step(void)
{
	step_through(0, HNUMA_HYGIENE_NEVER, HNUMA_CLASS_64K, sizeof(calls) / sizeof(calls[0]));
}

static void test_each_step_with_hygiene(void)
{
	step_through(0, HNUMA_HYGIENE_ON_RELEASE, HNUMA_CLASS_1K, NR_THAT_TOUCH);
}

static void test_each_step_hardened(void)
{
	step_through(HNUMA_HARDENED, HNUMA_HYGIENE_NEVER, HNUMA_CLASS_1K, NR_THAT_TOUCH);
}

#endif

int main(void)
{
	CU_TestInfo tests[] = {
		{"killed at random (row 43)", test_at_random},
		{"killed at random, with hygiene", test_with_hygiene},
		{"killed at random, hardened", test_hardened},
#ifdef STEP_IS_POSSIBLE
		{"killed behind each instruction (row 43)", test_each_step},
		{"killed behind each instruction, with hygiene", test_each_step_with_hygiene},
		{"killed behind each instruction, hardened", test_each_step_hardened},
#endif
		CU_TEST_INFO_NULL,
	};

	account = mmap(NULL, sizeof(*account), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	return account == MAP_FAILED ? 1 : adopt_main("adopt killed", tests);
}
