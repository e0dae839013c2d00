/* SPDX-License-Identifier: MIT */
/*
 * tests/fail_hwloc.h - let the k-th call of hwloc that can fail do so, as FAIL_HWLOC of fail_sys.h.
 *
 * For one test program: it is linked with -Wl,--wrap= of the functions below, which sends the calls of
 * the program's own objects, the library's among them, here, and leaves those of hwloc itself alone.
 */
#ifndef HUGENUMA_TESTS_FAIL_HWLOC_H
#define HUGENUMA_TESTS_FAIL_HWLOC_H

#include <errno.h>
#include <hwloc.h>
#include <hwloc/distances.h>
#include <hwloc/linux.h>

#include "tests/fail_sys.h"

static bool fail_hwloc_is_due(void)
{
	if (!fail_sys_is_due(FAIL_HWLOC))
		return false;
	errno = -fail_sys.error;
	return true;
}

#define FAIL_HWLOC_CALL(type, name, failure, parameters, ...)                        \
	type __real_##name parameters;                                               \
	type __wrap_##name parameters;                                               \
	type __wrap_##name parameters                                                \
	{                                                                            \
		return fail_hwloc_is_due() ? (failure) : __real_##name(__VA_ARGS__); \
	}

FAIL_HWLOC_CALL(hwloc_bitmap_t, hwloc_bitmap_alloc, NULL, (void))
FAIL_HWLOC_CALL(hwloc_bitmap_t, hwloc_bitmap_dup, NULL, (hwloc_const_bitmap_t set), set)
FAIL_HWLOC_CALL(int, hwloc_bitmap_copy, -1, (hwloc_bitmap_t to, hwloc_const_bitmap_t from), to,
		from)
FAIL_HWLOC_CALL(int, hwloc_bitmap_only, -1, (hwloc_bitmap_t set, unsigned id), set, id)
FAIL_HWLOC_CALL(int, hwloc_bitmap_set, -1, (hwloc_bitmap_t set, unsigned id), set, id)
FAIL_HWLOC_CALL(int, hwloc_bitmap_set_range, -1, (hwloc_bitmap_t set, unsigned first, int last),
		set, first, last)
FAIL_HWLOC_CALL(int, hwloc_bitmap_and, -1,
		(hwloc_bitmap_t to, hwloc_const_bitmap_t a, hwloc_const_bitmap_t b), to, a, b)

FAIL_HWLOC_CALL(int, hwloc_topology_init, -1, (hwloc_topology_t * out), out)
FAIL_HWLOC_CALL(int, hwloc_topology_set_flags, -1, (hwloc_topology_t topology, unsigned long flags),
		topology, flags)
FAIL_HWLOC_CALL(int, hwloc_topology_set_all_types_filter, -1,
		(hwloc_topology_t topology, enum hwloc_type_filter_e filter), topology, filter)
FAIL_HWLOC_CALL(int, hwloc_topology_set_synthetic, -1,
		(hwloc_topology_t topology, const char *text), topology, text)
FAIL_HWLOC_CALL(int, hwloc_topology_set_xmlbuffer, -1,
		(hwloc_topology_t topology, const char *text, int size), topology, text, size)
FAIL_HWLOC_CALL(int, hwloc_topology_load, -1, (hwloc_topology_t topology), topology)
FAIL_HWLOC_CALL(int, hwloc_topology_export_xmlbuffer, -1,
		(hwloc_topology_t topology, char **text, int *size, unsigned long flags), topology,
		text, size, flags)
FAIL_HWLOC_CALL(hwloc_obj_t, hwloc_topology_insert_misc_object, NULL,
		(hwloc_topology_t topology, hwloc_obj_t parent, const char *name), topology, parent,
		name)

FAIL_HWLOC_CALL(int, hwloc_distances_get_by_name, -1,
		(hwloc_topology_t topology, const char *name, unsigned *nr,
		 struct hwloc_distances_s **distances, unsigned long flags),
		topology, name, nr, distances, flags)
FAIL_HWLOC_CALL(int, hwloc_distances_get_by_type, -1,
		(hwloc_topology_t topology, hwloc_obj_type_t type, unsigned *nr,
		 struct hwloc_distances_s **distances, unsigned long kind, unsigned long flags),
		topology, type, nr, distances, kind, flags)

FAIL_HWLOC_CALL(int, hwloc_linux_get_tid_cpubind, -1,
		(hwloc_topology_t topology, pid_t thread, hwloc_cpuset_t set), topology, thread,
		set)
FAIL_HWLOC_CALL(int, hwloc_linux_set_tid_cpubind, -1,
		(hwloc_topology_t topology, pid_t thread, hwloc_const_cpuset_t set), topology,
		thread, set)

#endif
