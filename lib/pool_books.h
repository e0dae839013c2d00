/* SPDX-License-Identifier: MIT */
/*
 * lib/pool_books.h - what a pool writes down, and where. For lib/pool*.c, and for listing.c and
 * observe_books.c, which tell others of it.
 *
 * On every served node (a "home"), in that node's region:
 *
 *	books                                                             pages (2 MB each)
 *	| caches of cpu 0 | cpu 1 | .. | states | page classes | page | depot  | page 0 | page 1 | ..
 *	| 5 stacks each   |       |    | 1/KB   | 1/page       | list | stacks | 4K 4K..| 256K.. |
 *
 * A block is named by its number: its offset from the home's first page in KB, which is what its
 * smallest possible size is. In a hardened pool a guard of the same length follows each block (drawn in
 * pool_guard.h). So the number gives the address and the state by a shift and an addition each,
 * and the address gives the number, the page and, through the page, the class: release needs only
 * the pointer.
 *
 * States of a block (states[number]; numbers inside a larger block stay UNMADE):
 *
 *	          make                    acquire
 *	UNMADE ---------> FREE (in a list) <-------> OUT (the caller's)
 *	       <---------        |         release |
 *	         unmake          v                 v
 *	   (drop, clear, page   LOST (in no list, for ever)
 *	    given to another
 *	    class)                ^    retire      | retire
 *	                          +-- LEAVING <----+
 *	                         release
 *
 * A FREE block is in exactly one list - a cpu's cache or its class's depot - or, for a moment, in the
 * hands of a thread that is inside acquire or release. Only the exchange OUT -> FREE that found OUT
 * may put a block into a list: that is what refuses a double release, from whichever thread.
 *
 * Invariants, for each home and class (hnuma_pool_check() tests them):
 *	made    == blocks in state FREE + blocks in state OUT + blocks in state LOST
 *	free    == depot count + depth of all caches == blocks in state FREE
 *	in use  == made - lost - free == hits + misses - returns - drops
 *	a page is in the free list if and only if it has no class, that is made == 0
 *	a page is in its class's partial list if and only if 0 < made < blocks per page
 *
 * Locks: home->lock protects depots, pages, page lists and counters of that home. A cache belongs to
 * its CPU's running thread or to whoever holds its claim (pool_cache.h), and its filled and drained
 * counts to the lock. The lock is taken before a claim, never after; several homes are locked in
 * ascending order. No lock is held while memory is cleared.
 */
#ifndef HNUMA_LIB_POOL_BOOKS_H
#define HNUMA_LIB_POOL_BOOKS_H

#include <pthread.h>
#include <stdatomic.h>

#include <hugenuma.h>

#include "lib/pool.h"
#include "numa/ground.h"

#define HNUMA_BLOCK_SHIFT	  10 /* a block's number counts KB */
#define HNUMA_PAGE_SHIFT	  21
#define HNUMA_BLOCKS_PER_PAGE_MAX (1u << (HNUMA_PAGE_SHIFT - HNUMA_BLOCK_SHIFT))
#define HNUMA_CACHE_SLOTS	  240 /* the depth has 8 bits; the struct is a whole KB with them */
#define HNUMA_NO_CLASS		  0xff
#define HNUMA_NO_PAGE		  UINT32_MAX

enum hnuma_block_state {
	HNUMA_BLOCK_UNMADE = 0,
	HNUMA_BLOCK_FREE = 1,
	HNUMA_BLOCK_OUT = 2,
	HNUMA_BLOCK_LOST = 3,
	HNUMA_BLOCK_LEAVING = 4, /* OUT, and LOST when it is released */
};

/*
 * The state of a block, or of one KB of it. In a pool that has been used for a while neighbours are in
 * different CPUs' hands, and each writes its blocks' states all the time: so there is room behind each,
 * and a block of 4 KB or more has a cache line of its own (of 1 KB, a fourth). Two CPUs then take half
 * of one's time for a pair; with a byte for each KB they took one and a half times of it. It costs a
 * 57th of the pages. 18 bytes: with a power of two the states of large blocks all want the same few
 * lines of the CPU's cache, and 9 times 2 is one instruction.
 */
