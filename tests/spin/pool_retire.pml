/* SPDX-License-Identifier: MIT */
/*
 * tests/spin/pool_retire.pml - a page of a pool is taken out of service while threads acquire and release.
 *
 *	lib/pool_retire.c	hnuma_pool_retire(), retire_once(), retire(), close_page(), hnuma_retire_let_go()
 *	lib/pool_home.c		hnuma_home_withdraw(), block_make(), block_unmake(), hnuma_home_take(),
 *				_give(), _lose()
 *	lib/pool.c		hnuma_pool_acquire(), _release(), take_from(), take_back(), give_to_home()
 *
 * What must hold: once hnuma_pool_retire() has returned 0, no call of acquire that begins then gives a
 * block of the page; a block has one owner at a time; of two threads that release it one is refused, also
 * where it is leaving; when all is quiet each block of the page is LOST and counted so, and each that is
 * free is in one list. Nobody waits for ever.
 *
 * To put a block into a cache, to take one, and to empty a cache are a step each, which pool_cache.pml and
 * pool_rseq.pml show them to be. Left out: what they leave out, and that retire gives up after a second.
 * Orders of memory: see README.md.
 */
#define THREADS	2
#define BLOCKS	3
#define ON_PAGE	2    /* blocks 0 and 1 are on the page that is retired */
#define KEEP	1    /* buffers_per_class */
#ifndef OPS
#define OPS	2 /* of each thread, after the race to release */
#endif
#define NONE	255

mtype = { UNMADE, FREE, OUT, LEAVING, LOST };

mtype states[BLOCKS];
bit lock; /* the home's */
byte depot[BLOCKS], count;
byte cached = NONE; /* the cache, of one slot */
bit is_lost;	    /* the page */
byte lost;	    /* the depot's count */

/* What the model knows besides. */
byte holder[BLOCKS];
byte tried, winners, ended;
bit is_retired; /* it was said */

#define IS_ON_PAGE(b)	((b) < ON_PAGE)
#define ACQUIRE_LOCK	atomic { lock == 0 -> lock = 1 }
#define RELEASE_LOCK	lock = 0

/* From the cache the state comes a step later: meanwhile the block is in this thread's hands, and FREE. */
inline take()
{
	atomic { block = cached; cached = NONE };
	if
	:: block != NONE -> states[block] = OUT
	:: else ->
		ACQUIRE_LOCK;
		atomic {
			if
			:: count > 0 -> count--; block = depot[count]; depot[count] = 0
			:: count == 0 && states[0] == UNMADE -> block = 0
			:: count == 0 && states[1] == UNMADE -> block = 1
			:: count == 0 && states[2] == UNMADE -> block = 2
			:: else -> block = NONE
			fi
		};
		if
		:: block != NONE -> states[block] = OUT
		:: else
		fi;
		RELEASE_LOCK
	fi
}

inline acquire()
{
	was_retired = is_retired;
	take();
	atomic {
		if
		:: block != NONE ->
			assert(!(was_retired && IS_ON_PAGE(block)));
			assert(holder[block] == 0);
			holder[block] = me
		:: else
		fi;
		was_retired = 0
	}
}

/* Above the cap, or where the page is lost: under the lock, and of a block that is in no list. */
inline unmake(which)
{
#ifdef WRONG_UNMADE_WHEN_LOST
	states[which] = UNMADE
#else
	d_step {
		if
		:: IS_ON_PAGE(which) && is_lost -> states[which] = LOST; lost++
		:: else -> states[which] = UNMADE
		fi
	}
#endif
}

inline give(which)
{
	/* Also not where there is room, as somebody else has the cache. */
	if
	:: atomic { cached == NONE -> cached = which; got = 1 }
	:: got = 0
	fi;
	if
	:: got
	:: else ->
		ACQUIRE_LOCK;
		if
		:: count + (cached != NONE) >= KEEP -> unmake(which)
		:: else -> atomic { depot[count] = which; count++ }
		fi;
		RELEASE_LOCK
	fi
}

/* hnuma_retire_let_go(). */
inline let_go(which)
{
#ifndef WRONG_LET_GO_UNLOCKED
	ACQUIRE_LOCK;
#endif
	got = (states[which] == LEAVING);
	if
	:: got -> states[which] = LOST; lost++
	:: else
	fi;
#ifndef WRONG_LET_GO_UNLOCKED
	RELEASE_LOCK
#endif
}

