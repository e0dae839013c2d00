#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# check-man-examples.sh - the program in each manual page compiles without a warning, links with the
# library that was built, and runs with exit code 0.
#
# From the environment, with defaults:
#	top_srcdir, top_builddir	as in common.sh
#	CC, CPPFLAGS, CFLAGS, LDFLAGS	the compiler and its options, besides -Wall -Wextra -Werror
#	LIBS				what to link with; default: libhugenuma.la through libtool
#	CHECK_LOCK			the file that tests which count huge pages lock (tests/check_pages.c)
. "$(dirname "$0")/common.sh"

man=$top_srcdir/man
: "${CPPFLAGS:=}" "${CFLAGS:=}" "${LDFLAGS:=}" "${LIBS:=}"

if [ -z "$LIBS" ] && ! [ -f "$top_builddir/libhugenuma.la" ]; then
	problem "$top_builddir/libhugenuma.la does not exist: run make first, or set LIBS"
	conclude
fi

# link OBJECT PROGRAM
link() {
	# shellcheck disable=SC2086 # these are lists of words
	if [ -n "$LIBS" ]; then
		$CC $CFLAGS $LDFLAGS -pthread -o "$2" "$1" $LIBS
	else
		"$top_builddir/libtool" --silent --tag=CC --mode=link $CC $CFLAGS $LDFLAGS -pthread \
			-no-install -o "$2" "$1" "$top_builddir/libhugenuma.la"
	fi
}

take_lock

for page in "$man"/*.[37]; do
	name=$(basename "$page")
	head -n 1 "$page" | grep -q '^\.so ' && continue
	files=$(sh "$man/extract-examples" "$work" "$page") || problem "man/$name: no example could be extracted"
	[ -n "$files" ] || problem "man/$name has no program in EXAMPLES"
	for file in $files; do
		program=${file%.c}
		# shellcheck disable=SC2086 # these are lists of words
		$CC -I"$top_srcdir/include" $CPPFLAGS $CFLAGS -Wall -Wextra -Werror -c -o "$program.o" "$file" ||
			{ problem "man/$name: its example does not compile"; continue; }
		link "$program.o" "$program" || { problem "man/$name: its example does not link"; continue; }
		timeout 60 "$program" < /dev/null > "$program.out" 2>&1 9<&- || {
			problem "man/$name: its example ended with $?:"
			cat "$program.out"
		}
	done
done
conclude
