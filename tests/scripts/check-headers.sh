#!/bin/bash
# SPDX-License-Identifier: MIT
# check-headers.sh - do the public headers compile alone, pedantically, under every standard that we
# promise, and does each part refuse to be included without the umbrella?
#
# Reads $top_srcdir/include. Uses $CC and $CXX; both may hold several words.
set -u
top=${top_srcdir:-.}
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
CC=${CC:-cc}
CXX=${CXX:-c++}
warnings="-pedantic-errors -Wall -Wextra -Wundef -Wshadow -Werror -fsyntax-only"
failed=0
passed=0

note() {
	if [ "$1" = 0 ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		printf '%s:\n' "$2"
		cat "$work/log"
	fi
}

# What a program does with every header: every initialiser, every inline function.
cat >"$work/use.h" <<'END'
#include <hugenuma.h>
int use(void);
int use(void)
{
	struct hnuma_region_attr region = HNUMA_REGION_ATTR_INIT;
	struct hnuma_arena_attr arena = HNUMA_ARENA_ATTR_INIT;
	struct hnuma_pool_attr pool = HNUMA_POOL_ATTR_INIT;
	struct hnuma_scratch_attr scratch = HNUMA_SCRATCH_ATTR_INIT;
	struct hnuma_config config = HNUMA_CONFIG_INIT;

	hnuma_nodeset_add(&config.nodes, 1);
	return region.node + arena.node + (int)pool.flags + (int)scratch.flags +
	       hnuma_nodeset_has(&config.nodes, 1);
}
END
cp "$work/use.h" "$work/use.c"
cp "$work/use.h" "$work/use.cc"

for standard in c11 gnu11 c17; do
	# shellcheck disable=SC2086
	$CC -std=$standard $warnings -Wstrict-prototypes -I"$top/include" "$work/use.c" >"$work/log" 2>&1
	note $? "as $standard with $CC"
done
for standard in c++11 c++17 c++20; do
	# shellcheck disable=SC2086
	$CXX -std=$standard $warnings -I"$top/include" "$work/use.cc" >"$work/log" 2>&1
	note $? "as $standard with $CXX"
done

# The umbrella names every part, and no part comes without it.
for part in "$top"/include/hugenuma/*.h; do
	name=hugenuma/${part##*/}

	grep -q "^#include <$name>" "$top/include/hugenuma.h" 2>"$work/log"
	note $? "$name is not in hugenuma.h"
	printf '#include <%s>\n' "$name" >"$work/part.c"
	# shellcheck disable=SC2086
	if $CC -fsyntax-only -I"$top/include" "$work/part.c" >"$work/log" 2>&1; then
		note 1 "$name can be included alone"
	else
		grep -q 'include <hugenuma.h>, not its parts' "$work/log"
		note $? "$name alone fails, but does not say why"
	fi
done

printf 'check-headers: %d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
