#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# check-completion.sh - bash completes every command, every option that a command's help names, and the
# values of some.
. "$(dirname "$0")/common.sh"

program=$top_builddir/hugenuma
[ -x "$program" ] || skip "the command is not built"
. "$top_srcdir/tools/bash-completion/hugenuma" || problem "the file is no bash"

# completed WORD...: what the last of the words may become.
completed() {
	COMP_WORDS=("$program" "$@")
	COMP_CWORD=$#
	_hugenuma
	printf '%s\n' "${COMPREPLY[@]}"
}

# expect WANTED WORD...: that is among it.
expect() {
	local wanted=$1
	shift
	grep -qxF -- "$wanted" <<< "$(completed "$@")" || problem "not completed: $* to $wanted"
}

commands=$("$program" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p')
[ "$(wc -w <<< "$commands")" -ge 5 ] || problem "hugenuma --help lists only: $commands"
for command in $commands; do
	expect "$command" ""
	expect "$command" "${command%?}"
	options=$("$program" "$command" --help | grep -oE -- '--[a-z]+' | sort -u)
	[ -n "$options" ] || problem "hugenuma $command --help names no option"
	for option in $options; do
		expect "$option" "$command" "${option%?}"
	done
done
expect --version --v
expect llama-3-8b plan --model llama-3
expect llama-3-8b plan --model = llama-3
expect thp verify --backing t
expect malloc replay --memory ""
expect $$ verify $$
expect $$ map -x $$
[ -z "$(completed plan --pool "")" ] || problem "a size is completed"
[ -z "$(completed nonsense --x)" ] || problem "an unknown command has options"
cd "$top_srcdir" || exit 99
expect README.md plan --trace READ
conclude
