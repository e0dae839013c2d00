/* SPDX-License-Identifier: MIT */
/*
 * restart.c - a server whose requests survive its processes.
 *
 * The parent only keeps the descriptors of the memory, as systemd would (FDSTORE=1). It starts a
 * worker, kills it in the middle of its work, and starts the next one, which adopts the memory, finds
 * the requests in it and goes on with each where it was. The last one is let live.
 */
#include <hugenuma.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define NR_REQUESTS 8
#define NR_TOKENS   1000
#define NR_WORKERS  4

/* A request is a block. No address is in it: the next process has the block elsewhere. */
struct request {
	unsigned number;
	volatile unsigned nr_done; /* written when the token is there */
	unsigned tokens[NR_TOKENS];
};

static int fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, hnuma_errormsg());
	return 1;
}

static unsigned next_token(const struct request *request)
{
	unsigned last = request->nr_done ? request->tokens[request->nr_done - 1] : request->number;

	usleep(50); /* a model would be at work */
	return last * 1664525u + 1013904223u;
}

/* Accept requests; the first worker only has to. */
static int accept_requests(struct hnuma_pool *pool)
{
	for (unsigned i = 0; i < NR_REQUESTS; i++) {
		struct request *request = hnuma_pool_acquire_size(pool, sizeof(*request));

		if (!request)
			return fail("a request");
		request->nr_done = 0;
		request->number = i + 1;
	}
	return 0;
}

static int work(const struct hnuma_topology *topology, const int *fds, int nr_fds, int worker)
{
	struct hnuma_manager *memory;
	struct request *request = NULL;
	void *lost = NULL;
	unsigned nr_requests = 0, nr_tokens = 0;

	if (hnuma_manager_adopt(&memory, topology, fds, (unsigned)nr_fds, NULL))
		return fail("adopting");
	struct hnuma_pool *pool = hnuma_manager_pool(memory);

	if (worker == 1 && accept_requests(pool))
		return 1;
	/* On a page with a memory error: not even to be looked at. */
	while ((lost = hnuma_pool_walk_retired(pool, lost))) {
		fprintf(stderr, "a request was lost\n");
		hnuma_pool_release(pool, lost);
	}
	while ((request = hnuma_pool_walk(pool, request))) {
		nr_requests++;
		nr_tokens += request->nr_done;
	}
	printf("worker %d: %u requests, %u tokens of them are there\n", worker, nr_requests,
	       nr_tokens);
	fflush(stdout);
	while ((request = hnuma_pool_walk(pool, NULL))) { /* until none is left */
		for (; request; request = hnuma_pool_walk(pool, request)) {
			if (request->nr_done == NR_TOKENS) {
				hnuma_pool_release(pool, request);
				continue;
			}
			request->tokens[request->nr_done] = next_token(request);
			request->nr_done++;
		}
	}
	return hnuma_manager_destroy(memory) ? fail("destroying") : 0;
}

int main(void)
{
	struct hnuma_config config = HNUMA_CONFIG_INIT;
	struct hnuma_topology *topology;
	struct hnuma_manager *memory;
	int fds[HNUMA_MAX_NODES], nr_fds, status = 0;

	config.flags = HNUMA_SHARED;
	config.least_backing = HNUMA_BACKING_BASE; /* to be seen on any machine */
	if (hnuma_topology_create(&topology) || hnuma_manager_create(&memory, topology, &config))
		return fail("memory");
	nr_fds = hnuma_manager_fds(memory, fds, HNUMA_MAX_NODES);
	if (nr_fds < 0)
		return fail("descriptors");
	for (int i = 0; i < nr_fds; i++)
		fds[i] = dup(fds[i]); /* the manager's own go with it */
	if (hnuma_manager_leave(memory))
		return fail("leaving");
	for (int worker = 1; worker <= NR_WORKERS; worker++) {
		pid_t child = fork();

		if (child == 0)
			exit(work(topology, fds, nr_fds, worker));
		if (worker < NR_WORKERS) {
			usleep(100000);
			kill(child, SIGKILL);
		}
		waitpid(child, &status, 0);
	}
	hnuma_topology_destroy(topology);
	puts(status == 0 ? "every request was served" : "the last worker failed");
	return status != 0;
}
