/* SPDX-License-Identifier: MIT */
/*
 * numa/sys.h - the one place where the kernel is called.
 *
 * A table of functions, so that a test can put a failing one in its place (save the entry, replace
 * it, put it back; tests do this in one thread). Each returns 0 or a positive result, or a negative
 * errno; none sets errno for its caller's sake, none prints, none retries. May be called from numa/
 * only; lib/ never names it.
 */
#ifndef HNUMA_NUMA_SYS_H
#define HNUMA_NUMA_SYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* What a descriptor leads to. */
struct hnuma_sys_file {
	uint64_t size;		/* bytes */
	uint64_t present_bytes; /* of them, those that there are pages for */
	size_t page_size;	/* of its file system's pages or blocks, in bytes */
	bool is_hugetlb;
};

struct hnuma_sys {
	/* mmap(): *address is the wish on entry (NULL: none) and the place on success. */
	int (*map)(void **address, size_t length, int protection, int flags, int fd);
	int (*unmap)(void *address, size_t length);
	int (*advise)(void *address, size_t length, int advice);
	/*
	 * memfd_create(): a descriptor, or -errno. The file cannot be executed, and is sealed so, where the
	 * kernel has MFD_NOEXEC_SEAL: with the sysctl vm.memfd_noexec at 2 there may be no other.
	 */
	int (*memfd)(const char *name, unsigned flags);
	/* ftruncate(). Never SIGXFSZ, but -EFBIG. */
	int (*truncate)(int fd, off_t length);
	/* fcntl(): F_ADD_SEALS; F_GET_SEALS, the seals or -errno; F_DUPFD_CLOEXEC, the copy or -errno. */
	int (*add_seals)(int fd, int seals);
	int (*get_seals)(int fd);
	int (*duplicate)(int fd);
	/* fstat() and fstatfs() */
	int (*describe)(int fd, struct hnuma_sys_file *file);
	/* pread(): bytes from the start of a file. */
	ssize_t (*read_start)(int fd, void *buffer, size_t size);
	/* open() of /proc/self/fd/FD for reading and writing: another open file of the same. */
	int (*reopen)(int fd);
	/* fcntl(): F_OFD_SETLK, a write lock on the whole file; -EAGAIN: another open file has one. */
	int (*lock)(int fd);
	/* prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME): name a private anonymous mapping. */
	int (*name)(void *address, size_t length, const char *name);

	/* numaif.h; masks are arrays of unsigned long with max_node bits. */
	int (*get_policy)(int *mode, unsigned long *mask, unsigned long max_node, void *address,
			  unsigned flags);
	int (*set_policy)(int mode, const unsigned long *mask, unsigned long max_node);
	int (*bind)(void *address, size_t length, int mode, const unsigned long *mask,
		    unsigned long max_node, unsigned flags);
	/* move_pages() of this process without targets: status[i] is a node or a negative errno. */
	int (*query_pages)(unsigned long count, void **pages, int *status);

	/* getcpu(): the CPU that the calling thread is on. */
	int (*current_cpu)(void);
	/* membarrier(), with no flags. */
	int (*membarrier)(int command);

	/* getrandom(): all of the few bytes that were asked for, or an error. */
	int (*random)(void *buffer, size_t size);

	/* Files of /proc, /sys and /sys/fs/cgroup, opened for reading. read(): bytes, 0 at the end. */
	int (*open)(const char *path);
	ssize_t (*read)(int fd, void *buffer, size_t size);
	int (*close)(int fd);

	/* process_vm_readv(): bytes copied from another process's ranges, one behind the other. */
	ssize_t (*read_process)(int pid, void *buffer, size_t size, const struct iovec *ranges,
				unsigned nr_ranges);
};

/* The table in use. Only tests write to it. */
extern struct hnuma_sys hnuma_sys;

/* What current_cpu is as long as no test replaces it: numa/cpu.c has a shorter way to the same. */
int hnuma_sys_current_cpu(void);

#endif
