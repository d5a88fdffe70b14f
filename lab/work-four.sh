#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A workload of lab/bench.sh: four guests of which one is hot.
#
# usage: see lab/work.sh
#
# Each guest has a cgroup of its own, in one that is too small for all of them.  Three have written to
# their memory and idle; one keeps a hot set busy and walks cold memory (lab/guest-touch.sh).
# That one alone needs more than there is, too.
# Refaults are told apart by those cgroups; the aging that is timed is that of the hot guest.
set -eu

LAB=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=lab/work.sh
. "$LAB/work.sh"

# shellcheck disable=SC2034 # for work.sh
PARAMETERS=(
	'FOUR_GUEST_MIB 112 1024 memory of each of the guests'
	'FOUR_IDLE_MIB 24 768 memory that those which idle have written to'
	'FOUR_HOT_MIB 16 256 memory that the hot one keeps busy'
	'FOUR_COLD_MIB 48 512 memory that it walks besides'
	'FOUR_SECONDS 3 30 time of the load, by its clock'
	'FOUR_LIMIT_PERCENT 14 17 limit in percent of the size of all guests'
)

# shellcheck disable=SC2034 # for work.sh
loaded=(hot) aged=$CGROUP/hot

# shellcheck disable=SC2034 # for work.sh
size()
{
	size=$((4 * FOUR_GUEST_MIB)) percent=$FOUR_LIMIT_PERCENT
}

# guest NAME HOT-MIB COLD-MIB: one that is populated
guest()
{
	start_guest "$1" "$CGROUP/$1" -i plain -m "$FOUR_GUEST_MIB" -f "$FILES/wakeup" -f "$LAB/guest-touch.sh" -- \
		guest-touch.sh "$FOUR_SECONDS" "$2" "$3" "$SEED" "$SAMPLE_MS"
	until_line "$1" ready
}

prepare_load()
{
	local name
	echo +memory >"$CGROUP/cgroup.subtree_control"
	for name in idle1 idle2 idle3; do guest $name 0 "$FOUR_IDLE_MIB"; done
	guest hot "$FOUR_HOT_MIB" "$FOUR_COLD_MIB"
}

report_load()
{
	awk '
		$1 == "memcg_hot_workingset_refault_anon" { hot = $2 }
		$1 ~ /^memcg_idle[0-9]_workingset_refault_anon$/ { idle += $2 }
		END { print "refaults_hot", hot; print "refaults_idle", idle }' "$WORK/differences"
	relay hot
}

work "$@"
