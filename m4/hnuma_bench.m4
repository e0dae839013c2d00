# SPDX-License-Identifier: MIT
# m4/hnuma_bench.m4 - the benchmark, and which peers it can be held against.

# HNUMA_PEER_FOUND(NAME, PACKAGE, FOUND): say of a peer that it is there (FOUND is yes) or is not.
AC_DEFUN([HNUMA_PEER_FOUND], [
  AS_IF([test "x$3" = xyes], [hnuma_peers="$hnuma_peers $1"], [hnuma_no_peers="$hnuma_no_peers $1 ($2),"])
])

# HNUMA_PEER_MODULE(VARIABLE, MODULE, NAME, PACKAGE): a peer that pkg-config knows.
AC_DEFUN([HNUMA_PEER_MODULE], [
  hnuma_found=no
  AS_IF([test "x$hnuma_look" = xyes], [PKG_CHECK_MODULES([$1], [$2], [hnuma_found=yes], [hnuma_found=no])])
  HNUMA_PEER_FOUND([$3], [$4], [$hnuma_found])
  AM_CONDITIONAL([HAVE_$1], [test "x$hnuma_found" = xyes])
])

# HNUMA_PEER_LIBRARY(VARIABLE, HEADER, LIBRARY, FUNCTION, NAME, PACKAGE): one that it does not know.
AC_DEFUN([HNUMA_PEER_LIBRARY], [
  hnuma_found=no
  AS_IF([test "x$hnuma_look" = xyes],
    [AC_CHECK_HEADER([$2], [AC_CHECK_LIB([$3], [$4], [hnuma_found=yes], [hnuma_found=no])], [hnuma_found=no])])
  AC_SUBST([$1_LIBS], [-l$3])
  HNUMA_PEER_FOUND([$5], [$6], [$hnuma_found])
  AM_CONDITIONAL([HAVE_$1], [test "x$hnuma_found" = xyes])
])

# After LT_INIT, jansson and the sanitizers are settled.
AC_DEFUN([HNUMA_BENCH], [
  AC_ARG_ENABLE([bench],
    [AS_HELP_STRING([--disable-bench], [do not build the benchmark with the tests])],
    [], [enable_bench=yes])
  AC_ARG_WITH([peers],
    [AS_HELP_STRING([--without-peers], [do not look for libraries to hold hugenuma against @<:@default: use those that are there@:>@])],
    [], [with_peers=yes])
  AS_IF([test "x$enable_bench" = xno], [],
    [test "x$enable_shared" != xyes], [enable_bench="no: it measures the shared library"],
    [test "x$enable_tool" = xno], [enable_bench="no: it needs jansson, see --disable-tool"],
    [test "x$enable_sanitize" != xno], [enable_bench="no: sanitizers are slow"])
  AM_CONDITIONAL([BUILD_BENCH], [test "x$enable_bench" = xyes])

  hnuma_peers="glibc obstack"
  hnuma_no_peers=
  hnuma_look=no
  AS_IF([test "x$enable_bench" = xyes && test "x$with_peers" != xno], [hnuma_look=yes])
  HNUMA_PEER_MODULE([DPDK], [libdpdk], [DPDK], [libdpdk-dev])
  HNUMA_PEER_MODULE([TCMALLOC], [libtcmalloc_minimal], [tcmalloc], [libgoogle-perftools-dev])
  HNUMA_PEER_MODULE([JEMALLOC], [jemalloc], [jemalloc], [libjemalloc-dev])
  HNUMA_PEER_LIBRARY([MIMALLOC], [mimalloc.h], [mimalloc], [mi_heap_new], [mimalloc], [libmimalloc-dev])
  HNUMA_PEER_MODULE([MEMKIND], [memkind], [memkind], [libmemkind-dev])
  HNUMA_PEER_MODULE([APR], [apr-1], [APR], [libapr1-dev])
  HNUMA_PEER_MODULE([TALLOC], [talloc], [talloc], [libtalloc-dev])
  HNUMA_PEER_LIBRARY([HUGETLBFS], [hugetlbfs.h], [hugetlbfs], [get_huge_pages], [libhugetlbfs], [libhugetlbfs-dev])

  # Where a loop begins in a cache line is not what is to be measured.
  HNUMA_COMPILER_FLAG([BENCH_CFLAGS], [-falign-functions=64])
  HNUMA_COMPILER_FLAG([BENCH_CFLAGS], [-falign-loops=32])
  AC_SUBST([BENCH_CFLAGS])
  hnuma_saved_LIBS=$LIBS
  AC_SEARCH_LIBS([dlopen], [dl],
    [AS_CASE([$ac_cv_search_dlopen], [-l*], [AC_SUBST([DL_LIBS], [$ac_cv_search_dlopen])])])
  LIBS=$hnuma_saved_LIBS

  AS_IF([test "x$enable_bench" = xyes],
    [AS_IF([test "x$with_peers" != xno && test -n "$hnuma_no_peers"],
      [hnuma_bench="yes, against $hnuma_peers
                      not there:${hnuma_no_peers%,}"],
      [hnuma_bench="yes, against $hnuma_peers"])],
    [hnuma_bench=$enable_bench])
])
