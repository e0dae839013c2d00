# SPDX-License-Identifier: MIT
# m4/hnuma_flags.m4 - compiler and linker flags: warnings, hardening, sanitizers.

# HNUMA_COMPILER_FLAG(VARIABLE, FLAG): append the flag where the compiler takes it.
AC_DEFUN([HNUMA_COMPILER_FLAG], [
  AS_VAR_PUSHDEF([hnuma_cache], [hnuma_cv_cc_$2])
  AC_CACHE_CHECK([whether $CC takes $2], [hnuma_cache],
    [hnuma_saved_CFLAGS=$CFLAGS
    # Without -Werror an unknown flag is a warning for some compilers.
    CFLAGS="$CFLAGS -Werror $2"
    AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [])],
      [AS_VAR_SET([hnuma_cache], [yes])], [AS_VAR_SET([hnuma_cache], [no])])
    CFLAGS=$hnuma_saved_CFLAGS])
  AS_VAR_IF([hnuma_cache], [yes], [AS_VAR_APPEND([$1], [" $2"])])
  AS_VAR_POPDEF([hnuma_cache])
])

# HNUMA_LINKER_FLAG(VARIABLE, FLAG)
AC_DEFUN([HNUMA_LINKER_FLAG], [
  AS_VAR_PUSHDEF([hnuma_cache], [hnuma_cv_ld_$2])
  AC_CACHE_CHECK([whether the linker takes $2], [hnuma_cache],
    [hnuma_saved_LDFLAGS=$LDFLAGS
    LDFLAGS="$LDFLAGS $2"
    AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])],
      [AS_VAR_SET([hnuma_cache], [yes])], [AS_VAR_SET([hnuma_cache], [no])])
    LDFLAGS=$hnuma_saved_LDFLAGS])
  AS_VAR_IF([hnuma_cache], [yes], [AS_VAR_APPEND([$1], [" $2"])])
  AS_VAR_POPDEF([hnuma_cache])
])

