#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# lab/report.sh on made-up measurements: texts, pictures, what got worse, and what is missing.
# It boots nothing, measures nothing, and does not say whether a picture is pretty.
set -eu
# shellcheck source=lab/t/tap.sh
. "$(dirname "$0")/tap.sh"
LAB=$(cd "$(dirname "$0")/.." && pwd)
R=$T/repo
RESULTS=$R/Documentation/results
DATA=$R/build/report

report()
{
	"$R/lab/report.sh" "$@"
}

# has FILE TEXT: the report's file does, however it is aligned
has()
{
	tr -s ' ' <"$RESULTS/$1" | grep -qF -e "$2"
}

has_not()
{
	! has "$@"
}

# files NAME...: of the report there are these, and no others
files()
{
	[ "$(cd "$RESULTS" && printf '%s\n' * | paste -sd ' ')" = "$*" ]
}

# same: the report is what "keep" has kept
same()
{
	diff -r "$T/kept" "$RESULTS"
}

keep()
{
	rm -rf "$T/kept"
	cp -r "$RESULTS" "$T/kept"
}

# point FILE BLOCK LINE: what is drawn has it
point()
{
	awk -v block="# $2" '/^#/ { on = $0 == block } on' "$DATA/$1" | grep -qxF "$3"
}

# figures PART LINE...: the table for programs, blanks for tabs
figures()
{
	local part=$1
	shift
	printf '%s\n' "$@" | tr ' ' '\t' >"$R/build/$part/table.tsv"
}

# reasons LINE...: "|" for tabs
reasons()
{
	printf '%s\n' '# a comment' "$@" | tr '|' '\t' >"$R/lab/report-reasons"
}

# results PART/WORKLOAD/ARM-RUN TEXT
results()
{
	mkdir -p "$R/build/$1"
	local config=0123456789ab
	[[ $1 != */patched-* ]] || config=ba9876543210
	printf 'kernel 6.12.1\nconfig %s\ncpus 1\nlimit_mib 96\n%s\nlab: exit 0\n' $config "$2" >"$R/build/$1/results"
	echo '[    0.27] Memory: 1007424K/1048056K available (10240K kernel code)' >"$R/build/$1/console"
}

# workloads PART MACHINE: a table and two runs of three arms; the second ones were twice as fast
workloads()
{
	local arm run of=$R/build/$1
	mkdir -p "$of"
	cat >"$of/table.txt" <<-TABLE
		Linux 6.12.1; $2.
		Medians of 2 runs, with how far they are spread
		GUEST_CPUS=1 SAMPLE_MS=500 SWAP_MIB=1024

		| **memory-50** | stock-mglru |
		memory-50: MEMORY_COLD_MIB=88 MEMORY_GUEST_MIB=192
	TABLE
	figures "$1" "${FIGURES[@]}"
	for arm in stock-mglru stock-classic patched-on; do
		for run in 1 2; do
			results "$1/memory-50/$arm-$run" "sample hot 0.500 $((run * 1000))
sample hot 1.000 $((run * 3000))
cdf hot 50.0 $((run * 10))
cdf hot 90.0 $((run * 100))
cdf hot 99.0 $((run * 1000))
cdf hot 100.0 $((run * 5000))
cdf hot 0 0
$([ $arm = stock-classic ] || printf 'gen 0.%d 0 %d 9 %d 256\n' 1 5 2304 1 6 1280 5 6 512)"
		done
	done
	# of a run that the table knows nothing of
	results "$1/memory-50/stock-mglru-3" 'sample hot 0.500 900000'
}

