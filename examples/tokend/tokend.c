/* SPDX-License-Identifier: MIT */
/*
 * tokend.c - the server from its start to its end: sizes, memory, sockets, workers, signals.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "server.h"

static int complain(const char *what, const char *why)
{
	fprintf(stderr, "tokend: %s%s%s\n", what, why ? ": " : "", why ? why : "");
	return -1;
}

/* Tell the service manager, where there is one that wants to know: sd_notify(3), its protocol. */
static void tell_manager(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	socklen_t length = offsetof(struct sockaddr_un, sun_path);
	int fd;

	if (!path || strlen(path) >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, path, strlen(path));
	length += (socklen_t)strlen(path);
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || sendto(fd, state, strlen(state), 0, (struct sockaddr *)&address, length) < 0)
		complain(path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

/* ---- Sockets: one for each worker on the same port ---- */

static int bound_socket(const struct sockaddr_in *address, bool is_shared)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;

	if (fd >= 0 && !setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) &&
	    (!is_shared || !setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one))) &&
	    !bind(fd, (const struct sockaddr *)address, sizeof(*address)))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static int open_sockets(struct server *server)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons((uint16_t)server->options.port)};
	socklen_t length = sizeof(address);
	char name[64];
	int probe;

	snprintf(name, sizeof(name), "%.40s:%u", server->options.address, server->options.port);
	if (inet_pton(AF_INET, server->options.address, &address.sin_addr) != 1)
		return complain(name, "no IPv4 address");
	/* SO_REUSEPORT would let us in beside another tokend of the same user. */
	probe = bound_socket(&address, false);
	if (probe < 0)
		return complain(name, strerror(errno));
	if (listen(probe, 1))
		return complain(name, strerror(errno));
	close(probe);
	for (unsigned i = 0; i < server->nr_workers; i++) {
		int fd = server->workers[i].socket = bound_socket(&address, true);

		if (fd < 0 || listen(fd, 1024) ||
		    getsockname(fd, (struct sockaddr *)&address, &length))
			return complain(name, strerror(errno));
	}
	server->port = ntohs(address.sin_port);
	return 0;
}

/* ---- Memory: what is needed, said first ---- */

static int choose_sizes(struct server *server, const struct model_shape *model)
{
	const struct options *o = &server->options;
	unsigned context = kv_pages_for(&server->kv_shape, model->context);

	server->limits = (struct batch_limits){
		.running = o->running,
		.queued = o->queued,
		.speculation = o->speculation,
		.pages = kv_pages_for(&server->kv_shape, o->kv_tokens),
	};
	if (!o->kv_tokens)
		server->limits.pages = o->running > 1 ? context * o->running / 2 : context;
	if (!server->memory.ops->is_paged)
		server->limits.pages = o->running;
	if (server->memory.ops->is_paged && server->limits.pages < context) {
		fprintf(stderr,
			"tokend: --kv-tokens %u: a request alone can want %u, its whole context\n",
			o->kv_tokens, model->context);
		return -1;
	}
	return 0;
}

static int open_memory(struct server *server, const struct model_shape *model)
{
	struct memory *memory = &server->memory;

	memory->ops = server->options.memory;
	if (kv_shape_choose(&server->kv_shape, model, memory->ops->is_paged))
		return complain("keys and values of a token are larger than 256 KB a layer", NULL);
	if (choose_sizes(server, model))
		return -1;
	if (hnuma_topology_create(&memory->topology))
		return complain(hnuma_errormsg(), NULL);
	memory->needs = (struct memory_needs){
		.cpus = server->options.cpus,
		.nr_cpus = server->options.nr_cpus,
		.node_bytes = model_bytes(model) + 64,
		.worker_bytes = worker_bytes(server, model) + 64,
		.step_bytes = batch_step_bytes(model),
		.scores_bytes = model->context * sizeof(float) + 64,
		.block_bytes = server->kv_shape.block_bytes,
		.nr_blocks = (size_t)server->limits.pages * server->kv_shape.nr_layers,
		.least_backing = server->options.least_backing,
		.is_relaxed = server->options.is_relaxed,
	};
	for (unsigned i = 0; i < server->nr_workers; i++)
		if (hnuma_topology_node_of_cpu(memory->topology, server->options.cpus[i]) < 0) {
			fprintf(stderr, "tokend: there is no CPU %d\n", server->options.cpus[i]);
			return -1;
		}
	if (memory->ops->create(memory)) {
		memory->ops = NULL;
		return complain(hnuma_errormsg(), NULL);
	}
	return 0;
}

/* The weights once on each node; a worker's books on its own. */
static int furnish(struct server *server, const struct model_source *source)
{
	struct memory *memory = &server->memory;

	for (unsigned i = 0; i < server->nr_workers; i++) {
		struct worker *worker = &server->workers[i];
		int cpu = server->options.cpus[i];
		int node = hnuma_topology_node_of_cpu(memory->topology, cpu);
		unsigned first = first_on_node(memory, i);

		worker->server = server;
		worker->index = i;
		worker->memory = (struct worker_memory){.memory = memory, .cpu = cpu, .node = node};
		if (first == i) {
			void *weights =
				memory->ops->node_alloc(memory, node, model_bytes(&source->shape));

			if (!weights)
				return complain("no memory for the weights", NULL);
			model_copy(&worker->model, source, weights);
		} else {
			worker->model = server->workers[first].model;
		}
		worker->books = memory->ops->node_alloc(memory, node, memory->needs.worker_bytes);
		if (!worker->books)
			return complain("no memory for a worker's books", NULL);
	}
	return 0;
}

