#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What aging costs, in instructions: stock, patched with fast aging off and on, and an
# ordinary process.
#
# usage: lab/bench-aging.sh
#
# Boots emulated hosts with one CPU, where one instruction is one nanosecond.  Aging
# passes are timed by lab/vm-aging.sh; what the rmap's questions cost, how long page
# tables are locked, and where the instructions go, is counted by lab/insn-count.c, a
# plugin of QEMU.  What a vCPU loses meanwhile is measured by lab/vcpu-loss.c with two
# CPUs, one boot at a time.  The tables, with how the cost grows, are left in
# build/bench/table.txt, and drawn by lab/bench-aging.gnuplot in size.svg and young.svg
# beside it.  The other boots run nproc at a time: instructions don't depend on load.
#
# It knows neither ACCEL nor ON of lab/bench.sh: on hardware there is nothing that counts instructions.
#
# It builds no kernel, asserts nothing, and no number of it is a time of hardware.
set -euo pipefail

. "$(dirname "$0")/lib.sh"

OUT=$ROOT/build/bench
PLUGIN=$OUT/insn-count.so
failed=$OUT/failed

prepare()
{
	local which
	for which in stock patched; do
		[ -f "$BUILD/$which/bzImage" ] || die "no $which kernel" 'build it: make kernel'
	done
	rm -rf "$OUT"
	mkdir -p "$OUT"
	for which in age-cost vcpu-loss; do
		logged $which gcc -O2 -Wall -Wextra -static -o "$OUT/$which" "$LAB"/{$which,aged-vm}.c
	done
	logged insn-count gcc -O2 -Wall -Wextra -shared -fPIC -o "$PLUGIN" "$LAB/insn-count.c"
}

# boot NAME KERNEL MIB OPTION... -- ARGUMENT...: lab/vm-aging.sh in the background
boot()
{
	local name=$1 kernel=$2 memory=$3
	shift 3
	local options=()
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	wait_for_cpu
	say "$name"
	mkdir -p "$OUT/$name"
	"$LAB/boot.sh" -i -k "$kernel" -m "$memory" -t 1200 -o "$OUT/$name" "${options[@]}" -- \
		"$LAB/vm-aging.sh" "$OUT/age-cost" "$@" >/dev/null 2>"$OUT/$name/log" || {
		cat "$OUT/$name/log" >&2
		echo "$name" >>"$failed"
	} &
}

# watch NAME KERNEL FUNCTION[,until=FUNCTION] WHO AGE: the same with the plugin
watch()
{
	boot "$1" "$2" 1024 -p "$PLUGIN,map=$BUILD/$2/System.map,function=$3,out=$OUT/$1.insns" -- evict "$4" "$5"
}

# Alone, because how long a lock is waited for depends on load.  Only parallel CPUs wait at
# all; that may kill the emulator (see lab/boot.sh), which is no reason to lose the rest.
measure_vcpu()
{
	local kernel rc
	for kernel in stock patched; do
		say "vcpu-$kernel"
		mkdir -p "$OUT/vcpu-$kernel"
		rc=0
		"$LAB/boot.sh" -j -s 2 -k $kernel -m 1024 -o "$OUT/vcpu-$kernel" -- \
			"$LAB/vm-aging.sh" "$OUT/vcpu-loss" vcpu >/dev/null 2>"$OUT/vcpu-$kernel/log" || rc=$?
		case $rc in
		0) ;;
		4) say "the emulator died, so there are no figures of a vCPU on $kernel: run it again" ;;
		*)
			cat "$OUT/vcpu-$kernel/log" >&2
			echo "vcpu-$kernel" >>"$failed" ;;
		esac
	done
}

