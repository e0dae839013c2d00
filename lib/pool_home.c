/* SPDX-License-Identifier: MIT */
/*
 * lib/pool_home.c - one node's part of a pool: dealing pages to classes, making and unmaking blocks,
 * depots. Every function needs the home's lock. Calls nothing outside the pool.
 */
#include "config.h"

#include <string.h>
#include <threads.h>

#include "lib/pool_books.h"
#include "lib/pool_cache.h"
#include "lib/pool_guard.h"
#include "numa/probe.h"

/* How often a claim is tried before its holder, who may have lost its CPU, gets time to finish. */
#define CLAIM_TRIES  100
#define CLAIM_NAP_NS 20000

/* Page lists: doubly linked by page number, so that a page leaves any list in one step. */

static void list_push(struct hnuma_home *home, uint32_t *head, uint32_t page)
{
	home->pages[page].previous = HNUMA_NO_PAGE;
	home->pages[page].next = *head;
	if (*head != HNUMA_NO_PAGE)
		home->pages[*head].previous = page;
	*head = page;
}

static void list_remove(struct hnuma_home *home, uint32_t *head, uint32_t page)
{
	const struct hnuma_page *p = &home->pages[page];

	if (p->previous != HNUMA_NO_PAGE)
		home->pages[p->previous].next = p->next;
	else
		*head = p->next;
	if (p->next != HNUMA_NO_PAGE)
		home->pages[p->next].previous = p->previous;
}

static uint32_t page_of(uint32_t block)
{
	return block >> (HNUMA_PAGE_SHIFT - HNUMA_BLOCK_SHIFT);
}

void hnuma_home_enlist(struct hnuma_home *home, uint32_t page)
{
	const unsigned class_index = home->page_classes[page];

	if (class_index != HNUMA_NO_CLASS) {
		struct hnuma_depot *depot = &home->depots[class_index];

		depot->nr_pages++;
		if (home->pages[page].made < hnuma_home_per_page(home, class_index))
			list_push(home, &depot->partial, page);
	} else if (!home->pages[page].is_lost) {
		list_push(home, &home->free_pages, page);
		home->nr_free_pages++;
	}
}

void hnuma_home_delist(struct hnuma_home *home, uint32_t page)
{
	const unsigned class_index = home->page_classes[page];

	if (class_index != HNUMA_NO_CLASS) {
		struct hnuma_depot *depot = &home->depots[class_index];

		depot->nr_pages--;
		if (home->pages[page].made < hnuma_home_per_page(home, class_index))
			list_remove(home, &depot->partial, page);
	} else if (!home->pages[page].is_lost) {
		list_remove(home, &home->free_pages, page);
		home->nr_free_pages--;
	}
}

/* Give a page of no class to a class. It joins the partial list: all its blocks are to be made. */
static void page_deal(struct hnuma_home *home, unsigned class_index)
{
	uint32_t page = home->free_pages;

	hnuma_home_delist(home, page);
	atomic_store_explicit(&home->page_classes[page], (unsigned char)class_index,
			      memory_order_relaxed);
	home->pages[page].hint = 0;
	hnuma_home_enlist(home, page);
	HNUMA_PROBE(pool_growth, home->node, class_index, home->depots[class_index].nr_pages,
		    home->nr_free_pages);
}

/* Make one block: its state is the caller's to set. There must be room for it. */
static uint32_t block_make(struct hnuma_home *home, unsigned class_index)
{
	struct hnuma_depot *depot = &home->depots[class_index];
	const uint32_t per_page = hnuma_home_per_page(home, class_index);
	struct hnuma_page *page;
	uint32_t first, block, index;

	if (depot->partial == HNUMA_NO_PAGE)
		page_deal(home, class_index);
	page = &home->pages[depot->partial];
	first = depot->partial * HNUMA_BLOCKS_PER_PAGE_MAX;
	/* The page is partial, so the search ends. */
	for (index = page->hint;; index = (index + 1) % per_page) {
		block = first + index * hnuma_home_step(home, class_index);
		if (hnuma_block_state(home, block) == HNUMA_BLOCK_UNMADE)
			break;
	}
	page->hint = (uint16_t)((index + 1) % per_page);
	page->made++;
	depot->made++;
	if (page->made == per_page)
		list_remove(home, &depot->partial, depot->partial);
	if (home->is_hardened)
		hnuma_guard_arm(home, class_index, block);
	/* What a state says is so before it says it: see pool_adopt.c, as for the fences below. */
	atomic_signal_fence(memory_order_release);
	return block;
}

