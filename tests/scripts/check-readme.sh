#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# check-readme.sh - the program in README.md is examples/small.c; what it names exists.
. "$(dirname "$0")/common.sh"

readme=$top_srcdir/README.md
sed -n '/^```c$/,/^```$/{/^```/!p}' "$readme" > "$work/program"
[ -s "$work/program" ] || problem "README.md shows no program"
diff -u "$top_srcdir/examples/small.c" "$work/program" ||
	problem "the program in README.md is not examples/small.c"
lines=$(wc -l < "$top_srcdir/examples/small.c")
[ "$lines" -le 24 ] || problem "examples/small.c has $lines lines: it was to stay small"

# Every function that a document names is public.
$PERL "$here/prototypes.pl" "$top_srcdir"/include/hugenuma/*.h | cut -f1 | sort > "$work/headers"
for document in README.md CONTRIBUTING.md NEWS; do
	unknown=$(grep -o '\bhnuma_[a-z_]*()' "$top_srcdir/$document" | tr -d '()' | sort -u |
		comm -23 - "$work/headers")
	[ -z "$unknown" ] || problem "$document names what no header declares:" $unknown
done

# Every file that a document names in backquotes, with a folder before it, exists.
for document in README.md CONTRIBUTING.md; do
	grep -o '`[a-z.]*/[A-Za-z0-9_./-]*`' "$top_srcdir/$document" | tr -d '`' | sort -u |
		while read -r path; do
			case $path in
			./quickstart) path=quickstart ;;
			build/*) continue ;;
			esac
			[ -e "$top_srcdir/$path" ] || echo "$document names $path, which does not exist"
		done
done > "$work/paths"
[ -s "$work/paths" ] && problem "$(cat "$work/paths")"
conclude
