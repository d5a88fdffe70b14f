#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Says whether the series is fit to be mailed, as TAP: "git am" puts it on Debian's kernel without
# a word and gives patched-src byte for byte; cover letter and changelogs have the form that
# maintainers ask for.
#
#   series.sh			all of that
#   series.sh MAIL...		only the form of these mails
#
# Rules are those of Documentation/process/submitting-patches.rst, and of maintainer-kvm-x86.rst
# for KVM.  What cannot be decided without false alarms is left to who reads the mails.
# lab/lint.sh asks checkpatch, lab/steps.sh compiles each patch; nothing is corrected here.
set -eu
# shellcheck source=lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=lab/tap.sh
. "$LAB/tap.sh"

OUT=$BUILD/mails
MAILS=$OUT/mails
LETTER=$MAILS/0000-cover-letter.patch
SERIES=$ROOT/patches/$VERSION
# Prefixes that each tree has; KVM goes on with a capital letter, mm does not.
KVM='^KVM: ((x86|x86/mmu|x86/pmu|x86/xen|selftests|SVM|nSVM|VMX|nVMX|arm64): )?[A-Z]'
MM='^(mm|selftests/mm|tools/mm|Docs/mm): ((mmu_notifier|multi-gen LRU|vmscan|vmstat|rmap): )?[a-z]'
# The verbs of most subjects, as nobody orders somebody to do it
NO_ORDER='(add|allow|call|check|count|drop|fix|flush|ignor|introduc|mak|mov|record|remov|renam|replac|skip|trac|us)(s|es|ed|d|ing)'

# silent COMMAND...: it succeeds if it has nothing to say
silent()
{
	! "$@" | grep .
}

# A user's settings must not decide what applies.
agit()
{
	(cd "$tree" && GIT_DIR=$OUT/git GIT_WORK_TREE=$tree GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null \
		GIT_COMMITTER_NAME=lab GIT_COMMITTER_EMAIL=lab@localhost \
		GIT_AUTHOR_NAME=lab GIT_AUTHOR_EMAIL=lab@localhost git "$@")
}

## the tree

# touched: what the mails edit or add
touched()
{
	local mail
	for mail in "$MAILS"/*.patch; do
		agit apply --numstat --allow-empty "$mail"
	done | cut -f 3 | LC_ALL=C sort -u
}

# am: on a tree of links, as git replaces files; git knows only those that the mails need, since
# adding a whole kernel takes half a minute
am()
{
	agit init -q
	touched | while read -r file; do
		[ ! -e "$tree/$file" ] || echo "$file"
	done | agit update-index --add --stdin
	agit commit -q -m "linux-source $(cat "$CACHE/pristine.version")"
	agit tag base
	agit am --empty=drop "$MAILS"/*.patch >"$OUT/am" 2>&1 || { cat "$OUT/am"; return 1; }
	! grep -v '^Applying: \|^Skipping: ' "$OUT/am"
}

subjects()
{
	local mail
	for mail in "$MAILS"/*.patch; do
		[ "$mail" = "$LETTER" ] || git mailinfo /dev/null /dev/null <"$mail" | sed -n 's/^Subject: //p'
	done
}

# Each mail but the letter is a commit, whose subject is that of the mail.
commits()
{
	diff <(subjects) <(agit log --reverse --format=%s base..)
}

# top: what lies in one of the two trees, but for what was built there
top()
{
	find "$tree" "$CACHE/patched-src" -mindepth 1 -maxdepth 1 ! -name obj ! -name 'obj-*' -printf '%P\n' | LC_ALL=C sort -u
}

# What python and the selftests of mm leave in their sources is not the series'.
differences()
{
	top | while read -r entry; do
		diff -rq --no-dereference "$tree/$entry" "$CACHE/patched-src/$entry" 2>&1 || :
	done | grep -vE '^Only in .*/patched-src/.*: (.*\.pyc|__pycache__|local_config\.[a-z]+)$' || :
}

programs()
{
	(cd "$1" && find . \( -path ./obj -o -path './obj-*' \) -prune -o -type f -perm -u+x -print | LC_ALL=C sort)
}

same_programs()
{
	diff <(programs "$tree") <(programs "$CACHE/patched-src")
}

