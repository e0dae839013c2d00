/* SPDX-License-Identifier: MIT */
/*
 * tests/spin/pool_rseq.pml - a CPU's cache worked by restartable sequences, and seizing it.
 *
 *	lib/pool_rseq.h		hnuma_rseq_take(), hnuma_rseq_put()
 *	lib/pool_home.c		recall_fencing(), cache_empty()
 *	numa/rseq.c		hnuma_rseq_fence()
 *
 * What must hold: a block has one owner at a time, and in the end each free block is in exactly one
 * list.
 *
 * The kernel is a process that takes CPUs away and gives them, at any time; a thread that loses its
 * CPU inside a sequence is aborted, and so is, CPU by CPU, whoever is inside one at a fence. Only the
 * instructions of a sequence need a CPU; whatever else a thread does may happen at any time, which is
 * more than what can. Left out: counters, making and unmaking, and all that pool_cache.pml shows;
 * a signal is a loss of the CPU. That a fence orders memory is the kernel's promise; see README.md.
 */
#define THREADS	2
#define CPUS	2
#define BLOCKS	2
#define LIMIT	1 /* of a cache */
#ifndef OPS
#define OPS	1 /* of each thread */
#endif
#define NONE	255

typedef cache_type {
	bit claim;
	byte depth, slots[LIMIT];
};

cache_type caches[CPUS];
byte depot[BLOCKS], count;
bit lock;

/* What the kernel knows of a thread. */
byte cpu_of[THREADS];
bit is_running[THREADS], is_inside[THREADS], is_aborted[THREADS];

/* What the model knows besides. */
bit is_out[BLOCKS];
byte ended;

/* One instruction of a sequence: with a CPU only, and not after an abort. */
#define STEP(action)								\
	atomic {								\
		(has_failed || is_aborted[me] || is_running[me]) ->		\
		if								\
		:: has_failed							\
		:: !has_failed && is_aborted[me] -> has_failed = 1		\
		:: else -> action						\
		fi								\
	}

/* To the compare of the claim, as HNUMA_RSEQ_BEGIN. cpu: as read before, possibly long ago. */
#define BEGIN									\
	atomic { cpu = cpu_of[me]; has_failed = 0 };				\
	atomic { is_running[me] -> is_aborted[me] = 0; is_inside[me] = 1 };	\
	STEP(has_failed = (cpu_of[me] != cpu));					\
	STEP(has_failed = caches[cpu].claim);					\
	STEP(depth = caches[cpu].depth)

#define END	atomic { is_inside[me] = 0; depth = 0 }

inline take()
{
	BEGIN;
	STEP(has_failed = (depth == 0));
	STEP(block = caches[cpu].slots[depth - 1]);
	STEP(caches[cpu].depth = depth - 1; is_inside[me] = 0);
	if
	:: has_failed -> block = NONE
	:: else
	fi;
	END
}

inline put()
{
	BEGIN;
	STEP(has_failed = (depth >= LIMIT));
	STEP(caches[cpu].slots[depth] = block);
	STEP(caches[cpu].depth = depth + 1; is_inside[me] = 0);
	END
}

/* recall_fencing() and cache_empty(), under the lock. */
inline recall()
{
	atomic {
		i = 0;
		do
		:: i < CPUS ->
			if
			:: caches[i].depth > 0 -> caches[i].claim = 1
			:: else
			fi;
			i++
		:: else -> i = 0; break
		od
	};
	is_fenced = 1;
#ifndef WRONG_NO_FENCE
	do
	:: atomic { i < CPUS ->
		for (t : 0 .. THREADS - 1) {
			if
			:: is_running[t] && cpu_of[t] == i && is_inside[t] -> is_aborted[t] = 1
			:: else
			fi
		}
		t = 0;
		i++ }
	:: atomic { i < CPUS -> is_fenced = 0; i = 0; break }
	:: atomic { i >= CPUS -> i = 0; break }
	od;
#endif
#ifdef WRONG_FENCE_FAILED
	is_fenced = 1;
#endif
	do
	:: i < CPUS ->
		if
		:: caches[i].claim && is_fenced ->
			depth = caches[i].depth;
			if
			:: depth > 0 ->
				atomic {
					assert(count < BLOCKS);
					depot[count] = caches[i].slots[0];
					count++
				}
			:: else
			fi;
			atomic { caches[i].depth = caches[i].depth - depth; depth = 0 }
		:: else
		fi;
		caches[i].claim = 0;
		i++
	:: else -> atomic { i = 0; is_fenced = 0; break }
	od
}

proctype thread(byte me)
{
	byte cpu, block, depth, ops, i, t;
	bit has_failed, is_fenced;

	do
	:: ops < OPS ->
		ops++;
		take();
		if
		:: block != NONE
		:: else ->
			atomic { lock == 0 -> lock = 1 };
			if
			:: count == 0 -> recall()
			:: else
			fi;
			atomic {
				if
				:: count > 0 -> count--; block = depot[count]; depot[count] = 0
				:: else
				fi;
				lock = 0
			}
		fi;
		if
		:: block != NONE ->
			d_step { assert(!is_out[block]); is_out[block] = 1 };
			d_step { is_out[block] = 0 };
			put();
			if
			:: has_failed ->
				atomic { lock == 0 -> lock = 1 };
				atomic {
					assert(count < BLOCKS);
					depot[count] = block;
					count++;
					lock = 0
				}
			:: else
			fi
		:: else
		fi;
		atomic { block = 0; cpu = 0; has_failed = 0 }
	:: else -> break
	od;
	ended++
}

inline leave_sequence()
{
#ifndef WRONG_NO_ABORT
	if
	:: is_inside[i] -> is_aborted[i] = 1
	:: else
	fi;
#endif
	i = 0
}

inline get_cpu(other)
{
	if
	:: !(is_running[other] && cpu_of[other] == 0) -> cpu_of[i] = 0; is_running[i] = 1
	:: !(is_running[other] && cpu_of[other] == 1) -> cpu_of[i] = 1; is_running[i] = 1
	fi;
	i = 0
}

proctype kernel()
{
	byte i, j, lists[BLOCKS];

	do
	:: ended == THREADS -> break
	/* It loses its CPU. */
	:: atomic { is_running[0] -> i = 0; is_running[i] = 0; leave_sequence() }
	:: atomic { is_running[1] -> i = 1; is_running[i] = 0; leave_sequence() }
	/* It gets one that nobody else has. */
	:: atomic { !is_running[0] -> i = 0; get_cpu(1) }
	:: atomic { !is_running[1] -> i = 1; get_cpu(0) }
	od;
	atomic {
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
			od
		}
		for (i : 0 .. BLOCKS - 1) {
			assert(lists[i] == 1)
		}
	}
}

init {
	atomic {
		caches[0].depth = 1;
		caches[1].depth = 1;
		caches[1].slots[0] = 1;
		run thread(0);
		run thread(1);
		run kernel()
	}
}
