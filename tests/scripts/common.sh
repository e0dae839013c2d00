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

conclude() {
	if [ "$problems" -gt 0 ]; then
		echo "$script: 0 passed, 1 failed"
		exit 1
	fi
	echo "$script: 1 passed, 0 failed"
	exit 0
}
