/* SPDX-License-Identifier: MIT */
/*
 * tests/spin/pool_cache.pml - a pool's caches worked by claims, its depot, and recalling.
 *
 *	lib/pool_cache.h	hnuma_cache_claim(), _unclaim(), _take_claiming(), _put_claiming()
 *	lib/pool.c		take_from(), give_to_home()
 *	lib/pool_spot.h		hnuma_spot_take_back()
 *	lib/pool_home.c		hnuma_home_gather(), _take(), _give(), _fill(), _drain(), _clear(),
 *				recall_claiming(), cache_empty()
 *
 * What must hold: a block has one owner at a time; of two threads that release it one is refused; in
 * the end each free block is in exactly one list and the counts agree; nobody waits for ever.
 *
 * Several blocks at a time are put and taken under one claim, as one is. Hardened pools are not modelled.
 * Left out: addresses, page lists, other classes and homes (a thread that knows no CPU goes to the
 * depot as one whose claim fails); a claim that is tried a hundred times may fail at any time at which
 * somebody else has it. A thread may be on another CPU at each step. Orders of memory: see README.md.
 */
#define THREADS 2
#define CPUS	2
#define BLOCKS	2
#define LIMIT	1 /* of a cache */
#define KEEP	1 /* buffers_per_class */
#ifndef OPS
#define OPS	1 /* of each thread, after the race to release */
#endif
#define NONE	255

mtype = { UNMADE, FREE, OUT };

typedef cache_type {
	bit claim;
	byte depth, hits; /* the word: always written together */
	byte slots[LIMIT];
	byte filled, drained;
};

cache_type caches[CPUS];
mtype states[BLOCKS];
bit lock; /* the home's */
byte depot[BLOCKS], count, made, room;
byte hits, misses, returns, drops; /* the depot's */

/* What the model knows besides: who has a block, and the race's outcome. */
byte holder[BLOCKS];
byte tried, winners, ended;

#define ACQUIRE_LOCK	atomic { lock == 0 -> lock = 1 }
#define RELEASE_LOCK	lock = 0

inline choose_cpu()
{
	if
	:: cpu = 0
	:: cpu = 1
	fi
}

inline cache_claim(c)
{
	if
	:: atomic { caches[c].claim == 0 -> caches[c].claim = 1; got = 1 }
	:: atomic { caches[c].claim != 0 -> got = 0 }
	fi
}

/* hits_more: 1 for a take that hands out, 0 for one that moves to the depot. */
inline cache_take(c, hits_more)
{
	block = NONE;
	cache_claim(c);
	if
	:: got ->
		atomic {
			depth = caches[c].depth;
			if
			:: depth > 0 -> block = caches[c].slots[depth - 1]
			:: else
			fi
		};
#ifdef WRONG_UNCLAIM_EARLY
		caches[c].claim = 0;
#endif
		atomic {
			if
			:: depth > 0 -> caches[c].depth = depth - 1; caches[c].hits = caches[c].hits + hits_more
			:: else
			fi;
			depth = 0
		};
		caches[c].claim = 0
	:: else
	fi
}

inline cache_put(c, which)
{
	cache_claim(c);
	if
	:: got ->
		depth = caches[c].depth;
		if
		:: depth < LIMIT ->
			caches[c].slots[depth] = which;
			atomic { caches[c].depth = depth + 1; depth = 0 }
		:: else -> atomic { got = 0; depth = 0 }
		fi;
		caches[c].claim = 0
	:: else
	fi
}

inline cache_empty(c)
{
	atomic {
		depth = caches[c].depth;
		do
		:: i < depth ->
			depot[count] = caches[c].slots[i];
			count++;
			i++
		:: else -> i = 0; break
		od
	};
	atomic {
		caches[c].drained = caches[c].drained + depth;
		room = (depth < room -> room - depth : 0);
		caches[c].depth = caches[c].depth - depth;
		depth = 0
	};
	caches[c].claim = 0
}

/* all: wait for caches that are in use, also where nothing seems to be in them. */
inline recall(all)
{
	c = 0;
	do
	:: c < CPUS ->
		if
		:: all || caches[c].depth > 0 ->
#ifdef WRONG_RECALL_UNCLAIMED
			caches[c].claim = 1; got = 1;
#else
			if
			:: atomic { caches[c].claim == 0 -> caches[c].claim = 1; got = 1 }
			:: atomic { !all && caches[c].claim != 0 -> got = 0 }
			fi;
#endif
			if
			:: got -> cache_empty(c)
			:: else
			fi
		:: else
		fi;
		atomic { c++; got = 0 }
	:: else -> c = 0; break
	od
}

/* Under the lock; the state is the caller's to set. */
inline block_make()
{
	d_step {
		block = 0;
		do
		:: states[block] != UNMADE -> block++
		:: else -> break
		od;
		made++
	}
}

inline hand_out()
{
	d_step {
		assert(holder[block] == 0);
		assert(states[block] != OUT);
		states[block] = OUT;
		holder[block] = me
	}
}