/* hnuma_pool_release(): is_taken says whether it was 0. */
inline release(which)
{
	atomic {
		is_leaving = (states[which] == LEAVING);
		got = (states[which] == OUT);
		if
		:: got -> states[which] = FREE
		:: else
		fi
	};
	is_taken = got;
	if
	:: got -> give(which)
#ifdef WRONG_LEAVING_COMES_BACK
	:: !got && is_leaving -> is_taken = 1; states[which] = FREE; give(which)
#else
	:: !got && is_leaving -> let_go(which); is_taken = got
#endif
	:: else
	fi;
	atomic { is_leaving = 0; got = 0 }
}

proctype thread(byte me)
{
	byte block, mine, ops;
	bit got, is_leaving, is_taken, was_retired;

	/* Block 0 is out, and everybody releases it. */
	release(mine);
	atomic { winners = winners + is_taken; is_taken = 0; tried++ };
	atomic { tried == THREADS -> assert(winners == 1) };
	do
	:: ops < OPS ->
		ops++;
		acquire();
		if
		:: block != NONE ->
			atomic { mine = block; assert(holder[mine] == me); holder[mine] = 0 };
			release(mine);
			assert(is_taken)
		:: else
		fi;
		atomic { block = 0; mine = 0; is_taken = 0 }
	:: else -> break
	od;
	ended++
}

/* OUT -> LEAVING, or in somebody's hands. */
inline let_leave(which)
{
#ifdef WRONG_LEAVING_STORED
	if
	:: states[which] == OUT -> states[which] = LEAVING
	:: else -> in_hands = in_hands + (states[which] == FREE)
	fi
#else
	atomic {
		if
		:: states[which] == OUT -> states[which] = LEAVING
		:: else -> in_hands = in_hands + (states[which] == FREE)
		fi
	}
#endif
}

/* Only where the lock is held, which keeps all but caches and states from changing. */
inline retire_once()
{
	ACQUIRE_LOCK;
	if
	:: is_lost
	:: else ->
		is_lost = 1;
#ifndef WRONG_NOT_CLOSED
		for (i : 0 .. ON_PAGE - 1) {
			if
			:: states[i] == UNMADE -> states[i] = LOST; lost++
			:: else
			fi
		}
#endif
	fi;
	/* Recalled. */
	atomic {
		if
		:: cached != NONE -> depot[count] = cached; count++; cached = NONE
		:: else
		fi
	};
	atomic {
		kept = 0;
		i = 0;
		do
		:: i < count ->
			if
			:: IS_ON_PAGE(depot[i]) -> states[depot[i]] = LOST; lost++
			:: else -> depot[kept] = depot[i]; kept++
			fi;
			i++
		:: else -> break
		od;
		count = kept;
		do
		:: kept < BLOCKS -> depot[kept] = 0; kept++
		:: else -> break
		od;
		kept = 0;
		i = 0
	};
	in_hands = 0;
	let_leave(0);
	let_leave(1);
	RELEASE_LOCK
}

proctype retirer()
{
	byte i, kept, in_hands;

	do
	:: retire_once();
		if
		:: in_hands == 0 -> break
#ifdef WRONG_ONE_ROUND
		:: else -> break
#else
		:: else
#endif
		fi
	od;
	is_retired = 1;
	in_hands = 0;
	ended++
}

/* When all is quiet. */
proctype checker()
{
	byte i, lists[BLOCKS], nr_lost;

	atomic {
		ended == THREADS + 1;
		for (i : 0 .. BLOCKS - 1) {
			if
			:: i < count -> lists[depot[i]]++
			:: else
			fi
		}
		if
		:: cached != NONE -> lists[cached]++
		:: else
		fi;
		for (i : 0 .. BLOCKS - 1) {
			assert(lists[i] == (states[i] == FREE -> 1 : 0));
			assert(!IS_ON_PAGE(i) || states[i] == LOST);
			nr_lost = nr_lost + (states[i] == LOST)
		}
		assert(nr_lost == lost)
	}
}

init {
	byte i;

	atomic {
		for (i : 0 .. BLOCKS - 1) {
			states[i] = UNMADE
		}
		states[0] = OUT;
		states[1] = FREE;
		cached = 1;
		run thread(1);
		run thread(2);
		run retirer();
		run checker()
	}
}
