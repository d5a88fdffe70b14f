#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A workload of lab/bench.sh: a guest in a guest.
#
# usage: see lab/work.sh
#
# The hot set is memory of a guest in the guest (lab/guest-touch.sh vm), which the host maps by shadow
# pages: fast aging does not see it, and what ages it takes mmu_lock.  An ordinary process of the
# outer guest walks cold memory meanwhile.  The inner guest has no operating system.
set -eu

LAB=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=lab/work.sh
. "$LAB/work.sh"

# shellcheck disable=SC2034 # for work.sh
PARAMETERS=(
	'NESTED_GUEST_MIB 96 2048 memory of the outer guest'
	'NESTED_HOT_MIB 8 512 memory that the inner one keeps busy'
	'NESTED_COLD_MIB 48 1024 memory that the outer one walks besides'
	'NESTED_SECONDS 2 30 time of the load, by its clock'
	'NESTED_LIMIT_PERCENT 60 60 limit in percent of the size of the outer guest'
)

prepare_load()
{
	limit $((NESTED_GUEST_MIB * NESTED_LIMIT_PERCENT / 100))
	start_guest guest "$CGROUP" -i plain -m "$NESTED_GUEST_MIB" -f "$FILES/wakeup" -f "$LAB/guest-touch.sh" -- \
		guest-touch.sh "$NESTED_SECONDS" "$NESTED_HOT_MIB" "$NESTED_COLD_MIB" "$SAMPLE_MS" vm
	until_line guest ready
}

report_load()
{
	relay guest
}

work "$@"
