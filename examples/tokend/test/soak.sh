#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# soak.sh - clients that come and go, four of ten before their answer's end, while pages are short. After
# it what was counted adds up, and the process is as large as before.
#
#	test/soak.sh [SECONDS]     600

. "$(dirname "$0")/common.sh"
defaults=()
seconds=${1:-600}
patience=$((seconds + 60))
load=(--connections 48 --requests 1000000 --prompt 200 --prefix 120 --max-tokens 100 --hang-up 40)

# resident KB, descriptors, mappings
size() {
	echo "$(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$server/status")" \
		"$(find "/proc/$server/fd" -mindepth 1 | wc -l) $(wc -l < "/proc/$server/maps")"
}

start --kv-tokens 2048
cat "$work/server"
# What is taken once and kept, connections' memory above all, is taken by then.
client "${load[@]}" --seconds 10 > /dev/null || problem "requests fail at the start"
nothing_left
read -r resident descriptors mappings <<< "$(size)"
client "${load[@]}" --seconds "$seconds" || problem "requests fail"
nothing_left
for name in requests_total requests_finished_total requests_hung_up_total requests_rejected_total preemptions_total \
	shared_tokens_total kv_pages_copied_total kv_pages_taken_total kv_pages_given_total tokens_total; do
	printf '%s %s\n' $name "$(metric $name)"
done
[ "$(metric requests_total)" -eq $(($(metric requests_finished_total) + $(metric requests_hung_up_total) + $(metric requests_rejected_total))) ] ||
	problem "requests do not add up"
above preemptions_total
above kv_pages_copied_total
read -r resident_now descriptors_now mappings_now <<< "$(size)"
echo "resident $resident KB, then $resident_now; descriptors $descriptors, then $descriptors_now; mappings $mappings, then $mappings_now"
[ $((resident_now - resident)) -le 1024 ] || problem "the process has grown"
[ "$descriptors_now" -eq "$descriptors" ] && [ "$mappings_now" -eq "$mappings" ] || problem "descriptors or mappings are left over"
stop
conclude
