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
options=()
export FAKE=$T

# bench NAME=VALUE...: bench.sh with these settings, two workloads, and nothing of the caller's
bench()
{
	env -u RUNS -u ARMS -u ACCEL -u ON -u JOBS WORKLOADS=one,two-50 "$@" "$R/lab/bench.sh" "${options[@]}"
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

# each ARM FIRST STEP: the results of the runs 1 to 5, hot_pages growing by STEP, and of those with probes
each()
{
	local i
	for i in 1 2 3 4 5; do
		results "$1" $i "kernel 6.12.1
hot_pages $(($2 + i * $3))
age_ns_per_page 10.$i
gen 0.5 0 1 2 3 4
lab: exit 0"
		results "$1" counts$i "kernel 6.12.1
hot_pages 9
notifier_calls $((70 + i))
lab: exit 0"
	done
}

mkdir -p "$R/lab" "$R/build/6.12/stock" "$R/build/6.12/patched" "$T/bin"
cp "$LAB"/{lib.sh,vm.sh,bench.sh,work-table.awk,work-metrics,kernel.config} "$R/lab"
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
while getopts ia:k:m:s:t:o: option; do
	case $option in
	a) echo "$OPTARG" >>"$FAKE/cmdlines" ;;
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

works 'help lists the settings' "$R/lab/bench.sh" --help
fails 'an argument is not ignored' usage: "$R/lab/bench.sh" fast
fails 'a setting that is no number' 'RUNS=many: not a number' bench RUNS=many
fails 'nor is zero one' 'RUNS=0: not a number' bench RUNS=0
fails 'how often to count' 'COUNTS=no: not a number' bench COUNTS=no
fails 'a workload that there is not' 'there is no three' bench WORKLOADS=one,three
fails 'an arm that there is not' 'there is no stock-on here' bench ARMS=stock-mglru,stock-on
fails 'an accelerator that there is not' 'ACCEL=hvf: not one of auto tcg kvm' bench ACCEL=hvf
fails 'a place that there is not' 'ON=paper: not one of vm host' bench ON=paper
fails 'a parameter that is no number' 'ONE_MIB=big: not a number' bench ONE_MIB=big
fails 'more than one CPU to emulate' 'emulated hosts have one CPU' bench ACCEL=tcg HOST_CPUS=2
fails 'more memory than there is' 'HOST_MIB=9000000, JOBS=1: this machine has' bench ACCEL=tcg HOST_MIB=9000000
options=(--check)
fails 'only to look, where it does not fit' 'this machine has' bench ACCEL=tcg HOST_MIB=9000000
fails 'or cannot be' 'ONE_MIB=big: not a number' bench ACCEL=tcg ONE_MIB=big
works 'needs no kernel' bench ACCEL=tcg JOBS=1
works 'and leaves nothing' [ ! -e "$OUT" ]
options=()
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
works 'each arm ran five times, and as often with probes' boots 80
works 'the arms take turns' order stock-mglru stock-classic patched-off patched-on \
	stock-classic patched-off patched-on stock-mglru stock-classic patched-off patched-on stock-mglru
works "guests' timers expire with the tick of the host" [ "$(sort -u "$T/cmdlines")" = highres=off ]
works 'the pressure is handed on' grep -q 'work-two.sh stock-mglru work 50' "$T/boots"
works 'as are parameters' grep -q ' ONE_MIB=10 ' "$T/boots"
works 'each run has a seed' grep -q 'stock-mglru 5 .* SEED=5 ' "$T/boots"
works 'probes are in runs of their own' grep -q 'patched-on counts2 .* SEED=2 .*/work-one.sh patched-on counts' "$T/boots"
works 'median and spread, a star where it differs' row one 'pages written to, hot set' \
	'1030 ( 4%)' '1030 ( 4%)' '1030 ( 4%)' '5030 ( 1%) *'
works 'no star where it does not' row two-50 'a pass right after the load, per page, ns' \
	'10.3 ( 4%)' '10.3 ( 4%)' '10.3 ( 4%)' '10.3 ( 4%)'
works 'what was counted' row one 'notifier calls of aging (probes)' '73 ( 5%)' '73 ( 5%)' '73 ( 5%)' '73 ( 5%)'
works 'no row without a number' [ -z "$(grep 'vCPU exits' "$OUT/table.txt")" ]
works 'the same for programs' tsv one hot_pages patched-on 5 5030 5010 5050 '*'
works 'without a star' tsv one hot_pages patched-off 5 1030 1010 1050 ''

