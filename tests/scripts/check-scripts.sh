#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# check-scripts.sh - do the other scripts see a violation? Each is planted in a copy of the tree, the
# script must fail and name it; before that it must be content with the untouched copy.
. "$(dirname "$0")/common.sh"

copy=$work/copy
mkdir "$copy"
(cd "$top_srcdir" && tar -cf - --exclude=.git --exclude=autom4te.cache --exclude='./build*' --exclude='./hugenuma-[0-9]*' \
	include numa lib tools tests man examples m4 bench doc \
	configure.ac Makefile.am autogen.sh quickstart README.md CONTRIBUTING.md NEWS .clang-format) |
	tar -C "$copy" -xf - || problem "the tree cannot be copied"
chmod -R u+w "$copy"
planted=0

# judge SCRIPT: run it on the copy.
judge() {
	local script=$copy/tests/scripts/$1
	local run=bash

	case $script in *.pl) run=$PERL ;; esac
	env -u CHECK_NO_SKIP top_srcdir="$copy" top_builddir="${fake_build:-$top_builddir}" TMPDIR="$work" \
		$run "$script" > "$work/said" 2>&1
}

# content SCRIPT: it must have nothing to say. False where it is skipped.
content() {
	judge "$1"
	case $? in
	0) return 0 ;;
	77) return 1 ;;
	*)
		cat "$work/said"
		problem "$1 is not content with the tree as it is"
		return 1 ;;
	esac
}

# plant SCRIPT WORDS FILE SED: change a file, expect the script to fail with these words, change back.
plant() {
	local script=$1 words=$2 file=$copy/$3 expression=$4 what="$3: ${4:0:60}"

	if [ "$expression" = new ]; then
		cat > "$file"
	elif [ ! -f "$file" ]; then
		problem "there is no $3 to plant anything in"
		return
	else
		cp -p "$file" "$work/original"
		sed -i "$expression" "$file"
		cmp -s "$file" "$work/original" && problem "nothing was planted in $what"
	fi
	planted=$((planted + 1))
	if judge "$script"; then
		problem "$script does not see what was planted in $what"
	elif ! grep -qF -- "$words" "$work/said"; then
		cat "$work/said"
		problem "$script fails, but does not say \"$words\", for $what"
	fi
	if [ "$expression" = new ]; then rm -f "$file"; else cp -p "$work/original" "$file"; fi
}

# The beginning of a sed expression that adds a function at the end of a file.
add_code='$a void planted(void *p);\nvoid planted(void *p)\n{\n\t'

