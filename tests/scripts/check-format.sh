#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# check-format.sh - is every C file formatted as .clang-format says?
. "$(dirname "$0")/common.sh"

command -v clang-format > /dev/null || skip "clang-format is not installed"
cd "$top_srcdir" || exit 99
files=$(find include numa lib tools tests examples bench -name '*.[ch]')
[ -n "$files" ] || problem "no C file found"
# shellcheck disable=SC2086 # none of our names has a space
clang-format --dry-run --Werror $files || problem "mend it with: clang-format -i FILE"
conclude
