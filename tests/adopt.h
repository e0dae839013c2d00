/* SPDX-License-Identifier: MIT */
/*
 * tests/adopt.h - what the tests of managers that are handed over share: a small manager, what it has
 * out, and descriptors through a socket.
 */
#ifndef HUGENUMA_TESTS_ADOPT_H
#define HUGENUMA_TESTS_ADOPT_H

#include <string.h>

#include <hugenuma.h>

#include "tests/check.h"

#define ADOPT_POOL_PAGES 6
/* Of one manager: books and spaces, the pool's pages with their guards, and the arena. */
#define ADOPT_PAGES (2 * ADOPT_POOL_PAGES + 4)

#define ADOPT_NR_BLOCKS 20

struct adopt_block {
	size_t offset; /* in its region */
	int class_index;
};

/* As adopt_main() sets them. */
extern struct hnuma_topology *adopt_topology;
extern int adopt_home;

/* A copy of the descriptor of the last manager that was made, and what is out of its pool. */
extern int adopt_fd;
extern struct adopt_block adopt_blocks[ADOPT_NR_BLOCKS];

/* Of a small shared manager on the home node. */
struct hnuma_config adopt_config(void);

struct hnuma_manager *adopt_make(const struct hnuma_config *config);

/* Use the pool: blocks of each class are out, others have come back, to caches and depots. */
void adopt_use(struct hnuma_manager *manager);

/* Make one, use it, and leave it. */
void adopt_leave_one(const struct hnuma_config *config);

/* Adopt what adopt_fd leads to. */
struct hnuma_manager *adopt_again(void);

/* Where a block is now. */
unsigned char *adopt_block_at(const struct hnuma_manager *manager, int i);

bool adopt_has_bytes(const struct hnuma_manager *manager, int i);

/* What hnuma_pool_walk() meets, or hnuma_pool_walk_retired(): how many; is this one of them? */
typedef void *adopt_walk(const struct hnuma_pool *pool, const void *previous);
unsigned adopt_count(adopt_walk *walk, const struct hnuma_pool *pool);
bool adopt_is_met(adopt_walk *walk, const struct hnuma_pool *pool, const void *wanted);

/* Are the blocks all there, and nothing else? Gives them back. */
void adopt_check_blocks(struct hnuma_manager *manager);

/* The same, and then the manager and its descriptor go. */
void adopt_finish(struct hnuma_manager *manager);

/* An adoption of these descriptors is refused, and leaves everything as it was. */
void adopt_refuse(const int *fds, unsigned nr, int error, const char *words);

/* check_main() with this system's topology, whatever hwloc's environment describes. */
int adopt_main(const char *module, CU_TestInfo *tests);

#endif
