/* SPDX-License-Identifier: MIT */
/*
 * lib/pool_build.c - making and destroying a pool: how much it needs, where its books lie. Calls
 * numa/ground.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "lib/listing.h"
#include "lib/poison.h"
#include "lib/pool_books.h"
#include "numa/error.h"
#include "numa/harden.h"
#include "numa/process.h"
#include "numa/random.h"
#include "numa/rseq.h"

#define BOOK_PAGE ((size_t)4096)

/* A cache keeps at least so many blocks at hand where buffers_per_class allows it. */
#define CACHE_LIMIT_LEAST 32

/* Offsets of the parts of a home's books, drawn in pool_books.h. Each begins on a cache line. */
struct books {
	size_t states;
	size_t page_classes;
	size_t pages;
	size_t stacks[HNUMA_NR_CLASSES];
	size_t size;
};

static size_t round_up(size_t size, size_t unit)
{
	return (size + unit - 1) & ~(unit - 1);
}

/* nr_pages is below 2^32 / blocks per page, so nothing here can wrap. */
static struct books books_layout(unsigned nr_cpus, size_t nr_pages)
{
	struct books books;
	size_t at = nr_cpus * sizeof(struct hnuma_cpu);

	books.states = at;
	at += round_up(nr_pages * HNUMA_BLOCKS_PER_PAGE_MAX * sizeof(struct hnuma_state),
		       HNUMA_CACHE_LINE);
	books.page_classes = at;
	at += round_up(nr_pages, HNUMA_CACHE_LINE);
	books.pages = at;
	at += round_up(nr_pages * sizeof(struct hnuma_page), HNUMA_CACHE_LINE);
	for (unsigned c = 0; c < HNUMA_NR_CLASSES; c++) {
		books.stacks[c] = at;
		at += round_up(nr_pages * hnuma_blocks_per_page(c) * sizeof(uint32_t),
			       HNUMA_CACHE_LINE);
	}
	books.size = round_up(at, BOOK_PAGE);
	return books;
}

static int attr_check(const struct hnuma_pool_attr *attr)
{
	int error =
		hnuma_attr_check("struct hnuma_pool_attr", attr->struct_size, sizeof(*attr),
				 attr->least_backing, attr->policy, attr->flags, HNUMA_POOL_FLAGS);

	if (error)
		return error;
	if (attr->policy == HNUMA_POLICY_INTERLEAVE)
		return hnuma_error_set(-EINVAL, "a pool cannot be interleaved: its blocks have a "
						"home; use HNUMA_POLICY_BIND or _PREFERRED");
	if ((unsigned)attr->hygiene > HNUMA_HYGIENE_ON_RELEASE)
		return hnuma_error_set(-EINVAL, "hygiene %d does not exist", (int)attr->hygiene);
	if (attr->buffers_per_class == 0)
		return hnuma_error_set(-EINVAL, "buffers_per_class is 0: ask for at least 1");
	return 0;
}

/* Bytes of pages that let buffers_per_class blocks of every class be out at the same time. */
static int default_bytes(size_t buffers, size_t *bytes)
{
	size_t sum = 0;

	for (unsigned c = 0; c < HNUMA_NR_CLASSES; c++) {
		size_t part;

		if (__builtin_mul_overflow(buffers, hnuma_block_size(c), &part) ||
		    part > SIZE_MAX - HNUMA_HUGEPAGE ||
		    __builtin_add_overflow(sum, round_up(part, HNUMA_HUGEPAGE), &sum))
			return -EOVERFLOW;
	}
	*bytes = sum;
	return 0;
}

/* How many caches per class a home has: one for each of its CPUs, and the quarantine. */
static unsigned nr_caches(const struct hnuma_pool_attr *attr, const struct hnuma_service *service,
			  unsigned index)
{
	return hnuma_service_nr_cpus_of(service, index) + !!(attr->flags & HNUMA_HARDENED);
}

