#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# lab/series.sh on a kernel of four files, and on mails that have one thing wrong each.
# No network, no root, no real kernel.
set -eu
# shellcheck source=lab/t/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=lab/t/clone.sh
. "$(dirname "$0")/clone.sh"
M=$R/build/6.12/mails/mails

series()
{
	"$R/lab/series.sh" "$@"
}

# commit SUBJECT BODY: what was edited in patched-src
commit()
{
	tree git commit -q -a -m "$1" -m "$2" -m "$SIGNED"
}

# letter [SED]: the cover letter, and what is wrong with it
letter()
{
	sed "${1-}" >"$P/cover-letter.txt" <<-'EOT'
		# a comment

		mm, KVM: made up

		Nothing to see here.

		Order
		=====
		  1     mm
		  2-3   KVM

		Figures
		=======
		  pages     stock 123.4   patched 99

		Testing
		=======
		None.
	EOT
}

# mail SUBJECT BODY: one, of a change in the middle of arch/x86/kvm
mail()
{
	cat >"$T/mail" <<-EOT
		From 0 Mon Sep 17 00:00:00 2001
		From: A <a@example.org>
		Date: Sat, 21 Nov 2026 09:58:05 +0000
		Subject: [PATCH] $1

		$2
		---
		diff --git a/${3:-arch/x86/kvm/mmu.c} b/${3:-arch/x86/kvm/mmu.c}
		--- a/${3:-arch/x86/kvm/mmu.c}
		+++ b/${3:-arch/x86/kvm/mmu.c}
		@@ -1,3 +1,3 @@ static void age_this_gfn(void)
		 1
		-2
		+	flush_that_gfn(ops->as_op_does(1));
		 3
	EOT
}

# wrong NAME TEXT SUBJECT [BODY [FILE]]: such a mail is "not ok", and that is why
wrong()
{
	mail "$3" "${4:-"Because.

$SIGNED"}" "${5-}"
	works "$1" series "$T/mail"
	says "is not ok" "not ok 1 - mail"
	says "for that" "# $2"
}

# right NAME SUBJECT [BODY [FILE]]
right()
{
	mail "$2" "${3:-"Because.

$SIGNED"}" "${4-}"
	works "$1" series "$T/mail"
	says "is ok" "ok 1 - mail"
	lacks "without a word" '^#\|^not'
}

mkdir -p "$R/lab" "$P" "$T/linux-source-6.12/mm" "$T/linux-source-6.12/arch/x86/kvm" "$T/bin"
cp "$LAB/lib.sh" "$LAB/lock.sh" "$LAB/tap.sh" "$LAB/tree.sh" "$LAB/series.sh" "$R/lab"
printf '#!/bin/sh\necho 6.12.1-1\n' >"$T/bin/dpkg-query"
chmod +x "$T/bin/dpkg-query"
seq 100 >"$T/linux-source-6.12/mm/a.c"
seq 100 >"$T/linux-source-6.12/arch/x86/kvm/mmu.c"
seq 9 >"$T/linux-source-6.12/objtool"
printf '/*\n' >"$T/linux-source-6.12/.gitignore"
find "$T/linux-source-6.12" -exec touch -d 2026-01-01 {} +
tar -cJf "$LAB_TARBALL" -C "$T" linux-source-6.12
echo 'stock | 123.4' >"$R/README.md"
letter
tree patched 2>/dev/null
tree track mm/a.c arch/x86/kvm/mmu.c
sed -i 's/^50$/fifty/' "$C/patched-src/mm/a.c"
commit 'mm: write a number' 'It is 50.'
sed -i 's/^10$/ten/' "$C/patched-src/arch/x86/kvm/mmu.c"
commit 'KVM: x86/mmu: Write a number' 'It is 10.'
mkdir -p "$C/patched-src/tools/testing/selftests/kvm"
echo '#!/bin/sh' >"$C/patched-src/tools/testing/selftests/kvm/test.sh"
chmod +x "$C/patched-src/tools/testing/selftests/kvm/test.sh"
tree git add -f tools/testing/selftests/kvm/test.sh
commit 'KVM: selftests: Add a test' 'Test.'
tree refresh 2>/dev/null