# mutants_apply: else "make mutants", which takes hours, would be the first to notice
mutants_apply()
{
	local mutant
	[ -d "$LAB/mutants" ] || return 0
	for mutant in "$LAB"/mutants/*.patch; do
		agit apply --check --allow-empty "$mutant" 2>&1 || :
	done
}

tree_tests()
{
	# interrupted runs leave theirs behind
	find "$CACHE" -maxdepth 1 -name 'am-src.*' -mmin +600 -exec rm -rf {} +
	tree=$(mktemp -d "$CACHE/am-src.XXXXXX")
	trap 'rm -rf "$tree"' EXIT
	cp -al "$CACHE/pristine/." "$tree"
	result 'git am takes the series and says nothing but what it applies' am
	result 'each mail is a commit' commits
	result 'they give patched-src byte for byte' silent differences
	result 'and its programs' same_programs
	result 'the bugs of lab/mutants apply to them' silent mutants_apply
}

## a mail

# read_mail FILE: leaves subject, from and email; $OUT/body and $OUT/diff
read_mail()
{
	GIT_DIR=/nonexistent git mailinfo "$OUT/body" "$OUT/diff" <"$1" >"$OUT/info"
	subject=$(sed -n 's/^Subject: //p' "$OUT/info")
	from=$(sed -n 's/^Author: //p' "$OUT/info")
	email=$(sed -n 's/^Email: //p' "$OUT/info")
	# a letter has no line that ends its body
	sed '/^Base: /q' "$OUT/body" >"$OUT/prose"
}

subject_form()
{
	local first=${subject##*: }
	[ -n "$subject" ] || echo "no subject"
	[ ${#subject} -le 75 ] || echo "subject: ${#subject} characters, of 75"
	[[ $subject != *[.:,\;] ]] || echo "subject: ends with punctuation"
	[[ $subject =~ $KVM || $subject =~ $MM ]] ||
		echo "subject: neither \"KVM: topic: Capital\" nor \"mm: topic: lower case\" with a topic that is known"
	! grep -qiE "^$NO_ORDER\$" <<<"${first%% *}" || echo "subject: \"${first%% *}\" is not imperative"
}

# The subject says whose patch it is, the files must agree.
files_fit()
{
	local files
	files=$(sed -n 's,^diff --git a/[^ ]* b/,,p' "$OUT/diff")
	case $subject in
	'KVM: selftests: '*) grep -v '^tools/testing/selftests/kvm/' <<<"$files" || : ;;
	'selftests/mm: '*) grep -v '^tools/testing/selftests/mm/' <<<"$files" || : ;;
	'tools/mm: '*) grep -v '^tools/mm/\|^Documentation/' <<<"$files" || : ;;
	'KVM: x86'*) grep -q '^arch/x86/kvm/' <<<"$files" || echo 'nothing in arch/x86/kvm' ;;
	'KVM: '*) grep -q 'kvm' <<<"$files" || echo 'nothing of KVM' ;;
	'mm: '*) grep -q 'mm/\|include/' <<<"$files" || echo 'nothing of mm' ;;
	esac | sed 's/^/subject does not fit to files: /'
}

# Tags are as long as names are, and so are lines without a blank.
body_form()
{
	awk 'length > 75 && !/^[A-Z][A-Za-z-]+: / && / / { print "body: " length " characters, of 75: " $0 }' "$OUT/prose"
	sed -n 's/.*\<[Tt]his \(patch\|commit\)\>.*/body: say what to do, not what this patch does: &/p' "$OUT/prose"
	! grep -n '^New-file: ' "$OUT/body" || echo 'body: names files for lab/tree.sh'
	[[ $subject != KVM:* ]] || sed -nE 's/.*\<([Ww]e|[Uu]s|[Oo]ur|[Yy]ours?|[Yy]ou|My|my)\>.*/body: pronoun "\1": &/p' "$OUT/prose"
}

# names: words of the text that look like a function's, without parentheses
names()
{
	{ echo "$subject"; cat "$OUT/body"; } | grep -oE '[A-Za-z0-9_/.>()-]+' |
		sed 's/[.)-]*$//; /($/d' | grep -xE '[a-z][a-z0-9]*(_[a-z0-9]+)+' | LC_ALL=C sort -u || :
}

# functions: those of the names that the diff calls or defines, not as an op
functions()
{
	local name
	[[ $subject != KVM:* ]] || names | while read -r name; do
		! grep -qE "^[-+ @]([^*]*[^*A-Za-z0-9_>.])?$name\(" "$OUT/diff" ||
			echo "body: $name is a function: $name()"
	done
}

