#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A workload of lab/bench.sh: one guest, hot and cold memory, a cgroup that is too small for it.
#
# usage: see lab/work.sh; PRESSURE is the limit in percent of the guest's size
#
# stress-ng keeps the hot set busy and walks the cold memory (lab/guest-memory.sh).  lab/swapins.sh tells which
# swap-ins are the hot set's; its probe is the only one here.
#
# Of what the guest holds, about 70 MiB are its kernel, its initramfs and what is free, which hardly anybody
# uses: with a limit of 90 % that is all that has to be swapped, once.  With 50 % the cold memory does
# not fit.
set -eu

LAB=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=lab/work.sh
. "$LAB/work.sh"

# shellcheck disable=SC2034 # for work.sh
PARAMETERS=(
	'MEMORY_GUEST_MIB 192 3072 memory of the guest; with more than 3 GiB it is no longer in one piece'
	'MEMORY_HOT_MIB 24 768 memory it keeps busy'
	'MEMORY_COLD_MIB 88 1984 memory it walks besides'
	'MEMORY_SECONDS 5 30 time of the load, by its clock'
	'MEMORY_LOG_MIB 32 1024 room to note swap-ins in, of all CPUs'
)

# shellcheck disable=SC2034 # for work.sh
cold_work=cold_operations

# shellcheck disable=SC2034 # for work.sh
size()
{
	size=$MEMORY_GUEST_MIB percent=${pressure:-50}
}

prepare_files()
{
	"$LAB/guest.sh" -b
}

prepare_load()
{
	log_swapins "$MEMORY_LOG_MIB"
	start_guest guest "$CGROUP" -m "$MEMORY_GUEST_MIB" -f "$LAB/guest-stress.sh" -f "$LAB/guest-memory.sh" -- \
		guest-memory.sh "$MEMORY_SECONDS" "$MEMORY_HOT_MIB" "$MEMORY_COLD_MIB" \
		"$SEED" "$SAMPLE_MS"
	until_line guest ready
	memory=$(memory_of guest "$MEMORY_GUEST_MIB")
}

report_load()
{
	report_swapins guest "$memory"
	relay guest
}

work "$@"
