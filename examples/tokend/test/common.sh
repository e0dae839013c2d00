# SPDX-License-Identifier: MIT
# common.sh - sourced by the scripts here: a server is started, asked and stopped.
#
# A script may set `defaults`, the options that come before those of start(), `preload`, a library, and
# `patience`, the seconds that clients may take.

set -u -o pipefail
cd "$(dirname "$0")/.." || exit 99
work=$(mktemp -d "${TMPDIR:-/tmp}/tokend-XXXXXX") || exit 99
server=
preload=
patience=300
defaults=(--pages base --relaxed)
trap '[ -n "$server" ] && kill -9 "$server" 2> /dev/null; rm -rf "$work"' EXIT
problems=0

problem() {
	printf '%s\n' "$*"
	problems=$((problems + 1))
}

# start OPTION...: a server on a port of its own; sets server and port.
start() {
	local limit=$((SECONDS + 60))

	port=
	: > "$work/server"
	env ${preload:+"LD_PRELOAD=$preload"} ./tokend --port 0 ${defaults[@]+"${defaults[@]}"} "$@" > "$work/server" 2>&1 &
	server=$!
	while ! grep -q listening "$work/server" && [ $SECONDS -lt $limit ] && kill -0 $server 2> /dev/null; do
		sleep 0.05
	done
	port=$(sed -n 's/.*listening on .*:\([0-9]*\)$/\1/p' "$work/server")
	[ -n "$port" ] && return
	cat "$work/server"
	kill -0 $server 2> /dev/null && problem "the server is still starting"
	problem "the server does not start with: $*"
	conclude
}

# stop: it ends by itself, with 0, once everyone has their answer.
stop() {
	local code

	kill -TERM "$server" 2> /dev/null
	wait "$server"
	code=$?
	server=
	[ $code -eq 0 ] || { cat "$work/server"; problem "the server ended with $code"; }
}

client() {
	timeout "$patience" test/client --port "$port" "$@"
}

get() {
	printf 'GET %s HTTP/1.0\r\n\r\n' "$1" | client --raw
}

# post BODY: status and answer.
post() {
	printf 'POST /v1/completions HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s' "${#1}" "$1" | client --raw
}

# tokens_of BODY: those of the answer.
tokens_of() {
	post "$1" | sed -n 's/.*"token_ids":\[\([0-9,]*\)\].*/\1/p'
}

# metric NAME: summed over the workers.
metric() {
	get /metrics | awk -v name="tokend_$1{" 'index($0, name) == 1 { sum += $2; seen = 1 } END { if (seen) print sum + 0 }'
}

# expect NAME VALUE: a metric comes to it, within two seconds.
expect() {
	local tries=0

	while [ "$(metric "$1")" != "$2" ] && [ $tries -lt 40 ]; do
		sleep 0.05
		tries=$((tries + 1))
	done
	[ "$(metric "$1")" = "$2" ] || problem "$1 is $(metric "$1"), not $2"
}

# above NAME: a metric is not 0.
above() {
	[ "$(metric "$1")" -gt 0 ] || problem "$1 is 0: what it counts was not tried"
}

# await NAME: a metric comes to be above 0, within ten seconds.
await() {
	local tries=0

	until [ "$(metric "$1")" -gt 0 ] 2> /dev/null || [ $tries -ge 200 ]; do
		sleep 0.05
		tries=$((tries + 1))
	done
	above "$1"
}

nothing_left() {
	expect running_requests 0
	expect queued_requests 0
	expect kv_pages_in_use 0
	[ "$(metric kv_pages_taken_total)" = "$(metric kv_pages_given_total)" ] || problem "pages taken and given differ"
	get /metrics | grep '^hugenuma_pool_in_use_blocks' | grep -qv ' 0$' && problem "the pool has blocks out"
}

# conclude: says what came of it, and ends.
conclude() {
	if [ $problems -gt 0 ]; then
		echo "$(basename "$0" .sh): 0 passed, 1 failed"
		exit 1
	fi
	echo "$(basename "$0" .sh): 1 passed, 0 failed"
	exit 0
}
