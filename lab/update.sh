#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Tries the series on the versions of linux-source that this machine's package sources offer, hunk
# by hunk and without fuzz.
#
#   update.sh [VERSION]		the newest, or VERSION: what each hunk does, and what to do next
#   update.sh check		all of them, and prints TAP: a test a version
#
# A package is downloaded and looked into, but not installed; the one that is installed is not
# downloaded.  Of a version only the files that the series knows are kept (offered/ in the cache).
# Nothing is built; patches/ and patched-src stay as they are.  Where a hunk fails, series.git
# learns what the new version looks like, as refs/lab/offered/, so that git can help to port it.
set -eu
# shellcheck source=lab/lib.sh
. "$(dirname "$0")/lib.sh"

PACKAGE=linux-source-$VERSION
TARBALL=${LAB_TARBALL:-/usr/src/$PACKAGE.tar.xz}
SERIES=$ROOT/patches/$VERSION
OFFERED=$CACHE/offered
REPOSITORY=$CACHE/series.git
unset GIT_DIR GIT_INDEX_FILE GIT_WORK_TREE
# what programs say is read here
export LC_ALL=C
tests=0

usage()
{
	sed -n '6,7s/^#   /lab\//p' "$0"
}

# A user's settings must not change what applies, nor must a repository around the cache.
pgit()
{
	GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_CEILING_DIRECTORIES=$work git "$@"
}

## the series

series()
{
	sed 's/[[:space:]]*#.*//; /^[[:space:]]*$/d' "$SERIES/series"
}

# new_files PATCH: what enters with it
new_files()
{
	sed -n '/^---$/q; s/^New-file: //p' "$SERIES/$1"
}

# hunks PATCH: file, number and line of each, with tabs between them
hunks()
{
	awk '/^diff --git a\// { file = substr($3, 3); n = 0; next }
		/^@@ -[0-9]/ && file != "" { split($2, at, /[-,]/); print file "\t" ++n "\t" at[2] }' "$SERIES/$1"
}

# hunk PATCH FILE NUMBER: that one
hunk()
{
	awk -v file="a/$2" -v number="$3" '/^diff --git a\// { here = $3 == file; n = 0; next }
		here && /^@@ -[0-9]/ { n++ }
		here && n == number && /^[-+ @\\]/' "$SERIES/$1"
}

# files: all that are of interest.  A package with a Makefile has a kernel in it.
files()
{
	local patch
	{
		echo Makefile
		base_files
		for patch in $(series); do
			hunks "$patch" | cut -f 1
			new_files "$patch"
		done
	} | sort -u
}

# base_files: what series.git has of the kernel, if there is one
base_files()
{
	[ ! -e "$REPOSITORY/ready" ] || pgit --git-dir="$REPOSITORY" ls-tree -r --name-only base 2>/dev/null || :
}

## packages

installed()
{
	dpkg-query -W -f '${Version}' "$PACKAGE" 2>/dev/null || :
}

# update_lists: without root or network those of the last time have to do
update_lists()
{
	if [ "$(id -u)" != 0 ]; then
		say "not root: the package lists stay as old as they are"
	elif ! apt-get -o APT::Update::Error-Mode=any update >"$work/apt" 2>&1; then
		say "the package lists stay as old as they are: $(apt_error)"
	fi
}

apt_error()
{
	grep -m 1 '^[EW]: ' "$work/apt" || tail -n 1 "$work/apt"
}

# versions: those that are offered and the one that is installed, the newest last
versions()
{
	{
		apt-cache madison "$PACKAGE" | awk -F ' *[|] *' '$3 !~ / Sources$/ { print $2 }'
		installed
		echo
	} | sed '/^$/d' | sort -uV
}

# fetch VERSION: leave its files in offered/VERSION.  $work/why says why it returns 3, if it could not
# be downloaded, or 1, if it is broken.
fetch()
{
	local dir=$OFFERED/$1 key
	key=$(sha256sum <"$work/files")
	[ "$(cat "$dir/.files" 2>/dev/null)" != "$key" ] || return 0
	rm -rf "$work/package" "$work/new"
	mkdir "$work/package" "$work/new"
	[ "$1" = "$(installed)" ] && [ -r "$TARBALL" ] || download "$1" || return 3
	say "looking into $PACKAGE $1"
	unpack "$work/new" || return 1
	echo "$key" >"$work/new/.files"
	rm -rf "$dir" "$work/package"
	mv "$work/new" "$dir"
}

