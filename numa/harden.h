/* SPDX-License-Identifier: MIT */
/*
 * numa/harden.h - is hardening asked for, and with which key?
 *
 * May be called from lib/.
 */
#ifndef HNUMA_NUMA_HARDEN_H
#define HNUMA_NUMA_HARDEN_H

#include <stdint.h>

/* HNUMA_HARDENED where HUGENUMA_HARDENED=1 asks for it and the program may be told so; else 0. */
unsigned hnuma_harden_asked(void);

/* A number that nobody can guess. Returns 0, or the kernel's answer with the message set. */
int hnuma_harden_key(uint64_t *key);

#endif
