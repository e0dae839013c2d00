#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# prototypes.pl [--inline] HEADER... - prints each function that the headers declare as public, one a
# line: its name, a tab, and its prototype in a normal form (single spaces, none before * or round
# brackets). With --inline also the functions that are defined in a header.
use strict;
use warnings;

sub normal {
	my ($text) = @_;
	$text =~ s/\s+/ /g;
	$text =~ s/ ?([*(),]) ?/$1/g;
	$text =~ s/^ | $//g;
	return $text;
}

my $with_inline = @ARGV && $ARGV[0] eq '--inline' ? shift @ARGV : 0;

# Prototypes in the normal form, from text without comments.
while (my $file = shift @ARGV) {
	open my $in, '<', $file or die "$file: $!\n";
	my $text = do { local $/; <$in> };
	$text =~ s{/\*.*?\*/}{ }gs;
	$text =~ s{^\s*#(?:[^\n]*\\\n)*[^\n]*$}{}gm;
	while ($text =~ /\bHNUMA_API\b([^;{]*);/g) {
		my $prototype = $1;
		$prototype =~ s/\bHNUMA_MUST_CHECK\b//;
		$prototype = normal($prototype);
		my ($name) = $prototype =~ /(\w+)\(/ or die "$file: not a function: $prototype\n";
		print "$name\t$prototype\n";
	}
	while ($with_inline && $text =~ /^(static inline [^;{]*?(\w+)\([^;{]*\))\s*\{/gm) {
		print "$2\t" . normal($1) . "\n";
	}
}
