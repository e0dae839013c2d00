/* SPDX-License-Identifier: MIT */
/*
 * numa/harden.h - is hardening asked for?
 *
 * May be called from lib/.
 */
#ifndef HNUMA_NUMA_HARDEN_H
#define HNUMA_NUMA_HARDEN_H

/* HNUMA_HARDENED where HUGENUMA_HARDENED=1 asks for it and the program may be told so; else 0. */
unsigned hnuma_harden_asked(void);

#endif
