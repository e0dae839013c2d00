/* SPDX-License-Identifier: MIT */
/*
 * lib/pool_retire.c - taking a damaged page out of service while the rest works. Calls pool_home.c.
 */
#include "config.h"

#include <threads.h>

#include "lib/pool_books.h"
#include "numa/error.h"
#include "numa/process.h"

/* How often, and how far apart, a thread that has a block in its hands is waited for: a second. */
#define TRIES  5000
#define NAP_NS 200000

bool hnuma_retire_let_go(struct hnuma_home *home, unsigned class_index, uint32_t block)
{
	bool is_leaving;

	pthread_mutex_lock(&home->lock);
	is_leaving = hnuma_block_state(home, block) == HNUMA_BLOCK_LEAVING;
	if (is_leaving)
		hnuma_home_lose(home, class_index, block);
	pthread_mutex_unlock(&home->lock);
	return is_leaving;
}

/* The home whose pages have the address; NULL: none. */
static struct hnuma_home *home_of(const struct hnuma_pool *pool, const void *address)
{
	for (unsigned i = 0; i < pool->nr_homes; i++) {
		struct hnuma_home *home = &pool->homes[i];

		if ((uintptr_t)address - (uintptr_t)home->base < home->size)
			return home;
	}
	return NULL;
}

/* A page in no list: from now on it is out of service, and if it has a class full, so that no block is made. */
static void close_page(struct hnuma_home *home, uint32_t number)
{
	const unsigned class_index = home->page_classes[number];
	const uint32_t first = number * HNUMA_BLOCKS_PER_PAGE_MAX;
	const uint32_t behind = first + HNUMA_BLOCKS_PER_PAGE_MAX;
	struct hnuma_page *page = &home->pages[number];

	page->is_lost = true;
	/* For pool_adopt.c. */
	atomic_signal_fence(memory_order_release);
	home->nr_lost_pages++;
	if (class_index == HNUMA_NO_CLASS)
		return;
	for (uint32_t block = first; block < behind; block += hnuma_home_step(home, class_index)) {
		if (hnuma_block_state(home, block) != HNUMA_BLOCK_UNMADE)
			continue;
		hnuma_block_set(home, block, HNUMA_BLOCK_LOST);
		page->made++;
		home->depots[class_index].made++;
		home->depots[class_index].lost++;
	}
}

/*
 * Take a page out of service, or go on with it: what is free on it or not made is LOST, what is out
 * is LEAVING. Returns how many blocks are neither, since a thread that is inside acquire or
 * release has them in its hands. Touches nothing on the page.
 *
 * Why no thread can bring a block of the page back into use, although acquire and release look at
 * the block's state only. A block that is free and in no list is in the hands of a thread: one that
 * released it is about to put it into a list, where the next round finds it; one that acquires
 * it is about to say OUT. A block that is OUT becomes LEAVING by an exchange, of which the release
 * that expects OUT is the other side: one of the two comes first. Neither LEAVING nor LOST ever
 * becomes FREE. So the page is done with when a round finds no block FREE.
 */
static uint32_t retire(struct hnuma_home *home, uint32_t page)
{
	const unsigned class_index = home->page_classes[page];
	const uint32_t first = page * HNUMA_BLOCKS_PER_PAGE_MAX;
	const uint32_t last = first + HNUMA_BLOCKS_PER_PAGE_MAX - 1;
	uint32_t in_hands = 0;

	if (!home->pages[page].is_lost) {
		hnuma_home_delist(home, page);
		close_page(home, page);
		hnuma_home_enlist(home, page);
	}
	if (class_index == HNUMA_NO_CLASS)
		return 0;
	hnuma_home_withdraw(home, class_index, first, last);
	for (uint32_t block = first; block <= last; block += hnuma_home_step(home, class_index)) {
		unsigned char was = HNUMA_BLOCK_OUT;

		if (!atomic_compare_exchange_strong_explicit(
			    &home->states[block].is, &was, HNUMA_BLOCK_LEAVING,
			    memory_order_relaxed, memory_order_relaxed))
			in_hands += was == HNUMA_BLOCK_FREE;
	}
	return in_hands;
}

/*
 * Returns 0, 1 (blocks are in somebody's hands), or -EALREADY where there is nothing left to do. The
 * lock is given up between rounds: a thread that could not put its block into a cache wants it.
 */
static int retire_once(struct hnuma_home *home, uint32_t page, bool is_first)
{
	bool was_lost;
	uint32_t in_hands;

	pthread_mutex_lock(&home->lock);
	was_lost = home->pages[page].is_lost;
	in_hands = retire(home, page);
	pthread_mutex_unlock(&home->lock);
	if (in_hands > 0)
		return 1;
	return was_lost && is_first ? -EALREADY : 0;
}

int hnuma_pool_retire(struct hnuma_pool *pool, const void *address)
{
	const struct timespec nap = {0, NAP_NS};
	struct hnuma_home *home;
	uint32_t page;
	int result;

	if (!pool)
		return hnuma_error_set(-EINVAL, "pool is NULL");
	if (hnuma_process_is_child_of(pool->epoch))
		return hnuma_process_refuse("pool");
	home = home_of(pool, address);
	if (!home)
		return hnuma_error_set(
			-EFAULT,
			"%p is in no page that this pool has for blocks: if it is in "
			"its region all the same, then in its books, which it cannot do "
			"without",
			address);
	page = (uint32_t)(((uintptr_t)address - (uintptr_t)home->base) >> HNUMA_PAGE_SHIFT);
	result = retire_once(home, page, true);
	for (int i = 0; result > 0 && i < TRIES; i++) {
		thrd_sleep(&nap, NULL);
		result = retire_once(home, page, false);
	}
	if (result > 0)
		return hnuma_error_set(
			-EAGAIN,
			"the page of %p on node %d is out of service, but for blocks that "
			"a thread has taken and not yet handed out, or not yet given "
			"back: call again",
			address, home->node);
	if (result < 0)
		return hnuma_error_set(result,
				       "the page of %p on node %d is out of service already",
				       address, home->node);
	return 0;
}
