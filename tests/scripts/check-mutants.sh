#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# check-mutants.sh - do the deliberate bugs of tests/mutants still apply to the tree, and does each say what
# it breaks and which program is to notice? Whether one does, `make check-mutants` tries.
. "$(dirname "$0")/common.sh"

command -v patch > /dev/null || skip "patch is not installed"
nr_mutants=0
for mutant in "$top_srcdir"/tests/mutants/*.patch; do
	name=$(basename "$mutant")
	nr_mutants=$((nr_mutants + 1))
	# With a line of context only, what is fuzzy could be some other place.
	patch --dry-run -s -f -F 0 -p1 -d "$top_srcdir" < "$mutant" > "$work/said" 2>&1 || {
		cat "$work/said"
		problem "$name does not apply any more: make it anew, or take it out if what it breaks is gone"
	}
	[[ $(head -n 1 "$mutant") =~ ^[A-Z].*\.$ ]] || problem "$name does not begin with a sentence that says what it breaks"
	[ -f "$top_srcdir/tests/$(sed -n 's/^First: //p' "$mutant").c" ] || problem "$name names no test program"
done
[ $nr_mutants -ge 20 ] || problem "there are only $nr_mutants mutants"
conclude
