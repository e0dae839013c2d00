#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# measure.sh - kvmove with memory from the library and from malloc, and UCX's own ucx_perftest, in turn
# on the same transport. Prints each round, then medians.
#
#	test/measure.sh [ROUNDS [REQUESTS]]     5 rounds of 3000 requests; wants the package ucx-utils

. "$(dirname "$0")/common.sh"
rounds=${1:-5}
requests=${2:-3000}
block=16384
blocks=16384

# perftest: puts of one block after the other, in GB/s.
perftest() {
	local server

	ucx_perftest -p 7013 > /dev/null 2>&1 &
	server=$!
	sleep 0.5
	ucx_perftest 127.0.0.1 -p 7013 -t ucp_put_bw -s $block -n 50000 -w 1000 2> /dev/null |
		awk '$1 == "Final:" { print $(NF - 2) * 1048576 / 1e9 }'
	wait $server
}

# ours KIND WAY: registrations, milliseconds of registering and of starting, of decode; and GB/s. Both ends
# wait for nothing but each other: no bytes are made up, none are summed.
ours() {
	local common=(--memory "$1" --block $block --blocks $blocks --requests "$requests" --unchecked)

	start_decode --port 0 "${common[@]}"
	start_prefill "${common[@]}" --moves 16 --by "$2"
	wait_prefill 0
	wait_decode
	[ "$(count prefill delivered)" = "$requests" ] || problem "not all was delivered" >&2
	echo "$(sed -n 's/.*registrations \([0-9]*\) in \([0-9.]*\) ms; started in \([0-9.]*\) ms/\1 \2 \3/p' "$work/decode")" \
		"$(sed -n 's/.*, \([0-9.]*\) GB\/s.*/\1/p' "$work/prefill")"
}

# median FILE FIELD
median() {
	cut -d ' ' -f "$2" "$1" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

# keep FILE COMMAND...: its line is a round's.
keep() {
	local file=$1
	shift
	"$@" > "$work/line"
	cat "$work/line" >> "$work/$file"
	sed "s/^/$file: /" "$work/line"
}

for transport in sm tcp,self; do
	export UCX_TLS=$transport
	ends=()
	[ $transport = sm ] && ends=(--local)
	for ((round = 0; round < rounds; round++)); do
		keep $transport.hugenuma.put ours hugenuma put
		keep $transport.malloc.put ours malloc put
		keep $transport.hugenuma.message ours hugenuma message
		keep $transport.perftest perftest
	done
	for file in "$work/$transport".*.*; do
		echo "== ${file##*/}: $(median "$file" 1) registrations in $(median "$file" 2) ms, started in" \
			"$(median "$file" 3) ms, $(median "$file" 4) GB/s; ucx_perftest $(median "$work/$transport.perftest" 1)"
	done
done
conclude