works 'what was measured is not measured again' bench ACCEL=tcg
says 'and it says so' 'stock-mglru, 1: done before'
works 'so nothing was booted' boots 80
works 'with other parameters it is' bench ACCEL=tcg ONE_MIB=11 WORKLOADS=one RUNS=1 COUNTS=0
works 'once each' boots 84
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
works 'the others went on' boots 40
works 'but there is no table' no_table
each patched-off 1000 10
works 'the next run' bench ACCEL=tcg WORKLOADS=one
works 'runs only that one' boots 41
results patched-off 3 'kernel 6.12.1
age_ns_per_page 10.3
lab: exit 0'
echo : >>"$R/lab/work.sh"
mkdir "$OUT/one/stock-mglru-6" "$OUT/else" "$OUT/else/stock-mglru-1"
echo 'kernel 5.4.0' | tee "$OUT/one/stock-mglru-6/results" >"$OUT/else/stock-mglru-1/results"
works 'a run that lacks a number' bench ACCEL=tcg WORKLOADS=one
works 'leaves the others without a median' row one 'pages written to, hot set' '1030 ( 4%)' '1030 ( 4%)' '4 of 5 runs'
works 'not without those that it has' tsv one age_ns_per_page patched-off 5 10.3 10.1 10.5 ''
works 'nothing for programs' [ -z "$(grep 'hot_pages	patched-off' "$OUT/table.tsv")" ]
works 'no star' [ -z "$(grep 'hot_pages patched-off' "$OUT/one/stars")" ]
works 'the head has the kernels of what is in the table' grep -qx 'Linux 6.12.1; .*' "$OUT/table.txt"
for i in 1 2 3 4 5; do results stock-mglru $i broken; done
rm "$T/boots"
echo : >>"$R/lab/work.sh"
fails 'if all fail' 'runs failed: one/stock-mglru-1 one/stock-mglru-2 one/stock-mglru-3' bench ACCEL=tcg JOBS=1 WORKLOADS=one
works 'it does not go on for long' boots 11

# part_of SCRIPT FUNCTION... -- LINE...: those functions of it, and what calls them
part_of()
{
	local of=$LAB/$1
	shift
	{
		echo "set -eu; . '$LAB/lib.sh'"
		while [ "$1" != -- ]; do
			sed -n "/^$1()/,/^}/p" "$of"
			shift
		done
		printf '%s\n' "${@:2}"
	} >"$T/script"
	bash "$T/script"
}

of_bench()
{
	part_of bench.sh "$@"
}

echo 'ffffffff81000000 T __mmu_notifier_test_clear_young_fast_only' >"$T/symbols"
echo 'ffffffff81000000 T __mmu_notifier_clear_young' >"$T/symbols.stock"
echo 15 >"$T/enabled"
arms=(is_patched keeps_bit choose_host -- 'require_host() { :; }' 'read_arms() { echo "arms $*"; }' ROOT= ON=host ACCEL=auto
	"ENABLED=$T/enabled" "KALLSYMS=$T/symbols")
works 'the arms of the patched kernel' of_bench "${arms[@]}" choose_host
says 'are those' 'arms patched-off patched-on patched-classic'
works 'what it asked it has not changed' grep -qx 15 "$T/enabled"
fails 'a patched kernel that cannot age fast' 'does not keep 0x8' of_bench "${arms[@]}" 'cat() { echo 7; }' choose_host
works 'is no stock kernel' of_bench "${arms[@]}" "KALLSYMS=$T/symbols.stock" 'cat() { echo 7; }' choose_host
says 'which has its own' 'arms stock-mglru stock-classic'
fails 'this machine emulated' 'leave one of them out' of_bench "${arms[@]}" ACCEL=tcg choose_host
here=(require_host -- 'require_kvm() { :; }' VERSION=6.12 "ENABLED=$T/enabled" "ZSWAP=$T/zswap" 'id() { echo 0; }')
fails 'another kernel on this machine' 'this is Linux 6.1.0-30-amd64, no 6.12' \
	of_bench "${here[@]}" 'uname() { echo 6.1.0-30-amd64; }' require_host
echo Y >"$T/zswap"
fails 'one that swaps to zswap' 'zswap is on' of_bench "${here[@]}" 'uname() { echo 6.12.9-amd64; }' require_host
echo N >"$T/zswap"
fails 'one without the multi-gen LRU' 'has no multi-gen LRU' \
	of_bench "${here[@]}" 'uname() { echo 6.12.9-amd64; }' ENABLED=/nowhere require_host
