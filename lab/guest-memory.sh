#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# A hot set kept busy, and cold memory: guest-load.sh for lab/work-memory.sh.  Runs in the guest.
#
# usage: guest-memory.sh SECONDS HOT-MIB COLD-MIB SEED SAMPLE-MS
#
# stress-ng rewrites the hot set all the time; a second one walks the cold memory as fast as the
# host lets it have that.  Once the hot set is there its page frames are printed, in runs:
# "hot-gfns FIRST COUNT"; then "ready".  The load begins when the host says so, or the host would be
# told late: it says "load begins" and "load ends", bogo operations, and
#
#	sample hot SECONDS PAGES
#
# which is what was written since the line before, by the guest's clock since the load began.
# stress-ng does not tell; but its method write64 writes the number of the pass over the memory,
# and that can be read.  With another stress-ng, whose write64 writes something else, there are no
# such lines: a number that does not grow is no sample.  It stays until the host says that it may end.
set -eu

seconds=$1 hot=$2 cold=$3 seed=$4 sample_ms=$5

order()
{
	read -r _ <&4
}

# stress NAME MIB SECONDS: one stress-ng worker that keeps its memory; left alone it would call
# madvise() with an advice chosen at random
stress()
{
	stress-ng --vm 1 --vm-bytes "$2M" --vm-keep --vm-madvise normal --vm-method write64 --seed "$seed" \
		--timeout "$3" --metrics --yaml "/tmp/$1.yaml" >"/tmp/$1.log" 2>&1 ||
		cat "/tmp/$1.log"
}

# find_hot_set: set pid, and first and count in pages, of the mapping of that size; the process
# that has it is a grandchild of stress-ng
find_hot_set()
{
	local maps range start end
	for maps in /proc/[0-9]*/maps; do
		pid=${maps#/proc/} pid=${pid%/maps}
		[ "$(cat "/proc/$pid/comm" 2>/dev/null)" = stress-ng-vm ] || continue
		while read -r range _; do
			start=$((0x${range%-*})) end=$((0x${range#*-}))
			first=$((start / 4096)) count=$(((end - start) / 4096))
			[ $count -ne $((hot * 256)) ] || return 0
		done <"$maps"
	done
	return 1
}

# page_frames: of the pages that are present, in hexadecimal, each once (a page that was only
# read is the zero page); the high word of an entry begins with 8 or more when the page is there
page_frames()
{
	dd if="/proc/$pid/pagemap" bs=8 skip="$first" count="$count" 2>/dev/null |
		od -An -v -t x4 |
		awk '{ for (i = 1; i < NF; i += 2) if ($(i + 1) ~ /^[89a-f]/) print $i }' | sort -u
}

wait_for_hot_set()
{
	local tries=0
	until find_hot_set && page_frames >/tmp/gfns && [ "$(wc -l </tmp/gfns)" -eq "$count" ]; do
		tries=$((tries + 1))
		if [ $tries -gt 60 ]; then
			echo "guest-memory.sh: error: stress-ng did not populate $hot MiB"
			exit 1
		fi
		sleep 0.5
	done
}

# runs: what is sorted, as FIRST COUNT in decimal
runs()
{
	awk '
		function number(hex,	i, n) {
			for (i = 1; i <= length(hex); i++)
				n = n * 16 + index("123456789abcdef", substr(hex, i, 1))
			return n
		}
		function end_run() { if (count) print "hot-gfns", first, count }
		{
			n = number($1)
			if (count && n == first + count) {
				count++
				next
			}
			end_run()
			first = n
			count = 1
		}
		END { end_run() }'
}

passes()
{
	dd if="/proc/$pid/mem" bs=8 skip=$((first * 512)) count=1 2>/dev/null | od -An -t u8
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

# operations NAME: how many stress-ng counted; none is an error, and it said why
operations()
{
	awk -v name="$1" '$1 == "bogo-ops:" { print name "_operations", $2; n += $2 } END { exit !n }' \
		"/tmp/$1.yaml" || { cat "/tmp/$1.log"; exit 1; }
}

mkdir -p /tmp
exec 4<"$(echo /dev/vport*p2)"
stress hot "$hot" 86400 &
wait_for_hot_set
runs </tmp/gfns
echo 'ready'
order
echo 'load begins'
sample_hot_set &
stress cold "$cold" "$seconds"
page_frames | cmp -s - /tmp/gfns || echo 'hot-moved'
killall -INT stress-ng
wait
echo 'load ends'
operations hot
operations cold
cat /tmp/samples
echo 'reported'
order