int hnuma_pool_need(const struct hnuma_pool_attr *attr, const struct hnuma_service *service,
		    unsigned index, struct hnuma_pool_need *need)
{
	/* Block numbers have 32 bits and count KB. Behind each block of a hardened pool lies a guard. */
	const bool is_hardened = attr->flags & HNUMA_HARDENED;
	const size_t most = ((size_t)1 << (32 + HNUMA_BLOCK_SHIFT) >> is_hardened) - HNUMA_HUGEPAGE;
	size_t bytes = attr->bytes_per_node;
	int error = attr_check(attr);

	if (error)
		return error;
	if ((bytes == 0 && default_bytes(attr->buffers_per_class, &bytes)) || bytes > most)
		return hnuma_error_set(-EOVERFLOW,
				       "a pool of %zu blocks per class, or %zu bytes per node, %s"
				       "is too large: a node's part must be below 4 TB",
				       attr->buffers_per_class, attr->bytes_per_node,
				       is_hardened ? "and as much again for guards, " : "");
	need->blocks = round_up(bytes, HNUMA_HUGEPAGE);
	need->pages = need->blocks << is_hardened;
	need->books =
		books_layout(nr_caches(attr, service, index), need->pages / HNUMA_HUGEPAGE).size;
	return 0;
}

static size_t cache_limit(size_t buffers_per_class, unsigned nr_cpus)
{
	size_t limit = buffers_per_class / (nr_cpus ? nr_cpus : 1);

	if (limit < CACHE_LIMIT_LEAST)
		limit = CACHE_LIMIT_LEAST;
	if (limit > HNUMA_CACHE_SLOTS)
		limit = HNUMA_CACHE_SLOTS;
	return limit < buffers_per_class ? limit : buffers_per_class;
}

/*
 * In a hardened pool nothing goes through a CPU's cache: it holds no block at all, so that whatever
 * tries one finds it full and empty.
 */
static size_t cache_limit_of(const struct hnuma_home *home, unsigned cpu)
{
	if (!home->is_hardened)
		return cache_limit(home->buffers_per_class, home->nr_cpus);
	if (cpu + 1 < home->nr_cpus)
		return 0;
	return home->buffers_per_class < HNUMA_CACHE_SLOTS ? home->buffers_per_class
							   : HNUMA_CACHE_SLOTS;
}

/* Fill in a home whose base, size, states and so on are known and whose caches are all zero. */
static void home_open(struct hnuma_home *home)
{
	home->first_finding.offset = HNUMA_NOT_FOUND;
	home->free_pages = HNUMA_NO_PAGE;
	for (unsigned c = 0; c < HNUMA_NR_CLASSES; c++) {
		struct hnuma_depot *depot = &home->depots[c];

		depot->partial = HNUMA_NO_PAGE;
		for (unsigned cpu = 0; cpu < home->nr_cpus; cpu++) {
			struct hnuma_cache *cache = &home->cpus[cpu].caches[c];

			cache->limit = (uint32_t)cache_limit_of(home, cpu);
			cache->home = home;
			cache->base = home->base;
			cache->states = home->states;
			cache->mask = hnuma_home_stride(home, c) - 1;
		}
	}
}

/* The pages of a home that is new: none has a class. Those at the start are dealt first. */
static void pages_open(struct hnuma_home *home)
{
	for (uint32_t i = home->nr_pages; i-- > 0;) {
		home->page_classes[i] = HNUMA_NO_CLASS;
		hnuma_home_enlist(home, i);
	}
}

static int home_build(struct hnuma_home *home, const struct hnuma_ground *ground, unsigned index,
		      const struct hnuma_pool_attr *attr, const struct hnuma_pool_place *place)
{
	unsigned char *base = hnuma_region_base(ground->regions[index]);
	struct hnuma_pool_need need;
	struct books books;
	int error = hnuma_pool_need(attr, &ground->service, index, &need);

	if (error)
		return error;
	home->node = ground->service.nodes[index];
	home->is_hardened = attr->flags & HNUMA_HARDENED;
	home->nr_cpus = nr_caches(attr, &ground->service, index);
	home->nr_pages = (uint32_t)(need.pages / HNUMA_HUGEPAGE);
	home->buffers_per_class = attr->buffers_per_class;
	home->base = base + place->pages;
	home->size = need.pages;
	books = books_layout(home->nr_cpus, home->nr_pages);
	base += place->books;
	home->cpus = (struct hnuma_cpu *)base;
	home->states = (struct hnuma_state *)(base + books.states);
	home->page_classes = (_Atomic unsigned char *)(base + books.page_classes);
	home->pages = (struct hnuma_page *)(base + books.pages);
	for (unsigned c = 0; c < HNUMA_NR_CLASSES; c++)
		home->depots[c].stack = (uint32_t *)(base + books.stacks[c]);
	error = pthread_mutex_init(&home->lock, NULL);
	if (error)
		return hnuma_error_set(-error, "a lock for the pool of node %d: %s", home->node,
				       hnuma_strerror(error));
	return 0;
}

