#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# check-bench.sh - the benchmark runs, every case has hugenuma's figure, and its JSON is as promised.
# No figure is judged: they are the machine's.
. "$(dirname "$0")/common.sh"

bench=$top_builddir/bench/bench
[ -x "$bench" ] || skip "the benchmark is not built"

take_lock
"$bench" --list > "$work/list" || problem "bench --list fails"
[ -s "$work/list" ] || problem "bench --list names no case"
"$bench" --quick --rounds 1 --json "$work/results.json" > "$work/text" 2> "$work/errors" || {
	cat "$work/errors"
	problem "bench --quick --rounds 1 fails"
}
grep -q '^hugenuma  *[0-9]' "$work/text" || problem "the tables have no figures of hugenuma's"

# Where neither hugetlb nor transparent huge pages can be had, populate has no figure for them.
$PERL -MJSON::PP -e '
	my ($results, $list) = @ARGV;
	local $/;
	open my $in, "<", $results or die "$results: $!\n";
	my $report = decode_json(<$in>);
	open $in, "<", $list or die "$list: $!\n";
	my %listed = map { $_ => 1 } split /\n/, <$in>;
	my $problems = 0;
	sub problem { print "@_\n"; $problems++ }

	for my $key (qw(hugenuma machine settings cases targets)) {
		problem("no $key in the JSON") unless exists $report->{$key};
	}
	for my $case (@{ $report->{cases} }) {
		my ($ours) = grep { $_->{kind} eq "hugenuma" } @{ $case->{results} };
		problem("$case->{case} was not listed") unless delete $listed{ $case->{case} };
		next if $case->{case} =~ m{^populate/};
		problem("$case->{case} has no figure of hugenuma")
			unless $ours && defined $ours->{median} && $ours->{median} > 0;
		problem("$case->{case} has nobody to compare with") unless @{ $case->{results} } > 1;
		for my $result (@{ $case->{results} }) {
			problem("$case->{case}, $result->{subject}: not least <= median <= most")
				if defined $result->{median} && !($result->{least} <= $result->{median}
					&& $result->{median} <= $result->{most});
		}
	}
	problem("listed, but not measured: $_") for sort keys %listed;
	problem("no target was judged") unless @{ $report->{targets} };
	exit($problems ? 1 : 0);
' "$work/results.json" "$work/list" || problem "the JSON is not as promised"

"$bench" --json > /dev/null 2>&1
[ $? -eq 2 ] || problem "an option without its value is taken"
"$bench" --rounds 0 > /dev/null 2>&1
[ $? -eq 2 ] || problem "--rounds 0 is taken"
conclude
