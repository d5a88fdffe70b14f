#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Races aging against everything else on kernels that find bugs, over and over, on emulated CPUs that
# run in parallel; prints TAP, a line per boot.
#
#   [MINUTES=60] soak.sh [KERNEL...]	KERNEL is debug or kcsan, both by default
#
# Elsewhere emulated CPUs take turns; these kernels have no jump labels, and need not.  There are three, so
# that where this machine has two each of them stands still at times, wherever it is.
# Each kernel has that time; the boot that it ends in goes on to its end.  Each boot has another
# seed, which its output names.  The output of those that failed stays in build/6.12/soak/KERNEL-N.
set -eu
# shellcheck source=lab/lib.sh
. "$(dirname "$0")/lib.sh"

OUT=$BUILD/soak
TESTS=(kvm:aging_race_test kvm:dirty_aging_race_test kvm:aging_fault_test)
minutes=${MINUTES:-60}
tests=0 failed=0

# The first CPU that finds something would stop the others while they still say what they have found.  What
# is left may wait for what died: the limit of race() ends that.
TALK='panic_on_warn=0 sysctl.kernel.panic_on_oops=0 kasan_multi_shot'

# race KERNEL: its results as TAP
race()
{
	if [ "$1" = kcsan ]; then
		"$LAB/kcsan.sh" -o "$OUT/boot" "${TESTS[@]}"
	else
		"$LAB/boot.sh" -j -s 3 -k "$1" -m 3072 -t 7200 -a "$TALK" -o "$OUT/boot" -- \
			"$LAB/vm-kselftest.sh" -o 3000 "${TESTS[@]}"
	fi
}

# soak KERNEL
soak()
{
	local end=$((SECONDS + minutes * 60)) n rc counts
	"$LAB/build.sh" config "$1" >&2
	for ((n = 1; SECONDS < end; n++)); do
		rc=0
		rm -rf "${OUT:?}/boot"
		race "$1" >"$OUT/tap" || rc=$?
		tests=$((tests + 1))
		counts=$("$LAB/verdict.sh" --tap "$OUT/tap") || [ $rc -ne 0 ] || rc=1
		if [ $rc -eq 0 ]; then
			echo "ok $tests - $1, boot $n: ${counts##*$'\n'}"
			sed -nE 's/^ok [0-9]+ (- )?(.* # SKIP)/# \2/p' "$OUT/tap"
			continue
		fi
		failed=1
		echo "not ok $tests - $1, boot $n ($rc): see $OUT/$1-$n"
		grep '^not ok' "$OUT/tap" | sed 's/^/# /' || :
		mv "$OUT/boot" "$OUT/$1-$n"
		mv "$OUT/tap" "$OUT/$1-$n"
	done
}

[[ $minutes =~ ^[1-9][0-9]{0,4}$ ]] || die "MINUTES=$minutes: not a number from 1 to 99999" 'use: MINUTES=60 lab/soak.sh'
[ $# -gt 0 ] || set -- debug kcsan
for kernel; do
	[ "$kernel" = debug ] || [ "$kernel" = kcsan ] || die "there is no soak on $kernel" 'use: lab/soak.sh [debug] [kcsan]'
done
rm -rf "$OUT"
mkdir -p "$OUT"
"$LAB/build.sh" selftests >&2
for kernel; do
	soak "$kernel"
done
echo "1..$tests"
[ $failed -eq 0 ]
