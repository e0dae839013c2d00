/* SPDX-License-Identifier: MIT */
/*
 * tests/test_hooks.c - numa/hooks: pieces of regions, and the functions that register them.
 *
 * Links with the wrappers that tests/fail_malloc.h names.
 */
#include "config.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <hugenuma.h>

#include "numa/ground.h"
#include "tests/check.h"
#include "tests/fail_malloc.h"

#define PAGE	 HNUMA_HUGEPAGE
#define NR_PAGES 5
#define NOTE_MAX 32

static struct hnuma_topology *topology;

/* What the hooks below were called for, and what they do besides. */
static struct notes {
	struct hnuma_piece made[NOTE_MAX];
	struct hnuma_piece going[NOTE_MAX];
	void *handles[NOTE_MAX]; /* that `going` was given */
	unsigned nr_made, nr_going;
	unsigned refuse_at; /* the call of `made` that fails, from 1; 0: none */
	int error;
	int (*then)(void); /* called in the hooks; what it answers is noted */
	int answer;
	bool could_cancel;
} notes;

static void note_thread(void)
{
	int state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	notes.could_cancel |= state == PTHREAD_CANCEL_ENABLE;
	pthread_setcancelstate(state, &state);
	if (notes.then)
		notes.answer = notes.then();
}

static int made(void *arg, const struct hnuma_piece *piece, void **handle)
{
	CU_ASSERT_PTR_EQUAL(arg, &notes);
	CU_ASSERT_PTR_NULL(*handle);
	notes.made[notes.nr_made++ % NOTE_MAX] = *piece;
	note_thread();
	if (notes.nr_made == notes.refuse_at)
		return notes.error;
	/* It is there, and zero. */
	for (size_t at = 0; at < piece->size; at += 4096)
		CU_ASSERT_EQUAL_FATAL(((unsigned char *)piece->base)[at], 0);
	*handle = piece->base;
	return 0;
}

static void going(void *arg, const struct hnuma_piece *piece, void *handle)
{
	CU_ASSERT_PTR_EQUAL(arg, &notes);
	notes.handles[notes.nr_going % NOTE_MAX] = handle;
	notes.going[notes.nr_going++ % NOTE_MAX] = *piece;
	/* Still is; an arena that refuses to be destroyed once more is poisoned as it was. */
	if (!notes.then)
		((volatile unsigned char *)piece->base)[piece->size - 1] = 1;
	note_thread();
}

static struct hnuma_hooks make_hooks(size_t piece_bytes)
{
	struct hnuma_hooks hooks = HNUMA_HOOKS_INIT;

	memset(&notes, 0, sizeof(notes));
	hooks.piece_bytes = piece_bytes;
	hooks.made = made;
	hooks.going = going;
	hooks.arg = &notes;
	return hooks;
}

static struct hnuma_region_attr make_attr(const struct hnuma_hooks *hooks)
{
	struct hnuma_region_attr attr = HNUMA_REGION_ATTR_INIT;

	attr.size = NR_PAGES * PAGE;
	attr.hooks = hooks;
	return attr;
}

