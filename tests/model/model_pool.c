/* SPDX-License-Identifier: MIT */
/*
 * tests/model/model_pool.c - the model's pool: a set of blocks that are out, and 2 MB pages of which
 * each serves one class as long as one of its blocks is out. See model.h.
 */
#include "config.h"

#include <errno.h>
#include <unistd.h>

#include "tests/model/model.h"

#define BULK_MAX 24

static size_t per_page(unsigned class_index)
{
	return HNUMA_HUGEPAGE / hnuma_class_size((enum hnuma_class)class_index);
}

static uintptr_t page_of(const void *at)
{
	return (uintptr_t)at / HNUMA_HUGEPAGE;
}

static size_t nr_out(const struct model *m, unsigned class_index)
{
	size_t nr = 0;

	for (size_t i = 0; i < m->pool.out.nr; i++)
		nr += m->pool.out.of[i].kind == class_index;
	return nr;
}

/* Pages on which a block of another class is out. */
static size_t nr_pages_of_others(const struct model *m, unsigned class_index)
{
	uintptr_t seen[8];
	size_t nr = 0;

	for (size_t i = 0; i < m->pool.out.nr; i++) {
		const struct piece *block = &m->pool.out.of[i];
		size_t k = 0;

		if (block->kind == class_index)
			continue;
		while (k < nr && seen[k] != page_of(block->at))
			k++;
		if (k == nr && nr < 8)
			seen[nr++] = page_of(block->at);
	}
	return nr;
}

/* So many more can be had, and not one more: all free blocks and pages come to serve the class. */
static size_t nr_left(const struct model *m, unsigned class_index)
{
	size_t pages = m->pool.nr_pages - nr_pages_of_others(m, class_index);

	return pages * per_page(class_index) - nr_out(m, class_index);
}

static void add(struct model *m, void *block, unsigned class_index)
{
	size_t size = hnuma_class_size((enum hnuma_class)class_index);
	struct piece *stray = m->arena.pieces.nr ? &m->arena.pieces.of[0] : NULL;

	pieces_add(m, &m->pool.out, block, size, size, m->pool.hygiene != HNUMA_HYGIENE_NEVER,
		   class_index);
	m->pool.acquires++;
	EXPECT(m, hnuma_pool_class_of(m->pool.pool, block) == (int)class_index, "its class is %d",
	       hnuma_pool_class_of(m->pool.pool, block));
	if (m->sabotage && class_index == HNUMA_CLASS_4K && stray && stray->size > 100)
		stray->at[100]++;
}

static void acquire(struct model *m, bool by_size)
{
	struct hnuma_pool *pool = m->pool.pool;
	unsigned class_index = m->step[2] % HNUMA_NR_CLASSES;
	size_t left, size = hnuma_class_size((enum hnuma_class)class_index) - m->step[3];
	void *block;

	if (by_size)
		class_index = (unsigned)hnuma_class_for_size(size);
	if (m->pool.out.nr + BULK_MAX >= MODEL_PIECES_MAX)
		return;
	left = nr_left(m, class_index);
	errno = 0;
	if (by_size)
		block = hnuma_pool_acquire_size(pool, size);
	else
		block = hnuma_pool_acquire(pool, (enum hnuma_class)class_index);
	model_say(m, "pool: acquire %zu bytes -> %s", by_size ? size : size + m->step[3],
		  block ? "got" : "none");
	EXPECT(m, (left > 0) == (block != NULL), "a block of class %u with %zu left: %s",
	       class_index, left, block ? "given" : "refused");
	EXPECT(m, block || errno == ENOMEM, "refused with errno %d", errno);
	if (block && m->result->is_right)
		add(m, block, class_index);
}

static void release(struct model *m)
{
	struct model_pool *p = &m->pool;
	size_t index;
	int error;

	if (p->out.nr == 0)
		return;
	index = (m->step[2] + m->step[3] * (size_t)256) % p->out.nr;
	p->released = p->out.of[index].at;
	p->released_class = p->out.of[index].kind;
	pieces_drop(m, &p->out, index);
	error = hnuma_pool_release(p->pool, p->released);
	model_say(m, "pool: release a block of class %u -> %d", p->released_class, error);
	EXPECT(m, error == 0, "released: %d, %s", error, hnuma_errormsg());
	p->releases++;
}

