#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# check-misuse.sh - does each program of tests/misuse/, which does one thing wrong, get the answer that
# its first comment names: from the library, from a hardened pool, from AddressSanitizer and Valgrind?
#
# The tools are asked where the compiler and the machine have them.
. "$(dirname "$0")/common.sh"

# build PROGRAM NAME FLAGS...: as an outside program, with the library of this tree.
build() {
	# shellcheck disable=SC2086 # $CC may be several words
	$CC -g -O1 -I"$top_srcdir" -I"$top_srcdir/include" -Wall -Wextra -Werror "${@:3}" -c -o "$work/$2.o" \
		"$top_srcdir/tests/misuse/$1.c" &&
		"$top_builddir/libtool" --silent --tag=CC --mode=link $CC "${@:3}" -no-install -o "$work/$2" \
			"$work/$2.o" "$top_builddir/libhugenuma.la" -lpthread || problem "$1 cannot be built"
}

# wanted PROGRAM WHAT: what its comment names.
wanted() {
	sed -n "s|^ \* $2: ||p" "$top_srcdir/tests/misuse/$1.c"
}

# expect_answer PROGRAM WHAT: has the library answered so? What was said is in $work/said.
expect_answer() {
	local answer

	answer=$(wanted "$1" "$2")
	[ -n "$answer" ] || answer=$(wanted "$1" Plain)
	[ -n "$answer" ] || problem "$1 does not say what must come of it"
	[ "$code" = 0 ] && grep -q "^$answer: " "$work/said" && return
	cat "$work/said"
	problem "$1 ($2) should be answered with $answer, and ended with $code"
}

# expect_report PROGRAM TOOL: has the tool reported what it should, and nothing else?
expect_report() {
	local words

	words=$(wanted "$1" "$2")
	if [ -z "$words" ]; then
		expect_answer "$1" Plain
		return
	fi
	[ "$code" != 0 ] && grep -q "$words" "$work/said" && return
	cat "$work/said"
	problem "$1: $2 should report: $words; it ended with $code"
}

run() {
	timeout 120 "$@" > "$work/said" 2>&1 9<&-
	code=$?
}

echo 'int main(void) { return 0; }' > "$work/empty.c"
# shellcheck disable=SC2086
has_asan=$($CC -fsanitize=address -o "$work/empty" "$work/empty.c" 2> /dev/null && "$work/empty" && echo yes)
has_valgrind=$(command -v valgrind > /dev/null && grep -q '^#define HAVE_VALGRIND_MEMCHECK_H 1' "$top_builddir/config.h" && echo yes)

take_lock
unset HUGENUMA_HARDENED
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0"
number=0
for source in "$top_srcdir"/tests/misuse/*.c; do
	name=$(basename "$source" .c)
	number=$((number + 1))
	build "$name" "$name"
	run "$work/$name"
	expect_answer "$name" Plain
	run env HUGENUMA_HARDENED=1 "$work/$name"
	expect_answer "$name" Hardened
	if [ -n "$has_asan" ]; then
		build "$name" "$name-asan" -fsanitize=address
		run "$work/$name-asan"
		expect_report "$name" AddressSanitizer
	fi
	if [ -n "$has_valgrind" ] && { [ -n "$(wanted "$name" Valgrind)" ] || [ "$name" = no-misuse ]; }; then
		# It gives up on debugging information newer than itself.
		strip -g "$work/$name"
		run valgrind --quiet --error-exitcode=99 --leak-check=no "$work/$name"
		expect_report "$name" Valgrind
	fi
done
[ "$number" -ge 21 ] || problem "only $number programs found"
echo "$number programs${has_asan:+, with AddressSanitizer}${has_valgrind:+, under Valgrind}"
conclude
