#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# check.sh - moves requests over shared memory and over TCP: all arrive, whole and once, over TCP also
# when either end dies, and no block stays out. Run by `make check`, in some seconds.
#
# From the environment: LD_LIBRARY_PATH, where the library is not where the loader looks.

. "$(dirname "$0")/common.sh"

# Any machine has these pages; the first line of each end says how it went.
ends=(--pages base --relaxed)

# All of them, into a pool that is too small for what is asked at the same time.
round() {
	start_decode --port 0 --blocks 70 --requests 300
	start_prefill --requests 300 "$@"
	wait_prefill 0
	wait_decode
	expect prefill delivered 300
	expect prefill failed 0
	expect prefill "in use" 0
	above prefill refusals
	expect decode taken 300
	expect decode damaged 0
	expect decode "in use" 0
}

# Prefill is killed while its blocks are under way; who comes after it asks for some requests again.
killed_prefill() {
	start_decode --port 0 --blocks 512
	start_prefill --requests 1000000 --by message
	under_way
	kill -9 $prefill
	wait $prefill 2> /dev/null
	start_prefill --requests 400 --by message
	wait_prefill 0
	stop_decode
	expect prefill delivered 400
	expect prefill "in use" 0
	above decode "asked again"
	expect decode damaged 0
	expect decode peers 2
	expect decode "in use" 0
}

# Decode is killed: prefill says what it could not deliver, and has all its blocks back.
killed_decode() {
	start_decode --port 0
	start_prefill --requests 1000000 --patience 1
	under_way
	kill -9 $decode
	wait $decode 2> /dev/null
	decode=
	wait_prefill 1
	above prefill delivered
	[ $(($(count prefill delivered) + $(count prefill failed))) -eq 1000000 ] ||
		problem "prefill does not account for every request"
	expect prefill damaged 0
	expect prefill "in use" 0
}

# What cannot be: requests larger than decode's pool or prefill's own, other blocks, nobody there.
refused() {
	start_decode --port 0 --blocks 16
	start_prefill --requests 100 --blocks 32
	wait_prefill 1
	above prefill delivered
	above prefill failed
	[ $(($(count prefill delivered) + $(count prefill failed))) -eq 100 ] ||
		problem "prefill does not account for every request"
	expect prefill "in use" 0
	start_prefill --requests 10 --block 4096 --patience 0
	wait_prefill 1
	expect prefill delivered 0
	stop_decode
	grep -q 'blocks of 4096 bytes, and not of 16384' "$work/decode" || problem "decode does not say whose blocks differ"
	expect decode "in use" 0
	start_prefill --requests 10 --patience 0
	wait_prefill 1
	expect prefill failed 10
}

# A block cannot be fetched: its sender does not hear of it, so the link is given up and all of it asked for again.
failed_fetch() {
	at_decode=(env LD_PRELOAD="$PWD/test/fail_fetch.so")
	start_decode --port 0 --requests 100
	at_decode=()
	start_prefill --requests 100 --by message
	wait_prefill 0
	wait_decode
	expect prefill delivered 100
	expect prefill links 2
	expect decode taken 100
	expect decode damaged 0
	expect decode "in use" 0
}

# Who calls and never gets to the end of its greeting is not waited for, however often it says something.
slow_caller() {
	local caller

	start_decode --port 0 --requests 10
	(exec 9<> "/dev/tcp/127.0.0.1/$port" && while printf k >&9; do sleep 0.5; done) 2> /dev/null &
	caller=$!
	sleep 0.2
	start_prefill --requests 10
	wait_prefill 0
	kill $caller 2> /dev/null
	wait $caller 2> /dev/null
	wait_decode
	expect prefill delivered 10
}

# Prefill is told to stop with puts under way: it lets go of their keys after them.
stopped_prefill() {
	start_decode --port 0
	start_prefill --requests 1000000 --moves 64
	under_way
	kill -TERM $prefill
	wait_prefill 1
	expect prefill damaged 0
	expect prefill "in use" 0
	stop_decode
	expect decode "in use" 0
}

show() {
	sed "s/^/$1: /" "$work/decode" "$work/prefill"
}

export UCX_TLS=sm
ends=(--pages base --relaxed --local)
round
show "shared memory"
round --by message
round --memory malloc

export UCX_TLS=tcp,self
ends=(--pages base --relaxed)
round
show TCP
round --by message
round --memory malloc
killed_prefill
killed_decode
failed_fetch
slow_caller
stopped_prefill
refused
conclude
