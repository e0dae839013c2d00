#!/bin/sh
# SPDX-License-Identifier: MIT
# autogen.sh - makes ./configure in a tree that came from git.
set -eu
cd "$(dirname "$0")"
need() {
	command -v "$1" >/dev/null 2>&1 && return
	echo "autogen.sh: $1 is missing. On Debian: apt-get install $2" >&2
	exit 1
}
need autoreconf autoconf
need automake automake
need libtoolize libtool
need pkg-config pkg-config
autoreconf --install --warnings=all
echo "Now: mkdir build && cd build && ../configure && make"
