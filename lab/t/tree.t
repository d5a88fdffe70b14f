#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# lab/tree.sh on a kernel of four files: what it refuses, what it repairs, what it leaves alone.
# No network, no root, no real kernel.
set -eu
# shellcheck source=lab/t/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=lab/t/clone.sh
. "$(dirname "$0")/clone.sh"

# fake NAME COMMAND: a program of that name that runs COMMAND
fake()
{
	printf '#!/bin/sh\n%s\n' "$2" >"$T/bin/$1"
	chmod +x "$T/bin/$1"
}

release()
{
	tar -cJf "$LAB_TARBALL" -C "$T" linux-source-6.12
	fake dpkg-query "echo $1"
}

broken()
{
	sed "$2" "$P/$1" >"$T/patch"
	cp "$P/$1" "$T/good"
	cp "$T/patch" "$P/$1"
}

mended()
{
	cp "$T/good" "$P/$1"
}

mkdir -p "$T/bin" "$R/lab" "$P" "$T/linux-source-6.12/mm"
cp "$LAB/lib.sh" "$LAB/lock.sh" "$LAB/tree.sh" "$R/lab"
printf '/*\n' >"$T/linux-source-6.12/.gitignore"
seq 100 >"$T/linux-source-6.12/mm/a.c"
seq 100 >"$T/linux-source-6.12/mm/b.c"
seq 9 >"$T/linux-source-6.12/Makefile"
find "$T/linux-source-6.12" -exec touch -d '2026-01-01' {} +
release 6.12.1-1
sleep 0.01

works "an empty series gives a tree" tree patched
works "which is what was unpacked" diff -r "$C/pristine" "$C/patched-src"

## development: track, commit, refresh
fails "a file that linux-source lacks cannot be tracked" "no file mm/z.c" tree track mm/z.c
works "track" tree track mm/a.c mm/b.c
works "commit a change" edit mm/a.c 's/^50$/fifty/'
mkdir -p "$C/patched-src/virt"
echo '/* ours */' >"$C/patched-src/virt/new.c"
tree git add -f virt/new.c
works "commit a change with a new file" edit mm/b.c 's/^10$/ten/'
works "refresh" tree refresh
works "writes the new file to its path" grep -q ours "$R/virt/new.c"
works "writes the series" test "$(grep -c patch "$P/series")" = 2
works "names the new file in a trailer" grep -qx 'New-file: virt/new.c' "$P/0002-mm-change-b.c.patch"
works "and keeps it out of the patch" sh -c "! grep -q ours '$P/0002-mm-change-b.c.patch'"
works "export" tree export-series "$T/mails"
works "a mail has the new file and no trailer" \
	sh -c "grep -q '^+/. ours' '$T'/mails/0002* && ! grep -q New-file '$T'/mails/0002*"
cp "$P/0001-mm-change-a.c.patch" "$T/first"
works "a refresh of what is fresh" tree refresh
works "changes nothing" cmp "$P/0001-mm-change-a.c.patch" "$T/first"
works "track under existing commits" tree track Makefile
works "keeps the tree" tree patched
works "and the commits" test "$(tree git rev-list --count base..series)" = 2

## unexported work is not overwritten
works "a commit that is not exported" edit mm/a.c 's/^60$/sixty/'
works "is built with a word about it" tree patched
says "that names it" "commit: mm: change a.c"
broken 0001-mm-change-a.c.patch 's/^+fifty/+FIFTY/'
fails "and stops a changed series" "export it: make refresh" tree patched
fails "refresh does not overwrite a changed patch" "0001-mm-change-a.c.patch" tree refresh
mended 0001-mm-change-a.c.patch
tree git reset -q --hard refs/lab/applied
echo 1 >>"$C/patched-src/Makefile"
fails "refresh wants commits" "edited: M	Makefile" tree refresh
tree git checkout -q Makefile
works "no work is left" sh -c "! '$R/lab/tree.sh' patched 2>&1 | grep ."
sed -i 's/ours/OURS/' "$C/patched-src/virt/new.c"
tree git commit -q -a -m "virt: change a new file"
fails "a new file enters whole" "virt/new.c enters with one commit" tree refresh
tree git reset -q --hard refs/lab/applied

## bad series
broken 0001-mm-change-a.c.patch 's/^ 52$/ fiftytwo/'
fails "a patch that does not apply is named" "0001-mm-change-a.c.patch does not apply" tree patched
says "with the file and the line" "patch failed: mm/a.c:47"
works "and the tree stays" grep -qx fifty "$C/patched-src/mm/a.c"
works "patch(1) would have applied it with fuzz" \
	patch -s -d "$C/pristine" -p1 --dry-run -i "$P/0001-mm-change-a.c.patch"
