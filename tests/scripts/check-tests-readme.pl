#!/usr/bin/env perl
# SPDX-License-Identifier: MIT
# check-tests-readme.pl - every row of tests/README.md names tests, each of them exists, and one at least
# bears the row's number: a case, or what a guest says that it shows, ends with "(row N)".

use strict;
use warnings;

my $top = $ENV{top_srcdir} // '.';
my (@problems, %seen, %has_number, $nr_cases);

sub slurp {
	my ($path) = @_;
	open(my $file, '<', $path) or return;
	local $/;
	return <$file>;
}

# Does the program have a case of that name?
sub check_case {
	my ($row, $program, $case) = @_;
	my $text = slurp("$top/tests/$program.c");
	$nr_cases++;
	if (!defined $text) {
		push @problems, "row $row names tests/$program.c, which does not exist";
	} elsif ($text !~ /\{\s*"\Q$case\E"\s*,/) {
		push @problems, "row $row names the case \"$case\", which tests/$program.c does not have";
	}
	$has_number{$row} = 1 if $case =~ /\(row $row\)$/;
}

# A guest or a script in the folder of the tests.
sub check_file {
	my ($row, $path) = @_;
	my $text = slurp("$top/tests/$path");
	push @problems, "row $row names tests/$path, which does not exist" unless defined $text;
	$has_number{$row} = 1 if ($text // '') =~ /^shows=".*\(row $row\)"$/m;
}

my $readme = slurp("$top/tests/README.md") // die "no tests/README.md\n";
for my $line (split /\n/, $readme) {
	my ($row, $tests) = $line =~ /^\| *(\d+) *\|.*\|([^|]*)\| *$/ or next;
	push @problems, "row $row stands there twice" if $seen{$row}++;
	push @problems, "row $row names no test" unless $tests =~ /`/;
	for my $part (split /;/, $tests) {
		my ($program) = $part =~ /`(test_\w+)`/;
		check_case($row, $program, $_) for defined $program ? $part =~ /"([^"]+)"/g : ();
		check_file($row, $_) for $part =~ /`((?:guests|misuse|scripts)\/[^`]+)`/g;
	}
}
for my $row (1 .. 41) {
	push @problems, "row $row is missing" unless $seen{$row};
	push @problems, "no test of row $row has a name that ends with \"(row $row)\"" unless $has_number{$row};
}
push @problems, 'hardly any case is named' if ($nr_cases // 0) < 100;

print "$_\n" for @problems;
printf "check-tests-readme: %d passed, %d failed\n", @problems ? 0 : 1, @problems ? 1 : 0;
exit(@problems ? 1 : 0);
