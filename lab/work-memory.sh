#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A workload of lab/bench.sh: one guest, hot and cold memory, a cgroup that is too small for it.
#
# usage: see lab/work.sh; PRESSURE is the limit in percent of the guest's size
#
# stress-ng keeps the hot set busy and walks the cold memory (lab/guest-memory.sh).  lab/swapins.sh tells which
# swap-ins are the hot set's; its probe is the only one here.
set -eu

LAB=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=lab/work.sh
. "$LAB/work.sh"
# shellcheck source=lab/swapins.sh
. "$LAB/swapins.sh"

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

log_swapins()
{
	own_probe swapin "$swapin_probe"
	own_counter swapins swapin "$swapin_major" $((MEMORY_LOG_MIB * 1024 / $(nproc)))
}

prepare_load()
{
	limit $((MEMORY_GUEST_MIB * ${pressure:-50} / 100))
	[ "$what" != work ] || log_swapins
	start_guest guest "$CGROUP" -m "$MEMORY_GUEST_MIB" -f "$LAB/guest-stress.sh" -f "$LAB/guest-memory.sh" -- \
		guest-memory.sh "$MEMORY_SECONDS" "$MEMORY_HOT_MIB" "$MEMORY_COLD_MIB" \
		"$SEED" "$SAMPLE_MS"
	until_line guest ready
	memory=$(guest_memory "/proc/$(cat "$WORK/guest/pid")/maps" "$MEMORY_GUEST_MIB")
}

report_load()
{
	if [ "$what" = work ]; then
		swapins swapins "$WORK/guest/results" "$memory"
		none_missed
	fi
	relay guest
}

work "$@"
