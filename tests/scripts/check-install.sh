#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# check-install.sh - installs into an empty folder and uses what lies there as a stranger would: the
# headers in C and C++, the library shared and static, pkg-config, the examples' Makefile, the
# command and the man pages.
. "$(dirname "$0")/common.sh"

install_copy
[ "$($PKG_CONFIG --modversion hugenuma)" = "$(sed -n 's/^#define PACKAGE_VERSION "\(.*\)"/\1/p' "$top_builddir/config.h")" ] ||
	problem "pkg-config tells another version than configure"

# attempt WHAT COMMAND...: run it, and say what failed.
attempt() {
	local what=$1
	shift
	"$@" > log 2>&1 && return
	cat log
	problem "$what: fails: $*"
	return 1
}

# run WHAT COMMAND...: the same for programs that need memory: base pages will do.
run() {
	local what=$1
	shift
	attempt "$what" env LD_LIBRARY_PATH="$root$libdir" "$@"
}

# run_or_excuse WORDS PROGRAM...: the same for programs that need huge pages, which a machine may not have: then
# the library's own words have to say so.
run_or_excuse() {
	local words=$1
	shift
	env LD_LIBRARY_PATH="$root$libdir" "$@" > log 2>&1 && return
	grep -q "$words" log && return
	cat log
	problem "$1 fails without a reason"
}

# A C++ compiler to try the headers with (check-headers.sh tries them under every standard).
cxx=
for candidate in ${CXX:-} c++ g++ clang++; do
	command -v "$candidate" > /dev/null && cxx=$candidate && break
done
[ -n "$cxx" ] || skip "no C++ compiler is installed: the library could not be tried with one"
(cd "$top_srcdir/include" && find . -name '*.h' | sort) > there
(cd "$root$includedir" && find . -name '*.h' | sort) > installed
diff -u there installed || problem "other headers are installed than include/ has"

# A program that does something, in both languages, against both libraries. The initialisers are used
# as C++ would, and least_backing lets it run on any machine.
cat > program.c << 'END'
#include <hugenuma.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
	struct hnuma_topology *topology;
	struct hnuma_manager *memory;
	struct hnuma_config config = HNUMA_CONFIG_INIT;
	struct hnuma_region_attr region = HNUMA_REGION_ATTR_INIT;
	struct hnuma_arena_attr arena = HNUMA_ARENA_ATTR_INIT;
	struct hnuma_pool_attr pool = HNUMA_POOL_ATTR_INIT;
	struct hnuma_scratch_attr scratch = HNUMA_SCRATCH_ATTR_INIT;
	void *block;

	if (region.struct_size != sizeof(region) || arena.struct_size != sizeof(arena) ||
	    pool.struct_size != sizeof(pool) || scratch.struct_size != sizeof(scratch))
		return 2;
	config.least_backing = HNUMA_BACKING_BASE;
	config.flags = HNUMA_RELAXED;
	if (hnuma_topology_create(&topology) || hnuma_manager_create(&memory, topology, &config)) {
		fprintf(stderr, "%s\n", hnuma_errormsg());
		return 1;
	}
	block = hnuma_pool_acquire(hnuma_manager_pool(memory), HNUMA_CLASS_16K);
	if (!block)
		return 3;
	memset(block, 1, hnuma_class_size(HNUMA_CLASS_16K));
	if (hnuma_pool_release(hnuma_manager_pool(memory), block) || hnuma_manager_destroy(memory))
		return 4;
	hnuma_topology_destroy(topology);
	puts(hnuma_version());
	return 0;
}
END
cp program.c program.cc
take_lock
static_libs="$($PKG_CONFIG --libs-only-L hugenuma) -Wl,-Bstatic -lhugenuma -Wl,-Bdynamic -lhwloc -lnuma"
for lib in hwloc numa; do
	$PKG_CONFIG --static --libs hugenuma | grep -q -- "-l$lib\\b" || problem "pkg-config --static does not name -l$lib"
done
# shellcheck disable=SC2086
for language in c cc; do
	compiler=$CC
	[ $language = c ] || compiler=$cxx
	if [ "$enable_shared" = yes ]; then
		attempt "$language, shared" $compiler -Wall -Wextra -Werror program.$language $cflags $libs -o shared-$language &&
			run "$language, shared" ./shared-$language
	fi
	if [ "$enable_static" = yes ]; then
		attempt "$language, static" $compiler -Wall -Wextra -Werror program.$language $cflags $static_libs -o static-$language &&
			run "$language, static" ./static-$language
		! readelf -dW static-$language | grep -q 'NEEDED.*libhugenuma' || problem "static-$language wants libhugenuma.so"
	fi
done

# The examples with their own Makefile. They ask for transparent huge pages at the least.
cp -r "$top_srcdir/examples" examples
chmod -R u+w examples
attempt "make in examples" $MAKE -C examples CC="$CC" && {
	run_or_excuse 'huge pages' examples/small
	run_or_excuse 'huge pages' examples/registered
	run_or_excuse 'huge pages' examples/restart
	# A rank takes its share of the huge pages that are set aside: there may be none, or others have them.
	run_or_excuse 'pages are too few\|pages of 2 MB are needed' examples/ranks 0
}
if [ "$enable_static" = yes ]; then
	rm -f examples/small examples/ranks examples/registered examples/restart
	attempt "make STATIC=1 in examples" $MAKE -C examples CC="$CC" STATIC=1
fi

# try_example NAME PACKAGE...: those that have a folder, a Makefile and tests of their own, where what they want
# is installed; the packages by the names that pkg-config has for them.
try_example() {
	local name=$1
	shift
	if $PKG_CONFIG --exists "$@"; then
		attempt "make in examples/$name" $MAKE -C "examples/$name" CC="$CC" CFLAGS="-g -O2 -Wall -Wextra -Werror" &&
			run "make check in examples/$name" $MAKE -C "examples/$name" check CC="$CC"
	else
		echo "examples/$name was not tried: it wants $*"
		[ "${CHECK_NO_SKIP:-}" = 1 ] && problem "examples/$name was not tried"
	fi
}
try_example tokend libevent jansson
try_example kvmove ucx

if [ -x "$root$bindir/hugenuma" ]; then
	run "hugenuma --version" "$root$bindir/hugenuma" --version
	run "hugenuma --help" "$root$bindir/hugenuma" --help
	[ -f "$root$datadir/bash-completion/completions/hugenuma" ] || problem "no completion for bash is installed"
	[ -f "$root$mandir/man1/hugenuma.1" ] || problem "hugenuma.1 is not installed"
fi
for page in man7/hugenuma.7 man3/hnuma_manager_create.3; do
	[ -f "$root$mandir/$page" ] || problem "$page is not installed"
done

unset PKG_CONFIG_SYSROOT_DIR
$MAKE -C "$top_builddir" uninstall DESTDIR="$root" > "$work/log" 2>&1 || problem "make uninstall fails"
left=$(find "$root" ! -type d)
[ -z "$left" ] || problem "make uninstall leaves:" $left
conclude
