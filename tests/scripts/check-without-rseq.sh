#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The pool's tests once more, with restartable sequences turned off as an administrator would.
. "$(dirname "$0")/common.sh"

export GLIBC_TUNABLES=glibc.pthread.rseq=0
for test in test_pool test_pool_bulk test_pool_threads test_pool_faults test_pool_rseq test_pool_retire test_short_lives; do
	program=$top_builddir/tests/$test
	[ -x "$program" ] || skip "$test is not built"
	"$program" || problem "$test fails without restartable sequences"
done
conclude