struct hnuma_state {
	_Atomic unsigned char is; /* an enum hnuma_block_state */
	unsigned char apart[17];
};

/* One CPU's free blocks of one class. */
struct hnuma_cache {
	/*
	 * Depth of the stack in the low 8 bits, hits above: one store commits both. Written by the
	 * holder of the claim, read by anybody.
	 */
	_Atomic uint64_t word;
	_Atomic uint32_t claim; /* 0, or 1 while somebody works on the cache */
	uint32_t limit;		/* slots in use at most; constant */
	unsigned char *base;	/* of the home, as are states: constant */
	struct hnuma_state *states;
	uint64_t filled;	 /* blocks moved in from the depot; under the home's lock */
	uint64_t drained;	 /* blocks moved out to it; under the home's lock */
	uint64_t mask;		 /* what must be 0 in a block's offset: its size less 1; constant */
	struct hnuma_home *home; /* constant */
	uint32_t slots[HNUMA_CACHE_SLOTS];
};

/* The caches of one CPU, on that CPU's home. */
struct hnuma_cpu {
	struct hnuma_cache caches[HNUMA_NR_CLASSES];
};

/*
 * What the hot paths need of one CPU and its home: a cache line, found by the CPU's number. Constant.
 * The home itself is its caches' home; the rest is copied from there.
 */
struct hnuma_line {
	struct hnuma_cache *caches[HNUMA_NR_CLASSES];
	unsigned char *base;
	size_t size;
	_Atomic unsigned char *page_classes;
};

struct hnuma_page {
	uint32_t previous; /* in the free list or in a class's partial list */
	uint32_t next;
	uint16_t made; /* blocks that are not UNMADE */
	uint16_t hint; /* index in the page where the search for an UNMADE block begins */
	uint32_t free; /* for reclaim's count only */
	bool is_lost;  /* out of service: all its blocks are LOST, or shall be */
};

/* The free blocks of one class that are in no CPU's cache, and the class's counters. */
struct hnuma_depot {
	uint32_t *stack;
	uint64_t count;
	uint64_t made;
	uint32_t nr_pages; /* dealt to this class */
	uint32_t partial;  /* first page with UNMADE blocks, or HNUMA_NO_PAGE */
	uint64_t room;	   /* see hnuma_home_give() */
	uint64_t hits;	   /* those that no cache counted */
	uint64_t misses;
	uint64_t returns; /* those that no cache counted */
	uint64_t drops;
	uint64_t failures;
	uint64_t lost;		  /* of those made, out of service */
	uint64_t overwritten;	  /* found so, in a hardened pool */
	uint64_t high_water_mark; /* most blocks that were ever away from the depot */
};

/* A byte of a hardened pool that somebody wrote to who did not own it. */
struct hnuma_finding {
	unsigned class_index;
	uint32_t block;
	size_t offset; /* from the block's start, or HNUMA_NOT_FOUND */
};
#define HNUMA_NOT_FOUND SIZE_MAX

/* The pool's part on one node. */
struct hnuma_home {
	unsigned char *base; /* of the first page */
	size_t size;	     /* bytes of all pages */
	/*
	 * Written under the lock, read without and relaxed: a page keeps its class while a block of it
	 * is out, and who has one got it, through lock, claim or sequence, after the page was dealt.
	 */
	_Atomic unsigned char *page_classes;
	struct hnuma_state *states; /* see hnuma_block_set() */
	int node;
	uint32_t nr_pages;
	size_t buffers_per_class;

	struct hnuma_cpu *cpus; /* nr_cpus of them; in a hardened home the last is the quarantine */
	unsigned nr_cpus;
	bool uses_rseq;
	bool is_hardened;
	uint64_t key;	/* of the pattern, where hardened */
	uint64_t shift; /* from an address to what it was when the pattern was first written */

