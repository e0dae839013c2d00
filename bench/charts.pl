#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# bench/charts.pl - draws what the benchmark wrote: pool.svg, replay.svg and growth.svg.
#
#	bench/charts.pl RESULTS.json... FOLDER
#
# Of several results, each of some cases, all are drawn.
#
# Needs gnuplot. On Debian: apt-get install gnuplot-nox.
use strict;
use warnings;
use JSON::PP;

my $folder = pop @ARGV;
die "usage: charts.pl RESULTS.json... FOLDER\n" unless @ARGV;
my ($report, %cases);
for my $file (@ARGV) {
	open my $in, '<', $file or die "charts.pl: $file: $! (make bench writes it)\n";
	$report = decode_json(do { local $/; <$in> });
	$cases{ $_->{case} } = $_ for @{ $report->{cases} };
}

my %colours = (
	'hugenuma'     => '#c0392b',
	'DPDK mempool' => '#2c3e50',
	'tcmalloc'     => '#2980b9',
	'jemalloc'     => '#16a085',
	'mimalloc'     => '#8e44ad',
	'memkind'      => '#7f8c8d',
	'glibc malloc' => '#d68910',
);
my @order = ('hugenuma', 'DPDK mempool', 'tcmalloc', 'mimalloc', 'jemalloc', 'memkind', 'glibc malloc');

# The result of a subject in a case, if it has a figure.
sub result {
	my ($case, $subject) = @_;
	my ($found) = grep { $_->{subject} eq $subject } @{ ($cases{$case} // { results => [] })->{results} };

	return $found && defined $found->{median} ? $found : undef;
}

sub draw {
	my ($name, $script) = @_;

	open my $gnuplot, '|-', 'gnuplot' or die "charts.pl: gnuplot: $!\n";
	print $gnuplot <<"END";
set terminal svg size 800,400 font 'sans-serif,13' background '#ffffff'
set output '$folder/$name.svg'
set border 3 lc rgb '#555555'
set grid ytics lc rgb '#dddddd' lt 1
set tics nomirror
$script
END
	close $gnuplot or die "charts.pl: gnuplot failed\n";
	print "$folder/$name.svg\n";
}

# Lines over the last part of the cases' names.
sub lines_over {
	my ($name, $title, $x_label, $settings, $prefix, @columns) = @_;
	my ($data, @plots) = ('');

	for my $subject (@order) {
		my @points;

		for my $i (0 .. $#columns) {
			my $found = result("$prefix/$columns[$i]", $subject) or next;
			push @points, join ' ', $i, map { $found->{$_} } qw(median least most);
		}
		next unless @points;
		$data .= '$d' . scalar(@plots) . " << EOD\n" . join("\n", @points) . "\nEOD\n";
		my $width = $subject eq 'hugenuma' ? 3 : 1.5;
		push @plots, '$d' . scalar(@plots) . " using 1:2 with linespoints pt 7 ps 0.5 lw $width "
			. "lc rgb '$colours{$subject}' title '$subject'";
	}
	return unless @plots;
	my $tics = join ', ', map { "'$columns[$_]' $_" } 0 .. $#columns;
	draw($name, <<"END" . "plot " . join(', ', @plots) . "\n");
$data
set title "$title"
set xlabel '$x_label'
set ylabel 'ns'
set xtics ($tics)
set xrange [-0.2:@{[ $#columns + 0.2 ]}]
set logscale y
set key outside right
$settings
END
}

# Three digits, never with an exponent.
sub label {
	my ($value) = @_;

	return $value < 100 ? sprintf('%.3g', $value) : sprintf('%.0f', $value);
}

# A bar for each subject.
sub bars {
	my ($name, $title, $y_label, $case) = @_;
	my ($data, $colour, $nr) = ("\$d << EOD\n", '', 0);

	for my $subject (@order) {
		my $found = result($case, $subject) or next;
		my ($hex) = $colours{$subject} =~ /#(.*)/;

		$data .= "$nr $found->{median} $found->{least} $found->{most} " . hex($hex) . " \"$subject\" " . label($found->{median}) . "\n";
		$nr++;
	}
	return unless $nr;
	draw($name, <<"END");
${data}EOD
set title "$title"
set ylabel '$y_label'
set logscale y
set boxwidth 0.6
set style fill solid
set xrange [-0.6:@{[ $nr - 0.4 ]}]
unset key
plot \$d using 1:2:5:xtic(6) with boxes lc rgb variable, \\
	\$d using 1:2:3:4 with yerrorbars lc rgb '#222222' pt -1, \\
	\$d using 1:2:7 with labels offset 0,0.7
END
}

my $machine = "$report->{machine}{processor}, $report->{machine}{cpus} CPUs";
lines_over('pool', "Acquire 32 blocks, release 32: one acquire and one release\\n$machine",
	'bytes of a block', '', 'pool/batch 32/1 thread', qw(1K 4K 16K 64K 256K));
lines_over('growth', "Acquire n blocks of 4 KB, release them: one acquire and one release\\n$machine",
	'n', '', 'growth/held', qw(1 8 32 128 512 2048));
bars('replay', "An inference server's requests: time in the allocator\\n$machine", 'us per step', 'replay/mean');