FIGURES=(
	'memory-50 hot_pages stock-mglru 2 100 90 110 '
	'memory-50 hot_pages stock-classic 2 50 40 60 *'
	'memory-50 hot_pages patched-on 2 200 190 210 *'
	'memory-50 swapped_in_per_work stock-mglru 2 1000 900 1100 '
	'memory-50 swapped_in_per_work patched-on 2 1100 900 1200 '
	'memory-50 age_ns_per_page stock-mglru 2 900 890 910 '
	'memory-50 age_ns_per_page patched-on 2 150 149 151 *'
	'memory-50 age_idle_ns_per_page stock-mglru 2 800 790 810 '
	'memory-50 age_idle_ns_per_page patched-on 2 100 99 101 *'
	'memory-50 host_lru_gen_secondary_asked stock-mglru 2 1 1 1 '
	'memory-50 host_lru_gen_secondary_asked patched-on 2 9 9 9 *'
	'memory-50 notifier_calls stock-mglru 5 9 9 9 '
)
WORSE='memory-50 swapped_out_per_work patched-on 2 2200 2100 2300 *'
BEFORE='memory-50 swapped_out_per_work stock-mglru 2 2000 1900 2050 '
PICTURES='workloads.cost.svg workloads.memory-50.generations.svg workloads.memory-50.latency.svg'
PICTURES+=' workloads.memory-50.throughput.svg'

bench()
{
	mkdir -p "$R/build/bench/passes-on"
	echo '[    0.27] Memory: 3007424K/3145216K available (10240K kernel code)' >"$R/build/bench/passes-on/console"
	cat >"$R/build/bench/table.txt" <<-TABLE
		Instructions per page of a forced aging pass, Linux 6.12.1,
		emulated AMD host, one CPU.

		  MiB  slots  young  tables  pages      stock        off         on    process
		   64      1    1/1    same    512      900.0      $1      178.0      177.0
		   64    256   none    same    512      800.0      500.0      100.0          -

		legacy MMU, stock                               900.0      800.0
		legacy MMU, patched                             850.0      $2

		Instructions for which one page table is locked: stock, patched, ratio

		all young                                      509623      90563      0.178
		nothing young                                  445591      13124      0.029

		Instructions of a question, whole call: stock, patched, patched for a process

		question of the rmap about a page, young        56200       8794       5694

		Time of a vCPU while its memory is aged in a loop, 1 without: stock, off, on

		touch                                            1.00       1.10       1.30
	TABLE
	printf '%s\n' '64 1 1/1 same 512 900 500 178 177' '256 1 1/1 same 512 900 500 178 177' '' '' \
		'64 1 none same 512 800 400 100 120' '256 1 none same 512 800 400 100 120' >"$R/build/bench/size.dat"
	printf '%s\n' '1 256 1 1/1 same 512 900 500 178 177' '8 256 1 1/8 same 512 800 400 100 120' \
		>"$R/build/bench/young.dat"
}

# suite MODE LINE...: what lab/check.sh has kept of it
suite()
{
	printf '%s\n' "${@:2}" >"$R/build/log/check-suite-$1.tap"
}

mkdir -p "$R/lab" "$R/build/log"
cp "$LAB"/{lib.sh,kernel.config,work-metrics,report*} "$R/lab"
reasons

fails 'an argument is not ignored' 'takes no arguments' report all
fails 'without measurements there is no report' 'nothing was measured' report
says 'it says what to run' 'make bench-aging'

workloads workloads 'emulated AMD, 1 CPU, 1 instruction = 1 ns'
works 'workloads make a report' report
says 'what is missing is named' 'aging: not measured; to measure it: make bench-aging'
works 'text and pictures' eval "files index.txt workloads.cost.svg workloads.memory-50.figures.tsv \
	workloads.memory-50.generations.svg workloads.memory-50.latency.svg workloads.memory-50.table \
	workloads.memory-50.throughput.svg workloads.txt workloads.worse.tsv worse.txt"
works 'what ran it, and what ran there' has index.txt "1 instruction = 1 ns, 1024 MiB: memory-50"
works 'how to read it' has workloads.txt 'Medians of 2 runs'
works 'its parameters' has workloads.txt 'memory-50: MEMORY_COLD_MIB=88'
works 'the tables' has workloads.txt '| **memory-50** | stock-mglru |'
works 'the index names each picture' has index.txt 'memory-50: latency distribution'
config='configuration of stock 0123456789ab, patched ba9876543210'
host='emulated AMD, 1 CPU, 1 instruction = 1 ns, 1024 MiB'
for svg in $PICTURES; do
	works "$svg: kernel, machine and memory" has "$svg" "Linux 6.12.1, $config; host VM: $host"
	works "$svg: vCPUs" has "$svg" '1 vCPU'
