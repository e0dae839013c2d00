#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# check-exports.sh - the headers, the symbol map and the shared library name the same functions; the
# static library shows no name without the prefix; both are hardened as configure promises.
. "$(dirname "$0")/common.sh"

$PERL "$here/prototypes.pl" "$top_srcdir"/include/hugenuma/*.h | cut -f1 | sort > "$work/headers" ||
	problem "the headers cannot be read"
[ -s "$work/headers" ] || problem "no public function found in the headers"
uniq -d "$work/headers" | while read -r name; do echo "$name is declared twice"; done > "$work/twice"
[ -s "$work/twice" ] && problem "$(cat "$work/twice")"

# compare NAME: how a sorted list of names differs from the headers' list.
compare() {
	local missing extra

	missing=$(comm -23 "$work/headers" "$work/$1")
	extra=$(comm -13 "$work/headers" "$work/$1")
	[ -z "$missing" ] || problem "in a header, but not in $2:" $missing
	[ -z "$extra" ] || problem "in $2, but in no header:" $extra
}

sed -n '/^HUGENUMA_/,/^local:/s/^\t\(\w*\);$/\1/p' "$top_srcdir/lib/hugenuma.map" | sort > "$work/map"
compare map lib/hugenuma.map

if [ "$enable_shared" = yes ]; then
	library=$top_builddir/.libs/libhugenuma.so
	$NM -D --defined-only --with-symbol-versions "$library" |
		awk '$2 != "A" { print $3 }' | sort > "$work/versioned" || problem "$NM cannot read $library"
	sed 's/@.*//' "$work/versioned" | sort > "$work/shared"
	compare shared libhugenuma.so
	unversioned=$(grep -v '@@HUGENUMA_[0-9.]*$' "$work/versioned")
	[ -z "$unversioned" ] || problem "without a version in libhugenuma.so:" $unversioned
	for want in NODELETE NOW; do
		readelf -dW "$library" | grep -q "FLAGS_1.*$want" || problem "libhugenuma.so is not linked with -z $want"
	done
	readelf -lW "$library" | grep -q GNU_RELRO || problem "libhugenuma.so has no RELRO segment"
	readelf -lW "$library" | grep 'GNU_STACK' | grep -q 'RW ' || problem "libhugenuma.so wants an executable stack"
	readelf -dW "$library" | grep -q 'TEXTREL' && problem "libhugenuma.so has text relocations"
	readelf -dW "$library" | grep -q 'STATIC_TLS' ||
		problem "libhugenuma.so does not use the initial-exec model for its thread-local variables"
fi

if [ "$enable_static" = yes ]; then
	archive=$top_builddir/.libs/libhugenuma.a
	$NM -g --defined-only "$archive" | awk 'NF == 3 { print $3 }' | sort -u > "$work/archive" ||
		problem "$NM cannot read $archive"
	# What <sys/sdt.h> puts into every object with a trace point is weak and hidden.
	foreign=$(grep -v -e '^hnuma_' -e '^_\.stapsdt\.base$' "$work/archive")
	[ -z "$foreign" ] || problem "visible in libhugenuma.a without the prefix hnuma_:" $foreign
	missing=$(comm -23 "$work/headers" "$work/archive")
	[ -z "$missing" ] || problem "in a header, but not in libhugenuma.a:" $missing
fi
conclude
