#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# check-layers.pl - do the floors keep to what they may name and include? (CONTRIBUTING.md)
#
# Reads the sources in $top_srcdir. Comments and strings do not count; includes do.
use strict;
use warnings;
use File::Find;

my $top = $ENV{top_srcdir} // '.';
chdir $top or die "$top: $!\n";

my $problems = 0;

sub problem {
	my ($where, $text) = @_;
	print "$where: $text\n";
	$problems++;
}

sub slurp {
	my ($file) = @_;
	open my $in, '<', $file or die "$file: $!\n";
	local $/;
	return scalar <$in>;
}

# Code without comments, strings and includes, each replaced by what keeps the line numbers.
sub bare {
	my ($text) = @_;
	$text =~ s{(/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])+')}
		{my $t = $1; $t =~ s/[^\n]//g; " $t "}gse;
	$text =~ s/^\s*#\s*include[^\n]*//gm;
	$text =~ s/\bformat\(printf\b/format(/g;
	return $text;
}

my %kernel = map { $_ => 1 } qw(
	mmap mmap64 munmap mremap madvise mprotect mlock mlock2 mlockall mincore
	mbind set_mempolicy get_mempolicy move_pages migrate_pages set_mempolicy_home_node
	memfd_create truncate ftruncate prctl getcpu sched_getcpu sched_yield
	sched_setaffinity sched_getaffinity pthread_setaffinity_np pthread_getaffinity_np
	getrandom getentropy usleep nanosleep ioctl fcntl dup dup2 dup3 pipe pipe2 flock
	syscall process_vm_readv open openat open64 read pread write pwrite close fopen fdopen opendir
);
my %never = map { $_ => 1 } qw(
	printf vprintf puts putchar perror exit _exit _Exit quick_exit abort
	sigaction signal raise kill longjmp setenv putenv
);

# What a name stands for, where it stands. Functions count when they are called or their address is
# taken: a field or a parameter of the same name is something else.
sub meaning {
	my ($name, $before, $after) = @_;

	return 'hwloc' if $name =~ /^(?:hwloc|HWLOC)_/;
	return 'the table of kernel calls' if $name eq 'hnuma_sys';
	return 'what a library must not do' if $name eq 'stdout' || $name eq 'stderr';
	return '' if $before =~ /(?:\.|->)\s*$/;
	return '' unless $after =~ /^\s*\(/ || ($before =~ /[=(,&]\s*$/ && $after =~ /^\s*[,;)}]/);
	return 'a kernel call' if $kernel{$name};
	return 'what a library must not do' if $never{$name};
	return 'libnuma' if $name =~ /^numa_/;
	return '';
}

my @library = ('hwloc', 'libnuma', 'a kernel call', 'what a library must not do');

sub all_but {
	my %allowed = map { $_ => 1 } @_;
	return { map { $_ => 1 } grep { !$allowed{$_} } @library };
}

# Who may name what. A file has the rules of the first row whose pattern it matches.
my @floors = (
	{
		files    => qr{^numa/sys\.c$},
		includes => qr{^<(?!hwloc|numa\.h|jansson|CUnit)|^"(?:config\.h|numa/)},
		forbid   => all_but('a kernel call'),
	},
	{
		files    => qr{^numa/place\.[ch]$},
		includes => qr{^<(?!hwloc|jansson|CUnit)|^"(?:config\.h|numa/)},
		forbid   => all_but('libnuma'),
	},
	{
		files    => qr{^numa/(?:topology\w*\.[ch]|service\.c|cpu\.c)$},
		includes => qr{^<(?!numa\.h|numaif|jansson|CUnit)|^"(?:config\.h|numa/)},
		forbid   => all_but('hwloc'),
	},
	{
		files    => qr{^numa/},
		includes => qr{^<(?!hwloc|numa\.h|numaif|jansson|CUnit)|^"(?:config\.h|numa/)},
		forbid   => all_but(),
	},
	{
		files    => qr{^lib/},
		includes => qr{^<(?!hwloc|numa\.h|numaif|jansson|CUnit|sys/(?!rseq)|linux/|asm/|unistd|sched|fcntl|dirent)
			|^"(?:config\.h|lib/|numa/(?!sys\.h))}x,
		forbid   => { %{ all_but() }, 'the table of kernel calls' => 1 },
	},
	{
		files    => qr{^tools/},
		includes => qr{^<(?!hwloc|numa|CUnit)|^"(?:config\.h|tools/)},
		forbid   => { 'hwloc' => 1, 'libnuma' => 1 },
	},
	{
		files    => qr{^bench/},
		includes => qr{^<(?!hwloc|numa|CUnit)|^"(?:config\.h|bench/)},
		forbid   => { 'hwloc' => 1, 'libnuma' => 1 },
	},
	{
		# A program of several files, which are all in its folder.
		files    => qr{^examples/\w+/},
		includes => qr{^<(?!hwloc|numa|CUnit)|^"\w+\.h},
		forbid   => { 'hwloc' => 1, 'libnuma' => 1 },
	},
	{
		files    => qr{^examples/},
		includes => qr{^<(?!hwloc|numa|CUnit)},
		forbid   => { 'hwloc' => 1, 'libnuma' => 1 },
	},
	{
		files    => qr{^include/},
		includes => qr{^<(?:hugenuma/|(?:errno|stdbool|stddef|stdint|stdio)\.h)},
		forbid   => { 'hwloc' => 1, 'libnuma' => 1 },
	},
	{
		files    => qr{^tests/},
		includes => qr{.},
		forbid   => {},
	},
);

sub check_code {
	my ($file, $text) = @_;
	my ($floor) = grep { $file =~ $_->{files} } @floors;

	if (!$floor) {
		problem($file, 'lies in no folder that has rules');
		return;
	}
	my $number = 0;
	for my $line (split /\n/, $text) {
		$number++;
		next unless $line =~ /^\s*#\s*include\s+([<"][^>"]+)[>"]/;
		my $header = $1;
		problem("$file:$number", "may not include $header" . ($header =~ /^</ ? '>' : '"'))
			unless $header =~ $floor->{includes};
		problem("$file:$number", 'includes a header by a name without its folder')
			if $header =~ /^"(?!config\.h)[^\/]*$/ && $file !~ m{^(?:tests/guests|examples/\w+)/};
	}
	my $bare = bare($text);
	while (%{ $floor->{forbid} } && $bare =~ /\b([A-Za-z_]\w*)\b/g) {
		my ($name, $from, $to) = ($1, $-[0], $+[0]);
		next unless $kernel{$name} || $never{$name} || $name =~ /^(?:hwloc_|HWLOC_|numa_|hnuma_sys$|std)/;
		my $what = meaning($name, substr($bare, $from > 8 ? $from - 8 : 0, $from > 8 ? 8 : $from),
			substr($bare, $to, 8));
		next unless $floor->{forbid}{$what};
		my $line = 1 + (substr($bare, 0, $from) =~ tr/\n//);
		problem("$file:$line", "may not name $what: $name");
	}
	# test_headers.c is there to include <hugenuma.h> before all else; guests have a build of their own,
	# and so have the misuses, which are outside programs; what counts coverage is linked by configure.
	if ($file =~ m{^(?:numa|lib|tools|bench|tests)/.*\.c$} && $file !~ m{^tests/(?:coverage/|guests/|misuse/|test_headers\.c$)}) {
		my ($first) = $text =~ /^\s*#\s*include\s+(\S+)/m;
		problem($file, 'does not include "config.h" before all else')
			unless defined $first && $first eq '"config.h"';
	}
}

# A file of 600 lines or a function of 60 needs a reason, in a comment that names the limit.
sub check_length {
	my ($file, $text) = @_;
	my @lines = split /\n/, $text;
	my ($start, $comment) = (0, '');

	problem($file, scalar(@lines) . ' lines, and no comment says why (it would name the 600 lines)')
		if @lines >= 600 && $text !~ /\b600 lines\b/;
	return unless $file =~ /\.c$/;
	for my $i (0 .. $#lines) {
		$start = $i + 1 if $lines[$i] eq '{';
		next unless $lines[$i] eq '}' && $start;
		my $above = join "\n", @lines[($start > 12 ? $start - 12 : 0) .. $start - 1];
		problem("$file:$start", ($i - $start) . ' lines of function, and no comment says why (it would name the 60 lines)')
			if $i - $start >= 60 && $above !~ /\b60 lines\b/;
		$start = 0;
	}
}

sub check_spdx {
	my ($file, $text) = @_;
	my ($head) = $text =~ /\A((?:[^\n]*\n){0,3})/;

	problem($file, 'no SPDX-License-Identifier: MIT in its first lines')
		unless $head =~ /SPDX-License-Identifier: MIT/;
}

# What git would carry, found without git: a tarball has none.
my %made = map { $_ => 1 } qw(configure aclocal.m4 config.h.in Makefile.in);
my @files;
find({
	no_chdir => 1,
	wanted   => sub {
		(my $name = $_) =~ s{^\./}{};
		if (-d && ($name =~ m{^(?:\.git|autom4te\.cache|build-aux|build(?:-.*)?|_build|_inst|hugenuma-[\d.]+|debian/(?:tmp|\.debhelper|(?:lib)?hugenuma[^/]*))$}
			|| -e "$_/config.status")) {
			$File::Find::prune = $name ne '.';
			return;
		}
		return if !-f || $made{$name} || $name =~ m{^m4/(?:libtool|lt|pkg)};
		push @files, $name;
	},
}, '.');

for my $file (sort @files) {
	my $text;

	problem($file, 'must not exist: it would stand in for libnuma\'s <numa.h>') if $file eq 'numa/numa.h';
	if ($file =~ /\.(?:[chS]|cc|sh|pl|am|ac|m4|map|3|1|7)$/ || $file =~ m{^(?:quickstart|\.ci/run|examples/(?:\w+/)?Makefile)$}) {
		$text = slurp($file);
		# A stub of one .so line has no room for it.
		check_spdx($file, $text) unless $file =~ m{^man/} && $text =~ /\A\.so /;
	}
	next unless $file =~ /\.([ch]|am|ac)$/;
	if ($1 eq 'c' || $1 eq 'h') {
		check_code($file, $text);
		check_length($file, $text);
	}
	problem($file, 'passes -Inuma: libnuma\'s <numa.h> could be hidden')
		if $text =~ m{^[^#\n]*-I(?:\$\(\w+\)/)?numa\b}m;
}

# Every source is in the build, so that none is forgotten in a tarball.
for my $folder (qw(numa lib tools bench tests examples)) {
	my $list = slurp("$folder/Makemodule.am");
	for my $file (grep { m{^$folder/[^/]+\.[ch]$} || m{^examples/} && $folder eq 'examples' && /\.[ch]$/ } @files) {
		(my $program = $file) =~ s/\.c$//;
		problem($file, "is not in $folder/Makemodule.am")
			unless $list =~ m{(?:\s|^)(?:\Q$file\E|\Q$program\E)(?=\s|$)}m;
	}
}

printf "%d files, %d problems\n", scalar @files, $problems;
print 'check-layers: ' . ($problems ? "0 passed, 1 failed\n" : "1 passed, 0 failed\n");
exit($problems ? 1 : 0);