if content check-layers.pl; then
	plant check-layers.pl 'a kernel call: munmap' numa/region.c "${add_code}munmap(p, 1);\\n}"
	plant check-layers.pl 'a kernel call: mbind' numa/populate.c "${add_code}mbind(p, 1, 0, 0, 0, 0);\\n}"
	plant check-layers.pl 'a kernel call: open' numa/hugepages.c "${add_code}open(p, 0);\\n}"
	plant check-layers.pl 'a kernel call: madvise' lib/arena.c "${add_code}int (*f)() = madvise;\\n}"
	plant check-layers.pl 'a kernel call: mmap' lib/pool.c "${add_code}mmap(p, 1, 0, 0, 0, 0);\\n}"
	plant check-layers.pl 'the table of kernel calls' lib/scratch.c "${add_code}hnuma_sys.close(1);\\n}"
	plant check-layers.pl 'hwloc: hwloc_topology_init' numa/region.c "${add_code}hwloc_topology_init(p);\\n}"
	plant check-layers.pl 'hwloc: hwloc_topology_init' tools/hugenuma.c "${add_code}hwloc_topology_init(p);\\n}"
	plant check-layers.pl 'libnuma: numa_alloc_onnode' lib/arena.c "${add_code}numa_alloc_onnode(1, 1);\\n}"
	plant check-layers.pl 'may not include <numaif.h>' numa/region.c '0,/#include </s//#include <numaif.h>\n#include </'
	plant check-layers.pl 'may not include <sys/mman.h>' lib/arena.c '0,/#include </s//#include <sys\/mman.h>\n#include </'
	plant check-layers.pl 'may not include "lib/pool.h"' numa/region.c '$a #include "lib/pool.h"'
	plant check-layers.pl 'may not include "numa/sys.h"' lib/pool.c '$a #include "numa/sys.h"'
	plant check-layers.pl 'may not include "numa/ground.h"' tools/hugenuma.c '$a #include "numa/ground.h"'
	plant check-layers.pl 'may not include "lib/pool.h"' tools/hugenuma.c '$a #include "lib/pool.h"'
	plant check-layers.pl 'may not include "lib/pool.h"' bench/ours.c '$a #include "lib/pool.h"'
	plant check-layers.pl 'is not in bench/Makemodule.am' bench/Makemodule.am '/bench\/crew\.c/d'
	plant check-layers.pl 'a name without its folder' lib/pool.c '$a #include "pool.h"'
	plant check-layers.pl 'may not include "lib/arena.h"' examples/small.c '$a #include "lib/arena.h"'
	plant check-layers.pl 'what a library must not do: exit' lib/manager.c "${add_code}exit(1);\\n}"
	plant check-layers.pl 'what a library must not do: printf' numa/cpu.c "${add_code}printf(p);\\n}"
	plant check-layers.pl 'does not include "config.h"' lib/arena.c '/#include "config.h"/d'
	plant check-layers.pl 'no SPDX' numa/sys.h '1d'
	plant check-layers.pl 'no SPDX' tests/scripts/common.sh '1d'
	plant check-layers.pl 'is not in lib/Makemodule.am' lib/Makemodule.am '/lib\/manager\.c/d'
	plant check-layers.pl 'is not in tests/Makemodule.am' tests/Makemodule.am '/tests\/test_check/d'
	plant check-layers.pl 'passes -Inuma' numa/Makemodule.am 's/^\(libhugenuma_numa_la_CFLAGS = \)/\1-I$(top_srcdir)\/numa /'
	plant check-layers.pl 'must not exist' numa/numa.h new << 'END'
/* SPDX-License-Identifier: MIT */
END
	plant check-layers.pl 'no comment says why (it would name the 600 lines)' lib/version.c \
		"\$a $(printf '/* line */\\n%.0s' $(seq 620))"
	plant check-layers.pl 'no comment says why (it would name the 60 lines)' lib/version.c \
		"${add_code}$(printf 'p = p;\\n%.0s' $(seq 62))}"
fi

if content check-headers.sh; then
	plant check-headers.sh 'can be included alone' include/hugenuma/base.h '/^#error/d'
	plant check-headers.sh 'does not say why' include/hugenuma/pool.h '/^#error/d'
	plant check-headers.sh 'is not in hugenuma.h' include/hugenuma.h '/hugenuma\/plan\.h>/d'
	plant check-headers.sh 'as c++11' include/hugenuma/base.h 's/static inline int hnuma_nodeset_add(struct hnuma_nodeset \*set/&, int class/'
	plant check-headers.sh 'as c11' include/hugenuma/base.h 's/#include <stdint.h>//'
fi

