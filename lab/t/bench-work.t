#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# lab/bench.sh with VMs that are pretended: settings, the order of runs, failures, refusals,
# and the tables that come out of known results.  It boots nothing and measures nothing.
set -eu
# shellcheck source=lab/t/tap.sh
. "$(dirname "$0")/tap.sh"
LAB=$(cd "$(dirname "$0")/.." && pwd)
R=$T/repo
OUT=$R/build/workloads
export FAKE=$T

# bench NAME=VALUE...: bench.sh with these settings, two workloads, and nothing of the caller's
bench()
{
	env -u RUNS -u ARMS -u ACCEL -u ON -u JOBS WORKLOADS=one,two-50 "$@" "$R/lab/bench.sh"
}

# row WORKLOAD WHAT CELL...: the table of it has this row, up to the last of those
row()
{
	local workload=$1 pattern
	shift
	pattern=$(printf '| %s ' "$@")
	awk -v head="| **$workload** " '/^\| \*\*/ { found = 0 } index($0, head) == 1 { found = 1 } found' "$OUT/table.txt" |
		tr -s ' ' | grep -qF "$pattern|"
}

# tsv FIELD...: so has the one for programs
tsv()
{
	local line
	line=$(printf '\t%s' "$@")
	grep -qxF "${line:1}" "$OUT/table.tsv"
}

no_table()
{
	[ ! -e "$OUT/table.txt" ]
}

# boots N: so many there were
boots()
{
	[ "$(wc -l <"$T/boots")" -eq "$1" ]
}

# order ARM...: these were the first boots
order()
{
	[ "$(head -n $# "$T/boots" | cut -d ' ' -f 2 | paste -sd ' ')" = "$*" ]
}

# results ARM RUN TEXT: what a VM of that arm prints in that run from now on
results()
{
	echo "$3" >"$T/$1-$2"
}

# each ARM FIRST STEP: the results of the runs 1 to 5, hot_pages growing by STEP
each()
{
	local i
	for i in 1 2 3 4 5; do
		results "$1" $i "kernel 6.12.1
hot_pages $(($2 + i * $3))
age_ns_per_page 10.$i
gen 0.5 0 1 2 3 4
lab: exit 0"
	done
	results "$1" counts 'kernel 6.12.1
hot_pages 9
notifier_calls 77
lab: exit 0'
}

mkdir -p "$R/lab" "$R/build/6.12/stock" "$R/build/6.12/patched" "$T/bin"
cp "$LAB"/{lib.sh,vm.sh,bench.sh,work-table.awk,work-metrics} "$R/lab"
touch "$R/lab/"{work,count,host,guest,vm}.sh "$R/lab/init"
for name in one two; do
	cat >"$R/lab/work-$name.sh" <<'WORK'
#!/bin/sh
case $1 in
--parameters) printf '%s\n' "ONE_MIB 10 1000 memory" "SAMPLE_MS 500 500 samples" ;;
--prepare) [ ! -e "$FAKE/unprepared" ] || { echo "no program"; exit 1; } ;;
esac
WORK
done
# The arguments after "--" are env, settings, the script, the arm, what, and the pressure.
cat >"$R/lab/boot.sh" <<'BOOT'
#!/bin/bash
while getopts ik:m:s:t:o: option; do
	case $option in
	k) kernel=$OPTARG ;;
	o) out=$OPTARG ;;
	esac
