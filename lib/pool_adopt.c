/* SPDX-License-Identifier: MIT */
/*
 * lib/pool_adopt.c - taking over what another process has left of a pool on one node. Calls
 * pool_home.c and pool_guard.c.
 *
 * Three things are believed: the class of a page, whether it is out of service, and the state of each
 * block. All else - caches, depots, lists, counters - is made anew from them: a block that was in a
 * cache or depot is FREE, and so is one that was in a thread's hands.
 *
 * Why these are right at whichever instruction each thread of that process has ended: a thread that
 * is killed has done all that stands before one instruction, and nothing that stands behind. Its
 * stores are in memory, whatever order they got there in, for nobody has looked meanwhile: so what
 * counts is the order of the program, which atomic_signal_fence() has the compiler keep. And a thread
 * that had a lock or a claim came after all that its holders before had done.
 *
 *	             in this order                       ended in between
 *	acquire      out of its list, OUT                FREE: nobody has been given it
 *	release      FREE, into a list                   FREE
 *	             FREE, cleared or armed, into a list FREE: so all free blocks are cleared or armed
 *	make         the page's class, armed, OUT or     a page that has a class and no block:
 *	             FREE                                it gets none
 *	unmake       UNMADE, the page has no class       the same
 *	retire       is_lost, then block by block        the rest is done here, as for a page that was
 *	                                                 found to be damaged
 *	lose         LOST                                -
 *
 * The class of a page changes only while all its blocks are UNMADE, so a state is always meant as
 * the class says. A process that ends while it takes a home over leaves it as sound as it was: what
 * is done here may be done again.
 */
#include "config.h"

#include <string.h>

#include "lib/pool_books.h"
#include "lib/pool_guard.h"
#include "numa/error.h"

static int refuse(const struct hnuma_home *home, uint32_t page, const char *what, unsigned value)
{
	return hnuma_error_set(
		-EUCLEAN, "node %d: the books of the pool are damaged: page %u of %u has %s %u",
		home->node, page, home->nr_pages, what, value);
}

static int check_page(const struct hnuma_home *home, uint32_t page)
{
	const unsigned class_index = home->page_classes[page];
	const bool has_class = class_index != HNUMA_NO_CLASS;
	unsigned char is_lost;
	uint32_t step = 1;

	if (has_class && class_index >= HNUMA_NR_CLASSES)
		return refuse(home, page, "the class", class_index);
	/* A bool that is neither may not even be read as one. */
	memcpy(&is_lost, &home->pages[page].is_lost, sizeof(is_lost));
	if (is_lost > 1)
		return refuse(home, page, "the mark of damage", is_lost);
	if (has_class)
		step = hnuma_home_step(home, class_index);
	for (uint32_t i = 0; i < HNUMA_BLOCKS_PER_PAGE_MAX; i++) {
		unsigned state = hnuma_block_state(home, page * HNUMA_BLOCKS_PER_PAGE_MAX + i);
		bool is_block = has_class && i % step == 0;

		if (state > (is_block ? HNUMA_BLOCK_LEAVING : HNUMA_BLOCK_UNMADE))
			return refuse(home, page, "a block in the state", state);
	}
	return 0;
}

int hnuma_adopt_check(const struct hnuma_home *home)
{
	int error = 0;

	for (uint32_t page = 0; page < home->nr_pages && !error; page++)
		error = check_page(home, page);
	return error;
}

void hnuma_adopt_give_up(struct hnuma_home *home, const struct hnuma_region *region, size_t pages)
{
	size_t at = pages;

	while ((at = hnuma_region_next_damaged(region, at)) < pages + home->size) {
		home->pages[(at - pages) >> HNUMA_PAGE_SHIFT].is_lost = true;
		at += HNUMA_HUGEPAGE;
	}
}

/* What the state of a block on a page that is out of service comes to be. */
static enum hnuma_block_state retired(enum hnuma_block_state state)
{
	if (state == HNUMA_BLOCK_OUT)
		return HNUMA_BLOCK_LEAVING;
	return state == HNUMA_BLOCK_LEAVING ? state : HNUMA_BLOCK_LOST;
}

/* A free block: into the depot, or LOST where somebody wrote behind its end. */
static enum hnuma_block_state take_free(struct hnuma_home *home, unsigned class_index,
					uint32_t block, bool is_clean)
{
	struct hnuma_depot *depot = &home->depots[class_index];

	if (home->is_hardened && !hnuma_guard_adopt(home, class_index, block))
		return HNUMA_BLOCK_LOST;
	if (is_clean)
		memset(hnuma_block_address(home, block), 0, hnuma_block_size(class_index));
	depot->stack[depot->count++] = block;
	return HNUMA_BLOCK_FREE;
}

static void take_page(struct hnuma_home *home, uint32_t number, bool is_clean)
{
	const unsigned class_index = home->page_classes[number];
	const uint32_t first = number * HNUMA_BLOCKS_PER_PAGE_MAX;
	struct hnuma_depot *depot = &home->depots[class_index];
	struct hnuma_page *page = &home->pages[number];

	for (uint32_t i = 0; i < HNUMA_BLOCKS_PER_PAGE_MAX;
	     i += hnuma_home_step(home, class_index)) {
		enum hnuma_block_state state = hnuma_block_state(home, first + i);

		if (page->is_lost)
			state = retired(state);
		else if (state == HNUMA_BLOCK_FREE)
			state = take_free(home, class_index, first + i, is_clean);
		hnuma_block_set(home, first + i, state);
		page->made += state != HNUMA_BLOCK_UNMADE;
		depot->lost += state == HNUMA_BLOCK_LOST;
	}
	depot->made += page->made;
	if (page->made == 0)
		home->page_classes[number] = HNUMA_NO_CLASS;
}

void hnuma_adopt_rebuild(struct hnuma_home *home, bool is_clean)
{
	/* Backwards, so that of pages that are alike the first ones are first in their list. */
	for (uint32_t i = home->nr_pages; i-- > 0;) {
		struct hnuma_page *page = &home->pages[i];

		page->made = 0;
		page->hint = 0;
		home->nr_lost_pages += page->is_lost;
		if (home->page_classes[i] != HNUMA_NO_CLASS)
			take_page(home, i, is_clean);
		hnuma_home_enlist(home, i);
	}
	for (unsigned c = 0; c < HNUMA_NR_CLASSES; c++) {
		struct hnuma_depot *depot = &home->depots[c];

		/* As if each block that is out had been made for an acquire. */
		depot->misses = depot->made - depot->lost - depot->count;
		depot->high_water_mark = depot->misses;
	}
}