done
works 'the memory of the guest' has workloads.memory-50.latency.svg 'each guest: 192 MiB, 1 vCPU; limit of the cgroup 96 MiB'
works 'what is emulated is in instructions' has workloads.memory-50.latency.svg 'latency, instructions'
works 'a page costs instructions' has workloads.cost.svg 'instructions per page'
works 'throughput of a sample, in millions of instructions' \
	point workloads.memory-50.throughput.dat 'runs:hot:patched-on:' '0.25 2'
works 'the median of runs' point workloads.memory-50.throughput.dat 'median:hot:patched-on:' '0.75 9'
works 'a run that is not in the table is left out' [ -z "$(grep 1800 "$DATA/workloads.memory-50.throughput.dat")" ]
works 'a percentile by its nines' point workloads.memory-50.latency.dat 'runs:hot:patched-on:' '100000 1'
works 'its median' point workloads.memory-50.latency.dat 'median:hot:patched-on:' '150000 1'
works 'nothing between those that are far apart' [ -z "$(
	awk '/^# median/ { on = 1 } /^# max/ { on = 0 } on && $2 > 1 && $2 < 2' "$DATA/workloads.memory-50.latency.dat")" ]
works 'the longest' point workloads.memory-50.latency.dat 'max:hot:patched-on:' '7.5e+06 0'
works 'generations are stacked, the youngest first' point workloads.memory-50.generations.dat 'gen:patched-on:' '0.1 6 16 16 16'
works 'where there is only one as well' point workloads.memory-50.generations.dat 'gen:patched-on:' '0.5 3 3 3 3'
works 'the classic LRU has none' has_not workloads.memory-50.generations.svg stock-classic
works 'better, neither, and no star are not worse' has worse.txt 'workloads: of 4 figures 3 got better, 0 worse'
keep
works 'again' report
works 'gives the same bytes' same
works 'no path of this machine' [ -z "$(grep -rlF -e "$T" -e "$HOME/" -e "$(uname -n)" "$RESULTS")" ]

figures workloads "${FIGURES[@]}" "$BEFORE" "$WORSE"
fails 'what got worse needs a reason' 'worse without a reason: workloads/memory-50/patched-on: swapped_out_per_work' report
says 'where it goes' 'lab/report-reasons'
works 'without one the report stays' same
reasons 'workloads/memory-*/patched-on|swapped_*|It reads ahead.' 'workloads/four/*|*|Nobody knows.'
works 'a reason is enough' report
says 'one that is of no use is named' 'lab/report-reasons:3: nothing got worse that is workloads/four/*, *: remove it'
works 'it is in the report' has worse.txt 'Reason: It reads ahead.'
works 'with the numbers' has worse.txt 'pages swapped out, host: 2000.0 (1900.0 to 2050.0) -> 2200.0 (2100.0 to 2300.0), +10.0 %'
works 'and only it' [ "$(grep -c Reason: "$RESULTS/worse.txt")" -eq 1 ]
reasons 'workloads/*|swapped_out_per_work'
fails 'a reason that says nothing' 'lab/report-reasons:2: no reason' report
reasons 'workloads/*|swapped_out_per_work|It reads ahead.'
figures workloads "${FIGURES[@]}" "$BEFORE" "$WORSE" 'memory-50 frobs patched-on 2 1 1 1 '
fails 'a metric of which nobody knows what is better' 'which way frobs is better' report
grep -v '^#' "$LAB/work-metrics" | awk -F '\t' -v OFS='\t' \
	'NF > 2 { print "one", $1, "stock-mglru", 2, 1, 1, 1, ""; print "one", $1, "patched-on", 2, 1, 1, 1, "" }' >"$T/all"
