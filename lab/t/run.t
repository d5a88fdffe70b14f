#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# lab/run.sh with VMs that are pretended: settings, failures, and the table that comes
# out of known results.  It boots nothing and measures nothing.
set -eu
# shellcheck source=lab/t/tap.sh
. "$(dirname "$0")/tap.sh"
LAB=$(cd "$(dirname "$0")/.." && pwd)

R=$T/repo
TABLE=$R/build/run/table.txt

run()
{
	"$R/lab/run.sh" "$@"
}

# with NAME=VALUE...: run.sh with these settings
with()
{
	env "$@" "$R/lab/run.sh"
}

# results KERNEL TEXT: what the pretended VMs of that kernel print from now on
results()
{
	echo "$2" >"$T/$1"
}

# row WHAT STOCK PATCHED RATIO: the table has this row
row()
{
	tr -s ' ' <"$TABLE" | grep -qF "| $1 | $2 | $3 | $4 |"
}

no_table()
{
	[ ! -e "$TABLE" ]
}

mkdir -p "$R/lab" "$R/build/6.12/stock" "$R/build/6.12/patched" "$T/bin"
cp "$LAB"/{lib.sh,vm.sh,run.sh,table.awk,age-cost.c,aged-vm.c,init} "$R/lab"
touch "$R/build/6.12/stock/bzImage"
printf '#!/bin/sh\n' | tee "$R/lab/guest.sh" >"$T/bin/gcc"
cat >"$R/lab/boot.sh" <<'BOOT'
#!/bin/sh
# $2 is the kernel, $6 the directory of the results
mkdir -p "$6"
cp "$FAKE/$2" "$6/results"
! grep -q broken "$6/results"
BOOT
chmod +x "$R/lab/boot.sh" "$R/lab/guest.sh" "$T/bin/gcc"
PATH=$T/bin:$PATH
export FAKE=$T

GOOD='[  0:01] the load runs
kernel 6.12.1
enabled 0x0007
pass_vm_young 900.5
pass_vm_old 800
pass_process_young 200
pass_process_old 100
pass_pages 1000
pass_calls 1010
pass_locks 1000
look_arounds 100
look_arounds_young 10
look_arounds_known 0
look_tests 0
look_calls 730
look_pages 730
look_pages_young 400
calls 2000
locks 1500
memcg_pgmajfault 500
memcg_pgscan 7000
memcg_workingset_refault_anon 600
swapins 590
swapins_hot 0
hot_pages 5000
cold_operations 300
lab: exit 0'
results stock "$GOOD"
results patched "$(sed 's/look_calls .*/look_calls 62/; s/_known 0/_known 50/; s/_tests 0/_tests 2/; s/locks .*/locks 0/' <<<"$GOOD")"

works 'help lists the settings' run --help
says 'with what they mean' LOAD_SECONDS
fails 'an argument is not ignored' usage: run stock
fails 'a setting that is no number' 'RUNS=many: not a number' with RUNS=many
fails 'nor is zero one' 'AGE_MIB=0: not a number' with AGE_MIB=0
fails 'a limit without pressure' 'no pressure' with LIMIT_MIB=420
fails 'a load too big for the guest' 'do not fit' with COLD_MIB=400
fails 'a kernel that is not built' 'no patched kernel' run
says 'which target builds it' 'make kernel'
touch "$R/build/6.12/patched/bzImage"

works 'results make a table' run
works 'of values as they were read' row 'instructions per page of a VM, all young' 900.5 900.5 1.00
works 'of quotients' row 'notifier calls per page' 1.01 1.01 1.00
works 'of what a young page costs' row 'notifier calls per look-around of a young page' 64 2 0.03
works 'with a ratio of 0' row 'mmu_lock write acquisitions by all aging' 1500 0 0.00
works 'with no ratio to 0' row 'swap-ins of the hot set, each a refault' 0 0 -
works 'with the version' grep -qF 'Linux 6.12.1,' "$TABLE"
works 'several runs have a median' with RUNS=2
works 'which says so' grep -qF 'medians of 2 runs' "$TABLE"

results patched broken
fails 'a boot that fails is named' 'the patched kernel failed in pass-instructions' run
says 'with its logs' "$R/build/run/patched-pass-instructions"
works 'and leaves no table' no_table
results stock broken
results patched "$GOOD"
works 'the next run goes on from there' run
says 'and says so' 'stock, pressure-work-1: done before'
fails 'but not the one after it' 'the stock kernel failed in pass-instructions' run
results stock "$GOOD"
works 'all is well again' run
results patched broken
fails 'a boot that fails' 'the patched kernel failed in pass-instructions' run
results patched "$GOOD"
results stock broken
touch "$R/lab/new.sh" && echo : >"$R/lab/new.sh"
fails 'is not gone on from with another lab' 'the stock kernel failed in pass-instructions' run
results stock "$GOOD"
results patched "$(sed '/^calls/d' <<<"$GOOD")"
fails 'a result that is missing is named' 'the patched kernel has no result "calls"' run
works 'and leaves no table' no_table
done_testing
