/* SPDX-License-Identifier: MIT */
/*
 * tests/spin/region_atlas.pml - which region is an address in, asked while regions come and go.
 *
 *	numa/atlas.c	chunk_after(), hnuma_atlas_claim(), _show(), _hide(), _unhide(), _free(), look(),
 *			hnuma_region_of()
 *
 * What must hold: a slot is one region's at a time; what is found is all of one region, and that was shown
 * at some moment of the call; a region that is shown during the whole call is found. Nobody waits.
 *
 * A chunk has one slot here, and that of the first is taken, so that chunks are added, too. A region's words are two: its base, which is
 * its owner's and by which it is looked for, and its number, which stands for the rest and comes once. Left
 * out: fork(). A signal's handler only looks, so it is a reader like any other. Orders of memory: see
 * README.md.
 */
#define OWNERS	2
#define CHUNKS	4 /* the first one, one for each owner, and one that is made in vain */
#ifndef ROUNDS
#define ROUNDS	2 /* regions of owner 1, one after the other; owner 2 has one */
#endif
#ifndef LOOKS
#define LOOKS	1
#endif

#define FREE	0
#define HELD	1
#define SHOWN	2
#define STATES	4

/* struct chunk, with its one slot. Chunk 0 is there; the others calloc() gives, in turn. */
byte next[CHUNKS], sequence[CHUNKS], base[CHUNKS], number[CHUNKS];
byte nr_made = 1;

/* What the model knows besides. */
byte owner[CHUNKS];		   /* of the slot; 0: nobody's */
byte shown[OWNERS + 1];		   /* the number of the owner's region that is shown; 0: none */
byte asked;			   /* whose address somebody looks for; 0: nobody does */
bit was_hidden;			   /* while it is looked for */
bit was_shown[OWNERS * ROUNDS + 1]; /* the same, by the region's number */

#define NOTE_SHOWN	shown[me] = mine; was_shown[mine] = (asked == me)

/* The next chunk, which is made when there is none. */
inline chunk_after()
{
	after = next[chunk];
	if
	:: after != 0
	:: else ->
		atomic { after = nr_made; nr_made++; assert(after < CHUNKS) };
#ifdef WRONG_CHUNK_STORED
		next[chunk] = after
#else
		d_step {
			if
			:: next[chunk] == 0 -> next[chunk] = after
			:: else -> after = next[chunk] /* and ours is given back */
			fi
		}
#endif
	fi;
	atomic { chunk = after; after = 0 }
}

inline claim()
{
	do
	:: seen = sequence[chunk];
		if
		:: seen % STATES == FREE ->
#ifdef WRONG_CLAIM_STORED
			sequence[chunk] = seen + HELD - FREE;
			got = 1;
#else
			d_step {
				got = (sequence[chunk] == seen);
				if
				:: got -> sequence[chunk] = seen + HELD - FREE
				:: else
				fi
			};
#endif
			if
			:: got -> break
			:: else
			fi
		:: else
		fi;
		seen = 0;
		chunk_after()
	od;
	atomic {
		assert(owner[chunk] == 0);
		owner[chunk] = me;
		got = 0;
		seen = 0
	}
}

/* Only the slot's owner moves it on. */
#ifdef WRONG_SEQUENCE_RETURNS
#define MOVE_ON(steps)	sequence[chunk] = (sequence[chunk] + (steps)) % STATES
#else
#define MOVE_ON(steps)	sequence[chunk] = sequence[chunk] + (steps)
#endif

inline show_region()
{
#ifdef WRONG_SHOWN_FIRST
	atomic { MOVE_ON(SHOWN - HELD) };
#endif
	number[chunk] = mine;
	base[chunk] = me;
	atomic {
#ifndef WRONG_SHOWN_FIRST
		MOVE_ON(SHOWN - HELD);
#endif
		NOTE_SHOWN
	}
}

inline hide_region()
{
	atomic { MOVE_ON(STATES + HELD - SHOWN); shown[me] = 0; was_hidden = was_hidden || asked == me }
}

proctype region(byte me; byte rounds)
{
	byte chunk, after, seen, mine, round;
	bit got;

	do
	:: round < rounds ->
		mine = (me - 1) * ROUNDS + round + 1;
		claim();
		show_region();
		hide_region();
		/* A destroy that failed. */
		if
		:: round == 0 ->
			atomic { MOVE_ON(SHOWN - HELD); NOTE_SHOWN };
			hide_region()
		:: true
		fi;
		atomic { owner[chunk] = 0; MOVE_ON(STATES + FREE - HELD) };
		atomic { chunk = 0; mine = 0; round++ }
	:: else -> break
	od
}

/* hnuma_region_of(): an address of one owner's. */
proctype reader()
{
	byte chunk, address, before, found, looks, i, from_start;

	do
	:: looks < LOOKS ->
		looks++;
		atomic {
			if
			:: address = 1
			:: address = 2
			fi;
			asked = address;
			from_start = shown[address];
			was_shown[from_start] = 1
		};
		do
		:: before = sequence[chunk];
			if
			:: before % STATES == SHOWN ->
				if
				:: base[chunk] == address ->
					found = number[chunk];
#ifndef WRONG_READ_ONCE
					if
					:: sequence[chunk] == before
					:: else -> found = 0
					fi
#endif
				:: else
				fi
			:: else
			fi;
			if
			:: found != 0 -> break
			:: else
			fi;
			chunk = next[chunk];
			if
			:: chunk == 0 -> break
			:: else
			fi
		od;
		atomic {
			assert(found == 0 || (found - 1) / ROUNDS + 1 == address);
			assert(found == 0 || was_shown[found]);
			assert(found != 0 || from_start == 0 || was_hidden);
			asked = 0;
			was_hidden = 0;
			for (i : 0 .. OWNERS * ROUNDS) {
				was_shown[i] = 0
			}
			i = 0;
			chunk = 0;
			before = 0;
			found = 0;
			address = 0;
			from_start = 0
		}
	:: else -> break
	od
}

init {
	atomic {
		sequence[0] = HELD;
		run region(1, ROUNDS);
		run region(2, 1);
		run reader()
	}
}