# download VERSION: without a network the others are not waited for
download()
{
	if [ ! -e "$work/offline" ]; then
		say "downloading $PACKAGE $1"
		(cd "$work/package" && apt-get download "$PACKAGE=$1" -o Acquire::Retries=1) >"$work/apt" 2>&1 && return
		grep -q " 404 \|was not found$" "$work/apt" || touch "$work/offline"
	fi
	echo "$PACKAGE $1 could not be downloaded: $(apt_error)" >"$work/why"
	return 1
}

# archive: the kernel, packed
archive()
{
	local package
	package=$(find "$work/package" -name '*.deb')
	if [ -z "$package" ]; then
		cat "$TARBALL"
	else
		dpkg-deb --fsys-tarfile "$package" | tar -xO "./usr/src/$PACKAGE.tar.xz"
	fi
}

# unpack DIRECTORY: just the files of interest, of which the archive may lack some
unpack()
{
	sed "s,^,$PACKAGE/," "$work/files" >"$work/names"
	archive 2>"$work/said" | tar -xJ -C "$1" --strip-components=1 -T "$work/names" 2>>"$work/said" || :
	grep -v ': Not found in archive$\|: Exiting with failure status due to previous errors$' "$work/said" >"$work/why" || :
	[ ! -s "$work/why" ] && [ -e "$1/Makefile" ] && return
	echo "the package has no kernel in it that can be unpacked: $(head -n 1 "$work/why")" >"$work/why"
	return 1
}

## trying

# try PATCH: apply what can be applied to $work/tree, and leave in $work/hunks what became of each hunk:
# file, number, line, and nothing, "rejected", "gone", or by how many lines it is off
try()
{
	rm -rf "$work/before"
	# git replaces files
	cp -al "$work/tree" "$work/before"
	(cd "$work/tree" && pgit apply --reject --verbose --allow-empty "$SERIES/$1") >"$work/git" 2>&1 || :
	hunks "$1" | awk -F '\t' '
		NR == FNR && /^(Checking|Applying) patch / {
			file = $0
			sub(/^[A-Za-z]+ patch /, "", file)
			sub(/(\.\.\.| with [0-9]+ rejects?\.\.\.)$/, "", file)
		}
		NR == FNR && match($0, /^Hunk #[0-9]+ succeeded/) { split($0, word, /[ #(]+/); state[file, word[2]] = word[7] }
		NR == FNR && match($0, /^Rejected hunk #[0-9]+/) { state[file, substr($0, 16, RLENGTH - 15)] = "rejected" }
		NR == FNR && /^error: .*: No such file or directory$/ { gone[file] = 1 }
		NR == FNR { next }
		{ print $0 "\t" ($1 in gone ? "gone" : state[$1, $2]) }' "$work/git" - >"$work/hunks"
}

# near FILE: where the old side of $work/hunk fits best: how many lines of it are there, of how many,
# from which line on, and in how many places
near()
{
	awk 'NR == FNR { if (/^[- ]/) old[++m] = substr($0, 2); next }
		{ new[++n] = $0 }
		END {
			for (i = 1; i <= n; i++) {
				same = 0
				for (j = 1; j <= m; j++)
					same += new[i + j - 1] == old[j]
				if (same > best) {
					best = same
					line = i
					places = 0
				}
				places += same == best
			}
			print best + 0, m + 0, line + 0, places + 0
		}' "$work/hunk" "$1"
}

# explain PATCH FILE NUMBER: the hunk, and what there is where it fits best
explain()
{
	local found of line places
	hunk "$@" >"$work/hunk"
	sed 's/^/        /' "$work/hunk"
	read -r found of line places < <(near "$work/before/$2")
	[ "$found" -gt 0 ] || { echo "      none of its $of old lines is there"; return; }
	echo "      $found of its $of old lines are at line $line$([ "$places" -eq 1 ] || echo ", as many at $((places - 1)) more")"
	[ $((2 * found)) -ge "$of" ] || return 0
	sed -n 's/^[- ]//p' "$work/hunk" >"$work/expected"
	tail -n "+$line" "$work/before/$2" | head -n "$of" >"$work/there"
	echo '      what it expects (-) and what is there (+):'
	diff -U 3 "$work/expected" "$work/there" | sed '1,3d; s/^/        /'
}

# tell PATCH FILE NUMBER LINE STATE: a line about a hunk; counts those that fail and those that moved
tell()
{
	local places
	case $5 in
	'')
		echo "    hunk $3: applies at line $4"
		;;
	gone | rejected)
		failed=$((failed + 1))
		echo "    hunk $3: FAILS at line $4${broken[$2]:+, where ${broken[$2]} failed before}"
		if [ "$5" = gone ]; then
			echo "      the file is gone"
		else
			explain "$1" "$2" "$3"
		fi
		;;
	*)
		moved=$((moved + 1))
		hunk "$1" "$2" "$3" >"$work/hunk"
		read -r _ _ _ places < <(near "$work/before/$2")
		echo "    hunk $3: applies with an offset of $5 lines from line $4$([ "$places" -eq 1 ] ||
			echo "; LOOK: its old lines are there $places times")"
		;;
	esac
}