static bool is_same(const struct hnuma_piece *a, const struct hnuma_piece *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* All went again, in reverse, with its handle. */
static void check_reversed(void)
{
	CU_ASSERT_EQUAL(notes.nr_going, notes.nr_made);
	for (unsigned i = 0; i < notes.nr_going && i < NOTE_MAX; i++) {
		CU_ASSERT(is_same(&notes.going[i], &notes.made[notes.nr_made - 1 - i]));
		CU_ASSERT_PTR_EQUAL(notes.handles[i], notes.going[i].base);
	}
	CU_ASSERT_FALSE(notes.could_cancel);
}

static void test_pieces(void)
{
	static const struct {
		size_t piece_bytes;
		unsigned nr;
	} cases[] = {
		{0, 1},	       {PAGE, NR_PAGES},      {2 * PAGE - 1, NR_PAGES},
		{2 * PAGE, 3}, {3 * PAGE + 12345, 2}, {SIZE_MAX, 1},
	};
	struct hnuma_region_attr attr = make_attr(NULL);
	struct hnuma_region_info info;
	struct hnuma_region *region;
	struct hnuma_piece piece;

	if (!check_hugepages(NR_PAGES))
		return;
	CU_ASSERT_EQUAL_FATAL(hnuma_region_create(&region, topology, &attr), 0);
	CU_ASSERT_EQUAL(hnuma_region_info(region, &info), 0);
	for (unsigned c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		size_t at = 0;

		for (unsigned i = 0; i < cases[c].nr; i++) {
			CU_ASSERT_EQUAL(hnuma_region_piece(region, cases[c].piece_bytes, i, &piece),
					0);
			CU_ASSERT_EQUAL(piece.offset, at);
			CU_ASSERT_PTR_EQUAL(piece.base, (char *)hnuma_region_base(region) + at);
			CU_ASSERT(piece.size > 0 && piece.size % PAGE == 0);
			CU_ASSERT(!cases[c].piece_bytes || piece.size <= cases[c].piece_bytes);
			CU_ASSERT_EQUAL(piece.node, info.node);
			CU_ASSERT_EQUAL(piece.backing, info.backing);
			CU_ASSERT_EQUAL(piece.page_size, info.page_size);
			CU_ASSERT_EQUAL(piece.fd, -1);
			at += piece.size;
		}
		CU_ASSERT_EQUAL(at, hnuma_region_size(region));
		CU_ASSERT_EQUAL(
			hnuma_region_piece(region, cases[c].piece_bytes, cases[c].nr, &piece),
			-ENODEV);
	}
	check_message("no piece with the index 1");
	CU_ASSERT_EQUAL(hnuma_region_piece(region, PAGE - 1, 0, &piece), -EINVAL);
	check_message("pieces of 2097151 bytes");
	CU_ASSERT_EQUAL(hnuma_region_piece(NULL, 0, 0, &piece), -EINVAL);
	CU_ASSERT_EQUAL(hnuma_region_piece(region, 0, 0, NULL), -EINVAL);
	errno = 0;
	CU_ASSERT_PTR_NULL(hnuma_region_handle(region, piece.base));
	CU_ASSERT_EQUAL(errno, ENOENT);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
}

static void test_order(void)
{
	struct hnuma_hooks hooks = make_hooks(2 * PAGE);
	struct hnuma_region_attr attr = make_attr(&hooks);
	struct hnuma_region *region;
	struct hnuma_piece piece;
	struct check_state before;
	unsigned char *base;

	if (!check_hugepages(NR_PAGES))
		return;
	check_snapshot(&before);
	CU_ASSERT_EQUAL_FATAL(hnuma_region_create(&region, topology, &attr), 0);
	/* They were copied. */
	memset(&hooks, 0xff, sizeof(hooks));
	CU_ASSERT_EQUAL(notes.nr_made, 3);
	for (unsigned i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(hnuma_region_piece(region, 2 * PAGE, i, &piece), 0);
		CU_ASSERT(is_same(&notes.made[i], &piece));
	}
	base = hnuma_region_base(region);
	CU_ASSERT_PTR_EQUAL(hnuma_region_handle(region, base + 2 * PAGE - 1), base);
	CU_ASSERT_PTR_EQUAL(hnuma_region_handle(region, base + 2 * PAGE), base + 2 * PAGE);
	CU_ASSERT_PTR_EQUAL(hnuma_region_handle(region, base + 5 * PAGE - 1), base + 4 * PAGE);
	CU_ASSERT_PTR_NULL(hnuma_region_handle(region, base + 5 * PAGE));
	CU_ASSERT_EQUAL(errno, EFAULT);
	CU_ASSERT_PTR_NULL(hnuma_region_handle(NULL, base));
	CU_ASSERT_EQUAL(errno, EINVAL);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
	check_reversed();
	check_unchanged(&before);
}

static void test_one_of_two(void)
{
	struct hnuma_hooks hooks = make_hooks(0);
	struct hnuma_region_attr attr = make_attr(&hooks);
	struct hnuma_region *region;

	if (!check_hugepages(NR_PAGES))
		return;
	hooks.going = NULL;
	CU_ASSERT_EQUAL_FATAL(hnuma_region_create(&region, topology, &attr), 0);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
	CU_ASSERT_EQUAL(notes.nr_made, 1);
	hooks = make_hooks(0);
	hooks.made = NULL;
	CU_ASSERT_EQUAL_FATAL(hnuma_region_create(&region, topology, &attr), 0);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
	CU_ASSERT_EQUAL(notes.nr_going, 1);
	CU_ASSERT_PTR_NULL(notes.handles[0]);
}

static void test_refused(void)
{
	static const int errors[] = {-ENOSPC, -EPERM, 1, 5};

	if (!check_hugepages(NR_PAGES))
		return;
	for (unsigned at = 1; at <= NR_PAGES; at++) {
		struct hnuma_hooks hooks = make_hooks(PAGE);
		struct hnuma_region_attr attr = make_attr(&hooks);
		struct hnuma_region *region = (struct hnuma_region *)1;
		struct check_state before;

		check_snapshot(&before);
		notes.refuse_at = at;
		notes.error = errors[at % 4];
		CU_ASSERT_EQUAL(hnuma_region_create(&region, topology, &attr), -abs(notes.error));
		check_message("the hook for new regions refused piece ");
		CU_ASSERT_PTR_NULL(region);
		CU_ASSERT_EQUAL(notes.nr_made, at);
		notes.nr_made--;
		check_reversed();
		check_unchanged(&before);
	}
}

/* Two regions of one object: the failure at the second undoes the first, and destroy goes backwards. */
static void test_over_regions(void)
{
	static int nodes[2];
	static unsigned short of_cpu[1], nearest[4] = {0, 1, 1, 0};
	static const size_t sizes[2] = {2 * PAGE, PAGE};
	const struct hnuma_service twice = {2, nodes, 1, of_cpu, nearest};
	struct hnuma_hooks hooks = make_hooks(PAGE);
	const struct hnuma_ground_request request = {
		.name = "ground",
		.sizes = sizes,
		.least_backing = HNUMA_BACKING_HUGETLB,
		.hooks = &hooks,
	};
	struct hnuma_ground ground;
	struct hnuma_piece piece;
	struct check_state before;

	nodes[0] = nodes[1] = check_home_node();
	if (!check_hugepages(3))
		return;
	check_snapshot(&before);
	CU_ASSERT_EQUAL_FATAL(hnuma_ground_create(&ground, topology, &twice, &request), 0);
	CU_ASSERT_EQUAL(notes.nr_made, 3);
	for (unsigned i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(hnuma_ground_piece(&ground, PAGE, i, &piece), 0);
		CU_ASSERT(is_same(&notes.made[i], &piece));
	}
	CU_ASSERT_EQUAL(hnuma_ground_piece(&ground, PAGE, 3, &piece), -ENODEV);
	CU_ASSERT_EQUAL(hnuma_ground_destroy(&ground), 0);
	check_reversed();
	hooks = make_hooks(PAGE);
	notes.refuse_at = 3;
	notes.error = -ENOSPC;
	CU_ASSERT_EQUAL(hnuma_ground_create(&ground, topology, &twice, &request), -ENOSPC);
	CU_ASSERT_EQUAL(notes.nr_made--, 3);
	check_reversed();
	check_unchanged(&before);
}

/* What each object is made and destroyed by, so that one test serves all. */
enum object { ARENA, POOL, SCRATCH, MANAGER, NR_OBJECTS };

static union {
	struct hnuma_arena *arena;
	struct hnuma_pool *pool;
	struct hnuma_scratch *scratch;
	struct hnuma_manager *manager;
} it;

static int create_object(enum object object, const struct hnuma_hooks *hooks)
{
	struct hnuma_arena_attr arena = HNUMA_ARENA_ATTR_INIT;
	struct hnuma_pool_attr pool = HNUMA_POOL_ATTR_INIT;
	struct hnuma_scratch_attr scratch = HNUMA_SCRATCH_ATTR_INIT;
	struct hnuma_config config = HNUMA_CONFIG_INIT;

	arena.capacity = 3 * PAGE;
	pool.bytes_per_node = config.pool_bytes_per_node = 2 * PAGE;
	config.arena_capacity = PAGE;
	arena.hooks = pool.hooks = scratch.hooks = config.hooks = hooks;
	arena.least_backing = pool.least_backing = scratch.least_backing = config.least_backing =
		HNUMA_BACKING_BASE;
	switch (object) {
	case ARENA:
		return hnuma_arena_create(&it.arena, topology, &arena);
	case POOL:
		return hnuma_pool_create(&it.pool, topology, &pool);
	case SCRATCH:
		return hnuma_scratch_create(&it.scratch, topology, &scratch);
	default:
		return hnuma_manager_create(&it.manager, topology, &config);
	}
}

static int destroy_object(enum object object)
{
	switch (object) {
	case ARENA:
		return hnuma_arena_destroy(it.arena);
	case POOL:
		return hnuma_pool_destroy(it.pool);
	case SCRATCH:
		return hnuma_scratch_destroy(it.scratch);
	default:
		return hnuma_manager_destroy(it.manager);
	}
}

static int piece_of_object(enum object object, size_t index, struct hnuma_piece *piece)
{
	switch (object) {
	case ARENA:
		return hnuma_region_piece(hnuma_arena_region(it.arena), PAGE, index, piece);
	case POOL:
		return hnuma_pool_piece(it.pool, PAGE, index, piece);
	case SCRATCH:
		return hnuma_scratch_piece(it.scratch, PAGE, index, piece);
	default:
		return hnuma_manager_piece(it.manager, PAGE, index, piece);
	}
}

static void test_objects(void)
{
	for (enum object object = 0; object < NR_OBJECTS; object++) {
		struct hnuma_hooks hooks = make_hooks(PAGE);
		struct hnuma_piece piece;
		struct check_state before;

		check_snapshot(&before);
		CU_ASSERT_EQUAL_FATAL(create_object(object, &hooks), 0);
		CU_ASSERT(notes.nr_made > 0);
		for (unsigned i = 0; i < notes.nr_made && i < NOTE_MAX; i++) {
			CU_ASSERT_EQUAL(piece_of_object(object, i, &piece), 0);
			CU_ASSERT(is_same(&notes.made[i], &piece));
		}
		CU_ASSERT_EQUAL(piece_of_object(object, notes.nr_made, &piece), -ENODEV);
		CU_ASSERT_EQUAL(destroy_object(object), 0);
		check_reversed();

		hooks = make_hooks(PAGE);
		notes.refuse_at = 1;
		notes.error = -ENOSPC;
		CU_ASSERT_EQUAL(create_object(object, &hooks), -ENOSPC);
		CU_ASSERT_EQUAL(notes.nr_made, 1);
		CU_ASSERT_EQUAL(notes.nr_going, 0);
		check_unchanged(&before);
	}
}

static void test_bad_hooks(void)
{
	struct hnuma_hooks hooks = make_hooks(PAGE - 1);
	struct hnuma_piece piece;

	for (enum object object = 0; object < NR_OBJECTS; object++) {
		hooks.struct_size = sizeof(hooks);
		CU_ASSERT_EQUAL(create_object(object, &hooks), -EINVAL);
		check_message("piece_bytes is 2097151");
		hooks.struct_size = 0;
		CU_ASSERT_EQUAL(create_object(object, &hooks), -EINVAL);
		check_message("HNUMA_HOOKS_INIT");
	}
	CU_ASSERT_EQUAL(notes.nr_made, 0);
	memset(&it, 0, sizeof(it));
	for (enum object object = POOL; object < NR_OBJECTS; object++)
		CU_ASSERT_EQUAL(piece_of_object(object, 0, &piece), -EINVAL);
}

static void test_busy(void)
{
	struct hnuma_hooks hooks = make_hooks(0);
	const struct hnuma_region *region;
	struct hnuma_pool *pool;
	void *block;

	CU_ASSERT_EQUAL_FATAL(create_object(MANAGER, &hooks), 0);
	pool = hnuma_manager_pool(it.manager);
	block = hnuma_pool_acquire(pool, HNUMA_CLASS_4K);
	CU_ASSERT_PTR_NOT_NULL_FATAL(block);
	region = hnuma_manager_region(it.manager, hnuma_pool_node_of(pool, block));
	CU_ASSERT_PTR_NOT_NULL(hnuma_region_handle(region, block));
	CU_ASSERT_EQUAL(destroy_object(MANAGER), -EBUSY);
	CU_ASSERT_EQUAL(notes.nr_going, 0);
	CU_ASSERT_EQUAL(hnuma_pool_release(pool, block), 0);
	CU_ASSERT_EQUAL(destroy_object(MANAGER), 0);
	check_reversed();
}

static enum object hooked;

static int destroy_it(void)
{
	int error = destroy_object(hooked);

	CU_ASSERT(error == 0 || strstr(hnuma_errormsg(), "called in a hook"));
	return error;
}

static int make_another(void)
{
	struct hnuma_region_attr attr = make_attr(NULL);
	struct hnuma_region *region;

	return hnuma_region_create(&region, topology, &attr);
}

static void test_calls_back(void)
{
	for (hooked = 0; hooked < NR_OBJECTS; hooked++) {
		struct hnuma_hooks hooks = make_hooks(PAGE);
		struct check_state before;

		check_snapshot(&before);
		notes.then = make_another;
		CU_ASSERT_EQUAL_FATAL(create_object(hooked, &hooks), 0);
		CU_ASSERT_EQUAL(notes.answer, -EBUSY);
		notes.answer = 0;
		notes.then = destroy_it;
		CU_ASSERT_EQUAL(destroy_object(hooked), 0);
		CU_ASSERT_EQUAL(notes.answer, -EBUSY);
		check_reversed();
		check_unchanged(&before);
	}
}

static void test_destroy_fails(void)
{
	struct hnuma_hooks hooks = make_hooks(PAGE);
	struct hnuma_region_attr attr = make_attr(&hooks);
	struct hnuma_region *region;
	struct check_state before;

	if (!check_hugepages(NR_PAGES))
		return;
	check_snapshot(&before);
	CU_ASSERT_EQUAL_FATAL(hnuma_region_create(&region, topology, &attr), 0);
	fail_sys_install();
	fail_sys_begin(FAIL_UNMAP, 1, false, -ENOMEM);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), -ENOMEM);
	CU_ASSERT(fail_sys_end());
	check_reversed();
	CU_ASSERT_PTR_NULL(hnuma_region_handle(region, hnuma_region_base(region)));
	CU_ASSERT_EQUAL(errno, ENOENT);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
	CU_ASSERT_EQUAL(fail_sys_clean(), 0);
	fail_sys_remove();
	check_reversed();
	check_unchanged(&before);
}

