#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# check.sh - tries the server: the same tokens from every memory, nothing left behind, the right answer
# to what is wrong. Run by `make check`, in some twenty seconds. Takes the pages that there are; the first
# line of each server says which.
#
# From the environment: LD_LIBRARY_PATH, where the library is not where the loader looks.

. "$(dirname "$0")/common.sh"

# ---- The same tokens, however they are made ----

ask() {
	client --requests 40 --prompt 150 --prefix 120 --max-tokens 40 --print "$@" | sed '/^#/d'
}

# The plain path: one at a time, contiguous memory, nothing guessed, nothing shared.
preload=$PWD/test/count_heap.so
start --memory malloc --speculate 0 --context 512
ask > "$work/plain" || problem "the reference fails"
[ "$(wc -l < "$work/plain")" -eq 40 ] || problem "the reference does not answer"
[ "$(sort -u -k 2 "$work/plain" | wc -l)" -eq 40 ] || problem "requests are not told apart"
above step_heap_calls_total
stop

start --context 512 --cpus "$(sed -n 's/^Cpus_allowed_list:[^0-9]*\([0-9]*\).*/\1/p' /proc/self/status)"
sed 's/^/with: /' "$work/server"
ask --connections 16 > "$work/paged" || problem "requests fail"
cmp "$work/plain" "$work/paged" || problem "paged, batched, shared and guessed ahead, other tokens come out"
above shared_tokens_total
above kv_pages_copied_total
above accepted_tokens_total
expect step_heap_calls_total 0
expect io_heap_overflows_total 0
nothing_left
stop
preload=

start --context 512 --kv-tokens 512
ask --connections 20 --whole > "$work/tight" || problem "requests fail where pages are short"
cmp "$work/plain" "$work/tight" || problem "preempted, other tokens come out"
above preemptions_total
nothing_left

# ---- Where things lie ----

client --connections 8 --requests 8 --max-tokens 300 > "$work/busy" &
busy=$!
sleep 0.2
get /placement > "$work/placement"
wait $busy
grep -q '"blocks":\["0x' "$work/placement" || problem "/placement shows no block of a request"
grep -q '"elsewhere":[1-9]' "$work/placement" && problem "/placement: something is on another node"
stop

# ---- A model from a file, against its equations ----

test/make_model "$work/model" && test/make_model "$work/own" own
for model in model own; do
	start --weights "$work/$model"
	ours=$(tokens_of '{"prompt":"The quick brown fox","max_tokens":40,"temperature":0,"ignore_eos":true}')
	theirs=$(test/reference "$work/$model" "The quick brown fox" 40)
	[ -n "$ours" ] && [ "$ours" = "$theirs" ] || problem "$model: $ours instead of $theirs"
	ours=$(tokens_of '{"prompt":"The quick brown fox","max_tokens":40,"temperature":1e-40,"ignore_eos":true}')
	[ "$ours" = "$theirs" ] || problem "$model: at next to no temperature $ours instead of $theirs"
	stop
