#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What aging costs, in instructions: stock, patched with fast aging off and on, and an
# ordinary process.
#
# usage: lab/bench-aging.sh
#
# Boots emulated hosts with one CPU, where one instruction is one nanosecond.  Aging
# passes are timed by lab/vm-aging.sh; what the rmap's questions cost, and where
# the instructions go, is counted by lab/insn-count.c, a plugin of QEMU.  The table,
# with how the cost grows, is left in build/bench/table.txt.  Boots run nproc at a
# time: instructions don't depend on load.
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
	logged age-cost gcc -O2 -Wall -Wextra -static -o "$OUT/age-cost" "$LAB/age-cost.c"
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

# watch NAME KERNEL FUNCTION WHO AGE: the same with the plugin
watch()
{
	boot "$1" "$2" 1024 -p "$PLUGIN,map=$BUILD/$2/System.map,function=$3,out=$OUT/$1.insns" -- evict "$4" "$5"
}

measure()
{
	local kernel who age
	boot passes-stock stock 3072 -- passes
	boot passes-off patched 3072 -- passes off
	boot passes-on patched 3072 -- passes on
	for kernel in stock patched; do
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
	[ ! -e "$failed" ] || die "boots failed: $(paste -sd ' ' "$failed")" "their logs are in $OUT"
}

# pass KEY COLUMN: one number of the passes of one arm, e.g. "vm 64 1 1 0 512"
pass()
{
	awk -v kind="pass $2" -v column="$3" '
		index($0, kind " ") == 1 { print $(NF - 2 + column); found = 1 }
		END { exit !found }' "$OUT/passes-$1/results"
}

# row MIB SLOTS YOUNG OFFSET TABLE: "least" leaves out what it takes to move old pages
row()
{
	local column=2 share='none'
	[ "$3" = 0 ] && column=1 || share="1/$3"
	printf '%5d %6d %6s %7s %6d %10.1f %10.1f %10.1f %10s\n' "$1" "$2" "$share" \
		"$([ "$4" = 0 ] && echo same || echo other)" "$5" \
		"$(pass stock "vm $*" $column)" "$(pass off "vm $*" $column)" \
		"$(pass on "vm $*" $column)" "$(pass on "process $*" $column 2>/dev/null || echo -)"
}

passes_table()
{
	local mib slots young
	printf '%5s %6s %6s %7s %6s %10s %10s %10s %10s\n' MiB slots young tables pages stock off on process
	for mib in 64 256 1024; do row $mib 1 1 0 512; done
	for mib in 64 256 1024; do row $mib 1 0 0 512; done
	for young in 2 8 64 512; do row 256 1 $young 0 512; done
	for slots in 16 256; do row 256 $slots 1 0 512; row 256 $slots 0 0 512; done
	row 256 1 1 1 512
	row 256 1 0 1 512
	row 256 1 1 0 64
	row 256 1 1 0 8
}

# question KERNEL WHO AGE: the median of the calls; a young page is one that is looked
# around at, and most pages are not asked about any more after that
question()
{
	sed -n 's/^call //p' "$OUT/question-$1-$2-$3.insns" | sort -n |
		awk -v young="$3" '
			young != "young" || $1 > 1500 { n[++nr] = $1 }
			END { print nr ? n[int((nr + 1) / 2)] : "-" }'
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
	awk -v title="$1" -v a="$(pass on "$2" "$4")" -v b="$(pass on "$3" "$4")" '
		BEGIN { printf "%-42s %+.1f%%\n", title, 100 * (b / a - 1) }'
}

table()
{
	cat <<-HEAD
		Instructions per page of a forced aging pass, Linux $(sed 's/-.*//' "$CACHE/pristine.version"),
		emulated AMD host, one CPU.  Nothing young: without moving pages between generations.

	HEAD
	passes_table
	printf '\nInstructions of a question, whole call: stock, patched, patched for a process\n\n'
	questions_table
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

[ $# -eq 0 ] || die 'takes no arguments' "see the head of $0"
prepare
measure
table >"$OUT/table.new"
mv "$OUT/table.new" "$OUT/table.txt"
cat "$OUT/table.txt"
say "the table is in $OUT/table.txt"