inline acquire()
{
	choose_cpu();
	cache_take(cpu, 1);
	if
	:: block != NONE -> hand_out()
	:: else ->
		ACQUIRE_LOCK;
		if
		:: count == 0 && !(made + 1 <= KEEP && made < BLOCKS) -> recall(0)
		:: else
		fi;
		if
		:: atomic { count > 0 ->
			count--;
			block = depot[count];
			depot[count] = 0;
			hand_out();
			hits++ }
		:: atomic { count == 0 && made < BLOCKS ->
			block_make();
			hand_out();
			misses++ }
		:: else -> block = NONE
		fi;
		if
		:: block != NONE && count > 0 ->
			choose_cpu();
			cache_put(cpu, depot[count - 1]);
			if
			:: got -> d_step { count--; depot[count] = 0; caches[cpu].filled++; got = 0 }
			:: else
			fi
		:: else
		fi;
		RELEASE_LOCK
	fi
}

/* The exchange OUT -> FREE. */
inline take_back(which)
{
#ifdef WRONG_RELEASE_TWICE
	got = (states[which] == OUT);
	if
	:: got -> states[which] = FREE
	:: else
	fi
#else
	d_step {
		got = (states[which] == OUT);
		if
		:: got -> states[which] = FREE
		:: else
		fi
	}
#endif
}

/* As hnuma_home_nr_free(): the caches one by one, while others work on them. */
inline count_free()
{
	nr_free = count + caches[0].depth;
	nr_free = nr_free + caches[1].depth
}

/* A block that was taken back goes into a list. */
inline give(which)
{
	choose_cpu();
	cache_put(cpu, which);
	if
	:: got
	:: else ->
		ACQUIRE_LOCK;
		if
		:: room == 0 ->
			count_free();
			d_step { room = (nr_free < KEEP -> KEEP - nr_free : 0); nr_free = 0 }
		:: else
		fi;
		if
		:: room == 0 ->
			d_step { states[which] = UNMADE; made--; drops++ }
		:: else ->
			d_step { room--; depot[count] = which; count++; returns++ };
			if
			:: caches[cpu].depth >= LIMIT ->
				cache_take(cpu, 0);
				if
				:: block != NONE ->
					d_step {
						depot[count] = block;
						count++;
						caches[cpu].drained++;
						room = (room > 0 -> room - 1 : 0)
					}
				:: else
				fi
			:: else
			fi
		fi;
		RELEASE_LOCK
	fi
}

proctype thread(byte me)
{
	byte cpu, block, depth, i, c, ops, mine, nr_free;
	bit got;

	/* Block 0 is out, and everybody releases it. */
	take_back(0);
	atomic { winners = winners + got; tried++ };
	if
	:: got -> give(0)
	:: else
	fi;
	atomic { tried == THREADS -> assert(winners == 1) };

	do
	:: ops < OPS ->
		ops++;
		acquire();
		if
		:: block != NONE ->
			mine = block;
			assert(holder[mine] == me);
			d_step { holder[mine] = 0 };
			take_back(mine);
			assert(got);
			give(mine)
		:: else
		fi;
		d_step { mine = 0; block = 0; cpu = 0; got = 0 }
	:: else -> break
	od;
	ended++
}

/* hnuma_pool_clear() by somebody else. */
proctype clearer()
{
	byte depth, i, c;
	bit got;

	ACQUIRE_LOCK;
	recall(1);
	do
	:: count > 0 ->
		d_step {
			count--;
			assert(states[depot[count]] == FREE);
			states[depot[count]] = UNMADE;
			made--
		}
	:: else -> break
	od;
	RELEASE_LOCK;
	ended++
}

/* hnuma_pool_check(), when all is quiet. */
proctype checker()
{
	byte i, j, lists[BLOCKS], nr_free, cached_puts;

	ended == THREADS + 1;
	d_step {
		for (i : 0 .. BLOCKS - 1) {
			if
			:: states[i] == FREE -> nr_free++
			:: else
			fi
		}
		assert(nr_free == made); /* nobody has one any more */
		i = 0;
		do
		:: i < count -> lists[depot[i]]++; i++
		:: else -> break
		od;
		for (i : 0 .. CPUS - 1) {
			j = 0;
			do
			:: j < caches[i].depth -> lists[caches[i].slots[j]]++; j++
			:: else -> break
			od;
			hits = hits + caches[i].hits;
			/* What came into a cache: see lib/pool_count.h. */
			returns = returns + caches[i].depth + caches[i].hits + caches[i].drained - caches[i].filled
		}
		for (i : 0 .. BLOCKS - 1) {
			assert(lists[i] == (states[i] == FREE -> 1 : 0))
		}
		/* In use: made - free = hits + misses - returns - drops; block 0 was a miss. */
		assert(hits + misses + 1 == returns + drops)
	}
}

init {
	byte i;

	atomic {
		for (i : 0 .. BLOCKS - 1) {
			states[i] = UNMADE
		}
		states[0] = OUT;
		made = 1;
		run thread(1);
		run thread(2);
		run clearer();
		run checker()
	}
}
