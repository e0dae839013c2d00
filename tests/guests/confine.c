/* SPDX-License-Identifier: MIT */
/*
 * tests/guests/confine.c - run a program as a container engine would by default.
 *
 *	confine [--nice | --enosys] PROGRAM [ARGUMENTS]
 *
 * Drops every capability that the engines drop, and refuses with EPERM the calls of memory policy
 * that their default seccomp profiles refuse without CAP_SYS_NICE. --nice keeps that capability: the
 * profiles then allow those calls, but move_pages() never. --enosys answers with ENOSYS, as profiles
 * do that name only what they know. Calls the C library and, through guest.h, the kernel.
 */
#include "config.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/guests/guest.h"

#ifndef SYS_set_mempolicy_home_node
#define SYS_set_mempolicy_home_node 450
#endif

/* What the engines leave to root in a container. */
static const int kept[] = {
	CAP_CHOWN,   CAP_DAC_OVERRIDE, CAP_FSETID,	     CAP_FOWNER,
	CAP_MKNOD,   CAP_NET_RAW,      CAP_SETGID,	     CAP_SETUID,
	CAP_SETFCAP, CAP_SETPCAP,      CAP_NET_BIND_SERVICE, CAP_SYS_CHROOT,
	CAP_KILL,    CAP_AUDIT_WRITE,
};

/* Refused always: move_pages() first, then what has nothing to do with memory policy but belongs to
 * the profile, and could surprise a program. */
static const long never[] = {
	SYS_move_pages, SYS_migrate_pages, SYS_perf_event_open, SYS_bpf,
	SYS_mount,	SYS_unshare,	   SYS_userfaultfd,	SYS_kexec_load,
};

static const long without_nice[] = {
	SYS_get_mempolicy,
	SYS_set_mempolicy,
	SYS_mbind,
	SYS_set_mempolicy_home_node,
};

static void keep_capabilities(bool keep_nice)
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2] = {{0}};
	uint64_t set = keep_nice ? 1ULL << CAP_SYS_NICE : 0;

	for (unsigned i = 0; i < sizeof kept / sizeof *kept; i++)
		set |= 1ULL << kept[i];
	for (int capability = 0; capability <= CAP_LAST_CAP; capability++)
		if (!(set >> capability & 1) && prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) &&
		    errno != EINVAL)
			guest_die("capability %d", capability);
	for (unsigned i = 0; i < 2; i++) {
		data[i].effective = data[i].permitted = (uint32_t)(set >> (32 * i));
		data[i].inheritable = 0;
	}
	if (syscall(SYS_capset, &header, data))
		guest_die("capset");
}

int main(int argc, char **argv)
{
	unsigned action = SECCOMP_RET_ERRNO | EPERM;
	bool keep_nice = false;

	for (argv++, argc--; argc && !strncmp(*argv, "--", 2); argv++, argc--) {
		if (!strcmp(*argv, "--nice"))
			keep_nice = true;
		else if (!strcmp(*argv, "--enosys"))
			action = SECCOMP_RET_ERRNO | ENOSYS;
		else
			argc = 1;
	}
	if (!argc) {
		fprintf(stderr, "usage: confine [--nice | --enosys] PROGRAM [ARGUMENTS]\n");
		return 2;
	}
	keep_capabilities(keep_nice);
	if (guest_deny(never, sizeof never / sizeof *never, action) ||
	    (!keep_nice &&
	     guest_deny(without_nice, sizeof without_nice / sizeof *without_nice, action)))
		guest_die("seccomp");
	execvp(*argv, argv);
	guest_die("%s", *argv);
}