# report_patch PATCH: a line a hunk, under the names of the patch and of the file
report_patch()
{
	local file number line state last='' before=$failed
	echo "$1"
	try "$1"
	while IFS=$'\t' read -r file number line state; do
		[ "$file" = "$last" ] || echo "  $file"
		last=$file
		tell "$1" "$file" "$number" "$line" "$state"
	done <"$work/hunks"
	for file in $(new_files "$1"); do
		[ -e "$work/tree/$file" ] || continue
		failed=$((failed + 1))
		printf '  %s\n    FAILS: it is new, and this version has such a file\n' "$file"
	done
	[ "$failed" -eq "$before" ] || bad+=("$1")
	while read -r file; do
		broken[$file]=${broken[$file]-$1}
	done < <(awk -F '\t' '$4 == "rejected" || $4 == "gone" { print $1 }' "$work/hunks")
}

# report VERSION: what all the hunks do; leaves failed, moved, total and bad
report()
{
	local patch
	declare -A broken=()
	failed=0 moved=0 total=0 bad=()
	rm -rf "$work/tree"
	cp -a "$OFFERED/$1" "$work/tree"
	for patch in $(series); do
		[ -f "$SERIES/$patch" ] || die "patches/$VERSION/series lists $patch, which does not exist" 'make refresh writes both'
		report_patch "$patch"
		total=$((total + $(wc -l <"$work/hunks")))
	done
}

## what to do

# offer VERSION REF: the files of series.git as this version has them, as a commit
offer()
{
	local tree commit
	export GIT_INDEX_FILE=$work/index
	base_files | (cd "$OFFERED/$1" && while read -r file; do
		[ ! -f "$file" ] || echo "$file"
	done | pgit --git-dir="$REPOSITORY" --work-tree=. update-index --add --stdin)
	tree=$(pgit --git-dir="$REPOSITORY" write-tree)
	commit=$(GIT_AUTHOR_NAME=Debian GIT_AUTHOR_EMAIL=nobody@debian.org GIT_COMMITTER_NAME=Debian \
		GIT_COMMITTER_EMAIL=nobody@debian.org pgit --git-dir="$REPOSITORY" commit-tree "$tree" -m "linux-source $1")
	pgit --git-dir="$REPOSITORY" update-ref "$2" "$commit"
	unset GIT_INDEX_FILE
}

# how_to_port VERSION
how_to_port()
{
	local ref
	ref=refs/lab/offered/$(tr -c 'A-Za-z0-9.+\n-' _ <<<"$1")
	echo "To be ported, the first one first:"
	printf "    patches/$VERSION/%s\n" "${bad[@]}"
	[ -e "$REPOSITORY/ready" ] || {
		echo "First put the series on a version that it applies to: install that, and lab/tree.sh patched.  Then make update again."
		return
	}
	offer "$1" "$ref"
	echo "The way (CONTRIBUTING.md says more):"
	[ "$1" = "$(installed)" ] || echo "    apt-get install $PACKAGE=$1"
	cat <<-EOF
	    lab/tree.sh pristine
	    lab/tree.sh git rebase --onto $ref base series
	        # where it stops: edit the files in $CACHE/patched-src,
	        # lab/tree.sh git add FILE..., lab/tree.sh git rebase --continue
	    lab/tree.sh git update-ref refs/heads/base $ref
	    make refresh
	    make check
	EOF
}