	pthread_mutex_t lock; /* protects all that follows */
	struct hnuma_page *pages;
	uint32_t free_pages; /* first page of no class */
	uint32_t nr_free_pages;
	uint32_t nr_lost_pages; /* those of no class are in no list */
	struct hnuma_depot depots[HNUMA_NR_CLASSES];
	struct hnuma_finding first_finding;
};

struct hnuma_pool {
	/* What every call reads and none writes. */
	unsigned epoch; /* of the process, see numa/process.h */
	unsigned
		fast_epoch; /* the same, where the fast paths may be taken; else one that is past */
	unsigned nr_cpus;
	unsigned nr_homes;
	struct hnuma_line *lines; /* nr_cpus of them */
	ptrdiff_t rseq_offset;	  /* of a thread's struct rseq from its thread pointer */
	struct hnuma_home *homes;
	bool uses_rseq;
	enum hnuma_hygiene hygiene;
	enum hnuma_policy policy;
	bool is_poisoning; /* tell ASan or Valgrind what is free */
	bool is_going;	   /* destroy has begun and could not end */

	const struct hnuma_ground *ground;
	struct hnuma_ground own_ground; /* when the pool made it itself */
	bool owns_ground;
	uint64_t listing; /* see lib/listing.h */
	struct hnuma_pool_place *places;
};

static inline struct hnuma_home *hnuma_line_home(const struct hnuma_line *line)
{
	return line->caches[0]->home;
}

static inline size_t hnuma_block_size(unsigned class_index)
{
	return (size_t)1024 << (2 * class_index);
}

/* The most that there can be; a hardened home has half as many. */
static inline uint32_t hnuma_blocks_per_page(unsigned class_index)
{
	return HNUMA_BLOCKS_PER_PAGE_MAX >> (2 * class_index);
}

/* From one block of a class to the next one, in bytes and in numbers, and how many a page has. */
static inline size_t hnuma_home_stride(const struct hnuma_home *home, unsigned class_index)
{
	return hnuma_block_size(class_index) << home->is_hardened;
}

static inline uint32_t hnuma_home_step(const struct hnuma_home *home, unsigned class_index)
{
	return 1u << (2 * class_index + home->is_hardened);
}

static inline uint32_t hnuma_home_per_page(const struct hnuma_home *home, unsigned class_index)
{
	return hnuma_blocks_per_page(class_index) >> home->is_hardened;
}

static inline void *hnuma_block_address(const struct hnuma_home *home, uint32_t block)
{
	return home->base + ((size_t)block << HNUMA_BLOCK_SHIFT);
}

/*
 * Relaxed: a state orders nothing. Who sets it has got the block through a list, and its claim,
 * sequence or lock orders the state as it does the list; what is decided by the state alone is the
 * exchange OUT -> FREE, in hnuma_spot_take_back() and in the fast path of hnuma_pool_release().
 */
static inline void hnuma_block_set(const struct hnuma_home *home, uint32_t block,
				   enum hnuma_block_state state)
{
	atomic_store_explicit(&home->states[block].is, (unsigned char)state, memory_order_relaxed);
}

static inline unsigned hnuma_block_state(const struct hnuma_home *home, uint32_t block)
{
	return atomic_load_explicit(&home->states[block].is, memory_order_relaxed);
}

/* Is it the caller's of acquire? */
static inline bool hnuma_block_is_out(const struct hnuma_home *home, uint32_t block)
{
	unsigned state = hnuma_block_state(home, block);

	return state == HNUMA_BLOCK_OUT || state == HNUMA_BLOCK_LEAVING;
}

/* pool_home.c: all of these need the home's lock. */

