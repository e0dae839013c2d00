/* SPDX-License-Identifier: MIT */
/*
 * lib/claim.c - who has which space of a scratch: acquire, release, pin, unpin, the ends of threads.
 *
 * Calls numa/ (CPUs, served nodes, forks, messages), pthreads and the C library. Using a space is in
 * space.c, what they all lie in is scratch.c's.
 *
 * Ownership. A space's owner is a thread, named by the address of its `self` below; the CPU number
 * only says where to look first. A pinned thread stays the owner between its acquires, so that these
 * are plain loads and stores: `self` remembers its space. Nobody else can make a pinned space free,
 * and a scratch with one cannot be destroyed, so what `self` remembers is always there.
 *
 * Signals. A handler may call hnuma_scratch_acquire() and _release() and use what it got. It is the
 * same thread to us, so it must neither be given the space that it interrupted, nor find a call of
 * its own thread half done. self.is_inside excludes the second: every call raises it before it
 * looks at anything and drops it after its last store, and a call that finds it raised is refused
 * with EBUSY at once. So the calls of one thread never overlap. A handler that comes between our
 * reading is_inside and raising it finds it down, and leaves it as it found it: whatever it did,
 * acquire and keep included, was done before we looked. And as no two calls overlap, the nested
 * acquire sees the first one's is_held, or not yet anything of it. Nobody ever waits for anybody, so
 * there is no deadlock. Compiler barriers are enough: a handler runs on its thread's CPU.
 *
 * The end of a thread. A pthread key's destructor gives back whatever the thread still has. It finds
 * the scratches in a list; the list's lock is held while it looks through them, and is needed to
 * take a scratch off the list, so none disappears under its hands. No lock but the heap's is taken
 * while this one is held.
 */
#include "config.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include <hugenuma.h>

#include "lib/space.h"
#include "numa/cpu.h"
#include "numa/error.h"

/* A thread, as far as scratches know it. Aligned so that the low bits of its address are free. */
struct claimant {
	/* One of the calls is under way. */
	_Alignas(HNUMA_CACHE_LINE) volatile sig_atomic_t is_inside;
	bool is_known; /* its end will be noticed */
	/*
	 * Spaces that it owns, over all scratches (in a child of fork(), those of its parent too):
	 * spares the thread that has none the search for its own.
	 */
	unsigned nr_claims;
	unsigned turn;			      /* of its next claim */
	struct hnuma_scratch *pinned_scratch; /* where it was pinned last, or NULL; and its space */
	struct hnuma_space *pinned_space;
};

/* One instruction away, also in a shared library: a hot path cannot call __tls_get_addr(). */
static _Thread_local struct claimant self __attribute__((tls_model("initial-exec")));

/* The low bits of the others: which claim of its owner it was. */
#define TURN_MASK ((uintptr_t)HNUMA_CACHE_LINE - 1)

/* Protects the list, and is_ready and key with it, which never change once is_ready. */
static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct hnuma_scratch *list;
static bool is_ready;
static pthread_key_t key;

static bool enter(void)
{
	if (unlikely(self.is_inside))
		return false;
	self.is_inside = 1;
	atomic_signal_fence(memory_order_seq_cst);
	return true;
}

static void leave(void)
{
	atomic_signal_fence(memory_order_seq_cst);
	self.is_inside = 0;
}

/*
 * Relaxed: whether the space is the calling thread's nobody else can change, and whose else it is, is
 * true of a moment only. So is is_held below, of a space that is another's.
 */
static uintptr_t owner_of(const struct hnuma_space *space)
{
	return atomic_load_explicit(&space->owner, memory_order_relaxed);
}

static bool is_thread(uintptr_t owner, const struct claimant *thread)
{
	return (owner & ~TURN_MASK) == (uintptr_t)thread;
}

static bool is_own(const struct hnuma_space *space)
{
	return is_thread(owner_of(space), &self);
}

static bool is_held(const struct hnuma_space *space)
{
	return atomic_load_explicit(&space->is_held, memory_order_relaxed);
}

static void set_held(struct hnuma_space *space, bool held)
{
	atomic_store_explicit(&space->is_held, held, memory_order_relaxed);
}

/*
 * Make the calling thread the owner of a space that nobody has; false, and who has it, when somebody
 * does. ABA cannot matter: HNUMA_OWNER_NONE says all that there is to know, whoever had the space before.
 */
static bool claim(struct hnuma_space *space, uintptr_t *owner)
{
	uintptr_t mine = (uintptr_t)&self | (self.turn & TURN_MASK);

	/* Acquire: partner of give_back(), and keeps the searches of claim_near() in order. */
	*owner = atomic_load_explicit(&space->owner, memory_order_acquire);
	if (*owner != HNUMA_OWNER_NONE ||
	    !atomic_compare_exchange_strong_explicit(&space->owner, owner, mine,
						     memory_order_acquire, memory_order_acquire))
		return false;
	self.turn++;
	self.nr_claims++;
	return true;
}