static void test_no_memory(void)
{
	bool has_happened = true;

	if (!check_hugepages(NR_PAGES))
		return;
	fail_sys_install();
	for (long at = 1; has_happened; at++) {
		struct hnuma_hooks hooks = make_hooks(PAGE);
		struct hnuma_region_attr attr = make_attr(&hooks);
		struct hnuma_region *region;
		struct check_state before;
		int error;

		check_snapshot(&before);
		fail_sys_begin(FAIL_MALLOC, at, false, -ENOMEM);
		error = hnuma_region_create(&region, topology, &attr);
		has_happened = fail_sys_end();
		CU_ASSERT_EQUAL(error, has_happened ? -ENOMEM : 0);
		CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
		check_reversed();
		check_unchanged(&before);
	}
	fail_sys_remove();
}

static void in_child(void *arg)
{
	struct hnuma_region *region = arg;
	struct hnuma_piece piece;

	CU_ASSERT_EQUAL(hnuma_region_piece(region, 0, 0, &piece), 0);
	CU_ASSERT_PTR_NULL(hnuma_region_handle(region, hnuma_region_base(region)));
	CU_ASSERT_EQUAL(errno, EOWNERDEAD);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
	CU_ASSERT_EQUAL(notes.nr_going, 0);
}

static void in_child_of_objects(void *arg)
{
	struct hnuma_piece piece;

	(void)arg;
	CU_ASSERT_EQUAL(piece_of_object(hooked, 0, &piece), -EOWNERDEAD);
	CU_ASSERT_EQUAL(destroy_object(hooked), -EOWNERDEAD);
	CU_ASSERT_EQUAL(notes.nr_going, 0);
}

