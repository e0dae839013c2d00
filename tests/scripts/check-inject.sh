#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# check-inject.sh - the installed library while strace lets system calls fail: the program that uses it
# always ends by itself, with success or with one line that says why, and no huge page is lost.
#
# tests/test_faults.c does the same from within, more finely; here nothing is replaced.
. "$(dirname "$0")/common.sh"

[ "$enable_shared" = yes ] || skip "there is no shared library to look at"
command -v strace > /dev/null || skip "strace is not installed"
strace --seccomp-bpf -f -o /dev/null true 2> /dev/null || skip "strace may not trace here"
install_copy

cat > program.c << 'END'
#include <hugenuma.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int fail(void)
{
	fprintf(stderr, "%s\n", hnuma_errormsg());
	return 1;
}

/* A count in the trace begins here. */
static void mark(const char *text)
{
	if (write(STDOUT_FILENO, text, strlen(text)) < 0)
		_exit(2);
}

static int use(struct hnuma_manager *memory, const struct hnuma_config *config)
{
	struct hnuma_arena *arena = hnuma_manager_arena(memory, HNUMA_NODE_LOCAL);
	struct hnuma_pool *pool = hnuma_manager_pool(memory);
	struct hnuma_scratch *scratch = hnuma_manager_scratch(memory);
	struct hnuma_space *space = hnuma_scratch_acquire(scratch);
	void *block = hnuma_pool_acquire(pool, HNUMA_CLASS_16K);
	void *bytes = hnuma_arena_alloc(arena, 1, config->arena_capacity);
	struct hnuma_placement placement;
	int error;

	if (!space || !block || !bytes)
		return 3;
	memset(block, 1, hnuma_class_size(HNUMA_CLASS_16K));
	memset(bytes, 1, config->arena_capacity);
	error = hnuma_manager_verify(memory, &placement) ||
		hnuma_manager_print_stats(memory, stdout, HNUMA_JSON);
	if (error)
		fail();
	if (hnuma_pool_release(pool, block) || hnuma_scratch_release(space))
		return 4;
	return error;
}

int main(int argc, char **argv)
{
	struct hnuma_topology *topology;
	struct hnuma_manager *memory;
	struct hnuma_config config = HNUMA_CONFIG_INIT;
	int result;

	(void)argv;
	config.arena_capacity = HNUMA_HUGEPAGE;
	config.pool_bytes_per_node = HNUMA_HUGEPAGE;
	config.least_backing = argc > 1 ? HNUMA_BACKING_BASE : HNUMA_BACKING_HUGETLB;
	mark("all\n");
	if (hnuma_topology_create(&topology))
		return fail();
	mark("memory\n");
	if (hnuma_manager_create(&memory, topology, &config))
		return fail();
	result = use(memory, &config);
	/* What could not be given back is tried once more. */
	if (hnuma_manager_destroy(memory) && hnuma_manager_destroy(memory) && !result)
		result = fail();
	hnuma_topology_destroy(topology);
	mark("end\n");
	return result;
}
END
# shellcheck disable=SC2086
$CC -Wall -Wextra -Werror program.c $cflags $libs -o program || {
	problem "the program cannot be built"
	conclude
}
export LD_LIBRARY_PATH=$root$libdir