cpus=(require_cpus -- "LAB='$LAB'" "$(grep '^CONFIG_NR_CPUS=' "$LAB/kernel.config")")
works 'as many CPUs as the kernels have' of_bench "${cpus[@]}" 'HOST_CPUS=$CONFIG_NR_CPUS' require_cpus
fails 'not one more' "the lab's kernels have" of_bench "${cpus[@]}" 'HOST_CPUS=$((CONFIG_NR_CPUS + 1))' require_cpus
mkdir -p "$T/kvm"
echo 1 >"$T/kvm/exits"
works 'no VMs' of_bench no_vms -- "KVM=$T/kvm" no_vms
mkdir "$T/kvm/4711-12"
works 'there is one' of_bench no_vms -- "KVM=$T/kvm" '! no_vms'
fails 'ACCEL=kvm without nested virtualization' "guests of this machine can't have guests" \
	of_bench use_kvm require_nested -- ACCEL=kvm 'require_kvm() { :; }' 'nested() { false; }' use_kvm
works 'hardware virtualization without it is not used' of_bench use_kvm -- ACCEL=auto 'accelerated() { :; }' \
	'nested() { false; }' '! use_kvm'
says 'and it says so' 'the host is emulated'
echo '[  0:00] stock kernel, emulated AMD (TCG): x' >"$T/log"
works 'a run that was emulated meanwhile is none' of_bench right_machine -- machine=kvm "! right_machine $T/log"
works 'but where it was to be' of_bench right_machine -- machine=tcg "right_machine $T/log"

common=(common_parameters -- 'environment=(GUEST_CPUS=2 SWAP_MIB=1024 ONE_MIB=7 WAITS_LOG_MIB=3)')
works 'what a table was made with' of_bench "${common[@]}" machine=tcg common_parameters
says 'is what all workloads have' 'GUEST_CPUS=2 SWAP_MIB=1024 WAITS_LOG_MIB=3'
works 'on this machine' of_bench "${common[@]}" machine=host common_parameters
says 'no swap is made' 'GUEST_CPUS=2 WAITS_LOG_MIB=3'

disk=(fill place_on_disk -- "FILES='$T' WORK='$T' temporary=()")
works 'a file that is read' part_of work-file.sh "${disk[@]}" FILE_DATA_MIB=2 place_on_disk \
	'ls -s "$data" "${temporary[@]}"'
says 'is all there' '2048 '
works 'half of it can be compressed' [ "$(($(cat "$T"/data.* | gzip | wc -c) / 10000))" -lt 120 ]
fails 'a full disk' 'No space left' part_of work-file.sh "${disk[@]}" FILE_DATA_MIB=2 'fill /dev/full'
fails 'is noticed before' 'MiB free, FILE_DATA_MIB=99999999 needed' \
	part_of work-file.sh "${disk[@]}" FILE_DATA_MIB=99999999 place_on_disk

# comparable RUN LINES: "done" of that run of an arm, where the lab is "lab"
comparable()
{
	mkdir -p "$T/of/one/patched-on-$1"
	printf '%s\n' "${@:2}" >"$T/of/one/patched-on-$1/done"
}

others=(is_comparable run_names is_whole incomparable table_arms -- "OUT=$T/of RUNS=2 COUNTS=1 machine=host" "$(grep ^ALL_ARMS= "$LAB/bench.sh")"
	'arms=(stock-mglru)' 'key() { printf "%s\n" mine lab; }' 'table_arms one')
comparable 1 kernel lab
comparable 2 kernel lab
works 'arms of another kernel, but for its counts' of_bench "${others[@]}"
says 'are left out' 'one: patched-on is left out'
comparable counts1 kernel lab
works 'arms of another kernel' of_bench "${others[@]}"
says 'are in the table' 'stock-mglru patched-on'
comparable 2 kernel 'another lab'
works 'not with a run of another lab' of_bench "${others[@]}"
says 'which is said' 'one: patched-on is left out'
comparable 2 'another kernel' lab
works 'nor one of yet another kernel' of_bench "${others[@]}"
says 'as well' 'one: patched-on is left out'

# rates LINE...: what lab/work.sh makes of that
rates()
{
	printf '%s\n' "$@" >"$T/numbers"
	of_work "${by-}" "rates '$T/numbers'" >"$T/rates"
	cat "$T/rates"
}

