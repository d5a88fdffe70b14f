#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Puts bugs into the patched kernel, one at a time, and prints TAP: "ok" if the tests notice.
#
#   mutants.sh [NAME...]	lab/mutants/NAME.patch; all of them by default
#
# A mutant's message says what is wrong, and in lines of their own
#
#	Caught-by: TEST...	who should notice, the first to look first: "kunit", or kselftests
#	Mode: CMDLINE		how to boot, e.g. kvm.tdp_mmu=0
#	Not-caught: REASON	why nobody can notice here; it is skipped then
#
# A result that is "not ok" and a kernel that warns or dies are both a notice.  A VM without a verdict
# is none, nor is a test that ran out of time or did not report.  First come the same tests on the series
# without a mutant, where they must pass.  What a test said is left in build/6.12/mutants/NAME, without a
# mutant in none/.  It needs the selftests built.
set -eu
# shellcheck source=lab/lib.sh
. "$(dirname "$0")/lib.sh"

OUT=$BUILD/mutants
tests=0 caught=0

# field NAME PATCH
field()
{
	sed -n "/^---\$/q; s/^$1: //p" "$2"
}

# commit PATCH: the series with it, as a commit that only this name knows
commit()
{
	local index=$CACHE/series.git/mutant.index tree
	rm -f "$index"
	GIT_INDEX_FILE=$index "$LAB/tree.sh" git read-tree series &&
		GIT_INDEX_FILE=$index "$LAB/tree.sh" git apply --cached "$1" &&
		tree=$(GIT_INDEX_FILE=$index "$LAB/tree.sh" git write-tree) &&
		"$LAB/tree.sh" git commit-tree -p series -m "${1##*/}" "$tree"
}

# build COMMIT IMAGE
build()
{
	"$LAB/build.sh" step "$1" bzImage || return 1
	cp "$CACHE/step-src/obj/arch/x86/boot/bzImage" "$2"
}

# runs TEST IMAGE CMDLINE DIRECTORY: leaves what it said in DIRECTORY/TEST; returns the exit code of lab/boot.sh
runs()
{
	local code
	if [ "$1" = kunit ]; then
		"$LAB/kunit.sh" "$2" >"$4/$1" 2>"$4/log" || return 3
		code=$(sed -n 's/.* the kernel did not warn (lab\/boot.sh: \([0-9]*\))$/\1/p' "$4/$1")
		return "${code:-3}"
	fi
	"$LAB/boot.sh" -k "$2" -a "$3" -t 900 -o "$4" -- "$LAB/vm-kselftest.sh" "$1" >"$4/$1" 2>"$4/log"
}

# failures FILE: the names of what failed
failures()
{
	sed -n '/# TIMEOUT\|# did not report\|kunit.py: the results are complete$\|the kernel did not warn (/d
		s/^not ok [0-9]* \(- \)*//p' "$1"
}

# notices TEST IMAGE CMDLINE DIRECTORY: prints what failed
notices()
{
	local rc=0
	runs "$@" || rc=$?
	case $rc in
	0 | 1) failures "$4/$1" | grep -m 1 . ;;
	2) echo 'the kernel warned or died' ;;
	*) return 1 ;;
	esac
}

# try NAME: prints who noticed
try()
{
	local patch=$LAB/mutants/$1.patch dir=$OUT/$1 id test what
	rm -rf "$dir"
	mkdir -p "$dir"
	id=$(commit "$patch") || die "$patch does not apply" "write it anew, or remove it if the bug is no longer possible"
	build "$id" "$dir/bzImage" >&2 || { echo 'it does not compile'; return 1; }
	for test in $(field Caught-by "$patch"); do
		say "$1: $test"
		if what=$(notices "$test" "$dir/bzImage" "$(field Mode "$patch")" "$dir"); then
			echo "$test: $what"
			return
		fi
	done
	echo 'nobody noticed'
	return 1
}

result()
{
	local reason who
	tests=$((tests + 1))
	reason=$(field Not-caught "$LAB/mutants/$1.patch")
	if [ -n "$reason" ]; then
		echo "ok $tests - $1 # SKIP $reason"
	elif who=$(try "$1"); then
		caught=$((caught + 1))
		echo "ok $tests - $1, by $who"
	else
		echo "not ok $tests - $1: $who"
	fi
}

# control TEST MODE: without a mutant it passes
control()
{
	local verdict=ok
	tests=$((tests + 1))
	say "none: $*"
	runs "$1" "$OUT/none/bzImage" "${2-}" "$OUT/none" || verdict='not ok'
	[ -z "$(failures "$OUT/none/$1")" ] || verdict='not ok'
	echo "$verdict $tests - without a mutant $1 passes${2:+, $2}"
}

# controls NAME...: each test in each mode once
controls()
{
	local name patch test mode
	rm -rf "$OUT/none"
	mkdir -p "$OUT/none"
	build series "$OUT/none/bzImage" >&2
	for name; do
		patch=$LAB/mutants/$name.patch
		for test in $(field Caught-by "$patch"); do echo "$test $(field Mode "$patch")"; done
	done | sort -u >"$OUT/none/controls"
	while read -r test mode <&3; do control "$test" "$mode"; done 3<"$OUT/none/controls"
}

for name; do
	[ -f "$LAB/mutants/$name.patch" ] || die "there is no lab/mutants/$name.patch" "see: ls lab/mutants"
done
"$LAB/tree.sh" patched
[ $# -gt 0 ] || {
	mapfile -t all < <(cd "$LAB/mutants" && printf '%s\n' *.patch)
	set -- "${all[@]%.patch}"
}
controls "$@"
for name; do
	result "$name"
done
echo "1..$tests"
say "$caught of $# mutants were noticed"
