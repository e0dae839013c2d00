/* SPDX-License-Identifier: MIT */
/*
 * tests/check.c - runs one module's CUnit tests, and the small helpers around them.
 *
 * Calls CUnit, the C library, hnuma_errormsg() and what makes and destroys a topology. The pages are in check_pages.c, the snapshots in
 * check_state.c.
 */
#include "config.h"

#include <CUnit/Basic.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <hugenuma.h>

#include "tests/check.h"
#include "tests/check_internal.h"

/* Automake's parallel harness reads this exit code as "skipped". */
#define EXIT_SKIPPED 77

/* A test program that hangs must not hang the whole run: seconds, unless CHECK_TIMEOUT says else. */
#define TIMEOUT_DEFAULT 600

/* The tests that called check_skip(), each once. */
static CU_pTest skipped_tests[256];
static unsigned nr_skipped;

/* What check_topology() made. */
static struct hnuma_topology *main_topology;

static bool skipping_fails(void)
{
	const char *value = getenv("CHECK_NO_SKIP");

	return value && strcmp(value, "1") == 0;
}

unsigned hnuma_check_timeout(void)
{
	const char *value = getenv("CHECK_TIMEOUT");
	int seconds = value ? atoi(value) : 0;

	return seconds > 0 ? (unsigned)seconds : TIMEOUT_DEFAULT;
}

unsigned check_rounds(unsigned rounds)
{
	const char *value = getenv("CHECK_SHORT");
	int times = value ? atoi(value) : 0;
	unsigned divisor = times > 0 ? 10 * (unsigned)times : 1;

	return rounds < divisor ? 1 : rounds / divisor;
}

void hnuma_check_fail(const char *file, unsigned line, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	CU_assertImplementation(CU_FALSE, line, text, file, "", CU_FALSE);
}

void check_skip(const char *format, ...)
{
	CU_pTest test = CU_get_current_test();
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);

	if (skipping_fails()) {
		hnuma_check_fail(__FILE__, __LINE__, "skipped, which CHECK_NO_SKIP forbids: %s",
				 text);
		return;
	}
	printf("\n    skipped: %s ", text);
	if (nr_skipped && skipped_tests[nr_skipped - 1] == test)
		return;
	if (nr_skipped == sizeof(skipped_tests) / sizeof(skipped_tests[0])) {
		hnuma_check_fail(__FILE__, __LINE__, "more skipped tests than can be counted");
		return;
	}
	skipped_tests[nr_skipped++] = test;
}

const char *check_read_file(const char *path)
{
	static char text[1 << 18];
	size_t used = 0;
	ssize_t got;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	text[0] = '\0';
	if (fd < 0)
		return text;
	while (used < sizeof(text) - 1 &&
	       (got = read(fd, text + used, sizeof(text) - 1 - used)) > 0)
		used += (size_t)got;
	close(fd);
	text[used] = '\0';
	return text;
}

bool check_write_file(const char *directory, const char *file, const char *text)
{
	char path[400];
	bool is_written;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", directory, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	is_written = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return is_written;
}

void check_message(const char *words)
{
	const char *message = hnuma_errormsg();

	CU_PASS("a message was asked for");
	if (!strstr(message, words))
		hnuma_check_fail(__FILE__, __LINE__, "\"%s\" not in the message \"%s\"", words,
				 message);
}

/* Print what the child's own assertions found: its parent cannot see the child's list. */
static void print_failures(unsigned from)
{
	CU_pFailureRecord failure = CU_get_failure_list();

	for (unsigned i = 0; failure; failure = failure->pNext, i++)
		if (i >= from)
			printf("\n    in a child: %s:%u: %s", failure->strFileName,
			       failure->uiLineNumber, failure->strCondition);
	fflush(stdout);
}

/*
 * The child's side. It ends with _exit(): what the parent registered for its own exit is not the
 * child's to do. A fatal assertion jumps to the buffer in the CUnit test, which would send the child
 * through the rest of the parent's tests; so it gets a buffer of its own.
 */