# of_work LINE...: a workload's script that does this
of_work()
{
	printf '%s\n' "set -eu; LAB='$LAB'; . '$LAB/work.sh'" "$@" >"$T/script"
	bash "$T/script"
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
by=cold_work=
works 'where cold work is nothing to go by' rates 'load_us 4000000' 'kvm_exits 30' 'cold_pages 7'
works 'there are numbers by time' has 'kvm_exits_per_second 7.5000'
works 'and no others' [ -z "$(grep _per_work "$T/rates")" ]
by=
works 'without work' rates 'host_pswpin 30' 'cold_pages 0'
works 'there is no rate' [ -z "$(grep _per_ "$T/rates")" ]

works 'the newest generation of each node' of_work 'printf "%s\n" "5 0 7 9 1 0" "5 0 8 9 1 0" "5 1 3 9 1 0" | newest 1'
says 'and the one after it' '5 0 9'
works 'not those before' [ "$(wc -l <"$T/out")" -eq 2 ]

printf '%s\n' 'MemAvailable: 2097152 kB' 'SwapFree: 1048576 kB' >"$T/meminfo"
room=("MEMINFO='$T/meminfo'" 'size() { size=3072 percent=50; }' find_limit)
fails 'less swap than the guests need' 'has 1024 MiB of swap free, 1536 are needed' \
	of_work "${room[@]}" WAITS_LOG_MIB=4 require_room
sed -i 's/^SwapFree.*/SwapFree: 4194304 kB/' "$T/meminfo"
works 'enough of it' of_work "${room[@]}" WAITS_LOG_MIB=0 require_room
fails 'no memory for logs' 'has 2048 MiB of memory available, 2054 are needed' \
	of_work "${room[@]}" 'PARAMETERS=("A_LOG_MIB 1 1 a" "A_MIB 1 1 b")' A_LOG_MIB=2 A_MIB=9 WAITS_LOG_MIB=4 require_room
load=("WORK='$T' what=counts limit=7 cold_work=" 'report_counts() { :; }' 'finish_guests() { :; }' 'report_load() { :; }'
	'differences() { printf "%s\n" "memcg_pgscan $scanned" "memcg_idle_pgscan 0"; }')
fails 'a load that fits' 'nothing was reclaimed' of_work "${load[@]}" scanned=0 report
works 'one that does not' of_work "${load[@]}" scanned=7 report

# ages SEQ/SEQ...: a pass, where these are the newest generations of two nodes, one after the other
ages()
{
	printf '%s\n' "$@" | tr / ' ' >"$T/seqs"
	echo 0 >"$T/calls"
	of_work "aged=/a LRU_GEN='$T/orders'" 'generations() {' \
		"n=\$((\$(cat '$T/calls') + 1)); echo \$n >'$T/calls'; sed -n \"\$n{p;q}\" '$T/seqs' |" \
		'{ read -r a b; printf "%s\n" "5 0 $((a - 1)) 9 100 0" "5 0 $a 9 10 0" "5 1 $b 9 1 0"; }; }' age
}

works 'a pass has made one generation more' ages 8/3 9/4
says 'and says how many pages there are' ' 111'
works 'of each node' [ "$(paste -sd , "$T/orders")" = '+ 5 0 8 1 1,+ 5 1 3 1 1' ]
works 'if there is another one it is repeated' ages 8/3 9/5 9/5 10/6
works 'from where that ended' grep -qx '+ 5 1 5 1 1' "$T/orders"
fails 'not for ever' 'something else ages /a all the time: 5 passes failed' ages 1/1 2/1 2/1 3/1 3/1 4/1 4/1 5/1 5/1 6/1

# waits TEXT...: what lab/work.sh makes of such events
waits()
{
	printf '%s\n' "$@" >"$T/events"
	of_work "logged_events() { cat '$T/events'; }" report_waits
}

works 'waits for mmu_lock' waits '   CPU 0/KVM-97  [000] .....  1.500000: contention_begin: 0xffff flags=SPIN' \
	' qemu-98  [001] .....  1.500010: contention_begin: 0xffff flags=SPIN' \
	'   CPU 0/KVM-97  [000] .....  1.500030: contention_end: 0xffff ret=0' \
	' qemu-98  [001] .....  1.500050: contention_end: 0xffff ret=0'
says 'how many' 'mmu_lock_waits 2'
says 'and for how long' 'mmu_lock_wait_us 70'
works 'or none' waits ''
says 'which is a number, too' 'mmu_lock_waits 0'

# worst GUESTS LINE...: what lab/work-wakeup.sh makes of what so many of them have said
worst()
{
	printf '%s\n' "${@:2}" >"$T/guests"
	part_of work-wakeup.sh sum_up_guests -- "WAKEUP_GUESTS=$1" "sum_up_guests '$T/guests'"
}

works 'several guests' worst 2 'guest1_hot_pages 10' 'guest2_hot_pages 5' 'guest1_hot_p50_us 7.5' 'guest2_hot_p50_us 3' \
	'guest1_hot_p99_us 70' 'guest1_cold_p50_us 9' 'guest2_cold_p50_us 12'
says 'their work is added up' 'hot_pages 15'
says 'of latencies it is the worst one' 'worst_hot_p50_us 7.5'
says 'in cold memory as well' 'worst_cold_p50_us 12'
works 'not where one of them has none' [ -z "$(grep p99 "$T/out")" ]
done_testing