/* Is the pointer into a block that is out, and into which? */
static const struct piece *find(const struct model *m, const unsigned char *at)
{
	for (size_t i = 0; i < m->pool.out.nr; i++) {
		const struct piece *block = &m->pool.out.of[i];

		if (at >= block->at && at < block->at + block->size)
			return block;
	}
	return NULL;
}

/* Once more what was released: refused, unless it has a new owner at the same place. */
static void release_again(struct model *m)
{
	unsigned char *at = m->pool.released;
	const struct piece *owner = at ? find(m, at) : NULL;
	int error;

	if (!at || (owner && owner->at == at))
		return;
	error = hnuma_pool_release(m->pool.pool, at);
	model_say(m, "pool: release the last one again -> %d", error);
	/* The page may serve another class by now, to whose blocks the address means nothing. */
	if (owner)
		EXPECT(m, error == -EINVAL, "into a larger block: %d", error);
	else
		EXPECT(m, error == -EALREADY || error == -EINVAL, "a second release: %d", error);
}

static void release_wrong(struct model *m)
{
	struct model_pool *p = &m->pool;
	unsigned char on_stack[64];
	size_t index, inside;

	EXPECT(m, hnuma_pool_release(p->pool, on_stack) == -EFAULT, "a pointer to the stack");
	EXPECT(m, hnuma_pool_release(p->pool, NULL) == -EFAULT, "NULL");
	EXPECT(m, hnuma_pool_release(p->pool, hnuma_arena_base(m->arena.arena)) == -EFAULT,
	       "a pointer into the arena");
	if (p->out.nr == 0)
		return;
	index = m->step[2] % p->out.nr;
	inside = 1 + m->step[3];
	model_say(m, "pool: release %zu bytes into a block of class %u", inside,
		  p->out.of[index].kind);
	EXPECT(m, hnuma_pool_release(p->pool, p->out.of[index].at + inside) == -EINVAL,
	       "a pointer into a block");
	EXPECT(m, hnuma_pool_class_of(p->pool, p->out.of[index].at + inside) == -EINVAL,
	       "the class of a pointer into a block");
}

static void acquire_bulk(struct model *m)
{
	struct model_pool *p = &m->pool;
	unsigned class_index = m->step[2] % HNUMA_NR_CLASSES;
	size_t n = m->step[3] % (BULK_MAX + 1), left;
	void *blocks[BULK_MAX + 1];
	int error;

	if (p->out.nr + BULK_MAX >= MODEL_PIECES_MAX)
		return;
	left = nr_left(m, class_index);
	blocks[n] = p;
	error = hnuma_pool_acquire_bulk(p->pool, (enum hnuma_class)class_index, blocks, n);
	model_say(m, "pool: acquire %zu of class %u -> %d", n, class_index, error);
	EXPECT(m, error == (n <= left ? 0 : -ENOMEM), "%zu of class %u with %zu left: %d", n,
	       class_index, left, error);
	EXPECT(m, blocks[n] == p, "more pointers were written than asked for");
	for (size_t i = 0; !error && i < n && m->result->is_right; i++)
		add(m, blocks[i], class_index);
}

/* Some that are out, and with them now and then one that is not. */
static void release_bulk(struct model *m)
{
	struct model_pool *p = &m->pool;
	size_t n = m->step[2] % (BULK_MAX + 1);
	bool with_bad = m->step[3] & 1;
	void *blocks[BULK_MAX + 1];
	int error;

	if (n > p->out.nr)
		n = p->out.nr;
	for (size_t i = 0; i < n; i++) {
		size_t index = (m->step[3] * (size_t)7 + i) % p->out.nr;

		blocks[i] = p->out.of[index].at;
		pieces_drop(m, &p->out, index);
	}
	if (with_bad) {
		blocks[n] = blocks[0];
		blocks[0] = &with_bad;
	}
	error = hnuma_pool_release_bulk(p->pool, blocks, n + with_bad);
	model_say(m, "pool: release %zu%s -> %d", n, with_bad ? " and one that is none" : "",
		  error);
	/* The bad one stands first, so n of 0 has it alone. */
	EXPECT(m, error == (with_bad ? -EFAULT : 0), "released %zu: %d", n, error);
	p->releases += n;
}

