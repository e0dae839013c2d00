# SPDX-License-Identifier: MIT
# common.sh - sourced by the scripts here: starting both ends, and holding what they print.
#
# A script sets `ends` (the options of both) and, where the ends live elsewhere, `at_decode` and
# `at_prefill`, commands that are put before them.

set -u -o pipefail
cd "$(dirname "$0")/.." || exit 99
work=$(mktemp -d "${TMPDIR:-/tmp}/kvmove-XXXXXX") || exit 99
decode=
prefill=
at_decode=()
at_prefill=()
ends=()
problems=0

problem() {
	printf '%s\n' "$*"
	problems=$((problems + 1))
}

# Both are this shell's children, and no longer than it.
end_all() {
	[ -n "$prefill" ] && kill -9 "$prefill" 2> /dev/null
	[ -n "$decode" ] && kill -9 "$decode" 2> /dev/null
	rm -rf "$work"
}
trap end_all EXIT
trap 'exit 1' HUP INT TERM

# start_decode OPTION...: and wait until it listens; sets decode and port.
start_decode() {
	local limit=$((SECONDS + 30))

	: > "$work/decode"
	${at_decode[@]+"${at_decode[@]}"} ./kvmove decode ${ends[@]+"${ends[@]}"} "$@" > "$work/decode" 2>&1 &
	decode=$!
	while ! grep -q listening "$work/decode" && [ $SECONDS -lt $limit ] && kill -0 $decode 2> /dev/null; do
		sleep 0.02
	done
	port=$(sed -n 's/.*listening on .*:\([0-9]*\)$/\1/p' "$work/decode")
	[ -n "$port" ] && return
	cat "$work/decode"
	echo "check: 0 passed, 1 failed"
	exit 1
}

# wait_for PROCESS: its code. One that hangs is ended and has failed.
patience=${patience:-120}
wait_for() {
	local limit=$((SECONDS + patience))

	while kill -0 "$1" 2> /dev/null && [ $SECONDS -lt $limit ]; do
		sleep 0.02
	done
	kill -9 "$1" 2> /dev/null && echo "still running after $patience s"
	wait "$1"
}

# stop_decode: it ends by itself, with 0.
stop_decode() {
	kill -TERM $decode
	wait_decode
}

wait_decode() {
	local code

	wait_for $decode
	code=$?
	decode=
	[ $code -eq 0 ] || { cat "$work/decode"; problem "decode ended with $code"; }
}

# start_prefill OPTION...: sets prefill.
start_prefill() {
	${at_prefill[@]+"${at_prefill[@]}"} ./kvmove prefill ${ends[@]+"${ends[@]}"} --port "$port" "$@" > "$work/prefill" 2>&1 &
	prefill=$!
}

# under_way: until prefill's first request has been delivered.
under_way() {
	local limit=$((SECONDS + patience))

	while ! grep -q 'first request' "$work/prefill" && [ $SECONDS -lt $limit ] && kill -0 $prefill 2> /dev/null; do
		sleep 0.02
	done
}

# wait_prefill CODE: it ends with that.
wait_prefill() {
	local code

	wait_for $prefill
	code=$?
	prefill=
	[ $code -eq "$1" ] || { cat "$work/prefill"; problem "prefill ended with $code, not $1"; }
}

# count END WORDS: the number that stands behind these words in what that end printed last.
count() {
	sed -n "s/.*$2 \(-\{0,1\}[0-9][0-9]*\).*/\1/p" "$work/$1" | tail -n 1
}

# expect END WORDS NUMBER
expect() {
	local found

	found=$(count "$1" "$2")
	[ "$found" = "$3" ] || { cat "$work/$1"; problem "$1: $2 is ${found:-not there}, not $3"; }
}

# above END WORDS: it was tried at all.
above() {
	local found

	found=$(count "$1" "$2")
	[ "${found:-0}" -gt 0 ] || { cat "$work/$1"; problem "$1: $2 is ${found:-not there}: what it counts was not tried"; }
}

conclude() {
	if [ $problems -gt 0 ]; then
		echo "check: 0 passed, 1 failed"
		exit 1
	fi
	echo "check: 1 passed, 0 failed"
	exit 0
}