if content check-exports.sh; then
	plant check-exports.sh 'but not in lib/hugenuma.map: hnuma_version' lib/hugenuma.map '/\thnuma_version;/d'
	plant check-exports.sh 'in lib/hugenuma.map, but in no header: hnuma_gone' lib/hugenuma.map 's/\thnuma_version;/&\n\thnuma_gone;/'
	plant check-exports.sh 'but not in libhugenuma.so: hnuma_planted' include/hugenuma/base.h \
		's/^HNUMA_API const char \*hnuma_version(void);/&\nHNUMA_API int hnuma_planted(void);/'
	# A library that was built otherwise than ours is.
	fake_build=$work/fake
	mkdir -p "$fake_build/.libs"
	echo 'void stray(void); void stray(void) {}' > "$work/stray.c"
	$CC -c -fPIC "$work/stray.c" -o "$work/stray.o"
	$CC -shared "$work/stray.o" -o "$fake_build/.libs/libhugenuma.so"
	cp "$top_builddir/.libs/libhugenuma.a" "$fake_build/.libs/"
	chmod u+w "$fake_build/.libs/libhugenuma.a"
	ar q "$fake_build/.libs/libhugenuma.a" "$work/stray.o" 2> /dev/null
	planted=$((planted + 1))
	judge check-exports.sh && problem "check-exports.sh does not see a foreign library"
	for words in 'in libhugenuma.so, but in no header: stray' 'without a version in libhugenuma.so: stray' \
		'without the prefix hnuma_: stray' 'is not linked with -z NODELETE' 'is not linked with -z NOW'; do
		grep -qF -- "$words" "$work/said" || problem "check-exports.sh does not say \"$words\""
	done
	unset fake_build
fi

if content check-man.sh; then
	page=man/$(sed -n '1s/^\.so man3\///p' "$copy/man/hnuma_arena_destroy.3")
	[ "$page" != man/ ] || page=man/hnuma_arena_destroy.3
	plant check-man.sh 'man/hnuma_planted.3 does not exist' include/hugenuma/base.h \
		's/^HNUMA_API const char \*hnuma_version(void);/&\nHNUMA_API int hnuma_planted(void);/'
	plant check-man.sh 'has not in its SYNOPSIS: int hnuma_arena_destroy' include/hugenuma/arena.h \
		's/hnuma_arena_destroy(struct hnuma_arena \*arena)/hnuma_arena_destroy(struct hnuma_arena *arena, int how)/'
	plant check-man.sh 'mandoc warns' "$page" '$a .Planted'
	plant check-man.sh 'has no section ERRORS' "$page" 's/^\.S[hH] "\{0,1\}ERRORS.*/.Sh OTHER/'
	plant check-man.sh 'describes no public function' man/hnuma_gone.3 new << 'END'
.so man3/hnuma_arena_create.3
END
	plant check-man.sh 'which does not exist' man/hnuma_version.3 '1s/.*/.so man3\/hnuma_gone.3/'
	plant check-man.sh 'lists other pages' man/Makemodule.am '/hnuma_version\.3/d'
fi

if content check-format.sh; then
	plant check-format.sh 'clang-format -i' lib/version.c '$a int  planted ;'
fi

if content check-readme.sh; then
	plant check-readme.sh 'is not examples/small.c' examples/small.c 's/printf/puts/'
	plant check-readme.sh 'names what no header declares: hnuma_gone' README.md '$a `hnuma_gone()`'
	plant check-readme.sh 'which does not exist' CONTRIBUTING.md '$a `lib/gone.c`'
fi

if content check-tests-readme.pl; then
	plant check-tests-readme.pl 'which tests/test_arena.c does not have' tests/test_arena.c 's/"exact fit /"another fit /'
	plant check-tests-readme.pl 'row 38 is missing' tests/README.md '/^| 38 /d'
	plant check-tests-readme.pl 'no test of row 41 has' tests/README.md '/^| 41 /s/ (row 41)//'
fi

if content check-mutants.sh; then
	plant check-mutants.sh '01-no-mbind.patch does not apply' numa/place.c 's/hnuma_sys.bind(/&1 + /'
	plant check-mutants.sh '02-inherited.patch names no test program' tests/mutants/02-inherited.patch '/^First:/d'
	plant check-mutants.sh '03-dumped.patch does not begin with' tests/mutants/03-dumped.patch '1d'
fi

[ "$planted" -gt 0 ] || problem "nothing was planted"
echo "$planted violations planted"
conclude
