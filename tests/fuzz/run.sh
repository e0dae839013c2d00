#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# run.sh SECONDS TARGET... - let libFuzzer run each target for its share of the time.
#
# What it learns is kept in fuzz/ of the folder it is called in, so that the next call goes on from
# there. Input that ends a target is left there, too, and named: give it to the target to see it again.

set -u
seconds=$1
shift
share=$((seconds / $#))
[ "$share" -gt 0 ] || share=1
failed=0

for target; do
	name=$(basename "$target")
	name=${name#fuzz_}
	corpus=$top_srcdir/tests/fuzz/corpus/$name
	kept=fuzz/$name
	mkdir -p "$kept" || exit 1
	if "$target" -help=1 2>&1 | grep -q max_total_time; then
		"$target" -max_total_time="$share" -timeout=60 -rss_limit_mb=4096 -max_len=16384 -print_final_stats=1 \
			-dict="$top_srcdir/tests/fuzz/tokens" -artifact_prefix="fuzz/$name-" "$kept" "$corpus" > "fuzz/$name.log" 2>&1
	else
		echo "built without libFuzzer: configure with CC=clang --enable-sanitize=address,undefined,fuzzer" > "fuzz/$name.log"
		false
	fi
	code=$?
	if [ $code -eq 0 ]; then
		runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "fuzz/$name.log")
		covered=$(grep -o 'cov: [0-9]*' "fuzz/$name.log" | tail -n 1)
		echo "fuzz_$name: ${runs:-no} runs in $share s, ${covered:-nothing covered}"
	else
		tail -n 60 "fuzz/$name.log"
		echo "fuzz_$name ended with $code; all that it said is in fuzz/$name.log"
		failed=1
	fi
done
exit $failed
