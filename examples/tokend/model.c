/* SPDX-License-Identifier: MIT */
/*
 * model.c - weights: read and judged, or made from a seed; copied to where a node wants them.
 * Calls libc.
 */
#include "model.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mix.h"

#define HEADER_NUMBERS 7
/* No model that this server could serve has more of anything. */
#define MOST (1 << 20)

/* The seeded model: small enough for a test, large enough to keep a core busy. */
static const struct model_shape seeded_shape = {
	.dim = 128,
	.hidden_dim = 384,
	.nr_layers = 4,
	.nr_heads = 8,
	.nr_kv_heads = 4,
	.vocabulary = NR_BYTE_TOKENS,
	.context = 2048,
	.head_dim = 16,
	.kv_dim = 64,
	.has_classifier = true,
};

/* One matrix of the model, in the order of the file. */
struct part {
	const float **pointer;
	size_t floats;
};

#define NR_PARTS 12

/* The parts of a model; those before the classifier's are followed by the file's rotation table. */
static void list_parts(struct part parts[NR_PARTS], const struct model_shape *s,
		       struct model_weights *w)
{
	size_t dim = s->dim, hidden = s->hidden_dim, kv = s->kv_dim, layers = s->nr_layers;
	const struct part list[NR_PARTS] = {
		{&w->embedding, s->vocabulary * dim},
		{&w->attention_norm, layers * dim},
		{&w->query, layers * dim * dim},
		{&w->key, layers * kv * dim},
		{&w->value, layers * kv * dim},
		{&w->output, layers * dim * dim},
		{&w->feed_norm, layers * dim},
		{&w->gate, layers * hidden * dim},
		{&w->down, layers * dim * hidden},
		{&w->up, layers * hidden * dim},
		{&w->final_norm, dim},
		{&w->classifier, s->vocabulary * dim},
	};

	memcpy(parts, list, sizeof(list));
	if (!s->has_classifier)
		parts[NR_PARTS - 1].floats = 0;
}

/* Parts begin on cache lines in memory; in the file they lie end to end. */
static size_t padded(size_t floats)
{
	return (floats + 15) / 16 * 16;
}

static size_t rotation_floats(const struct model_shape *shape)
{
	return (size_t)shape->context * shape->head_dim;
}

size_t model_bytes(const struct model_shape *shape)
{
	struct model_weights weights;
	struct part parts[NR_PARTS];
	size_t floats = padded(rotation_floats(shape));

	list_parts(parts, shape, &weights);
	for (int i = 0; i < NR_PARTS; i++)
		floats += padded(parts[i].floats);
	return floats * sizeof(float);
}

/* ---- A file ---- */

static bool shape_of_header(struct model_shape *shape, const int32_t header[HEADER_NUMBERS])
{
	for (int i = 0; i < HEADER_NUMBERS; i++)
		if (header[i] > MOST || header[i] < -MOST || (header[i] <= 0 && i != 5))
			return false;
	/* A token of a prompt, and one that is made. */
	if (header[6] < 2)
		return false;
	*shape = (struct model_shape){
		.dim = (unsigned)header[0],
		.hidden_dim = (unsigned)header[1],
		.nr_layers = (unsigned)header[2],
		.nr_heads = (unsigned)header[3],
		.nr_kv_heads = (unsigned)header[4],
		.vocabulary = (unsigned)abs(header[5]),
		.context = (unsigned)header[6],
		.has_classifier = header[5] < 0,
	};
	if (shape->dim % shape->nr_heads || shape->nr_heads % shape->nr_kv_heads)
		return false;
	shape->head_dim = shape->dim / shape->nr_heads;
	shape->kv_dim = shape->head_dim * shape->nr_kv_heads;
	return shape->head_dim % 2 == 0 && shape->vocabulary >= NR_BYTE_TOKENS;
}

/* The bytes that a file of this shape has; its rotation table is as long as ours, all told. */
static size_t file_bytes(const struct model_shape *shape)
{
	struct model_weights weights;
	struct part parts[NR_PARTS];
	size_t floats = rotation_floats(shape);

	list_parts(parts, shape, &weights);
	for (int i = 0; i < NR_PARTS; i++)
		floats += parts[i].floats;
	return HEADER_NUMBERS * sizeof(int32_t) + floats * sizeof(float);
}

