#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A workload of lab/bench.sh: guests beside an ordinary process that wakes up now and then.
#
# usage: see lab/work.sh
#
# As with ChromeOS's VMs and tabs: all of them are in one cgroup, and the generations decide whose
# memory is swapped out.  If guests looked hotter than processes it would be that of the process, and it
# would have to wait for its memory when it wakes up (lab/wakeup.c).  Meanwhile each guest keeps a hot set
# busy, and walks cold memory at a pace (lab/guest-touch.sh): if it walked as fast as it can, memory would
# be short only until it has all of it; or, with a lower limit, nobody would get anything done.
#
# The case is a tab that was left alone long enough for its memory to be among the oldest, and is looked
# at again: not one that is in use all the time.  The process has many, and goes from one to the next, so
# that each is idle for longer than the guests' cold memory; and it does so often enough for p99, which
# takes 100.  On an emulated host two generations begin in a second, of which it keeps 4, and a tab is idle
# for 2.9 s.
set -eu

LAB=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=lab/work.sh
. "$LAB/work.sh"

# shellcheck disable=SC2034 # for work.sh
PARAMETERS=(
	'WAKEUP_GUESTS 2 2 guests'
	'WAKEUP_GUEST_MIB 96 2048 memory of each of the guests'
	'WAKEUP_HOT_MIB 12 512 memory that each keeps busy'
	'WAKEUP_COLD_MIB 40 1024 memory that each walks besides'
	'WAKEUP_COLD_PARTS 20 64 parts of that memory'
	'WAKEUP_COLD_PERIOD_MS 90 250 how often it walks the next one'
	'WAKEUP_PROCESS_MIB 16 512 memory of the process'
	'WAKEUP_TABS 32 32 parts of that memory, one of which is used when it wakes up'
	'WAKEUP_PERIOD_MS 90 1000 how often it wakes up'
	'WAKEUP_SECONDS 10 120 time of the load'
	'WAKEUP_LIMIT_PERCENT 60 60 limit in percent of the size of the guests and the process'
)

# In any arm a guest walks as many parts; one that is late makes the next one late, and leaves none out.
# shellcheck disable=SC2034 # for work.sh
cold_work=

# shellcheck disable=SC2034 # for work.sh
size()
{
	size=$((WAKEUP_GUESTS * WAKEUP_GUEST_MIB + WAKEUP_PROCESS_MIB)) percent=$WAKEUP_LIMIT_PERCENT
}

start_process()
{
	keep_in_memory "$FILES/wakeup"
	mkfifo "$WORK/go"
	exec 6<>"$WORK/go"
	in_cgroup "$CGROUP" "$FILES/wakeup" -m "$WAKEUP_PROCESS_MIB" -k "$WAKEUP_TABS" -p "$WAKEUP_PERIOD_MS" \
		-t "$WAKEUP_SECONDS" -r "$SEED" -s "$SAMPLE_MS" -w process <"$WORK/go" >"$WORK/process" &
	process=$!
	background+=("$process")
	until grep -qsx ready "$WORK/process"; do pause 0.1; done
}

prepare_load()
{
	local i
	start_process
	loaded=()
	for ((i = 1; i <= WAKEUP_GUESTS; i++)); do
		start_guest "guest$i" "$CGROUP" -i plain -m "$WAKEUP_GUEST_MIB" -f "$FILES/wakeup" \
			-f "$LAB/guest-touch.sh" -- guest-touch.sh $((WAKEUP_SECONDS + 1)) "$WAKEUP_HOT_MIB" \
			"$WAKEUP_COLD_MIB" "$SEED" "$SAMPLE_MS" process "$WAKEUP_COLD_PERIOD_MS" "$WAKEUP_COLD_PARTS"
		until_line "guest$i" ready
		loaded+=("guest$i")
	done
}

# The guests are busy for a little longer, and have all of the memory then: that is no part of it.
await_load()
{
	echo >&6
	wait "$process"
}

# sum_up_guests FILE: what one of them lacks, since it did too little, is not the worst of the others
sum_up_guests()
{
	awk -v guests="$WAKEUP_GUESTS" '
		{ key = $1; sub(/^guest[0-9]*_/, "", key) }
		key == "hot_pages" { pages += $2 }
		key ~ /^(hot|cold)_(p[0-9]*|longest)_us$/ {
			n[key]++
			if ($2 > worst[key])
				worst[key] = $2
		}
		END {
			printf "hot_pages %.0f\n", pages
			for (key in worst)
				if (n[key] == guests)
					print "worst_" key, worst[key]
		}' "$1"
}

report_load()
{
	local i
	grep -vx ready "$WORK/process"
	for ((i = 1; i <= WAKEUP_GUESTS; i++)); do relay "guest$i" "guest$i"; done >"$WORK/guests"
	cat "$WORK/guests"
	sum_up_guests "$WORK/guests"
}

work "$@"
