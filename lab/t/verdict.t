#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# lab/verdict.sh on recorded consoles and TAP.  It boots nothing: data/ has
# what boots left behind, cut to what matters (data/README says how it was made).
set -eu
# shellcheck source=lab/t/tap.sh
. "$(dirname "$0")/tap.sh"
LAB=$(cd "$(dirname "$0")/.." && pwd)
DATA=$LAB/t/data

# judged CODE NAME TEXT: the boot recorded in data/NAME, and what is said about it
judged()
{
	exits "$1" "$2: exit $1" "$LAB/verdict.sh" "$DATA/$2/results" "$DATA/$2/console"
	[ -z "$3" ] || says "$2: says why" "$3"
}

judged 0 clean ''
judged 0 oom ''
judged 0 fault ''
judged 1 failed 'the command failed (3)'
judged 2 warn 'WARNING: CPU: 0 PID: '
says 'warn: prints what follows' '__queue_delayed_work+'
judged 2 warn-after-success 'WARNING: CPU'
judged 2 oops 'Oops: 0000'
judged 2 lockdep 'possible circular locking dependency detected'
judged 2 trace 'a stack dump that nothing above explains'
judged 3 panic 'Unable to mount root fs'
judged 3 no-verdict 'without a verdict'
judged 3 truncated 'without a verdict'
judged 4 int3 'runs stale code'

# Every pattern is one that awk accepts, with its reason.
works 'lab/splats has three fields a line' awk -F '\t' '
	/^(#|$)/ { next }
	NF != 3 || $1 !~ /^(splat|emulator|cause)$/ || !$3 { print; bad = 1 }
	"" ~ $2 { print "matches everything: " $0; bad = 1 }
	END { exit bad }' "$LAB/splats"

# spotted TEXT: a console with this line is not clean
spotted()
{
	echo "lab: exit 0" >"$T/results"
	printf '[    1.000000] %s\n' 'kernel starts' "$1" >"$T/console"
	exits 2 "a splat: $1" "$LAB/verdict.sh" "$T/results" "$T/console"
}

# ignored TEXT: a console with this line is clean
ignored()
{
	echo "lab: exit 0" >"$T/results"
	printf '[    1.000000] %s\n' 'kernel starts' "$1" >"$T/console"
	exits 0 "no splat: $1" "$LAB/verdict.sh" "$T/results" "$T/console"
}

spotted 'BUG: KASAN: slab-use-after-free in lru_gen_look_around+0x10/0x20'
spotted 'BUG: KCSAN: data-race in kvm_age_gfn / kvm_tdp_mmu_map'
spotted 'BUG: sleeping function called from invalid context at mm/util.c:1'
spotted 'kernel BUG at mm/vmscan.c:1234!'
spotted 'Oops: general protection fault, probably for non-canonical address 0xdead: 0000 [#1] SMP'
spotted 'UBSAN: shift-out-of-bounds in virt/kvm/aging.c:1:2'
spotted 'kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)'
spotted 'INFO: task khugepaged:31 blocked for more than 122 seconds.'
spotted 'watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [qemu:99]'
spotted 'rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:'
spotted 'WARNING: suspicious RCU usage'
spotted 'kvm_amd: set kvm_amd.dump_invalid_vmcb=1 to dump internal KVM state.'
spotted 'Internal error: synchronous external abort: 0000000096000010 [#1] SMP'
spotted 'Call trace:'
ignored 'traps: stress-ng[57] general protection fault ip:7f00 sp:7ffe error:0 in libc.so.6'
ignored 'kvm: kvm [96]: vcpu0, guest rIP: 0xffffffff81005bf5 Unhandled WRMSR(0xc0010007) = 0xffff'

exits 1 'a file that is not there' "$LAB/verdict.sh" "$T/none" "$T/console"
exits 1 'one file' "$LAB/verdict.sh" "$T/console"
says 'says how to use it' 'use: verdict.sh RESULTS CONSOLE'

# counted CODE FILE COUNTS TEXT: the TAP in data/FILE
counted()
{
	exits "$1" "$2: exit $1" "$LAB/verdict.sh" --tap "$DATA/$2"
	says "$2: $3" "$3"
	works "$2: that is the last line" test "$(tail -n 1 "$T/out")" = "$3"
	[ -z "$4" ] || exits 1 "$2: $4" sh -c "'$LAB/verdict.sh' --tap '$DATA/$2' >'$T/out'"
	[ -z "$4" ] || says "$2: says why" "$4"
}

counted 0 pass.tap '2 passed, 0 failed, 0 skipped' ''
counted 0 skip.tap '1 passed, 0 failed, 1 skipped' ''
counted 1 fail.tap '1 passed, 1 failed, 1 skipped' '# exit=1'
counted 0 two-runs.tap '3 passed, 0 failed, 1 skipped' ''
counted 1 truncated.tap '1 passed, 1 failed, 0 skipped' 'number 2 is missing'

# tap CODE NAME COUNTS LINE...: a stream of these lines
tap()
{
	local code=$1 name=$2 counts=$3
	shift 3
	printf '%s\n' "$@" >"$T/tap"
	exits "$code" "TAP, $name" "$LAB/verdict.sh" --tap "$T/tap"
	says "TAP, $name: $counts" "$counts"
}

tap 0 'plan at the end' '2 passed, 0 failed, 0 skipped' 'ok 1 - a' 'ok 2 - b' '1..2'
tap 0 'everything skipped' '0 passed, 0 failed, 1 skipped' '1..0 # SKIP no swap'
tap 0 'lines of others' '1 passed, 0 failed, 0 skipped' '1..1' '# not ok 1 inner' 'okay' 'ok 1' 'lab: exit 0'
tap 1 'no plan' '1 passed, 1 failed, 0 skipped' 'ok 1'
tap 1 'no tests' '0 passed, 1 failed, 0 skipped' '1..0'
tap 1 'nothing at all' '0 passed, 1 failed, 0 skipped' ''
tap 1 'a number twice' '2 passed, 2 failed, 0 skipped' '1..2' 'ok 1' 'ok 1'
tap 1 'a number too high' '2 passed, 1 failed, 0 skipped' '1..2' 'ok 1' 'ok 3'
tap 1 'one result too many' '2 passed, 1 failed, 0 skipped' '1..1' 'ok 1' 'ok 2'
tap 1 'two plans' '1 passed, 1 failed, 0 skipped' '1..1' 'ok 1' '1..1'
tap 1 'a run without plan before another' '2 passed, 1 failed, 0 skipped' \
	'TAP version 13' 'ok 1' 'TAP version 13' '1..1' 'ok 1'
tap 1 'bail out' '1 passed, 2 failed, 0 skipped' '1..2' 'ok 1' 'Bail out! no memory'
: >"$T/empty"
exits 1 'TAP, an empty file among good ones' "$LAB/verdict.sh" --tap "$DATA/pass.tap" "$T/empty"
says 'TAP, an empty file is a failure' '2 passed, 1 failed, 0 skipped'
exits 1 'TAP, no file' "$LAB/verdict.sh" --tap
done_testing
