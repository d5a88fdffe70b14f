#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# lab/update.sh on made-up packages of a kernel of four files: what it says of each hunk, what it
# does without a network, and that the way to port a patch that it names is one.
# No network, no root, no real kernel.
set -eu
# shellcheck source=lab/t/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=lab/t/clone.sh
. "$(dirname "$0")/clone.sh"
K=$T/linux-source-6.12

update()
{
	"$R/lab/update.sh" "$@"
}

# fake NAME: standard input is a program of that name
fake()
{
	{ echo '#!/bin/sh'; cat; } >"$T/bin/$1"
	chmod +x "$T/bin/$1"
}

# kernel [FILE SED]...: the sources, changed
kernel()
{
	rm -rf "$K"
	mkdir -p "$K/mm"
	seq 100 >"$K/mm/a.c"
	seq 100 >"$K/mm/b.c"
	seq 9 >"$K/Makefile"
	while [ $# -gt 0 ]; do
		sed -i "$2" "$K/$1"
		shift 2
	done
	find "$K" -exec touch -d 2026-01-01 {} +
}

# package VERSION: offer what lies in $K
package()
{
	local dir=$T/deb
	rm -rf "$dir"
	mkdir -p "$dir/DEBIAN" "$dir/usr/src"
	[ ! -d "$K" ] || tar -cJf "$dir/usr/src/linux-source-6.12.tar.xz" -C "$T" linux-source-6.12
	printf '%s\n' 'Package: linux-source-6.12' "Version: $1" 'Architecture: all' 'Maintainer: A <a@example.org>' \
		'Description: made up' >"$dir/DEBIAN/control"
	rm -f "$T/suite/"*
	dpkg-deb --root-owner-group -b "$dir" "$T/suite/$1.deb" >/dev/null
}

# also VERSION...: these are offered besides
also()
{
	local version
	for version; do
		cp "$T/kept/$version.deb" "$T/suite"
	done
}

keep()
{
	cp "$T/suite/"* "$T/kept"
}

# install_it VERSION: as apt-get would
install_it()
{
	dpkg-deb --fsys-tarfile "$T/suite/$1.deb" | tar -xO ./usr/src/linux-source-6.12.tar.xz >"$LAB_TARBALL"
	echo "$1" >"$T/installed"
}

# state: all that must not change
state()
{
	(cd "$T" && find cache/mglru-kvm/6.12/patched-src repo -type f -exec sha256sum {} + | LC_ALL=C sort)
	tree git for-each-ref refs/heads
}

unchanged()
{
	state | diff "$T/before" -
}

mkdir -p "$T/bin" "$T/suite" "$T/kept" "$R/lab" "$P"
cp "$LAB/lib.sh" "$LAB/lock.sh" "$LAB/tree.sh" "$LAB/update.sh" "$R/lab"
fake dpkg-query <<-EOT
	cat '$T/installed'
EOT
fake apt-cache <<-EOT
	for deb in '$T/suite/'*.deb; do
		version=\${deb##*/}
		echo " linux-source-6.12 | \${version%.deb} | some://where suite/main amd64 Packages"
		echo " linux-source-6.12 | \${version%.deb} | some://where other/main amd64 Packages"
	done
	echo ' linux-source-6.12 | 6.12.999-1 | some://where suite/main Sources'
EOT
fake apt-get <<-EOT
	echo "\$*" >>'$T/asked'
	[ ! -e '$T/offline' ] || { echo 'E: Failed to fetch some://where'; exit 100; }
	[ "\$1" != download ] || cp '$T/suite/'"\${2#*=}.deb" "linux-source-6.12_\${2#*=}_all.deb"
EOT

kernel
package 6.12.1-1
keep
install_it 6.12.1-1
tree patched 2>/dev/null
tree track mm/a.c mm/b.c
edit mm/a.c 's/^50$/fifty/'
mkdir "$C/patched-src/virt"
echo '/* ours */' >"$C/patched-src/virt/new.c"
tree git add -f virt/new.c
edit mm/b.c 's/^10$/ten/; s/^90$/ninety/'
edit mm/a.c 's/^52$/fiftytwo/'
tree refresh 2>/dev/null
state >"$T/before"
: >"$T/asked"

## what applies
works "what is installed" update
says "is the newest" "It is installed, and no newer one is offered."
says "and applies" "4 of 4 hunks apply, 0 of them with an offset"
says "hunk by hunk" "    hunk 2: applies at line 87"
works "without a download" sh -c "! grep download '$T/asked'"
kernel Makefile 's/9/nine/'
package 6.12.2-1
works "a newer one that changes nothing of ours" update
says "can be adopted" "apt-get install linux-source-6.12=6.12.2-1"
works "it was downloaded" grep -q 'download linux-source-6.12=6.12.2-1' "$T/asked"
: >"$T/asked"
works "once more" update
works "it is not downloaded again" sh -c "! grep download '$T/asked'"
keep
kernel mm/b.c '5s/.*/&\na\nb\nc/'
package 6.12.3-1
works "one with lines in between" update
says "tells by how many" "hunk 1: applies with an offset of 3 lines from line 7"
says "and how often" "4 of 4 hunks apply, 2 of them with an offset"
keep
kernel mm/b.c '1s/.*/a\n&/; $s/.*/&\n7\n8\n9\n10\n11\n12\n13/'
package 6.12.4-1
works "a hunk that has two places" update
says "is to be looked at" "LOOK: its old lines are there 2 times"
kernel mm/b.c 1d
package 6.12.5-1
works "one with a line less" update
says "tells that, too" "offset of -1 lines from line 87"

## what does not
kernel mm/a.c 's/^48$/fortyeight/'
package 6.12.6-1
keep
fails "a hunk that fails" "hunk 1: FAILS at line 47" update
says "says where it would belong" "6 of its 7 old lines are at line 47"
says "shows itself" "        -50"
says "and what it expects" "        -48"
says "and what is there" "        +fortyeight"
says "names the patch to port" "patches/6.12/0001-mm-change-a.c.patch"
says "and one that may fail for that only" \
	"hunk 1: FAILS at line 49, where 0001-mm-change-a.c.patch failed before"
says "counts what applies nevertheless" "2 of 4 hunks apply"
works "patched-src, patches and branches are what they were" unchanged
kernel mm/a.c 's/.*/x/'
package 6.12.7-1
fails "a hunk that has no place at all" "none of its 7 old lines is there" update
kernel
rm "$K/mm/b.c"
package 6.12.8-1
fails "a file that is gone" "the file is gone" update
kernel
mkdir "$K/virt"
touch "$K/virt/new.c"
package 6.12.9-1
fails "a new file that the kernel has by now" "FAILS: it is new, and this version has such a file" update
says "is named" "  virt/new.c"
fails "a version that nobody offers" "6.12.77-1 could not be downloaded" update 6.12.77-1

## all of them
kernel
package 6.12.0-1
keep
kernel mm/b.c '90s/.*/x/'
package 6.12.0-2
also 6.12.0-1 6.12.2-1 6.12.3-1 6.12.6-1
works "check" update check
says "has what is offered" "ok 5 - the series applies to 6.12.3-1, 2 of 4 hunks with an offset"
says "and what is installed" "ok 3 - the series applies to 6.12.1-1, 0 of 4 hunks with an offset"
says "and what is older" "ok 1 - the series applies to 6.12.0-1, 0 of 4 hunks with an offset"
says "which need not take the series" "ok 2 - the series applies to 6.12.0-2 # SKIP it is older than what is installed, and 0002-"
says "what fails is not ok" "not ok 6 - the series applies to 6.12.6-1"
says "and is named" "# 0001-mm-change-a.c.patch: mm/a.c:"
says "and explained" "#         +fortyeight"
says "source packages are none of them" "1..6"
works "what is no longer offered is forgotten" sh -c "[ ! -e '$C/offered/6.12.4-1' ] && [ -e '$C/offered/6.12.3-1' ]"

## no network, broken packages
kernel
package 6.12.9-1
also 6.12.2-1
touch "$T/offline"
rm -rf "$C/offered"
works "without a network it tries what is installed" update
says "and says so" "this is about 6.12.1-1 instead"
says "and why" "could not be downloaded: E: Failed to fetch"
says "does not say that there is no other" "It is installed, and 6.12.9-1 is offered."
works "check without a network" update check
says "skips what it cannot have" "ok 3 - the series applies to 6.12.9-1 # SKIP linux-source-6.12 6.12.9-1 could not"
says "but not what it has" "ok 1 - the series applies to 6.12.1-1, 0 of 4"
fails "a version that cannot be downloaded" "6.12.6-1 could not be downloaded" update 6.12.6-1
rm "$T/offline"
head -c 300 "$T/suite/6.12.9-1.deb" >"$T/short"
cp "$T/short" "$T/suite/6.12.9-1.deb"
fails "half a package" "no kernel in it that can be unpacked" update
works "check goes on after it" update check
says "and fails it" "not ok 3 - the series applies to 6.12.9-1"
rm -rf "$K"
package 6.12.10-1
fails "a package without a kernel" "no kernel in it that can be unpacked" update
mkdir "$K"
package 6.12.11-1
fails "a package with an empty kernel" "no kernel in it that can be unpacked" update
rm "$T/suite/"*
fake apt-cache </dev/null
: >"$T/installed"
fails "nothing anywhere" "no package source of this machine offers linux-source-6.12" update
fails "an unknown option" "lab/update.sh check" update -x

## the way to port
echo 6.12.1-1 >"$T/installed"
also 6.12.6-1
fails "a version to port to" "make refresh" update 6.12.6-1
says "with a name for git" "lab/tree.sh git rebase --onto refs/lab/offered/6.12.6-1 base series"
install_it 6.12.6-1
works "pristine" tree pristine
works "rebase may do all of it" tree git rebase --onto refs/lab/offered/6.12.6-1 base series
works "the new base" tree git update-ref refs/heads/base refs/lab/offered/6.12.6-1
works "refresh" tree refresh
works "the patch has what is there" grep -qx ' fortyeight' "$P/0001-mm-change-a.c.patch"
works "the tree is made anew" tree patched
works "and nothing is left to do" sh -c "! '$R/lab/tree.sh' patched 2>&1 | grep ."
works "update tries it" update
says "at its lines" "4 of 4 hunks apply, 0 of them with an offset"
kernel mm/a.c 's/^48$/fortyeight/; s/^50$/L/' mm/b.c '1s/.*/0\n&/'
package 6.12.12-1
fails "the same line was changed" "FAILS at line 47" update 6.12.12-1
install_it 6.12.12-1
tree pristine 2>/dev/null
fails "rebase stops" "CONFLICT (content)" tree git rebase --onto refs/lab/offered/6.12.12-1 base series
{ seq 47; echo fortyeight; echo 49; echo fifty L; seq 51 100; } >"$C/patched-src/mm/a.c"
tree git add mm/a.c
works "goes on" tree git rebase --continue
tree git update-ref refs/heads/base refs/lab/offered/6.12.12-1
works "refresh" tree refresh
works "the tree is made anew" tree patched
works "with the series on the new version" diff - "$C/patched-src/mm/a.c" <<-EOT
	$({ seq 47; echo fortyeight; echo 49; echo fifty L; echo 51; echo fiftytwo; seq 53 100; })
EOT
works "new files" grep -q ours "$C/patched-src/virt/new.c"
works "and what else is new" grep -qx 0 "$C/patched-src/mm/b.c"
works "and nothing is left to do" sh -c "! '$R/lab/tree.sh' patched 2>&1 | grep ."
works "which update sees as well" update
says "at their lines" "4 of 4 hunks apply, 0 of them with an offset"
done_testing
