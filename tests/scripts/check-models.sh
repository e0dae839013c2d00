#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# check-models.sh - do the models of tests/spin hold, and does each fail where it is made wrong?
#
# A model is checked exhaustively, with every bound that its header names; each of its lines must have
# been reached. Then once with each WRONG_ switch that it has: then it must fail.
. "$(dirname "$0")/common.sh"

command -v spin > /dev/null || skip "spin is not installed"

# verify MODEL NAME LEVEL OPTION...: what the check says, in $work/NAME/said. LEVEL is the compiler's:
# what fails does so before a better one has paid.
verify() {
	local model=$1 name=$2 level=$3

	shift 3
	mkdir "$work/$name" && cd "$work/$name" || return
	# Spin wants the model beside it: the names of the lines are then short.
	cp "$model" .
	{
		spin -a "$@" "$(basename "$model")" &&
			$CC "$level" -w -DSAFETY -o check pan.c &&
			./check -m100000
	} > said 2>&1
}

# fails NAME: an assertion, or a wait for ever; not a crash, and not an error in the model.
fails() {
	grep -q 'errors: 1$' "$work/$1/said" &&
		grep -q -e 'assertion violated' -e 'invalid end state' "$work/$1/said"
}

# holds NAME: everything was searched and reached, and nothing found.
holds() {
	grep -q 'errors: 0$' "$work/$1/said" &&
		! grep -q -e 'max search depth too small' -e 'out of memory' "$work/$1/said" &&
		awk '/^unreached in/ { begun = 1 } begun && /\.pml:/ { exit found = 1 } END { exit found }' "$work/$1/said"
}

show() {
	problem "$2"
	tail -n 30 "$work/$1/said"
}

for model in "$top_srcdir"/tests/spin/*.pml; do
	name=$(basename "$model" .pml)
	grep -q "\`$name.pml\`" "$top_srcdir/tests/spin/README.md" || problem "tests/spin/README.md does not name $name.pml"
	also=$(sed -n 's/^ \* Also checked:\(\( -D[A-Z]*=[0-9]*\)*\).*/\1/p' "$model")
	switches=$(sed -n 's/^#ifn\{0,1\}def \(WRONG_[A-Z_]*\)$/\1/p' "$model" | sort -u)
	[ -n "$switches" ] || problem "$name cannot fail: it has no WRONG_ switch"
	verify "$model" "$name" -O1 &
	# shellcheck disable=SC2086 # several options
	[ -z "$also" ] || verify "$model" "$name-also" -O1 $also &
	for switch in $switches; do
		verify "$model" "$name-$switch" -O0 "-D$switch" &
	done
	wait
	holds "$name" || show "$name" "$name does not hold"
	[ -z "$also" ] || holds "$name-also" || show "$name-also" "$name does not hold with$also"
	for switch in $switches; do
		fails "$name-$switch" || show "$name-$switch" "$name does not fail with $switch"
	done
done
conclude
