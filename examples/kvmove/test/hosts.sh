#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# hosts.sh - moves the requests of a trace between two hosts: network namespaces, joined by a pair of
# virtual cards. While they move an end is killed, the link is cut, the receiver is short of blocks.
#
#	test/hosts.sh [TRACE [REQUESTS]]     as root; 10,000 requests unless said otherwise
#
# The addresses are in the two namespaces only; both are gone at the end, however it ends. Takes huge
# pages where there are any. Some minutes.

# All of it within a quarter of an hour, or it has failed.
[ -n "${HOSTS_BOUND:-}" ] || HOSTS_BOUND=1 exec timeout --kill-after 10 900 bash "$0" "$@"
[ "$(id -u)" -eq 0 ] || { echo "hosts: only root can make network namespaces"; exit 77; }
trace=${1:+$(realpath "$1")}
. "$(dirname "$0")/common.sh"
requests=${2:-10000}

here=kvmove-prefill-$$
there=kvmove-decode-$$
leave() {
	end_all
	ip netns delete "$here" 2> /dev/null
	ip netns delete "$there" 2> /dev/null
}
trap leave EXIT
ip netns add "$here" && ip netns add "$there" &&
	ip link add card netns "$here" type veth peer name card netns "$there" &&
	ip -n "$here" address add 192.0.2.1/24 dev card && ip -n "$here" link set card up &&
	ip -n "$there" address add 192.0.2.2/24 dev card && ip -n "$there" link set card up ||
	{ echo "hosts: no two namespaces can be joined here"; exit 1; }

# A card whose other end was not up yet is not one for UCX.
for host in "$here" "$there"; do
	until [ "$(ip netns exec "$host" cat /sys/class/net/card/operstate)" = up ]; do sleep 0.1; done
done

export UCX_TLS=tcp UCX_NET_DEVICES=card
at_prefill=(ip netns exec "$here")
at_decode=(ip netns exec "$there")
ends=(--address 192.0.2.2 --pages base)
patience=600
sizes=(--requests "$requests" ${trace:+--trace "$trace"} --tokens 64 --patience 60)

# Both ends, at the end of a case: every request once, no block out.
whole() {
	expect prefill delivered "$requests"
	expect prefill failed 0
	expect prefill "in use" 0
	expect decode taken "$requests"
	expect decode damaged 0
	expect decode "in use" 0
	echo "== $1: $((SECONDS - begin)) s, $problems problems so far"
	cat "$work/prefill" "$work/decode"
	begin=$SECONDS
}

kill_now() {
	kill -9 "$1"
	wait "$1" 2> /dev/null
}

begin=$SECONDS
start_decode --blocks 4096 --requests "$requests"
start_prefill "${sizes[@]}"
wait_prefill 0
wait_decode
whole "undisturbed"

start_decode --blocks 600 --hold 2 --requests "$requests"
start_prefill "${sizes[@]}"
wait_prefill 0
wait_decode
above prefill refusals
whole "a receiver short of blocks"

start_decode --blocks 4096 --requests "$requests"
start_prefill "${sizes[@]}"
under_way
sleep 1
ip -n "$there" link set card down
sleep 5
ip -n "$there" link set card up
kill -0 $prefill 2> /dev/null || problem "prefill had ended before the link was cut"
wait_prefill 0
wait_decode
whole "the link cut for five seconds"

start_decode --blocks 4096 --requests "$requests"
start_prefill "${sizes[@]}" --by message
under_way
sleep 1
kill_now $prefill
start_prefill "${sizes[@]}" --by message
wait_prefill 0
wait_decode
above decode "asked again"
above decode "grants lost with their peer"
whole "prefill killed, and started again"

# What the first decode took is gone with it, and confirmed: the two of them took each request once, but
# for those whose confirmation died on the way.
start_decode --blocks 4096
start_prefill "${sizes[@]}" --by message
under_way
sleep 1
kill_now $decode
start_decode --blocks 4096 --port "$port"
wait_prefill 0
stop_decode
above decode taken
expect prefill delivered "$requests"
expect prefill failed 0
expect prefill links 2
expect prefill "in use" 0
expect decode damaged 0
expect decode "in use" 0
echo "== decode killed, and started again: $((SECONDS - begin)) s, $problems problems so far"
cat "$work/prefill" "$work/decode"
conclude
