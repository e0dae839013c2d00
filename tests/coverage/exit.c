/* SPDX-License-Identifier: MIT */
/*
 * tests/coverage/exit.c - an _exit() that writes gcov's counters first, as exit() does: what a test's
 * child comes to is covered, too. tests/coverage/run links it into every program, with -Wl,--wrap=,
 * before there is a config.h.
 */

void __gcov_dump(void);
void __real__exit(int code) __attribute__((noreturn));
void __wrap__exit(int code) __attribute__((noreturn));
void __wrap__Exit(int code) __attribute__((noreturn));

void __wrap__exit(int code)
{
	__gcov_dump();
	__real__exit(code);
}

void __wrap__Exit(int code)
{
	__wrap__exit(code);
}