## the mails
works "all of it" series
lacks "is ok" '^not ok'
says "to the last mail" "ok 12 - 0003-KVM-selftests-Add-a-test.patch"
says "and no further" "1..12"
works "nothing stays in the cache" sh -c "! ls -d '$C'/am-src*"
works "the letter has its subject" grep -qx 'Subject: \[PATCH 0/3\] mm, KVM: made up' "$M/0000-cover-letter.patch"
works "says what it is based on" grep -qxF "Base: Debian's linux-source-6.12 6.12.1-1." "$M/0000-cover-letter.patch"
works "lists the patches" grep -qx '  KVM: x86/mmu: Write a number' "$M/0000-cover-letter.patch"
works "and the files" grep -q '3 files changed' "$M/0000-cover-letter.patch"
works "has no comment" sh -c "! grep '^#' '$M/0000-cover-letter.patch'"
works "is by who wrote the patches" grep -q '^From: A <a@example.org>' "$M/0000-cover-letter.patch"
works "new files are in the mails" grep -q '^+#!/bin/sh' "$M/0003-KVM-selftests-Add-a-test.patch"
works "and no longer named in a trailer" sh -c "! grep New-file: '$M'/*"
cp "$M/0000-cover-letter.patch" "$T/first"
works "one more export" tree export-series "$T/again"
works "gives the same letter" cmp "$T/first" "$T/again/0000-cover-letter.patch"

## what git am gives
echo extra >"$C/patched-src/objtool"
works "a file that no mail has" series
says "is noticed" "not ok 3 - they give patched-src byte for byte"
says "by name" "patched-src/objtool differ"
seq 9 >"$C/patched-src/objtool"
touch "$C/patched-src/mm/stray.c"
works "a file too many" series
says "is noticed, too" "patched-src/mm: stray.c"
rm "$C/patched-src/mm/stray.c"
mkdir "$C/patched-src/obj"
touch "$C/patched-src/obj/vmlinux" "$C/patched-src/mm/x.pyc"
works "what is built" series
says "is not in the way" "ok 3 - they give"
rm -r "$C/patched-src/obj" "$C/patched-src/mm/x.pyc"
chmod +x "$C/patched-src/mm/a.c"
LAB_KEEP=1 works "a program that is none" series
says "is noticed as well" "not ok 4 - and its programs"
chmod -x "$C/patched-src/mm/a.c"
sed -i 's/^60$/60 /' "$C/patched-src/mm/a.c"
commit 'mm: add a blank' 'One too many.'
works "a blank at the end of a line" series
says "is heard of" "not ok 1 - git am takes the series and says nothing but what it applies"
says "by git's word" "trailing whitespace"
says "nor is a patch without a place in the letter" "not ok 7 - its order of the patches"
says "ok" "# it ends with 3, and there are 4"
tree git reset -q --hard refs/lab/applied

sed -i "s/^50$/x/" "$C/pristine/mm/a.c"
works "a kernel that the series does not fit to" series
says "is not ok" "not ok 1 - git am"
says "by the name of the patch" "Patch failed at 0002 mm: write a number"
says "and has not all of the commits" "not ok 2 - each mail is a commit"
seq 100 >"$C/pristine/mm/a.c"

