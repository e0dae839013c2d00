/* SPDX-License-Identifier: MIT */
/*
 * tests/spin/scratch_claim.pml - who has which space of a scratch: threads, a signal's handler in any of
 * them, their ends, and destroying the scratch.
 *
 *	lib/claim.c	enter(), leave(), claim(), give_back(), claim_on(), claim_near(), borrow(),
 *			hnuma_scratch_acquire(), _release(), pin(), end_thread(), hnuma_claim_close(),
 *			hnuma_claim_delist()
 *
 * What must hold: two claims never alias, not even a handler's and its own thread's; a handler that
 * interrupts a call is refused; with as many spaces as threads nobody is told that all are taken, though
 * a search may meet each of them while another thread has it; what a thread leaves behind comes home;
 * no thread that ends touches a scratch that was freed; nobody waits for ever.
 *
 * As in the library nobody destroys a scratch that others may still call, but for ending. Left out:
 * epochs, poison, affinity, nodes other than one, a CPU's own space (a search may begin at any). The
 * turn of a claim has 6 bits in the library and never wraps here. Orders of memory: see README.md.
 */
#define THREADS	2
#define SPACES	2
#ifndef OPS
#define OPS	4 /* of thread 1; thread 0, whose handler comes, does one */
#endif
#define NOBODY	0
#define CLOSED	1
#define MINE	(2 + me * 16) /* an owner is this plus the turn */
#define NONE	255

byte owner[SPACES];
bit is_held[SPACES];
bit list_lock, is_listed = 1;

/* struct claimant */
bit is_inside[THREADS];
byte nr_claims[THREADS], turn[THREADS], pinned[THREADS];

/* What the model knows besides. */
bit in_handler[THREADS], is_ending[THREADS];
byte user[SPACES], over;
bit is_freed;

#define IS_MINE(which)	((owner[which] & ~15) == (MINE & ~15) && owner[which] > CLOSED)

/* The caller's from here on: with another one, there would be two. */
inline begin_use()
{
	d_step {
		assert(!is_freed);
		assert(user[space] == 0);
		user[space] = 1 + who;
		is_held[space] = 1
	}
}

/* One look at a space: it is taken, or seen. */
inline look_at(nth)
{
	if
	:: atomic { owner[nth] == NOBODY -> owner[nth] = MINE + turn[me]; space = nth }
	:: atomic { owner[nth] != NOBODY -> picture = picture * 64 + owner[nth] }
	fi
}

/* Until two searches in a row saw the same. */
inline claim_near()
{
	if
	:: first = 0
	:: first = 1
	fi;
	do
	:: atomic { last = picture; picture = 0 };
		look_at(first);
		if
		:: space == NONE -> look_at(1 - first)
		:: else
		fi;
		if
#ifdef WRONG_ONE_SEARCH
		:: true -> break
#else
		:: space != NONE || picture == last -> break
		:: else
#endif
		fi
	od;
	assert(space != NONE);
	atomic {
#ifndef WRONG_NO_TURN
		turn[me]++;
#endif
		nr_claims[me]++;
		picture = 0;
		last = 0;
		first = 0
	}
}

/* hnuma_scratch_acquire(): space is what it returns, NONE for EBUSY and ENOMEM alike. */
inline acquire()
{
	space = NONE;
	/* Pinned: loads and stores only. */
	if
	:: is_inside[me]
	:: else ->
		is_inside[me] = 1;
		if
		:: pinned[me] != NONE ->
			if
			:: !is_held[pinned[me]] -> space = pinned[me]; begin_use()
			:: else
			fi
		:: else
		fi;
		is_inside[me] = 0
	fi;
	if
	:: space != NONE
	:: else ->
#ifdef WRONG_NOT_INSIDE
		if
#else
		if
		:: is_inside[me]
#endif
		:: else ->
			is_inside[me] = 1;
			if
			:: nr_claims[me] > 0 -> assert((IS_MINE(0) && is_held[0]) || (IS_MINE(1) && is_held[1]))
			:: else -> claim_near(); begin_use()
			fi;
			is_inside[me] = 0
		fi
	fi
}