AC_DEFUN([HNUMA_FLAGS], [
  HNUMA_COMPILER_FLAG([HNUMA_CFLAGS], [-std=gnu11])
  HNUMA_COMPILER_FLAG([HNUMA_CFLAGS], [-Wall])
  HNUMA_COMPILER_FLAG([HNUMA_CFLAGS], [-Wextra])
  HNUMA_COMPILER_FLAG([HNUMA_CFLAGS], [-Wstrict-prototypes])
  HNUMA_COMPILER_FLAG([HNUMA_CFLAGS], [-Wmissing-prototypes])
  HNUMA_COMPILER_FLAG([HNUMA_CFLAGS], [-fstack-protector-strong])

  # For the test that our headers are C++ as well, in the oldest C++ that they promise to be.
  HNUMA_CXXFLAGS="-std=c++11 -Wall -Wextra"

  AC_ARG_ENABLE([werror],
    [AS_HELP_STRING([--enable-werror], [treat compiler warnings as errors])],
    [], [enable_werror=no])
  AS_IF([test "x$enable_werror" != xno], [
    HNUMA_COMPILER_FLAG([HNUMA_CFLAGS], [-Werror])
    HNUMA_CXXFLAGS="$HNUMA_CXXFLAGS -Werror"])

  hnuma_has_fuzzer=no
  AC_ARG_ENABLE([sanitize],
    [AS_HELP_STRING([--enable-sanitize=LIST], [build everything for these sanitizers: address,undefined or thread; with "fuzzer" behind them for clang's libFuzzer])],
    [], [enable_sanitize=no])
  AS_CASE([$enable_sanitize],
    [no], [],
    [yes], [AC_MSG_ERROR([--enable-sanitize wants a list, such as --enable-sanitize=address,undefined])],
    [# libFuzzer brings a main(), which only the fuzz targets want.
    AS_CASE([$enable_sanitize],
      [*fuzzer*], [hnuma_has_fuzzer=yes
      enable_sanitize=$(printf %s "$enable_sanitize" | sed 's/fuzzer/fuzzer-no-link/')
      FUZZ_LDFLAGS=-fsanitize=fuzzer])
    hnuma_sanitize="-fsanitize=$enable_sanitize -fno-sanitize-recover=all -fno-omit-frame-pointer"
    hnuma_saved_CFLAGS=$CFLAGS
    CFLAGS="$CFLAGS $hnuma_sanitize"
    AC_MSG_CHECKING([whether $CC can build for $enable_sanitize])
    AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])], [AC_MSG_RESULT([yes])],
      [AC_MSG_RESULT([no])
      AC_MSG_ERROR([$CC cannot build with -fsanitize=$enable_sanitize.
    On Debian gcc brings its runtime along; for clang: apt-get install libclang-rt-dev.])])
    CFLAGS=$hnuma_saved_CFLAGS
    HNUMA_CFLAGS="$HNUMA_CFLAGS $hnuma_sanitize"
    HNUMA_CXXFLAGS="$HNUMA_CXXFLAGS $hnuma_sanitize"
    HNUMA_LDFLAGS="$HNUMA_LDFLAGS -fsanitize=$enable_sanitize"])
  AM_CONDITIONAL([SANITIZE], [test "x$enable_sanitize" != xno])
  AM_CONDITIONAL([FUZZER], [test "x$hnuma_has_fuzzer" = xyes])
  AC_SUBST([FUZZ_LDFLAGS])

  # FORTIFY works with optimisation only, and sanitizers do its work better.
  AC_MSG_CHECKING([whether to define _FORTIFY_SOURCE])
  hnuma_fortify=no
  AS_CASE([" $CPPFLAGS $CFLAGS "],
    [*_FORTIFY_SOURCE*], [hnuma_fortify="as CPPFLAGS or CFLAGS say"],
    [AS_IF([test "x$enable_sanitize" = xno],
      [hnuma_saved_CFLAGS=$CFLAGS
      CFLAGS="$CFLAGS -Werror -D_FORTIFY_SOURCE=2"
      AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[#include <string.h>]], [])], [hnuma_fortify=yes])
      CFLAGS=$hnuma_saved_CFLAGS])])
  AC_MSG_RESULT([$hnuma_fortify])
  AS_VAR_IF([hnuma_fortify], [yes], [HNUMA_CPPFLAGS="-D_FORTIFY_SOURCE=2"])

  HNUMA_LINKER_FLAG([HNUMA_LDFLAGS], [-Wl,-z,relro])
  HNUMA_LINKER_FLAG([HNUMA_LDFLAGS], [-Wl,-z,now])
  HNUMA_LINKER_FLAG([HNUMA_LDFLAGS], [-Wl,-z,noexecstack])

  # The library alone. Its thread-local variables are few, so they can take the fast kind of access.
  # nodelete: its fork handlers and thread-exit destructors must not be unmapped under the program.
  HNUMA_COMPILER_FLAG([HNUMA_LIBRARY_CFLAGS], [-fvisibility=hidden])
  HNUMA_COMPILER_FLAG([HNUMA_LIBRARY_CFLAGS], [-ftls-model=initial-exec])
  HNUMA_LINKER_FLAG([HNUMA_LIBRARY_LDFLAGS], [-Wl,-z,nodelete])
  # A sanitizer's runtime is the program's to bring.
  AS_VAR_IF([enable_sanitize], [no], [HNUMA_LINKER_FLAG([HNUMA_LIBRARY_LDFLAGS], [-Wl,-z,defs])])

  AC_SUBST([HNUMA_CPPFLAGS])
  AC_SUBST([HNUMA_CFLAGS])
  AC_SUBST([HNUMA_CXXFLAGS])
  AC_SUBST([HNUMA_LDFLAGS])
  AC_SUBST([HNUMA_LIBRARY_CFLAGS])
  AC_SUBST([HNUMA_LIBRARY_LDFLAGS])
])