static void say_memory(const struct server *server, const struct model_shape *model)
{
	const struct memory *memory = &server->memory;

	printf("tokend: %u workers, context %u, %u pages of %u tokens each, memory %s\n",
	       server->nr_workers, model->context, server->limits.pages,
	       server->kv_shape.tokens_per_page, memory->ops->name);
	for (unsigned i = 0; i < server->nr_workers && memory->manager; i++) {
		struct hnuma_region_info info;
		int node = server->workers[i].memory.node;

		if (first_on_node(memory, i) != i ||
		    hnuma_region_info(hnuma_manager_region(memory->manager, node), &info))
			continue;
		printf("tokend: node %d: %s%s%s\n", node, hnuma_backing_name(info.backing),
		       info.reason[0] ? ": " : "", info.reason);
	}
}

/* ---- Workers ---- */

static int start_workers(struct server *server)
{
	int result = 0;

	pthread_barrier_init(&server->ready, NULL, server->nr_workers + 1);
	pthread_barrier_init(&server->done, NULL, server->nr_workers);
	for (unsigned i = 0; i < server->nr_workers; i++) {
		struct worker *worker = &server->workers[i];

		worker->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		pthread_mutex_init(&worker->lock, NULL);
		if (worker->wake < 0 || pthread_create(&worker->thread, NULL, worker_run, worker)) {
			/* Those that have begun wait for those that cannot. */
			complain("a worker's thread cannot be made", NULL);
			exit(1);
		}
	}
	pthread_barrier_wait(&server->ready);
	for (unsigned i = 0; i < server->nr_workers; i++)
		if (server->workers[i].message[0])
			result = complain(server->workers[i].message, NULL);
	return result;
}

static void set_phase(struct server *server, int phase)
{
	const uint64_t once = 1;

	server->phase = phase;
	for (unsigned i = 0; i < server->nr_workers; i++)
		if (write(server->workers[i].wake, &once, sizeof(once)) < 0)
			complain("a worker cannot be woken", strerror(errno));
}

/* Wait for all workers to end, until a time. Returns whether they have. */
static bool join_until(struct server *server, unsigned *joined, const struct timespec *end)
{
	while (*joined < server->nr_workers) {
		pthread_t thread = server->workers[*joined].thread;

		if (end ? pthread_timedjoin_np(thread, NULL, end) : pthread_join(thread, NULL))
			return false;
		++*joined;
	}
	return true;
}

static void serve(struct server *server, const sigset_t *signals)
{
	struct timespec end;
	unsigned joined = 0;
	int signal;

	sigwait(signals, &signal);
	fprintf(stderr, "tokend: finishing what has begun\n");
	tell_manager("STOPPING=1");
	set_phase(server, PHASE_DRAIN);
	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += server->options.drain_seconds;
	if (join_until(server, &joined, &end))
		return;
	fprintf(stderr, "tokend: not all could be finished in %u s\n",
		server->options.drain_seconds);
	set_phase(server, PHASE_ABORT);
	join_until(server, &joined, NULL);
}

/* ---- From start to end ---- */

static int run(struct server *server, const struct model_source *source, const sigset_t *signals)
{
	unsigned joined = 0;

	if (open_memory(server, &source->shape) || furnish(server, source) || open_sockets(server))
		return 1;
	if (start_workers(server)) {
		set_phase(server, PHASE_ABORT);
		join_until(server, &joined, NULL);
		return 1;
	}
	say_memory(server, &source->shape);
	printf("tokend: listening on %s:%u\n", server->options.address, server->port);
	fflush(stdout);
	tell_manager("READY=1");
	serve(server, signals);
	return 0;
}

static int close_all(struct server *server)
{
	int code = 0;

	if (server->memory.ops && server->memory.ops->destroy(&server->memory))
		code = complain(hnuma_errormsg(), NULL) ? 1 : 0;
	hnuma_topology_destroy(server->memory.topology);
	vocabulary_close(&server->vocabulary);
	free(server->workers);
	return code;
}

int main(int argc, char **argv)
{
	static struct server server;
	struct model_source source;
	char message[512];
	sigset_t signals;
	int code = options_read(&server.options, argc, argv);

	if (code >= 0)
		return code;
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	io_heap_install();
	server.started = time(NULL);
	server.nr_workers = server.options.nr_cpus;
	server.workers = calloc(server.nr_workers ? server.nr_workers : 1, sizeof(struct worker));
	if (model_open(&source, server.options.weights, server.options.seed, server.options.context,
		       message, sizeof(message)) ||
	    vocabulary_open(&server.vocabulary, server.options.tokenizer, source.shape.vocabulary,
			    message, sizeof(message)))
		return complain(message, NULL) ? 1 : 0;
	code = server.workers ? run(&server, &source, &signals) : 1;
	model_close(&source);
	return close_all(&server) ? 1 : code;
}
