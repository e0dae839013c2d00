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

# perftest: puts of one block, as many as some seconds allow, in GB/s.
perftest() {
	local server result

	ucx_perftest -p 7013 > /dev/null 2>&1 &
	server=$!
	sleep 0.5
	result=$(ucx_perftest 127.0.0.1 -p 7013 -t ucp_put_bw -s $block -n 100000 -w 1000 2> /dev/null |
		awk '$1 == "Final:" { print $(NF - 2) * 1048576 / 1e9 }')
	wait $server
	echo "${result:-0}"
}

# ours KIND: registrations, milliseconds of registering, of starting, keys' bytes; and GB/s. Both ends wait
# for nothing but each other: no bytes are made up, none are summed.
ours() {
	start_decode --port 0 --memory "$1" --block $block --blocks $blocks --requests "$requests" --unchecked
	start_prefill --memory "$1" --block $block --blocks $blocks --requests "$requests" --unchecked --moves 16
	wait_prefill 0
	wait_decode
	expect prefill delivered "$requests"
	awk -v speed="$(sed -n 's/.*, \([0-9.]*\) GB\/s.*/\1/p' "$work/prefill")" '/registrations/ {
		for (i = 1; i < NF; i++) {
			if ($i == "registrations") n = $(i + 1)
			if ($i == "in" && !ms) ms = $(i + 1)
			if ($i == "started") start = $(i + 2)
		}
		print n, ms, start, speed
	}' "$work/decode"
}

median() {
	sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

for transport in sm tcp,self; do
	export UCX_TLS=$transport
	for ((round = 0; round < rounds; round++)); do
		for kind in hugenuma malloc; do
			ours $kind > "$work/line"
			cat "$work/line" >> "$work/$transport.$kind"
			echo "$transport $kind: $(cat "$work/line")"
		done
		perftest > "$work/line"
		cat "$work/line" >> "$work/$transport.perftest"
		echo "$transport ucx_perftest: $(cat "$work/line")"
	done
	peer=$(median < "$work/$transport.perftest")
	echo "== $transport: ucx_perftest $peer GB/s"
	for kind in hugenuma malloc; do
		for field in 1 2 3 4; do
			cut -d ' ' -f $field "$work/$transport.$kind" | median
		done | paste -s -d ' ' |
			awk -v peer="$peer" -v kind="$kind" '{ printf "== %s: %d registrations in %s ms, started in %s ms, %s GB/s, %.2f of ucx_perftest\n", kind, $1, $2, $3, $4, $4 / peer }'
	done
done
conclude