/* The thread owns the space, and does not after. */
static void give_back(struct hnuma_space *space)
{
	set_held(space, false);
	space->is_pinned = false;
	atomic_store_explicit(&space->owner, HNUMA_OWNER_NONE, memory_order_release);
}

static void forget_pinned(void)
{
	self.pinned_scratch = NULL;
	self.pinned_space = NULL;
}

/* Give back what one scratch has of the calling thread's. */
static void give_back_all(struct hnuma_scratch *scratch)
{
	for (unsigned i = 0; i < scratch->nr_spaces; i++) {
		struct hnuma_space *space = &scratch->spaces[i];

		if (!is_own(space))
			continue;
		if (space->binding)
			hnuma_cpu_forget(space->binding);
		space->binding = NULL;
		if (space->is_poisoning)
			hnuma_space_poison(space);
		give_back(space);
	}
}

/* The key's destructor. Should another key's acquire again, it will be called again. */
static void end_thread(void *value)
{
	(void)value;
	self.is_inside = 1;
	self.is_known = false;
	forget_pinned();
	if (self.nr_claims > 0) {
		self.nr_claims = 0;
		pthread_mutex_lock(&list_lock);
		for (struct hnuma_scratch *scratch = list; scratch; scratch = scratch->next) {
			/* In a child, its parent's memory is not there. */
			if (!hnuma_process_is_child_of(scratch->process_epoch))
				give_back_all(scratch);
		}
		pthread_mutex_unlock(&list_lock);
	}
	leave();
}

/* A child of fork() must not find the lock held by a thread that it does not have. */
static void before_fork(void)
{
	pthread_mutex_lock(&list_lock);
}

static void after_fork(void)
{
	pthread_mutex_unlock(&list_lock);
}

/* What its parent pinned is not there. Without it, nothing is left to acquire on the fast path. */
static void begin_child(void)
{
	forget_pinned();
	pthread_mutex_unlock(&list_lock);
}

int hnuma_claim_enlist(struct hnuma_scratch *scratch)
{
	int error = 0;

	pthread_mutex_lock(&list_lock);
	if (!is_ready) {
		error = pthread_key_create(&key, end_thread);
		if (!error) {
			error = pthread_atfork(before_fork, after_fork, begin_child);
			if (error)
				pthread_key_delete(key);
		}
		is_ready = !error;
	}
	if (!error) {
		scratch->next = list;
		list = scratch;
	}
	pthread_mutex_unlock(&list_lock);
	return error ? hnuma_error_set(-ENOMEM,
				       "the C library cannot tell us of threads' ends (%s)",
				       hnuma_strerror(error))
		     : 0;
}

void hnuma_claim_delist(struct hnuma_scratch *scratch)
{
	struct hnuma_scratch **link;

	pthread_mutex_lock(&list_lock);
	for (link = &list; *link; link = &(*link)->next) {
		if (*link == scratch) {
			*link = scratch->next;
			break;
		}
	}
	pthread_mutex_unlock(&list_lock);
}

unsigned hnuma_claim_nr_taken(const struct hnuma_scratch *scratch)
{
	unsigned nr_taken = 0;

	for (unsigned i = 0; i < scratch->nr_spaces; i++)
		nr_taken += owner_of(&scratch->spaces[i]) > HNUMA_OWNER_CLOSED;
	return nr_taken;
}

unsigned hnuma_claim_close(struct hnuma_scratch *scratch)
{
	unsigned nr_taken = 0;

	for (unsigned i = 0; i < scratch->nr_spaces; i++) {
		uintptr_t owner = HNUMA_OWNER_NONE;

		/* Acquire: partner of give_back(), so that its last owner is done with it. */
		nr_taken += !atomic_compare_exchange_strong_explicit(
			&scratch->spaces[i].owner, &owner, HNUMA_OWNER_CLOSED, memory_order_acquire,
			memory_order_relaxed);
	}
	for (unsigned i = 0; nr_taken && i < scratch->nr_spaces; i++) {
		uintptr_t owner = HNUMA_OWNER_CLOSED;

		/* Release: partner of claim(), as give_back(). */
		atomic_compare_exchange_strong_explicit(&scratch->spaces[i].owner, &owner,
							HNUMA_OWNER_NONE, memory_order_release,
							memory_order_relaxed);
	}
	return nr_taken;
}

/* Have the thread's end noticed. Once per thread; the key's value may need memory. */
static bool know_thread(void)
{
	if (!self.is_known)
		self.is_known = pthread_setspecific(key, &self) == 0;
	return self.is_known;
}