/*
 * Unmake a block that is in no list. A page without made blocks goes back to no class. One that is out
 * of service keeps its own, and is not touched; so does one with a block that was overwritten.
 */
static void block_unmake(struct hnuma_home *home, unsigned class_index, uint32_t block)
{
	struct hnuma_depot *depot = &home->depots[class_index];
	uint32_t number = page_of(block);
	struct hnuma_page *page = &home->pages[number];

	if (page->is_lost || (home->is_hardened && !hnuma_guard_let_go(home, class_index, block))) {
		hnuma_block_set(home, block, HNUMA_BLOCK_LOST);
		depot->lost++;
		return;
	}
	hnuma_block_set(home, block, HNUMA_BLOCK_UNMADE);
	if (page->made == hnuma_home_per_page(home, class_index))
		list_push(home, &depot->partial, number);
	page->made--;
	depot->made--;
	if (page->made > 0)
		return;
	hnuma_home_delist(home, number);
	atomic_signal_fence(memory_order_release);
	atomic_store_explicit(&home->page_classes[number], HNUMA_NO_CLASS, memory_order_relaxed);
	hnuma_home_enlist(home, number);
}

static size_t nr_makeable(const struct hnuma_home *home, unsigned class_index)
{
	const struct hnuma_depot *depot = &home->depots[class_index];
	size_t pages = (size_t)depot->nr_pages + home->nr_free_pages;

	return pages * hnuma_home_per_page(home, class_index) - depot->made;
}

/* Note how many blocks are away from the depot now. */
static void mark_high_water(struct hnuma_depot *depot)
{
	uint64_t away = depot->made - depot->lost - depot->count;

	if (away > depot->high_water_mark)
		depot->high_water_mark = away;
}

size_t hnuma_home_nr_free(const struct hnuma_home *home, unsigned class_index)
{
	size_t nr_free = home->depots[class_index].count;

	for (unsigned cpu = 0; cpu < home->nr_cpus; cpu++)
		nr_free += hnuma_cache_depth(&home->cpus[cpu].caches[class_index]);
	return nr_free;
}

/* So many blocks were free that the depot did not know of when it last counted. */
static void lose_room(struct hnuma_depot *depot, uint64_t n)
{
	depot->room -= n < depot->room ? n : depot->room;
}

void hnuma_home_fill(struct hnuma_home *home, struct hnuma_cache *cache, unsigned cpu,
		     unsigned class_index)
{
	struct hnuma_depot *depot = &home->depots[class_index];
	unsigned n = (cache->limit + 1) / 2;

	if (n > depot->count)
		n = (unsigned)depot->count;
	if (n > 0 &&
	    hnuma_cache_put_many(home->uses_rseq, cache, cpu, depot->stack + depot->count - n, n)) {
		depot->count -= n;
		cache->filled += n;
		n = 0;
	}
	while (n-- > 0) {
		uint32_t block = depot->stack[depot->count - 1];

		if (!hnuma_cache_put(home->uses_rseq, cache, cpu, block))
			break;
		depot->count--;
		cache->filled++;
	}
	mark_high_water(depot);
	HNUMA_PROBE(pool_refill, home->node, class_index, cpu, hnuma_cache_depth(cache));
}

void hnuma_home_drain(struct hnuma_home *home, struct hnuma_cache *cache, unsigned cpu,
		      unsigned class_index)
{
	struct hnuma_depot *depot = &home->depots[class_index];
	const uint64_t before = depot->count;
	unsigned n = (cache->limit + 1) / 2;

	if (n > 0 && hnuma_cache_take_many(home->uses_rseq, cache, cpu, depot->stack + depot->count,
					   n, HNUMA_CACHE_TAKE_MOVE)) {
		depot->count += n;
		cache->drained += n;
		n = 0;
	}
	for (; n > 0; n--) {
		uint32_t block =
			hnuma_cache_take(home->uses_rseq, cache, cpu, HNUMA_CACHE_TAKE_MOVE);

		if (block == HNUMA_NO_BLOCK)
			break;
		depot->stack[depot->count++] = block;
		cache->drained++;
	}
	lose_room(depot, depot->count - before);
	HNUMA_PROBE(pool_drain, home->node, class_index, cpu, hnuma_cache_depth(cache));
}

