#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Runs kselftests with the kernel's own runner; prints one flat TAP.
#
#   lab/boot.sh [OPTION...] -- lab/vm-kselftest.sh [-n] [COLLECTION:TEST...]
#
#   -n	the kernel lacks the series: tests of lab/new-behaviour must fail
#
# It runs in a host VM of lab/boot.sh, on what "lab/build.sh selftests" has
# installed; without a name, all of that.  It gives the VM swap on zram, which
# the tests of reclaim need.  lab/kselftest.awk says what the lines mean; the
# exit code is 0 if none is "not ok".

set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$LAB/host.sh"

TESTS=$CACHE/kselftest
# The timeouts of the tests are for real machines.
new='' options=(-o 600)

[ -n "${LAB_KERNEL-}" ] || die 'not in a VM of the lab' "use: lab/boot.sh -- lab/${0##*/} $*"
[ -f "$TESTS/kselftest-list.txt" ] || die "no tests in $TESTS" 'run: lab/build.sh selftests'
if [ "${1-}" = -n ]; then
	new=$LAB/new-behaviour
	shift
fi
[ $# -gt 0 ] || mapfile -t tests <"$TESTS/kselftest-list.txt"
[ $# -eq 0 ] || tests=("$@")
for name in "${tests[@]}"; do
	options+=(-t "$name")
done

swap_on_zram 256M
"$TESTS/run_kselftest.sh" "${options[@]}" 2>&1 |
	awk -v wanted="${tests[*]}" -v new="$new" -f "$LAB/kselftest.awk"