static void __attribute__((noreturn)) run_child(void (*f)(void *arg), void *arg)
{
	unsigned failures = CU_get_number_of_failures();
	unsigned records = CU_get_number_of_failure_records();
	CU_pTest test = CU_get_current_test();
	jmp_buf after;

	if (setjmp(after) == 0) {
		if (test)
			test->pJumpBuf = &after;
		f(arg);
	}
	if (CU_get_number_of_failures() == failures &&
	    CU_get_number_of_failure_records() == records)
		_exit(0);
	print_failures(records);
	_exit(1);
}

/* A child that outlived us would keep the lock, and all other programs waiting. */
pid_t check_fork(void)
{
	pid_t parent = getpid();
	pid_t child;

	fflush(NULL);
	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* Or was it gone before that? The first of a namespace of processes sees no parent. */
		if (getppid() != parent && getpid() != 1)
			_exit(1);
	}
	return child;
}

int check_in_child(void (*f)(void *arg), void *arg)
{
	pid_t child = check_fork();
	int status;

	if (child < 0) {
		hnuma_check_fail(__FILE__, __LINE__, "fork: %m");
		return 255;
	}
	if (child == 0)
		run_child(f, arg);
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return 255;
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

struct hnuma_topology *check_topology(void)
{
	if (hnuma_topology_create(&main_topology)) {
		fprintf(stderr, "no topology: %s\n", hnuma_errormsg());
		exit(EXIT_FAILURE);
	}
	return main_topology;
}

int check_allowed_cpu(void)
{
	cpu_set_t allowed;
	int cpu = 0;

	CU_ASSERT_EQUAL_FATAL(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
	while (!CPU_ISSET(cpu, &allowed))
		cpu++;
	return cpu;
}

int check_stay(void)
{
	int cpu = sched_getcpu();
	cpu_set_t here;

	CPU_ZERO(&here);
	CPU_SET(cpu, &here);
	if (sched_setaffinity(0, sizeof(here), &here)) {
		perror("sched_setaffinity");
		exit(EXIT_FAILURE);
	}
	return cpu;
}

static bool has_failed(CU_pTest test)
{
	CU_pFailureRecord failure = CU_get_failure_list();

	while (failure && failure->pTest != test)
		failure = failure->pNext;
	return failure;
}

/* Say how it went, in a line that a person and a script can read, and choose the exit code. */
static int conclude(const char *module)
{
	unsigned run = CU_get_number_of_tests_run();
	unsigned failed = CU_get_number_of_tests_failed();
	unsigned skipped = 0;

	/* A test that was skipped half-way but failed too is a failure and nothing else. */
	for (unsigned i = 0; i < nr_skipped; i++)
		skipped += !has_failed(skipped_tests[i]);
	if (run == 0)
		failed = 1;
	printf("\n%s: %u passed, %u failed, %u skipped\n", module,
	       run > failed + skipped ? run - failed - skipped : 0, failed, skipped);
	if (failed || CU_get_error() != CUE_SUCCESS)
		return EXIT_FAILURE;
	return skipped == run ? EXIT_SKIPPED : EXIT_SUCCESS;
}

int check_main(const char *module, CU_TestInfo *tests)
{
	CU_SuiteInfo suites[] = {
		{module, NULL, NULL, NULL, NULL, tests},
		CU_SUITE_INFO_NULL,
	};
	int code = EXIT_FAILURE;

	setvbuf(stdout, NULL, _IOLBF, 0);
	alarm(hnuma_check_timeout());
	/* What one program makes may take the huge pages that another one counts. */
	check_lock();
	if (CU_initialize_registry() != CUE_SUCCESS || CU_register_suites(suites) != CUE_SUCCESS) {
		fprintf(stderr, "%s: CUnit: %s\n", module, CU_get_error_msg());
		return EXIT_FAILURE;
	}
	CU_basic_set_mode(CU_BRM_VERBOSE);
	if (CU_basic_run_tests() == CUE_SUCCESS)
		code = conclude(module);
	else
		fprintf(stderr, "%s: CUnit: %s\n", module, CU_get_error_msg());
	CU_cleanup_registry();
	hnuma_topology_destroy(main_topology);
	alarm(0);
	return code;
}
