/* SPDX-License-Identifier: MIT */
/*
 * numa/remote.h - another process's memory: finding a mapping by its name, and reading.
 *
 * The other process is neither stopped nor told. Whatever is read may be changing, or be garbage:
 * the caller believes none of it. All errors have their message.
 *
 * May be called from lib/.
 */
#ifndef HNUMA_NUMA_REMOTE_H
#define HNUMA_NUMA_REMOTE_H

#include <hugenuma.h>

/*
 * Say why a process cannot be looked at, in the same words whatever was to be read: its memory or its
 * files in /proc.
 *
 * Returns -ESRCH for -ENOENT and -ESRCH, -EPERM for -EACCES and -EPERM, else the error.
 */
int hnuma_remote_explain(int error, int pid);

/*
 * Find the memfd of a name in /proc/PID/maps.
 *
 * @address  receives where it is mapped, @size_bytes how much of it.
 *
 * Returns 0, -ESRCH (no such process), -EPERM (it may not be looked at), -ENOENT (it has no such
 * mapping), or what the kernel answered.
 */
int hnuma_remote_find(int pid, const char *name, uint64_t *address, uint64_t *size_bytes);

/*
 * Copy `count` items of item_bytes bytes, the first at `address`, one every stride_bytes.
 *
 * Returns 0; -ESRCH, -EPERM as above; -EFAULT (not all of it is mapped there; also when the process
 * is ending), -ENOSYS (a kernel without process_vm_readv()), or what the kernel answered.
 */
int hnuma_remote_read(int pid, uint64_t address, void *buffer, size_t item_bytes,
		      size_t stride_bytes, size_t count);

#endif