works 'there is none in lab/work-metrics' \
	awk -f "$LAB/report-worse.awk" "$LAB/report-better" "$LAB/work-metrics" "$T/all"

figures workloads "${FIGURES[@]}" "$BEFORE" "$WORSE"
works 'all is well again' report
keep
rm -r "$R/build/workloads"
works 'what is not measured any more' report
says 'is said' 'workloads: not measured here, the report keeps what it has; to measure it: make bench'
works 'and stays' same
reasons
fails 'what got worse still needs its reason' 'workloads/memory-50/patched-on: swapped_out_per_work' report
reasons 'workloads/*|swapped_out_per_work|It reads ahead.'
workloads workloads 'emulated AMD, 1 CPU, 1 instruction = 1 ns'
mv "$R/build/workloads/memory-50" "$R/build/workloads/memory-75"
sed -i "s/memory-50/memory-75/g" "$R/build/workloads/table.txt"
figures workloads "${FIGURES[@]/#memory-50/memory-75}"
works 'another workload' report
works 'is in the report' has workloads.txt '| **memory-75** |'
works 'and the one before still is' has workloads.txt '| **memory-50** |'
works 'both on that machine' has index.txt '1 instruction = 1 ns, 1024 MiB: memory-50 memory-75'
works 'what is the same is said once' [ "$(grep -c 'Medians of 2 runs' "$RESULTS/workloads.txt")" -eq 1 ]
cp "$RESULTS/workloads.memory-75.table" "$RESULTS/workloads.memory-80.table"
sed -i 's/memory-75/memory-80/; s/Medians of 2 runs/Medians of 9 runs/' "$RESULTS/workloads.memory-80.table"
sed 's/memory-75/memory-85/' "$RESULTS/workloads.memory-75.table" >"$RESULTS/workloads.memory-85.table"
works 'tables of other runs' report
works 'have another head, and it ends where those begin again' \
	[ "$(grep -o 'Medians of . runs' "$RESULTS/workloads.txt" | paste -sd ' ')" = 'Medians of 2 runs Medians of 9 runs Medians of 2 runs' ]
rm "$RESULTS"/workloads.memory-8?.table
works 'what they cost is in one picture' has workloads.cost.svg 'memory-75'
works 'and what got worse in one list' has worse.txt 'workloads: of 9 figures'

sed -i "s/memory-75/memory-90/g" "$R/build/workloads/table.txt"
fails 'figures without a table' 'has no table of memory-75' report
find "$R/build/workloads" -name results -delete
fails 'a table without results' 'no results of memory-75 in build/workloads' report

rm -r "$R/build/workloads" "$RESULTS"
reasons
workloads workloads-kvm 'hardware virtualization, 4 CPUs'
works 'on hardware' report
works 'latencies are times' has workloads-kvm.memory-50.latency.svg 'latency, µs'
works 'it says so' has workloads-kvm.memory-50.latency.svg 'hardware virtualization, 4 CPUs, 1024 MiB'
works 'a page costs time' has workloads-kvm.cost.svg 'ns per page'
rm -r "$R/build/workloads-kvm"
workloads workloads-host 'this machine'
find "$R/build/workloads-host" -name console -delete
works 'without a VM' report
says 'nothing says how much memory there is' 'says how much memory the host has'
find "$R/build/workloads-host" -name results -exec sed -i -e '1i memory_mib 16000' -e '1i cpu_model ACME 5 CPU' {} +
works 'but the results' report
works 'is what counts' has workloads-host.cost.svg 'host: hardware virtualization, no VM, 1 CPUs, 16000 MiB, ACME 5 CPU'
find "$R/build/workloads-host" -name results -exec sed -i /^config/d {} +
works 'without a configuration' report
works 'it is unknown' has workloads-host.cost.svg 'configuration of unknown kernels'
find "$R/build/workloads-host" -name results -exec sed -i '1i aged hot' {} +
sed -i '$a Generations and passes are those of one cgroup: hot.' "$R/build/workloads-host/table.txt"
works 'where one of several guests is aged' report
works 'generations are said to be its' has workloads-host.memory-50.generations.svg '(first run), cgroup "hot"'
works 'and so are costs' has workloads-host.cost.svg 'memory-50: cgroup "hot" only'
rm -r "$R/build/workloads-host" "$RESULTS"

