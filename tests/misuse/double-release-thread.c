/* SPDX-License-Identifier: MIT */
/*
 * tests/misuse/double-release-thread.c - a block is released again, by another thread.
 *
 * Plain: EALREADY
 */
#include <pthread.h>

#include "tests/misuse/misuse.h"

static struct hnuma_pool *pool;

static void *release_again(void *block)
{
	return (void *)(intptr_t)misuse_tell(hnuma_pool_release(pool, block));
}

int main(void)
{
	pthread_t thread;
	char *block;

	pool = misuse_pool();
	block = misuse_block(pool);
	misuse_need(hnuma_pool_release(pool, block));
	misuse_need(pthread_create(&thread, NULL, release_again, block));
	misuse_need(pthread_join(thread, NULL));
	return 0;
}
