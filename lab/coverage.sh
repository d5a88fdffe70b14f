#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Which branches of the functions that the series touches do the tests take?  Prints TAP, a line per
# function: "ok" if each branch is taken, or lab/uncovered says why it is not; and a line per file
# that this configuration does not compile, "ok" if lab/uncovered says why.
#
# The kernel counts by gcov while KUnit and kselftests run, in each mode of the MMU; lcov adds the
# boots up.  That the tests pass is for lab/check.sh to show: whatever they say here, their branches
# count.  A function is touched if the series changes a line of it, in headers as well.
set -eu
# shellcheck source=lab/lib.sh
. "$(dirname "$0")/lib.sh"

OUT=$BUILD/coverage-of-tests
OBJ=$CACHE/patched-src/obj-coverage
LCOV=(lcov --quiet --rc lcov_branch_coverage=1)
modes=()

# of OPTION...: the difference that the series makes to what is compiled, and included there
of()
{
	"$LAB/tree.sh" git diff "$@" base series -- 'mm/*.[ch]' 'virt/*.[ch]' 'arch/x86/*.[ch]' 'include/linux/*.h' ':!*/tests/*'
}

# compiled: the files that are
compiled()
{
	of --name-only | grep '\.c$'
}

# build: make knows an object by its path from the Makefile that lists it.  gcov subtracts counts to
# know of a branch that has none: one that two CPUs lost would hide what was taken once.
build()
{
	local file object make='cmd_checkdoc= KCFLAGS=-fprofile-update=atomic'
	for file in $(compiled); do
		object=${file%.c}.o
		case $file in
		arch/x86/kvm/*) object=${object#arch/x86/kvm/} ;;
		virt/kvm/*) object=../../../$object ;;
		*) object=${object##*/} ;;
		esac
		make="$make GCOV_PROFILE_$object=y"
	done
	LAB_MAKE=$make "$LAB/build.sh" config coverage
	for file in $(compiled); do
		[ ! -e "$OBJ/${file%.c}.o" ] || [ -e "$OBJ/${file%.c}.gcno" ] || die "nothing counts in $file"
	done
}

# mode NAME OPTION... -- TEST...: boot, run the tests, and keep what was counted
mode()
{
	local name=$1 dir=$OUT/$1 options=()
	shift
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	mkdir -p "$dir/gcov"
	say "=== $name"
	"$LAB/boot.sh" -k coverage -t 3600 -o "$dir" "${options[@]}" -- "$LAB/vm-coverage.sh" "$@" >/dev/null || :
	sed -n 's/\r$//; s/^# gcda //p' "$dir/results" | base64 -d | tar -C "$dir/gcov" -xz ||
		die "$name: the kernel did not tell what it counted" "see $dir/results"
	(cd "$dir/gcov" && find . -name '*.gcda') | sed 's/gcda$/gcno/' |
		while read -r file; do cp "/$file" "$dir/gcov/$file"; done
	logged "coverage-$name" "${LCOV[@]}" -c -d "$dir/gcov" -b "$OBJ" -o "$dir/info"
	modes+=(-a "$dir/info")
}

rm -rf "$OUT"
mkdir -p "$OUT"
build >&2
mapfile -t ours < <(cat "$CACHE/kselftest/ours.txt")
some=(kvm:lru_gen_aging_test kvm:dirty_aging_race_test)
mode tdp -a kunit.enable=1 -- "${ours[@]}"
mode legacy-mmu -a kvm.tdp_mmu=0 -- "${some[@]}"
mode shadow -a kvm_amd.npt=0 -- "${some[@]}"
mode intel-eptad0 -b -a kvm_intel.eptad=0 -- "${some[@]}"
logged coverage "${LCOV[@]}" "${modes[@]}" -o "$OUT/info"
of -U0 >"$OUT/diff"
awk -v src="$CACHE/patched-src/" -v known="$LAB/uncovered" -f "$LAB/coverage.awk" "$OUT/diff" "$OUT/info"