how_to_adopt()
{
	local newest
	newest=$(tail -n 1 "$work/versions")
	if [ "$1" = "$(installed)" ]; then
		echo "It is installed, and $([ "$1" = "$newest" ] && echo 'no newer one' || echo "$newest") is offered."
		return
	fi
	cat <<-EOF
	To adopt it:
	    apt-get install $PACKAGE=$1
	    make check
	EOF
}

# update [VERSION]
update()
{
	local version=${1:-$(tail -n 1 "$work/versions")} rc=0
	fetch "$version" || rc=$?
	if [ $rc -eq 3 ] && [ $# -eq 0 ] && [ -n "$(installed)" ] && [ "$version" != "$(installed)" ]; then
		say "$(cat "$work/why")"
		version=$(installed) rc=0
		say "this is about $version instead, which is installed"
		fetch "$version" || rc=$?
	fi
	[ $rc -eq 0 ] || die "$(cat "$work/why")" "see what is offered: apt-cache madison $PACKAGE"
	report "$version"
	echo
	echo "$PACKAGE $version: $((total - failed)) of $total hunks apply, $moved of them with an offset"
	if [ $failed -gt 0 ]; then
		how_to_port "$version"
		return 1
	fi
	how_to_adopt "$version"
}

# failures: of the report, what fails, and where a hunk may have got into the wrong place
failures()
{
	awk '/^[^ ]/ { patch = $0 }
		/^  [^ ]/ { file = $1 }
		/^    [^ ]/ { shown = /FAILS|LOOK/; if (shown) print "# " patch ": " file ":" }
		/^    / && shown { print "# " $0 }' "$work/report"
}

# outcome NUMBER VERSION NEEDED: a line of TAP.  What is older than the version that is installed
# need not take the series: nobody goes back to that.
outcome()
{
	local what="$1 - the series applies to $2, $moved of $total hunks with an offset"
	if [ $failed -eq 0 ]; then
		echo "ok $what"
	elif [ -n "$3" ]; then
		echo "not ok $what"
	else
		echo "ok $1 - the series applies to $2 # SKIP it is older than what is installed, and ${bad[0]} fails"
	fi
	failures
}

# check: a line of TAP for each version; what fails is explained
check()
{
	local version rc needed=
	[ -n "$(installed)" ] || needed=y
	while read -r version; do
		rc=0 tests=$((tests + 1))
		[ "$version" != "$(installed)" ] || needed=y
		fetch "$version" || rc=$?
		case $rc in
		0)
			report "$version" >"$work/report"
			outcome $tests "$version" "$needed"
			;;
		3) echo "ok $tests - the series applies to $version # SKIP $(cat "$work/why")" ;;
		*) printf 'not ok %d - the series applies to %s\n# %s\n' $tests "$version" "$(cat "$work/why")" ;;
		esac
	done <"$work/versions"
	echo "1..$tests"
}

# prune: what nobody offers any more, and what interrupted runs left behind
prune()
{
	local dir
	for dir in "$OFFERED"/*; do
		grep -qxF "${dir##*/}" "$work/versions" || rm -rf "$dir"
	done
	find "$OFFERED" -maxdepth 1 -name '.work.*' -mmin +600 -exec rm -rf {} +
}

case ${1-} in
-h | --help)
	usage
	exit
	;;
-*)
	usage >&2
	exit 2
	;;
esac
for program in apt-get apt-cache dpkg-deb dpkg-query; do
	command -v $program >/dev/null || die "$program not found: this is not Debian" "get $PACKAGE by other means"
done
mkdir -p "$OFFERED"
work=$(mktemp -d "$OFFERED/.work.XXXXXX")
trap 'rm -rf "$work"' EXIT
files >"$work/files"
update_lists
versions >"$work/versions"
[ -s "$work/versions" ] || die "no package source of this machine offers $PACKAGE" \
	"add one to /etc/apt/sources.list that does: lab/deps.sh says which"
prune
if [ "${1-}" = check ]; then
	check
else
	update "$@"
fi
