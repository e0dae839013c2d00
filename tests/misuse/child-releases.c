/* SPDX-License-Identifier: MIT */
/*
 * tests/misuse/child-releases.c - a child of fork() releases its parent's block.
 *
 * Plain: EOWNERDEAD
 */
#include <sys/wait.h>
#include <unistd.h>

#include "tests/misuse/misuse.h"

int main(void)
{
	struct hnuma_pool *pool = misuse_pool();
	char *block = misuse_block(pool);
	pid_t child = fork();

	if (child == 0)
		exit(misuse_tell(hnuma_pool_release(pool, block)));
	misuse_need(child < 0 || waitpid(child, NULL, 0) != child);
	return 0;
}