bench 500.0 805.0
works 'what aging costs' report
works 'the tables of bench-aging' has aging.txt 'all young 509623 90563 0.178'
works 'by size' has aging.size.svg '3072 MiB; guest: 1 vCPU, no operating system; solid: all pages young'
works 'by the share of the young' has aging.young.svg 'one of how many pages is young'
works 'less than 1 % is not worse' has worse.txt 'aging: of 9 figures 8 got better, 0 worse'
bench 1000.0 900.0
fails 'more is' \
	'worse without a reason: aging/patched-off: pass, 64 MiB, memslots 1, young 1/1, tables same, pages 512' report
says 'also if nothing ages fast' 'aging/patched-on: pass, legacy MMU, nothing young'
rm -r "$R/build/bench" "$RESULTS"

mkdir "$R/build/run"
printf '%s\n' 'Linux 6.12.1, stock and patched, as hosts of 2048 MiB with swap on zram.' 'lru_gen/enabled reads 7.' \
	'Aging passes: emulated AMD, 1 CPU, 1 instruction = 1 ns.' 'Guest: Linux with 1 vCPU and 420 MiB' '' '| a | 1 |' \
	>"$R/build/run/table.txt"
works 'make run' report
works 'its table' has run.txt '| a | 1 |'
works 'its machine is in the index' has index.txt 'Guest: Linux with 1 vCPU and 420 MiB'
rm -r "$R/build/run"

suite kvm '# host: Linux 6.12.1, emulated AMD, 2 CPUs, 2048 MiB' 'ok 1 - kvm:a: passes on stock, passes on patched' \
	'ok 2 - kvm:b: fails on stock, fails on patched' 'ok 3 - kvm:c: fails on stock, passes on patched' \
	'ok 4 - kvm:d # SKIP on both: Requirement not met: kvm_cpu_has(X)' \
	'ok 5 - the stock kernel reported all of it (lab/boot.sh: 1)' \
	'ok 6 - the patched kernel reported all of it (lab/boot.sh: 1)' '1..6'
suite kvm-nested 'ok 1 - kvm:a: passes on stock, passes on patched' '1..1'
works "the kernel's own selftests" report
works 'tests, same, bad on both, better, worse, skipped' has suites.txt '| kvm | 4 | 2 | 1 | 1 | 0 | 1 |'
works 'where they ran' has suites.txt 'kvm: Linux 6.12.1, emulated AMD, 2 CPUs, 2048 MiB'
works 'what fails on both' has suites.txt ' kvm: kvm:b'
rm "$R/build/log/check-suite-kvm.tap"
suite kvm-nested 'not ok 1 - kvm:a: passes on stock, fails on patched' \
	'not ok 2 - the patched kernel reported all of it (lab/boot.sh: 2)' '1..2'
fails 'a test that got worse needs a reason' 'worse without a reason: suites/kvm-nested/patched: kvm:a' report
reasons 'suites/kvm-nested/*|*|A made-up one.'
works 'has it' report
works 'and is listed' has worse.txt 'kvm:a: passes on stock, fails on patched'
works 'so is a kernel that did not come to an end' has worse.txt 'the patched kernel reported all of it'
works 'a mode that did not run stays' has suites.txt '| kvm | 4 | 2 | 1 | 1 | 0 | 1 |'
suite kvm-shadow 'ok 1 - kvm:a: passes on stock, passes on patched'
works 'a mode that was interrupted' report
works 'is left out' sh -c "! grep -q kvm-shadow '$R/Documentation/results/suites.txt'"
done_testing