/* hnuma_scratch_release() of what is held; EBUSY cannot be, as handlers release what they acquire. */
inline release()
{
	d_step { assert(user[space] == 1 + who); user[space] = 0 };
	assert(!is_inside[me]);
	is_inside[me] = 1;
	assert(IS_MINE(space) && is_held[space]);
	if
	:: pinned[me] == space -> is_held[space] = 0
	:: else ->
		nr_claims[me]--;
		is_held[space] = 0;
		owner[space] = NOBODY
	fi;
	is_inside[me] = 0;
	space = 0
}

/* The destructor of a thread's key. */
inline end_thread()
{
	is_inside[me] = 1;
	pinned[me] = NONE;
	if
	:: nr_claims[me] > 0 ->
		nr_claims[me] = 0;
#ifndef WRONG_NO_LIST_LOCK
		atomic { list_lock == 0 -> list_lock = 1 };
#endif
		if
		:: is_listed ->
			at = 0;
			do
			:: at < SPACES ->
				assert(!is_freed);
				if
				:: IS_MINE(at) ->
					is_held[at] = 0;
					owner[at] = NOBODY
				:: else
				fi;
				at++
			:: else -> at = 0; break
			od
		:: else
		fi;
		list_lock = 0
	:: else
	fi;
	is_inside[me] = 0
}

proctype thread(byte me; byte ops) provided (!in_handler[me])
{
	byte space, at, first, who;
	short picture, last;

	who = me * 2;
	/* pin(), or not. */
	if
	:: space = NONE;
		is_inside[me] = 1;
		if
		:: nr_claims[me] > 0 /* what its handler kept */
		:: else -> claim_near(); pinned[me] = space
		fi;
		is_inside[me] = 0
	:: true
	fi;
	do
	:: ops > 0 ->
		ops--;
		acquire();
		if
		:: space == NONE
		:: space != NONE -> release()
		:: space != NONE && ops == 0 -> break /* ends with it */
		fi
	:: else -> break
	od;
	atomic {
		is_ending[me] = 1;
		for (at : 0 .. SPACES - 1) {
			if
			:: (user[at] + 1) / 2 == me + 1 -> user[at] = 0
			:: else
			fi
		}
		at = 0
	};
	end_thread();
	over++
}

/* Comes at any instruction of its thread, once or never, and lets it go on when it returns. */
proctype handler(byte me)
{
	byte space, first, who;
	short picture, last;

	who = me * 2 + 1;
end:	atomic { !is_ending[me] -> in_handler[me] = 1 };
	/* What its thread holds it may not be given, and begin_use() says so. */
	acquire();
	if
	:: space != NONE -> release()
	:: true /* it keeps what it got, and its thread is refused from then on */
	fi;
	in_handler[me] = 0
}

/* hnuma_scratch_destroy(), until it is no longer refused. */
proctype destroyer()
{
	byte nr_taken, at;

	is_ending[0] && is_ending[1];
	do
	:: nr_taken = 0;
		at = 0;
		do
		:: at < SPACES ->
			atomic {
				if
				:: owner[at] == NOBODY -> owner[at] = CLOSED
				:: else -> nr_taken++
				fi
			};
			at++
		:: else -> break
		od;
		if
		:: nr_taken == 0 -> break
		:: else
		fi;
		at = 0;
		do
		:: at < SPACES ->
			atomic {
				if
				:: owner[at] == CLOSED -> owner[at] = NOBODY
				:: else
				fi
			};
			at++
		:: else -> break
		od
	od;
	atomic { list_lock == 0 -> list_lock = 1 };
	is_listed = 0;
	list_lock = 0;
	is_freed = 1;
	over == THREADS;
	assert(user[0] == 0 && user[1] == 0)
}

init {
	atomic {
		pinned[0] = NONE;
		pinned[1] = NONE;
		run thread(0, 1);
		run thread(1, OPS);
		run handler(0);
		run destroyer()
	}
}
