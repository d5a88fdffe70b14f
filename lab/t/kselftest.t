#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Tests what lab/kselftest.awk makes of the output of the kselftest runner.
set -euo pipefail
. "$(dirname "$0")/tap.sh"

AWK=$(dirname "$0")/../kselftest.awk

# runner RESULT SUBTEST...: what the runner prints for one program
runner()
{
	local result=$1 line
	shift
	printf '%s\n' 'TAP version 13' 1..1 '# timeout set to 120' '# selftests: kvm: prog'
	for line in "$@"; do
		echo "# $line"
	done
	echo "$result"
}

# judge [-v NAME=VALUE...]: with the output of the runner in $T/in
judge()
{
	awk "$@" -f "$AWK" "$T/in"
}

passed='ok 1 selftests: kvm: prog'
failed='not ok 1 selftests: kvm: prog # exit=1'
skipped='ok 1 selftests: kvm: prog # SKIP'
printf '%s\n' '# comment' '' 'kvm:prog:new # why' >"$T/new"

runner "$passed" 1..2 'ok 1 a' 'ok 2 b # SKIP no swap' >"$T/in"
works 'all passed' judge -v wanted=kvm:prog
says 'subtests are results' 'ok 1 kvm:prog:a'
says 'a skip keeps its reason' 'ok 2 kvm:prog:b # SKIP no swap'
says 'the plan counts subtests' '1..2'
fails 'a wanted program did not report' 'not ok 3 mm:other' judge -v wanted='kvm:prog mm:other'

runner "$failed" 1..2 'ok 1 a' 'not ok 2 b' >"$T/in"
fails 'a failed subtest' 'not ok 2 kvm:prog:b' judge

runner "$passed" 1..3 '# ok 1 of a' 'ok 1 a' '# ok 1 of b' '# not ok 2 of b' '# # Totals' 'ok 2 b' '# ok 1 of c' 'ok 3 c' >"$T/in"
fails 'a subtest that keeps quiet about its own' 'not ok 2 kvm:prog:b' judge
says 'the one before did not' 'ok 1 kvm:prog:a'
says 'nor the one after it' 'ok 3 kvm:prog:c'

runner "$failed" 1..2 'ok 1 a' 'ok 2 b' >"$T/in"
fails 'a program that failed after its subtests' 'not ok 3 kvm:prog' judge

runner "$failed" 1..3 'ok 1 a' >"$T/in"
fails 'a program that died midway' '1 results for a plan of 3' judge

runner "$passed" 'ok 1 a' >"$T/in"
fails 'subtests without a plan' 'not ok 2 kvm:prog' judge

runner "$passed" >"$T/in"
works 'a program without subtests' judge
says 'it is a result itself' 'ok 1 kvm:prog'
runner "$skipped" >"$T/in"
works 'a program that was skipped' judge
says 'it is a skipped result' 'ok 1 kvm:prog # SKIP'
runner "$skipped" 'Random seed: 1' '1..0 # SKIP - no VMX' >"$T/in"
works 'a program that said why' judge
says 'is skipped for that' 'ok 1 kvm:prog # SKIP no VMX'
runner "$skipped" 'HUGETLB is not enabled' >"$T/in"
works 'in its own words' judge
says 'as well' 'ok 1 kvm:prog # SKIP HUGETLB is not enabled'
runner "$passed" 1..3 '# ok 2 # SKIP no secrets' '# # Totals: skip:1' 'ok 1 a # SKIP' \
	'# SKIP ./other' '# running ./b' 'ok 2 b # SKIP' '# CONFIG=m' '# [SKIP]' 'ok 3 c # SKIP' >"$T/in"
works 'subtests that are skipped' judge
says 'for the reason of what is inside' 'ok 1 kvm:prog:a # SKIP no secrets'
says 'or in their own words' 'ok 3 kvm:prog:c # SKIP CONFIG=m'
works 'not for that of another' sh -c "awk -f '$AWK' '$T/in' | grep -qx 'ok 2 kvm:prog:b # SKIP'"

runner "$passed" 1..1 'ok 1 # SKIP a' >"$T/in"
works 'a skip before the name' judge
says 'is one of that name' 'ok 1 kvm:prog:a # SKIP'

runner "$failed" >"$T/in"
fails 'a program that failed' 'not ok 1 kvm:prog # exit=1' judge

runner "$passed" 1..1 'ok 1 a' | head -n 5 >"$T/in"
fails 'a runner that was cut off' 'not ok 1 kvm:prog' judge -v wanted=kvm:prog
: >"$T/in"
fails 'a runner that said nothing' '1..0' judge

runner "$failed" 1..2 'ok 1 old' 'not ok 2 new' >"$T/in"
works 'new behaviour fails on an old kernel' judge -v new="$T/new"
fails 'and is a failure elsewhere' 'not ok 2 kvm:prog:new' judge
runner "$failed" 1..2 'not ok 1 old' 'not ok 2 new' >"$T/in"
fails 'old behaviour must work on an old kernel' 'not ok 1 kvm:prog:old' judge -v new="$T/new"
runner "$passed" 1..2 'ok 1 old' 'ok 2 new' >"$T/in"
fails 'new behaviour on an old kernel' 'must fail on this kernel, passed' judge -v new="$T/new"
runner "$passed" 1..1 'ok 1 new # SKIP' >"$T/in"
fails 'new behaviour skipped' 'must fail on this kernel, was skipped' judge -v new="$T/new"
runner "$passed" 1..1 'ok 1 old' >"$T/in"
fails 'new behaviour absent' 'must fail on this kernel, did not run' judge -v new="$T/new"
fails 'no list of new behaviour' 'Bail out!' judge -v new="$T/nothing"

done_testing