done
test/make_model "$work/brief" own 8
start --weights "$work/brief"
[[ "$(post "{\"prompt\":\"$(printf '%3000s' x)\"}")" == *" 400 "* ]] || problem "a prompt longer than a context of 8 is not 400"
[[ "$(tokens_of '{"prompt":"","ignore_eos":true}')" == *,*,*,*,*,*,* ]] || problem "a context of 8 does not make 7 tokens"
stop
test/make_model "$work/shortest" own 1
head -c 20000 "$work/model" > "$work/short"
{ printf 'abcd'; tail -c +5 "$work/model"; } > "$work/other"
: > "$work/empty"
for file in shortest short other empty missing; do
	timeout 10 ./tokend --port 0 --weights "$work/$file" > "$work/said" 2>&1 && problem "weights: $file is taken"
	[ "$(wc -l < "$work/said")" -eq 1 ] && grep -q "^tokend: .*$file" "$work/said" || { cat "$work/said"; problem "weights: $file: no clear line"; }
done

# ---- A vocabulary from a file: the best pair of neighbours first, what is no piece as its bytes ----

# The first score best: "hand" does not become "han" and "d". Of equals the left one.
pieces=(' ' a d e h n t th the ' the' an and han aa than)
perl -e 'my @all = ("<unk>", "\n<s>\n", "\n</s>\n", (map { sprintf "<0x%02X>", $_ } 0 .. 255), @ARGV);
	push @all, "no. " . @all while @all < 300;
	print pack("l", 16), map { pack "flA*", -$_, length $all[$_], $all[$_] } 0 .. $#all' "${pieces[@]}" > "$work/vocabulary"
start --weights "$work/own" --tokenizer "$work/vocabulary"
ours=$(tokens_of '{"prompt":"the handx\u65e5 anand aaa than","temperature":0,"ignore_eos":true}')
theirs=$(tokens_of '{"prompt":[1,268,259,263,270,123,233,154,168,259,269,270,259,272,260,259,273],"temperature":0,"ignore_eos":true}')
[ -n "$ours" ] && [ "$ours" = "$theirs" ] || problem "a text comes to other tokens: $ours instead of $theirs"
# The slow way: look for the best pair in all of the text, put it together, look again.
slowly() {
	perl -e 'my ($text, @pieces) = @ARGV; my %id; @id{@pieces} = 259 .. 258 + @pieces; my @t = (" ", split //, $text);
		for (;;) {
			my ($best, $at);
			for (0 .. $#t - 1) {
				my $id = $id{$t[$_] . $t[$_ + 1]} // next;
				($best, $at) = ($id, $_) if !$best || $id < $best;
			}
			last unless $best;
			splice @t, $at, 2, $t[$at] . $t[$at + 1];
		}
		print join ",", 1, map { $id{$_} } @t' "$1" "${pieces[@]}"
}
for i in {1..10}; do
	text=$(perl -e 'srand shift; print map { (" ", qw(a a d e h n t))[rand 8] } 1 .. 100' "$i")
	ours=$(tokens_of "{\"prompt\":\"$text\",\"temperature\":0,\"ignore_eos\":true}")
	theirs=$(tokens_of "{\"prompt\":[$(slowly "$text")],\"temperature\":0,\"ignore_eos\":true}")
	[ -n "$ours" ] && [ "$ours" = "$theirs" ] || problem "'$text' comes to other tokens"
done
compared=0
for seed in {1..60}; do
	post "{\"prompt\":\"the\",\"max_tokens\":1,\"temperature\":2,\"seed\":$seed}" > "$work/answer"
	token=$(sed -n 's/.*"token_ids":\[\([0-9]*\)\].*/\1/p' "$work/answer")
	[ "$token" -ge 259 ] && [ -n "${pieces[$((token - 259))]:-}" ] || continue
	compared=$((compared + 1))
	grep -qF "\"text\":\"${pieces[$((token - 259))]}\"" "$work/answer" || problem "token $token is not '${pieces[$((token - 259))]}'"
done
[ $compared -gt 0 ] || problem "no token was a piece of the vocabulary"
stop
head -c 3000 "$work/vocabulary" > "$work/short"
{ cat "$work/vocabulary"; printf x; } > "$work/long"
for file in short long empty missing; do
	timeout 10 ./tokend --port 0 --weights "$work/own" --tokenizer "$work/$file" > "$work/said" 2>&1 && problem "vocabulary: $file is taken"
	[ "$(wc -l < "$work/said")" -eq 1 ] && grep -q "^tokend: .*$file" "$work/said" || { cat "$work/said"; problem "vocabulary: $file: no clear line"; }
done

# ---- What is wrong, and too much ----

# refused STATUS BODY
refused() {
	post "$2" > "$work/answer"
	head -n 1 "$work/answer" | grep -q " $1 " && grep -q '"error":' "$work/answer" || { head -c 300 "$work/answer"; problem "not $1: ${2:0:80}"; }
}

start --context 256 --batch 1 --queue 2 --cpus "$(sed -n 's/^Cpus_allowed_list:[^0-9]*\([0-9]*\).*/\1/p' /proc/self/status)"
refused 400 ''
refused 400 '{"prompt":"x"'
refused 400 '[1,2]'
refused 400 '{}'
refused 400 '{"prompt":7}'
refused 400 '{"prompt":[]}'
refused 400 '{"prompt":[1,259]}'
refused 400 '{"prompt":"x","max_tokens":-1}'
refused 400 '{"prompt":"x","max_tokens":0}'
refused 400 '{"prompt":"x","max_tokens":1e99}'
refused 400 '{"prompt":"x","max_tokens":99999999999}'
refused 400 '{"prompt":"x","temperature":-1}'
refused 400 '{"prompt":"x","stream":"yes"}'
refused 400 '{"prompt":"x","stop":"y"}'
refused 400 "{\"prompt\":\"$(printf '%300s' x)\"}"
[[ "$(post "$(printf '%99999s' x)")" == *" 413 "* ]] || problem "a body too large is not 413"
[[ "$(get /nowhere)" == *" 404 "* ]] || problem "an unknown path is not 404"
[[ "$(get /v1/completions)" == *" 405 "* ]] || problem "GET is not 405"
[[ "$(get /healthz)" == *" 200 "* ]] || problem "/healthz is not 200"
timeout 10 ./tokend --port "$port" --pages base --relaxed > "$work/said" 2>&1 && problem "a port in use is taken"
grep -q "^tokend: .*:$port: Address already in use" "$work/said" || problem "a port in use: no clear line"
client --connections 12 --requests 24 --max-tokens 100 > "$work/many" || problem "told to come again, not all were served"
above requests_rejected_total

# One who leaves at once, one who leaves in the queue, and the end while a third is served.
client --connections 3 --requests 12 --max-tokens 150 --hang-up 100 > "$work/left" || problem "hanging up fails"
nothing_left
above requests_hung_up_total
client --requests 1 --max-tokens 220 > "$work/last" &
last=$!
sleep 0.1
stop
wait $last || problem "the server ended before its last answer"
grep -q '^1 finished' "$work/last" || problem "the last answer is not whole"

# A service manager hears when it serves, and when it is about to end.
perl -MSocket -e 'alarm 60; socket(S, AF_UNIX, SOCK_DGRAM, 0) && bind(S, sockaddr_un($ARGV[0])) or die;
	for (1 .. 2) { recv(S, my $word, 99, 0); print "$word\n" }' "$work/manager" > "$work/heard" &
manager=$!
while [ ! -S "$work/manager" ] && kill -0 $manager; do sleep 0.05; done
NOTIFY_SOCKET=$work/manager start --context 256
stop
wait $manager
[ "$(cat "$work/heard")" = $'READY=1\nSTOPPING=1' ] || problem "the service manager hears: $(cat "$work/heard")"

# More who come than there are descriptors: they wait, and the log does not fill.
start --context 256 --cpus "$(sed -n 's/^Cpus_allowed_list:[^0-9]*\([0-9]*\).*/\1/p' /proc/self/status)"
prlimit --pid "$server" --nofile=40
client --connections 60 --requests 120 --max-tokens 30 > "$work/crowd" || problem "not all were served where descriptors are short"
stop
[ "$(wc -l < "$work/server")" -lt 20 ] || problem "a log of $(wc -l < "$work/server") lines: $(tail -n 1 "$work/server")"

# One who sends on and on while the answer comes: memory does not grow with it.
most_memory() {
	sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$server/status"
}
ahead='{"prompt":"x","max_tokens":1900,"stream":true,"ignore_eos":true}'
start --speculate 0
used=$(most_memory)
{ printf 'POST /v1/completions HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s' ${#ahead} "$ahead"; head -c 100000000 /dev/zero; } |
	client --raw > "$work/ahead"
expect requests_finished_total 1
used=$(($(most_memory) - used))
[ $used -lt 20000 ] || problem "what a client sends ahead takes $used KB"
stop

# One who waits for tokens longer than one may be silent, as the server sees it: it sleeps meanwhile.
start --batch 1 --idle 1 --cpus "$(sed -n 's/^Cpus_allowed_list:[^0-9]*\([0-9]*\).*/\1/p' /proc/self/status)"
client --whole --connections 6 --requests 6 --max-tokens 1900 > "$work/before" &
before=$!
await running_requests
client --requests 1 --max-tokens 10 > "$work/patient" &
patient=$!
sleep 0.1
kill -STOP $server
sleep 1.5
kill -CONT $server
wait $before && wait $patient || problem "who waits for tokens is dropped"
stop

# Who has connected when the end is said has an answer, too, and be it that there is none any more.
start --context 256
kill -STOP $server
asking=()
for i in {1..20}; do
	get /healthz > "$work/late.$i" &
	asking+=($!)
done
sleep 0.2
kill -TERM $server
kill -CONT $server
wait "${asking[@]}"
answers=$(cat "$work"/late.* | grep -c '^HTTP/1.* \(200\|503\) ')
[ "$answers" -eq 20 ] || problem "of 20 who had connected $answers have an answer"
stop

# While one worker drains, it tells of all: of those that have ended, too. What is freed is overwritten.
MALLOC_PERTURB_=165 start --context 8192 --speculate 0 --drain 300
lines=()
for i in {1..8}; do
	exec {line}<> "/dev/tcp/127.0.0.1/$port" && lines+=("$line")
done
client --whole --requests 1 --max-tokens 6000 > "$work/last" &
last=$!
await running_requests
kill -TERM $server
sleep 0.2
for line in "${lines[@]}"; do
	{ printf 'GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n' >&"$line" && cat <&"$line"; } > "$work/metrics.$line" 2> /dev/null &
	exec {line}>&-
done
wait $last || problem "the server ended before its last answer"
stop
cat "$work"/metrics.* > "$work/metrics"
grep -q '^tokend_step_most_bytes' "$work/metrics" || problem "nobody tells of a server that drains"
grep -q '^tokend_step_most_bytes.* [0-9]\{12\}' "$work/metrics" && problem "/metrics shows memory that was freed"

conclude
