/* SPDX-License-Identifier: MIT */
/*
 * lib/manager.h - what the statistics need of the manager besides its public calls.
 */
#ifndef HNUMA_LIB_MANAGER_H
#define HNUMA_LIB_MANAGER_H

#include <hugenuma.h>

#include "lib/plan.h"

/*
 * The plan that the manager was made from. Belongs to the manager.
 *
 * Returns 0, -EINVAL (NULL, or what a failed destroy left), -EOWNERDEAD; sets the message.
 */
int hnuma_manager_plan(const struct hnuma_manager *manager, const struct hnuma_plan **plan);

#endif