static struct hnuma_space *space_of_cpu(const struct hnuma_scratch *scratch, int cpu)
{
	return (unsigned)cpu < scratch->nr_cpus ? scratch->space_of_cpu[cpu] : NULL;
}

/* The space of this scratch that the calling thread owns, or NULL. */
static struct hnuma_space *find_own(const struct hnuma_scratch *scratch)
{
	struct hnuma_space *near;

	if (self.nr_claims == 0)
		return NULL;
	if (self.pinned_scratch == scratch)
		return self.pinned_space;
	near = space_of_cpu(scratch, hnuma_cpu_current());
	if (near && is_own(near))
		return near;
	for (unsigned i = 0; i < scratch->nr_spaces; i++) {
		if (is_own(&scratch->spaces[i]))
			return &scratch->spaces[i];
	}
	return NULL;
}

/*
 * Claim a space on one node, beginning at that of the CPU. Adds what was seen to the picture of a
 * search.
 */
static struct hnuma_space *claim_on(const struct hnuma_scratch *scratch, unsigned index, int cpu,
				    uint64_t *picture)
{
	struct hnuma_space *spaces = scratch->spaces + scratch->node_first[index];
	unsigned nr = scratch->node_first[index + 1] - scratch->node_first[index];
	const struct hnuma_space *near = space_of_cpu(scratch, cpu);
	uintptr_t owner;
	unsigned start;

	if (nr == 0)
		return NULL;
	start = near && near->index == index ? (unsigned)(near - spaces) : (unsigned)cpu % nr;
	for (unsigned i = 0; i < nr; i++) {
		struct hnuma_space *space = &spaces[start + i < nr ? start + i : start + i - nr];

		if (claim(space, &owner))
			return space;
		/* A polynomial in an odd number: two owners who change places show. */
		*picture = (*picture + owner) * UINT64_C(0x9E3779B97F4A7C15);
	}
	return NULL;
}

/*
 * Claim the space of a CPU, or another one of its node; if `anywhere`, of the next nodes too. A node
 * without any space is served by the nearest one that has some.
 *
 * NULL must mean that all are taken, yet one may be given back behind the search while another is
 * taken before it. So NULL is believed only when two searches in a row saw the same owners, in the
 * same turn of theirs: then nobody gave a space back between the one look at it and the other, and
 * at the moment between the two searches all were taken. Whoever makes us search again has got on
 * with his own work.
 */
static struct hnuma_space *claim_near(const struct hnuma_scratch *scratch, int cpu, bool anywhere)
{
	const struct hnuma_service *service = &scratch->ground->service;
	const size_t here = hnuma_service_index_of_cpu(service, cpu);
	const unsigned short *row = service->nearest + here * service->nr_nodes;
	uint64_t picture = 0, last;
	struct hnuma_space *space;

	do {
		last = picture;
		picture = 0;
		for (unsigned i = 0; i < service->nr_nodes; i++) {
			space = claim_on(scratch, row[i], cpu, &picture);
			if (space)
				return space;
			if (!anywhere &&
			    scratch->node_first[row[i]] != scratch->node_first[row[i] + 1])
				break;
		}
	} while (picture != last);
	return NULL;
}

/* For a thread that has no space pinned here, or not only here. Returns NULL and sets errno. */
static __attribute__((noinline)) struct hnuma_space *borrow(struct hnuma_scratch *scratch)
{
	struct hnuma_space *space = find_own(scratch);

	if (space) {
		if (space->is_pinned && !is_held(space))
			return space;
		errno = EBUSY;
		return NULL;
	}
	if (know_thread())
		space = claim_near(scratch, hnuma_cpu_current(),
				   scratch->policy == HNUMA_POLICY_PREFERRED);
	if (!space)
		errno = ENOMEM;
	return space;
}

/* An acquired space is empty, and no longer reset by what was reset before. */
static void begin_use(struct hnuma_space *space, const struct hnuma_scratch *scratch)
{
	uint64_t epoch = atomic_load_explicit(&scratch->epoch, memory_order_relaxed);

	set_held(space, true);
	atomic_store_explicit(&space->used, 0, memory_order_relaxed);
	atomic_store_explicit(&space->epoch, epoch, memory_order_relaxed);
}

static __attribute__((noinline)) struct hnuma_space *acquire_slowly(struct hnuma_scratch *scratch)
{
	struct hnuma_space *space;

	if (hnuma_process_is_child_of(scratch->process_epoch))
		return hnuma_line_refuse(EOWNERDEAD);
	if (!enter())
		return hnuma_line_refuse(EBUSY);
	space = borrow(scratch);
	if (space)
		begin_use(space, scratch);
	leave();
	return space;
}

struct hnuma_space *hnuma_scratch_acquire(struct hnuma_scratch *scratch)
{
	struct hnuma_space *space;

