#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What one aging pass costs: instructions, notifier calls, locks.  Runs in the host VM.
#
# usage: lab/vm-cost.sh AGE-COST MIB instructions|counts
#
# AGE-COST is the program made of lab/age-cost.c; MIB the memory that is aged.
# "instructions" times passes, in a VM booted with lab/boot.sh -i, with nothing
# else running; "counts" counts with probes, which cost time, hence two boots.
# Prints lines of "key value".
#
# Write acquisitions of mmu_lock are the calls of _raw_write_lock() by the task
# that ages, during the pass: an upper bound that needs no list of functions.
set -eu

. "$(dirname "$0")/lib.sh"
. "$LAB/count.sh"
. "$LAB/host.sh"

CGROUP=/sys/fs/cgroup/age-cost

instructions()
{
	local who state
	for who in vm process; do
		for state in young old; do
			in_cgroup "$CGROUP" "$age_cost" -m "$mib" "$who" "$state" | awk -v key="pass_${who}_$state" '
				$1 == "pages" { pages = $2 }
				$1 == "median" { printf "%s %.1f\n", key, $2 / pages; done = 1 }
				END { exit !done }'
		done
	done
}

# until_line TEXT: wait for it from age-cost
until_line()
{
	local line
	while read -r line <&"$answers"; do
		[ "$line" != "$1" ] || return 0
	done
	die "age-cost ended before it said \"$1\""
}

set_up_counters()
{
	local mine='comm == "age-cost"' function
	probe 'p:write_lock _raw_write_lock'
	counter locks write_lock "$mine"
	for function in "${NOTIFIERS[@]}"; do
		known "$function" || continue
		probe "p:$function $function"
		counter "$function" "$function" "$mine"
		counters+=("$function")
	done
}

# Both numbers belong to one pass over pages that are all young.
counts()
{
	local name calls=0 counters=()
	set_up_counters
	coproc AGE { in_cgroup "$CGROUP" "$age_cost" -m "$mib" -n 1 -w vm young; }
	exec {answers}<&"${AGE[0]}" {orders}>&"${AGE[1]}"
	until_line ready
	start_counting
	echo go >&"$orders"
	until_line aged
	stop_counting
	echo "pass_pages $((mib * 256))"
	for name in "${counters[@]}"; do calls=$((calls + $(counted "$name"))); done
	echo "pass_calls $calls"
	must_occur write_lock
	echo "pass_locks $(counted locks)"
	none_missed
	echo end >&"$orders"
}

[ $# -eq 3 ] || die 'expected three arguments' "usage: $0 AGE-COST MIB instructions|counts"
age_cost=$1 mib=$2
case $3 in
instructions | counts) ;;
*) die "$3: not a thing to measure" 'it is either "instructions" or "counts"' ;;
esac
echo "kernel $(uname -r)"
"$3"
