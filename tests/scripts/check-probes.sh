#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# check-probes.sh - are the trace points of the sources those of hugenuma(7), with as many arguments,
# and does the library have them, if it was configured with them?
. "$(dirname "$0")/common.sh"

# NAME ARGUMENTS of each use in the sources, whose calls may be of several lines.
$PERL -0777 -ne 'while (/\bHNUMA_PROBE\((\w+),((?:[^()]|\((?:[^()]|\([^()]*\))*\))*)\);/g) {
	my ($name, $arguments) = ($1, $2);
	1 while $arguments =~ s/\([^()]*\)//g;
	printf "%s %d\n", $name, 1 + ($arguments =~ tr/,//);
}' "$top_srcdir"/numa/*.c "$top_srcdir"/lib/*.c | sort -u > "$work/sources"
[ -s "$work/sources" ] || problem "no trace point found in the sources"

# The man page has each as: .It Cm NAME Ns Pq Fa a , Fa b
$PERL -ne 'if (/^\.It Cm (\w+) Ns Pq(.*)/) { my ($name, $rest) = ($1, $2); print "$name ", scalar(() = $rest =~ /\bFa /g), "\n" }' \
	"$top_srcdir/man/hugenuma.7" | sort > "$work/man"
diff -u "$work/sources" "$work/man" || problem "the sources and man/hugenuma.7 have other trace points"

library=$top_builddir/.libs/libhugenuma.so
if [ "$enable_shared" = yes ] && command -v readelf > /dev/null; then
	LC_ALL=C readelf -n "$library" 2> /dev/null | awk '
		$1 == "Provider:" { ours = $2 == "hugenuma" }
		$1 == "Name:" { name = $2 }
		$1 == "Arguments:" && ours { print name, NF - 1 }' | sort -u > "$work/library"
	grep -q '^#define HAVE_SYS_SDT_H 1' "$top_builddir/config.h" || : > "$work/sources"
	diff -u "$work/sources" "$work/library" || problem "$library has other trace points than it should"
fi
conclude