/* Give each CPU number its caches on its home, in the order of CPU numbers. */
static void lines_fill(struct hnuma_pool *pool)
{
	for (unsigned i = 0; i < pool->nr_homes; i++) {
		struct hnuma_home *home = &pool->homes[i];
		unsigned next = 0;

		for (unsigned cpu = 0; cpu < pool->nr_cpus; cpu++) {
			struct hnuma_line *line = &pool->lines[cpu];

			if (pool->ground->service.index_of_cpu[cpu] != i)
				continue;
			line->base = home->base;
			line->size = home->size;
			line->page_classes = home->page_classes;
			for (unsigned c = 0; c < HNUMA_NR_CLASSES; c++)
				line->caches[c] = &home->cpus[next].caches[c];
			next++;
		}
	}
}

static void *zeroed(size_t nr, size_t size)
{
	size_t bytes = round_up(nr * size, HNUMA_CACHE_LINE);
	void *memory = aligned_alloc(HNUMA_CACHE_LINE, bytes);

	return memory ? memset(memory, 0, bytes) : NULL;
}

/*
 * What a hardened pool does itself, nobody else need do: its blocks are cleared when they go out and
 * when they come back, and it must read and write what a checking tool would not let it.
 */
static int harden(struct hnuma_pool *pool, uint64_t *key, const struct hnuma_pool_past *past)
{
	pool->uses_rseq = false;
	pool->is_poisoning = false;
	pool->hygiene = HNUMA_HYGIENE_NEVER;
	if (!past)
		return hnuma_random_draw(key, "key for a hardened pool");
	*key = past->key;
	return 0;
}

static int homes_build(struct hnuma_pool *pool, const struct hnuma_pool_attr *attr, uint64_t key,
		       const struct hnuma_pool_past *past)
{
	const unsigned nr_homes = pool->ground->service.nr_nodes;

	for (unsigned i = 0; i < nr_homes; i++) {
		struct hnuma_home *home = &pool->homes[i];
		int error = home_build(home, pool->ground, i, attr, &pool->places[i]);

		if (error)
			return error;
		pool->nr_homes++;
		home->uses_rseq = pool->uses_rseq;
		home->key = key;
		if (past)
			home->shift = past->origins[i] - (uintptr_t)home->base;
	}
	/* Nothing is written before everything is known to be sound. */
	for (unsigned i = 0; past && i < nr_homes; i++) {
		int error = hnuma_adopt_check(&pool->homes[i]);

		if (error)
			return error;
	}
	for (unsigned i = 0; i < nr_homes; i++) {
		struct hnuma_home *home = &pool->homes[i];

		if (past)
			memset(home->cpus, 0, home->nr_cpus * sizeof(*home->cpus));
		home_open(home);
		if (!past) {
			pages_open(home);
			continue;
		}
		hnuma_adopt_give_up(home, pool->ground->regions[i], pool->places[i].pages);
		hnuma_adopt_rebuild(home, pool->hygiene == HNUMA_HYGIENE_ON_RELEASE);
	}
	return 0;
}

/* All but the blocks that are out and can be touched. */
static void poison_all(const struct hnuma_pool *pool)
{
	void *block = NULL;

	for (unsigned i = 0; i < pool->nr_homes; i++)
		hnuma_poison(pool->homes[i].base, pool->homes[i].size);
	while ((block = hnuma_pool_walk(pool, block))) {
		int class_index = hnuma_pool_class_of(pool, block);

		hnuma_unpoison_defined(block, hnuma_block_size((unsigned)class_index));
	}
}