mended 0001-mm-change-a.c.patch
broken 0001-mm-change-a.c.patch 's,mm/a.c,mm/gone.c,'
fails "a patch to a file that is gone" "mm/gone.c: does not exist" tree patched
mended 0001-mm-change-a.c.patch
broken 0001-mm-change-a.c.patch '/^From\|^Date/d'
fails "a patch without a mail header" "no author or no date" tree patched
mended 0001-mm-change-a.c.patch
echo 0003-missing.patch >>"$P/series"
fails "a patch that is not there" "lists 0003-missing.patch" tree patched
sed -i '$d' "$P/series"
echo '/* stray */' >"$R/virt/stray.c"
fails "a new file that no patch names" "no patch brings in: virt/stray.c" tree patched
rm "$R/virt/stray.c"
mv "$R/virt/new.c" "$T/new.c"
fails "a named file that does not exist" "names virt/new.c, which does not exist" tree patched
mv "$T/new.c" "$R/virt/new.c"
broken 0001-mm-change-a.c.patch 's/^Signed-off-by.*/&\nNew-file: virt\/new.c/'
fails "a file that two patches name" "as an earlier patch does" tree patched
mended 0001-mm-change-a.c.patch
broken 0001-mm-change-a.c.patch 's/^Signed-off-by.*/&\nNew-file: Makefile/'
touch "$R/Makefile"
fails "a new file that is the kernel's" "Makefile exists in linux-source" tree patched
mended 0001-mm-change-a.c.patch
works "put right, it applies" tree patched

## updates rewrite only what differs
touch -d '2026-02-01' "$C/patched-src/mm/a.c" "$C/patched-src/virt/new.c"
broken 0002-mm-change-b.c.patch 's/^+ten/+TEN/'
works "a changed patch" tree patched
works "changes its file" grep -qx TEN "$C/patched-src/mm/b.c"
works "and leaves the others alone" \
	test "$(date -r "$C/patched-src/mm/a.c" +%F)$(date -r "$C/patched-src/virt/new.c" +%F)" = 2026-02-012026-02-01
echo '/* theirs */' >"$R/virt/new.c"
works "a changed new file" tree patched
works "arrives" grep -q theirs "$C/patched-src/virt/new.c"
sed -i '/0002/d' "$P/series"
mv "$R/virt/new.c" "$T/new.c"
works "a patch less" tree patched
works "restores its file" cmp "$C/patched-src/mm/b.c" "$C/pristine/mm/b.c"
works "and removes what it brought" test ! -e "$C/patched-src/virt/new.c"
mv "$T/new.c" "$R/virt/new.c"
echo 0002-mm-change-b.c.patch >>"$P/series"

## interruptions
touch "$C/series.git/moving" "$C/series.git/index.lock"
echo garbage >"$C/patched-src/mm/a.c"
works "an interrupted update is repaired" tree patched
works "completely" grep -qx fifty "$C/patched-src/mm/a.c"
rm "$C/pristine.version"
rm "$C/pristine/Makefile"
mkdir -p "$C/.pristine.new/half"
works "an interrupted unpacking is repaired" tree patched
works "completely" cmp "$C/pristine/Makefile" "$T/linux-source-6.12/Makefile"
works "step-src goes anywhere" tree at base
works "to the base" cmp "$C/step-src/mm/a.c" "$C/pristine/mm/a.c"
tree at series
works "and to the end" cmp "$C/step-src/mm/b.c" "$C/patched-src/mm/b.c"
works "with pristine untouched" cmp "$C/pristine/mm/a.c" "$T/linux-source-6.12/mm/a.c"

## another linux-source
sed -i 's/^48$/fortyeight/' "$T/linux-source-6.12/mm/a.c"
touch -d '2026-01-01' "$T/linux-source-6.12/mm/a.c"
release 6.12.2-1
fails "a newer source that breaks a patch" \
	"0001-mm-change-a.c.patch does not apply to linux-source-6.12 6.12.2-1" tree patched
sed -i 's/^fortyeight$/48/; s/^1$/one/' "$T/linux-source-6.12/mm/a.c"
touch -d '2026-01-01' "$T/linux-source-6.12/mm/a.c"
release 6.12.3-1
works "a newer source that does not" tree patched
works "is there" sh -c "grep -qx one '$C/patched-src/mm/a.c' && grep -qx fifty '$C/patched-src/mm/a.c'"

## the machine
fake df 'printf "h\nf 9 9 0 9 /\n"'
rm "$C/pristine.version"
fails "a full disk" "MiB free" tree patched
rm "$T/bin/df"
fake tar 'exit 2'
fails "an archive that does not unpack" "pristine: could not make it" tree patched
rm "$T/bin/tar"
fake dpkg-query 'exit 1'
fails "no linux-source" "run: lab/deps.sh" tree patched
fails "an unknown command" "usage: lab/tree.sh" tree frob
done_testing