measure()
{
	local kernel who age
	boot passes-stock stock 3072 -- passes
	boot passes-off patched 3072 -- passes off
	boot passes-on patched 3072 -- passes on
	for kernel in stock patched; do
		boot "legacy-$kernel" $kernel 1024 -a kvm.tdp_mmu=0 -- guest
		boot "shadow-$kernel" $kernel 1024 -a kvm_amd.npt=0 -- guest
		# nothing is called between an unlock and the next page table
		watch "lock-$kernel" $kernel _raw_spin_trylock,until=pte_offset_map_nolock vm young
		for who in vm process; do
			for age in young old; do
				watch "question-$kernel-$who-$age" $kernel lru_gen_look_around $who $age
			done
		done
	done
	for age in young old; do
		watch "functions-$age" patched try_to_inc_max_seq vm $age
	done
	wait
	measure_vcpu
	[ ! -e "$failed" ] || die "boots failed: $(paste -sd ' ' "$failed")" "their logs are in $OUT"
}

# pass BOOT KIND COLUMN: one number, e.g. of KIND "vm 64 1 1 0 512"
pass()
{
	awk -v kind="pass $2" -v column="$3" '
		index($0, kind " ") == 1 { print $(NF - 2 + column); found = 1 }
		END { exit !found }' "$OUT/$1/results"
}

# row MIB SLOTS YOUNG OFFSET TABLE: "least" leaves out what it takes to move old pages
row()
{
	local column=2 share=1/$3
	case $3 in
	0) column=1 share=none ;;
	cooled | cold) share=$3 ;;
	esac
	printf '%5d %6d %6s %7s %6d %10.1f %10.1f %10.1f %10s\n' "$1" "$2" "$share" \
		"$([ "$4" = 0 ] && echo same || echo other)" "$5" \
		"$(pass passes-stock "vm $*" $column)" "$(pass passes-off "vm $*" $column)" \
		"$(pass passes-on "vm $*" $column)" \
		"$(pass passes-on "process $*" $column 2>/dev/null || echo -)"
}

passes_table()
{
	local mib slots young
	printf '%5s %6s %6s %7s %6s %10s %10s %10s %10s\n' MiB slots young tables pages stock off on process
	for mib in 64 256 1024; do row $mib 1 1 0 512; done
	for mib in 64 256 1024; do row $mib 1 0 0 512; done
	for young in 2 8 64 512 cooled cold; do row 256 1 $young 0 512; done
	for slots in 16 256; do row 256 $slots 1 0 512; row 256 $slots 0 0 512; done
	row 256 1 1 1 512
	row 256 1 0 1 512
	row 256 1 1 0 64
	row 256 1 1 0 8
}

# question KERNEL WHO AGE: the mean of the calls, as an answer may serve for more than one;
# of young pages those that are looked around at, most are not asked about any more after that
question()
{
	sed -n 's/^call //p' "$OUT/question-$1-$2-$3.insns" |
		awk -v young="$3" '
			young != "young" || $1 > 1500 { nr++; sum += $1 }
			END { if (nr) printf "%.0f\n", sum / nr; else print "-" }'
}

questions_table()
{
	local age
	for age in young old; do
		printf '%-42s %10s %10s %10s\n' "question of the rmap about a page, $age" \
			"$(question stock vm $age)" "$(question patched vm $age)" \
			"$(question patched process $age)"
	done
}

# MMUs that don't age fast
fallback_table()
{
	local mmu kernel
	for mmu in legacy shadow; do
		for kernel in stock patched; do
			printf '%-42s %10.1f %10.1f\n' "$mmu MMU, $kernel" \
				"$(pass $mmu-$kernel 'vm 64 1 1 0 512' 2)" \
				"$(pass $mmu-$kernel 'vm 64 1 0 0 512' 1)"
		done
	done
}

# locked KERNEL: for how long a page table is locked that is all young, and one with
# nothing young.  Half of the passes find the one and half the other, what else is mapped
# varies: the two most frequent numbers of those calls in which somebody was asked.
locked()
{
	awk '
		$1 == "call" { if (asked) print nr; nr = $2; asked = 0 }
		$1 == "in" && $2 ~ /^__mmu_notifier_.*young/ { asked = 1 }' "$OUT/lock-$1.insns" |
		sort -n | uniq -c | sort -nr | awk 'NR <= 2 { print $2 }' | sort -nr
}

locks_table()
{
	paste <(locked stock) <(locked patched) | awk '
		{ printf "%-42s %10d %10d %10.3f\n", NR == 1 ? "all young" : "nothing young", $1, $2, $2 / $1 }'
}

