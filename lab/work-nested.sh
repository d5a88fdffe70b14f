#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A workload of lab/bench.sh: a guest in a guest.
#
# usage: see lab/work.sh
#
# The hot set is memory of a guest in the guest (lab/guest-touch.sh vm), which the host maps by shadow
# pages: fast aging does not see it, and what ages it takes mmu_lock.  An ordinary process of the
# outer guest walks cold memory meanwhile.  The inner guest has no operating system.  lab/swapins.sh tells
# which swap-ins are the hot set's; its probe is the only one here.
set -eu

LAB=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=lab/work.sh
. "$LAB/work.sh"

# shellcheck disable=SC2034 # for work.sh
PARAMETERS=(
	'NESTED_GUEST_MIB 96 2048 memory of the outer guest'
	'NESTED_HOT_MIB 8 512 memory that the inner one keeps busy'
	'NESTED_COLD_MIB 48 1024 memory that the outer one walks besides'
	'NESTED_SECONDS 3 30 time of the load, by its clock'
	'NESTED_LOG_MIB 16 512 room to note swap-ins in, of all CPUs'
	'NESTED_LIMIT_PERCENT 60 60 limit in percent of the size of the outer guest'
)

# shellcheck disable=SC2034 # for work.sh
size()
{
	size=$NESTED_GUEST_MIB percent=$NESTED_LIMIT_PERCENT
}

prepare_load()
{
	log_swapins "$NESTED_LOG_MIB"
	start_guest guest "$CGROUP" -i plain -m "$NESTED_GUEST_MIB" -f "$FILES/wakeup" -f "$LAB/guest-touch.sh" -- \
		guest-touch.sh "$NESTED_SECONDS" "$NESTED_HOT_MIB" "$NESTED_COLD_MIB" "$SEED" \
		"$SAMPLE_MS" vm
	until_line guest ready
	memory=$(memory_of guest "$NESTED_GUEST_MIB")
}

report_load()
{
	report_swapins guest "$memory"
	relay guest
}

work "$@"
