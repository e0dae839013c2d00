# SPDX-License-Identifier: MIT
# common.sh - sourced by the scripts of this folder: their settings by default, and their last line.
#
# A script calls problem for each violation and ends with conclude; skip leaves at once.

set -u -o pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top_srcdir=${top_srcdir:-$(cd "$here/../.." && pwd)}
top_builddir=${top_builddir:-$top_srcdir/build}
: "${CC:=cc}" "${NM:=nm}" "${PERL:=perl}" "${PKG_CONFIG:=pkg-config}" "${MAKE:=make}"
: "${includedir:=/usr/local/include}" "${libdir:=/usr/local/lib}"
: "${enable_shared:=yes}" "${enable_static:=yes}"
script=$(basename "$0")
script=${script%.sh}
problems=0

# Ours alone, and gone at the end.
work=$(mktemp -d "${TMPDIR:-/tmp}/hugenuma-check-XXXXXX") || exit 99
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

problem() {
	printf '%s\n' "$*"
	problems=$((problems + 1))
}

# Where skipping is forbidden it is a failure.
skip() {
	echo "skipped: $*"
	if [ "${CHECK_NO_SKIP:-}" = 1 ]; then
		echo "$script: 0 passed, 1 failed"
		exit 1
	fi
	echo "$script: 0 passed, 0 failed, 1 skipped"
	exit 77
}

# What a script runs may take the huge pages that a test counts: wait for it, and have it wait for us.
take_lock() {
	local lock=${CHECK_LOCK:-/tmp/hugenuma-check.lock}

	command -v flock > /dev/null && { [ -e "$lock" ] || (umask 0 && : > "$lock"); } 2> /dev/null || return 0
	exec 9< "$lock"
	flock 9
}

# Install into an empty folder, $root, go to the one around it, and have what pkg-config says of the
# copy in $cflags and $libs.
install_copy() {
	root=$work/root
	# The jobserver of the make that runs us is not ours.
	unset MAKEFLAGS MFLAGS MAKELEVEL DESTDIR
	$MAKE -C "$top_builddir" install DESTDIR="$root" > "$work/log" 2>&1 || {
		cat "$work/log"
		problem "make install DESTDIR=... fails"
		conclude
	}
	# The world as it would be had $root been /.
	export PKG_CONFIG_PATH=$root$libdir/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root
	export PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1
	export PKG_CONFIG
	cd "$work" || exit 99
	cflags=$($PKG_CONFIG --cflags hugenuma) && libs=$($PKG_CONFIG --libs hugenuma) ||
		problem "pkg-config does not find hugenuma"
}

conclude() {
	if [ "$problems" -gt 0 ]; then
		echo "$script: 0 passed, 1 failed"
		exit 1
	fi
	echo "$script: 1 passed, 0 failed"
	exit 0
}