static void prewarm(struct model *m)
{
	struct model_pool *p = &m->pool;
	unsigned c = m->step[2] % HNUMA_NR_CLASSES;
	size_t count = m->step[3] % 10;
	struct hnuma_pool_stats before, after;
	int error;

	hnuma_pool_stats(p->pool, &before);
	error = hnuma_pool_prewarm(p->pool, (enum hnuma_class)c, count);
	hnuma_pool_stats(p->pool, &after);
	model_say(m, "pool: prewarm %zu of class %u -> %d", count, c, error);
	if (before.free_buffers[c] + count > p->buffers)
		EXPECT(m, error == -ENOSPC || count == 0, "more than may be kept: %d", error);
	else
		EXPECT(m, error == 0 || error == -ENOMEM, "prewarmed: %d", error);
	EXPECT(m, after.free_buffers[c] == before.free_buffers[c] + (error ? 0 : count),
	       "prewarm of %zu: %d, and from %llu to %llu free", count, error,
	       (unsigned long long)before.free_buffers[c],
	       (unsigned long long)after.free_buffers[c]);
}

static void clear(struct model *m)
{
	struct hnuma_pool_stats stats;

	model_say(m, "pool: clear");
	EXPECT(m, hnuma_pool_clear(m->pool.pool) == 0, "clear: %s", hnuma_errormsg());
	hnuma_pool_stats(m->pool.pool, &stats);
	for (unsigned c = 0; c < HNUMA_NR_CLASSES; c++)
		EXPECT(m, stats.free_buffers[c] == 0, "after clear class %u has %llu free", c,
		       (unsigned long long)stats.free_buffers[c]);
}

static void check(struct model *m)
{
	model_say(m, "pool: check");
	EXPECT(m, hnuma_pool_check(m->pool.pool) == 0, "the books: %s", hnuma_errormsg());
	pieces_check_all(m, &m->pool.out);
}

void pool_step(struct model *m, unsigned which)
{
	void (*const steps[POOL_STEPS])(struct model * m) = {
		release,      release,	    release, release_again, release_wrong,
		acquire_bulk, release_bulk, prewarm, clear,	    check,
	};

	if (which < 10)
		steps[which](m);
	else
		acquire(m, which == 11);
}

void pool_compare(struct model *m)
{
	struct model_pool *p = &m->pool;
	struct hnuma_pool_stats stats;
	size_t nr_cpus = (size_t)sysconf(_SC_NPROCESSORS_CONF);

	EXPECT(m, hnuma_pool_stats(p->pool, &stats) == 0, "no statistics of the pool");
	EXPECT(m, stats.hits + stats.misses == p->acquires, "%llu acquires are counted, not %llu",
	       (unsigned long long)(stats.hits + stats.misses), (unsigned long long)p->acquires);
	EXPECT(m, stats.returns + stats.drops == p->releases, "%llu releases are counted, not %llu",
	       (unsigned long long)(stats.returns + stats.drops), (unsigned long long)p->releases);
	for (unsigned c = 0; c < HNUMA_NR_CLASSES; c++) {
		EXPECT(m, stats.in_use[c] == nr_out(m, c), "%llu of class %u are out, not %zu",
		       (unsigned long long)stats.in_use[c], c, nr_out(m, c));
		/* At hand on each CPU, and as many in the depot after they were recalled. */
		EXPECT(m, stats.free_buffers[c] <= p->buffers * 2 * nr_cpus,
		       "%llu of class %u are kept free", (unsigned long long)stats.free_buffers[c],
		       c);
	}
}