# borrow_pages N: so many more huge pages on each node. Each node gets its count of before when we have
# ended, also where we are killed: from a guardian, as those of tests/check_pages.c, that has the lock, too.
borrow_pages() {
	local pools=(/sys/devices/system/node/node[0-9]*/hugepages/hugepages-2048kB/nr_hugepages) pool counts=()

	[ -e "${pools[0]}" ] || pools=(/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages)
	[ -w "${pools[0]}" ] || return 0
	for pool in "${pools[@]}"; do
		counts+=("$pool" "$(cat "$pool")")
	done
	# shellcheck disable=SC2016 # it is the guardian's to expand
	exec {alive}> >(exec setsid bash -c '
		trap "" HUP INT TERM
		read -r
		while [ $# -gt 0 ]; do
			echo "$2" > "$1"
			shift 2
		done' guardian "${counts[@]}")
	guardian=$!
	trap 'exec {alive}>&-; wait $guardian; rm -rf "$work"' EXIT
	for pool in "${pools[@]}"; do
		echo $(($(cat "$pool") + $1)) > "$pool"
	done
}

take_lock
borrow_pages 8
arguments=
./program > /dev/null 2>&1 || arguments=base
./program $arguments > /dev/null || problem "the program fails with nothing injected"

counts() {
	grep -E '^HugePages_(Total|Free|Rsvd|Surp)' /proc/meminfo
}

# count CALL: how often the program comes to the call before each of its marks.
count() {
	strace --seccomp-bpf -f -o trace -e "trace=write,$1" ./program $arguments > /dev/null
	awk -v call="$1(" '{ sub(/^[0-9]+ +/, "") } index($0, call) == 1 { nr++ }
		/^write\(1, "(all|memory|end)\\n"/ { printf "%d ", nr }' trace
}

nr_runs=0
# inject CALL WHEN ERROR: once with that failing.
inject() {
	local said result now

	strace --seccomp-bpf -f -o /dev/null -e "trace=$1" -e "inject=$1:error=$3:when=$2" ./program $arguments > /dev/null 2> said
	result=$?
	said=$(wc -l < said)
	nr_runs=$((nr_runs + 1))
	[ "$result-$said" = 0-0 ] || [ "$result-$said" = 1-1 ] || {
		problem "$1 fails with $3 at call $2: exit code $result and $said lines:"
		cat said
	}
	now=$(counts)
	# Pages of a process that has just ended can take a moment.
	for _ in 1 2 3 4 5; do
		[ "$now" = "$counts_before" ] && return
		sleep 0.2
		now=$(counts)
	done
	problem "$1 fails with $3 at call $2: huge pages were lost:" "$counts_before" "$now"
}

# sweep CALL FROM TO STEP ERROR...: each call between two marks fails, alone and with all after it; the
# errors take turns.
sweep() {
	local call=$1 at=$(($2 + 1)) last=$3 step=$4 turn=0
	local errors=("${@:5}")

	for (( ; at <= last; at += step)); do
		inject "$call" $at "${errors[turn % ${#errors[@]}]}"
		turn=$((turn + 1))
		# Nothing is interrupted for ever.
		[ "${errors[turn % ${#errors[@]}]}" = EINTR ] || inject "$call" $at+ "${errors[turn % ${#errors[@]}]}"
	done
}

counts_before=$(counts)
step=1
[ "${CHECK_SHORT:-}" = 1 ] && step=5
while read -r call errors; do
	read -r all memory end < <(count "$call")
	[ "$end" -gt "$memory" ] || problem "the program never comes to $call"
	# Finding out what the machine has is hundreds of files: a few of them will do.
	stride=$(((memory - all) / 5 + 1))
	# shellcheck disable=SC2086
	sweep "$call" "$all" "$memory" $((stride * step)) $errors
	stride=$(((end - memory) / 10 + 1))
	# shellcheck disable=SC2086
	sweep "$call" "$memory" "$end" $((stride * step)) $errors
done << 'END'
mmap ENOMEM EAGAIN EPERM
munmap ENOMEM EINVAL
mbind EPERM EIO ENOMEM
set_mempolicy EPERM ENOSYS
madvise ENOMEM EINVAL EFAULT EAGAIN
memfd_create EMFILE ENOSYS ENOMEM
ftruncate ENOMEM EINTR EPERM
move_pages EPERM ENOMEM ENOSYS
openat EACCES EMFILE ENOENT EINTR
read EIO EINTR EISDIR
END
echo "$nr_runs runs"
[ $nr_runs -gt $((50 / step)) ] || problem "hardly anything was tried"
conclude