static void test_fork(void)
{
	struct hnuma_hooks hooks = make_hooks(PAGE);
	struct hnuma_region_attr attr = make_attr(&hooks);
	struct hnuma_region *region;

	if (!check_hugepages(NR_PAGES))
		return;
	attr.flags = HNUMA_INHERIT;
	CU_ASSERT_EQUAL_FATAL(hnuma_region_create(&region, topology, &attr), 0);
	CU_ASSERT_EQUAL(check_in_child(in_child, region), 0);
	CU_ASSERT_EQUAL(hnuma_region_destroy(region), 0);
	check_reversed();
	for (hooked = 0; hooked < NR_OBJECTS; hooked++) {
		hooks = make_hooks(PAGE);
		CU_ASSERT_EQUAL_FATAL(create_object(hooked, &hooks), 0);
		CU_ASSERT_EQUAL(check_in_child(in_child_of_objects, NULL), 0);
		CU_ASSERT_EQUAL(destroy_object(hooked), 0);
		check_reversed();
	}
}

static void test_blocks_stay_whole(void)
{
	static const size_t sizes[] = {PAGE, 2 * PAGE - 1, 3 * PAGE};

	for (unsigned s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		struct hnuma_hooks hooks = make_hooks(sizes[s]);
		void *blocks[256];
		unsigned nr = 0;

		CU_ASSERT_EQUAL_FATAL(create_object(POOL, &hooks), 0);
		for (unsigned i = 0; nr < 256; i++) {
			enum hnuma_class class_index = i % 2 ? HNUMA_CLASS_256K : HNUMA_CLASS_16K;
			size_t size = hnuma_class_size(class_index);
			const struct hnuma_region *region;
			unsigned char *block = hnuma_pool_acquire(it.pool, class_index), *handle;

			if (!block)
				break;
			blocks[nr++] = block;
			region = hnuma_pool_region(it.pool, hnuma_pool_node_of(it.pool, block));
			handle = hnuma_region_handle(region, block);
			CU_ASSERT_PTR_NOT_NULL(handle);
			CU_ASSERT_PTR_EQUAL(hnuma_region_handle(region, block + size - 1), handle);
			CU_ASSERT((size_t)(block - handle) + size <= sizes[s]);
		}
		CU_ASSERT(nr > 8);
		CU_ASSERT_EQUAL(hnuma_pool_release_bulk(it.pool, blocks, nr), 0);
		CU_ASSERT_EQUAL(destroy_object(POOL), 0);
		check_reversed();
	}
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"pieces", test_pieces},
		{"order", test_order},
		{"one of the two is missing", test_one_of_two},
		{"refused (row 40)", test_refused},
		{"over several regions", test_over_regions},
		{"each object", test_objects},
		{"bad hooks", test_bad_hooks},
		{"destroy that is refused", test_busy},
		{"a hook calls back", test_calls_back},
		{"munmap fails in destroy", test_destroy_fails},
		{"each allocation fails", test_no_memory},
		{"fork", test_fork},
		{"blocks stay whole", test_blocks_stay_whole},
		CU_TEST_INFO_NULL,
	};

	topology = check_topology();
	return check_main("hooks", tests);
}
