/* SPDX-License-Identifier: MIT */
/*
 * tests/spin/arena_lane.pml - an arena's word, its lanes, and the generation that reset and rewind begin.
 *
 *	lib/arena_state.h	hnuma_arena_take(), hnuma_arena_swap_word()
 *	lib/lane.c		hnuma_lane_open(), allocate_slowly(), extend(), hnuma_lane_close()
 *	lib/arena.c		go_back(), hnuma_arena_mark(), _reset(), _rewind(), high_water_lines()
 *
 * What must hold: nobody gets lines that are somebody's since the last reset, or below the mark of a
 * rewind; lanes that stay open over it begin anew by themselves; when all lanes are closed the count is
 * the number of allocations; whoever reads the statistics meanwhile sees a high-water mark that covers
 * all that was ever used.
 *
 * As in the library the caller keeps reset and rewind apart from allocations, not from statistics.
 * Left out: bytes, poison, forks, marks that went stale, weak swaps that fail for no reason (they read
 * the word once more). Orders of memory: see README.md.
 *
 * Also checked: -DOPS=1 -DROUNDS=3 (allocations after a rewind)
 */
#define WORKERS	2
#define LINES	4
#define STRETCH	3 /* of a lane; a request of 2 lines counts as large */
#ifndef OPS
#define OPS	2 /* of each worker in each round */
#endif
#ifndef ROUNDS
#define ROUNDS	2
#endif

byte cursor, allocations; /* the word: always read and written together */
byte high_water, generation;

typedef lane_type {
	byte next, end, generation, count;
	bit is_open;
};
lane_type lanes[WORKERS];

/* What the model knows besides. */
bit taken[LINES];
byte peak, given; /* the highest cursor ever; allocations since the last reset, in the word or a lane */
byte round, quiet;
bit is_going_back;

/* Nobody else has these lines. */
inline own(first, nr)
{
	d_step {
		assert(first + nr <= LINES);
		for (i : first .. first + nr - 1) {
			assert(!taken[i]);
			taken[i] = 1
		}
		given++;
		i = 0
	}
}

/* To be in an atomic step: the word is replaced where it is still what was read. */
inline swap_word(lines, nr)
{
#ifndef WRONG_STORE_FOR_SWAP
	is_done = (cursor == line && allocations == old_count);
#else
	is_done = 1;
#endif
	if
	:: is_done ->
		cursor = line + lines;
		allocations = old_count + nr;
		if
		:: cursor > peak -> peak = cursor
		:: else
		fi
	:: else
	fi
}

#define READ_WORD	atomic { line = cursor; old_count = allocations }

/* An empty stretch at the base. */
inline begin()
{
	lanes[me].next = 0;
	lanes[me].end = 0;
	lanes[me].generation = generation;
#ifndef WRONG_COUNT_KEPT
	lanes[me].count = 0
#endif
}

/* hnuma_arena_take(): straight from the arena. */
inline take(need)
{
	READ_WORD;
	do
	:: atomic { need > LINES - line -> is_done = 0; break }
	:: atomic { need <= LINES - line ->
		swap_word(need, 1);
		if
		:: is_done -> own(line, need); break
		:: else -> line = cursor; old_count = allocations
		fi }
	od;
	atomic { line = 0; old_count = 0; is_done = 0 }
}

inline extend(need)
{
	READ_WORD;
	do
	:: atomic {
		grows = (line == lanes[me].end);
		more = (grows -> need - (lanes[me].end - lanes[me].next) : need);
		if
		:: more > LINES - line -> break
		:: else
		fi;
		if
		:: need == 1 && more < STRETCH -> more = (STRETCH < LINES - line -> STRETCH : LINES - line)
		:: else
		fi }
	   ; /* between reading the word and the swap */
	   atomic {
		swap_word(more, lanes[me].count);
		if
		:: !is_done -> line = cursor; old_count = allocations
		:: else ->
			lanes[me].count = 0;
			if
			:: !grows && need > 1 -> lanes[me].count++; own(line, need)
			:: else ->
				if
				:: !grows -> lanes[me].next = line
				:: else
				fi;
				lanes[me].end = line + more;
				allocate_here(need)
			fi;
			break
		fi }
	od;
	atomic { line = 0; old_count = 0; more = 0; grows = 0; is_done = 0 }
}

