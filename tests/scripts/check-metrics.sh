#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# check-metrics.sh - are the statistics for Prometheus what `promtool check metrics` accepts, with a
# HELP line and, where it has one, the unit in the name of every metric?
#
# promtool (Debian package prometheus) is asked where it is installed, or named in $PROMTOOL. The
# rules are checked here in any case, so that nothing is skipped without it.
. "$(dirname "$0")/common.sh"

# judge FILE: print what is wrong with a text in the exposition format.
judge() {
	$PERL -e '
		my (%help, %type, %seen, %done, %sampled, $family);
		sub wrong { print "line $.: @_\n" }
		local $/ = undef;
		my $text = <>;
		print "the last line does not end\n" unless $text =~ /\n\z/;
		$. = 0;
		for (split /\n/, $text) {
			$.++;
			if (/^# HELP ([a-zA-Z_:][\w:]*) (\S.*)$/) {
				wrong("$1 has a second HELP") if $help{$1}++;
				wrong("$1 begins again") if $done{$1};
				$done{$family} = 1 if defined $family && $family ne $1;
				$family = $1;
			} elsif (/^# TYPE (\S+) (counter|gauge|histogram|summary|untyped)$/) {
				wrong("$1 has a second TYPE") if $type{$1};
				wrong("TYPE of $1 is not below its HELP") unless defined $family && $family eq $1;
				$type{$1} = $2;
			} elsif (/^([a-zA-Z_:][\w:]*)(\{[^{}]*\})? (\S+)$/) {
				my ($name, $labels, $value) = ($1, $2 // "", $3);
				$sampled{$name} = 1;
				wrong("$name has no HELP") unless $help{$name};
				wrong("$name has no TYPE") unless $type{$name};
				wrong("$name lies among others") unless defined $family && $family eq $name;
				wrong("$name$labels twice") if $seen{"$name$labels"}++;
				wrong("$value is no number") unless $value =~ /^[+-]?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|Inf|NaN)$/i;
				wrong("labels $labels") if length $labels && $labels !~
					/^\{[a-z_]\w*="(?:[^"\\\n]|\\[\\n"])*"(?:,[a-z_]\w*="(?:[^"\\\n]|\\[\\n"])*")*\}$/;
				wrong("label le or quantile on $name") if $labels =~ /[{,](?:le|quantile)=/;
			} else {
				wrong("cannot be read: $_");
			}
		}
		for (sort keys %help) {
			my $is_counter = ($type{$_} // "") eq "counter";
			print "$_ has no sample\n" unless $sampled{$_};
			print "$_: a counter ends in _total\n" if $is_counter && !/_total$/;
			print "$_: only a counter ends in _total\n" if !$is_counter && /_total$/;
			print "$_: only histograms and summaries end so\n" if /_(?:bucket|count|sum)$/;
			print "$_: a type in the name\n" if /_(?:gauge|counter|histogram|summary)(?:_|$)/;
			print "$_: colons are for recording rules\n" if /:/;
			print "$_: capital letters\n" if /[A-Z]/;
			print "$_: no base unit\n" if /_(?:milli|micro|nano|kilo|mega|giga|kibi|mebi|gibi)\w*|_(?:minutes|hours|days|bits|percent)(?:_|$)/;
			print "$_: an abbreviated unit\n" if /_(?:s|ms|us|ns|sec|b|kb|mb|gb|tb|pb|m|h|d)(?:_|$)/;
			# What ours count, of which each has its unit in its name.
			print "$_: no unit in the name\n" unless $is_counter ||
				/_(?:bytes|blocks|spaces|pages|ratio|info|allocations)$/;
		}' "$1"
}

# The checker itself: each of these has one fault.
fault() {
	printf '%s\n' "${@:2}" > "$work/fault"
	judge "$work/fault" > "$work/judged"
	grep -q "$1" "$work/judged" || problem "not found in a text that has it: $1"
}
fault 'has no HELP' '# TYPE a_bytes gauge' 'a_bytes 1'
fault 'has no TYPE' '# HELP a_bytes A.' 'a_bytes 1'
fault 'ends in _total' '# HELP a_hits A.' '# TYPE a_hits counter' 'a_hits 1'
fault 'only a counter' '# HELP a_total A.' '# TYPE a_total gauge' 'a_total 1'
fault 'twice' '# HELP a_bytes A.' '# TYPE a_bytes gauge' 'a_bytes{b="1"} 1' 'a_bytes{b="1"} 2'
fault 'is no number' '# HELP a_bytes A.' '# TYPE a_bytes gauge' 'a_bytes 1,5'
fault 'labels' '# HELP a_bytes A.' '# TYPE a_bytes gauge' 'a_bytes{b=1} 1'
fault 'cannot be read' '# HELP a_bytes' 'a_bytes 1'
fault 'no unit' '# HELP a_size A.' '# TYPE a_size gauge' 'a_size 1'
fault 'abbreviated' '# HELP a_ms A.' '# TYPE a_ms gauge' 'a_ms 1'
fault 'among others' '# HELP a_bytes A.' '# TYPE a_bytes gauge' '# HELP b_bytes B.' '# TYPE b_bytes gauge' 'a_bytes 1'

cat > "$work/metrics.c" << 'END'
#include <hugenuma.h>

int main(void)
{
	struct hnuma_config config = HNUMA_CONFIG_INIT;
	struct hnuma_topology *topology;
	struct hnuma_manager *manager;

	config.least_backing = HNUMA_BACKING_BASE;
	config.flags = HNUMA_RELAXED;
	if (hnuma_topology_create(&topology) || hnuma_manager_create(&manager, topology, &config) ||
	    !hnuma_pool_acquire(hnuma_manager_pool(manager), HNUMA_CLASS_4K) ||
	    !hnuma_arena_alloc(hnuma_manager_arena(manager, HNUMA_NODE_LOCAL), 1000, 1) ||
	    hnuma_manager_print_stats(manager, stdout, HNUMA_PROMETHEUS)) {
		fprintf(stderr, "%s\n", hnuma_errormsg());
		return 1;
	}
	return 0;
}
END
take_lock
# shellcheck disable=SC2086 # $CC may be several words
$CC -I"$top_srcdir/include" -Wall -Wextra -Werror -c -o "$work/metrics.o" "$work/metrics.c" &&
	"$top_builddir/libtool" --silent --tag=CC --mode=link $CC -no-install -o "$work/metrics" \
		"$work/metrics.o" "$top_builddir/libhugenuma.la" || problem "the program cannot be built"
timeout 60 "$work/metrics" > "$work/metrics.txt" 9<&- || problem "the program ended with $?"
[ "$(grep -c '^# TYPE hugenuma_' "$work/metrics.txt")" -gt 20 ] || problem "fewer metrics than there are"
judge "$work/metrics.txt" > "$work/judged"
if [ -s "$work/judged" ]; then
	cat "$work/judged"
	problem "these are not as Prometheus wants them"
fi
promtool=${PROMTOOL:-$(command -v promtool)}
if [ -n "$promtool" ]; then
	"$promtool" check metrics < "$work/metrics.txt" > "$work/promtool" 2>&1 && ! [ -s "$work/promtool" ] || {
		cat "$work/promtool"
		problem "promtool does not accept them"
	}
fi
conclude
