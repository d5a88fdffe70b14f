#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# lab/check.sh with groups that only pretend: what counts as passed, failed, skipped.
set -eu
# shellcheck source=lab/t/tap.sh
. "$(dirname "$0")/tap.sh"
LAB=$(cd "$(dirname "$0")/.." && pwd)
R=$T/repo

# fake NAME COMMAND: a program of the lab that runs COMMAND
fake()
{
	printf '#!/bin/sh\n%s\n' "$2" >"$R/lab/$1"
	chmod +x "$R/lab/$1"
}

check()
{
	"$R/lab/check.sh" "$@"
}

# all_good: every group passes one test
all_good()
{
	local name
	for name in lint.sh steps.sh docs.sh series.sh update.sh deb-test.sh kunit.sh lrugen.sh boot.sh arm64.sh suite.sh mutants.sh t/one.t; do
		fake $name 'echo "ok 1 - fine"; echo 1..1'
	done
	fake build.sh :
}

# counts NAME TOTALS COMMAND...: the last line has these totals
counts()
{
	local rc=0
	"${@:3}" >"$T/out" 2>&1 || :
	[ "$(tail -n 1 "$T/out")" = "$2" ] || rc=1
	result $rc "$1"
}

mkdir -p "$R/lab/t"
cp "$LAB/lib.sh" "$LAB/check.sh" "$LAB/verdict.sh" "$LAB/splats" "$R/lab"
fake deps.sh :
fake vm-kselftest.sh :
mkdir -p "$T/cache/mglru-kvm/6.12/kselftest"
echo kvm:lru_gen_test >"$T/cache/mglru-kvm/6.12/kselftest/ours.txt"
export XDG_CACHE_HOME=$T/cache

# Every group passes one test, and "kernels" six of which one fails without patched.
all_good
works "all groups pass" check
"$R/lab/check.sh" >"$T/out" 2>&1 || :
all=$(($(grep -c '=== ' "$T/out") + 5))
# those that ran at the same time once there were kernels, and the packages
vms=$(($(sed '1,/=== kernels/d' "$T/out" | grep -c ': ended$') + 1))
counts "and are counted" "$all passed, 0 failed, 0 skipped" check
fake lint.sh 'echo "ok 1 - fine"; echo "not ok 2 - bad"; echo "ok 3 # SKIP no reason"; echo 1..3'
counts "failures and skips are counted" "$all passed, 1 failed, 1 skipped" check
fails "and make it fail" "not ok 2 - bad" check lint
fake lint.sh 'echo "ok 1 - fine"; echo 1..1; exit 3'
counts "a group that ends badly is a failure" "$all passed, 1 failed, 0 skipped" check
fake lint.sh 'echo "ok 1 - fine"; echo 1..2'
fails "so is one with less than it planned" "number 2 is missing" check lint
fake lint.sh ':'
fails "so is one that says nothing" "0 passed, 1 failed, 0 skipped" check lint
fake boot.sh 'echo "ok 1 - fine"; echo 1..1; exit 2'
fails "so is a kernel that warns after the last test" "ended with 2 although no test failed" check kselftest
all_good
fake build.sh '[ "$1" != patched ]'
counts "without a kernel, what boots it fails" "$((all - vms - 1)) passed, $((vms + 1)) failed, 0 skipped" check
fake deps.sh 'echo missing; exit 1'
fails "without its packages nothing runs" missing check
fake deps.sh :
all_good
counts "a pattern selects groups" "8 passed, 0 failed, 0 skipped" check 'kselftest*'
counts "a long one runs when it is asked for" "3 passed, 0 failed, 0 skipped" check 'all-intel-*'
counts "so do the kernel's own suites" "14 passed, 0 failed, 0 skipped" check 'suite-*'
counts "and what puts bugs in" "1 passed, 0 failed, 0 skipped" check mutants
for group in coverage mutants steps; do
	fake $group.sh 'echo "ok 1 - fine"; echo "# a branch"; echo 1..1'
done
works "what is not covered" check coverage
says "is listed" "# a branch"
works "how much the code grows" check configs
says "is told" "# a branch"
works "comments on what passed" check mutants
lacks "are not" "a branch"
fails "a group that does not exist" "no group is called frob" check frob
done_testing