	if (!enter())
		return acquire_slowly(scratch);
	space = self.pinned_space;
	/* A child of fork() has nothing pinned: see begin_child(). */
	if (unlikely(self.pinned_scratch != scratch || is_held(space))) {
		leave();
		return acquire_slowly(scratch);
	}
	begin_use(space, scratch);
	leave();
	return space;
}

static __attribute__((noinline, cold)) int refuse_release(int error)
{
	const char *why = error == -EPERM      ? "another thread has it"
			  : error == -EALREADY ? "it was not held"
					       : "a signal handler interrupted a call on a scratch "
						 "and cannot make another";

	return hnuma_error_set(error, "a scratch space cannot be released: %s", why);
}

static __attribute__((noinline)) int release_slowly(struct hnuma_space *space)
{
	int error = 0;

	if (!space)
		return 0;
	if (hnuma_process_is_child_of(space->process_epoch))
		return hnuma_process_refuse("scratch");
	if (!enter())
		return refuse_release(-EBUSY);
	if (!is_own(space))
		error = owner_of(space) <= HNUMA_OWNER_CLOSED ? -EALREADY : -EPERM;
	else if (!is_held(space))
		error = -EALREADY;
	if (!error) {
		if (space->is_poisoning)
			hnuma_space_poison(space);
		if (space->is_pinned) {
			set_held(space, false);
		} else {
			self.nr_claims--;
			give_back(space);
		}
	}
	leave();
	return error ? refuse_release(error) : 0;
}

int hnuma_scratch_release(struct hnuma_space *space)
{
	if (unlikely(!space) || !enter())
		return release_slowly(space);
	if (unlikely(self.pinned_space != space || !is_held(space) || space->is_poisoning)) {
		leave();
		return release_slowly(space);
	}
	set_held(space, false);
	leave();
	return 0;
}

static int pin(struct hnuma_scratch *scratch, int cpu)
{
	struct hnuma_space *space = find_own(scratch);
	struct hnuma_cpu_binding *binding;
	int error;

	if (space && space->is_pinned)
		return hnuma_error_set(-EALREADY,
				       "the thread is pinned in this scratch already; unpin it "
				       "before it is pinned to CPU %d",
				       cpu);
	if (space)
		return hnuma_error_set(
			-EBUSY,
			"the thread holds a space of this scratch; release it before "
			"the thread is pinned to CPU %d",
			cpu);
	if (!know_thread())
		return hnuma_error_set(-ENOMEM, "no memory to be told of the thread's end");
	error = hnuma_cpu_bind(scratch->ground->topology, cpu, &binding);
	if (error)
		return error;
	space = claim_near(scratch, cpu, false);
	if (!space) {
		error = hnuma_cpu_restore(scratch->ground->topology, binding);
		if (error)
			return hnuma_error_prefix(error,
						  "no scratch space is free on the node of "
						  "CPU %d, and the affinity is lost: ",
						  cpu);
		return hnuma_error_set(-ENOMEM,
				       "no scratch space is free on the node of CPU %d: all are "
				       "held or pinned; make more with max_spaces",
				       cpu);
	}
	space->binding = binding;
	space->is_pinned = true;
	self.pinned_scratch = scratch;
	self.pinned_space = space;
	return 0;
}

static int unpin(struct hnuma_scratch *scratch)
{
	struct hnuma_space *space = find_own(scratch);
	struct hnuma_cpu_binding *binding;
	int error;

	if (!space || !space->is_pinned)
		return hnuma_error_set(-ENOENT, "the thread is not pinned in this scratch");
	if (is_held(space))
		return hnuma_error_set(-EBUSY, "the thread still holds its space; release it "
					       "before it is unpinned");
	binding = space->binding;
	space->binding = NULL;
	self.nr_claims--;
	if (self.pinned_space == space)
		forget_pinned();
	give_back(space);
	error = hnuma_cpu_restore(scratch->ground->topology, binding);
	if (error)
		return hnuma_error_prefix(error, "the thread is no longer pinned, but its affinity "
						 "could not be put back: ");
	return 0;
}

static int check_call(const struct hnuma_scratch *scratch)
{
	if (!scratch)
		return hnuma_error_set(-EINVAL, "scratch is NULL");
	if (hnuma_process_is_child_of(scratch->process_epoch))
		return hnuma_process_refuse("scratch");
	if (!enter())
		return hnuma_error_set(-EBUSY,
				       "a signal handler interrupted a call on a scratch and "
				       "cannot make another");
	return 0;
}

int hnuma_scratch_pin(struct hnuma_scratch *scratch, int cpu)
{
	int error = check_call(scratch);

	if (error)
		return error;
	error = pin(scratch, cpu);
	leave();
	return error;
}

int hnuma_scratch_unpin(struct hnuma_scratch *scratch)
{
	int error = check_call(scratch);

	if (error)
		return error;
	error = unpin(scratch);
	leave();
	return error;
}
