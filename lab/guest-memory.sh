#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# A hot set kept busy, and cold memory: guest-load.sh for lab/work-memory.sh.  Runs in the guest.
#
# usage: guest-memory.sh SECONDS HOT-MIB COLD-MIB SEED SAMPLE-MS
#
# stress-ng rewrites the hot set all the time; a second one walks the cold memory as fast as the
# host lets it have that.  What it prints is in guest-stress.sh, and "ready" once the hot set is
# there.  The load begins when the host says so, or the host would be told late.  Besides what it did
# in all it prints
#
#	sample hot SECONDS PAGES
#
# which is what was written since the line before, by the guest's clock since the load began.  It stays
# until the host says that it may end.
set -eu
# shellcheck source=lab/guest-stress.sh
. ./guest-stress.sh

seconds=$1 hot=$2 cold=$3 seed=$4 sample_ms=$5

order()
{
	read -r _ <&4
}

# sample_hot_set: until its process ends
sample_hot_set()
{
	local begin time last now
	read -r begin _ </proc/uptime
	last=$(passes)
	while now=$(passes) && [ "$now" ]; do
		read -r time _ </proc/uptime
		[ "$now" -le "$last" ] || echo "$begin $time $((now - last))"
		last=$now
		usleep "${sample_ms}000"
	done | awk -v pages="$count" '{ printf "sample hot %.2f %d\n", $2 - $1, $3 * pages }' >/tmp/samples
}

mkdir -p /tmp
exec 4<"$(echo /dev/vport*p2)"
stress hot "$hot" 86400 --seed "$seed" &
wait_for_hot_set "$hot"
echo 'ready'
order
begin_load
sample_hot_set &
stress cold "$cold" "$seconds" --seed "$seed"
end_load
cat /tmp/samples
echo 'reported'
order
