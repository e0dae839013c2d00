/* SPDX-License-Identifier: MIT */
/*
 * placement.c - GET /placement: where every page lies, as the kernel says now. The library's account
 * of its regions stands beside what move_pages() says of the blocks of each request, one by one.
 * Calls hugenuma, jansson, the kernel.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "server.h"

#define UNKNOWN (-1)

/* The node of each address, or UNKNOWN. */
static void ask_kernel(void **addresses, int *nodes, size_t n)
{
	if (n == 0)
		return;
	if (syscall(SYS_move_pages, 0, n, addresses, NULL, nodes, 0) < 0)
		for (size_t i = 0; i < n; i++)
			nodes[i] = UNKNOWN;
	for (size_t i = 0; i < n; i++)
		if (nodes[i] < 0)
			nodes[i] = UNKNOWN;
}

static size_t page_size(const struct memory *memory, int node)
{
	struct hnuma_region_info info;
	const struct hnuma_region *region = hnuma_manager_region(memory->manager, node);

	return region && hnuma_region_info(region, &info) == 0 ? info.page_size
							       : (size_t)sysconf(_SC_PAGESIZE);
}

/* Every page of a node's region. */
static json_t *describe_node(const struct memory *memory, int node)
{
	const struct hnuma_region *region = hnuma_manager_region(memory->manager, node);
	struct hnuma_placement pages = {0};
	struct hnuma_region_info info = {0};
	size_t size = page_size(memory, node), n = hnuma_region_size(region) / size;
	void **addresses = calloc(n, sizeof(*addresses));
	int *nodes = calloc(n, sizeof(*nodes));
	json_t *list = json_array();

	hnuma_region_info(region, &info);
	hnuma_region_verify(region, &pages);
	for (size_t i = 0; addresses && i < n; i++)
		addresses[i] = (char *)hnuma_region_base(region) + i * size;
	if (addresses && nodes) {
		ask_kernel(addresses, nodes, n);
		for (size_t i = 0; i < n; i++)
			json_array_append_new(list, json_integer(nodes[i]));
	}
	free(addresses);
	free(nodes);
	return json_pack("{s:i, s:i, s:I, s:s, s:{s:I, s:I, s:I, s:I}, s:o}", "node", node, "bound",
			 info.node, "page_size", (json_int_t)info.page_size, "reason", info.reason,
			 "pages", "total", (json_int_t)pages.pages_total, "here",
			 (json_int_t)pages.pages_here, "elsewhere",
			 (json_int_t)pages.pages_elsewhere, "unknown",
			 (json_int_t)pages.pages_unknown, "node_of_each_page", list);
}

/* The addresses of the pages that a request's blocks lie in. Returns how many; the caller frees. */
static size_t list_pages(const struct worker *worker, const struct request *request, size_t size,
			 void ***list)
{
	const struct kv_shape *shape = &worker->batch.kv.shape;
	size_t step = size < shape->block_bytes ? size : shape->block_bytes, n = 0;
	size_t most = (size_t)request->kv.nr_pages * shape->nr_layers * (shape->block_bytes / step);

	*list = calloc(most ? most : 1, sizeof(**list));
	for (unsigned p = 0; p < request->kv.nr_pages && *list; p++)
		for (unsigned layer = 0; layer < shape->nr_layers; layer++)
			for (size_t at = 0; at < shape->block_bytes; at += step)
				(*list)[n++] = (char *)request->kv.pages[p]->blocks[layer] + at;
	return n;
}

/* Under the lock: blocks that are asked about shall not go meanwhile. */
static json_t *describe_request(const struct worker *worker, const struct request *request,
				size_t size)
{
	void **addresses;
	size_t n = list_pages(worker, request, size, &addresses), here = 0, unknown = 0;
	int *nodes = calloc(n ? n : 1, sizeof(*nodes));
	json_t *list = json_array();

	if (addresses && nodes)
		ask_kernel(addresses, nodes, n);
	for (size_t i = 0; addresses && nodes && i < n; i++) {
		here += nodes[i] == worker->memory.node;
		unknown += nodes[i] == UNKNOWN;
		json_array_append_new(list, json_sprintf("%p@%d", addresses[i], nodes[i]));
	}
	free(addresses);
	free(nodes);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:o}", "id", (json_int_t)request->id, "tokens",
			 (json_int_t)request->nr_computed, "here", (json_int_t)here, "elsewhere",
			 (json_int_t)(n - here - unknown), "unknown", (json_int_t)unknown, "blocks",
			 list);
}

static json_t *describe_worker(struct worker *worker)
{
	const struct memory *memory = &worker->server->memory;
	struct hnuma_placement pages = {0};
	json_t *requests = json_array();
	int weights_node;
	void *weights = (void *)worker->model.weights.embedding;

	pthread_mutex_lock(&worker->lock);
	for (const struct request *r = worker->batch.running.first; r; r = r->next)
		json_array_append_new(
			requests,
			describe_request(worker, r, page_size(memory, worker->memory.node)));
	pthread_mutex_unlock(&worker->lock);
	hnuma_arena_verify(worker->memory.arena, &pages);
	ask_kernel(&weights, &weights_node, 1);
	return json_pack("{s:i, s:i, s:i, s:i, s:{s:I, s:I}, s:o}", "worker", (int)worker->index,
			 "cpu", worker->memory.cpu, "node", worker->memory.node, "weights_node",
			 weights_node, "arena", "here", (json_int_t)pages.pages_here, "elsewhere",
			 (json_int_t)pages.pages_elsewhere, "requests", requests);
}

void placement_handle(struct evhttp_request *http, void *arg)
{
	struct server *server = ((struct worker *)arg)->server;
	json_t *nodes = json_array(), *workers = json_array(), *all;
	char *text;

	for (unsigned i = 0; server->memory.manager && i < server->nr_workers; i++) {
		if (first_on_node(&server->memory, i) == i)
			json_array_append_new(nodes, describe_node(&server->memory,
								   server->workers[i].memory.node));
		json_array_append_new(workers, describe_worker(&server->workers[i]));
	}
	all = json_pack("{s:s, s:o, s:o}", "memory", server->memory.ops->name, "nodes", nodes,
			"workers", workers);
	text = all ? json_dumps(all, JSON_COMPACT) : NULL;
	if (text)
		http_send(http, HTTP_OK, "application/json", text, strlen(text));
	else
		http_error(http, HTTP_INTERNAL, "no memory");
	free(text);
	json_decref(all);
}
