/* SPDX-License-Identifier: MIT */
/*
 * tools/plan_size.c - from a model and its traffic to the sizes of arena, pool and scratch. Calls
 * <hugenuma.h> and libc.
 *
 * Of a trace it looks at every run of as many requests as hold blocks at the same time, in the order
 * in which they came: long ones come in crowds, which the percentile of single requests would hide.
 */
#include "config.h"

#include <math.h>
#include <stdlib.h>

#include "tools/cli.h"
#include "tools/plan.h"
#include "tools/trace.h"

#define COMMAND "plan"

static int compare_counts(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static uint64_t blocks_of(const struct request *request)
{
	return model_blocks((uint64_t)request->context + request->generated);
}

/* The percentile of the blocks, in one layer, that `run` requests in a row need. */
static uint64_t percentile_of(const struct trace *trace, size_t run, double percentile,
			      uint64_t *sums)
{
	size_t nr = trace->nr_requests - run + 1, i, rank;
	uint64_t sum = 0;

	for (i = 0; i < trace->nr_requests; i++) {
		sum += blocks_of(&trace->requests[i]);
		if (i + 1 < run)
			continue;
		sums[i + 1 - run] = sum;
		sum -= blocks_of(&trace->requests[i + 1 - run]);
	}
	qsort(sums, nr, sizeof(*sums), compare_counts);
	rank = (size_t)ceil(percentile / 100 * (double)nr);
	return sums[rank ? rank - 1 : 0];
}

/* Blocks that the requests of the trace need in one layer. */
static int count_by_trace(const struct plan_options *options, uint64_t *blocks)
{
	size_t run = options->requests;
	char message[512];
	struct trace trace;
	uint64_t *sums, largest;

	if (trace_read(&trace, options->trace, TRACE_MAX_REQUESTS, message, sizeof(message)))
		return cli_complain(COMMAND, COMMAND_BAD_INPUT, "%s", message);
	if (trace.nr_requests == 0) {
		trace_free(&trace);
		return cli_complain(COMMAND, COMMAND_BAD_INPUT, "%s has no request",
				    options->trace);
	}
	if (run > trace.nr_requests)
		run = trace.nr_requests;
	sums = calloc(trace.nr_requests, sizeof(*sums));
	if (!sums) {
		trace_free(&trace);
		return cli_complain(COMMAND, COMMAND_FAILED, "no memory for %zu requests",
				    trace.nr_requests);
	}
	*blocks = percentile_of(&trace, run, options->percentile, sums);
	/* More at the same time than the trace has: as many times as much. */
	*blocks = (uint64_t)ceil((double)*blocks * (double)options->requests / (double)run);
	largest = blocks_of(&trace.requests[trace.longest]);
	if (*blocks < largest)
		*blocks = largest;
	free(sums);
	trace_free(&trace);
	return 0;
}

/* The pool that holds all these requests' keys and values. */
static int size_pool(struct hnuma_config *config, const struct plan_options *options)
{
	const struct model *model = options->model;
	size_t block = hnuma_class_size(hnuma_class_for_size(model_block_bytes(model)));
	uint64_t blocks = model_blocks(options->context) * options->requests, bytes;
	int error = options->trace ? count_by_trace(options, &blocks) : 0;

	if (error)
		return error;
	if (__builtin_mul_overflow(blocks, (uint64_t)model->layers * block, &bytes) ||
	    __builtin_add_overflow(bytes, HNUMA_HUGEPAGE - 1, &bytes))
		return cli_complain(COMMAND, COMMAND_BAD_INPUT,
				    "so many requests of such a length are more than any memory "
				    "holds: give fewer or shorter ones");
	config->pool_bytes_per_node = bytes & ~((uint64_t)HNUMA_HUGEPAGE - 1);
	/* Also the cap on free blocks: none of them is to be unmade. */
	config->buffers_per_class = config->pool_bytes_per_node / block;
	return 0;
}

int plan_size_work_out(struct hnuma_config *config, const struct plan_options *options)
{
	const struct hnuma_config standard = HNUMA_CONFIG_INIT;
	int error;

	*config = standard;
	if (options->model) {
		if (hnuma_config_for_model(config, options->model->hidden, options->model->vocab,
					   options->batch))
			return cli_complain(COMMAND, COMMAND_BAD_INPUT, "%s", hnuma_errormsg());
		error = size_pool(config, options);
		if (error)
			return error;
	}
	if (options->arena_bytes)
		config->arena_capacity = options->arena_bytes;
	if (options->pool_bytes)
		config->pool_bytes_per_node = options->pool_bytes;
	if (options->scratch_bytes)
		config->scratch_size = options->scratch_bytes;
	config->max_scratch = (unsigned)options->spaces;
	if (options->has_nodes)
		config->nodes = options->nodes;
	return 0;
}
