/* SPDX-License-Identifier: MIT */
/*
 * numa/sys.c - the kernel's calls, each in the form that sys.h promises, and nothing more.
 *
 * The only file that calls the kernel (see CONTRIBUTING.md); <numaif.h> declares libnuma's plain
 * wrappers of the calls that the C library has none for.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <numaif.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "numa/sys.h"

/* Since Linux 5.17; older headers lack them. */
#ifndef PR_SET_VMA
#define PR_SET_VMA	     0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

/* Since Linux 6.3. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u
#endif

/* What a system call answered: -1 with errno becomes -errno. */
static int answer(long result)
{
	return result < 0 ? -errno : (int)result;
}

static int sys_map(void **address, size_t length, int protection, int flags, int fd)
{
	void *place = mmap(*address, length, protection, flags, fd, 0);

	if (place == MAP_FAILED)
		return -errno;
	*address = place;
	return 0;
}

static int sys_unmap(void *address, size_t length)
{
	return answer(munmap(address, length));
}

static int sys_advise(void *address, size_t length, int advice)
{
	return answer(madvise(address, length, advice));
}

static int sys_memfd(const char *name, unsigned flags)
{
	int fd = memfd_create(name, flags | MFD_NOEXEC_SEAL);

	/* One that knows no such flag. Where it was something else, it is that again. */
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(name, flags);
	return answer(fd);
}

static int sys_truncate(int fd, off_t length)
{
	struct rlimit limit;

	/* Beyond the limit the kernel would send SIGXFSZ, which ends the process (ulimit -f). */
	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
	    (rlim_t)length > limit.rlim_cur)
		return -EFBIG;
	return answer(ftruncate(fd, length));
}

static int sys_add_seals(int fd, int seals)
{
	return answer(fcntl(fd, F_ADD_SEALS, seals));
}

static int sys_get_seals(int fd)
{
	return answer(fcntl(fd, F_GET_SEALS));
}

static int sys_duplicate(int fd)
{
	return answer(fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

static int sys_describe(int fd, struct hnuma_sys_file *file)
{
	struct statfs system;
	struct stat status;

	if (fstat(fd, &status) || fstatfs(fd, &system))
		return -errno;
	file->size = (uint64_t)status.st_size;
	file->present_bytes = (uint64_t)status.st_blocks * 512;
	file->page_size = (size_t)system.f_bsize;
	file->is_hugetlb = (uint64_t)system.f_type == HUGETLBFS_MAGIC;
	return 0;
}

static ssize_t sys_read_start(int fd, void *buffer, size_t size)
{
	ssize_t result = pread(fd, buffer, size, 0);

	return result < 0 ? -errno : result;
}

static int sys_reopen(int fd)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return answer(open(path, O_RDWR | O_CLOEXEC | O_NOCTTY));
}

static int sys_lock(int fd)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	return answer(fcntl(fd, F_OFD_SETLK, &whole));
}

static int sys_name(void *address, size_t length, const char *name)
{
	return answer(prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, (unsigned long)address,
			    (unsigned long)length, (unsigned long)name));
}

static int sys_get_policy(int *mode, unsigned long *mask, unsigned long max_node, void *address,
			  unsigned flags)
{
	return answer(get_mempolicy(mode, mask, max_node, address, flags));
}

static int sys_set_policy(int mode, const unsigned long *mask, unsigned long max_node)
{
	return answer(set_mempolicy(mode, mask, max_node));
}

static int sys_bind(void *address, size_t length, int mode, const unsigned long *mask,
		    unsigned long max_node, unsigned flags)
{
	return answer(mbind(address, length, mode, mask, max_node, flags));
}

static int sys_query_pages(unsigned long count, void **pages, int *status)
{
	return answer(move_pages(0, count, pages, NULL, status, 0));
}

int hnuma_sys_current_cpu(void)
{
	/* A load where glibc has registered restartable sequences (2.35); the vDSO's getcpu else. */
	return answer(sched_getcpu());
}

static int sys_membarrier(int command)
{
	return answer(syscall(SYS_membarrier, command, 0, 0));
}

static int sys_random(void *buffer, size_t size)
{
	ssize_t result = getrandom(buffer, size, 0);

	/* Up to 256 bytes come whole. */
	return result < 0 ? -errno : 0;
}

static int sys_open(const char *path)
{
	return answer(open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY));
}

static ssize_t sys_read(int fd, void *buffer, size_t size)
{
	ssize_t result = read(fd, buffer, size);

	return result < 0 ? -errno : result;
}

static int sys_close(int fd)
{
	return answer(close(fd));
}

static ssize_t sys_read_process(int pid, void *buffer, size_t size, const struct iovec *ranges,
				unsigned nr_ranges)
{
	struct iovec local = {.iov_base = buffer, .iov_len = size};
	ssize_t result = process_vm_readv(pid, &local, 1, ranges, nr_ranges, 0);

	return result < 0 ? -errno : result;
}

struct hnuma_sys hnuma_sys = {
	.map = sys_map,
	.unmap = sys_unmap,
	.advise = sys_advise,
	.memfd = sys_memfd,
	.truncate = sys_truncate,
	.add_seals = sys_add_seals,
	.get_seals = sys_get_seals,
	.duplicate = sys_duplicate,
	.describe = sys_describe,
	.read_start = sys_read_start,
	.reopen = sys_reopen,
	.lock = sys_lock,
	.name = sys_name,
	.get_policy = sys_get_policy,
	.set_policy = sys_set_policy,
	.bind = sys_bind,
	.query_pages = sys_query_pages,
	.current_cpu = hnuma_sys_current_cpu,
	.membarrier = sys_membarrier,
	.random = sys_random,
	.open = sys_open,
	.read = sys_read,
	.close = sys_close,
	.read_process = sys_read_process,
};