inline allocate_here(need)
{
	lanes[me].next = lanes[me].next + need;
	lanes[me].count++;
	own(lanes[me].next - need, need)
}

inline lane_alloc(need)
{
	/* Of the lane's own but for the generation, which stays while anybody is inside a call. */
	atomic {
		if
		:: lanes[me].generation != generation -> begin()
		:: else
		fi;
		if
		:: need <= lanes[me].end - lanes[me].next -> allocate_here(need); need = 0
		:: else
		fi
	};
	if
	:: need > 0 -> extend(need)
	:: else
	fi
}

inline lane_close()
{
	lanes[me].is_open = 0;
	if
	:: lanes[me].count == 0 || lanes[me].generation != generation
	:: else ->
		READ_WORD;
		do
		:: atomic {
			swap_word(0, lanes[me].count);
			if
			:: is_done -> break
			:: else -> line = cursor; old_count = allocations
			fi }
		od;
		atomic { line = 0; old_count = 0; is_done = 0; lanes[me].count = 0 }
	fi
}

proctype worker(byte me)
{
	byte i, line, old_count, more, ops, need, my_round;
	bit grows, is_done;

	do
	:: my_round < ROUNDS ->
		if
		:: !lanes[me].is_open -> atomic { lanes[me].is_open = 1; lanes[me].count = 0; begin() }
		:: else
		fi;
		do
		:: ops < OPS ->
			atomic {
				ops++;
				if
				:: need = 1
				:: need = 2
				fi
			};
			if
			:: lane_alloc(need)
			:: me == 0 -> take(need)
			fi;
			need = 0
		:: else -> break
		od;
		if
		:: lane_close()
		:: my_round + 1 < ROUNDS /* it stays open */
		fi;
		atomic { ops = 0; my_round++; quiet++ };
		round == my_round
	:: else -> break
	od
}

/* To an earlier word, beginning a generation. */
inline go_back(line, nr)
{
	is_going_back = 1;
#ifdef WRONG_MARK_LATE
	atomic { was = cursor; cursor = line; allocations = nr };
	if
	:: was > high_water -> high_water = was
	:: else
	fi;
#else
	if
	:: cursor > high_water -> high_water = cursor
	:: else
	fi;
	atomic { cursor = line; allocations = nr };
#endif
#ifndef WRONG_GENERATION_KEPT
	generation++;
#endif
	d_step {
		for (i : line .. LINES - 1) {
			taken[i] = 0
		}
		given = nr;
		i = 0;
		was = 0;
		is_going_back = 0
	}
}

/* The caller, who goes on when no worker is inside a call. */
proctype caller()
{
	byte i, was, mark_line, mark_count;
	bit is_marked;

	do
	:: round < ROUNDS ->
		quiet == WORKERS;
		if
		:: !lanes[0].is_open && !lanes[1].is_open -> assert(allocations == given)
		:: else -> assert(allocations <= given)
		fi;
		if
		:: go_back(0, 0); is_marked = 0
		:: is_marked -> go_back(mark_line, mark_count)
		:: atomic { mark_line = cursor; mark_count = allocations; is_marked = 1 }
		fi;
		atomic { quiet = 0; round++ }
	:: else -> break
	od
}

/* hnuma_arena_stats(), once, at any time; it may never be. */
proctype observer()
{
	byte line, expected;

end:
	/* While nobody goes back it is one reading of the word that tells. */
	atomic { is_going_back -> line = cursor; expected = peak };
	atomic {
		assert((high_water > line -> high_water : line) >= expected);
		line = 0;
		expected = 0
	}
}

init {
	atomic {
		run worker(0);
		run worker(1);
		run caller();
		run observer()
	}
}