static int map_file(struct model_source *source, const char *path, char *message, size_t room)
{
	struct stat about;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &about)) {
		snprintf(message, room, "%s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	source->mapping_bytes = (size_t)about.st_size;
	source->mapping = MAP_FAILED;
	if (S_ISREG(about.st_mode) && about.st_size >= (off_t)(HEADER_NUMBERS * sizeof(int32_t)))
		source->mapping = mmap(NULL, source->mapping_bytes, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (source->mapping != MAP_FAILED)
		return 0;
	source->mapping = NULL;
	snprintf(message, room, "%s: no file of weights: it has %zu bytes", path,
		 source->mapping_bytes);
	return -1;
}

static int open_file(struct model_source *source, const char *path, char *message, size_t room)
{
	int32_t header[HEADER_NUMBERS];

	if (map_file(source, path, message, room))
		return -1;
	memcpy(header, source->mapping, sizeof(header));
	if (!shape_of_header(&source->shape, header)) {
		snprintf(
			message, room,
			"%s: no llama2.c weights of a shape that can be served: dim %d, hidden %d, "
			"%d layers, %d heads, %d of keys and values, %d tokens, context %d",
			path, header[0], header[1], header[2], header[3], header[4], header[5],
			header[6]);
		model_close(source);
		return -1;
	}
	if (source->mapping_bytes != file_bytes(&source->shape)) {
		snprintf(message, room,
			 "%s: weights of this shape have %zu bytes; the file has %zu", path,
			 file_bytes(&source->shape), source->mapping_bytes);
		model_close(source);
		return -1;
	}
	source->file = (const float *)source->mapping + HEADER_NUMBERS;
	source->table_floats = rotation_floats(&source->shape);
	return 0;
}

int model_open(struct model_source *source, const char *path, uint64_t seed, unsigned context,
	       char *message, size_t message_bytes)
{
	*source = (struct model_source){.shape = seeded_shape, .seed = seed};
	if (path && open_file(source, path, message, message_bytes))
		return -1;
	if (path && context > source->shape.context) {
		snprintf(message, message_bytes,
			 "%s: its context is %u, less than the %u asked for", path,
			 source->shape.context, context);
		model_close(source);
		return -1;
	}
	if (context)
		source->shape.context = context;
	return 0;
}

void model_close(struct model_source *source)
{
	if (source->mapping)
		munmap(source->mapping, source->mapping_bytes);
	source->mapping = NULL;
	source->file = NULL;
}

/* ---- The copy ---- */

/* A number between -1 and 1 that depends on seed and index only. */
static float noise(uint64_t seed, uint64_t index)
{
	return (float)(int32_t)(mix(seed + (index + 1) * MIX_STEP) >> 32) * 0x1p-31f;
}

/* Gains are one, matrices noise that keeps a state's length about what it was. */
static void invent(float *to, size_t floats, int part, const struct model_source *source)
{
	bool is_gain = part == 1 || part == 6 || part == 10;
	bool is_table = part == 0 || part == 11;
	unsigned columns = part == 8 ? source->shape.hidden_dim : source->shape.dim;
	float scale = is_table ? 1 : sqrtf(3.0f / (float)columns);

	for (size_t i = 0; i < floats; i++)
		to[i] = is_gain ? 1 : scale * noise(source->seed + (uint64_t)part * 1000003, i);
}

/* The angle of pair i at position p is p / 10000^(2i / head_dim). */
static void fill_rotation(float *to, const struct model_shape *shape)
{
	for (unsigned p = 0; p < shape->context; p++)
		for (unsigned i = 0; i < shape->head_dim; i += 2) {
			float frequency = 1 / powf(10000, (float)i / (float)shape->head_dim);

			*to++ = cosf((float)p * frequency);
			*to++ = sinf((float)p * frequency);
		}
}

void model_copy(struct model *model, const struct model_source *source, void *memory)
{
	struct part parts[NR_PARTS];
	const float *from = source->file;
	float *to = memory;

	model->shape = source->shape;
	list_parts(parts, &model->shape, &model->weights);
	for (int i = 0; i < NR_PARTS; i++) {
		if (i == NR_PARTS - 1 && from)
			from += source->table_floats;
		if (from)
			memcpy(to, from, parts[i].floats * sizeof(float));
		else
			invent(to, parts[i].floats, i, source);
		*parts[i].pointer = to;
		to += padded(parts[i].floats);
		from = from ? from + parts[i].floats : NULL;
	}
	if (!model->shape.has_classifier)
		model->weights.classifier = model->weights.embedding;
	fill_rotation(to, &model->shape);
	model->weights.rotation = to;
}
