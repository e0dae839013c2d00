/* SPDX-License-Identifier: MIT */
/*
 * numa/probe.h - static trace points, for perf, bpftrace and SystemTap: hugenuma:NAME.
 *
 * A point is an instruction that does nothing, and a note in the library's file that says where it
 * is and where its arguments lie; a tracer puts a trap there. Without <sys/sdt.h>, or configured
 * --without-sdt, it is nothing at all. Arguments have no side effects and are at hand anyway.
 *
 * None is on a fast path. Their names and arguments are listed in hugenuma(7), which
 * tests/scripts/check-probes.sh compares with the sources and with the library.
 *
 * Header only; may be included from numa/ and lib/.
 */
#ifndef HNUMA_NUMA_PROBE_H
#define HNUMA_NUMA_PROBE_H

#ifdef HAVE_SYS_SDT_H
#define SDT_USE_VARIADIC
#include <sys/sdt.h>

#define HNUMA_PROBE(name, ...) STAP_PROBEV(hugenuma, name, __VA_ARGS__)
#else
#define HNUMA_PROBE(name, ...) ((void)0)
#endif

#endif
