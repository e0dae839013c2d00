#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# measure.sh - tokend with memory from the library and from malloc, in turn, a new server for each round.
# Prints each round, then medians, least and most, and how the library stands to malloc in the same round.
#
#	test/measure.sh CONNECTIONS [ROUNDS [SECONDS]]     5 rounds of 6 seconds each
#	test/measure.sh --trace FILE [ROUNDS]              5 rounds; 64 at a time, sizes a 32nd of the trace's

. "$(dirname "$0")/common.sh"
defaults=(--queue 512)
patience=180

if [ "${1:-}" = --trace ]; then
	rounds=${3:-5}
	load=(--connections 64 --requests 1000000 --trace "$2" --scale 32)
else
	rounds=${2:-5}
	load=(--connections "$1" --requests 1000000 --seconds "${3:-6}" --prompt 64 --max-tokens 64)
fi

# one_round KIND: a line to the file of this name: tokens a second; first token, between tokens: p50 and p99
# in milliseconds.
one_round() {
	start --memory "$1"
	client "${load[@]}" > "$work/said" || problem "requests fail: $(cat "$work/said")"
	stop
	sed -n 's/.*, \([0-9]*\) tokens\/s; first token p50 \([0-9.]*\) p99 \([0-9.]*\) ms, between p50 \([0-9.]*\) p99 \([0-9.]*\) ms/\1 \2 \3 \4 \5/p' "$work/said" >> "$work/$1"
	echo "round $round: $1: $(tail -n 1 "$work/$1")"
}

for ((round = 1; round <= rounds; round++)); do
	# Who comes first changes, so that neither always finds the machine as the other leaves it.
	order=(hugenuma malloc)
	[ $((round % 2)) -eq 1 ] || order=(malloc hugenuma)
	for kind in "${order[@]}"; do
		one_round "$kind"
	done
done

# spread: median, least and most of the numbers in the input.
spread() {
	sort -g | awk '{ n[NR] = $1 } END { printf "%.6g (%.6g to %.6g)", (n[int((NR + 1) / 2)] + n[int(NR / 2) + 1]) / 2, n[1], n[NR] }'
}

field=0
for what in "tokens a second" "first token, p50, ms" "first token, p99, ms" "between tokens, p50, ms" "between tokens, p99, ms"; do
	field=$((field + 1))
	printf '%-24s hugenuma %s, malloc %s, hugenuma / malloc %s\n' "$what" \
		"$(awk -v f=$field '{ print $f }' "$work/hugenuma" | spread)" \
		"$(awk -v f=$field '{ print $f }' "$work/malloc" | spread)" \
		"$(paste "$work/hugenuma" "$work/malloc" | awk -v f=$field '{ print $f / $(f + 5) }' | spread)"
done
conclude
