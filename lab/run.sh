#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Boots stock and patched as hosts, measures both, prints one table.
#
# usage: lab/run.sh [--help]
#
# Settings come from the environment (--help lists them).  Each kernel boots
# four times: for the instructions and the counts of an aging pass (vm-cost.sh),
# for the counts and the work of a real guest under memory pressure
# (vm-pressure.sh); probes and measurements do not mix.  What a boot printed is
# kept in build/run/KERNEL-STEP, the table in build/run/table.txt.
#
# One kernel that fails ends the run: there is no table of half the numbers.  The next
# run goes on where that one ended, if kernels, lab and settings are the same.
# It builds no kernel, and it does not say what is a good result.
set -euo pipefail

. "$(dirname "$0")/lib.sh"
. "$LAB/vm.sh"

RUN=$ROOT/build/run
MEMORY_MIB=2048
GUEST_MIB=420
# Names, defaults, meanings
SETTINGS=(
	'RUNS 1 boots per kernel under pressure; the table has medians'
	'AGE_MIB 256 memory that the aging passes go over'
	'LIMIT_MIB 200 memory limit of the real guest'
	'LOAD_SECONDS 10 time its load runs, in seconds of its own clock'
	'HOT_MIB 40 memory it keeps busy'
	'COLD_MIB 160 memory it walks besides'
)

usage()
{
	local name default meaning setting
	echo 'usage: [NAME=VALUE...] lab/run.sh'
	for setting in "${SETTINGS[@]}"; do
		read -r name default meaning <<<"$setting"
		printf '  %-14s%s (%s)\n' "$name" "$meaning" "$default"
	done
}

read_settings()
{
	local name default meaning setting
	for setting in "${SETTINGS[@]}"; do
		read -r name default meaning <<<"$setting"
		declare -g "$name=${!name:-$default}"
		[[ ${!name} =~ ^[1-9][0-9]{0,4}$ ]] ||
			die "$name=${!name}: not a number from 1 to 99999" "$name: $meaning"
	done
	[ "$LIMIT_MIB" -lt $GUEST_MIB ] || die "LIMIT_MIB=$LIMIT_MIB: no pressure on a guest of $GUEST_MIB MiB"
	[ $((HOT_MIB + COLD_MIB)) -le $((GUEST_MIB - 120)) ] ||
		die "HOT_MIB and COLD_MIB do not fit into a guest of $GUEST_MIB MiB" \
			"make them at most $((GUEST_MIB - 120)) in sum"
}

# Where there is hardware virtualization, the guest runs on it; where there is
# none, its clock counts instructions, or this machine's load would be in the table.
choose_clock()
{
	clock=(-i)
	machine='emulated AMD, 1 CPU, 1 instruction = 1 ns'
	! accelerated || {
		clock=(-s 2)
		machine='hardware virtualization, 2 CPUs'
	}
}

prepare()
{
	local which
	for which in stock patched; do
		[ -f "$BUILD/$which/bzImage" ] || die "no $which kernel" 'build it: make kernel'
	done
	mkdir -p "$RUN"
	rm -f "$RUN/table.txt" "$RUN"/{stock,patched}.txt
	logged age-cost gcc -O2 -Wall -Wextra -static -o "$RUN/age-cost" "$LAB"/{age-cost,aged-vm}.c
	logged guest "$LAB/guest.sh" -b
}

# key KERNEL STEP: what decides about the results
key()
{
	{
		cat "$BUILD/$1/bzImage" "$LAB"/*.sh "$LAB"/*.c "$LAB/init"
		echo "$@" "${clock[@]}" "$AGE_MIB $LIMIT_MIB $LOAD_SECONDS $HOT_MIB $COLD_MIB"
	} | sha256sum
}

# boot KERNEL STEP OPTION... -- COMMAND...: measure; boot.sh names its logs on failure
boot()
{
	local which=$1 step=$2 key
	shift 2
	count=$((count + 1))
	key=$(key "$which" "$step")
	if [ "$(cat "$RUN/$which-$step/done" 2>/dev/null)" = "$key" ]; then
		say "boot $count of $boots: $which, $step: done before"
	else
		say "boot $count of $boots: $which, $step"
		"$LAB/boot.sh" -k "$which" -m $MEMORY_MIB -o "$RUN/$which-$step" "$@" >/dev/null ||
			die "the $which kernel failed in $step" "see $RUN/$which-$step"
		echo "$key" >"$RUN/$which-$step/done"
	fi
	cat "$RUN/$which-$step/results" >>"$RUN/$which.txt"
}

measure()
{
	local which=$1 step run
	for step in instructions counts; do
		boot "$which" "pass-$step" -i -- "$LAB/vm-cost.sh" "$RUN/age-cost" "$AGE_MIB" $step
	done
	for ((run = 1; run <= RUNS; run++)); do
		for step in counts work; do
			boot "$which" "pressure-$step-$run" "${clock[@]}" -t 600 -- "$LAB/vm-pressure.sh" $step \
				"$LIMIT_MIB" "$LOAD_SECONDS" "$HOT_MIB" "$COLD_MIB"
		done
	done
}

# value KEY: what both kernels said, once if it is the same
value()
{
	sed -n "s/^$1 //p" "$RUN/stock.txt" "$RUN/patched.txt" | uniq | paste -sd '|' | sed 's/|/ and /'
}

table()
{
	local runs='one run'
	[ "$RUNS" -eq 1 ] || runs="the medians of $RUNS runs"
	cat <<-HEAD
		Linux $(value kernel), stock and patched, as hosts of $MEMORY_MIB MiB with swap on zram.
		lru_gen/enabled reads $(value enabled).
		Aging passes: emulated AMD, 1 CPU, 1 instruction = 1 ns.
		Guest: Linux with 1 vCPU and $GUEST_MIB MiB on $machine;
		stress-ng on $HOT_MIB MiB of hot and $COLD_MIB MiB of cold memory for $LOAD_SECONDS s of its clock, $runs.

	HEAD
	awk -v mib="$AGE_MIB" -v limit="$LIMIT_MIB" -v guest=$GUEST_MIB -f "$LAB/table.awk" \
		"$RUN/stock.txt" "$RUN/patched.txt"
	cat <<-TAIL

		Reclaim under pressure is bistable: compare what is per look-around or per major
		fault; totals differ between two runs of one kernel.  Instructions, and operations
		in emulated time, are no times of any hardware.
	TAIL
}

case ${1-} in
'') ;;
-h | --help) usage; exit ;;
*) usage >&2; exit 2 ;;
esac
read_settings
choose_clock
prepare
count=0 boots=$((2 * (2 + 2 * RUNS)))
measure stock
measure patched
table >"$RUN/table.new"
mv "$RUN/table.new" "$RUN/table.txt"
rm -f "$RUN"/{stock,patched}-p*/done
cat "$RUN/table.txt"
say "the table is in $RUN/table.txt"
