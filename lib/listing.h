/* SPDX-License-Identifier: MIT */
/*
 * lib/listing.h - writes arenas, pools, scratches and managers into the process's directory
 * (numa/directory.h), for observe.c in another process to read.
 *
 * An object is listed when it is whole and struck off before it is freed, so what a listed address
 * leads to can be read. One that could not be listed has the id 0, which harms nobody.
 */
#ifndef HNUMA_LIB_LISTING_H
#define HNUMA_LIB_LISTING_H

#include <hugenuma.h>

#include "numa/directory.h"
#include "numa/ground.h"

/*
 * A number that stands for the layout of all that is read of an object of a kind: sizes and offsets,
 * mixed. Two libraries in which it is the same read each other's objects rightly.
 */
uint32_t hnuma_listing_layout(enum hnuma_object_kind kind);

/*
 * List an object, and note in it the id to give to hnuma_directory_remove().
 *
 * @owner  the id of the manager that it is part of, or 0.
 */
void hnuma_listing_add_arena(struct hnuma_arena *arena, uint64_t owner);
void hnuma_listing_add_pool(struct hnuma_pool *pool, uint64_t owner);
void hnuma_listing_add_scratch(struct hnuma_scratch *scratch, uint64_t owner);

/* Returns the id. */
uint64_t hnuma_listing_add_manager(const struct hnuma_service *service);

#endif
