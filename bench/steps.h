/* SPDX-License-Identifier: MIT */
/*
 * bench/steps.h - the loops over a step's allocations that are timed, the same for every subject. It
 * may be included several times: each time STEPS names the functions, and these macros say what they
 * do (they are undefined at the end).
 *
 *	STEPS_BEGIN(instance)	declare what the next ones need
 *	STEPS_ALLOC(bytes)	memory
 *	STEPS_ALLOC_ZEROED(bytes)
 *	STEPS_RESET()
 *	STEPS_MAY_SHARE		defined where several threads may allocate at the same time
 */
#include "bench/peer.h"

#define STEPS_GLUE2(a, b) a##b
#define STEPS_GLUE(a, b)  STEPS_GLUE2(a, b)

static void STEPS_GLUE(STEPS, _run)(void *instance, size_t bytes, unsigned nr_allocations,
				    uint64_t nr_steps)
{
	STEPS_BEGIN(instance);

	for (uint64_t step = 0; step < nr_steps; step++) {
		for (unsigned i = 0; i < nr_allocations; i++) {
			void *memory = STEPS_ALLOC(bytes);

			/* The address is used, so that nothing is left out. */
			__asm__ volatile("" : : "r"(memory));
		}
		STEPS_RESET();
	}
}

#ifdef STEPS_ALLOC_ZEROED
static void STEPS_GLUE(STEPS, _run_zeroed)(void *instance, size_t bytes, unsigned nr_allocations,
					   uint64_t nr_steps)
{
	STEPS_BEGIN(instance);

	for (uint64_t step = 0; step < nr_steps; step++) {
		for (unsigned i = 0; i < nr_allocations; i++) {
			void *memory = STEPS_ALLOC_ZEROED(bytes);

			/* And what it points to. */
			__asm__ volatile("" : : "r"(memory) : "memory");
		}
		STEPS_RESET();
	}
}
#endif

#ifdef STEPS_MAY_SHARE
static void STEPS_GLUE(STEPS, _fill)(void *instance, size_t bytes, unsigned nr_allocations)
{
	STEPS_BEGIN(instance);

	for (unsigned i = 0; i < nr_allocations; i++) {
		void *memory = STEPS_ALLOC(bytes);

		__asm__ volatile("" : : "r"(memory));
	}
}

static void STEPS_GLUE(STEPS, _reset)(void *instance)
{
	STEPS_BEGIN(instance);

	STEPS_RESET();
}
#endif

#undef STEPS
#undef STEPS_BEGIN
#undef STEPS_ALLOC
#undef STEPS_ALLOC_ZEROED
#undef STEPS_RESET
#undef STEPS_MAY_SHARE
#undef STEPS_GLUE
#undef STEPS_GLUE2