done
run=${out##*-}
arm=${out##*/} arm=${arm%-*}
echo "$kernel $arm $run ${*:$OPTIND}" >>"$FAKE/boots"
[ "$kernel" = "${arm%%-*}" ] || exit 1
cp "$FAKE/$arm-$run" "$out/results"
! grep -q broken "$out/results" || { echo "the $kernel kernel warned" >&2; exit 2; }
BOOT
chmod +x "$R/lab"/{work-*,boot}.sh
for arm in stock-mglru stock-classic patched-off patched-on; do each $arm 1000 10; done
each patched-on 5000 10
touch "$R/build/6.12/stock/bzImage"

works 'help lists the settings' bench A=b "$R/lab/bench.sh" --help
fails 'an argument is not ignored' usage: "$R/lab/bench.sh" fast
fails 'a setting that is no number' 'RUNS=many: not a number' bench RUNS=many
fails 'nor is zero one' 'RUNS=0: not a number' bench RUNS=0
fails 'counting once or not' 'COUNTS=2: neither 0 nor 1' bench COUNTS=2
fails 'a workload that there is not' 'there is no three' bench WORKLOADS=one,three
fails 'an arm that there is not' 'there is no stock-on here' bench ARMS=stock-mglru,stock-on
fails 'an accelerator that there is not' 'ACCEL=hvf: not one of auto tcg kvm' bench ACCEL=hvf
fails 'a place that there is not' 'ON=paper: not one of vm host' bench ON=paper
fails 'a parameter that is no number' 'ONE_MIB=big: not a number' bench ONE_MIB=big
fails 'more than one CPU to emulate' 'emulated hosts have one CPU' bench ACCEL=tcg HOST_CPUS=2
fails 'a kernel that is not built' 'no patched kernel' bench ACCEL=tcg
says 'which target builds it' 'make kernel'
touch "$R/build/6.12/patched/bzImage"
touch "$T/unprepared"
fails 'something that is missing' 'no program' bench ACCEL=tcg
rm "$T/unprepared"

if grep -qwE 'svm|vmx' /proc/cpuinfo; then
	result 0 'ACCEL=kvm is refused without hardware virtualization # SKIP this machine has it'
else
	fails 'ACCEL=kvm is refused without hardware virtualization' 'neither SVM nor VMX' bench ACCEL=kvm
	says 'with what would help' 'nested virtualization'
	fails 'and so is ON=host' 'ON=host: this machine has no hardware virtualization' bench ON=host
	says 'which is not the end' 'the host is emulated then'
fi
works 'nothing was booted so far' [ ! -e "$T/boots" ]

works 'results make a table' bench ACCEL=tcg JOBS=1
works 'each arm ran five times, and once with probes' boots 48
works 'the arms take turns' order stock-mglru stock-classic patched-off patched-on \
	stock-classic patched-off patched-on stock-mglru stock-classic patched-off patched-on stock-mglru
works 'the pressure is handed on' grep -q 'work-two.sh stock-mglru work 50' "$T/boots"
works 'as are parameters' grep -q ' ONE_MIB=10 ' "$T/boots"
works 'each run has a seed' grep -q 'stock-mglru 5 .* SEED=5 ' "$T/boots"
works 'probes are in a run of their own' grep -q 'patched-on counts .*/work-one.sh patched-on counts' "$T/boots"
works 'median and spread, a star where it differs' row one 'pages written to, hot set' \
	'1030 ( 4%)' '1030 ( 4%)' '1030 ( 4%)' '5030 ( 1%) *'
works 'no star where it does not' row two-50 'a pass right after the load, per page, ns' \
	'10.3 ( 4%)' '10.3 ( 4%)' '10.3 ( 4%)' '10.3 ( 4%)'
works 'what was counted' row one 'notifier calls of aging' 77 77 77 77
works 'no row without a number' [ -z "$(grep 'vCPU exits' "$OUT/table.txt")" ]
works 'the same for programs' tsv one hot_pages patched-on 5 5030 5010 5050 '*'
works 'without a star' tsv one hot_pages patched-off 5 1030 1010 1050 ''

works 'what was measured is not measured again' bench ACCEL=tcg
says 'and it says so' 'stock-mglru, 1: done before'
works 'so nothing was booted' boots 48
works 'with other parameters it is' bench ACCEL=tcg ONE_MIB=11 WORKLOADS=one RUNS=1 COUNTS=0
works 'once each' boots 52
works 'no star with less than three runs' row one 'pages written to, hot set' 1010 1010 1010 5010

# a distribution that ministat can't tell from the other
for i in 1 2 3 4 5; do results patched-on $i "kernel 6.12.1
hot_pages $((900 + 60 * i))
lab: exit 0"; done
touch "$R/lab/work.sh" && echo : >>"$R/lab/work.sh"
works 'another lab measures again' bench ACCEL=tcg WORKLOADS=one
works 'a difference that may be chance has no star' row one 'pages written to, hot set' \
	'1030 ( 4%)' '1030 ( 4%)' '1030 ( 4%)' '1080 ( 22%)'

results patched-off 3 'broken'
echo : >>"$R/lab/work.sh"
rm "$T/boots"
fails 'a run that fails is named' 'runs failed: one/patched-off-3' bench ACCEL=tcg JOBS=1 WORKLOADS=one
says 'with what it said' 'the patched kernel warned'
works 'the others went on' boots 24
works 'but there is no table' no_table
each patched-off 1000 10
works 'the next run' bench ACCEL=tcg WORKLOADS=one
works 'runs only that one' boots 25
for i in 1 2 3 4 5; do results stock-mglru $i broken; done
rm "$T/boots"
echo : >>"$R/lab/work.sh"
fails 'if all fail' 'runs failed: one/stock-mglru-1 one/stock-mglru-2 one/stock-mglru-3' bench ACCEL=tcg JOBS=1 WORKLOADS=one
works 'it does not go on for long' boots 11

# rates LINE...: what lab/work.sh makes of that
rates()
{
	printf '%s\n' "$@" >"$T/numbers"
	bash -c "set -eu; LAB='$LAB'; . '$LAB/work.sh'; rates '$T/numbers'" >"$T/rates"
	cat "$T/rates"
}

# has LINE
has()
{
	grep -qxF "$1" "$T/rates"
}

works 'numbers by work' rates 'host_pswpin 30' 'host_swpin_zero 10' 'memcg_pgscan 4000' 'cold_pages 2000' \
	'notifier_calls 100' 'sample hot 1 2'
works 'zero pages are swapped as well' has 'swapped_in 40'
works 'per 1000 of cold work' has 'swapped_in_per_work 20.0000'
works 'calls per 1000 pages scanned' has 'notifier_calls_per_scanned 25.0000'
works 'nothing that was not counted' [ -z "$(grep -e refault -e mmu_lock "$T/rates")" ]
works 'without work' rates 'host_pswpin 30' 'cold_pages 0'
works 'there is no rate' [ -z "$(grep _per_ "$T/rates")" ]
done_testing