int hnuma_pool_build(struct hnuma_pool **out, const struct hnuma_ground *ground,
		     const struct hnuma_pool_attr *attr, const struct hnuma_pool_place *places,
		     const struct hnuma_pool_past *past)
{
	const unsigned nr_homes = ground->service.nr_nodes;
	struct hnuma_pool *pool;
	uint64_t key = 0;
	int error = -ENOMEM;

	*out = NULL;
	pool = zeroed(1, sizeof(*pool));
	if (!pool)
		goto no_memory;
	pool->epoch = hnuma_process_epoch;
	pool->nr_cpus = ground->service.nr_cpus;
	pool->hygiene = attr->hygiene;
	pool->policy = attr->policy;
	pool->ground = ground;
	pool->is_poisoning = hnuma_poison_is_on();
	pool->uses_rseq = hnuma_rseq_is_usable();
	/* The epoch only grows, so the one before never comes again. */
	pool->fast_epoch = pool->epoch;
#if HNUMA_HAVE_RSEQ
	pool->rseq_offset = __rseq_offset;
#endif
	if (attr->flags & HNUMA_HARDENED) {
		error = harden(pool, &key, past);
		if (error)
			goto failed;
	}
	if (!pool->uses_rseq || pool->is_poisoning || pool->hygiene != HNUMA_HYGIENE_NEVER)
		pool->fast_epoch--;
	pool->lines = zeroed(pool->nr_cpus, sizeof(struct hnuma_line));
	pool->homes = zeroed(nr_homes, sizeof(struct hnuma_home));
	pool->places = zeroed(nr_homes, sizeof(*places));
	if (!pool->lines || !pool->homes || !pool->places)
		goto no_memory;
	memcpy(pool->places, places, nr_homes * sizeof(*places));
	error = homes_build(pool, attr, key, past);
	if (error)
		goto failed;
	lines_fill(pool);
	if (pool->is_poisoning)
		poison_all(pool);
	*out = pool;
	return 0;

no_memory:
	error = hnuma_error_set(-ENOMEM, "no memory for a pool's list of nodes and CPUs");
failed:
	hnuma_pool_free(pool);
	return error;
}

uint64_t hnuma_pool_key(const struct hnuma_pool *pool)
{
	return pool->homes[0].key;
}

/* The addresses may soon be somebody else's: leave no poison behind. Once is enough. */
static void unpoison_all(struct hnuma_pool *pool)
{
	for (unsigned i = 0; pool->is_poisoning && i < pool->nr_homes; i++)
		hnuma_unpoison(pool->homes[i].base, pool->homes[i].size);
	pool->is_poisoning = false;
}

void hnuma_pool_free(struct hnuma_pool *pool)
{
	if (!pool)
		return;
	hnuma_directory_remove(pool->listing);
	unpoison_all(pool);
	for (unsigned i = 0; i < pool->nr_homes; i++)
		pthread_mutex_destroy(&pool->homes[i].lock);
	free(pool->places);
	free(pool->homes);
	free(pool->lines);
	free(pool);
}

/* The ground of a pool on its own: on each node the books, rounded to 2 MB, then the pages. */
static int own_ground(struct hnuma_ground *ground, const struct hnuma_topology *topology,
		      const struct hnuma_service *service, const struct hnuma_pool_attr *attr,
		      struct hnuma_pool_place *places, size_t *sizes)
{
	const struct hnuma_ground_request request = {
		.name = "pool",
		.sizes = sizes,
		.least_backing = attr->least_backing,
		.policy = attr->policy,
		.flags = attr->flags & HNUMA_OBJECT_FLAGS,
		.hooks = attr->hooks,
	};

	for (unsigned i = 0; i < service->nr_nodes; i++) {
		struct hnuma_pool_need need;
		int error = hnuma_pool_need(attr, service, i, &need);

		if (error)
			return error;
		places[i].books = 0;
		places[i].pages = round_up(need.books, HNUMA_HUGEPAGE);
		sizes[i] = places[i].pages + need.pages;
	}
	return hnuma_ground_create(ground, topology, service, &request);
}

