/* SPDX-License-Identifier: MIT */
/*
 * tests/check_state.c - what a fault must leave as it was: pages, files, mappings, policy, affinity.
 *
 * Calls the C library and the kernel only; allocates nothing, so that looking changes nothing.
 */
#include "config.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tests/check.h"
#include "tests/check_internal.h"

#define NODES_MAX 64
#define MASK_BITS (16 * 8 * sizeof(unsigned long))

/* Pages of a process that has just ended, or of a file that has just been closed, can take a moment. */
#define SETTLE_TRIES	100
#define SETTLE_PAUSE_NS 10000000

int check_home_node(void)
{
	static const char label[] = "\nMems_allowed_list:\t";
	const char *list = strstr(check_read_file("/proc/self/status"), label);

	return list ? atoi(list + strlen(label)) : 0;
}

bool check_knows_nodes(void)
{
	return access("/sys/devices/system/node", F_OK) == 0;
}

static uint64_t count_in(const char *path)
{
	return strtoull(check_read_file(path), NULL, 10);
}

static void note_pages(struct check_state *state)
{
#define POOL "/sys/kernel/mm/hugepages/hugepages-2048kB/"
	state->free_pages = count_in(POOL "free_hugepages");
	state->reserved_pages = count_in(POOL "resv_hugepages");
	state->surplus_pages = count_in(POOL "surplus_hugepages");
#undef POOL
	for (int i = 0; i < NODES_MAX; i++) {
		char path[128];

		snprintf(
			path, sizeof(path),
			"/sys/devices/system/node/node%d/hugepages/hugepages-2048kB/free_hugepages",
			i);
		state->node_free[i] = count_in(path);
	}
}

/* With one call: what is not open is said to be invalid. */
static unsigned count_open_files(void)
{
	static struct pollfd files[4096];
	struct rlimit limit = {4096, 4096};
	unsigned open = 0;

	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur > 4096)
		limit.rlim_cur = 4096;
	for (unsigned fd = 0; fd < limit.rlim_cur; fd++)
		files[fd] = (struct pollfd){.fd = (int)fd};
	poll(files, limit.rlim_cur, 0);
	for (unsigned fd = 0; fd < limit.rlim_cur; fd++)
		open += !(files[fd].revents & POLLNVAL);
	return open;
}

static unsigned count_mappings(void)
{
	char text[4096];
	unsigned lines = 0;
	ssize_t got;
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);

	while (fd >= 0 && (got = read(fd, text, sizeof(text))) > 0)
		for (ssize_t i = 0; i < got; i++)
			lines += text[i] == '\n';
	if (fd >= 0)
		close(fd);
	return lines;
}

static void note(struct check_state *state)
{
	memset(state, 0, sizeof(*state));
	note_pages(state);
	state->open_files = count_open_files();
	state->mappings = count_mappings();
	if (syscall(SYS_get_mempolicy, &state->policy, state->policy_mask, MASK_BITS, NULL, 0) < 0)
		state->policy = -1;
	sched_getaffinity(0, sizeof(state->affinity), (cpu_set_t *)state->affinity);
}

void check_snapshot(struct check_state *state)
{
	check_lock();
	note(state);
}

static bool same_pages(const struct check_state *a, const struct check_state *b)
{
	return a->free_pages == b->free_pages && a->reserved_pages == b->reserved_pages &&
	       a->surplus_pages == b->surplus_pages &&
	       memcmp(a->node_free, b->node_free, sizeof(a->node_free)) == 0;
}

static void expect(const char *what, uint64_t before, uint64_t now)
{
	CU_PASS("compared");
	if (before != now)
		hnuma_check_fail(__FILE__, __LINE__, "%s: %llu before, %llu now", what,
				 (unsigned long long)before, (unsigned long long)now);
}

bool check_is_instrumented(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
	return true;
#endif
#endif
	return getenv("CHECK_UNDER_VALGRIND") != NULL;
}

void check_unchanged(const struct check_state *before)
{
	const struct timespec pause = {0, SETTLE_PAUSE_NS};
	struct check_state now;

	note(&now);
	for (int i = 0; i < SETTLE_TRIES && !same_pages(before, &now); i++) {
		nanosleep(&pause, NULL);
		note(&now);
	}
	expect("free huge pages", before->free_pages, now.free_pages);
	expect("reserved huge pages", before->reserved_pages, now.reserved_pages);
	expect("surplus huge pages", before->surplus_pages, now.surplus_pages);
	for (int i = 0; i < NODES_MAX; i++) {
		char what[64];

		snprintf(what, sizeof(what), "free huge pages of node %d", i);
		if (before->node_free[i] || now.node_free[i])
			expect(what, before->node_free[i], now.node_free[i]);
	}
	expect("open files", before->open_files, now.open_files);
	if (!check_is_instrumented())
		expect("lines of /proc/self/maps", before->mappings, now.mappings);
	expect("memory policy", (uint64_t)before->policy, (uint64_t)now.policy);
	if (memcmp(before->policy_mask, now.policy_mask, sizeof(now.policy_mask)) != 0)
		hnuma_check_fail(__FILE__, __LINE__, "the memory policy's nodes have changed");
	if (memcmp(before->affinity, now.affinity, sizeof(now.affinity)) != 0)
		hnuma_check_fail(__FILE__, __LINE__, "the CPU affinity has changed");
}