/*
 * Can n blocks of a class be had, free in the depot or newly made? Below buffers_per_class made
 * blocks new ones are made before other CPUs' caches are emptied, so that CPUs that work at the same
 * time do not rob each other for ever; above it, and when room is short, first the class's caches are
 * recalled, then pages of other classes whose blocks are all home are taken.
 */
bool hnuma_home_gather(struct hnuma_home *home, unsigned class_index, size_t n);

/* Take n blocks, which hnuma_home_gather() said are there. Counts hits and misses. States OUT. */
void hnuma_home_take(struct hnuma_home *home, unsigned class_index, uint32_t *blocks, size_t n);

/* Take back a block in state FREE that was released: true, into the depot; false, above the cap, it
 * was unmade. */
bool hnuma_home_give(struct hnuma_home *home, unsigned class_index, uint32_t block);

/* Make n free blocks in the depot, from pages that no other class has. All or none. */
bool hnuma_home_make(struct hnuma_home *home, unsigned class_index, size_t n);

/* Unmake n of the depot's blocks, those last put there. */
void hnuma_home_unmake(struct hnuma_home *home, unsigned class_index, size_t n);

/* Free blocks of a class on this home, caches included. */
size_t hnuma_home_nr_free(const struct hnuma_home *home, unsigned class_index);

/* Fill a cache by half from the depot, drain it by half into it. `cpu`: as hnuma_cache_take(). */
void hnuma_home_fill(struct hnuma_home *home, struct hnuma_cache *cache, unsigned cpu,
		     unsigned class_index);
void hnuma_home_drain(struct hnuma_home *home, struct hnuma_cache *cache, unsigned cpu,
		      unsigned class_index);

/* Take every cache's blocks of one class to the depot; `all`: wait for caches that are in use. */
void hnuma_home_recall(struct hnuma_home *home, unsigned class_index, bool all);

/* Take a block out of service that is in no list, and was out a moment ago: counted as a drop. */
void hnuma_home_lose(struct hnuma_home *home, unsigned class_index, uint32_t block);

/* Take the free blocks of a class out of service whose numbers are first..last. */
void hnuma_home_withdraw(struct hnuma_home *home, unsigned class_index, uint32_t first,
			 uint32_t last);

/*
 * Put a page that is in no list into the one that its class, and what of it is made, say, and count it;
 * or take it out of there.
 */
void hnuma_home_enlist(struct hnuma_home *home, uint32_t page);
void hnuma_home_delist(struct hnuma_home *home, uint32_t page);

/* Unmake every free block. */
void hnuma_home_clear(struct hnuma_home *home);

/*
 * pool_retire.c: a block that was LEAVING a moment ago is released. Is it still? Then it is LOST from
 * now on; else another thread was the first to release it.
 */
bool hnuma_retire_let_go(struct hnuma_home *home, unsigned class_index, uint32_t block);

/*
 * pool_adopt.c: is what another process has left of a home sound, every page and block of it? Writes
 * nothing. Returns 0, or -EUCLEAN with the message set.
 */
int hnuma_adopt_check(const struct hnuma_home *home);

/*
 * pool_adopt.c: mark the pages of a home as out of service that numa/ground.h says have a memory error.
 *
 * @pages  where the home's pages begin in the region.
 */
void hnuma_adopt_give_up(struct hnuma_home *home, const struct hnuma_region *region, size_t pages);

/*
 * pool_adopt.c: take over what hnuma_adopt_check() found sound. The home is as pool_build.c has opened
 * it, with caches that are empty; its depots and lists are, too. What is LEAVING or OUT stays so, but
 * for what is OUT on a page out of service: that is LEAVING from now on. Nothing touches such a page.
 *
 * @is_clean  free blocks are to be zero.
 */
void hnuma_adopt_rebuild(struct hnuma_home *home, bool is_clean);

/* pool_build.c: the home of a node, HNUMA_NODE_LOCAL for the near one; NULL: not served. */
struct hnuma_home *hnuma_pool_home_of_node(const struct hnuma_pool *pool, int node);

#endif