/* Move all that a seized cache has to the depot, and give the cache back. */
static void cache_empty(struct hnuma_cache *cache, struct hnuma_depot *depot)
{
	const unsigned depth = hnuma_cache_depth(cache);

	for (unsigned i = 0; i < depth; i++)
		depot->stack[depot->count++] = cache->slots[i];
	cache->drained += depth;
	lose_room(depot, depth);
	/* Relaxed, as all that is done under a claim: giving it back is the release. */
	atomic_fetch_sub_explicit(&cache->word, depth, memory_order_relaxed);
	hnuma_cache_unclaim(cache);
}

/* Sleep rather than yield: a claim's holder may have a lower priority than we. */
static void nap(void)
{
	const struct timespec time = {0, CLAIM_NAP_NS};
	int previous;

	/* A thread that was cancelled here would keep the home's lock for ever. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &previous);
	thrd_sleep(&time, NULL);
	pthread_setcancelstate(previous, &previous);
}

/* Claim a cache. A holder needs a few instructions only, unless it has lost its CPU in between. */
static bool claim_patiently(struct hnuma_cache *cache, bool wait)
{
	do {
		for (unsigned i = 0; i < CLAIM_TRIES; i++) {
			if (hnuma_cache_claim(cache))
				return true;
		}
		if (wait)
			nap();
	} while (wait);
	return false;
}

static void recall_claiming(struct hnuma_home *home, unsigned class_index, bool all)
{
	for (unsigned i = 0; i < home->nr_cpus; i++) {
		struct hnuma_cache *cache = &home->cpus[i].caches[class_index];

		if ((all || hnuma_cache_depth(cache) > 0) && claim_patiently(cache, all))
			cache_empty(cache, &home->depots[class_index]);
	}
}

/* Under the lock nobody else claims, so all claims that are set are ours. */
static void recall_fencing(struct hnuma_home *home, unsigned class_index, bool all)
{
	unsigned nr_claimed = 0;
	bool is_fenced;

	for (unsigned i = 0; i < home->nr_cpus; i++) {
		struct hnuma_cache *cache = &home->cpus[i].caches[class_index];

		if (all || hnuma_cache_depth(cache) > 0)
			nr_claimed += hnuma_cache_claim(cache);
	}
	if (nr_claimed == 0)
		return;
	is_fenced = hnuma_rseq_fence() == 0;
	for (unsigned i = 0; i < home->nr_cpus; i++) {
		struct hnuma_cache *cache = &home->cpus[i].caches[class_index];

		if (atomic_load_explicit(&cache->claim, memory_order_relaxed) == 0)
			continue;
		if (is_fenced)
			cache_empty(cache, &home->depots[class_index]);
		else
			hnuma_cache_unclaim(cache);
	}
}

void hnuma_home_recall(struct hnuma_home *home, unsigned class_index, bool all)
{
	if (home->uses_rseq)
		recall_fencing(home, class_index, all);
	else
		recall_claiming(home, class_index, all);
}

/* The quarantine of a hardened home: the oldest block is the lowest. Only used under the lock. */
static struct hnuma_cache *quarantine_of(struct hnuma_home *home, unsigned class_index)
{
	return &home->cpus[home->nr_cpus - 1].caches[class_index];
}

/* Move the n oldest blocks, or as many as there are, to the depot. */
static void quarantine_end(struct hnuma_home *home, unsigned class_index, size_t n)
{
	struct hnuma_cache *cache = quarantine_of(home, class_index);
	struct hnuma_depot *depot = &home->depots[class_index];
	const unsigned depth = hnuma_cache_depth(cache);

	if (n > depth)
		n = depth;
	memcpy(depot->stack + depot->count, cache->slots, n * sizeof(cache->slots[0]));
	memmove(cache->slots, cache->slots + n, (depth - n) * sizeof(cache->slots[0]));
	depot->count += n;
	cache->drained += n;
	atomic_fetch_sub_explicit(&cache->word, n, memory_order_relaxed);
}

/* hnuma_home_give() where hardened. Above the cap it is the oldest free block that is unmade. */
static bool quarantine_give(struct hnuma_home *home, unsigned class_index, uint32_t block)
{
	struct hnuma_cache *cache = quarantine_of(home, class_index);
	struct hnuma_depot *depot = &home->depots[class_index];
	const bool is_above = hnuma_home_nr_free(home, class_index) >= home->buffers_per_class;

	if (hnuma_cache_depth(cache) == cache->limit || (is_above && depot->count == 0))
		quarantine_end(home, class_index, 1);
	if (is_above) {
		hnuma_home_unmake(home, class_index, 1);
		depot->drops++;
		/* As if the block had come from the depot: it is counted once only. */
		cache->filled++;
	}
	cache->slots[hnuma_cache_depth(cache)] = block;
	atomic_fetch_add_explicit(&cache->word, 1, memory_order_relaxed);
	return !is_above;
}

void hnuma_home_lose(struct hnuma_home *home, unsigned class_index, uint32_t block)
{
	hnuma_block_set(home, block, HNUMA_BLOCK_LOST);
	home->depots[class_index].lost++;
	home->depots[class_index].drops++;
}

void hnuma_home_withdraw(struct hnuma_home *home, unsigned class_index, uint32_t first,
			 uint32_t last)
{
	struct hnuma_depot *depot = &home->depots[class_index];
	uint64_t kept = 0;

	hnuma_home_recall(home, class_index, true);
	for (uint64_t i = 0; i < depot->count; i++) {
		uint32_t block = depot->stack[i];

		if (block >= first && block <= last) {
			hnuma_block_set(home, block, HNUMA_BLOCK_LOST);
			depot->lost++;
		} else {
			depot->stack[kept++] = block;
		}
	}
	depot->count = kept;
}

/* Unmake the blocks in a depot that lie on pages marked by reclaim_mark(). */
static void reclaim_sweep(struct hnuma_home *home, unsigned class_index)
{
	struct hnuma_depot *depot = &home->depots[class_index];
	uint64_t kept = 0;

	for (uint64_t i = 0; i < depot->count; i++) {
		uint32_t block = depot->stack[i];

		if (home->pages[page_of(block)].free == UINT32_MAX)
			block_unmake(home, class_index, block);
		else
			depot->stack[kept++] = block;
	}
	depot->count = kept;
}

/*
 * Mark up to `wanted` pages of other classes whose made blocks are all in depots. Returns how many. Looks at
 * the blocks in the depots, and at no page that none of them lies on: an acquire that fails costs little
 * where nothing is free, however many pages there are.
 */
static uint32_t reclaim_mark(struct hnuma_home *home, unsigned needy, uint32_t wanted)
{
	uint32_t marked = 0;

	for (unsigned c = 0; c < HNUMA_NR_CLASSES; c++) {
		const struct hnuma_depot *depot = &home->depots[c];

		if (c == needy)
			continue;
		for (uint64_t i = 0; i < depot->count; i++)
			home->pages[page_of(depot->stack[i])].free = 0;
		for (uint64_t i = 0; i < depot->count; i++) {
			struct hnuma_page *page = &home->pages[page_of(depot->stack[i])];

			if (++page->free == page->made && marked < wanted) {
				page->free = UINT32_MAX;
				marked++;
			}
		}
	}
	return marked;
}

/* Recalled for nothing: what is more than may be kept free would pile up from one recall to the next. */
static void trim(struct hnuma_home *home, unsigned class_index)
{
	const struct hnuma_depot *depot = &home->depots[class_index];

	if (depot->count > home->buffers_per_class)
		hnuma_home_unmake(home, class_index, depot->count - home->buffers_per_class);
}

/* Free up to `wanted` pages of other classes than the one that needs them. */
static void reclaim(struct hnuma_home *home, unsigned needy, uint32_t wanted)
{
	bool has_marked;

	for (unsigned c = 0; c < HNUMA_NR_CLASSES; c++) {
		if (c != needy)
			hnuma_home_recall(home, c, false);
	}
	has_marked = reclaim_mark(home, needy, wanted) > 0;
	for (unsigned c = 0; c < HNUMA_NR_CLASSES; c++) {
		if (c == needy)
			continue;
		if (has_marked)
			reclaim_sweep(home, c);
		trim(home, c);
	}
}

bool hnuma_home_gather(struct hnuma_home *home, unsigned class_index, size_t n)
{
	struct hnuma_depot *depot = &home->depots[class_index];
	const size_t per_page = hnuma_home_per_page(home, class_index);
	size_t have;

	if (depot->count >= n)
		return true;
	if (n > home->nr_pages * per_page)
		return false;
	if (depot->made - depot->lost + (n - depot->count) <= home->buffers_per_class &&
	    nr_makeable(home, class_index) >= n - depot->count)
		return true;
	if (home->is_hardened)
		quarantine_end(home, class_index, n - depot->count);
	else
		hnuma_home_recall(home, class_index, false);
	have = depot->count + nr_makeable(home, class_index);
	if (have < n) {
		reclaim(home, class_index, (uint32_t)((n - have + per_page - 1) / per_page));
		have = depot->count + nr_makeable(home, class_index);
	}
	if (have < n)
		trim(home, class_index);
	return have >= n;
}

void hnuma_home_take(struct hnuma_home *home, unsigned class_index, uint32_t *blocks, size_t n)
{
	struct hnuma_depot *depot = &home->depots[class_index];
	size_t from_depot = n < depot->count ? n : depot->count;

	for (size_t i = 0; i < from_depot; i++)
		blocks[i] = depot->stack[--depot->count];
	for (size_t i = from_depot; i < n; i++)
		blocks[i] = block_make(home, class_index);
	for (size_t i = 0; i < n; i++)
		hnuma_block_set(home, blocks[i], HNUMA_BLOCK_OUT);
	depot->hits += from_depot;
	depot->misses += n - from_depot;
	mark_high_water(depot);
}

/*
 * A machine can have hundreds of caches: they are not counted for each block, but when the room is used up
 * that there was at the last count. Blocks that come to the depot from a cache use it, too, as they got into
 * the cache since; so one CPU by itself keeps exactly what it may. Several may keep as many more as they
 * may have at hand.
 */
bool hnuma_home_give(struct hnuma_home *home, unsigned class_index, uint32_t block)
{
	struct hnuma_depot *depot = &home->depots[class_index];

	if (home->is_hardened)
		return quarantine_give(home, class_index, block);
	if (depot->room == 0) {
		size_t nr_free = hnuma_home_nr_free(home, class_index);

		if (nr_free < home->buffers_per_class)
			depot->room = home->buffers_per_class - nr_free;
	}
	if (depot->room == 0) {
		block_unmake(home, class_index, block);
		depot->drops++;
		return false;
	}
	depot->room--;
	depot->stack[depot->count++] = block;
	depot->returns++;
	return true;
}

bool hnuma_home_make(struct hnuma_home *home, unsigned class_index, size_t n)
{
	struct hnuma_depot *depot = &home->depots[class_index];

	if (nr_makeable(home, class_index) < n)
		return false;
	for (size_t i = 0; i < n; i++) {
		uint32_t block = block_make(home, class_index);

		hnuma_block_set(home, block, HNUMA_BLOCK_FREE);
		depot->stack[depot->count++] = block;
	}
	lose_room(depot, n);
	return true;
}

void hnuma_home_unmake(struct hnuma_home *home, unsigned class_index, size_t n)
{
	struct hnuma_depot *depot = &home->depots[class_index];

	for (; n > 0; n--)
		block_unmake(home, class_index, depot->stack[--depot->count]);
}

void hnuma_home_clear(struct hnuma_home *home)
{
	for (unsigned c = 0; c < HNUMA_NR_CLASSES; c++) {
		hnuma_home_recall(home, c, true);
		hnuma_home_unmake(home, c, home->depots[c].count);
	}
}
