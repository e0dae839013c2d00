#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# check-man.sh - every public function has a man page, or a stub that leads to one, whose SYNOPSIS
# has the prototype that the header has; mandoc finds nothing to warn of; no line is too wide for a
# terminal; every page is installed.
. "$(dirname "$0")/common.sh"

command -v mandoc > /dev/null || skip "mandoc is not installed"
man=$top_srcdir/man

# synopsis PAGE: the prototypes of its SYNOPSIS in the form that prototypes.pl prints.
synopsis() {
	mandoc -T ascii -O width=200 "$1" | sed 's/.\x08//g' | $PERL -0777 -ne '
		my ($text) = /^SYNOPSIS\n(.*?)^\S/ms or exit;
		$text =~ s/^\s*#[^\n]*//gm;
		for (split /;/, $text) {
			s/\s+/ /g;
			s/ ?([*(),]) ?/$1/g;
			s/^ | $//g;
			print "$_\n" if length;
		}'
}

$PERL "$here/prototypes.pl" --inline "$top_srcdir"/include/hugenuma/*.h > "$work/prototypes" ||
	problem "the headers cannot be read"
[ -s "$work/prototypes" ] || problem "no public function found in the headers"
mkdir "$work/synopsis"
pages=()
for page in "$man"/*.[137]; do
	name=$(basename "$page")
	read -r macro target < "$page"
	if [ "$macro" = .so ]; then
		[ -f "$top_srcdir/man/${target#man[0-9]/}" ] ||
			problem "man/$name leads to '$target', which does not exist"
		[ "$(wc -l < "$page")" -eq 1 ] || problem "man/$name has more than its .so line"
		continue
	fi
	pages+=("$page")
	# Programs and commands are not wrapped, or cannot be copied once they are.
	wide=$(mandoc -T ascii "$page" | sed 's/.\x08//g' | awk 'length > 80 { print; exit }')
	[ -z "$wide" ] || problem "man/$name has lines of more than 80 columns: $wide"
	case $name in
	*.3)
		synopsis "$page" > "$work/synopsis/$name"
		awk -v wanted="NAME,SYNOPSIS,DESCRIPTION,RETURN VALUES?,ERRORS,EXAMPLES,SEE ALSO" '
			/^\.S[hH] / { gsub(/^\.S[hH] |"/, ""); has = has "\n" $0 "\n" }
			END {
				n = split(wanted, section, ",")
				for (i = 1; i <= n; i++)
					if (has !~ "\n" section[i] "\n")
						print section[i]
			}' "$page" > "$work/sections"
		while read -r section; do
			problem "man/$name has no section $section"
		done < "$work/sections" ;;
	esac
done
mandoc -T lint -W warning "${pages[@]}" || problem "mandoc warns"

while IFS=$'\t' read -r name prototype; do
	page=$name.3
	if [ ! -f "$man/$page" ]; then
		problem "man/$page does not exist"
		continue
	fi
	target=$(sed -n '1s/^\.so man3\///p' "$man/$page")
	grep -qxF -- "$prototype" "$work/synopsis/${target:-$page}" 2> /dev/null ||
		problem "man/${target:-$page} has not in its SYNOPSIS: $prototype"
done < "$work/prototypes"

# No page for what is gone.
for page in "$man"/hnuma_*.3; do
	name=$(basename "$page" .3)
	cut -f1 "$work/prototypes" | grep -qx "$name" || problem "man/$name.3 describes no public function"
done
cat "$work"/synopsis/*.3 2> /dev/null | grep -o '\bhnuma_\w*(' | tr -d '(' | sort -u > "$work/described"
cut -f1 "$work/prototypes" | sort > "$work/headers"
extra=$(comm -13 "$work/headers" "$work/described")
[ -z "$extra" ] || problem "in a SYNOPSIS, but in no header:" $extra

# Makemodule.am installs exactly the pages that are there.
sed -n 's/^\t\(man\/[^ ]*\)\( \\\)\{0,1\}$/\1/p' "$man/Makemodule.am" | sort > "$work/listed"
(cd "$top_srcdir" && ls man/*.[137]) | sort > "$work/present"
diff -u "$work/present" "$work/listed" || problem "man/Makemodule.am lists other pages than the folder has"
conclude
