/* SPDX-License-Identifier: MIT */
/*
 * tests/guests/guest.c - see guest.h. Calls the C library and the kernel only.
 */
#include "config.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/guests/guest.h"

#define MASK_BITS (16 * sizeof(long) * 8)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* protects the three below, and stdout */
static char part[256];
static unsigned long nr_checks, nr_failures;

void guest_part(const char *format, ...)
{
	va_list args;

	pthread_mutex_lock(&lock);
	va_start(args, format);
	vsnprintf(part, sizeof part, format, args);
	va_end(args);
	printf("- %s\n", part);
	fflush(stdout);
	pthread_mutex_unlock(&lock);
}

void guest_note(const char *format, ...)
{
	va_list args;

	pthread_mutex_lock(&lock);
	printf("    ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	pthread_mutex_unlock(&lock);
}

bool guest_check(bool condition, const char *format, ...)
{
	va_list args;

	pthread_mutex_lock(&lock);
	nr_checks++;
	/* A thousand blocks that are wrong in the same way need not all be told. */
	if (!condition && ++nr_failures <= 40) {
		printf("FAILED: %s: ", part);
		va_start(args, format);
		vprintf(format, args);
		va_end(args);
		printf("\n");
		fflush(stdout);
	}
	pthread_mutex_unlock(&lock);
	return condition;
}

int guest_end(void)
{
	printf("%lu checks, %lu failed\n", nr_checks, nr_failures);
	/* A program that checked nothing has shown nothing. */
	return nr_failures || !nr_checks;
}

void guest_die(const char *format, ...)
{
	int error = errno;
	va_list args;

	printf("cannot go on: ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf(" (%s)\n", strerror(error));
	exit(2);
}

bool guest_read_line(const char *path, char *line, size_t size)
{
	FILE *file = fopen(path, "re");
	bool is_read = file && fgets(line, (int)size, file);

	if (file)
		fclose(file);
	if (!is_read)
		return false;
	line[strcspn(line, "\n")] = '\0';
	return true;
}

int guest_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int error;

	if (fd < 0)
		return -errno;
	error = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return error;
}

bool guest_is_in_list(const char *list, long number)
{
	while (isdigit((unsigned char)*list)) {
		char *end;
		long from = strtol(list, &end, 10);
		long to = *end == '-' ? strtol(end + 1, &end, 10) : from;

		if (number >= from && number <= to)
			return true;
		list = *end == ',' ? end + 1 : end;
	}
	return false;
}

/* The text behind "Mems_allowed_list:" and its like in /proc/self/status. */
static bool read_status(const char *key, char *text, size_t size)
{
	FILE *file = fopen("/proc/self/status", "re");
	char line[4096];
	bool is_found = false;

	while (file && !is_found && fgets(line, sizeof line, file)) {
		size_t length = strlen(key);

		if (strncmp(line, key, length) || line[length] != ':')
			continue;
		snprintf(text, size, "%s", line + length + 1 + strspn(line + length + 1, "\t "));
		is_found = true;
	}
	if (file)
		fclose(file);
	return is_found;
}

static void read_distances(struct guest_machine *machine, unsigned index)
{
	char path[128], line[4096];
	char *next = line;

	snprintf(path, sizeof path, "/sys/devices/system/node/node%d/distance",
		 machine->nodes[index].node);
	if (!guest_read_line(path, line, sizeof line))
		guest_die("%s", path);
	for (unsigned i = 0; i < machine->nr_nodes; i++)
		machine->nodes[index].distance[i] = (int)strtol(next, &next, 10);
}

static void read_cpus(struct guest_machine *machine)
{
	char path[128], line[4096];
	cpu_set_t allowed;

	if (sched_getaffinity(0, sizeof allowed, &allowed))
		guest_die("sched_getaffinity");
	for (int cpu = 0; cpu < GUEST_MAX_CPUS; cpu++) {
		if (!CPU_ISSET(cpu, &allowed))
			continue;
		for (unsigned i = 0; i < machine->nr_nodes; i++) {
			snprintf(path, sizeof path, "/sys/devices/system/node/node%d/cpulist",
				 machine->nodes[i].node);
			if (guest_read_line(path, line, sizeof line) && guest_is_in_list(line, cpu))
				machine->node_of[machine->nr_cpus] = (int)i;
		}
		machine->cpus[machine->nr_cpus++] = cpu;
	}
}

void guest_read_machine(struct guest_machine *machine)
{
	char online[1024], with_memory[1024], with_cpus[1024], allowed[1024];

	memset(machine, 0, sizeof *machine);
	if (!guest_read_line("/sys/devices/system/node/online", online, sizeof online) ||
	    !guest_read_line("/sys/devices/system/node/has_memory", with_memory,
			     sizeof with_memory) ||
	    !guest_read_line("/sys/devices/system/node/has_cpu", with_cpus, sizeof with_cpus) ||
	    !read_status("Mems_allowed_list", allowed, sizeof allowed))
		guest_die("the kernel does not tell the nodes");
	for (int node = 0; node < GUEST_MAX_NODES; node++) {
		struct guest_node *new = &machine->nodes[machine->nr_nodes];

		if (!guest_is_in_list(online, node))
			continue;
		new->node = node;
		new->has_memory = guest_is_in_list(with_memory, node);
		new->has_cpus = guest_is_in_list(with_cpus, node);
		new->is_allowed = guest_is_in_list(allowed, node);
		new->free_pages = new->has_memory ? (unsigned long)guest_free_pages(node) : 0;
		machine->nr_nodes++;
	}
	for (unsigned i = 0; i < machine->nr_nodes; i++)
		read_distances(machine, i);
	read_cpus(machine);
}

int guest_index(const struct guest_machine *machine, int node)
{
	for (unsigned i = 0; i < machine->nr_nodes; i++)
		if (machine->nodes[i].node == node)
			return (int)i;
	return -1;
}

bool guest_is_nearest(const struct guest_machine *machine, int cpu_index, int node,
		      bool (*serves)(const struct guest_node *node))
{
	const int *distance = machine->nodes[machine->node_of[cpu_index]].distance;
	int index = guest_index(machine, node);

	if (index < 0 || !serves(&machine->nodes[index]))
		return false;
	for (unsigned i = 0; i < machine->nr_nodes; i++)
		if (serves(&machine->nodes[i]) && distance[i] < distance[index])
			return false;
	return true;
}

/* Take one line of numa_maps apart: "7f.. bind:1 file=/x huge dirty=4 N1=4 kernelpagesize_kB=2048". */
static void read_numa_line(char *line, struct guest_mapping *mapping)
{
	size_t pages[GUEST_MAX_NODES] = {0};
	char *save, *word = strtok_r(line, " \n", &save);

	word = word ? strtok_r(NULL, " \n", &save) : NULL;
	snprintf(mapping->policy, sizeof mapping->policy, "%s", word ? word : "");
	while ((word = strtok_r(NULL, " \n", &save))) {
		unsigned node;
		size_t count;

		if (sscanf(word, "N%u=%zu", &node, &count) == 2 && node < GUEST_MAX_NODES)
			pages[node] = count;
		else if (sscanf(word, "kernelpagesize_kB=%zu", &count) == 1)
			mapping->page_size = count * 1024;
	}
	for (int node = 0; node < GUEST_MAX_NODES; node++) {
		mapping->bytes_on[node] = pages[node] * mapping->page_size;
		mapping->bytes_present += mapping->bytes_on[node];
	}
}

static bool read_numa_maps(struct guest_mapping *mapping)
{
	FILE *file = fopen("/proc/self/numa_maps", "re");
	char line[4096];
	bool is_found = false;

	while (file && !is_found && fgets(line, sizeof line, file)) {
		if (strtoull(line, NULL, 16) != mapping->start)
			continue;
		read_numa_line(line, mapping);
		is_found = true;
	}
	if (file)
		fclose(file);
	return is_found;
}

bool guest_read_mapping(const void *address, struct guest_mapping *mapping)
{
	FILE *file = fopen("/proc/self/smaps", "re");
	char line[4096];
	bool is_here = false;

	memset(mapping, 0, sizeof *mapping);
	while (file && fgets(line, sizeof line, file)) {
		unsigned long long start, end;
		size_t amount;
		int name_at = 0;

		if (sscanf(line, "%llx-%llx %*s %*s %*s %*s %n", &start, &end, &name_at) == 2) {
			if (is_here)
				break;
			is_here = (uintptr_t)address >= start && (uintptr_t)address < end;
			if (!is_here)
				continue;
			mapping->start = start;
			mapping->end = end;
			line[strcspn(line, "\n")] = '\0';
			snprintf(mapping->name, sizeof mapping->name, "%s", line + name_at);
		} else if (is_here && sscanf(line, "AnonHugePages: %zu kB", &amount) == 1) {
			mapping->huge_bytes = amount * 1024;
		}
	}
	if (file)
		fclose(file);
	return is_here && read_numa_maps(mapping);
}

int guest_move_pages(const void *address)
{
	void *page = (void *)(uintptr_t)address;
	int status = -ENODATA;

	if (syscall(SYS_move_pages, 0, 1UL, &page, NULL, &status, 0))
		return -errno;
	return status;
}

int guest_node_of_page(const void *address)
{
	struct guest_mapping mapping;
	int answer = guest_move_pages(address);

	if ((answer != -EPERM && answer != -ENOSYS) || !guest_read_mapping(address, &mapping))
		return answer;
	for (int node = 0; node < GUEST_MAX_NODES; node++)
		if (mapping.bytes_on[node] == mapping.end - mapping.start)
			return node;
	return answer;
}

static long read_count(const char *path)
{
	char line[64];

	return guest_read_line(path, line, sizeof line) ? strtol(line, NULL, 10) : -1;
}

long guest_free_pages(int node)
{
	char path[160];

	if (node < 0)
		return read_count("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages");
	snprintf(path, sizeof path,
		 "/sys/devices/system/node/node%d/hugepages/hugepages-2048kB/free_hugepages", node);
	return read_count(path);
}

long guest_set_pages(int node, unsigned long pages)
{
	char path[160], text[32];

	snprintf(path, sizeof path,
		 "/sys/devices/system/node/node%d/hugepages/hugepages-2048kB/nr_hugepages", node);
	snprintf(text, sizeof text, "%lu", pages);
	guest_write(path, text);
	return read_count(path);
}

void guest_give_pages(const int *nodes, unsigned nr_nodes, unsigned long pages)
{
	for (unsigned i = 0; i < nr_nodes; i++)
		if (guest_set_pages(nodes[i], pages) != (long)pages)
			guest_die("%lu huge pages on node %d", pages, nodes[i]);
}

unsigned guest_nodes_with_memory(const struct guest_machine *machine, int nodes[GUEST_MAX_NODES])
{
	unsigned nr = 0;

	for (unsigned i = 0; i < machine->nr_nodes; i++)
		if (machine->nodes[i].has_memory && machine->nodes[i].is_allowed)
			nodes[nr++] = machine->nodes[i].node;
	return nr;
}

static unsigned count_entries(const char *path)
{
	DIR *directory = opendir(path);
	unsigned count = 0;

	while (directory && readdir(directory))
		count++;
	if (directory)
		closedir(directory);
	return count;
}

/* The heap may grow and shrink: what matters are mappings of other kinds. */
static unsigned count_mappings(void)
{
	FILE *file = fopen("/proc/self/maps", "re");
	char line[4096];
	unsigned count = 0;

	while (file && fgets(line, sizeof line, file))
		count += !strstr(line, "[heap]");
	if (file)
		fclose(file);
	return count;
}

/* What is the process's own. */
static void read_own(struct guest_state *state)
{
	state->open_files = count_entries("/proc/self/fd");
	state->mappings = count_mappings();
	if (syscall(SYS_get_mempolicy, &state->policy, state->mask, MASK_BITS, NULL, 0))
		state->policy = -errno;
}

void guest_read_state(struct guest_state *state)
{
	memset(state, 0, sizeof *state);
	for (int node = 0; node < GUEST_MAX_NODES; node++)
		state->free_pages[node] = guest_free_pages(node);
	state->reserved = read_count("/sys/kernel/mm/hugepages/hugepages-2048kB/resv_hugepages");
	state->surplus = read_count("/sys/kernel/mm/hugepages/hugepages-2048kB/surplus_hugepages");
	read_own(state);
}

static void check_own(const struct guest_state *before, const struct guest_state *now)
{
	guest_check(now->open_files == before->open_files, "%u files were open, %u are",
		    before->open_files, now->open_files);
	guest_check(now->mappings == before->mappings, "there were %u mappings, there are %u",
		    before->mappings, now->mappings);
	guest_check(now->policy == before->policy &&
			    !memcmp(now->mask, before->mask, sizeof now->mask),
		    "the thread's memory policy was %d (%#lx) and is %d (%#lx)", before->policy,
		    before->mask[0], now->policy, now->mask[0]);
}

void guest_check_state(const struct guest_state *before)
{
	struct guest_state now;

	guest_read_state(&now);
	for (int node = 0; node < GUEST_MAX_NODES; node++)
		guest_check(now.free_pages[node] == before->free_pages[node],
			    "node %d had %ld free huge pages and has %ld", node,
			    before->free_pages[node], now.free_pages[node]);
	guest_check(now.reserved == before->reserved, "%ld pages were reserved, %ld are",
		    before->reserved, now.reserved);
	guest_check(now.surplus == before->surplus, "%ld pages were surplus, %ld are",
		    before->surplus, now.surplus);
	check_own(before, &now);
}

void guest_check_own_state(const struct guest_state *before)
{
	struct guest_state now = {0};

	read_own(&now);
	check_own(before, &now);
}

void guest_await_pages(int node, long pages)
{
	struct guest_state now;

	for (unsigned i = 0; i < 100; i++) {
		guest_read_state(&now);
		if (now.free_pages[node] == pages && now.reserved == 0)
			return;
		usleep(20000);
	}
}

void guest_end_group(pid_t leader)
{
	/* What the leader has started becomes a child of this process, so that it can be waited for. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (kill(-leader, SIGKILL))
		kill(leader, SIGKILL);
	waitpid(leader, NULL, 0);
	while (waitpid(-leader, NULL, 0) > 0)
		;
}

int guest_pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof set, &set) ? -errno : 0;
}

int guest_in_child(int (*f)(void *arg), void *arg, unsigned seconds)
{
	int status;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child < 0)
		guest_die("fork");
	if (!child) {
		int code;

		alarm(seconds);
		code = f(arg);
		fflush(stdout);
		_exit(code);
	}
	if (waitpid(child, &status, 0) != child)
		guest_die("waitpid");
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

int guest_set_policy(int mode, const unsigned long *mask)
{
	return syscall(SYS_set_mempolicy, mode, mask, mask ? MASK_BITS : 0) ? -errno : 0;
}

int guest_bind(void *address, size_t size, int mode, const unsigned long *mask)
{
	return syscall(SYS_mbind, address, size, mode, mask, mask ? MASK_BITS : 0, 0) ? -errno : 0;
}

int guest_deny(const long *calls, unsigned count, uint32_t action)
{
	struct sock_filter filter[64] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	};
	struct sock_fprog program = {4, filter};

	if (count > 28)
		return -E2BIG;
	for (unsigned i = 0; i < count; i++) {
		filter[program.len++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
								     (uint32_t)calls[i], 0, 1);
		filter[program.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action);
	}
	filter[program.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		return -errno;
	return 0;
}

int guest_forbid_binding(void)
{
	static const long calls[] = {SYS_mbind, SYS_set_mempolicy, SYS_migrate_pages};

	return guest_deny(calls, sizeof calls / sizeof *calls, SECCOMP_RET_KILL_PROCESS);
}
