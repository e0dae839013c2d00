/* SPDX-License-Identifier: MIT */
/*
 * lib/pool_guard.h - what a hardened pool (HNUMA_HARDENED) does besides: guards, patterns, and blocks
 * that were found overwritten. For lib/pool*.c only.
 *
 * Behind each block lies a guard as long as the block, so a block keeps its whole size and alignment:
 *
 *	page | block, S bytes | guard, S bytes | block | guard | ..
 *
 *	FREE      pattern          pattern
 *	OUT       the caller's     pattern
 *	LOST      as it was found  as it was found
 *
 * The pattern is made of the pool's key and of each word's address - in the process that made the pool,
 * where another one has adopted it -, so what was copied from another block does not match either; and
 * none of its bytes is 0, which is what a string writes that is one
 * too long. It is written when a block is made and when it comes back, and looked at when a block
 * goes out (all of it), when it comes back (the guard), when it is unmade, by hnuma_pool_check()
 * (whatever nobody owns) and before the pool is destroyed. A block whose pattern is broken is LOST: it
 * is in no list any more.
 *
 * The fast paths know of nothing: the pool's fast_epoch is past, as for hygiene, and the caches that
 * CPUs find hold no block at all. All free blocks are in the depot or in the quarantine, which is a
 * cache like the others, the home's last, but no CPU's; so whatever counts, checks or recalls
 * caches needs to know nothing either. A block that comes back goes in at one end, and leaves at
 * the other when the quarantine is full, or when blocks are needed and none can be made.
 */
#ifndef HNUMA_LIB_POOL_GUARD_H
#define HNUMA_LIB_POOL_GUARD_H

#include "lib/pool_books.h"

/* Under the home's lock: write the pattern over a block that has just been made, and its guard. */
void hnuma_guard_arm(const struct hnuma_home *home, unsigned class_index, uint32_t block);

/*
 * Of a block that the caller has just taken: is it as it was armed? Then it is cleared. Else it is
 * LOST, the message says what was found, and the caller takes another.
 */
bool hnuma_guard_hand_out(struct hnuma_home *home, unsigned class_index, void *address);

/*
 * Of a block that the caller has just taken back and that is in no list: is its guard whole? Then it
 * is armed. Else it is LOST.
 *
 * @bad  receives the offset of the first byte that was overwritten.
 *
 * Returns 0 or -EUCLEAN; leaves the message to hnuma_guard_explain().
 */
int hnuma_guard_take_back(struct hnuma_home *home, unsigned class_index, uint32_t block,
			  size_t *bad);

/*
 * Of a free block that the process before has left: is its guard whole? Then it is armed anew, since
 * that process may have ended while it was writing the pattern. Else it is noted as overwritten, and
 * to be LOST. Under the home's lock, or before anybody else has the home.
 */
bool hnuma_guard_adopt(struct hnuma_home *home, unsigned class_index, uint32_t block);

/*
 * Under the home's lock, of a free block that is to be unmade: is it as it was armed? Else it was
 * noted, and the caller makes it LOST.
 */
bool hnuma_guard_let_go(struct hnuma_home *home, unsigned class_index, uint32_t block);

/* Sets the message of what was found at an offset of a block. Returns -EUCLEAN. */
int hnuma_guard_explain(const struct hnuma_home *home, unsigned class_index, uint32_t block,
			size_t bad);

/*
 * Under the home's lock: look at everything that nobody owns. All free blocks that were overwritten
 * are LOST. Returns 0, or -EUCLEAN with the message of the first one, also of one that others found
 * before.
 */
int hnuma_guard_check(struct hnuma_home *home);

#endif