# loss KERNEL MODE ARM: the time of a vCPU's work, relative to that without aging
loss()
{
	awk -v key="median $2 $3" '
		index($0, key " ") == 1 { printf "%.2f", $NF; found = 1 }
		END { exit !found }' "$OUT/vcpu-$1/results" 2>/dev/null || printf -
}

loss_table()
{
	local mode
	for mode in touch prefault; do
		printf '%-42s %10s %10s %10s\n' "$mode" "$(loss stock $mode age)" \
			"$(loss patched $mode age-off)" "$(loss patched $mode age-on)"
	done
}

# functions AGE: what takes most of a pass; three passes come before the one that is measured
functions()
{
	awk '
		$1 == "call" { all = calls++ == 3 ? $2 : 0 }
		$1 == "in" && all { printf "%5.1f%% %s\n", 100 * $3 / all, $2 }' "$OUT/functions-$1.insns" |
		sort -nr | sed -n 1,12p
}

# growth TITLE KEY KEY: how much the second costs more than the first, in percent
growth()
{
	awk -v title="$1" -v a="$(pass passes-on "$2" "$4")" -v b="$(pass passes-on "$3" "$4")" '
		BEGIN { printf "%-42s %+.1f%%\n", title, 100 * (b / a - 1) }'
}

table()
{
	cat <<-HEAD
		Instructions per page of a forced aging pass, Linux $(sed 's/-.*//' "$CACHE/pristine.version"),
		emulated AMD host, one CPU.  Nothing young: without moving pages between generations.
		Cooled, cold: nothing young in a pass that isn't forced and may skip page tables;
		the pass before it found all pages young, or none.

	HEAD
	passes_table
	printf '\nMMUs that do not age fast: all young, nothing young\n\n'
	fallback_table
	printf '\nInstructions for which one page table is locked: stock, patched, ratio\n\n'
	locks_table
	printf '\nInstructions of a question, whole call: stock, patched, patched for a process\n\n'
	questions_table
	printf '\nTime of a vCPU while its memory is aged in a loop, 1 without: stock, off, on\n\n'
	loss_table
	printf '\nFast aging on: growth of the cost per page\n\n'
	growth 'from 64 MiB to 1 GiB, all young' 'vm 64 1 1 0 512' 'vm 1024 1 1 0 512' 2
	growth 'from 64 MiB to 1 GiB, nothing young' 'vm 64 1 0 0 512' 'vm 1024 1 0 0 512' 1
	growth 'from 1 memslot to 256, all young' 'vm 256 1 1 0 512' 'vm 256 256 1 0 512' 2
	growth 'from 1 memslot to 256, nothing young' 'vm 256 1 0 0 512' 'vm 256 256 0 0 512' 1
	growth 'if page tables do not match, all young' 'vm 256 1 1 0 512' 'vm 256 1 1 1 512' 2
	growth 'if page tables do not match, nothing young' 'vm 256 1 0 0 512' 'vm 256 1 0 1 512' 1
	printf '\nWhere they go, all young:\n\n'
	functions young
	printf '\nWhere they go, nothing young:\n\n'
	functions old
}

# plot: some of the rows as curves
plot()
{
	local mib young
	{
		for mib in 64 256 1024; do row $mib 1 1 0 512; done
		printf '\n\n'
		for mib in 64 256 1024; do row $mib 1 0 0 512; done
	} >"$OUT/size.dat"
	for young in 1 2 8 64 512; do
		printf '%d ' $young
		row 256 1 $young 0 512
	done >"$OUT/young.dat"
	logged gnuplot gnuplot -e "directory='$OUT'" "$LAB/bench-aging.gnuplot"
}

[ $# -eq 0 ] || die 'takes no arguments' "see the head of $0"
[[ ${ACCEL:-tcg}/${ON:-vm} = @(tcg|auto)/vm ]] ||
	die "ACCEL=${ACCEL-} ON=${ON-}: it counts instructions, which is done by emulating them" \
		'leave them out; lab/bench.sh has them'
prepare
measure
table >"$OUT/table.new"
mv "$OUT/table.new" "$OUT/table.txt"
plot
cat "$OUT/table.txt"
say "the table is in $OUT/table.txt"
