#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A workload of lab/bench.sh: one guest, hot and cold memory, a cgroup that is too small for it.
#
# usage: see lab/work.sh; PRESSURE is the limit in percent of the guest's size
#
# stress-ng keeps the hot set busy and walks the cold memory (lab/guest-memory.sh).  Which swap-ins
# are the hot set's: a return probe of do_swap_page() has the address and whether the fault was a
# major one, the guest has printed the page frames of its hot set, and its memory is one mapping of
# QEMU in the order of those.  It is the only probe here, and costs each swap-in the same in each arm.
set -eu

LAB=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=lab/work.sh
. "$LAB/work.sh"

# shellcheck disable=SC2034 # for work.sh
PARAMETERS=(
	'MEMORY_GUEST_MIB 192 3072 memory of the guest; with more than 3 GiB it is no longer in one piece'
	'MEMORY_HOT_MIB 24 768 memory it keeps busy'
	'MEMORY_COLD_MIB 88 1792 memory it walks besides'
	'MEMORY_SECONDS 5 30 time of the load, by its clock'
	'MEMORY_LOG_MIB 32 1024 room to note swap-ins in, of all CPUs'
)

prepare_files()
{
	"$LAB/guest.sh" -b
}

# 4 is VM_FAULT_MAJOR; the address is the fourth word of struct vm_fault.
log_swapins()
{
	# shellcheck disable=SC2016 # $arg1 and $retval are the kernel's
	own_probe swapin 'r64:swapin do_swap_page address=+24($arg1):u64 ret=$retval:u32'
	own_counter swapins swapin 'ret & 4' $((MEMORY_LOG_MIB * 1024 / $(nproc)))
}

prepare_load()
{
	limit $((MEMORY_GUEST_MIB * ${pressure:-50} / 100))
	[ "$what" != work ] || log_swapins
	start_guest guest "$CGROUP" -m "$MEMORY_GUEST_MIB" -f "$LAB/guest-stress.sh" -f "$LAB/guest-memory.sh" -- \
		guest-memory.sh "$MEMORY_SECONDS" "$MEMORY_HOT_MIB" "$MEMORY_COLD_MIB" \
		"$SEED" "$SAMPLE_MS"
	until_line guest ready
	find_guest_memory
}

# The mapping that is the guest's memory, by its size
find_guest_memory()
{
	local range start end
	while read -r range _; do
		start=$((0x${range%-*})) end=$((0x${range#*-}))
		guest_memory=$start
		[ $((end - start)) -ne $((MEMORY_GUEST_MIB << 20)) ] || return 0
	done <"/proc/$(cat "$WORK/guest/pid")/maps"
	die "no mapping of QEMU has $MEMORY_GUEST_MIB MiB"
}

hot_swapins()
{
	{
		tr -d '\r' <"$WORK/guest/results" | grep '^hot-gfns '
		logged_events swapins | grep -o ' address=[^ ]*' | cut -d = -f 2
	} | awk -v base="$guest_memory" '
		$1 == "hot-gfns" { for (i = 0; i < $3; i++) hot[$2 + i] = 1; next }
		{ n++; n_hot += int(($1 - base) / 4096) in hot }
		END { print "swapins", n + 0; print "swapins_hot", n_hot + 0; print "swapins_cold", n - n_hot }'
}

report_load()
{
	! grep -q '^hot-moved' "$WORK/guest/results" ||
		die "the guest's kernel has moved pages of the hot set" 'nothing can be said about it: run it again'
	if [ "$what" = work ]; then
		hot_swapins
		none_missed
	fi
	relay guest
}

work "$@"