int hnuma_pool_create(struct hnuma_pool **out, const struct hnuma_topology *topology,
		      const struct hnuma_pool_attr *attr)
{
	struct hnuma_pool_place *places = NULL;
	struct hnuma_pool_attr hardened;
	struct hnuma_service service;
	struct hnuma_ground ground;
	size_t *sizes = NULL;
	int error;

	if (!out)
		return hnuma_error_set(-EINVAL, "out is NULL");
	*out = NULL;
	if (!topology || !attr)
		return hnuma_error_set(-EINVAL, "topology or attr is NULL");
	error = attr_check(attr);
	if (error)
		return error;
	hardened = *attr;
	hardened.flags |= hnuma_harden_asked();
	attr = &hardened;
	error = hnuma_service_init(&service, topology, &attr->nodes);
	if (error)
		return error;
	places = calloc(service.nr_nodes, sizeof(*places));
	sizes = calloc(service.nr_nodes, sizeof(*sizes));
	if (!places || !sizes) {
		error = hnuma_error_set(-ENOMEM, "no memory for a pool's list of nodes");
		goto out_service;
	}
	error = own_ground(&ground, topology, &service, attr, places, sizes);
	if (error)
		goto out_service;
	error = hnuma_pool_build(out, &ground, attr, places, NULL);
	if (error) {
		hnuma_ground_destroy(&ground);
		goto out_service;
	}
	(*out)->own_ground = ground;
	(*out)->ground = &(*out)->own_ground;
	(*out)->owns_ground = true;
	hnuma_listing_add_pool(*out, 0);

out_service:
	free(sizes);
	free(places);
	hnuma_service_free(&service);
	return error;
}

int hnuma_pool_destroy(struct hnuma_pool *pool)
{
	size_t nr_out;
	int error;

	if (!pool)
		return 0;
	if (hnuma_process_is_child_of(pool->epoch))
		return hnuma_process_refuse("pool");
	if (!pool->owns_ground)
		return hnuma_error_set(-EINVAL, "the pool belongs to a manager: destroy that");
	nr_out = pool->is_going ? 0 : hnuma_pool_nr_out(pool);
	if (nr_out > 0)
		return hnuma_error_set(-EBUSY,
				       "the pool cannot be destroyed: %zu of its blocks are "
				       "out; release them first",
				       nr_out);
	error = pool->is_going ? 0 : hnuma_guard_leave(pool);
	if (error)
		return error;
	/* Once a region is gone so are its books: from here on the pool can only be destroyed. */
	pool->is_going = true;
	hnuma_directory_remove(pool->listing);
	/* Hooks may look at what goes, and another thread's mapping may come to lie there. */
	unpoison_all(pool);
	error = hnuma_ground_destroy(&pool->own_ground);
	if (error)
		return error;
	hnuma_pool_free(pool);
	return 0;
}

struct hnuma_home *hnuma_pool_home_of_node(const struct hnuma_pool *pool, int node)
{
	int index = hnuma_service_index(&pool->ground->service, node);

	return index < 0 ? NULL : &pool->homes[index];
}

const struct hnuma_region *hnuma_pool_region(const struct hnuma_pool *pool, int node)
{
	const struct hnuma_home *home = pool ? hnuma_pool_home_of_node(pool, node) : NULL;

	if (!home) {
		errno = ENODEV;
		return NULL;
	}
	return pool->ground->regions[home - pool->homes];
}

int hnuma_pool_piece(const struct hnuma_pool *pool, size_t piece_bytes, size_t index,
		     struct hnuma_piece *piece)
{
	int error = hnuma_hooks_check_piece(pool, piece_bytes, piece);

	if (error)
		return error;
	if (hnuma_process_is_child_of(pool->epoch))
		return hnuma_process_refuse("pool");
	if (pool->is_going)
		return hnuma_error_set(-EINVAL, "the pool is being destroyed: destroy it again");
	return hnuma_ground_piece(pool->ground, piece_bytes, index, piece);
}

int hnuma_pool_verify(const struct hnuma_pool *pool, int node, struct hnuma_placement *placement)
{
	const struct hnuma_home *home;
	struct hnuma_placement books;
	const struct hnuma_region *region;
	struct hnuma_pool_place place;
	int error;

	if (!pool || !placement)
		return hnuma_error_set(-EINVAL, "pool or placement is NULL");
	if (hnuma_process_is_child_of(pool->epoch))
		return hnuma_process_refuse("pool");
	home = hnuma_pool_home_of_node(pool, node);
	if (!home)
		return hnuma_error_set(-ENODEV, "node %d is not served by this pool", node);
	region = pool->ground->regions[home - pool->homes];
	place = pool->places[home - pool->homes];
	error = hnuma_region_verify_range(region, place.pages, home->size, placement);
	if (error)
		return error;
	error = hnuma_region_verify_range(region, place.books,
					  books_layout(home->nr_cpus, home->nr_pages).size, &books);
	if (!error)
		hnuma_placement_add(placement, &books);
	return error;
}