## the letter
letter 's/123.4/123.5/'
works "a figure that is nowhere else" series
says "is not ok" "# 123.5 is neither in README.md"
mkdir "$R/lab/mutants"
echo "Caught-by: kunit" >"$R/lab/mutants/a.patch"
echo "Not-caught: why" >"$R/lab/mutants/b.patch"
letter 's/^None/2 mutants, of which the tests notice 1/'
works "the mutants that there are" series
says "are ok" "ok 9 - and its mutants"
printf -- '--- a/mm/a.c\n+++ b/mm/a.c\n@@ -1 +1 @@\n-never there\n+one\n' >>"$R/lab/mutants/a.patch"
works "one that does not apply" series
says "is not ok" "not ok 5 - the bugs of lab/mutants apply to them"
says "by its file" "error: mm/a.c: patch does not apply"
sed -i '/^---/,$d' "$R/lab/mutants/a.patch"
letter 's/^None/3 mutants, of which the tests notice 3/'
works "others" series
says "are not" "# there are 2 mutants"
says "nor those that are noticed" "# the tests notice 1 of them"
rm -r "$R/lab/mutants"
letter 's/2-3/3/'
works "a patch that is left out" series
says "is not ok" "# after 1 comes 3"
letter 's/^None/This line is much longer than a line in a mail should be, if anybody is to quote it./'
works "a long line" series
says "is not ok" "# body: 85 characters, of 75"
letter 's/^mm, KVM.*//'
works "a letter whose subject is its body" series
says "has a subject nevertheless, that of the body" "ok 6 - the letter has its form"
rm "$P/cover-letter.txt"
fails "no letter" "there is no cover letter" series

## forms
right "a good mail of KVM" 'KVM: x86/mmu: Write a number'
right "one of KVM as such" 'KVM: Write a number'
right "one of mm" 'mm: multi-gen LRU: write a number' '' mm/a.c
right "one of a tool" 'tools/mm: write a number' '' tools/mm/a.c
right "functions as they should be" 'KVM: Write a number' "age_this_gfn() calls flush_that_gfn(), and as_op_does is an op.
kvm_mmu_fast is no function, see mm/age_this_gfn.

$SIGNED"
right "more tags" 'KVM: Write a number' "Because.

Reported-by: Somebody With A Very Long Name, And A Long Address <somebody.with@a.long.address.example.org>
$SIGNED"
wrong "a lower-case letter in KVM" 'subject: neither' 'KVM: x86/mmu: write a number'
wrong "a capital letter in mm" 'subject: neither' 'mm: Write a number' '' mm/a.c
wrong "a topic that KVM does not have" 'subject: neither' 'KVM: x86/kvm: Write a number'
wrong "kvm in small letters" 'subject: neither' 'kvm: x86: Write a number'
wrong "no prefix" 'subject: neither' 'Write a number'
wrong "a full stop" 'subject: ends with punctuation' 'KVM: Write a number.'
wrong "a long subject" 'subject: 76 characters, of 75' \
	'KVM: x86/mmu: Write a number that takes a good deal more than it should take'
wrong "what somebody did" 'subject: "Added" is not imperative' 'KVM: Added a number'
wrong "what somebody does" 'subject: "fixes" is not imperative' 'mm: fixes a number' '' mm/a.c
wrong "files of others" 'subject does not fit to files: arch/x86/kvm/mmu.c' 'KVM: selftests: Write a number'
wrong "no file of its own" 'subject does not fit to files: nothing in arch/x86/kvm' 'KVM: x86: Write a number' '' mm/a.c
wrong "no signature" 'tags: the last line is not' 'KVM: Write a number' 'Because.'
wrong "somebody else's" 'tags: the last line is not' 'KVM: Write a number' "Because.

Signed-off-by: B <b@example.org>"
wrong "a tag after it" 'tags: the last line is not' 'KVM: Write a number' "Because.

$SIGNED
Cc: B <b@example.org>"
wrong "no line between" 'tags: an empty line is missing before them, after: Because.' 'KVM: Write a number' "Because.
$SIGNED"
wrong "nothing but tags" 'body: empty' 'KVM: Write a number' "$SIGNED"
wrong "a long line" 'body: 79 characters, of 75' 'KVM: Write a number' "Because nobody can read a line that goes on and on, and never comes to an end..

$SIGNED"
wrong "this patch" 'body: say what to do' 'KVM: Write a number' "This patch writes it.

$SIGNED"
wrong "a pronoun" 'body: pronoun "we"' 'KVM: Write a number' "Here we write it.

$SIGNED"
wrong "a function without parentheses" 'body: age_this_gfn is a function' 'KVM: Write a number' "Let age_this_gfn do it.

$SIGNED"
wrong "a trailer of the repository" 'body: names files' 'KVM: Write a number' "Because.

$SIGNED
New-file: mm/b.c"
fails "no mail" "there is no mail $T/none" series "$T/none"
done_testing