# Who wrote it signs last.
tags_form()
{
	local last
	last=$(sed '/^[[:space:]]*$/d' "$OUT/body" | tail -n 1)
	[ "$last" = "Signed-off-by: $from <$email>" ] || echo "tags: the last line is not \"Signed-off-by: $from <$email>\""
	awk -v RS= '{ last = $0 } END { print last }' "$OUT/body" | grep -vE '^[A-Z][A-Za-z-]+: ' |
		sed 's/^/tags: an empty line is missing before them, after: /'
	grep -vE '^([A-Z][A-Za-z-]+: .*)?$' "$OUT/body" | grep -q . || echo 'body: empty'
}

form()
{
	read_mail "$1"
	subject_form
	files_fit
	body_form
	functions
	tags_form
}

## the cover letter

letter_form()
{
	read_mail "$LETTER"
	[ -n "$subject" ] || echo 'no subject'
	[ ${#subject} -le 75 ] || echo "subject: ${#subject} characters, of 75"
	! grep -n 'SUBJECT HERE\|BLURB HERE' "$LETTER" || echo 'it is git'\''s form, not filled in'
	grep -qxF "Base: Debian's linux-source-$VERSION $(cat "$CACHE/pristine.version")." "$OUT/body" || echo 'no base'
	body_form
	grep -q '^From: ' "$LETTER" && [ "$(mail_author "$LETTER")" = "$(mail_author "$MAILS/0001-"*)" ] ||
		echo 'not from who wrote the patches'
	grep -q '^ [0-9]* files changed' "$LETTER" || echo 'no diffstat'
	[ "$(grep -c '^  [A-Za-z]' <(sed '1,/^Base: /d' "$LETTER"))" -ge 1 ] || echo 'no list of patches'
}

mail_author()
{
	GIT_DIR=/nonexistent git mailinfo /dev/null /dev/null <"$1" | grep '^Author\|^Email'
}

# groups: the letter's order of patches leaves none out and names none twice
groups()
{
	awk -v last="$(($(find "$MAILS" -name '*.patch' | wc -l) - 1))" '
		/^Order$/ { order = 1; next }
		/^=+$/ && n { exit }
		order && /^  [0-9]+(-[0-9]+)? / {
			if (split($1, to, "-") == 1)
				to[2] = to[1]
			if (to[1] != n + 1 || to[2] < to[1])
				print "after " n + 0 " comes " $1
			n = to[2]
		}
		END { if (n != last) print "it ends with " n + 0 ", and there are " last }' "$SERIES/cover-letter.txt"
}

# figures: those of the letter's tables that are nowhere else; what is measured anew changes there
figures()
{
	sed -n '/^Figures$/,/^Testing$/p' "$SERIES/cover-letter.txt" | grep -oE '\<[0-9]+(\.[0-9]+)?\>' |
		grep -E '...' | grep -vxE '0x.*' | LC_ALL=C sort -u | while read -r figure; do
			grep -rqwF -e "$figure" "$ROOT/README.md" "$ROOT/Documentation" "$SERIES"/*.patch ||
				echo "$figure is neither in README.md, nor in Documentation/, nor in a changelog"
		done
}

# mutants: the letter says how many there are, and how many the tests notice
mutants()
{
	local all missed
	[ -d "$LAB/mutants" ] || return 0
	all=$(find "$LAB/mutants" -name '*.patch' | wc -l)
	missed=$(grep -rl '^Not-caught: ' "$LAB/mutants" | wc -l)
	grep -q "\\<$all mutants\\>" "$SERIES/cover-letter.txt" || echo "there are $all mutants"
	grep -q "\\<notice $((all - missed))\\>" "$SERIES/cover-letter.txt" || echo "the tests notice $((all - missed)) of them"
}

rm -rf "$OUT"
mkdir -p "$OUT"
if [ $# -gt 0 ]; then
	for mail; do
		[ -f "$mail" ] || die "there is no mail $mail" 'make series writes them to build/'
		result "${mail##*/}" silent form "$mail"
	done
	echo "1..$tests"
	exit
fi
"$LAB/tree.sh" export-series "$MAILS"
[ -e "$LETTER" ] || die "there is no cover letter" "write patches/$VERSION/cover-letter.txt"
tree_tests
result 'the letter has its form' silent letter_form
result 'its order of the patches is that of the series' silent groups
result 'its figures are those of README.md' silent figures
result 'and its mutants those of lab/mutants' silent mutants
for mail in "$MAILS"/*.patch; do
	[ "$mail" = "$LETTER" ] || result "${mail##*/}" silent form "$mail"
done
echo "1..$tests"
